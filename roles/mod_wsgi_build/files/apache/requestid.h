/* SPDX-License-Identifier: Apache-2.0 */
/* X-Request-ID on the answers that this module refuses with a 5xx: what their log line names. */
#ifndef WSGI_APACHE_REQUESTID_H
#define WSGI_APACHE_REQUESTID_H

#include "httpd.h"
#include "../wire/outcome.h"

/* The one log line of a refused request (wsgi_log_outcome), and the header when it is a 5xx. */
void wsgi_requestid_refuse(request_rec *r, const struct wsgi_outcome *outcome);

void wsgi_requestid_register_hooks(void);

#endif
