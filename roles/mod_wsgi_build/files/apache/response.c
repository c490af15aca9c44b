/* SPDX-License-Identifier: Apache-2.0 */
#include "response.h"

#include "body.h"
#include "conditions.h"
#include "config.h"
#include "filebucket.h"
#include "log.h"
#include "requestid.h"
#include "vars.h"

#include "apr_date.h"
#include "apr_lib.h"
#include "apr_strings.h"
#include "http_connection.h"
#include "http_core.h"
#include "http_protocol.h"
#include "http_request.h"
#include "mod_core.h"
#include "util_filter.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#define WSGI_SHOWN_NAME 100 /* bytes of a header's name in a log line */
#define HELD_MAX 16384      /* more than this is passed on although nobody asked for it */
#define HELD_MAX_INCLUDES 1048576
#define TRANSIENT_MIN 4096 /* from here on a block is not copied but passed on at once */
#define LINE_LIMIT_DEFAULT 32768
#define FLUSH_LIMIT_DEFAULT (8u << 20)
#define NOTE_END "wsgi-end" /* how a response ended, when not well: for access logs */
#define RETRY_AFTER "5"     /* seconds, with every 503 */

void wsgi_response_init(struct wsgi_response *response, request_rec *r,
                        const struct wsgi_group *group)
{
    memset(response, 0, sizeof(*response));
    response->r = r;
    response->out = apr_brigade_create(r->pool, r->connection->bucket_alloc);
    response->is_daemon = group != NULL;
    if (group != NULL) {
        response->line_limit = group->header_buffer_size > 0 ? (apr_size_t)group->header_buffer_size
                                                             : LINE_LIMIT_DEFAULT;
        response->flush_limit = group->response_buffer_size > 0
                                    ? (apr_uint64_t)group->response_buffer_size
                                    : FLUSH_LIMIT_DEFAULT;
    }
    response->promised = -1;
    response->held_max = HELD_MAX;
}

/* An input filter that refuses the body (LimitRequestBody of a chunked upload) answers the client
 * itself. Then the response is over, whatever the application says after it. */
static int is_answered(struct wsgi_response *response)
{
    if (response->r->eos_sent)
        response->gone = 1;
    return response->gone || response->spoilt != APR_SUCCESS;
}

/* ---- head ---------------------------------------------------------------------------------- */

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
    if (is_answered(response))
        return 0;
    wsgi_head_open(&reader, block, size);
    set_status(r, reader.status, reader.status_size, reader.number);
    while (wsgi_head_next(&reader, &field, &unused) > 0)
        set_field(response, &field);
    response->status = r->status;
    response->held_max = response->is_daemon && has_includes(r) ? HELD_MAX_INCLUDES : HELD_MAX;
    location = apr_table_get(r->headers_out, "Location");
    if (response->is_daemon && r->status == HTTP_OK && location != NULL && *location == '/')
        response->redirect = location;
    response->replaced = response->is_daemon && ap_is_HTTP_ERROR(r->status) &&
                         wsgi_config_directory(r)->error_override == 1;
    return 0;
}

/* ---- data ---------------------------------------------------------------------------------- */

static int is_without_body(const struct wsgi_response *response)
{
    const request_rec *r = response->r;

    return r->header_only || r->status == HTTP_NO_CONTENT || r->status == HTTP_NOT_MODIFIED;
}

/* Not every failure means that nobody listens any more: a file may have become shorter (which
 * httpd, too, takes for a client that left), a filter may have failed. One that returns
 * AP_FILTER_ERROR has dealt with it itself. */
static int means_gone(const struct wsgi_response *response, apr_status_t rv)
{
    const request_rec *r = response->r;

    /* So has one that made an error of it (mod_security). */
    if (ap_is_HTTP_ERROR(r->status) && r->status != response->status)
        return 1;
    if (rv == APR_SUCCESS || rv == AP_FILTER_ERROR || APR_STATUS_IS_ECONNABORTED(rv) ||
        APR_STATUS_IS_ECONNRESET(rv) || APR_STATUS_IS_EPIPE(rv) || APR_STATUS_IS_TIMEUP(rv) ||
        APR_STATUS_IS_ETIMEDOUT(rv))
        return 1;
    return r->connection->aborted && !APR_STATUS_IS_EOF(rv) && rv != EIO;
}

/* Asked once: not every filter passes on that a file could not be read. */
static int has_file_failed(struct wsgi_response *response)
{
    apr_bucket *witness = response->witness;

    response->witness = NULL;
    return witness != NULL && wsgi_file_has_failed(witness);
}

/* Passes everything held to the filters. 0, or -1: the client is gone, or `spoilt` says why. */
static int pass(struct wsgi_response *response)
{
    request_rec *r = response->r;
    apr_status_t rv = ap_pass_brigade(r->output_filters, response->out);

    apr_brigade_cleanup(response->out);
    response->held = 0;
    if (has_file_failed(response)) {
        response->is_told = 1;
        response->spoilt = rv != APR_SUCCESS ? rv : APR_EOF;
        return -1;
    }
    if (rv == APR_SUCCESS && !r->connection->aborted)
        return 0;
    /* httpd's own page, because no range fits, is no failure. */
    if (rv == AP_FILTER_ERROR && response->ends_with_file && !r->connection->aborted)
        return 0;
    if (means_gone(response, rv))
        response->gone = 1;
    else
        response->spoilt = rv;
    return -1;
}

static int pass_flushed(struct wsgi_response *response)
{
    response->unflushed = 0;
    APR_BRIGADE_INSERT_TAIL(response->out,
                            apr_bucket_flush_create(response->r->connection->bucket_alloc));
    return pass(response);
}

/* The client gets something else than what the application answered. */
static int is_discarded(const struct wsgi_response *response)
{
    return response->redirect != NULL || response->replaced;
}

/* How many of `size` bytes go to the client: none that are discarded, no more than promised. */
static apr_uint64_t accept_bytes(struct wsgi_response *response, apr_uint64_t size)
{
    apr_uint64_t accepted = size;

    if (is_discarded(response))
        return 0;
    if (response->promised >= 0) {
        apr_uint64_t room = (apr_uint64_t)(response->promised - response->sent);

        accepted = size < room ? size : room;
    }
    response->sent += (apr_int64_t)accepted;
    response->unflushed += accepted;
    return accepted;
}

/* What is passed without a flush may pile up in a filter. */
static int must_flush(const struct wsgi_response *response)
{
    return response->flush_limit > 0 && response->unflushed >= response->flush_limit;
}

/* All that is held, whether or not it is much. */
static int pass_all(struct wsgi_response *response, int flush)
{
    return flush || must_flush(response) ? pass_flushed(response) : pass(response);
}

static int pass_if_due(struct wsgi_response *response, int flush)
{
    if (is_discarded(response) || response->keeps)
        return 0;
    return flush || must_flush(response) || response->held >= response->held_max
               ? pass_all(response, flush)
               : 0;
}

int wsgi_response_data(struct wsgi_response *response, const void *data, size_t size, int flush)
{
    apr_bucket_alloc_t *list = response->r->connection->bucket_alloc;

    if (is_answered(response))
        return -1;
    size = (size_t)accept_bytes(response, size);
    if (size >= TRANSIENT_MIN && !response->keeps && response->held_max == HELD_MAX) {
        /* Filters copy what they keep, so the caller's memory is free again after this. */
        APR_BRIGADE_INSERT_TAIL(response->out, apr_bucket_transient_create(data, size, list));
        return pass_all(response, flush);
    }
    if (size > 0) {
        apr_brigade_write(response->out, NULL, NULL, data, size);
        response->held += size;
    }
    return pass_if_due(response, flush);
}

int wsgi_response_bucket(struct wsgi_response *response, apr_bucket *bucket, int flush)
{
    apr_size_t size = bucket->length;

    if (is_answered(response)) {
        apr_bucket_destroy(bucket);
        return -1;
    }
    size = (apr_size_t)accept_bytes(response, size);
    if (size == 0) {
        apr_bucket_destroy(bucket);
        return pass_if_due(response, flush);
    }
    APR_BRIGADE_INSERT_TAIL(response->out, bucket);
    if (size < bucket->length) {
        apr_bucket_split(bucket, size);
        apr_bucket_delete(APR_BUCKET_NEXT(bucket));
    }
    response->held += size;
    return pass_if_due(response, flush);
}

int wsgi_response_yield(struct wsgi_response *response)
{
    int is_due = response->held > 0 || response->unflushed > 0 || !response->r->sent_bodyct;

    if (!response->head_seen)
        return 0;
    if (is_due && wsgi_response_flush(response) != 0)
        return -1;
    response->r->expecting_100 = 0;
    return 0;
}

int wsgi_response_is_spoilt(const struct wsgi_response *response)
{
    return response->spoilt != APR_SUCCESS;
}

/* ---- end ----------------------------------------------------------------------------------- */

static void note_end(const struct wsgi_response *response, const char *how)
{
    apr_table_setn(response->r->notes, NOTE_END, how);
}

/* What was passed on was not all of it, so no cache may keep it. httpd lets the filters see an end
 * of stream of its own in the end. */
static void keep_out_of_caches(request_rec *r)
{
    r->no_cache = 1;
    if (r->main != NULL)
        r->main->no_cache = 1;
}

/* The one line of a failure. A client that left is one only at debug, with what it got. */
static void log_failure(const struct wsgi_response *response, const struct wsgi_outcome *outcome)
{
    struct wsgi_outcome whole;

    if (outcome->code != WSGI_CODE_CLIENT_GONE) {
        wsgi_log_outcome(response->r, outcome);
        return;
    }
    memset(&whole, 0, sizeof(whole));
    whole.silent = 1;
    wsgi_outcome_fail(&whole, HTTP_BAD_REQUEST, WSGI_CODE_CLIENT_GONE,
                      "%s, %" APR_OFF_T_FMT " bytes of the response had been sent", outcome->cause,
                      response->r->bytes_sent);
    wsgi_log_outcome(response->r, &whole);
}

/* Without a length or chunks the end of the connection is the end of the response, and a clean
 * one would say "complete". A reset does not. */
static void reset_on_close(request_rec *r)
{
    apr_socket_t *socket = ap_get_conn_socket(r->connection);
    struct linger linger = {.l_onoff = 1, .l_linger = 0};
    apr_os_sock_t descriptor;

    if (socket == NULL || apr_os_sock_get(&descriptor, socket) != APR_SUCCESS)
        return;
    setsockopt(descriptor, SOL_SOCKET, SO_LINGER, &linger, sizeof(linger));
    r->connection->aborted = 1;
}

static void log_spoilt(const struct wsgi_response *response)
{
    struct wsgi_outcome failure = {0};
    char words[128];

    wsgi_outcome_fail(&failure, HTTP_INTERNAL_SERVER_ERROR, WSGI_CODE_OUTPUT_FAILED,
                      "the response was cut, the connection with it: an output filter failed, or "
                      "a file became shorter while it was sent: %s",
                      apr_strerror(response->spoilt, words, sizeof(words)));
    log_failure(response, &failure);
}

/* ---- files --------------------------------------------------------------------------------- */

/* In embedded mode the kernel may send the file itself, when WSGIEnableSendfile and EnableSendfile
 * are both On. */
static int may_send_itself(const struct wsgi_response *response)
{
    request_rec *r = response->r;
    const core_dir_config *core = ap_get_core_module_config(r->per_dir_config);

    return !response->is_daemon && wsgi_config_directory(r)->enable_sendfile == 1 &&
           core->enable_sendfile == ENABLE_SENDFILE_ON;
}

/* Takes over the descriptor. NULL, or who knows afterwards whether it could be read. */
static apr_bucket *add_file(struct wsgi_response *response, int descriptor, apr_uint64_t offset,
                            apr_uint64_t size)
{
    apr_bucket *witness = NULL;

    if (!may_send_itself(response) ||
        wsgi_file_append_sendfile(response->out, response->r->pool, descriptor, offset, size) != 0)
        wsgi_file_append(response->out, response->r, descriptor, offset, size, &witness);
    return witness;
}

/* A filter could not read the file, which has become shorter; its bucket said so. */
static void break_off(struct wsgi_response *response)
{
    request_rec *r = response->r;
    apr_bucket_alloc_t *list = r->connection->bucket_alloc;

    r->connection->keepalive = AP_CONN_CLOSE;
    if (r->connection->master == NULL) {
        reset_on_close(r);
        return;
    }
    APR_BRIGADE_INSERT_TAIL(response->out,
                            ap_bucket_error_create(HTTP_BAD_GATEWAY, NULL, r->pool, list));
    APR_BRIGADE_INSERT_TAIL(response->out, apr_bucket_eos_create(list));
    pass(response);
}

/* A condition of the client is not met: head only. */
static void drop_body(struct wsgi_response *response, int status)
{
    request_rec *r = response->r;

    apr_brigade_cleanup(response->out);
    r->status = status;
    r->status_line = NULL;
    apr_table_unset(r->headers_out, "Content-Length");
}

/* What cannot be passed on is not all of the file; the end was said already. */
static int end_too_early(struct wsgi_response *response)
{
    keep_out_of_caches(response->r);
    note_end(response, response->gone ? "client-left" : "cut");
    if (response->gone)
        return -1;
    if (!response->is_told)
        log_spoilt(response);
    if (!response->r->connection->aborted)
        break_off(response);
    return -1;
}

/* The file is the whole body. httpd answers ranges of a body that comes with its end in one
 * brigade, so this is the end of the response: what follows is only how the application ends. */
static int end_with_file(struct wsgi_response *response)
{
    request_rec *r = response->r;
    int status = wsgi_conditions_apply(r) ? wsgi_conditions_check(r) : OK;

    if (status != OK)
        drop_body(response, status);
    APR_BRIGADE_INSERT_TAIL(response->out, apr_bucket_eos_create(r->connection->bucket_alloc));
    return pass(response) == 0 ? 0 : end_too_early(response);
}

/* Nothing is left lying in httpd's own buffer. ap_flush_conn() would end the connection, too. */
static int flush_connection(struct wsgi_response *response)
{
    conn_rec *c = response->r->connection;

    APR_BRIGADE_INSERT_TAIL(response->out, apr_bucket_flush_create(c->bucket_alloc));
    ap_pass_brigade(c->output_filters, response->out);
    apr_brigade_cleanup(response->out);
    response->gone = c->aborted;
    return response->gone ? -1 : 0;
}

int wsgi_response_file(struct wsgi_response *response, int descriptor, apr_uint64_t offset,
                       apr_uint64_t length, int flush)
{
    struct stat file;
    apr_uint64_t size;
    int own;

    if (is_answered(response) || (response->witness != NULL && pass(response) != 0))
        return -1;
    if (fstat(descriptor, &file) != 0 || !S_ISREG(file.st_mode) || file.st_size < 0)
        return pass_if_due(response, flush);
    size = (apr_uint64_t)file.st_size;
    size = offset < size ? size - offset : 0;
    size = accept_bytes(response, length < size ? length : size);
    own = size > 0 ? fcntl(descriptor, F_DUPFD_CLOEXEC, 3) : -1;
    if (own < 0 && size > 0) {
        response->sent -= (apr_int64_t)size; /* missing bytes make the response a short one */
        return pass_if_due(response, flush);
    }
    response->unflushed = 0; /* filters read a file piece by piece, it does not pile up */
    if (own >= 0)
        response->witness = add_file(response, own, offset, size);
    response->ends_with_file = !is_discarded(response) && response->promised == (apr_int64_t)size &&
                               response->sent == response->promised &&
                               wsgi_conditions_offer_ranges(response->r);
    return flush ? wsgi_response_flush(response) : 0;
}

int wsgi_response_flush(struct wsgi_response *response)
{
    if (is_answered(response))
        return -1;
    if (!response->head_seen || is_discarded(response))
        return 0;
    if (!response->ends_with_file)
        return pass_flushed(response);
    return end_with_file(response) == 0 ? flush_connection(response) : -1;
}

/* ---- failures ------------------------------------------------------------------------------ */

/* The error bucket makes httpd leave out the last chunk (HTTP/1.1) or reset the stream (HTTP/2).
 * The head has to be out before, else it would become an error page. */
static int cut(struct wsgi_response *response)
{
    request_rec *r = response->r;
    apr_bucket_alloc_t *list = r->connection->bucket_alloc;

    keep_out_of_caches(r);
    if (!response->gone && response->spoilt == APR_SUCCESS)
        pass_flushed(response);
    note_end(response, response->gone ? "client-left" : "cut");
    if (response->gone)
        return OK;
    /* Not before: a response that closes the connection would not be chunked. */
    r->connection->keepalive = AP_CONN_CLOSE;
    if (r->connection->master == NULL && !r->chunked &&
        apr_table_get(r->headers_out, "Content-Length") == NULL) {
        reset_on_close(r);
        return OK;
    }
    APR_BRIGADE_INSERT_TAIL(response->out,
                            ap_bucket_error_create(HTTP_BAD_GATEWAY, NULL, r->pool, list));
    APR_BRIGADE_INSERT_TAIL(response->out, apr_bucket_eos_create(list));
    pass(response);
    return OK;
}

static int fail_and_cut(struct wsgi_response *response, const struct wsgi_outcome *outcome)
{
    log_failure(response, outcome);
    return cut(response);
}

static int cut_spoilt(struct wsgi_response *response)
{
    if (!response->is_told)
        log_spoilt(response);
    return cut(response);
}

static int cut_gone(struct wsgi_response *response)
{
    struct wsgi_outcome left = {0};

    wsgi_outcome_fail(&left, HTTP_BAD_REQUEST, WSGI_CODE_CLIENT_GONE,
                      "the client closed the connection");
    return fail_and_cut(response, &left);
}

static int cut_short(struct wsgi_response *response)
{
    struct wsgi_outcome failure = {0};

    wsgi_outcome_fail(&failure, HTTP_BAD_GATEWAY, WSGI_CODE_SHORT_BODY,
                      "the response has %" APR_INT64_T_FMT
                      " bytes less than its Content-Length, the connection was cut",
                      response->promised - response->sent);
    return fail_and_cut(response, &failure);
}

/* What comes next may be a script: it gets REDIRECT_SCRIPT_NAME and so on, as after a CGI script.
 */
static void remember(const struct wsgi_response *response)
{
    if (response->vars != NULL)
        wsgi_vars_remember(response->r, response->vars);
}

/* A path without a host: the client gets what is there, by GET, without knowing. What is left of
 * the request's body is read first, it must not be taken for another request. */
static int follow(struct wsgi_response *response)
{
    request_rec *r = response->r;

    remember(response);
    apr_brigade_cleanup(response->out);
    ap_discard_request_body(r);
    r->method = "GET";
    r->method_number = M_GET;
    apr_table_unset(r->headers_in, "Content-Length");
    apr_table_unset(r->headers_in, "Transfer-Encoding");
    ap_internal_redirect_handler(response->redirect, r);
    return OK;
}

/* httpd answers with its own page or ErrorDocument for this status. */
static int replace(struct wsgi_response *response)
{
    request_rec *r = response->r;
    int status = r->status;

    apr_brigade_cleanup(response->out);
    remember(response);
    r->status = HTTP_OK; /* else httpd takes the page itself for a failure */
    r->status_line = NULL;
    return response->gone ? OK : status;
}

/* The page of a 5xx names the code and the request, so that its log line is found. An
 * ErrorDocument of the configuration is not touched. */
static void explain(request_rec *r, const struct wsgi_outcome *outcome)
{
    const char *page;

    if (outcome->status < 500 || ap_response_code_string(r, ap_index_of_response(outcome->status)))
        return;
    page =
        apr_psprintf(r->pool,
                     "<!DOCTYPE HTML PUBLIC \"-//IETF//DTD HTML 2.0//EN\">\n"
                     "<html><head>\n<title>%s</title>\n</head><body>\n<h1>%s</h1>\n"
                     "<p>The application could not answer this request.</p>\n"
                     "<p>WSGI%04u, request %s</p>\n</body></html>\n",
                     ap_get_status_line(outcome->status), ap_get_status_line(outcome->status) + 4,
                     (unsigned)outcome->code, ap_escape_html(r->pool, wsgi_log_request_id(r)));
    ap_custom_response(r, outcome->status, page);
}

static int refuse(struct wsgi_response *response, const struct wsgi_outcome *outcome)
{
    request_rec *r = response->r;

    if (outcome->code == WSGI_CODE_CLIENT_GONE) {
        log_failure(response, outcome);
        note_end(response, "client-left");
    } else {
        wsgi_requestid_refuse(r, outcome);
    }
    apr_brigade_cleanup(response->out);
    if (outcome->status == HTTP_SERVICE_UNAVAILABLE)
        apr_table_setn(r->err_headers_out, "Retry-After", RETRY_AFTER);
    explain(r, outcome);
    remember(response);
    return outcome->status;
}

static int is_short(const struct wsgi_response *response)
{
    return response->promised >= 0 && response->sent < response->promised &&
           !is_discarded(response) && !is_without_body(response);
}

/* Either the client is gone, or what it got is not all. */
static int conclude_failed(struct wsgi_response *response)
{
    return response->spoilt != APR_SUCCESS ? cut_spoilt(response) : cut_gone(response);
}

/* With the end in the same brigade httpd would count, and answer ranges: then framing and status
 * of a streamed response would depend on how fast its blocks came, and the same for a file whose
 * ranges the application does not want. */
static int has_parts(const struct wsgi_response *response)
{
    return response->witness != NULL || (response->is_streamed && response->held > 0);
}

static int finish(struct wsgi_response *response)
{
    request_rec *r = response->r;

    if (response->ends_with_file) {
        end_with_file(response);
        return OK;
    }
    if (has_parts(response) && pass(response) != 0)
        return conclude_failed(response);
    APR_BRIGADE_INSERT_TAIL(response->out, apr_bucket_eos_create(r->connection->bucket_alloc));
    /* httpd would keep a small answer back while it reads what is left of the request, and the
     * client may wait for the answer before it sends that. */
    if (response->unread)
        return pass_flushed(response) == 0 ? OK : conclude_failed(response);
    return pass(response) == 0 ? OK : conclude_failed(response);
}

/* There is a head. */
static int conclude(struct wsgi_response *response, const struct wsgi_outcome *outcome)
{
    if (outcome->status != 0 && is_discarded(response)) {
        /* Nothing has gone out yet, so this can still be an honest error. */
        apr_table_clear(response->r->headers_out);
        return refuse(response, outcome);
    }
    if (response->spoilt != APR_SUCCESS)
        return cut_spoilt(response);
    if (outcome->status != 0 || outcome->truncated)
        return fail_and_cut(response, outcome);
    if (response->gone)
        return cut_gone(response);
    if (is_short(response))
        return cut_short(response);
    if (response->replaced)
        return replace(response);
    return response->redirect != NULL ? follow(response) : finish(response);
}

static int end(struct wsgi_response *response, const struct wsgi_outcome *outcome)
{
    struct wsgi_outcome failure = {0};

    if (response->r->eos_sent) {
        response->gone = 1;
        apr_brigade_cleanup(response->out);
        if (outcome->status != 0)
            wsgi_log_outcome(response->r, outcome);
        return OK;
    }
    if (response->head_seen)
        return conclude(response, outcome);
    if (outcome->status != 0)
        return refuse(response, outcome);
    wsgi_outcome_fail(&failure, HTTP_INTERNAL_SERVER_ERROR, WSGI_CODE_BAD_RESULT,
                      "the application ended without a response head");
    return refuse(response, &failure);
}

int wsgi_response_end(struct wsgi_response *response, const struct wsgi_outcome *outcome)
{
    int status = end(response, outcome);

    has_file_failed(response); /* one that was not passed on is still open */
    return status;
}
