/* SPDX-License-Identifier: Apache-2.0 */
/* mod_wsgi.LogHandler: from Python's logging to the server's error log. */
#ifndef WSGI_PYTHON_LOGHANDLER_H
#define WSGI_PYTHON_LOGHANDLER_H

#include "compat.h"

/* The class, a new reference; imports logging. NULL with an exception. Attached. */
PyObject *wsgi_loghandler_make(void);

#endif
