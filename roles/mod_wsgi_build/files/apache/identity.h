/* SPDX-License-Identifier: Apache-2.0 */
/* Who a daemon is and what it may use: user, groups, root directory, limits. In the new process,
 * before exec; each step that fails ends it, except that a limit which cannot be set is told. */
#ifndef WSGI_APACHE_IDENTITY_H
#define WSGI_APACHE_IDENTITY_H

#include "launch.h"

/* Root only: root directory, then groups, then the user, then proof that there is no way back. */
void wsgi_identity_take(const struct wsgi_launch *launch);
/* Whoever started httpd: no capability stays, and no-new-privileges if that is wanted. */
void wsgi_identity_seal(const struct wsgi_launch *launch);
/* While it is still root, if it was: only root may give itself precedence. */
void wsgi_identity_set_priority(const struct wsgi_launch *launch);
void wsgi_identity_set_limits(const struct wsgi_launch *launch);
/* `home`, else the home of a user that is not Apache's, else where Apache is. */
void wsgi_identity_enter_home(const struct wsgi_launch *launch, int is_foreign);

/* One line at level info: who this process is now, and what it may use. */
void wsgi_identity_tell(const struct wsgi_launch *launch);

#endif
