/* SPDX-License-Identifier: Apache-2.0 */
/* Supervisor: what a daemon process prints, line by line into the error log. Untrusted bytes. */
#ifndef WSGI_APACHE_LOGPIPE_H
#define WSGI_APACHE_LOGPIPE_H

#include "httpd.h"

#define WSGI_LOGPIPE_LINE 8192  /* a longer line becomes several records */
#define WSGI_LOGPIPE_WHOLE 8192 /* so does a longer record of several lines */

struct wsgi_logpipe {
    int fd; /* read end, non-blocking; -1 when closed */
    server_rec *server;
    int trouble; /* it carried an error of the daemon itself */
    size_t used;
    char line[WSGI_LOGPIPE_LINE];
    /* A record of which more is to come; its place is the first part of the text. */
    int is_open;
    int level; /* of the wire */
    size_t whole_used;
    char whole[WSGI_LOGPIPE_WHOLE];
};

/* 0, and *write_end is the daemon's end; -1 with errno. */
int wsgi_logpipe_open(struct wsgi_logpipe *pipe, server_rec *server, int *write_end);
/* Takes what is there, bounded, so that one process cannot keep the supervisor busy. Closes at
 * end of file. */
void wsgi_logpipe_read(struct wsgi_logpipe *pipe);
/* The process has ended: takes the rest and closes. */
void wsgi_logpipe_finish(struct wsgi_logpipe *pipe);

#endif
