# Copyright (c) 2026, the pyweb.mod_wsgi contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Write a dictionary as the name=value options of a WSGI directive."""

from __future__ import annotations

DOCUMENTATION = r"""
name: wsgi_options
short_description: Write a dictionary as the options of a WSGI directive
version_added: 1.0.0
author:
  - pyweb contributors (@pyweb)
description:
  - Returns C(name=value) options for C(WSGIDaemonProcess), C(WSGIScriptAlias) and others, in the order of the dictionary.
  - Underscores in names become hyphens. Values are quoted where they need it, as
    P(pyweb.mod_wsgi.apache_quote#filter) does. Keys with the value V(none) or C(omit) are left out.
  - A name that the directive does not have is refused, and the nearest one that it has is named.
options:
  _input:
    description:
      - The options. Booleans are written as V(On) and V(Off). A list is allowed for C(python-path), joined with
        colons, and for C(supplementary-groups), joined with commas.
      - C(env-file) takes a list, C(env) a dictionary of names and values; each element is an option of its own. Secrets
        belong into a file instead, see P(pyweb.mod_wsgi.wsgi_environment#filter).
    type: dict
    required: true
  kind:
    description:
      - Whose options they are.
      - V(daemon) means C(WSGIDaemonProcess), V(alias) means C(WSGIScriptAlias) and C(WSGIScriptAliasMatch),
        V(handler) means C(WSGIHandlerScript), V(import) means C(WSGIImportScript).
      - V(decider) means C(WSGIDispatchScript), C(WSGIAccessScript), C(WSGIAuthUserScript) and C(WSGIAuthGroupScript).
    type: str
    choices:
      - daemon
      - alias
      - handler
      - import
      - decider
    default: daemon
  dollar:
    description:
      - The name of a variable that holds a dollar sign, see O(pyweb.mod_wsgi.apache_quote#filter:dollar).
    type: str
seealso:
  - plugin: pyweb.mod_wsgi.apache_quote
    plugin_type: filter
  - plugin: pyweb.mod_wsgi.wsgi_environment
    plugin_type: filter
"""

EXAMPLES = r"""
- name: Show the directives of a site
  ansible.builtin.debug:
    msg:
      - "WSGIDaemonProcess shop {{ group | pyweb.mod_wsgi.wsgi_options }}"
      - "WSGIScriptAlias / /srv/shop/wsgi.py {{ alias | pyweb.mod_wsgi.wsgi_options(kind='alias') }}"
  vars:
    group:
      processes: 2
      threads: 15
      python_home: /srv/shop/venv
      python_path:
        - /srv/shop/app
        - /srv/shop/more apps
    alias:
      process_group: shop
      application_group: "%{GLOBAL}"
      pass_authorization: true
"""

RETURN = r"""
_value:
  description: The options, separated by blanks. Empty if there are none.
  type: str
  sample: processes=2 threads=15 python-home=/srv/shop/venv python-path="/srv/shop/app:/srv/shop/more apps"
"""

import difflib

from collections.abc import Callable, Mapping
from typing import Any

from ansible.errors import AnsibleFilterError

from ansible_collections.pyweb.mod_wsgi.plugins.filter.apache_quote import quote
from ansible_collections.pyweb.mod_wsgi.plugins.filter.wsgi_environment import variables

DIRECTIVES = {
    "daemon": "WSGIDaemonProcess",
    "alias": "WSGIScriptAlias",
    "handler": "WSGIHandlerScript",
    "import": "WSGIImportScript",
    "decider": "a script that decides",
}

NAMES = {
    "daemon": (
        "user",
        "group",
        "processes",
        "threads",
        "umask",
        "home",
        "lang",
        "locale",
        "python-home",
        "python-path",
        "display-name",
        "shutdown-timeout",
        "supplementary-groups",
        "chroot",
        "python-eggs",
        "switch-interval",
        "stack-size",
        "maximum-requests",
        "startup-timeout",
        "deadlock-timeout",
        "inactivity-timeout",
        "request-timeout",
        "interrupt-timeout",
        "graceful-timeout",
        "eviction-timeout",
        "restart-interval",
        "connect-timeout",
        "socket-timeout",
        "queue-timeout",
        "listen-backlog",
        "send-buffer-size",
        "receive-buffer-size",
        "header-buffer-size",
        "response-buffer-size",
        "response-socket-timeout",
        "response-flush-delay",
        "socket-user",
        "script-user",
        "script-group",
        "cpu-time-limit",
        "cpu-priority",
        "memory-limit",
        "virtual-memory-limit",
        "server-metrics",
        "reload",
        "env",
        "env-file",
        "no-new-privileges",
    ),
    "alias": ("process-group", "application-group", "callable-object", "pass-authorization"),
    "handler": ("process-group", "application-group", "pass-authorization"),
    "import": ("process-group", "application-group"),
    "decider": ("application-group",),
}

JOINED = {"python-path": ":", "supplementary-groups": ","}


def is_left_out(value: Any) -> bool:
    """Tell whether the value says that there is none: null, or Ansible's omit in its older and newer form."""
    if value is None or type(value).__name__ in ("Omit", "_OmitType"):
        return True
    return isinstance(value, str) and value.startswith("__omit_place_holder__")


def check_name(name: Any, kind: str) -> str:
    """Return the option's name as the directive spells it."""
    if not isinstance(name, str):
        raise AnsibleFilterError(f"wsgi_options: the name of an option must be a string, not {name!r}")
    spelt = name.replace("_", "-")
    if spelt in NAMES[kind]:
        return spelt
    near = difflib.get_close_matches(spelt, NAMES[kind], 1)
    guess = f"did you mean '{near[0]}'? " if near else ""
    allowed = f"{guess}allowed are: {', '.join(NAMES[kind])}"
    raise AnsibleFilterError(f"wsgi_options: {DIRECTIVES[kind]} has no option '{name}'; {allowed}")


def join(name: str, values: list[Any] | tuple[Any, ...]) -> str:
    """Return a list as one value."""
    if name not in JOINED:
        raise AnsibleFilterError(f"wsgi_options: {name} takes one value, not a list")
    sign = JOINED[name]
    parts = [value for value in values if not is_left_out(value)]
    for value in parts:
        if not isinstance(value, str) or not value or sign in value:
            raise AnsibleFilterError(f"wsgi_options: {name}: {value!r} is not a text without '{sign}'")
    return sign.join(parts)


def repeated(name: str, value: Any) -> list[Any]:
    """Return the values for which an option is written, each time by itself."""
    if name == "env":
        return [f"{one}={text}" for one, text in variables(value, "wsgi_options: env").items()]
    if name == "env-file" and isinstance(value, (list, tuple)):
        return [one for one in value if not is_left_out(one)]
    return [join(name, value) if isinstance(value, (list, tuple)) else value]


def wsgi_options(options: Any, kind: str = "daemon", dollar: str | None = None) -> str:
    """Return the options as text."""
    if kind not in NAMES:
        raise AnsibleFilterError(f"wsgi_options: kind={kind!r} is not known; allowed are: {', '.join(NAMES)}")
    if not isinstance(options, Mapping):
        raise AnsibleFilterError(f"wsgi_options: a dictionary is needed, not {type(options).__name__}")
    written: dict[str, str] = {}
    for key, value in options.items():
        name = check_name(key, kind)
        if name in written:
            raise AnsibleFilterError(f"wsgi_options: '{name}' is given twice, once with '_' and once with '-'")
        if is_left_out(value) or (isinstance(value, (list, tuple, Mapping)) and not value):
            continue
        quoted = [quote(one, f"wsgi_options: {name}", dollar) for one in repeated(name, value)]
        written[name] = " ".join(f"{name}={one}" for one in quoted)
    return " ".join(text for text in written.values() if text)


class FilterModule:
    """The filter."""

    def filters(self) -> dict[str, Callable[..., Any]]:
        """Return the filters of this file."""
        return {"wsgi_options": wsgi_options}
