/* SPDX-License-Identifier: Apache-2.0 */
#include "owner.h"

#include <errno.h>
#include <string.h>
#include <sys/stat.h>

/* The codes of one rule for one of the two places it looks at. */
struct codes {
    uint16_t unknown; /* cannot be looked at */
    uint16_t owner;
    uint16_t group_writable; /* 0: allowed */
    uint16_t world_writable;
    int world_first; /* which number a place gets that both may write, as in mod_wsgi 6 */
};

struct rule {
    const char *option;
    struct codes file;
    struct codes directory;
};

static const struct rule user_rule = {
    "script-user", {162, 164, 166, 168, 0}, {169, 171, 173, 172, 1}};
static const struct rule group_rule = {
    "script-group", {153, 155, 0, 157, 0}, {158, 160, 0, 161, 0}};

static const char *wrong_bits(const struct codes *codes, mode_t mode, uint16_t *code)
{
    const int by_group = codes->group_writable != 0 && (mode & S_IWGRP) != 0;
    const int by_world = (mode & S_IWOTH) != 0;

    if (by_world && (codes->world_first || !by_group)) {
        *code = codes->world_writable;
        return "everybody may write it; chmod o-w";
    }
    if (by_group) {
        *code = codes->group_writable;
        return "its group may write it; chmod g-w";
    }
    return NULL;
}

static int check_place(const struct wsgi_group *group, const char *what, const char *path,
                       struct wsgi_outcome *outcome)
{
    const int by_user = group->script_user_option != NULL;
    const struct rule *rule = by_user ? &user_rule : &group_rule;
    const struct codes *codes = *what == 's' ? &rule->file : &rule->directory;
    const char *wanted = by_user ? group->script_user_option : group->script_group_option;
    const char *why = NULL;
    uint16_t code = 0;
    struct stat found;

    if (stat(path, &found) != 0) {
        code = codes->unknown;
        why = strerror(errno);
    } else if (by_user ? found.st_uid != group->script_user : found.st_gid != group->script_group) {
        code = codes->owner;
        why = by_user ? "another user owns it" : "it belongs to another group";
    } else {
        why = wrong_bits(codes, found.st_mode, &code);
    }
    if (why == NULL)
        return OK;
    wsgi_outcome_fail(outcome, HTTP_FORBIDDEN, code,
                      "process group \"%s\" (%s) has %s=%s, which the %s %s does not satisfy: %s",
                      group->name, group->where, rule->option, wanted, what, path, why);
    return HTTP_FORBIDDEN;
}

int wsgi_owner_check(apr_pool_t *pool, const struct wsgi_group *group, const char *file,
                     struct wsgi_outcome *outcome)
{
    int status;

    if (group->script_user_option == NULL && group->script_group_option == NULL)
        return OK;
    status = check_place(group, "script", file, outcome);
    if (status != OK)
        return status;
    return check_place(group, "directory", ap_make_dirstr_parent(pool, file), outcome);
}
