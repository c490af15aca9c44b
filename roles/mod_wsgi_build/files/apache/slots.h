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
#include "supervisor.h"
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

struct wsgi_seat; /* room.h */

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
    pid_t self; /* Apache children only, as the next two: what they write into permits */
    int crowd;  /* half of Apache's workers: so many wait at most while no process is ready, */
    const apr_array_header_t *groups; /* all of these struct wsgi_group * together */
    unsigned char secret[WSGI_WIRE_SECRET_SIZE];
};

struct wsgi_permit {
    int slot;
    int cell;
};

enum wsgi_take {
    WSGI_TAKE_OK,
    WSGI_TAKE_BUSY,    /* every worker of every ready process is taken */
    WSGI_TAKE_AVOIDED, /* only the slot that is to be avoided is ready */
    WSGI_TAKE_NOBODY   /* no process is ready */
};

struct wsgi_slots_census {
    int ready;
    int starting;
    int draining;
    int held;
    int taken;    /* workers of ready processes that have a request */
    int given_up; /* workers of any process with a request nobody waits for any more */
    int longest;  /* seconds that the oldest request of the ready ones has been running */
    int waiting;  /* requests without a worker */
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

/* A permit in the READY slot with the fewest requests, not in slot `avoid` (-1: any), for a request
 * of Apache child `holder`. */
enum wsgi_take wsgi_slots_take(struct wsgi_slots *slots, int avoid, int32_t holder,
                               struct wsgi_permit *permit);
/* Back, and to the next who waits. */
void wsgi_slots_release(struct wsgi_slots *slots, const struct wsgi_permit *permit);
/* Back, and nothing else. */
void wsgi_slots_put_back(struct wsgi_slots *slots, const struct wsgi_permit *permit);

/* What the permit is used for: the request `sequence` on `connection` of process `epoch`. */
void wsgi_slots_note(struct wsgi_slots *slots, const struct wsgi_permit *permit, uint32_t epoch,
                     uint32_t connection, uint32_t sequence);
/* Nobody waits for the answer to that request any more, but its worker may go on with it. The
 * permit is freed when it does not. */
void wsgi_slots_give_up(struct wsgi_slots *slots, const struct wsgi_permit *permit);
/* Frees the workers whose given up request has ended; says how many go on. Cheap when there are
 * none. */
int wsgi_slots_free_ended(struct wsgi_slots *slots);

int wsgi_slots_have(const struct wsgi_slots *slots, enum wsgi_slot_state state);

/* Supervisor. The bell is to be read when it rings. */
void wsgi_slots_hear(const struct wsgi_slots *slots);
uint32_t wsgi_slots_next_epoch(struct wsgi_slots *slots);
void wsgi_slots_set_state(struct wsgi_slots *slots, int index, enum wsgi_slot_state state);
/* No request of it is waited for; given up ones do not count. */
int wsgi_slots_idle(const struct wsgi_slots *slots, int index);
/* Takes permits and seats from dead children, says how many permits. */
int wsgi_slots_reclaim(struct wsgi_slots *slots);
int wsgi_slots_is_gone(int32_t pid);
void wsgi_slots_count(const struct wsgi_slots *slots, struct wsgi_slots_census *census);

#endif
