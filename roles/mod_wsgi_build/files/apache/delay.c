/* SPDX-License-Identifier: Apache-2.0 */
#include "delay.h"

#include "clocks.h"
#include "failure.h"
#include "responsefile.h"

/*
 * A block that has to leave waits for its successors, but not longer than response-flush-delay
 * from its coming: blocks that come fast leave together, and one that is followed by a pause
 * is not held up by more than that. The end of the response lets everything go at once.
 */
void wsgi_delay_start(struct wsgi_relay *x)
{
    if (!x->flush_at) {
        x->flush_at = x->progress + apr_time_from_msec(x->group->response_flush_delay);
    }
}

void wsgi_delay_follow(struct wsgi_relay *x)
{
    if (x->frame.flags & WSGI_FLAG_FLUSH) {
        x->response->is_streamed = 1;
        wsgi_delay_start(x);
    }
}

enum wsgi_step wsgi_delay_flush(struct wsgi_relay *x)
{
    x->flush_at = 0;
    return wsgi_response_flush(x->response) < 0 ? wsgi_failure_output(x) : WSGI_STEP_ON;
}

/* Microseconds. */
static apr_time_t left_until_flush(const struct wsgi_relay *x)
{
    apr_time_t left = x->flush_at - wsgi_clock_now();

    return left > 0 ? left : 0;
}

int wsgi_delay_is_over(const struct wsgi_relay *x)
{
    return x->flush_at && !left_until_flush(x);
}

struct timespec wsgi_delay_limit(const struct wsgi_relay *x, struct timespec tick)
{
    apr_time_t left = x->flush_at ? left_until_flush(x) : 0;

    if (!x->flush_at || left >= apr_time_from_sec(tick.tv_sec) + tick.tv_nsec / 1000) {
        return tick;
    }
    return (struct timespec){.tv_sec = apr_time_sec(left),
                             .tv_nsec = (long)apr_time_usec(left) * 1000};
}
