/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What would happen to a request: httpd's own steps from the URL to the handler, taken with a
 * request made for the purpose. Only for `httpd -t`: no process has been started then, so nothing
 * runs that would need Python.
 */
#ifndef WSGI_APACHE_WHATIF_H
#define WSGI_APACHE_WHATIF_H

#include "httpd.h"

/* Made once, before the first question, in a process that ends after the last. */
void wsgi_whatif_prepare(apr_pool_t *pool);

/* Takes a GET for `target` ("/path?query") on `port` through httpd. `host` is what the Host header
 * says, without a port. Of virtual hosts with different addresses the one that carries this name
 * is taken. With `only` not NULL, this virtual host is taken whatever the name. *status is OK, or
 * what httpd answers before any handler; NULL: no memory. */
request_rec *wsgi_whatif_ask(apr_pool_t *pool, const char *host, apr_port_t port,
                             const char *target, server_rec *only, int *status);

/* What the Require lines say to a client about whom nothing is known: OK, DECLINED (it has to say
 * who it is first), or a status. */
int wsgi_whatif_access(request_rec *r);

#endif
