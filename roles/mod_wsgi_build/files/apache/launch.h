/* SPDX-License-Identifier: Apache-2.0 */
/* Starting one daemon process: fork, descriptors, privileges, environment, exec. */
#ifndef WSGI_APACHE_LAUNCH_H
#define WSGI_APACHE_LAUNCH_H

#include "httpd.h"
#include "group.h"
#include "server.h"

/* Exit statuses of a process that did not get as far as Python; it has said why on its log. */
#define WSGI_EXIT_DESCRIPTORS 71
#define WSGI_EXIT_PRIVILEGES 72
#define WSGI_EXIT_DIRECTORY 73
#define WSGI_EXIT_EXEC 74
#define WSGI_EXIT_ENVIRONMENT 76

struct wsgi_launch {
    const struct wsgi_group *group;
    const struct wsgi_supervisor_settings *settings;
    const unsigned char *secret;        /* WSGI_WIRE_SECRET_SIZE bytes */
    const struct wsgi_renewal *renewal; /* what it loads before it is ready */
    uint32_t epoch;
    pid_t server; /* httpd's parent process */
    int control;  /* the daemon's end */
    int log;      /* write end, non-blocking */
    int listener; /* of a service: its turn (services.h) */
    int board;
};

/* The pid, or -1 with errno. The caller closes its copies of `control` and `log`. Only in a
 * process without threads. */
pid_t wsgi_launch_daemon(const struct wsgi_launch *launch);

/* In the new process: one line for the supervisor, and with the first the end. */
void wsgi_launch_give_up(const struct wsgi_launch *launch, int status, const char *format, ...)
    __attribute__((noreturn, format(printf, 3, 4)));
void wsgi_launch_warn(const struct wsgi_launch *launch, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
void wsgi_launch_note(const struct wsgi_launch *launch, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

/* Words for an exit status above, NULL for any other. */
const char *wsgi_launch_exit_text(int status);

#endif
