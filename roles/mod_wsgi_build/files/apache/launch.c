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
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "block.h"
#include "config.h"
#include "log.h"
#include "renewal.h"
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

    wsgi_block_daemon(&writer, &launch->settings->server, launch->group);
    wsgi_renewal_put(launch->renewal, &writer);
    wsgi_vars_put_number(&writer, WSGI_PARAM_PEER_UID, (int64_t)launch->settings->apache_uid);
    if (launch->group->socket_uid != launch->settings->apache_uid) {
        wsgi_vars_put_number(&writer, WSGI_PARAM_PEER_UID, (int64_t)launch->group->socket_uid);
    }
    wsgi_vars_put_number(&writer, WSGI_PARAM_EPOCH, (int64_t)launch->epoch);
    wsgi_vars_put_number(&writer, WSGI_PARAM_SERVER_PID, (int64_t)launch->server);
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

/* One line for the supervisor. Nobody reads it: then it is lost. */
static void __attribute__((format(printf, 4, 0)))
tell(const struct wsgi_launch *launch, int log, char level, const char *format, va_list arguments)
{
    char line[PIPE_BUF];
    size_t used;

    used = (size_t)snprintf(line, sizeof(line), "%c%cdaemon group '%.200s': ", WSGI_LOG_MARK, level,
                            launch->group->name);
    vsnprintf(line + used, sizeof(line) - used - 1, format, arguments);
    used = strlen(line);
    line[used++] = '\n';
    if (write(log, line, used) < 0) {
        return;
    }
}

/* One line, then the end. */
static void __attribute__((noreturn, format(printf, 4, 5)))
give_up(const struct wsgi_launch *launch, int log, int status, const char *format, ...)
{
    va_list arguments;

    va_start(arguments, format);
    tell(launch, log, '3', format, arguments);
    va_end(arguments);
    _exit(status);
}

/* A limit that cannot be set does not keep the application down. */
static void __attribute__((format(printf, 2, 3))) warn(const struct wsgi_launch *launch,
                                                       const char *format, ...)
{
    va_list arguments;

    va_start(arguments, format);
    tell(launch, 2, '4', format, arguments);
    va_end(arguments);
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

/* The groups that were given, the primary one first; else those of the user. */
static int set_groups(const struct wsgi_group *group)
{
    size_t count = group->supplement ? (size_t)group->supplement->nelts : 0;
    gid_t *list;
    int result;

    if (!group->supplement && group->user_name) {
        return initgroups(group->user_name, group->gid);
    }
    list = malloc((count + 1) * sizeof(*list));
    if (!list) {
        return -1;
    }
    list[0] = group->gid;
    if (count > 0) {
        memcpy(list + 1, group->supplement->elts, count * sizeof(*list));
    }
    result = setgroups(count + 1, list);
    free(list);
    return result;
}

/* Group first, user last, then proof that there is no way back. */
static void drop_privileges(const struct wsgi_launch *launch)
{
    const struct wsgi_group *group = launch->group;

    if (group->uid == 0) {
        give_up(launch, 2, WSGI_EXIT_PRIVILEGES,
                "will not run as root: give user= another user, or set User");
    }
    if (setresgid(group->gid, group->gid, group->gid) < 0) {
        give_up(launch, 2, WSGI_EXIT_PRIVILEGES, "cannot set the group id %lu: %s",
                (unsigned long)group->gid, strerror(errno));
    }
    if (set_groups(group) < 0) {
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

/* While it is still root, if it was: only root may give itself precedence. */
static void set_priority(const struct wsgi_launch *launch)
{
    int priority = launch->group->cpu_priority;

    if (priority != 0 && setpriority(PRIO_PROCESS, 0, priority) != 0) {
        warn(launch, "option cpu-priority=%d has no effect: %s", priority, strerror(errno));
    }
}

static void limit(const struct wsgi_launch *launch, const char *option, int resource, rlim_t soft,
                  rlim_t hard)
{
    const struct rlimit both = {.rlim_cur = soft, .rlim_max = hard};

    if (setrlimit(resource, &both) != 0) {
        warn(launch, "option %s=%llu has no effect: %s", option, (unsigned long long)soft,
             strerror(errno));
    }
}

/* At the soft limit of CPU time a process is told, at the hard one it is killed. */
static void set_limits(const struct wsgi_launch *launch)
{
    const struct wsgi_group *group = launch->group;
    rlim_t seconds = (rlim_t)group->cpu_time_limit;

    if (group->cpu_time_limit > 0) {
        limit(launch, "cpu-time-limit", RLIMIT_CPU, seconds,
              seconds + 1 + (rlim_t)group->shutdown_timeout);
    }
    if (group->memory_limit > 0) {
        limit(launch, "memory-limit", RLIMIT_DATA, (rlim_t)group->memory_limit,
              (rlim_t)group->memory_limit);
    }
    if (group->virtual_memory_limit > 0) {
        limit(launch, "virtual-memory-limit", RLIMIT_AS, (rlim_t)group->virtual_memory_limit,
              (rlim_t)group->virtual_memory_limit);
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
    const char *seed = launch->settings->server.settings->hash_seed;
    int failed = replace_variable("LANG", group->lang, 0) < 0 ||
                 replace_variable("LC_ALL", group->locale, 0) < 0;

    /* Randomness is an option on the command line; the engine takes a number out again. */
    if (seed && strcmp(seed, "random") != 0) {
        failed = failed || replace_variable("PYTHONHASHSEED", seed, 0) < 0;
    }

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

/* ---- the command line ---------------------------------------------------- */

/* Room for what add_options() puts there besides warning filters, and for what follows. */
#define WSGI_ARGUMENTS_MAX 16

struct arguments {
    char **list;
    size_t count;
};

static void add(struct arguments *arguments, const char *text)
{
    arguments->list[arguments->count++] = (char *)(uintptr_t)text;
}

/* "cpython-313t-x86_64-linux-gnu": built to run without a GIL. */
static int is_free_threaded(const struct wsgi_python *python)
{
    const char *version = strchr(python->soabi, '-');

    version = version ? version + 1 : python->soabi;
    return version[strspn(version, "0123456789")] == 't';
}

/* What an interpreter has to know before it starts. */
static void add_options(struct arguments *arguments, const struct wsgi_settings *settings,
                        const struct wsgi_group *group)
{
    int i;

    if (settings->dont_write_bytecode == 1) {
        add(arguments, "-B");
    }
    if (settings->python_optimize > 0) {
        add(arguments, settings->python_optimize > 1 ? "-OO" : "-O");
    }
    if (settings->hash_seed && strcmp(settings->hash_seed, "random") == 0) {
        add(arguments, "-R");
    }
    if (is_free_threaded(group->python)) {
        add(arguments, "-X");
        add(arguments, wsgi_block_free_threading(settings, group->name) ? "gil=0" : "gil=1");
    }
    for (i = 0; i < settings->python_warnings->nelts; i++) {
        add(arguments, "-W");
        add(arguments, APR_ARRAY_IDX(settings->python_warnings, i, const char *));
    }
}

static char **make_arguments(const struct wsgi_launch *launch)
{
    const struct wsgi_settings *settings = launch->settings->server.settings;
    const struct wsgi_group *group = launch->group;
    size_t room = WSGI_ARGUMENTS_MAX + 2 * (size_t)settings->python_warnings->nelts;
    struct arguments arguments = {calloc(room, sizeof(char *)), 0};

    if (!arguments.list) {
        give_up(launch, 2, WSGI_EXIT_EXEC, "no memory for its command line");
    }
    add(&arguments, group->interpreter);
    add_options(&arguments, settings, group);
    add(&arguments, "-c");
    add(&arguments, WSGI_LAUNCH_CODE);
    add(&arguments, group->python->engine);
    add(&arguments, WSGI_TITLE_ROOM);
    return arguments.list;
}

static void __attribute__((noreturn)) run_interpreter(const struct wsgi_launch *launch)
{
    const struct wsgi_group *group = launch->group;
    int error;

    execv(group->interpreter, make_arguments(launch));
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
    set_priority(launch);
    if (is_root) {
        drop_privileges(launch);
    }
    enter_directory(launch, is_root && group->uid != launch->settings->apache_uid);
    if (group->umask >= 0) {
        umask((mode_t)group->umask);
    }
    correct_environment(launch, is_root);
    set_limits(launch);
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
