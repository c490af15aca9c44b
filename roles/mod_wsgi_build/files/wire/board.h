/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The board: one page range per daemon process, a memfd sealed against resizing before exec,
 * mapped by Apache and by that one process. The process writes, Apache reads; every word read
 * is a hint that is range-checked, never a pointer or a size.
 */
#ifndef WSGI_WIRE_BOARD_H
#define WSGI_WIRE_BOARD_H

#include <stddef.h>
#include <stdint.h>

#define WSGI_BOARD_MAGIC 0x44524257u /* "WBRD" */
#define WSGI_BOARD_VERSION 3u
#define WSGI_BOARD_CONNECTIONS 4096u /* most connections to one process at a time */
#define WSGI_BOARD_LASTS 8u          /* as many requests that begin at once do not mix */
#define WSGI_BOARD_TEXT 244u         /* bytes of "METHOD /path", with the NUL */
#define WSGI_BOARD_CRASH 8192u       /* bytes of a crash's report */

/* One of the requests that began last. */
struct wsgi_board_last {
    uint32_t number; /* which request of the process it was, from 1 on; 0: being written */
    char text[WSGI_BOARD_TEXT];
};

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
    uint64_t begun;                                /* requests begun since start */
    struct wsgi_board_last last[WSGI_BOARD_LASTS]; /* request n is in n % WSGI_BOARD_LASTS */
    /* The last member, so that the seals of the memfd stop who writes more: the process's fault
     * handler writes here through a descriptor. Zeroes behind the text. */
    char crash[WSGI_BOARD_CRASH];
};

#define WSGI_BOARD_SIZE (sizeof(struct wsgi_board))
_Static_assert(offsetof(struct wsgi_board, crash) + WSGI_BOARD_CRASH == WSGI_BOARD_SIZE,
               "nothing behind the crash report");

/* Process side. */
void wsgi_board_reset(struct wsgi_board *board, uint32_t epoch);
void wsgi_board_start(struct wsgi_board *board, uint32_t connection, uint32_t sequence);
void wsgi_board_call(struct wsgi_board *board, uint32_t connection, uint32_t sequence);
void wsgi_board_end(struct wsgi_board *board, uint32_t connection, uint32_t sequence);
/* A request begins: its method, and its URL, of which a query is left out. */
void wsgi_board_note(struct wsgi_board *board, const char *method, const char *url);
/* Apache side: 1 when request `sequence` of `connection` may have started. Anything doubtful
 * (another epoch, an index out of range, wrong magic) counts as started. */
int wsgi_board_started(const struct wsgi_board *board, uint32_t epoch, uint32_t connection,
                       uint32_t sequence);
/* Apache side: 1 when the application was called for it. In doubt it was. */
int wsgi_board_called(const struct wsgi_board *board, uint32_t epoch, uint32_t connection,
                      uint32_t sequence);
/* Apache side: 1 when a worker of process `epoch` works for `connection`. In doubt it does not. */
int wsgi_board_is_busy(const struct wsgi_board *board, uint32_t epoch, uint32_t connection);

/* Apache side: "METHOD /path" of the request that began last, at most `size` bytes with the NUL, in
 * printable characters. The length, 0 when there is none that can be believed. */
size_t wsgi_board_last(const struct wsgi_board *board, uint32_t epoch, char *text, size_t size);
/* Apache side: how many requests the process has begun, and how many of them are over. */
uint64_t wsgi_board_begun(const struct wsgi_board *board, uint32_t epoch);
uint64_t wsgi_board_done(const struct wsgi_board *board, uint32_t epoch);
/* Apache side: what the fault handler wrote, lines of printable characters. The length, 0: none. */
size_t wsgi_board_crash(const struct wsgi_board *board, uint32_t epoch, char *text, size_t size);

#endif
