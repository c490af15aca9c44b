# SPDX-License-Identifier: Apache-2.0
"""A real Flask application from PyPI in a virtual environment, in both modes."""

from __future__ import annotations

import hashlib
import os

from concurrent.futures import ThreadPoolExecutor

import pytest

from harness import Cut, Layout, Server, application_venv
from harness.browser import Browser, multipart
from harness.wild import at_home


def configure(layout: Layout) -> str:
    """The application at the root and once more below a mount point."""
    options = f"processes=2 threads=4 home={layout.apps}/flask_site"
    return f"""
{at_home(layout, application_venv("flask"), options)}
WSGIApplicationGroup %{{GLOBAL}}
WSGIScriptAlias /mounted {layout.apps}/flask_site/site.wsgi
WSGIScriptAlias / {layout.apps}/flask_site/site.wsgi
"""


@pytest.fixture
def browser(site: Server) -> Browser:
    """A fresh visitor."""
    return Browser(site.layout.port)


def test_page(browser: Browser, site: Server) -> None:
    reply = browser.get("/")
    assert reply.get("Content-Type") == "text/html; charset=utf-8"
    assert "<h1>Flask &amp; &lt;friends&gt;</h1>" in reply.text
    assert f"<p id='group'>{'app' if site.layout.mode == 'daemon' else ''}</p>" in reply.text


def test_urls_know_the_mount_point(browser: Browser, site: Server) -> None:
    assert "href='/hello/x'" in browser.get("/").text
    assert "href='/mounted/hello/x'" in browser.get("/mounted/").text
    found = browser.get("/mounted/hello/w%C3%B6rld?a=1&a=2&b=%E6%BC%A2").json()
    assert found["hello"] == "w\u00f6rld"
    assert found["arguments"] == {"a": ["1", "2"], "b": ["\u6f22"]}
    assert found["url"].startswith(f"http://127.0.0.1:{site.layout.port}/mounted/hello/")


def test_form_redirect_and_session(browser: Browser) -> None:
    assert browser.get("/form").json() == {"name": None}
    assert browser.post("/form", {"name": "caf\u00e9"}).json() == {"name": "caf\u00e9"}
    assert browser.get("/form").json() == {"name": "caf\u00e9"}


def test_upload(browser: Browser) -> None:
    files = {"one": ("a.bin", os.urandom(3_000_000)), "two": ("b.txt", b"small")}
    found = browser.post("/upload", {"field": "value"}, files).json()
    assert found["fields"] == {"field": "value"}
    assert found["files"] == {
        name: [filename, len(data), hashlib.sha256(data).hexdigest()] for name, (filename, data) in files.items()
    }


def test_json(site: Server) -> None:
    reply = site.request("POST", "/json", b'{"a": [1, 2, "\\u6f22"]}', headers={"Content-Type": "application/json"})
    assert reply.json() == {"got": {"a": [1, 2, "\u6f22"]}}


def test_stream_and_file(site: Server, browser: Browser) -> None:
    rows = browser.get("/stream").text.splitlines()
    assert rows == [f"{number},/stream" for number in range(1000)]
    script = (site.layout.apps / "flask_site" / "site.wsgi").read_bytes()
    whole = site.get("/file")
    assert (whole.body, whole.get("Content-Length")) == (script, str(len(script)))
    again = site.get("/file", headers={"If-None-Match": whole.get("ETag") or ""})
    assert (again.status, again.body) == (304, b"")
    again = site.get("/file", headers={"If-Modified-Since": whole.get("Last-Modified") or ""})
    assert (again.status, again.body) == (304, b"")
    assert site.get("/file", headers={"If-Match": '"another"'}).status == 412
    part = site.get("/file", headers={"Range": "bytes=10-19"})
    assert (part.status, part.body) == (206, script[10:20])
    part = site.get("/file", headers={"Range": "bytes=10-19", "If-Range": '"another"'})
    assert (part.status, part.body) == (200, script)
    assert site.get("/file", headers={"Range": f"bytes={len(script)}-"}).status == 416


def test_static_file(site: Server) -> None:
    static = site.layout.apps / "flask_site" / "static"
    static.mkdir(exist_ok=True)
    (static / "a b.css").write_text("body {}\n")
    reply = site.get("/mounted/static/a%20b.css")
    assert (reply.text, reply.get("Content-Type")) == ("body {}\n", "text/css; charset=utf-8")
    again = site.get("/static/a%20b.css", headers={"If-None-Match": reply.get("ETag") or ""})
    assert (again.status, again.body) == (304, b"")


def test_logging(site: Server, browser: Browser) -> None:
    assert browser.get("/log").text == "logged"
    site.expect("WARNING in site: a line of Flask's logger")


def test_error_pages_are_flasks_own(browser: Browser) -> None:
    assert browser.get("/nowhere").status == 404
    reply = browser.get("/teapot")
    assert (reply.status, "teapot" in reply.text) == (418, True)
    assert browser.open("DELETE", "/json").status == 405


def test_failing_view(site: Server, browser: Browser) -> None:
    reply = browser.get("/crash")
    assert reply.status == 500
    assert "Internal Server Error" in reply.text
    site.log().expect_traceback("ZeroDivisionError: in a view")
    site.allow("ERROR in app: Exception on /crash")


@pytest.mark.ours("D205: a response cut short in a 6.1.1 daemon looks complete")
def test_failing_stream_is_cut(site: Server, browser: Browser) -> None:
    with pytest.raises(Cut) as cut:
        browser.get("/stream-crash")
    assert cut.value.partial == b"x" * 70_000
    site.expect_exception(174, "ZeroDivisionError: in a stream")


def test_many_visitors(site: Server) -> None:
    def visit(number: int) -> bool:
        visitor = Browser(site.layout.port)
        name = f"visitor {number}"
        body, kind = multipart({}, {"f": ("f", name.encode() * 5000)})
        uploaded = visitor.open("POST", "/upload", body, kind).json()["files"]["f"][1]
        return bool(visitor.post("/form", {"name": name}).json() == {"name": name} and uploaded == len(name) * 5000)

    with ThreadPoolExecutor(12) as pool:
        assert all(pool.map(visit, range(60)))
