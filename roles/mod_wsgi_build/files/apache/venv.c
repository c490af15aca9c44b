/* SPDX-License-Identifier: Apache-2.0 */
#include "venv.h"

#include "apr_lib.h"
#include "apr_strings.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define MAKE_AGAIN "make the environment again (python3 -m venv --clear %s)"

static const char *kind_of(mode_t mode)
{
    if (S_ISDIR(mode))
        return "a directory";
    if (S_ISFIFO(mode))
        return "a named pipe";
    if (S_ISSOCK(mode))
        return "a socket";
    return "a device";
}

static const char *check_status(apr_pool_t *pool, const char *home, const char *path,
                                const struct stat *file)
{
    if (!S_ISREG(file->st_mode))
        return apr_psprintf(pool, "%s is %s, not a regular file; " MAKE_AGAIN, path,
                            kind_of(file->st_mode), home);
    if (file->st_size > WSGI_VENV_MARKER_MAX)
        return apr_psprintf(pool,
                            "%s has %" APR_OFF_T_FMT
                            " bytes, more than the %d such a file can have; " MAKE_AGAIN,
                            path, (apr_off_t)file->st_size, WSGI_VENV_MARKER_MAX, home);
    return NULL;
}

/* Looked at before it is opened, because opening a device can do something, and again afterwards,
 * because its owner can change it meanwhile. -1: not there, or *problem. */
static int open_marker(apr_pool_t *pool, const char *home, const char *path, const char **problem)
{
    struct stat file;
    int descriptor;

    if (stat(path, &file) != 0) {
        if (errno != ENOENT && errno != ENOTDIR)
            *problem = apr_psprintf(pool, "%s: %s; " MAKE_AGAIN, path, strerror(errno), home);
        return -1;
    }
    *problem = check_status(pool, home, path, &file);
    if (*problem != NULL)
        return -1;
    descriptor = open(path, O_RDONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
    if (descriptor < 0) {
        *problem = apr_psprintf(pool, "%s cannot be read: %s; correct its permissions", path,
                                strerror(errno));
        return -1;
    }
    if (fstat(descriptor, &file) == 0)
        *problem = check_status(pool, home, path, &file);
    if (*problem == NULL)
        return descriptor;
    close(descriptor);
    return -1;
}

/* At most one byte more than allowed, so that growth meanwhile shows. */
static ssize_t read_all(int descriptor, char *text, size_t size)
{
    size_t used = 0;
    ssize_t got;

    do {
        got = read(descriptor, text + used, size - used);
        if (got > 0)
            used += (size_t)got;
    } while ((got > 0 && used < size) || (got < 0 && errno == EINTR));
    return got < 0 ? -1 : (ssize_t)used;
}

static char *read_marker(apr_pool_t *pool, const char *home, const char *path, int descriptor,
                         const char **problem)
{
    char *text = apr_palloc(pool, WSGI_VENV_MARKER_MAX + 2);
    ssize_t size = read_all(descriptor, text, WSGI_VENV_MARKER_MAX + 1);

    if (size < 0)
        *problem = apr_psprintf(pool, "%s cannot be read: %s", path, strerror(errno));
    else if (size > WSGI_VENV_MARKER_MAX)
        *problem = apr_psprintf(pool, "%s grows while it is read; " MAKE_AGAIN, path, home);
    else if (memchr(text, '\0', (size_t)size) != NULL)
        *problem =
            apr_psprintf(pool, "%s is no text: it holds a NUL byte; " MAKE_AGAIN, path, home);
    else
        text[size] = '\0';
    return *problem == NULL ? text : NULL;
}

/* "3.11" of "3.11.2" or "3.11.2.final.0"; NULL when it is no version. Nothing else of the file is
 * ever shown: root may read it through a link that its owner must not follow. */
static const char *minor_of(apr_pool_t *pool, const char *value)
{
    size_t major = strspn(value, "0123456789");
    size_t minor = value[major] == '.' ? strspn(value + major + 1, "0123456789") : 0;

    if (major == 0 || minor == 0 || major > 2 || minor > 3)
        return NULL;
    return apr_pstrmemdup(pool, value, major + 1 + minor);
}

/* The value of "key = value", NULL when the line has another key. */
static const char *value_of(const char *line, const char *key)
{
    size_t size = strlen(key);

    while (*line == ' ' || *line == '\t')
        line++;
    if (strncasecmp(line, key, size) != 0)
        return NULL;
    for (line += size; *line == ' ' || *line == '\t'; line++)
        continue;
    if (*line != '=')
        return NULL;
    for (line++; *line == ' ' || *line == '\t'; line++)
        continue;
    return line;
}

static void take_line(apr_pool_t *pool, struct wsgi_venv *venv, const char *line)
{
    const char *value = value_of(line, "version_info"); /* virtualenv, uv */

    if (value == NULL)
        value = value_of(line, "version"); /* venv */
    if (value != NULL && venv->version == NULL)
        venv->version = minor_of(pool, value);
}

const char *wsgi_venv_read(apr_pool_t *pool, const char *home, struct wsgi_venv *venv)
{
    const char *slash = ap_strrchr_c(home, '/');
    const char *path =
        apr_pstrcat(pool, home, slash != NULL && slash[1] == '\0' ? "" : "/", "pyvenv.cfg", NULL);
    const char *problem = NULL;
    int descriptor = open_marker(pool, home, path, &problem);
    char *state = NULL, *text, *line;

    venv->marker = NULL;
    venv->version = NULL;
    if (descriptor < 0)
        return problem;
    text = read_marker(pool, home, path, descriptor, &problem);
    close(descriptor);
    if (text == NULL)
        return problem;
    venv->marker = path;
    for (line = apr_strtok(text, "\r\n", &state); line; line = apr_strtok(NULL, "\r\n", &state))
        take_line(pool, venv, line);
    return NULL;
}
