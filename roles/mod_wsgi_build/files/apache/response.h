/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The response on its way into httpd's output filters; same code for both modes. This room holds
 * what was collected, counts it and passes it on. Beside it: responsehead (status and headers),
 * responsefile (files, and what flushes), responsecut (a response that is not whole), responseend.
 */
#ifndef WSGI_APACHE_RESPONSE_H
#define WSGI_APACHE_RESPONSE_H

#include "httpd.h"
#include "group.h"
#include "../wire/vars.h"

#define WSGI_RESPONSE_HELD_MAX 16384 /* more is passed on although nobody asked for it */

struct wsgi_response {
    request_rec *r;
    apr_bucket_brigade *out; /* collected, not yet passed on */
    apr_size_t held;         /* bytes in `out` */
    apr_size_t held_max;     /* so many are passed on although nobody asked for it */
    int head_seen;
    int is_streamed;       /* came in blocks, however fast: httpd must not find out its length */
    int gone;              /* the client left: everything after is dropped */
    int keeps;             /* what comes is kept for wsgi_response_end(): the last is there */
    int status;            /* as the application gave it; a filter may make another one of it */
    apr_status_t spoilt;   /* why the filters could not pass something on; dropped likewise */
    int ends_with_file;    /* the file in `out` is the whole body */
    apr_bucket *witness;   /* of the file in `out`, see filebucket.h; NULL when there is none */
    int is_told;           /* of a file that became shorter: the log has its line */
    int is_daemon;         /* apply the CGI-like rules of daemon mode (behaviour reference 4.7) */
    const char *redirect;  /* daemon mode: Location "/..." with status 200, else NULL */
    int replaced;          /* WSGIErrorOverride: httpd's own page instead of this response */
    apr_size_t line_limit; /* daemon mode: header-buffer-size */
    const char *long_name; /* the header that was longer, and its size */
    apr_size_t long_size;
    apr_int64_t promised;                /* Content-Length of the head, -1 when there was none */
    const struct wsgi_vars_writer *vars; /* of the request, once it was run; else NULL */
    apr_int64_t sent;         /* body bytes accepted so far; surplus over `promised` is cut */
    apr_uint64_t unflushed;   /* of them, since the last flush */
    apr_uint64_t flush_limit; /* so many are flushed although nobody asked for it; 0: any number */
    int unread;               /* httpd will read the rest of the request's body after the end */
};

/* `group` NULL: embedded, or nothing runs at all. */
void wsgi_response_init(struct wsgi_response *response, request_rec *r,
                        const struct wsgi_group *group);

/* Both: 0, or -1 when the client is gone. Small data without flush is held back, so that head,
 * data and end of stream can leave in one write. */
int wsgi_response_data(struct wsgi_response *response, const void *data, size_t size, int flush);
/* As above with the bytes in a bucket of r->connection->bucket_alloc (no second copy). */
int wsgi_response_bucket(struct wsgi_response *response, apr_bucket *bucket, int flush);

/* After -1: 1 when the client is still there, but an output filter failed, or the file that is
 * sent became shorter. */
int wsgi_response_is_spoilt(const struct wsgi_response *response);

/* ---- for the rooms beside it --------------------------------------------- */

/* 1: what is added to it would not be passed on any more. */
int wsgi_response_is_answered(struct wsgi_response *response);
/* 1: the client gets something else than what the application answered. */
int wsgi_response_is_discarded(const struct wsgi_response *response);
/* How many of `size` bytes go to the client: none that are discarded, no more than promised. They
 * are counted as sent. */
apr_uint64_t wsgi_response_accept(struct wsgi_response *response, apr_uint64_t size);

/* Everything held goes to the filters. 0, or -1: the client is gone, or `spoilt` says why. */
int wsgi_response_pass(struct wsgi_response *response);
int wsgi_response_pass_flushed(struct wsgi_response *response);
/* The same if there is a reason: much is held, or `flush`. */
int wsgi_response_pass_if_due(struct wsgi_response *response, int flush);

/* 1: the file that was passed on could not be read to its end; asked once. */
int wsgi_response_file_failed(struct wsgi_response *response);

#endif
