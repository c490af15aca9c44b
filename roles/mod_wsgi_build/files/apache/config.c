/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"

#include "daemon.h"
#include "log.h"
#include "../wire/engine.h"
#include "../wire/options.h"

#include "ap_config.h"
#include "apr_strings.h"

#include <string.h>
#include <sys/stat.h>

#define SETTINGS_KEY "pyweb.mod_wsgi settings"
#define OPTION_NAME_ROOM 64
#define OPTION_VALUE_ROOM 8192

/* ---- records ----------------------------------------------------------------------------- */

/* One record for each configuration: httpd gives the main server and every virtual host the same
 * pconf, and clears it (and so this) before the next configuration is read. */
static struct wsgi_settings *settings_of(apr_pool_t *pconf)
{
    void *found = NULL;
    struct wsgi_settings *settings;

    apr_pool_userdata_get(&found, SETTINGS_KEY, pconf);
    if (found != NULL)
        return found;
    settings = apr_pcalloc(pconf, sizeof(*settings));
    settings->groups = apr_array_make(pconf, 4, sizeof(struct wsgi_group *));
    settings->embedded_preload = apr_array_make(pconf, 4, sizeof(struct wsgi_preload));
    settings->socket_prefix = ap_runtime_dir_relative(pconf, "wsgi");
    settings->restrict_embedded = -1;
    apr_pool_userdata_setn(settings, SETTINGS_KEY, apr_pool_cleanup_null, pconf);
    return settings;
}

void *wsgi_config_create_server(apr_pool_t *pool, server_rec *s)
{
    struct wsgi_server *config = apr_pcalloc(pool, sizeof(*config));

    (void)s;
    config->aliases = apr_array_make(pool, 4, sizeof(struct wsgi_alias));
    config->settings = settings_of(pool);
    return config;
}

void *wsgi_config_merge_server(apr_pool_t *pool, void *parent, void *child)
{
    const struct wsgi_server *outer = parent;
    const struct wsgi_server *inner = child;
    struct wsgi_server *merged = apr_pcalloc(pool, sizeof(*merged));

    /* The first match wins, so the virtual host's own come first. */
    merged->aliases = apr_array_append(pool, inner->aliases, outer->aliases);
    merged->settings = outer->settings;
    return merged;
}

void *wsgi_config_create_directory(apr_pool_t *pool, char *path)
{
    struct wsgi_directory *config = apr_pcalloc(pool, sizeof(*config));

    (void)path;
    config->pass_authorization = -1;
    config->script_reloading = -1;
    return config;
}

#define MERGE_TEXT(field) merged->field = inner->field != NULL ? inner->field : outer->field
#define MERGE_FLAG(field) merged->field = inner->field != -1 ? inner->field : outer->field

void *wsgi_config_merge_directory(apr_pool_t *pool, void *parent, void *child)
{
    const struct wsgi_directory *outer = parent;
    const struct wsgi_directory *inner = child;
    struct wsgi_directory *merged = apr_pcalloc(pool, sizeof(*merged));

    MERGE_TEXT(process_group);
    MERGE_TEXT(application_group);
    MERGE_TEXT(callable_object);
    MERGE_FLAG(pass_authorization);
    MERGE_FLAG(script_reloading);
    return merged;
}

struct wsgi_server *wsgi_config_server(const server_rec *s)
{
    return ap_get_module_config(s->module_config, &wsgi_module);
}

struct wsgi_settings *wsgi_config_settings(const server_rec *s)
{
    return wsgi_config_server(s)->settings;
}

const struct wsgi_directory *wsgi_config_directory(const request_rec *r)
{
    return ap_get_module_config(r->per_dir_config, &wsgi_module);
}

/* ---- helpers of the setters ---------------------------------------------------------------- */

const char *wsgi_config_where(const cmd_parms *cmd)
{
    if (cmd->directive != NULL && cmd->directive->filename != NULL)
        return apr_psprintf(cmd->pool, "%s:%d", cmd->directive->filename, cmd->directive->line_num);
    return "the command line";
}

const char *wsgi_config_global_only(cmd_parms *cmd)
{
    return ap_check_cmd_context(cmd, GLOBAL_ONLY);
}

apr_array_header_t *wsgi_config_split_path(apr_pool_t *pool, const char *text)
{
    apr_array_header_t *list = apr_array_make(pool, 4, sizeof(const char *));
    char *rest = apr_pstrdup(pool, text);
    char *state = NULL;
    char *piece;

    for (piece = apr_strtok(rest, ":", &state); piece; piece = apr_strtok(NULL, ":", &state))
        APR_ARRAY_PUSH(list, const char *) = piece;
    return list;
}

static const char *set_flag(const cmd_parms *cmd, const char *text, int *flag)
{
    *flag = wsgi_value_flag(text);
    if (*flag >= 0)
        return NULL;
    return apr_psprintf(cmd->pool, "%s: \"%s\" is neither On nor Off", cmd->cmd->name, text);
}

/* ---- simple directives --------------------------------------------------------------------- */

const char *wsgi_config_process_group(cmd_parms *cmd, void *directory, const char *name)
{
    (void)cmd;
    ((struct wsgi_directory *)directory)->process_group = name;
    return NULL;
}

const char *wsgi_config_application_group(cmd_parms *cmd, void *directory, const char *name)
{
    (void)cmd;
    ((struct wsgi_directory *)directory)->application_group = name;
    return NULL;
}

const char *wsgi_config_callable_object(cmd_parms *cmd, void *directory, const char *name)
{
    (void)cmd;
    ((struct wsgi_directory *)directory)->callable_object = name;
    return NULL;
}

const char *wsgi_config_pass_authorization(cmd_parms *cmd, void *directory, const char *flag)
{
    return set_flag(cmd, flag, &((struct wsgi_directory *)directory)->pass_authorization);
}

const char *wsgi_config_script_reloading(cmd_parms *cmd, void *directory, const char *flag)
{
    return set_flag(cmd, flag, &((struct wsgi_directory *)directory)->script_reloading);
}

const char *wsgi_config_python_home(cmd_parms *cmd, void *directory, const char *path)
{
    struct wsgi_settings *settings = settings_of(cmd->pool);
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

const char *wsgi_config_python_path(cmd_parms *cmd, void *directory, const char *path)
{
    const char *error = wsgi_config_global_only(cmd);

    (void)directory;
    if (error == NULL)
        settings_of(cmd->pool)->outside.python_path = wsgi_config_split_path(cmd->pool, path);
    return error;
}

const char *wsgi_config_socket_prefix(cmd_parms *cmd, void *directory, const char *path)
{
    struct wsgi_settings *settings = settings_of(cmd->pool);
    const char *error = wsgi_config_global_only(cmd);
    const char *absolute;

    (void)directory;
    if (error != NULL)
        return error;
    absolute = *path != '\0' ? ap_server_root_relative(cmd->pool, path) : NULL;
    if (absolute == NULL)
        return apr_psprintf(cmd->pool,
                            "WSGISocketPrefix: \"%s\" cannot be made an absolute path; give a "
                            "directory and the first letters of a file name, /run/apache2/wsgi",
                            path);
    settings->socket_prefix = absolute;
    settings->socket_prefix_where = wsgi_config_where(cmd);
    return NULL;
}

const char *wsgi_config_restrict_embedded(cmd_parms *cmd, void *directory, const char *flag)
{
    const char *error = wsgi_config_global_only(cmd);

    (void)directory;
    if (error != NULL)
        return error;
    return set_flag(cmd, flag, &settings_of(cmd->pool)->restrict_embedded);
}

const char *wsgi_config_not_yet(cmd_parms *cmd, void *directory, const char *line)
{
    const char *hint = cmd->info;

    (void)directory;
    (void)line;
    return apr_psprintf(cmd->pool,
                        "%s: mod_wsgi 6 has this directive, this module (pyweb.mod_wsgi %s) does "
                        "not have it yet; remove the line%s%s",
                        cmd->cmd->name, WSGI_BUILD_VERSION, hint != NULL ? ": " : "",
                        hint != NULL ? hint : "");
}

/* ---- WSGIScriptAlias ----------------------------------------------------------------------- */

static const char *set_alias_process_group(const cmd_parms *cmd, struct wsgi_alias *alias,
                                           const char *value)
{
    (void)cmd;
    alias->process_group = strcmp(value, "%{GLOBAL}") == 0 ? "" : value;
    return NULL;
}

static const char *set_alias_application_group(const cmd_parms *cmd, struct wsgi_alias *alias,
                                               const char *value)
{
    (void)cmd;
    alias->application_group = strcmp(value, "%{GLOBAL}") == 0 ? "" : value;
    return NULL;
}

static const char *set_alias_callable(const cmd_parms *cmd, struct wsgi_alias *alias,
                                      const char *value)
{
    (void)cmd;
    alias->callable_object = value;
    return NULL;
}

static const char *set_alias_authorization(const cmd_parms *cmd, struct wsgi_alias *alias,
                                           const char *value)
{
    alias->pass_authorization = wsgi_value_flag(value);
    if (alias->pass_authorization >= 0)
        return NULL;
    return apr_psprintf(cmd->pool,
                        "WSGIScriptAlias: option pass-authorization: \"%s\" is neither On nor Off",
                        value);
}

static const struct {
    const char *name;
    const char *(*set)(const cmd_parms *cmd, struct wsgi_alias *alias, const char *value);
} alias_options[] = {{"application-group", set_alias_application_group},
                     {"process-group", set_alias_process_group},
                     {"callable-object", set_alias_callable},
                     {"pass-authorization", set_alias_authorization}};

#define ALIAS_OPTIONS_TEXT                                                                         \
    "application-group, process-group, callable-object and pass-authorization"

static const char *set_alias_option(const cmd_parms *cmd, struct wsgi_alias *alias,
                                    const char *name, const char *value)
{
    size_t i;

    for (i = 0; i < sizeof(alias_options) / sizeof(alias_options[0]); i++) {
        if (strcmp(name, alias_options[i].name) != 0)
            continue;
        if (*value == '\0')
            return apr_psprintf(cmd->pool, "WSGIScriptAlias: option %s: the value is empty", name);
        return alias_options[i].set(cmd, alias, apr_pstrdup(cmd->pool, value));
    }
    return apr_psprintf(
        cmd->pool, "WSGIScriptAlias: unknown option \"%s\"; allowed are " ALIAS_OPTIONS_TEXT, name);
}

const char *wsgi_config_options(cmd_parms *cmd, const char *line, wsgi_config_option_set *set,
                                void *target)
{
    struct wsgi_option option = {.name_room = OPTION_NAME_ROOM, .value_room = OPTION_VALUE_ROOM};

    option.name = apr_palloc(cmd->temp_pool, option.name_room);
    option.value = apr_palloc(cmd->temp_pool, option.value_room);
    for (;;) {
        const char *error = NULL;

        switch (wsgi_option_next(&line, &option)) {
        case WSGI_OPTION_END:
            return NULL;
        case WSGI_OPTION_OK:
            error = set(cmd, target, option.name, option.value);
            break;
        case WSGI_OPTION_NO_VALUE:
            error = apr_psprintf(cmd->pool,
                                 "%s: \"%s\" is not an option; an option is name=value without "
                                 "blanks around the '='",
                                 cmd->cmd->name, ap_getword_conf(cmd->temp_pool, &line));
            break;
        case WSGI_OPTION_QUOTE:
            error = apr_psprintf(cmd->pool,
                                 "%s: a quote does not end, or text follows right after one, at: "
                                 "%s",
                                 cmd->cmd->name, line);
            break;
        case WSGI_OPTION_TOO_LONG:
            error = apr_psprintf(cmd->pool,
                                 "%s: an option is longer than %d bytes, or its name longer than "
                                 "%d, at: %.60s",
                                 cmd->cmd->name, OPTION_VALUE_ROOM - 1, OPTION_NAME_ROOM - 1, line);
            break;
        }
        if (error != NULL)
            return error;
    }
}

static const char *set_alias_option_of(cmd_parms *cmd, void *target, const char *name,
                                       const char *value)
{
    return set_alias_option(cmd, target, name, value);
}

static void add_preload(apr_array_header_t *list, const char *application_group, const char *script)
{
    struct wsgi_preload *preload;
    int i;

    for (i = 0; i < list->nelts; i++) {
        preload = &APR_ARRAY_IDX(list, i, struct wsgi_preload);
        if (strcmp(preload->application_group, application_group) == 0 &&
            strcmp(preload->script, script) == 0)
            return;
    }
    preload = apr_array_push(list);
    preload->application_group = application_group;
    preload->script = script;
}

static int is_directory(const char *path)
{
    struct stat found;

    return stat(path, &found) == 0 && S_ISDIR(found.st_mode);
}

/* An alias that says both groups, without anything that is only known at request time, has its
 * script loaded before the first request. A directory holds many scripts: none is. */
static const char *preload_alias(cmd_parms *cmd, const struct wsgi_alias *alias)
{
    struct wsgi_settings *settings = settings_of(cmd->pool);
    apr_array_header_t *list = settings->embedded_preload;

    if (alias->process_group == NULL || alias->application_group == NULL ||
        strstr(alias->process_group, "%{") != NULL ||
        strstr(alias->application_group, "%{") != NULL)
        return NULL;
    if (*alias->process_group != '\0') {
        struct wsgi_group *group = wsgi_group_find(settings->groups, alias->process_group);

        if (group == NULL)
            return apr_psprintf(cmd->pool,
                                "WSGIScriptAlias %s: process group \"%s\" is not configured yet; "
                                "put its WSGIDaemonProcess above this line",
                                alias->location, alias->process_group);
        if (!wsgi_group_reachable(group, cmd->server))
            return apr_psprintf(cmd->pool,
                                "WSGIScriptAlias %s: process group \"%s\" (%s) is not accessible "
                                "from here; define it in this virtual host, in the main server, "
                                "or in a virtual host whose ServerName is the same (a ServerName "
                                "must stand above this line)",
                                alias->location, alias->process_group, group->where);
        list = group->preload;
    }
    if (!is_directory(alias->target))
        add_preload(list, alias->application_group, alias->target);
    return NULL;
}

const char *wsgi_config_script_alias(cmd_parms *cmd, void *directory, const char *line)
{
    struct wsgi_server *config = wsgi_config_server(cmd->server);
    struct wsgi_alias alias = {.pass_authorization = -1};
    const char *error;

    (void)directory;
    alias.location = ap_getword_conf(cmd->pool, &line);
    alias.target = ap_getword_conf(cmd->pool, &line);
    if (*alias.location == '\0' || *alias.target == '\0')
        return "WSGIScriptAlias: takes a URL path and a file or directory, then options: "
               "WSGIScriptAlias /blog /srv/blog/app.wsgi process-group=blog";
    error = wsgi_config_options(cmd, line, set_alias_option_of, &alias);
    if (error != NULL)
        return error;
    error = preload_alias(cmd, &alias);
    if (error != NULL)
        return error;
    APR_ARRAY_PUSH(config->aliases, struct wsgi_alias) = alias;
    return NULL;
}
