# SPDX-License-Identifier: Apache-2.0
"""Pyramid as its documentation configures Apache and mod_wsgi, with a real project from PyPI.

Written out by us from "Running a Pyramid Application under mod_wsgi" (docs.pylonsproject.org,
projects/pyramid, tutorials/modwsgi).
"""

from __future__ import annotations

import re

from harness import Layout, Server, application_venv
from harness.browser import Browser
from harness.wild import Documented, basic, closed, run_as


def documented(layout: Layout) -> str:
    """The tutorial's lines: one interpreter, credentials passed on, site-packages on the path, below a prefix."""
    home = layout.apps / "pyramid_site"
    packages = next((application_venv("pyramid") / "lib").glob("python3*/site-packages"))
    return f"""
{closed(layout)}
WSGIApplicationGroup %{{GLOBAL}}
WSGIPassAuthorization On
WSGIDaemonProcess pyramid {run_as()} threads=4 \\
   python-path={packages}:{home}
WSGIScriptAlias /myapp {home}/pyramid.wsgi

<Directory {home}>
  WSGIProcessGroup pyramid
  Require all granted
</Directory>
"""


def with_home(layout: Layout) -> str:
    """The same as mod_wsgi's own guide to virtual environments wants it, at the root of a host."""
    home = layout.apps / "pyramid_site"
    return f"""
{closed(layout)}
<VirtualHost *:{layout.port}>
    ServerName pyramid.example.com
    WSGIApplicationGroup %{{GLOBAL}}
    WSGIPassAuthorization On
    WSGIDaemonProcess pyramid {run_as()} threads=4 python-home={application_venv("pyramid")} python-path={home}
    WSGIScriptAlias / {home}/pyramid.wsgi
    <Directory {home}>
      WSGIProcessGroup pyramid
      Require all granted
    </Directory>
</VirtualHost>
"""


def embedded(layout: Layout) -> str:
    """Without a daemon group."""
    home = layout.apps / "pyramid_site"
    return f"""
{closed(layout)}
WSGIPythonHome {application_venv("pyramid")}
WSGIPythonPath {home}
WSGIApplicationGroup %{{GLOBAL}}
WSGIPassAuthorization On
WSGIScriptAlias /myapp {home}/pyramid.wsgi
<Directory {home}>
  Require all granted
</Directory>
"""


DOCUMENTED = (
    Documented("tutorial", documented, prefix="/myapp", group="pyramid"),
    Documented("python-home", with_home, group="pyramid"),
    Documented("embedded", embedded, prefix="/myapp"),
)


def test_page_and_its_links(site: Server, prefix: str) -> None:
    base = f"http://127.0.0.1:{site.layout.port}{prefix}"
    page = site.get(f"{prefix}/").text
    assert f"<title>Pyramid in {site.layout.apps}/pyramid_site</title>" in page
    assert f"href='{base}/form'" in page
    assert f"src='{base}/static/site.css'" in page
    sheet = site.layout.apps / "pyramid_site" / "pyramid_site" / "static" / "site.css"
    assert site.get(f"{prefix}/static/site.css").body == sheet.read_bytes()


def test_form_with_token_and_session(site: Server, prefix: str) -> None:
    browser = Browser(site.layout.port)
    assert browser.post(f"{prefix}/form", {"name": "nobody"}).status == 400, "no token, no entry"
    page = browser.get(f"{prefix}/form").text
    found = re.search("value='([^']+)'", page)
    assert found
    page = browser.post(f"{prefix}/form", {"name": "J\u00fcrgen", "csrf_token": found.group(1)}).text
    assert "<p>J\u00fcrgen</p>" in page


def test_credentials_reach_the_view(site: Server, prefix: str) -> None:
    reply = site.get(f"{prefix}/me")
    assert (reply.status, reply.get("WWW-Authenticate")) == (401, 'Basic realm="pyramid"')
    assert site.get(f"{prefix}/me", headers=basic("ann", "opensesame")).json() == {"user": "ann"}
    assert site.get(f"{prefix}/me", headers=basic("ann", "wrong")).status == 401


def test_traversed_path(site: Server, prefix: str) -> None:
    found = site.get(f"{prefix}/matched/a/b%20c/%E6%BC%A2?x=%C3%A9").json()
    assert found == {"rest": ["a", "b c", "\u6f22"], "script": prefix, "query": {"x": "\u00e9"}}
    assert site.get(f"{prefix}/nothing").status == 404


def test_logging_and_file(site: Server, prefix: str) -> None:
    reply = site.get(f"{prefix}/log")
    local = site.layout.apps / "pyramid_site" / "pyramid_site" / "__init__.py"
    assert reply.body == local.read_bytes()
    site.expect(r"WARNI \[pyramid_site\] a line of Pyramid's logger")
