/* SPDX-License-Identifier: Apache-2.0 */
#include "logtext.h"

#include "launch.h"

/* As httpd writes the byte: itself, \n, \xNN; a NUL gets there as four characters, of which httpd
 * doubles the backslash. */
static size_t escaped_size(unsigned char byte)
{
    if (byte >= ' ' && byte < 0x7F)
        return byte == '\\' ? 2 : 1;
    if (byte >= '\b' && byte <= '\r' && byte != '\f')
        return 2;
    return byte >= 0x80 ? 4 : 5;
}

/* How many bytes fit, wherever that ends. */
static size_t fitting(const char *text, size_t size)
{
    size_t room = WSGI_LOGTEXT_ROOM;
    size_t at;

    for (at = 0; at < size; at++) {
        size_t more = escaped_size((unsigned char)text[at]);

        if (more > room)
            break;
        room -= more;
    }
    return at;
}

size_t wsgi_logtext_cut(const char *text, size_t size)
{
    size_t most = fitting(text, size);
    size_t piece;

    if (most == size)
        return size;
    for (piece = most; piece > 1; piece--)
        if (text[piece - 1] == '\n')
            return piece;
    piece = most;
    while (piece > most - 4 && ((unsigned char)text[piece] & 0xC0) == 0x80)
        piece--;
    return piece;
}

size_t wsgi_logtext_trim(const char *text, size_t size)
{
    while (size > 0 && (text[size - 1] == '\n' || text[size - 1] == '\r'))
        size--;
    return size;
}

size_t wsgi_logtext_escape(char *out, size_t room, const char **text, size_t *size)
{
    size_t used = 0;

    /* Room for one escaped byte, and for the sign that there is more. */
    while (*size > 0 && used + 3 <= room) {
        char byte = **text;

        if (byte == '\n' || byte == WSGI_LOG_ESCAPE) {
            out[used++] = WSGI_LOG_ESCAPE;
            byte = byte == '\n' ? 'n' : WSGI_LOG_ESCAPE;
        }
        out[used++] = byte;
        (*text)++;
        (*size)--;
    }
    if (*size > 0)
        out[used++] = WSGI_LOG_ESCAPE;
    return used;
}

size_t wsgi_logtext_unescape(char *text, size_t size, int *more)
{
    size_t used = 0;
    size_t at;

    *more = 0;
    for (at = 0; at < size; at++) {
        char byte = text[at];

        if (byte == WSGI_LOG_ESCAPE) {
            if (++at == size) {
                *more = 1;
                break;
            }
            byte = text[at] == 'n' ? '\n' : text[at];
        }
        text[used++] = byte;
    }
    return used;
}
