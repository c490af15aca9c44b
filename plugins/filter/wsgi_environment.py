# Copyright (c) 2026, the pyweb.mod_wsgi contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Write environment variables as a file for the option env-file."""

from __future__ import annotations

DOCUMENTATION = r"""
name: wsgi_environment
short_description: Write environment variables as a file for the option env-file
version_added: 1.0.0
author:
  - pyweb contributors (@pyweb)
description:
  - Returns the text of a file that the option C(env-file) of C(WSGIDaemonProcess) reads back unchanged. systemd's
    C(EnvironmentFile) has the same form.
  - The first line is a comment with the names, so that a listing or a difference can show it without any value.
  - The values may be secret. What is refused is said by its name.
options:
  _input:
    description:
      - Names and values. A value is a text, which may have several lines, or a number.
    type: dict
    required: true
  where:
    description: What is said before a refusal, such as the site that the variables belong to.
    type: str
    default: wsgi_environment
seealso:
  - plugin: pyweb.mod_wsgi.wsgi_options
    plugin_type: filter
"""

EXAMPLES = r"""
- name: Secrets of an application
  ansible.builtin.copy:
    content: "{{ secrets | pyweb.mod_wsgi.wsgi_environment }}"
    dest: /etc/shop.env
    owner: root
    group: root
    mode: "0600"
  no_log: true
  vars:
    secrets:
      DATABASE_PASSWORD: "{{ vault_database_password }}"
"""

RETURN = r"""
_value:
  description: The text of the file.
  type: str
  sample: |
    # DATABASE_PASSWORD
    DATABASE_PASSWORD="swordfish"
"""

import re

from collections.abc import Callable, Mapping
from typing import Any

from ansible.errors import AnsibleFilterError

NAME = re.compile(r"\A[A-Za-z_][A-Za-z0-9_]*\Z")
ESCAPED = re.compile(r'(["\\`$])')
# What one such file may hold.
MOST = 65536


def variables(values: Any, where: str) -> dict[str, str]:
    """Return the variables as texts. What is said of a wrong one names it, and never its value."""
    if not isinstance(values, Mapping):
        raise AnsibleFilterError(f"{where}: a dictionary of names and values is needed, not {type(values).__name__}")
    return {_name(name, where): _value(name, value, where) for name, value in values.items()}


def _name(name: Any, where: str) -> str:
    if isinstance(name, str) and NAME.match(name):
        return str(name)
    raise AnsibleFilterError(
        f"{where}: {name!r} is not the name of a variable: letters, digits and '_', no digit first"
    )


def _value(name: str, value: Any, where: str) -> str:
    if isinstance(value, bool):
        raise AnsibleFilterError(
            f"{where}: {name} is a boolean, which programs write in many ways; put the text that is meant into quotes"
        )
    # Before ansible-core 2.19 a !vault value inside a dictionary is no string yet.
    if not isinstance(value, (str, int, float)) and type(value).__name__ != "AnsibleVaultEncryptedUnicode":
        raise AnsibleFilterError(f"{where}: {name} has to be a text or a number, not {type(value).__name__}")
    text = str(value)
    if "\0" in text:
        raise AnsibleFilterError(f"{where}: {name} holds a NUL byte, which no environment can carry")
    return text


def wsgi_environment(values: Any, where: str = "wsgi_environment") -> str:
    """Return the text of the file."""
    found = variables(values, where)
    lines = [f"# {' '.join(sorted(found))}".rstrip()]
    for name in sorted(found):
        escaped = ESCAPED.sub(r"\\\1", found[name])
        lines.append(f'{name}="{escaped}"')
    text = "\n".join(lines) + "\n"
    size = len(text.encode("utf-8", "surrogateescape"))
    if size > MOST:
        raise AnsibleFilterError(f"{where}: {size} bytes are more than the {MOST} that one file may have")
    return text


class FilterModule:
    """The filter."""

    def filters(self) -> dict[str, Callable[..., Any]]:
        """Return the filters of this file."""
        return {"wsgi_environment": wsgi_environment}
