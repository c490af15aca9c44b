/* SPDX-License-Identifier: Apache-2.0 */
/*
 * wsgi.input.
 *
 * read() receives straight into the bytes object it returns; only readline() and what belongs to
 * it use a buffer, whose rest the next read() takes first.
 */
#include "run.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "errors.h"

#define LINE_ROOM 65536    /* first size of the line buffer */
#define GROW_MIN 65536     /* first size of a result whose size is not known */
#define GROW_MAX (8 << 20) /* a size somebody promised is believed up to here */

struct input_object {
    PyObject_HEAD struct wsgi_run *run; /* NULL once the request has ended */
    char *buffer;
    size_t start, end, size;
    int finished; /* the end of the body was seen */
    int failed;   /* errno of the first failure; sticky */
    int busy;     /* a thread reads; guarded by the GIL */
    int wanted;   /* a client that waits for 100 Continue was told */
    int64_t taken;
};

PyDoc_STRVAR(input_doc, "The request body, as a binary file that can only be read forward.");
PyDoc_STRVAR(read_doc,
             "read($self, size=-1, /)\n--\n\n"
             "Exactly size bytes unless the body ends before; negative or None: the rest. The\n"
             "first call lets a client send its body that waits for 100 Continue, also read(0).");
PyDoc_STRVAR(readline_doc, "readline($self, size=-1, /)\n--\n\n"
                           "The next line with its end, or size bytes of it.");
PyDoc_STRVAR(readlines_doc, "readlines($self, hint=-1, /)\n--\n\n"
                            "A list of lines; none is read once they have hint bytes together.");
PyDoc_STRVAR(close_doc, "close($self, /)\n--\n\nDoes nothing.");

/* ---- reading from the host ----------------------------------------------- */

static uint16_t status_of(int problem)
{
    switch (problem) {
    case ETIMEDOUT:
        return 408;
    case EFBIG:
        return 413;
    case EBADMSG:
    case ENODATA:
    case EPIPE:
        return 400;
    default:
        return 500;
    }
}

static const char *describe(int problem)
{
    switch (problem) {
    case EPIPE:
        return "the client left while its request body was read";
    case ENODATA:
        return "the client ended its request body too early";
    case ETIMEDOUT:
        return "the client sent its request body too slowly";
    case EFBIG:
        return "the request body is larger than the server allows";
    case EBADMSG:
        return "the request body is malformed";
    default:
        return "the request body cannot be read";
    }
}

/* A body that the client did not send is its own affair: said at debug only. */
static void raise_failure(struct input_object *input)
{
    int is_gone = input->failed == EPIPE;

    PyErr_SetString(PyExc_OSError, describe(input->failed));
    wsgi_error_own(input->run, status_of(input->failed),
                   is_gone ? WSGI_CODE_CLIENT_GONE : WSGI_CODE_BODY_READ_FAILED,
                   is_gone || input->failed == ENODATA);
}

/* 0 with an exception. After a failure every call fails, whatever it would still find. */
static int usable(struct input_object *input)
{
    if (input->run == NULL)
        PyErr_SetString(PyExc_RuntimeError, "wsgi.input was used after the end of its request");
    else if (wsgi_process.forked)
        PyErr_SetString(PyExc_RuntimeError, "wsgi.input was used in a forked process");
    else if (input->busy)
        PyErr_SetString(PyExc_RuntimeError, "wsgi.input is being read by another thread");
    else if (input->failed)
        raise_failure(input);
    else
        return 1;
    return 0;
}

/* From here on the request does not end before end_use(): a thread of the application that reads
 * may lose the GIL at any allocation. NULL with an exception. */
static struct wsgi_run *begin_use(struct input_object *input)
{
    if (!usable(input))
        return NULL;
    input->run->users++;
    return input->run;
}

static PyObject *end_use(struct wsgi_run *run, PyObject *result)
{
    run->users--;
    return result;
}

static int may_have_more(const struct input_object *input)
{
    return !input->finished && (input->run->call.flags & WSGI_REQUEST_HAS_BODY) != 0;
}

/* The client need not wait any longer; nothing is waited for here. */
static void want(struct input_object *input)
{
    struct wsgi_run *run = input->run;
    PyThreadState *state;

    if (input->wanted || !may_have_more(input) || run->transport->want == NULL)
        return;
    input->wanted = input->busy = 1;
    state = wsgi_run_enter(run);
    run->transport->want(run->context);
    wsgi_run_leave(run, state);
    input->busy = 0;
}

/* Up to `size` (> 0) bytes; 0 at the end; -1 with an exception. */
static Py_ssize_t receive(struct input_object *input, char *data, size_t size)
{
    struct wsgi_run *run = input->run;
    PyThreadState *state;
    int64_t begun;
    ssize_t count;
    int problem;

    if (!may_have_more(input))
        return 0;
    input->wanted = input->busy = 1;
    state = wsgi_run_enter(run);
    begun = wsgi_meter_clock(run);
    count = run->transport->read(run->context, data, size);
    problem = errno;
    wsgi_meter_add(run, &run->meter.input_time, begun);
    wsgi_run_leave(run, state);
    input->busy = 0;
    run->meter.input_reads++;
    run->meter.input_length += count > 0 ? count : 0;
    if (count < 0) {
        input->failed = problem != 0 ? problem : EIO;
        raise_failure(input);
    } else if (count == 0) {
        input->finished = 1;
    } else {
        input->taken += count;
    }
    return count;
}

/* ---- read ---------------------------------------------------------------- */

static size_t take_buffered(struct input_object *input, char *data, size_t size)
{
    size_t count = input->end - input->start;

    if (count > size)
        count = size;
    if (count > 0)
        memcpy(data, input->buffer + input->start, count);
    input->start += count;
    return count;
}

/* A first guess at the size of a result that may be as large as `wanted`. */
static size_t first_room(const struct input_object *input, size_t wanted)
{
    size_t guess = GROW_MIN;
    int64_t length = input->run->call.content_length;

    if (length >= input->taken && length - input->taken < GROW_MAX)
        /* One more, so that the end is seen without growing. */
        guess = (size_t)(length - input->taken) + (input->end - input->start) + 1;
    else if (length >= input->taken)
        guess = GROW_MAX;
    return guess < wanted ? guess : wanted;
}

/* Exactly `wanted` bytes unless the body ends before. */
static PyObject *read_bytes(struct input_object *input, size_t wanted)
{
    size_t room = first_room(input, wanted), used;
    PyObject *result = PyBytes_FromStringAndSize(NULL, (Py_ssize_t)room);

    if (result == NULL)
        return NULL;
    used = take_buffered(input, PyBytes_AS_STRING(result), room);
    while (used < wanted) {
        Py_ssize_t count;

        if (used == room) {
            room = room < wanted / 2 ? room * 2 : wanted;
            if (_PyBytes_Resize(&result, (Py_ssize_t)room) != 0)
                return NULL;
        }
        count = receive(input, PyBytes_AS_STRING(result) + used, room - used);
        if (count < 0) {
            Py_DECREF(result);
            return NULL;
        }
        if (count == 0)
            break;
        used += (size_t)count;
    }
    if (used != room && _PyBytes_Resize(&result, (Py_ssize_t)used) != 0)
        return NULL;
    return result;
}

/* The optional size argument: None and negative mean no limit. */
static int parse_size(PyObject *const *arguments, Py_ssize_t count, const char *method,
                      size_t *size)
{
    Py_ssize_t value = -1;

    if (count > 1) {
        PyErr_Format(PyExc_TypeError, "%s() takes at most 1 argument (%zd given)", method, count);
        return -1;
    }
    if (count == 1 && arguments[0] != Py_None) {
        value = PyNumber_AsSsize_t(arguments[0], PyExc_OverflowError);
        if (value == -1 && PyErr_Occurred())
            return -1;
    }
    *size = value < 0 ? (size_t)PY_SSIZE_T_MAX - 1 : (size_t)value;
    return 0;
}

static PyObject *input_read(PyObject *self, PyObject *const *arguments, Py_ssize_t count)
{
    struct input_object *input = (struct input_object *)self;
    struct wsgi_run *run;
    size_t size;

    if (parse_size(arguments, count, "read", &size) != 0)
        return NULL;
    run = begin_use(input);
    if (run == NULL)
        return NULL;
    if (size == 0)
        want(input);
    return end_use(run, read_bytes(input, size));
}

/* ---- lines --------------------------------------------------------------- */

/* Room for at least one more byte behind what is buffered. */
static int make_room(struct input_object *input)
{
    size_t size = input->size ? input->size * 2 : LINE_ROOM;
    char *buffer;

    if (input->start == input->end)
        input->start = input->end = 0;
    if (input->end < input->size)
        return 0;
    if (input->start > 0) {
        memmove(input->buffer, input->buffer + input->start, input->end - input->start);
        input->end -= input->start;
        input->start = 0;
        return 0;
    }
    buffer = realloc(input->buffer, size);
    if (buffer == NULL) {
        PyErr_NoMemory();
        return -1;
    }
    input->buffer = buffer;
    input->size = size;
    return 0;
}

/* Length of the next line, at most `limit`; buffered whole. -1 with an exception. */
static Py_ssize_t find_line(struct input_object *input, size_t limit)
{
    size_t seen = 0;

    for (;;) {
        size_t have = input->end - input->start;
        size_t until = have < limit ? have : limit;
        const char *at = input->buffer != NULL ? input->buffer + input->start : NULL;
        const char *newline = until > seen ? memchr(at + seen, '\n', until - seen) : NULL;
        Py_ssize_t count;

        if (newline != NULL)
            return newline - at + 1;
        if (until == limit)
            return (Py_ssize_t)limit;
        seen = have;
        if (make_room(input) != 0)
            return -1;
        count = receive(input, input->buffer + input->end, input->size - input->end);
        if (count < 0)
            return -1;
        if (count == 0)
            return (Py_ssize_t)have;
        input->end += (size_t)count;
    }
}

static PyObject *next_line(struct input_object *input, size_t limit)
{
    Py_ssize_t size = find_line(input, limit);
    PyObject *line;

    if (size < 0)
        return NULL;
    line = PyBytes_FromStringAndSize(size > 0 ? input->buffer + input->start : NULL, size);
    if (line != NULL)
        input->start += (size_t)size;
    return line;
}

static PyObject *input_readline(PyObject *self, PyObject *const *arguments, Py_ssize_t count)
{
    struct input_object *input = (struct input_object *)self;
    struct wsgi_run *run;
    size_t size;

    if (parse_size(arguments, count, "readline", &size) != 0)
        return NULL;
    run = begin_use(input);
    if (run == NULL)
        return NULL;
    return end_use(run, next_line(input, size));
}

static PyObject *read_lines(struct input_object *input, size_t hint)
{
    PyObject *lines = PyList_New(0);
    size_t total = 0;

    while (lines != NULL && total < hint) {
        PyObject *line = next_line(input, PY_SSIZE_T_MAX);
        size_t size = line != NULL ? (size_t)PyBytes_GET_SIZE(line) : 0;

        if (line == NULL || (size > 0 && PyList_Append(lines, line) != 0))
            Py_CLEAR(lines);
        Py_XDECREF(line);
        if (size == 0)
            break;
        total += size;
    }
    return lines;
}

static PyObject *input_readlines(PyObject *self, PyObject *const *arguments, Py_ssize_t count)
{
    struct input_object *input = (struct input_object *)self;
    struct wsgi_run *run;
    size_t hint;

    if (parse_size(arguments, count, "readlines", &hint) != 0)
        return NULL;
    run = begin_use(input);
    if (run == NULL)
        return NULL;
    return end_use(run, read_lines(input, hint != 0 ? hint : PY_SSIZE_T_MAX));
}

static PyObject *input_next(PyObject *self)
{
    struct input_object *input = (struct input_object *)self;
    struct wsgi_run *run = begin_use(input);
    PyObject *line = run != NULL ? end_use(run, next_line(input, PY_SSIZE_T_MAX)) : NULL;

    if (line != NULL && PyBytes_GET_SIZE(line) == 0)
        Py_CLEAR(line); /* without an exception: the end */
    return line;
}

/* ---- the type ------------------------------------------------------------ */

static PyObject *input_close(PyObject *self, PyObject *unused)
{
    (void)self;
    (void)unused;
    Py_RETURN_NONE;
}

static void input_dealloc(PyObject *self)
{
    PyTypeObject *type = Py_TYPE(self);

    free(((struct input_object *)self)->buffer);
    type->tp_free(self);
    Py_DECREF(type);
}

static PyMethodDef input_methods[] = {
    {"read", (PyCFunction)(void (*)(void))input_read, METH_FASTCALL, read_doc},
    {"readline", (PyCFunction)(void (*)(void))input_readline, METH_FASTCALL, readline_doc},
    {"readlines", (PyCFunction)(void (*)(void))input_readlines, METH_FASTCALL, readlines_doc},
    {"close", input_close, METH_NOARGS, close_doc},
    {NULL, NULL, 0, NULL},
};

static PyType_Slot input_slots[] = {
    {Py_tp_dealloc, (void *)input_dealloc}, {Py_tp_iter, (void *)PyObject_SelfIter},
    {Py_tp_iternext, (void *)input_next},   {Py_tp_methods, input_methods},
    {Py_tp_doc, (void *)input_doc},         WSGI_COMPAT_SLOT_CLOSED{0, NULL},
};

static PyType_Spec input_spec = {
    .name = "mod_wsgi.Input",
    .basicsize = sizeof(struct input_object),
    .flags = Py_TPFLAGS_DEFAULT | WSGI_COMPAT_TYPE_CLOSED,
    .slots = input_slots,
};

PyTypeObject *wsgi_input_make_type(PyObject *module)
{
    (void)module;
    return (PyTypeObject *)PyType_FromSpec(&input_spec);
}

PyObject *wsgi_input_new(struct wsgi_run *run)
{
    PyTypeObject *type = run->interp->objects.input_type;
    PyObject *self = type->tp_alloc(type, 0);

    if (self != NULL)
        ((struct input_object *)self)->run = run;
    return self;
}

void wsgi_input_end(PyObject *input)
{
    ((struct input_object *)input)->run = NULL;
}
