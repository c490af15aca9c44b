/* SPDX-License-Identifier: Apache-2.0 */
/* start_response and write(), bound to one request. */
#include "run.h"

#include <string.h>

#include "errors.h"
#include "events.h"
#include "stream.h"

struct adapter_object {
    PyObject_HEAD struct wsgi_run *run; /* NULL once the request has ended */
};

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
    if ((run->head_given ? wsgi_output_replace_head : wsgi_output_begin_head)(run, arguments[0],
                                                                              arguments[1]) != 0)
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
