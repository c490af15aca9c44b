/* SPDX-License-Identifier: Apache-2.0 */
/* One request: engine->run(). */
#include "run.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "errors.h"
#include "events.h"
#include "metrics.h"
#include "monitor.h"
#include "script.h"
#include "stream.h"

/* ---- the transport, one thread at a time --------------------------------- */

PyThreadState *wsgi_run_enter(struct wsgi_run *run)
{
    PyThreadState *state;

    run->users++;
    state = PyEval_SaveThread();
    pthread_mutex_lock(&run->lock);
    return state;
}

void wsgi_run_leave(struct wsgi_run *run, PyThreadState *state)
{
    int64_t begun;

    pthread_mutex_unlock(&run->lock);
    begun = wsgi_meter_clock(run);
    PyEval_RestoreThread(state);
    wsgi_meter_add(run, &run->meter.wait_time, begun);
    run->meter.waits++;
    run->users--;
}

/* A thread of the application may still be inside the transport. Rare: so a short sleep will do. */
void wsgi_run_end_users(struct wsgi_run *run)
{
    while (run->users > 0) {
        PyThreadState *state = PyEval_SaveThread();

        usleep(1000);
        PyEval_RestoreThread(state);
    }
    /* Who asks for the pointer gives the name it expects: none. */
    if (run->native != NULL)
        PyCapsule_SetName(run->native, "apache.request_rec of a request that has ended");
    Py_CLEAR(run->native);
}

/* ---- the application ----------------------------------------------------- */

struct call_objects {
    PyObject *adapter;
    PyObject *start_response;
    PyObject *input;
    PyObject *environ;
};

static int make_objects(struct wsgi_run *run, struct call_objects *objects)
{
    memset(objects, 0, sizeof *objects);
    objects->adapter = wsgi_adapter_new(run);
    objects->input = wsgi_input_new(run);
    objects->environ = wsgi_environ_make(run);
    if (objects->adapter != NULL)
        objects->start_response = wsgi_adapter_start_response(objects->adapter);
    if (objects->input == NULL || objects->environ == NULL || objects->start_response == NULL)
        return -1;
    if (wsgi_environ_put_native(run, objects->environ) != 0)
        return -1;
    return PyDict_SetItem(objects->environ, run->interp->objects.word_input, objects->input);
}

/* From here on the application holds nothing that reaches the request. */
static void end_objects(struct wsgi_run *run, struct call_objects *objects)
{
    wsgi_run_end_users(run);
    if (objects->adapter != NULL)
        wsgi_adapter_end(objects->adapter);
    if (objects->input != NULL)
        wsgi_input_end(objects->input);
    Py_XDECREF(objects->environ);
    Py_XDECREF(objects->start_response);
    Py_XDECREF(objects->input);
    Py_XDECREF(objects->adapter);
}

/*
 * The application forked, and the child came back out of it instead of leaving. It shares the
 * connection with its parent, so it must not answer; it ends here, as a program would at the end
 * of its main function, but without exit functions that are the parent's.
 */
void wsgi_run_leave_forked(struct wsgi_interp *interp)
{
    struct wsgi_thread *thread = wsgi_thread_self();
    PyObject *error;
    int status;

    if (!wsgi_process.forked)
        return;
    error = wsgi_compat_error_take();
    status = error != NULL;

    if (error != NULL && PyErr_GivenExceptionMatches(error, PyExc_SystemExit)) {
        PyObject *code = PyObject_GetAttrString(error, "code");

        status = code != NULL && PyLong_Check(code) ? (int)PyLong_AsLong(code)
                                                    : code != NULL && code != Py_None;
        PyErr_Clear();
    } else if (error != NULL) {
        wsgi_error_log(interp, error);
    }
    if (thread != NULL)
        wsgi_stream_flush_thread(thread);
    _exit(status);
}

static void call_with(struct wsgi_run *run, PyObject *callable, const struct call_objects *objects)
{
    PyObject *arguments[2] = {objects->environ, objects->start_response};
    PyObject *result = wsgi_compat_vectorcall(callable, arguments, 2, NULL);

    wsgi_run_leave_forked(run->interp);
    if (result == NULL) {
        wsgi_error_outcome(run, "the application");
        return;
    }
    wsgi_output_result(run, result);
    Py_DECREF(result);
    wsgi_run_leave_forked(run->interp);
}

/* Takes over `callable`: a subscriber of request_started may put another one in its place. */
static void call_application(struct wsgi_run *run, PyObject *callable)
{
    struct call_objects objects;

    run->application_start = wsgi_clock_wall();
    if (make_objects(run, &objects) != 0) {
        wsgi_error_outcome(run, "preparing the environ for the application");
    } else {
        wsgi_events_started(run, &callable, objects.environ);
        wsgi_watch_open(run);
        if (run->transport->called != NULL)
            run->transport->called(run->context);
        call_with(run, callable, &objects);
        wsgi_watch_close(run);
        wsgi_events_finished(run);
    }
    end_objects(run, &objects);
    Py_CLEAR(run->own_error);
    Py_DECREF(callable);
}

/* WSGI_RUN_RELOAD or WSGI_RUN_DONE. */
static int run_script(struct wsgi_run *run)
{
    int check = (run->call.flags & WSGI_REQUEST_SCRIPT_RELOADING) != 0;
    int reload = 0;
    PyObject *module = wsgi_script_module(run->interp, run->call.script, run->call.script_mtime,
                                          check, &reload, run->outcome);
    PyObject *callable;

    if (module == NULL)
        return reload ? WSGI_RUN_RELOAD : WSGI_RUN_DONE;
    callable = wsgi_script_callable(module, run->call.script, run->call.callable, run->outcome);
    Py_DECREF(module);
    if (callable == NULL)
        return WSGI_RUN_DONE;
    call_application(run, callable);
    return WSGI_RUN_DONE;
}

/* Attached. */
static int run_attached(struct wsgi_run *run)
{
    int result = WSGI_RUN_DONE;

    if (wsgi_data_begin(run) != 0)
        wsgi_error_outcome(run, "preparing the data of the request for the application");
    else
        result = run_script(run);
    wsgi_data_end(run);
    return result;
}

/* Attaches for the request: the first wait for Python is one of those that count. */
static int attach(struct wsgi_run *run)
{
    int64_t begun;
    int result;

    run->meter.on =
        run->meter.recorded || __atomic_load_n(&run->interp->hooks.watched, __ATOMIC_RELAXED);
    begun = wsgi_meter_clock(run);
    result = wsgi_interp_attach(run->interp, run->thread);
    wsgi_meter_add(run, &run->meter.wait_time, begun);
    run->meter.waits++;
    return result;
}

int wsgi_run_status(const struct wsgi_run *run)
{
    const struct wsgi_outcome *outcome = run->outcome;

    if (outcome->status == 0 || outcome->silent ||
        (run->head_sent && outcome->code != WSGI_CODE_REQUEST_TIMEOUT))
        return run->number != 0 ? run->number : outcome->status;
    return outcome->status;
}

/* ---- around it ----------------------------------------------------------- */

/* A request may run inside another one of the same thread (mod_include in embedded mode), so the
 * thread's buffers are taken out while in use. */
static void take_buffers(struct wsgi_run *run)
{
    struct wsgi_thread *thread = run->thread;

    run->hold = thread->hold;
    thread->hold = NULL;
    run->head.data = thread->head.data;
    run->head.size = thread->head.size;
    thread->head.data = NULL;
    thread->head.size = 0;
}

static void give_buffers_back(struct wsgi_run *run)
{
    struct wsgi_thread *thread = run->thread;

    free(thread->hold);
    thread->hold = run->hold;
    free(thread->head.data);
    thread->head.data = run->head.data;
    thread->head.size = run->head.size;
}

static int run_in_interp(struct wsgi_run *run)
{
    struct wsgi_run *outer = run->thread->run;
    int result;

    if (run->transport->started != NULL)
        run->transport->started(run->context);
    wsgi_metrics_enter(run);
    if (attach(run) != 0) {
        wsgi_outcome_fail(run->outcome, 500, WSGI_CODE_NO_MEMORY,
                          "no thread state can be made in interpreter '%s'", run->interp->name);
        wsgi_metrics_leave(run);
        return WSGI_RUN_DONE;
    }
    run->thread->run = run;
    wsgi_watch_attached(run);
    take_buffers(run);
    wsgi_interp_name(run->interp, run->call.application_group, run->call.flags);
    result = run_attached(run);
    wsgi_run_leave_forked(run->interp);
    wsgi_stream_flush_thread(run->thread);
    run->thread->run = outer;
    wsgi_interp_detach();
    wsgi_output_held(run);
    wsgi_metrics_leave(run);
    give_buffers_back(run);
    return result;
}

static int is_stale(const struct wsgi_run *run)
{
    return !wsgi_process.embedded && (run->call.flags & WSGI_REQUEST_SCRIPT_RELOADING) &&
           wsgi_script_is_stale(run->interp, &run->call);
}

int wsgi_run_request(const struct wsgi_request *request, const struct wsgi_transport *transport,
                     void *context, struct wsgi_outcome *outcome)
{
    struct wsgi_run run;
    int result;

    memset(&run, 0, sizeof run);
    memset(outcome, 0, sizeof *outcome);
    run.request = request;
    run.transport = transport;
    run.context = context;
    run.outcome = outcome;
    if (!__atomic_load_n(&wsgi_process.up, __ATOMIC_ACQUIRE)) {
        wsgi_outcome_fail(outcome, 500, WSGI_CODE_PYTHON_NOT_UP, "Python is not up");
        return WSGI_RUN_DONE;
    }
    run.thread = wsgi_thread_self();
    if (run.thread == NULL || wsgi_environ_scan(request, &run.call) != 0 ||
        (run.call.flags & WSGI_REQUEST_QUESTION)) {
        wsgi_outcome_fail(outcome, 500, WSGI_CODE_WIRE_VIOLATION,
                          "the variables of the request are malformed");
        return WSGI_RUN_DONE;
    }
    run.interp = wsgi_interp_get_for(run.call.application_group, run.call.flags);
    if (run.interp == NULL) {
        wsgi_outcome_fail(outcome, 500, WSGI_CODE_INTERPRETER_UNAVAILABLE,
                          "no interpreter can be made for application group '%s': %s",
                          run.call.application_group, wsgi_interp_problem());
        return WSGI_RUN_DONE;
    }
    if (is_stale(&run))
        return WSGI_RUN_RELOAD;
    if (!wsgi_process.embedded)
        run.call.daemon_start = wsgi_clock_wall();
    if (run.thread->number == 0)
        run.thread->number = __atomic_add_fetch(&wsgi_process.thread_count, 1, __ATOMIC_RELAXED);
    pthread_mutex_init(&run.lock, NULL);
    wsgi_watch_begin(&run);
    result = run_in_interp(&run);
    wsgi_watch_end(&run);
    pthread_mutex_destroy(&run.lock);
    return result;
}
