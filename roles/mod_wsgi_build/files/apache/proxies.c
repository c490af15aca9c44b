/* SPDX-License-Identifier: Apache-2.0 */
#include "proxies.h"

#include "apr_lib.h"
#include "apr_network_io.h"
#include "apr_strings.h"

#include <arpa/inet.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#define PREFIX "HTTP_X_"
#define PORT_MAX 65535

/* ---- the headers we know --------------------------------------------------------------------- */

static const struct {
    const char *name;
    enum wsgi_proxy_kind kind;
} known[] = {
    {"HTTP_X_FORWARDED_FOR", WSGI_PROXY_CLIENT},
    {"HTTP_X_CLIENT_IP", WSGI_PROXY_CLIENT},
    {"HTTP_X_REAL_IP", WSGI_PROXY_CLIENT},
    {"HTTP_X_FORWARDED_HOST", WSGI_PROXY_HOST},
    {"HTTP_X_HOST", WSGI_PROXY_HOST},
    {"HTTP_X_FORWARDED_SERVER", WSGI_PROXY_SERVER},
    {"HTTP_X_FORWARDED_PORT", WSGI_PROXY_PORT},
    {"HTTP_X_SCRIPT_NAME", WSGI_PROXY_MOUNT},
    {"HTTP_X_FORWARDED_SCRIPT_NAME", WSGI_PROXY_MOUNT},
    {"HTTP_X_FORWARDED_PROTO", WSGI_PROXY_SCHEME},
    {"HTTP_X_FORWARDED_SCHEME", WSGI_PROXY_SCHEME},
    {"HTTP_X_SCHEME", WSGI_PROXY_SCHEME},
    {"HTTP_X_FORWARDED_HTTPS", WSGI_PROXY_SCHEME},
    {"HTTP_X_FORWARDED_SSL", WSGI_PROXY_SCHEME},
    {"HTTP_X_HTTPS", WSGI_PROXY_SCHEME},
};

/* WSGI_PROXY_KINDS for a header that says nothing about these. */
static enum wsgi_proxy_kind kind_of(const char *name)
{
    size_t i;

    if (strncmp(name, PREFIX, sizeof(PREFIX) - 1) != 0)
        return WSGI_PROXY_KINDS;
    for (i = 0; i < sizeof(known) / sizeof(known[0]); i++)
        if (strcmp(name, known[i].name) == 0)
            return known[i].kind;
    return WSGI_PROXY_KINDS;
}

/* ---- addresses ------------------------------------------------------------------------------- */

/* One element of a list, without the blanks around it. */
struct piece {
    const char *text;
    size_t size;
};

static struct piece trim(const char *text, size_t size)
{
    struct piece piece = {text, size};

    while (piece.size > 0 && (*piece.text == ' ' || *piece.text == '\t')) {
        piece.text++;
        piece.size--;
    }
    while (piece.size > 0 &&
           (piece.text[piece.size - 1] == ' ' || piece.text[piece.size - 1] == '\t'))
        piece.size--;
    return piece;
}

/* ":443", or nothing at all. */
static int is_port(const char *text, size_t size)
{
    unsigned long number = 0;
    size_t i;

    if (size == 0)
        return 1;
    if (*text != ':' || size == 1 || size > 6)
        return 0;
    for (i = 1; i < size; i++) {
        if (!apr_isdigit(text[i]))
            return 0;
        number = number * 10 + (unsigned long)(text[i] - '0');
    }
    return number <= PORT_MAX;
}

/* Cuts brackets and a port off: "1.2.3.4:80", "[2001:db8::1]", "[2001:db8::1]:80". An IPv6
 * address without brackets has no port. Size 0: nothing that could be an address. */
static struct piece cut_port(struct piece piece)
{
    static const struct piece nothing = {"", 0};
    const char *end;

    if (piece.size > 0 && *piece.text == '[') {
        end = memchr(piece.text, ']', piece.size);
        if (end == NULL || !is_port(end + 1, (size_t)(piece.text + piece.size - end - 1)))
            return nothing;
        piece.text++;
        piece.size = (size_t)(end - piece.text);
        return memchr(piece.text, ':', piece.size) != NULL ? piece : nothing;
    }
    end = memchr(piece.text, ':', piece.size);
    if (end == NULL || memchr(end + 1, ':', (size_t)(piece.text + piece.size - end - 1)) != NULL)
        return piece;
    if (!is_port(end, (size_t)(piece.text + piece.size - end)))
        return nothing;
    piece.size = (size_t)(end - piece.text);
    return piece;
}

struct address {
    char text[INET6_ADDRSTRLEN]; /* as written, without brackets and port */
    apr_sockaddr_t where;
};

/* 1 when the element is an address. Numbers only: no resolver is asked. */
static int read_address(struct piece piece, struct address *address)
{
    apr_sockaddr_t *where = &address->where;

    piece = cut_port(piece);
    if (piece.size == 0 || piece.size >= sizeof(address->text) ||
        memchr(piece.text, '\0', piece.size) != NULL)
        return 0;
    memcpy(address->text, piece.text, piece.size);
    address->text[piece.size] = '\0';
    memset(where, 0, sizeof(*where));
    if (strchr(address->text, ':') == NULL) {
        where->family = APR_INET;
        where->ipaddr_ptr = &where->sa.sin.sin_addr;
        return inet_pton(AF_INET, address->text, where->ipaddr_ptr) == 1;
    }
    where->family = APR_INET6;
    where->ipaddr_ptr = &where->sa.sin6.sin6_addr;
    return inet_pton(AF_INET6, address->text, where->ipaddr_ptr) == 1;
}

/* Without a list everybody is a proxy. */
static int is_proxy(const apr_array_header_t *proxies, struct address *address)
{
    int i;

    for (i = 0; i < proxies->nelts; i++)
        if (apr_ipsubnet_test(APR_ARRAY_IDX(proxies, i, apr_ipsubnet_t *), &address->where))
            return 1;
    return 0;
}

/* ---- X-Forwarded-For ------------------------------------------------------------------------- */

/* Takes the next element that is not empty from the front; 0: there is none. */
static int next_element(const char **list, struct piece *piece)
{
    while (**list != '\0') {
        size_t size = strcspn(*list, ",");

        *piece = trim(*list, size);
        *list += size;
        if (**list == ',')
            (*list)++;
        if (piece->size > 0)
            return 1;
    }
    return 0;
}

/* The same from the back; *size is what is left of the list. */
static int last_element(const char *list, size_t *size, struct piece *piece)
{
    while (*size > 0) {
        size_t end = *size;
        size_t begin = end;

        while (begin > 0 && list[begin - 1] != ',')
            begin--;
        *piece = trim(list + begin, end - begin);
        *size = begin > 0 ? begin - 1 : 0;
        if (piece->size > 0)
            return 1;
    }
    return 0;
}

/* "a, b, c" of all elements from `begin` on. */
static const char *join(apr_pool_t *pool, const char *begin)
{
    struct piece piece;
    char *joined = apr_palloc(pool, 2 * strlen(begin) + 1);
    char *at = joined;

    while (next_element(&begin, &piece)) {
        if (at != joined) {
            memcpy(at, ", ", 2);
            at += 2;
        }
        memcpy(at, piece.text, piece.size);
        at += piece.size;
    }
    *at = '\0';
    return joined;
}

/* Each proxy appends whom it got the request from. From the right, as long as those are proxies
 * of ours, the next one is told by somebody we trust; the first other one is the client. What is
 * left of it the client may have made up. An element that is no address ends the way. */
static void walk(apr_pool_t *pool, const apr_array_header_t *proxies, const char *list,
                 struct wsgi_proxy_view *view)
{
    size_t left = strlen(list);
    struct piece piece;
    struct address address;
    const char *begin = NULL;
    char chosen[sizeof(address.text)] = "";

    while (last_element(list, &left, &piece) && read_address(piece, &address)) {
        memcpy(chosen, address.text, sizeof(chosen));
        begin = piece.text;
        if (!is_proxy(proxies, &address))
            break;
    }
    if (begin == NULL) {
        view->forwarded_for = "";
        return;
    }
    view->remote_addr = apr_pstrdup(pool, chosen);
    view->forwarded_for = join(pool, begin);
}

static void take_client(apr_pool_t *pool, const apr_array_header_t *proxies, const char *name,
                        const char *value, struct wsgi_proxy_view *view)
{
    struct piece piece = trim(value, strlen(value));
    struct address address;

    view->forwarded_for = NULL;
    if (strcmp(name, "HTTP_X_FORWARDED_FOR") == 0) {
        if (proxies != NULL) {
            walk(pool, proxies, value, view);
            return;
        }
        if (!next_element(&value, &piece))
            return;
    }
    if (read_address(piece, &address))
        view->remote_addr = apr_pstrdup(pool, address.text);
}

/* ---- the others ------------------------------------------------------------------------------ */

static int is_any_of(const char *value, const char *a, const char *b, const char *c)
{
    return strcasecmp(value, a) == 0 || strcasecmp(value, b) == 0 || strcasecmp(value, c) == 0;
}

/* A word, or a flag; every other value changes nothing. */
static void take_scheme(const char *name, const char *value, struct wsgi_proxy_view *view)
{
    size_t size = strlen(name);
    int is_flag = strcmp(name + size - 3, "SSL") == 0 || strcmp(name + size - 5, "HTTPS") == 0;

    if (is_flag && is_any_of(value, "On", "true", "1"))
        view->https = 1;
    else if (is_flag && is_any_of(value, "Off", "false", "0"))
        view->https = 0;
    else if (!is_flag && strcasecmp(value, "https") == 0)
        view->https = 1;
    else if (!is_flag && strcasecmp(value, "http") == 0)
        view->https = 0;
}

static void take(apr_pool_t *pool, const apr_array_header_t *proxies, const char *name,
                 const char *value, struct wsgi_proxy_view *view)
{
    enum wsgi_proxy_kind kind = kind_of(name);

    view->counted[kind] = name;
    switch (kind) {
    case WSGI_PROXY_CLIENT:
        take_client(pool, proxies, name, value, view);
        break;
    case WSGI_PROXY_HOST:
        view->http_host = value;
        break;
    case WSGI_PROXY_SERVER:
        view->server_name = value;
        break;
    case WSGI_PROXY_PORT:
        view->server_port = value;
        break;
    case WSGI_PROXY_MOUNT:
        view->script_name = value;
        break;
    case WSGI_PROXY_SCHEME:
        take_scheme(name, value, view);
        break;
    case WSGI_PROXY_KINDS:
        break;
    }
}

/* ---- all of it ------------------------------------------------------------------------------- */

static int is_trusted(const apr_array_header_t *proxies, const char *peer)
{
    struct address address;

    return proxies == NULL || (read_address((struct piece){peer, strlen(peer)}, &address) &&
                               is_proxy(proxies, &address));
}

void wsgi_proxies_look(apr_pool_t *pool, const apr_array_header_t *headers,
                       const apr_array_header_t *proxies, const char *peer,
                       wsgi_proxy_lookup *lookup, void *context, struct wsgi_proxy_view *view)
{
    int i;

    memset(view, 0, sizeof(*view));
    view->https = -1;
    if (headers == NULL)
        return;
    view->trusted = is_trusted(proxies, peer);
    for (i = 0; i < headers->nelts; i++) {
        const char *name = APR_ARRAY_IDX(headers, i, const char *);
        enum wsgi_proxy_kind kind = kind_of(name);
        const char *value;

        if (kind == WSGI_PROXY_KINDS)
            continue;
        view->mentioned[kind] = 1;
        value = view->trusted ? lookup(context, name) : NULL;
        if (value != NULL)
            take(pool, proxies, name, value, view);
    }
}

int wsgi_proxies_hide(const struct wsgi_proxy_view *view, const char *name)
{
    enum wsgi_proxy_kind kind = kind_of(name);

    if (kind == WSGI_PROXY_KINDS || !view->mentioned[kind])
        return 0;
    return view->counted[kind] == NULL || strcmp(view->counted[kind], name) != 0;
}
