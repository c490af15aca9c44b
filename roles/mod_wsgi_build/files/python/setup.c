/* SPDX-License-Identifier: Apache-2.0 */
/* What every interpreter gets before code of a site runs in it. */
#include "interp.h"

#include <string.h>

#include "../wire/engine.h"
#include "run.h"
#include "stream.h"

/*
 * The part that is said best in Python. It gets: is_main, python_path (list), home, user_name,
 * user_home (str or None), pid, log (function of level and text). From 3.12 on a sub-interpreter
 * gets the '' that "python -c" puts on sys.path; the launch code took it from the main one only.
 */
static const char site_code[] =
    "import os, signal, sys\n"
    "\n"
    "def add_paths():\n"
    "    if not is_main and sys.path[:1] == ['']:\n"
    "        del sys.path[0]\n"
    "    before = list(sys.path)\n"
    "    for path in python_path:\n"
    "        try:\n"
    "            import site\n"
    "            site.addsitedir(path)\n"
    "        except Exception as problem:\n"
    "            log(3, 'python-path entry %r cannot be processed: %s: %s'\n"
    "                % (path, type(problem).__name__, problem))\n"
    "    sys.path[:] = [path for path in sys.path if path not in before] + before\n"
    "    if home is not None:\n"
    "        sys.path.insert(0, home)\n"
    "\n"
    "def correct_environment():\n"
    "    if user_name is not None:\n"
    "        for name in ('USER', 'USERNAME', 'LOGNAME'):\n"
    "            if name in os.environ:\n"
    "                os.environ[name] = user_name\n"
    "    if user_home is not None:\n"
    "        os.environ['HOME'] = user_home\n"
    "\n"
    "def intercept_signals():\n"
    "    original = signal.signal\n"
    "    getpid = os.getpid\n"
    "    def intercepted(signalnum, handler):\n"
    "        if getpid() != pid:\n"
    "            return original(signalnum, handler)\n"
    "        import traceback\n"
    "        log(6, 'Callback registration for signal %d ignored.\\n%s'\n"
    "            % (signalnum, ''.join(traceback.format_stack()[:-1])))\n"
    "        return handler\n"
    "    intercepted.__name__ = intercepted.__qualname__ = 'signal'\n"
    "    intercepted.__doc__ = original.__doc__\n"
    "    intercepted.__wrapped__ = original\n"
    "    signal.signal = intercepted\n"
    "\n"
    "sys.argv = ['mod_wsgi']\n"
    "correct_environment()\n"
    "add_paths()\n"
    "intercept_signals()\n";

static PyObject *log_from_python(PyObject *self, PyObject *arguments)
{
    const char *text;
    Py_ssize_t size;
    int level;

    (void)self;
    if (!PyArg_ParseTuple(arguments, "is#", &level, &text, &size))
        return NULL;
    if (level <= wsgi_process.settings.log_level || level <= WSGI_LOG_WARNING)
        wsgi_log_lines(level, text, (size_t)size);
    Py_RETURN_NONE;
}

static PyMethodDef log_method = {"log", log_from_python, METH_VARARGS, NULL};

/* Takes over `value`. */
static int put(PyObject *names, const char *name, PyObject *value)
{
    int result = value != NULL ? PyDict_SetItemString(names, name, value) : -1;

    Py_XDECREF(value);
    return result;
}

static PyObject *text_or_none(const char *text)
{
    if (text == NULL)
        return wsgi_compat_new_ref(Py_None);
    return PyUnicode_DecodeFSDefault(text);
}

static PyObject *path_list(const struct wsgi_settings *settings)
{
    PyObject *list = PyList_New(0);
    size_t i;

    for (i = 0; list != NULL && i < settings->python_path_count; i++) {
        PyObject *path = PyUnicode_DecodeFSDefault(settings->python_path[i]);

        if (path == NULL || PyList_Append(list, path) != 0)
            Py_CLEAR(list);
        Py_XDECREF(path);
    }
    return list;
}

static int run_site_code(const struct wsgi_interp *interp)
{
    const struct wsgi_settings *settings = &wsgi_process.settings;
    PyObject *names = PyDict_New();
    PyObject *result = NULL;

    if (names != NULL &&
        put(names, "__builtins__", wsgi_compat_new_ref(PyEval_GetBuiltins())) == 0 &&
        put(names, "is_main", PyBool_FromLong(interp->is_main)) == 0 &&
        put(names, "python_path", path_list(settings)) == 0 &&
        put(names, "home", text_or_none(settings->home)) == 0 &&
        put(names, "user_name", text_or_none(settings->user_name)) == 0 &&
        put(names, "user_home", text_or_none(settings->user_home)) == 0 &&
        put(names, "pid", PyLong_FromLong((long)wsgi_process.pid)) == 0 &&
        put(names, "log", PyCFunction_New(&log_method, NULL)) == 0)
        result = PyRun_String(site_code, Py_file_input, names, names);
    Py_XDECREF(names);
    Py_XDECREF(result);
    return result != NULL ? 0 : -1;
}

/* ---- objects ------------------------------------------------------------- */

static int fetch(PyObject **place, const char *module_name, const char *name)
{
    PyObject *module = PyImport_ImportModule(module_name);

    *place = module != NULL ? PyObject_GetAttrString(module, name) : NULL;
    Py_XDECREF(module);
    return *place != NULL ? 0 : -1;
}

static int fetch_file_types(struct wsgi_objects *objects)
{
    PyObject *reader = NULL, *random = NULL;
    int result = -1;

    if (fetch(&objects->raw_file_type, "io", "FileIO") == 0 &&
        fetch(&objects->io_base_type, "io", "IOBase") == 0 &&
        fetch(&reader, "io", "BufferedReader") == 0 &&
        fetch(&random, "io", "BufferedRandom") == 0) {
        objects->file_types = PyTuple_Pack(2, reader, random);
        result = objects->file_types != NULL ? 0 : -1;
    }
    Py_XDECREF(reader);
    Py_XDECREF(random);
    return result;
}

static int intern_words(struct wsgi_objects *objects)
{
    int i;

    for (i = 1; i < WSGI_NAME_COUNT; i++) {
        objects->names[i] = PyUnicode_InternFromString(wsgi_name_text((enum wsgi_name)i));
        if (objects->names[i] == NULL)
            return -1;
    }
#define WSGI_WORD(symbol, text)                                                                    \
    objects->word_##symbol = PyUnicode_InternFromString(text);                                     \
    if (objects->word_##symbol == NULL)                                                            \
        return -1;
#include "words.def"
#undef WSGI_WORD
    return 0;
}

static PyObject *server_version(void)
{
    int64_t version = wsgi_process.settings.server_version;

    return Py_BuildValue("(iii)", (int)(version / 1000000), (int)(version / 1000 % 1000),
                         (int)(version % 1000));
}

/* What is equal in all requests of an interpreter. */
static int make_template(struct wsgi_interp *interp)
{
    const struct wsgi_settings *settings = &wsgi_process.settings;
    struct wsgi_objects *objects = &interp->objects;
    PyObject *dict = PyDict_New();
    PyObject *empty = PyUnicode_FromString("");
    int result = -1;

    if (dict != NULL && empty != NULL &&
        put(dict, "wsgi.version", Py_BuildValue("(ii)", 1, 0)) == 0 &&
        put(dict, "wsgi.multithread",
            PyBool_FromLong((settings->flags & WSGI_PROCESS_MULTITHREAD) != 0)) == 0 &&
        put(dict, "wsgi.multiprocess",
            PyBool_FromLong((settings->flags & WSGI_PROCESS_MULTIPROCESS) != 0)) == 0 &&
        put(dict, "wsgi.run_once",
            PyBool_FromLong((settings->flags & WSGI_PROCESS_RUN_ONCE) != 0)) == 0 &&
        put(dict, "wsgi.input_terminated", PyBool_FromLong(1)) == 0 &&
        put(dict, "wsgi.errors", wsgi_compat_new_ref(objects->errors)) == 0 &&
        put(dict, "wsgi.file_wrapper", wsgi_compat_new_ref((PyObject *)objects->wrapper_type)) ==
            0 &&
        put(dict, "apache.version", server_version()) == 0 &&
        put(dict, "mod_wsgi.version",
            Py_BuildValue("(iii)", WSGI_INTERFACE_VERSION_MAJOR, WSGI_INTERFACE_VERSION_MINOR,
                          WSGI_INTERFACE_VERSION_PATCH)) == 0 &&
        PyDict_SetItem(dict, objects->word_handler_script, empty) == 0)
        result = 0;
    Py_XDECREF(empty);
    objects->environ = dict;
    return result;
}

static int replace_stream(struct wsgi_interp *interp, const char *name, enum wsgi_stream stream)
{
    PyObject *object = wsgi_stream_new(interp, stream);
    int result = object != NULL ? PySys_SetObject(name, object) : -1;

    Py_XDECREF(object);
    return result;
}

static int make_streams(struct wsgi_interp *interp)
{
    interp->objects.errors = wsgi_stream_new(interp, WSGI_STREAM_ERRORS);
    if (interp->objects.errors == NULL || replace_stream(interp, "stderr", WSGI_STREAM_STDERR) != 0)
        return -1;
    if (wsgi_process.settings.flags & WSGI_PROCESS_SINGLE)
        return 0;
    return replace_stream(interp, "stdout", WSGI_STREAM_STDOUT);
}

/* threading takes whoever imports it first for the main thread of the interpreter. */
static int import_threading(void)
{
    PyObject *module = PyImport_ImportModule("threading");

    Py_XDECREF(module);
    return module != NULL ? 0 : -1;
}

int wsgi_setup_interp(struct wsgi_interp *interp)
{
    struct wsgi_objects *objects = &interp->objects;

    if (import_threading() != 0 || intern_words(objects) != 0 ||
        fetch(&objects->format_exception, "traceback", "format_exception") != 0 ||
        fetch(&objects->compile, "builtins", "compile") != 0 || fetch_file_types(objects) != 0 ||
        wsgi_pymodules_install(interp) != 0 || make_streams(interp) != 0 ||
        make_template(interp) != 0)
        return -1;
    return run_site_code(interp) == 0 ? wsgi_pymodules_complete(interp) : -1;
}

void wsgi_setup_clear(struct wsgi_interp *interp)
{
    struct wsgi_objects *objects = &interp->objects;
    int i;

    for (i = 1; i < WSGI_NAME_COUNT; i++)
        Py_CLEAR(objects->names[i]);
#define WSGI_WORD(symbol, text) Py_CLEAR(objects->word_##symbol);
#include "words.def"
#undef WSGI_WORD
    Py_CLEAR(objects->environ);
    Py_CLEAR(objects->errors);
    Py_CLEAR(objects->format_exception);
    Py_CLEAR(objects->compile);
    Py_CLEAR(objects->file_types);
    Py_CLEAR(objects->raw_file_type);
    Py_CLEAR(objects->io_base_type);
    Py_CLEAR(objects->adapter_type);
    Py_CLEAR(objects->input_type);
    Py_CLEAR(objects->log_type);
    Py_CLEAR(objects->wrapper_type);
    wsgi_pymodules_clear(interp);
}
