/* SPDX-License-Identifier: Apache-2.0 */
#include "setters.h"

#include "config.h"
#include "log.h"
#include "../wire/options.h"
#include "../wire/vars.h"

#include "ap_config.h"
#include "apr_lib.h"
#include "apr_network_io.h"
#include "apr_portable.h"
#include "apr_strings.h"

#include <string.h>
#include <strings.h>

#define TELEMETRY_INTERVAL_DEFAULT 1000000
#define TELEMETRY_INTERVAL_LEAST 500000

/* ---- any field ----------------------------------------------------------------------------- */

static void *field_of(const cmd_parms *cmd, void *record)
{
    return (char *)record + (apr_size_t)(uintptr_t)cmd->info;
}

const char *wsgi_set_directory_text(cmd_parms *cmd, void *directory, const char *text)
{
    *(const char **)field_of(cmd, directory) = text;
    return NULL;
}

const char *wsgi_set_directory_flag(cmd_parms *cmd, void *directory, const char *flag)
{
    return wsgi_config_flag(cmd, flag, field_of(cmd, directory));
}

const char *wsgi_set_global_flag(cmd_parms *cmd, void *directory, const char *flag)
{
    const char *error = wsgi_config_global_only(cmd);

    (void)directory;
    if (error != NULL)
        return error;
    return wsgi_config_flag(cmd, flag, field_of(cmd, wsgi_config_settings(cmd->server)));
}

const char *wsgi_set_global_path(cmd_parms *cmd, void *directory, const char *path)
{
    const char *error = wsgi_config_global_only(cmd);

    (void)directory;
    if (error == NULL)
        *(const char **)field_of(cmd, wsgi_config_settings(cmd->server)) = path;
    return error;
}

const char *wsgi_set_scope_flag(cmd_parms *cmd, void *directory, const char *flag)
{
    const char *error = wsgi_config_global_only(cmd);

    (void)directory;
    if (error != NULL)
        return error;
    return wsgi_config_flag(cmd, flag, field_of(cmd, wsgi_config_scope(cmd)));
}

/* ---- groups -------------------------------------------------------------------------------- */

static struct wsgi_mention *mention(cmd_parms *cmd, const char *name)
{
    struct wsgi_mention *made = apr_array_push(wsgi_config_settings(cmd->server)->mentions);

    made->where = wsgi_config_where(cmd);
    made->server = cmd->server;
    made->name = name;
    made->in_section = wsgi_config_in_section(cmd);
    return made;
}

const char *wsgi_set_process_group(cmd_parms *cmd, void *directory, const char *name)
{
    ((struct wsgi_directory *)directory)->process_group = name;
    mention(cmd, name)->is_process_group = 1;
    return NULL;
}

const char *wsgi_set_application_group(cmd_parms *cmd, void *directory, const char *name)
{
    ((struct wsgi_directory *)directory)->application_group = name;
    mention(cmd, name);
    return NULL;
}

/* Without a name nothing may be used here. */
const char *wsgi_set_restrict_process(cmd_parms *cmd, void *directory, const char *line)
{
    apr_table_t *names = apr_table_make(cmd->pool, 4);

    while (*line != '\0') {
        const char *name = ap_getword_conf(cmd->pool, &line);

        apr_table_setn(names, strcmp(name, "%{GLOBAL}") == 0 ? "" : name, "1");
    }
    ((struct wsgi_directory *)directory)->restrict_process = names;
    return NULL;
}

const char *wsgi_set_socket_prefix(cmd_parms *cmd, void *directory, const char *path)
{
    struct wsgi_settings *settings = wsgi_config_settings(cmd->server);
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

/* Nothing here needs one. But the name is checked, so that a typing error shows. */
static const char *const mutexes[] = {
    "default",
#if APR_HAS_FLOCK_SERIALIZE
    "flock",
#endif
#if APR_HAS_FCNTL_SERIALIZE
    "fcntl",
#endif
#if APR_HAS_SYSVSEM_SERIALIZE
    "sysvsem",
#endif
#if APR_HAS_POSIXSEM_SERIALIZE
    "posixsem",
#endif
#if APR_HAS_PROC_PTHREAD_SERIALIZE
    "pthread",
#endif
};

const char *wsgi_set_accept_mutex(cmd_parms *cmd, void *directory, const char *name)
{
    const char *error = wsgi_config_global_only(cmd);
    const char *list = "";
    size_t i;

    (void)directory;
    for (i = 0; i < sizeof(mutexes) / sizeof(mutexes[0]) && error == NULL; i++) {
        if (strcasecmp(name, mutexes[i]) == 0)
            return NULL;
        list = apr_pstrcat(cmd->pool, list, i > 0 ? ", " : "", mutexes[i], NULL);
    }
    if (error != NULL)
        return error;
    return apr_psprintf(cmd->pool,
                        "WSGIAcceptMutex: \"%s\" is not a kind of mutex that there is here; give "
                        "one of %s, or remove the line: it has no effect",
                        name, list);
}

/* ---- requests ------------------------------------------------------------------------------ */

const char *wsgi_set_map_head(cmd_parms *cmd, void *directory, const char *word)
{
    int flag = strcasecmp(word, "Auto") == 0 ? WSGI_MAP_HEAD_AUTO : wsgi_value_flag(word);

    if (flag < 0)
        return apr_psprintf(cmd->pool, "WSGIMapHEADToGET: \"%s\" is none of Off, On and Auto",
                            word);
    ((struct wsgi_directory *)directory)->map_head = flag;
    return NULL;
}

/* As environ spells it: HTTP_X_FORWARDED_FOR of X-Forwarded-For. */
static const char *environ_name(apr_pool_t *pool, const char *header)
{
    char *name = apr_pstrcat(pool, "HTTP_", header, NULL);
    char *at;

    for (at = name; *at != '\0'; at++)
        *at = apr_isalnum(*at) ? (char)apr_toupper(*at) : '_';
    return name;
}

/* A line without words changes nothing, as in mod_wsgi 6; that is hardly what was meant. */
static void note_without_words(cmd_parms *cmd)
{
    if (wsgi_config_in_htaccess(cmd))
        return;
    wsgi_config_note(wsgi_config_settings(cmd->server), cmd->server, APLOG_WARNING,
                     apr_psprintf(cmd->pool, "%s (%s): names nothing and has no effect; remove it",
                                  cmd->cmd->name, wsgi_config_where(cmd)));
}

const char *wsgi_set_trusted_proxy_headers(cmd_parms *cmd, void *directory, const char *line)
{
    struct wsgi_directory *config = directory;

    if (*line == '\0')
        note_without_words(cmd);
    while (*line != '\0') {
        const char *name = ap_getword_conf(cmd->temp_pool, &line);

        if (config->trusted_headers == NULL)
            config->trusted_headers = apr_array_make(cmd->pool, 4, sizeof(const char *));
        APR_ARRAY_PUSH(config->trusted_headers, const char *) = environ_name(cmd->pool, name);
    }
    return NULL;
}

/* Nothing is looked up: apr_ipsubnet_create() reads digits only, and says so for a name. */
static const char *add_trusted_proxy(cmd_parms *cmd, struct wsgi_directory *config,
                                     const char *subnet)
{
    char *address = apr_pstrdup(cmd->temp_pool, subnet);
    char *mask = strchr(address, '/');
    apr_ipsubnet_t *made = NULL;

    if (mask != NULL)
        *mask++ = '\0';
    if (apr_ipsubnet_create(&made, address, mask, cmd->pool) != APR_SUCCESS)
        return apr_psprintf(cmd->pool,
                            "WSGITrustedProxies: \"%s\" is neither an IP address nor a subnet; "
                            "give numbers such as 192.0.2.7, 192.0.2.0/24 or 2001:db8::/32",
                            subnet);
    if (config->trusted_proxies == NULL)
        config->trusted_proxies = apr_array_make(cmd->pool, 4, sizeof(apr_ipsubnet_t *));
    APR_ARRAY_PUSH(config->trusted_proxies, apr_ipsubnet_t *) = made;
    return NULL;
}

const char *wsgi_set_trusted_proxies(cmd_parms *cmd, void *directory, const char *line)
{
    const char *error = NULL;

    if (*line == '\0')
        note_without_words(cmd);
    while (*line != '\0' && error == NULL)
        error = add_trusted_proxy(cmd, directory, ap_getword_conf(cmd->temp_pool, &line));
    return error;
}

/* ---- without effect ------------------------------------------------------------------------ */

const char *wsgi_set_flag_without_effect(cmd_parms *cmd, void *directory, const char *flag)
{
    int unused;

    (void)directory;
    return wsgi_config_flag(cmd, flag, &unused);
}

const char *wsgi_set_verbose_debugging(cmd_parms *cmd, void *directory, const char *flag)
{
    const char *error = wsgi_config_global_only(cmd);
    int unused;

    (void)directory;
    if (error == NULL)
        error = wsgi_config_flag(cmd, flag, &unused);
    if (error == NULL)
        wsgi_config_note(wsgi_config_settings(cmd->server), cmd->server, APLOG_INFO,
                         apr_psprintf(cmd->pool,
                                      "WSGIVerboseDebugging (%s) has no effect; use LogLevel "
                                      "wsgi:debug or wsgi:trace1",
                                      wsgi_config_where(cmd)));
    return error;
}

static int is_noted(const apr_array_header_t *names, const char *name)
{
    int i;

    for (i = 0; i < names->nelts; i++)
        if (strcmp(APR_ARRAY_IDX(names, i, const char *), name) == 0)
            return 1;
    return 0;
}

/* The description in the table says "removed, no effect: <what to do>". */
const char *wsgi_set_removed(cmd_parms *cmd, void *directory, const char *value)
{
    struct wsgi_settings *settings = wsgi_config_settings(cmd->server);
    const char *remedy = strchr(cmd->cmd->errmsg, ':');
    const char *error;

    (void)directory;
    (void)value;
    if (wsgi_config_in_htaccess(cmd))
        return NULL;
    error = (cmd->cmd->req_override & (OR_FILEINFO | OR_AUTHCFG)) == 0
                ? wsgi_config_global_only(cmd)
                : NULL;
    if (error != NULL || is_noted(settings->removed, cmd->cmd->name))
        return error;
    APR_ARRAY_PUSH(settings->removed, const char *) = cmd->cmd->name;
    wsgi_config_note(settings, cmd->server, APLOG_WARNING,
                     apr_psprintf(cmd->pool,
                                  "%s (%s) was removed in mod_wsgi 6 and has no effect%s; remove "
                                  "the line",
                                  cmd->cmd->name, wsgi_config_where(cmd), remedy));
    return NULL;
}

/* ---- logs ---------------------------------------------------------------------------------- */

/* As LogLevel spells them; the index is the level of syslog and of httpd. */
static const char *const levels[] = {"emerg", "alert",  "crit", "error",
                                     "warn",  "notice", "info", "debug"};

static const char *take_level(cmd_parms *cmd, const char *name, const char *value, int *level)
{
    int i;

    for (i = 0; i < (int)(sizeof(levels) / sizeof(levels[0])); i++)
        if (strcasecmp(value, levels[i]) == 0) {
            *level = i;
            return NULL;
        }
    return apr_psprintf(cmd->pool,
                        "WSGILogOptions: option %s: \"%s\" is not a level; give one of emerg, "
                        "alert, crit, error, warn, notice, info, debug",
                        name, value);
}

static const char *take_log_flag(cmd_parms *cmd, int flag, const char *wrong, int on)
{
    struct wsgi_settings *settings = wsgi_config_settings(cmd->server);

    if (on < 0)
        return wrong;
    settings->log_flags = on ? settings->log_flags | flag : settings->log_flags & ~flag;
    return NULL;
}

static const char *take_log_option(cmd_parms *cmd, void *given, const char *name, const char *value)
{
    struct wsgi_settings *settings = wsgi_config_settings(cmd->server);
    apr_table_t *names = given;

    if (apr_table_get(names, name) != NULL)
        return apr_psprintf(cmd->pool, "WSGILogOptions: option %s: is given twice; keep one", name);
    apr_table_setn(names, apr_pstrdup(cmd->temp_pool, name), "1");
    if (strcmp(name, "stdout") == 0)
        return take_level(cmd, name, value, &settings->stdout_level);
    if (strcmp(name, "stderr") == 0)
        return take_level(cmd, name, value, &settings->stderr_level);
    if (strcmp(name, "logging") == 0)
        return take_log_flag(cmd, WSGI_LOG_KEEP_LEVELS,
                             apr_psprintf(cmd->pool,
                                          "WSGILogOptions: option logging: \"%s\" is neither On "
                                          "nor Off",
                                          value),
                             wsgi_value_flag(value));
    if (strcmp(name, "records") == 0)
        return take_log_flag(cmd, WSGI_LOG_KEEP_LINES,
                             apr_psprintf(cmd->pool,
                                          "WSGILogOptions: option records: \"%s\" is neither lines "
                                          "nor whole",
                                          value),
                             strcasecmp(value, "whole") == 0   ? 1
                             : strcasecmp(value, "lines") == 0 ? 0
                                                               : -1);
    return apr_psprintf(cmd->pool,
                        "WSGILogOptions: \"%s\" is not an option; there are stdout, stderr, "
                        "logging and records",
                        name);
}

const char *wsgi_set_log_options(cmd_parms *cmd, void *directory, const char *line)
{
    struct wsgi_settings *settings = wsgi_config_settings(cmd->server);
    const char *error = wsgi_config_global_only(cmd);

    (void)directory;
    if (error != NULL)
        return error;
    if (settings->log_options_where != NULL)
        return apr_psprintf(cmd->pool,
                            "WSGILogOptions: is there already (%s); give all options in one line",
                            settings->log_options_where);
    settings->log_options_where = wsgi_config_where(cmd);
    if (*line == '\0')
        return "WSGILogOptions: names no option; give stdout=<level>, stderr=<level>, logging=On "
               "or records=whole, or remove the line";
    return wsgi_config_options(cmd, line, take_log_option, apr_table_make(cmd->temp_pool, 4));
}

/* ---- telemetry ----------------------------------------------------------------------------- */

const char *wsgi_set_telemetry_service(cmd_parms *cmd, void *directory, const char *line)
{
    struct wsgi_settings *settings = wsgi_config_settings(cmd->server);
    const char *error = wsgi_config_global_only(cmd);
    const char *target = ap_getword_conf(cmd->pool, &line);
    const char *interval = ap_getword_conf(cmd->pool, &line);

    (void)directory;
    if (error != NULL)
        return error;
    if (strncmp(target, "unix:/", 6) != 0)
        return apr_psprintf(cmd->pool,
                            "WSGITelemetryService: \"%s\" is not a target; give unix: and the "
                            "absolute path of a socket, unix:/run/telemetry.sock",
                            target);
    settings->telemetry_interval = TELEMETRY_INTERVAL_DEFAULT;
    if (*interval != '\0' && (strncmp(interval, "interval=", 9) != 0 || *line != '\0'))
        return apr_psprintf(cmd->pool,
                            "WSGITelemetryService: \"%s%s%s\" is not an option; the only one is "
                            "interval=<seconds>",
                            interval, *line != '\0' ? " " : "", line);
    if (*interval != '\0' && wsgi_config_seconds(interval + 9, TELEMETRY_INTERVAL_LEAST,
                                                 &settings->telemetry_interval) != 0)
        return apr_psprintf(
            cmd->pool, "WSGITelemetryService: option %s: must be seconds, 0.5 or more", interval);
    settings->telemetry_target = target + 5;
    return NULL;
}

/* NULL, or what is wrong with the word. Unsigned flags are a list of their own, signed ones change
 * what there is, None and All stand alone. */
static const char *take_flag(const char *word, int *form, unsigned *options)
{
    int is_signed = *word == '+' || *word == '-';
    int is_whole = strcasecmp(word, "None") == 0 || strcasecmp(word, "All") == 0;
    int is_flag = strcasecmp(word + is_signed, "CaptureUserAgent") == 0;
    int what = is_whole ? 'w' : is_signed ? 's' : 'f';

    if (!is_whole && !is_flag)
        return "is not a flag; there are None, All and CaptureUserAgent, the last maybe with "
               "+ or - before it";
    if (*form != 0 && (*form != what || is_whole))
        return "cannot be mixed with the others; give None, or All, or flags that all have a sign, "
               "or flags that all have none";
    if (*form == 0 && !is_signed)
        *options = 0;
    *form = what;
    if (*word == '-' || strcasecmp(word, "None") == 0)
        *options &= ~WSGI_TELEMETRY_USER_AGENT;
    else
        *options |= WSGI_TELEMETRY_USER_AGENT;
    return NULL;
}

const char *wsgi_set_telemetry_options(cmd_parms *cmd, void *directory, const char *line)
{
    struct wsgi_settings *settings = wsgi_config_settings(cmd->server);
    const char *error = wsgi_config_global_only(cmd);
    unsigned options = settings->telemetry_options;
    int form = 0;

    (void)directory;
    if (error != NULL)
        return error;
    while (*line != '\0') {
        const char *word = ap_getword_conf(cmd->temp_pool, &line);

        error = take_flag(word, &form, &options);
        if (error != NULL)
            return apr_psprintf(cmd->pool, "WSGITelemetryOptions: \"%s\" %s", word, error);
    }
    if (form == 0)
        note_without_words(cmd);
    settings->telemetry_options = options;
    return NULL;
}

const char *wsgi_set_slow_requests(cmd_parms *cmd, void *directory, const char *seconds)
{
    const char *error = wsgi_config_global_only(cmd);

    (void)directory;
    if (error != NULL)
        return error;
    if (wsgi_config_seconds(seconds, 0, &wsgi_config_settings(cmd->server)->slow_requests) == 0)
        return NULL;
    return apr_psprintf(cmd->pool, "WSGISlowRequests: \"%s\" must be seconds, 0 (never) or more",
                        seconds);
}
