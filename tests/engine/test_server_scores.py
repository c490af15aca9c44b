# SPDX-License-Identifier: Apache-2.0
"""mod_wsgi.server_metrics() in a daemon: the question to the supervisor, and answers good and bad."""

from __future__ import annotations

import json
import os
import struct
import threading

from collections.abc import Callable
from typing import Any

import pytest

from conftest import Host
from wirefront import Daemon, request_block

ALLOWED = 0x40
SCORE = struct.Struct("=6iQQqqqc64s64s32s7x")
HEAD = struct.Struct("=IIiiiiq")
MAGIC = 0x43534257

SCRIPT = """
import json, mod_wsgi


def application(environ, start_response):
    start_response("200 OK", [])
    return [json.dumps(mod_wsgi.server_metrics()).encode()]
"""


def score(process: int = 0, thread: int = 0, request: bytes = b"GET / HTTP/1.1") -> bytes:
    """One worker."""
    return SCORE.pack(process, 99, 3, 0, thread, 3, 17, 2**40, 1_500_000, 0, 2_000_000, b"W", b"::1", request, b"host")


def snapshot(*scores: bytes, magic: int = MAGIC, count: int | None = None) -> bytes:
    """As wire/scores.h has it."""
    return HEAD.pack(magic, len(scores) if count is None else count, 2, 1, 3, 0, 1_000_000) + b"".join(scores)


def file_of(data: bytes) -> int:
    descriptor = os.memfd_create("scores")
    os.write(descriptor, data)
    return descriptor


def ask(daemon: Daemon, block: bytes, answer: Callable[[], None]) -> Any:
    """What the application is told when the supervisor does `answer`."""
    got: list[Any] = []

    def request() -> None:
        with daemon.front() as front:
            got.append(front.run(block))

    thread = threading.Thread(target=request)
    thread.start()
    assert daemon.message() == "SCORES"
    answer()
    thread.join(30)
    return got[0]


def test_a_snapshot(host: Host) -> None:
    daemon = host.start(flags=ALLOWED)
    block = request_block(host.script(SCRIPT))
    descriptor = file_of(snapshot(score(), score(1)))
    reply = ask(daemon, block, lambda: daemon.tell("SCORES", "NONE", descriptors=[descriptor]))
    os.close(descriptor)
    found = json.loads(reply.body)
    assert (found["server_limit"], found["thread_limit"], found["restart_time"]) == (2, 1, 1.0)
    assert [process["process_num"] for process in found["processes"]] == [0, 1]
    assert found["processes"][0]["workers"] == [
        {
            "thread_num": 0,
            "generation": 3,
            "status": "W",
            "access_count": 17,
            "bytes_served": 2**40,
            "start_time": 1.5,
            "stop_time": 0.0,
            "last_used": 2.0,
            "client": "::1",
            "request": "GET / HTTP/1.1",
            "vhost": "host",
        }
    ]


BAD = {
    "empty": b"",
    "cut": snapshot(score())[:-1],
    "foreign": snapshot(score(), magic=1),
    "counted wrong": snapshot(score(), count=2),
    "text without end": snapshot(score(request=b"x" * 64)),
}


@pytest.mark.parametrize("what", [*BAD, "no descriptor", "a pipe"])
def test_an_answer_that_is_none(host: Host, what: str) -> None:
    """None, one warning, and the daemon goes on."""
    daemon = host.start(flags=ALLOWED)
    block = request_block(host.script(SCRIPT))
    descriptors = [] if what == "no descriptor" else list(os.pipe())[:1] if what == "a pipe" else [file_of(BAD[what])]
    reply = ask(daemon, block, lambda: daemon.tell("SCORES", "NONE", descriptors=descriptors))
    assert json.loads(reply.body) is None
    assert any("server_metrics() returns None" in text for _, text in reply.logs)
    good = file_of(snapshot(score()))
    reply = ask(daemon, block, lambda: daemon.tell("SCORES", "NONE", descriptors=[good]))
    assert json.loads(reply.body)["server_limit"] == 2
    assert daemon.stop() == 0


def test_unasked(host: Host) -> None:
    """An answer that nobody waits for does no harm."""
    daemon = host.start(flags=ALLOWED)
    for _ in range(3):
        descriptor = file_of(snapshot(score()))
        daemon.tell("SCORES", "NONE", descriptors=[descriptor])
        os.close(descriptor)
    assert daemon.stop() == 0


def test_supervisor_that_is_gone(host: Host) -> None:
    """None at once, not a request that hangs."""
    daemon = host.start(flags=ALLOWED)
    block = request_block(host.script(SCRIPT))
    with daemon.front() as front:
        front.begin(block)
        assert daemon.message() == "SCORES"
        daemon.control.close()
        assert json.loads(front.collect().body) is None
