/* SPDX-License-Identifier: Apache-2.0 */
/* The module record: which functions httpd calls when, and which directives there are. */
#include "apache/ask.h"
#include "apache/config.h"
#include "apache/facts.h"
#include "apache/handler.h"
#include "apache/log.h"
#include "apache/route.h"
#include "apache/start.h"

#include "http_config.h"
#include "http_protocol.h"
#include "http_request.h"

/* Where a directive may stand. */
#define GLOBAL RSRC_CONF                /* the setter refuses virtual hosts */
#define SERVER RSRC_CONF                /* main server, virtual host */
#define SCOPE (RSRC_CONF | ACCESS_CONF) /* and <Directory>, <Location>, <Files> */
#define FILE_INFO OR_FILEINFO           /* and .htaccess */
#define AUTHORIZATION OR_AUTHCFG

#define NOT_YET(name, where, hint) AP_INIT_RAW_ARGS(name, wsgi_config_not_yet, hint, where, name)

static const command_rec directives[] = {
    AP_INIT_RAW_ARGS("WSGIScriptAlias", wsgi_config_script_alias, NULL, SERVER,
                     "URL path and the script file or directory it stands for, then options"),
    AP_INIT_RAW_ARGS("WSGIDaemonProcess", wsgi_config_daemon_process, NULL, SERVER,
                     "name of a process group, then options"),
    AP_INIT_TAKE1("WSGIProcessGroup", wsgi_config_process_group, NULL, SCOPE,
                  "process group that runs the applications here"),
    AP_INIT_TAKE1("WSGIApplicationGroup", wsgi_config_application_group, NULL, SCOPE,
                  "application group (interpreter) that runs the applications here"),
    AP_INIT_TAKE1("WSGICallableObject", wsgi_config_callable_object, NULL, FILE_INFO,
                  "name of the application in the script, instead of \"application\""),
    AP_INIT_TAKE1("WSGIPassAuthorization", wsgi_config_pass_authorization, NULL, FILE_INFO,
                  "On: applications get the Authorization header"),
    AP_INIT_TAKE1("WSGIScriptReloading", wsgi_config_script_reloading, NULL, FILE_INFO,
                  "Off: a changed script file is not loaded again"),
    AP_INIT_TAKE1("WSGIPythonHome", wsgi_config_python_home, NULL, GLOBAL,
                  "prefix of a Python or of a venv"),
    AP_INIT_TAKE1("WSGIPythonPath", wsgi_config_python_path, NULL, GLOBAL,
                  "directories for sys.path in embedded mode, separated by colons"),
    AP_INIT_TAKE1("WSGISocketPrefix", wsgi_config_socket_prefix, NULL, GLOBAL,
                  "what the paths of the daemons' sockets begin with"),
    AP_INIT_TAKE1("WSGIRestrictEmbedded", wsgi_config_restrict_embedded, NULL, GLOBAL,
                  "On: no Python in Apache's own processes"),

    /* mod_wsgi 6 has these; here they come later. */
    NOT_YET("WSGIScriptAliasMatch", SERVER, "use WSGIScriptAlias, or AddHandler wsgi-script"),
    NOT_YET("WSGISocketRotation", GLOBAL, "each generation has its own sockets"),
    NOT_YET("WSGIAcceptMutex", GLOBAL, "daemons do not need a mutex here"),
    NOT_YET("WSGIVerboseDebugging", GLOBAL, "use LogLevel wsgi:debug"),
    NOT_YET("WSGIDontWriteBytecode", GLOBAL,
            "set PYTHONDONTWRITEBYTECODE in the environment of httpd"),
    NOT_YET("WSGIPythonWarnings", GLOBAL, "set PYTHONWARNINGS in the environment of httpd"),
    NOT_YET("WSGIPythonOptimize", GLOBAL, "set PYTHONOPTIMIZE in the environment of httpd"),
    NOT_YET("WSGIPythonEggs", GLOBAL, NULL),
    NOT_YET("WSGIPythonHashSeed", GLOBAL, "set PYTHONHASHSEED in the environment of httpd"),
    NOT_YET("WSGISwitchInterval", GLOBAL, NULL),
    NOT_YET("WSGIDestroyInterpreter", GLOBAL, NULL),
    NOT_YET("WSGIPerInterpreterGIL", GLOBAL, NULL),
    NOT_YET("WSGIFreeThreading", GLOBAL, NULL),
    NOT_YET("<WSGIInterpreterOptions", GLOBAL, NULL),
    NOT_YET("WSGIRestrictStdin", GLOBAL, NULL),
    NOT_YET("WSGIRestrictStdout", GLOBAL, NULL),
    NOT_YET("WSGIRestrictSignal", GLOBAL, NULL),
    NOT_YET("WSGICaseSensitivity", GLOBAL, NULL),
    NOT_YET("WSGIRestrictProcess", SCOPE, NULL),
    NOT_YET("WSGIImportScript", SERVER,
            "a WSGIScriptAlias with process-group and application-group loads its script at start"),
    NOT_YET("WSGIDispatchScript", SCOPE, NULL),
    NOT_YET("WSGIPassApacheRequest", SCOPE, NULL),
    NOT_YET("WSGIErrorOverride", FILE_INFO, NULL),
    NOT_YET("WSGIChunkedRequest", FILE_INFO, "chunked requests are accepted without it"),
    NOT_YET("WSGIMapHEADToGET", FILE_INFO, "it is Auto"),
    NOT_YET("WSGIIgnoreActivity", FILE_INFO, NULL),
    NOT_YET("WSGITrustedProxyHeaders", FILE_INFO, "mod_remoteip sets the client's address"),
    NOT_YET("WSGITrustedProxies", FILE_INFO, "mod_remoteip sets the client's address"),
    NOT_YET("WSGIEnableSendfile", FILE_INFO, NULL),
    NOT_YET("WSGIAccessScript", AUTHORIZATION, NULL),
    NOT_YET("WSGIAuthUserScript", AUTHORIZATION, NULL),
    NOT_YET("WSGIAuthGroupScript", AUTHORIZATION, NULL),
    NOT_YET("WSGIGroupAuthoritative", AUTHORIZATION, "it never had an effect"),
    NOT_YET("WSGIHandlerScript", SCOPE, NULL),
    NOT_YET("WSGIServerMetrics", GLOBAL, NULL),
    NOT_YET("WSGITelemetryService", GLOBAL, NULL),
    NOT_YET("WSGISlowRequests", GLOBAL, NULL),
    NOT_YET("WSGITelemetryOptions", GLOBAL, NULL),
    {.name = NULL},
};

static void register_hooks(apr_pool_t *pool)
{
    static const char *const before_us[] = {"mod_alias.c", NULL};
    static const char *const after_us[] = {"mod_userdir.c", "mod_vhost_alias.c", NULL};

    ap_hook_check_config(wsgi_facts_check_config, NULL, NULL, APR_HOOK_MIDDLE);
    ap_hook_post_config(wsgi_start_tokens, NULL, NULL, APR_HOOK_MIDDLE);
    ap_hook_post_config(wsgi_start_generation, NULL, NULL, APR_HOOK_REALLY_LAST);
    ap_hook_child_init(wsgi_start_child, NULL, NULL, APR_HOOK_MIDDLE);
    ap_hook_translate_name(wsgi_route_translate, before_us, after_us, APR_HOOK_MIDDLE);
    ap_hook_handler(wsgi_handler, NULL, NULL, APR_HOOK_MIDDLE);
    wsgi_ask_register_hooks(pool);
}

module AP_MODULE_DECLARE_DATA __attribute__((visibility("default"))) wsgi_module = {
    STANDARD20_MODULE_STUFF,
    wsgi_config_create_directory,
    wsgi_config_merge_directory,
    wsgi_config_create_server,
    wsgi_config_merge_server,
    directives,
    register_hooks,
    0,
};
