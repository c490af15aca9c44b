/* SPDX-License-Identifier: Apache-2.0 */
/* Pieces of log texts, and texts of several lines as lines of the log pipe. */
#include "wire_test.h"

#include <stdlib.h>
#include <string.h>

#include "launch.h"
#include "logtext.h"

static char big[4 * WSGI_LOGTEXT_ROOM];

static void test_what_fits_stays_whole(void **state)
{
    (void)state;
    assert_int_equal(wsgi_logtext_cut("", 0), 0);
    assert_int_equal(wsgi_logtext_cut("a\nb", 3), 3);
    memset(big, 'x', sizeof big);
    assert_int_equal(wsgi_logtext_cut(big, WSGI_LOGTEXT_ROOM), WSGI_LOGTEXT_ROOM);
    assert_int_equal(wsgi_logtext_cut(big, WSGI_LOGTEXT_ROOM + 1), WSGI_LOGTEXT_ROOM);
}

static void test_escapes_count(void **state)
{
    static const struct {
        char byte;
        size_t size;
    } bytes[] = {{'"', 1},  {'\\', 2}, {'\t', 2},   {'\b', 2},   {'\v', 2},
                 {'\f', 5}, {'\0', 5}, {'\033', 5}, {'\177', 5}, {'\377', 4}};
    size_t i;

    (void)state;
    for (i = 0; i < sizeof bytes / sizeof *bytes; i++) {
        memset(big, bytes[i].byte, sizeof big);
        assert_int_equal(wsgi_logtext_cut(big, sizeof big), WSGI_LOGTEXT_ROOM / bytes[i].size);
    }
}

static void test_cut_at_line_ends_and_characters(void **state)
{
    (void)state;
    memset(big, 'x', sizeof big);
    big[100] = '\n';
    assert_int_equal(wsgi_logtext_cut(big, sizeof big), 101);
    memset(big, 'x', sizeof big);
    big[0] = '\n';
    assert_true(wsgi_logtext_cut(big, sizeof big) > 1);
    /* A letter of three bytes, of which the last does not fit. */
    memset(big, 'x', sizeof big);
    memcpy(big + WSGI_LOGTEXT_ROOM - 8, "\xe6\xbc\xa2", 3);
    assert_int_equal(wsgi_logtext_cut(big, sizeof big), WSGI_LOGTEXT_ROOM - 8);
    assert_int_equal(wsgi_logtext_trim("a\r\n\n", 4), 1);
    assert_int_equal(wsgi_logtext_trim("\n", 1), 0);
}

/* Every text comes back, through lines of any length. */
static void test_lines_of_the_pipe(void **state)
{
    static const char text[] = "a\nb\002n\002\002\n\0c\n";
    size_t room;

    (void)state;
    for (room = 4; room < 40; room++) {
        char line[40], whole[sizeof text];
        const char *at = text;
        size_t left = sizeof text - 1, used = 0, length;
        int more = 1;

        while (more) {
            length = wsgi_logtext_escape(line, room, &at, &left);
            assert_true(length <= room);
            assert_null(memchr(line, '\n', length));
            length = wsgi_logtext_unescape(line, length, &more);
            assert_int_equal(more, left > 0);
            memcpy(whole + used, line, length);
            used += length;
        }
        assert_int_equal(used, sizeof text - 1);
        assert_memory_equal(whole, text, used);
    }
}

/* What a hostile process may write. */
static void test_any_bytes_are_taken(void **state)
{
    char lone[] = {WSGI_LOG_ESCAPE};
    char odd[] = {WSGI_LOG_ESCAPE, 'x', 'y'};
    int more;

    (void)state;
    assert_int_equal(wsgi_logtext_unescape(lone, 1, &more), 0);
    assert_int_equal(more, 1);
    assert_int_equal(wsgi_logtext_unescape(odd, 3, &more), 2);
    assert_int_equal(more, 0);
    assert_memory_equal(odd, "xy", 2);
    assert_int_equal(wsgi_logtext_unescape(odd, 0, &more), 0);
    assert_int_equal(more, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_what_fits_stays_whole),
        cmocka_unit_test(test_escapes_count),
        cmocka_unit_test(test_cut_at_line_ends_and_characters),
        cmocka_unit_test(test_lines_of_the_pipe),
        cmocka_unit_test(test_any_bytes_are_taken),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
