/* SPDX-License-Identifier: Apache-2.0 */
#include "body.h"

#include "leaving.h"

#include "apr_strings.h"
#include "http_core.h"
#include "http_protocol.h"
#include "util_filter.h"

#include <errno.h>
#include <string.h>

/* What one call asks the input filters for; more only fills memory. */
#define READ_AT_ONCE 65536

/* The end of a body is the end of stream that the filters tell, not Content-Length: a filter may
 * inflate it. Without any sign of a body nothing is read, so that a GET costs nothing. */
static int has_body(request_rec *r)
{
    const char *length = apr_table_get(r->headers_in, "Content-Length");

    if (apr_table_get(r->headers_in, "Transfer-Encoding") != NULL)
        return 1;
    if (length != NULL)
        return strspn(length, "0 \t") != strlen(length);
    return ap_request_has_body(r);
}

void wsgi_body_init(struct wsgi_body *body, request_rec *r)
{
    memset(body, 0, sizeof(*body));
    body->r = r;
    body->present = has_body(r);
    body->finished = !body->present;
}

/* httpd's filter may have answered the client itself, which then may have left: its status counts.
 */
static int answered_with(const request_rec *r)
{
    if (r->status == HTTP_REQUEST_ENTITY_TOO_LARGE)
        return EFBIG;
    return r->status == HTTP_REQUEST_TIME_OUT ? ETIMEDOUT : EBADMSG;
}

/* The errno of struct wsgi_transport.read for what a filter or bucket said. */
static int failure_of(request_rec *r, apr_status_t rv)
{
    if (APR_STATUS_IS_TIMEUP(rv) || APR_STATUS_IS_ETIMEDOUT(rv))
        return ETIMEDOUT;
    if (APR_STATUS_IS_ENOSPC(rv))
        return EFBIG;
    if (r->eos_sent)
        return answered_with(r);
    if (r->connection->aborted || APR_STATUS_IS_ECONNRESET(rv) || APR_STATUS_IS_ECONNABORTED(rv) ||
        APR_STATUS_IS_EPIPE(rv))
        return EPIPE;
    /* Half-closed or closed: only an answer would show which. */
    if (APR_STATUS_IS_EOF(rv) || rv == APR_INCOMPLETE)
        return wsgi_client_left(r) ? EPIPE : ENODATA;
    if (APR_STATUS_IS_EGENERAL(rv) || APR_STATUS_IS_EINVAL(rv))
        return EBADMSG;
    return rv == AP_FILTER_ERROR ? answered_with(r) : EIO;
}

void wsgi_body_fail(struct wsgi_body *body, int error)
{
    body->failed = error;
    body->r->connection->keepalive = AP_CONN_CLOSE;
}

static ssize_t fail(struct wsgi_body *body, int error)
{
    wsgi_body_fail(body, error);
    errno = error;
    return -1;
}

/* Gets more from the filters. 0: there is something to look at; -1 with errno. */
static int refill(struct wsgi_body *body, int block)
{
    request_rec *r = body->r;
    apr_status_t rv;

    if (body->brigade == NULL)
        body->brigade = apr_brigade_create(r->pool, r->connection->bucket_alloc);
    rv = ap_get_brigade(r->input_filters, body->brigade, AP_MODE_READBYTES,
                        block ? APR_BLOCK_READ : APR_NONBLOCK_READ, READ_AT_ONCE);
    if (!block &&
        (APR_STATUS_IS_EAGAIN(rv) || (rv == APR_SUCCESS && APR_BRIGADE_EMPTY(body->brigade)))) {
        errno = EAGAIN;
        return -1;
    }
    if (rv != APR_SUCCESS)
        return (int)fail(body, failure_of(r, rv));
    return 0;
}

/* Takes bytes from the first bucket. >0; 0: nothing in it, it is gone; -1 with errno. */
static ssize_t take(struct wsgi_body *body, void *buffer, size_t size, int block)
{
    apr_bucket *bucket = APR_BRIGADE_FIRST(body->brigade);
    const char *data;
    apr_size_t length;
    apr_status_t rv;

    if (APR_BUCKET_IS_EOS(bucket)) {
        body->finished = 1;
        apr_brigade_cleanup(body->brigade);
        return 0;
    }
    if (APR_BUCKET_IS_METADATA(bucket)) {
        apr_bucket_delete(bucket);
        return 0;
    }
    rv = apr_bucket_read(bucket, &data, &length, block ? APR_BLOCK_READ : APR_NONBLOCK_READ);
    if (!block && APR_STATUS_IS_EAGAIN(rv)) {
        errno = EAGAIN;
        return -1;
    }
    if (rv != APR_SUCCESS)
        return fail(body, failure_of(body->r, rv));
    if (length > size) {
        apr_bucket_split(bucket, size);
        length = size;
    }
    memcpy(buffer, data, length);
    apr_bucket_delete(bucket);
    return (ssize_t)length;
}

/* httpd would do it at a blocking read, which is too late for read(0), and for a daemon, whose
 * answer must not wait for the client. */
void wsgi_body_want(struct wsgi_body *body)
{
    request_rec *r = body->r;
    int status = r->status;

    if (!body->present || !r->expecting_100)
        return;
    if (!r->sent_bodyct && !r->eos_sent) {
        r->status = HTTP_CONTINUE;
        ap_send_interim_response(r, 0);
        r->status = status;
    }
    r->expecting_100 = 0;
}

ssize_t wsgi_body_read(struct wsgi_body *body, void *buffer, size_t size, int block)
{
    size_t done = 0;

    if (body->failed != 0) {
        errno = body->failed;
        return -1;
    }
    if (block)
        wsgi_body_want(body);
    while (done == 0 && !body->finished) {
        if ((body->brigade == NULL || APR_BRIGADE_EMPTY(body->brigade)) && refill(body, block) != 0)
            return -1;
        /* What is at hand goes out together; nothing more is waited for. */
        while (done < size && !body->finished && !APR_BRIGADE_EMPTY(body->brigade)) {
            ssize_t got = take(body, (char *)buffer + done, size - done, done == 0 && block);

            if (got < 0 && done > 0)
                break;
            if (got < 0)
                return -1;
            done += (size_t)got;
        }
    }
    body->taken += (apr_off_t)done;
    if (done > 0)
        body->r->expecting_100 = 0; /* this client did not wait */
    return (ssize_t)done;
}

int wsgi_body_status(const struct wsgi_body *body)
{
    switch (body->failed) {
    case ETIMEDOUT:
        return HTTP_REQUEST_TIME_OUT;
    case EFBIG:
        return HTTP_REQUEST_ENTITY_TOO_LARGE;
    case EBADMSG:
    case ENODATA:
    case EPIPE:
        return HTTP_BAD_REQUEST;
    default:
        return HTTP_INTERNAL_SERVER_ERROR;
    }
}

const char *wsgi_body_problem(const struct wsgi_body *body)
{
    switch (body->failed) {
    case ETIMEDOUT:
        return "the client sent its request body too slowly";
    case EFBIG:
        return "the request body is larger than the server allows";
    case EBADMSG:
        return "the request body is malformed";
    case ENODATA:
        return "the client ended its request body too early";
    case EPIPE:
        return "the client left while its request body was read";
    default:
        return "the request body cannot be read";
    }
}
