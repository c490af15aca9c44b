/* SPDX-License-Identifier: Apache-2.0 */
#include "minder.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "ends.h"
#include "launch.h"
#include "log.h"
#include "showing.h"
#include "../wire/launch.h"

#define WSGI_HEALTHY apr_time_from_sec(60)     /* so old: its end is no early one */
#define WSGI_DELAY_MAX 60                      /* s between two starts at most */
#define WSGI_RELOAD_EARLY apr_time_from_sec(1) /* a reload this soon counts as an early end */
#define WSGI_WAY_LIMIT                                                                             \
    apr_time_from_sec(15) /* graceful-timeout's default: drains longer only                        \
                             while nobody needs the slot */
#define WSGI_TICK_QUICK apr_time_from_msec(50)
#define WSGI_TICK_SLOW apr_time_from_sec(1)

apr_time_t wsgi_minder_clock(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return apr_time_from_sec(now.tv_sec) + now.tv_nsec / 1000;
}

static enum wsgi_slot_state state_of(const struct wsgi_minder *minder, int index)
{
    return atomic_load(&minder->slots->slot[index].shared->state);
}

/* ---- starting ------------------------------------------------------------ */

/* Field 22 of /proc/PID/stat: tells a process from a later one with the same pid. 0: gone. */
static uint64_t birth_of(pid_t pid)
{
    char path[64];
    char text[1024];
    char *at;
    ssize_t got;
    int field;
    int fd;

    snprintf(path, sizeof(path), "/proc/%ld/stat", (long)pid);
    fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0) {
        return 0;
    }
    got = read(fd, text, sizeof(text) - 1);
    close(fd);
    text[got > 0 ? got : 0] = '\0';
    at = strrchr(text, ')'); /* the name before it may hold anything */
    if (!at || !at[1] || at[2] == 'Z' || at[2] == 'X') {
        return 0;
    }
    for (field = 2; at && field < 22; field++) {
        at = strchr(at + 1, ' ');
    }
    return at ? strtoull(at + 1, NULL, 10) : 0;
}

static void set_process(struct wsgi_minder *minder, int index, pid_t pid)
{
    struct wsgi_slot_shared *shared = minder->slots->slot[index].shared;

    minder->minded[index].pid = pid;
    atomic_store(&shared->pid, (int32_t)pid);
    atomic_store(&shared->born, pid ? birth_of(pid) : 0);
}

/* -1 with errno; everything is closed again. */
static pid_t launch_into(struct wsgi_minder *minder, int index, uint32_t epoch)
{
    struct wsgi_minded *minded = &minder->minded[index];
    const struct wsgi_slot *slot = &minder->slots->slot[index];
    struct wsgi_launch launch = {.group = minder->group,
                                 .settings = minder->settings,
                                 .secret = minder->slots->secret,
                                 .epoch = epoch,
                                 .listener = slot->listener,
                                 .board = slot->board_fd};
    int pair[2];
    pid_t pid;

    if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) < 0) {
        return -1;
    }
    if (wsgi_logpipe_open(&minded->log, minder->group->server, &launch.log) < 0) {
        close(pair[0]);
        close(pair[1]);
        return -1;
    }
    launch.control = pair[1];
    pid = wsgi_launch_daemon(&launch);
    close(pair[1]);
    close(launch.log);
    if (pid < 0) {
        int error = errno;

        close(pair[0]);
        close(minded->log.fd);
        minded->log.fd = -1;
        errno = error;
        return -1;
    }
    minded->control = pair[0];
    return pid;
}

void wsgi_minder_point(struct wsgi_minder *minder)
{
    if (!minder->pointed) {
        wsgi_log_pointer(minder->settings->main_server, minder->group->server, minder->group->name);
    }
    minder->pointed = 1;
}

/* 0, 1, 2, 4 ... s after the first, second, ... early end in a row. */
static unsigned next_delay(struct wsgi_place *place, apr_time_t now)
{
    unsigned delay = place->failures < 1   ? 0
                     : place->failures > 6 ? WSGI_DELAY_MAX
                                           : 1u << (place->failures - 1);

    place->failures++;
    place->not_before = now + apr_time_from_sec(delay);
    return delay;
}

static void start_into(struct wsgi_minder *minder, int index, int place, apr_time_t now)
{
    struct wsgi_minded *minded = &minder->minded[index];
    uint32_t epoch = wsgi_slots_next_epoch(minder->slots);
    pid_t pid;

    pid = launch_into(minder, index, epoch);
    if (pid < 0) {
        int error = errno;
        unsigned delay = next_delay(&minder->places[place], now);

        ap_log_error(APLOG_MARK, APLOG_ERR, error, minder->group->server,
                     "daemon group '%s': cannot start a process, next try in %u s",
                     minder->group->name, delay);
        wsgi_minder_point(minder);
        return;
    }
    minded->adopted = minded->killed = minded->failed = minded->asks = 0;
    minded->ready = minded->drain_since = minded->stop_since = 0;
    minded->planned = NULL;
    minded->place = place;
    minded->heir = -1;
    minded->born = now;
    minder->places[place].slot = index;
    minder->alive++;
    atomic_store(&minder->slots->slot[index].shared->epoch, epoch);
    set_process(minder, index, pid);
    wsgi_slots_set_state(minder->slots, index, WSGI_SLOT_STARTING);
    ap_log_error(APLOG_MARK, APLOG_DEBUG, 0, minder->group->server,
                 "daemon group '%s': process %d started in slot %d", minder->group->name, (int)pid,
                 index);
}

/* The empty slot whose last process ended longest ago: whoever had a request in that process has
 * then seen its end, and read its board, before the board is used again. */
static int find_empty(const struct wsgi_minder *minder)
{
    int best = -1;
    int i;

    for (i = 0; i < minder->slots->count; i++) {
        if (!minder->minded[i].pid &&
            (best < 0 || minder->minded[i].died < minder->minded[best].died)) {
            best = i;
        }
    }
    return best;
}

/* ---- ending -------------------------------------------------------------- */

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

/* `words` are for the log; without any, the `why` has its own. */
static void plan(struct wsgi_minded *minded, enum wsgi_why why, const char *words)
{
    minded->why = why;
    minded->planned = words ? words : wsgi_why_words(why);
}

static void stop(struct wsgi_minder *minder, int index, enum wsgi_why why, const char *words,
                 apr_time_t now)
{
    struct wsgi_minded *minded = &minder->minded[index];

    if (minded->stop_since) {
        return;
    }
    if (!minded->planned) {
        plan(minded, why, words);
    }
    minded->stop_since = now;
    wsgi_slots_set_state(minder->slots, index, WSGI_SLOT_DRAINING);
    tell(minder, index, WSGI_CONTROL_STOP, minded->why);
}

static void drain(struct wsgi_minder *minder, int index, enum wsgi_why why, const char *words,
                  apr_time_t now)
{
    struct wsgi_minded *minded = &minder->minded[index];

    if (minded->drain_since || minded->stop_since) {
        return;
    }
    plan(minded, why, words);
    minded->drain_since = now;
    wsgi_slots_set_state(minder->slots, index, WSGI_SLOT_DRAINING);
    tell(minder, index, WSGI_CONTROL_DRAIN, why);
}

static void leave_place(struct wsgi_minder *minder, int index)
{
    int place = minder->minded[index].place;

    if (place >= 0) {
        minder->places[place].slot = -1;
        minder->minded[index].place = -1;
    }
}

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
        snprintf(next, sizeof(next), "; another one starts in %u s", next_delay(place, now));
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
    leave_place(minder, index);
    minded->adopted = 0;
    minded->heir = -1;
    minded->died = now;
    set_process(minder, index, 0);
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
    }
    clear_slot(minder, i, now);
    return 1;
}

/* ---- what a daemon says -------------------------------------------------- */

/* The one in this place is ready: who served until then may go. */
static void relieve(struct wsgi_minder *minder, int place, apr_time_t now)
{
    int i;

    for (i = 0; i < minder->slots->count; i++) {
        struct wsgi_minded *minded = &minder->minded[i];

        if (minded->pid && minded->heir >= 0 && minded->heir == place) {
            minded->heir = -1;
            drain(minder, i, minded->heir_why, NULL, now);
        }
    }
}

static void became_ready(struct wsgi_minder *minder, int index, apr_time_t now)
{
    struct wsgi_minded *minded = &minder->minded[index];

    if (state_of(minder, index) != WSGI_SLOT_STARTING) {
        return;
    }
    minded->ready = now;
    wsgi_slots_set_state(minder->slots, index, WSGI_SLOT_READY);
    ap_log_error(APLOG_MARK, APLOG_INFO, 0, minder->group->server,
                 "daemon group '%s': process %d is ready after %ld ms", minder->group->name,
                 (int)minded->pid, (long)apr_time_as_msec(now - minded->born));
    relieve(minder, minded->place, now);
}

/* The place of a ready process is for another one from now on. A script may ask for that at each
 * request, and each gets its answer; but a process that never answered anything is not replaced
 * by one like it at once, for that may go on without an end. */
static void replace(struct wsgi_minder *minder, int index, apr_time_t now)
{
    struct wsgi_minded *minded = &minder->minded[index];

    if (now - minded->ready < WSGI_RELOAD_EARLY && wsgi_end_requests(minder, index) == 0) {
        next_delay(&minder->places[minded->place], now);
    } else {
        minder->places[minded->place].failures = 0;
        minder->places[minded->place].not_before = now;
    }
    leave_place(minder, index);
}

/* A daemon asks to be replaced, it alone. It serves on until there is another one; but not when
 * it is for one request only, which it has had. */
static void leaving(struct wsgi_minder *minder, int index, enum wsgi_why why, apr_time_t now)
{
    struct wsgi_minded *minded = &minder->minded[index];
    int place = minded->place;

    if (state_of(minder, index) != WSGI_SLOT_READY || minder->closing || place < 0) {
        return;
    }
    replace(minder, index, now);
    if (why == WSGI_WHY_MAXIMUM_REQUESTS && minder->group->maximum_requests == 1) {
        drain(minder, index, why, NULL, now);
    } else {
        minded->heir = place;
        minded->heir_why = why;
    }
}

/* A script changed. All ready processes are to be replaced; they get nothing new from now on, so
 * that the next request sees the new code. */
static void reload(struct wsgi_minder *minder, int asking, apr_time_t now)
{
    int i;

    if (state_of(minder, asking) != WSGI_SLOT_READY || minder->closing) {
        return;
    }
    ap_log_error(APLOG_MARK, APLOG_INFO, 0, minder->group->server,
                 "daemon group '%s': process %d found a changed script, the group is reloaded",
                 minder->group->name, (int)minder->minded[asking].pid);
    for (i = 0; i < minder->slots->count; i++) {
        struct wsgi_minded *minded = &minder->minded[i];

        if (state_of(minder, i) != WSGI_SLOT_READY || (minded->place < 0 && minded->heir < 0)) {
            continue;
        }
        if (minded->place >= 0) {
            replace(minder, i, now);
        }
        minded->heir = -1;
        drain(minder, i, WSGI_WHY_RELOAD, NULL, now);
    }
}

static void heard(struct wsgi_minder *minder, int index, const struct wsgi_control *message,
                  apr_time_t now)
{
    if (message->epoch != atomic_load(&minder->slots->slot[index].shared->epoch)) {
        return;
    }
    switch (message->type) {
    case WSGI_CONTROL_READY:
        became_ready(minder, index, now);
        break;
    case WSGI_CONTROL_RELOAD:
        reload(minder, index, now);
        break;
    case WSGI_CONTROL_LEAVING:
        leaving(minder, index, message->why < WSGI_WHY_COUNT ? message->why : WSGI_WHY_NONE, now);
        break;
    case WSGI_CONTROL_FAILED:
        minder->minded[index].failed = 1;
        break;
    case WSGI_CONTROL_SCORES:
        minder->minded[index].asks = 1;
        break;
    default:
        break; /* not a daemon's to say; it harms nobody */
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
    if (state_of(minder, index) == WSGI_SLOT_READY) {
        wsgi_slots_set_state(minder->slots, index, WSGI_SLOT_DRAINING);
    }
}

void wsgi_minder_control(struct wsgi_minder *minder, int index, apr_time_t now)
{
    struct wsgi_minded *minded = &minder->minded[index];
    struct wsgi_control message;
    ssize_t got = recv(minded->control, &message, sizeof(message), MSG_DONTWAIT);

    if (got == (ssize_t)sizeof(message)) {
        heard(minder, index, &message, now);
    } else if (got == 0 || (got < 0 && errno != EAGAIN && errno != EINTR)) {
        lost(minder, index, now);
    }
}

/* ---- what is due --------------------------------------------------------- */

/* The slots are all taken: whoever drains for long has to go. */
static void make_way(struct wsgi_minder *minder, apr_time_t now)
{
    int i;

    for (i = 0; i < minder->slots->count; i++) {
        struct wsgi_minded *minded = &minder->minded[i];

        if (minded->pid && minded->drain_since && now - minded->drain_since > WSGI_WAY_LIMIT) {
            stop(minder, i, minded->why, minded->planned, now);
        }
    }
}

static apr_time_t start_due(struct wsgi_minder *minder, apr_time_t now)
{
    apr_time_t next = now + WSGI_TICK_SLOW;
    int i;

    for (i = 0; i < minder->group->processes && !minder->closing; i++) {
        struct wsgi_place *place = &minder->places[i];
        int empty;

        if (place->slot >= 0) {
            continue;
        }
        if (place->not_before > now) {
            next = place->not_before < next ? place->not_before : next;
            continue;
        }
        empty = find_empty(minder);
        if (empty < 0) {
            make_way(minder, now);
            break;
        }
        start_into(minder, empty, i, now);
    }
    return next;
}

static void kill_if_late(struct wsgi_minder *minder, int index, apr_time_t now)
{
    struct wsgi_minded *minded = &minder->minded[index];
    int limit = minder->group->shutdown_timeout;

    if (!minded->stop_since || minded->killed || limit <= 0 ||
        now - minded->stop_since < apr_time_from_sec(limit)) {
        return;
    }
    minded->killed = 1;
    ap_log_error(APLOG_MARK, APLOG_WARNING, 0, minder->group->server,
                 "daemon group '%s': process %d did not end within shutdown-timeout (%d s)%s, "
                 "it is killed",
                 minder->group->name, (int)minded->pid, limit,
                 minded->control < 0 && !minded->planned
                     ? " after it closed its connection to the supervisor"
                     : "");
    kill(minded->pid, SIGKILL);
}

static int adopted_is_gone(const struct wsgi_minder *minder, int index)
{
    const struct wsgi_minded *minded = &minder->minded[index];

    return minded->adopted &&
           birth_of(minded->pid) != atomic_load(&minder->slots->slot[index].shared->born);
}

/* It asked for the scoreboard, in an interval in which it may ask once: the supervisor is there for
 * all groups. */
static void answer(struct wsgi_minder *minder, int index, apr_time_t now)
{
    struct wsgi_minded *minded = &minder->minded[index];

    if (minded->asks && now - minded->answered >= WSGI_TICK_QUICK && minded->control >= 0) {
        minded->asks = 0;
        minded->answered = now;
        wsgi_show_scores(minder->group, minded->control,
                         atomic_load(&minder->slots->slot[index].shared->epoch));
    }
}

/* A process on its way out. */
static void follow_out(struct wsgi_minder *minder, int index, apr_time_t now)
{
    struct wsgi_minded *minded = &minder->minded[index];

    if (adopted_is_gone(minder, index)) {
        wsgi_end_log_planned(minder, index, "ended", now);
        clear_slot(minder, index, now);
        return;
    }
    if (minded->drain_since && !minded->stop_since && wsgi_slots_idle(minder->slots, index)) {
        stop(minder, index, minded->why, minded->planned, now);
    }
    kill_if_late(minder, index, now);
}

apr_time_t wsgi_minder_tick(struct wsgi_minder *minder, apr_time_t now)
{
    apr_time_t next;
    int quick = 0;
    int i;

    for (i = 0; i < minder->slots->count; i++) {
        answer(minder, i, now);
        quick |= minder->minded[i].asks;
        if (minder->minded[i].pid && minder->minded[i].planned) {
            follow_out(minder, i, now);
            quick = 1;
        } else if (minder->minded[i].ready && minder->minded[i].place >= 0 &&
                   now - minder->minded[i].ready > WSGI_HEALTHY) {
            minder->places[minder->minded[i].place].failures = 0;
        }
    }
    next = start_due(minder, now);
    return quick && next > now + WSGI_TICK_QUICK ? now + WSGI_TICK_QUICK : next;
}

void wsgi_minder_drain_all(struct wsgi_minder *minder, const char *why, apr_time_t now)
{
    int i;

    minder->closing = 1;
    for (i = 0; i < minder->slots->count; i++) {
        if (minder->minded[i].pid) {
            drain(minder, i, WSGI_WHY_SHUTDOWN, why, now);
        }
    }
}

void wsgi_minder_stop_all(struct wsgi_minder *minder, const char *why, apr_time_t now)
{
    int i;

    minder->closing = 1;
    for (i = 0; i < minder->slots->count; i++) {
        if (minder->minded[i].pid) {
            stop(minder, i, WSGI_WHY_SHUTDOWN, why, now);
        }
    }
}

/* ---- the begin ----------------------------------------------------------- */

static void adopt(struct wsgi_minder *minder, int index, apr_time_t now)
{
    struct wsgi_minded *minded = &minder->minded[index];
    struct wsgi_slot_shared *shared = minder->slots->slot[index].shared;
    pid_t pid = (pid_t)atomic_load(&shared->pid);

    if (pid <= 0 || !atomic_load(&shared->born) || birth_of(pid) != atomic_load(&shared->born)) {
        wsgi_slots_set_state(minder->slots, index, WSGI_SLOT_DEAD);
        return;
    }
    minded->pid = pid;
    minded->adopted = 1;
    minded->born = now;
    minder->alive++;
    drain(minder, index, WSGI_WHY_SHUTDOWN, "its supervisor was replaced", now);
}

void wsgi_minder_init(struct wsgi_minder *minder, apr_pool_t *pool, const struct wsgi_group *group,
                      const struct wsgi_supervisor_settings *settings, apr_time_t start)
{
    apr_time_t now = wsgi_minder_clock();
    int i;

    minder->group = group;
    minder->settings = settings;
    minder->slots = group->slots;
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
        if (state_of(minder, i) != WSGI_SLOT_DEAD) {
            adopt(minder, i, now);
        }
    }
}
