/* SPDX-License-Identifier: Apache-2.0 */
#include "board.h"

#include <string.h>

void wsgi_board_reset(struct wsgi_board *board, uint32_t epoch)
{
    memset(board, 0, sizeof *board);
    board->magic = WSGI_BOARD_MAGIC;
    board->version = WSGI_BOARD_VERSION;
    __atomic_store_n(&board->epoch, epoch, __ATOMIC_RELEASE);
}

void wsgi_board_start(struct wsgi_board *board, uint32_t connection, uint32_t sequence)
{
    if (connection < WSGI_BOARD_CONNECTIONS)
        __atomic_store_n(&board->started[connection], sequence, __ATOMIC_RELEASE);
}

void wsgi_board_call(struct wsgi_board *board, uint32_t connection, uint32_t sequence)
{
    if (connection < WSGI_BOARD_CONNECTIONS)
        __atomic_store_n(&board->called[connection], sequence, __ATOMIC_RELEASE);
}

void wsgi_board_end(struct wsgi_board *board, uint32_t connection, uint32_t sequence)
{
    if (connection < WSGI_BOARD_CONNECTIONS)
        __atomic_store_n(&board->ended[connection], sequence, __ATOMIC_RELEASE);
}

/* Whether the board can be believed about this connection. */
static int is_about(const struct wsgi_board *board, uint32_t epoch, uint32_t connection)
{
    return board != NULL && board->magic == WSGI_BOARD_MAGIC &&
           board->version == WSGI_BOARD_VERSION && connection < WSGI_BOARD_CONNECTIONS &&
           __atomic_load_n(&board->epoch, __ATOMIC_ACQUIRE) == epoch;
}

int wsgi_board_started(const struct wsgi_board *board, uint32_t epoch, uint32_t connection,
                       uint32_t sequence)
{
    if (!is_about(board, epoch, connection))
        return 1;
    return __atomic_load_n(&board->started[connection], __ATOMIC_ACQUIRE) == sequence;
}

int wsgi_board_called(const struct wsgi_board *board, uint32_t epoch, uint32_t connection,
                      uint32_t sequence)
{
    if (!is_about(board, epoch, connection))
        return 1;
    return __atomic_load_n(&board->called[connection], __ATOMIC_ACQUIRE) == sequence;
}

int wsgi_board_is_busy(const struct wsgi_board *board, uint32_t epoch, uint32_t connection)
{
    return is_about(board, epoch, connection) &&
           __atomic_load_n(&board->started[connection], __ATOMIC_ACQUIRE) !=
               __atomic_load_n(&board->ended[connection], __ATOMIC_ACQUIRE);
}
