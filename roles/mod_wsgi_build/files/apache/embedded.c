/* SPDX-License-Identifier: Apache-2.0 */
#include "embedded.h"

#include "block.h"
#include "body.h"
#include "config.h"
#include "group.h"
#include "log.h"
#include "peruser.h"
#include "responsefile.h"
#include "responsehead.h"
#include "scores.h"
#include "../wire/engine.h"
#include "../wire/vars.h"

#include "ap_mpm.h"
#include "apr_lib.h"
#include "apr_optional.h"
#include "apr_strings.h"
#include "http_core.h"

#include <dlfcn.h>
#include <errno.h>
#include <string.h>
#include <unistd.h>

APR_DECLARE_OPTIONAL_FN(int, ssl_is_https, (conn_rec *));
APR_DECLARE_OPTIONAL_FN(char *, ssl_var_lookup,
                        (apr_pool_t *, server_rec *, conn_rec *, request_rec *, char *));

#ifndef WSGI_FINGERPRINT
#define WSGI_FINGERPRINT ""
#endif

#define STOP_SECONDS 3 /* httpd kills a child that takes much longer */
#define ERROR_MAX 512

/* The one record of this process. Written by wsgi_embedded_start(), before any request; with
 * mpm_itk in the process of a connection, which has one thread. */
static struct {
    const struct wsgi_engine *engine; /* NULL: out of service */
    const char *problem;              /* why */
    server_rec *main_server;
    pid_t pid;         /* a process that an application forks off is not ours to end */
    apr_pool_t *later; /* of the child: its forks start Python, each for itself */
} host;

/* The request this thread runs: the log of its virtual host is the right one, whoever writes. */
static __thread request_rec *current;

/* ---- log outside a request ------------------------------------------------------------------- */

/* The main server's log, unless only another virtual host wants records of this level. */
static server_rec *server_for(int level)
{
    server_rec *s;

    for (s = host.main_server; s != NULL; s = s->next)
        if (ap_get_server_module_loglevel(s, APLOG_MODULE_INDEX) >= level)
            return s;
    return host.main_server;
}

static void host_log(int level, const char *text, size_t size)
{
    if (current != NULL)
        wsgi_log_request_text(current, level, text, size);
    else
        wsgi_log_server_text(server_for(wsgi_log_level(level)), level, text, size);
}

static const struct wsgi_host host_functions = {.log = host_log, .scores = wsgi_scores_copy};

/* ---- libpython and engine -------------------------------------------------------------------- */

/* Another module may have brought a Python along; two different ones would mix silently. */
static const char *check_loaded_python(apr_pool_t *pool, const struct wsgi_python *python)
{
    const char *(*get_version)(void);
    const char *loaded;
    size_t minor = strcspn(python->version, ".") + 1;

    *(void **)&get_version = dlsym(RTLD_DEFAULT, "Py_GetVersion");
    if (get_version == NULL)
        return NULL;
    loaded = get_version();
    minor += strspn(python->version + minor, "0123456789");
    if (strncmp(loaded, python->version, minor) == 0 && !apr_isdigit(loaded[minor]))
        return NULL;
    return apr_psprintf(pool,
                        "another module has loaded Python %.10s into httpd, embedded mode needs "
                        "%s; remove that module, or use daemon mode",
                        loaded, python->version);
}

static const char *load_libpython(apr_pool_t *pool, const struct wsgi_python *python)
{
    const char *error;

    if (*python->libpython == '\0')
        return apr_psprintf(pool,
                            "Python %s (%s) has no shared libpython, which embedded mode needs; "
                            "use daemon mode, or a Python built with --enable-shared",
                            python->version, python->interpreter);
    error = check_loaded_python(pool, python);
    if (error != NULL)
        return error;
    /* Global: the extension modules of this Python look for its symbols. */
    if (dlopen(python->libpython, RTLD_NOW | RTLD_GLOBAL) == NULL)
        return apr_psprintf(pool, "cannot load %s: %s", python->libpython, dlerror());
    return NULL;
}

/* The two sides of one build belong together; abi is looked at first, it never moves. */
static const char *check_engine(apr_pool_t *pool, const char *path,
                                const struct wsgi_engine *engine)
{
    const char *theirs;

    if (engine->abi == WSGI_ENGINE_ABI && engine->size == sizeof(*engine) &&
        strcmp(engine->fingerprint, WSGI_FINGERPRINT) == 0)
        return NULL;
    theirs = engine->abi == WSGI_ENGINE_ABI && engine->size == sizeof(*engine) ? engine->fingerprint
                                                                               : "unknown";
    return apr_psprintf(pool,
                        "engine %s (abi %u, build %s) does not belong to this mod_wsgi.so (abi %u, "
                        "build %s); install the module again and restart httpd",
                        path, (unsigned)engine->abi, theirs, WSGI_ENGINE_ABI, WSGI_FINGERPRINT);
}

static const char *load_engine(apr_pool_t *pool, const char *path,
                               const struct wsgi_engine **engine)
{
    void *library = dlopen(path, RTLD_NOW | RTLD_LOCAL);
    const char *error;

    if (library == NULL)
        return apr_psprintf(pool, "cannot load engine: %s", dlerror());
    *engine = dlsym(library, WSGI_ENGINE_SYMBOL);
    if (*engine == NULL)
        error = apr_psprintf(pool, "%s is not an engine: it has no %s", path, WSGI_ENGINE_SYMBOL);
    else
        error = check_engine(pool, path, *engine);
    if (error != NULL)
        dlclose(library);
    return error;
}

/* ---- start and stop -------------------------------------------------------------------------- */

/* prefork ends a child inside a signal handler, maybe in the midst of Python: that thread cannot
 * also end Python, so the process just goes. */
static apr_status_t stop(void *unused)
{
    (void)unused;
    if (host.engine != NULL && host.pid == getpid() && current == NULL)
        host.engine->stop(STOP_SECONDS);
    host.engine = NULL;
    return APR_SUCCESS;
}

static const char *start_engine(apr_pool_t *pchild, const struct wsgi_settings *settings)
{
    struct wsgi_block_server server;
    struct wsgi_vars_writer launch;
    char error[ERROR_MAX] = "";
    const struct wsgi_engine *engine = NULL;
    const char *problem = load_engine(pchild, settings->python->engine, &engine);

    if (problem != NULL)
        return problem;
    wsgi_block_describe(pchild, host.main_server, &server);
    wsgi_block_embedded(&launch, &server);
    if (wsgi_vars_end(&launch) != 0)
        problem = "no memory for the launch block";
    else if (engine->start(launch.data, launch.used, &host_functions, error, sizeof(error)) != 0)
        problem = apr_psprintf(pchild, "Python did not start: %s", error);
    wsgi_vars_free(&launch);
    if (problem != NULL)
        return problem;
    host.engine = engine;
    apr_pool_cleanup_register(pchild, NULL, stop, apr_pool_cleanup_null);
    return NULL;
}

static void start(apr_pool_t *pchild)
{
    const struct wsgi_settings *settings = wsgi_config_settings(host.main_server);
    int optional;

    /* A Python without libpython is fine for daemons: only a request that needs it is told. A
     * script that decides needs it for every request. */
    optional = *settings->python->libpython == '\0' && !settings->python_needed;
    host.problem = load_libpython(pchild, settings->python);
    if (host.problem == NULL)
        host.problem = start_engine(pchild, settings);
    if (host.problem != NULL)
        ap_log_error(APLOG_MARK, optional ? APLOG_INFO : APLOG_ERR, 0, host.main_server,
                     "WSGI%04d: embedded mode is out of service in process %ld: %s",
                     WSGI_CODE_PYTHON_NOT_UP, (long)host.pid, host.problem);
}

/* A child of mpm_itk may become any user, root too, and no code of a site is to run with that;
 * nor would a Python live on in the processes it forks for its connections. */
void wsgi_embedded_start(apr_pool_t *pchild, server_rec *main_server)
{
    host.main_server = main_server;
    host.pid = getpid();
    host.problem = wsgi_config_settings(main_server)->embedded_broken;
    if (host.problem != NULL)
        return; /* said at start-up */
    if (wsgi_peruser_is_loaded())
        host.later = pchild;
    else
        start(pchild);
}

/* Asked at each request: it is the first one of this connection, its user is known. */
static int is_in_service(void)
{
    if (host.later != NULL && host.pid != getpid()) {
        apr_pool_t *pchild = host.later;

        host.later = NULL;
        host.pid = getpid();
        start(pchild);
    }
    return host.engine != NULL;
}

/* ---- transport ------------------------------------------------------------------------------- */

struct exchange {
    request_rec *r;
    struct wsgi_body *body;
    struct wsgi_response *response;
};

/* What was written so far must not wait for what the client sends after reading it. */
static ssize_t exchange_read(void *context, void *buffer, size_t size)
{
    struct exchange *exchange = context;
    ssize_t got = wsgi_body_read(exchange->body, buffer, size, 0);

    if (got >= 0 || errno != EAGAIN)
        return got;
    if (wsgi_response_yield(exchange->response) != 0) {
        errno = EPIPE;
        return -1;
    }
    return wsgi_body_read(exchange->body, buffer, size, 1);
}

static void exchange_want(void *context)
{
    struct exchange *exchange = context;

    if (exchange->r->expecting_100 && wsgi_response_yield(exchange->response) == 0)
        wsgi_body_want(exchange->body);
}

static int exchange_head(void *context, const unsigned char *block, size_t size)
{
    struct exchange *exchange = context;
    enum wsgi_head_status why;

    if (wsgi_response_head(exchange->response, block, size, &why) == 0)
        return 0;
    ap_log_rerror(APLOG_MARK, APLOG_DEBUG, 0, exchange->r, "response head refused: %s",
                  wsgi_head_status_text(why));
    errno = EINVAL;
    return -1;
}

/* 0 or -1 as the functions of response.h say it, with the errno a transport gives. */
static int gone_if(int failed)
{
    if (failed != 0)
        errno = EPIPE;
    return failed;
}

static int exchange_data(void *context, const void *data, size_t size, unsigned flags)
{
    struct exchange *exchange = context;

    return gone_if(
        wsgi_response_data(exchange->response, data, size, (flags & WSGI_SEND_FLUSH) != 0));
}

static int exchange_file(void *context, int descriptor, uint64_t offset, uint64_t length)
{
    struct exchange *exchange = context;

    return gone_if(wsgi_response_file(exchange->response, descriptor, offset, length, 1));
}

static int exchange_flush(void *context)
{
    struct exchange *exchange = context;

    return gone_if(wsgi_response_flush(exchange->response));
}

static void exchange_log(void *context, int level, const char *text, size_t size)
{
    struct exchange *exchange = context;

    wsgi_log_request_text(exchange->r, level, text, size);
}

static int exchange_client_gone(void *context)
{
    struct exchange *exchange = context;

    return exchange->response->gone || exchange->r->connection->aborted;
}

static int exchange_is_https(void *context)
{
    const struct exchange *exchange = context;
    APR_OPTIONAL_FN_TYPE(ssl_is_https) *look = APR_RETRIEVE_OPTIONAL_FN(ssl_is_https);

    return look != NULL && look(exchange->r->connection) != 0;
}

static const char *exchange_ssl_variable(void *context, const char *name)
{
    const struct exchange *exchange = context;
    APR_OPTIONAL_FN_TYPE(ssl_var_lookup) *look = APR_RETRIEVE_OPTIONAL_FN(ssl_var_lookup);
    request_rec *r = exchange->r;

    if (look == NULL)
        return NULL;
    return look(r->pool, r->server, r->connection, r, apr_pstrdup(r->pool, name));
}

static void *exchange_native(void *context)
{
    const struct exchange *exchange = context;

    return exchange->r;
}

static const struct wsgi_transport transport = {
    .read = exchange_read,
    .want = exchange_want,
    .send_head = exchange_head,
    .send_data = exchange_data,
    .send_file = exchange_file,
    .flush = exchange_flush,
    .log = exchange_log,
    .client_gone = exchange_client_gone,
    .started = NULL,
    .is_https = exchange_is_https,
    .ssl_variable = exchange_ssl_variable,
    .native = exchange_native,
};

/* A script that decides neither reads nor answers. */
static const struct wsgi_transport question_transport = {
    .log = exchange_log,
    .is_https = exchange_is_https,
    .ssl_variable = exchange_ssl_variable,
    .native = exchange_native,
};

static void fail_out_of_service(struct wsgi_outcome *outcome)
{
    wsgi_outcome_fail(outcome, HTTP_INTERNAL_SERVER_ERROR, WSGI_CODE_PYTHON_NOT_UP,
                      "embedded mode is out of service: %s",
                      host.problem != NULL ? host.problem : "the process is ending");
}

void wsgi_embedded_run(request_rec *r, const unsigned char *vars, size_t vars_size,
                       struct wsgi_body *body, struct wsgi_response *response,
                       struct wsgi_outcome *outcome)
{
    struct exchange exchange = {r, body, response};
    struct wsgi_request request = {vars, vars_size};
    request_rec *outer = current;
    int ended;

    if (!is_in_service()) {
        fail_out_of_service(outcome);
        return;
    }
    current = r;
    ended = host.engine->run(&request, &transport, &exchange, outcome);
    current = outer;
    if (ended == WSGI_RUN_DONE)
        return;
    memset(outcome, 0, sizeof(*outcome));
    wsgi_outcome_fail(outcome, HTTP_INTERNAL_SERVER_ERROR, WSGI_CODE_PYTHON_NOT_UP,
                      "the engine wants its process replaced, which embedded mode cannot do");
}

void wsgi_embedded_ask(request_rec *r, const unsigned char *vars, size_t vars_size,
                       const struct wsgi_question *question, struct wsgi_answer *answer,
                       struct wsgi_outcome *outcome)
{
    struct exchange exchange = {.r = r};
    struct wsgi_request request = {vars, vars_size};
    request_rec *outer = current;

    memset(answer, 0, sizeof(*answer));
    memset(outcome, 0, sizeof(*outcome));
    if (!is_in_service()) {
        fail_out_of_service(outcome);
        return;
    }
    current = r;
    host.engine->ask(&request, &question_transport, &exchange, question, answer, outcome);
    current = outer;
}
