/* SPDX-License-Identifier: Apache-2.0 */
/*
 * WSGITrustedProxyHeaders and WSGITrustedProxies: what a proxy in front of us says about the
 * client, and what nobody else may say. No name is ever looked up; an address is digits.
 */
#ifndef WSGI_APACHE_PROXIES_H
#define WSGI_APACHE_PROXIES_H

#include "apr_pools.h"
#include "apr_tables.h"

/* What a header is about. Of each kind the last one in the list that is there counts. */
enum wsgi_proxy_kind {
    WSGI_PROXY_CLIENT,
    WSGI_PROXY_HOST,
    WSGI_PROXY_SERVER,
    WSGI_PROXY_PORT,
    WSGI_PROXY_MOUNT,
    WSGI_PROXY_SCHEME,
    WSGI_PROXY_KINDS
};

/* What environ has instead; NULL (scheme: -1) where nothing changes. */
struct wsgi_proxy_view {
    int trusted;
    int mentioned[WSGI_PROXY_KINDS];       /* a header of this kind is listed */
    const char *counted[WSGI_PROXY_KINDS]; /* the header that counts; NULL: none is there */
    const char *remote_addr;
    const char *forwarded_for; /* HTTP_X_FORWARDED_FOR without what the client made up; "" when
                                  nothing is left of it */
    const char *http_host;
    const char *server_name;
    const char *server_port;
    const char *script_name;
    int https; /* 1, 0, -1 */
};

/* The value of "HTTP_X_FORWARDED_FOR" or the like, or NULL. */
typedef const char *wsgi_proxy_lookup(void *context, const char *name);

/* `headers`: const char *, the listed ones; NULL: nothing is done at all. `proxies`:
 * apr_ipsubnet_t *; NULL: every peer is trusted. `peer`: the address the request came from. */
void wsgi_proxies_look(apr_pool_t *pool, const apr_array_header_t *headers,
                       const apr_array_header_t *proxies, const char *peer,
                       wsgi_proxy_lookup *lookup, void *context, struct wsgi_proxy_view *view);

/* 1 when environ must not have this name: a header of a listed kind that does not count. */
int wsgi_proxies_hide(const struct wsgi_proxy_view *view, const char *name);

#endif
