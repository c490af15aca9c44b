/* SPDX-License-Identifier: Apache-2.0 */
/* The part of an interpreter's set-up that is said best in Python. */
#ifndef WSGI_PYTHON_SITE_H
#define WSGI_PYTHON_SITE_H

#include "compat.h"

#include "interp.h"

/* Attached. Process environment, sys.argv, then everything that layers decide, for the application
 * group as reported. 0, or -1 with an exception. */
int wsgi_site_set_up(struct wsgi_interp *interp, const char *reported);
/* Attached. The same for the main interpreter when its application group gets known only with its
 * first request: what was decided for %{GLOBAL} gives way. */
int wsgi_site_rename(struct wsgi_interp *interp, const char *reported);

#endif
