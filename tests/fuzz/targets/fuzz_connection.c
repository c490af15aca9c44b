/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A whole stream of frames from a hostile Apache child into a daemon's end of a connection
 * (python/connection.c, without Python), taken as worker.c takes it. Input: pieces, each a byte
 * (what the worker does next), a length, and so many bytes; then the front closes its end.
 */
#include "../../../roles/mod_wsgi_build/files/python/serve.h"

#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "../../../roles/mod_wsgi_build/files/python/connection.h"
#include "../../../roles/mod_wsgi_build/files/python/patience.h"
#include "../../../roles/mod_wsgi_build/files/python/stream.h"
#include "vars.h"

#include "fuzz.h"

#define PIECE_MOST 3000
#define READ_MOST 5000

/* Largest buffer: a request, what is received with it, and the room that is kept behind it. */
#define BUFFER_MOST (WSGI_FRAME_HEAD_SIZE + WSGI_FRAME_REQUEST_MAX + 4 * 32 * 1024)

/* ---- what connection.c needs of its process ---------------------------------------------- */

static int logged;

void wsgi_log(int level, struct wsgi_run *run, const char *format, ...)
{
    (void)level;
    (void)run;
    CHECK(format[0] != '\0');
    logged++;
}

int64_t wsgi_clock_steady(void)
{
    return 1;
}

void wsgi_patience_begin(struct wsgi_patience *patience, int descriptor, short events)
{
    patience->descriptor = descriptor;
    patience->events = events;
}

int wsgi_patience_wait(struct wsgi_patience *patience)
{
    struct pollfd look = {patience->descriptor, patience->events, 0};

    poll(&look, 1, -1);
    return 0;
}

void wsgi_daemon_poke(struct wsgi_daemon *daemon)
{
    CHECK(daemon != NULL);
}

/* ---- the worker -------------------------------------------------------------------------- */

struct worker {
    struct wsgi_daemon *daemon;
    struct wsgi_connection *connection;
    int peer;
    int in_request;
    uint8_t next; /* what it does next, from the input */
};

static void read_block(const unsigned char *block, size_t size)
{
    struct wsgi_vars_reader reader;
    struct wsgi_var var;

    if (wsgi_vars_open(&reader, block, size) == 0)
        while (wsgi_vars_next(&reader, &var) == 1)
            CHECK(var.value[var.value_size] == '\0');
}

static void begin(struct worker *worker, const struct wsgi_frame *frame)
{
    struct wsgi_connection *connection = worker->connection;
    const unsigned char *payload = wsgi_connection_begin(connection, frame);
    uint32_t size;

    CHECK(payload != NULL && frame->length >= WSGI_REQUEST_PREFIX_SIZE);
    memcpy(&size, payload, sizeof size);
    worker->in_request = 1;
    if (size > frame->length - WSGI_REQUEST_PREFIX_SIZE)
        return; /* END with a failure, as worker.c has it */
    read_block(payload + WSGI_REQUEST_PREFIX_SIZE, size);
    connection->first = payload + WSGI_REQUEST_PREFIX_SIZE + size;
    connection->first_left = frame->length - WSGI_REQUEST_PREFIX_SIZE - size;
}

/* Only as much as is there without blocking: a body that has not come yet would be waited for. */
static void read_body(struct worker *worker, size_t most)
{
    struct wsgi_connection *connection = worker->connection;
    unsigned char *buffer = malloc(most);
    ssize_t got = 1;

    CHECK(buffer != NULL);
    /* The front has closed its end by now, so that nothing is waited for. */
    while (got > 0) {
        got = wsgi_connection_read(connection, buffer, most);
        CHECK(got <= (ssize_t)most && connection->received <= connection->granted);
        CHECK(connection->granted - connection->received <= WSGI_WIRE_INITIAL_CREDIT);
    }
    if (got < 0)
        CHECK(wsgi_connection_read(connection, buffer, most) < 0);
    free(buffer);
}

static void answer(struct worker *worker)
{
    struct wsgi_connection *connection = worker->connection;
    struct wsgi_frame end = {.type = WSGI_FRAME_END, .sequence = connection->sequence};
    char waste[1000];

    memset(waste, 'x', sizeof waste);
    wsgi_connection_data(connection, waste, sizeof waste, worker->next & 1);
    wsgi_connection_put(connection, &end, NULL);
    wsgi_connection_flush(connection);
    wsgi_connection_end(connection);
    worker->in_request = 0;
    while (recv(worker->peer, waste, sizeof waste, MSG_DONTWAIT) > 0)
        continue;
}

static void work(struct worker *worker, int is_last)
{
    struct wsgi_connection *connection = worker->connection;

    wsgi_connection_check(connection);
    if (worker->next & 2)
        wsgi_connection_want(connection);
    /* While the front may still send, reading a body could wait for it. */
    if (worker->next & 4 && (is_last || !connection->more_body))
        read_body(worker, 1 + worker->next * 16 % READ_MOST);
    if (is_last || worker->next & 8)
        answer(worker);
}

/* 0: the connection is to be closed. */
static int take_all(struct worker *worker, int is_last)
{
    struct wsgi_connection *connection = worker->connection;
    const unsigned char *payload;
    struct wsgi_frame frame;
    struct wsgi_hello hello;

    for (;;) {
        if (worker->in_request)
            work(worker, is_last);
        if (worker->in_request || connection->lost)
            return !connection->lost;
        CHECK(connection->in_end <= connection->in_size && connection->in_size <= BUFFER_MOST);
        switch (wsgi_connection_receive(connection, &frame, &payload)) {
        case WSGI_RECEIVE_END:
            return 0;
        case WSGI_RECEIVE_LATER:
            return 1;
        case WSGI_RECEIVE_FRAME:
            break;
        }
        CHECK(frame.type == WSGI_FRAME_HELLO || frame.type == WSGI_FRAME_REQUEST);
        if (frame.type == WSGI_FRAME_REQUEST) {
            begin(worker, &frame);
        } else {
            if (wsgi_hello_decode(payload, frame.length, &hello) != 0)
                return 0;
            connection->welcomed = 1;
            __atomic_fetch_sub(&worker->daemon->connections_new, 1, __ATOMIC_ACQ_REL);
        }
    }
}

static int feed_piece(struct feed *feed, struct worker *worker)
{
    size_t size, done = 0;
    unsigned char *bytes;
    ssize_t sent;

    worker->next = take_byte(feed);
    size = 1 + (take_byte(feed) | (size_t)take_byte(feed) << 8) % PIECE_MOST;
    bytes = take_block(feed, size);
    sent = send(worker->peer, bytes, size, MSG_DONTWAIT | MSG_NOSIGNAL);
    done = sent > 0 ? (size_t)sent : 0;
    free(bytes);
    worker->connection->drained = 0; /* as when the epoll has an event */
    return done == size;
}

static struct wsgi_daemon *make_daemon(void)
{
    static struct wsgi_daemon *daemon;

    if (daemon == NULL) {
        daemon = calloc(1, sizeof *daemon);
        CHECK(daemon != NULL);
        daemon->epoll = -1;
        pthread_mutex_init(&daemon->table_lock, NULL);
    }
    return daemon;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static unsigned char out[WSGI_OUT_SIZE];
    struct feed feed = {data, size};
    struct worker worker = {.daemon = make_daemon()};
    int lowest = dup(0);
    int pair[2];
    int open = 1;

    CHECK(lowest >= 0 && close(lowest) == 0);
    CHECK(socketpair(AF_UNIX, SOCK_STREAM, 0, pair) == 0);
    logged = 0;
    worker.peer = pair[1];
    worker.connection = wsgi_connection_open(worker.daemon, pair[0]);
    CHECK(worker.connection != NULL);
    CHECK(wsgi_connection_take(worker.daemon, wsgi_connection_tag(worker.connection),
                               &worker.connection));
    worker.connection->out = out;
    while (open && feed.left > 0 && feed_piece(&feed, &worker))
        open = take_all(&worker, 0);
    shutdown(worker.peer, SHUT_WR);
    worker.connection->drained = 0;
    if (open || worker.in_request)
        take_all(&worker, 1);
    CHECK(logged <= 1); /* whatever was sent, one line says so */
    wsgi_connection_close(worker.daemon, worker.connection);
    close(worker.peer);
    CHECK(dup(0) == lowest && close(lowest) == 0);
    CHECK(worker.daemon->connections_open == 0 && worker.daemon->connections_new == 0);
    return 0;
}
