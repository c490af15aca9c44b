/* SPDX-License-Identifier: Apache-2.0 */
/* Supervisor: starts the processes that a group is to have, not faster than it makes sense. */
#ifndef WSGI_APACHE_SPAWN_H
#define WSGI_APACHE_SPAWN_H

#include "minder.h"

/* Fills the empty places whose time has come; the time when the next one's comes. */
apr_time_t wsgi_spawn_due(struct wsgi_minder *minder, apr_time_t now);
/* An early end: after the first one in a row the place is filled at once, then after 1, 2, 4 ...
 * 60 s. Returns these seconds. */
unsigned wsgi_spawn_delay(struct wsgi_place *place, apr_time_t now);
/* Its process was a good one: the place is filled at once. */
void wsgi_spawn_at_once(struct wsgi_place *place, apr_time_t now);

#endif
