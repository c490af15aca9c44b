# SPDX-License-Identifier: Apache-2.0
"""Functions that take other arguments than they are given."""


def allow_access():
    return True


check_password = get_realm_hash = groups_for_user = process_group = allow_access
application_group = callable_object = allow_access
