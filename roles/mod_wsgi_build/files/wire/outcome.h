/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How one request ended, as the engine tells it: returned by engine->run() in
 * embedded mode, the payload of END in daemon mode. The Apache side makes the
 * one log line of a failure from it ("WSGInnnn: cause, request <id>").
 */
#ifndef WSGI_WIRE_OUTCOME_H
#define WSGI_WIRE_OUTCOME_H

#include <stddef.h>
#include <stdint.h>

#define WSGI_OUTCOME_CAUSE_MAX 512

/* Added to the level of a log record, in a call and in a frame: the text begins with the place it
 * is from, a file name, NUL, a line number in digits, NUL. */
#define WSGI_LOG_PLACED 0x100
#define WSGI_LOG_FILE_MAX 255 /* bytes of that file name */
/* Likewise: the text is one record with all its lines, else each line is one. */
#define WSGI_LOG_WHOLE 0x200

struct wsgi_outcome {
    uint16_t status; /* 0: the application answered. Else the HTTP status (400..599) to send
                        if no head was sent, or the reason of the truncation if one was */
    uint16_t code;   /* n of WSGIn, 0 when status is 0 */
    int truncated;   /* 1: a head was sent, the body is incomplete */
    int silent;      /* 1: not a failure of ours (the client left): log at debug only */
    char cause[WSGI_OUTCOME_CAUSE_MAX]; /* one line in words, no trailing newline; "" when fine */
};

/* Codes. Numbers of mod_wsgi 6 are reused only for the same circumstance; ours start at 1000. */
enum wsgi_code {
    WSGI_CODE_NONE = 0,
    WSGI_CODE_BASIC_NO_SCRIPT = 41, /* scripts that decide; each with its status */
    WSGI_CODE_BASIC_INTERPRETER = 42,
    WSGI_CODE_BASIC_FUNCTION = 43, /* missing; so are the next ones of this name */
    WSGI_CODE_DIGEST_NO_SCRIPT = 44,
    WSGI_CODE_DIGEST_INTERPRETER = 45,
    WSGI_CODE_DIGEST_FUNCTION = 46,
    WSGI_CODE_GROUP_INTERPRETER = 48,
    WSGI_CODE_GROUP_NAME_ENCODING = 49,
    WSGI_CODE_GROUP_NAME = 50,
    WSGI_CODE_GROUP_RESULT = 51,
    WSGI_CODE_GROUP_FUNCTION = 52,
    WSGI_CODE_ACCESS_INTERPRETER = 54,
    WSGI_CODE_ACCESS_RESULT = 55,
    WSGI_CODE_ACCESS_FUNCTION = 56,
    WSGI_CODE_ACCESS_DENIED = 57,
    WSGI_CODE_GROUP_NO_SCRIPT = 58,
    WSGI_CODE_GROUP_USER_WITHOUT = 59, /* the user is in no group at all */
    WSGI_CODE_GROUP_DENIED = 60,
    WSGI_CODE_OUTSIDE_CHROOT = 81, /* the script is not inside of the daemon's root -> 502 */
    WSGI_CODE_QUEUE_TIMEOUT = 84,  /* no worker within queue-timeout -> 504 */
    WSGI_CODE_DISPATCH_INTERPRETER = 86,
    WSGI_CODE_INTERPRETER_UNAVAILABLE = 87,
    WSGI_CODE_CALLABLE_MISSING = 89,
    WSGI_CODE_SCRIPT_UNREADABLE = 105, /* cannot be read or does not compile */
    WSGI_CODE_SCRIPT_EXIT = 107,       /* SystemExit while executing the file */
    WSGI_CODE_SCRIPT_RAISED = 109,     /* another exception while executing the file */
    WSGI_CODE_RETRIES_EXHAUSTED = 116, /* no daemon could be reached in time -> 503 */
    WSGI_CODE_CONNECT_FAILED = 117,    /* connect error -> 503 */
    WSGI_CODE_EVENT_RAISED = 112,      /* a callback of mod_wsgi.subscribe_...() failed; ignored */
    WSGI_CODE_BODY_STALLED = 119,      /* the daemon sent nothing more of its answer: cut */
    WSGI_CODE_BODY_READ_FAILED = 126,  /* client body: 408 on time-out, else 400/413/500 */
    WSGI_CODE_EXECCGI_OFF = 134,
    WSGI_CODE_SCRIPT_NOT_FOUND = 135,
    WSGI_CODE_SCRIPT_IS_DIRECTORY = 136,
    WSGI_CODE_PATH_INFO_REFUSED = 137,
    WSGI_CODE_TRANSFER_ENCODING = 138,
    WSGI_CODE_CHUNKED_REFUSED = 139,
    WSGI_CODE_CONTENT_LENGTH = 141,
    WSGI_CODE_EMBEDDED_OFF = 143,
    WSGI_CODE_HEAD_LINE_LONG = 144,
    WSGI_CODE_HEAD_TIMEOUT = 145,      /* -> 504 */
    WSGI_CODE_DIED_BEFORE_HEAD = 146,  /* -> 502 */
    WSGI_CODE_READ_FAILED = 147,       /* -> 502 */
    WSGI_CODE_GROUP_NOT_ALLOWED = 149, /* by WSGIRestrictProcess */
    WSGI_CODE_GROUP_NONE = 150,        /* no daemon groups are configured */
    WSGI_CODE_GROUP_UNKNOWN = 151,
    WSGI_CODE_GROUP_OTHER_HOST = 152,
    WSGI_CODE_APPLICATION_RAISED = 174,
    WSGI_CODE_APPLICATION_EXIT = 175,
    WSGI_CODE_BASIC_EMPTY = 176,
    WSGI_CODE_BASIC_RESULT = 177,
    WSGI_CODE_DIGEST_EMPTY = 178,
    WSGI_CODE_DIGEST_RESULT = 179,
    WSGI_CODE_EVENT_EXIT = 190,    /* the same by SystemExit */
    WSGI_CODE_CLOSE_LOOKUP = 194,  /* the iterable's close cannot be looked up; the rest stands */
    WSGI_CODE_SIGNAL_THREAD = 207, /* no thread for the callbacks of signals */
    WSGI_CODE_PYTHON_NOT_UP = 210,
    WSGI_CODE_GROUP_NOT_READY = 1000, /* group out of service since start-up -> 503 */
    WSGI_CODE_WIRE_VIOLATION = 1001,  /* the other end broke the frame rules -> 502 */
    WSGI_CODE_HEAD_REFUSED = 1002,    /* response head broke the head rules -> 500 */
    WSGI_CODE_NOT_CALLABLE = 1003,
    WSGI_CODE_BAD_RESULT = 1004,          /* no iterable, str instead of bytes, no start_response */
    WSGI_CODE_VARIABLES_TOO_LARGE = 1005, /* -> 431 or 500 */
    WSGI_CODE_SHORT_BODY = 1006,          /* fewer bytes than Content-Length: connection cut */
    WSGI_CODE_DIED_IN_BODY = 1007,        /* the daemon died in mid-response */
    WSGI_CODE_CLIENT_GONE = 1008,
    WSGI_CODE_NO_MEMORY = 1009,
    WSGI_CODE_FRONT_SILENT = 1010,      /* Apache's process takes nothing, or sends nothing */
    WSGI_CODE_PYTHON_PATH = 1020,       /* an entry of a python path that cannot be read */
    WSGI_CODE_RELOAD_REQUIRED = 1021,   /* reload_required() raised */
    WSGI_CODE_EXTENSION_REFUSES = 1022, /* the hint about sub-interpreters */
    WSGI_CODE_REQUEST_TIMEOUT = 1030,   /* mod_wsgi.RequestTimeout ended it -> 504 */
    WSGI_CODE_REQUEST_OVERDUE = 1031,   /* request-timeout is over: 504, or cut */
    WSGI_CODE_SERVICE = 1050,           /* a request for a group with threads=0 -> 503 */
    WSGI_CODE_STARTUP_TIMEOUT = 1032,   /* no script was loaded in time */
    WSGI_CODE_DEADLOCK = 1033,          /* the GIL could not be had */
    WSGI_CODE_SHUTDOWN_TIMEOUT = 1034,  /* the process did not end in time */
    WSGI_CODE_REQUEST_STUCK = 1035,     /* likewise: its stack; its process is replaced */
    WSGI_CODE_OUTPUT_FAILED = 1040      /* an output filter, or a file that became shorter: cut */
};

/* Bytes written to `payload`, at most WSGI_FRAME_END_MAX. */
size_t wsgi_outcome_encode(const struct wsgi_outcome *outcome, unsigned char *payload);
/* 0, or -1 when malformed: wrong size, a status out of range, a control character in the cause
 * is replaced by '?'. `truncated` is taken from the frame's flag by the caller. */
int wsgi_outcome_decode(const unsigned char *payload, size_t size, struct wsgi_outcome *outcome);

/* Fills in a failure; the cause is formatted, cut at the limit, and kept to one line. */
void wsgi_outcome_fail(struct wsgi_outcome *outcome, uint16_t status, uint16_t code,
                       const char *format, ...) __attribute__((format(printf, 4, 5)));

#endif
