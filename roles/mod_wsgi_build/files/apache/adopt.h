/* SPDX-License-Identifier: Apache-2.0 */
/* Supervisor: daemon processes that a former supervisor of the generation has left. */
#ifndef WSGI_APACHE_ADOPT_H
#define WSGI_APACHE_ADOPT_H

#include "minder.h"

/* When the process was started, as the kernel counts it: tells it from a later one with the same
 * pid. 0: there is no such process. */
uint64_t wsgi_adopt_birth(pid_t pid);
/* Takes over what is in the slots. Who is ready serves until a process of our own is. */
void wsgi_adopt_all(struct wsgi_minder *minder, apr_time_t now);
/* 1 when the process in the slot was adopted, and is no more: nobody tells us of its end. */
int wsgi_adopt_is_gone(const struct wsgi_minder *minder, int index);

#endif
