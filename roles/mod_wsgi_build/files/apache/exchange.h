/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One request on one connection to a daemon process: what the rooms of the relay share. relay.c is
 * the pump, sender.c writes, receiver.c reads, delay.c says when what came has to leave, failure.c
 * makes an outcome of what went wrong; each steps on and says how that ended.
 */
#ifndef WSGI_APACHE_EXCHANGE_H
#define WSGI_APACHE_EXCHANGE_H

#include "pool.h"
#include "response.h"
#include "upload.h"

/* How a step of the pump ended. */
enum wsgi_step {
    WSGI_STEP_ON,     /* go on */
    WSGI_STEP_DRY,    /* nothing to be done before something comes */
    WSGI_STEP_DONE,   /* END came */
    WSGI_STEP_FAILED, /* the outcome is filled in, the connection cannot be used again */
    WSGI_STEP_RETRY
};

struct wsgi_relay {
    request_rec *r;
    const struct wsgi_group *group;
    struct wsgi_response *response;
    struct wsgi_outcome *outcome;
    struct wsgi_upload *upload;
    const unsigned char *vars;
    size_t vars_size;
    struct wsgi_connection *connection;
    int slot;
    int refusals;               /* processes that did not take it before */
    apr_time_t given;           /* when it was given to a worker */
    apr_interval_time_t queued; /* how long it had waited for that */

    /* to the daemon */
    unsigned char heads[WSGI_FRAME_HEAD_SIZE + WSGI_REQUEST_PREFIX_SIZE];
    struct iovec out[3];
    int out_count;
    apr_uint64_t credit;
    int started;
    int more_body;   /* BODY frames are to follow */
    long blind_wait; /* microseconds until the next look for more of the body; 0: the first */
    int deaf;        /* the daemon does not read any more; it may still have said something */

    /* from the daemon */
    struct wsgi_frame frame;
    int in_frame;
    char *block; /* payload of a DATA frame, an apr_bucket_alloc block */
    apr_size_t block_used;
    int head_seen;
    int ended;
    apr_time_t flush_at; /* when what was passed on has to leave at the latest; 0: nothing waits */
    apr_time_t progress; /* last time that something moved */
    int is_called;
    apr_time_t called; /* last time that the application was not called yet, at least `given` */
};

/* 1: the application may have seen it, so it must not be given to another process. */
int wsgi_exchange_has_started(struct wsgi_relay *x);

/* 1: it is over request-timeout by more than `grace`. */
int wsgi_exchange_is_overdue(struct wsgi_relay *x, apr_interval_time_t grace);

/* Tells the daemon that nobody waits for the answer. */
void wsgi_exchange_cancel(struct wsgi_relay *x);

#endif
