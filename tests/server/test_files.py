# SPDX-License-Identifier: Apache-2.0
"""wsgi.file_wrapper: offsets and sizes, odd files, ranges, conditions, files that change, descriptors."""

from __future__ import annotations

import gzip
import os
import pwd
import re
import signal

from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import pytest

from harness import Cut, Layout, RawConnection, Reply, Server, wait_until
from harness.calls import Call, words
from harness.places import places
from harness.processes import children_of, descendants_of, descriptors, image

MODULES = ("filter", "deflate")

APP = r'''
import gzip
import io
import os
import socket
import time
from urllib.parse import parse_qsl

SCRATCH = os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), "scratch")


def pipe(path):
    reader, writer = os.pipe()
    os.write(writer, b"from a pipe")
    os.close(writer)
    return open(reader, "rb")


def stream(path):
    one, other = socket.socketpair()
    one.sendall(b"from a socket")
    one.close()
    with other:
        return other.makefile("rb")


class Directory:
    def __init__(self, path):
        self.descriptor = os.open(SCRATCH, os.O_RDONLY)

    def fileno(self):
        return self.descriptor

    def tell(self):
        return 0

    def read(self, size):
        return os.read(self.descriptor, size)

    def close(self):
        os.close(self.descriptor)


class Borrowed:
    """As tempfile's: no class of io, but a file inside."""

    def __init__(self, path):
        self.file = open(path, "rb")

    def __getattr__(self, name):
        return getattr(self.file, name)


def revoked(path):
    """Open, but nobody could open it again."""
    file = open(path, "rb")
    os.chmod(path, 0)
    return file


OPEN = {
    "file": lambda path: open(path, "rb"),
    "raw": lambda path: open(path, "rb", buffering=0),
    "both": lambda path: open(path, "r+b"),
    "bytesio": lambda path: io.BytesIO(open(path, "rb").read()),
    "gzip": gzip.open,
    "text": open,
    "borrowed": Borrowed,
    "pipe": pipe, "socket": stream, "directory": Directory, "revoked": revoked,
}


def note(query, *what):
    if "journal" in query:
        with open(query["journal"], "a") as out:
            out.write("/".join(str(word) for word in what) + "\n")


def checked(wrapper, query, before):
    class Checked(wrapper):
        def close(self):
            if "gate" in query:
                while not os.path.exists(query["gate"]):
                    time.sleep(0.01)
            if before is not None:
                after = self.filelike.tell(), os.lseek(self.filelike.fileno(), 0, os.SEEK_CUR)
                note(query, "kept" if before == after else "moved", *before, *after)
            super().close()
            note(query, "closed")
    return Checked


def application(environ, start_response):
    query = dict(parse_qsl(environ["QUERY_STRING"], keep_blank_values=True))
    path = query.get("path", "")
    if "truncate" in query:
        os.truncate(path, int(query["truncate"]))
    file = OPEN[query.get("open", "file")](path)
    if "seek" in query:
        file.seek(int(query["seek"]))
    headers = [(name, query[name]) for name in query if name[0].isupper()]
    headers.append(("X-Method", environ["REQUEST_METHOD"]))
    headers.append(("X-Pid", str(os.getpid())))
    write = start_response(query.get("status", "200 OK"), headers)
    if "write" in query:
        write(b"written, ")
    plain = query.get("open", "file") in ("file", "raw", "both")
    before = (file.tell(), os.lseek(file.fileno(), 0, os.SEEK_CUR)) if plain else None
    wrapped = checked(environ["wsgi.file_wrapper"], query, before)(file, 8192)
    if "iterate" in query:
        def blocks():
            try:
                yield from wrapped
            finally:
                wrapped.close()
        return blocks()
    return wrapped
'''

GIB = 1 << 30
FAR = 9 * GIB // 2
SPARSE = 5 * GIB
MARKED = bytes(range(251)) * 400
CONTENT = bytes(range(256)) * 400
DATE = "Sun, 06 Nov 1994 08:49:37 GMT"
LATER = "Sun, 06 Nov 1994 08:49:38 GMT"
EARLIER = "Sun, 06 Nov 1994 08:49:36 GMT"


def configure(layout: Layout) -> str:
    """One script: plain, with sendfile, and compressed."""
    script = layout.write_app("files.wsgi", APP)
    return f"""
{layout.delegate()}
WSGIScriptAlias /plain {script}
WSGIScriptAlias /sent {script}
WSGIScriptAlias /deflated {script}
<Location /sent>
    WSGIEnableSendfile On
    EnableSendfile On
</Location>
<Location /deflated>
    SetOutputFilter DEFLATE
    AddOutputFilterByType DEFLATE text/plain
</Location>
"""


@pytest.fixture
def content(site: Server) -> Iterator[Path]:
    """A file of 102400 bytes."""
    path = site.layout.scratch / "content"
    path.write_bytes(CONTENT)
    path.chmod(0o666)
    yield path
    path.unlink()


@pytest.fixture
def sparse(site: Server) -> Iterator[Path]:
    """5 GiB with marks at 0, and behind 4 GiB."""
    path = site.layout.scratch / "sparse"
    with path.open("wb") as out:
        out.truncate(SPARSE)
        for place in (0, FAR):
            out.seek(place)
            out.write(MARKED)
    path.chmod(0o666)
    yield path
    path.unlink()


@pytest.fixture
def journal(site: Server, request: pytest.FixtureRequest) -> Path:
    """A file in which the application notes what happened."""
    path = site.layout.scratch / re.sub(r"\W", "-", f"{request.node.name}.journal")
    path.unlink(missing_ok=True)
    return path


def target(path: Path | str, at: str = "/plain", **query: Any) -> str:
    """The URL of a file; a name that begins with a capital is a response header."""
    given = {name.replace("_", "-"): value for name, value in query.items()}
    return f"{at}/?{urlencode({'path': path, **given})}"


def get(
    site: Server, path: Path | str, at: str = "/plain", headers: dict[str, str] | None = None, **query: Any
) -> Reply:
    """GET of a file."""
    return site.get(target(path, at, **query), headers=headers or {})


WAYS = ["/plain", "/sent"]


# ---- sizes and offsets ----------------------------------------------------------------------


@pytest.mark.core
@pytest.mark.parametrize("at", WAYS)
def test_offset_beyond_four_gib(site: Server, sparse: Path, at: str, journal: Path) -> None:
    """R11: the position counts with all its bits; a bounded length keeps the answer small."""
    more: dict[str, Any] = {"Content_Length": len(MARKED), "journal": journal}
    for place in (0, FAR):
        reply = get(site, sparse, at, seek=place, **more)
        assert reply.body == MARKED, place
    tail = get(site, sparse, at, seek=SPARSE - 1000, journal=journal)
    assert tail.body == bytes(1000)
    wait_until(lambda: words(journal).count("closed") == 3, "the files are closed")
    assert not [word for word in words(journal) if word.startswith("moved")], "R11: the position is not moved"


@pytest.mark.parametrize("at", WAYS)
@pytest.mark.ours("D241: 6.1.1 logs a client that leaves as an error")
def test_five_gib_and_a_client_that_leaves(site: Server, sparse: Path, at: str, journal: Path) -> None:
    """The whole length is announced; nobody has to wait for the rest of it."""
    with RawConnection(site.layout.port) as client:
        client.send(f"GET {target(sparse, at, journal=journal)} HTTP/1.1\r\nHost: x\r\n\r\n".encode())
        head = client.receive_until(b"\r\n\r\n")
        assert b"Content-Length: %d\r\n" % SPARSE in head
        client.receive_until(MARKED)
        client.abort()
    wait_until(lambda: "closed" in words(journal), "the file is closed")
    assert words(journal).count("closed") == 1
    assert get(site, sparse, at, seek=FAR, Content_Length=5).body == MARKED[:5]


@pytest.mark.ours("D250: in a daemon 6.1.1 answers no range")
@pytest.mark.parametrize("at", WAYS)
def test_ranges_beyond_four_gib(site: Server, sparse: Path, at: str) -> None:
    """R11: single, suffix and several ranges."""
    reply = get(site, sparse, at, {"Range": f"bytes={FAR}-{FAR + 999}"}, ETag='"x"')
    assert (reply.status, reply.body) == (206, MARKED[:1000])
    assert reply.get("Content-Range") == f"bytes {FAR}-{FAR + 999}/{SPARSE}"
    reply = get(site, sparse, at, {"Range": "bytes=-10"}, ETag='"x"')
    assert (reply.status, reply.body) == (206, bytes(10))
    assert reply.get("Content-Range") == f"bytes {SPARSE - 10}-{SPARSE - 1}/{SPARSE}"
    reply = get(site, sparse, at, {"Range": f"bytes=0-4,{FAR}-{FAR + 9},{2 * GIB}-{2 * GIB + 2}"}, ETag='"x"')
    assert reply.status == 206
    parts = re.findall(rb"Content-range: bytes ([^\r]*)\r\n\r\n(.*?)\r\n--", reply.body, re.S | re.I)
    assert parts == [
        (f"0-4/{SPARSE}".encode(), MARKED[:5]),
        (f"{FAR}-{FAR + 9}/{SPARSE}".encode(), MARKED[:10]),
        (f"{2 * GIB}-{2 * GIB + 2}/{SPARSE}".encode(), bytes(3)),
    ]


@pytest.mark.parametrize("kind", ["file", "raw", "both", "borrowed"])
@pytest.mark.parametrize("seek", [0, 1, 8192, 102399, 102400])
def test_position(site: Server, content: Path, journal: Path, kind: str, seek: int) -> None:
    """From where the application stands; its descriptor is where it was."""
    if seek == 102400 and site.layout.module.peer:
        pytest.skip("6.1.1 fails for a file at its end, see D252")
    reply = get(site, content, open=kind, seek=seek, journal=journal)
    assert reply.body == CONTENT[seek:]
    assert reply.get("Content-Length") == str(len(CONTENT) - seek)
    wait_until(lambda: "closed" in words(journal), "it is closed")
    assert not [word for word in words(journal) if word.startswith("moved")]


@pytest.mark.ours("D252: 6.1.1 sends zeros, or fails")
def test_more_promised_than_there_is(site: Server, content: Path) -> None:
    """Content-Length of the application: less is kept to, more is a response that is visibly cut."""
    assert get(site, content, Content_Length=7).body == CONTENT[:7]
    with pytest.raises(Cut) as cut:
        get(site, content, Content_Length=len(CONTENT) + 5)
    assert cut.value.partial == CONTENT
    site.expect_code(1006, "5 bytes less")
    reply = get(site, content, seek=len(CONTENT) + 100)
    assert (reply.status, reply.body, reply.get("Content-Length")) == (200, b"", "0")


# ---- what is no regular file ----------------------------------------------------------------


@pytest.mark.parametrize(
    ("kind", "body"), [("pipe", b"from a pipe"), ("socket", b"from a socket"), ("bytesio", CONTENT)]
)
def test_iterated(site: Server, content: Path, kind: str, body: bytes, journal: Path) -> None:
    """No regular file: read block by block; closed once all the same."""
    reply = get(site, content, open=kind, journal=journal)
    assert reply.body == body
    assert reply.get("Content-Length") is None
    wait_until(lambda: "closed" in words(journal), "it is closed")
    assert words(journal) == ["closed"]


@pytest.mark.ours("D251: 6.1.1 sends the bytes of the file below")
def test_files_that_change_what_is_read(site: Server, content: Path) -> None:
    """What read() returns counts: gzip unpacks; text is no bytes, and the log says so."""
    content.write_bytes(gzip.compress(CONTENT))
    assert get(site, content, open="gzip").body == CONTENT
    content.write_text("text")
    assert get(site, content, open="text").status == 500
    line = site.expect_code(174)
    assert "must return bytes, not str; open it in binary mode" in line.text
    site.allow("TypeError")


def test_directory(site: Server, content: Path) -> None:
    assert get(site, content, open="directory").status == 500
    site.expect_code(174)
    site.allow(r"Is a directory|Traceback|  File |\^\^\^|    ")


@pytest.mark.ours("D252: 6.1.1 sends nothing, or fails")
def test_files_that_do_not_know_their_size(site: Server) -> None:
    """/proc says 0, /sys a page: read block by block."""
    reply = get(site, "/proc/self/status", Content_Type="text/plain")
    assert b"Pid:\t" + (reply.get("X-Pid") or "").encode() + b"\n" in reply.body
    assert reply.get("Content-Length") is None
    page = Path("/sys/kernel/mm/transparent_hugepage/enabled")
    if page.exists():
        assert get(site, page).body == page.read_bytes()


def test_empty_file(site: Server, content: Path) -> None:
    content.write_bytes(b"")
    reply = get(site, content)
    assert (reply.status, reply.body) == (200, b"")


@pytest.mark.core
@pytest.mark.parametrize("query", [{}, {"iterate": 1}, {"write": 1}, {"status": "404 Not There"}])
def test_ways_to_return_it(site: Server, content: Path, journal: Path, query: dict[str, Any]) -> None:
    """Returned, iterated, after write(), with another status: the same bytes, closed once."""
    reply = get(site, content, journal=journal, **query)
    assert reply.body == (b"written, " if "write" in query else b"") + CONTENT
    assert reply.status == (404 if "status" in query else 200)
    wait_until(lambda: "closed" in words(journal), "it is closed")
    assert words(journal).count("closed") == 1


def test_slow_close(site: Server, content: Path, journal: Path) -> None:
    """The client has all of the file before close() ends."""
    gate = site.layout.scratch / "gate"
    gate.unlink(missing_ok=True)
    reply = get(site, content, journal=journal, gate=gate)
    assert reply.body == CONTENT
    assert words(journal) == []
    gate.touch()
    wait_until(lambda: "closed" in words(journal), "it is closed")


# ---- HEAD -----------------------------------------------------------------------------------


@pytest.mark.parametrize("length", [None, 10])
def test_head(site: Server, content: Path, length: int | None) -> None:
    """R7: HEAD stays HEAD; no body; the length is the application's, or the file's."""
    more: dict[str, Any] = {} if length is None else {"Content_Length": length}
    reply = site.request("HEAD", target(content, **more))
    assert (reply.status, reply.body, reply.get("X-Method")) == (200, b"", "HEAD")
    assert reply.get("Content-Length") == str(length or len(CONTENT))


@pytest.mark.parametrize("status", ["204 No Content", "304 Not Modified"])
def test_no_body(site: Server, content: Path, status: str) -> None:
    """R7: nothing behind the head, and the connection can be used again."""
    with RawConnection(site.layout.port) as client:
        for _ in range(2):
            client.send(f"GET {target(content, status=status)} HTTP/1.1\r\nHost: x\r\n\r\n".encode())
            head = client.receive_until(b"\r\n\r\n")
            assert head.startswith(f"HTTP/1.1 {status}".encode())
            assert b"Content-Length" not in head
            assert b"Transfer-Encoding" not in head
        client.send(b"GET /nothing HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
        assert client.receive_all().startswith(b"HTTP/1.1 404 ")


# ---- ranges and conditions ------------------------------------------------------------------

TAG = {"ETag": '"x"'}
DATED = {"Last_Modified": DATE}
BOTH = {**TAG, **DATED}

# Headers of the application, headers of the client, status.
CONDITIONS: list[tuple[dict[str, str], dict[str, str], int]] = [
    (TAG, {"If-None-Match": '"x"'}, 304),
    (TAG, {"If-None-Match": '"a", W/"x"'}, 304),
    (TAG, {"If-None-Match": "*"}, 304),
    (TAG, {"If-None-Match": '"y"'}, 200),
    (TAG, {"If-Match": '"x"'}, 200),
    (TAG, {"If-Match": '"y"'}, 412),
    (DATED, {"If-Match": '"y"'}, 412),
    (TAG, {"If-Modified-Since": LATER}, 200),
    (TAG, {"If-Unmodified-Since": EARLIER}, 200),
    (DATED, {"If-Modified-Since": DATE}, 304),
    (DATED, {"If-Modified-Since": LATER}, 304),
    (DATED, {"If-Modified-Since": EARLIER}, 200),
    (DATED, {"If-Modified-Since": "tomorrow"}, 200),
    (DATED, {"If-Unmodified-Since": EARLIER}, 412),
    (DATED, {"If-Unmodified-Since": DATE}, 200),
    (BOTH, {"If-None-Match": '"y"', "If-Modified-Since": LATER}, 200),
    (BOTH, {"If-None-Match": '"x"', "If-Modified-Since": EARLIER}, 304),
    (BOTH, {"If-Match": '"x"', "If-Unmodified-Since": EARLIER}, 200),
    ({}, {"If-None-Match": "*"}, 200),
    ({}, {"If-Match": '"x"'}, 200),
    ({}, {"If-Modified-Since": LATER}, 200),
]


@pytest.mark.ours("D250: 6.1.1 leaves conditions to the application")
@pytest.mark.parametrize(("given", "asked", "status"), CONDITIONS)
@pytest.mark.parametrize("method", ["GET", "HEAD"])
def test_conditions(
    site: Server, content: Path, given: dict[str, str], asked: dict[str, str], status: int, method: str
) -> None:
    """R11: for a 200 whose validators the application gave, as RFC 9110 has it; else all is sent."""
    reply = site.request(method, target(content, Set_Cookie="a=1", **given), headers=asked)
    assert reply.status == status
    assert reply.body == (CONTENT if (status, method) == (200, "GET") else b"")
    assert reply.get("ETag") == given.get("ETag")
    assert reply.get("Set-Cookie") == "a=1"
    if status == 304:
        assert reply.get("Content-Length") is None
        assert reply.reason == "Not Modified"


@pytest.mark.ours("D250: 6.1.1 leaves conditions to the application")
def test_conditions_are_for_a_success_only(site: Server, content: Path) -> None:
    asked = {"If-None-Match": '"x"', "If-Match": '"y"'}
    assert get(site, content, headers=asked, status="404 Gone", **TAG).body == CONTENT
    assert get(site, content, headers=asked, status="201 Created", **TAG).body == CONTENT
    assert site.request("POST", target(content, **TAG), b"", headers=asked).body == CONTENT
    content.write_bytes(b"")
    assert get(site, content, headers={"If-None-Match": '"x"'}, **TAG).status == 304


# Headers of the application, headers of the client, status, first and last byte.
RANGES: list[tuple[dict[str, Any], dict[str, str], int, int, int]] = [
    (TAG, {"Range": "bytes=0-0"}, 206, 0, 0),
    (TAG, {"Range": "bytes=5-"}, 206, 5, 102399),
    (TAG, {"Range": "bytes=-5"}, 206, 102395, 102399),
    (TAG, {"Range": "bytes=70000-999999"}, 206, 70000, 102399),
    (TAG, {"Range": "bytes=9-5"}, 200, 0, 102399),
    (TAG, {"Range": "lines=1-2"}, 200, 0, 102399),
    (TAG, {"Range": "bytes=5-9", "If-Range": '"x"'}, 206, 5, 9),
    (TAG, {"Range": "bytes=5-9", "If-Range": '"y"'}, 200, 0, 102399),
    (TAG, {"Range": "bytes=5-9", "If-Match": '"x"'}, 206, 5, 9),
    (DATED, {"Range": "bytes=5-9", "If-Range": DATE}, 206, 5, 9),
    (DATED, {"Range": "bytes=5-9", "If-Range": EARLIER}, 200, 0, 102399),
    ({"Accept_Ranges": "none", **TAG}, {"Range": "bytes=5-9"}, 200, 0, 102399),
    ({"Content_Range": "bytes 0-102399/*", **TAG}, {"Range": "bytes=5-9"}, 200, 0, 102399),
    ({}, {"Range": "bytes=5-9"}, 206, 5, 9),
]


@pytest.mark.ours("D250: in a daemon 6.1.1 answers no range")
@pytest.mark.parametrize("at", WAYS)
@pytest.mark.parametrize(("given", "asked", "status", "first", "last"), RANGES)
def test_ranges(
    site: Server,
    content: Path,
    at: str,
    given: dict[str, Any],
    asked: dict[str, str],
    status: int,
    first: int,
    last: int,
) -> None:
    """R11: httpd's own range filter sees the whole file."""
    reply = get(site, content, at, asked, **given)
    assert (reply.status, reply.body) == (status, CONTENT[first : last + 1])
    assert reply.get("Content-Length") == str(last + 1 - first)
    if status == 206:
        assert reply.get("Content-Range") == f"bytes {first}-{last}/102400"
    given_ranges = given.get("Accept_Ranges")
    assert reply.get("Accept-Ranges") == (given_ranges or ("bytes" if given else None))


@pytest.mark.ours("D250: in a daemon 6.1.1 answers no range")
@pytest.mark.parametrize("at", WAYS)
def test_range_that_does_not_fit(site: Server, content: Path, at: str) -> None:
    """416, and the connection goes on."""
    with RawConnection(site.layout.port) as client:
        for _ in range(2):
            client.send(
                f"GET {target(content, at, ETag='x')} HTTP/1.1\r\nHost: x\r\nRange: bytes=200000-\r\n\r\n".encode()
            )
            assert client.receive_until(b"\r\n\r\n").startswith(b"HTTP/1.1 416 ")
            client.receive_until(b"0\r\n\r\n")
        client.send(f"GET {target(content, at)} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n".encode())
        rest = client.receive_all()
        assert rest.partition(b"HTTP/1.1 200 ")[2].endswith(CONTENT)


@pytest.mark.ours("D250: 6.1.1 leaves conditions to the application")
def test_conditions_and_ranges_of_a_compressed_file(site: Server, content: Path) -> None:
    """mod_deflate: the whole file comes compressed whatever range was asked; 304 stays 304."""
    content.write_bytes(b"text " * 10000)
    headers = {"Accept-Encoding": "gzip"}
    reply = get(site, content, "/deflated", {**headers, "Range": "bytes=5-9"}, Content_Type="text/plain", **TAG)
    if reply.status == 206:
        assert reply.get("Content-Encoding") == "gzip"
    else:
        assert gzip.decompress(reply.body) == content.read_bytes()
    reply = get(site, content, "/deflated", {**headers, "If-None-Match": '"x"'}, Content_Type="text/plain", **TAG)
    assert (reply.status, reply.body) == (304, b"")


# ---- files that change while they are sent --------------------------------------------------

LONG = 32 << 20


def children(server: Server) -> list[int]:
    """The Apache children."""
    httpd = os.path.realpath(places().httpd)
    return [pid for pid in children_of(server.pid) if image(pid) == httpd and pid != server.pid]


def begin(client: RawConnection, path: Path, at: str, more: str = "") -> bytes:
    """Asks, and reads the head and a little of the body."""
    client.send(f"GET {target(path, at)} HTTP/1.1\r\nHost: x\r\n{more}\r\n".encode())
    head = client.receive_until(b"\r\n\r\n")
    while len(client.buffer) < 1000:
        client.buffer += client.socket.recv(1000)
    return head


@pytest.mark.ours("D242: 6.1.1 maps the file into memory")
@pytest.mark.core
@pytest.mark.parametrize("at", [*WAYS, "/deflated"])
def test_file_that_becomes_shorter(site: Server, content: Path, at: str) -> None:
    """The client sees that something is missing; the server does not die of it, and says one line."""
    before = children(site)
    with content.open("wb") as out:
        for number in range(0, LONG, 1 << 20):
            out.write(os.urandom(1 << 20) if at == "/deflated" else bytes([number >> 20]) * (1 << 20))
    more = "Accept-Encoding: gzip\r\n" if at == "/deflated" else ""
    with RawConnection(site.layout.port) as client:
        head = begin(client, content, at, more)
        os.truncate(content, 100)
        rest = client.receive_all()
        if at == "/deflated":
            assert b"Transfer-Encoding: chunked" in head
            assert not rest.endswith(b"0\r\n\r\n"), "it does not look complete"
        else:
            assert b"Content-Length: %d" % LONG in head
            assert len(rest) < LONG
    if at != "/sent" or site.layout.mode == "daemon":
        site.expect_code(1040, "a file became shorter while it was sent")
    site.allow("AH10298")  # mod_deflate of newer releases says it, too
    assert get(site, content, at, {"Accept-Encoding": "identity"}).body == content.read_bytes()
    assert set(before) <= set(children(site)), "no child died"


@pytest.mark.parametrize("at", WAYS)
def test_file_that_grows(site: Server, content: Path, at: str) -> None:
    """Its size when the application returned it counts."""
    with content.open("wb") as out:
        out.truncate(LONG)
    with RawConnection(site.layout.port) as client:
        head = begin(client, content, at, "Connection: close\r\n")
        assert b"Content-Length: %d" % LONG in head
        os.truncate(content, 2 * LONG)
        size = len(client.buffer)
        while data := client.socket.recv(1 << 20):
            size += len(data)
        assert size == LONG


# ---- descriptors ----------------------------------------------------------------------------


def open_files(server: Server, path: Path) -> list[str]:
    """Descriptors of any process of the server that lead to the file."""
    found: list[str] = []
    for pid in descendants_of(server.pid):
        found += [name for name in descriptors(pid).values() if name.startswith(str(path))]
    return found


@pytest.mark.core
@pytest.mark.parametrize("at", WAYS)
@pytest.mark.ours("D241: 6.1.1 logs a client that leaves as an error")
def test_descriptors_do_not_leak(site: Server, content: Path, at: str) -> None:
    """200 requests of all kinds, and clients that leave; then nobody has the file open."""
    for number in range(200):
        kind = number % 4
        if kind == 0:
            assert get(site, content, at).body == CONTENT
        elif kind == 1:
            site.request("HEAD", target(content, at))
        elif kind == 2:
            get(site, content, at, {"Range": "bytes=1-2,5-6"}, **TAG)
        else:
            with RawConnection(site.layout.port) as client:
                client.send(f"GET {target(content, at)} HTTP/1.1\r\nHost: x\r\n\r\n".encode())
                client.abort()
    assert get(site, content, at).body == CONTENT, "the requests before it have begun"
    site.let_requests_end()
    site.allow("WSGI1008")
    wait_until(lambda: open_files(site, content) == [], "nobody has the file open")


def test_file_that_cannot_be_opened_again(site: Server, content: Path) -> None:
    """Sendfile needs a descriptor of its own; where there is none, the file is read."""
    content.unlink()
    path = site.layout.scratch / "private"
    path.write_bytes(CONTENT)
    path.chmod(0o644)
    if os.geteuid() == 0:
        os.chown(path, pwd.getpwnam(places().user).pw_uid, -1)
    assert get(site, path, "/sent", open="revoked").body == CONTENT
    path.unlink()
    content.touch()


@pytest.mark.needs_root
def test_file_of_the_daemons_user(new_server: Any) -> None:
    """R11: Apache's user could not open it; the descriptor travels."""

    def lines(layout: Layout) -> str:
        script = layout.write_app("files.wsgi", APP)
        layout.scratch.chmod(0o1777)
        private = layout.root / "private"
        private.mkdir(exist_ok=True)
        (private / "file").write_bytes(CONTENT)
        for path in (private / "file", private):
            os.chown(path, 2, 2)
            path.chmod(0o700 if path.is_dir() else 0o600)
        return (
            f"WSGIDaemonProcess app user=#2 group=#2 threads=2\nWSGIProcessGroup app\nWSGIScriptAlias /plain {script}\n"
        )

    server = new_server(lines, mode="daemon").start()
    assert get(server, server.layout.root / "private" / "file").body == CONTENT


@pytest.mark.ours("D808: 6.1.1 does not say it")
def test_death_of_the_daemon_after_it_sent_a_file(new_server: Any) -> None:
    """What Apache has is sent whole, though the daemon dies in close()."""
    server = new_server(configure, mode="daemon", modules=MODULES).start()
    path = server.layout.scratch / "content"
    path.write_bytes(CONTENT)
    call = Call(server, target(path, gate=server.layout.scratch / "never", journal=server.layout.scratch / "j"))
    reply = call.result()
    assert reply.body == CONTENT
    os.kill(int(reply.get("X-Pid") or 0), signal.SIGKILL)
    server.expect("daemon group 'app': process [0-9]+ was killed by signal 9")
    server.allow("WSGI1007")
    assert get(server, path).body == CONTENT
