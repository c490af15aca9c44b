/* SPDX-License-Identifier: Apache-2.0 */
/* Who must own what a daemon group runs: its options script-user and script-group. */
#ifndef WSGI_APACHE_OWNER_H
#define WSGI_APACHE_OWNER_H

#include "httpd.h"
#include "group.h"
#include "../wire/outcome.h"

/* Looks at `file` and at the directory it lies in. OK, or HTTP_FORBIDDEN with `outcome`. */
int wsgi_owner_check(apr_pool_t *pool, const struct wsgi_group *group, const char *file,
                     struct wsgi_outcome *outcome);

#endif
