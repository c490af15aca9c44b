# Copyright (c) 2026, the pyweb.mod_wsgi contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Write a value as one argument of an Apache directive."""

from __future__ import annotations

DOCUMENTATION = r"""
name: apache_quote
short_description: Write a value as one argument of an Apache directive
version_added: 1.0.0
author:
  - pyweb contributors (@pyweb)
description:
  - Returns the value in the form in which Apache httpd reads it back unchanged as exactly one argument.
  - A value of harmless characters stays as it is. Everything else is put into double quotes, in which quotes and
    backslashes are escaped.
  - A value that no quoting can carry is refused. That is one with a line break or another control character, and one with
    C(${), since httpd expands variables before it looks at quotes.
options:
  _input:
    description:
      - The value. Numbers are written in digits, booleans as V(On) and V(Off).
    type: raw
    required: true
  dollar:
    description:
      - The name of a variable that the configuration sets to a dollar sign by C(Define NAME $).
      - With it C(${) can be written, as a reference to that variable followed by the brace.
    type: str
seealso:
  - plugin: pyweb.mod_wsgi.wsgi_options
    plugin_type: filter
"""

EXAMPLES = r"""
- name: A document root that may hold blanks and quotes
  ansible.builtin.copy:
    content: "DocumentRoot {{ document_root | pyweb.mod_wsgi.apache_quote }}\n"
    dest: /etc/apache2/conf-available/document-root.conf
    owner: root
    group: root
    mode: "0644"
  vars:
    document_root: /srv/the "new" site

- name: A value with a literal ${
  ansible.builtin.copy:
    content: |
      Define DOLLAR $
      SetEnv PATTERN {{ '${name}' | pyweb.mod_wsgi.apache_quote(dollar='DOLLAR') }}
    dest: /etc/apache2/conf-available/pattern.conf
    owner: root
    group: root
    mode: "0644"
"""

RETURN = r"""
_value:
  description: The argument.
  type: str
  sample: '"/srv/the \"new\" site"'
"""

import re

from collections.abc import Callable
from typing import Any

from ansible.errors import AnsibleFilterError

# What httpd reads as part of a word wherever it stands.
PLAIN = re.compile(r"^[A-Za-z0-9_./:=+@%,{}~*-]+$")
CONTROL = re.compile(r"[\x00-\x1f\x7f]")
NAME = re.compile(r"^[A-Za-z_][A-Za-z0-9_]*$")


def as_text(value: Any, where: str) -> str:
    """Return the value as the text that a configuration holds."""
    if isinstance(value, bool):
        return "On" if value else "Off"
    if isinstance(value, (str, int, float)):
        return str(value)
    raise AnsibleFilterError(f"{where}: a string, a number or a boolean is needed, not {type(value).__name__}")


def quote(value: Any, where: str, dollar: str | None = None) -> str:
    """Return the value as one argument. C(where) names it in what is said if it is refused."""
    text = as_text(value, where)
    control = CONTROL.search(text)
    if control:
        raise AnsibleFilterError(
            f"{where}: {text[:60]!r} holds the control character {control.group()!r} at position {control.start()}, "
            "which an Apache configuration line cannot carry; remove it"
        )
    try:
        text.encode("utf-8")
    except UnicodeEncodeError as error:
        raise AnsibleFilterError(f"{where}: {text[:60]!r} cannot be written as UTF-8") from error
    if PLAIN.match(text):
        return text
    quoted = text.replace("\\", "\\\\").replace('"', '\\"')
    if "${" in quoted:
        quoted = quoted.replace("${", _literal_dollar(text, where, dollar) + "{")
    return f'"{quoted}"'


def _literal_dollar(text: str, where: str, dollar: str | None) -> str:
    """Return a reference to the variable that holds a dollar sign; httpd expands once, not again."""
    if dollar is None:
        raise AnsibleFilterError(
            f"{where}: {text[:60]!r} holds '${{', which httpd would expand as a variable, in quotes too; remove it, or "
            "write 'Define DOLLAR $' into the configuration and give dollar='DOLLAR'"
        )
    if not NAME.match(dollar):
        raise AnsibleFilterError(f"{where}: dollar={dollar!r} is not the name of a variable of httpd")
    return f"${{{dollar}}}"


def apache_quote(value: Any, dollar: str | None = None) -> str:
    """Return the value as one argument of a directive."""
    return quote(value, "apache_quote", dollar)


class FilterModule:
    """The filter."""

    def filters(self) -> dict[str, Callable[..., Any]]:
        """Return the filters of this file."""
        return {"apache_quote": apache_quote}
