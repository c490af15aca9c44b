# SPDX-License-Identifier: Apache-2.0
"""A real Django project from PyPI in a virtual environment, in both modes, used over HTTP."""

from __future__ import annotations

import hashlib
import os
import re

from concurrent.futures import ThreadPoolExecutor

import pytest

from harness import Layout, Server
from harness.browser import Browser, csrf_token
from harness.django import PASSWORD, prepare, project, venv
from harness.wild import at_home

__all__ = ["prepare"]


def configure(layout: Layout) -> str:
    """The project in the main interpreter, its static files served by httpd itself."""
    home = project(layout)
    path = f"WSGIPythonPath {home}" if layout.mode == "embedded" else ""
    return f"""
{at_home(layout, venv(), f"processes=2 threads=4 umask=0022 python-path={home}")}
{path}
WSGIApplicationGroup %{{GLOBAL}}
Alias /static/ {home}/data/static/
WSGIScriptAlias / {home}/site_app/wsgi.py
"""


@pytest.fixture
def browser(site: Server) -> Browser:
    """A fresh visitor."""
    return Browser(site.layout.port)


def log_in(browser: Browser) -> str:
    """Goes through the admin's login form; the page behind it."""
    page = browser.get("/admin/")
    assert "Log in" in page.text
    token = csrf_token(page.text)
    fields = {"csrfmiddlewaretoken": token, "username": "admin", "password": PASSWORD}
    return browser.post("/admin/login/?next=/admin/", fields).text


def test_admin_login(browser: Browser) -> None:
    assert "Site administration" in log_in(browser)
    page = browser.get("/admin/auth/user/")
    assert "admin@example.invalid" in page.text
    assert "sessionid" in browser.cookies


def test_admin_adds_and_deletes(browser: Browser) -> None:
    log_in(browser)
    page = browser.get("/admin/site_app/note/add/").text
    fields = {"csrfmiddlewaretoken": csrf_token(page), "text": "from the admin \u6f22"}
    files = {"attachment": ("n.txt", b"note")}
    listed = browser.post("/admin/site_app/note/add/", fields, files).text
    assert "was added successfully" in listed
    assert "from the admin \u6f22" in listed


def test_wrong_password(browser: Browser) -> None:
    page = browser.get("/admin/login/").text
    fields = {"csrfmiddlewaretoken": csrf_token(page), "username": "admin", "password": "no"}
    assert "Please enter the correct username" in browser.post("/admin/login/", fields).text


def test_static_files(site: Server, browser: Browser) -> None:
    page = browser.get("/admin/login/").text
    sheets = re.findall(r'href="(/static/[^"]+\.css)"', page)
    assert sheets
    for sheet in sheets:
        reply = site.get(sheet)
        local = site.layout.apps / "django_site" / "data" / sheet.lstrip("/")
        assert (reply.status, reply.body) == (200, local.read_bytes())
    assert site.get("/static/nothing.css").status == 404


def test_form_with_csrf(browser: Browser) -> None:
    fields = {"text": "with a token \u00e9"}
    assert browser.post("/notes/", fields).status == 403, "no token, no entry"
    fields["csrfmiddlewaretoken"] = csrf_token(browser.get("/notes/").text)
    page = browser.post("/notes/", fields)
    assert page.status == 200
    assert "<li>with a token \u00e9</li>" in page.text


def test_form_with_file_and_download(browser: Browser) -> None:
    data = os.urandom(4_000_000)
    fields = {"csrfmiddlewaretoken": csrf_token(browser.get("/notes/").text), "text": "a file"}
    page = browser.post("/notes/", fields, {"attachment": ("big.bin", data)})
    assert "<li>a file</li>" in page.text
    notes = len(re.findall("<li>", page.text))
    found = [browser.get(f"/notes/{number}/file") for number in range(1, notes + 1)]
    big = [reply for reply in found if len(reply.body) == len(data)]
    assert [reply.body == data for reply in big] == [True]
    assert "big" in (big[0].get("Content-Disposition") or "")


@pytest.fixture(autouse=True)
def _quiet(site: Server, request: pytest.FixtureRequest) -> None:
    """Notes without a file make Django's view fail on purpose in the download test."""
    if request.node.originalname == "test_form_with_file_and_download":
        site.allow(r"wsgi:error")


@pytest.mark.parametrize("size", [10, 2_400_000, 3_000_000])
def test_upload_in_memory_and_in_a_file(browser: Browser, size: int) -> None:
    """Django keeps files up to 2.5 MB in memory and puts larger ones on disk."""
    browser.get("/notes/")
    token = csrf_token(browser.get("/notes/").text)
    data = os.urandom(size)
    reply = browser.post("/upload/", {"csrfmiddlewaretoken": token}, {"f": ("name", data)})
    assert reply.json() == {"f": ["name", size, hashlib.sha256(data).hexdigest()]}


@pytest.mark.ours("D250: a 6.1.1 daemon answers no ranges, and one that does not fit is logged as an error")
def test_file_response(site: Server, browser: Browser) -> None:
    """A part of a file: Django knows nothing of ranges, httpd cuts what it has."""
    data = os.urandom(100_000)
    token = csrf_token(browser.get("/notes/").text)
    page = browser.post("/notes/", {"csrfmiddlewaretoken": token, "text": "parts"}, {"attachment": ("p.bin", data)})
    target = f"/notes/{len(re.findall('<li>', page.text))}/file"
    assert site.get(target).body == data
    for wanted, body in (("bytes=10-19", data[10:20]), ("bytes=-7", data[-7:]), ("bytes=99990-", data[99_990:])):
        part = site.get(target, headers={"Range": wanted})
        assert (part.status, part.body) == (206, body)
    assert site.get(target, headers={"Range": "bytes=100000-"}).status == 416
    head = site.request("HEAD", target)
    assert (head.status, head.body, head.get("Content-Length")) == (200, b"", "100000")


def test_conditional_view(site: Server) -> None:
    whole = site.get("/conditional/")
    assert (whole.text, whole.get("ETag")) == ("unchanging", '"tag"')
    date = whole.get("Last-Modified") or ""
    for headers in ({"If-None-Match": '"tag"'}, {"If-Modified-Since": date}):
        reply = site.get("/conditional/", headers=headers)
        assert (reply.status, reply.body, reply.get("ETag")) == (304, b"", '"tag"')
    assert site.request("PUT", "/conditional/", b"x", headers={"If-Match": '"other"'}).status == 412
    site.allow("Precondition Failed: /conditional/")


def test_session_and_logging(site: Server, browser: Browser) -> None:
    assert [browser.get("/visits/").json()["visits"] for _ in range(3)] == [1, 2, 3]
    site.expect("a third visit", count=1)
    assert Browser(site.layout.port).get("/visits/").json() == {"visits": 1}


def test_streaming_response(browser: Browser) -> None:
    rows = browser.get("/stream/").text.splitlines()
    assert rows == [f"{number},/stream/" for number in range(1000)]


def test_failing_view(site: Server, browser: Browser) -> None:
    assert browser.get("/crash/").status == 500
    site.log().expect_traceback("ZeroDivisionError: in a Django view")
    site.allow("Internal Server Error: /crash/")


def test_many_visitors(site: Server) -> None:
    def visit(_: int) -> int:
        visitor = Browser(site.layout.port)
        visitor.get("/notes/")
        return len(visitor.get("/stream/").text.splitlines())

    with ThreadPoolExecutor(12) as pool:
        assert set(pool.map(visit, range(60))) == {1000}
