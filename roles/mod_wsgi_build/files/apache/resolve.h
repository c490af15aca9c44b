/* SPDX-License-Identifier: Apache-2.0 */
/* Names of process groups, looked up when the whole configuration was read: in whatever order the
 * lines stand, what is meant is found, and what is not there is told with all the places. */
#ifndef WSGI_APACHE_RESOLVE_H
#define WSGI_APACHE_RESOLVE_H

#include "httpd.h"

/* check_config. Merges definitions that virtual hosts of one ServerName share, fills in the
 * preload lists. OK, or a status: every error was told. */
int wsgi_resolve_names(apr_pool_t *pool, server_rec *main_server);

/* What is allowed, but hardly meant: noted for "httpd -t". */
void wsgi_resolve_doubts(apr_pool_t *pool, server_rec *main_server);

#endif
