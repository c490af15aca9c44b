/* SPDX-License-Identifier: Apache-2.0 */
/* Apache child: the look at a client's connection, for all who wait while it may leave. */
#ifndef WSGI_APACHE_LEAVING_H
#define WSGI_APACHE_LEAVING_H

#include "httpd.h"

/* -1: there is no socket to look at (HTTP/2 streams). */
int wsgi_client_socket(request_rec *r);

/* 1 when the client closed its connection; a look, no waiting. */
int wsgi_client_left(request_rec *r);

#endif
