# SPDX-License-Identifier: Apache-2.0
"""A response that ends before its time never looks complete: to clients, caches, proxies."""

from __future__ import annotations

import os
import signal
import subprocess

from collections.abc import Iterator
from pathlib import Path

import pytest

from harness import Layout, RawConnection, Server, request, wait_until
from harness.calls import words
from harness.processes import command_line, descendants_of

MODULES = ("http2", "deflate", "filter", "cache", "cache_disk", "cache_socache", "socache_shmcb", "proxy", "proxy_http")
PORTS = 3
DIRECT, KEPT, OUTER = range(PORTS)
BLOCK = b"0123456789abcdef" * 1024
MANY = 8 * len(BLOCK)  # bytes before a response is cut

pytestmark = pytest.mark.ours("D205, D206, D207: a response cut short in 6.1.1 looks complete, or hangs")

# How it ends, and the number in the log. A death takes the daemon with it.
ENDS = {"raise": 174, "exit": 175, "text": 1004, "short": 1006, "leave": 1007, "kill": 1007}
DEATHS = ("leave", "kill")


def configure(layout: Layout) -> str:
    """The application itself, behind two caches, and behind a proxy."""
    cache = layout.scratch / "cache"
    cache.mkdir(exist_ok=True)
    cache.chmod(0o777)
    return f"""
Protocols h2c http/1.1
{layout.delegate()}
WSGIApplicationGroup %{{GLOBAL}}
LogFormat "%q %>s %{{wsgi-end}}n" ends
CustomLog "{layout.logs}/ends_log" ends
<Location /deflated>
    SetOutputFilter DEFLATE
</Location>
<VirtualHost *:{layout.ports[DIRECT]}>
    ServerName direct.invalid
    WSGIScriptAlias /plain {layout.apps}/cut.wsgi
    WSGIScriptAlias /deflated {layout.apps}/cut.wsgi
</VirtualHost>
<VirtualHost *:{layout.ports[KEPT]}>
    ServerName kept.invalid
    CacheRoot "{cache}"
    CacheSocache "shmcb:{layout.runtime}/socache(4000000)"
    CacheSocacheMaxSize 1000000
    CacheEnable disk /disk
    CacheEnable socache /memory
    WSGIScriptAlias /disk {layout.apps}/cut.wsgi
    WSGIScriptAlias /memory {layout.apps}/cut.wsgi
</VirtualHost>
<VirtualHost *:{layout.ports[OUTER]}>
    ServerName outer.invalid
    ProxyPass / http://127.0.0.1:{layout.ports[DIRECT]}/
</VirtualHost>
"""


@pytest.fixture(params=[name for name in ENDS if name not in DEATHS])
def end(request: pytest.FixtureRequest, site: Server) -> Iterator[str]:
    """A way to end; its lines in the log belong to it."""
    yield request.param
    number = ENDS[request.param]
    found = site.expect(rf"WSGI{number:04d}: ")
    assert found[0].level == "error"
    site.allow('Traceback|ValueError|SystemExit|^.*File "|    |ended|exited|killed|signal|AH01102|AH01110|AH02609')


def curl(*words: str) -> int:
    """The exit status of a client that is not ours."""
    command = ["curl", "--silent", "--output", "/dev/null", "--max-time", "50", *words]
    return subprocess.run(command, timeout=60, check=False).returncode


def raw(
    site: Server, target: str, way: int = DIRECT, version: str = "1.1", more: str = ""
) -> tuple[bytes, bytes, bool]:
    """Head, body as sent, and whether the connection was reset."""
    with RawConnection(site.layout.ports[way]) as connection:
        connection.send(f"GET {target} HTTP/{version}\r\nHost: x\r\n{more}\r\n".encode())
        head, _, body = connection.receive_all().partition(b"\r\n\r\n")
        return head, body, connection.was_reset


def ends(site: Server, mark: str) -> list[str]:
    """What the access log has of %{wsgi-end}n for requests with that in their query."""
    lines = (site.layout.logs / "ends_log").read_text().splitlines()
    return [line.split()[-1] for line in lines if mark in line]


# ---- clients -------------------------------------------------------------------------------


def test_curl_notices(site: Server, end: str) -> None:
    """R6: 18 over HTTP/1.1, a partial file."""
    assert curl("--http1.1", f"http://127.0.0.1:{site.layout.port}/plain/{end}") == 18


def test_curl_notices_over_http_2(site: Server, end: str) -> None:
    """R6: 92, a stream that was not closed cleanly."""
    assert curl("--http2-prior-knowledge", f"http://127.0.0.1:{site.layout.port}/plain/{end}") == 92


def test_no_last_chunk(site: Server, end: str) -> None:
    """R6: what was sent before is there, the end is not, and the connection is closed."""
    head, body, _ = raw(site, f"/plain/{end}")
    assert head.startswith(b"HTTP/1.1 200 OK")
    if end == "short":
        assert body == BLOCK * 8
    else:
        assert b"Transfer-Encoding: chunked" in head
        assert not body.endswith(b"0\r\n\r\n")
        assert body.count(b"0123456789abcdef") >= MANY // 16 - 8, "but for the borders of chunks"


@pytest.mark.parametrize("target", ["plain", "deflated"])
def test_reset_over_http_1_0(site: Server, end: str, target: str) -> None:
    """R6: neither chunks nor a length: only a reset tells. mod_deflate takes the length away."""
    head, _, was_reset = raw(site, f"/{target}/{end}", version="1.0", more="Accept-Encoding: gzip\r\n")
    if was_reset and not head:
        return  # the reset overtook it
    assert head.startswith(b"HTTP/1.1 200 OK")
    assert was_reset == (b"Content-Length" not in head)


def test_deflated(site: Server, end: str) -> None:
    """R6: behind mod_deflate the chunks are cut all the same."""
    head, body, _ = raw(site, f"/deflated/{end}", more="Accept-Encoding: gzip\r\n")
    assert b"Content-Encoding: gzip" in head
    assert b"Transfer-Encoding: chunked" in head
    assert not body.endswith(b"0\r\n\r\n")


def test_with_a_length(site: Server, end: str) -> None:
    """R6: fewer bytes than promised."""
    head, body, _ = raw(site, f"/plain/{end}?length=1")
    assert f"Content-Length: {MANY + 100000}".encode() in head
    assert body == BLOCK * 8


def test_access_log_has_a_word(site: Server, end: str) -> None:
    """%{wsgi-end}n is "cut" for such a response, and "-" for a whole one."""
    mark = f"word={end}"
    raw(site, f"/plain/{end}?{mark}")
    wait_until(lambda: len(ends(site, mark)) == 1, "the access log has the request")
    assert request(site.layout.port, "GET", f"/plain/whole?{mark}").body == BLOCK * 8
    wait_until(lambda: len(ends(site, mark)) == 2, "the access log has the request")
    assert ends(site, mark) == ["cut", "-"]


@pytest.mark.core
@pytest.mark.modes("daemon")
@pytest.mark.parametrize(("end", "more"), [("leave", "--http1.1"), ("kill", "--http2-prior-knowledge")])
def test_death_is_noticed(site: Server, end: str, more: str) -> None:
    """R6: os._exit(), and a signal that leaves no time for anything. In embedded mode the Apache child itself is gone."""
    assert curl(more, f"http://127.0.0.1:{site.layout.port}/plain/{end}") == (92 if "2" in more else 18)
    site.expect_code(ENDS[end])
    site.allow("killed|signal|exit")


@pytest.mark.modes("daemon")
def test_daemon_killed_from_outside(site: Server, tmp_path: Path) -> None:
    """R6: kill -9 while clients wait for the next block."""
    got = {18: tmp_path / "1.1", 92: tmp_path / "2"}
    url = f"http://127.0.0.1:{site.layout.port}/plain/wait?gate=/nonexistent"
    command = ["curl", "--silent", "--no-buffer", "--max-time", "50", url, "--output"]
    clients = {
        18: subprocess.Popen([*command, str(got[18]), "--http1.1"]),
        92: subprocess.Popen([*command, str(got[92]), "--http2-prior-knowledge"]),
    }
    for path in got.values():
        wait_until(lambda: path.exists() and path.stat().st_size == MANY, "the client has what there is")  # noqa: B023
    (daemon,) = [pid for pid in descendants_of(site.pid) if command_line(pid).startswith("(wsgi:")]
    os.kill(daemon, signal.SIGKILL)
    assert {status: client.wait(60) for status, client in clients.items()} == {18: 18, 92: 92}
    site.expect("WSGI1007: ", count=2)
    site.allow("killed|signal")


# ---- caches and proxies --------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["disk", "memory"])
def test_no_cache_keeps_it(site: Server, end: str, kind: str) -> None:
    """R6: the second request reaches the application."""
    journal = site.layout.scratch / f"kept-{site.layout.mode}-{kind}-{end}"
    length = "&length=1" if kind == "memory" else ""  # mod_cache_socache keeps nothing of unknown size
    target = f"/{kind}/{end}?n=1{length}&journal={journal}"
    for _ in range(2):
        raw(site, target, KEPT)
    assert words(journal) == [end, end]
    site.expect(rf"WSGI{ENDS[end]:04d}: ", count=2)
    raw(site, target, KEPT)
    site.allow("AH00[67]")


@pytest.mark.parametrize("kind", ["disk", "memory"])
def test_caches_keep_what_is_complete(site: Server, kind: str) -> None:
    """So that the test above can fail. A page is kept when the server is done with it: then it closes."""
    journal = site.layout.scratch / f"whole-{site.layout.mode}-{kind}"
    for _ in range(2):
        target = f"/{kind}/whole?n=1&exact=1&journal={journal}"
        assert raw(site, target, KEPT, more="Connection: close\r\n")[1] == BLOCK
    assert words(journal) == ["whole"]


def test_proxy_in_front_notices(site: Server, end: str) -> None:
    """R6: mod_proxy cuts its own client off."""
    assert curl("--http1.1", f"http://127.0.0.1:{site.layout.ports[OUTER]}/plain/{end}") == 18
    site.allow("AH01110|AH10|proxy")


# ---- files ---------------------------------------------------------------------------------


def test_file_that_becomes_shorter(site: Server) -> None:
    """R6: it is no client that left: one error line, and the client notices."""
    scratch = site.layout.scratch
    with RawConnection(site.layout.port) as connection:
        connection.send(f"GET /plain/file?directory={scratch} HTTP/1.1\r\nHost: x\r\n\r\n".encode())
        head = connection.receive_until(b"\r\n\r\n")
        (path,) = scratch.glob("shrinking*")
        os.truncate(path, 1 << 20)
        body = connection.receive_all()
        path.unlink()
    assert f"Content-Length: {64 << 20}".encode() in head
    assert len(body) < 64 << 20
    site.expect_code(1040, "file")
