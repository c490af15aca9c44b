# SPDX-License-Identifier: Apache-2.0
"""L1: the failure zoo. The rows, and what must come of each, are in zoo.py."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import zoo

from harness import Layout, Module, RawConnection, Server, wait_until
from harness.calls import Call

DIFFERS = "D760, D808: nobody says why a daemon of 6.1.1 ended; a cut response looks complete there"


def started(mode: str) -> Iterator[Server]:
    """One server for all rows."""
    server = Server(zoo.configure, mode=mode, level="warn wsgi:info", ports=2)
    try:
        yield server.start()
        server.allow(zoo.NOISE)
    finally:
        server.close()


@pytest.fixture(scope="module")
def daemons(module: Module) -> Iterator[Server]:
    """In daemon mode."""
    assert module.path
    yield from started("daemon")


@pytest.fixture(scope="module")
def embedded(module: Module) -> Iterator[Server]:
    """In embedded mode."""
    assert module.path
    yield from started("embedded")


def check(server: Server, row: zoo.Row) -> None:
    """What the client saw, what the log says, and that the next client is served."""
    result = zoo.run(server, row)
    assert (result.seen.status, result.seen.body) == (row.status, row.body), server.log().tail()
    assert result.code == (f"WSGI{row.code:04d}" if row.code else ""), server.log().tail()
    assert result.next == 200
    crashed = [line for line in result.seen.lines if " crashed: " in line]
    assert bool(crashed) == bool(row.crash)
    assert all(f"group '{row.daemons}'" in line for line in crashed)
    server.check_logs()


@pytest.mark.ours(DIFFERS)
@pytest.mark.parametrize("row", zoo.rows_for("daemon"), ids=str)
def test_row_in_a_daemon(daemons: Server, row: zoo.Row) -> None:
    """L1: its own status and code, one line with the cause; a crash leaves its Python stack."""
    check(daemons, row)


@pytest.mark.ours(DIFFERS)
@pytest.mark.parametrize("row", zoo.rows_for("embedded"), ids=str)
def test_row_embedded(embedded: Server, row: zoo.Row) -> None:
    """L1: the same, where no process ends."""
    check(embedded, row)


@pytest.mark.ours(DIFFERS)
def test_a_lost_listener_is_replaced(module: Module) -> None:
    """An application closes only the socket that its process listens on: whoever needs a new connection gets another
    process, what runs is finished, and nobody waits in vain."""
    assert module.path

    def configure(layout: Layout) -> str:
        alias = f"WSGIScriptAlias /close_listener {layout.apps}/zoo.wsgi {zoo.GLOBAL}"
        return f"{layout.delegate('close_listener', 'processes=1 threads=4')}\n{alias}\n"

    server = Server(configure, level="warn wsgi:info")
    try:
        server.start()
        assert zoo.ask(server, "close_listener/close_listener").status == 200
        calls = [Call(server, "/close_listener/nap") for _ in range(4)]
        assert [call.result().status for call in calls] == [200] * 4
        server.expect(
            "daemon group 'close_listener': process .* ended as planned "
            r"\(its application closed the socket that it listens on\)"
        )
        server.allow(zoo.NOISE)
    finally:
        server.close()


@pytest.mark.ours(DIFFERS)
def test_a_client_leaves_what_has_no_end(daemons: Server) -> None:
    """The worker is free again, and no process has ended."""
    before = set(daemons.family())
    for _ in range(8):
        with RawConnection(daemons.layout.port) as connection:
            connection.send(f"GET /{zoo.SHARED}/endless HTTP/1.1\r\nHost: localhost\r\n\r\n".encode())
            connection.receive_until(b"x" * 1000)
    assert zoo.ask(daemons, f"{zoo.SHARED}/fine").status == 200
    assert before <= set(daemons.family())
    daemons.log().allow(zoo.NOISE)


@pytest.mark.ours(DIFFERS)
def test_a_gigabyte_in_one_block(daemons: Server) -> None:
    """It arrives whole; other clients are served meanwhile."""
    with RawConnection(daemons.layout.port, 120) as connection:
        connection.send(f"GET /{zoo.SHARED}/gigabyte HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n".encode())
        head = connection.receive_until(b"\r\n\r\n")
        assert b"Content-Length: 1073741824\r\n" in head
        assert zoo.ask(daemons, f"{zoo.SHARED}/fine").status == 200
        left = (1 << 30) - len(connection.buffer)
        while left > 0 and (data := connection.socket.recv(1 << 20)):
            left -= len(data)
    assert left == 0


CRASHES = ("exit", "kill", "segfault")


@pytest.mark.ours("D760: its child ends in the same way, but its daemons say nothing more either")
@pytest.mark.parametrize("path", CRASHES)
def test_embedded_crash_costs_its_child(module: Module, path: str) -> None:
    """In embedded mode a crash is that of an Apache child: no answer, httpd's own line, and another child serves."""
    assert module.path
    server = Server(zoo.configure, mode="embedded", mpm="prefork", ports=2)
    try:
        server.start()
        assert zoo.ask(server, f"{path}/fine").status == 200
        before = server.family()
        seen = zoo.ask(server, f"{path}/{path}")
        assert (seen.status, seen.body) == (0, zoo.NOTHING)
        assert zoo.ask(server, f"{path}/fine").status == 200
        wait_until(lambda: len(set(before) - set(server.family())) == 1, "one child has ended")
        if path == "segfault":
            server.expect("AH00051|AH00052")
        server.allow("crashed|Fatal Python|AH")
        assert not server.log().matching(" in crash"), "httpd's signal handlers are its own"
    finally:
        server.close()
