/* SPDX-License-Identifier: Apache-2.0 */
#include "why.h"

static const struct {
    const char *reason;
    const char *words;
} whys[] = {
#define WSGI_WHY(symbol, reason, words) {reason, words},
#include "why.def"
#undef WSGI_WHY
};

const char *wsgi_why_reason(uint32_t why)
{
    return whys[why < WSGI_WHY_COUNT ? why : WSGI_WHY_NONE].reason;
}

const char *wsgi_why_words(uint32_t why)
{
    return whys[why < WSGI_WHY_COUNT ? why : WSGI_WHY_NONE].words;
}
