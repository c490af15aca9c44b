# SPDX-License-Identifier: Apache-2.0
"""Many Apache processes, many groups, few descriptors: idle connections close, and no request is lost.

`make prefork` runs the first test with 400 children and the usual limit of 1,024 (WSGI_TEST_CHILDREN).
"""

from __future__ import annotations

import contextlib
import os
import resource
import threading

from collections.abc import Iterator
from typing import Any

import pytest

from harness import Layout, Server, wait_until
from harness.calls import GLOBAL
from harness.client import HOST, request
from harness.processes import descriptors, image, parent_of, parents

CHILDREN = int(os.environ.get("WSGI_TEST_CHILDREN", "50"))
# For 400 children the usual limit; with fewer one with which the daemons run low.
GROUPS, LIMIT = (10, 1024) if CHILDREN >= 400 else (3, 80)


@contextlib.contextmanager
def few_descriptors(limit: int) -> Iterator[None]:
    """What is started meanwhile may open so many."""
    before = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (limit, limit if before[1] == resource.RLIM_INFINITY else before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, before)


def many(children: int, groups: int) -> Any:
    """So many children, from the start, and so many groups of one process."""

    def configure(layout: Layout) -> str:
        lines = [
            f"ServerLimit {children}\nMaxRequestWorkers {children}\nStartServers {children}",
            f"MinSpareServers 1\nMaxSpareServers {children}\nListenBacklog 2048\nMaxKeepAliveRequests 0\nKeepAliveTimeout 60",
        ]
        for number in range(groups):
            lines.append(
                f"WSGIDaemonProcess g{number} threads=4 listen-backlog=1000\n"
                f"WSGIScriptAlias /{number} {layout.apps}/started.wsgi process-group=g{number} {GLOBAL}"
            )
        return "\n".join(lines)

    return configure


class Visitor(threading.Thread):
    """One connection, so one child of Apache; asks each group in turn and then stays."""

    def __init__(self, server: Server, groups: int, rounds: int) -> None:
        super().__init__(daemon=True)
        self.server, self.groups, self.rounds = server, groups, rounds
        self.statuses: list[int] = []
        self.leave = threading.Event()
        self.asked = threading.Event()
        self.start()

    def run(self) -> None:
        import http.client

        connection = http.client.HTTPConnection(HOST, self.server.layout.port, timeout=120)
        for turn in range(self.rounds * self.groups):
            connection.request("GET", f"/{turn % self.groups}")
            reply = connection.getresponse()
            reply.read()
            self.statuses.append(reply.status)
        self.asked.set()
        self.leave.wait(120)
        connection.close()


@pytest.mark.ours("D749: 6.1.1 makes a connection for each request")
def test_many_children_and_groups(new_server: Any) -> None:
    """Each child has served each group, twice: all is answered, and all stay below the limit."""
    server = new_server(many(CHILDREN, GROUPS), mpm="prefork")
    with few_descriptors(LIMIT):
        server.start()
    server.allow("AH00161|AH00045")  # all children are used, as is meant; so many take their time to end
    pids = [request(server.layout.port, "GET", f"/{number}", timeout=60).json()["pid"] for number in range(GROUPS)]
    wait_until(lambda: len(apache_children(server)) >= CHILDREN, "all children are there", 240)
    visitors = [Visitor(server, GROUPS, 2) for _ in range(CHILDREN)]
    wait_until(lambda: all(visitor.asked.is_set() for visitor in visitors), "all have been answered", 240)
    counts = {
        "parent": count(server.pid),
        "supervisor": count(parent_of(pids[0]) or 0),
        "child": max(count(pid) for pid in apache_children(server)),
        "daemon": max(count(pid) for pid in pids),
    }
    print(f"{CHILDREN} children, {GROUPS} groups, limit {LIMIT}; descriptors at most: {counts}")
    for visitor in visitors:
        visitor.leave.set()
    answered = [status for visitor in visitors for status in visitor.statuses]
    assert answered == [200] * (2 * GROUPS * CHILDREN)
    assert all(number < LIMIT for number in counts.values())
    assert counts["daemon"] <= LIMIT // 2 + 40


def apache_children(server: Server) -> list[int]:
    """The children of httpd, without the supervisor."""
    own = image(server.pid)
    tree = parents()  # one look: a look for each of many children takes its time
    busy = set(tree.values())
    return [pid for pid, parent in tree.items() if parent == server.pid and pid not in busy and image(pid) == own]


def count(pid: int) -> int:
    """Open descriptors."""
    return len(descriptors(pid))


@pytest.mark.ours("D749: 6.1.1 makes a connection for each request")
def test_an_application_that_needs_all_descriptors(new_server: Any) -> None:
    """With none left for accept(), idle connections make way; nobody waits for a second in vain."""

    def configure(layout: Layout) -> str:
        script = layout.write_app(
            "hungry.wsgi",
            """
import os, resource
held = []
def application(environ, start_response):
    path = environ["PATH_INFO"]
    if path == "/take":
        try:
            while True:
                held.append(os.dup(0))
        except OSError:
            pass
    if path == "/give":
        while held:
            os.close(held.pop())
    body = str(len(held)).encode()
    start_response("200 OK", [("Content-Length", str(len(body)))])
    return [body]
""",
        )
        return (
            "ServerLimit 12\nMaxRequestWorkers 12\nStartServers 12\nMaxSpareServers 12\nMaxKeepAliveRequests 0\n"
            f"KeepAliveTimeout 60\nWSGIDaemonProcess app threads=2\nWSGIScriptAlias / {script} process-group=app {GLOBAL}\n"
        )

    server = new_server(configure, mpm="prefork")
    with few_descriptors(128):
        server.start()
    wait_until(lambda: len(apache_children(server)) >= 12, "all children are there", 60)
    some = [Visitor(server, 1, 1) for _ in range(6)]
    wait_until(lambda: all(visitor.asked.is_set() for visitor in some), "idle connections are there", 60)
    assert int(server.get("/take").text) > 50
    others = [Visitor(server, 1, 3) for _ in range(5)]
    wait_until(lambda: all(visitor.asked.is_set() for visitor in others), "the others are served, too", 60)
    assert [visitor.statuses for visitor in others] == [[200] * 3] * 5
    for visitor in [*some, *others]:
        visitor.leave.set()
    assert server.get("/give").text == "0"
