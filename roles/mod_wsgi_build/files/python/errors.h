/* SPDX-License-Identifier: Apache-2.0 */
/* From Python exceptions to log records and outcomes. All attached. */
#ifndef WSGI_PYTHON_ERRORS_H
#define WSGI_PYTHON_ERRORS_H

#include "compat.h"
#include "run.h"

/* "ValueError: text" of an exception, one line, never empty. */
void wsgi_error_describe(PyObject *error, char *text, size_t size);

/* Writes the traceback of `error` to the log of this thread's request. */
void wsgi_error_log(struct wsgi_interp *interp, PyObject *error);

/* The traceback as text, UTF-8, of malloc(); NULL when there is no memory for it. */
char *wsgi_error_text(struct wsgi_interp *interp, PyObject *error);

/* Takes the pending exception of the application, logs it, fills in the outcome. */
void wsgi_error_outcome(struct wsgi_run *run, const char *doing);

/* Remembers the pending exception as the engine's own, see struct wsgi_run. */
void wsgi_error_own(struct wsgi_run *run, uint16_t status, uint16_t code, int silent);

#endif
