/* SPDX-License-Identifier: Apache-2.0 */
#include "hint.h"

#include "log.h"
#include "route.h"

#include "apr_fnmatch.h"
#include "apr_strings.h"
#include "http_config.h"
#include "http_core.h"
#include "http_protocol.h"
#include "http_request.h"

#include <string.h>

/* ---- once in a process ----------------------------------------------------------------------- */

#define SAID_MAX 64

/* The one record of this process. Keys of what was said; when it is full, nothing more is. */
static const void *said[SAID_MAX];

static const char about_authorization[] = "authorization";
static const char about_proxies[] = "proxies";

/* 1 for the first caller with this key. */
static int is_first(const void *key)
{
    int i;

    for (i = 0; i < SAID_MAX; i++) {
        const void *there = __atomic_load_n(&said[i], __ATOMIC_ACQUIRE);

        if (there == NULL && __atomic_compare_exchange_n(&said[i], &there, key, 0, __ATOMIC_ACQ_REL,
                                                         __ATOMIC_ACQUIRE))
            return 1;
        if (there == key)
            return 0;
    }
    return 0;
}

void wsgi_hint_authorization(request_rec *r)
{
    if (APLOGrdebug(r) && is_first(about_authorization))
        ap_log_rerror(
            APLOG_MARK, APLOG_DEBUG, 0, r,
            "hint: an Authorization header is kept from the application; if it does its "
            "own authentication, set WSGIPassAuthorization On here (said once a process)");
}

void wsgi_hint_any_proxy(request_rec *r)
{
    if (APLOGrinfo(r) && is_first(about_proxies))
        ap_log_rerror(APLOG_MARK, APLOG_INFO, 0, r,
                      "hint: WSGITrustedProxyHeaders without WSGITrustedProxies believes every "
                      "client what it says about its address; list the addresses of the proxies "
                      "with WSGITrustedProxies (said once a process)");
}

/* ---- a script that no Require lets in -------------------------------------------------------- */

/* How far a request got; only kept for those that an alias mapped. */
enum stage { STAGE_MAPPED, STAGE_ASKED, STAGE_LET_IN };

struct progress {
    enum stage stage;
};

static struct progress *progress_of(request_rec *r)
{
    return ap_get_module_config(r->request_config, &wsgi_module);
}

static int is_mapped(const request_rec *r)
{
    return apr_table_get(r->notes, WSGI_NOTE_ALIAS) != NULL;
}

/* access_checker, the last: nobody but the Require lines can still refuse without asking who the
 * client is. */
static int note_asked(request_rec *r)
{
    struct progress *progress;

    if (!is_mapped(r))
        return DECLINED;
    progress = apr_pcalloc(r->pool, sizeof(*progress));
    progress->stage = STAGE_ASKED;
    ap_set_module_config(r->request_config, &wsgi_module, progress);
    return DECLINED;
}

/* type_checker, the first: access control is over. */
static int note_let_in(request_rec *r)
{
    wsgi_hint_let_in(r);
    return DECLINED;
}

void wsgi_hint_let_in(request_rec *r)
{
    struct progress *progress = progress_of(r);

    if (progress != NULL)
        progress->stage = STAGE_LET_IN;
}

/* The directory that has to be named. For a script, the one it lies in; httpd has not looked at
 * the file when it refused on the way, so it may not be known to be one. */
static const char *directory_of(request_rec *r)
{
    char *directory;

    if (r->finfo.filetype == APR_DIR)
        return r->filename;
    directory = ap_make_dirstr_parent(r->pool, r->filename);
    if (strlen(directory) > 1)
        directory[strlen(directory) - 1] = '\0';
    return directory;
}

static const char *what_to_do(request_rec *r)
{
    const char *directory = directory_of(r);
    const char *file = ap_strrchr_c(r->filename, '/');

    if (r->finfo.filetype == APR_DIR || file == NULL)
        return apr_psprintf(r->pool, "<Directory \"%s\"> Require all granted </Directory>",
                            directory);
    return apr_psprintf(r->pool,
                        "<Directory \"%s\"> <Files \"%s\"> Require all granted </Files> "
                        "</Directory>",
                        directory, file + 1);
}

static int covers(const core_dir_config *section, const char *uri)
{
    size_t size;

    if (section->r != NULL)
        return ap_regexec(section->r, uri, 0, NULL, 0) == 0;
    if (section->d_is_fnmatch)
        return apr_fnmatch(section->d, uri, APR_FNM_PATHNAME) == APR_SUCCESS;
    size = strlen(section->d);
    return strncmp(section->d, uri, size) == 0 &&
           (uri[size] == '\0' || uri[size] == '/' || (size > 0 && uri[size - 1] == '/'));
}

/* A Require for a URL is written by somebody who knows whom it keeps out. */
static int is_meant(const request_rec *r)
{
    const core_server_config *core = ap_get_core_module_config(r->server->module_config);
    module *access = ap_find_linked_module("mod_authz_core.c");
    int i;

    for (i = 0; access != NULL && i < core->sec_url->nelts; i++) {
        ap_conf_vector_t *section = APR_ARRAY_IDX(core->sec_url, i, ap_conf_vector_t *);

        if (ap_get_module_config(section, access) != NULL &&
            covers(ap_get_core_module_config(section), r->uri))
            return 1;
    }
    return 0;
}

/* log_transaction: an alias points at what httpd shows to nobody. */
static int hint_require(request_rec *r)
{
    const struct progress *progress = progress_of(r);
    const struct wsgi_alias *alias;

    if (r->status != HTTP_FORBIDDEN || progress == NULL || progress->stage != STAGE_ASKED ||
        r->user != NULL || r->ap_auth_type != NULL || r->filename == NULL)
        return DECLINED;
    alias = wsgi_route_alias(r);
    if (alias != NULL && !is_meant(r) && is_first(alias->location))
        ap_log_rerror(APLOG_MARK, APLOG_WARNING, 0, r,
                      "hint: %s %s (%s) leads to %s, but no \"Require\" for its directory %s lets "
                      "this client in; if everybody may come, add %s (said once a process)",
                      alias->regex != NULL ? "WSGIScriptAliasMatch" : "WSGIScriptAlias",
                      alias->location, alias->where, r->filename, directory_of(r), what_to_do(r));
    return DECLINED;
}

void wsgi_hint_register_hooks(apr_pool_t *pool)
{
    (void)pool;
    ap_hook_check_access(note_asked, NULL, NULL, APR_HOOK_REALLY_LAST, AP_AUTH_INTERNAL_PER_CONF);
    ap_hook_type_checker(note_let_in, NULL, NULL, APR_HOOK_REALLY_FIRST);
    ap_hook_log_transaction(hint_require, NULL, NULL, APR_HOOK_MIDDLE);
}
