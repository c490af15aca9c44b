/* SPDX-License-Identifier: Apache-2.0 */
/* wsgi.file_wrapper: mod_wsgi.FileWrapper and its way around Python. */
#include "run.h"

#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "errors.h"

struct wrapper_object {
    PyObject_HEAD PyObject *filelike; /* NULL once closed */
    Py_ssize_t blksize;
};

/* ---- fast path ----------------------------------------------------------- */

/* An integer that a method without arguments returns; -1 (no exception) when there is none. */
static long long ask_number(PyObject *object, PyObject *method)
{
    PyObject *function = PyObject_GetAttr(object, method);
    PyObject *result = function != NULL ? wsgi_compat_call_no_args(function) : NULL;
    long long number = result != NULL && PyLong_Check(result) ? PyLong_AsLongLong(result) : -1;

    Py_XDECREF(result);
    Py_XDECREF(function);
    PyErr_Clear();
    return number;
}

/*
 * Does the descriptor hold the very bytes that read() returns? Not for GzipFile, a text file, and
 * other classes of io that change what passes through them; so of these only the plain ones
 * count. What does not derive from io (tempfile, Django's File) is believed, as in 6.1.1.
 */
static int is_transparent(const struct wsgi_objects *objects, PyObject *filelike)
{
    int is_io = PyObject_IsInstance(filelike, objects->io_base_type);
    PyObject *raw;
    int plain;

    if (is_io < 0)
        PyErr_Clear();
    if (is_io <= 0)
        return is_io == 0;
    if ((PyObject *)Py_TYPE(filelike) == objects->raw_file_type)
        return 1;
    if (PySequence_Contains(objects->file_types, (PyObject *)Py_TYPE(filelike)) != 1) {
        PyErr_Clear();
        return 0;
    }
    raw = PyObject_GetAttr(filelike, objects->word_raw);
    plain = raw != NULL && (PyObject *)Py_TYPE(raw) == objects->raw_file_type;
    Py_XDECREF(raw);
    PyErr_Clear();
    return plain;
}

/* Regular files of /proc have the size 0, those of /sys a whole page, whatever they hold. Such a
 * file occupies no blocks; other files without any are empty or a hole. */
static int has_its_size(int descriptor, const struct stat *status)
{
    char byte;

    if (status->st_blocks > 0)
        return 1;
    if (status->st_size == 0)
        return pread(descriptor, &byte, 1, 0) <= 0;
    return pread(descriptor, &byte, 1, status->st_size - 1) == 1;
}

/* 1: descriptor, offset and length of what is left of a regular file. */
static int find_range(const struct wsgi_objects *objects, PyObject *filelike, int *descriptor,
                      uint64_t *offset, uint64_t *length)
{
    struct stat status;
    long long number, position;

    if (!is_transparent(objects, filelike))
        return 0;
    number = ask_number(filelike, objects->word_fileno);
    if (number < 0 || number > INT32_MAX || fstat((int)number, &status) != 0 ||
        !S_ISREG(status.st_mode))
        return 0;
    position = ask_number(filelike, objects->word_tell);
    if (position < 0 || !has_its_size((int)number, &status))
        return 0;
    *descriptor = (int)number;
    *offset = (uint64_t)position;
    *length = position < status.st_size ? (uint64_t)(status.st_size - position) : 0;
    return 1;
}

/* A HEAD response has the length that GET would have; the file tells it. */
static void put_length(struct wsgi_run *run, uint64_t length)
{
    char digits[24];
    int size;

    if (!run->call.is_head || !run->head_given || run->has_length || run->number == 204 ||
        run->number == 304)
        return;
    size = snprintf(digits, sizeof digits, "%llu", (unsigned long long)length);
    wsgi_head_put(&run->head, "Content-Length", 14, digits, (size_t)size);
}

static int send_range(struct wsgi_run *run, int descriptor, uint64_t offset, uint64_t length)
{
    PyThreadState *state = wsgi_run_enter(run);
    int64_t begun = wsgi_meter_clock(run);

    if (!run->head_sent) {
        run->head_sent = 1;
        if (run->transport->send_head(run->context, run->head.data, run->head.used) != 0)
            run->gone = 1;
    }
    /* Also a file without a byte: the other side has to know that it is one. */
    if (!run->gone && run->transport->send_file(run->context, descriptor, offset, length) != 0)
        run->gone = 1;
    wsgi_meter_add(run, &run->meter.output_time, begun);
    run->meter.output_length += (int64_t)length;
    wsgi_run_leave(run, state);
    return run->gone ? -1 : 0;
}

int wsgi_wrapper_send(struct wsgi_run *run, PyObject *self)
{
    PyObject *filelike = ((struct wrapper_object *)self)->filelike;
    uint64_t offset, length;
    int descriptor, found;

    if (run->committed || filelike == NULL)
        return 0;
    Py_INCREF(filelike);
    found = find_range(&run->interp->objects, filelike, &descriptor, &offset, &length);
    Py_DECREF(filelike);
    wsgi_run_leave_forked(run->interp);
    if (!found)
        return 0;
    put_length(run, length);
    if (wsgi_output_commit(run, (int64_t)length) != 0)
        return -1;
    if (run->has_length && (uint64_t)run->length < length)
        length = (uint64_t)run->length;
    return send_range(run, descriptor, offset, length) == 0 ? 1 : -1;
}

/* ---- the type ------------------------------------------------------------ */

static PyObject *open_file(struct wrapper_object *wrapper)
{
    if (wrapper->filelike == NULL)
        PyErr_SetString(PyExc_ValueError, "the file wrapper is closed");
    return wrapper->filelike;
}

static PyObject *wrapper_new(PyTypeObject *type, PyObject *arguments, PyObject *keywords)
{
    static char *names[] = {(char *)"filelike", (char *)"blksize", NULL};
    struct wrapper_object *wrapper;
    PyObject *filelike;
    Py_ssize_t blksize = 8192;

    if (!PyArg_ParseTupleAndKeywords(arguments, keywords, "O|n:FileWrapper", names, &filelike,
                                     &blksize))
        return NULL;
    if (blksize < 0) {
        PyErr_SetString(PyExc_ValueError, "blksize must not be negative");
        return NULL;
    }
    wrapper = (struct wrapper_object *)type->tp_alloc(type, 0);
    if (wrapper == NULL)
        return NULL;
    wrapper->filelike = wsgi_compat_new_ref(filelike);
    wrapper->blksize = blksize;
    return (PyObject *)wrapper;
}

static PyObject *wrapper_iter(PyObject *self)
{
    if (open_file((struct wrapper_object *)self) == NULL)
        return NULL;
    return wsgi_compat_new_ref(self);
}

static PyObject *wrapper_next(PyObject *self)
{
    struct wrapper_object *wrapper = (struct wrapper_object *)self;
    PyObject *block;

    if (open_file(wrapper) == NULL)
        return NULL;
    block = PyObject_CallMethod(wrapper->filelike, "read", "n", wrapper->blksize);
    if (block != NULL && !PyBytes_Check(block)) {
        PyErr_Format(PyExc_TypeError, "read() of the wrapped file must return bytes, not %.100s%s",
                     Py_TYPE(block)->tp_name,
                     PyUnicode_Check(block) ? "; open it in binary mode" : "");
        Py_CLEAR(block);
    } else if (block != NULL && PyBytes_GET_SIZE(block) == 0) {
        Py_CLEAR(block); /* without an exception: the end */
    }
    return block;
}

static PyObject *wrapper_close(PyObject *self, PyObject *unused)
{
    struct wrapper_object *wrapper = (struct wrapper_object *)self;
    PyObject *filelike = wrapper->filelike;
    PyObject *result;

    (void)unused;
    if (filelike != NULL) {
        wrapper->filelike = NULL;
        result = PyObject_CallMethod(filelike, "close", NULL);
        if (result == NULL)
            PyErr_Clear();
        Py_XDECREF(result);
        Py_DECREF(filelike);
    }
    Py_RETURN_NONE;
}

static PyObject *wrapper_get_filelike(PyObject *self, void *unused)
{
    PyObject *filelike = open_file((struct wrapper_object *)self);

    (void)unused;
    Py_XINCREF(filelike);
    return filelike;
}

static PyObject *wrapper_get_blksize(PyObject *self, void *unused)
{
    (void)unused;
    return PyLong_FromSsize_t(((struct wrapper_object *)self)->blksize);
}

static int wrapper_traverse(PyObject *self, visitproc visit, void *arg)
{
    WSGI_COMPAT_VISIT_TYPE(self);
    Py_VISIT(((struct wrapper_object *)self)->filelike);
    return 0;
}

static int wrapper_clear(PyObject *self)
{
    Py_CLEAR(((struct wrapper_object *)self)->filelike);
    return 0;
}

static void wrapper_dealloc(PyObject *self)
{
    PyTypeObject *type = Py_TYPE(self);

    PyObject_GC_UnTrack(self);
    wrapper_clear(self);
    type->tp_free(self);
    Py_DECREF(type);
}

static PyMethodDef wrapper_methods[] = {
    {"close", wrapper_close, METH_NOARGS,
     "close($self, /)\n--\n\nCloses the wrapped file, if it can be closed."},
    {NULL, NULL, 0, NULL},
};

static PyGetSetDef wrapper_members[] = {
    {"filelike", wrapper_get_filelike, NULL, "The wrapped file.", NULL},
    {"blksize", wrapper_get_blksize, NULL, "Bytes read at a time.", NULL},
    {NULL, NULL, NULL, NULL, NULL},
};

PyDoc_STRVAR(wrapper_doc,
             "FileWrapper(filelike, blksize=8192)\n--\n\n"
             "Iterates over filelike.read(blksize). A regular file that an application "
             "returns\nin it is sent by the server.");

static PyType_Slot wrapper_slots[] = {
    {Py_tp_doc, (void *)wrapper_doc},         {Py_tp_new, (void *)wrapper_new},
    {Py_tp_dealloc, (void *)wrapper_dealloc}, {Py_tp_traverse, (void *)wrapper_traverse},
    {Py_tp_clear, (void *)wrapper_clear},     {Py_tp_iter, (void *)wrapper_iter},
    {Py_tp_iternext, (void *)wrapper_next},   {Py_tp_methods, wrapper_methods},
    {Py_tp_getset, wrapper_members},          {0, NULL},
};

static PyType_Spec wrapper_spec = {
    .name = "mod_wsgi.FileWrapper",
    .basicsize = sizeof(struct wrapper_object),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_BASETYPE | Py_TPFLAGS_HAVE_GC,
    .slots = wrapper_slots,
};

PyTypeObject *wsgi_wrapper_make_type(PyObject *module)
{
    (void)module;
    return (PyTypeObject *)PyType_FromSpec(&wrapper_spec);
}
