/* SPDX-License-Identifier: Apache-2.0 */
#include "compat.h"

#include "patience.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/sockios.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "../wire/outcome.h"
#include "process.h"
#include "stream.h"

#define OF_THE_LIVING 10 /* times socket-timeout, for one that is not stopped */

static int64_t limit(void)
{
    return wsgi_process.settings.socket_timeout * 1000;
}

/* What was sent and not read yet: it also counts what the socket's buffer has, so it becomes less
 * long before there is room again. */
static int unread(int descriptor)
{
    int count = 0;

    return ioctl(descriptor, SIOCOUTQ, &count) == 0 ? count : INT_MAX;
}

static pid_t peer_of(int descriptor)
{
    struct ucred peer;
    socklen_t size = sizeof peer;

    return getsockopt(descriptor, SOL_SOCKET, SO_PEERCRED, &peer, &size) == 0 ? peer.pid : 0;
}

/* The letter that /proc has for it; '?' where there is no /proc, as in a chroot. */
static char state_of(pid_t pid)
{
    char path[40], text[256], *end;
    ssize_t size = -1;
    int file;

    snprintf(path, sizeof path, "/proc/%ld/stat", (long)pid);
    file = open(path, O_RDONLY | O_CLOEXEC);
    if (file >= 0) {
        size = read(file, text, sizeof text - 1);
        close(file);
    }
    if (size <= 0)
        return '?';
    text[size] = '\0';
    end = strrchr(text, ')'); /* behind its name */
    return end != NULL && end[1] == ' ' ? end[2] : '?';
}

/* One that cannot be looked at counts as stopped when a response is not taken, for nothing else
 * would ever end that. */
static int is_alive(char state, short events)
{
    return state == '?' ? events == POLLIN : strchr("Tt", state) == NULL;
}

static int give_up(const struct wsgi_patience *patience, pid_t pid, char state)
{
    int64_t seconds = wsgi_process.settings.socket_timeout * patience->spent;

    wsgi_log(WSGI_LOG_ERR, NULL,
             "WSGI%04d: a connection was closed: Apache's process %ld%s has %s for %lld s "
             "(socket-timeout%s)",
             WSGI_CODE_FRONT_SILENT, (long)pid,
             strchr("Tt", state) != NULL ? ", which is stopped," : "",
             patience->events == POLLIN ? "sent nothing of a request's body"
                                        : "taken nothing of a response",
             (long long)seconds, patience->spent > 1 ? ", ten times" : "");
    return -1;
}

void wsgi_patience_begin(struct wsgi_patience *patience, int descriptor, short events)
{
    patience->descriptor = descriptor;
    patience->events = events;
    patience->spent = -1; /* the clock is looked at when there is something to wait for */
}

static void begin_period(struct wsgi_patience *patience, int spent)
{
    patience->spent = spent;
    patience->unread = unread(patience->descriptor);
    patience->until = wsgi_clock_steady() + limit();
}

/* A whole period has gone by without the event. */
static int judge(struct wsgi_patience *patience)
{
    pid_t pid;
    char state;

    if (patience->events == POLLOUT && unread(patience->descriptor) < patience->unread) {
        begin_period(patience, 0);
        return 0;
    }
    pid = peer_of(patience->descriptor);
    state = state_of(pid);
    patience->spent++;
    if (!is_alive(state, patience->events) ||
        (patience->events == POLLOUT && patience->spent >= OF_THE_LIVING))
        return give_up(patience, pid, state);
    begin_period(patience, patience->spent);
    return 0;
}

int wsgi_patience_wait(struct wsgi_patience *patience)
{
    struct pollfd look = {patience->descriptor, patience->events, 0};
    int64_t left;

    if (limit() <= 0) {
        poll(&look, 1, -1);
        return 0;
    }
    if (patience->spent < 0)
        begin_period(patience, 0);
    left = patience->until - wsgi_clock_steady();
    if (left > 0 && poll(&look, 1, left < INT_MAX ? (int)left : INT_MAX) != 0)
        return 0;
    return left > 0 && wsgi_clock_steady() < patience->until ? 0 : judge(patience);
}
