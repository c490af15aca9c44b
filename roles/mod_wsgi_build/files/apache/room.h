/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The waiting room of a daemon group: requests that wait for a worker, in the order of their
 * coming.
 *
 * It lies in the group's shared memory, a seat for each request with the pid of its Apache child,
 * so that the seats of a dead child are found and freed. Whoever frees a worker hands it to the
 * request whose turn it is; nobody who comes later gets in between. One exception: while most of
 * the room comes from one client address, every second worker goes to the others.
 */
#ifndef WSGI_APACHE_ROOM_H
#define WSGI_APACHE_ROOM_H

#include "permits.h"

/* One request in the room. */
struct wsgi_visit {
    uint32_t client;
    int avoid;
    int limit;      /* so many may wait before it */
    int has_ticket; /* it was here before, and keeps its turn */
    uint32_t ticket;
    int seat;
};

enum wsgi_room {
    WSGI_ROOM_WAITING,
    WSGI_ROOM_SERVED, /* the permit is filled in */
    WSGI_ROOM_FULL    /* on coming in, or later: another client was to have the seat */
};

/* Nobody waits; a hint. Who finds it so may take a permit without coming in. */
int wsgi_room_is_empty(const struct wsgi_slots *slots);
/* So many wait. */
int wsgi_room_count(const struct wsgi_slots *slots);

/* Comes in; unless the answer is WSGI_ROOM_WAITING it is out again. */
enum wsgi_room wsgi_room_enter(struct wsgi_slots *slots, struct wsgi_visit *visit,
                               struct wsgi_permit *permit);
/* Waits for so long; unless the answer is WSGI_ROOM_WAITING it is out. */
enum wsgi_room wsgi_room_wait(struct wsgi_slots *slots, struct wsgi_visit *visit, int milliseconds,
                              struct wsgi_permit *permit);
/* From now on any slot will do. */
void wsgi_room_avoid_nothing(struct wsgi_slots *slots, struct wsgi_visit *visit);
/* How many came before it and still wait. */
int wsgi_room_rank(const struct wsgi_slots *slots, const struct wsgi_visit *visit);
/* Goes out. WSGI_ROOM_SERVED: it was just given a permit. */
enum wsgi_room wsgi_room_leave(struct wsgi_slots *slots, const struct wsgi_visit *visit,
                               struct wsgi_permit *permit);

/* Gives free workers to those who wait; whoever frees one calls it. */
void wsgi_room_serve(struct wsgi_slots *slots);
/* Supervisor: frees the seats of dead children. */
void wsgi_room_reclaim(struct wsgi_slots *slots);

#endif
