/* SPDX-License-Identifier: Apache-2.0 */
#include "control.h"

#include <string.h>

#include "why.h"

/* What a daemon may say, and how long a text behind it may be. */
static const struct {
    int is_daemons;
    uint32_t text_max;
} rules[] = {
    [WSGI_CONTROL_READY] = {1, 0},
    [WSGI_CONTROL_RELOAD] = {1, 0},
    [WSGI_CONTROL_FAILED] = {1, 0},
    [WSGI_CONTROL_LEAVING] = {1, 0},
};

enum wsgi_control_status wsgi_control_check(const void *bytes, size_t size, uint32_t epoch,
                                            struct wsgi_control *message)
{
    if (size < sizeof *message || size > sizeof *message + WSGI_CONTROL_TEXT_MAX)
        return WSGI_CONTROL_BAD_SIZE;
    memcpy(message, bytes, sizeof *message);
    if (message->type >= sizeof rules / sizeof *rules || !rules[message->type].is_daemons)
        return WSGI_CONTROL_BAD_TYPE;
    if (size - sizeof *message > rules[message->type].text_max)
        return WSGI_CONTROL_BAD_SIZE;
    if (message->epoch != epoch)
        return WSGI_CONTROL_BAD_EPOCH;
    return message->why < WSGI_WHY_COUNT ? WSGI_CONTROL_OK : WSGI_CONTROL_BAD_WHY;
}

const char *wsgi_control_status_text(enum wsgi_control_status status)
{
    switch (status) {
    case WSGI_CONTROL_OK:
        return "a message";
    case WSGI_CONTROL_BAD_SIZE:
        return "a message of a wrong size";
    case WSGI_CONTROL_BAD_TYPE:
        return "a message of a type that is not a daemon's to send";
    case WSGI_CONTROL_BAD_EPOCH:
        return "a message in the name of another process";
    case WSGI_CONTROL_BAD_WHY:
        return "a message with an unknown reason";
    }
    return "an unknown fault";
}
