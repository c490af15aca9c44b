/* SPDX-License-Identifier: Apache-2.0 */
#include "start.h"

#include "client.h"
#include "config.h"
#include "embedded.h"
#include "facts.h"
#include "log.h"
#include "python.h"
#include "supervisor.h"
#include "../wire/engine.h"

#include "apr_strings.h"
#include "http_core.h"
#include "http_main.h"
#include "unixd.h"

#include <string.h>

/* The first of the two readings of a cold start, and every run that does not serve. */
static int is_rehearsal(void)
{
    return ap_state_query(AP_SQ_MAIN_STATE) == AP_SQ_MS_CREATE_PRE_CONFIG ||
           ap_state_query(AP_SQ_RUN_MODE) != AP_SQ_RM_NORMAL;
}

/* "Python/3.11" of "3.11.2". */
static const char *python_token(apr_pool_t *pool, const char *version)
{
    const char *dot = strchr(version, '.');
    const char *end = dot != NULL ? strchr(dot + 1, '.') : NULL;
    apr_size_t size = end != NULL ? (apr_size_t)(end - version) : strlen(version);

    return apr_pstrcat(pool, "Python/", apr_pstrmemdup(pool, version, size), NULL);
}

int wsgi_start_tokens(apr_pool_t *pconf, apr_pool_t *plog, apr_pool_t *ptemp,
                      server_rec *main_server)
{
    const struct wsgi_settings *settings = wsgi_config_settings(main_server);

    (void)plog;
    (void)ptemp;
    if (is_rehearsal())
        return OK;
    ap_add_version_component(pconf, "mod_wsgi/" WSGI_BUILD_VERSION);
    if (settings->pythons->standard != NULL)
        ap_add_version_component(pconf, python_token(pconf, settings->pythons->standard->version));
    return OK;
}

static struct wsgi_supervisor_settings *describe_server(apr_pool_t *pconf, server_rec *main_server,
                                                        const char *prefix)
{
    struct wsgi_supervisor_settings *server = apr_pcalloc(pconf, sizeof(*server));

    server->socket_prefix = prefix;
    server->main_server = main_server;
    server->apache_uid = geteuid() == 0 ? ap_unixd_config.user_id : geteuid();
    server->apache_gid = geteuid() == 0 ? ap_unixd_config.group_id : getegid();
    wsgi_block_describe(pconf, main_server, &server->server);
    return server;
}

static void start_supervisor(apr_pool_t *pconf, server_rec *main_server)
{
    const struct wsgi_settings *settings = wsgi_config_settings(main_server);
    apr_status_t rv;

    rv = wsgi_supervisor_start(pconf, main_server, settings->groups,
                               describe_server(pconf, main_server, settings->socket_prefix));
    if (rv != APR_SUCCESS)
        ap_log_error(APLOG_MARK, APLOG_CRIT, rv, main_server,
                     "WSGI%04d: the supervisor could not be started, no process group is in "
                     "service",
                     WSGI_CODE_GROUP_NOT_READY);
}

/* At a cold start this runs after httpd has become a daemon (the MPM does that before the second
 * reading), so the pid is final; a restart reads the configuration once. Either way once for each
 * generation, and as the last, when no other module can refuse the configuration any more. */
int wsgi_start_generation(apr_pool_t *pconf, apr_pool_t *plog, apr_pool_t *ptemp,
                          server_rec *main_server)
{
    (void)plog;
    (void)ptemp;
    if (is_rehearsal())
        return OK;
    wsgi_facts_report(main_server);
    if (ap_exists_scoreboard_image())
        start_supervisor(pconf, main_server);
    return OK;
}

/* At a cold start the scoreboard, which the supervisor shows to daemons, is made only now. */
int wsgi_start_first_generation(apr_pool_t *pool, ap_scoreboard_e kind)
{
    (void)pool;
    (void)kind;
    if (!wsgi_supervisor_is_started())
        start_supervisor(ap_server_conf->process->pconf, ap_server_conf);
    return OK;
}

int wsgi_start_monitor(apr_pool_t *pool, server_rec *main_server)
{
    (void)pool;
    (void)main_server;
    wsgi_supervisor_monitor();
    return DECLINED;
}

void wsgi_start_child(apr_pool_t *pchild, server_rec *main_server)
{
    const struct wsgi_settings *settings = wsgi_config_settings(main_server);

    if (settings->groups->nelts > 0) {
        wsgi_supervisor_child_init(pchild);
        wsgi_client_child_init(pchild, main_server, settings->groups);
    }
    /* Scripts that decide run here even when no application may. */
    if (settings->restrict_embedded != 1 || settings->python_needed)
        wsgi_embedded_start(pchild, main_server);
}
