/* SPDX-License-Identifier: Apache-2.0 */
/* httpd's scoreboard, copied for mod_wsgi.server_metrics(). */
#ifndef WSGI_APACHE_SCORES_H
#define WSGI_APACHE_SCORES_H

#include <stddef.h>

/* A snapshot (wire/scores.h) of what every worker of the server does now; *size are its bytes. To
 * be freed by free(). NULL: there is no scoreboard, or no memory. */
void *wsgi_scores_copy(size_t *size);

#endif
