/* SPDX-License-Identifier: Apache-2.0 */
/* The modules `mod_wsgi` and `apache`. Attached. */
#ifndef WSGI_PYTHON_PYMODULES_H
#define WSGI_PYTHON_PYMODULES_H

#include "compat.h"
#include "interp.h"

/* Takes over `value`, NULL after an exception. 0, or -1 with an exception. */
int wsgi_pymodules_add(PyObject *module, const char *name, PyObject *value);
int wsgi_pymodules_add_number(PyObject *module, const char *name, int64_t number);
int wsgi_pymodules_add_text(PyObject *module, const char *name, const char *text);

/* module_mod_wsgi.c */
extern PyModuleDef wsgi_module_mod_wsgi;
/* What depends on the interpreter: the group names, and what the engine takes from the module. */
int wsgi_module_mod_wsgi_bind(struct wsgi_interp *interp, PyObject *module);

/* module_apache.c */
extern PyModuleDef wsgi_module_apache;
int wsgi_module_apache_fill(PyObject *module);

#endif
