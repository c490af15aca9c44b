/* SPDX-License-Identifier: Apache-2.0 */
#include "clocks.h"

#include <time.h>

#include "apr_strings.h"
#include "http_core.h"

#define NOTE_QUEUE "wsgi-queue"
#define NOTE_PROCESS "wsgi-process"

apr_time_t wsgi_clock_now(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return apr_time_from_sec(now.tv_sec) + now.tv_nsec / 1000;
}

apr_interval_time_t wsgi_clock_age(const request_rec *r)
{
    apr_interval_time_t age = apr_time_now() - r->request_time;

    return r->main == NULL && r->prev == NULL && age > 0 ? age : 0;
}

apr_interval_time_t wsgi_clock_socket(const struct wsgi_group *group, const request_rec *r)
{
    return group->socket_timeout > 0 ? apr_time_from_sec(group->socket_timeout)
                                     : r->server->timeout;
}

int wsgi_clock_queued_too_long(const struct wsgi_group *group, apr_time_t begin,
                               apr_interval_time_t older, apr_interval_time_t *age)
{
    *age = older + (wsgi_clock_now() - begin);
    return group->queue_timeout > 0 && *age > apr_time_from_sec(group->queue_timeout);
}

apr_interval_time_t wsgi_clock_request(const struct wsgi_group *group)
{
    if (group->request_timeout <= 0) {
        return 0;
    }
    return apr_time_from_sec(group->request_timeout) + apr_time_from_sec(group->interrupt_timeout);
}

/* ---- the client's socket ------------------------------------------------- */

static apr_socket_t *socket_of(const request_rec *r)
{
    return r->connection->master == NULL ? ap_get_conn_socket(r->connection) : NULL;
}

apr_interval_time_t wsgi_clock_begin_response(const struct wsgi_group *group, request_rec *r)
{
    int seconds =
        group->response_socket_timeout > 0 ? group->response_socket_timeout : group->socket_timeout;
    apr_socket_t *sock = seconds > 0 ? socket_of(r) : NULL;
    apr_interval_time_t before;

    if (sock == NULL || apr_socket_timeout_get(sock, &before) != APR_SUCCESS ||
        apr_socket_timeout_set(sock, apr_time_from_sec(seconds)) != APR_SUCCESS) {
        return -1;
    }
    return before;
}

void wsgi_clock_end_response(request_rec *r, apr_interval_time_t before)
{
    apr_socket_t *sock = before >= 0 ? socket_of(r) : NULL;

    if (sock != NULL) {
        apr_socket_timeout_set(sock, before);
    }
}

/* ---- access logs --------------------------------------------------------- */

void wsgi_clock_note(request_rec *r, apr_interval_time_t queued, int pid)
{
    apr_table_setn(r->notes, NOTE_QUEUE,
                   apr_psprintf(r->pool, "%" APR_TIME_T_FMT, apr_time_as_msec(queued)));
    if (pid > 0) {
        apr_table_setn(r->notes, NOTE_PROCESS, apr_itoa(r->pool, pid));
    }
}
