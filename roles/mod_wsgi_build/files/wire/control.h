/* SPDX-License-Identifier: Apache-2.0 */
/* What comes on a control socket (launch.h), checked before anything is done with it. */
#ifndef WSGI_WIRE_CONTROL_H
#define WSGI_WIRE_CONTROL_H

#include <stddef.h>
#include <stdint.h>

#include "launch.h"
#include "note.h"

#define WSGI_CONTROL_SIZE_MAX (sizeof(struct wsgi_control) + WSGI_NOTE_SIZE_MAX)

enum wsgi_control_status {
    WSGI_CONTROL_OK = 0,
    WSGI_CONTROL_BAD_SIZE, /* no message, or more than one */
    WSGI_CONTROL_BAD_TYPE, /* unknown, or not a daemon's to say */
    WSGI_CONTROL_BAD_EPOCH,
    WSGI_CONTROL_BAD_WHY,
    WSGI_CONTROL_BAD_NOTE /* of a script (note.h) */
};

/* `size` is that of the message as it was sent, also when less of it was taken: one of more than
 * WSGI_CONTROL_SIZE_MAX bytes is never looked at. `note` is filled in where the type has one; its
 * texts point into `bytes`. */
enum wsgi_control_status wsgi_control_check(const unsigned char *bytes, size_t size, uint32_t epoch,
                                            struct wsgi_control *message,
                                            struct wsgi_tidings *note);
/* "a message of a wrong size", ... */
const char *wsgi_control_status_text(enum wsgi_control_status status);

#endif
