# SPDX-License-Identifier: Apache-2.0
"""WsgiDAV from PyPI with real clients of WebDAV: Debian's cadaver, litmus' compliance tests, and curl."""

from __future__ import annotations

import hashlib
import os
import re
import xml.etree.ElementTree as ET

from pathlib import Path

import pytest

from harness import Layout, Reply, Server, application_venv
from harness.client import HOST
from harness.clients import client
from harness.wild import at_home

# What is written in one process has to be known in the next request: properties and locks are in memory.
ONE_CHILD = "ServerLimit 1\nThreadsPerChild 24\nMaxRequestWorkers 24\nMaxSpareThreads 24\n"
DAV = "{DAV:}"


def configure(layout: Layout) -> str:
    """The share below a mount point and at the root of a second one."""
    return f"""
{ONE_CHILD}
{at_home(layout, application_venv("WsgiDAV"))}
WSGIChunkedRequest On
WSGIPassAuthorization On
AllowEncodedSlashes On
WSGIScriptAlias /dav {layout.apps}/dav_site/dav.wsgi
"""


def prepare(layout: Layout) -> None:
    """An empty share that the server may write."""
    share = layout.scratch / "dav"
    share.mkdir()
    share.chmod(0o777)


def url(site: Server, path: str = "/") -> str:
    """Where a client finds something."""
    return f"http://{HOST}:{site.layout.port}/dav{path}"


def share(site: Server) -> Path:
    """The directory that is served."""
    return site.layout.scratch / "dav"


def dav(site: Server, method: str, path: str, body: bytes | None = None, status: int = 0, **headers: str) -> Reply:
    """A request; header names with _ for -."""
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    reply = site.request(method, f"/dav{path}", body, headers=named)
    assert not status or reply.status == status, f"{method} {path}: {reply.status} {reply.body[:500]!r}"
    return reply


def hrefs(reply: Reply) -> dict[str, ET.Element]:
    """The parts of a 207 response by what they are about."""
    assert (reply.status, (reply.get("Content-Type") or "").split(";")[0]) == (207, "application/xml")
    root = ET.fromstring(reply.body)
    assert root.tag == f"{DAV}multistatus"
    return {str(part.findtext(f"{DAV}href")): part for part in root.findall(f"{DAV}response")}


@pytest.mark.parametrize("suite", ["basic", "copymove", "props", "locks", "http"])
def test_litmus(site: Server, suite: str) -> None:
    """Each suite of the compliance tests; `http` asks for 100 Continue before a body."""
    said = client("litmus", url(site), env={"TESTS": suite}, status=None)
    passed = re.search(rf"summary for `{suite}': of (\d+) tests run: (\d+) passed, (\d+) failed", said.text)
    assert passed, said.text + said.errors
    assert passed.group(3) == "0", said.text


def test_cadaver(site: Server, tmp_path: Path) -> None:
    """A session as people type it."""
    data = os.urandom(3_000_000)
    (tmp_path / "local.bin").write_bytes(data)
    script = (
        "mkcol shelf\ncd shelf\nput local.bin one.bin\ncopy one.bin two.bin\nmove two.bin three.bin\nls\n"
        "propset three.bin colour green\npropget three.bin colour\n"
        "lock three.bin\ndiscover three.bin\nunlock three.bin\n"
        "get three.bin back.bin\ndelete one.bin\nls\ncd ..\nrmcol shelf\nls\nquit\n"
    )
    said = client("cadaver", url(site), cwd=tmp_path, data=script.encode())
    assert (tmp_path / "back.bin").read_bytes() == data
    assert not re.search("failed|error|denied", said.text, re.IGNORECASE), said.text
    assert "green" in said.text
    assert len(re.findall(r"^\s+\*?\s*three\.bin\s+3000000", said.text, re.MULTILINE)) == 2
    assert len(re.findall(r"^\s+one\.bin\s+3000000", said.text, re.MULTILINE)) == 1
    assert not (share(site) / "shelf").exists()


@pytest.mark.parametrize("way", ["length", "chunked", "expect"])
def test_put_by_curl(site: Server, way: str, tmp_path: Path) -> None:
    """20 MiB from a file with a length, from a pipe in chunks, and only when the server asks for it."""
    data = os.urandom(20 << 20)
    (tmp_path / "big.bin").write_bytes(data)
    words = {
        "length": ["-T", "big.bin", "-H", "Expect:"],
        "chunked": ["-T", "-", "-H", "Expect:"],
        "expect": ["-T", "big.bin", "-H", "Expect: 100-continue", "--expect100-timeout", "30", "-v"],
    }[way]
    target = url(site, f"/{way}.bin")
    piped = data if way == "chunked" else b""
    said = client("curl", "-sS", "-w", "%{http_code}", "-o", "answer", *words, target, cwd=tmp_path, data=piped)
    assert said.text == "201"
    assert ("HTTP/1.1 100 Continue" in said.errors) == (way == "expect")
    assert (share(site) / f"{way}.bin").read_bytes() == data
    said = client("curl", "-sS", "-r", "1000000-1000099", "-w", "%{stderr}%{http_code}", target)
    assert (said.errors, said.body) == ("206", data[1_000_000:1_000_100])
    (tmp_path / "part.bin").write_bytes(data[:7_000_000])
    client("curl", "-sS", "-C", "-", "-o", "part.bin", target, cwd=tmp_path)
    assert hashlib.sha256((tmp_path / "part.bin").read_bytes()).digest() == hashlib.sha256(data).digest()
    dav(site, "DELETE", f"/{way}.bin", status=204)


def test_depth(site: Server) -> None:
    """What PROPFIND lists: the thing, its members, everything below."""
    for path in ("/d", "/d/e%20%C3%A9"):
        dav(site, "MKCOL", path, status=201)
    (share(site) / "d" / "f.txt").write_text("12345")
    found = hrefs(dav(site, "PROPFIND", "/d", Depth="0"))
    assert list(found) == ["/dav/d/"]
    found = hrefs(dav(site, "PROPFIND", "/d", Depth="1"))
    assert sorted(found) == ["/dav/d/", "/dav/d/e%20%C3%A9/", "/dav/d/f.txt"]
    assert found["/dav/d/f.txt"].findtext(f".//{DAV}getcontentlength") == "5"
    asked = b'<?xml version="1.0"?><propfind xmlns="DAV:"><prop><getetag/><nothing xmlns="urn:x"/></prop></propfind>'
    found = hrefs(dav(site, "PROPFIND", "/", asked, Depth="infinity"))
    assert "/dav/d/f.txt" in found
    states = [str(part.text) for part in found["/dav/d/f.txt"].iter(f"{DAV}status")]
    assert sorted(states) == ["HTTP/1.1 200 OK", "HTTP/1.1 404 Not Found"]
    dav(site, "DELETE", "/d", status=204)


def test_destination_and_overwrite(site: Server) -> None:
    for name in ("a.txt", "b.txt"):
        dav(site, "PUT", f"/{name}", name.encode(), status=201)
    to_b = url(site, "/b.txt")
    dav(site, "COPY", "/a.txt", Destination=to_b, Overwrite="F", status=412)
    assert (share(site) / "b.txt").read_text() == "b.txt"
    dav(site, "COPY", "/a.txt", Destination=to_b, Overwrite="T", status=204)
    assert (share(site) / "b.txt").read_text() == "a.txt"
    dav(site, "MOVE", "/b.txt", Destination=url(site, "/c%20d.txt"), status=201)
    assert sorted(path.name for path in share(site).glob("*.txt")) == ["a.txt", "c d.txt"]
    dav(site, "COPY", "/a.txt", Destination="http://elsewhere.invalid/dav/x", status=502)
    for name in ("a.txt", "c%20d.txt"):
        dav(site, "DELETE", f"/{name}", status=204)


def test_if_headers(site: Server) -> None:
    """A lock token, the tags of Range and of conditional requests."""
    dav(site, "PUT", "/locked.txt", b"first", status=201)
    asked = (
        b'<?xml version="1.0"?><lockinfo xmlns="DAV:"><lockscope><exclusive/></lockscope>'
        b"<locktype><write/></locktype><owner>tester</owner></lockinfo>"
    )
    reply = dav(site, "LOCK", "/locked.txt", asked, Timeout="Second-600", Depth="0", status=200)
    token = reply.get("Lock-Token") or ""
    assert re.fullmatch(r"<opaquelocktoken:[^>]+>", token)
    dav(site, "PUT", "/locked.txt", b"second", status=423)
    dav(site, "PUT", "/locked.txt", b"second", If=f"({token})", status=204)
    dav(site, "DELETE", "/locked.txt", If="(<opaquelocktoken:wrong>)", status=412)
    dav(site, "UNLOCK", "/locked.txt", Lock_Token=token, status=204)
    whole = dav(site, "GET", "/locked.txt", status=200)
    tag = whole.get("ETag") or ""
    assert (whole.body, bool(tag)) == (b"second", True)
    assert dav(site, "GET", "/locked.txt", If_None_Match=tag, status=304).body == b""
    assert dav(site, "GET", "/locked.txt", Range="bytes=1-3", If_Range=tag, status=206).body == b"eco"
    dav(site, "PUT", "/locked.txt", b"third", If_Match='"another"', status=412)
    dav(site, "DELETE", "/locked.txt", If=f"([{tag}])", status=204)
