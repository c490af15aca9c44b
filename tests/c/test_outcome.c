/* SPDX-License-Identifier: Apache-2.0 */
#include "wire_test.h"

#include "frame.h"
#include "outcome.h"

static void test_round_trip(void **state)
{
    struct wsgi_outcome outcome = {0};
    struct wsgi_outcome back;
    unsigned char payload[WSGI_FRAME_END_MAX];
    size_t size;

    (void)state;
    wsgi_outcome_fail(&outcome, 500, WSGI_CODE_APPLICATION_RAISED, "%s raised %d", "app", 7);
    outcome.silent = 1;
    size = wsgi_outcome_encode(&outcome, payload);
    assert_int_equal(wsgi_outcome_decode(payload, size, &back), 0);
    assert_int_equal(back.status, 500);
    assert_int_equal(back.code, 174);
    assert_int_equal(back.silent, 1);
    assert_string_equal(back.cause, "app raised 7");
}

static void test_a_long_cause_is_cut(void **state)
{
    struct wsgi_outcome outcome = {0};
    struct wsgi_outcome back;
    unsigned char payload[WSGI_FRAME_END_MAX];
    char text[2000];

    (void)state;
    memset(text, 'x', sizeof text);
    text[sizeof text - 1] = '\0';
    wsgi_outcome_fail(&outcome, 502, WSGI_CODE_READ_FAILED, "%s", text);
    assert_int_equal(strlen(outcome.cause), WSGI_OUTCOME_CAUSE_MAX - 1);
    assert_int_equal(wsgi_outcome_decode(payload, wsgi_outcome_encode(&outcome, payload), &back),
                     0);
    assert_string_equal(back.cause, outcome.cause);
}

static void test_a_cause_stays_on_one_line(void **state)
{
    static const unsigned char payload[] = {0xf4, 0x01, 0, 0, 0, 'a', '\n', 'b', '\0', 'c', 0x7f};
    struct wsgi_outcome outcome = {0};
    struct wsgi_outcome back;

    (void)state;
    wsgi_outcome_fail(&outcome, 500, 1, "one\ntwo\r\x1b[0m");
    assert_string_equal(outcome.cause, "one?two??[0m");
    assert_int_equal(wsgi_outcome_decode(payload, sizeof payload, &back), 0);
    assert_string_equal(back.cause, "a?b");
}

static void test_malformed(void **state)
{
    static const struct {
        unsigned char bytes[6];
        size_t size;
    } bad[] = {
        {{0, 0, 0, 0}, 4},          /* too short */
        {{200, 0, 0, 0, 0}, 5},     /* 200 is no failure */
        {{0x58, 0x02, 0, 0, 0}, 5}, /* 600 */
        {{0xf4, 0x01, 0, 0, 2}, 5}, /* silent is 0 or 1 */
        {{0, 0, 1, 0, 0}, 5},       /* a code without a failure */
    };
    unsigned char large[WSGI_FRAME_END_MAX] = {0};
    struct wsgi_outcome back;
    size_t i;

    (void)state;
    for (i = 0; i < COUNT(bad); i++) {
        unsigned char *copy = exactly(bad[i].bytes, bad[i].size);

        assert_int_equal(wsgi_outcome_decode(copy, bad[i].size, &back), -1);
        free(copy);
    }
    assert_int_equal(wsgi_outcome_decode(large, sizeof large, &back), -1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_round_trip),
        cmocka_unit_test(test_a_long_cause_is_cut),
        cmocka_unit_test(test_a_cause_stays_on_one_line),
        cmocka_unit_test(test_malformed),
    };
    return cmocka_run_group_tests_name("outcome", tests, NULL, NULL);
}
