# SPDX-License-Identifier: Apache-2.0
"""Configurations as people have had them for many years."""

from __future__ import annotations

from typing import Any

import pytest

from harness import Layout, Server, wait_until

MODULES = ("access_compat", "authz_host")


def configure(layout: Layout) -> str:
    """The examples of mod_wsgi's own README."""
    return f"""
{layout.delegate("example.invalid", "processes=1 threads=15 display-name=%{GROUP}")}
WSGIScriptAlias /myapp {layout.root}/classic/myapp.wsgi
WSGIScriptAlias /wsgi/ {layout.root}/classic/scripts/
WSGIScriptAlias /refused {layout.root}/classic/refused/myapp.wsgi
<Directory {layout.root}/classic>
    Order allow,deny
    Allow from all
</Directory>
<Directory {layout.root}/classic/scripts>
    WSGIApplicationGroup %{{GLOBAL}}
    Order deny,allow
    Allow from all
</Directory>
<Directory {layout.root}/classic/refused>
    Order allow,deny
    Deny from all
</Directory>
"""


HELLO = """
def application(environ, start_response):
    status = '200 OK'
    output = b'Hello World!'
    response_headers = [('Content-type', 'text/plain'),
                        ('Content-Length', str(len(output)))]
    start_response(status, response_headers)
    return [output]
"""

COUNTER = """
import sys
sys.shared_visits = getattr(sys, 'shared_visits', [])

def application(environ, start_response):
    sys.shared_visits.append(environ['SCRIPT_NAME'])
    start_response('200 OK', [('Content-Type', 'text/plain')])
    return [' '.join(sys.shared_visits).encode()]
"""

TEXT = """
def application(environ, start_response):
    start_response('200 OK', [('Content-type', 'text/plain')])
    return ['Hello World!']
"""


@pytest.fixture
def site(running: Server) -> Any:
    """The file's server with its scripts."""
    layout = running.layout
    for name, text in (
        ("myapp.wsgi", HELLO),
        ("refused/myapp.wsgi", HELLO),
        ("scripts/one.wsgi", COUNTER),
        ("scripts/two.wsgi", COUNTER),
        ("scripts/text.wsgi", TEXT),
    ):
        layout.write_app("../classic/" + name, text)
    running.forget_logs()
    yield running
    running.check_logs()


@pytest.mark.core
def test_order_and_allow(site: Server) -> None:
    reply = site.get("/myapp")
    assert (reply.status, reply.body) == (200, b"Hello World!")
    assert (reply.get("Content-Type"), reply.get("Content-Length")) == ("text/plain", "12")
    assert site.get("/refused").status == 403
    site.expect("AH01797: client denied by server configuration")


def test_directory_of_scripts_shares_an_interpreter(site: Server) -> None:
    """Two scripts of one directory see each other's state: the group is the <Directory>'s."""
    seen = ""
    for target in ("/wsgi/one.wsgi", "/wsgi/two.wsgi", "/wsgi/one.wsgi", "/wsgi/two.wsgi") * 4:
        reply = site.get(target)
        assert reply.status == 200
        seen = max(seen, reply.text, key=len)
    assert {"/wsgi/one.wsgi", "/wsgi/two.wsgi"} == set(seen.split())


def test_text_needs_to_be_bytes(site: Server) -> None:
    reply = site.get("/wsgi/text.wsgi")
    assert reply.status == 500
    assert b"Hello" not in reply.body
    log = site.log()
    wait_until(lambda: log.matching("bytes") and log.codes(), "the log says what is needed")
    assert {line.level for _, line in log.matching("bytes")} == {"error"}
    assert len(log.codes()) == 1
    site.allow(r"WSGI\d{4}: |Traceback|^.*File \"|TypeError|    ")
    assert site.get("/myapp").status == 200


def test_missing_script_below_the_directory(site: Server) -> None:
    assert site.get("/wsgi/three.wsgi").status == 404
    site.expect_code(135, "three.wsgi")
