/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Interpreters by application group, and the thread states of our threads in them.
 *
 * "" (and the group that the launch block binds) is the main interpreter, used through states
 * that PyGILState knows, so that extensions which refuse sub-interpreters work there.
 */
#ifndef WSGI_PYTHON_INTERP_H
#define WSGI_PYTHON_INTERP_H

#include "compat.h"

#include <pthread.h>

#include "process.h"

struct wsgi_run;
struct wsgi_script;
struct wsgi_watch;

/* Text streams whose incomplete last line a thread keeps. */
enum wsgi_stream { WSGI_STREAM_STDERR, WSGI_STREAM_STDOUT, WSGI_STREAM_ERRORS, WSGI_STREAMS };

struct wsgi_line {
    char *data;
    size_t used;
    int note; /* of the thread when the text came */
};

/* What is known about the text that a thread is writing: 0 nothing, else flags and a level. */
#define WSGI_NOTE_LEVEL 0x10 /* the level of syslog in the lowest three bits counts */
#define WSGI_NOTE_HOLD 0x20  /* it is one record until the note changes, if lines are kept */

/* What the engine keeps per OS thread: made at first use, ended by the key's destructor. */
struct wsgi_thread {
    int number;                   /* 1, 2, 3 ... from its first request on: mod_wsgi.thread_id */
    struct wsgi_run *run;         /* request this thread works on, NULL when none */
    struct wsgi_preload *preload; /* script it loads before any request, NULL when none */
    PyThreadState **states;       /* by wsgi_interp.index, NULL where it has none */
    int state_count;
    int is_passing;           /* lives for one task in one interpreter: see wsgi_interp_attach */
    struct wsgi_watch *watch; /* of a daemon's worker, else NULL: see monitor.h */
    struct wsgi_line lines[WSGI_STREAMS];
    int note;            /* WSGI_NOTE_* */
    unsigned char *hold; /* small responses wait here until the thread is detached; NULL: taken */
    struct wsgi_head_cache {
        unsigned char *data;
        size_t size;
    } head;
};

/* Objects fetched once per interpreter. All are owned references. */
struct wsgi_objects {
    PyTypeObject *adapter_type;
    PyTypeObject *input_type;
    PyTypeObject *log_type;
    PyTypeObject *wrapper_type;
    PyObject *names[WSGI_NAME_COUNT]; /* interned environ keys */
    PyObject *environ;                /* template: what is equal in all requests */
    PyObject *errors;                 /* wsgi.errors */
    PyObject *format_exception;
    PyObject *compile;
    PyObject *file_types; /* io types whose descriptor tells the truth: a tuple */
    PyObject *raw_file_type;
    PyObject *io_base_type;
    PyObject *configure; /* function of site.c */
#define WSGI_WORD(symbol, text) PyObject *word_##symbol;
#include "words.def"
#undef WSGI_WORD
};

/* What the module mod_wsgi of an interpreter shares with the engine. Owned references. */
struct wsgi_hooks {
    PyObject *names;   /* of the module; an application may rebind its lists of callbacks */
    PyObject *active;  /* active_requests */
    PyObject *timeout; /* RequestTimeout */
    int watched;       /* somebody listened to events when it was last looked; atomic */
    int told;          /* process_stopping was sent; atomic */
};

struct wsgi_interp {
    struct wsgi_interp *next;
    char *name;
    int index;
    int is_main;
    int own_gil;
    int named; /* main interpreter: its application group came with a request; atomic */
    PyInterpreterState *state;
    PyThreadState *home; /* sub-interpreter: the state it was made with, never used otherwise */
    struct wsgi_objects objects;
    struct wsgi_hooks hooks;
    pthread_mutex_t load_lock;   /* one script is loaded at a time; never waited for attached */
    struct wsgi_script *scripts; /* scripts loaded at least once, newest first; atomic */
    int loader;                  /* daemon: tid of the thread that loads one, 0: none; atomic */
    PyThreadState *loader_state; /* and its thread state */
};

/* Sub-interpreters a process makes at most: each costs some MiB and is never given back, and with
 * %{HOST} or %{RESOURCE} it is clients who choose the names. */
#define WSGI_INTERPRETERS_MAX 256

/* The interpreter of an application group, made when it is not there yet. Detached. NULL: it
 * cannot be made; wsgi_interp_problem() says why. */
struct wsgi_interp *wsgi_interp_get(const char *group);
/* The same for a request: one with WSGI_REQUEST_MAIN runs in the main interpreter. */
struct wsgi_interp *wsgi_interp_get_for(const char *group, int64_t request_flags);
/* Why there is none, in words for the one line about it. */
const char *wsgi_interp_problem(void);
/* The application group that the interpreter reports before any request. */
const char *wsgi_interp_reported(const struct wsgi_interp *interp);
/* Attached, before the script of a request with WSGI_REQUEST_MAIN is loaded: the first one gives
 * the main interpreter its name. */
void wsgi_interp_name(struct wsgi_interp *interp, const char *group, int64_t request_flags);
/* Makes one on this thread, detached or (main thread of a daemon) with the main state saved. */
struct wsgi_interp *wsgi_interp_create(const char *name);
/* Sets up the main interpreter's record; attached to it. NULL with an exception. */
struct wsgi_interp *wsgi_interp_adopt_main(void);
/* Awaits threads, runs atexit functions and flushes, in the attached interpreter; it goes on. */
void wsgi_interp_run_exit_hooks(void);
/* Main thread, attached to the main interpreter, our threads gone: ends all sub-interpreters.
 * 0: all ended. -1: one still has threads of its own, its exit hooks ran but it stays, and
 * Py_Finalize() must not be called any more. */
int wsgi_interp_end_all(void);

/* Attaches this thread to an interpreter; -1 when no thread state can be made. */
int wsgi_interp_attach(struct wsgi_interp *interp, struct wsgi_thread *thread);
void wsgi_interp_detach(void);

/* This thread's record; NULL when memory is out. Attached or not. */
struct wsgi_thread *wsgi_thread_self(void);
/* Deletes this thread's states and its record. Detached. */
void wsgi_thread_end(void);

/* setup.c: what every interpreter gets before code of a site runs. Attached. 0, or -1 with an
 * exception. */
int wsgi_setup_interp(struct wsgi_interp *interp);
void wsgi_setup_clear(struct wsgi_interp *interp);
/* pymodules.c: modules mod_wsgi and apache into sys.modules; the second part once sys.path is
 * complete. */
int wsgi_pymodules_install(struct wsgi_interp *interp);
int wsgi_pymodules_complete(struct wsgi_interp *interp);
void wsgi_pymodules_clear(struct wsgi_interp *interp);

#endif
