/* SPDX-License-Identifier: Apache-2.0 */
#include "logpipe.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "log.h"
#include "../wire/launch.h"

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
    *write_end = ends[1];
    return 0;
}

static void log_line(const struct wsgi_logpipe *pipe, const char *line, size_t size)
{
    int level = WSGI_PRINT_LEVEL;

    if (size >= 2 && line[0] == WSGI_LOG_MARK && line[1] >= '0' && line[1] <= '7') {
        level = line[1] - '0';
        line += 2;
        size -= 2;
    } else if (size >= 2 && line[0] == WSGI_LOG_MARK && line[1] >= 'a' && line[1] <= 'h') {
        level = (line[1] - 'a') | WSGI_LOG_PLACED;
        line += 2;
        size -= 2;
    }
    if (size) {
        wsgi_log_server_text(pipe->server, level, line, size);
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
    if (pipe->fd >= 0) {
        close(pipe->fd);
        pipe->fd = -1;
    }
}
