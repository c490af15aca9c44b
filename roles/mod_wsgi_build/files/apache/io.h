/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Frames over a UNIX stream socket, Apache's end: one buffer, one recvmsg for as many frames as
 * have come, descriptors taken in by SCM_RIGHTS. Knows nothing of requests.
 */
#ifndef WSGI_APACHE_IO_H
#define WSGI_APACHE_IO_H

#include <stddef.h>
#include <sys/types.h>
#include <sys/uio.h>

#include "../wire/frame.h"

enum wsgi_io {
    WSGI_IO_OK,
    WSGI_IO_AGAIN, /* nothing to read, no room to write, or the time slice is over */
    WSGI_IO_EOF,   /* the other end is gone (end of file, reset) */
    WSGI_IO_ROGUE, /* it broke the rules; see `fault` */
    WSGI_IO_ERROR  /* errno */
};

struct wsgi_channel {
    int fd;
    int passed; /* descriptor that came with the bytes and is not claimed yet, -1 */
    unsigned char *data;
    size_t size;
    size_t start; /* bytes start..end are received and not consumed */
    size_t end;
    const char *fault; /* after WSGI_IO_ROGUE: words for the log */
};

/* Takes over `fd`, also when it fails for want of memory. 0 or -1. */
int wsgi_channel_open(struct wsgi_channel *channel, int fd);
void wsgi_channel_close(struct wsgi_channel *channel);

/* Next frame head, decoded and consumed. WSGI_IO_AGAIN: it is not complete yet. */
enum wsgi_io wsgi_channel_next(struct wsgi_channel *channel, struct wsgi_frame *frame);
/* `size` bytes in one piece, or NULL when they are not all there yet. Valid until consumed. */
const unsigned char *wsgi_channel_peek(const struct wsgi_channel *channel, size_t size);
void wsgi_channel_consume(struct wsgi_channel *channel, size_t size);
/* Gives back what a large frame needed; the buffer must be empty. */
void wsgi_channel_trim(struct wsgi_channel *channel);
size_t wsgi_channel_buffered(const struct wsgi_channel *channel);
/* Moves up to `size` buffered bytes to `target`. */
size_t wsgi_channel_drain(struct wsgi_channel *channel, void *target, size_t size);

/* One recvmsg. `wait`: blocks up to the socket's receive time-out. Room is made for `need` bytes
 * in one piece. */
enum wsgi_io wsgi_channel_fill(struct wsgi_channel *channel, size_t need, int wait);
/* As above; the first `size` bytes go to `target` (*got says how many came), what follows them
 * to the buffer, which must be empty. */
enum wsgi_io wsgi_channel_fill_into(struct wsgi_channel *channel, void *target, size_t size,
                                    size_t *got, int wait);
/* The descriptor that came, now the caller's; -1 when there is none. */
int wsgi_channel_claim(struct wsgi_channel *channel);

/* One sendmsg without blocking; what was sent is taken off the vector. WSGI_IO_OK: all of it. */
enum wsgi_io wsgi_channel_send(const struct wsgi_channel *channel, struct iovec *vector,
                               int *count);

#endif
