# SPDX-License-Identifier: Apache-2.0
"""HTTP clients: a well-behaved one on http.client, and raw sockets for the rest."""

from __future__ import annotations

import http.client
import json
import socket
import struct

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from types import TracebackType
from typing import Any

TIMEOUT = 30.0
HOST = "127.0.0.1"

Body = bytes | Iterable[bytes] | None
Headers = Mapping[str, str] | Iterable[tuple[str, str]]


class Cut(Exception):
    """The response ended before it was complete; `partial` is what came."""

    def __init__(self, partial: bytes, status: int) -> None:
        super().__init__(f"the response was cut after {len(partial)} bytes")
        self.partial = partial
        self.status = status


@dataclass(frozen=True)
class Reply:
    """A complete response."""

    status: int
    reason: str
    headers: tuple[tuple[str, str], ...]
    body: bytes

    def all(self, name: str) -> list[str]:
        """Values of all lines of that name."""
        return [value for key, value in self.headers if key.lower() == name.lower()]

    def get(self, name: str) -> str | None:
        """The only value of that name, None without one."""
        values = self.all(name)
        assert len(values) <= 1, f"{len(values)} {name} headers: {values}"
        return values[0] if values else None

    @property
    def text(self) -> str:
        """The body as text."""
        return self.body.decode("utf-8")

    def json(self) -> Any:
        """The body as JSON; a failed request is shown instead of a parse error."""
        assert self.status == 200, f"{self.status} {self.reason}: {self.body[:300]!r}"
        return json.loads(self.body)


def request(
    port: int,
    method: str,
    target: str,
    body: Body = None,
    headers: Headers = (),
    *,
    chunked: bool = False,
    timeout: float = TIMEOUT,
) -> Reply:
    """One request on a connection of its own."""
    pairs = list(headers.items()) if isinstance(headers, Mapping) else list(headers)
    names = {name.lower() for name, _ in pairs}
    connection = http.client.HTTPConnection(HOST, port, timeout=timeout)
    try:
        connection.putrequest(method, target, skip_host="host" in names, skip_accept_encoding=True)
        for name, value in pairs:
            connection.putheader(name, value)
        if chunked:
            connection.putheader("Transfer-Encoding", "chunked")
        elif isinstance(body, bytes) and "content-length" not in names:
            connection.putheader("Content-Length", str(len(body)))
        connection.endheaders(body, encode_chunked=chunked)
        response = connection.getresponse()
        try:
            content = response.read()
        except http.client.IncompleteRead as cut:
            raise Cut(cut.partial, response.status) from cut
        except ConnectionError as cut:
            raise Cut(b"", response.status) from cut
        return Reply(response.status, response.reason, tuple(response.getheaders()), content)
    finally:
        connection.close()


class RawConnection:
    """A TCP connection on which any bytes can be sent."""

    def __init__(self, port: int, timeout: float = TIMEOUT) -> None:
        self.socket = socket.create_connection((HOST, port), timeout=timeout)
        self.buffer = b""
        self.was_reset = False

    def __enter__(self) -> RawConnection:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        value: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def send(self, data: bytes) -> None:
        """Sends all of it."""
        self.socket.sendall(data)

    def receive_until(self, mark: bytes) -> bytes:
        """Everything up to and including the mark; an early end is an error."""
        while mark not in self.buffer:
            data = self.socket.recv(65536)
            if not data:
                raise AssertionError(f"connection ended before {mark!r}: {self.buffer[-300:]!r}")
            self.buffer += data
        head, found, self.buffer = self.buffer.partition(mark)
        return head + found

    def receive_all(self) -> bytes:
        """What comes until the other side closes."""
        while True:
            try:
                data = self.socket.recv(65536)
            except ConnectionResetError:
                self.was_reset = True
                data = b""
            if not data:
                rest, self.buffer = self.buffer, b""
                return rest
            self.buffer += data

    def finish_sending(self) -> None:
        """Half-close: no more bytes from us."""
        self.socket.shutdown(socket.SHUT_WR)

    def abort(self) -> None:
        """Closes with a reset, as a client that crashed."""
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.socket.close()

    def close(self) -> None:
        """Closes in the ordinary way."""
        self.socket.close()


def exchange(port: int, data: bytes) -> bytes:
    """Sends bytes that end in a closing request, returns all that comes back."""
    with RawConnection(port) as connection:
        connection.send(data)
        return connection.receive_all()
