/* SPDX-License-Identifier: Apache-2.0 */
/* Supervisor: how and why a daemon process ended, in words. */
#ifndef WSGI_APACHE_ENDS_H
#define WSGI_APACHE_ENDS_H

#include "minder.h"
#include "slots.h"

struct wsgi_death {
    int is_planned; /* it is what was asked for: a crash on the way out is still a crash */
    int level;      /* for the log */
    long peak;      /* KiB of memory at most, 0: unknown */
    char how[WSGI_SLOT_END_MAX]; /* "was killed by signal 11 (...)" */
};

/* Reads wait status, counters and board. To be called before the slot is used again. */
void wsgi_end_read(struct wsgi_death *end, struct wsgi_minder *minder, int index, int status,
                   const struct rusage *usage);
/* For Apache children that had a request in the process. */
void wsgi_end_tell(const struct wsgi_death *end, struct wsgi_minder *minder, int index);
/* What its fault handler left, and the one line of its end. `next` says what follows, or is "". */
void wsgi_end_log(const struct wsgi_death *end, const struct wsgi_minder *minder, int index,
                  const char *next, apr_time_t now);
/* All of it for a process of which no wait status can be had. */
void wsgi_end_log_adopted(struct wsgi_minder *minder, int index, apr_time_t now);
/* 1 when the process had become ready and had begun a request: its end says nothing about whether
 * another one can start. */
int wsgi_end_is_of_work(const struct wsgi_minder *minder, int index);
/* How many requests the process in the slot has ended, as it says itself. */
apr_uint64_t wsgi_end_requests(const struct wsgi_minder *minder, int index);

#endif
