/* SPDX-License-Identifier: Apache-2.0 */
/* Options env= and env-file=: variables of one group's processes, and of nobody else's. */
#ifndef WSGI_APACHE_ENVIRONMENT_H
#define WSGI_APACHE_ENVIRONMENT_H

#include "launch.h"

/* "NAME=value" of the option env. NULL, or what is wrong. */
const char *wsgi_environment_check(const char *assignment);
/* Reads the files of a group as a start of it will do. NULL, or what is wrong. */
const char *wsgi_environment_check_files(apr_pool_t *pool, const struct wsgi_group *group);
/* In the new process, while it is still root: files first, then env=. Ends it on failure. */
void wsgi_environment_set(const struct wsgi_launch *launch);

#endif
