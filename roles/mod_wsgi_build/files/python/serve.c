/* SPDX-License-Identifier: Apache-2.0 */
/* The daemon's main thread: start, wait for the supervisor or a signal, orderly end. */
#include "serve.h"

#include <errno.h>
#include <fcntl.h>
#include <locale.h>
#include <poll.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "../wire/launch.h"
#include "connection.h"
#include "crash.h"
#include "events.h"
#include "interp.h"
#include "logpipe.h"
#include "monitor.h"
#include "script.h"
#include "service.h"
#include "stream.h"

#define LAUNCH_MAX (16 << 20) /* bytes of a launch block */
#define HELLO_PATIENCE 10000  /* milliseconds until a silent connection is closed */
#define ORPHAN_PATIENCE 75000 /* milliseconds: another supervisor comes within 60 s, or none */
#define LOOK_AGAIN 1000       /* milliseconds between two looks at what nobody tells of */

static int fail(char *error, size_t size, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

static int fail(char *error, size_t size, const char *format, ...)
{
    va_list arguments;

    va_start(arguments, format);
    vsnprintf(error, size, format, arguments);
    va_end(arguments);
    return -1;
}

/* ---- start --------------------------------------------------------------- */

static int read_launch(char *error, size_t error_size)
{
    struct stat status;
    unsigned char *block;
    int result;

    if (fstat(WSGI_FD_LAUNCH, &status) != 0)
        return fail(error, error_size, "there is no launch block on descriptor %d: %s",
                    WSGI_FD_LAUNCH, strerror(errno));
    if (status.st_size <= 0 || status.st_size > LAUNCH_MAX)
        return fail(error, error_size, "the launch block has an impossible size of %lld bytes",
                    (long long)status.st_size);
    block = malloc((size_t)status.st_size);
    if (block == NULL)
        return fail(error, error_size, "no memory for the launch block");
    if (pread(WSGI_FD_LAUNCH, block, (size_t)status.st_size, 0) != status.st_size)
        result = fail(error, error_size, "the launch block cannot be read whole");
    else
        result = wsgi_settings_load(&wsgi_process.settings, block, (size_t)status.st_size, error,
                                    error_size);
    free(block);
    close(WSGI_FD_LAUNCH);
    if (result == 0 && !wsgi_process.settings.has_secret)
        result = fail(error, error_size, "the launch block has no secret");
    return result;
}

static int map_board(struct wsgi_daemon *daemon, char *error, size_t error_size)
{
    struct stat status;
    void *board;

    if (fstat(WSGI_FD_BOARD, &status) != 0 || status.st_size < (off_t)WSGI_BOARD_SIZE)
        return fail(error, error_size, "descriptor %d is no board of %zu bytes", WSGI_FD_BOARD,
                    WSGI_BOARD_SIZE);
    board = mmap(NULL, WSGI_BOARD_SIZE, PROT_READ | PROT_WRITE, MAP_SHARED, WSGI_FD_BOARD, 0);
    if (board == MAP_FAILED)
        return fail(error, error_size, "the board cannot be mapped: %s", strerror(errno));
    daemon->board = board;
    wsgi_board_reset(daemon->board, wsgi_process.settings.epoch);
    return 0;
}

static int watch(struct wsgi_daemon *daemon, int descriptor, uint32_t events, uint64_t tag)
{
    struct epoll_event event = {.events = events};

    event.data.u64 = tag;
    return epoll_ctl(daemon->epoll, EPOLL_CTL_ADD, descriptor, &event);
}

static int make_events(struct wsgi_daemon *daemon, char *error, size_t error_size)
{
    daemon->listener = WSGI_FD_LISTENER;
    daemon->epoll = epoll_create1(EPOLL_CLOEXEC);
    daemon->wake_workers = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    daemon->wake_main = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (daemon->epoll < 0 || daemon->wake_workers < 0 || daemon->wake_main < 0 ||
        wsgi_dispatch_prepare(daemon) != 0)
        return fail(error, error_size, "no descriptors for events: %s", strerror(errno));
    /* What the application starts must not hold these. */
    if (fcntl(WSGI_FD_CONTROL, F_SETFD, FD_CLOEXEC) != 0 ||
        fcntl(WSGI_FD_LISTENER, F_SETFD, FD_CLOEXEC) != 0)
        return fail(error, error_size, "descriptors %d and %d are not open: %s", WSGI_FD_CONTROL,
                    WSGI_FD_LISTENER, strerror(errno));
    if (watch(daemon, daemon->wake_workers, EPOLLIN, WSGI_TAG_WAKE) != 0)
        return fail(error, error_size, "events cannot be watched: %s", strerror(errno));
    return 0;
}

static void set_locale(void)
{
    const char *locale = wsgi_process.settings.locale;

    if (locale != NULL && setlocale(LC_ALL, locale) == NULL)
        wsgi_log(WSGI_LOG_WARNING, NULL,
                 "WSGI0079: locale '%s' is not available on this host (see: locale -a)", locale);
}

static struct wsgi_daemon *make_daemon(void)
{
    struct wsgi_daemon *daemon = calloc(1, sizeof *daemon);

    if (daemon == NULL)
        return NULL;
    pthread_mutex_init(&daemon->table_lock, NULL);
    pthread_mutex_init(&daemon->order_lock, NULL);
    pthread_cond_init(&daemon->order_done, NULL);
    return daemon;
}

/* Attached; everything up to the first worker. */
static int prepare(char *error, size_t error_size)
{
    struct wsgi_daemon *daemon = make_daemon();

    if (daemon == NULL)
        return fail(error, error_size, "no memory");
    wsgi_process.daemon = daemon;
    wsgi_process.host = &wsgi_logpipe_host;
    wsgi_process.settings.log_level = WSGI_LOG_WARNING;
    if (read_launch(error, error_size) != 0 || map_board(daemon, error, error_size) != 0 ||
        make_events(daemon, error, error_size) != 0)
        return -1;
    wsgi_crash_begin();
    if (wsgi_process.settings.title != NULL)
        wsgi_title_set(wsgi_process.settings.title);
    set_locale();
    if (wsgi_process_begin(&wsgi_logpipe_host, 0, error, error_size) != 0)
        return -1;
    if (wsgi_monitor_start((int)wsgi_process.settings.threads) != 0)
        return fail(error, error_size, "no thread can be made to watch over time-outs: %s",
                    strerror(errno));
    return 0;
}

/* ---- signals ------------------------------------------------------------- */

/* A process the application forked inherits the handlers: there they end it as if by default. */
static void on_signal(int number)
{
    struct wsgi_daemon *daemon = wsgi_process.daemon;
    int problem = errno;

    if (getpid() != wsgi_process.pid) {
        signal(number, SIG_DFL);
        raise(number);
        return;
    }
    if (number == SIGTERM || number == SIGINT) {
        wsgi_daemon_note(daemon, "shutdown_signal");
        __atomic_store_n(&daemon->stop_signal, number, __ATOMIC_RELEASE);
    } else if (number == SIGUSR1 || number == SIGXCPU) {
        enum wsgi_why why = number == SIGXCPU                            ? WSGI_WHY_CPU_TIME
                            : wsgi_process.settings.eviction_timeout > 0 ? WSGI_WHY_EVICTION
                                                                         : WSGI_WHY_GRACEFUL;

        wsgi_daemon_note(daemon, wsgi_why_reason(why));
        __atomic_store_n(&daemon->leave_signal, (int)why, __ATOMIC_RELEASE);
    } else {
        wsgi_dispatch_signal(daemon, number);
    }
    wsgi_daemon_poke(daemon);
    errno = problem;
}

/* SIGHUP and SIGUSR2 are caught also when nobody asked for them: what the application executes
 * would inherit an ignored signal. */
void wsgi_daemon_catch_signals(void)
{
    static const int numbers[] = {SIGTERM, SIGINT, SIGUSR1, SIGUSR2, SIGHUP, SIGXCPU};
    struct sigaction action;
    size_t i;

    memset(&action, 0, sizeof action);
    action.sa_handler = on_signal;
    action.sa_flags = SA_RESTART;
    sigemptyset(&action.sa_mask);
    for (i = 0; i < sizeof numbers / sizeof *numbers; i++)
        sigaction(numbers[i], &action, NULL);
}

/* ---- interpreters for workers -------------------------------------------- */

/*
 * Made and ended on one and the same thread, the main one, as it is in a program: threading's
 * idea of the main thread is then right in every interpreter. Called by one worker at a time.
 */
static struct wsgi_interp *order_interp(const char *name)
{
    struct wsgi_daemon *daemon = wsgi_process.daemon;
    struct wsgi_interp *interp;

    pthread_mutex_lock(&daemon->order_lock);
    daemon->order_name = name;
    daemon->order_open = 1;
    wsgi_daemon_poke(daemon);
    while (daemon->order_open)
        pthread_cond_wait(&daemon->order_done, &daemon->order_lock);
    interp = daemon->order_result;
    pthread_mutex_unlock(&daemon->order_lock);
    return interp;
}

static void fill_order(struct wsgi_daemon *daemon)
{
    pthread_mutex_lock(&daemon->order_lock);
    if (daemon->order_open) {
        daemon->order_result = wsgi_interp_create(daemon->order_name);
        daemon->order_open = 0;
        pthread_cond_signal(&daemon->order_done);
    }
    pthread_mutex_unlock(&daemon->order_lock);
}

/* ---- waiting ------------------------------------------------------------- */

/* Connections that never said HELLO: an own reader of the socket could else use up the table. */
static void close_silent(struct wsgi_daemon *daemon)
{
    uint32_t used = __atomic_load_n(&daemon->table_used, __ATOMIC_ACQUIRE), i;
    int64_t limit = wsgi_clock_steady() - HELLO_PATIENCE;

    for (i = 0; i < used; i++) {
        struct wsgi_connection *connection = daemon->table[i];
        uint64_t tag = wsgi_connection_tag(connection);

        if (!wsgi_connection_take(daemon, tag, &connection))
            continue;
        if (!connection->welcomed && connection->opened < limit) {
            wsgi_log(WSGI_LOG_ERR, NULL, "WSGI%04d: connection %u was closed: it said nothing",
                     WSGI_CODE_WIRE_VIOLATION, i);
            wsgi_connection_close(daemon, connection);
        } else {
            /* A note left meanwhile becomes an event again. */
            struct epoll_event event = {.events = EPOLLIN | EPOLLRDHUP | EPOLLET};

            event.data.u64 = tag;
            if (!wsgi_connection_release(connection)) {
                while (!wsgi_connection_release(connection))
                    continue;
                epoll_ctl(daemon->epoll, EPOLL_CTL_MOD, connection->descriptor, &event);
            }
        }
    }
}

static void retry_accept(struct wsgi_daemon *daemon)
{
    struct epoll_event event = {.events = EPOLLIN | EPOLLET};

    event.data.u64 = WSGI_TAG_LISTENER;
    if (__atomic_exchange_n(&daemon->accept_stalled, 0, __ATOMIC_ACQ_REL))
        epoll_ctl(daemon->epoll, EPOLL_CTL_MOD, daemon->listener, &event);
}

/* Nobody else counts the time of a drain then. */
static int has_drained_for_long(const struct wsgi_daemon *daemon)
{
    int64_t limit = wsgi_process.settings.graceful_timeout * 1000;

    return daemon->orphaned != 0 && limit > 0 && wsgi_clock_steady() >= daemon->orphaned + limit;
}

/* A connection outlives its request, so none left means that nothing is active either. Requests
 * that are over all their time are not waited for. */
static int has_drained(struct wsgi_daemon *daemon)
{
    if (daemon->orphaned && wsgi_process.settings.server_pid > 0 &&
        wsgi_clock_steady() - daemon->orphaned < ORPHAN_PATIENCE)
        return 0;
    return __atomic_load_n(&daemon->draining, __ATOMIC_ACQUIRE) &&
           (__atomic_load_n(&daemon->connections_open, __ATOMIC_ACQUIRE) <= wsgi_monitor_stuck() ||
            has_drained_for_long(daemon));
}

/* poll() refuses more descriptors than the process may have now, if an application took them away:
 * then a look now and then must do. */
static int look_without_poll(struct pollfd waits[2])
{
    const struct timespec pause = {.tv_nsec = 50000000};

    if (errno != EINVAL)
        return 0;
    nanosleep(&pause, NULL);
    waits[0].revents = 0;
    waits[1].revents = waits[1].fd >= 0 ? POLLIN : 0;
    return 1;
}

/* Waits once, does what there is to do. */
static void wait_once(struct wsgi_daemon *daemon, int *control)
{
    struct pollfd waits[2] = {{daemon->wake_main, POLLIN, 0}, {*control, POLLIN, 0}};
    int busy = __atomic_load_n(&daemon->connections_new, __ATOMIC_ACQUIRE) > 0 ||
               __atomic_load_n(&daemon->accept_stalled, __ATOMIC_ACQUIRE) || daemon->orphaned != 0;
    int why;
    uint64_t count;

    wsgi_daemon_look_after_httpd(daemon);
    if (poll(waits, 2, busy ? LOOK_AGAIN : -1) < 0 && !look_without_poll(waits))
        return;
    if (waits[0].revents && read(daemon->wake_main, &count, sizeof count) < 0)
        return;
    if (waits[1].revents && !wsgi_daemon_take_control(daemon))
        *control = -1;
    /* It serves on until another one is ready; then the supervisor tells it to drain. */
    why = __atomic_exchange_n(&daemon->leave_signal, 0, __ATOMIC_ACQ_REL);
    if (why == WSGI_WHY_CPU_TIME && !__atomic_exchange_n(&daemon->cpu_told, 1, __ATOMIC_ACQ_REL))
        wsgi_log(WSGI_LOG_WARNING, NULL,
                 "Process has used its cpu-time-limit of %lld s, it is replaced.",
                 (long long)wsgi_process.settings.cpu_time_limit);
    if (why != WSGI_WHY_NONE)
        wsgi_daemon_leave((enum wsgi_why)why);
    fill_order(daemon);
    wsgi_dispatch_begin(daemon);
    if (busy) {
        retry_accept(daemon);
        close_silent(daemon);
    }
}

/* ---- end ----------------------------------------------------------------- */

static void stop_workers(struct wsgi_daemon *daemon)
{
    uint64_t one = 1;

    __atomic_store_n(&daemon->stopping, 1, __ATOMIC_RELEASE);
    if (write(daemon->wake_workers, &one, sizeof one) < 0)
        wsgi_log(WSGI_LOG_ERR, NULL, "workers cannot be woken: %s", strerror(errno));
}

static void close_connections(struct wsgi_daemon *daemon)
{
    uint32_t i;

    for (i = 0; i < daemon->table_used; i++) {
        struct wsgi_connection *connection = daemon->table[i];

        if (wsgi_connection_take(daemon, wsgi_connection_tag(connection), &connection))
            wsgi_connection_close(daemon, connection);
    }
}

void wsgi_daemon_tell_stopping(struct wsgi_daemon *daemon)
{
    const char *reason = __atomic_load_n(&daemon->reason, __ATOMIC_ACQUIRE);

    wsgi_events_stopping(reason != NULL ? reason : "");
}

/* Detached. Until nothing runs any more. 0: but requests that are over all their time. */
static int run_until_end(struct wsgi_daemon *daemon)
{
    int control = WSGI_FD_CONTROL, is_whole;

    while (!__atomic_load_n(&daemon->stop_signal, __ATOMIC_ACQUIRE) && !has_drained(daemon))
        wait_once(daemon, &control);
    wsgi_log(WSGI_LOG_INFO, NULL, "Process ends.");
    wsgi_monitor_ending();
    while (!wsgi_dispatch_end(daemon))
        wait_once(daemon, &control);
    wsgi_daemon_tell_stopping(daemon);
    stop_workers(daemon);
    while (__atomic_load_n(&daemon->workers_left, __ATOMIC_ACQUIRE) > wsgi_monitor_stuck())
        wait_once(daemon, &control);
    is_whole = __atomic_load_n(&daemon->workers_left, __ATOMIC_ACQUIRE) == 0;
    if (is_whole)
        wsgi_workers_join(daemon);
    while (!wsgi_helper_end())
        wait_once(daemon, &control);
    wsgi_daemon_tell_stopping(daemon); /* in interpreters that a last request made */
    close_connections(daemon);
    return is_whole;
}

static int start_work(struct wsgi_daemon *daemon)
{
    const struct wsgi_settings *settings = &wsgi_process.settings;
    int problem;

    wsgi_process.delegate_create = order_interp;
    if (wsgi_script_preload_all() != 0)
        _exit(0); /* another process serves, with the former code */
    wsgi_daemon_catch_signals();
    __atomic_store_n(&wsgi_process.up, 1, __ATOMIC_RELEASE);
    problem = wsgi_workers_start(daemon, (int)settings->threads);
    if (problem != 0)
        wsgi_log(WSGI_LOG_CRIT, NULL, "only %d of %lld threads can be made: %s",
                 daemon->worker_count, (long long)settings->threads, strerror(problem));
    if (daemon->worker_count == 0 ||
        watch(daemon, daemon->listener, EPOLLIN | EPOLLET, WSGI_TAG_LISTENER) != 0)
        return -1;
    wsgi_daemon_tell(WSGI_CONTROL_READY, 0);
    wsgi_monitor_ready();
    return 0;
}

/* Attached. A thread of the application, or one that serves a request which does not end, outlives
 * its interpreter: Python's own end would abort. */
static void leave_without_finalising(int status)
{
    wsgi_interp_run_exit_hooks();
    _exit(status);
}

static PyObject *refuse(const char *error)
{
    PyObject *status;

    wsgi_log(WSGI_LOG_CRIT, NULL, "The daemon cannot start: %s", error);
    wsgi_daemon_tell(WSGI_CONTROL_FAILED, 0);
    status = PyLong_FromLong(1);
    PyErr_SetObject(PyExc_SystemExit, status);
    Py_XDECREF(status);
    return NULL;
}

PyObject *wsgi_serve(PyObject *module, PyObject *unused)
{
    struct wsgi_daemon *daemon;
    char error[512] = "";
    int result = 0, status = 0, is_whole = 1;

    (void)module;
    (void)unused;
    if (wsgi_process.daemon != NULL || wsgi_process.embedded)
        return PyErr_Format(PyExc_RuntimeError, "serve() was called before in this process");
    if (prepare(error, sizeof error) != 0)
        return refuse(error);
    daemon = wsgi_process.daemon;
    wsgi_process.main_state = PyEval_SaveThread();
    if (wsgi_process.settings.threads == 0)
        status = wsgi_service_run(daemon);
    else if ((result = start_work(daemon)) == 0)
        is_whole = run_until_end(daemon);
    wsgi_thread_end();
    PyEval_RestoreThread(wsgi_process.main_state);
    if (result != 0)
        return refuse("no worker can be made");
    if (wsgi_process.settings.flags & WSGI_PROCESS_KEEP_INTERPRETERS)
        _exit(status); /* WSGIDestroyInterpreter Off */
    if (wsgi_interp_end_all() != 0 || !is_whole)
        leave_without_finalising(status);
    return PyLong_FromLong(status);
}
