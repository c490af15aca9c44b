/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Workers of a daemon: each waits in the shared epoll, takes a connection, serves what is there.
 *
 * Signals are not blocked here. A process that the application starts from a worker inherits the
 * mask of its thread and could then not be ended by SIGTERM. The handlers only set a word and
 * write to an eventfd, so it does not matter which thread they interrupt.
 */
#include "serve.h"

#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include "../wire/launch.h"
#include "../wire/why.h"
#include "connection.h"
#include "crash.h"
#include "interp.h"
#include "monitor.h"
#include "run.h"
#include "stream.h"

#define REFUSAL_PAUSE 60000 /* milliseconds */
#define SHED_SHARE 16       /* one in so many connections is closed when there are too many */
#define STACK_SIZE ((size_t)8 << 20)

/* One request on a connection: the context of the transport. */
struct exchange {
    struct wsgi_daemon *daemon;
    struct wsgi_connection *connection;
    const struct wsgi_request *request;
    unsigned refusals;
    int started;
    const struct wsgi_watch *watch;
};

/* ---- transport ----------------------------------------------------------- */

static int is_gone(const struct wsgi_connection *connection)
{
    return connection->lost || connection->cancelled;
}

static int refuse_gone(void)
{
    errno = EPIPE;
    return -1;
}

static ssize_t read_body(void *context, void *buffer, size_t size)
{
    const struct exchange *exchange = context;

    wsgi_watch_activity(exchange->watch);
    return wsgi_connection_read(exchange->connection, buffer, size);
}

static void want_body(void *context)
{
    wsgi_connection_want(((struct exchange *)context)->connection);
}

static int send_head(void *context, const unsigned char *block, size_t size)
{
    struct wsgi_connection *connection = ((struct exchange *)context)->connection;
    struct wsgi_frame frame = {
        .type = WSGI_FRAME_HEAD, .sequence = connection->sequence, .length = (uint32_t)size};

    if (is_gone(connection) || wsgi_connection_put(connection, &frame, block) != 0)
        return refuse_gone();
    return 0;
}

static int send_data(void *context, const void *data, size_t size, unsigned flags)
{
    struct wsgi_connection *connection = ((struct exchange *)context)->connection;
    int flush = (flags & WSGI_SEND_FLUSH) != 0;

    wsgi_watch_activity(((struct exchange *)context)->watch);
    if (is_gone(connection) || wsgi_connection_data(connection, data, size, flush) != 0)
        return refuse_gone();
    /* An endless response to a client that has left is found out about here. */
    if (flush)
        wsgi_connection_check(connection);
    return is_gone(connection) ? refuse_gone() : 0;
}

static int send_file(void *context, int descriptor, uint64_t offset, uint64_t length)
{
    struct wsgi_connection *connection = ((struct exchange *)context)->connection;

    wsgi_watch_activity(((struct exchange *)context)->watch);
    if (is_gone(connection) || wsgi_connection_file(connection, descriptor, offset, length) != 0)
        return refuse_gone();
    return 0;
}

static int flush_output(void *context)
{
    struct wsgi_connection *connection = ((struct exchange *)context)->connection;

    if (is_gone(connection) || wsgi_connection_flush(connection) != 0)
        return refuse_gone();
    return 0;
}

/* Sent at once: a line that waits for the response would be lost with a crash, and tells nothing
 * about a request that hangs. */
static void log_record(void *context, int level, const char *text, size_t size)
{
    struct wsgi_connection *connection = ((struct exchange *)context)->connection;
    struct wsgi_frame frame = {.type = WSGI_FRAME_LOG,
                               .sequence = connection->sequence,
                               .aux = (uint16_t)level,
                               .length = (uint32_t)size};

    if (size > WSGI_FRAME_LOG_MAX)
        frame.length = WSGI_FRAME_LOG_MAX;
    if (connection->lost || wsgi_connection_put(connection, &frame, text) != 0 ||
        wsgi_connection_flush(connection) != 0)
        wsgi_process.host->log(level, text, size);
}

static int client_gone(void *context)
{
    return is_gone(((struct exchange *)context)->connection);
}

/* What the supervisor says about the process if it ends now. */
static void note_request(struct wsgi_board *board, const struct wsgi_request *request)
{
    struct wsgi_vars_reader reader;
    struct wsgi_var var;
    const char *method = "-", *url = "-";

    if (wsgi_vars_open(&reader, request->vars, request->vars_size) != 0)
        return;
    while (wsgi_vars_next(&reader, &var) == 1)
        if (var.id == WSGI_NAME_REQUEST_METHOD)
            method = var.value;
        else if (var.id == WSGI_NAME_REQUEST_URI)
            url = var.value;
    wsgi_board_note(board, method, url);
}

static void started(void *context)
{
    struct exchange *exchange = context;
    struct wsgi_connection *connection = exchange->connection;

    exchange->started = 1;
    note_request(exchange->daemon->board, exchange->request);
    __atomic_fetch_add(&exchange->daemon->board->active, 1, __ATOMIC_RELAXED);
    wsgi_board_start(exchange->daemon->board, connection->index, connection->sequence);
}

static void called(void *context)
{
    struct exchange *exchange = context;

    wsgi_board_call(exchange->daemon->board, exchange->connection->index,
                    exchange->connection->sequence);
}

static unsigned refusals(void *context)
{
    return ((struct exchange *)context)->refusals;
}

static const struct wsgi_transport frame_transport = {
    .read = read_body,
    .want = want_body,
    .send_head = send_head,
    .send_data = send_data,
    .send_file = send_file,
    .flush = flush_output,
    .log = log_record,
    .client_gone = client_gone,
    .started = started,
    .called = called,
    .refusals = refusals,
};

/* ---- requests ------------------------------------------------------------ */

static int reject(struct wsgi_connection *connection, uint32_t sequence, uint16_t why)
{
    struct wsgi_frame frame = {.type = WSGI_FRAME_REJECT, .sequence = sequence, .aux = why};

    if (wsgi_connection_put(connection, &frame, NULL) != 0)
        return -1;
    return wsgi_connection_flush(connection);
}

static int send_end(struct wsgi_connection *connection, const struct wsgi_outcome *outcome)
{
    unsigned char payload[WSGI_FRAME_END_MAX];
    struct wsgi_frame frame = {.type = WSGI_FRAME_END, .sequence = connection->sequence};

    frame.length = (uint32_t)wsgi_outcome_encode(outcome, payload);
    if (outcome->truncated)
        frame.flags = WSGI_FLAG_TRUNCATED;
    if (wsgi_connection_put(connection, &frame, payload) != 0)
        return -1;
    return wsgi_connection_flush(connection);
}

/* Splits the payload of REQUEST. */
static int split(struct wsgi_connection *connection, const unsigned char *payload, uint32_t length,
                 struct wsgi_request *request)
{
    uint32_t size;

    memcpy(&size, payload, sizeof size);
    if (size > length - WSGI_REQUEST_PREFIX_SIZE)
        return -1;
    request->vars = payload + WSGI_REQUEST_PREFIX_SIZE;
    request->vars_size = size;
    connection->first = request->vars + size;
    connection->first_left = length - WSGI_REQUEST_PREFIX_SIZE - size;
    return 0;
}

static void count_end(const struct exchange *exchange)
{
    struct wsgi_board *board = exchange->daemon->board;

    if (!exchange->started)
        return;
    wsgi_board_end(board, exchange->connection->index, exchange->connection->sequence);
    __atomic_fetch_sub(&board->active, 1, __ATOMIC_RELAXED);
    __atomic_fetch_add(&board->requests, 1, __ATOMIC_RELAXED);
}

/* Recycling. Whatever ends the process from now on, this is why. */
static void tell_if_spent(struct wsgi_daemon *daemon)
{
    int64_t limit = wsgi_process.settings.maximum_requests;

    if (limit <= 0 ||
        __atomic_load_n(&daemon->board->requests, __ATOMIC_RELAXED) < (uint64_t)limit ||
        __atomic_exchange_n(&daemon->spent, 1, __ATOMIC_ACQ_REL))
        return;
    wsgi_log(WSGI_LOG_INFO, NULL, "Process has served its maximum of %lld requests.",
             (long long)limit);
    wsgi_daemon_leave(WSGI_WHY_MAXIMUM_REQUESTS);
}

/* A process that is for one request takes no second one. With a higher maximum it serves on until
 * another process is there. */
static int takes_nothing_new(struct wsgi_daemon *daemon)
{
    return __atomic_load_n(&daemon->stopping, __ATOMIC_ACQUIRE) ||
           __atomic_load_n(&daemon->refusing, __ATOMIC_ACQUIRE) ||
           (wsgi_process.settings.maximum_requests == 1 &&
            __atomic_load_n(&daemon->spent, __ATOMIC_ACQUIRE));
}

static int run_request(struct wsgi_daemon *daemon, struct wsgi_connection *connection,
                       const struct wsgi_request *request, unsigned refused)
{
    const struct wsgi_thread *thread = wsgi_thread_self();
    struct exchange exchange = {daemon,  connection, request,
                                refused, 0,          thread != NULL ? thread->watch : NULL};
    struct wsgi_outcome outcome;
    int result = wsgi_run_request(request, &frame_transport, &exchange, &outcome);

    /* Counted first: a front that has its answer must not find the worker busy. */
    count_end(&exchange);
    tell_if_spent(daemon);
    if (result == WSGI_RUN_RELOAD)
        return reject(connection, connection->sequence, WSGI_REJECT_RELOAD);
    return send_end(connection, &outcome);
}

static int serve_request(struct wsgi_daemon *daemon, struct wsgi_connection *connection,
                         const struct wsgi_frame *frame)
{
    struct wsgi_request request;
    const unsigned char *payload;
    int result;

    if (takes_nothing_new(daemon)) {
        reject(connection, frame->sequence, WSGI_REJECT_DRAINING);
        return -1;
    }
    if (wsgi_connection_is_left(connection))
        return -1; /* the client left, or lost its patience, before the request began */
    payload = wsgi_connection_begin(connection, frame);
    if (payload == NULL)
        return -1;
    if (split(connection, payload, frame->length, &request) != 0) {
        wsgi_log(WSGI_LOG_ERR, NULL, "WSGI%04d: connection %u was closed: a request is malformed",
                 WSGI_CODE_WIRE_VIOLATION, connection->index);
        return -1;
    }
    result = run_request(daemon, connection, &request, frame->aux);
    wsgi_connection_end(connection);
    return result != 0 || connection->lost ? -1 : 0;
}

/* ---- connections --------------------------------------------------------- */

static int welcome(struct wsgi_daemon *daemon, struct wsgi_connection *connection,
                   const struct wsgi_frame *frame, const unsigned char *payload)
{
    const struct wsgi_settings *settings = &wsgi_process.settings;
    struct wsgi_frame answer = {.type = WSGI_FRAME_WELCOME, .aux = (uint16_t)connection->index};
    struct wsgi_hello hello;
    const char *problem = NULL;
    int level = WSGI_LOG_ERR;

    if (wsgi_hello_decode(payload, frame->length, &hello) != 0)
        problem = "the greeting is malformed";
    else if (!wsgi_secret_equal(hello.secret, settings->secret))
        problem = "the secret is wrong";
    else if (hello.version != WSGI_WIRE_VERSION)
        problem = "it speaks another version of the wire";
    else if (hello.epoch != settings->epoch) {
        problem = "it means another process";
        level = WSGI_LOG_DEBUG; /* it waited in the listener's queue while that one ended */
    }
    if (problem != NULL) {
        wsgi_log(level, NULL, "WSGI%04d: connection %u was refused: %s", WSGI_CODE_WIRE_VIOLATION,
                 connection->index, problem);
        return -1;
    }
    connection->welcomed = 1;
    wsgi_board_start(daemon->board, connection->index, 0); /* the last user's marks go */
    wsgi_board_end(daemon->board, connection->index, 0);
    wsgi_board_call(daemon->board, connection->index, 0);
    __atomic_fetch_sub(&daemon->connections_new, 1, __ATOMIC_ACQ_REL);
    if (wsgi_connection_put(connection, &answer, NULL) != 0)
        return -1;
    return wsgi_connection_flush(connection);
}

/* What is there on a connection that this worker owns. */
static void serve(struct wsgi_daemon *daemon, struct wsgi_connection *connection,
                  unsigned char *out)
{
    struct wsgi_frame frame;
    const unsigned char *payload;
    enum wsgi_receive received = WSGI_RECEIVE_END;
    int result = 0;

    connection->out = out;
    connection->out_used = 0;
    do {
        while (result == 0 && (received = wsgi_connection_receive(connection, &frame, &payload)) ==
                                  WSGI_RECEIVE_FRAME)
            result = frame.type == WSGI_FRAME_HELLO ? welcome(daemon, connection, &frame, payload)
                                                    : serve_request(daemon, connection, &frame);
        if (result != 0 || received == WSGI_RECEIVE_END) {
            wsgi_connection_close(daemon, connection);
            return;
        }
        __atomic_store_n(&connection->rests, wsgi_clock_steady(), __ATOMIC_RELAXED);
    } while (!wsgi_connection_release(connection));
}

/* Once a minute: whoever knocks all the time must not fill the disk with it. 1: it may be told now,
 * and what happened `before`. */
static int may_tell(struct wsgi_refusals *refusals, unsigned *before)
{
    int64_t now = wsgi_clock_steady();
    int64_t told = __atomic_load_n(&refusals->told, __ATOMIC_ACQUIRE);

    if ((told != 0 && now - told < REFUSAL_PAUSE) ||
        !__atomic_compare_exchange_n(&refusals->told, &told, now, 0, __ATOMIC_ACQ_REL,
                                     __ATOMIC_ACQUIRE)) {
        __atomic_add_fetch(&refusals->untold, 1, __ATOMIC_RELAXED);
        return 0;
    }
    *before = __atomic_exchange_n(&refusals->untold, 0, __ATOMIC_RELAXED);
    return 1;
}

static void tell_refusal(struct wsgi_daemon *daemon, uid_t uid)
{
    unsigned before;

    if (may_tell(&daemon->foreigners, &before))
        wsgi_log(WSGI_LOG_ERR, NULL,
                 "WSGI%04d: a connection was refused: uid %ld may not connect (%u more since the "
                 "last such line, which comes once a minute)",
                 WSGI_CODE_WIRE_VIOLATION, (long)uid, before);
}

static int may_connect(struct wsgi_daemon *daemon, int descriptor)
{
    const struct wsgi_settings *settings = &wsgi_process.settings;
    struct ucred peer;
    socklen_t size = sizeof peer;
    size_t i;

    if (getsockopt(descriptor, SOL_SOCKET, SO_PEERCRED, &peer, &size) != 0)
        return 0;
    if (peer.uid == 0)
        return 1;
    for (i = 0; i < settings->peer_count; i++)
        if (settings->peers[i] == peer.uid)
            return 1;
    tell_refusal(daemon, peer.uid);
    return 0;
}

static void refuse_full(struct wsgi_daemon *daemon, int descriptor)
{
    struct wsgi_frame frame = {.type = WSGI_FRAME_REJECT, .sequence = 1, .aux = WSGI_REJECT_FULL};
    unsigned char head[WSGI_FRAME_HEAD_SIZE];
    unsigned before;

    wsgi_frame_encode(&frame, head);
    if (send(descriptor, head, sizeof head, MSG_NOSIGNAL | MSG_DONTWAIT) < 0)
        wsgi_log(WSGI_LOG_DEBUG, NULL, "a connection beyond the limit was closed");
    close(descriptor);
    if (may_tell(&daemon->surplus, &before))
        wsgi_log(WSGI_LOG_ERR, NULL,
                 "WSGI%04d: a connection was refused: all %u are in use (%u more since the last "
                 "such line, which comes once a minute)",
                 WSGI_CODE_WIRE_VIOLATION, WSGI_BOARD_CONNECTIONS, before);
}

/* What the listener was given (option send-buffer-size): an accepted socket does not inherit it.
 * The system tells twice of what it was told. */
static void take_buffer_size(int listener, int descriptor)
{
    int wanted, given;
    socklen_t size = sizeof wanted;

    if (getsockopt(listener, SOL_SOCKET, SO_SNDBUF, &wanted, &size) != 0 ||
        getsockopt(descriptor, SOL_SOCKET, SO_SNDBUF, &given, &size) != 0 || wanted == given)
        return;
    wanted /= 2;
    setsockopt(descriptor, SOL_SOCKET, SO_SNDBUF, &wanted, sizeof wanted);
}

static void admit(struct wsgi_daemon *daemon, int descriptor)
{
    struct epoll_event event = {.events = EPOLLIN | EPOLLRDHUP | EPOLLET};
    struct wsgi_connection *connection;

    if (!may_connect(daemon, descriptor)) {
        close(descriptor);
        return;
    }
    take_buffer_size(daemon->listener, descriptor);
    if (__atomic_load_n(&daemon->connections_open, __ATOMIC_ACQUIRE) >= daemon->connections_most)
        wsgi_connections_shed(daemon, daemon->connections_most / SHED_SHARE);
    connection = wsgi_connection_open(daemon, descriptor);
    if (connection == NULL) {
        refuse_full(daemon, descriptor);
        return;
    }
    event.data.u64 = wsgi_connection_tag(connection);
    /* Readable or not, its first event comes from here. */
    if (epoll_ctl(daemon->epoll, EPOLL_CTL_ADD, descriptor, &event) != 0) {
        wsgi_log(WSGI_LOG_ERR, NULL, "a connection cannot be watched: %s", strerror(errno));
        if (wsgi_connection_take(daemon, event.data.u64, &connection))
            wsgi_connection_close(daemon, connection);
    }
}

/* The application closed or replaced the listener. What runs may go on, but nobody else gets in:
 * the process is replaced. */
static void listener_is_lost(struct wsgi_daemon *daemon)
{
    if (__atomic_exchange_n(&daemon->spent, 1, __ATOMIC_ACQ_REL))
        return;
    wsgi_daemon_note(daemon, wsgi_why_reason(WSGI_WHY_LOST));
    wsgi_daemon_tell(WSGI_CONTROL_LEAVING, WSGI_WHY_LOST);
}

/* 1 when there are descriptors again: those of connections that nobody uses. */
static int make_way(struct wsgi_daemon *daemon, int problem)
{
    int open = __atomic_load_n(&daemon->connections_open, __ATOMIC_ACQUIRE);
    int closed = 0;

    if (problem == EMFILE || problem == ENFILE)
        closed = wsgi_connections_shed(daemon, open / SHED_SHARE + 1);
    errno = problem;
    return closed > 0;
}

/* The listener is edge-triggered too: until nothing is left. */
static void accept_all(struct wsgi_daemon *daemon)
{
    int descriptor;

    for (;;) {
        descriptor = accept4(daemon->listener, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
        if (descriptor >= 0)
            admit(daemon, descriptor);
        else if (errno != EINTR && errno != ECONNABORTED && !make_way(daemon, errno))
            break;
    }
    if (errno == EBADF || errno == ENOTSOCK || errno == EINVAL || errno == EOPNOTSUPP)
        listener_is_lost(daemon);
    else if (errno != EAGAIN)
        if (!__atomic_exchange_n(&daemon->accept_stalled, 1, __ATOMIC_ACQ_REL))
            wsgi_log(WSGI_LOG_ERR, NULL, "no connection can be accepted: %s; trying again",
                     strerror(errno));
    /* The main thread watches over connections that do not say HELLO. */
    wsgi_daemon_poke(daemon);
}

/* ---- threads ------------------------------------------------------------- */

/* The application closed or replaced files that are not its own; there is nothing left to serve
 * with, maybe not even a log. The supervisor knows the status, and starts another process. */
static void descriptors_are_lost(void)
{
    _exit(WSGI_EXIT_LOST);
}

static void work(struct wsgi_daemon *daemon, unsigned char *out)
{
    struct wsgi_connection *connection;
    struct epoll_event event;

    while (!__atomic_load_n(&daemon->stopping, __ATOMIC_ACQUIRE)) {
        if (epoll_wait(daemon->epoll, &event, 1, -1) != 1) {
            if (errno != EINTR)
                descriptors_are_lost();
            continue;
        }
        if (event.data.u64 != WSGI_TAG_LISTENER && event.data.u64 != WSGI_TAG_WAKE &&
            event.events & (EPOLLHUP | EPOLLERR))
            wsgi_connection_note_end(daemon, event.data.u64);
        if (event.data.u64 == WSGI_TAG_LISTENER)
            accept_all(daemon);
        else if (event.data.u64 != WSGI_TAG_WAKE &&
                 wsgi_connection_take(daemon, event.data.u64, &connection))
            serve(daemon, connection, out);
    }
}

static void *worker(void *argument)
{
    struct wsgi_daemon *daemon = argument;
    unsigned char *out = malloc(WSGI_OUT_SIZE);
    void *stack = wsgi_crash_stack_make();

    wsgi_watch_take();
    if (out != NULL)
        work(daemon, out);
    else
        wsgi_log(WSGI_LOG_ERR, NULL, "a worker ends: no memory for its buffer");
    free(out);
    wsgi_thread_end();
    wsgi_crash_stack_end(stack);
    __atomic_fetch_sub(&daemon->workers_left, 1, __ATOMIC_ACQ_REL);
    wsgi_daemon_poke(daemon);
    return NULL;
}

/* As asked for; else as the main thread's: what RLIMIT_STACK says, else 8 MiB; musl's default
 * would be far less. */
static size_t stack_size(void)
{
    int64_t wanted = wsgi_process.settings.stack_size;
    struct rlimit limit;

    if (wanted > 0)
        return wanted < PTHREAD_STACK_MIN ? (size_t)PTHREAD_STACK_MIN : (size_t)wanted;
    if (getrlimit(RLIMIT_STACK, &limit) != 0 || limit.rlim_cur == RLIM_INFINITY ||
        limit.rlim_cur < (256 << 10))
        return STACK_SIZE;
    return (size_t)limit.rlim_cur;
}

/* Half of what this process may open, the rest is the application's; and room in the table for
 * those that are refused in words. */
static int most_connections(int workers)
{
    struct rlimit limit;
    int most = WSGI_BOARD_CONNECTIONS - 64;

    if (getrlimit(RLIMIT_NOFILE, &limit) == 0 && limit.rlim_cur / 2 < (rlim_t)most)
        most = (int)(limit.rlim_cur / 2);
    return most > workers ? most : workers;
}

int wsgi_workers_start(struct wsgi_daemon *daemon, int count)
{
    pthread_attr_t attributes;
    int result = 0;

    daemon->connections_most = most_connections(count);

    daemon->workers = calloc((size_t)count, sizeof *daemon->workers);
    if (daemon->workers == NULL)
        return ENOMEM;
    pthread_attr_init(&attributes);
    pthread_attr_setstacksize(&attributes, stack_size());
    while (daemon->worker_count < count && result == 0) {
        __atomic_fetch_add(&daemon->workers_left, 1, __ATOMIC_ACQ_REL);
        result =
            pthread_create(&daemon->workers[daemon->worker_count], &attributes, worker, daemon);
        if (result == 0)
            daemon->worker_count++;
        else
            __atomic_fetch_sub(&daemon->workers_left, 1, __ATOMIC_ACQ_REL);
    }
    pthread_attr_destroy(&attributes);
    return result;
}

void wsgi_workers_join(struct wsgi_daemon *daemon)
{
    int i;

    for (i = 0; i < daemon->worker_count; i++)
        pthread_join(daemon->workers[i], NULL);
    free(daemon->workers);
    daemon->workers = NULL;
    daemon->worker_count = 0;
}
