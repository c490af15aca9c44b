/* SPDX-License-Identifier: Apache-2.0 */
/* Time-outs of a configuration that contradict each other. */
#ifndef WSGI_APACHE_TIMEOUTS_H
#define WSGI_APACHE_TIMEOUTS_H

#include "httpd.h"

/* One note for each time-out of a process group that another one never lets come. Only what was
 * written is doubted, no default. */
void wsgi_timeouts_doubt(apr_pool_t *pool, server_rec *main_server);

#endif
