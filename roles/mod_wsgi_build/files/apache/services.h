/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Supervisor: groups with threads=0, whose processes run scripts and take no requests. Such a
 * process never runs twice: it is stopped before another one starts, also over a restart of the
 * server. Each holds its turn, a lock that ends with the process that holds it.
 */
#ifndef WSGI_APACHE_SERVICES_H
#define WSGI_APACHE_SERVICES_H

#include "minder.h"

/* Parent, before a supervisor is forked: what all generations lock. */
void wsgi_services_prepare(void);
/* Apache child: that is no business of its own. */
void wsgi_services_child_init(void);

int wsgi_service_is(const struct wsgi_minder *minder);
/* 1: the process of this place may be started, and gets *turn, which the caller closes. 0: the
 * former one has not ended yet. */
int wsgi_service_take_turn(struct wsgi_minder *minder, int place, apr_time_t now, int *turn);
/* Its scripts have returned: it starts again soon, for that is no failure. */
void wsgi_service_returned(struct wsgi_minder *minder, int index, apr_time_t now);

#endif
