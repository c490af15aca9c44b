# SPDX-License-Identifier: Apache-2.0
"""mod_proxy in front of an application of the same httpd, and beside it."""

from __future__ import annotations

import hashlib
import os

from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import pytest

from harness import Cut, Layout, RawConnection, Reply, Server, request, wait_until
from harness.calls import words

MODULES = (
    "proxy",
    "proxy_http",
    "proxy_http2",
    "http2",
    "proxy_balancer",
    "lbmethod_byrequests",
    "slotmem_shm",
    "headers",
    "rewrite",
    "cache",
    "cache_disk",
    "filter",
    "deflate",
    "setenvif",
)
PORTS = 3
KINDS = ("block", "length", "blocks", "write", "file")


def configure(layout: Layout) -> str:
    """First port: the proxy; second: the application; third: both in one host."""
    back = f"127.0.0.1:{layout.ports[1]}"
    app = layout.apps / "around.wsgi"
    return f"""
{layout.delegate()}
WSGIChunkedRequest On
ProxyRequests Off
<Proxy balancer://group>
    BalancerMember http://{back} route=one
    ProxySet stickysession=route
</Proxy>
<VirtualHost *:{layout.ports[0]}>
    ServerName front.invalid
    ProxyPass /closed http://{back}/app disablereuse=on
    ProxyPass /balanced balancer://group/app
    ProxyPass /second h2c://{back}/app
    ProxyPass /streamed http://{back}/app flushpackets=on
    ProxyPass /app http://{back}/app keepalive=on
    ProxyPassReverse /app http://{back}/app
    ProxyPassReverseCookiePath /app /front
    SetEnvIf Request_URI ^/streamed proxy-sendchunked
    CacheRoot {layout.scratch}
    CacheEnable disk /app/cached
    <Location /app/preserved>
        ProxyPreserveHost On
    </Location>
    <Location /app/packed>
        SetOutputFilter DEFLATE
    </Location>
</VirtualHost>
<VirtualHost *:{layout.ports[1]}>
    ServerName back.invalid
    Protocols h2c http/1.1
    WSGIScriptAlias /app {app}
    <Location /app/trusting>
        WSGITrustedProxyHeaders X-Forwarded-For X-Forwarded-Host X-Forwarded-Proto
        WSGITrustedProxies 127.0.0.1
    </Location>
</VirtualHost>
<VirtualHost *:{layout.ports[2]}>
    ServerName both.invalid
    ProxyPass /far/here !
    ProxyPass /far http://{back}/app
    WSGIScriptAlias /far/here {app}
    WSGIScriptAlias /far/there {app} callable-object=no_such_thing
    WSGIScriptAlias / {app}
    RewriteEngine On
    RewriteRule ^/by-rule/(.*)$ http://{back}/app/$1 [P]
    RewriteCond %{{HTTP:X-Send}} far
    RewriteRule ^/maybe/(.*)$ http://{back}/app/$1 [P]
</VirtualHost>
"""


def ask(site: Server, path: str, headers: Any = (), method: str = "GET", sent: Any = None, **more: Any) -> Reply:
    """A request to the proxy; more is the query, but for `chunked`."""
    chunked = more.pop("chunked", False)
    target = f"/{path}?{urlencode(more, doseq=True)}"
    return request(site.layout.port, method, target, sent, headers, chunked=chunked)


def journal(site: Server, name: str) -> Path:
    """A file in which the application counts."""
    path = site.layout.scratch / f"{name}-{site.layout.mode}-{os.urandom(4).hex()}"
    path.write_text("")
    path.chmod(0o666)
    return path


WAYS = ("app", "closed", "balanced", "second")


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("kind", KINDS)
def test_answers_through_a_proxy(site: Server, way: str, kind: str) -> None:
    """Whole, whatever framing lies between; several on one connection behind the proxy."""
    for size in (0, 1, 70_000, 1_000_000):
        reply = ask(site, f"{way}/answer", size=size, kind=kind, h=["Set-Cookie:a=1", "Set-Cookie:b=2"])
        assert (reply.status, len(reply.body)) == (200, size)
        assert len(reply.all("Set-Cookie")) == 2


UPLOADS = [(way, chunked) for way in (*WAYS, "streamed") for chunked in (False, True)]
LOST = pytest.mark.ours("D226: a daemon of 6.1.1 gets no body of unknown length over HTTP/2")


@pytest.mark.parametrize(
    ("way", "chunked"), [pytest.param(*row, marks=LOST if row == ("second", True) else ()) for row in UPLOADS]
)
def test_uploads_through_a_proxy(site: Server, way: str, chunked: bool) -> None:
    for size in (0, 10, 300_000, 3_000_000):
        data = os.urandom(size)
        body: Any = iter([data[:5], data[5:]]) if chunked and size else data
        found = ask(site, f"{way}/upload", (), "POST", body, chunked=chunked and size > 0).json()
        assert (found["size"], found["sha256"]) == (size, hashlib.sha256(data).hexdigest())


def test_what_a_proxy_tells(site: Server) -> None:
    """X-Forwarded-*; believed only where the application's host says so."""
    plain = ask(site, "app/show", {"Host": "front.invalid"}).json()
    assert plain["HTTP_X_FORWARDED_FOR"] == "127.0.0.1"
    assert plain["HTTP_X_FORWARDED_HOST"] == "front.invalid"
    assert plain["HTTP_HOST"] == f"127.0.0.1:{site.layout.ports[1]}"
    assert plain["REMOTE_ADDR"] == "127.0.0.1"
    kept = ask(site, "app/preserved/show", {"Host": "front.invalid"}).json()
    assert kept["HTTP_HOST"] == "front.invalid"
    headers = {"Host": "front.invalid", "X-Forwarded-For": "198.51.100.7", "X-Forwarded-Proto": "https"}
    told = ask(site, "app/trusting/show", headers).json()
    assert (told["REMOTE_ADDR"], told["HTTP_HOST"]) == ("198.51.100.7", "front.invalid")
    assert told["wsgi.url_scheme"] == "https"


def test_redirects_and_cookies_are_mapped_back(site: Server) -> None:
    back = f"http://127.0.0.1:{site.layout.ports[1]}/app"
    reply = ask(site, "app/answer", status="302 Found", h=[f"Location:{back}/next", "Set-Cookie:a=1; Path=/app"])
    assert reply.get("Location") == f"http://127.0.0.1:{site.layout.port}/app/next"
    assert reply.get("Set-Cookie") == "a=1; Path=/front"


@pytest.mark.parametrize("way", ["app", "closed", "second"])
def test_head_and_conditions_through_a_proxy(site: Server, way: str) -> None:
    head = ask(site, f"{way}/answer", (), "HEAD", size=100, kind="length")
    assert (head.status, head.get("Content-Length"), head.body) == (200, "100", b"")
    fresh = ask(site, f"{way}/conditional", {"If-None-Match": '"v1"'})
    assert (fresh.status, fresh.get("ETag"), fresh.body) == (304, '"v1"', b"")
    assert ask(site, f"{way}/answer", status="204 No Content", type="", body="").status == 204


@pytest.mark.parametrize("way", ["app", "streamed", "closed"])
def test_streams_through_a_proxy(site: Server, way: str) -> None:
    """Each block is with the client before the application is asked for the next one."""
    gates = [site.layout.scratch / f"{way}-{site.layout.mode}-{n}" for n in range(3)]
    query = urlencode({"gate": [str(gate) for gate in gates]}, doseq=True)
    with RawConnection(site.layout.port) as connection:
        connection.send(f"GET /{way}/paced?{query} HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n".encode())
        for gate in gates:
            connection.receive_until(f"[{gate.name}]".encode())
            gate.touch()
        connection.receive_until(b"[end]")


def test_upload_streams_through_a_proxy(site: Server) -> None:
    """A slow upload arrives piece by piece, chunked on both sides."""
    each = journal(site, "each")
    with RawConnection(site.layout.port) as connection:
        connection.send(
            f"POST /streamed/upload?piece=1000&each={each} HTTP/1.1\r\nHost: a\r\nConnection: close\r\n"
            "Transfer-Encoding: chunked\r\n\r\n".encode()
        )
        # mod_proxy keeps the first 16 KiB to see whether that is all.
        connection.send(b"5000\r\n" + b"x" * 0x5000 + b"\r\n")
        wait_until(lambda: words(each)[-1:] == ["20000"], "what was sent is read, all but an unfilled piece")
        connection.send(b"208\r\n" + b"x" * 520 + b"\r\n")
        wait_until(lambda: words(each)[-1:] == ["21000"], "the next piece is read")
        connection.send(b"0\r\n\r\n")
        assert b'"size": 21000' in connection.receive_all()


@pytest.mark.ours("D205, D206: a cut response of a 6.1.1 daemon looks complete")
@pytest.mark.parametrize("way", ["app", "closed", "balanced"])
def test_cut_response_through_a_proxy(site: Server, way: str) -> None:
    """Promise 4 over two hops: the proxy sees that it is cut, and its client does. Over h2c mod_proxy_http2 makes a whole of it."""
    for size in (100, 60_000):
        with pytest.raises(Cut):
            ask(site, f"{way}/answer", kind="cut", size=size)
        site.expect_exception(174, "ZeroDivisionError: in the middle")
        site.allow(r"proxy|AH\d+")
        site.forget_logs()


def test_failure_behind_a_proxy(site: Server) -> None:
    """The application's 500 is the client's, and the balancer does not take its member out of service."""
    for _ in range(3):
        assert ask(site, "balanced/answer", kind="fail").status == 500
        assert ask(site, "balanced/answer").status == 200
    site.allow(r"WSGI0174|Traceback|File |ZeroDivisionError|    ")


def test_client_of_the_proxy_leaves(site: Server) -> None:
    """An endless answer ends when the client of the proxy is gone, and the worker is free."""
    gates = [site.layout.scratch / f"left-{site.layout.mode}-{n}" for n in range(2)]
    query = urlencode({"gate": [str(gate) for gate in gates]}, doseq=True)
    for _ in range(4):
        with RawConnection(site.layout.port) as connection:
            connection.send(f"GET /app/paced?{query} HTTP/1.1\r\nHost: a\r\n\r\n".encode())
            connection.receive_until(f"[{gates[0].name}]".encode())
            connection.abort()
    for gate in gates:
        gate.touch()
    assert ask(site, "app/answer").status == 200
    site.allow(r"AH\d+|proxy|client|WSGI|OSError|Traceback|File |    ")


def test_compressed_by_the_proxy(site: Server) -> None:
    reply = ask(site, "app/packed/answer", {"Accept-Encoding": "gzip"}, size=50_000, kind="blocks")
    assert reply.get("Content-Encoding") == "gzip"
    assert len(reply.body) < 5_000


def test_kept_by_the_proxy(site: Server) -> None:
    """mod_cache at the proxy: one run of the application for three requests, once the first is over."""
    ran = journal(site, "kept")
    log = site.layout.logs / "access_log"
    for _ in range(3):
        before = log.read_bytes().count(b"/app/cached")
        reply = ask(site, "app/cached/answer", ran=ran, size=50_000, h="Cache-Control:max-age=60")
        assert len(reply.body) == 50_000
        wait_until(lambda: log.read_bytes().count(b"/app/cached") > before, "the request is logged")  # noqa: B023
    assert words(ran) == ["GET"]


# ---- beside us --------------------------------------------------------------------------------


def third(site: Server, target: str, headers: Any = ()) -> Any:
    """The environ of a request to the host that has both."""
    return request(site.layout.ports[2], "GET", target, headers=headers).json()


def test_proxy_beside_the_application(site: Server) -> None:
    """ProxyPass is asked before WSGIScriptAlias; `!` leaves a path to it."""
    far, here = third(site, "/far/x"), third(site, "/far/here/x")
    assert (far["SERVER_NAME"], far["SCRIPT_NAME"], far["PATH_INFO"]) == ("127.0.0.1", "/app", "/x")
    assert (here["SCRIPT_NAME"], here["PATH_INFO"]) == ("/far/here", "/x")
    assert third(site, "/far/there/x")["PATH_INFO"] == "/there/x"
    assert third(site, "/other/x")["SCRIPT_NAME"] == ""


def test_proxy_by_rule_beside_the_application(site: Server) -> None:
    assert third(site, "/by-rule/x")["SCRIPT_NAME"] == "/app"
    assert third(site, "/maybe/x", {"X-Send": "far"})["SCRIPT_NAME"] == "/app"
    assert third(site, "/maybe/x")["PATH_INFO"] == "/maybe/x"


def test_loopback_of_the_application(site: Server) -> None:
    """Requests of the proxy to its own server, more at a time than a daemon has threads, do not lock up."""
    for _ in range(20):
        assert third(site, "/far/x")["PATH_INFO"] == "/x"
