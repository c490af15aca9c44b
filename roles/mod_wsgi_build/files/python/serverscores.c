/* SPDX-License-Identifier: Apache-2.0 */
/*
 * mod_wsgi.server_metrics(): what every worker of httpd does. An Apache child looks itself; a
 * daemon asks its supervisor, which answers by a snapshot in a sealed memfd (wire/scores.h). The
 * main thread hears the answer, whoever asked.
 */
#include "metrics.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "../wire/engine.h"
#include "../wire/launch.h"
#include "../wire/scores.h"
#include "serve.h"
#include "stream.h"

#define PATIENCE 5000 /* milliseconds until the supervisor has answered */

struct wsgi_server_scores {
    pthread_mutex_t lock;
    pthread_cond_t came;
    void *data; /* the last snapshot, NULL: none came */
    size_t size;
    uint64_t answers; /* how many came */
    int pending;      /* a question is on its way */
};

/* ---- as a dictionary ----------------------------------------------------- */

static PyObject *text_of(const char *text)
{
    return PyUnicode_DecodeLatin1(text, (Py_ssize_t)strlen(text), NULL);
}

static PyObject *worker_of(const struct wsgi_score *score)
{
    return Py_BuildValue(
        "{s:i,s:i,s:C,s:K,s:K,s:d,s:d,s:d,s:N,s:N,s:N}", "thread_num", (int)score->thread,
        "generation", (int)score->generation, "status", (int)(unsigned char)score->status,
        "access_count", (unsigned long long)score->access_count, "bytes_served",
        (unsigned long long)score->bytes_served, "start_time", (double)score->start / 1e6,
        "stop_time", (double)score->stop / 1e6, "last_used", (double)score->last_used / 1e6,
        "client", text_of(score->client), "request", text_of(score->request), "vhost",
        text_of(score->vhost));
}

static int append(PyObject *list, PyObject *value)
{
    int result = value != NULL ? PyList_Append(list, value) : -1;

    Py_XDECREF(value);
    return result;
}

/* The scores from `first` on that are of one process; *next is where the following one begins. */
static PyObject *process_of(const struct wsgi_scores *scores, uint32_t first, uint32_t *next)
{
    const struct wsgi_score *head = &scores->score[first];
    PyObject *workers = PyList_New(0);
    uint32_t i;

    for (i = first; i < scores->count && scores->score[i].process == head->process; i++)
        if (workers == NULL || append(workers, worker_of(&scores->score[i])) != 0) {
            Py_XDECREF(workers);
            return NULL;
        }
    *next = i;
    return Py_BuildValue("{s:i,s:i,s:i,s:N,s:N}", "process_num", (int)head->process, "pid",
                         (int)head->pid, "generation", (int)head->process_generation, "quiescing",
                         PyBool_FromLong(head->quiescing), "workers", workers);
}

static PyObject *server_of(const struct wsgi_scores *scores)
{
    int64_t now = wsgi_clock_wall();
    PyObject *processes = PyList_New(0);
    uint32_t i = 0;

    while (processes != NULL && i < scores->count)
        if (append(processes, process_of(scores, i, &i)) != 0)
            Py_CLEAR(processes);
    if (processes == NULL)
        return NULL;
    return Py_BuildValue(
        "{s:i,s:i,s:i,s:d,s:d,s:L,s:N}", "server_limit", (int)scores->server_limit, "thread_limit",
        (int)scores->thread_limit, "running_generation", (int)scores->generation, "restart_time",
        (double)scores->restart_time / 1e6, "current_time", (double)now / 1e6, "running_time",
        (long long)((now - scores->restart_time) / 1000000), "processes", processes);
}

/* ---- a daemon asks ------------------------------------------------------- */

static struct wsgi_server_scores *scores_of_process(void)
{
    struct wsgi_server_scores *made, *none = NULL;
    pthread_condattr_t attributes;

    made = __atomic_load_n(&wsgi_process.scores, __ATOMIC_ACQUIRE);
    if (made != NULL)
        return made;
    made = calloc(1, sizeof *made);
    if (made == NULL)
        return NULL;
    pthread_mutex_init(&made->lock, NULL);
    pthread_condattr_init(&attributes);
    pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
    pthread_cond_init(&made->came, &attributes);
    pthread_condattr_destroy(&attributes);
    if (__atomic_compare_exchange_n(&wsgi_process.scores, &none, made, 0, __ATOMIC_ACQ_REL,
                                    __ATOMIC_ACQUIRE))
        return made;
    pthread_cond_destroy(&made->came);
    pthread_mutex_destroy(&made->lock);
    free(made);
    return none;
}

/* What the descriptor holds; NULL: it is no snapshot. */
static void *read_snapshot(int descriptor, size_t *size)
{
    struct stat status;
    void *data;

    if (fstat(descriptor, &status) != 0 || !S_ISREG(status.st_mode) || status.st_size <= 0 ||
        status.st_size > WSGI_SCORES_MAX)
        return NULL;
    *size = (size_t)status.st_size;
    data = malloc(*size);
    if (data == NULL || pread(descriptor, data, *size, 0) != (ssize_t)*size ||
        wsgi_scores_check(data, *size) == NULL) {
        free(data);
        return NULL;
    }
    return data;
}

void wsgi_metrics_take_scores(int descriptor)
{
    struct wsgi_server_scores *scores = scores_of_process();
    size_t size = 0;
    void *data = descriptor >= 0 ? read_snapshot(descriptor, &size) : NULL;

    if (descriptor >= 0)
        close(descriptor);
    if (scores == NULL) {
        free(data);
        return;
    }
    pthread_mutex_lock(&scores->lock);
    free(scores->data);
    scores->data = data;
    scores->size = size;
    scores->answers++;
    scores->pending = 0;
    pthread_cond_broadcast(&scores->came);
    pthread_mutex_unlock(&scores->lock);
}

static int is_main(void)
{
    return pthread_equal(pthread_self(), wsgi_process.main_thread);
}

/* Locked. 0 when the time is over. The main thread, which imports something, hears for itself. */
static int await(struct wsgi_server_scores *scores, int64_t deadline)
{
    int64_t left = deadline - wsgi_clock_steady();
    struct timespec until;
    int result;

    if (left <= 0)
        return 0;
    if (is_main()) {
        pthread_mutex_unlock(&scores->lock);
        result = wsgi_daemon_hear((int)left);
        pthread_mutex_lock(&scores->lock);
        return result;
    }
    until.tv_sec = (time_t)(deadline / 1000);
    until.tv_nsec = (long)(deadline % 1000) * 1000000;
    return pthread_cond_timedwait(&scores->came, &scores->lock, &until) != ETIMEDOUT;
}

/* A copy of an answer to a question of now; detached. NULL: there is none. */
static void *ask(size_t *size)
{
    struct wsgi_server_scores *scores = scores_of_process();
    int64_t deadline = wsgi_clock_steady() + PATIENCE;
    uint64_t wanted;
    void *copy = NULL;

    if (scores == NULL)
        return NULL;
    pthread_mutex_lock(&scores->lock);
    wanted = scores->answers + 1 + (uint64_t)(scores->pending != 0);
    while (scores->answers < wanted) {
        if (!scores->pending) {
            scores->pending = 1;
            wsgi_daemon_tell(WSGI_CONTROL_SCORES, 0);
        }
        if (!await(scores, deadline))
            break;
    }
    if (scores->answers >= wanted && scores->data != NULL) {
        *size = scores->size;
        copy = malloc(*size);
        if (copy != NULL)
            memcpy(copy, scores->data, *size);
    }
    if (scores->answers < wanted)
        scores->pending = 0; /* the next one asks again */
    pthread_mutex_unlock(&scores->lock);
    return copy;
}

static void *snapshot(size_t *size)
{
    if (wsgi_process.host->scores != NULL)
        return wsgi_process.host->scores(size);
    return wsgi_process.forked ? NULL : ask(size);
}

PyObject *wsgi_metrics_server(PyObject *module, PyObject *unused)
{
    const struct wsgi_scores *scores;
    PyThreadState *state;
    PyObject *result = NULL;
    size_t size = 0;
    void *data;

    (void)module;
    (void)unused;
    if (!(wsgi_process.settings.flags & WSGI_PROCESS_SERVER_METRICS))
        Py_RETURN_NONE;
    state = PyEval_SaveThread();
    data = snapshot(&size);
    PyEval_RestoreThread(state);
    scores = wsgi_scores_check(data, size);
    if (scores != NULL)
        result = server_of(scores);
    else
        wsgi_log_attached(WSGI_LOG_WARNING,
                          "mod_wsgi.server_metrics() returns None: no snapshot of the server's "
                          "scoreboard could be had");
    free(data);
    if (scores != NULL)
        return result;
    Py_RETURN_NONE;
}
