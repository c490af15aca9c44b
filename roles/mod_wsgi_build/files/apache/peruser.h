/* SPDX-License-Identifier: Apache-2.0 */
/* Servers that answer each virtual host as a user of its own: mpm_itk, which sits on prefork, forks
 * a process for each connection and gives up its rights when it knows the virtual host. */
#ifndef WSGI_APACHE_PERUSER_H
#define WSGI_APACHE_PERUSER_H

#include "httpd.h"

/* 1 when this httpd has mpm_itk: an Apache child may become any user, and its forks serve. */
int wsgi_peruser_is_loaded(void);

/* check_config. One note for each AssignUserID whose user may not connect to a process group that
 * its requests are sent to. */
void wsgi_peruser_doubt(apr_pool_t *pool, server_rec *main_server);

#endif
