# SPDX-License-Identifier: Apache-2.0
"""The socket of wsgi-reload, to which anybody may connect: who gets a place, who is turned away, and what it costs."""

from __future__ import annotations

import contextlib
import os
import re
import socket

from collections.abc import Iterator
from pathlib import Path
from subprocess import CompletedProcess, run
from typing import Any

import pytest

from harness import Layout, Server, processes, wait_until

pytestmark = [
    pytest.mark.ours("D725: 6.1.1 has no such command"),
    pytest.mark.modes("daemon"),
    pytest.mark.needs_root,
]

STRANGER = 4711
USERS = (1, 5, 6, 8)  # daemon, games, man and mail, which any Debian has
PLACES, PLACES_OF_ONE = 16, 4
WHOLE = r"wsgi-reload was refused to user id"

APP = """
import os


def application(environ, start_response):
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [b"%d" % os.getpid()]
"""


def configure(layout: Layout) -> str:
    """A group for each of four users."""
    layout.write_app("app.wsgi", APP)
    groups = "".join(f"WSGIDaemonProcess g{user} user=#{user} group=#{user} home=/ threads=1\n" for user in USERS)
    aliases = "".join(
        f"WSGIScriptAlias /g{user} {layout.apps}/app.wsgi process-group=g{user} application-group=%{{GLOBAL}}\n"
        for user in USERS
    )
    return groups + aliases


@pytest.fixture
def server(new_server: Any) -> Server:
    """A server whose groups serve."""
    started: Server = new_server(configure).start()
    for user in USERS:
        assert started.get(f"/g{user}").status == 200
    return started


def path_of(server: Server) -> str:
    """Where the command's socket is."""
    (path,) = server.layout.runtime.glob("wsgi.*.ctl.sock")
    assert os.stat(path).st_mode & 0o777 == 0o666
    return str(path)


@contextlib.contextmanager
def as_user(uid: int) -> Iterator[None]:
    """What this process does meanwhile is done by that user."""
    os.seteuid(uid)
    try:
        yield
    finally:
        os.seteuid(0)


def knock(server: Server, uid: int, data: bytes = b"") -> socket.socket:
    """A connection of that user, who says something or nothing."""
    path = path_of(server)
    line = socket.socket(socket.AF_UNIX)
    line.settimeout(60)
    with as_user(uid):
        line.connect(path)
    with contextlib.suppress(BrokenPipeError):
        if data:
            line.sendall(data)
    return line


def answer(line: socket.socket) -> str:
    """All that comes until the other end hangs up."""
    whole = b""
    with contextlib.suppress(ConnectionResetError):
        while piece := line.recv(65536):
            whole += piece
    line.close()
    return whole.decode()


def supervisor(server: Server) -> int:
    """The process that listens."""
    found = processes.parent_of(int(server.get(f"/g{USERS[0]}").body))
    assert found is not None
    return found


def reload_command(server: Server, group: str, uid: int = 0) -> CompletedProcess[str]:
    """The program, as that user."""
    program = Path(server.layout.module.path).resolve().with_name("wsgi-reload")
    return run(
        [str(program), "--socket-prefix", f"{server.layout.runtime}/wsgi", "--timeout", "60", group],
        capture_output=True,
        text=True,
        timeout=90,
        check=False,
        user=uid,
        extra_groups=[],
    )


def wait_for_places(server: Server, pid: int, before: int, count: int) -> None:
    """The supervisor has so many connections more than before."""
    wait_until(lambda: len(processes.descriptors(pid)) == before + count, f"{count} places are taken", 30)


def test_who_is_who(server: Server) -> None:
    """Root may reload each group, a group's user that one alone, and anybody else none, with the same words."""
    own, other = f"g{USERS[0]}", f"g{USERS[1]}"
    assert reload_command(server, own).returncode == 0
    assert reload_command(server, own, USERS[0]).returncode == 0
    refused = reload_command(server, other, USERS[0])
    unknown = reload_command(server, "nobody-knows", USERS[0])
    assert (refused.returncode, unknown.returncode) == (2, 2)
    assert refused.stderr == unknown.stderr, "nobody learns which groups there are"
    stranger = reload_command(server, own, STRANGER)
    assert (stranger.returncode, stranger.stdout) == (2, "")
    assert stranger.stderr.startswith("refused: no process group is this user's")
    server.expect(WHOLE)


def test_a_stranger_gets_no_place(server: Server) -> None:
    """Turned away before a byte is read, however often he comes and whatever he keeps open; told of once a minute."""
    pid = supervisor(server)
    before = len(processes.descriptors(pid))
    lines = [knock(server, STRANGER, b"reload g1\n" if number % 2 else b"") for number in range(200)]
    for line in lines[:-20]:
        assert answer(line).startswith("refused: no process group is this user's (user id 4711)")
    wait_for_places(server, pid, before, 0)
    assert reload_command(server, f"g{USERS[0]}", USERS[0]).returncode == 0
    for line in lines[-20:]:
        line.close()
    (told,) = server.expect(WHOLE)
    assert f"user id {STRANGER}: no process group is this user's (0 more since" in told.text


def test_nobody_keeps_root_out(server: Server) -> None:
    """The users of the groups have all places, no one more than his share; root gets in all the same."""
    pid = supervisor(server)
    before = len(processes.descriptors(pid))
    held = []
    for user in USERS:
        mine = [knock(server, user) for _ in range(PLACES_OF_ONE)]
        assert answer(knock(server, user)) == f"refused: too many ask at once, try again later (user id {user})\n"
        held += mine
    wait_for_places(server, pid, before, PLACES)
    done = reload_command(server, f"g{USERS[2]}")
    assert (done.returncode, done.stderr) == (0, ""), done
    assert "root needs the place" in answer(held[0])
    assert reload_command(server, f"g{USERS[0]}", USERS[0]).returncode == 0, "one place is free again"
    for line in held[1:]:
        line.close()
    wait_for_places(server, pid, before, 0)
    server.expect(WHOLE)


def test_the_silent_and_the_slow(server: Server) -> None:
    """Half a line and no more: nobody waits for it, others reload meanwhile, and its place is free after 5 s."""
    pid = supervisor(server)
    before = len(processes.descriptors(pid))
    slow = [knock(server, 0, b"reload g"), knock(server, USERS[0]), knock(server, USERS[1], b"r")]
    assert reload_command(server, f"g{USERS[1]}", USERS[1]).returncode == 0
    assert server.get(f"/g{USERS[3]}").status == 200
    assert [answer(line) for line in slow] == ["", "", ""]
    wait_for_places(server, pid, before, 0)
    # A line that comes in pieces is a line all the same.
    line = knock(server, 0, b"reload ")
    line.sendall(f"g{USERS[0]}\n".encode())
    assert answer(line).startswith(f"ok: the new code of group 'g{USERS[0]}' serves")


JUNK = {
    b"x" * 100_000: "refused: the line is too long",
    b"stop g1\n": 'refused: only "reload GROUP" is understood',
    b"RELOAD g1\n": 'refused: only "reload GROUP" is understood',
    b"\n": 'refused: only "reload GROUP" is understood',
    b"reload \n": "refused: there is no process group of that name",
    b"reload g1\r\n": "refused: there is no process group of that name",
    b"reload g1\0\n": "refused: a line of text was expected",
    b"\0" * 400 + b"\n": "refused: a line of text was expected",
    b"\xff\xfe%n%s\n": 'refused: only "reload GROUP" is understood',
}


def test_junk(server: Server) -> None:
    """Each is refused in words, the log has one line of it and the count of the rest, and nothing is reloaded."""
    pids = {server.get(f"/g{user}").body for user in USERS}
    for junk, words in JUNK.items():
        assert answer(knock(server, USERS[0], junk)).startswith(words), junk
    assert {server.get(f"/g{user}").body for user in USERS} == pids
    assert reload_command(server, f"g{USERS[0]}").returncode == 0
    server.expect(WHOLE)


def test_a_traceback_is_text(server: Server) -> None:
    """What the application raises is the application's: root's terminal does not obey it."""
    server.layout.write_app("app.wsgi", 'raise ValueError("\\x1b]0;owned\\x07 \\x9b31m")\n')
    done = reload_command(server, f"g{USERS[0]}")
    assert done.returncode == 1
    assert "ValueError" in done.stderr
    assert "owned" in done.stderr
    assert re.search(r"[^\n\t\x20-\x7e]", done.stderr) is None, done.stderr
    server.allow("Traceback|File|raise|ValueError|WSGI0110|the new code is not used")
