# SPDX-License-Identifier: Apache-2.0
"""Daemon processes come and go: death, reload, graceful restart, stop."""

from __future__ import annotations

import os
import signal

from typing import Any

import pytest

from harness import Server, wait_until
from harness.calls import GLOBAL, Call, Load, entered, one_group, words
from harness.processes import is_alive, marked_with, parent_of


def test_killed_daemon_is_replaced(new_server: Any) -> None:
    """Only its own running request is lost."""
    server = new_server(one_group("processes=2 threads=1")).start()
    scratch = server.layout.scratch
    slow = Call(server, f"/?entered={scratch}/in&gate={scratch}/never")
    (victim,) = entered(scratch / "in")
    os.kill(int(victim), signal.SIGKILL)
    assert slow.result().status == 502
    server.expect("WSGI014[67]: ")
    if server.layout.module.peer:
        server.allow("AH00052: child pid .* exit signal Killed")
    else:
        server.expect("SIGKILL|signal 9|Killed")
    pids = set()
    for _ in range(20):
        reply = server.get("/")
        assert reply.status == 200
        pids.add(reply.json()["pid"])
    assert int(victim) not in pids
    wait_until(lambda: len(live_daemons(server)) == 2, "there are two daemons again")
    assert words(scratch / "in") == [victim], "the lost request was not executed twice"


def live_daemons(server: Server) -> set[int]:
    """Pids that answer, asked often enough that both processes of a group are seen."""
    scratch = server.layout.scratch
    gate, journal = scratch / "census-gate", scratch / "census"
    gate.unlink(missing_ok=True)
    journal.unlink(missing_ok=True)
    calls = [Call(server, f"/?entered={journal}&gate={gate}") for _ in range(2)]
    try:
        wait_until(lambda: len(words(journal)) >= 2, "two requests run", 3)
    except AssertionError:
        return set()
    finally:
        gate.touch()
    return {call.result().json()["pid"] for call in calls}


@pytest.mark.ours("D708: 6.1.1 now and then answers the first request with the old code")
def test_touch_reloads(new_server: Any) -> None:
    """The first request after the change sees the new code, in a new process."""
    server = new_server(
        lambda layout: (
            f"""
WSGIDaemonProcess app processes=2 threads=2
WSGIScriptAlias / {layout.root}/apps/version.wsgi process-group=app {GLOBAL}
"""
        )
    )
    version(server, 1)
    server.start()
    number, first = ask(server)
    assert number == 1
    for wanted in (2, 3, 4):
        version(server, wanted)
        for _ in range(6):
            number, pid = ask(server)
            assert number == wanted
            assert pid != first
    assert is_alive(server.pid)


def version(server: Server, number: int) -> None:
    """Writes the script anew."""
    server.layout.write_app(
        "version.wsgi",
        "import os\n"
        "def application(environ, start_response):\n"
        '    start_response("200 OK", [("Content-Type", "text/plain")])\n'
        f'    return [b"{number} %d" % os.getpid()]\n',
    )


def ask(server: Server) -> tuple[int, int]:
    """Version and pid that answer."""
    reply = server.get("/")
    assert reply.status == 200, reply.body
    number, pid = reply.text.split()
    return int(number), int(pid)


def test_no_reload_when_it_is_off(new_server: Any) -> None:
    server = new_server(
        lambda layout: (
            f"""
WSGIScriptReloading Off
WSGIDaemonProcess app threads=2
WSGIScriptAlias / {layout.root}/apps/version.wsgi process-group=app {GLOBAL}
"""
        )
    )
    version(server, 1)
    server.start()
    before = ask(server)
    version(server, 2)
    assert ask(server) == before


def test_touch_under_load_loses_nothing(new_server: Any) -> None:
    server = new_server(
        lambda layout: (
            f"""
WSGIDaemonProcess app processes=2 threads=4
WSGIScriptAlias / {layout.root}/apps/version.wsgi process-group=app {GLOBAL}
"""
        )
    )
    version(server, 1)
    server.start()
    load = Load(server)
    for number in (2, 3, 4):
        load.flow(20)
        version(server, number)
        assert ask(server)[0] == number
    load.stop()
    assert load.failures == []


@pytest.mark.ours("D705: 6.1.1 ends all daemons at a graceful restart, requests or not")
def test_graceful_restart_under_load_loses_nothing(new_server: Any) -> None:
    server = new_server(one_group("processes=2 threads=4 shutdown-timeout=10")).start()
    scratch = server.layout.scratch
    slow = Call(server, f"/?entered={scratch}/in&gate={scratch}/gate&left={scratch}/left")
    (old,) = entered(scratch / "in")
    load = Load(server)
    load.flow(20)
    for _ in range(2):
        server.graceful()
        load.flow(50)
    wait_until(lambda: str(server.get("/").json()["pid"]) != old, "a new generation serves")
    assert is_alive(int(old)), "the old daemon finishes its request"
    (scratch / "gate").touch()
    assert str(slow.result().json()["pid"]) == old
    load.stop()
    assert load.failures == []
    assert words(scratch / "left") == [old]
    wait_until(lambda: not is_alive(int(old)), "the old daemon is gone")


def test_graceful_restart_takes_the_new_configuration(new_server: Any) -> None:
    options = ["threads=2"]
    server = new_server(lambda layout: one_group(options[0])(layout)).start()
    assert server.get("/").json()["threads"] == 2
    options[0] = "threads=5"
    server.write_configuration()
    server.graceful()
    wait_until(lambda: server.get("/").json()["threads"] == 5, "the new number is there")
    if server.layout.module.peer:
        server.allow("WSGI|wsgi")


def test_stop_leaves_nothing(new_server: Any) -> None:
    """The checks are those of every test; here with requests running and several groups."""
    server = new_server(
        lambda layout: (
            f"""
WSGIDaemonProcess one processes=3 threads=2
WSGIDaemonProcess two threads=2 shutdown-timeout=1
WSGIScriptAlias /two {layout.apps}/process.wsgi process-group=two {GLOBAL}
WSGIScriptAlias / {layout.apps}/process.wsgi process-group=one {GLOBAL}
"""
        )
    ).start()
    scratch = server.layout.scratch
    for target in ("/", "/two"):
        Call(server, f"{target}?entered={scratch}/in&gate={scratch}/never")
    entered(scratch / "in", 2)
    server.allow("WSGI|wsgi|AH000\\d\\d|AH01382")
    server.stop()
    assert marked_with(server.mark) == []
    assert list(server.layout.runtime.iterdir()) == []


@pytest.mark.ours("D701: 6.1.1 has no supervisor")
def test_killed_supervisor_is_replaced(new_server: Any) -> None:
    server = new_server(one_group("threads=2")).start()
    daemon = server.get("/").json()["pid"]
    supervisor = parent_of(daemon)
    assert supervisor is not None
    os.kill(supervisor, signal.SIGKILL)
    server.allow("wsgi|AH00052|core:notice")
    wait_until(
        lambda: server.get("/").status == 200 and parent_of(server.get("/").json()["pid"]) != 1,
        "a new supervisor's daemon serves",
    )
