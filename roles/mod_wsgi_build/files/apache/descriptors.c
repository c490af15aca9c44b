/* SPDX-License-Identifier: Apache-2.0 */
#include "descriptors.h"

#include <dirent.h>
#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <unistd.h>

void wsgi_descriptors_raise(struct rlimit *before)
{
    struct rlimit most;

    if (getrlimit(RLIMIT_NOFILE, before) < 0) {
        before->rlim_cur = before->rlim_max = RLIM_INFINITY; /* nothing to be restored */
        return;
    }
    most = *before;
    most.rlim_cur = most.rlim_max;
    setrlimit(RLIMIT_NOFILE, &most); /* or else it has to do with what there is */
}

void wsgi_descriptors_restore(const struct rlimit *before)
{
    if (before->rlim_cur != before->rlim_max) {
        setrlimit(RLIMIT_NOFILE, before);
    }
}

int wsgi_descriptors_move(int fd, const struct rlimit *before)
{
    int moved = -1;

    if (fd >= 0 && before->rlim_cur < before->rlim_max && before->rlim_cur < INT_MAX) {
        moved = fcntl(fd, F_DUPFD_CLOEXEC, (int)before->rlim_cur);
    }
    if (moved < 0) {
        return fd;
    }
    close(fd);
    return moved;
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

int wsgi_descriptors_close_from(int first)
{
#ifdef SYS_close_range
    if (syscall(SYS_close_range, (unsigned)first, ~0U, 0) == 0) {
        return 0;
    }
#endif
    return close_by_list(first);
}
