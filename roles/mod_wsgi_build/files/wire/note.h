/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the control messages say about a script (launch.h): behind struct wsgi_control stand
 *
 *   i64 mtime  u32 flags  u32 reserved  application group NUL  path NUL  text
 *
 * in native byte order. The supervisor is root and daemons are not trusted: what is too long, not
 * absolute or not ended is refused as a whole.
 */
#ifndef WSGI_WIRE_NOTE_H
#define WSGI_WIRE_NOTE_H

#include <stddef.h>
#include <stdint.h>

#define WSGI_NOTE_NAMES_MAX 4096 /* group and path with their NULs */
#define WSGI_NOTE_TEXT_MAX 16384 /* of a traceback */
#define WSGI_NOTE_HEAD 16
#define WSGI_NOTE_SIZE_MAX (WSGI_NOTE_HEAD + WSGI_NOTE_NAMES_MAX + WSGI_NOTE_TEXT_MAX)

/* mtime of a file that cannot be read at all. */
#define WSGI_NOTE_NO_TIME INT64_MIN

struct wsgi_tidings {
    int64_t mtime;     /* of the script file, microseconds since the epoch */
    uint32_t flags;    /* WSGI_REQUEST_MAIN of the request that loaded it, or 0 */
    const char *group; /* application group, as the request names it */
    const char *path;
    const char *text; /* not ended by a NUL; "" in most messages */
    size_t text_size;
};

/* Bytes written, at most WSGI_NOTE_SIZE_MAX; of a longer text the begin and the end, with "..."
 * between them. 0: the names are too long, or the path is not absolute. */
size_t wsgi_note_encode(const struct wsgi_tidings *note, unsigned char *data);
/* 0, or -1. The texts point into `data`. */
int wsgi_note_decode(const unsigned char *data, size_t size, struct wsgi_tidings *note);

#endif
