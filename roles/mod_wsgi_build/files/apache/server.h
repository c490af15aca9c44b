/* SPDX-License-Identifier: Apache-2.0 */
/* The server, as supervisor and daemons have to know it. */
#ifndef WSGI_APACHE_SERVER_H
#define WSGI_APACHE_SERVER_H

#include <sys/resource.h>

#include "httpd.h"
#include "block.h"

struct wsgi_learned_area;

struct wsgi_supervisor_settings {
    server_rec *main_server;
    const char *socket_prefix; /* absolute; sockets are PREFIX.<parent
                                  pid>.<generation>.<group>.<slot>.sock */
    uid_t apache_uid;          /* of the Apache children: owns the sockets, may connect */
    gid_t apache_gid;
    struct wsgi_block_server server;   /* what daemons are told about it */
    struct wsgi_learned_area *learned; /* set by wsgi_supervisor_start(), as the next one */
    struct rlimit descriptors;         /* that the server was started with */
};

#endif
