# SPDX-License-Identifier: Apache-2.0
"""Requests in the background: one that is held up, many that keep a server busy."""

from __future__ import annotations

import threading

from collections.abc import Callable
from pathlib import Path

from harness.client import Cut, Reply
from harness.processes import wait_until
from harness.server import Layout, Server

GLOBAL = "application-group=%{GLOBAL}"
WAITS = "the request waits for a worker"


def one_group(options: str, more: str = "") -> Callable[[Layout], str]:
    """A configuration with the group `app` and process.wsgi at the root."""

    def configure(layout: Layout) -> str:
        return f"""
WSGIDaemonProcess app {options.replace("@ROOT@", str(layout.root))}
{more}
WSGIScriptAlias / {layout.apps}/process.wsgi process-group=app {GLOBAL}
"""

    return configure


class Call(threading.Thread):
    """A request in the background; `result()` gives the reply or raises what went wrong."""

    def __init__(self, server: Server, target: str) -> None:
        super().__init__(daemon=True)
        self.server = server
        self.target = target
        self.reply: Reply | None = None
        self.error: Exception | None = None
        self.start()

    def run(self) -> None:
        try:
            self.reply = self.server.get(self.target)
        except (OSError, Cut) as error:
            self.error = error

    def result(self) -> Reply:
        """Waits for the end."""
        self.join(60)
        if self.error:
            raise self.error
        assert self.reply is not None, "the request hangs"
        return self.reply


def words(path: Path) -> list[str]:
    """Lines of a journal."""
    return path.read_text().split() if path.exists() else []


def entered(path: Path, count: int = 1) -> list[str]:
    """Waits until so many requests have noted that they run; their pids."""
    wait_until(lambda: len(words(path)) >= count, f"{count} requests run")
    return words(path)


def waited(server: Server) -> int:
    """So many requests have begun to wait so far, as the log says at level debug; the first ones for the start."""
    return len([line for line in server.log().lines() if WAITS in line.text])


def waiting(server: Server, count: int) -> None:
    """Waits until there are so many."""
    wait_until(lambda: waited(server) >= count, f"{count} requests wait:\n{server.log().tail()}")


class Load:
    """Four clients that ask as fast as they get answers."""

    def __init__(self, server: Server, clients: int = 4) -> None:
        self.server = server
        self.going = True
        self.done = [0] * clients
        self.failures: list[str] = []
        self.threads = [threading.Thread(target=self.run, args=(number,), daemon=True) for number in range(clients)]
        for thread in self.threads:
            thread.start()

    def run(self, number: int) -> None:
        """One client."""
        while self.going:
            try:
                reply = self.server.get("/")
                if reply.status != 200:
                    self.failures.append(f"{reply.status} {reply.reason}")
            except (OSError, Cut) as error:
                self.failures.append(repr(error))
            self.done[number] += 1

    def count(self) -> int:
        """Requests so far."""
        return sum(self.done)

    def flow(self, more: int) -> None:
        """Waits until so many more requests have been answered."""
        wanted = self.count() + more
        wait_until(lambda: self.count() >= wanted, "requests flow")

    def stop(self) -> None:
        """Waits for the clients."""
        self.going = False
        for thread in self.threads:
            thread.join(30)
            assert not thread.is_alive(), "a client hangs"


def run_side_by_side(site: Server, name: str, count: int, path: str = "/gate") -> None:
    """As many requests as that are inside the application at the same time: no worker is lost."""
    gate, journal = site.layout.scratch / f"{name}-gate", site.layout.scratch / f"{name}-in"
    for left in (gate, journal):
        left.unlink(missing_ok=True)
    calls = [Call(site, f"{path}?entered={journal}&gate={gate}") for _ in range(count)]
    try:
        entered(journal, count)
    finally:
        gate.touch()
    assert [call.result().status for call in calls] == [200] * count
