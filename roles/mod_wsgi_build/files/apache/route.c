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

size_t wsgi_route_match(const char *uri, const char *location)
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

static void note_options(request_rec *r, const struct wsgi_alias *alias)
{
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

/* Entries in their order, the first match wins. What follows the location is appended to the
 * target; a mount at the root keeps the whole path, its leading "/" too. */
int wsgi_route_translate(request_rec *r)
{
    const apr_array_header_t *aliases = wsgi_config_server(r->server)->aliases;
    int i;

    if (aliases->nelts == 0 || (r->uri[0] != '/' && r->uri[0] != '\0'))
        return DECLINED;
    for (i = 0; i < aliases->nelts; i++) {
        const struct wsgi_alias *alias = &APR_ARRAY_IDX(aliases, i, struct wsgi_alias);
        size_t covered = wsgi_route_match(r->uri, alias->location);
        const char *rest = strcmp(alias->location, "/") == 0 ? r->uri : r->uri + covered;

        if (covered == 0)
            continue;
        r->filename = apr_pstrcat(r->pool, alias->target, rest, NULL);
        r->handler = WSGI_HANDLER;
        apr_table_setn(r->notes, "alias-forced-type", WSGI_HANDLER);
        note_options(r, alias);
        return OK;
    }
    return DECLINED;
}

/* ---- checks -------------------------------------------------------------------------------- */

int wsgi_route_is_ours(const request_rec *r)
{
    return r->handler != NULL &&
           (strcmp(r->handler, WSGI_HANDLER) == 0 || strcmp(r->handler, WSGI_MEDIA_TYPE) == 0);
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

/* A chunked upload is accepted. mod_wsgi 6 answers it with 411 unless WSGIChunkedRequest is On;
 * that directive comes later, and our default stays On. */
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
    if (coding != NULL || length == NULL)
        return OK;
    if (wsgi_head_parse_length(length, strlen(length), &number) != WSGI_HEAD_OK) {
        wsgi_outcome_fail(outcome, HTTP_BAD_REQUEST, WSGI_CODE_CONTENT_LENGTH,
                          "Content-Length \"%.60s\" is not a number", length);
        return HTTP_BAD_REQUEST;
    }
    return check_limit(r, number, outcome);
}

int wsgi_route_check(request_rec *r, struct wsgi_outcome *outcome)
{
    int status = check_script(r, outcome);

    return status == OK ? check_framing(r, outcome) : status;
}
