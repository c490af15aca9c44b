/* SPDX-License-Identifier: Apache-2.0 */
/* The client's body on its way to a daemon: what has to be kept of it in memory. */
#ifndef WSGI_APACHE_UPLOAD_H
#define WSGI_APACHE_UPLOAD_H

#include "body.h"
#include "../wire/frame.h"
#include "../wire/outcome.h"

#define WSGI_UPLOAD_BLOCK WSGI_FRAME_BODY_MAX /* bytes that are read, and sent, at once */

/* What was sent is kept until the request has certainly started, so that it can be sent again to
 * another process. */
struct wsgi_upload {
    struct wsgi_body *body;
    unsigned char *data; /* malloc'ed; NULL while there is no body */
    size_t size;
    size_t used; /* bytes in data */
    size_t sent; /* of them */
};

/* Reads what can be had of the body without blocking: it goes along with the request. 0, or -1:
 * the body failed, the outcome says how. */
int wsgi_upload_begin(struct wsgi_upload *upload, struct wsgi_outcome *outcome);

/* As wsgi_body_read() without waiting, but behind what is in `data`. */
ssize_t wsgi_upload_read(struct wsgi_upload *upload, size_t limit);

void wsgi_upload_end(struct wsgi_upload *upload);

#endif
