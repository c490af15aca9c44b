/* SPDX-License-Identifier: Apache-2.0 */
/* When what came from the daemon has to leave: response-flush-delay. */
#ifndef WSGI_APACHE_DELAY_H
#define WSGI_APACHE_DELAY_H

#include <time.h>

#include "exchange.h"

/* What was passed on has to leave; the clock runs already if something was waiting before. */
void wsgi_delay_start(struct wsgi_relay *x);
/* The same for a block, as its flags say. */
void wsgi_delay_follow(struct wsgi_relay *x);

int wsgi_delay_is_over(const struct wsgi_relay *x);
/* How long may be slept, not longer than `tick`. */
struct timespec wsgi_delay_limit(const struct wsgi_relay *x, struct timespec tick);
enum wsgi_step wsgi_delay_flush(struct wsgi_relay *x);

#endif
