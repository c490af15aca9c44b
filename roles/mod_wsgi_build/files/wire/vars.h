/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The variable block: a flat, self-describing list of names and values.
 *
 * One block describes a request (environ and the engine's own parameters), one
 * describes a process (the launch block). Layout, native byte order:
 *
 *   u32 magic  u32 count  { u16 id  u16 name_size  u32 value_size  name NUL  value NUL } * count
 *
 * `id` says what the entry is:
 *   0                       an environ key, spelt out in `name`
 *   1 .. WSGI_NAME_COUNT-1  an environ key of the table names.def; name_size is 0
 *   >= WSGI_PARAM_FIRST     a parameter for the engine, never seen by the application;
 *                           name_size is 0
 * name_size and value_size do not count the NUL, which is there so that C code can use values
 * in place. Values may hold NULs themselves only for numeric parameters (8 bytes).
 */
#ifndef WSGI_WIRE_VARS_H
#define WSGI_WIRE_VARS_H

#include <stddef.h>
#include <stdint.h>

#define WSGI_VARS_MAGIC 0x31535657u /* "WVS1" */
#define WSGI_VARS_HEAD_SIZE 8

enum wsgi_name {
    WSGI_NAME_TEXT = 0,
#define WSGI_NAME(symbol, text) WSGI_NAME_##symbol,
#include "names.def"
#undef WSGI_NAME
    WSGI_NAME_COUNT
};

#define WSGI_PARAM_FIRST 0x8000u

/* Parameters. (s) text, (n) an int64_t in 8 bytes. A launch block may repeat those marked *. */
enum wsgi_param {
    /* of a request */
    WSGI_PARAM_SCRIPT = WSGI_PARAM_FIRST, /* s: path of the file that holds the application */
    WSGI_PARAM_SCRIPT_MTIME,              /* n: microseconds since the epoch, as httpd saw it */
    WSGI_PARAM_CALLABLE,                  /* s: attribute name */
    WSGI_PARAM_APPLICATION_GROUP,         /* s: "" is the main interpreter */
    WSGI_PARAM_PROCESS_GROUP,             /* s: "" is embedded */
    WSGI_PARAM_REQUEST_FLAGS,             /* n: WSGI_REQUEST_* */
    WSGI_PARAM_REQUEST_START,             /* n: microseconds since the epoch */
    WSGI_PARAM_QUEUE_START,               /* n: as above, 0 when embedded */
    WSGI_PARAM_REQUEST_ID,                /* s: Apache's log id */
    WSGI_PARAM_CONNECTION_ID,             /* s: absent if Apache has none */
    WSGI_PARAM_LISTENER_HOST,             /* s */
    WSGI_PARAM_LISTENER_PORT,             /* s */
    WSGI_PARAM_SERVER_PID,                /* n: pid of the Apache child; at launch: of the parent */
    WSGI_PARAM_REQUEST_HANDLER,           /* s: "wsgi-script" */
    WSGI_PARAM_CONTENT_LENGTH,            /* n: absent when unknown (chunked) or no body */
    WSGI_PARAM_HANDLER_SCRIPT, /* s: WSGIHandlerScript: the same path as SCRIPT; absent else */
    WSGI_PARAM_RESOURCE,       /* s: what reload_required() is asked about; absent: SCRIPT */

    /* of a process (launch block; embedded mode uses the same block) */
    WSGI_PARAM_GROUP_NAME = 0x9000, /* s: daemon group, "" when embedded */
    WSGI_PARAM_PROCESSES,           /* n */
    WSGI_PARAM_THREADS,             /* n */
    WSGI_PARAM_PROCESS_FLAGS,       /* n: WSGI_PROCESS_* */
    WSGI_PARAM_INTERPRETER,         /* s: bin/python to behave as (embedded: program name) */
    WSGI_PARAM_PYTHON_HOME,         /* s: absent when no home was given; embedded only */
    WSGI_PARAM_PYTHON_PATH,         /* s*: one directory each, in order */
    WSGI_PARAM_HOME,                /* s: first on sys.path, absent when not given */
    WSGI_PARAM_LOCALE,              /* s: for setlocale(LC_ALL), absent when not given */
    WSGI_PARAM_TITLE,               /* s: process title, absent when not given */
    WSGI_PARAM_SHUTDOWN_TIMEOUT,    /* n: seconds, 0 = no limit */
    WSGI_PARAM_USER_NAME,           /* s: for USER, LOGNAME; absent if no correction is wanted */
    WSGI_PARAM_USER_HOME,           /* s: for HOME */
    WSGI_PARAM_PRELOAD_GROUP,       /* s*: application group; always before its PRELOAD_SCRIPT */
    WSGI_PARAM_PRELOAD_SCRIPT,      /* s* */
    WSGI_PARAM_MAIN_GROUP,          /* s: application group that runs in the main interpreter
                                       (besides ""); absent when none. Requests with the flag
                                       WSGI_REQUEST_MAIN run there, too, whatever their group */
    WSGI_PARAM_EPOCH,               /* n: of this process, checked in HELLO */
    WSGI_PARAM_SECRET,              /* WSGI_WIRE_SECRET_SIZE bytes */
    WSGI_PARAM_PEER_UID,            /* n*: a uid whose processes may connect (besides 0) */
    WSGI_PARAM_SERVER_VERSION,      /* n: httpd version, major * 1000000 + minor * 1000 + patch */
    WSGI_PARAM_SERVER_DESCRIPTION,  /* s: server banner */
    WSGI_PARAM_SERVER_BUILT,        /* s */
    WSGI_PARAM_MPM_NAME,            /* s */
    WSGI_PARAM_MPM_PROCESSES,       /* n: maximum number of Apache children */
    WSGI_PARAM_MPM_THREADS,         /* n: threads in each */
    WSGI_PARAM_LOG_LEVEL,           /* n: highest syslog level worth sending (7 = debug) */
    WSGI_PARAM_PYTHON_EGGS,         /* s: PYTHON_EGG_CACHE, absent when not given */
    WSGI_PARAM_STACK_SIZE,          /* n: bytes of each thread's stack, absent: the system's */
    WSGI_PARAM_MAXIMUM_REQUESTS,    /* n: absent or 0: no limit */
    /* Embedded only: a daemon gets these on its command line. */
    WSGI_PARAM_PYTHON_WARNINGS, /* s*: one -W each, in order */
    WSGI_PARAM_PYTHON_OPTIMIZE, /* n: 0, 1, 2 */
    WSGI_PARAM_HASH_SEED,       /* s: "random" or a number. In a daemon PYTHONHASHSEED did it, and
                                   os.environ gets back what Apache has: */
    WSGI_PARAM_OUTER_HASH_SEED, /* s: Apache's own PYTHONHASHSEED, absent when it has none */
    /*
     * What is set per interpreter, as layers: SCOPE begins one, the SCOPE_ entries after it belong
     * to it. The first has no selector (the directives outside of sections and the options of the
     * group; its paths travel as PYTHON_PATH), the others are sections that select this process,
     * least specific first and in their order; so what comes later wins, and the paths of a later
     * layer come first on sys.path.
     */
    WSGI_PARAM_SCOPE,                 /* s*: "" for every interpreter, else "=" and the application
                                         group as reported ("=" alone: %{GLOBAL}) */
    WSGI_PARAM_SCOPE_PYTHON_PATH,     /* s*: one directory each, in order */
    WSGI_PARAM_SCOPE_SWITCH_INTERVAL, /* n*: microseconds > 0 */
    WSGI_PARAM_SCOPE_GIVEN,           /* n*: WSGI_SCOPE_*: which flags this layer decides */
    WSGI_PARAM_SCOPE_FLAGS,           /* n*: WSGI_SCOPE_*: and how */
    /* WSGILogOptions; a level is one of syslog. */
    WSGI_PARAM_STDOUT_LEVEL, /* n: of what is printed */
    WSGI_PARAM_STDERR_LEVEL, /* n: of what goes to sys.stderr and wsgi.errors */
    WSGI_PARAM_LOG_FLAGS,    /* n: WSGI_LOG_KEEP_* */
    /* Daemon only, options of the group; absent or 0: none. Seconds, but for the last one. */
    WSGI_PARAM_REQUEST_TIMEOUT,    /* n */
    WSGI_PARAM_INTERRUPT_TIMEOUT,  /* n */
    WSGI_PARAM_STARTUP_TIMEOUT,    /* n */
    WSGI_PARAM_DEADLOCK_TIMEOUT,   /* n */
    WSGI_PARAM_INACTIVITY_TIMEOUT, /* n */
    WSGI_PARAM_GRACEFUL_TIMEOUT,   /* n */
    WSGI_PARAM_EVICTION_TIMEOUT,   /* n */
    WSGI_PARAM_CPU_TIME_LIMIT,     /* n */
    WSGI_PARAM_MEMORY_LIMIT,       /* n: bytes */
    WSGI_PARAM_PRELOAD_LEARNED,    /* n*: behind a PRELOAD_SCRIPT: another process had loaded it.
                                      Its group is as in a request with these WSGI_REQUEST_* */
    WSGI_PARAM_SOCKET_TIMEOUT      /* n: as those above */
};

/* The last of each kind: a reader refuses what it does not know. */
#define WSGI_PARAM_REQUEST_LAST WSGI_PARAM_RESOURCE
#define WSGI_PARAM_PROCESS_LAST WSGI_PARAM_SOCKET_TIMEOUT

#define WSGI_SCOPE_RESTRICT_STDIN 0x1
#define WSGI_SCOPE_RESTRICT_STDOUT 0x2
#define WSGI_SCOPE_RESTRICT_SIGNAL 0x4
#define WSGI_SCOPE_OWN_GIL 0x8
#define WSGI_SCOPE_FREE_THREADING 0x10 /* told, to warn; the process was started accordingly */

#define WSGI_REQUEST_HAS_BODY 0x1 /* there is a body, maybe of length 0 */
#define WSGI_REQUEST_SCRIPT_RELOADING 0x2
#define WSGI_REQUEST_HTTPS 0x4            /* wsgi.url_scheme */
#define WSGI_REQUEST_MAIN 0x8             /* runs in the main interpreter, see MAIN_GROUP */
#define WSGI_REQUEST_NATIVE 0x10          /* apache.request_rec in environ; embedded only */
#define WSGI_REQUEST_IGNORE_ACTIVITY 0x20 /* does not push back the inactivity-timeout */
#define WSGI_REQUEST_QUESTION 0x40        /* for ask(): a reduced environ, no wsgi.* but errors */

#define WSGI_LOG_KEEP_LEVELS 0x1 /* records of the logging package */
#define WSGI_LOG_KEEP_LINES 0x2  /* several lines that belong together are one record */

#define WSGI_PROCESS_MULTIPROCESS 0x1       /* wsgi.multiprocess */
#define WSGI_PROCESS_MULTITHREAD 0x2        /* wsgi.multithread */
#define WSGI_PROCESS_SINGLE 0x4             /* httpd -X: keep real stdin and stdout */
#define WSGI_PROCESS_NO_BYTECODE 0x8        /* embedded: no .pyc files (a daemon gets -B) */
#define WSGI_PROCESS_KEEP_INTERPRETERS 0x10 /* WSGIDestroyInterpreter Off: no teardown at exit */
#define WSGI_PROCESS_RUN_ONCE 0x20          /* wsgi.run_once */
#define WSGI_PROCESS_SERVER_METRICS 0x40    /* mod_wsgi.server_metrics() is allowed */
#define WSGI_PROCESS_HASH_SEED 0x80         /* PYTHONHASHSEED was set for the interpreter only */
#define WSGI_PROCESS_ANY_CASE 0x100         /* WSGICaseSensitivity Off: module names */
#define WSGI_PROCESS_OVERLAP 0x200          /* reload=overlap: the old code serves meanwhile */
#define WSGI_PROCESS_TELEMETRY 0x400        /* WSGITelemetryService has the numbers */

/* ---- writing ---------------------------------------------------------- */

/* Grows by realloc (apr pools are not known here); free() `data` when done. */
struct wsgi_vars_writer {
    unsigned char *data;
    size_t used;
    size_t size;
    uint32_t count;
    int failed; /* 1 after an allocation failed or a size did not fit: nothing is added any more */
};

void wsgi_vars_begin(struct wsgi_vars_writer *writer);
/* Adds an environ entry; the name is looked up in the table, else spelt out. */
void wsgi_vars_put(struct wsgi_vars_writer *writer, const char *name, const char *value);
void wsgi_vars_put_known(struct wsgi_vars_writer *writer, enum wsgi_name id, const char *value,
                         size_t value_size);
void wsgi_vars_put_text(struct wsgi_vars_writer *writer, enum wsgi_param id, const char *value);
void wsgi_vars_put_bytes(struct wsgi_vars_writer *writer, enum wsgi_param id, const void *value,
                         size_t value_size);
void wsgi_vars_put_number(struct wsgi_vars_writer *writer, enum wsgi_param id, int64_t value);
/* Writes the count. 0, or -1 if the writer failed. */
int wsgi_vars_end(struct wsgi_vars_writer *writer);
void wsgi_vars_free(struct wsgi_vars_writer *writer);

/* ---- reading ---------------------------------------------------------- */

struct wsgi_vars_reader {
    const unsigned char *at;
    const unsigned char *end;
    uint32_t left;
};

struct wsgi_var {
    uint16_t id;
    uint16_t name_size;
    uint32_t value_size;
    const char *name;  /* NUL-terminated; for a known id the table's text */
    const char *value; /* NUL-terminated, points into the block */
};

/* 0, or -1 when the head is malformed. The block must stay in place while it is read. */
int wsgi_vars_open(struct wsgi_vars_reader *reader, const void *block, size_t size);
/* 1: an entry; 0: the end, all of it consumed; -1: malformed (bounds, unknown id, missing NUL,
 * NUL in a name, trailing bytes). */
int wsgi_vars_next(struct wsgi_vars_reader *reader, struct wsgi_var *var);
/* The number of a numeric parameter: 0, or -1 when it does not have 8 bytes. */
int wsgi_var_number(const struct wsgi_var *var, int64_t *number);

/* Table of known names: the id, or WSGI_NAME_TEXT when the name is not in it. */
enum wsgi_name wsgi_name_find(const char *name, size_t size);
/* Text of a known id, 1 .. WSGI_NAME_COUNT-1. */
const char *wsgi_name_text(enum wsgi_name id);

#endif
