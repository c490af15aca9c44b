/* SPDX-License-Identifier: Apache-2.0 */
#include "head.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

#define FIRST_ROOM 1024

const char *wsgi_head_status_text(enum wsgi_head_status status)
{
    switch (status) {
    case WSGI_HEAD_OK:
        return "fine";
    case WSGI_HEAD_STATUS_FORM:
        return "the status must be three digits, or three digits, a blank and a reason";
    case WSGI_HEAD_STATUS_RANGE:
        return "the status must be from 200 to 999";
    case WSGI_HEAD_STATUS_BYTES:
        return "the reason of the status holds a control character";
    case WSGI_HEAD_NAME_EMPTY:
        return "a header name is empty";
    case WSGI_HEAD_NAME_BYTES:
        return "a header name holds a character that is not allowed there";
    case WSGI_HEAD_VALUE_BYTES:
        return "a header value holds a control character";
    case WSGI_HEAD_LENGTH_FORM:
        return "Content-Length must be digits only, and fit 63 bits";
    case WSGI_HEAD_LENGTH_TWICE:
        return "there are two Content-Length headers that differ";
    case WSGI_HEAD_LINE_LONG:
        return "a header line is longer than header-buffer-size allows";
    case WSGI_HEAD_BLOCK:
        return "the head block is malformed";
    }
    return "an unknown fault";
}

static int is_digit(char c)
{
    return c >= '0' && c <= '9';
}

/* Visible characters, blank, TAB and obs-text of RFC 9110, 5.5. */
static int is_field_byte(unsigned char c)
{
    return c == '\t' || (c >= ' ' && c != 0x7f);
}

static int is_token_byte(unsigned char c)
{
    return (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') ||
           (c != '\0' && strchr("!#$%&'*+-.^_`|~", c) != NULL);
}

enum wsgi_head_status wsgi_head_check_status(const char *status, size_t size, int *number)
{
    size_t i;
    int value;

    if (size < 3 || !is_digit(status[0]) || !is_digit(status[1]) || !is_digit(status[2]) ||
        (size > 3 && status[3] != ' '))
        return WSGI_HEAD_STATUS_FORM;
    for (i = 4; i < size; i++)
        if (status[i] == '\t' || !is_field_byte((unsigned char)status[i]))
            return WSGI_HEAD_STATUS_BYTES;
    value = (status[0] - '0') * 100 + (status[1] - '0') * 10 + (status[2] - '0');
    if (value < 200)
        return WSGI_HEAD_STATUS_RANGE;
    if (number != NULL)
        *number = value;
    return WSGI_HEAD_OK;
}

enum wsgi_head_status wsgi_head_check_field(const char *name, size_t name_size, const char *value,
                                            size_t value_size)
{
    size_t i;

    if (name_size == 0)
        return WSGI_HEAD_NAME_EMPTY;
    for (i = 0; i < name_size; i++)
        if (!is_token_byte((unsigned char)name[i]))
            return WSGI_HEAD_NAME_BYTES;
    for (i = 0; i < value_size; i++)
        if (!is_field_byte((unsigned char)value[i]))
            return WSGI_HEAD_VALUE_BYTES;
    return WSGI_HEAD_OK;
}

enum wsgi_head_status wsgi_head_parse_length(const char *value, size_t size, int64_t *length)
{
    int64_t number = 0;
    size_t i = 0;

    while (size > 0 && (value[size - 1] == ' ' || value[size - 1] == '\t'))
        size--;
    while (i < size && (value[i] == ' ' || value[i] == '\t'))
        i++;
    if (i == size)
        return WSGI_HEAD_LENGTH_FORM;
    for (; i < size; i++) {
        if (!is_digit(value[i]) || number > (INT64_MAX - (value[i] - '0')) / 10)
            return WSGI_HEAD_LENGTH_FORM;
        number = number * 10 + (value[i] - '0');
    }
    *length = number;
    return WSGI_HEAD_OK;
}

int wsgi_head_name_is(const char *name, size_t size, const char *other)
{
    return strlen(other) == size && strncasecmp(name, other, size) == 0;
}

int wsgi_head_is_hop_by_hop(const char *name, size_t size)
{
    static const char *const hops[] = {"Connection",      "Keep-Alive",        "TE",
                                       "Trailer",         "Transfer-Encoding", "Upgrade",
                                       "Proxy-Connection"};
    size_t i;

    for (i = 0; i < sizeof hops / sizeof *hops; i++)
        if (wsgi_head_name_is(name, size, hops[i]))
            return 1;
    return 0;
}

/* ---- block -------------------------------------------------------------- */

static int reserve(struct wsgi_head_writer *writer, size_t more)
{
    size_t size = writer->size ? writer->size : FIRST_ROOM;
    unsigned char *data;

    if (writer->failed || more > UINT32_MAX / 2) {
        writer->failed = 1;
        return -1;
    }
    while (size - writer->used < more)
        size *= 2;
    if (size == writer->size)
        return 0;
    data = realloc(writer->data, size);
    if (data == NULL) {
        writer->failed = 1;
        return -1;
    }
    writer->data = data;
    writer->size = size;
    return 0;
}

static void put(struct wsgi_head_writer *writer, const void *bytes, size_t size)
{
    if (size > 0)
        memcpy(writer->data + writer->used, bytes, size);
    writer->used += size;
}

static void put_size(struct wsgi_head_writer *writer, size_t size)
{
    uint32_t size32 = (uint32_t)size;

    put(writer, &size32, sizeof size32);
}

void wsgi_head_begin(struct wsgi_head_writer *writer, const char *status, size_t size)
{
    /* The buffer of an earlier head may be used again: data and size are kept. */
    writer->used = 0;
    writer->count = 0;
    writer->failed = 0;
    if (reserve(writer, 4 + size + 1 + 4) != 0)
        return;
    put_size(writer, size);
    put(writer, status, size);
    put(writer, "", 1);
    writer->count_at = writer->used;
    put_size(writer, 0);
}

void wsgi_head_put(struct wsgi_head_writer *writer, const char *name, size_t name_size,
                   const char *value, size_t value_size)
{
    if (name_size > UINT32_MAX / 4 || value_size > UINT32_MAX / 4) {
        writer->failed = 1;
        return;
    }
    if (reserve(writer, 8 + name_size + 1 + value_size + 1) != 0)
        return;
    put_size(writer, name_size);
    put_size(writer, value_size);
    put(writer, name, name_size);
    put(writer, "", 1);
    put(writer, value, value_size);
    put(writer, "", 1);
    writer->count++;
}

int wsgi_head_end(struct wsgi_head_writer *writer)
{
    if (writer->failed)
        return -1;
    memcpy(writer->data + writer->count_at, &writer->count, sizeof writer->count);
    return 0;
}

/* A terminated text of `size` bytes at reader->at; NULL when it does not fit. */
static const char *take_text(struct wsgi_head_reader *reader, size_t size)
{
    const char *text = (const char *)reader->at;

    if ((size_t)(reader->end - reader->at) <= size || text[size] != '\0')
        return NULL;
    reader->at += size + 1;
    return text;
}

static int take_size(struct wsgi_head_reader *reader, uint32_t *size)
{
    if (reader->end - reader->at < 4)
        return -1;
    memcpy(size, reader->at, 4);
    reader->at += 4;
    return 0;
}

enum wsgi_head_status wsgi_head_open(struct wsgi_head_reader *reader, const void *block,
                                     size_t size)
{
    uint32_t status_size;

    reader->at = block;
    reader->end = reader->at + size;
    if (take_size(reader, &status_size) != 0)
        return WSGI_HEAD_BLOCK;
    reader->status = take_text(reader, status_size);
    reader->status_size = status_size;
    if (reader->status == NULL || take_size(reader, &reader->left) != 0 ||
        reader->left > WSGI_HEAD_FIELDS_MAX)
        return WSGI_HEAD_BLOCK;
    return wsgi_head_check_status(reader->status, reader->status_size, &reader->number);
}

static int refuse(enum wsgi_head_status *why, enum wsgi_head_status status)
{
    *why = status;
    return -1;
}

int wsgi_head_next(struct wsgi_head_reader *reader, struct wsgi_head_field *field,
                   enum wsgi_head_status *why)
{
    uint32_t name_size;
    uint32_t value_size;
    enum wsgi_head_status status;

    if (reader->left == 0)
        return reader->at == reader->end ? 0 : refuse(why, WSGI_HEAD_BLOCK);
    if (take_size(reader, &name_size) != 0 || take_size(reader, &value_size) != 0)
        return refuse(why, WSGI_HEAD_BLOCK);
    field->name = take_text(reader, name_size);
    field->name_size = name_size;
    if (field->name == NULL)
        return refuse(why, WSGI_HEAD_BLOCK);
    field->value = take_text(reader, value_size);
    field->value_size = value_size;
    if (field->value == NULL)
        return refuse(why, WSGI_HEAD_BLOCK);
    status = wsgi_head_check_field(field->name, name_size, field->value, value_size);
    if (status != WSGI_HEAD_OK)
        return refuse(why, status);
    reader->left--;
    return 1;
}
