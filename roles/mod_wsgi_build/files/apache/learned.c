/* SPDX-License-Identifier: Apache-2.0 */
#include "learned.h"

#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "group.h"
#include "http_config.h"

/* Its version is in the name: another build of the module may find it after a restart. */
#define WSGI_RETAINED_KEY "pyweb-mod_wsgi-learned-1"
#define AREA_ROOM ((size_t)WSGI_LEARNED_MAX * (sizeof(uint32_t) + WSGI_NOTE_NAMES_MAX) + 1024)

/* Written by one supervisor, read by the parent once that retires and by a supervisor that takes
 * over. An odd version: it is being written, or who wrote it was killed in the midst of it. */
struct wsgi_learned_area {
    _Atomic uint32_t version;
    uint32_t used;
    uint32_t count;       /* in the first area: how many areas there are */
    char group[1024];     /* the daemon group's name */
    char data[AREA_ROOM]; /* { u32 flags  group NUL  path NUL } */
};

/* Outlives the module's unloading at a restart. */
struct retained {
    struct wsgi_learned_area *areas;
    size_t size;
};

/* ---- the list ------------------------------------------------------------ */

static int find(const struct wsgi_learned *learned, const struct wsgi_tidings *note)
{
    int i;

    for (i = 0; i < learned->count; i++) {
        if (strcmp(learned->script[i].path, note->path) == 0 &&
            strcmp(learned->script[i].group, note->group) == 0 &&
            learned->script[i].flags == note->flags) {
            return i;
        }
    }
    return -1;
}

static void take_out(struct wsgi_learned *learned, int index)
{
    free(learned->script[index].group);
    learned->count--;
    memmove(&learned->script[index], &learned->script[index + 1],
            sizeof(learned->script[0]) * (size_t)(learned->count - index));
}

static void put_in(struct wsgi_learned *learned, const struct wsgi_tidings *note)
{
    size_t group = strlen(note->group) + 1;
    size_t path = strlen(note->path) + 1;
    struct wsgi_learned_script *script;
    char *names = malloc(group + path);

    if (!names) {
        return; /* then it is loaded by its first request */
    }
    if (learned->count == WSGI_LEARNED_MAX) {
        take_out(learned, 0);
    }
    script = &learned->script[learned->count++];
    memcpy(names, note->group, group);
    memcpy(names + group, note->path, path);
    script->group = names;
    script->path = names + group;
    script->flags = note->flags;
    script->mtime = note->mtime;
}

/* ---- what is handed on --------------------------------------------------- */

static void save(const struct wsgi_learned *learned)
{
    struct wsgi_learned_area *area = learned->area;
    size_t used = 0;
    int i;

    if (!area) {
        return;
    }
    atomic_fetch_or(&area->version, 1);
    for (i = 0; i < learned->count; i++) {
        const struct wsgi_learned_script *script = &learned->script[i];
        size_t names = (size_t)(script->path - script->group) + strlen(script->path) + 1;

        if (used + sizeof(script->flags) + names > sizeof(area->data)) {
            break;
        }
        memcpy(area->data + used, &script->flags, sizeof(script->flags));
        memcpy(area->data + used + sizeof(script->flags), script->group, names);
        used += sizeof(script->flags) + names;
    }
    area->used = (uint32_t)used;
    atomic_fetch_add(&area->version, 1);
}

/* The next entry; NULL: there is none, or it is malformed. */
static const char *read_entry(const char *at, const char *end, struct wsgi_tidings *note)
{
    const char *names = at + sizeof(note->flags);
    const char *path;
    const char *stop;

    memset(note, 0, sizeof(*note));
    note->mtime = WSGI_NOTE_NO_TIME;
    if ((size_t)(end - at) <= sizeof(note->flags)) {
        return NULL;
    }
    memcpy(&note->flags, at, sizeof(note->flags));
    path = memchr(names, '\0', (size_t)(end - names));
    stop = path ? memchr(path + 1, '\0', (size_t)(end - path - 1)) : NULL;
    note->group = names;
    note->path = path ? path + 1 : NULL;
    return stop ? stop + 1 : NULL;
}

void wsgi_learned_init(struct wsgi_learned *learned, struct wsgi_learned_area *area)
{
    const char *at = area ? area->data : NULL;
    const char *end = area && area->used <= sizeof(area->data) ? at + area->used : at;
    struct wsgi_tidings note;

    learned->count = 0;
    learned->area = area;
    if (!area || atomic_load(&area->version) % 2) {
        return;
    }
    while ((at = read_entry(at, end, &note)) != NULL) {
        put_in(learned, &note);
    }
}

/* The old supervisor may write just now: a copy counts when nothing changed meanwhile. */
static void copy_area(struct wsgi_learned_area *to, const struct wsgi_learned_area *from)
{
    uint32_t version = atomic_load(&from->version);

    if (version % 2 || from->used > sizeof(from->data)) {
        return;
    }
    to->used = from->used;
    memcpy(to->data, from->data, to->used);
    if (atomic_load(&from->version) != version) {
        to->used = 0;
    }
}

struct wsgi_learned_area *wsgi_learned_area_of(struct wsgi_learned_area *areas, const char *group)
{
    uint32_t i;

    for (i = 0; areas && i < areas->count; i++) {
        if (strcmp(areas[i].group, group) == 0) {
            return &areas[i];
        }
    }
    return NULL;
}

static struct retained *get_retained(void)
{
    struct retained *retained = ap_retained_data_get(WSGI_RETAINED_KEY);

    return retained ? retained : ap_retained_data_create(WSGI_RETAINED_KEY, sizeof(*retained));
}

static void fill(struct wsgi_learned_area *area, const struct retained *retained, const char *group)
{
    const struct wsgi_learned_area *former;

    if (strlen(group) >= sizeof(area->group)) {
        return;
    }
    strcpy(area->group, group);
    former = wsgi_learned_area_of(retained->areas, group);
    if (former) {
        copy_area(area, former);
    }
}

struct wsgi_learned_area *wsgi_learned_create(const apr_array_header_t *groups)
{
    struct retained *retained = get_retained();
    size_t size = sizeof(struct wsgi_learned_area) * (size_t)groups->nelts;
    void *memory = MAP_FAILED;
    struct wsgi_learned_area *areas;
    int i;

    if (size) {
        memory = mmap(NULL, size, PROT_READ | PROT_WRITE,
                      MAP_SHARED | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    }
    areas = memory == MAP_FAILED ? NULL : memory;
    for (i = 0; areas && i < groups->nelts; i++) {
        fill(&areas[i], retained, APR_ARRAY_IDX(groups, i, const struct wsgi_group *)->name);
    }
    if (retained->areas) {
        munmap(retained->areas, retained->size);
    }
    if (areas) {
        areas->count = (uint32_t)groups->nelts;
    }
    retained->areas = areas;
    retained->size = areas ? size : 0;
    return areas;
}

void wsgi_learned_unmap(struct wsgi_learned_area *areas)
{
    if (areas) {
        munmap(areas, sizeof(*areas) * areas->count);
    }
}

/* ---- changes ------------------------------------------------------------- */

void wsgi_learned_add(struct wsgi_learned *learned, const struct wsgi_tidings *note)
{
    int index = find(learned, note);

    if (index >= 0) {
        learned->script[index].mtime = note->mtime;
        return;
    }
    put_in(learned, note);
    save(learned);
}

void wsgi_learned_drop(struct wsgi_learned *learned, const struct wsgi_tidings *note)
{
    int index = find(learned, note);

    if (index >= 0) {
        take_out(learned, index);
        save(learned);
    }
}

const struct wsgi_learned_script *wsgi_learned_find(const struct wsgi_learned *learned,
                                                    const struct wsgi_tidings *note)
{
    int index = find(learned, note);

    return index < 0 ? NULL : &learned->script[index];
}
