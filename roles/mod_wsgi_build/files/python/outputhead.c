/* SPDX-License-Identifier: Apache-2.0 */
/* The response head that an application gives: checked, and made one block. */
#include "run.h"

#include <stdio.h>
#include <stdlib.h>

#include "errors.h"

static int head_error(struct wsgi_run *run, enum wsgi_head_status status, const char *name,
                      size_t size)
{
    if (name != NULL) {
        PyObject *shown = PyUnicode_DecodeLatin1(name, (Py_ssize_t)size, NULL);

        if (shown != NULL)
            PyErr_Format(PyExc_ValueError, "response header %R: %s", shown,
                         wsgi_head_status_text(status));
        Py_XDECREF(shown);
    } else {
        PyErr_SetString(PyExc_ValueError, wsgi_head_status_text(status));
    }
    wsgi_error_own(run, 500, WSGI_CODE_HEAD_REFUSED, 0);
    return -1;
}

/* What is looked at, for messages: the status, or name or value of a header. */
struct part {
    const char *what; /* "status", "response header name", "value of response header" */
    PyObject *name;   /* of a value: the header's, else NULL */
};

static void not_str(const struct part *part, PyObject *text)
{
    if (part->name != NULL)
        PyErr_Format(PyExc_TypeError, "%s %R must be str, not %.100s", part->what, part->name,
                     Py_TYPE(text)->tp_name);
    else
        PyErr_Format(PyExc_TypeError, "%s must be str, not %.100s, %.200R", part->what,
                     Py_TYPE(text)->tp_name, text);
}

/* UnicodeEncodeError, as mod_wsgi 6 raises it, with the place in its reason. */
static void not_latin1(const struct part *part, PyObject *text)
{
    PyObject *reason = part->name != NULL
                           ? PyUnicode_FromFormat("%s %R is latin-1 only", part->what, part->name)
                           : PyUnicode_FromFormat("%s is latin-1 only", part->what);
    Py_ssize_t size = PyUnicode_GET_LENGTH(text), at = 0;
    PyObject *error = NULL;

    while (at < size - 1 && PyUnicode_READ_CHAR(text, at) < 0x100)
        at++;
    if (reason != NULL)
        error = PyObject_CallFunction(PyExc_UnicodeEncodeError, "sOnnO", "latin-1", text, at,
                                      at + 1, reason);
    if (error != NULL)
        PyErr_SetObject(PyExc_UnicodeEncodeError, error);
    Py_XDECREF(error);
    Py_XDECREF(reason);
}

/* The bytes of a latin-1 str, in place. NULL with an exception. */
static const char *latin1(struct wsgi_run *run, PyObject *text, const struct part *part,
                          size_t *size)
{
    if (!PyUnicode_Check(text)) {
        not_str(part, text);
    } else if (wsgi_compat_unicode_ready(text) != 0) {
        return NULL;
    } else if (PyUnicode_KIND(text) != PyUnicode_1BYTE_KIND) {
        not_latin1(part, text);
    } else {
        *size = (size_t)PyUnicode_GET_LENGTH(text);
        return (const char *)PyUnicode_1BYTE_DATA(text);
    }
    wsgi_error_own(run, 500, WSGI_CODE_HEAD_REFUSED, 0);
    return NULL;
}

/* Rules of single names. 1: the field is to be kept; 0: dropped; -1: exception. */
static int note_field(struct wsgi_run *run, const char *name, size_t name_size, const char *value,
                      size_t value_size)
{
    enum wsgi_head_status status = WSGI_HEAD_OK;
    int64_t length;
    int again = run->has_length;

    if (wsgi_head_is_hop_by_hop(name, name_size))
        return 0;
    /* A daemon's answer is read as a CGI script's: there Status is the status. */
    if (!wsgi_process.embedded && wsgi_head_name_is(name, name_size, "Status"))
        status = wsgi_head_check_status(value, value_size, &run->number);
    if (status != WSGI_HEAD_OK)
        return head_error(run, status, name, name_size);
    if (!wsgi_head_name_is(name, name_size, "Content-Length"))
        return 1;
    status = wsgi_head_parse_length(value, value_size, &length);
    if (status == WSGI_HEAD_OK && again && run->length != length)
        status = WSGI_HEAD_LENGTH_TWICE;
    if (status != WSGI_HEAD_OK)
        return head_error(run, status, name, name_size);
    run->has_length = 1;
    run->length = length;
    return !again;
}

static int refuse_size(struct wsgi_run *run, PyObject *name)
{
    PyErr_Format(PyExc_ValueError,
                 "the response head has more than %u headers or %u bytes at header %.200R",
                 WSGI_HEAD_FIELDS_MAX, WSGI_FRAME_HEAD_MAX, name);
    wsgi_error_own(run, 500, WSGI_CODE_HEAD_REFUSED, 0);
    return -1;
}

/* Whether one more field fits; room for a Content-Length of our own is kept in both limits. */
static int has_room(const struct wsgi_run *run, size_t name_size, size_t value_size)
{
    return run->head.count < WSGI_HEAD_FIELDS_MAX - 1 && name_size < WSGI_FRAME_HEAD_MAX &&
           value_size < WSGI_FRAME_HEAD_MAX &&
           run->head.used + name_size + value_size < WSGI_FRAME_HEAD_MAX - 128;
}

/* `item` is a tuple of two, or of a type made from it, as a named tuple. */
static int put_pair(struct wsgi_run *run, PyObject *item)
{
    const struct part name_part = {"response header name", NULL};
    const struct part value_part = {"value of response header", PyTuple_GET_ITEM(item, 0)};
    enum wsgi_head_status status;
    const char *name, *value;
    size_t name_size, value_size;
    int keep;

    name = latin1(run, PyTuple_GET_ITEM(item, 0), &name_part, &name_size);
    if (name == NULL)
        return -1;
    value = latin1(run, PyTuple_GET_ITEM(item, 1), &value_part, &value_size);
    if (value == NULL)
        return -1;
    if (!has_room(run, name_size, value_size))
        return refuse_size(run, PyTuple_GET_ITEM(item, 0));
    status = wsgi_head_check_field(name, name_size, value, value_size);
    if (status != WSGI_HEAD_OK)
        return head_error(run, status, name, name_size);
    keep = note_field(run, name, name_size, value, value_size);
    if (keep > 0)
        wsgi_head_put(&run->head, name, name_size, value, value_size);
    return keep < 0 ? -1 : 0;
}

static int put_field(struct wsgi_run *run, PyObject *item)
{
    if (PyTuple_Check(item) && PyTuple_GET_SIZE(item) == 2)
        return put_pair(run, item);
    PyErr_Format(PyTuple_Check(item) ? PyExc_ValueError : PyExc_TypeError,
                 "each response header must be a tuple of name and value, not %.200R", item);
    wsgi_error_own(run, 500, WSGI_CODE_HEAD_REFUSED, 0);
    return -1;
}

/* The list is the application's: what it holds may change while an error is worded. */
static int put_fields(struct wsgi_run *run, PyObject *headers)
{
    Py_ssize_t i;
    int status = 0;

    for (i = 0; status == 0 && i < PyList_GET_SIZE(headers); i++) {
        PyObject *item = wsgi_compat_new_ref(PyList_GET_ITEM(headers, i));

        status = put_field(run, item);
        Py_DECREF(item);
    }
    return status;
}

int wsgi_output_begin_head(struct wsgi_run *run, PyObject *status_text, PyObject *headers)
{
    const struct part part = {"status", NULL};
    size_t size;
    const char *line = latin1(run, status_text, &part, &size);
    enum wsgi_head_status status;

    run->has_length = 0;
    if (line == NULL)
        return -1;
    status = wsgi_head_check_status(line, size, &run->number);
    if (status != WSGI_HEAD_OK)
        return head_error(run, status, NULL, 0);
    if (size > WSGI_FRAME_HEAD_MAX / 2)
        return refuse_size(run, status_text);
    wsgi_head_begin(&run->head, line, size);
    if (put_fields(run, headers) != 0)
        return -1;
    if (run->head.failed) {
        PyErr_NoMemory();
        return -1;
    }
    run->head_given = 1;
    return 0;
}

/* A later head that is refused leaves the former as it was. */
int wsgi_output_replace_head(struct wsgi_run *run, PyObject *status_text, PyObject *headers)
{
    struct wsgi_head_writer former = run->head;
    int number = run->number, has_length = run->has_length;
    int64_t length = run->length;

    memset(&run->head, 0, sizeof run->head);
    if (wsgi_output_begin_head(run, status_text, headers) == 0) {
        free(former.data);
        return 0;
    }
    free(run->head.data);
    run->head = former;
    run->number = number;
    run->has_length = has_length;
    run->length = length;
    return -1;
}

static int status_has_no_length(int number)
{
    return number == 204 || number == 304;
}

int wsgi_output_commit(struct wsgi_run *run, int64_t length)
{
    char digits[24];

    if (run->committed)
        return 0;
    if (!run->head_given) {
        PyErr_SetString(PyExc_RuntimeError,
                        "start_response() was not called before the first data was there");
        wsgi_error_own(run, 500, WSGI_CODE_BAD_RESULT, 0);
        return -1;
    }
    if (length >= 0 && !run->has_length && !run->call.is_head &&
        !status_has_no_length(run->number)) {
        int size = snprintf(digits, sizeof digits, "%lld", (long long)length);

        wsgi_head_put(&run->head, "Content-Length", 14, digits, (size_t)size);
    }
    if (wsgi_head_end(&run->head) != 0) {
        PyErr_NoMemory();
        return -1;
    }
    run->committed = 1;
    run->whole = length >= 0;
    return 0;
}
