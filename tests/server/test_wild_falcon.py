# SPDX-License-Identifier: Apache-2.0
"""A real Falcon application from PyPI, in both modes."""

from __future__ import annotations

import hashlib
import json
import os

from email.utils import formatdate

import pytest

from harness import Layout, Server, application_venv
from harness.browser import Browser
from harness.wild import at_home

DATA = os.urandom(700_000)
JSON = {"Content-Type": "application/json"}


def configure(layout: Layout) -> str:
    """At the root, and once more below a mount point."""
    return f"""
{at_home(layout, application_venv("falcon"), "processes=2 threads=4")}
WSGIApplicationGroup %{{GLOBAL}}
WSGIChunkedRequest On
WSGIScriptAlias /mounted {layout.apps}/falcon_site/site.wsgi
WSGIScriptAlias / {layout.apps}/falcon_site/site.wsgi
"""


def prepare(layout: Layout) -> None:
    """What is served as static files."""
    static = layout.apps / "falcon_site" / "static"
    static.mkdir()
    (static / "data.bin").write_bytes(DATA)


def summary(data: bytes) -> dict[str, object]:
    """What the application says of bytes."""
    return {"size": len(data), "sha256": hashlib.sha256(data).hexdigest()}


def test_media(site: Server) -> None:
    found = site.get("/mounted/things/w%C3%B6rld?a=1&a=2&b=%E6%BC%A2").json()
    base = f"http://127.0.0.1:{site.layout.port}/mounted"
    uri = "/mounted/things/w\u00f6rld?a=1&a=2&b=%E6%BC%A2"
    assert found == {"name": "w\u00f6rld", "query": {"a": ["1", "2"], "b": "\u6f22"}, "prefix": base, "uri": uri}
    reply = site.request("PUT", "/mounted/things/x", b'{"a": [1, "\\u6f22"]}', headers=JSON)
    assert (reply.status, reply.get("Location")) == (201, "/mounted/things/made")
    assert json.loads(reply.body) == {"name": "x", "got": {"a": [1, "\u6f22"]}}
    assert site.request("PUT", "/things/x", b'{"a": ', headers=JSON).status == 400


def test_entity_tag(site: Server) -> None:
    tag = site.get("/things/x").get("ETag") or ""
    reply = site.get("/things/x", headers={"If-None-Match": tag})
    assert (reply.status, reply.body, reply.get("ETag")) == (304, b"", tag)


def test_cookie_and_redirect(site: Server) -> None:
    browser = Browser(site.layout.port)
    assert browser.get("/session").json() == {"name": None}
    assert browser.open("POST", "/session", b'{"name": "ann"}', "application/json").json() == {"name": "ann"}


@pytest.mark.parametrize("chunked", [False, True])
def test_body(site: Server, chunked: bool) -> None:
    body = iter([DATA] * 4) if chunked else DATA * 4
    assert site.request("PUT", "/body", body, chunked=chunked).json() == summary(DATA * 4)


def test_upload(site: Server) -> None:
    """Falcon takes the parts from the stream as they come."""
    files = {"one": ("a.bin", DATA * 5), "two": ("b.txt", b"small")}
    found = Browser(site.layout.port).post("/body", {"field": "value"}, files).json()
    assert found.pop("field") == [None, summary(b"value")]
    assert found == {name: [filename, summary(data)] for name, (filename, data) in files.items()}


def test_streams(site: Server) -> None:
    assert site.get("/stream").text.splitlines() == [f"{number},/stream" for number in range(1000)]
    reply = site.get("/file")
    assert (reply.body, reply.get("Content-Length")) == (DATA, str(len(DATA)))
    assert "filename*=UTF-8''d%C3%A4ta.bin" in (reply.get("Content-Disposition") or "")


def test_static_file(site: Server) -> None:
    whole = site.get("/static/data.bin")
    assert (whole.status, whole.body) == (200, DATA)
    for wanted, body in (("bytes=10-19", DATA[10:20]), ("bytes=-7", DATA[-7:]), ("bytes=699990-", DATA[699990:])):
        part = site.get("/static/data.bin", headers={"Range": wanted})
        assert (part.status, part.body) == (206, body)
    assert site.get("/static/data.bin", headers={"Range": "bytes=700000-"}).status == 416
    unchanged = site.get("/static/data.bin", headers={"If-Modified-Since": formatdate(usegmt=True)})
    assert (unchanged.status, unchanged.body) == (304, b"")
    head = site.request("HEAD", "/static/data.bin")
    assert (head.status, head.body) == (200, b"")
    assert site.get("/static/nothing").status == 404


def test_error_pages(site: Server) -> None:
    reply = site.get("/teapot")
    assert (reply.status, json.loads(reply.body)) == (418, {"title": "teapot", "description": "short and stout"})
    assert site.get("/nowhere").status == 404
    reply = site.request("DELETE", "/session")
    assert (reply.status, reply.get("Allow")) == (405, "GET, POST, OPTIONS")


def test_failing_responder(site: Server) -> None:
    reply = site.get("/crash")
    assert (reply.status, json.loads(reply.body)["title"]) == (500, "500 Internal Server Error")
    site.log().expect_traceback("ZeroDivisionError: in a responder")
    # Falcon ends with an empty line, of which 6.1.1 writes the marks that it puts before each line.
    site.allow(r"\[FALCON\] \[ERROR\] GET /crash|\[script [^]]*\]\s*$")


def test_logging(site: Server) -> None:
    assert site.get("/log").status == 200
    site.expect("WARNING:falcon_site:a line of logging")
    site.expect(r"\[FALCON\] \[ERROR\] GET /log => a line of Falcon's")
