# SPDX-License-Identifier: Apache-2.0
"""Trac as its documentation configures Apache and mod_wsgi, with real environments from PyPI's Trac.

Written out by us from the pages TracModWSGI and TracInstall of Trac's own guide (trac.edgewall.org):
a script beside the environment, the scripts of `trac-admin deploy`, several projects, Apache's Basic
and Digest authentication for the login page.
"""

from __future__ import annotations

import re

from pathlib import Path

from harness import Layout, Server, application_venv, request
from harness.browser import Browser
from harness.wild import Documented, basic, closed, digest, give_away, htdigest, htpasswd, run_as, tool

PASSWORD = "swordfish"
AUTH = ("authn_core", "authn_file", "auth_basic", "auth_digest", "authz_user")


def venv() -> Path:
    return application_venv("Trac", "setuptools")


def environment(layout: Layout, name: str = "mysite") -> Path:
    """What the guide calls /usr/local/trac/mysite."""
    return layout.scratch / "trac" / name


def documented(layout: Layout) -> str:
    """ "Mapping requests to the script", "Configuring Authentication": all in Apache's own processes."""
    return f"""
{closed(layout)}
WSGIPythonHome {venv()}
WSGIScriptAlias /trac {environment(layout)}/apache/mysite.wsgi

<Directory {environment(layout)}/apache>
    WSGIApplicationGroup %{{GLOBAL}}
    <RequireAll>
        Require all granted
    </RequireAll>
</Directory>

<Location '/trac/login'>
    AuthType Basic
    AuthName "Trac"
    AuthUserFile {layout.scratch}/trac.htpasswd
    Require valid-user
</Location>
"""


def deployed(layout: Layout) -> str:
    """The script of `trac-admin deploy` in a daemon at the root of a host, static files by Apache."""
    where = layout.scratch / "deployed"
    return f"""
{closed(layout)}
<VirtualHost *>
    ServerName trac.example.com
    DocumentRoot {where}/htdocs
    Alias /chrome/common {where}/htdocs/common
    <Directory {where}/htdocs>
        Require all granted
    </Directory>
    WSGIDaemonProcess trac {run_as()} threads=25 python-home={venv()} python-eggs={layout.scratch}
    WSGIScriptAlias / {where}/cgi-bin/trac.wsgi
    <Directory {where}/cgi-bin>
        WSGIProcessGroup trac
        WSGIApplicationGroup %{{GLOBAL}}
        Require all granted
    </Directory>
    <Location "/login">
        AuthType Basic
        AuthName "Trac"
        AuthUserFile {layout.scratch}/trac.htpasswd
        Require valid-user
    </Location>
</VirtualHost>
"""


def several(layout: Layout) -> str:
    """Many projects below one parent directory; Digest authentication for all their login pages."""
    return f"""
{closed(layout)}
WSGIDaemonProcess sites processes=2 threads=5 python-home={venv()}
WSGIScriptAlias /projects {layout.apps}/trac_sites/projects.wsgi
<Directory {layout.apps}/trac_sites>
    WSGIProcessGroup sites
    WSGIApplicationGroup %{{GLOBAL}}
    Require all granted
</Directory>
<LocationMatch "/projects/[^/]+/login">
    AuthType Digest
    AuthName "trac"
    AuthDigestDomain /projects
    AuthUserFile {layout.scratch}/trac.htdigest
    Require valid-user
</LocationMatch>
"""


DOCUMENTED = (
    Documented("embedded", documented, "/trac", AUTH),
    Documented("deployed", deployed, "", AUTH, "trac"),
    Documented("several", several, "/projects/mysite", AUTH, "sites"),
)


def prepare(layout: Layout) -> None:
    """Two projects, a script beside the first, password files."""
    parent = layout.scratch / "trac"
    parent.mkdir()
    for name in ("mysite", "second"):
        tool(venv(), "trac-admin", environment(layout, name), "initenv", f"Project {name}", "sqlite:db/trac.db")
    tool(venv(), "trac-admin", environment(layout), "deploy", layout.scratch / "deployed")
    script = environment(layout) / "apache" / "mysite.wsgi"
    script.parent.mkdir()
    script.write_text(
        "import os\n"
        f"os.environ['TRAC_ENV'] = {str(environment(layout))!r}\n"
        f"os.environ['PYTHON_EGG_CACHE'] = {str(environment(layout) / 'eggs')!r}\n"
        "import trac.web.main\n"
        "application = trac.web.main.dispatch_request\n"
    )
    layout.write_app(
        "trac_sites/projects.wsgi",
        "import trac.web.main\n"
        "def application(environ, start_response):\n"
        f"    environ['trac.env_parent_dir'] = {str(parent)!r}\n"
        "    return trac.web.main.dispatch_request(environ, start_response)\n",
    )
    give_away(parent)
    htpasswd(layout.scratch / "trac.htpasswd", ann=PASSWORD)
    htdigest(layout.scratch / "trac.htdigest", "trac", ann=PASSWORD)


def log_in(site: Server, prefix: str) -> Browser:
    """Through Apache's authentication; Trac then knows the user by its cookie."""
    port, target = site.layout.port, f"{prefix}/login"
    asked = request(port, "GET", target)
    assert asked.status == 401
    challenge = asked.get("WWW-Authenticate") or ""
    digested = challenge.startswith("Digest")
    headers = digest(challenge, "ann", PASSWORD, "GET", target) if digested else basic("ann", PASSWORD)
    reply = request(port, "GET", target, headers=headers)
    assert reply.status in (302, 303), reply.text
    cookie = re.search(r"trac_auth=(\w+)", reply.get("Set-Cookie") or "")
    assert cookie
    browser = Browser(port)
    browser.cookies["trac_auth"] = cookie.group(1)
    return browser


def token(browser: Browser, page: str) -> str:
    """Trac's mark against forged forms, as field and as cookie."""
    found = re.search(r'name="__FORM_TOKEN" value="(\w+)"', page)
    assert found, page
    browser.cookies["trac_form_token"] = found.group(1)
    return found.group(1)


def test_wiki_start_page(site: Server, prefix: str) -> None:
    page = site.get(f"{prefix}/wiki")
    assert (page.status, "Welcome to Trac" in page.text) == (200, True)
    assert f'href="{prefix}/timeline"' in page.text
    assert f'href="{prefix}/login"' in page.text
    assert site.get(f"{prefix}/wiki/NoSuchPage").status == 404


def test_style_sheet(site: Server, prefix: str) -> None:
    reply = site.get(f"{prefix}/chrome/common/css/trac.css")
    local = site.layout.scratch / "deployed" / "htdocs" / "common" / "css" / "trac.css"
    assert (reply.status, reply.body) == (200, local.read_bytes())


def test_login_page_is_apaches(site: Server, prefix: str) -> None:
    target = f"{prefix}/login"
    challenge = site.get(target).get("WWW-Authenticate") or ""
    digested = challenge.startswith("Digest")
    wrong = digest(challenge, "ann", "wrong", "GET", target) if digested else basic("ann", "wrong")
    assert site.get(target, headers=wrong).status == 401
    site.expect("AH01617|AH01794")
    page = log_in(site, prefix).get(f"{prefix}/wiki")
    assert "logged in as" in page.text
    assert "ann" in page.text


def test_ticket(site: Server, prefix: str) -> None:
    """A form with a token, which writes to the environment's database."""
    browser = log_in(site, prefix)
    page = browser.get(f"{prefix}/newticket").text
    fields = {
        "__FORM_TOKEN": token(browser, page),
        "field_summary": "R\u00f6hre gebrochen",
        "field_description": "it ''leaks''",
        "field_type": "defect",
        "field_priority": "major",
        "field_status": "new",
        "submit": "Create ticket",
    }
    made = browser.post(f"{prefix}/newticket", fields)
    assert made.status == 200
    assert "R\u00f6hre gebrochen" in made.text
    assert "<em>leaks</em>" in made.text
    listed = browser.get(f"{prefix}/report/1")
    assert "R\u00f6hre gebrochen" in listed.text
    rows = site.get(f"{prefix}/query?format=csv&status=new&col=summary").body.decode("utf-8-sig")
    assert "R\u00f6hre gebrochen" in rows


def test_anonymous_may_not_write(site: Server, prefix: str) -> None:
    reply = site.get(f"{prefix}/newticket")
    assert reply.status == 403
    assert "TICKET_CREATE" in reply.text
    site.allow("TICKET_CREATE|trac")


def test_wiki_page_and_attachment(site: Server, prefix: str) -> None:
    browser = log_in(site, prefix)
    page = browser.get(f"{prefix}/wiki/PlanB?action=edit").text
    fields = {"__FORM_TOKEN": token(browser, page), "action": "edit", "version": "0", "save": "Submit changes"}
    saved = browser.post(f"{prefix}/wiki/PlanB", {**fields, "text": "= Plan B =\nbetter"})
    assert '<h1 class="section" id="PlanB">' in saved.text
    page = browser.get(f"{prefix}/attachment/wiki/PlanB/?action=new").text
    more = {"__FORM_TOKEN": token(browser, page), "action": "new", "realm": "wiki", "id": "PlanB"}
    data = bytes(range(256)) * 700
    browser.post(f"{prefix}/attachment/wiki/PlanB/?action=new", more, {"attachment": ("plan.bin", data)})
    got = browser.get(f"{prefix}/raw-attachment/wiki/PlanB/plan.bin")
    assert (got.status, got.body) == (200, data)


def test_projects_are_apart(case: Documented, site: Server) -> None:
    """Only where several projects are served: the index, and each one's own name."""
    if case.name == "several":
        index = site.get("/projects/").text
        assert "Project mysite" in index
        assert "Project second" in index
        assert "Project second" in site.get("/projects/second/wiki").text
    else:
        assert "Project mysite" in site.get(f"{case.prefix}/wiki").text
