# SPDX-License-Identifier: Apache-2.0
"""Modules that change what goes in or out: compression, headers, expiry, substitution, includes, caches, pace."""

from __future__ import annotations

import gzip
import hashlib
import os
import subprocess
import zlib

from pathlib import Path
from typing import Any
from urllib.parse import quote, urlencode

import pytest

from harness import Cut, Layout, RawConnection, Reply, Server, exchange, request, wait_until
from harness.calls import words

MODULES = (
    "filter",
    "deflate",
    "brotli",
    "headers",
    "expires",
    "substitute",
    "include",
    "cache",
    "cache_disk",
    "cache_socache",
    "socache_shmcb",
    "ratelimit",
    "buffer",
    "ext_filter",
    "charset_lite",
    "sed",
    "xsendfile",
)
PORTS = 2
SIZE = 60_000
KINDS = ("block", "length", "blocks", "write", "file")


def configure(layout: Layout) -> str:
    """One application below several places, each with what one module does."""
    return f"""
{layout.delegate()}
WSGIScriptAlias /all {layout.apps}/around.wsgi
WSGIChunkedRequest On
ErrorDocument 404 "the server's own 404"
<Location /all/deflate>
    SetOutputFilter DEFLATE
</Location>
<Location /all/by-type>
    AddOutputFilterByType DEFLATE text/html text/plain application/json
</Location>
<Location /all/brotli>
    SetOutputFilter BROTLI_COMPRESS;DEFLATE
</Location>
<VirtualHost *:{layout.ports[1]}>
    DeflateAlterETag NoChange
    CacheQuickHandler Off
</VirtualHost>
<Location /all/inflate>
    SetInputFilter DEFLATE
</Location>
<Location /all/expand>
    SetOutputFilter INFLATE
</Location>
<Location /all/provider>
    FilterDeclare shrink
    FilterProvider shrink DEFLATE "%{{CONTENT_TYPE}} =~ m#^text/#"
    FilterChain shrink
</Location>
<Location /all/headers>
    RequestHeader set X-Set set
    RequestHeader append X-Appended more
    RequestHeader unset X-Unset
    RequestHeader unset Proxy early
    RequestHeader set X-Under_Score never
    RequestHeader edit X-Edited ^old new
    Header set X-Success set
    Header always set X-Always set
    Header unset X-Application
    Header append Vary X-Appended
    Header edit Set-Cookie ^(.*)$ "$1; Secure"
    Header add X-Took "%D"
    Header setifempty X-Given "not the application's"
</Location>
<Location /all/headers/always>
    Header always edit Set-Cookie $ "; HttpOnly"
</Location>
<Location /all/expires>
    ExpiresActive On
    ExpiresDefault A10
    ExpiresByType text/html A100
</Location>
<Location /all/substitute>
    AddOutputFilterByType SUBSTITUTE text/html
    Substitute "s|backend.invalid|front.invalid|n"
</Location>
<Location /all/include>
    Options +Includes
    AddOutputFilterByType INCLUDES text/html
</Location>
<Location /all/limited>
    SetOutputFilter RATE_LIMIT
    SetEnv rate-limit 4000
</Location>
<Location /all/buffered>
    SetOutputFilter BUFFER
    SetInputFilter BUFFER
</Location>
ExtFilterDefine upper mode=output cmd="/usr/bin/tr a-z A-Z"
<Location /all/external>
    SetOutputFilter upper
</Location>
<Location /all/sed>
    SetOutputFilter Sed
    OutputSed "s/lower/UPPER/g"
</Location>
<Location /all/handed-over>
    XSendFile On
    XSendFilePath {layout.htdocs}
</Location>
<Location /all/charset>
    CharsetSourceEnc ISO-8859-1
    CharsetDefault UTF-8
</Location>
CacheSocache shmcb:{layout.root}/cache(2097152)
CacheEnable socache /all/shared
CacheRoot {layout.scratch}
CacheEnable disk /all/cached
<Directory {layout.htdocs}>
    Options +Includes
    AddType text/html .shtml
    AddOutputFilter INCLUDES .shtml
</Directory>
"""


def ask(site: Server, path: str, headers: Any = (), method: str = "GET", sent: Any = None, **query: Any) -> Reply:
    """A request below /all, with what the application is asked to answer."""
    target = f"/all/{path}?{urlencode(query, doseq=True)}"
    reply: Reply = site.request(method, target, sent, headers=headers)
    return reply


def journal(site: Server, name: str) -> Path:
    """A file in which the application counts; fresh for each test and mode."""
    path = site.layout.scratch / f"{name}-{site.layout.mode}-{os.urandom(4).hex()}"
    path.write_text("")
    path.chmod(0o666)
    return path


def values(reply: Reply, name: str) -> list[str]:
    """The items of a header, on however many lines."""
    return [item.strip() for line in reply.all(name) for item in line.split(",")]


GZIP = {"Accept-Encoding": "gzip"}
PATTERN = b"0123456789abcdef" * 64
WHOLE = (PATTERN * (SIZE // len(PATTERN) + 1))[:SIZE]


# ---- compression ------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("place", ["deflate", "by-type", "provider"])
def test_deflate(site: Server, place: str, kind: str) -> None:
    """However the body comes, it is compressed once and whole; a length of the application's does not stay."""
    plain = ask(site, f"{place}/answer", size=SIZE, kind=kind)
    packed = ask(site, f"{place}/answer", GZIP, size=SIZE, kind=kind)
    assert plain.body == WHOLE
    assert plain.get("Content-Encoding") is None
    assert packed.get("Content-Encoding") == "gzip"
    assert gzip.decompress(packed.body) == WHOLE
    assert packed.get("Content-Length") in {None, str(len(packed.body))}
    assert [reply.get("Vary") for reply in (plain, packed)] == ["Accept-Encoding"] * 2


def test_deflate_by_type_leaves_other_types(site: Server) -> None:
    """The filter is chosen by the application's Content-Type, in either mode, whatever its case and parameters."""
    assert ask(site, "by-type/answer", GZIP, type="image/png", size=SIZE).body == WHOLE
    for media in ("text/html; charset=utf-8", "text/plain;charset=UTF-8", "application/json"):
        assert ask(site, "by-type/answer", GZIP, type=media, size=SIZE).get("Content-Encoding") == "gzip", media


@pytest.mark.parametrize("kind", KINDS)
def test_deflate_head(site: Server, kind: str) -> None:
    """A HEAD has the headers of the GET: the application is asked for GET when a content filter is there."""
    ran = journal(site, "head")
    head = ask(site, "deflate/answer", GZIP, "HEAD", size=SIZE, kind=kind, ran=ran)
    assert (head.status, head.body, head.get("Content-Encoding")) == (200, b"", "gzip")
    assert head.get("Vary") == "Accept-Encoding"
    assert words(ran) == ["GET"]


def test_deflate_leaves_what_is_encoded(site: Server) -> None:
    reply = ask(site, "deflate/answer", GZIP, size=SIZE, gzip=1, h="Vary:Cookie")
    assert reply.all("Content-Encoding") == ["gzip"]
    assert gzip.decompress(reply.body) == WHOLE


def test_deflate_joins_vary(site: Server) -> None:
    reply = ask(site, "deflate/answer", GZIP, size=SIZE, h="Vary:Cookie")
    assert values(reply, "Vary") == ["Cookie", "Accept-Encoding"]


@pytest.mark.parametrize(("number", "tag"), [(0, '"v1-gzip"'), (1, '"v1"')])
def test_deflate_and_validators(site: Server, number: int, tag: str) -> None:
    """The tag of a compressed page gets a suffix, which an application does not know; it may be told not to."""
    port, target = site.layout.ports[number], f"/all/deflate/conditional?size={SIZE}"
    first = request(port, "GET", target, headers=GZIP)
    assert (first.get("ETag"), first.get("Content-Encoding")) == (tag, "gzip")
    again = request(port, "GET", target, headers={**GZIP, "If-None-Match": '"v1"'})
    assert (again.status, again.body, again.get("Content-Length")) == (304, b"", None)
    if not site.layout.module.peer:  # D203
        assert again.get("Content-Encoding") is None


def test_suffix_that_the_application_does_not_know(site: Server) -> None:
    """What a browser sends back is the tag with its suffix: an application that compares texts sends the page again."""
    target = f"/all/deflate/conditional?size={SIZE}"
    again = site.get(target, headers={**GZIP, "If-None-Match": '"v1-gzip"'})
    assert (again.status, gzip.decompress(again.body)) in {(200, WHOLE)} or (again.status, again.body) == (304, b"")


def test_deflate_streams(site: Server) -> None:
    """A block is with the client before the application is asked for the next one."""
    gates = [site.layout.scratch / f"deflate-{site.layout.mode}-{n}" for n in range(3)]
    query = urlencode({"gate": [str(gate) for gate in gates]}, doseq=True)
    unpack = zlib.decompressobj(31)
    text = b""
    with RawConnection(site.layout.port) as connection:
        connection.send(
            f"GET /all/deflate/paced?{query} HTTP/1.1\r\nHost: a\r\nAccept-Encoding: gzip\r\nConnection: close\r\n\r\n".encode()
        )
        head = connection.receive_until(b"\r\n\r\n")
        assert b"Content-Encoding: gzip" in head
        for gate in gates:
            while f"[{gate.name}]".encode() not in text:
                text += unpack.decompress(chunk(connection))
            gate.touch()
        while b"[end]" not in text:
            text += unpack.decompress(chunk(connection))


def chunk(connection: RawConnection) -> bytes:
    """The next chunk of a chunked response."""
    size = int(connection.receive_until(b"\r\n"), 16)
    data = b""
    while len(data) < size + 2:
        if not connection.buffer:
            connection.buffer = connection.socket.recv(65536)
            assert connection.buffer, "the response was cut"
        piece = connection.buffer[: size + 2 - len(data)]
        connection.buffer = connection.buffer[len(piece) :]
        data += piece
    return data[:-2]


@pytest.mark.ours("D205, D206: a cut response of a 6.1.1 daemon looks complete")
@pytest.mark.parametrize("place", ["deflate", "brotli", "substitute", "include", "buffered", "limited"])
def test_cut_response_stays_cut_behind_a_filter(site: Server, place: str) -> None:
    """Promise 4: a filter that holds data back does not make a whole of it."""
    with pytest.raises(Cut):
        ask(site, f"{place}/answer", {"Accept-Encoding": "gzip, br"}, kind="cut", size=SIZE, type="text/html")
    site.expect_exception(174, "ZeroDivisionError: in the middle")


def test_brotli(site: Server, tmp_path: Path) -> None:
    """Brotli where the client takes it; curl unpacks it, and has the same page as with gzip."""
    url = f"http://127.0.0.1:{site.layout.port}/all/brotli/answer?size={SIZE}"
    reply = ask(site, "brotli/answer", {"Accept-Encoding": "br"}, size=SIZE)
    assert reply.get("Content-Encoding") == "br"
    assert len(reply.body) < SIZE // 10
    done = subprocess.run(["curl", "-s", "--compressed", url], capture_output=True, timeout=60, check=False)
    assert (done.returncode, done.stdout) == (0, WHOLE)


def test_inflating_output(site: Server) -> None:
    """What the application compressed is expanded for a client that wants it so."""
    text = os.urandom(SIZE).hex()
    reply = ask(site, "expand/answer", body=text[:4000], gzip=1, kind="length")
    assert (reply.text, reply.get("Content-Encoding")) == (text[:4000], None)


@pytest.mark.parametrize("chunked", [False, True])
@pytest.mark.parametrize("size", [100, 3_000_000])
def test_inflating_input(site: Server, size: int, chunked: bool) -> None:
    """Issue part 3: the application reads what was packed, to its end; CONTENT_LENGTH speaks of the packed bytes."""
    data = os.urandom(size // 4) * 4  # more than 200 times its size is refused by mod_deflate
    packed = gzip.compress(data)
    body: Any = iter([packed[:50], packed[50:]]) if chunked else packed
    reply = site.request("POST", "/all/inflate/upload", body, headers={"Content-Encoding": "gzip"}, chunked=chunked)
    found = reply.json()
    assert (found["size"], found["sha256"]) == (len(data), hashlib.sha256(data).hexdigest())
    assert found["length"] in {None, str(len(packed))}


def test_input_that_cannot_be_inflated(site: Server) -> None:
    """A body that is not what it says is an error of the reading, not the end of the input."""
    reply = site.request("POST", "/all/inflate/upload", b"no gzip at all", headers={"Content-Encoding": "gzip"})
    assert reply.status in {400, 500}
    site.allow(r"AH01390|AH0139|deflate|WSGI\d{4}|Traceback|File |OSError|    |zlib")


# ---- headers, expiry --------------------------------------------------------------------------


def test_request_headers(site: Server) -> None:
    """What mod_headers makes of the request's headers is what the application sees."""
    sent = [
        ("X-Set", "client"),
        ("X-Appended", "client"),
        ("X-Unset", "client"),
        ("X-Edited", "old value"),
        ("Proxy", "p"),
    ]
    found = ask(site, "headers/show", sent).json()
    assert found["HTTP_X_SET"] == "set"
    assert found["HTTP_X_APPENDED"] == "client, more"
    assert found["HTTP_X_EDITED"] == "new value"
    assert not {"HTTP_X_UNSET", "HTTP_PROXY", "HTTP_X_UNDER_SCORE"} & set(found)


def test_response_headers(site: Server) -> None:
    lines = [
        "Set-Cookie:a=1",
        "Set-Cookie:b=2; Path=/",
        "X-Application:gone",
        "Vary:Cookie",
        "X-Given:by the application",
    ]
    reply = ask(site, "headers/answer", h=lines)
    assert reply.all("Set-Cookie") == ["a=1; Secure", "b=2; Path=/; Secure"]
    assert (reply.get("X-Success"), reply.get("X-Always")) == ("set", "set")
    assert reply.get("X-Application") is None
    assert values(reply, "Vary") == ["Cookie", "X-Appended"]
    assert reply.get("X-Given") == "by the application"
    took = reply.get("X-Took") or ""
    assert took.startswith("D=")


@pytest.mark.parametrize("status", ["404 Not Found", "500 Broken", "302 Found"])
def test_response_headers_of_an_error_the_application_answers(site: Server, status: str) -> None:
    """Such an answer is an ordinary response: both tables of mod_headers apply."""
    reply = ask(site, "headers/answer", h=["Set-Cookie:a=1", "Location:/x"], status=status)
    assert (reply.get("X-Success"), reply.get("X-Always")) == ("set", "set")
    assert reply.all("Set-Cookie") == ["a=1; Secure"]
    assert reply.body == b"the application's body"


def test_response_headers_of_an_error_of_ours(site: Server) -> None:
    """Only what is set always; once."""
    reply = ask(site, "headers/answer", kind="fail")
    assert reply.status == 500
    assert (reply.get("X-Success"), reply.all("X-Always")) == (None, ["set"])
    site.expect_exception(174, "ZeroDivisionError: before the head")


def test_always_is_another_table(site: Server) -> None:
    """An application's cookies are in the table of successes; `always` does not see them, as with any handler."""
    reply = ask(site, "headers/always/answer", h=["Set-Cookie:a=1"])
    assert reply.all("Set-Cookie") == ["a=1; Secure"]


@pytest.mark.parametrize(
    ("media", "given", "age"),
    [
        ("text/html; charset=utf-8", [], "max-age=100"),
        ("image/png", [], "max-age=10"),
        ("text/html", ["Expires:Thu, 01 Jan 1970 00:00:00 GMT"], None),
        ("text/html", ["Cache-Control:private"], "private, max-age=100"),
    ],
)
def test_expires(site: Server, media: str, given: list[str], age: str | None) -> None:
    """By the application's type; an expiry of its own stays."""
    reply = ask(site, "expires/answer", type=media, h=given)
    assert (", ".join(reply.all("Cache-Control")) or None) == age
    assert len(reply.all("Expires")) == 1


# ---- content ----------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", KINDS)
def test_substitute(site: Server, kind: str) -> None:
    """A change of the body's size takes the length along."""
    text = "<a href='http://backend.invalid/'>" * 50
    reply = ask(site, "substitute/answer", type="text/html; charset=utf-8", body=text, kind=kind)
    assert reply.text == text.replace("backend.invalid", "front.invalid")
    assert reply.get("Content-Length") in {None, str(len(reply.body))}
    assert ask(site, "substitute/answer", type="text/css", body=text, kind=kind).text == text


def test_external_filter(site: Server) -> None:
    assert ask(site, "external/answer", body="lower", kind="length").text == "LOWER"


def test_sed(site: Server) -> None:
    assert ask(site, "sed/answer", body="a lower word\n", kind="length").text == "a UPPER word\n"


@pytest.mark.parametrize("length", [True, False])
@pytest.mark.parametrize("body", ["", "instead of this"])
def test_xsendfile(site: Server, body: str, length: bool) -> None:
    """mod_xsendfile sends the file that an application names, whatever body and length the application gave."""
    path = site.layout.htdocs / "large"
    path.write_bytes(WHOLE)
    query: dict[str, Any] = {"body": body, "h": [f"X-Sendfile:{path}"], "kind": "length" if length else "block"}
    reply = ask(site, "handed-over/answer", type="application/pdf", **query)
    assert (reply.status, reply.get("Content-Type"), reply.get("X-Sendfile")) == (200, "application/pdf", None)
    assert reply.body == WHOLE
    part = ask(site, "handed-over/answer", {"Range": "bytes=10-19"}, **query)
    assert (part.status, part.body) == (206, WHOLE[10:20])
    head = ask(site, "handed-over/answer", (), "HEAD", **query)
    assert (head.status, head.body) == (200, b"")


def test_charset(site: Server) -> None:
    """Text is recoded; what the application calls by another type is not."""
    reply = site.get("/all/charset/answer?body=x&type=text/plain&kind=length")
    assert (reply.status, reply.body) == (200, b"x")


@pytest.mark.parametrize("size", [10, 300_000])
def test_buffer(site: Server, size: int) -> None:
    """mod_buffer on both ways: bodies arrive whole."""
    data = os.urandom(size)
    found = ask(site, "buffered/upload", (), "POST", data).json()
    assert (found["size"], found["sha256"]) == (size, hashlib.sha256(data).hexdigest())
    assert ask(site, "buffered/answer", size=SIZE, kind="blocks").body == WHOLE


def test_include_in_what_the_application_answers(site: Server) -> None:
    """Its own HTML may include other resources: a second request of the application inside the first."""
    inner = "/all/answer?" + urlencode({"body": "inner", "ran": (ran := journal(site, "include"))})
    text = f'before <!--#include virtual="{inner}" --> after <!--#echo var="QUERY_STRING" -->'
    reply = ask(site, "include/answer", type="text/html", body=text, kind="length")
    assert reply.text.startswith("before inner after way") or reply.text.startswith("before inner after ")
    assert "type=text" in reply.text
    assert words(ran) == ["GET"]


def test_include_leaves_the_body_to_the_page(site: Server) -> None:
    """A request inside a POST has no body; the page's own is read by the page, and the connection goes on."""
    inner = urlencode({"body": '<!--#include virtual="/all/upload" -->', "type": "text/html"})
    head = f"POST /all/include/answer?{inner} HTTP/1.1\r\nHost: a\r\nContent-Length: 5000\r\n\r\n"
    last = b"GET /all/answer?body=the+last HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n"
    answer = exchange(site.layout.port, head.encode() + b"x" * 5000 + last)
    assert b'"size": 0' in answer
    assert b'"method": "GET"' in answer
    assert b"the last" in answer


@pytest.mark.core
def test_include_of_the_application(site: Server) -> None:
    """A static page includes the application twice; its status and headers stay the page's own."""
    lines = [f'<!--#include virtual="/all/answer?body={kind}&kind={kind}&h=X-Inner:1" -->' for kind in KINDS]
    page = site.layout.htdocs / "page.shtml"
    page.write_text("".join(f"({line})" for line in lines) + '<!--#include virtual="/all/show" -->')
    reply = site.get("/page.shtml", headers={"Cookie": "a=1"})
    assert reply.status == 200
    assert reply.text.startswith("".join(f"({kind})" for kind in KINDS))
    assert reply.get("X-Inner") is None
    assert '"REQUEST_METHOD": "GET"' in reply.text
    assert '"HTTP_COOKIE": "a=1"' in reply.text
    assert '"PATH_INFO": "/show"' in reply.text


def alone(layout: Layout) -> str:
    """A group with one worker, whose pages include others of the same group."""
    return f"""
WSGIDaemonProcess one processes=1 threads=1
WSGIProcessGroup one
WSGIScriptAlias /all {layout.apps}/around.wsgi
<Location /all/include>
    Options +Includes
    AddOutputFilterByType INCLUDES text/html
</Location>
"""


@pytest.mark.parametrize("size", [10, 5_000, 100_000])
@pytest.mark.parametrize("kind", ["block", "length", "file"])
def test_include_by_the_only_worker(new_server: Any, kind: str, size: int) -> None:
    """The worker that has given its whole answer is free for what the answer includes."""
    server = new_server(alone, modules=("filter", "include")).start()
    query = {"body": 'before <!--#include virtual="/all/answer?body=inner" --> after', "type": "text/html"}
    reply = ask(server, "include/answer", kind=kind, pad=size, **query)
    assert reply.text == "before inner after" + "x" * size


def test_include_of_an_application_that_fails(site: Server) -> None:
    """mod_include says its error where the resource would be; the page goes on."""
    page = site.layout.htdocs / "failing.shtml"
    page.write_text('before <!--#include virtual="/all/answer?kind=fail" --> after')
    reply = site.get("/failing.shtml")
    assert reply.status == 200
    assert reply.text.startswith("before ")
    assert reply.text.endswith(" after")
    site.expect_exception(174, "ZeroDivisionError: before the head")
    site.allow(r"include:error")


@pytest.mark.ours("D205, D206: a cut response of a 6.1.1 daemon looks complete")
def test_include_of_an_application_that_breaks_off(site: Server) -> None:
    """Promise 4: a page of which one part is missing is not a whole page."""
    page = site.layout.htdocs / "cut.shtml"
    page.write_text(f'before <!--#include virtual="/all/answer?kind=cut&size={SIZE}" --> after')
    with pytest.raises(Cut):
        site.get("/cut.shtml")
    site.expect_exception(174, "ZeroDivisionError: in the middle")
    site.allow(r"include:error")


# ---- caches -----------------------------------------------------------------------------------


def settled(site: Server, path: str, *more: Any, **query: Any) -> Reply:
    """A request that is over on the server's side, too: only then is a page kept, though its last byte came before."""
    log = site.layout.logs / "access_log"
    before = log.read_bytes().count(b"\n")
    reply = ask(site, path, *more, **query)
    wait_until(lambda: log.read_bytes().count(b"\n") > before, "the request is logged")
    return reply


def cached(site: Server, count: int = 2, headers: Any = (), **query: Any) -> tuple[list[Reply], list[str]]:
    """The same request several times: the replies, and the methods of those that the application saw."""
    ran = journal(site, "cache")
    return [settled(site, "cached/answer", headers, ran=ran, **query) for _ in range(count)], words(ran)


@pytest.mark.parametrize("kind", KINDS)
def test_cache_keeps(site: Server, kind: str) -> None:
    """What may be kept is kept, however the body came, and is the same."""
    replies, ran = cached(site, 3, kind=kind, size=SIZE, h="Cache-Control:max-age=60")
    assert [reply.body for reply in replies] == [WHOLE] * 3
    assert ran == ["GET"]
    assert replies[-1].get("Age") is not None


@pytest.mark.parametrize(
    "lines",
    [
        ["Cache-Control:private, max-age=60"],
        ["Cache-Control:no-store, max-age=60"],
        ["Cache-Control:no-cache"],
        ["Cache-Control:max-age=0"],
        [],
        ["Cache-Control:max-age=60", "Vary:*"],
        ["Expires:Thu, 01 Jan 1970 00:00:00 GMT"],
    ],
)
def test_cache_does_not_keep(site: Server, lines: list[str]) -> None:
    replies, ran = cached(site, h=lines)
    assert ran == ["GET"] * 2
    assert {reply.status for reply in replies} == {200}


def test_cache_and_vary(site: Server) -> None:
    """A page that depends on a header is kept once a value."""
    ran = journal(site, "vary")
    query: dict[str, Any] = {"ran": ran, "h": ["Cache-Control:max-age=60", "Vary:X-Who"]}
    for who in ("a", "b", "a", "b"):
        assert settled(site, "cached/answer", {"X-Who": who}, **query).status == 200
    assert words(ran) == ["GET"] * 2


def test_cache_and_cookies(site: Server) -> None:
    """Set-Cookie alone does not keep a page out of mod_cache; `private` does."""
    replies, ran = cached(site, h=["Cache-Control:max-age=60", "Set-Cookie:a=1"])
    assert ran == ["GET"]
    assert replies[1].get("Set-Cookie") == "a=1"


def test_cache_and_credentials(site: Server) -> None:
    """RFC 9111, 3.5: an answer to a request with Authorization is not kept, although the application saw no such header."""
    replies, ran = cached(site, headers={"Authorization": "Basic eDp5"}, h="Cache-Control:max-age=60")
    assert (len(replies), ran) == (2, ["GET"] * 2)


def test_cache_asks_again_with_the_applications_validator(site: Server) -> None:
    """A stale page goes to the application as a condition; its 304 makes it fresh again, the client has a 200."""
    ran = journal(site, "stale")
    query: dict[str, Any] = {"ran": ran, "control": "max-age=0, must-revalidate", "size": SIZE}
    replies = [settled(site, "cached/conditional", **query) for _ in range(3)]
    assert [(reply.status, reply.body) for reply in replies] == [(200, WHOLE)] * 3
    assert words(ran) == ["GET"] * 3


def test_shared_memory_cache(site: Server) -> None:
    """mod_cache_socache keeps what has a length."""
    ran = journal(site, "shared")
    query: dict[str, Any] = {"ran": ran, "kind": "length", "size": SIZE, "h": "Cache-Control:max-age=60"}
    assert [settled(site, "shared/answer", **query).body for _ in range(3)] == [WHOLE] * 3
    assert words(ran) == ["GET"]


def test_cache_answers_head_and_conditions(site: Server) -> None:
    ran = journal(site, "kept")
    first = settled(site, "cached/conditional", ran=ran, size=SIZE)
    head = settled(site, "cached/conditional", (), "HEAD", ran=ran, size=SIZE)
    fresh = settled(site, "cached/conditional", {"If-None-Match": '"v1"'}, ran=ran, size=SIZE)
    part = settled(site, "cached/conditional", {"Range": "bytes=0-9"}, ran=ran, size=SIZE)
    assert (first.status, head.status, head.body, fresh.status) == (200, 200, b"", 304)
    assert (part.status, part.body) == (206, WHOLE[:10])
    assert words(ran) == ["GET"], "one run serves them all"


@pytest.mark.ours("D205, D206: a cut response of a 6.1.1 daemon looks complete")
def test_cache_does_not_keep_half_a_page(site: Server) -> None:
    """Issue part 2: no cache keeps what was cut."""
    ran = journal(site, "half")
    for _ in range(2):
        with pytest.raises(Cut):
            ask(site, "cached/answer", ran=ran, kind="cut", size=SIZE, h="Cache-Control:max-age=60")
    assert words(ran) == ["GET"] * 2
    site.allow(r"WSGI0174|Traceback|File |ZeroDivisionError|    ")


def test_post_goes_through_the_cache(site: Server) -> None:
    """Never kept, never answered from what is kept; it makes what is kept invalid, which mod_cache_disk logs."""
    site.allow("AH00717")
    ran = journal(site, "post")
    query: dict[str, Any] = {"ran": ran, "h": "Cache-Control:max-age=60"}
    assert settled(site, "cached/answer", **query).status == 200
    for _ in range(2):
        assert settled(site, "cached/answer", (), "POST", b"data", **query).status == 200
    assert words(ran) == ["GET", "POST", "POST"]


# ---- pace -------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", KINDS)
def test_rate_limit(site: Server, kind: str) -> None:
    """Slowed down, not changed."""
    assert ask(site, "limited/answer", size=SIZE, kind=kind).body == WHOLE


def test_rate_limited_response_on_a_kept_connection(site: Server) -> None:
    """The end of one answer is known, the next request of the connection is answered."""
    target = f"/all/limited/answer?size={SIZE}&kind=blocks"
    data = f"GET {target} HTTP/1.1\r\nHost: a\r\n\r\nGET {target} HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n"
    assert exchange(site.layout.port, data.encode()).count(b"HTTP/1.1 200 OK") == 2


def test_quoting_of_a_place(site: Server) -> None:
    """Filters work on PATH_INFO with encoded bytes, too."""
    assert ask(site, f"deflate/{quote('ä b')}/answer", GZIP, size=SIZE).get("Content-Encoding") == "gzip"
