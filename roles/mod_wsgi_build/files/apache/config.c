/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"

#include "log.h"
#include "../wire/options.h"

#include "ap_config.h"
#include "apr_strings.h"

#include <stdlib.h>
#include <string.h>

#define SETTINGS_KEY "pyweb.mod_wsgi settings"
#define OPTION_NAME_ROOM 64
#define SECONDS_MAX 1e9

/* ---- records ----------------------------------------------------------------------------- */

void wsgi_config_clear_scope(struct wsgi_scope *scope)
{
    memset(scope, 0, sizeof(*scope));
    scope->restrict_stdin = -1;
    scope->restrict_stdout = -1;
    scope->restrict_signal = -1;
    scope->own_gil = -1;
    scope->free_threading = -1;
}

static void make_lists(struct wsgi_settings *settings, apr_pool_t *pool)
{
    settings->groups = apr_array_make(pool, 4, sizeof(struct wsgi_group *));
    settings->duplicates = apr_array_make(pool, 1, sizeof(struct wsgi_group *));
    settings->imports = apr_array_make(pool, 4, sizeof(struct wsgi_import));
    settings->mentions = apr_array_make(pool, 4, sizeof(struct wsgi_mention));
    settings->aliases = apr_array_make(pool, 4, sizeof(struct wsgi_alias *));
    settings->handlers = apr_array_make(pool, 1, sizeof(struct wsgi_handler_script));
    settings->notes = apr_array_make(pool, 1, sizeof(struct wsgi_note));
    settings->removed = apr_array_make(pool, 1, sizeof(const char *));
    settings->embedded_preload = apr_array_make(pool, 4, sizeof(struct wsgi_preload));
    settings->sections = apr_array_make(pool, 1, sizeof(struct wsgi_scope *));
    settings->python_warnings = apr_array_make(pool, 1, sizeof(const char *));
}

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
    make_lists(settings, pconf);
    wsgi_config_clear_scope(&settings->outside);
    settings->socket_prefix = ap_runtime_dir_relative(pconf, "wsgi");
    settings->dont_write_bytecode = -1;
    settings->restrict_embedded = -1;
    settings->destroy_interpreter = -1;
    settings->case_sensitivity = -1;
    settings->socket_rotation = -1;
    settings->server_metrics = -1;
    settings->stdout_level = APLOG_ERR;
    settings->stderr_level = APLOG_ERR;
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
    config->pass_apache_request = -1;
    config->error_override = -1;
    config->chunked_request = -1;
    config->ignore_activity = -1;
    config->enable_sendfile = -1;
    config->map_head = WSGI_MAP_HEAD_UNSET;
    return config;
}

#define MERGE_TEXT(field) merged->field = inner->field != NULL ? inner->field : outer->field
#define MERGE_FLAG(field) merged->field = inner->field != -1 ? inner->field : outer->field
#define MERGE_DECIDER(field) merged->field = inner->field.file != NULL ? inner->field : outer->field

/* Handlers are overlaid, and the last of a name counts. */
static apr_array_header_t *merge_handlers(apr_pool_t *pool, const struct wsgi_directory *outer,
                                          const struct wsgi_directory *inner)
{
    if (outer->handlers == NULL)
        return inner->handlers;
    if (inner->handlers == NULL)
        return outer->handlers;
    return apr_array_append(pool, outer->handlers, inner->handlers);
}

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
    MERGE_FLAG(pass_apache_request);
    MERGE_FLAG(error_override);
    MERGE_FLAG(chunked_request);
    MERGE_FLAG(ignore_activity);
    MERGE_FLAG(enable_sendfile);
    MERGE_FLAG(map_head);
    MERGE_DECIDER(dispatch);
    MERGE_DECIDER(access);
    MERGE_DECIDER(auth_user);
    MERGE_DECIDER(auth_group);
    /* These lists are replaced as a whole. */
    MERGE_TEXT(restrict_process);
    MERGE_TEXT(trusted_headers);
    MERGE_TEXT(trusted_proxies);
    merged->handlers = merge_handlers(pool, outer, inner);
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

/* ---- where a directive stands -------------------------------------------------------------- */

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

int wsgi_config_in_htaccess(cmd_parms *cmd)
{
    return ap_check_cmd_context(cmd, NOT_IN_HTACCESS) != NULL;
}

int wsgi_config_in_section(cmd_parms *cmd)
{
    return ap_check_cmd_context(cmd, NOT_IN_DIR_CONTEXT) != NULL;
}

struct wsgi_scope *wsgi_config_scope(const cmd_parms *cmd)
{
    struct wsgi_settings *settings = wsgi_config_settings(cmd->server);

    return settings->section != NULL ? settings->section : &settings->outside;
}

/* ---- values -------------------------------------------------------------------------------- */

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

const char *wsgi_config_flag(const cmd_parms *cmd, const char *text, int *flag)
{
    *flag = wsgi_value_flag(text);
    if (*flag >= 0)
        return NULL;
    return apr_psprintf(cmd->pool, "%s: \"%s\" is neither On nor Off", cmd->cmd->name, text);
}

int wsgi_config_seconds(const char *text, int64_t least, int64_t *microseconds)
{
    char *end;
    double value;

    if (strspn(text, "0123456789.eE+-") != strlen(text))
        return -1; /* strtod also takes hexadecimal, "inf" and "nan" */
    value = strtod(text, &end);
    if (end == text || *end != '\0' || value < 0 || value > SECONDS_MAX)
        return -1;
    *microseconds = (int64_t)(value * 1e6 + 0.5);
    if (*microseconds == 0 && value > 0)
        *microseconds = 1;
    return *microseconds >= least ? 0 : -1;
}

const char *wsgi_config_options(cmd_parms *cmd, const char *line, wsgi_config_option_set *set,
                                void *target)
{
    struct wsgi_option option = {.name_room = OPTION_NAME_ROOM, .value_room = strlen(line) + 1};

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
            error =
                apr_psprintf(cmd->pool, "%s: the name of an option is longer than any, at: %.60s",
                             cmd->cmd->name, line);
            break;
        }
        if (error != NULL)
            return error;
    }
}

/* ---- notes --------------------------------------------------------------------------------- */

void wsgi_config_note(struct wsgi_settings *settings, server_rec *server, int level,
                      const char *text)
{
    struct wsgi_note *note = apr_array_push(settings->notes);

    note->server = server;
    note->level = level;
    note->text = text;
}

void wsgi_config_note_in_test(struct wsgi_settings *settings, server_rec *server, const char *text)
{
    wsgi_config_note(settings, server, APLOG_WARNING, text);
    APR_ARRAY_IDX(settings->notes, settings->notes->nelts - 1, struct wsgi_note).in_test_only = 1;
}
