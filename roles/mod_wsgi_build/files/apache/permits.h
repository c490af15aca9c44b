/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Permits: which worker of which slot a request has. Only the cells are looked after here; who
 * waits for one is the waiting room's (room.h), and what frees one goes through workers.h.
 */
#ifndef WSGI_APACHE_PERMITS_H
#define WSGI_APACHE_PERMITS_H

#include "slots.h"

struct wsgi_permit {
    int slot;
    int cell;
};

enum wsgi_take {
    WSGI_TAKE_OK,
    WSGI_TAKE_BUSY,    /* every worker of every ready process is taken */
    WSGI_TAKE_AVOIDED, /* only the slot that is to be avoided is ready */
    WSGI_TAKE_NOBODY   /* no process is ready */
};

/* A permit in the READY slot with the fewest requests, not in slot `avoid` (-1: any), for a request
 * of Apache child `holder`. */
enum wsgi_take wsgi_slots_take(struct wsgi_slots *slots, int avoid, int32_t holder,
                               struct wsgi_permit *permit);
/* Back, and nothing else; unless it was taken from this holder meanwhile. */
void wsgi_slots_put_back(struct wsgi_slots *slots, const struct wsgi_permit *permit,
                         int32_t holder);

/* What the permit is used for: the request `sequence` on `connection` of process `epoch`. */
void wsgi_slots_note(struct wsgi_slots *slots, const struct wsgi_permit *permit, uint32_t epoch,
                     uint32_t connection, uint32_t sequence);

/* A slot is in this state. */
int wsgi_slots_have(const struct wsgi_slots *slots, enum wsgi_slot_state state);
/* No request of it is waited for; given up ones do not count. */
int wsgi_slots_idle(const struct wsgi_slots *slots, int index);
/* Workers with a request: `waited_for` counts those of living clients only. */
int wsgi_slots_count_cells(const struct wsgi_slots *slots, int index, int waited_for);

/* A hint becomes one less, never below 0: it may have been corrected meanwhile. */
void wsgi_slots_one_less(_Atomic uint32_t *hint);
/* Seconds of the monotonic clock, as `since` of a cell. */
uint32_t wsgi_slots_seconds(void);

/* Tells the supervisor that a permit came back, if the slot drains; the bell is to be read when it
 * rings. */
void wsgi_slots_ring(const struct wsgi_slots *slots, const struct wsgi_slot *slot);
void wsgi_slots_hear(const struct wsgi_slots *slots);
uint32_t wsgi_slots_next_epoch(struct wsgi_slots *slots);
/* The letter that the system has for a process's state, Z: it has ended, whether or not its parent
 * has noticed it; '?': it cannot be told. */
char wsgi_slots_state_of(int32_t pid);
/* The process has ended, whether or not its parent has noticed it. */
int wsgi_slots_is_gone(int32_t pid);

#endif
