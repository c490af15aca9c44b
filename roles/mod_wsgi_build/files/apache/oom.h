/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Supervisor: what the kernel has killed for lack of memory, as it counts it for the control group
 * that the daemons are in. libc only, so that it can be tested by itself.
 *
 * The count is of all processes of that control group, so what belongs to an end is told by time:
 * it grew within the last seconds before it.
 */
#ifndef WSGI_APACHE_OOM_H
#define WSGI_APACHE_OOM_H

#include <limits.h>
#include <stdint.h>

#define WSGI_OOM_SPAN 10 /* s: how old a sample becomes before the next one takes its place */

struct wsgi_oom {
    char path[PATH_MAX]; /* "": there is no such counter */
    int64_t before;      /* WSGI_OOM_SPAN to 2 x WSGI_OOM_SPAN ago; -1: unknown */
    int64_t lately;      /* at most WSGI_OOM_SPAN ago */
    int64_t sampled;     /* seconds of any clock that goes forward */
};

enum wsgi_oom_verdict { WSGI_OOM_UNKNOWN, WSGI_OOM_NO, WSGI_OOM_YES };

/* Finds the counter of the calling process; "root" stands before each path, "" but in tests. */
void wsgi_oom_find(struct wsgi_oom *oom, const char *root);
/* The count now, -1: it cannot be read. */
int64_t wsgi_oom_count(const struct wsgi_oom *oom);
/* Every now and then. */
void wsgi_oom_sample(struct wsgi_oom *oom, int64_t seconds);
/* A process was killed: was it for lack of memory? Each count is given out once. */
enum wsgi_oom_verdict wsgi_oom_judge(struct wsgi_oom *oom);

#endif
