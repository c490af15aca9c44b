/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon.h"

#include "config.h"
#include "../wire/engine.h"
#include "../wire/options.h"

#include "ap_config.h"
#include "apr_strings.h"
#include "unixd.h"

#include <limits.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

#define DEFAULT_THREADS 15
#define THREADS_MAX 65533
#define PROCESSES_MAX 65535
#define DEFAULT_SHUTDOWN_TIMEOUT 5
#define ID_MAX 4294967294LL /* (uid_t)-1 means "none" to the kernel */

/* ---- options ------------------------------------------------------------------------------- */

typedef const char *group_set(apr_pool_t *pool, struct wsgi_group *group, const char *value);

/* Every one of these answers what is allowed; the caller adds directive, option and value. */

/* A name, or "#" and a number. 0, or -1. */
static int find_user(const char *text, uid_t *uid)
{
    const struct passwd *entry;
    int64_t number;

    if (*text != '#')
        entry = getpwnam(text);
    else
        entry =
            wsgi_value_integer(text + 1, 0, ID_MAX, &number) == 0 ? getpwuid((uid_t)number) : NULL;
    if (entry == NULL)
        return -1;
    *uid = entry->pw_uid;
    return 0;
}

static int find_group(const char *text, gid_t *gid)
{
    const struct group *entry;
    int64_t number;

    if (*text == '#') {
        if (wsgi_value_integer(text + 1, 0, ID_MAX, &number) != 0)
            return -1;
        *gid = (gid_t)number;
        return 0;
    }
    entry = getgrnam(text);
    if (entry == NULL)
        return -1;
    *gid = entry->gr_gid;
    return 0;
}

static const char *set_user(apr_pool_t *pool, struct wsgi_group *group, const char *value)
{
    uid_t uid;

    (void)pool;
    if (find_user(value, &uid) != 0)
        return "no such user; give a user name, or #uid of a user that has a passwd entry";
    if (uid == 0)
        return "a daemon process never runs as root; give an unprivileged user";
    group->user_option = value;
    return NULL;
}

static const char *set_group(apr_pool_t *pool, struct wsgi_group *group, const char *value)
{
    gid_t gid;

    (void)pool;
    if (find_group(value, &gid) != 0)
        return "no such group; give a group name or #gid";
    group->group_option = value;
    return NULL;
}

/* mod_wsgi 6.1.1 reads integers with atoi() and so takes "5x" for 5; here that is an error. */
static const char *set_processes(apr_pool_t *pool, struct wsgi_group *group, const char *value)
{
    int64_t number;

    (void)pool;
    if (wsgi_value_integer(value, 1, PROCESSES_MAX, &number) != 0)
        return "must be an integer from 1 to " APR_STRINGIFY(PROCESSES_MAX);
    group->processes = (int)number;
    group->processes_given = 1;
    return NULL;
}

static const char *set_threads(apr_pool_t *pool, struct wsgi_group *group, const char *value)
{
    int64_t number;

    (void)pool;
    if (strcmp(value, "0") == 0)
        return "a group without request threads (service scripts) is not there yet; give an "
               "integer from 1 to " APR_STRINGIFY(THREADS_MAX);
    if (wsgi_value_integer(value, 1, THREADS_MAX, &number) != 0)
        return "must be an integer from 1 to " APR_STRINGIFY(THREADS_MAX);
    group->threads = (int)number;
    return NULL;
}

static const char *set_umask(apr_pool_t *pool, struct wsgi_group *group, const char *value)
{
    unsigned number;

    (void)pool;
    if (wsgi_value_octal(value, &number) != 0)
        return "must be octal digits from 0 to 0777";
    group->umask = (int)number;
    return NULL;
}

static const char *set_home(apr_pool_t *pool, struct wsgi_group *group, const char *value)
{
    (void)pool;
    if (*value != '/')
        return "must be an absolute path of a directory";
    group->home = value;
    return NULL;
}

static const char *set_lang(apr_pool_t *pool, struct wsgi_group *group, const char *value)
{
    (void)pool;
    group->lang = value;
    return NULL;
}

static const char *set_locale(apr_pool_t *pool, struct wsgi_group *group, const char *value)
{
    (void)pool;
    group->locale = value;
    return NULL;
}

static const char *set_python_home(apr_pool_t *pool, struct wsgi_group *group, const char *value)
{
    group->python_home = ap_server_root_relative(pool, value);
    return group->python_home != NULL ? NULL : "must be the prefix of a Python or a venv";
}

static const char *set_python_path(apr_pool_t *pool, struct wsgi_group *group, const char *value)
{
    group->python_path = wsgi_config_split_path(pool, value);
    return NULL;
}

static const char *set_display_name(apr_pool_t *pool, struct wsgi_group *group, const char *value)
{
    if (strcmp(value, "%{GROUP}") == 0)
        value = apr_psprintf(pool, "(wsgi:%s)", group->name);
    group->display_name = value;
    return NULL;
}

static const char *set_shutdown_timeout(apr_pool_t *pool, struct wsgi_group *group,
                                        const char *value)
{
    int64_t number;

    (void)pool;
    if (wsgi_value_integer(value, 0, INT_MAX, &number) != 0)
        return "must be whole seconds, 0 or more (0 is without limit)";
    group->shutdown_timeout = (int)number;
    return NULL;
}

/* All options of mod_wsgi 6; those without a setter come later. */
static const struct {
    const char *name;
    group_set *set;
} group_options[] = {
    {"user", set_user},
    {"group", set_group},
    {"processes", set_processes},
    {"threads", set_threads},
    {"umask", set_umask},
    {"home", set_home},
    {"lang", set_lang},
    {"locale", set_locale},
    {"python-home", set_python_home},
    {"python-path", set_python_path},
    {"display-name", set_display_name},
    {"shutdown-timeout", set_shutdown_timeout},
    {"supplementary-groups", NULL},
    {"chroot", NULL},
    {"python-eggs", NULL},
    {"switch-interval", NULL},
    {"stack-size", NULL},
    {"maximum-requests", NULL},
    {"startup-timeout", NULL},
    {"deadlock-timeout", NULL},
    {"inactivity-timeout", NULL},
    {"request-timeout", NULL},
    {"interrupt-timeout", NULL},
    {"graceful-timeout", NULL},
    {"eviction-timeout", NULL},
    {"restart-interval", NULL},
    {"connect-timeout", NULL},
    {"socket-timeout", NULL},
    {"queue-timeout", NULL},
    {"listen-backlog", NULL},
    {"send-buffer-size", NULL},
    {"receive-buffer-size", NULL},
    {"header-buffer-size", NULL},
    {"response-buffer-size", NULL},
    {"response-socket-timeout", NULL},
    {"response-flush-delay", NULL},
    {"socket-user", NULL},
    {"script-user", NULL},
    {"script-group", NULL},
    {"cpu-time-limit", NULL},
    {"cpu-priority", NULL},
    {"memory-limit", NULL},
    {"virtual-memory-limit", NULL},
    {"server-metrics", NULL},
};

#define GROUP_OPTIONS (sizeof(group_options) / sizeof(group_options[0]))

/* "user, group, processes ..." of the options there are. */
static const char *allowed_options(apr_pool_t *pool)
{
    apr_array_header_t *names = apr_array_make(pool, GROUP_OPTIONS, sizeof(const char *));
    size_t i;

    for (i = 0; i < GROUP_OPTIONS; i++) {
        if (group_options[i].set == NULL)
            continue;
        if (names->nelts > 0)
            APR_ARRAY_PUSH(names, const char *) = ", ";
        APR_ARRAY_PUSH(names, const char *) = group_options[i].name;
    }
    return apr_array_pstrcat(pool, names, 0);
}

static const char *set_option(cmd_parms *cmd, void *target, const char *name, const char *value)
{
    struct wsgi_group *group = target;
    const char *error;
    size_t i;

    for (i = 0; i < GROUP_OPTIONS; i++)
        if (strcmp(name, group_options[i].name) == 0)
            break;
    if (i == GROUP_OPTIONS)
        return apr_psprintf(cmd->pool,
                            "WSGIDaemonProcess %s: unknown option \"%s\"; allowed are %s",
                            group->name, name, allowed_options(cmd->temp_pool));
    if (group_options[i].set == NULL)
        return apr_psprintf(cmd->pool,
                            "WSGIDaemonProcess %s: option %s of mod_wsgi 6 is not in this module "
                            "yet (pyweb.mod_wsgi %s); remove it; allowed are %s",
                            group->name, name, WSGI_BUILD_VERSION, allowed_options(cmd->temp_pool));
    if (*value == '\0')
        error = "the value is empty";
    else
        error = group_options[i].set(cmd->pool, group, apr_pstrdup(cmd->pool, value));
    if (error == NULL)
        return NULL;
    return apr_psprintf(cmd->pool, "WSGIDaemonProcess %s: option %s=%s: %s", group->name, name,
                        value, error);
}

/* ---- WSGIDaemonProcess --------------------------------------------------------------------- */

static struct wsgi_group *make_group(cmd_parms *cmd, const char *name, int id)
{
    struct wsgi_group *group = apr_pcalloc(cmd->pool, sizeof(*group));

    group->name = name;
    group->server = cmd->server;
    group->where = wsgi_config_where(cmd);
    group->id = id;
    group->processes = 1;
    group->threads = DEFAULT_THREADS;
    group->umask = -1;
    group->shutdown_timeout = DEFAULT_SHUTDOWN_TIMEOUT;
    group->preload = apr_array_make(cmd->pool, 2, sizeof(struct wsgi_preload));
    return group;
}

const char *wsgi_config_daemon_process(cmd_parms *cmd, void *directory, const char *line)
{
    apr_array_header_t *groups = wsgi_config_settings(cmd->server)->groups;
    const char *name = ap_getword_conf(cmd->pool, &line);
    const struct wsgi_group *other;
    struct wsgi_group *group;
    const char *error;

    (void)directory;
    if (*name == '\0')
        return "WSGIDaemonProcess: takes the name of a process group, then options: "
               "WSGIDaemonProcess blog processes=2 threads=15";
    if (strchr(name, '=') != NULL && *line == '\0')
        return apr_psprintf(cmd->pool,
                            "WSGIDaemonProcess: \"%s\" looks like an option; the name of the "
                            "process group comes first",
                            name);
    other = wsgi_group_find(groups, name);
    if (other != NULL)
        return apr_psprintf(cmd->pool,
                            "WSGIDaemonProcess %s: this name is defined twice, at %s and at %s; "
                            "names are unique over the whole server, so give each group its own",
                            name, other->where, wsgi_config_where(cmd));
    group = make_group(cmd, name, groups->nelts + 1);
    error = wsgi_config_options(cmd, line, set_option, group);
    if (error == NULL)
        APR_ARRAY_PUSH(groups, struct wsgi_group *) = group;
    return error;
}

/* ---- finding and reaching ------------------------------------------------------------------ */

struct wsgi_group *wsgi_group_find(const apr_array_header_t *groups, const char *name)
{
    int i;

    for (i = 0; i < groups->nelts; i++) {
        struct wsgi_group *group = APR_ARRAY_IDX(groups, i, struct wsgi_group *);

        if (strcmp(group->name, name) == 0)
            return group;
    }
    return NULL;
}

int wsgi_group_reachable(const struct wsgi_group *group, const server_rec *s)
{
    const char *theirs = group->server->server_hostname;

    if (group->server == s || !group->server->is_virtual)
        return 1;
    return theirs != NULL && s->server_hostname != NULL &&
           strcasecmp(theirs, s->server_hostname) == 0;
}

/* ---- users --------------------------------------------------------------------------------- */

/* Not root: nothing can be changed, the options have no effect (as in mod_wsgi 6). */
static void take_ids(struct wsgi_group *group)
{
    if (geteuid() != 0) {
        group->uid = geteuid();
        group->gid = getegid();
        return;
    }
    if (group->user_option == NULL || find_user(group->user_option, &group->uid) != 0)
        group->uid = ap_unixd_config.user_id;
    if (group->group_option == NULL || find_group(group->group_option, &group->gid) != 0)
        group->gid = ap_unixd_config.group_id;
}

const char *wsgi_group_resolve_user(apr_pool_t *pool, struct wsgi_group *group)
{
    const struct passwd *entry;

    take_ids(group);
    entry = getpwuid(group->uid);
    if (entry != NULL) {
        group->user_name = apr_pstrdup(pool, entry->pw_name);
        group->user_home = apr_pstrdup(pool, entry->pw_dir);
    }
    if (geteuid() != 0)
        return NULL;
    if (group->uid == 0 || group->uid == (uid_t)-1)
        return "would run as root, or as nobody in particular; give the option user, or the "
               "directive User, an unprivileged user";
    if (group->gid == (gid_t)-1)
        return "has no group to run as; give the option group, or the directive Group";
    return NULL;
}
