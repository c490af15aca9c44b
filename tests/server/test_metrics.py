# SPDX-License-Identifier: Apache-2.0
"""mod_wsgi.process_metrics(), request_metrics(), server_metrics(): what they tell, and whom."""

from __future__ import annotations

import ast
import os
import threading

from typing import Any

import pytest

from harness import Layout, Server, wait_until
from harness.calls import Call, entered
from harness.places import places
from harness.processes import children_of, image

APP = """
import os, time
import mod_wsgi
from urllib.parse import parse_qsl

QUIET = [mod_wsgi.process_metrics(), mod_wsgi.request_metrics()]
BEGUN = mod_wsgi.start_recording_metrics()


def application(environ, start_response):
    query = dict(parse_qsl(environ["QUERY_STRING"]))
    environ["wsgi.input"].read()
    if "entered" in query:
        with open(query["entered"], "a") as out:
            out.write(f"{os.getpid()}\\n")
        while not os.path.exists(query["gate"]):
            time.sleep(0.01)
    time.sleep(float(query.get("sleep", 0)))
    if "ask" in query:
        answer = {"process": mod_wsgi.process_metrics, "request": mod_wsgi.request_metrics,
                  "server": mod_wsgi.server_metrics, "quiet": lambda: [QUIET, BEGUN]}[query["ask"]]()
        body = repr(answer).encode()
    else:
        body = b"x" * 1000
    start_response(query.get("status", "200 OK"), [("Content-Length", str(len(body)))])
    return [body]
"""

PHASES = ("server", "queue", "daemon", "application", "request", "gil_wait", "input_read", "output_write")
PROCESS = {
    "pid": int, "request_busy_time": float, "request_count": int, "memory_max_rss": int, "memory_rss": int,
    "cpu_user_time": float, "cpu_system_time": float, "cpu_time": float, "restart_time": float,
    "current_time": float, "running_time": int, "request_threads": int, "active_requests": int, "threads": list,
}  # fmt: skip
REQUEST: dict[str, Any] = {
    **dict.fromkeys(("pid", "memory_max_rss", "memory_rss", "request_threads_maximum", "request_threads_started",
                     "request_threads_active", "request_count", "input_bytes", "input_reads", "output_bytes",
                     "output_writes", "gil_wait_count", *(f"status_{n}xx" for n in range(1, 6))), int),
    **dict.fromkeys(("start_time", "stop_time", "sample_period", "cpu_user_utilization", "cpu_system_utilization",
                     "cpu_utilization", "cpu_user_time", "cpu_system_time", "cpu_time", "capacity_utilization",
                     "request_throughput"), float),
    **dict.fromkeys((f"request_threads_{name}" for name in
                     ("completed", "buckets", "busy_time", "cpu_time", "current_elapsed", "max_duration")), list),
    **{f"{phase}_time_buckets": list for phase in PHASES},
}  # fmt: skip
MAYBE = {f"{phase}_time{end}" for phase in PHASES for end in ("", "_min_us", "_max_us")}
SERVER = {
    "server_limit": int, "thread_limit": int, "running_generation": int, "restart_time": float,
    "current_time": float, "running_time": int, "processes": list,
}  # fmt: skip
OF_PROCESS = {"process_num": int, "pid": int, "generation": int, "quiescing": bool, "workers": list}
OF_WORKER = {
    "thread_num": int, "generation": int, "status": str, "access_count": int, "bytes_served": int,
    "start_time": float, "stop_time": float, "last_used": float, "client": str, "request": str, "vhost": str,
}  # fmt: skip


def configure(layout: Layout) -> str:
    """An application each for most tests, because the numbers are of a process."""
    script = layout.write_app("numbers.wsgi", APP)
    lines = ["WSGIServerMetrics On\nExtendedStatus On\n"]
    if layout.mode == "daemon":
        for name, more in (("one", ""), ("silent", " server-metrics=Off"), ("early", "")):
            lines.append(f"WSGIDaemonProcess {name} threads=3{more or ' server-metrics=On'}\n")
            lines.append(f"WSGIScriptAlias /{name} {script} process-group={name} application-group=%{{GLOBAL}}\n")
        lines.append(f"WSGIScriptAlias /other {script} process-group=one application-group=other\n")
        early = layout.write_app("early.wsgi", EARLY)
        lines.append(f"WSGIImportScript {early} process-group=early application-group=%{{GLOBAL}}\n")
        lines.append(f"WSGIScriptAlias /imported {early} process-group=early application-group=%{{GLOBAL}}\n")
    else:
        lines.append(f"WSGIScriptAlias /one {script} application-group=%{{GLOBAL}}\n")
        lines.append(f"WSGIScriptAlias /other {script} application-group=other\n")
    return "".join(lines)


# While a process starts it is the main thread that imports.
EARLY = """
import mod_wsgi

SEEN = mod_wsgi.server_metrics()


def application(environ, start_response):
    start_response("200 OK", [])
    return [repr(SEEN).encode()]
"""


@pytest.fixture
def site(running: Server) -> Server:
    """The running server, after its modules were loaded."""
    running.get("/one")
    return running


def ask(site: Server, what: str, path: str = "/one", alone: bool = True) -> Any:
    """What a function says, in a request of its own; `alone`: when those before it have ended."""
    if alone:
        site.let_requests_end()
    reply = site.get(f"{path}?ask={what}")
    assert reply.status == 200, reply.body
    return ast.literal_eval(reply.body.decode())


def kinds(found: dict[str, Any]) -> dict[str, type]:
    """The type of each value."""
    return {name: type(value) for name, value in found.items()}


def test_none_before_recording(site: Server) -> None:
    """As long as nobody asks for numbers there are none."""
    assert ask(site, "quiet") == [[None, None], None]


def test_process(site: Server) -> None:
    """Names, types, and numbers that can be known."""
    found = ask(site, "process")
    assert kinds(found) == PROCESS
    assert found["pid"] in {pid for child in children_of(site.pid) for pid in (child, *children_of(child))}
    assert found["restart_time"] <= found["current_time"]
    assert found["cpu_time"] == pytest.approx(found["cpu_user_time"] + found["cpu_system_time"])
    assert 1 << 20 < found["memory_rss"] < 1 << 32
    assert found["active_requests"] == 1
    again = ask(site, "process")
    if again["pid"] == found["pid"]:
        assert again["request_count"] == found["request_count"] + 1
        assert sum(thread["request_count"] for thread in again["threads"]) > again["request_count"]
    assert all(kinds(thread) == {"thread_id": int, "request_count": int} for thread in found["threads"])


@pytest.mark.modes("daemon")
@pytest.mark.ours("D607: 6.1.1 lists the main thread as number 0")
def test_threads_that_serve(site: Server) -> None:
    """As many as the option says."""
    found = ask(site, "process")
    assert found["request_threads"] == 3
    assert [thread["thread_id"] for thread in found["threads"]] == [1, 2, 3]


def test_request(site: Server) -> None:
    """Names, types; what ended since the last question, once."""
    ask(site, "request")
    for status in ("200 OK", "204 No", "302 There", "404 No", "410 Gone", "503 Later"):
        site.request("POST", f"/one?status={status.replace(' ', '+')}", b"12345")
    found = ask(site, "request")
    assert {name: kind for name, kind in kinds(found).items() if name not in MAYBE} == REQUEST
    assert set(found) == {*REQUEST, *MAYBE}
    assert [found[f"status_{n}xx"] for n in range(1, 6)] == [0, 3, 1, 2, 1], "one more: the question before"
    assert found["request_count"] == 7
    assert found["input_bytes"] == 6 * 5
    assert found["output_bytes"] >= 5 * 1000
    assert found["request_throughput"] == pytest.approx(7 / found["sample_period"], rel=0.2)
    embedded = site.layout.mode == "embedded"
    for phase in PHASES:
        count = 0 if embedded and phase in ("queue", "daemon") else 7
        times = [found[f"{phase}_time{end}"] for end in ("", "_min_us", "_max_us")]
        assert sum(found[f"{phase}_time_buckets"]) == count, phase
        assert len(found[f"{phase}_time_buckets"]) == 65
        if count:
            assert times[1] <= times[0] * 1e6 + 1
            assert times[0] * 1e6 <= times[2] + 1
        else:
            assert times == [None, None, None]
    assert found["application_time"] <= found["request_time"]
    assert sum(found["request_threads_completed"]) == 7
    assert found["request_threads_buckets"] == found["request_threads_completed"]
    assert 0 < found["capacity_utilization"] < 1
    assert ask(site, "request")["request_count"] == 1, "the last question only"


def test_buckets(site: Server) -> None:
    """Four in each octave from 1 ms on, so 0.3 s is in the 33rd at the earliest."""
    ask(site, "request")
    site.get("/one?sleep=0.3")
    buckets = ask(site, "request")["application_time_buckets"]
    assert sum(buckets[32:]) == 1
    assert sum(buckets[:12]) <= 1, "the question before"


def test_requests_that_run(site: Server) -> None:
    """They are active, and their thread is busy."""
    scratch = site.layout.scratch
    gate, begun = scratch / "gate", scratch / "begun"
    for path in (gate, begun):
        path.unlink(missing_ok=True)
    call = Call(site, f"/one?entered={begun}&gate={gate}")
    entered(begun)
    try:
        assert ask(site, "process", alone=False)["active_requests"] == 2
        found = ask(site, "request", alone=False)
        busy = [time for time in found["request_threads_current_elapsed"] if time > 0]
        assert len(busy) == 2
        assert found["request_threads_active"] >= 2
    finally:
        gate.touch()
    assert call.result().status == 200


def test_interpreters_share_the_numbers(site: Server) -> None:
    """They are of the process; loading the script asks, too."""
    site.get("/other")
    ask(site, "request")
    site.get("/other")
    assert ask(site, "request", "/other")["request_count"] == 2


def letters(found: dict[str, Any], pid: int) -> str:
    """The status of each worker of a process."""
    return "".join(
        worker["status"] for process in found["processes"] if process["pid"] == pid for worker in process["workers"]
    )


def apache_children(server: Server) -> set[int]:
    """Pids."""
    httpd = os.path.realpath(places().httpd)
    return {pid for pid in children_of(server.pid) if image(pid) == httpd}


def test_server(site: Server) -> None:
    """Names, types, the processes of the server, and the worker that serves this very request."""
    found = ask(site, "server")
    assert kinds(found) == SERVER
    assert len(found["processes"]) == found["server_limit"]
    pids = {process["pid"] for process in found["processes"]} - {0}
    assert pids <= apache_children(site)
    for number, process in enumerate(found["processes"]):
        assert kinds(process) == OF_PROCESS
        assert process["process_num"] == number
        assert len(process["workers"]) == found["thread_limit"]
        assert all(kinds(worker) == OF_WORKER for worker in process["workers"])
        assert {worker["status"] for worker in process["workers"]} <= set("._SRWKLDCGI")
        assert process["pid"] or {worker["status"] for worker in process["workers"]} == {"."}
    assert any("W" in letters(found, pid) for pid in pids)
    asking = [
        worker for process in found["processes"] for worker in process["workers"] if "ask=server" in worker["request"]
    ]
    assert asking
    assert asking[-1]["client"] == "127.0.0.1"


@pytest.mark.modes("daemon")
def test_server_for_those_who_may(site: Server) -> None:
    """A group without the option gets None, whatever the directive says; also while it is imported it may be asked."""
    assert ask(site, "server", "/silent") is None
    found = ast.literal_eval(site.get("/imported").body.decode())
    assert kinds(found) == SERVER


@pytest.mark.modes("daemon")
def test_many_ask_at_once(site: Server) -> None:
    """Each gets an answer of its own time."""
    answers: list[dict[str, Any]] = []

    def work() -> None:
        for _ in range(4):
            answers.append(ask(site, "server", alone=False))

    threads = [threading.Thread(target=work) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(answers) == 24
    assert all(kinds(found) == SERVER for found in answers)
    ordered = [found["current_time"] for found in answers]
    assert len(set(ordered)) == 24


@pytest.mark.modes("daemon")
def test_after_a_graceful_restart(new_server: Any) -> None:
    """The next generation's processes see the same scoreboard."""
    server = new_server(configure).start()
    server.graceful()
    found = ask(server, "server")
    assert found["running_generation"] == 1
    wait_until(
        lambda: {process["pid"] for process in ask(server, "server")["processes"]} & apache_children(server),
        "the new children are there",
    )


def test_telemetry_has_the_numbers(new_server: Any) -> None:
    """With a telemetry service configured both functions stay None, also after recording was begun."""

    def with_service(layout: Layout) -> str:
        return f"WSGITelemetryService unix:{layout.root}/telemetry.sock\n" + configure(layout)

    server = new_server(with_service)
    server.level = "error"  # nobody listens there, which 6.1.1 may say
    server.start()
    server.get("/one")
    assert [ask(server, what) for what in ("process", "request")] == [None, None]
