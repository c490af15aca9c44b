/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The one process struct of the engine, and what the launch block said.
 *
 * The same engine file serves a daemon (loaded as module _mod_wsgi by the interpreter's own
 * program) and an Apache child (dlopen'ed after libpython). Everything the engine writes to at
 * run time hangs on `wsgi_process`; besides it there is one thread-local pointer (interp.c).
 */
#ifndef WSGI_PYTHON_PROCESS_H
#define WSGI_PYTHON_PROCESS_H

#include "compat.h"

#include <pthread.h>
#include <signal.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "../wire/engine.h"
#include "../wire/frame.h"
#include "../wire/vars.h"

#define WSGI_CRASH_SIGNALS 5

struct wsgi_interp;
struct wsgi_daemon;
struct wsgi_monitor;
struct wsgi_stacks;

struct wsgi_preload {
    const char *group;
    const char *script;
    int is_learned;   /* another process had loaded it, for a request; else the configuration */
    uint32_t is_main; /* WSGI_REQUEST_MAIN of that request, or 0 */
    char *traceback;  /* set when it fails in a daemon: it is told, not logged */
};

/* One layer of what is set per interpreter, see WSGI_PARAM_SCOPE. */
struct wsgi_scope {
    const char *selector; /* "", or "=" and an application group as reported */
    const char **paths;   /* into wsgi_settings.scope_paths */
    size_t path_count;
    int64_t switch_interval; /* microseconds, 0: not given */
    int64_t given;           /* WSGI_SCOPE_* that this layer decides */
    int64_t flags;           /* and how */
};

/* The launch block, decoded. Texts point into `block`, which lives as long as the process. */
struct wsgi_settings {
    unsigned char *block;
    const char *group_name; /* "" when embedded */
    int64_t processes;
    int64_t threads;
    int64_t flags; /* WSGI_PROCESS_* */
    const char *interpreter;
    const char *python_home; /* this and the texts below: NULL when absent */
    const char *home;
    const char *locale;
    const char *title;
    const char *user_name;
    const char *user_home;
    const char *main_group;
    int64_t server_pid;       /* of httpd's parent process, 0: unknown */
    int64_t shutdown_timeout; /* seconds, 0: no limit */
    const char **python_path;
    size_t python_path_count;
    struct wsgi_preload *preload;
    size_t preload_count;
    uint32_t epoch;
    unsigned char secret[WSGI_WIRE_SECRET_SIZE];
    int has_secret;
    uid_t *peers;
    size_t peer_count;
    int64_t server_version;
    const char *server_description;
    const char *server_built;
    const char *mpm_name;
    int64_t mpm_processes;
    int64_t mpm_threads;
    int64_t log_level;
    const char *python_eggs;
    int64_t stack_size;       /* bytes, 0: the system's */
    int64_t maximum_requests; /* 0: no limit */
    const char **python_warnings;
    size_t python_warning_count;
    int64_t python_optimize;
    const char *hash_seed; /* "random", a number, or NULL */
    const char *outer_hash_seed;
    struct wsgi_scope *scopes; /* in the order in which they count, see vars.h */
    size_t scope_count;
    const char **scope_paths;
    size_t scope_path_count;
    int64_t stdout_level; /* of syslog */
    int64_t stderr_level;
    int64_t log_flags; /* WSGI_LOG_KEEP_* */
    /* Options of a daemon group: seconds, 0: none. */
    int64_t request_timeout;
    int64_t interrupt_timeout;
    int64_t startup_timeout;
    int64_t deadlock_timeout;
    int64_t inactivity_timeout;
    int64_t graceful_timeout;
    int64_t eviction_timeout;
    int64_t socket_timeout; /* Apache's Timeout if the option is not given */
    int64_t cpu_time_limit;
    int64_t memory_limit; /* bytes, 0: none */
};

struct wsgi_metrics;
struct wsgi_server_scores;

struct wsgi_process {
    struct wsgi_settings settings;
    const struct wsgi_host *host; /* where records without a request go */
    pid_t pid;
    int embedded;
    int forked;  /* this is a process that the application forked: it must not answer requests */
    int up;      /* Python is ready for requests; atomic */
    int stopped; /* stop() ran, or gave up: thread states are left alone from now on; atomic */
    PyThreadState *main_state; /* of the thread that started Python */
    PyThreadState *swapped;    /* with which the main thread makes or ends another interpreter */
    pthread_t main_thread;
    pthread_key_t thread_key; /* struct wsgi_thread, with a destructor */
    int thread_key_made;
    int text_told;                /* the warning about str in place of bytes was given; atomic */
    int thread_count;             /* numbers handed out so far; atomic */
    int64_t begun;                /* microseconds since the epoch, when Python was up */
    struct wsgi_metrics *metrics; /* NULL until an application wants numbers; atomic */
    struct wsgi_server_scores *scores; /* daemon: what the supervisor is asked for; atomic */
    pthread_mutex_t log_lock;    /* daemon: one record of several lines is written at a time */
    pthread_mutex_t create_lock; /* one interpreter is made at a time; never held attached */
    struct wsgi_interp *interps; /* newest first; only ever grows until the end; atomic */
    int interp_count;
    char **environment; /* of the process when Python was up; sub-interpreters get it */
    /* Daemon: makes an interpreter on the main thread on behalf of a worker; NULL: make it on
     * the calling thread. Called detached. */
    struct wsgi_interp *(*delegate_create)(const char *name);
    struct wsgi_daemon *daemon; /* NULL when embedded, as the next ones */
    struct wsgi_monitor *monitor;
    struct wsgi_stacks *stacks;
    struct sigaction crash_next[WSGI_CRASH_SIGNALS]; /* faulthandler's */
    int crash_report; /* descriptor that faulthandler writes to, or -1 */
};

extern struct wsgi_process wsgi_process;

/* threads=0 (service.c). An embedded Python always has threads. */
static inline int wsgi_is_service(void)
{
    return wsgi_process.settings.threads == 0;
}

/* Copies and decodes a launch block. 0, or -1 with one line in `error`. */
int wsgi_settings_load(struct wsgi_settings *settings, const void *block, size_t size, char *error,
                       size_t error_size);

/* Once, before any interpreter is set up: keys, locks, the main interpreter's record. Attached. */
int wsgi_process_begin(const struct wsgi_host *host, int embedded, char *error, size_t error_size);

int wsgi_process_start(const unsigned char *launch, size_t launch_size,
                       const struct wsgi_host *host, char *error, size_t error_size);
void wsgi_process_stop(unsigned seconds);

/* Microseconds since the epoch. */
int64_t wsgi_clock_wall(void);
/* Milliseconds of a clock that only goes forward. */
int64_t wsgi_clock_steady(void);

#endif
