/* SPDX-License-Identifier: Apache-2.0 */
#include "response.h"

#include "body.h"
#include "conditions.h"
#include "config.h"
#include "filebucket.h"
#include "log.h"
#include "vars.h"

#include "apr_lib.h"
#include "apr_strings.h"
#include "http_connection.h"
#include "http_core.h"
#include "http_protocol.h"
#include "http_request.h"
#include "mod_core.h"
#include "util_filter.h"

#include <fcntl.h>
#include <limits.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#define HELD_MAX 16384     /* more than this is passed on although nobody asked for it */
#define TRANSIENT_MIN 4096 /* from here on a block is not copied but passed on at once */
#define LINE_LIMIT_DEFAULT 32768
#define RETRY_AFTER "5" /* seconds, with every 503 */

void wsgi_response_init(struct wsgi_response *response, request_rec *r,
                        const struct wsgi_group *group)
{
    memset(response, 0, sizeof(*response));
    response->r = r;
    response->out = apr_brigade_create(r->pool, r->connection->bucket_alloc);
    response->is_daemon = group != NULL;
    if (group != NULL)
        response->line_limit = group->header_buffer_size > 0 ? (apr_size_t)group->header_buffer_size
                                                             : LINE_LIMIT_DEFAULT;
    response->promised = -1;
}

/* An input filter that refuses the body (LimitRequestBody of a chunked upload) answers the client
 * itself. Then the response is over, whatever the application says after it. */
static int is_answered(struct wsgi_response *response)
{
    if (response->r->eos_sent)
        response->gone = 1;
    return response->gone;
}

/* ---- head ---------------------------------------------------------------------------------- */

/* Goes through the whole block before anything is changed. */
static enum wsgi_head_status check_head(const struct wsgi_response *response, const void *block,
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
            field.name_size + field.value_size + 4 > response->line_limit)
            return WSGI_HEAD_LINE_LONG;
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

static void set_status(request_rec *r, const char *status, size_t size, int number)
{
    r->status = number;
    /* Without a reason httpd says its own, but it has none for a number it does not know. */
    if (size > 4)
        r->status_line = apr_pstrmemdup(r->pool, status, size);
    else if (number != HTTP_INTERNAL_SERVER_ERROR &&
             ap_index_of_response(number) == ap_index_of_response(HTTP_INTERNAL_SERVER_ERROR))
        r->status_line = apr_psprintf(r->pool, "%d Status %d", number, number);
    else
        r->status_line = NULL;
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
    } else {
        set_plain(response, field);
    }
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

/* Passes everything held to the filters. 0, or -1: the client is gone. */
static int pass(struct wsgi_response *response)
{
    request_rec *r = response->r;
    apr_status_t rv = ap_pass_brigade(r->output_filters, response->out);

    apr_brigade_cleanup(response->out);
    response->held = 0;
    if (rv == APR_SUCCESS && !r->connection->aborted)
        return 0;
    response->gone = 1;
    return -1;
}

static int pass_flushed(struct wsgi_response *response)
{
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
    return accepted;
}

static int pass_if_due(struct wsgi_response *response, int flush)
{
    if (is_discarded(response))
        return 0;
    if (flush)
        return pass_flushed(response);
    return response->held >= HELD_MAX ? pass(response) : 0;
}

int wsgi_response_data(struct wsgi_response *response, const void *data, size_t size, int flush)
{
    apr_bucket_alloc_t *list = response->r->connection->bucket_alloc;

    if (is_answered(response))
        return -1;
    size = (size_t)accept_bytes(response, size);
    if (size >= TRANSIENT_MIN) {
        /* Filters copy what they keep, so the caller's memory is free again after this. */
        APR_BRIGADE_INSERT_TAIL(response->out, apr_bucket_transient_create(data, size, list));
        return flush ? pass_flushed(response) : pass(response);
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
static int break_off(struct wsgi_response *response)
{
    request_rec *r = response->r;
    apr_bucket_alloc_t *list = r->connection->bucket_alloc;

    r->connection->keepalive = AP_CONN_CLOSE;
    if (r->connection->master == NULL) {
        reset_on_close(r);
        return -1;
    }
    APR_BRIGADE_INSERT_TAIL(response->out,
                            ap_bucket_error_create(HTTP_BAD_GATEWAY, NULL, r->pool, list));
    APR_BRIGADE_INSERT_TAIL(response->out, apr_bucket_eos_create(list));
    pass(response);
    return -1;
}

/* 0 also when httpd answers with a page of its own, because no range of the client fits. */
static int pass_file(struct wsgi_response *response, apr_bucket *witness, int flush)
{
    request_rec *r = response->r;
    int failed;

    if (flush)
        APR_BRIGADE_INSERT_TAIL(response->out,
                                apr_bucket_flush_create(r->connection->bucket_alloc));
    failed = ap_pass_brigade(r->output_filters, response->out);
    if (failed == AP_FILTER_ERROR)
        failed = 0;
    apr_brigade_cleanup(response->out);
    response->held = 0;
    if (witness != NULL && wsgi_file_has_failed(witness))
        failed = 1;
    if (!failed && !r->connection->aborted)
        return 0;
    response->gone = 1;
    return r->connection->aborted ? -1 : break_off(response);
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

/*
 * The file is the whole body. httpd answers ranges of a body that comes with its end in one
 * brigade, so this is the end of the response: what follows is only how the application ends. It
 * may be long about that, so nothing is left lying in httpd's own buffer.
 */
static int end_with_file(struct wsgi_response *response, apr_bucket *witness)
{
    conn_rec *c = response->r->connection;
    int status = wsgi_conditions_apply(response->r) ? wsgi_conditions_check(response->r) : OK;

    if (status != OK)
        drop_body(response, status);
    APR_BRIGADE_INSERT_TAIL(response->out, apr_bucket_eos_create(c->bucket_alloc));
    if (pass_file(response, witness, 0) != 0)
        return -1;
    if (!may_send_itself(response))
        ap_flush_conn(c);
    response->gone = c->aborted;
    return response->gone ? -1 : 0;
}

int wsgi_response_file(struct wsgi_response *response, int descriptor, apr_uint64_t offset,
                       apr_uint64_t length, int flush)
{
    apr_bucket *witness = NULL;
    struct stat file;
    apr_uint64_t size;
    int own;

    if (is_answered(response))
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
    if (own >= 0)
        witness = add_file(response, own, offset, size);
    if (is_discarded(response) || response->promised != (apr_int64_t)size ||
        response->sent != response->promised || !wsgi_conditions_offer_ranges(response->r))
        return size > 0 ? pass_file(response, witness, flush) : pass_if_due(response, flush);
    return end_with_file(response, witness);
}

int wsgi_response_flush(struct wsgi_response *response)
{
    if (is_answered(response))
        return -1;
    if (!response->head_seen || is_discarded(response))
        return 0;
    return pass_flushed(response);
}

/* ---- end ----------------------------------------------------------------------------------- */

/* The error bucket makes httpd leave out the last chunk (HTTP/1.1) or reset the stream (HTTP/2).
 * The head has to be out before, else it would become an error page. */
static int cut(struct wsgi_response *response)
{
    request_rec *r = response->r;
    apr_bucket_alloc_t *list = r->connection->bucket_alloc;

    if (response->gone || pass_flushed(response) != 0)
        return OK;
    /* Not before: a response that closes the connection would not be chunked. */
    r->connection->keepalive = AP_CONN_CLOSE;
    if (r->connection->master == NULL && !r->chunked && response->promised < 0) {
        reset_on_close(r);
        return OK;
    }
    APR_BRIGADE_INSERT_TAIL(response->out,
                            ap_bucket_error_create(HTTP_BAD_GATEWAY, NULL, r->pool, list));
    APR_BRIGADE_INSERT_TAIL(response->out, apr_bucket_eos_create(list));
    pass(response);
    return OK;
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

    wsgi_log_outcome(r, outcome);
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

static int finish(struct wsgi_response *response)
{
    request_rec *r = response->r;

    if (response->gone)
        return OK;
    APR_BRIGADE_INSERT_TAIL(response->out, apr_bucket_eos_create(r->connection->bucket_alloc));
    pass(response);
    return OK;
}

int wsgi_response_end(struct wsgi_response *response, const struct wsgi_outcome *outcome)
{
    struct wsgi_outcome failure = {0};

    if (response->r->eos_sent) {
        response->gone = 1;
        apr_brigade_cleanup(response->out);
        if (outcome->status != 0)
            wsgi_log_outcome(response->r, outcome);
        return OK;
    }
    if (!response->head_seen && outcome->status != 0)
        return refuse(response, outcome);
    if (!response->head_seen) {
        wsgi_outcome_fail(&failure, HTTP_INTERNAL_SERVER_ERROR, WSGI_CODE_BAD_RESULT,
                          "the application ended without a response head");
        return refuse(response, &failure);
    }
    if (outcome->status != 0 && is_discarded(response)) {
        /* Nothing has gone out yet, so this can still be an honest error. */
        apr_table_clear(response->r->headers_out);
        return refuse(response, outcome);
    }
    if (outcome->status != 0 || outcome->truncated) {
        wsgi_log_outcome(response->r, outcome);
        return cut(response);
    }
    if (is_short(response) && !response->gone) {
        wsgi_outcome_fail(&failure, HTTP_BAD_GATEWAY, WSGI_CODE_SHORT_BODY,
                          "the response has %" APR_INT64_T_FMT
                          " bytes less than its Content-Length, the connection was cut",
                          response->promised - response->sent);
        wsgi_log_outcome(response->r, &failure);
        return cut(response);
    }
    if (response->replaced)
        return replace(response);
    return response->redirect != NULL ? follow(response) : finish(response);
}
