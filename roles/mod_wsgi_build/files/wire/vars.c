/* SPDX-License-Identifier: Apache-2.0 */
#include "vars.h"

#include <stdlib.h>
#include <string.h>

#define ENTRY_HEAD_SIZE 8 /* u16 id, u16 name_size, u32 value_size */
#define FIRST_ROOM 4096

struct name {
    const char *text;
    uint16_t size;
};

static const struct name names[WSGI_NAME_COUNT] = {
    [WSGI_NAME_TEXT] = {"", 0},
#define WSGI_NAME(symbol, text) [WSGI_NAME_##symbol] = {text, sizeof text - 1},
#include "names.def"
#undef WSGI_NAME
};

const char *wsgi_name_text(enum wsgi_name id)
{
    return names[id].text;
}

/* Compares as strcmp does, but the key has a length and no end. */
static int compare(const char *key, size_t size, const struct name *name)
{
    size_t common = size < name->size ? size : name->size;
    int order = memcmp(key, name->text, common);

    if (order != 0)
        return order;
    return (size > name->size) - (size < name->size);
}

enum wsgi_name wsgi_name_find(const char *name, size_t size)
{
    unsigned low = 1;
    unsigned high = WSGI_NAME_COUNT;

    while (low < high) {
        unsigned middle = low + (high - low) / 2;
        int order = compare(name, size, &names[middle]);

        if (order == 0)
            return (enum wsgi_name)middle;
        if (order < 0)
            high = middle;
        else
            low = middle + 1;
    }
    return WSGI_NAME_TEXT;
}

/* ---- writing ------------------------------------------------------------ */

void wsgi_vars_begin(struct wsgi_vars_writer *writer)
{
    static const uint32_t head[2] = {WSGI_VARS_MAGIC, 0};

    memset(writer, 0, sizeof *writer);
    writer->data = malloc(FIRST_ROOM);
    if (writer->data == NULL) {
        writer->failed = 1;
        return;
    }
    writer->size = FIRST_ROOM;
    memcpy(writer->data, head, sizeof head);
    writer->used = sizeof head;
}

static int reserve(struct wsgi_vars_writer *writer, size_t more)
{
    size_t size = writer->size;
    unsigned char *data;

    if (writer->failed)
        return -1;
    if (more <= size - writer->used)
        return 0;
    while (size - writer->used < more)
        size *= 2;
    data = realloc(writer->data, size);
    if (data == NULL) {
        writer->failed = 1;
        return -1;
    }
    writer->data = data;
    writer->size = size;
    return 0;
}

static void put_terminated(struct wsgi_vars_writer *writer, const void *bytes, size_t size)
{
    memcpy(writer->data + writer->used, bytes, size);
    writer->used += size;
    writer->data[writer->used++] = '\0';
}

static void put_entry(struct wsgi_vars_writer *writer, uint16_t id, const char *name,
                      size_t name_size, const void *value, size_t value_size)
{
    uint16_t name_size16 = (uint16_t)name_size;
    uint32_t value_size32 = (uint32_t)value_size;
    unsigned char *at;

    if (name_size > UINT16_MAX || value_size > INT32_MAX) {
        writer->failed = 1;
        return;
    }
    if (reserve(writer, ENTRY_HEAD_SIZE + name_size + 1 + value_size + 1) != 0)
        return;
    at = writer->data + writer->used;
    memcpy(at, &id, 2);
    memcpy(at + 2, &name_size16, 2);
    memcpy(at + 4, &value_size32, 4);
    writer->used += ENTRY_HEAD_SIZE;
    put_terminated(writer, name, name_size);
    put_terminated(writer, value, value_size);
    writer->count++;
}

void wsgi_vars_put(struct wsgi_vars_writer *writer, const char *name, const char *value)
{
    size_t size = strlen(name);
    enum wsgi_name id = wsgi_name_find(name, size);

    put_entry(writer, (uint16_t)id, name, id == WSGI_NAME_TEXT ? size : 0, value, strlen(value));
}

void wsgi_vars_put_known(struct wsgi_vars_writer *writer, enum wsgi_name id, const char *value,
                         size_t value_size)
{
    put_entry(writer, (uint16_t)id, "", 0, value, value_size);
}

void wsgi_vars_put_text(struct wsgi_vars_writer *writer, enum wsgi_param id, const char *value)
{
    put_entry(writer, (uint16_t)id, "", 0, value, strlen(value));
}

void wsgi_vars_put_bytes(struct wsgi_vars_writer *writer, enum wsgi_param id, const void *value,
                         size_t value_size)
{
    put_entry(writer, (uint16_t)id, "", 0, value, value_size);
}

void wsgi_vars_put_number(struct wsgi_vars_writer *writer, enum wsgi_param id, int64_t value)
{
    put_entry(writer, (uint16_t)id, "", 0, &value, sizeof value);
}

int wsgi_vars_end(struct wsgi_vars_writer *writer)
{
    if (writer->failed)
        return -1;
    memcpy(writer->data + 4, &writer->count, sizeof writer->count);
    return 0;
}

void wsgi_vars_free(struct wsgi_vars_writer *writer)
{
    free(writer->data);
    memset(writer, 0, sizeof *writer);
    writer->failed = 1;
}

/* ---- reading ------------------------------------------------------------ */

int wsgi_vars_open(struct wsgi_vars_reader *reader, const void *block, size_t size)
{
    const unsigned char *at = block;
    uint32_t magic;

    if (size < WSGI_VARS_HEAD_SIZE)
        return -1;
    memcpy(&magic, at, 4);
    if (magic != WSGI_VARS_MAGIC)
        return -1;
    memcpy(&reader->left, at + 4, 4);
    reader->at = at + WSGI_VARS_HEAD_SIZE;
    reader->end = at + size;
    return 0;
}

/* The id is one we know, and a name is there exactly when it must be. */
static int id_is_sound(const struct wsgi_var *var)
{
    if (var->id == WSGI_NAME_TEXT)
        return var->name_size > 0 && memchr(var->name, '\0', var->name_size) == NULL;
    if (var->name_size != 0)
        return 0;
    return var->id < WSGI_NAME_COUNT ||
           (var->id >= WSGI_PARAM_FIRST && var->id <= WSGI_PARAM_REQUEST_LAST) ||
           (var->id >= WSGI_PARAM_GROUP_NAME && var->id <= WSGI_PARAM_PROCESS_LAST);
}

int wsgi_vars_next(struct wsgi_vars_reader *reader, struct wsgi_var *var)
{
    size_t room = (size_t)(reader->end - reader->at);
    size_t body;

    if (reader->left == 0)
        return room == 0 ? 0 : -1;
    if (room < ENTRY_HEAD_SIZE + 2)
        return -1;
    memcpy(&var->id, reader->at, 2);
    memcpy(&var->name_size, reader->at + 2, 2);
    memcpy(&var->value_size, reader->at + 4, 4);
    room -= ENTRY_HEAD_SIZE + 2;
    if (var->name_size > room || var->value_size > room - var->name_size)
        return -1;
    body = (size_t)var->name_size + 1;
    var->name = (const char *)reader->at + ENTRY_HEAD_SIZE;
    var->value = var->name + body;
    if (var->name[var->name_size] != '\0' || var->value[var->value_size] != '\0' ||
        !id_is_sound(var))
        return -1;
    if (var->id != WSGI_NAME_TEXT && var->id < WSGI_NAME_COUNT) {
        var->name = names[var->id].text;
        var->name_size = names[var->id].size;
    }
    reader->at = (const unsigned char *)var->value + var->value_size + 1;
    reader->left--;
    return 1;
}

int wsgi_var_number(const struct wsgi_var *var, int64_t *number)
{
    if (var->value_size != sizeof *number)
        return -1;
    memcpy(number, var->value, sizeof *number);
    return 0;
}
