/* SPDX-License-Identifier: Apache-2.0 */
/* Script files as modules: loading, the reload rule, and finding the callable. */
#ifndef WSGI_PYTHON_SCRIPT_H
#define WSGI_PYTHON_SCRIPT_H

#include "compat.h"
#include "interp.h"

struct wsgi_call;
struct wsgi_outcome;

/* What is known of a script that was loaded in an interpreter. Entries are never removed. */
struct wsgi_script {
    struct wsgi_script *next;
    char *path;
    PyObject *name; /* of the module, interned */
    int64_t mtime;  /* of the last successful load, microseconds; atomic */
    int loaded;     /* atomic */
    /* Daemon. It was loaded for the first request to come, as if by that one: nobody is asked
     * whether it is to be loaded again. Atomic. */
    int is_new;
    /* A state of the file that another process could not load: what is loaded stays. */
    int64_t kept; /* atomic; 0: there is none */
    /* The first failure in this process while the file was as it is: later ones may come of it
     * (modules that are half initialised), so it is what they are told as. */
    char *cause;
    int64_t failed; /* state of the file */
    uint16_t failed_code;
    int64_t failure_told; /* when the supervisor heard of it, atomic */
};

/* Detached, daemon: 1 when the script was loaded here and has changed on disk since, so that this
 * request is for another process. The supervisor is told. */
int wsgi_script_is_stale(struct wsgi_interp *interp, const struct wsgi_call *call);

/* Attached: the module (new reference) of a script, loaded if need be. NULL: outcome is filled in
 * and a traceback was logged. *reload is set, and NULL returned, when the module asks for a new
 * process. `check` is 0 when reloading is off. What reload_required() is asked about, and whether
 * a file that is gone counts as changed, is known from the request of this thread. */
PyObject *wsgi_script_module(struct wsgi_interp *interp, const char *path, int64_t mtime, int check,
                             int *reload, struct wsgi_outcome *outcome);

/* Attached: the callable of a module (new reference); NULL: outcome is filled in. */
PyObject *wsgi_script_callable(PyObject *module, const char *path, const char *name,
                               struct wsgi_outcome *outcome);

/* Main thread, detached: loads the scripts of the launch block before any request. One that fails
 * is logged and skipped; in a daemon the supervisor decides about it: -1, the process is to end. */
int wsgi_script_preload_all(void);

/* What the supervisor is told of a script that failed: the traceback, and the line with the number
 * that a failure before any request has. Of malloc(); NULL: no memory. */
char *wsgi_script_trouble(const char *traceback, const struct wsgi_outcome *outcome);

/* Daemon: this state of a file cannot be loaded, so what is loaded of it stays. */
void wsgi_script_keep(const char *path, int64_t mtime);

/* Main thread, detached: one script of a service. 0: it has returned, or left by SystemExit. */
int wsgi_script_run(const char *group, const char *path);

/* The loading lock of an interpreter, attached before and after. */
void wsgi_script_lock(struct wsgi_interp *interp);
void wsgi_script_unlock(struct wsgi_interp *interp);

void wsgi_script_forget(struct wsgi_interp *interp);

/* 32 hexadecimal digits and a NUL. */
void wsgi_md5_hex(const void *data, size_t size, char text[33]);

#endif
