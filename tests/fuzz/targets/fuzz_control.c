/* SPDX-License-Identifier: Apache-2.0 */
/* Messages of a daemon to its supervisor, which is root. Input: epoch, then what was sent. */
#include "control.h"
#include "why.h"

#include "fuzz.h"

/* What was accepted lies in the message; written again, it is read as the same. */
static void check_note(const struct wsgi_tidings *note, const unsigned char *bytes, size_t size)
{
    static unsigned char again[WSGI_NOTE_SIZE_MAX];
    const char *end = (const char *)bytes + size;
    struct wsgi_tidings other;
    size_t used;

    CHECK(note->path > note->group && note->path[0] == '/');
    CHECK(note->text + note->text_size <= end && note->text_size <= WSGI_NOTE_TEXT_MAX);
    CHECK(strlen(note->group) + strlen(note->path) + 2 <= WSGI_NOTE_NAMES_MAX);
    used = wsgi_note_encode(note, again);
    CHECK(used > 0 && used <= sizeof again);
    CHECK(wsgi_note_decode(again, used, &other) == 0);
    CHECK(other.mtime == note->mtime && other.flags == note->flags);
    CHECK(strcmp(other.group, note->group) == 0 && strcmp(other.path, note->path) == 0);
    CHECK(other.text_size == note->text_size);
    CHECK(memcmp(other.text, note->text, note->text_size) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct feed feed = {data, size};
    uint32_t epoch = take_word(&feed);
    size_t there = feed.left;
    unsigned char *bytes = take_block(&feed, there);
    struct wsgi_control message;
    struct wsgi_tidings note = {.path = NULL};
    enum wsgi_control_status status = wsgi_control_check(bytes, there, epoch, &message, &note);

    CHECK(wsgi_control_status_text(status)[0] != '\0');
    if (status == WSGI_CONTROL_OK) {
        CHECK(there >= sizeof message && there <= WSGI_CONTROL_SIZE_MAX);
        CHECK(memcmp(bytes, &message, sizeof message) == 0);
        CHECK(message.epoch == epoch && message.why < WSGI_WHY_COUNT);
        CHECK(message.type != WSGI_CONTROL_DRAIN && message.type != WSGI_CONTROL_STOP);
        CHECK(message.type != WSGI_CONTROL_SERVE && message.type != WSGI_CONTROL_KEEP);
        CHECK(note.path != NULL || there == sizeof message);
        if (note.path != NULL)
            check_note(&note, bytes, there);
    }
    CHECK(wsgi_why_reason(epoch)[0] != '\0' || wsgi_why_words(epoch) != NULL);
    free(bytes);
    return 0;
}
