/* SPDX-License-Identifier: Apache-2.0 */
/* The Python stack of another thread. */
#include "stacks.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <ucontext.h>
#include <unistd.h>

#include "process.h"

#define SIGNAL_LAST 12 /* signals below SIGRTMAX that are tried */
#define WORDS 96       /* of the native stack that are looked at */
#define MAPS 512       /* executable mappings that are remembered */
#define MAP_NAME 48
#define END_MARK '\0'

/* One piece of executable memory. */
struct map {
    uintptr_t begin, end;
    enum { OF_SYSTEM, OF_PYTHON, OF_OTHERS } kind;
    char name[MAP_NAME];
};

struct wsgi_stacks {
    int pipe[2]; /* non-blocking: a thread never waits for us */
    int number;  /* of the signal */
    int writer;  /* of the one at which faulthandler writes, 0: we do */
    const char *problem;

    /* For the handler. */
    pid_t wanted; /* tid, 0: nobody is asked; atomic */
    PyThreadState *const *state;

    /* From the handler, complete when the mark has come. */
    int holds_gil;
    uintptr_t words[WORDS]; /* the instruction, then the stack from its top on */
    int word_count;

    struct map maps[MAPS];
    int map_count;
};

/* ---- the handler: on the thread that is asked ---------------------------- */

/* The kernel reads, because the thread may be on a stack of the application's own (a coroutine's)
 * that ends above, and because these words belong to whoever pushed them. */
static void take_stack(struct wsgi_stacks *stacks, uintptr_t top)
{
    uintptr_t page = (uintptr_t)sysconf(_SC_PAGESIZE);
    size_t size = (size_t)(WORDS - stacks->word_count) * sizeof stacks->words[0];
    size_t first = page - top % page < size ? page - top % page : size;
    struct iovec here = {&stacks->words[stacks->word_count], size};
    struct iovec there[2] = {{(void *)top, first}, {(void *)(top + first), size - first}};
    ssize_t got = process_vm_readv(wsgi_process.pid, &here, 1, there, first < size ? 2 : 1, 0);

    if (got > 0)
        stacks->word_count += (int)((size_t)got / sizeof stacks->words[0]);
}

static void take_words(struct wsgi_stacks *stacks, const ucontext_t *context)
{
    stacks->word_count = 0;
#if defined(__x86_64__)
    stacks->words[stacks->word_count++] = (uintptr_t)context->uc_mcontext.gregs[REG_RIP];
    take_stack(stacks, (uintptr_t)context->uc_mcontext.gregs[REG_RSP]);
#elif defined(__aarch64__)
    stacks->words[stacks->word_count++] = (uintptr_t)context->uc_mcontext.pc;
    take_stack(stacks, (uintptr_t)context->uc_mcontext.sp);
#else
    (void)context;
    (void)take_stack;
#endif
}

static void on_ask(int number, siginfo_t *info, void *context)
{
    struct wsgi_stacks *stacks = wsgi_process.stacks;
    PyThreadState *state = NULL;
    char mark = END_MARK;
    int problem = errno;

    (void)number;
    (void)info;
    if (stacks == NULL || wsgi_process.forked ||
        __atomic_load_n(&stacks->wanted, __ATOMIC_ACQUIRE) != (pid_t)syscall(SYS_gettid))
        return;
    if (stacks->state != NULL)
        state = __atomic_load_n(stacks->state, __ATOMIC_ACQUIRE);
    /* Who was asked may have stood still for long, and another thread be asked meanwhile: the
     * frames of that one change under our eyes. */
    if (state == NULL || state->thread_id != PyThread_get_thread_ident())
        state = PyGILState_GetThisThreadState();
    stacks->holds_gil = state != NULL && wsgi_compat_attached() == state;
    take_words(stacks, context);
    if (stacks->writer > 0)
        raise(stacks->writer); /* it has written when this returns */
    else if (state != NULL)
        wsgi_compat_dump(stacks->pipe[1], state);
    if (write(stacks->pipe[1], &mark, 1) < 0)
        errno = problem; /* then nobody is told, and who asked gives up */
    errno = problem;
}

/* ---- preparing ----------------------------------------------------------- */

/* A signal that nobody has a use for. */
static int take_signal(void (*handler)(int, siginfo_t *, void *))
{
    struct sigaction action, before;
    int number;

    memset(&action, 0, sizeof action);
    action.sa_sigaction = handler;
    action.sa_flags = SA_RESTART | SA_SIGINFO | SA_ONSTACK;
    sigemptyset(&action.sa_mask);
    for (number = SIGRTMAX - 2; number > SIGRTMAX - SIGNAL_LAST; number--)
        if (sigaction(number, NULL, &before) == 0 && before.sa_handler == SIG_DFL)
            return sigaction(number, &action, NULL) == 0 ? number : -1;
    return -1;
}

/* What is left when an application takes faulthandler's handler away. */
static void on_nothing(int number, siginfo_t *info, void *context)
{
    (void)number;
    (void)info;
    (void)context;
}

/* From 3.13 on only faulthandler can write a stack. It keeps one record a signal, so it does not
 * matter what else an application does with it. */
static const char *let_faulthandler_write(struct wsgi_stacks *stacks)
{
    PyObject *module = PyImport_ImportModule("faulthandler");
    PyObject *function = module != NULL ? PyObject_GetAttrString(module, "register") : NULL;
    PyObject *result = NULL;
    const char *problem = NULL;
    int number = function != NULL ? take_signal(on_nothing) : -1;

    if (number > 0)
        result = PyObject_CallFunction(function, "iiii", number, stacks->pipe[1], 0, 0);
    if (result != NULL)
        stacks->writer = number;
    if (module == NULL)
        problem = "this Python has no module faulthandler";
    else if (result == NULL)
        problem = "faulthandler.register() refused";
    PyErr_Clear();
    Py_XDECREF(result);
    Py_XDECREF(function);
    Py_XDECREF(module);
    return problem;
}

struct wsgi_stacks *wsgi_stacks_prepare(void)
{
    struct wsgi_stacks *stacks = calloc(1, sizeof *stacks);

    if (stacks == NULL)
        return NULL;
    if (pipe2(stacks->pipe, O_CLOEXEC | O_NONBLOCK) != 0) {
        free(stacks);
        return NULL;
    }
    stacks->number = take_signal(on_ask);
    if (stacks->number < 0)
        stacks->problem = "no signal is free";
    else if (!WSGI_COMPAT_DUMPS)
        stacks->problem = let_faulthandler_write(stacks);
    return stacks;
}

const char *wsgi_stacks_problem(const struct wsgi_stacks *stacks)
{
    return stacks->problem;
}

/* ---- native code --------------------------------------------------------- */

static int begins_with(const char *text, const char *start)
{
    return strncmp(text, start, strlen(start)) == 0;
}

static int kind_of(const char *name)
{
    if (begins_with(name, "libc.") || begins_with(name, "libc-") || begins_with(name, "ld-") ||
        begins_with(name, "libpthread") || begins_with(name, "ld.so") || *name == '[')
        return OF_SYSTEM;
    return begins_with(name, "python") || begins_with(name, "libpython") ? OF_PYTHON : OF_OTHERS;
}

/* A line of /proc/self/maps: "begin-end rwxp offset device inode   path". */
static void add_map(struct wsgi_stacks *stacks, const char *line)
{
    unsigned long begin, end;
    char permissions[8];
    int path = 0;
    struct map *map = stacks->maps + stacks->map_count;
    const char *name;

    if (stacks->map_count == MAPS ||
        sscanf(line, "%lx-%lx %7s %*s %*s %*s %n", &begin, &end, permissions, &path) < 3 ||
        path == 0 || permissions[2] != 'x' || line[path] == '\0')
        return;
    name = strrchr(line + path, '/');
    name = name != NULL ? name + 1 : line + path;
    map->begin = begin;
    map->end = end;
    map->kind = kind_of(name);
    snprintf(map->name, sizeof map->name, "%s", name);
    stacks->map_count++;
}

/* Neither stdio nor the loader's own list: both have locks. */
static void read_maps(struct wsgi_stacks *stacks)
{
    char text[4096], *line, *newline;
    int descriptor = open("/proc/self/maps", O_RDONLY | O_CLOEXEC);
    size_t used = 0;
    ssize_t got;

    stacks->map_count = 0;
    while (descriptor >= 0 && (got = read(descriptor, text + used, sizeof text - 1 - used)) > 0) {
        used += (size_t)got;
        text[used] = '\0';
        for (line = text; (newline = strchr(line, '\n')) != NULL; line = newline + 1) {
            *newline = '\0';
            add_map(stacks, line);
        }
        used = line == text ? 0 : used - (size_t)(line - text); /* a line too long is left out */
        memmove(text, line, used);
    }
    if (descriptor >= 0)
        close(descriptor);
}

static const struct map *map_of(const struct wsgi_stacks *stacks, uintptr_t address)
{
    int i;

    for (i = 0; i < stacks->map_count; i++)
        if (address >= stacks->maps[i].begin && address < stacks->maps[i].end)
            return stacks->maps + i;
    return NULL;
}

/* The first code on the stack that is neither the system's nor unknown: it called the rest. */
static const struct map *caller_of(const struct wsgi_stacks *stacks)
{
    int i;

    for (i = 0; i < stacks->word_count; i++) {
        const struct map *map = map_of(stacks, stacks->words[i]);

        if (map != NULL && map->kind != OF_SYSTEM)
            return map;
    }
    return NULL;
}

static void tell_where(struct wsgi_stacks *stacks, struct wsgi_stack *stack)
{
    const char *gil = stacks->holds_gil ? "with the GIL held" : "without the GIL";
    const struct map *here, *caller;

    read_maps(stacks);
    here = stacks->word_count > 0 ? map_of(stacks, stacks->words[0]) : NULL;
    caller = caller_of(stacks);
    if (here != NULL && here->kind == OF_PYTHON)
        snprintf(stack->where, sizeof stack->where, "in Python, %s", gil);
    else if (caller != NULL && caller->kind == OF_OTHERS)
        snprintf(stack->where, sizeof stack->where, "in native code of %s, %s", caller->name, gil);
    else if (here != NULL)
        snprintf(stack->where, sizeof stack->where, "in native code (%s), %s", here->name, gil);
    else
        snprintf(stack->where, sizeof stack->where, "in native code, %s", gil);
}

/* ---- asking -------------------------------------------------------------- */

static long now(void)
{
    return (long)wsgi_clock_steady();
}

static void empty(const struct wsgi_stacks *stacks)
{
    char rest[1024];

    while (read(stacks->pipe[0], rest, sizeof rest) > 0)
        continue;
}

/* Lines of frames only; what does not fit is told, in a line. */
static void tidy(struct wsgi_stack *stack, int is_cut)
{
    static const char more[] = "  ...\n";
    char *begin = memmem(stack->text, stack->size, "  File", 6), *newline;

    stack->size = begin != NULL ? stack->size - (size_t)(begin - stack->text) : 0;
    if (begin != NULL)
        memmove(stack->text, begin, stack->size);
    newline = memrchr(stack->text, '\n', stack->size);
    stack->size = newline != NULL ? (size_t)(newline - stack->text) + 1 : 0;
    if (is_cut) {
        memcpy(stack->text + stack->size, more, sizeof more - 1);
        stack->size += sizeof more - 1;
    }
}

/* Until the mark has come. 1: it has. */
static int receive(const struct wsgi_stacks *stacks, struct wsgi_stack *stack, int patience)
{
    struct pollfd wait = {stacks->pipe[0], POLLIN, 0};
    long until = now() + patience, left;
    char piece[1024], *mark;
    size_t room, size;
    int is_cut = 0;
    ssize_t got;

    while ((left = until - now()) > 0) {
        if (poll(&wait, 1, (int)left) <= 0)
            continue;
        got = read(stacks->pipe[0], piece, sizeof piece);
        if (got <= 0)
            continue;
        mark = memchr(piece, END_MARK, (size_t)got);
        size = mark != NULL ? (size_t)(mark - piece) : (size_t)got;
        room = sizeof stack->text - 16 - stack->size;
        is_cut |= size > room;
        size = size < room ? size : room;
        memcpy(stack->text + stack->size, piece, size);
        stack->size += size;
        if (mark != NULL) {
            tidy(stack, is_cut);
            return 1;
        }
    }
    return 0;
}

void wsgi_stacks_take(struct wsgi_stacks *stacks, const struct wsgi_stack_target *target,
                      int patience, struct wsgi_stack *stack)
{
    stack->size = 0;
    stack->answered = 0;
    snprintf(stack->where, sizeof stack->where, "it cannot be asked what it does");
    if (stacks->number < 0)
        return;
    empty(stacks);
    stacks->state = target->state;
    __atomic_store_n(&stacks->wanted, target->tid, __ATOMIC_RELEASE);
    if (syscall(SYS_tgkill, wsgi_process.pid, target->tid, stacks->number) == 0)
        stack->answered = receive(stacks, stack, patience);
    __atomic_store_n(&stacks->wanted, 0, __ATOMIC_RELEASE);
    if (stack->answered)
        tell_where(stacks, stack);
    else
        stack->size = 0;
}

/* ---- all threads --------------------------------------------------------- */

struct linux_dirent64 {
    uint64_t inode;
    int64_t next;
    unsigned short size;
    unsigned char type;
    char name[];
};

/* Not by opendir(), which allocates memory. */
int wsgi_stacks_threads(pid_t *tids, int most)
{
    char entries[2048] __attribute__((aligned(8)));
    int descriptor = open("/proc/self/task", O_RDONLY | O_DIRECTORY | O_CLOEXEC), count = 0;
    long got, at;

    while (descriptor >= 0 &&
           (got = syscall(SYS_getdents64, descriptor, entries, sizeof entries)) > 0)
        for (at = 0; at < got;) {
            const struct linux_dirent64 *entry = (const void *)(entries + at);

            if (count < most && entry->name[0] != '.')
                tids[count++] = (pid_t)strtol(entry->name, NULL, 10);
            at += entry->size;
        }
    if (descriptor >= 0)
        close(descriptor);
    return count;
}
