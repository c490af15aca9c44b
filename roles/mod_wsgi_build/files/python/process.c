/* SPDX-License-Identifier: Apache-2.0 */
/* The process struct: launch block, start and stop of an embedded Python. */
#include "process.h"

#include <errno.h>
#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "../wire/launch.h"
#include "connection.h"
#include "events.h"
#include "interp.h"
#include "layers.h"
#include "metrics.h"
#include "script.h"
#include "stream.h"

#define VENV_MARKER_MAX 65536 /* bytes of pyvenv.cfg, as httpd's limit */

struct wsgi_process wsgi_process = {.create_lock = PTHREAD_MUTEX_INITIALIZER};

int64_t wsgi_clock_wall(void)
{
    struct timespec now;

    clock_gettime(CLOCK_REALTIME, &now);
    return (int64_t)now.tv_sec * 1000000 + now.tv_nsec / 1000;
}

int64_t wsgi_clock_steady(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

static int fail(char *error, size_t size, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

static int fail(char *error, size_t size, const char *format, ...)
{
    va_list arguments;

    va_start(arguments, format);
    vsnprintf(error, size, format, arguments);
    va_end(arguments);
    return -1;
}

/* ---- launch block -------------------------------------------------------- */

/* Where the single values of a launch block go. */
struct text_place {
    enum wsgi_param id;
    const char **text;
};
struct number_place {
    enum wsgi_param id;
    int64_t *number;
};

static int store_text(struct wsgi_settings *s, const struct wsgi_var *var)
{
    const struct text_place places[] = {
        {WSGI_PARAM_GROUP_NAME, &s->group_name},
        {WSGI_PARAM_INTERPRETER, &s->interpreter},
        {WSGI_PARAM_PYTHON_HOME, &s->python_home},
        {WSGI_PARAM_HOME, &s->home},
        {WSGI_PARAM_LOCALE, &s->locale},
        {WSGI_PARAM_TITLE, &s->title},
        {WSGI_PARAM_USER_NAME, &s->user_name},
        {WSGI_PARAM_USER_HOME, &s->user_home},
        {WSGI_PARAM_MAIN_GROUP, &s->main_group},
        {WSGI_PARAM_SERVER_DESCRIPTION, &s->server_description},
        {WSGI_PARAM_SERVER_BUILT, &s->server_built},
        {WSGI_PARAM_MPM_NAME, &s->mpm_name},
        {WSGI_PARAM_PYTHON_EGGS, &s->python_eggs},
        {WSGI_PARAM_HASH_SEED, &s->hash_seed},
        {WSGI_PARAM_OUTER_HASH_SEED, &s->outer_hash_seed},
    };
    size_t i;

    for (i = 0; i < sizeof places / sizeof *places; i++)
        if (places[i].id == (enum wsgi_param)var->id) {
            *places[i].text = var->value;
            return 1;
        }
    return 0;
}

static int store_number(struct wsgi_settings *s, const struct wsgi_var *var)
{
    int64_t epoch = s->epoch;
    const struct number_place places[] = {
        {WSGI_PARAM_PROCESSES, &s->processes},
        {WSGI_PARAM_THREADS, &s->threads},
        {WSGI_PARAM_PROCESS_FLAGS, &s->flags},
        {WSGI_PARAM_SHUTDOWN_TIMEOUT, &s->shutdown_timeout},
        {WSGI_PARAM_EPOCH, &epoch},
        {WSGI_PARAM_SERVER_PID, &s->server_pid},
        {WSGI_PARAM_SERVER_VERSION, &s->server_version},
        {WSGI_PARAM_MPM_PROCESSES, &s->mpm_processes},
        {WSGI_PARAM_MPM_THREADS, &s->mpm_threads},
        {WSGI_PARAM_LOG_LEVEL, &s->log_level},
        {WSGI_PARAM_STACK_SIZE, &s->stack_size},
        {WSGI_PARAM_MAXIMUM_REQUESTS, &s->maximum_requests},
        {WSGI_PARAM_PYTHON_OPTIMIZE, &s->python_optimize},
        {WSGI_PARAM_STDOUT_LEVEL, &s->stdout_level},
        {WSGI_PARAM_STDERR_LEVEL, &s->stderr_level},
        {WSGI_PARAM_LOG_FLAGS, &s->log_flags},
        {WSGI_PARAM_REQUEST_TIMEOUT, &s->request_timeout},
        {WSGI_PARAM_INTERRUPT_TIMEOUT, &s->interrupt_timeout},
        {WSGI_PARAM_STARTUP_TIMEOUT, &s->startup_timeout},
        {WSGI_PARAM_DEADLOCK_TIMEOUT, &s->deadlock_timeout},
        {WSGI_PARAM_INACTIVITY_TIMEOUT, &s->inactivity_timeout},
        {WSGI_PARAM_GRACEFUL_TIMEOUT, &s->graceful_timeout},
        {WSGI_PARAM_EVICTION_TIMEOUT, &s->eviction_timeout},
        {WSGI_PARAM_CPU_TIME_LIMIT, &s->cpu_time_limit},
        {WSGI_PARAM_MEMORY_LIMIT, &s->memory_limit},
        {WSGI_PARAM_SOCKET_TIMEOUT, &s->socket_timeout},
    };
    size_t i;

    for (i = 0; i < sizeof places / sizeof *places; i++)
        if (places[i].id == (enum wsgi_param)var->id) {
            if (wsgi_var_number(var, places[i].number) != 0)
                return -1;
            s->epoch = (uint32_t)epoch;
            return 1;
        }
    return 0;
}

/* The values that may be repeated. The arrays have room for all entries of the block. */
static int store_repeated(struct wsgi_settings *s, const struct wsgi_var *var,
                          const char **preload_group)
{
    int64_t number;

    switch ((enum wsgi_param)var->id) {
    case WSGI_PARAM_PYTHON_PATH:
        s->python_path[s->python_path_count++] = var->value;
        return 1;
    case WSGI_PARAM_PYTHON_WARNINGS:
        s->python_warnings[s->python_warning_count++] = var->value;
        return 1;
    case WSGI_PARAM_PRELOAD_GROUP:
        *preload_group = var->value;
        return 1;
    case WSGI_PARAM_PRELOAD_SCRIPT:
        if (*preload_group == NULL)
            return -1;
        s->preload[s->preload_count].group = *preload_group;
        s->preload[s->preload_count++].script = var->value;
        return 1;
    case WSGI_PARAM_PRELOAD_LEARNED:
        if (s->preload_count == 0 || wsgi_var_number(var, &number) != 0)
            return -1;
        s->preload[s->preload_count - 1].is_learned = 1;
        s->preload[s->preload_count - 1].is_main = (uint32_t)number & WSGI_REQUEST_MAIN;
        return 1;
    case WSGI_PARAM_PEER_UID:
        if (wsgi_var_number(var, &number) != 0)
            return -1;
        s->peers[s->peer_count++] = (uid_t)number;
        return 1;
    case WSGI_PARAM_SECRET:
        if (var->value_size != WSGI_WIRE_SECRET_SIZE)
            return -1;
        memcpy(s->secret, var->value, WSGI_WIRE_SECRET_SIZE);
        s->has_secret = 1;
        return 1;
    default:
        return 0;
    }
}

/* What belongs to the layer that the last SCOPE began. */
static int store_scope(struct wsgi_settings *s, const struct wsgi_var *var)
{
    struct wsgi_scope *scope = s->scopes + s->scope_count;

    if ((enum wsgi_param)var->id == WSGI_PARAM_SCOPE) {
        scope->selector = var->value;
        scope->paths = s->scope_paths + s->scope_path_count;
        s->scope_count++;
        return *var->value == '\0' || *var->value == '=' ? 1 : -1;
    }
    if (var->id < WSGI_PARAM_SCOPE_PYTHON_PATH || var->id > WSGI_PARAM_SCOPE_FLAGS)
        return 0;
    if (s->scope_count == 0)
        return -1;
    scope--;
    switch ((enum wsgi_param)var->id) {
    case WSGI_PARAM_SCOPE_PYTHON_PATH:
        s->scope_paths[s->scope_path_count++] = var->value;
        scope->path_count++;
        return 1;
    case WSGI_PARAM_SCOPE_SWITCH_INTERVAL:
        return wsgi_var_number(var, &scope->switch_interval) == 0 ? 1 : -1;
    case WSGI_PARAM_SCOPE_GIVEN:
        return wsgi_var_number(var, &scope->given) == 0 ? 1 : -1;
    default:
        return wsgi_var_number(var, &scope->flags) == 0 ? 1 : -1;
    }
}

static int store(struct wsgi_settings *settings, const struct wsgi_var *var,
                 const char **preload_group)
{
    int stored = store_text(settings, var);

    if (stored == 0)
        stored = store_number(settings, var);
    if (stored == 0)
        stored = store_scope(settings, var);
    if (stored == 0)
        stored = store_repeated(settings, var, preload_group);
    return stored;
}

static int allocate(struct wsgi_settings *settings, const void *block, size_t size, uint32_t count)
{
    size_t room = (size_t)count + 1;

    settings->block = malloc(size);
    settings->python_path = calloc(room, sizeof *settings->python_path);
    settings->preload = calloc(room, sizeof *settings->preload);
    settings->peers = calloc(room, sizeof *settings->peers);
    settings->python_warnings = calloc(room, sizeof *settings->python_warnings);
    settings->scopes = calloc(room, sizeof *settings->scopes);
    settings->scope_paths = calloc(room, sizeof *settings->scope_paths);
    if (settings->block == NULL || settings->python_path == NULL || settings->preload == NULL ||
        settings->peers == NULL || settings->python_warnings == NULL || settings->scopes == NULL ||
        settings->scope_paths == NULL)
        return -1;
    memcpy(settings->block, block, size);
    return 0;
}

static void set_defaults(struct wsgi_settings *settings)
{
    memset(settings, 0, sizeof *settings);
    settings->group_name = "";
    settings->processes = 1;
    settings->threads = 1;
    settings->server_description = "";
    settings->server_built = "";
    settings->mpm_name = "";
    settings->mpm_processes = 1;
    settings->mpm_threads = 1;
    settings->log_level = 4;
    settings->stdout_level = 3;
    settings->stderr_level = 3;
}

int wsgi_settings_load(struct wsgi_settings *settings, const void *block, size_t size, char *error,
                       size_t error_size)
{
    struct wsgi_vars_reader reader;
    struct wsgi_var var;
    const char *preload_group = NULL;
    int more;

    set_defaults(settings);
    if (wsgi_vars_open(&reader, block, size) != 0 || reader.left > size / 8)
        return fail(error, error_size, "the launch block has no valid head");
    if (allocate(settings, block, size, reader.left) != 0)
        return fail(error, error_size, "no memory for the launch block");
    if (wsgi_vars_open(&reader, settings->block, size) != 0)
        return fail(error, error_size, "the launch block has no valid head");
    while ((more = wsgi_vars_next(&reader, &var)) == 1)
        if (store(settings, &var, &preload_group) != 1)
            return fail(error, error_size, "entry %u of the launch block is unknown or malformed",
                        var.id);
    if (more != 0)
        return fail(error, error_size, "the launch block is malformed");
    if (settings->threads < 0 || settings->processes < 1) /* 0: a service */
        return fail(error, error_size, "the launch block asks for %lld threads in %lld processes",
                    (long long)settings->threads, (long long)settings->processes);
    return 0;
}

/* ---- the process --------------------------------------------------------- */

static void end_thread(void *unused)
{
    (void)unused;
    wsgi_thread_end();
}

/* In a process that the application forked. One that lives long must not keep fronts waiting when
 * its parent dies, nor the supervisor. In one that it forks itself the numbers are its own. */
static void note_fork(void)
{
    wsgi_metrics_after_fork();
    if (wsgi_process.forked)
        return;
    wsgi_process.forked = 1;
    if (wsgi_process.daemon != NULL) {
        wsgi_connections_forsake(wsgi_process.daemon);
        close(WSGI_FD_CONTROL);
    }
}

int wsgi_process_begin(const struct wsgi_host *host, int embedded, char *error, size_t error_size)
{
    wsgi_process.host = host;
    wsgi_process.embedded = embedded;
    wsgi_process.pid = getpid();
    wsgi_process.begun = wsgi_clock_wall();
    wsgi_process.main_thread = pthread_self();
    if (pthread_key_create(&wsgi_process.thread_key, end_thread) != 0)
        return fail(error, error_size, "no thread key is left");
    wsgi_process.thread_key_made = 1;
    if (pthread_atfork(NULL, NULL, note_fork) != 0)
        return fail(error, error_size, "no memory for a fork handler");
    if (wsgi_interp_adopt_main() == NULL) {
        PyObject *problem = wsgi_compat_error_take();
        PyObject *text = problem != NULL ? PyObject_Str(problem) : NULL;
        const char *words = text != NULL ? PyUnicode_AsUTF8(text) : NULL;

        fail(error, error_size, "the main interpreter cannot be set up: %s: %s",
             problem != NULL ? Py_TYPE(problem)->tp_name : "unknown",
             words != NULL ? words : "no reason given");
        Py_XDECREF(text);
        Py_XDECREF(problem);
        PyErr_Clear();
        return -1;
    }
    return 0;
}

/* ---- embedded: start ----------------------------------------------------- */

/* The home that WSGIPythonHome means: it may name the program inside of it, .../bin/python. */
static void find_home(const char *given, char *home, size_t size)
{
    struct stat status;
    int depth;

    snprintf(home, size, "%s", given);
    if (stat(home, &status) != 0 || !S_ISREG(status.st_mode))
        return;
    for (depth = 0; depth < 2; depth++) {
        char *slash = strrchr(home, '/');

        if (slash == NULL || slash == home)
            return;
        *slash = '\0';
    }
}

/* Python reads the whole of pyvenv.cfg: from a pipe or a device it would never come back. httpd
 * looked already, but the file may belong to a user who has changed it since. */
static PyStatus check_marker(const char *path, int *is_venv)
{
    struct stat status;

    *is_venv = 0;
    if (stat(path, &status) != 0)
        return PyStatus_Ok();
    if (!S_ISREG(status.st_mode))
        return PyStatus_Error("pyvenv.cfg of the Python home is not a regular file");
    if (status.st_size > VENV_MARKER_MAX)
        return PyStatus_Error("pyvenv.cfg of the Python home is too large to be one");
    *is_venv = access(path, R_OK) == 0;
    return PyStatus_Ok();
}

/* A virtual environment is entered through its program, any other home is a Python home. */
static PyStatus set_home(PyConfig *config, const struct wsgi_settings *settings)
{
    char home[PATH_MAX], path[PATH_MAX + 16];
    const char *program = settings->interpreter;
    int is_venv = 0;
    PyStatus status = PyStatus_Ok();

    if (settings->python_home != NULL) {
        find_home(settings->python_home, home, sizeof home);
        snprintf(path, sizeof path, "%s/pyvenv.cfg", home);
        status = check_marker(path, &is_venv);
        if (!PyStatus_Exception(status) && !is_venv)
            status = PyConfig_SetBytesString(config, &config->home, home);
        if (PyStatus_Exception(status))
            return status;
        snprintf(path, sizeof path, "%s/bin/python", home);
        if (is_venv && program == NULL)
            program = path;
    }
    if (program == NULL)
        return status;
    return PyConfig_SetBytesString(config, &config->program_name, program);
}

/* What a daemon gets on its command line: -B, -O, -W. */
static PyStatus set_flags(PyConfig *config, const struct wsgi_settings *settings)
{
    PyStatus status = PyStatus_Ok();
    wchar_t *text;
    size_t i;

    if (settings->flags & WSGI_PROCESS_NO_BYTECODE)
        config->write_bytecode = 0;
    if (settings->python_optimize > 0)
        config->optimization_level =
            settings->python_optimize > 2 ? 2 : (int)settings->python_optimize;
    for (i = 0; i < settings->python_warning_count && !PyStatus_Exception(status); i++) {
        text = Py_DecodeLocale(settings->python_warnings[i], NULL);
        if (text == NULL)
            return PyStatus_NoMemory();
        status = PyWideStringList_Append(&config->warnoptions, text);
        PyMem_RawFree(text);
    }
    if (settings->hash_seed != NULL) {
        config->use_hash_seed = strcmp(settings->hash_seed, "random") != 0;
        config->hash_seed = config->use_hash_seed ? strtoul(settings->hash_seed, NULL, 10) : 0;
    }
    return status;
}

static PyStatus initialize(const struct wsgi_settings *settings)
{
    PyConfig config;
    PyStatus status;

    PyConfig_InitPythonConfig(&config);
    /* httpd's signals stay httpd's; its command line is not Python's. */
    config.install_signal_handlers = 0;
    config.parse_argv = 0;
    wsgi_compat_config_gil(&config, wsgi_layers_free_threading());
    status = set_home(&config, settings);
    if (!PyStatus_Exception(status))
        status = set_flags(&config, settings);
    if (!PyStatus_Exception(status))
        status = PyWideStringList_Append(&config.argv, L"mod_wsgi");
    if (!PyStatus_Exception(status))
        status = Py_InitializeFromConfig(&config);
    PyConfig_Clear(&config);
    return status;
}

int wsgi_process_start(const unsigned char *launch, size_t launch_size,
                       const struct wsgi_host *host, char *error, size_t error_size)
{
    PyStatus status;

    if (wsgi_process.thread_key_made)
        return fail(error, error_size, "Python was started in this process before");
    if (wsgi_settings_load(&wsgi_process.settings, launch, launch_size, error, error_size) != 0)
        return -1;
    status = initialize(&wsgi_process.settings);
    if (PyStatus_Exception(status))
        return fail(error, error_size, "Python cannot start: %s%s%s",
                    status.err_msg != NULL ? status.err_msg : "it gave no reason",
                    wsgi_process.settings.python_home != NULL ? "; its home is " : "",
                    wsgi_process.settings.python_home != NULL ? wsgi_process.settings.python_home
                                                              : "");
    if (wsgi_process_begin(host, 1, error, error_size) != 0) {
        PyEval_SaveThread();
        return -1;
    }
    wsgi_process.main_state = PyEval_SaveThread();
    wsgi_script_preload_all();
    __atomic_store_n(&wsgi_process.up, 1, __ATOMIC_RELEASE);
    return 0;
}

/* ---- embedded: stop ------------------------------------------------------ */

/* Shared between stop() and the thread that runs the exit hooks; lives on after a time-out. */
struct ending {
    pthread_mutex_t lock;
    pthread_cond_t done;
    int finished;
};

/* Takes the GIL of one interpreter and never gives it back. */
static void *hold_gil(void *interp)
{
    struct wsgi_thread *thread = wsgi_thread_self();

    if (thread != NULL && wsgi_interp_attach(interp, thread) == 0)
        for (;;)
            pause();
    return NULL;
}

static void hold_own_gil(struct wsgi_interp *interp)
{
    pthread_t thread;

    if (interp->own_gil && pthread_create(&thread, NULL, hold_gil, interp) == 0)
        pthread_detach(thread);
}

static void run_all_hooks(void)
{
    int hooks = (wsgi_process.settings.flags & WSGI_PROCESS_KEEP_INTERPRETERS) == 0;
    struct wsgi_thread *thread = wsgi_thread_self();
    struct wsgi_interp *interp;

    if (thread == NULL)
        return;
    wsgi_events_stopping("");
    for (interp = __atomic_load_n(&wsgi_process.interps, __ATOMIC_ACQUIRE); interp != NULL;
         interp = interp->next) {
        if ((!hooks && !interp->is_main) || wsgi_interp_attach(interp, thread) != 0)
            continue;
        if (hooks)
            wsgi_interp_run_exit_hooks();
        /* The main interpreter comes last (it was made first): its state stays attached. */
        if (!interp->is_main) {
            wsgi_interp_detach();
            hold_own_gil(interp);
        }
    }
}

/*
 * Python is not finalised: Py_EndInterpreter() and Py_FinalizeEx() abort the process when any
 * other thread state is alive, and in an Apache child any thread may hold one (an application's
 * daemon thread is enough). The exit hooks are what an application can see of an exit, so they
 * run; then this thread keeps the GIL for ever, so that no Python code runs while the process
 * leaves through exit() and its destructors.
 */
static void *end_python(void *argument)
{
    struct ending *ending = argument;

    run_all_hooks();
    pthread_mutex_lock(&ending->lock);
    ending->finished = 1;
    pthread_cond_signal(&ending->done);
    pthread_mutex_unlock(&ending->lock);
    for (;;)
        pause();
    return NULL;
}

static struct ending *make_ending(void)
{
    struct ending *ending = calloc(1, sizeof *ending);
    pthread_condattr_t attributes;

    if (ending == NULL)
        return NULL;
    pthread_mutex_init(&ending->lock, NULL);
    pthread_condattr_init(&attributes);
    pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
    pthread_cond_init(&ending->done, &attributes);
    pthread_condattr_destroy(&attributes);
    return ending;
}

static void await_ending(struct ending *ending, unsigned seconds)
{
    struct timespec until;
    int result = 0;

    clock_gettime(CLOCK_MONOTONIC, &until);
    until.tv_sec += seconds;
    pthread_mutex_lock(&ending->lock);
    while (!ending->finished && result == 0)
        result = pthread_cond_timedwait(&ending->done, &ending->lock, &until);
    pthread_mutex_unlock(&ending->lock);
    if (result != 0)
        wsgi_log(WSGI_LOG_WARNING, NULL,
                 "Python did not end within %u s; exit functions that have not run are left out",
                 seconds);
}

void wsgi_process_stop(unsigned seconds)
{
    struct ending *ending;
    pthread_t thread;

    if (!__atomic_exchange_n(&wsgi_process.up, 0, __ATOMIC_ACQ_REL))
        return;
    /* A forked child of an application inherits httpd's cleanups but not the threads. */
    if (wsgi_process.forked)
        return;
    ending = make_ending();
    if (ending == NULL || pthread_create(&thread, NULL, end_python, ending) != 0) {
        wsgi_log(WSGI_LOG_WARNING, NULL, "no thread can be made to run Python's exit functions");
        return;
    }
    pthread_detach(thread);
    await_ending(ending, seconds);
    __atomic_store_n(&wsgi_process.stopped, 1, __ATOMIC_RELEASE);
}
