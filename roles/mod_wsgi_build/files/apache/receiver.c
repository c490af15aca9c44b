/* SPDX-License-Identifier: Apache-2.0 */
#include "receiver.h"

#include <sys/stat.h>
#include <unistd.h>

#include "clocks.h"
#include "delay.h"
#include "failure.h"
#include "log.h"
#include "responsefile.h"
#include "responsehead.h"

static enum wsgi_step head_too_long(struct wsgi_relay *x)
{
    wsgi_outcome_fail(x->outcome, HTTP_INTERNAL_SERVER_ERROR, WSGI_CODE_HEAD_LINE_LONG,
                      "response header %s from %s has a line of %" APR_SIZE_T_FMT
                      " bytes, more than header-buffer-size allows",
                      x->response->long_name, wsgi_failure_daemon(x), x->response->long_size);
    return WSGI_STEP_FAILED;
}

static enum wsgi_step head_refused(struct wsgi_relay *x, enum wsgi_head_status why)
{
    wsgi_outcome_fail(x->outcome, HTTP_INTERNAL_SERVER_ERROR, WSGI_CODE_HEAD_REFUSED,
                      "the response head of %s is refused: %s", wsgi_failure_daemon(x),
                      wsgi_head_status_text(why));
    return WSGI_STEP_FAILED;
}

static enum wsgi_step take_head(struct wsgi_relay *x, const unsigned char *payload)
{
    enum wsgi_head_status why = WSGI_HEAD_OK;

    if (x->head_seen) {
        return wsgi_failure_violation(x, "a second HEAD");
    }
    if (wsgi_response_head(x->response, payload, x->frame.length, &why) < 0) {
        return why == WSGI_HEAD_LINE_LONG ? head_too_long(x) : head_refused(x, why);
    }
    x->head_seen = 1;
    return WSGI_STEP_ON;
}

/* The END behind what is being taken is there already. Then it is only kept: it goes out when the
 * worker is free for others, which a slow client, or a filter that makes a request of its own to
 * the same group, would have to wait for. */
static int is_last(const struct wsgi_relay *x, size_t size)
{
    const unsigned char *there =
        wsgi_channel_peek(&x->connection->channel, size + WSGI_FRAME_HEAD_SIZE);
    struct wsgi_frame next;

    return there && wsgi_frame_decode(there + size, WSGI_FROM_BACK, &next) == WSGI_FRAME_OK &&
           next.type == WSGI_FRAME_END;
}

/* Only these have an end, and never make who reads them wait. */
static int is_regular(int fd)
{
    struct stat file;

    return fstat(fd, &file) == 0 && S_ISREG(file.st_mode);
}

static enum wsgi_step take_file(struct wsgi_relay *x, const unsigned char *payload)
{
    int fd = wsgi_channel_claim(&x->connection->channel);
    struct wsgi_file_range range;
    int result;

    if (fd < 0) {
        return wsgi_failure_violation(x, "a FILE without a descriptor");
    }
    if (!x->head_seen || wsgi_file_range_decode(payload, x->frame.length, &range) < 0) {
        close(fd);
        return wsgi_failure_violation(x, x->head_seen ? "a FILE with a bad range"
                                                      : "a FILE before HEAD");
    }
    if (!is_regular(fd)) {
        close(fd);
        return wsgi_failure_violation(x, "a FILE that is no regular file");
    }
    result = wsgi_response_file(x->response, fd, range.offset, range.length, 0);
    close(fd);
    wsgi_delay_start(x);
    return result < 0 ? wsgi_failure_output(x) : WSGI_STEP_ON;
}

static enum wsgi_step take_end(struct wsgi_relay *x, const unsigned char *payload)
{
    if (wsgi_outcome_decode(payload, x->frame.length, x->outcome) < 0) {
        return wsgi_failure_violation(x, "a malformed END");
    }
    if (!x->head_seen && !x->outcome->status) {
        return wsgi_failure_violation(x, "END without HEAD");
    }
    if (x->frame.flags & WSGI_FLAG_TRUNCATED && !x->outcome->status) {
        return wsgi_failure_violation(x, "a truncated END that gives no reason");
    }
    x->outcome->truncated = x->head_seen && x->outcome->status;
    x->ended = 1;
    return WSGI_STEP_DONE;
}

static enum wsgi_step take_reject(struct wsgi_relay *x)
{
    return x->head_seen ? wsgi_failure_violation(x, "REJECT after HEAD") : WSGI_STEP_RETRY;
}

/* The application reads: a client that waits for that is told at once, also when the answer comes
 * right behind (read(0)). */
static enum wsgi_step take_want(struct wsgi_relay *x)
{
    x->started = 1;
    x->credit += x->frame.credit;
    if (x->r->expecting_100) {
        x->flush_at = 0;
        if (wsgi_response_yield(x->response) != 0) {
            return wsgi_failure_output(x);
        }
        wsgi_body_want(x->upload->body);
    }
    return WSGI_STEP_ON;
}

static enum wsgi_step take_frame(struct wsgi_relay *x, const unsigned char *payload)
{
    switch (x->frame.type) {
    case WSGI_FRAME_WANT:
        return take_want(x);
    case WSGI_FRAME_HEAD:
        return take_head(x, payload);
    case WSGI_FRAME_FILE:
        return take_file(x, payload);
    case WSGI_FRAME_LOG:
        wsgi_log_request_text(x->r, x->frame.aux, (const char *)payload, x->frame.length);
        return WSGI_STEP_ON;
    case WSGI_FRAME_END:
        return take_end(x, payload);
    case WSGI_FRAME_REJECT:
        return take_reject(x);
    default:
        return wsgi_failure_violation(x, "WELCOME during a request");
    }
}

/* A frame that is needed in one piece. */
static enum wsgi_step take_whole(struct wsgi_relay *x)
{
    struct wsgi_channel *channel = &x->connection->channel;
    const unsigned char *payload = wsgi_channel_peek(channel, x->frame.length);
    enum wsgi_step step;

    if (!payload) {
        return WSGI_STEP_DRY;
    }
    step = take_frame(x, payload);
    wsgi_channel_consume(channel, x->frame.length);
    x->in_frame = 0;
    if (step == WSGI_STEP_DONE && (wsgi_channel_buffered(channel) || channel->passed >= 0)) {
        return wsgi_failure_violation(x, "something after END");
    }
    return step;
}

static enum wsgi_step send_block(struct wsgi_relay *x)
{
    apr_bucket *bucket = apr_bucket_heap_create(x->block, x->frame.length, apr_bucket_free,
                                                x->r->connection->bucket_alloc);

    x->block = NULL;
    x->in_frame = 0;
    x->response->keeps = is_last(x, 0);
    wsgi_delay_follow(x);
    return wsgi_response_bucket(x->response, bucket, 0) < 0 ? wsgi_failure_output(x) : WSGI_STEP_ON;
}

/* DATA goes from the socket straight into a block that becomes a heap bucket; only what came
 * together with other frames is copied. */
static enum wsgi_step take_data(struct wsgi_relay *x)
{
    struct wsgi_channel *channel = &x->connection->channel;
    const unsigned char *payload;

    if (!x->head_seen) {
        return wsgi_failure_violation(x, "DATA before HEAD");
    }
    if (!x->block) {
        payload = wsgi_channel_peek(channel, x->frame.length);
        if (payload) {
            int result;

            x->response->keeps = is_last(x, x->frame.length);
            result = wsgi_response_data(x->response, payload, x->frame.length, 0);

            wsgi_channel_consume(channel, x->frame.length);
            x->in_frame = 0;
            wsgi_delay_follow(x);
            return result < 0 ? wsgi_failure_output(x) : WSGI_STEP_ON;
        }
        x->block = apr_bucket_alloc(x->frame.length, x->r->connection->bucket_alloc);
        x->block_used = wsgi_channel_drain(channel, x->block, x->frame.length);
    }
    return x->block_used == x->frame.length ? send_block(x) : WSGI_STEP_DRY;
}

/* Works off what is buffered, frame by frame. */
enum wsgi_step wsgi_receiver_take(struct wsgi_relay *x)
{
    struct wsgi_channel *channel = &x->connection->channel;
    enum wsgi_step step = WSGI_STEP_ON;

    while (step == WSGI_STEP_ON) {
        if (!x->in_frame) {
            switch (wsgi_channel_next(channel, &x->frame)) {
            case WSGI_IO_OK:
                break;
            case WSGI_IO_AGAIN:
                return WSGI_STEP_DRY;
            default:
                return wsgi_failure_violation(x, channel->fault);
            }
            if (x->frame.sequence != x->connection->sequence) {
                return wsgi_failure_violation(x, "a frame of another request");
            }
            x->in_frame = 1;
        }
        step = x->frame.type == WSGI_FRAME_DATA ? take_data(x) : take_whole(x);
    }
    return step;
}

enum wsgi_step wsgi_receiver_fill(struct wsgi_relay *x, int wait)
{
    struct wsgi_channel *channel = &x->connection->channel;
    enum wsgi_io answer;

    if (x->block) {
        size_t got = 0;

        answer = wsgi_channel_fill_into(channel, x->block + x->block_used,
                                        x->frame.length - x->block_used, &got, wait);
        x->block_used += got;
    } else {
        answer =
            wsgi_channel_fill(channel, x->in_frame ? x->frame.length : WSGI_FRAME_HEAD_SIZE, wait);
    }
    switch (answer) {
    case WSGI_IO_OK:
        x->progress = wsgi_clock_now();
        return WSGI_STEP_ON;
    case WSGI_IO_AGAIN:
        return WSGI_STEP_DRY;
    case WSGI_IO_EOF:
        x->connection->closed = 1;
        return wsgi_failure_died(x);
    case WSGI_IO_ROGUE:
        return wsgi_failure_violation(x, channel->fault);
    default:
        return wsgi_failure_read(x);
    }
}
