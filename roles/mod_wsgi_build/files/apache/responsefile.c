/* SPDX-License-Identifier: Apache-2.0 */
#include "responsefile.h"

#include "conditions.h"
#include "config.h"
#include "filebucket.h"
#include "responsecut.h"

#include "http_connection.h"
#include "http_core.h"
#include "http_protocol.h"
#include "mod_core.h"
#include "util_filter.h"

#include <fcntl.h>
#include <sys/stat.h>

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
        wsgi_response_reset_on_close(r);
        return;
    }
    APR_BRIGADE_INSERT_TAIL(response->out,
                            ap_bucket_error_create(HTTP_BAD_GATEWAY, NULL, r->pool, list));
    APR_BRIGADE_INSERT_TAIL(response->out, apr_bucket_eos_create(list));
    wsgi_response_pass(response);
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
    wsgi_response_keep_out_of_caches(response->r);
    wsgi_response_note_end(response, response->gone ? "client-left" : "cut");
    if (response->gone)
        return -1;
    if (!response->is_told)
        wsgi_response_log_spoilt(response);
    if (!response->r->connection->aborted)
        break_off(response);
    return -1;
}

/* The file is the whole body. httpd answers ranges of a body that comes with its end in one
 * brigade, so this is the end of the response: what follows is only how the application ends. */
int wsgi_response_end_with_file(struct wsgi_response *response)
{
    request_rec *r = response->r;
    int status = wsgi_conditions_apply(r) ? wsgi_conditions_check(r) : OK;

    if (status != OK)
        drop_body(response, status);
    APR_BRIGADE_INSERT_TAIL(response->out, apr_bucket_eos_create(r->connection->bucket_alloc));
    return wsgi_response_pass(response) == 0 ? 0 : end_too_early(response);
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

    if (wsgi_response_is_answered(response) ||
        (response->witness != NULL && wsgi_response_pass(response) != 0))
        return -1;
    if (fstat(descriptor, &file) != 0 || !S_ISREG(file.st_mode) || file.st_size < 0)
        return wsgi_response_pass_if_due(response, flush);
    size = (apr_uint64_t)file.st_size;
    size = offset < size ? size - offset : 0;
    size = wsgi_response_accept(response, length < size ? length : size);
    own = size > 0 ? fcntl(descriptor, F_DUPFD_CLOEXEC, 3) : -1;
    if (own < 0 && size > 0) {
        response->sent -= (apr_int64_t)size; /* missing bytes make the response a short one */
        return wsgi_response_pass_if_due(response, flush);
    }
    response->unflushed = 0; /* filters read a file piece by piece, it does not pile up */
    if (own >= 0)
        response->witness = add_file(response, own, offset, size);
    response->ends_with_file =
        !wsgi_response_is_discarded(response) && response->promised == (apr_int64_t)size &&
        response->sent == response->promised && wsgi_conditions_offer_ranges(response->r);
    return flush ? wsgi_response_flush(response) : 0;
}

int wsgi_response_flush(struct wsgi_response *response)
{
    if (wsgi_response_is_answered(response))
        return -1;
    if (!response->head_seen || wsgi_response_is_discarded(response))
        return 0;
    if (!response->ends_with_file)
        return wsgi_response_pass_flushed(response);
    return wsgi_response_end_with_file(response) == 0 ? flush_connection(response) : -1;
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
