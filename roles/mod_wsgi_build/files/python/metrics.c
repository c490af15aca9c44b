/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Numbers of this process and of its requests (behaviour reference 5.4), since an application
 * first called start_recording_metrics(). They are of the process: all its interpreters share them.
 */
#include "metrics.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

/* 16 octaves from 1 ms on, each in 4 equal parts, and what is longer. */
#define OCTAVES 16
#define PARTS 4
#define BUCKETS (OCTAVES * PARTS + 1)
#define FIRST_OCTAVE 1000 /* microseconds */

#define SLOTS_MAX 65536 /* threads that are told apart */

enum phase {
    PHASE_SERVER,
    PHASE_QUEUE,
    PHASE_DAEMON,
    PHASE_APPLICATION,
    PHASE_REQUEST,
    PHASE_WAIT,
    PHASE_INPUT,
    PHASE_OUTPUT,
    PHASES
};

static const char *const phase_names[PHASES] = {
    "server", "queue", "daemon", "application", "request", "gil_wait", "input_read", "output_write",
};

/* Times of one phase in a period, in microseconds. */
struct spread {
    int64_t count, sum, least, most;
    uint32_t buckets[BUCKETS];
};

/* One thread; its first fields live as long as the process, the others for a period. */
struct slot {
    int64_t requests; /* begun */
    int64_t since;    /* when the request it runs was begun; 0: none */
    int depth;        /* requests inside one another */
    int64_t completed;
    int64_t busy; /* microseconds, without the request that runs */
    int64_t cpu;
    int64_t longest;
};

/* What is counted from one call of request_metrics() to the next. */
struct period {
    int64_t begun; /* steady microseconds */
    int64_t cpu_user, cpu_system;
    int64_t count;
    int64_t classes[5]; /* of the status: 1xx ... 5xx */
    int64_t input_bytes, input_reads, output_bytes, output_writes, waits;
    struct spread spreads[PHASES];
};

struct wsgi_metrics {
    pthread_mutex_t lock;
    struct slot *slots; /* by thread number - 1 */
    int slot_count;
    int64_t finished;
    int64_t busy; /* microseconds of finished requests */
    struct period period;
};

/* ---- clocks -------------------------------------------------------------- */

static int64_t steady(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000000 + now.tv_nsec / 1000;
}

static int64_t micro(const struct timeval *time)
{
    return (int64_t)time->tv_sec * 1000000 + time->tv_usec;
}

static struct rusage usage_of(int who)
{
    struct rusage usage;

    if (getrusage(who, &usage) != 0)
        memset(&usage, 0, sizeof usage);
    return usage;
}

/* ---- recording ----------------------------------------------------------- */

static struct wsgi_metrics *recorded(void)
{
    return __atomic_load_n(&wsgi_process.metrics, __ATOMIC_ACQUIRE);
}

void wsgi_metrics_after_fork(void)
{
    struct wsgi_metrics *metrics = recorded();

    if (metrics != NULL)
        pthread_mutex_init(&metrics->lock, NULL);
}

static void begin_period(struct period *period)
{
    struct rusage usage = usage_of(RUSAGE_SELF);

    memset(period, 0, sizeof *period);
    period->begun = steady();
    period->cpu_user = micro(&usage.ru_utime);
    period->cpu_system = micro(&usage.ru_stime);
}

/* With a telemetry service the numbers are its own, as in mod_wsgi 6. */
PyObject *wsgi_metrics_begin_recording(PyObject *module, PyObject *unused)
{
    struct wsgi_metrics *metrics, *none = NULL;

    (void)module;
    (void)unused;
    if (recorded() != NULL || (wsgi_process.settings.flags & WSGI_PROCESS_TELEMETRY))
        Py_RETURN_NONE;
    metrics = calloc(1, sizeof *metrics);
    if (metrics == NULL)
        return PyErr_NoMemory();
    pthread_mutex_init(&metrics->lock, NULL);
    begin_period(&metrics->period);
    if (!__atomic_compare_exchange_n(&wsgi_process.metrics, &none, metrics, 0, __ATOMIC_ACQ_REL,
                                     __ATOMIC_ACQUIRE)) {
        pthread_mutex_destroy(&metrics->lock);
        free(metrics);
    }
    Py_RETURN_NONE;
}

/* Locked. NULL: too many threads, or no memory; then this one is not told apart. */
static struct slot *slot_of(struct wsgi_metrics *metrics, int number)
{
    int count = metrics->slot_count;
    struct slot *slots;

    if (number < 1 || number > SLOTS_MAX)
        return NULL;
    if (number > count) {
        count = number + 15;
        slots = realloc(metrics->slots, (size_t)count * sizeof *slots);
        if (slots == NULL)
            return NULL;
        memset(slots + metrics->slot_count, 0,
               (size_t)(count - metrics->slot_count) * sizeof *slots);
        metrics->slots = slots;
        metrics->slot_count = count;
    }
    return &metrics->slots[number - 1];
}

void wsgi_metrics_enter(struct wsgi_run *run)
{
    struct wsgi_metrics *metrics = recorded();
    struct rusage usage;
    struct slot *slot;

    if (metrics == NULL)
        return;
    usage = usage_of(RUSAGE_THREAD);
    run->meter.recorded = 1;
    run->meter.entered = steady();
    run->meter.entered_cpu = micro(&usage.ru_utime) + micro(&usage.ru_stime);
    pthread_mutex_lock(&metrics->lock);
    slot = slot_of(metrics, run->thread->number);
    if (slot != NULL) {
        slot->requests++;
        if (slot->depth++ == 0)
            slot->since = run->meter.entered;
    }
    pthread_mutex_unlock(&metrics->lock);
}

static int bucket_of(int64_t time)
{
    int64_t octave = FIRST_OCTAVE;
    int i;

    if (time < octave)
        return 0;
    for (i = 0; i < OCTAVES; i++, octave *= 2)
        if (time < 2 * octave)
            return i * PARTS + (int)((time - octave) * PARTS / octave);
    return BUCKETS - 1;
}

/* A negative time, of a clock that was set back, counts as 0. */
static void add(struct spread *spread, int64_t time)
{
    time = time < 0 ? 0 : time;
    if (spread->count == 0 || time < spread->least)
        spread->least = time;
    if (time > spread->most)
        spread->most = time;
    spread->count++;
    spread->sum += time;
    spread->buckets[bucket_of(time)]++;
}

/* In the daemon the way of a request is server, queue, daemon, application; embedded there are only
 * the first and the last. */
static void add_times(struct period *period, const struct wsgi_run *run)
{
    const struct wsgi_call *call = &run->call;
    const struct wsgi_meter *meter = &run->meter;
    int64_t now = wsgi_clock_wall();
    int64_t begun = run->application_start != 0 ? run->application_start : now;

    if (wsgi_process.embedded) {
        add(&period->spreads[PHASE_SERVER], begun - call->request_start);
    } else {
        add(&period->spreads[PHASE_SERVER], call->queue_start - call->request_start);
        add(&period->spreads[PHASE_QUEUE], call->daemon_start - call->queue_start);
        add(&period->spreads[PHASE_DAEMON], begun - call->daemon_start);
    }
    add(&period->spreads[PHASE_APPLICATION], now - begun);
    add(&period->spreads[PHASE_REQUEST], now - call->request_start);
    add(&period->spreads[PHASE_WAIT], meter->wait_time / 1000);
    add(&period->spreads[PHASE_INPUT], meter->input_time / 1000);
    add(&period->spreads[PHASE_OUTPUT], meter->output_time / 1000);
}

static void add_counts(struct period *period, const struct wsgi_run *run, int status)
{
    const struct wsgi_meter *meter = &run->meter;

    period->count++;
    if (status >= 100 && status < 600)
        period->classes[status / 100 - 1]++;
    period->input_bytes += meter->input_length;
    period->input_reads += meter->input_reads;
    period->output_bytes += meter->output_length;
    period->output_writes += meter->output_writes;
    period->waits += meter->waits;
}

static void end_slot(struct slot *slot, int64_t now, int64_t cpu)
{
    int64_t time;

    if (--slot->depth > 0)
        return;
    time = now - slot->since;
    slot->since = 0;
    slot->completed++;
    slot->busy += time;
    slot->cpu += cpu;
    slot->longest = time > slot->longest ? time : slot->longest;
}

void wsgi_metrics_leave(struct wsgi_run *run)
{
    struct wsgi_metrics *metrics = recorded();
    int64_t now, cpu;
    struct rusage usage;
    struct slot *slot;

    if (metrics == NULL || !run->meter.recorded)
        return;
    usage = usage_of(RUSAGE_THREAD);
    now = steady();
    cpu = micro(&usage.ru_utime) + micro(&usage.ru_stime) - run->meter.entered_cpu;
    pthread_mutex_lock(&metrics->lock);
    metrics->finished++;
    metrics->busy += now - run->meter.entered;
    add_times(&metrics->period, run);
    add_counts(&metrics->period, run, wsgi_run_status(run));
    slot = slot_of(metrics, run->thread->number);
    if (slot != NULL)
        end_slot(slot, now, cpu);
    pthread_mutex_unlock(&metrics->lock);
}

/* ---- dictionaries -------------------------------------------------------- */

/* Takes over `value`. After a failure nothing more is put. */
static void put(PyObject **dict, const char *name, PyObject *value)
{
    if (*dict != NULL && (value == NULL || PyDict_SetItemString(*dict, name, value) != 0))
        Py_CLEAR(*dict);
    Py_XDECREF(value);
}

static void put_number(PyObject **dict, const char *name, int64_t number)
{
    put(dict, name, PyLong_FromLongLong(number));
}

static void put_real(PyObject **dict, const char *name, double number)
{
    put(dict, name, PyFloat_FromDouble(number));
}

static int64_t resident_bytes(void)
{
    FILE *file = fopen("/proc/self/statm", "re");
    long total, resident = 0;

    if (file == NULL)
        return 0;
    if (fscanf(file, "%ld %ld", &total, &resident) != 2)
        resident = 0;
    fclose(file);
    return (int64_t)resident * sysconf(_SC_PAGESIZE);
}

static void put_memory(PyObject **dict, const struct rusage *usage)
{
    put_number(dict, "memory_max_rss", (int64_t)usage->ru_maxrss * 1024);
    put_number(dict, "memory_rss", resident_bytes());
}

/* Threads that may serve requests; embedded, those that did. */
static int known_threads(void)
{
    return wsgi_process.embedded ? __atomic_load_n(&wsgi_process.thread_count, __ATOMIC_RELAXED)
                                 : (int)wsgi_process.settings.threads;
}

/* Slots to be told of: one for each thread that there is or was. */
static int told_slots(int known)
{
    int seen = __atomic_load_n(&wsgi_process.thread_count, __ATOMIC_RELAXED);

    seen = seen > known ? seen : known;
    return seen < SLOTS_MAX ? seen : SLOTS_MAX;
}

/* A copy of the slots that nobody changes: `count` of them. NULL: no memory. */
static struct slot *copy_slots(const struct wsgi_metrics *metrics, int count)
{
    struct slot *slots = calloc((size_t)count + 1, sizeof *slots);
    int there = metrics->slot_count < count ? metrics->slot_count : count;

    if (slots != NULL && there > 0)
        memcpy(slots, metrics->slots, (size_t)there * sizeof *slots);
    return slots;
}

/* ---- process_metrics() --------------------------------------------------- */

static PyObject *list_threads(const struct slot *slots, int count)
{
    PyObject *list = PyList_New(0);
    int i;

    for (i = 0; i < count && list != NULL; i++) {
        PyObject *thread = Py_BuildValue("{s:i,s:L}", "thread_id", i + 1, "request_count",
                                         (long long)slots[i].requests);

        if (thread == NULL || PyList_Append(list, thread) != 0)
            Py_CLEAR(list);
        Py_XDECREF(thread);
    }
    return list;
}

static void put_process_times(PyObject **dict, const struct rusage *usage)
{
    double user = (double)micro(&usage->ru_utime) / 1e6;
    double system = (double)micro(&usage->ru_stime) / 1e6;
    int64_t now = wsgi_clock_wall();

    put_real(dict, "cpu_user_time", user);
    put_real(dict, "cpu_system_time", system);
    put_real(dict, "cpu_time", user + system);
    put_real(dict, "restart_time", (double)wsgi_process.begun / 1e6);
    put_real(dict, "current_time", (double)now / 1e6);
    put_number(dict, "running_time", (now - wsgi_process.begun) / 1000000);
}

PyObject *wsgi_metrics_process(PyObject *module, PyObject *unused)
{
    struct wsgi_metrics *metrics = recorded();
    struct rusage usage = usage_of(RUSAGE_SELF);
    int count = told_slots(known_threads()), active = 0, i;
    int64_t busy, finished, now;
    PyObject *dict;
    struct slot *slots;

    (void)module;
    (void)unused;
    if (metrics == NULL)
        Py_RETURN_NONE;
    pthread_mutex_lock(&metrics->lock);
    now = steady();
    busy = metrics->busy;
    finished = metrics->finished;
    slots = copy_slots(metrics, count);
    pthread_mutex_unlock(&metrics->lock);
    if (slots == NULL)
        return PyErr_NoMemory();
    for (i = 0; i < count; i++)
        if (slots[i].since != 0) {
            busy += now - slots[i].since;
            active += slots[i].depth;
        }
    dict = PyDict_New();
    put_number(&dict, "pid", getpid());
    put_real(&dict, "request_busy_time", (double)busy / 1e6);
    put_number(&dict, "request_count", finished);
    put_memory(&dict, &usage);
    put_process_times(&dict, &usage);
    put_number(&dict, "request_threads", known_threads());
    put_number(&dict, "active_requests", active);
    put(&dict, "threads", list_threads(slots, count));
    free(slots);
    return dict;
}

/* ---- request_metrics() --------------------------------------------------- */

static void put_spread(PyObject **dict, const char *phase, const struct spread *spread)
{
    PyObject *buckets = PyList_New(BUCKETS);
    char name[64];
    int i;

    for (i = 0; i < BUCKETS && buckets != NULL; i++) {
        PyObject *number = PyLong_FromLong((long)spread->buckets[i]);

        if (number == NULL)
            Py_CLEAR(buckets);
        else
            PyList_SET_ITEM(buckets, i, number);
    }
    snprintf(name, sizeof name, "%s_time_buckets", phase);
    put(dict, name, buckets);
    snprintf(name, sizeof name, "%s_time", phase);
    put(dict, name,
        spread->count ? PyFloat_FromDouble((double)spread->sum / 1e6 / (double)spread->count)
                      : wsgi_compat_new_ref(Py_None));
    snprintf(name, sizeof name, "%s_time_min_us", phase);
    put(dict, name,
        spread->count ? PyLong_FromLongLong(spread->least) : wsgi_compat_new_ref(Py_None));
    snprintf(name, sizeof name, "%s_time_max_us", phase);
    put(dict, name,
        spread->count ? PyLong_FromLongLong(spread->most) : wsgi_compat_new_ref(Py_None));
}

/* Names that say what the numbers are, and the older ones that say "time". */
static void put_utilization(PyObject **dict, const struct period *period, double seconds)
{
    struct rusage usage = usage_of(RUSAGE_SELF);
    double user = (double)(micro(&usage.ru_utime) - period->cpu_user) / 1e6 / seconds;
    double system = (double)(micro(&usage.ru_stime) - period->cpu_system) / 1e6 / seconds;

    put_real(dict, "cpu_user_utilization", user);
    put_real(dict, "cpu_user_time", user);
    put_real(dict, "cpu_system_utilization", system);
    put_real(dict, "cpu_system_time", system);
    put_real(dict, "cpu_utilization", user + system);
    put_real(dict, "cpu_time", user + system);
    put_memory(dict, &usage);
}

static void put_counts(PyObject **dict, const struct period *period, double seconds)
{
    static const char *const classes[] = {"status_1xx", "status_2xx", "status_3xx", "status_4xx",
                                          "status_5xx"};
    int i;

    put_number(dict, "request_count", period->count);
    put_real(dict, "request_throughput", (double)period->count / seconds);
    for (i = 0; i < 5; i++)
        put_number(dict, classes[i], period->classes[i]);
    put_number(dict, "input_bytes", period->input_bytes);
    put_number(dict, "input_reads", period->input_reads);
    put_number(dict, "output_bytes", period->output_bytes);
    put_number(dict, "output_writes", period->output_writes);
    put_number(dict, "gil_wait_count", period->waits);
}

/* Of the request that runs, what lies in this period. */
static int64_t running_for(const struct slot *slot, const struct period *period, int64_t now)
{
    int64_t since = slot->since > period->begun ? slot->since : period->begun;

    return slot->since == 0 ? 0 : now - since;
}

static void put_slots(PyObject **dict, const struct slot *slots, int count,
                      const struct period *period, int64_t now)
{
    static const char *const names[] = {
        "request_threads_completed", "request_threads_busy_time", "request_threads_cpu_time",
        "request_threads_current_elapsed", "request_threads_max_duration"};
    PyObject *lists[5];
    int i, j;

    for (j = 0; j < 5; j++)
        lists[j] = PyList_New(count);
    for (i = 0; i < count; i++) {
        const struct slot *slot = &slots[i];
        PyObject *values[5] = {
            PyLong_FromLongLong(slot->completed),
            PyFloat_FromDouble((double)(slot->busy + running_for(slot, period, now)) / 1e6),
            PyFloat_FromDouble((double)slot->cpu / 1e6),
            PyFloat_FromDouble(slot->since ? (double)(now - slot->since) / 1e6 : 0.0),
            PyFloat_FromDouble((double)slot->longest / 1e6),
        };

        for (j = 0; j < 5; j++)
            if (lists[j] == NULL || values[j] == NULL) {
                Py_CLEAR(lists[j]);
                Py_XDECREF(values[j]);
            } else {
                PyList_SET_ITEM(lists[j], i, values[j]);
            }
    }
    put(dict, "request_threads_buckets", lists[0] ? wsgi_compat_new_ref(lists[0]) : NULL);
    for (j = 0; j < 5; j++)
        put(dict, names[j], lists[j]);
}

static void put_threads(PyObject **dict, const struct slot *slots, int count, int maximum,
                        const struct period *period, int64_t now)
{
    double seconds = (double)(now - period->begun) / 1e6;
    int64_t busy = 0;
    int i, active = 0;

    for (i = 0; i < count; i++) {
        busy += slots[i].busy + running_for(&slots[i], period, now);
        active += slots[i].completed > 0 || slots[i].since != 0;
    }
    put_number(dict, "request_threads_maximum", maximum);
    put_number(dict, "request_threads_started", known_threads());
    put_number(dict, "request_threads_active", active);
    put_real(dict, "capacity_utilization",
             seconds > 0 && maximum > 0 ? (double)busy / 1e6 / seconds / maximum : 0.0);
    put_slots(dict, slots, count, period, now);
}

/* Locked: what the next period begins with. */
static void end_period(struct wsgi_metrics *metrics)
{
    int i;

    begin_period(&metrics->period);
    for (i = 0; i < metrics->slot_count; i++) {
        struct slot *slot = &metrics->slots[i];

        slot->completed = slot->busy = slot->cpu = slot->longest = 0;
    }
}

static void put_period(PyObject **dict, const struct period *period, int64_t now)
{
    double seconds = (double)(now - period->begun) / 1e6;
    int i;

    put_number(dict, "pid", getpid());
    /* Both are the end of the period, which began sample_period before: as in mod_wsgi 6. */
    put_real(dict, "start_time", (double)wsgi_clock_wall() / 1e6);
    put(dict, "stop_time",
        *dict != NULL ? wsgi_compat_new_ref(PyDict_GetItemString(*dict, "start_time")) : NULL);
    put_real(dict, "sample_period", seconds);
    seconds = seconds > 0 ? seconds : 1e-6;
    put_utilization(dict, period, seconds);
    put_counts(dict, period, seconds);
    for (i = 0; i < PHASES; i++)
        put_spread(dict, phase_names[i], &period->spreads[i]);
}

PyObject *wsgi_metrics_request(PyObject *module, PyObject *unused)
{
    struct wsgi_metrics *metrics = recorded();
    int maximum = (int)wsgi_process.settings.threads;
    int count = told_slots(maximum);
    struct period *period;
    struct slot *slots;
    PyObject *dict;
    int64_t now;

    (void)module;
    (void)unused;
    if (metrics == NULL)
        Py_RETURN_NONE;
    period = malloc(sizeof *period);
    if (period == NULL)
        return PyErr_NoMemory();
    pthread_mutex_lock(&metrics->lock);
    now = steady();
    *period = metrics->period;
    slots = copy_slots(metrics, count);
    if (slots != NULL)
        end_period(metrics);
    pthread_mutex_unlock(&metrics->lock);
    dict = slots != NULL ? PyDict_New() : PyErr_NoMemory();
    put_period(&dict, period, now);
    if (slots != NULL)
        put_threads(&dict, slots, count, maximum, period, now);
    free(slots);
    free(period);
    return dict;
}
