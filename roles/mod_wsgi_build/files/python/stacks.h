/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The Python stack of another thread, also while the GIL is held inside C.
 *
 * The thread is sent a signal of its own, and writes its stack into a pipe from the handler: so
 * its frames cannot change meanwhile. Only one thread (the monitor) asks; nothing here touches
 * Python or allocates memory once it is prepared, because whoever is stuck may hold any lock.
 */
#ifndef WSGI_PYTHON_STACKS_H
#define WSGI_PYTHON_STACKS_H

#include "compat.h"

#include <stddef.h>
#include <sys/types.h>

struct wsgi_stacks;

#define WSGI_STACK_TEXT 12288 /* bytes of one thread's stack at most, whole lines */

/* Whom to ask. */
struct wsgi_stack_target {
    pid_t tid;
    /* Where the thread itself keeps the thread state it works with, NULL while it has none, or
     * when there is no such place; then it is the one that Python knows for the thread. */
    PyThreadState *const *state;
};

struct wsgi_stack {
    int answered;    /* 0: the thread did not write anything in time */
    char where[160]; /* what it does, in words */
    size_t size;     /* of the text: lines "  File ...", the innermost call first */
    char text[WSGI_STACK_TEXT];
};

/* Attached, once. NULL without memory, descriptors or a free signal. */
struct wsgi_stacks *wsgi_stacks_prepare(void);
/* Why stacks cannot be had from this Python; NULL when they can. */
const char *wsgi_stacks_problem(const struct wsgi_stacks *stacks);
/* Waits for `patience` milliseconds at most. */
void wsgi_stacks_take(struct wsgi_stacks *stacks, const struct wsgi_stack_target *target,
                      int patience, struct wsgi_stack *stack);
/* The ids of up to `most` threads of this process. */
int wsgi_stacks_threads(pid_t *tids, int most);

#endif
