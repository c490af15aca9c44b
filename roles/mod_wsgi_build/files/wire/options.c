/* SPDX-License-Identifier: Apache-2.0 */
#include "options.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

static int is_blank(char c)
{
    return c == ' ' || c == '\t' || c == '\r' || c == '\n' || c == '\f' || c == '\v';
}

static const char *skip_blanks(const char *at)
{
    while (is_blank(*at))
        at++;
    return at;
}

static enum wsgi_option_status take_name(const char **line, struct wsgi_option *option)
{
    const char *at = *line;
    size_t size = 0;

    while (at[size] != '\0' && at[size] != '=' && !is_blank(at[size]))
        size++;
    if (size == 0 || at[size] != '=')
        return WSGI_OPTION_NO_VALUE;
    if (size >= option->name_room)
        return WSGI_OPTION_TOO_LONG;
    memcpy(option->name, at, size);
    option->name[size] = '\0';
    *line = at + size + 1;
    return WSGI_OPTION_OK;
}

static enum wsgi_option_status take_value(const char **line, struct wsgi_option *option)
{
    const char *at = *line;
    char quote = (*at == '"' || *at == '\'') ? *at : '\0';
    size_t size = 0;

    if (quote)
        at++;
    for (; quote ? *at != quote : !is_blank(*at); at++) {
        if (*at == '\0')
            break;
        if (quote && *at == '\\' && (at[1] == quote || at[1] == '\\'))
            at++;
        if (size + 1 >= option->value_room)
            return WSGI_OPTION_TOO_LONG;
        option->value[size++] = *at;
    }
    option->value[size] = '\0';
    if (quote) {
        if (*at != quote || (at[1] != '\0' && !is_blank(at[1])))
            return WSGI_OPTION_QUOTE;
        at++;
    }
    *line = at;
    return WSGI_OPTION_OK;
}

enum wsgi_option_status wsgi_option_next(const char **line, struct wsgi_option *option)
{
    const char *at = skip_blanks(*line);
    enum wsgi_option_status status;

    *line = at;
    if (*at == '\0')
        return WSGI_OPTION_END;
    status = take_name(&at, option);
    if (status == WSGI_OPTION_OK)
        status = take_value(&at, option);
    if (status == WSGI_OPTION_OK)
        *line = skip_blanks(at);
    return status;
}

int wsgi_value_flag(const char *text)
{
    if (strcasecmp(text, "on") == 0)
        return 1;
    if (strcasecmp(text, "off") == 0)
        return 0;
    return -1;
}

int wsgi_value_integer(const char *text, int64_t low, int64_t high, int64_t *number)
{
    char *end;
    long long value;

    if (!(*text == '-' || (*text >= '0' && *text <= '9')))
        return -1;
    errno = 0;
    value = strtoll(text, &end, 10);
    if (errno != 0 || end == text || *end != '\0' || value < low || value > high)
        return -1;
    *number = value;
    return 0;
}

int wsgi_value_octal(const char *text, unsigned *number)
{
    unsigned value = 0;
    const char *at;

    for (at = text; *at >= '0' && *at <= '7' && value <= 0777; at++)
        value = value * 8 + (unsigned)(*at - '0');
    if (at == text || *at != '\0' || value > 0777)
        return -1;
    *number = value;
    return 0;
}
