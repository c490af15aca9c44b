/* SPDX-License-Identifier: Apache-2.0 */
#include "client.h"

#include <unistd.h>

#include "apr_strings.h"
#include "log.h"
#include "pool.h"
#include "relay.h"
#include "slots.h"

#define WSGI_WAIT_SLICE 250 /* ms between two looks whether the client is still there */
#define WSGI_AVOID_PAUSE 10 /* ms before the only ready process is asked again */
#define WSGI_NOBODY_LIMIT apr_time_from_sec(15) /* connect-timeout's default */
#define WSGI_RETRY_AFTER "5"

/* One request on its way to some process of the group. */
struct errand {
    request_rec *r;
    const struct wsgi_group *group;
    struct wsgi_outcome *outcome;
    struct wsgi_permit permit;
    int avoid;    /* slot that did not take the request, -1 */
    int refusals; /* how often that was so */
    apr_time_t begin;
    apr_time_t nobody_since; /* 0: the last look found a ready process */
    const char *last_trouble;
};

void wsgi_client_child_init(apr_pool_t *pool, server_rec *main_server,
                            const apr_array_header_t *groups)
{
    int i;
    int j;

    (void)main_server;
    for (i = 0; i < groups->nelts; i++) {
        struct wsgi_slots *slots = APR_ARRAY_IDX(groups, i, const struct wsgi_group *)->slots;

        if (!slots) {
            continue;
        }
        slots->self = getpid();
        for (j = 0; j < slots->count; j++) {
            slots->slot[j].pool = wsgi_pool_create(pool);
        }
    }
}

/* ---- waiting for a worker ------------------------------------------------ */

static void come_back_later(struct errand *errand)
{
    apr_table_setn(errand->r->err_headers_out, "Retry-After", WSGI_RETRY_AFTER);
}

static int nobody_there(struct errand *errand)
{
    struct wsgi_slots_census census;

    wsgi_slots_count(errand->group->slots, &census);
    come_back_later(errand);
    wsgi_outcome_fail(errand->outcome, HTTP_SERVICE_UNAVAILABLE, WSGI_CODE_RETRIES_EXHAUSTED,
                      "no process of daemon group '%s' took the request within %ld s "
                      "(%d ready, %d starting, %d draining)%s%s",
                      errand->group->name, (long)apr_time_sec(WSGI_NOBODY_LIMIT), census.ready,
                      census.starting, census.draining, errand->last_trouble ? ": " : "",
                      errand->last_trouble ? errand->last_trouble : "");
    return -1;
}

static int all_busy(struct errand *errand)
{
    struct wsgi_slots_census census;

    wsgi_slots_count(errand->group->slots, &census);
    come_back_later(errand);
    wsgi_outcome_fail(errand->outcome, HTTP_SERVICE_UNAVAILABLE, WSGI_CODE_RETRIES_EXHAUSTED,
                      "all workers of daemon group '%s' were busy for %ld s (%d of %d workers in "
                      "%d ready processes; %d starting, %d draining)",
                      errand->group->name, (long)apr_time_sec(errand->r->server->timeout),
                      census.taken, census.ready * errand->group->threads, census.ready,
                      census.starting, census.draining);
    return -1;
}

static int left_the_queue(struct errand *errand)
{
    errand->r->connection->aborted = 1;
    errand->outcome->silent = 1;
    wsgi_outcome_fail(errand->outcome, HTTP_BAD_REQUEST, WSGI_CODE_CLIENT_GONE,
                      "the client closed the connection before a worker was free");
    return -1;
}

/* 1 when the wait is over, and lost. */
static int out_of_patience(struct errand *errand, enum wsgi_take answer)
{
    apr_time_t now = apr_time_now();

    if (answer == WSGI_TAKE_BUSY) {
        errand->nobody_since = 0;
        return now - errand->begin > errand->r->server->timeout && all_busy(errand) < 0;
    }
    if (!errand->nobody_since) {
        errand->nobody_since = now;
    }
    return now - errand->nobody_since > WSGI_NOBODY_LIMIT && nobody_there(errand) < 0;
}

/* Waits for any worker of the group: 0 with the permit, -1 with the outcome. */
static int wait_for_permit(struct errand *errand)
{
    struct wsgi_slots *slots = errand->group->slots;
    uint32_t seen = wsgi_slots_wait_begin(slots);
    int result = 0;

    for (;;) {
        enum wsgi_take answer = wsgi_slots_take(slots, errand->avoid, &errand->permit);

        if (answer == WSGI_TAKE_OK) {
            break;
        }
        if (out_of_patience(errand, answer)) {
            result = -1;
            break;
        }
        wsgi_slots_wait(slots, &seen,
                        answer == WSGI_TAKE_AVOIDED ? WSGI_AVOID_PAUSE : WSGI_WAIT_SLICE);
        if (answer == WSGI_TAKE_AVOIDED) {
            errand->avoid = -1;
        }
        if (wsgi_client_left(errand->r)) {
            result = left_the_queue(errand);
            break;
        }
    }
    wsgi_slots_wait_end(slots);
    return result;
}

static int get_permit(struct errand *errand)
{
    if (wsgi_slots_take(errand->group->slots, errand->avoid, &errand->permit) == WSGI_TAKE_OK) {
        return 0;
    }
    return wait_for_permit(errand);
}

/* ---- one try ------------------------------------------------------------- */

static void try_elsewhere(struct errand *errand, const char *why)
{
    errand->avoid = errand->permit.slot;
    errand->refusals++;
    errand->last_trouble = why;
    if (!errand->nobody_since) {
        errand->nobody_since = apr_time_now();
    }
    ap_log_rerror(APLOG_MARK, APLOG_DEBUG, 0, errand->r,
                  "daemon group '%s': slot %d did not take the request (%s), trying again",
                  errand->group->name, errand->permit.slot, why);
}

/* 1: take another process. 0: the outcome is there. */
static int try_slot(struct errand *errand, struct wsgi_relay *relay)
{
    struct wsgi_slots *slots = errand->group->slots;
    struct wsgi_connection *connection = NULL;
    const char *why = NULL;
    enum wsgi_verdict verdict;

    switch (wsgi_pool_take(slots, errand->permit.slot, errand->r->pool, &connection, &why)) {
    case WSGI_CONNECT_OK:
        break;
    case WSGI_CONNECT_RETRY:
        try_elsewhere(errand, why);
        return 1;
    default:
        come_back_later(errand);
        wsgi_outcome_fail(errand->outcome, HTTP_SERVICE_UNAVAILABLE, WSGI_CODE_CONNECT_FAILED,
                          "daemon group '%s': %s", errand->group->name, why);
        return 0;
    }
    relay->connection = connection;
    relay->slot = errand->permit.slot;
    relay->refusals = errand->refusals;
    verdict = wsgi_relay_run(relay);
    if (verdict == WSGI_RELAY_DONE) {
        wsgi_pool_put(slots, errand->permit.slot, connection);
        return 0;
    }
    wsgi_connection_close(connection);
    if (verdict == WSGI_RELAY_RETRY) {
        try_elsewhere(errand, "the process ended, or is to end, before it began with it");
        return 1;
    }
    return 0;
}

static void run_errand(struct errand *errand, const struct wsgi_relay *request)
{
    int again;

    do {
        struct wsgi_relay relay = *request;

        if (get_permit(errand) < 0) {
            return;
        }
        again = try_slot(errand, &relay);
        wsgi_slots_release(errand->group->slots, &errand->permit);
    } while (again);
}

static int can_be_run(const struct wsgi_group *group, request_rec *r, size_t vars_size,
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
        apr_table_setn(r->err_headers_out, "Retry-After", WSGI_RETRY_AFTER);
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
    struct errand errand = {
        .r = r, .group = group, .outcome = outcome, .avoid = -1, .begin = apr_time_now()};

    memset(outcome, 0, sizeof(*outcome));
    if (!can_be_run(group, r, vars_size, outcome)) {
        return;
    }
    if (wsgi_upload_begin(&upload, outcome) == 0) {
        run_errand(&errand, &relay);
    }
    wsgi_upload_end(&upload);
}
