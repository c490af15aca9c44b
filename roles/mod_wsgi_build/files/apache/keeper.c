/* SPDX-License-Identifier: Apache-2.0 */
#include "keeper.h"

#include <errno.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <sys/wait.h>
#include <unistd.h>

#include "ap_listen.h"
#include "apr_strings.h"
#include "command.h"
#include "descriptors.h"
#include "log.h"
#include "minder.h"

#define WSGI_KEEPER_TITLE "wsgi-supervisor"
#define WSGI_ORPHAN_LIMIT apr_time_from_sec(3) /* for running requests when httpd was killed */
#define WSGI_SOON apr_time_from_msec(100)
#define WSGI_SECOND apr_time_from_sec(1)
#define WSGI_FIXED_POLLS 3 /* besides those for commands, which come behind them */

enum keeper_mode {
    KEEPER_SERVING,
    KEEPER_RETIRING, /* another generation took over; until no Apache child is left */
    KEEPER_ORPHANED, /* httpd's parent process is gone */
    KEEPER_STOPPING
};

struct keeper {
    const struct wsgi_keeper_task *task;
    struct wsgi_minder *minders;
    int count;
    int signals;
    int control; /* -1 when there is nothing more to hear on it */
    int life;
    enum keeper_mode mode;
    int is_last; /* nobody takes over this generation: its sockets go with it */
    apr_time_t mode_since;
    apr_time_t next_second;
    struct pollfd *polls;
    struct wsgi_command command;
};

/* ---- modes --------------------------------------------------------------- */

static void enter(struct keeper *keeper, enum keeper_mode mode, apr_time_t now)
{
    keeper->mode = mode;
    keeper->mode_since = now;
}

static void begin_stop(struct keeper *keeper, const char *why, apr_time_t now)
{
    int i;

    if (keeper->mode == KEEPER_STOPPING) {
        return;
    }
    enter(keeper, KEEPER_STOPPING, now);
    for (i = 0; i < keeper->count; i++) {
        wsgi_minder_stop_all(&keeper->minders[i], why, now);
    }
}

static void parent_is_gone(struct keeper *keeper, apr_time_t now)
{
    int i;

    if (keeper->mode == KEEPER_STOPPING || keeper->mode == KEEPER_ORPHANED) {
        return;
    }
    ap_log_error(APLOG_MARK, APLOG_ERR, 0, keeper->task->main_server,
                 "the httpd parent process %d is gone, all daemon processes of generation %d end",
                 (int)keeper->task->parent, keeper->task->generation);
    keeper->is_last = 1;
    enter(keeper, KEEPER_ORPHANED, now);
    for (i = 0; i < keeper->count; i++) {
        wsgi_minder_drain_all(&keeper->minders[i], "the httpd parent process is gone", now);
    }
}

/* Apache processes of this generation still finish what they have, and ask for it here. */
static void retire(struct keeper *keeper, apr_time_t now)
{
    int i;

    if (keeper->mode != KEEPER_SERVING) {
        return;
    }
    enter(keeper, KEEPER_RETIRING, now);
    for (i = 0; i < keeper->count; i++) {
        wsgi_minder_retire(&keeper->minders[i], now);
    }
}

static void no_client_left(struct keeper *keeper, apr_time_t now)
{
    keeper->life = -1;
    keeper->is_last = 1;
    begin_stop(keeper,
               keeper->mode == KEEPER_RETIRING ? "another server generation took over"
                                               : "no Apache process is left",
               now);
}

/* ---- what came ----------------------------------------------------------- */

static void hear_parent(struct keeper *keeper, apr_time_t now)
{
    char byte;
    ssize_t got = read(keeper->control, &byte, 1);

    if (got < 0 && (errno == EAGAIN || errno == EINTR)) {
        return;
    }
    keeper->control = -1;
    if (got == 1 && byte == WSGI_CONTROL_RETIRE) {
        keeper->is_last = 1;
        wsgi_command_close(&keeper->command);
        retire(keeper, now);
        return;
    }
    if (got == 1 && byte == WSGI_CONTROL_END) {
        keeper->is_last = 1;
        begin_stop(keeper, "the server stops", now);
        return;
    }
    parent_is_gone(keeper, now);
}

static void hear_clients(struct keeper *keeper, apr_time_t now)
{
    char byte;

    if (read(keeper->life, &byte, 1) == 0) {
        no_client_left(keeper, now);
    }
}

static void reap_all(struct keeper *keeper, apr_time_t now)
{
    struct rusage usage;
    int status;
    pid_t pid;
    int i;

    while ((pid = wait4(-1, &status, WNOHANG, &usage)) > 0) {
        for (i = 0; i < keeper->count; i++) {
            if (wsgi_minder_reap(&keeper->minders[i], pid, status, &usage, now)) {
                break;
            }
        }
    }
}

static void hear_signals(struct keeper *keeper, apr_time_t now)
{
    struct signalfd_siginfo info;
    int ends = 0;

    while (read(keeper->signals, &info, sizeof(info)) == (ssize_t)sizeof(info)) {
        if (info.ssi_signo == SIGTERM || info.ssi_signo == SIGINT) {
            begin_stop(keeper,
                       keeper->mode == KEEPER_RETIRING ? "its server generation was told to end"
                                                       : "the server stops",
                       now);
        } else if (info.ssi_signo == SIGCHLD) {
            ends = 1;
        }
    }
    if (ends) {
        reap_all(keeper, now);
    }
}

/* ---- poll ---------------------------------------------------------------- */

static void watch(struct pollfd *poll, int fd)
{
    poll->fd = fd;
    poll->events = POLLIN;
    poll->revents = 0;
}

/* One entry a group, then two a slot in a fixed order; what is not open is -1, which poll passes
 * over. */
static nfds_t fill_polls(struct keeper *keeper)
{
    nfds_t count = 0;
    int i;
    int j;

    watch(&keeper->polls[count++], keeper->signals);
    watch(&keeper->polls[count++], keeper->control);
    watch(&keeper->polls[count++], keeper->life);
    wsgi_command_watch(&keeper->command, &keeper->polls[count]);
    count += WSGI_COMMAND_POLLS;
    for (i = 0; i < keeper->count; i++) {
        watch(&keeper->polls[count++], keeper->minders[i].slots->bell);
        for (j = 0; j < keeper->minders[i].slots->count; j++) {
            watch(&keeper->polls[count++], keeper->minders[i].minded[j].control);
            watch(&keeper->polls[count++], keeper->minders[i].minded[j].log.fd);
        }
    }
    return count;
}

/* A slot's descriptor may have been closed since poll: it is compared before it is used. */
static void hear_daemons(struct keeper *keeper, apr_time_t now)
{
    const struct pollfd *at = keeper->polls + WSGI_FIXED_POLLS + WSGI_COMMAND_POLLS;
    int i;
    int j;

    for (i = 0; i < keeper->count; i++) {
        if (at++->revents) {
            wsgi_slots_hear(keeper->minders[i].slots);
        }
        for (j = 0; j < keeper->minders[i].slots->count; j++, at += 2) {
            struct wsgi_minded *minded = &keeper->minders[i].minded[j];

            if (at[1].revents && minded->log.fd == at[1].fd) {
                wsgi_logpipe_read(&minded->log);
            }
            if (minded->log.trouble) {
                wsgi_minder_point(&keeper->minders[i]);
            }
            if (at[0].revents && minded->control == at[0].fd) {
                wsgi_minder_control(&keeper->minders[i], j, now);
            }
        }
    }
}

static void hear_all(struct keeper *keeper, apr_time_t now)
{
    hear_daemons(keeper, now); /* first: a process's last words before its end */
    if (keeper->polls[0].revents) {
        hear_signals(keeper, now);
    }
    if (keeper->polls[1].revents && keeper->control >= 0) {
        hear_parent(keeper, now);
    }
    if (keeper->polls[2].revents && keeper->life >= 0) {
        hear_clients(keeper, now);
    }
}

/* ---- time ---------------------------------------------------------------- */

static void each_second(struct keeper *keeper, apr_time_t now)
{
    int i;

    keeper->next_second = now + WSGI_SECOND;
    if (getppid() != keeper->task->parent) {
        parent_is_gone(keeper, now); /* seen even if a foreign process holds the pipe open */
    }
    for (i = 0; i < keeper->count; i++) {
        int freed = wsgi_slots_reclaim(keeper->minders[i].slots);

        wsgi_minder_look(&keeper->minders[i], now);
        if (freed) {
            ap_log_error(APLOG_MARK, APLOG_INFO, 0, keeper->minders[i].group->server,
                         "daemon group '%s': %d workers were in use by Apache processes that "
                         "died or are stopped, they are taken back",
                         keeper->minders[i].group->name, freed);
        }
    }
}

static apr_time_t tick(struct keeper *keeper, apr_time_t now)
{
    apr_time_t next = now + WSGI_SECOND;
    int i;

    if (now >= keeper->next_second) {
        each_second(keeper, now);
    }
    if (keeper->mode == KEEPER_ORPHANED && now - keeper->mode_since > WSGI_ORPHAN_LIMIT) {
        begin_stop(keeper, "the httpd parent process is gone", now);
    }
    for (i = 0; i < keeper->count; i++) {
        apr_time_t due = wsgi_minder_tick(&keeper->minders[i], now);

        next = due < next ? due : next;
        /* A worker is not to stay taken for long after a request that was given up. */
        if (wsgi_slots_free_ended(keeper->minders[i].slots) && next > now + WSGI_SOON) {
            next = now + WSGI_SOON;
        }
    }
    return next;
}

/* Nothing is left, and nothing will be started. */
static int is_over(const struct keeper *keeper)
{
    int i;

    if (keeper->mode == KEEPER_SERVING) {
        return 0;
    }
    for (i = 0; i < keeper->count; i++) {
        if (keeper->minders[i].alive || !keeper->minders[i].closing) {
            return 0;
        }
    }
    return 1;
}

/* ---- begin and end ------------------------------------------------------- */

static int open_signals(void)
{
    static const int defaults[] = {SIGSEGV, SIGBUS, SIGABRT, SIGFPE, SIGILL};
    static const int ignored[] = {SIGHUP, SIGUSR1, SIGUSR2, SIGWINCH, SIGPIPE};
    sigset_t set;
    size_t i;

    for (i = 0; i < sizeof(defaults) / sizeof(defaults[0]); i++) {
        signal(defaults[i], SIG_DFL);
    }
    for (i = 0; i < sizeof(ignored) / sizeof(ignored[0]); i++) {
        signal(ignored[i], SIG_IGN); /* httpd signals its whole process group with some MPMs */
    }
    signal(SIGCHLD, SIG_DFL);
    sigemptyset(&set);
    sigaddset(&set, SIGTERM);
    sigaddset(&set, SIGINT);
    sigaddset(&set, SIGCHLD);
    sigprocmask(SIG_SETMASK, &set, NULL);
    return signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
}

/* The kernel's idea of where the arguments lie: fields 48 and 49 of /proc/self/stat. httpd makes
 * itself another argv, but argv[0] stays where it was. 0: unknown. */
static size_t title_room(const char *title)
{
    char text[2048];
    unsigned long start = 0;
    unsigned long end = 0;
    char *at;
    int field;
    FILE *file = fopen("/proc/self/stat", "re");

    if (!file) {
        return 0;
    }
    text[fread(text, 1, sizeof(text) - 1, file)] = '\0';
    fclose(file);
    at = strrchr(text, ')');
    for (field = 2; at && field < 48; field++) {
        at = strchr(at + 1, ' ');
    }
    if (!at || sscanf(at, " %lu %lu", &start, &end) != 2 || start != (uintptr_t)title) {
        return 0;
    }
    return end > start ? (size_t)(end - start) : 0;
}

static void set_title(const struct wsgi_keeper_task *task)
{
    const process_rec *process = task->main_server->process;
    char *title = process && process->argc > 0 ? (char *)(uintptr_t)process->argv[0] : NULL;
    size_t room = title ? title_room(title) : 0;

    prctl(PR_SET_NAME, WSGI_KEEPER_TITLE);
    if (room > strlen(WSGI_KEEPER_TITLE)) {
        memset(title, 0, room);
        memcpy(title, WSGI_KEEPER_TITLE, strlen(WSGI_KEEPER_TITLE));
    }
}

static void open_commands(struct keeper *keeper)
{
    const struct wsgi_keeper_task *task = keeper->task;
    const char *prefix = task->settings->socket_prefix;
    const char *path = apr_pstrcat(
        task->pool,
        wsgi_slots_socket_stem(task->pool, prefix, (long)task->parent, task->generation), ".ctl",
        wsgi_slots_socket_suffix(prefix), NULL);

    wsgi_command_open(&keeper->command, path, task->main_server, keeper->minders, keeper->count);
}

static void init_minders(struct keeper *keeper, apr_time_t start)
{
    const struct wsgi_keeper_task *task = keeper->task;
    int slots = 0;
    int i;

    keeper->minders =
        apr_pcalloc(task->pool, sizeof(*keeper->minders) * (apr_size_t)task->groups->nelts);
    for (i = 0; i < task->groups->nelts; i++) {
        const struct wsgi_group *group = APR_ARRAY_IDX(task->groups, i, const struct wsgi_group *);

        if (group->slots) {
            wsgi_minder_init(&keeper->minders[keeper->count++], task->pool, group, task->settings,
                             start);
            slots += group->slots->count;
        }
    }
    keeper->polls = apr_pcalloc(task->pool, sizeof(*keeper->polls) *
                                                (apr_size_t)(WSGI_FIXED_POLLS + WSGI_COMMAND_POLLS +
                                                             keeper->count + 2 * slots));
    open_commands(keeper);
}

/* After a mere signal the sockets are left to the parent: it may start another supervisor for them.
 */
static void __attribute__((noreturn)) leave(struct keeper *keeper)
{
    int i;

    wsgi_command_close(&keeper->command);
    for (i = 0; keeper->is_last && i < keeper->count; i++) {
        wsgi_slots_unlink(keeper->minders[i].slots);
    }
    _exit(0);
}

static void wait_and_work(struct keeper *keeper, apr_time_t next)
{
    apr_time_t now = wsgi_minder_clock();
    long span = next > now ? (long)apr_time_as_msec(next - now) + 1 : 0;
    int count = poll(keeper->polls, fill_polls(keeper), (int)span);

    now = wsgi_minder_clock();
    if (count > 0) {
        hear_all(keeper, now);
    }
    wsgi_command_work(&keeper->command, keeper->polls + WSGI_FIXED_POLLS, now);
}

void wsgi_keeper_run(const struct wsgi_keeper_task *task)
{
    struct keeper keeper = {.task = task, .control = task->control, .life = task->life};
    apr_time_t now = wsgi_minder_clock();
    struct rlimit before;

    wsgi_descriptors_raise(&before);

    keeper.signals = open_signals();
    if (keeper.signals < 0) {
        ap_log_error(APLOG_MARK, APLOG_CRIT, errno, task->main_server,
                     "the supervisor cannot receive signals");
        _exit(1);
    }
    ap_close_listeners();
    set_title(task);
    init_minders(&keeper, now + apr_time_from_sec(task->delay));
    for (;;) {
        apr_time_t next = tick(&keeper, now);

        if (is_over(&keeper)) {
            leave(&keeper);
        }
        wait_and_work(&keeper, next);
        now = wsgi_minder_clock();
    }
}
