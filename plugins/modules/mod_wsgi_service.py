#!/usr/bin/python
# Copyright (c) 2026, the pyweb.mod_wsgi contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Start, reload and ask Apache through whatever the host has."""

from __future__ import annotations

DOCUMENTATION = r"""
module: mod_wsgi_service
short_description: Start, reload and ask Apache through whatever the host has
version_added: 1.0.0
author:
  - pyweb contributors (@pyweb)
description:
  - Handles the server through systemd, OpenRC, a SysV script, or by its binary where there is no init at all, as in many
    containers.
  - Before a graceful restart and before a restart the configuration is tested. A server that has a bad configuration goes on
    serving the good one.
  - After each action the module waits until the parent process is there (or gone). It fails with the server's own words if
    it is not.
extends_documentation_fragment:
  - pyweb.mod_wsgi._attributes
attributes:
  check_mode:
    support: full
    details:
      - Says which action would be taken.
  diff_mode:
    support: none
    details:
      - A service has no text to compare.
  idempotent:
    support: partial
    details:
      - V(graceful) and V(restart) act on each run, the others only where it is needed.
  platform:
    details:
      - Written for Linux.
options:
  action:
    description:
      - V(status) only looks.
      - V(settle) takes the smallest action after which the running server uses O(module) and has read its configuration.
        Start if it is stopped, restart if another mod_wsgi is loaded in it, graceful restart if another build of ours is
        loaded or if O(configuration_changed), else nothing.
      - V(graceful) starts a server that is stopped.
    type: str
    choices: [status, settle, start, graceful, restart, stop]
    default: status
  httpd:
    description: The server's binary. If it is not there, only V(status) and V(stop) can be done.
    type: path
    required: true
  service:
    description: Name of the service.
    type: str
    required: true
  manager:
    description: What handles the service. V(auto) looks at the host; V(direct) calls the binary.
    type: str
    choices: [auto, systemd, openrc, sysv, direct]
    default: auto
  module:
    description: The module of ours that the running server ought to have loaded. Used by V(settle).
    type: path
  configuration_changed:
    description: Whether the server has to read its configuration again. Used by V(settle).
    type: bool
    default: false
  listens:
    description: Addresses and ports to look at. An address may be left out, which means every one.
    type: list
    elements: dict
    default: []
    suboptions:
      address:
        description: An IP address.
        type: str
        default: ""
      port:
        description: A port.
        type: int
        required: true
  enabled:
    description: Whether the service is started with the host. Left alone if not given.
    type: bool
  seconds:
    description: How long to wait for the server to come up or to go.
    type: int
    default: 60
"""

EXAMPLES = r"""
- name: Look at the server
  pyweb.mod_wsgi.mod_wsgi_service:
    httpd: /usr/sbin/apache2
    service: apache2

- name: Let the running server use what is installed
  pyweb.mod_wsgi.mod_wsgi_service:
    action: settle
    httpd: /usr/sbin/apache2
    service: apache2
    module: /usr/lib/apache2/modules/pyweb_mod_wsgi/current/mod_wsgi.so
"""

RETURN = r"""
manager:
  description: What handles the service.
  returned: always
  type: str
  sample: systemd
running:
  description: Whether the server runs.
  returned: always
  type: bool
  sample: true
pid:
  description: Process id of the parent, V(0) if there is none.
  returned: always
  type: int
  sample: 1234
action:
  description: What was done (in check mode, what would be done), V(none) for nothing.
  returned: always
  type: str
  sample: graceful
reason:
  description: Why V(settle) chose this action.
  returned: always
  type: str
  sample: the configuration changed
modules:
  description: The mod_wsgi modules that the parent has mapped.
  returned: always
  type: list
  elements: str
  sample: ["/usr/lib/apache2/modules/pyweb_mod_wsgi/0123456789abcdef/mod_wsgi.so"]
libpython:
  description: Whether the parent has mapped a libpython. With our module alone it never has.
  returned: always
  type: bool
  sample: false
listens:
  description: What was found out about each of O(listens).
  returned: always
  type: list
  elements: dict
  contains:
    address:
      description: The address.
      type: str
      returned: always
    port:
      description: The port.
      type: int
      returned: always
    open_elsewhere:
      description: Whether the configuration listens there already, without the sites of this collection.
      type: bool
      returned: always
    taken_by:
      description: Which other program has it, or why it cannot be had. Empty if it is free.
      type: str
      returned: always
socket_prefix:
  description:
    - What the paths of the module's sockets begin with in the server that runs, as C(wsgi-reload --socket-prefix) wants it.
    - Empty if it has no daemon process groups.
  returned: always
  type: str
  sample: /var/run/apache2/wsgi
error_log:
  description: The main error log, as the configuration names it. Empty if the configuration cannot be read.
  returned: always
  type: str
  sample: /var/log/apache2/error.log
"""

import os
import re

from typing import Any

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.pyweb.mod_wsgi.plugins.module_utils._run import Answer, Command, find_program, read_file, run
from ansible_collections.pyweb.mod_wsgi.plugins.module_utils._server import (
    Listener,
    Server,
    booted_with_systemd,
    mapped_files,
    process_of,
    taken_by,
    without_noise,
)

_WORDS = {
    "systemd": {"start": "start", "graceful": "reload", "restart": "restart", "stop": "stop"},
    "openrc": {"start": "start", "graceful": "reload", "restart": "restart", "stop": "stop"},
    "sysv": {"start": "start", "graceful": "reload", "restart": "restart", "stop": "stop"},
}


class Failure(Exception):
    """An action did not have its effect."""


def find_manager(service: str) -> str:
    """Return what handles services on this host."""
    if booted_with_systemd():
        return "systemd"
    if os.path.isdir("/run/openrc") and find_program(("rc-service",)):
        return "openrc"
    process = process_of(1)
    if process is not None and process.name == "init" and os.access(f"/etc/init.d/{service}", os.X_OK):
        return "sysv"
    # In a container whose first process is no init nobody collects dead processes, and the script waits for that.
    return "direct"


def wsgi_modules(files: list[str]) -> list[str]:
    """Return the mod_wsgi modules among mapped files."""
    return [path for path in files if os.path.basename(path).startswith("mod_wsgi")]


def socket_prefix(pid: int, listing: str) -> str:
    """Return the prefix of the sockets of the server with this parent, from what C(/proc/net/unix) lists."""
    paths = re.findall(rf" (/.+)\.{pid}\.\d+\.ctl(?:\.sock)?$", listing, re.MULTILINE)
    return paths[-1] if pid and paths else ""


def smallest_action(status: dict[str, Any], module: str, configuration_changed: bool) -> tuple[str, str]:
    """Return the smallest sufficient action and its reason."""
    if not status["running"]:
        return "start", "the server is stopped"
    if module:
        wanted = os.path.realpath(module)
        family = os.path.dirname(os.path.dirname(wanted))
        others = [path for path in status["modules"] if path != wanted]
        if any(os.path.dirname(os.path.dirname(path)) != family for path in others):
            # Another mod_wsgi leaves its libpython behind in the parent: only a new process is clean.
            return "restart", "another mod_wsgi is loaded: " + others[0]
        if others:
            return "graceful", "another build of the module is loaded"
        if not status["modules"]:
            return "graceful", "the module is not loaded yet"
    if configuration_changed:
        return "graceful", "the configuration changed"
    return "none", ""


class Service:
    """The service on this host: it can be asked and be told."""

    def __init__(self, parameters: dict[str, Any]) -> None:
        self.service: str = parameters["service"]
        self.seconds: int = parameters["seconds"]
        there = os.access(parameters["httpd"], os.X_OK)
        self.server = Server(parameters["httpd"] if there else "", self.service)
        manager: str = parameters["manager"]
        self.manager = find_manager(self.service) if manager == "auto" else manager

    def status(self, listens: list[dict[str, Any]]) -> dict[str, Any]:
        """Look at the server."""
        described = self.server.run_configuration() if self.server.httpd else {}
        pid = self.server.parent(described.get("PidFile", "")) if self.server.httpd else 0
        files = mapped_files(pid) if pid else []
        return {
            "manager": self.manager,
            "running": bool(pid),
            "pid": pid,
            "action": "none",
            "reason": "",
            "modules": wsgi_modules(files),
            "libpython": any(os.path.basename(path).startswith("libpython") for path in files),
            "listens": [self._listen(one) for one in listens],
            "socket_prefix": socket_prefix(pid, read_file("/proc/net/unix", 16777216) or "" if pid else ""),
            "error_log": described.get("Main ErrorLog", ""),
        }

    def _listen(self, one: dict[str, Any]) -> dict[str, Any]:
        listener = Listener.of(one["address"], one["port"])
        return {
            "address": one["address"],
            "port": one["port"],
            "open_elsewhere": bool(self.server.httpd) and self.server.has_listener(listener),
            "taken_by": taken_by(listener, self.server.httpd),
        }

    # ---- deeds ----

    def _command(self, action: str) -> list[str]:
        if self.manager == "direct":
            return self.server.control + ["-k", action]
        word = _WORDS[self.manager][action]
        if self.manager == "systemd":
            return ["systemctl", word, self.service]
        if self.manager == "openrc":
            return ["rc-service", self.service, word]
        return [f"/etc/init.d/{self.service}", word]

    def _said(self, answer: Answer) -> str:
        text = without_noise(answer.failure or answer.out)
        if self.manager == "systemd":
            journal = run(Command(["journalctl", "-u", self.service, "-n", "15", "--no-pager", "-o", "cat"]), 10.0)
            text += "\n" + journal.out.strip()
        return text.strip()

    def _test(self) -> None:
        answer = self.server.call(["-t"])
        if answer.rc != 0:
            raise Failure("the server refuses its configuration and was left alone:\n" + without_noise(answer.out))

    def act(self, action: str, pid: int) -> None:
        """Do it and wait for the effect; C(pid) is the parent that runs now."""
        if action == "stop":
            self._stop()
            return
        self._test()
        pid_file = self.server.run_configuration().get("PidFile", "")
        before = self.server.generation(pid_file)
        survivor = pid if action == "graceful" else 0
        answer = run(Command(self._command(action)), float(self.seconds), merge=True)
        seconds = float(self.seconds) if answer.rc == 0 else 2.0
        running = self.server.wait_for_generation(pid_file, before, survivor, seconds)
        if answer.rc == 0 and running:
            return
        if survivor and self.server.parent(pid_file) != survivor:
            raise Failure(f"the server did not survive the graceful restart:\n{self._said(answer)}")
        raise Failure(
            f"{' '.join(self._command(action))} failed, no new server generation came up within {seconds:.0f} s:\n"
            f"{self._said(answer)}"
        )

    def _stop(self) -> None:
        answer = run(Command(self._command("stop")), float(self.seconds), merge=True)
        stopped = self.server.wait_until_stopped(float(self.seconds) if answer.rc == 0 else 2.0)
        if answer.rc != 0 or not stopped:
            raise Failure(f"{' '.join(self._command('stop'))} failed:\n{self._said(answer)}")

    def enable(self, enabled: bool, check_mode: bool) -> bool:
        """Let the service start with the host, or not; only systemd is asked, others do so by installing."""
        if self.manager != "systemd":
            return False
        # Other answers (static, masked, linked) are somebody's decision.
        now = run(Command(["systemctl", "is-enabled", self.service])).out.strip()
        if now != ("disabled" if enabled else "enabled"):
            return False
        if not check_mode:
            answer = run(Command(["systemctl", "enable" if enabled else "disable", self.service]), 30.0, merge=True)
            if answer.rc != 0:
                raise Failure(f"the service could not be enabled: {answer.out.strip()}")
        return True


def choose(parameters: dict[str, Any], status: dict[str, Any]) -> tuple[str, str]:
    """Return what is to be done now, and why."""
    action = parameters["action"]
    if action == "settle":
        return smallest_action(status, parameters["module"] or "", parameters["configuration_changed"])
    if action == "status" or (action == "start" and status["running"]) or (action == "stop" and not status["running"]):
        return "none", ""
    if action in ("graceful", "restart") and not status["running"]:
        return "start", "the server is stopped"
    return action, "it was asked for"


def main() -> None:
    """Run the module."""
    module = AnsibleModule(
        argument_spec={
            "action": {
                "type": "str",
                "choices": ["status", "settle", "start", "graceful", "restart", "stop"],
                "default": "status",
            },
            "httpd": {"type": "path", "required": True},
            "service": {"type": "str", "required": True},
            "manager": {
                "type": "str",
                "choices": ["auto", "systemd", "openrc", "sysv", "direct"],
                "default": "auto",
            },
            "module": {"type": "path"},
            "configuration_changed": {"type": "bool", "default": False},
            "listens": {
                "type": "list",
                "elements": "dict",
                "default": [],
                "options": {
                    "address": {"type": "str", "default": ""},
                    "port": {"type": "int", "required": True},
                },
            },
            "enabled": {"type": "bool"},
            "seconds": {"type": "int", "default": 60},
        },
        supports_check_mode=True,
    )
    service = Service(module.params)
    status = service.status(module.params["listens"])
    action, reason = choose(module.params, status)
    if action not in ("none", "stop") and not service.server.httpd:
        module.fail_json(msg=f"{module.params['httpd']} is not there or cannot be executed", **status)
    changed = action != "none"
    try:
        if changed and not module.check_mode:
            service.act(action, status["pid"])
            status = service.status(module.params["listens"])
        if module.params["enabled"] is not None and module.params["action"] != "status":
            changed = service.enable(module.params["enabled"], module.check_mode) or changed
    except Failure as error:
        module.fail_json(msg=str(error), **dict(service.status([]), action=action, reason=reason))
    module.exit_json(changed=changed, **dict(status, action=action, reason=reason))


if __name__ == "__main__":
    main()
