/* SPDX-License-Identifier: Apache-2.0 */
#include "resolve.h"

#include "config.h"
#include "daemon.h"
#include "log.h"

#include "apr_strings.h"

#include <string.h>
#include <strings.h>
#include <sys/stat.h>

/* To the terminal: there may be no log yet. */
static int refuse(const char *why)
{
    if (why == NULL)
        return OK;
    ap_log_error(APLOG_MARK, APLOG_STARTUP | APLOG_ERR, 0, NULL, "%s", why);
    return HTTP_INTERNAL_SERVER_ERROR;
}

/* ---- definitions --------------------------------------------------------------------------- */

/* What certbot does: a copy of a virtual host, for the other port, with the group in it. */
static const char *check_duplicate(apr_pool_t *pool, const struct wsgi_settings *settings,
                                   const struct wsgi_group *second)
{
    const struct wsgi_group *first = wsgi_group_find(settings->groups, second->name);

    if (!wsgi_group_reachable(first, second->server))
        return wsgi_group_twice(pool, first, second);
    if (strcmp(first->written, second->written) == 0)
        return NULL;
    return apr_psprintf(pool,
                        "WSGIDaemonProcess %s: the definitions at %s and at %s differ; virtual "
                        "hosts of the same ServerName share a process group only if both give the "
                        "same options in the same order",
                        first->name, first->where, second->where);
}

/* ---- preloading ---------------------------------------------------------------------------- */

static void add_preload(apr_array_header_t *list, const struct wsgi_import *import)
{
    struct wsgi_preload *preload;
    int i;

    for (i = 0; i < list->nelts; i++) {
        preload = &APR_ARRAY_IDX(list, i, struct wsgi_preload);
        if (strcmp(preload->application_group, import->application_group) == 0 &&
            strcmp(preload->script, import->script) == 0)
            return;
    }
    preload = apr_array_push(list);
    preload->application_group = import->application_group;
    preload->script = import->script;
}

/* A directory holds many scripts: none is loaded at start. */
static int is_directory(const char *path)
{
    struct stat found;

    return stat(path, &found) == 0 && S_ISDIR(found.st_mode);
}

/* A name of its own, not one that httpd gave it for want of a ServerName. */
static int has_name(const server_rec *s, const server_rec *main_server)
{
    return s->server_hostname != NULL && *s->server_hostname != '\0' &&
           (!s->is_virtual || s->server_hostname != main_server->server_hostname) &&
           strcmp(s->server_hostname, "bogus_host_without_forward_dns") != 0;
}

static const char *place_of(apr_pool_t *pool, const server_rec *s)
{
    if (!s->is_virtual)
        return "the main server";
    return apr_psprintf(pool, "the virtual host at %s:%u", s->defn_name, s->defn_line_number);
}

static const char *check_reach(apr_pool_t *pool, const struct wsgi_import *import,
                               const struct wsgi_group *group, const server_rec *main_server)
{
    const server_rec *nameless = NULL;

    if (wsgi_group_reachable(group, import->server))
        return NULL;
    if (!has_name(import->server, main_server))
        nameless = import->server;
    else if (!has_name(group->server, main_server))
        nameless = group->server;
    if (nameless != NULL)
        return apr_psprintf(pool,
                            "%s (%s): process group \"%s\" (%s) is not accessible, because %s has "
                            "no ServerName to compare; give both virtual hosts the same one, or "
                            "define the group in the main server",
                            import->what, import->where, group->name, group->where,
                            place_of(pool, nameless));
    return apr_psprintf(pool,
                        "%s (%s): process group \"%s\" (%s) is not accessible, because it belongs "
                        "to ServerName %s and this line to %s; define it in this virtual host, in "
                        "the main server, or in a virtual host whose ServerName is the same",
                        import->what, import->where, group->name, group->where,
                        group->server->server_hostname, import->server->server_hostname);
}

static const char *check_import(apr_pool_t *pool, struct wsgi_settings *settings,
                                const struct wsgi_import *import, const server_rec *main_server)
{
    apr_array_header_t *list = settings->embedded_preload;
    const char *error = NULL;

    if (*import->process_group != '\0') {
        const struct wsgi_group *group = wsgi_group_find(settings->groups, import->process_group);

        if (group == NULL)
            return apr_psprintf(pool,
                                "%s (%s): process group \"%s\" is not configured: no "
                                "WSGIDaemonProcess has this name; add one, or correct the name",
                                import->what, import->where, import->process_group);
        error = check_reach(pool, import, group, main_server);
        list = group->preload;
    }
    if (error == NULL && !(import->is_alias && is_directory(import->script)))
        add_preload(list, import);
    return error;
}

int wsgi_resolve_names(apr_pool_t *pool, server_rec *main_server)
{
    struct wsgi_settings *settings = wsgi_config_settings(main_server);
    int status = OK;
    int i;

    for (i = 0; i < settings->duplicates->nelts; i++)
        if (refuse(check_duplicate(
                pool, settings,
                APR_ARRAY_IDX(settings->duplicates, i, const struct wsgi_group *))) != OK)
            status = HTTP_INTERNAL_SERVER_ERROR;
    for (i = 0; i < settings->imports->nelts; i++)
        if (refuse(check_import(pool, settings,
                                &APR_ARRAY_IDX(settings->imports, i, const struct wsgi_import),
                                main_server)) != OK)
            status = HTTP_INTERNAL_SERVER_ERROR;
    return status;
}

/* ---- doubts -------------------------------------------------------------------------------- */

/* A place that names a process group: `name`, in "directive argument (where)". Says 1 to stop. */
struct place {
    const char *name;
    const char *directive;
    const char *argument;
    const char *where;
};
typedef int look(void *context, const struct place *place);

static const char *alias_directive(const struct wsgi_alias *alias)
{
    return alias->regex != NULL ? "WSGIScriptAliasMatch" : "WSGIScriptAlias";
}

static int each_alias(const struct wsgi_settings *settings, look *look_at, void *context)
{
    int i;

    for (i = 0; i < settings->aliases->nelts; i++) {
        const struct wsgi_alias *alias =
            APR_ARRAY_IDX(settings->aliases, i, const struct wsgi_alias *);
        const struct place place = {alias->process_group, alias_directive(alias), alias->location,
                                    alias->where};

        if (place.name != NULL && look_at(context, &place))
            return 1;
    }
    return 0;
}

static int each_scope(const struct wsgi_settings *settings, look *look_at, void *context)
{
    int i;

    for (i = 0; i < settings->mentions->nelts; i++) {
        const struct wsgi_mention *mention =
            &APR_ARRAY_IDX(settings->mentions, i, const struct wsgi_mention);
        const struct place place = {mention->name, "WSGIProcessGroup", mention->name,
                                    mention->where};

        if (mention->is_process_group && look_at(context, &place))
            return 1;
    }
    for (i = 0; i < settings->handlers->nelts; i++) {
        const struct wsgi_handler_script *handler =
            &APR_ARRAY_IDX(settings->handlers, i, const struct wsgi_handler_script);
        const struct place place = {handler->process_group, "WSGIHandlerScript", handler->name,
                                    handler->file};

        if (place.name != NULL && look_at(context, &place))
            return 1;
    }
    return 0;
}

static int each_place(const struct wsgi_settings *settings, look *look_at, void *context)
{
    return each_alias(settings, look_at, context) || each_scope(settings, look_at, context);
}

struct search {
    apr_pool_t *pool;
    struct wsgi_settings *settings;
    server_rec *main_server;
    const char *name;
};

static int is_global(const char *name)
{
    return *name == '\0' || strcmp(name, "%{GLOBAL}") == 0;
}

/* A name that nobody has: requests are answered with 500. */
static int look_for_unknown(void *context, const struct place *place)
{
    const struct search *search = context;

    if (is_global(place->name) || *place->name == '%' ||
        wsgi_group_find(search->settings->groups, place->name) != NULL)
        return 0;
    wsgi_config_note_in_test(
        search->settings, search->main_server,
        apr_psprintf(search->pool,
                     "%s %s (%s): no WSGIDaemonProcess has the name \"%s\", so requests are "
                     "answered with 500; add one, or correct the name",
                     place->directive, place->argument, place->where, place->name));
    return 0;
}

/* threads=0: whatever is sent there gets 503. */
static int look_for_service(void *context, const struct place *place)
{
    const struct search *search = context;
    const struct wsgi_group *group = wsgi_group_find(search->settings->groups, place->name);

    if (group != NULL && group->threads == 0)
        wsgi_config_note(
            search->settings, group->server, APLOG_WARNING,
            apr_psprintf(search->pool,
                         "%s %s (%s): process group \"%s\" (%s) has threads=0 and takes no "
                         "requests, they are answered with 503; give it threads, or name another "
                         "group here",
                         place->directive, place->argument, place->where, group->name,
                         group->where));
    return 0;
}

static int look_for_use(void *context, const struct place *place)
{
    const struct search *search = context;

    return strcmp(place->name, search->name) == 0 ||
           (*place->name == '%' && !is_global(place->name));
}

static int is_imported(const struct wsgi_settings *settings, const char *name)
{
    int i;

    for (i = 0; i < settings->imports->nelts; i++)
        if (strcmp(APR_ARRAY_IDX(settings->imports, i, const struct wsgi_import).process_group,
                   name) == 0)
            return 1;
    return 0;
}

static void doubt_unused(struct search *search)
{
    const struct wsgi_settings *settings = search->settings;
    int i;

    for (i = 0; i < settings->groups->nelts && !settings->has_dispatch; i++) {
        const struct wsgi_group *group =
            APR_ARRAY_IDX(settings->groups, i, const struct wsgi_group *);

        search->name = group->name;
        if (is_imported(settings, group->name) || each_place(settings, look_for_use, search))
            continue;
        wsgi_config_note_in_test(
            search->settings, search->main_server,
            apr_psprintf(search->pool,
                         "WSGIDaemonProcess %s (%s): nothing uses this process group; add "
                         "process-group=%s to an alias, or WSGIProcessGroup %s, or remove the line",
                         group->name, group->where, group->name, group->name));
    }
}

/* 1 when some WSGIProcessGroup may apply to the alias, whatever the request. */
static int may_be_delegated(const struct wsgi_settings *settings, const struct wsgi_alias *alias)
{
    int i;

    for (i = 0; i < settings->mentions->nelts; i++) {
        const struct wsgi_mention *mention =
            &APR_ARRAY_IDX(settings->mentions, i, const struct wsgi_mention);

        if (mention->is_process_group &&
            (mention->server == alias->server || !mention->server->is_virtual ||
             !alias->server->is_virtual))
            return 1;
    }
    return 0;
}

static const char *group_names(apr_pool_t *pool, const struct wsgi_settings *settings)
{
    const char *list = "";
    int i;

    for (i = 0; i < settings->groups->nelts; i++)
        list =
            apr_pstrcat(pool, list, i > 0 ? ", " : "",
                        APR_ARRAY_IDX(settings->groups, i, const struct wsgi_group *)->name, NULL);
    return list;
}

/* Groups are there, and an alias has none: it was forgotten, or a scope is not what was meant. */
static void doubt_embedded(struct search *search)
{
    const struct wsgi_settings *settings = search->settings;
    int i;

    if (settings->groups->nelts == 0 || settings->has_dispatch)
        return;
    for (i = 0; i < settings->aliases->nelts; i++) {
        const struct wsgi_alias *alias =
            APR_ARRAY_IDX(settings->aliases, i, const struct wsgi_alias *);

        if (alias->process_group != NULL || may_be_delegated(settings, alias))
            continue;
        wsgi_config_note_in_test(
            search->settings, search->main_server,
            apr_psprintf(
                search->pool,
                "%s %s (%s): names no process group and no WSGIProcessGroup applies, so its "
                "application runs in Apache's own processes, although there are process "
                "groups: %s; add process-group=<name>, or process-group=%%{GLOBAL} if "
                "this is meant",
                alias_directive(alias), alias->location, alias->where,
                group_names(search->pool, settings)));
    }
}

void wsgi_resolve_doubts(apr_pool_t *pool, server_rec *main_server)
{
    struct search search = {
        .pool = pool, .settings = wsgi_config_settings(main_server), .main_server = main_server};

    each_place(search.settings, look_for_unknown, &search);
    each_place(search.settings, look_for_service, &search);
    doubt_unused(&search);
    doubt_embedded(&search);
}
