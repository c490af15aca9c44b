/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The supervisor: one process per server generation, no Python. It starts the daemons of all
 * groups, replaces what died (back-off 0, 1, 2, 4 ... 60 s), says in words why it died, writes
 * what daemons print to the log of the group's virtual host, and drains when it is told to.
 */
#ifndef WSGI_APACHE_SUPERVISOR_H
#define WSGI_APACHE_SUPERVISOR_H

#include "httpd.h"
#include "server.h"

/* Parent, before children exist (pre_mpm at a cold start, post_config at a restart; runs once
 * per generation): makes slots, boards, listeners for each group that is not broken (a socket
 * that cannot be made breaks that group only, with one log line), then forks the supervisor.
 * `groups` holds struct wsgi_group *. Registers its own cleanups on pconf. */
apr_status_t wsgi_supervisor_start(apr_pool_t *pconf, server_rec *main_server,
                                   const apr_array_header_t *groups,
                                   const struct wsgi_supervisor_settings *settings);

/* Parent, now and then: forks a supervisor when that could not be done before. */
void wsgi_supervisor_monitor(void);

/* Parent: 1 when that has been done for this generation. */
int wsgi_supervisor_is_started(void);

/* Apache child: closes what belongs to the parent and the supervisor, keeps `life`. */
void wsgi_supervisor_child_init(apr_pool_t *pchild);

#endif
