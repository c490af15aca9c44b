/* SPDX-License-Identifier: Apache-2.0 */
#include "wire_test.h"

#include "options.h"

static char name[16];
static char value[32];

static enum wsgi_option_status next(const char **line)
{
    struct wsgi_option option = {name, sizeof name, value, sizeof value};

    return wsgi_option_next(line, &option);
}

static void test_words(void **state)
{
    const char *line = "  user=www-data\tthreads=5 home=\"/srv/a b\" empty='' x='it''s'";

    (void)state;
    assert_int_equal(next(&line), WSGI_OPTION_OK);
    assert_string_equal(name, "user");
    assert_string_equal(value, "www-data");
    assert_int_equal(next(&line), WSGI_OPTION_OK);
    assert_string_equal(name, "threads");
    assert_string_equal(value, "5");
    assert_int_equal(next(&line), WSGI_OPTION_OK);
    assert_string_equal(value, "/srv/a b");
    assert_int_equal(next(&line), WSGI_OPTION_OK);
    assert_string_equal(name, "empty");
    assert_string_equal(value, "");
    assert_int_equal(next(&line), WSGI_OPTION_QUOTE);
    assert_string_equal(line, "x='it''s'"); /* left at the bad word */
}

static void test_escapes(void **state)
{
    const char *line = "a=\"say \\\"hi\\\" \\\\ \\n\" b='it\\'s' c=a\\b d=\"\"";

    (void)state;
    assert_int_equal(next(&line), WSGI_OPTION_OK);
    assert_string_equal(value, "say \"hi\" \\ \\n");
    assert_int_equal(next(&line), WSGI_OPTION_OK);
    assert_string_equal(value, "it's");
    assert_int_equal(next(&line), WSGI_OPTION_OK);
    assert_string_equal(value, "a\\b");
    assert_int_equal(next(&line), WSGI_OPTION_OK);
    assert_string_equal(value, "");
    assert_int_equal(next(&line), WSGI_OPTION_END);
}

static void test_bad_words(void **state)
{
    static const struct {
        const char *line;
        enum wsgi_option_status expected;
    } cases[] = {
        {"", WSGI_OPTION_END},
        {" \t", WSGI_OPTION_END},
        {"threads", WSGI_OPTION_NO_VALUE},
        {"threads =5", WSGI_OPTION_NO_VALUE},
        {"=5", WSGI_OPTION_NO_VALUE},
        {"a=\"open", WSGI_OPTION_QUOTE},
        {"a='open", WSGI_OPTION_QUOTE},
        {"a=\"x\"y", WSGI_OPTION_QUOTE},
        {"a=\"x\\\"", WSGI_OPTION_QUOTE},
        {"this-name-is-too-long=1", WSGI_OPTION_TOO_LONG},
        {"a=0123456789012345678901234567890", WSGI_OPTION_OK},
        {"a=01234567890123456789012345678901", WSGI_OPTION_TOO_LONG},
    };
    size_t i;

    (void)state;
    for (i = 0; i < COUNT(cases); i++) {
        unsigned char *copy = exactly(cases[i].line, strlen(cases[i].line) + 1);
        const char *line = (char *)copy;

        assert_int_equal(next(&line), cases[i].expected);
        free(copy);
    }
}

static void test_integers(void **state)
{
    int64_t number;

    (void)state;
    assert_int_equal(wsgi_value_integer("15", 1, 100, &number), 0);
    assert_int_equal(number, 15);
    assert_int_equal(wsgi_value_integer("-5", -10, 100, &number), 0);
    assert_int_equal(number, -5);
    assert_int_equal(wsgi_value_integer("0", 1, 100, &number), -1);
    assert_int_equal(wsgi_value_integer("101", 1, 100, &number), -1);
    assert_int_equal(wsgi_value_integer("15x", 1, 100, &number), -1);
    assert_int_equal(wsgi_value_integer("", 0, 100, &number), -1);
    assert_int_equal(wsgi_value_integer(" 5", 0, 100, &number), -1);
    assert_int_equal(wsgi_value_integer("+5", 0, 100, &number), -1);
    assert_int_equal(wsgi_value_integer("-", -10, 100, &number), -1);
    assert_int_equal(wsgi_value_integer("99999999999999999999", 0, INT64_MAX, &number), -1);
}

static void test_octals(void **state)
{
    unsigned number;

    (void)state;
    assert_int_equal(wsgi_value_octal("022", &number), 0);
    assert_int_equal(number, 022);
    assert_int_equal(wsgi_value_octal("0777", &number), 0);
    assert_int_equal(wsgi_value_octal("1000", &number), -1);
    assert_int_equal(wsgi_value_octal("028", &number), -1);
    assert_int_equal(wsgi_value_octal("", &number), -1);
    assert_int_equal(wsgi_value_octal("77777777777777777777777", &number), -1);
}

static void test_flags(void **state)
{
    (void)state;
    assert_int_equal(wsgi_value_flag("On"), 1);
    assert_int_equal(wsgi_value_flag("oFF"), 0);
    assert_int_equal(wsgi_value_flag("1"), -1);
    assert_int_equal(wsgi_value_flag(""), -1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_words),     cmocka_unit_test(test_escapes),
        cmocka_unit_test(test_bad_words), cmocka_unit_test(test_integers),
        cmocka_unit_test(test_octals),    cmocka_unit_test(test_flags),
    };
    return cmocka_run_group_tests_name("options", tests, NULL, NULL);
}
