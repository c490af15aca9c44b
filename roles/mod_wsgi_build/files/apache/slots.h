/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The slot table of a daemon group: places for its daemon processes, and as many again (three at
 * least) for their replacements while they themselves drain.
 *
 * The table is anonymous shared memory, made in the parent before any fork, so that Apache
 * children and the supervisor see the same one and daemons (which are exec'd) never do. Each slot
 * keeps its listener socket and its board for the whole server generation: a connect during a
 * respawn queues, it is never refused.
 */
#ifndef WSGI_APACHE_SLOTS_H
#define WSGI_APACHE_SLOTS_H

#include <stdatomic.h>
#include <stdint.h>

#include "httpd.h"
#include "group.h"
#include "server.h"
#include "../wire/board.h"
#include "../wire/frame.h"

enum wsgi_slot_state {
    WSGI_SLOT_DEAD = 0, /* no process */
    WSGI_SLOT_STARTING, /* a process that did not say READY yet */
    WSGI_SLOT_READY,    /* takes requests */
    WSGI_SLOT_DRAINING, /* finishes what it has, gets nothing new */
    WSGI_SLOT_HELD      /* gets nothing new while another one loads changed code; goes when that is
                           READY, is READY again when it cannot be loaded */
};

#define WSGI_WAITING_MAX 4096 /* most who may wait, as the system's own limit of a backlog */
#define WSGI_SLOT_END_MAX 256

/* How a process ended. Written by the supervisor before the slot is marked dead, for Apache
 * children that had a request in it. */
struct wsgi_slot_end {
    _Atomic uint32_t epoch; /* of the process; 0: being written */
    _Atomic int32_t pid;
    char words[WSGI_SLOT_END_MAX]; /* "was killed by signal 11 (...)" */
};

/* Shared. One worker of the process in a slot; taken by whoever has a request for it. */
struct wsgi_cell {
    _Alignas(32) _Atomic int32_t holder; /* 0: free; pid of the Apache child; below 0: its request
                                            was given up, and runs on: -(connection + 1) */
    _Atomic uint32_t since;              /* seconds of the monotonic clock; for log lines */
    _Atomic uint32_t epoch;              /* the request: of which process, on which connection */
    _Atomic uint32_t connection;
    _Atomic uint32_t sequence;
};

/* Shared. Written by the supervisor, but for in_flight. */
struct wsgi_slot_shared {
    _Alignas(64) _Atomic uint32_t state;
    _Atomic uint32_t epoch; /* of the process in the slot; never used twice in a generation */
    _Atomic int32_t pid;
    _Atomic uint32_t in_flight; /* hint for the choice of a slot; the cells are the truth */
    _Atomic uint64_t born;      /* start time of the process as the kernel counts it */
    struct wsgi_slot_end end;   /* of the former process in the slot */
};

struct wsgi_group_shared {
    _Alignas(64) _Atomic uint32_t turn; /* whose turn it is among slots that are equally busy */
    _Atomic uint32_t last_epoch;
    _Atomic uint32_t waiting;  /* hint: seats that are taken */
    _Atomic uint32_t given_up; /* hint: cells below 0 */
    _Atomic uint32_t tickets;  /* of the waiting room: drawn, */
    _Atomic uint32_t served;   /* and served */
};

/* Shared. One place in the waiting room; all zero: empty. */
struct wsgi_seat {
    _Alignas(64) _Atomic int32_t holder; /* 0: free, else the pid of the Apache child */
    _Atomic uint32_t bell;               /* futex: changes when there is something to look at */
    _Atomic uint64_t word;               /* ticket << 32 | what it got, see room.c */
    _Atomic int32_t avoid;               /* slot that is not to be tried, -1 */
    _Atomic uint32_t client;             /* stands for its address */
};

struct wsgi_pool; /* idle connections of this Apache child to one slot, client side */

/* This process's view of a slot; lives in pconf. */
struct wsgi_slot {
    struct wsgi_slot_shared *shared;
    struct wsgi_cell *cells;        /* `threads` permits */
    const struct wsgi_board *board; /* read-only mapping */
    int board_fd;                   /* -1 in Apache children */
    int listener;                   /* -1 in Apache children */
    const char *path;               /* of the listener */
    struct wsgi_pool *pool;         /* Apache children only */
};

struct wsgi_slots {
    struct wsgi_group_shared *shared;
    size_t shared_size;
    int bell; /* eventfd: a permit of a process that drains came back; -1: none */
    struct wsgi_slot *slot;
    int count;
    int threads;
    struct wsgi_seat *seats; /* of the waiting room */
    int seat_count;
    int room; /* so many requests may wait: option listen-backlog */
    apr_interval_time_t connect_timeout;
    int send_buffer; /* bytes for what Apache sends, 0: the system's */
    uid_t owner_uid; /* of the process that called listen(): what SO_PEERCRED must say */
    pid_t owner_pid;
    uid_t client_uid; /* whom the sockets are for */
    pid_t self;       /* Apache children only, as the next two: what they write into permits */
    int crowd; /* half of Apache's workers: so many wait at most while no process is ready, */
    const apr_array_header_t *groups; /* all of these struct wsgi_group * together */
    unsigned char secret[WSGI_WIRE_SECRET_SIZE];
};

/* Parent: makes table, boards and listeners and sets group->slots. On failure returns NULL and
 * *error is one line for the log; nothing is left behind. */
struct wsgi_slots *wsgi_slots_create(apr_pool_t *pool, const struct wsgi_group *group,
                                     int generation,
                                     const struct wsgi_supervisor_settings *settings,
                                     const char **error);
/* How many descriptors that needs, with those of the processes. */
long wsgi_slots_descriptors(const struct wsgi_group *group);
/* Its descriptors get numbers that nobody else needs (descriptors.h). */
void wsgi_slots_move(struct wsgi_slots *slots, const struct rlimit *before);
/* What the sockets of one generation begin with, "PREFIX.PID.GENERATION", and what they end in:
 * ".GROUP.SLOT" and the suffix follow. Behind a long prefix the numbers are to base 36 and there
 * is no suffix, so that any prefix which mod_wsgi 6 can use fits here, too. */
const char *wsgi_slots_socket_stem(apr_pool_t *pool, const char *prefix, long pid, int generation);
const char *wsgi_slots_socket_suffix(const char *prefix);

/* 1 when a process shut the listener down: nobody can connect in this slot any more, until another
 * server generation makes new ones. */
int wsgi_slots_is_deaf(const struct wsgi_slots *slots, int index);
/* Closes the descriptors of this process; what is shared stays. */
void wsgi_slots_close(struct wsgi_slots *slots);
void wsgi_slots_unlink(const struct wsgi_slots *slots);
void wsgi_slots_unmap(struct wsgi_slots *slots);

#endif
