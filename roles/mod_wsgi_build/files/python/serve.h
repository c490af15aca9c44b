/* SPDX-License-Identifier: Apache-2.0 */
/* The daemon: main thread (serve.c), its supervisor (control.c), workers (worker.c), connections
 * (connection.c). */
#ifndef WSGI_PYTHON_SERVE_H
#define WSGI_PYTHON_SERVE_H

#include "compat.h"

#include <pthread.h>
#include <stdint.h>

#include "../wire/board.h"
#include "../wire/frame.h"
#include "../wire/why.h"

struct wsgi_connection;

/* What is told of once a minute. Atomic. */
struct wsgi_refusals {
    int64_t told; /* steady clock; 0: never */
    unsigned untold;
};

/* Lives as long as the process; one, made by serve(). Words that threads share are atomic. */
struct wsgi_daemon {
    struct wsgi_board *board;
    int epoll;
    int listener;
    int wake_workers; /* eventfd in the epoll, level-triggered: set once, at the stop */
    int wake_main;    /* eventfd: counts changed, a worker ended, an order was placed */
    int stopping;     /* workers take nothing new */
    int draining;
    int64_t orphaned;    /* steady clock: since when there is no supervisor, 0: there is one */
    int accept_stalled;  /* accept() ran out of descriptors: the main thread tries again */
    int64_t reload_told; /* when the supervisor was told last, steady clock; atomic */
    int refusing;        /* a request cannot be served here any more: another process takes it */
    int leaving;         /* enum wsgi_why that the supervisor was told, 0: none; atomic */
    int spent;           /* it has served maximum-requests, which the supervisor knows */
    const char *reason;  /* why this process ends: the first one that was noted; atomic */
    struct wsgi_refusals foreigners; /* connections of other users, */
    struct wsgi_refusals surplus;    /* and those for which there was no number */
    int connections_open;
    int connections_new; /* of these, the ones that have not said HELLO yet */
    int stop_signal;     /* set by the signal handler */
    int leave_signal;    /* likewise: enum wsgi_why */
    int cpu_told;

    /* SIGHUP and SIGUSR2: the handler writes a byte, the dispatcher reads it. It is started by the
     * first signal. */
    int signal_pipe[2];
    int signal_seen;
    int dispatcher_made; /* -1: it is to end, or not to be made any more; atomic */
    int dispatcher_left; /* 1 once it has ended */
    pthread_t dispatcher;

    int workers_left;
    pthread_t *workers;
    int worker_count;
    pthread_mutex_t table_lock;
    struct wsgi_connection *table[WSGI_BOARD_CONNECTIONS]; /* made at first use, never freed */
    uint32_t table_used;                                   /* entries of `table` made so far */
    struct wsgi_connection *free_list;                     /* first in, first out */
    struct wsgi_connection *free_last;
    int connections_most; /* from here on idle ones are closed for new ones */

    /* An interpreter a worker wants; guarded by order_lock, one at a time (create_lock). */
    pthread_mutex_t order_lock;
    pthread_cond_t order_done;
    const char *order_name;
    struct wsgi_interp *order_result;
    int order_open;
};

/* What the epoll holds besides connections; a connection's index is far below. */
#define WSGI_TAG_LISTENER UINT64_MAX
#define WSGI_TAG_WAKE (UINT64_MAX - 1)

/* _mod_wsgi.serve() */
PyObject *wsgi_serve(PyObject *module, PyObject *unused);

/* dispatch.c: signals that are the application's. The handler's part is async-signal-safe. */
int wsgi_dispatch_prepare(struct wsgi_daemon *daemon);
void wsgi_dispatch_signal(struct wsgi_daemon *daemon, int number);
/* Main thread, detached: starts the dispatcher if there is something for it. */
void wsgi_dispatch_begin(struct wsgi_daemon *daemon);
/* Main thread: nothing new is delivered; 1 when nothing is being delivered either. */
int wsgi_dispatch_end(struct wsgi_daemon *daemon);

/* worker.c: starts `count` workers. 0 or an errno. */
int wsgi_workers_start(struct wsgi_daemon *daemon, int count);
void wsgi_workers_join(struct wsgi_daemon *daemon);

/* serve.c: what the main thread of any daemon does. */
void wsgi_daemon_catch_signals(void);
void wsgi_daemon_tell_stopping(struct wsgi_daemon *daemon);

/* control.c */
/* Tells the main thread to look. Async-signal-safe. */
void wsgi_daemon_poke(struct wsgi_daemon *daemon);
/* Why this process will end, as mod_wsgi.shutdown_reason; what was noted first stays. */
void wsgi_daemon_note(struct wsgi_daemon *daemon, const char *reason);
/* This process is to be replaced: notes and tells why, once. It serves until it is told to drain.
 * Async-signal-unsafe; any thread. */
void wsgi_daemon_leave(enum wsgi_why why);
/* From now on requests are left to other processes: here they could only wait. */
void wsgi_daemon_refuse(void);
/* Tells the supervisor something (enum wsgi_control_type); `why` as enum wsgi_why, else 0. */
void wsgi_daemon_tell(uint32_t type, uint32_t why);

struct wsgi_tidings;
/* The same about a script (wire/note.h). Those of some types come with each request, and are not
 * sent more often than is good for anything: `told` says when one was sent last, or is NULL. -1: it
 * cannot be told. */
int wsgi_daemon_tell_note(uint32_t type, const struct wsgi_tidings *note, int64_t *told);
/* Main thread, before READY: a script cannot be loaded. 0: go on without it; -1: the process is to
 * end. */
int wsgi_daemon_ask(const struct wsgi_tidings *note);
/* Main thread: waits up to so many milliseconds for a word of the supervisor, and obeys it. 0: none
 * came, or none will come any more. */
int wsgi_daemon_hear(int milliseconds);
/* One message of the supervisor. 0: its end is closed. */
int wsgi_daemon_take_control(struct wsgi_daemon *daemon);
/* Without a supervisor nobody else sees that httpd is gone, too. */
void wsgi_daemon_look_after_httpd(struct wsgi_daemon *daemon);

/* title.c */
void wsgi_title_set(const char *title);

#endif
