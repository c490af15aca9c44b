/* SPDX-License-Identifier: Apache-2.0 */
#include "wire_test.h"

#include "scores.h"

#define SIZE(count) (sizeof(struct wsgi_scores) + (count) * sizeof(struct wsgi_score))

static struct wsgi_scores *make(uint32_t count)
{
    struct wsgi_scores *scores = calloc(1, SIZE(count));

    assert_non_null(scores);
    scores->magic = WSGI_SCORES_MAGIC;
    scores->count = count;
    return scores;
}

static void test_whole_snapshots(void **state)
{
    uint32_t count;

    (void)state;
    for (count = 0; count < 4; count++) {
        struct wsgi_scores *scores = make(count);

        assert_ptr_equal(wsgi_scores_check(scores, SIZE(count)), scores);
        free(scores);
    }
}

static void test_sizes_that_do_not_fit(void **state)
{
    struct wsgi_scores *scores = make(2);
    unsigned char *part;
    size_t size;

    (void)state;
    assert_null(wsgi_scores_check(NULL, 0));
    for (size = 0; size < SIZE(2); size++) {
        part = exactly(scores, size);
        assert_null(wsgi_scores_check(part, size));
        free(part);
    }
    scores->count = 1;
    assert_null(wsgi_scores_check(scores, SIZE(2)));
    scores->count = UINT32_MAX;
    assert_null(wsgi_scores_check(scores, SIZE(2)));
    scores->count = 2;
    scores->magic++;
    assert_null(wsgi_scores_check(scores, SIZE(2)));
    free(scores);
}

static void test_texts_without_an_end(void **state)
{
    struct wsgi_scores *scores = make(2);

    (void)state;
    memset(scores->score[1].client, 'x', sizeof scores->score[1].client);
    assert_null(wsgi_scores_check(scores, SIZE(2)));
    scores->score[1].client[63] = '\0';
    assert_non_null(wsgi_scores_check(scores, SIZE(2)));
    memset(scores->score[0].request, 'x', sizeof scores->score[0].request);
    assert_null(wsgi_scores_check(scores, SIZE(2)));
    scores->score[0].request[0] = '\0';
    memset(scores->score[1].vhost, 'x', sizeof scores->score[1].vhost);
    assert_null(wsgi_scores_check(scores, SIZE(2)));
    free(scores);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_whole_snapshots),
        cmocka_unit_test(test_sizes_that_do_not_fit),
        cmocka_unit_test(test_texts_without_an_end),
    };
    return cmocka_run_group_tests_name("scores", tests, NULL, NULL);
}
