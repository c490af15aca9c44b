# SPDX-License-Identifier: Apache-2.0
"""Modules that decide what a URL is, and those that serve their own beside ours; logs and environment."""

from __future__ import annotations

import os
import re

from typing import Any

import pytest

from harness import Layout, RawConnection, Reply, Server, request, wait_until

MODULES = (
    "rewrite",
    "negotiation",
    "autoindex",
    "cgid",
    "cgi",
    "actions",
    "speling",
    "userdir",
    "vhost_alias",
    "dav",
    "dav_fs",
    "allowmethods",
    "authz_host",
    "status",
    "info",
    "unique_id",
    "logio",
    "usertrack",
)
PORTS = 3

CGI = """#!/bin/sh
printf 'Content-Type: text/plain\\r\\n\\r\\nthe CGI script, %s' "$PATH_INFO"
"""
HTACCESS = """
RewriteEngine On
RewriteCond %{REQUEST_FILENAME} !-f
RewriteRule ^(.*)$ around.wsgi/$1 [QSA,L]
"""


def configure(layout: Layout) -> str:
    """A host for URLs that others share with an application, one by directory, one with an application at the root."""
    # How the CGI module is called depends on the MPM; its socket goes where the others are.
    cgid = f"<IfModule mod_cgid.c>\nScriptSock {layout.runtime}/cgid\n</IfModule>"
    app = layout.apps / "around.wsgi"
    return f"""
{layout.delegate()}
{cgid}
ExtendedStatus On
LogFormat "%>s %B %O %D %{{test}}e %{{X-Logged}}o %{{UNIQUE_ID}}e %L %X %U" modules
CustomLog "{layout.logs}/modules_log" modules
<VirtualHost *:{layout.ports[0]}>
    ServerName first.invalid
    AllowEncodedSlashes NoDecode
    WSGIScriptAlias /app {app}
    WSGIScriptAlias /options {app} process-group=%{{ENV:WANTED_GROUP}} callable-object=application
    WSGIScriptAlias /~somebody {app}
    WSGIScriptAlias /named {layout.apps}/around
    Alias /static {layout.htdocs}/static
    Alias /app/static {layout.htdocs}/static
    ScriptAlias /cgi {layout.htdocs}/cgi.sh
    RedirectMatch 301 ^/app/moved$ /app/show
    RewriteEngine On
    RewriteRule ^/pass/(.*)$ /app/$1 [PT,QSA]
    RewriteRule ^/query/([a-z]+)$ /app/show?word=$1 [PT]
    RewriteRule ^/variable/([a-z]+)$ /app/show [PT,E=word:$1,E=HTTPS:on,E=!UNIQUE_ID]
    RewriteRule ^/handled/(.*)$ {app} [H=wsgi-script,E=word:$1]
    RewriteRule ^/gone$ - [G]
    RewriteRule ^/encoded/(.*)$ /app/$1 [PT,B,NE]
    RewriteRule ^/header$ /app/show [PT,E=who:%{{HTTP:X-Who}}]
    RewriteMap lower int:tolower
    RewriteRule ^/Mapped/(.*)$ /app/${{lower:$1}} [PT]
    SetEnv test set
    PassEnv PATH
    SetEnvIf X-Who ^(.+)$ matched=$1
    SetEnvIfNoCase User-Agent bot crawler
    BrowserMatch ^Old downgrade-1.0 force-response-1.0
    UserDir {layout.htdocs}/*
    <Location /app/variable>
        UnsetEnv test
    </Location>
    <Location /app/limited>
        <LimitExcept GET HEAD>
            Require all denied
        </LimitExcept>
    </Location>
    <Location /app/allowed>
        AllowMethods GET HEAD
    </Location>
    <Location /app/crumbs>
        CookieTracking On
    </Location>
    <Location /app/taken>
        SetHandler server-status
    </Location>
    Action text/x-acted /app/acted
    <Directory {layout.apps}>
        Options +ExecCGI +MultiViews
        AddHandler wsgi-script .wsgi
        AddType text/x-wsgi .wsgi
        CheckSpelling On
    </Directory>
    <Directory {layout.htdocs}>
        Options +Indexes +MultiViews
        AddType text/x-acted .acted
        AddType text/html .html
    </Directory>
    <Location /server-status>
        SetHandler server-status
    </Location>
    <Location /server-info>
        SetHandler server-info
    </Location>
</VirtualHost>
<VirtualHost *:{layout.ports[1]}>
    ServerName second.invalid
    DocumentRoot {layout.htdocs}
    AddHandler wsgi-script .wsgi
    <Directory {layout.htdocs}>
        Options +ExecCGI +Indexes
        AllowOverride All
        DirectoryIndex index.html index.wsgi
    </Directory>
    <Directory {layout.htdocs}/fallback>
        FallbackResource /fallback/index.wsgi
    </Directory>
    <Directory {layout.htdocs}/plain>
        DirectoryIndex disabled
    </Directory>
    <Directory {layout.htdocs}/dav>
        Dav On
    </Directory>
    DavLockDB {layout.scratch}/dav
</VirtualHost>
<VirtualHost *:{layout.ports[2]}>
    ServerName third.invalid
    DocumentRoot {layout.htdocs}
    AliasMatch ^/favicon\\.ico$ {layout.htdocs}/static/file.txt
    Alias /static {layout.htdocs}/static
    WSGIScriptAlias / {app}
    Alias /late {layout.htdocs}/static
    RewriteEngine On
    RewriteCond %{{DOCUMENT_ROOT}}%{{REQUEST_FILENAME}} -f
    RewriteRule ^(/files/.*)$ %{{DOCUMENT_ROOT}}$1 [L]
    <Location /server-status>
        SetHandler server-status
    </Location>
    <Location /dav>
        Dav Off
    </Location>
    ErrorDocument 404 /show?x=page
</VirtualHost>
"""


def lay_out(layout: Layout) -> None:
    """The files of the document root."""
    app = (layout.apps / "around.wsgi").read_text().replace("os.path.dirname(__file__)", repr(str(layout.apps)))
    files = {
        "static/file.txt": "a file",
        "files/real.txt": "a real file",
        "cgi.sh": CGI,
        "page.acted": "a file of a type with an action",
        "index.wsgi": app,
        "both/index.html": "an index page",
        "both/index.wsgi": app,
        "only/index.wsgi": app,
        "plain/file.txt": "listed",
        "fallback/index.wsgi": app,
        "fallback/real.txt": "a real file",
        "by-rule/around.wsgi": app,
        "by-rule/real.txt": "a real file",
        "by-rule/.htaccess": HTACCESS,
        "dav/file.txt": "for DAV",
    }
    for name, text in files.items():
        path = layout.htdocs / name
        path.parent.mkdir(exist_ok=True)
        path.parent.chmod(0o755)
        path.write_text(text)
        path.chmod(0o755 if name.endswith(".sh") else 0o644)


@pytest.fixture
def site(running: Server) -> Any:
    """The file's server with its document root."""
    if not (running.layout.htdocs / "static").exists():
        lay_out(running.layout)
    running.forget_logs()
    yield running
    running.check_logs()


def second(site: Server, target: str, method: str = "GET", **more: Any) -> Reply:
    """A request to the host of directories."""
    return request(site.layout.ports[1], method, target, **more)


def third(site: Server, target: str, method: str = "GET", **more: Any) -> Reply:
    """A request to the host with an application at its root."""
    return request(site.layout.ports[2], method, target, **more)


def paths(reply: Reply) -> tuple[str, str, str]:
    """Mount point, path and query that the application got."""
    found = reply.json()
    return found["SCRIPT_NAME"], found["PATH_INFO"], found["QUERY_STRING"]


# ---- rewriting --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("target", "wanted"),
    [
        ("/pass/a/b?x=1", ("/app", "/a/b", "x=1")),
        ("/query/word?x=1", ("/app", "/show", "word=word")),
        ("/Mapped/UPPER", ("/app", "/upper", "")),
        ("/pass/a%20b", ("/app", "/a b", "")),
    ],
)
def test_rewriting_to_an_alias(site: Server, target: str, wanted: tuple[str, str, str]) -> None:
    """[PT] lets WSGIScriptAlias see the new URL; REQUEST_URI stays what the client sent."""
    reply = site.get(target)
    assert paths(reply) == wanted
    assert reply.json()["REQUEST_URI"] == target


def test_rewriting_of_encoded_slashes(site: Server) -> None:
    """%2F stays as it is under AllowEncodedSlashes NoDecode, once."""
    assert site.get("/app/a%2Fb").json()["PATH_INFO"] == "/a%2Fb"
    assert site.get("/pass/a%2Fb").json()["REQUEST_URI"] == "/pass/a%2Fb"


def test_rewriting_sets_variables(site: Server) -> None:
    """[E=...] reaches the environ; HTTPS becomes the scheme and is not shown."""
    found = site.get("/variable/this").json()
    assert found["word"] == "this"
    assert not {"HTTPS", "UNIQUE_ID"} & set(found)
    assert site.get("/header", headers={"X-Who": "me"}).json()["who"] == "me"


def test_rewriting_to_a_handler(site: Server) -> None:
    """[H=wsgi-script] on a file, under Options ExecCGI."""
    found = site.get("/handled/word?x=1").json()
    assert (found["word"], found["PATH_INFO"], found["QUERY_STRING"]) == ("word", "", "x=1")
    assert found["SCRIPT_NAME"] == "/handled/word"


def test_rewriting_that_ends_the_request(site: Server) -> None:
    assert site.get("/gone").status == 410
    moved = site.get("/app/moved")
    assert (moved.status, moved.get("Location")) == (301, f"http://127.0.0.1:{site.layout.port}/app/show")


@pytest.mark.core
@pytest.mark.parametrize(
    ("target", "wanted"),
    [
        ("/by-rule/some/page?x=1", ("/by-rule/around.wsgi", "/some/page", "x=1")),
        ("/by-rule/around.wsgi/direct", ("/by-rule/around.wsgi", "/direct", "")),
        ("/by-rule/", ("/by-rule/around.wsgi", "/", "")),
    ],
)
def test_rewriting_in_a_directory(site: Server, target: str, wanted: tuple[str, str, str]) -> None:
    """The catch-all of an .htaccess: an internal redirect, REDIRECT_URL tells what the client asked for."""
    reply = second(site, target)
    assert paths(reply) == wanted
    if "direct" not in target:
        assert reply.json()["REDIRECT_URL"] == target.partition("?")[0]
    assert second(site, "/by-rule/real.txt").text == "a real file"


def test_body_through_a_rewriting_in_a_directory(site: Server) -> None:
    """An internal redirect keeps method and body."""
    found = second(site, "/by-rule/upload", "POST", body=b"x" * 50_000).json()
    assert (found["method"], found["size"], found["length"]) == ("POST", 50_000, "50000")


def test_catch_all_beside_files(site: Server) -> None:
    """An application at the root, and files where there are some."""
    assert third(site, "/files/real.txt").text == "a real file"
    assert paths(third(site, "/files/missing.txt")) == ("", "/files/missing.txt", "")


# ---- aliases, directories ---------------------------------------------------------------------


def test_aliases_come_first(site: Server) -> None:
    """mod_alias is asked before WSGIScriptAlias, in whatever order they are written."""
    for target in ("/static/file.txt", "/late/file.txt"):
        assert third(site, target).text == "a file"
    assert third(site, "/favicon.ico").text == "a file"
    for target in ("/static/file.txt", "/app/static/file.txt"):
        assert site.get(target).text == "a file"
    assert paths(third(site, "/staticx")) == ("", "/staticx", "")
    assert paths(site.get("/app/staticx")) == ("/app", "/staticx", "")
    assert third(site, "/static/missing").json()["REDIRECT_STATUS"] == "404"


def test_user_directories_come_later(site: Server) -> None:
    assert paths(site.get("/~somebody/x")) == ("/~somebody", "/x", "")
    assert site.get("/~static/file.txt").text == "a file"


@pytest.mark.core
def test_directory_index(site: Server) -> None:
    """mod_dir: a script as the index of a directory, behind a page that is there."""
    assert second(site, "/both/").text == "an index page"
    found = second(site, "/only/?x=1").json()
    assert (found["SCRIPT_NAME"], found["PATH_INFO"], found["QUERY_STRING"]) == ("/only/index.wsgi", "", "x=1")
    assert second(site, "/only").status == 301
    assert "file.txt" not in second(site, "/only/").text


def test_directory_index_and_head(site: Server) -> None:
    assert (second(site, "/only/", "HEAD").status, second(site, "/only/", "HEAD").body) == (200, b"")


@pytest.mark.core
def test_fallback_resource(site: Server) -> None:
    """Everything that is no file goes to one script; also a POST with its body, and again on a kept connection."""
    assert second(site, "/fallback/real.txt").text == "a real file"
    found = second(site, "/fallback/a/b?x=1").json()
    assert found["SCRIPT_FILENAME"].endswith("/fallback/index.wsgi")
    assert found["REQUEST_URI"] == "/fallback/a/b?x=1"
    assert found["QUERY_STRING"] == "x=1"
    assert second(site, "/fallback/?x=2").json()["QUERY_STRING"] == "x=2"
    posted = second(site, "/fallback/x?way=upload", "POST", body=b"y" * 20_000).json()
    assert (posted["size"], posted["method"]) == (20_000, "POST")
    with RawConnection(site.layout.ports[1]) as connection:
        for _ in range(3):
            connection.send(b"GET /fallback/a?way=answer&kind=length HTTP/1.1\r\nHost: a\r\n\r\n")
            connection.receive_until(b"the application's body")


def test_listings(site: Server) -> None:
    """mod_autoindex lists what is no application's."""
    assert "file.txt" in second(site, "/plain/").text


def test_negotiation(site: Server) -> None:
    """MultiViews finds the script without its ending; SCRIPT_NAME is then what httpd makes of the file that it found."""
    assert paths(site.get("/named/a/b?x=1")) == ("/around.wsgi", "/a/b", "x=1")


def test_spelling(site: Server) -> None:
    """mod_speling corrects names of files; what an application answers to is not its business."""
    assert site.get("/app/Shwo").json()["PATH_INFO"] == "/Shwo"
    assert site.get("/app/answer?status=404+Not+Found").status == 404


def test_action(site: Server) -> None:
    """A file of a type with an action goes to the application, with the file as its path."""
    found = site.get("/static/../page.acted").json()
    assert (found["SCRIPT_NAME"], found["PATH_INFO"]) == ("/app", "/acted/page.acted")
    assert found["REDIRECT_URL"] == "/page.acted"
    assert found["REDIRECT_HANDLER"] == "text/x-acted"


def test_cgi_beside_us(site: Server) -> None:
    assert site.get("/cgi/x").text == "the CGI script, /x"
    assert paths(site.get("/app/x")) == ("/app", "/x", "")


# ---- methods ----------------------------------------------------------------------------------


@pytest.mark.parametrize("method", ["PROPFIND", "MKCOL", "LOCK", "REPORT", "PATCH", "OPTIONS", "DELETE", "BREW"])
def test_methods_reach_the_application(site: Server, method: str) -> None:
    """mod_dav is loaded, and takes only what is its own."""
    assert third(site, "/dav/x", method).json()["REQUEST_METHOD"] == method


def test_dav_beside_us(site: Server) -> None:
    """mod_dav has its directory, scripts below it are files to it."""
    assert second(site, "/dav/file.txt", "PROPFIND", headers={"Depth": "0"}).status == 207
    assert second(site, "/dav/new.wsgi", "PUT", body=b"text").status in {201, 403, 500}
    site.allow(r"dav|AH00")
    assert second(site, "/only/index.wsgi", "PROPFIND").json()["REQUEST_METHOD"] == "PROPFIND"


@pytest.mark.parametrize(("place", "status"), [("limited", 403), ("allowed", 405)])
def test_methods_that_are_not_allowed(site: Server, place: str, status: int) -> None:
    """<LimitExcept> and AllowMethods come before the application."""
    site.allow(r"AH01630|AH01623")
    assert site.get(f"/app/{place}").status == 200
    assert site.request("POST", f"/app/{place}", b"x").status == status


# ---- other handlers, environment --------------------------------------------------------------


def test_status_and_info(site: Server) -> None:
    """Their locations are theirs, below an application at the root, too; requests of ours are counted and shown."""
    third(site, "/counted?x=1")
    wait_until(lambda: "GET /counted?x=1" in third(site, "/server-status").text, "mod_status shows the request")
    assert "Apache Server Status" in site.get("/app/taken").text
    assert re.search(r"Total accesses: [1-9]", site.get("/server-status").text)
    assert "WSGIScriptAlias" in site.get("/server-info").text
    assert "Scoreboard" in site.get("/server-status?auto").text


def test_environment(site: Server) -> None:
    found = site.get("/app/show", headers={"X-Who": "me", "User-Agent": "A Bot"}).json()
    assert (found["test"], found["matched"], found["crawler"]) == ("set", "me", "1")
    assert "PATH" not in found
    assert "test" not in site.get("/app/variable").json()
    assert "matched" not in site.get("/app/show").json()


def test_downgraded_answer(site: Server) -> None:
    """BrowserMatch with force-response-1.0: no chunks, the connection ends the body."""
    raw = "GET /app/answer?kind=blocks&size=50000 HTTP/1.1\r\nHost: a\r\nUser-Agent: Old\r\n\r\n"
    with RawConnection(site.layout.port) as connection:
        connection.send(raw.encode())
        head, _, body = connection.receive_all().partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.0 200")
    assert b"Transfer-Encoding" not in head
    assert len(body) == 50_000


def test_unique_id(site: Server) -> None:
    """UNIQUE_ID is the environ's; the log id of httpd is what mod_unique_id makes of the request, too."""
    found = [site.get("/app/show").json() for _ in range(3)]
    assert len({each["UNIQUE_ID"] for each in found}) == 3
    assert len({each["mod_wsgi.request_id"] for each in found}) == 3


def test_tracking_cookie(site: Server) -> None:
    """mod_usertrack adds a cookie to those of the application."""
    reply = site.get("/app/crumbs/answer?h=Set-Cookie:a=1&h=Set-Cookie:b=2")
    assert [value.partition("=")[0] for value in reply.all("Set-Cookie")].count("Apache") == 1
    assert {"a=1", "b=2"} <= set(reply.all("Set-Cookie"))


# ---- access log -------------------------------------------------------------------------------


def logged(site: Server, mark: str) -> list[str]:
    """The words of the record for a URL."""
    path = site.layout.logs / "modules_log"
    found: list[list[str]] = []

    def is_there() -> bool:
        lines = path.read_text().splitlines() if path.exists() else []
        found[:] = [line.split() for line in lines if line.endswith(mark)]
        return bool(found)

    wait_until(is_there, f"{mark} is in the access log")
    assert len(found) == 1
    return found[0]


@pytest.mark.parametrize("kind", ["block", "blocks", "length", "file"])
def test_access_log(site: Server, kind: str) -> None:
    """%B counts the body, %O what went over the wire, %{...}o the application's headers."""
    mark = f"/app/{os.urandom(6).hex()}/answer"
    reply = site.get(f"{mark}?size=70000&kind={kind}&h=X-Logged:yes")
    status, body, sent, took, variable, header, unique, _, state, _ = logged(site, mark)
    assert (status, body, variable, header, state) == ("200", "70000", "set", "yes", "+") or state == "-"
    assert int(sent) > 70_000
    assert int(took) > 0
    assert len(unique) > 10
    assert len(reply.body) == 70_000


@pytest.mark.ours("D205, D206: a cut response of a 6.1.1 daemon looks complete")
def test_access_log_of_a_cut_response(site: Server) -> None:
    """The status that went out, the bytes that went out, and %X says that the connection was broken off."""
    mark = f"/app/{os.urandom(6).hex()}/answer"
    with RawConnection(site.layout.port) as connection:
        connection.send(f"GET {mark}?size=70000&kind=cut&h=X-Logged:yes HTTP/1.1\r\nHost: a\r\n\r\n".encode())
        assert not connection.receive_all().endswith(b"0\r\n\r\n")
    status, body, sent, _, _, header, _, _, _, _ = logged(site, mark)
    assert (status, body, header) == ("200", "70000", "yes")
    assert int(sent) > 70_000
    site.expect_exception(174, "ZeroDivisionError: in the middle")


def test_access_log_of_other_answers(site: Server) -> None:
    """HEAD and 304 have no body; a failure has the page's length and our status."""
    mark = f"/app/{os.urandom(6).hex()}/answer"
    site.request("HEAD", f"{mark}?size=100&kind=length")
    assert logged(site, mark)[:2] == ["200", "0"]
    mark = f"/app/{os.urandom(6).hex()}/answer"
    reply = site.get(f"{mark}?kind=fail")
    assert logged(site, mark)[:2] == ["500", str(len(reply.body))]
    site.expect_exception(174, "ZeroDivisionError: before the head")


def test_error_document_by_the_application(site: Server) -> None:
    """It sees what failed, and answers with the status it likes; an error of its own is not replaced."""
    found = third(site, "/static/missing?a=1").json()
    assert (found["REDIRECT_STATUS"], found["REDIRECT_URL"]) == ("404", "/static/missing")
    assert (found["REDIRECT_QUERY_STRING"], found["QUERY_STRING"]) == ("a=1", "x=page")
    own = third(site, "/answer?status=404+Not+Found&body=own")
    assert (own.status, own.text) == (404, "own")
