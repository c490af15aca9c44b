/* SPDX-License-Identifier: Apache-2.0 */
/* What Python is started with, for all processes or for some: <WSGIInterpreterOptions>. */
#include "setters.h"

#include "config.h"
#include "../wire/options.h"

#include "ap_config.h"
#include "apr_strings.h"

#include <limits.h>
#include <string.h>
#include <strings.h>

#define HASH_SEED_MAX 4294967295LL
#define OPTIMIZE_MAX 2

/* ---- the section --------------------------------------------------------------------------- */

static const char *set_selector(cmd_parms *cmd, void *target, const char *name, const char *value)
{
    struct wsgi_scope *scope = target;
    const char **selector = NULL;

    if (strcasecmp(name, "process-group") == 0)
        selector = &scope->process_group;
    else if (strcasecmp(name, "application-group") == 0)
        selector = &scope->application_group;
    if (selector == NULL)
        return apr_psprintf(cmd->pool,
                            "<WSGIInterpreterOptions>: unknown selector \"%s\"; there are "
                            "process-group and application-group",
                            name);
    if (*selector != NULL)
        return apr_psprintf(cmd->pool, "<WSGIInterpreterOptions>: selector %s is given twice",
                            name);
    *selector = strcmp(value, "%{GLOBAL}") == 0 ? "" : apr_pstrdup(cmd->pool, value);
    return NULL;
}

/* Directives inside that know nothing of interpreters act as if they stood outside. */
static const char *walk_inside(cmd_parms *cmd, struct wsgi_scope *scope)
{
    struct wsgi_settings *settings = wsgi_config_settings(cmd->server);
    struct wsgi_scope *outer = settings->section;
    const char *error;

    settings->section = scope;
    error = ap_walk_config(cmd->directive->first_child, cmd, cmd->context);
    settings->section = outer;
    return error;
}

const char *wsgi_set_interpreter_options(cmd_parms *cmd, void *directory, const char *line)
{
    const char *error = wsgi_config_global_only(cmd);
    const char *end = strrchr(line, '>');
    struct wsgi_scope *scope;

    (void)directory;
    if (error != NULL)
        return error;
    if (end == NULL)
        return "<WSGIInterpreterOptions: the closing '>' is missing";
    scope = apr_palloc(cmd->pool, sizeof(*scope));
    wsgi_config_clear_scope(scope);
    scope->where = wsgi_config_where(cmd);
    error = wsgi_config_options(cmd, apr_pstrmemdup(cmd->temp_pool, line, (apr_size_t)(end - line)),
                                set_selector, scope);
    if (error != NULL)
        return error;
    APR_ARRAY_PUSH(wsgi_config_settings(cmd->server)->sections, struct wsgi_scope *) = scope;
    return walk_inside(cmd, scope);
}

/* ---- inside and outside of sections -------------------------------------------------------- */

const char *wsgi_set_python_path(cmd_parms *cmd, void *directory, const char *path)
{
    const char *error = wsgi_config_global_only(cmd);

    (void)directory;
    if (error == NULL)
        wsgi_config_scope(cmd)->python_path = wsgi_config_split_path(cmd->pool, path);
    return error;
}

const char *wsgi_set_switch_interval(cmd_parms *cmd, void *directory, const char *seconds)
{
    const char *error = wsgi_config_global_only(cmd);

    (void)directory;
    if (error != NULL)
        return error;
    if (wsgi_config_seconds(seconds, 1, &wsgi_config_scope(cmd)->switch_interval) == 0)
        return NULL;
    return apr_psprintf(cmd->pool,
                        "WSGISwitchInterval: \"%s\" must be seconds, more than 0, such as 0.005",
                        seconds);
}

/* ---- outside only -------------------------------------------------------------------------- */

const char *wsgi_set_python_home(cmd_parms *cmd, void *directory, const char *path)
{
    struct wsgi_settings *settings = wsgi_config_settings(cmd->server);
    const char *error = wsgi_config_global_only(cmd);

    (void)directory;
    if (error != NULL)
        return error;
    if (*path == '\0')
        return "WSGIPythonHome: the path is empty; give the prefix of a Python or a venv";
    settings->python_home = ap_server_root_relative(cmd->pool, path);
    settings->python_home_where = wsgi_config_where(cmd);
    if (settings->python_home == NULL)
        return apr_psprintf(cmd->pool, "WSGIPythonHome: \"%s\" is not a usable path", path);
    return NULL;
}

const char *wsgi_set_python_optimize(cmd_parms *cmd, void *directory, const char *level)
{
    const char *error = wsgi_config_global_only(cmd);
    int64_t number;

    (void)directory;
    if (error != NULL)
        return error;
    if (wsgi_value_integer(level, INT_MIN, INT_MAX, &number) != 0)
        return apr_psprintf(cmd->pool, "WSGIPythonOptimize: \"%s\" must be an integer: 0, 1 or 2",
                            level);
    /* What is below or above counts as the nearest, as Python itself takes -OOO for -OO. */
    number = number < 0 ? 0 : number > OPTIMIZE_MAX ? OPTIMIZE_MAX : number;
    wsgi_config_settings(cmd->server)->python_optimize = (int)number;
    return NULL;
}

const char *wsgi_set_python_warnings(cmd_parms *cmd, void *directory, const char *filter)
{
    const char *error = wsgi_config_global_only(cmd);

    (void)directory;
    if (error == NULL)
        APR_ARRAY_PUSH(wsgi_config_settings(cmd->server)->python_warnings, const char *) = filter;
    return error;
}

const char *wsgi_set_hash_seed(cmd_parms *cmd, void *directory, const char *seed)
{
    const char *error = wsgi_config_global_only(cmd);
    int64_t number;

    (void)directory;
    if (error != NULL)
        return error;
    if (strcmp(seed, "random") != 0 && wsgi_value_integer(seed, 0, HASH_SEED_MAX, &number) != 0)
        return apr_psprintf(cmd->pool,
                            "WSGIPythonHashSeed: \"%s\" must be random, or an integer from 0 to "
                            "4294967295",
                            seed);
    wsgi_config_settings(cmd->server)->hash_seed = seed;
    return NULL;
}
