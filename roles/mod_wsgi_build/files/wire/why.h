/* SPDX-License-Identifier: Apache-2.0 */
/* Why a daemon process ends, on both sides of the wire. */
#ifndef WSGI_WIRE_WHY_H
#define WSGI_WIRE_WHY_H

#include <stdint.h>

enum wsgi_why {
#define WSGI_WHY(symbol, reason, words) WSGI_WHY_##symbol,
#include "why.def"
#undef WSGI_WHY
    WSGI_WHY_COUNT
};

/* Both take what came over the wire: a number out of range is WSGI_WHY_NONE. */
const char *wsgi_why_reason(uint32_t why);
const char *wsgi_why_words(uint32_t why);

#endif
