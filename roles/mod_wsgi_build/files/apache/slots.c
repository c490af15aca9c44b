/* SPDX-License-Identifier: Apache-2.0 */
#include "slots.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "apr_strings.h"
#include "descriptors.h"

#define WSGI_CELL_LINE (64 / sizeof(struct wsgi_cell)) /* cells in a cache line */
#define WSGI_SPARE_MIN 3 /* slots beyond those of the live processes */

static const char *system_error(apr_pool_t *pool, const char *what, const char *path)
{
    int code = errno;

    return apr_psprintf(pool, "%s%s%s: %s (errno %d)", what, path ? " " : "", path ? path : "",
                        strerror(code), code);
}

static size_t cells_in_row(int threads)
{
    return ((size_t)threads + WSGI_CELL_LINE - 1) / WSGI_CELL_LINE * WSGI_CELL_LINE;
}

/* One mapping: the group's words, the slots, a row of permit cells for each slot, the seats. */
static int map_table(struct wsgi_slots *slots)
{
    size_t row = cells_in_row(slots->threads) * sizeof(struct wsgi_cell);
    size_t count = (size_t)slots->count;
    size_t seats = (size_t)slots->seat_count * sizeof(struct wsgi_seat);
    struct wsgi_slot_shared *first;
    unsigned char *cells;
    void *memory;
    size_t i;

    slots->shared_size =
        sizeof(struct wsgi_group_shared) + count * (sizeof(struct wsgi_slot_shared) + row) + seats;
    memory =
        mmap(NULL, slots->shared_size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (memory == MAP_FAILED) {
        return -1;
    }
    slots->shared = memory;
    first = (struct wsgi_slot_shared *)(slots->shared + 1);
    cells = (unsigned char *)(first + count);
    for (i = 0; i < count; i++) {
        slots->slot[i].shared = first + i;
        slots->slot[i].cells = (struct wsgi_cell *)(void *)(cells + i * row);
    }
    slots->seats = (struct wsgi_seat *)(void *)(cells + count * row);
    return 0;
}

/* The seals keep a hostile daemon from shrinking what Apache has mapped (SIGBUS). */
static int make_board(struct wsgi_slot *slot)
{
    void *memory;

    slot->board_fd = memfd_create("wsgi-board", MFD_CLOEXEC | MFD_ALLOW_SEALING);
    if (slot->board_fd < 0 || ftruncate(slot->board_fd, (off_t)WSGI_BOARD_SIZE) < 0 ||
        fcntl(slot->board_fd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL) < 0) {
        return -1;
    }
    memory = mmap(NULL, WSGI_BOARD_SIZE, PROT_READ, MAP_SHARED, slot->board_fd, 0);
    if (memory == MAP_FAILED) {
        return -1;
    }
    slot->board = memory;
    return 0;
}

/* A leftover of an earlier server with the same pid and generation; anything else stays. */
static int remove_stale_socket(const char *path, uid_t owner)
{
    struct stat info;

    if (lstat(path, &info) < 0) {
        return errno == ENOENT ? 0 : -1;
    }
    if (!S_ISSOCK(info.st_mode) || (info.st_uid != owner && info.st_uid != geteuid())) {
        errno = EEXIST;
        return -1;
    }
    return unlink(path);
}

static int bind_socket(int fd, const struct sockaddr_un *address, uid_t owner)
{
    const struct sockaddr *generic = (const struct sockaddr *)address;
    mode_t mask = umask(0177); /* 0600 from the first moment on */
    int result = bind(fd, generic, sizeof(*address));

    if (result < 0 && errno == EADDRINUSE && remove_stale_socket(address->sun_path, owner) == 0) {
        result = bind(fd, generic, sizeof(*address));
    }
    umask(mask);
    return result;
}

/* What the options of the group say; 0 is the system's size. The system has a say, too: it doubles
 * the numbers, and has a lowest and a highest one. */
static int set_buffers(int fd, const struct wsgi_group *group)
{
    int out = (int)group->send_buffer_size;
    int in = (int)group->receive_buffer_size;

    if (out > 0 && setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &out, sizeof(out)) < 0) {
        return -1;
    }
    return in > 0 ? setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &in, sizeof(in)) : 0;
}

static const char *make_listener(apr_pool_t *pool, struct wsgi_slot *slot,
                                 const struct wsgi_group *group,
                                 const struct wsgi_supervisor_settings *settings)
{
    struct sockaddr_un address;
    size_t length = strlen(slot->path);

    memset(&address, 0, sizeof(address));
    address.sun_family = AF_UNIX;
    if (length >= sizeof(address.sun_path)) {
        return apr_psprintf(pool,
                            "the socket path %s has %" APR_SIZE_T_FMT " bytes, at most "
                            "%" APR_SIZE_T_FMT " are possible: give a shorter WSGISocketPrefix",
                            slot->path, length, sizeof(address.sun_path) - 1);
    }
    memcpy(address.sun_path, slot->path, length + 1);
    slot->listener = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (slot->listener < 0) {
        return system_error(pool, "cannot make a socket", NULL);
    }
    if (bind_socket(slot->listener, &address, group->socket_uid) < 0) {
        const char *error = system_error(pool, "cannot bind the socket", slot->path);

        close(slot->listener); /* the file, if there is one, is not ours to remove */
        slot->listener = -1;
        return error;
    }
    if (geteuid() == 0 && lchown(slot->path, group->socket_uid, settings->apache_gid) < 0) {
        return system_error(pool, "cannot change the owner of the socket", slot->path);
    }
    if (set_buffers(slot->listener, group) < 0) {
        return system_error(pool, "cannot set the buffer sizes of a socket", NULL);
    }
    /* Requests wait in the group's waiting room; whoever connects has a permit, and all of them
     * may connect at once. */
    if (listen(slot->listener, SOMAXCONN) < 0) {
        return system_error(pool, "cannot listen on the socket", slot->path);
    }
    return NULL;
}

static const char *make_slot(apr_pool_t *pool, struct wsgi_slot *slot,
                             const struct wsgi_group *group,
                             const struct wsgi_supervisor_settings *settings)
{
    if (make_board(slot) < 0) {
        return system_error(pool, "cannot make a board", NULL);
    }
    if (group->threads == 0) {
        return NULL; /* a service: nobody is to connect */
    }
    return make_listener(pool, slot, group, settings);
}

/* Who is shown out, and who is not served at once, needs a moment to get up. */
static int seats_for(int limit)
{
    return limit + limit / 4 + 16;
}

static int count_slots(const struct wsgi_group *group)
{
    return group->processes +
           (group->processes > WSGI_SPARE_MIN ? group->processes : WSGI_SPARE_MIN);
}

/* Bell, listeners, boards; control socket and log pipe of each process. */
long wsgi_slots_descriptors(const struct wsgi_group *group)
{
    return 1 + 4L * count_slots(group);
}

void wsgi_slots_move(struct wsgi_slots *slots, const struct rlimit *before)
{
    int i;

    slots->bell = wsgi_descriptors_move(slots->bell, before);
    for (i = 0; i < slots->count; i++) {
        slots->slot[i].listener = wsgi_descriptors_move(slots->slot[i].listener, before);
        slots->slot[i].board_fd = wsgi_descriptors_move(slots->slot[i].board_fd, before);
    }
}

static struct wsgi_slots *make_empty(apr_pool_t *pool, const struct wsgi_group *group)
{
    struct wsgi_slots *slots = apr_pcalloc(pool, sizeof(*slots));
    int i;

    slots->count = count_slots(group);
    slots->bell = -1;
    slots->threads = group->threads;
    /* The system lets one wait where listen() was told 0. */
    slots->room = group->listen_backlog < 1                  ? 1
                  : group->listen_backlog > WSGI_WAITING_MAX ? WSGI_WAITING_MAX
                                                             : group->listen_backlog;
    slots->seat_count = seats_for(slots->room);
    slots->connect_timeout = apr_time_from_sec(group->connect_timeout);
    slots->crowd = INT_MAX;
    /* With a UNIX socket the sender's buffer holds what the other end has not read. */
    slots->send_buffer = (int)group->receive_buffer_size;
    slots->owner_uid = geteuid();
    slots->owner_pid = getpid();
    slots->client_uid = group->socket_uid;
    slots->slot = apr_pcalloc(pool, sizeof(*slots->slot) * (apr_size_t)slots->count);
    for (i = 0; i < slots->count; i++) {
        slots->slot[i].board_fd = -1;
        slots->slot[i].listener = -1;
    }
    return slots;
}

/* Longer than that, a full name would not be sure to fit into sun_path. */
#define LONG_PREFIX 70

static const char *base36(apr_pool_t *pool, unsigned long number)
{
    char digits[16];
    char *at = digits + sizeof(digits);

    *--at = '\0';
    do {
        *--at = "0123456789abcdefghijklmnopqrstuvwxyz"[number % 36];
        number /= 36;
    } while (number > 0);
    return apr_pstrdup(pool, at);
}

const char *wsgi_slots_socket_stem(apr_pool_t *pool, const char *prefix, long pid, int generation)
{
    if (strlen(prefix) <= LONG_PREFIX)
        return apr_psprintf(pool, "%s.%ld.%d", prefix, pid, generation);
    return apr_pstrcat(pool, prefix, ".", base36(pool, (unsigned long)pid), ".",
                       base36(pool, (unsigned long)generation), NULL);
}

const char *wsgi_slots_socket_suffix(const char *prefix)
{
    return strlen(prefix) <= LONG_PREFIX ? ".sock" : "";
}

struct wsgi_slots *wsgi_slots_create(apr_pool_t *pool, const struct wsgi_group *group,
                                     int generation,
                                     const struct wsgi_supervisor_settings *settings,
                                     const char **error)
{
    struct wsgi_slots *slots = make_empty(pool, group);
    const char *stem =
        wsgi_slots_socket_stem(pool, settings->socket_prefix, (long)getpid(), generation);
    int i;

    *error = NULL;
    if (getrandom(slots->secret, sizeof(slots->secret), 0) != (ssize_t)sizeof(slots->secret)) {
        *error = system_error(pool, "cannot get random bytes", NULL);
    } else if (map_table(slots) < 0) {
        *error = system_error(pool, "cannot make shared memory", NULL);
    } else if ((slots->bell = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)) < 0) {
        *error = system_error(pool, "cannot make an event", NULL);
    }
    for (i = 0; i < slots->count && !*error; i++) {
        slots->slot[i].path = apr_psprintf(pool, "%s.%d.%d%s", stem, group->id, i,
                                           wsgi_slots_socket_suffix(settings->socket_prefix));
        *error = make_slot(pool, &slots->slot[i], group, settings);
    }
    if (*error) {
        wsgi_slots_unlink(slots);
        wsgi_slots_close(slots);
        wsgi_slots_unmap(slots);
        return NULL;
    }
    return slots;
}

int wsgi_slots_is_deaf(const struct wsgi_slots *slots, int index)
{
    struct pollfd look = {.fd = slots->slot[index].listener, .events = POLLIN};

    return look.fd >= 0 && poll(&look, 1, 0) > 0 && look.revents & POLLHUP;
}

void wsgi_slots_close(struct wsgi_slots *slots)
{
    int i;

    for (i = 0; i < slots->count; i++) {
        struct wsgi_slot *slot = &slots->slot[i];

        if (slot->listener >= 0) {
            close(slot->listener);
            slot->listener = -1;
        }
        if (slot->board_fd >= 0) {
            close(slot->board_fd);
            slot->board_fd = -1;
        }
    }
}

/* Only while the listeners are open: a path without one was never ours. */
void wsgi_slots_unlink(const struct wsgi_slots *slots)
{
    int i;

    for (i = 0; i < slots->count; i++) {
        if (slots->slot[i].listener >= 0) {
            unlink(slots->slot[i].path);
        }
    }
}

void wsgi_slots_unmap(struct wsgi_slots *slots)
{
    int i;

    for (i = 0; i < slots->count; i++) {
        if (slots->slot[i].board) {
            munmap((void *)(uintptr_t)slots->slot[i].board, WSGI_BOARD_SIZE);
            slots->slot[i].board = NULL;
        }
    }
    if (slots->shared) {
        munmap(slots->shared, slots->shared_size);
        slots->shared = NULL;
    }
    if (slots->bell >= 0) {
        close(slots->bell);
        slots->bell = -1;
    }
}
