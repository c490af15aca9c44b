/* SPDX-License-Identifier: Apache-2.0 */
#include "supervisor.h"

#include <errno.h>
#include <fcntl.h>
#include <glob.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "ap_mpm.h"
#include "apr_strings.h"
#include "apr_thread_proc.h"
#include "clocks.h"
#include "descriptors.h"
#include "http_config.h"
#include "http_core.h"
#include "keeper.h"
#include "learned.h"
#include "log.h"
#include "services.h"
#include "slots.h"
#include "stale.h"

#define WSGI_RETAINED_KEY "pyweb-mod_wsgi-supervisors"
#define WSGI_GENERATIONS_MAX 4 /* that drain at the same time */
#define WSGI_OLD_MAX 32
#define WSGI_STOP_GRACE 3 /* s that a supervisor gets beyond shutdown-timeout */
#define WSGI_EARLY apr_time_from_sec(10)
#define WSGI_DELAY_MAX 60

/* A supervisor of a former generation. */
struct old_supervisor {
    pid_t pid;
    int generation;
    char prefix[108]; /* of its sockets */
};

/* Outlives the module's unloading at a restart: plain data only. */
struct retained {
    int count;
    struct old_supervisor old[WSGI_OLD_MAX]; /* oldest first */
};

/* What a registration as other child carries. */
struct watched {
    apr_proc_t proc;
    int generation;
    int is_old;
    int registered; /* APR crashes when it is asked to unregister what is not */
};

/* The parent's side of the generation that is being served; in pconf. */
struct parent {
    pid_t self;
    apr_pool_t *pconf;
    server_rec *main_server;
    const apr_array_header_t *groups;
    struct wsgi_supervisor_settings *settings;
    struct retained *retained;
    apr_array_header_t *watched; /* struct watched * */
    int generation;
    int control[2]; /* both ends stay open here: a replaced supervisor gets the same pipe */
    int life[2];
    pid_t pid; /* of the supervisor, 0: none */
    apr_time_t born;
    int failures;  /* early deaths in a row */
    int is_wanted; /* there is none because none could be forked */
};

static struct parent *parent; /* the one process struct of this side */

/* ---- old generations ----------------------------------------------------- */

static struct retained *get_retained(void)
{
    struct retained *retained = ap_retained_data_get(WSGI_RETAINED_KEY);

    return retained ? retained : ap_retained_data_create(WSGI_RETAINED_KEY, sizeof(*retained));
}

static void forget_old(struct retained *retained, pid_t pid)
{
    int i;

    for (i = 0; i < retained->count; i++) {
        if (retained->old[i].pid == pid) {
            retained->count--;
            memmove(&retained->old[i], &retained->old[i + 1],
                    sizeof(retained->old[0]) * (size_t)(retained->count - i));
            return;
        }
    }
}

/* More generations than may drain: the oldest ones end now. */
static void cut_oldest(const struct retained *retained)
{
    int i;

    for (i = 0; i < retained->count - WSGI_GENERATIONS_MAX; i++) {
        kill(retained->old[i].pid, SIGTERM);
    }
}

static void remember_old(struct parent *p)
{
    struct retained *retained = p->retained;
    struct old_supervisor *old;

    if (retained->count == WSGI_OLD_MAX) {
        kill(retained->old[0].pid, SIGKILL); /* had its SIGTERM many generations ago */
        forget_old(retained, retained->old[0].pid);
    }
    old = &retained->old[retained->count++];
    old->pid = p->pid;
    old->generation = p->generation;
    apr_cpystrn(old->prefix, p->settings->socket_prefix, sizeof(old->prefix));
    cut_oldest(retained);
}

/* Sockets of a generation whose supervisor could not remove them itself. */
static void remove_sockets(const char *prefix, int generation)
{
    apr_pool_t *pool;
    const char *pattern;
    glob_t found;
    size_t i;

    if (apr_pool_create(&pool, NULL) != APR_SUCCESS) {
        return;
    }
    pattern =
        wsgi_stale_pattern(pool, wsgi_slots_socket_stem(pool, prefix, (long)getpid(), generation));
    if (glob(pattern, GLOB_NOSORT, NULL, &found) == 0) {
        for (i = 0; i < found.gl_pathc; i++) {
            unlink(found.gl_pathv[i]);
        }
        globfree(&found);
    }
    apr_pool_destroy(pool);
}

static void old_supervisor_ended(struct watched *watched, int status)
{
    int i;

    for (i = 0; status && i < parent->retained->count; i++) {
        if (parent->retained->old[i].pid == watched->proc.pid) {
            ap_log_error(APLOG_MARK, APLOG_ERR, 0, parent->main_server,
                         "the supervisor %d of the former generation %d ended unexpectedly",
                         (int)watched->proc.pid, watched->generation);
            remove_sockets(parent->retained->old[i].prefix, watched->generation);
        }
    }
    forget_old(parent->retained, watched->proc.pid);
}

/* ---- the supervisor ------------------------------------------------------ */

static void watch_child(struct parent *p, pid_t pid, int generation, int is_old);

static void __attribute__((noreturn)) become_supervisor(struct parent *p, unsigned delay)
{
    struct wsgi_keeper_task task = {.main_server = p->main_server,
                                    .groups = p->groups,
                                    .settings = p->settings,
                                    .control = p->control[0],
                                    .life = p->life[0],
                                    .parent = p->self,
                                    .generation = p->generation,
                                    .delay = delay};

    close(p->control[1]);
    close(p->life[1]);
    apr_pool_create(&task.pool, NULL); /* no cleanup of the parent's ever runs here */
    wsgi_keeper_run(&task);
}

static apr_status_t fork_supervisor(struct parent *p, unsigned delay)
{
    pid_t pid = fork();

    if (pid < 0) {
        return errno;
    }
    if (pid == 0) {
        become_supervisor(p, delay);
    }
    p->pid = pid;
    p->born = wsgi_clock_now();
    watch_child(p, pid, p->generation, 0);
    return APR_SUCCESS;
}

/* What is short now may be there in a while, and without a supervisor the daemons are lost: the
 * ones that there are end a little later than a minute after theirs. */
static void begin_supervisor(struct parent *p, unsigned delay)
{
    apr_status_t result = fork_supervisor(p, delay);

    p->is_wanted = result != APR_SUCCESS;
    if (p->is_wanted) {
        ap_log_error(APLOG_MARK, APLOG_CRIT, result, p->main_server,
                     "cannot start a supervisor of the daemon processes: it is tried again every "
                     "few seconds; without one no daemon process is started");
    }
}

static int server_is_stopping(void)
{
    int state = AP_MPMQ_STOPPING;

    return ap_mpm_query(AP_MPMQ_MPM_STATE, &state) != APR_SUCCESS || state == AP_MPMQ_STOPPING;
}

static void describe(char *text, size_t size, int status)
{
    if (WIFSIGNALED(status)) {
        snprintf(text, size, "was killed by signal %d (%s)", WTERMSIG(status),
                 strsignal(WTERMSIG(status)));
    } else {
        snprintf(text, size, "ended with exit status %d", WEXITSTATUS(status));
    }
}

static void supervisor_ended(int status)
{
    apr_time_t age = wsgi_clock_now() - parent->born;
    pid_t pid = parent->pid;
    unsigned delay = 0;
    char how[128];

    parent->pid = 0;
    if (server_is_stopping()) {
        return;
    }
    parent->failures = age < WSGI_EARLY ? parent->failures + 1 : 0;
    if (parent->failures > 1) {
        delay = parent->failures > 7 ? WSGI_DELAY_MAX : 1u << (parent->failures - 2);
    }
    describe(how, sizeof(how), status);
    ap_log_error(APLOG_MARK, APLOG_ERR, 0, parent->main_server,
                 "the supervisor %d of the daemon processes %s, another one takes over%s", (int)pid,
                 how, delay ? " after a pause" : "");
    begin_supervisor(parent, delay);
}

void wsgi_supervisor_monitor(void)
{
    if (!parent || parent->self != getpid() || !parent->is_wanted || server_is_stopping() ||
        fork_supervisor(parent, 0) != APR_SUCCESS) {
        return;
    }
    parent->is_wanted = 0;
    ap_log_error(APLOG_MARK, APLOG_NOTICE, 0, parent->main_server,
                 "the supervisor %d of the daemon processes could be started", (int)parent->pid);
}

static void unwatch(struct watched *watched)
{
    if (watched->registered) {
        apr_proc_other_child_unregister(watched);
    }
}

/* httpd tells of the end of a process that it was asked to watch. */
static void maintain(int reason, void *data, int status)
{
    struct watched *watched = data;

    if (reason == APR_OC_REASON_UNREGISTER) {
        watched->registered = 0;
    }
    if (reason != APR_OC_REASON_DEATH && reason != APR_OC_REASON_LOST) {
        return;
    }
    unwatch(watched);
    if (!parent || parent->self != getpid()) {
        return;
    }
    if (watched->is_old) {
        old_supervisor_ended(watched, reason == APR_OC_REASON_DEATH ? status : 0);
    } else if (watched->proc.pid == parent->pid) {
        supervisor_ended(status);
    }
}

static void watch_child(struct parent *p, pid_t pid, int generation, int is_old)
{
    struct watched *watched = apr_pcalloc(p->pconf, sizeof(*watched));

    watched->proc.pid = pid;
    watched->generation = generation;
    watched->is_old = is_old;
    watched->registered = 1;
    APR_ARRAY_PUSH(p->watched, struct watched *) = watched;
    apr_proc_other_child_register(&watched->proc, maintain, watched, NULL, p->pconf);
}

/* ---- the end of a generation --------------------------------------------- */

/* -1: no limit. */
static int longest_shutdown(const apr_array_header_t *groups)
{
    int longest = 0;
    int i;

    for (i = 0; i < groups->nelts; i++) {
        const struct wsgi_group *group = APR_ARRAY_IDX(groups, i, const struct wsgi_group *);

        if (group->slots && group->shutdown_timeout <= 0) {
            return -1;
        }
        if (group->slots && group->shutdown_timeout > longest) {
            longest = group->shutdown_timeout;
        }
    }
    return longest;
}

static void await_end(struct parent *p, pid_t pid, apr_time_t deadline)
{
    while (pid > 0) {
        pid_t result = waitpid(pid, NULL, WNOHANG);

        if (result == pid || (result < 0 && errno != EINTR)) {
            return;
        }
        if (deadline && wsgi_clock_now() > deadline) {
            ap_log_error(APLOG_MARK, APLOG_WARNING, 0, p->main_server,
                         "the supervisor %d did not end in time, it is killed", (int)pid);
            if (kill(pid, SIGKILL) == 0) {
                waitpid(pid, NULL, 0);
            }
            return;
        }
        apr_sleep(apr_time_from_msec(5));
    }
}

static void say(const struct parent *p, char byte)
{
    if (p->pid > 0 && write(p->control[1], &byte, 1) != 1) {
        kill(p->pid, SIGTERM);
    }
}

/* The server stops. A service manager kills what is left once the main process has ended, so it
 * waits until the daemons are gone. */
static void stop_all(struct parent *p)
{
    int limit = longest_shutdown(p->groups);
    apr_time_t deadline = limit < 0 ? 0
                                    : wsgi_clock_now() + apr_time_from_sec(limit) +
                                          apr_time_from_sec(WSGI_STOP_GRACE);
    int i;

    say(p, WSGI_CONTROL_END);
    for (i = 0; i < p->retained->count; i++) {
        kill(p->retained->old[i].pid, SIGTERM);
    }
    await_end(p, p->pid, deadline);
    for (i = 0; i < p->retained->count; i++) {
        await_end(p, p->retained->old[i].pid, deadline);
        remove_sockets(p->retained->old[i].prefix, p->retained->old[i].generation);
    }
    p->retained->count = 0;
    for (i = 0; i < p->groups->nelts; i++) {
        const struct wsgi_group *group = APR_ARRAY_IDX(p->groups, i, const struct wsgi_group *);

        if (group->slots) {
            wsgi_slots_unlink(group->slots); /* the supervisor did it, unless it was killed */
        }
    }
    remove_sockets(p->settings->socket_prefix, p->generation); /* its own one, for commands */
}

static void retire(struct parent *p)
{
    if (p->pid <= 0) {
        remove_sockets(p->settings->socket_prefix, p->generation);
        return;
    }
    say(p, WSGI_CONTROL_RETIRE);
    remember_old(p);
}

static void close_pair(int pair[2])
{
    int i;

    for (i = 0; i < 2; i++) {
        if (pair[i] >= 0) {
            close(pair[i]);
            pair[i] = -1;
        }
    }
}

static void close_slots(const struct parent *p, int unmap)
{
    int i;

    for (i = 0; i < p->groups->nelts; i++) {
        struct wsgi_group *group = APR_ARRAY_IDX(p->groups, i, struct wsgi_group *);

        if (group->slots) {
            wsgi_slots_close(group->slots);
            if (unmap) {
                wsgi_slots_unmap(group->slots);
                group->slots = NULL;
            }
        }
    }
}

/* pconf goes: the server stops or is restarted. The module may be unloaded next, so nothing may
 * be left that calls into it. */
static apr_status_t end_generation(void *data)
{
    struct parent *p = data;
    int i;

    if (p->self != getpid()) {
        return APR_SUCCESS;
    }
    parent = NULL;
    for (i = 0; i < p->watched->nelts; i++) {
        unwatch(APR_ARRAY_IDX(p->watched, i, struct watched *));
    }
    if (ap_state_query(AP_SQ_MAIN_STATE) == AP_SQ_MS_EXITING) {
        stop_all(p);
    } else {
        retire(p);
    }
    close_pair(p->control);
    close_pair(p->life);
    close_slots(p, 1);
    return APR_SUCCESS;
}

/* ---- the begin of one ---------------------------------------------------- */

/* The groups would take so much of what a process may have open that not enough was left for logs,
 * files and connections. */
static int are_many(const struct parent *p, const struct rlimit *limit)
{
    long needed = 0;
    int i;

    for (i = 0; i < p->groups->nelts; i++) {
        needed += wsgi_slots_descriptors(APR_ARRAY_IDX(p->groups, i, const struct wsgi_group *));
    }
    return (rlim_t)needed > limit->rlim_cur / 4;
}

static int make_slots_of_all(struct parent *p, int are_moved)
{
    int made = 0;
    int i;

    for (i = 0; i < p->groups->nelts; i++) {
        struct wsgi_group *group = APR_ARRAY_IDX(p->groups, i, struct wsgi_group *);
        const char *error = NULL;

        if (group->broken) {
            continue;
        }
        group->slots = wsgi_slots_create(p->pconf, group, p->generation, p->settings, &error);
        if (group->slots) {
            if (are_moved) {
                wsgi_slots_move(group->slots, &p->settings->descriptors);
            }
            made++;
            continue;
        }
        group->broken = error;
        ap_log_error(APLOG_MARK, APLOG_ERR, 0, group->server,
                     "daemon group '%s' (%s) is out of service: %s", group->name,
                     group->where ? group->where : "?", error);
        wsgi_log_pointer(p->main_server, group->server, group->name);
    }
    return made;
}

static int make_all_slots(struct parent *p)
{
    struct rlimit *limit = &p->settings->descriptors;
    int made;

    wsgi_descriptors_raise(limit);
    made = make_slots_of_all(p, are_many(p, limit));
    wsgi_descriptors_restore(limit);
    return made;
}

static int make_pipes(struct parent *p)
{
    return pipe2(p->control, O_CLOEXEC) == 0 && pipe2(p->life, O_CLOEXEC) == 0 &&
                   fcntl(p->control[0], F_SETFL, O_NONBLOCK) == 0 &&
                   fcntl(p->life[0], F_SETFL, O_NONBLOCK) == 0
               ? 0
               : -1;
}

static struct parent *make_parent(apr_pool_t *pconf, server_rec *main_server,
                                  const apr_array_header_t *groups,
                                  const struct wsgi_supervisor_settings *settings)
{
    struct parent *p = apr_pcalloc(pconf, sizeof(*p));

    p->self = getpid();
    p->pconf = pconf;
    p->main_server = main_server;
    p->groups = groups;
    p->settings = apr_pmemdup(pconf, settings, sizeof(*settings));
    p->retained = get_retained();
    p->watched = apr_array_make(pconf, 4, sizeof(struct watched *));
    p->control[0] = p->control[1] = p->life[0] = p->life[1] = -1;
    if (ap_mpm_query(AP_MPMQ_GENERATION, &p->generation) != APR_SUCCESS) {
        p->generation = 0;
    }
    return p;
}

int wsgi_supervisor_is_started(void)
{
    return parent != NULL;
}

apr_status_t wsgi_supervisor_start(apr_pool_t *pconf, server_rec *main_server,
                                   const apr_array_header_t *groups,
                                   const struct wsgi_supervisor_settings *settings)
{
    struct parent *p = make_parent(pconf, main_server, groups, settings);
    apr_status_t result = APR_SUCCESS;
    int i;

    for (i = 0; i < p->retained->count; i++) {
        watch_child(p, p->retained->old[i].pid, p->retained->old[i].generation, 1);
    }
    parent = p;
    p->settings->learned = wsgi_learned_create(groups);
    if (p->generation == 0) {
        wsgi_stale_remove(pconf, main_server, settings->socket_prefix);
    }
    wsgi_services_prepare();
    if (make_all_slots(p) > 0) {
        if (make_pipes(p) < 0) {
            result = errno;
            remove_sockets(settings->socket_prefix, p->generation);
            close_pair(p->control);
            close_pair(p->life);
            close_slots(p, 1);
        } else {
            begin_supervisor(p, 0);
        }
    }
    /* Also without a supervisor of its own it is told of the ends of the former ones: a pid that is
     * remembered for too long is somebody else's one day. */
    apr_pool_cleanup_register(pconf, p, end_generation, apr_pool_cleanup_null);
    return result;
}

void wsgi_supervisor_child_init(apr_pool_t *pchild)
{
    (void)pchild;
    if (!parent || parent->self == getpid()) {
        return; /* httpd -X: parent and child are one process */
    }
    close_pair(parent->control);
    if (parent->life[0] >= 0) {
        close(parent->life[0]);
        parent->life[0] = -1;
    }
    close_slots(parent, 0);
    wsgi_services_child_init();
    wsgi_learned_unmap(parent->settings->learned);
    parent = NULL;
}
