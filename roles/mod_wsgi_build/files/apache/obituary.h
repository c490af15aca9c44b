/* SPDX-License-Identifier: Apache-2.0 */
/* How the process that was in a slot ended: from the supervisor to the Apache children that had a
 * request in it. */
#ifndef WSGI_APACHE_OBITUARY_H
#define WSGI_APACHE_OBITUARY_H

#include "slots.h"

/* Supervisor, before the slot is marked dead. */
void wsgi_obituary_write(struct wsgi_slots *slots, int index, pid_t pid, const char *words);
/* "daemon process 12 of group 'g'", "a daemon process of ..." when the slot has another one now. */
const char *wsgi_obituary_name(apr_pool_t *pool, const struct wsgi_group *group, int index,
                               uint32_t epoch);
/* "daemon process 12 of group 'g' was killed by signal 11 (Segmentation fault)". Waits a moment for
 * the supervisor to tell; else it says that nobody has. */
const char *wsgi_obituary_sentence(apr_pool_t *pool, const struct wsgi_group *group, int index,
                                   uint32_t epoch);

#endif
