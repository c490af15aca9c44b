/* SPDX-License-Identifier: Apache-2.0 */
#include "stale.h"

#include <ctype.h>
#include <errno.h>
#include <glob.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "apr_strings.h"
#include "log.h"
#include "slots.h"

#define WSGI_NAME_NUMBERS 4       /* pid, generation, group, slot */
#define WSGI_NAME_COMMANDS ".ctl" /* in the place of the last two */

/* ".PID.GENERATION.GROUP.SLOT" and the suffix, as slots.c makes it: the numbers to base 36 behind
 * a long prefix. Or the supervisor's own, for commands. */
static int is_name(const char *rest, const char *suffix)
{
    int i;

    for (i = 0; i < WSGI_NAME_NUMBERS; i++) {
        if (i == 2 && strncmp(rest, WSGI_NAME_COMMANDS, strlen(WSGI_NAME_COMMANDS)) == 0) {
            return strcmp(rest + strlen(WSGI_NAME_COMMANDS), suffix) == 0;
        }
        if (*rest++ != '.' || !isalnum((unsigned char)*rest)) {
            return 0;
        }
        while (isdigit((unsigned char)*rest) || islower((unsigned char)*rest)) {
            rest++;
        }
    }
    return strcmp(rest, suffix) == 0;
}

/* A pid could belong to another process by now; a listener cannot. */
static int nobody_listens(const char *path)
{
    struct sockaddr_un address;
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    int refused;

    if (fd < 0 || strlen(path) >= sizeof(address.sun_path)) {
        if (fd >= 0) {
            close(fd);
        }
        return 0;
    }
    memset(&address, 0, sizeof(address));
    address.sun_family = AF_UNIX;
    memcpy(address.sun_path, path, strlen(path) + 1);
    refused =
        connect(fd, (struct sockaddr *)&address, sizeof(address)) < 0 && errno == ECONNREFUSED;
    close(fd);
    return refused;
}

static int remove_if_stale(const char *path)
{
    struct stat info;

    return lstat(path, &info) == 0 && S_ISSOCK(info.st_mode) && nobody_listens(path) &&
           unlink(path) == 0;
}

/* What glob() would read as a pattern is meant literally. */
const char *wsgi_stale_pattern(apr_pool_t *pool, const char *begin)
{
    char *made = apr_palloc(pool, 2 * strlen(begin) + sizeof(".*"));
    char *to = made;

    for (; *begin; begin++) {
        if (strchr("*?[\\", *begin)) {
            *to++ = '\\';
        }
        *to++ = *begin;
    }
    memcpy(to, ".*", sizeof(".*"));
    return made;
}

void wsgi_stale_remove(apr_pool_t *pool, server_rec *main_server, const char *prefix)
{
    const char *suffix = wsgi_slots_socket_suffix(prefix);
    int removed = 0;
    glob_t found;
    size_t i;

    if (glob(wsgi_stale_pattern(pool, prefix), GLOB_NOSORT, NULL, &found) != 0) {
        return;
    }
    for (i = 0; i < found.gl_pathc; i++) {
        if (is_name(found.gl_pathv[i] + strlen(prefix), suffix)) {
            removed += remove_if_stale(found.gl_pathv[i]);
        }
    }
    globfree(&found);
    if (removed) {
        ap_log_error(APLOG_MARK, APLOG_INFO, 0, main_server,
                     "%d sockets %s.* of a server that was killed were removed", removed, prefix);
    }
}
