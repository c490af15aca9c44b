/* SPDX-License-Identifier: Apache-2.0 */
#include "jail.h"

#include "descriptors.h"
#include "../wire/walk.h"

#include "apr_strings.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define TRIAL_SECONDS 10
#define SAID_MAX 8192
#define GROUPS_MAX 1024
#define RECIPE "docs/security.md has a recipe"

const char *wsgi_jail_inside(const char *root, const char *path)
{
    size_t size = root != NULL ? strlen(root) : 0;

    if (root == NULL)
        return path;
    if (strncmp(path, root, size) != 0 || (path[size] != '/' && path[size] != '\0'))
        return NULL;
    return path[size] == '\0' ? "/" : path + size;
}

/* ---- inside ------------------------------------------------------------------------------- */

/* What a daemon does before its first request; all that this loads has to be there. */
static const char trial_code[] =
    "import atexit, encodings, logging, os, signal, site, sys, threading, traceback\n"
    "from importlib.machinery import ExtensionFileLoader, ModuleSpec\n"
    "loader = ExtensionFileLoader('_mod_wsgi', sys.argv[1])\n"
    "loader.create_module(ModuleSpec('_mod_wsgi', loader, origin=sys.argv[1]))\n";

static void __attribute__((noreturn)) say(const char *what, const char *words)
{
    dprintf(2, "%s%s\n", what, words);
    _exit(1);
}

static void need(const char *what, const char *path, int mode)
{
    char words[1024];

    if (path != NULL && wsgi_walk(path, mode, words, sizeof(words)) != 0)
        say(what, words);
}

static void go_inside(const struct wsgi_group *group, const gid_t *groups, size_t count)
{
    if (chroot(group->chroot) != 0 || chdir("/") != 0)
        say("cannot be entered: ", strerror(errno));
    if (setgroups(count, groups) != 0 || setgid(group->gid) != 0 || setuid(group->uid) != 0)
        say("its user and group cannot be set: ", strerror(errno));
    prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
}

/* Never as root, and never for long. */
static void __attribute__((noreturn)) try_inside(const struct wsgi_group *group,
                                                 const gid_t *groups, size_t count)
{
    char *arguments[] = {(char *)(uintptr_t)group->interpreter, "-c", (char *)(uintptr_t)trial_code,
                         (char *)(uintptr_t)group->python->engine, NULL};

    signal(SIGALRM, SIG_DFL);
    alarm(TRIAL_SECONDS);
    go_inside(group, groups, count);
    need("the interpreter: ", group->interpreter, X_OK);
    need("the module's engine: ", group->python->engine, R_OK);
    need("option home: ", group->home, X_OK);
    execv(group->interpreter, arguments);
    say(errno == ENOENT ? "the loader (ld.so) that the interpreter asks for: "
                        : "the interpreter: ",
        strerror(errno));
}

/* ---- outside ------------------------------------------------------------------------------- */

static size_t list_groups(const struct wsgi_group *group, gid_t *groups)
{
    int count = GROUPS_MAX;
    int i;

    groups[0] = group->gid;
    if (group->supplement != NULL) {
        for (i = 1; i <= group->supplement->nelts && i < GROUPS_MAX; i++)
            groups[i] = APR_ARRAY_IDX(group->supplement, i - 1, gid_t);
        return (size_t)i;
    }
    if (group->user_name == NULL || getgrouplist(group->user_name, group->gid, groups, &count) < 0)
        return 1;
    return (size_t)count;
}

static pid_t start(const struct wsgi_group *group, const int pipe_ends[2])
{
    gid_t groups[GROUPS_MAX];
    size_t count = list_groups(group, groups);
    pid_t pid = fork();
    int null;

    if (pid != 0)
        return pid;
    null = open("/dev/null", O_RDONLY);
    if (null < 0 || dup2(null, 0) < 0 || dup2(pipe_ends[1], 1) < 0 || dup2(pipe_ends[1], 2) < 0)
        _exit(1);
    if (wsgi_descriptors_close_from(3) != 0)
        say("what the server has open cannot be kept from it: ", strerror(errno));
    try_inside(group, groups, count);
}

static int64_t milliseconds(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

/* What it says until its end; what is more than the room is lost. -1: it did not come to one. */
static int listen_to(int in, char *said, size_t room)
{
    int64_t end = milliseconds() + (TRIAL_SECONDS + 1) * 1000;
    size_t used = 0;

    for (;;) {
        struct pollfd wait = {.fd = in, .events = POLLIN};
        int64_t left = end - milliseconds();
        char rest[512];
        int full = used + 1 >= room;
        ssize_t got;

        if (left <= 0)
            return -1;
        if (poll(&wait, 1, (int)left) <= 0)
            continue;
        got = read(in, full ? rest : said + used, full ? sizeof(rest) : room - 1 - used);
        if (got <= 0)
            break;
        if (!full)
            used += (size_t)got;
    }
    said[used] = '\0';
    return 0;
}

/* The line that matters: the last that tells of an error, else the last. */
static const char *essence(apr_pool_t *pool, char *said)
{
    const char *best = "it gave no reason";
    int is_error = 0;
    char *state = NULL;
    char *line;
    char *at;

    for (line = apr_strtok(said, "\n", &state); line; line = apr_strtok(NULL, "\n", &state)) {
        int error = strstr(line, "rror") != NULL;

        if (error || !is_error)
            best = line;
        is_error |= error;
    }
    best = apr_pstrndup(pool, best, 500);
    for (at = (char *)(uintptr_t)best; *at != '\0'; at++)
        if ((unsigned char)*at < ' ' || *at == 127)
            *at = '?'; /* somebody else's text goes to a terminal */
    return best;
}

const char *wsgi_jail_check(apr_pool_t *pool, const struct wsgi_group *group)
{
    char *said = apr_pcalloc(pool, SAID_MAX);
    int pipe_ends[2];
    int status = 0;
    int answered;
    pid_t pid;

    if (pipe2(pipe_ends, O_CLOEXEC) != 0)
        return NULL; /* the daemon's own start will tell */
    pid = start(group, pipe_ends);
    close(pipe_ends[1]);
    answered = pid > 0 ? listen_to(pipe_ends[0], said, SAID_MAX) : 0;
    close(pipe_ends[0]);
    if (pid <= 0)
        return NULL;
    if (answered < 0)
        kill(pid, SIGKILL);
    while (waitpid(pid, &status, answered < 0 ? WNOHANG : 0) < 0 && errno == EINTR)
        ;
    if (answered == 0 && WIFEXITED(status) && WEXITSTATUS(status) == 0)
        return NULL;
    if (answered < 0 || (WIFSIGNALED(status) && WTERMSIG(status) == SIGALRM))
        return apr_psprintf(pool, "option chroot: inside %s, %s did not start within %d s",
                            group->chroot, group->interpreter, TRIAL_SECONDS);
    return apr_psprintf(pool,
                        "option chroot: inside %s something that a daemon process needs is missing "
                        "or closed to its user: %s; " RECIPE,
                        group->chroot, essence(pool, said));
}
