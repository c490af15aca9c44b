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

#define WSGI_ENGINE_ABI 1u

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
     * body. -1 with errno: EPIPE client gone, ETIMEDOUT 408, EFBIG 413, EBADMSG malformed,
     * EIO another failure. */
    ssize_t (*read)(void *context, void *buffer, size_t size);
    /* The checked head block (head.h). Once, before any data. The block stays the caller's. */
    int (*send_head)(void *context, const unsigned char *block, size_t size);
    /* Consumes (copies or sends) the bytes before it returns. -1 with errno EPIPE: client gone. */
    int (*send_data)(void *context, const void *data, size_t size, unsigned flags);
    /* Sends `length` bytes of a regular file from `offset`; does not move the file's position;
     * the descriptor stays the caller's (the host duplicates what it keeps). */
    int (*send_file)(void *context, int descriptor, uint64_t offset, uint64_t length);
    /* Everything given so far goes to the client. */
    int (*flush)(void *context);
    /* One record for the request's log, no trailing newline, level as in syslog(3) (3 = error).
     * Text longer than 8 KiB is cut. Never fails. */
    void (*log)(void *context, int level, const char *text, size_t size);
    /* 1 when the client is known to have left. Cheap; no system call needed. */
    int (*client_gone)(void *context);
    /* Daemon mode: called once, just before Python is entered for the request; after it the
     * request counts as started. NULL when embedded. */
    void (*started)(void *context);
};

/* What the engine needs of its process outside a request. */
struct wsgi_host {
    void (*log)(int level, const char *text, size_t size);
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
    /* Embedded only: ends Python as a process exit does (threads joined, atexit), within
     * `seconds`; then it gives up and returns. */
    void (*stop)(unsigned seconds);
};

/* The one exported symbol of an engine besides PyInit__mod_wsgi. */
#define WSGI_ENGINE_SYMBOL "wsgi_engine_table"
extern const struct wsgi_engine wsgi_engine_table;

#endif
