/* SPDX-License-Identifier: Apache-2.0 */
/* Supervisor: a daemon process that may see httpd's scoreboard gets it. */
#ifndef WSGI_APACHE_SHOWING_H
#define WSGI_APACHE_SHOWING_H

#include <stdint.h>

#include "group.h"

/* Answers WSGI_CONTROL_SCORES on the control socket of process `epoch`: with a sealed memfd, or
 * without one if the group may not see it or it cannot be made. Never waits. */
void wsgi_show_scores(const struct wsgi_group *group, int control, uint32_t epoch);

#endif
