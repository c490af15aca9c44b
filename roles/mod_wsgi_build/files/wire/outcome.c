/* SPDX-License-Identifier: Apache-2.0 */
#include "outcome.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

/* Payload of END: u16 status, u16 code, u8 silent, cause without NUL. */
#define FIXED_SIZE 5

/* A cause is untrusted text on its way into a log: one line, no controls. */
static void flatten(char *text)
{
    for (; *text != '\0'; text++)
        if ((unsigned char)*text < ' ' || *text == 0x7f)
            *text = '?';
}

size_t wsgi_outcome_encode(const struct wsgi_outcome *outcome, unsigned char *payload)
{
    size_t size = strnlen(outcome->cause, WSGI_OUTCOME_CAUSE_MAX - 1);

    memcpy(payload, &outcome->status, 2);
    memcpy(payload + 2, &outcome->code, 2);
    payload[4] = outcome->silent != 0;
    memcpy(payload + FIXED_SIZE, outcome->cause, size);
    return FIXED_SIZE + size;
}

int wsgi_outcome_decode(const unsigned char *payload, size_t size, struct wsgi_outcome *outcome)
{
    memset(outcome, 0, sizeof *outcome);
    if (size < FIXED_SIZE || size - FIXED_SIZE >= WSGI_OUTCOME_CAUSE_MAX)
        return -1;
    memcpy(&outcome->status, payload, 2);
    memcpy(&outcome->code, payload + 2, 2);
    if (outcome->status != 0 && (outcome->status < 400 || outcome->status > 599))
        return -1;
    if (payload[4] > 1 || (outcome->status == 0 && outcome->code != 0))
        return -1;
    outcome->silent = payload[4];
    memcpy(outcome->cause, payload + FIXED_SIZE, size - FIXED_SIZE);
    flatten(outcome->cause);
    return 0;
}

void wsgi_outcome_fail(struct wsgi_outcome *outcome, uint16_t status, uint16_t code,
                       const char *format, ...)
{
    va_list arguments;

    outcome->status = status;
    outcome->code = code;
    va_start(arguments, format);
    vsnprintf(outcome->cause, sizeof outcome->cause, format, arguments);
    va_end(arguments);
    flatten(outcome->cause);
}
