/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What subscribers of the module mod_wsgi are told.
 *
 * An interpreter without subscribers pays one look at the length of a list. Whoever asks is told
 * on the thread where it happens, with the GIL of his own interpreter; his exceptions are logged
 * and change nothing.
 */
#ifndef WSGI_PYTHON_EVENTS_H
#define WSGI_PYTHON_EVENTS_H

#include "compat.h"
#include "run.h"

/* Attached, no exception pending, before and after. */

/* 1 when somebody listens; from then on the request's times are taken. */
int wsgi_events_listen(struct wsgi_run *run);
/* request_started. *callable (a strong reference) may be replaced. */
void wsgi_events_started(struct wsgi_run *run, PyObject **callable, PyObject *environ);
/* response_started, before status and headers are checked. */
void wsgi_events_response(struct wsgi_run *run, PyObject *status, PyObject *headers,
                          PyObject *exc_info);
/* request_exception, for an exception of the application. */
void wsgi_events_exception(struct wsgi_run *run, PyObject *error);
/* request_finished, after close(). */
void wsgi_events_finished(struct wsgi_run *run);

/* Detached. process_stopping, to every interpreter that has not been told; `reason` as documented
 * for shutdown_reason. */
void wsgi_events_stopping(const char *reason);
/* Detached. process_signal, to every interpreter. */
void wsgi_events_signal(int number);

#endif
