/* SPDX-License-Identifier: Apache-2.0 */
/* Status and headers of a response, as httpd wants them. */
#ifndef WSGI_APACHE_RESPONSEHEAD_H
#define WSGI_APACHE_RESPONSEHEAD_H

#include "response.h"
#include "../wire/head.h"

/* Checks the block again (a daemon is not trusted) and fills in r->status, r->headers_out.
 * Hop-by-hop headers are dropped. 0, or -1 with *why set: nothing was changed. */
int wsgi_response_head(struct wsgi_response *response, const void *block, size_t size,
                       enum wsgi_head_status *why);

#endif
