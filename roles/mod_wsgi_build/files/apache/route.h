/* SPDX-License-Identifier: Apache-2.0 */
/* From a URL to a script, and whether the script may be run. */
#ifndef WSGI_APACHE_ROUTE_H
#define WSGI_APACHE_ROUTE_H

#include "config.h"
#include "../wire/outcome.h"

#define WSGI_HANDLER "wsgi-script"
#define WSGI_MEDIA_TYPE "application/x-httpd-wsgi"

/* Note by which a request remembers its alias; only wsgi_route_alias() reads it. */
#define WSGI_NOTE_ALIAS "mod_wsgi.x-alias"

/* translate_name: WSGIScriptAlias and WSGIScriptAliasMatch, in their order, the first match wins.
 */
int wsgi_route_translate(request_rec *r);

/* The alias that mapped the request, or NULL. Compare aliases by their `location` (the pointer):
 * merging configurations copies the record. */
const struct wsgi_alias *wsgi_route_alias(const request_rec *r);

/* 1 when the request's handler is ours. */
int wsgi_route_is_ours(const request_rec *r);
/* The WSGIHandlerScript of this name that the request's scope knows; NULL for a plain script. */
const struct wsgi_handler_script *wsgi_route_handler_script(const request_rec *r);

/* The checks that come before any Python, in the documented order. OK, or the status, with
 * `outcome` saying why. */
int wsgi_route_check(request_rec *r, struct wsgi_outcome *outcome);

#endif
