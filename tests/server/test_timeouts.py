# SPDX-License-Identifier: Apache-2.0
"""Time-outs and limits of a daemon process, seen from outside: what is logged, who is replaced, who is served.

The finer points (which thread, which moment, GIL held or not, each version of Python) are in tests/engine/test_monitor.py.
"""

from __future__ import annotations

import os
import re
import signal

from collections.abc import Callable
from typing import Any

import pytest

from harness import Layout, Server, wait_until
from harness.calls import Call, entered
from harness.processes import is_alive

APP = """
import atexit
import ctypes
import os
import resource
import threading
import time

import mod_wsgi

SCRATCH = os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), "scratch")
{top}


def note(name, word):
    with open(os.path.join(SCRATCH, name), "a") as out:
        out.write(word + "\\n")


def sleep(name):
    while not os.path.exists(os.path.join(SCRATCH, name)):
        time.sleep(0.02)


def native(name):
    library = ctypes.CDLL(None)
    while not os.path.exists(os.path.join(SCRATCH, name)):
        library.usleep(200000)


def hold(name):
    library = ctypes.PyDLL(None)
    descriptor = os.open(os.path.join(SCRATCH, name), os.O_RDWR)
    library.read(descriptor, ctypes.create_string_buffer(1), 1)


def burn(name):
    while not os.path.exists(os.path.join(SCRATCH, name)):
        sum(range(1000))


def grow(name):
    limit = resource.getrlimit(resource.RLIMIT_DATA)[0]
    with open("/proc/self/status") as lines:
        used = next(int(line.split()[1]) * 1024 for line in lines if line.startswith("VmData:"))
    grow.kept = bytearray(limit * int(name) // 100 - used)


def threads(name):
    import concurrent.futures
    threading.Thread(target=sleep, args=(name,), daemon=True).start()
    threads.pool = concurrent.futures.ThreadPoolExecutor(3)
    list(threads.pool.map(time.sleep, [0.001] * 6))


@mod_wsgi.subscribe_shutdown
def stopping(name, **more):
    note("reasons", more["shutdown_reason"])


def application(environ, start_response):
    word, _, argument = environ["QUERY_STRING"].partition("=")
    if word:
        note("in", str(os.getpid()))
        globals()[word](argument)
    body = str(os.getpid()).encode()
    start_response("200 OK", [("Content-Type", "text/plain"), ("Content-Length", str(len(body)))])
    return [body]
"""


def group(options: str, top: str = "", more: str = "WSGIApplicationGroup %{GLOBAL}") -> Callable[[Layout], str]:
    """One group with these options, and the script at the root, which is loaded by the first request."""

    def configure(layout: Layout) -> str:
        script = layout.write_app("timeouts.wsgi", APP.replace("{top}", top))
        return (
            f"WSGIDaemonProcess app {options}\n{more.replace('@SCRIPT@', str(script))}\n"
            f"WSGIScriptAlias / {script} process-group=app\n"
        )

    return configure


def pid_of(server: Server) -> int:
    """Who serves now."""
    return int(server.get("/").text)


def replaced(server: Server, former: int) -> int:
    """Waits until another process serves."""
    return wait_until(lambda: (pid := pid_of(server)) != former and pid, f"process {former} is replaced")


def lines_below(server: Server, code: int) -> list[str]:
    """The report with this code: its line, and the frames under it."""
    pattern = f"WSGI{code}: "
    wait_until(lambda: [line for line in server.log().lines() if pattern in line.text], f"WSGI{code} is logged")
    lines = [line.message or line.text for line in server.log().lines()]
    first = next(number for number, line in enumerate(lines) if pattern in line)
    frames = []
    for line in lines[first + 1 :]:
        if not line.startswith("  "):
            break
        frames.append(line)
    return [lines[first], *frames]


def allow_report(server: Server) -> None:
    """What a report consists of is looked at by itself."""
    for pattern in (
        r"WSGI103[2-5]: ",
        r'^\[[^\]]*\] \[\w+:error\] \[pid \d+[^\]]*\]   File "',
        r"The main thread \(",
        r"A thread",
    ):
        server.allow(pattern)
    server.allow(r'\]   (File "|\.\.\.)')
    server.allow(r"WSGI1031: request-timeout \(")  # of the front, about the same request
    server.allow(r"A script is being loaded in interpreter ''; its thread is ")


New = Callable[..., Server]


# ---- requests ---------------------------------------------------------------------------------------


@pytest.mark.ours("D730: the log has the stack of the request, and the time is not scaled by the number of threads")
@pytest.mark.parametrize(("word", "frame"), [("sleep", "in sleep"), ("native", "in native")])
def test_a_stuck_request(new_server: New, word: str, frame: str) -> None:
    """L2, L13: twenty threads, one stuck request: its own stack is logged, the others finish, the process is replaced."""
    server = new_server(group("threads=20 request-timeout=2")).start()
    former = pid_of(server)
    stuck = Call(server, f"/?{word}=stuck")
    entered(server.layout.scratch / "in")
    others = [Call(server, "/?sleep=others") for _ in range(15)]
    entered(server.layout.scratch / "in", 16)
    (server.layout.scratch / "others").touch()
    assert [call.result().status for call in others] == [200] * 15
    reply = stuck.result()
    assert reply.status == 504
    report = lines_below(server, 1035)
    assert replaced(server, former)
    assert f"request {reply.get('X-Request-ID')} " in report[0]
    (server.layout.scratch / "stuck").touch()
    head, frames = report[0], "\n".join(report[1:])
    assert re.search(rf"request \S+ \(GET /\?{word}=stuck, client 127\.0\.0\.1, ", head), head
    assert "s in the queue" in head
    assert frame in frames, frames
    assert "in application" in frames
    if word == "native":
        assert "in native code" in head, head
    assert len([line for line in server.log().lines() if "WSGI1035" in line.text]) == 1
    wait_until(lambda: not is_alive(former), "the process goes when its request has ended")
    allow_report(server)


@pytest.mark.ours("D731: an interrupted request is answered with a page, and has one error line")
def test_a_request_that_is_interrupted(new_server: New) -> None:
    """504 with a code; the process serves on."""
    server = new_server(group("threads=2 request-timeout=1 interrupt-timeout=20")).start()
    former = pid_of(server)
    reply = server.get("/?sleep=never")
    assert reply.status == 504
    assert "WSGI1030" in reply.text
    (line,) = server.expect(r"mod_wsgi\.RequestTimeout is raised in it; its thread is ")
    assert "GET /?sleep=never" in line.text
    server.allow(r'\]   File "')
    server.expect_code(1030)
    assert pid_of(server) == former


# ---- starting ---------------------------------------------------------------------------------------

HANG = 'if not os.path.exists(os.path.join(SCRATCH, "import")):\n    while True: time.sleep(0.02)'


@pytest.mark.ours("D732: the log says where the import hangs")
def test_an_import_that_hangs(new_server: New) -> None:
    """L16: startup-timeout ends it, once, with its stack; the next process is another try."""
    server = new_server(group("threads=2 request-timeout=1 startup-timeout=3", HANG)).start()
    call = Call(server, "/")
    report = lines_below(server, 1032)
    assert "startup-timeout of 3 s" in report[0]
    wait_until(lambda: [x for x in server.log().lines() if "in <module>" in x.text], "the stack is logged")
    (server.layout.scratch / "import").touch()
    wait_until(lambda: server.get("/").status == 200, "the next process loads it")
    assert not [line for line in server.log().lines() if re.search("WSGI103[15]", line.text)]
    call.join(30)
    allow_report(server)
    server.allow(r"daemon group 'app': process \d+ ended itself, its end took longer")
    server.allow(r"WSGI\d{4}: ")  # how the first request ended is test_daemon.py's affair


@pytest.mark.ours("D732: the log says where the import hangs")
def test_a_preload_that_hangs(new_server: New) -> None:
    """L16: the process is never ready; it ends, the log says why, and there is a back-off."""
    more = "WSGIApplicationGroup %{GLOBAL}\nWSGIImportScript @SCRIPT@ process-group=app application-group=%{GLOBAL}"
    server = new_server(group("threads=2 startup-timeout=1", HANG, more)).start()
    lines_below(server, 1032)
    ended = r"ended: its scripts were not loaded within startup-timeout.*another one starts in"
    wait_until(lambda: server.log().matching(ended), "the supervisor says so")
    (server.layout.scratch / "import").touch()
    wait_until(lambda: server.get("/").status == 200, "the next process loads it", 60)
    allow_report(server)
    server.allow(r"ended: its scripts were not loaded")
    server.allow(r"WSGI0116|WSGI1000")


# ---- the GIL ----------------------------------------------------------------------------------------


@pytest.mark.ours("D733: the log has all stacks, and the other process is there first")
def test_a_gil_that_is_held(new_server: New) -> None:
    """deadlock-timeout, with request-timeout off: nothing disables the other."""
    server = new_server(group("threads=4 deadlock-timeout=1")).start()
    os.mkfifo(server.layout.scratch / "pipe")
    os.chmod(server.layout.scratch / "pipe", 0o666)
    former = pid_of(server)
    call = Call(server, "/?hold=pipe")
    lines_below(server, 1033)
    wait_until(lambda: [x for x in server.log().lines() if "in hold" in x.text], "the culprit's stack is logged")
    assert replaced(server, former)
    descriptor = os.open(server.layout.scratch / "pipe", os.O_RDWR)
    os.write(descriptor, b"x")
    call.join(30)
    os.close(descriptor)
    allow_report(server)
    server.allow(r"WSGI0146: ")  # nothing waits for what such a process has


# ---- limits -----------------------------------------------------------------------------------------


def planned(words: str) -> str:
    """What the supervisor says of an end that was planned."""
    return rf"as planned \({words}\)"


@pytest.mark.parametrize(
    ("options", "target", "words", "reason"),
    [
        ("inactivity-timeout=1", "/", "it had nothing to do for its inactivity-timeout", "inactivity_timeout"),
        ("cpu-time-limit=1 shutdown-timeout=30", "/?burn=stop", "its cpu-time-limit is used up", "cpu_time_limit"),
        ("memory-limit=600000000", "/?grow=97", "its memory-limit is used up", "memory_limit"),
    ],
    ids=["inactivity", "cpu", "memory"],
)
@pytest.mark.ours("D734: the other process is there first, and the limit of memory is seen before it is met")
def test_limits(new_server: New, options: str, target: str, words: str, reason: str) -> None:
    """The process is replaced, by one that is ready first; the application learns why."""
    server = new_server(group(f"threads=2 {options}"), level="info").start()
    former = pid_of(server)
    call = Call(server, target)
    log = server.log()

    def gone() -> Any:
        (server.layout.scratch / "stop").touch()
        return log.matching(planned(words))

    if "burn" in target:
        wait_until(lambda: log.matching(r"has used its cpu-time-limit"), "the limit is met")
    wait_until(gone, f"the process goes: {words}", 30)
    assert call.result().status == 200
    assert pid_of(server) != former
    assert reason in (server.layout.scratch / "reasons").read_text().split()
    server.allow(r":(info|warn)\]|:notice\]")


@pytest.mark.parametrize(("options", "reason"), [("", "graceful_signal"), ("eviction-timeout=9", "eviction_signal")])
def test_a_signal_says_why(new_server: New, options: str, reason: str) -> None:
    """SIGUSR1: eviction when there is a time for it."""
    server = new_server(group(f"threads=2 {options}")).start()
    former = pid_of(server)
    os.kill(former, signal.SIGUSR1)
    replaced(server, former)
    wait_until(lambda: not is_alive(former), "the former process has ended")
    assert (server.layout.scratch / "reasons").read_text().split() == [reason]


# ---- the end ----------------------------------------------------------------------------------------

CULPRITS = {
    "sleep": "time.sleep(3600)",
    "gil": "ctypes.PyDLL(None).read(os.pipe()[0], ctypes.create_string_buffer(1), 1)",
}


@pytest.mark.ours("D735: the log has the stack of what holds up the end")
@pytest.mark.parametrize("how", sorted(CULPRITS))
def test_an_end_that_hangs(new_server: New, how: str) -> None:
    """L7: the end is cut at shutdown-timeout, and the log has the stack of the culprit."""
    top = f"def culprit():\n    {CULPRITS[how]}\natexit.register(culprit)"
    server = new_server(group("threads=2 shutdown-timeout=2", top)).start()
    former = pid_of(server)
    os.kill(former, signal.SIGTERM)
    wait_until(lambda: not is_alive(former), "it ends all the same", 20)
    wait_until(lambda: [x for x in server.log().lines() if "in culprit" in x.text], "the culprit's stack is logged")
    lines_below(server, 1034)
    pid_of(server)
    server.stop()
    allow_report(server)
    server.allow(r"daemon group 'app': process \d+ (ended itself, its end took longer|did not end within)")
    server.allow(r"daemon group 'app': process \d+ was killed")


def test_many_ends(new_server: New) -> None:
    """L6: daemon threads and executors that run, and one reload after the other: no end is a crash."""
    server = new_server(group("threads=3 shutdown-timeout=20 request-timeout=20 interrupt-timeout=5")).start()
    script = server.layout.apps / "timeouts.wsgi"
    text = script.read_text()
    pids = set()
    for turn in range(25):
        pids.add(int(server.get("/?threads=never").text))
        server.layout.write_app("timeouts.wsgi", f"{text}\n# {turn}\n")
    wait_until(lambda: sum(map(is_alive, pids)) <= 1, "all but the last have ended", 60)
    assert len(pids) == 25
    assert not server.log().matching(r"by signal|core dumped|exit status")
