/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The door between Apache (or the daemon loop) and the engine.
 *
 * The engine never sees a request_rec; its host never sees a PyObject. A host hands over a
 * variable block and a table of functions, the engine runs the application and says how it
 * ended. All functions of the transport are called without the GIL held (no attached thread
 * state), one at a time; normally on the thread that called run(), but an application may read
 * its input or call write() from a thread of its own while that one waits.
 */
#ifndef WSGI_WIRE_ENGINE_H
#define WSGI_WIRE_ENGINE_H

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "outcome.h"

#define WSGI_ENGINE_ABI 3u

/* The version our own code carries, and the one of the interface we follow. */
#define WSGI_BUILD_VERSION "1.0.0"
#define WSGI_INTERFACE_VERSION_MAJOR 6
#define WSGI_INTERFACE_VERSION_MINOR 1
#define WSGI_INTERFACE_VERSION_PATCH 1

struct wsgi_request {
    const unsigned char *vars; /* variable block, see vars.h; stays in place during run() */
    size_t vars_size;
};

/* Flags of send_data. */
#define WSGI_SEND_FLUSH 0x1 /* the application may be slow with the next block */

struct wsgi_transport {
    /* Up to `size` (> 0) body bytes; blocks until at least one is there. 0: complete end of the
     * body. -1 with errno: EPIPE client gone, ENODATA the client ended it early (400, it may still
     * read the answer), ETIMEDOUT 408, EFBIG 413, EBADMSG malformed, EIO another failure. */
    ssize_t (*read)(void *context, void *buffer, size_t size);
    /* The application is about to read: a client that waits for 100 Continue is told, nothing is
     * waited for. Once; the first read() does the same. May be NULL. */
    void (*want)(void *context);
    /* The checked head block (head.h). Once, before any data. The block stays the caller's. */
    int (*send_head)(void *context, const unsigned char *block, size_t size);
    /* Consumes (copies or sends) the bytes before it returns. -1 with errno EPIPE: client gone. */
    int (*send_data)(void *context, const void *data, size_t size, unsigned flags);
    /* Sends `length` bytes of a regular file from `offset`; does not move the file's position;
     * the descriptor stays the caller's (the host duplicates what it keeps). */
    int (*send_file)(void *context, int descriptor, uint64_t offset, uint64_t length);
    /* Everything given so far goes to the client. */
    int (*flush)(void *context);
    /* One record for the request's log, no trailing newline, level as in syslog(3) (3 = error),
     * maybe with WSGI_LOG_PLACED and WSGI_LOG_WHOLE (outcome.h). Text longer than 8 KiB is cut.
     * Never fails. */
    void (*log)(void *context, int level, const char *text, size_t size);
    /* 1 when the client is known to have left. Cheap; no system call needed. */
    int (*client_gone)(void *context);
    /* Daemon mode: called once, just before Python is entered for the request; after it the
     * request counts as started. NULL when embedded. */
    void (*started)(void *context);
    /* The script is loaded, the application is about to be called. NULL when embedded. */
    void (*called)(void *context);
    /* Daemon mode: how many processes did not take the request before this one. NULL when
     * embedded. */
    unsigned (*refusals)(void *context);

    /* The rest only when embedded, NULL in a daemon. */
    /* 1 when mod_ssl says that the connection is encrypted. */
    int (*is_https)(void *context);
    /* A variable of mod_ssl; stays in place until the request ends. NULL: there is none. */
    const char *(*ssl_variable)(void *context, const char *name);
    /* The request_rec, for the capsule apache.request_rec. */
    void *(*native)(void *context);
};

/* What the engine needs of its process outside a request. */
struct wsgi_host {
    void (*log)(int level, const char *text, size_t size);
    /* Embedded: a snapshot of httpd's scoreboard (scores.h), to be freed by free(); *size are its
     * bytes. NULL: there is none. The function is NULL in a daemon, which asks its supervisor. */
    void *(*scores)(size_t *size);
};

/* ---- scripts that decide ------------------------------------------------------------------- */

/* What ask() asks a script of the site for, before the request is served; in the order of the
 * behaviour of mod_wsgi 6. The variable block names the script (WSGI_PARAM_SCRIPT), the
 * interpreter (WSGI_PARAM_APPLICATION_GROUP) and the environ; there is no wsgi.input. */
enum wsgi_question_kind {
    WSGI_ASK_ACCESS = 1, /* allow_access(environ, host) */
    WSGI_ASK_PASSWORD,   /* check_password(environ, user, password) */
    WSGI_ASK_REALM_HASH, /* get_realm_hash(environ, user, realm) */
    WSGI_ASK_GROUPS,     /* groups_for_user(environ, user) */
    WSGI_ASK_DISPATCH    /* process_group(environ), application_group(environ),
                            callable_object(environ); each may be missing */
};

struct wsgi_question {
    enum wsgi_question_kind kind;
    const char *first;  /* host or user, any bytes but NUL (handed over as latin-1); NULL: none */
    const char *second; /* password or realm, likewise */
};

enum wsgi_verdict {
    WSGI_VERDICT_FAILED = 0, /* function missing, exception, wrong type: `outcome` says why */
    WSGI_VERDICT_NOT_LOADED, /* the script cannot be read, compiled or executed: likewise */
    WSGI_VERDICT_NONE,       /* None: declined, or user unknown */
    WSGI_VERDICT_YES,
    WSGI_VERDICT_NO,
    WSGI_VERDICT_TEXT /* texts: PASSWORD the user's new name, REALM_HASH the hash, GROUPS all
                         names (maybe none), DISPATCH always three, NULL where nothing is said */
};

#define WSGI_DISPATCH_PROCESS_GROUP 0
#define WSGI_DISPATCH_APPLICATION_GROUP 1
#define WSGI_DISPATCH_CALLABLE_OBJECT 2
#define WSGI_DISPATCH_TEXTS 3

struct wsgi_answer {
    enum wsgi_verdict verdict;
    size_t count;
    const char **texts; /* NUL-terminated, never with a NUL inside; one malloc'ed block, freed by
                           the host with free(); NULL when count is 0 */
};

/* run() in place of an outcome's status: the script changed and this process must be replaced. */
#define WSGI_RUN_DONE 0
#define WSGI_RUN_RELOAD 1 /* only when reload_by_process; nothing was sent, nothing started */

struct wsgi_engine {
    uint32_t abi;               /* WSGI_ENGINE_ABI, first in every version */
    uint32_t size;              /* sizeof(struct wsgi_engine) */
    const char *build;          /* WSGI_BUILD_VERSION */
    const char *fingerprint;    /* of the sources and flags; front and engine must agree */
    const char *python_version; /* "3.11.2", compiled for */
    const char *soabi;

    /* Embedded only. Starts Python in this process (libpython is already loaded globally) from a
     * launch block. 0, or -1 with one line in `error`. Once per process, on the thread that will
     * call stop(). */
    int (*start)(const unsigned char *launch, size_t launch_size, const struct wsgi_host *host,
                 char *error, size_t error_size);
    /* Runs one request. Any thread. Fills in `outcome` unless it returns WSGI_RUN_RELOAD. */
    int (*run)(const struct wsgi_request *request, const struct wsgi_transport *transport,
               void *context, struct wsgi_outcome *outcome);
    /* Embedded only. Asks a script; any thread. Always fills in `answer`; `outcome` when the
     * verdict is FAILED or NOT_LOADED. Tracebacks went to transport->log before. */
    void (*ask)(const struct wsgi_request *request, const struct wsgi_transport *transport,
                void *context, const struct wsgi_question *question, struct wsgi_answer *answer,
                struct wsgi_outcome *outcome);
    /* Embedded only: ends Python as a process exit does (threads joined, atexit), within
     * `seconds`; then it gives up and returns. */
    void (*stop)(unsigned seconds);
};

/* The one exported symbol of an engine besides PyInit__mod_wsgi. */
#define WSGI_ENGINE_SYMBOL "wsgi_engine_table"
extern const struct wsgi_engine wsgi_engine_table;

#endif
