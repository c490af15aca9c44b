/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One request on its way through the engine.
 *
 * The struct lives on the stack of wsgi_run_request(). Python objects that point to it (the
 * adapter behind start_response, wsgi.input) have their pointer cleared while the thread is
 * attached, before it goes away; from then on they raise RuntimeError.
 */
#ifndef WSGI_PYTHON_RUN_H
#define WSGI_PYTHON_RUN_H

#include "compat.h"

#include <pthread.h>
#include <time.h>

#include "../wire/engine.h"
#include "../wire/head.h"
#include "interp.h"

/* Responses of a list or tuple up to this size are sent after the thread is detached. */
#define WSGI_HOLD_MAX 32768

/* Parameters of the variable block; texts point into it. */
struct wsgi_call {
    const char *script;
    int64_t script_mtime;
    const char *callable;
    const char *application_group;
    const char *process_group;
    int64_t flags; /* WSGI_REQUEST_* */
    int64_t request_start;
    int64_t queue_start;
    int64_t daemon_start;
    const char *request_id; /* NULL when absent, as the ones below */
    const char *connection_id;
    const char *listener_host;
    const char *listener_port;
    int64_t server_pid;
    const char *handler;
    const char *handler_script; /* the same as script, NULL unless it handles a resource */
    const char *resource;       /* for reload_required(); NULL: script */
    int64_t content_length;     /* -1: unknown */
    int is_head;                /* REQUEST_METHOD is HEAD */
};

/* What is counted and measured of a request: counts always, times only while `on`. */
struct wsgi_meter {
    int on; /* somebody listens to events */
    int has_cpu;
    int64_t cpu_user, cpu_system; /* microseconds of this thread when the application began */
    int64_t input_reads, input_length, output_writes, output_length;
    int64_t input_time, output_time; /* nanoseconds inside the transport */
    int64_t wait_time, waits;        /* nanoseconds until Python was ours again, and how often */
    int recorded;                    /* the metrics have it: see metrics.c */
    int64_t entered, entered_cpu;    /* microseconds: steady clock, CPU time of the thread */
};

struct wsgi_run {
    const struct wsgi_request *request;
    const struct wsgi_transport *transport;
    void *context;
    struct wsgi_outcome *outcome;
    struct wsgi_interp *interp;
    struct wsgi_thread *thread;
    struct wsgi_call call;

    /* Only one thread at a time is inside a function of the transport: an application may hand
     * wsgi.input or write() to a thread of its own. `users` counts them, guarded by the GIL. */
    pthread_mutex_t lock;
    int users;

    struct wsgi_head_writer head;
    int number;     /* status of the head */
    int head_given; /* start_response was called */
    int committed;  /* the head was sent, or is about to be without a way back */
    int head_sent;
    int whole; /* the whole body was known when the head was committed: nothing may follow it */
    int has_length;
    int64_t length;      /* of the application's Content-Length */
    int gone;            /* the client left */
    unsigned char *hold; /* WSGI_HOLD_MAX bytes, taken from the thread while in use */
    size_t held;         /* bytes in it, sent after the thread is detached */

    PyObject *id;              /* request id as str; NULL when there is none */
    PyObject *data;            /* request_data(); NULL outside wsgi_data_begin() ... end() */
    PyObject *outer_data;      /* of a request with the same id that this one interrupts */
    int announced;             /* request_started was due: the other events may come */
    int64_t application_start; /* microseconds since the epoch */
    struct wsgi_meter meter;

    /* An exception the engine itself raised into the application, with what it means. It is told
     * from the application's own by identity. */
    PyObject *own_error;
    uint16_t own_status;
    uint16_t own_code;
    int own_silent;

    PyObject *native; /* apache.request_rec, NULL when it is not in environ */
};

/* Nanoseconds of a clock that only goes forward, or 0 while nobody listens. */
static inline int64_t wsgi_meter_clock(const struct wsgi_run *run)
{
    struct timespec now;

    if (!run->meter.on)
        return 0;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
}

static inline void wsgi_meter_add(const struct wsgi_run *run, int64_t *sum, int64_t begun)
{
    if (begun != 0)
        *sum += wsgi_meter_clock(run) - begun;
}

/* run.c: engine->run. */
int wsgi_run_request(const struct wsgi_request *request, const struct wsgi_transport *transport,
                     void *context, struct wsgi_outcome *outcome);
/* The status that the client got, or gets: what was sent stands, unless it was a time-out that cut
 * it. 0: none. */
int wsgi_run_status(const struct wsgi_run *run);
/* Attached, after any call of the application's code: a process that it forked, and that came back
 * from there, ends here; with the pending exception, if there is one. */
void wsgi_run_leave_forked(struct wsgi_interp *interp);
/* Around every call of the transport. */
PyThreadState *wsgi_run_enter(struct wsgi_run *run);
void wsgi_run_leave(struct wsgi_run *run, PyThreadState *state);
/* Attached: waits until no other thread is inside the transport, and ends apache.request_rec. */
void wsgi_run_end_users(struct wsgi_run *run);

/* environ.c: first pass, detached: 0, or -1 when the block is malformed. */
int wsgi_environ_scan(const struct wsgi_request *request, struct wsgi_call *call);
/* Second pass, attached: a new environ with everything but wsgi.input. */
PyObject *wsgi_environ_make(const struct wsgi_run *run);
/* For a script that decides: the variables and the groups; for the dispatch script also what else
 * is known of the request. */
int wsgi_environ_put_question(const struct wsgi_run *run, PyObject *dict, int is_dispatch);
/* apache.request_rec, if it is wanted. */
int wsgi_environ_put_native(struct wsgi_run *run, PyObject *dict);

/* reqdata.c: mod_wsgi.request_data() and active_requests. Attached. 0, or -1 with an exception. */
int wsgi_data_begin(struct wsgi_run *run);
void wsgi_data_end(struct wsgi_run *run);

/* input.c */
PyTypeObject *wsgi_input_make_type(PyObject *module);
PyObject *wsgi_input_new(struct wsgi_run *run);
void wsgi_input_end(PyObject *input);

/* adapter.c */
PyTypeObject *wsgi_adapter_make_type(PyObject *module);
PyObject *wsgi_adapter_new(struct wsgi_run *run);
void wsgi_adapter_end(PyObject *adapter);
PyObject *wsgi_adapter_start_response(PyObject *adapter);

/* outputhead.c. Attached; 0, or -1 with an exception. */
int wsgi_output_begin_head(struct wsgi_run *run, PyObject *status_text, PyObject *headers);
/* One that is refused leaves the former as it was. */
int wsgi_output_replace_head(struct wsgi_run *run, PyObject *status_text, PyObject *headers);
/* The head goes out with Content-Length `length` unless it is negative, there is one, or the status
 * has none. */
int wsgi_output_commit(struct wsgi_run *run, int64_t length);

/* output.c */
/* Sends what the application returned, and calls close() exactly once. 0, or -1: the outcome is
 * filled in. */
int wsgi_output_result(struct wsgi_run *run, PyObject *result);
/* Detached: sends what was held. */
void wsgi_output_held(struct wsgi_run *run);
/* Attached; body bytes. 0, or -1 when the client is gone. */
int wsgi_output_send(struct wsgi_run *run, const void *data, size_t size, unsigned flags);

/* filewrapper.c */
PyTypeObject *wsgi_wrapper_make_type(PyObject *module);
/* 1: the whole body was sent from a descriptor; 0: it has to be iterated; -1: exception. */
int wsgi_wrapper_send(struct wsgi_run *run, PyObject *wrapper);

#endif
