/* SPDX-License-Identifier: Apache-2.0 */
#include "identity.h"

#include <errno.h>
#include <grp.h>
#include <linux/capability.h>
#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#define GROUPS_GUESS 64
#define GROUPS_MAX 65536
#define GROUPS_TOLD 32

/* ---- groups ------------------------------------------------------------------------------- */

struct id_list {
    gid_t *ids;
    int count;
};

/* The groups that were given, the primary one first. */
static int list_given(const struct wsgi_group *group, struct id_list *list)
{
    int count = group->supplement ? group->supplement->nelts : 0;

    list->ids = malloc((size_t)(count + 1) * sizeof(*list->ids));
    if (!list->ids) {
        return -1;
    }
    list->ids[0] = group->gid;
    if (count > 0) {
        memcpy(list->ids + 1, group->supplement->elts, (size_t)count * sizeof(*list->ids));
    }
    list->count = count + 1;
    return 0;
}

/* Those that the system's files or directory service know. */
static int list_of_user(const struct wsgi_group *group, struct id_list *list)
{
    int room = GROUPS_GUESS;

    for (;;) {
        gid_t *bigger = realloc(list->ids, (size_t)room * sizeof(*list->ids));

        if (!bigger) {
            return -1;
        }
        list->ids = bigger;
        list->count = room;
        if (getgrouplist(group->user_name, group->gid, list->ids, &list->count) >= 0) {
            return 0;
        }
        room = list->count > room ? list->count : 2 * room;
        if (room > GROUPS_MAX) {
            errno = E2BIG;
            return -1;
        }
    }
}

/* ---- root directory, groups, user ---------------------------------------------------------- */

static void change_root(const struct wsgi_launch *launch)
{
    const char *root = launch->group->chroot;

    if (root && chroot(root) < 0) {
        wsgi_launch_give_up(launch, WSGI_EXIT_PRIVILEGES,
                            "WSGI0003: cannot change the root directory to %s: %s", root,
                            strerror(errno));
    }
    /* Else the working directory would be a way out. */
    if (root && chdir("/") < 0) {
        wsgi_launch_give_up(launch, WSGI_EXIT_PRIVILEGES,
                            "WSGI0003: cannot enter the root directory %s: %s", root,
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

static void change_ids(const struct wsgi_launch *launch, const struct id_list *list)
{
    const struct wsgi_group *group = launch->group;

    if (setresgid(group->gid, group->gid, group->gid) < 0) {
        wsgi_launch_give_up(launch, WSGI_EXIT_PRIVILEGES,
                            "WSGI0004: cannot set the group id %lu: %s", (unsigned long)group->gid,
                            strerror(errno));
    }
    if (setgroups((size_t)list->count, list->ids) < 0) {
        wsgi_launch_give_up(launch, WSGI_EXIT_PRIVILEGES,
                            "WSGI0005: cannot set the supplementary groups of user %s: %s",
                            group->user_name ? group->user_name : "without a name",
                            strerror(errno));
    }
    if (setresuid(group->uid, group->uid, group->uid) < 0) {
        wsgi_launch_give_up(launch, WSGI_EXIT_PRIVILEGES,
                            "WSGI0007: cannot set the user id %lu: %s", (unsigned long)group->uid,
                            strerror(errno));
    }
    if (!are_ids(group->uid, group->gid) || setuid(0) == 0 || setgid(0) == 0) {
        wsgi_launch_give_up(launch, WSGI_EXIT_PRIVILEGES,
                            "WSGI0007: root's privileges could not be given up");
    }
}

void wsgi_identity_take(const struct wsgi_launch *launch)
{
    const struct wsgi_group *group = launch->group;
    struct id_list list = {NULL, 0};
    int known;

    if (group->uid == 0 || group->gid == (gid_t)-1) {
        wsgi_launch_give_up(launch, WSGI_EXIT_PRIVILEGES,
                            "will not run as root: give user= another user, or set User");
    }
    /* The files that know the groups of a user are outside of a chroot. */
    known = !group->supplement && group->user_name ? list_of_user(group, &list)
                                                   : list_given(group, &list);
    if (known < 0) {
        wsgi_launch_give_up(
            launch, WSGI_EXIT_PRIVILEGES, "WSGI0006: the groups of user %s cannot be listed: %s",
            group->user_name ? group->user_name : "without a name", strerror(errno));
    }
    change_root(launch);
    change_ids(launch, &list);
    free(list.ids);
}

/* ---- capabilities ---------------------------------------------------------------------------- */

static int has_capabilities(void)
{
    struct __user_cap_header_struct head = {.version = _LINUX_CAPABILITY_VERSION_3};
    struct __user_cap_data_struct data[_LINUX_CAPABILITY_U32S_3];
    size_t i;

    memset(data, 0, sizeof(data));
    if (syscall(SYS_capget, &head, data) < 0) {
        return 1;
    }
    for (i = 0; i < _LINUX_CAPABILITY_U32S_3; i++) {
        if (data[i].effective || data[i].permitted || data[i].inheritable) {
            return 1;
        }
    }
    return 0;
}

/* A change of user takes them away, unless somebody has set that it does not (SECBIT_..., ambient
 * ones of a service manager). The bounding set stays: a program with rights of its own that the
 * application may run, such as sendmail, keeps these. */
static int drop_capabilities(void)
{
    struct __user_cap_header_struct head = {.version = _LINUX_CAPABILITY_VERSION_3};
    struct __user_cap_data_struct none[_LINUX_CAPABILITY_U32S_3];

    memset(none, 0, sizeof(none));
    if (prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0) < 0 && errno != EINVAL) {
        return -1;
    }
    return syscall(SYS_capset, &head, none) < 0 || has_capabilities() ? -1 : 0;
}

void wsgi_identity_seal(const struct wsgi_launch *launch)
{
    /* httpd as root that is not to change users: launching has refused that already. */
    if (drop_capabilities() < 0) {
        wsgi_launch_give_up(launch, WSGI_EXIT_PRIVILEGES, "capabilities could not be given up: %s",
                            strerror(errno));
    }
    if (launch->group->no_new_privileges && prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0) {
        wsgi_launch_give_up(launch, WSGI_EXIT_PRIVILEGES,
                            "no-new-privileges=On cannot be kept on this system: %s",
                            strerror(errno));
    }
}

/* ---- limits ---------------------------------------------------------------------------------- */

void wsgi_identity_set_priority(const struct wsgi_launch *launch)
{
    int priority = launch->group->cpu_priority;

    if (priority != 0 && setpriority(PRIO_PROCESS, 0, priority) != 0) {
        wsgi_launch_warn(launch, "option cpu-priority=%d has no effect: %s", priority,
                         strerror(errno));
    }
}

static void limit(const struct wsgi_launch *launch, const char *option, int resource, rlim_t soft,
                  rlim_t hard)
{
    const struct rlimit both = {.rlim_cur = soft, .rlim_max = hard};

    if (setrlimit(resource, &both) != 0) {
        wsgi_launch_warn(launch, "option %s=%llu has no effect: %s", option,
                         (unsigned long long)soft, strerror(errno));
    }
}

/* At the soft limit of CPU time a process is told, at the hard one it is killed. */
void wsgi_identity_set_limits(const struct wsgi_launch *launch)
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

/* ---- working directory ----------------------------------------------------------------------- */

/* Inside a chroot the way from "/" is the one there; a user's home need not be there. */
void wsgi_identity_enter_home(const struct wsgi_launch *launch, int is_foreign)
{
    const struct wsgi_group *group = launch->group;
    const char *inside = group->chroot ? " inside the chroot" : "";
    const char *path = group->home ? group->home : is_foreign ? group->user_home : NULL;

    if (!path && is_foreign) {
        wsgi_launch_give_up(
            launch, WSGI_EXIT_DIRECTORY,
            "WSGI0011: user id %lu has no home directory: give home=", (unsigned long)group->uid);
    }
    if (path && chdir(path) < 0) {
        wsgi_launch_give_up(
            launch, WSGI_EXIT_DIRECTORY, "WSGI%04d: cannot enter the %s %s%s as user id %lu: %s%s",
            group->home ? 9 : 10, group->home ? "directory home=" : "user's home directory", path,
            inside, (unsigned long)geteuid(), strerror(errno), group->home ? "" : "; give home=");
    }
}

/* ---- the line about it ----------------------------------------------------------------------- */

struct text {
    char words[2048];
    size_t used;
};

static void __attribute__((format(printf, 2, 3))) append(struct text *text, const char *format, ...)
{
    size_t room = sizeof(text->words) - text->used;
    va_list arguments;
    int size;

    va_start(arguments, format);
    size = vsnprintf(text->words + text->used, room, format, arguments);
    va_end(arguments);
    text->used += size < 0 ? 0 : (size_t)size < room ? (size_t)size : room - 1;
}

static void append_groups(struct text *text)
{
    int count = getgroups(0, NULL);
    gid_t *list = count > 0 ? malloc((size_t)count * sizeof(*list)) : NULL;
    int i;

    count = list ? getgroups(count, list) : 0;
    for (i = 0; i < count && i < GROUPS_TOLD; i++) {
        append(text, "%s%lu", i > 0 ? "," : " ", (unsigned long)list[i]);
    }
    if (count > GROUPS_TOLD) {
        append(text, " and %d more", count - GROUPS_TOLD);
    } else if (count <= 0) {
        append(text, " none");
    }
    free(list);
}

static void append_limit(struct text *text, const char *name, int resource)
{
    struct rlimit both;

    if (getrlimit(resource, &both) == 0 && both.rlim_cur != RLIM_INFINITY) {
        append(text, ", %s %llu", name, (unsigned long long)both.rlim_cur);
    }
}

static void append_limits(struct text *text, const struct wsgi_group *group)
{
    int priority;

    errno = 0;
    priority = getpriority(PRIO_PROCESS, 0);
    if (errno == 0) {
        append(text, "; nice %d", priority);
    }
    append_limit(text, "descriptors", RLIMIT_NOFILE);
    append_limit(text, "processes", RLIMIT_NPROC);
    append_limit(text, "CPU seconds", RLIMIT_CPU);
    append_limit(text, "bytes of data", RLIMIT_DATA);
    append_limit(text, "bytes of address space", RLIMIT_AS);
    if (group->stack_size > 0) {
        append(text, ", bytes of a thread's stack %lld", (long long)group->stack_size);
    }
    if (prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0) == 1) {
        append(text, ", no new privileges");
    }
}

void wsgi_identity_tell(const struct wsgi_launch *launch)
{
    const struct wsgi_group *group = launch->group;
    mode_t mask = umask(077);
    struct text text = {"", 0};
    char directory[PATH_MAX];

    umask(mask);
    append(&text, "uid %lu (%s), gid %lu, groups", (unsigned long)getuid(),
           group->user_name ? group->user_name : "without a name", (unsigned long)getgid());
    append_groups(&text);
    append(&text, ", umask %04o, directory %s", (unsigned)mask,
           getcwd(directory, sizeof(directory)) ? directory : "unknown");
    if (group->chroot) {
        append(&text, ", root %s", group->chroot);
    }
    append(&text, ", Python %s (%s)", group->python->version, group->interpreter);
    append_limits(&text, group);
    wsgi_launch_note(launch, "process %d starts as %s", (int)getpid(), text.words);
}
