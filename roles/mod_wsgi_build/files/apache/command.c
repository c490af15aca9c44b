/* SPDX-License-Identifier: Apache-2.0 */
#include "command.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "log.h"

#define WSGI_PATIENCE apr_time_from_sec(5) /* until a peer has said what it wants */
#define WSGI_PAUSE apr_time_from_sec(60)   /* between two lines about those who are refused */
#define WSGI_AT_ONCE 32                    /* connections that one round of the loop looks at */
#define WSGI_VERB "reload "

/* ---- the socket ---------------------------------------------------------- */

static int bind_to(int fd, const char *path)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    mode_t mask;
    int result;

    if (strlen(path) >= sizeof(address.sun_path)) {
        errno = ENAMETOOLONG;
        return -1;
    }
    strcpy(address.sun_path, path);
    unlink(path); /* of a supervisor that was killed; the name holds our parent's pid */
    mask = umask(0111);
    result = bind(fd, (const struct sockaddr *)&address, sizeof(address));
    umask(mask);
    return result;
}

void wsgi_command_open(struct wsgi_command *command, const char *path, server_rec *main_server,
                       struct wsgi_minder *minders, int count)
{
    int i;

    command->path = path;
    command->main_server = main_server;
    command->minders = minders;
    command->count = count;
    command->told = -WSGI_PAUSE;
    for (i = 0; i < WSGI_COMMAND_PEERS; i++) {
        command->peer[i].fd = -1;
    }
    command->listener = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (command->listener >= 0 &&
        (bind_to(command->listener, path) < 0 || listen(command->listener, 64) < 0)) {
        int error = errno;

        close(command->listener);
        command->listener = -1;
        errno = error;
    }
    if (command->listener < 0) {
        ap_log_error(APLOG_MARK, APLOG_WARNING, errno, main_server,
                     "there is no socket %s, so wsgi-reload cannot be used", path);
    }
}

static void hang_up(struct wsgi_command_peer *peer)
{
    close(peer->fd);
    peer->fd = -1;
}

void wsgi_command_close(struct wsgi_command *command)
{
    if (command->listener >= 0) {
        unlink(command->path);
        close(command->listener);
        command->listener = -1;
    }
}

/* ---- what is answered ---------------------------------------------------- */

/* The socket's buffer holds it; whoever does not read it does not get it. */
static void __attribute__((format(printf, 3, 0))) say(int fd, const char *more, const char *format,
                                                      va_list arguments)
{
    char line[WSGI_COMMAND_LINE + 256];
    int size = vsnprintf(line, sizeof(line) - 1, format, arguments);

    size = size < (int)sizeof(line) - 1 ? size : (int)sizeof(line) - 2;
    line[size++] = '\n';
    if (send(fd, line, (size_t)size, MSG_DONTWAIT | MSG_NOSIGNAL) == size && *more) {
        (void)!send(fd, more, strlen(more), MSG_DONTWAIT | MSG_NOSIGNAL);
    }
}

static void __attribute__((format(printf, 3, 4))) answer(struct wsgi_command_peer *peer,
                                                         const char *more, const char *format, ...)
{
    va_list arguments;

    va_start(arguments, format);
    say(peer->fd, more, format, arguments);
    va_end(arguments);
    hang_up(peer);
}

/* Anybody can make it happen, as often as he likes: one line a minute. */
static void tell_refusal(struct wsgi_command *command, uid_t uid, const char *why, apr_time_t now)
{
    if (now - command->told < WSGI_PAUSE) {
        command->untold++;
        return;
    }
    ap_log_error(APLOG_MARK, APLOG_WARNING, 0, command->main_server,
                 "wsgi-reload was refused to user id %lu: %s (%u more since the last such line, "
                 "which comes once a minute)",
                 (unsigned long)uid, why, command->untold);
    command->told = now;
    command->untold = 0;
}

static void refuse(struct wsgi_command *command, struct wsgi_command_peer *peer, const char *why,
                   apr_time_t now)
{
    tell_refusal(command, peer->uid, why, now);
    answer(peer, "", "refused: %s", why);
}

static void put_pids(const struct wsgi_minder *minder, char *text, size_t size)
{
    size_t used = 0;
    int i;

    *text = '\0';
    for (i = 0; i < minder->group->processes; i++) {
        int slot = minder->places[i].slot;

        if (slot >= 0 && minder->minded[slot].ready && used + 16 < size) {
            used +=
                (size_t)snprintf(text + used, size - used, " %d", (int)minder->minded[slot].pid);
        }
    }
}

static void answer_if_over(struct wsgi_command_peer *peer)
{
    const char *trouble = "";
    char pids[256];
    int succeeded = 0;

    if (peer->minder->closing) {
        answer(peer, "", "failed: the server stops or restarts");
    } else if (wsgi_renewal_is_over(peer->minder, peer->number, &succeeded, &trouble)) {
        put_pids(peer->minder, pids, sizeof(pids));
        if (succeeded) {
            answer(peer, "", "ok: the new code of group '%s' serves, processes%s",
                   peer->minder->group->name, pids);
        } else {
            answer(peer, trouble,
                   "failed: the new code of group '%s' cannot be loaded, the former "
                   "code serves, processes%s",
                   peer->minder->group->name, pids);
        }
    }
}

/* ---- what comes ---------------------------------------------------------- */

static int may_reload(uid_t uid, const struct wsgi_group *group)
{
    return uid == 0 || uid == group->uid;
}

static void obey(struct wsgi_command *command, struct wsgi_command_peer *peer, apr_time_t now)
{
    const char *name = peer->line + sizeof(WSGI_VERB) - 1;
    int i;

    if (strncmp(peer->line, WSGI_VERB, sizeof(WSGI_VERB) - 1) != 0) {
        refuse(command, peer, "only \"reload GROUP\" is understood", now);
        return;
    }
    for (i = 0; i < command->count; i++) {
        struct wsgi_minder *minder = &command->minders[i];

        if (strcmp(minder->group->name, name) == 0 && may_reload(peer->uid, minder->group)) {
            ap_log_error(APLOG_MARK, APLOG_INFO, 0, minder->group->server,
                         "daemon group '%s': user id %lu asks for its code to be loaded anew", name,
                         (unsigned long)peer->uid);
            peer->number = wsgi_renewal_request(minder, now);
            peer->minder = minder;
            return;
        }
    }
    /* The same words, so that nobody learns the names of others' groups. */
    refuse(command, peer, "there is no process group of that name that this user may reload", now);
}

static void hear(struct wsgi_command *command, struct wsgi_command_peer *peer, apr_time_t now)
{
    ssize_t got =
        recv(peer->fd, peer->line + peer->used, sizeof(peer->line) - peer->used, MSG_DONTWAIT);
    char *end;

    if (got < 0 && (errno == EAGAIN || errno == EINTR)) {
        return;
    }
    if (got <= 0 || peer->minder) { /* it left; or it goes on talking */
        hang_up(peer);
        return;
    }
    peer->used += (size_t)got;
    end = memchr(peer->line, '\n', peer->used);
    if (end && !memchr(peer->line, '\0', (size_t)(end - peer->line))) {
        *end = '\0';
        obey(command, peer, now);
    } else if (end) {
        refuse(command, peer, "a line of text was expected", now);
    } else if (peer->used == sizeof(peer->line)) {
        refuse(command, peer, "the line is too long", now);
    }
}

/* ---- who comes ----------------------------------------------------------- */

static int may_reload_any(const struct wsgi_command *command, uid_t uid)
{
    int i;

    for (i = 0; i < command->count; i++) {
        if (may_reload(uid, command->minders[i].group)) {
            return 1;
        }
    }
    return uid == 0;
}

static int count_places(const struct wsgi_command *command, uid_t uid)
{
    int count = 0;
    int i;

    for (i = 0; i < WSGI_COMMAND_PEERS; i++) {
        count += command->peer[i].fd >= 0 && command->peer[i].uid == uid;
    }
    return count;
}

/* A place that is free; for root also that of the user who came first: nobody keeps root out. */
static struct wsgi_command_peer *find_place(struct wsgi_command *command, uid_t uid)
{
    struct wsgi_command_peer *first = NULL;
    int i;

    for (i = 0; i < WSGI_COMMAND_PEERS; i++) {
        struct wsgi_command_peer *peer = &command->peer[i];

        if (peer->fd < 0) {
            return peer;
        }
        if (uid == 0 && peer->uid != 0 && (!first || peer->since < first->since)) {
            first = peer;
        }
    }
    if (first) {
        answer(first, "", "refused: root needs the place; the reload goes on if it had begun");
    }
    return first;
}

static void __attribute__((format(printf, 2, 3))) turn_away(int fd, const char *format, ...)
{
    va_list arguments;

    va_start(arguments, format);
    say(fd, "", format, arguments);
    va_end(arguments);
    close(fd);
}

/* Who may reload nothing gets no place, and not a byte of it is read. */
static void admit(struct wsgi_command *command, int fd, apr_time_t now)
{
    struct wsgi_command_peer *peer = NULL;
    struct ucred who;
    socklen_t size = sizeof(who);
    const char *why = "no process group is this user's";

    if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &who, &size) < 0) {
        close(fd);
        return;
    }
    if (may_reload_any(command, who.uid)) {
        why = "too many ask at once, try again later";
        if (who.uid == 0 || count_places(command, who.uid) < WSGI_COMMAND_PEERS_OF_ONE) {
            peer = find_place(command, who.uid);
        }
    }
    if (!peer) {
        tell_refusal(command, who.uid, why, now);
        turn_away(fd, "refused: %s (user id %lu)", why, (unsigned long)who.uid);
        return;
    }
    memset(peer, 0, sizeof(*peer));
    peer->fd = fd;
    peer->uid = who.uid;
    peer->since = now;
}

/* Several in one round, so that those who only knock do not hold up who has a right to come in;
 * not all, so that they do not hold up the supervisor. */
static void welcome(struct wsgi_command *command, apr_time_t now)
{
    int i;

    for (i = 0; i < WSGI_AT_ONCE; i++) {
        int fd = accept4(command->listener, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);

        if (fd < 0) {
            if (errno == EMFILE || errno == ENFILE || errno == ENOMEM || errno == ENOBUFS) {
                command->full_until = now + apr_time_from_sec(1);
            }
            return;
        }
        admit(command, fd, now);
    }
}

/* ---- the supervisor's loop ----------------------------------------------- */

void wsgi_command_watch(const struct wsgi_command *command, struct pollfd *polls)
{
    int i;

    for (i = 0; i < WSGI_COMMAND_POLLS; i++) {
        polls[i].fd = i ? command->peer[i - 1].fd : command->full_until ? -1 : command->listener;
        polls[i].events = POLLIN;
        polls[i].revents = 0;
    }
}

void wsgi_command_work(struct wsgi_command *command, const struct pollfd *polls, apr_time_t now)
{
    int i;

    for (i = 0; i < WSGI_COMMAND_PEERS; i++) {
        struct wsgi_command_peer *peer = &command->peer[i];

        if (peer->fd >= 0 && polls[i + 1].fd == peer->fd && polls[i + 1].revents) {
            hear(command, peer, now);
        }
        if (peer->fd >= 0 && peer->minder) {
            answer_if_over(peer);
        } else if (peer->fd >= 0 && now - peer->since > WSGI_PATIENCE) {
            hang_up(peer);
        }
    }
    if (now >= command->full_until) {
        command->full_until = 0; /* the supervisor looks each second at least */
    }
    if (polls[0].revents && command->listener >= 0) {
        welcome(command, now);
    }
}
