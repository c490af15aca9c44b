/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How much of a text httpd writes in one record of its error log: 8 KiB with the prefix, and as it
 * escapes it. What is longer is cut in pieces, each a record; otherwise httpd would drop its end.
 */
#ifndef WSGI_WIRE_LOGTEXT_H
#define WSGI_WIRE_LOGTEXT_H

#include <stddef.h>

#define WSGI_LOGTEXT_ROOM 7680 /* bytes of an escaped text, so that 512 are left for the prefix */

/* The bytes that the first record of `text` takes: all that fits, else up to the last line end
 * that fits, else up to the last whole character (UTF-8). 0 only for size 0. */
size_t wsgi_logtext_cut(const char *text, size_t size);

/* What is left of `size` without the line ends behind the text. */
size_t wsgi_logtext_trim(const char *text, size_t size);

/* A text of several lines as one line of the log pipe (launch.h): writes to `out` what fits into
 * `room` bytes, advances *text and *size by what that stands for, and returns its length. When
 * something is left, the last byte is a lone WSGI_LOG_ESCAPE. `room` is at least 4. */
size_t wsgi_logtext_escape(char *out, size_t room, const char **text, size_t *size);

/* The reverse, in place: the new length; *more is 1 when the text goes on in the next line. Any
 * bytes are taken: an escape that means nothing stands for the byte behind it. */
size_t wsgi_logtext_unescape(char *text, size_t size, int *more);

#endif
