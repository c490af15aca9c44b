/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Scripts that decide: a function of the script is called with a small environ and what Apache
 * wants to know about, and its result is translated.
 *
 * Names and passwords are bytes for Apache. A script gets them as latin-1, so that none is lost
 * and any byte will do, and no record that is made here shows them.
 */
#include "ask.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "errors.h"
#include "run.h"
#include "script.h"
#include "stream.h"

/* A script whose list of groups never ends must not take the memory of the whole server. */
#define NAMES_MAX 1000000
#define BYTES_MAX (64 << 20)

struct asking;
typedef int translate(struct asking *asking, PyObject *result);

/* What differs between the questions. */
struct kind {
    const char *function; /* NULL: several, each may be missing */
    int arguments;        /* after environ */
    uint16_t no_interpreter;
    uint16_t no_function;
    uint16_t bad_result;
    uint16_t empty_result;
    uint16_t bad_text; /* a NUL in it */
    uint16_t bad_encoding;
    translate *translate;
};

struct asking {
    struct wsgi_run run;
    const struct wsgi_question *question;
    const struct kind *kind;
    const char *function; /* the one that is called */
    struct wsgi_answer *answer;
    PyObject *adapter; /* behind mod_ssl.is_https and mod_ssl.var_lookup */
    PyObject *environ;
    PyObject *texts; /* list of bytes and None */
};

/* ---- failures ------------------------------------------------------------ */

static int fail(struct asking *asking, uint16_t code, const char *problem)
{
    wsgi_outcome_fail(asking->run.outcome, 500, code, "%s() in %s %s", asking->function,
                      asking->run.call.script, problem);
    return -1;
}

static int fail_type(struct asking *asking, uint16_t code, PyObject *object, const char *what,
                     const char *wanted)
{
    wsgi_outcome_fail(asking->run.outcome, 500, code, "%s() in %s returned %s%.100s, %s",
                      asking->function, asking->run.call.script, what, Py_TYPE(object)->tp_name,
                      wanted);
    return -1;
}

/* The exception of the function itself: logged with its traceback. */
static int fail_raised(struct asking *asking)
{
    char doing[64];

    snprintf(doing, sizeof doing, "%s()", asking->function);
    wsgi_error_outcome(&asking->run, doing);
    return -1;
}

static int fail_memory(struct asking *asking)
{
    PyErr_Clear();
    return fail(asking, WSGI_CODE_NO_MEMORY, "was asked, but there is no memory for its answer");
}

/* ---- results ------------------------------------------------------------- */

static int take(struct asking *asking, PyObject *object)
{
    return PyList_Append(asking->texts, object) == 0 ? 0 : fail_memory(asking);
}

/* Takes over `bytes`. A NUL would end the text early for Apache, and so make another name of it. */
static int take_bytes(struct asking *asking, PyObject *bytes)
{
    int result;

    if (strlen(PyBytes_AS_STRING(bytes)) != (size_t)PyBytes_GET_SIZE(bytes))
        result = fail(asking, asking->kind->bad_text, "returned a text with a NUL in it");
    else
        result = take(asking, bytes);
    Py_DECREF(bytes);
    return result;
}

static int take_latin1(struct asking *asking, PyObject *text)
{
    PyObject *bytes = PyUnicode_AsLatin1String(text);

    if (bytes != NULL)
        return take_bytes(asking, bytes);
    PyErr_Clear();
    return fail(asking, asking->kind->bad_encoding,
                "returned a str with characters outside latin-1; return bytes");
}

/* str or bytes. */
static int take_text(struct asking *asking, PyObject *object)
{
    if (PyBytes_Check(object))
        return take_bytes(asking, wsgi_compat_new_ref(object));
    return take_latin1(asking, object);
}

static int is_text(PyObject *object)
{
    return PyBytes_Check(object) || PyUnicode_Check(object);
}

/* Of the text itself, whatever a subclass says. */
static size_t text_size(PyObject *object)
{
    return (size_t)(PyBytes_Check(object) ? PyBytes_GET_SIZE(object)
                                          : PyUnicode_GET_LENGTH(object));
}

/* None, True and False, if the result is one of them. */
static int take_constant(struct asking *asking, PyObject *result)
{
    if (result == Py_None)
        asking->answer->verdict = WSGI_VERDICT_NONE;
    else if (result == Py_True)
        asking->answer->verdict = WSGI_VERDICT_YES;
    else if (result == Py_False)
        asking->answer->verdict = WSGI_VERDICT_NO;
    else
        return 0;
    return 1;
}

static int translate_access(struct asking *asking, PyObject *result)
{
    if (take_constant(asking, result))
        return 0;
    return fail_type(asking, asking->kind->bad_result, result, "", "True, False or None is needed");
}

/* The name travels as UTF-8, as in mod_wsgi 6: it is what the application finds in REMOTE_USER. */
static int translate_password(struct asking *asking, PyObject *result)
{
    PyObject *bytes;

    if (take_constant(asking, result))
        return 0;
    if (!PyUnicode_Check(result))
        return fail_type(asking, asking->kind->bad_result, result, "",
                         "True, False, None or the user's name as str is needed");
    if (text_size(result) == 0)
        return fail(asking, asking->kind->empty_result, "returned an empty user name");
    asking->answer->verdict = WSGI_VERDICT_TEXT;
    bytes = PyUnicode_AsUTF8String(result);
    if (bytes != NULL)
        return take_bytes(asking, bytes);
    PyErr_Clear();
    return fail(asking, asking->kind->bad_encoding,
                "returned a user name with characters that no encoding has");
}

static int translate_realm_hash(struct asking *asking, PyObject *result)
{
    if (result == Py_None) {
        asking->answer->verdict = WSGI_VERDICT_NONE;
        return 0;
    }
    if (!is_text(result))
        return fail_type(asking, asking->kind->bad_result, result, "",
                         "the hash as str or bytes, or None, is needed");
    if (text_size(result) == 0)
        return fail(asking, asking->kind->empty_result, "returned an empty hash");
    asking->answer->verdict = WSGI_VERDICT_TEXT;
    return take_text(asking, result);
}

static int take_group(struct asking *asking, PyObject *item, size_t *bytes)
{
    if (!is_text(item))
        return fail_type(asking, asking->kind->bad_text, item, "an iterable with an item of type ",
                         "each group must be str or bytes");
    if (take_text(asking, item) != 0)
        return -1;
    *bytes += text_size(item);
    if (PyList_GET_SIZE(asking->texts) > NAMES_MAX || *bytes > BYTES_MAX)
        return fail(asking, asking->kind->bad_result, "returned more groups than a user can have");
    return 0;
}

static int take_groups(struct asking *asking, PyObject *iterator)
{
    PyObject *item;
    size_t bytes = 0;
    int result = 0;

    while (result == 0 && (item = PyIter_Next(iterator)) != NULL) {
        result = take_group(asking, item, &bytes);
        Py_DECREF(item);
    }
    wsgi_run_leave_forked(asking->run.interp);
    if (result == 0 && PyErr_Occurred())
        return fail_raised(asking);
    return result;
}

static int translate_groups(struct asking *asking, PyObject *result)
{
    PyObject *iterator = PyObject_GetIter(result);
    int status;

    if (iterator == NULL && Py_TYPE(result)->tp_iter == NULL) {
        PyErr_Clear();
        return fail_type(asking, asking->kind->bad_result, result, "",
                         "an iterable of group names is needed");
    }
    if (iterator == NULL)
        return fail_raised(asking);
    asking->answer->verdict = WSGI_VERDICT_TEXT;
    status = take_groups(asking, iterator);
    Py_DECREF(iterator);
    return status;
}

/* ---- the questions ------------------------------------------------------- */

static const struct kind kinds[] = {
    [WSGI_ASK_ACCESS] = {.function = "allow_access",
                         .arguments = 1,
                         .no_interpreter = WSGI_CODE_ACCESS_INTERPRETER,
                         .no_function = WSGI_CODE_ACCESS_FUNCTION,
                         .bad_result = WSGI_CODE_ACCESS_RESULT,
                         .translate = translate_access},
    [WSGI_ASK_PASSWORD] = {.function = "check_password",
                           .arguments = 2,
                           .no_interpreter = WSGI_CODE_BASIC_INTERPRETER,
                           .no_function = WSGI_CODE_BASIC_FUNCTION,
                           .bad_result = WSGI_CODE_BASIC_RESULT,
                           .bad_text = WSGI_CODE_BASIC_RESULT,
                           .bad_encoding = WSGI_CODE_BASIC_RESULT,
                           .empty_result = WSGI_CODE_BASIC_EMPTY,
                           .translate = translate_password},
    [WSGI_ASK_REALM_HASH] = {.function = "get_realm_hash",
                             .arguments = 2,
                             .no_interpreter = WSGI_CODE_DIGEST_INTERPRETER,
                             .no_function = WSGI_CODE_DIGEST_FUNCTION,
                             .bad_result = WSGI_CODE_DIGEST_RESULT,
                             .bad_text = WSGI_CODE_DIGEST_RESULT,
                             .bad_encoding = WSGI_CODE_DIGEST_RESULT,
                             .empty_result = WSGI_CODE_DIGEST_EMPTY,
                             .translate = translate_realm_hash},
    [WSGI_ASK_GROUPS] = {.function = "groups_for_user",
                         .arguments = 1,
                         .no_interpreter = WSGI_CODE_GROUP_INTERPRETER,
                         .no_function = WSGI_CODE_GROUP_FUNCTION,
                         .bad_result = WSGI_CODE_GROUP_RESULT,
                         .bad_text = WSGI_CODE_GROUP_NAME,
                         .bad_encoding = WSGI_CODE_GROUP_NAME_ENCODING,
                         .translate = translate_groups},
    [WSGI_ASK_DISPATCH] = {.no_interpreter = WSGI_CODE_DISPATCH_INTERPRETER,
                           .bad_result = WSGI_CODE_APPLICATION_RAISED,
                           .bad_text = WSGI_CODE_APPLICATION_RAISED,
                           .bad_encoding = WSGI_CODE_APPLICATION_RAISED},
};

/* ---- calling ------------------------------------------------------------- */

/* New reference; NULL without an exception and without an outcome: there is none. */
static PyObject *find_function(struct asking *asking, PyObject *module)
{
    PyObject *names = PyModule_Check(module) ? PyModule_GetDict(module) : NULL;
    PyObject *function = names != NULL ? PyDict_GetItemString(names, asking->function) : NULL;

    if (function == NULL)
        return NULL;
    if (PyCallable_Check(function))
        return wsgi_compat_new_ref(function);
    wsgi_outcome_fail(asking->run.outcome, 500, WSGI_CODE_NOT_CALLABLE,
                      "'%s' of script %s is not callable, it is of type %.100s", asking->function,
                      asking->run.call.script, Py_TYPE(function)->tp_name);
    return NULL;
}

static PyObject *text_argument(const char *text)
{
    if (text == NULL)
        return wsgi_compat_new_ref(Py_None);
    return PyUnicode_DecodeLatin1(text, (Py_ssize_t)strlen(text), NULL);
}

/* The result, or NULL and the outcome is filled in. */
static PyObject *call(struct asking *asking, PyObject *function)
{
    const struct wsgi_question *question = asking->question;
    PyObject *first = text_argument(question->first);
    PyObject *second = text_argument(question->second);
    PyObject *const arguments[] = {asking->environ, first, second};
    PyObject *result = NULL;

    if (first != NULL && second != NULL)
        result =
            wsgi_compat_vectorcall(function, arguments, 1 + (size_t)asking->kind->arguments, NULL);
    wsgi_run_leave_forked(asking->run.interp);
    Py_XDECREF(first);
    Py_XDECREF(second);
    if (result == NULL)
        fail_raised(asking);
    return result;
}

static int ask_one(struct asking *asking, PyObject *module)
{
    PyObject *function, *result;
    int status;

    asking->function = asking->kind->function;
    function = find_function(asking, module);
    if (function == NULL) {
        if (asking->run.outcome->code == WSGI_CODE_NONE)
            wsgi_outcome_fail(asking->run.outcome, 500, asking->kind->no_function,
                              "script %s does not define '%s'", asking->run.call.script,
                              asking->function);
        return -1;
    }
    result = call(asking, function);
    Py_DECREF(function);
    if (result == NULL)
        return -1;
    status = asking->kind->translate(asking, result);
    Py_DECREF(result);
    return status;
}

/* One of the three of a dispatch script: its name is put into texts, or None. */
static int dispatch_one(struct asking *asking, PyObject *module, const char *name)
{
    PyObject *function, *result;
    int status;

    asking->function = name;
    function = find_function(asking, module);
    if (function == NULL)
        return asking->run.outcome->code == WSGI_CODE_NONE ? take(asking, Py_None) : -1;
    result = call(asking, function);
    Py_DECREF(function);
    if (result == NULL)
        return -1;
    if (result == Py_None)
        status = take(asking, result);
    else if (is_text(result))
        status = take_text(asking, result);
    else
        status = fail_type(asking, asking->kind->bad_result, result, "",
                           "a name as str or bytes, or None, is needed");
    Py_DECREF(result);
    return status;
}

/* In the order of WSGI_DISPATCH_*; the first that fails is the last that is called. */
static int ask_dispatch(struct asking *asking, PyObject *module)
{
    static const char *const names[WSGI_DISPATCH_TEXTS] = {"process_group", "application_group",
                                                           "callable_object"};
    int i;

    asking->answer->verdict = WSGI_VERDICT_TEXT;
    for (i = 0; i < WSGI_DISPATCH_TEXTS; i++)
        if (dispatch_one(asking, module, names[i]) != 0)
            return -1;
    return 0;
}

/* ---- environ ------------------------------------------------------------- */

/* Takes over `value`. */
static int put(PyObject *environ, const char *name, PyObject *value)
{
    int result = value != NULL ? PyDict_SetItemString(environ, name, value) : -1;

    Py_XDECREF(value);
    return result;
}

static int put_method(struct asking *asking, const char *key, const char *method)
{
    return put(asking->environ, key, PyObject_GetAttrString(asking->adapter, method));
}

/* From what all requests of the interpreter share. */
static int put_shared(struct asking *asking, const char *key)
{
    PyObject *shared = PyDict_GetItemString(asking->run.interp->objects.environ, key);

    return shared != NULL ? PyDict_SetItemString(asking->environ, key, shared) : 0;
}

static int make_environ(struct asking *asking)
{
    const struct wsgi_objects *objects = &asking->run.interp->objects;
    int is_dispatch = asking->question->kind == WSGI_ASK_DISPATCH;

    asking->environ = PyDict_New();
    asking->adapter = wsgi_adapter_new(&asking->run);
    asking->texts = PyList_New(0);
    if (asking->environ == NULL || asking->adapter == NULL || asking->texts == NULL ||
        wsgi_environ_put_question(&asking->run, asking->environ, is_dispatch) != 0 ||
        wsgi_environ_put_native(&asking->run, asking->environ) != 0 ||
        put(asking->environ, "wsgi.errors", wsgi_compat_new_ref(objects->errors)) != 0)
        return -1;
    if (is_dispatch)
        return 0;
    if (put_shared(asking, "apache.version") != 0 || put_shared(asking, "mod_wsgi.version") != 0 ||
        put_method(asking, "mod_ssl.is_https", "ssl_is_https") != 0)
        return -1;
    return put_method(asking, "mod_ssl.var_lookup", "ssl_var_lookup");
}

/* From here on the script holds nothing that reaches the request. */
static void end_objects(struct asking *asking)
{
    wsgi_run_end_users(&asking->run);
    if (asking->adapter != NULL)
        wsgi_adapter_end(asking->adapter);
    Py_CLEAR(asking->adapter);
    Py_CLEAR(asking->environ);
    Py_CLEAR(asking->texts);
}

/* ---- answer -------------------------------------------------------------- */

/* One block: the pointers, then the texts. */
static int pack(struct asking *asking)
{
    struct wsgi_answer *answer = asking->answer;
    size_t count = (size_t)PyList_GET_SIZE(asking->texts), size = count * sizeof(char *), i;
    char *at;

    for (i = 0; i < count; i++) {
        PyObject *item = PyList_GET_ITEM(asking->texts, (Py_ssize_t)i);

        size += item != Py_None ? (size_t)PyBytes_GET_SIZE(item) + 1 : 0;
    }
    if (count == 0)
        return 0;
    answer->texts = malloc(size);
    if (answer->texts == NULL)
        return fail_memory(asking);
    answer->count = count;
    at = (char *)(answer->texts + count);
    for (i = 0; i < count; i++) {
        PyObject *item = PyList_GET_ITEM(asking->texts, (Py_ssize_t)i);

        answer->texts[i] = item != Py_None ? at : NULL;
        if (item != Py_None)
            at = stpcpy(at, PyBytes_AS_STRING(item)) + 1;
    }
    return 0;
}

/* ---- around it ----------------------------------------------------------- */

static void ask_module(struct asking *asking, PyObject *module)
{
    int status = -1;

    asking->function = asking->kind->function != NULL ? asking->kind->function : "process_group";
    if (make_environ(asking) != 0)
        wsgi_error_outcome(&asking->run, "preparing the environ for a script");
    else if (asking->question->kind == WSGI_ASK_DISPATCH)
        status = ask_dispatch(asking, module);
    else
        status = ask_one(asking, module);
    if (status == 0)
        status = pack(asking);
    if (status != 0)
        asking->answer->verdict = WSGI_VERDICT_FAILED;
    end_objects(asking);
}

static void ask_attached(struct asking *asking)
{
    const struct wsgi_call *wanted = &asking->run.call;
    int check = (wanted->flags & WSGI_REQUEST_SCRIPT_RELOADING) != 0;
    int reload = 0;
    PyObject *module = wsgi_script_module(asking->run.interp, wanted->script, wanted->script_mtime,
                                          check, &reload, asking->run.outcome);

    if (module == NULL) {
        asking->answer->verdict = WSGI_VERDICT_NOT_LOADED;
        return;
    }
    ask_module(asking, module);
    Py_DECREF(module);
}

static void ask_in_interp(struct asking *asking)
{
    struct wsgi_run *run = &asking->run;
    struct wsgi_run *outer = run->thread->run;

    if (wsgi_interp_attach(run->interp, run->thread) != 0) {
        wsgi_outcome_fail(run->outcome, 500, asking->kind->no_interpreter,
                          "no thread state can be made in interpreter '%s'", run->interp->name);
        return;
    }
    run->thread->run = run;
    ask_attached(asking);
    wsgi_run_leave_forked(run->interp);
    wsgi_stream_flush_thread(run->thread);
    run->thread->run = outer;
    wsgi_interp_detach();
}

/* What a script has decided does not outlive it: unlike an application, one that is gone is not
 * used any more. 0, or -1 with the verdict and the outcome. */
static int look_at_script(struct asking *asking)
{
    struct wsgi_call *wanted = &asking->run.call;
    struct stat status;

    if (!(wanted->flags & WSGI_REQUEST_SCRIPT_RELOADING))
        return 0;
    if (stat(wanted->script, &status) == 0) {
        wanted->script_mtime =
            (int64_t)status.st_mtim.tv_sec * 1000000 + status.st_mtim.tv_nsec / 1000;
        return 0;
    }
    wsgi_outcome_fail(asking->run.outcome, 500, WSGI_CODE_SCRIPT_UNREADABLE,
                      "script %s cannot be read: %s", wanted->script, strerror(errno));
    asking->answer->verdict = WSGI_VERDICT_NOT_LOADED;
    return -1;
}

/* 0, or -1 with an outcome. */
static int prepare(struct asking *asking)
{
    struct wsgi_run *run = &asking->run;

    if (!__atomic_load_n(&wsgi_process.up, __ATOMIC_ACQUIRE)) {
        wsgi_outcome_fail(run->outcome, 500, WSGI_CODE_PYTHON_NOT_UP, "Python is not up");
        return -1;
    }
    run->thread = wsgi_thread_self();
    if (run->thread == NULL || wsgi_environ_scan(run->request, &run->call) != 0) {
        wsgi_outcome_fail(run->outcome, 500, WSGI_CODE_WIRE_VIOLATION,
                          "the variables of the request are malformed");
        return -1;
    }
    if (look_at_script(asking) != 0)
        return -1;
    run->interp = wsgi_interp_get(run->call.application_group);
    if (run->interp != NULL)
        return 0;
    wsgi_outcome_fail(run->outcome, 500, asking->kind->no_interpreter,
                      "no interpreter can be made for application group '%s', in which %s is to "
                      "decide about requests",
                      run->call.application_group, run->call.script);
    return -1;
}

void wsgi_ask(const struct wsgi_request *request, const struct wsgi_transport *transport,
              void *context, const struct wsgi_question *question, struct wsgi_answer *answer,
              struct wsgi_outcome *outcome)
{
    struct asking asking;

    memset(&asking, 0, sizeof asking);
    memset(answer, 0, sizeof *answer);
    memset(outcome, 0, sizeof *outcome);
    asking.run.request = request;
    asking.run.transport = transport;
    asking.run.context = context;
    asking.run.outcome = outcome;
    asking.question = question;
    asking.kind = &kinds[question->kind];
    asking.answer = answer;
    if (prepare(&asking) != 0)
        return;
    pthread_mutex_init(&asking.run.lock, NULL);
    ask_in_interp(&asking);
    pthread_mutex_destroy(&asking.run.lock);
}
