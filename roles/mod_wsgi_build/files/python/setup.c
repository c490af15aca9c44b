/* SPDX-License-Identifier: Apache-2.0 */
/* What every interpreter gets before code of a site runs in it. */
#include "interp.h"

#include <string.h>

#include "../wire/engine.h"
#include "logrecords.h"
#include "run.h"
#include "site.h"
#include "stream.h"

/* Takes over `value`. */
static int put(PyObject *names, const char *name, PyObject *value)
{
    int result = value != NULL ? PyDict_SetItemString(names, name, value) : -1;

    Py_XDECREF(value);
    return result;
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
        make_template(interp) != 0 || wsgi_logrecords_install(interp) != 0)
        return -1;
    if (wsgi_site_set_up(interp, wsgi_interp_reported(interp)) != 0)
        return -1;
    return wsgi_pymodules_complete(interp);
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
    Py_CLEAR(objects->configure);
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
