/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A bucket of a regular file that is read with pread(): the position of the descriptor, which an
 * application may share with us, never moves, and nothing is mapped (a file that is cut while it
 * is sent is an error, not a SIGBUS).
 */
#ifndef WSGI_APACHE_FILEBUCKET_H
#define WSGI_APACHE_FILEBUCKET_H

#include "httpd.h"

#include "apr_buckets.h"

/* Appends `length` bytes of the file to the brigade; the descriptor is taken over. When the file
 * turns out to have become shorter, one line in the log of the request's host says so, and whoever
 * reads gets an error. The witness stays with the caller, who is to ask it once, after the brigade
 * was passed on: not every filter passes an error on. */
void wsgi_file_append(apr_bucket_brigade *brigade, request_rec *r, int descriptor,
                      apr_uint64_t offset, apr_uint64_t length, apr_bucket **witness);
/* 1 when the file could not be read. The witness is gone then. */
int wsgi_file_has_failed(apr_bucket *witness);

/* The same with buckets that httpd may hand to sendfile(). Other readers of such a bucket move the
 * position of its descriptor, so it gets one of its own: the file is opened again. -1 when that is
 * not possible, the descriptor is still the caller's; else 0. They live in `pool`. */
int wsgi_file_append_sendfile(apr_bucket_brigade *brigade, apr_pool_t *pool, int descriptor,
                              apr_uint64_t offset, apr_uint64_t length);

#endif
