/* SPDX-License-Identifier: Apache-2.0 */
/* Asks the kernel, as the user of a group, whether that user can reach what the group needs. */
#ifndef WSGI_APACHE_PROBE_H
#define WSGI_APACHE_PROBE_H

#include "httpd.h"
#include "group.h"

/* NULL when fine, else what cannot be reached and what to do. Bounded in time. */
const char *wsgi_probe_group(apr_pool_t *pool, const struct wsgi_group *group);
/* The same for Apache's own user, in whose processes an embedded Python runs. */
const char *wsgi_probe_embedded(apr_pool_t *pool, const char *interpreter,
                                const struct wsgi_python *python);

/* Whether Apache's processes can come to the sockets in `directory`. NULL, or what is in the way.
 */
const char *wsgi_probe_sockets(apr_pool_t *pool, const struct wsgi_group *group,
                               const char *directory);

#endif
