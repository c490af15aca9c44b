/* SPDX-License-Identifier: Apache-2.0 */
#include "permits.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

uint32_t wsgi_slots_seconds(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC_COARSE, &now);
    return (uint32_t)now.tv_sec;
}

static int take_cell(struct wsgi_slots *slots, int index, int32_t holder,
                     struct wsgi_permit *permit)
{
    struct wsgi_slot *slot = &slots->slot[index];
    int i;

    for (i = 0; i < slots->threads; i++) {
        struct wsgi_cell *cell = &slot->cells[i];
        int32_t nobody = 0;

        if (atomic_load_explicit(&cell->holder, memory_order_relaxed) == 0 &&
            atomic_compare_exchange_strong(&cell->holder, &nobody, holder)) {
            atomic_store_explicit(&cell->since, wsgi_slots_seconds(), memory_order_relaxed);
            permit->slot = index;
            permit->cell = i;
            atomic_fetch_add(&slot->shared->in_flight, 1);
            return 1;
        }
    }
    return 0;
}

/* How busy a slot is; UINT32_MAX when it is none to be taken. */
static uint32_t load_of(const struct wsgi_slots *slots, int index, int avoid,
                        const unsigned char *tried)
{
    const struct wsgi_slot_shared *slot = slots->slot[index].shared;

    if (index == avoid || tried[index] || atomic_load(&slot->state) != WSGI_SLOT_READY) {
        return UINT32_MAX;
    }
    return atomic_load_explicit(&slot->in_flight, memory_order_relaxed);
}

/* The least busy READY slot that is not in `tried`, -1: none. Those that are equally busy take
 * turns. */
static int least_busy(const struct wsgi_slots *slots, int avoid, uint32_t turn,
                      const unsigned char *tried)
{
    uint32_t best_load = UINT32_MAX;
    uint32_t equals = 0;
    int best = -1;
    int i;

    for (i = 0; i < slots->count; i++) {
        uint32_t load = load_of(slots, i, avoid, tried);

        equals = load < best_load ? 1 : equals + (load == best_load);
        best_load = load < best_load ? load : best_load;
    }
    if (best_load == UINT32_MAX) {
        return -1;
    }
    turn %= equals;
    for (i = 0; i < slots->count; i++) {
        uint32_t load = load_of(slots, i, avoid, tried);

        if (load == UINT32_MAX) {
            continue;
        }
        if (best < 0) {
            best = i; /* unless a better one follows; loads change while we look */
        }
        if (load <= best_load) {
            best = i;
            if (turn-- == 0) {
                break;
            }
        }
    }
    return best;
}

void wsgi_slots_one_less(_Atomic uint32_t *hint)
{
    uint32_t count = atomic_load(hint);

    while (count > 0 && !atomic_compare_exchange_weak(hint, &count, count - 1)) {
    }
}

static int is_ready(const struct wsgi_slots *slots, int index)
{
    return index >= 0 && index < slots->count &&
           atomic_load(&slots->slot[index].shared->state) == WSGI_SLOT_READY;
}

enum wsgi_take wsgi_slots_take(struct wsgi_slots *slots, int avoid, int32_t holder,
                               struct wsgi_permit *permit)
{
    unsigned char tried[slots->count];
    uint32_t turn = atomic_load_explicit(&slots->shared->turn, memory_order_relaxed);
    enum wsgi_take answer = is_ready(slots, avoid) ? WSGI_TAKE_AVOIDED : WSGI_TAKE_NOBODY;
    int index;

    memset(tried, 0, sizeof(tried));
    while ((index = least_busy(slots, avoid, turn, tried)) >= 0) {
        tried[index] = 1;
        if (!take_cell(slots, index, holder, permit)) {
            answer = WSGI_TAKE_BUSY;
            continue;
        }
        /* The supervisor first stops a slot, then looks for permits; we do it the other way
         * round, so that one of us sees the other. */
        if (is_ready(slots, index)) {
            return WSGI_TAKE_OK;
        }
        wsgi_slots_put_back(slots, permit, holder);
    }
    return answer;
}

/* The supervisor waits for the last request of a process that drains. Should the bell fail, it
 * looks each second, too. */
void wsgi_slots_ring(const struct wsgi_slots *slots, const struct wsgi_slot *slot)
{
    uint64_t one = 1;

    if (atomic_load(&slot->shared->state) == WSGI_SLOT_DRAINING) {
        ssize_t done = write(slots->bell, &one, sizeof(one));

        (void)done;
    }
}

/* Of a process that was stopped meanwhile it may be taken from, and another's by now. */
void wsgi_slots_put_back(struct wsgi_slots *slots, const struct wsgi_permit *permit, int32_t holder)
{
    struct wsgi_slot *slot = &slots->slot[permit->slot];

    if (atomic_compare_exchange_strong(&slot->cells[permit->cell].holder, &holder, 0)) {
        wsgi_slots_one_less(&slot->shared->in_flight);
    }
    wsgi_slots_ring(slots, slot);
}

int wsgi_slots_have(const struct wsgi_slots *slots, enum wsgi_slot_state state)
{
    int i;

    for (i = 0; i < slots->count; i++) {
        if (atomic_load(&slots->slot[i].shared->state) == (uint32_t)state) {
            return 1;
        }
    }
    return 0;
}

void wsgi_slots_note(struct wsgi_slots *slots, const struct wsgi_permit *permit, uint32_t epoch,
                     uint32_t connection, uint32_t sequence)
{
    struct wsgi_cell *cell = &slots->slot[permit->slot].cells[permit->cell];

    atomic_store_explicit(&cell->epoch, epoch, memory_order_relaxed);
    atomic_store_explicit(&cell->connection, connection, memory_order_relaxed);
    atomic_store_explicit(&cell->sequence, sequence, memory_order_release);
}

int wsgi_slots_count_cells(const struct wsgi_slots *slots, int index, int waited_for)
{
    int taken = 0;
    int i;

    for (i = 0; i < slots->threads; i++) {
        int32_t holder = atomic_load(&slots->slot[index].cells[i].holder);

        taken += waited_for ? holder > 0 : holder != 0;
    }
    return taken;
}

int wsgi_slots_idle(const struct wsgi_slots *slots, int index)
{
    return wsgi_slots_count_cells(slots, index, 1) == 0;
}

char wsgi_slots_state_of(int32_t pid)
{
    char path[64];
    char text[512];
    const char *state;
    ssize_t got;
    int fd;

    if (kill((pid_t)pid, 0) < 0) {
        return errno == ESRCH ? 'Z' : '?';
    }
    snprintf(path, sizeof(path), "/proc/%ld/stat", (long)pid);
    fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0) {
        return '?';
    }
    got = read(fd, text, sizeof(text) - 1);
    close(fd);
    text[got > 0 ? got : 0] = '\0';
    state = strrchr(text, ')'); /* the name before it may hold anything */
    return state && state[1] ? state[2] : '?';
}

int wsgi_slots_is_gone(int32_t pid)
{
    char state = wsgi_slots_state_of(pid);

    return state == 'Z' || state == 'X';
}

void wsgi_slots_hear(const struct wsgi_slots *slots)
{
    uint64_t count;

    while (read(slots->bell, &count, sizeof(count)) < 0 && errno == EINTR) {
    }
}

uint32_t wsgi_slots_next_epoch(struct wsgi_slots *slots)
{
    return atomic_fetch_add(&slots->shared->last_epoch, 1) + 1;
}
