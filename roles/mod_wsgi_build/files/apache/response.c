/* SPDX-License-Identifier: Apache-2.0 */
#include "response.h"

#include "filebucket.h"

#include "http_core.h"
#include "util_filter.h"

#include <errno.h>
#include <string.h>

#define TRANSIENT_MIN 4096 /* from here on a block is not copied but passed on at once */
#define LINE_LIMIT_DEFAULT 32768
#define FLUSH_LIMIT_DEFAULT (8u << 20)

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
    response->held_max = WSGI_RESPONSE_HELD_MAX;
}

/* An input filter that refuses the body (LimitRequestBody of a chunked upload) answers the client
 * itself. Then the response is over, whatever the application says after it. */
int wsgi_response_is_answered(struct wsgi_response *response)
{
    if (response->r->eos_sent)
        response->gone = 1;
    return response->gone || response->spoilt != APR_SUCCESS;
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
int wsgi_response_file_failed(struct wsgi_response *response)
{
    apr_bucket *witness = response->witness;

    response->witness = NULL;
    return witness != NULL && wsgi_file_has_failed(witness);
}

int wsgi_response_pass(struct wsgi_response *response)
{
    request_rec *r = response->r;
    apr_status_t rv = ap_pass_brigade(r->output_filters, response->out);

    apr_brigade_cleanup(response->out);
    response->held = 0;
    if (wsgi_response_file_failed(response)) {
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

int wsgi_response_pass_flushed(struct wsgi_response *response)
{
    response->unflushed = 0;
    APR_BRIGADE_INSERT_TAIL(response->out,
                            apr_bucket_flush_create(response->r->connection->bucket_alloc));
    return wsgi_response_pass(response);
}

int wsgi_response_is_discarded(const struct wsgi_response *response)
{
    return response->redirect != NULL || response->replaced;
}

apr_uint64_t wsgi_response_accept(struct wsgi_response *response, apr_uint64_t size)
{
    apr_uint64_t accepted = size;

    if (wsgi_response_is_discarded(response))
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
    return flush || must_flush(response) ? wsgi_response_pass_flushed(response)
                                         : wsgi_response_pass(response);
}

int wsgi_response_pass_if_due(struct wsgi_response *response, int flush)
{
    if (wsgi_response_is_discarded(response) || response->keeps)
        return 0;
    return flush || must_flush(response) || response->held >= response->held_max
               ? pass_all(response, flush)
               : 0;
}

int wsgi_response_data(struct wsgi_response *response, const void *data, size_t size, int flush)
{
    apr_bucket_alloc_t *list = response->r->connection->bucket_alloc;

    if (wsgi_response_is_answered(response))
        return -1;
    size = (size_t)wsgi_response_accept(response, size);
    if (size >= TRANSIENT_MIN && !response->keeps && response->held_max == WSGI_RESPONSE_HELD_MAX) {
        /* Filters copy what they keep, so the caller's memory is free again after this. */
        APR_BRIGADE_INSERT_TAIL(response->out, apr_bucket_transient_create(data, size, list));
        return pass_all(response, flush);
    }
    if (size > 0) {
        apr_brigade_write(response->out, NULL, NULL, data, size);
        response->held += size;
    }
    return wsgi_response_pass_if_due(response, flush);
}

int wsgi_response_bucket(struct wsgi_response *response, apr_bucket *bucket, int flush)
{
    apr_size_t size = bucket->length;

    if (wsgi_response_is_answered(response)) {
        apr_bucket_destroy(bucket);
        return -1;
    }
    size = (apr_size_t)wsgi_response_accept(response, size);
    if (size == 0) {
        apr_bucket_destroy(bucket);
        return wsgi_response_pass_if_due(response, flush);
    }
    APR_BRIGADE_INSERT_TAIL(response->out, bucket);
    if (size < bucket->length) {
        apr_bucket_split(bucket, size);
        apr_bucket_delete(APR_BUCKET_NEXT(bucket));
    }
    response->held += size;
    return wsgi_response_pass_if_due(response, flush);
}

int wsgi_response_is_spoilt(const struct wsgi_response *response)
{
    return response->spoilt != APR_SUCCESS;
}
