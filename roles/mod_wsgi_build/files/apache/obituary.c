/* SPDX-License-Identifier: Apache-2.0 */
#include "obituary.h"

#include <limits.h>
#include <linux/futex.h>
#include <string.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "apr_strings.h"
#include "clocks.h"

/* ms for the supervisor to see how a process ended. A process closes its connections shortly before
 * its end can be seen, or else lives on. */
#define WSGI_END_LIMIT 1000

/* The epoch in the record is what is waited for: 0 while it is being written. */
static void futex(_Atomic uint32_t *word, int operation, uint32_t value,
                  const struct timespec *timeout)
{
    syscall(SYS_futex, (uint32_t *)word, operation, value, timeout, NULL, 0);
}

void wsgi_obituary_write(struct wsgi_slots *slots, int index, pid_t pid, const char *words)
{
    struct wsgi_slot_shared *shared = slots->slot[index].shared;
    struct wsgi_slot_end *end = &shared->end;

    atomic_store(&end->epoch, 0);
    apr_cpystrn(end->words, words, sizeof(end->words));
    atomic_store(&end->pid, (int32_t)pid);
    atomic_store(&end->epoch, atomic_load(&shared->epoch));
    futex(&end->epoch, FUTEX_WAKE, INT_MAX, NULL);
}

/* 0 when it is not written yet, or already the next one's. */
static int read_record(const struct wsgi_slot_end *end, uint32_t epoch, char *text, size_t size)
{
    size_t length = size < sizeof(end->words) ? size : sizeof(end->words);
    int pid;

    if (atomic_load(&end->epoch) != epoch) {
        return 0;
    }
    memcpy(text, end->words, length);
    text[length - 1] = '\0';
    pid = (int)atomic_load(&end->pid);
    atomic_thread_fence(memory_order_acquire);
    return atomic_load(&end->epoch) == epoch ? pid : 0;
}

/* The pid, 0: nothing was told within so many milliseconds. */
static int await_record(struct wsgi_slots *slots, int index, uint32_t epoch, int milliseconds,
                        char *text, size_t size)
{
    struct wsgi_slot_end *end = &slots->slot[index].shared->end;
    apr_time_t begin = wsgi_clock_now();

    for (;;) {
        uint32_t seen = atomic_load(&end->epoch);
        int pid = read_record(end, epoch, text, size);
        apr_time_t passed = apr_time_as_msec(wsgi_clock_now() - begin);
        long left = milliseconds - (long)passed;
        struct timespec timeout = {.tv_sec = left / 1000, .tv_nsec = left % 1000 * 1000000L};

        if (pid || passed < 0 || left <= 0) {
            return pid;
        }
        if (seen != epoch) {
            futex(&end->epoch, FUTEX_WAIT, seen, &timeout);
        }
    }
}

const char *wsgi_obituary_name(apr_pool_t *pool, const struct wsgi_group *group, int index,
                               uint32_t epoch)
{
    const struct wsgi_slot_shared *slot = group->slots->slot[index].shared;
    int pid = atomic_load(&slot->epoch) == epoch ? (int)atomic_load(&slot->pid) : 0;
    char words[WSGI_SLOT_END_MAX];

    if (pid <= 0) { /* it has ended: then its record has it, unless another one has ended since */
        pid = read_record(&slot->end, epoch, words, sizeof(words));
    }
    return pid > 0 ? apr_psprintf(pool, "daemon process %d of group '%s'", pid, group->name)
                   : apr_psprintf(pool, "a daemon process of group '%s'", group->name);
}

const char *wsgi_obituary_sentence(apr_pool_t *pool, const struct wsgi_group *group, int index,
                                   uint32_t epoch)
{
    const char *name = wsgi_obituary_name(pool, group, index, epoch);
    char words[WSGI_SLOT_END_MAX];
    int pid = await_record(group->slots, index, epoch, WSGI_END_LIMIT, words, sizeof(words));

    if (pid) {
        return apr_psprintf(pool, "daemon process %d of group '%s' %s", pid, group->name, words);
    }
    return apr_psprintf(pool,
                        "%s ended its connection (the supervisor has not told of an end of the "
                        "process)",
                        name);
}
