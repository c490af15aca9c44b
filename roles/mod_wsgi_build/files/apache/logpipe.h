/* SPDX-License-Identifier: Apache-2.0 */
/* Supervisor: what a daemon process prints, line by line into the error log. Untrusted bytes. */
#ifndef WSGI_APACHE_LOGPIPE_H
#define WSGI_APACHE_LOGPIPE_H

#include "httpd.h"

#define WSGI_LOGPIPE_LINE 8192 /* a longer line becomes several records */

struct wsgi_logpipe {
    int fd; /* read end, non-blocking; -1 when closed */
    server_rec *server;
    size_t used;
    char line[WSGI_LOGPIPE_LINE];
};

/* 0, and *write_end is the daemon's end; -1 with errno. */
int wsgi_logpipe_open(struct wsgi_logpipe *pipe, server_rec *server, int *write_end);
/* Takes what is there, bounded, so that one process cannot keep the supervisor busy. Closes at
 * end of file. */
void wsgi_logpipe_read(struct wsgi_logpipe *pipe);
/* The process has ended: takes the rest and closes. */
void wsgi_logpipe_finish(struct wsgi_logpipe *pipe);

#endif
