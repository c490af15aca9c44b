/* SPDX-License-Identifier: Apache-2.0 */
/* Module `mod_wsgi`: names, subscribers, and what the running request keeps for itself. */
#include "pymodules.h"

#include "../wire/engine.h"
#include "loghandler.h"
#include "metrics.h"
#include "run.h"
#include "stream.h"

struct module_state {
    PyTypeObject *adapter_type;
    PyTypeObject *input_type;
    PyTypeObject *log_type;
    PyTypeObject *wrapper_type;
    PyObject *timeout;
    PyObject *active;
};

/* ---- subscribers --------------------------------------------------------- */

/* An application may have put another list in the place of the first one. */
static PyObject *subscribe(PyObject *module, const char *list_name, PyObject *callback)
{
    PyObject *list = PyObject_GetAttrString(module, list_name);
    int result = -1;

    if (list != NULL && !PyList_Check(list))
        PyErr_Format(PyExc_TypeError, "mod_wsgi.%s must be a list, not %.100s", list_name,
                     Py_TYPE(list)->tp_name);
    else if (list != NULL)
        result = PyList_Append(list, callback);
    Py_XDECREF(list);
    return result == 0 ? wsgi_compat_new_ref(callback) : NULL;
}

static PyObject *subscribe_events(PyObject *module, PyObject *callback)
{
    return subscribe(module, "event_callbacks", callback);
}

static PyObject *subscribe_shutdown(PyObject *module, PyObject *callback)
{
    return subscribe(module, "shutdown_callbacks", callback);
}

/* Signals of an Apache child are httpd's. Who asked for them is in the stack. */
static void warn_embedded(void)
{
    PyObject *traceback = PyImport_ImportModule("traceback");
    PyObject *frames =
        traceback != NULL ? PyObject_CallMethod(traceback, "format_stack", NULL) : NULL;
    PyObject *empty = frames != NULL ? PyUnicode_FromString("") : NULL;
    PyObject *text = empty != NULL ? PyUnicode_Join(empty, frames) : NULL;
    PyObject *bytes =
        text != NULL ? PyUnicode_AsEncodedString(text, "utf-8", "backslashreplace") : NULL;

    wsgi_log_attached(WSGI_LOG_INFO, "mod_wsgi.subscribe_signals() was called in embedded mode: "
                                     "the callback is never called, signals are delivered only "
                                     "in processes of a daemon process group.");
    if (bytes != NULL && wsgi_process.settings.log_level >= WSGI_LOG_INFO)
        wsgi_log_lines(WSGI_LOG_INFO, PyBytes_AS_STRING(bytes), (size_t)PyBytes_GET_SIZE(bytes));
    PyErr_Clear();
    Py_XDECREF(bytes);
    Py_XDECREF(text);
    Py_XDECREF(empty);
    Py_XDECREF(frames);
    Py_XDECREF(traceback);
}

static PyObject *subscribe_signals(PyObject *module, PyObject *callback)
{
    if (wsgi_process.embedded)
        warn_embedded();
    return subscribe(module, "signal_callbacks", callback);
}

/* ---- the request --------------------------------------------------------- */

static PyObject *request_data(PyObject *module, PyObject *unused)
{
    const struct wsgi_thread *thread = wsgi_thread_self();

    (void)module;
    (void)unused;
    if (thread != NULL && thread->run != NULL && thread->run->data != NULL)
        return wsgi_compat_new_ref(thread->run->data);
    PyErr_SetString(PyExc_RuntimeError, "no active request for thread");
    return NULL;
}

/* ---- LogHandler ---------------------------------------------------------- */

/* The class needs the package logging, which not every application imports: so it is made when it
 * is first asked for. */
static PyObject *get_attribute(PyObject *module, PyObject *name)
{
    PyObject *type;

    if (!PyUnicode_Check(name) || PyUnicode_CompareWithASCIIString(name, "LogHandler") != 0)
        return PyErr_Format(PyExc_AttributeError, "module 'mod_wsgi' has no attribute %R", name);
    type = wsgi_loghandler_make();
    if (type != NULL && PyObject_SetAttr(module, name, type) != 0)
        Py_CLEAR(type);
    return type;
}

static PyObject *list_names(PyObject *module, PyObject *unused)
{
    PyObject *names = PyDict_Keys(PyModule_GetDict(module));
    PyObject *name = PyUnicode_FromString("LogHandler");
    int found = names != NULL && name != NULL ? PySequence_Contains(names, name) : -1;

    (void)unused;
    if (found < 0 || (found == 0 && PyList_Append(names, name) != 0))
        Py_CLEAR(names);
    Py_XDECREF(name);
    return names;
}

/* ---- the module ---------------------------------------------------------- */

PyDoc_STRVAR(
    module_doc,
    "What the web server tells the application about itself and its requests.\n"
    "\n"
    "version              of the interface, (6, 1, 1)\n"
    "build                of this module\n"
    "process_group        the daemon process group, '' in embedded mode\n"
    "application_group    the group of this interpreter, '' for the main one\n"
    "maximum_processes    of the daemon process group, or of the server\n"
    "threads_per_process  the same for threads\n"
    "active_requests      the data of all running requests of this interpreter, by request id\n"
    "event_callbacks, shutdown_callbacks, signal_callbacks\n"
    "                     who subscribed; the lists may be changed\n"
    "\n"
    "A subscriber is called with the name of the event, and with its payload as keywords. When it\n"
    "returns a dictionary, that becomes part of the payload for those who come after it. Its\n"
    "exceptions are logged and change nothing.");

PyDoc_STRVAR(subscribe_events_doc,
             "subscribe_events($module, callback, /)\n--\n\n"
             "Has callback called for request_started, response_started, request_exception,\n"
             "request_finished, process_stopping and process_signal. Returns callback, so this is\n"
             "also a decorator. To replace the application for a request, return\n"
             "{'application_object': ...} from request_started.");
PyDoc_STRVAR(subscribe_shutdown_doc,
             "subscribe_shutdown($module, callback, /)\n--\n\n"
             "Has callback called once when the process stops, as\n"
             "callback('process_stopping', shutdown_reason=...). Returns callback.");
PyDoc_STRVAR(subscribe_signals_doc,
             "subscribe_signals($module, callback, /)\n--\n\n"
             "Has callback called when a daemon process gets SIGHUP or SIGUSR2, as\n"
             "callback('process_signal', signame=..., signum=...), in a thread of its own. In\n"
             "embedded mode it is never called. Returns callback.");
PyDoc_STRVAR(request_data_doc,
             "request_data($module, /)\n--\n\n"
             "The dictionary that belongs to the request of this thread until the request ends.\n"
             "RuntimeError in a thread without a request.");
PyDoc_STRVAR(start_recording_doc,
             "start_recording_metrics($module, /)\n--\n\n"
             "From now on process_metrics() and request_metrics() have something to tell, in all\n"
             "interpreters of the process. Each request is measured, which costs some time.");
PyDoc_STRVAR(process_metrics_doc,
             "process_metrics($module, /)\n--\n\n"
             "A dictionary about this process since recording began: memory in bytes, times in\n"
             "seconds. None before start_recording_metrics().");
PyDoc_STRVAR(
    request_metrics_doc,
    "request_metrics($module, /)\n--\n\n"
    "A dictionary about the requests that ended since the last call, in any interpreter of\n"
    "this process. None before start_recording_metrics().");
PyDoc_STRVAR(server_metrics_doc,
             "server_metrics($module, /)\n--\n\n"
             "A dictionary of the server's scoreboard, as mod_status shows it. None unless\n"
             "WSGIServerMetrics (embedded mode) or the option server-metrics of the group is On.");
PyDoc_STRVAR(
    timeout_doc,
    "A request took longer than it may. Not an Exception, so that 'except Exception:' lets "
    "it\npass; the client gets 504. It may be caught to clean up, and should be raised "
    "again.");

static PyMethodDef methods[] = {
    {"subscribe_events", subscribe_events, METH_O, subscribe_events_doc},
    {"subscribe_shutdown", subscribe_shutdown, METH_O, subscribe_shutdown_doc},
    {"subscribe_signals", subscribe_signals, METH_O, subscribe_signals_doc},
    {"request_data", request_data, METH_NOARGS, request_data_doc},
    {"start_recording_metrics", wsgi_metrics_begin_recording, METH_NOARGS, start_recording_doc},
    {"process_metrics", wsgi_metrics_process, METH_NOARGS, process_metrics_doc},
    {"request_metrics", wsgi_metrics_request, METH_NOARGS, request_metrics_doc},
    {"server_metrics", wsgi_metrics_server, METH_NOARGS, server_metrics_doc},
    {"__getattr__", get_attribute, METH_O, NULL},
    {"__dir__", list_names, METH_NOARGS, NULL},
    {NULL, NULL, 0, NULL},
};

static int make_types(PyObject *module, struct module_state *state)
{
    state->adapter_type = wsgi_adapter_make_type(module);
    state->input_type = wsgi_input_make_type(module);
    state->log_type = wsgi_stream_make_type(module);
    state->wrapper_type = wsgi_wrapper_make_type(module);
    state->timeout = PyErr_NewExceptionWithDoc("mod_wsgi.RequestTimeout", timeout_doc,
                                               PyExc_BaseException, NULL);
    state->active = PyDict_New();
    if (state->adapter_type == NULL || state->input_type == NULL || state->log_type == NULL ||
        state->wrapper_type == NULL || state->timeout == NULL || state->active == NULL)
        return -1;
    return 0;
}

static int execute(PyObject *module)
{
    struct module_state *state = PyModule_GetState(module);

    if (make_types(module, state) != 0 ||
        wsgi_compat_module_add(module, "FileWrapper", (PyObject *)state->wrapper_type) != 0 ||
        wsgi_compat_module_add(module, "RequestTimeout", state->timeout) != 0 ||
        wsgi_compat_module_add(module, "active_requests", state->active) != 0 ||
        wsgi_pymodules_add(module, "event_callbacks", PyList_New(0)) != 0 ||
        wsgi_pymodules_add(module, "shutdown_callbacks", PyList_New(0)) != 0 ||
        wsgi_pymodules_add(module, "signal_callbacks", PyList_New(0)) != 0 ||
        wsgi_pymodules_add(module, "version",
                           Py_BuildValue("(iii)", WSGI_INTERFACE_VERSION_MAJOR,
                                         WSGI_INTERFACE_VERSION_MINOR,
                                         WSGI_INTERFACE_VERSION_PATCH)) != 0)
        return -1;
    return wsgi_pymodules_add_text(module, "build", WSGI_BUILD_VERSION);
}

static int traverse_state(PyObject *module, visitproc visit, void *arg)
{
    struct module_state *state = PyModule_GetState(module);

    if (state == NULL)
        return 0;
    Py_VISIT(state->adapter_type);
    Py_VISIT(state->input_type);
    Py_VISIT(state->log_type);
    Py_VISIT(state->wrapper_type);
    Py_VISIT(state->timeout);
    Py_VISIT(state->active);
    return 0;
}

static int clear_state(PyObject *module)
{
    struct module_state *state = PyModule_GetState(module);

    if (state == NULL)
        return 0;
    Py_CLEAR(state->adapter_type);
    Py_CLEAR(state->input_type);
    Py_CLEAR(state->log_type);
    Py_CLEAR(state->wrapper_type);
    Py_CLEAR(state->timeout);
    Py_CLEAR(state->active);
    return 0;
}

static void free_state(void *module)
{
    clear_state(module);
}

static PyModuleDef_Slot slots[] = {
    {Py_mod_exec, (void *)execute},
    WSGI_COMPAT_MODULE_SLOTS{0, NULL},
};

PyModuleDef wsgi_module_mod_wsgi = {
    PyModuleDef_HEAD_INIT,        .m_name = "mod_wsgi",
    .m_doc = module_doc,          .m_size = sizeof(struct module_state),
    .m_methods = methods,         .m_slots = slots,
    .m_traverse = traverse_state, .m_clear = clear_state,
    .m_free = free_state,
};

/* ---- for the engine ------------------------------------------------------ */

static PyTypeObject *share(PyTypeObject *type)
{
    Py_INCREF(type);
    return type;
}

/* The numbers of a daemon are its group's, else the MPM's. */
static int describe(const struct wsgi_interp *interp, PyObject *module)
{
    const struct wsgi_settings *settings = &wsgi_process.settings;
    int embedded = wsgi_process.embedded;

    if (wsgi_pymodules_add_text(module, "process_group", settings->group_name) != 0 ||
        wsgi_pymodules_add_text(module, "application_group", wsgi_interp_reported(interp)) != 0 ||
        wsgi_pymodules_add_number(module, "maximum_processes",
                                  embedded ? settings->mpm_processes : settings->processes) != 0)
        return -1;
    return wsgi_pymodules_add_number(module, "threads_per_process",
                                     embedded ? settings->mpm_threads : settings->threads);
}

int wsgi_module_mod_wsgi_bind(struct wsgi_interp *interp, PyObject *module)
{
    const struct module_state *state = PyModule_GetState(module);

    interp->objects.adapter_type = share(state->adapter_type);
    interp->objects.input_type = share(state->input_type);
    interp->objects.log_type = share(state->log_type);
    interp->objects.wrapper_type = share(state->wrapper_type);
    interp->hooks.names = wsgi_compat_new_ref(PyModule_GetDict(module));
    interp->hooks.timeout = wsgi_compat_new_ref(state->timeout);
    interp->hooks.active = wsgi_compat_new_ref(state->active);
    return describe(interp, module);
}
