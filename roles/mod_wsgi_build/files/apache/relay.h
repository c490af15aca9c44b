/* SPDX-License-Identifier: Apache-2.0 */
/* Apache child: one request over one connection to a daemon process, a full-duplex pump. */
#ifndef WSGI_APACHE_RELAY_H
#define WSGI_APACHE_RELAY_H

#include "exchange.h"

enum wsgi_verdict {
    WSGI_RELAY_DONE,  /* the outcome says how it ended; the connection can be used again */
    WSGI_RELAY_SPENT, /* the same, the connection cannot */
    WSGI_RELAY_RETRY  /* certainly not started; the connection cannot be used again */
};

/* `relay` holds request, connection, slot, refusals and times, the rest is zero. */
enum wsgi_verdict wsgi_relay_run(struct wsgi_relay *relay);

#endif
