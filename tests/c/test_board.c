/* SPDX-License-Identifier: Apache-2.0 */
#include "wire_test.h"

#include "board.h"

static void test_started_marks(void **state)
{
    struct wsgi_board *board = malloc(WSGI_BOARD_SIZE);

    (void)state;
    assert_non_null(board);
    wsgi_board_reset(board, 7);
    assert_false(wsgi_board_started(board, 7, 3, 1));
    wsgi_board_start(board, 3, 1);
    assert_true(wsgi_board_started(board, 7, 3, 1));
    assert_false(wsgi_board_started(board, 7, 3, 2));
    assert_false(wsgi_board_started(board, 7, 4, 1));
    wsgi_board_start(board, WSGI_BOARD_CONNECTIONS - 1, 5);
    assert_true(wsgi_board_started(board, 7, WSGI_BOARD_CONNECTIONS - 1, 5));
    free(board);
}

/* A retry must never come from a doubt. */
static void test_doubt_counts_as_started(void **state)
{
    struct wsgi_board *board = malloc(WSGI_BOARD_SIZE);

    (void)state;
    assert_non_null(board);
    wsgi_board_reset(board, 7);
    assert_true(wsgi_board_started(NULL, 7, 0, 1));
    assert_true(wsgi_board_started(board, 8, 0, 1));
    assert_true(wsgi_board_started(board, 7, WSGI_BOARD_CONNECTIONS, 1));
    assert_true(wsgi_board_started(board, 7, UINT32_MAX, 1));
    wsgi_board_start(board, WSGI_BOARD_CONNECTIONS, 1); /* out of range: nothing is written */
    board->magic ^= 1;
    assert_true(wsgi_board_started(board, 7, 0, 1));
    board->magic ^= 1;
    board->version++;
    assert_true(wsgi_board_started(board, 7, 0, 1));
    free(board);
}

/* Until then its script is being loaded; what cannot be believed does not stop a clock. */
static void test_called(void **state)
{
    struct wsgi_board *board = malloc(WSGI_BOARD_SIZE);

    (void)state;
    assert_non_null(board);
    wsgi_board_reset(board, 7);
    wsgi_board_start(board, 3, 1);
    assert_false(wsgi_board_called(board, 7, 3, 1));
    wsgi_board_call(board, 3, 1);
    assert_true(wsgi_board_called(board, 7, 3, 1));
    assert_false(wsgi_board_called(board, 7, 3, 2));
    assert_true(wsgi_board_called(board, 8, 3, 2));
    assert_true(wsgi_board_called(NULL, 7, 3, 2));
    wsgi_board_call(board, WSGI_BOARD_CONNECTIONS, 1); /* out of range: nothing is written */
    free(board);
}

/* A worker is busy until its request is over; what cannot be believed frees it. */
static void test_busy_until_the_end(void **state)
{
    struct wsgi_board *board = malloc(WSGI_BOARD_SIZE);

    (void)state;
    assert_non_null(board);
    wsgi_board_reset(board, 7);
    assert_false(wsgi_board_is_busy(board, 7, 3));
    wsgi_board_start(board, 3, 1);
    assert_true(wsgi_board_is_busy(board, 7, 3));
    assert_false(wsgi_board_is_busy(board, 7, 2));
    assert_false(wsgi_board_is_busy(board, 8, 3));
    assert_false(wsgi_board_is_busy(NULL, 7, 3));
    wsgi_board_end(board, 3, 1);
    assert_false(wsgi_board_is_busy(board, 7, 3));
    wsgi_board_end(board, WSGI_BOARD_CONNECTIONS, 1); /* out of range: nothing is written */
    assert_false(wsgi_board_is_busy(board, 7, WSGI_BOARD_CONNECTIONS));
    free(board);
}

/* The request that began last, without its query; what cannot be believed is none. */
static void test_last_request(void **state)
{
    struct wsgi_board *board = malloc(WSGI_BOARD_SIZE);
    char text[WSGI_BOARD_TEXT];
    char url[1000] = "/";
    unsigned i;

    (void)state;
    assert_non_null(board);
    wsgi_board_reset(board, 7);
    assert_int_equal(wsgi_board_last(board, 7, text, sizeof text), 0);
    for (i = 0; i < 3 * WSGI_BOARD_LASTS; i++)
        wsgi_board_note(board, "GET", "/first");
    wsgi_board_note(board, "POST", "/path?secret=1");
    assert_int_equal(wsgi_board_begun(board, 7), 3 * WSGI_BOARD_LASTS + 1);
    assert_int_equal(wsgi_board_last(board, 7, text, sizeof text), 10);
    assert_string_equal(text, "POST /path");
    assert_int_equal(wsgi_board_last(board, 8, text, sizeof text), 0);
    assert_int_equal(wsgi_board_last(board, 7, text, 5), 4);
    assert_string_equal(text, "POST");
    memset(url + 1, 'x', sizeof url - 2);
    url[sizeof url - 1] = '\0';
    wsgi_board_note(board, "GET", url);
    assert_int_equal(wsgi_board_last(board, 7, text, sizeof text), WSGI_BOARD_TEXT - 1);
    wsgi_board_note(board, url, "/");
    assert_int_equal(wsgi_board_last(board, 7, text, sizeof text), 34);
    free(board);
}

/* A hostile process writes what it likes: no NUL, control characters, any number. */
static void test_texts_are_tamed(void **state)
{
    struct wsgi_board *board = malloc(WSGI_BOARD_SIZE);
    char text[WSGI_BOARD_CRASH + 100];
    size_t size, i;

    (void)state;
    assert_non_null(board);
    wsgi_board_reset(board, 7);
    assert_int_equal(wsgi_board_crash(board, 7, text, sizeof text), 0);
    memcpy(board->crash, "one\ntwo\x1b[0m\r\xff", 14);
    assert_int_equal(wsgi_board_crash(board, 8, text, sizeof text), 0);
    assert_int_equal(wsgi_board_crash(board, 7, text, sizeof text), 13);
    assert_string_equal(text, "one\ntwo?[0m??");
    memset(board->crash, 0x07, sizeof board->crash);
    memset(board->last, 0x07, sizeof board->last);
    assert_int_equal(wsgi_board_crash(board, 7, text, sizeof text), WSGI_BOARD_CRASH);
    assert_int_equal(wsgi_board_crash(board, 7, text, 10), 9);
    board->begun = UINT64_MAX;
    for (i = 0; i < WSGI_BOARD_LASTS; i++)
        board->last[i].number = UINT32_MAX;
    size = wsgi_board_last(board, 7, text, WSGI_BOARD_TEXT);
    assert_int_equal(size, WSGI_BOARD_TEXT - 1);
    for (i = 0; i < size; i++)
        assert_int_equal(text[i], '?');
    free(board);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_started_marks), cmocka_unit_test(test_doubt_counts_as_started),
        cmocka_unit_test(test_called),        cmocka_unit_test(test_busy_until_the_end),
        cmocka_unit_test(test_last_request),  cmocka_unit_test(test_texts_are_tamed),
    };
    return cmocka_run_group_tests_name("board", tests, NULL, NULL);
}
