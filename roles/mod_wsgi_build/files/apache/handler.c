/* SPDX-License-Identifier: Apache-2.0 */
#include "handler.h"

#include "admit.h"
#include "ask.h"
#include "body.h"
#include "client.h"
#include "clocks.h"
#include "embedded.h"
#include "hint.h"
#include "jail.h"
#include "log.h"
#include "names.h"
#include "requestid.h"
#include "responseend.h"
#include "route.h"
#include "vars.h"
#include "../wire/frame.h"

#include "http_protocol.h"

#include <string.h>

/* Every 5xx of ours; RFC 6585 is newer than httpd's list of names for 431. */
#define STATUS_HEAD_TOO_LARGE 431

static int fits_a_frame(const struct wsgi_vars_writer *vars, struct wsgi_outcome *outcome)
{
    if (vars->used + WSGI_REQUEST_PREFIX_SIZE <= WSGI_FRAME_REQUEST_MAX)
        return 1;
    wsgi_outcome_fail(outcome, STATUS_HEAD_TOO_LARGE, WSGI_CODE_VARIABLES_TOO_LARGE,
                      "the request's variables have %lu bytes, more than a daemon takes",
                      (unsigned long)vars->used);
    return 0;
}

static int run(request_rec *r, const struct wsgi_target *target, const struct wsgi_group *group,
               struct wsgi_outcome *outcome)
{
    struct wsgi_response response;
    struct wsgi_vars_writer vars;
    apr_interval_time_t before = group != NULL ? wsgi_clock_begin_response(group, r) : -1;
    struct wsgi_body body;
    int status;

    wsgi_response_init(&response, r, group);
    wsgi_body_init(&body, r);
    if (wsgi_vars_build(r, target, body.present, &vars) != 0)
        wsgi_outcome_fail(outcome, HTTP_INTERNAL_SERVER_ERROR, WSGI_CODE_NO_MEMORY,
                          "no memory for the request's variables");
    else if (group == NULL)
        wsgi_embedded_run(r, vars.data, vars.used, &body, &response, outcome);
    else if (fits_a_frame(&vars, outcome))
        wsgi_client_run(group, r, vars.data, vars.used, &body, &response, outcome);
    response.vars = &vars;
    response.unread = body.present && !body.finished;
    status = wsgi_response_end(&response, outcome);
    wsgi_clock_end_response(r, before);
    wsgi_vars_free(&vars);
    return status;
}

/* A script that does not exist for the daemon: as mod_wsgi 6, it gets no answer. */
static int is_inside(request_rec *r, struct wsgi_target *target, const struct wsgi_group *group,
                     struct wsgi_outcome *outcome)
{
    const char *script = target->handler_script != NULL ? target->handler_script : r->filename;

    target->root = group->chroot;
    if (wsgi_jail_inside(target->root, script) != NULL)
        return 1;
    wsgi_outcome_fail(outcome, HTTP_BAD_GATEWAY, WSGI_CODE_OUTSIDE_CHROOT,
                      "script %s is outside of the chroot %s of daemon group '%s' (%s); move it, "
                      "or give the script another process group",
                      script, target->root, group->name, group->where);
    return 0;
}

/* A client error is told to the client; one that httpd would log stays in the log. */
static int refuse(request_rec *r, const struct wsgi_outcome *outcome)
{
    wsgi_requestid_refuse(r, outcome);
    return outcome->status;
}

int wsgi_handler(request_rec *r)
{
    struct wsgi_outcome outcome;
    struct wsgi_response response;
    struct wsgi_target target;
    const struct wsgi_group *group;

    if (!wsgi_route_is_ours(r))
        return DECLINED;
    memset(&outcome, 0, sizeof(outcome));
    wsgi_hint_let_in(r);
    if (wsgi_route_check(r, &outcome) != OK)
        return refuse(r, &outcome);
    wsgi_names_find(r, &target);
    if (wsgi_ask_dispatch(r, &target, &outcome) != OK ||
        wsgi_admit(r, &target, &group, &outcome) != OK ||
        (group != NULL && !is_inside(r, &target, group, &outcome))) {
        wsgi_response_init(&response, r, NULL);
        return wsgi_response_end(&response, &outcome);
    }
    if (group != NULL)
        wsgi_names_choose_main(r, group, &target);
    return run(r, &target, group, &outcome);
}
