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

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_started_marks),
        cmocka_unit_test(test_doubt_counts_as_started),
        cmocka_unit_test(test_called),
        cmocka_unit_test(test_busy_until_the_end),
    };
    return cmocka_run_group_tests_name("board", tests, NULL, NULL);
}
