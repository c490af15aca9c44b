/* SPDX-License-Identifier: Apache-2.0 */
#include "names.h"

#include "config.h"
#include "route.h"

#include "ap_listen.h"
#include "apr_strings.h"
#include "http_core.h"
#include "http_main.h"
#include "util_script.h"

#include <stdlib.h>
#include <string.h>

/* What a WSGIHandlerScript defines. */
#define HANDLER_CALLABLE "handle_request"

/* ---- SCRIPT_NAME and PATH_INFO -------------------------------------------------------------- */

static const char *collapse_slashes(apr_pool_t *pool, const char *path)
{
    char *copy;

    if (strstr(path, "//") == NULL)
        return path;
    copy = apr_pstrdup(pool, path);
    ap_no2slash(copy);
    return copy;
}

/* PATH_INFO is what the directory walk left over, SCRIPT_NAME the URL before it. In a page that
 * mod_include puts together, the path of the page is no part of the script's URL. */
static void split_url(request_rec *r, struct wsgi_target *target)
{
    const char *path_info = r->path_info != NULL ? r->path_info : "";
    const char *script_name = r->uri;

    if (*path_info != '\0' && strcmp(r->protocol, "INCLUDED") != 0)
        script_name =
            apr_pstrmemdup(r->pool, r->uri, (apr_size_t)ap_find_path_info(r->uri, path_info));
    target->script_name = collapse_slashes(r->pool, script_name);
    target->path_info = collapse_slashes(r->pool, path_info);
}

/* ---- ports -------------------------------------------------------------------------------------
 */

static int is_listened_on(apr_port_t port)
{
    const ap_listen_rec *listener;

    for (listener = ap_listeners; listener != NULL; listener = listener->next)
        if (listener->bind_addr != NULL && listener->bind_addr->port == port)
            return 1;
    return 0;
}

static int is_configured(const server_rec *s, apr_port_t port)
{
    for (; s != NULL; s = s->next) {
        const server_addr_rec *address;

        if (s->port == port)
            return 1;
        for (address = s->addrs; address != NULL; address = address->next)
            if (address->host_port == port)
                return 1;
    }
    return 0;
}

/* The port may come from the client, in its Host header. One that this server does not have would
 * let it name ever new groups, and so make ever new interpreters. */
static apr_port_t port_of(request_rec *r)
{
    apr_port_t port = ap_get_server_port(r);
    apr_port_t local = r->connection->local_addr->port;

    if (port == DEFAULT_HTTP_PORT || port == DEFAULT_HTTPS_PORT || port == local ||
        port == r->server->port || is_listened_on(port) || is_configured(ap_server_conf, port))
        return port;
    return local;
}

/* ---- group names ----------------------------------------------------------------------------- */

/* "x.example.org" or "x.example.org:8080": what both host forms of a group name begin with. */
static const char *with_port(request_rec *r, const char *host)
{
    unsigned port = port_of(r);

    if (port == DEFAULT_HTTP_PORT || port == DEFAULT_HTTPS_PORT)
        return host;
    return apr_psprintf(r->pool, "%s:%u", host, port);
}

static const char *server_of(request_rec *r)
{
    return r->server->server_hostname != NULL ? r->server->server_hostname : "";
}

static const char *host_of(request_rec *r)
{
    return r->hostname != NULL && *r->hostname != '\0' ? r->hostname : server_of(r);
}

/* The value of "%{ENV:x}", or NULL when `name` is not of this form or x is not defined. Where:
 * notes, then what SetEnv and RewriteRule set, then the environment of the process. */
static const char *look_up(request_rec *r, const char *name)
{
    size_t size = strlen(name);
    const char *variable;
    const char *value;

    if (strncmp(name, "%{ENV:", 6) != 0 || size < 8 || name[size - 1] != '}')
        return NULL;
    variable = apr_pstrmemdup(r->pool, name + 6, size - 7);
    value = apr_table_get(r->notes, variable);
    if (value == NULL)
        value = apr_table_get(r->subprocess_env, variable);
    return value != NULL ? value : getenv(variable);
}

/* The part of a group's name that says which resource it is. */
static const char *resource_of(request_rec *r, const char *script_name)
{
    char *folded;

    if (wsgi_config_settings(r->server)->case_sensitivity != 0)
        return script_name;
    folded = apr_pstrdup(r->pool, script_name);
    ap_str_tolower(folded);
    return folded;
}

/* A name that stands as a whole for something else; text around it makes it literal. */
static const char *expand_token(request_rec *r, const char *script_name, const char *name)
{
    if (strcmp(name, "%{GLOBAL}") == 0)
        return "";
    if (strcmp(name, "%{RESOURCE}") == 0)
        return apr_pstrcat(r->pool, with_port(r, server_of(r)), "|", resource_of(r, script_name),
                           NULL);
    if (strcmp(name, "%{SERVER}") == 0)
        return with_port(r, server_of(r));
    if (strcmp(name, "%{HOST}") == 0)
        return with_port(r, host_of(r));
    return name;
}

/* What a variable holds may be one of the other forms, but not a variable again. */
static const char *expand(request_rec *r, const char *script_name, const char *name)
{
    const char *value = look_up(r, name);

    if (value != NULL)
        name = value;
    return *name == '%' ? expand_token(r, script_name, name) : name;
}

const char *wsgi_names_application_group(request_rec *r, const char *script_name, const char *name)
{
    return expand(r, script_name, name != NULL ? name : "%{RESOURCE}");
}

const char *wsgi_names_process_group(request_rec *r, const char *script_name, const char *name)
{
    return name != NULL ? expand(r, script_name, name) : "";
}

const char *wsgi_names_callable(request_rec *r, const char *name)
{
    const char *value;

    if (name == NULL)
        return "application";
    if (*name != '%')
        return name;
    value = look_up(r, name);
    return value != NULL ? value : "application";
}

/* ---- all of a request ------------------------------------------------------------------------ */

static const char *note_or(request_rec *r, const char *note, const char *otherwise)
{
    const char *value = apr_table_get(r->notes, note);

    return value != NULL ? value : otherwise;
}

/* An alias that says so, then the script of the handler, then the scope of the request. */
static void find_groups(request_rec *r, const struct wsgi_handler_script *handler,
                        struct wsgi_target *target)
{
    const struct wsgi_directory *config = wsgi_config_directory(r);
    const char *process = note_or(r, WSGI_NOTE_PROCESS_GROUP, config->process_group);
    const char *application = note_or(r, WSGI_NOTE_APPLICATION_GROUP, config->application_group);

    if (handler != NULL && handler->process_group != NULL)
        process = handler->process_group;
    if (handler != NULL && handler->application_group != NULL)
        application = handler->application_group;
    target->process_group = wsgi_names_process_group(r, target->script_name, process);
    target->application_group = wsgi_names_application_group(r, target->script_name, application);
}

static int find_authorization(request_rec *r, const struct wsgi_handler_script *handler)
{
    const char *note = apr_table_get(r->notes, WSGI_NOTE_PASS_AUTHORIZATION);

    if (handler != NULL && handler->pass_authorization != -1)
        return handler->pass_authorization;
    if (note != NULL)
        return strcmp(note, "1") == 0;
    return wsgi_config_directory(r)->pass_authorization == 1;
}

void wsgi_names_find(request_rec *r, struct wsgi_target *target)
{
    const struct wsgi_directory *config = wsgi_config_directory(r);
    const struct wsgi_handler_script *handler = wsgi_route_handler_script(r);
    const char *callable = apr_table_get(r->notes, WSGI_NOTE_CALLABLE_OBJECT);

    memset(target, 0, sizeof(*target));
    split_url(r, target);
    target->connection_id = r->connection->log_id;
    find_groups(r, handler, target);
    target->handler_script = handler != NULL ? handler->file : NULL;
    if (handler != NULL)
        target->callable_object = HANDLER_CALLABLE;
    else if (callable != NULL)
        target->callable_object = callable;
    else
        target->callable_object = wsgi_names_callable(r, config->callable_object);
    target->pass_authorization = find_authorization(r, handler);
    target->script_reloading = config->script_reloading != 0;
}

/* The alias of the rule is known by its text: the request's one may be a copy of it. */
void wsgi_names_choose_main(request_rec *r, const struct wsgi_group *group,
                            struct wsgi_target *target)
{
    const char *resource;

    if (group->main_group != NULL)
        target->in_main = strcmp(group->main_group, target->application_group) == 0;
    if (group->main_alias == NULL ||
        apr_table_get(r->notes, WSGI_NOTE_ALIAS) != group->main_alias->location)
        return;
    resource = wsgi_names_application_group(r, target->script_name, NULL);
    target->in_main = strcmp(resource, target->application_group) == 0;
}
