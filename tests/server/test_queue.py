# SPDX-License-Identifier: Apache-2.0
"""What a client gets while the workers of a group are busy, and what the log and the access log say about it."""

from __future__ import annotations

import contextlib
import os
import re
import signal
import socket
import time

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from harness import Layout, Line, Server, wait_until
from harness.calls import GLOBAL, Call, entered, one_group, waited, waiting, words
from harness.client import HOST, Cut, RawConnection, request
from harness.processes import children_of

DEBUG = "warn wsgi:debug"
EVERY_MPM = pytest.mark.parametrize("mpm", ["event", "worker", "prefork"])
# What other requests of the same test say at this level.
CHATTER = r":(info|debug)\]"


def quiet(server: Server) -> None:
    """Lines at level debug and info are for this file's waiting only."""
    server.allow(CHATTER)


def serving(new_server: Any, options: str, more: str = "", **given: Any) -> Server:
    """A running server whose group `app` has process.wsgi, and a static file beside it."""
    server: Server = new_server(
        lambda layout: f"Alias /static {layout.htdocs}\n{one_group(options, more)(layout)}", level=DEBUG, **given
    ).start()
    quiet(server)
    (server.layout.htdocs / "file").write_text("static")
    return server


def occupied(server: Server, count: int = 1, name: str = "held") -> list[Call]:
    """So many requests that run until the gate `name` is opened."""
    scratch = server.layout.scratch
    calls = [Call(server, f"/?entered={scratch}/{name}-in&gate={scratch}/{name}") for _ in range(count)]
    entered(scratch / f"{name}-in", count)
    return calls


def opened(server: Server, name: str = "held") -> None:
    """Lets those requests end."""
    (server.layout.scratch / name).touch()


def queued(server: Server, count: int, name: str = "queued") -> list[Call]:
    """So many requests without a worker, in the order of their coming; each notes its process when it runs."""
    before = waited(server)
    calls = []
    for number in range(count):
        calls.append(Call(server, f"/?entered={server.layout.scratch}/{name}&number={number}"))
        waiting(server, before + number + 1)
    return calls


def numbers(line: Line, *names: str) -> list[int]:
    """Numbers of the pool's state in a log line, each before its name or behind it."""
    found = []
    for name in names:
        match = re.search(rf"(\d+) {name}\b|{name}=(\d+)", line.text)
        assert match, f"{name}: {line.text}"
        found.append(int(match[1] or match[2]))
    return found


# ---- the queue --------------------------------------------------------------------------------


@pytest.mark.ours("D740: 6.1.1 tries to get into the full queue until connect-timeout")
@EVERY_MPM
def test_full_queue_is_503_at_once(new_server: Any, mpm: str) -> None:
    """L14: the next request has its answer before anything ends; the log has the state of the pool."""
    server = serving(new_server, "processes=1 threads=2 listen-backlog=3", mpm=mpm)
    held = occupied(server, 2)
    others = queued(server, 3)
    reply = server.get("/")
    assert reply.status == 503
    assert int(reply.get("Retry-After") or 0) > 0
    (line,) = server.expect("WSGI0116: ")
    assert "all workers are busy and the queue is full" in line.text
    assert numbers(line, "ready", "starting", "held", "draining") == [1, 0, 0, 0]
    assert "workers: 2 of 2 busy" in line.text
    assert numbers(line, "waiting", "listen-backlog") == [3, 3]
    assert re.search(r"the longest for \d+ s", line.text)
    opened(server)
    assert [call.result().status for call in [*held, *others]] == [200] * 5
    assert server.get("/").status == 200


@pytest.mark.ours("D740: 6.1.1 tries to get into the full queue until connect-timeout")
def test_backlog_of_0_lets_one_wait(new_server: Any) -> None:
    """As the system does where listen() is told 0."""
    server = serving(new_server, "processes=1 threads=1 listen-backlog=0")
    held = occupied(server)
    other = queued(server, 1)
    assert server.get("/").status == 503
    server.expect("WSGI0116: ")
    opened(server)
    assert [call.result().status for call in [*held, *other]] == [200] * 2


@pytest.mark.ours("D741: 6.1.1 has no order where processes compete")
def test_first_come_first_served(new_server: Any) -> None:
    server = serving_in_order(new_server, "processes=1 threads=1")
    scratch = server.layout.scratch
    held = occupied(server)
    before = waited(server)
    others = []
    for number in range(8):
        others.append(Call(server, f"/{number}?entered={scratch}/order"))
        waiting(server, before + number + 1)
    opened(server)
    assert [call.result().status for call in [*held, *others]] == [200] * 9
    assert words(scratch / "order") == [str(number) for number in range(8)]


def serving_in_order(new_server: Any, options: str) -> Server:
    """A running server whose application notes the paths in the order in which it is called."""
    server: Server = new_server(
        lambda layout: (
            f"Alias /static {layout.htdocs}\nWSGIDaemonProcess app {options}\n"
            f"WSGIScriptAlias / {order_app(layout)} process-group=app {GLOBAL}\n"
        ),
        level=DEBUG,
    ).start()
    quiet(server)
    (server.layout.htdocs / "file").write_text("static")
    return server


def order_app(layout: Layout) -> Path:
    """process.wsgi's gates, but a request notes its path."""
    return layout.write_app(
        "order.wsgi",
        """
import os, sys
from urllib.parse import parse_qs
sys.path.append(os.path.dirname(__file__))
import journal
def application(environ, start_response):
    query = parse_qs(environ["QUERY_STRING"])
    if "entered" in query:
        journal.note(query["entered"][0], environ["PATH_INFO"].strip("/") or "-")
    if "gate" in query:
        journal.pass_gate(query["gate"][0])
    start_response("200 OK", [("Content-Length", "0")])
    return []
""",
    )


def test_who_left_the_queue_never_reaches_the_application(new_server: Any) -> None:
    """L14: the request of a client that left is not run, and its place goes to the next."""
    server = serving(new_server, "processes=1 threads=1 listen-backlog=1")
    if server.layout.module.peer:
        pytest.skip("6.1.1 runs what is in the queue")
    held = occupied(server)
    journal = server.layout.scratch / "gone"
    before = waited(server)
    client = RawConnection(server.layout.port)
    client.send(f"GET /?entered={journal} HTTP/1.1\r\nHost: a\r\n\r\n".encode())
    waiting(server, before + 1)
    client.abort()
    server.expect("WSGI1008: .*before a worker was free")
    other = queued(server, 1)
    opened(server)
    assert [call.result().status for call in [*held, *other]] == [200, 200]
    assert words(journal) == []


@pytest.mark.ours("D742: 6.1.1 looks at the age when a worker is free")
def test_queue_timeout(new_server: Any) -> None:
    """504 while the workers are still busy; the application is never called; age and wait are in the log."""
    server = serving(new_server, "processes=1 threads=1 queue-timeout=1")
    held = occupied(server)
    (late,) = queued(server, 1)
    reply = late.result()
    assert reply.status == 504
    (line,) = server.expect("WSGI0084: ")
    assert "queue-timeout (1 s) is over" in line.text
    assert re.search(r"is 1\.\d{3} s old and has waited 1\.\d{3} s|is \d+\.\d{3} s old and has waited", line.text)
    opened(server)
    assert held[0].result().status == 200
    assert server.get("/").status == 200
    assert words(server.layout.scratch / "queued") == []


def test_all_workers_busy_for_socket_timeout(new_server: Any) -> None:
    """As a request in the listener's queue of 6.1.1: 504, before the application was called."""
    server = serving(new_server, "processes=1 threads=1 socket-timeout=2")
    scratch = server.layout.scratch
    held = occupied(server)
    other = Call(server, "/")
    assert other.result().status == 504
    assert held[0].result().status == 504
    server.expect("WSGI0145: ", count=2)
    (scratch / "held").touch()
    wait_until(lambda: server.get("/").status == 200, "the worker is free again")


@pytest.mark.ours("D743: 6.1.1 hands out what a dead child had in the queue")
def test_a_killed_child_leaves_no_seats(new_server: Any) -> None:
    """Its requests do not count as waiting for ever."""
    server = serving(new_server, "processes=1 threads=1 listen-backlog=2")
    (daemon,) = [int(server.get("/").json()["pid"])]
    scratch = server.layout.scratch
    Call(server, f"/?entered={scratch}/held-in&gate={scratch}/held")
    entered(scratch / "held-in")
    queued(server, 2)
    apache = [pid for pid in children_of(server.pid) if daemon not in children_of(pid)]
    (child,) = apache
    os.kill(child, signal.SIGKILL)
    server.allow("AH00052|AH00051")
    # The worker is busy, whoever asked for it: the room has its two seats again.
    wait_until(lambda: children_of(server.pid) and fresh_child(server, child), "another child serves")
    wait_until(lambda: can_wait(server), "there is room again")
    opened(server)
    wait_until(lambda: server.get("/").status == 200, "the worker is free again")
    server.allow("WSGI0116|WSGI1008")


def fresh_child(server: Server, old: int) -> bool:
    """A child other than the killed one answers."""
    with contextlib.suppress(OSError):
        return server.get("/static/file").status == 200 and old not in children_of(server.pid)
    return False


def can_wait(server: Server) -> bool:
    """A request gets into the queue; it leaves at once."""
    with RawConnection(server.layout.port) as client:
        client.send(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
        client.socket.settimeout(0.5)
        try:
            client.socket.recv(1)
        except TimeoutError:
            client.abort()
            return True
    return False


# ---- nobody is ready --------------------------------------------------------------------------


def importing(options: str, more: str = "") -> Callable[[Layout], str]:
    """A group that loads a script before it is ready, which waits at the gate `import`."""

    def configure(layout: Layout) -> str:
        script = layout.write_app(
            "importing.wsgi",
            "import os, sys\n"
            "sys.path.append(os.path.dirname(__file__))\n"
            "import journal\n"
            f'journal.note("{layout.scratch}/loading", "x")\n'
            f'journal.pass_gate("{layout.scratch}/import")\n'
            "def application(environ, start_response):\n"
            '    start_response("200 OK", [("Content-Length", "2")])\n'
            '    return [b"ok"]\n',
        )
        return f"""
WSGIDaemonProcess app {options}
WSGIDaemonProcess other threads=2
WSGIScriptAlias /other {layout.apps}/process.wsgi process-group=other {GLOBAL}
WSGIScriptAlias / {script} process-group=app {GLOBAL}
Alias /static {layout.htdocs}
{more}
"""

    return configure


@pytest.mark.ours("D744: with 6.1.1 a slow import may hold all of Apache's workers")
@EVERY_MPM
def test_a_slow_import_takes_half_of_apache(new_server: Any, mpm: str) -> None:
    """Beyond that 503 at once; other sites are served meanwhile; who waited gets the answer."""
    server = new_server(importing("threads=2"), mpm=mpm, level=DEBUG).start()
    quiet(server)
    (server.layout.htdocs / "file").write_text("static")
    half = 12 if mpm == "prefork" else 24
    entered(server.layout.scratch / "loading")
    assert server.get("/other").status == 200
    before = waited(server)
    calls = [Call(server, "/") for _ in range(half)]
    waiting(server, before + half)
    for _ in range(5):
        reply = server.get("/")
        assert reply.status == 503
        assert int(reply.get("Retry-After") or 0) > 0
        assert server.get("/other").status == 200
        assert server.get("/static/file").text == "static"
    (line, *_) = server.expect("WSGI0116: .*no process is ready", count=5)
    assert numbers(line, "ready", "starting", "waiting") == [0, 1, half]
    (server.layout.scratch / "import").touch()
    assert [call.result().status for call in calls] == [200] * half


@pytest.mark.ours("D745: 6.1.1 leaves requests for a process that cannot start in its queue")
def test_connect_timeout(new_server: Any) -> None:
    """A process that ends at each start: 503 after connect-timeout, which counts while none is on its way."""

    def configure(layout: Layout) -> str:
        script = layout.write_app("dies.wsgi", "import os\nos._exit(3)\n")
        return (
            f"WSGIDaemonProcess app connect-timeout=1\nWSGIScriptAlias / {script} process-group=app {GLOBAL}\n"
            "Timeout 300\n"
        )

    server = new_server(configure).start()
    server.allow("exit status 3|is in the log of|WSGI0116")
    wait_until(lambda: len([x for x in server.log().lines() if "exit status 3" in x.text]) >= 3, "it died thrice")
    reply = server.get("/")
    assert reply.status == 503
    assert int(reply.get("Retry-After") or 0) > 0
    (line,) = server.expect("WSGI0116: ")
    assert "no process took the request within 1 s" in line.text


# ---- busy, and given up -----------------------------------------------------------------------


@pytest.mark.ours("D746: 6.1.1 counts nothing")
def test_a_worker_stays_taken_until_it_is_free(new_server: Any) -> None:
    """socket-timeout gave its request up: nothing is sent to the worker until it has ended it."""
    server = serving(new_server, "processes=1 threads=1 socket-timeout=2")
    scratch = server.layout.scratch
    (held,) = occupied(server)
    assert held.result().status == 504
    server.expect("WSGI0145: .*did not answer within 2 s")
    other = Call(server, f"/?entered={scratch}/other")
    assert other.result().status == 504
    (line,) = server.expect("WSGI0145: .*all workers were busy")
    assert numbers(line, "with a request that was given up") == [1]
    third = queued(server, 1)
    opened(server)
    assert third[0].result().status == 200
    assert words(scratch / "other") == []


def test_a_client_that_left_does_not_free_its_worker(new_server: Any) -> None:
    """R8: the next request waits for it, and gets its answer when the worker has ended."""
    server = serving(new_server, "processes=1 threads=1")
    if server.layout.module.peer:
        pytest.skip("6.1.1 has no lines to wait for")
    scratch = server.layout.scratch
    with RawConnection(server.layout.port) as client:
        client.send(f"GET /?entered={scratch}/in&gate={scratch}/gate HTTP/1.1\r\nHost: a\r\n\r\n".encode())
        entered(scratch / "in")
        client.abort()
    server.expect("WSGI1008: ")
    (other,) = queued(server, 1)
    assert words(scratch / "queued") == []
    (scratch / "gate").touch()
    assert other.result().status == 200


@pytest.mark.ours("D747: 6.1.1 scales request-timeout, and the client waits for socket-timeout")
def test_request_timeout(new_server: Any) -> None:
    """504 with age, wait, URL and process in the log, by the clock of Apache's child."""
    server = serving(new_server, "processes=1 threads=1 request-timeout=1")
    scratch = server.layout.scratch
    pid = server.get("/").json()["pid"]
    server.allow("request-timeout|request_timeout|Python stack|File |wsgi:(warn|error)")
    reply = server.get(f"/slow/view?entered={scratch}/in&gate={scratch}/gate&secret=1")
    assert reply.status == 504
    (line,) = server.expect("WSGI1031: request-timeout")
    assert re.search(r"GET /slow/view has been running for \d+\.\d{3} s", line.text)
    assert f"daemon process {pid} of group 'app'" in line.text
    assert re.search(r"after \d+\.\d{3} s in the queue.* request \S+", line.text)
    assert "secret" not in line.text.split("WSGI1031", 1)[1].split("referer")[0]
    (scratch / "gate").touch()
    wait_until(lambda: server.get("/").status == 200, "the group serves again")


STREAM = """
import os, sys
from urllib.parse import parse_qs
sys.path.append(os.path.dirname(__file__))
import journal
def application(environ, start_response):
    query = parse_qs(environ["QUERY_STRING"])
    start_response("200 OK", [("Content-Type", "text/plain")])
    yield b"begin"
    if "gate" in query:
        journal.pass_gate(query["gate"][0])
    if "size" in query:
        for _ in range(int(query["size"][0])):
            yield b"x" * 65536
    yield b"end"
"""


def streaming(new_server: Any, options: str, more: str = "") -> Server:
    """A server whose application begins its answer, then waits at a gate or sends a lot."""

    def configure(layout: Layout) -> str:
        return (
            f"WSGIDaemonProcess app {options}\nAlias /static {layout.htdocs}\n"
            f"WSGIScriptAlias / {layout.write_app('stream.wsgi', STREAM)} process-group=app {GLOBAL}\n{more}"
        )

    server: Server = new_server(configure).start()
    return server


@pytest.mark.ours("D205: with 6.1.1 the response looks complete")
@pytest.mark.parametrize(
    ("option", "code"), [("request-timeout=1", "WSGI1031: request-timeout"), ("socket-timeout=1", "WSGI0119: ")]
)
def test_time_is_over_in_the_middle_of_the_answer(new_server: Any, option: str, code: str) -> None:
    """The response is cut, and does not look complete."""
    server = streaming(new_server, f"threads=2 {option}")
    server.allow("request-timeout|request_timeout|Python stack|File |wsgi:(warn|error)")
    scratch = server.layout.scratch
    with pytest.raises(Cut) as cut:
        server.get(f"/?gate={scratch}/gate")
    assert cut.value.partial == b"begin"
    server.expect(code)
    (scratch / "gate").touch()
    assert server.get("/").text == "beginend"


@pytest.mark.ours("D748: 6.1.1 restores the time-out of the client's socket only when all went well")
def test_response_socket_timeout(new_server: Any) -> None:
    """A client that does not read is given up long before Timeout; on the next response Timeout counts again."""
    access = 'LogFormat "%r %{wsgi-end}n" ends\n'
    server = streaming(
        new_server,
        "threads=2 response-socket-timeout=1",
        f"Timeout 300\nSendBufferSize 65536\n{access}CustomLog logs/ends ends\n",
    )
    (server.layout.htdocs / "large").write_bytes(b"y" * (1 << 20))
    ends = server.layout.logs / "ends"
    with small_window(server) as client:
        client.send(b"GET /?size=1000 HTTP/1.1\r\nHost: a\r\n\r\n")
        client.receive_until(b"begin")
        wait_until(lambda: "size=1000" in ends.read_text(), "the response has ended", 60)
        assert "client-left" in ends.read_text()
    with small_window(server) as client:
        client.send(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
        client.receive_until(b"end\r\n0\r\n\r\n")
        client.send(b"GET /static/large HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
        client.receive_until(b"\r\n\r\n")
        time.sleep(1.5)  # longer than the group's limit: the server has to wait
        assert len(client.receive_all()) == 1 << 20


@contextlib.contextmanager
def small_window(server: Server) -> Any:
    """A client that takes little before it reads."""
    client = RawConnection(server.layout.port)
    client.socket.close()
    client.socket = socket.socket()
    client.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    client.socket.settimeout(60)
    client.socket.connect((HOST, server.layout.port))
    try:
        yield client
    finally:
        client.close()


# ---- saturation -------------------------------------------------------------------------------


def both_serve(server: Server) -> None:
    """Waits until answers have come from two processes."""
    pids = set()

    def seen() -> int:
        pids.add(server.get("/").json()["pid"])
        return len(pids)

    wait_until(lambda: seen() == 2, "both processes serve")


@pytest.mark.ours("D747: 6.1.1 needs an operator")
def test_stuck_requests_do_not_take_the_site_down(new_server: Any) -> None:
    """L3: all workers have a request that never ends; the others have their answers soon, and then all is well."""
    server = serving(new_server, "processes=2 threads=5 request-timeout=3 queue-timeout=2 listen-backlog=4")
    scratch = server.layout.scratch
    server.allow("request-timeout|request_timeout|Python stack|File |WSGI0084|WSGI0116|WSGI1031|wsgi:(warn|error)")
    both_serve(server)
    stuck = occupied(server, 10)
    seen: list[tuple[float, int]] = []
    begin = time.monotonic()
    while any(call.is_alive() for call in stuck):
        at = time.monotonic()
        seen.append((at, server.get("/").status))
        seen[-1] = (time.monotonic() - at, seen[-1][1])
        assert time.monotonic() - begin < 50, "the stuck requests are given up"
    assert {call.result().status for call in stuck} == {504}
    assert {status for _, status in seen} <= {200, 503, 504}
    print(f"L3: {len(seen)} requests meanwhile, the slowest {max(took for took, _ in seen):.1f} s")
    opened(server)
    wait_until(lambda: server.get("/").status == 200, "it serves again")
    assert [server.get("/").status for _ in range(10)] == [200] * 10
    assert len(words(scratch / "held-in")) == 10, "nothing ran twice"


@pytest.mark.ours("D741: with 6.1.1 one client may have the whole queue")
def test_one_client_cannot_have_the_whole_queue(new_server: Any) -> None:
    """S5: many requests of one client; another one gets in though the queue is full, and has its turn before most of them."""
    server = serving_in_order(new_server, "processes=1 threads=2 listen-backlog=20")
    scratch = server.layout.scratch
    held = occupied(server, 2)
    before = waited(server)
    many = [Call(server, f"/many?entered={scratch}/order") for _ in range(40)]
    waiting(server, before + 20)
    wait_until(lambda: sum(not call.is_alive() for call in many) >= 20, "the queue is full")
    other = FromElsewhere(server, f"/other?entered={scratch}/order")
    wait_until(lambda: sum(not call.is_alive() for call in many) >= 21, "one of the many made room")
    assert other.is_alive()
    opened(server)
    assert other.result().status == 200
    assert [call.result().status for call in held] == [200] * 2
    statuses = [call.result().status for call in many]
    assert statuses.count(200) == 19
    assert statuses.count(503) == 21
    assert words(scratch / "order").index("other") < 8, "it came last, and every second worker is for others"
    server.expect("WSGI0116: ", count=21)


class FromElsewhere(Call):
    """A request from another address of this host."""

    def run(self) -> None:
        try:
            with RawConnection(self.server.layout.port) as client:
                client.socket.close()
                client.socket = socket.create_connection(
                    (HOST, self.server.layout.port), timeout=60, source_address=("127.0.0.2", 0)
                )
                client.send(f"GET {self.target} HTTP/1.0\r\nHost: a\r\n\r\n".encode())
                status = int(client.receive_all().split()[1])
            self.reply = request(self.server.layout.port, "GET", "/static/file")
            object.__setattr__(self.reply, "status", status)
        except OSError as error:
            self.error = error


# ---- access log -------------------------------------------------------------------------------


@pytest.mark.ours("D749: 6.1.1 has no such notes")
@EVERY_MPM
def test_queue_time_is_in_the_access_log(new_server: Any, mpm: str) -> None:
    """O7: the wait for a worker apart from the time of the application; the process that served it."""
    server = serving(
        new_server,
        "processes=1 threads=1 listen-backlog=1",
        'LogFormat "%q %>s %{wsgi-queue}n %{ms}T %{wsgi-process}n" queue\nCustomLog logs/queue queue\n',
        mpm=mpm,
    )
    log = server.layout.logs / "queue"
    held = occupied(server)
    (other,) = queued(server, 1)
    begin = time.monotonic()
    assert server.get("/?refused").status == 503
    server.expect("WSGI0116: ")
    wait_until(lambda: time.monotonic() - begin > 0.5, "half a second is over")
    opened(server)
    pid = other.result().json()["pid"]
    assert held[0].result().status == 200
    assert server.get("/?quick").status == 200
    wait_until(lambda: len(log.read_text().splitlines()) >= 4, "all are logged")
    lines = {line.split()[0].partition("&")[0]: line.split()[1:] for line in log.read_text().splitlines()}
    status, wait, whole, process = next(value for key, value in lines.items() if "queued" in key)
    assert (status, process) == ("200", str(pid))
    assert 400 <= int(wait) <= int(whole)
    status, wait, whole, process = lines["?quick"]
    assert (status, process) == ("200", str(pid))
    assert int(wait) < 400
    assert lines["?refused"][0] == "503"
    assert lines["?refused"][3] == "-"


# ---- contradictions ---------------------------------------------------------------------------


@pytest.mark.ours("D119: 6.1.1 gives no hints")
@pytest.mark.parametrize(
    ("options", "more", "parts"),
    [
        ("queue-timeout=90", "", ["queue-timeout=90 is longer than Timeout 30, which ends the wait before it"]),
        ("queue-timeout=9 socket-timeout=5", "", ["queue-timeout=9 is longer than socket-timeout=5"]),
        ("queue-timeout=5 connect-timeout=20", "", ["connect-timeout=20 is longer than queue-timeout=5"]),
        ("request-timeout=60", "", ["request-timeout=60 is longer than Timeout 30"]),
        ("request-timeout=20", "ProxyTimeout 10\n", ["request-timeout=20 is longer than ProxyTimeout 10 (", ":"]),
        ("interrupt-timeout=5", "", ["interrupt-timeout=5 has no effect without request-timeout"]),
        ("request-timeout=20 graceful-timeout=5", "", ["request-timeout=20 is longer than graceful-timeout=5"]),
        ("", "", []),
        ("queue-timeout=5", "", []),
        ("request-timeout=25", "", []),
        ("request-timeout=20 interrupt-timeout=5 socket-timeout=40 queue-timeout=20 connect-timeout=5", "", []),
    ],
)
def test_time_outs_that_contradict_each_other(new_server: Any, options: str, more: str, parts: list[str]) -> None:
    """C18: `httpd -t` and the log of the start name both and what to do; defaults contradict nothing."""
    server = new_server(one_group(f"threads=2 {options}", more), modules=("proxy",))
    proof = server.prove()
    assert proof.status == 0, proof.output
    said = [line for line in proof.output.splitlines() if "WSGIDaemonProcess app" in line]
    assert len(said) == bool(parts), proof.output
    if parts:
        assert all(part in said[0] for part in parts), said[0]
        assert f"{server.conf}:" in said[0]
        assert "; make" in said[0] or "; give" in said[0]
        server.start()
        server.expect(re.escape(parts[0]))
