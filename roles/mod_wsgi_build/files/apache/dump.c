/* SPDX-License-Identifier: Apache-2.0 */
#include "dump.h"

#include "admit.h"
#include "config.h"
#include "group.h"
#include "names.h"
#include "python.h"
#include "route.h"
#include "whatif.h"

#include "ap_listen.h"
#include "apr_lib.h"
#include "apr_strings.h"
#include "apr_uri.h"
#include "http_core.h"
#include "http_main.h"
#include "http_protocol.h"
#include "http_request.h"
#include "util_cfgtree.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/wait.h>
#include <unistd.h>

#define DEFINE "DUMP_WSGI"

/* ---- printing ----------------------------------------------------------------------------------
 */

/* "    label              text", the text of one line. Control characters of a URL stay out. */
static void field(const char *label, const char *format, ...) __attribute__((format(printf, 2, 3)));

static void field(const char *label, const char *format, ...)
{
    char text[2048];
    va_list arguments;
    char *at;

    va_start(arguments, format);
    vsnprintf(text, sizeof(text), format, arguments);
    va_end(arguments);
    for (at = text; *at != '\0'; at++)
        if (apr_iscntrl(*at))
            *at = '?';
    printf("    %-18s %s\n", label, text);
}

static const char *where_of(apr_pool_t *pool, const server_rec *s)
{
    if (s->defn_name == NULL)
        return "main server";
    return apr_psprintf(pool, "%s:%u", s->defn_name, s->defn_line_number);
}

static const char *title_of(apr_pool_t *pool, const server_rec *s)
{
    const char *name = s->server_hostname != NULL ? s->server_hostname : "(no ServerName)";
    const char *addresses = "";
    const server_addr_rec *before = NULL;
    const server_addr_rec *record;

    if (!s->is_virtual)
        return apr_psprintf(pool, "main server %s", name);
    for (record = s->addrs; record != NULL; record = record->next) {
        const char *port =
            record->host_port != 0 ? apr_psprintf(pool, ":%u", (unsigned)record->host_port) : ":*";

        /* "*" stands for one address of each family */
        if (before != NULL && strcmp(before->virthost, record->virthost) == 0 &&
            before->host_port == record->host_port)
            continue;
        addresses =
            apr_pstrcat(pool, addresses, before != NULL ? " " : "", record->virthost, port, NULL);
        before = record;
    }
    return apr_psprintf(pool, "virtual host %s (%s), %s", name, addresses, where_of(pool, s));
}

static const char *kind_of(const struct wsgi_alias *alias)
{
    return alias->regex != NULL ? "WSGIScriptAliasMatch" : "WSGIScriptAlias";
}

/* ---- what runs something -----------------------------------------------------------------------
 */

static void print_python(const char *interpreter, const struct wsgi_python *python,
                         const char *broken)
{
    if (broken != NULL)
        field("out of service", "%s", broken);
    if (python == NULL)
        return;
    field("interpreter", "%s (Python %s)", interpreter != NULL ? interpreter : python->interpreter,
          python->version);
    field("engine", "%s", python->engine);
}

static void print_process_group(request_rec *r, const struct wsgi_target *target,
                                const struct wsgi_group *group)
{
    const struct wsgi_settings *settings = wsgi_config_settings(r->server);

    if (*target->process_group == '\0') {
        field("process group", "none: embedded mode, in Apache's own processes");
        if (settings->restrict_embedded != 1)
            print_python(settings->interpreter, settings->python, settings->embedded_broken);
        return;
    }
    if (group == NULL) {
        field("process group", "%s", target->process_group);
        return;
    }
    field("process group", "%s (%s)", group->name, group->where);
    print_python(group->interpreter, group->python, group->broken);
}

/* As it was written; NULL when it was not. */
static const char *written_group(const request_rec *r)
{
    const struct wsgi_handler_script *handler = wsgi_route_handler_script(r);
    const char *note = apr_table_get(r->notes, WSGI_NOTE_APPLICATION_GROUP);

    if (handler != NULL && handler->application_group != NULL)
        return handler->application_group;
    return note != NULL ? note : wsgi_config_directory(r)->application_group;
}

static void print_application_group(request_rec *r, const struct wsgi_target *target)
{
    const char *written = written_group(r);
    const char *name = *target->application_group != '\0' ? target->application_group : "%{GLOBAL}";
    const char *in_main = *target->application_group == '\0' ? ": the main interpreter"
                          : target->in_main ? ", which runs in the main interpreter, as the only "
                                              "one of its process group"
                                            : "";

    if (written == NULL)
        written = "%{RESOURCE}";
    if (*written == '\0' || strcmp(written, name) == 0)
        field("application group", "%s%s", name, in_main);
    else
        field("application group", "%s, here %s%s", written, name, in_main);
}

static void print_target(request_rec *r)
{
    const struct wsgi_group *group = NULL;
    struct wsgi_outcome outcome = {0};
    struct wsgi_target target;
    int status;

    wsgi_names_find(r, &target);
    status = wsgi_admit(r, &target, &group, &outcome);
    if (group != NULL)
        wsgi_names_choose_main(r, group, &target);
    print_process_group(r, &target, group);
    print_application_group(r, &target);
    field("callable", "%s", target.callable_object);
    if (wsgi_config_directory(r)->dispatch.file != NULL)
        field("may be changed by", "WSGIDispatchScript %s",
              wsgi_config_directory(r)->dispatch.file);
    if (status != OK)
        field("refused", "%d, WSGI%04u: %s", status, (unsigned)outcome.code, outcome.cause);
}

/* ---- mounts ------------------------------------------------------------------------------------
 */

static apr_port_t port_of(const server_rec *s)
{
    if (s->addrs != NULL && s->addrs->host_port != 0)
        return s->addrs->host_port;
    if (s->port != 0)
        return s->port;
    return ap_listeners != NULL ? ap_listeners->bind_addr->port : DEFAULT_HTTP_PORT;
}

static void print_mounted(request_rec *r)
{
    if (r->finfo.filetype == APR_DIR)
        field("a directory", "each script in it is an application of its own");
    else if (r->finfo.filetype == APR_NOFILE)
        field("missing", "%s does not exist, or cannot be reached by this user", r->filename);
    print_target(r);
}

/* What a request for just the mount would get; some mounts never get one. */
static void probe_mount(apr_pool_t *pool, server_rec *s, const struct wsgi_alias *alias)
{
    const char *host = s->server_hostname != NULL ? s->server_hostname : "localhost";
    const char *target = ap_escape_uri(pool, alias->location);
    const struct wsgi_alias *taken;
    request_rec *r;
    int status;

    r = wsgi_whatif_ask(pool, host, port_of(s), target, s, &status);
    taken = r != NULL ? wsgi_route_alias(r) : NULL;
    if (r == NULL)
        field("never reached", "no request can be made for this path");
    else if (taken == NULL)
        field("never reached", "another module maps this path, to %s",
              r->filename != NULL ? r->filename : "something that is no file");
    else if (taken->location != alias->location)
        field("never reached", "%s %s (%s) stands above it and takes its path", kind_of(taken),
              taken->location, taken->where);
    else if (status != OK && r->finfo.filetype != APR_DIR)
        field("refused", "%s", ap_get_status_line(status));
    else if (status == OK && !wsgi_route_is_ours(r))
        field("never reached", "handler %s was set for it", r->handler != NULL ? r->handler : "");
    else
        print_mounted(r);
}

static void print_written(const char *label, const char *name)
{
    if (name != NULL)
        field(label, "%s", *name != '\0' ? name : "%{GLOBAL}");
}

static void print_mount(apr_pool_t *parent, server_rec *s, const struct wsgi_alias *alias)
{
    apr_pool_t *pool;

    printf("  %s -> %s\n", alias->location, alias->target);
    field("from", "%s, %s", kind_of(alias), alias->where);
    if (alias->regex != NULL || *alias->location != '/') {
        /* Which paths it matches, and so which sections apply, only a request shows. */
        print_written("process group", alias->process_group);
        print_written("application group", alias->application_group);
        print_written("callable", alias->callable_object);
        field("ask for a path", "-D \"" DEFINE "=http://host/path\"");
        return;
    }
    apr_pool_create(&pool, parent);
    probe_mount(pool, s, alias);
    apr_pool_destroy(pool);
}

static void print_server(apr_pool_t *pool, server_rec *s)
{
    const apr_array_header_t *aliases = wsgi_config_server(s)->aliases;
    int i;

    if (aliases->nelts == 0)
        return;
    printf("%s\n", title_of(pool, s));
    for (i = 0; i < aliases->nelts; i++)
        print_mount(pool, s, &APR_ARRAY_IDX(aliases, i, struct wsgi_alias));
}

/* ---- the lines of the configuration ------------------------------------------------------------
 */

typedef void visit_line(const ap_directive_t *line, void *context);

static void walk_lines(const ap_directive_t *line, visit_line *visit, void *context)
{
    for (; line != NULL; line = line->next) {
        visit(line, context);
        walk_lines(line->first_child, visit, context);
    }
}

static int is_line(const ap_directive_t *line, const char *name)
{
    return strcasecmp(line->directive, name) == 0;
}

/* "<VirtualHost *:80> <Location /x>" around a line. */
static const char *scope_of(apr_pool_t *pool, const ap_directive_t *line)
{
    const char *scope = "";

    for (line = line->parent; line != NULL; line = line->parent)
        scope = apr_psprintf(pool, " %s %s%s%s", line->directive, line->args,
                             strchr(line->args, '>') == NULL ? ">" : "", scope);
    return scope;
}

struct deciders {
    apr_pool_t *pool;
    int count;
};

static void print_decider(const ap_directive_t *line, void *context)
{
    static const char *const names[] = {"WSGIDispatchScript", "WSGIAccessScript",
                                        "WSGIAuthUserScript", "WSGIAuthGroupScript",
                                        "WSGIHandlerScript",  "WSGIImportScript"};
    struct deciders *deciders = context;
    size_t i;

    for (i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        if (!is_line(line, names[i]))
            continue;
        if (deciders->count++ == 0)
            printf("scripts of other directives\n");
        printf("  %s %s\n", line->directive, line->args);
        field("from", "%s:%d%s", line->filename, line->line_num, scope_of(deciders->pool, line));
    }
}

struct usage {
    apr_pool_t *pool;
    const char *group;
    int named;   /* lines that name it */
    int dynamic; /* lines whose name is only known at request time */
};

static void count_name(struct usage *usage, const char *name)
{
    if (strcmp(name, usage->group) == 0)
        usage->named++;
    else if (strncmp(name, "%{", 2) == 0 && strcmp(name, "%{GLOBAL}") != 0)
        usage->dynamic++;
}

static void count_line(const ap_directive_t *line, void *context)
{
    struct usage *usage = context;
    const char *rest = line->args;
    const char *word;

    if (strncasecmp(line->directive, "WSGI", 4) != 0 || is_line(line, "WSGIDaemonProcess"))
        return;
    if (is_line(line, "WSGIDispatchScript"))
        usage->dynamic++;
    if (is_line(line, "WSGIProcessGroup")) {
        count_name(usage, ap_getword_conf(usage->pool, &rest));
        return;
    }
    while (*(word = ap_getword_conf(usage->pool, &rest)) != '\0')
        if (strncmp(word, "process-group=", 14) == 0) {
            const char *value = word + 14;

            count_name(usage, *value == '"' || *value == '\'' ? ap_getword_conf(usage->pool, &value)
                                                              : value);
        }
}

static void print_usage(apr_pool_t *pool, const struct wsgi_group *group)
{
    struct usage usage = {pool, group->name, 0, 0};

    walk_lines(ap_conftree, count_line, &usage);
    if (usage.named > 0)
        return;
    if (usage.dynamic > 0)
        field("named nowhere", "only a name that is chosen for each request can be this one");
    else
        field("unused", "no directive names it; remove it, or use process-group=%s", group->name);
}

static void print_group(apr_pool_t *pool, const struct wsgi_group *group)
{
    printf("  %s\n", group->name);
    field("from", "WSGIDaemonProcess, %s", group->where);
    field("processes, threads", "%d, %d", group->processes, group->threads);
    field("user", "%s",
          group->user_name != NULL ? group->user_name
                                   : apr_psprintf(pool, "#%ld", (long)group->uid));
    if (group->main_group != NULL && *group->main_group != '\0')
        field("main interpreter", "application group %s", group->main_group);
    else if (group->main_alias != NULL)
        field("main interpreter", "%s (%s)", group->main_alias->location, group->main_alias->where);
    print_python(group->interpreter, group->python, group->broken);
    print_usage(pool, group);
}

/* ---- everything --------------------------------------------------------------------------------
 */

static void dump_all(apr_pool_t *pool, server_rec *main_server)
{
    const struct wsgi_settings *settings = wsgi_config_settings(main_server);
    struct deciders deciders = {pool, 0};
    server_rec *s;
    int i;

    for (s = main_server; s != NULL; s = s->next)
        print_server(pool, s);
    if (settings->groups->nelts > 0)
        printf("process groups\n");
    for (i = 0; i < settings->groups->nelts; i++)
        print_group(pool, APR_ARRAY_IDX(settings->groups, i, const struct wsgi_group *));
    printf("embedded mode\n");
    if (settings->restrict_embedded == 1)
        field("off", "by WSGIRestrictEmbedded");
    else
        print_python(settings->interpreter, settings->python, settings->embedded_broken);
    walk_lines(ap_conftree, print_decider, &deciders);
}

/* ---- one URL -----------------------------------------------------------------------------------
 */

static int is_listening(apr_port_t port)
{
    const ap_listen_rec *listener;

    for (listener = ap_listeners; listener != NULL; listener = listener->next)
        if (listener->bind_addr != NULL && listener->bind_addr->port == port)
            return 1;
    return 0;
}

#define PORT_MAX 65535

static int is_port(const char *text)
{
    return strspn(text, "0123456789") == strlen(text) && strlen(text) <= 5 && atoi(text) > 0 &&
           atoi(text) <= PORT_MAX;
}

/* NULL, or what is wrong with the URL. */
static const char *read_url(apr_pool_t *pool, const char *text, apr_uri_t *url)
{
    const char *at;

    for (at = text; *at != '\0'; at++)
        if (apr_iscntrl(*at) || *at == ' ' || (unsigned char)*at >= 0x80)
            return "it has a blank, a control character or another byte that must be written %xx";
    if (apr_uri_parse(pool, text, url) != APR_SUCCESS)
        return "it cannot be parsed";
    if (url->scheme == NULL ||
        (strcasecmp(url->scheme, "http") != 0 && strcasecmp(url->scheme, "https") != 0))
        return "it does not begin with http:// or https://";
    if (url->hostname == NULL || *url->hostname == '\0')
        return "it names no host";
    if (url->user != NULL || url->fragment != NULL)
        return "user names and fragments are never sent to a server in a URL";
    if (url->port_str == NULL || *url->port_str == '\0')
        url->port = strcasecmp(url->scheme, "https") == 0 ? DEFAULT_HTTPS_PORT : DEFAULT_HTTP_PORT;
    else if (!is_port(url->port_str))
        return "its port is no number from 1 to 65535";
    return NULL;
}

/* The text behind the host, as a client sends it. */
static const char *target_of(apr_pool_t *pool, const apr_uri_t *url)
{
    return apr_pstrcat(pool, url->path != NULL && *url->path != '\0' ? url->path : "/",
                       url->query != NULL ? "?" : "", url->query != NULL ? url->query : "", NULL);
}

static void print_elsewhere(request_rec *r, int status)
{
    const char *location = apr_table_get(r->headers_out, "Location");

    if (location == NULL)
        location = apr_table_get(r->err_headers_out, "Location");
    if (status != OK && location != NULL)
        field("answered by httpd", "%s, to %s", ap_get_status_line(status), location);
    else if (status != OK)
        field("answered by httpd", "%s", ap_get_status_line(status));
    else
        field("not for mod_wsgi", "handler %s, file %s",
              r->handler != NULL ? r->handler : "(none: a static file)",
              r->filename != NULL ? r->filename : "(none)");
}

static void print_access(request_rec *r)
{
    int access = wsgi_whatif_access(r);
    const char *kind = ap_auth_type(r);

    if (access == DECLINED)
        field("access", "asks the client who it is (AuthType %s)", kind != NULL ? kind : "unset");
    else if (access != OK)
        field("access", "%s for a client anywhere: no Require of %s lets it in",
              ap_get_status_line(access), ap_make_dirstr_parent(r->pool, r->filename));
    if (wsgi_config_directory(r)->access.file != NULL)
        field("access", "WSGIAccessScript %s decides, too", wsgi_config_directory(r)->access.file);
}

static void print_ours(request_rec *r)
{
    const struct wsgi_handler_script *handler = wsgi_route_handler_script(r);
    struct wsgi_outcome outcome = {0};
    struct wsgi_target target;
    int status;

    wsgi_names_find(r, &target);
    field("handler", "%s", r->handler);
    field("file", "%s", r->filename);
    if (handler != NULL)
        field("script", "%s (WSGIHandlerScript)", handler->file);
    field("SCRIPT_NAME", "\"%s\"", target.script_name);
    field("PATH_INFO", "\"%s\"", target.path_info);
    print_access(r);
    status = wsgi_route_check(r, &outcome);
    if (status != OK)
        field("refused", "%d, WSGI%04u: %s", status, (unsigned)outcome.code, outcome.cause);
    print_target(r);
}

/* 0, or 1 for a URL that is none. */
static int dump_url(apr_pool_t *pool, const char *text)
{
    const struct wsgi_alias *alias;
    const char *wrong;
    apr_uri_t url;
    request_rec *r;
    int status = OK;

    wrong = read_url(pool, text, &url);
    if (wrong != NULL) {
        fprintf(stderr, DEFINE "=%s: %s; give a URL such as http://www.example.org/path\n", text,
                wrong);
        return 1;
    }
    printf("%s\n", text);
    if (!is_listening(url.port))
        field("note", "no Listen line has port %u", (unsigned)url.port);
    r = wsgi_whatif_ask(pool, url.hostname, url.port, target_of(pool, &url), NULL, &status);
    if (r == NULL) {
        fprintf(stderr, DEFINE "=%s: \"%s\" is no address of this server\n", text, url.hostname);
        return 1;
    }
    field("server", "%s", title_of(pool, r->server));
    alias = wsgi_route_alias(r);
    if (alias != NULL)
        field("alias", "%s %s (%s)", kind_of(alias), alias->location, alias->where);
    if (status == OK && wsgi_route_is_ours(r))
        print_ours(r);
    else
        print_elsewhere(r, status);
    return 0;
}

/* ---- the define --------------------------------------------------------------------------------
 */

/* What stands behind "DUMP_WSGI=", "" without it; NULL: no dump is wanted. */
static const char *wanted(void)
{
    const apr_array_header_t *defines = ap_server_config_defines;
    int i;

    for (i = 0; i < defines->nelts; i++) {
        const char *define = APR_ARRAY_IDX(defines, i, const char *);
        size_t size = sizeof(DEFINE) - 1;

        if (strncmp(define, DEFINE, size) == 0 && define[size] == '\0')
            return "";
        if (strncmp(define, DEFINE, size) == 0 && define[size] == '=')
            return define + size + 1;
    }
    return NULL;
}

static int dump(apr_pool_t *pool, server_rec *main_server, const char *url)
{
    int failed = 0;

    wsgi_whatif_prepare(pool);
    if (*url != '\0')
        failed = dump_url(pool, url);
    else
        dump_all(pool, main_server);
    fflush(stdout);
    return failed;
}

/* In a process of its own: other modules are asked before httpd has made them ready, and one of
 * them may not like it. */
void wsgi_dump_test_config(apr_pool_t *pconf, server_rec *main_server)
{
    const char *url = wanted();
    int status = 0;
    pid_t child;

    if (url == NULL)
        return;
    fflush(NULL);
    child = fork();
    if (child == 0)
        _exit(dump(pconf, main_server, url));
    if (child < 0 || waitpid(child, &status, 0) != child) {
        perror(DEFINE);
        exit(1);
    }
    if (WIFSIGNALED(status))
        fprintf(stderr,
                DEFINE ": the dump ended with signal %d: a module of this server cannot be asked "
                       "before the server has started; what is printed above is right\n",
                WTERMSIG(status));
    if (status != 0)
        exit(1);
}
