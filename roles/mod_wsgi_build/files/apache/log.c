/* SPDX-License-Identifier: Apache-2.0 */
#include "log.h"

#include "apr_base64.h"
#include "apr_lib.h"
#include "apr_strings.h"
#include "http_config.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* httpd cuts a record at MAX_STRING_LEN (8192) with its prefix included. */
#define LINE_MAX_SIZE 7680

/* Where a record is from, if its writer said so; else a line of this file. */
struct place {
    char file[WSGI_LOG_FILE_MAX + 1];
    int line;
};

/* Both scales are syslog's; a value from outside is checked all the same. */
int wsgi_log_level(int wire_level)
{
    wire_level &= ~WSGI_LOG_PLACED;
    return wire_level >= APLOG_EMERG && wire_level <= APLOG_DEBUG ? wire_level : APLOG_ERR;
}

int wsgi_log_highest(const server_rec *main_server)
{
    const server_rec *s;
    int highest = APLOG_ERR;

    for (s = main_server; s != NULL; s = s->next) {
        int level = ap_get_server_module_loglevel(s, APLOG_MODULE_INDEX);

        if (level > highest)
            highest = level;
    }
    return highest > APLOG_DEBUG ? APLOG_DEBUG : highest;
}

/* A hook may make the id (mod_unique_id and others); else 64 bits that differ between the
 * requests of this machine are enough, as httpd itself does it. */
static const char *make_request_id(request_rec *r)
{
    const char *id = NULL;
    struct {
        apr_uint32_t microseconds;
        apr_uint32_t pid_and_request;
        apr_uint32_t connection;
    } raw;
    char *text;

    if (ap_run_generate_log_id(r->connection, r, &id) == OK && id != NULL)
        return id;
    raw.microseconds = (apr_uint32_t)r->request_time;
    raw.pid_and_request = ((apr_uint32_t)getpid() << 8) ^ (apr_uint32_t)((apr_uintptr_t)r >> 4);
    raw.connection = (apr_uint32_t)r->connection->id ^ (apr_uint32_t)(r->request_time >> 32);
    text = apr_palloc(r->pool, (apr_size_t)apr_base64_encode_len(sizeof(raw)));
    apr_base64_encode_binary(text, (const unsigned char *)&raw, sizeof(raw));
    return text;
}

const char *wsgi_log_request_id(request_rec *r)
{
    if (r->log_id == NULL)
        r->log_id = make_request_id(r);
    return r->log_id;
}

void wsgi_log_outcome(request_rec *r, const struct wsgi_outcome *outcome)
{
    const char *cause = outcome->cause[0] != '\0' ? outcome->cause : "no cause was given";
    const char *id = wsgi_log_request_id(r);

    if (outcome->silent)
        ap_log_rerror(APLOG_MARK, APLOG_DEBUG, 0, r, "WSGI%04u: %s, request %s",
                      (unsigned)outcome->code, cause, id);
    else
        ap_log_rerror(APLOG_MARK, APLOG_ERR, 0, r, "WSGI%04u: %s, request %s",
                      (unsigned)outcome->code, cause, id);
}

/* The next piece of `text` that becomes one record; *skip is what follows it and is not shown. */
static size_t next_line(const char *text, size_t size, size_t *skip)
{
    const char *end = memchr(text, '\n', size);
    size_t line = end != NULL ? (size_t)(end - text) : size;

    *skip = end != NULL ? 1 : 0;
    if (line > LINE_MAX_SIZE) {
        *skip = 0;
        return LINE_MAX_SIZE;
    }
    if (line > 0 && end != NULL && text[line - 1] == '\r') {
        *skip = 2;
        return line - 1;
    }
    return line;
}

/* Takes the place (see WSGI_LOG_PLACED) off the text; what is malformed stays text. httpd escapes
 * the message but not the file name, and that may come from a hostile daemon. */
static struct place take_place(int wire_level, const char **text, size_t *size)
{
    struct place place = {"apache/log.c", __LINE__};
    const char *end = *text + *size;
    const char *number = memchr(*text, '\0', *size);
    const char *rest = number != NULL ? memchr(number + 1, '\0', (size_t)(end - number - 1)) : NULL;
    size_t i;

    if (!(wire_level & WSGI_LOG_PLACED) || rest == NULL)
        return place;
    for (i = 0; i < WSGI_LOG_FILE_MAX && (*text)[i] != '\0'; i++)
        place.file[i] = apr_iscntrl((*text)[i]) ? '?' : (*text)[i];
    place.file[i] = '\0';
    place.line = atoi(number + 1);
    *text = rest + 1;
    *size = (size_t)(end - *text);
    return place;
}

void wsgi_log_request_text(request_rec *r, int wire_level, const char *text, size_t size)
{
    int level = wsgi_log_level(wire_level);
    struct place place = take_place(wire_level, &text, &size);

    while (size > 0) {
        size_t skip;
        size_t line = next_line(text, size, &skip);

        ap_log_rerror(place.file, place.line, APLOG_MODULE_INDEX, level, 0, r, "%.*s", (int)line,
                      text);
        text += line + skip;
        size -= line + skip;
    }
}

void wsgi_log_server_text(server_rec *s, int wire_level, const char *text, size_t size)
{
    int level = wsgi_log_level(wire_level);
    struct place place = take_place(wire_level, &text, &size);

    while (size > 0) {
        size_t skip;
        size_t line = next_line(text, size, &skip);

        ap_log_error(place.file, place.line, APLOG_MODULE_INDEX, level, 0, s, "%.*s", (int)line,
                     text);
        text += line + skip;
        size -= line + skip;
    }
}
