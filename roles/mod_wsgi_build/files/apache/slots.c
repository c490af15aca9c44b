/* SPDX-License-Identifier: Apache-2.0 */
#include "slots.h"

#include "room.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include "apr_strings.h"
#include "descriptors.h"

#define WSGI_CELL_LINE (64 / sizeof(struct wsgi_cell)) /* cells in a cache line */
#define WSGI_SPARE_MIN 3 /* slots beyond those of the live processes */

/* ---- making the table ---------------------------------------------------- */

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
    wsgi_room_init(slots);
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
    slots->room = group->listen_backlog < 1               ? 1
                  : group->listen_backlog > WSGI_ROOM_MAX ? WSGI_ROOM_MAX
                                                          : group->listen_backlog;
    slots->seat_count = wsgi_room_seats(slots->room);
    slots->connect_timeout = apr_time_from_sec(group->connect_timeout);
    slots->crowd = INT_MAX;
    /* With a UNIX socket the sender's buffer holds what the other end has not read. */
    slots->send_buffer = (int)group->receive_buffer_size;
    slots->owner_uid = geteuid();
    slots->owner_pid = getpid();
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

/* ---- permits ------------------------------------------------------------- */

static uint32_t seconds_now(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC_COARSE, &now);
    return (uint32_t)now.tv_sec;
}

static int take_cell(struct wsgi_slots *slots, int index, int32_t holder,
                     struct wsgi_permit *permit)
{
    struct wsgi_slot *slot = &slots->slot[index];
    int i;

    for (i = 0; i < slots->threads; i++) {
        struct wsgi_cell *cell = &slot->cells[i];
        int32_t nobody = 0;

        if (atomic_load_explicit(&cell->holder, memory_order_relaxed) == 0 &&
            atomic_compare_exchange_strong(&cell->holder, &nobody, holder)) {
            atomic_store_explicit(&cell->since, seconds_now(), memory_order_relaxed);
            permit->slot = index;
            permit->cell = i;
            atomic_fetch_add(&slot->shared->in_flight, 1);
            return 1;
        }
    }
    return 0;
}

/* How busy a slot is; UINT32_MAX when it is none to be taken. */
static uint32_t load_of(const struct wsgi_slots *slots, int index, int avoid,
                        const unsigned char *tried)
{
    const struct wsgi_slot_shared *slot = slots->slot[index].shared;

    if (index == avoid || tried[index] || atomic_load(&slot->state) != WSGI_SLOT_READY) {
        return UINT32_MAX;
    }
    return atomic_load_explicit(&slot->in_flight, memory_order_relaxed);
}

/* The least busy READY slot that is not in `tried`, -1: none. Those that are equally busy take
 * turns. */
static int least_busy(const struct wsgi_slots *slots, int avoid, uint32_t turn,
                      const unsigned char *tried)
{
    uint32_t best_load = UINT32_MAX;
    uint32_t equals = 0;
    int best = -1;
    int i;

    for (i = 0; i < slots->count; i++) {
        uint32_t load = load_of(slots, i, avoid, tried);

        equals = load < best_load ? 1 : equals + (load == best_load);
        best_load = load < best_load ? load : best_load;
    }
    if (best_load == UINT32_MAX) {
        return -1;
    }
    turn %= equals;
    for (i = 0; i < slots->count; i++) {
        uint32_t load = load_of(slots, i, avoid, tried);

        if (load == UINT32_MAX) {
            continue;
        }
        if (best < 0) {
            best = i; /* unless a better one follows; loads change while we look */
        }
        if (load <= best_load) {
            best = i;
            if (turn-- == 0) {
                break;
            }
        }
    }
    return best;
}

/* Never below 0: the hint may have been corrected meanwhile. */
static void one_less(_Atomic uint32_t *hint)
{
    uint32_t count = atomic_load(hint);

    while (count > 0 && !atomic_compare_exchange_weak(hint, &count, count - 1)) {
    }
}

static int is_ready(const struct wsgi_slots *slots, int index)
{
    return index >= 0 && index < slots->count &&
           atomic_load(&slots->slot[index].shared->state) == WSGI_SLOT_READY;
}

enum wsgi_take wsgi_slots_take(struct wsgi_slots *slots, int avoid, int32_t holder,
                               struct wsgi_permit *permit)
{
    unsigned char tried[slots->count];
    uint32_t turn = atomic_load_explicit(&slots->shared->turn, memory_order_relaxed);
    enum wsgi_take answer = is_ready(slots, avoid) ? WSGI_TAKE_AVOIDED : WSGI_TAKE_NOBODY;
    int index;

    memset(tried, 0, sizeof(tried));
    while ((index = least_busy(slots, avoid, turn, tried)) >= 0) {
        tried[index] = 1;
        if (!take_cell(slots, index, holder, permit)) {
            answer = WSGI_TAKE_BUSY;
            continue;
        }
        /* The supervisor first stops a slot, then looks for permits; we do it the other way
         * round, so that one of us sees the other. */
        if (is_ready(slots, index)) {
            return WSGI_TAKE_OK;
        }
        wsgi_slots_put_back(slots, permit);
    }
    return answer;
}

/* The supervisor waits for the last request of a process that drains. Should the bell fail, it
 * looks each second, too. */
static void ring_if_draining(const struct wsgi_slots *slots, const struct wsgi_slot *slot)
{
    uint64_t one = 1;

    if (atomic_load(&slot->shared->state) == WSGI_SLOT_DRAINING) {
        ssize_t done = write(slots->bell, &one, sizeof(one));

        (void)done;
    }
}

void wsgi_slots_put_back(struct wsgi_slots *slots, const struct wsgi_permit *permit)
{
    struct wsgi_slot *slot = &slots->slot[permit->slot];

    one_less(&slot->shared->in_flight);
    atomic_store(&slot->cells[permit->cell].holder, 0);
    ring_if_draining(slots, slot);
}

void wsgi_slots_release(struct wsgi_slots *slots, const struct wsgi_permit *permit)
{
    wsgi_slots_put_back(slots, permit);
    atomic_fetch_add_explicit(&slots->shared->turn, 1, memory_order_relaxed);
    wsgi_room_serve(slots);
}

int wsgi_slots_have(const struct wsgi_slots *slots, enum wsgi_slot_state state)
{
    int i;

    for (i = 0; i < slots->count; i++) {
        if (atomic_load(&slots->slot[i].shared->state) == (uint32_t)state) {
            return 1;
        }
    }
    return 0;
}

/* ---- requests that were given up ----------------------------------------- */

void wsgi_slots_note(struct wsgi_slots *slots, const struct wsgi_permit *permit, uint32_t epoch,
                     uint32_t connection, uint32_t sequence)
{
    struct wsgi_cell *cell = &slots->slot[permit->slot].cells[permit->cell];

    atomic_store_explicit(&cell->epoch, epoch, memory_order_relaxed);
    atomic_store_explicit(&cell->connection, connection, memory_order_relaxed);
    atomic_store_explicit(&cell->sequence, sequence, memory_order_release);
}

/* The connection may be another one by now, with a request of its own. */
static int goes_on(const struct wsgi_slot *slot, const struct wsgi_cell *cell)
{
    uint32_t connection = atomic_load(&cell->connection);
    uint32_t epoch = atomic_load(&cell->epoch);

    return atomic_load(&slot->shared->state) != WSGI_SLOT_DEAD &&
           atomic_load(&slot->shared->epoch) == epoch &&
           wsgi_board_is_busy(slot->board, epoch, connection) &&
           wsgi_board_started(slot->board, epoch, connection, atomic_load(&cell->sequence));
}

/* 1 when the cell was this holder's until now. */
static int turn_over(struct wsgi_slots *slots, struct wsgi_slot *slot, struct wsgi_cell *cell,
                     int32_t holder)
{
    int32_t given_up = -(int32_t)atomic_load(&cell->connection) - 1;

    int goes = goes_on(slot, cell);

    if (!atomic_compare_exchange_strong(&cell->holder, &holder, goes ? given_up : 0)) {
        return 0;
    }
    if (goes) {
        atomic_fetch_add(&slots->shared->given_up, 1);
    } else {
        one_less(&slot->shared->in_flight);
    }
    return 1;
}

void wsgi_slots_give_up(struct wsgi_slots *slots, const struct wsgi_permit *permit)
{
    struct wsgi_slot *slot = &slots->slot[permit->slot];
    struct wsgi_cell *cell = &slot->cells[permit->cell];

    turn_over(slots, slot, cell, (int32_t)slots->self);
    wsgi_slots_free_ended(slots); /* it may have ended just now */
    ring_if_draining(slots, slot);
    wsgi_room_serve(slots);
}

static int free_ended_of(struct wsgi_slots *slots, struct wsgi_slot *slot, int *freed)
{
    int left = 0;
    int i;

    for (i = 0; i < slots->threads; i++) {
        int32_t holder = atomic_load(&slot->cells[i].holder);

        if (holder >= 0) {
            continue;
        }
        if (goes_on(slot, &slot->cells[i])) {
            left++;
        } else if (atomic_compare_exchange_strong(&slot->cells[i].holder, &holder, 0)) {
            one_less(&slot->shared->in_flight);
            one_less(&slots->shared->given_up);
            ++*freed;
        }
    }
    return left;
}

int wsgi_slots_free_ended(struct wsgi_slots *slots)
{
    int freed = 0;
    int left = 0;
    int i;

    if (atomic_load(&slots->shared->given_up) == 0) {
        return 0;
    }
    for (i = 0; i < slots->count; i++) {
        left += free_ended_of(slots, &slots->slot[i], &freed);
    }
    if (freed) {
        wsgi_room_serve(slots);
    }
    return left;
}

/* ---- supervisor ---------------------------------------------------------- */

void wsgi_slots_hear(const struct wsgi_slots *slots)
{
    uint64_t count;

    while (read(slots->bell, &count, sizeof(count)) < 0 && errno == EINTR) {
    }
}

uint32_t wsgi_slots_next_epoch(struct wsgi_slots *slots)
{
    return atomic_fetch_add(&slots->shared->last_epoch, 1) + 1;
}

void wsgi_slots_set_state(struct wsgi_slots *slots, int index, enum wsgi_slot_state state)
{
    atomic_store(&slots->slot[index].shared->state, (uint32_t)state);
    wsgi_room_serve(slots);
}

/* Workers with a request: `waited_for` counts those of living clients only. */
static int count_cells(const struct wsgi_slots *slots, int index, int waited_for)
{
    int taken = 0;
    int i;

    for (i = 0; i < slots->threads; i++) {
        int32_t holder = atomic_load(&slots->slot[index].cells[i].holder);

        taken += waited_for ? holder > 0 : holder != 0;
    }
    return taken;
}

int wsgi_slots_idle(const struct wsgi_slots *slots, int index)
{
    return count_cells(slots, index, 1) == 0;
}

/* Ended, whether or not its parent has noticed it. */
int wsgi_slots_is_gone(int32_t pid)
{
    char path[64];
    char text[512];
    const char *state;
    ssize_t got;
    int fd;

    if (kill((pid_t)pid, 0) < 0) {
        return errno == ESRCH;
    }
    snprintf(path, sizeof(path), "/proc/%ld/stat", (long)pid);
    fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0) {
        return 0;
    }
    got = read(fd, text, sizeof(text) - 1);
    close(fd);
    text[got > 0 ? got : 0] = '\0';
    state = strrchr(text, ')'); /* the name before it may hold anything */
    return state && state[1] && (state[2] == 'Z' || state[2] == 'X');
}

static int reclaim_slot(struct wsgi_slots *slots, int index)
{
    struct wsgi_slot *slot = &slots->slot[index];
    uint32_t load = atomic_load(&slot->shared->in_flight);
    int freed = 0;
    int i;

    for (i = 0; i < slots->threads; i++) {
        int32_t pid = atomic_load(&slot->cells[i].holder);

        if (pid > 0 && wsgi_slots_is_gone(pid)) {
            freed += turn_over(slots, slot, &slot->cells[i], pid);
        }
    }
    /* Loses against a child that is just changing it: then the next second is soon enough. */
    atomic_compare_exchange_strong(&slot->shared->in_flight, &load,
                                   (uint32_t)count_cells(slots, index, 0));
    return freed;
}

int wsgi_slots_reclaim(struct wsgi_slots *slots)
{
    int freed = 0;
    int i;

    for (i = 0; i < slots->count; i++) {
        freed += reclaim_slot(slots, i);
    }
    wsgi_room_reclaim(slots);
    wsgi_room_serve(slots);
    return freed;
}

/* ---- for log lines ------------------------------------------------------- */

static void count_slot(const struct wsgi_slots *slots, int index, struct wsgi_slots_census *census)
{
    uint32_t now = seconds_now();
    int i;

    census->taken += count_cells(slots, index, 0);
    for (i = 0; i < slots->threads; i++) {
        const struct wsgi_cell *cell = &slots->slot[index].cells[i];
        int age = (int)(now - atomic_load(&cell->since));

        if (atomic_load(&cell->holder) != 0 && age > census->longest) {
            census->longest = age;
        }
    }
}

void wsgi_slots_count(const struct wsgi_slots *slots, struct wsgi_slots_census *census)
{
    int i;

    memset(census, 0, sizeof(*census));
    for (i = 0; i < slots->count; i++) {
        census->given_up += count_cells(slots, i, 0) - count_cells(slots, i, 1);
        switch (atomic_load(&slots->slot[i].shared->state)) {
        case WSGI_SLOT_READY:
            census->ready++;
            count_slot(slots, i, census);
            break;
        case WSGI_SLOT_STARTING:
            census->starting++;
            break;
        case WSGI_SLOT_DRAINING:
            census->draining++;
            break;
        case WSGI_SLOT_HELD:
            census->held++;
            break;
        default:
            break;
        }
    }
    census->waiting = wsgi_room_count(slots);
}
