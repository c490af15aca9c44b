/* SPDX-License-Identifier: Apache-2.0 */
/* The end of a response: whole, cut, replaced by a page of httpd, or refused. */
#ifndef WSGI_APACHE_RESPONSEEND_H
#define WSGI_APACHE_RESPONSEEND_H

#include "response.h"
#include "../wire/outcome.h"

/* Ends the response as the outcome says, writes the one log line of a failure, and returns what
 * the content handler returns: OK, or a status for ErrorDocument when no head was sent.
 * Truncated: the connection is cut (no final chunk, HTTP/2 reset), never a clean end. Fewer
 * bytes than promised count as truncated. Sends EOS otherwise; follows `redirect`. */
int wsgi_response_end(struct wsgi_response *response, const struct wsgi_outcome *outcome);

#endif
