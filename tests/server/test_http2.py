# SPDX-License-Identifier: Apache-2.0
"""HTTP/2 by mod_http2: many streams on one connection, uploads, resets, events, cut responses."""

from __future__ import annotations

import hashlib
import os
import socket
import subprocess
import zlib

from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import h2.config
import h2.connection
import h2.events
import h2.exceptions
import h2.settings
import pytest

from harness import Layout, Server, wait_until
from harness.calls import run_side_by_side, words
from harness.client import HOST

MODULES = ("http2", "deflate", "filter")
THREADS = 4


def configure(layout: Layout) -> str:
    """HTTP/2 without TLS, from the first byte; few threads, so that one that hangs is missed."""
    return f"""
Protocols h2c http/1.1
H2Direct On
H2MaxSessionStreams 200
{layout.delegate("app", f"processes=1 threads={THREADS}")}
WSGIScriptAlias /packed {layout.apps}/streams.wsgi
WSGIScriptAlias / {layout.apps}/streams.wsgi
<Location /packed>
    SetOutputFilter DEFLATE
</Location>
WSGIApplicationGroup %{{GLOBAL}}
"""


@dataclass
class Stream:
    """What one stream has to send and has got."""

    number: int
    body: bytes = b""
    status: int = 0
    data: bytes = b""
    ended: bool = False
    reset: int | None = None

    @property
    def over(self) -> bool:
        return self.ended or self.reset is not None


@dataclass
class Client:
    """One connection; every call moves all its streams."""

    port: int
    streams: dict[int, Stream] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.socket = socket.create_connection((HOST, self.port), timeout=30)
        self.h2 = h2.connection.H2Connection(h2.config.H2Configuration(client_side=True))
        self.h2.initiate_connection()
        self.flush()

    def __enter__(self) -> Client:
        return self

    def __exit__(self, *_: object) -> None:
        self.socket.close()

    def flush(self) -> None:
        data = self.h2.data_to_send()
        if data:
            self.socket.sendall(data)

    def ask(
        self, target: str, body: bytes | None = None, method: str = "", more: Iterable[tuple[str, str]] = ()
    ) -> Stream:
        """Opens a stream; a body is sent as the windows allow."""
        number = self.h2.get_next_available_stream_id()
        head = [
            (":method", method or ("GET" if body is None else "POST")),
            (":scheme", "http"),
            (":authority", "localhost"),
            (":path", target),
            *more,
        ]
        if body is not None:
            head.append(("content-length", str(len(body))))
        self.h2.send_headers(number, head, end_stream=body is None)
        self.streams[number] = Stream(number, body or b"")
        self.push()
        return self.streams[number]

    def push(self) -> None:
        """Sends of the bodies what fits."""
        for stream in self.streams.values():
            while stream.body and not stream.over:
                room = min(self.h2.local_flow_control_window(stream.number), self.h2.max_outbound_frame_size)
                if room <= 0:
                    break
                piece, stream.body = stream.body[:room], stream.body[room:]
                self.h2.send_data(stream.number, piece, end_stream=not stream.body)
        self.flush()

    def cancel(self, stream: Stream) -> None:
        """RST_STREAM, as a browser sends it when somebody leaves the page."""
        if not stream.over:
            self.h2.reset_stream(stream.number, 8)
            stream.reset = 8
            stream.body = b""
            self.flush()

    def pump(self) -> None:
        """Takes what has come and goes on with the bodies."""
        data = self.socket.recv(65536)
        assert data, "the server closed the connection"
        try:
            received = self.h2.receive_data(data)
        except h2.exceptions.ProtocolError as error:
            raise AssertionError(f"{error}; state {self.h2.state_machine.state}") from error
        for event in received:
            self.take(event)
        self.push()

    def take(self, event: h2.events.Event) -> None:
        if isinstance(event, h2.events.ConnectionTerminated):
            raise AssertionError(f"GOAWAY {event.error_code}")
        stream = self.streams.get(getattr(event, "stream_id", 0) or 0)
        if stream is None:
            return
        if isinstance(event, h2.events.ResponseReceived):
            stream.status = int(dict(event.headers)[b":status"])
        elif isinstance(event, h2.events.DataReceived):
            stream.data += event.data
            self.h2.acknowledge_received_data(event.flow_controlled_length, stream.number)
        elif isinstance(event, h2.events.StreamEnded):
            stream.ended = True
        elif isinstance(event, h2.events.StreamReset):
            stream.reset = int(event.error_code)
            stream.body = b""

    def until(self, condition: Any) -> None:
        while not condition():
            self.pump()

    def finish(self, *streams: Stream) -> None:
        """Until these are over."""
        self.until(lambda: all(stream.over for stream in streams))


def test_environ(site: Server) -> None:
    with Client(site.layout.port) as client:
        stream = client.ask("/a%20b//c?x=1")
        client.finish(stream)
    found = stream.data.decode().splitlines()
    assert stream.status == 200
    assert found == [
        "SERVER_PROTOCOL=HTTP/2.0",
        "REQUEST_METHOD=GET",
        "HTTP_HOST=localhost",
        "PATH_INFO=/a b/c",
        "REQUEST_URI=/a%20b//c?x=1",
        "http",
    ]


def test_curl(site: Server, tmp_path: Path) -> None:
    """A client that is not ours: GET, HEAD and an upload."""
    url = f"http://127.0.0.1:{site.layout.port}"
    data = os.urandom(1 << 20)
    (tmp_path / "data").write_bytes(data)
    curl = ["curl", "--silent", "--show-error", "--http2-prior-knowledge", "--max-time", "30"]

    def run(*words: str) -> str:
        done = subprocess.run([*curl, *words], capture_output=True, text=True, timeout=60, check=False)
        assert done.returncode == 0, done.stderr
        return done.stdout

    assert "SERVER_PROTOCOL=HTTP/2.0" in run(f"{url}/")
    assert run("--head", f"{url}/").startswith("HTTP/2 200")
    expected = f"{len(data)} {hashlib.sha256(data).hexdigest()}"
    assert run("--data-binary", f"@{tmp_path}/data", f"{url}/upload") == expected


def mixed(site: Server, data: bytes, journal: Path) -> None:
    """Twenty streams of one connection: each kind five times, started one after the other."""
    expected = f"{len(data)} {hashlib.sha256(data).hexdigest()}".encode()
    whole, events = [], []
    with Client(site.layout.port) as client:
        for _ in range(5):
            whole.append(client.ask("/upload", data))
            left = client.ask("/upload", data)
            events.append(client.ask(f"/events?n=20&journal={journal}"))
            deserted = client.ask(f"/events?n=100000&journal={journal}")
            client.pump()
            client.cancel(left)
            client.until(lambda: deserted.data.count(b"\n\n") >= 3 or deserted.over)  # noqa: B023
            client.cancel(deserted)
        client.finish(*whole, *events)
        assert {stream.status for stream in (*whole, *events)} == {200}
        assert {stream.data for stream in whole} == {expected}
        assert {stream.data.count(b"\n\n") for stream in events} == {20}
        assert all(stream.data.endswith(b"\n\n") for stream in events)
        again = client.ask("/")
        client.finish(again)
        assert again.status == 200, "the connection lives"


# What the module may say of bodies that did not come and of clients that went.
LEFT = r"WSGI0126|WSGI0174|OSError|request data read error|Traceback|File |^\S* .*    |client|AH03|h2"


def test_many_streams_of_all_kinds(site: Server) -> None:
    """R20: a hundred streams: uploads of 1 MiB, half of them left, events, half of them left. No worker hangs."""
    journal = site.layout.scratch / f"closed-{site.layout.mode}"
    data = os.urandom(1 << 20)
    site.allow(LEFT)
    for _ in range(5):
        mixed(site, data, journal)
    wait_until(lambda: len(words(journal)) == 50, "every iterable is closed")
    assert max(int(word) for word in words(journal)) < 100_000, "none went on to its end"
    run_side_by_side(site, f"streams-{site.layout.mode}", THREADS, "/")


def test_connection_lost_in_the_middle(site: Server) -> None:
    """R20: the whole connection goes with uploads and events under way."""
    journal = site.layout.scratch / f"lost-{site.layout.mode}"
    site.allow(LEFT)
    with Client(site.layout.port) as client:
        streams = [client.ask(f"/events?n=100000&journal={journal}") for _ in range(3)]
        upload = client.ask("/upload", os.urandom(1 << 20))
        upload.body = b""
        client.until(lambda: all(stream.data for stream in streams))
    wait_until(lambda: len(words(journal)) == 3, "every iterable is closed")
    run_side_by_side(site, f"lost-{site.layout.mode}", THREADS, "/")


@pytest.mark.parametrize("path", ["", "/packed"])
def test_events_come_one_by_one(site: Server, path: str) -> None:
    """R10: an event is at the client before the application goes on, also behind mod_deflate; others are answered."""
    gate = site.layout.scratch / f"event{path.strip('/')}-{site.layout.mode}"
    with Client(site.layout.port) as client:
        events = client.ask(f"{path}/events?n=4&gate={gate}", more=[("accept-encoding", "gzip")])

        def seen() -> int:
            data = zlib.decompressobj(31).decompress(events.data) if path else events.data
            return data.count(b"\n\n")

        for number in range(1, 4):
            client.until(lambda: seen() == number)  # noqa: B023
            between = client.ask(f"/between/{number}")
            client.finish(between)
            assert between.status == 200
            assert seen() == number, "the next one has not been asked for"
            Path(f"{gate}.{number}").touch()
        client.finish(events)
        assert seen() == 4


@pytest.mark.ours("D205: a response cut short in a 6.1.1 daemon looks complete")
def test_failure_in_the_middle_resets_the_stream(site: Server) -> None:
    """Promise 4: the stream is reset, the connection and its other streams go on."""
    with Client(site.layout.port) as client:
        failing = client.ask("/fail")
        client.finish(failing)
        assert failing.reset is not None, "it must not look complete"
        other = client.ask("/")
        client.finish(other)
        assert (other.status, other.ended) == (200, True)
    site.expect_exception(174, "ZeroDivisionError: in the middle of a stream")
