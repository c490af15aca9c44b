/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Records of Python's logging keep their level, tracebacks that Python prints stay in one piece.
 *
 * A stream sees text only. So the functions that write the text say what it is, by a note of the
 * thread (WSGI_NOTE_*), which the streams read. Handlers that write elsewhere are not concerned:
 * the note counts for what gets to one of our streams.
 *
 * The packages are imported here, before the code of a site: an import hook would have to stay in
 * sys.meta_path for that, where applications and tools find it and reorder it. Without
 * WSGILogOptions nothing is imported and nothing changed.
 */
#include "logrecords.h"

#include "process.h"
#include "stream.h"

static const char functions_code[] =
    "from functools import wraps\n"
    "from io import IOBase\n"
    "\n"
    "def is_elsewhere(stream):\n"
    "    if not isinstance(stream, IOBase):\n"
    "        return False\n"
    "    try:\n"
    "        return type(stream.buffer) is not Log\n"
    "    except (AttributeError, ValueError):\n"
    "        return True\n"
    "\n"
    "def watch_records(handler):\n"
    "    handle, handle_error = handler.handle, handler.handleError\n"
    "\n"
    "    @wraps(handle)\n"
    "    def handle_noted(self, record):\n"
    "        if is_elsewhere(getattr(self, 'stream', None)):\n"
    "            return handle(self, record)\n"
    "        former = note_level(record.levelno)\n"
    "        try:\n"
    "            return handle(self, record)\n"
    "        finally:\n"
    "            restore(former)\n"
    "\n"
    "    @wraps(handle_error)\n"
    "    def handle_error_noted(self, record):\n"
    "        former = note_level(None)\n"
    "        try:\n"
    "            return handle_error(self, record)\n"
    "        finally:\n"
    "            restore(former)\n"
    "\n"
    "    handler.handle, handler.handleError = handle_noted, handle_error_noted\n"
    "\n"
    "def watch_prints(owner, name):\n"
    "    original = getattr(owner, name)\n"
    "\n"
    "    @wraps(original)\n"
    "    def print_noted(*arguments, **keywords):\n"
    "        former = note_one()\n"
    "        try:\n"
    "            return original(*arguments, **keywords)\n"
    "        finally:\n"
    "            restore(former)\n"
    "\n"
    "    setattr(owner, name, print_noted)\n";

static const char records_code[] = "from logging import Handler\n"
                                   "watch_records(Handler)\n";

static const char prints_code[] =
    "import traceback\n"
    "watch_prints(traceback, 'print_exception')\n"
    "watch_prints(traceback, 'print_list')\n"
    "if hasattr(traceback.TracebackException, 'print'):  # Python 3.11\n"
    "    watch_prints(traceback.TracebackException, 'print')\n";

/* As LogHandler does it. Somebody's own kind of level is no reason to fail. */
static int syslog_level(long number)
{
    if (number >= 50)
        return WSGI_LOG_CRIT;
    if (number >= 40)
        return WSGI_LOG_ERR;
    if (number >= 30)
        return WSGI_LOG_WARNING;
    return number >= 20 ? WSGI_LOG_INFO : WSGI_LOG_DEBUG;
}

/* note_level(number or None) -> former note */
static PyObject *note_level(PyObject *self, PyObject *number)
{
    int overflow = 0;
    int note = WSGI_NOTE_HOLD;

    (void)self;
    if (PyLong_Check(number)) {
        long value = PyLong_AsLongAndOverflow(number, &overflow);

        if (overflow != 0)
            value = overflow > 0 ? 50 : 0;
        note |= WSGI_NOTE_LEVEL | syslog_level(value);
    }
    return PyLong_FromLong(wsgi_stream_note(note));
}

/* note_one() -> former note: all that follows is one record, the level stays. -1: it is part of a
 * larger one. */
static PyObject *note_one(PyObject *self, PyObject *unused)
{
    (void)self;
    (void)unused;
    if (wsgi_stream_noted() & WSGI_NOTE_HOLD)
        return PyLong_FromLong(-1);
    return PyLong_FromLong(wsgi_stream_note(wsgi_stream_noted() | WSGI_NOTE_HOLD));
}

static PyObject *restore(PyObject *self, PyObject *former)
{
    long note = PyLong_AsLong(former);

    (void)self;
    if (note == -1 && PyErr_Occurred())
        return NULL;
    if (note >= 0)
        wsgi_stream_note((int)note);
    Py_RETURN_NONE;
}

static PyMethodDef functions[] = {
    {"note_level", note_level, METH_O, NULL},
    {"note_one", note_one, METH_NOARGS, NULL},
    {"restore", restore, METH_O, NULL},
    {NULL, NULL, 0, NULL},
};

static int put_functions(PyObject *names)
{
    PyMethodDef *method;

    for (method = functions; method->ml_name != NULL; method++) {
        PyObject *function = PyCFunction_New(method, NULL);
        int result = function != NULL ? PyDict_SetItemString(names, method->ml_name, function) : -1;

        Py_XDECREF(function);
        if (result != 0)
            return -1;
    }
    return 0;
}

static int run(PyObject *names, const char *code)
{
    PyObject *compiled = Py_CompileString(code, "<mod_wsgi>", Py_file_input);
    PyObject *done = compiled != NULL ? PyEval_EvalCode(compiled, names, names) : NULL;

    Py_XDECREF(done);
    Py_XDECREF(compiled);
    return done != NULL ? 0 : -1;
}

int wsgi_logrecords_install(struct wsgi_interp *interp)
{
    int64_t flags = wsgi_process.settings.log_flags;
    PyObject *names;
    int result = -1;

    if (flags == 0)
        return 0;
    names = Py_BuildValue("{s:O,s:s,s:O}", "__builtins__", PyEval_GetBuiltins(), "__name__",
                          "mod_wsgi", "Log", interp->objects.log_type);
    if (names != NULL && put_functions(names) == 0 && run(names, functions_code) == 0 &&
        (!(flags & WSGI_LOG_KEEP_LEVELS) || run(names, records_code) == 0) &&
        (!(flags & WSGI_LOG_KEEP_LINES) || run(names, prints_code) == 0))
        result = 0;
    Py_XDECREF(names);
    return result;
}
