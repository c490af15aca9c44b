/* SPDX-License-Identifier: Apache-2.0 */
#include "ask.h"

#include "config.h"
#include "embedded.h"
#include "log.h"
#include "requestid.h"
#include "vars.h"
#include "../wire/engine.h"

#include "ap_provider.h"
#include "apr_strings.h"
#include "http_core.h"
#include "http_request.h"
#include "mod_auth.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

/* ---- asking ---------------------------------------------------------------------------------- */

/* Of the forms of an application group, a script that decides knows three. */
static const char *expand_group(request_rec *r, const char *name)
{
    if (strcmp(name, "%{GLOBAL}") == 0 || strcmp(name, "%{SERVER}") == 0 ||
        strcmp(name, "%{HOST}") == 0)
        return wsgi_names_application_group(r, "", name);
    return name;
}

/* Where the engine's texts go when the request ends. */
static apr_status_t free_texts(void *texts)
{
    free(texts);
    return APR_SUCCESS;
}

/* The texts of the answer live as long as the request. */
static void ask(request_rec *r, const struct wsgi_decider *script, const struct wsgi_target *target,
                const struct wsgi_question *question, struct wsgi_answer *answer,
                struct wsgi_outcome *outcome)
{
    const char *group = expand_group(r, script->application_group);
    struct wsgi_vars_writer vars;

    memset(answer, 0, sizeof(*answer));
    memset(outcome, 0, sizeof(*outcome));
    if (wsgi_vars_build_question(r, question->kind, target, script->file, group, &vars) != 0)
        wsgi_outcome_fail(outcome, HTTP_INTERNAL_SERVER_ERROR, WSGI_CODE_NO_MEMORY,
                          "no memory for the variables that %s is to decide about", script->file);
    else
        wsgi_embedded_ask(r, vars.data, vars.used, question, answer, outcome);
    wsgi_vars_free(&vars);
    if (answer->texts != NULL)
        apr_pool_cleanup_register(r->pool, answer->texts, free_texts, apr_pool_cleanup_null);
}

/* Asks about access or a user, and makes the one log line of a failure. */
static enum wsgi_verdict ask_and_log(request_rec *r, const struct wsgi_decider *script,
                                     const struct wsgi_question *question,
                                     struct wsgi_answer *answer)
{
    struct wsgi_outcome outcome;
    struct wsgi_target target;

    memset(&target, 0, sizeof(target));
    wsgi_names_find(r, &target);
    ask(r, script, &target, question, answer, &outcome);
    if (answer->verdict == WSGI_VERDICT_FAILED || answer->verdict == WSGI_VERDICT_NOT_LOADED)
        wsgi_requestid_refuse(r, &outcome);
    return answer->verdict;
}

static void log_problem(request_rec *r, int status, enum wsgi_code code, const char *problem)
{
    struct wsgi_outcome outcome;

    memset(&outcome, 0, sizeof(outcome));
    wsgi_outcome_fail(&outcome, (uint16_t)status, (uint16_t)code, "%s", problem);
    wsgi_requestid_refuse(r, &outcome);
}

/* ---- access ---------------------------------------------------------------------------------- */

/* A question without an answer is a No. */
static int check_access(request_rec *r)
{
    const struct wsgi_decider *script = &wsgi_config_directory(r)->access;
    const char *host = ap_get_useragent_host(r, REMOTE_NAME, NULL);
    struct wsgi_question question = {WSGI_ASK_ACCESS, host, NULL};
    struct wsgi_answer answer;

    if (script->file == NULL)
        return DECLINED;
    switch (ask_and_log(r, script, &question, &answer)) {
    case WSGI_VERDICT_YES:
        return OK;
    case WSGI_VERDICT_NONE:
        return DECLINED;
    case WSGI_VERDICT_NO:
        /* With "Satisfy Any" the client may still come in by another way. */
        if (ap_satisfies(r) == SATISFY_ANY)
            return HTTP_FORBIDDEN;
        log_problem(r, HTTP_FORBIDDEN, WSGI_CODE_ACCESS_DENIED,
                    apr_psprintf(r->pool, "allow_access() in %s refuses the client access to %s",
                                 script->file, r->uri));
        return HTTP_FORBIDDEN;
    default:
        return HTTP_FORBIDDEN;
    }
}

/* ---- users ----------------------------------------------------------------------------------- */

static const struct wsgi_decider *user_script(request_rec *r, enum wsgi_code code,
                                              const char *provider)
{
    const struct wsgi_decider *script = &wsgi_config_directory(r)->auth_user;

    if (script->file != NULL)
        return script;
    log_problem(r, HTTP_INTERNAL_SERVER_ERROR, code,
                apr_pstrcat(r->pool, provider,
                            " wsgi is set here, but no WSGIAuthUserScript that it could ask",
                            NULL));
    return NULL;
}

static authn_status check_password(request_rec *r, const char *user, const char *password)
{
    const struct wsgi_decider *script =
        user_script(r, WSGI_CODE_BASIC_NO_SCRIPT, "AuthBasicProvider");
    struct wsgi_question question = {WSGI_ASK_PASSWORD, user, password};
    struct wsgi_answer answer;

    if (script == NULL)
        return AUTH_GENERAL_ERROR;
    switch (ask_and_log(r, script, &question, &answer)) {
    case WSGI_VERDICT_YES:
        return AUTH_GRANTED;
    case WSGI_VERDICT_TEXT:
        r->user = apr_pstrdup(r->pool, answer.texts[0]);
        return AUTH_GRANTED;
    case WSGI_VERDICT_NO:
        return AUTH_DENIED;
    case WSGI_VERDICT_NONE:
        return AUTH_USER_NOT_FOUND;
    default:
        return AUTH_GENERAL_ERROR;
    }
}

static authn_status get_realm_hash(request_rec *r, const char *user, const char *realm, char **hash)
{
    const struct wsgi_decider *script =
        user_script(r, WSGI_CODE_DIGEST_NO_SCRIPT, "AuthDigestProvider");
    struct wsgi_question question = {WSGI_ASK_REALM_HASH, user, realm};
    struct wsgi_answer answer;

    if (script == NULL)
        return AUTH_GENERAL_ERROR;
    switch (ask_and_log(r, script, &question, &answer)) {
    case WSGI_VERDICT_TEXT:
        *hash = apr_pstrdup(r->pool, answer.texts[0]);
        return AUTH_USER_FOUND;
    case WSGI_VERDICT_NONE:
        return AUTH_USER_NOT_FOUND;
    default:
        return AUTH_GENERAL_ERROR;
    }
}

static const authn_provider authn_functions = {check_password, get_realm_hash};

/* ---- groups ---------------------------------------------------------------------------------- */

static int is_in(const struct wsgi_answer *answer, const char *group)
{
    size_t i;

    for (i = 0; i < answer->count; i++)
        if (strcasecmp(answer->texts[i], group) == 0)
            return 1;
    return 0;
}

/* `wanted` as written after "Require wsgi-group". */
static int is_in_any(request_rec *r, const struct wsgi_answer *answer, const char *wanted)
{
    const char *group;

    while (*wanted != '\0') {
        group = ap_getword_conf(r->pool, &wanted);
        if (is_in(answer, group))
            return 1;
    }
    return 0;
}

static authz_status check_groups(request_rec *r, const char *wanted, const void *unused)
{
    const struct wsgi_decider *script = &wsgi_config_directory(r)->auth_group;
    struct wsgi_question question = {WSGI_ASK_GROUPS, r->user, NULL};
    struct wsgi_answer answer;

    (void)unused;
    if (r->user == NULL)
        return AUTHZ_DENIED_NO_USER;
    if (script->file == NULL) {
        log_problem(r, HTTP_FORBIDDEN, WSGI_CODE_GROUP_NO_SCRIPT,
                    "Require wsgi-group is set here, but no WSGIAuthGroupScript that it could ask");
        return AUTHZ_DENIED;
    }
    if (ask_and_log(r, script, &question, &answer) != WSGI_VERDICT_TEXT)
        return AUTHZ_DENIED;
    if (is_in_any(r, &answer, wanted))
        return AUTHZ_GRANTED;
    log_problem(
        r, HTTP_FORBIDDEN,
        answer.count == 0 ? WSGI_CODE_GROUP_USER_WITHOUT : WSGI_CODE_GROUP_DENIED,
        apr_psprintf(r->pool, "the user may not have %s: groups_for_user() in %s named %s", r->uri,
                     script->file,
                     answer.count == 0 ? "no group at all" : "none of the groups required"));
    return AUTHZ_DENIED;
}

static const authz_provider authz_functions = {check_groups, NULL};

/* ---- dispatch -------------------------------------------------------------------------------- */

static void take(request_rec *r, const struct wsgi_answer *answer, struct wsgi_target *target)
{
    const char *process_group = answer->texts[WSGI_DISPATCH_PROCESS_GROUP];
    const char *application_group = answer->texts[WSGI_DISPATCH_APPLICATION_GROUP];
    const char *callable = answer->texts[WSGI_DISPATCH_CALLABLE_OBJECT];
    const char *url = target->script_name;

    if (process_group != NULL)
        target->process_group = wsgi_names_process_group(r, url, process_group);
    if (application_group != NULL)
        target->application_group = wsgi_names_application_group(r, url, application_group);
    if (callable != NULL)
        target->callable_object = wsgi_names_callable(r, callable);
}

int wsgi_ask_dispatch(request_rec *r, struct wsgi_target *target, struct wsgi_outcome *outcome)
{
    const struct wsgi_decider *script = &wsgi_config_directory(r)->dispatch;
    struct wsgi_question question = {WSGI_ASK_DISPATCH, NULL, NULL};
    struct wsgi_answer answer;

    if (script->file == NULL)
        return OK;
    ask(r, script, target, &question, &answer, outcome);
    if (answer.verdict == WSGI_VERDICT_TEXT) {
        take(r, &answer, target);
        return OK;
    }
    if (answer.verdict != WSGI_VERDICT_NOT_LOADED)
        return HTTP_INTERNAL_SERVER_ERROR;
    wsgi_log_outcome(r, outcome);
    memset(outcome, 0, sizeof(*outcome));
    return OK;
}

/* ---- hooks ----------------------------------------------------------------------------------- */

/* What a script says may depend on the URL, so it is asked about each sub-request and internal
 * redirect, too: nothing here is marked AP_AUTH_INTERNAL_PER_CONF. */
void wsgi_ask_register_hooks(apr_pool_t *pool)
{
    static const char *const before_us[] = {"mod_ssl.c", NULL};
    static const char *const after_us[] = {"mod_authz_host.c", NULL};

    ap_hook_access_checker(check_access, before_us, after_us, APR_HOOK_MIDDLE);
    ap_register_provider(pool, AUTHN_PROVIDER_GROUP, "wsgi", AUTHN_PROVIDER_VERSION,
                         &authn_functions);
    ap_register_provider(pool, AUTHZ_PROVIDER_GROUP, "wsgi-group", AUTHZ_PROVIDER_VERSION,
                         &authz_functions);
}
