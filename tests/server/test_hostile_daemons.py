# SPDX-License-Identifier: Apache-2.0
"""Bad input from a daemon: its application has taken over the process (apps/hostile.wsgi).

Each row says who misbehaves how, what is logged, once, and what it costs: at most its own request, or its own
process. Another group of the same server, and the next request of the same group, are answered throughout.
docs/coverage.md has the whole table. What an Apache child could do to a daemon is in tests/engine/test_wire.py.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import re
import signal
import socket
import subprocess
import sys

from pathlib import Path
from typing import Any

import pytest

from harness import Cut, Layout, Reply, Server, processes, wait_until

OURS = pytest.mark.ours("D767: 6.1.1 has neither this protocol nor a supervisor of its own")
pytestmark = [OURS, pytest.mark.modes("daemon")]


def configure(layout: Layout) -> str:
    """A hostile group and an honest one."""
    return f"""
KeepAlive Off
WSGIDaemonProcess evil processes=1 threads=1 shutdown-timeout=2
WSGIDaemonProcess good processes=1 threads=1
WSGIScriptAlias /evil {layout.apps}/hostile.wsgi process-group=evil application-group=%{{GLOBAL}}
WSGIScriptAlias /good {layout.apps}/hostile.wsgi process-group=good application-group=%{{GLOBAL}}
"""


def pid_of(reply: Reply) -> int:
    """The process that answered."""
    assert reply.status == 200, reply
    return int(reply.body.split()[0])


def honest(site: Server, group: str = "evil") -> int:
    """A request that asks for nothing bad."""
    return pid_of(site.get(f"/{group}/other/ok"))


def supervisor_of(pid: int) -> int:
    """Who started the process."""
    parent = processes.parent_of(pid)
    assert parent is not None
    return parent


def answer_to(site: Server, target: str) -> Reply | None:
    """The reply, or None when it breaks off."""
    try:
        return site.get(target)
    except Cut:
        return None


# What a daemon sends on the connection of the request: status and code of the one line, and its words. Status 0: the
# head was out already, the response is cut.
TYPE = "a frame type that this end may not send"
LENGTH = "a frame length outside its limits"
FIELD = "a frame field that its type does not have"
LINES = {
    "garbage": (502, 1001, TYPE),
    "html": (502, 1001, TYPE),
    "zeros": (502, 1001, TYPE),
    "large-data": (0, 1001, LENGTH),
    "large-log": (502, 1001, LENGTH),
    "large-head": (502, 1001, LENGTH),
    "large-end": (502, 1001, LENGTH),
    "largest": (502, 1001, LENGTH),
    "next": (502, 1001, "a frame of another request"),
    "zero": (502, 1001, FIELD),
    "far": (502, 1001, "a frame of another request"),
    "front": (502, 1001, TYPE),
    "welcome": (502, 1001, "a frame of another request"),
    "flag": (502, 1001, "a flag that the frame type does not have"),
    "field": (502, 1001, FIELD),
    "credit": (502, 1001, FIELD),
    "data-first": (502, 1001, "DATA before HEAD"),
    "two-heads": (0, 1001, "a second HEAD"),
    "no-head": (502, 1001, "END without HEAD"),
    "end": (502, 1001, "a malformed END"),
    "end-status": (502, 1001, "a malformed END"),
    "cut-for-nothing": (0, 1001, "a truncated END that gives no reason"),
    "late-reject": (0, 1001, "REJECT after HEAD"),
    "no-file": (0, 1001, "a FILE without a descriptor"),
    "file-first": (502, 1001, "a FILE before HEAD"),
    "file-range": (0, 1001, "a FILE with a bad range"),
    "file-pipe": (0, 1001, "a FILE that is no regular file"),
    "file-directory": (0, 1001, "a FILE that is no regular file"),
    "file-device": (0, 1001, "a FILE that is no regular file"),
    "files": (0, 1001, "more descriptors than frames that carry one"),
    "head-block": (500, 1002, "the head block is malformed"),
    "head-short": (500, 1002, "the head block is malformed"),
    "head-split": (500, 1002, "a header value holds a control character"),
    "head-name": (500, 1002, "a header name holds a character that is not allowed there"),
    "head-status": (500, 1002, "the status must be from 200 to 999"),
    "head-many": (500, 1002, "the head block is malformed"),
    "hang-up": (502, 146, "before it answered"),
}


@pytest.mark.parametrize("name", LINES)
def test_frames(site: Server, name: str) -> None:
    """Garbage, oversized frames, wrong numbers, wrong order: that request fails, once, and nothing else."""
    status, code, words = LINES[name]
    good, evil = honest(site, "good"), honest(site)
    reply = answer_to(site, f"/evil/line/{name}")
    if status:
        assert reply is not None
        assert reply.status == status
    else:
        # Nothing of it was passed on yet, or it breaks off: it never looks complete.
        assert reply is None or reply.status == 502
    site.expect_code(code, words)
    assert (honest(site), honest(site, "good")) == (evil, good)


@pytest.mark.parametrize("name", ["credits", "odd-log"])
def test_what_harms_nobody(site: Server, name: str) -> None:
    """More credit than a number holds is none too much; a text for the log may hold anything."""
    evil = honest(site)
    assert pid_of(site.get(f"/evil/line/{name}")) == evil
    if name == "odd-log":
        site.expect(r"\] a\\\\x00b\\x1b\[31m\\r\\nWSGI1234: c$")
    assert honest(site) == evil


# ---- the supervisor, which is root --------------------------------------------------------------

CONTROLS = {
    "type": "a message of a type that is not a daemon's to send",
    "nothing": "a message of a type that is not a daemon's to send",
    "stop": "a message of a type that is not a daemon's to send",
    "drain": "a message of a type that is not a daemon's to send",
    "short": "a message of a wrong size",
    "long": "a message of a wrong size",
    "text": "a message of a wrong size",
    "epoch": "a message in the name of another process",
    "why": "a message with an unknown reason",
    "flood": "more messages than any daemon has to send",
}


def served_by_another(site: Server, former: int) -> None:
    """The group has another process; the former one is gone."""
    wait_until(lambda: honest(site) != former, "another process serves the group", 60)
    wait_until(lambda: not processes.is_alive(former), "the process that was refused has ended", 60)


@pytest.mark.parametrize("name", CONTROLS)
def test_messages_to_the_supervisor(new_server: Any, name: str) -> None:
    """One line, that process is replaced and its request answered; the other group's keeps its process."""
    site = new_server(configure).start()
    good, evil = honest(site, "good"), honest(site)
    reply = site.get(f"/evil/control/{name}")
    assert pid_of(reply) == evil, "it may finish what it works on"
    assert reply.body.split(b" ", 1)[1] in (b"sent", b"cut off")
    (line,) = site.expect("sent its supervisor")
    assert f"process {evil} sent its supervisor {CONTROLS[name]}; it is not listened to any more" in line.text
    served_by_another(site, evil)
    assert honest(site, "good") == good


@pytest.mark.parametrize("name", ["ready", "descriptors"])
def test_messages_that_say_nothing_new(site: Server, name: str) -> None:
    """READY twenty times is READY; descriptors that come along are never taken in."""
    evil = honest(site)
    supervisor = supervisor_of(evil)
    assert supervisor == supervisor_of(honest(site, "good"))
    before = len(processes.descriptors(supervisor))
    assert site.get(f"/evil/control/{name}").body == f"{evil} sent".encode()
    assert honest(site) == evil
    assert len(processes.descriptors(supervisor)) == before


def test_a_process_that_hears_nothing_is_ended(new_server: Any) -> None:
    """It has closed its line to the supervisor and stands still: it is killed after shutdown-timeout, and replaced."""
    site = new_server(configure).start()
    evil = honest(site)
    reply = answer_to(site, "/evil/other/deaf")
    assert reply is not None
    assert reply.status == 502
    site.expect_code(146, "before it answered")
    site.expect(rf"process {evil} did not end within shutdown-timeout \(2 s\) after it closed its connection")
    site.expect(rf"process {evil} was killed, it did not end within shutdown-timeout, ")
    served_by_another(site, evil)


def test_a_process_that_may_take_its_time(new_server: Any) -> None:
    """shutdown-timeout=0 lets applications end when they like; not a process that broke the rules."""

    def patient(layout: Layout) -> str:
        return configure(layout).replace("shutdown-timeout=2", "shutdown-timeout=0")

    site = new_server(patient).start()
    evil = honest(site)
    reply = answer_to(site, "/evil/other/rogue")
    assert reply is not None
    assert reply.status == 502
    site.expect_code(146, "before it answered")
    site.expect(rf"process {evil} sent its supervisor .* to send; it is not listened to any more, and replaced")
    site.expect(rf"process {evil} did not end within shutdown-timeout \(5 s\)")
    served_by_another(site, evil)


def test_a_listener_that_is_shut_down(new_server: Any) -> None:
    """It is shared by all who serve in that slot: the process is replaced, by one in another slot."""
    site = new_server(configure).start()
    good, evil = honest(site, "good"), honest(site)
    assert pid_of(site.get("/evil/other/listener")) == evil
    site.expect(rf"process {evil} shut down the socket .*\.sock; it is not listened to any more, and replaced")
    served_by_another(site, evil)
    assert honest(site, "good") == good


# ---- the log pipe -------------------------------------------------------------------------------


def memory(pid: int) -> int:
    """Resident KiB."""
    found = re.search(r"VmRSS:\s+(\d+)", Path(f"/proc/{pid}/status").read_text())
    assert found is not None
    return int(found.group(1))


@pytest.mark.parametrize("name", ["endless", "nul", "letters", "more", "place"])
def test_prints(site: Server, name: str) -> None:
    """Whatever it writes into its log pipe becomes lines of the error log that httpd escapes, each bounded."""
    evil = honest(site)
    supervisor = supervisor_of(evil)
    before = memory(supervisor)
    assert pid_of(site.get(f"/evil/print/{name}")) == evil
    last = {
        "endless": r"\] e{8}",
        "nul": r"before\\\\x00after",
        "letters": "letter 255",
        "more": r"\] \\x01\+$",
        "place": "no place",
    }[name]
    site.allow(r"\] (e+|y+|tail|.*letter \d+|.*placed|.*no place|.*nothing is open|\\x01\+?(tail)?|.*\\\\x00.*)$")
    wait_until(lambda: any(re.search(last, line.text) for line in site.log().lines()), f"{last} is logged", 30)
    lines = [line.text for line in site.log().lines()]
    assert max(len(text) for text in lines) < 8192 + 512
    assert memory(supervisor) - before < 4096, "nothing is kept"
    assert honest(site) == evil


def test_a_flood_of_lines_keeps_nobody_waiting(new_server: Any) -> None:
    """While one process pours lines into its log, another group's killed process is seen and replaced."""
    site = new_server(configure).start()
    good, evil = honest(site, "good"), honest(site)
    supervisor = supervisor_of(evil)
    site.allow("poured x+")
    assert pid_of(site.get("/evil/print/pour")) == evil
    wait_until(lambda: any("poured" in line.text for line in site.log().lines()), "the flood is there", 30)
    before = memory(supervisor)
    os.kill(good, signal.SIGKILL)
    wait_until(lambda: honest(site, "good") != good, "the other group is replaced", 60)
    assert memory(supervisor) - before < 4096, "nothing is kept"
    os.kill(evil, signal.SIGKILL)
    site.allow(r"was killed by signal 9")
    served_by_another(site, evil)


# ---- the board ----------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["counts", "magic", "epoch", "tables"])
def test_lies_on_the_board(new_server: Any, name: str) -> None:
    """What it counts and marks is only a hint: requests are answered, and no server process minds."""
    site = new_server(configure).start()
    evil = honest(site)
    family = set(site.family())
    assert site.get(f"/evil/board/{name}").body == f"{evil} written".encode()
    for _ in range(5):
        assert honest(site) == evil
    assert set(site.family()) >= family
    os.kill(evil, signal.SIGKILL)
    site.expect(rf"process {evil} was killed by signal 9")
    served_by_another(site, evil)


def test_doubt_about_the_board_is_no_second_try(site: Server) -> None:
    """A request whose process wiped its board and died is not sent to another one: it may have started."""
    evil = honest(site)
    assert site.get("/evil/other/broken-board").status == 502
    site.expect(rf"process {evil} ended with exit status 1")
    site.expect_code(146, "before it answered")
    served_by_another(site, evil)


@pytest.mark.needs_root
def test_the_board_keeps_its_size(site: Server) -> None:
    """Nobody can cut off what Apache has mapped, nor take the seals away; the launch block is open nowhere."""
    evil = honest(site)
    maps = processes.maps(evil)
    (place,) = re.findall(r"^([0-9a-f]+-[0-9a-f]+) .*wsgi-board", maps, re.M)
    board = os.open(f"/proc/{evil}/map_files/{place}", os.O_RDWR)
    try:
        size = os.fstat(board).st_size
        assert fcntl.fcntl(board, fcntl.F_GET_SEALS) & (
            fcntl.F_SEAL_SHRINK | fcntl.F_SEAL_GROW | fcntl.F_SEAL_SEAL
        ) == (fcntl.F_SEAL_SHRINK | fcntl.F_SEAL_GROW | fcntl.F_SEAL_SEAL)
        for other in (0, size - 1, size + 1):
            with pytest.raises(PermissionError):
                os.ftruncate(board, other)
    finally:
        os.close(board)
    assert {name for name in processes.descriptors(evil).values() if "memfd" in name} == {"/memfd:wsgi-board (deleted)"}
    assert "wsgi-launch" not in maps


# ---- strangers on the socket ----------------------------------------------------------------------


def socket_of(site: Server, pid: int) -> str:
    """The path of the listener that the process serves."""
    inode = processes.descriptors(pid)[4]
    number = re.findall(r"\d+", inode)[0]
    for row in Path("/proc/net/unix").read_text().splitlines():
        fields = row.split()
        if len(fields) > 7 and fields[6] == number:
            return fields[7]
    raise AssertionError(f"no path for {inode}")


def knock(user: int, path: str, data: bytes) -> str:
    """Connects as another user, says something; what came of it."""
    program = (
        "import os, socket, sys\n"
        "os.setgroups([]); os.setgid(int(sys.argv[1])); os.setuid(int(sys.argv[1]))\n"
        "line = socket.socket(socket.AF_UNIX); line.settimeout(30)\n"
        "try:\n    line.connect(sys.argv[2]); line.sendall(bytes.fromhex(sys.argv[3])); print(repr(line.recv(100)))\n"
        "except OSError as problem:\n    print(problem.strerror)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", program, str(user), path, data.hex()],
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    return done.stdout.strip()


@pytest.mark.needs_root
def test_a_stranger_connects(site: Server) -> None:
    """Another user is kept out by the kernel; who gets in as root knows no secret, and is logged once."""
    evil = honest(site)
    path = socket_of(site, evil)
    assert knock(4711, path, b"hello") == "Permission denied"
    assert honest(site) == evil
    hello = struct_hello()
    assert knock(0, path, hello) in ("b''", "Connection reset by peer")
    (line,) = site.expect("WSGI1001: connection ")
    assert "was refused: the secret is wrong" in line.text
    assert honest(site) == evil


def struct_hello() -> bytes:
    """A greeting of the right form."""
    payload = b"WSGIwire" + (1).to_bytes(4, sys.byteorder) + (1).to_bytes(4, sys.byteorder) + bytes(16)
    return len(payload).to_bytes(4, sys.byteorder) + bytes([1]) + bytes(11) + payload


@pytest.mark.needs_root
def test_a_stranger_gets_in(site: Server) -> None:
    """With a socket that somebody opened to all, another user is still refused: by the daemon, in words, once."""
    evil = honest(site)
    path = socket_of(site, evil)
    mode = os.stat(path).st_mode & 0o777
    os.chmod(path, 0o777)
    try:
        assert knock(4711, path, struct_hello()) in ("b''", "Connection reset by peer", "Broken pipe")
    finally:
        os.chmod(path, mode)
    (line,) = site.expect("uid 4711")
    assert "WSGI1001" in line.text
    assert honest(site) == evil


def test_a_stolen_path(new_server: Any) -> None:
    """Somebody unlinked the socket and listens there: Apache talks to none but its own."""
    site = new_server(configure).start()
    good, evil = honest(site, "good"), honest(site)
    path = socket_of(site, evil)
    os.unlink(path)
    with socket.socket(socket.AF_UNIX) as thief:
        thief.bind(path)
        os.chmod(path, 0o777)
        thief.listen(5)
        thief.settimeout(0.2)
        answers = {site.get("/evil/other/ok").status for _ in range(4)}
        assert answers <= {200, 503}
        if 503 in answers:
            site.expect_code(117, "belongs to a foreign process")
        heard = []
        with contextlib.suppress(TimeoutError):
            while True:
                line, _ = thief.accept()
                heard.append(line.recv(100))
        assert not any(heard), "connections were opened, and closed without a byte"
    assert honest(site, "good") == good
    os.unlink(path)


@pytest.mark.needs_root
def test_a_path_that_is_taken(new_server: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Somebody bound the sockets' names before httpd started: they stay, and the groups are out of service in words."""
    site = new_server(configure)
    ordinary = Server.command
    monkeypatch.setattr(site, "command", lambda *more: [sys.executable, "-c", SQUAT, *ordinary(site, *more)])
    site.start()
    for group in ("evil", "good"):
        assert site.get(f"/{group}/other/ok").status == 503
        site.expect(rf"\] daemon group '{group}' .* is out of service: cannot bind the socket .*: File exists")
        site.expect(rf"WSGI1000: daemon group '{group}' .* is out of service: .*: File exists")
    left = sorted(path.name for path in site.layout.runtime.glob("*.sock"))
    assert len(left) == SQUATTED, "what is not ours is not removed"
    for name in left:
        (site.layout.runtime / name).unlink()


# Becomes httpd, whose pid it has already; a child of it listens as long as that lives.
SQUATTED = 24
SQUAT = """
import os, socket, sys, time
lines = []
at = sys.argv.index("-d")
for generation in range(4):
    for group in range(3):
        for slot in range(2):
            path = "%s/run/wsgi.%d.%d.%d.%d.sock" % (sys.argv[at + 1], os.getpid(), generation, group, slot)
            line = socket.socket(socket.AF_UNIX)
            line.bind(path)
            line.listen()
            lines.append(line)
            os.chown(path, 4711, 4711)
httpd = os.getpid()
if os.fork() == 0:
    while os.getppid() == httpd:
        time.sleep(0.1)
    os._exit(0)
os.execvp(sys.argv[1], sys.argv[1:])
"""
