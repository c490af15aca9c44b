/* SPDX-License-Identifier: Apache-2.0 */
/* Body bytes on their way out, and what the application returned. */
#include "run.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "errors.h"
#include "events.h"
#include "stream.h"

/* ---- sending ------------------------------------------------------------- */

/* Detached. */
static int send_detached(struct wsgi_run *run, const void *data, size_t size, unsigned flags)
{
    const struct wsgi_transport *transport = run->transport;

    if (run->gone)
        return -1;
    if (!run->head_sent) {
        run->head_sent = 1;
        if (transport->send_head(run->context, run->head.data, run->head.used) != 0)
            run->gone = 1;
    }
    if (!run->gone && size > 0 && transport->send_data(run->context, data, size, flags) != 0)
        run->gone = 1;
    if (!run->gone && transport->client_gone(run->context))
        run->gone = 1;
    return run->gone ? -1 : 0;
}

int wsgi_output_send(struct wsgi_run *run, const void *data, size_t size, unsigned flags)
{
    PyThreadState *state = wsgi_run_enter(run);
    int64_t begun = wsgi_meter_clock(run);
    int result = send_detached(run, data, size, flags);

    wsgi_meter_add(run, &run->meter.output_time, begun);
    run->meter.output_writes++;
    run->meter.output_length += (int64_t)size;
    wsgi_run_leave(run, state);
    return result;
}

static void outcome_gone(struct wsgi_run *run)
{
    wsgi_outcome_fail(run->outcome, 500, WSGI_CODE_CLIENT_GONE,
                      "the client left before the response was complete");
    run->outcome->silent = 1;
    run->outcome->truncated = run->head_sent;
}

void wsgi_output_held(struct wsgi_run *run)
{
    if (!run->committed || run->outcome->status != 0)
        return;
    if (!run->head_sent || run->held > 0)
        if (send_detached(run, run->hold, run->held, 0) != 0)
            outcome_gone(run);
}

/* ---- results ------------------------------------------------------------- */

static int fail_application(struct wsgi_run *run, const char *doing)
{
    wsgi_error_outcome(run, doing);
    return -1;
}

static int fail_gone(struct wsgi_run *run)
{
    outcome_gone(run);
    return -1;
}

/* Subscribers are told of a wrong result as if it had been an exception. */
static void tell_outcome(struct wsgi_run *run)
{
    PyObject *error;

    if (!wsgi_events_listen(run))
        return;
    error = PyObject_CallFunction(PyExc_TypeError, "s", run->outcome->cause);
    if (error != NULL)
        wsgi_events_exception(run, error);
    else
        PyErr_Clear();
    Py_XDECREF(error);
}

/* One block of an iterable is not bytes: said without a traceback, no code of the application is
 * on the stack. */
static int fail_item(struct wsgi_run *run, PyObject *item, Py_ssize_t index)
{
    wsgi_outcome_fail(run->outcome, 500, WSGI_CODE_BAD_RESULT,
                      "the application in %s returned an iterable whose item %zd is %.100s, bytes "
                      "are needed%s",
                      run->call.script, index, Py_TYPE(item)->tp_name,
                      PyUnicode_Check(item) ? "; encode it, for example with .encode('utf-8')"
                                            : "");
    run->outcome->truncated = run->head_sent;
    tell_outcome(run);
    return -1;
}

static int fail_result(struct wsgi_run *run, PyObject *result)
{
    PyErr_Clear();
    wsgi_outcome_fail(run->outcome, 500, WSGI_CODE_BAD_RESULT,
                      "the application in %s returned %.100s, an iterable of bytes is needed, for "
                      "example a list with one bytes object",
                      run->call.script, Py_TYPE(result)->tp_name);
    run->outcome->truncated = run->head_sent;
    tell_outcome(run);
    return -1;
}

/* The total size of a tuple of bytes, or -1 and the outcome is filled in. */
static Py_ssize_t measure(struct wsgi_run *run, PyObject *items)
{
    Py_ssize_t total = 0, i;

    for (i = 0; i < PyTuple_GET_SIZE(items); i++) {
        PyObject *item = PyTuple_GET_ITEM(items, i);

        if (!PyBytes_Check(item))
            return fail_item(run, item, i);
        total += PyBytes_GET_SIZE(item);
    }
    return total;
}

static int hold(struct wsgi_run *run, PyObject *items)
{
    Py_ssize_t i;

    if (run->hold == NULL)
        run->hold = malloc(WSGI_HOLD_MAX);
    if (run->hold == NULL) {
        PyErr_NoMemory();
        return fail_application(run, "the application");
    }
    for (i = 0; i < PyTuple_GET_SIZE(items); i++) {
        PyObject *item = PyTuple_GET_ITEM(items, i);
        size_t size = (size_t)PyBytes_GET_SIZE(item);

        memcpy(run->hold + run->held, PyBytes_AS_STRING(item), size);
        run->held += size;
        run->meter.output_writes += size > 0;
        run->meter.output_length += (int64_t)size;
    }
    return 0;
}

static int send_items(struct wsgi_run *run, PyObject *items)
{
    Py_ssize_t i;

    for (i = 0; i < PyTuple_GET_SIZE(items); i++) {
        PyObject *item = PyTuple_GET_ITEM(items, i);
        size_t size = (size_t)PyBytes_GET_SIZE(item);

        if (size > 0 && wsgi_output_send(run, PyBytes_AS_STRING(item), size, 0) != 0)
            return fail_gone(run);
    }
    return 0;
}

/*
 * A plain list or tuple is complete as it is: its length is known, no code of the application
 * runs between its items, so they need no flush, and small ones leave after the thread is
 * detached; unless somebody wants to know how long it took.
 */
static int send_sequence(struct wsgi_run *run, PyObject *result)
{
    PyObject *items =
        PyList_CheckExact(result) ? PyList_AsTuple(result) : wsgi_compat_new_ref(result);
    Py_ssize_t total;
    int status = -1;

    if (items == NULL)
        return fail_application(run, "the application");
    total = measure(run, items);
    if (total >= 0) {
        if (wsgi_output_commit(run, total) != 0)
            status = fail_application(run, "the application");
        else if (total <= WSGI_HOLD_MAX && !wsgi_events_listen(run))
            status = hold(run, items);
        else
            status = send_items(run, items);
    }
    Py_DECREF(items);
    return status;
}

static int send_block(struct wsgi_run *run, PyObject *item, Py_ssize_t index)
{
    if (!PyBytes_Check(item))
        return fail_item(run, item, index);
    if (PyBytes_GET_SIZE(item) == 0)
        return 0;
    wsgi_run_leave_forked(run->interp);
    if (wsgi_output_commit(run, -1) != 0)
        return fail_application(run, "the application");
    if (wsgi_output_send(run, PyBytes_AS_STRING(item), (size_t)PyBytes_GET_SIZE(item),
                         WSGI_SEND_FLUSH) != 0)
        return fail_gone(run);
    return 0;
}

static int send_iterator(struct wsgi_run *run, PyObject *iterator)
{
    PyObject *item;
    Py_ssize_t index = 0;
    int status = 0;

    while (status == 0 && (item = PyIter_Next(iterator)) != NULL) {
        status = send_block(run, item, index++);
        Py_DECREF(item);
    }
    wsgi_run_leave_forked(run->interp);
    if (status != 0)
        return -1;
    if (PyErr_Occurred())
        return fail_application(run, "the iterable of the application");
    if (wsgi_output_commit(run, 0) != 0)
        return fail_application(run, "the application");
    return 0;
}

static int send_iterable(struct wsgi_run *run, PyObject *result)
{
    PyObject *iterator;
    int status;

    /* Both are iterable, and never what was meant, unless there is nothing in them. */
    if ((PyUnicode_Check(result) && PyUnicode_GET_LENGTH(result) > 0) ||
        (PyBytes_Check(result) && PyBytes_GET_SIZE(result) > 0))
        return fail_result(run, result);
    iterator = PyObject_GetIter(result);
    if (iterator == NULL && Py_TYPE(result)->tp_iter == NULL)
        return fail_result(run, result);
    if (iterator == NULL)
        return fail_application(run, "the iterable of the application");
    status = send_iterator(run, iterator);
    Py_DECREF(iterator);
    return status;
}

static int send_result(struct wsgi_run *run, PyObject *result)
{
    int sent;

    if (PyList_CheckExact(result) || PyTuple_CheckExact(result))
        return send_sequence(run, result);
    if (PyObject_TypeCheck(result, run->interp->objects.wrapper_type)) {
        sent = wsgi_wrapper_send(run, result);
        if (sent < 0)
            return run->gone ? fail_gone(run) : fail_application(run, "wsgi.file_wrapper");
        if (sent > 0)
            return 0;
    }
    return send_iterable(run, result);
}

/* "WSGInnnn: ", or nothing when the request has failed before: a failed request has one number. */
static void number_of_close(const struct wsgi_run *run, PyObject *error, int has_close, char *text,
                            size_t size)
{
    int code = WSGI_CODE_APPLICATION_RAISED;

    *text = '\0';
    if (!has_close)
        code = WSGI_CODE_CLOSE_LOOKUP;
    else if (PyErr_GivenExceptionMatches(error, PyExc_SystemExit))
        code = WSGI_CODE_APPLICATION_EXIT;
    if (run->outcome->status == 0)
        snprintf(text, size, "WSGI%04d: ", code);
}

/* The response stands; the failure is the log's. */
static void close_failed(struct wsgi_run *run, int has_close)
{
    PyObject *error = wsgi_compat_error_take();
    char text[WSGI_OUTCOME_CAUSE_MAX], number[24];

    if (error == NULL)
        return;
    number_of_close(run, error, has_close, number, sizeof number);
    wsgi_error_describe(error, text, sizeof text);
    wsgi_log_attached(WSGI_LOG_ERR, "%sclose() of the iterable of the application in %s raised %s",
                      number, run->call.script, text);
    wsgi_error_log(run->interp, error);
    wsgi_events_exception(run, error);
    Py_DECREF(error);
}

static void close_result(struct wsgi_run *run, PyObject *result)
{
    PyObject *close, *done = NULL;

    if (PyList_CheckExact(result) || PyTuple_CheckExact(result))
        return;
    close = PyObject_GetAttr(result, run->interp->objects.word_close);
    if (close == NULL && PyErr_ExceptionMatches(PyExc_AttributeError)) {
        PyErr_Clear();
        return;
    }
    if (close != NULL)
        done = wsgi_compat_call_no_args(close);
    wsgi_run_leave_forked(run->interp);
    if (done == NULL)
        close_failed(run, close != NULL);
    Py_XDECREF(done);
    Py_XDECREF(close);
}

int wsgi_output_result(struct wsgi_run *run, PyObject *result)
{
    int status = send_result(run, result);

    close_result(run, result);
    return status;
}
