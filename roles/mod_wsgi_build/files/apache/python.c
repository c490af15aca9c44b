/* SPDX-License-Identifier: Apache-2.0 */
#include "python.h"

#include "jail.h"

#include "venv.h"

#include "http_config.h"
#include "apr_strings.h"

#include <dirent.h>
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <fnmatch.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

extern module AP_MODULE_DECLARE_DATA wsgi_module;

#define MANIFEST_MAX 65536
#define MANIFESTS_MAX 64
#define REBUILD                                                                                    \
    "build and install the module for this interpreter (configure --with-python=PATH, or the "     \
    "role's list of Pythons)"

/* ---- where we are -------------------------------------------------------------------------- */

static const char *own_directory(apr_pool_t *pool)
{
    Dl_info found;
    char *real;
    char *slash;
    const char *directory = NULL;

    if (dladdr(&wsgi_module, &found) == 0 || found.dli_fname == NULL)
        return NULL;
    real = realpath(found.dli_fname, NULL);
    if (real == NULL)
        return NULL;
    slash = strrchr(real, '/');
    if (slash != NULL && slash != real)
        directory = apr_pstrmemdup(pool, real, (apr_size_t)(slash - real));
    free(real);
    return directory;
}

/* ---- manifests ----------------------------------------------------------------------------- */

/* httpd as root loads code that this file names: nobody else may have written it. */
static int is_trusted(const struct stat *file)
{
    return S_ISREG(file->st_mode) && (file->st_uid == 0 || file->st_uid == geteuid()) &&
           (file->st_mode & S_IWOTH) == 0 && file->st_size > 0 && file->st_size <= MANIFEST_MAX;
}

/* The text of a manifest, or NULL with *problem. Never waits, whatever the name stands for. */
static char *read_text(apr_pool_t *pool, const char *path, const char **problem)
{
    int descriptor = open(path, O_RDONLY | O_NONBLOCK | O_NOFOLLOW | O_CLOEXEC);
    struct stat file;
    char *text;
    ssize_t got;

    if (descriptor < 0) {
        *problem = apr_psprintf(pool, "manifest %s cannot be opened: %s", path, strerror(errno));
        return NULL;
    }
    if (fstat(descriptor, &file) != 0 || !is_trusted(&file)) {
        *problem = apr_psprintf(pool,
                                "manifest %s is not trusted: it must be a regular file of at most "
                                "%d bytes, owned by root, that others cannot write; install the "
                                "module again",
                                path, MANIFEST_MAX);
        close(descriptor);
        return NULL;
    }
    text = apr_palloc(pool, (apr_size_t)file.st_size + 1);
    got = read(descriptor, text, (size_t)file.st_size);
    close(descriptor);
    if (got != (ssize_t)file.st_size) {
        *problem = apr_psprintf(pool, "manifest %s cannot be read", path);
        return NULL;
    }
    text[got] = '\0';
    return text;
}

/* One "key=value" line into its field; unknown keys belong to a later format and are skipped. */
static void take_line(struct wsgi_python *python, const char **format, char *line)
{
    char *value = strchr(line, '=');

    if (value == NULL)
        return;
    *value++ = '\0';
    if (strcmp(line, "format") == 0)
        *format = value;
    else if (strcmp(line, "interpreter") == 0)
        python->interpreter = value;
    else if (strcmp(line, "version") == 0)
        python->version = value;
    else if (strcmp(line, "soabi") == 0)
        python->soabi = value;
    else if (strcmp(line, "engine") == 0)
        python->engine = value;
    else if (strcmp(line, "libpython") == 0)
        python->libpython = value;
    else if (strcmp(line, "prefix") == 0)
        python->prefix = value;
    else if (strcmp(line, "default") == 0)
        python->is_default = strcmp(value, "1") == 0;
}

/* Says what is missing or not fit, or NULL. */
static const char *check_manifest(const struct wsgi_python *python, const char *format)
{
    if (format == NULL || strcmp(format, "1") != 0)
        return "is not of format 1";
    if (python->interpreter == NULL || *python->interpreter != '/')
        return "names no absolute interpreter";
    if (python->version == NULL || python->soabi == NULL)
        return "names no version or soabi";
    if (python->engine == NULL || *python->engine == '\0' || strchr(python->engine, '/') != NULL)
        return "names no engine of its own directory";
    if (python->libpython != NULL && *python->libpython != '\0' && *python->libpython != '/')
        return "names a libpython that is not absolute";
    return NULL;
}

static void read_manifest(apr_pool_t *pool, struct wsgi_pythons *pythons, const char *name)
{
    const char *path = apr_pstrcat(pool, pythons->directory, "/", name, NULL);
    struct wsgi_python *python = apr_pcalloc(pool, sizeof(*python));
    const char *format = NULL;
    const char *wrong;
    char *text = read_text(pool, path, &pythons->problem);
    char *state = NULL;
    char *line;

    if (text == NULL)
        return;
    for (line = apr_strtok(text, "\n", &state); line; line = apr_strtok(NULL, "\n", &state))
        take_line(python, &format, line);
    wrong = check_manifest(python, format);
    if (wrong != NULL) {
        pythons->problem =
            apr_psprintf(pool, "manifest %s %s; install the module again", path, wrong);
        return;
    }
    python->engine = apr_pstrcat(pool, pythons->directory, "/", python->engine, NULL);
    if (python->libpython == NULL)
        python->libpython = "";
    if (python->prefix == NULL)
        python->prefix = "";
    if (python->is_default && pythons->standard == NULL)
        pythons->standard = python;
    APR_ARRAY_PUSH(pythons->list, struct wsgi_python *) = python;
}

static int is_manifest(const struct dirent *entry)
{
    return fnmatch("*.manifest", entry->d_name, FNM_PERIOD) == 0;
}

static void read_directory(apr_pool_t *pool, struct wsgi_pythons *pythons, const char *directory)
{
    struct dirent **entries = NULL;
    int count = scandir(directory, &entries, is_manifest, alphasort);
    int i;

    pythons->directory = directory;
    for (i = 0; i < count; i++) {
        if (i < MANIFESTS_MAX)
            read_manifest(pool, pythons, entries[i]->d_name);
        free(entries[i]);
    }
    free(entries);
}

/* The installed place is named after the fingerprint of this build, so what is there fits; a
 * module file that was put elsewhere brings its engines along. */
const struct wsgi_pythons *wsgi_python_read(apr_pool_t *pool)
{
    struct wsgi_pythons *pythons = apr_pcalloc(pool, sizeof(*pythons));
    const char *own = own_directory(pool);

    pythons->list = apr_array_make(pool, 4, sizeof(struct wsgi_python *));
#ifdef WSGI_LIBDIR
    read_directory(pool, pythons, WSGI_LIBDIR);
#endif
    if (pythons->list->nelts == 0 && own != NULL)
        read_directory(pool, pythons, own);
    if (pythons->standard == NULL && pythons->list->nelts > 0)
        pythons->standard = APR_ARRAY_IDX(pythons->list, 0, struct wsgi_python *);
    if (pythons->standard == NULL && pythons->problem == NULL)
        pythons->problem =
            apr_psprintf(pool,
                         "no Python engine is installed: there is no *.manifest in %s; load the "
                         "module from where make install has put it",
                         own != NULL ? own : "the directory of mod_wsgi.so");
    return pythons;
}

/* ---- homes --------------------------------------------------------------------------------- */

static int is_program(const char *path)
{
    struct stat file;

    return stat(path, &file) == 0 && S_ISREG(file.st_mode) && (file.st_mode & 0111) != 0;
}

/* 1 for "python3.11", not for "python3.11-config" or "python3". */
static int is_versioned(const struct dirent *entry)
{
    const char *at = entry->d_name;
    size_t digits;

    if (strncmp(at, "python", 6) != 0)
        return 0;
    at += 6;
    digits = strspn(at, "0123456789");
    if (digits == 0 || at[digits] != '.')
        return 0;
    at += digits + 1;
    digits = strspn(at, "0123456789");
    return digits > 0 && at[digits] == '\0';
}

/* "3.11" of "3.11.2". */
static const char *minor_version(apr_pool_t *pool, const char *version)
{
    const char *dot = strchr(version, '.');
    size_t size = dot != NULL ? (size_t)(dot - version) + 1 : 0;

    return apr_pstrmemdup(pool, version, size + strspn(version + size, "0123456789"));
}

/* bin/pythonX.Y: the default's X.Y, else the only one there is. NULL with *problem. */
static const char *find_versioned(apr_pool_t *pool, const struct wsgi_pythons *pythons,
                                  const char *home, const char **problem)
{
    const char *bin = apr_pstrcat(pool, home, "/bin", NULL);
    struct dirent **entries = NULL;
    int count = scandir(bin, &entries, is_versioned, alphasort);
    const char *wanted = NULL;
    const char *found = NULL;
    const char *names = "";
    int programs = 0;
    int i;

    if (pythons->standard != NULL)
        wanted = apr_pstrcat(pool, bin, "/python", minor_version(pool, pythons->standard->version),
                             NULL);
    for (i = 0; i < count; i++) {
        const char *path = apr_pstrcat(pool, bin, "/", entries[i]->d_name, NULL);

        free(entries[i]);
        if (!is_program(path))
            continue;
        programs++;
        names = apr_pstrcat(pool, names, *names != '\0' ? ", " : "", path, NULL);
        if (found == NULL || (wanted != NULL && strcmp(path, wanted) == 0))
            found = path;
    }
    free(entries);
    if (programs == 0)
        *problem = apr_psprintf(pool,
                                "no interpreter in %s (looked for python, python3, pythonX.Y); "
                                "give the prefix of a Python or of a venv",
                                bin);
    else if (programs > 1 && (wanted == NULL || strcmp(found, wanted) != 0))
        *problem = apr_psprintf(pool,
                                "several interpreters could be meant: %s; give one of these "
                                "paths instead of the directory",
                                names);
    return *problem == NULL ? found : NULL;
}

/* For a path inside an environment: the environment. NULL when it is nothing of this kind. */
static const char *guess_home(apr_pool_t *pool, const char *path)
{
    const char *library = strstr(path, "/lib/python");
    const char *slash = strrchr(path, '/');

    if (library == NULL)
        library = strstr(path, "/lib64/python");
    if (library != NULL && library != path)
        return apr_pstrmemdup(pool, path, (apr_size_t)(library - path));
    if (slash != NULL && slash != path && strcmp(slash, "/bin") == 0)
        return apr_pstrmemdup(pool, path, (apr_size_t)(slash - path));
    return NULL;
}

/* Says why a home is none, or NULL: it is a directory that might be one. */
static const char *check_home(apr_pool_t *pool, const char *home)
{
    const char *guess = guess_home(pool, home);
    struct stat file;
    int error = stat(home, &file) == 0 ? 0 : errno;

    if (guess != NULL && (error != 0 || S_ISDIR(file.st_mode)))
        return apr_psprintf(pool, "%s is a part of an environment, not its home; did you mean %s?",
                            home, guess);
    if (error != 0)
        return apr_psprintf(pool, "%s: %s; make it (python3 -m venv %s), or correct the path", home,
                            strerror(error), home);
    if (!S_ISDIR(file.st_mode))
        return apr_psprintf(pool,
                            "%s is neither a directory nor a program; give the prefix of "
                            "a Python or of a venv",
                            home);
    return NULL;
}

/* An environment whose Python was removed: its program is a link to nowhere. NULL when that is
 * not what is wrong. */
static const char *check_link(apr_pool_t *pool, const char *path)
{
    struct stat file;
    char target[PATH_MAX];
    ssize_t size;

    if (stat(path, &file) == 0 || lstat(path, &file) != 0 || !S_ISLNK(file.st_mode))
        return NULL;
    size = readlink(path, target, sizeof(target) - 1);
    if (size < 0)
        return NULL;
    target[size] = '\0';
    return apr_psprintf(pool,
                        "%s leads to %s, which is not there; the Python that the environment was "
                        "made from is gone: install it again, or make the environment again",
                        path, target);
}

/* The interpreter a home means, or NULL with *problem. */
static const char *find_interpreter(apr_pool_t *pool, const struct wsgi_pythons *pythons,
                                    const char *home, const char **problem)
{
    static const char *const names[] = {"/bin/python", "/bin/python3"};
    size_t i;

    if (is_program(home))
        return home;
    *problem = check_home(pool, home);
    for (i = 0; i < sizeof(names) / sizeof(*names) && *problem == NULL; i++) {
        const char *path = apr_pstrcat(pool, home, names[i], NULL);

        if (is_program(path))
            return path;
        *problem = check_link(pool, path);
    }
    return *problem == NULL ? find_versioned(pool, pythons, home, problem) : NULL;
}

static const struct wsgi_python *find_engine(const struct wsgi_pythons *pythons, const char *real)
{
    int i;

    for (i = 0; i < pythons->list->nelts; i++) {
        const struct wsgi_python *python =
            APR_ARRAY_IDX(pythons->list, i, const struct wsgi_python *);

        if (strcmp(python->interpreter, real) == 0)
            return python;
    }
    return NULL;
}

/* "3.11.2 (/usr/bin/python3.11), ..." */
static const char *engines_text(apr_pool_t *pool, const struct wsgi_pythons *pythons)
{
    const char *text = "";
    int i;

    for (i = 0; i < pythons->list->nelts; i++) {
        const struct wsgi_python *python =
            APR_ARRAY_IDX(pythons->list, i, const struct wsgi_python *);

        text = apr_psprintf(pool, "%s%s%s (%s)", text, i > 0 ? ", " : "", python->version,
                            python->interpreter);
    }
    return text;
}

/* The directory two levels above a program: .../bin/python. */
static const char *root_of(apr_pool_t *pool, const char *interpreter)
{
    const char *slash = strrchr(interpreter, '/');
    const char *bin = slash != NULL ? apr_pstrmemdup(pool, interpreter, slash - interpreter) : "";

    slash = strrchr(bin, '/');
    return slash != NULL ? apr_pstrmemdup(pool, bin, slash - bin) : bin;
}

static int has_library(apr_pool_t *pool, const char *root, const char *version)
{
    static const char *const names[] = {"/lib/python", "/lib64/python"};
    struct stat file;
    size_t i;

    for (i = 0; i < sizeof(names) / sizeof(*names); i++)
        if (stat(apr_pstrcat(pool, root, names[i], version, NULL), &file) == 0)
            return 1;
    return 0;
}

/* Packages lie in lib/pythonX.Y: those of another version are not found, or crash. */
static const char *check_version(apr_pool_t *pool, const char *root, const struct wsgi_venv *venv,
                                 const struct wsgi_python *python)
{
    const char *version = minor_version(pool, python->version);

    if (venv->version == NULL || strcmp(venv->version, version) == 0 ||
        has_library(pool, root, version))
        return NULL;
    return apr_psprintf(pool,
                        "the environment %s was made for Python %s (%s), but its interpreter is "
                        "Python %s now, which does not find what is installed there; make it again "
                        "(python3 -m venv --clear %s) and install the packages",
                        root, venv->version, venv->marker, python->version, root);
}

static const char *no_engine(apr_pool_t *pool, const struct wsgi_pythons *pythons,
                             const struct wsgi_venv *venv, const char *root,
                             const char *interpreter, const char *real)
{
    if (venv->version != NULL)
        return apr_psprintf(pool,
                            "the environment %s is of Python %s (%s leads to %s), but the module "
                            "has no engine for that, only for Python %s; " REBUILD
                            ", or make the environment again with one of these",
                            root, venv->version, interpreter, real, engines_text(pool, pythons));
    return apr_psprintf(pool, "the module has no engine for %s (%s), only for %s; " REBUILD,
                        interpreter, real, engines_text(pool, pythons));
}

/* What belongs to the interpreter at hand. */
static const char *resolve_engine(apr_pool_t *pool, const struct wsgi_pythons *pythons,
                                  const char *jail, const char *interpreter,
                                  const struct wsgi_python **python)
{
    const char *root = root_of(pool, interpreter);
    const char *inside;
    struct wsgi_venv venv;
    /* Python itself looks beside its program first. */
    const char *problem = wsgi_venv_read(pool, ap_make_dirstr_parent(pool, interpreter), &venv);
    char real[PATH_MAX];

    if (problem == NULL && venv.marker == NULL)
        problem = wsgi_venv_read(pool, root, &venv);
    if (problem != NULL)
        return problem;
    if (realpath(interpreter, real) == NULL)
        return apr_psprintf(pool, "%s: %s", interpreter, strerror(errno));
    /* A link inside may well lead to a path that means the same outside. */
    inside = wsgi_jail_inside(jail, real);
    *python = find_engine(pythons, inside != NULL ? inside : real);
    if (*python == NULL)
        return no_engine(pool, pythons, &venv, root, interpreter, real);
    return check_version(pool, root, &venv, *python);
}

const char *wsgi_python_resolve(apr_pool_t *pool, const struct wsgi_pythons *pythons,
                                const char *root, const char *home, const char **interpreter,
                                const struct wsgi_python **python)
{
    const char *problem = NULL;

    if (pythons->standard == NULL)
        return pythons->problem;
    if (home == NULL) {
        *interpreter = pythons->standard->interpreter;
        *python = pythons->standard;
    } else {
        if (root != NULL)
            home = apr_pstrcat(pool, root, home, NULL);
        *interpreter = find_interpreter(pool, pythons, home, &problem);
        if (problem == NULL)
            problem = resolve_engine(pool, pythons, root, *interpreter, python);
        if (problem == NULL)
            *interpreter = wsgi_jail_inside(root, *interpreter);
    }
    if (problem != NULL)
        return problem;
    if (access((*python)->engine, R_OK) != 0)
        return apr_psprintf(pool, "engine %s: %s; install the module again", (*python)->engine,
                            strerror(errno));
    return NULL;
}

const char *wsgi_python_check_prefix(apr_pool_t *pool, const char *home, const char *interpreter,
                                     const struct wsgi_python *python)
{
    const char *root = root_of(pool, interpreter);
    const char *version = minor_version(pool, python->version);
    struct wsgi_venv venv;
    const char *problem = wsgi_venv_read(pool, root, &venv);

    if (problem != NULL || venv.marker != NULL)
        return problem;
    if (has_library(pool, root, apr_pstrcat(pool, version, "/encodings", NULL)))
        return NULL;
    return apr_psprintf(pool,
                        "%s is neither a venv (it has no pyvenv.cfg) nor the prefix of a Python: "
                        "there is no %s/lib/python%s/encodings; give a venv, or %s",
                        home, root, version,
                        *python->prefix != '\0' ? python->prefix : "the prefix of the Python");
}
