/* SPDX-License-Identifier: Apache-2.0 */
/* Supervisor: how and why a daemon process ended, in words. */
#ifndef WSGI_APACHE_ENDS_H
#define WSGI_APACHE_ENDS_H

#include "minder.h"

/* "was killed by signal 11 (...)", from the wait status. */
void wsgi_end_describe(char *text, size_t size, int status);
/* APLOG_ERR, or APLOG_NOTICE where what could not even be started has said so itself. */
int wsgi_end_level(int status);
/* 1 when it is what was asked for: a crash on the way out is still a crash. */
int wsgi_end_is_planned(const struct wsgi_minded *minded, int status);
/* How many requests the process in the slot has ended, as it says itself. */
apr_uint64_t wsgi_end_requests(const struct wsgi_minder *minder, int index);

/* The one line of an end. `how` is from wsgi_end_describe(), `next` says what follows or is "". */
void wsgi_end_log_planned(const struct wsgi_minder *minder, int index, const char *how,
                          apr_time_t now);
void wsgi_end_log_surprise(const struct wsgi_minder *minder, int index, const char *how, int level,
                           const char *next, apr_time_t now);

#endif
