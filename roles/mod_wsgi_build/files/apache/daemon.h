/* SPDX-License-Identifier: Apache-2.0 */
/* Daemon groups as the configuration describes them: WSGIDaemonProcess, finding, reaching. */
#ifndef WSGI_APACHE_DAEMON_H
#define WSGI_APACHE_DAEMON_H

#include "httpd.h"
#include "http_config.h"
#include "group.h"

/* The group of this name among struct wsgi_group *, or NULL. */
struct wsgi_group *wsgi_group_find(const apr_array_header_t *groups, const char *name);

/* 1 when requests of `s` may use the group: defined in `s`, in the main server, or in a virtual
 * host with the same ServerName. */
int wsgi_group_reachable(const struct wsgi_group *group, const server_rec *s);

/* The error for a name that is defined twice. */
const char *wsgi_group_twice(apr_pool_t *pool, const struct wsgi_group *first,
                             const struct wsgi_group *second);

/* Fills in uid, gid, user_name, user_home and socket_uid, with Apache's own User and Group where
 * the options are silent. NULL, or what is wrong. */
const char *wsgi_group_resolve_user(apr_pool_t *pool, struct wsgi_group *group);

#endif
