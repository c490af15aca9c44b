/* SPDX-License-Identifier: Apache-2.0 */
/* Supervisor: the life of the daemon processes of one group, from fork to wait status. */
#ifndef WSGI_APACHE_MINDER_H
#define WSGI_APACHE_MINDER_H

#include "group.h"
#include "logpipe.h"
#include "oom.h"
#include "renewal.h"
#include "workers.h"
#include "server.h"
#include "../wire/why.h"

struct rusage;

/* What is in a slot. */
struct wsgi_minded {
    pid_t pid;   /* 0: nothing */
    int adopted; /* a former supervisor's child: no control socket, no wait status */
    int control; /* our end, -1 */
    struct wsgi_logpipe log;
    int place; /* index of the place it fills, -1: it is being replaced */
    int heir;  /* it serves until a process is ready in this place; else -1 */
    enum wsgi_why heir_why;
    const char *heir_words; /* NULL: those of heir_why */
    enum wsgi_why due;      /* it is to be replaced when its turn comes; WSGI_WHY_NONE: it is not */
    apr_time_t due_since;
    apr_time_t born; /* all times of the monotonic clock; 0: not yet */
    apr_time_t ready;
    apr_time_t drain_since;
    apr_time_t stop_since;
    apr_time_t died; /* of the former process in the slot */
    apr_time_t heard_since;
    int heard;  /* messages since then, within a second */
    int killed; /* by us, shutdown-timeout was over */
    int failed; /* it said that it could not start */
    int asks;   /* for the scoreboard */
    apr_time_t answered;
    enum wsgi_why why;   /* it is to end, when `planned` is set, */
    const char *planned; /* which are words for the log; NULL: it is not */
    /* Of renewal.c: */
    int is_old;     /* it goes when new code can be loaded */
    int is_waiting; /* it is ready, but the old ones still serve */
    int is_rogue;   /* it broke the rules, nobody listens to it */
    int is_unfit;   /* a script failed in it */
};

/* One of the processes that the group is to have. */
struct wsgi_place {
    int slot; /* -1: empty */
    apr_time_t not_before;
    int failures;           /* early ends in a row */
    apr_time_t waits_since; /* a service: for the end of its former process; 0: it does not */
};

struct wsgi_minder {
    const struct wsgi_group *group;
    const struct wsgi_supervisor_settings *settings;
    struct wsgi_slots *slots;
    struct wsgi_place *places;  /* group->processes of them */
    struct wsgi_minded *minded; /* one a slot */
    struct wsgi_renewal *renewal;
    int alive;           /* slots with a process */
    int closing;         /* nothing is started any more */
    int pointed;         /* the main log has its line about this group */
    apr_time_t retired;  /* another generation takes what is new; 0: not so */
    struct wsgi_oom oom; /* what the kernel has killed for lack of memory */
};

apr_time_t wsgi_minder_clock(void);

/* Takes over what a former supervisor left in the slots. `start` is when to begin starting. */
void wsgi_minder_init(struct wsgi_minder *minder, apr_pool_t *pool, const struct wsgi_group *group,
                      const struct wsgi_supervisor_settings *settings, apr_time_t start);
/* Everything that is due: starts, drains, stops, kills. The time when it is due again. */
apr_time_t wsgi_minder_tick(struct wsgi_minder *minder, apr_time_t now);
/* Something came on the control socket of a slot. */
void wsgi_minder_control(struct wsgi_minder *minder, int index, apr_time_t now);
/* Once a second: whether the processes still have what they serve with. */
void wsgi_minder_look(struct wsgi_minder *minder, apr_time_t now);
/* 1 when `pid` was one of its own; `status` and `usage` are from wait4. */
int wsgi_minder_reap(struct wsgi_minder *minder, pid_t pid, int status, const struct rusage *usage,
                     apr_time_t now);
enum wsgi_slot_state wsgi_minder_state(const struct wsgi_minder *minder, int index);
/* 0: the slot is empty. */
void wsgi_minder_set_process(struct wsgi_minder *minder, int index, pid_t pid);
/* The group has trouble: one line in the main log says where more is, once. */
void wsgi_minder_point(struct wsgi_minder *minder);
/* Another generation took over: the Apache processes of this one are still served, for
 * graceful-timeout at most. */
void wsgi_minder_retire(struct wsgi_minder *minder, apr_time_t now);
/* No more starts; all processes drain, and end as soon as no request is left. */
void wsgi_minder_drain_all(struct wsgi_minder *minder, const char *why, apr_time_t now);
/* No more starts; all processes end now. */
void wsgi_minder_stop_all(struct wsgi_minder *minder, const char *why, apr_time_t now);

/* ---- for renewal.c */
/* It is ready: it takes requests. */
void wsgi_minder_open(struct wsgi_minder *minder, int index, apr_time_t now);
/* It is not ready yet, and is not to become it: out of its place, and ended. */
void wsgi_minder_abandon(struct wsgi_minder *minder, int index, const char *words, apr_time_t now);
/* Its place is for another one, and it serves until that one is ready. */
void wsgi_minder_make_heir(struct wsgi_minder *minder, int index, enum wsgi_why why);
void wsgi_minder_give_place(struct wsgi_minder *minder, int index, int place);
/* `note` may be NULL. */
void wsgi_minder_tell_note(struct wsgi_minder *minder, int index, uint32_t type,
                           const struct wsgi_tidings *note);

#endif
