/* SPDX-License-Identifier: Apache-2.0 */
/* The launch block: what an engine is told about its process, in both modes. */
#ifndef WSGI_APACHE_BLOCK_H
#define WSGI_APACHE_BLOCK_H

#include "httpd.h"
#include "config.h"
#include "group.h"
#include "../wire/vars.h"

/* What is the same for all processes of a server. */
struct wsgi_block_server {
    const struct wsgi_settings *settings;
    int64_t version; /* of httpd, as WSGI_PARAM_SERVER_VERSION has it */
    const char *description;
    const char *built;
    const char *mpm_name;
    int mpm_processes;
    int mpm_threads;
    int log_level; /* highest wire level that any virtual host wants, wsgi_log_highest() */
};

void wsgi_block_describe(apr_pool_t *pool, const server_rec *main_server,
                         struct wsgi_block_server *server);

/* Begins the block; the caller may add what belongs to one process only, ends and frees it. */
void wsgi_block_daemon(struct wsgi_vars_writer *writer, const struct wsgi_block_server *server,
                       const struct wsgi_group *group);
void wsgi_block_embedded(struct wsgi_vars_writer *writer, const struct wsgi_block_server *server);

/* Whether WSGIFreeThreading is On for all of a process; `process_group` "" is embedded. */
int wsgi_block_free_threading(const struct wsgi_settings *settings, const char *process_group);
/* Whether some interpreter of the process may have a GIL of its own. */
int wsgi_block_own_gil(const struct wsgi_settings *settings, const char *process_group);

#endif
