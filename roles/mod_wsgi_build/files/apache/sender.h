/* SPDX-License-Identifier: Apache-2.0 */
/* The relay's way to the daemon: the request, then its body as far as there is credit. */
#ifndef WSGI_APACHE_SENDER_H
#define WSGI_APACHE_SENDER_H

#include "exchange.h"

/* Prepares REQUEST with what there is of the body. */
void wsgi_sender_request(struct wsgi_relay *x);

/* Sends what can be sent without waiting. */
enum wsgi_step wsgi_sender_run(struct wsgi_relay *x);

#endif
