/* SPDX-License-Identifier: Apache-2.0 */
#include "probe.h"

#include "../wire/walk.h"

#include "apr_strings.h"
#include "http_core.h"
#include "unixd.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#define ANSWER_TIMEOUT 5000 /* ms; a path on a dead network file system never answers */
#define GROUPS_MAX 1024

enum what { NOTHING, BECOME_USER, HOME, INTERPRETER, MARKER, LIBRARY, ENGINE };

struct answer {
    int what; /* enum what: the first thing that cannot be done */
    int error;
    char words[1024]; /* which part of the path stands in the way, "" when not known */
};

/* 0 when `path` can be used so, or is not there. */
static int cannot(const char *path, int mode, enum what what, struct answer *answer)
{
    if (path == NULL || access(path, mode) == 0)
        return 0;
    if (errno == ENOENT && (what == MARKER || what == LIBRARY))
        return 0;
    answer->what = (int)what;
    answer->error = errno;
    wsgi_walk(path, mode, answer->words, sizeof(answer->words));
    return 1;
}

/* Paths that come from those of a group, made before the fork. */
struct paths {
    const char *marker;
    const char *library;
};

static void ask(const struct wsgi_group *group, const struct paths *paths, struct answer *answer)
{
    if (cannot(group->home, X_OK, HOME, answer) || group->python == NULL ||
        cannot(group->interpreter, X_OK, INTERPRETER, answer) ||
        cannot(paths->marker, R_OK, MARKER, answer) ||
        cannot(paths->library, R_OK | X_OK, LIBRARY, answer))
        return;
    cannot(group->python->engine, R_OK, ENGINE, answer);
}

static int become(const struct wsgi_group *group, const gid_t *groups, size_t count)
{
    if (setgroups(count, groups) != 0 || setgid(group->gid) != 0)
        return -1;
    return setuid(group->uid);
}

/* In the forked process: only system calls, then gone. */
static void answer_and_exit(int out, const struct wsgi_group *group, const struct paths *paths,
                            const gid_t *groups, size_t count)
{
    struct answer answer = {NOTHING, 0, ""};

    if (become(group, groups, count) == 0) {
        ask(group, paths, &answer);
    } else {
        answer.what = BECOME_USER;
        answer.error = errno;
    }
    if (write(out, &answer, sizeof(answer)) != (ssize_t)sizeof(answer))
        _exit(1);
    _exit(0);
}

static pid_t start(int pipe_ends[2], const struct wsgi_group *group, const struct paths *paths)
{
    gid_t groups[GROUPS_MAX];
    int count = GROUPS_MAX;
    pid_t pid;

    if (group->supplement != NULL) {
        groups[0] = group->gid;
        for (count = 1; count <= group->supplement->nelts && count < GROUPS_MAX; count++)
            groups[count] = APR_ARRAY_IDX(group->supplement, count - 1, gid_t);
    } else if (group->user_name == NULL ||
               getgrouplist(group->user_name, group->gid, groups, &count) < 0) {
        groups[0] = group->gid;
        count = 1;
    }
    pid = fork();
    if (pid == 0)
        answer_and_exit(pipe_ends[1], group, paths, groups, (size_t)count);
    return pid;
}

/* 0 with an answer, or -1: none came. */
static int collect(int in, struct answer *answer)
{
    struct pollfd wait = {.fd = in, .events = POLLIN};
    int ready;

    do {
        ready = poll(&wait, 1, ANSWER_TIMEOUT);
    } while (ready < 0 && errno == EINTR);
    return ready == 1 && read(in, answer, sizeof(*answer)) == (ssize_t)sizeof(*answer) ? 0 : -1;
}

static int ask_as_user(const struct wsgi_group *group, const struct paths *paths,
                       struct answer *answer)
{
    int pipe_ends[2];
    int status = -1;
    pid_t pid;

    if (pipe2(pipe_ends, O_CLOEXEC) != 0)
        return 0;
    pid = start(pipe_ends, group, paths);
    close(pipe_ends[1]);
    if (pid > 0) {
        status = collect(pipe_ends[0], answer);
        if (status != 0)
            kill(pid, SIGKILL);
        /* One that hangs in the file system dies later; it must not be waited for here. */
        while (waitpid(pid, NULL, status != 0 ? WNOHANG : 0) < 0 && errno == EINTR)
            ;
    } else {
        status = 0; /* no process to be had: the daemon's own start will tell */
    }
    close(pipe_ends[0]);
    return status;
}

/* "Permission denied (errno 13)", and where on the way. */
static const char *reason(apr_pool_t *pool, const struct answer *answer, const char *path)
{
    const char *error = apr_psprintf(pool, "%s (errno %d)", strerror(answer->error), answer->error);

    if (answer->words[0] == '\0' || strncmp(answer->words, path, strlen(path)) == 0)
        return error;
    return apr_psprintf(pool, "%s: %s", error, answer->words);
}

/* One of the paths that the home leads to. */
static const char *explain_home(apr_pool_t *pool, const struct wsgi_group *group, const char *user,
                                const char *verb, const char *path, const struct answer *answer)
{
    return apr_psprintf(pool, "%suser %s cannot %s %s: %s; let that user in, or give another path",
                        group->python_home != NULL ? "option python-home: " : "", user, verb, path,
                        reason(pool, answer, path));
}

static const char *explain(apr_pool_t *pool, const struct wsgi_group *group,
                           const struct paths *paths, const struct answer *answer)
{
    const char *user =
        group->user_name != NULL ? group->user_name : apr_psprintf(pool, "#%ld", (long)group->uid);

    switch (answer->what) {
    case BECOME_USER:
        return apr_psprintf(pool, "option user: cannot become %s: %s", user,
                            strerror(answer->error));
    case HOME:
        return apr_psprintf(
            pool,
            "option home: user %s cannot enter %s: %s; let that user in, or give another path",
            user, group->home, reason(pool, answer, group->home));
    case INTERPRETER:
        return explain_home(pool, group, user, "execute", group->interpreter, answer);
    case MARKER:
        return explain_home(pool, group, user, "read", paths->marker, answer);
    case LIBRARY:
        return explain_home(pool, group, user, "read", paths->library, answer);
    case ENGINE:
        return apr_psprintf(pool, "user %s cannot read %s: %s; check every directory of the path",
                            user, group->python->engine,
                            reason(pool, answer, group->python->engine));
    default:
        return NULL;
    }
}

/* .../bin/python: .../pyvenv.cfg and .../lib/pythonX.Y */
static struct paths paths_of(apr_pool_t *pool, const struct wsgi_group *group)
{
    const char *bin = ap_make_dirstr_parent(pool, group->interpreter);
    const char *root = ap_make_dirstr_parent(pool, apr_pstrmemdup(pool, bin, strlen(bin) - 1));
    const char *version = group->python->version;
    const char *dot = strchr(version, '.');
    const char *end = dot != NULL ? strchr(dot + 1, '.') : NULL;
    struct paths paths;

    if (end != NULL)
        version = apr_pstrmemdup(pool, version, (apr_size_t)(end - version));
    paths.marker = apr_pstrcat(pool, root, "pyvenv.cfg", NULL);
    paths.library = apr_pstrcat(pool, root, "lib/python", version, NULL);
    return paths;
}

const char *wsgi_probe_group(apr_pool_t *pool, const struct wsgi_group *group)
{
    struct paths paths = paths_of(pool, group);
    struct answer answer = {NOTHING, 0, ""};

    if (geteuid() != 0)
        ask(group, &paths, &answer);
    else if (ask_as_user(group, &paths, &answer) != 0)
        return apr_psprintf(pool,
                            "whether its user reaches %s was not answered within %d s; "
                            "is a network file system down?",
                            group->interpreter, ANSWER_TIMEOUT / 1000);
    return explain(pool, group, &paths, &answer);
}

const char *wsgi_probe_embedded(apr_pool_t *pool, const char *interpreter,
                                const struct wsgi_python *python)
{
    struct wsgi_group group;

    memset(&group, 0, sizeof(group));
    group.uid = geteuid() == 0 ? ap_unixd_config.user_id : geteuid();
    group.gid = geteuid() == 0 ? ap_unixd_config.group_id : getegid();
    /* Without mod_unixd, or without a User that exists, httpd itself has something to say. */
    if (group.uid == (uid_t)-1 || group.gid == (gid_t)-1)
        return NULL;
    group.user_name = ap_unixd_config.user_name;
    group.interpreter = interpreter;
    group.python = python;
    return wsgi_probe_group(pool, &group);
}

const char *wsgi_probe_sockets(apr_pool_t *pool, const struct wsgi_group *group,
                               const char *directory)
{
    const struct paths none = {NULL, NULL};
    struct answer answer = {NOTHING, 0, ""};
    struct wsgi_group apache;

    memset(&apache, 0, sizeof(apache));
    apache.uid = group->socket_uid;
    apache.gid = ap_unixd_config.group_id;
    apache.user_name = apache.uid == ap_unixd_config.user_id ? ap_unixd_config.user_name : NULL;
    apache.home = directory;
    if (geteuid() != 0 || apache.uid == (uid_t)-1 || apache.gid == (gid_t)-1)
        return NULL;
    if (ask_as_user(&apache, &none, &answer) != 0 || answer.what != HOME)
        return NULL;
    return apr_psprintf(pool, "Apache's user %s: %s",
                        apache.user_name != NULL ? apache.user_name
                                                 : apr_psprintf(pool, "#%ld", (long)apache.uid),
                        reason(pool, &answer, directory));
}
