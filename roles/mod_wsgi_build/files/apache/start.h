/* SPDX-License-Identifier: Apache-2.0 */
/* What happens once in a server: after the configuration, and in each new Apache child. */
#ifndef WSGI_APACHE_START_H
#define WSGI_APACHE_START_H

#include "httpd.h"
#include "scoreboard.h"

/* post_config, in the middle: the server tokens. */
int wsgi_start_tokens(apr_pool_t *pconf, apr_pool_t *plog, apr_pool_t *ptemp,
                      server_rec *main_server);
/* post_config, as the last: the supervisor of this generation; at a cold start only in pre_mpm, as
 * the last. */
int wsgi_start_generation(apr_pool_t *pconf, apr_pool_t *plog, apr_pool_t *ptemp,
                          server_rec *main_server);
int wsgi_start_first_generation(apr_pool_t *pool, ap_scoreboard_e kind);
/* monitor: the parent, every few seconds */
int wsgi_start_monitor(apr_pool_t *pool, server_rec *main_server);
/* child_init */
void wsgi_start_child(apr_pool_t *pchild, server_rec *main_server);

#endif
