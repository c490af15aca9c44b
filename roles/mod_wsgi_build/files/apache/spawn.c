/* SPDX-License-Identifier: Apache-2.0 */
#include "spawn.h"

#include <errno.h>
#include <sys/socket.h>
#include <unistd.h>

#include "adopt.h"
#include "launch.h"
#include "log.h"
#include "plans.h"
#include "services.h"

#define WSGI_DELAY_MAX 60 /* s between two starts at most */
#define WSGI_TICK apr_time_from_sec(1)
#define WSGI_TICK_TURN apr_time_from_msec(50) /* nobody tells of the end of another's service */

unsigned wsgi_spawn_delay(struct wsgi_place *place, apr_time_t now)
{
    unsigned delay = place->failures < 1   ? 0
                     : place->failures > 6 ? WSGI_DELAY_MAX
                                           : 1u << (place->failures - 1);

    place->failures++;
    place->not_before = now + apr_time_from_sec(delay);
    return delay;
}

void wsgi_spawn_at_once(struct wsgi_place *place, apr_time_t now)
{
    place->failures = 0;
    place->not_before = now;
}

/* -1 with errno; everything is closed again. */
static pid_t launch_into(struct wsgi_minder *minder, int index, uint32_t epoch, int listener)
{
    struct wsgi_minded *minded = &minder->minded[index];
    const struct wsgi_slot *slot = &minder->slots->slot[index];
    struct wsgi_launch launch = {.group = minder->group,
                                 .settings = minder->settings,
                                 .secret = minder->slots->secret,
                                 .renewal = minder->renewal,
                                 .epoch = epoch,
                                 .server = minder->slots->owner_pid,
                                 .listener = listener,
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

static void clear_minded(struct wsgi_minded *minded)
{
    minded->adopted = minded->killed = minded->failed = 0;
    minded->ready = minded->drain_since = minded->stop_since = minded->due_since = 0;
    minded->due = WSGI_WHY_NONE;
    minded->planned = NULL;
    minded->heard = minded->asks = 0;
    minded->is_old = minded->is_waiting = minded->is_unfit = minded->is_rogue = 0;
    minded->heir = -1;
}

static void start_into(struct wsgi_minder *minder, int index, int place, int listener,
                       apr_time_t now)
{
    struct wsgi_minded *minded = &minder->minded[index];
    uint32_t epoch = wsgi_slots_next_epoch(minder->slots);
    pid_t pid = launch_into(minder, index, epoch, listener);

    if (pid < 0) {
        int error = errno;
        unsigned delay = wsgi_spawn_delay(&minder->places[place], now);

        ap_log_error(APLOG_MARK, APLOG_ERR, error, minder->group->server,
                     "daemon group '%s': cannot start a process, next try in %u s",
                     minder->group->name, delay);
        wsgi_minder_point(minder);
        return;
    }
    clear_minded(minded);
    minded->place = place;
    minded->born = now;
    minder->places[place].slot = index;
    minder->alive++;
    atomic_store(&minder->slots->slot[index].shared->epoch, epoch);
    wsgi_minder_set_process(minder, index, pid);
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
        if (!minder->minded[i].pid && !wsgi_slots_is_deaf(minder->slots, i) &&
            (best < 0 || minder->minded[i].died < minder->minded[best].died)) {
            best = i;
        }
    }
    return best;
}

/* 0: it is not its turn yet. */
static int start_service(struct wsgi_minder *minder, int index, int place, apr_time_t now)
{
    int turn;

    if (!wsgi_service_take_turn(minder, place, now, &turn)) {
        return 0;
    }
    start_into(minder, index, place, turn, now);
    if (turn >= 0) {
        close(turn);
    }
    return 1;
}

apr_time_t wsgi_spawn_due(struct wsgi_minder *minder, apr_time_t now)
{
    apr_time_t next = now + WSGI_TICK;
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
            wsgi_plan_make_way(minder, now);
            break;
        }
        if (!wsgi_service_is(minder)) {
            start_into(minder, empty, i, minder->slots->slot[empty].listener, now);
        } else if (!start_service(minder, empty, i, now)) {
            next = now + WSGI_TICK_TURN;
        }
    }
    return next;
}
