/* SPDX-License-Identifier: Apache-2.0 */
#include "ends.h"

#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>

#include "launch.h"
#include "log.h"
#include "slots.h"
#include "../wire/launch.h"

static long seconds(apr_time_t span)
{
    return (long)apr_time_sec(span + apr_time_from_msec(500));
}

void wsgi_end_describe(char *text, size_t size, int status)
{
    const char *reason;

    if (WIFSIGNALED(status)) {
        snprintf(text, size, "was killed by signal %d (%s)%s", WTERMSIG(status),
                 strsignal(WTERMSIG(status)), WCOREDUMP(status) ? ", core dumped" : "");
        return;
    }
    reason = wsgi_launch_exit_text(WEXITSTATUS(status));
    if (WEXITSTATUS(status) == WSGI_EXIT_LOST) {
        snprintf(text, size, "ended: its application closed descriptors that are not its own");
    } else if (WEXITSTATUS(status) == WSGI_EXIT_STARTUP) {
        snprintf(text, size, "ended: its scripts were not loaded within startup-timeout");
    } else if (reason) {
        snprintf(text, size, "could not be started: %s", reason);
    } else {
        snprintf(text, size, "ended with exit status %d", WEXITSTATUS(status));
    }
}

/* What could not even be started has said so itself, at error level. */
int wsgi_end_level(int status)
{
    return WIFEXITED(status) && (!WEXITSTATUS(status) || wsgi_launch_exit_text(WEXITSTATUS(status)))
               ? APLOG_NOTICE
               : APLOG_ERR;
}

/* A crash on the way out is still a crash. */
int wsgi_end_is_planned(const struct wsgi_minded *minded, int status)
{
    if (!minded->planned) {
        return 0;
    }
    if (WIFSIGNALED(status)) {
        return WTERMSIG(status) == SIGTERM || (minded->killed && WTERMSIG(status) == SIGKILL);
    }
    return WEXITSTATUS(status) == 0 ||
           (minded->stop_since && WEXITSTATUS(status) == WSGI_EXIT_LATE);
}

apr_uint64_t wsgi_end_requests(const struct wsgi_minder *minder, int index)
{
    const struct wsgi_board *board = minder->slots->slot[index].board;

    return board->epoch == atomic_load(&minder->slots->slot[index].shared->epoch) ? board->requests
                                                                                  : 0;
}

void wsgi_end_log_planned(const struct wsgi_minder *minder, int index, const char *how,
                          apr_time_t now)
{
    const struct wsgi_minded *minded = &minder->minded[index];

    ap_log_error(APLOG_MARK, APLOG_INFO, 0, minder->group->server,
                 "daemon group '%s': process %d %s as planned (%s), %ld s old, "
                 "%" APR_UINT64_T_FMT " requests",
                 minder->group->name, (int)minded->pid, how, minded->planned,
                 seconds(now - minded->born), wsgi_end_requests(minder, index));
}

void wsgi_end_log_surprise(const struct wsgi_minder *minder, int index, const char *how, int level,
                           const char *next, apr_time_t now)
{
    const struct wsgi_minded *minded = &minder->minded[index];

    ap_log_error(APLOG_MARK, level, 0, minder->group->server,
                 "daemon group '%s': process %d %s%s, %ld s old, "
                 "%" APR_UINT64_T_FMT " requests%s",
                 minder->group->name, (int)minded->pid, how,
                 minded->failed ? " before it was ready" : "", seconds(now - minded->born),
                 wsgi_end_requests(minder, index), next);
}
