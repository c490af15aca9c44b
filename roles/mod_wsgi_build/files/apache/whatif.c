/* SPDX-License-Identifier: Apache-2.0 */
#include "whatif.h"

#include "apr_strings.h"
#include "http_config.h"
#include "http_core.h"
#include "http_log.h"
#include "http_main.h"
#include "http_protocol.h"
#include "http_request.h"
#include "http_vhost.h"

#include <string.h>

#define ANY_CLIENT "192.0.2.1" /* of a net that exists in documentation only */
#define LOOPBACK "127.0.0.1"

/* The one record of this process. `shadow` poses as an earlier request that was let in. */
static struct {
    request_rec *asked;
    request_rec shadow;
    struct ap_logconf quiet;
} state;

/* ---- past access control -----------------------------------------------------------------------
 */

/* header_parser, the last: access control comes next, which may ask a script and so Python. It is
 * skipped for a request whose predecessor was let in under the same configuration. */
static int enter_access(request_rec *r)
{
    if (r != state.asked)
        return DECLINED;
    r->log = &state.quiet;
    state.shadow.per_dir_config = r->per_dir_config;
    r->prev = &state.shadow;
    return DECLINED;
}

/* type_checker, the first. */
static int leave_access(request_rec *r)
{
    if (r == state.asked)
        r->prev = NULL;
    return DECLINED;
}

/* The module that knows AddHandler and AddType reads its list of types in post_config, which a test
 * of the configuration does not get to. Other modules are left alone: some start programs there. */
static void read_types(apr_pool_t *pool)
{
    const apr_array_header_t *hooks = ap_hook_get_post_config();
    int i;

    for (i = 0; hooks != NULL && i < hooks->nelts; i++) {
        const ap_LINK_post_config_t *hook = &APR_ARRAY_IDX(hooks, i, const ap_LINK_post_config_t);

        if (strcmp(hook->szName, "mod_mime.c") == 0)
            hook->pFunc(pool, pool, pool, ap_server_conf);
    }
}

void wsgi_whatif_prepare(apr_pool_t *pool)
{
    read_types(pool);
    state.quiet.level = APLOG_EMERG;
    ap_hook_header_parser(enter_access, NULL, NULL, APR_HOOK_REALLY_LAST);
    ap_hook_type_checker(leave_access, NULL, NULL, APR_HOOK_REALLY_FIRST);
    apr_hook_sort_all();
}

/* ---- a connection and a request of its own -----------------------------------------------------
 */

static apr_sockaddr_t *make_address(apr_pool_t *pool, const char *ip, apr_port_t port)
{
    apr_sockaddr_t *address;

    if (apr_sockaddr_info_get(&address, ip, APR_UNSPEC, port, 0, pool) != APR_SUCCESS)
        return NULL;
    return address;
}

static conn_rec *make_connection(apr_pool_t *pool, const char *ip, apr_port_t port)
{
    conn_rec *c = apr_pcalloc(pool, sizeof(*c));

    c->local_addr = make_address(pool, ip, port);
    c->client_addr = make_address(pool, ANY_CLIENT, 0);
    if (c->local_addr == NULL || c->client_addr == NULL)
        return NULL;
    c->pool = pool;
    c->base_server = ap_server_conf;
    c->local_ip = (char *)ip;
    c->client_ip = (char *)ANY_CLIENT;
    c->conn_config = ap_create_conn_config(pool);
    c->notes = apr_table_make(pool, 4);
    c->bucket_alloc = apr_bucket_alloc_create(pool);
    c->log = &state.quiet;
    ap_update_vhost_given_ip(c);
    return c;
}

static request_rec *make_request(apr_pool_t *pool, conn_rec *c)
{
    request_rec *r = apr_pcalloc(pool, sizeof(*r));

    r->pool = pool;
    r->connection = c;
    r->server = c->base_server;
    r->log = &state.quiet;
    r->useragent_addr = c->client_addr;
    r->useragent_ip = c->client_ip;
    r->headers_in = apr_table_make(pool, 4);
    r->trailers_in = apr_table_make(pool, 1);
    r->subprocess_env = apr_table_make(pool, 4);
    r->headers_out = apr_table_make(pool, 4);
    r->err_headers_out = apr_table_make(pool, 4);
    r->trailers_out = apr_table_make(pool, 1);
    r->notes = apr_table_make(pool, 4);
    r->request_config = ap_create_request_config(pool);
    r->per_dir_config = r->server->lookup_defaults;
    r->allowed_methods = ap_make_method_list(pool, 2);
    r->read_body = REQUEST_NO_BODY;
    r->used_path_info = AP_REQ_DEFAULT_PATH_INFO;
    r->status = HTTP_OK;
    r->request_time = apr_time_now();
    r->method = "GET";
    r->method_number = M_GET;
    r->protocol = (char *)"HTTP/1.1";
    r->proto_num = HTTP_VERSION(1, 1);
    return r;
}

static void write_head(request_rec *r, const char *host, apr_port_t port, const char *target)
{
    const char *name = host;

    if (port != DEFAULT_HTTP_PORT && port != DEFAULT_HTTPS_PORT)
        name = apr_psprintf(r->pool, "%s:%u", host, (unsigned)port);
    r->the_request = apr_pstrcat(r->pool, "GET ", target, " HTTP/1.1", NULL);
    apr_table_setn(r->headers_in, "Host", name);
    ap_run_create_request(r);
    ap_parse_uri(r, target);
    ap_update_vhost_from_headers(r);
}

/* ---- which virtual host ------------------------------------------------------------------------
 */

static request_rec *ask_at(apr_pool_t *pool, const char *ip, const char *host, apr_port_t port,
                           const char *target)
{
    conn_rec *c = make_connection(pool, ip, port);
    request_rec *r;

    if (c == NULL)
        return NULL;
    r = make_request(pool, c);
    write_head(r, host, port, target);
    return r;
}

/* The address a virtual host is reached at; loopback stands for every one. */
static const char *address_of(apr_pool_t *pool, const server_addr_rec *record)
{
    static const char *const any[] = {"0.0.0.0", "255.255.255.255", "::"};
    char *ip = NULL;
    size_t i;

    if (record->host_addr == NULL || apr_sockaddr_ip_get(&ip, record->host_addr) != APR_SUCCESS)
        return LOOPBACK;
    for (i = 0; i < sizeof(any) / sizeof(any[0]); i++)
        if (strcmp(ip, any[i]) == 0)
            return LOOPBACK;
    return apr_pstrdup(pool, ip);
}

/* A request that reaches a virtual host of this name, or `only`; NULL: there is none. */
static request_rec *find_by_name(apr_pool_t *pool, const char *host, apr_port_t port,
                                 const char *target, server_rec *only)
{
    server_rec *s;

    for (s = ap_server_conf->next; s != NULL; s = s->next) {
        const server_addr_rec *record;

        if (only != NULL && s != only)
            continue;
        for (record = s->addrs; record != NULL; record = record->next) {
            request_rec *r;

            if (record->host_port != 0 && record->host_port != port)
                continue;
            r = ask_at(pool, address_of(pool, record), host, port, target);
            if (r != NULL &&
                (only != NULL ? r->server == only
                              : r->server == s && ap_matches_request_vhost(r, host, port)))
                return r;
        }
    }
    return NULL;
}

static int is_numeric(apr_pool_t *pool, const char *host)
{
    apr_ipsubnet_t *subnet;

    return apr_ipsubnet_create(&subnet, host, NULL, pool) == APR_SUCCESS &&
           strchr(host, '.') != strrchr(host, '.');
}

static request_rec *find(apr_pool_t *pool, const char *host, apr_port_t port, const char *target,
                         server_rec *only)
{
    request_rec *r;

    if (only == NULL && (is_numeric(pool, host) || strchr(host, ':') != NULL))
        return ask_at(pool, host, host, port, target);
    r = find_by_name(pool, host, port, target, only);
    if (r != NULL)
        return r;
    r = ask_at(pool, LOOPBACK, host, port, target);
    if (r != NULL && only != NULL)
        r->server = only; /* nothing reaches it: shown all the same */
    return r;
}

/* Of what modules do with a fresh request, SetEnvIf matters to us; the rest (an MPM's part of it,
 * say) needs a connection that is one. */
static void set_environment(request_rec *r)
{
    const apr_array_header_t *hooks = ap_hook_get_post_read_request();
    int i;

    for (i = 0; hooks != NULL && i < hooks->nelts; i++) {
        const ap_LINK_post_read_request_t *hook =
            &APR_ARRAY_IDX(hooks, i, const ap_LINK_post_read_request_t);

        if (strcmp(hook->szName, "mod_setenvif.c") == 0)
            hook->pFunc(r);
    }
}

request_rec *wsgi_whatif_ask(apr_pool_t *pool, const char *host, apr_port_t port,
                             const char *target, server_rec *only, int *status)
{
    request_rec *r = find(pool, host, port, target, only);

    if (r == NULL)
        return NULL;
    state.asked = r;
    r->per_dir_config = r->server->lookup_defaults;
    if (strlen(r->the_request) > (apr_size_t)r->server->limit_req_line)
        r->status = HTTP_REQUEST_URI_TOO_LARGE;
    set_environment(r);
    *status = r->status == HTTP_OK ? ap_process_request_internal(r) : r->status;
    return r;
}

int wsgi_whatif_access(request_rec *r)
{
    r->log = &state.quiet; /* the configuration may have given it another one */
    return ap_run_access_checker_ex(r);
}
