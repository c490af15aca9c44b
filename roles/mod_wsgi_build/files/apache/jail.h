/* SPDX-License-Identifier: Apache-2.0 */
/* Option chroot: how paths look from inside, and whether all is there that a daemon needs. */
#ifndef WSGI_APACHE_JAIL_H
#define WSGI_APACHE_JAIL_H

#include "group.h"

/* `path` as it is called inside of `root` (which may be NULL: as it is). NULL: it is outside. */
const char *wsgi_jail_inside(const char *root, const char *path);

/* As the daemon's user, inside: interpreter, standard library, engine, their libraries, `home`.
 * NULL, or what is missing. */
const char *wsgi_jail_check(apr_pool_t *pool, const struct wsgi_group *group);

#endif
