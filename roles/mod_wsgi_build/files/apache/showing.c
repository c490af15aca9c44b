/* SPDX-License-Identifier: Apache-2.0 */
#include "showing.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include "log.h"
#include "scores.h"
#include "../wire/launch.h"

/* A file that nobody can change any more; -1: it cannot be made. */
static int make_file(const void *data, size_t size)
{
    int fd = memfd_create("wsgi-scores", MFD_CLOEXEC | MFD_ALLOW_SEALING);

    if (fd >= 0 &&
        (write(fd, data, size) != (ssize_t)size ||
         fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE | F_SEAL_SEAL) < 0)) {
        close(fd);
        return -1;
    }
    return fd;
}

static int make_snapshot(void)
{
    size_t size = 0;
    void *data = wsgi_scores_copy(&size);
    int fd = data ? make_file(data, size) : -1;

    free(data);
    return fd;
}

static void attach(struct msghdr *parts, int fd)
{
    struct cmsghdr *head = CMSG_FIRSTHDR(parts);

    head->cmsg_level = SOL_SOCKET;
    head->cmsg_type = SCM_RIGHTS;
    head->cmsg_len = CMSG_LEN(sizeof(fd));
    memcpy(CMSG_DATA(head), &fd, sizeof(fd));
}

void wsgi_show_scores(const struct wsgi_group *group, int control, uint32_t epoch)
{
    struct wsgi_control message = {.type = WSGI_CONTROL_SCORES, .epoch = epoch};
    struct iovec part = {.iov_base = &message, .iov_len = sizeof(message)};
    union {
        char bytes[CMSG_SPACE(sizeof(int))];
        struct cmsghdr align;
    } ancillary = {.bytes = {0}};
    struct msghdr parts = {.msg_iov = &part, .msg_iovlen = 1};
    int fd = group->server_metrics ? make_snapshot() : -1;

    if (fd >= 0) {
        parts.msg_control = ancillary.bytes;
        parts.msg_controllen = sizeof(ancillary.bytes);
        attach(&parts, fd);
    }
    if (sendmsg(control, &parts, MSG_DONTWAIT | MSG_NOSIGNAL) < 0) {
        ap_log_error(APLOG_MARK, APLOG_DEBUG, errno, group->server,
                     "daemon group '%s': the scoreboard cannot be sent to a process", group->name);
    }
    if (fd >= 0) {
        close(fd);
    }
}
