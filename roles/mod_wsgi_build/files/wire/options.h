/* SPDX-License-Identifier: Apache-2.0 */
/*
 * name=value options of directives (WSGIDaemonProcess, WSGIScriptAlias ...).
 * Pure text work: no httpd, no Python. Quoting is as httpd's ap_getword_conf does it: a value
 * may be wrapped in "..." or '...', in which \" (\') and \\ are escapes.
 */
#ifndef WSGI_WIRE_OPTIONS_H
#define WSGI_WIRE_OPTIONS_H

#include <stddef.h>
#include <stdint.h>

enum wsgi_option_status {
    WSGI_OPTION_OK = 0,
    WSGI_OPTION_END,      /* nothing left on the line */
    WSGI_OPTION_NO_VALUE, /* a word without '=', or one that begins with it */
    WSGI_OPTION_QUOTE,    /* a quote that does not end, or text right after one */
    WSGI_OPTION_TOO_LONG  /* name or value larger than the caller's buffer */
};

struct wsgi_option {
    char *name; /* filled by wsgi_option_next, NUL-terminated */
    size_t name_room;
    char *value;
    size_t value_room;
};

/* Takes the next option from *line and moves it on. After an error *line points at the word.
 * 6.1.1 allows no blanks around '='. */
enum wsgi_option_status wsgi_option_next(const char **line, struct wsgi_option *option);

/* ---- values ------------------------------------------------------------- */
/* 1 / 0, or -1: neither On nor Off (case is ignored). */
int wsgi_value_flag(const char *text);
/* A decimal integer with nothing behind it, within [low, high]: 0, else -1. */
int wsgi_value_integer(const char *text, int64_t low, int64_t high, int64_t *number);
/* Octal, as umask takes it, 0 .. 0777: 0, else -1. */
int wsgi_value_octal(const char *text, unsigned *number);

#endif
