/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The header is added when the answer is on its way: only then it is known whether the
 * configuration (mod_headers) or an ErrorDocument has set one of its own, which then stays alone.
 */
#include "requestid.h"

#include "log.h"

#include "http_config.h"
#include "http_protocol.h"
#include "http_request.h"
#include "util_filter.h"

#define FILTER_NAME "WSGI_REQUEST_ID"
#define HEADER "X-Request-ID"
#define NOTE "wsgi-request-id"

void wsgi_requestid_refuse(request_rec *r, const struct wsgi_outcome *outcome)
{
    wsgi_log_outcome(r, outcome);
    if (outcome->status >= 500 && !outcome->silent)
        apr_table_setn(r->notes, NOTE, wsgi_log_request_id(r));
}

/* The answer may be that of an ErrorDocument: a request that httpd made of the refused one. When a
 * script that decides has failed, what the client gets may be a denial, which has no id. */
static const char *refused_id(const request_rec *r)
{
    const char *id = NULL;

    for (; r != NULL && id == NULL; r = r->prev)
        if (r->status >= HTTP_INTERNAL_SERVER_ERROR)
            id = apr_table_get(r->notes, NOTE);
    return id;
}

static apr_status_t add_header(ap_filter_t *filter, apr_bucket_brigade *brigade)
{
    request_rec *r = filter->r;

    if (apr_table_get(r->headers_out, HEADER) == NULL &&
        apr_table_get(r->err_headers_out, HEADER) == NULL)
        apr_table_setn(r->err_headers_out, HEADER, filter->ctx);
    ap_remove_output_filter(filter);
    return ap_pass_brigade(filter->next, brigade);
}

static void insert_filter(request_rec *r)
{
    const char *id = r->main == NULL ? refused_id(r) : NULL;

    if (id != NULL)
        ap_add_output_filter(FILTER_NAME, (void *)(uintptr_t)id, r, r->connection);
}

void wsgi_requestid_register_hooks(void)
{
    /* Behind mod_headers, before the head is written. */
    ap_register_output_filter(FILTER_NAME, add_header, NULL,
                              (ap_filter_type)(AP_FTYPE_CONTENT_SET + 5));
    ap_hook_insert_filter(insert_filter, NULL, NULL, APR_HOOK_LAST);
    ap_hook_insert_error_filter(insert_filter, NULL, NULL, APR_HOOK_LAST);
}
