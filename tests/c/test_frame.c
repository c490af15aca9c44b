/* SPDX-License-Identifier: Apache-2.0 */
#include "wire_test.h"

#include "frame.h"

static enum wsgi_frame_status pass(struct wsgi_frame frame, enum wsgi_end sender)
{
    unsigned char head[WSGI_FRAME_HEAD_SIZE];
    struct wsgi_frame back;
    enum wsgi_frame_status status;

    wsgi_frame_encode(&frame, head);
    status = wsgi_frame_decode(head, sender, &back);
    if (status == WSGI_FRAME_OK)
        assert_memory_equal(&frame, &back, sizeof frame);
    return status;
}

/* One sound frame of each type, and who may send it. */
static const struct {
    struct wsgi_frame frame;
    enum wsgi_end sender;
} sound[] = {
    {{WSGI_HELLO_SIZE, WSGI_FRAME_HELLO, 0, 0, 0, 0}, WSGI_FROM_FRONT},
    {{0, WSGI_FRAME_WELCOME, 0, 17, 0, 0}, WSGI_FROM_BACK},
    {{4, WSGI_FRAME_REQUEST, 0, 2, 1, 0}, WSGI_FROM_FRONT},
    {{WSGI_FRAME_REQUEST_MAX, WSGI_FRAME_REQUEST, WSGI_FLAG_MORE_BODY | WSGI_FLAG_EXPECT, 0, 9, 0},
     WSGI_FROM_FRONT},
    {{0, WSGI_FRAME_WANT, 0, 0, 1, 65536}, WSGI_FROM_BACK},
    {{0, WSGI_FRAME_BODY, WSGI_FLAG_FIN, 0, 1, 0}, WSGI_FROM_FRONT},
    {{0, WSGI_FRAME_BODY, WSGI_FLAG_ABORT, 413, 1, 0}, WSGI_FROM_FRONT},
    {{1, WSGI_FRAME_HEAD, 0, 0, 1, 0}, WSGI_FROM_BACK},
    {{WSGI_FRAME_DATA_MAX, WSGI_FRAME_DATA, WSGI_FLAG_FLUSH, 0, 1, 0}, WSGI_FROM_BACK},
    {{WSGI_FILE_SIZE, WSGI_FRAME_FILE, WSGI_FLAG_FLUSH, 0, 1, 0}, WSGI_FROM_BACK},
    {{0, WSGI_FRAME_LOG, 0, 3, 1, 0}, WSGI_FROM_BACK},
    {{0, WSGI_FRAME_END, WSGI_FLAG_TRUNCATED, 0, 1, 0}, WSGI_FROM_BACK},
    {{0, WSGI_FRAME_REJECT, 0, WSGI_REJECT_RELOAD, UINT32_MAX, 0}, WSGI_FROM_BACK},
    {{0, WSGI_FRAME_CANCEL, 0, 0, 1, 0}, WSGI_FROM_FRONT},
};

static void test_each_type_passes_one_way_only(void **state)
{
    size_t i;

    (void)state;
    for (i = 0; i < COUNT(sound); i++) {
        assert_int_equal(pass(sound[i].frame, sound[i].sender), WSGI_FRAME_OK);
        assert_int_equal(pass(sound[i].frame, !sound[i].sender), WSGI_FRAME_BAD_TYPE);
    }
}

static void test_every_type_is_covered(void **state)
{
    unsigned type;
    size_t i;

    (void)state;
    for (type = 1; type < WSGI_FRAME_TYPES; type++) {
        int found = 0;

        for (i = 0; i < COUNT(sound); i++)
            found |= sound[i].frame.type == type;
        assert_true(found);
    }
}

static void test_unknown_types(void **state)
{
    struct wsgi_frame frame = {0, 0, 0, 0, 1, 0};
    unsigned type;

    (void)state;
    assert_int_equal(pass(frame, WSGI_FROM_BACK), WSGI_FRAME_BAD_TYPE);
    for (type = WSGI_FRAME_TYPES; type < 256; type++) {
        frame.type = (uint8_t)type;
        assert_int_equal(pass(frame, WSGI_FROM_BACK), WSGI_FRAME_BAD_TYPE);
        assert_int_equal(pass(frame, WSGI_FROM_FRONT), WSGI_FRAME_BAD_TYPE);
    }
}

static void test_lengths_have_caps(void **state)
{
    static const struct {
        uint8_t type;
        uint32_t cap;
        enum wsgi_end sender;
        uint32_t sequence;
    } caps[] = {
        {WSGI_FRAME_HELLO, WSGI_HELLO_SIZE, WSGI_FROM_FRONT, 0},
        {WSGI_FRAME_REQUEST, WSGI_FRAME_REQUEST_MAX, WSGI_FROM_FRONT, 1},
        {WSGI_FRAME_BODY, WSGI_FRAME_BODY_MAX, WSGI_FROM_FRONT, 1},
        {WSGI_FRAME_HEAD, WSGI_FRAME_HEAD_MAX, WSGI_FROM_BACK, 1},
        {WSGI_FRAME_DATA, WSGI_FRAME_DATA_MAX, WSGI_FROM_BACK, 1},
        {WSGI_FRAME_LOG, WSGI_FRAME_LOG_MAX, WSGI_FROM_BACK, 1},
        {WSGI_FRAME_END, WSGI_FRAME_END_MAX, WSGI_FROM_BACK, 1},
        {WSGI_FRAME_CANCEL, 0, WSGI_FROM_FRONT, 1},
    };
    size_t i;

    (void)state;
    for (i = 0; i < COUNT(caps); i++) {
        struct wsgi_frame frame = {caps[i].cap, caps[i].type, 0, 0, caps[i].sequence, 0};

        assert_int_equal(pass(frame, caps[i].sender), WSGI_FRAME_OK);
        frame.length++;
        assert_int_equal(pass(frame, caps[i].sender), WSGI_FRAME_BAD_LENGTH);
        frame.length = UINT32_MAX;
        assert_int_equal(pass(frame, caps[i].sender), WSGI_FRAME_BAD_LENGTH);
    }
}

static void test_fields_that_a_type_lacks(void **state)
{
    struct wsgi_frame frame = {1, WSGI_FRAME_DATA, 0, 0, 1, 0};

    (void)state;
    frame.flags = WSGI_FLAG_FIN;
    assert_int_equal(pass(frame, WSGI_FROM_BACK), WSGI_FRAME_BAD_FLAGS);
    frame.flags = 0x80;
    assert_int_equal(pass(frame, WSGI_FROM_BACK), WSGI_FRAME_BAD_FLAGS);
    frame.flags = 0;
    frame.aux = 1;
    assert_int_equal(pass(frame, WSGI_FROM_BACK), WSGI_FRAME_BAD_FIELD);
    frame.aux = 0;
    frame.credit = 1;
    assert_int_equal(pass(frame, WSGI_FROM_BACK), WSGI_FRAME_BAD_FIELD);
    frame.credit = 0;
    frame.sequence = 0;
    assert_int_equal(pass(frame, WSGI_FROM_BACK), WSGI_FRAME_BAD_FIELD);
    frame = (struct wsgi_frame){0, WSGI_FRAME_WANT, 0, 0, 1, 0};
    assert_int_equal(pass(frame, WSGI_FROM_BACK), WSGI_FRAME_BAD_FIELD);
    frame = (struct wsgi_frame){WSGI_HELLO_SIZE, WSGI_FRAME_HELLO, 0, 0, 1, 0};
    assert_int_equal(pass(frame, WSGI_FROM_FRONT), WSGI_FRAME_BAD_FIELD);
}

static void test_hello(void **state)
{
    struct wsgi_hello hello = {WSGI_WIRE_VERSION, 42, "0123456789abcde"};
    struct wsgi_hello back;
    unsigned char payload[WSGI_HELLO_SIZE];
    unsigned char *copy;

    (void)state;
    wsgi_hello_encode(&hello, payload);
    assert_int_equal(wsgi_hello_decode(payload, sizeof payload, &back), 0);
    assert_memory_equal(&hello, &back, sizeof hello);
    copy = exactly(payload, sizeof payload - 1);
    assert_int_equal(wsgi_hello_decode(copy, sizeof payload - 1, &back), -1);
    free(copy);
    payload[0] ^= 1;
    assert_int_equal(wsgi_hello_decode(payload, sizeof payload, &back), -1);
}

static void test_secrets(void **state)
{
    unsigned char one[WSGI_WIRE_SECRET_SIZE] = {0};
    unsigned char other[WSGI_WIRE_SECRET_SIZE] = {0};
    size_t i;

    (void)state;
    assert_true(wsgi_secret_equal(one, other));
    for (i = 0; i < WSGI_WIRE_SECRET_SIZE; i++) {
        other[i] = 0x10;
        assert_false(wsgi_secret_equal(one, other));
        other[i] = 0;
    }
}

static void test_file_ranges(void **state)
{
    struct wsgi_file_range range = {5, UINT64_C(1) << 40};
    struct wsgi_file_range back;
    unsigned char payload[WSGI_FILE_SIZE];

    (void)state;
    wsgi_file_range_encode(&range, payload);
    assert_int_equal(wsgi_file_range_decode(payload, sizeof payload, &back), 0);
    assert_memory_equal(&range, &back, sizeof range);
    assert_int_equal(wsgi_file_range_decode(payload, sizeof payload - 1, &back), -1);
    range.offset = (uint64_t)INT64_MAX;
    range.length = 1;
    wsgi_file_range_encode(&range, payload);
    assert_int_equal(wsgi_file_range_decode(payload, sizeof payload, &back), -1);
    range.offset = UINT64_MAX;
    wsgi_file_range_encode(&range, payload);
    assert_int_equal(wsgi_file_range_decode(payload, sizeof payload, &back), -1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_each_type_passes_one_way_only),
        cmocka_unit_test(test_every_type_is_covered),
        cmocka_unit_test(test_unknown_types),
        cmocka_unit_test(test_lengths_have_caps),
        cmocka_unit_test(test_fields_that_a_type_lacks),
        cmocka_unit_test(test_hello),
        cmocka_unit_test(test_secrets),
        cmocka_unit_test(test_file_ranges),
    };
    return cmocka_run_group_tests_name("frame", tests, NULL, NULL);
}
