/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The board: one page range per daemon process, a memfd sealed against resizing before exec,
 * mapped by Apache and by that one process. The process writes, Apache reads; every word read
 * is a hint that is range-checked, never a pointer or a size.
 */
#ifndef WSGI_WIRE_BOARD_H
#define WSGI_WIRE_BOARD_H

#include <stdint.h>

#define WSGI_BOARD_MAGIC 0x44524257u /* "WBRD" */
#define WSGI_BOARD_VERSION 3u
#define WSGI_BOARD_CONNECTIONS 4096u /* most connections to one process at a time */

struct wsgi_board {
    uint32_t magic;
    uint32_t version;
    uint32_t epoch;    /* of the process that owns it now */
    uint32_t active;   /* requests being worked on */
    uint64_t requests; /* requests ended since start */
    uint64_t reserved[5];
    /* started[i] is the sequence of the last request of connection i for which Python may have
     * been entered. Written before it is; so EOF without it means: certainly not started. */
    uint32_t started[WSGI_BOARD_CONNECTIONS];
    /* ended[i] is the sequence of the last request of connection i that is over: it differs from
     * started[i] while a worker is busy with one, whether or not its client waits for it. */
    uint32_t ended[WSGI_BOARD_CONNECTIONS];
    /* called[i] is the sequence of the last request of connection i whose application was called:
     * until then its script is being loaded, or waited for. */
    uint32_t called[WSGI_BOARD_CONNECTIONS];
};

#define WSGI_BOARD_SIZE (sizeof(struct wsgi_board))

/* Process side. */
void wsgi_board_reset(struct wsgi_board *board, uint32_t epoch);
void wsgi_board_start(struct wsgi_board *board, uint32_t connection, uint32_t sequence);
void wsgi_board_call(struct wsgi_board *board, uint32_t connection, uint32_t sequence);
void wsgi_board_end(struct wsgi_board *board, uint32_t connection, uint32_t sequence);
/* Apache side: 1 when request `sequence` of `connection` may have started. Anything doubtful
 * (another epoch, an index out of range, wrong magic) counts as started. */
int wsgi_board_started(const struct wsgi_board *board, uint32_t epoch, uint32_t connection,
                       uint32_t sequence);
/* Apache side: 1 when the application was called for it. In doubt it was. */
int wsgi_board_called(const struct wsgi_board *board, uint32_t epoch, uint32_t connection,
                      uint32_t sequence);
/* Apache side: 1 when a worker of process `epoch` works for `connection`. In doubt it does not. */
int wsgi_board_is_busy(const struct wsgi_board *board, uint32_t epoch, uint32_t connection);

#endif
