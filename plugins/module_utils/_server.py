# Copyright (c) 2026, the pyweb.mod_wsgi contributors
# BSD 2-Clause License (see LICENSES/BSD-2-Clause.txt or https://opensource.org/licenses/BSD-2-Clause)
# SPDX-License-Identifier: BSD-2-Clause

# Note that this module util is **PRIVATE** to the collection. It can have breaking changes at any time.
# Do not use this from other collections or standalone plugins/modules!
"""The server as it runs: how its binary is called truthfully, its parent process, its listeners.

Truthfully means: with the environment and the switches of the service. A plain C(httpd -t) sees
another configuration on some platforms (Debian's envvars, Red Hat's OPTIONS, SUSE's generator).
"""

from __future__ import annotations

import contextlib
import ipaddress
import os
import re
import shlex
import socket
import tempfile
import time

from typing import Any, NamedTuple, Sequence

from ansible_collections.pyweb.mod_wsgi.plugins.module_utils._run import Answer, Command, find_program, read_file, run

SWITCH = "PYWEB_SITES"
_RUN_CONFIG = re.compile(r'^(ServerRoot|Main ErrorLog|PidFile): "([^"]*)"', re.MULTILINE)
_MUTEX = re.compile(r'^Mutex [^:]+:.*?\bdir="([^"]*)"', re.MULTILINE)
_NOISE = re.compile(
    r"^(AH0055[78]: |Action '.*' failed\.$|The Apache error log may have more information\.$|Syntax OK$|Setting ulimit)"
)
_TAKEN_TWICE = "Cannot define multiple Listeners on the same IP:port"


class Process(NamedTuple):
    """One process, as /proc shows it."""

    pid: int
    parent: int
    exe: str
    name: str


class Listener(NamedTuple):
    """An address and a port; an empty address is every one."""

    address: str
    port: int

    @classmethod
    def of(cls, address: str, port: int) -> Listener:
        """Return the listener for an address as people write it."""
        if address in ("", "*"):
            return cls("", port)
        try:
            return cls("" if ipaddress.ip_address(address).is_unspecified else address, port)
        except ValueError:
            return cls(address, port)

    @property
    def text(self) -> str:
        """Return it as the directive Listen wants it."""
        if not self.address:
            return str(self.port)
        address = f"[{self.address}]" if ":" in self.address else self.address
        return f"{address}:{self.port}"


def booted_with_systemd() -> bool:
    """Tell whether systemd is process 1 of this host; the test of sd_booted(3)."""
    return os.path.isdir("/run/systemd/system")


def without_noise(text: str) -> str:
    """Return what httpd printed without the lines that are there on every run."""
    return "\n".join(line for line in text.splitlines() if line.strip() and not _NOISE.match(line))


# ---- calling the binary ------------------------------------------------------------------------


def _service_switches(service: str) -> list[str]:
    """Return the words that the unit passes by C($OPTIONS), as Red Hat's does."""
    if not booted_with_systemd() or not service:
        return []
    answer = run(Command(["systemctl", "show", "-p", "Environment", "--value", service]))
    for word in shlex.split(answer.out) if answer.rc == 0 else []:
        name, _sign, value = word.partition("=")
        if name == "OPTIONS":
            return shlex.split(value)
    return []


def control_command(httpd: str, service: str = "") -> list[str]:
    """Return the words that run httpd as the service does; options of httpd may follow."""
    folder, name = os.path.split(httpd)
    if name == "apache2" and os.path.isfile("/etc/apache2/envvars"):
        control = os.path.join(folder, "apache2ctl")
        if os.access(control, os.X_OK):
            return [control]
    if os.path.isfile("/etc/sysconfig/apache2"):
        start = find_program(("start_apache2",))
        if start:
            return [start]
    return [httpd] + _service_switches(service)


class Server:
    """One httpd and the service that runs it."""

    def __init__(self, httpd: str, service: str = "") -> None:
        self.httpd = httpd
        self.service = service
        self.control = control_command(httpd, service) if httpd else []

    def call(self, options: Sequence[str], seconds: float = 60.0) -> Answer:
        """Run httpd with these options; what it prints comes back as one text."""
        return run(Command(self.control + list(options)), seconds, merge=True)

    def run_configuration(self) -> dict[str, Any]:
        """Return where this configuration puts things; an empty dictionary if httpd cannot read it."""
        answer = self.call(["-t", "-D", "DUMP_RUN_CFG"])
        if answer.rc != 0:
            return {}
        found: dict[str, Any] = dict(_RUN_CONFIG.findall(answer.out))
        found["directories"] = sorted({one.rstrip("/") for one in _MUTEX.findall(answer.out) if one})
        return found

    # ---- the running parent ----

    def parent(self, pid_file: str | None = None) -> int:
        """Return the process id of the running parent, 0 if there is none."""
        if pid_file is None:
            pid_file = self.run_configuration().get("PidFile", "")
        text = read_file(pid_file, 64) if pid_file else None
        if text and text.strip().isdigit() and self._is_ours(int(text)):
            return int(text)
        ours = {one.pid: one for one in processes() if self._is_ours(one.pid)}
        parents = [one.pid for one in ours.values() if one.parent not in ours]
        return parents[0] if len(parents) == 1 else 0

    def _is_ours(self, pid: int) -> bool:
        process = process_of(pid)
        if process is None or _without_suffix(process.exe) != os.path.realpath(self.httpd):
            return False
        try:
            # Another root is another container's server, although its path reads the same.
            return os.path.samestat(os.stat(f"/proc/{pid}/root/"), os.stat("/"))
        except OSError:
            return False

    def wait_until_stopped(self, seconds: float) -> bool:
        """Wait until no parent runs any more; tells whether that came true in time."""
        deadline = time.monotonic() + seconds
        pid_file = self.run_configuration().get("PidFile", "")
        while self.parent(pid_file):
            if time.monotonic() > deadline:
                return False
            time.sleep(0.1)
        return True

    def generation(self, pid_file: str) -> tuple[int, int] | None:
        """Return what tells one server generation from the next.

        httpd writes its PidFile anew at a start, a restart and a graceful restart, when the new configuration is
        in force and its ports are open: the file is another one then, or at least a later one (before 2.4.5x).
        """
        try:
            about = os.stat(pid_file)
        except OSError:
            return None
        return about.st_ino, about.st_mtime_ns

    def wait_for_generation(self, pid_file: str, before: tuple[int, int] | None, pid: int, seconds: float) -> int:
        """Wait until a server generation is up that did not write C(before); returns the parent's process id.

        C(pid) is a parent that must live on, 0 if it may be another one. 0 is returned when no new generation
        came up in time, or when that parent ended.
        """
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            if pid and not self._is_ours(pid):
                return 0
            now = self.generation(pid_file)
            if now is not None and now != before:
                running = self.parent(pid_file)
                if running:
                    return running
            time.sleep(0.05)
        return 0

    # ---- listeners ----

    def has_listener(self, listener: Listener) -> bool:
        """Tell whether the configuration without our sites listens there already: httpd itself is asked."""
        candidates = [listener.text] + ([str(listener.port)] if listener.address else [])
        with tempfile.TemporaryDirectory(prefix="pyweb-") as nothing:
            for text in candidates:
                answer = self.call(["-t", "-C", f'Define {SWITCH} "{nothing}"', "-c", "Listen " + text])
                if _TAKEN_TWICE in answer.out:
                    return True
        return False


# ---- processes ---------------------------------------------------------------------------------


def _without_suffix(path: str) -> str:
    """Return the path of a program whose file was replaced since it started."""
    suffix = " (deleted)"
    return path[: -len(suffix)] if path.endswith(suffix) else path


def process_of(pid: int) -> Process | None:
    """Return what is known of a process, V(None) if it is not there."""
    try:
        exe = os.readlink(f"/proc/{pid}/exe")
    except OSError:
        exe = ""
    text = read_file(f"/proc/{pid}/stat", 65536)
    if not text:
        return None
    name = text[text.find("(") + 1 : text.rfind(")")]
    words = text[text.rfind(")") + 1 :].split()
    if len(words) < 2 or words[0] == "Z":
        return None
    return Process(pid, int(words[1]), exe, name)


def processes() -> list[Process]:
    """Return all processes that can be seen."""
    found = [process_of(int(name)) for name in os.listdir("/proc") if name.isdigit()]
    return [one for one in found if one is not None]


def mapped_files(pid: int) -> list[str]:
    """Return the files that a process has mapped."""
    text = read_file(f"/proc/{pid}/maps", 16777216) or ""
    paths = [line.split(None, 5)[5] for line in text.splitlines() if len(line.split(None, 5)) == 6]
    return sorted({_without_suffix(path) for path in paths if path.startswith("/")})


def _listening_sockets(port: int) -> list[tuple[str, str]]:
    """Return (local address in hexadecimal, inode) of the TCP sockets that listen on a port."""
    found = []
    for table in ("/proc/net/tcp", "/proc/net/tcp6"):
        for line in (read_file(table, 16777216) or "").splitlines()[1:]:
            words = line.split()
            if len(words) > 9 and words[3] == "0A" and int(words[1].rpartition(":")[2], 16) == port:
                found.append((words[1].rpartition(":")[0], words[9]))
    return found


def _owners(inodes: Sequence[str]) -> list[Process]:
    """Return the processes that hold one of these sockets."""
    wanted = {f"socket:[{inode}]" for inode in inodes}
    return [one for one in processes() if wanted.intersection(_descriptors(one.pid))]


def _descriptors(pid: int) -> list[str]:
    """Return what a process has open; descriptors come and go while one looks."""
    folder = f"/proc/{pid}/fd"
    found = []
    with contextlib.suppress(OSError):
        for name in os.listdir(folder):
            with contextlib.suppress(OSError):
                found.append(os.readlink(os.path.join(folder, name)))
    return found


def _can_bind(listener: Listener) -> str:
    """Return why this address cannot be bound, an empty string if it can."""
    family = socket.AF_INET if "." in listener.address else socket.AF_INET6
    try:
        one = socket.socket(family, socket.SOCK_STREAM)
    except OSError:
        if listener.address:
            return "this host has no such kind of address"
        one = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    try:
        one.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        one.bind((listener.address, listener.port))
        # Two sockets may be bound to one address as long as none of them listens.
        one.listen(1)
    except OSError as error:
        return os.strerror(error.errno) if error.errno else str(error)
    finally:
        one.close()
    return ""


def taken_by(listener: Listener, httpd: str) -> str:
    """Return who else has this address, or why it cannot be had; empty if it is free or the server's own."""
    reason = _can_bind(listener)
    if not reason:
        return ""
    owners = _owners([inode for _address, inode in _listening_sockets(listener.port)])
    if httpd and any(_without_suffix(one.exe) == os.path.realpath(httpd) for one in owners):
        return ""
    if owners:
        return ", ".join(sorted({f"{one.name} (process {one.pid})" for one in owners})[:3])
    return reason
