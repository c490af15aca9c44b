# SPDX-License-Identifier: Apache-2.0
"""Graceful restarts by the hundred: what the parent process holds before and after."""

from __future__ import annotations

import os
import signal

from collections.abc import Callable
from dataclasses import dataclass

from harness.processes import PROC, children_of, descriptors, parent_of, status_field, wait_until
from harness.server import Server


@dataclass(frozen=True)
class Sample:
    """The httpd parent after so many restarts."""

    restarts: int
    rss: int  # KiB
    descriptors: int
    children: int
    sockets: int

    def row(self) -> str:
        """A line of the table."""
        return f"{self.restarts:8d} {self.rss:10d} {self.descriptors:11d} {self.children:9d} {self.sockets:8d}"


HEAD = f"{'restarts':>8} {'RSS (KiB)':>10} {'descriptors':>11} {'children':>9} {'sockets':>8}"


def take_sample(server: Server, restarts: int) -> Sample:
    """What /proc says, once the former generation has gone: the parent's child processes are as many as at first."""
    return Sample(
        restarts,
        int(status_field(server.pid, "VmRSS").split()[0]),
        len(descriptors(server.pid)),
        len(children_of(server.pid)),
        len(list(server.layout.runtime.glob("wsgi.*"))),
    )


def supervisors(server: Server) -> list[int]:
    """The parent's children that keep daemons, one a generation."""
    found = []
    for pid in children_of(server.pid):
        try:
            name = (PROC / str(pid) / "comm").read_text().strip()
        except OSError:
            continue
        if name == "wsgi-supervisor":
            found.append(pid)
    return found


def answering(server: Server) -> int:
    """The pid of the daemon that answers; every answer has to be a good one."""
    reply = server.get("/")
    assert reply.status == 200, f"{reply.status} {reply.reason}: {server.log().tail()}"
    pid = reply.json()["pid"]
    assert isinstance(pid, int)
    return pid


def settle(server: Server) -> None:
    """Waits until one generation is left, the one that answers: a new supervisor gets its name a bit later."""
    wait_until(lambda: supervisors(server) == [parent_of(answering(server))], "one generation is left", 60)


def expect_cut(server: Server, count: int = 1) -> None:
    """Declares the lines of requests that were cut with their process: each has one, the process may show its stacks."""
    server.expect("WSGI0146: ", count)
    server.allow("WSGI1034: |wsgi:error.*(Process did not end within|The main thread|A thread )|wsgi:error.*  File ")
    codes = {number for log in server.all_logs() for number in log.codes()}
    assert codes <= {146, 1034}, codes


def restart_often(server: Server, count: int, every: int, tell: Callable[[Sample], None]) -> list[Sample]:
    """So many graceful restarts, each seen by a request; a sample at the begin and after each `every`."""
    samples = []

    def sample(number: int) -> None:
        settle(server)
        samples.append(take_sample(server, number))
        tell(samples[-1])

    before = answering(server)
    for number in range(count):
        if number % every == 0:
            sample(number)
        os.kill(server.pid, signal.SIGUSR1)
        last = before
        before = wait_until(
            lambda last=last: pid if (pid := answering(server)) != last else 0,  # type: ignore[misc]
            f"the new generation answers after restart {number + 1}",
            60,
        )
    sample(count)
    return samples
