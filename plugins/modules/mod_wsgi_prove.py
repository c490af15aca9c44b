#!/usr/bin/python
# Copyright (c) 2026, the pyweb.mod_wsgi contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Prove an Apache configuration before it is live."""

from __future__ import annotations

DOCUMENTATION = r"""
module: mod_wsgi_prove
short_description: Prove an Apache configuration before it is live
version_added: 1.0.0
author:
  - pyweb contributors (@pyweb)
description:
  - Proves the whole configuration of the server, with candidate files in place of the live set of sites.
  - First the server's own test (C(apachectl -t)) reads it. Then the server is started on trial, in network, mount, process
    and IPC namespaces of its own, where every port is free and nothing of the living server can be touched. The trial sees
    what the test does not, for example a private key that does not fit its certificate in any virtual host. A graceful
    restart with such a configuration would end the living server.
  - Where namespaces cannot be made, pairs of certificate and key, programs behind piped logs and places of caches are looked
    at one by one. RV(proof) says which way it was.
  - Changes nothing, also without check mode.
extends_documentation_fragment:
  - pyweb.mod_wsgi._attributes
attributes:
  check_mode:
    support: full
    details:
      - The proof is made in check mode too.
  diff_mode:
    support: none
    details:
      - There is nothing to compare.
  idempotent:
    support: full
    details:
      - Nothing is changed.
  platform:
    details:
      - Written for Linux.
options:
  httpd:
    description: The server's binary.
    type: path
    required: true
  service:
    description: Name of the service, to find the switches that its unit passes to the binary.
    type: str
    default: ""
  files:
    description:
      - The candidate set, file names with their contents.
      - Without it the configuration is proved as it is.
    type: dict
  secret_files:
    description: More files of the candidate set, which only root may read.
    type: dict
  directory:
    description: An existing directory that holds the candidate set, in place of O(files).
    type: path
  load:
    description: A WSGI module that is loaded in the place of any that the configuration loads.
    type: path
  modules:
    description: Modules that the configuration has to load, by the names that C(LoadModule) uses.
    type: list
    elements: str
    default: []
  trial:
    description: Whether to start the server on trial where that is possible.
    type: bool
    default: true
  seconds:
    description: How long the server may take to come up in its trial.
    type: int
    default: 30
"""

EXAMPLES = r"""
- name: Prove the server's configuration as it is
  pyweb.mod_wsgi.mod_wsgi_prove:
    httpd: /usr/sbin/apache2
    service: apache2

- name: Prove that the server would start with another set of sites
  pyweb.mod_wsgi.mod_wsgi_prove:
    httpd: /usr/sbin/apache2
    service: apache2
    files:
      demo.conf: |
        <VirtualHost *:80>
            ServerName demo.example.com
        </VirtualHost>
"""

RETURN = r"""
proof:
  description: >-
    How it was proved: V(trial) by test and trial start, V(checks) by test and single checks because no trial start
    could be made, V(test) by the test alone because no trial was asked for.
  returned: always
  type: str
  sample: trial
trial_impossible:
  description: Why no trial start could be made; empty if one was made or none was asked for.
  returned: always
  type: str
  sample: "unshare: Operation not permitted"
output:
  description: What the server said, as far as it matters.
  returned: always
  type: str
  sample: ""
"""

import os
import shutil
import tempfile

from typing import Any

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.pyweb.mod_wsgi.plugins.module_utils._apache import (
    Directive,
    parse_build,
    read_configuration,
    read_envvars,
)
from ansible_collections.pyweb.mod_wsgi.plugins.module_utils._checks import problems
from ansible_collections.pyweb.mod_wsgi.plugins.module_utils._run import read_file
from ansible_collections.pyweb.mod_wsgi.plugins.module_utils._server import SWITCH, Server, without_noise
from ansible_collections.pyweb.mod_wsgi.plugins.module_utils._trial import Plan, try_start

_SOCKET_DIRECTIVES = ("wsgisocketprefix", "scriptsock", "pidfile", "scoreboardfile", "defaultruntimedir", "errorlog")
_LOG_DIRECTIVES = ("customlog", "transferlog", "globallog")


class Proof:
    """One candidate set and what becomes of it."""

    def __init__(self, parameters: dict[str, Any]) -> None:
        self.server = Server(parameters["httpd"], parameters["service"])
        self.files: dict[str, str] | None = parameters["files"]
        self.secrets: dict[str, str] = parameters["secret_files"] or {}
        self.directory: str = parameters["directory"] or ""
        self.load: str = parameters["load"] or ""
        self.modules: list[str] = parameters["modules"]
        self.trial: bool = parameters["trial"]
        self.seconds: int = parameters["seconds"]
        self.next = ""
        self.candidates = ""
        self.root = ""
        self.directives: list[Directive] = []
        self.answers: dict[str, Any] = {"proof": "test", "trial_impossible": "", "output": ""}

    def stage(self) -> None:
        """Write the candidates where the server can read them and nothing includes them by itself."""
        if self.files is not None:
            self.next = tempfile.mkdtemp(prefix="pyweb-next-")
            # Nobody else may enter this directory, so the modes of its files do not matter.
            for name, text in {**self.files, **self.secrets}.items():
                with open(os.path.join(self.next, os.path.basename(name)), "w", encoding="utf-8") as handle:
                    handle.write(text)
        self.candidates = self.next or self.directory
        self._read()

    def clear(self) -> None:
        """Remove the candidates."""
        if self.next:
            shutil.rmtree(self.next, ignore_errors=True)

    def _read(self) -> None:
        """Read the configuration as text, to know which places it names."""
        defines = parse_build(self.server.call(["-V"]).out)["defines"]
        self.root = defines.get("HTTPD_ROOT", "/")
        conf_file = os.path.join(self.root, defines.get("SERVER_CONFIG_FILE", ""))
        variables = read_envvars(read_file(os.path.join(os.path.dirname(conf_file), "envvars")) or "")
        if self.candidates:
            variables[SWITCH] = self.candidates
        self.directives = read_configuration(conf_file, self.root, variables)

    def _options(self) -> list[str]:
        """Return what puts the candidates in the place of what is live."""
        options: list[str] = []
        if self.load:
            # The first LoadModule of a module is the one that counts.
            options += ["-C", f'LoadModule wsgi_module "{self.load}"']
        if not self.candidates:
            return options
        options += ["-C", f"Define {SWITCH} {self.candidates}"]
        if not any(one.name == "define" and one.arguments.startswith(SWITCH + " ") for one in self.directives):
            # Before the first publication nothing includes a set yet.
            options += ["-c", f"IncludeOptional {self.candidates}/*.conf"]
        return options

    def _directories(self) -> list[str]:
        """Return the directories in which a start of the server leaves something."""
        described = self.server.run_configuration()
        found = list(described.get("directories", []))
        found += [os.path.dirname(described.get(key, "")) for key in ("PidFile", "Main ErrorLog")]
        for directive in self.directives:
            words = directive.arguments.split()
            if directive.name not in _SOCKET_DIRECTIVES + _LOG_DIRECTIVES or not words:
                continue
            path = os.path.join(self.root, words[0].strip("\"'"))
            if path.startswith("/") and "|" not in path and "${" not in path:
                found.append(path if directive.name == "defaultruntimedir" else os.path.dirname(path))
        return found

    def _readable(self, text: str) -> str:
        """Return what the server said, with file names that mean something to the reader."""
        return without_noise(text.replace(self.next + "/", "") if self.next else text)

    def _missing_modules(self) -> list[str]:
        """Return which of the wanted modules the configuration does not load."""
        if not self.modules:
            return []
        words = self.server.call(["-M"] + self._options()).out.split()
        return [name for name in self.modules if name not in words]

    def failure(self) -> str:
        """Make the proof; returns why it failed, an empty string if the configuration is good."""
        answer = self.server.call(["-t"] + self._options())
        self.answers["output"] = self._readable(answer.failure or answer.out)
        if answer.rc != 0:
            return "the server refuses this configuration"
        missing = self._missing_modules()
        if missing:
            return f"the configuration does not load {', '.join(missing)}"
        if not self.trial:
            return ""
        plan = Plan(self.server.control + self._options(), self._directories(), self.seconds)
        outcome = try_start(plan)
        if outcome.possible:
            self.answers["proof"] = "trial"
            self.answers["output"] = self._readable(outcome.text)
            return "" if outcome.passed else "the server would not start with this configuration"
        self.answers["proof"] = "checks"
        self.answers["trial_impossible"] = outcome.text
        found = problems(self.directives, self.root)
        self.answers["output"] = self._readable("\n".join(found))
        return "the server would not start with this configuration" if found else ""


def main() -> None:
    """Run the module."""
    module = AnsibleModule(
        argument_spec={
            "httpd": {"type": "path", "required": True},
            "service": {"type": "str", "default": ""},
            "files": {"type": "dict"},
            "secret_files": {"type": "dict", "no_log": True},
            "directory": {"type": "path"},
            "load": {"type": "path"},
            "modules": {"type": "list", "elements": "str", "default": []},
            "trial": {"type": "bool", "default": True},
            "seconds": {"type": "int", "default": 30},
        },
        mutually_exclusive=[("files", "directory")],
        required_by={"secret_files": ("files",)},
        supports_check_mode=True,
    )
    if not os.access(module.params["httpd"], os.X_OK):
        module.fail_json(msg=f"{module.params['httpd']} is not there or cannot be executed")
    proof = Proof(module.params)
    try:
        proof.stage()
        failure = proof.failure()
    except OSError as error:
        failure = f"the proof could not be made: {error}"
    finally:
        proof.clear()
    if failure:
        module.fail_json(
            msg=f"Nothing was changed: {failure}.\n{proof.answers['output']}", changed=False, **proof.answers
        )
    module.exit_json(changed=False, **proof.answers)


if __name__ == "__main__":
    main()
