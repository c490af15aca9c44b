/* SPDX-License-Identifier: Apache-2.0 */
#include "route.h"

#include "config.h"
#include "names.h"
#include "../wire/head.h"

#include "ap_config.h"
#include "apr_strings.h"
#include "http_core.h"
#include "http_protocol.h"
#include "http_request.h"

#include <string.h>
#include <strings.h>

/* ---- aliases ------------------------------------------------------------------------------- */

/* Bytes of `uri` that the literal location covers, 0 when it does not match. Any run of "/"
 * matches any other; a match ends at a "/" boundary. */
static size_t match(const char *uri, const char *location)
{
    const char *at = uri;
    const char *want = location;

    while (*want != '\0') {
        if (*want != '/') {
            if (*at++ != *want++)
                return 0;
            continue;
        }
        if (*at != '/')
            return 0;
        at += strspn(at, "/");
        want += strspn(want, "/");
    }
    if (want == location)
        return 0;
    if (want[-1] != '/' && *at != '\0' && *at != '/')
        return 0;
    return (size_t)(at - uri);
}

/* The alias itself goes along as a note, because notes survive mod_dir's internal redirects; what
 * counts is the address of its text (wsgi_route_alias). */
static void note_options(request_rec *r, const struct wsgi_alias *alias)
{
    apr_table_setn(r->notes, WSGI_NOTE_ALIAS, alias->location);
    if (alias->process_group != NULL)
        apr_table_setn(r->notes, WSGI_NOTE_PROCESS_GROUP, alias->process_group);
    if (alias->application_group != NULL)
        apr_table_setn(r->notes, WSGI_NOTE_APPLICATION_GROUP, alias->application_group);
    if (alias->callable_object != NULL)
        apr_table_setn(r->notes, WSGI_NOTE_CALLABLE_OBJECT, alias->callable_object);
    if (alias->pass_authorization != -1)
        apr_table_setn(r->notes, WSGI_NOTE_PASS_AUTHORIZATION,
                       alias->pass_authorization ? "1" : "0");
}

/* What follows the match is appended to the target; a match of just the root keeps the whole
 * path, its leading "/" too. NULL: no match. */
static const char *map_plain(request_rec *r, const struct wsgi_alias *alias)
{
    size_t covered = match(r->uri, alias->location);
    const char *rest = strcmp(alias->location, "/") == 0 ? r->uri : r->uri + covered;

    return covered > 0 ? apr_pstrcat(r->pool, alias->target, rest, NULL) : NULL;
}

/* The match may lie anywhere in the path: what is before it is lost, what follows it is kept. */
static const char *map_regex(request_rec *r, const struct wsgi_alias *alias)
{
    ap_regmatch_t found[AP_MAX_REG_MATCH];
    const char *target;
    const char *rest;

    if (ap_regexec(alias->regex, r->uri, AP_MAX_REG_MATCH, found, 0) != 0 ||
        found[0].rm_eo == found[0].rm_so)
        return NULL;
    target = ap_pregsub(r->pool, alias->target, r->uri, AP_MAX_REG_MATCH, found);
    if (target == NULL)
        return NULL;
    rest = found[0].rm_eo == 1 && r->uri[0] == '/' ? r->uri : r->uri + found[0].rm_eo;
    return apr_pstrcat(r->pool, target, rest, NULL);
}

int wsgi_route_translate(request_rec *r)
{
    const apr_array_header_t *aliases = wsgi_config_server(r->server)->aliases;
    int i;

    if (aliases->nelts == 0 || (r->uri[0] != '/' && r->uri[0] != '\0'))
        return DECLINED;
    for (i = 0; i < aliases->nelts; i++) {
        const struct wsgi_alias *alias = &APR_ARRAY_IDX(aliases, i, struct wsgi_alias);
        const char *file = alias->regex != NULL ? map_regex(r, alias) : map_plain(r, alias);

        if (file == NULL)
            continue;
        r->filename = (char *)file;
        r->handler = WSGI_HANDLER;
        apr_table_setn(r->notes, "alias-forced-type", WSGI_HANDLER);
        note_options(r, alias);
        return OK;
    }
    return DECLINED;
}

const struct wsgi_alias *wsgi_route_alias(const request_rec *r)
{
    const apr_array_header_t *aliases = wsgi_config_server(r->server)->aliases;
    const char *location = apr_table_get(r->notes, WSGI_NOTE_ALIAS);
    int i;

    for (i = 0; location != NULL && i < aliases->nelts; i++) {
        const struct wsgi_alias *alias = &APR_ARRAY_IDX(aliases, i, struct wsgi_alias);

        if (alias->location == location)
            return alias;
    }
    return NULL;
}

/* ---- checks -------------------------------------------------------------------------------- */

static int is_plain(const request_rec *r)
{
    return r->handler != NULL &&
           (strcmp(r->handler, WSGI_HANDLER) == 0 || strcmp(r->handler, WSGI_MEDIA_TYPE) == 0);
}

/* httpd keeps the names of handlers in lower case; the last definition of a name counts. */
const struct wsgi_handler_script *wsgi_route_handler_script(const request_rec *r)
{
    const apr_array_header_t *list = wsgi_config_directory(r)->handlers;
    int i;

    if (list == NULL || r->handler == NULL || is_plain(r))
        return NULL;
    for (i = list->nelts - 1; i >= 0; i--) {
        const struct wsgi_handler_script *handler =
            &APR_ARRAY_IDX(list, i, struct wsgi_handler_script);

        if (strcasecmp(handler->name, r->handler) == 0)
            return handler;
    }
    return NULL;
}

int wsgi_route_is_ours(const request_rec *r)
{
    return is_plain(r) || wsgi_route_handler_script(r) != NULL;
}

static int is_aliased(const request_rec *r)
{
    const char *forced = apr_table_get(r->notes, "alias-forced-type");

    return forced != NULL && strcasecmp(forced, WSGI_HANDLER) == 0;
}

static int check_script(request_rec *r, struct wsgi_outcome *outcome)
{
    if (!is_aliased(r) && !(ap_allow_options(r) & OPT_EXECCGI)) {
        wsgi_outcome_fail(outcome, HTTP_FORBIDDEN, WSGI_CODE_EXECCGI_OFF,
                          "Options ExecCGI is off in this directory, so %s may not be run",
                          r->filename);
        return HTTP_FORBIDDEN;
    }
    if (r->finfo.filetype == APR_NOFILE) {
        wsgi_outcome_fail(outcome, HTTP_NOT_FOUND, WSGI_CODE_SCRIPT_NOT_FOUND,
                          "script %s does not exist or cannot be reached", r->filename);
        return HTTP_NOT_FOUND;
    }
    if (r->finfo.filetype == APR_DIR) {
        wsgi_outcome_fail(outcome, HTTP_FORBIDDEN, WSGI_CODE_SCRIPT_IS_DIRECTORY,
                          "%s is a directory, not a script", r->filename);
        return HTTP_FORBIDDEN;
    }
    return OK;
}

static int check_path_info(const request_rec *r, struct wsgi_outcome *outcome)
{
    if (r->used_path_info == AP_REQ_REJECT_PATH_INFO && r->path_info && *r->path_info) {
        wsgi_outcome_fail(outcome, HTTP_NOT_FOUND, WSGI_CODE_PATH_INFO_REFUSED,
                          "AcceptPathInfo is off, so %s does not take the path \"%s\" after it",
                          r->filename, r->path_info);
        return HTTP_NOT_FOUND;
    }
    return OK;
}

/* More than LimitRequestBody is told before anything is read or run. */
static int check_limit(request_rec *r, int64_t length, struct wsgi_outcome *outcome)
{
    apr_off_t limit = ap_get_limit_req_body(r);

    if (limit <= 0 || length <= limit)
        return OK;
    wsgi_outcome_fail(outcome, HTTP_REQUEST_ENTITY_TOO_LARGE, WSGI_CODE_BODY_READ_FAILED,
                      "the request body has %" APR_INT64_T_FMT
                      " bytes, LimitRequestBody is %" APR_OFF_T_FMT,
                      (apr_int64_t)length, limit);
    return HTTP_REQUEST_ENTITY_TOO_LARGE;
}

/* mod_wsgi 6 wants to be asked before it takes a chunked upload, and so do we: an application
 * that goes by CONTENT_LENGTH would lose the body. */
static int check_chunked(request_rec *r, struct wsgi_outcome *outcome)
{
    if (wsgi_config_directory(r)->chunked_request == 1)
        return OK;
    wsgi_outcome_fail(outcome, HTTP_LENGTH_REQUIRED, WSGI_CODE_CHUNKED_REFUSED,
                      "the request has a chunked body and no length, and WSGIChunkedRequest is "
                      "not On here");
    return HTTP_LENGTH_REQUIRED;
}

static int check_framing(request_rec *r, struct wsgi_outcome *outcome)
{
    const char *coding = apr_table_get(r->headers_in, "Transfer-Encoding");
    const char *length = apr_table_get(r->headers_in, "Content-Length");
    int64_t number;

    if (coding != NULL && strcasecmp(coding, "chunked") != 0) {
        wsgi_outcome_fail(outcome, HTTP_NOT_IMPLEMENTED, WSGI_CODE_TRANSFER_ENCODING,
                          "unknown Transfer-Encoding \"%.60s\"; only chunked is known", coding);
        return HTTP_NOT_IMPLEMENTED;
    }
    if (coding != NULL)
        return check_chunked(r, outcome);
    if (length == NULL)
        return OK;
    if (wsgi_head_parse_length(length, strlen(length), &number) != WSGI_HEAD_OK) {
        wsgi_outcome_fail(outcome, HTTP_BAD_REQUEST, WSGI_CODE_CONTENT_LENGTH,
                          "Content-Length \"%.60s\" is not a number", length);
        return HTTP_BAD_REQUEST;
    }
    return check_limit(r, number, outcome);
}

/* What a WSGIHandlerScript works on need not be there at all, and is not run itself. */
int wsgi_route_check(request_rec *r, struct wsgi_outcome *outcome)
{
    int status = is_plain(r) ? check_script(r, outcome) : OK;

    if (status == OK)
        status = check_path_info(r, outcome);
    return status == OK ? check_framing(r, outcome) : status;
}
