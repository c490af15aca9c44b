/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A service: the scripts run in the main thread, one after the other, as programs do; so what ends
 * them is a signal. A thread without Python listens to the supervisor, and passes on what that says
 * as a SIGTERM.
 */
#include "service.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <unistd.h>

#include "../wire/launch.h"
#include "../wire/why.h"
#include "events.h"
#include "interp.h"
#include "monitor.h"
#include "script.h"
#include "serve.h"
#include "stream.h"

/* The handler of the signals that end a service. */
static PyObject *system_exit(PyObject *self, PyObject *arguments)
{
    struct wsgi_daemon *daemon = wsgi_process.daemon;

    (void)self;
    (void)arguments;
    if (!wsgi_process.forked) {
        __atomic_store_n(&daemon->leave_signal, SIGTERM, __ATOMIC_RELEASE);
        wsgi_daemon_poke(daemon);
    }
    PyErr_SetNone(PyExc_SystemExit);
    return NULL;
}

static PyMethodDef exit_method = {"system_exit", system_exit, METH_VARARGS, NULL};

/* The application may put its own in their place: signal.signal is not restricted here. */
static int install(void)
{
    static const int numbers[] = {SIGTERM, SIGINT, SIGUSR1};
    PyObject *module = PyImport_ImportModule("signal");
    PyObject *function = PyCFunction_New(&exit_method, NULL);
    PyObject *former = NULL;
    size_t i;

    for (i = 0; i < sizeof numbers / sizeof *numbers && module != NULL && function != NULL; i++) {
        former = PyObject_CallMethod(module, "signal", "iO", numbers[i], function);
        if (former == NULL)
            break;
        Py_DECREF(former);
    }
    Py_XDECREF(module);
    Py_XDECREF(function);
    return former != NULL ? 0 : -1;
}

static int install_handlers(void)
{
    struct wsgi_thread *thread = wsgi_thread_self();

    if (thread == NULL || wsgi_interp_attach(wsgi_interp_get(""), thread) != 0)
        return -1;
    if (install() != 0) {
        PyErr_Clear();
        wsgi_log_attached(WSGI_LOG_ERR, "WSGI0090: no handler for SIGTERM can be installed");
    }
    wsgi_interp_detach();
    return 0;
}

static int must_end(struct wsgi_daemon *daemon)
{
    return __atomic_load_n(&daemon->stop_signal, __ATOMIC_ACQUIRE) ||
           __atomic_load_n(&daemon->draining, __ATOMIC_ACQUIRE);
}

/* A signal came, from anywhere. */
static int is_ending(struct wsgi_daemon *daemon)
{
    return must_end(daemon) || __atomic_load_n(&daemon->leave_signal, __ATOMIC_ACQUIRE);
}

/* Runs until the process ends: what it was told, and a signal of the application's, must not wait
 * for the scripts. */
static void *listen_to_supervisor(void *argument)
{
    struct wsgi_daemon *daemon = argument;
    int control = WSGI_FD_CONTROL, told = 0, watched = 0;
    uint64_t count;

    while (!__atomic_load_n(&daemon->stopping, __ATOMIC_ACQUIRE)) {
        struct pollfd waits[2] = {{daemon->wake_main, POLLIN, 0}, {control, POLLIN, 0}};

        if (poll(waits, 2, -1) < 0)
            continue;
        if (waits[0].revents && read(daemon->wake_main, &count, sizeof count) < 0)
            continue;
        if (waits[1].revents && !wsgi_daemon_take_control(daemon))
            control = -1;
        wsgi_dispatch_begin(daemon);
        if (!watched && is_ending(daemon)) {
            watched = 1;
            wsgi_monitor_ending();
        }
        if (!told && must_end(daemon)) {
            told = 1;
            pthread_kill(wsgi_process.main_thread, SIGTERM);
        }
    }
    return NULL;
}

static int start_listening(struct wsgi_daemon *daemon, pthread_t *thread)
{
    sigset_t all, before;
    int problem;

    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    problem = pthread_create(thread, NULL, listen_to_supervisor, daemon);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    return problem;
}

static int run_scripts(struct wsgi_daemon *daemon)
{
    const struct wsgi_settings *settings = &wsgi_process.settings;
    int status = 0;
    size_t i;

    for (i = 0; i < settings->preload_count && !is_ending(daemon); i++)
        if (wsgi_script_run(settings->preload[i].group, settings->preload[i].script) != 0)
            status = 1;
    if (settings->preload_count == 0)
        wsgi_log(WSGI_LOG_ERR, NULL,
                 "The service has nothing to do: no WSGIImportScript names process group '%s'.",
                 settings->group_name);
    return settings->preload_count > 0 ? status : 1;
}

int wsgi_service_run(struct wsgi_daemon *daemon)
{
    pthread_t listener;
    int problem, status;

    wsgi_daemon_catch_signals();
    problem = start_listening(daemon, &listener);
    if (problem != 0 || install_handlers() != 0) {
        wsgi_log(WSGI_LOG_CRIT, NULL, "The service cannot start: %s", strerror(problem));
        return 1;
    }
    __atomic_store_n(&wsgi_process.up, 1, __ATOMIC_RELEASE);
    wsgi_monitor_ready(); /* a service may take as long as it likes */
    wsgi_daemon_tell(WSGI_CONTROL_READY, 0);
    status = run_scripts(daemon);
    wsgi_log(WSGI_LOG_INFO, NULL, "Process ends.");
    if (!is_ending(daemon))
        wsgi_monitor_ending();
    while (!wsgi_dispatch_end(daemon))
        poll(NULL, 0, 10);
    wsgi_daemon_tell_stopping(daemon);
    __atomic_store_n(&daemon->stopping, 1, __ATOMIC_RELEASE);
    wsgi_daemon_poke(daemon);
    pthread_join(listener, NULL);
    return status;
}
