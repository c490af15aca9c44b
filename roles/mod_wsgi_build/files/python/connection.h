/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One connection of a front.
 *
 * Connections sit in one epoll, edge-triggered; the mark says who owns one. A worker that gets
 * an event takes an idle connection; when it is owned already it leaves a note (PENDING), and the
 * owner looks once more before it lets go. So a request that arrives in pieces is never read by
 * two workers, and no edge is lost.
 */
#ifndef WSGI_PYTHON_CONNECTION_H
#define WSGI_PYTHON_CONNECTION_H

#include <stddef.h>
#include <stdint.h>
#include <sys/uio.h>

#include "../wire/engine.h"
#include "../wire/frame.h"

struct wsgi_daemon;

enum wsgi_mark { WSGI_MARK_CLOSED, WSGI_MARK_IDLE, WSGI_MARK_OWNED, WSGI_MARK_PENDING };

struct wsgi_connection {
    struct wsgi_connection *next_free;
    uint32_t index;
    uint32_t mark; /* generation << 2 | enum wsgi_mark; atomic */
    int descriptor;
    int welcomed;   /* HELLO was fine; atomic, the main thread looks for the ones that never are */
    int64_t opened; /* steady clock, milliseconds */
    int64_t rests;  /* likewise: idle since; atomic */
    uint32_t sequence; /* of the last request */

    /* Bytes received. During a request its frame stays where it is. */
    unsigned char *in;
    size_t in_size, in_start, in_end;
    size_t skip; /* bytes of a stale frame still to be thrown away */
    int drained; /* the last receive got less than it asked for */
    int ending;  /* atomic: the front has closed its end; less than asked for is not all */

    /* the request being worked on */
    const unsigned char *first; /* body bytes that came with REQUEST */
    size_t first_left;
    size_t frame_left; /* of the BODY frame being read */
    int frame_last;    /* that frame carries FIN */
    int more_body;     /* BODY frames may still come */
    int body_error;    /* errno after ABORT or a failure; sticky */
    int64_t granted;   /* credit given to the front so far, in bytes of BODY frames */
    int64_t received;  /* bytes of BODY frames announced by their heads */
    int cancelled;     /* the client left: no more output, but END is still due */
    int lost;          /* the front left, or broke the frame rules: to be closed */
    size_t stage;      /* where receiving begins again behind the request's frame; 0: none */

    /* frames that wait to be sent together; owned by the worker */
    unsigned char *out;
    size_t out_used;
};

#define WSGI_OUT_SIZE (80 * 1024)
/* Room for receiving BODY frames behind the request's frame. */
#define WSGI_STAGE_SIZE (16 * 1024)

/* ---- table --------------------------------------------------------------- */
/* A free entry for an accepted socket, or NULL when all are taken. */
struct wsgi_connection *wsgi_connection_open(struct wsgi_daemon *daemon, int descriptor);
/* Owner only. */
void wsgi_connection_close(struct wsgi_daemon *daemon, struct wsgi_connection *connection);
/* Closes up to `count` of the idle connections, those that have been so for longest; says how many.
 * A request that was just sent on one has certainly not begun, and its front knows that. */
int wsgi_connections_shed(struct wsgi_daemon *daemon, int count);
/* In a forked process, once: closes its copies, or a front would not see the end of the daemon. */
void wsgi_connections_forsake(struct wsgi_daemon *daemon);
/* Before it is taken for that event: the front has closed its end. Data and the end come as one
 * event, and there is no other one. */
void wsgi_connection_note_end(struct wsgi_daemon *daemon, uint64_t tag);
uint64_t wsgi_connection_tag(const struct wsgi_connection *connection);
/* 1: the caller owns the connection now. 0: somebody else does, or it is not the one meant. */
int wsgi_connection_take(struct wsgi_daemon *daemon, uint64_t tag,
                         struct wsgi_connection **connection);
/* 1: let go. 0: there was a note, the caller still owns it and must look again. */
int wsgi_connection_release(struct wsgi_connection *connection);

/* ---- receiving ----------------------------------------------------------- */
enum wsgi_receive {
    WSGI_RECEIVE_FRAME, /* *frame is complete, its payload at *payload */
    WSGI_RECEIVE_LATER, /* not all of it is there yet */
    WSGI_RECEIVE_END    /* end of file, an error, or the frame rules were broken */
};
/* Next whole frame between requests, without blocking. Stale frames are thrown away. The payload
 * stays in place until the next call. */
enum wsgi_receive wsgi_connection_receive(struct wsgi_connection *connection,
                                          struct wsgi_frame *frame, const unsigned char **payload);
/* Makes the frame just received the current request. Its payload may have moved: returns where it
 * is and stays from now on; NULL without memory. */
const unsigned char *wsgi_connection_begin(struct wsgi_connection *connection,
                                           const struct wsgi_frame *frame);
/* The current request's frame is done with. */
void wsgi_connection_end(struct wsgi_connection *connection);
/* As struct wsgi_transport.want. */
void wsgi_connection_want(struct wsgi_connection *connection);
/* Body bytes as struct wsgi_transport.read. */
ssize_t wsgi_connection_read(struct wsgi_connection *connection, void *buffer, size_t size);
/* 1: the front has closed its end, nobody waits for an answer. */
int wsgi_connection_is_left(const struct wsgi_connection *connection);
/* Looks for CANCEL or end of file without blocking. */
void wsgi_connection_check(struct wsgi_connection *connection);

/* ---- sending ------------------------------------------------------------- */
/* Adds a frame; what is too large to be collected is sent at once. -1: the front left. */
int wsgi_connection_put(struct wsgi_connection *connection, struct wsgi_frame *frame,
                        const void *payload);
/* Sends body bytes as DATA frames without copying large ones. */
int wsgi_connection_data(struct wsgi_connection *connection, const void *data, size_t size,
                         int flush);
int wsgi_connection_file(struct wsgi_connection *connection, int descriptor, uint64_t offset,
                         uint64_t length);
int wsgi_connection_flush(struct wsgi_connection *connection);

#endif
