# SPDX-License-Identifier: Apache-2.0
"""Processes that an application forks, and that come back from where they were made.

Such a process shares the connection, the listener and the supervisor's socket with its parent. It ends where the
code of the application ends, whichever code that is.
"""

from __future__ import annotations

import pytest

from conftest import Host
from wirefront import Daemon, request_block

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
    daemon.control.settimeout(0.3)
    try:
        name, _, note = daemon.heard()
    except TimeoutError:
        return True
    finally:
        daemon.control.settimeout(30)
    return note is not None and name == "LOADED"


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
