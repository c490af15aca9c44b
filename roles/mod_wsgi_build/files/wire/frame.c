/* SPDX-License-Identifier: Apache-2.0 */
#include "frame.h"

#include <string.h>

/* What each frame type may carry. A table, so that the decoder has no case of its own. */
struct frame_rule {
    uint32_t low; /* smallest and largest payload */
    uint32_t high;
    uint8_t sender;   /* enum wsgi_end */
    uint8_t flags;    /* flags that are legal */
    uint8_t aux;      /* 1: aux has a meaning */
    uint8_t numbered; /* 1: sequence must not be 0; 0: it must be */
    uint8_t credit;   /* 1: credit has a meaning, and must not be 0 */
};

static const struct frame_rule rules[WSGI_FRAME_TYPES] = {
    [WSGI_FRAME_HELLO] = {WSGI_HELLO_SIZE, WSGI_HELLO_SIZE, WSGI_FROM_FRONT, 0, 0, 0, 0},
    [WSGI_FRAME_WELCOME] = {0, 0, WSGI_FROM_BACK, 0, 1, 0, 0},
    [WSGI_FRAME_REQUEST] = {WSGI_REQUEST_PREFIX_SIZE, WSGI_FRAME_REQUEST_MAX, WSGI_FROM_FRONT,
                            WSGI_FLAG_MORE_BODY | WSGI_FLAG_EXPECT, 1, 1, 0},
    [WSGI_FRAME_WANT] = {0, 0, WSGI_FROM_BACK, 0, 0, 1, 1},
    [WSGI_FRAME_BODY] = {0, WSGI_FRAME_BODY_MAX, WSGI_FROM_FRONT, WSGI_FLAG_FIN | WSGI_FLAG_ABORT,
                         1, 1, 0},
    [WSGI_FRAME_HEAD] = {1, WSGI_FRAME_HEAD_MAX, WSGI_FROM_BACK, 0, 0, 1, 0},
    [WSGI_FRAME_DATA] = {1, WSGI_FRAME_DATA_MAX, WSGI_FROM_BACK, WSGI_FLAG_FLUSH, 0, 1, 0},
    [WSGI_FRAME_FILE] = {WSGI_FILE_SIZE, WSGI_FILE_SIZE, WSGI_FROM_BACK, WSGI_FLAG_FLUSH, 0, 1, 0},
    [WSGI_FRAME_LOG] = {0, WSGI_FRAME_LOG_MAX, WSGI_FROM_BACK, 0, 1, 1, 0},
    [WSGI_FRAME_END] = {0, WSGI_FRAME_END_MAX, WSGI_FROM_BACK, WSGI_FLAG_TRUNCATED, 0, 1, 0},
    [WSGI_FRAME_REJECT] = {0, 0, WSGI_FROM_BACK, 0, 1, 1, 0},
    [WSGI_FRAME_CANCEL] = {0, 0, WSGI_FROM_FRONT, 0, 0, 1, 0},
};

static unsigned char *put(unsigned char *at, const void *value, size_t size)
{
    memcpy(at, value, size);
    return at + size;
}

static const unsigned char *take(const unsigned char *at, void *value, size_t size)
{
    memcpy(value, at, size);
    return at + size;
}

void wsgi_frame_encode(const struct wsgi_frame *frame, unsigned char head[WSGI_FRAME_HEAD_SIZE])
{
    unsigned char *at = head;

    at = put(at, &frame->length, sizeof frame->length);
    at = put(at, &frame->type, sizeof frame->type);
    at = put(at, &frame->flags, sizeof frame->flags);
    at = put(at, &frame->aux, sizeof frame->aux);
    at = put(at, &frame->sequence, sizeof frame->sequence);
    put(at, &frame->credit, sizeof frame->credit);
}

static enum wsgi_frame_status check(const struct wsgi_frame *frame, enum wsgi_end sender)
{
    const struct frame_rule *rule;

    if (frame->type == 0 || frame->type >= WSGI_FRAME_TYPES)
        return WSGI_FRAME_BAD_TYPE;
    rule = &rules[frame->type];
    if (rule->sender != sender)
        return WSGI_FRAME_BAD_TYPE;
    if (frame->length < rule->low || frame->length > rule->high)
        return WSGI_FRAME_BAD_LENGTH;
    if (frame->flags & ~rule->flags)
        return WSGI_FRAME_BAD_FLAGS;
    if ((frame->sequence != 0) != rule->numbered || (frame->credit != 0) != rule->credit ||
        (frame->aux != 0 && !rule->aux))
        return WSGI_FRAME_BAD_FIELD;
    return WSGI_FRAME_OK;
}

enum wsgi_frame_status wsgi_frame_decode(const unsigned char head[WSGI_FRAME_HEAD_SIZE],
                                         enum wsgi_end sender, struct wsgi_frame *frame)
{
    const unsigned char *at = head;

    at = take(at, &frame->length, sizeof frame->length);
    at = take(at, &frame->type, sizeof frame->type);
    at = take(at, &frame->flags, sizeof frame->flags);
    at = take(at, &frame->aux, sizeof frame->aux);
    at = take(at, &frame->sequence, sizeof frame->sequence);
    take(at, &frame->credit, sizeof frame->credit);
    return check(frame, sender);
}

const char *wsgi_frame_status_text(enum wsgi_frame_status status)
{
    switch (status) {
    case WSGI_FRAME_OK:
        return "fine";
    case WSGI_FRAME_BAD_TYPE:
        return "a frame type that this end may not send";
    case WSGI_FRAME_BAD_LENGTH:
        return "a frame length outside its limits";
    case WSGI_FRAME_BAD_FLAGS:
        return "a flag that the frame type does not have";
    case WSGI_FRAME_BAD_FIELD:
        return "a frame field that its type does not have";
    }
    return "an unknown fault";
}

void wsgi_hello_encode(const struct wsgi_hello *hello, unsigned char payload[WSGI_HELLO_SIZE])
{
    unsigned char *at = payload;

    at = put(at, WSGI_WIRE_MAGIC, WSGI_WIRE_MAGIC_SIZE);
    at = put(at, &hello->version, sizeof hello->version);
    at = put(at, &hello->epoch, sizeof hello->epoch);
    put(at, hello->secret, sizeof hello->secret);
}

int wsgi_hello_decode(const unsigned char *payload, size_t size, struct wsgi_hello *hello)
{
    const unsigned char *at = payload + WSGI_WIRE_MAGIC_SIZE;

    if (size != WSGI_HELLO_SIZE || memcmp(payload, WSGI_WIRE_MAGIC, WSGI_WIRE_MAGIC_SIZE) != 0)
        return -1;
    at = take(at, &hello->version, sizeof hello->version);
    at = take(at, &hello->epoch, sizeof hello->epoch);
    take(at, hello->secret, sizeof hello->secret);
    return 0;
}

int wsgi_secret_equal(const unsigned char *one, const unsigned char *other)
{
    unsigned char difference = 0;
    size_t i;

    for (i = 0; i < WSGI_WIRE_SECRET_SIZE; i++)
        difference |= (unsigned char)(one[i] ^ other[i]);
    return difference == 0;
}

void wsgi_file_range_encode(const struct wsgi_file_range *range,
                            unsigned char payload[WSGI_FILE_SIZE])
{
    put(put(payload, &range->offset, sizeof range->offset), &range->length, sizeof range->length);
}

int wsgi_file_range_decode(const unsigned char *payload, size_t size, struct wsgi_file_range *range)
{
    if (size != WSGI_FILE_SIZE)
        return -1;
    take(take(payload, &range->offset, sizeof range->offset), &range->length, sizeof range->length);
    if (range->offset > INT64_MAX || range->length > INT64_MAX - range->offset)
        return -1;
    return 0;
}
