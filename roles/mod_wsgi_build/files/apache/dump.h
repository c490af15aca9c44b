/* SPDX-License-Identifier: Apache-2.0 */
/*
 * "httpd -t -D DUMP_WSGI": every mount with its process group, application group, interpreter and
 * engine. "httpd -t -D DUMP_WSGI=http://host:port/path": what would serve this URL.
 */
#ifndef WSGI_APACHE_DUMP_H
#define WSGI_APACHE_DUMP_H

#include "httpd.h"

/* test_config: prints to standard output when the define is there. */
void wsgi_dump_test_config(apr_pool_t *pconf, server_rec *main_server);

#endif
