/* SPDX-License-Identifier: Apache-2.0 */
#include "workers.h"

#include "room.h"

#include <string.h>

/* ---- requests that were given up ----------------------------------------- */

/* The connection may be another one by now, with a request of its own. */
static int goes_on(const struct wsgi_slot *slot, const struct wsgi_cell *cell)
{
    uint32_t connection = atomic_load(&cell->connection);
    uint32_t epoch = atomic_load(&cell->epoch);

    return atomic_load(&slot->shared->state) != WSGI_SLOT_DEAD &&
           atomic_load(&slot->shared->epoch) == epoch &&
           wsgi_board_is_busy(slot->board, epoch, connection) &&
           wsgi_board_started(slot->board, epoch, connection, atomic_load(&cell->sequence));
}

/* 1 when the cell was this holder's until now. */
static int turn_over(struct wsgi_slots *slots, struct wsgi_slot *slot, struct wsgi_cell *cell,
                     int32_t holder)
{
    int32_t given_up = -(int32_t)atomic_load(&cell->connection) - 1;

    int goes = goes_on(slot, cell);

    if (!atomic_compare_exchange_strong(&cell->holder, &holder, goes ? given_up : 0)) {
        return 0;
    }
    if (goes) {
        atomic_fetch_add(&slots->shared->given_up, 1);
    } else {
        wsgi_slots_one_less(&slot->shared->in_flight);
    }
    return 1;
}

static int free_ended_of(struct wsgi_slots *slots, struct wsgi_slot *slot, int *freed)
{
    int left = 0;
    int i;

    for (i = 0; i < slots->threads; i++) {
        int32_t holder = atomic_load(&slot->cells[i].holder);

        if (holder >= 0) {
            continue;
        }
        if (goes_on(slot, &slot->cells[i])) {
            left++;
        } else if (atomic_compare_exchange_strong(&slot->cells[i].holder, &holder, 0)) {
            wsgi_slots_one_less(&slot->shared->in_flight);
            wsgi_slots_one_less(&slots->shared->given_up);
            ++*freed;
        }
    }
    return left;
}

int wsgi_slots_free_ended(struct wsgi_slots *slots)
{
    int freed = 0;
    int left = 0;
    int i;

    if (atomic_load(&slots->shared->given_up) == 0) {
        return 0;
    }
    for (i = 0; i < slots->count; i++) {
        left += free_ended_of(slots, &slots->slot[i], &freed);
    }
    if (freed) {
        wsgi_room_serve(slots);
    }
    return left;
}

void wsgi_slots_give_up(struct wsgi_slots *slots, const struct wsgi_permit *permit)
{
    struct wsgi_slot *slot = &slots->slot[permit->slot];
    struct wsgi_cell *cell = &slot->cells[permit->cell];

    turn_over(slots, slot, cell, (int32_t)slots->self);
    wsgi_slots_free_ended(slots); /* it may have ended just now */
    wsgi_slots_ring(slots, slot);
    wsgi_room_serve(slots);
}

/* ---- free again ---------------------------------------------------------- */

void wsgi_slots_release(struct wsgi_slots *slots, const struct wsgi_permit *permit)
{
    wsgi_slots_put_back(slots, permit, (int32_t)slots->self);
    atomic_fetch_add_explicit(&slots->shared->turn, 1, memory_order_relaxed);
    wsgi_room_serve(slots);
}

void wsgi_slots_set_state(struct wsgi_slots *slots, int index, enum wsgi_slot_state state)
{
    atomic_store(&slots->slot[index].shared->state, (uint32_t)state);
    wsgi_room_serve(slots);
}

/* A child that is stopped gives nothing back, although its daemon may be done with the request: by
 * answering it, or because it has lost its patience. */
static int holds_for_nothing(const struct wsgi_slot *slot, const struct wsgi_cell *cell,
                             int32_t pid)
{
    char state = wsgi_slots_state_of(pid);

    return state == 'Z' || state == 'X' || ((state == 'T' || state == 't') && !goes_on(slot, cell));
}

static int reclaim_slot(struct wsgi_slots *slots, int index)
{
    struct wsgi_slot *slot = &slots->slot[index];
    uint32_t load = atomic_load(&slot->shared->in_flight);
    int freed = 0;
    int i;

    for (i = 0; i < slots->threads; i++) {
        int32_t pid = atomic_load(&slot->cells[i].holder);

        if (pid > 0 && holds_for_nothing(slot, &slot->cells[i], pid)) {
            freed += turn_over(slots, slot, &slot->cells[i], pid);
        }
    }
    /* Loses against a child that is just changing it: then the next second is soon enough. */
    atomic_compare_exchange_strong(&slot->shared->in_flight, &load,
                                   (uint32_t)wsgi_slots_count_cells(slots, index, 0));
    return freed;
}

/* A child that is killed between its cell and the hint leaves the hint too low. */
static void correct_given_up(struct wsgi_slots *slots)
{
    uint32_t hint = atomic_load(&slots->shared->given_up);
    uint32_t count = 0;
    int i;

    for (i = 0; i < slots->count; i++) {
        count +=
            (uint32_t)(wsgi_slots_count_cells(slots, i, 0) - wsgi_slots_count_cells(slots, i, 1));
    }
    atomic_compare_exchange_strong(&slots->shared->given_up, &hint, count);
}

int wsgi_slots_reclaim(struct wsgi_slots *slots)
{
    int freed = 0;
    int i;

    for (i = 0; i < slots->count; i++) {
        freed += reclaim_slot(slots, i);
    }
    correct_given_up(slots);
    wsgi_room_reclaim(slots);
    wsgi_room_serve(slots);
    return freed;
}

/* ---- for log lines ------------------------------------------------------- */

static void count_slot(const struct wsgi_slots *slots, int index, struct wsgi_slots_census *census)
{
    uint32_t now = wsgi_slots_seconds();
    int i;

    census->taken += wsgi_slots_count_cells(slots, index, 0);
    for (i = 0; i < slots->threads; i++) {
        const struct wsgi_cell *cell = &slots->slot[index].cells[i];
        int age = (int)(now - atomic_load(&cell->since));

        if (atomic_load(&cell->holder) != 0 && age > census->longest) {
            census->longest = age;
        }
    }
}

void wsgi_slots_count(const struct wsgi_slots *slots, struct wsgi_slots_census *census)
{
    int i;

    memset(census, 0, sizeof(*census));
    for (i = 0; i < slots->count; i++) {
        census->given_up +=
            wsgi_slots_count_cells(slots, i, 0) - wsgi_slots_count_cells(slots, i, 1);
        switch (atomic_load(&slots->slot[i].shared->state)) {
        case WSGI_SLOT_READY:
            census->ready++;
            count_slot(slots, i, census);
            break;
        case WSGI_SLOT_STARTING:
            census->starting++;
            break;
        case WSGI_SLOT_DRAINING:
            census->draining++;
            break;
        case WSGI_SLOT_HELD:
            census->held++;
            break;
        default:
            break;
        }
    }
    census->waiting = wsgi_room_count(slots);
}
