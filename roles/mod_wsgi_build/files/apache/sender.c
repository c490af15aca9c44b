/* SPDX-License-Identifier: Apache-2.0 */
#include "sender.h"

#include <errno.h>
#include <limits.h>
#include <string.h>

#include "clocks.h"
#include "failure.h"

static void out_add(struct wsgi_relay *x, const void *data, size_t size)
{
    if (size) {
        x->out[x->out_count].iov_base = (void *)(uintptr_t)data;
        x->out[x->out_count].iov_len = size;
        x->out_count++;
    }
}

/* REQUEST: head, size of the variables, variables, the body bytes that we have. */
void wsgi_sender_request(struct wsgi_relay *x)
{
    struct wsgi_upload *upload = x->upload;
    struct wsgi_frame frame = {.type = WSGI_FRAME_REQUEST};
    size_t first = upload->used < WSGI_UPLOAD_BLOCK ? upload->used : WSGI_UPLOAD_BLOCK;
    uint32_t prefix = (uint32_t)x->vars_size;
    int expects = upload->body->present && x->r->expecting_100;

    upload->sent = first;
    x->more_body = upload->body->present && (!upload->body->finished || first < upload->used);
    x->credit = expects ? 0 : WSGI_WIRE_INITIAL_CREDIT - first;
    frame.sequence = ++x->connection->sequence;
    frame.aux = (uint16_t)(x->refusals < UINT16_MAX ? x->refusals : UINT16_MAX);
    frame.length = (uint32_t)(sizeof(prefix) + x->vars_size + first);
    frame.flags = (uint8_t)((x->more_body ? WSGI_FLAG_MORE_BODY : 0) |
                            (x->more_body && expects ? WSGI_FLAG_EXPECT : 0));
    wsgi_frame_encode(&frame, x->heads);
    memcpy(x->heads + WSGI_FRAME_HEAD_SIZE, &prefix, sizeof(prefix));
    out_add(x, x->heads, WSGI_FRAME_HEAD_SIZE + sizeof(prefix));
    out_add(x, x->vars, x->vars_size);
    out_add(x, upload->data, first);
}

static void put_body(struct wsgi_relay *x, size_t size, uint8_t flags, uint16_t status)
{
    struct wsgi_upload *upload = x->upload;
    struct wsgi_frame frame = {.type = WSGI_FRAME_BODY,
                               .flags = flags,
                               .aux = status,
                               .length = (uint32_t)size,
                               .sequence = x->connection->sequence};

    wsgi_frame_encode(&frame, x->heads);
    out_add(x, x->heads, WSGI_FRAME_HEAD_SIZE);
    out_add(x, upload->data + upload->sent, size);
    upload->sent += size;
    x->credit -= size;
    if (flags) {
        x->more_body = 0;
    }
}

static void put_abort(struct wsgi_relay *x)
{
    int status = wsgi_body_status(x->upload->body);
    int why = status == HTTP_INTERNAL_SERVER_ERROR ? WSGI_ABORT_OTHER : status;

    put_body(x, 0, WSGI_FLAG_ABORT,
             (uint16_t)(x->upload->body->failed == ENODATA ? WSGI_ABORT_CUT : why));
}

static size_t smaller(apr_uint64_t one, size_t other)
{
    return one < other ? (size_t)one : other;
}

/* More of the body from the client; a failure becomes an ABORT frame. */
static enum wsgi_step refill(struct wsgi_relay *x, int *complete)
{
    struct wsgi_upload *upload = x->upload;
    ssize_t got;

    if (wsgi_exchange_has_started(x)) {
        upload->used = upload->sent = 0; /* nobody else will get it */
    }
    got = wsgi_upload_read(upload, smaller(x->credit, WSGI_UPLOAD_BLOCK));
    if (got < 0 && errno == EAGAIN) {
        return WSGI_STEP_DRY;
    }
    if (got < 0 && upload->body->failed == EPIPE) {
        return wsgi_failure_client_left(x);
    }
    x->blind_wait = 0;
    x->progress = wsgi_clock_now();
    if (got < 0) {
        put_abort(x);
    }
    *complete = got == 0 || upload->body->finished;
    return WSGI_STEP_ON;
}

/* Prepares the next BODY frame if there is credit and something to send. */
static enum wsgi_step next_body(struct wsgi_relay *x)
{
    struct wsgi_upload *upload = x->upload;
    int complete = upload->body->finished;
    size_t size;

    if (!x->credit) {
        return WSGI_STEP_DRY;
    }
    if (upload->sent == upload->used && !complete) {
        enum wsgi_step step = refill(x, &complete);

        if (step != WSGI_STEP_ON || x->out_count) {
            return step;
        }
    }
    size = smaller(x->credit, upload->used - upload->sent);
    size = smaller(size, WSGI_UPLOAD_BLOCK);
    complete = complete && upload->sent + size == upload->used;
    put_body(x, size, complete ? WSGI_FLAG_FIN : 0, 0);
    return WSGI_STEP_ON;
}

static enum wsgi_step send_some(struct wsgi_relay *x)
{
    switch (wsgi_channel_send(&x->connection->channel, x->out, &x->out_count)) {
    case WSGI_IO_OK:
        x->progress = wsgi_clock_now();
        return WSGI_STEP_ON;
    case WSGI_IO_AGAIN:
        return WSGI_STEP_DRY;
    default:
        x->deaf = 1; /* what it said before it went may still be there to be read */
        x->out_count = 0;
        x->more_body = 0;
        return WSGI_STEP_ON;
    }
}

/* Ends at the latest when the credit is used up: an upload does not starve the answer. */
enum wsgi_step wsgi_sender_run(struct wsgi_relay *x)
{
    enum wsgi_step step = WSGI_STEP_ON;

    while (step == WSGI_STEP_ON && (x->out_count || x->more_body)) {
        if (!x->out_count) {
            step = next_body(x);
        }
        if (step == WSGI_STEP_ON && x->out_count) {
            step = send_some(x);
        }
    }
    return step == WSGI_STEP_DRY ? WSGI_STEP_ON : step;
}
