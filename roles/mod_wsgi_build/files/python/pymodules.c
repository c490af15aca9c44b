/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Modules `mod_wsgi` and `apache`, put into sys.modules of each of our interpreters.
 *
 * A PyModuleDef cannot be const: Python keeps its own bookkeeping in it.
 */
#include "pymodules.h"

#include "errors.h"
#include "stream.h"

int wsgi_pymodules_add(PyObject *module, const char *name, PyObject *value)
{
    int result = wsgi_compat_module_add(module, name, value);

    Py_XDECREF(value);
    return result;
}

int wsgi_pymodules_add_number(PyObject *module, const char *name, int64_t number)
{
    return wsgi_pymodules_add(module, name, PyLong_FromLongLong(number));
}

int wsgi_pymodules_add_text(PyObject *module, const char *name, const char *text)
{
    return wsgi_pymodules_add(module, name,
                              PyUnicode_DecodeLatin1(text, (Py_ssize_t)strlen(text), NULL));
}

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

    if (module != NULL &&
        (PyModule_ExecDef(module, def) != 0 ||
         PyObject_SetAttrString(module, "__spec__", spec) != 0 ||
         PyDict_SetItemString(PyImport_GetModuleDict(), def->m_name, module) != 0))
        Py_CLEAR(module);
    Py_XDECREF(spec);
    return module;
}

static int install_apache(void)
{
    PyObject *module = install(&wsgi_module_apache);

    Py_XDECREF(module);
    return module != NULL ? 0 : -1;
}

int wsgi_pymodules_install(struct wsgi_interp *interp)
{
    PyObject *module = install(&wsgi_module_mod_wsgi);
    int result;

    if (module == NULL)
        return -1;
    result = wsgi_module_mod_wsgi_bind(interp, module);
    Py_DECREF(module);
    return result == 0 && !wsgi_process.embedded ? install_apache() : result;
}

void wsgi_pymodules_clear(struct wsgi_interp *interp)
{
    Py_CLEAR(interp->hooks.names);
    Py_CLEAR(interp->hooks.timeout);
    Py_CLEAR(interp->hooks.active);
}

/* ---- what is found on sys.path ------------------------------------------- */

/* Where a package mod_wsgi of the application keeps its submodules: NULL when there is none. The
 * package itself is not executed. */
static PyObject *find_package(void)
{
    PyObject *machinery = PyImport_ImportModule("importlib.machinery");
    PyObject *finder = machinery != NULL ? PyObject_GetAttrString(machinery, "PathFinder") : NULL;
    PyObject *spec =
        finder != NULL ? PyObject_CallMethod(finder, "find_spec", "s", "mod_wsgi") : NULL;
    PyObject *places = spec != NULL && spec != Py_None
                           ? PyObject_GetAttrString(spec, "submodule_search_locations")
                           : NULL;
    PyObject *list = places != NULL && places != Py_None ? PySequence_List(places) : NULL;

    Py_XDECREF(places);
    Py_XDECREF(spec);
    Py_XDECREF(finder);
    Py_XDECREF(machinery);
    PyErr_Clear();
    return list;
}

/* `import mod_wsgi.server` then works as it does outside of the server. */
static int adopt_package(void)
{
    PyObject *module = PyDict_GetItemString(PyImport_GetModuleDict(), "mod_wsgi");
    PyObject *path = module != NULL ? find_package() : NULL;
    int result = path != NULL ? PyObject_SetAttrString(module, "__path__", path) : 0;

    Py_XDECREF(path);
    return result;
}

/* There is no module apache; another one that it imports may be missing, too. */
static int is_absence(PyObject *error)
{
    PyObject *name;
    int result;

    if (!PyErr_GivenExceptionMatches(error, PyExc_ModuleNotFoundError))
        return 0;
    name = PyObject_GetAttrString(error, "name");
    result = name != NULL && PyUnicode_Check(name) &&
             PyUnicode_CompareWithASCIIString(name, "apache") == 0;
    Py_XDECREF(name);
    PyErr_Clear();
    return result;
}

/* In embedded mode a module `apache` of the site is extended rather than hidden. */
static int extend_apache(struct wsgi_interp *interp)
{
    PyObject *module = PyImport_ImportModule("apache"), *error;
    int result;

    if (module == NULL) {
        error = wsgi_compat_error_take();
        if (!is_absence(error)) {
            wsgi_log_attached(WSGI_LOG_ERR,
                              "the site's own module 'apache' cannot be imported in interpreter "
                              "'%s', the server's is used alone",
                              interp->name);
            wsgi_error_log(interp, error);
        }
        Py_DECREF(error);
        return install_apache();
    }
    result = wsgi_module_apache_fill(module);
    Py_DECREF(module);
    return result;
}

int wsgi_pymodules_complete(struct wsgi_interp *interp)
{
    if (adopt_package() != 0)
        return -1;
    return wsgi_process.embedded ? extend_apache(interp) : 0;
}
