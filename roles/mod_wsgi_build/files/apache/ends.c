/* SPDX-License-Identifier: Apache-2.0 */
#include "ends.h"

#include <signal.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>

#include "apr_strings.h"
#include "launch.h"
#include "log.h"
#include "obituary.h"
#include "../wire/launch.h"

static uint32_t epoch_of(const struct wsgi_minder *minder, int index)
{
    return atomic_load(&minder->slots->slot[index].shared->epoch);
}

/* ---- how ----------------------------------------------------------------- */

static const char *who_killed(struct wsgi_minder *minder)
{
    switch (wsgi_oom_judge(&minder->oom)) {
    case WSGI_OOM_YES:
        return ": out of memory, by the kernel";
    case WSGI_OOM_NO:
        return ": by somebody, not by this server; the kernel did not do it for lack of memory";
    default:
        return ": by somebody, not by this server; it may be the kernel for lack of memory";
    }
}

static void describe_signal(struct wsgi_death *end, struct wsgi_minder *minder, int index,
                            int status)
{
    const struct wsgi_minded *minded = &minder->minded[index];
    int number = WTERMSIG(status);

    if (number == SIGKILL && minded->killed) {
        apr_snprintf(end->how, sizeof(end->how),
                     "was killed, it did not end within shutdown-timeout");
        return;
    }
    apr_snprintf(end->how, sizeof(end->how), "was killed by signal %d (%s)%s%s", number,
                 strsignal(number), WCOREDUMP(status) ? ", core dumped" : "",
                 number == SIGKILL ? who_killed(minder) : "");
}

/* The lowest of our exit statuses mean what they say only before the program has begun: later an
 * application may choose them, too. */
static void describe_exit(struct wsgi_death *end, const struct wsgi_minded *minded, int status)
{
    const char *reason = minded->ready ? NULL : wsgi_launch_exit_text(status);

    if (reason) {
        apr_snprintf(end->how, sizeof(end->how), "could not be started: %s", reason);
    } else if (status == WSGI_EXIT_LOST) {
        apr_snprintf(end->how, sizeof(end->how),
                     "ended: its application closed descriptors that are not its own");
    } else if (status == WSGI_EXIT_STARTUP) {
        apr_snprintf(end->how, sizeof(end->how),
                     "ended: its scripts were not loaded within startup-timeout");
    } else if (status == WSGI_EXIT_LATE && minded->stop_since) {
        apr_snprintf(end->how, sizeof(end->how),
                     "ended itself, its end took longer than "
                     "shutdown-timeout");
    } else if (end->is_planned) {
        apr_snprintf(end->how, sizeof(end->how), "ended");
    } else {
        apr_snprintf(end->how, sizeof(end->how), "ended with exit status %d", status);
    }
    if (status == 0 || reason) {
        end->level = APLOG_NOTICE; /* the latter has said so itself, at error level */
    }
}

static int is_planned(const struct wsgi_minded *minded, int status)
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

void wsgi_end_read(struct wsgi_death *end, struct wsgi_minder *minder, int index, int status,
                   const struct rusage *usage)
{
    memset(end, 0, sizeof(*end));
    end->level = APLOG_ERR;
    end->peak = usage->ru_maxrss;
    end->is_planned = is_planned(&minder->minded[index], status);
    if (WIFSIGNALED(status)) {
        describe_signal(end, minder, index, status);
    } else {
        describe_exit(end, &minder->minded[index], WEXITSTATUS(status));
    }
    if (end->is_planned) {
        end->level = APLOG_INFO;
    }
}

void wsgi_end_tell(const struct wsgi_death *end, struct wsgi_minder *minder, int index)
{
    const struct wsgi_minded *minded = &minder->minded[index];
    char words[WSGI_SLOT_END_MAX];

    apr_snprintf(words, sizeof(words), "%s%s%s%s", end->how, minded->planned ? " (" : "",
                 minded->planned ? minded->planned : "", minded->planned ? ")" : "");
    wsgi_obituary_write(minder->slots, index, minded->pid, words);
}

/* ---- what it had done ---------------------------------------------------- */

apr_uint64_t wsgi_end_requests(const struct wsgi_minder *minder, int index)
{
    return wsgi_board_done(minder->slots->slot[index].board, epoch_of(minder, index));
}

int wsgi_end_is_of_work(const struct wsgi_minder *minder, int index)
{
    return minder->minded[index].ready &&
           wsgi_board_begun(minder->slots->slot[index].board, epoch_of(minder, index)) > 0;
}

/* ", 12 s old, 5 requests, 1 running, the last begun GET /path, at most 40 MiB". All but the age
 * is the process's own word, and not believed further than here. */
static void describe_life(char *text, size_t size, const struct wsgi_minder *minder, int index,
                          long peak, apr_time_t now)
{
    const struct wsgi_board *board = minder->slots->slot[index].board;
    uint32_t epoch = epoch_of(minder, index);
    apr_uint64_t done = wsgi_board_done(board, epoch);
    apr_uint64_t running = wsgi_board_begun(board, epoch) - done;
    apr_time_t age = now - minder->minded[index].born + apr_time_from_msec(500);
    char last[WSGI_BOARD_TEXT];
    size_t used;

    used = (size_t)apr_snprintf(text, size, "%ld s old, %" APR_UINT64_T_FMT " requests",
                                (long)apr_time_sec(age), done);
    if (running > 0 && running <= (apr_uint64_t)minder->slots->threads) {
        used += (size_t)apr_snprintf(text + used, size - used, ", %d running", (int)running);
    }
    if (wsgi_board_last(board, epoch, last, sizeof(last))) {
        used += (size_t)apr_snprintf(text + used, size - used, ", the last begun %s", last);
    }
    if (peak > 0) {
        apr_snprintf(text + used, size - used, ", at most %ld MiB of memory", (peak + 1023) / 1024);
    }
}

/* ---- the lines ----------------------------------------------------------- */

/* What Python's fault handler wrote, line by line. */
static void log_crash(const struct wsgi_minder *minder, int index)
{
    const struct wsgi_slot *slot = &minder->slots->slot[index];
    char text[WSGI_BOARD_CRASH];
    char *save = NULL;
    char *line;

    if (!wsgi_board_crash(slot->board, epoch_of(minder, index), text, sizeof(text))) {
        return;
    }
    for (line = strtok_r(text, "\n", &save); line; line = strtok_r(NULL, "\n", &save)) {
        ap_log_error(APLOG_MARK, APLOG_ERR, 0, minder->group->server,
                     "daemon group '%s': process %d crashed: %s", minder->group->name,
                     (int)minder->minded[index].pid, line);
    }
}

void wsgi_end_log(const struct wsgi_death *end, const struct wsgi_minder *minder, int index,
                  const char *next, apr_time_t now)
{
    const struct wsgi_minded *minded = &minder->minded[index];
    char life[WSGI_BOARD_TEXT + 128];

    describe_life(life, sizeof(life), minder, index, end->peak, now);
    log_crash(minder, index);
    if (end->is_planned) {
        ap_log_error(APLOG_MARK, end->level, 0, minder->group->server,
                     "daemon group '%s': process %d %s as planned (%s), %s%s", minder->group->name,
                     (int)minded->pid, end->how, minded->planned, life, next);
    } else {
        ap_log_error(APLOG_MARK, end->level, 0, minder->group->server,
                     "daemon group '%s': process %d %s%s%s%s%s, %s%s", minder->group->name,
                     (int)minded->pid, end->how, minded->failed ? " before it was ready" : "",
                     minded->planned ? " (it was to end: " : "",
                     minded->planned ? minded->planned : "", minded->planned ? ")" : "", life,
                     next);
    }
}

void wsgi_end_log_adopted(struct wsgi_minder *minder, int index, apr_time_t now)
{
    const struct wsgi_minded *minded = &minder->minded[index];
    char life[WSGI_BOARD_TEXT + 128];

    wsgi_obituary_write(minder->slots, index, minded->pid,
                        "ended, and how is not known because its supervisor was replaced,");
    describe_life(life, sizeof(life), minder, index, 0, now);
    log_crash(minder, index);
    ap_log_error(APLOG_MARK, APLOG_INFO, 0, minder->group->server,
                 "daemon group '%s': process %d ended as planned (%s), %s", minder->group->name,
                 (int)minded->pid, minded->planned, life);
}
