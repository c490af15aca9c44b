/* SPDX-License-Identifier: Apache-2.0 */
#include "minder.h"

#include <errno.h>
#include <stdio.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "adopt.h"
#include "ends.h"
#include "log.h"
#include "plans.h"
#include "spawn.h"
#include "../wire/launch.h"

#define WSGI_HEALTHY apr_time_from_sec(60) /* so old: its end is no early one */

apr_time_t wsgi_minder_clock(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return apr_time_from_sec(now.tv_sec) + now.tv_nsec / 1000;
}

enum wsgi_slot_state wsgi_minder_state(const struct wsgi_minder *minder, int index)
{
    return atomic_load(&minder->slots->slot[index].shared->state);
}

void wsgi_minder_set_process(struct wsgi_minder *minder, int index, pid_t pid)
{
    struct wsgi_slot_shared *shared = minder->slots->slot[index].shared;

    minder->minded[index].pid = pid;
    atomic_store(&shared->pid, (int32_t)pid);
    atomic_store(&shared->born, pid ? wsgi_adopt_birth(pid) : 0);
}

void wsgi_minder_point(struct wsgi_minder *minder)
{
    if (!minder->pointed) {
        wsgi_log_pointer(minder->settings->main_server, minder->group->server, minder->group->name);
    }
    minder->pointed = 1;
}

/* ---- ending -------------------------------------------------------------- */

/* An end that nobody asked for: the place gets another process, after a while if it was early. */
static void ended_by_surprise(struct wsgi_minder *minder, int index, const char *how, int level,
                              apr_time_t now)
{
    struct wsgi_minded *minded = &minder->minded[index];
    char next[64] = "";

    if (minded->place >= 0 && !minder->closing) {
        struct wsgi_place *place = &minder->places[minded->place];

        if (minded->ready && now - minded->ready >= WSGI_HEALTHY) {
            place->failures = 0;
        }
        snprintf(next, sizeof(next), "; another one starts in %u s", wsgi_spawn_delay(place, now));
    }
    wsgi_end_log_surprise(minder, index, how, level, next, now);
    if (level <= APLOG_ERR || minded->failed) {
        wsgi_minder_point(minder);
    }
}

static void clear_slot(struct wsgi_minder *minder, int index, apr_time_t now)
{
    struct wsgi_minded *minded = &minder->minded[index];

    if (minded->control >= 0) {
        close(minded->control);
        minded->control = -1;
    }
    wsgi_plan_leave_place(minder, index);
    minded->adopted = 0;
    minded->heir = -1;
    minded->died = now;
    wsgi_minder_set_process(minder, index, 0);
    minder->alive--;
    wsgi_slots_set_state(minder->slots, index, WSGI_SLOT_DEAD);
}

int wsgi_minder_reap(struct wsgi_minder *minder, pid_t pid, int status, apr_time_t now)
{
    char how[128];
    int i;

    for (i = 0; i < minder->slots->count && minder->minded[i].pid != pid; i++) {
    }
    if (i == minder->slots->count || minder->minded[i].adopted) {
        return 0;
    }
    wsgi_logpipe_finish(&minder->minded[i].log);
    if (minder->minded[i].log.trouble) {
        wsgi_minder_point(minder);
    }
    wsgi_end_describe(how, sizeof(how), status);
    if (wsgi_end_is_planned(&minder->minded[i], status)) {
        wsgi_end_log_planned(minder, i, how, now);
    } else {
        ended_by_surprise(minder, i, how, wsgi_end_level(status), now);
        wsgi_renewal_ended(minder, i, how, now);
    }
    clear_slot(minder, i, now);
    return 1;
}

/* ---- what a daemon says -------------------------------------------------- */

static void became_ready(struct wsgi_minder *minder, int index, apr_time_t now)
{
    struct wsgi_minded *minded = &minder->minded[index];

    if (wsgi_minder_state(minder, index) != WSGI_SLOT_STARTING || minded->ready) {
        return;
    }
    minded->ready = now;
    if (wsgi_renewal_ready(minder, index, now)) {
        wsgi_minder_open(minder, index, now);
    }
}

void wsgi_minder_open(struct wsgi_minder *minder, int index, apr_time_t now)
{
    struct wsgi_minded *minded = &minder->minded[index];

    wsgi_slots_set_state(minder->slots, index, WSGI_SLOT_READY);
    ap_log_error(APLOG_MARK, APLOG_INFO, 0, minder->group->server,
                 "daemon group '%s': process %d is ready after %ld ms", minder->group->name,
                 (int)minded->pid, (long)apr_time_as_msec(now - minded->born));
    wsgi_plan_relieve(minder, minded->place, now);
    wsgi_renewal_opened(minder, index, now);
}

/* What a daemon says, with a text of `size` bytes behind it. */
static void heard(struct wsgi_minder *minder, int index, const struct wsgi_control *message,
                  size_t size, apr_time_t now)
{
    struct wsgi_tidings note;

    if (message->epoch != atomic_load(&minder->slots->slot[index].shared->epoch)) {
        return;
    }
    switch (message->type) {
    case WSGI_CONTROL_READY:
        became_ready(minder, index, now);
        break;
    case WSGI_CONTROL_LEAVING:
        wsgi_plan_replace(minder, index,
                          message->why < WSGI_WHY_COUNT ? message->why : WSGI_WHY_NONE, now);
        break;
    case WSGI_CONTROL_FAILED:
        minder->minded[index].failed = 1;
        break;
    default: /* what is not a daemon's to say harms nobody */
        if (wsgi_note_decode((const unsigned char *)(message + 1), size, &note) == 0) {
            wsgi_renewal_heard(minder, index, message->type, &note, now);
        }
        break;
    }
}

/* Most are just ending, and their wait status will tell. One that lives on has closed what is not
 * its own: it cannot be told anything, and nobody knows what else it closed. */
static void lost(struct wsgi_minder *minder, int index, apr_time_t now)
{
    struct wsgi_minded *minded = &minder->minded[index];

    close(minded->control);
    minded->control = -1;
    if (!minded->stop_since) {
        minded->stop_since = now;
    }
    if (wsgi_minder_state(minder, index) == WSGI_SLOT_READY) {
        wsgi_slots_set_state(minder->slots, index, WSGI_SLOT_DRAINING);
    }
}

void wsgi_minder_control(struct wsgi_minder *minder, int index, apr_time_t now)
{
    struct wsgi_minded *minded = &minder->minded[index];
    struct {
        struct wsgi_control head;
        unsigned char note[WSGI_NOTE_SIZE_MAX];
    } message;
    ssize_t got = recv(minded->control, &message, sizeof(message), MSG_DONTWAIT | MSG_TRUNC);

    if (got >= (ssize_t)sizeof(message.head) && got <= (ssize_t)sizeof(message)) {
        heard(minder, index, &message.head, (size_t)got - sizeof(message.head), now);
    } else if (got == 0 || (got < 0 && errno != EAGAIN && errno != EINTR)) {
        lost(minder, index, now);
    }
}

/* ---- what is due --------------------------------------------------------- */

static void note_health(struct wsgi_minder *minder, apr_time_t now)
{
    int i;

    for (i = 0; i < minder->slots->count; i++) {
        const struct wsgi_minded *minded = &minder->minded[i];

        if (minded->pid && minded->ready && minded->place >= 0 &&
            now - minded->ready > WSGI_HEALTHY) {
            minder->places[minded->place].failures = 0;
        }
    }
}

static void clear_adopted(struct wsgi_minder *minder, apr_time_t now)
{
    int i;

    for (i = 0; i < minder->slots->count; i++) {
        if (minder->minded[i].pid && wsgi_adopt_is_gone(minder, i)) {
            if (!minder->minded[i].planned) {
                minder->minded[i].planned = minder->minded[i].heir_words;
            }
            wsgi_end_log_planned(minder, i, "ended", now);
            clear_slot(minder, i, now);
        }
    }
}

apr_time_t wsgi_minder_tick(struct wsgi_minder *minder, apr_time_t now)
{
    int limit = minder->group->graceful_timeout;
    apr_time_t next;
    apr_time_t due;

    if (minder->retired && limit > 0 && now - minder->retired >= apr_time_from_sec(limit)) {
        wsgi_minder_stop_all(minder, "another server generation took over", now);
    }
    clear_adopted(minder, now);
    note_health(minder, now);
    next = wsgi_plan_due(minder, now);
    due = wsgi_renewal_tick(minder, now);
    next = due < next ? due : next;
    due = wsgi_spawn_due(minder, now);
    return due < next ? due : next;
}

void wsgi_minder_retire(struct wsgi_minder *minder, apr_time_t now)
{
    minder->retired = now;
}

void wsgi_minder_drain_all(struct wsgi_minder *minder, const char *why, apr_time_t now)
{
    int i;

    minder->closing = 1;
    for (i = 0; i < minder->slots->count; i++) {
        if (minder->minded[i].pid) {
            wsgi_plan_drain(minder, i, WSGI_WHY_SHUTDOWN, why, now);
        }
    }
}

void wsgi_minder_stop_all(struct wsgi_minder *minder, const char *why, apr_time_t now)
{
    int i;

    minder->closing = 1;
    for (i = 0; i < minder->slots->count; i++) {
        if (minder->minded[i].pid) {
            wsgi_plan_stop(minder, i, WSGI_WHY_SHUTDOWN, why, now);
        }
    }
}

/* ---- for renewal.c ------------------------------------------------------- */

/* It has no handler for signals before it is ready, so SIGTERM ends it also in the midst of an
 * import. */
void wsgi_minder_abandon(struct wsgi_minder *minder, int index, const char *words, apr_time_t now)
{
    wsgi_plan_leave_place(minder, index);
    minder->minded[index].is_waiting = 0;
    wsgi_plan_stop(minder, index, WSGI_WHY_RELOAD, words, now);
    kill(minder->minded[index].pid, SIGTERM);
}

void wsgi_minder_make_heir(struct wsgi_minder *minder, int index, enum wsgi_why why)
{
    minder->minded[index].heir = minder->minded[index].place;
    minder->minded[index].heir_why = why;
    minder->minded[index].heir_words = NULL;
    wsgi_plan_leave_place(minder, index);
}

void wsgi_minder_give_place(struct wsgi_minder *minder, int index, int place)
{
    minder->minded[index].place = place;
    minder->places[place].slot = index;
}

void wsgi_minder_tell_note(struct wsgi_minder *minder, int index, uint32_t type,
                           const struct wsgi_tidings *note)
{
    struct {
        struct wsgi_control head;
        unsigned char note[WSGI_NOTE_SIZE_MAX];
    } message = {
        .head = {.type = type, .epoch = atomic_load(&minder->slots->slot[index].shared->epoch)}};
    size_t size = note ? wsgi_note_encode(note, message.note) : 0;

    if (minder->minded[index].control >= 0 &&
        send(minder->minded[index].control, &message, sizeof(message.head) + size,
             MSG_DONTWAIT | MSG_NOSIGNAL) < 0) {
        ap_log_error(APLOG_MARK, APLOG_DEBUG, errno, minder->group->server,
                     "daemon group '%s': process %d cannot be told about a script",
                     minder->group->name, (int)minder->minded[index].pid);
    }
}

/* ---- the begin ----------------------------------------------------------- */

void wsgi_minder_init(struct wsgi_minder *minder, apr_pool_t *pool, const struct wsgi_group *group,
                      const struct wsgi_supervisor_settings *settings, apr_time_t start)
{
    apr_time_t now = wsgi_minder_clock();
    int i;

    minder->group = group;
    minder->settings = settings;
    minder->slots = group->slots;
    wsgi_renewal_init(minder, pool);
    minder->places = apr_pcalloc(pool, sizeof(*minder->places) * (apr_size_t)group->processes);
    minder->minded = apr_pcalloc(pool, sizeof(*minder->minded) * (apr_size_t)minder->slots->count);
    for (i = 0; i < group->processes; i++) {
        minder->places[i].slot = -1;
        minder->places[i].not_before = start;
    }
    for (i = 0; i < minder->slots->count; i++) {
        minder->minded[i].control = -1;
        minder->minded[i].log.fd = -1;
        minder->minded[i].place = -1;
        minder->minded[i].heir = -1;
    }
    wsgi_adopt_all(minder, now);
}
