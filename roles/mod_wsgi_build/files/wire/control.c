/* SPDX-License-Identifier: Apache-2.0 */
#include "control.h"

#include <string.h>

#include "why.h"

/* What a daemon may say. */
static const enum {
    NOT_ITS,
    BARE,
    NOTE
} rules[] = {
    [WSGI_CONTROL_READY] = BARE,      [WSGI_CONTROL_RELOAD] = NOTE, [WSGI_CONTROL_FAILED] = BARE,
    [WSGI_CONTROL_LEAVING] = BARE,    [WSGI_CONTROL_LOADED] = NOTE, [WSGI_CONTROL_MISSING] = NOTE,
    [WSGI_CONTROL_UNLOADABLE] = NOTE, [WSGI_CONTROL_SCORES] = BARE,
};

enum wsgi_control_status wsgi_control_check(const unsigned char *bytes, size_t size, uint32_t epoch,
                                            struct wsgi_control *message, struct wsgi_tidings *note)
{
    size_t behind = size - sizeof *message;

    if (size < sizeof *message || size > WSGI_CONTROL_SIZE_MAX)
        return WSGI_CONTROL_BAD_SIZE;
    memcpy(message, bytes, sizeof *message);
    if (message->type >= sizeof rules / sizeof *rules || rules[message->type] == NOT_ITS)
        return WSGI_CONTROL_BAD_TYPE;
    if (message->epoch != epoch)
        return WSGI_CONTROL_BAD_EPOCH;
    if (message->why >= WSGI_WHY_COUNT)
        return WSGI_CONTROL_BAD_WHY;
    if (rules[message->type] == BARE)
        return behind == 0 ? WSGI_CONTROL_OK : WSGI_CONTROL_BAD_SIZE;
    return wsgi_note_decode(bytes + sizeof *message, behind, note) == 0 ? WSGI_CONTROL_OK
                                                                        : WSGI_CONTROL_BAD_NOTE;
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
    case WSGI_CONTROL_BAD_NOTE:
        return "a malformed note about a script";
    }
    return "an unknown fault";
}
