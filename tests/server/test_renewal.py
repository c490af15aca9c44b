# SPDX-License-Identifier: Apache-2.0
"""New code for a daemon group: nobody waits in vain, nobody gets old code after new, broken code is not used."""

from __future__ import annotations

import os
import signal
import socket
import subprocess

from pathlib import Path
from typing import Any

import pytest

from harness import Layout, Server, wait_until
from harness.calls import Call, Load, entered, words
from harness.server import prove

pytestmark = pytest.mark.ours("D725: 6.1.1 replaces one process at a time, and knows no other code than the newest")

APP = """
import os, sys, time
sys.path[:0] = [os.path.dirname(__file__), os.path.join(os.path.dirname(__file__), "lib")]
import journal

MARK = {mark!r}
{top}
journal.note({scratch!r} + "/loads", "%s=%s" % (MARK, os.getpid()))


def application(environ, start_response):
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [("%s %s" % (MARK, os.getpid())).encode()]
"""


def write(layout: Layout, mark: str, top: str = "", name: str = "script.wsgi") -> None:
    """A version of the application; `loads` in the scratch directory says which process loaded it."""
    layout.write_app(name, APP.format(mark=mark, top=top, scratch=str(layout.scratch)))


def start(new_server: Any, options: str, more: str = "", **server: Any) -> Server:
    """A server with one group and one version of the application, which no directive says to import."""

    def configure(layout: Layout) -> str:
        write(layout, "first")
        return (
            f"WSGIDaemonProcess app {options}\n{more}\nWSGIScriptAlias / {layout.apps}/script.wsgi process-group=app\n"
        )

    made: Server = new_server(configure, **server).start()
    return made


def ask(server: Server) -> tuple[str, int]:
    """The version that answers, and the process."""
    reply = server.get("/")
    assert reply.status == 200, reply.body
    mark, pid = reply.body.decode().split()
    return mark, int(pid)


def loads(server: Server) -> list[str]:
    return words(server.layout.scratch / "loads")


def loaded(server: Server, count: int, what: str) -> None:
    """Waits until so many processes have imported the application."""
    wait_until(lambda: len(loads(server)) >= count, what)


def gate_top(server: Server, name: str = "gate") -> str:
    """Lines of a script that hold up its import until `open_gate`; each import notes itself first."""
    scratch = server.layout.scratch
    return f"journal.note({str(scratch / 'importing')!r}, str(os.getpid()))\njournal.pass_gate({str(scratch / name)!r})"


class Marks(Load):
    """Steady clients who write down which version they got; `wrong` has old ones that came after new ones."""

    def __init__(self, server: Server, clients: int = 3) -> None:
        self.order: list[str] = []
        self.wrong: list[str] = []
        super().__init__(server, clients)

    def run(self, number: int) -> None:
        """One client: what was the newest when it asked is the oldest it may get."""
        while self.going:
            newest = self.order[-1] if self.order else ""
            reply = self.server.get("/")
            if reply.status != 200:
                self.failures.append(f"{reply.status} {reply.body[:80]!r}")
                continue
            mark = reply.body.decode().split()[0]
            if newest and self.order.index(newest) > (self.order.index(mark) if mark in self.order else 1 << 30):
                self.wrong.append(f"{mark} after {newest}")
            if mark not in self.order:
                self.order.append(mark)
            self.done[number] += 1

    def await_mark(self, mark: str) -> None:
        """Waits until some client got it."""
        wait_until(lambda: mark in self.order, f"version {mark} serves")

    def finish(self) -> list[str]:
        """The versions in the order in which they came."""
        self.stop()
        assert self.failures == []
        assert self.wrong == []
        return self.order


# ---- what was learned ------------------------------------------------------------------------------


def test_replacement_has_imported_the_application(new_server: Any) -> None:
    """P4: while it imports, the former process serves; nobody waits for it."""
    server = start(new_server, "threads=3")
    assert ask(server)[0] == "first"
    write(server.layout, "second", gate_top(server))
    (server.layout.scratch / "gate").touch()
    first = ask(server)[1]
    (server.layout.scratch / "gate").unlink()
    (server.layout.scratch / "importing").unlink()
    os.kill(first, signal.SIGUSR1)
    importing = int(entered(server.layout.scratch / "importing")[0])
    for _ in range(5):
        assert ask(server) == ("second", first)
    (server.layout.scratch / "gate").touch()
    wait_until(lambda: ask(server) == ("second", importing), "the new process serves")


def test_next_server_generation_knows_it(new_server: Any) -> None:
    """P4: after a graceful restart, and one more, processes import without any request; what is gone is left out."""
    server = start(new_server, "processes=2 threads=2")
    assert ask(server)[0] == "first"
    for count in (2, 3):
        before = len(loads(server))
        server.graceful()
        loaded(server, before + 2, f"generation {count} imports")
    assert ask(server)[0] == "first"
    (server.layout.apps / "script.wsgi").rename(server.layout.apps / "away.wsgi")
    server.graceful()
    assert server.get("/").status == 404
    server.allow("WSGI0135")


# ---- touched scripts -------------------------------------------------------------------------------


@pytest.mark.parametrize("processes", [1, 3])
@pytest.mark.parametrize("reload", ["wait", "overlap"])
def test_touches_under_load(new_server: Any, processes: int, reload: str) -> None:
    """All requests are answered, and no old version after a new one."""
    server = start(new_server, f"processes={processes} threads=3 reload={reload}")
    load = Marks(server)
    load.flow(10)
    loaded(server, processes, "all processes serve it: one that has not loaded it yet would load the new one at once")
    for number in range(10):
        write(server.layout, f"v{number}")
        load.await_mark(f"v{number}")
    order = load.finish()
    assert order == ["first", *(f"v{number}" for number in range(10))]
    assert ask(server)[0] == "v9"


def test_the_first_request_after_a_touch_waits(new_server: Any) -> None:
    """reload=wait: it gets the new code, however long its import takes."""
    server = start(new_server, "processes=2 threads=3")
    assert ask(server)[0] == "first"
    write(server.layout, "second", gate_top(server))
    calls = [Call(server, "/") for _ in range(3)]
    entered(server.layout.scratch / "importing")
    assert not any(call.reply for call in calls)
    (server.layout.scratch / "gate").touch()
    assert {call.result().body.split()[0] for call in calls} == {b"second"}


def test_overlap_serves_the_old_code_meanwhile(new_server: Any) -> None:
    server = start(new_server, "processes=2 threads=3 reload=overlap")
    wait_until(lambda: ask(server)[0] == "first" and len(loads(server)) == 2, "both processes have loaded it")
    write(server.layout, "second", gate_top(server))
    assert ask(server)[0] == "first"
    entered(server.layout.scratch / "importing", 2)
    assert {ask(server)[0] for _ in range(6)} == {"first"}
    (server.layout.scratch / "gate").touch()
    wait_until(lambda: ask(server)[0] == "second", "the new code serves")
    assert {ask(server)[0] for _ in range(6)} == {"second"}


@pytest.mark.parametrize("processes", [1, 2])
@pytest.mark.parametrize(
    ("top", "last"),
    [
        ("raise LookupError('half done')", "LookupError: half done"),
        ("def (:", "SyntaxError: invalid syntax"),
        ("raise SystemExit(3)", "SystemExit: 3"),
    ],
)
def test_broken_deploy_and_its_repair(new_server: Any, processes: int, top: str, last: str) -> None:
    """D2: the old code serves, its traceback is logged once; the repaired file is taken at once."""
    server = start(new_server, f"processes={processes} threads=3")
    load = Marks(server, 2)
    load.flow(10)
    write(server.layout, "broken", top)
    server.expect("the new code is not used, because it cannot be loaded")
    load.flow(50)
    server.expect(f"WSGI01(06|08|10): .*script.wsgi.*{last}".replace("(3)", ""))
    server.expect(f"\\] {last}")
    server.allow(r"Traceback|  File|    ")
    assert "broken" not in load.order
    write(server.layout, "mended")
    load.await_mark("mended")
    assert load.finish() == ["first", "mended"]


def test_a_broken_neighbour_holds_up_nobody(new_server: Any) -> None:
    """A script that is known to be broken is served as it was, until another one of the group changes: that one goes first."""

    def configure(layout: Layout) -> str:
        for name in ("one", "two"):
            write(layout, name, name=f"{name}.wsgi")
        aliases = "".join(
            f"WSGIScriptAlias /{name} {layout.apps}/{name}.wsgi process-group=app\n" for name in ("one", "two")
        )
        return f"WSGIDaemonProcess app threads=2\nWSGIApplicationGroup %{{GLOBAL}}\n{aliases}"

    server = new_server(configure).start()
    assert [server.get(path).body.split()[0] for path in ("/one", "/two")] == [b"one", b"two"]
    write(server.layout, "never", "raise LookupError('gone')", "two.wsgi")
    assert server.get("/two").body.split()[0] == b"two", "the former code"
    server.expect("the new code is not used")
    server.expect_exception(110, "LookupError: gone")
    write(server.layout, "newer", name="one.wsgi")
    assert server.get("/one").body.split()[0] == b"newer"
    assert server.get("/two").status == 500
    server.allow("WSGI0109|LookupError|Traceback|File|raise")
    write(server.layout, "mended", name="two.wsgi")
    assert server.get("/two").body.split()[0] == b"mended"


def test_replacement_that_dies(new_server: Any) -> None:
    """New code that kills its process is not used either."""
    server = start(new_server, "threads=3")
    assert ask(server)[0] == "first"
    write(server.layout, "broken", "os._exit(5)")
    assert ask(server)[0] == "first"
    server.expect("ended with exit status 5", 2)
    server.expect("the new code is not used")
    write(server.layout, "mended")
    assert ask(server)[0] == "mended"


# ---- failed loads ----------------------------------------------------------------------------------

STATEFUL = """
import half_loaded
"""

HALF_LOADED = """
import os, sys
if hasattr(sys, "poisoned"):
    raise RuntimeError("populate() isn't reentrant")
sys.poisoned = True
if not os.path.exists({path!r}):
    raise ConnectionError("no database")
"""


def test_failed_load_heals_by_itself(new_server: Any) -> None:
    """L11: the first exception is the one that is told; without a touch a clean process takes over."""
    server = start(new_server, "threads=3", level="warn wsgi:info")
    database = server.layout.scratch / "database"
    server.layout.write_app("half_loaded.py", HALF_LOADED.format(path=str(database)))
    write(server.layout, "first", STATEFUL)
    server.allow(":info]")
    for _ in range(3):
        assert server.get("/").status == 500
    server.log().expect_traceback("ConnectionError: no database")
    server.expect("WSGI0109: .*failed while it was executed: ConnectionError: no database")
    server.expect("WSGI0109: .*its traceback is above: ConnectionError: no database", 2)
    database.touch()
    server.allow("WSGI01(09|10): .*ConnectionError|Traceback|  File|    |^ConnectionError|: ConnectionError")
    wait_until(lambda: server.get("/").status == 200, "the site is healed")
    assert "reentrant" not in server.log().path.read_text()
    assert ask(server)[0] == "first"


def test_failed_load_tries_do_not_pile_up(new_server: Any) -> None:
    """L11: one try at a time while there is demand, none without."""
    server = start(new_server, "processes=2 threads=3", level="warn wsgi:info")
    tries = server.layout.scratch / "tries"
    top = f"journal.note({str(tries)!r}, str(os.getpid()))\nraise ConnectionError('no database')"
    write(server.layout, "first", top)
    server.allow(".")
    assert server.get("/").status == 500
    serving = set(words(tries))
    wait_until(lambda: set(words(tries)) - serving, "another process tries")
    for _ in range(200):
        assert server.get("/").status == 500
    processes = set(words(tries))
    assert len(processes) <= 5, "at most two that serve, and some that tried"
    text = server.log().path.read_text()
    assert text.count("Traceback") <= 3, "one for each process that serves, but for passing failures"


def test_failed_load_is_told_once(new_server: Any) -> None:
    """L11: a process that tries again, and meets the same, has nothing to say that the log does not have."""
    names = ("one", "two")

    def configure(layout: Layout) -> str:
        for name in names:
            tries = layout.scratch / f"tries-{name}"
            top = f"journal.note({str(tries)!r}, str(os.getpid()))\nraise ConnectionError('no database {name}')"
            write(layout, name, top, f"{name}.wsgi")
        aliases = "".join(f"WSGIScriptAlias /{name} {layout.apps}/{name}.wsgi process-group=app\n" for name in names)
        return f"WSGIDaemonProcess app threads=3\nWSGIApplicationGroup %{{GLOBAL}}\n{aliases}"

    server: Server = new_server(configure).start()

    def tried(name: str) -> int:
        assert [server.get(f"/{each}").status for each in names] == [500, 500]
        return len(set(words(server.layout.scratch / f"tries-{name}")))

    # The third tells that what the second had to say is in the log; and no script keeps the other from its turn.
    wait_until(lambda: min(tried(name) for name in names) > 2, "processes try each of them, one by one", 60)
    for name in names:
        ends = server.log().expect_traceback(f"ConnectionError: no database {name}")
        assert sum("ConnectionError: no" in line.text for line in ends if not line.code) == 1, "it is told once"
        server.expect(f"WSGI0109: .*failed while it was executed: ConnectionError: no database {name}")
    server.allow("WSGI0109: .*its traceback is above: ConnectionError: no database")


# ---- the command -----------------------------------------------------------------------------------


def reload_command(server: Server, *arguments: str, user: str | None = None) -> subprocess.CompletedProcess[str]:
    """Runs wsgi-reload as it is installed."""
    program = Path(server.layout.module.path).resolve().with_name("wsgi-reload")
    return subprocess.run(
        [str(program), "--socket-prefix", f"{server.layout.runtime}/wsgi", "--timeout", "60", *arguments],
        capture_output=True,
        text=True,
        timeout=90,
        check=False,
        user=user,
    )


LIBRARY = "import library\nMARK = library.MARK\n"


def two_groups(layout: Layout) -> str:
    """Groups a and b, with one imported module between them."""
    (layout.apps / "lib").mkdir(mode=0o755)
    layout.write_app("lib/library.py", "MARK = 'one'\n")
    write(layout, "?", LIBRARY)
    write(layout, "?", LIBRARY, "b.wsgi")
    return f"""
WSGIDaemonProcess a processes=2 threads=3
WSGIDaemonProcess b threads=3
WSGIScriptAlias /b {layout.apps}/b.wsgi process-group=b application-group=%{{GLOBAL}}
WSGIScriptAlias / {layout.apps}/script.wsgi process-group=a application-group=%{{GLOBAL}}
"""


def start_two_groups(new_server: Any) -> Server:
    """All three processes have imported it: one that comes to it later has what is there by then."""
    server: Server = new_server(two_groups).start()
    loaded(server, 3, "each process has imported its application")
    return server


def test_reload_by_command(new_server: Any) -> None:
    """D1: an imported module changed: group a has it, b and the server are as they were; nobody noticed."""
    server = start_two_groups(new_server)
    parent, other = server.pid, server.get("/b").body
    load = Marks(server)
    load.flow(10)
    server.layout.write_app("lib/library.py", "MARK = 'three'\n")
    done = reload_command(server, "a")
    assert (done.returncode, done.stderr) == (0, ""), done
    assert "ok: the new code of group 'a' serves" in done.stdout
    pids = {int(pid) for pid in done.stdout.split("processes")[1].split()}
    assert len(pids) == 2
    load.flow(20)
    assert load.finish() == ["one", "three"]
    assert ask(server)[1] in pids
    assert (server.pid, server.get("/b").body) == (parent, other)


def test_reload_by_command_of_broken_code(new_server: Any) -> None:
    """D2: a failure is told with its traceback, all requests are answered by the old code; then it is mended."""
    server = start_two_groups(new_server)
    load = Marks(server)
    load.flow(10)
    server.layout.write_app("lib/library.py", "MARK = (\n")
    for _ in range(2):
        done = reload_command(server, "a")
        assert done.returncode == 1, done
        assert "Traceback" in done.stderr
        assert "SyntaxError" in done.stderr
        assert "the former code serves" in done.stderr
    load.flow(20)
    assert load.order == ["one"]
    server.layout.write_app("lib/library.py", "MARK = 'three'\n")
    assert reload_command(server, "a").returncode == 0
    load.flow(20)
    assert load.finish() == ["one", "three"]
    server.allow("Traceback|File|import library|MARK =|[(^]$|SyntaxError|WSGI0110|the new code is not used")


def test_who_may_reload(new_server: Any) -> None:
    """Unknown groups and other users are refused, junk costs nothing; a restart leaves no socket behind."""
    server = start_two_groups(new_server)
    assert server.get("/").status == 200
    done = reload_command(server, "nobody-knows")
    assert (done.returncode, done.stdout) == (2, "")
    assert "refused" in done.stderr
    if os.geteuid() == 0:
        assert reload_command(server, "a", user="daemon").returncode == 2
        assert reload_command(server, "a", user="www-data").returncode == 0
    (path,) = server.layout.runtime.glob("wsgi.*.ctl.sock")
    peers = [socket.socket(socket.AF_UNIX) for _ in range(12)]
    for peer in peers:
        peer.settimeout(20)
        peer.connect(str(path))
    for peer, junk in zip(peers, (b"x" * 4000, b"stop a\n", b"\0\n", b"reload a"), strict=False):
        peer.sendall(junk)
    assert peers[1].recv(200).startswith(b"refused: only")
    for peer in peers:
        peer.close()
    assert reload_command(server, "b").returncode == 0
    server.expect("wsgi-reload was refused to user id ")
    server.graceful()
    wait_until(lambda: len(list(server.layout.runtime.glob("wsgi.*.ctl.sock"))) == 1, "one socket is left")
    assert reload_command(server, "a").returncode == 0


def test_other_values_of_reload_are_refused() -> None:
    proof = prove("WSGIDaemonProcess app reload=never\n")
    assert proof.status != 0
    assert "option reload=never: is neither wait nor overlap" in proof.output
