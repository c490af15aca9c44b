/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A process with an embedded engine, as an Apache child is one, but without httpd.
 *
 *     embedded_host LIBPYTHON ENGINE LAUNCH
 *
 * reads commands from standard input and answers in lines:
 *     run REQUEST BODY THREADS COUNT   runs a request in each of THREADS new threads COUNT times;
 *                                      the last answer is printed
 *     main REQUEST BODY                once, in the main thread
 *     ask QUESTION KIND FIRST SECOND THREADS COUNT
 *                                      asks a script that decides, likewise; FIRST and SECOND in
 *                                      hexadecimal, "-" for none
 *     stop SECONDS                     ends Python
 *     rss                              resident pages
 * BODY is a file, or "-" for none. Host log records go to standard error.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "../../roles/mod_wsgi_build/files/wire/engine.h"

struct bytes {
    unsigned char *data;
    size_t size;
};

struct exchange {
    const struct bytes *body;
    size_t read;
    struct bytes head, data, log;
    int gone_after; /* data calls until the client is gone; -1: never */
};

static const struct wsgi_engine *engine;

static struct bytes load(const char *path)
{
    struct bytes bytes = {malloc(64 << 20), 0};
    FILE *file = fopen(path, "rb");

    if (file == NULL) {
        perror(path);
        exit(2);
    }
    bytes.size = fread(bytes.data, 1, 64 << 20, file);
    fclose(file);
    return bytes;
}

static void append(struct bytes *bytes, const void *data, size_t size)
{
    bytes->data = realloc(bytes->data, bytes->size + size + 1);
    memcpy(bytes->data + bytes->size, data, size);
    bytes->size += size;
}

static ssize_t read_body(void *context, void *buffer, size_t size)
{
    struct exchange *exchange = context;
    size_t left = exchange->body != NULL ? exchange->body->size - exchange->read : 0;

    /* In small and odd pieces, as a network would. */
    if (size > 777)
        size = 777;
    if (size > left)
        size = left;
    if (size > 0)
        memcpy(buffer, exchange->body->data + exchange->read, size);
    exchange->read += size;
    return (ssize_t)size;
}

static int send_head(void *context, const unsigned char *block, size_t size)
{
    append(&((struct exchange *)context)->head, block, size);
    return 0;
}

static int send_data(void *context, const void *data, size_t size, unsigned flags)
{
    (void)flags;
    append(&((struct exchange *)context)->data, data, size);
    return 0;
}

static int send_file(void *context, int descriptor, uint64_t offset, uint64_t length)
{
    char *buffer = malloc(length);
    ssize_t count = pread(descriptor, buffer, length, (off_t)offset);

    if (count > 0)
        append(&((struct exchange *)context)->data, buffer, (size_t)count);
    free(buffer);
    return 0;
}

static int flush(void *context)
{
    (void)context;
    return 0;
}

static void log_request(void *context, int level, const char *text, size_t size)
{
    struct exchange *exchange = context;
    char mark[4];

    snprintf(mark, sizeof mark, "%d ", level);
    append(&exchange->log, mark, 2);
    append(&exchange->log, text, size);
    append(&exchange->log, "\n", 1);
}

static int client_gone(void *context)
{
    (void)context;
    return 0;
}

static int is_https(void *context)
{
    (void)context;
    return 1;
}

static const char *ssl_variable(void *context, const char *name)
{
    (void)context;
    return strcmp(name, "SSL_PROTOCOL") == 0 ? "TLSv9 \xd6" : NULL;
}

static void *native(void *context)
{
    return context;
}

static const struct wsgi_transport transport = {
    .read = read_body,
    .send_head = send_head,
    .send_data = send_data,
    .send_file = send_file,
    .flush = flush,
    .log = log_request,
    .client_gone = client_gone,
    .is_https = is_https,
    .ssl_variable = ssl_variable,
    .native = native,
};

/* As in Apache: whoever decides neither reads nor answers. */
static const struct wsgi_transport question_transport = {
    .log = log_request,
    .is_https = is_https,
    .ssl_variable = ssl_variable,
    .native = native,
};

static void log_host(int level, const char *text, size_t size)
{
    fprintf(stderr, "%d %.*s\n", level, (int)size, text);
}

static const struct wsgi_host host = {.log = log_host};

static void print_hex(const char *name, const struct bytes *bytes)
{
    size_t i;

    printf("%s ", name);
    for (i = 0; i < bytes->size; i++)
        printf("%02x", bytes->data[i]);
    printf("\n");
}

struct task {
    struct bytes request, body;
    int has_body;
    int count;
    struct exchange exchange;
    struct wsgi_outcome outcome;
    int result;
};

static void *work(void *argument)
{
    struct task *task = argument;
    struct wsgi_request request = {task->request.data, task->request.size};
    int i;

    for (i = 0; i < task->count; i++) {
        free(task->exchange.head.data);
        free(task->exchange.data.data);
        free(task->exchange.log.data);
        memset(&task->exchange, 0, sizeof task->exchange);
        task->exchange.body = task->has_body ? &task->body : NULL;
        task->result = engine->run(&request, &transport, &task->exchange, &task->outcome);
    }
    return NULL;
}

static void print_task(const struct task *task)
{
    printf("outcome %d %u %u %d %d %s\n", task->result, task->outcome.status, task->outcome.code,
           task->outcome.truncated, task->outcome.silent, task->outcome.cause);
    print_hex("head", &task->exchange.head);
    print_hex("data", &task->exchange.data);
    print_hex("log", &task->exchange.log);
}

static void run(const char *request, const char *body, int threads, int count)
{
    struct task *tasks = calloc((size_t)threads + 1, sizeof *tasks);
    pthread_t *ids = calloc((size_t)threads + 1, sizeof *ids);
    int i, all = threads > 0 ? threads : 1;

    for (i = 0; i < all; i++) {
        tasks[i].request = load(request);
        tasks[i].has_body = strcmp(body, "-") != 0;
        tasks[i].count = count;
        if (tasks[i].has_body)
            tasks[i].body = load(body);
        if (threads > 0)
            pthread_create(&ids[i], NULL, work, &tasks[i]);
        else
            work(&tasks[i]);
    }
    for (i = 0; i < threads; i++)
        pthread_join(ids[i], NULL);
    print_task(&tasks[all - 1]);
    for (i = 0; i < all; i++) {
        free(tasks[i].request.data);
        free(tasks[i].body.data);
        free(tasks[i].exchange.head.data);
        free(tasks[i].exchange.data.data);
        free(tasks[i].exchange.log.data);
    }
    free(tasks);
    free(ids);
}

/* ---- questions ---------------------------------------------------------------------------- */

struct asking {
    struct bytes request;
    struct wsgi_question question;
    int count;
    struct exchange exchange;
    struct wsgi_answer answer;
    struct wsgi_outcome outcome;
};

static void *ask_again(void *argument)
{
    struct asking *asking = argument;
    struct wsgi_request request = {asking->request.data, asking->request.size};
    int i;

    for (i = 0; i < asking->count; i++) {
        free(asking->exchange.log.data);
        free(asking->answer.texts);
        memset(&asking->exchange, 0, sizeof asking->exchange);
        engine->ask(&request, &question_transport, &asking->exchange, &asking->question,
                    &asking->answer, &asking->outcome);
    }
    return NULL;
}

static void print_asking(const struct asking *asking)
{
    const struct wsgi_answer *answer = &asking->answer;
    size_t i;

    printf("outcome 0 %u %u %d %d %s\n", asking->outcome.status, asking->outcome.code,
           asking->outcome.truncated, asking->outcome.silent, asking->outcome.cause);
    print_hex("log", &asking->exchange.log);
    printf("verdict %d %zu\n", (int)answer->verdict, answer->count);
    for (i = 0; i < answer->count && i < 1000; i++) {
        const char *text = answer->texts[i];
        struct bytes bytes = {(unsigned char *)(uintptr_t)text, text != NULL ? strlen(text) : 0};

        print_hex(text != NULL ? "text" : "none", &bytes);
    }
}

static char *from_hex(const char *hex)
{
    size_t size = strlen(hex) / 2, i;
    char *text;

    if (strcmp(hex, "-") == 0)
        return NULL;
    text = calloc(1, size + 1);
    for (i = 0; i < size; i++) {
        unsigned value;

        if (sscanf(hex + 2 * i, "%2x", &value) != 1)
            exit(2);
        text[i] = (char)value;
    }
    return text;
}

static void ask(const char *request, int kind, const char *first, const char *second, int threads,
                int count)
{
    struct asking *askings = calloc((size_t)threads + 1, sizeof *askings);
    pthread_t *ids = calloc((size_t)threads + 1, sizeof *ids);
    int i, all = threads > 0 ? threads : 1;

    for (i = 0; i < all; i++) {
        askings[i].request = load(request);
        askings[i].count = count;
        askings[i].question = (struct wsgi_question){(enum wsgi_question_kind)kind, from_hex(first),
                                                     from_hex(second)};
        if (threads > 0)
            pthread_create(&ids[i], NULL, ask_again, &askings[i]);
        else
            ask_again(&askings[i]);
    }
    for (i = 0; i < threads; i++)
        pthread_join(ids[i], NULL);
    print_asking(&askings[all - 1]);
    for (i = 0; i < all; i++) {
        free(askings[i].request.data);
        free((void *)(uintptr_t)askings[i].question.first);
        free((void *)(uintptr_t)askings[i].question.second);
        free(askings[i].exchange.log.data);
        free(askings[i].answer.texts);
    }
    free(askings);
    free(ids);
}

#define TEXT_MAX 20000 /* hexadecimal digits of a name */

static void obey(const char *line)
{
    static char first[TEXT_MAX + 1], second[TEXT_MAX + 1];
    char request[1024], body[1024];
    int threads, count, kind;
    unsigned seconds;

    if (sscanf(line, "run %1023s %1023s %d %d", request, body, &threads, &count) == 4)
        run(request, body, threads, count);
    else if (sscanf(line, "main %1023s %1023s", request, body) == 2)
        run(request, body, 0, 1);
    else if (sscanf(line, "ask %1023s %d %20000s %20000s %d %d", request, &kind, first, second,
                    &threads, &count) == 6)
        ask(request, kind, first, second, threads, count);
    else if (sscanf(line, "stop %u", &seconds) == 1)
        engine->stop(seconds);
    else if (strcmp(line, "rss\n") == 0) {
        long pages = 0;
        FILE *file = fopen("/proc/self/statm", "r");

        if (file == NULL || fscanf(file, "%*d %ld", &pages) != 1)
            exit(2);
        fclose(file);
        printf("rss %ld\n", pages * 4);
    }
    printf("done\n");
    fflush(stdout);
}

int main(int count, char **arguments)
{
    static char line[2 * TEXT_MAX + 4096];
    char error[512] = "";
    struct bytes launch;
    void *library;

    if (count != 4)
        return 2;
    if (dlopen(arguments[1], RTLD_NOW | RTLD_GLOBAL) == NULL ||
        (library = dlopen(arguments[2], RTLD_NOW | RTLD_LOCAL)) == NULL) {
        fprintf(stderr, "%s\n", dlerror());
        return 2;
    }
    engine = dlsym(library, WSGI_ENGINE_SYMBOL);
    if (engine == NULL || engine->abi != WSGI_ENGINE_ABI || engine->size != sizeof *engine)
        return 2;
    launch = load(arguments[3]);
    if (engine->start(launch.data, launch.size, &host, error, sizeof error) != 0) {
        printf("failed %s\n", error);
        return 1;
    }
    free(launch.data);
    printf("up %s %s %s\n", engine->build, engine->python_version, engine->soabi);
    fflush(stdout);
    while (fgets(line, sizeof line, stdin) != NULL)
        obey(line);
    return 0;
}
