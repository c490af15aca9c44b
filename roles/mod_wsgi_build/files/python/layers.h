/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What is set per interpreter: the layers of the launch block (WSGI_PARAM_SCOPE), each directive
 * decided by the last layer that gives it.
 */
#ifndef WSGI_PYTHON_LAYERS_H
#define WSGI_PYTHON_LAYERS_H

#include "compat.h"

#include "process.h"

/* What holds for one interpreter. */
struct wsgi_layers {
    int restrict_stdin;
    int restrict_stdout;
    int restrict_signal;
    int own_gil;             /* asked for, and possible */
    int64_t switch_interval; /* microseconds, 0: leave it alone */
};

/* For the interpreter of an application group as reported ("" : %{GLOBAL}). What cannot be done is
 * logged when `log` is not 0. Attached to whatever interpreter, or Python is not up yet. */
void wsgi_layers_resolve(const char *reported, int is_main, int log, struct wsgi_layers *layers);
/* 1 when the process is to run without a GIL. */
int wsgi_layers_free_threading(void);
/* Attached: what this build of Python cannot do, once per process. */
void wsgi_layers_warn(void);
/* 1 when some layer holds for certain application groups only. */
int wsgi_layers_are_selective(void);
/* A list of (words about the origin, [path, ...]), least specific first; NULL with an exception. */
PyObject *wsgi_layers_paths(const char *reported);

#endif
