/* SPDX-License-Identifier: Apache-2.0 */
/* What the daemon and its supervisor say to each other, on descriptor WSGI_FD_CONTROL. */
#include "serve.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "../wire/launch.h"
#include "../wire/note.h"
#include "metrics.h"
#include "script.h"
#include "stream.h"

#define TELL_PAUSE 200 /* milliseconds: what concerns each request is not told more often */

/* A control message about a script. */
struct note_message {
    struct wsgi_control head;
    unsigned char note[WSGI_NOTE_SIZE_MAX];
};

/* ---- what it is told ----------------------------------------------------- */

void wsgi_daemon_poke(struct wsgi_daemon *daemon)
{
    uint64_t one = 1;

    /* It can only fail when it is set already. */
    if (write(daemon->wake_main, &one, sizeof one) < 0)
        return;
}

void wsgi_daemon_note(struct wsgi_daemon *daemon, const char *reason)
{
    const char *none = NULL;

    __atomic_compare_exchange_n(&daemon->reason, &none, reason, 0, __ATOMIC_ACQ_REL,
                                __ATOMIC_ACQUIRE);
}

void wsgi_daemon_tell(uint32_t type, uint32_t why)
{
    struct wsgi_control message = {.type = type, .epoch = wsgi_process.settings.epoch, .why = why};

    if (wsgi_process.forked)
        return; /* the descriptor is something else there */
    if (send(WSGI_FD_CONTROL, &message, sizeof message, MSG_NOSIGNAL | MSG_DONTWAIT) < 0)
        wsgi_log(WSGI_LOG_DEBUG, NULL, "the supervisor cannot be told: %s", strerror(errno));
}

/* 1: it has been told, or need not be. */
static int was_told(int64_t *told)
{
    int64_t now = wsgi_clock_steady(), last = 0;

    if (told == NULL)
        return 0;
    last = __atomic_load_n(told, __ATOMIC_RELAXED);
    return (last != 0 && now - last < TELL_PAUSE) ||
           !__atomic_compare_exchange_n(told, &last, now, 0, __ATOMIC_RELAXED, __ATOMIC_RELAXED);
}

int wsgi_daemon_tell_note(uint32_t type, const struct wsgi_tidings *note, int64_t *told)
{
    struct note_message *message;
    size_t size;
    int result = -1;

    if (wsgi_process.forked || was_told(told))
        return 0;
    message = malloc(sizeof *message);
    size = message != NULL ? wsgi_note_encode(note, message->note) : 0;
    if (size > 0) {
        message->head = (struct wsgi_control){.type = type, .epoch = wsgi_process.settings.epoch};
        result = send(WSGI_FD_CONTROL, message, sizeof message->head + size,
                      MSG_NOSIGNAL | MSG_DONTWAIT) < 0
                     ? -1
                     : 0;
        if (result != 0)
            wsgi_log(WSGI_LOG_DEBUG, NULL, "the supervisor cannot be told about a script: %s",
                     strerror(errno));
    }
    free(message);
    return result;
}

void wsgi_daemon_leave(enum wsgi_why why)
{
    struct wsgi_daemon *daemon = wsgi_process.daemon;
    int none = WSGI_WHY_NONE;

    wsgi_daemon_note(daemon, wsgi_why_reason(why));
    if (__atomic_compare_exchange_n(&daemon->leaving, &none, (int)why, 0, __ATOMIC_ACQ_REL,
                                    __ATOMIC_ACQUIRE))
        wsgi_daemon_tell(WSGI_CONTROL_LEAVING, why);
    wsgi_daemon_poke(daemon); /* what it waits for may have changed */
}

void wsgi_daemon_refuse(void)
{
    __atomic_store_n(&wsgi_process.daemon->refusing, 1, __ATOMIC_RELEASE);
}

/* ---- what the supervisor says -------------------------------------------- */

/* An end of the server ends its daemons, which applications know as shutdown_signal. */
static void begin_drain(struct wsgi_daemon *daemon, const char *words, uint32_t why)
{
    wsgi_daemon_note(daemon, wsgi_why_reason(why));
    if (!__atomic_exchange_n(&daemon->draining, 1, __ATOMIC_ACQ_REL))
        wsgi_log(WSGI_LOG_INFO, NULL, "Process drains: %s.", words);
}

static void obey_stop(struct wsgi_daemon *daemon, uint32_t why)
{
    wsgi_daemon_note(daemon, wsgi_why_reason(why));
    __atomic_store_n(&daemon->stop_signal, -1, __ATOMIC_RELEASE);
}

/* Who is told to stay has to be told again that it would like to go. */
static void obey_keep(struct wsgi_daemon *daemon, const unsigned char *data, size_t size)
{
    struct wsgi_tidings note;
    int leaving;

    if (wsgi_note_decode(data, size, &note) != 0) {
        wsgi_log(WSGI_LOG_ERR, NULL, "a control message is malformed");
        return;
    }
    wsgi_script_keep(note.path, note.mtime);
    leaving = __atomic_load_n(&daemon->leaving, __ATOMIC_ACQUIRE);
    if (leaving != WSGI_WHY_NONE)
        wsgi_daemon_tell(WSGI_CONTROL_LEAVING, (uint32_t)leaving);
}

static void obey(struct wsgi_daemon *daemon, const struct note_message *message, size_t size,
                 int descriptor)
{
    const struct wsgi_control *head = &message->head;

    if (size < sizeof *head || head->epoch != wsgi_process.settings.epoch)
        wsgi_log(WSGI_LOG_ERR, NULL, "a control message is malformed");
    else if (head->type == WSGI_CONTROL_STOP)
        obey_stop(daemon, head->why);
    else if (head->type == WSGI_CONTROL_DRAIN)
        begin_drain(daemon, wsgi_why_words(head->why), head->why);
    else if (head->type == WSGI_CONTROL_SCORES)
        wsgi_metrics_take_scores(descriptor);
    else if (head->type == WSGI_CONTROL_KEEP)
        obey_keep(daemon, message->note, size - sizeof *head);
    else
        wsgi_log(WSGI_LOG_ERR, NULL, "a control message has unknown type %u", head->type);
}

/* The supervisor died. Another one takes over, starts a process in the place of this one and tells
 * it to stop by SIGTERM; until then it serves, unless httpd itself is gone. */
static void become_orphan(struct wsgi_daemon *daemon)
{
    daemon->orphaned = wsgi_clock_steady();
    begin_drain(daemon, "its supervisor is gone", WSGI_WHY_SHUTDOWN);
}

void wsgi_daemon_look_after_httpd(struct wsgi_daemon *daemon)
{
    pid_t server = (pid_t)wsgi_process.settings.server_pid;

    if (daemon->orphaned && server > 0 && kill(server, 0) != 0 && errno == ESRCH)
        obey_stop(daemon, WSGI_WHY_SHUTDOWN);
}

/* Receives a message; *descriptor is what came with it, -1: nothing. */
static ssize_t receive_control(void *message, size_t room, int flags, int *descriptor)
{
    struct iovec part = {message, room};
    union {
        char bytes[CMSG_SPACE(sizeof(int))];
        struct cmsghdr align;
    } ancillary;
    struct msghdr parts = {.msg_iov = &part,
                           .msg_iovlen = 1,
                           .msg_control = ancillary.bytes,
                           .msg_controllen = sizeof ancillary.bytes};
    ssize_t count = recvmsg(WSGI_FD_CONTROL, &parts, flags | MSG_CMSG_CLOEXEC);
    struct cmsghdr *given = count > 0 ? CMSG_FIRSTHDR(&parts) : NULL;

    *descriptor = -1;
    if (given != NULL && given->cmsg_level == SOL_SOCKET && given->cmsg_type == SCM_RIGHTS)
        memcpy(descriptor, CMSG_DATA(given), sizeof *descriptor);
    return count;
}

int wsgi_daemon_take_control(struct wsgi_daemon *daemon)
{
    struct note_message message;
    int descriptor;
    ssize_t count = receive_control(&message, sizeof message, MSG_DONTWAIT, &descriptor);

    if (count < 0 && (errno == EAGAIN || errno == EINTR))
        return 1;
    if (count <= 0) {
        become_orphan(daemon);
        wsgi_metrics_take_scores(-1);
        return 0;
    }
    obey(daemon, &message, (size_t)count, descriptor);
    return 1;
}

int wsgi_daemon_hear(int milliseconds)
{
    struct pollfd look = {WSGI_FD_CONTROL, POLLIN, 0};

    return poll(&look, 1, milliseconds) > 0 && wsgi_daemon_take_control(wsgi_process.daemon);
}

/* What another thread has asked for. */
static int is_scores(const struct wsgi_control *message)
{
    return message->type == WSGI_CONTROL_SCORES;
}

/* Whatever the supervisor says but SERVE, it means the end of a process that is not ready yet. */
int wsgi_daemon_ask(const struct wsgi_tidings *note)
{
    struct wsgi_control answer;
    int descriptor;
    ssize_t count;

    if (wsgi_daemon_tell_note(WSGI_CONTROL_UNLOADABLE, note, NULL) != 0)
        return 0;
    do {
        count = receive_control(&answer, sizeof answer, 0, &descriptor);
        if (descriptor >= 0 || (count == (ssize_t)sizeof answer && is_scores(&answer)))
            wsgi_metrics_take_scores(descriptor);
    } while ((count < 0 && errno == EINTR) ||
             (count == (ssize_t)sizeof answer && is_scores(&answer)));
    return count == (ssize_t)sizeof answer && answer.type == WSGI_CONTROL_SERVE ? 0 : -1;
}
