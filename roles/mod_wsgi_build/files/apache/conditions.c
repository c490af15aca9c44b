/* SPDX-License-Identifier: Apache-2.0 */
#include "conditions.h"

#include "http_protocol.h"

#include <strings.h>

int wsgi_conditions_apply(const request_rec *r)
{
    return r->status == HTTP_OK && r->method_number == M_GET && r->main == NULL &&
           !r->no_local_copy &&
           (apr_table_get(r->headers_out, "ETag") != NULL ||
            apr_table_get(r->headers_out, "Last-Modified") != NULL);
}

/* httpd says whether a header matches, strongly or weakly, not whether its condition holds: what
 * matches If-Unmodified-Since was modified. */
static int matches(ap_condition_e condition)
{
    return condition == AP_CONDITION_WEAK || condition == AP_CONDITION_STRONG;
}

/* In the order of RFC 9110, 13.2.2. Without a Last-Modified httpd would compare dates with the
 * present time. */
int wsgi_conditions_check(request_rec *r)
{
    apr_table_t *answer = r->headers_out;
    int is_dated = apr_table_get(answer, "Last-Modified") != NULL;
    ap_condition_e match = ap_condition_if_match(r, answer);
    ap_condition_e none_match = ap_condition_if_none_match(r, answer);

    if (match == AP_CONDITION_NOMATCH)
        return HTTP_PRECONDITION_FAILED;
    if (match == AP_CONDITION_NONE && is_dated &&
        matches(ap_condition_if_unmodified_since(r, answer)))
        return HTTP_PRECONDITION_FAILED;
    if (none_match == AP_CONDITION_NONE && is_dated)
        none_match = ap_condition_if_modified_since(r, answer);
    return matches(none_match) ? HTTP_NOT_MODIFIED : OK;
}

int wsgi_conditions_offer_ranges(request_rec *r)
{
    const char *given = apr_table_get(r->headers_out, "Accept-Ranges");

    if (given != NULL)
        return strcasecmp(given, "none") != 0;
    if (wsgi_conditions_apply(r))
        apr_table_setn(r->headers_out, "Accept-Ranges", "bytes");
    return 1;
}
