/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Differences between Python 3.8 and 3.15. The only file that asks PY_VERSION_HEX.
 *
 * PY_SSIZE_T_CLEAN and Python.h come first in every file of this room, through this header.
 */
#ifndef WSGI_PYTHON_COMPAT_H
#define WSGI_PYTHON_COMPAT_H

#ifndef PY_SSIZE_T_CLEAN
#define PY_SSIZE_T_CLEAN
#endif
#include <Python.h>

#if PY_VERSION_HEX < 0x03080000
#error "Python 3.8 or newer is needed"
#endif

#define WSGI_UNUSED __attribute__((unused))

/* ---- calls --------------------------------------------------------------- */

#if PY_VERSION_HEX < 0x03090000
#define wsgi_compat_vectorcall _PyObject_Vectorcall
static inline WSGI_UNUSED PyObject *wsgi_compat_call_no_args(PyObject *callable)
{
    return _PyObject_Vectorcall(callable, NULL, 0, NULL);
}
static inline WSGI_UNUSED PyInterpreterState *wsgi_compat_interpreter_of(PyThreadState *state)
{
    return state->interp;
}
#else
#define wsgi_compat_vectorcall PyObject_Vectorcall
#define wsgi_compat_call_no_args PyObject_CallNoArgs
#define wsgi_compat_interpreter_of PyThreadState_GetInterpreter
#endif

static inline WSGI_UNUSED PyObject *wsgi_compat_call_one(PyObject *callable, PyObject *argument)
{
    PyObject *const arguments[] = {argument};

    return wsgi_compat_vectorcall(callable, arguments, 1, NULL);
}

static inline WSGI_UNUSED PyObject *wsgi_compat_new_ref(PyObject *object)
{
    Py_INCREF(object);
    return object;
}

/* Strings of the former kind have to be made ready before their bytes are looked at. */
static inline WSGI_UNUSED int wsgi_compat_unicode_ready(PyObject *text)
{
#if PY_VERSION_HEX < 0x030C0000
    return PyUnicode_READY(text);
#else
    (void)text;
    return 0;
#endif
}

/* ---- collector ----------------------------------------------------------- */

/* Before 3.9 the interpreters share one collector: it would run finalisers in the wrong one. */
#if PY_VERSION_HEX < 0x03090000
#define wsgi_compat_collect() ((void)0)
#else
#define wsgi_compat_collect() ((void)PyGC_Collect())
#endif

/* ---- heap types ---------------------------------------------------------- */

/* Instances of heap types with GC visit their type from 3.9 on. */
#if PY_VERSION_HEX < 0x03090000
#define WSGI_COMPAT_VISIT_TYPE(self) ((void)(self))
#else
#define WSGI_COMPAT_VISIT_TYPE(self) Py_VISIT(Py_TYPE(self))
#endif

/* Types that only the engine makes. Before 3.10 a tp_new that refuses does the same. */
#if PY_VERSION_HEX < 0x030A0000
#define WSGI_COMPAT_TYPE_CLOSED 0
#else
#define WSGI_COMPAT_TYPE_CLOSED (Py_TPFLAGS_DISALLOW_INSTANTIATION | Py_TPFLAGS_IMMUTABLETYPE)
#endif

static inline WSGI_UNUSED PyObject *wsgi_compat_refuse_new(PyTypeObject *type, PyObject *arguments,
                                                           PyObject *keywords)
{
    (void)arguments;
    (void)keywords;
    PyErr_Format(PyExc_TypeError, "cannot create '%.100s' instances", type->tp_name);
    return NULL;
}

/* A slot pair for closed types: before 3.10 it refuses, later the flag does. */
#if PY_VERSION_HEX < 0x030A0000
#define WSGI_COMPAT_SLOT_CLOSED {Py_tp_new, (void *)wsgi_compat_refuse_new},
#else
#define WSGI_COMPAT_SLOT_CLOSED
#endif

/* ---- modules ------------------------------------------------------------- */

/* _mod_wsgi itself says nothing about the GIL: loading it turns the GIL on in a free-threaded
 * interpreter that was not told (-X gil=0) to do without. An embedded one is told before it starts.
 */
static inline WSGI_UNUSED void wsgi_compat_config_gil(PyConfig *config, int free_threading)
{
#ifdef Py_GIL_DISABLED
    config->enable_gil = free_threading ? 0 : 1; /* _PyConfig_GIL_DISABLE, _PyConfig_GIL_ENABLE */
#else
    (void)config;
    (void)free_threading;
#endif
}

/* Slots of the modules that each of our interpreters gets, also one with a GIL of its own. */
#if PY_VERSION_HEX < 0x030C0000
#define WSGI_COMPAT_MODULE_SLOTS
#elif PY_VERSION_HEX < 0x030D0000
#define WSGI_COMPAT_MODULE_SLOTS                                                                   \
    {Py_mod_multiple_interpreters, Py_MOD_PER_INTERPRETER_GIL_SUPPORTED},
#else
#define WSGI_COMPAT_MODULE_SLOTS                                                                   \
    {Py_mod_multiple_interpreters, Py_MOD_PER_INTERPRETER_GIL_SUPPORTED},                          \
        {Py_mod_gil, Py_MOD_GIL_NOT_USED},
#endif

/* Takes over nothing: `value` stays the caller's. */
static inline WSGI_UNUSED int wsgi_compat_module_add(PyObject *module, const char *name,
                                                     PyObject *value)
{
    if (value == NULL)
        return -1;
    return PyObject_SetAttrString(module, name, value);
}

/* ---- exceptions ---------------------------------------------------------- */

/* The pending exception as one object, with its traceback in place; NULL when there is none. */
static inline WSGI_UNUSED PyObject *wsgi_compat_error_take(void)
{
#if PY_VERSION_HEX < 0x030C0000
    PyObject *type, *value, *traceback;

    PyErr_Fetch(&type, &value, &traceback);
    if (type == NULL)
        return NULL;
    PyErr_NormalizeException(&type, &value, &traceback);
    if (traceback != NULL && value != NULL)
        PyException_SetTraceback(value, traceback);
    Py_XDECREF(type);
    Py_XDECREF(traceback);
    return value;
#else
    return PyErr_GetRaisedException();
#endif
}

/* Raises `error` and takes over the reference; NULL: no exception is pending afterwards. */
static inline WSGI_UNUSED void wsgi_compat_error_restore(PyObject *error)
{
#if PY_VERSION_HEX < 0x030C0000
    if (error == NULL) {
        PyErr_Clear();
        return;
    }
    PyErr_Restore(wsgi_compat_new_ref((PyObject *)Py_TYPE(error)), error,
                  PyException_GetTraceback(error));
#else
    PyErr_SetRaisedException(error);
#endif
}

/* ---- interpreters -------------------------------------------------------- */

#if PY_VERSION_HEX < 0x030C0000
#define WSGI_COMPAT_HAS_OWN_GIL 0
#else
#define WSGI_COMPAT_HAS_OWN_GIL 1
#endif

#ifdef Py_GIL_DISABLED
#define WSGI_COMPAT_IS_FREE_THREADED_BUILD 1
#else
#define WSGI_COMPAT_IS_FREE_THREADED_BUILD 0
#endif

/* Attached to the main interpreter; to the new one afterwards. With a GIL of its own it is strict:
 * no fork, no daemon threads, and only extensions that say they can do it. NULL: attached as
 * before, or not at all. */
static inline WSGI_UNUSED PyThreadState *wsgi_compat_new_interpreter(int own_gil)
{
#if PY_VERSION_HEX < 0x030C0000
    (void)own_gil;
    return Py_NewInterpreter();
#else
    PyInterpreterConfig config = {
        .use_main_obmalloc = 0,
        .allow_fork = 0,
        .allow_exec = 0,
        .allow_threads = 1,
        .allow_daemon_threads = 0,
        .check_multi_interp_extensions = 1,
        .gil = PyInterpreterConfig_OWN_GIL,
    };
    PyThreadState *state = NULL;

    if (!own_gil)
        return Py_NewInterpreter();
    if (PyStatus_Exception(Py_NewInterpreterFromConfig(&state, &config)))
        return NULL;
    return state;
#endif
}

/* ---- thread states ------------------------------------------------------- */

/* PyGILState knows one interpreter a thread: the first. From 3.12 on it follows what is attached.
 */
#if PY_VERSION_HEX < 0x030C0000
#define WSGI_COMPAT_GILSTATE_BINDS 1
#else
#define WSGI_COMPAT_GILSTATE_BINDS 0
#endif

/* The attached state of this thread, NULL when there is none. Never aborts. */
static inline WSGI_UNUSED PyThreadState *wsgi_compat_attached(void)
{
#if PY_VERSION_HEX < 0x030D0000
    return _PyThreadState_UncheckedGet();
#else
    return PyThreadState_GetUnchecked();
#endif
}

/* ---- stacks -------------------------------------------------------------- */

/* Whether wsgi_compat_dump() can write a stack; else faulthandler has to. */
#if PY_VERSION_HEX < 0x030D0000
#define WSGI_COMPAT_DUMPS 1
#else
#define WSGI_COMPAT_DUMPS 0
#endif

#if PY_VERSION_HEX < 0x030B0000

#include <frameobject.h>
#include <stdio.h>
#include <unistd.h>

#define WSGI_COMPAT_DUMP_FRAMES 100

/* Bytes of ASCII; what is not becomes '?'. */
static inline WSGI_UNUSED size_t wsgi_compat_dump_text(char *to, size_t room, PyObject *text)
{
    Py_ssize_t size, i;

    if (text == NULL || !PyUnicode_Check(text) || !PyUnicode_IS_READY(text))
        return 0;
    size = PyUnicode_GET_LENGTH(text);
    for (i = 0; i < size && (size_t)i < room; i++) {
        Py_UCS4 letter = PyUnicode_READ_CHAR(text, i);

        to[i] = letter >= ' ' && letter < 127 ? (char)letter : '?';
    }
    return (size_t)i;
}

/* In a signal handler of the thread whose state it is: nothing is allocated or changed. */
static inline WSGI_UNUSED void wsgi_compat_dump(int descriptor, PyThreadState *state)
{
    struct _frame *frame = state->frame;
    char line[600];
    int count;

    for (count = 0; frame != NULL && count < WSGI_COMPAT_DUMP_FRAMES; count++) {
        PyCodeObject *code = frame->f_code;
        size_t used = (size_t)snprintf(line, sizeof line, "  File \"");

        used += wsgi_compat_dump_text(line + used, 400, code->co_filename);
        used += (size_t)snprintf(line + used, 48, "\", line %d in ", PyFrame_GetLineNumber(frame));
        used += wsgi_compat_dump_text(line + used, 100, code->co_name);
        line[used++] = '\n';
        if (write(descriptor, line, used) < 0)
            return;
        frame = frame->f_back;
    }
}

#elif PY_VERSION_HEX < 0x030D0000

/* As faulthandler does it, but for the state that is meant: before 3.12 it would take the one of
 * another interpreter. */
PyAPI_FUNC(void) _Py_DumpTraceback(int fd, PyThreadState *tstate);
#define wsgi_compat_dump _Py_DumpTraceback

#else

#define wsgi_compat_dump(descriptor, state) ((void)(descriptor), (void)(state))

#endif

#endif
