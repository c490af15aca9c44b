# SPDX-License-Identifier: Apache-2.0
"""Django as its documentation configures Apache and mod_wsgi, with a real project from PyPI.

Written out by us from "How to use Django with Apache and mod_wsgi" (docs.djangoproject.com,
howto/deployment/wsgi/modwsgi, releases 1.7 to 5.1) and "How to authenticate against Django's user
database from Apache" (howto/deployment/wsgi/apache-auth).
"""

from __future__ import annotations

import re

from pathlib import Path

import pytest

from harness import Layout, Module, Server
from harness.browser import Browser, csrf_token
from harness.django import AGENT, PASSWORD, prepare, project, venv
from harness.wild import Documented, basic, closed, serving

MODULES = ("authn_core", "authn_file", "auth_basic", "authz_user", "authz_groupfile")


def packages() -> Path:
    """Its site-packages, which the older documents name."""
    return next((venv() / "lib").glob("python3*/site-packages"))


def grant(layout: Layout) -> str:
    """The grant for the one file that Apache has to read."""
    return f"""{closed(layout)}
<Directory {project(layout)}/site_app>
<Files wsgi.py>
Require all granted
</Files>
</Directory>
"""


def static(layout: Layout) -> str:
    """ "Serving files": what Apache serves beside Django."""
    data = project(layout) / "data"
    return f"""
Alias /robots.txt {data}/static/robots.txt
Alias /media/ {data}/media/
Alias /static/ {data}/static/
<Directory {data}/static>
Require all granted
</Directory>
<Directory {data}/media>
Require all granted
</Directory>
"""


def script(layout: Layout) -> Path:
    """The project's wsgi.py."""
    return project(layout) / "site_app" / "wsgi.py"


def embedded(layout: Layout) -> str:
    """ "Basic configuration", as of Django 1.10."""
    return f"""
{static(layout)}
WSGIScriptAlias / {script(layout)}
WSGIPythonHome {venv()}
WSGIPythonPath {project(layout)}
{grant(layout)}
"""


def embedded_without_home(layout: Layout) -> str:
    """ "Using a virtualenv" up to Django 1.9: site-packages on the path, nothing else."""
    return f"""
{static(layout)}
WSGIScriptAlias / {script(layout)}
WSGIPythonPath {project(layout)}:{packages()}
{grant(layout)}
"""


def daemon(layout: Layout) -> str:
    """ "Using mod_wsgi daemon mode"."""
    return f"""
{static(layout)}
WSGIScriptAlias / {script(layout)}
WSGIDaemonProcess example.com python-home={venv()} python-path={project(layout)}
WSGIProcessGroup example.com
{grant(layout)}
"""


def daemon_without_home(layout: Layout) -> str:
    """The same up to Django 1.9."""
    return f"""
{static(layout)}
WSGIScriptAlias / {script(layout)}
WSGIDaemonProcess example.com python-path={project(layout)}:{packages()}
WSGIProcessGroup example.com
{grant(layout)}
"""


def subdirectory(layout: Layout) -> str:
    """ "If you want to serve your project in a subdirectory"."""
    return f"""
{static(layout)}
WSGIDaemonProcess example.com python-home={venv()} python-path={project(layout)}
WSGIProcessGroup example.com
WSGIScriptAlias /mysite {script(layout)} process-group=example.com
{grant(layout)}
"""


def virtual_host(layout: Layout) -> str:
    """A host of its own that passes credentials on to the views."""
    return f"""
<VirtualHost *:{layout.port}>
    ServerName example.com
    {static(layout)}
    WSGIDaemonProcess example.com python-home={venv()} python-path={project(layout)} \\
        processes=2 threads=15 display-name=%{{GROUP}}
    WSGIProcessGroup example.com
    WSGIApplicationGroup %{{GLOBAL}}
    WSGIPassAuthorization On
    WSGIScriptAlias / {script(layout)}
    {grant(layout)}
</VirtualHost>
"""


DOCUMENTED = (
    Documented("embedded", embedded),
    Documented("embedded-path", embedded_without_home),
    Documented("daemon", daemon, group="example.com"),
    Documented("daemon-path", daemon_without_home, group="example.com"),
    Documented("subdirectory", subdirectory, prefix="/mysite", group="example.com"),
    Documented("virtual-host", virtual_host, group="example.com"),
)


@pytest.fixture
def browser(site: Server) -> Browser:
    return Browser(site.layout.port)


def test_login_and_admin(browser: Browser, prefix: str) -> None:
    page = browser.get(f"{prefix}/admin/")
    assert "Log in" in page.text
    assert f'"{prefix}/admin/login/' in page.text.replace("?next", '?next"') or prefix == ""
    fields = {"csrfmiddlewaretoken": csrf_token(page.text), "username": "admin", "password": PASSWORD}
    page = browser.post(f"{prefix}/admin/login/?next={prefix}/admin/", fields)
    assert "Site administration" in page.text
    assert f'href="{prefix}/admin/auth/user/"' in page.text
    listed = browser.get(f"{prefix}/admin/auth/user/").text
    assert "admin@example.invalid" in listed


def test_form(browser: Browser, prefix: str) -> None:
    fields = {"csrfmiddlewaretoken": csrf_token(browser.get(f"{prefix}/notes/").text), "text": "from the wild \u00e9"}
    page = browser.post(f"{prefix}/notes/", fields)
    assert (page.status, "<li>from the wild \u00e9</li>" in page.text) == (200, True)


def test_static_files_come_from_apache(site: Server, browser: Browser, prefix: str) -> None:
    page = browser.get(f"{prefix}/admin/login/").text
    sheets = re.findall(r'href="(/static/[^"]+\.css)"', page.replace(f"{prefix}/static", "/static"))
    assert sheets
    for sheet in sheets:
        local = project(site.layout) / "data" / sheet.lstrip("/")
        assert site.get(sheet).body == local.read_bytes()
    assert site.get("/robots.txt").text == "User-agent: *\n"


def test_stream(browser: Browser, prefix: str) -> None:
    rows = browser.get(f"{prefix}/stream/").text.splitlines()
    assert (len(rows), rows[-1]) == (1000, f"999,{prefix}/stream/")


def test_only_what_is_granted(site: Server, prefix: str) -> None:
    """The neighbours of wsgi.py cannot be had, not even by their names."""
    for name in ("settings.py", "urls.py", "wsgi.py"):
        assert site.get(f"{prefix}/site_app/{name}").status == 404, "Django has no such page"
    assert site.get("/static/../site_app/settings.py").status in (400, 404)


# ---- Apache asks Django's user database -------------------------------------------------------


def secret(layout: Layout, more: str) -> str:
    """A location for authenticated users only, as in "apache-auth"."""
    wsgi = script(layout)
    text = wsgi.read_text()
    handlers = "from django.contrib.auth.handlers.modwsgi import check_password, groups_for_user\n"
    if handlers not in text:
        wsgi.write_text(text + handlers)
    (layout.htdocs / "secret").mkdir(exist_ok=True)
    (layout.htdocs / "secret" / "page.txt").write_text("for your eyes only\n")
    return f"""
WSGIScriptAlias /app {wsgi}
WSGIPythonHome {venv()}
WSGIPythonPath {project(layout)}
{grant(layout)}
<Location "/secret">
    AuthType Basic
    AuthName "Top Secret"
    {more.replace("@WSGI@", str(wsgi))}
</Location>
"""


def any_user(layout: Layout) -> str:
    """ "Authentication with mod_wsgi"."""
    return "WSGIProcessGroup %{GLOBAL}\nWSGIApplicationGroup %{GLOBAL}\n" + secret(
        layout, "Require valid-user\nAuthBasicProvider wsgi\nWSGIAuthUserScript @WSGI@"
    )


def any_user_beside_a_group(layout: Layout) -> str:
    """The same in older releases, where the site runs in an interpreter named django."""
    return "WSGIProcessGroup %{GLOBAL}\nWSGIApplicationGroup django\n" + secret(
        layout, "Require valid-user\nAuthBasicProvider wsgi\nWSGIAuthUserScript @WSGI@ application-group=django"
    )


def group_as_documented(layout: Layout) -> str:
    """ "Authorization with mod_wsgi and Django groups", word by word.

    Apache 2.4 reads its two Require lines as alternatives, and `Require group` as a group file's: the
    documented lines let every valid user in. That is Apache's meaning of them, not ours to change.
    """
    return "WSGIProcessGroup %{GLOBAL}\nWSGIApplicationGroup %{GLOBAL}\n" + secret(
        layout,
        "AuthBasicProvider wsgi\nWSGIAuthUserScript @WSGI@\nWSGIAuthGroupScript @WSGI@\n"
        f"Require group {AGENT}\nRequire valid-user",
    )


def group_for_apache_24(layout: Layout) -> str:
    """The same in the words of mod_wsgi's own documentation for Apache 2.4."""
    return "WSGIProcessGroup %{GLOBAL}\nWSGIApplicationGroup %{GLOBAL}\n" + secret(
        layout,
        "AuthBasicProvider wsgi\nWSGIAuthUserScript @WSGI@\nWSGIAuthGroupScript @WSGI@\n"
        f"<RequireAll>\nRequire wsgi-group {AGENT}\nRequire valid-user\n</RequireAll>",
    )


AUTH_CASES = (
    (Documented("any-user", any_user, modules=MODULES), {"admin": 200, "bond": 200}),
    (Documented("any-user-group-django", any_user_beside_a_group, modules=MODULES), {"admin": 200, "bond": 200}),
    (Documented("group-as-documented", group_as_documented, modules=MODULES), {"admin": 200, "bond": 200}),
    (Documented("group-of-apache-2.4", group_for_apache_24, modules=MODULES), {"admin": 401, "bond": 200}),
)


@pytest.mark.parametrize(("case", "answers"), AUTH_CASES, ids=[str(case) for case, _ in AUTH_CASES])
def test_apache_asks_django(module: Module, case: Documented, answers: dict[str, int]) -> None:
    """Right and wrong passwords, unknown and inactive users, members and strangers."""
    with serving(case, prepare) as server:
        reply = server.get("/secret/page.txt")
        assert (reply.status, reply.get("WWW-Authenticate")) == (401, 'Basic realm="Top Secret"')
        for user, status in answers.items():
            reply = server.get("/secret/page.txt", headers=basic(user, PASSWORD))
            assert reply.status == status, user
            if status == 200:
                assert reply.text == "for your eyes only\n"
        for user, password in (("bond", "wrong"), ("nobody", PASSWORD), ("gone", PASSWORD), ("bond", "")):
            assert server.get("/secret/page.txt", headers=basic(user, password)).status == 401, (user, password)
        server.allow("AH01617|AH01618|AH01631|WSGI0059|WSGI0060|AH01664|AH01666")
        assert Browser(server.layout.port).get("/app/admin/login/").status == 200, "the site is beside it"
