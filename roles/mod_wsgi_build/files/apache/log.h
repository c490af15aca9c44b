/* SPDX-License-Identifier: Apache-2.0 */
/* One place that turns codes and levels into httpd log records. */
#ifndef WSGI_APACHE_LOG_H
#define WSGI_APACHE_LOG_H

#include "httpd.h"
#include "http_log.h"
#include "../wire/outcome.h"

APLOG_USE_MODULE(wsgi);

/* syslog level 0..7 of the wire (with or without WSGI_LOG_PLACED, WSGI_LOG_WHOLE) -> APLOG_*,
 * anything else -> APLOG_ERR. */
int wsgi_log_level(int wire_level);

/* The highest wire level (7 = debug and above) that any virtual host wants of this module: what
 * an engine sends, so that one virtual host with "LogLevel wsgi:info" sees what concerns it. */
int wsgi_log_highest(const server_rec *main_server);

/* The request's id in log lines; made here when nothing has asked httpd for one yet. */
const char *wsgi_log_request_id(request_rec *r);

/* A group has failed in some way, and said so in the log of its virtual host. If the main server
 * has another one, a line there says where to look. */
void wsgi_log_pointer(server_rec *main_server, server_rec *host, const char *group);

/* The one line of a failed request: "WSGInnnn: <cause>, request <log id>" at error level (debug
 * when outcome->silent). */
void wsgi_log_outcome(request_rec *r, const struct wsgi_outcome *outcome);

/* A record the application wrote, its place taken off if it has one: each line of `text`, or with
 * WSGI_LOG_WHOLE all of it, is one record, controls escaped by httpd; longer ones are cut in
 * pieces. If the ErrorLogFormat of the host makes JSON, the record can be parsed: '"' becomes "'",
 * what is not ASCII \uXXXX. */
void wsgi_log_request_text(request_rec *r, int wire_level, const char *text, size_t size);
void wsgi_log_server_text(server_rec *s, int wire_level, const char *text, size_t size);

#endif
