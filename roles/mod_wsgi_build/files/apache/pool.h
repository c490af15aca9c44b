/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Apache child: persistent connections to the daemon process of one slot. No connection belongs
 * to a thread; whoever holds a permit of the slot takes one and puts it back.
 */
#ifndef WSGI_APACHE_POOL_H
#define WSGI_APACHE_POOL_H

#include "io.h"
#include "slots.h"

struct wsgi_connection {
    struct wsgi_connection *next; /* while idle */
    struct wsgi_channel channel;
    uint32_t epoch;    /* of the process it leads to */
    uint32_t index;    /* as that process said: place of its started mark */
    uint32_t sequence; /* of the last request */
    int closed;        /* by the other end */
    apr_time_t idle_since;
};

enum wsgi_connect {
    WSGI_CONNECT_OK,
    WSGI_CONNECT_RETRY, /* nobody there at the moment */
    WSGI_CONNECT_FAILED /* it will not get better by trying again */
};

/* All pools of this child, which have a limit together. */
struct wsgi_pools;
struct wsgi_pools *wsgi_pools_create(apr_pool_t *pool);
struct wsgi_pool *wsgi_pool_create(struct wsgi_pools *pools, const struct wsgi_slot_shared *slot);

/* An idle connection to the process that is in the slot now, else a new one. *why, from `p`, says
 * what went wrong. */
enum wsgi_connect wsgi_pool_take(const struct wsgi_slots *slots, int index, apr_pool_t *p,
                                 struct wsgi_connection **connection, const char **why);
/* Back into the pool: nothing may be left to read. */
void wsgi_pool_put(const struct wsgi_slots *slots, int index, struct wsgi_connection *connection);
/* The end of it. */
void wsgi_connection_close(struct wsgi_connection *connection);

#endif
