# SPDX-License-Identifier: Apache-2.0
"""The monitor of a daemon: time-outs and limits that only the process itself can see, and stacks."""

from __future__ import annotations

import contextlib
import os
import re
import signal
import time

from collections.abc import Iterator
from pathlib import Path

import pytest

from conftest import Host
from test_interpreters import OWN_GIL, Extra, layer, version_of
from test_process import wait_for
from test_requests import OK, app, assert_fine
from wirefront import DRAINING, Answer, Daemon, Front, Gone, request_block

IGNORE_ACTIVITY = 0x20
REPORT = "WSGI1035"

# What a request does until the test lets it go: it waits at a named pipe, each in another way.
STUCK = """
import ctypes
import faulthandler
import os
import resource
import signal
import time

HERE = os.path.dirname(os.path.abspath(__file__))


def note(name):
    open(os.path.join(HERE, name), "w").close()


def is_open(name):
    return os.path.exists(os.path.join(HERE, name))


def sleep_in_python(name):
    while not is_open(name):
        time.sleep(0.05)


def work_in_python(name):
    while not is_open(name):
        sum(range(1000))


def read_in_c(library, name):
    descriptor = os.open(os.path.join(HERE, name), os.O_RDWR)
    library.read(descriptor, ctypes.create_string_buffer(1), 1)


def wait_in_c(name):
    read_in_c(ctypes.CDLL(None), name)


def hold_the_gil(name):
    read_in_c(ctypes.PyDLL(None), name)


def catch_all(name):
    while not is_open(name):
        try:
            time.sleep(0.05)
        except BaseException as error:
            note("caught-" + type(error).__name__)


def innocent(name):
    time.sleep(float(name))


def quick(name):
    return sum(range(20000))


def own_handlers(name):
    faulthandler.enable(file=open(os.path.join(HERE, "fault"), "w"))
    faulthandler.register(signal.SIGUSR2, file=open(os.path.join(HERE, "user"), "w"))
    sleep_in_python(name)


def memory(name):
    memory.kept = bytearray(int(name))


def starve(name):
    resource.setrlimit(resource.RLIMIT_NOFILE, (0, resource.getrlimit(resource.RLIMIT_NOFILE)[1]))


def forks(name):
    child = os.fork()
    if child == 0:
        sleep_in_python(name)
        os._exit(0)
    note("child-%d" % child)


def application(environ, start_response):
    name, argument = environ["QUERY_STRING"].split("=", 1)
    note("in-" + name)
    globals()[name](argument)
    start_response("200 OK", [])
    return [b"finished"]
"""


# In an interpreter with a GIL of its own, in which faulthandler cannot be imported.
HOLD_THE_OWN_GIL = """
import ctypes
import os

HERE = os.path.dirname(os.path.abspath(__file__))


def read_in_c():
    descriptor = os.open(os.path.join(HERE, "pipe"), os.O_RDWR)
    open(os.path.join(HERE, "in-hold_the_gil"), "w").close()
    ctypes.PyDLL(None).read(descriptor, ctypes.create_string_buffer(1), 1)


def application(environ, start_response):
    read_in_c()
    start_response("200 OK", [])
    return [b"finished"]
"""

# Without ctypes: C code that neither lets go of the GIL nor looks whether somebody wants it.
WORK_IN_C = """
import itertools
import os

HERE = os.path.dirname(os.path.abspath(__file__))


def work_in_c():
    return all(itertools.repeat(True, 10**12))


def application(environ, start_response):
    open(os.path.join(HERE, "in-work_in_c"), "w").close()
    work_in_c()
"""


@pytest.fixture
def stuck(host: Host) -> Path:
    """The script, with the named pipe that it waits at."""
    path = host.script(STUCK)
    os.mkfifo(path.parent / "pipe")
    return path


def start(host: Host, threads: int = 2, shutdown_timeout: int = 5, **options: int) -> Daemon:
    """A daemon with these options of a group."""
    extra: list[tuple[str, str | int | bytes]] = [(name.upper(), value) for name, value in options.items()]
    return host.start(threads=threads, shutdown_timeout=shutdown_timeout, extra=extra)


def ask(front: Front, script: Path, word: str, argument: str, group: str = "", flags: int = 2) -> None:
    """Sends a request and waits until it runs."""
    seen = script.parent / f"in-{word}"
    seen.unlink(missing_ok=True)
    front.begin(request_block(script, group, environ={"QUERY_STRING": f"{word}={argument}"}, flags=flags))
    wait_for(seen)


def get(front: Front, script: Path, word: str, argument: str, group: str = "", flags: int = 2) -> Answer:
    """A whole request."""
    return front.run(request_block(script, group, environ={"QUERY_STRING": f"{word}={argument}"}, flags=flags))


def let_go(script: Path, name: str) -> None:
    """Frees who waits at this pipe or for this file."""
    path = script.parent / name
    if path.is_fifo():
        descriptor = os.open(path, os.O_RDWR)
        os.write(descriptor, b"x")
        os.close(descriptor)
    else:
        path.touch()


def nothing_said(daemon: Daemon, seconds: float) -> bool:
    """The daemon sends no message meanwhile."""
    daemon.control.settimeout(seconds)
    with contextlib.suppress(TimeoutError):
        pytest.fail(f"the daemon said {daemon.message()}\n{daemon.log}")
    daemon.control.settimeout(30)
    return True


def report_of(daemon: Daemon, code: str) -> list[str]:
    """The lines of a report: the one with the code, and the frames below it."""
    assert daemon.wait_log(code), daemon.log
    lines = [line.lstrip("\x01")[1:] for line in daemon.lines]
    first = next(number for number, line in enumerate(lines) if code in line)
    last = first + 1
    while last < len(lines) and lines[last].startswith("  "):
        last += 1
    return lines[first:last]


# ---- request-timeout -----------------------------------------------------------------------------------

WAYS = [
    ("sleep_in_python", "gate", "time.sleep|in sleep_in_python", ""),
    ("work_in_python", "gate", "in work_in_python", ""),
    ("wait_in_c", "pipe", "in read_in_c", "in native code .*without the GIL"),
    ("hold_the_gil", "pipe", "in read_in_c", "in native code .*with the GIL held"),
    ("own_handlers", "gate", "in own_handlers", ""),
]


@pytest.mark.parametrize("group", ["", "sub"])
@pytest.mark.parametrize(("word", "argument", "frame", "where"), WAYS, ids=[way[0] for way in WAYS])
def test_a_stuck_request_is_reported(
    host: Host, stuck: Path, group: str, word: str, argument: str, frame: str, where: str
) -> None:
    """L2: one report with the request's own stack, also when the GIL is held inside C; others finish."""
    daemon = start(host, request_timeout=1)
    with daemon.front() as front, daemon.front() as other:
        get(other, stuck, "quick", "", group)
        if word != "hold_the_gil":
            ask(other, stuck, "innocent", "0.8", group)
        ask(front, stuck, word, argument, group)
        assert daemon.message() == "LEAVING REQUEST_TIMEOUT"
        report = report_of(daemon, REPORT)
        if word != "hold_the_gil":
            assert other.collect().body == b"finished"
        let_go(stuck, argument)
        assert front.collect().body == b"finished"
    head, stack = report[0], "\n".join(report[1:])
    for part in ("request abc123", "GET /app/path?a=b", "client 127.0.0.1", str(stuck), "s in the queue"):
        assert part in head, report
    assert re.search(where, head), report
    assert re.search(frame, stack), report
    assert f'File "{stuck}"' in stack
    assert stack.rstrip().endswith("in application"), report
    assert "innocent" not in stack
    assert daemon.log.count(REPORT) == 1
    assert nothing_said(daemon, 0.2)
    assert daemon.stop() == 0, daemon.log


def test_each_request_has_its_own_clock(host: Host, stuck: Path) -> None:
    """L13: twenty threads, one stuck request: it alone is over its time."""
    daemon = start(host, threads=20, request_timeout=2)
    fronts = [daemon.front() for _ in range(20)]
    with contextlib.ExitStack() as stack:
        for front in fronts:
            stack.enter_context(front)
        ask(fronts[0], stuck, "sleep_in_python", "gate")
        for front in fronts[1:]:
            front.begin(request_block(stuck, environ={"QUERY_STRING": "innocent=1"}))
        assert [front.collect().body for front in fronts[1:]] == [b"finished"] * 19
        assert daemon.message() == "LEAVING REQUEST_TIMEOUT"
        let_go(stuck, "gate")
        assert fronts[0].collect().body == b"finished"
    assert daemon.log.count(REPORT) == 1


def test_a_stuck_request_does_not_hold_up_the_drain(host: Host, stuck: Path) -> None:
    """It is not waited for, and the exit functions run all the same."""
    text = "import atexit\natexit.register(lambda: print('exit function', flush=True))\n"
    host.script(text + STUCK)
    daemon = start(host, shutdown_timeout=20, request_timeout=1)
    with daemon.front() as front:
        ask(front, stuck, "sleep_in_python", "gate")
        assert daemon.message() == "LEAVING REQUEST_TIMEOUT"
        daemon.tell("DRAIN", "REQUEST_TIMEOUT")
        assert daemon.wait() == 0, daemon.log
        with pytest.raises(Gone):
            front.collect()
    assert daemon.log.count("exit function") == 1


def test_without_a_supervisor_the_process_ends_itself(host: Host, stuck: Path) -> None:
    """Nobody answers LEAVING: it drains as long as graceful-timeout says, and goes."""
    daemon = start(host, graceful_timeout=1, shutdown_timeout=1)
    with daemon.front() as front, daemon.front():
        ask(front, stuck, "sleep_in_python", "gate")
        daemon.control.close()
        assert daemon.wait() == 70, daemon.log
    assert "in sleep_in_python" in daemon.log


# ---- interrupt-timeout ---------------------------------------------------------------------------------


@pytest.mark.parametrize("group", ["", "sub"])
@pytest.mark.parametrize("word", ["sleep_in_python", "work_in_python"])
def test_request_timeout_is_raised(host: Host, stuck: Path, group: str, word: str) -> None:
    daemon = start(host, threads=1, request_timeout=1, interrupt_timeout=20)
    with daemon.front() as front:
        ask(front, stuck, word, "never", group)
        answer = front.collect()
        assert (answer.end.status, answer.end.code) == (504, 1030), daemon.log
        assert_fine(get(front, stuck, "quick", "", group))
    report = report_of(daemon, "mod_wsgi.RequestTimeout is raised in it")
    assert "request abc123" in report[0]
    assert word in "".join(report[1:])
    assert REPORT not in daemon.log
    assert nothing_said(daemon, 0.2)
    assert daemon.stop() == 0, daemon.log


def test_a_request_that_ignores_it_is_reported(host: Host, stuck: Path) -> None:
    daemon = start(host, request_timeout=1, interrupt_timeout=1)
    with daemon.front() as front:
        ask(front, stuck, "catch_all", "gate")
        assert daemon.message() == "LEAVING REQUEST_TIMEOUT"
        assert (stuck.parent / "caught-RequestTimeout").exists()
        assert "interrupt-timeout (1 s)" in report_of(daemon, REPORT)[0]
        let_go(stuck, "gate")
        assert front.collect().body == b"finished"
    assert daemon.stop() == 0, daemon.log


@pytest.mark.parametrize("group", ["", "sub"])
def test_native_code_is_reported_when_it_cannot_be_interrupted(host: Host, stuck: Path, group: str) -> None:
    """The exception that came too late goes with the request; the next one on the thread is fine."""
    daemon = start(host, threads=1, request_timeout=1, interrupt_timeout=1)
    with daemon.front() as front:
        ask(front, stuck, "wait_in_c", "pipe", group)
        assert daemon.message() == "LEAVING REQUEST_TIMEOUT"
        let_go(stuck, "pipe")
        answer = front.collect()
        assert answer.end.code == 1030 or answer.body == b"finished"
        for _ in range(20):
            assert_fine(get(front, stuck, "quick", "", group))
    assert daemon.stop() == 0, daemon.log


@pytest.mark.parametrize("group", ["", "sub"])
def test_an_interrupt_never_hits_another_request(host: Host, stuck: Path, group: str) -> None:
    """Requests that end in the very moment in which they are interrupted; behind each come others."""
    daemon = start(host, threads=8, request_timeout=1, interrupt_timeout=20)
    seen = {0: 0, 1030: 0}
    with contextlib.ExitStack() as stack:
        fronts = [stack.enter_context(daemon.front()) for _ in range(8)]
        for turn in range(3):
            for number, front in enumerate(fronts):
                seconds = 0.985 + 0.004 * (number + turn % 2 * 0.5)
                front.begin(request_block(stuck, group, environ={"QUERY_STRING": f"innocent={seconds}"}))
            for front in fronts:
                end = front.collect().end
                assert end.code in seen, end
                seen[end.code] += 1
                for _ in range(10):
                    assert_fine(get(front, stuck, "quick", "", group))
    assert sum(seen.values()) == 24
    assert all(seen.values()), f"the moment was not met: {seen}"
    assert daemon.stop() == 0, daemon.log


@pytest.mark.parametrize("group", ["", "sub"])
def test_an_interrupt_that_comes_too_late_is_taken_back(host: Host, stuck: Path, group: str) -> None:
    """No line of Python runs in the request any more: it must not run in the next one either."""
    script = host.script(
        app(OK + f"return map(os.read, [os.open({str(stuck.parent / 'pipe')!r}, os.O_RDWR)], [1])", "import os"),
        "late.wsgi",
    )
    daemon = start(host, threads=1, request_timeout=1, interrupt_timeout=1)
    with daemon.front() as front:
        front.begin(request_block(script, group))
        assert daemon.message() == "LEAVING REQUEST_TIMEOUT"
        let_go(stuck, "pipe")
        assert front.collect().body == b"x"
        assert_fine(get(front, stuck, "quick", "", group))
    assert daemon.stop() == 0, daemon.log


# ---- startup-timeout -----------------------------------------------------------------------------------

SLOW_IMPORT = "import os, time\nwhile not os.path.exists(__file__ + '.gate'):\n    time.sleep(0.05)\n"


def test_an_import_that_hangs(host: Host) -> None:
    """L16: slow start is not stuck; startup-timeout counts for it, says where it hangs, once."""
    script = host.script(SLOW_IMPORT + app(OK + "return [b'there']"))
    daemon = start(host, threads=2, startup_timeout=2, request_timeout=1)
    with daemon.front() as front, daemon.front() as other:
        front.begin(request_block(script))
        assert daemon.message() == "LEAVING STARTUP_TIMEOUT"
        assert daemon.wait_log("in <module>"), daemon.log
        other.begin(request_block(script))
        assert other.collect().reject == DRAINING
        Path(f"{script}.gate").touch()
        assert front.collect().body == b"there"
    assert daemon.log.count("WSGI1032") == 1
    assert f'File "{script}", line 3 in <module>' in daemon.log
    assert REPORT not in daemon.log
    assert daemon.stop() == 0, daemon.log


@pytest.mark.parametrize("group", ["", "sub"])
def test_a_preload_that_hangs(host: Host, group: str) -> None:
    """The process was never ready: it ends with a status of its own, and the log says where."""
    script = host.script(SLOW_IMPORT)
    extra: list[tuple[str, str | int | bytes]] = [
        ("STARTUP_TIMEOUT", 1),
        ("PRELOAD_GROUP", group),
        ("PRELOAD_SCRIPT", str(script)),
    ]
    daemon = host.start(ready=False, extra=extra)
    assert daemon.wait() == 77, daemon.log
    assert daemon.log.count("WSGI1032") == 1
    assert f'File "{script}", line 3 in <module>' in daemon.log


def test_a_long_import_is_not_over_its_time(host: Host) -> None:
    """L16: the time of a request begins when its script is there, also of the ones that waited for it."""
    script = host.script("import time\ntime.sleep(2)\n" + app(OK + "return [b'there']"))
    daemon = start(host, request_timeout=1, startup_timeout=30)
    with daemon.front() as front, daemon.front() as other:
        front.begin(request_block(script))
        other.begin(request_block(script))
        assert front.collect().body == other.collect().body == b"there"
    assert REPORT not in daemon.log
    assert nothing_said(daemon, 0.1)


def test_the_first_success_ends_the_startup_clock(host: Host) -> None:
    slow = host.script("import time\ntime.sleep(2)\n" + app(OK + "return [b'there']"), "slow.wsgi")
    quick = host.script(app(OK + "return [b'there']"), "quick.wsgi")
    daemon = start(host, startup_timeout=1)
    with daemon.front() as front:
        assert_fine(front.run(request_block(quick)))
        assert_fine(front.run(request_block(slow)))
    assert "WSGI1032" not in daemon.log


# ---- deadlock-timeout ----------------------------------------------------------------------------------


def test_a_gil_that_is_not_to_be_had(host: Host, stuck: Path) -> None:
    """All stacks are logged; requests are left to others, and nothing else disables it."""
    daemon = start(host, deadlock_timeout=1)
    with daemon.front() as front, daemon.front() as other:
        ask(front, stuck, "hold_the_gil", "pipe")
        assert daemon.message() == "LEAVING DEADLOCK"
        assert daemon.wait_log("in read_in_c"), daemon.log
        other.begin(request_block(stuck, environ={"QUERY_STRING": "quick="}))
        assert other.collect().reject == DRAINING
        let_go(stuck, "pipe")
        assert front.collect().body == b"finished"
    assert daemon.log.count("WSGI1033") == 1
    assert "The main thread" in daemon.log
    assert daemon.stop() == 0, daemon.log


@pytest.mark.parametrize("way", ["hold_the_gil", "work_in_c"])
def test_the_own_gil_of_an_interpreter(host: Host, stuck: Path, python: str, way: str) -> None:
    """It is found and named, also while the main interpreter and another one have their GIL and answer."""
    if version_of(python) < (3, 12):
        pytest.skip("no interpreter has a GIL of its own before Python 3.12")
    if way == "hold_the_gil" and version_of(python) < (3, 13):
        pytest.skip("ctypes cannot be imported there before Python 3.13")
    own: Extra = [("DEADLOCK_TIMEOUT", 2), *layer("", flags={OWN_GIL: True})]
    daemon = host.start(threads=4, extra=own)
    script = host.script(HOLD_THE_OWN_GIL if way == "hold_the_gil" else WORK_IN_C)
    hello = host.script(app(OK + "return [b'hello']"), "hello.wsgi")
    with daemon.front() as front, daemon.front() as main, daemon.front() as other:
        assert main.run(request_block(hello, "")).body == b"hello"
        assert other.run(request_block(hello, "other")).body == b"hello"
        assert front.run(request_block(hello, "held")).body == b"hello", "the interpreter is there"
        ask(front, script, way, "pipe", "held")
        assert main.run(request_block(hello, "")).body == b"hello", "the main one has its own"
        assert other.run(request_block(hello, "other")).body == b"hello"
        assert daemon.message() == "LEAVING DEADLOCK"
        (line,) = [line for line in daemon.lines if "WSGI1033" in line]
        assert "the GIL of interpreter 'held' could not be had for deadlock-timeout of 2 s" in line
        assert daemon.wait_log("in read_in_c" if way == "hold_the_gil" else "in work_in_c"), daemon.log
        main.begin(request_block(hello, ""))
        assert main.collect().reject == DRAINING, "another process takes them"
        if way == "hold_the_gil":
            let_go(stuck, "pipe")
            assert front.collect().body == b"finished"
    if way == "hold_the_gil":
        assert daemon.stop() == 0, daemon.log
    assert daemon.log.count("WSGI1033") == 1


def test_own_gils_that_work_are_no_deadlock(host: Host, python: str) -> None:
    """Two interpreters compute in Python at once, each under its own GIL."""
    if version_of(python) < (3, 12):
        pytest.skip("no interpreter has a GIL of its own before Python 3.12")
    daemon = host.start(threads=2, extra=[("DEADLOCK_TIMEOUT", 1), *layer("", flags={OWN_GIL: True})])
    spin = app(OK + "end = time.monotonic() + 3\nwhile time.monotonic() < end:\n    pass\nreturn [b'x']", "import time")
    script = host.script(spin)
    with daemon.front() as front, daemon.front() as other:
        front.begin(request_block(script, "one"))
        other.begin(request_block(script, "two"))
        assert front.collect().body == other.collect().body == b"x"
    assert "WSGI1033" not in daemon.log
    assert daemon.stop() == 0, daemon.log


def test_a_busy_process_is_no_deadlock(host: Host, stuck: Path) -> None:
    daemon = start(host, deadlock_timeout=1)
    with daemon.front() as front, daemon.front() as other:
        ask(front, stuck, "work_in_python", "gate")
        ask(other, stuck, "innocent", "2.5")
        assert other.collect().body == b"finished"
        let_go(stuck, "gate")
        assert front.collect().body == b"finished"
    assert "WSGI1033" not in daemon.log
    assert daemon.stop() == 0, daemon.log


# ---- inactivity-timeout --------------------------------------------------------------------------------


def test_inactivity(host: Host, stuck: Path) -> None:
    """It begins with the first request, and a running one counts as activity."""
    daemon = start(host, inactivity_timeout=1)
    assert nothing_said(daemon, 1.5)
    with daemon.front() as front:
        ask(front, stuck, "innocent", "1.6")
        assert nothing_said(daemon, 1.4)
        assert front.collect().body == b"finished"
        assert daemon.message() == "LEAVING INACTIVITY"
        assert_fine(get(front, stuck, "quick", ""))
    assert daemon.stop() == 0, daemon.log


def test_requests_that_are_no_activity(host: Host, stuck: Path) -> None:
    """WSGIIgnoreActivity: they neither begin the time nor push it back."""
    daemon = start(host, inactivity_timeout=1)
    with daemon.front() as front:
        assert_fine(get(front, stuck, "quick", "", flags=2 | IGNORE_ACTIVITY))
        assert nothing_said(daemon, 1.5)
        assert_fine(get(front, stuck, "quick", ""))
        daemon.control.setblocking(False)
        until = time.monotonic() + 20
        message = ""
        while not message:
            assert_fine(get(front, stuck, "quick", "", flags=2 | IGNORE_ACTIVITY))
            with contextlib.suppress(BlockingIOError):
                message = daemon.message()
            assert time.monotonic() < until, "requests that are ignored push it back"
    assert message == "LEAVING INACTIVITY"


def resting(pid: int) -> set[str]:
    """Threads that sleep just now; one that asks again and again never does, however little time it gets."""
    tasks = Path(f"/proc/{pid}/task").iterdir()
    return {task.name for task in tasks if (task / "stat").read_text().rpartition(")")[2].split()[0] == "S"}


def test_a_process_without_descriptors_rests(host: Host, stuck: Path) -> None:
    """An application may take them all away: poll() refuses then, which is no reason to ask again and again."""
    daemon = start(host, request_timeout=1)
    with daemon.front() as front:
        assert_fine(get(front, stuck, "starve", "all"))
        assert nothing_said(daemon, 1.5), "the monitor has looked at its clock since"
        threads = {task.name for task in Path(f"/proc/{daemon.pid}/task").iterdir()}
        rested = set().union(*(resting(daemon.pid) for _ in range(200) if nothing_said(daemon, 0.01)))
        assert rested == threads
        assert "Errno 24" in get(front, stuck, "memory", "1").log_text, "it serves"


# ---- limits and signals --------------------------------------------------------------------------------


def test_memory_limit(host: Host, stuck: Path) -> None:
    daemon = start(host, memory_limit=200 << 20)
    with daemon.front() as front:
        assert_fine(get(front, stuck, "memory", str(20 << 20)))
        assert nothing_said(daemon, 1.5)
        assert_fine(get(front, stuck, "memory", str(195 << 20)))
        assert daemon.message() == "LEAVING MEMORY"
    assert "95 % of memory-limit" in daemon.log


def test_memory_limit_that_is_too_low(host: Host) -> None:
    """It says so, and does not replace one process after the other."""
    daemon = start(host, memory_limit=1 << 20)
    assert daemon.wait_log("memory-limit of 1048576 bytes is too low"), daemon.log
    assert nothing_said(daemon, 0.2)


@pytest.mark.parametrize(
    ("number", "eviction", "why", "reason"),
    [
        (signal.SIGUSR1, 0, "GRACEFUL", "graceful_signal"),
        (signal.SIGUSR1, 9, "EVICTION", "eviction_signal"),
        (signal.SIGXCPU, 0, "CPU_TIME", "cpu_time_limit"),
    ],
)
def test_signals_say_why(host: Host, number: signal.Signals, eviction: int, why: str, reason: str) -> None:
    script = host.script(
        "import mod_wsgi\n@mod_wsgi.subscribe_shutdown\ndef stopping(name, **more):\n"
        "    print('told', more['shutdown_reason'], flush=True)\n" + app(OK + "return []")
    )
    daemon = start(host, eviction_timeout=eviction, cpu_time_limit=7)
    with daemon.front() as front:
        assert_fine(front.run(request_block(script)))
        for _ in range(3):
            os.kill(daemon.pid, number)
        assert daemon.message() == f"LEAVING {why}"
        assert_fine(front.run(request_block(script)))
    assert nothing_said(daemon, 0.2)
    assert daemon.stop() == 0, daemon.log
    assert f"told {reason}" in daemon.log
    assert daemon.log.count("cpu-time-limit of 7 s") == (number == signal.SIGXCPU)


# ---- the end -------------------------------------------------------------------------------------------


def hang_at_exit(how: str) -> str:
    """A script whose exit function never comes back."""
    ways = {
        "sleep": "time.sleep(3600)",
        "gil": "ctypes.PyDLL(None).read(os.pipe()[0], ctypes.create_string_buffer(1), 1)",
        "finaliser": "threading.Lock().acquire() and LOCK.acquire()",
    }
    return (
        "import atexit, ctypes, os, threading, time\nLOCK = threading.Lock()\nLOCK.acquire()\n"
        f"def culprit():\n    {ways[how]}\natexit.register(culprit)\n" + app(OK + "return []")
    )


@pytest.mark.parametrize("group", ["", "sub"])
@pytest.mark.parametrize("how", ["sleep", "gil", "finaliser"])
def test_an_end_that_hangs(host: Host, how: str, group: str) -> None:
    """L7: it is cut at shutdown-timeout, and the log has the stack of the culprit."""
    daemon = start(host, shutdown_timeout=1)
    with daemon.front() as front:
        assert_fine(front.run(request_block(host.script(hang_at_exit(how)), group)))
    daemon.tell("STOP")
    assert daemon.wait() == 70
    assert daemon.log.count("WSGI1034") == 1
    assert "in culprit" in daemon.log


def test_a_thread_that_does_not_end(host: Host) -> None:
    """L7: a thread that is no daemon thread is waited for, and named."""
    text = (
        "import threading, time\ndef culprit():\n    time.sleep(3600)\n"
        "threading.Thread(target=culprit, daemon=False).start()\n" + app(OK + "return []")
    )
    daemon = start(host, shutdown_timeout=1)
    with daemon.front() as front:
        assert_fine(front.run(request_block(host.script(text))))
    daemon.tell("STOP")
    assert daemon.wait() == 70
    assert "in culprit" in daemon.log


def test_threads_and_executors_at_the_end(host: Host) -> None:
    """L6: daemon threads, executors, a callback at exit: each end is an orderly one."""
    text = (
        "import atexit, concurrent.futures, threading, time\n"
        "def spin():\n    while True:\n        sum(range(1000))\n"
        "for _ in range(2):\n    threading.Thread(target=spin, daemon=True).start()\n"
        "pool = concurrent.futures.ThreadPoolExecutor(4)\n"
        "list(pool.map(time.sleep, [0.001] * 8))\n"
        "atexit.register(lambda: print('exit function', flush=True))\n" + app(OK + "return []")
    )
    script = host.script(text)
    for turn in range(4):
        daemon = start(host, request_timeout=60, interrupt_timeout=1, deadlock_timeout=1)
        with daemon.front() as front:
            assert_fine(front.run(request_block(script, ["", "sub"][turn % 2])))
        assert daemon.stop() == 0, daemon.log
        assert daemon.log.count("exit function") == 1


# ---- forked processes ----------------------------------------------------------------------------------


def children_of(stuck: Path) -> Iterator[int]:
    """Pids that the application noted."""
    for path in stuck.parent.glob("child-*"):
        yield int(path.name.split("-")[1])


def test_a_forked_process_is_quiet(host: Host, stuck: Path) -> None:
    """It has no monitor, and what it does is no request's time."""
    daemon = start(host, request_timeout=1, deadlock_timeout=1, inactivity_timeout=60)
    with daemon.front() as front:
        assert_fine(get(front, stuck, "forks", "gate"))
        (child,) = children_of(stuck)
        assert len(os.listdir(f"/proc/{child}/task")) == 1
        os.kill(child, signal.SIGRTMAX - 2)
        assert nothing_said(daemon, 1.5)
        assert Path(f"/proc/{child}").exists()
        let_go(stuck, "gate")
    assert "WSGI10" not in daemon.log
    assert daemon.stop() == 0, daemon.log


def test_idle_means_asleep(host: Host, stuck: Path) -> None:
    """Without a probe nothing ticks: the monitor of an idle process does not run at all."""
    daemon = start(host, request_timeout=60, interrupt_timeout=1, startup_timeout=60)

    def switches() -> int:
        return sum(
            int(found)
            for status in Path(f"/proc/{daemon.pid}/task").glob("*/status")
            for found in re.findall(r"voluntary_ctxt_switches:\s+(\d+)", status.read_text())
        )

    with daemon.front() as front:
        assert_fine(get(front, stuck, "quick", ""))
        until = time.monotonic() + 20
        before = -1
        while before != (before := switches()):
            time.sleep(1.2)  # longer than a tick
            assert time.monotonic() < until, "something ticks"
