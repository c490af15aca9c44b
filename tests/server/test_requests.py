# SPDX-License-Identifier: Apache-2.0
"""What an application gets: environ, headers, methods, bodies."""

from __future__ import annotations

import hashlib
import json
import re
import threading
import time

from collections.abc import Iterator
from typing import Any

import pytest

from harness import Layout, RawConnection, Server, exchange, request

MODULES = ("rewrite", "headers", "filter", "deflate")
PORTS = 2

SIZES = (0, 1, 2, 8191, 8192, 8193, 65535, 65536, 65537, 1 << 20, 10 << 20)


VALIDATED = True


def configure(layout: Layout) -> str:
    """One environ dump below /environ, one below an odd name, bodies, and an echo."""
    return f"""
{layout.delegate()}
WSGIChunkedRequest On
ServerAdmin admin@example.invalid
SetEnv FROM_SETENV "set by the server"
SetEnv SERVER_SOFTWARE "overridden by the real one"
SetEnvIf Request_URI "/environ/private" FROM_SETENVIF=yes
SetEnv PATH /must/not/be/seen
RewriteEngine On
RewriteRule ^/environ/rewritten - [E=FROM_REWRITE:%{{REQUEST_METHOD}}]
WSGIScriptAlias /environ {layout.apps}/environ.wsgi
WSGIScriptAlias /body {layout.apps}/body.wsgi
WSGIScriptAlias /echo {layout.apps}/echo.wsgi
WSGIScriptAlias /responses {layout.apps}/responses.wsgi
<Location /environ/secure>
    SetEnv HTTPS on
</Location>
<Location /body/limited>
    LimitRequestBody 1000
</Location>
<Location /body/million>
    LimitRequestBody 1000000
</Location>
<Location /body/whole>
    WSGIChunkedRequest Off
</Location>
WSGIScriptAlias /head/on {layout.apps}/responses.wsgi
WSGIScriptAlias /head/off {layout.apps}/responses.wsgi
WSGIScriptAlias /head/auto {layout.apps}/responses.wsgi
<Location /head/on>
    WSGIMapHEADToGET On
</Location>
<Location /head/off>
    WSGIMapHEADToGET Off
    SetOutputFilter DEFLATE
</Location>
<Location /head/auto>
    WSGIMapHEADToGET Auto
    SetOutputFilter DEFLATE
</Location>
<Location /environ/native>
    WSGIPassApacheRequest On
</Location>
<Location /environ/set>
    SetEnv mod_wsgi.script_name forged
    SetEnv mod_wsgi.x-script_reloading forged
    SetEnv HTTP_X_FROM_SETENV "set by the server"
    SetEnv HTTP_X_BOTH "set by the server"
</Location>
<VirtualHost *:{layout.ports[1]}>
    AllowEncodedSlashes NoDecode
    ErrorDocument 500 /environ/told?by=httpd
    WSGIScriptAlias /raises {layout.apps}/errors.wsgi
</VirtualHost>
"""


def pattern(size: int) -> bytes:
    """The bytes that body.wsgi makes too."""
    unit = bytes(range(256)) * 257
    return (unit * (size // len(unit) + 1))[:size]


def environ(site: Server, target: str = "/environ", **more: Any) -> dict[str, Any]:
    """The environ of one GET."""
    found: dict[str, Any] = site.get(target, **more).json()
    return found


# ---- environ -------------------------------------------------------------------------------


@pytest.mark.core
def test_cgi_variables(site: Server) -> None:
    found = environ(site, "/environ/some/path?a=1&b=%20", headers={"X-Custom-Name": "value"})
    port = str(site.layout.port)
    wanted = {
        "REQUEST_METHOD": "GET",
        "QUERY_STRING": "a=1&b=%20",
        "REQUEST_URI": "/environ/some/path?a=1&b=%20",
        "SCRIPT_NAME": "/environ",
        "PATH_INFO": "/some/path",
        "SCRIPT_FILENAME": str(site.layout.apps / "environ.wsgi"),
        "DOCUMENT_ROOT": str(site.layout.htdocs),
        "SERVER_NAME": "127.0.0.1",
        "SERVER_ADDR": "127.0.0.1",
        "SERVER_PORT": port,
        "SERVER_PROTOCOL": "HTTP/1.1",
        "SERVER_ADMIN": "admin@example.invalid",
        "REQUEST_SCHEME": "http",
        "REMOTE_ADDR": "127.0.0.1",
        "HTTP_HOST": f"127.0.0.1:{port}",
        "HTTP_X_CUSTOM_NAME": "value",
        "FROM_SETENV": "set by the server",
        "CONTEXT_PREFIX": "",
    }
    assert {key: found.get(key) for key in wanted} == wanted
    assert found["REMOTE_PORT"].isdigit()
    assert "Apache/2.4" in found["SERVER_SOFTWARE"]


def test_variables_that_must_not_be_there(site: Server) -> None:
    found = environ(site, headers={"Proxy": "http://evil.invalid/", "Authorization": "Basic eDp5"})
    absent = {
        "PATH",
        "HTTPS",
        "HTTP_PROXY",
        "HTTP_AUTHORIZATION",
        "CONTENT_TYPE",
        "CONTENT_LENGTH",
        "REMOTE_USER",
        "GATEWAY_INTERFACE",
        "PATH_TRANSLATED",
        "REMOTE_HOST",
        "SERVER_SIGNATURE",
        "LD_LIBRARY_PATH",
    }
    assert not absent & set(found)
    assert not [key for key in found if key.startswith("mod_wsgi.x-")]


@pytest.mark.plain("the validator puts its own objects into the environ")
@pytest.mark.core
def test_wsgi_keys(site: Server) -> None:
    found = environ(site)
    assert found["wsgi.version"] == ["tuple", "(1, 0)"]
    assert found["wsgi.url_scheme"] == "http"
    assert found["wsgi.run_once"] == ["bool", "False"]
    assert found["wsgi.input_terminated"] == ["bool", "True"]
    assert found["wsgi.errors"][0] == "TextIOWrapper"
    assert found["wsgi.input"][0] == "Input"
    assert found["wsgi.file_wrapper"][0] == "type"
    embedded, prefork = site.layout.mode == "embedded", site.layout.mpm == "prefork"
    assert found["wsgi.multithread"] == ["bool", str(not (embedded and prefork))]
    # `processes=1` is written in the configuration, which counts as several (reference 2.1).
    assert found["wsgi.multiprocess"] == ["bool", "True"]


def test_apache_and_mod_wsgi_keys(site: Server) -> None:
    before = time.time()
    found = environ(site, "/environ/x")
    daemon = site.layout.mode == "daemon"
    assert re.fullmatch(r"\(2, 4, \d+\)", found["apache.version"][1])
    assert found["mod_wsgi.version"] == ["tuple", "(6, 1, 1)"]
    assert found["mod_wsgi.process_group"] == ("app" if daemon else "")
    assert found["mod_wsgi.application_group"] == f"localhost:{site.layout.port}|/environ"
    assert found["mod_wsgi.callable_object"] == "application"
    assert found["mod_wsgi.request_handler"] == "wsgi-script"
    assert found["mod_wsgi.handler_script"] == ""
    assert found["mod_wsgi.script_name"] == "/environ"
    assert found["mod_wsgi.path_info"] == "/x"
    assert found["mod_wsgi.listener_port"] == str(site.layout.port)
    assert found["mod_wsgi.request_id"]
    assert int(found["mod_wsgi.server_pid"]) in site.family()
    kind, text = found["mod_wsgi.request_start"]
    assert (kind, before - 5 < float(text) < before + 60) == ("float", True)
    for key in ("mod_wsgi.queue_start", "mod_wsgi.daemon_start"):
        kind, text = found[key]
        assert (kind, float(text) > 0) == ("float", daemon), key
    assert found["mod_wsgi.thread_id"][0] == "int"


def test_key_set_is_the_same_in_both_modes(site: Server) -> None:
    """The full list: a key that comes or goes is seen here."""
    found = set(environ(site))
    wsgi = "version url_scheme multithread multiprocess run_once input input_terminated errors"
    ours = (
        "version process_group application_group callable_object request_handler handler_script "
        "script_name path_info listener_host listener_port server_pid request_id connection_id "
        "request_start queue_start daemon_start application_start thread_id"
    )
    cgi = (
        "HTTP_HOST SERVER_SOFTWARE SERVER_NAME SERVER_ADDR SERVER_PORT SERVER_ADMIN "
        "DOCUMENT_ROOT CONTEXT_PREFIX CONTEXT_DOCUMENT_ROOT REQUEST_SCHEME REMOTE_ADDR "
        "REMOTE_PORT SERVER_PROTOCOL REQUEST_METHOD QUERY_STRING REQUEST_URI SCRIPT_NAME "
        "PATH_INFO SCRIPT_FILENAME FROM_SETENV SCRIPT_URI SCRIPT_URL apache.version wsgi.file_wrapper"
    )
    wanted = {f"wsgi.{name}" for name in wsgi.split()}
    wanted |= {f"mod_wsgi.{name}" for name in ours.split()} | set(cgi.split())
    # Made by httpd only when something else asks for it.
    optional = {"mod_wsgi.connection_id", "UNIQUE_ID"}
    assert found - optional == wanted - optional


def test_other_modules_variables(site: Server) -> None:
    assert environ(site, "/environ/rewritten")["FROM_REWRITE"] == "GET"
    assert environ(site, "/environ/private")["FROM_SETENVIF"] == "yes"
    assert "FROM_SETENVIF" not in environ(site)
    secure = environ(site, "/environ/secure")
    assert secure["wsgi.url_scheme"] == "https"
    assert "HTTPS" not in secure


@pytest.mark.parametrize(
    ("target", "script_name", "path_info"),
    [
        ("/environ", "/environ", ""),
        ("/environ/", "/environ", "/"),
        ("/environ/a/b.c", "/environ", "/a/b.c"),
        ("/environ//a///b", "/environ", "/a/b"),
        ("//environ/a", "/environ", "/a"),
        ("/environ/caf%C3%A9", "/environ", "/caf\u00c3\u00a9"),
        ("/environ/a%20b%3Fc", "/environ", "/a b?c"),
        ("/environ/%FF", "/environ", "/\u00ff"),
        ("/environ/a/../b", "/environ", "/b"),
        ("/environ?only", "/environ", ""),
    ],
)
def test_path_split(site: Server, target: str, script_name: str, path_info: str) -> None:
    found = environ(site, target)
    assert (found["SCRIPT_NAME"], found["PATH_INFO"]) == (script_name, path_info)
    assert found["REQUEST_URI"] == target


def test_query_string_is_always_there(site: Server) -> None:
    assert environ(site)["QUERY_STRING"] == ""
    assert environ(site, "/environ?")["QUERY_STRING"] == ""
    assert environ(site, "/environ?a=%ff&%3D")["QUERY_STRING"] == "a=%ff&%3D"


# ---- headers -------------------------------------------------------------------------------


def test_header_names_and_values(site: Server) -> None:
    head = (
        b"GET /environ HTTP/1.1\r\nHost: example.invalid\r\nConnection: close\r\n"
        b"X-Twice: one\r\nx-twice: two\r\nX-Latin: caf\xe9\r\nX_Under: dropped\r\n"
        b"X.Dot: dropped\r\nX-Blank:    around   \r\nX-Empty:\r\nCookie: a=1; b=2\r\n"
        b"User-Agent: tests/1\r\n\r\n"
    )
    answer = exchange(site.layout.port, head)
    found = json.loads(answer.partition(b"\r\n\r\n")[2])
    assert found["HTTP_X_TWICE"] == "one, two"
    assert found["HTTP_X_LATIN"] == "caf\u00e9"
    assert found["HTTP_X_BLANK"] == "around"
    assert found["HTTP_X_EMPTY"] == ""
    assert found["HTTP_COOKIE"] == "a=1; b=2"
    assert found["HTTP_USER_AGENT"] == "tests/1"
    assert found["HTTP_HOST"] == "example.invalid"
    assert not [key for key in found if "UNDER" in key or "DOT" in key]


def test_many_and_long_headers(site: Server) -> None:
    headers = {f"X-Header-{number}": f"value {number} " + "v" * 500 for number in range(90)}
    headers["X-Long"] = "y" * 8000
    found = environ(site, headers=headers)
    assert found["HTTP_X_LONG"] == "y" * 8000
    assert {found[f"HTTP_X_HEADER_{n}"] for n in range(90)} == {headers[f"X-Header-{n}"] for n in range(90)}


def test_http_1_0(site: Server) -> None:
    answer = exchange(site.layout.port, b"GET /environ/old HTTP/1.0\r\n\r\n")
    head, _, body = answer.partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 200 OK")
    assert json.loads(body)["SERVER_PROTOCOL"] == "HTTP/1.0"


@pytest.mark.core
@pytest.mark.parametrize("method", ["GET", "POST", "PUT", "DELETE", "PATCH", "OPTIONS", "PURGE"])
def test_methods(site: Server, method: str) -> None:
    reply = site.request(method, "/responses/method")
    assert (reply.status, reply.text, reply.get("X-Method")) == (200, method, method)


@pytest.mark.core
def test_head_keeps_length_and_has_no_body(site: Server) -> None:
    with RawConnection(site.layout.port) as connection:
        connection.send(b"HEAD /responses/method HTTP/1.1\r\nHost: x\r\n\r\n")
        head = connection.receive_until(b"\r\n\r\n")
        assert b"200 OK" in head
        assert b"X-Method: HEAD" in head
        assert b"Content-Length: 4\r\n" in head
        # The next answer follows at once: no byte of a body came between.
        connection.send(b"GET /responses/method HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
        assert connection.receive_all().startswith(b"HTTP/1.1 200 OK")


def test_keep_alive_and_pipelining(site: Server) -> None:
    one = b"GET /responses/method HTTP/1.1\r\nHost: x\r\n\r\n"
    last = one.replace(b"Host: x", b"Host: x\r\nConnection: close")
    answer = exchange(site.layout.port, one * 5 + last)
    assert answer.count(b"HTTP/1.1 200 OK") == 6


# ---- bodies --------------------------------------------------------------------------------


@pytest.mark.core
@pytest.mark.parametrize("size", SIZES)
def test_upload_and_download_sizes(site: Server, size: int) -> None:
    body = pattern(size)
    found = site.request("POST", "/body", body).json()
    assert found["size"] == size
    assert found["sha256"] == hashlib.sha256(body).hexdigest()
    assert found["content_length"] == str(size)
    for query in (f"size={size}", f"size={size}&length=1", f"size={size}&block=7919"):
        assert site.get(f"/body?{query}").body == body


@pytest.mark.parametrize(
    "how",
    [
        pytest.param("read", marks=pytest.mark.plain("the validator wants a size")),
        "negative",
        "lines",
        "line",
        "shortline",
        "iterate",
        "mixed",
        "1",
        "4096",
        "100000",
    ],
)
def test_ways_of_reading(site: Server, how: str) -> None:
    size = 3000 if how in ("1", "shortline") else 200_000
    body = pattern(size)
    found = site.request("POST", f"/body?how={how}&again=1", body).json()
    assert (found["size"], found["sha256"]) == (size, hashlib.sha256(body).hexdigest())
    assert found["again"] == "", "after the end every read gives nothing"
    if how in ("lines", "line", "iterate"):
        assert found["newlines_inside"] == 0
        assert found["pieces"] == len(body.splitlines(keepends=True)) or found["pieces"] == len(body.split(b"\n"))
    if how.isdigit():
        assert found["longest"] <= int(how)
        assert found["pieces"] == -(-size // int(how)), "read(n) gives n bytes until the end"


def test_unread_body_does_not_spoil_the_connection(site: Server) -> None:
    body = pattern(300_000)
    with RawConnection(site.layout.port) as connection:
        for _ in range(3):
            head = f"POST /body?how=none HTTP/1.1\r\nHost: x\r\nContent-Length: {len(body)}\r\n\r\n"
            connection.send(head.encode() + body)
            assert b"200 OK" in connection.receive_until(b"\r\n\r\n")
            connection.receive_until(b"}")


def chunks(body: bytes, size: int) -> Iterator[bytes]:
    """Pieces of a body."""
    return (body[at : at + size] for at in range(0, len(body), size))


@pytest.mark.core
@pytest.mark.parametrize("size", [0, 1, 8192, 65537, 3 << 20])
def test_chunked_uploads(site: Server, size: int) -> None:
    body = pattern(size)
    for step in (1 << 20, 4099):
        reply = request(site.layout.port, "POST", "/body", chunks(body, step), chunked=True)
        found = reply.json()
        assert (found["size"], found["sha256"]) == (size, hashlib.sha256(body).hexdigest())
        assert found["content_length"] is None


def test_chunked_upload_with_extension_and_trailer(site: Server) -> None:
    answer = exchange(
        site.layout.port,
        b"POST /body HTTP/1.1\r\nHost: x\r\nConnection: close\r\nTransfer-Encoding: chunked\r\n\r\n"
        b'5;ext="v"\r\nhello\r\n6\r\n world\r\n0\r\nX-Trailer: gone\r\n\r\n',
    )
    found = json.loads(answer.partition(b"\r\n\r\n")[2])
    assert (found["size"], found["sha256"]) == (11, hashlib.sha256(b"hello world").hexdigest())


def test_expect_100_continue(site: Server) -> None:
    body = pattern(100_000)
    with RawConnection(site.layout.port) as connection:
        connection.send(
            b"POST /body HTTP/1.1\r\nHost: x\r\nConnection: close\r\nExpect: 100-continue\r\n"
            b"Content-Length: %d\r\n\r\n" % len(body)
        )
        assert connection.receive_until(b"\r\n\r\n").startswith(b"HTTP/1.1 100 Continue\r\n")
        connection.send(body)
        answer = connection.receive_all()
    assert answer.startswith(b"HTTP/1.1 200 OK")
    found = json.loads(answer.partition(b"\r\n\r\n")[2])
    assert found["sha256"] == hashlib.sha256(body).hexdigest()


def echo(site: Server, size: int) -> None:
    """An echo of more than all buffers: the response flows while the request still comes."""
    body = pattern(size)
    with RawConnection(site.layout.port) as connection:
        head = f"POST /echo HTTP/1.0\r\nHost: x\r\nContent-Length: {len(body)}\r\n\r\n"
        connection.send(head.encode())
        sender = threading.Thread(target=connection.send, args=(body,))
        sender.start()
        answer = connection.receive_all()
        sender.join(30)
    assert answer.partition(b"\r\n\r\n")[2] == body


@pytest.mark.modes("embedded")
def test_both_directions_at_once(site: Server) -> None:
    echo(site, 5 << 20)


@pytest.mark.modes("daemon")
@pytest.mark.ours("D212: in 6.1.1's daemons a response larger than the buffers waits for the whole body")
def test_both_directions_at_once_in_a_daemon(site: Server) -> None:
    echo(site, 5 << 20)


@pytest.mark.parametrize("length", [b"-1", b"abc", b"1x", b"99999999999999999999999999", b"0x10", b"+5"])
def test_bad_content_length_is_refused(site: Server, length: bytes) -> None:
    answer = exchange(
        site.layout.port,
        b"POST /body HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: " + length + b"\r\n\r\n",
    )
    assert answer.startswith((b"HTTP/1.1 400 ", b"HTTP/1.1 413 ")), answer[:100]
    site.allow(r"WSGI0141|AH\d{5}")


@pytest.mark.ours("D211: a body that does not come is a 500 of 6.1.1's daemons, and not told when embedded")
def test_body_that_breaks_off(site: Server) -> None:
    """The client stops sending before what it announced: its own fault, told if it still listens."""
    with RawConnection(site.layout.port) as connection:
        connection.send(b"POST /body HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: 100\r\n\r\nabc")
        connection.finish_sending()
        answer = connection.receive_all()
    assert answer.startswith(b"HTTP/1.1 400 "), answer[:100]


def test_body_over_the_limit_is_413(site: Server) -> None:
    assert site.request("POST", "/body/limited", b"x" * 1000).json()["size"] == 1000
    assert site.request("POST", "/body/limited", b"x" * 1001).status == 413
    site.allow(r"AH\d{5}|WSGI0126")


@pytest.mark.parametrize("chunked", [False, True])
def test_body_far_over_the_limit(site: Server, chunked: bool) -> None:
    """S8: 2 MB where 1 MB is allowed: a plain 413 with and without a length, and life goes on."""
    before = site.get("/environ").json()["mod_wsgi.server_pid"]
    body: Any = iter([b"x" * 100_000] * 20) if chunked else b"x" * 2_000_000
    with RawConnection(site.layout.port) as connection:
        connection.send(b"POST /body/million HTTP/1.1\r\nHost: x\r\nConnection: close\r\n")
        try:
            if chunked:
                connection.send(b"Transfer-Encoding: chunked\r\n\r\n")
                for piece in body:
                    connection.send(b"%x\r\n%s\r\n" % (len(piece), piece))
                connection.send(b"0\r\n\r\n")
            else:
                connection.send(b"Content-Length: 2000000\r\n\r\n" + body)
        except OSError:
            pass  # the answer may come, and the connection end, before all of it is sent
        answer = connection.receive_all()
    assert answer.startswith(b"HTTP/1.1 413 "), answer[:200]
    assert b"sha256" not in answer
    assert site.get("/environ").json()["mod_wsgi.server_pid"] == before
    site.allow(r"AH\d{5}|WSGI0126|WSGI0174|OSError|Traceback|File |    ")


def test_chunked_upload_where_it_is_off(site: Server) -> None:
    reply = request(site.layout.port, "POST", "/body/whole", iter([b"a" * 5000, b"b"]), chunked=True)
    assert reply.status == 411
    site.expect_code(139)
    assert site.request("POST", "/body/whole", b"a" * 5000).json()["size"] == 5000


def test_chunked_upload_needs_the_directive(new_server: Any) -> None:
    server = new_server(lambda layout: f"{layout.delegate()}WSGIScriptAlias /body {layout.apps}/body.wsgi").start()
    reply = request(server.layout.port, "POST", "/body", iter([b"a" * 5000, b"b"]), chunked=True)
    assert reply.status == 411
    server.expect_code(139)


# ---- more of environ -----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("target", "method"),
    [
        ("/responses/method", "HEAD"),
        ("/head/on/method", "GET"),
        ("/head/off/method", "HEAD"),
        ("/head/auto/method", "GET"),
    ],
)
def test_head_mapping(site: Server, target: str, method: str) -> None:
    """Off, On, and Auto with and without a filter that works on the content."""
    assert site.request("HEAD", target).get("X-Method") == method


def test_apache_request(site: Server) -> None:
    found = environ(site, "/environ/native")
    kind = found.get("apache.request_rec", ["none"])[0]
    assert kind == ("PyCapsule" if site.layout.mode == "embedded" else "none")
    assert "apache.request_rec" not in environ(site)


def test_what_setenv_cannot_set(site: Server) -> None:
    """Values of httpd and headers of the client come over SetEnv, names of ours are not to be had."""
    found = environ(site, "/environ/set", headers={"X-Both": "from the client"})
    assert found["HTTP_X_BOTH"] == "from the client"
    assert found["HTTP_X_FROM_SETENV"] == "set by the server"
    assert found["mod_wsgi.script_name"] == "/environ"
    assert not [key for key in found if key.startswith("mod_wsgi.x-")]


@pytest.mark.parametrize(
    ("target", "path_info"),
    [
        ("/environ/a//b%2Fc", "/a/b%2Fc"),
        ("/environ/a//b%2fc?x=%2F//", "/a/b%2fc"),
        ("/environ//%41%2e/b", "/A./b"),
        ("//environ/.//x", "/x"),
        ("/environ/caf%c3%a9%FF", "/caf\u00c3\u00a9\u00ff"),
    ],
)
def test_raw_target(site: Server, target: str, path_info: str) -> None:
    """R23: REQUEST_URI is what the client sent, byte for byte; PATH_INFO is decoded, "//" is "/"."""
    found = request(site.layout.ports[1], "GET", target).json()
    assert found["REQUEST_URI"] == target
    assert (found["SCRIPT_NAME"], found["PATH_INFO"]) == ("/environ", path_info)


def test_environ_of_an_error_document(site: Server) -> None:
    """As after a CGI script, what the failed request had comes along as REDIRECT_*."""
    reply = request(site.layout.ports[1], "GET", "/raises/before?q=1", headers={"X-Mine": "yes"})
    found = reply.json()
    wanted = {
        "REDIRECT_STATUS": "500",
        "REDIRECT_URL": "/raises/before",
        "REDIRECT_QUERY_STRING": "q=1",
        "REDIRECT_SCRIPT_NAME": "/raises",
        "REDIRECT_PATH_INFO": "/before",
        "REDIRECT_REQUEST_METHOD": "GET",
        "REDIRECT_HTTP_X_MINE": "yes",
        "REDIRECT_mod_wsgi.script_name": "/raises",
        "REDIRECT_mod_wsgi.process_group": "" if site.layout.mode == "embedded" else "app",
        "SCRIPT_NAME": "/environ",
        "PATH_INFO": "/told",
        "QUERY_STRING": "by=httpd",
        "HTTP_X_MINE": "yes",
    }
    assert {key: found.get(key) for key in wanted} == wanted
    if not site.layout.module.peer:
        assert not [key for key in found if "mod_wsgi.x-" in key]
    site.allow(r"WSGI0174|Traceback|Error|File |    ")


@pytest.mark.ours("D119: 6.1.1 says nothing about a header that it drops")
def test_hint_about_authorization(new_server: Any) -> None:
    """C11: the first time in a process one debug line tells of a dropped header, never its value."""
    server = new_server(
        lambda layout: (
            f"WSGIScriptAlias /off {layout.apps}/environ.wsgi\n"
            f"WSGIScriptAlias /on {layout.apps}/environ.wsgi pass-authorization=On"
        ),
        mode="embedded",
        level="warn wsgi:debug",
    ).start()
    header = {"Authorization": "Bearer very-secret-token"}
    server.allow("wsgi:(debug|info)")
    assert "HTTP_AUTHORIZATION" not in server.get("/off").json()
    assert server.get("/on", headers=header).json()["HTTP_AUTHORIZATION"] == "Bearer very-secret-token"
    assert "Authorization header" not in server.log().tail(1000)
    for _ in range(3):
        assert "HTTP_AUTHORIZATION" not in server.get("/off", headers=header).json()
    (line,) = server.expect("Authorization header is kept from the application")
    assert "WSGIPassAuthorization On" in line.text
    assert line.level == "debug"
    assert "very-secret" not in server.log().tail(1000)
