# SPDX-License-Identifier: Apache-2.0
"""Streaming: each block is at the client before the next is asked for, within a small coalescing.

The application waits at a gate after each block, and the test opens it when the client has the
block: a block that waited for its successor would hang. Nothing is measured by a clock.
"""

from __future__ import annotations

import http.client
import time
import zlib

from collections.abc import Iterator
from pathlib import Path

import pytest

from harness import Cut, Layout, RawConnection, Server, request, wait_until
from harness.client import HOST
from harness.processes import descendants_of, status_field

MODULES = ("deflate", "filter", "ratelimit", "include")
PORTS = 4
MINUTES = 600_000  # milliseconds: longer than any test


def configure(layout: Layout) -> str:
    """Four ways: as it comes, without a delay, with one that does not end, with one in between."""

    def host(number: int, options: str) -> str:
        name = f"group{number}"
        delegate = layout.delegate(name, f"processes=1 threads=4 {options}")
        return f"""
<VirtualHost *:{layout.ports[number]}>
    ServerName streams{number}.invalid
    {delegate}
    WSGIApplicationGroup %{{GLOBAL}}
    WSGIScriptAlias /plain {layout.apps}/blocks.wsgi
    WSGIScriptAlias /deflated {layout.apps}/blocks.wsgi
    WSGIScriptAlias /limited {layout.apps}/blocks.wsgi
    <Location /deflated>
        SetOutputFilter DEFLATE
    </Location>
    <Location /limited>
        SetOutputFilter RATE_LIMIT
        SetEnv rate-limit 512
    </Location>
</VirtualHost>
"""

    ways = ("", "response-flush-delay=0", f"response-flush-delay={MINUTES} response-buffer-size=65536")
    return "".join(host(*each) for each in enumerate((*ways, "response-flush-delay=50")))


COMMON, AT_ONCE, NEVER, SOON = range(PORTS)


@pytest.fixture
def gate(site: Server, request: pytest.FixtureRequest) -> Path:
    """The application waits for this file, or for GATE.1, GATE.2 ..."""
    name = request.node.name.replace("[", "-").replace("]", "").replace("/", "-")
    return site.layout.scratch / f"{name}.gate"


class Body:
    """A response that is read as it comes, unpacked if need be."""

    def __init__(self, site: Server, target: str, way: int = COMMON, encoding: str = "identity") -> None:
        self.connection = http.client.HTTPConnection(HOST, site.layout.ports[way], timeout=60)
        self.connection.request("GET", target, headers={"Accept-Encoding": encoding})
        self.response = self.connection.getresponse()
        assert self.response.status == 200
        packed = self.response.getheader("Content-Encoding") == "gzip"
        self.unpack = zlib.decompressobj(31).decompress if packed else bytes
        self.packed = packed
        self.data = b""

    def __enter__(self) -> Body:
        return self

    def __exit__(self, *_: object) -> None:
        self.connection.close()

    def until(self, size: int) -> None:
        """So many bytes are there."""
        while len(self.data) < size:
            piece = self.response.read1(65536)
            assert piece, f"the response ended after {len(self.data)} of {size} bytes"
            self.data += self.unpack(piece)

    def rest(self) -> bytes:
        """All of it."""
        self.data += self.unpack(self.response.read())
        return self.data


def expected(count: int, size: int) -> bytes:
    """What blocks.wsgi yields."""
    return b"".join((b"<%d>" % number).ljust(size, b".") for number in range(1, count + 1))


def step_by_step(body: Body, gate: Path, count: int, size: int) -> None:
    """Each block comes while the application waits, and no more than that."""
    for number in range(1, count + 1):
        body.until(number * size)
        assert body.data == expected(number, size), "exactly the blocks that were asked for"
        Path(f"{gate}.{number}").touch()
    assert body.rest() == expected(count, size)


# ---- order ---------------------------------------------------------------------------------


@pytest.mark.core
@pytest.mark.parametrize("size", [10, 5_000, 70_000])
def test_each_block_leaves_before_the_next(site: Server, gate: Path, size: int) -> None:
    """R10: blocks smaller and larger than any buffer on the way."""
    with Body(site, f"/plain/steps?n=4&size={size}&gate={gate}") as body:
        step_by_step(body, gate, 4, size)


@pytest.mark.parametrize("way", [COMMON, AT_ONCE, SOON])
@pytest.mark.parametrize("path", ["plain/length", "plain/write", "deflated/steps", "deflated/write", "limited/steps"])
def test_other_ways_to_stream(site: Server, gate: Path, path: str, way: int) -> None:
    """R10: with a Content-Length, by write(), through mod_deflate and mod_ratelimit; with every delay."""
    with Body(site, f"/{path}?n=3&size=300&gate={gate}", way, encoding="gzip") as body:
        assert body.packed == path.startswith("deflated")
        step_by_step(body, gate, 3, 300)


@pytest.mark.core
@pytest.mark.parametrize("path", ["plain", "deflated"])
def test_events(site: Server, gate: Path, path: str) -> None:
    """R10: server-sent events, as an EventSource reads them: whole events, one by one."""
    with Body(site, f"/{path}/events?n=3&gate={gate}", encoding="gzip") as body:
        for number in range(1, 4):
            while body.data.count(b"\n\n") < number:
                body.until(len(body.data) + 1)
            assert body.data.count(b"\n\n") == number
            assert body.data.endswith(b"data: " + f"<{number}>".encode().ljust(10, b".") + b"\n\n")
            Path(f"{gate}.{number}").touch()
        assert body.rest().count(b"\n\n") == 3


def test_http_1_0(site: Server, gate: Path) -> None:
    """R10: neither chunks nor a length: the same order."""
    with RawConnection(site.layout.port) as connection:
        connection.send(f"GET /plain/steps?n=3&gate={gate} HTTP/1.0\r\n\r\n".encode())
        for number in range(1, 4):
            connection.receive_until(f"<{number}>".encode())
            Path(f"{gate}.{number}").touch()
        connection.receive_all()
        assert not connection.was_reset


def test_last_block_does_not_wait_for_close(site: Server, gate: Path) -> None:
    with Body(site, f"/plain/late_close?gate={gate}") as body:
        body.until(len(b"all there is"))
        gate.touch()
        assert body.rest() == b"all there is"


def test_rate_limit_is_kept(site: Server) -> None:
    """R10, P8: mod_ratelimit gets the blocks and counts them; the rate is only told.

    It sleeps after each flush. A daemon's small blocks come to it together; in embedded mode each is
    flushed by itself, as in 6.1.1, so there they have to be large.
    """
    count, size = (300, 1024) if site.layout.mode == "daemon" else (5, 60 * 1024)
    begin = time.monotonic()
    with Body(site, f"/limited/many?n={count}&size={size}") as body:
        assert len(body.rest()) == 300 * 1024
    taken = time.monotonic() - begin
    print(f"300 KiB at 512 KiB/s took {taken:.2f} s, {300 / taken:.0f} KiB/s")
    assert taken > 0.2, "mod_ratelimit sends at most 100 KiB in 200 ms"


# ---- coalescing ----------------------------------------------------------------------------


def chunks(response: bytes) -> list[int]:
    """The sizes of the chunks of a whole response."""
    _, _, rest = response.partition(b"\r\n\r\n")
    found = []
    while True:
        line, _, rest = rest.partition(b"\r\n")
        size = int(line, 16)
        found.append(size)
        if not size:
            return found
        rest = rest[size + 2 :]


def whole(site: Server, target: str, way: int) -> bytes:
    with RawConnection(site.layout.ports[way]) as connection:
        connection.send(f"GET {target} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n".encode())
        return connection.receive_all()


@pytest.mark.ours("D240: 6.1.1 makes hundreds of chunks of them")
@pytest.mark.modes("daemon")
def test_fast_blocks_leave_together(site: Server) -> None:
    """P8: 5000 blocks of 20 bytes become few chunks; the response ends without any delay."""
    found = chunks(whole(site, "/plain/many?n=5000&size=20", NEVER))
    assert sum(found) == 100_000
    assert len(found) < 20


@pytest.mark.modes("daemon")
@pytest.mark.parametrize("count", [1, 3])
def test_framing_does_not_depend_on_speed(site: Server, count: int) -> None:
    """A streamed response has no length and knows no ranges, also when all of it came at once."""
    head, _, _ = whole(site, f"/plain/many?n={count}&size=20", NEVER).partition(b"\r\n\r\n")
    assert b"Transfer-Encoding: chunked" in head
    assert b"Content-Length" not in head


@pytest.mark.modes("daemon")
def test_delay_holds_a_block_back(site: Server, gate: Path) -> None:
    """response-flush-delay: a block waits so long for its successor; the end lets all go at once."""
    with RawConnection(site.layout.ports[NEVER]) as connection:
        connection.send(f"GET /plain/steps?n=2&gate={gate} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n".encode())
        assert whole(site, "/plain/many?n=1&size=9", NEVER), "others are served meanwhile"
        Path(f"{gate}.1").touch()
        Path(f"{gate}.2").touch()
        found = connection.receive_all()
        if not site.layout.module.peer:
            assert chunks(found) == [20, 0]
        assert b"<1>" in found
        assert b"<2>" in found


@pytest.mark.modes("daemon")
def test_buffer_size_forces_a_flush(site: Server, gate: Path) -> None:
    """response-buffer-size: so many bytes are flushed, through a filter that keeps what it can."""
    with Body(site, f"/deflated/held?n=128&gate={gate}", NEVER, encoding="gzip") as body:
        body.until(65536)
        gate.touch()
        assert len(body.rest()) == 128 * 1024


def test_delay_is_an_upper_bound(site: Server, gate: Path) -> None:
    """R10: an application that never pauses for as long as the delay: its blocks leave all the same."""
    with Body(site, f"/plain/trickle?gate={gate}", SOON) as body:
        body.until(1)
        gate.touch()
        assert int(body.rest().partition(b"=")[2]) < 20_000


@pytest.mark.ours("D205: a response cut short in a 6.1.1 daemon looks complete")
@pytest.mark.modes("daemon")
def test_failure_while_blocks_are_held(site: Server) -> None:
    """Promise 4: what the client gets does not depend on the delay: the head, the block, a cut."""
    for way in (NEVER, AT_ONCE):
        with pytest.raises(Cut) as cut:
            request(site.layout.ports[way], "GET", "/plain/fail")
        assert (cut.value.status, cut.value.partial) == (200, b"before")
        site.expect_exception(174, "ValueError: after a block")
        site.forget_logs()


@pytest.mark.ours("D212: a 6.1.1 daemon gets the whole body before its response is looked at")
@pytest.mark.parametrize("expect", [True, False])
def test_client_that_answers(site: Server, expect: bool) -> None:
    """R10: the application yields, then reads what the client only sends when it has seen that."""
    for way in (COMMON, AT_ONCE):
        with RawConnection(site.layout.ports[way]) as connection:
            more = "Expect: 100-continue\r\n" if expect else ""
            connection.send(
                f"POST /plain/ask HTTP/1.1\r\nHost: x\r\nConnection: close\r\n{more}Content-Length: 5\r\n\r\n".encode()
            )
            connection.receive_until(b"send it now:")
            connection.send(b"hello")
            assert b"hello" in connection.receive_all()


@pytest.mark.ours("D212: a 6.1.1 daemon gets the whole body before its response is looked at")
@pytest.mark.modes("daemon")
def test_reading_lets_blocks_go(site: Server) -> None:
    """With Expect the Apache child is about to wait for the client: what it holds leaves before."""
    with RawConnection(site.layout.ports[NEVER]) as connection:
        connection.send(
            b"POST /plain/ask HTTP/1.1\r\nHost: x\r\nConnection: close\r\n"
            b"Expect: 100-continue\r\nContent-Length: 5\r\n\r\n"
        )
        connection.receive_until(b"send it now:")
        connection.send(b"hello")
        assert b"hello" in connection.receive_all()


# ---- slow clients --------------------------------------------------------------------------


def told(path: Path) -> int:
    """MiB that the application has been asked for."""
    return int(path.read_text() or "0") // 16 if path.exists() else 0


def stands_still(path: Path) -> Iterator[bool]:
    """True when the number has not changed for some looks."""
    seen, same = -1, 0
    while True:
        number = int(path.read_text() or "0") if path.exists() else -1
        same = same + 1 if number == seen and number > 0 else 0
        seen = number
        yield same > 20


def peak(site: Server) -> dict[int, int]:
    """The most memory that each process has used, in kB."""
    return {pid: int(status_field(pid, "VmHWM").split()[0]) for pid in descendants_of(site.pid)}


@pytest.mark.parametrize("path", ["plain", "deflated"])
def test_slow_client_holds_the_application(site: Server, gate: Path, path: str) -> None:
    """R10: 200 MiB for a client that does not read, then reads: no process keeps more than a little."""
    Body(site, "/plain/generated?mib=8&told=/dev/null").rest()
    before = peak(site)
    encoding = "Accept-Encoding: identity\r\n"
    with RawConnection(site.layout.port, timeout=60) as connection:
        connection.send(f"GET /{path}/generated?mib=200&told={gate} HTTP/1.0\r\n{encoding}\r\n".encode())
        still = stands_still(gate)
        wait_until(lambda: next(still), "the application is held", 30)
        assert told(gate) < 100, "most of it has not been asked for"
        assert connection.receive_until(b"\r\n\r\n").startswith(b"HTTP/1.1 200 ")
        size = len(connection.buffer)
        while data := connection.socket.recv(1 << 20):
            size += len(data)
    assert size == 200 << 20
    grown = {pid: most - before.get(pid, most) for pid, most in peak(site).items()}
    assert max(grown.values()) < 40_000, grown
