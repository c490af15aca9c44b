/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Response-head rules, applied by the engine (so that the application sees the
 * error) and again by the Apache side (which does not trust a daemon).
 *
 * A head block, native byte order:
 *   u32 status_size  status NUL  u32 count  { u32 name_size  u32 value_size  name NUL value NUL }*
 * `status` is the application's status line, "200 OK".
 */
#ifndef WSGI_WIRE_HEAD_H
#define WSGI_WIRE_HEAD_H

#include <stddef.h>
#include <stdint.h>

#define WSGI_HEAD_FIELDS_MAX 1000u

enum wsgi_head_status {
    WSGI_HEAD_OK = 0,
    WSGI_HEAD_STATUS_FORM,  /* not three digits, then the end or a blank and a reason */
    WSGI_HEAD_STATUS_RANGE, /* below 200 or above 999: PEP 3333 knows only final statuses */
    WSGI_HEAD_STATUS_BYTES, /* a control character in the reason */
    WSGI_HEAD_NAME_EMPTY,
    WSGI_HEAD_NAME_BYTES,   /* not a token of RFC 9110, 5.6.2 */
    WSGI_HEAD_VALUE_BYTES,  /* NUL, CR, LF or another control but TAB */
    WSGI_HEAD_LENGTH_FORM,  /* Content-Length is not only digits, or does not fit int64_t */
    WSGI_HEAD_LENGTH_TWICE, /* two Content-Length that differ */
    WSGI_HEAD_LINE_LONG,    /* a field is longer than header-buffer-size (only on Apache's side) */
    WSGI_HEAD_BLOCK         /* the block itself is malformed (only from a daemon) */
};

/* "status must be three digits ..." */
const char *wsgi_head_status_text(enum wsgi_head_status status);

/* Checks with lengths: an embedded NUL is seen. `number` may be NULL. */
enum wsgi_head_status wsgi_head_check_status(const char *status, size_t size, int *number);
enum wsgi_head_status wsgi_head_check_field(const char *name, size_t name_size, const char *value,
                                            size_t value_size);
/* *length is the number when WSGI_HEAD_OK. Surrounding blanks are allowed. */
enum wsgi_head_status wsgi_head_parse_length(const char *value, size_t size, int64_t *length);
/* 1 for Connection, Keep-Alive, TE, Trailer, Transfer-Encoding, Upgrade, Proxy-Connection,
 * Proxy-Authenticate is NOT among them (it belongs to 407). They are dropped, never sent. */
int wsgi_head_is_hop_by_hop(const char *name, size_t size);
/* Case-insensitive comparison with a NUL-terminated ASCII name. */
int wsgi_head_name_is(const char *name, size_t size, const char *other);

/* ---- block ---- */
struct wsgi_head_writer {
    unsigned char *data; /* grows by realloc; the caller frees it, or hands it on */
    size_t used;
    size_t size;
    size_t count_at;
    uint32_t count;
    int failed;
};
void wsgi_head_begin(struct wsgi_head_writer *writer, const char *status, size_t size);
void wsgi_head_put(struct wsgi_head_writer *writer, const char *name, size_t name_size,
                   const char *value, size_t value_size);
int wsgi_head_end(struct wsgi_head_writer *writer); /* 0, or -1 if it failed */

struct wsgi_head_field {
    const char *name;
    size_t name_size;
    const char *value;
    size_t value_size;
};
struct wsgi_head_reader {
    const unsigned char *at;
    const unsigned char *end;
    uint32_t left;
    const char *status;
    size_t status_size;
    int number; /* 200 .. 999 */
};
/* Opens and checks the status line. */
enum wsgi_head_status wsgi_head_open(struct wsgi_head_reader *reader, const void *block,
                                     size_t size);
/* 1: a checked field; 0: the end; -1: *why says what is wrong. */
int wsgi_head_next(struct wsgi_head_reader *reader, struct wsgi_head_field *field,
                   enum wsgi_head_status *why);

#endif
