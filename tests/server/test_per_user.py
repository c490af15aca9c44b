# SPDX-License-Identifier: Apache-2.0
"""C22: mpm_itk, where each virtual host is answered as a user of its own, and never a request that hangs."""

from __future__ import annotations

import contextlib
import http.client
import os
import pwd
import signal
import stat
import subprocess
import threading

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from harness import Layout, Reply, Server, places, request, wait_until
from harness.processes import children_of, command_line, is_alive, maps, status_field
from harness.server import prove

pytestmark = [pytest.mark.needs_root]

USERS = ("games", "man")  # of the first two ports; the third has none of its own

WHO = """
import json, os, sys
sys.path.insert(0, os.path.dirname(__file__))
import journal

with open("/proc/self/status") as status:
    CAPABILITIES = [line.split()[1] for line in status if line.startswith("CapEff")]
LOADED_AS = os.getresuid()


def application(environ, start_response):
    size = len(environ["wsgi.input"].read())
    if environ["PATH_INFO"].startswith("/wait"):
        number = environ["PATH_INFO"][5:]
        journal.note({scratch!r} + "/entered" + number, str(os.getpid()))
        journal.pass_gate({scratch!r} + "/gate" + number)
    found = {{
        "pid": os.getpid(),
        "uid": os.getresuid(),
        "loaded_as": LOADED_AS,
        "capabilities": CAPABILITIES,
        "group": environ["mod_wsgi.process_group"],
        "size": size,
        "preloaded": "preloaded" in sys.modules,
    }}
    start_response("200 OK", [("Content-Type", "application/json")])
    return [json.dumps(found).encode()]
"""


def itk(lines: Callable[[Layout], str], hosts: Callable[[int], str]) -> Callable[[Layout], str]:
    """A server with mpm_itk and three virtual hosts."""

    def configure(layout: Layout) -> str:
        layout.write_app("who.wsgi", WHO.format(scratch=str(layout.scratch)))
        text = f"LoadModule mpm_itk_module {places().modules}/mpm_itk.so\n{lines(layout)}"
        text += f"WSGIScriptAlias / {layout.apps}/who.wsgi\n"
        for number, port in enumerate(layout.ports or (1, 2, 3)):
            user = f"AssignUserID {USERS[number]} {USERS[number]}\n" if number < len(USERS) else ""
            text += f"<VirtualHost *:{port}>\nServerName host{number}\n{user}{hosts(number)}</VirtualHost>\n"
        return text

    return configure


def uid_of(number: int) -> int:
    """The user that requests for a port are answered as."""
    return pwd.getpwnam(USERS[number] if number < len(USERS) else places().user).pw_uid


def ask(server: Server, number: int, target: str = "/", body: bytes | None = None) -> Reply:
    """One request for a host."""
    return request(server.layout.ports[number], "POST" if body else "GET", target, body)


def own_groups(options: str = "processes=1 threads=2") -> Callable[[Layout], str]:
    """A virtual host has a process group whose sockets are for its user."""

    def configure(layout: Layout) -> str:
        lines = [
            f"WSGIDaemonProcess group{number} {options} home=/ "
            f"user=#{uid_of(number)} group=nogroup socket-user=#{uid_of(number)}\n"
            for number in range(3)
        ]
        return "".join(lines)

    return itk(configure, lambda number: f"WSGIProcessGroup group{number}\n")


def start(new_server: Any, configure: Any) -> Server:
    """Prefork, which mpm_itk needs, and three ports."""
    server: Server = new_server(configure, mpm="prefork", ports=3)
    return server.start()


def sockets(server: Server) -> list[Path]:
    """Those that daemons listen on."""
    return [
        path
        for path in sorted(server.layout.runtime.iterdir())
        if stat.S_ISSOCK(path.stat().st_mode) and ".ctl." not in path.name
    ]


# ---- daemons -----------------------------------------------------------------------------------


def test_a_group_for_each_user(new_server: Any) -> None:
    """With socket-user all of it works, bodies and graceful restarts too; nobody else may connect."""
    server = start(new_server, own_groups())
    for _ in range(2):
        for number in range(3):
            for body in (None, b"x" * 300_000):
                found = ask(server, number, body=body).json()
                assert found["group"] == f"group{number}"
                assert found["uid"] == [uid_of(number)] * 3
                assert found["size"] == len(body or b"")
        server.graceful()
    modes = {(path.stat().st_uid, stat.S_IMODE(path.stat().st_mode) & 0o077) for path in sockets(server)}
    assert modes == {(uid_of(number), 0) for number in range(3)}


@pytest.mark.ours("D725: 6.1.1 knows no reload by command")
def test_new_code(new_server: Any) -> None:
    """A touched script and wsgi-reload, asked by the user of the group, which is none of Apache's."""
    server = start(new_server, own_groups())
    former = ask(server, 0).json()["pid"]
    layout = server.layout
    layout.write_app("who.wsgi", WHO.format(scratch=str(layout.scratch)) + "\n# new\n")
    touched = ask(server, 0).json()["pid"]
    assert touched != former
    program = Path(layout.module.path).resolve().with_name("wsgi-reload")
    command = [str(program), "--socket-prefix", f"{layout.runtime}/wsgi", "group0"]
    for user, status in (("man", 2), ("games", 0)):
        done = subprocess.run(command, capture_output=True, text=True, timeout=90, check=False, user=user)
        assert done.returncode == status, done.stdout + done.stderr
    assert ask(server, 0).json()["pid"] not in (former, touched)


@pytest.mark.ours("D763: 6.1.1 names the user of the process, not what to do")
def test_a_user_who_may_not_connect(new_server: Any) -> None:
    """`httpd -t` and the start say it; a request is refused at once, with one line that has the remedy."""
    shared = itk(lambda layout: layout.delegate("app", "processes=1 threads=2"), lambda number: "")
    server: Server = new_server(shared, mpm="prefork", ports=3)
    proof = server.prove()
    assert proof.status == 0
    told = [line for line in proof.output.splitlines() if "AssignUserID" in line]
    assert len(told) == len(USERS)
    for user, said in zip(USERS, told, strict=True):
        assert f'user {user} may not connect to process group "app"' in said
        assert f"sockets are for {places().user}" in said
        assert f"socket-user={user}" in said
    server.start()
    server.expect(r"AssignUserID \w+ .* may not connect to process group", count=len(USERS))
    assert ask(server, 2).json()["uid"] == [uid_of(2)] * 3, "who has no user of his own is served"
    for number in range(2):
        server.forget_logs()
        assert ask(server, number).status == 503
        line = server.expect_code(117, f"has become user id {uid_of(number)}", f"socket-user=#{uid_of(number)}")
        assert "search permission" not in line.text
    assert ask(server, 2).status == 200, "and costs nobody else anything"


@pytest.mark.ours("D763: 6.1.1 says nothing at the start")
@pytest.mark.parametrize("place", ["host", "main"])
def test_what_is_right_is_not_doubted(place: str) -> None:
    """No line where the user fits, wherever the group is named; one where it does not."""

    def configure(user: str) -> Callable[[Layout], str]:
        def lines(layout: Layout) -> str:
            wsgi = "WSGIProcessGroup app\n"
            return f"""
LoadModule mpm_itk_module {places().modules}/mpm_itk.so
WSGIDaemonProcess app threads=2 socket-user={user}
WSGIDaemonProcess other threads=2
WSGIScriptAlias / {layout.apps}/process.wsgi
WSGIScriptAlias /other {layout.apps}/process.wsgi process-group=other
{wsgi if place == "main" else ""}
<VirtualHost *:1>
    ServerName one
    AssignUserID games games
    {wsgi if place == "host" else ""}
    WSGIScriptAlias /app {layout.apps}/process.wsgi process-group=app
</VirtualHost>
<VirtualHost *:2>
    ServerName two
    {wsgi}
</VirtualHost>
"""

        return lines

    wrong, right = (prove_prefork(configure(user)) for user in ("man", "games"))
    assert wrong.count("AssignUserID games") == 1
    assert "sockets are for man" in wrong
    assert "AssignUserID" not in right


def prove_prefork(configure: Callable[[Layout], str]) -> str:
    """What `httpd -t` says; mpm_itk refuses other MPMs only when it starts."""
    proof = prove(configure)
    assert proof.status == 0, proof.output
    return proof.output


class Wait:
    """A request that waits in a host's application; the process of its connection, and the child that made that."""

    def __init__(self, server: Server, number: int) -> None:
        self.gate = server.layout.scratch / f"gate{number}"
        entered = server.layout.scratch / f"entered{number}"
        for path in (self.gate, entered):
            path.unlink(missing_ok=True)
        self.reply: Reply | None = None
        self.thread = threading.Thread(target=self.run, args=(server, number), daemon=True)
        self.thread.start()
        wait_until(entered.exists, "the request runs")
        ((self.child, self.connection),) = [
            (child, pid)
            for child in children_of(server.pid)
            for pid in children_of(child)
            if status_field(pid, "Uid").split()[0] == str(uid_of(number)) and "wsgi" not in command_line(pid)[:7]
        ]

    def run(self, server: Server, number: int) -> None:
        """Nobody answers when the process of the connection is gone."""
        with contextlib.suppress(OSError, http.client.HTTPException):
            self.reply = ask(server, number, f"/wait{number}")

    def result(self) -> Reply | None:
        """Lets it go on to its end."""
        self.gate.touch()
        self.thread.join(60)
        assert not self.thread.is_alive(), "the request hangs"
        return self.reply


@pytest.mark.ours("nothing that a user sees: 6.1.1 has other books")
def test_processes_that_are_killed(new_server: Any) -> None:
    """A worker is not lost with the process of a connection, and not taken for free when only that one's parent dies."""
    server: Server = new_server(
        own_groups("processes=1 threads=1 queue-timeout=20"), mpm="prefork", ports=3, level="warn wsgi:info"
    )
    server.start()
    server.allow(r"\[wsgi:info\]|child died with signal")
    parentless, killed = Wait(server, 0), Wait(server, 1)
    os.kill(parentless.child, signal.SIGKILL)
    wait_until(lambda: not is_alive(parentless.child), "the child is gone")
    os.kill(killed.connection, signal.SIGKILL)
    server.expect("daemon group 'group1': 1 workers were in use by Apache processes that died")
    assert killed.result() is None
    assert ask(server, 1).json()["uid"] == [uid_of(1)] * 3, "the only worker is free again"
    assert not server.log().matching("daemon group 'group0': 1 workers"), "it was looked at before group1"
    reply = parentless.result()
    assert reply is not None
    assert reply.json()["uid"] == [uid_of(0)] * 3
    assert ask(server, 0).status == 200


# ---- embedded mode -------------------------------------------------------------------------------


def test_embedded(new_server: Any) -> None:
    """Each connection has an interpreter of its own, as the user of its virtual host."""
    server = start(new_server, itk(lambda _: "", lambda _: ""))
    for number in (0, 1, 2, 0):
        for body in (None, b"x" * 300_000):
            found = ask(server, number, body=body).json()
            assert found["group"] == ""
            assert found["uid"] == [uid_of(number)] * 3
            assert found["size"] == len(body or b"")


@pytest.mark.ours("D764: 6.1.1 starts Python before, with the right to become any user")
def test_embedded_never_with_rights(new_server: Any) -> None:
    """No Python in a child that may become any user; import scripts and scripts that decide run as the host's user."""

    def lines(layout: Layout) -> str:
        note = f"{str(layout.scratch)!r} + '/loaded.' + str(os.getuid())"
        layout.write_app(
            "preloaded.wsgi",
            f"import os, sys\nsys.modules['preloaded'] = sys.modules[__name__]\n"
            f"open({note}, 'w').write(open('/proc/self/status').read())\n",
        )
        layout.write_app(
            "admit.py", "def allow_access(environ, host):\n    return 'refuse' not in environ['QUERY_STRING']\n"
        )
        return f"""
WSGIImportScript {layout.apps}/preloaded.wsgi process-group=%{{GLOBAL}} application-group=%{{GLOBAL}}
WSGIApplicationGroup %{{GLOBAL}}
<Location />
    WSGIAccessScript {layout.apps}/admit.py application-group=%{{GLOBAL}}
</Location>
"""

    server = start(new_server, itk(lines, lambda _: ""))
    loaded = server.layout.scratch
    assert not list(loaded.glob("loaded.*")), "nothing runs before the user is known"
    for number in (0, 1):
        found = ask(server, number).json()
        assert found["preloaded"]
        assert found["loaded_as"] == [uid_of(number)] * 3
        assert int(found["capabilities"][0], 16) == 0
        assert ask(server, number, "/?refuse").status == 403
    server.allow("WSGI0057: ")
    for number in (0, 1):
        text = (loaded / f"loaded.{uid_of(number)}").read_text()
        assert "CapEff:\t0000000000000000" in text
    for child in children_of(server.pid):
        assert "libpython" not in maps(child)
    assert len(list(loaded.glob("loaded.*"))) == len(USERS)
