/* SPDX-License-Identifier: Apache-2.0 */
#include "peruser.h"

#include "config.h"
#include "daemon.h"
#include "log.h"

#include "apr_strings.h"
#include "http_config.h"

#include <pwd.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

#define PER_USER_MODULE "mpm_itk.c"
#define PER_USER_DIRECTIVE "AssignUserID"

int wsgi_peruser_is_loaded(void)
{
    return ap_find_linked_module(PER_USER_MODULE) != NULL;
}

/* ---- which groups a virtual host uses ------------------------------------------------------ */

/* The virtual host that a line stands in; the main server outside of all. */
static const server_rec *server_of(const ap_directive_t *at, const server_rec *main_server)
{
    const server_rec *s;

    while (at != NULL && strcasecmp(at->directive, "<VirtualHost") != 0)
        at = at->parent;
    for (s = main_server->next; at != NULL && s != NULL; s = s->next)
        if (s->defn_line_number == (unsigned)at->line_num && s->defn_name != NULL &&
            strcmp(s->defn_name, at->filename) == 0)
            return s;
    return main_server;
}

/* Whether a line of this server sends requests to the group; *any counts all that send anywhere. */
static int names_it(const struct wsgi_settings *settings, const server_rec *s, const char *group,
                    int *any)
{
    int found = 0;
    int i;

    for (i = 0; i < settings->mentions->nelts; i++) {
        const struct wsgi_mention *mention =
            &APR_ARRAY_IDX(settings->mentions, i, const struct wsgi_mention);

        if (mention->is_process_group && mention->server == s) {
            found |= strcmp(mention->name, group) == 0;
            *any = 1;
        }
    }
    for (i = 0; i < settings->aliases->nelts; i++) {
        const struct wsgi_alias *alias =
            APR_ARRAY_IDX(settings->aliases, i, const struct wsgi_alias *);

        if (alias->process_group != NULL && alias->server == s) {
            found |= strcmp(alias->process_group, group) == 0;
            *any = 1;
        }
    }
    return found;
}

/* A virtual host that names no group has the main server's. */
static int uses(const struct wsgi_settings *settings, const server_rec *s,
                const server_rec *main_server, const char *group)
{
    int any = 0;

    return names_it(settings, s, group, &any) ||
           (!any && names_it(settings, main_server, group, &any));
}

/* ---- the notes ------------------------------------------------------------------------------ */

static const char *user_name(apr_pool_t *pool, uid_t uid)
{
    const struct passwd *entry = getpwuid(uid);

    return entry != NULL ? apr_pstrdup(pool, entry->pw_name)
                         : apr_psprintf(pool, "#%lu", (unsigned long)uid);
}

static void doubt_line(apr_pool_t *pool, const ap_directive_t *at, server_rec *main_server)
{
    struct wsgi_settings *settings = wsgi_config_settings(main_server);
    const server_rec *s = server_of(at, main_server);
    const char *rest = at->args;
    const char *name = ap_getword_conf(pool, &rest);
    const struct passwd *entry = getpwnam(name);
    uid_t uid = entry != NULL ? entry->pw_uid : 0;
    int i;

    for (i = 0; entry != NULL && i < settings->groups->nelts; i++) {
        const struct wsgi_group *group =
            APR_ARRAY_IDX(settings->groups, i, const struct wsgi_group *);

        if (uid == 0 || uid == group->socket_uid || !uses(settings, s, main_server, group->name))
            continue;
        wsgi_config_note(
            settings, main_server, APLOG_WARNING,
            apr_psprintf(pool,
                         PER_USER_DIRECTIVE
                         " %s (%s:%d): user %s may not connect to process group \"%s\" (%s), whose "
                         "sockets are for %s, so requests are answered with 503; give that group "
                         "socket-user=%s, or this virtual host a process group of its own that has "
                         "it",
                         name, at->filename, at->line_num, name, group->name, group->where,
                         user_name(pool, group->socket_uid), name));
    }
}

static void doubt_lines(apr_pool_t *pool, const ap_directive_t *at, server_rec *main_server)
{
    for (; at != NULL; at = at->next) {
        if (at->first_child != NULL)
            doubt_lines(pool, at->first_child, main_server);
        if (strcasecmp(at->directive, PER_USER_DIRECTIVE) == 0 && at->args != NULL)
            doubt_line(pool, at, main_server);
    }
}

void wsgi_peruser_doubt(apr_pool_t *pool, server_rec *main_server)
{
    if (wsgi_peruser_is_loaded() && geteuid() == 0)
        doubt_lines(pool, ap_conftree, main_server);
}
