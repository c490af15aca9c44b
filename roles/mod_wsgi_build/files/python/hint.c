/* SPDX-License-Identifier: Apache-2.0 */
/* One more line for exceptions that mean: not in a sub-interpreter. */
#include "hint.h"

#include <string.h>

#include "../wire/outcome.h"
#include "stream.h"

#define CHAIN_MAX 32 /* exceptions looked at, from the last back to the first */

/* What extension modules say, and Python on their behalf. */
static const char *const extension_texts[] = {
    "does not support loading in subinterpreters",   /* Python, own GIL */
    "do not yet support subinterpreters",            /* PyO3 */
    "may only be initialized once per interpreter",  /* PyO3 with Python 3.8 */
    "loaded into one interpreter per process",       /* Cython */
    "cannot load module more than once per process", /* NumPy */
    "CPU dispatcher tracer already init",            /* NumPy */
    "does not support sub-interpreters",             /* pybind11 and others */
    "does not support subinterpreters",
    "multiple interpreters",
};

/* What Python itself refuses there. */
static const char *const other_texts[] = {
    "not supported for subinterpreters",
    "not supported within subinterpreters",
};

/* And only in an interpreter with a GIL of its own. */
static const char *const isolated_texts[] = {
    "not supported for isolated subinterpreters",
    "daemon threads are disabled in this",
};

#define COUNT(array) (sizeof(array) / sizeof(*(array)))

enum kind { NEITHER, EXTENSION, OTHER, ISOLATED };

static int contains_any(const char *text, const char *const *parts, size_t count)
{
    size_t i;

    for (i = 0; i < count; i++)
        if (strstr(text, parts[i]) != NULL)
            return 1;
    return 0;
}

static enum kind kind_of(PyObject *error)
{
    PyObject *message = PyObject_Str(error);
    const char *text = message != NULL ? PyUnicode_AsUTF8(message) : NULL;
    enum kind kind = NEITHER;

    if (text == NULL)
        PyErr_Clear();
    else if (contains_any(text, extension_texts, COUNT(extension_texts)))
        kind = EXTENSION;
    else if (contains_any(text, other_texts, COUNT(other_texts)))
        kind = OTHER;
    else if (contains_any(text, isolated_texts, COUNT(isolated_texts)))
        kind = ISOLATED;
    Py_XDECREF(message);
    return kind;
}

/* The earliest exception of the chain that is of such a kind, a new reference: frameworks wrap
 * it. NULL: none is. */
static PyObject *find(PyObject *error, enum kind *kind)
{
    PyObject *found = NULL, *next, *at = wsgi_compat_new_ref(error);
    int depth;

    for (depth = 0; at != NULL && depth < CHAIN_MAX; depth++) {
        enum kind this = kind_of(at);

        if (this != NEITHER) {
            *kind = this;
            Py_XSETREF(found, wsgi_compat_new_ref(at));
        }
        next = PyException_GetCause(at);
        if (next == NULL)
            next = PyException_GetContext(at);
        Py_SETREF(at, next);
    }
    Py_XDECREF(at);
    return found;
}

/*
 * The name of the extension module that an exception is about: Python says it, else it is what the
 * innermost statement with a source imports.
 */
static const char name_code[] =
    "import ast, importlib.util, linecache, re, sys\n"
    "\n"
    "def imported(node, package):\n"
    "    if isinstance(node, ast.Import):\n"
    "        names = [alias.name for alias in node.names]\n"
    "        return next((name for name in names if name not in sys.modules), names[0])\n"
    "    base = node.module or ''\n"
    "    if node.level:\n"
    "        base = importlib.util.resolve_name('.' * node.level + base, package)\n"
    "    return base if node.module else '%s.%s' % (base, node.names[0].name)\n"
    "\n"
    "def extension(error):\n"
    "    said = re.search(r'module (\\S+) does not support', str(error))\n"
    "    if said:\n"
    "        return said.group(1)\n"
    "    trace, place = error.__traceback__, None\n"
    "    while trace is not None:\n"
    "        name = trace.tb_frame.f_code.co_filename\n"
    "        if not name.startswith('<') and linecache.getlines(name):\n"
    "            place = trace\n"
    "        trace = trace.tb_next\n"
    "    if place is None:\n"
    "        return None\n"
    "    frame, line = place.tb_frame, place.tb_lineno\n"
    "    source = ''.join(linecache.getlines(frame.f_code.co_filename))\n"
    "    for node in ast.walk(ast.parse(source)):\n"
    "        if (isinstance(node, (ast.Import, ast.ImportFrom))\n"
    "                and node.lineno <= line <= node.end_lineno):\n"
    "            return imported(node, frame.f_globals.get('__package__') or '')\n"
    "    return frame.f_globals.get('__name__')\n"
    "\n"
    "name = extension(error)\n";

/* A new reference to a text, or NULL without an exception. */
static PyObject *extension_name(PyObject *error)
{
    PyObject *names = PyDict_New(), *result = NULL, *name = NULL;

    if (names != NULL && PyDict_SetItemString(names, "error", error) == 0 &&
        PyDict_SetItemString(names, "__builtins__", PyEval_GetBuiltins()) == 0)
        result = PyRun_String(name_code, Py_file_input, names, names);
    if (result != NULL)
        name = PyDict_GetItemString(names, "name");
    if (name != NULL && PyUnicode_Check(name))
        Py_INCREF(name);
    else
        name = NULL;
    Py_XDECREF(result);
    Py_XDECREF(names);
    PyErr_Clear();
    return name;
}

#define MAIN_INTERPRETER                                                                           \
    "run the application in the main interpreter, with WSGIApplicationGroup %{GLOBAL}, or "        \
    "application-group=%{GLOBAL} at its WSGIScriptAlias, and give it a process group of its own"

static const char *remedy(const struct wsgi_interp *interp, enum kind kind)
{
    return interp->own_gil && kind != OTHER
               ? "set WSGIPerInterpreterGIL Off for it, or " MAIN_INTERPRETER
               : MAIN_INTERPRETER;
}

static void log_extension(const struct wsgi_interp *interp, PyObject *error)
{
    PyObject *name = extension_name(error);
    const char *text = name != NULL ? PyUnicode_AsUTF8(name) : NULL;

    if (text == NULL)
        PyErr_Clear();
    wsgi_log_attached(WSGI_LOG_ERR,
                      "WSGI%04d: extension module %s refuses to work in "
                      "sub-interpreter '%s': %s",
                      WSGI_CODE_EXTENSION_REFUSES, text != NULL ? text : "(see the traceback)",
                      interp->name, remedy(interp, EXTENSION));
    Py_XDECREF(name);
}

void wsgi_hint_log(struct wsgi_interp *interp, PyObject *error)
{
    enum kind kind = NEITHER;
    PyObject *found;

    if (interp->is_main)
        return;
    found = find(error, &kind);
    if (kind == EXTENSION)
        log_extension(interp, found);
    else if (kind != NEITHER)
        wsgi_log_attached(WSGI_LOG_ERR,
                          "WSGI%04d: Python does not do this in sub-interpreter "
                          "'%s': %s",
                          WSGI_CODE_EXTENSION_REFUSES, interp->name, remedy(interp, kind));
    Py_XDECREF(found);
}
