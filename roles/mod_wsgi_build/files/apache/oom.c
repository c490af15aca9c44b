/* SPDX-License-Identifier: Apache-2.0 */
#include "oom.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define WSGI_OOM_LINE 8192

/* ---- where the counter is ------------------------------------------------ */

/* One word of a comma-separated list. */
static int lists(const char *list, const char *word)
{
    size_t length = strlen(word);

    while (*list) {
        size_t item = strcspn(list, ",");

        if (item == length && memcmp(list, word, length) == 0) {
            return 1;
        }
        list += item + (list[item] == ',');
    }
    return 0;
}

static FILE *open_below(const char *root, const char *path)
{
    char full[PATH_MAX];
    int length = snprintf(full, sizeof(full), "%s%s", root, path);

    return length > 0 && (size_t)length < sizeof(full) ? fopen(full, "re") : NULL;
}

/* /proc/self/cgroup: "4:memory:/path" of version 1, "0::/path" of version 2. 1: found. */
static int find_group(const char *root, int version, char *group, size_t size)
{
    FILE *file = open_below(root, "/proc/self/cgroup");
    char line[WSGI_OOM_LINE];
    int found = 0;

    while (file && !found && fgets(line, sizeof(line), file)) {
        char *controllers = strchr(line, ':');
        char *path = controllers ? strchr(controllers + 1, ':') : NULL;

        if (!path) {
            continue;
        }
        *path++ = '\0';
        path[strcspn(path, "\n")] = '\0';
        controllers++;
        found = version == 1 ? lists(controllers, "memory") : *controllers == '\0';
        found = found && (size_t)snprintf(group, size, "%s", path) < size;
    }
    if (file) {
        fclose(file);
    }
    return found;
}

/* A line of /proc/self/mountinfo, of which these are fields: 4 the root inside the file system, 5
 * where it is mounted, and behind a lone "-" type, source, options. 1: it is the wanted one. */
static int is_mount(char *line, int version, char **inside, char **where)
{
    char *save = NULL;
    char *type = strstr(line, " - ");
    char *options;
    int field;

    if (!type) {
        return 0;
    }
    *type = '\0';
    type += 3;
    type[strcspn(type, "\n")] = '\0';
    options = strrchr(type, ' ');
    if (!options || strncmp(type, version == 1 ? "cgroup " : "cgroup2 ", version == 1 ? 7 : 8) ||
        (version == 1 && !lists(options + 1, "memory"))) {
        return 0;
    }
    *inside = strtok_r(line, " ", &save);
    for (field = 2; *inside && field <= 4; field++) {
        *inside = strtok_r(NULL, " ", &save);
    }
    *where = *inside ? strtok_r(NULL, " ", &save) : NULL;
    return *where != NULL;
}

/* In a container the group's path may begin with what is mounted as the root. */
static const char *below(const char *group, const char *inside)
{
    size_t length = strlen(inside);

    if (length > 1 && strncmp(group, inside, length) == 0 &&
        (group[length] == '/' || group[length] == '\0')) {
        group += length;
    }
    return strcmp(group, "/") == 0 ? "" : group;
}

static int has_counter(struct wsgi_oom *oom, const char *root, const char *where, const char *group,
                       int version)
{
    int length = snprintf(oom->path, sizeof(oom->path), "%s%s%s/%s", root, where, group,
                          version == 1 ? "memory.oom_control" : "memory.events");

    if (length > 0 && (size_t)length < sizeof(oom->path) && wsgi_oom_count(oom) >= 0) {
        return 1;
    }
    oom->path[0] = '\0';
    return 0;
}

static int find_counter(struct wsgi_oom *oom, const char *root, int version)
{
    char group[PATH_MAX / 2];
    char line[WSGI_OOM_LINE];
    FILE *file;
    int found = 0;

    if (!find_group(root, version, group, sizeof(group))) {
        return 0;
    }
    file = open_below(root, "/proc/self/mountinfo");
    while (file && !found && fgets(line, sizeof(line), file)) {
        char *inside;
        char *where;

        found = is_mount(line, version, &inside, &where) &&
                (has_counter(oom, root, where, below(group, inside), version) ||
                 has_counter(oom, root, where, "", version));
    }
    if (file) {
        fclose(file);
    }
    return found;
}

/* A host may have both versions; the memory of a process is counted by one of them. */
void wsgi_oom_find(struct wsgi_oom *oom, const char *root)
{
    memset(oom, 0, sizeof(*oom));
    if (!find_counter(oom, root, 1)) {
        find_counter(oom, root, 2);
    }
    oom->before = oom->lately = wsgi_oom_count(oom);
}

/* ---- what it says -------------------------------------------------------- */

int64_t wsgi_oom_count(const struct wsgi_oom *oom)
{
    FILE *file = oom->path[0] ? fopen(oom->path, "re") : NULL;
    char line[256];
    int64_t count = -1;

    while (file && count < 0 && fgets(line, sizeof(line), file)) {
        if (strncmp(line, "oom_kill ", 9) == 0) {
            count = strtoll(line + 9, NULL, 10);
        }
    }
    if (file) {
        fclose(file);
    }
    return count;
}

void wsgi_oom_sample(struct wsgi_oom *oom, int64_t seconds)
{
    if (oom->sampled && seconds - oom->sampled < WSGI_OOM_SPAN) {
        return;
    }
    oom->sampled = seconds;
    oom->before = oom->lately;
    oom->lately = wsgi_oom_count(oom);
}

enum wsgi_oom_verdict wsgi_oom_judge(struct wsgi_oom *oom)
{
    int64_t now = wsgi_oom_count(oom);

    if (now < 0 || oom->before < 0) {
        return WSGI_OOM_UNKNOWN;
    }
    if (now <= oom->before) {
        return WSGI_OOM_NO;
    }
    oom->before++;
    oom->lately = oom->lately > oom->before ? oom->lately : oom->before;
    return WSGI_OOM_YES;
}
