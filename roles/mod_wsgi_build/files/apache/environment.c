/* SPDX-License-Identifier: Apache-2.0 */
#include "environment.h"

#include "apr_strings.h"

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define FILE_MAX_BYTES 65536
#define WHY_MAX 1024

typedef int put_variable(void *context, const char *name, const char *value);

static int fail(char *why, const char *format, ...) __attribute__((format(printf, 2, 3)));

static int fail(char *why, const char *format, ...)
{
    va_list arguments;

    va_start(arguments, format);
    vsnprintf(why, WHY_MAX, format, arguments);
    va_end(arguments);
    return -1;
}

/* Letters, digits and "_", no digit first. Its size, 0: none. */
static size_t name_size(const char *text)
{
    size_t size = 0;

    while (text[size] == '_' || isalpha((unsigned char)text[size]) ||
           (size > 0 && isdigit((unsigned char)text[size]))) {
        size++;
    }
    return text[size] == '=' ? size : 0;
}

const char *wsgi_environment_check(const char *assignment)
{
    return name_size(assignment) > 0 ? NULL
                                     : "must be NAME=value, the name of letters, digits and _";
}

/* ---- the text of a file -------------------------------------------------------------------- */

/* Where a file is being read. The decoded value is written over the text, which is never shorter.
 */
struct cursor {
    char *at;
    const char *end;
    int line;
};

static int has_more(const struct cursor *cursor)
{
    return cursor->at < cursor->end;
}

static char take(struct cursor *cursor)
{
    if (*cursor->at == '\n') {
        cursor->line++;
    }
    return *cursor->at++;
}

static void skip_line(struct cursor *cursor)
{
    while (has_more(cursor) && take(cursor) != '\n') {
    }
}

static void skip_blanks(struct cursor *cursor)
{
    while (has_more(cursor) && isspace((unsigned char)*cursor->at)) {
        take(cursor);
    }
}

/* Up to the quote that ends it. In '...' every byte is itself; in "..." a backslash takes the
 * meaning of one of " \ ` $, and joins lines. */
static char *take_quoted(struct cursor *cursor, char *out)
{
    char quote = take(cursor);

    while (has_more(cursor)) {
        char c = take(cursor);

        if (c == quote) {
            return out;
        }
        if (quote == '"' && c == '\\' && has_more(cursor)) {
            c = take(cursor);
            if (c == '\n') {
                continue;
            }
            if (!strchr("\"\\`$", c)) {
                *out++ = '\\';
            }
        }
        *out++ = c;
    }
    return NULL;
}

/* The rest of the line, as systemd reads an EnvironmentFile. NULL: a quote is not closed. */
static char *take_value(struct cursor *cursor, char *out)
{
    char *kept = out; /* blanks behind it are dropped */

    while (has_more(cursor) && (*cursor->at == ' ' || *cursor->at == '\t')) {
        take(cursor);
    }
    while (has_more(cursor) && *cursor->at != '\n') {
        char c = *cursor->at;

        if (c == '"' || c == '\'') {
            out = kept = take_quoted(cursor, out);
            if (!out) {
                return NULL;
            }
            continue;
        }
        take(cursor);
        if (c == '\\' && has_more(cursor)) {
            c = take(cursor);
            if (c == '\n') {
                continue;
            }
        } else if (isspace((unsigned char)c)) {
            *out++ = c;
            continue;
        }
        *out++ = c;
        kept = out;
    }
    return kept;
}

static int take_assignment(struct cursor *cursor, const char *path, put_variable *put,
                           void *context, char *why)
{
    int line = cursor->line;
    const char *name = cursor->at;
    size_t size = name_size(name);
    char *value = cursor->at + size + 1;
    char *end;

    if (size == 0) {
        return fail(why, "%s, line %d: no NAME=value (the name of letters, digits and _)", path,
                    line);
    }
    cursor->at = value;
    end = take_value(cursor, value);
    if (!end) {
        return fail(why, "%s, line %d: the value's quote is not closed", path, line);
    }
    if (has_more(cursor)) {
        take(cursor); /* the newline: its place is free for the end of the value */
    }
    *end = '\0';
    value[-1] = '\0';
    if (put(context, name, value) < 0) {
        return fail(why, "%s, line %d: %s", path, line, strerror(errno));
    }
    return 0;
}

/* `text` has room for one byte more. */
static int parse(char *text, size_t size, const char *path, put_variable *put, void *context,
                 char *why)
{
    struct cursor cursor = {text, text + size, 1};

    text[size] = '\0';
    if (memchr(text, '\0', size)) {
        return fail(why, "%s is no text: it holds a NUL byte", path);
    }
    for (;;) {
        skip_blanks(&cursor);
        if (!has_more(&cursor)) {
            return 0;
        }
        if (*cursor.at == '#' || *cursor.at == ';') {
            skip_line(&cursor);
        } else if (take_assignment(&cursor, path, put, context, why) < 0) {
            return -1;
        }
    }
}

/* ---- the file ------------------------------------------------------------------------------- */

static int is_trusted(const struct stat *info)
{
    return info->st_uid == 0 || info->st_uid == geteuid();
}

/* Who may rename a directory on the way decides which file is read, and root reads all. */
static int check_way(const char *real, char *why)
{
    char part[PATH_MAX];
    struct stat info;
    char *slash;

    snprintf(part, sizeof(part), "%s", real);
    while ((slash = strrchr(part, '/')) != NULL) {
        slash[slash == part] = '\0';
        if (stat(part, &info) != 0) {
            return fail(why, "%s: %s", part, strerror(errno));
        }
        if (!is_trusted(&info) || ((info.st_mode & 022) && !(info.st_mode & S_ISVTX))) {
            return fail(why,
                        "%s lies below %s (mode %04o, uid %lu), which others than root may "
                        "change; move it, or chown root and chmod go-w that directory",
                        real, part, (unsigned)info.st_mode & 07777, (unsigned long)info.st_uid);
        }
        if (slash == part) {
            return 0;
        }
    }
    return 0;
}

static int check_file(const char *real, const struct stat *info, char *why)
{
    if (!S_ISREG(info->st_mode)) {
        return fail(why, "%s is not a regular file", real);
    }
    if (!is_trusted(info) || (info->st_mode & 022)) {
        return fail(why,
                    "%s (mode %04o, uid %lu) may be changed by others than root; chown root and "
                    "chmod go-w it",
                    real, (unsigned)info->st_mode & 07777, (unsigned long)info->st_uid);
    }
    if (info->st_size > FILE_MAX_BYTES) {
        return fail(why, "%s has %lld bytes, more than the %d that are read", real,
                    (long long)info->st_size, FILE_MAX_BYTES);
    }
    return 0;
}

/* -1, or an open descriptor of a file that only root can have written. Never waits. */
static int open_file(const char *path, char *real, char *why)
{
    struct stat info;
    int fd;

    if (!realpath(path, real)) {
        return fail(why, "%s: %s", path, strerror(errno));
    }
    if (check_way(real, why) < 0) {
        return -1;
    }
    /* Looked at before it is opened: to open some devices does something. */
    if (lstat(real, &info) != 0) {
        return fail(why, "%s: %s", real, strerror(errno));
    }
    if (check_file(real, &info, why) < 0) {
        return -1;
    }
    fd = open(real, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY);
    if (fd < 0 || fstat(fd, &info) != 0) {
        fail(why, "%s: %s", real, strerror(errno));
    } else if (check_file(real, &info, why) == 0) {
        return fd;
    }
    if (fd >= 0) {
        close(fd);
    }
    return -1;
}

static ssize_t read_all(int fd, char *text, size_t room)
{
    size_t used = 0;
    ssize_t got;

    do {
        got = read(fd, text + used, room - used);
        used += got > 0 ? (size_t)got : 0;
    } while ((got > 0 && used < room) || (got < 0 && errno == EINTR));
    return got < 0 ? -1 : (ssize_t)used;
}

static int read_file(const char *path, put_variable *put, void *context, char *why)
{
    char real[PATH_MAX];
    int fd = open_file(path, real, why);
    char *text = fd >= 0 ? malloc(FILE_MAX_BYTES + 2) : NULL;
    int result = -1;
    ssize_t size;

    if (fd < 0) {
        return -1;
    }
    size = text ? read_all(fd, text, FILE_MAX_BYTES + 1) : -1;
    if (size < 0) {
        fail(why, "%s cannot be read: %s", real, strerror(errno));
    } else if (size > FILE_MAX_BYTES) {
        fail(why, "%s grows while it is read", real);
    } else {
        result = parse(text, (size_t)size, real, put, context, why);
    }
    if (text) {
        explicit_bzero(text, FILE_MAX_BYTES + 2);
    }
    free(text);
    close(fd);
    return result;
}

/* ---- for a group ------------------------------------------------------------------------------
 */

static int put_nowhere(void *context, const char *name, const char *value)
{
    (void)context;
    (void)name;
    (void)value;
    return 0;
}

const char *wsgi_environment_check_files(apr_pool_t *pool, const struct wsgi_group *group)
{
    char why[WHY_MAX];
    int i;

    for (i = 0; i < group->env_files->nelts; i++) {
        if (read_file(APR_ARRAY_IDX(group->env_files, i, const char *), put_nowhere, NULL, why) <
            0) {
            return apr_psprintf(pool, "option env-file: %s", why);
        }
    }
    return NULL;
}

static int put_here(void *context, const char *name, const char *value)
{
    (void)context;
    return setenv(name, value, 1);
}

void wsgi_environment_set(const struct wsgi_launch *launch)
{
    const struct wsgi_group *group = launch->group;
    char why[WHY_MAX];
    int i;

    for (i = 0; i < group->env_files->nelts; i++) {
        if (read_file(APR_ARRAY_IDX(group->env_files, i, const char *), put_here, NULL, why) < 0) {
            wsgi_launch_give_up(launch, WSGI_EXIT_ENVIRONMENT, "option env-file: %s", why);
        }
    }
    for (i = 0; i < group->env->nelts; i++) {
        /* Written once more, so that a former value of the name goes. */
        if (putenv(APR_ARRAY_IDX(group->env, i, char *)) != 0) {
            wsgi_launch_give_up(launch, WSGI_EXIT_ENVIRONMENT, "option env: %s", strerror(errno));
        }
    }
}
