/* SPDX-License-Identifier: Apache-2.0 */
/* mod_wsgi.LogHandler: from Python's logging to the server's error log. */
#include "loghandler.h"

#include <limits.h>

#include "process.h"
#include "stream.h"

/* The part that is said best in Python. It gets: log (function), wanted (highest syslog level
 * that some virtual host logs). */
static const char class_code[] =
    "import logging\n"
    "\n"
    "class LogHandler(logging.Handler):\n"
    "    \"\"\"Sends records of the logging package to the web server's error log.\n"
    "\n"
    "    Within a request a record goes to the log of its virtual host, with the client; else to\n"
    "    the log of the daemon process group, or of the server. 50 and above is logged as crit,\n"
    "    40 as error, 30 as warn, 20 as info, what is below as debug, as far as LogLevel allows;\n"
    "    'LogLevel wsgi:debug' shows everything.\n"
    "    \"\"\"\n"
    "\n"
    "    def emit(self, record):\n"
    "        \"\"\"Logs one record; each line of the formatted text is a line of the log.\"\"\"\n"
    "        try:\n"
    "            number = record.levelno\n"
    "            level = (2 if number >= 50 else 3 if number >= 40 else 4 if number >= 30 else\n"
    "                     6 if number >= 20 else 7)\n"
    "            if level <= 4 or level <= wanted:\n"
    "                log(level, self.format(record), record.pathname, record.lineno)\n"
    "        except RecursionError:\n"
    "            raise\n"
    "        except Exception:\n"
    "            self.handleError(record)\n";

/* Whatever somebody put into a record, a place is only a hint. */
static int set_place(struct wsgi_place *place, PyObject *file, PyObject *line)
{
    PyObject *bytes = file != NULL && PyUnicode_Check(file)
                          ? PyUnicode_AsEncodedString(file, "utf-8", "backslashreplace")
                          : NULL;
    long number = PyLong_Check(line) ? PyLong_AsLong(line) : 0;

    PyErr_Clear();
    if (bytes == NULL || PyBytes_GET_SIZE(bytes) == 0) {
        Py_XDECREF(bytes);
        return 0;
    }
    wsgi_place_set(place, PyBytes_AS_STRING(bytes), (size_t)PyBytes_GET_SIZE(bytes),
                   number > 0 && number < INT_MAX ? (int)number : 0);
    Py_DECREF(bytes);
    return 1;
}

/* A NUL would end the line for httpd. */
static PyObject *encode(PyObject *text)
{
    PyObject *shown = PyObject_CallMethod(text, "replace", "s#s", "\0", (Py_ssize_t)1, "\\x00");
    PyObject *bytes = shown != NULL && PyUnicode_Check(shown)
                          ? PyUnicode_AsEncodedString(shown, "utf-8", "backslashreplace")
                          : NULL;

    Py_XDECREF(shown);
    return bytes;
}

/* log(level, text, pathname, lineno) */
static PyObject *log_record(PyObject *self, PyObject *arguments)
{
    PyObject *text, *file, *line, *bytes;
    struct wsgi_place place;
    int level;

    (void)self;
    if (!PyArg_ParseTuple(arguments, "iUOO", &level, &text, &file, &line))
        return NULL;
    bytes = encode(text);
    if (bytes == NULL)
        return NULL;
    wsgi_log_placed(level, set_place(&place, file, line) ? &place : NULL, PyBytes_AS_STRING(bytes),
                    (size_t)PyBytes_GET_SIZE(bytes));
    Py_DECREF(bytes);
    Py_RETURN_NONE;
}

static PyMethodDef log_method = {"log", log_record, METH_VARARGS, NULL};

PyObject *wsgi_loghandler_make(void)
{
    PyObject *log = PyCFunction_New(&log_method, NULL);
    PyObject *names = log != NULL
                          ? Py_BuildValue("{s:O,s:s,s:O,s:L}", "__builtins__", PyEval_GetBuiltins(),
                                          "__name__", "mod_wsgi", "log", log, "wanted",
                                          (long long)wsgi_process.settings.log_level)
                          : NULL;
    PyObject *done = names != NULL ? PyRun_String(class_code, Py_file_input, names, names) : NULL;
    PyObject *type = done != NULL ? PyDict_GetItemString(names, "LogHandler") : NULL;

    Py_XINCREF(type);
    Py_XDECREF(done);
    Py_XDECREF(names);
    Py_XDECREF(log);
    return type;
}
