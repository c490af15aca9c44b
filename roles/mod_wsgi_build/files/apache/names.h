/* SPDX-License-Identifier: Apache-2.0 */
/* Which process group, application group and callable a request belongs to. */
#ifndef WSGI_APACHE_NAMES_H
#define WSGI_APACHE_NAMES_H

#include "httpd.h"

struct wsgi_group;

/* Request notes by which an alias (and other modules) overrule the directives. */
#define WSGI_NOTE_PROCESS_GROUP "mod_wsgi.process_group"
#define WSGI_NOTE_APPLICATION_GROUP "mod_wsgi.application_group"
#define WSGI_NOTE_CALLABLE_OBJECT "mod_wsgi.callable_object"
#define WSGI_NOTE_PASS_AUTHORIZATION "mod_wsgi.pass_authorization"

/* What a request is run as; all texts live as long as the request. */
struct wsgi_target {
    const char *script_name;       /* SCRIPT_NAME, runs of "/" collapsed */
    const char *path_info;         /* PATH_INFO, likewise; never NULL */
    const char *process_group;     /* "" is embedded */
    const char *application_group; /* "" is the main interpreter */
    const char *callable_object;
    int pass_authorization;
    int script_reloading;
    const char *connection_id;  /* Apache's log id before any line of ours made one, or NULL */
    const char *handler_script; /* file of the WSGIHandlerScript, NULL for a plain script */
    const char *root;           /* the daemon's chroot, NULL without one */
    int in_main; /* the main-interpreter rule: runs in the main interpreter of its daemon */
};

/* Everything but in_main, from the aliases, handler scripts and directives. */
void wsgi_names_find(request_rec *r, struct wsgi_target *target);

/* in_main, when the names are final: after a dispatch script. */
void wsgi_names_choose_main(request_rec *r, const struct wsgi_group *group,
                            struct wsgi_target *target);

/* NULL (unset) is the group of the resource, "server|script". */
const char *wsgi_names_application_group(request_rec *r, const char *script_name, const char *name);
/* NULL (unset) is embedded. */
const char *wsgi_names_process_group(request_rec *r, const char *script_name, const char *name);
/* WSGICallableObject: a name, or %{ENV:x}; anything else with "%" is "application". */
const char *wsgi_names_callable(request_rec *r, const char *name);

#endif
