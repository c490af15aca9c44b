/* SPDX-License-Identifier: Apache-2.0 */
#include "pool.h"

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>
#include <unistd.h>

#include "ap_mpm.h"
#include "apr_strings.h"
#include "clocks.h"

#define WSGI_IDLE_LIMIT apr_time_from_sec(60) /* an idle connection is closed after it */
#define WSGI_IDLE_TRUST apr_time_from_sec(1)  /* up to it, no look whether it is still open */
#define WSGI_IDLE_SWEEP apr_time_from_sec(1)
#define WSGI_IDLE_MOST 512                      /* connections of one child, at most */
#define WSGI_WELCOME_LEAST apr_time_from_sec(1) /* also with connect-timeout=0 */
#define WSGI_WELCOME_SLICE 20 /* ms between two looks whether the process still lives */

struct wsgi_pool {
    struct wsgi_pools *all;
    const struct wsgi_slot_shared *slot;
    pthread_mutex_t lock;
    struct wsgi_connection *idle; /* last used first */
    _Atomic apr_time_t oldest;    /* idle_since of the last one, 0: none; a hint */
};

/* Lives in the child's pool. */
struct wsgi_pools {
    apr_array_header_t *list; /* struct wsgi_pool * */
    _Atomic int idle;         /* connections in all of them */
    int most;                 /* of these */
    _Atomic apr_time_t swept;
};

/* An eighth of what this process may open: the rest is for clients, files, other modules. */
static int most_idle(void)
{
    struct rlimit limit;
    int threads = 1;
    int most;

    ap_mpm_query(AP_MPMQ_MAX_THREADS, &threads);
    if (getrlimit(RLIMIT_NOFILE, &limit) != 0 || limit.rlim_cur > WSGI_IDLE_MOST * 8) {
        return WSGI_IDLE_MOST;
    }
    most = (int)(limit.rlim_cur / 8);
    return most > threads ? most : threads;
}

struct wsgi_pools *wsgi_pools_create(apr_pool_t *pool)
{
    struct wsgi_pools *made = apr_pcalloc(pool, sizeof(*made));

    made->list = apr_array_make(pool, 16, sizeof(struct wsgi_pool *));
    made->most = most_idle();
    return made;
}

struct wsgi_pool *wsgi_pool_create(struct wsgi_pools *pools, const struct wsgi_slot_shared *slot)
{
    struct wsgi_pool *made = apr_pcalloc(pools->list->pool, sizeof(*made));

    made->all = pools;
    made->slot = slot;
    pthread_mutex_init(&made->lock, NULL);
    APR_ARRAY_PUSH(pools->list, struct wsgi_pool *) = made;
    return made;
}

void wsgi_connection_close(struct wsgi_connection *connection)
{
    wsgi_channel_close(&connection->channel);
    free(connection);
}

static void close_list(struct wsgi_connection *list)
{
    while (list) {
        struct wsgi_connection *next = list->next;

        wsgi_connection_close(list);
        list = next;
    }
}

/* ---- idle connections ---------------------------------------------------- */

static int still_good(const struct wsgi_connection *connection, uint32_t epoch)
{
    char byte;

    if (connection->epoch != epoch || connection->sequence == UINT32_MAX) {
        return 0;
    }
    if (wsgi_clock_now() - connection->idle_since < WSGI_IDLE_TRUST) {
        return 1;
    }
    return recv(connection->channel.fd, &byte, 1, MSG_PEEK | MSG_DONTWAIT) < 0 &&
           (errno == EAGAIN || errno == EWOULDBLOCK);
}

static struct wsgi_connection *take_idle(struct wsgi_pool *pool, uint32_t epoch)
{
    struct wsgi_connection *connection;

    for (;;) {
        pthread_mutex_lock(&pool->lock);
        connection = pool->idle;
        if (connection) {
            pool->idle = connection->next;
            atomic_fetch_sub(&pool->all->idle, 1);
        }
        if (!pool->idle) {
            atomic_store(&pool->oldest, 0);
        }
        pthread_mutex_unlock(&pool->lock);
        if (!connection || still_good(connection, epoch)) {
            return connection;
        }
        wsgi_connection_close(connection);
    }
}

/* Cuts off the tail of those that were idle before `since`; all of them when they lead to a former
 * process. */
static void cut(struct wsgi_pool *pool, apr_time_t since)
{
    uint32_t epoch = atomic_load(&pool->slot->epoch);
    struct wsgi_connection **link = &pool->idle;
    struct wsgi_connection *expired;
    apr_time_t oldest = 0;
    int count = 0;

    pthread_mutex_lock(&pool->lock);
    while (*link && (*link)->epoch == epoch && (*link)->idle_since > since) {
        oldest = (*link)->idle_since;
        link = &(*link)->next;
    }
    expired = *link;
    *link = NULL;
    atomic_store(&pool->oldest, oldest);
    pthread_mutex_unlock(&pool->lock);
    for (struct wsgi_connection *each = expired; each; each = each->next) {
        count++;
    }
    atomic_fetch_sub(&pool->all->idle, count);
    close_list(expired);
}

/* Closes what nobody has used for long, in all pools, once a second. */
static void sweep(struct wsgi_pools *pools, apr_time_t now)
{
    apr_time_t swept = atomic_load(&pools->swept);
    int i;

    if (now - swept < WSGI_IDLE_SWEEP ||
        !atomic_compare_exchange_strong(&pools->swept, &swept, now)) {
        return;
    }
    for (i = 0; i < pools->list->nelts; i++) {
        cut(APR_ARRAY_IDX(pools->list, i, struct wsgi_pool *), now - WSGI_IDLE_LIMIT);
    }
}

/* Closes the longest idle ones until at most so many are left. */
static void shrink(struct wsgi_pools *pools, int most)
{
    while (atomic_load(&pools->idle) > most) {
        struct wsgi_pool *worst = NULL;
        apr_time_t oldest = 0;
        int i;

        for (i = 0; i < pools->list->nelts; i++) {
            struct wsgi_pool *pool = APR_ARRAY_IDX(pools->list, i, struct wsgi_pool *);
            apr_time_t since = atomic_load(&pool->oldest);

            if (since && (!worst || since < oldest)) {
                worst = pool;
                oldest = since;
            }
        }
        if (!worst) {
            return;
        }
        cut(worst, oldest);
    }
}

static void put_idle(struct wsgi_pool *pool, struct wsgi_connection *connection, apr_time_t now)
{
    connection->idle_since = now;
    pthread_mutex_lock(&pool->lock);
    connection->next = pool->idle;
    pool->idle = connection;
    if (!connection->next) {
        atomic_store(&pool->oldest, now);
    }
    atomic_fetch_add(&pool->all->idle, 1);
    pthread_mutex_unlock(&pool->lock);
}

void wsgi_pool_put(const struct wsgi_slots *slots, int index, struct wsgi_connection *connection)
{
    const struct wsgi_slot *slot = &slots->slot[index];
    uint32_t epoch = atomic_load(&slot->shared->epoch);
    apr_time_t now = wsgi_clock_now();

    if (connection->epoch != epoch || wsgi_channel_buffered(&connection->channel) ||
        connection->channel.passed >= 0 || atomic_load(&slot->shared->state) != WSGI_SLOT_READY) {
        wsgi_connection_close(connection);
        return;
    }
    wsgi_channel_trim(&connection->channel);
    put_idle(slot->pool, connection, now);
    sweep(slot->pool->all, now);
    shrink(slot->pool->all, slot->pool->all->most);
}

/* ---- a new connection ---------------------------------------------------- */

/* Why this process may not connect. */
static const char *remedy(apr_pool_t *p, const struct wsgi_slots *slots)
{
    uid_t self = geteuid();

    if (self == slots->client_uid) {
        return "the user of the Apache processes needs search permission on all directories above "
               "it";
    }
    return apr_psprintf(p,
                        "it is for user id %lu, and this Apache process has become user id %lu (as "
                        "AssignUserID of mpm_itk does): "
                        "send its requests to a process group with socket-user=#%lu",
                        (unsigned long)slots->client_uid, (unsigned long)self, (unsigned long)self);
}

static enum wsgi_connect connect_error(apr_pool_t *p, const struct wsgi_slots *slots,
                                       const struct wsgi_slot *slot, int code, const char **why)
{
    *why = apr_psprintf(p, "cannot connect to the daemon socket %s: %s (errno %d)%s%s", slot->path,
                        strerror(code), code, code == EACCES ? "; " : "",
                        code == EACCES ? remedy(p, slots) : "");
    switch (code) {
    case EAGAIN: /* the backlog is full */
    case ECONNREFUSED:
    case EINTR:
    case ETIMEDOUT:
    case EMFILE: /* a moment later there may be one */
    case ENFILE:
        return WSGI_CONNECT_RETRY;
    default:
        return WSGI_CONNECT_FAILED;
    }
}

/* The kernel reports who called listen(): the Apache parent, nobody else. */
static int peer_is_ours(const struct wsgi_slots *slots, int fd)
{
    struct ucred peer;
    socklen_t size = sizeof(peer);

    return getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &size) == 0 &&
           peer.uid == slots->owner_uid && peer.pid == slots->owner_pid;
}

/* When this process may open no more, connections that nobody uses go first. */
static int new_socket(struct wsgi_pools *pools)
{
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

    if (fd < 0 && (errno == EMFILE || errno == ENFILE)) {
        shrink(pools, atomic_load(&pools->idle) / 2);
        fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    }
    return fd;
}

static enum wsgi_connect open_socket(const struct wsgi_slots *slots, const struct wsgi_slot *slot,
                                     apr_pool_t *p, int *made, const char **why)
{
    struct timeval second = {.tv_sec = 1};
    struct sockaddr_un address;
    int fd = new_socket(slot->pool->all);
    int block = 0;

    if (fd < 0) {
        return connect_error(p, slots, slot, errno, why);
    }
    memset(&address, 0, sizeof(address));
    address.sun_family = AF_UNIX;
    apr_cpystrn(address.sun_path, slot->path, sizeof(address.sun_path));
    if ((slots->send_buffer > 0 && setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &slots->send_buffer,
                                              sizeof(slots->send_buffer)) < 0) ||
        connect(fd, (struct sockaddr *)&address, sizeof(address)) < 0 ||
        ioctl(fd, FIONBIO, &block) < 0 ||
        setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &second, sizeof(second)) < 0) {
        int code = errno;

        close(fd);
        return connect_error(p, slots, slot, code, why);
    }
    if (!peer_is_ours(slots, fd)) {
        close(fd);
        *why = apr_psprintf(p, "the daemon socket %s belongs to a foreign process", slot->path);
        return WSGI_CONNECT_FAILED;
    }
    *made = fd;
    return WSGI_CONNECT_OK;
}

static enum wsgi_io send_hello(const struct wsgi_slots *slots, struct wsgi_connection *connection)
{
    unsigned char bytes[WSGI_FRAME_HEAD_SIZE + WSGI_HELLO_SIZE];
    struct wsgi_frame frame = {.length = WSGI_HELLO_SIZE, .type = WSGI_FRAME_HELLO};
    struct wsgi_hello hello = {.version = WSGI_WIRE_VERSION, .epoch = connection->epoch};
    struct iovec vector = {.iov_base = bytes, .iov_len = sizeof(bytes)};
    int count = 1;

    memcpy(hello.secret, slots->secret, sizeof(hello.secret));
    wsgi_frame_encode(&frame, bytes);
    wsgi_hello_encode(&hello, bytes + WSGI_FRAME_HEAD_SIZE);
    return wsgi_channel_send(&connection->channel, &vector, &count);
}

/* The listener outlives its process, so that a connection made to a dead one waits in the queue and
 * nobody comes for it; nor does a process that drains because it has lost its listener. */
static int may_be_welcomed(const struct wsgi_slot *slot, uint32_t epoch)
{
    return atomic_load(&slot->shared->state) == WSGI_SLOT_READY &&
           atomic_load(&slot->shared->epoch) == epoch;
}

static enum wsgi_io await_frame(const struct wsgi_slots *slots, const struct wsgi_slot *slot,
                                struct wsgi_connection *connection, struct wsgi_frame *frame)
{
    struct wsgi_channel *channel = &connection->channel;
    struct pollfd look = {.fd = channel->fd, .events = POLLIN};
    apr_time_t begin = wsgi_clock_now();
    enum wsgi_io answer = WSGI_IO_AGAIN;
    apr_interval_time_t limit =
        slots->connect_timeout > WSGI_WELCOME_LEAST ? slots->connect_timeout : WSGI_WELCOME_LEAST;

    while (answer == WSGI_IO_AGAIN && wsgi_clock_now() - begin < limit) {
        if (poll(&look, 1, WSGI_WELCOME_SLICE) > 0) {
            answer = wsgi_channel_fill(channel, WSGI_FRAME_HEAD_SIZE, 0);
            if (answer == WSGI_IO_OK) {
                answer = wsgi_channel_next(channel, frame);
            }
        } else if (!may_be_welcomed(slot, connection->epoch)) {
            return WSGI_IO_EOF;
        }
    }
    return answer;
}

static enum wsgi_io await_welcome(const struct wsgi_slots *slots, const struct wsgi_slot *slot,
                                  struct wsgi_connection *connection)
{
    struct wsgi_channel *channel = &connection->channel;
    struct wsgi_frame frame;
    enum wsgi_io answer = await_frame(slots, slot, connection, &frame);

    if (answer != WSGI_IO_OK) {
        return answer;
    }
    if (frame.type == WSGI_FRAME_REJECT) {
        return WSGI_IO_EOF; /* it has no room for another connection */
    }
    if (frame.type != WSGI_FRAME_WELCOME || frame.aux >= WSGI_BOARD_CONNECTIONS ||
        wsgi_channel_buffered(channel) || channel->passed >= 0) {
        channel->fault = "no proper WELCOME";
        return WSGI_IO_ROGUE;
    }
    connection->index = frame.aux;
    return WSGI_IO_OK;
}

static enum wsgi_connect greet(const struct wsgi_slots *slots, const struct wsgi_slot *slot,
                               struct wsgi_connection *connection, apr_pool_t *p, const char **why)
{
    enum wsgi_io answer = send_hello(slots, connection);

    if (answer == WSGI_IO_OK) {
        answer = await_welcome(slots, slot, connection);
    }
    switch (answer) {
    case WSGI_IO_OK:
        return WSGI_CONNECT_OK;
    case WSGI_IO_AGAIN:
        *why = "a daemon process did not accept the connection in time";
        return WSGI_CONNECT_RETRY;
    case WSGI_IO_EOF:
        *why = "a daemon process did not take another connection";
        return WSGI_CONNECT_RETRY;
    case WSGI_IO_ROGUE:
        *why = apr_psprintf(p, "a daemon process broke the rules: %s", connection->channel.fault);
        return WSGI_CONNECT_FAILED;
    default:
        *why = apr_psprintf(p, "cannot talk to a daemon process: %s", strerror(errno));
        return WSGI_CONNECT_FAILED;
    }
}

static enum wsgi_connect make_connection(const struct wsgi_slots *slots, int index, uint32_t epoch,
                                         apr_pool_t *p, struct wsgi_connection **made,
                                         const char **why)
{
    struct wsgi_connection *connection;
    enum wsgi_connect answer;
    int fd = -1;

    answer = open_socket(slots, &slots->slot[index], p, &fd, why);
    if (answer != WSGI_CONNECT_OK) {
        return answer;
    }
    connection = calloc(1, sizeof(*connection));
    if (!connection || wsgi_channel_open(&connection->channel, fd) < 0) {
        if (!connection) {
            close(fd);
        }
        free(connection);
        *why = "out of memory";
        return WSGI_CONNECT_FAILED;
    }
    connection->epoch = epoch;
    answer = greet(slots, &slots->slot[index], connection, p, why);
    if (answer != WSGI_CONNECT_OK) {
        wsgi_connection_close(connection);
        return answer;
    }
    *made = connection;
    return WSGI_CONNECT_OK;
}

enum wsgi_connect wsgi_pool_take(const struct wsgi_slots *slots, int index, apr_pool_t *p,
                                 struct wsgi_connection **connection, const char **why)
{
    uint32_t epoch = atomic_load(&slots->slot[index].shared->epoch);

    *connection = take_idle(slots->slot[index].pool, epoch);
    if (*connection) {
        return WSGI_CONNECT_OK;
    }
    return make_connection(slots, index, epoch, p, connection, why);
}
