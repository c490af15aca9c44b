/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Supervisor: how daemon processes leave as planned.
 *
 *   due       another one is to take its place; of those which can wait, one at a time
 *   heir      its place is another process's, which starts; it serves until that one is ready
 *   drain     it gets nothing new, and finishes what it has, for graceful-timeout at most
 *   stop      it ends once its running requests are over, within shutdown-timeout
 *   kill      it does not end
 */
#ifndef WSGI_APACHE_PLANS_H
#define WSGI_APACHE_PLANS_H

#include "minder.h"

/* `words` are for the log; without any (NULL), the `why` has its own. */
void wsgi_plan_drain(struct wsgi_minder *minder, int index, enum wsgi_why why, const char *words,
                     apr_time_t now);
void wsgi_plan_stop(struct wsgi_minder *minder, int index, enum wsgi_why why, const char *words,
                    apr_time_t now);

/* The place of a ready process is for another one from now on; it is filled at once unless the
 * process was no good. */
void wsgi_plan_vacate(struct wsgi_minder *minder, int index, apr_time_t now);
/* Nothing more is kept of who was in the place. */
void wsgi_plan_leave_place(struct wsgi_minder *minder, int index);
/* A daemon asks to be replaced, it alone. */
void wsgi_plan_replace(struct wsgi_minder *minder, int index, enum wsgi_why why, apr_time_t now);
/* A process is ready in this place: who served until then may go. */
void wsgi_plan_relieve(struct wsgi_minder *minder, int place, apr_time_t now);

/* All slots are taken, and a process has to be started. */
void wsgi_plan_make_way(struct wsgi_minder *minder, apr_time_t now);
/* Everything that is due; the time when it is due again. */
apr_time_t wsgi_plan_due(struct wsgi_minder *minder, apr_time_t now);

#endif
