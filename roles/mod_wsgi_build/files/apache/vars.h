/* SPDX-License-Identifier: Apache-2.0 */
/* The variable block of a request: what becomes environ, and the engine's parameters. */
#ifndef WSGI_APACHE_VARS_H
#define WSGI_APACHE_VARS_H

#include "httpd.h"
#include "names.h"
#include "../wire/engine.h"
#include "../wire/vars.h"

/* Begins and ends `writer`, which the caller frees in any case. `has_body` is what body.c found.
 * 0, or -1: no memory, or a value too large to describe. */
int wsgi_vars_build(request_rec *r, const struct wsgi_target *target, int has_body,
                    struct wsgi_vars_writer *writer);

/* Puts what environ had into the request's environment (httpd makes REDIRECT_* of it when another
 * request takes over); none of the module's own settings, and nothing wsgi.*. */
void wsgi_vars_remember(request_rec *r, const struct wsgi_vars_writer *vars);

/* The reduced block for a script that decides (behaviour reference 3.5): CGI variables with
 * SERVER_SIGNATURE and REMOTE_HOST, never a credential. The dispatch script (3.6) gets what the
 * application will get instead, and the environment as it is behind it. `application_group` is
 * already expanded. */
int wsgi_vars_build_question(request_rec *r, enum wsgi_question_kind kind,
                             const struct wsgi_target *target, const char *script,
                             const char *application_group, struct wsgi_vars_writer *writer);

#endif
