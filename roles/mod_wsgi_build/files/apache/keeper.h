/* SPDX-License-Identifier: Apache-2.0 */
/* The supervisor process itself: keeps the daemons of its generation. */
#ifndef WSGI_APACHE_KEEPER_H
#define WSGI_APACHE_KEEPER_H

#include "httpd.h"
#include "server.h"

/* Bytes on the control pipe. */
#define WSGI_CONTROL_RETIRE 'r' /* another generation takes over */
#define WSGI_CONTROL_END 's'    /* the server stops (with httpd -X a signal would be refused) */

struct wsgi_keeper_task {
    apr_pool_t *pool;
    server_rec *main_server;
    const apr_array_header_t *groups; /* struct wsgi_group * */
    const struct wsgi_supervisor_settings *settings;
    int control; /* read ends */
    int life;
    pid_t parent;
    int generation;
    unsigned delay; /* seconds before the first start: the former supervisor died early */
};

/* Does not return. */
void wsgi_keeper_run(const struct wsgi_keeper_task *task) __attribute__((noreturn));

#endif
