/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a crash leaves behind.
 *
 * Python's faulthandler writes the stack of the thread that crashed to a descriptor. Ours leads to
 * the end of the board: what is there is never torn by what others print, is not lost when a pipe
 * is full or closed, and cannot become longer than the board, which is sealed. The supervisor puts
 * it into the log when it has seen how the process ended. An application that enables faulthandler
 * itself, or PYTHONFAULTHANDLER, takes its place: then the lines are prints like any other.
 *
 * faulthandler gives an alternate stack to the main thread only, and a request runs on another one:
 * so each worker has one of its own here, or the overflow of its stack could not be reported.
 */
#include "crash.h"

#include "compat.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <string.h>
#include <sys/auxv.h>
#include <sys/mman.h>
#include <unistd.h>

#include "../wire/board.h"
#include "../wire/launch.h"
#include "process.h"
#include "stream.h"

#define FIRST_DESCRIPTOR 64 /* far from those that an application gets and closes by number */
#define STACK_ROOM 65536    /* bytes on top of what the processor's registers need */
#ifndef AT_MINSIGSTKSZ
#define AT_MINSIGSTKSZ 51
#endif

/* ---- the report ---------------------------------------------------------- */

/* A description of its own, if that can be had: the supervisor's is shared with all processes of
 * the slot, and so would be the place where the next report goes. */
static int open_report(void)
{
    int descriptor = open("/proc/self/fd/5", O_WRONLY | O_CLOEXEC);
    int high =
        fcntl(descriptor >= 0 ? descriptor : WSGI_FD_BOARD, F_DUPFD_CLOEXEC, FIRST_DESCRIPTOR);

    _Static_assert(WSGI_FD_BOARD == 5, "the path above names it");
    if (high < 0)
        return descriptor;
    if (descriptor >= 0)
        close(descriptor);
    if (lseek(high, (off_t)offsetof(struct wsgi_board, crash), SEEK_SET) < 0) {
        close(high);
        return -1;
    }
    return high;
}

/* A child that the application forked is not what the supervisor looks after: what it has to say
 * goes where its prints go. */
static void redirect_child(void)
{
    if (wsgi_process.crash_report >= 0)
        dup3(STDERR_FILENO, wsgi_process.crash_report, O_CLOEXEC);
}

/* 1: there is a handler already, 0: now there is ours, -1 with an exception. */
static int enable(int descriptor)
{
    PyObject *module = PyImport_ImportModule("faulthandler");
    PyObject *result = module != NULL ? PyObject_CallMethod(module, "is_enabled", NULL) : NULL;
    int known = result != NULL ? PyObject_IsTrue(result) : -1;

    Py_XDECREF(result);
    if (known == 0) {
        result = PyObject_CallMethod(module, "enable", "iO", descriptor, Py_False);
        known = result != NULL ? 0 : -1;
        Py_XDECREF(result);
    }
    Py_XDECREF(module);
    return known;
}

/* ---- threads of sub-interpreters ----------------------------------------- */

static const int crash_signals[WSGI_CRASH_SIGNALS] = {SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGABRT};

/* Before Python 3.12 faulthandler knows one state a thread only: that of the main interpreter. So
 * the stack is written here when the thread works in another one, and faulthandler comes next. */
static void on_crash(int number)
{
    PyThreadState *state = wsgi_compat_attached();
    int i;

    for (i = 0; i < WSGI_CRASH_SIGNALS; i++)
        if (crash_signals[i] == number)
            sigaction(number, &wsgi_process.crash_next[i], NULL);
    if (state != NULL && state->thread_id == PyThread_get_thread_ident() &&
        state != PyGILState_GetThisThreadState())
        wsgi_compat_dump(wsgi_process.crash_report, state);
    raise(number);
}

static void go_first(void)
{
    struct sigaction action = {.sa_handler = on_crash, .sa_flags = SA_NODEFER | SA_ONSTACK};
    int i;

    sigemptyset(&action.sa_mask);
    for (i = 0; i < WSGI_CRASH_SIGNALS; i++)
        sigaction(crash_signals[i], &action, &wsgi_process.crash_next[i]);
}

void wsgi_crash_begin(void)
{
    int descriptor = open_report();
    int known = descriptor >= 0 ? enable(descriptor) : -1;

    close(WSGI_FD_BOARD);
    wsgi_process.crash_report = known == 0 ? descriptor : -1;
    if (known == 0 && !WSGI_COMPAT_CRASH_SEES_ALL)
        go_first();
    if (known == 0 && pthread_atfork(NULL, NULL, redirect_child) == 0)
        return;
    if (known < 0) {
        wsgi_log(WSGI_LOG_WARNING, NULL, "a crash of this process will leave no Python stack: %s",
                 PyErr_Occurred() != NULL ? "faulthandler cannot be enabled" : strerror(errno));
        PyErr_Clear();
    }
    if (known != 0 && descriptor >= 0)
        close(descriptor);
}

/* ---- stacks for handlers ------------------------------------------------- */

static size_t stack_size(void)
{
    size_t least = getauxval(AT_MINSIGSTKSZ);

    return (least > (size_t)MINSIGSTKSZ ? least : (size_t)MINSIGSTKSZ) + STACK_ROOM;
}

void *wsgi_crash_stack_make(void)
{
    stack_t stack = {.ss_size = stack_size()};

    stack.ss_sp = mmap(NULL, stack.ss_size, PROT_READ | PROT_WRITE,
                       MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (stack.ss_sp == MAP_FAILED)
        return NULL;
    if (sigaltstack(&stack, NULL) != 0) {
        munmap(stack.ss_sp, stack.ss_size);
        return NULL;
    }
    return stack.ss_sp;
}

void wsgi_crash_stack_end(void *memory)
{
    stack_t none = {.ss_flags = SS_DISABLE, .ss_size = stack_size()};

    if (memory == NULL)
        return;
    if (sigaltstack(&none, NULL) == 0)
        munmap(memory, stack_size());
}
