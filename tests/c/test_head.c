/* SPDX-License-Identifier: Apache-2.0 */
#include "wire_test.h"

#include "head.h"

#define TEXT(literal) literal, sizeof(literal) - 1

static void test_status_lines(void **state)
{
    static const struct {
        const char *text;
        size_t size;
        enum wsgi_head_status expected;
    } cases[] = {
        {TEXT("200 OK"), WSGI_HEAD_OK},
        {TEXT("200"), WSGI_HEAD_OK},
        {TEXT("200 "), WSGI_HEAD_OK},
        {TEXT("999 Odd"), WSGI_HEAD_OK},
        {TEXT("404 Nicht gefunden \xe4"), WSGI_HEAD_OK},
        {TEXT(""), WSGI_HEAD_STATUS_FORM},
        {TEXT("20"), WSGI_HEAD_STATUS_FORM},
        {TEXT("2000"), WSGI_HEAD_STATUS_FORM},
        {TEXT("200OK"), WSGI_HEAD_STATUS_FORM},
        {TEXT("OK 200"), WSGI_HEAD_STATUS_FORM},
        {TEXT(" 200 OK"), WSGI_HEAD_STATUS_FORM},
        {TEXT("-20 OK"), WSGI_HEAD_STATUS_FORM},
        {TEXT("099 Low"), WSGI_HEAD_STATUS_RANGE},
        {TEXT("100 Continue"), WSGI_HEAD_STATUS_RANGE},
        {TEXT("199 Odd"), WSGI_HEAD_STATUS_RANGE},
        {TEXT("200 O\nK"), WSGI_HEAD_STATUS_BYTES},
        {TEXT("200 O\0K"), WSGI_HEAD_STATUS_BYTES},
        {TEXT("200 OK\r"), WSGI_HEAD_STATUS_BYTES},
        {TEXT("200 O\tK"), WSGI_HEAD_STATUS_BYTES},
        {TEXT("200 O\x7fK"), WSGI_HEAD_STATUS_BYTES},
    };
    size_t i;

    (void)state;
    for (i = 0; i < COUNT(cases); i++) {
        unsigned char *copy = exactly(cases[i].text, cases[i].size);
        int number = 0;

        assert_int_equal(wsgi_head_check_status((char *)copy, cases[i].size, &number),
                         cases[i].expected);
        if (cases[i].expected == WSGI_HEAD_OK)
            assert_int_equal(number, atoi(cases[i].text));
        free(copy);
    }
}

static void test_fields(void **state)
{
    static const struct {
        const char *name;
        size_t name_size;
        const char *value;
        size_t value_size;
        enum wsgi_head_status expected;
    } cases[] = {
        {TEXT("X-A"), TEXT("b"), WSGI_HEAD_OK},
        {TEXT("!#$%&'*+-.^_`|~0aZ"), TEXT(""), WSGI_HEAD_OK},
        {TEXT("A"), TEXT("tab\there \xff"), WSGI_HEAD_OK},
        {TEXT(""), TEXT("b"), WSGI_HEAD_NAME_EMPTY},
        {TEXT("X A"), TEXT("b"), WSGI_HEAD_NAME_BYTES},
        {TEXT("X:"), TEXT("b"), WSGI_HEAD_NAME_BYTES},
        {TEXT("X\0"), TEXT("b"), WSGI_HEAD_NAME_BYTES},
        {TEXT("X\n"), TEXT("b"), WSGI_HEAD_NAME_BYTES},
        {TEXT("X\xe4"), TEXT("b"), WSGI_HEAD_NAME_BYTES},
        {TEXT("X"), TEXT("a\r\nSet-Cookie: b"), WSGI_HEAD_VALUE_BYTES},
        {TEXT("X"), TEXT("a\nb"), WSGI_HEAD_VALUE_BYTES},
        {TEXT("X"), TEXT("a\0b"), WSGI_HEAD_VALUE_BYTES},
        {TEXT("X"), TEXT("\x1b"), WSGI_HEAD_VALUE_BYTES},
        {TEXT("X"), TEXT("\x7f"), WSGI_HEAD_VALUE_BYTES},
    };
    size_t i;

    (void)state;
    for (i = 0; i < COUNT(cases); i++)
        assert_int_equal(wsgi_head_check_field(cases[i].name, cases[i].name_size, cases[i].value,
                                               cases[i].value_size),
                         cases[i].expected);
}

static void test_lengths(void **state)
{
    static const struct {
        const char *text;
        int64_t number; /* -1: refused */
    } cases[] = {
        {"0", 0},
        {"5", 5},
        {" 7 ", 7},
        {"007", 7},
        {"9223372036854775807", INT64_MAX},
        {"9223372036854775808", -1},
        {"99999999999999999999", -1},
        {"", -1},
        {" ", -1},
        {"-1", -1},
        {"+1", -1},
        {"1,1", -1},
        {"1 1", -1},
        {"0x10", -1},
        {"1\n", -1},
        {"1.0", -1},
    };
    size_t i;

    (void)state;
    for (i = 0; i < COUNT(cases); i++) {
        unsigned char *copy = exactly(cases[i].text, strlen(cases[i].text));
        int64_t number = -1;
        enum wsgi_head_status status =
            wsgi_head_parse_length((char *)copy, strlen(cases[i].text), &number);

        assert_int_equal(status, cases[i].number >= 0 ? WSGI_HEAD_OK : WSGI_HEAD_LENGTH_FORM);
        assert_int_equal(number, cases[i].number);
        free(copy);
    }
}

static void test_names_compare_whole(void **state)
{
    (void)state;
    assert_true(wsgi_head_name_is("content-LENGTH", 14, "Content-Length"));
    assert_false(wsgi_head_name_is("C", 1, "Content-Length"));
    assert_false(wsgi_head_name_is("Content-Lengths", 15, "Content-Length"));
    assert_true(wsgi_head_is_hop_by_hop("te", 2));
    assert_true(wsgi_head_is_hop_by_hop("TRANSFER-ENCODING", 17));
    assert_false(wsgi_head_is_hop_by_hop("Proxy-Authenticate", 18));
    assert_false(wsgi_head_is_hop_by_hop("T", 1));
}

static void fill(struct wsgi_head_writer *writer)
{
    wsgi_head_begin(writer, "200 OK", 6);
    wsgi_head_put(writer, "Content-Type", 12, "text/plain", 10);
    wsgi_head_put(writer, "X-Empty", 7, "", 0);
    assert_int_equal(wsgi_head_end(writer), 0);
}

static void test_block_round_trip(void **state)
{
    struct wsgi_head_writer writer = {0};
    struct wsgi_head_reader reader;
    struct wsgi_head_field field;
    enum wsgi_head_status why;
    int again;

    (void)state;
    for (again = 0; again < 2; again++) { /* the writer's buffer is used again */
        fill(&writer);
        assert_int_equal(wsgi_head_open(&reader, writer.data, writer.used), WSGI_HEAD_OK);
        assert_int_equal(reader.number, 200);
        assert_string_equal(reader.status, "200 OK");
        assert_int_equal(wsgi_head_next(&reader, &field, &why), 1);
        assert_string_equal(field.name, "Content-Type");
        assert_string_equal(field.value, "text/plain");
        assert_int_equal(wsgi_head_next(&reader, &field, &why), 1);
        assert_int_equal(field.value_size, 0);
        assert_int_equal(wsgi_head_next(&reader, &field, &why), 0);
    }
    free(writer.data);
}

static int read_all(const unsigned char *block, size_t size)
{
    struct wsgi_head_reader reader;
    struct wsgi_head_field field;
    enum wsgi_head_status why = WSGI_HEAD_OK;
    int fields = 0;
    int result;

    if (wsgi_head_open(&reader, block, size) != WSGI_HEAD_OK)
        return -1;
    while ((result = wsgi_head_next(&reader, &field, &why)) == 1)
        fields++;
    if (result < 0)
        assert_int_not_equal(why, WSGI_HEAD_OK);
    return result == 0 ? fields : -1;
}

static void test_damaged_blocks(void **state)
{
    static const unsigned char values[] = {0, 1, 0x7f, 0x80, 0xff};
    struct wsgi_head_writer writer = {0};
    unsigned char *copy;
    size_t size;
    size_t i;

    (void)state;
    fill(&writer);
    assert_int_equal(read_all(writer.data, writer.used), 2);
    for (size = 0; size < writer.used; size++) {
        copy = exactly(writer.data, size);
        assert_int_equal(read_all(copy, size), -1);
        for (i = 0; i < COUNT(values); i++) {
            free(copy);
            copy = exactly(writer.data, writer.used);
            copy[size] = values[i];
            read_all(copy, writer.used);
        }
        free(copy);
    }
    free(writer.data);
}

static void test_a_daemon_cannot_split_the_response(void **state)
{
    struct wsgi_head_writer writer = {0};

    (void)state;
    wsgi_head_begin(&writer, "200 OK", 6);
    wsgi_head_put(&writer, "X", 1, "a\r\nY: b", 7);
    assert_int_equal(wsgi_head_end(&writer), 0);
    assert_int_equal(read_all(writer.data, writer.used), -1);
    wsgi_head_begin(&writer, "200 OK\r\nY: b", 12);
    assert_int_equal(wsgi_head_end(&writer), 0);
    assert_int_equal(read_all(writer.data, writer.used), -1);
    free(writer.data);
}

static void test_too_many_fields(void **state)
{
    struct wsgi_head_writer writer = {0};
    unsigned i;

    (void)state;
    wsgi_head_begin(&writer, "200 OK", 6);
    for (i = 0; i < WSGI_HEAD_FIELDS_MAX; i++)
        wsgi_head_put(&writer, "A", 1, "b", 1);
    assert_int_equal(wsgi_head_end(&writer), 0);
    assert_int_equal(read_all(writer.data, writer.used), WSGI_HEAD_FIELDS_MAX);
    wsgi_head_put(&writer, "A", 1, "b", 1);
    assert_int_equal(wsgi_head_end(&writer), 0);
    assert_int_equal(read_all(writer.data, writer.used), -1);
    free(writer.data);
}

static void test_each_status_has_words(void **state)
{
    int status;

    (void)state;
    for (status = WSGI_HEAD_OK; status <= WSGI_HEAD_BLOCK; status++)
        assert_string_not_equal(wsgi_head_status_text((enum wsgi_head_status)status),
                                "an unknown fault");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_status_lines),
        cmocka_unit_test(test_fields),
        cmocka_unit_test(test_lengths),
        cmocka_unit_test(test_names_compare_whole),
        cmocka_unit_test(test_block_round_trip),
        cmocka_unit_test(test_damaged_blocks),
        cmocka_unit_test(test_a_daemon_cannot_split_the_response),
        cmocka_unit_test(test_too_many_fields),
        cmocka_unit_test(test_each_status_has_words),
    };
    return cmocka_run_group_tests_name("head", tests, NULL, NULL);
}
