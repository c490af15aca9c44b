/* SPDX-License-Identifier: Apache-2.0 */
/* The process title: the command line's own memory is overwritten; its last argument is padding. */
#include "serve.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>

/* Fields 48 and 49 of /proc/self/stat: where the kernel finds the command line. */
static int find_room(char **start, size_t *size)
{
    char text[2048], *at;
    FILE *file = fopen("/proc/self/stat", "re");
    unsigned long long from = 0, to = 0;
    size_t count;
    int field;

    if (file == NULL)
        return -1;
    count = fread(text, 1, sizeof text - 1, file);
    fclose(file);
    text[count] = '\0';
    /* The second field is the name in parentheses, and may hold anything. */
    at = strrchr(text, ')');
    for (field = 2; at != NULL && field < 48; field++)
        at = strchr(at + 1, ' ');
    if (at == NULL || sscanf(at, " %llu %llu", &from, &to) != 2 || from == 0 || to <= from)
        return -1;
    *start = (char *)(uintptr_t)from;
    *size = (size_t)(to - from);
    return 0;
}

void wsgi_title_set(const char *title)
{
    char *start;
    size_t size, length = strlen(title);

    prctl(PR_SET_NAME, title, 0, 0, 0);
    if (find_room(&start, &size) != 0)
        return;
    if (length > size - 1)
        length = size - 1;
    memcpy(start, title, length);
    memset(start + length, '\0', size - length);
}
