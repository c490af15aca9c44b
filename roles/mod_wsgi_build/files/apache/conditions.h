/* SPDX-License-Identifier: Apache-2.0 */
/* Conditional requests for a response whose validators the application gave. */
#ifndef WSGI_APACHE_CONDITIONS_H
#define WSGI_APACHE_CONDITIONS_H

#include "httpd.h"

/* 1: a 200 for GET or HEAD with ETag or Last-Modified. Conditions are for such answers only. */
int wsgi_conditions_apply(const request_rec *r);

/* What the client's conditions make of such an answer: OK, HTTP_NOT_MODIFIED or
 * HTTP_PRECONDITION_FAILED. If-Range is none of them, it belongs to httpd's own range filter. */
int wsgi_conditions_check(request_rec *r);

/* Says that ranges are answered, unless the application spoke about that. 0: it said "none". */
int wsgi_conditions_offer_ranges(request_rec *r);

#endif
