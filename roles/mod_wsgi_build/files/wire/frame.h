/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Frames between an Apache child ("front") and a daemon process ("back").
 *
 * A connection is a UNIX stream socket. Every message is one frame: a head of
 * 16 bytes in native byte order (both ends run on one host), then `length`
 * bytes of payload. Each end treats the other as hostile: a head that
 * wsgi_frame_decode() refuses ends the connection.
 *
 *   front                                  back
 *   HELLO    magic, secret, epoch      ->
 *                                      <-  WELCOME  aux = connection index
 *   REQUEST  variables, first body     ->
 *   BODY*    within the credit given   ->
 *                                      <-  WANT     more body credit
 *                                      <-  LOG*     a record for the request's log
 *                                      <-  HEAD     once, unless it failed before
 *                                      <-  DATA* / FILE*
 *                                      <-  END      exactly once
 *   CANCEL   the client is gone        ->
 *                                      <-  REJECT   instead of all of these:
 *                                                   the request did not start
 *
 * `aux` of REQUEST counts the processes that did not take it before, of LOG it is the level.
 *
 * `sequence` names the request on its connection (1, 2, 3 ... ; 0 only in HELLO
 * and WELCOME). The back discards BODY and CANCEL frames of an earlier request;
 * anything else out of sequence is an error.
 */
#ifndef WSGI_WIRE_FRAME_H
#define WSGI_WIRE_FRAME_H

#include <stddef.h>
#include <stdint.h>

#define WSGI_WIRE_VERSION 1u
#define WSGI_WIRE_MAGIC "WSGIwire"
#define WSGI_WIRE_MAGIC_SIZE 8
#define WSGI_WIRE_SECRET_SIZE 16

#define WSGI_FRAME_HEAD_SIZE 16

/* Largest payloads, in bytes. */
#define WSGI_FRAME_REQUEST_MAX (1u << 20) /* variables and first body bytes */
#define WSGI_FRAME_BODY_MAX 65536u
#define WSGI_FRAME_HEAD_MAX (1u << 20)
#define WSGI_FRAME_DATA_MAX 65536u
#define WSGI_FRAME_LOG_MAX 8192u
#define WSGI_FRAME_END_MAX 1024u

/* Body bytes the front may send before the first WANT; none with EXPECT. */
#define WSGI_WIRE_INITIAL_CREDIT (256u * 1024u)

enum wsgi_frame_type {
    WSGI_FRAME_HELLO = 1,
    WSGI_FRAME_WELCOME,
    WSGI_FRAME_REQUEST,
    WSGI_FRAME_WANT,
    WSGI_FRAME_BODY,
    WSGI_FRAME_HEAD,
    WSGI_FRAME_DATA,
    WSGI_FRAME_FILE,
    WSGI_FRAME_LOG,
    WSGI_FRAME_END,
    WSGI_FRAME_REJECT,
    WSGI_FRAME_CANCEL,
    WSGI_FRAME_TYPES /* one past the last */
};

/* Flags; each is legal only in the frame types named. */
#define WSGI_FLAG_MORE_BODY 0x01u /* REQUEST: BODY frames follow */
#define WSGI_FLAG_EXPECT 0x02u    /* REQUEST: client sent Expect: 100-continue, initial credit 0 */
#define WSGI_FLAG_FIN 0x04u       /* BODY: the body is complete */
#define WSGI_FLAG_ABORT                                                                            \
    0x08u /* BODY: it does not come whole; aux = WSGI_ABORT_* or an HTTP status */
#define WSGI_FLAG_FLUSH 0x10u     /* DATA, FILE: pass on to the client now */
#define WSGI_FLAG_TRUNCATED 0x20u /* END: the response must not look complete */

/* Why a body does not come whole (aux of BODY with ABORT); else 400 malformed, 408, 413. */
#define WSGI_ABORT_OTHER 0
#define WSGI_ABORT_CUT 1 /* the client ended it early, and may still read an answer */

/* Why a request did not start (aux of REJECT). */
enum wsgi_reject {
    WSGI_REJECT_DRAINING = 1, /* this process is retiring: try another */
    WSGI_REJECT_RELOAD,       /* the script changed: a new process is being made */
    WSGI_REJECT_FULL          /* no connection index left */
};

struct wsgi_frame {
    uint32_t length;   /* payload bytes that follow the head */
    uint8_t type;      /* enum wsgi_frame_type */
    uint8_t flags;     /* WSGI_FLAG_* */
    uint16_t aux;      /* meaning depends on the type, 0 otherwise */
    uint32_t sequence; /* request number on this connection */
    uint32_t credit;   /* WANT: further body bytes allowed; 0 otherwise */
};

/* Which end sent the frame. */
enum wsgi_end { WSGI_FROM_FRONT, WSGI_FROM_BACK };

enum wsgi_frame_status {
    WSGI_FRAME_OK = 0,
    WSGI_FRAME_BAD_TYPE,   /* unknown, or the other end's to send */
    WSGI_FRAME_BAD_LENGTH, /* above the type's cap, or not its fixed size */
    WSGI_FRAME_BAD_FLAGS,  /* a flag that this type does not have */
    WSGI_FRAME_BAD_FIELD   /* aux, sequence or credit that this type does not have */
};

void wsgi_frame_encode(const struct wsgi_frame *frame, unsigned char head[WSGI_FRAME_HEAD_SIZE]);

/* Checks everything that can be checked without knowing the request. */
enum wsgi_frame_status wsgi_frame_decode(const unsigned char head[WSGI_FRAME_HEAD_SIZE],
                                         enum wsgi_end sender, struct wsgi_frame *frame);

/* A few words for a log line: "unknown frame type", ... */
const char *wsgi_frame_status_text(enum wsgi_frame_status status);

/* Payload of HELLO. */
#define WSGI_HELLO_SIZE (WSGI_WIRE_MAGIC_SIZE + 4 + 4 + WSGI_WIRE_SECRET_SIZE)
struct wsgi_hello {
    uint32_t version; /* WSGI_WIRE_VERSION */
    uint32_t epoch;   /* of the daemon process that is meant; from the slot table */
    unsigned char secret[WSGI_WIRE_SECRET_SIZE];
};
void wsgi_hello_encode(const struct wsgi_hello *hello, unsigned char payload[WSGI_HELLO_SIZE]);
/* 0, or -1 when size or magic are wrong. The caller compares version, epoch, secret. */
int wsgi_hello_decode(const unsigned char *payload, size_t size, struct wsgi_hello *hello);
/* 1 when equal, in constant time. */
int wsgi_secret_equal(const unsigned char *one, const unsigned char *other);

/* Payload of REQUEST: u32 size of the variable block, the block, first body bytes. */
#define WSGI_REQUEST_PREFIX_SIZE 4

/* Payload of FILE; the descriptor travels by SCM_RIGHTS with the frame's first byte. */
#define WSGI_FILE_SIZE 16
struct wsgi_file_range {
    uint64_t offset; /* bytes from the start of the file */
    uint64_t length; /* bytes to send; the receiver clamps to the file's size */
};
void wsgi_file_range_encode(const struct wsgi_file_range *range,
                            unsigned char payload[WSGI_FILE_SIZE]);
int wsgi_file_range_decode(const unsigned char *payload, size_t size,
                           struct wsgi_file_range *range);

#endif
