/* SPDX-License-Identifier: Apache-2.0 */
#include "probe.h"

#include "apr_strings.h"

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

enum what { NOTHING, BECOME_USER, HOME, INTERPRETER, ENGINE };

struct answer {
    int what; /* enum what: the first thing that cannot be done */
    int error;
};

static struct answer ask(const struct wsgi_group *group)
{
    struct answer answer = {NOTHING, 0};

    if (group->home != NULL && chdir(group->home) != 0)
        answer.what = HOME;
    else if (access(group->interpreter, X_OK) != 0)
        answer.what = INTERPRETER;
    else if (access(group->python->engine, R_OK) != 0)
        answer.what = ENGINE;
    answer.error = errno;
    return answer;
}

static int become(const struct wsgi_group *group, const gid_t *groups, size_t count)
{
    if (setgroups(count, groups) != 0 || setgid(group->gid) != 0)
        return -1;
    return setuid(group->uid);
}

/* In the forked process: only system calls, then gone. */
static void answer_and_exit(int out, const struct wsgi_group *group, const gid_t *groups,
                            size_t count)
{
    struct answer answer = {BECOME_USER, 0};

    if (become(group, groups, count) == 0)
        answer = ask(group);
    else
        answer.error = errno;
    if (write(out, &answer, sizeof(answer)) != (ssize_t)sizeof(answer))
        _exit(1);
    _exit(0);
}

static pid_t start(int pipe_ends[2], const struct wsgi_group *group)
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
        answer_and_exit(pipe_ends[1], group, groups, (size_t)count);
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

static int ask_as_user(const struct wsgi_group *group, struct answer *answer)
{
    int pipe_ends[2];
    int status = -1;
    pid_t pid;

    if (pipe2(pipe_ends, O_CLOEXEC) != 0)
        return 0;
    pid = start(pipe_ends, group);
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

static const char *explain(apr_pool_t *pool, const struct wsgi_group *group,
                           const struct answer *answer)
{
    const char *user =
        group->user_name != NULL ? group->user_name : apr_psprintf(pool, "#%ld", (long)group->uid);
    const char *error = strerror(answer->error);

    switch (answer->what) {
    case BECOME_USER:
        return apr_psprintf(pool, "option user: cannot become %s: %s", user, error);
    case HOME:
        return apr_psprintf(pool,
                            "option home: user %s cannot enter %s: %s; check every directory "
                            "of the path",
                            user, group->home, error);
    case INTERPRETER:
        return apr_psprintf(pool,
                            "user %s cannot execute %s: %s; check every directory of the "
                            "path",
                            user, group->interpreter, error);
    case ENGINE:
        return apr_psprintf(pool, "user %s cannot read %s: %s; check every directory of the path",
                            user, group->python->engine, error);
    default:
        return NULL;
    }
}

const char *wsgi_probe_group(apr_pool_t *pool, const struct wsgi_group *group)
{
    struct answer answer = {NOTHING, 0};

    if (geteuid() != 0) {
        if (group->home != NULL && access(group->home, X_OK) != 0)
            answer = (struct answer){HOME, errno};
        else if (access(group->interpreter, X_OK) != 0)
            answer = (struct answer){INTERPRETER, errno};
    } else if (ask_as_user(group, &answer) != 0) {
        return apr_psprintf(pool,
                            "whether its user reaches %s was not answered within %d s; "
                            "is a network file system down?",
                            group->interpreter, ANSWER_TIMEOUT / 1000);
    }
    return explain(pool, group, &answer);
}
