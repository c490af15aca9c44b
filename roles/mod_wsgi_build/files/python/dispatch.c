/* SPDX-License-Identifier: Apache-2.0 */
/*
 * SIGHUP and SIGUSR2 of a daemon, which belong to the application.
 *
 * A callback may do anything and take any time, so it runs neither in a signal handler nor on a
 * thread that serves: the handler writes the number into a pipe (what does not fit is lost), a
 * thread of its own reads it.
 */
#include "serve.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "events.h"
#include "stream.h"

int wsgi_dispatch_prepare(struct wsgi_daemon *daemon)
{
    int flags;

    if (pipe2(daemon->signal_pipe, O_CLOEXEC) != 0)
        return -1;
    flags = fcntl(daemon->signal_pipe[1], F_GETFL);
    return fcntl(daemon->signal_pipe[1], F_SETFL, flags | O_NONBLOCK);
}

static void put(struct wsgi_daemon *daemon, unsigned char number)
{
    /* A full pipe holds enough of them. */
    if (write(daemon->signal_pipe[1], &number, 1) < 0)
        return;
}

void wsgi_dispatch_signal(struct wsgi_daemon *daemon, int number)
{
    if (__atomic_load_n(&daemon->dispatcher_made, __ATOMIC_ACQUIRE) < 0)
        return;
    put(daemon, (unsigned char)number);
    __atomic_store_n(&daemon->signal_seen, 1, __ATOMIC_RELEASE);
}

static void *dispatch(void *argument)
{
    struct wsgi_daemon *daemon = argument;
    unsigned char number;
    ssize_t count;

    for (;;) {
        count = read(daemon->signal_pipe[0], &number, 1);
        if (count < 0 && errno == EINTR)
            continue;
        if (count != 1 || __atomic_load_n(&daemon->dispatcher_made, __ATOMIC_ACQUIRE) < 0)
            break;
        wsgi_events_signal(number);
    }
    __atomic_store_n(&daemon->dispatcher_left, 1, __ATOMIC_RELEASE);
    wsgi_daemon_poke(daemon);
    return NULL;
}

void wsgi_dispatch_begin(struct wsgi_daemon *daemon)
{
    int problem;

    if (!__atomic_exchange_n(&daemon->signal_seen, 0, __ATOMIC_ACQ_REL) ||
        daemon->dispatcher_made != 0)
        return;
    problem = pthread_create(&daemon->dispatcher, NULL, dispatch, daemon);
    if (problem != 0)
        wsgi_log(WSGI_LOG_ERR, NULL,
                 "WSGI%04d: a signal is not delivered, no thread can be made: %s",
                 WSGI_CODE_SIGNAL_THREAD, strerror(problem));
    else
        __atomic_store_n(&daemon->dispatcher_made, 1, __ATOMIC_RELEASE);
}

int wsgi_dispatch_end(struct wsgi_daemon *daemon)
{
    int made = __atomic_exchange_n(&daemon->dispatcher_made, -1, __ATOMIC_ACQ_REL);

    if (made == 0)
        daemon->dispatcher_left = 2;
    else if (made > 0)
        put(daemon, 0);
    if (__atomic_load_n(&daemon->dispatcher_left, __ATOMIC_ACQUIRE) == 0)
        return 0;
    if (daemon->dispatcher_left == 1)
        pthread_join(daemon->dispatcher, NULL);
    daemon->dispatcher_left = 2;
    return 1;
}
