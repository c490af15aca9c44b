/* SPDX-License-Identifier: Apache-2.0 */
#include "scores.h"

#include <string.h>

static int has_end(const char *text, size_t size)
{
    return memchr(text, '\0', size) != NULL;
}

const struct wsgi_scores *wsgi_scores_check(const void *data, size_t size)
{
    const struct wsgi_scores *scores = data;
    uint32_t i;

    if (data == NULL || size < sizeof *scores || size > WSGI_SCORES_MAX ||
        scores->magic != WSGI_SCORES_MAGIC ||
        (size - sizeof *scores) % sizeof *scores->score != 0 ||
        scores->count != (size - sizeof *scores) / sizeof *scores->score)
        return NULL;
    for (i = 0; i < scores->count; i++) {
        const struct wsgi_score *score = &scores->score[i];

        if (!has_end(score->client, sizeof score->client) ||
            !has_end(score->request, sizeof score->request) ||
            !has_end(score->vhost, sizeof score->vhost))
            return NULL;
    }
    return scores;
}
