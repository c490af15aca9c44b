# SPDX-License-Identifier: Apache-2.0
"""A real Bottle application from PyPI, as Bottle's "Deployment" page serves it with mod_wsgi, in both modes."""

from __future__ import annotations

import hashlib
import os

from email.utils import formatdate

import pytest

from harness import Layout, Server, application_venv
from harness.browser import Browser
from harness.wild import at_home

DATA = os.urandom(700_000)


def configure(layout: Layout) -> str:
    """At the root, and once more below a mount point."""
    return f"""
{at_home(layout, application_venv("bottle"), "processes=2 threads=4")}
WSGIApplicationGroup %{{GLOBAL}}
WSGIChunkedRequest On
WSGIScriptAlias /mounted {layout.apps}/bottle_site/site.wsgi
WSGIScriptAlias / {layout.apps}/bottle_site/site.wsgi
"""


def prepare(layout: Layout) -> None:
    """What is served as static files."""
    static = layout.apps / "bottle_site" / "static"
    static.mkdir()
    (static / "data.bin").write_bytes(DATA)
    (static / "style.css").write_text("body { color: green }\n")


@pytest.fixture
def browser(site: Server) -> Browser:
    """A fresh visitor."""
    return Browser(site.layout.port)


def test_page_and_paths(site: Server) -> None:
    reply = site.get("/")
    assert reply.get("Content-Type") == "text/html; charset=UTF-8"
    assert "<h1>Bottle &amp; &lt;friends&gt;</h1>" in reply.text
    found = site.get("/mounted/hello/w%C3%B6rld?a=%E6%BC%A2").json()
    assert found == {"hello": "w\u00f6rld", "query": {"a": "\u6f22"}, "script": "/mounted/"}


@pytest.mark.parametrize("mount", ["", "/mounted"])
def test_form_redirect_and_signed_cookie(browser: Browser, mount: str) -> None:
    assert browser.get(f"{mount}/form").json() == {"name": None}
    assert browser.post(f"{mount}/form", {"name": "caf\u00e9"}).json() == {"name": "caf\u00e9"}
    assert browser.get(f"{mount}/form").json() == {"name": "caf\u00e9"}


def test_upload(browser: Browser) -> None:
    files = {"one": ("a.bin", DATA * 5), "two": ("b.txt", b"small")}
    found = browser.post("/upload", {"field": "value \u00e9"}, files).json()
    assert found["fields"] == {"field": "value \u00e9"}
    assert found["files"] == {
        name: [filename, len(data), hashlib.sha256(data).hexdigest()] for name, (filename, data) in files.items()
    }


@pytest.mark.parametrize("chunked", [False, True])
def test_body(site: Server, chunked: bool) -> None:
    found = site.request("PUT", "/body", iter([DATA] * 4) if chunked else DATA * 4, chunked=chunked).json()
    assert found == {"size": len(DATA) * 4, "sha256": hashlib.sha256(DATA * 4).hexdigest()}


def test_static_file(site: Server) -> None:
    """Bottle's own Range and conditional answers, over wsgi.file_wrapper."""
    whole = site.get("/static/data.bin")
    assert (whole.body, whole.get("Content-Length")) == (DATA, str(len(DATA)))
    assert site.get("/static/style.css").get("Content-Type") == "text/css; charset=UTF-8"
    for wanted, body in (("bytes=10-19", DATA[10:20]), ("bytes=-7", DATA[-7:]), ("bytes=699990-", DATA[699990:])):
        part = site.get("/static/data.bin", headers={"Range": wanted})
        assert (part.status, part.body) == (206, body)
    assert site.get("/static/data.bin", headers={"Range": "bytes=700000-"}).status == 416
    for name, value in (("If-None-Match", whole.get("ETag") or ""), ("If-Modified-Since", formatdate(usegmt=True))):
        unchanged = site.get("/static/data.bin", headers={name: value})
        assert (unchanged.status, unchanged.body) == (304, b"")
    head = site.request("HEAD", "/static/data.bin")
    assert (head.status, head.body, head.get("Content-Length")) == (200, b"", str(len(DATA)))
    assert 'filename="x.bin"' in (site.get("/static/data.bin?as=x.bin").get("Content-Disposition") or "")
    assert site.get("/static/..%2fsite.wsgi").status == 404
    site.allow("AH00026")


def test_stream(site: Server) -> None:
    assert site.get("/stream").text.splitlines() == [f"{number},/stream" for number in range(1000)]


def test_error_pages(site: Server) -> None:
    assert site.get("/nowhere").body == b"nothing at /nowhere"
    reply = site.get("/denied")
    assert (reply.status, "Sorry, access denied." in reply.text) == (401, True)
    reply = site.request("DELETE", "/form")
    assert (reply.status, reply.get("Allow")) == (405, "GET,POST")


def test_failing_view(site: Server) -> None:
    assert site.get("/crash").status == 500
    site.log().expect_traceback("ZeroDivisionError: in a view", frames=not site.layout.module.peer)


def test_logging(site: Server) -> None:
    assert site.get("/log").body == b"logged"
    site.expect("WARNING:bottle_site:a line of logging")
    site.expect("a line on standard error")
