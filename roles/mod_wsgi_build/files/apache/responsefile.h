/* SPDX-License-Identifier: Apache-2.0 */
/* Files in a response, and what lets it leave at once: a file may be its end. */
#ifndef WSGI_APACHE_RESPONSEFILE_H
#define WSGI_APACHE_RESPONSEFILE_H

#include "response.h"

/* All: 0, or -1 when the client is gone. */

/* `descriptor` is duplicated; regular files only, clamped to the size now; never mapped. A file
 * that is the whole body ends the response: httpd then answers ranges, and conditions if there
 * are validators. */
int wsgi_response_file(struct wsgi_response *response, int descriptor, apr_uint64_t offset,
                       apr_uint64_t length, int flush);
int wsgi_response_flush(struct wsgi_response *response);
/* Before the client is waited for: it gets what was written so far, as it may not send more before
 * it has read that. After a head there is no 100 Continue any more. */
int wsgi_response_yield(struct wsgi_response *response);
/* The file that is held is the whole body: it goes out together with the end of stream. */
int wsgi_response_end_with_file(struct wsgi_response *response);

#endif
