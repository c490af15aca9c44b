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

void wsgi_board_note(struct wsgi_board *board, const char *method, const char *url)
{
    uint64_t number = __atomic_add_fetch(&board->begun, 1, __ATOMIC_ACQ_REL);
    struct wsgi_board_last *last = &board->last[number % WSGI_BOARD_LASTS];
    size_t room = WSGI_BOARD_TEXT - 1;
    size_t used = strnlen(method, 32);
    size_t length = strcspn(url, "?");

    __atomic_store_n(&last->number, 0, __ATOMIC_RELEASE);
    memcpy(last->text, method, used);
    last->text[used++] = ' ';
    length = length < room - used ? length : room - used;
    memcpy(last->text + used, url, length);
    last->text[used + length] = '\0';
    __atomic_store_n(&last->number, (uint32_t)number, __ATOMIC_RELEASE);
}

/* Whether the board is that process's. */
static int is_of(const struct wsgi_board *board, uint32_t epoch)
{
    return board != NULL && board->magic == WSGI_BOARD_MAGIC &&
           board->version == WSGI_BOARD_VERSION &&
           __atomic_load_n(&board->epoch, __ATOMIC_ACQUIRE) == epoch;
}

/* Whether the board can be believed about this connection. */
static int is_about(const struct wsgi_board *board, uint32_t epoch, uint32_t connection)
{
    return is_of(board, epoch) && connection < WSGI_BOARD_CONNECTIONS;
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

/* Copies text that may change meanwhile: each byte is looked at once. */
static size_t copy_text(char *out, size_t size, const char *from, size_t limit, int keep_lines)
{
    size_t used = 0;

    while (used < limit && used + 1 < size) {
        unsigned char byte = *(const volatile unsigned char *)(from + used);

        if (byte == '\0')
            break;
        if (byte < ' ' || byte > '~')
            byte = keep_lines && byte == '\n' ? '\n' : '?';
        out[used++] = (char)byte;
    }
    if (size > 0)
        out[used] = '\0';
    return used;
}

size_t wsgi_board_last(const struct wsgi_board *board, uint32_t epoch, char *text, size_t size)
{
    const struct wsgi_board_last *last;
    uint64_t number = wsgi_board_begun(board, epoch);

    if (number == 0)
        return 0;
    last = &board->last[number % WSGI_BOARD_LASTS];
    if (__atomic_load_n(&last->number, __ATOMIC_ACQUIRE) != (uint32_t)number)
        return 0;
    return copy_text(text, size, last->text, WSGI_BOARD_TEXT, 0);
}

uint64_t wsgi_board_begun(const struct wsgi_board *board, uint32_t epoch)
{
    return is_of(board, epoch) ? __atomic_load_n(&board->begun, __ATOMIC_ACQUIRE) : 0;
}

uint64_t wsgi_board_done(const struct wsgi_board *board, uint32_t epoch)
{
    return is_of(board, epoch) ? __atomic_load_n(&board->requests, __ATOMIC_ACQUIRE) : 0;
}

size_t wsgi_board_crash(const struct wsgi_board *board, uint32_t epoch, char *text, size_t size)
{
    return is_of(board, epoch) ? copy_text(text, size, board->crash, WSGI_BOARD_CRASH, 1) : 0;
}
