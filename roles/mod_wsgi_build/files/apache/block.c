/* SPDX-License-Identifier: Apache-2.0 */
#include "block.h"

#include "jail.h"
#include "log.h"

#include "ap_mpm.h"
#include "apr_strings.h"
#include "http_core.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* httpd kills a child that takes much longer. */
#define EMBEDDED_STOP_SECONDS 3
#define SPECIFICITY_MAX 2

/* ---- the server ---------------------------------------------------------------------------- */

void wsgi_block_describe(apr_pool_t *pool, const server_rec *main_server,
                         struct wsgi_block_server *server)
{
    ap_version_t version;

    memset(server, 0, sizeof(*server));
    ap_get_server_revision(&version);
    server->settings = wsgi_config_settings(main_server);
    server->version = (int64_t)version.major * 1000000 + version.minor * 1000 + version.patch;
    server->description = apr_pstrdup(pool, ap_get_server_description());
    server->built = ap_get_server_built();
    server->mpm_name = ap_show_mpm();
    server->log_level = wsgi_log_highest(main_server);
    server->mpm_processes = 1;
    server->mpm_threads = 1;
    ap_mpm_query(AP_MPMQ_MAX_DAEMONS, &server->mpm_processes);
    ap_mpm_query(AP_MPMQ_MAX_THREADS, &server->mpm_threads);
    if (server->mpm_threads < 1)
        server->mpm_threads = 1; /* prefork says 0 */
}

static void put_server(struct wsgi_vars_writer *writer, const struct wsgi_block_server *server)
{
    wsgi_vars_put_number(writer, WSGI_PARAM_SERVER_VERSION, server->version);
    wsgi_vars_put_text(writer, WSGI_PARAM_SERVER_DESCRIPTION, server->description);
    wsgi_vars_put_text(writer, WSGI_PARAM_SERVER_BUILT, server->built);
    wsgi_vars_put_text(writer, WSGI_PARAM_MPM_NAME, server->mpm_name);
    wsgi_vars_put_number(writer, WSGI_PARAM_MPM_PROCESSES, server->mpm_processes);
    wsgi_vars_put_number(writer, WSGI_PARAM_MPM_THREADS, server->mpm_threads);
    wsgi_vars_put_number(writer, WSGI_PARAM_LOG_LEVEL, server->log_level);
    wsgi_vars_put_number(writer, WSGI_PARAM_STDOUT_LEVEL, server->settings->stdout_level);
    wsgi_vars_put_number(writer, WSGI_PARAM_STDERR_LEVEL, server->settings->stderr_level);
    wsgi_vars_put_number(writer, WSGI_PARAM_LOG_FLAGS, server->settings->log_flags);
}

/* ---- pieces -------------------------------------------------------------------------------- */

static void put_optional(struct wsgi_vars_writer *writer, enum wsgi_param id, const char *value)
{
    if (value != NULL)
        wsgi_vars_put_text(writer, id, value);
}

static void put_positive(struct wsgi_vars_writer *writer, enum wsgi_param id, int64_t value)
{
    if (value > 0)
        wsgi_vars_put_number(writer, id, value);
}

static void put_texts(struct wsgi_vars_writer *writer, enum wsgi_param id,
                      const apr_array_header_t *texts)
{
    int i;

    for (i = 0; texts != NULL && i < texts->nelts; i++)
        wsgi_vars_put_text(writer, id, APR_ARRAY_IDX(texts, i, const char *));
}

static void put_preload(struct wsgi_vars_writer *writer, const apr_array_header_t *list,
                        const char *root)
{
    int i;

    for (i = 0; i < list->nelts; i++) {
        const struct wsgi_preload *preload = &APR_ARRAY_IDX(list, i, const struct wsgi_preload);
        const char *script = wsgi_jail_inside(root, preload->script);

        if (script == NULL)
            continue;
        wsgi_vars_put_text(writer, WSGI_PARAM_PRELOAD_GROUP, preload->application_group);
        wsgi_vars_put_text(writer, WSGI_PARAM_PRELOAD_SCRIPT, script);
    }
}

/* ---- layers -------------------------------------------------------------------------------- */

static void put_flags(struct wsgi_vars_writer *writer, const struct wsgi_scope *scope)
{
    const struct {
        int flag;
        int64_t bit;
    } flags[] = {{scope->restrict_stdin, WSGI_SCOPE_RESTRICT_STDIN},
                 {scope->restrict_stdout, WSGI_SCOPE_RESTRICT_STDOUT},
                 {scope->restrict_signal, WSGI_SCOPE_RESTRICT_SIGNAL},
                 {scope->own_gil, WSGI_SCOPE_OWN_GIL},
                 {scope->free_threading, WSGI_SCOPE_FREE_THREADING}};
    int64_t given = 0;
    int64_t on = 0;
    size_t i;

    for (i = 0; i < sizeof(flags) / sizeof(flags[0]); i++) {
        if (flags[i].flag != -1)
            given |= flags[i].bit;
        if (flags[i].flag == 1)
            on |= flags[i].bit;
    }
    wsgi_vars_put_number(writer, WSGI_PARAM_SCOPE_GIVEN, given);
    wsgi_vars_put_number(writer, WSGI_PARAM_SCOPE_FLAGS, on);
}

static int specificity(const struct wsgi_scope *scope)
{
    return (scope->process_group != NULL) + (scope->application_group != NULL);
}

static int selects(const struct wsgi_scope *scope, const char *process_group)
{
    return scope->process_group == NULL || strcmp(scope->process_group, process_group) == 0;
}

/* The option of the group stands above sections for the whole process, as in mod_wsgi 6. */
static void put_section(struct wsgi_vars_writer *writer, const struct wsgi_scope *scope,
                        int has_option)
{
    const char *group = scope->application_group;
    size_t size = group != NULL ? strlen(group) + 2 : 1;
    char *selector = malloc(size);

    if (selector == NULL) {
        writer->failed = 1;
        return;
    }
    snprintf(selector, size, "%s%s", group != NULL ? "=" : "", group != NULL ? group : "");
    wsgi_vars_put_text(writer, WSGI_PARAM_SCOPE, selector);
    free(selector);
    put_texts(writer, WSGI_PARAM_SCOPE_PYTHON_PATH, scope->python_path);
    if (group != NULL || !has_option)
        put_positive(writer, WSGI_PARAM_SCOPE_SWITCH_INTERVAL, scope->switch_interval);
    put_flags(writer, scope);
}

/* Outside of sections first, then the sections that mean this process, least specific first. */
static void put_scopes(struct wsgi_vars_writer *writer, const struct wsgi_settings *settings,
                       const char *process_group, int64_t switch_interval, int has_option)
{
    int level;
    int i;

    wsgi_vars_put_text(writer, WSGI_PARAM_SCOPE, "");
    put_positive(writer, WSGI_PARAM_SCOPE_SWITCH_INTERVAL, switch_interval);
    put_flags(writer, &settings->outside);
    for (level = 0; level <= SPECIFICITY_MAX; level++)
        for (i = 0; i < settings->sections->nelts; i++) {
            const struct wsgi_scope *scope =
                APR_ARRAY_IDX(settings->sections, i, const struct wsgi_scope *);

            if (specificity(scope) == level && selects(scope, process_group))
                put_section(writer, scope, has_option);
        }
}

int wsgi_block_free_threading(const struct wsgi_settings *settings, const char *process_group)
{
    int on = settings->outside.free_threading;
    int level;
    int i;

    for (level = 0; level <= SPECIFICITY_MAX; level++)
        for (i = 0; i < settings->sections->nelts; i++) {
            const struct wsgi_scope *scope =
                APR_ARRAY_IDX(settings->sections, i, const struct wsgi_scope *);

            if (scope->application_group == NULL && specificity(scope) == level &&
                selects(scope, process_group) && scope->free_threading != -1)
                on = scope->free_threading;
        }
    return on == 1;
}

int wsgi_block_own_gil(const struct wsgi_settings *settings, const char *process_group)
{
    int i;

    if (settings->outside.own_gil == 1)
        return 1;
    for (i = 0; i < settings->sections->nelts; i++) {
        const struct wsgi_scope *scope =
            APR_ARRAY_IDX(settings->sections, i, const struct wsgi_scope *);

        if (selects(scope, process_group) && scope->own_gil == 1)
            return 1;
    }
    return 0;
}

/* ---- daemons ------------------------------------------------------------------------------- */

static int64_t shared_flags(const struct wsgi_settings *settings)
{
    return (settings->destroy_interpreter == 0 ? WSGI_PROCESS_KEEP_INTERPRETERS : 0) |
           (settings->case_sensitivity == 0 ? WSGI_PROCESS_ANY_CASE : 0) |
           (settings->telemetry_target != NULL ? WSGI_PROCESS_TELEMETRY : 0);
}

static int64_t daemon_flags(const struct wsgi_settings *settings, const struct wsgi_group *group)
{
    int64_t flags = shared_flags(settings);

    if (group->processes_given)
        flags |= WSGI_PROCESS_MULTIPROCESS;
    if (group->threads > 1)
        flags |= WSGI_PROCESS_MULTITHREAD;
    if (group->threads == 1 && group->maximum_requests == 1)
        flags |= WSGI_PROCESS_RUN_ONCE;
    if (group->server_metrics)
        flags |= WSGI_PROCESS_SERVER_METRICS;
    if (group->reload_overlap)
        flags |= WSGI_PROCESS_OVERLAP;
    return flags;
}

/* "random" is an option on the command line, a number has to be in the environment: the engine
 * puts os.environ right again. */
static int64_t put_hash_seed(struct wsgi_vars_writer *writer, const struct wsgi_settings *settings)
{
    if (settings->hash_seed == NULL || strcmp(settings->hash_seed, "random") == 0)
        return 0;
    wsgi_vars_put_text(writer, WSGI_PARAM_HASH_SEED, settings->hash_seed);
    put_optional(writer, WSGI_PARAM_OUTER_HASH_SEED, getenv("PYTHONHASHSEED"));
    return WSGI_PROCESS_HASH_SEED;
}

/* Without a display-name a process listing would show the launch code. */
static void put_title(struct wsgi_vars_writer *writer, const struct wsgi_group *group)
{
    char title[128];

    if (group->display_name != NULL) {
        wsgi_vars_put_text(writer, WSGI_PARAM_TITLE, group->display_name);
        return;
    }
    snprintf(title, sizeof(title), "(wsgi:%s)", group->name);
    wsgi_vars_put_text(writer, WSGI_PARAM_TITLE, title);
}

void wsgi_block_daemon(struct wsgi_vars_writer *writer, const struct wsgi_block_server *server,
                       const struct wsgi_group *group)
{
    const struct wsgi_settings *settings = server->settings;
    int64_t flags = daemon_flags(settings, group);

    wsgi_vars_begin(writer);
    put_server(writer, server);
    wsgi_vars_put_text(writer, WSGI_PARAM_GROUP_NAME, group->name);
    wsgi_vars_put_number(writer, WSGI_PARAM_PROCESSES, group->processes);
    wsgi_vars_put_number(writer, WSGI_PARAM_THREADS, group->threads);
    wsgi_vars_put_text(writer, WSGI_PARAM_INTERPRETER, group->interpreter);
    wsgi_vars_put_number(writer, WSGI_PARAM_SHUTDOWN_TIMEOUT, group->shutdown_timeout);
    put_optional(writer, WSGI_PARAM_HOME, group->home);
    put_optional(writer, WSGI_PARAM_LOCALE, group->locale);
    put_optional(writer, WSGI_PARAM_PYTHON_EGGS, group->python_eggs);
    put_positive(writer, WSGI_PARAM_STACK_SIZE, group->stack_size);
    put_positive(writer, WSGI_PARAM_MAXIMUM_REQUESTS, group->maximum_requests);
    put_positive(writer, WSGI_PARAM_REQUEST_TIMEOUT, group->request_timeout);
    put_positive(writer, WSGI_PARAM_INTERRUPT_TIMEOUT, group->interrupt_timeout);
    put_positive(writer, WSGI_PARAM_STARTUP_TIMEOUT, group->startup_timeout);
    put_positive(writer, WSGI_PARAM_DEADLOCK_TIMEOUT, group->deadlock_timeout);
    put_positive(writer, WSGI_PARAM_INACTIVITY_TIMEOUT, group->inactivity_timeout);
    put_positive(writer, WSGI_PARAM_GRACEFUL_TIMEOUT, group->graceful_timeout);
    put_positive(writer, WSGI_PARAM_EVICTION_TIMEOUT, group->eviction_timeout);
    put_positive(writer, WSGI_PARAM_SOCKET_TIMEOUT,
                 group->socket_timeout > 0 ? group->socket_timeout
                                           : (int64_t)apr_time_sec(group->server->timeout));
    put_positive(writer, WSGI_PARAM_CPU_TIME_LIMIT, group->cpu_time_limit);
    put_positive(writer, WSGI_PARAM_MEMORY_LIMIT, group->memory_limit);
    put_title(writer, group);
    flags |= put_hash_seed(writer, settings);
    wsgi_vars_put_number(writer, WSGI_PARAM_PROCESS_FLAGS, flags);
    if (group->main_group != NULL && *group->main_group != '\0')
        wsgi_vars_put_text(writer, WSGI_PARAM_MAIN_GROUP, group->main_group);
    put_texts(writer, WSGI_PARAM_PYTHON_PATH, group->python_path);
    put_preload(writer, group->preload, group->chroot);
    put_scopes(writer, settings, group->name,
               group->switch_interval > 0 ? group->switch_interval
                                          : settings->outside.switch_interval,
               group->switch_interval > 0);
}

/* ---- embedded ------------------------------------------------------------------------------ */

static int64_t embedded_flags(const struct wsgi_block_server *server)
{
    const struct wsgi_settings *settings = server->settings;
    int64_t flags = shared_flags(settings);

    if (ap_exists_config_define("DEBUG") || ap_exists_config_define("ONE_PROCESS"))
        flags |= WSGI_PROCESS_SINGLE;
    if (server->mpm_processes > 1)
        flags |= WSGI_PROCESS_MULTIPROCESS;
    if (server->mpm_threads > 1)
        flags |= WSGI_PROCESS_MULTITHREAD;
    if (settings->dont_write_bytecode == 1)
        flags |= WSGI_PROCESS_NO_BYTECODE;
    if (settings->server_metrics == 1)
        flags |= WSGI_PROCESS_SERVER_METRICS;
    return flags;
}

void wsgi_block_embedded(struct wsgi_vars_writer *writer, const struct wsgi_block_server *server)
{
    const struct wsgi_settings *settings = server->settings;

    wsgi_vars_begin(writer);
    put_server(writer, server);
    wsgi_vars_put_text(writer, WSGI_PARAM_GROUP_NAME, "");
    wsgi_vars_put_number(writer, WSGI_PARAM_PROCESSES, server->mpm_processes);
    wsgi_vars_put_number(writer, WSGI_PARAM_THREADS, server->mpm_threads);
    wsgi_vars_put_number(writer, WSGI_PARAM_PROCESS_FLAGS, embedded_flags(server));
    wsgi_vars_put_text(writer, WSGI_PARAM_INTERPRETER, settings->interpreter);
    wsgi_vars_put_number(writer, WSGI_PARAM_SHUTDOWN_TIMEOUT, EMBEDDED_STOP_SECONDS);
    put_optional(writer, WSGI_PARAM_PYTHON_HOME, settings->python_home);
    put_optional(writer, WSGI_PARAM_PYTHON_EGGS, settings->python_eggs);
    put_optional(writer, WSGI_PARAM_HASH_SEED, settings->hash_seed);
    put_positive(writer, WSGI_PARAM_PYTHON_OPTIMIZE, settings->python_optimize);
    put_texts(writer, WSGI_PARAM_PYTHON_WARNINGS, settings->python_warnings);
    put_texts(writer, WSGI_PARAM_PYTHON_PATH, settings->outside.python_path);
    put_preload(writer, settings->embedded_preload, NULL);
    put_scopes(writer, settings, "", settings->outside.switch_interval, 0);
}
