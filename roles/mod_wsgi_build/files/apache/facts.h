/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the configuration says about the file system, compared with the file system. A wrong fact
 * fails "httpd -t"; when the server really starts it only puts one group (or embedded mode) out of
 * service, so that one deleted venv does not keep the other sites down.
 */
#ifndef WSGI_APACHE_FACTS_H
#define WSGI_APACHE_FACTS_H

#include "httpd.h"

/* check_config: finds out everything that is marked so in group.h and config.h. */
int wsgi_facts_check_config(apr_pool_t *pconf, apr_pool_t *plog, apr_pool_t *ptemp,
                            server_rec *main_server);

/* One line for each thing that is out of service. */
void wsgi_facts_report(server_rec *main_server);

#endif
