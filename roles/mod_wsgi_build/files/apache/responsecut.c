/* SPDX-License-Identifier: Apache-2.0 */
#include "responsecut.h"

#include "leaving.h"
#include "log.h"

#include "apr_strings.h"
#include "http_connection.h"
#include "http_core.h"
#include "http_protocol.h"

#include <string.h>
#include <sys/socket.h>

#define NOTE_END "wsgi-end" /* how a response ended, when not well: for access logs */

void wsgi_response_note_end(const struct wsgi_response *response, const char *how)
{
    apr_table_setn(response->r->notes, NOTE_END, how);
}

/* What was passed on was not all of it, so no cache may keep it. httpd lets the filters see an end
 * of stream of its own in the end. */
void wsgi_response_keep_out_of_caches(request_rec *r)
{
    r->no_cache = 1;
    if (r->main != NULL)
        r->main->no_cache = 1;
}

/* The one line of a failure. A client that left is one only at debug, with what it got. */
void wsgi_response_log(const struct wsgi_response *response, const struct wsgi_outcome *outcome)
{
    struct wsgi_outcome whole;

    if (outcome->code != WSGI_CODE_CLIENT_GONE) {
        wsgi_log_outcome(response->r, outcome);
        return;
    }
    memset(&whole, 0, sizeof(whole));
    whole.silent = 1;
    wsgi_outcome_fail(&whole, HTTP_BAD_REQUEST, WSGI_CODE_CLIENT_GONE,
                      "%s, %" APR_OFF_T_FMT " bytes of the response had been sent", outcome->cause,
                      response->r->bytes_sent);
    wsgi_log_outcome(response->r, &whole);
}

/* Without a length or chunks the end of the connection is the end of the response, and a clean
 * one would say "complete". A reset does not. */
void wsgi_response_reset_on_close(request_rec *r)
{
    struct linger linger = {.l_onoff = 1, .l_linger = 0};
    int descriptor = wsgi_client_socket(r);

    if (descriptor < 0)
        return;
    setsockopt(descriptor, SOL_SOCKET, SO_LINGER, &linger, sizeof(linger));
    r->connection->aborted = 1;
}

void wsgi_response_log_spoilt(const struct wsgi_response *response)
{
    struct wsgi_outcome failure = {0};
    char words[128];

    wsgi_outcome_fail(&failure, HTTP_INTERNAL_SERVER_ERROR, WSGI_CODE_OUTPUT_FAILED,
                      "the response was cut, the connection with it: an output filter failed, or "
                      "a file became shorter while it was sent: %s",
                      apr_strerror(response->spoilt, words, sizeof(words)));
    wsgi_response_log(response, &failure);
}

/* The error bucket makes httpd leave out the last chunk (HTTP/1.1) or reset the stream (HTTP/2).
 * The head has to be out before, else it would become an error page. */
static int cut(struct wsgi_response *response)
{
    request_rec *r = response->r;
    apr_bucket_alloc_t *list = r->connection->bucket_alloc;

    wsgi_response_keep_out_of_caches(r);
    if (!response->gone && response->spoilt == APR_SUCCESS)
        wsgi_response_pass_flushed(response);
    wsgi_response_note_end(response, response->gone ? "client-left" : "cut");
    if (response->gone)
        return OK;
    /* Not before: a response that closes the connection would not be chunked. */
    r->connection->keepalive = AP_CONN_CLOSE;
    if (r->connection->master == NULL && !r->chunked &&
        apr_table_get(r->headers_out, "Content-Length") == NULL) {
        wsgi_response_reset_on_close(r);
        return OK;
    }
    APR_BRIGADE_INSERT_TAIL(response->out,
                            ap_bucket_error_create(HTTP_BAD_GATEWAY, NULL, r->pool, list));
    APR_BRIGADE_INSERT_TAIL(response->out, apr_bucket_eos_create(list));
    wsgi_response_pass(response);
    return OK;
}

int wsgi_response_cut_failed(struct wsgi_response *response, const struct wsgi_outcome *outcome)
{
    wsgi_response_log(response, outcome);
    return cut(response);
}

int wsgi_response_cut_spoilt(struct wsgi_response *response)
{
    if (!response->is_told)
        wsgi_response_log_spoilt(response);
    return cut(response);
}

int wsgi_response_cut_gone(struct wsgi_response *response)
{
    struct wsgi_outcome left = {0};

    wsgi_outcome_fail(&left, HTTP_BAD_REQUEST, WSGI_CODE_CLIENT_GONE,
                      "the client closed the connection");
    return wsgi_response_cut_failed(response, &left);
}

int wsgi_response_cut_short(struct wsgi_response *response)
{
    struct wsgi_outcome failure = {0};

    wsgi_outcome_fail(&failure, HTTP_BAD_GATEWAY, WSGI_CODE_SHORT_BODY,
                      "the response has %" APR_INT64_T_FMT
                      " bytes less than its Content-Length, the connection was cut",
                      response->promised - response->sent);
    return wsgi_response_cut_failed(response, &failure);
}
