# SPDX-License-Identifier: Apache-2.0
"""wsgi.input over HTTP: every way to read, ends that are known, bodies cut short, limits, Expect."""

from __future__ import annotations

import gzip
import hashlib
import http.client
import io
import json
import os
import random
import re
import subprocess
import time
import zlib

from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

import h2.events
import pytest

from harness import Layout, RawConnection, Server, exchange, places, processes, sanitizers, wait_until
from harness.calls import words
from test_http2 import Client, Stream

MODULES = ("filter", "deflate", "reqtimeout", "http2")
PORTS = 3
LIMIT = 1000
EXPECT = "Expect: 100-continue"
CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"


def configure(layout: Layout) -> str:
    """The application at several places; slow clients end early on the second port, stalling ones on the third."""
    return f"""
{layout.delegate()}
Protocols h2c http/1.1
H2Direct On
WSGIChunkedRequest On
WSGIApplicationGroup %{{GLOBAL}}
RequestReadTimeout header=0 body=0
WSGIScriptAlias /in {layout.apps}/input.wsgi
WSGIScriptAlias /limited {layout.apps}/input.wsgi
WSGIScriptAlias /unlimited {layout.apps}/input.wsgi
WSGIScriptAlias /inflated {layout.apps}/input.wsgi
WSGIScriptAlias /upload {layout.apps}/body.wsgi
WSGIScriptAlias /fixed {layout.apps}/body.wsgi
<Location /limited>
    LimitRequestBody {LIMIT}
</Location>
<Location /unlimited>
    LimitRequestBody 0
</Location>
<Location /inflated>
    SetInputFilter DEFLATE
</Location>
<Location /fixed>
    WSGIScriptReloading Off
</Location>
<VirtualHost *:{layout.ports[1]}>
    RequestReadTimeout header=0 body=1
    WSGIScriptAlias /in {layout.apps}/input.wsgi
</VirtualHost>
<VirtualHost *:{layout.ports[2]}>
    Timeout 1
    WSGIScriptAlias /in {layout.apps}/input.wsgi
</VirtualHost>
"""


# ---- what a client sends -------------------------------------------------------------------


def head(target: str, *lines: str, keep: bool = False, version: str = "1.1") -> bytes:
    """The head of a POST."""
    more = () if keep else ("Connection: close",)
    return "\r\n".join([f"POST {target} HTTP/{version}", "Host: x", *lines, *more, "", ""]).encode()


def length(body: bytes | int) -> str:
    """Its header."""
    return f"Content-Length: {body if isinstance(body, int) else len(body)}"


CHUNKED = "Transfer-Encoding: chunked"


def chunk(piece: bytes) -> bytes:
    """One chunk."""
    return b"%x\r\n%s\r\n" % (len(piece), piece)


def answer(connection: RawConnection) -> tuple[int, bytes]:
    """Status and body of the next response that is no interim one; nothing may be buffered before."""
    assert not connection.buffer
    response = http.client.HTTPResponse(connection.socket, method="POST")
    response.begin()
    return response.status, response.read()


def told(port: int, data: bytes | Iterable[bytes], *, half: bool = False) -> tuple[int, bytes]:
    """Sends a request on a connection of its own and takes the response."""
    with RawConnection(port) as connection:
        for piece in [data] if isinstance(data, bytes) else data:
            connection.send(piece)
        if half:
            connection.finish_sending()
        return answer(connection)


def results(reply: tuple[int, bytes]) -> Any:
    """What the application told."""
    status, body = reply
    assert status == 200, (status, body[:300])
    return json.loads(body)


# ---- every way to read ---------------------------------------------------------------------


def shown(value: Any) -> Any:
    """As input.wsgi shows a result."""
    if isinstance(value, bytes):
        return [len(value), zlib.crc32(value)]
    if isinstance(value, list):
        return [shown(item) for item in value]
    return repr(value)


def model(data: bytes, ops: list[str]) -> Any:
    """What io.BytesIO over the same bytes gives."""
    stream = io.BytesIO(data)
    made = []
    for op in ops:
        name, _, argument = op.partition(":")
        if name == "next":
            made.append(shown(next(stream, "stop")))
        elif name == "iter":
            made.append(shown(list(stream)))
        else:
            made.append(shown(getattr(stream, name)(*([int(argument)] if argument else []))))
    return made


def some_body(dice: random.Random) -> bytes:
    """Lines of all lengths, maybe none, maybe only one."""
    size = dice.choice([0, 1, 10, 500, 8192, 65536, 70_000, 300_000])
    often = dice.choice([1, 7, 80, 5000, 1 << 20])
    data = bytearray(dice.randbytes(size)).replace(b"\n", b".")
    for _ in range(size // often):
        data[dice.randrange(size)] = 10
    return bytes(data)


def some_ops(dice: random.Random, size: int) -> list[str]:
    """A sequence of calls; the rest is read in the end, and once more."""
    made = []
    for _ in range(dice.randrange(1, 25)):
        number = dice.choice([0, 1, 2, 7, 100, 8192, 65535, 65536, 65537, dice.randrange(size + 10)])
        name = dice.choice(["read", "read", "readline", "readline", "readlines", "next", "next-n", "rest"])
        if name == "next-n":
            made += ["next"] * dice.randrange(5)
        elif name == "next":
            made.append("next")
        elif name == "rest":
            made.append(
                dice.choice(["readline", "read:-1", "readline:-3", "readlines:1"] if dice.random() < 0.2 else ["next"])
            )
        else:
            made.append(f"{name}:{number}")
    return [*made, dice.choice(["read", "iter", "readlines"]), "read", "readline", "next", "readlines", "read:5"]


def some_pieces(dice: random.Random, data: bytes) -> Iterator[bytes]:
    """The body in segments of any size, with a pause now and then."""
    at = 0
    while at < len(data):
        size = dice.choice([1, 3, 1000, 16_384, 65_536, 200_000])
        yield data[at : at + size]
        at += size
        if dice.random() < 0.3:
            time.sleep(dice.random() / 200)


def framed(dice: random.Random, target: str, data: bytes, chunked: bool) -> Iterator[bytes]:
    """The request with this body."""
    yield head(target, CHUNKED if chunked else length(data))
    for piece in some_pieces(dice, data):
        yield chunk(piece) if chunked else piece
    if chunked:
        yield b"0\r\n\r\n"


@pytest.mark.core
@pytest.mark.parametrize("chunked", [False, True], ids=["length", "chunked"])
@pytest.mark.parametrize("seed", range(8))
@pytest.mark.ours("D224: 6.1.1 embedded splits long lines after another long one, and loses the end")
def test_any_calls_in_any_order(site: Server, seed: int, chunked: bool) -> None:
    """Sequences of calls give what io.BytesIO gives, however the body comes in."""
    dice = random.Random(seed)
    for _ in range(4):
        data = some_body(dice)
        ops = some_ops(dice, len(data))
        reply = told(site.layout.port, framed(dice, f"/in?ops={','.join(ops)}", data, chunked))
        assert results(reply) == model(data, ops), ops


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.ours("D225: 6.1.1 reads nothing of an inflated body")
def test_any_calls_on_an_inflated_body(site: Server, seed: int) -> None:
    """The end is where the filter says; Content-Length is that of the compressed body."""
    dice = random.Random(seed)
    data = some_body(dice) * 20
    ops = some_ops(dice, len(data))
    packed = gzip.compress(data)
    target = f"/inflated?ops={','.join(ops)}"
    request = [head(target, length(packed), "Content-Encoding: gzip"), *some_pieces(dice, packed)]
    assert results(told(site.layout.port, request)) == model(data, ops), ops


@pytest.mark.parametrize("version", ["1.0", "1.1"])
def test_facts(site: Server, version: str) -> None:
    """The end of input is known; the methods are those of 6.1.1."""
    found = results(told(site.layout.port, head("/in/none", length(3), version=version) + b"abc"))
    assert found == {
        "terminated": "True",
        "length": "3",
        "methods": ["close", "read", "readline", "readlines"],
        "iterator": True,
    }


@pytest.mark.ours("D220: 6.1.1 raises TypeError")
def test_none_is_no_limit(site: Server) -> None:
    data = b"one\ntwo\nthree"
    for op in ("read:None", "readlines:None", "readline:None"):
        got = results(told(site.layout.port, head(f"/in?ops={op}", length(data)) + data))
        assert got == model(data, [op.partition(":")[0]])


@pytest.mark.ours("D212: in 6.1.1's daemons an answer waits for the whole body")
def test_length_beyond_32_bits(site: Server) -> None:
    """A body of 5 GB is announced: its length is told, its begin is read, the answer comes at once."""
    for target, check in (("/unlimited/none", "5000000000"), ("/unlimited?ops=read:10", None)):
        with RawConnection(site.layout.port) as connection:
            connection.send(head(target, length(5_000_000_000), keep=True) + b"0123456789")
            found = results(answer(connection))
        assert found["length"] == check if check else found == [shown(b"0123456789")]


def test_read_in_a_thread(site: Server) -> None:
    data = b"line\n" * 1000
    got = results(told(site.layout.port, head("/in/thread?ops=readline,read", length(data)) + data))
    assert got == model(data, ["readline", "read"])


# ---- bodies that are cut short -------------------------------------------------------------

WAYS = ["read", "read:9000000", "readlines", "iter", "until:7000", "until:1048576"]
AFTER = ["read", "read:1", "read:0", "readline", "readline:0", "readlines", "readlines:0", "next", "iter"]
CUTS: dict[str, Callable[[bytes], list[bytes]]] = {
    "length": lambda data: [length(2 * len(data)).encode(), data],
    "between-chunks": lambda data: [CHUNKED.encode(), chunk(data)],
    "in-a-chunk": lambda data: [CHUNKED.encode(), b"%x\r\n%s" % (2 * len(data), data)],
}
CUT = "D211: 6.1.1's daemons answer 500, and do not run what was read"


def half_of(cut: str, target: str, data: bytes) -> bytes:
    """A request whose body ends in the middle."""
    line, body = CUTS[cut](data)
    return head(target, line.decode()) + body


@pytest.mark.core
@pytest.mark.parametrize("size", [10, 700_000])
@pytest.mark.parametrize("cut", CUTS)
@pytest.mark.ours(CUT)
def test_cut_body_raises_whichever_way(site: Server, cut: str, size: int) -> None:
    """R12: half a body is an OSError, at each call again, and the application's own answer goes out."""
    data = b"0123456789" * (size // 10)
    for way in WAYS:
        target = f"/in?ops={','.join([way, *AFTER])}"
        found = results(told(site.layout.port, half_of(cut, target, data), half=True))
        assert found == ["OSError: the client ended its request body too early"] * (1 + len(AFTER)), way


@pytest.mark.parametrize("cut", CUTS)
@pytest.mark.ours(CUT)
def test_what_came_before_the_cut_is_read(site: Server, cut: str) -> None:
    data = b"one\ntwo\nthree"
    found = results(told(site.layout.port, half_of(cut, "/in?ops=readline,read:2,read:2,read:1,read", data), half=True))
    assert found[:3] == model(data, ["readline", "read:2", "read:2"])
    assert found[3] == shown(b"t")
    assert found[4].startswith("OSError: ")


@pytest.mark.core
@pytest.mark.parametrize("cut", CUTS)
@pytest.mark.ours(CUT)
def test_cut_body_is_400_each_time(site: Server, cut: str) -> None:
    """An application that lets the exception pass: 400, however the bytes come in, and nothing in the log of errors."""
    for number in range(30):
        request = half_of(cut, "/in/raise?ops=read", b"x" * (1 + 1000 * number))
        with RawConnection(site.layout.port) as connection:
            if number % 3 == 1:
                connection.send(request[:-1])
                time.sleep(0.002)
            connection.send(request if number % 3 != 1 else request[-1:])
            if number % 3 == 2:
                time.sleep(0.002)
            connection.finish_sending()
            status, body = answer(connection)
        assert (status, b"WSGI" in body) == (400, False)
    # The connection was closed each time, and the server is as it was.
    assert results(told(site.layout.port, head("/in?ops=read", length(2)) + b"ok")) == [shown(b"ok")]


@pytest.mark.ours("D211, D221: 6.1.1 logs an error with its traceback, in a daemon two")
@pytest.mark.parametrize("way", ["half-close", "close", "reset"])
@pytest.mark.parametrize("mode", ["embedded", "daemon"])
def test_cut_body_is_one_debug_line(new_server: Any, mode: str, way: str) -> None:
    """Whether the client still listens or not: the application gets its exception, the log one line at debug."""
    server = new_server(configure, mode=mode, modules=MODULES, ports=PORTS, level="warn wsgi:debug").start()
    seen, entered = server.layout.scratch / "seen", server.layout.scratch / "entered"
    server.allow("wsgi:(debug|info)")
    for number in range(1, 4):
        connection = RawConnection(server.layout.port)
        target = f"/in/raise?ops=read&journal={seen}&entered={entered}"
        connection.send(half_of("length", target, b"half"))
        wait_until(lambda: len(words(entered)) == number, "the application runs")  # noqa: B023
        if way == "half-close":
            connection.finish_sending()
            assert answer(connection)[0] == 400
        elif way == "reset":
            connection.abort()
        connection.close()
        wait_until(lambda: words(seen) == ["OSError"] * number, "the application got its exception")  # noqa: B023
    server.stop()
    lines = [line for line in server.log().lines() if line.code in (126, 1008)]
    assert [line.level for line in lines] == ["debug"] * 3, lines


@pytest.mark.ours("D222: 6.1.1 goes on after its error page")
@pytest.mark.parametrize("kind", ["in", "in/raise"])
@pytest.mark.parametrize("body", [b"zz\r\nab\r\n", b"2\r\nab\r\nzz\r\n", b"fffffffffffffffff\r\nab"])
def test_malformed_chunks_are_400(site: Server, kind: str, body: bytes) -> None:
    with RawConnection(site.layout.port) as connection:
        connection.send(head(f"/{kind}?ops=read:2,read", CHUNKED) + body)
        connection.finish_sending()
        whole = connection.receive_all()
    assert whole.startswith((b"HTTP/1.1 400 ", b"HTTP/1.1 413 ")), whole[:200]
    assert whole.count(b"<html>") == 1
    assert b"OSError" not in whole
    site.allow("WSGI0126")


@pytest.mark.ours("D221, D225: 6.1.1's daemons answer themselves")
def test_broken_compression_raises(site: Server) -> None:
    """The request is whole, what it holds is not."""
    packed = gzip.compress(random.Random(1).randbytes(50_000))[:-20_000]
    request = head("/inflated?ops=read,read", length(packed), "Content-Encoding: gzip") + packed
    assert [text.partition(":")[0] for text in results(told(site.layout.port, request))] == ["OSError"] * 2
    site.allow(r"AH\d+")


# ---- limits and times ----------------------------------------------------------------------


@pytest.mark.parametrize("pieces", [(5, LIMIT), (LIMIT + 1,), (1,) * (LIMIT + 1)], ids=["two", "one", "many"])
@pytest.mark.parametrize("kind", ["limited", "limited/raise"])
@pytest.mark.ours("D222: 6.1.1 goes on after its error page")
def test_chunked_over_the_limit(site: Server, kind: str, pieces: tuple[int, ...]) -> None:
    """413 while it is read, once; one line when the application lets the exception pass."""
    body = b"".join(chunk(b"x" * size) for size in pieces) + b"0\r\n\r\n"
    whole = exchange(site.layout.port, head(f"/{kind}?ops=read:5,read,read", CHUNKED) + body)
    assert whole.startswith(b"HTTP/1.1 413 ")
    assert (whole.count(b"<html>"), b"OSError" in whole) == (1, False)
    if kind.endswith("raise"):
        site.expect_code(126, "larger than the server allows")
    site.allow("WSGI0126")


def test_chunked_at_the_limit(site: Server) -> None:
    request = head("/limited?ops=read", CHUNKED) + chunk(b"x" * LIMIT) + b"0\r\n\r\n"
    assert results(told(site.layout.port, request)) == [shown(b"x" * LIMIT)]


def test_chunked_over_the_limit_that_nobody_reads(site: Server) -> None:
    """The answer stands, unless the limit was met before it: the client gets one or the other, whole."""
    request = head("/limited", CHUNKED) + chunk(b"x" * LIMIT) + chunk(b"y") + b"0\r\n\r\n"
    for _ in range(10):
        whole = exchange(site.layout.port, request)
        assert whole.startswith(b"HTTP/1.1 413 " if site.layout.mode == "daemon" else b"HTTP/1.1 200 ")
        assert whole.count(b"HTTP/1.1") == 1
    site.allow("WSGI0126")


def test_length_over_the_limit(site: Server) -> None:
    """Told before anything is run or sent: no 100 Continue."""
    for more in ((), (EXPECT,)):
        connection = RawConnection(site.layout.port)
        connection.send(head("/limited?ops=read", length(LIMIT + 1), *more))
        assert connection.receive_until(b"\r\n").startswith(b"HTTP/1.1 413 ")
        connection.close()
    site.allow("WSGI0126")


def logged(site: Server, target: str) -> list[str]:
    """Statuses of the access log for this request."""
    log = site.layout.logs / "access_log"
    found = [line for line in log.read_text().splitlines() if f" {target} HTTP/" in line]
    return [line.partition('" ')[2].split()[0] for line in found]


@pytest.mark.parametrize("port", [1, 2], ids=["reqtimeout", "Timeout"])
@pytest.mark.ours("D221: 6.1.1 answers 500 when embedded, and does not run the application in a daemon")
def test_slow_client_is_408(site: Server, port: int) -> None:
    """R16: the client sends half and waits: 408, also in the access log; the application gets an OSError."""
    seen = site.layout.scratch / f"slow-{site.layout.mode}-{port}"
    target = f"/in/raise?ops=read&journal={seen}"
    status, _ = told(site.layout.ports[port], head(target, length(10)) + b"01234")
    assert status == 408
    assert words(seen) == ["OSError"]
    wait_until(lambda: logged(site, target) == ["408"], "the access log says 408")
    site.expect_code(126, "too slowly")


@pytest.mark.parametrize("port", [1, 2], ids=["reqtimeout", "Timeout"])
@pytest.mark.ours("D221: 6.1.1 does not run the application in a daemon")
def test_answer_to_a_slow_client(site: Server, port: int) -> None:
    """The application that catches the exception answers; the connection ends, the rest is no request."""
    with RawConnection(site.layout.ports[port]) as connection:
        connection.send(head("/in?ops=read:5,read,read", length(10), keep=True) + b"01234")
        found = connection.receive_all()
    assert found.startswith(b"HTTP/1.1 200 ")
    assert found.count(b"OSError: the client sent its request body too slowly") == 2


# ---- Expect: 100-continue ------------------------------------------------------------------


@pytest.mark.core
@pytest.mark.parametrize("chunked", [False, True], ids=["length", "chunked"])
@pytest.mark.parametrize("ops", ["read", "read:0,read", "readline,read", "next,iter", "readlines"])
@pytest.mark.ours("D223: 6.1.1's daemons say 100 Continue before the application decides anything")
def test_continue_at_the_first_read(site: Server, ops: str, chunked: bool) -> None:
    """Once, when the application reads; then the body is asked for."""
    entered = site.layout.scratch / f"entered-{site.layout.mode}-{site.layout.mpm}-{zlib.crc32(ops.encode())}-{chunked}"
    data = b"one\ntwo\n" * 20_000
    with RawConnection(site.layout.port) as connection:
        connection.send(head(f"/in?ops={ops}&entered={entered}", CHUNKED if chunked else length(data), EXPECT))
        assert connection.receive_until(b"\r\n\r\n") == CONTINUE
        assert words(entered) == ["entered"], "the application started first"
        connection.send(chunk(data) + b"0\r\n\r\n" if chunked else data)
        assert results(answer(connection)) == model(data, ops.split(","))


@pytest.mark.ours("D223: 6.1.1's daemons say 100 Continue before the application decides anything")
def test_continue_for_nothing_but_read_0(site: Server) -> None:
    """read(0) lets the client send, and waits for nothing."""
    with RawConnection(site.layout.port) as connection:
        connection.send(head("/in?ops=read:0,read:0", length(5), EXPECT))
        assert connection.receive_until(b"\r\n\r\n") == CONTINUE
        whole = connection.receive_all()
    assert whole.startswith(b"HTTP/1.1 200 ")
    assert json.dumps([shown(b"")] * 2).encode() in whole


@pytest.mark.core
@pytest.mark.parametrize("status", ["200 OK", "403 Forbidden"])
@pytest.mark.ours("D213, D223: 6.1.1's daemons say 100 Continue before the application decides anything")
def test_no_continue_for_an_answer_without_reading(site: Server, status: str) -> None:
    """The final status at once; the connection ends, as what comes next may be the body or a request."""
    for framing in (length(5), CHUNKED):
        with RawConnection(site.layout.port) as connection:
            connection.send(head(f"/in?status={status.replace(' ', '%20')}", framing, EXPECT, keep=True))
            whole = connection.receive_all()
        assert whole.startswith(f"HTTP/1.1 {status}\r\n".encode())
        assert re.search(rb"(?m)^Connection: .*\bclose\r$", whole)
        assert b"100 Continue" not in whole


@pytest.mark.ours("D223: 6.1.1's daemons say 100 Continue before the application decides anything")
@pytest.mark.parametrize("kind", ["head", "block"])
def test_no_continue_after_the_begin_of_an_answer(site: Server, kind: str) -> None:
    """The head comes instead; a body that still comes is read."""
    for status in ("200 OK", "403 Forbidden"):
        with RawConnection(site.layout.port) as connection:
            query = f"ops=read:0,read&status={status.replace(' ', '%20')}"
            connection.send(head(f"/in/{kind}?{query}", length(5), EXPECT))
            assert connection.receive_until(b"\r\n\r\n").startswith(f"HTTP/1.1 {status}\r\n".encode())
            connection.send(b"hello")
            assert json.dumps(model(b"hello", ["read:0", "read"])).encode() in connection.receive_all()


def test_expect_without_a_wait(site: Server) -> None:
    """A client that sends its body along with the head, in HTTP/1.0 too: one answer, maybe with a 100."""
    data = b"x" * 100_000
    for version in ("1.0", "1.1"):
        request = head("/in?ops=read:0,read", length(data), EXPECT, version=version) + data
        whole = exchange(site.layout.port, request)
        assert json.dumps(shown(data)).encode() in whole
        assert whole.count(b"100 Continue") <= (version == "1.1")


def test_expect_without_a_body(site: Server) -> None:
    for more in ((), (length(0),)):
        whole = exchange(site.layout.port, head("/in?ops=read:0,read", EXPECT, *more))
        assert whole.startswith(b"HTTP/1.1 200 ")


def test_other_expectations(site: Server) -> None:
    whole = exchange(site.layout.port, head("/in?ops=read", length(5), "Expect: 200-ok") + b"hello")
    assert whole.startswith(b"HTTP/1.1 417 ")


@pytest.mark.ours("D223: 6.1.1's daemons say 100 Continue before the application decides anything")
def test_answer_while_the_client_was_told_to_go_on(site: Server) -> None:
    """After 100 Continue the client says nothing: the application is not held by more than its own read."""
    with RawConnection(site.layout.port) as connection:
        connection.send(head("/in?ops=read:0", length(1_000_000), EXPECT, keep=True))
        assert connection.receive_until(b"\r\n\r\n") == CONTINUE
        assert connection.receive_until(b"\r\n").startswith(b"HTTP/1.1 200 ")


# ---- both directions -----------------------------------------------------------------------


@pytest.mark.core
@pytest.mark.parametrize("chunked", [False, True], ids=["length", "chunked"])
@pytest.mark.ours("D212: in 6.1.1's daemons an answer waits for the whole body")
def test_early_answer_then_the_rest(site: Server, chunked: bool) -> None:
    """The whole answer is there before the client sends more; what it sends then is no request."""
    data = b"GET /in/none HTTP/1.1\r\nHost: x\r\n\r\n" * 3000
    with RawConnection(site.layout.port) as connection:
        for ops in ("", "read:5"):
            connection.send(head(f"/in?ops={ops}", CHUNKED if chunked else length(data), keep=True))
            connection.send(chunk(data[:100]) if chunked else data[:100])
            assert results(answer(connection)) == model(data, [ops] if ops else [])
            connection.send(chunk(data[100:]) + b"0\r\n\r\n" if chunked else data[100:])
        connection.send(head("/in?ops=read", length(4)) + b"last")
        assert results(answer(connection)) == [shown(b"last")]


@pytest.mark.core
@pytest.mark.ours("D212: in 6.1.1's daemons an answer waits for the whole body")
def test_lines_go_back_and_forth(site: Server) -> None:
    """Each line is sent only when the one before has come back: nobody waits for the end of the body."""
    with RawConnection(site.layout.port) as connection:
        connection.send(head("/in/lines", CHUNKED))
        connection.receive_until(b"begin\n")
        for number in range(50):
            line = b"line %d\n" % number
            connection.send(chunk(line))
            connection.receive_until(line)
        connection.send(b"0\r\n\r\n")
        assert b"end\n" in connection.receive_all()


# ---- along with the request ----------------------------------------------------------------

# Notes each message over a UNIX socket.
SHIM = r"""
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

ssize_t sendmsg(int fd, const struct msghdr *message, int flags)
{
    ssize_t (*real)(int, const struct msghdr *, int) = dlsym(RTLD_NEXT, "sendmsg");
    ssize_t sent = real(fd, message, flags);
    int problem = errno, domain = 0, journal;
    socklen_t size = sizeof domain;
    char line[32];

    getsockopt(fd, SOL_SOCKET, SO_DOMAIN, &domain, &size);
    journal = domain == AF_UNIX ? open(getenv("WSGI_TEST_MESSAGES"), O_WRONLY | O_APPEND) : -1;
    if (journal >= 0) {
        int length = snprintf(line, sizeof line, "%d\n", (int)getpid());
        if (write(journal, line, (size_t)length) < 0)
            abort();
        close(journal);
    }
    errno = problem;
    return sent;
}
"""


@pytest.mark.ours("nothing that a user sees: the messages between Apache and its daemons")
def test_small_body_travels_with_the_request(new_server: Any, tmp_path: Path) -> None:
    """One message from Apache to the daemon: head, variables and body."""
    (tmp_path / "shim.c").write_text(SHIM)
    tmp_path.chmod(0o755)
    server = new_server(configure, mode="daemon", modules=MODULES, ports=PORTS)
    shim = server.layout.scratch / "shim.so"
    subprocess.run(["cc", "-shared", "-fPIC", tmp_path / "shim.c", "-o", shim, "-ldl"], check=True)
    shim.chmod(0o755)
    journal = server.layout.scratch / "messages"
    journal.touch()
    journal.chmod(0o666)
    server.environment.update(sanitizers.preload(shim), WSGI_TEST_MESSAGES=str(journal))
    server.start()
    assert results(told(server.layout.port, head("/in?ops=read", length(1)) + b"x")) == [shown(b"x")]
    httpd = os.path.realpath(places().httpd)
    apaches = {str(pid) for pid in server.family() if processes.image(pid) == httpd}
    for size in (0, 1, 1000, 30_000):
        data = b"x" * size
        before = words(journal)
        assert results(told(server.layout.port, head("/in?ops=read", length(size)) + data)) == [shown(data)]
        fresh = [pid for pid in words(journal)[len(before) :] if pid in apaches]
        assert len(fresh) == 1, size


# ---- large uploads -------------------------------------------------------------------------


def uploaded(site: Server, target: str, pieces: Iterable[bytes], size: int) -> Any:
    """The digest that the application found."""
    return results(told(site.layout.port, [head(target, length(size)), *pieces]))


@pytest.mark.parametrize("target", ["/upload", "/fixed"], ids=["reloading", "fixed"])
def test_large_upload_arrives_whole(site: Server, target: str) -> None:
    """R5, R12: 32 MiB by length and by chunks, read in blocks; small segments of a slow client."""
    block = random.Random(2).randbytes(1 << 20)
    wanted = hashlib.sha256(block * 32).hexdigest()
    assert uploaded(site, f"{target}?how=100000", [block] * 32, 32 << 20)["sha256"] == wanted
    chunks = [head(f"{target}?how=iterate", CHUNKED), *[chunk(block)] * 32, b"0\r\n\r\n"]
    assert results(told(site.layout.port, chunks))["sha256"] == wanted
    small = [block[at : at + 700] for at in range(0, 300_000, 700)]
    found = uploaded(site, target, small, sum(map(len, small)))
    assert found["sha256"] == hashlib.sha256(b"".join(small)).hexdigest()


@pytest.mark.parametrize("how", ["read", "lines", "iterate", "mixed"])
def test_chunked_upload_of_10_mib(site: Server, how: str) -> None:
    """R5: no Content-Length, every way to read."""
    data = random.Random(3).randbytes(10 << 20)
    request = [head(f"/upload?how={how}", CHUNKED), chunk(data), b"0\r\n\r\n"]
    found = results(told(site.layout.port, request))
    assert (found["size"], found["content_length"]) == (len(data), None)
    assert found["sha256"] == hashlib.sha256(data).hexdigest()


@pytest.mark.ours(CUT)
def test_large_upload_cut_in_the_middle(site: Server) -> None:
    """R12: half of 16 MiB: an exception, not the end of the body."""
    block = bytes(1 << 20)
    request = [head("/in?ops=until:65536,read", length(16 << 20)), *[block] * 8]
    found = results(told(site.layout.port, request, half=True))
    assert found == ["OSError: the client ended its request body too early"] * 2


# ---- HTTP/2 --------------------------------------------------------------------------------


class Sender(Client):
    """A client that sends the pieces of a body one by one, without a length unless it is told one."""

    interim: list[int]

    def __enter__(self) -> Sender:
        return self

    def begin(self, target: str, *more: tuple[str, str]) -> Stream:
        """Opens a stream that has a body."""
        self.interim: list[int] = []
        number = self.h2.get_next_available_stream_id()
        first = [(":method", "POST"), (":scheme", "http"), (":authority", "localhost"), (":path", target)]
        self.h2.send_headers(number, [*first, *more])
        self.streams[number] = Stream(number)
        self.flush()
        return self.streams[number]

    def give(self, stream: Stream, data: bytes, last: bool = False) -> None:
        """Sends a piece of at most one frame."""
        while self.h2.local_flow_control_window(stream.number) < len(data):
            self.pump()
        self.h2.send_data(stream.number, data, end_stream=last)
        self.flush()

    def take(self, event: h2.events.Event) -> None:
        if isinstance(event, h2.events.InformationalResponseReceived):
            self.interim.append(int(dict(event.headers)[b":status"]))
        super().take(event)


@pytest.mark.ours("D224, D226: a body without length is empty in 6.1.1's daemons")
@pytest.mark.parametrize("seed", range(3))
def test_any_calls_over_http_2(site: Server, seed: int) -> None:
    """A body without length, its end known, in frames of any size."""
    dice = random.Random(seed)
    with Sender(site.layout.port) as client:
        for _ in range(4):
            data = some_body(dice)
            ops = some_ops(dice, len(data))
            stream = client.begin(f"/in?ops={','.join(ops)}")
            for piece in some_pieces(dice, data):
                for at in range(0, len(piece), 16_384):
                    client.give(stream, piece[at : at + 16_384])
            client.give(stream, b"", last=True)
            client.finish(stream)
            assert results((stream.status, stream.data)) == model(data, ops), ops


@pytest.mark.ours("D212: in 6.1.1's daemons an answer waits for the whole body")
def test_lines_go_back_and_forth_over_http_2(site: Server) -> None:
    """Full duplex in one stream."""
    with Sender(site.layout.port) as client:
        stream = client.begin("/in/lines")
        client.until(lambda: stream.data == b"begin\n")
        for number in range(50):
            line = b"line %d\n" % number
            client.give(stream, line)
            client.until(lambda: stream.data.endswith(line))  # noqa: B023
        client.give(stream, b"", last=True)
        client.finish(stream)
        assert stream.data.endswith(b"end\n")


@pytest.mark.ours("D804: 6.1.1 says nothing")
def test_over_the_limit_over_http_2(site: Server) -> None:
    """With a length before anything runs, without one while it is read; one line each."""
    with Sender(site.layout.port) as client:
        for more in ((), (("content-length", str(LIMIT + 5)),)):
            stream = client.begin("/limited/raise?ops=read:5,read", *more)
            client.give(stream, b"12345")
            client.give(stream, b"x" * LIMIT, last=True)
            client.finish(stream)
            assert stream.status == 413
            site.expect_code(126)
            site.forget_logs()
        stream = client.begin("/limited?ops=read")
        client.give(stream, b"x" * LIMIT, last=True)
        client.finish(stream)
        assert results((stream.status, stream.data)) == [shown(b"x" * LIMIT)]


@pytest.mark.ours("D223: 6.1.1's daemons say 100 Continue before the application decides anything")
def test_expect_over_http_2(site: Server) -> None:
    """100 at the first read, none for an answer without reading."""
    expect = ("expect", "100-continue")
    with Sender(site.layout.port) as client:
        stream = client.begin("/in?ops=read:0,read", expect, ("content-length", "5"))
        client.until(lambda: client.interim or stream.over)
        assert client.interim == [100]
        client.give(stream, b"hello", last=True)
        client.finish(stream)
        assert results((stream.status, stream.data)) == model(b"hello", ["read:0", "read"])
        assert client.interim == [100]
        stream = client.begin("/in", expect, ("content-length", "5"))
        client.finish(stream)
        assert (stream.status, client.interim) == (200, [])
