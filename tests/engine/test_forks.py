# SPDX-License-Identifier: Apache-2.0
"""Processes that an application forks, and that come back from where they were made.

Such a process shares the connection, the listener and the supervisor's socket with its parent. It ends where the
code of the application ends, whichever code that is.
"""

from __future__ import annotations

import os
import signal

from pathlib import Path

import pytest

from conftest import Host
from test_process import wait_for
from wirefront import MULTITHREAD, Daemon, Gone, request_block

SERVER_METRICS = 0x40

TOP = """
import os

import mod_wsgi

HERE = os.path.dirname(os.path.abspath(__file__))


def note(name):
    with open(os.path.join(HERE, name), "a") as stream:
        stream.write("x")


def fork():
    child = os.fork()
    if child:
        os.waitpid(child, 0)
        note("forked")
    return child


def application(environ, start_response):
    note("called")
    start_response("200 OK", [])
    return answer(environ)


def answer(environ):
    return [b"fine"]


class Result:
    def __iter__(self):
        return iter([b"fine"])
"""

PLACES = {
    "script": "fork()",
    "script-exit": "if fork() == 0:\n    raise SystemExit(3)",
    "script-fails": "if fork() == 0:\n    1 / 0",
    "reload_required": "def reload_required(resource):\n    fork()\n    return False",
    "close": "def answer(environ):\n    return Result()\nResult.close = lambda self: fork()",
    "close-exit": (
        "def answer(environ):\n    return Result()\n"
        "def close(self):\n    if fork() == 0:\n        raise SystemExit\nResult.close = close"
    ),
    "result-goes": "def answer(environ):\n    return Result()\nResult.__del__ = lambda self: fork()",
    "environ-goes": (
        "def answer(environ):\n    environ['x'] = Result()\n    return [b'fine']\nResult.__del__ = lambda self: fork()"
    ),
    "file": (
        "class File:\n"
        "    def __init__(self):\n        self.file = open(__file__, 'rb')\n        self.file.seek(0, 2)\n"
        "        self.file.seek(self.file.tell() - 4)\n"
        "    def fileno(self):\n        fork()\n        return self.file.fileno()\n"
        "    def __getattr__(self, name):\n        return getattr(self.file, name)\n"
        "def answer(environ):\n    return environ['wsgi.file_wrapper'](File())\n#fine"
    ),
    "callback": (
        "def callback(name, **payload):\n    if name == 'request_finished' and fork() == 0:\n        raise SystemExit\n"
        "mod_wsgi.subscribe_events(callback)"
    ),
}


def nothing_said(daemon: Daemon) -> bool:
    """But that a script was loaded."""
    daemon.control.settimeout(0.3)
    try:
        while True:
            name, _, _ = daemon.heard()
            assert name == "LOADED"
    except TimeoutError:
        return True
    finally:
        daemon.control.settimeout(30)


@pytest.mark.parametrize("place", PLACES)
def test_who_comes_back_ends(host: Host, place: str) -> None:
    """One answer, one call, and no second process that serves."""
    script = host.script(TOP + PLACES[place])
    daemon = host.start()
    for _ in range(2):
        called = script.parent / "called"
        called.unlink(missing_ok=True)
        with daemon.front() as front:
            answer = front.run(request_block(script))
            assert answer.body == b"fine", daemon.log
            assert answer.end.status == 0, answer.end
            assert not front.readable(0.2), front.receive()
        assert called.read_text() == "x"
        assert nothing_said(daemon)
    assert (script.parent / "forked").exists()
    assert daemon.stop() == 0, daemon.log
    assert ("ZeroDivisionError" in daemon.log) == (place == "script-fails")
    assert "SystemExit" not in daemon.log


@pytest.mark.parametrize("place", ["script", "script-exit", "script-fails"])
def test_a_script_that_is_loaded_first(host: Host, place: str) -> None:
    """Its child does not become a daemon of its own, and tells the supervisor nothing."""
    script = host.script(TOP + PLACES[place])
    daemon = host.start(extra=[("PRELOAD_GROUP", ""), ("PRELOAD_SCRIPT", str(script))])
    assert nothing_said(daemon)
    with daemon.front() as front:
        assert front.run(request_block(script)).body == b"fine"
    assert (script.parent / "forked").read_text() == "x"
    assert daemon.stop() == 0, daemon.log
    assert daemon.log.count("Process ends.") == 1


LIVES = """
import os
import socket
import time

import mod_wsgi

HERE = os.path.dirname(os.path.abspath(__file__))


def note(name, text=""):
    with open(os.path.join(HERE, name + "+"), "w") as stream:
        stream.write(text)
    os.rename(os.path.join(HERE, name + "+"), os.path.join(HERE, name))


def wait(name):
    while not os.path.exists(os.path.join(HERE, name)):
        time.sleep(0.02)


def live():
    pair = socket.socketpair(), socket.socketpair()
    print(mod_wsgi.server_metrics())
    if os.fork() == 0:
        os.write(pair[1][0].fileno(), b"grandchild")
        os._exit(0)
    note("child", "%d %r" % (os.getpid(), pair[1][1].recv(100)))
    wait("gate")
    os._exit(0)


def application(environ, start_response):
    if environ["QUERY_STRING"] == "fork" and os.fork() == 0:
        live()
    if environ["QUERY_STRING"] == "wait":
        note("waits")
        wait("gate")
    start_response("200 OK", [])
    return [b"fine"]
"""


@pytest.fixture
def gate(tmp_path: Path) -> Path:
    """What a child waits for; it does not outlive the test."""
    return tmp_path / "gate"


def test_a_child_that_lives_longer(host: Host, gate: Path) -> None:
    """Fronts see the end of a daemon though a process that it forked lives on; that one says nothing to anybody."""
    script = host.script(LIVES)
    daemon = host.start(threads=3, flags=MULTITHREAD | SERVER_METRICS)
    try:
        with daemon.front() as front, daemon.front() as other, daemon.front() as third:
            front.begin(request_block(script, environ={"QUERY_STRING": "wait"}))
            wait_for(script.parent / "waits")
            assert other.run(request_block(script, environ={"QUERY_STRING": "fork"})).body == b"fine"
            child = script.parent / "child"
            wait_for(child)
            words = child.read_text()
            assert "grandchild" in words
            assert nothing_said(daemon)
            assert third.run(request_block(script)).body == b"fine"
            os.kill(daemon.pid, signal.SIGKILL)
            with pytest.raises(Gone):
                front.collect()
            assert daemon.control.recv(100) == b""
            assert Path(f"/proc/{words.split()[0]}").exists()
    finally:
        gate.touch()
    assert daemon.wait() == -signal.SIGKILL
