/* SPDX-License-Identifier: Apache-2.0 */
/* Response heads. The first byte says whether a block follows as it is, or one field for a writer;
 * what is accepted is compared with httpd's own rules, written down here the other way round. */
#include "head.h"

#include "fuzz.h"

/* httpd's token: stops at controls, blanks, separators and what is not ASCII. */
static int httpd_takes_name(const char *name, size_t size)
{
    size_t i;

    for (i = 0; i < size; i++) {
        unsigned char byte = (unsigned char)name[i];

        if (byte <= ' ' || byte >= 0x7F || strchr("()<>@,;:\\\"/[]?={}", byte) != NULL)
            return 0;
    }
    return size > 0;
}

/* httpd's field content: stops at any control but TAB. */
static int httpd_takes_value(const char *value, size_t size)
{
    size_t i;

    for (i = 0; i < size; i++) {
        unsigned char byte = (unsigned char)value[i];

        if ((byte < ' ' && byte != '\t') || byte == 0x7F)
            return 0;
    }
    return 1;
}

static void check_field(const char *name, size_t name_size, const char *value, size_t value_size)
{
    enum wsgi_head_status status = wsgi_head_check_field(name, name_size, value, value_size);

    CHECK((status == WSGI_HEAD_OK) ==
          (httpd_takes_name(name, name_size) && httpd_takes_value(value, value_size)));
    CHECK(wsgi_head_status_text(status)[0] != '\0');
}

static void check_length(const char *value, size_t size)
{
    char digits[32];
    int64_t length = -1;
    const char *at = value;
    const char *end = value + size;

    if (wsgi_head_parse_length(value, size, &length) != WSGI_HEAD_OK)
        return;
    CHECK(length >= 0);
    while (at < end && (*at == ' ' || *at == '\t' || (*at == '0' && at + 1 < end && at[1] >= '0')))
        at++;
    while (end > at && (end[-1] == ' ' || end[-1] == '\t'))
        end--;
    snprintf(digits, sizeof digits, "%lld", (long long)length);
    CHECK(strlen(digits) == (size_t)(end - at) && memcmp(digits, at, (size_t)(end - at)) == 0);
}

static void check_status(const char *status, size_t size)
{
    int number = 0;

    if (wsgi_head_check_status(status, size, &number) != WSGI_HEAD_OK)
        return;
    CHECK(number >= 200 && number <= 999 && atoi(status) == number);
    CHECK(httpd_takes_value(status, size) && memchr(status, '\t', size) == NULL);
}

/* Reads a block of just its size; *fields says how many it has. 1: it was accepted as a whole. */
static int read_block(const unsigned char *block, size_t size, uint32_t *fields)
{
    struct wsgi_head_reader reader;
    struct wsgi_head_field field;
    enum wsgi_head_status why = WSGI_HEAD_OK;
    const char *start = (const char *)block;
    int answer;

    *fields = 0;
    if (wsgi_head_open(&reader, block, size) != WSGI_HEAD_OK)
        return 0;
    CHECK(reader.status >= start && reader.status[reader.status_size] == '\0');
    check_status(reader.status, reader.status_size);
    CHECK(reader.number >= 200 && reader.number <= 999);
    while ((answer = wsgi_head_next(&reader, &field, &why)) == 1) {
        CHECK(field.name > start && field.value + field.value_size < start + size);
        CHECK(httpd_takes_name(field.name, field.name_size));
        CHECK(httpd_takes_value(field.value, field.value_size));
        CHECK(field.value[field.value_size] == '\0' && field.name[field.name_size] == '\0');
        wsgi_head_is_hop_by_hop(field.name, field.name_size);
        (*fields)++;
    }
    CHECK(*fields <= WSGI_HEAD_FIELDS_MAX);
    CHECK(answer == 0 || why != WSGI_HEAD_OK);
    return answer == 0;
}

static void read_raw(struct feed *feed)
{
    size_t size = feed->left;
    unsigned char *block = take_block(feed, size);
    uint32_t fields;

    read_block(block, size, &fields);
    free(block);
}

/* A writer puts what it is given; the reader takes it exactly when the rules do. */
static void write_and_read(struct feed *feed)
{
    struct wsgi_head_writer writer;
    size_t status_size, name_size, value_size;
    char *status = take_text(feed, take_byte(feed) % 32, &status_size);
    uint32_t fields, put = 0;
    int sound = wsgi_head_check_status(status, status_size, NULL) == WSGI_HEAD_OK;

    memset(&writer, 0, sizeof writer);
    check_status(status, status_size);
    wsgi_head_begin(&writer, status, status_size);
    while (feed->left > 0 && put < WSGI_HEAD_FIELDS_MAX) {
        char *name = take_text(feed, take_byte(feed) % 24, &name_size);
        char *value = take_text(feed, take_byte(feed) % 64, &value_size);

        check_field(name, name_size, value, value_size);
        check_length(value, value_size);
        sound = sound && httpd_takes_name(name, name_size) && httpd_takes_value(value, value_size);
        wsgi_head_put(&writer, name, name_size, value, value_size);
        put++;
        free(value);
        free(name);
    }
    CHECK(wsgi_head_end(&writer) == 0);
    CHECK(read_block(writer.data, writer.used, &fields) == sound);
    CHECK(!sound || fields == put);
    free(writer.data);
    free(status);
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
