# SPDX-License-Identifier: Apache-2.0
"""An Apache child that stands still (SIGSTOP, a debugger, a frozen container) costs its daemon no thread for long."""

from __future__ import annotations

import contextlib
import os
import signal
import threading

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from harness import Cut, Layout, RawConnection, Server, processes, wait_until

pytestmark = [
    pytest.mark.ours("D768: 6.1.1 does not tell a child that stands still from a slow client"),
    pytest.mark.modes("daemon"),
]

# The other end of each connection of this process; the request's own is the first one of a fresh process.
APP = """
import os, socket, struct, time

HERE = {scratch!r}


def note(name, text):
    with open(os.path.join(HERE, name + ".new"), "w") as file:
        file.write(text)
    os.rename(file.name, os.path.join(HERE, name))


def peers():
    for name in os.listdir("/proc/self/fd"):
        try:
            with socket.socket(fileno=os.dup(int(name))) as end:
                if end.family == socket.AF_UNIX and end.type == socket.SOCK_STREAM:
                    yield struct.unpack("iii", end.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, 12))[0]
        except OSError:
            pass


def large(environ):
    note("peers", " ".join(str(peer) for peer in peers() if peer > 0))
    try:
        yield b"x" * 1000
        while not os.path.exists(os.path.join(HERE, "gate")):
            time.sleep(0.02)
        for _ in range(400):
            yield b"x" * 100000
        note("left", "at its end")
    except GeneratorExit:
        note("left", "early")
        raise


def body(environ):
    note("peers", " ".join(str(peer) for peer in peers() if peer > 0))
    try:
        environ["wsgi.input"].read()
        note("left", "at its end")
    except OSError:
        note("left", "early")
        raise
    return [b"read"]


def application(environ, start_response):
    start_response("200 OK", [("Content-Type", "text/plain")])
    return {{"/large": large, "/body": body}}.get(environ["PATH_INFO"], lambda _: [b"quick"])(environ)
"""


@pytest.fixture
def server(new_server: Any) -> Server:
    """Four children with a request each, one worker, and nobody who is impatient but the daemon."""

    def configure(layout: Layout) -> str:
        layout.write_app("app.wsgi", APP.format(scratch=str(layout.scratch)))
        return f"""
Timeout 60
StartServers 4
MinSpareServers 4
MaxSpareServers 4
MaxRequestWorkers 12
ServerLimit 12
WSGIDaemonProcess app threads=1 socket-timeout=5 listen-backlog=50
WSGIScriptAlias / {layout.apps}/app.wsgi process-group=app application-group=%{{GLOBAL}}
"""

    started: Server = new_server(configure, mpm="prefork").start()
    return started


def appears(server: Server, name: str) -> str:
    """What the application has noted."""
    path = Path(server.layout.scratch) / name
    wait_until(path.exists, f"{name} is noted", 60)
    return path.read_text()


@contextlib.contextmanager
def stopped(server: Server) -> Iterator[int]:
    """The child that the running request came from stands still meanwhile."""
    peers = {int(pid) for pid in appears(server, "peers").split()}
    (child,) = peers & set(processes.children_of(server.pid))
    os.kill(child, signal.SIGSTOP)
    try:
        yield child
    finally:
        os.kill(child, signal.SIGCONT)


def test_a_response_that_is_not_taken(server: Server) -> None:
    """The only worker is free after socket-timeout, for another child's request too; one line says why."""
    got: list[object] = []

    def client() -> None:
        try:
            got.append(len(server.get("/large").body))
        except Cut as cut:
            got.append(cut)

    thread = threading.Thread(target=client)
    thread.start()
    with stopped(server) as child:
        (server.layout.scratch / "gate").touch()
        assert appears(server, "left") == "early"
        assert server.get("/quick").body == b"quick", "another child's request gets the worker"
        (line,) = server.expect("WSGI1010: ")
        assert f"Apache's process {child}, which is stopped, has taken nothing of a response for 5 s" in line.text
        for _ in range(3):
            assert server.get("/quick").body == b"quick"
    thread.join(60)
    assert not thread.is_alive()
    (end,) = got
    assert isinstance(end, Cut), "it does not look complete"
    server.expect("WSGI1007: |WSGI1001: |WSGI0119: ")
    server.allow("Apache processes that died or are stopped")
    assert server.get("/quick").body == b"quick"


def test_a_body_that_does_not_come(server: Server) -> None:
    """Likewise while the application reads: it gets an OSError."""
    with RawConnection(server.layout.port) as client:
        client.send(b"POST /body HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1000000\r\n\r\n" + b"x" * 70000)
        with stopped(server) as child:
            assert appears(server, "left") == "early"
            (line,) = server.expect("WSGI1010: ")
            assert f"process {child}, which is stopped, has sent nothing of a request's body for 5 s" in line.text
            assert server.get("/quick").body == b"quick"
        client.send(b"x" * 10)
    server.allow("")
    assert server.get("/quick").body == b"quick"
