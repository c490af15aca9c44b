/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon.h"

#include "config.h"
#include "environment.h"
#include "setters.h"
#include "../wire/options.h"

#include "ap_config.h"
#include "apr_lib.h"
#include "apr_strings.h"
#include "unixd.h"

#include <limits.h>
#include <stddef.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

#define DEFAULT_THREADS 15
#define DEFAULT_SHUTDOWN_TIMEOUT 5
#define DEFAULT_DEADLOCK_TIMEOUT 300
#define DEFAULT_GRACEFUL_TIMEOUT 15
#define DEFAULT_CONNECT_TIMEOUT 15
#define DEFAULT_FLUSH_DELAY 5
#define DEFAULT_BACKLOG 100
#define ID_MAX 4294967294LL /* (uid_t)-1 means "none" to the kernel */

/* ---- options ------------------------------------------------------------------------------- */

struct group_option;
typedef const char *group_set(apr_pool_t *pool, struct wsgi_group *group,
                              const struct group_option *option, const char *value);

struct group_option {
    const char *name;
    group_set *set;
    size_t offset;
    int64_t low;
    int64_t high;
};

/* Every setter answers what is allowed; the caller adds directive, option and value. */

static void *field_of(struct wsgi_group *group, const struct group_option *option)
{
    return (char *)group + option->offset;
}

/* ---- numbers: */

/* mod_wsgi 6.1.1 reads integers with atoi() and so takes "5x" for 5; here that is an error. */
static const char *read_number(apr_pool_t *pool, const struct group_option *option,
                               const char *value, int64_t *number)
{
    if (wsgi_value_integer(value, option->low, option->high, number) == 0)
        return NULL;
    if (option->high >= INT_MAX / 2 && option->low > INT_MIN)
        return apr_psprintf(pool, "must be an integer, %" APR_INT64_T_FMT " or more",
                            (apr_int64_t)option->low);
    return apr_psprintf(pool, "must be an integer from %" APR_INT64_T_FMT " to %" APR_INT64_T_FMT,
                        (apr_int64_t)option->low, (apr_int64_t)option->high);
}

static const char *set_size(apr_pool_t *pool, struct wsgi_group *group,
                            const struct group_option *option, const char *value)
{
    return read_number(pool, option, value, field_of(group, option));
}

static const char *set_number(apr_pool_t *pool, struct wsgi_group *group,
                              const struct group_option *option, const char *value)
{
    int64_t number = 0;
    const char *error = read_number(pool, option, value, &number);

    *(int *)field_of(group, option) = (int)number;
    return error;
}

static const char *set_buffer(apr_pool_t *pool, struct wsgi_group *group,
                              const struct group_option *option, const char *value)
{
    int64_t *number = field_of(group, option);

    if (strcmp(value, "0") == 0)
        *number = 0;
    else if (wsgi_value_integer(value, option->low, option->high, number) != 0)
        return apr_psprintf(pool, "must be bytes: 0 (the default), or %" APR_INT64_T_FMT " or more",
                            (apr_int64_t)option->low);
    return NULL;
}

static const char *set_interval(apr_pool_t *pool, struct wsgi_group *group,
                                const struct group_option *option, const char *value)
{
    (void)pool;
    if (wsgi_config_seconds(value, 1, field_of(group, option)) == 0)
        return NULL;
    return "must be seconds, more than 0, such as 0.005";
}

static const char *set_processes(apr_pool_t *pool, struct wsgi_group *group,
                                 const struct group_option *option, const char *value)
{
    group->processes_given = 1;
    return set_number(pool, group, option, value);
}

static const char *set_umask(apr_pool_t *pool, struct wsgi_group *group,
                             const struct group_option *option, const char *value)
{
    unsigned number;

    (void)pool;
    (void)option;
    if (wsgi_value_octal(value, &number) != 0)
        return "must be octal digits from 0 to 0777";
    group->umask = (int)number;
    return NULL;
}

static const char *set_flag(apr_pool_t *pool, struct wsgi_group *group,
                            const struct group_option *option, const char *value)
{
    int flag = wsgi_value_flag(value);

    (void)pool;
    if (flag < 0)
        return "is neither On nor Off";
    *(int *)field_of(group, option) = flag;
    return NULL;
}

static const char *set_reload(apr_pool_t *pool, struct wsgi_group *group,
                              const struct group_option *option, const char *value)
{
    int overlap = strcmp(value, "overlap") == 0;

    (void)pool;
    if (!overlap && strcmp(value, "wait") != 0)
        return "is neither wait nor overlap";
    *(int *)field_of(group, option) = overlap;
    return NULL;
}

/* ---- texts: */

static const char *set_text(apr_pool_t *pool, struct wsgi_group *group,
                            const struct group_option *option, const char *value)
{
    (void)pool;
    *(const char **)field_of(group, option) = value;
    return NULL;
}

static const char *set_absolute(apr_pool_t *pool, struct wsgi_group *group,
                                const struct group_option *option, const char *value)
{
    if (*value != '/')
        return "must be an absolute path of a directory";
    return set_text(pool, group, option, value);
}

static const char *set_chroot(apr_pool_t *pool, struct wsgi_group *group,
                              const struct group_option *option, const char *value)
{
    size_t size = strlen(value);

    if (geteuid() != 0)
        return "only root may do this, and httpd was not started by root; remove the option";
    while (size > 1 && value[size - 1] == '/')
        size--;
    if (size == 1 && *value == '/')
        return NULL; /* where every process is already */
    return set_absolute(pool, group, option, apr_pstrmemdup(pool, value, size));
}

/* May be given more than once, as the next one. */
static const char *add_variable(apr_pool_t *pool, struct wsgi_group *group,
                                const struct group_option *option, const char *value)
{
    const char *error = wsgi_environment_check(value);

    if (error == NULL)
        APR_ARRAY_PUSH(*(apr_array_header_t **)field_of(group, option), const char *) =
            apr_pstrdup(pool, value);
    return error;
}

static const char *add_file(apr_pool_t *pool, struct wsgi_group *group,
                            const struct group_option *option, const char *value)
{
    if (*value != '/')
        return "must be the absolute path of a file";
    APR_ARRAY_PUSH(*(apr_array_header_t **)field_of(group, option), const char *) =
        apr_pstrdup(pool, value);
    return NULL;
}

static const char *set_python_home(apr_pool_t *pool, struct wsgi_group *group,
                                   const struct group_option *option, const char *value)
{
    (void)option;
    group->python_home = ap_server_root_relative(pool, value);
    return group->python_home != NULL ? NULL : "must be the prefix of a Python or a venv";
}

static const char *set_python_path(apr_pool_t *pool, struct wsgi_group *group,
                                   const struct group_option *option, const char *value)
{
    (void)option;
    group->python_path = wsgi_config_split_path(pool, value);
    return NULL;
}

static const char *set_display_name(apr_pool_t *pool, struct wsgi_group *group,
                                    const struct group_option *option, const char *value)
{
    (void)option;
    if (strcmp(value, "%{GROUP}") == 0)
        value = apr_psprintf(pool, "(wsgi:%s)", group->name);
    group->display_name = value;
    return NULL;
}

/* ---- users and groups: */

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

static const char *set_user_name(apr_pool_t *pool, struct wsgi_group *group,
                                 const struct group_option *option, const char *value)
{
    uid_t uid;

    if (find_user(value, &uid) != 0)
        return "no such user; give a user name, or #uid of a user that has a passwd entry";
    return set_text(pool, group, option, value);
}

static const char *set_group_name(apr_pool_t *pool, struct wsgi_group *group,
                                  const struct group_option *option, const char *value)
{
    gid_t gid;

    if (find_group(value, &gid) != 0)
        return "no such group; give a group name or #gid";
    return set_text(pool, group, option, value);
}

static const char *set_user(apr_pool_t *pool, struct wsgi_group *group,
                            const struct group_option *option, const char *value)
{
    uid_t uid;

    if (find_user(value, &uid) == 0 && uid == 0)
        return "a daemon process never runs as root; give an unprivileged user";
    return set_user_name(pool, group, option, value);
}

static const char *set_supplement(apr_pool_t *pool, struct wsgi_group *group,
                                  const struct group_option *option, const char *value)
{
    apr_array_header_t *list = apr_array_make(pool, 4, sizeof(gid_t));
    char *rest = apr_pstrdup(pool, value);
    char *state = NULL;
    long most = sysconf(_SC_NGROUPS_MAX);
    char *name;
    gid_t gid;

    (void)option;
    for (name = apr_strtok(rest, ",", &state); name; name = apr_strtok(NULL, ",", &state)) {
        if (find_group(name, &gid) != 0)
            return apr_psprintf(pool,
                                "no such group: %s; give group names or #gid, with commas "
                                "between them",
                                name);
        APR_ARRAY_PUSH(list, gid_t) = gid;
    }
    /* The primary group takes one of the places. */
    if (most > 0 && list->nelts + 1 > most)
        return apr_psprintf(pool,
                            "%d groups are more than the system allows, %ld besides the "
                            "primary one",
                            list->nelts, most - 1);
    group->supplement = list;
    return NULL;
}

#define WSGI_OPTION(name, setter, field, low, high, unset, description)                            \
    {name, setter, offsetof(struct wsgi_group, field), low, high},

static const struct group_option group_options[] = {
#include "options.def"
};

#define GROUP_OPTIONS (sizeof(group_options) / sizeof(group_options[0]))

static const struct group_option *find_option(const char *name)
{
    size_t i;

    for (i = 0; i < GROUP_OPTIONS; i++)
        if (strcmp(name, group_options[i].name) == 0)
            return &group_options[i];
    return NULL;
}

/* "user, group, processes ...". */
static const char *all_names(apr_pool_t *pool)
{
    apr_array_header_t *names = apr_array_make(pool, GROUP_OPTIONS, sizeof(const char *));
    size_t i;

    for (i = 0; i < GROUP_OPTIONS; i++) {
        if (i > 0)
            APR_ARRAY_PUSH(names, const char *) = ", ";
        APR_ARRAY_PUSH(names, const char *) = group_options[i].name;
    }
    return apr_array_pstrcat(pool, names, 0);
}

/* Configurations that "mod_wsgi-express setup-server" wrote have python-path='' and the like. */
static int may_be_empty(const struct group_option *option)
{
    static const char *const names[] = {"python-path", "python-home", "python-eggs",
                                        "lang",        "locale",      "display-name"};
    size_t i;

    for (i = 0; i < sizeof(names) / sizeof(names[0]); i++)
        if (strcmp(option->name, names[i]) == 0)
            return 1;
    return 0;
}

static const char *set_option(cmd_parms *cmd, void *target, const char *name, const char *value)
{
    const struct group_option *option = find_option(name);
    struct wsgi_group *group = target;
    const char *error = "the value is empty";

    if (option != NULL && *value == '\0' && may_be_empty(option))
        return NULL; /* as if it were not there */
    if (option == NULL)
        return apr_psprintf(cmd->pool,
                            "WSGIDaemonProcess %s: unknown option \"%s\"; allowed are %s",
                            group->name, name, all_names(cmd->temp_pool));
    if (*value != '\0')
        error = option->set(cmd->pool, group, option, apr_pstrdup(cmd->pool, value));
    /* The value of a variable may be a secret. */
    if (error != NULL)
        return apr_psprintf(cmd->pool, "WSGIDaemonProcess %s: option %s=%.200s: %s", group->name,
                            name, strcmp(name, "env") == 0 ? "..." : value, error);
    group->written = apr_pstrcat(cmd->pool, group->written, name, "=", value, "\n", NULL);
    return NULL;
}

/* ---- WSGIDaemonProcess --------------------------------------------------------------------- */

static struct wsgi_group *make_group(cmd_parms *cmd, const char *name, int id)
{
    struct wsgi_group *group = apr_pcalloc(cmd->pool, sizeof(*group));

    group->name = name;
    group->server = cmd->server;
    group->where = wsgi_config_where(cmd);
    group->written = "";
    group->id = id;
    group->processes = 1;
    group->threads = DEFAULT_THREADS;
    group->umask = -1;
    group->shutdown_timeout = DEFAULT_SHUTDOWN_TIMEOUT;
    group->deadlock_timeout = DEFAULT_DEADLOCK_TIMEOUT;
    group->graceful_timeout = DEFAULT_GRACEFUL_TIMEOUT;
    group->connect_timeout = DEFAULT_CONNECT_TIMEOUT;
    group->response_flush_delay = DEFAULT_FLUSH_DELAY;
    group->listen_backlog = DEFAULT_BACKLOG;
    group->env = apr_array_make(cmd->pool, 2, sizeof(char *));
    group->env_files = apr_array_make(cmd->pool, 1, sizeof(const char *));
    group->preload = apr_array_make(cmd->pool, 2, sizeof(struct wsgi_preload));
    return group;
}

static const char *check_name(cmd_parms *cmd, const char *name, const char *line)
{
    if (*name == '\0')
        return "WSGIDaemonProcess: takes the name of a process group, then options: "
               "WSGIDaemonProcess blog processes=2 threads=15";
    if (strchr(name, '=') != NULL && *line == '\0')
        return apr_psprintf(cmd->pool,
                            "WSGIDaemonProcess: \"%s\" looks like an option; the name of the "
                            "process group comes first",
                            name);
    return NULL;
}

static const char *check_owners(cmd_parms *cmd, struct wsgi_group *group)
{
    if (group->script_user_option != NULL && group->script_group_option != NULL)
        return apr_psprintf(cmd->pool,
                            "WSGIDaemonProcess %s: options script-user=%s and script-group=%s "
                            "exclude each other; give one of them",
                            group->name, group->script_user_option, group->script_group_option);
    if (group->script_user_option != NULL)
        find_user(group->script_user_option, &group->script_user);
    if (group->script_group_option != NULL)
        find_group(group->script_group_option, &group->script_group);
    return NULL;
}

const char *wsgi_group_twice(apr_pool_t *pool, const struct wsgi_group *first,
                             const struct wsgi_group *second)
{
    return apr_psprintf(pool,
                        "WSGIDaemonProcess %s: this name is defined twice, at %s and at %s; names "
                        "are unique over the whole server, so give each group its own",
                        first->name, first->where, second->where);
}

/* Two virtual hosts may have the same ServerName, and one definition between them: that is known
 * when everything was read. */
static const char *keep(cmd_parms *cmd, struct wsgi_group *group, const struct wsgi_group *other)
{
    struct wsgi_settings *settings = wsgi_config_settings(cmd->server);

    if (other == NULL)
        APR_ARRAY_PUSH(settings->groups, struct wsgi_group *) = group;
    else if (!cmd->server->is_virtual || !other->server->is_virtual || cmd->server == other->server)
        return wsgi_group_twice(cmd->pool, other, group);
    else
        APR_ARRAY_PUSH(settings->duplicates, struct wsgi_group *) = group;
    return NULL;
}

const char *wsgi_set_daemon_process(cmd_parms *cmd, void *directory, const char *line)
{
    apr_array_header_t *groups = wsgi_config_settings(cmd->server)->groups;
    const char *name = ap_getword_conf(cmd->pool, &line);
    const char *error = check_name(cmd, name, line);
    struct wsgi_group *group;

    (void)directory;
    if (error != NULL)
        return error;
    group = make_group(cmd, name, groups->nelts + 1);
    error = wsgi_config_options(cmd, line, set_option, group);
    if (error == NULL)
        error = check_owners(cmd, group);
    if (error == NULL)
        error = keep(cmd, group, wsgi_group_find(groups, name));
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
    group->socket_uid = geteuid() == 0 ? ap_unixd_config.user_id : geteuid();
    if (geteuid() == 0 && group->socket_user_option != NULL)
        find_user(group->socket_user_option, &group->socket_uid);
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
