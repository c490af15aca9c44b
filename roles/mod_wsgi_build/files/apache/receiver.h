/* SPDX-License-Identifier: Apache-2.0 */
/* The relay's way from the daemon: frames are read, checked and become the response. */
#ifndef WSGI_APACHE_RECEIVER_H
#define WSGI_APACHE_RECEIVER_H

#include "exchange.h"

/* One read; with `wait` until something comes or the connection's tick is over. */
enum wsgi_step wsgi_receiver_fill(struct wsgi_relay *x, int wait);

/* Works off what is buffered, frame by frame. WSGI_STEP_DRY: all of it. */
enum wsgi_step wsgi_receiver_take(struct wsgi_relay *x);

#endif
