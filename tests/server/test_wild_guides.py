# SPDX-License-Identifier: Apache-2.0
"""Configurations of mod_wsgi's own guides and of old servers: the ways people mix static files and scripts.

Written out by us from "Quick Configuration Guide", "Configuration Guidelines" and "Access Control
Mechanisms" (modwsgi.readthedocs.io), and from lines that old tutorials still carry.
"""

from __future__ import annotations

from typing import Any

import pytest

from harness import Layout, Server
from harness.calls import words
from harness.wild import closed


def test_mounts_and_media(new_server: Any) -> None:
    """The guide's host: Alias for files and media, an application at the root, access only where granted."""

    def configure(layout: Layout) -> str:
        return f"""
{closed(layout)}
<VirtualHost *>
    ServerName www.example.com
    ServerAlias example.com
    ServerAdmin webmaster@example.com
    DocumentRoot {layout.htdocs}
    <Directory {layout.htdocs}>
        <IfVersion < 2.4>
            Order allow,deny
            Allow from all
        </IfVersion>
        <IfVersion >= 2.4>
            Require all granted
        </IfVersion>
    </Directory>
    Alias /robots.txt {layout.htdocs}/robots.txt
    AliasMatch ^/([^/]*\\.css) {layout.htdocs}/styles/$1
    Alias /media/ {layout.htdocs}/media/
    WSGIDaemonProcess example.com processes=2 threads=15 display-name=%{{GROUP}}
    WSGIProcessGroup example.com
    WSGIScriptAlias / {layout.apps}/environ.wsgi
    <Directory {layout.apps}>
        Require all granted
    </Directory>
</VirtualHost>
"""

    server = new_server(configure, modules=("version",)).start()
    htdocs = server.layout.htdocs
    for name in ("robots.txt", "styles/site.css", "media/a b.txt"):
        (htdocs / name).parent.mkdir(exist_ok=True)
        (htdocs / name).write_text(f"{name}\n")
    assert server.get("/robots.txt").text == "robots.txt\n"
    assert server.get("/site.css").text == "styles/site.css\n"
    assert server.get("/media/a%20b.txt").text == "media/a b.txt\n"
    found = server.get("/favicon.ico?a=1").json()
    assert (found["SCRIPT_NAME"], found["PATH_INFO"]) == ("", "/favicon.ico")
    assert found["mod_wsgi.process_group"] == "example.com"
    assert server.get("/", headers={"Host": "example.com"}).json()["SERVER_NAME"] == "example.com"


def scripts(layout: Layout) -> str:
    """ "The Apache Alias directive" and a directory of scripts with .htaccess, the extension hidden by a rewrite."""
    where = layout.apps / "wsgi-scripts"
    return f"""
{layout.delegate()}
{closed(layout)}
Alias /wsgi/ {where}/
<Directory {where}>
    Options ExecCGI MultiViews
    MultiviewsMatch Handlers
    AllowOverride FileInfo
    SetHandler wsgi-script
    AddHandler wsgi-script .wsgi
    Require all granted
</Directory>
WSGIScriptAliasMatch ^/wsgi-app/([^/]+) {where}/$1.wsgi
WSGIScriptAliasMatch ^/by-dir/ {where}/
"""


@pytest.mark.parametrize("mode", ["embedded", "daemon"])
def test_directory_of_scripts(new_server: Any, mode: str) -> None:
    server = new_server(scripts, mode=mode, modules=("negotiation",))
    text = (server.layout.apps / "environ.wsgi").read_text()
    for name in ("one", "two"):
        server.layout.write_app(f"wsgi-scripts/{name}.wsgi", text)
    server.layout.write_app("wsgi-scripts/.htaccess", "WSGICallableObject second\n")
    server.start()
    for target, name, info in (
        ("/wsgi/one.wsgi", "/wsgi/one.wsgi", ""),
        ("/wsgi/one.wsgi/rest/of", "/wsgi/one.wsgi", "/rest/of"),
        ("/wsgi-app/two/rest", "/wsgi-app/two", "/rest"),
        ("/by-dir/two.wsgi/rest", "/by-dir/two.wsgi", "/rest"),
    ):
        found = server.get(target).json()
        assert (found["SCRIPT_NAME"], found["PATH_INFO"]) == (name, info), target
        assert found["test.entry"] == "second", ".htaccess names the callable"
    assert server.get("/wsgi-app/three").status == 404
    server.expect("WSGI0135|AH00128")


def test_front_controller_by_rewrite(new_server: Any) -> None:
    """ "site.wsgi": files if there are any, else the application, which undoes its own name."""

    def configure(layout: Layout) -> str:
        return f"""
DocumentRoot {layout.htdocs}
<Directory {layout.htdocs}>
    AllowOverride All
    Options +ExecCGI +FollowSymLinks
    AddHandler wsgi-script .wsgi
</Directory>
"""

    server = new_server(configure, mode="embedded", modules=("rewrite",))
    layout = server.layout
    (layout.htdocs / "page.html").write_text("a page\n")
    layout.write_app(
        "../htdocs/.htaccess",
        "RewriteEngine On\nRewriteCond %{REQUEST_FILENAME} !-f\nRewriteRule ^(.*)$ /site.wsgi/$1 [QSA,PT,L]\n",
    )
    layout.write_app(
        "../htdocs/site.wsgi",
        (layout.apps / "environ.wsgi").read_text()
        + "\n_inner = application\n\n\ndef application(environ, start_response):\n"
        "    environ['SCRIPT_NAME'] = environ['SCRIPT_NAME'].rpartition('/')[0]\n"
        "    return _inner(environ, start_response)\n",
    )
    server.start()
    assert server.get("/page.html").text == "a page\n"
    found = server.get("/some/where?x=1").json()
    assert (found["SCRIPT_NAME"], found["PATH_INFO"], found["QUERY_STRING"]) == ("", "/some/where", "x=1")
    assert found["REQUEST_URI"] == "/some/where?x=1"


def delegated(layout: Layout) -> str:
    """Nothing runs in Apache's processes, the application is loaded before the first request."""
    layout.write_app(
        "preloaded.wsgi",
        f"import os, sys\nsys.path.append({str(layout.apps)!r})\nimport journal\n"
        f"journal.note({str(layout.scratch / 'loaded')!r}, str(os.getpid()))\n"
        "def application(environ, start_response):\n"
        "    start_response('200 OK', [('Content-Type', 'text/plain')])\n"
        "    return [str(os.getpid()).encode()]\n",
    )
    return f"""
WSGIRestrictEmbedded On
WSGIDaemonProcess example threads=5
WSGIScriptAlias / {layout.apps}/preloaded.wsgi
WSGIScriptAlias /never {layout.apps}/environ.wsgi
<Location />
    WSGIProcessGroup example
    WSGIApplicationGroup %{{GLOBAL}}
</Location>
WSGIImportScript {layout.apps}/preloaded.wsgi process-group=example application-group=%{{GLOBAL}}
"""


def test_import_script_loads_before_the_first_request(new_server: Any) -> None:
    """ "WSGIRestrictEmbedded On" and "WSGIImportScript"."""
    server: Server = new_server(delegated).start()
    journal = server.layout.scratch / "loaded"
    pid = server.get("/").text
    assert words(journal) == [pid], "loaded once, in the daemon, by the import script"


@pytest.mark.ours("D112: 6.0 removed these directives, configurations that name them do not load there")
@pytest.mark.parametrize(
    "line", ["WSGILazyInitialization On", "WSGIReloadMechanism Process", "WSGIPythonExecutable /usr/bin/python"]
)
def test_lines_of_old_servers(new_server: Any, line: str) -> None:
    """Accepted with one line that says they do nothing any more."""
    server: Server = new_server(
        lambda layout: f"{line}\n{layout.delegate()}WSGIScriptAlias / {layout.apps}/environ.wsgi\n"
    )
    name = line.split()[0]
    proof = server.prove()
    assert proof.status == 0, proof.output
    server.start()
    server.allow(name)
    assert server.get("/").status == 200
    console = (server.layout.logs / "console").read_text()
    said = [text for text in [*proof.output.splitlines(), *console.splitlines()] if name in text]
    said += [logged.text for logged in server.log().lines() if name in logged.text]
    assert said, "one line says that the directive is not needed"
