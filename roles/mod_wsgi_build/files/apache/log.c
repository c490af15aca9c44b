/* SPDX-License-Identifier: Apache-2.0 */
#include "log.h"

#include "../wire/logtext.h"

#include "apr_base64.h"
#include "apr_lib.h"
#include "apr_strings.h"
#include "http_config.h"
#include "http_core.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* Where a record is from, if its writer said so; else a line of this file. */
struct place {
    char file[WSGI_LOG_FILE_MAX + 1];
    int line;
};

/* Both scales are syslog's; a value from outside is checked all the same. */
int wsgi_log_level(int wire_level)
{
    wire_level &= ~(WSGI_LOG_PLACED | WSGI_LOG_WHOLE);
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

/* ---- one record ------------------------------------------------------------------------------ */

/* Where a record goes; `r` is NULL outside of a request. */
struct target {
    server_rec *s;
    request_rec *r;
    struct place place;
    int level;
};

/* Of literal text `arg` is the text. */
static int ends_with_quote(const ap_errorlog_format_item *item)
{
    size_t size = item->arg != NULL ? strlen(item->arg) : 0;

    return size > 0 && item->arg[size - 1] == '"';
}

/* 1: the ErrorLogFormat of this host makes JSON, with the message between double quotes. httpd
 * does not escape those, and writes other bytes as \xNN, which JSON does not know. */
static int is_json(const server_rec *s)
{
    const core_server_config *core = ap_get_core_module_config(s->module_config);
    const apr_array_header_t *format = core->error_log_format;
    const ap_errorlog_format_item *items;
    int i;

    if (format == NULL || format->nelts < 2)
        return 0;
    items = (const ap_errorlog_format_item *)format->elts;
    if (items[0].arg == NULL || *items[0].arg != '{')
        return 0;
    for (i = 1; i < format->nelts; i++)
        if (items[i].flags & AP_ERRORLOG_FLAG_MESSAGE)
            return ends_with_quote(&items[i - 1]);
    return 0;
}

/* The code point that begins at `text`, and how many bytes it has; 0: this is no UTF-8. */
static size_t decode(const char *text, size_t size, unsigned long *point)
{
    const unsigned char *at = (const unsigned char *)text;
    size_t length = *at < 0xC2 ? 0 : *at < 0xE0 ? 2 : *at < 0xF0 ? 3 : *at < 0xF5 ? 4 : 0;
    size_t i;

    if (length == 0 || length > size)
        return 0;
    *point = *at & (0xFFu >> (length + 1));
    for (i = 1; i < length; i++) {
        if ((at[i] & 0xC0) != 0x80)
            return 0;
        *point = *point << 6 | (at[i] & 0x3F);
    }
    return length;
}

/* One character as \uXXXX, of which httpd doubles the backslash; never longer than what
 * wsgi_logtext_cut() reckons with. Returns how many bytes of the text it was. */
static size_t put_wide(char **out, const char *text, size_t size)
{
    unsigned long point = 0;
    size_t length = decode(text, size, &point);

    if (length == 0)
        *(*out)++ = '?';
    else if (point < 0x10000)
        *out += apr_snprintf(*out, 8, "\\u%04lx", point);
    else
        *out += apr_snprintf(*out, 16, "\\u%04lx\\u%04lx", 0xD800 + ((point - 0x10000) >> 10),
                             0xDC00 + (point & 0x3FF));
    return length > 0 ? length : 1;
}

/* What httpd gets for a piece: a NUL would be its end, and in JSON there are more bytes that must
 * not be passed. */
static void render(char *out, const char *text, size_t size, int json)
{
    while (size > 0) {
        unsigned char byte = (unsigned char)*text;
        size_t taken = 1;

        if (json && byte >= 0x80)
            taken = put_wide(&out, text, size);
        else if (byte == '\0' || (json && (byte == 0x7F || byte == '\v' || byte < '\b' ||
                                           (byte > '\r' && byte < ' ') || byte == '\f')))
            out += apr_snprintf(out, 8, "\\x%02x", byte);
        else
            *out++ = json && byte == '"' ? '\'' : (char)byte;
        text += taken;
        size -= taken;
    }
    *out = '\0';
}

static void put_piece(const struct target *to, const char *text, size_t size)
{
    char shown[WSGI_LOGTEXT_ROOM + 32];

    render(shown, text, size, is_json(to->s));
    if (to->r != NULL)
        ap_log_rerror(to->place.file, to->place.line, APLOG_MODULE_INDEX, to->level, 0, to->r, "%s",
                      shown);
    else
        ap_log_error(to->place.file, to->place.line, APLOG_MODULE_INDEX, to->level, 0, to->s, "%s",
                     shown);
}

/* In pieces that httpd does not cut. */
static void put_text(const struct target *to, const char *text, size_t size)
{
    size = wsgi_logtext_trim(text, size);
    while (size > 0) {
        size_t piece = wsgi_logtext_cut(text, size);
        size_t show = wsgi_logtext_trim(text, piece);

        if (show > 0)
            put_piece(to, text, show);
        text += piece;
        size -= piece;
    }
}

static void put_lines(const struct target *to, const char *text, size_t size)
{
    while (size > 0) {
        const char *end = memchr(text, '\n', size);
        size_t line = end != NULL ? (size_t)(end - text) + 1 : size;

        put_text(to, text, line);
        text += line;
        size -= line;
    }
}

static void put(struct target *to, int wire_level, const char *text, size_t size)
{
    int is_whole = (wire_level & WSGI_LOG_WHOLE) != 0;

    to->level = wsgi_log_level(wire_level);
    if (!(to->r != NULL ? APLOG_R_MODULE_IS_LEVEL(to->r, APLOG_MODULE_INDEX, to->level)
                        : APLOG_MODULE_IS_LEVEL(to->s, APLOG_MODULE_INDEX, to->level)))
        return;
    to->place = take_place(wire_level, &text, &size);
    if (is_whole)
        put_text(to, text, size);
    else
        put_lines(to, text, size);
}

void wsgi_log_request_text(request_rec *r, int wire_level, const char *text, size_t size)
{
    struct target to = {.s = r->server, .r = r};

    put(&to, wire_level, text, size);
}

void wsgi_log_server_text(server_rec *s, int wire_level, const char *text, size_t size)
{
    struct target to = {.s = s};

    put(&to, wire_level, text, size);
}

void wsgi_log_outcome(request_rec *r, const struct wsgi_outcome *outcome)
{
    const char *cause = outcome->cause[0] != '\0' ? outcome->cause : "no cause was given";
    char line[WSGI_OUTCOME_CAUSE_MAX + 512];
    int size = apr_snprintf(line, sizeof(line), "WSGI%04u: %s, request %.255s",
                            (unsigned)outcome->code, cause, wsgi_log_request_id(r));

    wsgi_log_request_text(r, outcome->silent ? APLOG_DEBUG : APLOG_ERR, line, (size_t)size);
}

void wsgi_log_pointer(server_rec *main_server, server_rec *host, const char *group)
{
    if (host->error_log == main_server->error_log)
        return;
    ap_log_error(APLOG_MARK, APLOG_WARNING, 0, main_server,
                 "process group '%s' of virtual host %s has trouble, see its error log%s%s", group,
                 host->server_hostname != NULL ? host->server_hostname : "?",
                 host->error_fname != NULL ? " " : "",
                 host->error_fname != NULL ? host->error_fname : "");
}
