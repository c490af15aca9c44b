/* SPDX-License-Identifier: Apache-2.0 */
/* Frame heads from either end, HELLO and file ranges. Input: sender, 16 bytes of a head, payload.
 */
#include "frame.h"

#include "fuzz.h"

static const uint32_t caps[WSGI_FRAME_TYPES] = {
    [WSGI_FRAME_HELLO] = WSGI_HELLO_SIZE,    [WSGI_FRAME_REQUEST] = WSGI_FRAME_REQUEST_MAX,
    [WSGI_FRAME_BODY] = WSGI_FRAME_BODY_MAX, [WSGI_FRAME_HEAD] = WSGI_FRAME_HEAD_MAX,
    [WSGI_FRAME_DATA] = WSGI_FRAME_DATA_MAX, [WSGI_FRAME_LOG] = WSGI_FRAME_LOG_MAX,
    [WSGI_FRAME_END] = WSGI_FRAME_END_MAX,   [WSGI_FRAME_FILE] = WSGI_FILE_SIZE,
};

static void check_accepted(const struct wsgi_frame *frame, const unsigned char *head,
                           enum wsgi_end sender)
{
    unsigned char again[WSGI_FRAME_HEAD_SIZE];
    struct wsgi_frame other;

    CHECK(frame->type > 0 && frame->type < WSGI_FRAME_TYPES);
    CHECK(frame->length <= caps[frame->type]);
    CHECK((frame->sequence == 0) ==
          (frame->type == WSGI_FRAME_HELLO || frame->type == WSGI_FRAME_WELCOME));
    CHECK((frame->credit != 0) == (frame->type == WSGI_FRAME_WANT));
    CHECK(!(frame->flags & WSGI_FLAG_TRUNCATED) || frame->type == WSGI_FRAME_END);
    wsgi_frame_encode(frame, again);
    CHECK(memcmp(head, again, sizeof again) == 0);
    /* What one end may send, the other may not. */
    CHECK(wsgi_frame_decode(head, sender == WSGI_FROM_FRONT ? WSGI_FROM_BACK : WSGI_FROM_FRONT,
                            &other) == WSGI_FRAME_BAD_TYPE);
}

static void check_hello(const unsigned char *payload, size_t size)
{
    unsigned char again[WSGI_HELLO_SIZE];
    struct wsgi_hello hello;

    if (wsgi_hello_decode(payload, size, &hello) != 0)
        return;
    CHECK(size == WSGI_HELLO_SIZE);
    wsgi_hello_encode(&hello, again);
    CHECK(memcmp(payload, again, sizeof again) == 0);
    CHECK(wsgi_secret_equal(hello.secret, payload) ==
          (memcmp(hello.secret, payload, WSGI_WIRE_SECRET_SIZE) == 0));
    CHECK(wsgi_secret_equal(hello.secret, hello.secret));
}

static void check_range(const unsigned char *payload, size_t size)
{
    unsigned char again[WSGI_FILE_SIZE];
    struct wsgi_file_range range;

    if (wsgi_file_range_decode(payload, size, &range) != 0)
        return;
    CHECK(size == WSGI_FILE_SIZE);
    CHECK(range.offset <= INT64_MAX && range.length <= INT64_MAX);
    CHECK(range.offset + range.length <= INT64_MAX);
    wsgi_file_range_encode(&range, again);
    CHECK(memcmp(payload, again, sizeof again) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct feed feed = {data, size};
    enum wsgi_end sender = take_byte(&feed) & 1 ? WSGI_FROM_BACK : WSGI_FROM_FRONT;
    unsigned char *head = take_block(&feed, WSGI_FRAME_HEAD_SIZE);
    size_t payload_size = feed.left;
    unsigned char *payload = take_block(&feed, payload_size);
    struct wsgi_frame frame;
    enum wsgi_frame_status status = wsgi_frame_decode(head, sender, &frame);

    if (status == WSGI_FRAME_OK)
        check_accepted(&frame, head, sender);
    CHECK(wsgi_frame_status_text(status)[0] != '\0');
    check_hello(payload, payload_size);
    check_range(payload, payload_size);
    free(payload);
    free(head);
    return 0;
}
