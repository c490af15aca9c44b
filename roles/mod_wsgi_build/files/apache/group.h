/* SPDX-License-Identifier: Apache-2.0 */
/* A daemon group: what WSGIDaemonProcess said, and what was found out about it. */
#ifndef WSGI_APACHE_GROUP_H
#define WSGI_APACHE_GROUP_H

#include "httpd.h"

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
    server_rec *server; /* virtual host of the definition: its log, its ServerName */
    const char *where;  /* "file:line" of the definition */
    int id;             /* 1-based ordinal in the configuration */

    /* the options, checked */
    const char *user_option; /* as written, NULL when not given */
    const char *group_option;
    int processes;       /* >= 1 */
    int processes_given; /* written at all: wsgi.multiprocess */
    int threads;         /* >= 1 */
    int umask;           /* -1: inherited */
    const char *home;
    const char *lang;
    const char *locale;
    const char *python_home;
    apr_array_header_t *python_path; /* const char *; NULL when not given */
    const char *display_name;        /* %{GROUP} already expanded */
    int shutdown_timeout;            /* seconds, 0 = no limit */

    /* application scripts to load before READY; struct wsgi_preload */
    apr_array_header_t *preload;

    /* found out in post_config */
    uid_t uid;
    gid_t gid;
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
