/* SPDX-License-Identifier: Apache-2.0 */
/* What WSGILogOptions asks for besides the levels of streams. */
#ifndef WSGI_PYTHON_LOGRECORDS_H
#define WSGI_PYTHON_LOGRECORDS_H

#include "interp.h"

/* The streams of the interpreter are there. Attached. 0, or -1 with an exception. */
int wsgi_logrecords_install(struct wsgi_interp *interp);

#endif
