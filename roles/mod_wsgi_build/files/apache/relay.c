/* SPDX-License-Identifier: Apache-2.0 */
#include "relay.h"

#include <errno.h>
#include <limits.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "apr_portable.h"
#include "apr_strings.h"
#include "clocks.h"
#include "http_core.h"
#include "log.h"
#include "obituary.h"

#define WSGI_TICK 1000 /* ms: the longest sleep without a look at client and clock */
/* While a body comes from a connection that cannot be polled (HTTP/2): the first look for more of
 * it after so many microseconds, each further one after twice as long, up to the second. */
#define WSGI_BLIND_FIRST 100
#define WSGI_BLIND_LAST 20000
/* After request-timeout: for a daemon to say itself what it has to say, stacks first. */
#define WSGI_GRACE apr_time_from_sec(1)
#define WSGI_UPLOAD_BLOCK WSGI_FRAME_BODY_MAX

/* How a step of the pump ended. */
enum step {
    STEP_ON,     /* go on */
    STEP_DRY,    /* nothing to be done before something comes */
    STEP_DONE,   /* END came */
    STEP_FAILED, /* the outcome is filled in, the connection cannot be used again */
    STEP_RETRY
};

/* ---- the client ---------------------------------------------------------- */

/* -1: there is no socket to look at (HTTP/2 streams). */
static int client_socket(request_rec *r)
{
    apr_socket_t *sock;
    apr_os_sock_t fd;

    if (r->connection->master) {
        return -1;
    }
    sock = ap_get_conn_socket(r->connection);
    return sock && apr_os_sock_get(&fd, sock) == APR_SUCCESS ? fd : -1;
}

/* A client that has only shut down its sending side (POLLRDHUP) still waits for the answer, and
 * httpd gives it one; so that is no sign. */
int wsgi_client_left(request_rec *r)
{
    struct pollfd look = {.fd = client_socket(r)};

    if (r->connection->aborted) {
        return 1;
    }
    return look.fd >= 0 && poll(&look, 1, 0) > 0 && (look.revents & (POLLHUP | POLLERR)) != 0;
}

/* ---- the upload ---------------------------------------------------------- */

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

/* As wsgi_body_read() without waiting, but into the upload's own memory. */
static ssize_t upload_read(struct wsgi_upload *upload, size_t limit)
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
        ssize_t got = upload_read(upload, limit - upload->used);

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

/* ---- failures ------------------------------------------------------------ */

static int has_started(struct wsgi_relay *x)
{
    const struct wsgi_connection *connection = x->connection;

    if (!x->started) {
        x->started = x->head_seen ||
                     wsgi_board_started(x->group->slots->slot[x->slot].board, connection->epoch,
                                        connection->index, connection->sequence);
    }
    return x->started;
}

static const char *daemon_name(const struct wsgi_relay *x)
{
    return wsgi_obituary_name(x->r->pool, x->group, x->slot, x->connection->epoch);
}

static const char *daemon_end(const struct wsgi_relay *x)
{
    return wsgi_obituary_sentence(x->r->pool, x->group, x->slot, x->connection->epoch);
}

/* Whoever waits for us in the daemon is told; when there is no room for that, the end of the
 * connection says it too. */
static void cancel(struct wsgi_relay *x)
{
    struct wsgi_frame frame = {.type = WSGI_FRAME_CANCEL, .sequence = x->connection->sequence};
    unsigned char head[WSGI_FRAME_HEAD_SIZE];
    struct iovec vector = {.iov_base = head, .iov_len = sizeof(head)};
    int count = 1;

    if (!x->out_count && !x->deaf) {
        wsgi_frame_encode(&frame, head);
        wsgi_channel_send(&x->connection->channel, &vector, &count);
    }
}

/* The time that a script takes to load is not the request's: startup-timeout is for that. */
static int is_overdue(struct wsgi_relay *x, apr_interval_time_t grace)
{
    apr_interval_time_t limit = wsgi_clock_request(x->group);
    const struct wsgi_connection *connection = x->connection;
    apr_time_t now;

    if (!limit) {
        return 0;
    }
    now = apr_time_now();
    if (!x->is_called) {
        x->is_called = x->head_seen ||
                       wsgi_board_called(x->group->slots->slot[x->slot].board, connection->epoch,
                                         connection->index, connection->sequence);
    }
    if (!x->is_called && has_started(x)) {
        x->called = now;
    }
    return now - x->called > limit + grace;
}

#define URL_MAX 200 /* bytes of it in a log line */

/* Without the query, which may hold what is not for a log. */
static enum step overdue(struct wsgi_relay *x)
{
    long age = (long)apr_time_as_msec(apr_time_now() - x->given);
    long queued = (long)apr_time_as_msec(x->queued);

    cancel(x);
    wsgi_outcome_fail(x->outcome, HTTP_GATEWAY_TIME_OUT, WSGI_CODE_REQUEST_OVERDUE,
                      "request-timeout (%d s%s) is over: %s %.*s has been running for %ld.%03ld s "
                      "in %s, after %ld.%03ld s in the queue",
                      x->group->request_timeout,
                      x->group->interrupt_timeout > 0 ? ", and interrupt-timeout" : "",
                      x->r->method, URL_MAX, x->r->uri, age / 1000, age % 1000, daemon_name(x),
                      queued / 1000, queued % 1000);
    x->outcome->truncated = x->head_seen;
    return STEP_FAILED;
}

static enum step daemon_died(struct wsgi_relay *x)
{
    /* Its process was replaced because of it, and did not wait for it. */
    if (has_started(x) && is_overdue(x, 0)) {
        return overdue(x);
    }
    if (x->head_seen) {
        wsgi_outcome_fail(x->outcome, HTTP_BAD_GATEWAY, WSGI_CODE_DIED_IN_BODY,
                          "%s in the middle of its answer", daemon_end(x));
        x->outcome->truncated = 1;
        return STEP_FAILED;
    }
    if (!has_started(x)) {
        return STEP_RETRY;
    }
    wsgi_outcome_fail(x->outcome, HTTP_BAD_GATEWAY, WSGI_CODE_DIED_BEFORE_HEAD,
                      "%s before it answered", daemon_end(x));
    return STEP_FAILED;
}

static enum step violation(struct wsgi_relay *x, const char *what)
{
    wsgi_outcome_fail(x->outcome, HTTP_BAD_GATEWAY, WSGI_CODE_WIRE_VIOLATION,
                      "%s broke the rules of the connection: %s", daemon_name(x), what);
    x->outcome->truncated = x->head_seen;
    return STEP_FAILED;
}

static enum step read_failed(struct wsgi_relay *x)
{
    wsgi_outcome_fail(x->outcome, HTTP_BAD_GATEWAY, WSGI_CODE_READ_FAILED, "cannot talk to %s: %s",
                      daemon_name(x), strerror(errno));
    x->outcome->truncated = x->head_seen;
    return STEP_FAILED;
}

static enum step timed_out(struct wsgi_relay *x)
{
    long seconds = (long)apr_time_sec(wsgi_clock_socket(x->group, x->r));

    cancel(x);
    if (x->head_seen) {
        wsgi_outcome_fail(x->outcome, HTTP_GATEWAY_TIME_OUT, WSGI_CODE_BODY_STALLED,
                          "%s sent nothing more of its answer for %ld s", daemon_name(x), seconds);
    } else {
        wsgi_outcome_fail(x->outcome, HTTP_GATEWAY_TIME_OUT, WSGI_CODE_HEAD_TIMEOUT,
                          "%s did not answer within %ld s", daemon_name(x), seconds);
    }
    x->outcome->truncated = x->head_seen;
    return STEP_FAILED;
}

static enum step client_gone(struct wsgi_relay *x)
{
    cancel(x);
    x->r->connection->aborted = 1;
    x->outcome->silent = 1;
    wsgi_outcome_fail(x->outcome, HTTP_BAD_REQUEST, WSGI_CODE_CLIENT_GONE,
                      "the client closed the connection");
    x->outcome->truncated = x->head_seen;
    return STEP_FAILED;
}

/* The response could not be passed on: nobody takes it any more, or it is spoilt and
 * wsgi_response_end() says why. */
static enum step output_failed(struct wsgi_relay *x)
{
    if (!wsgi_response_is_spoilt(x->response)) {
        return client_gone(x);
    }
    cancel(x);
    x->outcome->truncated = 1;
    return STEP_FAILED;
}

/* ---- flushing ------------------------------------------------------------ */

/*
 * A block that has to leave waits for its successors, but not longer than response-flush-delay
 * from its coming: blocks that come fast leave together, and one that is followed by a pause
 * is not held up by more than that. The end of the response lets everything go at once.
 */
static void start_delay(struct wsgi_relay *x)
{
    if (!x->flush_at) {
        x->flush_at = x->progress + apr_time_from_msec(x->group->response_flush_delay);
    }
}

static void flush_later(struct wsgi_relay *x)
{
    if (x->frame.flags & WSGI_FLAG_FLUSH) {
        x->response->is_streamed = 1;
        start_delay(x);
    }
}

static enum step flush_now(struct wsgi_relay *x)
{
    x->flush_at = 0;
    return wsgi_response_flush(x->response) < 0 ? output_failed(x) : STEP_ON;
}

/* Microseconds; none when the clock was set back. */
static apr_time_t left_until_flush(const struct wsgi_relay *x)
{
    apr_time_t left = x->flush_at - apr_time_now();

    return left > 0 && left <= apr_time_from_msec(x->group->response_flush_delay) ? left : 0;
}

static int flush_is_due(const struct wsgi_relay *x)
{
    return x->flush_at && !left_until_flush(x);
}

/* How long may be slept, not longer than `tick`. */
static struct timespec until_flush(const struct wsgi_relay *x, struct timespec tick)
{
    apr_time_t left = x->flush_at ? left_until_flush(x) : 0;

    if (!x->flush_at || left >= apr_time_from_sec(tick.tv_sec) + tick.tv_nsec / 1000) {
        return tick;
    }
    return (struct timespec){.tv_sec = apr_time_sec(left),
                             .tv_nsec = (long)apr_time_usec(left) * 1000};
}

/* ---- to the daemon ------------------------------------------------------- */

static void out_add(struct wsgi_relay *x, const void *data, size_t size)
{
    if (size) {
        x->out[x->out_count].iov_base = (void *)(uintptr_t)data;
        x->out[x->out_count].iov_len = size;
        x->out_count++;
    }
}

/* REQUEST: head, size of the variables, variables, the body bytes that we have. */
static void put_request(struct wsgi_relay *x)
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
static enum step refill(struct wsgi_relay *x, int *complete)
{
    struct wsgi_upload *upload = x->upload;
    ssize_t got;

    if (has_started(x)) {
        upload->used = upload->sent = 0; /* nobody else will get it */
    }
    got = upload_read(upload, smaller(x->credit, WSGI_UPLOAD_BLOCK));
    if (got < 0 && errno == EAGAIN) {
        return STEP_DRY;
    }
    if (got < 0 && upload->body->failed == EPIPE) {
        return client_gone(x);
    }
    x->blind_wait = 0;
    x->progress = apr_time_now();
    if (got < 0) {
        put_abort(x);
    }
    *complete = got == 0 || upload->body->finished;
    return STEP_ON;
}

/* Prepares the next BODY frame if there is credit and something to send. */
static enum step next_body(struct wsgi_relay *x)
{
    struct wsgi_upload *upload = x->upload;
    int complete = upload->body->finished;
    size_t size;

    if (!x->credit) {
        return STEP_DRY;
    }
    if (upload->sent == upload->used && !complete) {
        enum step step = refill(x, &complete);

        if (step != STEP_ON || x->out_count) {
            return step;
        }
    }
    size = smaller(x->credit, upload->used - upload->sent);
    size = smaller(size, WSGI_UPLOAD_BLOCK);
    complete = complete && upload->sent + size == upload->used;
    put_body(x, size, complete ? WSGI_FLAG_FIN : 0, 0);
    return STEP_ON;
}

static enum step send_some(struct wsgi_relay *x)
{
    switch (wsgi_channel_send(&x->connection->channel, x->out, &x->out_count)) {
    case WSGI_IO_OK:
        x->progress = apr_time_now();
        return STEP_ON;
    case WSGI_IO_AGAIN:
        return STEP_DRY;
    default:
        x->deaf = 1; /* what it said before it went may still be there to be read */
        x->out_count = 0;
        x->more_body = 0;
        return STEP_ON;
    }
}

/* ---- from the daemon ----------------------------------------------------- */

static enum step head_too_long(struct wsgi_relay *x)
{
    wsgi_outcome_fail(x->outcome, HTTP_INTERNAL_SERVER_ERROR, WSGI_CODE_HEAD_LINE_LONG,
                      "response header %s from %s has a line of %" APR_SIZE_T_FMT
                      " bytes, more than header-buffer-size allows",
                      x->response->long_name, daemon_name(x), x->response->long_size);
    return STEP_FAILED;
}

static enum step head_refused(struct wsgi_relay *x, enum wsgi_head_status why)
{
    wsgi_outcome_fail(x->outcome, HTTP_INTERNAL_SERVER_ERROR, WSGI_CODE_HEAD_REFUSED,
                      "the response head of %s is refused: %s", daemon_name(x),
                      wsgi_head_status_text(why));
    return STEP_FAILED;
}

static enum step take_head(struct wsgi_relay *x, const unsigned char *payload)
{
    enum wsgi_head_status why = WSGI_HEAD_OK;

    if (x->head_seen) {
        return violation(x, "a second HEAD");
    }
    if (wsgi_response_head(x->response, payload, x->frame.length, &why) < 0) {
        return why == WSGI_HEAD_LINE_LONG ? head_too_long(x) : head_refused(x, why);
    }
    x->head_seen = 1;
    return STEP_ON;
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

static enum step take_file(struct wsgi_relay *x, const unsigned char *payload)
{
    int fd = wsgi_channel_claim(&x->connection->channel);
    struct wsgi_file_range range;
    int result;

    if (fd < 0) {
        return violation(x, "a FILE without a descriptor");
    }
    if (!x->head_seen || wsgi_file_range_decode(payload, x->frame.length, &range) < 0) {
        close(fd);
        return violation(x, x->head_seen ? "a FILE with a bad range" : "a FILE before HEAD");
    }
    if (!is_regular(fd)) {
        close(fd);
        return violation(x, "a FILE that is no regular file");
    }
    result = wsgi_response_file(x->response, fd, range.offset, range.length, 0);
    close(fd);
    start_delay(x);
    return result < 0 ? output_failed(x) : STEP_ON;
}

static enum step take_end(struct wsgi_relay *x, const unsigned char *payload)
{
    if (wsgi_outcome_decode(payload, x->frame.length, x->outcome) < 0) {
        return violation(x, "a malformed END");
    }
    if (!x->head_seen && !x->outcome->status) {
        return violation(x, "END without HEAD");
    }
    if (x->frame.flags & WSGI_FLAG_TRUNCATED && !x->outcome->status) {
        return violation(x, "a truncated END that gives no reason");
    }
    x->outcome->truncated = x->head_seen && x->outcome->status;
    x->ended = 1;
    return STEP_DONE;
}

static enum step take_reject(struct wsgi_relay *x)
{
    return x->head_seen ? violation(x, "REJECT after HEAD") : STEP_RETRY;
}

/* The application reads: a client that waits for that is told at once, also when the answer comes
 * right behind (read(0)). */
static enum step take_want(struct wsgi_relay *x)
{
    x->started = 1;
    x->credit += x->frame.credit;
    if (x->r->expecting_100) {
        x->flush_at = 0;
        if (wsgi_response_yield(x->response) != 0) {
            return output_failed(x);
        }
        wsgi_body_want(x->upload->body);
    }
    return STEP_ON;
}

static enum step take_frame(struct wsgi_relay *x, const unsigned char *payload)
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
        return STEP_ON;
    case WSGI_FRAME_END:
        return take_end(x, payload);
    case WSGI_FRAME_REJECT:
        return take_reject(x);
    default:
        return violation(x, "WELCOME during a request");
    }
}

/* A frame that is needed in one piece. */
static enum step take_whole(struct wsgi_relay *x)
{
    struct wsgi_channel *channel = &x->connection->channel;
    const unsigned char *payload = wsgi_channel_peek(channel, x->frame.length);
    enum step step;

    if (!payload) {
        return STEP_DRY;
    }
    step = take_frame(x, payload);
    wsgi_channel_consume(channel, x->frame.length);
    x->in_frame = 0;
    if (step == STEP_DONE && (wsgi_channel_buffered(channel) || channel->passed >= 0)) {
        return violation(x, "something after END");
    }
    return step;
}

static enum step send_block(struct wsgi_relay *x)
{
    apr_bucket *bucket = apr_bucket_heap_create(x->block, x->frame.length, apr_bucket_free,
                                                x->r->connection->bucket_alloc);

    x->block = NULL;
    x->in_frame = 0;
    x->response->keeps = is_last(x, 0);
    flush_later(x);
    return wsgi_response_bucket(x->response, bucket, 0) < 0 ? output_failed(x) : STEP_ON;
}

/* DATA goes from the socket straight into a block that becomes a heap bucket; only what came
 * together with other frames is copied. */
static enum step take_data(struct wsgi_relay *x)
{
    struct wsgi_channel *channel = &x->connection->channel;
    const unsigned char *payload;

    if (!x->head_seen) {
        return violation(x, "DATA before HEAD");
    }
    if (!x->block) {
        payload = wsgi_channel_peek(channel, x->frame.length);
        if (payload) {
            int result;

            x->response->keeps = is_last(x, x->frame.length);
            result = wsgi_response_data(x->response, payload, x->frame.length, 0);

            wsgi_channel_consume(channel, x->frame.length);
            x->in_frame = 0;
            flush_later(x);
            return result < 0 ? output_failed(x) : STEP_ON;
        }
        x->block = apr_bucket_alloc(x->frame.length, x->r->connection->bucket_alloc);
        x->block_used = wsgi_channel_drain(channel, x->block, x->frame.length);
    }
    return x->block_used == x->frame.length ? send_block(x) : STEP_DRY;
}

/* Works off what is buffered, frame by frame. */
static enum step take_frames(struct wsgi_relay *x)
{
    struct wsgi_channel *channel = &x->connection->channel;
    enum step step = STEP_ON;

    while (step == STEP_ON) {
        if (!x->in_frame) {
            switch (wsgi_channel_next(channel, &x->frame)) {
            case WSGI_IO_OK:
                break;
            case WSGI_IO_AGAIN:
                return STEP_DRY;
            default:
                return violation(x, channel->fault);
            }
            if (x->frame.sequence != x->connection->sequence) {
                return violation(x, "a frame of another request");
            }
            x->in_frame = 1;
        }
        step = x->frame.type == WSGI_FRAME_DATA ? take_data(x) : take_whole(x);
    }
    return step;
}

static enum step receive_some(struct wsgi_relay *x, int wait)
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
        x->progress = apr_time_now();
        return STEP_ON;
    case WSGI_IO_AGAIN:
        return STEP_DRY;
    case WSGI_IO_EOF:
        x->connection->closed = 1;
        return daemon_died(x);
    case WSGI_IO_ROGUE:
        return violation(x, channel->fault);
    default:
        return read_failed(x);
    }
}

/* ---- the pump ------------------------------------------------------------ */

/* While more of the body may be sent it is the client that is late. */
static int is_clients_turn(const struct wsgi_relay *x)
{
    return x->more_body && x->credit && !x->out_count && !x->upload->body->failed;
}

/* STEP_DRY, unless nothing has moved for too long. A client that is late with its body: the
 * application learns it, and has its own time to answer. */
static enum step check_clock(struct wsgi_relay *x)
{
    int is_clients = is_clients_turn(x);

    if (apr_time_now() - x->progress <=
        (is_clients ? x->r->server->timeout : wsgi_clock_socket(x->group, x->r))) {
        return STEP_DRY;
    }
    if (!is_clients) {
        return timed_out(x);
    }
    wsgi_body_fail(x->upload->body, ETIMEDOUT);
    x->progress = apr_time_now();
    return STEP_DRY;
}

static enum step receive_until_flush(struct wsgi_relay *x)
{
    struct pollfd set = {.fd = x->connection->channel.fd, .events = POLLIN};
    struct timespec tick = until_flush(x, (struct timespec){.tv_sec = WSGI_TICK / 1000});
    int count = ppoll(&set, 1, &tick, NULL);

    if (count < 0 && errno != EINTR) {
        return read_failed(x);
    }
    return count > 0 ? receive_some(x, 0) : STEP_DRY;
}

/* Nothing to send and no body to come: one blocking recvmsg does it, unless something is to be
 * flushed when nothing comes. */
static enum step wait_for_daemon(struct wsgi_relay *x)
{
    enum step step = x->flush_at ? receive_until_flush(x) : receive_some(x, 1);

    if (step != STEP_DRY || flush_is_due(x)) {
        return step;
    }
    return wsgi_client_left(x->r) ? client_gone(x) : check_clock(x);
}

static struct timespec next_tick(struct wsgi_relay *x, int is_blind)
{
    long wait = x->blind_wait ? x->blind_wait : WSGI_BLIND_FIRST;

    if (!is_blind) {
        return (struct timespec){.tv_sec = WSGI_TICK / 1000};
    }
    x->blind_wait = 2 * wait < WSGI_BLIND_LAST ? 2 * wait : WSGI_BLIND_LAST;
    return (struct timespec){.tv_nsec = wait * 1000};
}

/* Both sides may have something for us; neither may be waited for alone. */
static enum step wait_for_both(struct wsgi_relay *x)
{
    int body_wanted = x->more_body && x->credit && !x->out_count;
    struct pollfd set[2] = {
        {.fd = x->connection->channel.fd, .events = (short)(POLLIN | (x->out_count ? POLLOUT : 0))},
        {.fd = client_socket(x->r), .events = (short)(body_wanted ? POLLIN : 0)},
    };
    struct timespec tick = until_flush(x, next_tick(x, body_wanted && set[1].fd < 0));
    int count = ppoll(set, 2, &tick, NULL);

    if (count < 0 && errno != EINTR) {
        return read_failed(x);
    }
    /* While a body is wanted its reader sees that the client left. */
    if (x->r->connection->aborted || (!body_wanted && (set[1].revents & (POLLHUP | POLLERR)))) {
        return client_gone(x);
    }
    if (count > 0 && set[0].revents & (POLLIN | POLLHUP | POLLERR)) {
        return receive_some(x, 0);
    }
    return check_clock(x);
}

/* Ends at the latest when the credit is used up: an upload does not starve the answer. */
static enum step send_all_there_is(struct wsgi_relay *x)
{
    enum step step = STEP_ON;

    while (step == STEP_ON && (x->out_count || x->more_body)) {
        if (!x->out_count) {
            step = next_body(x);
        }
        if (step == STEP_ON && x->out_count) {
            step = send_some(x);
        }
    }
    return step == STEP_DRY ? STEP_ON : step;
}

static enum step pump(struct wsgi_relay *x)
{
    enum step step = is_overdue(x, WSGI_GRACE) ? overdue(x) : send_all_there_is(x);

    if (step == STEP_ON && flush_is_due(x)) {
        step = flush_now(x);
    }
    if (step != STEP_ON) {
        return step;
    }
    step = x->out_count || x->more_body ? wait_for_both(x) : wait_for_daemon(x);
    if (step != STEP_ON) {
        return step == STEP_DRY ? STEP_ON : step;
    }
    step = take_frames(x);
    if (step == STEP_DRY) {
        x->progress = apr_time_now(); /* the client may have been slow to take it */
        step = STEP_ON;
    }
    return step;
}

/* A body that was not sent completely leaves the daemon in the middle of it. */
static int can_be_used_again(const struct wsgi_relay *x)
{
    return x->ended && !x->out_count && !x->deaf;
}

enum wsgi_verdict wsgi_relay_run(struct wsgi_relay *x)
{
    enum step step = STEP_ON;

    x->progress = x->called = x->given;
    put_request(x);
    while (step == STEP_ON) {
        step = pump(x);
    }
    if (x->block) {
        apr_bucket_free(x->block);
        x->block = NULL;
    }
    if (step == STEP_RETRY) {
        return WSGI_RELAY_RETRY;
    }
    return can_be_used_again(x) ? WSGI_RELAY_DONE : WSGI_RELAY_SPENT;
}
