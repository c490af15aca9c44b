/* SPDX-License-Identifier: Apache-2.0 */
/* What subscribers of the module mod_wsgi are told. */
#include "events.h"

#include <signal.h>
#include <string.h>
#include <sys/resource.h>

#include "errors.h"
#include "stream.h"

/* ---- calling ------------------------------------------------------------- */

/* A list of callbacks as it is now; NULL when it is empty, or is no list any more. */
static PyObject *snapshot(struct wsgi_interp *interp, PyObject *list_name)
{
    PyObject *list = PyDict_GetItemWithError(interp->hooks.names, list_name);
    PyObject *callbacks = NULL;

    if (list != NULL && PyList_Check(list) && PyList_GET_SIZE(list) > 0)
        callbacks = PyList_AsTuple(list);
    PyErr_Clear();
    return callbacks;
}

static void log_failure(struct wsgi_interp *interp, const char *event)
{
    PyObject *error = wsgi_compat_error_take();

    if (error == NULL)
        return;
    if (PyErr_GivenExceptionMatches(error, PyExc_SystemExit))
        wsgi_log_attached(WSGI_LOG_ERR,
                          "WSGI%04d: SystemExit exception raised by event callback for '%s'; "
                          "ignored",
                          WSGI_CODE_EVENT_EXIT, event);
    else
        wsgi_log_attached(WSGI_LOG_ERR, "WSGI%04d: %s exception raised by event callback for '%s'",
                          WSGI_CODE_EVENT_RAISED, Py_TYPE(error)->tp_name, event);
    wsgi_error_log(interp, error);
    Py_DECREF(error);
}

/* What a callback returned becomes part of the payload. Keywords are str, so nothing else goes
 * in: it would fail every later callback. */
static void merge(PyObject *payload, PyObject *result)
{
    PyObject *key, *value;
    Py_ssize_t at = 0;

    if (!PyDict_Check(result))
        return;
    while (PyDict_Next(result, &at, &key, &value))
        if (PyUnicode_Check(key) && PyDict_SetItem(payload, key, value) != 0)
            PyErr_Clear();
}

static void call_one(struct wsgi_interp *interp, PyObject *callback, PyObject *arguments,
                     const char *event, PyObject *payload)
{
    PyObject *result = PyObject_Call(callback, arguments, payload);

    wsgi_run_leave_forked(interp);
    if (result != NULL)
        merge(payload, result);
    else
        log_failure(interp, event);
    Py_XDECREF(result);
}

/* Calls the subscribers of one list. `payload` may be NULL after an exception, which is logged. */
static void call_all(struct wsgi_interp *interp, PyObject *list_name, const char *event,
                     PyObject *payload)
{
    PyObject *callbacks = payload != NULL ? snapshot(interp, list_name) : NULL;
    PyObject *arguments = callbacks != NULL ? Py_BuildValue("(s)", event) : NULL;
    Py_ssize_t i;

    for (i = 0; arguments != NULL && i < PyTuple_GET_SIZE(callbacks); i++)
        call_one(interp, PyTuple_GET_ITEM(callbacks, i), arguments, event, payload);
    Py_XDECREF(arguments);
    Py_XDECREF(callbacks);
    log_failure(interp, event);
}

/* ---- of a request -------------------------------------------------------- */

/* Takes over `value`; what cannot be made is left out. */
static void put(PyObject *payload, const char *name, PyObject *value)
{
    if (payload == NULL || value == NULL || PyDict_SetItemString(payload, name, value) != 0)
        PyErr_Clear();
    Py_XDECREF(value);
}

static void put_object(PyObject *payload, const char *name, PyObject *value)
{
    put(payload, name, wsgi_compat_new_ref(value != NULL ? value : Py_None));
}

static void put_number(PyObject *payload, const char *name, int64_t number)
{
    put(payload, name, PyLong_FromLongLong(number));
}

static void put_seconds(PyObject *payload, const char *name, int64_t count, double per_second)
{
    put(payload, name, PyFloat_FromDouble((double)count / per_second));
}

static PyObject *payload_of(struct wsgi_run *run)
{
    PyObject *payload = PyDict_New();

    put_object(payload, "request_id", run->id);
    return payload;
}

static void put_times(PyObject *payload, const struct wsgi_run *run)
{
    put_number(payload, "thread_id", run->thread->number);
    put_number(payload, "server_pid", run->call.server_pid);
    put_seconds(payload, "request_start", run->call.request_start, 1e6);
    put_seconds(payload, "queue_start", run->call.queue_start, 1e6);
    put_seconds(payload, "daemon_start", run->call.daemon_start, 1e6);
}

static void tell(struct wsgi_run *run, const char *event, PyObject *payload)
{
    put_object(payload, "request_data", run->data);
    call_all(run->interp, run->interp->objects.word_event_callbacks, event, payload);
}

int wsgi_events_listen(struct wsgi_run *run)
{
    struct wsgi_interp *interp = run->interp;
    PyObject *list =
        PyDict_GetItemWithError(interp->hooks.names, interp->objects.word_event_callbacks);
    int listens = list != NULL && PyList_Check(list) && PyList_GET_SIZE(list) > 0;

    /* Never off again: a time that was begun has to be taken to its end. */
    if (listens)
        run->meter.on = 1;
    if (interp->hooks.watched != listens)
        __atomic_store_n(&interp->hooks.watched, listens, __ATOMIC_RELAXED);
    return listens;
}

static int64_t microseconds(const struct timeval *time)
{
    return (int64_t)time->tv_sec * 1000000 + time->tv_usec;
}

static void begin_cpu(struct wsgi_meter *meter)
{
    struct rusage usage;

    if (getrusage(RUSAGE_THREAD, &usage) != 0)
        return;
    meter->has_cpu = 1;
    meter->cpu_user = microseconds(&usage.ru_utime);
    meter->cpu_system = microseconds(&usage.ru_stime);
}

static void put_cpu(PyObject *payload, const struct wsgi_meter *meter)
{
    struct rusage usage;
    int64_t user, system;

    if (!meter->has_cpu || getrusage(RUSAGE_THREAD, &usage) != 0)
        return;
    user = microseconds(&usage.ru_utime) - meter->cpu_user;
    system = microseconds(&usage.ru_stime) - meter->cpu_system;
    put_seconds(payload, "cpu_user_time", user, 1e6);
    put_seconds(payload, "cpu_system_time", system, 1e6);
    put_seconds(payload, "cpu_time", user + system, 1e6);
}

static void put_connects(PyObject *payload, const struct wsgi_run *run)
{
    unsigned (*refusals)(void *) = run->transport->refusals;
    unsigned refused = refusals != NULL ? refusals(run->context) : 0;

    put_number(payload, "daemon_connects", wsgi_process.embedded ? 0 : refused + 1);
    put_number(payload, "daemon_restarts", refused);
}

static void replace_callable(PyObject **callable, PyObject *payload)
{
    PyObject *other = PyDict_GetItemString(payload, "application_object");

    if (other != NULL)
        Py_XSETREF(*callable, wsgi_compat_new_ref(other));
}

void wsgi_events_started(struct wsgi_run *run, PyObject **callable, PyObject *environ)
{
    PyObject *payload;

    run->announced = 1;
    if (!wsgi_events_listen(run))
        return;
    begin_cpu(&run->meter);
    payload = payload_of(run);
    put_times(payload, run);
    put_connects(payload, run);
    put_seconds(payload, "application_start", run->application_start, 1e6);
    put_object(payload, "application_object", *callable);
    put(payload, "callable_object",
        PyUnicode_DecodeLatin1(run->call.callable, (Py_ssize_t)strlen(run->call.callable), NULL));
    put_object(payload, "request_environ", environ);
    tell(run, "request_started", payload);
    if (payload != NULL)
        replace_callable(callable, payload);
    Py_XDECREF(payload);
}

void wsgi_events_response(struct wsgi_run *run, PyObject *status, PyObject *headers,
                          PyObject *exc_info)
{
    PyObject *payload;

    if (!run->announced || !wsgi_events_listen(run))
        return;
    payload = payload_of(run);
    put_object(payload, "response_status", status);
    put_object(payload, "response_headers", headers);
    put_object(payload, "exception_info", exc_info);
    tell(run, "response_started", payload);
    Py_XDECREF(payload);
}

void wsgi_events_exception(struct wsgi_run *run, PyObject *error)
{
    PyObject *payload, *traceback;

    if (!run->announced || !wsgi_events_listen(run))
        return;
    payload = payload_of(run);
    traceback = PyException_GetTraceback(error);
    put(payload, "exception_info",
        PyTuple_Pack(3, (PyObject *)Py_TYPE(error), error,
                     traceback != NULL ? traceback : Py_None));
    Py_XDECREF(traceback);
    tell(run, "request_exception", payload);
    Py_XDECREF(payload);
}

void wsgi_events_finished(struct wsgi_run *run)
{
    const struct wsgi_meter *meter = &run->meter;
    int64_t now;
    PyObject *payload;

    if (!run->announced || !wsgi_events_listen(run))
        return;
    now = wsgi_clock_wall();
    payload = payload_of(run);
    put_cpu(payload, meter);
    put_times(payload, run);
    put_number(payload, "input_reads", meter->input_reads);
    put_number(payload, "input_length", meter->input_length);
    put_seconds(payload, "input_time", meter->input_time, 1e9);
    put_number(payload, "output_length", meter->output_length);
    put_number(payload, "output_writes", meter->output_writes);
    put_seconds(payload, "output_time", meter->output_time, 1e9);
    put_seconds(payload, "application_finish", now, 1e6);
    put_seconds(payload, "application_time", now - run->application_start, 1e6);
    put_number(payload, "status", wsgi_run_status(run));
    put_seconds(payload, "gil_wait_time", meter->wait_time, 1e9);
    put_number(payload, "gil_wait_count", meter->waits);
    tell(run, "request_finished", payload);
    Py_XDECREF(payload);
}

/* ---- of the process ------------------------------------------------------ */

/* What one interpreter is told. */
struct notice {
    struct wsgi_interp *interp;
    const char *reason; /* of process_stopping; NULL: process_signal */
    int number;
};

static const char *signal_name(int number)
{
    return number == SIGHUP ? "SIGHUP" : number == SIGUSR2 ? "SIGUSR2" : "";
}

/* First the subscribers of events, then those of this one; they share a payload. */
static void tell_interp(const struct notice *notice)
{
    struct wsgi_interp *interp = notice->interp;
    const struct wsgi_objects *words = &interp->objects;
    const char *event = notice->reason != NULL ? "process_stopping" : "process_signal";
    PyObject *payload = notice->reason != NULL
                            ? Py_BuildValue("{s:s}", "shutdown_reason", notice->reason)
                            : Py_BuildValue("{s:s,s:i}", "signame", signal_name(notice->number),
                                            "signum", notice->number);

    call_all(interp, words->word_event_callbacks, event, payload);
    call_all(interp,
             notice->reason != NULL ? words->word_shutdown_callbacks : words->word_signal_callbacks,
             event, payload);
    Py_XDECREF(payload);
}

static void *visit(void *argument)
{
    const struct notice *notice = argument;
    struct wsgi_thread *thread = wsgi_thread_self();

    if (thread == NULL || wsgi_interp_attach(notice->interp, thread) != 0) {
        wsgi_log(WSGI_LOG_ERR, NULL,
                 "subscribers in interpreter '%s' are not told: no thread state",
                 notice->interp->name);
        return NULL;
    }
    tell_interp(notice);
    wsgi_stream_flush_thread(thread);
    wsgi_interp_detach();
    return NULL;
}

static void *visit_passing(void *argument)
{
    struct wsgi_thread *thread = wsgi_thread_self();

    if (thread != NULL)
        thread->is_passing = 1;
    return visit(argument);
}

/* As with preloading: before 3.12 an extension that uses PyGILState in a sub-interpreter needs a
 * thread that has met no other one. */
static void deliver(struct notice *notice)
{
    pthread_t thread;

    if (notice->interp->is_main)
        visit(notice);
    else if (pthread_create(&thread, NULL, visit_passing, notice) == 0)
        pthread_join(thread, NULL);
    else
        wsgi_log(WSGI_LOG_ERR, NULL,
                 "subscribers in interpreter '%s' are not told: no thread can be made",
                 notice->interp->name);
}

void wsgi_events_stopping(const char *reason)
{
    struct wsgi_interp *interp;

    for (interp = __atomic_load_n(&wsgi_process.interps, __ATOMIC_ACQUIRE); interp != NULL;
         interp = interp->next) {
        struct notice notice = {interp, reason, 0};

        if (!__atomic_exchange_n(&interp->hooks.told, 1, __ATOMIC_ACQ_REL))
            deliver(&notice);
    }
}

void wsgi_events_signal(int number)
{
    struct wsgi_interp *interp;

    for (interp = __atomic_load_n(&wsgi_process.interps, __ATOMIC_ACQUIRE); interp != NULL;
         interp = interp->next) {
        struct notice notice = {interp, NULL, number};

        deliver(&notice);
    }
}
