/* SPDX-License-Identifier: Apache-2.0 */
#include "scores.h"

#include <stdlib.h>
#include <string.h>

#include "httpd.h"
#include "scoreboard.h"
#include "apr_strings.h"
#include "../wire/scores.h"

/* The letters of mod_status. */
static char letter_of(unsigned char status)
{
    static const char letters[SERVER_NUM_STATUS] = {
        [SERVER_DEAD] = '.',      [SERVER_STARTING] = 'S',   [SERVER_READY] = '_',
        [SERVER_BUSY_READ] = 'R', [SERVER_BUSY_WRITE] = 'W', [SERVER_BUSY_KEEPALIVE] = 'K',
        [SERVER_BUSY_LOG] = 'L',  [SERVER_BUSY_DNS] = 'D',   [SERVER_CLOSING] = 'C',
        [SERVER_GRACEFUL] = 'G',  [SERVER_IDLE_KILL] = 'I',
    };

    return status < SERVER_NUM_STATUS && letters[status] ? letters[status] : '?';
}

static void copy_worker(struct wsgi_score *score, int process, int thread)
{
    const process_score *whose = ap_get_scoreboard_process(process);
    worker_score worker;

    score->process = process;
    score->thread = thread;
    score->pid = (int32_t)whose->pid;
    score->process_generation = (int32_t)whose->generation;
    score->quiescing = whose->quiescing != 0;
    ap_copy_scoreboard_worker(&worker, process, thread);
    score->generation = (int32_t)worker.generation;
    score->status = letter_of(worker.status);
    score->access_count = worker.access_count;
    score->bytes_served = (uint64_t)worker.bytes_served;
    score->start = worker.start_time;
    score->stop = worker.stop_time;
    score->last_used = worker.last_used;
    apr_cpystrn(score->client, worker.client64, sizeof(score->client));
    apr_cpystrn(score->request, worker.request, sizeof(score->request));
    apr_cpystrn(score->vhost, worker.vhost, sizeof(score->vhost));
}

void *wsgi_scores_copy(size_t *size)
{
    const global_score *global = ap_exists_scoreboard_image() ? ap_get_scoreboard_global() : NULL;
    struct wsgi_scores *scores;
    size_t count;
    size_t i;

    if (!global || global->server_limit < 1 || global->thread_limit < 1) {
        return NULL;
    }
    count = (size_t)global->server_limit * (size_t)global->thread_limit;
    if (count > (WSGI_SCORES_MAX - sizeof(*scores)) / sizeof(*scores->score)) {
        return NULL;
    }
    *size = sizeof(*scores) + count * sizeof(*scores->score);
    scores = calloc(1, *size);
    if (!scores) {
        return NULL;
    }
    scores->magic = WSGI_SCORES_MAGIC;
    scores->count = (uint32_t)count;
    scores->server_limit = global->server_limit;
    scores->thread_limit = global->thread_limit;
    scores->generation = (int32_t)global->running_generation;
    scores->restart_time = global->restart_time;
    for (i = 0; i < count; i++) {
        copy_worker(&scores->score[i], (int)(i / (size_t)global->thread_limit),
                    (int)(i % (size_t)global->thread_limit));
    }
    return scores;
}
