/* SPDX-License-Identifier: Apache-2.0 */
#include "upload.h"

#include <errno.h>
#include <stdlib.h>

#include "apr_strings.h"

static int upload_room(struct wsgi_upload *upload, size_t room)
{
    unsigned char *larger;

    if (upload->size - upload->used >= room) {
        return 0;
    }
    larger = realloc(upload->data, upload->used + room);
    if (!larger) {
        return -1;
    }
    upload->data = larger;
    upload->size = upload->used + room;
    return 0;
}

ssize_t wsgi_upload_read(struct wsgi_upload *upload, size_t limit)
{
    ssize_t got;

    if (upload_room(upload, limit) < 0) {
        errno = ENOMEM;
        return -1;
    }
    got = wsgi_body_read(upload->body, upload->data + upload->used, limit, 0);
    if (got > 0) {
        upload->used += (size_t)got;
    }
    return got;
}

static int body_failed(const struct wsgi_body *body, struct wsgi_outcome *outcome)
{
    int is_gone = body->failed == EPIPE;

    if (body->failed) {
        outcome->silent = is_gone;
        wsgi_outcome_fail(outcome, (uint16_t)wsgi_body_status(body),
                          is_gone ? WSGI_CODE_CLIENT_GONE : WSGI_CODE_BODY_READ_FAILED, "%s",
                          wsgi_body_problem(body));
    } else {
        wsgi_outcome_fail(outcome, HTTP_INTERNAL_SERVER_ERROR, WSGI_CODE_NO_MEMORY,
                          "no memory for the request body");
    }
    return -1;
}

/* What came before it belongs to the application, which learns of the failure as it reads on;
 * unless the client is gone, or has its answer from httpd already. */
static int is_worth_running(const struct wsgi_body *body)
{
    return body->failed && body->failed != EPIPE && !body->r->eos_sent;
}

/* How much room the begin of the body will need; only a hint, filters may change its size. One
 * byte more lets the end of the stream be seen. */
static size_t likely_size(request_rec *r)
{
    const char *length = apr_table_get(r->headers_in, "Content-Length");
    apr_int64_t size = length ? apr_atoi64(length) : -1;

    return size >= 0 && size < WSGI_UPLOAD_BLOCK ? (size_t)size + 1 : WSGI_UPLOAD_BLOCK;
}

int wsgi_upload_begin(struct wsgi_upload *upload, struct wsgi_outcome *outcome)
{
    struct wsgi_body *body = upload->body;
    size_t limit = likely_size(body->r);

    /* Waiting for 100 Continue: the client sends nothing before the application reads. */
    if (!body->present || body->r->expecting_100) {
        return 0;
    }
    while (!body->finished && upload->used < limit) {
        ssize_t got = wsgi_upload_read(upload, limit - upload->used);

        if (got < 0 && errno != EAGAIN && !is_worth_running(body)) {
            return body_failed(body, outcome);
        }
        if (got <= 0) {
            break;
        }
    }
    return 0;
}

void wsgi_upload_end(struct wsgi_upload *upload)
{
    free(upload->data);
    upload->data = NULL;
    upload->size = upload->used = upload->sent = 0;
}
