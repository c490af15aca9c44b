/* SPDX-License-Identifier: Apache-2.0 */
#include "binding.h"

#include "block.h"
#include "config.h"
#include "daemon.h"
#include "log.h"

#include "ap_listen.h"
#include "apr_strings.h"

#include <string.h>
#include <sys/stat.h>

/*
 * A mistake to one side costs nothing: an application that could have had the main interpreter
 * gets one of its own, as the documentation says. So whatever is not certain counts as several.
 */

/* What application groups were found for a daemon group. */
struct found {
    int several;
    const char *name;               /* one, by name; "" is %{GLOBAL} */
    const struct wsgi_alias *alias; /* or one, the resource of this alias */
    const char *host;               /* and of this ServerName */
};

struct search {
    apr_pool_t *pool;
    const struct wsgi_settings *settings;
    server_rec *main_server;
    const struct wsgi_group *group;
    struct found found;
};

/* ---- what was found ------------------------------------------------------------------------ */

static void add_name(struct found *found, const char *name)
{
    if (found->alias != NULL || (found->name != NULL && strcmp(found->name, name) != 0))
        found->several = 1;
    found->name = name;
}

static int is_file(const char *path)
{
    struct stat entry;

    return stat(path, &entry) == 0 && S_ISREG(entry.st_mode);
}

/* A file has one script name below its alias, a directory has many, a pattern may have. The copy
 * of an alias in a virtual host of the same ServerName is the same resource: scripts.c gives both
 * the same text. */
static void add_resource(struct found *found, const struct wsgi_alias *alias, const server_rec *s)
{
    const char *host = s->server_hostname != NULL ? s->server_hostname : "";

    if (alias->regex != NULL || !is_file(alias->target) || found->name != NULL)
        found->several = 1;
    if (found->alias != NULL &&
        (found->alias->location != alias->location || strcmp(found->host, host) != 0))
        found->several = 1;
    found->alias = alias;
    found->host = host;
}

static int is_default_port(apr_port_t port)
{
    return port == DEFAULT_HTTP_PORT || port == DEFAULT_HTTPS_PORT;
}

/* The port that clients name, or 0: there are several. The default ports of
 * both schemes are one: neither is part of a name. */
static apr_port_t port_of(const server_rec *s)
{
    const ap_listen_rec *listener;
    apr_port_t port = s->port;

    for (listener = ap_listeners; s->port == 0 && listener != NULL; listener = listener->next) {
        apr_port_t other = listener->bind_addr->port;

        if (port != 0 && port != other && !(is_default_port(port) && is_default_port(other)))
            return 0;
        port = other;
    }
    return port;
}

/* As names.c expands it for a request that says the port it came by. */
static void add_server(struct search *search, const server_rec *s)
{
    const char *host = s->server_hostname != NULL ? s->server_hostname : "";
    apr_port_t port = port_of(s);

    if (port == 0)
        search->found.several = 1;
    else if (is_default_port(port))
        add_name(&search->found, host);
    else
        add_name(&search->found, apr_psprintf(search->pool, "%s:%u", host, port));
}

/* One way to say the application group; alias NULL: of a handler script or an import. */
static void add(struct search *search, const char *name, const struct wsgi_alias *alias,
                const server_rec *s)
{
    if (name == NULL || strcmp(name, "%{RESOURCE}") == 0) {
        if (alias != NULL)
            add_resource(&search->found, alias, s);
        else
            search->found.several = 1;
    } else if (*name != '%') {
        add_name(&search->found, name);
    } else if (strcmp(name, "%{GLOBAL}") == 0) {
        add_name(&search->found, "");
    } else if (strcmp(name, "%{SERVER}") == 0) {
        add_server(search, s);
    } else {
        search->found.several = 1;
    }
}

/* ---- scopes -------------------------------------------------------------------------------- */

static const struct wsgi_directory *defaults_of(const server_rec *s)
{
    return ap_get_module_config(s->lookup_defaults, &wsgi_module);
}

/* Whether a name written somewhere may stand for the group. */
static int may_mean(const struct search *search, const char *name)
{
    if (name == NULL || *name == '\0' || strcmp(name, "%{GLOBAL}") == 0)
        return 0;
    return *name == '%' || strcmp(name, search->group->name) == 0;
}

static int applies_in(const struct wsgi_mention *mention, const server_rec *s)
{
    return mention->server == s || !mention->server->is_virtual;
}

/* Whether requests of a server may be for the group when an alias does not say. */
static int is_delegated(const struct search *search, const server_rec *s)
{
    const struct wsgi_directory *defaults = defaults_of(s);
    const apr_array_header_t *mentions = search->settings->mentions;
    int i;

    if (defaults != NULL && may_mean(search, defaults->process_group))
        return 1;
    for (i = 0; i < mentions->nelts; i++) {
        const struct wsgi_mention *mention = &APR_ARRAY_IDX(mentions, i, const struct wsgi_mention);

        if (mention->is_process_group && mention->in_section && applies_in(mention, s) &&
            may_mean(search, mention->name))
            return 1;
    }
    return 0;
}

/* All that a server says about application groups, for an alias that does not say. */
static void add_scopes(struct search *search, const struct wsgi_alias *alias, const server_rec *s)
{
    const struct wsgi_directory *defaults = defaults_of(s);
    const apr_array_header_t *mentions = search->settings->mentions;
    int i;

    add(search, defaults != NULL ? defaults->application_group : NULL, alias, s);
    for (i = 0; i < mentions->nelts; i++) {
        const struct wsgi_mention *mention = &APR_ARRAY_IDX(mentions, i, const struct wsgi_mention);

        if (!mention->is_process_group && mention->in_section && applies_in(mention, s))
            add(search, mention->name, alias, s);
    }
}

/* ---- sources ------------------------------------------------------------------------------- */

static void look_at_alias(struct search *search, const struct wsgi_alias *alias,
                          const server_rec *s)
{
    if (alias->process_group != NULL ? !may_mean(search, alias->process_group)
                                     : !is_delegated(search, s))
        return;
    if (!wsgi_group_reachable(search->group, s))
        return;
    if (alias->application_group != NULL)
        add(search, alias->application_group, alias, s);
    else
        add_scopes(search, alias, s);
}

/* Those of the main server are in every virtual host, too. */
static void look_at_aliases(struct search *search)
{
    const apr_array_header_t *aliases = search->settings->aliases;
    const server_rec *s;
    int i;

    for (i = 0; i < aliases->nelts; i++) {
        const struct wsgi_alias *alias = APR_ARRAY_IDX(aliases, i, const struct wsgi_alias *);

        if (alias->server->is_virtual)
            look_at_alias(search, alias, alias->server);
        for (s = search->main_server; s != NULL && !alias->server->is_virtual; s = s->next)
            look_at_alias(search, alias, s);
    }
}

/* Whether any scope at all is for the group. */
static int is_mentioned(const struct search *search)
{
    const apr_array_header_t *mentions = search->settings->mentions;
    int i;

    for (i = 0; i < mentions->nelts; i++) {
        const struct wsgi_mention *mention = &APR_ARRAY_IDX(mentions, i, const struct wsgi_mention);

        if (mention->is_process_group && may_mean(search, mention->name))
            return 1;
    }
    return 0;
}

/* A handler serves any number of resources: only one that says both groups is certain. */
static void look_at_handlers(struct search *search)
{
    const apr_array_header_t *handlers = search->settings->handlers;
    int i;

    for (i = 0; i < handlers->nelts; i++) {
        const struct wsgi_handler_script *handler =
            &APR_ARRAY_IDX(handlers, i, const struct wsgi_handler_script);

        if (handler->process_group == NULL && is_mentioned(search))
            search->found.several = 1;
        else if (may_mean(search, handler->process_group))
            add(search, handler->application_group, NULL, search->main_server);
    }
}

static void look_at_imports(struct search *search)
{
    const apr_array_header_t *imports = search->settings->imports;
    int i;

    for (i = 0; i < imports->nelts; i++) {
        const struct wsgi_import *import = &APR_ARRAY_IDX(imports, i, const struct wsgi_import);

        if (!import->is_alias && strcmp(import->process_group, search->group->name) == 0)
            add_name(&search->found, import->application_group);
    }
}

/* ---- what speaks against it ---------------------------------------------------------------- */

/* Somebody asked for the main interpreter by name, in a place where the group may be used, though
 * not for an alias: then it is not free. */
static int is_taken(const struct search *search)
{
    const apr_array_header_t *mentions = search->settings->mentions;
    int i;

    for (i = 0; i < mentions->nelts; i++) {
        const struct wsgi_mention *mention = &APR_ARRAY_IDX(mentions, i, const struct wsgi_mention);

        if (!mention->is_process_group && strcmp(mention->name, "%{GLOBAL}") == 0 &&
            is_delegated(search, mention->server))
            return 1;
    }
    return 0;
}

/* A section that means the main interpreter, or this application group, or one that cannot be
 * compared before there is a request. */
static int is_selected(const struct search *search)
{
    const apr_array_header_t *sections = search->settings->sections;
    const char *name = search->found.name;
    int i;

    for (i = 0; i < sections->nelts; i++) {
        const struct wsgi_scope *scope = APR_ARRAY_IDX(sections, i, const struct wsgi_scope *);
        const char *selector = scope->application_group;

        if (selector == NULL || (scope->process_group != NULL &&
                                 strcmp(scope->process_group, search->group->name) != 0))
            continue;
        if (name == NULL || *selector == '\0' || strcmp(selector, name) == 0)
            return 1;
    }
    return 0;
}

static void decide(const struct search *search, struct wsgi_group *group)
{
    const struct found *found = &search->found;

    if (found->several || search->settings->has_dispatch)
        return;
    /* All of it says %{GLOBAL}: nothing has to be done for that. */
    if (found->name != NULL && *found->name == '\0') {
        group->main_group = found->name;
        return;
    }
    if (wsgi_block_own_gil(search->settings, group->name) || is_selected(search) ||
        is_taken(search))
        return;
    group->main_group = found->name;
    group->main_alias = found->alias;
}

void wsgi_binding_find(apr_pool_t *pool, server_rec *main_server)
{
    const struct wsgi_settings *settings = wsgi_config_settings(main_server);
    int i;

    for (i = 0; i < settings->groups->nelts; i++) {
        struct wsgi_group *group = APR_ARRAY_IDX(settings->groups, i, struct wsgi_group *);
        struct search search = {
            .pool = pool, .settings = settings, .main_server = main_server, .group = group};

        look_at_aliases(&search);
        look_at_handlers(&search);
        look_at_imports(&search);
        decide(&search, group);
    }
}
