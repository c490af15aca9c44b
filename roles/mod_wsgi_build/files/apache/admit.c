/* SPDX-License-Identifier: Apache-2.0 */
#include "admit.h"

#include "config.h"
#include "daemon.h"
#include "owner.h"

/* Names count whatever their case, as in mod_wsgi 6; embedded mode is called "%{GLOBAL}". */
static int check_list(request_rec *r, const char *name, struct wsgi_outcome *outcome)
{
    const apr_table_t *allowed = wsgi_config_directory(r)->restrict_process;

    if (allowed == NULL || apr_table_get(allowed, name) != NULL)
        return OK;
    wsgi_outcome_fail(outcome, HTTP_INTERNAL_SERVER_ERROR, WSGI_CODE_GROUP_NOT_ALLOWED,
                      "process group \"%s\" is not in the WSGIRestrictProcess list of this place",
                      *name != '\0' ? name : "%{GLOBAL}");
    return HTTP_INTERNAL_SERVER_ERROR;
}

static int find_group(request_rec *r, const char *name, const struct wsgi_group **group,
                      struct wsgi_outcome *outcome)
{
    const apr_array_header_t *groups = wsgi_config_settings(r->server)->groups;
    enum wsgi_code code = WSGI_CODE_NONE;
    const char *why = "";

    *group = wsgi_group_find(groups, name);
    if (groups->nelts == 0) {
        code = WSGI_CODE_GROUP_NONE;
        why = "no process group is configured at all";
    } else if (*group == NULL) {
        code = WSGI_CODE_GROUP_UNKNOWN;
        why = "no WSGIDaemonProcess has this name";
    } else if (!wsgi_group_reachable(*group, r->server)) {
        code = WSGI_CODE_GROUP_OTHER_HOST;
        why = "it belongs to a virtual host with another ServerName";
    }
    if (code == WSGI_CODE_NONE)
        return OK;
    wsgi_outcome_fail(outcome, HTTP_INTERNAL_SERVER_ERROR, (uint16_t)code,
                      "process group \"%s\" cannot be used: %s", name, why);
    return HTTP_INTERNAL_SERVER_ERROR;
}

static int check_embedded(request_rec *r, struct wsgi_outcome *outcome)
{
    if (wsgi_config_settings(r->server)->restrict_embedded != 1)
        return OK;
    wsgi_outcome_fail(outcome, HTTP_INTERNAL_SERVER_ERROR, WSGI_CODE_EMBEDDED_OFF,
                      "the request is for no process group, and WSGIRestrictEmbedded is On");
    return HTTP_INTERNAL_SERVER_ERROR;
}

int wsgi_admit(request_rec *r, const struct wsgi_target *target, const struct wsgi_group **group,
               struct wsgi_outcome *outcome)
{
    int status = check_list(r, target->process_group, outcome);

    *group = NULL;
    if (status != OK)
        return status;
    if (*target->process_group == '\0')
        return check_embedded(r, outcome);
    status = find_group(r, target->process_group, group, outcome);
    return status == OK ? wsgi_owner_check(r->pool, *group, r->filename, outcome) : status;
}
