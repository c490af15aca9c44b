/* SPDX-License-Identifier: Apache-2.0 */
/* One more line for exceptions that mean: not in a sub-interpreter. */
#ifndef WSGI_PYTHON_HINT_H
#define WSGI_PYTHON_HINT_H

#include "compat.h"
#include "interp.h"

/* Attached. After the traceback of an exception that ended a script or an application: when it
 * comes from what sub-interpreters cannot do, a line says what that was and which setting helps. */
void wsgi_hint_log(struct wsgi_interp *interp, PyObject *error);

#endif
