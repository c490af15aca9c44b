/* SPDX-License-Identifier: Apache-2.0 */
/* Apache child: runs one request in a daemon process of a group. */
#ifndef WSGI_APACHE_CLIENT_H
#define WSGI_APACHE_CLIENT_H

#include "httpd.h"
#include "group.h"
#include "../wire/outcome.h"

struct wsgi_body;
struct wsgi_response;

/* Sends the variable block and body, relays the answer into `response`, retries on another
 * process while the request certainly did not start. Fills in `outcome`; the caller hands it to
 * wsgi_response_end(). Group out of service: 503 WSGI1000. */
void wsgi_client_run(const struct wsgi_group *group, request_rec *r, const unsigned char *vars,
                     size_t vars_size, struct wsgi_body *body, struct wsgi_response *response,
                     struct wsgi_outcome *outcome);

/* child_init: makes this child's connection pools; `pool` is the child's. */
void wsgi_client_child_init(apr_pool_t *pool, server_rec *main_server,
                            const apr_array_header_t *groups);

#endif
