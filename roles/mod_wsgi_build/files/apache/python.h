/* SPDX-License-Identifier: Apache-2.0 */
/* The interpreters this build has engines for, and which of them a Python home means. */
#ifndef WSGI_APACHE_PYTHON_H
#define WSGI_APACHE_PYTHON_H

#include "httpd.h"
#include "group.h"

struct wsgi_pythons {
    const char *directory;              /* of the engines and manifests */
    apr_array_header_t *list;           /* struct wsgi_python * */
    const struct wsgi_python *standard; /* the default one, NULL when there is none */
    const char *problem;                /* why there is none, else NULL */
};

/* Reads the manifests that belong to this very module file. Never NULL. Lives in `pool`. */
const struct wsgi_pythons *wsgi_python_read(apr_pool_t *pool);

/* The interpreter to run (as the home names it, so that a venv stays one) and its engine. `home`
 * NULL is the default interpreter; with a `root` directory it is a path inside of that, and so is
 * the interpreter found. NULL when found, else what is wrong and what to do. */
const char *wsgi_python_resolve(apr_pool_t *pool, const struct wsgi_pythons *pythons,
                                const char *root, const char *home, const char **interpreter,
                                const struct wsgi_python **python);

/* Embedded mode: a home that is no venv becomes Python's prefix, so the standard library has to be
 * there. NULL, or what is wrong. */
const char *wsgi_python_check_prefix(apr_pool_t *pool, const char *home, const char *interpreter,
                                     const struct wsgi_python *python);

#endif
