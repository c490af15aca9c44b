/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A whole stream of frames from a hostile daemon into Apache's end of a connection (apache/io.c),
 * read as receiver.c reads it. Input: pieces, each a byte (how it is sent, and whether descriptors
 * go along), a length, and so many bytes.
 */
#include <fcntl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "../../../roles/mod_wsgi_build/files/apache/io.h"

#include "fuzz.h"

#define PIECE_MOST 3000
#define DESCRIPTORS_MOST 6

static const uint32_t cap = WSGI_FRAME_HEAD_SIZE + WSGI_FRAME_HEAD_MAX;

static void send_piece(struct feed *feed, int fd)
{
    union {
        char bytes[CMSG_SPACE(DESCRIPTORS_MOST * sizeof(int))];
        struct cmsghdr aligned;
    } control;
    uint8_t kind = take_byte(feed);
    size_t size = 1 + (take_byte(feed) | (size_t)take_byte(feed) << 8) % PIECE_MOST;
    unsigned char *bytes = take_block(feed, size);
    struct iovec vector = {bytes, size};
    struct msghdr message = {.msg_iov = &vector, .msg_iovlen = 1};
    size_t count = kind & 0x80 ? (kind & 0x0F) % (DESCRIPTORS_MOST + 1) : 0;

    if (count > 0) {
        int fds[DESCRIPTORS_MOST] = {0};

        memset(&control, 0, sizeof control);
        message.msg_control = control.bytes;
        message.msg_controllen = CMSG_SPACE(count * sizeof(int));
        CMSG_FIRSTHDR(&message)->cmsg_level = SOL_SOCKET;
        CMSG_FIRSTHDR(&message)->cmsg_type = SCM_RIGHTS;
        CMSG_FIRSTHDR(&message)->cmsg_len = CMSG_LEN(count * sizeof(int));
        memcpy(CMSG_DATA(CMSG_FIRSTHDR(&message)), fds, count * sizeof(int));
    }
    (void)sendmsg(fd, &message, MSG_DONTWAIT | MSG_NOSIGNAL);
    free(bytes);
}

/* What receiver.c does with a frame: DATA goes past the buffer, all else is taken as a whole. */
struct taker {
    struct wsgi_channel channel;
    struct wsgi_frame frame;
    int in_frame;
    unsigned char *block; /* DATA on its way, of just its size */
    size_t block_used;
};

/* 1: something was taken. */
static int take_data(struct taker *taker)
{
    size_t left;

    if (taker->block == NULL) {
        taker->block = malloc(taker->frame.length);
        CHECK(taker->block != NULL);
        taker->block_used = 0;
    }
    left = taker->frame.length - taker->block_used;
    taker->block_used +=
        wsgi_channel_drain(&taker->channel, taker->block + taker->block_used, left);
    if (taker->block_used < taker->frame.length)
        return 0;
    free(taker->block);
    taker->block = NULL;
    taker->in_frame = 0;
    return 1;
}

static int take_whole(struct taker *taker)
{
    const unsigned char *payload = wsgi_channel_peek(&taker->channel, taker->frame.length);
    unsigned sum = 0;
    uint32_t i;
    int fd;

    if (payload == NULL)
        return 0;
    for (i = 0; i < taker->frame.length; i++)
        sum += payload[i];
    CHECK(sum <= 255u * taker->frame.length);
    if (taker->frame.type == WSGI_FRAME_FILE && (fd = wsgi_channel_claim(&taker->channel)) >= 0)
        close(fd);
    wsgi_channel_consume(&taker->channel, taker->frame.length);
    taker->in_frame = 0;
    return 1;
}

/* 0: the rules were broken. */
static int take_frames(struct taker *taker)
{
    int on = 1;

    while (on) {
        if (!taker->in_frame) {
            enum wsgi_io answer = wsgi_channel_next(&taker->channel, &taker->frame);

            if (answer == WSGI_IO_ROGUE)
                CHECK(taker->channel.fault != NULL);
            if (answer != WSGI_IO_OK)
                return answer == WSGI_IO_AGAIN;
            CHECK(taker->frame.length <= WSGI_FRAME_HEAD_MAX);
            taker->in_frame = 1;
        }
        on = taker->frame.type == WSGI_FRAME_DATA ? take_data(taker) : take_whole(taker);
    }
    return 1;
}

static enum wsgi_io fill(struct taker *taker)
{
    size_t got = 0;
    enum wsgi_io answer;

    if (taker->block != NULL) {
        answer = wsgi_channel_fill_into(&taker->channel, taker->block + taker->block_used,
                                        taker->frame.length - taker->block_used, &got, 0);
        taker->block_used += got;
        return answer;
    }
    return wsgi_channel_fill(&taker->channel,
                             taker->in_frame ? taker->frame.length : WSGI_FRAME_HEAD_SIZE, 0);
}

static void feed_all(struct taker *taker, struct feed *feed, int peer)
{
    enum wsgi_io answer = WSGI_IO_OK;

    while (feed->left > 0 && answer != WSGI_IO_ROGUE) {
        send_piece(feed, peer);
        for (answer = fill(taker); answer == WSGI_IO_OK; answer = fill(taker)) {
            /* Never more than one frame of the largest kind, and what came along with it. */
            CHECK(wsgi_channel_buffered(&taker->channel) <= taker->channel.size);
            CHECK(taker->channel.size <= 2 * cap);
            if (!take_frames(taker))
                return;
        }
        CHECK(answer == WSGI_IO_AGAIN || answer == WSGI_IO_ROGUE);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct feed feed = {data, size};
    struct taker taker;
    int lowest = dup(0);
    int pair[2];
    int again;

    CHECK(lowest >= 0 && close(lowest) == 0);
    CHECK(socketpair(AF_UNIX, SOCK_STREAM, 0, pair) == 0);
    memset(&taker, 0, sizeof taker);
    CHECK(wsgi_channel_open(&taker.channel, pair[0]) == 0);
    feed_all(&taker, &feed, pair[1]);
    free(taker.block);
    if (wsgi_channel_buffered(&taker.channel) == 0)
        wsgi_channel_trim(&taker.channel);
    wsgi_channel_close(&taker.channel);
    close(pair[1]);
    /* No descriptor that came is left behind. */
    again = dup(0);
    CHECK(again == lowest);
    close(again);
    return 0;
}
