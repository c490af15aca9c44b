# SPDX-License-Identifier: Apache-2.0
"""A real Django project from PyPI in a virtual environment, in daemon mode, used over HTTP."""

from __future__ import annotations

import hashlib
import os
import re
import subprocess

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from harness import Layout, Module, Server, application_venv
from harness.browser import Browser, csrf_token

PASSWORD = "correct horse"


def configure(layout: Layout) -> str:
    """The project in the main interpreter, its static files served by httpd itself."""
    project = layout.apps / "django_site"
    return f"""
WSGIDaemonProcess django python-home={application_venv("django")} python-path={project} \\
    processes=2 threads=4 umask=0022
WSGIProcessGroup django
WSGIApplicationGroup %{{GLOBAL}}
Alias /static/ {project}/data/static/
WSGIScriptAlias / {project}/site_app/wsgi.py
"""


def manage(layout: Layout, *command: str) -> None:
    """One of Django's own commands, run in the virtual environment."""
    project = layout.apps / "django_site"
    done = subprocess.run(
        [str(application_venv("django") / "bin" / "python"), "manage.py", *command],
        cwd=project,
        env={**os.environ, "DJANGO_SUPERUSER_PASSWORD": PASSWORD},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr


def give_away(directory: Path) -> None:
    """The project's data belongs to everybody, as the daemon's user writes there."""
    for path in [directory, *directory.rglob("*")]:
        path.chmod(0o777 if path.is_dir() else 0o666)


@pytest.fixture(scope="module")
def project(module: Module) -> Iterator[Server]:
    """The server with a migrated database, collected static files and an administrator."""
    server = Server(configure, mode="daemon")
    try:
        data = server.layout.apps / "django_site" / "data"
        data.mkdir()
        manage(server.layout, "makemigrations", "site_app")
        manage(server.layout, "migrate", "--run-syncdb")
        manage(server.layout, "collectstatic", "--noinput")
        manage(
            server.layout,
            "createsuperuser",
            "--noinput",
            "--username=admin",
            "--email=admin@example.invalid",
        )
        give_away(data)
        yield server.start()
    finally:
        server.close()


@pytest.fixture
def site(project: Server) -> Any:
    """The project, with its log checked after each test."""
    project.forget_logs()
    yield project
    project.check_logs()


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
    if request.node.name == "test_form_with_file_and_download":
        site.allow(r"wsgi:error")


@pytest.mark.parametrize("size", [10, 2_400_000, 3_000_000])
def test_upload_in_memory_and_in_a_file(browser: Browser, size: int) -> None:
    """Django keeps files up to 2.5 MB in memory and puts larger ones on disk."""
    browser.get("/notes/")
    token = csrf_token(browser.get("/notes/").text)
    data = os.urandom(size)
    reply = browser.post("/upload/", {"csrfmiddlewaretoken": token}, {"f": ("name", data)})
    assert reply.json() == {"f": ["name", size, hashlib.sha256(data).hexdigest()]}


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
