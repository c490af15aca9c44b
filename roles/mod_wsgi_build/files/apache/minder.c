/* SPDX-License-Identifier: Apache-2.0 */
#include "minder.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "adopt.h"
#include "ends.h"
#include "log.h"
#include "plans.h"
#include "services.h"
#include "showing.h"
#include "spawn.h"
#include "../wire/control.h"
#include "../wire/launch.h"

#define WSGI_START_SPACE apr_time_from_sec(1)    /* between two starts in a place at least */
#define WSGI_HEALTHY apr_time_from_sec(60)       /* so old: its end is no early one */
#define WSGI_SCORES_SPACE apr_time_from_msec(50) /* between two looks at the scoreboard */
#define WSGI_CONTROL_TURN 16    /* messages taken from one process before others have their turn */
#define WSGI_CONTROL_FLOOD 1000 /* in a second: more than any daemon of ours has to say */

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

/* The place of a process that has ended gets another one, after a while if it could not even begin
 * to work. One that died of a request says nothing about the next: a second between two starts is
 * enough then. Returns in how many seconds. */
static unsigned fill_again(struct wsgi_minder *minder, int index, apr_time_t now)
{
    const struct wsgi_minded *minded = &minder->minded[index];
    struct wsgi_place *place = &minder->places[minded->place];
    apr_time_t earliest = minded->born + WSGI_START_SPACE;

    if (wsgi_end_is_of_work(minder, index)) {
        wsgi_spawn_at_once(place, now > earliest ? now : earliest);
        return now > earliest ? 0 : 1;
    }
    if (minded->ready && now - minded->ready >= WSGI_HEALTHY) {
        place->failures = 0;
    }
    return wsgi_spawn_delay(place, now);
}

static void log_end(struct wsgi_minder *minder, int index, const struct wsgi_death *end,
                    apr_time_t now)
{
    struct wsgi_minded *minded = &minder->minded[index];
    char next[64] = "";

    if (minded->place >= 0 && !minder->closing && !end->is_planned) {
        snprintf(next, sizeof(next), "; another one starts in %u s",
                 fill_again(minder, index, now));
    }
    wsgi_end_log(end, minder, index, next, now);
    if (!end->is_planned && (end->level <= APLOG_ERR || minded->failed)) {
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

int wsgi_minder_reap(struct wsgi_minder *minder, pid_t pid, int status, const struct rusage *usage,
                     apr_time_t now)
{
    struct wsgi_death end;
    int i;

    for (i = 0; i < minder->slots->count && minder->minded[i].pid != pid; i++) {
    }
    if (i == minder->slots->count || minder->minded[i].adopted) {
        return 0;
    }
    wsgi_end_read(&end, minder, i, status, usage);
    wsgi_end_tell(&end, minder, i);
    wsgi_logpipe_finish(&minder->minded[i].log);
    if (minder->minded[i].log.trouble) {
        wsgi_minder_point(minder);
    }
    if (!end.is_planned && wsgi_service_is(minder) && WIFEXITED(status) && !WEXITSTATUS(status)) {
        wsgi_service_returned(minder, i, now);
        clear_slot(minder, i, now);
        return 1;
    }
    log_end(minder, i, &end, now);
    if (!end.is_planned) {
        wsgi_renewal_ended(minder, i, end.how, now);
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

static void heard(struct wsgi_minder *minder, int index, const struct wsgi_control *message,
                  const struct wsgi_tidings *note, apr_time_t now)
{
    switch (message->type) {
    case WSGI_CONTROL_READY:
        became_ready(minder, index, now);
        break;
    case WSGI_CONTROL_LEAVING:
        wsgi_plan_replace(minder, index, message->why, now);
        break;
    case WSGI_CONTROL_FAILED:
        minder->minded[index].failed = 1;
        break;
    case WSGI_CONTROL_SCORES:
        minder->minded[index].asks = 1;
        break;
    default: /* wsgi_control_check() lets through nothing else but what carries a note */
        wsgi_renewal_heard(minder, index, message->type, note, now);
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

/* It does not keep to the rules: nobody listens to it any more, and its place is for another one,
 * as after an early end. It may finish what it works on. */
static void refuse(struct wsgi_minder *minder, int index, const char *did, const char *what,
                   apr_time_t now)
{
    struct wsgi_minded *minded = &minder->minded[index];

    ap_log_error(APLOG_MARK, APLOG_ERR, 0, minder->group->server,
                 "daemon group '%s': process %d %s %s; it is not listened to any "
                 "more, and replaced",
                 minder->group->name, (int)minded->pid, did, what);
    wsgi_minder_point(minder);
    if (minded->place >= 0) {
        if (now - minded->born >= WSGI_HEALTHY) {
            minder->places[minded->place].failures = 0;
        }
        wsgi_spawn_delay(&minder->places[minded->place], now);
        wsgi_plan_leave_place(minder, index);
    }
    minded->is_rogue = 1;
    wsgi_plan_stop(minder, index, WSGI_WHY_NONE, "it broke the rules", now);
    kill(minded->pid, SIGTERM); /* it may not get to hear the STOP any more */
    lost(minder, index, now);
}

static int is_flood(struct wsgi_minded *minded, apr_time_t now)
{
    if (now - minded->heard_since >= apr_time_from_sec(1)) {
        minded->heard_since = now;
        minded->heard = 0;
    }
    return ++minded->heard > WSGI_CONTROL_FLOOD;
}

/* One message. 0: none waits. */
static int hear(struct wsgi_minder *minder, int index, apr_time_t now)
{
    struct wsgi_minded *minded = &minder->minded[index];
    uint32_t epoch = atomic_load(&minder->slots->slot[index].shared->epoch);
    unsigned char bytes[WSGI_CONTROL_SIZE_MAX];
    struct wsgi_control message;
    struct wsgi_tidings note;
    enum wsgi_control_status status;
    ssize_t got = recv(minded->control, bytes, sizeof(bytes), MSG_DONTWAIT | MSG_TRUNC);

    if (got <= 0) {
        if (got == 0 || (errno != EAGAIN && errno != EINTR)) {
            lost(minder, index, now);
        }
        return 0;
    }
    status = wsgi_control_check(bytes, (size_t)got, epoch, &message, &note);
    if (status != WSGI_CONTROL_OK) {
        refuse(minder, index, "sent its supervisor", wsgi_control_status_text(status), now);
    } else if (is_flood(minded, now)) {
        refuse(minder, index, "sent its supervisor", "more messages than any daemon has to send",
               now);
    } else {
        heard(minder, index, &message, &note, now);
    }
    return minded->control >= 0;
}

void wsgi_minder_control(struct wsgi_minder *minder, int index, apr_time_t now)
{
    int turn = WSGI_CONTROL_TURN;

    while (turn-- > 0 && hear(minder, index, now)) {
    }
}

void wsgi_minder_look(struct wsgi_minder *minder, apr_time_t now)
{
    int i;

    for (i = 0; i < minder->slots->count; i++) {
        if (minder->minded[i].control >= 0 && wsgi_slots_is_deaf(minder->slots, i)) {
            refuse(minder, i, "shut down the socket", minder->slots->slot[i].path, now);
        }
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
            wsgi_end_log_adopted(minder, i, now);
            clear_slot(minder, i, now);
        }
    }
}

/* Who asked for the scoreboard gets it, in an interval once: the supervisor is there for all
 * groups. The time when somebody's interval is over. */
static apr_time_t answer_all(struct wsgi_minder *minder, apr_time_t now)
{
    apr_time_t next = now + apr_time_from_sec(1);
    int i;

    for (i = 0; i < minder->slots->count; i++) {
        struct wsgi_minded *minded = &minder->minded[i];

        if (!minded->asks || minded->control < 0) {
            continue;
        }
        if (now - minded->answered < WSGI_SCORES_SPACE) {
            next = minded->answered + WSGI_SCORES_SPACE;
            continue;
        }
        minded->asks = 0;
        minded->answered = now;
        wsgi_show_scores(minder->group, minded->control,
                         atomic_load(&minder->slots->slot[i].shared->epoch));
    }
    return next;
}

apr_time_t wsgi_minder_tick(struct wsgi_minder *minder, apr_time_t now)
{
    int limit = minder->group->graceful_timeout;
    apr_time_t next;
    apr_time_t due;

    if (minder->retired && limit > 0 && now - minder->retired >= apr_time_from_sec(limit)) {
        wsgi_minder_stop_all(minder, "another server generation took over", now);
    }
    wsgi_oom_sample(&minder->oom, (int64_t)apr_time_sec(now));
    clear_adopted(minder, now);
    note_health(minder, now);
    next = wsgi_plan_due(minder, now);
    due = answer_all(minder, now);
    next = due < next ? due : next;
    due = wsgi_renewal_tick(minder, now);
    next = due < next ? due : next;
    due = wsgi_spawn_due(minder, now);
    return due < next ? due : next;
}

void wsgi_minder_retire(struct wsgi_minder *minder, apr_time_t now)
{
    minder->retired = now;
    /* The next generation waits for that. */
    if (wsgi_service_is(minder)) {
        wsgi_minder_stop_all(minder, "another server generation took over", now);
    }
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
    wsgi_oom_find(&minder->oom, "");
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
