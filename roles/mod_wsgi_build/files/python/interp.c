/* SPDX-License-Identifier: Apache-2.0 */
/* Interpreters, and the thread states of our threads in them. */
#include "interp.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "layers.h"
#include "run.h"
#include "script.h"
#include "site.h"
#include "stream.h"

/* The one thread-local pointer. The key of the process struct holds it too, for its destructor. */
static __thread struct wsgi_thread *current_thread;

/* ---- threads ------------------------------------------------------------- */

struct wsgi_thread *wsgi_thread_self(void)
{
    struct wsgi_thread *thread = current_thread;

    if (thread != NULL || !wsgi_process.thread_key_made)
        return thread;
    thread = calloc(1, sizeof *thread);
    if (thread == NULL)
        return NULL;
    if (pthread_setspecific(wsgi_process.thread_key, thread) != 0) {
        free(thread);
        return NULL;
    }
    current_thread = thread;
    return thread;
}

static void end_state(struct wsgi_interp *interp, struct wsgi_thread *thread)
{
    PyThreadState *state = thread->states[interp->index];

    thread->states[interp->index] = NULL;
    if (state == wsgi_process.main_state)
        return; /* Python's own */
    PyEval_RestoreThread(state);
    PyThreadState_Clear(state);
    PyThreadState_DeleteCurrent();
}

void wsgi_thread_end(void)
{
    struct wsgi_thread *thread = current_thread;
    struct wsgi_interp *interp;

    if (thread == NULL)
        return;
    wsgi_stream_drop_thread(thread);
    /* After stop() the GIL never comes back: what is left goes with the process. */
    if (!__atomic_load_n(&wsgi_process.stopped, __ATOMIC_ACQUIRE))
        for (interp = __atomic_load_n(&wsgi_process.interps, __ATOMIC_ACQUIRE); interp != NULL;
             interp = interp->next)
            if (interp->index < thread->state_count && thread->states[interp->index] != NULL)
                end_state(interp, thread);
    current_thread = NULL;
    pthread_setspecific(wsgi_process.thread_key, NULL);
    free(thread->states);
    free(thread->hold);
    free(thread->head.data);
    free(thread);
}

static int grow_states(struct wsgi_thread *thread, int index)
{
    int count = index + 4;
    PyThreadState **states = realloc(thread->states, (size_t)count * sizeof *states);

    if (states == NULL)
        return -1;
    memset(states + thread->state_count, 0, (size_t)(count - thread->state_count) * sizeof *states);
    thread->states = states;
    thread->state_count = count;
    return 0;
}

/* A new state, not attached. */
static PyThreadState *new_state(struct wsgi_interp *interp, struct wsgi_thread *thread)
{
    PyThreadState *state;

    if (interp->index >= thread->state_count && grow_states(thread, interp->index) != 0)
        return NULL;
    /* The thread that started Python has a state in the main interpreter, and PyGILState knows
     * that one. */
    if (interp->is_main && pthread_equal(pthread_self(), wsgi_process.main_thread))
        state = wsgi_process.main_state;
    else
        state = PyThreadState_New(interp->state);
    thread->states[interp->index] = state;
    return state;
}

/*
 * Before 3.12 PyGILState binds a thread for ever to the first interpreter it meets, and waits for
 * ever in any other. An application with such an extension is told to use the main interpreter
 * (%{GLOBAL}), so every thread that serves requests meets that one first.
 */
static int bind_to_main(struct wsgi_thread *thread)
{
    struct wsgi_interp *interp = __atomic_load_n(&wsgi_process.interps, __ATOMIC_ACQUIRE);

    while (interp != NULL && !interp->is_main)
        interp = interp->next;
    if (interp == NULL || (interp->index < thread->state_count && thread->states[interp->index]))
        return 0;
    return new_state(interp, thread) != NULL ? 0 : -1;
}

int wsgi_interp_attach(struct wsgi_interp *interp, struct wsgi_thread *thread)
{
    if (interp->index < thread->state_count && thread->states[interp->index] != NULL) {
        PyEval_RestoreThread(thread->states[interp->index]);
        return 0;
    }
    if (WSGI_COMPAT_GILSTATE_BINDS && !thread->is_passing && bind_to_main(thread) != 0)
        return -1;
    if ((interp->index >= thread->state_count || thread->states[interp->index] == NULL) &&
        new_state(interp, thread) == NULL)
        return -1;
    PyEval_RestoreThread(thread->states[interp->index]);
    return 0;
}

void wsgi_interp_detach(void)
{
    PyEval_SaveThread();
}

/* ---- finding and making -------------------------------------------------- */

static struct wsgi_interp *find(const char *name)
{
    struct wsgi_interp *interp = __atomic_load_n(&wsgi_process.interps, __ATOMIC_ACQUIRE);

    while (interp != NULL && strcmp(interp->name, name) != 0)
        interp = interp->next;
    return interp;
}

static struct wsgi_interp *make_record(const char *name)
{
    struct wsgi_interp *interp = calloc(1, sizeof *interp);

    if (interp == NULL)
        return NULL;
    interp->name = strdup(name);
    if (interp->name == NULL) {
        free(interp);
        return NULL;
    }
    pthread_mutex_init(&interp->load_lock, NULL);
    interp->index = wsgi_process.interp_count;
    return interp;
}

static void free_record(struct wsgi_interp *interp)
{
    pthread_mutex_destroy(&interp->load_lock);
    free(interp->name);
    free(interp);
}

/* From here on other threads see it. */
static void publish(struct wsgi_interp *interp)
{
    wsgi_process.interp_count++;
    interp->next = wsgi_process.interps;
    __atomic_store_n(&wsgi_process.interps, interp, __ATOMIC_RELEASE);
}

struct wsgi_interp *wsgi_interp_adopt_main(void)
{
    struct wsgi_interp *interp = make_record("");

    if (interp == NULL) {
        PyErr_NoMemory();
        return NULL;
    }
    interp->is_main = 1;
    interp->state = PyInterpreterState_Main();
    if (wsgi_setup_interp(interp) != 0) {
        free_record(interp);
        return NULL;
    }
    publish(interp);
    return interp;
}

/* Attached to the new interpreter, which is ended again when it cannot be set up. */
static int set_up_new(struct wsgi_interp *interp)
{
    PyObject *error;

    if (wsgi_setup_interp(interp) == 0)
        return 0;
    error = wsgi_compat_error_take();
    if (error != NULL) {
        PyObject *text = PyObject_Str(error);
        const char *words = text != NULL ? PyUnicode_AsUTF8(text) : NULL;

        wsgi_log_attached(WSGI_LOG_CRIT, "WSGI0035: interpreter '%s' cannot be set up: %s: %s",
                          interp->name, Py_TYPE(error)->tp_name,
                          words != NULL ? words : "no reason given");
        Py_XDECREF(text);
        Py_DECREF(error);
    }
    PyErr_Clear();
    wsgi_setup_clear(interp);
    return -1;
}

/* Attached to the main interpreter, before and after. Python's own GILs are taken and given back
 * by the swap, from 3.12 on. */
static struct wsgi_interp *create_attached(const char *name)
{
    PyThreadState *before = wsgi_compat_attached();
    struct wsgi_interp *interp = make_record(name);
    struct wsgi_layers layers;
    int result;

    if (interp == NULL)
        return NULL;
    wsgi_layers_resolve(name, 0, 0, &layers);
    interp->own_gil = layers.own_gil;
    interp->home = wsgi_compat_new_interpreter(interp->own_gil);
    if (interp->home == NULL) {
        if (wsgi_compat_attached() != before)
            PyThreadState_Swap(before);
        PyErr_Clear();
        wsgi_log_attached(WSGI_LOG_CRIT, "WSGI0035: Python made no interpreter for '%s'", name);
        free_record(interp);
        return NULL;
    }
    interp->state = wsgi_compat_interpreter_of(interp->home);
    result = set_up_new(interp);
    if (result != 0)
        Py_EndInterpreter(interp->home);
    PyThreadState_Swap(before);
    if (result != 0) {
        free_record(interp);
        return NULL;
    }
    publish(interp);
    return interp;
}

/*
 * The main thread has a state that never goes. Any other thread takes a passing one, which is
 * deleted before the thread makes its own in the new interpreter: so PyGILState binds to that.
 */
struct wsgi_interp *wsgi_interp_create(const char *name)
{
    int is_main = pthread_equal(pthread_self(), wsgi_process.main_thread);
    PyThreadState *state =
        is_main ? wsgi_process.main_state : PyThreadState_New(PyInterpreterState_Main());
    struct wsgi_interp *interp;

    if (state == NULL)
        return NULL;
    PyEval_RestoreThread(state);
    wsgi_log_attached(WSGI_LOG_INFO, "Create interpreter '%s'.", name);
    interp = create_attached(name);
    if (is_main) {
        wsgi_process.main_state = PyEval_SaveThread();
    } else {
        PyThreadState_Clear(state);
        PyThreadState_DeleteCurrent();
    }
    return interp;
}

static int is_full(void)
{
    return wsgi_process.interp_count > WSGI_INTERPRETERS_MAX; /* the main one counts too */
}

/* Under create_lock. */
static struct wsgi_interp *make(const char *group)
{
    if (is_full())
        return NULL;
    if (wsgi_process.delegate_create != NULL &&
        !pthread_equal(pthread_self(), wsgi_process.main_thread))
        return wsgi_process.delegate_create(group);
    return wsgi_interp_create(group);
}

struct wsgi_interp *wsgi_interp_get(const char *group)
{
    const char *main_group = wsgi_process.settings.main_group;
    struct wsgi_interp *interp;

    if (main_group != NULL && strcmp(group, main_group) == 0)
        group = "";
    interp = find(group);
    if (interp != NULL)
        return interp;
    pthread_mutex_lock(&wsgi_process.create_lock);
    interp = find(group);
    if (interp == NULL)
        interp = make(group);
    pthread_mutex_unlock(&wsgi_process.create_lock);
    return interp;
}

struct wsgi_interp *wsgi_interp_get_for(const char *group, int64_t request_flags)
{
    return wsgi_interp_get(request_flags & WSGI_REQUEST_MAIN ? "" : group);
}

const char *wsgi_interp_problem(void)
{
    if (is_full())
        return "this process has made 256 interpreters, the most it makes: give the application "
               "groups fixed names (WSGIApplicationGroup) instead of %{HOST} or %{RESOURCE}";
    return "the lines of the process above this one say why";
}

/* ---- the group of the main interpreter ----------------------------------- */

const char *wsgi_interp_reported(const struct wsgi_interp *interp)
{
    if (interp->is_main && wsgi_process.settings.main_group != NULL)
        return wsgi_process.settings.main_group;
    return interp->name;
}

static int set_reported(const char *group)
{
    PyObject *module = PyImport_ImportModule("mod_wsgi");
    PyObject *text = module != NULL ? PyUnicode_DecodeFSDefault(group) : NULL;
    int result = -1;

    if (text != NULL)
        result = PyObject_SetAttrString(module, "application_group", text);
    Py_XDECREF(text);
    Py_XDECREF(module);
    return result;
}

void wsgi_interp_name(struct wsgi_interp *interp, const char *group, int64_t request_flags)
{
    if (!(request_flags & WSGI_REQUEST_MAIN) || !interp->is_main ||
        __atomic_load_n(&interp->named, __ATOMIC_ACQUIRE))
        return;
    wsgi_script_lock(interp);
    if (!interp->named) {
        if ((wsgi_layers_are_selective() && wsgi_site_rename(interp, group) != 0) ||
            set_reported(group) != 0)
            PyErr_WriteUnraisable(NULL);
        __atomic_store_n(&interp->named, 1, __ATOMIC_RELEASE);
    }
    wsgi_script_unlock(interp);
}

/* ---- ending -------------------------------------------------------------- */

static void call_hook(const char *module_name, const char *function)
{
    PyObject *module = PyImport_ImportModule(module_name);
    PyObject *result = module != NULL ? PyObject_CallMethod(module, function, NULL) : NULL;

    if (result == NULL)
        PyErr_WriteUnraisable(module);
    Py_XDECREF(result);
    Py_XDECREF(module);
}

static void flush_stream(const char *name)
{
    PyObject *stream = PySys_GetObject(name);
    PyObject *result;

    if (stream == NULL || stream == Py_None)
        return;
    result = PyObject_CallMethod(stream, "flush", NULL);
    if (result == NULL)
        PyErr_Clear();
    Py_XDECREF(result);
}

/*
 * What threading does at the end of Python, but from any thread and more than once:
 * threading._shutdown() waits for ever when the thread that calls it is not the one that imported
 * threading. Executors of concurrent.futures register themselves in _threading_atexits.
 */
static const char end_threads_code[] =
    "import threading\n"
    "def end_threads():\n"
    "    calls = getattr(threading, '_threading_atexits', [])\n"
    "    while calls:\n"
    "        calls.pop()()\n"
    "    here = threading.current_thread()\n"
    "    main = threading.main_thread()\n"
    "    for thread in threading.enumerate():\n"
    "        if isinstance(thread, threading._DummyThread): # one of ours\n"
    "            continue\n"
    "        if thread not in (here, main) and not thread.daemon:\n"
    "            thread.join()\n";

static void end_threads(void)
{
    PyObject *names = PyDict_New();
    PyObject *result = NULL, *function;

    if (names != NULL && PyDict_SetItemString(names, "__builtins__", PyEval_GetBuiltins()) == 0)
        result = PyRun_String(end_threads_code, Py_file_input, names, names);
    Py_XDECREF(result);
    function = result != NULL ? PyDict_GetItemString(names, "end_threads") : NULL;
    result = function != NULL ? wsgi_compat_call_no_args(function) : NULL;
    if (result == NULL)
        PyErr_WriteUnraisable(NULL);
    Py_XDECREF(result);
    Py_XDECREF(names);
}

void wsgi_interp_run_exit_hooks(void)
{
    end_threads();
    call_hook("atexit", "_run_exitfuncs");
    flush_stream("stdout");
    flush_stream("stderr");
}

static int has_other_threads(const struct wsgi_interp *interp)
{
    PyThreadState *first = PyInterpreterState_ThreadHead(interp->state);

    return first != interp->home || PyThreadState_Next(first) != NULL;
}

/* Py_EndInterpreter() aborts the process when another state is alive, on every version. */
static int end_interp(struct wsgi_interp *interp, PyThreadState *main_state)
{
    int ended = 0;

    PyThreadState_Swap(interp->home);
    __atomic_store_n(&wsgi_process.swapped, interp->home, __ATOMIC_RELEASE);
    end_threads();
    if (has_other_threads(interp)) {
        wsgi_interp_run_exit_hooks();
    } else {
        wsgi_script_forget(interp);
        wsgi_setup_clear(interp);
        /* As Python does for the main interpreter: finalisers run while they can still import. */
        wsgi_compat_collect();
        Py_EndInterpreter(interp->home);
        ended = 1;
    }
    __atomic_store_n(&wsgi_process.swapped, NULL, __ATOMIC_RELEASE);
    PyThreadState_Swap(main_state);
    return ended ? 0 : -1;
}

int wsgi_interp_end_all(void)
{
    PyThreadState *main_state = wsgi_compat_attached();
    struct wsgi_interp *interp;
    int result = 0;

    for (interp = wsgi_process.interps; interp != NULL; interp = interp->next)
        if (!interp->is_main && end_interp(interp, main_state) != 0)
            result = -1;
    return result;
}
