/* SPDX-License-Identifier: Apache-2.0 */
#include "client.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "ap_mpm.h"
#include "apr_strings.h"
#include "clocks.h"
#include "leaving.h"
#include "log.h"
#include "pool.h"
#include "relay.h"
#include "room.h"
#include "workers.h"

#define WSGI_WAIT_SLICE 250 /* ms between two looks at the client and the clock */
#define WSGI_AVOID_PAUSE 10 /* ms before the only ready process is asked again */

/* One request on its way to some process of the group. */
struct errand {
    request_rec *r;
    const struct wsgi_group *group;
    struct wsgi_outcome *outcome;
    struct wsgi_permit permit;
    struct wsgi_visit visit; /* of the waiting room; its place in the line is kept */
    int refusals;            /* processes that did not take the request */
    apr_time_t begin;
    apr_interval_time_t older; /* what httpd has had it for before that */
    apr_time_t refused_since;  /* 0: no process has refused it */
    apr_time_t nobody_since;   /* 0: the last look found a ready process */
    const char *last_trouble;
};

/* Half of what Apache has, so that one site never takes the others down. */
static int half_of_apache(void)
{
    int processes = 1;
    int threads = 1;

    ap_mpm_query(AP_MPMQ_MAX_DAEMONS, &processes);
    ap_mpm_query(AP_MPMQ_MAX_THREADS, &threads);
    processes = processes > 0 ? processes : 1;
    threads = threads > 0 ? threads : 1;
    return processes * threads > 1 ? processes * threads / 2 : 1;
}

void wsgi_client_child_init(apr_pool_t *pool, server_rec *main_server,
                            const apr_array_header_t *groups)
{
    struct wsgi_pools *pools = wsgi_pools_create(pool);
    int i;
    int j;

    (void)main_server;
    for (i = 0; i < groups->nelts; i++) {
        struct wsgi_slots *slots = APR_ARRAY_IDX(groups, i, const struct wsgi_group *)->slots;

        if (!slots) {
            continue;
        }
        slots->self = getpid();
        slots->crowd = half_of_apache();
        slots->groups = groups;
        for (j = 0; j < slots->count; j++) {
            slots->slot[j].pool = wsgi_pool_create(pools, slots->slot[j].shared);
        }
    }
}

/* ---- waiting for a worker: how it fails ---------------------------------- */

/* What an operator has to know at that moment. */
static const char *state_of_the_pool(const struct errand *errand)
{
    const struct wsgi_slots *slots = errand->group->slots;
    struct wsgi_slots_census census;

    wsgi_slots_count(slots, &census);
    return apr_psprintf(errand->r->pool,
                        "processes: %d ready, %d starting, %d held, %d draining; workers: %d of %d "
                        "busy, the longest for %d s, %d with a request that was given up; "
                        "requests: %d waiting, listen-backlog=%d",
                        census.ready, census.starting, census.held, census.draining, census.taken,
                        census.ready * errand->group->threads, census.longest, census.given_up,
                        census.waiting, slots->room);
}

static int fail(struct errand *errand, int status, int code, const char *format, ...)
    __attribute__((format(printf, 4, 5)));

static int fail(struct errand *errand, int status, int code, const char *format, ...)
{
    char words[WSGI_OUTCOME_CAUSE_MAX];
    va_list arguments;

    va_start(arguments, format);
    vsnprintf(words, sizeof(words), format, arguments);
    va_end(arguments);
    wsgi_outcome_fail(errand->outcome, (uint16_t)status, (uint16_t)code,
                      "daemon group '%s': %s (%s)", errand->group->name, words,
                      state_of_the_pool(errand));
    return -1;
}

static int nobody_there(struct errand *errand, apr_interval_time_t limit)
{
    return fail(errand, HTTP_SERVICE_UNAVAILABLE, WSGI_CODE_RETRIES_EXHAUSTED,
                "no process took the request within %ld s%s%s", (long)apr_time_sec(limit),
                errand->last_trouble ? ": " : "", errand->last_trouble ? errand->last_trouble : "");
}

static int all_busy(struct errand *errand, apr_interval_time_t limit)
{
    return fail(errand, HTTP_GATEWAY_TIME_OUT, WSGI_CODE_HEAD_TIMEOUT,
                "all workers were busy for %ld s", (long)apr_time_sec(limit));
}

static int waited_too_long(struct errand *errand, apr_interval_time_t age)
{
    long waited = (long)apr_time_as_msec(wsgi_clock_now() - errand->begin);

    return fail(errand, HTTP_GATEWAY_TIME_OUT, WSGI_CODE_QUEUE_TIMEOUT,
                "queue-timeout (%d s) is over, the request is %ld.%03ld s old and has waited "
                "%ld.%03ld s for a worker",
                errand->group->queue_timeout, (long)apr_time_as_msec(age) / 1000,
                (long)apr_time_as_msec(age) % 1000, waited / 1000, waited % 1000);
}

static int no_room(struct errand *errand, int is_ready)
{
    return fail(errand, HTTP_SERVICE_UNAVAILABLE, WSGI_CODE_RETRIES_EXHAUSTED,
                is_ready ? "all workers are busy and the queue is full"
                         : "no process is ready, and as many requests wait already as may");
}

static int left_the_queue(struct errand *errand)
{
    errand->r->connection->aborted = 1;
    errand->outcome->silent = 1;
    wsgi_outcome_fail(errand->outcome, HTTP_BAD_REQUEST, WSGI_CODE_CLIENT_GONE,
                      "the client closed the connection before a worker was free");
    return -1;
}

/* ---- waiting for a worker ------------------------------------------------ */

/* Requests of other groups that wait while none of their processes is ready. */
static int crowd_elsewhere(const struct wsgi_slots *mine)
{
    int count = 0;
    int i;

    for (i = 0; mine->groups && i < mine->groups->nelts; i++) {
        const struct wsgi_slots *slots =
            APR_ARRAY_IDX(mine->groups, i, const struct wsgi_group *)->slots;

        if (slots && slots != mine && !wsgi_room_is_empty(slots) &&
            !wsgi_slots_have(slots, WSGI_SLOT_READY)) {
            count += wsgi_room_count(slots);
        }
    }
    return count;
}

/* So many may wait before this request. */
static int room_for(const struct wsgi_slots *slots, int is_ready)
{
    int others;

    if (is_ready) {
        return slots->room;
    }
    others = crowd_elsewhere(slots);
    if (others >= slots->crowd) {
        return 0;
    }
    return slots->room < slots->crowd - others ? slots->room : slots->crowd - others;
}

/* Nobody ready: while a process is on its way it may load a large application, as a request of
 * mod_wsgi 6 would wait for that in it. */
static int nobody_for_too_long(struct errand *errand, apr_time_t now)
{
    apr_interval_time_t limit = errand->group->slots->connect_timeout;
    apr_interval_time_t longer = wsgi_clock_socket(errand->group, errand->r);

    if (wsgi_slots_have(errand->group->slots, WSGI_SLOT_STARTING) && longer > limit) {
        limit = longer;
    }
    if (!errand->nobody_since) {
        errand->nobody_since = now;
    }
    return now - errand->nobody_since >= limit && nobody_there(errand, limit) < 0;
}

static int is_refused_by_all(const struct errand *errand)
{
    return errand->refusals >= errand->group->slots->count;
}

/* 1 when the wait is over, and lost. */
static int out_of_patience(struct errand *errand)
{
    struct wsgi_slots *slots = errand->group->slots;
    apr_interval_time_t limit = wsgi_clock_socket(errand->group, errand->r);
    apr_time_t now = wsgi_clock_now();
    apr_interval_time_t age;

    if (wsgi_clock_queued_too_long(errand->group, errand->begin, errand->older, &age)) {
        return waited_too_long(errand, age) < 0;
    }
    if (wsgi_slots_have(slots, WSGI_SLOT_READY)) {
        if (errand->visit.avoid < 0) {
            errand->nobody_since = 0;
        }
        return now - errand->begin > limit &&
               (is_refused_by_all(errand) ? nobody_there(errand, limit) : all_busy(errand, limit)) <
                   0;
    }
    if (nobody_for_too_long(errand, now)) {
        return 1;
    }
    /* There were processes when it came; who came last leaves first. */
    return wsgi_room_rank(slots, &errand->visit) >= room_for(slots, 0) && no_room(errand, 0) < 0;
}

static enum wsgi_room wait_once(struct errand *errand)
{
    struct wsgi_slots *slots = errand->group->slots;
    struct wsgi_visit *visit = &errand->visit;
    int pause = visit->avoid < 0 ? WSGI_WAIT_SLICE : WSGI_AVOID_PAUSE;
    enum wsgi_room answer = wsgi_room_wait(slots, visit, pause, &errand->permit);

    if (answer != WSGI_ROOM_WAITING) {
        return answer;
    }
    if (visit->avoid >= 0) {
        wsgi_room_avoid_nothing(slots, visit);
    }
    /* Whoever was to do it may have died over it. */
    wsgi_slots_free_ended(slots);
    wsgi_room_serve(slots);
    return WSGI_ROOM_WAITING;
}

/* Waits for any worker of the group: 0 with the permit, -1 with the outcome. */
static int wait_for_permit(struct errand *errand)
{
    struct wsgi_slots *slots = errand->group->slots;
    int is_ready = wsgi_slots_have(slots, WSGI_SLOT_READY);
    enum wsgi_room answer;

    errand->visit.limit = room_for(slots, is_ready);
    wsgi_slots_free_ended(slots);
    answer = wsgi_room_enter(slots, &errand->visit, &errand->permit);
    if (answer == WSGI_ROOM_WAITING && APLOGrdebug(errand->r)) {
        ap_log_rerror(APLOG_MARK, APLOG_DEBUG, 0, errand->r,
                      "daemon group '%s': the request waits for a worker, %d before it",
                      errand->group->name, wsgi_room_rank(slots, &errand->visit));
    }
    while (answer == WSGI_ROOM_WAITING) {
        if (out_of_patience(errand) ||
            (wsgi_client_left(errand->r) && left_the_queue(errand) < 0)) {
            if (wsgi_room_leave(slots, &errand->visit, &errand->permit) == WSGI_ROOM_SERVED) {
                wsgi_slots_release(slots, &errand->permit);
            }
            return -1;
        }
        answer = wait_once(errand);
    }
    return answer == WSGI_ROOM_SERVED ? 0 : no_room(errand, is_ready);
}

/* 0, or -1 with the outcome: all processes refuse it, as they do when their script has changed, and
 * the supervisor, which is to replace them, does not get to it. No faster than that, then, and not
 * for longer than for a process that is on its way. */
static int wait_after_refusals(struct errand *errand)
{
    apr_interval_time_t limit = wsgi_clock_socket(errand->group, errand->r);

    if (!is_refused_by_all(errand)) {
        return 0;
    }
    if (wsgi_client_left(errand->r)) {
        return left_the_queue(errand);
    }
    if (wsgi_clock_now() - errand->refused_since >= limit) {
        return nobody_there(errand, limit);
    }
    apr_sleep(apr_time_from_msec(WSGI_AVOID_PAUSE));
    return 0;
}

static int get_permit(struct errand *errand)
{
    struct wsgi_slots *slots = errand->group->slots;
    apr_interval_time_t age;

    if (wait_after_refusals(errand) < 0) {
        return -1;
    }
    if ((!wsgi_room_is_empty(slots) ||
         wsgi_slots_take(slots, errand->visit.avoid, (int32_t)slots->self, &errand->permit) !=
             WSGI_TAKE_OK) &&
        wait_for_permit(errand) < 0) {
        return -1;
    }
    if (wsgi_clock_queued_too_long(errand->group, errand->begin, errand->older, &age)) {
        wsgi_slots_release(slots, &errand->permit);
        return waited_too_long(errand, age);
    }
    return 0;
}

/* ---- one try ------------------------------------------------------------- */

static void try_elsewhere(struct errand *errand, const char *why)
{
    errand->visit.avoid = errand->permit.slot;
    errand->refusals++;
    errand->last_trouble = why;
    if (!errand->nobody_since) {
        errand->nobody_since = wsgi_clock_now();
    }
    if (!errand->refused_since) {
        errand->refused_since = wsgi_clock_now();
    }
    ap_log_rerror(APLOG_MARK, APLOG_DEBUG, 0, errand->r,
                  "daemon group '%s': slot %d did not take the request (%s), trying again",
                  errand->group->name, errand->permit.slot, why);
}

/* The process may be short of descriptors, and close connections that nobody has used for long:
 * it is still there for another one. */
static void try_again(struct errand *errand, const struct wsgi_connection *connection, int was_used)
{
    const struct wsgi_slot_shared *slot = errand->group->slots->slot[errand->permit.slot].shared;

    if (was_used && connection->closed && atomic_load(&slot->epoch) == connection->epoch &&
        atomic_load(&slot->state) == WSGI_SLOT_READY) {
        errand->visit.avoid = -1;
        return;
    }
    try_elsewhere(errand, "the process ended, or is to end, before it began with it");
}

static void begin_relay(struct errand *errand, struct wsgi_relay *relay,
                        struct wsgi_connection *connection)
{
    struct wsgi_slots *slots = errand->group->slots;
    int pid = (int)atomic_load(&slots->slot[errand->permit.slot].shared->pid);

    relay->connection = connection;
    relay->slot = errand->permit.slot;
    relay->refusals = errand->refusals;
    relay->given = wsgi_clock_now();
    relay->queued = relay->given - errand->begin;
    wsgi_slots_note(slots, &errand->permit, connection->epoch, connection->index,
                    connection->sequence + 1);
    wsgi_clock_note(errand->r, relay->queued, pid);
}

/* 1: take another process. 0: the outcome is there. The permit is given back. */
static int try_slot(struct errand *errand, struct wsgi_relay *relay)
{
    struct wsgi_slots *slots = errand->group->slots;
    struct wsgi_connection *connection = NULL;
    const char *why = NULL;
    enum wsgi_verdict verdict;
    int was_used;

    switch (wsgi_pool_take(slots, errand->permit.slot, errand->r->pool, &connection, &why)) {
    case WSGI_CONNECT_OK:
        break;
    case WSGI_CONNECT_RETRY:
        try_elsewhere(errand, why);
        wsgi_slots_release(slots, &errand->permit);
        return 1;
    default:
        wsgi_outcome_fail(errand->outcome, HTTP_SERVICE_UNAVAILABLE, WSGI_CODE_CONNECT_FAILED,
                          "daemon group '%s': %s", errand->group->name, why);
        wsgi_slots_release(slots, &errand->permit);
        return 0;
    }
    was_used = connection->sequence > 0;
    begin_relay(errand, relay, connection);
    verdict = wsgi_relay_run(relay);
    if (verdict == WSGI_RELAY_DONE) {
        wsgi_pool_put(slots, errand->permit.slot, connection);
        wsgi_slots_release(slots, &errand->permit);
        return 0;
    }
    if (verdict == WSGI_RELAY_RETRY) {
        try_again(errand, connection, was_used);
        wsgi_slots_release(slots, &errand->permit);
    } else {
        wsgi_slots_give_up(slots, &errand->permit);
    }
    wsgi_connection_close(connection);
    return verdict == WSGI_RELAY_RETRY;
}

static void run_errand(struct errand *errand, const struct wsgi_relay *request)
{
    int again;

    do {
        struct wsgi_relay relay = *request;

        if (get_permit(errand) < 0) {
            wsgi_clock_note(errand->r, wsgi_clock_now() - errand->begin, 0);
            return;
        }
        again = try_slot(errand, &relay);
    } while (again);
}

static int can_be_run(const struct wsgi_group *group, size_t vars_size,
                      struct wsgi_outcome *outcome)
{
    if (group->threads == 0) {
        wsgi_outcome_fail(outcome, HTTP_SERVICE_UNAVAILABLE, WSGI_CODE_SERVICE,
                          "daemon group '%s' (%s) has threads=0: it runs service scripts and takes "
                          "no requests; give the application another process group",
                          group->name, group->where ? group->where : "?");
        return 0;
    }
    if (group->broken || !group->slots) {
        wsgi_outcome_fail(outcome, HTTP_SERVICE_UNAVAILABLE, WSGI_CODE_GROUP_NOT_READY,
                          "daemon group '%s' (%s) is out of service: %s", group->name,
                          group->where ? group->where : "?",
                          group->broken ? group->broken : "it was not started");
        return 0;
    }
    if (vars_size > WSGI_FRAME_REQUEST_MAX - WSGI_REQUEST_PREFIX_SIZE - WSGI_FRAME_BODY_MAX) {
        wsgi_outcome_fail(outcome, HTTP_REQUEST_HEADER_FIELDS_TOO_LARGE,
                          WSGI_CODE_VARIABLES_TOO_LARGE,
                          "headers and variables of the request have %" APR_SIZE_T_FMT
                          " bytes, more than fits into a message to a daemon process",
                          vars_size);
        return 0;
    }
    return 1;
}

/* One word for the client's address; of IPv6 the network, which one client has for itself. */
static uint32_t client_of(const request_rec *r)
{
    const apr_sockaddr_t *address = r->useragent_addr;
    const unsigned char *byte = address ? address->ipaddr_ptr : NULL;
    int size = address ? address->ipaddr_len : 0;
    uint32_t hash = 2166136261u;

    if (size == 16) {
        static const unsigned char mapped[12] = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff};

        byte += memcmp(byte, mapped, sizeof(mapped)) == 0 ? 12 : 0;
        size = byte == address->ipaddr_ptr ? 8 : 4;
    }
    while (byte && size-- > 0) {
        hash = (hash ^ *byte++) * 16777619u;
    }
    return hash;
}

void wsgi_client_run(const struct wsgi_group *group, request_rec *r, const unsigned char *vars,
                     size_t vars_size, struct wsgi_body *body, struct wsgi_response *response,
                     struct wsgi_outcome *outcome)
{
    struct wsgi_upload upload = {.body = body};
    struct wsgi_relay relay = {.r = r,
                               .group = group,
                               .response = response,
                               .outcome = outcome,
                               .upload = &upload,
                               .vars = vars,
                               .vars_size = vars_size};
    struct errand errand = {.r = r,
                            .group = group,
                            .outcome = outcome,
                            .visit = {.client = client_of(r), .avoid = -1},
                            .begin = wsgi_clock_now(),
                            .older = wsgi_clock_age(r)};

    memset(outcome, 0, sizeof(*outcome));
    if (!can_be_run(group, vars_size, outcome)) {
        return;
    }
    if (group->slots->self != getpid()) {
        group->slots->self = getpid(); /* mpm_itk's, for this connection: it may be killed, too */
    }
    if (wsgi_upload_begin(&upload, outcome) == 0) {
        run_errand(&errand, &relay);
    }
    wsgi_upload_end(&upload);
}
