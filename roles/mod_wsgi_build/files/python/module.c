/* SPDX-License-Identifier: Apache-2.0 */
/* What the engine shows to the outside: PyInit__mod_wsgi for daemons, the table for Apache. */
#include "compat.h"

#include "../wire/engine.h"
#include "ask.h"
#include "process.h"
#include "run.h"
#include "serve.h"

#ifndef WSGI_FINGERPRINT
#error "WSGI_FINGERPRINT must be given as a string: -DWSGI_FINGERPRINT='\"...\"'"
#endif
#ifndef WSGI_SOABI
#error "WSGI_SOABI must be given as a string: -DWSGI_SOABI='\"...\"'"
#endif

#define EXPORTED __attribute__((visibility("default")))

EXPORTED const struct wsgi_engine wsgi_engine_table = {
    .abi = WSGI_ENGINE_ABI,
    .size = sizeof(struct wsgi_engine),
    .build = WSGI_BUILD_VERSION,
    .fingerprint = WSGI_FINGERPRINT,
    .python_version = PY_VERSION,
    .soabi = WSGI_SOABI,
    .start = wsgi_process_start,
    .run = wsgi_run_request,
    .ask = wsgi_ask,
    .stop = wsgi_process_stop,
};

static PyMethodDef methods[] = {
    {"serve", wsgi_serve, METH_NOARGS, "Serves requests until the process is to end."},
    {NULL, NULL, 0, NULL},
};

static PyModuleDef_Slot slots[] = {{0, NULL}};

static PyModuleDef definition = {
    PyModuleDef_HEAD_INIT, .m_name = "_mod_wsgi", .m_doc = "The engine of a daemon process.",
    .m_size = 0,           .m_methods = methods,  .m_slots = slots,
};

EXPORTED PyObject *PyInit__mod_wsgi(void);

EXPORTED PyObject *PyInit__mod_wsgi(void)
{
    return PyModuleDef_Init(&definition);
}
