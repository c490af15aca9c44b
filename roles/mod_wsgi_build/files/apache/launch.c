/* SPDX-License-Identifier: Apache-2.0 */
#include "launch.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "block.h"
#include "config.h"
#include "descriptors.h"
#include "environment.h"
#include "identity.h"
#include "log.h"
#include "renewal.h"
#include "../wire/frame.h"
#include "../wire/launch.h"
#include "../wire/vars.h"
#include "../wire/walk.h"

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
    case WSGI_EXIT_ENVIRONMENT:
        return "its environment could not be set up";
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

/* Nobody reads it: then it is lost. */
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

static void __attribute__((noreturn, format(printf, 4, 5)))
give_up_on(const struct wsgi_launch *launch, int log, int status, const char *format, ...)
{
    va_list arguments;

    va_start(arguments, format);
    tell(launch, log, '3', format, arguments);
    va_end(arguments);
    _exit(status);
}

void wsgi_launch_give_up(const struct wsgi_launch *launch, int status, const char *format, ...)
{
    va_list arguments;

    va_start(arguments, format);
    tell(launch, 2, '3', format, arguments);
    va_end(arguments);
    _exit(status);
}

void wsgi_launch_warn(const struct wsgi_launch *launch, const char *format, ...)
{
    va_list arguments;

    va_start(arguments, format);
    tell(launch, 2, '4', format, arguments);
    va_end(arguments);
}

void wsgi_launch_note(const struct wsgi_launch *launch, const char *format, ...)
{
    va_list arguments;

    va_start(arguments, format);
    tell(launch, 2, '6', format, arguments);
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
            give_up_on(launch, launch->log, WSGI_EXIT_DESCRIPTORS,
                       "cannot set up descriptor %d: %s", i, strerror(errno));
        }
    }
    for (i = 0; i <= WSGI_FD_LAST; i++) {
        if (dup2(source[i], i) < 0) {
            give_up_on(launch, source[1], WSGI_EXIT_DESCRIPTORS, "cannot set up descriptor %d: %s",
                       i, strerror(errno));
        }
    }
    if (wsgi_descriptors_close_from(WSGI_FD_LAST + 1) < 0) {
        give_up_on(launch, 2, WSGI_EXIT_DESCRIPTORS, "cannot close inherited descriptors: %s",
                   strerror(errno));
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
        wsgi_launch_give_up(launch, WSGI_EXIT_ENVIRONMENT, "cannot set up the environment: %s",
                            strerror(errno));
    }
    wsgi_environment_set(launch);
}

/* ---- why an exec failed -------------------------------------------------- */

/* Names the first part of the path that this user cannot pass. */
static void blame_path(const struct wsgi_launch *launch, const char *path)
{
    char words[1024];

    if (wsgi_walk(path, X_OK, words, sizeof(words)) != 0) {
        wsgi_launch_give_up(
            launch, WSGI_EXIT_EXEC, "cannot execute %s as user id %lu, group id %lu: %s",
            launch->group->interpreter, (unsigned long)geteuid(), (unsigned long)getegid(), words);
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
        wsgi_launch_give_up(launch, WSGI_EXIT_EXEC, "no memory for its command line");
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
    blame_path(launch, group->interpreter);
    wsgi_launch_give_up(
        launch, WSGI_EXIT_EXEC, "cannot execute %s: %s%s", group->interpreter, strerror(error),
        error == ENOENT   ? " (the loader or script interpreter it asks for is missing)"
        : error == EAGAIN ? " (its user has as many processes as RLIMIT_NPROC allows)"
                          : "");
}

static void __attribute__((noreturn)) become_daemon(const struct wsgi_launch *launch, int block)
{
    const struct wsgi_group *group = launch->group;
    int is_root = geteuid() == 0;

    reset_signals();
    arrange_descriptors(launch, block);
    wsgi_descriptors_restore(&launch->settings->descriptors);
    wsgi_identity_set_priority(launch);
    correct_environment(launch, is_root); /* env-file= is root's to read */
    if (is_root) {
        wsgi_identity_take(launch);
    }
    wsgi_identity_enter_home(launch, is_root && group->uid != launch->settings->apache_uid);
    if (group->umask >= 0) {
        umask((mode_t)group->umask);
    }
    wsgi_identity_set_limits(launch);
    wsgi_identity_seal(launch);
    wsgi_identity_tell(launch);
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
