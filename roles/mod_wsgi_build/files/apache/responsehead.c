/* SPDX-License-Identifier: Apache-2.0 */
#include "responsehead.h"

#include "config.h"

#include "apr_date.h"
#include "apr_lib.h"
#include "apr_strings.h"
#include "http_core.h"
#include "http_protocol.h"
#include "http_request.h"
#include "util_filter.h"

#include <string.h>
#include <strings.h>

#define WSGI_SHOWN_NAME 100 /* bytes of a header's name in a log line */
#define HELD_MAX_INCLUDES 1048576

/* A name that was checked: a token. */
static const char *shown_name(apr_pool_t *pool, const struct wsgi_head_field *field)
{
    apr_size_t size = field->name_size < WSGI_SHOWN_NAME ? field->name_size : WSGI_SHOWN_NAME;

    return apr_pstrcat(pool, apr_pstrmemdup(pool, field->name, size),
                       size < field->name_size ? "..." : "", NULL);
}

/* Goes through the whole block before anything is changed. */
static enum wsgi_head_status check_head(struct wsgi_response *response, const void *block,
                                        size_t size)
{
    enum wsgi_head_status why;
    struct wsgi_head_reader reader;
    struct wsgi_head_field field;
    int64_t length = -1;
    int more;

    why = wsgi_head_open(&reader, block, size);
    if (why != WSGI_HEAD_OK)
        return why;
    while ((more = wsgi_head_next(&reader, &field, &why)) > 0) {
        int64_t number;

        /* With ": " and the end of the line, as mod_wsgi 6 reads it. */
        if (response->line_limit > 0 &&
            field.name_size + field.value_size + 4 > response->line_limit) {
            response->long_name = shown_name(response->r->pool, &field);
            response->long_size = field.name_size + field.value_size + 4;
            return WSGI_HEAD_LINE_LONG;
        }
        if (response->is_daemon && wsgi_head_name_is(field.name, field.name_size, "Status"))
            why = wsgi_head_check_status(field.value, field.value_size, NULL);
        if (why != WSGI_HEAD_OK)
            return why;
        if (!wsgi_head_name_is(field.name, field.name_size, "Content-Length"))
            continue;
        why = wsgi_head_parse_length(field.value, field.value_size, &number);
        if (why != WSGI_HEAD_OK)
            return why;
        if (length >= 0 && number != length)
            return WSGI_HEAD_LENGTH_TWICE;
        length = number;
    }
    return more == 0 ? WSGI_HEAD_OK : why;
}

/* httpd puts its own reason where a number that it knows has none. */
static void set_status(request_rec *r, const char *status, size_t size, int number)
{
    r->status = number;
    r->status_line = apr_pstrmemdup(r->pool, status, size);
}

/* Copied: what httpd keeps outlives the block. In daemon mode the type is lower-cased, its
 * parameters are not (a boundary is case-sensitive). */
static void set_content_type(const struct wsgi_response *response, const char *value, size_t size)
{
    char *type = apr_pstrmemdup(response->r->pool, value, size);
    size_t main_part = strcspn(type, ";");
    size_t i;

    if (response->is_daemon)
        for (i = 0; i < main_part; i++)
            type[i] = (char)apr_tolower(type[i]);
    ap_set_content_type(response->r, type);
}

/* Daemon mode answers as a CGI script would: several headers of one name become one, except
 * those that may not be joined. */
static void set_plain(const struct wsgi_response *response, const struct wsgi_head_field *field)
{
    request_rec *r = response->r;
    const char *name = apr_pstrmemdup(r->pool, field->name, field->name_size);
    const char *value = apr_pstrmemdup(r->pool, field->value, field->value_size);

    if (strcasecmp(name, "WWW-Authenticate") == 0)
        apr_table_addn(r->err_headers_out, name, value);
    else if (!response->is_daemon || strcasecmp(name, "Set-Cookie") == 0)
        apr_table_addn(r->headers_out, name, value);
    else if (strcasecmp(name, "Location") == 0 || strcasecmp(name, "Content-Range") == 0)
        apr_table_setn(r->headers_out, name, value);
    else
        apr_table_mergen(r->headers_out, name, value);
}

/* As of a CGI script: the latest date of several, none in the future, the epoch for what is no
 * date. */
static void set_last_modified(request_rec *r, const struct wsgi_head_field *field)
{
    ap_update_mtime(r,
                    apr_date_parse_http(apr_pstrmemdup(r->pool, field->value, field->value_size)));
    ap_set_last_modified(r);
}

static void set_field(struct wsgi_response *response, const struct wsgi_head_field *field)
{
    request_rec *r = response->r;
    int number;
    int64_t length;

    if (wsgi_head_is_hop_by_hop(field->name, field->name_size))
        return;
    if (wsgi_head_name_is(field->name, field->name_size, "Content-Type")) {
        set_content_type(response, field->value, field->value_size);
    } else if (wsgi_head_name_is(field->name, field->name_size, "Content-Length") &&
               wsgi_head_parse_length(field->value, field->value_size, &length) == WSGI_HEAD_OK) {
        response->promised = length;
        ap_set_content_length(r, length);
    } else if (response->is_daemon && wsgi_head_name_is(field->name, field->name_size, "Status") &&
               wsgi_head_check_status(field->value, field->value_size, &number) == WSGI_HEAD_OK) {
        set_status(r, field->value, field->value_size, number);
    } else if (response->is_daemon &&
               wsgi_head_name_is(field->name, field->name_size, "Last-Modified")) {
        set_last_modified(r, field);
    } else {
        set_plain(response, field);
    }
}

/* mod_include makes requests of its own while a page goes through it. They may need the worker that
 * still writes the page, so that is read to its end before, up to a limit. The name is that of the
 * filter, or one that AddOutputFilterByType makes of it. */
static int has_includes(const request_rec *r)
{
    const ap_filter_t *filter = r->output_filters;

    while (filter != NULL && filter->frec->ftype < AP_FTYPE_PROTOCOL) {
        if (ap_strcasestr(filter->frec->name, "includes") != NULL)
            return 1;
        filter = filter->next;
    }
    return 0;
}

int wsgi_response_head(struct wsgi_response *response, const void *block, size_t size,
                       enum wsgi_head_status *why)
{
    request_rec *r = response->r;
    struct wsgi_head_reader reader;
    struct wsgi_head_field field;
    enum wsgi_head_status unused;
    const char *location;

    *why = response->head_seen ? WSGI_HEAD_BLOCK : check_head(response, block, size);
    if (*why != WSGI_HEAD_OK)
        return -1;
    response->head_seen = 1;
    if (wsgi_response_is_answered(response))
        return 0;
    wsgi_head_open(&reader, block, size);
    set_status(r, reader.status, reader.status_size, reader.number);
    while (wsgi_head_next(&reader, &field, &unused) > 0)
        set_field(response, &field);
    response->status = r->status;
    response->held_max =
        response->is_daemon && has_includes(r) ? HELD_MAX_INCLUDES : WSGI_RESPONSE_HELD_MAX;
    location = apr_table_get(r->headers_out, "Location");
    if (response->is_daemon && r->status == HTTP_OK && location != NULL && *location == '/')
        response->redirect = location;
    response->replaced = response->is_daemon && ap_is_HTTP_ERROR(r->status) &&
                         wsgi_config_directory(r)->error_override == 1;
    return 0;
}
