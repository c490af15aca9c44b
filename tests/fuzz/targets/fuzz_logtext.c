/* SPDX-License-Identifier: Apache-2.0 */
/* Texts on their way into the log. Input: room for a line, then a text of any bytes; it is repeated
 * until it is longer than a record. */
#include "logtext.h"

#include "fuzz.h"

#define LARGE 9000

/* As httpd writes a byte, at most; told from the outside, not from logtext.c. */
static size_t written_size(unsigned char byte)
{
    if (byte == '\0')
        return 5;
    if (byte >= ' ' && byte < 0x7F)
        return byte == '\\' ? 2 : 1;
    return strchr("\b\n\r\t\v", byte) != NULL ? 2 : 4;
}

static void cut_all(const char *text, size_t size)
{
    size_t i, left = size;

    CHECK(wsgi_logtext_trim(text, size) <= size);
    while (left > 0) {
        size_t piece = wsgi_logtext_cut(text, left);
        size_t room = 0;

        CHECK(piece > 0 && piece <= left);
        for (i = 0; i < piece; i++)
            room += written_size((unsigned char)text[i]);
        CHECK(room <= WSGI_LOGTEXT_ROOM);
        text += piece;
        left -= piece;
    }
}

/* Escaped line by line, each unescaped again: the same text. */
static void escape_and_back(const char *text, size_t size, size_t room)
{
    char *line = malloc(room);
    const char *at = text;
    size_t left = size;
    size_t back = 0;
    int more = 1;

    CHECK(line != NULL);
    while (more) {
        size_t used = wsgi_logtext_escape(line, room, &at, &left);

        CHECK(used <= room && memchr(line, '\n', used) == NULL);
        used = wsgi_logtext_unescape(line, used, &more);
        CHECK(more == (left > 0));
        CHECK(back + used <= size && memcmp(text + back, line, used) == 0);
        back += used;
    }
    CHECK(back == size);
    free(line);
}

static void unescape_any(const char *text, size_t size)
{
    char *copy = malloc(size > 0 ? size : 1);
    int more;

    CHECK(copy != NULL);
    if (size > 0)
        memcpy(copy, text, size);
    CHECK(wsgi_logtext_unescape(copy, size, &more) <= size);
    CHECK(more == 0 || more == 1);
    free(copy);
}

static void cut_repeated(const char *text, size_t size)
{
    char *longer = malloc(LARGE);
    size_t used;

    CHECK(longer != NULL);
    used = size < LARGE ? size : LARGE;
    memcpy(longer, text, used);
    while (used < LARGE) {
        size_t more = used < LARGE - used ? used : LARGE - used;

        memcpy(longer + used, longer, more);
        used += more;
    }
    cut_all(longer, LARGE);
    free(longer);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct feed feed = {data, size};
    size_t room = 4 + take_byte(&feed);
    int large = take_byte(&feed) & 1;
    size_t there = feed.left;
    char *text = take_text(&feed, there, &there);

    unescape_any(text, there);
    escape_and_back(text, there, room);
    if (large && there > 0) {
        cut_repeated(text, there);
    }
    cut_all(text, there);
    free(text);
    return 0;
}
