/* SPDX-License-Identifier: Apache-2.0 */
/* Whether a request may run where its names send it. */
#ifndef WSGI_APACHE_ADMIT_H
#define WSGI_APACHE_ADMIT_H

#include "group.h"
#include "names.h"
#include "../wire/outcome.h"

/* WSGIRestrictProcess, the group's existence and reach, its owner rules, WSGIRestrictEmbedded;
 * in this order. OK with *group (NULL is embedded), or a status with `outcome`. */
int wsgi_admit(request_rec *r, const struct wsgi_target *target, const struct wsgi_group **group,
               struct wsgi_outcome *outcome);

#endif
