/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Scripts that are loaded before any request: those the configuration names, and those that other
 * processes of the group had loaded. The supervisor decides what becomes of a daemon in which one
 * fails: it is no use while another process serves with the former code.
 */
#include "script.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "../wire/launch.h"
#include "../wire/note.h"
#include "run.h"
#include "serve.h"
#include "stream.h"

struct preloading {
    struct wsgi_interp *interp;
    struct wsgi_preload *script;
    struct wsgi_outcome outcome;
};

/* The codes of a failure at start-up are those of a request, plus one. */
static unsigned preload_code(unsigned code)
{
    switch (code) {
    case WSGI_CODE_SCRIPT_UNREADABLE:
    case WSGI_CODE_SCRIPT_EXIT:
    case WSGI_CODE_SCRIPT_RAISED:
        return code + 1;
    default:
        return code;
    }
}

static void *preload(void *argument)
{
    struct preloading *order = argument;
    struct wsgi_preload *script = order->script;
    struct wsgi_thread *thread = wsgi_thread_self();
    PyObject *module;
    int reload = 0;

    if (thread != NULL && !order->interp->is_main)
        thread->is_passing = 1;
    if (thread == NULL || wsgi_interp_attach(order->interp, thread) != 0) {
        wsgi_log(WSGI_LOG_ERR, NULL, "script %s is not loaded at start-up: no thread state",
                 script->script);
        return NULL;
    }
    thread->preload = script;
    wsgi_interp_name(order->interp, script->group, script->is_main);
    module = wsgi_script_module(order->interp, script->script, 0, 0, &reload, &order->outcome);
    if (module == NULL && wsgi_process.embedded)
        wsgi_log_attached(WSGI_LOG_ERR, "WSGI%04u: %s", preload_code(order->outcome.code),
                          order->outcome.cause);
    Py_XDECREF(module);
    thread->preload = NULL;
    wsgi_stream_flush_thread(thread);
    wsgi_interp_detach();
    return NULL;
}

/*
 * The main interpreter's scripts load on the main thread, as a program would. In another
 * interpreter an extension that uses PyGILState would wait for ever on the main thread (before
 * 3.12 its first state is the main interpreter's), so these get a thread of their own.
 */
static void preload_in(struct preloading *order)
{
    const char *path = order->script->script;
    pthread_t thread;

    if (order->interp == NULL)
        wsgi_log(WSGI_LOG_CRIT, NULL,
                 "WSGI0040: script %s is not loaded at start-up: no interpreter can be made for "
                 "application group '%s': %s",
                 path, order->script->group, wsgi_interp_problem());
    else if (order->interp->is_main)
        preload(order);
    else if (pthread_create(&thread, NULL, preload, order) == 0)
        pthread_join(thread, NULL);
    else
        wsgi_log(WSGI_LOG_ERR, NULL, "script %s is not loaded at start-up: no thread can be made",
                 path);
}

/* The state of the file; taken before it is read, so that no later one is mistaken for it. */
static struct wsgi_tidings note_of(const struct wsgi_preload *script, int *is_gone)
{
    struct stat status;
    struct wsgi_tidings note = {.mtime = WSGI_NOTE_NO_TIME,
                                .flags = script->is_main,
                                .group = script->group,
                                .path = script->script,
                                .text = ""};

    *is_gone = stat(script->script, &status) != 0 && (errno == ENOENT || errno == ENOTDIR);
    if (!*is_gone)
        note.mtime = (int64_t)status.st_mtim.tv_sec * 1000000 + status.st_mtim.tv_nsec / 1000;
    return note;
}

char *wsgi_script_trouble(const char *traceback, const struct wsgi_outcome *outcome)
{
    size_t room = strlen(traceback) + sizeof outcome->cause + 32;
    char *text = malloc(room);

    if (text != NULL)
        snprintf(text, room, "%sWSGI%04u: %s\n", traceback, preload_code(outcome->code),
                 outcome->cause);
    return text;
}

static int ask_supervisor(struct preloading *order, struct wsgi_tidings *note)
{
    const char *traceback = order->script->traceback != NULL ? order->script->traceback : "";
    char *text = wsgi_script_trouble(traceback, &order->outcome);
    int answer;

    if (text != NULL) {
        note->text = text;
        note->text_size = strlen(text);
    }
    answer = wsgi_daemon_ask(note);
    free(text);
    free(order->script->traceback);
    order->script->traceback = NULL;
    return answer;
}

static int preload_one(struct wsgi_preload *script)
{
    struct preloading order = {.script = script};
    int is_gone;
    struct wsgi_tidings note = note_of(script, &is_gone);

    if (script->is_learned && is_gone) {
        wsgi_daemon_tell_note(WSGI_CONTROL_MISSING, &note, NULL);
        return 0;
    }
    order.interp = wsgi_interp_get_for(script->group, script->is_main);
    preload_in(&order);
    if (order.outcome.status == 0 || wsgi_process.embedded)
        return 0;
    return ask_supervisor(&order, &note);
}

/* On the main thread, whichever interpreter it is: where programs expect to be. */
int wsgi_script_run(const char *group, const char *path)
{
    struct wsgi_interp *interp = wsgi_interp_get(group);
    struct wsgi_thread *thread = wsgi_thread_self();
    struct wsgi_outcome outcome;
    PyObject *module;
    int reload = 0;

    if (interp == NULL || thread == NULL || wsgi_interp_attach(interp, thread) != 0) {
        wsgi_log(WSGI_LOG_CRIT, NULL,
                 "WSGI0040: service script %s is not run: no interpreter can be made for "
                 "application group '%s': %s",
                 path, group, wsgi_interp_problem());
        return -1;
    }
    memset(&outcome, 0, sizeof outcome);
    module = wsgi_script_module(interp, path, 0, 0, &reload, &outcome);
    /* SystemExit is how it is told to end. */
    if (module == NULL && outcome.code != WSGI_CODE_SCRIPT_EXIT)
        wsgi_log_attached(WSGI_LOG_ERR, "WSGI%04u: %s", preload_code(outcome.code), outcome.cause);
    Py_XDECREF(module);
    wsgi_stream_flush_thread(thread);
    wsgi_interp_detach();
    return module != NULL || outcome.code == WSGI_CODE_SCRIPT_EXIT ? 0 : -1;
}

int wsgi_script_preload_all(void)
{
    struct wsgi_settings *settings = &wsgi_process.settings;
    size_t i;

    for (i = 0; i < settings->preload_count; i++)
        if (preload_one(&settings->preload[i]) != 0)
            return -1;
    return 0;
}
