# SPDX-License-Identifier: Apache-2.0
"""The server under load: its groups, the script that is deployed, the journal of executions."""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import signal
import subprocess
import time

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from harness import Layout, Module, Server, places, processes, wait_until
from harness.server import MARK

SCRIPT = Path(__file__).parent / "apps" / "counted.wsgi"
BEGINNING = 1_000_000_000  # of the modification times: each deploy is a whole second later than the one before
THREADS = 10
WORKERS = 128
GRACE = 15

# Groups, and their options beyond those all have. `other` is the neighbour that nothing happens to.
GROUPS = {
    "app": "",
    "other": "",
    "recycled": "maximum-requests=200",
    "aged": "restart-interval=4",
    "starved": "",
}


class Execution(NamedTuple):
    """One line of the journal."""

    id: str
    pid: int
    version: str


class Blow(NamedTuple):
    """A process that was killed: the requests running in it at that time are its price."""

    pid: int
    before: float
    after: float
    kind: str


@dataclass
class Deploy:
    """A version of the script, and when it was there."""

    version: int
    at: float
    works: bool


def configure(layout: Layout) -> str:
    """Five groups and an embedded application, all with the same script under different names."""
    lines = [
        f"""
# Room for the old children of several graceful restarts, else httpd itself stops to answer until they are gone.
ServerLimit 40
StartServers 2
ThreadsPerChild 32
MaxRequestWorkers {WORKERS}
MinSpareThreads 32
MaxSpareThreads {WORKERS}
MaxKeepAliveRequests 1000
LogLevel wsgi:info
"""
    ]
    for name, options in GROUPS.items():
        shared = f"processes=2 threads={THREADS} display-name=%{{GROUP}} graceful-timeout={GRACE}"
        lines.append(f"WSGIDaemonProcess {name} {shared} {options}")
        alias = f"WSGIScriptAlias /{name} {layout.apps}/{name}.wsgi"
        lines.append(f"{alias} process-group={name} application-group=%{{GLOBAL}}")
    alias = f"WSGIScriptAlias /embedded {layout.apps}/embedded.wsgi"
    lines.append(f"{alias} process-group=%{{GLOBAL}} application-group=%{{GLOBAL}}")
    return "\n".join(lines)


class Site:
    """A running server and what was done to it."""

    def __init__(self, module: Module) -> None:
        self.server = Server(configure)
        self.server.layout.module = module
        self.name = "6.1.1" if module.peer else "ours"
        self.peer = module.peer
        self.journal = self.server.layout.scratch / "journal"
        self.parent = 0
        self.seen = 0
        self.versions = 0
        self.deploys: dict[str, list[Deploy]] = {}
        self.blows: list[Blow] = []

    # ---- life ------------------------------------------------------------------------------

    def start(self) -> None:
        """Deploys everything, starts, and waits until each application has answered."""
        self.journal.touch()
        self.journal.chmod(0o666)
        (self.server.layout.htdocs / "static.txt").write_text("static\n")
        (self.server.layout.htdocs / "static.txt").chmod(0o644)
        for name in [*GROUPS, "embedded"]:
            self.deploy(name)
        self.server.start()
        self.parent = self.server.pid
        for name in [*GROUPS, "embedded"]:
            reply = self.server.get(f"/{name}?id=first")
            assert reply.status == 200, f"{self.name}: /{name} answers {reply.status} before anything happened"
        self.read_journal()

    def close(self, keep: Path | None = None) -> str:
        """Ends it; what was wrong with the end is returned. The error log is kept."""
        problem = ""
        try:
            self.server.stop()
        except AssertionError as failure:
            problem = str(failure)
        finally:
            self.server.kill()
            if keep:
                shutil.copy(self.server.layout.logs / "error.log", keep)
            shutil.rmtree(self.server.layout.root, ignore_errors=True)
        return problem

    # ---- the script ------------------------------------------------------------------------

    def deploy(self, name: str, *, seconds: float = 0.0, broken: bool = False) -> Deploy:
        """A new version of NAME.wsgi, in place at one stroke; importing it takes so long."""
        self.versions += 1
        head = f"VERSION = {self.versions}\nIMPORT_SECONDS = {seconds}\nJOURNAL = {str(self.journal)!r}\n"
        path = self.server.layout.apps / f"{name}.wsgi"
        fresh = path.with_suffix(".new")
        fresh.write_text(head + SCRIPT.read_text() + ("\nthis is no Python\n" if broken else ""))
        fresh.chmod(0o644)
        os.utime(fresh, (BEGINNING + self.versions, BEGINNING + self.versions))
        fresh.replace(path)
        made = Deploy(self.versions, time.monotonic(), not broken)
        self.deploys.setdefault(name, []).append(made)
        return made

    def serves(self, name: str, version: int, timeout: float = 30) -> None:
        """Waits until an answer comes from this version."""

        def answer() -> bool:
            reply = self.server.get(f"/{name}?id=wait")
            return reply.status == 200 and reply.get("X-Version") == str(version)

        wait_until(answer, f"{self.name}: /{name} answers with version {version}", timeout)

    def read_journal(self) -> list[Execution]:
        """What was executed since the last look, whole lines only; our own look-ups are left out."""
        data = self.journal.read_bytes()
        fresh = data[self.seen :]
        fresh = fresh[: fresh.rfind(b"\n") + 1]
        self.seen += len(fresh)
        found = []
        for line in fresh.decode().splitlines():
            name, pid, version = line.split()
            if "." in name:
                found.append(Execution(name, int(pid), version))
        return found

    def pid_of(self, name: str) -> int:
        """The process that executed one of our own requests, 0 before it has begun."""
        found = re.search(rf"^{re.escape(name)} (\d+) ", self.journal.read_text(), re.M)
        return int(found.group(1)) if found else 0

    # ---- processes -------------------------------------------------------------------------

    def family(self) -> dict[int, str]:
        """Every process of this server, orphans included, and its title."""
        return {pid: processes.command_line(pid) for pid in processes.marked_with(f"{MARK}={self.server.mark}")}

    def daemons(self, group: str) -> list[int]:
        """The daemons of a group."""
        return [pid for pid, title in self.family().items() if title.startswith(f"(wsgi:{group})")]

    def supervisors(self) -> list[int]:
        """Ours has one a generation, 6.1.1 none."""
        return [pid for pid, title in self.family().items() if title.startswith("wsgi-supervisor")]

    def children(self) -> list[int]:
        """Apache's children."""
        image = os.path.realpath(places().httpd)
        return [
            pid
            for pid, title in self.family().items()
            if pid != self.parent and processes.image(pid) == image and not title.startswith(("(wsgi:", "wsgi-"))
        ]

    def kill(self, pid: int, kind: str) -> None:
        """kill -9, and a note of it."""
        before = time.monotonic()
        os.kill(pid, signal.SIGKILL)
        wait_until(lambda: not processes.is_alive(pid), f"process {pid} is gone")
        self.blows.append(Blow(pid, before, time.monotonic(), kind))

    def sockets(self) -> list[str]:
        """What lies in the runtime directory beside the PidFile."""
        return sorted(path.name for path in self.server.layout.runtime.iterdir() if path.name != "httpd.pid")


# Its user may change a process's limits; root may only with a capability that a container seldom has.
LIMIT = """
import resource, sys
limits = resource.prlimit(int(sys.argv[1]), resource.RLIMIT_NOFILE)
resource.prlimit(int(sys.argv[1]), resource.RLIMIT_NOFILE, (int(sys.argv[2]), limits[1]))
print(limits[0])
"""


def limit_descriptors(pid: int, count: int) -> int:
    """Sets the soft limit of a process, and returns the former one."""
    owner = (processes.PROC / str(pid)).stat()
    done = subprocess.run(
        [places().python, "-c", LIMIT, str(pid), str(count)],
        user=owner.st_uid if places().is_root else None,
        group=owner.st_gid if places().is_root else None,
        extra_groups=[] if places().is_root else None,
        capture_output=True,
        text=True,
        check=True,
        timeout=30,
    )
    return int(done.stdout)


@contextlib.contextmanager
def scarcity(pids: list[int], spare: int) -> Iterator[None]:
    """Few descriptors for some processes."""
    former = {}
    try:
        for pid in pids:
            former[pid] = limit_descriptors(pid, max(processes.descriptors(pid), default=2) + 1 + spare)
        yield
    finally:
        for pid, count in former.items():
            if processes.is_alive(pid):
                limit_descriptors(pid, count)


def codes(text: str) -> dict[str, int]:
    """How often each numbered line stands in a log."""
    found: dict[str, int] = {}
    for code in re.findall(r"WSGI\d{4}(?=:)", text):
        found[code] = found.get(code, 0) + 1
    return found
