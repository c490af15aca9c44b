/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The monitor of a daemon: a thread that never touches Python and watches over all time-outs and
 * limits that only the process itself can see. It sleeps until the next one is due.
 *
 * Workers write down what they work on (struct wsgi_watch, one each); that costs a lock nobody
 * else wants, and no system call. What needs Python (is the GIL to be had? raise RequestTimeout)
 * is done by threads that may get stuck (helper.c).
 */
#ifndef WSGI_PYTHON_MONITOR_H
#define WSGI_PYTHON_MONITOR_H

#include "compat.h"

#include <pthread.h>
#include <stdint.h>

#include "../wire/why.h"
#include "stacks.h"

struct wsgi_run;
struct wsgi_interp;
struct wsgi_thread;

/* What one worker works on. */
struct wsgi_watch {
    pthread_mutex_t lock; /* never held while anything is waited for */
    pthread_t thread;
    pid_t tid;
    PyThreadState *state; /* for stacks.h; written by its own thread only */
    struct wsgi_run *run; /* NULL: nothing */
    uint64_t serial;      /* of its requests */
    int64_t since;        /* steady clock: when the time of the request began */
    int64_t interrupted;  /* likewise: RequestTimeout was ordered, 0: it was not */
    int is_loading;       /* it waits for its script to be loaded: its time has not begun */
    int is_open;          /* it is inside the application: may be interrupted */
    int was_raised;       /* RequestTimeout was set for its thread */
    int is_stuck;         /* it is over all its time: nothing waits for it */
    int is_active;        /* it pushes back the inactivity-timeout */
};

struct wsgi_monitor {
    pthread_t thread;
    int wake; /* eventfd */
    struct wsgi_watch *watches;
    int watch_count;
    int watches_taken;  /* atomic */
    int stuck;          /* requests that nothing waits for; atomic */
    int is_ready;       /* the supervisor knows; atomic */
    int64_t startup;    /* steady clock: the first load began; 0: not yet, -1: one has worked */
    int64_t activity;   /* steady clock: last activity, 0: none yet; atomic */
    int64_t ending;     /* steady clock: since when the process ends, 0: it does not; atomic */
    int64_t planned;    /* when it meant to wake up */
    int told;           /* 1 << enum wsgi_why: what was reported once */
    int64_t data_first; /* bytes of data seen below the limit, 0: never */

    /* helper.c */
    int helpers;       /* threads that live; atomic */
    int probe_wake;    /* eventfd */
    int probe_is_on;   /* atomic */
    int64_t probed;    /* steady clock: the GIL was had; atomic */
    const char *probe; /* name of the interpreter whose GIL is waited for; atomic */

    struct wsgi_stack stack; /* of the thread that was asked last */
    char text[WSGI_STACK_TEXT + 4096];
};

/* Main thread, attached, before any script is loaded. 0, or -1 with errno. */
int wsgi_monitor_start(int threads);
/* The process is ready: what is not done within shutdown-timeout from `ending` on is cut. */
void wsgi_monitor_ready(void);
void wsgi_monitor_ending(void);
/* Requests that are over all their time: nothing waits for these. */
int wsgi_monitor_stuck(void);

/* ---- what the workers say; cheap, and nothing unless a daemon's worker calls ---- */
/* A worker, once. */
void wsgi_watch_take(void);
void wsgi_watch_begin(struct wsgi_run *run);
/* Attached to the interpreter of the run. */
void wsgi_watch_attached(struct wsgi_run *run);
void wsgi_watch_end(struct wsgi_run *run);
/* Around the application, attached: only in between RequestTimeout may be raised. */
void wsgi_watch_open(struct wsgi_run *run);
void wsgi_watch_close(struct wsgi_run *run);
/* Around waiting for a script and loading it, attached. `loaded`: it is there now. */
void wsgi_watch_load_begin(void);
void wsgi_watch_load_end(int loaded);
/* Who loads scripts of this interpreter now, attached; 0: nobody. */
void wsgi_watch_loader(struct wsgi_interp *interp, int is_me);
/* A body was read, a block was sent. */
void wsgi_watch_activity(const struct wsgi_watch *watch);

/* ---- helper.c ------------------------------------------------------------ */
/* Takes the GIL every now and then, and notes when. 0 or an errno. */
int wsgi_helper_probe(void);
/* Main thread: nothing of helpers is left once this returns 1. Poked until then. */
int wsgi_helper_end(void);
/* Raises RequestTimeout in the request `serial` of the watch, unless it has left the
 * application. 0 or an errno. */
int wsgi_helper_interrupt(struct wsgi_watch *watch, uint64_t serial, struct wsgi_interp *interp);

#endif
