/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Waiting for Apache's process at the other end of a connection: as long as socket-timeout.
 *
 * That process waits for its client now and then, who may be slow; its own clocks end that. So one
 * that lives and takes nothing of a response is waited for ten times as long, and one that lives
 * and sends nothing of a body for ever; one that the system says to be stopped has no clocks.
 */
#ifndef WSGI_PYTHON_PATIENCE_H
#define WSGI_PYTHON_PATIENCE_H

#include <stdint.h>

struct wsgi_patience {
    int descriptor;
    short events;  /* POLLIN: it is to send; POLLOUT: it is to take */
    int spent;     /* times socket-timeout, in which nothing happened */
    int unread;    /* bytes that it had not taken at the beginning of the last of them */
    int64_t until; /* steady clock: the end of that one */
};

void wsgi_patience_begin(struct wsgi_patience *patience, int descriptor, short events);
/* Waits for the event. 0: look again; -1: no longer, and the log says so. Detached. */
int wsgi_patience_wait(struct wsgi_patience *patience);

#endif
