/* SPDX-License-Identifier: Apache-2.0 */
#include "launch.h"

#include <errno.h>
#include <dirent.h>
#include <fcntl.h>
#include <grp.h>
#include <limits.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "log.h"
#include "../wire/frame.h"
#include "../wire/launch.h"
#include "../wire/vars.h"

#define WSGI_LINK_DEPTH 16
#define WSGI_TITLE_ROOM "                                                                "

/* What the interpreter is told to run. It takes off what "-c" put on sys.path, loads the engine
 * by path with what the interpreter has at hand (importlib.util would drag in more modules), and
 * leaves no name behind in __main__. Runs on Python 3.8 and later. */
#define WSGI_LAUNCH_CODE                                                                           \
    "def _start():\n"                                                                              \
    "    import sys\n"                                                                             \
    "    from _frozen_importlib import module_from_spec\n"                                         \
    "    from _frozen_importlib_external import ExtensionFileLoader, spec_from_file_location\n"    \
    "    del globals()['_start']\n"                                                                \
    "    if sys.path[:1] == [''] and not getattr(sys.flags, 'safe_path', False):\n"                \
    "        del sys.path[0]\n"                                                                    \
    "    path = sys.argv[1]\n"                                                                     \
    "    sys.argv[:] = ['mod_wsgi']\n"                                                             \
    "    loader = ExtensionFileLoader('_mod_wsgi', path)\n"                                        \
    "    spec = spec_from_file_location('_mod_wsgi', path, loader=loader)\n"                       \
    "    module = sys.modules['_mod_wsgi'] = module_from_spec(spec)\n"                             \
    "    loader.exec_module(module)\n"                                                             \
    "    status = module.serve()\n"                                                                \
    "    if status:\n"                                                                             \
    "        raise SystemExit(status)\n"                                                           \
    "_start()\n"

const char *wsgi_launch_exit_text(int status)
{
    switch (status) {
    case WSGI_EXIT_DESCRIPTORS:
        return "its descriptors could not be set up";
    case WSGI_EXIT_PRIVILEGES:
        return "its user or group could not be set";
    case WSGI_EXIT_DIRECTORY:
        return "its working directory could not be entered";
    case WSGI_EXIT_EXEC:
        return "its interpreter could not be executed";
    default:
        return NULL;
    }
}

/* ---- the launch block ---------------------------------------------------- */

static int64_t server_version(void)
{
    ap_version_t version;

    ap_get_server_revision(&version);
    return (int64_t)version.major * 1000000 + version.minor * 1000 + version.patch;
}

static void put_optional(struct wsgi_vars_writer *writer, enum wsgi_param id, const char *value)
{
    if (value) {
        wsgi_vars_put_text(writer, id, value);
    }
}

static void put_lists(struct wsgi_vars_writer *writer, const struct wsgi_group *group)
{
    int i;

    for (i = 0; group->python_path && i < group->python_path->nelts; i++) {
        wsgi_vars_put_text(writer, WSGI_PARAM_PYTHON_PATH,
                           APR_ARRAY_IDX(group->python_path, i, const char *));
    }
    for (i = 0; group->preload && i < group->preload->nelts; i++) {
        const struct wsgi_preload *preload =
            &APR_ARRAY_IDX(group->preload, i, const struct wsgi_preload);

        wsgi_vars_put_text(writer, WSGI_PARAM_PRELOAD_GROUP, preload->application_group);
        wsgi_vars_put_text(writer, WSGI_PARAM_PRELOAD_SCRIPT, preload->script);
    }
}

static void put_server(struct wsgi_vars_writer *writer,
                       const struct wsgi_supervisor_settings *settings)
{
    wsgi_vars_put_number(writer, WSGI_PARAM_PEER_UID, (int64_t)settings->apache_uid);
    wsgi_vars_put_number(writer, WSGI_PARAM_SERVER_VERSION, server_version());
    put_optional(writer, WSGI_PARAM_SERVER_DESCRIPTION, settings->server_description);
    put_optional(writer, WSGI_PARAM_SERVER_BUILT, settings->server_built);
    put_optional(writer, WSGI_PARAM_MPM_NAME, settings->mpm_name);
    wsgi_vars_put_number(writer, WSGI_PARAM_MPM_PROCESSES, settings->mpm_processes);
    wsgi_vars_put_number(writer, WSGI_PARAM_MPM_THREADS, settings->mpm_threads);
    wsgi_vars_put_number(writer, WSGI_PARAM_LOG_LEVEL, settings->log_level);
}

/* Without a display-name a process listing would show the launch code. */
static const char *title_of(const struct wsgi_group *group, char *room, size_t size)
{
    if (group->display_name) {
        return group->display_name;
    }
    snprintf(room, size, "(wsgi:%s)", group->name);
    return room;
}

static void put_group(struct wsgi_vars_writer *writer, const struct wsgi_group *group)
{
    char title[128];
    int64_t flags = (group->processes_given ? WSGI_PROCESS_MULTIPROCESS : 0) |
                    (group->threads > 1 ? WSGI_PROCESS_MULTITHREAD : 0);

    wsgi_vars_put_text(writer, WSGI_PARAM_GROUP_NAME, group->name);
    wsgi_vars_put_number(writer, WSGI_PARAM_PROCESSES, group->processes);
    wsgi_vars_put_number(writer, WSGI_PARAM_THREADS, group->threads);
    wsgi_vars_put_number(writer, WSGI_PARAM_PROCESS_FLAGS, flags);
    wsgi_vars_put_text(writer, WSGI_PARAM_INTERPRETER, group->interpreter);
    wsgi_vars_put_number(writer, WSGI_PARAM_SHUTDOWN_TIMEOUT, group->shutdown_timeout);
    put_optional(writer, WSGI_PARAM_HOME, group->home);
    put_optional(writer, WSGI_PARAM_LOCALE, group->locale);
    wsgi_vars_put_text(writer, WSGI_PARAM_TITLE, title_of(group, title, sizeof(title)));
    put_lists(writer, group);
}

static int write_all(int fd, const unsigned char *data, size_t size)
{
    while (size) {
        ssize_t done = write(fd, data, size);

        if (done < 0 && errno != EINTR) {
            return -1;
        }
        if (done > 0) {
            data += done;
            size -= (size_t)done;
        }
    }
    return 0;
}

/* A descriptor that can be read from its begin; -1 with errno. */
static int make_block(const struct wsgi_launch *launch)
{
    struct wsgi_vars_writer writer;
    int fd = -1;

    wsgi_vars_begin(&writer);
    put_group(&writer, launch->group);
    put_server(&writer, launch->settings);
    wsgi_vars_put_number(&writer, WSGI_PARAM_EPOCH, (int64_t)launch->epoch);
    wsgi_vars_put_bytes(&writer, WSGI_PARAM_SECRET, launch->secret, WSGI_WIRE_SECRET_SIZE);
    if (wsgi_vars_end(&writer) < 0) {
        errno = ENOMEM;
    } else {
        fd = memfd_create("wsgi-launch", MFD_CLOEXEC);
    }
    if (fd >= 0 && (write_all(fd, writer.data, writer.used) < 0 || lseek(fd, 0, SEEK_SET) != 0)) {
        close(fd);
        fd = -1;
    }
    wsgi_vars_free(&writer);
    return fd;
}

/* ---- in the new process -------------------------------------------------- */

/* One line for the supervisor, then the end. */
static void __attribute__((noreturn, format(printf, 4, 5)))
give_up(const struct wsgi_launch *launch, int log, int status, const char *format, ...)
{
    char line[PIPE_BUF];
    va_list arguments;
    size_t used;

    used = (size_t)snprintf(line, sizeof(line), "%c3daemon group '%.200s': ", WSGI_LOG_MARK,
                            launch->group->name);
    va_start(arguments, format);
    vsnprintf(line + used, sizeof(line) - used - 1, format, arguments);
    va_end(arguments);
    used = strlen(line);
    line[used++] = '\n';
    if (write(log, line, used) < 0) {
        _exit(status); /* nobody reads it: the status has to say it all */
    }
    _exit(status);
}

static void reset_signals(void)
{
    struct sigaction action;
    sigset_t none;
    int number;

    memset(&action, 0, sizeof(action));
    action.sa_handler = SIG_DFL;
    for (number = 1; number < NSIG; number++) {
        sigaction(number, &action, NULL); /* fails for KILL, STOP and what libc reserves */
    }
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, NULL);
}

/* For kernels before 5.9. */
static int close_by_list(int first)
{
    DIR *list = opendir("/proc/self/fd");
    const struct dirent *entry;
    int fd;

    if (!list) {
        long limit = sysconf(_SC_OPEN_MAX);

        for (fd = first; fd < limit; fd++) {
            close(fd);
        }
        return limit < 0 ? -1 : 0;
    }
    while ((entry = readdir(list)) != NULL) {
        fd = atoi(entry->d_name);
        if (fd >= first && fd != dirfd(list)) {
            close(fd);
        }
    }
    closedir(list);
    return 0;
}

static int close_from(int first)
{
#ifdef SYS_close_range
    if (syscall(SYS_close_range, (unsigned)first, ~0U, 0) == 0) {
        return 0;
    }
#endif
    return close_by_list(first);
}

/* Descriptors 0 .. WSGI_FD_LAST as wire/launch.h has them, and no others. */
static void arrange_descriptors(const struct wsgi_launch *launch, int block)
{
    int source[WSGI_FD_LAST + 1] = {open("/dev/null", O_RDWR), launch->log, launch->log};
    int i;

    source[WSGI_FD_CONTROL] = launch->control;
    source[WSGI_FD_LISTENER] = launch->listener;
    source[WSGI_FD_BOARD] = launch->board;
    source[WSGI_FD_LAUNCH] = block;
    for (i = 0; i <= WSGI_FD_LAST; i++) {
        source[i] = fcntl(source[i], F_DUPFD, WSGI_FD_LAST + 1); /* out of the way first */
        if (source[i] < 0) {
            give_up(launch, launch->log, WSGI_EXIT_DESCRIPTORS, "cannot set up descriptor %d: %s",
                    i, strerror(errno));
        }
    }
    for (i = 0; i <= WSGI_FD_LAST; i++) {
        if (dup2(source[i], i) < 0) {
            give_up(launch, source[1], WSGI_EXIT_DESCRIPTORS, "cannot set up descriptor %d: %s", i,
                    strerror(errno));
        }
    }
    if (close_from(WSGI_FD_LAST + 1) < 0) {
        give_up(launch, 2, WSGI_EXIT_DESCRIPTORS, "cannot close inherited descriptors: %s",
                strerror(errno));
    }
}

static int are_ids(uid_t uid, gid_t gid)
{
    uid_t user[3];
    gid_t group[3];

    return getresuid(&user[0], &user[1], &user[2]) == 0 &&
           getresgid(&group[0], &group[1], &group[2]) == 0 && user[0] == uid && user[1] == uid &&
           user[2] == uid && group[0] == gid && group[1] == gid && group[2] == gid;
}

/* Group first, user last, then proof that there is no way back. */
static void drop_privileges(const struct wsgi_launch *launch)
{
    const struct wsgi_group *group = launch->group;
    int supplementary;

    if (group->uid == 0) {
        give_up(launch, 2, WSGI_EXIT_PRIVILEGES,
                "will not run as root: give user= another user, or set User");
    }
    if (setresgid(group->gid, group->gid, group->gid) < 0) {
        give_up(launch, 2, WSGI_EXIT_PRIVILEGES, "cannot set the group id %lu: %s",
                (unsigned long)group->gid, strerror(errno));
    }
    supplementary =
        group->user_name ? initgroups(group->user_name, group->gid) : setgroups(1, &group->gid);
    if (supplementary < 0) {
        give_up(launch, 2, WSGI_EXIT_PRIVILEGES,
                "cannot set the supplementary groups of user "
                "%s: %s",
                group->user_name ? group->user_name : "without a name", strerror(errno));
    }
    if (setresuid(group->uid, group->uid, group->uid) < 0) {
        give_up(launch, 2, WSGI_EXIT_PRIVILEGES, "cannot set the user id %lu: %s",
                (unsigned long)group->uid, strerror(errno));
    }
    if (!are_ids(group->uid, group->gid) || setuid(0) == 0) {
        give_up(launch, 2, WSGI_EXIT_PRIVILEGES, "root's privileges could not be given up");
    }
}

/* `home`, else the home of a user that is not Apache's, else where Apache is. */
static void enter_directory(const struct wsgi_launch *launch, int is_foreign)
{
    const struct wsgi_group *group = launch->group;
    const char *path = group->home ? group->home : is_foreign ? group->user_home : NULL;

    if (!path && is_foreign) {
        give_up(launch, 2, WSGI_EXIT_DIRECTORY,
                "user id %lu has no home directory: give home=", (unsigned long)group->uid);
    }
    if (path && chdir(path) < 0) {
        give_up(launch, 2, WSGI_EXIT_DIRECTORY, "cannot enter the %s %s as user id %lu: %s%s",
                group->home ? "directory home=" : "user's home directory", path,
                (unsigned long)geteuid(), strerror(errno), group->home ? "" : "; give home=");
    }
}

static int replace_variable(const char *name, const char *value, int only_if_there)
{
    if (!value || (only_if_there && !getenv(name))) {
        return 0;
    }
    return setenv(name, value, 1);
}

/* Apache's process environment, corrected where it would lie. */
static void correct_environment(const struct wsgi_launch *launch, int has_changed_user)
{
    const struct wsgi_group *group = launch->group;
    int failed = replace_variable("LANG", group->lang, 0) < 0 ||
                 replace_variable("LC_ALL", group->locale, 0) < 0;

    if (has_changed_user) {
        failed = failed || replace_variable("HOME", group->user_home, 0) < 0 ||
                 replace_variable("USER", group->user_name, 1) < 0 ||
                 replace_variable("USERNAME", group->user_name, 1) < 0 ||
                 replace_variable("LOGNAME", group->user_name, 1) < 0;
    }
    if (failed) {
        give_up(launch, 2, WSGI_EXIT_EXEC, "cannot set up the environment: %s", strerror(errno));
    }
}

/* ---- why an exec failed -------------------------------------------------- */

static void blame_path(const struct wsgi_launch *launch, const char *path, int depth);

/* A link that leads nowhere: the blame is with what it leads to. */
static void blame_link(const struct wsgi_launch *launch, const char *path, int depth)
{
    char target[PATH_MAX];
    char whole[2 * PATH_MAX];
    ssize_t size = readlink(path, target, sizeof(target) - 1);

    if (size <= 0 || depth >= WSGI_LINK_DEPTH) {
        return;
    }
    target[size] = '\0';
    if (target[0] == '/') {
        blame_path(launch, target, depth + 1);
    } else {
        const char *slash = strrchr(path, '/');

        snprintf(whole, sizeof(whole), "%.*s/%s", slash ? (int)(slash - path) : 0, path, target);
        blame_path(launch, whole, depth + 1);
    }
}

/* Walks the path as this user and names the first part that cannot be passed. */
static void blame_path(const struct wsgi_launch *launch, const char *path, int depth)
{
    char part[2 * PATH_MAX];
    const char *slash = path;

    while (slash) {
        int error;
        int whole;

        slash = strchr(slash + 1, '/');
        whole = !slash;
        snprintf(part, sizeof(part), "%.*s", whole ? (int)strlen(path) : (int)(slash - path), path);
        if (access(part, X_OK) == 0) {
            continue;
        }
        error = errno;
        blame_link(launch, part, depth);
        give_up(launch, 2, WSGI_EXIT_EXEC,
                "cannot execute %s as user id %lu, group id %lu: %s %s: %s",
                launch->group->interpreter, (unsigned long)geteuid(), (unsigned long)getegid(),
                part, whole ? "cannot be executed" : "cannot be passed", strerror(error));
    }
}

static void __attribute__((noreturn)) run_interpreter(const struct wsgi_launch *launch)
{
    const struct wsgi_group *group = launch->group;
    char *arguments[] = {
        (char *)(uintptr_t)group->interpreter, (char *)(uintptr_t)"-c",
        (char *)(uintptr_t)WSGI_LAUNCH_CODE,   (char *)(uintptr_t)group->python->engine,
        (char *)(uintptr_t)WSGI_TITLE_ROOM,    NULL};
    int error;

    execv(group->interpreter, arguments);
    error = errno;
    blame_path(launch, group->interpreter, 0);
    give_up(launch, 2, WSGI_EXIT_EXEC, "cannot execute %s: %s%s", group->interpreter,
            strerror(error),
            error == ENOENT ? " (the loader or script interpreter it asks for is missing)" : "");
}

static void __attribute__((noreturn)) become_daemon(const struct wsgi_launch *launch, int block)
{
    const struct wsgi_group *group = launch->group;
    int is_root = geteuid() == 0;

    reset_signals();
    arrange_descriptors(launch, block);
    if (is_root) {
        drop_privileges(launch);
    }
    enter_directory(launch, is_root && group->uid != launch->settings->apache_uid);
    if (group->umask >= 0) {
        umask((mode_t)group->umask);
    }
    correct_environment(launch, is_root);
    run_interpreter(launch);
}

pid_t wsgi_launch_daemon(const struct wsgi_launch *launch)
{
    int block = make_block(launch);
    pid_t pid;

    if (block < 0) {
        return -1;
    }
    pid = fork();
    if (pid == 0) {
        become_daemon(launch, block);
    }
    close(block);
    return pid;
}
