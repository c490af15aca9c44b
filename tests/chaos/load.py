# SPDX-License-Identifier: Apache-2.0
"""The load client: a process of its own, open loop, constant rate, never retries.

The first line of standard input says what to do (see `Order`); it prints an empty line, begins, and ends
with the next line, or after `seconds`, or `count` requests a stream. Then it waits for what is under way,
at most `patience` seconds, and prints a list with one record for each request.

Times are CLOCK_MONOTONIC, which all processes share. Outcomes are the status, or

refused      nobody listened
unreachable  no connection for another reason
closed       the connection was closed before a byte of an answer
reset        the same, by a reset
cut          the answer broke off
timeout      no whole answer within `patience`
garbled      not HTTP, or the answer to another request
unsent       too many requests were under way: the server has stopped to answer
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import select
import sys
import time

from collections import deque
from typing import NamedTuple, TypedDict

HOST = "127.0.0.1"
KEPT = 10  # connections that a stream uses in turn
WIDTH = 300  # requests under way in a stream


class Stream(TypedDict):
    """One kind of request. `target` ends where the id is to be added; `echo`: the body is the id."""

    site: str
    kind: str
    rate: float
    target: str
    echo: bool


class Order(TypedDict):
    """What a client is told."""

    port: int
    prefix: str
    streams: list[Stream]
    seconds: float
    count: int
    patience: float


class Record(NamedTuple):
    """One request."""

    id: str
    site: str
    kind: str
    begin: float
    end: float
    outcome: str
    version: int
    late: float


class Link(asyncio.Protocol):
    """A connection, and the one answer that is awaited on it."""

    def __init__(self) -> None:
        self.transport: asyncio.Transport | None = None
        self.waiter: asyncio.Future[None] | None = None
        self.forget()
        self.ended = ""

    def forget(self) -> None:
        """The next answer begins."""
        self.buffer = b""
        self.status = 0
        self.headers: dict[str, str] = {}
        self.body = -1  # offset of the body
        self.wanted = -1  # its length; -1: until the connection ends

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self.transport = transport

    def data_received(self, data: bytes) -> None:
        self.buffer += data
        if self.body < 0 and b"\r\n\r\n" in self.buffer:
            self.read_head()
        if self.is_whole():
            self.wake()

    def eof_received(self) -> bool:
        self.ended = self.ended or "closed"
        self.wake()
        return False

    def connection_lost(self, exc: Exception | None) -> None:
        self.ended = self.ended or ("reset" if exc else "closed")
        self.wake()

    def wake(self) -> None:
        """Whoever waits looks again."""
        if self.waiter and not self.waiter.done():
            self.waiter.set_result(None)

    def read_head(self) -> None:
        """Status and headers; a status of 0 is none."""
        head, _, _ = self.buffer.partition(b"\r\n\r\n")
        self.body = len(head) + 4
        first, *lines = head.decode("latin-1").split("\r\n")
        words = first.split(" ", 2)
        if len(words) >= 2 and words[0].startswith("HTTP/1.") and words[1].isdigit():
            self.status = int(words[1])
        self.headers = {key.lower(): value.strip() for key, _, value in (line.partition(":") for line in lines)}
        length = self.headers.get("content-length", "")
        self.wanted = int(length) if length.isdigit() else -1

    def is_whole(self) -> bool:
        """Whether the answer is complete, as far as can be said before the connection ends."""
        return self.body >= 0 and self.wanted >= 0 and len(self.buffer) >= self.body + self.wanted

    def is_idle(self) -> bool:
        """Whether another request may be sent: the kernel is asked, for the loop may be late."""
        assert self.transport
        if self.ended or self.buffer or self.transport.is_closing():
            return False
        look = select.poll()
        look.register(self.transport.get_extra_info("socket"), select.POLLIN | select.POLLRDHUP)
        return not look.poll(0)

    def close(self) -> None:
        """Gone."""
        if self.transport:
            self.transport.abort()

    def outcome(self, name: str, echo: bool) -> str:
        """What became of the request."""
        if not self.buffer:
            return self.ended
        if self.body < 0:
            return "cut" if self.buffer.startswith(b"HTTP/1."[: len(self.buffer)]) else "garbled"
        if self.wanted < 0 and "chunked" in self.headers.get("transfer-encoding", ""):
            return str(self.status) if self.buffer.endswith(b"0\r\n\r\n") else "cut"
        if self.wanted >= 0 and not self.is_whole():
            return "cut"
        if not self.status or (self.status == 200 and echo and self.buffer[self.body :] != f"{name}\n".encode()):
            return "garbled"
        return str(self.status)


class Client:
    """All streams of one process."""

    def __init__(self, order: Order) -> None:
        self.order = order
        self.records: list[Record] = []
        self.tasks: set[asyncio.Task[None]] = set()
        self.stop = asyncio.Event()

    async def connect(self) -> Link:
        """A new connection."""
        loop = asyncio.get_running_loop()
        _, link = await loop.create_connection(Link, HOST, self.order["port"])
        return link

    async def ask(self, link: Link, stream: Stream, name: str) -> None:
        """Sends the request, and returns when the answer is whole or the connection has ended."""
        assert link.transport
        link.waiter = asyncio.get_running_loop().create_future()
        keep = "" if stream["kind"] == "reused" else "Connection: close\r\n"
        text = f"GET {stream['target']}{name} HTTP/1.1\r\nHost: {HOST}\r\n{keep}\r\n"
        link.transport.write(text.encode())
        if not link.ended:
            await link.waiter

    async def one(self, stream: Stream, name: str, due: float, kept: deque[Link]) -> None:
        """One request, once."""
        begin = time.monotonic()
        link: Link | None = None
        try:
            async with asyncio.timeout(self.order["patience"]):
                link = self.idle_one(stream, kept) or await self.connect()
                await self.ask(link, stream, name)
            outcome = link.outcome(name, stream["echo"])
        except TimeoutError:
            outcome = "timeout"
        except ConnectionRefusedError:
            outcome = "refused"
        except OSError:
            outcome = "unreachable"
        version = link.headers.get("x-version", "") if link else ""
        record = Record(
            name,
            stream["site"],
            stream["kind"],
            begin,
            time.monotonic(),
            outcome,
            int(version) if version.isdigit() else -1,
            begin - due,
        )
        self.records.append(record)
        if link:
            self.put_back(link, stream, kept, outcome)

    def idle_one(self, stream: Stream, kept: deque[Link]) -> Link | None:
        """A kept connection that the server has not closed; none until there are enough of them."""
        if stream["kind"] != "reused" or len(kept) < KEPT:
            return None
        while kept:
            link = kept.popleft()
            if link.is_idle():
                return link
            link.close()
        return None

    def put_back(self, link: Link, stream: Stream, kept: deque[Link], outcome: str) -> None:
        """Keeps a connection that may be used again."""
        whole = outcome.isdigit() and link.is_whole() and len(link.buffer) == link.body + link.wanted
        if stream["kind"] == "reused" and whole and link.headers.get("connection", "").lower() != "close":
            link.forget()
            kept.append(link)
        else:
            link.close()

    async def run_stream(self, stream: Stream) -> None:
        """Sends at the times at which requests are due, whatever became of those before."""
        begin = time.monotonic()
        kept: deque[Link] = deque()
        under_way: set[asyncio.Task[None]] = set()
        for number in range(self.order["count"]):
            due = begin + number / stream["rate"]
            if await self.is_over(due, begin):
                return
            name = f"{self.order['prefix']}.{stream['site']}.{stream['kind']}.{number}"
            if len(under_way) >= WIDTH:
                now = time.monotonic()
                self.records.append(Record(name, stream["site"], stream["kind"], now, now, "unsent", -1, now - due))
                continue
            task = asyncio.create_task(self.one(stream, name, due, kept))
            for tasks in (under_way, self.tasks):
                tasks.add(task)
                task.add_done_callback(tasks.discard)

    async def is_over(self, due: float, begin: float) -> bool:
        """Waits for the time of the next request."""
        pause = due - time.monotonic()
        if pause > 0:
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self.stop.wait(), pause)
        return self.stop.is_set() or due - begin > self.order["seconds"]

    async def run(self) -> None:
        """Until told to stop, and then until the last answer."""
        loop = asyncio.get_running_loop()
        loop.add_reader(sys.stdin.fileno(), self.stop.set)
        await asyncio.gather(*(self.run_stream(stream) for stream in self.order["streams"]))
        loop.remove_reader(sys.stdin.fileno())
        while self.tasks:
            await asyncio.wait(self.tasks)


async def main() -> list[Record]:
    """Reads the order, carries it out."""
    line = b""
    while not line.endswith(b"\n"):
        line += os.read(sys.stdin.fileno(), 1)  # nothing that comes later may be read ahead
    order: Order = json.loads(line)
    client = Client(order)
    print(flush=True)  # from now on requests are made
    await client.run()
    return client.records


if __name__ == "__main__":
    json.dump(asyncio.run(main()), sys.stdout)
