/* SPDX-License-Identifier: Apache-2.0 */
/* The configuration: its records, and the setters of the directives. */
#ifndef WSGI_APACHE_CONFIG_H
#define WSGI_APACHE_CONFIG_H

#include "httpd.h"
#include "http_config.h"
#include "group.h"

struct wsgi_pythons;

/* One WSGIScriptAlias. Options that were not given are NULL or -1. Lives in pconf. */
struct wsgi_alias {
    const char *location;
    const char *target;
    const char *process_group; /* "" is embedded */
    const char *application_group;
    const char *callable_object; /* taken literally, unlike the directive's */
    int pass_authorization;
};

/* What there is once in the whole server. Made anew with each configuration, in pconf. */
struct wsgi_settings {
    apr_array_header_t *groups;           /* struct wsgi_group *, of all virtual hosts */
    apr_array_header_t *embedded_preload; /* struct wsgi_preload */
    const char *socket_prefix;            /* absolute; NULL when it cannot be made so */
    const char *socket_prefix_where;      /* "file:line", NULL for the default */
    const char *python_home;              /* WSGIPythonHome */
    const char *python_home_where;
    apr_array_header_t *python_path; /* const char *; NULL when not given */
    int restrict_embedded;           /* -1 when not given */

    /* found out by facts.c */
    const struct wsgi_pythons *pythons;
    const char *interpreter;          /* what embedded mode behaves as */
    const struct wsgi_python *python; /* its engine */
    const char *embedded_broken;      /* why embedded mode is out of service, or NULL */
};

/* Per server. */
struct wsgi_server {
    apr_array_header_t *aliases; /* struct wsgi_alias */
    struct wsgi_settings *settings;
};

/* Per directory; the server level is the outermost directory. */
struct wsgi_directory {
    const char *process_group;
    const char *application_group;
    const char *callable_object;
    int pass_authorization;
    int script_reloading;
};

void *wsgi_config_create_server(apr_pool_t *pool, server_rec *s);
void *wsgi_config_merge_server(apr_pool_t *pool, void *parent, void *child);
void *wsgi_config_create_directory(apr_pool_t *pool, char *path);
void *wsgi_config_merge_directory(apr_pool_t *pool, void *parent, void *child);

struct wsgi_server *wsgi_config_server(const server_rec *s);
struct wsgi_settings *wsgi_config_settings(const server_rec *s);
const struct wsgi_directory *wsgi_config_directory(const request_rec *r);

/* "file:line" of the directive that is being read. */
const char *wsgi_config_where(const cmd_parms *cmd);
/* NULL, or the error for a directive that is allowed in the main server only. */
const char *wsgi_config_global_only(cmd_parms *cmd);
/* Cuts "a:b:c" at the colons; empty pieces are left out. */
apr_array_header_t *wsgi_config_split_path(apr_pool_t *pool, const char *text);

/* Reads name=value options to the end of the line; `set` says what is wrong with one, or NULL. */
typedef const char *wsgi_config_option_set(cmd_parms *cmd, void *target, const char *name,
                                           const char *value);
const char *wsgi_config_options(cmd_parms *cmd, const char *line, wsgi_config_option_set *set,
                                void *target);

/* Setters named in the directive table. */
const char *wsgi_config_script_alias(cmd_parms *cmd, void *directory, const char *line);
const char *wsgi_config_daemon_process(cmd_parms *cmd, void *directory, const char *line);
const char *wsgi_config_process_group(cmd_parms *cmd, void *directory, const char *name);
const char *wsgi_config_application_group(cmd_parms *cmd, void *directory, const char *name);
const char *wsgi_config_callable_object(cmd_parms *cmd, void *directory, const char *name);
const char *wsgi_config_pass_authorization(cmd_parms *cmd, void *directory, const char *flag);
const char *wsgi_config_script_reloading(cmd_parms *cmd, void *directory, const char *flag);
const char *wsgi_config_python_home(cmd_parms *cmd, void *directory, const char *path);
const char *wsgi_config_python_path(cmd_parms *cmd, void *directory, const char *path);
const char *wsgi_config_socket_prefix(cmd_parms *cmd, void *directory, const char *path);
const char *wsgi_config_restrict_embedded(cmd_parms *cmd, void *directory, const char *flag);
/* A directive of mod_wsgi 6 that this version does not have. */
const char *wsgi_config_not_yet(cmd_parms *cmd, void *directory, const char *line);

#endif
