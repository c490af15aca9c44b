/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Whoever frees a worker hands it on to the next who waits: the end of a request, one that was
 * given up, a slot that becomes ready, the permits of a dead child.
 */
#ifndef WSGI_APACHE_WORKERS_H
#define WSGI_APACHE_WORKERS_H

#include "permits.h"

/* Back, and to the next who waits. */
void wsgi_slots_release(struct wsgi_slots *slots, const struct wsgi_permit *permit);

/* Nobody waits for the answer to that request any more, but its worker may go on with it. The
 * permit is freed when it does not. */
void wsgi_slots_give_up(struct wsgi_slots *slots, const struct wsgi_permit *permit);
/* Frees the workers whose given up request has ended; says how many go on. Cheap when there are
 * none. */
int wsgi_slots_free_ended(struct wsgi_slots *slots);

/* Supervisor. */
void wsgi_slots_set_state(struct wsgi_slots *slots, int index, enum wsgi_slot_state state);
/* Takes permits and seats from dead children, says how many permits; from those that are stopped
 * the permits of requests that have ended. */
int wsgi_slots_reclaim(struct wsgi_slots *slots);

struct wsgi_slots_census {
    int ready;
    int starting;
    int draining;
    int held;
    int taken;    /* workers of ready processes that have a request */
    int given_up; /* workers of any process with a request nobody waits for any more */
    int longest;  /* seconds that the oldest request of the ready ones has been running */
    int waiting;  /* requests without a worker */
};

void wsgi_slots_count(const struct wsgi_slots *slots, struct wsgi_slots_census *census);

#endif
