#!/usr/bin/python
# Copyright (c) 2026, the pyweb.mod_wsgi contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Swap the set of configuration files of all WSGI sites."""

from __future__ import annotations

DOCUMENTATION = r"""
module: mod_wsgi_publish
short_description: Swap the set of configuration files of all WSGI sites
version_added: 1.0.0
author:
  - pyweb contributors (@pyweb)
description:
  - Keeps sets of configuration files in O(directory)C(/sets); the link C(live) names the one that the server includes,
    C(previous) the one that served before.
  - A set is never edited. A new one is written beside the others and one rename of the link puts it in the place of the former.
  - Publishing has two steps, so that a run that dies between them is completed by the next one. V(published) leaves the mark
    C(pending) behind, V(settled) takes it away once the sites have answered.
extends_documentation_fragment:
  - pyweb.mod_wsgi._attributes
attributes:
  check_mode:
    support: full
    details:
      - Says what would be changed and changes nothing.
  diff_mode:
    support: full
    details:
      - Shows the difference of each file, but of O(secret_files) no more than the first line.
  idempotent:
    support: full
    details:
      - A set that holds the same files as the live one is not written.
  platform:
    details:
      - Written for Linux.
options:
  directory:
    description: Where the sets are.
    type: path
    required: true
  state:
    description:
      - V(published) puts O(files) in the place of the live set.
      - V(settled) declares the live set good. The set that served before becomes C(previous), others are removed.
      - V(rolled_back) gives up a set that was published and not settled. If there is none, it swaps C(live) and C(previous).
      - V(absent) removes the directory.
    type: str
    choices: [published, settled, rolled_back, absent]
    default: published
  files:
    description: The set, file names with their contents. Needed by O(state=published).
    type: dict
  secret_files:
    description:
      - More files of the set, which end in C(.env) and only root may read.
      - The first line of each is a comment that may be shown, such as the names of the variables in it.
    type: dict
"""

EXAMPLES = r"""
- name: Swap the sets
  pyweb.mod_wsgi.mod_wsgi_publish:
    directory: /etc/apache2/pyweb-sites
    files:
      demo.conf: "# a virtual host"

- name: Go back to the former set
  pyweb.mod_wsgi.mod_wsgi_publish:
    directory: /etc/apache2/pyweb-sites
    state: rolled_back
"""

RETURN = r"""
live:
  description: Name of the live set; empty if there is none.
  returned: always
  type: str
  sample: "000002"
previous:
  description: Name of the set that served before; empty if there is none.
  returned: always
  type: str
  sample: "000001"
pending:
  description: Whether the live set is published and not settled yet.
  returned: always
  type: bool
  sample: false
files:
  description: Names of the files of the live set.
  returned: always
  type: list
  elements: str
  sample: ["demo.conf"]
"""

import json
import os
import re
import shutil

from typing import Any, Callable

from ansible.module_utils.basic import AnsibleModule

_FILE_NAME = re.compile(r"^[A-Za-z0-9][A-Za-z0-9_.-]*\.conf\Z")
_SECRET_NAME = re.compile(r"^[A-Za-z0-9][A-Za-z0-9_.-]*\.env\Z")
_HIDDEN = "(the values are not shown)\n"
_HIDDEN_OTHERS = "(the values are not shown; there are others)\n"
_SET_NAME = re.compile(r"^\d{6}$")


def _read(path: str) -> str:
    try:
        with open(path, encoding="utf-8", errors="surrogateescape") as handle:
            return handle.read()
    except OSError:
        return ""


def _write(path: str, text: str) -> None:
    mode = 0o600 if is_secret(path) else 0o644
    # A secret is never there with another mode, not even for a moment.
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, mode)
    with open(descriptor, "w", encoding="utf-8", errors="surrogateescape") as handle:
        os.fchmod(handle.fileno(), mode)
        handle.write(text)
        handle.flush()
        os.fsync(handle.fileno())


def is_secret(name: str) -> bool:
    """Tell whether only root may read this file of a set."""
    return name.endswith(".env")


def shown(name: str, text: str, former: str = "") -> str:
    """Return what of a file may be shown; C(former) is what it held before."""
    if not is_secret(name) or not text:
        return text
    first = text.split("\n", 1)[0]
    names = first + "\n" if first.startswith("#") else ""
    return names + (_HIDDEN_OTHERS if former not in ("", text) else _HIDDEN)


class Sets:
    """The directory with the sets: what it holds, and what can be done with it."""

    def __init__(self, directory: str, check_mode: bool) -> None:
        self.directory = directory
        self.check_mode = check_mode
        self.diff: list[dict[str, str]] = []

    # ---- what is there ----

    def _path(self, *names: str) -> str:
        return os.path.join(self.directory, *names)

    def named(self, link: str) -> str:
        """Return the name of the set behind a link, an empty string if there is none."""
        try:
            name = os.path.basename(os.readlink(self._path(link)))
        except OSError:
            return ""
        return name if os.path.isdir(self._path("sets", name)) else ""

    def all(self) -> list[str]:
        """Return the names of all sets."""
        try:
            return sorted(name for name in os.listdir(self._path("sets")) if _SET_NAME.match(name))
        except OSError:
            return []

    def contents(self, name: str) -> dict[str, str]:
        """Return the files of a set."""
        if not name:
            return {}
        folder = self._path("sets", name)
        return {
            one: _read(os.path.join(folder, one))
            for one in sorted(os.listdir(folder))
            if one.endswith((".conf", ".env"))
        }

    def pending(self) -> bool:
        """Tell whether the live set waits to be settled."""
        return os.path.isfile(self._path("pending"))

    def _former(self) -> str:
        """Return the set to go back to while the live one is not settled."""
        try:
            name = json.loads(_read(self._path("pending")) or "{}").get("former", "")
        except ValueError:
            name = ""
        return name if name in self.all() else ""

    def describe(self) -> dict[str, Any]:
        """Return the state as the module reports it."""
        live = self.named("live")
        return {
            "live": live,
            "previous": self.named("previous"),
            "pending": self.pending(),
            "files": sorted(self.contents(live)),
        }

    # ---- deeds ----

    def _note(self, before: dict[str, str], after: dict[str, str]) -> None:
        for name in sorted(set(before) | set(after)):
            if before.get(name) != after.get(name):
                self.diff.append(
                    {
                        "before_header": name,
                        "after_header": name,
                        "before": shown(name, before.get(name, "")),
                        "after": shown(name, after.get(name, ""), before.get(name, "")),
                    }
                )

    def _link(self, link: str, name: str) -> None:
        if not name:
            if os.path.lexists(self._path(link)):
                os.unlink(self._path(link))
            return
        fresh = self._path(f".{link}.new")
        if os.path.lexists(fresh):
            os.unlink(fresh)
        os.symlink(os.path.join("sets", name), fresh)
        os.rename(fresh, self._path(link))

    def _mark(self, former: str) -> None:
        fresh = self._path(".pending.new")
        _write(fresh, json.dumps({"former": former}) + "\n")
        os.rename(fresh, self._path("pending"))

    def _new_set(self, files: dict[str, str]) -> str:
        names = self.all()
        name = f"{int(names[-1]) + 1 if names else 1:06d}"
        folder = self._path("sets", name)
        for path in (self.directory, self._path("sets"), folder):
            if not os.path.isdir(path):
                os.mkdir(path, 0o755)
                os.chmod(path, 0o755)
        for one, text in files.items():
            _write(os.path.join(folder, one), text)
        return name

    def publish(self, files: dict[str, str]) -> bool:
        """Put the files in the place of the live set."""
        live = self.named("live")
        before = self.contents(live)
        if live and before == files:
            return False
        self._note(before, files)
        if not self.check_mode:
            former = self._former() if self.pending() else live
            name = self._new_set(files)
            self._mark(former)
            self._link("live", name)
        return True

    def settle(self) -> bool:
        """Declare the live set good."""
        if not self.pending():
            return False
        if not self.check_mode:
            live, former = self.named("live"), self._former()
            if former and former != live:
                self._link("previous", former)
            keep = (live, self.named("previous"))
            for name in self.all():
                if name not in keep:
                    shutil.rmtree(self._path("sets", name))
            os.unlink(self._path("pending"))
        return True

    def roll_back(self) -> bool:
        """Give up a pending set, or swap live and previous."""
        live = self.named("live")
        if self.pending():
            target, mark = self._former(), self._former()
            if target == live:
                return False
        else:
            target, mark = self.named("previous"), live
            if not target:
                raise ValueError("there is no previous set to go back to")
        self._note(self.contents(live), self.contents(target))
        if not self.check_mode:
            self._mark(mark)
            self._link("live", target)
        return True

    def remove(self) -> bool:
        """Remove everything."""
        if not os.path.isdir(self.directory):
            return False
        self._note(self.contents(self.named("live")), {})
        if not self.check_mode:
            shutil.rmtree(self.directory)
        return True


def main() -> None:
    """Run the module."""
    module = AnsibleModule(
        argument_spec={
            "directory": {"type": "path", "required": True},
            "state": {
                "type": "str",
                "choices": ["published", "settled", "rolled_back", "absent"],
                "default": "published",
            },
            "files": {"type": "dict"},
            "secret_files": {"type": "dict", "no_log": True},
        },
        required_if=[("state", "published", ("files",))],
        supports_check_mode=True,
    )
    files: dict[str, str] = module.params["files"] or {}
    secrets: dict[str, str] = module.params["secret_files"] or {}
    for names, pattern in ((files, _FILE_NAME), (secrets, _SECRET_NAME)):
        for name in names:
            if not pattern.match(name):
                module.fail_json(msg=f"{name!r} cannot be a file of a set: the name must match {pattern.pattern}")
    sets = Sets(module.params["directory"], module.check_mode)
    deeds: dict[str, Callable[[], bool]] = {
        "published": lambda: sets.publish({name: str(text) for name, text in {**files, **secrets}.items()}),
        "settled": sets.settle,
        "rolled_back": sets.roll_back,
        "absent": sets.remove,
    }
    try:
        changed = deeds[module.params["state"]]()
    except (OSError, ValueError) as error:
        module.fail_json(msg=f"{module.params['directory']}: {error}", **sets.describe())
    module.exit_json(changed=changed, diff=sets.diff, **sets.describe())


if __name__ == "__main__":
    main()
