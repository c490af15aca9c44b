/* SPDX-License-Identifier: Apache-2.0 */
#include "timeouts.h"

#include "config.h"
#include "log.h"

#include "apr_lib.h"
#include "apr_strings.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

struct doubt {
    apr_pool_t *pool;
    struct wsgi_settings *settings;
    const struct wsgi_group *group;
};

/* A time-out with its name, as it is to be told. */
struct limit {
    const char *name;
    int seconds;       /* 0: none */
    const char *where; /* "file:line", NULL: in the line of the group */
};

/* 1 when the option stands in the line of the group. */
static int is_written(const struct wsgi_group *group, const char *name)
{
    const char *at = group->written;
    size_t size = strlen(name);

    while (at != NULL && *at != '\0') {
        if (strncasecmp(at, name, size) == 0 && at[size] == '=')
            return 1;
        at = strchr(at, '\n');
        at += at != NULL;
    }
    return 0;
}

static void tell(const struct doubt *doubt, const struct limit *never, const struct limit *before,
                 const char *what, const char *remedy)
{
    const struct wsgi_group *group = doubt->group;

    wsgi_config_note(
        doubt->settings, group->server, APLOG_WARNING,
        apr_psprintf(doubt->pool,
                     "WSGIDaemonProcess %s (%s): %s=%d is longer than %s%s%d%s%s%s, which %s; %s",
                     group->name, group->where, never->name, never->seconds, before->name,
                     before->where != NULL || apr_isupper(*before->name) ? " " : "=",
                     before->seconds, before->where != NULL ? " (" : "",
                     before->where != NULL ? before->where : "", before->where != NULL ? ")" : "",
                     what, remedy));
}

/* ---- ProxyTimeout ---------------------------------------------------------------------------- */

/* The shortest one of this server: it may be of the virtual host that passes requests on to the
 * group's. "" in seconds 0: there is none. */
static void find_proxy_timeout(apr_pool_t *pool, const ap_directive_t *at, struct limit *found)
{
    for (; at != NULL; at = at->next) {
        int seconds = 0;

        if (at->first_child != NULL)
            find_proxy_timeout(pool, at->first_child, found);
        if (strcasecmp(at->directive, "ProxyTimeout") == 0 && at->args != NULL)
            seconds = atoi(at->args);
        if (seconds > 0 && (found->seconds == 0 || seconds < found->seconds)) {
            found->seconds = seconds;
            found->where = apr_psprintf(pool, "%s:%d", at->filename, at->line_num);
        }
    }
}

/* ---- one group ------------------------------------------------------------------------------- */

/* What ends a wait for the answer, whatever the other options say. */
static struct limit patience(const struct wsgi_group *group)
{
    struct limit own = {.name = "socket-timeout", .seconds = group->socket_timeout};
    struct limit servers = {.name = "Timeout",
                            .seconds = (int)apr_time_sec(group->server->timeout)};

    return own.seconds > 0 ? own : servers;
}

static void doubt_queue(const struct doubt *doubt)
{
    const struct wsgi_group *group = doubt->group;
    struct limit queue = {.name = "queue-timeout", .seconds = group->queue_timeout};
    struct limit connect = {.name = "connect-timeout", .seconds = group->connect_timeout};
    struct limit socket = patience(group);

    if (queue.seconds > socket.seconds)
        tell(doubt, &queue, &socket, "ends the wait before it",
             "make the first one shorter, or the second one longer");
    if (queue.seconds > 0 && is_written(group, "connect-timeout") &&
        connect.seconds > queue.seconds)
        tell(doubt, &connect, &queue, "ends the wait before it",
             "make the first one shorter, or the second one longer");
}

static void doubt_request(const struct doubt *doubt, const struct limit *proxy)
{
    const struct wsgi_group *group = doubt->group;
    struct limit request = {.name = "request-timeout", .seconds = group->request_timeout};
    struct limit graceful = {.name = "graceful-timeout", .seconds = group->graceful_timeout};
    struct limit socket = patience(group);

    if (request.seconds > socket.seconds)
        tell(doubt, &request, &socket,
             "gives the client its 504 before, unless the answer has begun",
             "make the first one shorter, or the second one longer");
    if (proxy->seconds > 0 && request.seconds > proxy->seconds)
        tell(doubt, &request, proxy, "ends the wait of a proxy for this server before",
             "make the first one shorter, or the second one longer, if that proxy leads here");
    if (graceful.seconds > 0 && is_written(group, "graceful-timeout") &&
        request.seconds > graceful.seconds)
        tell(doubt, &request, &graceful,
             "ends running requests before, when their process is replaced",
             "make graceful-timeout at least as long");
}

static void doubt_interrupt(const struct doubt *doubt)
{
    const struct wsgi_group *group = doubt->group;

    if (group->interrupt_timeout > 0 && group->request_timeout == 0)
        wsgi_config_note(doubt->settings, group->server, APLOG_WARNING,
                         apr_psprintf(doubt->pool,
                                      "WSGIDaemonProcess %s (%s): interrupt-timeout=%d has no "
                                      "effect without request-timeout, after which requests are "
                                      "interrupted; give both, or none",
                                      group->name, group->where, group->interrupt_timeout));
}

void wsgi_timeouts_doubt(apr_pool_t *pool, server_rec *main_server)
{
    struct doubt doubt = {.pool = pool, .settings = wsgi_config_settings(main_server)};
    struct limit proxy = {.name = "ProxyTimeout"};
    int i;

    find_proxy_timeout(pool, ap_conftree, &proxy);
    for (i = 0; i < doubt.settings->groups->nelts; i++) {
        doubt.group = APR_ARRAY_IDX(doubt.settings->groups, i, const struct wsgi_group *);
        doubt_queue(&doubt);
        doubt_request(&doubt, &proxy);
        doubt_interrupt(&doubt);
    }
}
