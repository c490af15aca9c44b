/* SPDX-License-Identifier: Apache-2.0 */
#include "failure.h"

#include <errno.h>
#include <string.h>

#include "clocks.h"
#include "obituary.h"

#define URL_MAX 200 /* bytes of it in a log line */

const char *wsgi_failure_daemon(const struct wsgi_relay *x)
{
    return wsgi_obituary_name(x->r->pool, x->group, x->slot, x->connection->epoch);
}

static const char *daemon_end(const struct wsgi_relay *x)
{
    return wsgi_obituary_sentence(x->r->pool, x->group, x->slot, x->connection->epoch);
}

/* Without the query, which may hold what is not for a log. */
enum wsgi_step wsgi_failure_overdue(struct wsgi_relay *x)
{
    long age = (long)apr_time_as_msec(wsgi_clock_now() - x->given);
    long queued = (long)apr_time_as_msec(x->queued);

    wsgi_exchange_cancel(x);
    wsgi_outcome_fail(x->outcome, HTTP_GATEWAY_TIME_OUT, WSGI_CODE_REQUEST_OVERDUE,
                      "request-timeout (%d s%s) is over: %s %.*s has been running for %ld.%03ld s "
                      "in %s, after %ld.%03ld s in the queue",
                      x->group->request_timeout,
                      x->group->interrupt_timeout > 0 ? ", and interrupt-timeout" : "",
                      x->r->method, URL_MAX, x->r->uri, age / 1000, age % 1000,
                      wsgi_failure_daemon(x), queued / 1000, queued % 1000);
    x->outcome->truncated = x->head_seen;
    return WSGI_STEP_FAILED;
}

enum wsgi_step wsgi_failure_died(struct wsgi_relay *x)
{
    /* Its process was replaced because of it, and did not wait for it. */
    if (wsgi_exchange_has_started(x) && wsgi_exchange_is_overdue(x, 0)) {
        return wsgi_failure_overdue(x);
    }
    if (x->head_seen) {
        wsgi_outcome_fail(x->outcome, HTTP_BAD_GATEWAY, WSGI_CODE_DIED_IN_BODY,
                          "%s in the middle of its answer", daemon_end(x));
        x->outcome->truncated = 1;
        return WSGI_STEP_FAILED;
    }
    if (!wsgi_exchange_has_started(x)) {
        return WSGI_STEP_RETRY;
    }
    wsgi_outcome_fail(x->outcome, HTTP_BAD_GATEWAY, WSGI_CODE_DIED_BEFORE_HEAD,
                      "%s before it answered", daemon_end(x));
    return WSGI_STEP_FAILED;
}

enum wsgi_step wsgi_failure_violation(struct wsgi_relay *x, const char *what)
{
    wsgi_outcome_fail(x->outcome, HTTP_BAD_GATEWAY, WSGI_CODE_WIRE_VIOLATION,
                      "%s broke the rules of the connection: %s", wsgi_failure_daemon(x), what);
    x->outcome->truncated = x->head_seen;
    return WSGI_STEP_FAILED;
}

enum wsgi_step wsgi_failure_read(struct wsgi_relay *x)
{
    wsgi_outcome_fail(x->outcome, HTTP_BAD_GATEWAY, WSGI_CODE_READ_FAILED, "cannot talk to %s: %s",
                      wsgi_failure_daemon(x), strerror(errno));
    x->outcome->truncated = x->head_seen;
    return WSGI_STEP_FAILED;
}

enum wsgi_step wsgi_failure_timed_out(struct wsgi_relay *x)
{
    long seconds = (long)apr_time_sec(wsgi_clock_socket(x->group, x->r));

    wsgi_exchange_cancel(x);
    if (x->head_seen) {
        wsgi_outcome_fail(x->outcome, HTTP_GATEWAY_TIME_OUT, WSGI_CODE_BODY_STALLED,
                          "%s sent nothing more of its answer for %ld s", wsgi_failure_daemon(x),
                          seconds);
    } else {
        wsgi_outcome_fail(x->outcome, HTTP_GATEWAY_TIME_OUT, WSGI_CODE_HEAD_TIMEOUT,
                          "%s did not answer within %ld s", wsgi_failure_daemon(x), seconds);
    }
    x->outcome->truncated = x->head_seen;
    return WSGI_STEP_FAILED;
}

enum wsgi_step wsgi_failure_client_left(struct wsgi_relay *x)
{
    wsgi_exchange_cancel(x);
    x->r->connection->aborted = 1;
    x->outcome->silent = 1;
    wsgi_outcome_fail(x->outcome, HTTP_BAD_REQUEST, WSGI_CODE_CLIENT_GONE,
                      "the client closed the connection");
    x->outcome->truncated = x->head_seen;
    return WSGI_STEP_FAILED;
}

/* The response could not be passed on: nobody takes it any more, or it is spoilt and
 * wsgi_response_end() says why. */
enum wsgi_step wsgi_failure_output(struct wsgi_relay *x)
{
    if (!wsgi_response_is_spoilt(x->response)) {
        return wsgi_failure_client_left(x);
    }
    wsgi_exchange_cancel(x);
    x->outcome->truncated = 1;
    return WSGI_STEP_FAILED;
}
