/* SPDX-License-Identifier: Apache-2.0 */
#include "leaving.h"

#include <poll.h>

#include "apr_portable.h"
#include "http_core.h"

int wsgi_client_socket(request_rec *r)
{
    apr_socket_t *sock;
    apr_os_sock_t fd;

    if (r->connection->master) {
        return -1;
    }
    sock = ap_get_conn_socket(r->connection);
    return sock && apr_os_sock_get(&fd, sock) == APR_SUCCESS ? fd : -1;
}

/* A client that has only shut down its sending side (POLLRDHUP) still waits for the answer, and
 * httpd gives it one; so that is no sign. */
int wsgi_client_left(request_rec *r)
{
    struct pollfd look = {.fd = wsgi_client_socket(r)};

    if (r->connection->aborted) {
        return 1;
    }
    return look.fd >= 0 && poll(&look, 1, 0) > 0 && (look.revents & (POLLHUP | POLLERR)) != 0;
}
