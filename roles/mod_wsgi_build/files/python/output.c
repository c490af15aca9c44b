/* SPDX-License-Identifier: Apache-2.0 */
/* start_response, write(), and what the application returned. */
#include "run.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "errors.h"
#include "events.h"
#include "stream.h"

struct adapter_object {
    PyObject_HEAD struct wsgi_run *run; /* NULL once the request has ended */
};

/* ---- the head ------------------------------------------------------------ */

static int head_error(struct wsgi_run *run, enum wsgi_head_status status, const char *name,
                      size_t size)
{
    if (name != NULL) {
        PyObject *shown = PyUnicode_DecodeLatin1(name, (Py_ssize_t)size, NULL);

        if (shown != NULL)
            PyErr_Format(PyExc_ValueError, "response header %R: %s", shown,
                         wsgi_head_status_text(status));
        Py_XDECREF(shown);
    } else {
        PyErr_SetString(PyExc_ValueError, wsgi_head_status_text(status));
    }
    wsgi_error_own(run, 500, WSGI_CODE_HEAD_REFUSED, 0);
    return -1;
}

/* What is looked at, for messages: the status, or name or value of a header. */
struct part {
    const char *what; /* "status", "response header name", "value of response header" */
    PyObject *name;   /* of a value: the header's, else NULL */
};

static void not_str(const struct part *part, PyObject *text)
{
    if (part->name != NULL)
        PyErr_Format(PyExc_TypeError, "%s %R must be str, not %.100s", part->what, part->name,
                     Py_TYPE(text)->tp_name);
    else
        PyErr_Format(PyExc_TypeError, "%s must be str, not %.100s, %.200R", part->what,
                     Py_TYPE(text)->tp_name, text);
}

/* UnicodeEncodeError, as mod_wsgi 6 raises it, with the place in its reason. */
static void not_latin1(const struct part *part, PyObject *text)
{
    PyObject *reason = part->name != NULL
                           ? PyUnicode_FromFormat("%s %R is latin-1 only", part->what, part->name)
                           : PyUnicode_FromFormat("%s is latin-1 only", part->what);
    Py_ssize_t size = PyUnicode_GET_LENGTH(text), at = 0;
    PyObject *error = NULL;

    while (at < size - 1 && PyUnicode_READ_CHAR(text, at) < 0x100)
        at++;
    if (reason != NULL)
        error = PyObject_CallFunction(PyExc_UnicodeEncodeError, "sOnnO", "latin-1", text, at,
                                      at + 1, reason);
    if (error != NULL)
        PyErr_SetObject(PyExc_UnicodeEncodeError, error);
    Py_XDECREF(error);
    Py_XDECREF(reason);
}

/* The bytes of a latin-1 str, in place. NULL with an exception. */
static const char *latin1(struct wsgi_run *run, PyObject *text, const struct part *part,
                          size_t *size)
{
    if (!PyUnicode_Check(text)) {
        not_str(part, text);
    } else if (wsgi_compat_unicode_ready(text) != 0) {
        return NULL;
    } else if (PyUnicode_KIND(text) != PyUnicode_1BYTE_KIND) {
        not_latin1(part, text);
    } else {
        *size = (size_t)PyUnicode_GET_LENGTH(text);
        return (const char *)PyUnicode_1BYTE_DATA(text);
    }
    wsgi_error_own(run, 500, WSGI_CODE_HEAD_REFUSED, 0);
    return NULL;
}

/* Rules of single names. 1: the field is to be kept; 0: dropped; -1: exception. */
static int note_field(struct wsgi_run *run, const char *name, size_t name_size, const char *value,
                      size_t value_size)
{
    enum wsgi_head_status status = WSGI_HEAD_OK;
    int64_t length;
    int again = run->has_length;

    if (wsgi_head_is_hop_by_hop(name, name_size))
        return 0;
    /* A daemon's answer is read as a CGI script's: there Status is the status. */
    if (!wsgi_process.embedded && wsgi_head_name_is(name, name_size, "Status"))
        status = wsgi_head_check_status(value, value_size, &run->number);
    if (status != WSGI_HEAD_OK)
        return head_error(run, status, name, name_size);
    if (!wsgi_head_name_is(name, name_size, "Content-Length"))
        return 1;
    status = wsgi_head_parse_length(value, value_size, &length);
    if (status == WSGI_HEAD_OK && again && run->length != length)
        status = WSGI_HEAD_LENGTH_TWICE;
    if (status != WSGI_HEAD_OK)
        return head_error(run, status, name, name_size);
    run->has_length = 1;
    run->length = length;
    return !again;
}

static int refuse_size(struct wsgi_run *run, PyObject *name)
{
    PyErr_Format(PyExc_ValueError,
                 "the response head has more than %u headers or %u bytes at header %.200R",
                 WSGI_HEAD_FIELDS_MAX, WSGI_FRAME_HEAD_MAX, name);
    wsgi_error_own(run, 500, WSGI_CODE_HEAD_REFUSED, 0);
    return -1;
}

/* Whether one more field fits; room for a Content-Length of our own is kept in both limits. */
static int has_room(const struct wsgi_run *run, size_t name_size, size_t value_size)
{
    return run->head.count < WSGI_HEAD_FIELDS_MAX - 1 && name_size < WSGI_FRAME_HEAD_MAX &&
           value_size < WSGI_FRAME_HEAD_MAX &&
           run->head.used + name_size + value_size < WSGI_FRAME_HEAD_MAX - 128;
}

/* `item` is a tuple of two, or of a type made from it, as a named tuple. */
static int put_pair(struct wsgi_run *run, PyObject *item)
{
    const struct part name_part = {"response header name", NULL};
    const struct part value_part = {"value of response header", PyTuple_GET_ITEM(item, 0)};
    enum wsgi_head_status status;
    const char *name, *value;
    size_t name_size, value_size;
    int keep;

    name = latin1(run, PyTuple_GET_ITEM(item, 0), &name_part, &name_size);
    if (name == NULL)
        return -1;
    value = latin1(run, PyTuple_GET_ITEM(item, 1), &value_part, &value_size);
    if (value == NULL)
        return -1;
    if (!has_room(run, name_size, value_size))
        return refuse_size(run, PyTuple_GET_ITEM(item, 0));
    status = wsgi_head_check_field(name, name_size, value, value_size);
    if (status != WSGI_HEAD_OK)
        return head_error(run, status, name, name_size);
    keep = note_field(run, name, name_size, value, value_size);
    if (keep > 0)
        wsgi_head_put(&run->head, name, name_size, value, value_size);
    return keep < 0 ? -1 : 0;
}

static int put_field(struct wsgi_run *run, PyObject *item)
{
    if (PyTuple_Check(item) && PyTuple_GET_SIZE(item) == 2)
        return put_pair(run, item);
    PyErr_Format(PyTuple_Check(item) ? PyExc_ValueError : PyExc_TypeError,
                 "each response header must be a tuple of name and value, not %.200R", item);
    wsgi_error_own(run, 500, WSGI_CODE_HEAD_REFUSED, 0);
    return -1;
}

/* The list is the application's: what it holds may change while an error is worded. */
static int put_fields(struct wsgi_run *run, PyObject *headers)
{
    Py_ssize_t i;
    int status = 0;

    for (i = 0; status == 0 && i < PyList_GET_SIZE(headers); i++) {
        PyObject *item = wsgi_compat_new_ref(PyList_GET_ITEM(headers, i));

        status = put_field(run, item);
        Py_DECREF(item);
    }
    return status;
}

static int build_head(struct wsgi_run *run, PyObject *status_text, PyObject *headers)
{
    const struct part part = {"status", NULL};
    size_t size;
    const char *line = latin1(run, status_text, &part, &size);
    enum wsgi_head_status status;

    run->has_length = 0;
    if (line == NULL)
        return -1;
    status = wsgi_head_check_status(line, size, &run->number);
    if (status != WSGI_HEAD_OK)
        return head_error(run, status, NULL, 0);
    if (size > WSGI_FRAME_HEAD_MAX / 2)
        return refuse_size(run, status_text);
    wsgi_head_begin(&run->head, line, size);
    if (put_fields(run, headers) != 0)
        return -1;
    if (run->head.failed) {
        PyErr_NoMemory();
        return -1;
    }
    run->head_given = 1;
    return 0;
}

/* A later head that is refused leaves the former as it was. */
static int replace_head(struct wsgi_run *run, PyObject *status_text, PyObject *headers)
{
    struct wsgi_head_writer former = run->head;
    int number = run->number, has_length = run->has_length;
    int64_t length = run->length;

    memset(&run->head, 0, sizeof run->head);
    if (build_head(run, status_text, headers) == 0) {
        free(former.data);
        return 0;
    }
    free(run->head.data);
    run->head = former;
    run->number = number;
    run->has_length = has_length;
    run->length = length;
    return -1;
}

static int status_has_no_length(int number)
{
    return number == 204 || number == 304;
}

int wsgi_output_commit(struct wsgi_run *run, int64_t length)
{
    char digits[24];

    if (run->committed)
        return 0;
    if (!run->head_given) {
        PyErr_SetString(PyExc_RuntimeError,
                        "start_response() was not called before the first data was there");
        wsgi_error_own(run, 500, WSGI_CODE_BAD_RESULT, 0);
        return -1;
    }
    if (length >= 0 && !run->has_length && !run->call.is_head &&
        !status_has_no_length(run->number)) {
        int size = snprintf(digits, sizeof digits, "%lld", (long long)length);

        wsgi_head_put(&run->head, "Content-Length", 14, digits, (size_t)size);
    }
    if (wsgi_head_end(&run->head) != 0) {
        PyErr_NoMemory();
        return -1;
    }
    run->committed = 1;
    run->whole = length >= 0;
    return 0;
}

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

/* ---- start_response and write -------------------------------------------- */

static struct wsgi_run *run_for(PyObject *self, const char *who)
{
    struct wsgi_run *run = ((struct adapter_object *)self)->run;

    if (run != NULL && !wsgi_process.forked)
        return run;
    PyErr_Format(PyExc_RuntimeError, "%s was used %s", who,
                 run == NULL ? "after the end of its request" : "in a forked process");
    return NULL;
}

static struct wsgi_run *run_of(PyObject *self)
{
    return run_for(self, "start_response() or write()");
}

/* The exception of exc_info as an object, made of type and value if it is none yet; NULL: neither
 * is one. */
static PyObject *exception_of(PyObject *type, PyObject *value)
{
    if (!PyExceptionClass_Check(type))
        return PyExceptionInstance_Check(value) ? wsgi_compat_new_ref(value) : NULL;
    if (PyExceptionInstance_Check(value) && PyObject_TypeCheck(value, (PyTypeObject *)type))
        return wsgi_compat_new_ref(value);
    PyErr_SetObject(type, value);
    return wsgi_compat_error_take();
}

static PyObject *reraise(PyObject *exc_info)
{
    PyObject *error = exception_of(PyTuple_GET_ITEM(exc_info, 0), PyTuple_GET_ITEM(exc_info, 1));

    if (error == NULL)
        return PyErr_Format(PyExc_TypeError,
                            "the head was sent, and exc_info holds no exception to raise, but %R",
                            exc_info);
    if (PyTraceBack_Check(PyTuple_GET_ITEM(exc_info, 2)))
        PyException_SetTraceback(error, PyTuple_GET_ITEM(exc_info, 2));
    wsgi_compat_error_restore(error);
    return NULL;
}

static PyObject *write_function(PyObject *adapter);

static PyObject *set_head(PyObject *self, struct wsgi_run *run, PyObject *const *arguments,
                          Py_ssize_t count)
{
    PyObject *exc_info = count == 3 ? arguments[2] : Py_None;

    if (count != 2 && count != 3)
        return PyErr_Format(PyExc_TypeError, "start_response() takes 2 or 3 arguments (%zd given)",
                            count);
    if (!PyList_Check(arguments[1]))
        return PyErr_Format(PyExc_TypeError, "response headers must be a list, not %.100s",
                            Py_TYPE(arguments[1])->tp_name);
    if (exc_info != Py_None && (!PyTuple_Check(exc_info) || PyTuple_GET_SIZE(exc_info) != 3))
        return PyErr_Format(PyExc_RuntimeError, "exc_info must be a tuple of three or None, not %R",
                            exc_info);
    if (!run->committed)
        wsgi_events_response(run, arguments[0], arguments[1], exc_info);
    /* Also a subscriber may have sent the head. */
    if (run->committed && exc_info != Py_None)
        return reraise(exc_info);
    if (run->committed)
        return PyErr_Format(PyExc_RuntimeError,
                            "start_response() was called again after the head was sent");
    if ((run->head_given ? replace_head : build_head)(run, arguments[0], arguments[1]) != 0)
        return NULL;
    return write_function(self);
}

/* The request does not end while another thread is here: code of the application may run. */
static PyObject *start_response(PyObject *self, PyObject *const *arguments, Py_ssize_t count)
{
    struct wsgi_run *run = run_of(self);
    PyObject *write;

    if (run == NULL)
        return NULL;
    run->users++;
    write = set_head(self, run, arguments, count);
    run->users--;
    return write;
}

static void raise_not_bytes(struct wsgi_run *run, const char *where, PyObject *data)
{
    PyErr_Format(PyExc_TypeError, "%s needs bytes, not %.100s%s", where, Py_TYPE(data)->tp_name,
                 PyUnicode_Check(data) ? "; encode it, for example with .encode('utf-8')" : "");
    wsgi_error_own(run, 500, WSGI_CODE_BAD_RESULT, 0);
}

static int send_written(struct wsgi_run *run, PyObject *data)
{
    if (!PyBytes_Check(data)) {
        raise_not_bytes(run, "write()", data);
        return -1;
    }
    if (run->whole) {
        PyErr_SetString(PyExc_RuntimeError, "write() was called after the end of the body");
        return -1;
    }
    if (wsgi_output_commit(run, -1) != 0)
        return -1;
    if (wsgi_output_send(run, PyBytes_AS_STRING(data), (size_t)PyBytes_GET_SIZE(data),
                         WSGI_SEND_FLUSH) != 0) {
        PyErr_SetString(PyExc_OSError, "the client left before the response was complete");
        wsgi_error_own(run, 500, WSGI_CODE_CLIENT_GONE, 1);
        return -1;
    }
    return 0;
}

static PyObject *write_data(PyObject *self, PyObject *data)
{
    struct wsgi_run *run = run_of(self);
    int result;

    if (run == NULL)
        return NULL;
    run->users++;
    result = send_written(run, data);
    run->users--;
    return result == 0 ? wsgi_compat_new_ref(Py_None) : NULL;
}

PyDoc_STRVAR(start_response_doc,
             "start_response($self, status, headers, exc_info=None, /)\n--\n\n"
             "Sets status and headers of the response, see PEP 3333. Returns write().");
PyDoc_STRVAR(write_doc, "write($self, data, /)\n--\n\nSends bytes to the client at once.");

static PyMethodDef start_response_method = {"start_response",
                                            (PyCFunction)(void (*)(void))start_response,
                                            METH_FASTCALL, start_response_doc};
static PyMethodDef write_method = {"write", write_data, METH_O, write_doc};

static PyObject *write_function(PyObject *adapter)
{
    return PyCFunction_New(&write_method, adapter);
}

PyObject *wsgi_adapter_start_response(PyObject *adapter)
{
    return PyCFunction_New(&start_response_method, adapter);
}

static PyObject *ssl_is_https(PyObject *self, PyObject *unused)
{
    struct wsgi_run *run = run_for(self, "ssl_is_https()");
    PyThreadState *state;
    int result = 0;

    (void)unused;
    if (run == NULL)
        return NULL;
    if (run->transport->is_https != NULL) {
        state = wsgi_run_enter(run);
        result = run->transport->is_https(run->context);
        wsgi_run_leave(run, state);
    }
    return PyLong_FromLong(result);
}

/* The name as str or bytes; new reference to bytes. */
static PyObject *variable_name(PyObject *name)
{
    PyObject *bytes = NULL;

    if (PyBytes_Check(name))
        return wsgi_compat_new_ref(name);
    if (PyUnicode_Check(name))
        bytes = PyUnicode_AsLatin1String(name);
    if (bytes != NULL)
        return bytes;
    PyErr_Clear();
    PyErr_Format(PyExc_TypeError, "ssl_var_lookup() needs a latin-1 str or bytes, not %.100s",
                 PyUnicode_Check(name) ? "a str with other characters" : Py_TYPE(name)->tp_name);
    return NULL;
}

static PyObject *ssl_var_lookup(PyObject *self, PyObject *name)
{
    struct wsgi_run *run = run_for(self, "ssl_var_lookup()");
    PyObject *bytes = run != NULL ? variable_name(name) : NULL;
    PyThreadState *state;
    const char *value = NULL;

    if (bytes == NULL)
        return NULL;
    if (run->transport->ssl_variable != NULL) {
        state = wsgi_run_enter(run);
        value = run->transport->ssl_variable(run->context, PyBytes_AS_STRING(bytes));
        wsgi_run_leave(run, state);
    }
    Py_DECREF(bytes);
    if (value == NULL)
        Py_RETURN_NONE;
    return PyUnicode_DecodeLatin1(value, (Py_ssize_t)strlen(value), NULL);
}

static PyMethodDef adapter_methods[] = {
    {"ssl_is_https", ssl_is_https, METH_NOARGS, "1 when the connection is encrypted by mod_ssl."},
    {"ssl_var_lookup", ssl_var_lookup, METH_O, "The value of a variable of mod_ssl, or None."},
    {NULL, NULL, 0, NULL},
};

static void adapter_dealloc(PyObject *self)
{
    PyTypeObject *type = Py_TYPE(self);

    type->tp_free(self);
    Py_DECREF(type);
}

static PyType_Slot adapter_slots[] = {
    {Py_tp_dealloc, (void *)adapter_dealloc},
    {Py_tp_methods, adapter_methods},
    WSGI_COMPAT_SLOT_CLOSED{0, NULL},
};

static PyType_Spec adapter_spec = {
    .name = "mod_wsgi.Adapter",
    .basicsize = sizeof(struct adapter_object),
    .flags = Py_TPFLAGS_DEFAULT | WSGI_COMPAT_TYPE_CLOSED,
    .slots = adapter_slots,
};

PyTypeObject *wsgi_adapter_make_type(PyObject *module)
{
    (void)module;
    return (PyTypeObject *)PyType_FromSpec(&adapter_spec);
}

PyObject *wsgi_adapter_new(struct wsgi_run *run)
{
    PyTypeObject *type = run->interp->objects.adapter_type;
    PyObject *self = type->tp_alloc(type, 0);

    if (self != NULL)
        ((struct adapter_object *)self)->run = run;
    return self;
}

void wsgi_adapter_end(PyObject *adapter)
{
    ((struct adapter_object *)adapter)->run = NULL;
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
