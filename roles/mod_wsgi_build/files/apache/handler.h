/* SPDX-License-Identifier: Apache-2.0 */
/* The content handler: from a request that is ours to an answer. */
#ifndef WSGI_APACHE_HANDLER_H
#define WSGI_APACHE_HANDLER_H

#include "httpd.h"

int wsgi_handler(request_rec *r);

#endif
