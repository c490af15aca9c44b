/* SPDX-License-Identifier: Apache-2.0 */
#include "services.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/mman.h>
#include <unistd.h>

#include "log.h"
#include "spawn.h"

#define RETAINED_KEY "pyweb-mod_wsgi-services"
#define PAUSE 1    /* s, as mod_wsgi 6 needs to notice an end */
#define PATIENCE 5 /* s beyond shutdown-timeout, when the former process has been killed */
#define PLACE_BITS 16

/* Outlives the module's unloading at a restart. */
struct retained {
    int fd; /* a memfd of which only the locks are used: each place of each group is one byte */
};

void wsgi_services_prepare(void)
{
    struct retained *retained = ap_retained_data_get(RETAINED_KEY);

    if (retained == NULL) {
        retained = ap_retained_data_create(RETAINED_KEY, sizeof(*retained));
        retained->fd = memfd_create("wsgi-services", MFD_CLOEXEC);
    }
}

void wsgi_services_child_init(void)
{
    struct retained *retained = ap_retained_data_get(RETAINED_KEY);

    if (retained != NULL && retained->fd >= 0) {
        close(retained->fd);
        retained->fd = -1;
    }
}

int wsgi_service_is(const struct wsgi_minder *minder)
{
    return minder->group->threads == 0;
}

/* A group is the same in the next generation when it has the same name (FNV-1a). */
static off_t byte_of(const char *name, int place)
{
    uint64_t hash = 14695981039346656037u;

    for (; *name; name++) {
        hash = (hash ^ (unsigned char)*name) * 1099511628211u;
    }
    return (off_t)((hash >> (PLACE_BITS + 2)) << PLACE_BITS) + place;
}

/* A lock of an open file description: a descriptor of its own, which the process inherits. -1 with
 * EAGAIN: another one has it. */
static int open_turn(const char *name, int place)
{
    const struct retained *retained = ap_retained_data_get(RETAINED_KEY);
    struct flock lock = {.l_type = F_WRLCK, .l_whence = SEEK_SET, .l_len = 1};
    char path[64];
    int fd;

    lock.l_start = byte_of(name, place);
    snprintf(path, sizeof(path), "/proc/self/fd/%d", retained ? retained->fd : -1);
    fd = open(path, O_RDWR | O_CLOEXEC);
    if (fd >= 0 && fcntl(fd, F_OFD_SETLK, &lock) < 0) {
        int error = errno;

        close(fd);
        errno = error == EACCES ? EAGAIN : error;
        fd = -1;
    }
    return fd;
}

/* Its former process was killed long ago, so it is a child of that which holds the turn. */
static int is_past_hope(const struct wsgi_minder *minder, int place, apr_time_t now)
{
    int limit = minder->group->shutdown_timeout;

    return limit > 0 && now - minder->places[place].waits_since >
                            apr_time_from_sec(limit) + apr_time_from_sec(PATIENCE);
}

int wsgi_service_take_turn(struct wsgi_minder *minder, int place, apr_time_t now, int *turn)
{
    struct wsgi_place *waiting = &minder->places[place];
    int error;

    *turn = open_turn(minder->group->name, place);
    error = errno;
    if (*turn >= 0) {
        waiting->waits_since = 0;
        return 1;
    }
    if (error == EAGAIN && waiting->waits_since == 0) {
        waiting->waits_since = now;
        ap_log_error(APLOG_MARK, APLOG_INFO, 0, minder->group->server,
                     "daemon group '%s': the service starts when its former process has ended",
                     minder->group->name);
    }
    if (error == EAGAIN && !is_past_hope(minder, place, now)) {
        return 0;
    }
    ap_log_error(APLOG_MARK, APLOG_WARNING, error, minder->group->server,
                 "daemon group '%s': %s; the service starts all the same", minder->group->name,
                 error == EAGAIN ? "a process that the former service started still runs"
                                 : "whether the former process of the service has ended cannot be "
                                   "found out");
    waiting->waits_since = 0;
    *turn = open("/dev/null", O_RDWR | O_CLOEXEC);
    return 1;
}

void wsgi_service_returned(struct wsgi_minder *minder, int index, apr_time_t now)
{
    const struct wsgi_minded *minded = &minder->minded[index];

    ap_log_error(APLOG_MARK, APLOG_INFO, 0, minder->group->server,
                 "daemon group '%s': the scripts of process %d have returned, it ended%s",
                 minder->group->name, (int)minded->pid,
                 minder->closing ? "" : "; another one starts in 1 s");
    if (minded->place >= 0) {
        wsgi_spawn_at_once(&minder->places[minded->place], now + apr_time_from_sec(PAUSE));
    }
}
