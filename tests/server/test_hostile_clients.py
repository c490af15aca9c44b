# SPDX-License-Identifier: Apache-2.0
"""Clients that dawdle, leave at every byte, or never read; afterwards everything is as before.

R8, S5: all workers are free, descriptors are as many as before, and no line above debug was logged.
"""

from __future__ import annotations

import contextlib
import socket
import struct
import time

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import pytest

from harness import Layout, Server, wait_until
from harness.calls import run_side_by_side
from harness.client import HOST
from harness.processes import children_of, command_line, descriptors, is_alive

THREADS = 2
CLIENTS = 8
BODY = b"0123456789" * 3


def configure(layout: Layout) -> str:
    """Two threads: one that is not given back is missed at once."""
    return f"""
{layout.delegate("app", f"processes=1 threads={THREADS}")}
WSGIApplicationGroup %{{GLOBAL}}
WSGIChunkedRequest On
WSGIScriptAlias /body {layout.apps}/body.wsgi
WSGIScriptAlias /gate {layout.apps}/streams.wsgi
"""


PLAIN = b"POST /body?how=read HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n%s" % (len(BODY), BODY)
CHUNKED = (
    b"POST /body?how=7 HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n"
    b"a\r\n0123456789\r\n14;x=y\r\n01234567890123456789\r\n0\r\nX-T: y\r\n\r\n"
)
EXPECT = PLAIN.replace(b"Host: x", b"Host: x\r\nExpect: 100-continue")
NEXT = b"GET /body?size=3 HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"


def close(connection: socket.socket) -> None:
    connection.close()


def reset(connection: socket.socket) -> None:
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    connection.close()


def half_close(connection: socket.socket) -> None:
    """Sends no more, and waits for the end: httpd has to come to one."""
    connection.shutdown(socket.SHUT_WR)
    with contextlib.suppress(ConnectionResetError):
        while connection.recv(65536):
            pass
    connection.close()


LEAVES = (close, reset, half_close)


def leave_after(port: int, data: bytes, leave: Callable[[socket.socket], None]) -> None:
    """Sends this much and goes."""
    with socket.create_connection((HOST, port), timeout=60) as connection, contextlib.suppress(OSError):
        connection.sendall(data)
        leave(connection)


def read_and_leave(port: int, data: bytes, count: int, leave: Callable[[socket.socket], None]) -> None:
    """Sends everything, reads this much of the answer, and goes."""
    with socket.create_connection((HOST, port), timeout=60) as connection:
        connection.sendall(data)
        got = 0
        while got < count:
            piece = connection.recv(count - got)
            if not piece:
                break
            got += len(piece)
        leave(connection)


def open_files(site: Server) -> dict[str, int]:
    """How many descriptors the Apache children and the daemons have."""
    found: dict[str, int] = {}
    for pid in site.family():
        with contextlib.suppress(OSError):
            found[f"{pid} {command_line(pid)}"] = len(descriptors(pid))
    return found


# A client that is gone while its body is awaited; debug only, but for what httpd itself says.
KNOWN = r"AH00\d{3}|AH01\d{3}|AH02429|AH10\d{3}"
# 6.1.1 has an error and a traceback for a body that breaks off.
PEER = r"WSGI0126|WSGI0174|WSGI0118|WSGI0120|OSError|Traceback|File |^\S* .*    |request data read|client"


@pytest.fixture
def quiet(site: Server) -> Server:
    """The file's server; only httpd may say something about bad requests."""
    site.allow(KNOWN)
    if site.layout.module.peer:
        site.allow(PEER)
    assert site.get("/body?size=5").status == 200
    return site


@pytest.mark.parametrize("data", [PLAIN, CHUNKED, EXPECT], ids=["length", "chunks", "expect"])
def test_leaving_at_every_byte_of_a_request(quiet: Server, data: bytes) -> None:
    """Closed, reset and half-closed after each byte."""
    before = [pid for pid in quiet.family() if is_alive(pid)]
    jobs = [(data[:count], leave) for count in range(len(data) + 1) for leave in LEAVES]
    with ThreadPoolExecutor(CLIENTS) as pool:
        list(pool.map(lambda job: leave_after(quiet.layout.port, *job), jobs))
    run_side_by_side(quiet, "request", THREADS)
    assert not [pid for pid in before if not is_alive(pid)]
    # An end in the middle of trailers is a malformed body to httpd, which does not say that it was the end.
    last = len(data) - data.rindex(b"0\r\n") if data is CHUNKED else 0
    told = quiet.log().matching("WSGI0126: OSError: the request body is malformed")
    assert len(told) <= last * len(LEAVES)
    quiet.allow("WSGI0126: OSError: the request body is malformed")


@pytest.mark.parametrize("target", [b"size=200", b"size=200&length=1", b"size=300000&block=1000"])
def test_leaving_at_every_byte_of_a_response(quiet: Server, target: bytes) -> None:
    """After each of the first bytes, and at some places further on."""
    data = b"GET /body?" + target + b" HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"
    counts = [*range(400), 1000, 10_000, 65_535, 65_536, 65_537, 150_000, 300_000]
    jobs = [(data, count, leave) for count in counts for leave in (close, reset)]
    with ThreadPoolExecutor(CLIENTS) as pool:
        list(pool.map(lambda job: read_and_leave(quiet.layout.port, *job), jobs))
    run_side_by_side(quiet, "response", THREADS)


def test_pipelined_and_gone(quiet: Server) -> None:
    """Twenty requests at once, then nobody there; also with a bad one among them."""
    for data in (
        NEXT.replace(b"Connection: close\r\n", b"") * 20,
        PLAIN * 20,
        CHUNKED * 20,
        PLAIN * 3 + b"\x00\r\n\r\n",
    ):
        for leave in LEAVES:
            leave_after(quiet.layout.port, data, leave)
    run_side_by_side(quiet, "pipelined", THREADS)


def drip(port: int, data: bytes) -> bytes:
    """One byte at a time, each in a packet of its own."""
    with socket.create_connection((HOST, port), timeout=60) as connection:
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for place in range(len(data)):
            connection.sendall(data[place : place + 1])
            time.sleep(0.002)
        answer = b""
        while piece := connection.recv(65536):
            answer += piece
        return answer


def test_one_byte_at_a_time(quiet: Server) -> None:
    """Heads and bodies that drip are understood, two behind each other, several side by side."""
    with ThreadPoolExecutor(CLIENTS) as pool:
        jobs = [pool.submit(drip, quiet.layout.port, data + NEXT) for data in (PLAIN, CHUNKED, EXPECT, NEXT[:0])]
        answers = [job.result() for job in jobs]
    assert [answer.count(b"HTTP/1.1 200 OK") for answer in answers] == [2, 2, 2, 1]
    assert all(b'"size": 30' in answer for answer in answers[:3])
    run_side_by_side(quiet, "drip", THREADS)


def test_never_reading(quiet: Server) -> None:
    """Clients that ask for much, and read nothing: whoever reads gets answers when they have gone."""
    idle = []
    for _ in range(THREADS):
        connection = socket.socket()
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        connection.connect((HOST, quiet.layout.port))
        connection.sendall(b"GET /body?size=20000000&block=65536 HTTP/1.1\r\nHost: x\r\n\r\n")
        idle.append(connection)
    for connection in idle:
        assert connection.recv(1) == b"H"
    for leave, connection in zip((close, reset), idle):
        leave(connection)
    run_side_by_side(quiet, "reading", THREADS)


def test_descriptors_stay(quiet: Server) -> None:
    """After hundreds that left none of them holds a descriptor."""

    def left() -> None:
        jobs = [
            (data[: len(data) * part // 10], leave)
            for data in (PLAIN, CHUNKED)
            for part in range(11)
            for leave in LEAVES
        ]
        with ThreadPoolExecutor(CLIENTS) as pool:
            list(pool.map(lambda job: leave_after(quiet.layout.port, *job), jobs))
            list(pool.map(lambda n: read_and_leave(quiet.layout.port, NEXT, n, reset), range(100)))
        run_side_by_side(quiet, "descriptors", THREADS)

    quiet.allow("WSGI0126: OSError: the request body is malformed")
    left()
    left()
    before = open_files(quiet)
    for _ in range(4):
        left()
    wait_until(
        lambda: all(count <= before.get(name, count) + 2 for name, count in open_files(quiet).items()),
        f"as few descriptors are open as before: {before} {open_files(quiet)}",
    )
    assert children_of(quiet.pid)
