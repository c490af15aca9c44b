/* SPDX-License-Identifier: Apache-2.0 */
/* Sockets of a server that was killed before it could remove them. */
#ifndef WSGI_APACHE_STALE_H
#define WSGI_APACHE_STALE_H

#include "httpd.h"

/* Removes the sockets of WSGISocketPrefix that nobody listens on; several servers may share it. */
void wsgi_stale_remove(apr_pool_t *pool, server_rec *main_server, const char *prefix);
/* For glob(): what begins with that, literally, and goes on with a dot. */
const char *wsgi_stale_pattern(apr_pool_t *pool, const char *begin);

#endif
