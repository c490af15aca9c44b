# SPDX-License-Identifier: Apache-2.0
"""S4 over HTTP/2: frames and heads that a well-behaved client never sends, floods, downgrade tricks.

Frames are made with hyperframe and hpack, so that nothing stands between a row and the wire. After
each the server answers, and no process is gone.
"""

from __future__ import annotations

import contextlib
import json
import socket
import struct

from dataclasses import dataclass, field

import hpack
import hyperframe.exceptions
import hyperframe.frame as frames
import pytest

from harness import Layout, Server
from harness.calls import run_side_by_side
from harness.client import HOST
from harness.processes import is_alive

MODULES = ("http2",)
THREADS = 2
PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"

Field = tuple[bytes, bytes]
HEAD: tuple[Field, ...] = (
    (b":method", b"POST"),
    (b":scheme", b"http"),
    (b":authority", b"localhost"),
    (b":path", b"/app/one"),
)


def configure(layout: Layout) -> str:
    """HTTP/2 from the first byte; two threads, so that one that hangs is missed."""
    return f"""
Protocols h2c http/1.1
H2Direct On
{layout.delegate("app", f"processes=1 threads={THREADS}")}
WSGIApplicationGroup %{{GLOBAL}}
WSGIChunkedRequest On
WSGIScriptAlias /app {layout.apps}/ledger.wsgi
WSGIScriptAlias /events {layout.apps}/streams.wsgi
WSGIScriptAlias /gate {layout.apps}/streams.wsgi
"""


@dataclass
class Wire:
    """One connection on which any frame can be sent."""

    port: int
    encoder: hpack.Encoder = field(default_factory=hpack.Encoder)
    decoder: hpack.Decoder = field(default_factory=hpack.Decoder)
    statuses: dict[int, int] = field(default_factory=dict)
    resets: dict[int, int] = field(default_factory=dict)
    ended: set[int] = field(default_factory=set)
    gone: bool = False
    buffer: bytes = b""

    def __post_init__(self) -> None:
        self.socket = socket.create_connection((HOST, self.port), timeout=60)
        self.send(PREFACE + frames.SettingsFrame(0).serialize())

    def __enter__(self) -> Wire:
        return self

    def __exit__(self, *_: object) -> None:
        self.socket.close()

    def send(self, data: bytes) -> None:
        """Whoever has been told GOAWAY may find the connection closed."""
        with contextlib.suppress(BrokenPipeError, ConnectionResetError):
            self.socket.sendall(data)

    def head(self, number: int, fields: tuple[Field, ...], *flags: str) -> None:
        """HEADERS in one frame, whatever is in it."""
        frame = frames.HeadersFrame(number, self.encoder.encode(list(fields), huffman=False))
        for flag in ("END_HEADERS", *flags):
            frame.flags.add(flag)
        self.send(frame.serialize())

    def data(self, number: int, data: bytes, *flags: str) -> None:
        frame = frames.DataFrame(number, data)
        for flag in flags:
            frame.flags.add(flag)
        self.send(frame.serialize())

    def take(self) -> bool:
        """One frame from the server; False at the end of the connection."""
        while len(self.buffer) < 9 or len(self.buffer) < 9 + int.from_bytes(self.buffer[:3], "big"):
            try:
                piece = self.socket.recv(65536)
            except ConnectionResetError:
                piece = b""
            if not piece:
                self.gone = True
                return False
            self.buffer += piece
        length = int.from_bytes(self.buffer[:3], "big")
        whole, self.buffer = self.buffer[: 9 + length], self.buffer[9 + length :]
        with contextlib.suppress(hyperframe.exceptions.HyperframeError):
            frame, _ = frames.Frame.parse_frame_header(memoryview(whole[:9]))
            frame.parse_body(memoryview(whole[9:]))
            self.note(frame)
        return True

    def note(self, frame: frames.Frame) -> None:
        if isinstance(frame, frames.HeadersFrame):
            for name, value in self.decoder.decode(frame.data, raw=True):
                if name == b":status":
                    self.statuses[frame.stream_id] = int(value)
        if isinstance(frame, frames.RstStreamFrame):
            self.resets[frame.stream_id] = frame.error_code
        if "END_STREAM" in frame.flags:
            self.ended.add(frame.stream_id)
        if isinstance(frame, frames.GoAwayFrame) and frame.error_code:
            self.gone = True
        if isinstance(frame, frames.SettingsFrame) and "ACK" not in frame.flags:
            self.send(frames.SettingsFrame(0, flags=["ACK"]).serialize())

    def finish(self, *numbers: int) -> None:
        """Until these streams, or the connection, have come to an end."""
        while not self.gone and not all(number in self.ended or number in self.resets for number in numbers):
            self.take()


def ledger(site: Server) -> list[dict[str, str]]:
    """What the application got, and forgets it."""
    path = site.layout.scratch / "ledger"
    found = [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []
    path.unlink(missing_ok=True)
    return [entry for entry in found if entry["event"] == "end"]


def whole_or_none(site: Server) -> tuple[str | None, ...]:
    """What the application may have read. D226: a daemon of 6.1.1 reads nothing of a body without a length."""
    return ("AAAAA", "", None) if site.layout.module.peer else ("AAAAA", None)


# What httpd says of such clients, and the module of bodies that do not come.
KNOWN = r"AH0\d{4}|AH10\d{3}|WSGI0126|WSGI0137|h2_"


def swap(name: bytes, value: bytes) -> tuple[Field, ...]:
    return tuple((key, value if key == name else old) for key, old in HEAD)


SMUGGLED = b"GET /app/two HTTP/1.1\r\nHost: localhost\r\n\r\n"
EVIL: dict[str, tuple[Field, ...]] = {
    "duplicate method": (*HEAD, (b":method", b"GET")),
    "duplicate path": (*HEAD, (b":path", b"/app/two")),
    "duplicate authority": (*HEAD, (b":authority", b"evil.invalid")),
    "late pseudo-header": (*HEAD[:3], (b"x", b"y"), HEAD[3]),
    "unknown pseudo-header": (*HEAD, (b":evil", b"yes")),
    "status in a request": (*HEAD, (b":status", b"200")),
    "no path": HEAD[:3],
    "no method": HEAD[1:],
    "empty path": swap(b":path", b""),
    "path with a request in it": swap(b":path", b"/app/one HTTP/1.1\r\nHost: x\r\n\r\n" + SMUGGLED),
    "path with a blank": swap(b":path", b"/app/one HTTP/1.1"),
    "path with NUL": swap(b":path", b"/app/one\0"),
    "path without slash": swap(b":path", b"app/one"),
    "method with a request in it": swap(b":method", b"GET /app/two HTTP/1.1\r\nX: "),
    "method with a blank": swap(b":method", b"GET /app/two"),
    "authority with a line": swap(b":authority", b"localhost\r\nX-Injected: yes"),
    "authority with a path": swap(b":authority", b"localhost/x"),
    "scheme with a URL": swap(b":scheme", b"http://evil.invalid/?"),
    "two hosts": (*HEAD, (b"host", b"evil.invalid")),
    "transfer-encoding": (*HEAD, (b"transfer-encoding", b"chunked")),
    "connection": (*HEAD, (b"connection", b"content-length, x")),
    "keep-alive": (*HEAD, (b"keep-alive", b"x")),
    "upgrade": (*HEAD, (b"upgrade", b"h2c")),
    "proxy-connection": (*HEAD, (b"proxy-connection", b"close")),
    "te": (*HEAD, (b"te", b"chunked")),
    "upper case": (*HEAD, (b"X-Upper", b"yes")),
    "empty name": (*HEAD, (b"", b"yes")),
    "name with a line": (*HEAD, (b"x: y\r\nx-injected", b"yes")),
    "name with a colon": (*HEAD, (b"x:injected", b"yes")),
    "name with a blank": (*HEAD, (b"x injected", b"yes")),
    "name with NUL": (*HEAD, (b"x-\0injected", b"yes")),
    "value with CR LF": (*HEAD, (b"x", b"y\r\nx-injected: yes")),
    "value with LF": (*HEAD, (b"x", b"y\nx-injected: yes")),
    "value with CR": (*HEAD, (b"x", b"y\rx-injected: yes")),
    "value with NUL": (*HEAD, (b"x", b"y\0x-injected: yes")),
    "value with a request": (*HEAD, (b"x", b"y\r\n\r\n" + SMUGGLED)),
    "length too long": (*HEAD, (b"content-length", b"50")),
    "length too short": (*HEAD, (b"content-length", b"1")),
    "length that is none": (*HEAD, (b"content-length", b"many")),
    "length with a sign": (*HEAD, (b"content-length", b"+5")),
    "two lengths": (*HEAD, (b"content-length", b"5"), (b"content-length", b"50")),
    "length with a line": (*HEAD, (b"content-length", b"5\r\nx-injected: yes")),
    "many fields": (*HEAD, *((b"x-%d" % number, b"y") for number in range(300))),
    "large field": (*HEAD, (b"x", b"y" * 12_000)),
    "proxy": (*HEAD, (b"proxy", b"http://evil.invalid")),
    "look-alikes": (*HEAD, (b"x_foo", b"evil"), (b"content_length", b"99"), (b"x-foo", b"good"), (b"x.foo", b"evil")),
}


@pytest.mark.parametrize("name", EVIL)
def test_heads(site: Server, name: str) -> None:
    """Refused (a 4xx, a reset, GOAWAY), or one request with exactly its own body; nothing is injected."""
    site.allow(KNOWN)
    ledger(site)
    before = [pid for pid in site.family() if is_alive(pid)]
    with Wire(site.layout.port) as wire:
        wire.head(1, EVIL[name])
        wire.data(1, b"AAAAA", "END_STREAM")
        wire.finish(1)
        status = wire.statuses.get(1, 0)
    assert status == 200 or 400 <= status < 500 or wire.gone or 1 in wire.resets
    entries = ledger(site)
    assert len(entries) <= 1
    for entry in entries:
        environ: dict[str, str] = entry["environ"]  # type: ignore[assignment]
        assert entry["body"] in whole_or_none(site)
        assert entry["path"].startswith("/one")
        text = " ".join(f"{key}={value}" for key, value in environ.items() if key.startswith("HTTP_"))
        assert "INJECTED" not in text
        assert "HTTP_PROXY" not in environ
        assert environ.get("HTTP_X_FOO") in (None, "good")
        assert "evil" not in environ["SERVER_NAME"]
        assert "\n" not in text
        assert "\0" not in text
    if status == 200:
        assert len(entries) == 1
    run_side_by_side(site, "heads", THREADS)
    assert not [pid for pid in before if not is_alive(pid)]


def test_trailers(site: Server) -> None:
    """Fields behind the body are in no environ, and change none."""
    site.allow(KNOWN)
    ledger(site)
    with Wire(site.layout.port) as wire:
        wire.head(1, (*HEAD, (b"x-foo", b"good")))
        wire.data(1, b"AAAAA")
        wire.head(1, ((b"x-foo", b"evil"), (b"proxy", b"evil"), (b"host", b"evil")), "END_STREAM")
        wire.finish(1)
    for entry in ledger(site):
        environ: dict[str, str] = entry["environ"]  # type: ignore[assignment]
        assert entry["body"] in whole_or_none(site)[:-1]
        assert environ["HTTP_X_FOO"] == "good"
        assert not [key for key, value in environ.items() if value == "evil"]
    run_side_by_side(site, "trailers", THREADS)


GET = tuple((key, b"GET" if key == b":method" else value) for key, value in HEAD)


def test_rapid_reset(site: Server) -> None:
    """Hundreds of streams that are reset as soon as they are asked for: the workers come free again."""
    site.allow(KNOWN)
    events = tuple((key, b"/events/events?n=100000" if key == b":path" else value) for key, value in GET)
    for fields in (GET, events):
        with Wire(site.layout.port) as wire:
            for number in range(1, 1001, 2):
                wire.head(number, fields, "END_STREAM")
                wire.send(frames.RstStreamFrame(number, error_code=8).serialize())
    run_side_by_side(site, "reset", THREADS)


def test_continuation_flood(site: Server) -> None:
    """A head that never ends is cut off by httpd, and nobody runs it."""
    site.allow(KNOWN)
    ledger(site)
    with Wire(site.layout.port) as wire:
        frame = frames.HeadersFrame(1, wire.encoder.encode(list(GET)))
        frame.flags.add("END_STREAM")
        wire.send(frame.serialize())
        for _ in range(2000):
            wire.send(frames.ContinuationFrame(1, b"\x00\x01x\x7f\x81\x00" + b"y" * 256).serialize())
        wire.send(frames.ContinuationFrame(1, b"", flags=["END_HEADERS"]).serialize())
        wire.finish(1)
    assert wire.statuses.get(1, 400) >= 400
    assert not ledger(site)
    run_side_by_side(site, "continuation", THREADS)


ODD = {
    "window of nothing": frames.WindowUpdateFrame(1, window_increment=1).serialize()[:9] + b"\0\0\0\0",
    "window overflow": frames.WindowUpdateFrame(1, window_increment=2**31 - 1).serialize() * 2,
    "priority on itself": frames.PriorityFrame(1, depends_on=1, stream_weight=0).serialize(),
    "priorities": b"".join(frames.PriorityFrame(n, depends_on=n - 2).serialize() for n in range(3, 999, 2)),
    "goaway": frames.GoAwayFrame(0, last_stream_id=0, error_code=0).serialize(),
    "data without a stream": frames.DataFrame(99, b"x").serialize(),
    "settings of the wrong size": struct.pack(">I", 5)[1:] + b"\x04\x00" + b"\0" * 4 + b"abcde",
    "window of 0": frames.SettingsFrame(0, settings={4: 0}).serialize(),
    "ping": frames.PingFrame(0, opaque_data=b"12345678").serialize() * 200,
    "settings": frames.SettingsFrame(0).serialize() * 200,
    "unknown type": b"\0\0\x05\xee\xff\0\0\0\x01AAAAA",
    "push promise": b"\0\0\x04\x05\x04\0\0\0\x01\0\0\0\x02",
    "too large a frame": b"\xff\xff\xff\0\0\0\0\0\x01",
    "empty data": frames.DataFrame(1, b"").serialize() * 500,
    "padding over the end": b"\0\0\x02\0\x08\0\0\0\x01\xff\xff",
    "a request of HTTP/1.1": SMUGGLED,
}


@pytest.mark.parametrize("name", ODD)
def test_frames_in_the_middle_of_a_request(site: Server, name: str) -> None:
    """Between head and body: served, reset or cut, and never anything but that one request."""
    site.allow(KNOWN)
    ledger(site)
    with Wire(site.layout.port) as wire:
        wire.head(1, HEAD)
        wire.send(ODD[name])
        wire.data(1, b"AAAAA", "END_STREAM")
        wire.socket.shutdown(socket.SHUT_WR)
        wire.finish(1)
    entries = ledger(site)
    assert len(entries) <= 1
    assert all(entry["path"] == "/one" and entry["body"] in whole_or_none(site) for entry in entries)
    run_side_by_side(site, "frames", THREADS)
