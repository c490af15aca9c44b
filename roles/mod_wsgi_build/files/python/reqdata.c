/* SPDX-License-Identifier: Apache-2.0 */
/* mod_wsgi.request_data() and mod_wsgi.active_requests: a dictionary for each running request. */
#include "run.h"

#include <string.h>

/* A request may interrupt another one of the same id and thread (a sub-request of mod_include):
 * the outer one has its place back afterwards. */
static int enter(struct wsgi_run *run)
{
    PyObject *active = run->interp->hooks.active;
    PyObject *outer = PyDict_GetItemWithError(active, run->id);

    if (outer == NULL && PyErr_Occurred())
        return -1;
    Py_XINCREF(outer);
    run->outer_data = outer;
    return PyDict_SetItem(active, run->id, run->data);
}

int wsgi_data_begin(struct wsgi_run *run)
{
    const char *id = run->call.request_id;

    run->data = PyDict_New();
    if (run->data == NULL)
        return -1;
    if (id == NULL)
        return 0;
    run->id = PyUnicode_DecodeLatin1(id, (Py_ssize_t)strlen(id), NULL);
    if (run->id == NULL || enter(run) != 0) {
        wsgi_data_end(run);
        return -1;
    }
    return 0;
}

/* An application may have changed the dictionary in any way. */
static void leave(struct wsgi_run *run)
{
    PyObject *active = run->interp->hooks.active;

    if (PyDict_GetItemWithError(active, run->id) != run->data)
        PyErr_Clear();
    else if (run->outer_data != NULL ? PyDict_SetItem(active, run->id, run->outer_data) != 0
                                     : PyDict_DelItem(active, run->id) != 0)
        PyErr_Clear();
}

void wsgi_data_end(struct wsgi_run *run)
{
    PyObject *error = wsgi_compat_error_take();

    if (run->id != NULL)
        leave(run);
    Py_CLEAR(run->outer_data);
    Py_CLEAR(run->data);
    Py_CLEAR(run->id);
    wsgi_compat_error_restore(error);
}
