/* SPDX-License-Identifier: Apache-2.0 */
/* The client's request body, read through httpd's input filters. */
#ifndef WSGI_APACHE_BODY_H
#define WSGI_APACHE_BODY_H

#include "httpd.h"

struct wsgi_body {
    request_rec *r;
    apr_bucket_brigade *brigade; /* read but not yet handed out */
    int present;                 /* the request has a body at all */
    int finished;                /* end of stream seen and everything handed out */
    int failed;                  /* sticky: an errno of struct wsgi_transport.read, 0 when fine */
    apr_off_t taken;             /* bytes handed out so far */
};

/* Decides from r whether there is a body (Content-Length, chunked, HTTP/2 without length). */
void wsgi_body_init(struct wsgi_body *body, request_rec *r);

/* Up to `size` bytes. With block == 0 returns -1/EAGAIN when nothing is there yet.
 * 0: the body is complete. -1 with errno as in struct wsgi_transport.read. */
ssize_t wsgi_body_read(struct wsgi_body *body, void *buffer, size_t size, int block);

/* Tells a client that waits for it (Expect) to go on: 100 Continue, once, and not after the begin
 * of the answer. A blocking read does it by itself. */
void wsgi_body_want(struct wsgi_body *body);

/* Ends the body with this errno; what is left of it is never taken for another request. */
void wsgi_body_fail(struct wsgi_body *body, int error);

/* HTTP status for a failed body: 408, 413, 400 or 500. */
int wsgi_body_status(const struct wsgi_body *body);
/* What happened to it, in words. */
const char *wsgi_body_problem(const struct wsgi_body *body);

#endif
