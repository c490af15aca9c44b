# SPDX-License-Identifier: Apache-2.0
"""What an application finds inside the process: modules, events, request data, log handler."""

from __future__ import annotations

import json
import os
import signal

from typing import Any
from urllib.parse import quote

import pytest

from harness import Cut, Layout, Server, request, wait_until
from harness.calls import Call, Load
from harness.processes import is_alive

MODULES = ("include", "filter")
LEVEL = "warn wsgi:info"
GROUPS = ("quiet", "watched", "failing", "other")
NAMES = {
    "FileWrapper", "LogHandler", "RequestTimeout", "active_requests", "application_group", "event_callbacks",
    "maximum_processes", "process_group", "process_metrics", "request_data", "request_metrics", "server_metrics",
    "shutdown_callbacks", "signal_callbacks", "start_recording_metrics", "subscribe_events", "subscribe_shutdown",
    "subscribe_signals", "threads_per_process", "version",
}  # fmt: skip
# INFO lines about interpreters, scripts, processes and Python, in the words of either module.
CHATTER = r"wsgi:info.*(subscribe_signals|File |[Ii]nterpreter|[Ss]cript|[Pp]rocess|Python|thread recovered)|wsgi:(notice|debug)"


def configure(layout: Layout) -> str:
    """One script in several groups; what the group "other" answers may include others."""
    aliases = "\n".join(
        f"WSGIScriptAlias /{group} {layout.apps}/inprocess.wsgi application-group={group}" for group in GROUPS
    )
    return f"""
{layout.delegate(options="processes=1 threads=4")}
{aliases}
<Location /other>
    Options +Includes
    SetOutputFilter INCLUDES
</Location>
"""


def run(server: Server, group: str, code: str = "", more: str = "") -> Any:
    """Runs code in the application; what it leaves in `r`."""
    server.allow(CHATTER)
    reply = server.get(f"/{group}?{more}code={quote(code)}")
    assert reply.status == 200, reply.body
    return reply.json()


def notes(server: Server, group: str, count: int) -> list[Any]:
    """The journal of a group, emptied, once it has that many entries: [name, payload ...]."""
    path = server.layout.scratch / f"notes-{group}"
    wait_until(lambda: path.exists() and len(path.read_text().splitlines()) >= count, f"{count} notes of {group}")
    found = [json.loads(line)[1:] for line in path.read_text().splitlines()]
    path.unlink()
    assert len(found) == count, found
    return found


def forget(server: Server, group: str) -> None:
    """Empties the journal."""
    (server.layout.scratch / f"notes-{group}").unlink(missing_ok=True)


# ---- names ------------------------------------------------------------------------------------


@pytest.mark.core
def test_names(site: Server) -> None:
    found = run(site, "quiet", "r = {n: getattr(mod_wsgi, n) for n in dir(mod_wsgi) if n[0] != '_'}")
    assert set(found) - {"build"} == NAMES
    assert found["version"] == [6, 1, 1]
    assert found["application_group"] == "quiet"
    embedded = site.layout.mode == "embedded"
    assert found["process_group"] == ("" if embedded else "app")
    if not embedded:
        assert (found["maximum_processes"], found["threads_per_process"]) == (1, 4)


def test_numbers_of_the_mpm(site: Server) -> None:
    code = "r = [apache.threads_per_process, mod_wsgi.threads_per_process, apache.maximum_processes, mod_wsgi.maximum_processes]"
    apache_threads, threads, apache_processes, processes = run(site, "quiet", code)
    assert apache_threads == 24
    assert apache_processes >= 1
    if site.layout.mode == "embedded":
        assert (threads, processes) == (apache_threads, apache_processes)


def test_apache(site: Server) -> None:
    code = "r = [{n: getattr(apache, n) for n in dir(apache) if n[0] != '_'}, environ['apache.version'], environ['SERVER_SOFTWARE']]"
    found, version, software = run(site, "quiet", code)
    assert set(found) == {
        "version",
        "description",
        "build_date",
        "mpm_name",
        "maximum_processes",
        "threads_per_process",
    }
    assert found["version"] == version
    assert found["description"] == software
    assert found["mpm_name"] == "event"
    assert found["build_date"]


def test_metrics_are_none_until_somebody_asks(site: Server) -> None:
    assert (
        run(site, "quiet", "r = [mod_wsgi.process_metrics(), mod_wsgi.request_metrics(), mod_wsgi.server_metrics()]")
        == [None] * 3
    )


@pytest.mark.modes("embedded")
def test_signals_are_not_delivered_when_embedded(new_server: Any) -> None:
    """One INFO line and a stack that names the caller."""
    server = new_server(configure, mode="embedded", modules=MODULES, level=LEVEL).start()
    run(server, "watched", "r = len(mod_wsgi.signal_callbacks)")
    server.expect(r"wsgi:info.*mod_wsgi\.subscribe_signals\(\).*(outside daemon|embedded) mode")
    server.allow(r'wsgi:info.*(File "|    |subscribe_signals)')


# ---- data of a request ------------------------------------------------------------------------


@pytest.mark.core
def test_request_data(site: Server) -> None:
    code = (
        "data = mod_wsgi.request_data()\ndata['mine'] = 1\nr['same'] = mod_wsgi.request_data() is data\n"
        "r['active'] = mod_wsgi.active_requests[environ['mod_wsgi.request_id']] is data\nr['all'] = len(mod_wsgi.active_requests)\n"
        "def elsewhere():\n    try: mod_wsgi.request_data()\n    except RuntimeError: r['outside'] = 'RuntimeError'\n"
        "t = threading.Thread(target=elsewhere)\nt.start()\nt.join()"
    )
    for _ in range(3):
        found = run(site, "quiet", code)
        # A request is over for the client a moment before it is for 6.1.1.
        assert found.pop("all") in ((1, 2) if site.layout.module.peer else (1,))
        assert found == {"same": True, "active": True, "outside": "RuntimeError"}


@pytest.mark.modes("embedded")
@pytest.mark.ours("D604: 6.1.1 crashes in request_data() of the outer request once the inner one is over")
def test_request_inside_a_request(site: Server) -> None:
    """mod_include runs a sub-request on the same thread, under the same id: each has its own data."""
    for group in ("other", "quiet"):
        inner = quote("r['inner'] = dict(mod_wsgi.request_data()); mod_wsgi.request_data()['who'] = 'inner'")
        code = (
            "kind = 'text/html'\ndata = mod_wsgi.request_data()\ndata['who'] = 'outer'\n"
            "def result(group, inner, data):\n"
            "    yield b'<!--#include virtual=\"/%s?code=%s\" -->' % (group, inner)\n"
            "    yield json.dumps([dict(mod_wsgi.request_data()), mod_wsgi.request_data() is data]).encode()\n"
            f"r = result(b'{group}', b'{inner}', data)"
        )
        site.allow(CHATTER)
        reply = site.get(f"/other?code={quote(code)}")
        assert reply.body == b'{"inner": {}}[{"who": "outer"}, true]'
    found = [payload for name, payload in read(site, "other") if name == "request_finished"]
    assert [payload["request_data"] for payload in found] == [{"who": "inner"}, {"who": "outer"}, {"who": "outer"}]
    assert run(site, "other", "r = [len(mod_wsgi.active_requests), dict(mod_wsgi.request_data())]") == [1, {}]
    forget(site, "other")


@pytest.mark.modes("embedded")
@pytest.mark.ours("D604: 6.1.1 crashes in such a request, see above")
def test_outer_request_is_active_again(site: Server) -> None:
    code = (
        "kind = 'text/html'\nid = environ['mod_wsgi.request_id']\ndata = mod_wsgi.request_data()\n"
        "def result(id, data):\n"
        "    yield b'<!--#include virtual=\"/other?code=\" -->'\n"
        "    yield str(mod_wsgi.active_requests.get(id) is data).encode()\n"
        "r = result(id, data)"
    )
    site.allow(CHATTER)
    assert site.get(f"/other?code={quote(code)}").body == b"{}True"
    wait_until(lambda: (site.layout.scratch / "notes-other").read_text().count("request_finished") == 2, "both end")
    forget(site, "other")


def read(server: Server, group: str) -> list[Any]:
    """The journal of a group as it is, once the last request is finished; emptied."""
    path = server.layout.scratch / f"notes-{group}"
    wait_until(lambda: path.exists() and path.read_text().count('"request_finished"') >= 3, f"notes of {group}")
    found = [json.loads(line)[1:] for line in path.read_text().splitlines()]
    path.unlink()
    return found


# ---- events -----------------------------------------------------------------------------------


@pytest.mark.core
def test_events_of_a_request(site: Server) -> None:
    """Names, keys, and that they agree with environ and with each other."""
    run(site, "watched")
    wait_until(lambda: "request_finished" in (site.layout.scratch / "notes-watched").read_text(), "the first one ends")
    forget(site, "watched")
    code = "mod_wsgi.request_data()['mine'] = 1\nr = environ['added.by.a.subscriber']"
    assert run(site, "watched", code) == "yes"
    found = dict(notes(site, "watched", 3))
    assert list(found) == ["request_started", "response_started", "request_finished"]
    started, response, finished = found.values()
    environ = started.pop("request_environ")
    assert {key: environ[key] for key in environ if key in started and key != "server_pid"} == {
        key: started[key] for key in environ if key in started and key != "server_pid"
    }
    assert set(started) == {
        "request_id", "thread_id", "daemon_connects", "daemon_restarts", "server_pid", "request_start", "queue_start",
        "daemon_start", "application_start", "application_object", "callable_object", "request_data",
    }  # fmt: skip
    assert int(environ["server_pid"]) == started["server_pid"]
    embedded = site.layout.mode == "embedded"
    assert (started["daemon_connects"], started["daemon_restarts"]) == (0 if embedded else 1, 0)
    assert (started["queue_start"] == 0.0, started["daemon_start"] == 0.0) == (embedded, embedded)
    assert started["request_data"] == {}
    assert (response["response_status"], response["exception_info"]) == ("200 OK", None)
    assert response["response_headers"] == [["Content-Type", "application/json"], ["Content-Length", "5"]]
    assert set(response) == {"request_id", "response_status", "response_headers", "exception_info", "request_data"}
    wanted = {
        "request_id", "thread_id", "server_pid", "request_start", "queue_start", "daemon_start", "input_reads",
        "input_length", "input_time", "output_length", "output_writes", "output_time", "application_finish",
        "application_time", "status", "gil_wait_time", "gil_wait_count", "request_data",
    }  # fmt: skip
    cpu = {"cpu_user_time", "cpu_system_time", "cpu_time"}
    assert set(finished) - cpu == wanted
    assert (finished["status"], finished["output_length"], finished["output_writes"]) == (200, 5, 1)
    assert (finished["input_length"], finished["input_reads"]) == (0, 0)
    for key in ("request_id", "thread_id", "request_start", "queue_start", "daemon_start", "server_pid"):
        assert finished[key] == started[key]
    assert finished["request_start"] <= started["application_start"] <= finished["application_finish"]
    elapsed = finished["application_finish"] - started["application_start"]
    assert finished["application_time"] == pytest.approx(elapsed, abs=2e-6)
    assert response["request_data"] == finished["request_data"] == {"mine": 1}


def test_body_is_counted(site: Server) -> None:
    site.allow(CHATTER)
    run(site, "watched")
    wait_until(lambda: "request_finished" in (site.layout.scratch / "notes-watched").read_text(), "the first one ends")
    forget(site, "watched")
    code = 'r = len(environ["wsgi.input"].read())'
    target = f"/watched?code={quote(code)}"
    assert site.request("POST", target, b"x" * 300_000).json() == 300_000
    finished = dict(notes(site, "watched", 3))["request_finished"]
    assert finished["input_length"] == 300_000
    assert finished["input_reads"] >= 1
    assert finished["input_time"] > 0


def test_application_is_replaced(site: Server) -> None:
    """Middleware for one request."""
    site.allow(CHATTER)
    assert site.get("/watched?wrap&code=").get("X-Wrapped") == "yes"
    assert site.get("/watched?code=").get("X-Wrapped") is None
    notes(site, "watched", 6)


def test_exception_of_the_application(site: Server) -> None:
    site.allow(CHATTER)
    assert site.get(f"/watched?code={quote('raise KeyError(1)')}").status == 500
    started, failed, finished = notes(site, "watched", 3)
    assert [started[0], failed[0], finished[0]] == ["request_started", "request_exception", "request_finished"]
    assert failed[1]["exception_info"] == ["KeyError", "a KeyError", "a traceback"]
    assert failed[1]["request_id"] == started[1]["request_id"]
    assert finished[1]["status"] == 500
    site.expect_code(174)
    site.allow('Traceback|File "|KeyError: 1|    ')


def test_failing_subscribers_change_nothing(site: Server) -> None:
    site.allow(CHATTER)
    assert run(site, "failing", "r = 'fine'") == "fine"
    site.expect(r"WSGI0112: ValueError exception raised by event callback for 'request_started'")
    site.expect(r"WSGI0190: SystemExit exception raised by event callback for 'response_started'; ignored")
    site.allow('Traceback|File "|from a subscriber|    ')


# ---- time-outs --------------------------------------------------------------------------------


def test_request_timeout_before_the_head(site: Server) -> None:
    site.allow(CHATTER)
    assert site.get(f"/quiet?code={quote('raise mod_wsgi.RequestTimeout()')}").status == 504
    if not site.layout.module.peer:
        site.expect_code(1030, "RequestTimeout")


@pytest.mark.ours("D602: 6.1.1 ends a truncated chunked response as if it were whole, or hangs")
def test_request_timeout_after_the_head(site: Server) -> None:
    site.allow(CHATTER)
    with pytest.raises(Cut):
        site.get("/quiet?stream&code=")
    site.expect_code(1030, "from the body")


# ---- the end of a process, signals ------------------------------------------------------------


def everyday(layout: Layout) -> str:
    """The script in one group of one process."""
    return f"{layout.delegate(options='processes=1 threads=2')}WSGIScriptAlias / {layout.apps}/inprocess.wsgi application-group=watched"


def ending(server: Server) -> list[Any]:
    """What the process that ends first says about it."""
    path = server.layout.scratch / "notes-watched"
    wait_until(lambda: '"shutdown"' in path.read_text(), "a process ends")
    entries = [json.loads(line) for line in path.read_text().splitlines()]
    pid = next(entry[0] for entry in entries if entry[1] == "shutdown")
    return [entry[1:] for entry in entries if entry[0] == pid and entry[1] in ("process_stopping", "shutdown")]


def expected(reason: str) -> list[Any]:
    """Both lists, once; the first one's answer is seen by the second."""
    payload = {"shutdown_reason": reason}
    return [["process_stopping", payload], ["shutdown", "process_stopping", {**payload, "seen": True}]]


@pytest.mark.parametrize("mode", ["embedded", "daemon"])
def test_stop(new_server: Any, mode: str) -> None:
    server = new_server(everyday, mode=mode).start()
    assert server.get("/?code=").status == 200
    server.stop()
    assert ending(server) == expected("" if mode == "embedded" else "shutdown_signal")


@pytest.mark.parametrize("mode", ["embedded", "daemon"])
def test_graceful_restart(new_server: Any, mode: str) -> None:
    server = new_server(everyday, mode=mode).start()
    assert server.get("/?code=").status == 200
    server.graceful()
    assert ending(server) == expected("" if mode == "embedded" else "shutdown_signal")
    assert server.get("/?code=").status == 200


def test_script_reload(new_server: Any) -> None:
    server = new_server(everyday, mode="daemon").start()
    assert server.get("/?code=").status == 200
    text = (server.layout.apps / "inprocess.wsgi").read_text()
    server.layout.write_app("inprocess.wsgi", text + "\n# changed\n")
    assert server.get("/?code=").status == 200
    assert ending(server) == expected("script_reload")


@pytest.mark.ours("D707: a process of 6.1.1 reloads only when a request comes to it")
def test_script_reload_of_the_other_processes(new_server: Any) -> None:
    """They are replaced together, and all know why."""
    server = new_server(
        lambda layout: everyday(layout).replace("processes=1 threads=2", "processes=2 threads=1"), mode="daemon"
    ).start()
    scratch = server.layout.scratch
    code = quote(f"note('in')\nwhile not os.path.exists({str(scratch / 'gate')!r}): time.sleep(0.01)")
    calls = [Call(server, f"/?code={code}") for _ in range(2)]
    path = scratch / "notes-watched"
    wait_until(lambda: path.exists() and path.read_text().count('"in"') == 2, "both processes serve")
    (scratch / "gate").touch()
    assert [call.result().status for call in calls] == [200, 200]
    text = (server.layout.apps / "inprocess.wsgi").read_text()
    server.layout.write_app("inprocess.wsgi", text + "\n# changed\n")
    assert server.get("/?code=").status == 200
    wait_until(lambda: path.read_text().count('"shutdown"') == 2, "both processes end")
    told = [json.loads(line)[1:] for line in path.read_text().splitlines() if "shutdown_reason" in line]
    assert sorted(told) == sorted(expected("script_reload") * 2)


@pytest.mark.parametrize(
    ("number", "reason"), [(signal.SIGTERM, "shutdown_signal"), (signal.SIGUSR1, "graceful_signal")]
)
def test_signal_to_a_daemon_ends_it(new_server: Any, number: signal.Signals, reason: str) -> None:
    server = new_server(everyday, mode="daemon").start()
    pid = server.get("/?code=r=os.getpid()").json()
    os.kill(pid, number)
    server.allow("another one starts")
    assert ending(server) == expected(reason)
    wait_until(lambda: server.get("/?code=r=os.getpid()").json() != pid, "there is another one")


@pytest.mark.ours("D706: 6.1.1 has no process ready in the place of one that leaves")
def test_graceful_signal_under_load_loses_nothing(new_server: Any) -> None:
    server = new_server(
        lambda layout: everyday(layout).replace("processes=1", "processes=2").replace("=watched", "=quiet"),
        mode="daemon",
    ).start()
    load = Load(server)
    server.allow("another one starts")
    for _ in range(4):
        load.flow(30)
        pid = server.get("/?code=r=os.getpid()").json()
        os.kill(pid, signal.SIGUSR1)
        wait_until(lambda pid=pid: not is_alive(pid), "it leaves")  # type: ignore[misc]
    load.flow(30)
    load.stop()
    assert load.failures == []


@pytest.mark.parametrize("number", [signal.SIGHUP, signal.SIGUSR2])
def test_signal_to_a_daemon_is_delivered(new_server: Any, number: signal.Signals) -> None:
    server = new_server(everyday, mode="daemon").start()
    pid = server.get("/?code=r=os.getpid()").json()
    notes(server, "watched", 3)
    os.kill(pid, number)
    payload = {"signame": number.name, "signum": int(number)}
    assert notes(server, "watched", 2) == [
        ["process_signal", payload],
        ["signal", "process_signal", {**payload, "seen": True}],
    ]
    assert server.get("/?code=r=os.getpid()").json() == pid


# ---- the log handler --------------------------------------------------------------------------


def two_levels(layout: Layout) -> str:
    """Two virtual hosts, of which one wants everything."""
    hosts = "".join(
        f"""
<VirtualHost *:{port}>
    ServerName {name}.invalid
    ErrorLog {layout.logs}/{name}.log
    LogLevel wsgi:{level}
    WSGIScriptAlias /log {layout.apps}/inprocess.wsgi application-group=quiet
</VirtualHost>
"""
        for name, port, level in zip(("quiet", "debug"), layout.ports, ("warn", "debug"), strict=True)
    )
    return layout.delegate(options="processes=1 threads=4") + hosts


@pytest.mark.parametrize("mode", ["embedded", "daemon"])
def test_log_handler(new_server: Any, mode: str) -> None:
    """Levels, the log of the request's host, its LogLevel, and the place where httpd shows it."""
    server = new_server(two_levels, mode=mode, ports=2).start()
    code = "for n in (60, 50, 45, 40, 35, 30, 25, 20, 15, 10, 5): LOGGER.log(n, 'number %d!', n)"
    wanted = {60: "crit", 50: "crit", 45: "error", 40: "error", 35: "warn", 30: "warn", 25: "info", 20: "info"}
    below = {15: "debug", 10: "debug", 5: "debug"}
    for name, port in zip(("quiet", "debug"), server.layout.ports, strict=True):
        assert request(port, "GET", f"/log?code={quote(code)}").status == 200
        levels = wanted | below if name == "debug" else {n: level for n, level in wanted.items() if n >= 30}
        for number, level in levels.items():
            (line,) = server.expect(f"number {number}!", log=name)
            assert line.level == level
            assert "[client 127.0.0.1" in line.message or "[remote 127.0.0.1" in line.message
            if level == "debug":
                assert line.message.startswith("<string>(1): ")
        assert not server.log(name).matching("number ")
    server.allow(r"wsgi:(info|debug)", log="debug")
    server.allow(r"wsgi:(info|debug)")


def test_log_handler_in_a_thread(site: Server) -> None:
    """Outside of a request: the server's log, or the group's."""
    run(site, "quiet", "t = threading.Thread(target=LOGGER.error, args=('from a thread',)); t.start(); t.join()")
    (line,) = site.expect("from a thread")
    assert line.level == "error"
    assert "127.0.0.1" not in line.message


def test_log_handler_place_of_a_file(new_server: Any) -> None:
    server = new_server(two_levels, mode="daemon", ports=2).start()
    path = server.layout.write_app("logplace.py", "def call(logger):\n    logger.debug('placed')\n")
    code = f"import sys; sys.path.insert(0, {str(path.parent)!r}); import logplace; logplace.call(LOGGER)"
    assert request(server.layout.ports[1], "GET", f"/log?code={quote(code)}").status == 200
    (line,) = server.expect("placed", log="debug")
    assert line.message.startswith("logplace.py(2): ")
    server.allow(r"wsgi:(info|debug)", log="debug")
    server.allow(r"wsgi:(info|debug)")


@pytest.mark.ours("D603: 6.1.1 passes the exception on to the application")
def test_log_handler_never_raises(site: Server) -> None:
    """A lone surrogate, a format that does not fit, a NUL."""
    code = "LOGGER.error('odd ' + chr(0xdcff)); LOGGER.error('bad %d', 'x'); LOGGER.error('nul ' + chr(0) + ' after'); r = 'fine'"
    assert run(site, "quiet", code) == "fine"
    site.expect(r"odd \\+udcff")
    site.expect(r"nul \\+x00 after")
    site.expect("--- Logging error ---")
    site.allow('Traceback|File "|    |TypeError|Call stack|Message|Arguments')
