/* SPDX-License-Identifier: Apache-2.0 */
#include "plans.h"

#include <errno.h>
#include <signal.h>
#include <sys/socket.h>

#include "ends.h"
#include "log.h"
#include "services.h"
#include "spawn.h"
#include "../wire/launch.h"

#define WSGI_RELOAD_EARLY apr_time_from_sec(1) /* a reload this soon counts as an early end */
#define WSGI_KILL_GRACE apr_time_from_sec(1)   /* beyond shutdown-timeout: it has its own watch */
#define WSGI_LOST_LIMIT 5 /* s for a process that cannot be told anything any more */
#define WSGI_TICK_SLOW apr_time_from_sec(1)
#define WSGI_TICK_ADOPTED apr_time_from_msec(50) /* nobody tells of the end of an adopted one */

/* ---- what a process is told ---------------------------------------------- */

static void tell(struct wsgi_minder *minder, int index, enum wsgi_control_type type,
                 enum wsgi_why why)
{
    struct wsgi_minded *minded = &minder->minded[index];
    struct wsgi_control message = {
        .type = type, .epoch = atomic_load(&minder->slots->slot[index].shared->epoch), .why = why};

    if (minded->control >= 0 &&
        send(minded->control, &message, sizeof(message), MSG_DONTWAIT | MSG_NOSIGNAL) < 0) {
        ap_log_error(APLOG_MARK, APLOG_DEBUG, errno, minder->group->server,
                     "daemon group '%s': process %d cannot be told anything any more",
                     minder->group->name, (int)minded->pid);
    }
    if (minded->adopted && type == WSGI_CONTROL_STOP) {
        kill(minded->pid, SIGTERM);
    }
}

static void plan(struct wsgi_minded *minded, enum wsgi_why why, const char *words)
{
    minded->why = why;
    minded->planned = words ? words : wsgi_why_words(why);
}

/* Nothing new from here on. */
static void close_slot(struct wsgi_minder *minder, int index)
{
    enum wsgi_slot_state state = wsgi_minder_state(minder, index);

    if (state == WSGI_SLOT_READY || state == WSGI_SLOT_HELD) {
        ap_log_error(APLOG_MARK, APLOG_INFO, 0, minder->group->server,
                     "daemon group '%s': process %d gets nothing new (%s)", minder->group->name,
                     (int)minder->minded[index].pid, minder->minded[index].planned);
    }
    wsgi_slots_set_state(minder->slots, index, WSGI_SLOT_DRAINING);
}

void wsgi_plan_stop(struct wsgi_minder *minder, int index, enum wsgi_why why, const char *words,
                    apr_time_t now)
{
    struct wsgi_minded *minded = &minder->minded[index];

    if (minded->stop_since) {
        return;
    }
    if (!minded->planned) {
        plan(minded, why, words);
    }
    minded->heir = -1;
    minded->stop_since = now;
    close_slot(minder, index);
    tell(minder, index, WSGI_CONTROL_STOP, minded->why);
}

void wsgi_plan_drain(struct wsgi_minder *minder, int index, enum wsgi_why why, const char *words,
                     apr_time_t now)
{
    struct wsgi_minded *minded = &minder->minded[index];

    if (minded->drain_since || minded->stop_since) {
        return;
    }
    plan(minded, why, words);
    minded->heir = -1;
    minded->drain_since = now;
    close_slot(minder, index);
    tell(minder, index, WSGI_CONTROL_DRAIN, why);
}

/* ---- replaced first ------------------------------------------------------ */

void wsgi_plan_leave_place(struct wsgi_minder *minder, int index)
{
    int place = minder->minded[index].place;

    if (place >= 0) {
        minder->places[place].slot = -1;
        minder->minded[index].place = -1;
    }
}

/* A script may ask for that at each request, and each gets its answer; but a process that never
 * answered anything is not replaced by one like it at once, for that may go on without an end. */
void wsgi_plan_vacate(struct wsgi_minder *minder, int index, apr_time_t now)
{
    struct wsgi_minded *minded = &minder->minded[index];
    struct wsgi_place *place = &minder->places[minded->place];

    if (now - minded->ready < WSGI_RELOAD_EARLY && wsgi_end_requests(minder, index) == 0) {
        wsgi_spawn_delay(place, now);
    } else {
        wsgi_spawn_at_once(place, now);
    }
    wsgi_plan_leave_place(minder, index);
}

/* It is of no use to anybody: the sooner it ends the better, and the next one may be no better. */
static int is_useless(enum wsgi_why why)
{
    return why == WSGI_WHY_DEADLOCK || why == WSGI_WHY_STARTUP_TIMEOUT;
}

/* Nobody is worse off if it stays a while: such processes of a group, which often become due
 * together, go one after the other. */
static int can_wait(enum wsgi_why why)
{
    return why == WSGI_WHY_MAXIMUM_REQUESTS || why == WSGI_WHY_RESTART_INTERVAL ||
           why == WSGI_WHY_INACTIVITY;
}

static void give_up(struct wsgi_minder *minder, int index, enum wsgi_why why, apr_time_t now)
{
    struct wsgi_minded *minded = &minder->minded[index];
    int place = minded->place;

    if (place >= 0 && !minder->closing) {
        unsigned delay = wsgi_spawn_delay(&minder->places[place], now);

        wsgi_plan_leave_place(minder, index);
        ap_log_error(APLOG_MARK, APLOG_INFO, 0, minder->group->server,
                     "daemon group '%s': process %d is given up (%s), another one starts in %u s",
                     minder->group->name, (int)minded->pid, wsgi_why_words(why), delay);
    }
    wsgi_plan_stop(minder, index, why, NULL, now);
}

static void hand_over(struct wsgi_minder *minder, int index, enum wsgi_why why, apr_time_t now)
{
    struct wsgi_minded *minded = &minder->minded[index];
    int place = minded->place;

    minded->due = WSGI_WHY_NONE;
    wsgi_plan_vacate(minder, index, now);
    minded->heir = place;
    minded->heir_why = why;
    minded->heir_words = NULL;
}

/* It serves on until there is another one; but not when it is for one request only, which it has
 * had, or when nobody can reach it. */
void wsgi_plan_replace(struct wsgi_minder *minder, int index, enum wsgi_why why, apr_time_t now)
{
    struct wsgi_minded *minded = &minder->minded[index];

    if (wsgi_service_is(minder)) { /* must not run twice: the next one waits for its end */
        wsgi_plan_stop(minder, index, why, NULL, now);
        return;
    }
    if (is_useless(why)) {
        give_up(minder, index, why, now);
        return;
    }
    if (wsgi_minder_state(minder, index) != WSGI_SLOT_READY || minder->closing ||
        minded->place < 0) {
        return;
    }
    if (why == WSGI_WHY_LOST ||
        (why == WSGI_WHY_MAXIMUM_REQUESTS && minder->group->maximum_requests == 1)) {
        wsgi_plan_vacate(minder, index, now);
        wsgi_plan_drain(minder, index, why, NULL, now);
    } else if (!can_wait(why)) {
        hand_over(minder, index, why, now);
    } else if (minded->due == WSGI_WHY_NONE) {
        minded->due = why;
        minded->due_since = now;
    }
}

void wsgi_plan_relieve(struct wsgi_minder *minder, int place, apr_time_t now)
{
    int i;

    for (i = 0; i < minder->slots->count; i++) {
        struct wsgi_minded *minded = &minder->minded[i];

        if (minded->pid && minded->heir >= 0 && minded->heir == place) {
            wsgi_plan_drain(minder, i, minded->heir_why, minded->heir_words, now);
        }
    }
}

static apr_time_t sooner(apr_time_t next, apr_time_t when)
{
    return when < next ? when : next;
}

/* Processes that are as old as restart-interval says. */
static apr_time_t watch_age(struct wsgi_minder *minder, int index, apr_time_t now, apr_time_t next)
{
    struct wsgi_minded *minded = &minder->minded[index];
    apr_time_t limit = apr_time_from_sec(minder->group->restart_interval);

    if (!limit || !minded->ready || minded->place < 0 || minded->due != WSGI_WHY_NONE ||
        minded->planned) {
        return next;
    }
    if (now - minded->ready < limit) {
        return sooner(next, minded->ready + limit);
    }
    wsgi_plan_replace(minder, index, WSGI_WHY_RESTART_INTERVAL, now);
    return next;
}

/* One at a time: the one that waits longest, when nobody waits for his heir. */
static void replace_one(struct wsgi_minder *minder, apr_time_t now)
{
    int best = -1;
    int i;

    for (i = 0; i < minder->slots->count; i++) {
        const struct wsgi_minded *minded = &minder->minded[i];

        if (minded->pid && minded->heir >= 0) {
            return;
        }
        if (minded->pid && minded->due != WSGI_WHY_NONE && minded->place >= 0 && !minded->planned &&
            (best < 0 || minded->due_since < minder->minded[best].due_since)) {
            best = i;
        }
    }
    if (best >= 0 && !minder->closing) {
        hand_over(minder, best, minder->minded[best].due, now);
    }
}

/* ---- on the way out ------------------------------------------------------ */

/* Seconds for the requests it has, 0: no limit. */
static int drain_limit(const struct wsgi_minder *minder, const struct wsgi_minded *minded)
{
    return minded->why == WSGI_WHY_EVICTION && minder->group->eviction_timeout > 0
               ? minder->group->eviction_timeout
               : minder->group->graceful_timeout;
}

static apr_time_t stop_if_drained(struct wsgi_minder *minder, int index, apr_time_t now,
                                  apr_time_t next)
{
    struct wsgi_minded *minded = &minder->minded[index];
    int limit = drain_limit(minder, minded);
    apr_time_t end = minded->drain_since + apr_time_from_sec(limit);

    if (wsgi_slots_idle(minder->slots, index)) {
        wsgi_plan_stop(minder, index, minded->why, minded->planned, now);
        return next;
    }
    if (limit <= 0) {
        return next;
    }
    if (now < end) {
        return sooner(next, end);
    }
    ap_log_error(APLOG_MARK, APLOG_INFO, 0, minder->group->server,
                 "daemon group '%s': process %d still has requests after %s-timeout (%d s), it is "
                 "stopped",
                 minder->group->name, (int)minded->pid,
                 limit == minder->group->graceful_timeout ? "graceful" : "eviction", limit);
    wsgi_plan_stop(minder, index, minded->why, minded->planned, now);
    return next;
}

static apr_time_t kill_if_late(struct wsgi_minder *minder, int index, apr_time_t now,
                               apr_time_t next)
{
    struct wsgi_minded *minded = &minder->minded[index];
    int is_lost = !minded->planned;
    int limit = minder->group->shutdown_timeout;
    apr_time_t end;

    if ((is_lost || minded->is_rogue) && limit <= 0) {
        limit = WSGI_LOST_LIMIT; /* its requests are not waited for without end */
    }
    end = minded->stop_since + apr_time_from_sec(limit) + WSGI_KILL_GRACE;
    if (minded->killed || limit <= 0) {
        return next;
    }
    if (now < end) {
        return sooner(next, end);
    }
    minded->killed = 1;
    ap_log_error(APLOG_MARK, APLOG_WARNING, 0, minder->group->server,
                 "daemon group '%s': process %d did not end within shutdown-timeout (%d s)%s, "
                 "it is killed",
                 minder->group->name, (int)minded->pid, limit,
                 is_lost ? " after it closed its connection to the supervisor" : "");
    kill(minded->pid, SIGKILL);
    return next;
}

static apr_time_t follow(struct wsgi_minder *minder, int index, apr_time_t now, apr_time_t next)
{
    struct wsgi_minded *minded = &minder->minded[index];

    if (minded->drain_since && !minded->stop_since) {
        next = stop_if_drained(minder, index, now, next);
    }
    if (minded->stop_since) {
        next = kill_if_late(minder, index, now, next);
    }
    return minded->adopted ? sooner(next, now + WSGI_TICK_ADOPTED) : next;
}

apr_time_t wsgi_plan_due(struct wsgi_minder *minder, apr_time_t now)
{
    apr_time_t next = now + WSGI_TICK_SLOW;
    int i;

    for (i = 0; i < minder->slots->count; i++) {
        if (minder->minded[i].pid) {
            next = watch_age(minder, i, now, next);
        }
    }
    replace_one(minder, now);
    for (i = 0; i < minder->slots->count; i++) {
        if (minder->minded[i].pid) {
            next = follow(minder, i, now, next);
        }
    }
    return next;
}

static int anybody_ready(const struct wsgi_minder *minder)
{
    int i;

    for (i = 0; i < minder->slots->count; i++) {
        if (wsgi_minder_state(minder, i) == WSGI_SLOT_READY) {
            return 1;
        }
    }
    return 0;
}

/* As long as somebody serves, a process that drains has all of its time. */
void wsgi_plan_make_way(struct wsgi_minder *minder, apr_time_t now)
{
    int oldest = -1;
    int i;

    if (anybody_ready(minder)) {
        return;
    }
    for (i = 0; i < minder->slots->count; i++) {
        const struct wsgi_minded *minded = &minder->minded[i];

        if (minded->pid && minded->stop_since) {
            return; /* its slot will be free */
        }
        if (minded->pid && minded->drain_since &&
            (oldest < 0 || minded->drain_since < minder->minded[oldest].drain_since)) {
            oldest = i;
        }
    }
    if (oldest >= 0) {
        ap_log_error(APLOG_MARK, APLOG_NOTICE, 0, minder->group->server,
                     "daemon group '%s': process %d drains for %ld s and is stopped, for the group "
                     "needs its place",
                     minder->group->name, (int)minder->minded[oldest].pid,
                     (long)apr_time_sec(now - minder->minded[oldest].drain_since));
        wsgi_plan_stop(minder, oldest, minder->minded[oldest].why, minder->minded[oldest].planned,
                       now);
    }
}
