# SPDX-License-Identifier: Apache-2.0
"""threads=0: processes that run the import scripts of their group and take no request."""

from __future__ import annotations

import os
import re
import signal

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from harness import Layout, Server, wait_until
from harness.processes import command_line, descendants_of, is_alive

SERVICE = """
import atexit
import os
import signal
import sys
import threading
import time

SCRATCH = os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), "scratch")
NAME = os.path.basename(__file__)[:-3]


def note(word):
    with open(os.path.join(SCRATCH, "journal"), "a") as out:
        out.write("%s %d %s\\n" % (NAME, os.getpid(), word))


def told():
    return os.path.exists(os.path.join(SCRATCH, "return-" + NAME))


note("begin")
atexit.register(note, "atexit")
note("main thread" if threading.current_thread() is threading.main_thread() else "another thread")
note(signal.signal.__module__)
try:
    if os.path.exists(os.path.join(SCRATCH, "own")):
        signal.signal(signal.SIGTERM, lambda number, frame: (note("own handler"), sys.exit(0)))
        note("installed")
    if os.path.exists(os.path.join(SCRATCH, "fail-" + NAME)):
        raise ValueError("the service is broken")
    while not told():
        time.sleep(0.02)
except SystemExit as end:
    note("SystemExit")
    raise
note("end")
"""


def configure(layout: Layout) -> str:
    """A service of two scripts, and a group that answers."""
    first = layout.write_app("first.py", SERVICE)
    second = layout.write_app("second.py", SERVICE)
    return f"""
WSGIDaemonProcess service threads=0 display-name=%{{GROUP}}
WSGIImportScript {first} process-group=service application-group=%{{GLOBAL}}
WSGIImportScript {second} process-group=service application-group=%{{GLOBAL}}
WSGIDaemonProcess plain threads=2
WSGIScriptAlias /plain {layout.apps}/started.wsgi process-group=plain application-group=%{{GLOBAL}}
"""


def journal(server: Server) -> list[list[str]]:
    """Script, pid, word."""
    path: Path = server.layout.scratch / "journal"
    return [line.split(maxsplit=2) for line in path.read_text().splitlines()] if path.exists() else []


def words(server: Server, pid: int, name: str = "first") -> list[str]:
    """What the script noted in one process."""
    return [word for script, number, word in journal(server) if script == name and int(number) == pid]


def begun(server: Server, name: str = "first") -> list[int]:
    """Processes in which the script was begun, in order."""
    return [int(pid) for script, pid, word in journal(server) if script == name and word == "begin"]


def started(server: Server, count: int = 1) -> int:
    """The pid of the last service, when so many have begun."""
    wait_until(lambda: len(begun(server)) >= count, f"{count} services have begun", 40)
    pid = begun(server)[-1]
    wait_until(lambda: len(words(server, pid)) >= 3 or count > 1, "it has said what it is")
    return pid


@pytest.fixture
def server(new_server: Callable[..., Server]) -> Server:
    """With the service, not started."""
    made = new_server(configure)
    made.write_configuration()
    return made


def test_it_runs_in_the_main_thread_of_a_process_of_its_own(server: Server) -> None:
    """Title, unrestricted signals; the group beside it answers."""
    pid = started(server.start())
    wait_until(lambda: len(words(server, pid)) >= 3, "it has said what it is")
    assert words(server, pid) == ["begin", "main thread", "signal"]
    assert pid in descendants_of(server.pid)
    assert command_line(pid).startswith("(wsgi:service)")
    assert server.get("/plain").json()["pid"] != pid
    assert begun(server, "second") == [], "one after the other"


def test_scripts_that_return_are_started_again(server: Server) -> None:
    """One after the other; the process ends with its atexit functions, and there is another one."""
    (server.layout.scratch / "return-first").touch()
    (server.layout.scratch / "return-second").touch()
    server.start()
    started(server, 3)
    one, two, *_ = begun(server)
    assert one != two
    assert words(server, one) == ["begin", "main thread", "signal", "end", "atexit"]
    assert words(server, one, "second") == ["begin", "main thread", "signal", "end", "atexit"]
    assert not is_alive(one)


def ends_by(server: Server, number: signal.Signals) -> None:
    """The signal raises SystemExit: no further script is begun, and another process starts."""
    pid = started(server.start())
    os.kill(pid, number)
    started(server, 2)
    assert words(server, pid)[-2:] == ["SystemExit", "atexit"]
    assert begun(server, "second") == []


@pytest.mark.ours("D752: 6.1.1 goes on with the next script")
def test_sigterm_raises_system_exit(server: Server) -> None:
    """Nothing of it is logged."""
    ends_by(server, signal.SIGTERM)


@pytest.mark.ours("D752: 6.1.1 does nothing")
@pytest.mark.parametrize("number", [signal.SIGUSR1, signal.SIGINT], ids=lambda number: number.name)
def test_other_signals_raise_it_too(server: Server, number: signal.Signals) -> None:
    """As SIGTERM does."""
    ends_by(server, number)


def test_a_handler_of_its_own(server: Server) -> None:
    """signal.signal is not restricted: the end of the server calls it."""
    (server.layout.scratch / "own").touch()
    (server.layout.scratch / "return-second").touch()  # with which 6.1.1 goes on
    pid = started(server.start())
    wait_until(lambda: "installed" in words(server, pid), "it has installed it")
    server.stop()
    assert words(server, pid)[-3:] == ["own handler", "SystemExit", "atexit"]


def test_a_restart_stops_it_before_another_one_starts(server: Server) -> None:
    """Replace-then-retire is not for services: at no time are there two."""
    (server.layout.scratch / "return-second").touch()  # with which 6.1.1 goes on
    pid = started(server.start())
    for count in range(2, 5):
        server.graceful()
        following = started(server, count)
        lines = journal(server)
        ended = lines.index(["first", str(pid), "atexit"])
        assert ended < lines.index(["first", str(following), "begin"])
        pid = following
    assert begun(server, "second") == [] or server.layout.module.peer


@pytest.mark.ours("nothing that a user sees: 6.1.1 has no supervisor")
@pytest.mark.modes("daemon")
def test_the_supervisor_dies(server: Server) -> None:
    """The service ends, and starts again when that is so."""
    pid = started(server.start())
    supervisor = int(re.findall(r"PPid:\s+(\d+)", Path(f"/proc/{pid}/status").read_text())[0])
    assert supervisor != server.pid
    os.kill(supervisor, signal.SIGKILL)
    following = started(server, 2)
    lines = journal(server)
    assert lines.index(["first", str(pid), "atexit"]) < lines.index(["first", str(following), "begin"])
    server.allow("supervisor")


@pytest.mark.ours("D751: 6.1.1 starts it again every second")
def test_a_broken_service_backs_off(server: Server) -> None:
    """Its traceback is logged each time; the pauses grow."""
    server.level = "warn wsgi:info"
    (server.layout.scratch / "fail-first").touch()
    (server.layout.scratch / "return-second").touch()
    server.start()
    started(server, 3)
    wait_until(lambda: "another one starts in 2 s" in server.log().tail(60), "the third pause is longer", 40)
    text = "\n".join(line.text for line in server.log().lines())
    assert text.index("another one starts in 0 s") < text.index("another one starts in 1 s")
    assert "ValueError: the service is broken" in text
    server.allow(".")


def routed(layout: Layout) -> str:
    """An alias that leads to the service."""
    return configure(layout) + f"WSGIScriptAlias /lost {layout.apps}/started.wsgi process-group=service\n"


@pytest.mark.ours("D750: in 6.1.1 such a request waits until Timeout")
def test_a_request_for_it_gets_an_answer_at_once(new_server: Any) -> None:
    """503 with clear words; `httpd -t` warns of it, with both places."""
    server = new_server(routed)
    proof = server.prove()
    assert proof.status == 0
    (line,) = [line for line in proof.output.splitlines() if "takes no requests" in line]
    assert "WSGIScriptAlias /lost" in line
    assert '"service"' in line
    assert line.count("httpd.conf:") == 2
    server.start()
    reply = server.get("/lost")
    assert reply.status == 503
    assert b"WSGI1050" in reply.body
    line = server.expect_code(1050)
    assert "threads=0" in line.text


@pytest.mark.ours("D753: 6.1.1 starts a process that ends at once, for ever")
def test_a_service_without_a_script(new_server: Any) -> None:
    """It says what is missing."""
    server = new_server(lambda layout: "WSGIDaemonProcess service threads=0\n").start()
    server.expect("no WSGIImportScript names process group 'service'")
    server.allow("no WSGIImportScript names|more about process group|daemon group 'service'")
