/* SPDX-License-Identifier: Apache-2.0 */
#include "vars.h"

#include "jail.h"

#include "config.h"
#include "hint.h"
#include "log.h"
#include "proxies.h"
#include "../wire/head.h"

#include "apr_hash.h"
#include "apr_lib.h"
#include "apr_optional.h"
#include "apr_strings.h"
#include "http_config.h"
#include "http_core.h"
#include "http_protocol.h"
#include "util_filter.h"

#include <string.h>
#include <strings.h>
#include <unistd.h>

APR_DECLARE_OPTIONAL_FN(int, ssl_is_https, (conn_rec *));

#define HEADER_NAME_MAX 256

static void put(struct wsgi_vars_writer *writer, enum wsgi_name id, const char *value)
{
    wsgi_vars_put_known(writer, id, value, strlen(value));
}

/* ---- what other modules say ------------------------------------------------------------------ */

/* These come first, so that what httpd itself knows overrides a SetEnv of the same name. PATH is
 * of no use to an application, HTTPS becomes wsgi.url_scheme. */
static int is_for_us(const char *name)
{
    return strncmp(name, "mod_wsgi.", 9) == 0 &&
           (strncmp(name + 9, "x-", 2) == 0 || strcmp(name + 9, "script_name") == 0 ||
            strcmp(name + 9, "path_info") == 0 || strcmp(name + 9, "mount_point") == 0);
}

static void put_environment(struct wsgi_vars_writer *writer, request_rec *r,
                            const struct wsgi_proxy_view *view)
{
    const apr_array_header_t *list = apr_table_elts(r->subprocess_env);
    const apr_table_entry_t *entries = (const apr_table_entry_t *)list->elts;
    int i;

    for (i = 0; i < list->nelts; i++) {
        const char *name = entries[i].key;

        if (name == NULL || *name == '\0' || entries[i].val == NULL || strcmp(name, "PATH") == 0 ||
            strcmp(name, "HTTPS") == 0 || is_for_us(name) || wsgi_proxies_hide(view, name))
            continue;
        wsgi_vars_put(writer, name, entries[i].val);
    }
}

/* ---- request headers ------------------------------------------------------------------------- */

/* "Accept-Language" -> "HTTP_ACCEPT_LANGUAGE". 0 when the name has anything but letters, digits
 * and '-': with '_' let through, one header could pose as another. */
static size_t spell_header(const char *name, char *buffer)
{
    size_t size = 5;

    memcpy(buffer, "HTTP_", 5);
    for (; *name != '\0'; name++) {
        if (size + 1 >= HEADER_NAME_MAX || !(apr_isalnum(*name) || *name == '-'))
            return 0;
        buffer[size++] = *name == '-' ? '_' : (char)apr_toupper(*name);
    }
    buffer[size] = '\0';
    return size;
}

static int passes_credentials(const request_rec *r)
{
    const core_dir_config *core = ap_get_core_module_config(r->per_dir_config);

    return core->cgi_pass_auth == AP_CGI_PASS_AUTH_ON;
}

static void put_header(struct wsgi_vars_writer *writer, const char *name, const char *value,
                       const struct wsgi_proxy_view *view)
{
    char spelled[HEADER_NAME_MAX];

    if (strcasecmp(name, "Content-Type") == 0)
        put(writer, WSGI_NAME_CONTENT_TYPE, value);
    else if (strcasecmp(name, "Content-Length") == 0)
        put(writer, WSGI_NAME_CONTENT_LENGTH, value);
    else if (spell_header(name, spelled) > 0 && !wsgi_proxies_hide(view, spelled))
        wsgi_vars_put(writer, spelled, value);
}

/* Proxy never: HTTP_PROXY would be taken for a setting (httpoxy). */
static void put_headers(struct wsgi_vars_writer *writer, request_rec *r, int pass_authorization,
                        const struct wsgi_proxy_view *view)
{
    const apr_array_header_t *list = apr_table_elts(r->headers_in);
    const apr_table_entry_t *entries = (const apr_table_entry_t *)list->elts;
    int credentials = passes_credentials(r);
    int i;

    for (i = 0; i < list->nelts; i++) {
        const char *name = entries[i].key;

        if (name == NULL || entries[i].val == NULL || strcasecmp(name, "Proxy") == 0)
            continue;
        if (strcasecmp(name, "Authorization") == 0 && !credentials && !pass_authorization) {
            wsgi_hint_authorization(r);
            continue;
        }
        if (strcasecmp(name, "Proxy-Authorization") == 0 && !credentials)
            continue;
        put_header(writer, name, entries[i].val, view);
    }
}

/* ---- server and client ----------------------------------------------------------------------- */

/* A path as it is called inside of the daemon's chroot; without one as it is. */
static void put_path(struct wsgi_vars_writer *writer, enum wsgi_name id,
                     const struct wsgi_target *target, const char *path)
{
    const char *inside = path != NULL ? wsgi_jail_inside(target->root, path) : NULL;

    if (inside != NULL)
        put(writer, id, inside);
}

static void put_server(struct wsgi_vars_writer *writer, request_rec *r,
                       const struct wsgi_target *target)
{
    const char *root = ap_context_document_root(r);
    const char *prefix = ap_context_prefix(r);

    put(writer, WSGI_NAME_SERVER_SOFTWARE, ap_get_server_banner());
    put(writer, WSGI_NAME_SERVER_NAME, ap_escape_html(r->pool, ap_get_server_name_for_url(r)));
    put(writer, WSGI_NAME_SERVER_ADDR, r->connection->local_ip);
    put(writer, WSGI_NAME_SERVER_PORT, apr_psprintf(r->pool, "%u", ap_get_server_port(r)));
    if (r->server->server_admin != NULL)
        put(writer, WSGI_NAME_SERVER_ADMIN, r->server->server_admin);
    put_path(writer, WSGI_NAME_DOCUMENT_ROOT, target, ap_document_root(r));
    put(writer, WSGI_NAME_REQUEST_SCHEME, ap_http_scheme(r));
    put(writer, WSGI_NAME_CONTEXT_PREFIX, prefix != NULL ? prefix : "");
    if (root != NULL)
        put(writer, WSGI_NAME_CONTEXT_DOCUMENT_ROOT, root);
}

/* A user who was known before an internal redirect is told under another name. */
static void put_user(struct wsgi_vars_writer *writer, const request_rec *r)
{
    const request_rec *before;

    if (r->ap_auth_type != NULL)
        put(writer, WSGI_NAME_AUTH_TYPE, r->ap_auth_type);
    if (r->user != NULL) {
        put(writer, WSGI_NAME_REMOTE_USER, r->user);
        return;
    }
    for (before = r->prev; before != NULL; before = before->prev) {
        if (before->user == NULL)
            continue;
        put(writer, WSGI_NAME_REDIRECT_REMOTE_USER, before->user);
        return;
    }
}

static void put_client(struct wsgi_vars_writer *writer, request_rec *r)
{
    put(writer, WSGI_NAME_REMOTE_ADDR, r->useragent_ip);
    put(writer, WSGI_NAME_REMOTE_PORT, apr_itoa(r->pool, r->connection->client_addr->port));
    put_user(writer, r);
}

/* ---- request --------------------------------------------------------------------------------- */

/* The second word of the request line, as it came. */
static const char *raw_uri(request_rec *r)
{
    const char *at = r->the_request != NULL ? r->the_request : "";

    at += strcspn(at, " \t");
    at += strspn(at, " \t");
    return apr_pstrmemdup(r->pool, at, strcspn(at, " \t"));
}

static const char *request_uri(request_rec *r)
{
    const core_dir_config *core = ap_get_core_module_config(r->per_dir_config);
    const char *rule = NULL;

    if (core->cgi_var_rules != NULL)
        rule = apr_hash_get(core->cgi_var_rules, "REQUEST_URI", APR_HASH_KEY_STRING);
    return rule != NULL && strcmp(rule, "current-uri") == 0 ? r->uri : raw_uri(r);
}

static const char *qualified_url(request_rec *r)
{
    apr_uri_t uri = r->parsed_uri;

    if (uri.scheme == NULL)
        uri.scheme = (char *)ap_http_scheme(r);
    if (uri.port == 0) {
        uri.port = ap_get_server_port(r);
        uri.port_str = apr_psprintf(r->pool, "%u", uri.port);
    }
    uri.path = r->uri;
    if (uri.hostname == NULL)
        uri.hostname = (char *)ap_get_server_name_for_url(r);
    return apr_uri_unparse(r->pool, &uri, 0);
}

static void put_redirect(struct wsgi_vars_writer *writer, request_rec *r)
{
    const core_dir_config *core = ap_get_core_module_config(r->per_dir_config);

    if (r->prev == NULL)
        return;
    put(writer, WSGI_NAME_REDIRECT_URL,
        core->qualify_redirect_url == AP_CORE_CONFIG_ON ? qualified_url(r->prev) : r->prev->uri);
    if (r->prev->args != NULL)
        put(writer, WSGI_NAME_REDIRECT_QUERY_STRING, r->prev->args);
}

/* An output filter that works on the content has to see it, so that a HEAD has the headers that
 * a GET would have: then the application is asked for GET. httpd drops the body either way. */
static int asks_for_content(const request_rec *r)
{
    int how = wsgi_config_directory(r)->map_head;

    if (how == WSGI_MAP_HEAD_ON || how == WSGI_MAP_HEAD_OFF)
        return how == WSGI_MAP_HEAD_ON;
    return r->output_filters != NULL && r->output_filters->frec->ftype < AP_FTYPE_PROTOCOL;
}

static const char *method_of(const request_rec *r)
{
    return strcmp(r->method, "HEAD") == 0 && asks_for_content(r) ? "GET" : r->method;
}

static void put_request(struct wsgi_vars_writer *writer, request_rec *r,
                        const struct wsgi_target *target)
{
    put(writer, WSGI_NAME_SERVER_PROTOCOL, r->protocol);
    put(writer, WSGI_NAME_REQUEST_METHOD, method_of(r));
    put(writer, WSGI_NAME_QUERY_STRING, r->args != NULL ? r->args : "");
    put(writer, WSGI_NAME_REQUEST_URI, request_uri(r));
    put(writer, WSGI_NAME_SCRIPT_NAME, target->script_name);
    put(writer, WSGI_NAME_PATH_INFO, target->path_info);
    put_path(writer, WSGI_NAME_SCRIPT_FILENAME, target, r->filename);
    put_redirect(writer, r);
}

/* ---- trusted proxies ------------------------------------------------------------------------- */

/* A header, or what SetEnv put in its place. */
static const char *find_header(void *context, const char *name)
{
    const request_rec *r = context;
    const apr_array_header_t *list = apr_table_elts(r->headers_in);
    const apr_table_entry_t *entries = (const apr_table_entry_t *)list->elts;
    char spelled[HEADER_NAME_MAX];
    int i;

    for (i = list->nelts - 1; i >= 0; i--)
        if (entries[i].key != NULL && entries[i].val != NULL &&
            spell_header(entries[i].key, spelled) > 0 && strcmp(spelled, name) == 0)
            return entries[i].val;
    return apr_table_get(r->subprocess_env, name);
}

static void look_at_proxies(request_rec *r, struct wsgi_proxy_view *view)
{
    const struct wsgi_directory *config = wsgi_config_directory(r);

    wsgi_proxies_look(r->pool, config->trusted_headers, config->trusted_proxies, r->useragent_ip,
                      find_header, r, view);
    if (config->trusted_headers != NULL && config->trusted_proxies == NULL)
        wsgi_hint_any_proxy(r);
}

static void put_or_not(struct wsgi_vars_writer *writer, enum wsgi_name id, const char *value)
{
    if (value != NULL)
        put(writer, id, value);
}

/* These come last: of two values the later one counts. */
static void put_view(struct wsgi_vars_writer *writer, const struct wsgi_target *target,
                     const struct wsgi_proxy_view *view)
{
    put_or_not(writer, WSGI_NAME_REMOTE_ADDR, view->remote_addr);
    put_or_not(writer, WSGI_NAME_HTTP_X_FORWARDED_FOR, view->forwarded_for);
    put_or_not(writer, WSGI_NAME_HTTP_HOST, view->http_host);
    put_or_not(writer, WSGI_NAME_SERVER_NAME, view->server_name);
    put_or_not(writer, WSGI_NAME_SERVER_PORT, view->server_port);
    if (view->script_name == NULL)
        return;
    wsgi_vars_put(writer, "mod_wsgi.script_name", target->script_name);
    wsgi_vars_put(writer, "mod_wsgi.mount_point", view->script_name);
    put(writer, WSGI_NAME_SCRIPT_NAME, view->script_name);
}

/* ---- parameters ------------------------------------------------------------------------------ */

/* What a trusted proxy says comes before what mod_ssl knows of the connection to it. */
static int is_https(request_rec *r, const struct wsgi_proxy_view *view)
{
    APR_OPTIONAL_FN_TYPE(ssl_is_https) *ask = APR_RETRIEVE_OPTIONAL_FN(ssl_is_https);
    const char *said = apr_table_get(r->subprocess_env, "HTTPS");

    if (view->https != -1)
        return view->https;
    if (view->counted[WSGI_PROXY_SCHEME] == NULL && ask != NULL && ask(r->connection))
        return 1;
    return said != NULL && (strcasecmp(said, "on") == 0 || strcmp(said, "1") == 0);
}

static void put_flags(struct wsgi_vars_writer *writer, request_rec *r,
                      const struct wsgi_target *target, int has_body,
                      const struct wsgi_proxy_view *view)
{
    const struct wsgi_directory *config = wsgi_config_directory(r);
    int64_t flags = 0;

    if (has_body)
        flags |= WSGI_REQUEST_HAS_BODY;
    if (target->script_reloading)
        flags |= WSGI_REQUEST_SCRIPT_RELOADING;
    if (is_https(r, view))
        flags |= WSGI_REQUEST_HTTPS;
    if (target->in_main)
        flags |= WSGI_REQUEST_MAIN;
    if (config->pass_apache_request == 1 && *target->process_group == '\0')
        flags |= WSGI_REQUEST_NATIVE;
    if (config->ignore_activity == 1)
        flags |= WSGI_REQUEST_IGNORE_ACTIVITY;
    wsgi_vars_put_number(writer, WSGI_PARAM_REQUEST_FLAGS, flags);
}

static void put_length(struct wsgi_vars_writer *writer, const request_rec *r, int has_body)
{
    const char *text = apr_table_get(r->headers_in, "Content-Length");
    int64_t length;

    if (has_body && text != NULL && apr_table_get(r->headers_in, "Transfer-Encoding") == NULL &&
        wsgi_head_parse_length(text, strlen(text), &length) == WSGI_HEAD_OK)
        wsgi_vars_put_number(writer, WSGI_PARAM_CONTENT_LENGTH, length);
}

/* Where the connection came in: the host of its Listen line, "" when it names none. */
static void put_listener(struct wsgi_vars_writer *writer, const request_rec *r)
{
    const apr_sockaddr_t *local = r->connection->local_addr;

    wsgi_vars_put_text(writer, WSGI_PARAM_LISTENER_HOST,
                       local->hostname != NULL ? local->hostname : "");
    wsgi_vars_put_text(writer, WSGI_PARAM_LISTENER_PORT, apr_itoa(r->pool, local->port));
}

/* A handler script is looked at here, as httpd looked at a plain one; when it is missing, the
 * engine says so. */
static void put_script(struct wsgi_vars_writer *writer, request_rec *r,
                       const struct wsgi_target *target)
{
    const char *script = target->handler_script != NULL ? target->handler_script : r->filename;
    const char *inside = wsgi_jail_inside(target->root, script);
    const char *resource = wsgi_jail_inside(target->root, r->filename);
    apr_finfo_t found = {0};

    wsgi_vars_put_text(writer, WSGI_PARAM_SCRIPT, inside != NULL ? inside : script);
    if (target->handler_script == NULL) {
        wsgi_vars_put_number(writer, WSGI_PARAM_SCRIPT_MTIME, r->finfo.mtime);
        return;
    }
    if (apr_stat(&found, script, APR_FINFO_MTIME, r->pool) != APR_SUCCESS)
        found.mtime = 0;
    wsgi_vars_put_number(writer, WSGI_PARAM_SCRIPT_MTIME, found.mtime);
    wsgi_vars_put_text(writer, WSGI_PARAM_HANDLER_SCRIPT, inside != NULL ? inside : script);
    wsgi_vars_put_text(writer, WSGI_PARAM_RESOURCE, resource != NULL ? resource : r->filename);
}

static void put_parameters(struct wsgi_vars_writer *writer, request_rec *r,
                           const struct wsgi_target *target, int has_body,
                           const struct wsgi_proxy_view *view)
{
    int embedded = *target->process_group == '\0';

    put_script(writer, r, target);
    wsgi_vars_put_text(writer, WSGI_PARAM_CALLABLE, target->callable_object);
    wsgi_vars_put_text(writer, WSGI_PARAM_APPLICATION_GROUP, target->application_group);
    wsgi_vars_put_text(writer, WSGI_PARAM_PROCESS_GROUP, target->process_group);
    put_flags(writer, r, target, has_body, view);
    wsgi_vars_put_number(writer, WSGI_PARAM_REQUEST_START, r->request_time);
    wsgi_vars_put_number(writer, WSGI_PARAM_QUEUE_START, embedded ? 0 : apr_time_now());
    wsgi_vars_put_text(writer, WSGI_PARAM_REQUEST_ID, wsgi_log_request_id(r));
    if (target->connection_id != NULL)
        wsgi_vars_put_text(writer, WSGI_PARAM_CONNECTION_ID, target->connection_id);
    put_listener(writer, r);
    wsgi_vars_put_number(writer, WSGI_PARAM_SERVER_PID, getpid());
    wsgi_vars_put_text(writer, WSGI_PARAM_REQUEST_HANDLER, r->handler);
    put_length(writer, r, has_body);
}

int wsgi_vars_build(request_rec *r, const struct wsgi_target *target, int has_body,
                    struct wsgi_vars_writer *writer)
{
    struct wsgi_proxy_view view;

    look_at_proxies(r, &view);
    wsgi_vars_begin(writer);
    put_environment(writer, r, &view);
    put_headers(writer, r, target->pass_authorization, &view);
    put_server(writer, r, target);
    put_client(writer, r);
    put_request(writer, r, target);
    put_view(writer, target, &view);
    put_parameters(writer, r, target, has_body, &view);
    return wsgi_vars_end(writer);
}

/* ---- for an internal redirect -----------------------------------------------------------------
 */

/* Parameters that an application sees under these names. */
static const struct {
    enum wsgi_param id;
    const char *name;
} remembered[] = {
    {WSGI_PARAM_APPLICATION_GROUP, "mod_wsgi.application_group"},
    {WSGI_PARAM_PROCESS_GROUP, "mod_wsgi.process_group"},
    {WSGI_PARAM_CALLABLE, "mod_wsgi.callable_object"},
    {WSGI_PARAM_REQUEST_HANDLER, "mod_wsgi.request_handler"},
    {WSGI_PARAM_LISTENER_HOST, "mod_wsgi.listener_host"},
    {WSGI_PARAM_LISTENER_PORT, "mod_wsgi.listener_port"},
    {WSGI_PARAM_HANDLER_SCRIPT, "mod_wsgi.handler_script"},
    {WSGI_PARAM_REQUEST_ID, "mod_wsgi.request_id"},
    {WSGI_PARAM_CONNECTION_ID, "mod_wsgi.connection_id"},
};

static const char *name_of(const struct wsgi_var *var)
{
    size_t i;

    if (var->id < WSGI_PARAM_FIRST)
        return var->name;
    for (i = 0; i < sizeof(remembered) / sizeof(remembered[0]); i++)
        if (var->id == (uint16_t)remembered[i].id)
            return remembered[i].name;
    return NULL;
}

/* As the engine does it: only where a trusted proxy changed the other, both were told. */
static void copy_name(request_rec *r, const char *name, const char *from)
{
    if (apr_table_get(r->subprocess_env, name) == NULL)
        apr_table_setn(r->subprocess_env, name, apr_table_get(r->subprocess_env, from));
}

void wsgi_vars_remember(request_rec *r, const struct wsgi_vars_writer *vars)
{
    struct wsgi_vars_reader reader;
    struct wsgi_var var;

    if (vars->failed || wsgi_vars_open(&reader, vars->data, vars->used) != 0)
        return;
    apr_table_setn(r->subprocess_env, "mod_wsgi.handler_script", "");
    apr_table_setn(r->subprocess_env, "mod_wsgi.server_pid", apr_ltoa(r->pool, getpid()));
    apr_table_unset(r->subprocess_env, "mod_wsgi.script_name");
    while (wsgi_vars_next(&reader, &var) == 1) {
        const char *name = name_of(&var);

        if (name != NULL)
            apr_table_set(r->subprocess_env, name, var.value);
    }
    copy_name(r, "mod_wsgi.script_name", "SCRIPT_NAME");
    copy_name(r, "mod_wsgi.path_info", "PATH_INFO");
}

/* ---- scripts that decide -----------------------------------------------------------------------
 */

/* Access and authentication go by the client as httpd knows it, not by what a proxy tells. */
static const struct wsgi_proxy_view nobody = {.https = -1};

/* Never a credential, whatever CGIPassAuth says. */
static void put_harmless_headers(struct wsgi_vars_writer *writer, request_rec *r)
{
    const apr_array_header_t *list = apr_table_elts(r->headers_in);
    const apr_table_entry_t *entries = (const apr_table_entry_t *)list->elts;
    int i;

    for (i = 0; i < list->nelts; i++) {
        const char *name = entries[i].key;

        if (name != NULL && entries[i].val != NULL && strcasecmp(name, "Proxy") != 0 &&
            strcasecmp(name, "Authorization") != 0 && strcasecmp(name, "Proxy-Authorization") != 0)
            put_header(writer, name, entries[i].val, &nobody);
    }
}

/* CGI variables of the server, the client and the request; nothing that comes from elsewhere. */
static void put_reduced(struct wsgi_vars_writer *writer, request_rec *r,
                        const struct wsgi_target *target)
{
    const char *host = ap_get_useragent_host(r, REMOTE_HOST, NULL);

    put_harmless_headers(writer, r);
    put(writer, WSGI_NAME_SERVER_SIGNATURE, ap_psignature("", r));
    put(writer, WSGI_NAME_SERVER_SOFTWARE, ap_get_server_banner());
    put(writer, WSGI_NAME_SERVER_NAME, ap_escape_html(r->pool, ap_get_server_name_for_url(r)));
    put(writer, WSGI_NAME_SERVER_ADDR, r->connection->local_ip);
    put(writer, WSGI_NAME_SERVER_PORT, apr_psprintf(r->pool, "%u", ap_get_server_port(r)));
    if (host != NULL)
        put(writer, WSGI_NAME_REMOTE_HOST, host);
    put(writer, WSGI_NAME_REMOTE_ADDR, r->useragent_ip);
    put(writer, WSGI_NAME_REMOTE_PORT, apr_itoa(r->pool, r->connection->client_addr->port));
    put(writer, WSGI_NAME_DOCUMENT_ROOT, ap_document_root(r));
    if (r->server->server_admin != NULL)
        put(writer, WSGI_NAME_SERVER_ADMIN, r->server->server_admin);
    put(writer, WSGI_NAME_SERVER_PROTOCOL, r->protocol);
    put(writer, WSGI_NAME_REQUEST_METHOD, r->method);
    put(writer, WSGI_NAME_QUERY_STRING, r->args != NULL ? r->args : "");
    put(writer, WSGI_NAME_REQUEST_URI, request_uri(r));
    put(writer, WSGI_NAME_SCRIPT_NAME, target->script_name);
    put(writer, WSGI_NAME_PATH_INFO, target->path_info);
}

/* What is behind the environ that the application gets: names that are kept from it, and how the
 * request will be served. */
static void put_behind(struct wsgi_vars_writer *writer, request_rec *r,
                       const struct wsgi_target *target, const struct wsgi_proxy_view *view)
{
    const struct wsgi_directory *config = wsgi_config_directory(r);
    const char *path = apr_table_get(r->subprocess_env, "PATH");
    const char *https = apr_table_get(r->subprocess_env, "HTTPS");
    APR_OPTIONAL_FN_TYPE(ssl_is_https) *ask = APR_RETRIEVE_OPTIONAL_FN(ssl_is_https);

    if (view->https != -1)
        https = view->https ? "1" : NULL;
    else if (view->counted[WSGI_PROXY_SCHEME] == NULL && ask != NULL && ask(r->connection))
        https = "1";
    if (path != NULL)
        wsgi_vars_put(writer, "PATH", path);
    if (https != NULL)
        wsgi_vars_put(writer, "HTTPS", https);
    wsgi_vars_put(writer, "mod_wsgi.x-script_reloading", target->script_reloading ? "1" : "0");
    wsgi_vars_put(writer, "mod_wsgi.x-enable_sendfile", config->enable_sendfile == 1 ? "1" : "0");
    wsgi_vars_put(writer, "mod_wsgi.x-ignore_activity", config->ignore_activity == 1 ? "1" : "0");
    wsgi_vars_put(writer, "mod_wsgi.x-request_start_us",
                  apr_psprintf(r->pool, "%" APR_INT64_T_FMT, (apr_int64_t)r->request_time));
}

/* What the application will get. The parameters common to all questions are not put here. */
static void put_dispatch(struct wsgi_vars_writer *writer, request_rec *r,
                         const struct wsgi_target *target)
{
    struct wsgi_proxy_view view;

    look_at_proxies(r, &view);
    put_environment(writer, r, &view);
    put_headers(writer, r, target->pass_authorization, &view);
    put_server(writer, r, target);
    put_client(writer, r);
    put_request(writer, r, target);
    put_view(writer, target, &view);
    put_behind(writer, r, target, &view);
    wsgi_vars_put_text(writer, WSGI_PARAM_REQUEST_ID, wsgi_log_request_id(r));
    if (target->connection_id != NULL)
        wsgi_vars_put_text(writer, WSGI_PARAM_CONNECTION_ID, target->connection_id);
    put_listener(writer, r);
    wsgi_vars_put_number(writer, WSGI_PARAM_SERVER_PID, getpid());
    wsgi_vars_put_text(writer, WSGI_PARAM_REQUEST_HANDLER, r->handler);
    if (target->handler_script != NULL)
        wsgi_vars_put_text(writer, WSGI_PARAM_HANDLER_SCRIPT, target->handler_script);
}

int wsgi_vars_build_question(request_rec *r, enum wsgi_question_kind kind,
                             const struct wsgi_target *target, const char *script,
                             const char *application_group, struct wsgi_vars_writer *writer)
{
    const struct wsgi_directory *config = wsgi_config_directory(r);
    int64_t flags = WSGI_REQUEST_QUESTION;

    if (config->script_reloading != 0)
        flags |= WSGI_REQUEST_SCRIPT_RELOADING;
    if (config->pass_apache_request == 1)
        flags |= WSGI_REQUEST_NATIVE;
    wsgi_vars_begin(writer);
    if (kind == WSGI_ASK_DISPATCH)
        put_dispatch(writer, r, target);
    else
        put_reduced(writer, r, target);
    wsgi_vars_put_text(writer, WSGI_PARAM_SCRIPT, script);
    wsgi_vars_put_text(writer, WSGI_PARAM_APPLICATION_GROUP, application_group);
    wsgi_vars_put_number(writer, WSGI_PARAM_REQUEST_FLAGS, flags);
    return wsgi_vars_end(writer);
}
