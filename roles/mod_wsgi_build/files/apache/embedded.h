/* SPDX-License-Identifier: Apache-2.0 */
/* Embedded mode: the engine in the Apache child. */
#ifndef WSGI_APACHE_EMBEDDED_H
#define WSGI_APACHE_EMBEDDED_H

#include "httpd.h"
#include "../wire/engine.h"
#include "../wire/outcome.h"

struct wsgi_body;
struct wsgi_response;

/* child_init: loads libpython and the engine, starts Python; `pchild` ends it. A failure leaves
 * embedded mode out of service in this process. */
void wsgi_embedded_start(apr_pool_t *pchild, server_rec *main_server);

/* Runs one request here. Fills in `outcome`; the caller hands it to wsgi_response_end(). */
void wsgi_embedded_run(request_rec *r, const unsigned char *vars, size_t vars_size,
                       struct wsgi_body *body, struct wsgi_response *response,
                       struct wsgi_outcome *outcome);

/* Asks a script that decides; see engine.h. `answer` and `outcome` are filled in, the caller frees
 * the texts. */
void wsgi_embedded_ask(request_rec *r, const unsigned char *vars, size_t vars_size,
                       const struct wsgi_question *question, struct wsgi_answer *answer,
                       struct wsgi_outcome *outcome);

#endif
