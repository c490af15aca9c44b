/* SPDX-License-Identifier: Apache-2.0 */
/*
 * httpd's scoreboard as a daemon gets it for mod_wsgi.server_metrics(): a head, then one score a
 * worker thread, in the order of processes. Made by Apache or the supervisor at the moment it is
 * asked for; in a daemon it comes as a memfd over the control socket.
 */
#ifndef WSGI_WIRE_SCORES_H
#define WSGI_WIRE_SCORES_H

#include <stddef.h>
#include <stdint.h>

#define WSGI_SCORES_MAGIC 0x43534257u /* "WBSC" */
#define WSGI_SCORES_MAX (64u << 20)   /* bytes of a snapshot */

struct wsgi_score {
    int32_t process; /* index of its process, 0 .. server_limit - 1 */
    int32_t pid;     /* 0: no process */
    int32_t process_generation;
    int32_t quiescing;
    int32_t thread;
    int32_t generation;
    uint64_t access_count;
    uint64_t bytes_served;
    int64_t start; /* this and the next two: microseconds since the epoch, 0: never */
    int64_t stop;
    int64_t last_used;
    char status; /* a letter as in mod_status */
    char client[64];
    char request[64];
    char vhost[32];
};

struct wsgi_scores {
    uint32_t magic;
    uint32_t count;
    int32_t server_limit;
    int32_t thread_limit;
    int32_t generation;
    int32_t reserved;
    int64_t restart_time; /* microseconds since the epoch */
    struct wsgi_score score[];
};

/* The snapshot, or NULL when it is malformed: its size is not that of its scores, or a text has no
 * end. `data` must be aligned as malloc() does it. */
const struct wsgi_scores *wsgi_scores_check(const void *data, size_t size);

#endif
