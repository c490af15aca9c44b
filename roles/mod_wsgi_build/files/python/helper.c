/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Threads that do for the monitor what needs Python. They may wait for a GIL for ever; then the
 * monitor notices, and nothing but them is stuck.
 */
#include "monitor.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <unistd.h>

#include "interp.h"
#include "process.h"
#include "serve.h"

/* Signals are for the other threads: a handler of the application's has no business here. */
static int start(void *(*body)(void *), void *argument)
{
    struct wsgi_monitor *monitor = wsgi_process.monitor;
    sigset_t all, before;
    pthread_t thread;
    int problem;

    __atomic_fetch_add(&monitor->helpers, 1, __ATOMIC_ACQ_REL);
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    problem = pthread_create(&thread, NULL, body, argument);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    if (problem != 0)
        __atomic_fetch_sub(&monitor->helpers, 1, __ATOMIC_ACQ_REL);
    else
        pthread_detach(thread);
    return problem;
}

static struct wsgi_thread *begin(void)
{
    struct wsgi_thread *thread = wsgi_thread_self();

    if (thread != NULL)
        thread->is_passing = 1;
    return thread;
}

static void end(void)
{
    wsgi_thread_end();
    __atomic_fetch_sub(&wsgi_process.monitor->helpers, 1, __ATOMIC_ACQ_REL);
    wsgi_daemon_poke(wsgi_process.daemon);
}

/* ---- is the GIL to be had? ----------------------------------------------- */

static void take_gil(struct wsgi_monitor *monitor, struct wsgi_interp *interp,
                     struct wsgi_thread *thread)
{
    __atomic_store_n(&monitor->probe, interp->name, __ATOMIC_RELEASE);
    if (wsgi_interp_attach(interp, thread) == 0)
        wsgi_interp_detach();
}

/* The main interpreter's, which most share, and each that is an interpreter's own. */
static void take_gils(struct wsgi_monitor *monitor, struct wsgi_thread *thread)
{
    struct wsgi_interp *interp = __atomic_load_n(&wsgi_process.interps, __ATOMIC_ACQUIRE);

    for (; interp != NULL; interp = interp->next)
        if (interp->is_main || interp->own_gil)
            take_gil(monitor, interp, thread);
    __atomic_store_n(&monitor->probed, wsgi_clock_steady(), __ATOMIC_RELEASE);
}

static void *probe(void *unused)
{
    struct wsgi_monitor *monitor = wsgi_process.monitor;
    struct pollfd wait = {monitor->probe_wake, POLLIN, 0};
    struct wsgi_thread *thread = begin();
    int rest = wsgi_process.settings.deadlock_timeout < 4
                   ? (int)wsgi_process.settings.deadlock_timeout * 250
                   : 1000;

    (void)unused;
    while (thread != NULL && __atomic_load_n(&monitor->probe_is_on, __ATOMIC_ACQUIRE)) {
        take_gils(monitor, thread);
        poll(&wait, 1, rest);
    }
    end();
    return NULL;
}

int wsgi_helper_probe(void)
{
    struct wsgi_monitor *monitor = wsgi_process.monitor;
    int problem;

    __atomic_store_n(&monitor->probed, wsgi_clock_steady(), __ATOMIC_RELEASE);
    __atomic_store_n(&monitor->probe_is_on, 1, __ATOMIC_RELEASE);
    problem = start(probe, NULL);
    if (problem != 0)
        __atomic_store_n(&monitor->probe_is_on, 0, __ATOMIC_RELEASE);
    return problem;
}

/* ---- RequestTimeout ------------------------------------------------------ */

struct order {
    struct wsgi_watch *watch;
    uint64_t serial;
    struct wsgi_interp *interp;
};

/*
 * Attached, and with the lock: the request cannot leave the application meanwhile, and takes back
 * what has not reached it when it does. So it never reaches another request.
 */
static void raise_in(const struct order *order)
{
    struct wsgi_watch *watch = order->watch;

    pthread_mutex_lock(&watch->lock);
    if (watch->run != NULL && watch->serial == order->serial && watch->is_open) {
        watch->was_raised = 1;
        PyThreadState_SetAsyncExc((unsigned long)watch->thread, order->interp->hooks.timeout);
    }
    pthread_mutex_unlock(&watch->lock);
}

static void *interrupt(void *argument)
{
    struct order order = *(struct order *)argument;
    struct wsgi_thread *thread = begin();

    free(argument);
    if (thread != NULL && wsgi_interp_attach(order.interp, thread) == 0) {
        raise_in(&order);
        wsgi_interp_detach();
    }
    end();
    return NULL;
}

int wsgi_helper_interrupt(struct wsgi_watch *watch, uint64_t serial, struct wsgi_interp *interp)
{
    struct order *order = malloc(sizeof *order);
    int problem;

    if (order == NULL)
        return ENOMEM;
    order->watch = watch;
    order->serial = serial;
    order->interp = interp;
    problem = start(interrupt, order);
    if (problem != 0)
        free(order);
    return problem;
}

/* ---- the end ------------------------------------------------------------- */

int wsgi_helper_end(void)
{
    struct wsgi_monitor *monitor = wsgi_process.monitor;
    uint64_t one = 1;

    if (__atomic_exchange_n(&monitor->probe_is_on, 0, __ATOMIC_ACQ_REL) &&
        write(monitor->probe_wake, &one, sizeof one) < 0)
        return 0;
    return __atomic_load_n(&monitor->helpers, __ATOMIC_ACQUIRE) == 0;
}
