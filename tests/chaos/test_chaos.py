# SPDX-License-Identifier: Apache-2.0
"""`make chaos` notices what it is there to notice: every way in which a request is lost, or executed twice."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import socket
import struct
import sys
import threading
import time

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

TESTS = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(TESTS / "server")]

from harness import find_module, wait_until  # noqa: E402

from chaos.events import Scene, Size  # noqa: E402
from chaos.fleet import load, streams  # noqa: E402
from chaos.judge import Seen, verdict  # noqa: E402
from chaos.load import Record  # noqa: E402
from chaos.phases import Phase, Run  # noqa: E402
from chaos.report import table  # noqa: E402
from chaos.site import Blow, Deploy, Execution, Site  # noqa: E402

ANSWER = "HTTP/1.1 {status} words\r\nContent-Length: {length}\r\nX-Version: 7\r\n\r\n"

# By the last digit of the request's number: what the server does, and what the client has to call it.
WAYS = {
    0: "200",
    1: "closed",
    2: "reset",
    3: "cut",
    4: "503",
    5: "garbled",  # the answer to another request
    6: "garbled",  # not HTTP
    7: "timeout",
    8: "cut",  # in the head
    9: "200",
}


class Unreliable(threading.Thread):
    """A server that loses requests in every way there is."""

    def __init__(self) -> None:
        super().__init__(daemon=True)
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        self.asked: list[str] = []
        self.connections = 0
        self.start()

    def run(self) -> None:
        while True:
            try:
                connection, _ = self.listener.accept()
            except OSError:
                return
            self.connections += 1
            threading.Thread(target=self.serve, args=(connection,), daemon=True).start()

    def stop(self) -> None:
        """Listens no more; accept() would otherwise go on until the next client."""
        with contextlib.suppress(OSError):
            self.listener.shutdown(socket.SHUT_RDWR)
        self.join()
        self.listener.close()

    def serve(self, connection: socket.socket) -> None:
        """Requests on one connection, until one is lost."""
        with connection:
            while True:
                got = b""
                while b"\r\n\r\n" not in got:
                    more = connection.recv(4096)
                    if not more:
                        return
                    got += more
                name = got.split(b" ")[1].rpartition(b"=")[2].decode()
                self.asked.append(name)
                if not self.answer(connection, name):
                    return

    def answer(self, connection: socket.socket, name: str) -> bool:
        """Whether the connection can be used again."""
        way = int(name[-1])
        body = f"{name}\n"
        whole = ANSWER.format(status=503 if way == 4 else 200, length=len(body)) + body
        if way == 2:
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        if way == 7:
            connection.recv(1)  # until the client loses its patience
        said = {
            1: "",
            2: "",
            3: whole[:-3],
            5: whole.replace(name, name[:-1] + "x"),
            6: "hello\r\n\r\n",
            7: "",
            8: "HT",
        }
        connection.sendall(said.get(way, whole).encode())
        return way not in said


@pytest.fixture
def unreliable() -> Iterator[Unreliable]:
    """Gone at the end."""
    server = Unreliable()
    yield server
    server.stop()


def ask_all(port: int, count: int) -> list[Record]:
    """Twenty requests on fresh and on kept connections each."""
    with load(port, "smoke", streams("app", "/?id=", 40), patience=1.5) as fleet:
        time.sleep(count / 40)
        return fleet.finish()


def test_every_loss_has_its_name(unreliable: Unreliable) -> None:
    """The client calls each kind of failure what it is, asks once for each, and keeps what may be kept."""
    records = ask_all(unreliable.port, 30)
    assert len(records) >= 20
    for record in records:
        assert record.outcome == WAYS[int(record.id[-1])], record
    assert sorted(unreliable.asked) == sorted(record.id for record in records), "asked once, not again"
    assert {record.version for record in records if record.outcome == "200"} == {7}
    assert {record.kind for record in records} == {"fresh", "reused"}


def test_a_kept_connection_is_used_again(unreliable: Unreliable, monkeypatch: pytest.MonkeyPatch) -> None:
    """So that the two kinds of clients differ."""
    monkeypatch.setitem(globals(), "WAYS", {})
    monkeypatch.setattr(Unreliable, "answer", lambda self, connection, name: bool(whole(connection, name)))
    with load(unreliable.port, "kept", streams("app", "/?id=", 0, 60)) as fleet:
        wait_until(lambda: len(unreliable.asked) >= 40, "40 requests")
        records = fleet.finish()
    assert {record.outcome for record in records} == {"200"}
    assert 10 <= unreliable.connections < len(records), "a late client may need another one"


def whole(connection: socket.socket, name: str) -> bool:
    """A right answer."""
    body = f"{name}\n"
    connection.sendall((ANSWER.format(status=200, length=len(body)) + body).encode())
    return True


def test_nobody_listens(unreliable: Unreliable) -> None:
    """Refused connections count as lost requests."""
    unreliable.stop()
    records = ask_all(unreliable.port, 5)
    assert {record.outcome for record in records} == {"refused"}
    assert verdict(seen("lossless", records))


def record(name: str, outcome: str = "200", begin: float = 10.0, end: float = 10.1, version: int = -1) -> Record:
    """A request of a made-up phase; its id begins with site and kind."""
    site, kind, _ = name.split(".")
    return Record(f"p.{name}", site, kind, begin, end, outcome, version, 0.0)


def seen(rule: str, records: list[Record], executed: Any = None, **more: Any) -> Seen:
    """A made-up phase; every application's good answer was executed unless something else is said."""
    if executed is None:
        executed = {each.id: [Execution(each.id, 1, "1")] for each in records if each.outcome == "200"}
    return Seen("p", rule, "ours", records, executed, **more)


GOOD = [record("app.fresh.1"), record("app.reused.1"), record("static.fresh.1"), record("static.reused.1")]
TWICE = {each.id: [Execution(each.id, 1, "1")] * (2 if each.site == "app" else 1) for each in GOOD}
CLOSED = [record(f"app.reused.{number}", "closed") for number in range(2, 6)]
BLOW = Blow(pid=5, before=10.05, after=10.06, kind="daemon")
RAN_IN_5 = {"p.app.fresh.1": [Execution("p.app.fresh.1", 5, "1")]}
SLOW = [record(f"other.fresh.{number}", begin=21.0, end=23.0) for number in range(5)]
QUICK_BEFORE = [record(f"other.fresh.{number}", begin=11.0, end=11.01) for number in range(5, 10)]

VERDICTS = [
    ("lossless", GOOD, {}, ""),
    ("lossless", [], {}, "no request was made"),
    ("lossless", GOOD, {"executed": TWICE}, "executed twice"),
    ("lossless", GOOD, {"executed": {}}, "without an execution"),
    ("lossless", GOOD, {"faults": ["a fault"]}, "a fault"),
    ("lossless", [*GOOD, record("app.fresh.2", "502")], {}, "502: 1"),
    ("lossless", [*GOOD, record("other.fresh.2", "closed")], {}, "other, fresh connections: closed: 1"),
    ("lossless", [*GOOD, record("app.reused.2", "503")], {}, "kept connections: 503: 1"),
    ("lossless", [*GOOD, *CLOSED], {}, "kept connections: 4 closed"),
    ("lossless", [*GOOD, *CLOSED, *(each._replace(site="static") for each in CLOSED)], {}, ""),
    ("lossless", [record("app.fresh.1", version=3)], {"deploys": [Deploy(4, 9.0, True)]}, "older code"),
    ("lossless", [record("app.fresh.1", version=3)], {"deploys": [Deploy(4, 9.0, False)]}, ""),
    ("502 once", [record("app.fresh.1", "502")], {"executed": RAN_IN_5, "blows": [BLOW]}, ""),
    ("502 once", [record("app.fresh.1", "503")], {"executed": RAN_IN_5, "blows": [BLOW]}, "instead of 502"),
    ("502 once", [record("app.fresh.1", "502")], {"executed": RAN_IN_5}, "did not run in a killed process"),
    ("502 once", [*GOOD, record("app.fresh.2", "502")], {"blows": [BLOW]}, "did not run in a killed process"),
    ("child", [*GOOD, record("static.fresh.2", "reset")], {"blows": [BLOW]}, ""),
    ("child", [*GOOD, record("static.fresh.2", "reset", 11.0, 11.1)], {"blows": [BLOW]}, "no child was killed"),
    ("heals", [*GOOD, record("app.fresh.2", "503", 3.0, 3.1)], {}, ""),
    ("heals", [*GOOD, record("app.fresh.2", "503")], {}, "still were failures"),
    ("neighbours", [*GOOD, *QUICK_BEFORE, *SLOW], {"began": 20.0, "ended": 30.0}, "p99 of other rose"),
    ("neighbours", [*GOOD, *QUICK_BEFORE], {"began": 20.0, "ended": 30.0}, ""),
]


@pytest.mark.parametrize(("rule", "records", "more", "reason"), VERDICTS)
def test_verdict(rule: str, records: list[Record], more: dict[str, Any], reason: str) -> None:
    """Each promise can be broken, and what is allowed is not called a failure."""
    phase = seen(rule, records, **more)
    reasons = verdict(phase)
    assert bool(reasons) == bool(reason), reasons
    assert reason in " ".join(reasons)
    if records:
        assert ("FAIL" in table([phase])[-1]) == bool(reason)


def lose(scene: Scene) -> None:
    """Requests are lost, and one line of the journal is doubled."""
    wait_until(lambda: scene.site.journal.read_bytes().count(b".long.") >= 2, "long requests run")
    for pid in scene.site.daemons("app"):
        os.kill(pid, signal.SIGKILL)
    lines = scene.site.journal.read_text().splitlines()
    line = next(each for each in lines if each.startswith("sabotage.other."))
    with scene.site.journal.open("a") as journal:
        journal.write(line + "\n")


def test_a_real_server_that_loses() -> None:
    """Through the whole machinery: killed processes where nothing may be lost, and an execution too many."""
    site = Site(find_module())
    try:
        site.start()
        run = Run(site, Size(lead=0.3, tail=0.3), None)
        found = run.play(Phase("sabotage", "a loss", lose, "lossless", with_long=True))
    finally:
        site.server.kill()
        shutil.rmtree(site.server.layout.root, ignore_errors=True)
    reasons = " ".join(verdict(found))
    assert "1 requests were executed twice: sabotage.other." in reasons
    assert "long, fresh connections: 502:" in reasons
    assert found.stream("static").records
    assert not found.stream("static").bad
