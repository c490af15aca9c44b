/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Log records and text streams.
 *
 * A stream is an io.TextIOWrapper over a mod_wsgi.Log object. One stream serves all threads of an
 * interpreter: which log a line belongs to, and the incomplete last line, are the writing
 * thread's. The wrapper writes through without line buffering, because it would flush half lines.
 */
#include "stream.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "run.h"

struct log_object {
    PyObject_HEAD enum wsgi_stream stream;
};

static const char *const stream_names[WSGI_STREAMS] = {"<stderr>", "<stdout>", "<wsgi.errors>"};

/* ---- records ------------------------------------------------------------- */

/* Records above this level are wanted by no virtual host. */
static int is_wanted(int level)
{
    return level <= wsgi_process.settings.log_level || level <= WSGI_LOG_WARNING;
}

/* Detached, or when `run` is NULL in any state. */
static void put_record(struct wsgi_run *run, int level, const struct wsgi_place *place,
                       const char *text, size_t size)
{
    char placed[WSGI_LOG_PIECE];

    if (!is_wanted(level))
        return;
    if (place != NULL) {
        memcpy(placed, place->text, place->size);
        memcpy(placed + place->size, text, size);
        level |= WSGI_LOG_PLACED;
        text = placed;
        size += place->size;
    }
    if (run != NULL)
        run->transport->log(run->context, level, text, size);
    else if (wsgi_process.host != NULL)
        wsgi_process.host->log(level, text, size);
}

void wsgi_place_set(struct wsgi_place *place, const char *file, size_t file_size, int line)
{
    size_t i;

    /* The end of a path says most. */
    if (file_size > WSGI_LOG_FILE_MAX) {
        file += file_size - WSGI_LOG_FILE_MAX;
        file_size = WSGI_LOG_FILE_MAX;
    }
    for (i = 0; i < file_size; i++)
        place->text[i] = file[i] == '\0' || file[i] == '\n' ? '?' : file[i];
    place->text[i++] = '\0';
    place->size = i + (size_t)snprintf(place->text + i, sizeof place->text - i, "%d", line) + 1;
}

void wsgi_log(int level, struct wsgi_run *run, const char *format, ...)
{
    char text[1024];
    va_list arguments;
    int size;

    va_start(arguments, format);
    size = vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    if (size < 0)
        return;
    put_record(run, level, NULL, text, (size_t)size < sizeof text ? (size_t)size : sizeof text - 1);
}

void wsgi_log_attached(int level, const char *format, ...)
{
    char text[1024];
    va_list arguments;
    int size;

    if (!is_wanted(level))
        return;
    va_start(arguments, format);
    size = vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    if (size >= 0)
        wsgi_log_lines(level, text, (size_t)size < sizeof text ? (size_t)size : sizeof text - 1);
}

/* Where to cut: at the last line end that fits, else before an incomplete UTF-8 sequence. */
static size_t cut(const char *text, size_t size, size_t most)
{
    size_t piece = most;
    const char *newline;

    if (size <= piece)
        return size;
    newline = memrchr(text, '\n', piece);
    if (newline != NULL && newline != text)
        return (size_t)(newline - text) + 1;
    while (piece > most - 4 && ((unsigned char)text[piece] & 0xC0) == 0x80)
        piece--;
    return piece;
}

static void put_pieces(struct wsgi_run *run, int level, const struct wsgi_place *place,
                       const char *text, size_t size)
{
    size_t most = WSGI_LOG_PIECE - (place != NULL ? place->size : 0);

    while (size > 0) {
        size_t piece = cut(text, size, most);
        size_t shown = piece;

        while (shown > 0 && (text[shown - 1] == '\n' || text[shown - 1] == '\r'))
            shown--;
        if (shown > 0)
            put_record(run, level, place, text, shown);
        text += piece;
        size -= piece;
    }
}

void wsgi_log_placed(int level, const struct wsgi_place *place, const char *text, size_t size)
{
    struct wsgi_thread *thread = wsgi_thread_self();
    /* The connection of the request belongs to the parent of a forked process. */
    struct wsgi_run *run = thread != NULL && !wsgi_process.forked ? thread->run : NULL;
    PyThreadState *state;

    if (run != NULL) {
        state = wsgi_run_enter(run);
        put_pieces(run, level, place, text, size);
        wsgi_run_leave(run, state);
        return;
    }
    /* A host's log may block (a file): not while others wait for Python. */
    state = PyEval_SaveThread();
    put_pieces(NULL, level, place, text, size);
    PyEval_RestoreThread(state);
}

void wsgi_log_lines(int level, const char *text, size_t size)
{
    wsgi_log_placed(level, NULL, text, size);
}

/* ---- lines --------------------------------------------------------------- */

static void flush_line(struct wsgi_line *line)
{
    char text[WSGI_LOG_PIECE];
    size_t size = line->used;

    if (size == 0)
        return;
    /* Copied first: while detached, nothing else touches this thread's lines, but a log function
     * may come back here in embedded Python code of a handler. */
    memcpy(text, line->data, size);
    line->used = 0;
    wsgi_log_lines(WSGI_LOG_ERR, text, size);
}

static int keep(struct wsgi_line *line, const char *text, size_t size)
{
    if (line->data == NULL) {
        line->data = malloc(WSGI_LOG_PIECE);
        if (line->data == NULL)
            return -1;
    }
    while (size > 0) {
        size_t room = WSGI_LOG_PIECE - line->used;
        size_t piece = size < room ? size : room;

        memcpy(line->data + line->used, text, piece);
        line->used += piece;
        text += piece;
        size -= piece;
        if (line->used == WSGI_LOG_PIECE)
            flush_line(line);
    }
    return 0;
}

/* Complete lines go to the log at once, the rest waits. */
static int write_text(enum wsgi_stream stream, const char *text, size_t size)
{
    struct wsgi_thread *thread = wsgi_thread_self();
    struct wsgi_line *line;
    const char *newline;
    size_t whole;

    if (thread == NULL)
        return -1;
    line = &thread->lines[stream];
    newline = memrchr(text, '\n', size);
    if (newline == NULL)
        return keep(line, text, size);
    whole = (size_t)(newline - text) + 1;
    if (line->used > 0) {
        const char *first = memchr(text, '\n', size);
        size_t rest = (size_t)(first - text);

        if (keep(line, text, rest) != 0)
            return -1;
        flush_line(line);
        text += rest + 1;
        size -= rest + 1;
        whole -= rest + 1;
    }
    wsgi_log_lines(WSGI_LOG_ERR, text, whole);
    return keep(line, text + whole, size - whole);
}

void wsgi_stream_flush_thread(struct wsgi_thread *thread)
{
    int i;

    for (i = 0; i < WSGI_STREAMS; i++)
        if (thread->lines[i].used > 0)
            flush_line(&thread->lines[i]);
}

void wsgi_stream_drop_thread(struct wsgi_thread *thread)
{
    int i;

    for (i = 0; i < WSGI_STREAMS; i++) {
        put_pieces(NULL, WSGI_LOG_ERR, NULL, thread->lines[i].data, thread->lines[i].used);
        free(thread->lines[i].data);
        memset(&thread->lines[i], 0, sizeof thread->lines[i]);
    }
}

/* ---- mod_wsgi.Log -------------------------------------------------------- */

static PyObject *log_write(PyObject *self, PyObject *data)
{
    struct log_object *log = (struct log_object *)self;
    Py_buffer view;
    int result;

    /* str is accepted here as in 6.1.1, where it is deprecated. */
    if (PyUnicode_Check(data)) {
        PyObject *bytes = PyUnicode_AsEncodedString(data, "utf-8", "replace");
        PyObject *written = bytes != NULL ? log_write(self, bytes) : NULL;

        Py_XDECREF(bytes);
        return written;
    }
    if (PyObject_GetBuffer(data, &view, PyBUF_SIMPLE) != 0)
        return NULL;
    result = view.len > 0 ? write_text(log->stream, view.buf, (size_t)view.len) : 0;
    data = PyLong_FromSsize_t(view.len);
    PyBuffer_Release(&view);
    if (result != 0) {
        Py_XDECREF(data);
        return PyErr_NoMemory();
    }
    return data;
}

static PyObject *log_writelines(PyObject *self, PyObject *lines)
{
    PyObject *iterator = PyObject_GetIter(lines);
    PyObject *line;

    if (iterator == NULL)
        return NULL;
    while ((line = PyIter_Next(iterator)) != NULL) {
        PyObject *written = log_write(self, line);

        Py_DECREF(line);
        if (written == NULL)
            break;
        Py_DECREF(written);
    }
    Py_DECREF(iterator);
    if (PyErr_Occurred())
        return NULL;
    Py_RETURN_NONE;
}

static PyObject *log_flush(PyObject *self, PyObject *unused)
{
    struct wsgi_thread *thread = wsgi_thread_self();

    (void)unused;
    if (thread != NULL)
        flush_line(&thread->lines[((struct log_object *)self)->stream]);
    Py_RETURN_NONE;
}

static PyObject *log_fileno(PyObject *self, PyObject *unused)
{
    (void)self;
    (void)unused;
    PyErr_SetString(PyExc_OSError, "the log has no file descriptor");
    return NULL;
}

static PyObject *log_false(PyObject *self, PyObject *unused)
{
    (void)self;
    (void)unused;
    Py_RETURN_FALSE;
}

static PyObject *log_true(PyObject *self, PyObject *unused)
{
    (void)self;
    (void)unused;
    Py_RETURN_TRUE;
}

static PyObject *log_get_name(PyObject *self, void *unused)
{
    (void)unused;
    return PyUnicode_FromString(stream_names[((struct log_object *)self)->stream]);
}

static PyObject *log_get_text(PyObject *self, void *text)
{
    (void)self;
    return PyUnicode_FromString(text);
}

static PyObject *log_get_closed(PyObject *self, void *unused)
{
    (void)self;
    (void)unused;
    Py_RETURN_FALSE;
}

static void log_dealloc(PyObject *self)
{
    PyTypeObject *type = Py_TYPE(self);

    type->tp_free(self);
    Py_DECREF(type);
}

PyDoc_STRVAR(log_doc, "The server's error log as a binary file: each line is a record.");
PyDoc_STRVAR(write_doc, "write($self, data, /)\n--\n\nLogs bytes; an incomplete last line waits.");
PyDoc_STRVAR(writelines_doc, "writelines($self, lines, /)\n--\n\nwrite() for each item.");
PyDoc_STRVAR(flush_doc, "flush($self, /)\n--\n\nLogs an incomplete last line of this thread.");
PyDoc_STRVAR(close_doc, "close($self, /)\n--\n\nAs flush(): the log stays open.");
PyDoc_STRVAR(fileno_doc, "fileno($self, /)\n--\n\nRaises OSError: there is no descriptor.");
PyDoc_STRVAR(isatty_doc, "isatty($self, /)\n--\n\nFalse.");
PyDoc_STRVAR(readable_doc, "readable($self, /)\n--\n\nFalse.");
PyDoc_STRVAR(seekable_doc, "seekable($self, /)\n--\n\nFalse.");
PyDoc_STRVAR(writable_doc, "writable($self, /)\n--\n\nTrue.");

static PyMethodDef log_methods[] = {
    {"write", log_write, METH_O, write_doc},
    {"writelines", log_writelines, METH_O, writelines_doc},
    {"flush", log_flush, METH_NOARGS, flush_doc},
    {"close", log_flush, METH_NOARGS, close_doc},
    {"fileno", log_fileno, METH_NOARGS, fileno_doc},
    {"isatty", log_false, METH_NOARGS, isatty_doc},
    {"readable", log_false, METH_NOARGS, readable_doc},
    {"seekable", log_false, METH_NOARGS, seekable_doc},
    {"writable", log_true, METH_NOARGS, writable_doc},
    {NULL, NULL, 0, NULL},
};

static PyGetSetDef log_members[] = {
    {"name", log_get_name, NULL, NULL, NULL},
    {"mode", log_get_text, NULL, NULL, (void *)"wb"},
    {"encoding", log_get_text, NULL, NULL, (void *)"utf-8"},
    {"errors", log_get_text, NULL, NULL, (void *)"replace"},
    {"closed", log_get_closed, NULL, NULL, NULL},
    {NULL, NULL, NULL, NULL, NULL},
};

static PyType_Slot log_slots[] = {
    {Py_tp_dealloc, (void *)log_dealloc}, {Py_tp_doc, (void *)log_doc},
    {Py_tp_methods, log_methods},         {Py_tp_getset, log_members},
    WSGI_COMPAT_SLOT_CLOSED{0, NULL},
};

static PyType_Spec log_spec = {
    .name = "mod_wsgi.Log",
    .basicsize = sizeof(struct log_object),
    .flags = Py_TPFLAGS_DEFAULT | WSGI_COMPAT_TYPE_CLOSED,
    .slots = log_slots,
};

PyTypeObject *wsgi_stream_make_type(PyObject *module)
{
    (void)module;
    return (PyTypeObject *)PyType_FromSpec(&log_spec);
}

PyObject *wsgi_stream_new(struct wsgi_interp *interp, enum wsgi_stream stream)
{
    PyTypeObject *type = interp->objects.log_type;
    PyObject *log = type->tp_alloc(type, 0);
    PyObject *io, *wrapper_type, *keywords, *arguments, *wrapper = NULL;

    if (log == NULL)
        return NULL;
    ((struct log_object *)log)->stream = stream;
    io = PyImport_ImportModule("io");
    wrapper_type = io != NULL ? PyObject_GetAttrString(io, "TextIOWrapper") : NULL;
    keywords = Py_BuildValue("{s:s,s:s,s:O}", "encoding", "utf-8", "errors", "replace",
                             "write_through", Py_True);
    arguments = PyTuple_Pack(1, log);
    if (wrapper_type != NULL && keywords != NULL && arguments != NULL)
        wrapper = PyObject_Call(wrapper_type, arguments, keywords);
    Py_XDECREF(arguments);
    Py_XDECREF(keywords);
    Py_XDECREF(wrapper_type);
    Py_XDECREF(io);
    Py_DECREF(log);
    return wrapper;
}
