/* SPDX-License-Identifier: Apache-2.0 */
#include "note.h"

#include <string.h>

#include "vars.h"

#define TEXT_BEGIN (WSGI_NOTE_TEXT_MAX / 4)
#define TEXT_GAP "\n...\n"

static size_t put_text(unsigned char *data, const char *text, size_t size)
{
    size_t gap = sizeof(TEXT_GAP) - 1;
    size_t end = WSGI_NOTE_TEXT_MAX - TEXT_BEGIN - gap;

    if (size <= WSGI_NOTE_TEXT_MAX) {
        memcpy(data, text, size);
        return size;
    }
    memcpy(data, text, TEXT_BEGIN);
    memcpy(data + TEXT_BEGIN, TEXT_GAP, gap);
    memcpy(data + TEXT_BEGIN + gap, text + size - end, end); /* the last lines say most */
    return WSGI_NOTE_TEXT_MAX;
}

size_t wsgi_note_encode(const struct wsgi_tidings *note, unsigned char *data)
{
    size_t group = strlen(note->group) + 1;
    size_t path = strlen(note->path) + 1;
    size_t used = WSGI_NOTE_HEAD + group + path;

    if (group + path > WSGI_NOTE_NAMES_MAX || note->path[0] != '/') {
        return 0;
    }
    memset(data, 0, WSGI_NOTE_HEAD);
    memcpy(data, &note->mtime, sizeof(note->mtime));
    memcpy(data + sizeof(note->mtime), &note->flags, sizeof(note->flags));
    memcpy(data + WSGI_NOTE_HEAD, note->group, group);
    memcpy(data + WSGI_NOTE_HEAD + group, note->path, path);
    return used + (note->text_size ? put_text(data + used, note->text, note->text_size) : 0);
}

int wsgi_note_decode(const unsigned char *data, size_t size, struct wsgi_tidings *note)
{
    const char *names = (const char *)data + WSGI_NOTE_HEAD;
    const char *path;
    const char *end;

    if (size <= WSGI_NOTE_HEAD || size > WSGI_NOTE_SIZE_MAX) {
        return -1;
    }
    size -= WSGI_NOTE_HEAD;
    end = memchr(names, '\0', size);
    path = end ? end + 1 : NULL;
    end = path ? memchr(path, '\0', size - (size_t)(path - names)) : NULL;
    if (!end || *path != '/' || (size_t)(end + 1 - names) > WSGI_NOTE_NAMES_MAX) {
        return -1;
    }
    memcpy(&note->mtime, data, sizeof(note->mtime));
    memcpy(&note->flags, data + sizeof(note->mtime), sizeof(note->flags));
    note->group = names;
    note->path = path;
    note->text = end + 1;
    note->text_size = size - (size_t)(end + 1 - names);
    return note->text_size > WSGI_NOTE_TEXT_MAX || (note->flags & ~(uint32_t)WSGI_REQUEST_MAIN) ? -1
                                                                                                : 0;
}
