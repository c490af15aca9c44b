/* SPDX-License-Identifier: Apache-2.0 */
/* The reader of variable blocks. The first byte says whether a block follows as it is, or what a
 * writer is to put into one. */
#include "vars.h"

#include "fuzz.h"

#define NAME_MOST 40
#define VALUE_MOST 300

static int holds_nul(const char *text, size_t size)
{
    return memchr(text, '\0', size) != NULL;
}

/* What was accepted lies in the block, ends in a NUL, and is of a kind that we know. */
static void check_entry(const struct wsgi_var *var, const unsigned char *block, size_t size)
{
    const unsigned char *value = (const unsigned char *)var->value;
    int64_t number;

    CHECK(value >= block + WSGI_VARS_HEAD_SIZE && value + var->value_size < block + size);
    CHECK(var->value[var->value_size] == '\0');
    CHECK(strlen(var->name) == var->name_size);
    CHECK(var->id >= WSGI_PARAM_FIRST || var->name_size > 0);
    CHECK(var->id < WSGI_NAME_COUNT || (var->id >= WSGI_PARAM_FIRST && var->name_size == 0));
    CHECK((wsgi_var_number(var, &number) == 0) == (var->value_size == 8));
}

static void put_again(struct wsgi_vars_writer *writer, const struct wsgi_var *var)
{
    if (var->id >= WSGI_PARAM_FIRST)
        wsgi_vars_put_bytes(writer, (enum wsgi_param)var->id, var->value, var->value_size);
    else if (var->id != WSGI_NAME_TEXT)
        wsgi_vars_put_known(writer, (enum wsgi_name)var->id, var->value, var->value_size);
    else if (!holds_nul(var->value, var->value_size))
        wsgi_vars_put(writer, var->name, var->value);
}

/* Reads both to the end: the same entries, but for those that could not be written again. */
static void compare_blocks(const unsigned char *one, size_t one_size, const unsigned char *other,
                           size_t other_size)
{
    struct wsgi_vars_reader left, right;
    struct wsgi_var was, is;

    CHECK(wsgi_vars_open(&left, one, one_size) == 0);
    CHECK(wsgi_vars_open(&right, other, other_size) == 0);
    while (wsgi_vars_next(&left, &was) == 1) {
        if (was.id == WSGI_NAME_TEXT && holds_nul(was.value, was.value_size))
            continue;
        CHECK(wsgi_vars_next(&right, &is) == 1);
        CHECK(is.name_size == was.name_size && strcmp(is.name, was.name) == 0);
        CHECK(is.value_size == was.value_size);
        CHECK(memcmp(is.value, was.value, was.value_size) == 0);
        CHECK(is.id == was.id || (was.id == WSGI_NAME_TEXT && is.id < WSGI_NAME_COUNT));
    }
    CHECK(wsgi_vars_next(&right, &is) == 0);
}

static void read_raw(struct feed *feed)
{
    size_t size = feed->left;
    unsigned char *block = take_block(feed, size);
    struct wsgi_vars_writer writer;
    struct wsgi_vars_reader reader;
    struct wsgi_var var;
    int answer = -1;

    wsgi_vars_begin(&writer);
    if (wsgi_vars_open(&reader, block, size) == 0) {
        while ((answer = wsgi_vars_next(&reader, &var)) == 1) {
            check_entry(&var, block, size);
            put_again(&writer, &var);
        }
    }
    if (answer == 0) {
        CHECK(wsgi_vars_end(&writer) == 0);
        compare_blocks(block, size, writer.data, writer.used);
    }
    wsgi_vars_free(&writer);
    free(block);
}

/* Puts one entry and says what a reader is to find: by a name, a known id, a parameter. */
static void put_one(struct feed *feed, struct wsgi_vars_writer *writer)
{
    uint8_t kind = take_byte(feed);
    size_t name_size, value_size;
    char *name = take_text(feed, 1 + kind % NAME_MOST, &name_size);
    char *value = take_text(feed, take_byte(feed) % VALUE_MOST, &value_size);
    uint32_t number = take_word(feed);

    switch (kind % 5) {
    case 0:
        if (name[0] != '\0')
            wsgi_vars_put(writer, name, value);
        break;
    case 1:
        wsgi_vars_put_known(writer, (enum wsgi_name)(1 + number % (WSGI_NAME_COUNT - 1)), value,
                            value_size);
        break;
    case 2:
        wsgi_vars_put_text(writer, WSGI_PARAM_SCRIPT, value);
        break;
    case 3:
        wsgi_vars_put_bytes(writer, WSGI_PARAM_SECRET, value, value_size);
        break;
    default:
        wsgi_vars_put_number(writer, WSGI_PARAM_EPOCH, number);
        break;
    }
    free(value);
    free(name);
}

static void write_and_read(struct feed *feed)
{
    struct wsgi_vars_writer writer;
    struct wsgi_vars_reader reader;
    struct wsgi_var var;
    uint32_t found = 0;

    wsgi_vars_begin(&writer);
    while (feed->left > 0)
        put_one(feed, &writer);
    CHECK(wsgi_vars_end(&writer) == 0);
    CHECK(wsgi_vars_open(&reader, writer.data, writer.used) == 0);
    while (wsgi_vars_next(&reader, &var) == 1) {
        check_entry(&var, writer.data, writer.used);
        found++;
    }
    CHECK(found == writer.count && reader.at == reader.end);
    if (writer.used > WSGI_VARS_HEAD_SIZE) {
        /* One byte less, and the end is not one. */
        CHECK(wsgi_vars_open(&reader, writer.data, writer.used - 1) == 0);
        while (wsgi_vars_next(&reader, &var) == 1)
            continue;
        CHECK(wsgi_vars_next(&reader, &var) == -1);
    }
    wsgi_vars_free(&writer);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct feed feed = {data, size};

    if (take_byte(&feed) & 1)
        write_and_read(&feed);
    else
        read_raw(&feed);
    return 0;
}
