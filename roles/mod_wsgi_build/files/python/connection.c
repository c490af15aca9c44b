/* SPDX-License-Identifier: Apache-2.0 */
/* Connections of fronts: ownership, receiving, sending. */
#include "compat.h"

#include "connection.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "serve.h"
#include "stream.h"

#define IN_SIZE (32 * 1024)  /* kept between requests */
#define COPY_MAX (16 * 1024) /* larger body blocks are sent from where they are */
#define PIECES 8             /* DATA frames in one call */

/* ---- table --------------------------------------------------------------- */

static uint32_t mark_of(uint32_t word, enum wsgi_mark mark)
{
    return (word & ~3u) | (uint32_t)mark;
}

static struct wsgi_connection *free_one(struct wsgi_daemon *daemon)
{
    struct wsgi_connection *connection = daemon->free_list;

    if (connection != NULL) {
        daemon->free_list = connection->next_free;
        if (daemon->free_list == NULL)
            daemon->free_last = NULL;
    }
    return connection;
}

/* One that nobody had before, as long as there is any, then the one that is free for longest: a
 * front that sent a request while its connection was closed looks at the marks of that. */
static struct wsgi_connection *new_entry(struct wsgi_daemon *daemon)
{
    struct wsgi_connection *connection = NULL;

    if (daemon->table_used < WSGI_BOARD_CONNECTIONS)
        connection = calloc(1, sizeof *connection);
    if (connection == NULL)
        return free_one(daemon);
    connection->index = daemon->table_used;
    __atomic_store_n(&daemon->table[daemon->table_used], connection, __ATOMIC_RELEASE);
    __atomic_store_n(&daemon->table_used, daemon->table_used + 1, __ATOMIC_RELEASE);
    return connection;
}

/* Behind the others: the marks of its last request stay on the board for as long as they can. */
static void free_entry(struct wsgi_daemon *daemon, struct wsgi_connection *connection)
{
    pthread_mutex_lock(&daemon->table_lock);
    connection->next_free = NULL;
    if (daemon->free_last != NULL)
        daemon->free_last->next_free = connection;
    else
        daemon->free_list = connection;
    daemon->free_last = connection;
    pthread_mutex_unlock(&daemon->table_lock);
}

static void clear(struct wsgi_connection *connection)
{
    uint32_t index = connection->index, mark = connection->mark;

    memset(connection, 0, sizeof *connection);
    connection->index = index;
    connection->mark = mark;
    connection->descriptor = -1;
}

struct wsgi_connection *wsgi_connection_open(struct wsgi_daemon *daemon, int descriptor)
{
    struct wsgi_connection *connection;

    pthread_mutex_lock(&daemon->table_lock);
    connection = new_entry(daemon);
    pthread_mutex_unlock(&daemon->table_lock);
    if (connection == NULL)
        return NULL;
    clear(connection);
    connection->descriptor = descriptor;
    connection->opened = connection->rests = wsgi_clock_steady();
    connection->in = malloc(IN_SIZE);
    connection->in_size = IN_SIZE;
    if (connection->in == NULL) {
        free_entry(daemon, connection);
        return NULL;
    }
    __atomic_fetch_add(&daemon->connections_open, 1, __ATOMIC_ACQ_REL);
    __atomic_fetch_add(&daemon->connections_new, 1, __ATOMIC_ACQ_REL);
    __atomic_store_n(&connection->mark, mark_of(connection->mark + 4, WSGI_MARK_IDLE),
                     __ATOMIC_RELEASE);
    return connection;
}

void wsgi_connection_close(struct wsgi_daemon *daemon, struct wsgi_connection *connection)
{
    int descriptor = connection->descriptor;

    /* A process the application forked may hold a copy: so it is said explicitly. */
    epoll_ctl(daemon->epoll, EPOLL_CTL_DEL, descriptor, NULL);
    shutdown(descriptor, SHUT_RDWR);
    connection->descriptor = -1; /* first: see wsgi_connections_forsake() */
    close(descriptor);
    free(connection->in);
    connection->in = NULL;
    if (!connection->welcomed)
        __atomic_fetch_sub(&daemon->connections_new, 1, __ATOMIC_ACQ_REL);
    __atomic_store_n(&connection->mark, mark_of(connection->mark + 4, WSGI_MARK_CLOSED),
                     __ATOMIC_RELEASE);
    free_entry(daemon, connection);
    if (__atomic_sub_fetch(&daemon->connections_open, 1, __ATOMIC_ACQ_REL) == 0 &&
        __atomic_load_n(&daemon->draining, __ATOMIC_ACQUIRE))
        wsgi_daemon_poke(daemon);
}

/* The one that has been idle for longest; its tag, or 0 when there is none. A new one, which has
 * not even said HELLO, is somebody's who waits for the answer to that. */
static uint64_t longest_idle(struct wsgi_daemon *daemon)
{
    uint32_t used = __atomic_load_n(&daemon->table_used, __ATOMIC_ACQUIRE), i;
    int64_t best = INT64_MAX;
    uint64_t tag = 0;

    for (i = 0; i < used; i++) {
        const struct wsgi_connection *connection =
            __atomic_load_n(&daemon->table[i], __ATOMIC_ACQUIRE);
        uint32_t word = __atomic_load_n(&connection->mark, __ATOMIC_ACQUIRE);
        int64_t rests = __atomic_load_n(&connection->rests, __ATOMIC_RELAXED);

        if ((word & 3) == WSGI_MARK_IDLE && rests < best &&
            __atomic_load_n(&connection->welcomed, __ATOMIC_ACQUIRE)) {
            best = rests;
            tag = (uint64_t)(word >> 2) << 32 | i;
        }
    }
    return tag;
}

int wsgi_connections_shed(struct wsgi_daemon *daemon, int count)
{
    struct wsgi_connection *connection;
    int closed = 0, i;

    for (i = 0; i < count; i++) {
        uint64_t tag = longest_idle(daemon);

        if (tag == 0)
            break;
        if (!wsgi_connection_take(daemon, tag, &connection))
            continue;
        wsgi_connection_close(daemon, connection);
        closed++;
    }
    return closed;
}

void wsgi_connections_forsake(struct wsgi_daemon *daemon)
{
    uint32_t i;

    for (i = 0; i < daemon->table_used; i++)
        if (daemon->table[i]->descriptor >= 0)
            close(daemon->table[i]->descriptor);
}

uint64_t wsgi_connection_tag(const struct wsgi_connection *connection)
{
    return (uint64_t)(__atomic_load_n(&connection->mark, __ATOMIC_ACQUIRE) >> 2) << 32 |
           connection->index;
}

void wsgi_connection_note_end(struct wsgi_daemon *daemon, uint64_t tag)
{
    struct wsgi_connection *connection;
    uint32_t index = (uint32_t)tag;

    if (index >= __atomic_load_n(&daemon->table_used, __ATOMIC_ACQUIRE))
        return;
    connection = __atomic_load_n(&daemon->table[index], __ATOMIC_ACQUIRE);
    /* Should another one be there just now, it is closed before a request begins, and its front
     * takes the next. */
    if (wsgi_connection_tag(connection) == tag)
        __atomic_store_n(&connection->ending, 1, __ATOMIC_RELEASE);
}

int wsgi_connection_take(struct wsgi_daemon *daemon, uint64_t tag,
                         struct wsgi_connection **connection)
{
    uint32_t index = (uint32_t)tag, generation = (uint32_t)(tag >> 32) << 2;
    uint32_t word;

    if (index >= __atomic_load_n(&daemon->table_used, __ATOMIC_ACQUIRE))
        return 0;
    *connection = __atomic_load_n(&daemon->table[index], __ATOMIC_ACQUIRE);
    word = generation | WSGI_MARK_IDLE;
    if (__atomic_compare_exchange_n(&(*connection)->mark, &word, generation | WSGI_MARK_OWNED, 0,
                                    __ATOMIC_ACQ_REL, __ATOMIC_ACQUIRE)) {
        (*connection)->drained = 0;
        return 1;
    }
    /* Leave a note; if the owner lets go in between, it is ours after all. */
    word = generation | WSGI_MARK_OWNED;
    if (__atomic_compare_exchange_n(&(*connection)->mark, &word, generation | WSGI_MARK_PENDING, 0,
                                    __ATOMIC_ACQ_REL, __ATOMIC_ACQUIRE))
        return 0;
    if (word == (generation | WSGI_MARK_IDLE))
        return wsgi_connection_take(daemon, tag, connection);
    return 0;
}

int wsgi_connection_release(struct wsgi_connection *connection)
{
    uint32_t owned = mark_of(connection->mark, WSGI_MARK_OWNED);
    uint32_t word = owned;

    if (__atomic_compare_exchange_n(&connection->mark, &word, mark_of(word, WSGI_MARK_IDLE), 0,
                                    __ATOMIC_ACQ_REL, __ATOMIC_ACQUIRE))
        return 1;
    __atomic_store_n(&connection->mark, owned, __ATOMIC_RELEASE);
    connection->drained = 0;
    return 0;
}

/* ---- receiving ----------------------------------------------------------- */

static int violation(struct wsgi_connection *connection, const char *what)
{
    connection->lost = 1;
    wsgi_log(WSGI_LOG_ERR, NULL, "WSGI%04d: connection %u was closed: the other end sent %s",
             WSGI_CODE_WIRE_VIOLATION, connection->index, what);
    return -1;
}

/* As recv(); notes whether the socket is empty now. 0 also stands for a dead front. */
static ssize_t receive(struct wsgi_connection *connection, void *data, size_t size)
{
    ssize_t count;

    do
        count = recv(connection->descriptor, data, size, MSG_DONTWAIT);
    while (count < 0 && errno == EINTR);
    connection->drained = count < (ssize_t)size &&
                          (count <= 0 || !__atomic_load_n(&connection->ending, __ATOMIC_ACQUIRE));
    if (count == 0 || (count < 0 && errno != EAGAIN)) {
        connection->lost = 1;
        return 0;
    }
    return count;
}

static ssize_t receive_blocking(struct wsgi_connection *connection, void *data, size_t size)
{
    struct pollfd wait = {connection->descriptor, POLLIN, 0};
    ssize_t count;

    while ((count = receive(connection, data, size)) < 0)
        poll(&wait, 1, -1);
    return count;
}

/* Room for a frame of `need` bytes that begins at in_start. */
static int reserve(struct wsgi_connection *connection, size_t need)
{
    size_t have = connection->in_end - connection->in_start;
    unsigned char *in;

    if (connection->in_start > 0 &&
        (have == 0 || connection->in_start + need > connection->in_size)) {
        memmove(connection->in, connection->in + connection->in_start, have);
        connection->in_start = 0;
        connection->in_end = have;
    }
    if (need <= connection->in_size && connection->in_end < connection->in_size)
        return 0;
    in = realloc(connection->in, need + IN_SIZE);
    if (in == NULL)
        return -1;
    connection->in = in;
    connection->in_size = need + IN_SIZE;
    return 0;
}

static int is_stale(const struct wsgi_connection *connection, const struct wsgi_frame *frame)
{
    return (frame->type == WSGI_FRAME_BODY || frame->type == WSGI_FRAME_CANCEL) &&
           frame->sequence <= connection->sequence;
}

/* The rules that need to know the connection; between requests. */
static int check_order(struct wsgi_connection *connection, const struct wsgi_frame *frame)
{
    if ((frame->type == WSGI_FRAME_HELLO) == connection->welcomed)
        return violation(connection, connection->welcomed ? "HELLO twice" : "no HELLO first");
    if (frame->type == WSGI_FRAME_REQUEST && frame->sequence != connection->sequence + 1)
        return violation(connection, "a request out of sequence");
    if ((frame->type == WSGI_FRAME_BODY || frame->type == WSGI_FRAME_CANCEL) &&
        !is_stale(connection, frame))
        return violation(connection, "a frame of a request that does not exist");
    return 0;
}

static void skip_stale(struct wsgi_connection *connection)
{
    size_t have = connection->in_end - connection->in_start;
    size_t count = connection->skip < have ? connection->skip : have;

    connection->in_start += count;
    connection->skip -= count;
}

/* 1: a whole frame; 0: *need bytes are needed for it; -1: violation. */
static int parse(struct wsgi_connection *connection, struct wsgi_frame *frame, size_t *need)
{
    enum wsgi_frame_status status;

    for (;;) {
        skip_stale(connection);
        *need = WSGI_FRAME_HEAD_SIZE;
        if (connection->skip > 0 ||
            connection->in_end - connection->in_start < WSGI_FRAME_HEAD_SIZE)
            return 0;
        status = wsgi_frame_decode(connection->in + connection->in_start, WSGI_FROM_FRONT, frame);
        if (status != WSGI_FRAME_OK)
            return violation(connection, wsgi_frame_status_text(status));
        if (check_order(connection, frame) != 0)
            return -1;
        if (!is_stale(connection, frame))
            break;
        connection->in_start += WSGI_FRAME_HEAD_SIZE;
        connection->skip = frame->length;
    }
    *need = WSGI_FRAME_HEAD_SIZE + frame->length;
    return connection->in_end - connection->in_start >= *need;
}

enum wsgi_receive wsgi_connection_receive(struct wsgi_connection *connection,
                                          struct wsgi_frame *frame, const unsigned char **payload)
{
    for (;;) {
        size_t need;
        int parsed = parse(connection, frame, &need);
        ssize_t count;

        if (parsed < 0)
            return WSGI_RECEIVE_END;
        if (parsed > 0) {
            *payload = connection->in + connection->in_start + WSGI_FRAME_HEAD_SIZE;
            connection->in_start += need;
            return WSGI_RECEIVE_FRAME;
        }
        if (connection->drained)
            return WSGI_RECEIVE_LATER;
        if (reserve(connection, need) != 0)
            return WSGI_RECEIVE_END;
        count = receive(connection, connection->in + connection->in_end,
                        connection->in_size - connection->in_end);
        if (count == 0)
            return WSGI_RECEIVE_END;
        if (count > 0)
            connection->in_end += (size_t)count;
    }
}

/* ---- one request --------------------------------------------------------- */

const unsigned char *wsgi_connection_begin(struct wsgi_connection *connection,
                                           const struct wsgi_frame *frame)
{
    size_t offset = connection->in_start - frame->length;

    /* The rest of the buffer must do for the whole request: nothing moves any more. */
    if (connection->in_size - connection->in_start < WSGI_STAGE_SIZE) {
        size_t size = connection->in_start + WSGI_STAGE_SIZE;
        unsigned char *in;

        if (size < connection->in_end)
            size = connection->in_end;
        in = realloc(connection->in, size);
        if (in == NULL)
            return NULL;
        connection->in = in;
        connection->in_size = size;
    }
    connection->stage = connection->in_start;
    connection->sequence = frame->sequence;
    connection->first = NULL;
    connection->first_left = connection->frame_left = 0;
    connection->frame_last = 0;
    connection->more_body = (frame->flags & WSGI_FLAG_MORE_BODY) != 0;
    connection->body_error = 0;
    connection->granted = frame->flags & WSGI_FLAG_EXPECT ? 0 : WSGI_WIRE_INITIAL_CREDIT;
    connection->received = 0;
    connection->cancelled = 0;
    return connection->in + offset;
}

void wsgi_connection_end(struct wsgi_connection *connection)
{
    size_t have = connection->in_end - connection->in_start;

    /* What is left of a BODY frame the application did not read is stale now. */
    connection->skip += connection->frame_left;
    connection->frame_left = 0;
    connection->more_body = 0;
    connection->first_left = 0;
    connection->stage = 0;
    if (connection->in_size > 2 * IN_SIZE && have <= IN_SIZE) {
        unsigned char *in = malloc(IN_SIZE);

        if (in == NULL)
            return;
        memcpy(in, connection->in + connection->in_start, have);
        free(connection->in);
        connection->in = in;
        connection->in_size = IN_SIZE;
        connection->in_start = 0;
        connection->in_end = have;
    }
}

/* ---- body ---------------------------------------------------------------- */

/* Puts what is staged to the front of the stage when there is little room behind it. */
static void tidy_stage(struct wsgi_connection *connection)
{
    size_t have = connection->in_end - connection->in_start;

    if (have > 0 && connection->in_size - connection->in_end >= WSGI_FRAME_HEAD_SIZE)
        return;
    memmove(connection->in + connection->stage, connection->in + connection->in_start, have);
    connection->in_start = connection->stage;
    connection->in_end = connection->stage + have;
}

static int fail_body(struct wsgi_connection *connection, int problem)
{
    connection->body_error = problem;
    errno = problem;
    return -1;
}

/* Up to `size` bytes of the current frame's payload. 0: the front is gone. */
static ssize_t take(struct wsgi_connection *connection, void *buffer, size_t size)
{
    size_t have = connection->in_end - connection->in_start;

    if (have == 0)
        return receive_blocking(connection, buffer, size);
    if (have > size)
        have = size;
    memcpy(buffer, connection->in + connection->in_start, have);
    connection->in_start += have;
    return (ssize_t)have;
}

/* Tops the credit up when half of it is used, and lets go what was collected: now we wait. */
static void give_credit(struct wsgi_connection *connection)
{
    int64_t left = connection->granted - connection->received;

    if (left <= WSGI_WIRE_INITIAL_CREDIT / 2) {
        struct wsgi_frame want = {.type = WSGI_FRAME_WANT, .sequence = connection->sequence};

        want.credit = (uint32_t)(WSGI_WIRE_INITIAL_CREDIT - left);
        connection->granted += want.credit;
        wsgi_connection_put(connection, &want, NULL);
    }
    wsgi_connection_flush(connection);
}

void wsgi_connection_want(struct wsgi_connection *connection)
{
    if (connection->more_body && connection->granted == 0)
        give_credit(connection);
}

static int fill_head(struct wsgi_connection *connection)
{
    while (connection->in_end - connection->in_start < WSGI_FRAME_HEAD_SIZE) {
        ssize_t count;

        give_credit(connection);
        tidy_stage(connection);
        count = receive_blocking(connection, connection->in + connection->in_end,
                                 connection->in_size - connection->in_end);
        if (count == 0)
            return -1;
        connection->in_end += (size_t)count;
    }
    return 0;
}

/* Throws away a frame of an earlier request that is read in the middle of this one. */
static int discard(struct wsgi_connection *connection, size_t size)
{
    char waste[4096];

    while (size > 0) {
        ssize_t count = take(connection, waste, size < sizeof waste ? size : sizeof waste);

        if (count == 0)
            return -1;
        size -= (size_t)count;
    }
    return 0;
}

static int abort_problem(uint16_t aux)
{
    switch (aux) {
    case WSGI_ABORT_CUT:
        return ENODATA;
    case 400:
        return EBADMSG;
    case 408:
        return ETIMEDOUT;
    case 413:
        return EFBIG;
    default:
        return EIO;
    }
}

static int accept_body(struct wsgi_connection *connection, const struct wsgi_frame *frame)
{
    if (frame->length > connection->granted - connection->received) {
        violation(connection, "more of a body than it was allowed");
        return fail_body(connection, EPIPE);
    }
    connection->received += frame->length;
    connection->frame_left = frame->length;
    connection->frame_last = (frame->flags & WSGI_FLAG_FIN) != 0;
    if (frame->flags & WSGI_FLAG_ABORT) {
        connection->more_body = 0;
        return fail_body(connection, abort_problem(frame->aux));
    }
    if (frame->length == 0 && connection->frame_last)
        connection->more_body = 0;
    return 0;
}

/* Reads the head of the next BODY frame. 0, or -1 with errno. */
static int next_frame(struct wsgi_connection *connection)
{
    struct wsgi_frame frame;
    enum wsgi_frame_status status;

    if (fill_head(connection) != 0)
        return fail_body(connection, EPIPE);
    status = wsgi_frame_decode(connection->in + connection->in_start, WSGI_FROM_FRONT, &frame);
    connection->in_start += WSGI_FRAME_HEAD_SIZE;
    if (status != WSGI_FRAME_OK) {
        violation(connection, wsgi_frame_status_text(status));
        return fail_body(connection, EPIPE);
    }
    if ((frame.type != WSGI_FRAME_BODY && frame.type != WSGI_FRAME_CANCEL) ||
        frame.sequence > connection->sequence) {
        violation(connection, "a frame that does not belong into a body");
        return fail_body(connection, EPIPE);
    }
    if (frame.sequence < connection->sequence)
        return discard(connection, frame.length) == 0 ? 0 : fail_body(connection, EPIPE);
    if (frame.type == WSGI_FRAME_CANCEL) {
        connection->cancelled = 1;
        return fail_body(connection, EPIPE);
    }
    return accept_body(connection, &frame);
}

static ssize_t read_frame(struct wsgi_connection *connection, void *buffer, size_t size)
{
    ssize_t count;

    count = take(connection, buffer, size < connection->frame_left ? size : connection->frame_left);
    if (count == 0)
        return fail_body(connection, EPIPE);
    connection->frame_left -= (size_t)count;
    if (connection->frame_left == 0 && connection->frame_last)
        connection->more_body = 0;
    return count;
}

ssize_t wsgi_connection_read(struct wsgi_connection *connection, void *buffer, size_t size)
{
    if (connection->first_left > 0) {
        size_t count = size < connection->first_left ? size : connection->first_left;

        memcpy(buffer, connection->first, count);
        connection->first += count;
        connection->first_left -= count;
        return (ssize_t)count;
    }
    while (connection->body_error == 0 && connection->frame_left == 0 && connection->more_body)
        if (next_frame(connection) != 0)
            return -1;
    if (connection->body_error != 0) {
        errno = connection->body_error;
        return -1;
    }
    return connection->frame_left > 0 ? read_frame(connection, buffer, size) : 0;
}

int wsgi_connection_is_left(const struct wsgi_connection *connection)
{
    return __atomic_load_n(&connection->ending, __ATOMIC_ACQUIRE);
}

void wsgi_connection_check(struct wsgi_connection *connection)
{
    struct wsgi_frame frame;
    ssize_t count;

    if (connection->frame_left > 0 || connection->lost || connection->cancelled)
        return;
    if (connection->in_end - connection->in_start < WSGI_FRAME_HEAD_SIZE) {
        tidy_stage(connection);
        count = receive(connection, connection->in + connection->in_end,
                        connection->in_size - connection->in_end);
        if (count <= 0)
            return;
        connection->in_end += (size_t)count;
    }
    if (connection->in_end - connection->in_start < WSGI_FRAME_HEAD_SIZE ||
        wsgi_frame_decode(connection->in + connection->in_start, WSGI_FROM_FRONT, &frame) !=
            WSGI_FRAME_OK)
        return; /* read() or the next request will say what is wrong with it */
    if (frame.type == WSGI_FRAME_CANCEL && frame.sequence == connection->sequence)
        connection->cancelled = 1;
}

/* ---- sending ------------------------------------------------------------- */

/* Moves the list on by `count` bytes; the number of parts that are done. */
static size_t advance(struct iovec *parts, size_t count)
{
    size_t done = 0;

    while (count > 0 && count >= parts[done].iov_len)
        count -= parts[done++].iov_len;
    if (count > 0) {
        parts[done].iov_base = (char *)parts[done].iov_base + count;
        parts[done].iov_len -= count;
    }
    return done;
}

/* All of it, with a descriptor on the first byte unless it is negative. */
static int send_all(struct wsgi_connection *connection, struct iovec *parts, size_t part_count,
                    int descriptor)
{
    union {
        char room[CMSG_SPACE(sizeof(int))];
        struct cmsghdr align;
    } control;
    struct pollfd wait = {connection->descriptor, POLLOUT, 0};

    while (part_count > 0 && !connection->lost) {
        struct msghdr message = {.msg_iov = parts, .msg_iovlen = part_count};
        ssize_t count;
        size_t done;

        if (descriptor >= 0) {
            struct cmsghdr *head;

            memset(&control, 0, sizeof control);
            message.msg_control = control.room;
            message.msg_controllen = sizeof control.room;
            head = CMSG_FIRSTHDR(&message);
            head->cmsg_level = SOL_SOCKET;
            head->cmsg_type = SCM_RIGHTS;
            head->cmsg_len = CMSG_LEN(sizeof(int));
            memcpy(CMSG_DATA(head), &descriptor, sizeof(int));
        }
        count = sendmsg(connection->descriptor, &message, MSG_DONTWAIT | MSG_NOSIGNAL);
        if (count < 0 && errno == EAGAIN) {
            poll(&wait, 1, -1);
        } else if (count < 0 && errno != EINTR) {
            connection->lost = 1;
        } else if (count > 0) {
            descriptor = -1;
            done = advance(parts, (size_t)count);
            parts += done;
            part_count -= done;
        }
    }
    return connection->lost ? -1 : 0;
}

int wsgi_connection_flush(struct wsgi_connection *connection)
{
    struct iovec part = {connection->out, connection->out_used};

    connection->out_used = 0;
    if (part.iov_len == 0)
        return connection->lost ? -1 : 0;
    return send_all(connection, &part, 1, -1);
}

int wsgi_connection_put(struct wsgi_connection *connection, struct wsgi_frame *frame,
                        const void *payload)
{
    unsigned char head[WSGI_FRAME_HEAD_SIZE];
    struct iovec parts[2] = {{head, sizeof head}, {(void *)payload, frame->length}};
    size_t size = sizeof head + frame->length;

    if (connection->lost)
        return -1;
    wsgi_frame_encode(frame, head);
    if (size > WSGI_OUT_SIZE - connection->out_used && wsgi_connection_flush(connection) != 0)
        return -1;
    if (size > WSGI_OUT_SIZE)
        return send_all(connection, parts, 2, -1);
    memcpy(connection->out + connection->out_used, head, sizeof head);
    if (frame->length > 0)
        memcpy(connection->out + connection->out_used + sizeof head, payload, frame->length);
    connection->out_used += size;
    return 0;
}

/* Sends what is collected and up to PIECES frames of `data` in one go. Returns how much of it. */
static ssize_t send_pieces(struct wsgi_connection *connection, const char *data, size_t size,
                           int flush)
{
    unsigned char heads[PIECES][WSGI_FRAME_HEAD_SIZE];
    struct iovec parts[2 * PIECES + 1];
    size_t count = 0, sent = 0;
    int i;

    if (connection->out_used > 0)
        parts[count++] = (struct iovec){connection->out, connection->out_used};
    connection->out_used = 0;
    for (i = 0; i < PIECES && sent < size; i++) {
        size_t piece = size - sent < WSGI_FRAME_DATA_MAX ? size - sent : WSGI_FRAME_DATA_MAX;
        struct wsgi_frame frame = {
            .type = WSGI_FRAME_DATA, .sequence = connection->sequence, .length = (uint32_t)piece};

        if (flush && sent + piece == size)
            frame.flags = WSGI_FLAG_FLUSH;
        wsgi_frame_encode(&frame, heads[i]);
        parts[count++] = (struct iovec){heads[i], WSGI_FRAME_HEAD_SIZE};
        parts[count++] = (struct iovec){(void *)(data + sent), piece};
        sent += piece;
    }
    return send_all(connection, parts, count, -1) == 0 ? (ssize_t)sent : -1;
}

int wsgi_connection_data(struct wsgi_connection *connection, const void *data, size_t size,
                         int flush)
{
    const char *at = data;

    if (size <= COPY_MAX) {
        struct wsgi_frame frame = {.type = WSGI_FRAME_DATA,
                                   .flags = flush ? WSGI_FLAG_FLUSH : 0,
                                   .sequence = connection->sequence,
                                   .length = (uint32_t)size};

        if (wsgi_connection_put(connection, &frame, data) != 0)
            return -1;
        return flush ? wsgi_connection_flush(connection) : 0;
    }
    while (size > 0) {
        ssize_t count = send_pieces(connection, at, size, flush);

        if (count < 0)
            return -1;
        at += count;
        size -= (size_t)count;
    }
    return 0;
}

int wsgi_connection_file(struct wsgi_connection *connection, int descriptor, uint64_t offset,
                         uint64_t length)
{
    struct wsgi_frame frame = {
        .type = WSGI_FRAME_FILE, .sequence = connection->sequence, .length = WSGI_FILE_SIZE};
    struct wsgi_file_range range = {offset, length};
    unsigned char bytes[WSGI_FRAME_HEAD_SIZE + WSGI_FILE_SIZE];
    struct iovec part = {bytes, sizeof bytes};

    if (wsgi_connection_flush(connection) != 0)
        return -1;
    wsgi_frame_encode(&frame, bytes);
    wsgi_file_range_encode(&range, bytes + WSGI_FRAME_HEAD_SIZE);
    return send_all(connection, &part, 1, descriptor);
}
