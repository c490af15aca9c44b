# SPDX-License-Identifier: Apache-2.0
"""Hints: what usually is a mistake in a configuration is said once, with the remedy."""

from __future__ import annotations

from typing import Any

import pytest

from harness import Layout

HINT = "hint: WSGIScriptAlias"
MODULES = ("authn_core", "authz_user", "auth_basic", "authn_file", "authz_host", "rewrite")

pytestmark = pytest.mark.ours("D119: 6.1.1 gives no hints")


def without_require(layout: Layout) -> str:
    """A site whose directory nobody may see, as a distribution's httpd has it at /."""
    layout.write_app("closed/site.wsgi", (layout.apps / "environ.wsgi").read_text())
    layout.write_app("closed/settings.py", "SECRET = 1\n")
    layout.write_app("closed/more/one.wsgi", (layout.apps / "environ.wsgi").read_text())
    return f"""
{layout.delegate()}
WSGIScriptAlias /site {layout.apps}/closed/site.wsgi
WSGIScriptAlias /more {layout.apps}/closed/more
WSGIScriptAliasMatch ^/match/(.*) {layout.apps}/closed/$1.wsgi
WSGIScriptAlias /user {layout.apps}/closed/site.wsgi
WSGIScriptAlias /rewritten {layout.apps}/environ.wsgi
WSGIScriptAlias /open {layout.apps}/environ.wsgi
WSGIScriptAlias /own {layout.apps}/forbids.wsgi
WSGIScriptAlias /meant {layout.apps}/environ.wsgi
WSGIScriptAlias /pattern {layout.apps}/environ.wsgi
Alias /files {layout.apps}/closed
<Directory {layout.apps}/closed>
    Require all denied
</Directory>
<Location /user>
    AuthType Basic
    AuthName here
    AuthUserFile /dev/null
    Require user nobody-at-all
</Location>
<Location /meant>
    Require ip 10.0.0.1
</Location>
<LocationMatch ^/pattern/(.*)$>
    Require all denied
</LocationMatch>
<Location /more>
    SetEnv says-nothing about-access
</Location>
RewriteEngine On
RewriteRule ^/rewritten - [F]
"""


@pytest.mark.parametrize("mode", ["embedded", "daemon"])
def test_directory_without_require(new_server: Any, mode: str) -> None:
    """C4: one line for each alias and process names the directory; the neighbours stay closed."""
    server = new_server(without_require, mode=mode, modules=MODULES, level="warn authz_core:crit rewrite:crit").start()
    server.layout.write_app(
        "forbids.wsgi",
        'def application(environ, start_response):\n    start_response("403 Forbidden", [])\n    return [b"mine"]\n',
    )
    closed = server.layout.apps / "closed"
    for _ in range(3):
        assert server.get("/site/x").status == 403
    (line,) = server.expect(HINT)
    for part in (
        "/site (",
        f"{server.conf}:",
        f"its directory {closed} ",
        f'<Directory "{closed}"> <Files "site.wsgi"> Require all granted </Files> </Directory>',
    ):
        assert part in line.text
    assert line.level == "warn"
    assert server.get("/more/one.wsgi").status == 403
    (line,) = server.expect(HINT)
    assert f'<Directory "{closed}/more"> <Files "one.wsgi">' in line.text
    assert server.get("/match/site").status == 403
    (line,) = server.expect("hint: WSGIScriptAliasMatch")
    assert f'<Directory "{closed}"> <Files "site.wsgi">' in line.text
    # Not by an alias of ours, not by Require, by one that is meant for a URL, not before httpd let it in: no hint.
    for target, status in (
        ("/files/settings.py", 403),
        ("/files/site.wsgi", 403),
        ("/rewritten/x", 403),
        ("/own", 403),
        ("/meant/x", 403),
        ("/pattern/x", 403),
        ("/open", 200),
    ):
        assert server.get(target).status == status, target
    assert server.get("/user").status in (401,)
    server.allow("AH0")
    assert "hint" not in "".join(line.text for line in server.log().unexpected())


def test_the_remedy_is_right(new_server: Any) -> None:
    """C4: with just the lines of the hint the script answers, and its neighbour does not."""

    def configure(layout: Layout) -> str:
        closed = layout.apps / "closed"
        return (
            without_require(layout)
            + f'<Directory "{closed}">\n<Files "site.wsgi">\nRequire all granted\n</Files>\n</Directory>\n'
        )

    server = new_server(configure, mode="daemon", modules=MODULES, level="warn authz_core:crit").start()
    assert server.get("/site").status == 200
    assert server.get("/files/settings.py").status == 403
