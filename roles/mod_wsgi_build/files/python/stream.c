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

#include "../wire/logtext.h"
#include "run.h"

struct log_object {
    PyObject_HEAD enum wsgi_stream stream;
};

static const char *const stream_names[WSGI_STREAMS] = {"<stderr>", "<stdout>", "<wsgi.errors>"};

/* ---- records ------------------------------------------------------------- */

/* Records above this level are wanted by no virtual host. */
static int is_wanted(int level)
{
    level &= 7; /* without WSGI_LOG_* */
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

/* Several lines as few calls; httpd makes each line a record. */
static void put_lines(struct wsgi_run *run, int level, const struct wsgi_place *place,
                      const char *text, size_t size)
{
    size_t most = WSGI_LOG_PIECE - (place != NULL ? place->size : 0);

    while (size > 0) {
        size_t piece = cut(text, size, most);
        size_t shown = wsgi_logtext_trim(text, piece);

        if (shown > 0)
            put_record(run, level, place, text, shown);
        text += piece;
        size -= piece;
    }
}

/* All lines as one record, in pieces only where httpd would cut it. */
static void put_whole(struct wsgi_run *run, int level, const struct wsgi_place *place,
                      const char *text, size_t size)
{
    size = wsgi_logtext_trim(text, size);
    while (size > 0) {
        size_t piece = wsgi_logtext_cut(text, size);
        size_t shown = wsgi_logtext_trim(text, piece);

        if (shown > 0)
            put_record(run, level | WSGI_LOG_WHOLE, place, text, shown);
        text += piece;
        size -= piece;
    }
}

static int keeps_lines(void)
{
    return (wsgi_process.settings.log_flags & WSGI_LOG_KEEP_LINES) != 0;
}

static void put_pieces(struct wsgi_run *run, int level, const struct wsgi_place *place,
                       const char *text, size_t size)
{
    if (keeps_lines())
        put_whole(run, level, place, text, size);
    else
        put_lines(run, level, place, text, size);
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

static int level_of(enum wsgi_stream stream, int note)
{
    if (note & WSGI_NOTE_LEVEL)
        return note & 7;
    return (int)(stream == WSGI_STREAM_STDOUT ? wsgi_process.settings.stdout_level
                                              : wsgi_process.settings.stderr_level);
}

/* The first `size` bytes of what waits. They are copied first: while detached, nothing else touches
 * this thread's lines, but a log function may come back here in embedded Python code of a
 * handler. */
static void flush_bytes(enum wsgi_stream stream, struct wsgi_line *line, size_t size)
{
    char text[WSGI_LOG_PIECE];

    if (size == 0)
        return;
    memcpy(text, line->data, size);
    line->used -= size;
    memmove(line->data, line->data + size, line->used);
    wsgi_log_lines(level_of(stream, line->note), text, size);
}

static void flush_line(enum wsgi_stream stream, struct wsgi_line *line)
{
    flush_bytes(stream, line, line->used);
}

static int keep(enum wsgi_stream stream, struct wsgi_line *line, const char *text, size_t size)
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
            flush_bytes(stream, line,
                        keeps_lines() ? wsgi_logtext_cut(line->data, line->used) : line->used);
    }
    return 0;
}

/* Complete lines go to the log at once, the rest waits. */
static int write_lines(enum wsgi_stream stream, struct wsgi_line *line, const char *text,
                       size_t size)
{
    const char *newline = memrchr(text, '\n', size);
    size_t whole;

    if (newline == NULL)
        return keep(stream, line, text, size);
    whole = (size_t)(newline - text) + 1;
    if (line->used > 0) {
        const char *first = memchr(text, '\n', size);
        size_t rest = (size_t)(first - text);

        if (keep(stream, line, text, rest) != 0)
            return -1;
        flush_line(stream, line);
        text += rest + 1;
        size -= rest + 1;
        whole -= rest + 1;
    }
    wsgi_log_lines(level_of(stream, line->note), text, whole);
    return keep(stream, line, text + whole, size - whole);
}

/* 1: Python is writing a traceback, line by line, and its last line is still to come: the first
 * one that is not indented. */
static int is_in_traceback(const char *text, size_t size)
{
    static const char first[] = "Traceback (most recent call last):";
    const char *end = text + size;
    int inside = 0;

    while (text < end) {
        const char *newline = memchr(text, '\n', (size_t)(end - text));

        if ((size_t)(end - text) >= sizeof first - 1 && memcmp(text, first, sizeof first - 1) == 0)
            inside = 1;
        else if (*text != ' ' && *text != '\n')
            inside = 0;
        text = newline != NULL ? newline + 1 : end;
    }
    return inside;
}

/* What ends with a line end goes to the log with all its lines. */
static int write_whole(enum wsgi_stream stream, struct wsgi_line *line, const char *text,
                       size_t size)
{
    if (keep(stream, line, text, size) != 0)
        return -1;
    if (!(line->note & WSGI_NOTE_HOLD) && text[size - 1] == '\n' &&
        !is_in_traceback(line->data, line->used))
        flush_line(stream, line);
    return 0;
}

static int write_text(enum wsgi_stream stream, const char *text, size_t size)
{
    struct wsgi_thread *thread = wsgi_thread_self();
    struct wsgi_line *line;

    if (thread == NULL)
        return -1;
    line = &thread->lines[stream];
    if (line->note != thread->note)
        flush_line(stream, line);
    line->note = thread->note;
    return keeps_lines() ? write_whole(stream, line, text, size)
                         : write_lines(stream, line, text, size);
}

int wsgi_stream_note(int note)
{
    struct wsgi_thread *thread = wsgi_thread_self();
    int former, i;

    if (thread == NULL)
        return 0;
    former = thread->note;
    for (i = 0; i < WSGI_STREAMS && former != 0; i++)
        if (thread->lines[i].note == former)
            flush_line((enum wsgi_stream)i, &thread->lines[i]);
    thread->note = note;
    return former;
}

int wsgi_stream_noted(void)
{
    struct wsgi_thread *thread = wsgi_thread_self();

    return thread != NULL ? thread->note : 0;
}

void wsgi_stream_flush_thread(struct wsgi_thread *thread)
{
    int i;

    for (i = 0; i < WSGI_STREAMS; i++)
        flush_line((enum wsgi_stream)i, &thread->lines[i]);
}

void wsgi_stream_drop_thread(struct wsgi_thread *thread)
{
    int i;

    for (i = 0; i < WSGI_STREAMS; i++) {
        struct wsgi_line *line = &thread->lines[i];

        put_pieces(NULL, level_of((enum wsgi_stream)i, line->note), NULL, line->data, line->used);
        free(line->data);
        memset(line, 0, sizeof *line);
    }
}

/* ---- mod_wsgi.Log -------------------------------------------------------- */

/* str is accepted as in 6.1.1, where it is deprecated and told once. */
static int warn_of_text(void)
{
    if (__atomic_exchange_n(&wsgi_process.text_told, 1, __ATOMIC_RELAXED))
        return 0;
    return PyErr_WarnEx(PyExc_DeprecationWarning,
                        "the binary stream below sys.stderr, sys.stdout or wsgi.errors was given "
                        "str; write bytes to it, or str to the text stream",
                        1);
}

static PyObject *log_write(PyObject *self, PyObject *data)
{
    struct log_object *log = (struct log_object *)self;
    Py_buffer view;
    int result;

    if (PyUnicode_Check(data)) {
        PyObject *bytes =
            warn_of_text() == 0 ? PyUnicode_AsEncodedString(data, "utf-8", "replace") : NULL;
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
    enum wsgi_stream stream = ((struct log_object *)self)->stream;
    struct wsgi_line *line = thread != NULL ? &thread->lines[stream] : NULL;

    (void)unused;
    if (line != NULL && !(keeps_lines() && (line->note & WSGI_NOTE_HOLD)))
        flush_line(stream, line);
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
