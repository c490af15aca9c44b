/* SPDX-License-Identifier: Apache-2.0 */
#include "logpipe.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "../wire/launch.h"
#include "../wire/logtext.h"
#include "process.h"
#include "stream.h"

#define LOG_RECORDS 4096 /* one write() of the log pipe: PIPE_BUF, so never torn */

/* What each record begins with: mark, letter, and the place if the text has one. Its size. */
static size_t record_head(char *head, size_t room, int level, const char **text, size_t *size)
{
    const char *number, *end;
    size_t place;

    head[0] = WSGI_LOG_MARK;
    head[1] = (char)(WSGI_LOG_LETTER + (level & 7));
    if (level & WSGI_LOG_WHOLE)
        head[1] = (char)(head[1] + WSGI_LOG_LETTER_WHOLE);
    if (!(level & WSGI_LOG_PLACED))
        return 2;
    number = memchr(*text, '\0', *size);
    end = number != NULL ? memchr(number + 1, '\0', *size - (size_t)(number + 1 - *text)) : NULL;
    place = end != NULL ? (size_t)(end + 1 - *text) : 0;
    if (place == 0 || place > room - 2)
        return 2;
    head[1] = (char)(head[1] + WSGI_LOG_LETTER_PLACED);
    memcpy(head + 2, *text, place);
    *text += place;
    *size -= place;
    return 2 + place;
}

/* One record in as many lines of the pipe as it needs. When one of them is lost, so is the rest. */
static void log_whole_record(const char *head, size_t begin, const char *text, size_t size)
{
    static const char more[] = {WSGI_LOG_MARK, WSGI_LOG_LETTER_MORE};
    char line[LOG_RECORDS];
    size_t used;

    do {
        memcpy(line, head, begin);
        used = begin + wsgi_logtext_escape(line + begin, sizeof line - begin - 1, &text, &size);
        line[used++] = '\n';
        head = more;
        begin = sizeof more;
    } while (write(STDERR_FILENO, line, used) >= 0 && size > 0);
}

/* Each line is a record of its own. */
static void log_each_line(const char *head, size_t begin, const char *text, size_t size)
{
    char records[LOG_RECORDS];
    size_t used = 0;

    while (size > 0) {
        const char *newline = memchr(text, '\n', size);
        size_t line = newline != NULL ? (size_t)(newline - text) : size;
        size_t most = sizeof records - begin - 1;
        size_t piece = line < most ? line : most;

        if (used > 0 && begin + piece + 1 > sizeof records - used) {
            if (write(STDERR_FILENO, records, used) < 0 && errno != EAGAIN)
                return;
            used = 0;
        }
        if (piece > 0) {
            memcpy(records + used, head, begin);
            used += begin;
            memcpy(records + used, text, piece);
            used += piece;
            records[used++] = '\n';
        }
        if (piece == line && newline != NULL)
            piece++;
        text += piece;
        size -= piece;
    }
    if (used > 0 && write(STDERR_FILENO, records, used) < 0)
        return;
}

/* What does not fit the pipe is lost. Lines of two texts do not mix; but a process that the
 * application forked may never get the lock: another thread held it at that moment. */
static void log_to_pipe(int level, const char *text, size_t size)
{
    char head[WSGI_LOG_FILE_MAX + 32];
    size_t begin = record_head(head, sizeof head, level, &text, &size);
    int is_locked = !wsgi_process.forked && pthread_mutex_lock(&wsgi_process.log_lock) == 0;

    if (level & WSGI_LOG_WHOLE)
        log_whole_record(head, begin, text, size);
    else
        log_each_line(head, begin, text, size);
    if (is_locked)
        pthread_mutex_unlock(&wsgi_process.log_lock);
}

const struct wsgi_host wsgi_logpipe_host = {.log = log_to_pipe};
