# SPDX-License-Identifier: Apache-2.0
"""Clients that leave are a line at debug, whatever an application does; close() runs exactly once."""

from __future__ import annotations

import contextlib
import re

from pathlib import Path

import pytest

from harness import Cut, Layout, RawConnection, Server, request, wait_until
from harness.calls import words
from harness.processes import children_of, descendants_of, descriptors, image

LEVEL = "warn wsgi:debug"
PORTS = 2
TIMES = 100
ROUNDS = 50

LOUD = {"warn", "error", "crit", "alert", "emerg"}


def configure(layout: Layout) -> str:
    """A single thread in the daemon: whoever holds it is noticed. The second host is impatient."""
    return f"""
{layout.delegate("app", "processes=1 threads=1")}
WSGIApplicationGroup %{{GLOBAL}}
LogFormat "%q %>s %{{wsgi-end}}n" ends
CustomLog "{layout.logs}/ends_log" ends
WSGIScriptAlias /answer {layout.apps}/leaving.wsgi
WSGIScriptAlias /replaced {layout.apps}/leaving.wsgi
<Location /replaced>
    WSGIErrorOverride On
</Location>
<VirtualHost *:{layout.ports[0]}>
    ServerName patient.invalid
</VirtualHost>
<VirtualHost *:{layout.ports[1]}>
    ServerName impatient.invalid
    Timeout 1
</VirtualHost>
"""


@pytest.fixture
def journal(site: Server, request: pytest.FixtureRequest) -> Path:
    """What the application notes; the debug lines of a test are looked at by itself."""
    name = request.node.name.replace("[", "-").replace("]", "")
    site.allow("")
    return site.layout.scratch / f"{name}.journal"


def loud(site: Server) -> list[str]:
    """Lines that a server at LogLevel warn would have."""
    return [line.text for line in site.log().lines() if line.level in LOUD]


def gone(site: Server, count: int) -> list[str]:
    """The lines about clients that left."""
    log = site.log()
    wait_until(lambda: len(log.matching("WSGI1008: ")) >= count, f"{count} lines about it: {log.tail()}")
    found = log.matching("WSGI1008: ")
    assert len(found) == count
    assert {line.level for _, line in found} == {"debug"}
    return [line.text for _, line in found]


def ends(site: Server, journal: Path, count: int = 1) -> list[str]:
    """Status and %{wsgi-end}n of the requests of a test in the access log; other tests' may come late."""

    def found() -> list[str]:
        lines = (site.layout.logs / "ends_log").read_text().splitlines()
        return [" ".join(line.split()[1:]) for line in lines if f"journal={journal}" in line]

    wait_until(lambda: len(found()) >= count, "the access log has the requests")
    return found()


def leave(site: Server, target: str, size: int) -> None:
    """Reads so many bytes, then goes."""
    with RawConnection(site.layout.port) as connection:
        connection.send(f"GET {target} HTTP/1.1\r\nHost: x\r\n\r\n".encode())
        got = 0
        while got < size:
            data = connection.socket.recv(size - got)
            assert data
            got += len(data)


def the_worker_is_free(site: Server) -> None:
    """The only one."""
    free = site.layout.scratch / "free"
    assert site.get(f"/answer/whole?journal={free}").body == b"onetwo"


# ---- leaving -------------------------------------------------------------------------------


@pytest.mark.core
@pytest.mark.ours("D241: 6.1.1 says nothing at debug")
def test_leaving_a_stream(site: Server, journal: Path) -> None:
    """R8: after 10 kB of 50 MB, a hundred times: as many lines at debug, none above, each closed once."""
    for number in range(TIMES):
        leave(site, f"/answer/{('stream', 'length')[number % 2]}?journal={journal}", 10_000)
    wait_until(lambda: len(words(journal)) == TIMES, "every iterable is closed")
    asked = [int(word.partition(":")[2]) for word in words(journal)]
    assert max(asked) < 5000, "none went on to its end"
    for line in gone(site, TIMES):
        found = re.search(r"(\d+) bytes of the response had been sent, request ", line)
        assert found, line
        assert 0 < int(found[1]) < 50_000_000
    assert loud(site) == []
    assert ends(site, journal, TIMES) == ["200 client-left"] * TIMES
    the_worker_is_free(site)


@pytest.mark.parametrize("then", ["raise", "other", "nothing"])
@pytest.mark.ours("D241: 6.1.1 logs the exception of write() as an error")
def test_write_raises(site: Server, journal: Path, then: str) -> None:
    """R8: OSError, once; it is nobody's failure, whatever becomes of it."""
    leave(site, f"/answer/write?journal={journal}&then={then}", 10_000)
    wait_until(lambda: words(journal), "write() has raised")
    gone(site, 1)
    the_worker_is_free(site)
    assert words(journal) == ["raised:OSError", *(["closed:1"] if then == "nothing" else [])]
    assert loud(site) == []
    assert ends(site, journal) == ["200 client-left"]


@pytest.mark.ours("D241: 6.1.1 logs the exception of read() as an error")
def test_leaving_an_upload(site: Server, journal: Path) -> None:
    """R8: the application waits in wsgi.input.read(): it is told, and its worker is free."""
    with RawConnection(site.layout.port) as connection:
        connection.send(
            f"POST /answer/upload?journal={journal} HTTP/1.1\r\nHost: x\r\nContent-Length: 1000000\r\n\r\n".encode()
        )
        connection.send(b"x" * 5000)
        wait_until(lambda: words(journal) == ["reads"], "the application reads")
        connection.abort()
    wait_until(lambda: len(words(journal)) == 2, "read() has raised")
    assert words(journal) == ["reads", "raised:OSError"]
    gone(site, 1)
    the_worker_is_free(site)
    assert loud(site) == []


def test_leaving_during_a_pause(site: Server, journal: Path) -> None:
    """R8: nobody can know before the next block; then it is closed, and the rest not asked for."""
    gate = Path(f"{journal}.gate")
    with RawConnection(site.layout.port) as connection:
        connection.send(f"GET /answer/pause?journal={journal}&gate={gate} HTTP/1.1\r\nHost: x\r\n\r\n".encode())
        connection.receive_until(b"one")
        connection.abort()
    gate.touch()
    wait_until(lambda: words(journal), "the iterable is closed")
    the_worker_is_free(site)
    assert len(words(journal)) == 1
    assert loud(site) == []


# ---- close() -------------------------------------------------------------------------------

ENDS = [
    *[("GET", name) for name in ("whole", "first", "middle", "iter", "text", "no_head", "short", "unmodified")],
    *[("GET", name) for name in ("exit", "time_out", "file", "override")],
    ("HEAD", "whole"),
]


def processes_of(site: Server) -> list[int]:
    """Those that serve: Apache's children and the daemon."""
    return [
        pid for pid in descendants_of(site.pid) if pid not in children_of(site.pid) or image(pid) == image(site.pid)
    ]


def open_files(site: Server) -> dict[int, int]:
    """How many descriptors each has."""
    return {pid: len(descriptors(pid)) for pid in processes_of(site)}


def one_round(site: Server, journal: Path) -> int:
    """Each end once; the number of iterables that were made."""
    for method, name in ENDS:
        with contextlib.suppress(Cut):
            request(site.layout.port, method, f"/answer/{name}?journal={journal}")
    request(site.layout.port, "GET", f"/replaced/override?journal={journal}")
    leave(site, f"/answer/stream?journal={journal}", 1)
    request(site.layout.port, "GET", f"/answer/redirect?journal={journal}")
    # A daemon's Location is followed within the server.
    return len(ENDS) + 3 + (site.layout.mode == "daemon")


@pytest.mark.ours("D206, D207: 6.1.1 lets the client wait after a cut response")
def test_close_runs_exactly_once(site: Server, journal: Path) -> None:
    """R9: every way in which a response can end, many times; no descriptor is left open."""
    one_round(site, Path(f"{journal}.warm"))
    the_worker_is_free(site)
    before = open_files(site)
    made = sum(one_round(site, journal) for _ in range(ROUNDS))
    wait_until(lambda: len(words(journal)) >= made, "every iterable is closed")
    the_worker_is_free(site)
    assert len(words(journal)) == made
    wait_until(
        lambda: all(count <= before[pid] + 2 for pid, count in open_files(site).items()),
        f"no more descriptors than before: {before}, {open_files(site)}",
    )


@pytest.mark.modes("daemon")
@pytest.mark.ours("D205: a response cut short in a 6.1.1 daemon looks complete")
def test_close_after_the_time_out(site: Server, journal: Path) -> None:
    """R9: Apache gives up waiting for the next block; the application learns it with that block."""
    gate = Path(f"{journal}.gate")
    with pytest.raises(Cut):
        request(site.layout.ports[1], "GET", f"/answer/pause?journal={journal}&gate={gate}")
    site.expect_code(119, besides=(1008,))
    gate.touch()
    wait_until(lambda: words(journal), "the iterable is closed")
    the_worker_is_free(site)
    assert len(words(journal)) == 1
    assert ends(site, journal) == ["200 cut"]
