/* SPDX-License-Identifier: Apache-2.0 */
#include "responseend.h"

#include "log.h"
#include "requestid.h"
#include "responsecut.h"
#include "responsefile.h"
#include "vars.h"

#include "apr_strings.h"
#include "http_core.h"
#include "http_protocol.h"
#include "http_request.h"
#include "mod_core.h"

#define RETRY_AFTER "5" /* seconds, with every 503 */

static int is_without_body(const struct wsgi_response *response)
{
    const request_rec *r = response->r;

    return r->header_only || r->status == HTTP_NO_CONTENT || r->status == HTTP_NOT_MODIFIED;
}

/* What comes next may be a script: it gets REDIRECT_SCRIPT_NAME and so on, as after a CGI script.
 */
static void remember(const struct wsgi_response *response)
{
    if (response->vars != NULL)
        wsgi_vars_remember(response->r, response->vars);
}

/* A path without a host: the client gets what is there, by GET, without knowing. What is left of
 * the request's body is read first, it must not be taken for another request. */
static int follow(struct wsgi_response *response)
{
    request_rec *r = response->r;

    remember(response);
    apr_brigade_cleanup(response->out);
    ap_discard_request_body(r);
    r->method = "GET";
    r->method_number = M_GET;
    apr_table_unset(r->headers_in, "Content-Length");
    apr_table_unset(r->headers_in, "Transfer-Encoding");
    ap_internal_redirect_handler(response->redirect, r);
    return OK;
}

/* httpd answers with its own page or ErrorDocument for this status. */
static int replace(struct wsgi_response *response)
{
    request_rec *r = response->r;
    int status = r->status;

    apr_brigade_cleanup(response->out);
    remember(response);
    r->status = HTTP_OK; /* else httpd takes the page itself for a failure */
    r->status_line = NULL;
    return response->gone ? OK : status;
}

/* The page of a 5xx names the code and the request, so that its log line is found. An
 * ErrorDocument of the configuration is not touched. */
static void explain(request_rec *r, const struct wsgi_outcome *outcome)
{
    const char *page;

    if (outcome->status < 500 || ap_response_code_string(r, ap_index_of_response(outcome->status)))
        return;
    page =
        apr_psprintf(r->pool,
                     "<!DOCTYPE HTML PUBLIC \"-//IETF//DTD HTML 2.0//EN\">\n"
                     "<html><head>\n<title>%s</title>\n</head><body>\n<h1>%s</h1>\n"
                     "<p>The application could not answer this request.</p>\n"
                     "<p>WSGI%04u, request %s</p>\n</body></html>\n",
                     ap_get_status_line(outcome->status), ap_get_status_line(outcome->status) + 4,
                     (unsigned)outcome->code, ap_escape_html(r->pool, wsgi_log_request_id(r)));
    ap_custom_response(r, outcome->status, page);
}

static int refuse(struct wsgi_response *response, const struct wsgi_outcome *outcome)
{
    request_rec *r = response->r;

    if (outcome->code == WSGI_CODE_CLIENT_GONE) {
        wsgi_response_log(response, outcome);
        wsgi_response_note_end(response, "client-left");
    } else {
        wsgi_requestid_refuse(r, outcome);
    }
    apr_brigade_cleanup(response->out);
    if (outcome->status == HTTP_SERVICE_UNAVAILABLE)
        apr_table_setn(r->err_headers_out, "Retry-After", RETRY_AFTER);
    explain(r, outcome);
    remember(response);
    return outcome->status;
}

static int is_short(const struct wsgi_response *response)
{
    return response->promised >= 0 && response->sent < response->promised &&
           !wsgi_response_is_discarded(response) && !is_without_body(response);
}

/* Either the client is gone, or what it got is not all. */
static int conclude_failed(struct wsgi_response *response)
{
    return response->spoilt != APR_SUCCESS ? wsgi_response_cut_spoilt(response)
                                           : wsgi_response_cut_gone(response);
}

/* With the end in the same brigade httpd would count, and answer ranges: then framing and status
 * of a streamed response would depend on how fast its blocks came, and the same for a file whose
 * ranges the application does not want. */
static int has_parts(const struct wsgi_response *response)
{
    return response->witness != NULL || (response->is_streamed && response->held > 0);
}

static int finish(struct wsgi_response *response)
{
    request_rec *r = response->r;

    if (response->ends_with_file) {
        wsgi_response_end_with_file(response);
        return OK;
    }
    if (has_parts(response) && wsgi_response_pass(response) != 0)
        return conclude_failed(response);
    APR_BRIGADE_INSERT_TAIL(response->out, apr_bucket_eos_create(r->connection->bucket_alloc));
    /* httpd would keep a small answer back while it reads what is left of the request, and the
     * client may wait for the answer before it sends that. */
    if (response->unread)
        return wsgi_response_pass_flushed(response) == 0 ? OK : conclude_failed(response);
    return wsgi_response_pass(response) == 0 ? OK : conclude_failed(response);
}

/* There is a head. */
static int conclude(struct wsgi_response *response, const struct wsgi_outcome *outcome)
{
    if (outcome->status != 0 && wsgi_response_is_discarded(response)) {
        /* Nothing has gone out yet, so this can still be an honest error. */
        apr_table_clear(response->r->headers_out);
        return refuse(response, outcome);
    }
    if (response->spoilt != APR_SUCCESS)
        return wsgi_response_cut_spoilt(response);
    if (outcome->status != 0 || outcome->truncated)
        return wsgi_response_cut_failed(response, outcome);
    if (response->gone)
        return wsgi_response_cut_gone(response);
    if (is_short(response))
        return wsgi_response_cut_short(response);
    if (response->replaced)
        return replace(response);
    return response->redirect != NULL ? follow(response) : finish(response);
}

static int end(struct wsgi_response *response, const struct wsgi_outcome *outcome)
{
    struct wsgi_outcome failure = {0};

    if (response->r->eos_sent) {
        response->gone = 1;
        apr_brigade_cleanup(response->out);
        if (outcome->status != 0)
            wsgi_log_outcome(response->r, outcome);
        return OK;
    }
    if (response->head_seen)
        return conclude(response, outcome);
    if (outcome->status != 0)
        return refuse(response, outcome);
    wsgi_outcome_fail(&failure, HTTP_INTERNAL_SERVER_ERROR, WSGI_CODE_BAD_RESULT,
                      "the application ended without a response head");
    return refuse(response, &failure);
}

int wsgi_response_end(struct wsgi_response *response, const struct wsgi_outcome *outcome)
{
    int status = end(response, outcome);

    wsgi_response_file_failed(response); /* one that was not passed on is still open */
    return status;
}
