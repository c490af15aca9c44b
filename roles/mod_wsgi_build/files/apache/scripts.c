/* SPDX-License-Identifier: Apache-2.0 */
/* Directives that name a script file: aliases, handlers, imports, scripts that decide. */
#include "setters.h"

#include "config.h"
#include "../wire/options.h"

#include "ap_config.h"
#include "apr_strings.h"

#include <stddef.h>
#include <string.h>

/* ---- options ------------------------------------------------------------------------------- */

#define PROCESS_GROUP 0x1u
#define APPLICATION_GROUP 0x2u
#define CALLABLE_OBJECT 0x4u
#define PASS_AUTHORIZATION 0x8u

/* What a line gives; allowed says what it may. */
struct script_options {
    unsigned allowed;
    const char *process_group;
    const char *application_group;
    const char *callable_object;
    int pass_authorization;
};

static const struct {
    const char *name;
    unsigned bit;
} option_names[] = {
    {"process-group", PROCESS_GROUP},
    {"application-group", APPLICATION_GROUP},
    {"callable-object", CALLABLE_OBJECT},
    {"pass-authorization", PASS_AUTHORIZATION},
};

#define OPTION_NAMES (sizeof(option_names) / sizeof(option_names[0]))

static unsigned find_option(const char *name)
{
    size_t i;

    for (i = 0; i < OPTION_NAMES; i++)
        if (strcmp(name, option_names[i].name) == 0)
            return option_names[i].bit;
    return 0;
}

static const char *allowed_names(apr_pool_t *pool, unsigned allowed)
{
    const char *list = "";
    size_t i;

    for (i = 0; i < OPTION_NAMES; i++)
        if ((option_names[i].bit & allowed) != 0)
            list = apr_pstrcat(pool, list, *list != '\0' ? ", " : "", option_names[i].name, NULL);
    return list;
}

static const char *set_authorization(const cmd_parms *cmd, struct script_options *options,
                                     const char *value)
{
    options->pass_authorization = wsgi_value_flag(value);
    if (options->pass_authorization >= 0)
        return NULL;
    return apr_psprintf(cmd->pool, "%s: option pass-authorization: \"%s\" is neither On nor Off",
                        cmd->cmd->name, value);
}

static const char *set_option(cmd_parms *cmd, void *target, const char *name, const char *value)
{
    struct script_options *options = target;
    unsigned bit = find_option(name);

    if ((bit & options->allowed) == 0)
        return apr_psprintf(cmd->pool, "%s: unknown option \"%s\"; allowed: %s", cmd->cmd->name,
                            name, allowed_names(cmd->temp_pool, options->allowed));
    if (*value == '\0')
        return apr_psprintf(cmd->pool, "%s: option %s: the value is empty", cmd->cmd->name, name);
    value = apr_pstrdup(cmd->pool, value);
    if (bit == PROCESS_GROUP)
        options->process_group = value;
    else if (bit == APPLICATION_GROUP)
        options->application_group = value;
    else if (bit == CALLABLE_OBJECT)
        options->callable_object = value;
    else
        return set_authorization(cmd, options, value);
    return NULL;
}

static const char *read_options(cmd_parms *cmd, const char *line, unsigned allowed,
                                struct script_options *options)
{
    memset(options, 0, sizeof(*options));
    options->allowed = allowed;
    options->pass_authorization = -1;
    return wsgi_config_options(cmd, line, set_option, options);
}

/* "%{GLOBAL}" is "" from the beginning; other tokens are for the request. NULL stays NULL. */
static const char *fold(const char *name)
{
    return name != NULL && strcmp(name, "%{GLOBAL}") == 0 ? "" : name;
}

/* ---- WSGIScriptAlias, WSGIScriptAliasMatch ------------------------------------------------- */

static const char *compile(cmd_parms *cmd, const char *pattern, const ap_regex_t **regex)
{
    ap_regex_t failed;
    char why[256] = "";
    int error;

    *regex = ap_pregcomp(cmd->pool, pattern, AP_REG_EXTENDED);
    if (*regex != NULL)
        return NULL;
    error = ap_regcomp(&failed, pattern, AP_REG_EXTENDED);
    if (error == 0)
        ap_regfree(&failed);
    else
        ap_regerror(error, &failed, why, sizeof(why));
    return apr_psprintf(cmd->pool,
                        "%s: \"%s\" is not a regular expression%s%s; in it, put a backslash before "
                        "a character that is meant as such",
                        cmd->cmd->name, pattern, *why != '\0' ? ": " : "", why);
}

static int is_fixed(const char *name)
{
    return name != NULL && strstr(name, "%{") == NULL;
}

/* An alias that says both groups, without anything that is only known at request time, has its
 * script loaded before the first request. */
static void note_preload(const struct wsgi_settings *settings, const struct wsgi_alias *alias,
                         const char *what)
{
    struct wsgi_import *import;

    if (!is_fixed(alias->process_group) || !is_fixed(alias->application_group) ||
        (alias->regex != NULL && strchr(alias->target, '$') != NULL))
        return;
    import = apr_array_push(settings->imports);
    import->what = what;
    import->where = alias->where;
    import->server = alias->server;
    import->process_group = alias->process_group;
    import->application_group = alias->application_group;
    import->script = alias->target;
    import->is_alias = 1;
}

/* The copy of an alias in another virtual host gets the same text, so that both are known to be
 * one resource (binding.c). */
static void share_text(const struct wsgi_settings *settings, struct wsgi_alias *alias)
{
    int i;

    for (i = 0; i < settings->aliases->nelts; i++) {
        const struct wsgi_alias *other =
            APR_ARRAY_IDX(settings->aliases, i, const struct wsgi_alias *);

        if (alias->regex == NULL && other->regex == NULL && alias->server != other->server &&
            strcmp(alias->location, other->location) == 0 &&
            strcmp(alias->target, other->target) == 0)
            alias->location = other->location;
    }
}

static const char *set_alias(cmd_parms *cmd, const char *line, int is_match)
{
    struct wsgi_server *config = wsgi_config_server(cmd->server);
    struct wsgi_alias *alias = apr_pcalloc(cmd->pool, sizeof(*alias));
    struct script_options options;
    const char *error;

    alias->location = ap_getword_conf(cmd->pool, &line);
    alias->target = ap_getword_conf(cmd->pool, &line);
    if (*alias->location == '\0' || *alias->target == '\0')
        return apr_psprintf(cmd->pool,
                            "%s: takes %s and a file or directory, then options: %s "
                            "/srv/blog/app.wsgi process-group=blog",
                            cmd->cmd->name, is_match ? "a regular expression" : "a URL path",
                            is_match ? "WSGIScriptAliasMatch ^/blog" : "WSGIScriptAlias /blog");
    error = is_match ? compile(cmd, alias->location, &alias->regex) : NULL;
    if (error == NULL)
        error = read_options(
            cmd, line, PROCESS_GROUP | APPLICATION_GROUP | CALLABLE_OBJECT | PASS_AUTHORIZATION,
            &options);
    if (error != NULL)
        return error;
    alias->where = wsgi_config_where(cmd);
    alias->server = cmd->server;
    alias->process_group = fold(options.process_group);
    alias->application_group = fold(options.application_group);
    alias->callable_object = options.callable_object;
    alias->pass_authorization = options.pass_authorization;
    share_text(config->settings, alias);
    APR_ARRAY_PUSH(config->aliases, struct wsgi_alias) = *alias;
    APR_ARRAY_PUSH(config->settings->aliases, struct wsgi_alias *) = alias;
    note_preload(config->settings, alias,
                 apr_pstrcat(cmd->pool, cmd->cmd->name, " ", alias->location, NULL));
    return NULL;
}

const char *wsgi_set_script_alias(cmd_parms *cmd, void *directory, const char *line)
{
    (void)directory;
    return set_alias(cmd, line, 0);
}

const char *wsgi_set_script_alias_match(cmd_parms *cmd, void *directory, const char *line)
{
    (void)directory;
    return set_alias(cmd, line, 1);
}

/* ---- WSGIHandlerScript --------------------------------------------------------------------- */

const char *wsgi_set_handler_script(cmd_parms *cmd, void *directory, const char *line)
{
    struct wsgi_directory *config = directory;
    struct wsgi_handler_script handler;
    struct script_options options;
    const char *error;

    handler.name = ap_getword_conf(cmd->pool, &line);
    handler.file = ap_getword_conf(cmd->pool, &line);
    if (*handler.name == '\0' || *handler.file == '\0')
        return "WSGIHandlerScript: takes the name of a handler and a script file, then options: "
               "WSGIHandlerScript wiki /srv/wiki/handler.wsgi process-group=wiki";
    error =
        read_options(cmd, line, PROCESS_GROUP | APPLICATION_GROUP | PASS_AUTHORIZATION, &options);
    if (error != NULL)
        return error;
    handler.process_group = options.process_group;
    handler.application_group = options.application_group;
    handler.pass_authorization = options.pass_authorization;
    if (config->handlers == NULL)
        config->handlers = apr_array_make(cmd->pool, 2, sizeof(handler));
    APR_ARRAY_PUSH(config->handlers, struct wsgi_handler_script) = handler;
    APR_ARRAY_PUSH(wsgi_config_settings(cmd->server)->handlers, struct wsgi_handler_script) =
        handler;
    return NULL;
}

/* ---- WSGIImportScript ---------------------------------------------------------------------- */

const char *wsgi_set_import_script(cmd_parms *cmd, void *directory, const char *line)
{
    struct wsgi_settings *settings = wsgi_config_settings(cmd->server);
    const char *file = ap_getword_conf(cmd->pool, &line);
    struct script_options options;
    struct wsgi_import *import;
    const char *error;

    (void)directory;
    if (*file == '\0')
        return "WSGIImportScript: takes a script file and both groups: WSGIImportScript "
               "/srv/blog/warm.py process-group=blog application-group=%{GLOBAL}";
    error = read_options(cmd, line, PROCESS_GROUP | APPLICATION_GROUP, &options);
    if (error != NULL)
        return error;
    if (options.process_group == NULL || options.application_group == NULL)
        return apr_psprintf(
            cmd->pool, "WSGIImportScript %s: option %s is missing; %%{GLOBAL} stands for %s", file,
            options.process_group == NULL ? "process-group" : "application-group",
            options.process_group == NULL ? "embedded mode" : "the main interpreter");
    import = apr_array_push(settings->imports);
    import->what = apr_pstrcat(cmd->pool, "WSGIImportScript ", file, NULL);
    import->where = wsgi_config_where(cmd);
    import->server = cmd->server;
    import->process_group = fold(options.process_group);
    import->application_group = fold(options.application_group);
    import->script = file;
    import->is_alias = 0;
    if (*import->process_group == '\0')
        settings->python_needed = 1;
    return NULL;
}

/* ---- scripts that decide ------------------------------------------------------------------- */

const char *wsgi_set_decider(cmd_parms *cmd, void *directory, const char *line)
{
    apr_size_t offset = (apr_size_t)(uintptr_t)cmd->info;
    struct wsgi_decider *decider = (struct wsgi_decider *)((char *)directory + offset);
    const char *file = ap_getword_conf(cmd->pool, &line);
    struct wsgi_settings *settings;
    struct script_options options;
    const char *error;

    if (*file == '\0')
        return apr_psprintf(cmd->pool,
                            "%s: takes a script file, then maybe application-group=: %s "
                            "/srv/site/auth.wsgi application-group=auth",
                            cmd->cmd->name, cmd->cmd->name);
    error = read_options(cmd, line, APPLICATION_GROUP, &options);
    if (error != NULL)
        return error;
    decider->file = file;
    decider->application_group =
        options.application_group != NULL ? fold(options.application_group) : "";
    if (wsgi_config_in_htaccess(cmd))
        return NULL;
    settings = wsgi_config_settings(cmd->server);
    settings->python_needed = 1;
    if (offset == offsetof(struct wsgi_directory, dispatch))
        settings->has_dispatch = 1;
    return NULL;
}
