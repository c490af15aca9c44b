/* SPDX-License-Identifier: Apache-2.0 */
/* The daemon: main thread (serve.c), workers (worker.c), connections (connection.c). */
#ifndef WSGI_PYTHON_SERVE_H
#define WSGI_PYTHON_SERVE_H

#include "compat.h"

#include <pthread.h>
#include <stdint.h>

#include "../wire/board.h"
#include "../wire/frame.h"

struct wsgi_connection;

/* Lives as long as the process; one, made by serve(). Words that threads share are atomic. */
struct wsgi_daemon {
    struct wsgi_board *board;
    int epoll;
    int listener;
    int wake_workers; /* eventfd in the epoll, level-triggered: set once, at the stop */
    int wake_main;    /* eventfd: counts changed, a worker ended, an order was placed */
    int stopping;     /* workers take nothing new */
    int draining;
    int accept_stalled; /* accept() ran out of descriptors: the main thread tries again */
    int reload_told;
    int spent;          /* it has served maximum-requests, which the supervisor knows */
    const char *reason; /* why this process ends: the first one that was noted; atomic */
    int connections_open;
    int connections_new; /* of these, the ones that have not said HELLO yet */
    int stop_signal;     /* set by the signal handler */
    int drain_signal;

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
    struct wsgi_connection *free_list;

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

/* Tells the main thread to look. Async-signal-safe. */
void wsgi_daemon_poke(struct wsgi_daemon *daemon);
/* Why this process will end, as mod_wsgi.shutdown_reason; what was noted first stays. */
void wsgi_daemon_note(struct wsgi_daemon *daemon, const char *reason);
/* Tells the supervisor something (enum wsgi_control_type). */
/* `why` as enum wsgi_why, for LEAVING. */
void wsgi_daemon_tell(uint32_t type, uint32_t why);

/* Main thread: waits up to so many milliseconds for a word of the supervisor, and obeys it. 0: none
 * came, or none will come any more. */
int wsgi_daemon_hear(int milliseconds);

/* title.c */
void wsgi_title_set(const char *title);

#endif
