/* SPDX-License-Identifier: Apache-2.0 */
/* The configuration: its records, and the setters of the directives. */
#ifndef WSGI_APACHE_CONFIG_H
#define WSGI_APACHE_CONFIG_H

#include "httpd.h"
#include "http_config.h"
#include "ap_regex.h"
#include "group.h"

struct wsgi_pythons;

/* One WSGIScriptAlias or WSGIScriptAliasMatch. Options that were not given are NULL or -1. Lives in
 * pconf. */
struct wsgi_alias {
    const char *location;
    const ap_regex_t *regex; /* of the Match form, else NULL */
    const char *where;       /* "file:line" */
    const server_rec *server;
    const char *target;
    const char *process_group; /* "" is embedded */
    const char *application_group;
    const char *callable_object; /* taken literally, unlike the directive's */
    int pass_authorization;
};

/* One WSGIHandlerScript. */
struct wsgi_handler_script {
    const char *name; /* of the handler */
    const char *file;
    const char *process_group; /* options: NULL or -1 when not given */
    const char *application_group;
    int pass_authorization;
};

/* A script that decides: file NULL when there is none; application_group never NULL then. */
struct wsgi_decider {
    const char *file;
    const char *application_group; /* as written; "" is the main interpreter */
};

/* What can be set per interpreter: outside of sections, and in <WSGIInterpreterOptions>. */
struct wsgi_scope {
    const char *process_group;       /* selector; NULL: every one, "" is embedded */
    const char *application_group;   /* selector; NULL: every one, "" is the main interpreter */
    const char *where;               /* "file:line" of the section */
    apr_array_header_t *python_path; /* const char *; NULL when not given */
    int64_t switch_interval;         /* microseconds, 0 when not given */
    int restrict_stdin;              /* this and the next: -1 when not given */
    int restrict_stdout;
    int restrict_signal;
    int own_gil;
    int free_threading;
};

/* Something to say about the configuration that is no error. Lives in pconf. */
struct wsgi_note {
    server_rec *server; /* whose log */
    int level;          /* APLOG_* */
    int in_test_only;   /* said by "httpd -t" only, not at each start */
    const char *text;
};

/* A script that is to be loaded at start: what WSGIImportScript says, or an alias that names both
 * groups. The groups are looked up when everything was read. */
struct wsgi_import {
    const char *what;  /* "WSGIScriptAlias /blog" */
    const char *where; /* "file:line" */
    const server_rec *server;
    const char *process_group; /* "" is embedded */
    const char *application_group;
    const char *script;
    int is_alias; /* whose target may be a directory: then only the group has to be there */
};

/* One WSGIProcessGroup or WSGIApplicationGroup. */
struct wsgi_mention {
    const char *where;
    const server_rec *server;
    const char *name;     /* as written */
    int is_process_group; /* else an application group */
    int in_section;       /* inside <Directory>, <Location> ... */
};

/* What there is once in the whole server. Made anew with each configuration, in pconf. */
struct wsgi_settings {
    apr_array_header_t *groups;           /* struct wsgi_group *, of all virtual hosts */
    apr_array_header_t *duplicates;       /* likewise: names that were there, in other hosts */
    apr_array_header_t *imports;          /* struct wsgi_import, in their order */
    apr_array_header_t *mentions;         /* struct wsgi_mention */
    apr_array_header_t *aliases;          /* struct wsgi_alias *, of all virtual hosts */
    apr_array_header_t *handlers;         /* struct wsgi_handler_script, of all scopes */
    apr_array_header_t *notes;            /* struct wsgi_note */
    apr_array_header_t *removed;          /* const char *: directives of old that were used */
    apr_array_header_t *embedded_preload; /* struct wsgi_preload */
    const char *socket_prefix;            /* absolute; NULL when it cannot be made so */
    const char *socket_prefix_where;      /* "file:line", NULL for the default */
    const char *python_home;              /* WSGIPythonHome */
    const char *python_home_where;
    struct wsgi_scope outside;    /* of sections; its paths are for embedded mode only */
    apr_array_header_t *sections; /* struct wsgi_scope *, in their order */
    struct wsgi_scope *section;   /* the one that is being read, else NULL */
    int has_dispatch;             /* some scope has a dispatch script: any group may be used */
    const char *python_eggs;      /* embedded mode only; NULL when not given */
    apr_array_header_t *python_warnings; /* const char *, in their order; may be empty */
    int python_optimize;                 /* 0, 1, 2 */
    const char *hash_seed;               /* "random" or a number; NULL when not given */
    int dont_write_bytecode;             /* this and the next: -1 when not given */
    int restrict_embedded;
    int destroy_interpreter;
    int case_sensitivity;
    int socket_rotation;
    int server_metrics;
    const char *telemetry_target;  /* absolute path, NULL when off */
    int64_t telemetry_interval;    /* microseconds */
    int64_t slow_requests;         /* microseconds, 0 when off */
    unsigned telemetry_options;    /* WSGI_TELEMETRY_* */
    const char *log_options_where; /* of WSGILogOptions, NULL when not given */
    int stdout_level;              /* this and the next: of syslog */
    int stderr_level;
    int log_flags; /* WSGI_LOG_KEEP_* */
    /* Something needs Python in Apache's children whatever WSGIRestrictEmbedded says: a script that
     * decides, or an import script of embedded mode. */
    int python_needed;

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
    int pass_authorization; /* this and the next: -1 when not given */
    int script_reloading;
    int pass_apache_request;
    int error_override;
    int chunked_request;
    int ignore_activity;
    int enable_sendfile;
    int map_head;                   /* enum wsgi_map_head */
    struct wsgi_decider dispatch;   /* WSGIDispatchScript */
    struct wsgi_decider access;     /* WSGIAccessScript */
    struct wsgi_decider auth_user;  /* WSGIAuthUserScript */
    struct wsgi_decider auth_group; /* WSGIAuthGroupScript */
    apr_table_t
        *restrict_process;        /* allowed names as keys, case ignored, "%{GLOBAL}" is ""; NULL */
    apr_array_header_t *handlers; /* struct wsgi_handler_script; the last of a name counts; NULL */
    apr_array_header_t *trusted_headers; /* const char *, "HTTP_X_FORWARDED_FOR", in order; NULL */
    apr_array_header_t *trusted_proxies; /* apr_ipsubnet_t *; NULL when not given */
};

enum wsgi_map_head {
    WSGI_MAP_HEAD_UNSET = -1,
    WSGI_MAP_HEAD_OFF,
    WSGI_MAP_HEAD_ON,
    WSGI_MAP_HEAD_AUTO
};

#define WSGI_TELEMETRY_USER_AGENT 0x1u

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

/* 1 while an .htaccess file is read, when a request is served: nothing but the directory's own
 * record may be written then. */
int wsgi_config_in_htaccess(cmd_parms *cmd);
/* 1 inside <Directory>, <Location>, <Files>, <If> or <Limit>. */
int wsgi_config_in_section(cmd_parms *cmd);
/* Where the directives of an interpreter go: the section that is being read, or outside. */
struct wsgi_scope *wsgi_config_scope(const cmd_parms *cmd);
void wsgi_config_clear_scope(struct wsgi_scope *scope);
/* On or Off: NULL, or the error. */
const char *wsgi_config_flag(const cmd_parms *cmd, const char *text, int *flag);
/* Seconds as a decimal fraction, in microseconds; at least `least` of them. 0, or -1. */
int wsgi_config_seconds(const char *text, int64_t least, int64_t *microseconds);
/* What is not an error is noted, and told when everything was read. */
void wsgi_config_note(struct wsgi_settings *settings, server_rec *server, int level,
                      const char *text);
void wsgi_config_note_in_test(struct wsgi_settings *settings, server_rec *server, const char *text);

#endif
