/* SPDX-License-Identifier: Apache-2.0 */
/* What the workers of a daemon tell its monitor. */
#include "monitor.h"

#include <sys/syscall.h>
#include <unistd.h>

#include "interp.h"
#include "process.h"
#include "run.h"
#include "serve.h"

/* NULL when nobody watches this thread: embedded, not a worker, or in a forked process, where a
 * lock may be held for ever by a thread that is not there. */
static struct wsgi_watch *watch_of(const struct wsgi_thread *thread)
{
    return thread != NULL && !wsgi_process.forked ? thread->watch : NULL;
}

void wsgi_watch_take(void)
{
    struct wsgi_monitor *monitor = wsgi_process.monitor;
    struct wsgi_thread *thread = wsgi_thread_self();
    int number = __atomic_fetch_add(&monitor->watches_taken, 1, __ATOMIC_ACQ_REL);

    if (thread == NULL || number >= monitor->watch_count)
        return;
    thread->watch = monitor->watches + number;
    pthread_mutex_lock(&thread->watch->lock);
    thread->watch->thread = pthread_self();
    thread->watch->tid = (pid_t)syscall(SYS_gettid);
    pthread_mutex_unlock(&thread->watch->lock);
}

void wsgi_watch_begin(struct wsgi_run *run)
{
    struct wsgi_watch *watch = watch_of(run->thread);

    if (watch == NULL)
        return;
    pthread_mutex_lock(&watch->lock);
    watch->run = run;
    watch->serial++;
    watch->since = wsgi_clock_steady();
    watch->interrupted = 0;
    watch->is_loading = watch->is_open = watch->was_raised = watch->is_stuck = 0;
    watch->is_active = (run->call.flags & WSGI_REQUEST_IGNORE_ACTIVITY) == 0;
    pthread_mutex_unlock(&watch->lock);
    wsgi_watch_activity(watch);
}

void wsgi_watch_attached(struct wsgi_run *run)
{
    struct wsgi_watch *watch = watch_of(run->thread);

    if (watch != NULL)
        __atomic_store_n(&watch->state, run->thread->states[run->interp->index], __ATOMIC_RELEASE);
}

void wsgi_watch_end(struct wsgi_run *run)
{
    struct wsgi_watch *watch = watch_of(run->thread);
    int was_stuck;

    if (watch == NULL)
        return;
    __atomic_store_n(&watch->state, NULL, __ATOMIC_RELEASE);
    pthread_mutex_lock(&watch->lock);
    was_stuck = watch->is_stuck;
    watch->is_stuck = 0;
    watch->run = NULL;
    pthread_mutex_unlock(&watch->lock);
    if (was_stuck) {
        __atomic_fetch_sub(&wsgi_process.monitor->stuck, 1, __ATOMIC_ACQ_REL);
        wsgi_daemon_poke(wsgi_process.daemon);
    }
}

void wsgi_watch_open(struct wsgi_run *run)
{
    struct wsgi_watch *watch = watch_of(run->thread);

    if (watch == NULL)
        return;
    pthread_mutex_lock(&watch->lock);
    watch->is_open = 1;
    pthread_mutex_unlock(&watch->lock);
}

/* A RequestTimeout that has not reached the application is taken back. */
void wsgi_watch_close(struct wsgi_run *run)
{
    struct wsgi_watch *watch = watch_of(run->thread);
    int was_raised;

    if (watch == NULL)
        return;
    pthread_mutex_lock(&watch->lock);
    watch->is_open = 0;
    was_raised = watch->was_raised;
    pthread_mutex_unlock(&watch->lock);
    if (was_raised)
        PyThreadState_SetAsyncExc((unsigned long)pthread_self(), NULL);
}

/* ---- loading scripts ----------------------------------------------------- */

void wsgi_watch_load_begin(void)
{
    struct wsgi_monitor *monitor = wsgi_process.monitor;
    struct wsgi_watch *watch = watch_of(wsgi_thread_self());
    int64_t none = 0;

    if (monitor == NULL || wsgi_process.forked)
        return;
    __atomic_compare_exchange_n(&monitor->startup, &none, wsgi_clock_steady(), 0, __ATOMIC_ACQ_REL,
                                __ATOMIC_ACQUIRE);
    if (watch == NULL)
        return;
    pthread_mutex_lock(&watch->lock);
    watch->is_loading = 1;
    pthread_mutex_unlock(&watch->lock);
}

/* The time of a request begins when its script is there. */
void wsgi_watch_load_end(int loaded)
{
    struct wsgi_monitor *monitor = wsgi_process.monitor;
    struct wsgi_watch *watch = watch_of(wsgi_thread_self());

    if (monitor == NULL || wsgi_process.forked)
        return;
    if (loaded)
        __atomic_store_n(&monitor->startup, -1, __ATOMIC_RELEASE);
    if (watch == NULL)
        return;
    pthread_mutex_lock(&watch->lock);
    watch->is_loading = 0;
    watch->since = wsgi_clock_steady();
    pthread_mutex_unlock(&watch->lock);
}

void wsgi_watch_loader(struct wsgi_interp *interp, int is_me)
{
    __atomic_store_n(&interp->loader_state, is_me ? wsgi_compat_attached() : NULL,
                     __ATOMIC_RELEASE);
    __atomic_store_n(&interp->loader, is_me ? (int)syscall(SYS_gettid) : 0, __ATOMIC_RELEASE);
}

/* ---- activity ------------------------------------------------------------ */

void wsgi_watch_activity(const struct wsgi_watch *watch)
{
    if (watch != NULL && watch->is_active && wsgi_process.settings.inactivity_timeout > 0)
        __atomic_store_n(&wsgi_process.monitor->activity, wsgi_clock_steady(), __ATOMIC_RELAXED);
}
