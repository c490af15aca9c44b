/* SPDX-License-Identifier: Apache-2.0 */
/* Module `apache`: the web server around this process. */
#include "pymodules.h"

#include "process.h"

int wsgi_module_apache_fill(PyObject *module)
{
    const struct wsgi_settings *settings = &wsgi_process.settings;
    int64_t version = settings->server_version;

    if (wsgi_pymodules_add(module, "version",
                           Py_BuildValue("(iii)", (int)(version / 1000000),
                                         (int)(version / 1000 % 1000), (int)(version % 1000))) !=
            0 ||
        wsgi_pymodules_add_text(module, "description", settings->server_description) != 0 ||
        wsgi_pymodules_add_text(module, "mpm_name", settings->mpm_name) != 0 ||
        wsgi_pymodules_add_text(module, "build_date", settings->server_built) != 0 ||
        wsgi_pymodules_add_number(module, "maximum_processes", settings->mpm_processes) != 0)
        return -1;
    return wsgi_pymodules_add_number(module, "threads_per_process", settings->mpm_threads);
}

static PyModuleDef_Slot slots[] = {
    {Py_mod_exec, (void *)wsgi_module_apache_fill},
    WSGI_COMPAT_MODULE_SLOTS{0, NULL},
};

PyDoc_STRVAR(doc, "The web server.\n"
                  "\n"
                  "version              a tuple, (2, 4, n)\n"
                  "description          what the server calls itself\n"
                  "build_date           when it was built\n"
                  "mpm_name             event, worker or prefork\n"
                  "maximum_processes    most processes of the server at a time\n"
                  "threads_per_process  threads in each");

PyModuleDef wsgi_module_apache = {
    PyModuleDef_HEAD_INIT, .m_name = "apache", .m_doc = doc, .m_size = 0, .m_slots = slots,
};
