/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Supervisor: new code for a group without a lost request.
 *
 * A renewal begins when a daemon finds a changed script, or by command. Processes are started that
 * load what the group had loaded; the old ones wait ("held") or serve on (overlap). The first that
 * is ready, in an overlap the last, lets the old ones drain: no old answer comes after a new one.
 * When the new code cannot be loaded, the old processes serve on and are told to keep what they
 * have until the file changes again.
 *
 * The second affair here: a process in which a script failed may not be fit for it any more
 * (modules that are half initialised). While requests ask for that script, another process tries
 * it, after 1, 2, 4, 4 ... s, and takes the first one's place when it can be loaded there.
 */
#ifndef WSGI_APACHE_RENEWAL_H
#define WSGI_APACHE_RENEWAL_H

#include "httpd.h"
#include "learned.h"

struct wsgi_minder;
struct wsgi_vars_writer;

enum wsgi_renewal_phase {
    WSGI_RENEWAL_NONE,
    WSGI_RENEWAL_LOADING, /* nobody answers with new code yet */
    WSGI_RENEWAL_FILLING  /* somebody does, the other places are being filled */
};

#define WSGI_LOGGED_MAX 8 /* tracebacks of a group that are remembered */

struct wsgi_renewal {
    struct wsgi_learned learned;
    struct wsgi_learned tried;  /* states of scripts that replacements of this renewal met */
    struct wsgi_learned kept;   /* those that a failed renewal met: not to be tried again */
    struct wsgi_learned urgent; /* at most one: what a new process is to load first */
    enum wsgi_renewal_phase phase;
    int overlap;
    int again;  /* by command, while this one was under way */
    int deaths; /* of replacements before they were ready */
    unsigned begun;
    unsigned ended;
    int succeeded; /* the last one that ended */
    apr_time_t since;
    char *trouble;                 /* why it fails, a traceback maybe; NULL: it does not */
    char *said;                    /* the same of the last one that ended */
    char *logged[WSGI_LOGGED_MAX]; /* tracebacks in the log, NULL: none; they are not repeated */
    int last_logged;
    int urgent_tried; /* another script that failed may have its turn */
    int wanted;       /* a request met a script that failed, since the last try */
    int probe;        /* the place in which another process tries it, -1 */
    unsigned tries;
    apr_time_t heal_at;
};

void wsgi_renewal_init(struct wsgi_minder *minder, apr_pool_t *pool);
/* A message with a note of process `index`. */
void wsgi_renewal_heard(struct wsgi_minder *minder, int index, uint32_t type,
                        const struct wsgi_tidings *note, apr_time_t now);
/* A process says READY. 1: it may take requests; 0: it does later. */
int wsgi_renewal_ready(struct wsgi_minder *minder, int index, apr_time_t now);
/* It takes them by now. */
void wsgi_renewal_opened(struct wsgi_minder *minder, int index, apr_time_t now);
/* A process ended that nobody had told to, still in its slot and place. */
void wsgi_renewal_ended(struct wsgi_minder *minder, int index, const char *how, apr_time_t now);
/* What is due; the time when it is due again. */
apr_time_t wsgi_renewal_tick(struct wsgi_minder *minder, apr_time_t now);
/* For the launch block of a new process. */
void wsgi_renewal_put(const struct wsgi_renewal *renewal, struct wsgi_vars_writer *writer);

/* By command: a number to ask with. */
unsigned wsgi_renewal_request(struct wsgi_minder *minder, apr_time_t now);
/* 1 when renewal `number` has ended; *succeeded, and *trouble when it has not. */
int wsgi_renewal_is_over(const struct wsgi_minder *minder, unsigned number, int *succeeded,
                         const char **trouble);

#endif
