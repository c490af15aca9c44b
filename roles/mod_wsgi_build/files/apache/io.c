/* SPDX-License-Identifier: Apache-2.0 */
#include "io.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define WSGI_CHANNEL_BUFFER 16384u /* a small response in one piece; larger data bypasses it */
#define WSGI_PASSED_MAX 4          /* room for more than is legal, so that a surplus is seen */

int wsgi_channel_open(struct wsgi_channel *channel, int fd)
{
    memset(channel, 0, sizeof(*channel));
    channel->fd = fd;
    channel->passed = -1;
    channel->data = malloc(WSGI_CHANNEL_BUFFER);
    channel->size = WSGI_CHANNEL_BUFFER;
    if (!channel->data) {
        wsgi_channel_close(channel);
        return -1;
    }
    return 0;
}

void wsgi_channel_close(struct wsgi_channel *channel)
{
    if (channel->passed >= 0) {
        close(channel->passed);
    }
    if (channel->fd >= 0) {
        close(channel->fd);
    }
    free(channel->data);
    channel->passed = -1;
    channel->fd = -1;
    channel->data = NULL;
    channel->size = channel->start = channel->end = 0;
}

void wsgi_channel_trim(struct wsgi_channel *channel)
{
    unsigned char *smaller;

    if (channel->size > WSGI_CHANNEL_BUFFER) {
        smaller = realloc(channel->data, WSGI_CHANNEL_BUFFER);
        if (smaller) {
            channel->data = smaller;
            channel->size = WSGI_CHANNEL_BUFFER;
        }
    }
}

/* ---- what is buffered ---------------------------------------------------- */

size_t wsgi_channel_buffered(const struct wsgi_channel *channel)
{
    return channel->end - channel->start;
}

const unsigned char *wsgi_channel_peek(const struct wsgi_channel *channel, size_t size)
{
    return wsgi_channel_buffered(channel) >= size ? channel->data + channel->start : NULL;
}

void wsgi_channel_consume(struct wsgi_channel *channel, size_t size)
{
    channel->start += size;
    if (channel->start == channel->end) {
        channel->start = channel->end = 0;
    }
}

size_t wsgi_channel_drain(struct wsgi_channel *channel, void *target, size_t size)
{
    size_t buffered = wsgi_channel_buffered(channel);

    if (size > buffered) {
        size = buffered;
    }
    if (size) {
        memcpy(target, channel->data + channel->start, size);
        wsgi_channel_consume(channel, size);
    }
    return size;
}

enum wsgi_io wsgi_channel_next(struct wsgi_channel *channel, struct wsgi_frame *frame)
{
    const unsigned char *head = wsgi_channel_peek(channel, WSGI_FRAME_HEAD_SIZE);
    enum wsgi_frame_status status;

    if (!head) {
        return WSGI_IO_AGAIN;
    }
    status = wsgi_frame_decode(head, WSGI_FROM_BACK, frame);
    if (status != WSGI_FRAME_OK) {
        channel->fault = wsgi_frame_status_text(status);
        return WSGI_IO_ROGUE;
    }
    wsgi_channel_consume(channel, WSGI_FRAME_HEAD_SIZE);
    return WSGI_IO_OK;
}

/* ---- receiving ----------------------------------------------------------- */

/* At most one descriptor may wait for its frame; everything else that came is closed. */
static enum wsgi_io take_descriptors(struct wsgi_channel *channel, struct msghdr *message)
{
    enum wsgi_io answer = WSGI_IO_OK;
    struct cmsghdr *part;

    for (part = CMSG_FIRSTHDR(message); part; part = CMSG_NXTHDR(message, part)) {
        size_t count;
        size_t i;

        if (part->cmsg_level != SOL_SOCKET || part->cmsg_type != SCM_RIGHTS) {
            continue;
        }
        count = (part->cmsg_len - CMSG_LEN(0)) / sizeof(int);
        for (i = 0; i < count; i++) {
            int fd;

            memcpy(&fd, CMSG_DATA(part) + i * sizeof(int), sizeof(int));
            if (channel->passed < 0) {
                channel->passed = fd;
                continue;
            }
            close(fd);
            channel->fault = "more descriptors than frames that carry one";
            answer = WSGI_IO_ROGUE;
        }
    }
    if (message->msg_flags & MSG_CTRUNC) {
        channel->fault = "descriptors that could not be taken in";
        answer = WSGI_IO_ROGUE;
    }
    return answer;
}

static enum wsgi_io receive(struct wsgi_channel *channel, struct iovec *vector, size_t count,
                            int wait, size_t *got)
{
    union {
        char bytes[CMSG_SPACE(WSGI_PASSED_MAX * sizeof(int))];
        struct cmsghdr aligned;
    } control;
    struct msghdr message = {.msg_iov = vector,
                             .msg_iovlen = count,
                             .msg_control = control.bytes,
                             .msg_controllen = sizeof(control.bytes)};
    ssize_t size;

    do {
        size = recvmsg(channel->fd, &message, MSG_CMSG_CLOEXEC | (wait ? 0 : MSG_DONTWAIT));
    } while (size < 0 && errno == EINTR);
    if (size > 0) {
        *got = (size_t)size;
        return message.msg_controllen ? take_descriptors(channel, &message) : WSGI_IO_OK;
    }
    if (size == 0 || errno == ECONNRESET || errno == EPIPE) {
        return WSGI_IO_EOF;
    }
    return errno == EAGAIN || errno == EWOULDBLOCK ? WSGI_IO_AGAIN : WSGI_IO_ERROR;
}

static int make_room(struct wsgi_channel *channel, size_t need)
{
    unsigned char *larger;

    if (channel->start > 0) {
        memmove(channel->data, channel->data + channel->start, wsgi_channel_buffered(channel));
        channel->end -= channel->start;
        channel->start = 0;
    }
    if (need <= channel->size && channel->end < channel->size) {
        return 0;
    }
    larger = realloc(channel->data, need > channel->size ? need : 2 * channel->size);
    if (!larger) {
        return -1;
    }
    channel->data = larger;
    channel->size = need > channel->size ? need : 2 * channel->size;
    return 0;
}

enum wsgi_io wsgi_channel_fill(struct wsgi_channel *channel, size_t need, int wait)
{
    struct iovec room;
    enum wsgi_io answer;
    size_t got = 0;

    if (make_room(channel, need) < 0) {
        errno = ENOMEM;
        return WSGI_IO_ERROR;
    }
    room.iov_base = channel->data + channel->end;
    room.iov_len = channel->size - channel->end;
    answer = receive(channel, &room, 1, wait, &got);
    channel->end += got;
    return answer;
}

enum wsgi_io wsgi_channel_fill_into(struct wsgi_channel *channel, void *target, size_t size,
                                    size_t *got, int wait)
{
    struct iovec room[2] = {{.iov_base = target, .iov_len = size},
                            {.iov_base = channel->data, .iov_len = channel->size}};
    enum wsgi_io answer;
    size_t all = 0;

    answer = receive(channel, room, 2, wait, &all);
    *got = all < size ? all : size;
    channel->start = 0;
    channel->end = all - *got;
    return answer;
}

int wsgi_channel_claim(struct wsgi_channel *channel)
{
    int fd = channel->passed;

    channel->passed = -1;
    return fd;
}

/* ---- sending ------------------------------------------------------------- */

static void take_off(struct iovec *vector, int *count, size_t sent)
{
    int done = 0;
    int i;

    while (done < *count && sent >= vector[done].iov_len) {
        sent -= vector[done].iov_len;
        done++;
    }
    if (done < *count && sent) {
        vector[done].iov_base = (unsigned char *)vector[done].iov_base + sent;
        vector[done].iov_len -= sent;
    }
    for (i = done; i < *count; i++) {
        vector[i - done] = vector[i];
    }
    *count -= done;
}

enum wsgi_io wsgi_channel_send(const struct wsgi_channel *channel, struct iovec *vector, int *count)
{
    struct msghdr message = {.msg_iov = vector, .msg_iovlen = (size_t)*count};
    ssize_t sent;

    do {
        sent = sendmsg(channel->fd, &message, MSG_NOSIGNAL | MSG_DONTWAIT);
    } while (sent < 0 && errno == EINTR);
    if (sent < 0) {
        if (errno == EAGAIN || errno == EWOULDBLOCK) {
            return WSGI_IO_AGAIN;
        }
        return errno == EPIPE || errno == ECONNRESET ? WSGI_IO_EOF : WSGI_IO_ERROR;
    }
    take_off(vector, count, (size_t)sent);
    return *count ? WSGI_IO_AGAIN : WSGI_IO_OK;
}
