/* SPDX-License-Identifier: Apache-2.0 */
/* name=value options of directives. Input: sizes of the buffers, then a line. */
#include "options.h"

#include "fuzz.h"

static int is_blank(char c)
{
    return c != '\0' && strchr(" \t\r\n\f\v", c) != NULL;
}

/* Takes option after option; each moves on, and fits. */
static void take_all(const char *line, size_t name_room, size_t value_room)
{
    struct wsgi_option option = {malloc(name_room), name_room, malloc(value_room), value_room};
    const char *at = line;
    const char *end = line + strlen(line);

    CHECK(option.name != NULL && option.value != NULL);
    for (;;) {
        const char *before = at;
        enum wsgi_option_status status = wsgi_option_next(&at, &option);

        CHECK(at >= before && at <= end);
        if (status == WSGI_OPTION_END)
            CHECK(at == end);
        else
            CHECK(!is_blank(*at));
        if (status != WSGI_OPTION_OK)
            break;
        CHECK(at > before);
        CHECK(strlen(option.name) > 0 && strlen(option.name) < name_room);
        CHECK(strpbrk(option.name, "= \t\r\n\f\v") == NULL);
        CHECK(strlen(option.value) < value_room);
    }
    free(option.value);
    free(option.name);
}

/* Any text between quotes comes back as it was. */
static void quote_and_take(const char *text, size_t size, char quote)
{
    char *line = malloc(2 * size + 16);
    char name[8];
    char *value = malloc(size + 1);
    struct wsgi_option option = {name, sizeof name, value, size + 1};
    const char *at = line;
    char *out;

    CHECK(line != NULL && value != NULL);
    out = line + sprintf(line, " name=%c", quote);
    for (; *text != '\0'; text++) {
        if (*text == quote || *text == '\\')
            *out++ = '\\';
        *out++ = *text;
    }
    *out++ = quote;
    *out = '\0';
    CHECK(wsgi_option_next(&at, &option) == WSGI_OPTION_OK);
    CHECK(strcmp(name, "name") == 0 && strlen(value) == size);
    CHECK(memcmp(value, text - size, size) == 0);
    CHECK(wsgi_option_next(&at, &option) == WSGI_OPTION_END);
    free(value);
    free(line);
}

static void check_values(const char *text)
{
    int64_t number = 0;
    unsigned octal = 0;

    CHECK(wsgi_value_flag(text) >= -1 && wsgi_value_flag(text) <= 1);
    if (wsgi_value_integer(text, -10, 1000, &number) == 0) {
        CHECK(number >= -10 && number <= 1000 && atoll(text) == number);
        CHECK(strspn(text, "-0123456789") == strlen(text));
    }
    if (wsgi_value_octal(text, &octal) == 0) {
        CHECK(octal <= 0777 && strspn(text, "01234567") == strlen(text));
        CHECK(strtoul(text, NULL, 8) == octal);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct feed feed = {data, size};
    size_t name_room = 1 + take_byte(&feed) % 64;
    size_t value_room = 1 + take_byte(&feed);
    size_t there;
    char *line = take_text(&feed, feed.left, &there);

    take_all(line, name_room, value_room);
    quote_and_take(line, strlen(line), name_room & 1 ? '"' : '\'');
    check_values(line);
    free(line);
    return 0;
}
