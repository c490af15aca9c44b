/* SPDX-License-Identifier: Apache-2.0 */
/* Apache child: the clocks of one request to a daemon group. docs/timeouts.md has their order. */
#ifndef WSGI_APACHE_CLOCKS_H
#define WSGI_APACHE_CLOCKS_H

#include "httpd.h"
#include "group.h"

/* The time that nobody can set: what is measured from one moment of it to another one is true also
 * when the time of day is corrected meanwhile, as after a pause of a virtual machine. */
apr_time_t wsgi_clock_now(void);
/* How old the request is by httpd's reckoning; one that httpd made on behalf of another one is as
 * old as this handler's knowledge of it. */
apr_interval_time_t wsgi_clock_age(const request_rec *r);
/* socket-timeout, else the server's Timeout. */
apr_interval_time_t wsgi_clock_socket(const struct wsgi_group *group, const request_rec *r);
/* 1 when a request is older than queue-timeout, which was `older` at `begin`; *age says how old. */
int wsgi_clock_queued_too_long(const struct wsgi_group *group, apr_time_t begin,
                               apr_interval_time_t older, apr_interval_time_t *age);
/* How long a request may be with its worker; 0: no limit. */
apr_interval_time_t wsgi_clock_request(const struct wsgi_group *group);

/* response-socket-timeout: what was the client's socket's time-out before, -1 when nothing was
 * changed (no such option, or no socket, as with HTTP/2). */
apr_interval_time_t wsgi_clock_begin_response(const struct wsgi_group *group, request_rec *r);
void wsgi_clock_end_response(request_rec *r, apr_interval_time_t before);

/* For access logs: %{wsgi-queue}n, milliseconds without a worker, and %{wsgi-process}n. */
void wsgi_clock_note(request_rec *r, apr_interval_time_t queued, int pid);

#endif
