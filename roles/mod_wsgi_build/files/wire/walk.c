/* SPDX-License-Identifier: Apache-2.0 */
#include "walk.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define LINKS_MAX 16

struct walk {
    char *words;
    size_t size;
};

static int follow(const struct walk *walk, const char *path, int mode, int depth);

/* What a link leads to. 0: nothing is wrong there, or it is no link. */
static int follow_link(const struct walk *walk, const char *path, int mode, int depth)
{
    const char *slash = strrchr(path, '/');
    char target[PATH_MAX], whole[2 * PATH_MAX];
    ssize_t size = readlink(path, target, sizeof(target) - 1);

    if (size <= 0 || slash == NULL || depth >= LINKS_MAX)
        return 0;
    target[size] = '\0';
    if (target[0] == '/')
        snprintf(whole, sizeof(whole), "%s", target);
    else
        snprintf(whole, sizeof(whole), "%.*s/%s", (int)(slash - path), path, target);
    return follow(walk, whole, mode, depth + 1);
}

static void describe(const struct walk *walk, const char *part, int mode, int error)
{
    struct stat info;
    const char *verb = mode & W_OK ? "write" : mode & R_OK ? "read" : "execute";

    if (error != EACCES || stat(part, &info) != 0) {
        snprintf(walk->words, walk->size, "%s: %s", part, strerror(error));
        return;
    }
    if (S_ISDIR(info.st_mode) && !(mode & (R_OK | W_OK)))
        verb = "enter";
    snprintf(walk->words, walk->size, "cannot %s %s (mode %04o, uid %lu)", verb, part,
             (unsigned)info.st_mode & 07777, (unsigned long)info.st_uid);
}

static int follow(const struct walk *walk, const char *path, int mode, int depth)
{
    char part[2 * PATH_MAX];
    const char *slash = path;

    while (slash != NULL) {
        int error, deeper, wanted;

        slash = strchr(slash + 1, '/');
        wanted = slash != NULL ? X_OK : mode;
        snprintf(part, sizeof(part), "%.*s", slash ? (int)(slash - path) : (int)strlen(path), path);
        if (access(part, wanted) == 0)
            continue;
        error = errno;
        deeper = follow_link(walk, part, wanted, depth);
        if (deeper == 0)
            describe(walk, part, wanted, error);
        return deeper != 0 ? deeper : error;
    }
    return 0;
}

int wsgi_walk(const char *path, int mode, char *words, size_t size)
{
    const struct walk walk = {words, size};

    *words = '\0';
    return follow(&walk, path, mode, 0);
}
