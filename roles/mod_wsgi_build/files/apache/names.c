/* SPDX-License-Identifier: Apache-2.0 */
#include "names.h"

#include "config.h"

#include "apr_strings.h"
#include "http_core.h"
#include "util_script.h"

#include <stdlib.h>
#include <string.h>

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

/* ---- group names ----------------------------------------------------------------------------- */

const char *wsgi_names_with_port(request_rec *r, const char *host)
{
    unsigned port = ap_get_server_port(r);

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

/* A name that stands as a whole for something else; text around it makes it literal. */
static const char *expand_token(request_rec *r, const char *script_name, const char *name)
{
    if (strcmp(name, "%{GLOBAL}") == 0)
        return "";
    if (strcmp(name, "%{RESOURCE}") == 0)
        return apr_pstrcat(r->pool, wsgi_names_with_port(r, server_of(r)), "|", script_name, NULL);
    if (strcmp(name, "%{SERVER}") == 0)
        return wsgi_names_with_port(r, server_of(r));
    if (strcmp(name, "%{HOST}") == 0)
        return wsgi_names_with_port(r, host_of(r));
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

void wsgi_names_find(request_rec *r, struct wsgi_target *target)
{
    const struct wsgi_directory *config = wsgi_config_directory(r);
    const char *callable = apr_table_get(r->notes, WSGI_NOTE_CALLABLE_OBJECT);
    const char *authorization = apr_table_get(r->notes, WSGI_NOTE_PASS_AUTHORIZATION);

    split_url(r, target);
    target->process_group = wsgi_names_process_group(
        r, target->script_name, note_or(r, WSGI_NOTE_PROCESS_GROUP, config->process_group));
    target->application_group = wsgi_names_application_group(
        r, target->script_name, note_or(r, WSGI_NOTE_APPLICATION_GROUP, config->application_group));
    target->callable_object =
        callable != NULL ? callable : wsgi_names_callable(r, config->callable_object);
    target->pass_authorization = config->pass_authorization == 1;
    if (authorization != NULL)
        target->pass_authorization = strcmp(authorization, "1") == 0;
    target->script_reloading = config->script_reloading != 0;
}
