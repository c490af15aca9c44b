/* SPDX-License-Identifier: Apache-2.0 */
/* How a relay fails: one outcome, in words, for each way. */
#ifndef WSGI_APACHE_FAILURE_H
#define WSGI_APACHE_FAILURE_H

#include "exchange.h"

/* The process, for a sentence. */
const char *wsgi_failure_daemon(const struct wsgi_relay *x);

enum wsgi_step wsgi_failure_overdue(struct wsgi_relay *x);
/* It closed the connection. Only here the request may be tried again: WSGI_STEP_RETRY. */
enum wsgi_step wsgi_failure_died(struct wsgi_relay *x);
enum wsgi_step wsgi_failure_violation(struct wsgi_relay *x, const char *what);
/* errno says why. */
enum wsgi_step wsgi_failure_read(struct wsgi_relay *x);
enum wsgi_step wsgi_failure_timed_out(struct wsgi_relay *x);
enum wsgi_step wsgi_failure_client_left(struct wsgi_relay *x);
/* The response could not be passed on. */
enum wsgi_step wsgi_failure_output(struct wsgi_relay *x);

#endif
