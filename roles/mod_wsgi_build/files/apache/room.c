/* SPDX-License-Identifier: Apache-2.0 */
#include "room.h"

#include <linux/futex.h>
#include <string.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

/* What a seat's request got: nothing yet, one more than the number of a permit, or the door. */
#define GOT_NOTHING UINT32_MAX
#define GOT_OUT 0u /* left, or was never in line: so the table begins */

static uint64_t word_of(uint32_t ticket, uint32_t got)
{
    return (uint64_t)ticket << 32 | got;
}

static uint32_t ticket_of(uint64_t word)
{
    return (uint32_t)(word >> 32);
}

static uint32_t got_of(uint64_t word)
{
    return (uint32_t)word;
}

static int is_before(uint32_t one, uint32_t other)
{
    return (int32_t)(one - other) < 0;
}

/* 1 when a request waits in this seat. */
static int is_waiting(const struct wsgi_seat *seat, uint64_t *word)
{
    if (atomic_load_explicit(&seat->holder, memory_order_relaxed) == 0) {
        return 0;
    }
    *word = atomic_load(&seat->word);
    return got_of(*word) == GOT_NOTHING;
}

int wsgi_room_is_empty(const struct wsgi_slots *slots)
{
    return atomic_load(&slots->shared->waiting) == 0;
}

int wsgi_room_count(const struct wsgi_slots *slots)
{
    uint64_t word;
    int count = 0;
    int i;

    for (i = 0; i < slots->seat_count; i++) {
        count += is_waiting(&slots->seats[i], &word);
    }
    return count;
}

int wsgi_room_rank(const struct wsgi_slots *slots, const struct wsgi_visit *visit)
{
    uint64_t word;
    int rank = 0;
    int i;

    for (i = 0; i < slots->seat_count; i++) {
        rank += is_waiting(&slots->seats[i], &word) && is_before(ticket_of(word), visit->ticket);
    }
    return rank;
}

/* ---- clients ------------------------------------------------------------- */

/* The client with more than half of those who wait. 0: there is none. */
static int find_hog(const struct wsgi_slots *slots, uint32_t *hog)
{
    uint64_t word;
    int lead = 0;
    int all = 0;
    int its = 0;
    int i;

    for (i = 0; i < slots->seat_count; i++) {
        uint32_t client = atomic_load_explicit(&slots->seats[i].client, memory_order_relaxed);

        if (!is_waiting(&slots->seats[i], &word)) {
            continue;
        }
        all++;
        *hog = lead == 0 ? client : *hog;
        lead += *hog == client ? 1 : -1;
    }
    for (i = 0; i < slots->seat_count && all; i++) {
        its += is_waiting(&slots->seats[i], &word) &&
               atomic_load_explicit(&slots->seats[i].client, memory_order_relaxed) == *hog;
    }
    return 2 * its > all ? all : 0;
}

static void ring(struct wsgi_seat *seat)
{
    atomic_fetch_add(&seat->bell, 1);
    syscall(SYS_futex, (uint32_t *)&seat->bell, FUTEX_WAKE, 1, NULL, NULL, 0);
}

/* A room that is full, most of it of one client, and here comes another one: the last who came
 * for that client goes. Behind a proxy whose clients have all one address nothing changes. */
static int show_one_out(struct wsgi_slots *slots, const struct wsgi_visit *visit)
{
    struct wsgi_seat *last = NULL;
    uint64_t last_word = 0;
    uint32_t hog = 0;
    uint64_t word;
    int i;

    if (!find_hog(slots, &hog) || hog == visit->client) {
        return 0;
    }
    for (i = 0; i < slots->seat_count; i++) {
        struct wsgi_seat *seat = &slots->seats[i];

        if (atomic_load(&seat->client) == hog && is_waiting(seat, &word) &&
            (!last || is_before(ticket_of(last_word), ticket_of(word)))) {
            last = seat;
            last_word = word;
        }
    }
    if (!last || !atomic_compare_exchange_strong(&last->word, &last_word,
                                                 word_of(ticket_of(last_word), GOT_OUT))) {
        return 0;
    }
    ring(last);
    return 1;
}

/* ---- handing out --------------------------------------------------------- */

/* Whose turn it is among those whose ticket comes after `passed`. `not_of`: not of that client. */
static struct wsgi_seat *oldest(struct wsgi_slots *slots, const uint32_t *passed,
                                const uint32_t *not_of, uint64_t *its_word)
{
    struct wsgi_seat *best = NULL;
    uint64_t word;
    int i;

    for (i = 0; i < slots->seat_count; i++) {
        struct wsgi_seat *seat = &slots->seats[i];

        if (!is_waiting(seat, &word) || (passed && !is_before(*passed, ticket_of(word))) ||
            (not_of && atomic_load(&seat->client) == *not_of)) {
            continue;
        }
        if (!best || is_before(ticket_of(word), ticket_of(*its_word))) {
            best = seat;
            *its_word = word;
        }
    }
    return best;
}

static struct wsgi_seat *next_in_line(struct wsgi_slots *slots, const uint32_t *passed,
                                      uint64_t *word)
{
    struct wsgi_seat *seat = NULL;
    uint32_t hog;

    if (atomic_load(&slots->shared->served) % 2 && 2 * find_hog(slots, &hog) >= slots->room) {
        seat = oldest(slots, passed, &hog, word);
    }
    return seat ? seat : oldest(slots, passed, NULL, word);
}

static uint32_t number_of(const struct wsgi_slots *slots, const struct wsgi_permit *permit)
{
    return (uint32_t)permit->slot * (uint32_t)slots->threads + (uint32_t)permit->cell;
}

static int give(struct wsgi_slots *slots, struct wsgi_seat *seat, uint64_t word,
                const struct wsgi_permit *permit)
{
    uint64_t given = word_of(ticket_of(word), number_of(slots, permit) + 1);

    if (!atomic_compare_exchange_strong(&seat->word, &word, given)) {
        return 0;
    }
    atomic_fetch_add(&slots->shared->served, 1);
    ring(seat);
    return 1;
}

void wsgi_room_serve(struct wsgi_slots *slots)
{
    struct wsgi_permit permit;
    const uint32_t *passed = NULL;
    uint32_t ticket;
    uint64_t word = 0;

    while (!wsgi_room_is_empty(slots)) {
        struct wsgi_seat *seat = next_in_line(slots, passed, &word);
        int32_t holder = seat ? atomic_load(&seat->holder) : 0;
        enum wsgi_take answer;

        if (!seat || holder == 0) {
            return;
        }
        answer = wsgi_slots_take(slots, atomic_load(&seat->avoid), holder, &permit);
        if (answer == WSGI_TAKE_AVOIDED) {
            ticket = ticket_of(word); /* maybe it will do for somebody else */
            passed = &ticket;
        } else if (answer != WSGI_TAKE_OK) {
            return;
        } else if (!give(slots, seat, word, &permit)) {
            wsgi_slots_put_back(slots, &permit, holder);
        }
    }
}

/* ---- one request --------------------------------------------------------- */

static int take_seat(struct wsgi_slots *slots, const struct wsgi_visit *visit)
{
    int i;

    for (i = 0; i < slots->seat_count; i++) {
        struct wsgi_seat *seat = &slots->seats[i];
        int32_t nobody = 0;

        if (atomic_load_explicit(&seat->holder, memory_order_relaxed) == 0 &&
            atomic_compare_exchange_strong(&seat->holder, &nobody, (int32_t)slots->self)) {
            atomic_store(&seat->avoid, visit->avoid);
            atomic_store(&seat->client, visit->client);
            return i;
        }
    }
    return -1;
}

/* The hint may have been corrected meanwhile: never below 0. */
static void one_less(struct wsgi_slots *slots)
{
    uint32_t count = atomic_load(&slots->shared->waiting);

    while (count > 0 && !atomic_compare_exchange_weak(&slots->shared->waiting, &count, count - 1)) {
    }
}

enum wsgi_room wsgi_room_leave(struct wsgi_slots *slots, const struct wsgi_visit *visit,
                               struct wsgi_permit *permit)
{
    struct wsgi_seat *seat = &slots->seats[visit->seat];
    uint64_t word = word_of(visit->ticket, GOT_NOTHING);
    uint32_t got = GOT_OUT;

    if (!atomic_compare_exchange_strong(&seat->word, &word, word_of(visit->ticket, GOT_OUT))) {
        got = got_of(word);
    }
    atomic_store(&seat->holder, 0);
    one_less(slots);
    if (got == GOT_OUT) {
        return WSGI_ROOM_FULL;
    }
    permit->slot = (int)((got - 1) / (uint32_t)slots->threads);
    permit->cell = (int)((got - 1) % (uint32_t)slots->threads);
    return WSGI_ROOM_SERVED;
}

static enum wsgi_room look(struct wsgi_slots *slots, const struct wsgi_visit *visit,
                           struct wsgi_permit *permit)
{
    if (got_of(atomic_load(&slots->seats[visit->seat].word)) == GOT_NOTHING) {
        return WSGI_ROOM_WAITING;
    }
    return wsgi_room_leave(slots, visit, permit);
}

enum wsgi_room wsgi_room_enter(struct wsgi_slots *slots, struct wsgi_visit *visit,
                               struct wsgi_permit *permit)
{
    enum wsgi_room answer;

    atomic_fetch_add(&slots->shared->waiting, 1);
    visit->seat = take_seat(slots, visit);
    if (visit->seat < 0) {
        one_less(slots);
        return WSGI_ROOM_FULL;
    }
    if (!visit->has_ticket) {
        visit->ticket = atomic_fetch_add(&slots->shared->tickets, 1);
        visit->has_ticket = 1;
    }
    atomic_store(&slots->seats[visit->seat].word, word_of(visit->ticket, GOT_NOTHING));
    wsgi_room_serve(slots);
    answer = look(slots, visit, permit);
    if (answer != WSGI_ROOM_WAITING || wsgi_room_rank(slots, visit) < visit->limit ||
        show_one_out(slots, visit)) {
        return answer;
    }
    return wsgi_room_leave(slots, visit, permit);
}

enum wsgi_room wsgi_room_wait(struct wsgi_slots *slots, struct wsgi_visit *visit, int milliseconds,
                              struct wsgi_permit *permit)
{
    struct timespec timeout = {.tv_sec = milliseconds / 1000,
                               .tv_nsec = (long)(milliseconds % 1000) * 1000000L};
    struct wsgi_seat *seat = &slots->seats[visit->seat];
    uint32_t heard = atomic_load(&seat->bell);
    enum wsgi_room answer = look(slots, visit, permit);

    if (answer == WSGI_ROOM_WAITING) {
        syscall(SYS_futex, (uint32_t *)&seat->bell, FUTEX_WAIT, heard, &timeout, NULL, 0);
        answer = look(slots, visit, permit);
    }
    return answer;
}

void wsgi_room_avoid_nothing(struct wsgi_slots *slots, struct wsgi_visit *visit)
{
    visit->avoid = -1;
    atomic_store(&slots->seats[visit->seat].avoid, -1);
    wsgi_room_serve(slots);
}

/* ---- supervisor ---------------------------------------------------------- */

void wsgi_room_reclaim(struct wsgi_slots *slots)
{
    uint32_t hint = atomic_load(&slots->shared->waiting);
    uint32_t count = 0;
    int i;

    for (i = 0; i < slots->seat_count; i++) {
        struct wsgi_seat *seat = &slots->seats[i];
        int32_t pid = atomic_load(&seat->holder);
        uint64_t word = atomic_load(&seat->word);

        if (pid > 0 && wsgi_slots_is_gone(pid)) {
            /* What it was given meanwhile is freed as any permit of a dead child. */
            if (got_of(word) == GOT_NOTHING) {
                atomic_compare_exchange_strong(&seat->word, &word,
                                               word_of(ticket_of(word), GOT_OUT));
            }
            atomic_compare_exchange_strong(&seat->holder, &pid, 0);
        }
        count += atomic_load(&seat->holder) != 0;
    }
    /* Loses against a child that is just changing it: then the next second is soon enough. */
    atomic_compare_exchange_strong(&slots->shared->waiting, &hint, count);
}
