/* SPDX-License-Identifier: Apache-2.0 */
/* Daemon: a crash leaves the Python stack of its thread on the board, for the supervisor's log. */
#ifndef WSGI_PYTHON_CRASH_H
#define WSGI_PYTHON_CRASH_H

#include <stddef.h>

/* Attached, before code of the site runs; takes over WSGI_FD_BOARD. A failure is no more than a
 * line in the log: the report will be missing. */
void wsgi_crash_begin(void);

/* Memory on which this thread's handlers of signals run, so that there is some when its own stack
 * is used up. NULL: none is to be had, and the thread does without. */
void *wsgi_crash_stack_make(void);
void wsgi_crash_stack_end(void *stack);

#endif
