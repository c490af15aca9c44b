/* SPDX-License-Identifier: Apache-2.0 */
#include "adopt.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "plans.h"

#define WSGI_ADOPTED_WORDS "its supervisor was replaced"

/* A file of /proc/PID as a text; "" when there is none. */
static void read_proc(pid_t pid, const char *name, char *text, size_t size)
{
    char path[64];
    ssize_t got;
    int fd;

    text[0] = '\0';
    snprintf(path, sizeof(path), "/proc/%ld/%s", (long)pid, name);
    fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0) {
        return;
    }
    got = read(fd, text, size - 1);
    close(fd);
    text[got > 0 ? got : 0] = '\0';
}

/* Field 22 of /proc/PID/stat. */
uint64_t wsgi_adopt_birth(pid_t pid)
{
    char text[1024];
    char *at;
    int field;

    read_proc(pid, "stat", text, sizeof(text));
    at = strrchr(text, ')'); /* the name before it may hold anything */
    if (!at || !at[1] || at[2] == 'Z' || at[2] == 'X') {
        return 0;
    }
    for (field = 2; at && field < 22; field++) {
        at = strchr(at + 1, ' ');
    }
    return at ? strtoull(at + 1, NULL, 10) : 0;
}

/* The pid comes from memory that Apache's children can write: it must not lead to a process that
 * is none of the group's. */
static int belongs_to(pid_t pid, uid_t uid)
{
    char text[4096];
    const char *line;

    read_proc(pid, "status", text, sizeof(text));
    line = strstr(text, "\nUid:\t");
    return line && strtoul(line + 6, NULL, 10) == (unsigned long)uid;
}

static int is_there(const struct wsgi_minder *minder, int index, pid_t pid)
{
    uint64_t born = atomic_load(&minder->slots->slot[index].shared->born);

    return pid > 1 && born && wsgi_adopt_birth(pid) == born && belongs_to(pid, minder->group->uid);
}

/* Who was ready, or held for new code, serves until there is another one; who was not yet could not
 * tell us any more that it is; who was to leave goes on leaving. */
static void adopt(struct wsgi_minder *minder, int index, int place, apr_time_t now)
{
    struct wsgi_minded *minded = &minder->minded[index];
    pid_t pid = (pid_t)atomic_load(&minder->slots->slot[index].shared->pid);
    enum wsgi_slot_state state = wsgi_minder_state(minder, index);

    if (!is_there(minder, index, pid)) {
        wsgi_slots_set_state(minder->slots, index, WSGI_SLOT_DEAD);
        return;
    }
    minded->pid = pid;
    minded->adopted = 1;
    minded->born = now;
    minder->alive++;
    if (state == WSGI_SLOT_READY || state == WSGI_SLOT_HELD) {
        wsgi_slots_set_state(minder->slots, index, WSGI_SLOT_READY);
        minded->heir = place;
        minded->heir_why = WSGI_WHY_SHUTDOWN;
        minded->heir_words = WSGI_ADOPTED_WORDS;
    } else if (state == WSGI_SLOT_STARTING) {
        wsgi_plan_stop(minder, index, WSGI_WHY_SHUTDOWN, WSGI_ADOPTED_WORDS, now);
    } else {
        wsgi_plan_drain(minder, index, WSGI_WHY_SHUTDOWN, WSGI_ADOPTED_WORDS, now);
    }
}

void wsgi_adopt_all(struct wsgi_minder *minder, apr_time_t now)
{
    int place = 0;
    int i;

    for (i = 0; i < minder->slots->count; i++) {
        if (wsgi_minder_state(minder, i) != WSGI_SLOT_DEAD) {
            adopt(minder, i, place, now);
            place = (place + (minder->minded[i].heir >= 0)) % minder->group->processes;
        }
    }
}

int wsgi_adopt_is_gone(const struct wsgi_minder *minder, int index)
{
    const struct wsgi_minded *minded = &minder->minded[index];

    return minded->adopted &&
           wsgi_adopt_birth(minded->pid) != atomic_load(&minder->slots->slot[index].shared->born);
}
