/* SPDX-License-Identifier: Apache-2.0 */
/* pyvenv.cfg: what a virtual environment says about itself. */
#ifndef WSGI_APACHE_VENV_H
#define WSGI_APACHE_VENV_H

#include "httpd.h"

#define WSGI_VENV_MARKER_MAX 65536 /* bytes; real ones have some hundred */

struct wsgi_venv {
    const char *marker;  /* path of pyvenv.cfg, NULL when the home is no virtual environment */
    const char *version; /* "3.11" that it was made for, NULL when it does not say */
};

/*
 * Reads <home>/pyvenv.cfg. The file may belong to anybody: it is never waited for, nothing but a
 * regular file is opened, and little of it is read. NULL, or what is wrong with it and what to do.
 */
const char *wsgi_venv_read(apr_pool_t *pool, const char *home, struct wsgi_venv *venv);

#endif
