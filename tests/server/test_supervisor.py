# SPDX-License-Identifier: Apache-2.0
"""The supervisor: back-off, death of each kind of process, generations, thousands of restarts."""

from __future__ import annotations

import os
import re
import signal
import time

from http.client import HTTPConnection, HTTPException
from threading import Thread
from typing import Any

import pytest

from harness import Layout, Server, wait_until
from harness.calls import GLOBAL, Call, Load, entered, one_group
from harness.client import HOST
from harness.processes import children_of, descendants_of, is_alive, marked_with, parent_of
from harness.restarts import expect_cut, restart_often, settle, supervisors
from harness.server import MARK

CLIENTS = 100
PAUSE = 0.2  # s between two requests of a client: the load is in the connections
RESTARTS = 10  # of httpd, which takes a second for each; `make chaos` does 20


def hold(server: Server, name: str) -> tuple[Call, int]:
    """A request that runs until the gate `name` opens, and the pid it runs in."""
    scratch = server.layout.scratch
    call = Call(server, f"/?entered={scratch}/{name}-in&gate={scratch}/{name}")
    (pid,) = entered(scratch / f"{name}-in")
    return call, int(pid)


def let_go(server: Server, name: str) -> None:
    """Opens the gate."""
    (server.layout.scratch / name).touch()


def supervisor(server: Server) -> int:
    """The one that is there."""
    (pid,) = wait_until(lambda: found if len(found := supervisors(server)) == 1 else [], "there is one supervisor")
    return pid


# ---- back-off and death ---------------------------------------------------------------------


@pytest.mark.ours("D720: 6.1.1 starts a process that dies at once again and again, about once a second")
def test_back_off(new_server: Any) -> None:
    """A process that dies at its start is started again at once, then after 1, 2, 4 seconds."""

    def configure(layout: Layout) -> str:
        script = layout.write_app("dies.wsgi", "import os\nos._exit(3)\n")
        return one_group("processes=1", f"WSGIImportScript {script} process-group=app {GLOBAL}")(layout)

    server = new_server(configure).start()
    lines = server.log()
    found = re.compile(r"ended with exit status 3, .*; another one starts in (\d+) s")
    wait_until(lambda: len(lines.matching(found.pattern)) >= 4, "four processes have died")
    ends = server.expect(found.pattern, 4)
    delays = [int(match[1]) for line in ends if (match := found.search(line.text))]
    assert delays == [0, 1, 2, 4]
    pids = {re.search(r"process (\d+) ended", line.text)[1] for line in ends}  # type: ignore[index]
    assert len(pids) == 4, "each line is about another process"


def others(server: Server, former: list[int]) -> list[int]:
    """The daemons, when there are as many as before and none of those."""

    def found() -> list[int]:
        pids = children_of(supervisor(server))
        return pids if len(pids) == len(former) and not set(pids) & set(former) else []

    return wait_until(found, "as many others run")


@pytest.mark.ours("D808: 6.1.1 does not say why a daemon ended")
def test_each_daemon_is_killed(new_server: Any) -> None:
    """L15: kill -9 each of them, before and after it has served: as many are back, and nothing else suffers."""
    server = new_server(one_group("processes=3 threads=2")).start()
    before = wait_until(
        lambda: found if len(found := children_of(supervisor(server))) == 3 else [], "three daemons run"
    )
    for served in (False, True):
        for pid in before:
            os.kill(pid, signal.SIGKILL)
        soon = "[01]" if served else "0"  # one that has worked is not followed within a second
        server.expect(rf"process \d+ was killed by signal 9 \(Killed\).*another one starts in {soon} s", 3)
        before = others(server, before)
        for pid in before:
            wait_until(lambda pid=pid: server.get("/").json()["pid"] == pid, "each of the others serves")  # type: ignore[misc]


def end_httpd_children(server: Server, parent: int, keep: set[int]) -> None:
    """Apache's own children outlive a killed parent: that is httpd's affair, and ours to clean up."""
    assert server.process
    server.process.wait()
    for pid in marked_with(f"{MARK}={server.mark}"):
        if pid not in keep and pid != parent:
            os.kill(pid, signal.SIGKILL)


def start_again(server: Server) -> None:
    """After the parent was killed."""
    server.process = None
    (server.layout.runtime / "httpd.pid").unlink(missing_ok=True)
    server.start()
    assert server.get("/").status == 200


@pytest.mark.ours("D721: 6.1.1's daemons outlive a killed parent, and so do its sockets")
def test_killed_parent(new_server: Any) -> None:
    """L15: kill -9 the parent of httpd: its daemons finish what runs and go, the sockets with them."""
    server = new_server(one_group("processes=2 threads=2")).start()
    call, _ = hold(server, "gate")
    parent, keeper = server.pid, supervisor(server)
    daemons = children_of(keeper)
    assert len(daemons) == 2
    os.kill(parent, signal.SIGKILL)
    server.expect(rf"the httpd parent process {parent} is gone, all daemon processes of generation 0 end")
    let_go(server, "gate")
    assert call.result().status == 200, "a running request is finished"
    wait_until(lambda: not any(is_alive(pid) for pid in [keeper, *daemons]), "daemons and supervisor are gone")
    assert list(server.layout.runtime.glob("wsgi.*")) == []
    end_httpd_children(server, parent, set())
    start_again(server)


@pytest.mark.ours("D721: 6.1.1's daemons outlive a killed parent, and so do its sockets")
def test_killed_parent_and_supervisor(new_server: Any) -> None:
    """Nobody is left who could tell the daemons, or remove the sockets: they go, and the next start removes them."""
    server = new_server(one_group("processes=2 threads=2")).start()
    assert server.get("/").status == 200
    parent, keeper = server.pid, supervisor(server)
    daemons = wait_until(lambda: found if len(found := children_of(keeper)) == 2 else [], "two daemons run")
    left = {path.name for path in server.layout.runtime.glob("wsgi.*")}
    other = server.layout.runtime / "wsgi.not-a-socket"
    other.touch()
    os.kill(keeper, signal.SIGSTOP)  # it must not see the parent's end
    os.kill(parent, signal.SIGKILL)
    assert server.process
    server.process.wait()
    os.kill(keeper, signal.SIGKILL)
    wait_until(lambda: not any(is_alive(pid) for pid in daemons), "the daemons are gone")
    assert {path.name for path in server.layout.runtime.glob("wsgi.*.sock")} == left
    end_httpd_children(server, parent, set(daemons))
    start_again(server)
    names = {path.name for path in server.layout.runtime.glob("wsgi.*.sock")}
    assert not names & left, "what was left is gone"
    assert len(names) == len(left)
    assert other.exists(), "what is no socket of ours stays"
    other.unlink()


@pytest.mark.ours("D701: 6.1.1 has no supervisor")
def test_supervisor_is_killed_again_and_again(new_server: Any) -> None:
    """Who was ready serves until the successor is; nothing is lost, nothing is left."""
    server = new_server(one_group("processes=2 threads=4 graceful-timeout=60"), level="warn wsgi:info").start()
    server.allow("")
    call, old = hold(server, "gate")
    load = Load(server)
    load.flow(20)
    seen = set()
    for _ in range(3):  # each pause before the next one is longer
        keeper = supervisor(server)
        seen.add(keeper)
        os.kill(keeper, signal.SIGKILL)
        wait_until(lambda keeper=keeper: supervisor(server) != keeper, "another supervisor is there")  # type: ignore[misc]
        load.flow(20)
    wait_until(lambda: len(children_of(supervisor(server))) == 2, "there are two daemons of the last supervisor")
    assert is_alive(old), "a running request is not cut"
    let_go(server, "gate")
    assert call.result().json()["pid"] == old
    load.flow(20)
    load.stop()
    assert load.failures == []
    keeper = supervisor(server)
    assert keeper not in seen

    def strangers() -> list[int]:
        mine = {server.pid, *descendants_of(server.pid)}
        return [pid for pid in marked_with(f"{MARK}={server.mark}") if pid not in mine]

    wait_until(lambda: not strangers(), "no daemon of a former supervisor is left", 30)
    assert len(server.log().matching(r"the supervisor \d+ of the daemon processes was killed by signal 9")) == 3


@pytest.mark.ours("D701: 6.1.1 has no supervisor")
def test_idle_daemon_outlives_its_supervisor(new_server: Any) -> None:
    """Its successor cannot start: who is there goes on serving."""

    def configure(layout: Layout) -> str:
        script = layout.write_app(
            "slow.wsgi", f"import os, time\nwhile not os.path.exists('{layout.scratch}/start'): time.sleep(0.01)\n"
        )
        return one_group("threads=2", f"WSGIImportScript {script} process-group=app {GLOBAL}")(layout)

    server = new_server(configure)
    start = server.layout.scratch / "start"
    start.touch()
    server.start()
    old = server.get("/").json()["pid"]
    start.unlink()
    keeper = supervisor(server)
    os.kill(keeper, signal.SIGKILL)
    server.expect(r"the supervisor \d+ of the daemon processes was killed by signal 9")
    wait_until(lambda: [pid for pid in children_of(supervisor(server)) if pid != keeper], "a successor starts")
    for _ in range(10):
        assert server.get("/").json()["pid"] == old
    start.touch()
    wait_until(lambda: server.get("/").json()["pid"] != old, "the successor serves")
    wait_until(lambda: not is_alive(old), "the old one goes")


# ---- generations ----------------------------------------------------------------------------


@pytest.mark.ours("D705: 6.1.1 ends all daemons at a graceful restart, requests or not")
def test_retired_generation_ends_at_graceful_timeout(new_server: Any) -> None:
    """A request that is longer is cut: its 502, and one line."""
    server = new_server(one_group("threads=2 graceful-timeout=1 shutdown-timeout=1")).start()
    call, old = hold(server, "never")
    server.graceful()
    reply = call.result()
    assert reply.status == 502
    expect_cut(server)
    wait_until(lambda: not is_alive(old), "the old daemon is gone")
    settle(server)
    assert server.get("/").status == 200


@pytest.mark.ours("D705: 6.1.1 ends all daemons at a graceful restart, requests or not")
def test_at_most_four_generations_drain(new_server: Any) -> None:
    """Long requests in five former generations, without a limit: the oldest is cut, four finish."""
    server = new_server(one_group("threads=2 graceful-timeout=0 shutdown-timeout=1")).start()
    calls = []
    for number in range(5):
        call, pid = hold(server, f"gate{number}")
        calls.append(call)
        keeper = parent_of(pid)
        server.graceful()
        wait_until(lambda keeper=keeper: parent_of(server.get("/").json()["pid"]) != keeper, "the next generation")  # type: ignore[misc]
        if number < 4:
            assert len(supervisors(server)) == number + 2, "former generations stay for their requests"
    assert calls[0].result().status == 502
    expect_cut(server)
    assert all(call.is_alive() for call in calls[1:])
    for number in range(1, 5):
        let_go(server, f"gate{number}")
    assert [call.result().status for call in calls[1:]] == [200] * 4
    settle(server)


class Patient(Thread):
    """A client that keeps its connection as long as the server does, and asks again and again."""

    def __init__(self, port: int) -> None:
        super().__init__(daemon=True)
        self.port = port
        self.going = True
        self.statuses: dict[int, int] = {}
        self.fresh_failures: list[str] = []
        self.reused_failures = 0
        self.start()

    def run(self) -> None:
        connection, served = HTTPConnection(HOST, self.port, timeout=30), 0
        while self.going:
            time.sleep(PAUSE)
            try:
                connection.request("GET", "/?")
                reply = connection.getresponse()
                reply.read()
                self.statuses[reply.status] = self.statuses.get(reply.status, 0) + 1
                served += 1
            except (OSError, HTTPException) as error:
                # Closed between two requests: HTTP's own gap, which any client has to live with.
                if served:
                    self.reused_failures += 1
                else:
                    self.fresh_failures.append(repr(error))
                connection.close()
            if connection.sock is None:
                connection, served = HTTPConnection(HOST, self.port, timeout=30), 0
        connection.close()

    def count(self) -> int:
        """Answers so far."""
        return sum(self.statuses.values())


@pytest.mark.ours("D770: 6.1.1 ends the daemons, and takes the sockets away that children of Apache still ask at")
def test_keep_alive_clients_in_restarts(new_server: Any) -> None:
    """L5: 100 clients with connections that stay, 10 graceful restarts: no 503, one set of sockets in the end."""
    wide = "ServerLimit 16\nMaxRequestWorkers 384\n"
    server = new_server(one_group("processes=2 threads=8", wide)).start()
    assert server.get("/").status == 200, "the supervisor has its socket, too"
    one_set = len(list(server.layout.runtime.glob("wsgi.*")))
    clients = [Patient(server.layout.port) for _ in range(CLIENTS)]

    def flow(more: int) -> None:
        wanted = [client.count() + more for client in clients]
        wait_until(
            lambda: all(client.count() >= least for client, least in zip(clients, wanted, strict=True)),
            "each client is answered",
            60,
        )

    flow(1)
    for _ in range(RESTARTS):
        server.graceful()
        flow(1)
    for client in clients:
        client.going = False
    for client in clients:
        client.join(60)
        assert not client.is_alive(), "a client hangs"
    assert {status for client in clients for status in client.statuses} == {200}
    assert [error for client in clients for error in client.fresh_failures] == []
    settle(server)
    assert len(list(server.layout.runtime.glob("wsgi.*"))) == one_set


@pytest.mark.ours("D701: 6.1.1 has no supervisor")
def test_restarts_leave_nothing_in_the_parent(new_server: Any) -> None:
    """L9: 12 graceful restarts (`make restarts` does 3,000): memory, descriptors and sockets are flat."""
    server = new_server(one_group("processes=2 threads=2")).start()
    samples = restart_often(server, 12, 6, lambda sample: print(sample.row()))
    first, last = samples[0], samples[-1]
    assert [sample.descriptors for sample in samples] == [first.descriptors] * 3
    assert [sample.sockets for sample in samples] == [first.sockets] * 3
    assert last.rss - first.rss < 5 * 1024
