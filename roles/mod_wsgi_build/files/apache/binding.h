/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The main-interpreter rule: a daemon group to which the configuration binds exactly one
 * application group runs it in its main interpreter, so that extensions which refuse
 * sub-interpreters work. What the application sees as its group's name does not change.
 */
#ifndef WSGI_APACHE_BINDING_H
#define WSGI_APACHE_BINDING_H

#include "httpd.h"

/* check_config, after everything was read: fills in main_group and main_alias of all groups. */
void wsgi_binding_find(apr_pool_t *pool, server_rec *main_server);

#endif
