# SPDX-License-Identifier: Apache-2.0
"""Processes and threads as an application sees them: their end, recycling, event loops, time zone."""

from __future__ import annotations

import re
import signal

from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from harness import Layout, Line, Server, wait_until
from harness.calls import Load
from harness.processes import descriptors, is_alive

APP = '''
import asyncio
import atexit
import json
import os
import signal
import sys
import threading
import time

SCRATCH = os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), "scratch")
ME = [os.path.basename(__file__), str(os.getpid())]


def note(word):
    with open(os.path.join(SCRATCH, "journal"), "a") as out:
        out.write(" ".join([*ME, word]) + "\\n")


def slow():
    time.sleep(1)
    note("thread")


def linger():
    atexit.register(note, "atexit")
    threading.Thread(target=slow, daemon=False).start()
    return "lingers"


def loops():
    """What asyncio.run() gives, a hundred times on this thread."""
    async def one(number):
        await asyncio.sleep(0)
        return number
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        pass
    else:
        return "a loop runs already"
    found = [asyncio.run(one(number)) for number in range(100)]
    return {"thread": threading.get_ident(), "right": found == list(range(100))}


def zone():
    print("said at home", file=sys.stderr)
    os.environ["TZ"] = "Asia/Tokyo"
    time.tzset()
    print("said in Tokyo", file=sys.stderr)
    return time.strftime("%z")


def handler():
    mine = lambda number, frame: None
    return signal.signal(signal.SIGUSR2, mine) is mine


def model(environ):
    return [environ["wsgi.multithread"], environ["wsgi.multiprocess"], environ["wsgi.run_once"]]


def application(environ, start_response):
    word = environ["PATH_INFO"].strip("/")
    if word == "model":
        found = model(environ)
    elif word:
        found = {"linger": linger, "loops": loops, "zone": zone, "handler": handler}[word]()
    else:
        found = os.getpid()
    body = json.dumps(found).encode()
    start_response("200 OK", [("Content-Type", "application/json"), ("Content-Length", str(len(body)))])
    return [body]
'''


def groups(options: str) -> Callable[[Layout], str]:
    """The script twice: in the main interpreter and in another one."""

    def configure(layout: Layout) -> str:
        first, second = layout.write_app("first.wsgi", APP), layout.write_app("second.wsgi", APP)
        return (
            f"{layout.delegate(options=options)}\n"
            f"WSGIScriptAlias /second {second} application-group=second\n"
            f"WSGIScriptAlias / {first} application-group=%{{GLOBAL}}\n"
        )

    return configure


def alone(options: str) -> Callable[[Layout], str]:
    """The script once."""

    def configure(layout: Layout) -> str:
        script = layout.write_app("first.wsgi", APP)
        return f"{layout.delegate(options=options)}\nWSGIScriptAlias / {script} application-group=%{{GLOBAL}}\n"

    return configure


# ---- the end of a process -------------------------------------------------------------------


def journal(server: Server) -> Counter[str]:
    """What was noted by one of the scripts."""
    path = server.layout.scratch / "journal"
    return Counter(path.read_text().splitlines() if path.exists() else [])


def signalled(server: Server, pid: int) -> None:
    """As `apachectl graceful` does."""
    del pid
    server.graceful()


def stopped(server: Server, pid: int) -> None:
    """As `apachectl stop` does."""
    del pid
    server.stop()


def recycled(server: Server, pid: int) -> None:
    """Requests until another process answers."""
    wait_until(lambda: server.get("/").json() != pid, "another process answers")


ENDS = [
    ("embedded", "", signalled),
    ("embedded", "", stopped),
    ("daemon", "processes=1 threads=2", signalled),
    ("daemon", "processes=1 threads=2", stopped),
    ("daemon", "processes=1 threads=2 maximum-requests=4", recycled),
]


@pytest.mark.ours("D255: 6.1.1 crashes")
@pytest.mark.parametrize(("mode", "options", "end"), ENDS, ids=lambda value: getattr(value, "__name__", str(value)))
def test_exit_functions_and_threads(
    new_server: Any, mode: str, options: str, end: Callable[[Server, int], None]
) -> None:
    """R18: both are done, in the main interpreter and in another one, however the process ends."""
    server = new_server(groups(options), mode=mode).start()
    pid = server.get("/").json()
    wait_until(lambda: server.get("/second/linger").json() == "lingers", "the second script runs")
    assert server.get("/linger").json() == "lingers"
    assert server.get("/").json() == pid or "maximum" in options
    end(server, pid)
    expected = {f"{name} {pid} {word}" for name in ("first.wsgi", "second.wsgi") for word in ("atexit", "thread")}
    wait_until(lambda: expected <= set(journal(server)), "both interpreters have ended")
    assert all(journal(server)[line] == 1 for line in expected), journal(server)
    if mode == "embedded":
        return
    wait_until(lambda: not is_alive(pid), "the process ends")


# ---- recycling ------------------------------------------------------------------------------

SUBSCRIBER = """
import json
import os
import mod_wsgi

JOURNAL = os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), "scratch", "journal")


@mod_wsgi.subscribe_shutdown
def stopping(name, **payload):
    with open(JOURNAL, "a") as out:
        out.write(payload["shutdown_reason"] + "\\n")


def application(environ, start_response):
    with open(JOURNAL + ".served", "a") as out:
        out.write(str(os.getpid()) + "\\n")
    start_response("200 OK", [("Content-Length", "0")])
    return [b""]
"""


def subscribed(options: str) -> Callable[[Layout], str]:
    """A script that says why its process ends, and notes each request."""

    def configure(layout: Layout) -> str:
        script = layout.write_app("subscriber.wsgi", SUBSCRIBER)
        return f"WSGIDaemonProcess app {options}\nWSGIScriptAlias / {script} process-group=app application-group=%{{GLOBAL}}\n"

    return configure


def served(server: Server) -> Counter[str]:
    """Requests by process."""
    return Counter((server.layout.scratch / "journal.served").read_text().split())


@pytest.mark.parametrize("limit", [1, 3])
def test_maximum_requests(new_server: Any, limit: int) -> None:
    """The process is replaced after so many requests, and its application knows why."""
    server = new_server(subscribed(f"processes=1 threads=1 maximum-requests={limit}")).start()
    for _ in range(limit):
        assert server.get("/").status == 200
    (pid,) = served(server)
    wait_until(lambda: not is_alive(int(pid)), "the process ends")
    assert journal(server) == {"maximum_requests": 1}
    for _ in range(limit):
        assert server.get("/").status == 200
    assert len(served(server)) == 2
    assert set(served(server).values()) == {limit}


def test_recycling_under_load_loses_nothing(new_server: Any) -> None:
    """Two processes, many recyclings, all requests answered, and about as many by each process."""
    limit = 40
    server = new_server(subscribed(f"processes=2 threads=2 maximum-requests={limit}")).start()
    load = Load(server)
    wait_until(lambda: len(served(server)) >= 10 if load.count() else False, "ten processes have served", 60)
    load.stop()
    assert load.failures == []
    ended = [count for pid, count in served(server).items() if not is_alive(int(pid))]
    assert len(ended) >= 6
    assert all(count >= limit for count in ended), served(server)
    assert journal(server).keys() == {"maximum_requests"}
    server.stop()


@pytest.mark.ours("D253: 6.1.1 ends a process before there is another one")
def test_the_other_one_is_ready_first(new_server: Any) -> None:
    """While the next process cannot start, the old one serves, beyond its maximum; then it goes."""
    gate = Path()

    def configure(layout: Layout) -> str:
        nonlocal gate
        gate = layout.scratch / "gate"
        package = layout.root / "slow"
        package.mkdir(exist_ok=True)
        slow = package / "slow_start.py"
        slow.write_text(f"import os, time\nwhile not os.path.exists({str(gate)!r}): time.sleep(0.01)\n")
        more = f"\nWSGIImportScript {slow} process-group=app application-group=%{{GLOBAL}}\n"
        return subscribed("processes=1 threads=2 maximum-requests=5")(layout) + more

    server = new_server(configure)
    server.write_configuration()
    gate.touch()
    server.start()
    assert server.get("/").status == 200
    (pid,) = served(server)
    gate.unlink()
    for _ in range(20):
        assert server.get("/").status == 200
    assert served(server) == {pid: 21}
    gate.touch()
    wait_until(lambda: server.get("/").status == 200 and len(served(server)) == 2, "another process serves")
    wait_until(lambda: not is_alive(int(pid)), "the old one goes")


def test_a_retiring_process_reloads_too(new_server: Any) -> None:
    """A script that changes while the next process starts: nobody sees the old code."""
    server = new_server(subscribed("processes=1 threads=1 maximum-requests=2")).start()
    for number in range(8):
        assert server.get("/").status == 200
        text = SUBSCRIBER.replace(
            '[("Content-Length", "0")])', f'[("Content-Length", "0"), ("X-Version", "{number}")])'
        )
        server.layout.write_app("subscriber.wsgi", text)
        assert server.get("/").get("X-Version") == str(number)


# ---- what the variables say -----------------------------------------------------------------

MODELS = [
    ("threads=5", [True, False, False]),
    ("processes=2 threads=5", [True, True, False]),
    ("processes=2 threads=1", [False, True, False]),
    ("processes=1 threads=5", [True, True, False]),  # the option makes the word true, as in mod_wsgi 6
    ("threads=1 maximum-requests=1", [False, False, True]),
    ("threads=1 maximum-requests=2", [False, False, False]),
]


@pytest.mark.parametrize(("options", "found"), MODELS)
def test_process_model(new_server: Any, options: str, found: list[bool]) -> None:
    """R22: wsgi.multithread, wsgi.multiprocess, wsgi.run_once."""
    server = new_server(alone(options), mode="daemon").start()
    assert server.get("/model").json() == found


# ---- event loops, time zone, signals --------------------------------------------------------


def configure(layout: Layout) -> str:
    """One process with some threads."""
    return alone("threads=5")(layout)


def application_pid(site: Server) -> int:
    """The process the application runs in."""
    pid: int = site.get("/").json()
    return pid


@pytest.mark.core
def test_event_loops(site: Server) -> None:
    """R14: asyncio.run() a thousand times over all threads; no loop is left, and no descriptor."""
    pid = application_pid(site)
    for _ in range(10):
        assert site.get("/loops").json()["right"] is True
    if site.layout.mpm == "prefork" and site.layout.mode == "embedded":
        pid = application_pid(site)
    before = len(descriptors(pid))
    calls = [site.get("/loops").json() for _ in range(10)]
    assert all(call["right"] is True for call in calls)
    assert abs(len(descriptors(pid)) - before) <= 3, descriptors(pid)


@pytest.mark.modes("daemon")
def test_event_loops_on_every_thread(site: Server) -> None:
    """R14: requests side by side; none finds the loop of another one."""
    threads: set[int] = set()

    def ask() -> bool:
        found = site.get("/loops").json()
        assert found["right"] is True
        threads.add(found["thread"])
        return len(threads) >= 3

    load = Load(site)
    try:
        wait_until(ask, "three threads have had loops")
    finally:
        load.stop()
    assert load.failures == []


STAMP = re.compile(r"\[\w+ \w+ \d+ (\d+):(\d+):\d+")


def minute_of(line: Line) -> int:
    """The minute of the day of a line's stamp."""
    found = STAMP.search(line.text)
    assert found, line
    return int(found.group(1)) * 60 + int(found.group(2))


@pytest.mark.modes("daemon")
@pytest.mark.ours("D254: in 6.1.1 the daemon itself writes into the log")
def test_time_zone_of_an_application(site: Server) -> None:
    """O9: an application of a daemon sets its own time zone; the stamps of the error log stay."""
    assert site.get("/zone").json() == "+0900"
    (before,) = site.expect("said at home")
    (after,) = site.expect("said in Tokyo")
    assert (minute_of(after) - minute_of(before)) % 1440 in (0, 1)
    assert site.get("/zone").json() == "+0900"
    (again,) = site.expect("said at home")
    assert (minute_of(again) - minute_of(before)) % 1440 in (0, 1)
    site.expect("said in Tokyo")


@pytest.mark.ours("D805: 6.1.1 says it in other words")
def test_handler_that_is_not_installed(new_server: Any) -> None:
    """R18: told at level info, with the stack of the caller; nothing is installed."""
    for mode in ("embedded", "daemon"):
        server = new_server(alone("threads=2"), mode=mode, level="warn wsgi:info").start()
        assert server.get("/handler").json() is True
        wait_until(lambda server=server: "ignored" in server.log().tail(), "it is told")  # type: ignore[misc]
        text = server.log().tail()
        assert f"registration for signal {int(signal.SIGUSR2)} ignored" in text
        assert "in handler" in text
        server.allow(".")
