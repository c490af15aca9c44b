/* SPDX-License-Identifier: Apache-2.0 */
#include "wire_test.h"

#include "note.h"

static struct wsgi_tidings some_note(const char *text, size_t size)
{
    struct wsgi_tidings note = {.mtime = -7,
                                .flags = 8,
                                .group = "site|/x",
                                .path = "/srv/x.wsgi",
                                .text = text,
                                .text_size = size};

    return note;
}

static void test_there_and_back(void **state)
{
    unsigned char *data = malloc(WSGI_NOTE_SIZE_MAX);
    struct wsgi_tidings note = some_note("Traceback\n", 10);
    struct wsgi_tidings back;
    size_t size = wsgi_note_encode(&note, data);
    unsigned char *copy = exactly(data, size);

    (void)state;
    assert_int_equal(wsgi_note_decode(copy, size, &back), 0);
    assert_int_equal(back.mtime, -7);
    assert_int_equal(back.flags, 8);
    assert_string_equal(back.group, "site|/x");
    assert_string_equal(back.path, "/srv/x.wsgi");
    assert_int_equal(back.text_size, 10);
    assert_memory_equal(back.text, "Traceback\n", 10);
    free(copy);
    free(data);
}

/* Begin and end of a long text stay. */
static void test_long_text(void **state)
{
    unsigned char *data = malloc(WSGI_NOTE_SIZE_MAX);
    char *text = malloc(100000);
    struct wsgi_tidings note = some_note(text, 100000);
    struct wsgi_tidings back;

    (void)state;
    memset(text, 'm', 100000);
    text[0] = 'b';
    text[99999] = 'e';
    assert_int_equal(wsgi_note_decode(data, wsgi_note_encode(&note, data), &back), 0);
    assert_int_equal(back.text_size, WSGI_NOTE_TEXT_MAX);
    assert_int_equal(back.text[0], 'b');
    assert_int_equal(back.text[back.text_size - 1], 'e');
    free(text);
    free(data);
}

/* Whatever is cut off, or added, or is not ended. */
static void test_malformed(void **state)
{
    unsigned char *data = calloc(1, WSGI_NOTE_SIZE_MAX + 1);
    struct wsgi_tidings note = some_note("", 0);
    struct wsgi_tidings back;
    size_t size = wsgi_note_encode(&note, data);
    size_t cut;

    (void)state;
    for (cut = 0; cut < size; cut++) {
        unsigned char *copy = exactly(data, cut);

        assert_int_equal(wsgi_note_decode(copy, cut, &back), -1);
        free(copy);
    }
    assert_int_equal(wsgi_note_decode(data, WSGI_NOTE_SIZE_MAX + 1, &back), -1);
    data[8] = 1; /* a flag that is none */
    assert_int_equal(wsgi_note_decode(data, size, &back), -1);
    note.path = "relative";
    assert_int_equal(wsgi_note_encode(&note, data), 0);
    memset(data, 'a', WSGI_NOTE_SIZE_MAX);
    assert_int_equal(wsgi_note_decode(data, WSGI_NOTE_SIZE_MAX, &back), -1);
    free(data);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_there_and_back),
        cmocka_unit_test(test_long_text),
        cmocka_unit_test(test_malformed),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
