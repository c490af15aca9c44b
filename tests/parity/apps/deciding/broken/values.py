# SPDX-License-Identifier: Apache-2.0
"""The names are there, but nothing can be called."""

allow_access = check_password = get_realm_hash = groups_for_user = "text"
process_group = application_group = callable_object = "text"
