/* SPDX-License-Identifier: Apache-2.0 */
#include "renewal.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "log.h"
#include "minder.h"
#include "plans.h"
#include "spawn.h"
#include "../wire/launch.h"
#include "../wire/vars.h"

#define WSGI_DEATHS_MAX 2 /* of replacements, then the old code it is */
#define WSGI_HEAL_DELAYS 3
#define WSGI_ERROR_LEVEL 3 /* of syslog */

static enum wsgi_slot_state state_of(const struct wsgi_minder *minder, int index)
{
    return atomic_load(&minder->slots->slot[index].shared->state);
}

static int is_starting(const struct wsgi_minder *minder, int index)
{
    return minder->minded[index].place >= 0 && state_of(minder, index) == WSGI_SLOT_STARTING;
}

/* Processes other than `index` that can answer, now or when they are let. */
static int others_serve(const struct wsgi_minder *minder, int index)
{
    int i;

    for (i = 0; i < minder->slots->count; i++) {
        enum wsgi_slot_state state = state_of(minder, i);

        if (i != index && (state == WSGI_SLOT_READY || state == WSGI_SLOT_HELD)) {
            return 1;
        }
    }
    return 0;
}

/* ---- lists and texts ----------------------------------------------------- */

static struct wsgi_tidings note_of(const struct wsgi_learned_script *script)
{
    struct wsgi_tidings note = {.mtime = script->mtime,
                                .flags = script->flags,
                                .group = script->group,
                                .path = script->path,
                                .text = ""};

    return note;
}

static void clear(struct wsgi_learned *list)
{
    while (list->count > 0) {
        struct wsgi_tidings note = note_of(&list->script[0]);

        wsgi_learned_drop(list, &note);
    }
}

static void make_urgent(struct wsgi_renewal *renewal, const struct wsgi_tidings *note)
{
    clear(&renewal->urgent);
    wsgi_learned_add(&renewal->urgent, note);
    renewal->urgent_tried = 0;
}

/* The same file, whatever interpreter it is for: a state that failed in one is not tried. */
static int is_kept(const struct wsgi_renewal *renewal, const struct wsgi_tidings *note)
{
    const struct wsgi_learned_script *script = wsgi_learned_find(&renewal->kept, note);

    return script && script->mtime == note->mtime;
}

static void replace_text(char **text, const char *bytes, size_t size)
{
    free(*text);
    *text = bytes ? strndup(bytes, size) : NULL;
}

/* The traceback, as one record where the site wants that, and the line that says what it was. */
static void log_text(const struct wsgi_minder *minder, const char *text, size_t size)
{
    int64_t flags = minder->settings->server.settings->log_flags;
    int whole = flags & WSGI_LOG_KEEP_LINES ? WSGI_LOG_WHOLE : 0;
    const char *last = size ? memrchr(text, '\n', size - 1) : NULL;
    size_t first = last ? (size_t)(last + 1 - text) : 0;

    if (first) {
        wsgi_log_server_text(minder->group->server, WSGI_ERROR_LEVEL | whole, text, first - 1);
    }
    wsgi_log_server_text(minder->group->server, WSGI_ERROR_LEVEL, text + first, size - first);
}

static int is_logged(const struct wsgi_renewal *renewal, const struct wsgi_tidings *note)
{
    int i;

    for (i = 0; i < WSGI_LOGGED_MAX; i++) {
        const char *text = renewal->logged[i];

        if (text && strlen(text) == note->text_size &&
            memcmp(text, note->text, note->text_size) == 0) {
            return 1;
        }
    }
    return 0;
}

/* The oldest is forgotten for it. */
static void remember_logged(struct wsgi_renewal *renewal, const struct wsgi_tidings *note)
{
    if (!is_logged(renewal, note)) {
        renewal->last_logged = (renewal->last_logged + 1) % WSGI_LOGGED_MAX;
        replace_text(&renewal->logged[renewal->last_logged], note->text, note->text_size);
    }
}

/* Should it fail again, that is new. */
static void forget_logged(struct wsgi_renewal *renewal)
{
    int i;

    for (i = 0; i < WSGI_LOGGED_MAX; i++) {
        replace_text(&renewal->logged[i], NULL, 0);
    }
}

/* Tracebacks are logged once, however many processes meet them, and however often. */
static void log_failure(struct wsgi_minder *minder, const struct wsgi_tidings *note)
{
    if (is_logged(minder->renewal, note)) {
        return;
    }
    remember_logged(minder->renewal, note);
    log_text(minder, note->text, note->text_size);
    wsgi_minder_point(minder);
}

/* ---- begin --------------------------------------------------------------- */

static void hold_old(struct wsgi_minder *minder)
{
    int i;

    minder->renewal->overlap = 0;
    for (i = 0; i < minder->slots->count; i++) {
        if (minder->minded[i].is_old && state_of(minder, i) == WSGI_SLOT_READY) {
            wsgi_slots_set_state(minder->slots, i, WSGI_SLOT_HELD);
        }
    }
}

static void replace_all(struct wsgi_minder *minder, apr_time_t now)
{
    int i;

    for (i = 0; i < minder->group->processes; i++) {
        if (minder->places[i].slot < 0) {
            minder->places[i].not_before = now; /* whatever failed before: this is other code */
            minder->places[i].failures = 0;
        }
    }
    for (i = 0; i < minder->slots->count; i++) {
        struct wsgi_minded *minded = &minder->minded[i];

        if (is_starting(minder, i)) {
            wsgi_minder_abandon(minder, i, "its code changed while it started", now);
        } else if (state_of(minder, i) == WSGI_SLOT_READY &&
                   (minded->place >= 0 || minded->heir >= 0)) {
            minded->is_old = 1;
            minded->heir = -1;
            if (minded->place >= 0) {
                wsgi_plan_vacate(minder, i, now);
            }
        }
    }
}

static void begin(struct wsgi_minder *minder, int overlap, apr_time_t now)
{
    struct wsgi_renewal *renewal = minder->renewal;

    renewal->begun++;
    renewal->phase = WSGI_RENEWAL_LOADING;
    renewal->overlap = overlap;
    renewal->again = renewal->deaths = renewal->wanted = 0;
    renewal->probe = -1;
    renewal->since = now;
    replace_text(&renewal->trouble, NULL, 0);
    clear(&renewal->tried);
    replace_all(minder, now);
    if (!overlap) {
        hold_old(minder);
    }
}

/* ---- end ----------------------------------------------------------------- */

static void finish(struct wsgi_minder *minder, apr_time_t now)
{
    struct wsgi_renewal *renewal = minder->renewal;

    renewal->phase = WSGI_RENEWAL_NONE;
    renewal->ended = renewal->begun;
    renewal->succeeded = !renewal->trouble;
    free(renewal->said);
    renewal->said = renewal->trouble;
    renewal->trouble = NULL;
    if (renewal->succeeded) {
        forget_logged(renewal);
        clear(&renewal->urgent);
        ap_log_error(APLOG_MARK, APLOG_INFO, 0, minder->group->server,
                     "daemon group '%s': its new code serves, after %ld ms", minder->group->name,
                     (long)apr_time_as_msec(now - renewal->since));
    }
    if (renewal->again) {
        clear(&renewal->kept);
        begin(minder, 1, now);
    }
}

static void finish_if_full(struct wsgi_minder *minder, apr_time_t now)
{
    int i;

    if (minder->renewal->phase != WSGI_RENEWAL_FILLING) {
        return;
    }
    for (i = 0; i < minder->group->processes; i++) {
        /* An empty place whose time has come is filled in this same round. */
        if (minder->places[i].slot < 0 ? minder->places[i].not_before <= now
                                       : is_starting(minder, minder->places[i].slot)) {
            return;
        }
    }
    finish(minder, now);
}

/* The old code goes before the new one comes, so that no answers are mixed. */
static void switch_over(struct wsgi_minder *minder, apr_time_t now)
{
    int i;

    for (i = 0; i < minder->slots->count; i++) {
        if (minder->minded[i].is_old) {
            minder->minded[i].is_old = 0;
            wsgi_plan_drain(minder, i, WSGI_WHY_RELOAD, NULL, now);
        }
    }
    minder->renewal->phase = WSGI_RENEWAL_FILLING;
    for (i = 0; i < minder->slots->count; i++) {
        if (minder->minded[i].is_waiting) {
            minder->minded[i].is_waiting = 0;
            wsgi_minder_open(minder, i, now);
        }
    }
}

static void tell_to_keep(struct wsgi_minder *minder, int index)
{
    const struct wsgi_learned *kept = &minder->renewal->kept;
    int i;

    for (i = 0; i < kept->count; i++) {
        struct wsgi_tidings note = note_of(&kept->script[i]);

        wsgi_minder_tell_note(minder, index, WSGI_CONTROL_KEEP, &note);
    }
}

/* What the replacements met, and what they were started for, is not tried again. */
static void keep_states(struct wsgi_renewal *renewal)
{
    int i;

    if (renewal->urgent.count) {
        struct wsgi_tidings note = note_of(&renewal->urgent.script[0]);

        if (!wsgi_learned_find(&renewal->tried, &note)) {
            wsgi_learned_add(&renewal->tried, &note);
        }
    }
    for (i = 0; i < renewal->tried.count; i++) {
        struct wsgi_tidings note = note_of(&renewal->tried.script[i]);

        wsgi_learned_add(&renewal->kept, &note);
    }
    clear(&renewal->tried);
    clear(&renewal->urgent);
}

static int find_empty_place(const struct wsgi_minder *minder)
{
    int i;

    for (i = 0; i < minder->group->processes; i++) {
        if (minder->places[i].slot < 0) {
            return i;
        }
    }
    return -1;
}

static void bring_back(struct wsgi_minder *minder, int index, apr_time_t now)
{
    int place = find_empty_place(minder);

    minder->minded[index].is_old = 0;
    if (place < 0) { /* more old ones than places: one that was just being replaced */
        wsgi_plan_drain(minder, index, WSGI_WHY_RELOAD, NULL, now);
        return;
    }
    wsgi_minder_give_place(minder, index, place);
    tell_to_keep(minder, index); /* first, else it would meet the file with the next request */
    if (state_of(minder, index) == WSGI_SLOT_HELD) {
        wsgi_slots_set_state(minder->slots, index, WSGI_SLOT_READY);
    }
}

/* The new code cannot be loaded: `trouble` says why. The old one serves on. */
static void fail(struct wsgi_minder *minder, apr_time_t now)
{
    int i;

    ap_log_error(APLOG_MARK, APLOG_WARNING, 0, minder->group->server,
                 "daemon group '%s': the new code is not used, because it cannot be loaded; the "
                 "former code serves until the script changes again",
                 minder->group->name);
    keep_states(minder->renewal);
    for (i = 0; i < minder->slots->count; i++) {
        minder->minded[i].is_waiting = 0;
        if (is_starting(minder, i)) {
            wsgi_minder_abandon(minder, i, "its code cannot be loaded", now);
        }
    }
    for (i = 0; i < minder->slots->count; i++) {
        if (minder->minded[i].is_old) {
            bring_back(minder, i, now);
        }
    }
    for (i = 0; i < minder->group->processes; i++) {
        if (minder->places[i].slot < 0) {
            wsgi_spawn_delay(&minder->places[i], now);
        }
    }
    finish(minder, now);
}

/* ---- a process that is not fit for a script ------------------------------- */

static void end_probe(struct wsgi_minder *minder, apr_time_t now)
{
    static const int delays[WSGI_HEAL_DELAYS] = {2, 4, 4};
    struct wsgi_renewal *renewal = minder->renewal;
    int place = renewal->probe;
    int i;

    renewal->probe = -1;
    renewal->heal_at = now + apr_time_from_sec(delays[renewal->tries]);
    renewal->tries += renewal->tries + 1 < WSGI_HEAL_DELAYS;
    for (i = 0; i < minder->slots->count; i++) {
        if (minder->minded[i].pid && minder->minded[i].heir == place) {
            minder->minded[i].heir = -1;
            wsgi_minder_give_place(minder, i, place);
            return;
        }
    }
}

/* A script failed in a process that serves. */
static void is_unfit(struct wsgi_minder *minder, int index, const struct wsgi_tidings *note,
                     apr_time_t now)
{
    struct wsgi_renewal *renewal = minder->renewal;
    const struct wsgi_learned_script *known = wsgi_learned_find(&renewal->urgent, note);

    if (note->text_size) {
        remember_logged(renewal, note); /* by the daemon itself */
    }
    if (renewal->phase == WSGI_RENEWAL_LOADING || state_of(minder, index) != WSGI_SLOT_READY) {
        return;
    }
    if (known && known->mtime != note->mtime) {
        renewal->tries = 0;
        renewal->heal_at = now;
        make_urgent(renewal, note);
    } else if (!known && (renewal->urgent.count == 0 || renewal->urgent_tried)) {
        if (renewal->urgent.count == 0) {
            renewal->tries = 0;
            renewal->heal_at = now + apr_time_from_sec(1);
        } /* else it is this one's turn, at the same pace */
        make_urgent(renewal, note);
    }
    minder->minded[index].is_unfit = 1;
    renewal->wanted = 1;
}

static apr_time_t heal(struct wsgi_minder *minder, apr_time_t now)
{
    struct wsgi_renewal *renewal = minder->renewal;
    int i;

    if (!renewal->wanted || renewal->probe >= 0 || minder->closing ||
        renewal->phase == WSGI_RENEWAL_LOADING) {
        return now + apr_time_from_sec(1);
    }
    if (now < renewal->heal_at) {
        return renewal->heal_at;
    }
    renewal->wanted = 0;
    renewal->urgent_tried = 1;
    for (i = 0; i < minder->slots->count; i++) {
        struct wsgi_minded *minded = &minder->minded[i];

        if (minded->is_unfit && minded->place >= 0 && state_of(minder, i) == WSGI_SLOT_READY) {
            renewal->probe = minded->place;
            minder->places[minded->place].not_before = now;
            wsgi_minder_make_heir(minder, i, WSGI_WHY_RELOAD);
            break;
        }
    }
    return now + apr_time_from_sec(1);
}

/* It could be loaded by another process: the others that could not are replaced as well. */
static void is_healed(struct wsgi_minder *minder)
{
    struct wsgi_renewal *renewal = minder->renewal;
    int i;

    renewal->probe = -1;
    renewal->wanted = 0;
    clear(&renewal->urgent);
    forget_logged(renewal);
    for (i = 0; i < minder->slots->count; i++) {
        struct wsgi_minded *minded = &minder->minded[i];

        if (minded->is_unfit && minded->place >= 0 && state_of(minder, i) == WSGI_SLOT_READY) {
            minder->places[minded->place].not_before = 0;
            wsgi_minder_make_heir(minder, i, WSGI_WHY_RELOAD);
        }
    }
}

/* ---- what daemons say ---------------------------------------------------- */

static void changed(struct wsgi_minder *minder, int index, const struct wsgi_tidings *note,
                    apr_time_t now)
{
    struct wsgi_renewal *renewal = minder->renewal;
    int overlap = minder->group->reload_overlap;

    if (state_of(minder, index) != WSGI_SLOT_READY || minder->closing ||
        (minder->minded[index].place < 0 && minder->minded[index].heir < 0 &&
         !minder->minded[index].is_old)) {
        return;
    }
    if (renewal->phase == WSGI_RENEWAL_LOADING) {
        if (!overlap) {
            hold_old(minder); /* that one was by command */
        }
        return;
    }
    if (is_kept(renewal, note)) {
        tell_to_keep(minder, index); /* it said so before it was told */
        return;
    }
    ap_log_error(APLOG_MARK, APLOG_INFO, 0, minder->group->server,
                 "daemon group '%s': process %d found a changed script, the group is reloaded",
                 minder->group->name, (int)minder->minded[index].pid);
    make_urgent(renewal, note);
    wsgi_learned_drop(&renewal->kept, note);
    begin(minder, overlap, now);
}

/* A script that was known to be broken before another one changed does not hold up that one. */
static int is_known_otherwise(const struct wsgi_renewal *renewal, const struct wsgi_tidings *note)
{
    return renewal->phase == WSGI_RENEWAL_LOADING && is_kept(renewal, note) &&
           !wsgi_learned_find(&renewal->urgent, note);
}

/* A process that is not ready yet cannot load a script, and asks what to do. */
static void cannot_load(struct wsgi_minder *minder, int index, const struct wsgi_tidings *note,
                        apr_time_t now)
{
    struct wsgi_renewal *renewal = minder->renewal;
    int place = minder->minded[index].place;

    if (is_known_otherwise(renewal, note)) {
        wsgi_minder_tell_note(minder, index, WSGI_CONTROL_SERVE, NULL);
        return;
    }
    log_failure(minder, note);
    if (renewal->phase == WSGI_RENEWAL_LOADING) {
        wsgi_learned_add(&renewal->tried, note);
        replace_text(&renewal->trouble, note->text, note->text_size);
    }
    if (!others_serve(minder, index)) {
        wsgi_minder_tell_note(minder, index, WSGI_CONTROL_SERVE, NULL);
    } else if (renewal->phase == WSGI_RENEWAL_LOADING) {
        fail(minder, now);
    } else {
        wsgi_minder_abandon(minder, index, "its code cannot be loaded", now);
        if (renewal->probe == place) {
            end_probe(minder, now);
        } else {
            wsgi_spawn_delay(&minder->places[place], now);
        }
        finish_if_full(minder, now);
    }
}

static void loaded(struct wsgi_minder *minder, int index, const struct wsgi_tidings *note)
{
    struct wsgi_renewal *renewal = minder->renewal;

    wsgi_learned_add(&renewal->learned, note);
    if (is_starting(minder, index) && renewal->phase == WSGI_RENEWAL_LOADING) {
        wsgi_learned_add(&renewal->tried, note);
        wsgi_learned_drop(&renewal->kept, note);
    } else if (minder->minded[index].is_unfit && wsgi_learned_find(&renewal->urgent, note)) {
        minder->minded[index].is_unfit = renewal->wanted = 0; /* its failure was passing */
    }
}

void wsgi_renewal_heard(struct wsgi_minder *minder, int index, uint32_t type,
                        const struct wsgi_tidings *note, apr_time_t now)
{
    switch (type) {
    case WSGI_CONTROL_RELOAD:
        changed(minder, index, note, now);
        break;
    case WSGI_CONTROL_LOADED:
        loaded(minder, index, note);
        break;
    case WSGI_CONTROL_MISSING:
        ap_log_error(APLOG_MARK, APLOG_DEBUG, 0, minder->group->server,
                     "daemon group '%s': script %s is gone, it is not loaded any more",
                     minder->group->name, note->path);
        wsgi_learned_drop(&minder->renewal->learned, note);
        break;
    case WSGI_CONTROL_UNLOADABLE:
        if (is_starting(minder, index)) {
            cannot_load(minder, index, note, now);
        } else {
            is_unfit(minder, index, note, now);
        }
        break;
    default:
        break;
    }
}

/* ---- what becomes of processes ------------------------------------------- */

/* In an overlap nobody has to hurry: all of them change at the same time. */
static int is_last(const struct wsgi_minder *minder, int index)
{
    int i;

    for (i = 0; i < minder->slots->count; i++) {
        if (i != index && is_starting(minder, i) && !minder->minded[i].is_waiting) {
            return 0;
        }
    }
    return 1;
}

int wsgi_renewal_ready(struct wsgi_minder *minder, int index, apr_time_t now)
{
    struct wsgi_renewal *renewal = minder->renewal;

    if (renewal->phase != WSGI_RENEWAL_LOADING) {
        return 1;
    }
    if (renewal->overlap && !is_last(minder, index)) {
        minder->minded[index].is_waiting = 1;
        return 0;
    }
    switch_over(minder, now);
    return 1;
}

void wsgi_renewal_opened(struct wsgi_minder *minder, int index, apr_time_t now)
{
    if (minder->renewal->probe >= 0 && minder->minded[index].place == minder->renewal->probe) {
        is_healed(minder);
    }
    finish_if_full(minder, now);
}

/* One more chance for the first that dies; more deaths are the code's fault. */
static void died(struct wsgi_minder *minder, int index, const char *how, apr_time_t now)
{
    struct wsgi_renewal *renewal = minder->renewal;
    char text[256];

    snprintf(text, sizeof(text), "process %d %s before it was ready\n",
             (int)minder->minded[index].pid, how);
    if (++renewal->deaths < WSGI_DEATHS_MAX) {
        return;
    }
    replace_text(&renewal->trouble, text, strlen(text));
    if (others_serve(minder, index)) {
        fail(minder, now);
    } else {
        finish(minder, now);
    }
}

void wsgi_renewal_ended(struct wsgi_minder *minder, int index, const char *how, apr_time_t now)
{
    struct wsgi_renewal *renewal = minder->renewal;
    int place = minder->minded[index].place;

    minder->minded[index].is_waiting = 0;
    if (!is_starting(minder, index) || minder->closing) {
        return;
    }
    wsgi_plan_leave_place(minder, index);
    if (renewal->probe == place) {
        end_probe(minder, now);
    } else if (renewal->phase == WSGI_RENEWAL_LOADING) {
        died(minder, index, how, now);
    }
    finish_if_full(minder, now);
}

apr_time_t wsgi_renewal_tick(struct wsgi_minder *minder, apr_time_t now)
{
    finish_if_full(minder, now);
    return heal(minder, now);
}

/* ---- the launch block ---------------------------------------------------- */

static void put_script(struct wsgi_vars_writer *writer, const struct wsgi_learned_script *script)
{
    wsgi_vars_put_text(writer, WSGI_PARAM_PRELOAD_GROUP, script->group);
    wsgi_vars_put_text(writer, WSGI_PARAM_PRELOAD_SCRIPT, script->path);
    wsgi_vars_put_number(writer, WSGI_PARAM_PRELOAD_LEARNED, (int64_t)script->flags);
}

void wsgi_renewal_put(const struct wsgi_renewal *renewal, struct wsgi_vars_writer *writer)
{
    const struct wsgi_learned_script *first = NULL;
    int i;

    if (renewal->urgent.count && (renewal->phase != WSGI_RENEWAL_NONE || renewal->probe >= 0)) {
        first = &renewal->urgent.script[0];
        put_script(writer, first);
    }
    for (i = 0; i < renewal->learned.count; i++) {
        struct wsgi_tidings note = note_of(&renewal->learned.script[i]);

        if (!first || !wsgi_learned_find(&renewal->urgent, &note)) {
            put_script(writer, &renewal->learned.script[i]);
        }
    }
}

/* ---- by command ---------------------------------------------------------- */

unsigned wsgi_renewal_request(struct wsgi_minder *minder, apr_time_t now)
{
    struct wsgi_renewal *renewal = minder->renewal;

    if (renewal->phase == WSGI_RENEWAL_LOADING) {
        renewal->again = 1; /* what it has loaded so far may be older than the command */
        return renewal->begun + 1;
    }
    clear(&renewal->urgent);
    clear(&renewal->kept);
    forget_logged(renewal); /* who asks gets the traceback, and so does the log */
    begin(minder, 1, now);
    return renewal->begun;
}

int wsgi_renewal_is_over(const struct wsgi_minder *minder, unsigned number, int *succeeded,
                         const char **trouble)
{
    const struct wsgi_renewal *renewal = minder->renewal;

    if ((int)(renewal->ended - number) < 0) {
        return 0;
    }
    *succeeded = renewal->succeeded;
    *trouble = renewal->said ? renewal->said : "";
    return 1;
}

/* ---- */

void wsgi_renewal_init(struct wsgi_minder *minder, apr_pool_t *pool)
{
    struct wsgi_renewal *renewal = apr_pcalloc(pool, sizeof(*renewal));

    minder->renewal = renewal;
    renewal->probe = -1;
    wsgi_learned_init(&renewal->learned,
                      wsgi_learned_area_of(minder->settings->learned, minder->group->name));
}
