/* SPDX-License-Identifier: Apache-2.0 */
#include "exchange.h"

#include "clocks.h"

int wsgi_exchange_has_started(struct wsgi_relay *x)
{
    const struct wsgi_connection *connection = x->connection;

    if (!x->started) {
        x->started = x->head_seen ||
                     wsgi_board_started(x->group->slots->slot[x->slot].board, connection->epoch,
                                        connection->index, connection->sequence);
    }
    return x->started;
}

/* The time that a script takes to load is not the request's: startup-timeout is for that. */
int wsgi_exchange_is_overdue(struct wsgi_relay *x, apr_interval_time_t grace)
{
    apr_interval_time_t limit = wsgi_clock_request(x->group);
    const struct wsgi_connection *connection = x->connection;
    apr_time_t now;

    if (!limit) {
        return 0;
    }
    now = wsgi_clock_now();
    if (!x->is_called) {
        x->is_called = x->head_seen ||
                       wsgi_board_called(x->group->slots->slot[x->slot].board, connection->epoch,
                                         connection->index, connection->sequence);
    }
    if (!x->is_called && wsgi_exchange_has_started(x)) {
        x->called = now;
    }
    return now - x->called > limit + grace;
}

/* Whoever waits for us in the daemon is told; when there is no room for that, the end of the
 * connection says it too. */
void wsgi_exchange_cancel(struct wsgi_relay *x)
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
