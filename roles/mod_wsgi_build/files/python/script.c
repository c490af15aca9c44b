/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Script files as modules.
 *
 * The module lives in sys.modules only; what is kept here beside it (path, name, time of the last
 * load) can be read without Python, so that a daemon finds out about a changed script before the
 * request counts as started.
 */
#include "script.h"

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>
#include <unistd.h>

#include "../wire/launch.h"
#include "../wire/note.h"
#include "errors.h"
#include "hint.h"
#include "monitor.h"
#include "run.h"
#include "serve.h"
#include "stream.h"
#include "../wire/walk.h"

#define SCRIPT_MAX (64 << 20) /* bytes of a script file */

static int64_t mtime_of(const struct stat *status)
{
    return (int64_t)status->st_mtim.tv_sec * 1000000 + status->st_mtim.tv_nsec / 1000;
}

/* ---- what was loaded ----------------------------------------------------- */

/* WSGICaseSensitivity Off: two spellings are one file. */
static int is_any_case(void)
{
    return (wsgi_process.settings.flags & WSGI_PROCESS_ANY_CASE) != 0;
}

static struct wsgi_script *find(struct wsgi_interp *interp, const char *path)
{
    int (*compare)(const char *, const char *) = is_any_case() ? strcasecmp : strcmp;
    struct wsgi_script *script = __atomic_load_n(&interp->scripts, __ATOMIC_ACQUIRE);

    while (script != NULL && compare(script->path, path) != 0)
        script = script->next;
    return script;
}

/* "_mod_wsgi_" and the MD5 of the path. */
static PyObject *name_of(const char *path)
{
    PyObject *name = NULL;
    char *spelt = strdup(path), *at;
    char digest[33];

    if (spelt == NULL)
        return NULL;
    for (at = spelt; *at != '\0' && is_any_case(); at++)
        *at = (char)tolower((unsigned char)*at);
    wsgi_md5_hex(spelt, strlen(spelt), digest);
    free(spelt);
    name = PyUnicode_FromFormat("_mod_wsgi_%s", digest);
    if (name != NULL)
        PyUnicode_InternInPlace(&name);
    return name;
}

/* Attached, the load lock is held. */
static struct wsgi_script *find_or_add(struct wsgi_interp *interp, const char *path)
{
    struct wsgi_script *script = find(interp, path);

    if (script != NULL)
        return script;
    script = calloc(1, sizeof *script);
    if (script == NULL)
        return NULL;
    script->path = strdup(path);
    script->name = script->path != NULL ? name_of(path) : NULL;
    if (script->name == NULL) {
        free(script->path);
        free(script);
        return NULL;
    }
    script->next = interp->scripts;
    __atomic_store_n(&interp->scripts, script, __ATOMIC_RELEASE);
    return script;
}

void wsgi_script_forget(struct wsgi_interp *interp)
{
    struct wsgi_script *script = interp->scripts;

    interp->scripts = NULL;
    while (script != NULL) {
        struct wsgi_script *next = script->next;

        Py_DECREF(script->name);
        free(script->path);
        free(script->cause);
        free(script);
        script = next;
    }
}

/* Microseconds; WSGI_NOTE_NO_TIME: it is gone. `otherwise` if that cannot be found out. */
static int64_t time_on_disk(const char *path, int64_t otherwise)
{
    struct stat status;

    if (stat(path, &status) == 0)
        return mtime_of(&status);
    return errno == ENOENT || errno == ENOTDIR ? WSGI_NOTE_NO_TIME : otherwise;
}

/* httpd's view of the time may be older than what was loaded, so the file is asked again. */
static int differs_on_disk(const char *path, int64_t loaded, int gone_counts)
{
    int64_t now = time_on_disk(path, loaded);

    return now != loaded && (now != WSGI_NOTE_NO_TIME || gone_counts);
}

/* The file is in a state that another process could not load. */
static int is_kept(struct wsgi_script *script)
{
    int64_t kept = __atomic_load_n(&script->kept, __ATOMIC_ACQUIRE);

    return kept != 0 && time_on_disk(script->path, 0) == kept;
}

/* What this thread loads the script for; 0: for nobody that the supervisor could do it for. */
static int note_for(const char *path, struct wsgi_tidings *note)
{
    const struct wsgi_thread *thread = wsgi_thread_self();

    memset(note, 0, sizeof *note);
    note->path = path;
    note->text = "";
    if (wsgi_process.embedded || thread == NULL)
        return 0;
    if (thread->preload != NULL) {
        note->group = thread->preload->group;
        note->flags = thread->preload->is_main;
        return thread->preload->is_learned;
    }
    if (thread->run == NULL)
        return 0;
    note->group = thread->run->call.application_group;
    note->flags = (uint32_t)thread->run->call.flags & WSGI_REQUEST_MAIN;
    return 1;
}

/* The file is not what is loaded here. */
static void tell_changed(const struct wsgi_call *call, const char *path)
{
    struct wsgi_tidings note = {.path = path,
                                .group = call->application_group,
                                .flags = (uint32_t)call->flags & WSGI_REQUEST_MAIN,
                                .mtime = time_on_disk(path, 0),
                                .text = ""};

    wsgi_daemon_tell_note(WSGI_CONTROL_RELOAD, &note, &wsgi_process.daemon->reload_told);
}

/* Whether another process is to do it; with reload=overlap this one does, meanwhile. */
static int leaves_it(const struct wsgi_call *call, const char *path)
{
    tell_changed(call, path);
    return !(wsgi_process.settings.flags & WSGI_PROCESS_OVERLAP);
}

void wsgi_script_keep(const char *path, int64_t mtime)
{
    struct wsgi_interp *interp = __atomic_load_n(&wsgi_process.interps, __ATOMIC_ACQUIRE);

    for (; interp != NULL; interp = interp->next) {
        struct wsgi_script *script = find(interp, path);

        if (script != NULL)
            __atomic_store_n(&script->kept, mtime, __ATOMIC_RELEASE);
    }
}

/* httpd answers 404 when an aliased script is gone; what handles other resources, or decides about
 * them, is looked for by nobody but us. */
static int gone_counts(const struct wsgi_call *call)
{
    return call->handler_script != NULL || (call->flags & WSGI_REQUEST_QUESTION) != 0;
}

int wsgi_script_is_stale(struct wsgi_interp *interp, const struct wsgi_call *call)
{
    struct wsgi_script *script = find(interp, call->script);
    int64_t loaded;

    if (script == NULL || !__atomic_load_n(&script->loaded, __ATOMIC_ACQUIRE))
        return 0;
    loaded = __atomic_load_n(&script->mtime, __ATOMIC_ACQUIRE);
    return loaded != call->script_mtime &&
           differs_on_disk(call->script, loaded, gone_counts(call)) && !is_kept(script) &&
           leaves_it(call, call->script);
}

/* ---- reading ------------------------------------------------------------- */

struct source {
    PyObject *bytes;
    int64_t mtime;
};

/* The whole of an open regular file into `data`; detached. */
static int read_all(int descriptor, char *data, size_t size)
{
    size_t done = 0;

    while (done < size) {
        ssize_t count = read(descriptor, data + done, size - done);

        if (count < 0 && errno == EINTR)
            continue;
        if (count <= 0) {
            errno = count == 0 ? EBUSY : errno; /* it shrank while it was read */
            return -1;
        }
        done += (size_t)count;
    }
    return 0;
}

static int open_script(const char *path, struct stat *status)
{
    /* Non-blocking, so that a fifo in its place does not stop us. */
    int descriptor = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    int problem = 0;

    if (descriptor < 0)
        return -1;
    if (fstat(descriptor, status) != 0)
        problem = errno;
    else if (!S_ISREG(status->st_mode))
        problem = S_ISDIR(status->st_mode) ? EISDIR : EINVAL;
    else if (status->st_size > SCRIPT_MAX)
        problem = EFBIG;
    if (problem == 0)
        return descriptor;
    close(descriptor);
    errno = problem;
    return -1;
}

/* 0; or -1 with errno, or with an exception when errno is 0. */
static int read_source(const char *path, struct source *source)
{
    struct stat status;
    PyThreadState *state = PyEval_SaveThread();
    int descriptor = open_script(path, &status), result, problem = errno;

    PyEval_RestoreThread(state);
    if (descriptor < 0) {
        errno = problem;
        return -1;
    }
    source->mtime = mtime_of(&status);
    source->bytes = PyBytes_FromStringAndSize(NULL, (Py_ssize_t)status.st_size);
    if (source->bytes == NULL) {
        close(descriptor);
        errno = 0;
        return -1;
    }
    state = PyEval_SaveThread();
    result = read_all(descriptor, PyBytes_AS_STRING(source->bytes), (size_t)status.st_size);
    problem = errno;
    close(descriptor);
    PyEval_RestoreThread(state);
    if (result != 0)
        Py_CLEAR(source->bytes);
    errno = problem;
    return result;
}

/* ---- loading ------------------------------------------------------------- */

/* That is how a service is told to end. */
static int is_expected_exit(uint16_t code)
{
    return code == WSGI_CODE_SCRIPT_EXIT && wsgi_is_service();
}

/* The traceback goes to the log; that of a script that is loaded before any request in a daemon to
 * the supervisor, which knows who else has met it. */
static void tell_failure(struct wsgi_interp *interp, PyObject *error)
{
    const struct wsgi_thread *thread = wsgi_thread_self();

    if (thread != NULL && thread->preload != NULL && !wsgi_process.embedded) {
        free(thread->preload->traceback);
        thread->preload->traceback = wsgi_error_text(interp, error);
    } else {
        wsgi_error_log(interp, error);
    }
    wsgi_hint_log(interp, error);
}

static int fail_pending(struct wsgi_interp *interp, struct wsgi_outcome *outcome, uint16_t code,
                        const char *format, const char *path)
{
    PyObject *error = wsgi_compat_error_take();
    char text[WSGI_OUTCOME_CAUSE_MAX] = "unknown error";

    if (error != NULL) {
        wsgi_error_describe(error, text, sizeof text);
        if (code == WSGI_CODE_SCRIPT_RAISED && PyErr_GivenExceptionMatches(error, PyExc_SystemExit))
            code = WSGI_CODE_SCRIPT_EXIT;
        if (!is_expected_exit(code))
            tell_failure(interp, error);
        Py_DECREF(error);
    }
    wsgi_outcome_fail(outcome, 500, code, format, path, text);
    return -1;
}

/* A daemon whose script failed in the midst of its execution may not be fit for it any more: the
 * supervisor lets another process try. `text` is what this one has logged, NULL when that was
 * before: it is not logged again when that process meets the same. */
static void tell_unfit(struct wsgi_script *script, const char *text)
{
    const struct wsgi_thread *thread = wsgi_thread_self();
    struct wsgi_tidings note;

    if (!note_for(script->path, &note) || thread->run == NULL)
        return;
    note.mtime = script->failed;
    if (text != NULL) { /* once for each state of a file, so never too often */
        note.text = text;
        note.text_size = strlen(text);
    }
    wsgi_daemon_tell_note(WSGI_CONTROL_UNLOADABLE, &note,
                          text != NULL ? NULL : &script->failure_told);
}

/* The traceback of what is pending, which stays so. */
static char *pending_text(struct wsgi_interp *interp)
{
    PyObject *error = wsgi_compat_error_take();
    char *text = error != NULL ? wsgi_error_text(interp, error) : NULL;

    if (error != NULL)
        wsgi_compat_error_restore(error);
    return text;
}

/* Again, with the same file: what was first is what counts, for the rest may come of it. */
static int fail_again(struct wsgi_script *script, int64_t mtime, struct wsgi_outcome *outcome)
{
    if (wsgi_process.embedded || script->cause == NULL || script->failed != mtime)
        return -1;
    PyErr_Clear();
    wsgi_outcome_fail(outcome, 500, script->failed_code,
                      "script %s failed in this process before, its traceback is above: %s",
                      script->path, script->cause);
    return 0;
}

static void remember_failure(struct wsgi_script *script, int64_t mtime)
{
    PyObject *error = wsgi_compat_error_take();
    char text[WSGI_OUTCOME_CAUSE_MAX] = "unknown error";

    free(script->cause);
    script->failed = mtime;
    script->failed_code = WSGI_CODE_SCRIPT_RAISED;
    if (error != NULL) {
        wsgi_error_describe(error, text, sizeof text);
        if (PyErr_GivenExceptionMatches(error, PyExc_SystemExit))
            script->failed_code = WSGI_CODE_SCRIPT_EXIT;
        wsgi_compat_error_restore(error);
    }
    script->cause = strdup(text);
}

static void fail_executing(struct wsgi_interp *interp, struct wsgi_script *script, int64_t mtime,
                           struct wsgi_outcome *outcome)
{
    char *traceback, *text;

    if (fail_again(script, mtime, outcome) == 0) {
        tell_unfit(script, NULL);
        return;
    }
    remember_failure(script, mtime);
    traceback = wsgi_process.embedded ? NULL : pending_text(interp);
    fail_pending(interp, outcome, WSGI_CODE_SCRIPT_RAISED,
                 "script %s failed while it was executed: %s", script->path);
    text = traceback != NULL ? wsgi_script_trouble(traceback, outcome) : NULL;
    tell_unfit(script, text);
    free(text);
    free(traceback);
}

static PyObject *compile_source(struct wsgi_interp *interp, PyObject *bytes, PyObject *file)
{
    /* compile() honours a coding cookie and refuses NUL bytes; nothing is inherited. */
    return PyObject_CallFunction(interp->objects.compile, "OOsii", bytes, file, "exec", 0, 1);
}

/* A module that is ready to be filled, also in sys.modules: dataclasses and pickle look there. */
static PyObject *new_module(struct wsgi_interp *interp, PyObject *name, PyObject *file)
{
    PyObject *module = PyModule_NewObject(name);
    PyObject *names = module != NULL ? PyModule_GetDict(module) : NULL;

    if (names == NULL || PyDict_SetItem(names, interp->objects.word_file, file) != 0 ||
        PyDict_SetItem(names, interp->objects.word_builtins, PyEval_GetBuiltins()) != 0 ||
        PyDict_SetItem(PyImport_GetModuleDict(), name, module) != 0)
        Py_CLEAR(module);
    return module;
}

static void drop_module(PyObject *name)
{
    if (PyDict_DelItem(PyImport_GetModuleDict(), name) != 0)
        PyErr_Clear();
}

static int execute(struct wsgi_interp *interp, PyObject *module, PyObject *code, int64_t mtime)
{
    PyObject *names = PyModule_GetDict(module);
    PyObject *result = PyEval_EvalCode(code, names, names);
    PyObject *number;
    int status;

    wsgi_run_leave_forked(interp);
    if (result == NULL)
        return -1;
    Py_DECREF(result);
    number = PyLong_FromLongLong(mtime);
    status = number != NULL ? PyDict_SetItem(names, interp->objects.word_mtime, number) : -1;
    Py_XDECREF(number);
    return status;
}

static PyObject *run_source(struct wsgi_interp *interp, struct wsgi_script *script,
                            const struct source *source, struct wsgi_outcome *outcome)
{
    PyObject *file = PyUnicode_DecodeFSDefault(script->path);
    PyObject *code = file != NULL ? compile_source(interp, source->bytes, file) : NULL;
    PyObject *module = NULL;

    if (code == NULL) {
        fail_pending(interp, outcome, WSGI_CODE_SCRIPT_UNREADABLE, "script %s does not compile: %s",
                     script->path);
    } else {
        module = new_module(interp, script->name, file);
        if (module == NULL || execute(interp, module, code, source->mtime) != 0) {
            fail_executing(interp, script, source->mtime, outcome);
            drop_module(script->name);
            Py_CLEAR(module);
        }
    }
    Py_XDECREF(code);
    Py_XDECREF(file);
    return module;
}

/* What stands in the way may be far from the script. */
static void fail_unreadable(struct wsgi_outcome *outcome, const char *path, int problem)
{
    char words[512];

    if (problem == EACCES && wsgi_walk(path, R_OK, words, sizeof words) != 0)
        wsgi_outcome_fail(outcome, 500, WSGI_CODE_SCRIPT_UNREADABLE,
                          "script %s cannot be read: user id %ld %s; let that user in, or move the "
                          "script",
                          path, (long)geteuid(), words);
    else
        wsgi_outcome_fail(outcome, 500, WSGI_CODE_SCRIPT_UNREADABLE, "script %s cannot be read: %s",
                          path, strerror(problem));
}

static void has_loaded(struct wsgi_script *script, int64_t mtime)
{
    struct wsgi_tidings note;

    __atomic_store_n(&script->mtime, mtime, __ATOMIC_RELEASE);
    __atomic_store_n(&script->loaded, 1, __ATOMIC_RELEASE);
    free(script->cause);
    script->cause = NULL;
    if (!note_for(script->path, &note))
        return;
    note.mtime = mtime;
    __atomic_store_n(&script->is_new, wsgi_thread_self()->preload != NULL, __ATOMIC_RELEASE);
    wsgi_daemon_tell_note(WSGI_CONTROL_LOADED, &note, NULL);
}

/* Attached, the load lock is held. */
static PyObject *load(struct wsgi_interp *interp, struct wsgi_script *script,
                      struct wsgi_outcome *outcome)
{
    struct source source = {NULL, 0};
    int again = script->mtime != 0;
    PyObject *module;

    __atomic_store_n(&script->loaded, 0, __ATOMIC_RELEASE);
    wsgi_log_attached(WSGI_LOG_INFO, "%s Python script file '%s' in interpreter '%s'.",
                      again ? "Reloading" : "Loading", script->path, interp->name);
    drop_module(script->name);
    if (read_source(script->path, &source) != 0) {
        if (errno == 0)
            fail_pending(interp, outcome, WSGI_CODE_SCRIPT_UNREADABLE,
                         "script %s cannot be read: %s", script->path);
        else
            fail_unreadable(outcome, script->path, errno);
        return NULL;
    }
    module = run_source(interp, script, &source, outcome);
    Py_DECREF(source.bytes);
    if (module != NULL)
        has_loaded(script, source.mtime);
    return module;
}

/* ---- finding ------------------------------------------------------------- */

/* By which a loaded module is judged. */
struct rule {
    int64_t mtime; /* of the file, as httpd saw it */
    int check;     /* 0: it stays as it is */
    int gone_counts;
    const char *resource; /* what the request is for; NULL: reload_required() has no say */
};

static struct rule rule_for(const char *path, int64_t mtime, int check)
{
    const struct wsgi_thread *thread = wsgi_thread_self();
    const struct wsgi_run *run = thread != NULL ? thread->run : NULL;
    struct rule rule = {mtime, check, 0, path};

    if (run == NULL)
        return rule;
    rule.gone_counts = gone_counts(&run->call);
    if (run->call.flags & WSGI_REQUEST_QUESTION)
        rule.resource = NULL;
    else if (run->call.resource != NULL)
        rule.resource = run->call.resource;
    return rule;
}

/* The module's own word counts: an application may change or delete __mtime__ to be reloaded. */
static int has_other_time(struct wsgi_interp *interp, PyObject *names, const char *path,
                          const struct rule *rule)
{
    PyObject *number = PyDict_GetItemWithError(names, interp->objects.word_mtime);
    long long loaded;

    if (number == NULL || !PyLong_Check(number)) {
        PyErr_Clear();
        return 1;
    }
    loaded = PyLong_AsLongLong(number);
    if (loaded == -1 && PyErr_Occurred()) {
        PyErr_Clear();
        return 1;
    }
    return loaded != rule->mtime && differs_on_disk(path, loaded, rule->gone_counts);
}

/* Asks reload_required(resource). An exception is logged, and means no. */
static int asks_for_reload(struct wsgi_interp *interp, PyObject *names, const char *path,
                           const struct rule *rule)
{
    PyObject *function = PyDict_GetItemWithError(names, interp->objects.word_reload_required);
    PyObject *resource, *result, *error;
    int answer;

    if (function == NULL) {
        PyErr_Clear();
        return 0;
    }
    Py_INCREF(function);
    resource = PyUnicode_DecodeFSDefault(rule->resource);
    result = resource != NULL ? wsgi_compat_call_one(function, resource) : NULL;
    wsgi_run_leave_forked(interp);
    answer = result != NULL ? PyObject_IsTrue(result) : -1;
    Py_XDECREF(result);
    Py_XDECREF(resource);
    Py_DECREF(function);
    error = answer < 0 ? wsgi_compat_error_take() : NULL;
    if (error != NULL) {
        wsgi_log_attached(WSGI_LOG_ERR,
                          "WSGI%04d: reload_required() of script %s raised an "
                          "exception, so it is not reloaded:",
                          WSGI_CODE_RELOAD_REQUIRED, path);
        wsgi_error_log(interp, error);
        Py_DECREF(error);
    }
    return answer > 0;
}

static int is_fresh(struct wsgi_interp *interp, PyObject *module, const char *path,
                    const struct rule *rule)
{
    PyObject *names;

    if (!rule->check || !PyModule_Check(module))
        return 1;
    names = PyModule_GetDict(module);
    if (has_other_time(interp, names, path, rule))
        return 0;
    return rule->resource == NULL || !asks_for_reload(interp, names, path, rule);
}

/* The loaded module (new reference), or NULL without an exception. */
static PyObject *loaded_module(struct wsgi_script *script)
{
    PyObject *module;

    if (!__atomic_load_n(&script->loaded, __ATOMIC_ACQUIRE))
        return NULL;
    module = PyDict_GetItemWithError(PyImport_GetModuleDict(), script->name);
    PyErr_Clear();
    Py_XINCREF(module);
    return module;
}

/* Nobody waits for the lock attached: whoever holds it needs the GIL to get on. */
void wsgi_script_lock(struct wsgi_interp *interp)
{
    PyThreadState *state;

    if (pthread_mutex_trylock(&interp->load_lock) == 0)
        return;
    state = PyEval_SaveThread();
    pthread_mutex_lock(&interp->load_lock);
    PyEval_RestoreThread(state);
}

void wsgi_script_unlock(struct wsgi_interp *interp)
{
    pthread_mutex_unlock(&interp->load_lock);
}

static struct wsgi_script *record_of(struct wsgi_interp *interp, const char *path)
{
    struct wsgi_script *script = find(interp, path);

    if (script != NULL)
        return script;
    wsgi_script_lock(interp);
    script = find_or_add(interp, path);
    wsgi_script_unlock(interp);
    PyErr_Clear();
    return script;
}

/* A module that is not `stale`: another thread may have loaded it meanwhile. */
static PyObject *load_once(struct wsgi_interp *interp, struct wsgi_script *script,
                           const PyObject *stale, struct wsgi_outcome *outcome)
{
    PyObject *module;

    wsgi_watch_load_begin();
    wsgi_script_lock(interp);
    module = loaded_module(script);
    if (module == NULL || module == stale) {
        Py_XDECREF(module);
        wsgi_watch_loader(interp, 1);
        module = load(interp, script, outcome);
        wsgi_watch_loader(interp, 0);
    }
    wsgi_script_unlock(interp);
    wsgi_watch_load_end(module != NULL);
    return module;
}

PyObject *wsgi_script_module(struct wsgi_interp *interp, const char *path, int64_t mtime, int check,
                             int *reload, struct wsgi_outcome *outcome)
{
    struct wsgi_script *script = record_of(interp, path);
    struct rule rule = rule_for(path, mtime, check);
    PyObject *known, *module;

    if (script == NULL) {
        wsgi_outcome_fail(outcome, 500, WSGI_CODE_NO_MEMORY, "no memory to load script %s", path);
        return NULL;
    }
    known = loaded_module(script);
    if (known != NULL && __atomic_exchange_n(&script->is_new, 0, __ATOMIC_ACQ_REL))
        return known;
    if (known != NULL && (is_fresh(interp, known, path, &rule) || is_kept(script)))
        return known;
    if (known != NULL && !wsgi_process.embedded) {
        const struct wsgi_run *run = wsgi_thread_self()->run;

        if (run == NULL || !leaves_it(&run->call, path))
            return known;
        *reload = 1;
    }
    module = *reload ? NULL : load_once(interp, script, known, outcome);
    Py_XDECREF(known);
    return module;
}

PyObject *wsgi_script_callable(PyObject *module, const char *path, const char *name,
                               struct wsgi_outcome *outcome)
{
    PyObject *names = PyModule_Check(module) ? PyModule_GetDict(module) : NULL;
    PyObject *callable = names != NULL ? PyDict_GetItemString(names, name) : NULL;

    if (callable == NULL) {
        wsgi_outcome_fail(outcome, wsgi_process.embedded ? 404 : 500, WSGI_CODE_CALLABLE_MISSING,
                          "script %s does not define '%s'", path, name);
        return NULL;
    }
    if (!PyCallable_Check(callable)) {
        wsgi_outcome_fail(outcome, 500, WSGI_CODE_NOT_CALLABLE,
                          "'%s' of script %s is not callable, it is of type %s", name, path,
                          Py_TYPE(callable)->tp_name);
        return NULL;
    }
    return wsgi_compat_new_ref(callable);
}
