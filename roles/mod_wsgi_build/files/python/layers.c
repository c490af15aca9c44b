/* SPDX-License-Identifier: Apache-2.0 */
/* What is set per interpreter. */
#include "layers.h"

#include <string.h>

#include "stream.h"

static int is_selected(const struct wsgi_scope *scope, const char *reported)
{
    return *scope->selector == '\0' || strcmp(scope->selector + 1, reported) == 0;
}

static int is_selective(const struct wsgi_scope *scope)
{
    return *scope->selector != '\0';
}

/* The last selected layer that decides a flag, NULL when none does. */
static const struct wsgi_scope *decider(const char *reported, int64_t flag)
{
    const struct wsgi_settings *settings = &wsgi_process.settings;
    size_t i;

    for (i = settings->scope_count; i > 0; i--)
        if ((settings->scopes[i - 1].given & flag) &&
            is_selected(&settings->scopes[i - 1], reported))
            return &settings->scopes[i - 1];
    return NULL;
}

static int flag_of(const char *reported, int64_t flag, int otherwise)
{
    const struct wsgi_scope *scope = decider(reported, flag);

    return scope != NULL ? (scope->flags & flag) != 0 : otherwise;
}

/* Free threading belongs to the process: what a layer for one application group says is no part
 * of it. */
int wsgi_layers_free_threading(void)
{
    const struct wsgi_settings *settings = &wsgi_process.settings;
    int result = 0;
    size_t i;

    for (i = 0; i < settings->scope_count; i++)
        if ((settings->scopes[i].given & WSGI_SCOPE_FREE_THREADING) &&
            !is_selective(&settings->scopes[i]))
            result = (settings->scopes[i].flags & WSGI_SCOPE_FREE_THREADING) != 0;
    return result;
}

int wsgi_layers_are_selective(void)
{
    const struct wsgi_settings *settings = &wsgi_process.settings;
    size_t i;

    for (i = 0; i < settings->scope_count; i++)
        if (is_selective(&settings->scopes[i]))
            return 1;
    return 0;
}

/* ---- what cannot be done ------------------------------------------------- */

void wsgi_layers_warn(void)
{
    const struct wsgi_settings *settings = &wsgi_process.settings;
    int own_gil = 0, scoped_free = 0;
    size_t i;

    for (i = 0; i < settings->scope_count; i++) {
        own_gil |= (settings->scopes[i].flags & WSGI_SCOPE_OWN_GIL) != 0;
        scoped_free |= is_selective(&settings->scopes[i]) &&
                       (settings->scopes[i].given & WSGI_SCOPE_FREE_THREADING) != 0;
    }
    if (own_gil && !WSGI_COMPAT_HAS_OWN_GIL)
        wsgi_log_attached(
            WSGI_LOG_WARNING,
            "WSGI0198: WSGIPerInterpreterGIL On has no effect: it needs Python 3.12 or "
            "newer, and this is Python %s; remove the directive, or use a newer Python",
            PY_VERSION);
    if (wsgi_layers_free_threading() && !WSGI_COMPAT_IS_FREE_THREADED_BUILD)
        wsgi_log_attached(WSGI_LOG_WARNING,
                          "WSGI0200: WSGIFreeThreading On has no effect: this Python %s was not "
                          "built for free threading; remove the directive, or use a Python that "
                          "was (configure --disable-gil)",
                          PY_VERSION);
    if (scoped_free)
        wsgi_log_attached(WSGI_LOG_WARNING,
                          "WSGI0201: WSGIFreeThreading is ignored in a section "
                          "<WSGIInterpreterOptions> with application-group=: it is decided for a "
                          "whole process; select by process-group= only");
}

/* 1 when this process runs without a GIL: known only from Python itself. */
static int is_free_threading(void)
{
    return WSGI_COMPAT_IS_FREE_THREADED_BUILD && wsgi_layers_free_threading();
}

static int resolve_own_gil(const char *reported, int is_main, int log)
{
    if (is_main || !flag_of(reported, WSGI_SCOPE_OWN_GIL, 0) || !WSGI_COMPAT_HAS_OWN_GIL)
        return 0;
    if (!is_free_threading())
        return 1;
    if (log)
        wsgi_log_attached(WSGI_LOG_WARNING,
                          "WSGI0202: WSGIPerInterpreterGIL On is ignored for interpreter '%s': "
                          "WSGIFreeThreading On leaves no GIL in this process",
                          reported);
    return 0;
}

static const struct wsgi_scope *interval_decider(const char *reported)
{
    const struct wsgi_settings *settings = &wsgi_process.settings;
    size_t i;

    for (i = settings->scope_count; i > 0; i--)
        if (settings->scopes[i - 1].switch_interval > 0 &&
            is_selected(&settings->scopes[i - 1], reported))
            return &settings->scopes[i - 1];
    return NULL;
}

static void skip_interval(const char *reported, int is_main, double seconds)
{
    int code = !is_main ? 205 : wsgi_process.embedded ? 203 : 204;

    wsgi_log_attached(WSGI_LOG_WARNING,
                      "WSGI%04d: the switch interval of %g s is not set for interpreter '%s': "
                      "WSGIFreeThreading On leaves no GIL in this process",
                      code, seconds, reported);
}

static int64_t resolve_interval(const char *reported, int is_main, int own_gil, int log)
{
    const struct wsgi_scope *scope = interval_decider(reported);

    if (scope == NULL)
        return 0;
    if (is_free_threading()) {
        if (log)
            skip_interval(reported, is_main, (double)scope->switch_interval / 1e6);
        return 0;
    }
    if (is_main || own_gil || !is_selective(scope))
        return scope->switch_interval;
    if (log)
        wsgi_log_attached(
            WSGI_LOG_WARNING,
            "WSGI0199: WSGISwitchInterval %g is not set for interpreter '%s' alone: it "
            "shares its GIL, so all interpreters of the process would get it; set it "
            "in a section without application-group=, or add WSGIPerInterpreterGIL On",
            (double)scope->switch_interval / 1e6, reported);
    return 0;
}

void wsgi_layers_resolve(const char *reported, int is_main, int log, struct wsgi_layers *layers)
{
    layers->restrict_stdin = flag_of(reported, WSGI_SCOPE_RESTRICT_STDIN, 0);
    layers->restrict_stdout = flag_of(reported, WSGI_SCOPE_RESTRICT_STDOUT, 0);
    layers->restrict_signal = flag_of(reported, WSGI_SCOPE_RESTRICT_SIGNAL, !wsgi_is_service());
    layers->own_gil = resolve_own_gil(reported, is_main, log);
    layers->switch_interval = resolve_interval(reported, is_main, layers->own_gil, log);
}

/* ---- paths --------------------------------------------------------------- */

/* Takes over nothing. 0, or -1 with an exception. */
static int append_layer(PyObject *list, const char *words, const char *const *paths, size_t count)
{
    PyObject *layer, *pair;
    int result = -1;
    size_t i;

    if (count == 0)
        return 0;
    layer = PyList_New((Py_ssize_t)count);
    for (i = 0; layer != NULL && i < count; i++) {
        PyObject *path = PyUnicode_DecodeFSDefault(paths[i]);

        if (path == NULL)
            Py_CLEAR(layer);
        else
            PyList_SET_ITEM(layer, (Py_ssize_t)i, path);
    }
    pair = layer != NULL ? Py_BuildValue("(sO)", words, layer) : NULL;
    if (pair != NULL)
        result = PyList_Append(list, pair);
    Py_XDECREF(pair);
    Py_XDECREF(layer);
    return result;
}

static int append_layers(PyObject *list, const char *reported)
{
    const struct wsgi_settings *settings = &wsgi_process.settings;
    const char *words =
        wsgi_process.embedded ? "WSGIPythonPath" : "option python-path of WSGIDaemonProcess";
    size_t i;

    if (append_layer(list, words, settings->python_path, settings->python_path_count) != 0)
        return -1;
    for (i = 0; i < settings->scope_count; i++)
        if (is_selected(&settings->scopes[i], reported) &&
            append_layer(list, "WSGIPythonPath in <WSGIInterpreterOptions>",
                         settings->scopes[i].paths, settings->scopes[i].path_count) != 0)
            return -1;
    return 0;
}

PyObject *wsgi_layers_paths(const char *reported)
{
    PyObject *list = PyList_New(0);

    if (list != NULL && append_layers(list, reported) != 0)
        Py_CLEAR(list);
    return list;
}
