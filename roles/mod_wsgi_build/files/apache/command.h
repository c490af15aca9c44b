/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Supervisor: the socket on which the program wsgi-reload asks for new code.
 *
 * One line "reload GROUP" comes, one line "ok ...", "failed ..." or "refused ..." and maybe a
 * traceback go back when it is over. Anybody may connect; whom the kernel says to be neither root
 * nor the user of a group is turned away before anything is read of him, and without a place. The
 * users of groups share the places, none of them has more than a few, and root takes theirs when
 * there is no other. Nobody is waited for.
 */
#ifndef WSGI_APACHE_COMMAND_H
#define WSGI_APACHE_COMMAND_H

#include <poll.h>

#include "httpd.h"
#include "minder.h"

#define WSGI_COMMAND_PEERS 16
#define WSGI_COMMAND_PEERS_OF_ONE 4 /* of one user, but root */
#define WSGI_COMMAND_POLLS (1 + WSGI_COMMAND_PEERS)
#define WSGI_COMMAND_LINE 512

struct wsgi_command_peer {
    int fd; /* -1: none */
    uid_t uid;
    apr_time_t since;
    size_t used;
    struct wsgi_minder *minder; /* set once the line is there */
    unsigned number;            /* of the renewal it waits for */
    char line[WSGI_COMMAND_LINE];
};

struct wsgi_command {
    int listener;          /* -1: there is none */
    apr_time_t full_until; /* no descriptor was to be had for who knocks */
    const char *path;
    server_rec *main_server;
    struct wsgi_minder *minders;
    int count;
    apr_time_t told; /* when a refusal was logged last */
    unsigned untold; /* refusals since then */
    struct wsgi_command_peer peer[WSGI_COMMAND_PEERS];
};

/* A socket that cannot be made costs only this: one line in the log. */
void wsgi_command_open(struct wsgi_command *command, const char *path, server_rec *main_server,
                       struct wsgi_minder *minders, int count);
/* Fills WSGI_COMMAND_POLLS entries. */
void wsgi_command_watch(const struct wsgi_command *command, struct pollfd *polls);
/* What came, and what is over. */
void wsgi_command_work(struct wsgi_command *command, const struct pollfd *polls, apr_time_t now);
/* Another generation takes over, or the server stops. */
void wsgi_command_close(struct wsgi_command *command);

#endif
