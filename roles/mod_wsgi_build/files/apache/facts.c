/* SPDX-License-Identifier: Apache-2.0 */
#include "facts.h"

#include "binding.h"
#include "config.h"
#include "daemon.h"
#include "dump.h"
#include "environment.h"
#include "jail.h"
#include "log.h"
#include "peruser.h"
#include "probe.h"
#include "python.h"
#include "resolve.h"
#include "timeouts.h"
#include "slots.h"

#include "apr_strings.h"
#include "http_core.h"

#include <errno.h>
#include <locale.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#define FALLBACK_LOCALE "C.UTF-8"
/* The longest that a socket's name may come to hold. */
#define PID_MAX_OF_LINUX 4194304
#define GENERATION_MAX 999999

/* ---- one group ----------------------------------------------------------------------------- */

/* A user who owns an interpreter decides what it does, so it serves only that user (and root's
 * serves everybody). */
static const char *check_owner(apr_pool_t *pool, const struct wsgi_python *python, uid_t user)
{
    struct stat file;

    if (stat(python->interpreter, &file) != 0)
        return apr_psprintf(pool, "interpreter %s: %s", python->interpreter, strerror(errno));
    if (file.st_uid == 0 || file.st_uid == geteuid() || file.st_uid == user)
        return NULL;
    return apr_psprintf(pool,
                        "interpreter %s belongs to the user with uid %ld, so only a process group "
                        "of that user may run it; use an interpreter that root owns",
                        python->interpreter, (long)file.st_uid);
}

static const char *check_python(apr_pool_t *pool, const struct wsgi_settings *settings,
                                struct wsgi_group *group)
{
    const char *home = group->python_home != NULL ? group->python_home : settings->python_home;
    const char *error = wsgi_python_resolve(pool, settings->pythons, group->chroot, home,
                                            &group->interpreter, &group->python);

    if (error == NULL)
        error = check_owner(pool, group->python, group->uid);
    if (error == NULL || home == NULL)
        return error;
    if (group->python_home != NULL)
        return apr_psprintf(pool, "option python-home: %s", error);
    return apr_psprintf(pool, "WSGIPythonHome (%s): %s", settings->python_home_where, error);
}

/* Its sockets: a path that the kernel takes, in a directory that is there. */
static const char *check_socket(apr_pool_t *pool, const struct wsgi_settings *settings,
                                const struct wsgi_group *group)
{
    const char *where =
        settings->socket_prefix_where != NULL ? settings->socket_prefix_where : "the default";
    const char *directory;
    const char *longest;
    const char *problem;
    struct stat found;

    if (settings->socket_prefix == NULL)
        return "WSGISocketPrefix: httpd has no runtime directory; give an absolute path";
    longest = apr_psprintf(
        pool, "%s.%d.%d%s",
        wsgi_slots_socket_stem(pool, settings->socket_prefix, PID_MAX_OF_LINUX, GENERATION_MAX),
        group->id, 2 * group->processes - 1, wsgi_slots_socket_suffix(settings->socket_prefix));
    if (strlen(longest) >= sizeof(((struct sockaddr_un *)0)->sun_path))
        return apr_psprintf(pool,
                            "WSGISocketPrefix (%s): with %s a socket's path may have %lu bytes, "
                            "the system takes %lu; give a shorter path",
                            where, settings->socket_prefix, (unsigned long)strlen(longest),
                            (unsigned long)sizeof(((struct sockaddr_un *)0)->sun_path) - 1);
    directory = ap_make_dirstr_parent(pool, settings->socket_prefix);
    if (stat(directory, &found) != 0)
        return apr_psprintf(pool,
                            "WSGISocketPrefix (%s): directory %s: %s; make it, or give "
                            "another path",
                            where, directory, strerror(errno));
    if (!S_ISDIR(found.st_mode))
        return apr_psprintf(pool, "WSGISocketPrefix (%s): %s is not a directory", where, directory);
    problem = wsgi_probe_sockets(pool, group, directory);
    if (problem != NULL)
        return apr_psprintf(pool,
                            "WSGISocketPrefix (%s): %s; let that user in (chmod a+x), or give "
                            "another path",
                            where, problem);
    return NULL;
}

static const char *check_home(apr_pool_t *pool, const struct wsgi_group *group)
{
    struct stat found;

    if (group->home == NULL || group->chroot != NULL)
        return NULL;
    /* Root may be kept out where the daemon's user is not: a file system of another host. */
    if (stat(group->home, &found) != 0 && errno == EACCES)
        return NULL;
    if (stat(group->home, &found) != 0)
        return apr_psprintf(pool, "option home: %s: %s; make it, or correct the path", group->home,
                            strerror(errno));
    if (!S_ISDIR(found.st_mode))
        return apr_psprintf(pool, "option home: %s is not a directory", group->home);
    return NULL;
}

static const char *check_group(apr_pool_t *pool, const struct wsgi_settings *settings,
                               struct wsgi_group *group)
{
    const char *error = wsgi_group_resolve_user(pool, group);

    if (error == NULL)
        error = check_home(pool, group);
    if (error == NULL)
        error = check_python(pool, settings, group);
    if (error == NULL)
        error = check_socket(pool, settings, group);
    if (error == NULL)
        error = wsgi_environment_check_files(pool, group);
    if (error == NULL)
        error =
            group->chroot != NULL ? wsgi_jail_check(pool, group) : wsgi_probe_group(pool, group);
    if (error == NULL)
        return NULL;
    return apr_psprintf(pool, "WSGIDaemonProcess %s (%s): %s", group->name, group->where, error);
}

/* ---- locale -------------------------------------------------------------------------------- */

static int is_locale(const char *name)
{
    locale_t made = newlocale(LC_ALL_MASK, name, (locale_t)0);

    if (made == (locale_t)0)
        return 0;
    freelocale(made);
    return 1;
}

/* With a name that the system does not know everything would be in the C locale, which has no
 * letters but ASCII's. So `locale` is replaced. `lang` is only an environment variable, which
 * LC_ALL overrides and which an application may read for its own ends: it is told and stays. */
static void check_locale(apr_pool_t *pool, struct wsgi_settings *settings,
                         const struct wsgi_group *group, const char *option, const char *name,
                         const char *instead)
{
    if (name == NULL || is_locale(name))
        return;
    wsgi_config_note(settings, group->server, APLOG_WARNING,
                     apr_psprintf(pool,
                                  "WSGIDaemonProcess %s (%s): option %s=%s: the system has no such "
                                  "locale%s; \"locale -a\" lists those there are",
                                  group->name, group->where, option, name, instead));
}

/* ---- everything ---------------------------------------------------------------------------- */

static const char *check_embedded(apr_pool_t *pool, struct wsgi_settings *settings)
{
    const char *error;

    if (settings->restrict_embedded == 1 && !settings->python_needed)
        return NULL;
    error = wsgi_python_resolve(pool, settings->pythons, NULL, settings->python_home,
                                &settings->interpreter, &settings->python);
    if (error == NULL)
        error = check_owner(pool, settings->python, geteuid());
    if (error == NULL && settings->python_home != NULL)
        error = wsgi_python_check_prefix(pool, settings->python_home, settings->interpreter,
                                         settings->python);
    if (error == NULL)
        error = wsgi_probe_embedded(pool, settings->interpreter, settings->python);
    if (error == NULL || settings->python_home == NULL)
        return error;
    return apr_psprintf(pool, "WSGIPythonHome (%s): %s", settings->python_home_where, error);
}

/* Scripts that a chroot does not hold are not preloaded; requests for them get 502. */
static void note_outside(apr_pool_t *pool, struct wsgi_settings *settings,
                         const struct wsgi_group *group)
{
    int i;

    for (i = 0; i < group->preload->nelts; i++) {
        const char *script = APR_ARRAY_IDX(group->preload, i, struct wsgi_preload).script;

        if (wsgi_jail_inside(group->chroot, script) == NULL)
            wsgi_config_note(settings, group->server, APLOG_WARNING,
                             apr_psprintf(pool,
                                          "WSGIDaemonProcess %s (%s): script %s is outside of "
                                          "chroot=%s and cannot be loaded; move it inside",
                                          group->name, group->where, script, group->chroot));
    }
}

static void find_out(apr_pool_t *pool, struct wsgi_settings *settings)
{
    int i;

    settings->pythons = wsgi_python_read(pool);
    settings->embedded_broken = check_embedded(pool, settings);
    for (i = 0; i < settings->groups->nelts; i++) {
        struct wsgi_group *group = APR_ARRAY_IDX(settings->groups, i, struct wsgi_group *);

        group->broken = check_group(pool, settings, group);
        note_outside(pool, settings, group);
        if (group->locale == NULL)
            check_locale(pool, settings, group, "lang", group->lang, "");
        check_locale(pool, settings, group, "locale", group->locale,
                     ", " FALLBACK_LOCALE " is used");
        if (group->locale != NULL && !is_locale(group->locale))
            group->locale = FALLBACK_LOCALE;
    }
}

static void tell_notes(const struct wsgi_settings *settings, int testing)
{
    int i;

    for (i = 0; i < settings->notes->nelts; i++) {
        const struct wsgi_note *note = &APR_ARRAY_IDX(settings->notes, i, const struct wsgi_note);

        if (testing)
            ap_log_error(APLOG_MARK, APLOG_STARTUP | note->level, 0, NULL, "%s", note->text);
        else if (!note->in_test_only)
            ap_log_error(APLOG_MARK, note->level, 0, note->server, "%s", note->text);
    }
}

/* To the terminal: there may be no log yet. */
static int refuse(const char *why)
{
    if (why == NULL)
        return OK;
    ap_log_error(APLOG_MARK, APLOG_STARTUP | APLOG_ERR, 0, NULL, "%s", why);
    return HTTP_INTERNAL_SERVER_ERROR;
}

static int refuse_configuration(const struct wsgi_settings *settings)
{
    int status = refuse(settings->embedded_broken);
    int i;

    /* A manifest that is of no use, beside others that are. */
    if (settings->pythons->standard != NULL && refuse(settings->pythons->problem) != OK)
        status = HTTP_INTERNAL_SERVER_ERROR;
    for (i = 0; i < settings->groups->nelts; i++)
        if (refuse(APR_ARRAY_IDX(settings->groups, i, const struct wsgi_group *)->broken) != OK)
            status = HTTP_INTERNAL_SERVER_ERROR;
    return status;
}

int wsgi_facts_check_config(apr_pool_t *pconf, apr_pool_t *plog, apr_pool_t *ptemp,
                            server_rec *main_server)
{
    struct wsgi_settings *settings = wsgi_config_settings(main_server);
    int testing = ap_state_query(AP_SQ_RUN_MODE) == AP_SQ_RM_CONFIG_TEST;
    int status = wsgi_resolve_names(pconf, main_server);

    (void)plog;
    (void)ptemp;
    if (status != OK)
        return status;
    /* A start reads the configuration twice; what the first reading found would be lost. */
    if (!testing && ap_state_query(AP_SQ_MAIN_STATE) == AP_SQ_MS_CREATE_PRE_CONFIG)
        return OK;
    wsgi_binding_find(pconf, main_server);
    find_out(pconf, settings);
    wsgi_timeouts_doubt(pconf, main_server);
    wsgi_peruser_doubt(pconf, main_server);
    if (!testing)
        return OK;
    wsgi_resolve_doubts(pconf, main_server);
    tell_notes(settings, 1);
    status = refuse_configuration(settings);
    /* httpd goes no further then, and that is when a dump is wanted most. */
    if (status != OK)
        wsgi_dump_test_config(pconf, main_server);
    return status;
}

void wsgi_facts_report(server_rec *main_server)
{
    const struct wsgi_settings *settings = wsgi_config_settings(main_server);
    int i;

    tell_notes(settings, 0);
    if (settings->embedded_broken != NULL)
        ap_log_error(APLOG_MARK, APLOG_ERR, 0, main_server,
                     "WSGI%04d: embedded mode is out of service: %s", WSGI_CODE_PYTHON_NOT_UP,
                     settings->embedded_broken);
    for (i = 0; i < settings->groups->nelts; i++) {
        const struct wsgi_group *group =
            APR_ARRAY_IDX(settings->groups, i, const struct wsgi_group *);

        if (group->broken != NULL)
            ap_log_error(APLOG_MARK, APLOG_ERR, 0, group->server,
                         "WSGI%04d: process group %s is out of service: %s",
                         WSGI_CODE_GROUP_NOT_READY, group->name, group->broken);
        if (group->broken != NULL)
            wsgi_log_pointer(main_server, group->server, group->name);
    }
}
