/* SPDX-License-Identifier: Apache-2.0 */
#include "wire_test.h"

#include "vars.h"

static void fill(struct wsgi_vars_writer *writer)
{
    wsgi_vars_begin(writer);
    wsgi_vars_put(writer, "REQUEST_METHOD", "GET");
    wsgi_vars_put(writer, "MY_OWN", "");
    wsgi_vars_put_known(writer, WSGI_NAME_PATH_INFO, "/a", 2);
    wsgi_vars_put_text(writer, WSGI_PARAM_SCRIPT, "/srv/app.wsgi");
    wsgi_vars_put_number(writer, WSGI_PARAM_SERVER_PID, -5);
    wsgi_vars_put_bytes(writer, WSGI_PARAM_SECRET, "\0\1\2", 3);
    assert_int_equal(wsgi_vars_end(writer), 0);
}

static void test_round_trip(void **state)
{
    struct wsgi_vars_writer writer;
    struct wsgi_vars_reader reader;
    struct wsgi_var var;
    int64_t number;

    (void)state;
    fill(&writer);
    assert_int_equal(wsgi_vars_open(&reader, writer.data, writer.used), 0);
    assert_int_equal(wsgi_vars_next(&reader, &var), 1);
    assert_int_equal(var.id, WSGI_NAME_REQUEST_METHOD);
    assert_string_equal(var.name, "REQUEST_METHOD");
    assert_int_equal(var.name_size, strlen("REQUEST_METHOD"));
    assert_string_equal(var.value, "GET");
    assert_int_equal(wsgi_vars_next(&reader, &var), 1);
    assert_int_equal(var.id, WSGI_NAME_TEXT);
    assert_string_equal(var.name, "MY_OWN");
    assert_int_equal(var.value_size, 0);
    assert_int_equal(wsgi_vars_next(&reader, &var), 1);
    assert_string_equal(var.name, "PATH_INFO");
    assert_int_equal(wsgi_vars_next(&reader, &var), 1);
    assert_int_equal(var.id, WSGI_PARAM_SCRIPT);
    assert_int_equal(wsgi_var_number(&var, &number), -1);
    assert_int_equal(wsgi_vars_next(&reader, &var), 1);
    assert_int_equal(wsgi_var_number(&var, &number), 0);
    assert_int_equal(number, -5);
    assert_int_equal(wsgi_vars_next(&reader, &var), 1);
    assert_int_equal(var.value_size, 3);
    assert_memory_equal(var.value, "\0\1\2", 4);
    assert_int_equal(wsgi_vars_next(&reader, &var), 0);
    wsgi_vars_free(&writer);
}

/* Reads a whole block: how many entries, or -1. */
static int count(const unsigned char *block, size_t size)
{
    struct wsgi_vars_reader reader;
    struct wsgi_var var;
    int entries = 0;
    int result;

    if (wsgi_vars_open(&reader, block, size) != 0)
        return -1;
    while ((result = wsgi_vars_next(&reader, &var)) == 1)
        entries++;
    return result == 0 ? entries : -1;
}

static void test_every_truncation_is_seen(void **state)
{
    struct wsgi_vars_writer writer;
    size_t size;

    (void)state;
    fill(&writer);
    assert_int_equal(count(writer.data, writer.used), 6);
    for (size = 0; size < writer.used; size++) {
        unsigned char *copy = exactly(writer.data, size);

        assert_int_equal(count(copy, size), -1);
        free(copy);
    }
    wsgi_vars_free(&writer);
}

/* Whatever one byte is changed to, reading stays inside the block. */
static void test_every_changed_byte_is_survived(void **state)
{
    static const unsigned char values[] = {0, 1, 0x7f, 0x80, 0xff};
    struct wsgi_vars_writer writer;
    size_t at;
    size_t i;

    (void)state;
    fill(&writer);
    for (at = 0; at < writer.used; at++)
        for (i = 0; i < COUNT(values); i++) {
            unsigned char *copy = exactly(writer.data, writer.used);

            copy[at] = values[i];
            count(copy, writer.used);
            free(copy);
        }
    wsgi_vars_free(&writer);
}

static void test_trailing_bytes_and_lies(void **state)
{
    struct wsgi_vars_writer writer;
    unsigned char *copy;
    uint32_t many = UINT32_MAX;

    (void)state;
    fill(&writer);
    copy = malloc(writer.used + 1);
    assert_non_null(copy);
    memcpy(copy, writer.data, writer.used);
    copy[writer.used] = 0;
    assert_int_equal(count(copy, writer.used + 1), -1);
    memcpy(copy + 4, &many, 4);
    assert_int_equal(count(copy, writer.used), -1);
    copy[0] ^= 1;
    assert_int_equal(count(copy, writer.used), -1);
    free(copy);
    wsgi_vars_free(&writer);
}

static void test_ids_outside_the_tables(void **state)
{
    static const uint16_t bad[] = {
        WSGI_NAME_COUNT,           WSGI_PARAM_FIRST - 1,        WSGI_PARAM_REQUEST_LAST + 1,
        WSGI_PARAM_GROUP_NAME - 1, WSGI_PARAM_PROCESS_LAST + 1, 0xffff};
    struct wsgi_vars_writer writer;
    size_t i;

    (void)state;
    for (i = 0; i < COUNT(bad); i++) {
        wsgi_vars_begin(&writer);
        wsgi_vars_put_text(&writer, (enum wsgi_param)bad[i], "x");
        assert_int_equal(wsgi_vars_end(&writer), 0);
        assert_int_equal(count(writer.data, writer.used), -1);
        wsgi_vars_free(&writer);
    }
}

static void test_names_are_sorted_and_found(void **state)
{
    unsigned id;

    (void)state;
    for (id = 1; id < WSGI_NAME_COUNT; id++) {
        const char *text = wsgi_name_text((enum wsgi_name)id);
        size_t size = strlen(text);

        assert_int_equal(wsgi_name_find(text, size), id);
        assert_int_equal(wsgi_name_find(text, size - 1) == id, 0);
        if (id > 1)
            assert_true(strcmp(wsgi_name_text((enum wsgi_name)(id - 1)), text) < 0);
    }
    assert_int_equal(wsgi_name_find("", 0), WSGI_NAME_TEXT);
    assert_int_equal(wsgi_name_find("AAA", 3), WSGI_NAME_TEXT);
    assert_int_equal(wsgi_name_find("ZZZ", 3), WSGI_NAME_TEXT);
    assert_int_equal(wsgi_name_find("HTTP_HOST2", 10), WSGI_NAME_TEXT);
}

static void test_large_blocks_grow(void **state)
{
    struct wsgi_vars_writer writer;
    char *value = malloc(100000);
    int i;

    (void)state;
    assert_non_null(value);
    memset(value, 'v', 99999);
    value[99999] = '\0';
    wsgi_vars_begin(&writer);
    for (i = 0; i < 50; i++)
        wsgi_vars_put(&writer, "BIG", value);
    assert_int_equal(wsgi_vars_end(&writer), 0);
    assert_int_equal(count(writer.data, writer.used), 50);
    free(value);
    wsgi_vars_free(&writer);
    wsgi_vars_put(&writer, "AFTER", "free");
    assert_int_equal(wsgi_vars_end(&writer), -1);
}

static void test_a_name_that_is_too_long_fails_the_block(void **state)
{
    struct wsgi_vars_writer writer;
    char *name = malloc(70000);

    (void)state;
    assert_non_null(name);
    memset(name, 'N', 69999);
    name[69999] = '\0';
    wsgi_vars_begin(&writer);
    wsgi_vars_put(&writer, name, "x");
    assert_int_equal(wsgi_vars_end(&writer), -1);
    free(name);
    wsgi_vars_free(&writer);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_round_trip),
        cmocka_unit_test(test_every_truncation_is_seen),
        cmocka_unit_test(test_every_changed_byte_is_survived),
        cmocka_unit_test(test_trailing_bytes_and_lies),
        cmocka_unit_test(test_ids_outside_the_tables),
        cmocka_unit_test(test_names_are_sorted_and_found),
        cmocka_unit_test(test_large_blocks_grow),
        cmocka_unit_test(test_a_name_that_is_too_long_fails_the_block),
    };
    return cmocka_run_group_tests_name("vars", tests, NULL, NULL);
}
