/* SPDX-License-Identifier: Apache-2.0 */
/* Log records, and the Python objects behind wsgi.errors, sys.stderr and sys.stdout. */
#ifndef WSGI_PYTHON_STREAM_H
#define WSGI_PYTHON_STREAM_H

#include "compat.h"
#include "../wire/engine.h"
#include "interp.h"

/* Levels of syslog(3). */
#define WSGI_LOG_CRIT 2
#define WSGI_LOG_ERR 3
#define WSGI_LOG_WARNING 4
#define WSGI_LOG_INFO 6
#define WSGI_LOG_DEBUG 7

#define WSGI_LOG_PIECE 8192 /* bytes of one record at most */

/* One formatted record: to the log of `run` when it is not NULL, else to the process's.
 * Detached, or attached with run == NULL. */
void wsgi_log(int level, struct wsgi_run *run, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* The same, attached, for the request of this thread if it has one. */
void wsgi_log_attached(int level, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* Where a record is from: a file name, NUL, a line number in digits, NUL. */
struct wsgi_place {
    char text[WSGI_LOG_FILE_MAX + 16];
    size_t size;
};
void wsgi_place_set(struct wsgi_place *place, const char *file, size_t file_size, int line);

/* Text of several lines, with the place they are from; NULL: nowhere in particular. Attached. */
void wsgi_log_placed(int level, const struct wsgi_place *place, const char *text, size_t size);

/* Text of several lines, one record each, or all of them one: WSGILogOptions. Attached. */
void wsgi_log_lines(int level, const char *text, size_t size);

/* Type mod_wsgi.Log, a new reference; and a text stream of it. */
PyTypeObject *wsgi_stream_make_type(PyObject *module);
PyObject *wsgi_stream_new(struct wsgi_interp *interp, enum wsgi_stream stream);

/* Of what this thread writes from now on: a note (WSGI_NOTE_*). What was written under the former
 * one is a record of its own. Returns the former one. Attached. */
int wsgi_stream_note(int note);
/* The note of this thread. */
int wsgi_stream_noted(void);

/* Writes out incomplete last lines of this thread. Attached. */
void wsgi_stream_flush_thread(struct wsgi_thread *thread);
/* The same at the end of a thread, straight to the process's log. Detached. */
void wsgi_stream_drop_thread(struct wsgi_thread *thread);

#endif
