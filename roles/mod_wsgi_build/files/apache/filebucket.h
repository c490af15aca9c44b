/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A bucket of a regular file that is read with pread(): the position of the descriptor, which an
 * application may share with us, never moves, and nothing is mapped (a file that is cut while it
 * is sent is an error, not a SIGBUS).
 */
#ifndef WSGI_APACHE_FILEBUCKET_H
#define WSGI_APACHE_FILEBUCKET_H

#include "apr_buckets.h"

/* The bucket owns the descriptor. */
apr_bucket *wsgi_file_bucket_create(int descriptor, apr_uint64_t offset, apr_uint64_t length,
                                    apr_bucket_alloc_t *list);

/* A bucket that httpd may hand to sendfile(). Other readers of such a bucket move the position of
 * its descriptor, so it gets one of its own: the file is opened again. NULL when that is not
 * possible; else `descriptor` is closed. Lives in `pool`. */
apr_bucket *wsgi_file_bucket_sendfile(int descriptor, apr_uint64_t offset, apr_uint64_t length,
                                      apr_pool_t *pool, apr_bucket_alloc_t *list);

#endif
