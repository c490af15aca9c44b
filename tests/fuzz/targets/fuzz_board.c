/* SPDX-License-Identifier: Apache-2.0 */
/* The board. The first byte says whether a daemon wrote whatever it liked over it, or did what it
 * should, in any order: then the readers agree with a plain model. */
#include "board.h"

#include "fuzz.h"

/* What Apache asks; nothing but 0 and 1 comes out, and what is doubtful is never retried. */
static void ask(const struct wsgi_board *board, struct feed *feed)
{
    uint32_t epoch = take_byte(feed) & 1 ? board->epoch : take_word(feed);
    uint32_t connection = take_word(feed) % (WSGI_BOARD_CONNECTIONS + 8);
    uint32_t sequence = take_word(feed);
    int started = wsgi_board_started(board, epoch, connection, sequence);
    int busy = wsgi_board_is_busy(board, epoch, connection);
    int believed = board->magic == WSGI_BOARD_MAGIC && board->version == WSGI_BOARD_VERSION &&
                   board->epoch == epoch && connection < WSGI_BOARD_CONNECTIONS;

    CHECK((started == 0 || started == 1) && (busy == 0 || busy == 1));
    CHECK(believed || (started && !busy));
    CHECK(!believed || started == (board->started[connection] == sequence));
    CHECK(wsgi_board_started(NULL, epoch, connection, sequence) == 1);
    CHECK(wsgi_board_is_busy(NULL, epoch, connection) == 0);
}

static void scribble(struct feed *feed)
{
    struct wsgi_board *board = malloc(WSGI_BOARD_SIZE);

    CHECK(board != NULL);
    wsgi_board_reset(board, take_word(feed));
    while (feed->left > 0) {
        uint32_t at = take_word(feed) % WSGI_BOARD_SIZE;
        uint8_t few = take_byte(feed);

        /* The words before the tables, more often than anything else. */
        at = few & 0x80 ? at % 64 : at;
        ((unsigned char *)board)[at] = few;
        ask(board, feed);
    }
    free(board);
}

struct model {
    uint32_t started[WSGI_BOARD_CONNECTIONS];
    uint32_t ended[WSGI_BOARD_CONNECTIONS];
};

static void behave(struct feed *feed)
{
    struct wsgi_board *board = malloc(WSGI_BOARD_SIZE);
    struct model *model = calloc(1, sizeof *model);
    uint32_t epoch = take_word(feed);

    CHECK(board != NULL && model != NULL);
    wsgi_board_reset(board, epoch);
    while (feed->left > 0) {
        uint8_t what = take_byte(feed);
        uint32_t connection = take_word(feed) % (WSGI_BOARD_CONNECTIONS + 8);
        uint32_t sequence = take_byte(feed);
        uint32_t known = connection % WSGI_BOARD_CONNECTIONS;

        if (what & 1)
            wsgi_board_start(board, connection, sequence);
        else
            wsgi_board_end(board, connection, sequence);
        if (connection < WSGI_BOARD_CONNECTIONS)
            (what & 1 ? model->started : model->ended)[connection] = sequence;
        CHECK(wsgi_board_started(board, epoch, known, sequence) ==
              (model->started[known] == sequence));
        CHECK(wsgi_board_is_busy(board, epoch, known) ==
              (model->started[known] != model->ended[known]));
    }
    CHECK(board->magic == WSGI_BOARD_MAGIC && board->epoch == epoch && board->requests == 0);
    free(model);
    free(board);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct feed feed = {data, size};

    if (take_byte(&feed) & 1)
        behave(&feed);
    else
        scribble(&feed);
    return 0;
}
