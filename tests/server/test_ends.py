# SPDX-License-Identifier: Apache-2.0
"""O8: each end of a process is one line with its cause; the client's side tells the same; out of memory."""

from __future__ import annotations

import contextlib
import os
import re
import signal
import subprocess
import sys
import time

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from harness import Layout, Line, Server, wait_until
from harness.calls import Call, entered, one_group
from harness.processes import command_line, is_alive

LEVEL = "warn wsgi:info"
MINE = r"daemon group 'app': process {pid} "
LIFE = re.compile(
    r"process \d+ (?P<how>.*), (?P<age>\d+) s old, (?P<done>\d+) requests(, (?P<running>\d+) running)?"
    r"(, the last begun (?P<last>\S+ \S+))?, at most (?P<peak>\d+) MiB of memory(; (?P<next>.*))?$"
)
DIFFERS = "D760, D808: 6.1.1 does not say why a daemon ended"


def life(line: Line) -> dict[str, str]:
    """What the line says about a process."""
    found = LIFE.search(line.text)
    assert found, line.text
    return found.groupdict()


def pid_of(server: Server) -> int:
    """The process that answers."""
    pid: int = server.get("/who/you?secret=1").json()["pid"]
    return pid


def touched(server: Server, pid: int) -> None:
    """Its script changes, and a request sees that."""
    server.layout.write_app("process.wsgi", (server.layout.apps / "process.wsgi").read_text() + "\n# changed\n")
    wait_until(lambda: pid_of(server) != pid, "another process answers")


def to(number: int) -> Callable[[Server, int], None]:
    """A signal from outside."""

    def send(server: Server, pid: int) -> None:
        assert server.pid != pid
        os.kill(pid, number)

    return send


def used_up(server: Server, pid: int) -> None:
    """Requests, until another process answers."""
    wait_until(lambda: pid_of(server) != pid, "another process answers")


def restarted(server: Server, pid: int) -> None:
    """A graceful restart."""
    assert pid
    server.graceful()


def stopped(server: Server, pid: int) -> None:
    """The server stops."""
    assert pid
    server.stop()


def stuck(server: Server, pid: int) -> None:
    """It does not end when it is told to."""
    os.kill(pid, signal.SIGSTOP)
    server.stop()


ENDS = (
    ("crash", "", to(signal.SIGSEGV), r"was killed by signal 11 \(Segmentation fault\)"),
    ("killed", "", to(signal.SIGKILL), r"was killed by signal 9 \(Killed\): by somebody, not by this server"),
    ("quit", "", to(signal.SIGQUIT), r"was killed by signal 3 \(Quit\)"),
    ("term", "", to(signal.SIGTERM), r"ended with exit status 0"),
    ("told", "", to(signal.SIGUSR1), r"ended as planned \(a signal told it to\)"),
    ("touch", "", touched, r"ended as planned \(its script changed\)"),
    ("maximum", "maximum-requests=4", used_up, r"ended as planned \(it has served its maximum of requests\)"),
    ("graceful", "", restarted, r"ended as planned \(another server generation took over\)"),
    ("stop", "", stopped, r"ended as planned \(the server stops\)"),
    ("stuck", "shutdown-timeout=1", stuck, r"was killed, it did not end within shutdown-timeout as planned"),
)


@pytest.mark.ours(DIFFERS)
def test_each_end_has_its_word(new_server: Any) -> None:
    """O8: ten kinds of end, ten lines with ten causes, each with age, requests, the last URL without its query, memory,
    and what follows."""
    causes = set()
    for name, options, act, cause in ENDS:
        server = new_server(one_group(f"processes=1 threads=2 {options}"), level=LEVEL).start()
        log = server.log()
        pid = pid_of(server)
        act(server, pid)
        mine = MINE.format(pid=pid)
        wait_until(lambda log=log, mine=mine: [x for _, x in log.matching(mine) if "s old" in x.text], name)  # type: ignore[misc]
        (line,) = [x for _, x in log.matching(mine) if "s old" in x.text]
        assert re.search(mine + cause, line.text), line.text
        told = life(line)
        causes.add(told["how"])
        assert int(told["done"]) >= 1
        assert int(told["peak"]) >= 4
        assert told["last"] == "GET /who/you"
        assert "secret" not in line.text
        assert bool(told["next"]) == (name in ("crash", "killed", "quit", "term")), line.text
        log.allow(r"\[wsgi:(error|notice|info|warn)\]|crashed")
    assert len(causes) == len(ENDS)


@pytest.mark.ours(DIFFERS)
def test_every_running_request_has_its_line(new_server: Any) -> None:
    """Three requests run in the process that is killed: three times 502 and a line that says how; what waited for a
    worker is answered by the next process."""
    server = new_server(one_group("processes=1 threads=3"), level=LEVEL).start()
    pid = pid_of(server)
    journal, gate = server.layout.scratch / "in", server.layout.scratch / "gate"
    running = [Call(server, f"/gate?entered={journal}&gate={gate}") for _ in range(3)]
    entered(journal, 3)
    waiting = [Call(server, "/late") for _ in range(4)]
    time.sleep(0.2)
    os.kill(pid, signal.SIGBUS)
    assert [call.result().status for call in running] == [502] * 3
    gate.touch()
    late = [call.result() for call in waiting]
    assert [reply.status for reply in late] == [200] * 4
    assert pid not in {reply.json()["pid"] for reply in late}
    words = rf"WSGI0146: daemon process {pid} of group 'app' was killed by signal 7 \(Bus error\) before it answered, "
    lines = server.expect(words + "request ", 3)
    ids = {line.text.rpartition(" ")[2] for line in lines}
    assert ids == {call.result().get("X-Request-ID") for call in running}
    assert len(ids) == 3
    (end,) = server.expect(MINE.format(pid=pid) + "was killed by signal 7")
    assert life(end)["running"] == "3"
    assert server.log().codes() == [146] * 3
    server.allow(r"\[wsgi:info\]|crashed: ")


@pytest.mark.ours(DIFFERS)
def test_nobody_to_tell_how(new_server: Any) -> None:
    """The supervisor is killed, too: 502 all the same, and the line says that nobody knows."""
    server = new_server(one_group("processes=1 threads=2"), level=LEVEL).start()
    pid = pid_of(server)
    journal, gate = server.layout.scratch / "in", server.layout.scratch / "gate"
    call = Call(server, f"/gate?entered={journal}&gate={gate}")
    entered(journal)
    (supervisor,) = [child for child in server.family() if command_line(child).startswith("wsgi-supervisor")]
    os.kill(supervisor, signal.SIGSTOP)
    os.kill(pid, signal.SIGKILL)
    assert call.result().status == 502
    os.kill(supervisor, signal.SIGKILL)
    gate.touch()
    server.expect(r"WSGI0146: .*\(the supervisor has not told of an end of the process\) before it answered")
    wait_until(lambda: server.get("/").status == 200, "the group serves again")
    server.allow(r"\[wsgi:")


KILLER = """
import os
import signal


def application(environ, start_response):
    start_response("200 OK", [("Content-Length", "4")])
    if environ["PATH_INFO"] == "/kill":
        os.kill(os.getpid(), signal.SIGKILL)
    return [b"fine"]
"""


@pytest.mark.ours(DIFFERS)
def test_deaths_of_work_do_not_slow_the_next_start(new_server: Any) -> None:
    """Four requests in a row that kill: the next process starts within a second or at once, never later."""

    def configure(layout: Layout) -> str:
        script = layout.write_app("killer.wsgi", KILLER)
        return f"WSGIDaemonProcess app threads=2\nWSGIScriptAlias / {script} process-group=app application-group=%{{GLOBAL}}\n"

    server = new_server(configure).start()
    for _ in range(4):
        assert server.get("/kill").status == 502
        assert server.get("/").status == 200
    lines = server.expect("group 'app'.*killed by signal 9", 4 * 2)
    told = [line.text.rpartition("; ")[2] for line in lines if "another one" in line.text]
    assert len(told) == 4
    assert set(told) <= {"another one starts in 0 s", "another one starts in 1 s"}


PARENT = """
import os
import time


def application(environ, start_response):
    asked = dict(part.split("=", 1) for part in environ["QUERY_STRING"].split("&") if part)
    if "child" in asked and os.fork() == 0:
        while not os.path.exists(asked["child"]):
            time.sleep(0.05)
        os._exit(0)
    if "entered" in asked:
        with open(asked["entered"], "a") as journal:
            journal.write("in\\n")
    while "gate" in asked and not os.path.exists(asked["gate"]):
        time.sleep(0.05)
    start_response("200 OK", [])
    return [str(os.getpid()).encode()]
"""


@pytest.mark.ours(DIFFERS)
def test_what_it_forked_lives_on(new_server: Any) -> None:
    """A child of the process holds nothing that would keep clients waiting when the process is killed."""

    def configure(layout: Layout) -> str:
        script = layout.write_app("parent.wsgi", PARENT)
        return f"WSGIDaemonProcess app threads=4\nWSGIScriptAlias / {script} process-group=app application-group=%{{GLOBAL}}\n"

    server = new_server(configure).start()
    pid = int(server.get("/").text)
    journal, gate = server.layout.scratch / "in", server.layout.scratch / "gate"
    running = [Call(server, f"/?entered={journal}&gate={gate}") for _ in range(2)]
    entered(journal, 2)
    assert int(server.get(f"/?child={gate}").text) == pid
    try:
        os.kill(pid, signal.SIGKILL)
        assert [call.result().status for call in running] == [502] * 2
        assert int(server.get("/").text) != pid
    finally:
        gate.touch()
    server.expect("WSGI0146: .*killed by signal 9", 2)
    server.allow(r"\[wsgi:")


@pytest.mark.ours(DIFFERS)
def test_url_of_a_hostile_client(new_server: Any) -> None:
    """What is logged of a URL is one line of printable characters, and not without an end."""
    server = new_server(one_group("processes=1 threads=2"), level=LEVEL).start()
    target = "/%0a%0dforged" + "/xxx" * 200
    pid = server.get(target).json()["pid"]
    os.kill(pid, signal.SIGSEGV)
    (line,) = server.expect(MINE.format(pid=pid) + "was killed by signal 11")
    last = life(line)["last"]
    assert last.startswith("GET /%0a%0dforged/xxx/xxx")
    assert len(last) < 300
    server.allow(r"\[wsgi:info\]|crashed: ")


# ---- out of memory -----------------------------------------------------------------------------

MEMORY = Path("/sys/fs/cgroup/memory")


@pytest.fixture
def limited() -> Iterator[Path]:
    """A control group (version 1) of 200 MiB, in which this process is for the time of a test."""
    group = MEMORY / f"wsgi-test-{os.getpid()}"
    mine = next((line for line in Path("/proc/self/cgroup").read_text().splitlines() if ":memory:" in line), "")
    try:
        group.mkdir()
        (group / "memory.limit_in_bytes").write_text(str(200 << 20))
    except OSError as error:
        pytest.skip(f"no control group of version 1 can be made: {error}")
    try:
        yield group
    finally:
        home = MEMORY / mine.rpartition(":")[2].lstrip("/")
        for pid in (group / "cgroup.procs").read_text().split():
            with contextlib.suppress(OSError):
                ((home if home.exists() else MEMORY) / "cgroup.procs").write_text(pid)
        wait_until(lambda: not (group / "cgroup.procs").read_text().strip(), "the control group is empty")
        group.rmdir()


GLUTTON = """
def application(environ, start_response):
    if environ["PATH_INFO"] == "/eat":
        kept = [bytearray(b"x") * (10 << 20) for _ in range(100)]
    start_response("200 OK", [("Content-Length", "4")])
    return [b"fine"]
"""


@pytest.mark.needs_root
@pytest.mark.ours(DIFFERS)
def test_out_of_memory(new_server: Any, limited: Path) -> None:
    """L1: the kernel kills a daemon for lack of memory: 502, and both lines say so."""

    def configure(layout: Layout) -> str:
        script = layout.write_app("glutton.wsgi", GLUTTON)
        return f"WSGIDaemonProcess app threads=2\nWSGIScriptAlias / {script} process-group=app application-group=%{{GLOBAL}}\n"

    server = new_server(configure)
    with contextlib.ExitStack() as stack:
        home = Path("/proc/self/cgroup").read_text()
        (limited / "cgroup.procs").write_text(str(os.getpid()))
        stack.callback(leave, home)
        server.start()
    assert server.get("/").body == b"fine"
    before = set(server.family())
    assert server.get("/eat").status == 502
    assert server.get("/").body == b"fine"
    words = r"was killed by signal 9 \(Killed\): out of memory, by the kernel"
    server.expect("WSGI0146: .* " + words + " before it answered")
    (line,) = server.expect(r"daemon group 'app': process \d+ " + words)
    assert int(life(line)["peak"]) > 100
    assert life(line)["last"] == "GET /eat"
    assert len([pid for pid in before if not is_alive(pid)]) == 1


def leave(home: str) -> None:
    """Back into the control group that this process was in."""
    path = next(line for line in home.splitlines() if ":memory:" in line).rpartition(":")[2]
    target = MEMORY / path.lstrip("/")
    ((target if target.exists() else MEMORY) / "cgroup.procs").write_text(str(os.getpid()))


# ---- make zoo ----------------------------------------------------------------------------------


def test_the_table_is_whole() -> None:
    """`make zoo` knows all rows: no two of one name, and each with a cause or a body."""
    text = subprocess.run(
        [sys.executable, "-c", "import zoo; print(len({str(r) for r in zoo.ROWS}), len(zoo.ROWS))"],
        cwd=Path(__file__).parent,
        stdout=subprocess.PIPE,
        text=True,
        timeout=60,
        check=True,
    ).stdout
    first, second = text.split()
    assert first == second
