/* SPDX-License-Identifier: Apache-2.0 */
/* What mod_wsgi.process_metrics(), request_metrics() and server_metrics() tell. */
#ifndef WSGI_PYTHON_METRICS_H
#define WSGI_PYTHON_METRICS_H

#include "compat.h"
#include "run.h"

/* Functions of module mod_wsgi. Attached. */
PyObject *wsgi_metrics_begin_recording(PyObject *module, PyObject *unused);
PyObject *wsgi_metrics_process(PyObject *module, PyObject *unused);
PyObject *wsgi_metrics_request(PyObject *module, PyObject *unused);
PyObject *wsgi_metrics_server(PyObject *module, PyObject *unused); /* serverscores.c */

/* Around a request, on its thread, attached or not. Cheap while nothing is recorded. */
void wsgi_metrics_enter(struct wsgi_run *run);
void wsgi_metrics_leave(struct wsgi_run *run);

/* In a process that was just forked, by its one thread: another thread of the parent may have been
 * counting. */
void wsgi_metrics_after_fork(void);

/* Daemon: the supervisor's answer, a snapshot of httpd's scoreboard; the descriptor is taken over,
 * -1: there is none. */
void wsgi_metrics_take_scores(int descriptor);

#endif
