# SPDX-License-Identifier: Apache-2.0
"""One application, many clients: curl, wget, requests, httpx, http.client and xmlrpc.client of Python."""

from __future__ import annotations

import hashlib
import http.client
import json
import os
import xmlrpc.client

from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
import requests

from harness import Layout, Server, application_venv
from harness.client import HOST
from harness.clients import Said, client, keep
from harness.wild import at_home

MODULES = ("http2", "deflate", "filter")
DATA = os.urandom(3_000_000)
TEXT = b"".join(b"%d is a line that can be compressed\n" % number for number in range(20_000))
VERSIONS = {"1.0": "--http1.0", "1.1": "--http1.1", "2": "--http2-prior-knowledge"}


def configure(layout: Layout) -> str:
    """The Bottle application; text is compressed."""
    return f"""
{at_home(layout, application_venv("bottle"))}
Protocols h2c http/1.1
WSGIChunkedRequest On
AddOutputFilterByType DEFLATE text/plain text/csv
WSGIScriptAlias /calls {layout.apps}/calls.wsgi
WSGIScriptAlias / {layout.apps}/bottle_site/site.wsgi
"""


def prepare(layout: Layout) -> None:
    """What can be fetched."""
    static = layout.apps / "bottle_site" / "static"
    static.mkdir()
    (static / "data.bin").write_bytes(DATA)
    (static / "text.txt").write_bytes(TEXT)


@pytest.fixture
def base(site: Server) -> str:
    """The URL of the application."""
    return f"http://{HOST}:{site.layout.port}"


def summary(data: bytes) -> dict[str, object]:
    """What the application says of a body."""
    return {"size": len(data), "sha256": hashlib.sha256(data).hexdigest()}


def curl(*words: str | Path, data: bytes = b"", cwd: Path | None = None) -> Said:
    """Curl, quiet but for failures; status and version of the answer go to the other stream."""
    return client("curl", "-sS", "-w", "%{stderr}%{http_code} %{http_version}\n", *words, data=data, cwd=cwd)


@pytest.mark.core
@pytest.mark.parametrize("version", VERSIONS)
def test_curl_get(site: Server, base: str, version: str) -> None:
    """A stream without a length, a file, a part of it, compressed; an error."""
    if site.layout.module.peer and version == "2":
        # It takes the end of a stream that curl has all of for a failure of the application.
        site.allow("WSGI0174|OSError: mod_wsgi client connection closed")
    how = VERSIONS[version]
    said = curl(how, f"{base}/stream")
    assert said.errors.split() == ["200", "1.1" if version == "1.0" else version]
    assert said.text.splitlines() == [f"{number},/stream" for number in range(1000)]
    assert curl(how, f"{base}/static/data.bin").body == DATA
    said = curl(how, "-r", "100-199", f"{base}/static/data.bin")
    assert (said.errors[:3], said.body) == ("206", DATA[100:200])
    said = curl(how, "--compressed", "-D", "-", "-o", "/dev/null", f"{base}/static/text.txt")
    assert "content-encoding: gzip" in said.text.lower()
    assert curl(how, "--compressed", f"{base}/static/text.txt").body == TEXT
    said = curl(how, f"{base}/nowhere")
    assert (said.errors[:3], said.text) == ("404", "nothing at /nowhere")


HEAD_IS_CUT = pytest.mark.ours("D280: 6.1.1 fails to answer HEAD over HTTP/2")
BODY_IS_LOST = pytest.mark.ours("D226: a 6.1.1 daemon gets no HTTP/2 body whose length is not told")


@pytest.mark.core
@pytest.mark.parametrize("version", ["1.0", "1.1", pytest.param("2", marks=HEAD_IS_CUT)])
def test_curl_head(base: str, version: str) -> None:
    said = curl(VERSIONS[version], "-I", f"{base}/static/data.bin")
    assert f"content-length: {len(DATA)}" in said.text.lower()


@pytest.mark.core
@pytest.mark.parametrize("expect", [False, True])
@pytest.mark.parametrize(
    ("version", "piped"), [("1.1", False), ("1.1", True), ("2", False), pytest.param("2", True, marks=BODY_IS_LOST)]
)
def test_curl_upload(base: str, tmp_path: Path, version: str, piped: bool, expect: bool) -> None:
    """From a file and from a pipe, without and with a question before the body."""
    (tmp_path / "body").write_bytes(DATA)
    asks = ["-H", "Expect: 100-continue", "--expect100-timeout", "60"] if expect else ["-H", "Expect:"]
    source, data = ("-", DATA) if piped else ("body", b"")
    said = curl(VERSIONS[version], "-v", *asks, "-T", source, f"{base}/body", data=data, cwd=tmp_path)
    assert json.loads(said.body) == summary(DATA)
    if version == "1.1":
        assert ("< HTTP/1.1 100 Continue" in said.errors) == expect
        assert ("> Transfer-Encoding: chunked" in said.errors) == piped


@pytest.mark.parametrize("tool", ["curl", "wget"])
def test_resume(base: str, tmp_path: Path, tool: str) -> None:
    (tmp_path / "data.bin").write_bytes(DATA[:1_234_567])
    where = f"{base}/static/data.bin"
    if tool == "curl":
        assert curl("-C", "-", "-O", where, cwd=tmp_path).errors[:3] == "206"
    else:
        assert "206 Partial Content" in client("wget", "-nv", "-S", "-c", where, cwd=tmp_path).errors
    assert (tmp_path / "data.bin").read_bytes() == DATA


def test_curl_form_and_cookies(base: str, tmp_path: Path) -> None:
    (tmp_path / "f.bin").write_bytes(DATA)
    said = curl("-F", "field=value \u00e9", "-F", "file=@f.bin;filename=x.bin", f"{base}/upload", cwd=tmp_path)
    found = json.loads(said.body)
    assert found["fields"] == {"field": "value \u00e9"}
    assert found["files"] == {"file": ["x.bin", len(DATA), hashlib.sha256(DATA).hexdigest()]}
    words = ("-L", "-c", "jar", "-b", "jar")
    assert json.loads(curl(*words, "-d", "name=ann", f"{base}/form", cwd=tmp_path).body) == {"name": "ann"}
    assert json.loads(curl(*words, f"{base}/form", cwd=tmp_path).body) == {"name": "ann"}


def test_wget(base: str, tmp_path: Path) -> None:
    said = client("wget", "-nv", "-S", "--compression=auto", f"{base}/static/text.txt", cwd=tmp_path)
    assert "Content-Encoding: gzip" in said.errors
    assert (tmp_path / "text.txt").read_bytes() == TEXT
    said = client("wget", "-nv", "-N", f"{base}/static/data.bin", cwd=tmp_path)
    said = client("wget", "-nv", "-S", "-N", f"{base}/static/data.bin", cwd=tmp_path)
    assert "304 Not Modified" in said.errors
    client("wget", "-nv", "--method=PUT", "--body-file=data.bin", "-O", "answer", f"{base}/body", cwd=tmp_path)
    assert json.loads((tmp_path / "answer").read_bytes()) == summary(DATA)
    assert client("wget", "-nv", f"{base}/nowhere", cwd=tmp_path, status=8).errors.count("404") == 1


def blocks() -> Iterator[bytes]:
    """A body that is made on the way."""
    for start in range(0, len(DATA), 100_000):
        yield DATA[start : start + 100_000]


def test_requests(base: str) -> None:
    """Over one connection: pages, a body by a generator, a form with a file, a session."""
    with requests.Session() as session:
        session.trust_env = False
        assert session.get(f"{base}/stream", timeout=60).text.count("\n") == 1000
        assert session.put(f"{base}/body", data=blocks(), timeout=60).json() == summary(DATA)
        found = session.post(f"{base}/upload", files={"f": ("x.bin", DATA)}, timeout=60).json()["files"]
        assert found == {"f": ["x.bin", len(DATA), hashlib.sha256(DATA).hexdigest()]}
        assert session.post(f"{base}/form", data={"name": "ann"}, timeout=60).json() == {"name": "ann"}
        assert session.get(f"{base}/form", timeout=60).json() == {"name": "ann"}
        with session.get(f"{base}/static/text.txt", stream=True, timeout=60) as reply:
            assert reply.headers["Content-Encoding"] == "gzip"
            assert b"".join(reply.iter_content(10_000)) == TEXT
        adapter = session.get_adapter(base)
        assert isinstance(adapter, requests.adapters.HTTPAdapter)
        pools = adapter.poolmanager.pools
        (pool,) = [pools[key] for key in pools.keys()]  # noqa: SIM118 - it cannot be iterated
        assert (pool.num_connections, pool.num_requests) == (1, 7), "each request came over the same connection"
    keep("requests", b"7 requests over one connection")


def test_httpx(base: str) -> None:
    opened = []

    def note(event: str, _: object) -> None:
        if event == "connection.connect_tcp.complete":
            opened.append(event)

    with httpx.Client(trust_env=False, timeout=60) as session:
        for _ in range(3):
            answer = session.put(f"{base}/body", content=blocks(), extensions={"trace": note})
            assert answer.json() == summary(DATA)
        with session.stream("GET", f"{base}/stream", extensions={"trace": note}) as reply:
            assert list(reply.iter_lines())[-1] == "999,/stream"
        head = session.head(f"{base}/static/data.bin", extensions={"trace": note})
        assert (head.headers["Content-Length"], head.content) == (str(len(DATA)), b"")
    assert len(opened) == 1, "each request came over the same connection"
    keep("httpx", b"5 requests over one connection, 3 of them with a body by a generator")


def test_http_client(site: Server) -> None:
    """Python's own client: the next request on a connection that carried an upload, an error and a stream."""
    connection = http.client.HTTPConnection(HOST, site.layout.port, timeout=60)
    connection.connect()
    first = connection.sock
    for method, target, body, status in (
        ("PUT", "/body", DATA, 200),
        ("GET", "/nowhere", None, 404),
        ("GET", "/stream", None, 200),
        ("HEAD", "/static/data.bin", None, 200),
        ("GET", "/", None, 200),
    ):
        connection.request(method, target, body)
        reply = connection.getresponse()
        reply.read()
        assert (reply.status, connection.sock) == (status, first), target
    connection.close()
    keep("http.client", b"5 requests over one connection")


def test_xml_rpc(base: str) -> None:
    with xmlrpc.client.ServerProxy(f"{base}/calls", allow_none=True) as server:
        assert server.add(1, 2, 39) == 42
        assert server.same({"a": [1, None, "\u6f22"]}) == {"a": [1, None, "\u6f22"]}
        assert server.backwards(xmlrpc.client.Binary(DATA)) == DATA[::-1]
        assert "add" in str(server.system.listMethods())
        together = xmlrpc.client.MultiCall(server)
        together.add(1, 2)
        together.add(3, 4)
        results = together()
        assert [results[0], results[1]] == [3, 7]
        with pytest.raises(xmlrpc.client.Fault, match="ZeroDivisionError"):
            server.fail()
    keep("xmlrpc.client", b"add, same, backwards of 3 MB, listMethods, a multicall, a fault")
