/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Modules `mod_wsgi` and `apache`, put into sys.modules of each of our interpreters.
 *
 * A PyModuleDef cannot be const: Python keeps its own bookkeeping in it.
 */
#include "interp.h"

#include "../wire/engine.h"
#include "run.h"
#include "stream.h"

struct module_state {
    PyTypeObject *adapter_type;
    PyTypeObject *input_type;
    PyTypeObject *log_type;
    PyTypeObject *wrapper_type;
};

/* Takes over `value`. */
static int add(PyObject *module, const char *name, PyObject *value)
{
    int result = wsgi_compat_module_add(module, name, value);

    Py_XDECREF(value);
    return result;
}

static int add_number(PyObject *module, const char *name, int64_t number)
{
    return add(module, name, PyLong_FromLongLong(number));
}

static int add_text(PyObject *module, const char *name, const char *text)
{
    return add(module, name, PyUnicode_DecodeFSDefault(text));
}

/* ---- mod_wsgi ------------------------------------------------------------ */

static int execute_mod_wsgi(PyObject *module)
{
    struct module_state *state = PyModule_GetState(module);

    state->adapter_type = wsgi_adapter_make_type(module);
    state->input_type = wsgi_input_make_type(module);
    state->log_type = wsgi_stream_make_type(module);
    state->wrapper_type = wsgi_wrapper_make_type(module);
    if (state->adapter_type == NULL || state->input_type == NULL || state->log_type == NULL ||
        state->wrapper_type == NULL)
        return -1;
    if (wsgi_compat_module_add(module, "FileWrapper", (PyObject *)state->wrapper_type) != 0 ||
        add(module, "version",
            Py_BuildValue("(iii)", WSGI_INTERFACE_VERSION_MAJOR, WSGI_INTERFACE_VERSION_MINOR,
                          WSGI_INTERFACE_VERSION_PATCH)) != 0)
        return -1;
    return add_text(module, "build", WSGI_BUILD_VERSION);
}

static int traverse_state(PyObject *module, visitproc visit, void *arg)
{
    struct module_state *state = PyModule_GetState(module);

    if (state == NULL)
        return 0;
    Py_VISIT(state->adapter_type);
    Py_VISIT(state->input_type);
    Py_VISIT(state->log_type);
    Py_VISIT(state->wrapper_type);
    return 0;
}

static int clear_state(PyObject *module)
{
    struct module_state *state = PyModule_GetState(module);

    if (state == NULL)
        return 0;
    Py_CLEAR(state->adapter_type);
    Py_CLEAR(state->input_type);
    Py_CLEAR(state->log_type);
    Py_CLEAR(state->wrapper_type);
    return 0;
}

static void free_state(void *module)
{
    clear_state(module);
}

static PyModuleDef_Slot mod_wsgi_slots[] = {
    {Py_mod_exec, (void *)execute_mod_wsgi},
    WSGI_COMPAT_MODULE_SLOTS{0, NULL},
};

static PyModuleDef mod_wsgi_def = {
    PyModuleDef_HEAD_INIT,
    .m_name = "mod_wsgi",
    .m_doc = "What the web server tells the application about itself.",
    .m_size = sizeof(struct module_state),
    .m_slots = mod_wsgi_slots,
    .m_traverse = traverse_state,
    .m_clear = clear_state,
    .m_free = free_state,
};

/* ---- apache -------------------------------------------------------------- */

static int execute_apache(PyObject *module)
{
    const struct wsgi_settings *settings = &wsgi_process.settings;
    int64_t version = settings->server_version;

    if (add(module, "version",
            Py_BuildValue("(iii)", (int)(version / 1000000), (int)(version / 1000 % 1000),
                          (int)(version % 1000))) != 0 ||
        add_text(module, "description", settings->server_description) != 0 ||
        add_text(module, "mpm_name", settings->mpm_name) != 0 ||
        add_text(module, "build_date", settings->server_built) != 0 ||
        add_number(module, "maximum_processes", settings->mpm_processes) != 0)
        return -1;
    return add_number(module, "threads_per_process", settings->mpm_threads);
}

static PyModuleDef_Slot apache_slots[] = {
    {Py_mod_exec, (void *)execute_apache},
    WSGI_COMPAT_MODULE_SLOTS{0, NULL},
};

static PyModuleDef apache_def = {
    PyModuleDef_HEAD_INIT, .m_name = "apache",      .m_doc = "The web server.",
    .m_size = 0,           .m_slots = apache_slots,
};

/* ---- installing ---------------------------------------------------------- */

static PyObject *make_spec(const char *name)
{
    PyObject *machinery = PyImport_ImportModule("importlib.machinery");
    PyObject *spec = machinery != NULL
                         ? PyObject_CallMethod(machinery, "ModuleSpec", "sO", name, Py_None)
                         : NULL;

    Py_XDECREF(machinery);
    return spec;
}

/* A new module in sys.modules; new reference. */
static PyObject *install(PyModuleDef *def)
{
    PyObject *spec = make_spec(def->m_name);
    PyObject *module = spec != NULL ? PyModule_FromDefAndSpec(def, spec) : NULL;

    Py_XDECREF(spec);
    if (module != NULL &&
        (PyModule_ExecDef(module, def) != 0 ||
         PyDict_SetItemString(PyImport_GetModuleDict(), def->m_name, module) != 0))
        Py_CLEAR(module);
    return module;
}

/* What depends on the interpreter; the numbers of a daemon are its group's, else the MPM's. */
static int describe(struct wsgi_interp *interp, PyObject *module)
{
    const struct wsgi_settings *settings = &wsgi_process.settings;
    int embedded = wsgi_process.embedded;
    const char *group = interp->name;

    /* The group bound to the main interpreter keeps its own name. */
    if (interp->is_main && settings->main_group != NULL)
        group = settings->main_group;
    if (add_text(module, "process_group", settings->group_name) != 0 ||
        add_text(module, "application_group", group) != 0 ||
        add_number(module, "maximum_processes",
                   embedded ? settings->mpm_processes : settings->processes) != 0)
        return -1;
    return add_number(module, "threads_per_process",
                      embedded ? settings->mpm_threads : settings->threads);
}

static void take_types(struct wsgi_objects *objects, PyObject *module)
{
    struct module_state *state = PyModule_GetState(module);

    objects->adapter_type = state->adapter_type;
    objects->input_type = state->input_type;
    objects->log_type = state->log_type;
    objects->wrapper_type = state->wrapper_type;
    Py_INCREF(objects->adapter_type);
    Py_INCREF(objects->input_type);
    Py_INCREF(objects->log_type);
    Py_INCREF(objects->wrapper_type);
}

int wsgi_pymodules_install(struct wsgi_interp *interp)
{
    PyObject *module = install(&mod_wsgi_def), *apache;
    int result;

    if (module == NULL)
        return -1;
    take_types(&interp->objects, module);
    result = describe(interp, module);
    Py_DECREF(module);
    if (result != 0)
        return -1;
    apache = install(&apache_def);
    Py_XDECREF(apache);
    return apache != NULL ? 0 : -1;
}
