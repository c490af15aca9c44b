/* SPDX-License-Identifier: Apache-2.0 */
#include "descriptors.h"

#include <fcntl.h>
#include <limits.h>
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
