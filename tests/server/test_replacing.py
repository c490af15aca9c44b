# SPDX-License-Identifier: Apache-2.0
"""Replace, then retire: another process is ready before the old one stops taking requests."""

from __future__ import annotations

import os
import re
import signal
import socket
import time

from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from harness import Layout, Server, wait_until
from harness.calls import GLOBAL, Call, Load, entered, one_group
from harness.processes import is_alive, status_field
from harness.restarts import expect_cut, supervisors

LEVEL = "warn wsgi:info"

# Says what became of it, and can be held up at a gate and at its import.
SUBSCRIBER = """
import os, sys, time
sys.path.append(os.path.dirname(__file__))
import journal
import mod_wsgi
from urllib.parse import parse_qs

HERE = {here!r}
time.sleep({pause})

def stopping(name, shutdown_reason, **more):
    journal.note(HERE + "/ends", "%s:%d" % (shutdown_reason, os.getpid()))

mod_wsgi.subscribe_shutdown(stopping)

def application(environ, start_response):
    query = parse_qs(environ["QUERY_STRING"])
    if "entered" in query:
        journal.note(query["entered"][0], str(os.getpid()))
    if "gate" in query:
        journal.pass_gate(query["gate"][0])
    body = b"%d" % os.getpid()
    start_response("200 OK", [("Content-Length", str(len(body)))])
    return [body]
"""


def subscribed(options: str, pause: float = 0) -> Callable[[Layout], str]:
    """One group with that application, loaded before a process is ready."""

    def configure(layout: Layout) -> str:
        script = layout.write_app("subscriber.wsgi", SUBSCRIBER.format(here=str(layout.scratch), pause=pause))
        return f"""
WSGIDaemonProcess app {options}
WSGIImportScript {script} process-group=app {GLOBAL}
WSGIScriptAlias / {script} process-group=app {GLOBAL}
"""

    return configure


def pid_of(server: Server) -> int:
    """Who answers."""
    reply = server.get("/")
    assert reply.status == 200, reply.body
    return int(reply.text)


def reasons(server: Server) -> Counter[str]:
    """Why processes have ended, as their application was told."""
    path = server.layout.scratch / "ends"
    return Counter(word.partition(":")[0] for word in path.read_text().split()) if path.exists() else Counter()


def hold(server: Server, name: str, count: int = 1) -> tuple[list[Call], list[int]]:
    """Requests that run until the gate `name` opens, and the pids they run in."""
    scratch = server.layout.scratch
    calls = [Call(server, f"/?entered={scratch}/{name}-in&gate={scratch}/{name}") for _ in range(count)]
    return calls, [int(pid) for pid in entered(scratch / f"{name}-in", count)]


def let_go(server: Server, name: str) -> None:
    """Opens the gate."""
    (server.layout.scratch / name).touch()


STARTED = re.compile(r"process (\d+) started in slot")
READY = re.compile(r"process (\d+) is ready after")
CLOSED = re.compile(r"process (\d+) gets nothing new")
KILLED = re.compile(r"process (\d+) was killed")


def counts(path: Path) -> list[tuple[int, int]]:
    """How many processes were ready, and how many were starting, from one event of the log to the next."""
    found, ready, starting = [], 0, 0
    for line in path.read_text().splitlines():
        came = bool(READY.search(line))
        ready += came - bool(CLOSED.search(line)) - bool(KILLED.search(line))
        starting += bool(STARTED.search(line)) - came
        found.append((ready, starting))
    return found


def check_order(server: Server, processes: int) -> None:
    """Never fewer than `processes` once they were there, and one successor at a time."""
    found = counts(server.layout.logs / "error.log")
    running = found[next(index for index, (ready, _) in enumerate(found) if ready == processes) :]
    assert min(ready for ready, _ in running) >= processes, "there were always as many ready ones"
    assert max(ready for ready, _ in running) == processes + 1
    assert max(starting for _, starting in running) == 1, "one after the other"


# ---- one after the other --------------------------------------------------------------------


@pytest.mark.ours("D253: 6.1.1 ends a process before there is another one")
def test_recycling_goes_one_after_the_other(new_server: Any) -> None:
    """L12: maximum-requests, four processes, an import that takes its time, steady load: nothing is lost."""
    server = new_server(
        subscribed("processes=4 threads=4 maximum-requests=60", pause=0.3), level="warn wsgi:debug"
    ).start()
    server.allow("")
    load = Load(server)
    wait_until(lambda: reasons(server)["maximum_requests"] >= 8, "eight processes were replaced", 60)
    check_order(server, 4)
    load.stop()
    assert load.failures == []
    assert set(reasons(server)) == {"maximum_requests"}


@pytest.mark.ours("D722: 6.1.1 ends all of a group at about the same time")
def test_restart_interval(new_server: Any) -> None:
    """All are as old as that at the same time; each knows why it goes, and nothing is lost."""
    server = new_server(
        subscribed("processes=3 threads=4 restart-interval=1", pause=0.1), level="warn wsgi:debug"
    ).start()
    server.allow("")
    load = Load(server)
    wait_until(lambda: reasons(server)["restart_interval"] >= 6, "each was replaced, and each successor", 60)
    check_order(server, 3)
    load.stop()
    assert load.failures == []
    assert set(reasons(server)) == {"restart_interval"}


def test_restart_interval_of_an_idle_process(new_server: Any) -> None:
    """Nobody asks for anything: it is replaced all the same."""
    server = new_server(subscribed("threads=2 restart-interval=1")).start()
    first = pid_of(server)
    wait_until(lambda: not is_alive(first), "the first process is gone")
    assert reasons(server)["restart_interval"] >= 1
    assert pid_of(server) != first


# ---- deadlines ------------------------------------------------------------------------------


@pytest.mark.ours("D706: 6.1.1 has no other process ready when one is told to leave")
def test_graceful_timeout_of_a_replaced_process(new_server: Any) -> None:
    """SIGUSR1: the others go on in the next process, the long request has graceful-timeout, then 502 and one line."""
    server = new_server(subscribed("threads=4 graceful-timeout=2 shutdown-timeout=1")).start()
    (call,), (old,) = hold(server, "never")
    os.kill(old, signal.SIGUSR1)
    wait_until(lambda: pid_of(server) != old, "another process serves")
    assert is_alive(old), "the old one has its time"
    assert call.result().status == 502
    expect_cut(server)
    wait_until(lambda: not is_alive(old), "it is gone")


@pytest.mark.ours("D706: 6.1.1 has no other process ready when one is told to leave")
def test_graceful_timeout_is_not_reached(new_server: Any) -> None:
    """A request that ends before is answered, and the process leaves then."""
    server = new_server(subscribed("threads=4 graceful-timeout=60")).start()
    (call,), (old,) = hold(server, "gate")
    os.kill(old, signal.SIGUSR1)
    wait_until(lambda: pid_of(server) != old, "another process serves")
    assert is_alive(old)
    let_go(server, "gate")
    assert call.result().text == str(old)
    wait_until(lambda: not is_alive(old), "it is gone")
    assert reasons(server) == {"graceful_signal": 1}


@pytest.mark.ours("D706: 6.1.1 has no other process ready when one is told to leave")
def test_eviction_timeout(new_server: Any) -> None:
    """It takes the place of graceful-timeout after SIGUSR1, and the application is told so."""
    options = "threads=4 graceful-timeout=60 eviction-timeout=1 shutdown-timeout=1"
    server = new_server(subscribed(options), level=LEVEL).start()
    server.allow("wsgi:(info|notice)")
    (call,), (old,) = hold(server, "never")
    os.kill(old, signal.SIGUSR1)
    assert call.result().status == 502
    expect_cut(server)
    wait_until(lambda: reasons(server) == {"eviction_signal": 1}, "the application was told")
    assert server.log().matching(rf"process {old} still has requests after eviction-timeout \(1 s\)")


@pytest.mark.ours("D723: 6.1.1 ends a process with its requests")
def test_a_group_is_never_without_a_process(new_server: Any) -> None:
    """No limit for running requests, and all places are taken by processes that drain: the longest makes way."""
    server = new_server(subscribed("threads=2 graceful-timeout=0 shutdown-timeout=1"), level=LEVEL).start()
    server.allow("wsgi:(info|notice)")
    script = server.layout.apps / "subscriber.wsgi"
    calls, pids = [], []
    for number in range(4):
        (call,), (pid,) = hold(server, f"gate{number}")
        calls.append(call)
        pids.append(pid)
        os.utime(script, (number, number))
    assert len(set(pids)) == 4
    assert pid_of(server) not in pids, "a fifth process serves"
    assert calls[0].result().status == 502, "for which the longest was stopped"
    expect_cut(server)
    assert server.log().matching(rf"process {pids[0]} drains for \d+ s and is stopped")
    for number in (1, 2, 3):
        let_go(server, f"gate{number}")
        assert calls[number].result().text == str(pids[number]), "the others finish"


# ---- promptness -----------------------------------------------------------------------------


def switches(pid: int) -> int:
    """How often the process has gone to sleep by itself."""
    return int(status_field(pid, "voluntary_ctxt_switches"))


def wake(server: Server) -> None:
    """Lets the supervisor look: its next look by itself is a second away then."""
    (path,) = server.layout.runtime.glob("wsgi.*.ctl.sock")
    with socket.socket(socket.AF_UNIX) as peer:
        peer.settimeout(20)
        peer.connect(str(path))
        peer.sendall(b"anybody there?\n")
        assert peer.recv(100).startswith(b"refused")


def departure(server: Server, busy: bool) -> float:
    """One process is replaced; the seconds that it takes to go when it has nothing to do any more."""
    old = pid_of(server)
    gate = f"gate{old}"
    calls, _ = hold(server, gate) if busy else ([], [])
    os.kill(old, signal.SIGUSR1)
    if busy:
        wait_until(lambda: pid_of(server) != old, "another process serves")
        wake(server)
        let_go(server, gate)
        assert [call.result().text for call in calls] == [str(old)]
    begin = time.monotonic()
    wait_until(lambda: not is_alive(old), "the old process is gone")
    return time.monotonic() - begin


@pytest.mark.ours("D706: 6.1.1 has no other process ready when one is told to leave")
def test_nothing_waits_for_a_tick(new_server: Any) -> None:
    """L8: an idle process leaves as soon as its successor is ready, a busy one with its last answer.

    And nobody asks again and again meanwhile: the supervisor sleeps. If it did wait for its next look, that would be
    a second later each time; one of five may be slow on a busy machine, all five are not.
    """
    server = new_server(subscribed("threads=2 graceful-timeout=0"), level=LEVEL).start()
    server.allow("wsgi:(info|notice)|wsgi-reload was refused to user id .* is understood")
    for busy in (False, True):
        took: list[float] = []
        while not took or (min(took) > 0.5 and len(took) < 5):
            took.append(departure(server, busy))
        print(f"{'busy' if busy else 'idle'}: gone after {', '.join(f'{each * 1000:.0f} ms' for each in took)}")
        assert min(took) < 0.8
    calls, (old,) = hold(server, "gate")
    os.kill(old, signal.SIGUSR1)
    wait_until(lambda: pid_of(server) != old, "another process serves")
    (keeper,) = supervisors(server)
    before = switches(keeper)
    time.sleep(1)
    assert switches(keeper) - before <= 5, "the supervisor is told, it does not ask"
    let_go(server, "gate")
    assert [call.result().text for call in calls] == [str(old)]


@pytest.mark.core
@pytest.mark.ours("D705: 6.1.1 ends all daemons at a graceful restart, requests or not")
@pytest.mark.parametrize("mpm", ["event", "worker", "prefork"])
def test_long_request_in_a_graceful_restart(new_server: Any, mpm: str) -> None:
    """L4: a long request, a graceful restart, steady load: the long one is answered, nothing else fails."""
    server = new_server(one_group("processes=2 threads=6 graceful-timeout=60"), mpm=mpm).start()
    server.allow("AH00297")  # of the worker MPM: a graceful restart
    scratch = server.layout.scratch
    call = Call(server, f"/?entered={scratch}/in&gate={scratch}/gate")
    (old,) = (int(pid) for pid in entered(scratch / "in"))
    load = Load(server)
    load.flow(20)
    server.graceful()
    load.flow(100)
    wait_until(lambda: len(supervisors(server)) == 2, "two generations are there")
    (scratch / "gate").touch()
    assert call.result().json()["pid"] == old
    load.stop()
    assert load.failures == []
    wait_until(lambda: not is_alive(old), "the old process is gone")
    wait_until(lambda: len(supervisors(server)) == 1, "the old generation is gone")
