/* SPDX-License-Identifier: Apache-2.0 */
/* What comes on a control socket (launch.h), checked before anything is done with it. */
#ifndef WSGI_WIRE_CONTROL_H
#define WSGI_WIRE_CONTROL_H

#include <stddef.h>
#include <stdint.h>

#include "launch.h"

#define WSGI_CONTROL_TEXT_MAX 8192u /* bytes behind a message that may have a text */

enum wsgi_control_status {
    WSGI_CONTROL_OK = 0,
    WSGI_CONTROL_BAD_SIZE, /* no message, or a text that is too long or has no business there */
    WSGI_CONTROL_BAD_TYPE, /* unknown, or not a daemon's to say */
    WSGI_CONTROL_BAD_EPOCH,
    WSGI_CONTROL_BAD_WHY
};

/* `size` is that of the message as it was sent, also when less of it was taken: a message of more
 * than sizeof *message + WSGI_CONTROL_TEXT_MAX bytes is never looked at. */
enum wsgi_control_status wsgi_control_check(const void *bytes, size_t size, uint32_t epoch,
                                            struct wsgi_control *message);
/* "a message of a wrong size", ... */
const char *wsgi_control_status_text(enum wsgi_control_status status);

#endif
