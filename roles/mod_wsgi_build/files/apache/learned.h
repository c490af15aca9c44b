/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the processes of a group have loaded, so that a later one loads it before it takes
 * requests: of this supervisor, of one that takes over, and of the next server generation.
 *
 * The list travels to the next generation in anonymous shared memory that only root's processes
 * map: the parent makes it for each generation and keeps its address over the module's unloading,
 * the supervisor writes. No file, so nothing is left behind and nobody else can write; a pipe to
 * the parent would need the parent to read.
 *
 * A daemon says what it loaded, and may lie: then a later process of its group executes another
 * file as the group's own user, which the liar can do itself.
 */
#ifndef WSGI_APACHE_LEARNED_H
#define WSGI_APACHE_LEARNED_H

#include "httpd.h"
#include "../wire/note.h"

#define WSGI_LEARNED_MAX 32 /* scripts of a group */

struct wsgi_learned_script {
    char *group; /* application group; one block of memory with the path */
    char *path;
    uint32_t flags; /* WSGI_REQUEST_MAIN */
    int64_t mtime;  /* of the file when it was loaded last, or when that failed */
};

struct wsgi_learned_area; /* of one group in the shared memory */

struct wsgi_learned {
    struct wsgi_learned_script script[WSGI_LEARNED_MAX]; /* oldest first */
    int count;
    struct wsgi_learned_area *area; /* NULL: nothing is handed on */
};

/* ---- supervisor */
/* Reads what is in the area. */
void wsgi_learned_init(struct wsgi_learned *learned, struct wsgi_learned_area *area);
/* A daemon has loaded it. When there are too many the oldest goes. */
void wsgi_learned_add(struct wsgi_learned *learned, const struct wsgi_tidings *note);
void wsgi_learned_drop(struct wsgi_learned *learned, const struct wsgi_tidings *note);
/* NULL: it is not there. */
const struct wsgi_learned_script *wsgi_learned_find(const struct wsgi_learned *learned,
                                                    const struct wsgi_tidings *note);

/* ---- parent */
/* Areas for the groups (struct wsgi_group *), with what the last generation had learned. NULL:
 * there is no memory, and nothing is handed on. */
struct wsgi_learned_area *wsgi_learned_create(const apr_array_header_t *groups);
/* The area of a group; NULL when there is none. */
struct wsgi_learned_area *wsgi_learned_area_of(struct wsgi_learned_area *areas, const char *group);
/* Apache child: these are not for it. */
void wsgi_learned_unmap(struct wsgi_learned_area *areas);

#endif
