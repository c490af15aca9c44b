/* SPDX-License-Identifier: Apache-2.0 */
/* One request over one connection to a daemon process: a full-duplex pump. */
#ifndef WSGI_APACHE_RELAY_H
#define WSGI_APACHE_RELAY_H

#include "body.h"
#include "pool.h"
#include "response.h"
#include "../wire/outcome.h"

/* The client's body on its way to a daemon. What was sent is kept until the request has certainly
 * started, so that it can be sent again to another process. */
struct wsgi_upload {
    struct wsgi_body *body;
    unsigned char *data; /* malloc'ed; NULL while there is no body */
    size_t size;
    size_t used; /* bytes in data */
    size_t sent; /* of them */
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

enum wsgi_verdict {
    WSGI_RELAY_DONE,  /* the outcome says how it ended; the connection can be used again */
    WSGI_RELAY_SPENT, /* the same, the connection cannot */
    WSGI_RELAY_RETRY  /* certainly not started; the connection cannot be used again */
};

/* Reads what can be had of the body without blocking: it goes along with the request. 0, or -1:
 * the body failed, the outcome says how. */
int wsgi_upload_begin(struct wsgi_upload *upload, struct wsgi_outcome *outcome);
void wsgi_upload_end(struct wsgi_upload *upload);

/* `relay` holds request, connection, slot, refusals and times, the rest is zero. */
enum wsgi_verdict wsgi_relay_run(struct wsgi_relay *relay);

/* 1 when the client closed its connection; a look, no waiting. */
int wsgi_client_left(request_rec *r);

#endif
