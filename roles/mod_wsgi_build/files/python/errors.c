/* SPDX-License-Identifier: Apache-2.0 */
/* From Python exceptions to log records and outcomes. */
#include "errors.h"

#include <stdio.h>
#include <string.h>

#include "events.h"
#include "hint.h"
#include "stream.h"

#define CHAIN_MAX 32 /* exceptions that led to one another */

void wsgi_error_describe(PyObject *error, char *text, size_t size)
{
    const char *name = Py_TYPE(error)->tp_name;
    PyObject *message = PyObject_Str(error);
    PyObject *bytes =
        message != NULL ? PyUnicode_AsEncodedString(message, "utf-8", "backslashreplace") : NULL;
    const char *words = bytes != NULL ? PyBytes_AS_STRING(bytes) : "";

    PyErr_Clear();
    if (*words != '\0')
        snprintf(text, size, "%s: %s", name, words);
    else
        snprintf(text, size, "%s", name);
    Py_XDECREF(bytes);
    Py_XDECREF(message);
}

/* Lines of traceback.format_exception() joined; NULL when that fails. */
static PyObject *format(struct wsgi_interp *interp, PyObject *error)
{
    PyObject *traceback = PyException_GetTraceback(error);
    PyObject *lines =
        PyObject_CallFunctionObjArgs(interp->objects.format_exception, (PyObject *)Py_TYPE(error),
                                     error, traceback != NULL ? traceback : Py_None, NULL);
    PyObject *empty = lines != NULL ? PyUnicode_FromString("") : NULL;
    PyObject *text = empty != NULL ? PyUnicode_Join(empty, lines) : NULL;
    PyObject *bytes =
        text != NULL ? PyUnicode_AsEncodedString(text, "utf-8", "backslashreplace") : NULL;

    Py_XDECREF(text);
    Py_XDECREF(empty);
    Py_XDECREF(lines);
    Py_XDECREF(traceback);
    PyErr_Clear();
    return bytes;
}

void wsgi_error_log(struct wsgi_interp *interp, PyObject *error)
{
    PyObject *bytes = format(interp, error);
    char text[WSGI_OUTCOME_CAUSE_MAX];

    if (bytes != NULL) {
        wsgi_log_lines(WSGI_LOG_ERR, PyBytes_AS_STRING(bytes), (size_t)PyBytes_GET_SIZE(bytes));
        Py_DECREF(bytes);
        return;
    }
    wsgi_error_describe(error, text, sizeof text);
    wsgi_log_attached(WSGI_LOG_ERR, "%s (its traceback cannot be formatted)", text);
}

char *wsgi_error_text(struct wsgi_interp *interp, PyObject *error)
{
    PyObject *bytes = format(interp, error);
    char text[WSGI_OUTCOME_CAUSE_MAX];
    char *copy;

    if (bytes == NULL) {
        wsgi_error_describe(error, text, sizeof text);
        return strdup(text);
    }
    copy = strdup(PyBytes_AS_STRING(bytes));
    Py_DECREF(bytes);
    return copy;
}

void wsgi_error_own(struct wsgi_run *run, uint16_t status, uint16_t code, int silent)
{
    PyObject *error = wsgi_compat_error_take();

    if (error == NULL)
        return;
    Py_XSETREF(run->own_error, wsgi_compat_new_ref(error));
    run->own_status = status;
    run->own_code = code;
    run->own_silent = silent;
    wsgi_compat_error_restore(error);
}

/* An application that makes an exception of its own of ours (`raise Mine from error`, or while it
 * handles it) tells of nothing else. A chain may be a ring. */
static int follows_from(PyObject *error, PyObject *own)
{
    int depth;

    Py_XINCREF(error);
    for (depth = 0; error != NULL && error != own && depth < CHAIN_MAX; depth++) {
        PyObject *before = PyException_GetCause(error);

        if (before == NULL)
            before = PyException_GetContext(error);
        Py_DECREF(error);
        error = before;
    }
    Py_XDECREF(error);
    return error != NULL && error == own;
}

/* A client that left or sent half a body is no failure of anybody: a line at debug only. */
static void describe_client(struct wsgi_run *run)
{
    char text[WSGI_OUTCOME_CAUSE_MAX];

    if (run->own_code == WSGI_CODE_CLIENT_GONE) {
        wsgi_outcome_fail(run->outcome, run->own_status, WSGI_CODE_CLIENT_GONE,
                          "the client left before the response was complete");
    } else {
        wsgi_error_describe(run->own_error, text, sizeof text);
        wsgi_outcome_fail(run->outcome, run->own_status, run->own_code, "%s, in %s", text,
                          run->call.script);
    }
    run->outcome->silent = run->own_silent;
}

/* The client's doing, not the application's: no traceback. */
static int is_of_client(const struct wsgi_run *run, PyObject *error)
{
    if (run->own_silent)
        return follows_from(error, run->own_error);
    return error == run->own_error && run->own_code == WSGI_CODE_BODY_READ_FAILED;
}

/* No failure of the application but of its time: 504, no traceback, and no request_exception. */
static int is_timeout(const struct wsgi_run *run, PyObject *error)
{
    PyObject *timeout = run->interp->hooks.timeout;

    return timeout != NULL && PyErr_GivenExceptionMatches(error, timeout);
}

void wsgi_error_outcome(struct wsgi_run *run, const char *doing)
{
    PyObject *error = wsgi_compat_error_take();
    char text[WSGI_OUTCOME_CAUSE_MAX];
    int is_own;

    if (error == NULL)
        return;
    is_own = error == run->own_error;
    run->outcome->truncated = run->head_sent;
    if (is_of_client(run, error)) {
        describe_client(run);
        if (!run->own_silent)
            wsgi_events_exception(run, error);
        Py_DECREF(error);
        return;
    }
    wsgi_error_describe(error, text, sizeof text);
    if (!is_own && is_timeout(run, error)) {
        wsgi_outcome_fail(run->outcome, 504, WSGI_CODE_REQUEST_TIMEOUT, "%s in %s was ended by %s",
                          doing, run->call.script, text);
        Py_DECREF(error);
        return;
    }
    wsgi_error_log(run->interp, error);
    wsgi_hint_log(run->interp, error);
    if (is_own)
        wsgi_outcome_fail(run->outcome, run->own_status, run->own_code, "%s, in %s", text,
                          run->call.script);
    else if (PyErr_GivenExceptionMatches(error, PyExc_SystemExit))
        wsgi_outcome_fail(run->outcome, 500, WSGI_CODE_APPLICATION_EXIT,
                          "%s in %s ended itself by %s", doing, run->call.script, text);
    else
        wsgi_outcome_fail(run->outcome, 500, WSGI_CODE_APPLICATION_RAISED, "%s in %s raised %s",
                          doing, run->call.script, text);
    wsgi_events_exception(run, error);
    Py_DECREF(error);
}
