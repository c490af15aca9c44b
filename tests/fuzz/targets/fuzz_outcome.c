/* SPDX-License-Identifier: Apache-2.0 */
/* Payloads of END, and causes of failures on their way into a log. */
#include "frame.h"
#include "outcome.h"

#include "fuzz.h"

static void check_cause(const struct wsgi_outcome *outcome)
{
    const char *at;

    CHECK(memchr(outcome->cause, '\0', sizeof outcome->cause) != NULL);
    for (at = outcome->cause; *at != '\0'; at++)
        CHECK((unsigned char)*at >= ' ' && *at != 0x7F);
}

static void check_decoded(const struct wsgi_outcome *outcome, const unsigned char *payload,
                          size_t size)
{
    unsigned char again[WSGI_FRAME_END_MAX];
    struct wsgi_outcome other;
    size_t used;

    CHECK(size <= WSGI_FRAME_END_MAX);
    CHECK(outcome->status == 0 || (outcome->status >= 400 && outcome->status <= 599));
    CHECK(outcome->status != 0 || outcome->code == 0);
    CHECK(outcome->truncated == 0 && (outcome->silent == 0 || outcome->silent == 1));
    check_cause(outcome);
    used = wsgi_outcome_encode(outcome, again);
    CHECK(used <= size && memcmp(again, payload, 5) == 0);
    CHECK(wsgi_outcome_decode(again, used, &other) == 0);
    CHECK(memcmp(&other, outcome, sizeof other) == 0 || strcmp(other.cause, outcome->cause) == 0);
}

static void check_failure(const char *text)
{
    struct wsgi_outcome outcome, again;
    unsigned char *payload = malloc(WSGI_FRAME_END_MAX);
    size_t used;

    CHECK(payload != NULL);
    memset(&outcome, 0, sizeof outcome);
    wsgi_outcome_fail(&outcome, 502, WSGI_CODE_WIRE_VIOLATION, "%s", text);
    check_cause(&outcome);
    CHECK(strlen(outcome.cause) ==
          (strlen(text) < WSGI_OUTCOME_CAUSE_MAX ? strlen(text) : WSGI_OUTCOME_CAUSE_MAX - 1));
    used = wsgi_outcome_encode(&outcome, payload);
    CHECK(used <= WSGI_FRAME_END_MAX);
    CHECK(wsgi_outcome_decode(payload, used, &again) == 0);
    CHECK(strcmp(again.cause, outcome.cause) == 0);
    CHECK(again.status == 502 && again.code == WSGI_CODE_WIRE_VIOLATION);
    free(payload);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct feed feed = {data, size};
    unsigned char *payload = take_block(&feed, size);
    struct feed second = {data, size};
    size_t text_size;
    char *text = take_text(&second, size, &text_size);
    struct wsgi_outcome outcome;

    if (wsgi_outcome_decode(payload, size, &outcome) == 0)
        check_decoded(&outcome, payload, size);
    check_failure(text);
    free(text);
    free(payload);
    return 0;
}
