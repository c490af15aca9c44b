/* SPDX-License-Identifier: Apache-2.0 */
/* From the variable block to the environ dictionary. */
#include "run.h"

#include "stream.h"

#include <stdio.h>
#include <string.h>

/* ---- first pass: parameters ---------------------------------------------- */

struct text_place {
    enum wsgi_param id;
    size_t offset;
};

static const struct text_place texts[] = {
    {WSGI_PARAM_SCRIPT, offsetof(struct wsgi_call, script)},
    {WSGI_PARAM_CALLABLE, offsetof(struct wsgi_call, callable)},
    {WSGI_PARAM_APPLICATION_GROUP, offsetof(struct wsgi_call, application_group)},
    {WSGI_PARAM_PROCESS_GROUP, offsetof(struct wsgi_call, process_group)},
    {WSGI_PARAM_REQUEST_ID, offsetof(struct wsgi_call, request_id)},
    {WSGI_PARAM_CONNECTION_ID, offsetof(struct wsgi_call, connection_id)},
    {WSGI_PARAM_LISTENER_HOST, offsetof(struct wsgi_call, listener_host)},
    {WSGI_PARAM_LISTENER_PORT, offsetof(struct wsgi_call, listener_port)},
    {WSGI_PARAM_REQUEST_HANDLER, offsetof(struct wsgi_call, handler)},
    {WSGI_PARAM_HANDLER_SCRIPT, offsetof(struct wsgi_call, handler_script)},
    {WSGI_PARAM_RESOURCE, offsetof(struct wsgi_call, resource)},
};

static const struct text_place numbers[] = {
    {WSGI_PARAM_SCRIPT_MTIME, offsetof(struct wsgi_call, script_mtime)},
    {WSGI_PARAM_REQUEST_FLAGS, offsetof(struct wsgi_call, flags)},
    {WSGI_PARAM_REQUEST_START, offsetof(struct wsgi_call, request_start)},
    {WSGI_PARAM_QUEUE_START, offsetof(struct wsgi_call, queue_start)},
    {WSGI_PARAM_SERVER_PID, offsetof(struct wsgi_call, server_pid)},
    {WSGI_PARAM_CONTENT_LENGTH, offsetof(struct wsgi_call, content_length)},
};

static int store(struct wsgi_call *call, const struct wsgi_var *var)
{
    size_t i;

    for (i = 0; i < sizeof texts / sizeof *texts; i++)
        if ((enum wsgi_param)var->id == texts[i].id) {
            *(const char **)((char *)call + texts[i].offset) = var->value;
            return 0;
        }
    for (i = 0; i < sizeof numbers / sizeof *numbers; i++)
        if ((enum wsgi_param)var->id == numbers[i].id)
            return wsgi_var_number(var, (int64_t *)((char *)call + numbers[i].offset));
    return -1; /* a parameter of a process */
}

int wsgi_environ_scan(const struct wsgi_request *request, struct wsgi_call *call)
{
    struct wsgi_vars_reader reader;
    struct wsgi_var var;
    int more;

    memset(call, 0, sizeof *call);
    call->content_length = -1;
    call->application_group = "";
    call->process_group = "";
    if (wsgi_vars_open(&reader, request->vars, request->vars_size) != 0)
        return -1;
    while ((more = wsgi_vars_next(&reader, &var)) == 1) {
        if (var.id == WSGI_NAME_REQUEST_METHOD)
            call->is_head = strcmp(var.value, "HEAD") == 0;
        if (var.id >= WSGI_PARAM_FIRST && store(call, &var) != 0)
            return -1;
    }
    /* A script that decides has no application. */
    if (call->callable == NULL && !(call->flags & WSGI_REQUEST_QUESTION))
        return -1;
    return more == 0 && call->script != NULL ? 0 : -1;
}

/* ---- second pass: environ ------------------------------------------------ */

/* File names are decoded as Python decodes file names, so that open() gets them back. */
static PyObject *decode(const struct wsgi_var *var)
{
    PyObject *text;

    if (var->id == WSGI_NAME_DOCUMENT_ROOT || var->id == WSGI_NAME_SCRIPT_FILENAME) {
        text = PyUnicode_DecodeFSDefaultAndSize(var->value, (Py_ssize_t)var->value_size);
        if (text != NULL)
            return text;
        PyErr_Clear();
    }
    return PyUnicode_DecodeLatin1(var->value, (Py_ssize_t)var->value_size, NULL);
}

static int put_var(const struct wsgi_objects *objects, PyObject *dict, const struct wsgi_var *var)
{
    PyObject *value = decode(var);
    PyObject *name;
    int result;

    if (value == NULL)
        return -1;
    if (var->id == WSGI_NAME_TEXT)
        name = PyUnicode_DecodeLatin1(var->name, var->name_size, NULL);
    else
        name = wsgi_compat_new_ref(objects->names[var->id]);
    result = name != NULL ? 0 : -1;
    /* A SetEnv never replaces what the template holds, such as wsgi.errors. */
    if (result == 0 && var->id == WSGI_NAME_TEXT && memchr(var->name, '.', var->name_size) != NULL)
        result = PyDict_Contains(objects->environ, name);
    if (result == 0)
        result = PyDict_SetItem(dict, name, value);
    Py_XDECREF(name);
    Py_DECREF(value);
    return result < 0 ? -1 : 0;
}

static int put_vars(const struct wsgi_run *run, PyObject *dict)
{
    struct wsgi_vars_reader reader;
    struct wsgi_var var;

    if (wsgi_vars_open(&reader, run->request->vars, run->request->vars_size) != 0)
        return -1;
    while (wsgi_vars_next(&reader, &var) == 1)
        if (var.id < WSGI_NAME_COUNT && put_var(&run->interp->objects, dict, &var) != 0)
            return -1;
    return 0;
}

/* Takes over `value`, which may be NULL after an exception. */
static int put_value(PyObject *dict, PyObject *key, PyObject *value)
{
    int result;

    if (value == NULL)
        return -1;
    result = PyDict_SetItem(dict, key, value);
    Py_DECREF(value);
    return result;
}

static int put_text(PyObject *dict, PyObject *key, const char *text)
{
    if (text == NULL)
        return 0;
    return put_value(dict, key, PyUnicode_DecodeLatin1(text, (Py_ssize_t)strlen(text), NULL));
}

static int put_time(PyObject *dict, PyObject *key, int64_t microseconds)
{
    return put_value(dict, key, PyFloat_FromDouble((double)microseconds / 1e6));
}

static int put_copy(PyObject *dict, PyObject *key, PyObject *from)
{
    PyObject *value;

    if (PyDict_GetItemWithError(dict, key) != NULL)
        return 0;
    value = PyDict_GetItemWithError(dict, from);
    return value != NULL ? PyDict_SetItem(dict, key, value) : 0;
}

static int put_texts(const struct wsgi_run *run, PyObject *dict)
{
    const struct wsgi_objects *o = &run->interp->objects;
    const struct wsgi_call *call = &run->call;
    char pid[24];

    snprintf(pid, sizeof pid, "%lld", (long long)call->server_pid);
    if (put_text(dict, o->word_process_group, call->process_group) != 0 ||
        put_text(dict, o->word_application_group, call->application_group) != 0 ||
        put_text(dict, o->word_callable_object, call->callable) != 0 ||
        put_text(dict, o->word_request_handler, call->handler) != 0 ||
        put_text(dict, o->word_listener_host, call->listener_host) != 0 ||
        put_text(dict, o->word_listener_port, call->listener_port) != 0 ||
        (run->id != NULL ? PyDict_SetItem(dict, o->word_request_id, run->id)
                         : put_text(dict, o->word_request_id, call->request_id)) != 0 ||
        put_text(dict, o->word_handler_script, call->handler_script) != 0 ||
        put_text(dict, o->word_connection_id, call->connection_id) != 0 ||
        put_text(dict, o->word_server_pid, pid) != 0)
        return -1;
    if (put_copy(dict, o->word_script_name, o->names[WSGI_NAME_SCRIPT_NAME]) != 0 ||
        put_copy(dict, o->word_path_info, o->names[WSGI_NAME_PATH_INFO]) != 0)
        return -1;
    return 0;
}

static int put_rest(const struct wsgi_run *run, PyObject *dict)
{
    const struct wsgi_objects *o = &run->interp->objects;
    const struct wsgi_call *call = &run->call;
    PyObject *scheme = call->flags & WSGI_REQUEST_HTTPS ? o->word_https : o->word_http;

    if (PyDict_SetItem(dict, o->word_url_scheme, scheme) != 0 ||
        put_time(dict, o->word_request_start, call->request_start) != 0 ||
        put_time(dict, o->word_queue_start, call->queue_start) != 0 ||
        put_time(dict, o->word_daemon_start, call->daemon_start) != 0 ||
        put_time(dict, o->word_application_start, run->application_start) != 0 ||
        put_value(dict, o->word_thread_id, PyLong_FromLong(run->thread->number)) != 0)
        return -1;
    return 0;
}

/* All requests of an interpreter share wsgi.errors. Whoever detaches its buffer keeps that, and
 * those who come later get another one. */
static int renew_errors(struct wsgi_interp *interp)
{
    struct wsgi_objects *o = &interp->objects;
    PyObject *buffer = PyObject_GetAttr(o->errors, o->word_buffer);
    PyObject *former = o->errors, *fresh;

    if (buffer != NULL && buffer != Py_None) {
        Py_DECREF(buffer);
        return 0;
    }
    PyErr_Clear();
    Py_XDECREF(buffer);
    fresh = wsgi_stream_new(interp, WSGI_STREAM_ERRORS);
    if (fresh == NULL)
        return -1;
    o->errors = fresh;
    Py_DECREF(former);
    return PyDict_SetItemString(o->environ, "wsgi.errors", fresh);
}

PyObject *wsgi_environ_make(const struct wsgi_run *run)
{
    PyObject *dict = NULL;

    if (renew_errors(run->interp) == 0)
        dict = PyDict_Copy(run->interp->objects.environ);
    if (dict == NULL)
        return NULL;
    if (put_vars(run, dict) != 0 || put_texts(run, dict) != 0 || put_rest(run, dict) != 0) {
        Py_DECREF(dict);
        return NULL;
    }
    return dict;
}

/* ---- scripts that decide --------------------------------------------------------------------- */

int wsgi_environ_put_question(const struct wsgi_run *run, PyObject *dict, int is_dispatch)
{
    const struct wsgi_objects *o = &run->interp->objects;
    const struct wsgi_call *call = &run->call;
    const char *handler_script = call->handler_script != NULL ? call->handler_script : "";

    if (put_vars(run, dict) != 0)
        return -1;
    if (is_dispatch)
        return put_texts(run, dict) != 0 ? -1
                                         : put_text(dict, o->word_handler_script, handler_script);
    if (put_text(dict, o->word_process_group, call->process_group) != 0)
        return -1;
    return put_text(dict, o->word_application_group, call->application_group);
}

/* Its name is NULL, as extensions that were written for mod_wsgi 6 expect it. */
int wsgi_environ_put_native(struct wsgi_run *run, PyObject *dict)
{
    PyThreadState *state;
    void *native;

    if (!(run->call.flags & WSGI_REQUEST_NATIVE) || run->transport->native == NULL)
        return 0;
    state = wsgi_run_enter(run);
    native = run->transport->native(run->context);
    wsgi_run_leave(run, state);
    run->native = PyCapsule_New(native, NULL, NULL);
    if (run->native == NULL)
        return -1;
    return PyDict_SetItemString(dict, "apache.request_rec", run->native);
}
