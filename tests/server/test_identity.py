# SPDX-License-Identifier: Apache-2.0
"""Who the processes of a group are, as /proc says: ids, capabilities, descriptors, limits; every step fails closed."""

from __future__ import annotations

import ast
import errno
import grp
import os
import platform
import pwd
import re
import resource
import signal
import socket
import stat
import subprocess
import sys

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from harness import Layout, Server, places, wait_until
from harness.processes import children_of, command_line, descendants_of, descriptors, is_alive, maps, status_field

pytestmark = [pytest.mark.needs_root]

CAPABILITIES = ("CapInh", "CapPrm", "CapEff", "CapAmb")


def one(options: str, script: str = "whoami.wsgi") -> Callable[[Layout], str]:
    """One group, one application."""

    def configure(layout: Layout) -> str:
        return f"""
WSGIDaemonProcess app {options}
WSGIScriptAlias / {layout.apps}/{script} process-group=app application-group=%{{GLOBAL}}
"""

    return configure


def process_of(server: Server) -> int:
    """The daemon."""
    pid = server.get("/").json()["pid"]
    assert isinstance(pid, int)
    return pid


def daemons(server: Server) -> list[int]:
    """Processes with the group's title."""
    return [pid for pid in descendants_of(server.pid) if command_line(pid).startswith("(wsgi:")]


def ids(pid: int, field: str) -> set[int]:
    """Real, effective, saved and file system id."""
    return {int(number) for number in status_field(pid, field).split()}


# ---- C20: what is said and what is ------------------------------------------------------------


@pytest.mark.ours("D757: 6.1.1 says uid, gid and threads")
def test_the_line_at_the_start_is_true(new_server: Any) -> None:
    """C20: user, groups, umask, directory, Python and limits; /proc agrees."""
    options = (
        "user=games group=bin supplementary-groups=daemon,#3 umask=0027 threads=2 cpu-priority=4 home=/usr "
        "cpu-time-limit=600 memory-limit=3000000000 stack-size=1048576 no-new-privileges=On"
    )
    server = new_server(one(options), level="warn wsgi:info").start()
    server.allow(r"\[wsgi:info\]")
    pid = process_of(server)
    (line,) = server.expect("starts as uid")
    games, main = pwd.getpwnam("games"), grp.getgrnam("bin").gr_gid
    groups = {main, grp.getgrnam("daemon").gr_gid, 3}
    assert line.pid != pid
    assert line.level == "info"
    found = re.search(
        r"process (\d+) starts as uid (\d+) \((\w+)\), gid (\d+), groups ([\d,]+), umask (\d+), directory (\S+), "
        r"Python (\S+) \((\S+)\); nice (-?\d+), (.*)$",
        line.text,
    )
    assert found, line.text
    assert [int(found[1]), int(found[2]), found[3], int(found[4])] == [pid, games.pw_uid, "games", main]
    assert {int(number) for number in found[5].split(",")} == groups
    assert (found[6], found[7], found[10]) == ("0027", "/usr", "4")
    for words in ("CPU seconds 600", "bytes of data 3000000000", "a thread's stack 1048576", "no new privileges"):
        assert words in found[11]
    assert ids(pid, "Uid") == {games.pw_uid}
    assert ids(pid, "Gid") == {main}
    assert {int(number) for number in status_field(pid, "Groups").split()} == groups
    assert int(status_field(pid, "Umask"), 8) == 0o027
    assert os.readlink(f"/proc/{pid}/cwd") == "/usr"
    assert status_field(pid, "NoNewPrivs") == "1"
    assert os.getpriority(os.PRIO_PROCESS, pid) == 4
    limits = (Path("/proc") / str(pid) / "limits").read_text()
    assert re.search(r"Max data size +3000000000 +3000000000 ", limits)
    assert re.search(r"Max cpu time +600 +606 ", limits)
    assert os.path.realpath(f"/proc/{pid}/exe") == os.path.realpath(found[9])


@pytest.mark.parametrize("on", [False, True])
def test_no_capability_is_left(new_server: Any, on: bool) -> None:
    """S7: none, and no way to new ones if that is wanted; without the option a setuid program works as in 6.1.1."""
    server: Server = new_server(one("threads=2" + (" no-new-privileges=On" if on else "")))
    if on and server.layout.module.peer:
        pytest.skip("6.1.1 does not have the option")
    pid = process_of(server.start())
    for field in CAPABILITIES:
        assert int(status_field(pid, field), 16) == 0, field
    assert status_field(pid, "NoNewPrivs") == ("1" if on else "0")


@pytest.mark.ours("D758: 6.1.1 leaves an ambient capability to the daemon")
def test_capabilities_of_a_service_manager(new_server: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """S7: httpd was given inheritable ones that would pass an exec; a daemon has none of them."""
    plain = Server.command

    def command(self: Server, *more: str) -> list[str]:
        wrapped = ["setpriv", "--inh-caps=+net_raw,+sys_ptrace", "--ambient-caps=+net_raw,+sys_ptrace"]
        return [*wrapped, *plain(self, *more)]

    monkeypatch.setattr(Server, "command", command)
    server = new_server(one("threads=2")).start()
    assert int(status_field(server.pid, "CapAmb"), 16) != 0
    pid = process_of(server)
    for field in CAPABILITIES:
        assert int(status_field(pid, field), 16) == 0, field


# ---- descriptors and memory --------------------------------------------------------------------


# Starts a program for which a system call (436 is close_range on all architectures) does nothing, and returns an error:
# 38 is "not there", as on an old kernel, 0 is success.
WITHOUT_A_CALL = """
import ctypes, os, struct, sys
code = struct.pack("=" + "HBBI" * 4,
    0x20, 0, 0, 0,                      # the number of the call
    0x15, 0, 1, int(sys.argv[1]),       # this one?
    0x06, 0, 0, 0x00050000 | int(sys.argv[2]),
    0x06, 0, 0, 0x7FFF0000)             # any other is allowed
code = ctypes.create_string_buffer(code, len(code))
program = struct.pack("@HP", 4, ctypes.addressof(code))
if ctypes.CDLL(None, use_errno=True).prctl(22, 2, ctypes.create_string_buffer(program, len(program)), 0, 0) != 0:
    sys.exit(os.strerror(ctypes.get_errno()))
os.execvp(sys.argv[3], sys.argv[3:])
"""
CLOSE_RANGE = 436
SETRESUID = 117  # of x86-64


def without(monkeypatch: pytest.MonkeyPatch, call: int, error: int) -> None:
    """Servers that are started from here on do without that system call."""
    plain = Server.command
    wrapped = [sys.executable, "-c", WITHOUT_A_CALL, str(call), str(error)]
    monkeypatch.setattr(Server, "command", lambda self, *more: [*wrapped, *plain(self, *more)])


@pytest.mark.ours("D758: daemons of 6.1.1 are forks of Apache with what that has open")
@pytest.mark.parametrize("old_kernel", [False, True], ids=["kernel", "without-close_range"])
def test_only_what_was_given_is_open(new_server: Any, monkeypatch: pytest.MonkeyPatch, old_kernel: bool) -> None:
    """httpd itself inherited odd descriptors, some of high numbers; a daemon has none of them, nor Apache's."""
    if old_kernel:
        without(monkeypatch, CLOSE_RANGE, errno.ENOSYS)
    secret = os.memfd_create("wsgi-test-secret", 0)
    odd = [os.dup2(secret, number, inheritable=True) for number in (17, 93, 200)]
    real = subprocess.Popen

    class Inheriting(real):  # type: ignore[misc,valid-type]
        """As `Popen`, with more to inherit."""

        def __init__(self, *given: Any, **more: Any) -> None:
            super().__init__(*given, **{**more, "pass_fds": odd})

    server: Server = new_server(one("threads=2"))
    monkeypatch.setattr(subprocess, "Popen", Inheriting)
    try:
        server.start()
    finally:
        monkeypatch.undo()
        for number in {*odd, secret}:
            os.close(number)
    assert any("wsgi-test-secret" in name for name in descriptors(server.pid).values()), "httpd has them"
    pid = process_of(server)
    found = descriptors(pid)
    assert not [name for name in found.values() if "wsgi-test-secret" in name]
    kinds = {name.partition(":")[0] for name in found.values() if name != "/memfd:wsgi-board (deleted)"}
    assert kinds <= {"/dev/null", "pipe", "socket", "anon_inode"}, found
    assert len(found) < 24, found
    listening = Path("/proc/net/tcp").read_text()
    for name in found.values():
        inode = re.search(r"socket:\[(\d+)\]", name)
        assert not inode or f" {inode[1]} " not in listening, "no socket of Apache's"


@pytest.mark.ours("D758: daemons of 6.1.1 are forks of Apache")
def test_memory_holds_nothing_of_apache(new_server: Any) -> None:
    """R19: neither modules nor libraries of Apache's; so no second OpenSSL."""
    server: Server = new_server(one("threads=2"), modules=("ssl", "socache_shmcb")).start()
    server.allow(r"\[ssl:warn\]")
    found = maps(process_of(server))
    for word in ("mod_ssl", "mod_wsgi.so", "libapr", "libaprutil", "apache2/modules", "httpd"):
        assert word not in found
    assert "_mod_wsgi." in found


# ---- fail closed --------------------------------------------------------------------------------


def test_no_room_for_a_process(new_server: Any) -> None:
    """S7: RLIMIT_NPROC is reached for the user: nothing runs, least of all as root."""
    server: Server = new_server(one("user=games group=games threads=1 home=/"), mpm="prefork").start()
    pid = process_of(server)
    for other in [server.pid, *children_of(server.pid)]:
        if ids(other, "Uid") == {0}:
            resource.prlimit(other, resource.RLIMIT_NPROC, (0, 0))
    with subprocess.Popen(["cat"], stdin=subprocess.PIPE, user="games"):  # one is one more than none
        os.kill(pid, signal.SIGKILL)
        if server.layout.module.peer:
            server.allow(".")
            return
        log = server.log()
        wait_until(lambda: log.matching("RLIMIT_NPROC allows"), "it is told")
    (line, *_) = [line for _, line in log.matching("RLIMIT_NPROC allows")]
    assert "cannot execute" in line.text
    for other in descendants_of(server.pid):
        assert not command_line(other).startswith("(wsgi:app)"), "no daemon runs"
    server.allow(".")


@pytest.mark.skipif(platform.machine() != "x86_64", reason="system calls have other numbers here")
@pytest.mark.ours("D759: 6.1.1 takes other steps")
def test_a_change_of_user_that_did_not_happen(new_server: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """S7: setresuid() says that all went well, and the process is root's still: nothing runs in it."""
    without(monkeypatch, SETRESUID, 0)
    server: Server = new_server(one("threads=1")).start()
    log = server.log()
    wait_until(lambda: log.matching("WSGI0007: root's privileges could not be given up"), "it is told")
    wait_until(lambda: log.matching("could not be started: its user or group could not be set"), "it has ended")
    assert daemons(server) == []
    server.allow(".")


@pytest.mark.ours("D759: 6.1.1 waits 20 s and tries again")
def test_a_directory_that_is_gone(new_server: Any) -> None:
    """Its home was removed since: the process does not start elsewhere, and comes back when it may."""

    def configure(layout: Layout) -> str:
        home = layout.scratch / "home"
        home.mkdir(exist_ok=True)
        return one(f"threads=1 home={home}")(layout)

    server: Server = new_server(configure).start()
    pid = process_of(server)
    home = server.layout.scratch / "home"
    home.rename(home.with_name("away"))
    os.kill(pid, signal.SIGKILL)
    log = server.log()
    wait_until(lambda: log.matching(r"WSGI0009: cannot enter the directory home="), "it is told")
    assert daemons(server) == []
    home.with_name("away").rename(home)
    assert process_of(server) != pid
    server.allow(".")


@pytest.mark.ours("D759: 6.1.1 finds out at the start")
def test_a_user_that_cannot_be_had(new_server: Any) -> None:
    """S7: in a user namespace without that uid; `httpd -t` says so, and the group stays down, not root."""
    here = places()
    apache_uid, apache_gid = pwd.getpwnam(here.user).pw_uid, grp.getgrnam(here.group).gr_gid
    server: Server = new_server(one("user=games group=games threads=1 home=/"))
    server.write_configuration()
    code = f"""
import ctypes, os, sys
def write(name, text):
    with open(name, "w") as out:
        out.write(text)
ready, go = os.pipe(), os.pipe()
pid = os.fork()
if pid == 0:
    if ctypes.CDLL(None, use_errno=True).unshare(0x10000000) != 0:
        os._exit(77)
    os.write(ready[1], b"x")
    os.read(go[0], 1)
    os.execvp(sys.argv[1], sys.argv[1:])
if os.read(ready[0], 1) == b"x":
    write(f"/proc/{{pid}}/uid_map", "0 0 1\\n{apache_uid} {apache_uid} 1\\n")
    write(f"/proc/{{pid}}/gid_map", "0 0 1\\n{apache_gid} {apache_gid} 1\\n")
    os.write(go[1], b"x")
raise SystemExit(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))
"""
    done = subprocess.run(
        [sys.executable, "-c", code, *server.command("-t")], capture_output=True, text=True, timeout=60, check=False
    )
    if done.returncode == 77 or "uid_map" in done.stderr:
        pytest.skip("no user namespaces here")
    assert done.returncode != 0
    assert "cannot become games: Invalid argument" in done.stdout + done.stderr


# ---- who may connect ------------------------------------------------------------------------------


def knock(path: Path, uid: int, times: int) -> list[bytes]:
    """Connects as another user; what each connection was answered."""
    code = (
        "import os, socket, sys\n"
        "os.setgid(int(sys.argv[2])); os.setuid(int(sys.argv[2]))\n"
        "for _ in range(int(sys.argv[3])):\n"
        "    s = socket.socket(socket.AF_UNIX); s.settimeout(10); s.connect(sys.argv[1])\n"
        "    try:\n"
        "        print(repr(s.recv(100)))\n"
        "    except ConnectionResetError:\n"
        "        print(repr(b''))\n"
        "    s.close()\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, str(path), str(uid), str(times)],
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    return [ast.literal_eval(line) for line in done.stdout.splitlines()]


@pytest.mark.ours("nothing that a user sees: 6.1.1 has other sockets")
def test_a_foreign_user_at_the_socket(new_server: Any) -> None:
    """Refused by its credentials, even where the file would let it in; told once, not once a connection."""
    server: Server = new_server(one("threads=2")).start()
    assert server.get("/").status == 200
    (path, *_) = sorted(server.layout.runtime.glob("*.0.sock"))
    with pytest.raises(subprocess.CalledProcessError):
        knock(path, 65534, 1)
    for each in server.layout.runtime.iterdir():
        if stat.S_ISSOCK(each.stat().st_mode):
            each.chmod(0o666)
    served = [
        each
        for each in sorted(server.layout.runtime.iterdir())
        if stat.S_ISSOCK(each.stat().st_mode) and each.name.endswith(".0.sock")
    ]
    assert knock(served[0], 65534, 200) == [b""] * 200
    line = server.expect_code(1001, "uid 65534 may not connect")
    assert line.level == "error"
    assert server.get("/").status == 200, "and costs nobody else anything"


@pytest.mark.ours("nothing that a user sees: 6.1.1 has other sockets")
def test_a_foreign_process_on_the_path(new_server: Any) -> None:
    """Somebody else listens where a daemon should: Apache tells it nothing."""
    server: Server = new_server(one("threads=2")).start()
    (path, *_) = [
        each
        for each in sorted(server.layout.runtime.iterdir())
        if stat.S_ISSOCK(each.stat().st_mode) and each.name.endswith(".0.sock")
    ]
    path.rename(path.with_name("away"))
    with socket.socket(socket.AF_UNIX) as rogue:
        rogue.bind(str(path))
        path.chmod(0o666)
        rogue.listen(10)
        rogue.settimeout(10)
        assert server.get("/").status == 503
        line = server.expect_code(117, "belongs to a foreign process")
        assert str(path) in line.text
        connection, _ = rogue.accept()
        assert connection.recv(100) == b"", "not a byte: neither secret nor request"
    path.unlink()
    path.with_name("away").rename(path)
    assert server.get("/").status == 200


# ---- C5: where a path is blocked -------------------------------------------------------------------


@pytest.mark.ours("D105: 6.1.1 says what Python says")
def test_a_script_below_a_closed_directory(new_server: Any) -> None:
    """C5: Apache's user may enter, the daemon's may not; the request's line names the directory and its mode."""

    def configure(layout: Layout) -> str:
        script = layout.write_app("home/u/site/app.wsgi", (layout.apps / "whoami.wsgi").read_text())
        return f"""
WSGIDaemonProcess app threads=2 user=games group=games home=/
WSGIScriptAlias / {script} process-group=app
"""

    server: Server = new_server(configure)
    server.write_configuration()
    closed = server.layout.apps / "home" / "u"
    apache = pwd.getpwnam(places().user)
    os.chown(closed, apache.pw_uid, apache.pw_gid)
    closed.chmod(0o700)
    server.start()
    assert server.get("/").status == 500
    line = server.expect_code(105)
    games = pwd.getpwnam("games").pw_uid
    assert f"user id {games} cannot enter {closed} (mode 0700, uid {apache.pw_uid})" in line.text


def test_a_home_that_only_its_user_may_enter(new_server: Any) -> None:
    """C5: the directory is entered after the switch of users."""
    games = pwd.getpwnam("games")

    def configure(layout: Layout) -> str:
        home = layout.root / "private"
        home.mkdir(exist_ok=True)
        home.chmod(0o700)
        os.chown(home, games.pw_uid, games.pw_gid)
        return one(f"user=games group=games threads=1 home={home}")(layout)

    server = new_server(configure).start()
    assert server.get("/").json()["cwd"] == str(server.layout.root / "private")
    assert is_alive(process_of(server))


# ---- C6: the way to the sockets ---------------------------------------------------------------------


@pytest.mark.ours("D109: 6.1.1 finds out at the first request")
def test_sockets_below_a_closed_directory(new_server: Any) -> None:
    """C6: `httpd -t` and a cold start name the directory and its mode; the 503 carries the code of that line."""

    def configure(layout: Layout) -> str:
        (layout.root / "closed" / "run").mkdir(parents=True, exist_ok=True)
        (layout.root / "closed").chmod(0o700)
        return one("threads=1")(layout) + f"WSGISocketPrefix {layout.root}/closed/run/wsgi\n"

    server: Server = new_server(configure)
    words = f"errno 13): cannot enter {server.layout.root}/closed (mode 0700, uid 0)"
    proof = server.prove()
    assert proof.status != 0
    assert words in proof.output
    assert "WSGISocketPrefix" in proof.output
    server.start()
    assert b"WSGI1000" in server.get("/").body
    lines = server.expect("WSGI1000: ", 2)
    assert all(words in line.text for line in lines)


def test_sockets_without_a_directive(new_server: Any) -> None:
    """C6: the default works, in httpd's runtime directory."""
    server: Server = new_server(one("threads=1"))
    server.write_configuration()
    text = re.sub(r"(?m)^WSGISocketPrefix .*$", "", server.conf.read_text())
    server.write_configuration = lambda: None  # type: ignore[method-assign]
    server.conf.write_text(text)
    assert server.start().get("/").status == 200
