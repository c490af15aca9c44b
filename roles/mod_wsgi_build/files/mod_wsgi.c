/* SPDX-License-Identifier: Apache-2.0 */
/* The module record: which functions httpd calls when, and which directives there are. */
#include "apache/ask.h"
#include "apache/config.h"
#include "apache/dump.h"
#include "apache/facts.h"
#include "apache/handler.h"
#include "apache/hint.h"
#include "apache/log.h"
#include "apache/requestid.h"
#include "apache/route.h"
#include "apache/setters.h"
#include "apache/start.h"

#include <stddef.h>

#include "http_config.h"
#include "http_protocol.h"
#include "http_request.h"
#include "mpm_common.h"

/* Where a directive may stand. */
#define CONTEXT_G RSRC_CONF                  /* the setter refuses virtual hosts */
#define CONTEXT_R RSRC_CONF                  /* main server, virtual host */
#define CONTEXT_RA (RSRC_CONF | ACCESS_CONF) /* and <Directory>, <Location>, <Files> */
#define CONTEXT_F OR_FILEINFO                /* and .htaccess */
#define CONTEXT_A OR_AUTHCFG

/* Which field a general setter writes. */
#define NOTHING NULL
#define IN_DIRECTORY(field) (void *)offsetof(struct wsgi_directory, field)
#define IN_SETTINGS(field) (void *)offsetof(struct wsgi_settings, field)
#define IN_SCOPE(field) (void *)offsetof(struct wsgi_scope, field)

#define WSGI_DIRECTIVE(name, arguments, setter, field, context, unset, description)                \
    AP_INIT_##arguments(name, setter, field, CONTEXT_##context, description),

static const command_rec directives[] = {
#include "apache/directives.def"
    {.name = NULL},
};

static void register_hooks(apr_pool_t *pool)
{
    static const char *const before_us[] = {"mod_alias.c", NULL};
    static const char *const after_us[] = {"mod_userdir.c", "mod_vhost_alias.c", NULL};

    ap_hook_check_config(wsgi_facts_check_config, NULL, NULL, APR_HOOK_MIDDLE);
    ap_hook_post_config(wsgi_start_tokens, NULL, NULL, APR_HOOK_MIDDLE);
    ap_hook_post_config(wsgi_start_generation, NULL, NULL, APR_HOOK_REALLY_LAST);
    ap_hook_pre_mpm(wsgi_start_first_generation, NULL, NULL, APR_HOOK_REALLY_LAST);
    ap_hook_monitor(wsgi_start_monitor, NULL, NULL, APR_HOOK_MIDDLE);
    ap_hook_child_init(wsgi_start_child, NULL, NULL, APR_HOOK_MIDDLE);
    ap_hook_translate_name(wsgi_route_translate, before_us, after_us, APR_HOOK_MIDDLE);
    ap_hook_handler(wsgi_handler, NULL, NULL, APR_HOOK_MIDDLE);
    wsgi_hint_register_hooks(pool);
    wsgi_requestid_register_hooks();
    ap_hook_test_config(wsgi_dump_test_config, NULL, NULL, APR_HOOK_MIDDLE);
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
