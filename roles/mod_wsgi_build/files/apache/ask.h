/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Scripts of the site that decide about a request: WSGIAccessScript, the providers of
 * "AuthBasicProvider wsgi", "AuthDigestProvider wsgi" and "Require wsgi-group", and
 * WSGIDispatchScript. They always run in the Apache child.
 */
#ifndef WSGI_APACHE_ASK_H
#define WSGI_APACHE_ASK_H

#include "httpd.h"
#include "names.h"
#include "../wire/outcome.h"

/* The access checker and the two providers. */
void wsgi_ask_register_hooks(apr_pool_t *pool);

/* Asks the dispatch script of the request's scope, if there is one, and puts what it says into
 * `target`, expanded. OK; or a status with `outcome` when one of its functions failed or its
 * interpreter is unavailable. A script that cannot be loaded is logged and changes nothing. */
int wsgi_ask_dispatch(request_rec *r, struct wsgi_target *target, struct wsgi_outcome *outcome);

#endif
