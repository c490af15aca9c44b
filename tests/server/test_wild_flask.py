# SPDX-License-Identifier: Apache-2.0
"""Flask as its documentation configures Apache and mod_wsgi, with a real application from PyPI.

Written out by us from "mod_wsgi (Apache)" of Flask 1.x and 2.x (flask.palletsprojects.com,
deploying/mod_wsgi) and the guides to virtual environments of mod_wsgi (modwsgi.readthedocs.io).
"""

from __future__ import annotations

import os

from pathlib import Path

import pytest

from harness import Layout, Module, Server, application_venv
from harness.browser import Browser
from harness.wild import Documented, closed, run_as, serving

ALLOWED = ("loaded on standard output",)


def home(layout: Layout) -> Path:
    """What the documents call /var/www/yourapplication."""
    return layout.apps / "flask_site"


def prepare(layout: Layout) -> None:
    """yourapplication.wsgi: "patch the path in the .wsgi file before the import"."""
    (home(layout) / "yourapplication.py").write_text((home(layout) / "site.wsgi").read_text())
    packages = next((application_venv("flask") / "lib").glob("python3*/site-packages"))
    layout.write_app(
        "flask_site/yourapplication.wsgi",
        "import site\n"
        "import sys\n"
        f"site.addsitedir({str(packages)!r})\n"
        f"sys.path.insert(0, {str(home(layout))!r})\n"
        "from yourapplication import application\n"
        "print('loaded on standard output')\n",
    )


def documented(layout: Layout) -> str:
    """ "Configuring Apache": the daemon group in a host, delegated to by the directory."""
    return f"""
{closed(layout)}
<VirtualHost *>
    ServerName example.com

    WSGIDaemonProcess yourapplication {run_as()} threads=5
    WSGIScriptAlias / {home(layout)}/yourapplication.wsgi

    <Directory {home(layout)}>
        WSGIProcessGroup yourapplication
        WSGIApplicationGroup %{{GLOBAL}}
        WSGIScriptReloading On
        Require all granted
    </Directory>
</VirtualHost>
"""


def without_daemon(layout: Layout) -> str:
    """The lines for systems without daemon mode, and "WSGIRestrictStdout Off" for print()."""
    return f"""
{closed(layout)}
WSGIRestrictStdout Off
<VirtualHost *>
    ServerName example.com
    WSGIScriptAlias / {home(layout)}/yourapplication.wsgi
    <Directory {home(layout)}>
        Require all granted
    </Directory>
</VirtualHost>
"""


def old_access_rules(layout: Layout) -> str:
    """Order, Deny and Allow as in Apache 2.2, which mod_access_compat still takes."""
    return f"""
<Directory {layout.apps}>
    Order allow,deny
    Deny from all
</Directory>
<VirtualHost *>
    ServerName example.com
    WSGIDaemonProcess yourapplication {run_as()} threads=5 python-home={application_venv("flask")}
    WSGIScriptAlias /mounted {home(layout)}/yourapplication.wsgi
    <Directory {home(layout)}>
        WSGIProcessGroup yourapplication
        WSGIApplicationGroup %{{GLOBAL}}
        Order deny,allow
        Allow from all
    </Directory>
</VirtualHost>
"""


DOCUMENTED = (
    Documented("host", documented, group="yourapplication"),
    Documented("embedded", without_daemon),
    Documented("apache-2.2", old_access_rules, "/mounted", ("authz_host", "access_compat"), "yourapplication"),
)


def test_page(case: Documented, site: Server, prefix: str) -> None:
    page = site.get(f"{prefix}/").text
    assert f"<p id='group'>{case.group}</p>" in page
    assert f"href='{prefix}/hello/x'" in page


def test_form_and_session(site: Server, prefix: str) -> None:
    browser = Browser(site.layout.port)
    assert browser.post(f"{prefix}/form", {"name": "caf\u00e9"}).json() == {"name": "caf\u00e9"}
    assert browser.get(f"{prefix}/form").json() == {"name": "caf\u00e9"}


def test_upload_and_stream(site: Server, prefix: str) -> None:
    data = os.urandom(300_000)
    found = Browser(site.layout.port).post(f"{prefix}/upload", {"a": "b"}, {"f": ("n", data)}).json()
    assert found["files"]["f"][1] == len(data)
    assert len(site.get(f"{prefix}/stream").text.splitlines()) == 1000


def test_the_script_cannot_be_read(site: Server, prefix: str) -> None:
    for name in ("yourapplication.wsgi", "yourapplication.py"):
        assert site.get(f"{prefix}/{name}").status == 404, "Flask has no such page"


def test_print_goes_to_the_error_log(module: Module) -> None:
    """ "application dies with an error on print": not since print() writes to the error log."""
    assert module.path
    with serving(DOCUMENTED[1], prepare) as server:
        assert server.get("/").status == 200
        (line,) = server.expect("loaded on standard output")
        assert line.module == "wsgi"


@pytest.mark.ours("D708: 6.1.1 now and then answers the first request with the old code")
def test_touched_script_is_reloaded(module: Module) -> None:
    """ "Support for Automatic Reloading"."""
    assert module.path
    with serving(DOCUMENTED[0], prepare) as server:
        server.allow("loaded on standard output")
        assert server.get("/").status == 200
        source = home(server.layout) / "yourapplication.py"
        source.write_text(source.read_text().replace("<h1>{{ title }}</h1>", "<h2>{{ title }}</h2>"))
        assert "<h1>" in server.get("/").text, "a module is not the script"
        server.layout.write_app(
            "flask_site/yourapplication.wsgi", (home(server.layout) / "yourapplication.wsgi").read_text()
        )
        assert "<h2>" in server.get("/").text
