/* SPDX-License-Identifier: Apache-2.0 */
#include "logpipe.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "log.h"
#include "../wire/launch.h"
#include "../wire/logtext.h"

#define WSGI_PRINT_LEVEL 3 /* syslog: what comes without a level is an error stream */
#define WSGI_READS 8       /* at a time */
#define WSGI_READS_LAST 64 /* more than a pipe holds, in case a grandchild goes on writing */

int wsgi_logpipe_open(struct wsgi_logpipe *pipe, server_rec *server, int *write_end)
{
    int ends[2];

    if (pipe2(ends, O_CLOEXEC | O_NONBLOCK) < 0) {
        return -1;
    }
    pipe->fd = ends[0];
    pipe->server = server;
    pipe->used = 0;
    pipe->trouble = 0;
    pipe->is_open = 0;
    pipe->whole_used = 0;
    *write_end = ends[1];
    return 0;
}

static void close_record(struct wsgi_logpipe *pipe)
{
    if (pipe->is_open && pipe->whole_used) {
        wsgi_log_server_text(pipe->server, pipe->level, pipe->whole, pipe->whole_used);
    }
    pipe->is_open = 0;
    pipe->whole_used = 0;
}

/* A part of a record of several lines; the last one logs it. */
static void add_part(struct wsgi_logpipe *pipe, char *text, size_t size)
{
    int more;

    size = wsgi_logtext_unescape(text, size, &more);
    if (size > sizeof(pipe->whole) - pipe->whole_used) {
        /* No daemon of ours sends so much. What comes now is a piece by itself. */
        close_record(pipe);
        pipe->level &= ~WSGI_LOG_PLACED;
        pipe->is_open = 1;
    }
    memcpy(pipe->whole + pipe->whole_used, text, size);
    pipe->whole_used += size;
    if (!more) {
        close_record(pipe);
    }
}

/* The level of the wire that a letter stands for, or -1. */
static int level_of(char letter)
{
    int number = letter - WSGI_LOG_LETTER;
    int last = WSGI_LOG_LETTER_WHOLE + WSGI_LOG_LETTER_PLACED + 7;

    if (number < 0 || number > last) {
        return -1;
    }
    return (number & 7) | (number & WSGI_LOG_LETTER_PLACED ? WSGI_LOG_PLACED : 0) |
           (number & WSGI_LOG_LETTER_WHOLE ? WSGI_LOG_WHOLE : 0);
}

/* A record by our own engine, or by who imitates it. */
static void log_marked(struct wsgi_logpipe *pipe, int level, char *text, size_t size)
{
    close_record(pipe);
    if (wsgi_log_level(level) <= APLOG_ERR && size > 4 && memcmp(text, "WSGI", 4) == 0) {
        pipe->trouble = 1;
    }
    if (level & WSGI_LOG_WHOLE) {
        pipe->is_open = 1;
        pipe->level = level;
        add_part(pipe, text, size);
    } else if (size) {
        wsgi_log_server_text(pipe->server, level, text, size);
    }
}

/* A line without the mark may be of another process: what is open stays so. */
static void log_line(struct wsgi_logpipe *pipe, char *line, size_t size)
{
    int level = size >= 2 && line[0] == WSGI_LOG_MARK ? level_of(line[1]) : -1;

    if (level >= 0) {
        log_marked(pipe, level, line + 2, size - 2);
    } else if (size >= 2 && line[0] == WSGI_LOG_MARK && line[1] == WSGI_LOG_LETTER_MORE &&
               pipe->is_open) {
        add_part(pipe, line + 2, size - 2);
    } else if (size) {
        wsgi_log_server_text(pipe->server, WSGI_PRINT_LEVEL, line, size);
    }
}

/* Logs the whole lines and keeps the rest; a line that fills the buffer is cut there. */
static void log_lines(struct wsgi_logpipe *pipe)
{
    char *start = pipe->line;
    char *end = pipe->line + pipe->used;
    char *newline;

    while ((newline = memchr(start, '\n', (size_t)(end - start))) != NULL) {
        log_line(pipe, start, (size_t)(newline - start));
        start = newline + 1;
    }
    if (start == pipe->line && pipe->used == sizeof(pipe->line)) {
        log_line(pipe, start, pipe->used);
        start = end;
    }
    pipe->used = (size_t)(end - start);
    memmove(pipe->line, start, pipe->used);
}

/* 1: there may be more. */
static int read_once(struct wsgi_logpipe *pipe)
{
    ssize_t got = read(pipe->fd, pipe->line + pipe->used, sizeof(pipe->line) - pipe->used);

    if (got > 0) {
        pipe->used += (size_t)got;
        log_lines(pipe);
        return 1;
    }
    if (got < 0 && errno == EINTR) {
        return 1;
    }
    if (got == 0) {
        close(pipe->fd);
        pipe->fd = -1;
    }
    return 0;
}

static void read_some(struct wsgi_logpipe *pipe, int limit)
{
    while (pipe->fd >= 0 && limit-- > 0 && read_once(pipe)) {
    }
}

void wsgi_logpipe_read(struct wsgi_logpipe *pipe)
{
    read_some(pipe, WSGI_READS);
}

void wsgi_logpipe_finish(struct wsgi_logpipe *pipe)
{
    read_some(pipe, WSGI_READS_LAST);
    if (pipe->used) {
        log_line(pipe, pipe->line, pipe->used);
        pipe->used = 0;
    }
    close_record(pipe);
    if (pipe->fd >= 0) {
        close(pipe->fd);
        pipe->fd = -1;
    }
}
