/* SPDX-License-Identifier: Apache-2.0 */
/* The thread that watches over time-outs and limits of a daemon. */
#include "monitor.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "../wire/launch.h"
#include "../wire/vars.h"
#include "interp.h"
#include "process.h"
#include "run.h"
#include "serve.h"
#include "stream.h"

#define NEVER INT64_MAX
#define TICK 1000        /* milliseconds: where nothing says when to look */
#define LATE 2000        /* so late it woke up: the whole process stood still */
#define PATIENCE 1000    /* for the stack of one thread */
#define PATIENCE_END 100 /* likewise, when the process is about to be cut */
#define END_EARLY 150    /* before shutdown-timeout is over: time to say who holds it up */
#define THREADS_TOLD 32  /* stacks in one report */
#define THREADS_SEEN 512
#define MEMORY_SHARE 95 /* percent of memory-limit */

/* ---- words --------------------------------------------------------------- */

/* A report that grows: whole lines, cut at the end. */
struct report {
    char *text;
    size_t size, used;
};

static struct report report_begin(struct wsgi_monitor *monitor)
{
    struct report report = {monitor->text, sizeof monitor->text, 0};

    return report;
}

static void add(struct report *report, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

static void add(struct report *report, const char *format, ...)
{
    va_list arguments;
    int size;

    va_start(arguments, format);
    size = vsnprintf(report->text + report->used, report->size - report->used, format, arguments);
    va_end(arguments);
    if (size > 0)
        report->used += (size_t)size < report->size - report->used
                            ? (size_t)size
                            : report->size - report->used - 1;
}

static void send_report(const struct report *report, int level)
{
    wsgi_process.host->log(level, report->text, report->used);
}

/* Milliseconds as seconds with one digit behind the point. */
#define SECONDS(milliseconds) (long long)((milliseconds) / 1000), (int)((milliseconds) / 100 % 10)

/* The stack that was taken last, with words about where the thread is. */
static void add_stack(struct report *report, const struct wsgi_monitor *monitor)
{
    const struct wsgi_stack *stack = &monitor->stack;
    const char *problem = wsgi_stacks_problem(wsgi_process.stacks);

    if (!stack->answered)
        add(report, "its thread did not answer, so its stack is not known\n");
    else if (problem != NULL)
        add(report, "its thread is %s; its Python stack is not known: %s\n", stack->where, problem);
    else if (stack->size == 0)
        add(report, "its thread is %s; it has no Python stack\n", stack->where);
    else
        add(report, "its thread is %s; its Python stack, most recent call first:\n%.*s",
            stack->where, (int)stack->size, stack->text);
}

static void take(struct wsgi_monitor *monitor, pid_t tid, PyThreadState *const *state, int patience)
{
    const struct wsgi_stack_target target = {tid, state};

    wsgi_stacks_take(wsgi_process.stacks, &target, patience, &monitor->stack);
}

/* ---- requests ------------------------------------------------------------ */

/* What a report says about a request; copied, because it may end at any moment. */
struct portrait {
    uint64_t serial;
    pid_t tid;
    struct wsgi_interp *interp;
    int64_t age;    /* milliseconds */
    int64_t queued; /* likewise */
    char id[64], method[24], url[512], client[64], script[256];
};

/* A client chose most of it. */
static void copy(char *to, size_t size, const char *from)
{
    size_t i;

    for (i = 0; from != NULL && from[i] != '\0' && i + 1 < size; i++)
        to[i] = from[i] >= ' ' && from[i] != 127 ? from[i] : '?';
    to[i] = '\0';
}

static void copy_variables(struct portrait *portrait, const struct wsgi_request *request)
{
    struct wsgi_vars_reader reader;
    struct wsgi_var var;

    if (wsgi_vars_open(&reader, request->vars, request->vars_size) != 0)
        return;
    while (wsgi_vars_next(&reader, &var) == 1)
        if (var.id >= WSGI_PARAM_FIRST)
            continue;
        else if (strcmp(var.name, "REQUEST_METHOD") == 0)
            copy(portrait->method, sizeof portrait->method, var.value);
        else if (strcmp(var.name, "REQUEST_URI") == 0)
            copy(portrait->url, sizeof portrait->url, var.value);
        else if (strcmp(var.name, "REMOTE_ADDR") == 0)
            copy(portrait->client, sizeof portrait->client, var.value);
}

/* With the lock of the watch. */
static void draw(struct portrait *portrait, const struct wsgi_watch *watch, int64_t now)
{
    const struct wsgi_run *run = watch->run;

    memset(portrait, 0, sizeof *portrait);
    portrait->serial = watch->serial;
    portrait->tid = watch->tid;
    portrait->interp = run->interp;
    portrait->age = now - watch->since;
    if (run->call.queue_start > 0 && run->call.daemon_start > run->call.queue_start)
        portrait->queued = (run->call.daemon_start - run->call.queue_start) / 1000;
    copy(portrait->id, sizeof portrait->id, run->call.request_id);
    copy(portrait->script, sizeof portrait->script, run->call.script);
    copy_variables(portrait, run->request);
}

static void add_portrait(struct report *report, const struct portrait *portrait)
{
    add(report,
        "request %s (%s %s, client %s, script %s) has run for %lld.%d s after %lld.%d s in the "
        "queue",
        *portrait->id != '\0' ? portrait->id : "without an id", portrait->method, portrait->url,
        *portrait->client != '\0' ? portrait->client : "unknown", portrait->script,
        SECONDS(portrait->age), SECONDS(portrait->queued));
}

static int is_still(struct wsgi_watch *watch, uint64_t serial)
{
    int still;

    pthread_mutex_lock(&watch->lock);
    still = watch->run != NULL && watch->serial == serial;
    pthread_mutex_unlock(&watch->lock);
    return still;
}

/* Its stack; one that may be of the thread's next request is thrown away. 0: it has ended. */
static int take_request(struct wsgi_monitor *monitor, struct wsgi_watch *watch,
                        const struct portrait *portrait)
{
    take(monitor, portrait->tid, &watch->state, PATIENCE);
    return is_still(watch, portrait->serial);
}

/* All its time is over. */
static void report_stuck(struct wsgi_monitor *monitor, struct wsgi_watch *watch,
                         const struct portrait *portrait)
{
    const struct wsgi_settings *settings = &wsgi_process.settings;
    struct report report = report_begin(monitor);

    if (!take_request(monitor, watch, portrait))
        return;
    add(&report, "WSGI%04d: ", WSGI_CODE_REQUEST_STUCK);
    add_portrait(&report, portrait);
    add(&report, ", longer than request-timeout (%lld s)", (long long)settings->request_timeout);
    if (settings->interrupt_timeout > 0)
        add(&report, " and interrupt-timeout (%lld s)", (long long)settings->interrupt_timeout);
    add(&report, ", its process is replaced; ");
    add_stack(&report, monitor);
    send_report(&report, WSGI_LOG_ERR);
    wsgi_daemon_leave(WSGI_WHY_REQUEST_TIMEOUT);
}

static void interrupt(struct wsgi_monitor *monitor, struct wsgi_watch *watch,
                      const struct portrait *portrait)
{
    struct report report = report_begin(monitor);
    int problem;

    if (!take_request(monitor, watch, portrait))
        return;
    add_portrait(&report, portrait);
    add(&report,
        ", longer than request-timeout (%lld s), mod_wsgi.RequestTimeout is raised in it; ",
        (long long)wsgi_process.settings.request_timeout);
    add_stack(&report, monitor);
    send_report(&report, WSGI_LOG_WARNING);
    problem = wsgi_helper_interrupt(watch, portrait->serial, portrait->interp);
    if (problem != 0)
        wsgi_log(WSGI_LOG_ERR, NULL, "request %s cannot be interrupted, no thread can be made: %s",
                 portrait->id, strerror(problem));
}

/* What is due now for one worker; with its lock. The next time to look is in *next. */
enum due { DUE_NOTHING, DUE_INTERRUPT, DUE_REPORT };

static enum due what_is_due(struct wsgi_watch *watch, int64_t now, int64_t *next)
{
    int64_t limit = wsgi_process.settings.request_timeout * 1000;
    int64_t grace = wsgi_process.settings.interrupt_timeout * 1000;
    int64_t at;

    *next = now + limit;
    if (watch->run == NULL || watch->is_loading || watch->is_stuck)
        return DUE_NOTHING;
    at = watch->interrupted != 0 ? watch->interrupted + grace : watch->since + limit;
    if (now < at) {
        *next = at;
        return DUE_NOTHING;
    }
    if (grace > 0 && watch->interrupted == 0) {
        watch->interrupted = now;
        *next = now + grace;
        return DUE_INTERRUPT;
    }
    watch->is_stuck = 1;
    return DUE_REPORT;
}

static int64_t check_request(struct wsgi_monitor *monitor, struct wsgi_watch *watch, int64_t now)
{
    struct portrait portrait;
    int64_t next;
    enum due due;

    pthread_mutex_lock(&watch->lock);
    due = what_is_due(watch, now, &next);
    if (due != DUE_NOTHING)
        draw(&portrait, watch, now);
    if (due == DUE_REPORT)
        __atomic_fetch_add(&monitor->stuck, 1, __ATOMIC_ACQ_REL);
    pthread_mutex_unlock(&watch->lock);
    if (due == DUE_INTERRUPT)
        interrupt(monitor, watch, &portrait);
    else if (due == DUE_REPORT)
        report_stuck(monitor, watch, &portrait);
    return next;
}

/* Requests that this process cannot serve any more: nothing waits for these, either. */
static void give_up(struct wsgi_monitor *monitor, int only_loading)
{
    int i;

    wsgi_daemon_refuse();
    for (i = 0; i < monitor->watch_count; i++) {
        struct wsgi_watch *watch = monitor->watches + i;

        pthread_mutex_lock(&watch->lock);
        if (watch->run != NULL && !watch->is_stuck && (watch->is_loading || !only_loading)) {
            watch->is_stuck = 1;
            __atomic_fetch_add(&monitor->stuck, 1, __ATOMIC_ACQ_REL);
        }
        pthread_mutex_unlock(&watch->lock);
    }
}

/* A request that begins later is due later than `next`: nobody has to wake us for it. */
static int64_t check_requests(struct wsgi_monitor *monitor, int64_t now)
{
    int64_t next = NEVER, at;
    int i;

    if (wsgi_process.settings.request_timeout <= 0)
        return NEVER;
    for (i = 0; i < monitor->watch_count; i++) {
        at = check_request(monitor, monitor->watches + i, now);
        next = at < next ? at : next;
    }
    return next;
}

/* ---- all threads --------------------------------------------------------- */

static const struct wsgi_watch *watch_of(const struct wsgi_monitor *monitor, pid_t tid)
{
    int i;

    for (i = 0; i < monitor->watch_count; i++)
        if (monitor->watches[i].tid == tid)
            return monitor->watches + i;
    return NULL;
}

static void add_thread(struct report *report, struct wsgi_monitor *monitor, pid_t tid, int patience)
{
    const struct wsgi_watch *watch = watch_of(monitor, tid);

    take(monitor, tid,
         watch != NULL             ? &watch->state
         : tid == wsgi_process.pid ? &wsgi_process.swapped
                                   : NULL,
         patience);
    if (monitor->stack.size == 0)
        return;
    add(report, "%s (%d) is %s:\n%.*s",
        tid == wsgi_process.pid ? "The main thread"
        : watch != NULL         ? "A thread for requests"
                                : "A thread",
        (int)tid, monitor->stack.where, (int)monitor->stack.size, monitor->stack.text);
}

/* Each thread's in turn, so that the report stays small; what is over goes out in between. */
static void report_threads(struct wsgi_monitor *monitor, int patience)
{
    pid_t tids[THREADS_SEEN], me = (pid_t)syscall(SYS_gettid);
    int count = wsgi_stacks_threads(tids, THREADS_SEEN), told = 0, i;

    for (i = 0; i < count && told < THREADS_TOLD; i++) {
        struct report report = report_begin(monitor);

        if (tids[i] == me)
            continue;
        add_thread(&report, monitor, tids[i], patience);
        if (report.used > 0) {
            send_report(&report, WSGI_LOG_ERR);
            told++;
        }
    }
}

/* ---- loading ------------------------------------------------------------- */

static void report_loader(struct wsgi_monitor *monitor, const struct wsgi_interp *interp)
{
    struct report report = report_begin(monitor);
    pid_t tid = __atomic_load_n(&interp->loader, __ATOMIC_ACQUIRE);

    if (tid == 0)
        return;
    take(monitor, tid, &interp->loader_state, PATIENCE);
    add(&report, "A script is being loaded in interpreter '%s'; ", interp->name);
    add_stack(&report, monitor);
    send_report(&report, WSGI_LOG_ERR);
}

static int64_t check_startup(struct wsgi_monitor *monitor, int64_t now)
{
    int64_t limit = wsgi_process.settings.startup_timeout * 1000;
    int64_t begun = __atomic_load_n(&monitor->startup, __ATOMIC_ACQUIRE);
    const struct wsgi_interp *interp;

    if (limit <= 0 || begun < 0)
        return NEVER;
    if (begun == 0 || now < begun + limit)
        return (begun != 0 ? begun : now) + limit;
    __atomic_store_n(&monitor->startup, -1, __ATOMIC_RELEASE);
    give_up(monitor, 1);
    wsgi_log(WSGI_LOG_ERR, NULL,
             "WSGI%04d: no script was loaded within startup-timeout of %lld s; the process is "
             "replaced",
             WSGI_CODE_STARTUP_TIMEOUT, (long long)wsgi_process.settings.startup_timeout);
    for (interp = __atomic_load_n(&wsgi_process.interps, __ATOMIC_ACQUIRE); interp != NULL;
         interp = interp->next)
        report_loader(monitor, interp);
    /* Nobody waits for it, and it may never be ready. */
    if (!__atomic_load_n(&monitor->is_ready, __ATOMIC_ACQUIRE))
        _exit(WSGI_EXIT_STARTUP);
    wsgi_daemon_leave(WSGI_WHY_STARTUP_TIMEOUT);
    return NEVER;
}

/* ---- the GIL ------------------------------------------------------------- */

static int64_t check_deadlock(struct wsgi_monitor *monitor, int64_t now)
{
    int64_t limit = wsgi_process.settings.deadlock_timeout * 1000;
    int64_t probed = __atomic_load_n(&monitor->probed, __ATOMIC_ACQUIRE);
    const char *name = __atomic_load_n(&monitor->probe, __ATOMIC_ACQUIRE);

    if (limit <= 0 || monitor->told & 1 << WSGI_WHY_DEADLOCK)
        return NEVER;
    if (!__atomic_load_n(&monitor->probe_is_on, __ATOMIC_ACQUIRE))
        return now + limit;
    if (now - monitor->planned > LATE) {
        probed = now; /* the probe stood still, too */
        __atomic_store_n(&monitor->probed, now, __ATOMIC_RELEASE);
    }
    if (now < probed + limit)
        return probed + limit;
    monitor->told |= 1 << WSGI_WHY_DEADLOCK;
    give_up(monitor, 0);
    wsgi_log(WSGI_LOG_ERR, NULL,
             "WSGI%04d: the GIL of interpreter '%s' could not be had for deadlock-timeout of %lld "
             "s; the process is replaced. The Python stacks of its threads:",
             WSGI_CODE_DEADLOCK, name != NULL ? name : "",
             (long long)wsgi_process.settings.deadlock_timeout);
    report_threads(monitor, PATIENCE);
    wsgi_daemon_leave(WSGI_WHY_DEADLOCK);
    return NEVER;
}

/* ---- nothing to do ------------------------------------------------------- */

static int64_t check_inactivity(struct wsgi_monitor *monitor, int64_t now)
{
    int64_t limit = wsgi_process.settings.inactivity_timeout * 1000;
    int64_t last = __atomic_load_n(&monitor->activity, __ATOMIC_RELAXED);

    if (limit <= 0 || monitor->told & 1 << WSGI_WHY_INACTIVITY)
        return NEVER;
    if (last == 0 || now < last + limit)
        return (last != 0 ? last : now) + limit;
    if (__atomic_load_n(&wsgi_process.daemon->board->active, __ATOMIC_ACQUIRE) > 0)
        return now + TICK;
    monitor->told |= 1 << WSGI_WHY_INACTIVITY;
    wsgi_log(WSGI_LOG_INFO, NULL, "Process was idle for inactivity-timeout of %lld s.",
             (long long)wsgi_process.settings.inactivity_timeout);
    wsgi_daemon_leave(WSGI_WHY_INACTIVITY);
    return NEVER;
}

/* ---- memory -------------------------------------------------------------- */

/* What RLIMIT_DATA limits, in bytes; 0: unknown. */
static int64_t data_size(void)
{
    char text[256];
    long long pages = 0;
    int descriptor = open("/proc/self/statm", O_RDONLY | O_CLOEXEC);
    ssize_t got = descriptor >= 0 ? read(descriptor, text, sizeof text - 1) : -1;

    if (descriptor >= 0)
        close(descriptor);
    text[got > 0 ? got : 0] = '\0';
    if (sscanf(text, "%*s %*s %*s %*s %*s %lld", &pages) != 1)
        return 0;
    return (int64_t)pages * sysconf(_SC_PAGESIZE);
}

/* A process that begins near its limit would only be replaced by one like it. */
static int64_t check_memory(struct wsgi_monitor *monitor, int64_t now)
{
    int64_t limit = wsgi_process.settings.memory_limit;
    int64_t size;

    if (limit <= 0 || monitor->told & 1 << WSGI_WHY_MEMORY ||
        !__atomic_load_n(&monitor->is_ready, __ATOMIC_ACQUIRE))
        return limit > 0 ? now + TICK : NEVER;
    size = data_size();
    if (size <= limit / 100 * MEMORY_SHARE) {
        monitor->data_first = size;
        return now + TICK;
    }
    monitor->told |= 1 << WSGI_WHY_MEMORY;
    if (monitor->data_first == 0) {
        wsgi_log(WSGI_LOG_WARNING, NULL,
                 "memory-limit of %lld bytes is too low: the process needs %lld when it begins; "
                 "it is not replaced for it",
                 (long long)limit, (long long)size);
        return NEVER;
    }
    wsgi_log(WSGI_LOG_WARNING, NULL,
             "Process uses %lld bytes of data, more than %d %% of memory-limit (%lld); it is "
             "replaced.",
             (long long)size, MEMORY_SHARE, (long long)limit);
    wsgi_daemon_leave(WSGI_WHY_MEMORY);
    return NEVER;
}

/* ---- the end ------------------------------------------------------------- */

/* Ends the process when its end takes too long, whatever holds it up. */
static int64_t check_end(struct wsgi_monitor *monitor, int64_t now)
{
    int64_t limit = wsgi_process.settings.shutdown_timeout * 1000;
    int64_t ending = __atomic_load_n(&monitor->ending, __ATOMIC_ACQUIRE);

    if (ending == 0 || limit <= 0)
        return NEVER;
    if (now < ending + limit - END_EARLY)
        return ending + limit - END_EARLY;
    wsgi_log(WSGI_LOG_ERR, NULL,
             "WSGI%04d: Process did not end within shutdown-timeout of %lld s, it is ended now. "
             "The Python stacks of its threads:",
             WSGI_CODE_SHUTDOWN_TIMEOUT, (long long)wsgi_process.settings.shutdown_timeout);
    report_threads(monitor, PATIENCE_END);
    _exit(WSGI_EXIT_LATE);
}

/* ---- the thread ---------------------------------------------------------- */

static int64_t check_all(struct wsgi_monitor *monitor, int64_t now)
{
    int is_ending = __atomic_load_n(&monitor->ending, __ATOMIC_ACQUIRE) != 0;
    int64_t (*const checks[])(struct wsgi_monitor *, int64_t) = {
        check_end, check_requests, check_startup, check_deadlock, check_inactivity, check_memory,
    };
    size_t count = is_ending ? 2 : sizeof checks / sizeof *checks, i;
    int64_t next = NEVER, at;

    for (i = 0; i < count; i++) {
        at = checks[i](monitor, now);
        next = at < next ? at : next;
    }
    return next;
}

/* Until it is poked, or for that long. poll() refuses when an application has taken all descriptors
 * away from the process; then a look now and then must do. */
static int wait_for_poke(struct wsgi_monitor *monitor, int64_t rest)
{
    static const struct timespec pause = {.tv_nsec = 50000000};
    struct pollfd wait = {monitor->wake, POLLIN, 0};
    int found = poll(&wait, 1, rest > INT32_MAX ? INT32_MAX : (int)rest);

    if (found < 0 && errno == EINVAL)
        nanosleep(&pause, NULL);
    return found > 0;
}

static void *watch_over(void *argument)
{
    struct wsgi_monitor *monitor = argument;
    int64_t now = wsgi_clock_steady(), rest;
    uint64_t count;

    monitor->planned = now;
    for (;;) {
        monitor->planned = check_all(monitor, now);
        rest = monitor->planned == NEVER ? -1 : monitor->planned - wsgi_clock_steady();
        if (monitor->planned != NEVER && rest < 0)
            rest = 0;
        if (wait_for_poke(monitor, rest) && read(monitor->wake, &count, sizeof count) < 0 &&
            errno == EBADF)
            return NULL; /* the application closed what is not its own */
        now = wsgi_clock_steady();
    }
}

static void poke(struct wsgi_monitor *monitor)
{
    uint64_t one = 1;

    if (write(monitor->wake, &one, sizeof one) < 0)
        return; /* set already */
}

int wsgi_monitor_stuck(void)
{
    return __atomic_load_n(&wsgi_process.monitor->stuck, __ATOMIC_ACQUIRE);
}

void wsgi_monitor_ready(void)
{
    struct wsgi_monitor *monitor = wsgi_process.monitor;
    int problem = wsgi_process.settings.deadlock_timeout > 0 ? wsgi_helper_probe() : 0;

    if (problem != 0)
        wsgi_log(WSGI_LOG_ERR, NULL,
                 "WSGI0069: deadlock-timeout has no effect, no thread can be made: %s",
                 strerror(problem));
    __atomic_store_n(&monitor->is_ready, 1, __ATOMIC_RELEASE);
    poke(monitor);
}

void wsgi_monitor_ending(void)
{
    __atomic_store_n(&wsgi_process.monitor->ending, wsgi_clock_steady(), __ATOMIC_RELEASE);
    poke(wsgi_process.monitor);
}

/* Signals are for the other threads. */
static int start_thread(struct wsgi_monitor *monitor)
{
    sigset_t all, before;
    int problem;

    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    problem = pthread_create(&monitor->thread, NULL, watch_over, monitor);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    if (problem == 0)
        pthread_detach(monitor->thread);
    errno = problem;
    return problem == 0 ? 0 : -1;
}

int wsgi_monitor_start(int threads)
{
    struct wsgi_monitor *monitor = calloc(1, sizeof *monitor);
    int i;

    wsgi_process.stacks = wsgi_stacks_prepare();
    if (monitor == NULL || wsgi_process.stacks == NULL)
        return -1;
    monitor->watches = calloc((size_t)threads, sizeof *monitor->watches);
    monitor->wake = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    monitor->probe_wake = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (monitor->watches == NULL || monitor->wake < 0 || monitor->probe_wake < 0)
        return -1;
    monitor->watch_count = threads;
    for (i = 0; i < threads; i++)
        pthread_mutex_init(&monitor->watches[i].lock, NULL);
    if (wsgi_process.settings.preload_count > 0)
        monitor->startup = wsgi_clock_steady();
    wsgi_process.monitor = monitor;
    return start_thread(monitor);
}
