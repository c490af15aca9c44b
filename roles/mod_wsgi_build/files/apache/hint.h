/* SPDX-License-Identifier: Apache-2.0 */
/* Hints: lines that a process writes once, about what usually is a mistake in a configuration. */
#ifndef WSGI_APACHE_HINT_H
#define WSGI_APACHE_HINT_H

#include "httpd.h"

/* Hooks that follow a request of an alias through httpd's access control. */
void wsgi_hint_register_hooks(apr_pool_t *pool);

/* The handler has the request: whatever becomes of it, httpd let it in. */
void wsgi_hint_let_in(request_rec *r);

/* An Authorization header is kept from the application. Its value is never logged. */
void wsgi_hint_authorization(request_rec *r);

/* WSGITrustedProxyHeaders without WSGITrustedProxies: every client is believed. */
void wsgi_hint_any_proxy(request_rec *r);

#endif
