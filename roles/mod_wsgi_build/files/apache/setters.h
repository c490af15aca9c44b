/* SPDX-License-Identifier: Apache-2.0 */
/* What directives.def names: one function for each kind of directive. NULL, or the error. */
#ifndef WSGI_APACHE_SETTERS_H
#define WSGI_APACHE_SETTERS_H

#include "httpd.h"
#include "http_config.h"

/* setters.c: values. The first five write the field that cmd->info says. */
const char *wsgi_set_directory_text(cmd_parms *cmd, void *directory, const char *text);
const char *wsgi_set_directory_flag(cmd_parms *cmd, void *directory, const char *flag);
const char *wsgi_set_global_flag(cmd_parms *cmd, void *directory, const char *flag);
const char *wsgi_set_global_path(cmd_parms *cmd, void *directory, const char *path);
const char *wsgi_set_scope_flag(cmd_parms *cmd, void *directory, const char *flag);
const char *wsgi_set_process_group(cmd_parms *cmd, void *directory, const char *name);
const char *wsgi_set_application_group(cmd_parms *cmd, void *directory, const char *name);
const char *wsgi_set_restrict_process(cmd_parms *cmd, void *directory, const char *line);
const char *wsgi_set_map_head(cmd_parms *cmd, void *directory, const char *word);
const char *wsgi_set_trusted_proxy_headers(cmd_parms *cmd, void *directory, const char *line);
const char *wsgi_set_trusted_proxies(cmd_parms *cmd, void *directory, const char *line);
const char *wsgi_set_socket_prefix(cmd_parms *cmd, void *directory, const char *path);
const char *wsgi_set_accept_mutex(cmd_parms *cmd, void *directory, const char *name);
const char *wsgi_set_flag_without_effect(cmd_parms *cmd, void *directory, const char *flag);
const char *wsgi_set_verbose_debugging(cmd_parms *cmd, void *directory, const char *flag);
const char *wsgi_set_removed(cmd_parms *cmd, void *directory, const char *value);
const char *wsgi_set_telemetry_service(cmd_parms *cmd, void *directory, const char *line);
const char *wsgi_set_telemetry_options(cmd_parms *cmd, void *directory, const char *line);
const char *wsgi_set_log_options(cmd_parms *cmd, void *directory, const char *line);
const char *wsgi_set_slow_requests(cmd_parms *cmd, void *directory, const char *seconds);

/* sections.c: what interpreters are started with. */
const char *wsgi_set_interpreter_options(cmd_parms *cmd, void *directory, const char *line);
const char *wsgi_set_python_home(cmd_parms *cmd, void *directory, const char *path);
const char *wsgi_set_python_path(cmd_parms *cmd, void *directory, const char *path);
const char *wsgi_set_python_optimize(cmd_parms *cmd, void *directory, const char *level);
const char *wsgi_set_python_warnings(cmd_parms *cmd, void *directory, const char *filter);
const char *wsgi_set_hash_seed(cmd_parms *cmd, void *directory, const char *seed);
const char *wsgi_set_switch_interval(cmd_parms *cmd, void *directory, const char *seconds);

/* scripts.c: script files and their options. */
const char *wsgi_set_script_alias(cmd_parms *cmd, void *directory, const char *line);
const char *wsgi_set_script_alias_match(cmd_parms *cmd, void *directory, const char *line);
const char *wsgi_set_handler_script(cmd_parms *cmd, void *directory, const char *line);
const char *wsgi_set_import_script(cmd_parms *cmd, void *directory, const char *line);
const char *wsgi_set_decider(cmd_parms *cmd, void *directory, const char *line);

/* daemon.c */
const char *wsgi_set_daemon_process(cmd_parms *cmd, void *directory, const char *line);

#endif
