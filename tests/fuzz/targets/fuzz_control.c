/* SPDX-License-Identifier: Apache-2.0 */
/* Messages of a daemon to its supervisor, which is root. Input: epoch, then what was sent. */
#include "control.h"
#include "why.h"

#include "fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct feed feed = {data, size};
    uint32_t epoch = take_word(&feed);
    size_t there = feed.left;
    void *bytes = take_block(&feed, there);
    struct wsgi_control message;
    enum wsgi_control_status status = wsgi_control_check(bytes, there, epoch, &message);

    CHECK(wsgi_control_status_text(status)[0] != '\0');
    if (status == WSGI_CONTROL_OK) {
        CHECK(there >= sizeof message && there <= sizeof message + WSGI_CONTROL_TEXT_MAX);
        CHECK(memcmp(bytes, &message, sizeof message) == 0);
        CHECK(message.epoch == epoch && message.why < WSGI_WHY_COUNT);
        CHECK(message.type != WSGI_CONTROL_DRAIN && message.type != WSGI_CONTROL_STOP);
    }
    CHECK(wsgi_why_reason(epoch)[0] != '\0' || wsgi_why_words(epoch) != NULL);
    free(bytes);
    return 0;
}
