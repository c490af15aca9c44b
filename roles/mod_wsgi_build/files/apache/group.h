/* SPDX-License-Identifier: Apache-2.0 */
/* A daemon group: what WSGIDaemonProcess said, and what was found out about it. */
#ifndef WSGI_APACHE_GROUP_H
#define WSGI_APACHE_GROUP_H

#include "httpd.h"
#include "apr_tables.h"

#include <stdint.h>

struct wsgi_alias;
struct wsgi_slots;

/* One interpreter the build made an engine for: a manifest, read at configuration time. */
struct wsgi_python {
    const char *interpreter; /* real path */
    const char *version;     /* "3.11.2" */
    const char *soabi;
    const char *engine;    /* absolute path of the engine file */
    const char *libpython; /* absolute path, "" when there is no shared one */
    const char *prefix;
    int is_default;
};

/* Lives in pconf. `unset` numbers are -1, texts NULL. */
struct wsgi_group {
    const char *name;
    server_rec *server;  /* virtual host of the definition: its log, its ServerName */
    const char *where;   /* "file:line" of the definition */
    int id;              /* 1-based ordinal in the configuration */
    const char *written; /* "name=value" of all options, one a line, as they were given */

    /* the options, checked */
    const char *user_option; /* as written, NULL when not given */
    const char *group_option;
    int processes;       /* >= 1 */
    int processes_given; /* written at all: wsgi.multiprocess */
    int threads;         /* >= 0; 0: service scripts only */
    int umask;           /* -1: inherited */
    const char *home;
    const char *lang;
    const char *locale;
    const char *python_home;
    apr_array_header_t *python_path; /* const char *; NULL when not given */
    const char *python_eggs;
    const char *display_name;       /* %{GROUP} already expanded */
    const char *chroot;             /* absolute, without a "/" at its end */
    int no_new_privileges;          /* On */
    apr_array_header_t *env;        /* char *, "NAME=value" */
    apr_array_header_t *env_files;  /* const char *, absolute */
    apr_array_header_t *supplement; /* gid_t; NULL: the groups of the user */
    const char *socket_user_option; /* as written */
    int64_t switch_interval;        /* microseconds, 0: Python's own */
    int64_t stack_size;             /* bytes, 0: the system's */
    int64_t maximum_requests;       /* 0: no limit */
    int shutdown_timeout;           /* this and the next: seconds, 0 = no limit, or off */
    int startup_timeout;
    int deadlock_timeout;
    int inactivity_timeout;
    int request_timeout;
    int interrupt_timeout;
    int graceful_timeout;
    int eviction_timeout; /* 0: graceful_timeout */
    int restart_interval;
    int connect_timeout;
    int socket_timeout; /* 0: the server's Timeout */
    int queue_timeout;
    int response_socket_timeout; /* 0: socket_timeout */
    int response_flush_delay;    /* milliseconds */
    int listen_backlog;
    int64_t send_buffer_size; /* this and the next four: bytes, 0 = the default */
    int64_t receive_buffer_size;
    int64_t header_buffer_size;
    int64_t response_buffer_size;
    int64_t memory_limit;         /* 0: none */
    int64_t virtual_memory_limit; /* 0: none */
    int cpu_time_limit;           /* seconds, 0: none */
    int cpu_priority;             /* 0: as httpd */
    int server_metrics;           /* On */
    int reload_overlap;           /* reload=overlap */
    /* The script's owner rules (behaviour reference 3.7); at most one of them is given. */
    const char *script_user_option; /* as written, NULL when not given */
    const char *script_group_option;
    uid_t script_user; /* only when the option is given */
    gid_t script_group;

    /* application scripts to load before READY; struct wsgi_preload */
    apr_array_header_t *preload;

    /* The main-interpreter rule: the one application group that the configuration binds to this
     * group, either as a name ("" when all of it says %{GLOBAL}) or as the one alias whose
     * application group is that of its resource. Both NULL: there are several, or none. */
    const char *main_group;
    const struct wsgi_alias *main_alias;

    /* found out in post_config */
    uid_t uid;
    gid_t gid;
    uid_t socket_uid;
    const char *user_name; /* of uid, NULL when it has no passwd entry */
    const char *user_home;
    const char *interpreter;          /* path to exec, e.g. <venv>/bin/python */
    const struct wsgi_python *python; /* its engine */
    const char *broken;               /* why the group is out of service, NULL when it is fine */
    struct wsgi_slots *slots;         /* NULL when broken, or outside a running server */
};

struct wsgi_preload {
    const char *application_group; /* "" is the main interpreter */
    const char *script;
};

#endif
