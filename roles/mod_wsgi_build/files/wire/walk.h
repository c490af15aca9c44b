/* SPDX-License-Identifier: Apache-2.0 */
/* Where on its way a path is blocked, in words. */
#ifndef WSGI_WIRE_WALK_H
#define WSGI_WIRE_WALK_H

#include <stddef.h>

/* Follows the path and its links as this process, and stops at the first part that it cannot pass,
 * or at the end when that cannot be used as `mode` (of access()) says. The errno, with words such
 * as "cannot enter /home/u (mode 0700, uid 1000)"; 0: nothing is in the way, no words. */
int wsgi_walk(const char *path, int mode, char *words, size_t size);

#endif
