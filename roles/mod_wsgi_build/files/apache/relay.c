/* SPDX-License-Identifier: Apache-2.0 */
#include "relay.h"

#include <errno.h>
#include <poll.h>

#include "clocks.h"
#include "delay.h"
#include "failure.h"
#include "leaving.h"
#include "receiver.h"
#include "sender.h"

#define WSGI_TICK 1000 /* ms: the longest sleep without a look at client and clock */
/* While a body comes from a connection that cannot be polled (HTTP/2): the first look for more of
 * it after so many microseconds, each further one after twice as long, up to the second. */
#define WSGI_BLIND_FIRST 100
#define WSGI_BLIND_LAST 20000
/* After request-timeout: for a daemon to say itself what it has to say, stacks first. */
#define WSGI_GRACE apr_time_from_sec(1)

/* While more of the body may be sent it is the client that is late. */
static int is_clients_turn(const struct wsgi_relay *x)
{
    return x->more_body && x->credit && !x->out_count && !x->upload->body->failed;
}

/* WSGI_STEP_DRY, unless nothing has moved for too long. A client that is late with its body: the
 * application learns it, and has its own time to answer. */
static enum wsgi_step check_clock(struct wsgi_relay *x)
{
    int is_clients = is_clients_turn(x);

    if (wsgi_clock_now() - x->progress <=
        (is_clients ? x->r->server->timeout : wsgi_clock_socket(x->group, x->r))) {
        return WSGI_STEP_DRY;
    }
    if (!is_clients) {
        return wsgi_failure_timed_out(x);
    }
    wsgi_body_fail(x->upload->body, ETIMEDOUT);
    x->progress = wsgi_clock_now();
    return WSGI_STEP_DRY;
}

static enum wsgi_step receive_until_flush(struct wsgi_relay *x)
{
    struct pollfd set = {.fd = x->connection->channel.fd, .events = POLLIN};
    struct timespec tick = wsgi_delay_limit(x, (struct timespec){.tv_sec = WSGI_TICK / 1000});
    int count = ppoll(&set, 1, &tick, NULL);

    if (count < 0 && errno != EINTR) {
        return wsgi_failure_read(x);
    }
    return count > 0 ? wsgi_receiver_fill(x, 0) : WSGI_STEP_DRY;
}

/* Nothing to send and no body to come: one blocking recvmsg does it, unless something is to be
 * flushed when nothing comes. */
static enum wsgi_step wait_for_daemon(struct wsgi_relay *x)
{
    enum wsgi_step step = x->flush_at ? receive_until_flush(x) : wsgi_receiver_fill(x, 1);

    if (step != WSGI_STEP_DRY || wsgi_delay_is_over(x)) {
        return step;
    }
    return wsgi_client_left(x->r) ? wsgi_failure_client_left(x) : check_clock(x);
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
static enum wsgi_step wait_for_both(struct wsgi_relay *x)
{
    int body_wanted = x->more_body && x->credit && !x->out_count;
    struct pollfd set[2] = {
        {.fd = x->connection->channel.fd, .events = (short)(POLLIN | (x->out_count ? POLLOUT : 0))},
        {.fd = wsgi_client_socket(x->r), .events = (short)(body_wanted ? POLLIN : 0)},
    };
    struct timespec tick = wsgi_delay_limit(x, next_tick(x, body_wanted && set[1].fd < 0));
    int count = ppoll(set, 2, &tick, NULL);

    if (count < 0 && errno != EINTR) {
        return wsgi_failure_read(x);
    }
    /* While a body is wanted its reader sees that the client left. */
    if (x->r->connection->aborted || (!body_wanted && (set[1].revents & (POLLHUP | POLLERR)))) {
        return wsgi_failure_client_left(x);
    }
    if (count > 0 && set[0].revents & (POLLIN | POLLHUP | POLLERR)) {
        return wsgi_receiver_fill(x, 0);
    }
    return check_clock(x);
}

static enum wsgi_step pump(struct wsgi_relay *x)
{
    enum wsgi_step step =
        wsgi_exchange_is_overdue(x, WSGI_GRACE) ? wsgi_failure_overdue(x) : wsgi_sender_run(x);

    if (step == WSGI_STEP_ON && wsgi_delay_is_over(x)) {
        step = wsgi_delay_flush(x);
    }
    if (step != WSGI_STEP_ON) {
        return step;
    }
    step = x->out_count || x->more_body ? wait_for_both(x) : wait_for_daemon(x);
    if (step != WSGI_STEP_ON) {
        return step == WSGI_STEP_DRY ? WSGI_STEP_ON : step;
    }
    step = wsgi_receiver_take(x);
    if (step == WSGI_STEP_DRY) {
        x->progress = wsgi_clock_now(); /* the client may have been slow to take it */
        step = WSGI_STEP_ON;
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
    enum wsgi_step step = WSGI_STEP_ON;

    x->progress = x->called = x->given;
    wsgi_sender_request(x);
    while (step == WSGI_STEP_ON) {
        step = pump(x);
    }
    if (x->block) {
        apr_bucket_free(x->block);
        x->block = NULL;
    }
    if (step == WSGI_STEP_RETRY) {
        return WSGI_RELAY_RETRY;
    }
    return can_be_used_again(x) ? WSGI_RELAY_DONE : WSGI_RELAY_SPENT;
}
