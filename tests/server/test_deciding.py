# SPDX-License-Identifier: Apache-2.0
"""Scripts that decide: who may come in, who somebody is, and which group serves a request."""

from __future__ import annotations

import base64
import hashlib
import http.client
import json
import random
import re
import ssl
import subprocess
import threading

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from harness import Layout, RawConnection, Reply, Server, request
from harness.client import HOST

MODULES = (
    "auth_basic",
    "auth_digest",
    "authn_core",
    "authn_file",
    "authn_socache",
    "authz_host",
    "authz_user",
    "include",
    "socache_shmcb",
)

BASIC = """
    AuthType Basic
    AuthName realm
    AuthBasicProvider {provider}
    WSGIAuthUserScript {script}
"""


def scope(path: str, *lines: str) -> str:
    """A <Location> with these lines."""
    return f"<Location {path}>\n" + "\n".join(lines) + "\n</Location>\n"


def configure(layout: Layout) -> str:
    """One location for each kind of question, and for each way in which it can go wrong."""
    env, decide = layout.apps / "environ.wsgi", layout.apps / "deciding.py"
    broken = layout.apps / "broken"
    basic = BASIC.format(provider="wsgi", script=decide)
    (layout.htdocs / "static").mkdir(exist_ok=True)
    (layout.htdocs / "static" / "index.html").write_text("index\n")
    (layout.htdocs / "static" / "page.shtml").write_text(
        'one <!--#include virtual="/static/index.html?inside" --> two\n'
    )
    (layout.htdocs / "error.html").write_text("error page\n")
    hashed = base64.b64encode(hashlib.sha1(b"of-the-file").digest()).decode()
    (layout.root / "users").write_text("".join(f"{name}:{{SHA}}{hashed}\n" for name in ("filed", "both")))
    ha1 = hashlib.md5(b"filed:realm:of-the-file").hexdigest()
    (layout.root / "digests").write_text(f"filed:realm:{ha1}\n")
    (layout.htdocs / "local").mkdir(exist_ok=True)
    (layout.htdocs / "local" / "file.html").write_text("local\n")
    (layout.htdocs / "local" / ".htaccess").write_text(
        f"WSGIAccessScript {decide} application-group=local\n{basic}WSGIAuthGroupScript {decide}\nRequire wsgi-group staff\n"
    )
    return "\n".join(
        [
            layout.delegate(),
            f"<Directory {layout.htdocs}/local>\nAllowOverride AuthConfig\n</Directory>",
            "WSGIDaemonProcess second processes=1 threads=2",
            "<VirtualHost 127.0.0.2:1>\nServerName elsewhere.invalid\nWSGIDaemonProcess far processes=1 threads=1\n</VirtualHost>",
            f"WSGIScriptAlias /script {env}",
            f"WSGIHandlerScript handled {layout.apps}/handler.wsgi",
            "AddType text/html .shtml\nAddOutputFilter INCLUDES .shtml",
            f"<Directory {layout.htdocs}>\nOptions +Includes\n</Directory>",
            scope("/script/access", f"WSGIAccessScript {decide}"),
            scope("/script/access/denied", "Require all denied"),
            scope("/script/access/native", "WSGIPassApacheRequest On"),
            scope("/script/access/looked-up", "HostnameLookups On"),
            scope("/script/access/all-credentials", "CGIPassAuth On\nWSGIPassAuthorization On"),
            *(
                scope(f"/script/access/group/{name}", f"WSGIAccessScript {decide} application-group={group}")
                for name, group in GROUP_FORMS.items()
            ),
            scope("/script/access/nothing", f"WSGIAccessScript {layout.apps}/nothing.py"),
            scope("/script/access/empty", f"WSGIAccessScript {broken}/nothing.wsgi"),
            scope("/script/access/raises", f"WSGIAccessScript {broken}/raises.wsgi"),
            scope("/script/access/syntax", f"WSGIAccessScript {broken}/syntax.wsgi"),
            scope("/script/access/exits", f"WSGIAccessScript {broken}/exits.wsgi"),
            scope("/script/access/reload", f"WSGIAccessScript {layout.scratch}/reload.py"),
            scope("/script/access/keep", f"WSGIScriptReloading Off\nWSGIAccessScript {layout.scratch}/keep.py"),
            scope("/static", f"WSGIAccessScript {decide}\nErrorDocument 404 /static/index.html?error"),
            scope("/script/basic", basic, "Require valid-user"),
            scope("/script/basic/nothing", f"WSGIAuthUserScript {layout.apps}/nothing.py"),
            scope("/script/basic/empty", f"WSGIAuthUserScript {broken}/nothing.wsgi"),
            scope("/script/basic/other", f"WSGIAuthUserScript {decide} application-group=other"),
            scope("/script/no-script", "AuthType Basic\nAuthName realm\nAuthBasicProvider wsgi\nRequire valid-user"),
            scope(
                "/script/first",
                BASIC.format(provider="wsgi file", script=decide),
                f"AuthUserFile {layout.root}/users\nRequire valid-user",
            ),
            scope(
                "/script/last",
                BASIC.format(provider="file wsgi", script=decide),
                f"AuthUserFile {layout.root}/users\nRequire valid-user",
            ),
            scope(
                "/script/cached",
                BASIC.format(provider="socache file wsgi", script=decide),
                f"AuthUserFile {layout.root}/users\nAuthnCacheProvideFor file wsgi\nRequire valid-user",
            ),
            scope(
                "/script/digest",
                f"AuthType Digest\nAuthName realm\nAuthDigestProvider wsgi file\nAuthUserFile {layout.root}/digests",
                f"WSGIAuthUserScript {decide}\nRequire valid-user",
            ),
            scope("/script/digest/empty", f"WSGIAuthUserScript {broken}/nothing.wsgi"),
            scope("/script/no-digest", "AuthType Digest\nAuthName realm\nAuthDigestProvider wsgi\nRequire valid-user"),
            scope("/script/group", basic, f"WSGIAuthGroupScript {decide}\nRequire wsgi-group one Staff"),
            scope("/script/group/words", 'Require wsgi-group "two words"'),
            scope("/script/group/two-lines", "Require wsgi-group one\nRequire wsgi-group staff"),
            scope("/script/group/nameless", "Require wsgi-group"),
            scope("/script/group/empty", f"WSGIAuthGroupScript {broken}/nothing.wsgi"),
            scope("/script/group/nothing", f"WSGIAuthGroupScript {layout.apps}/nothing.py"),
            scope("/script/no-group", basic, "Require wsgi-group staff"),
            scope(
                "/script/dispatch",
                f"WSGIDispatchScript {decide} application-group=deciding",
                "SetEnv WHERE of-the-environment",
            ),
            scope("/script/dispatch/raw", "SetEnv PATH /nowhere\nSetEnv HTTPS On\nWSGIPassAuthorization On"),
            scope("/script/dispatch/limited", "WSGIRestrictProcess %{GLOBAL} app"),
            scope("/script/dispatch/callable", "SetEnv ENTRY second\nWSGICallableObject second"),
            scope("/script/dispatch/nothing", f"WSGIDispatchScript {layout.apps}/nothing.py"),
            scope("/script/dispatch/syntax", f"WSGIDispatchScript {broken}/syntax.wsgi"),
            scope("/script/dispatch/empty", f"WSGIDispatchScript {broken}/nothing.wsgi"),
            scope("/handled", f"SetHandler handled\nWSGIDispatchScript {decide}"),
            scope("/script/native", "WSGIPassApacheRequest On"),
        ]
    )


GROUP_FORMS = {
    "default": "%{GLOBAL}",
    "name": "named",
    "server": "%{SERVER}",
    "host": "%{HOST}",
    "resource": "%{RESOURCE}",
    "env": "%{ENV:HOME}",
}

HANDLER = """
import json

def handle_request(environ, start_response):
    start_response("200 OK", [("Content-Type", "application/json")])
    keys = ("mod_wsgi.process_group", "mod_wsgi.application_group", "mod_wsgi.callable_object", "mod_wsgi.request_handler")
    return [json.dumps({key: environ[key] for key in keys}).encode()]
"""


@pytest.fixture
def site(running: Server) -> Iterator[Server]:
    """The file's server with an empty journal."""
    running.layout.write_app("handler.wsgi", HANDLER)
    running.forget_logs()
    journal = running.layout.scratch / "asked"
    journal.write_text("")
    journal.chmod(0o666)
    yield running
    running.check_logs()


def asked(site: Server) -> list[dict[str, Any]]:
    """What the script noted since the test began."""
    return [json.loads(line) for line in (site.layout.scratch / "asked").read_text().splitlines()]


def last_asked(site: Server, name: str) -> dict[str, Any]:
    """The only question of that name."""
    (found,) = [note for note in asked(site) if note["name"] == name]
    return found


def as_user(user: str = "user", password: str = "secret") -> dict[str, str]:
    """Basic credentials; each character is a byte."""
    return {"Authorization": "Basic " + base64.b64encode(f"{user}:{password}".encode("latin-1")).decode()}


def expect_failure(site: Server, code: int, last: str = "") -> None:
    """The one numbered line; 6.1.1 adds others, and tells what went wrong without a number, too."""
    peer = site.layout.module.peer
    if last and not peer:
        if "SyntaxError" in last:  # no frames, nothing ran
            site.expect(r'File ".*line 2')
            site.allow(r"\] (    |SyntaxError)")
        else:
            site.log().expect_traceback(last)
    site.expect_code(code, besides=tuple({57, 105, 174, 175} - {code}) if peer else ())
    if peer:
        site.allow(
            r"Traceback|Error: |^\S+ .*\] (SystemExit|The above exception|  )|\] \[client [^]]*\] \w+(Error|Exit)"
        )


def allow_denial(site: Server) -> None:
    """What httpd itself says when somebody is turned away."""
    site.allow(r"AH0161[478]|AH01630|AH01631|AH0179[0-9]|AH0178[0-9]|AH02542")


# ---- access ----------------------------------------------------------------------------------


@pytest.mark.core
@pytest.mark.parametrize(
    ("answer", "status", "code", "last"),
    [
        ("yes", 200, 0, ""),
        ("none", 200, 0, ""),
        ("no", 403, 57, ""),
        ("one", 403, 55, ""),
        ("text", 403, 55, ""),
        ("object", 403, 55, ""),
        ("raise", 403, 174, "ValueError: boom"),
        ("exit", 403, 175, "SystemExit: 3"),
        ("deep", 403, 174, "RecursionError"),
    ],
)
def test_access(site: Server, answer: str, status: int, code: int, last: str) -> None:
    assert site.get(f"/script/access?access={answer}").status == status
    if code:
        expect_failure(site, code, last)


@pytest.mark.parametrize(
    ("name", "code", "last"),
    [
        ("nothing", 105, ""),
        ("empty", 56, ""),
        ("syntax", 105, "SyntaxError"),
        ("raises", 109, "Error"),
        ("exits", 107, "SystemExit"),
    ],
)
def test_access_script_that_cannot_be_used(site: Server, name: str, code: int, last: str) -> None:
    assert site.get(f"/script/access/{name}").status == 403
    expect_failure(site, code, last)


def test_access_decides_beside_others(site: Server) -> None:
    """True is no grant: what else is required stays required."""
    for answer in ("yes", "none"):
        assert site.get(f"/script/access/denied?access={answer}").status == 403
    site.expect("AH01630", 2)
    site.allow("hint: WSGIScriptAlias")
    assert site.get("/script/access/denied?access=no").status == 403
    allow_denial(site)
    expect_failure(site, 57)


@pytest.mark.core
def test_who_asks(site: Server) -> None:
    """Everything runs in the Apache child, also when a daemon serves the request."""
    found = site.get("/script/access").json()
    note = last_asked(site, "access")
    assert note["asked"] == ["127.0.0.1"]
    assert note["pid"] in site.family()
    assert str(note["pid"]) == found["mod_wsgi.server_pid"]


def test_environ(site: Server) -> None:
    """R21: the CGI variables are there, a body cannot be read, and no credentials are in it."""
    reply = site.request("POST", "/script/access/x//y?a=b", b"body", headers={
        "X-Own": "own", "Cookie": "a=b", "Content-Type": "text/plain", "X_Under": "no", **as_user(),
    })  # fmt: skip
    application, environ = reply.json(), last_asked(site, "access")["environ"]
    same = ("REQUEST_URI", "REMOTE_ADDR", "REMOTE_PORT", "SERVER_NAME", "SERVER_PORT", "SERVER_ADDR", "SERVER_SOFTWARE", "SERVER_PROTOCOL",
            "REQUEST_METHOD", "QUERY_STRING", "SCRIPT_NAME", "PATH_INFO", "DOCUMENT_ROOT", "HTTP_HOST", "HTTP_COOKIE", "HTTP_X_OWN",
            "CONTENT_TYPE", "CONTENT_LENGTH", "SERVER_ADMIN")  # fmt: skip
    for name in same:
        assert environ[name] == application[name], name
    rest = {"SERVER_SIGNATURE", "apache.version", "mod_wsgi.version", "mod_wsgi.process_group", "mod_wsgi.application_group",
            "mod_ssl.is_https", "mod_ssl.var_lookup", "wsgi.errors"}  # fmt: skip
    assert set(environ) == {*same, *rest}
    assert (environ["mod_wsgi.process_group"], environ["mod_wsgi.application_group"]) == ("", "")


@pytest.mark.ours("D404: 6.1.1 hands the Proxy header to scripts that decide")
def test_no_http_proxy(site: Server) -> None:
    site.get("/script/access", headers={"Proxy": "http://evil.invalid"})
    assert "HTTP_PROXY" not in last_asked(site, "access")["environ"]


def test_never_credentials(site: Server) -> None:
    """Whatever the application gets."""
    headers = {**as_user(), "Proxy-Authorization": "Basic x"}
    assert "HTTP_AUTHORIZATION" in site.get("/script/access/all-credentials", headers=headers).json()
    assert not [name for name in last_asked(site, "access")["environ"] if "AUTHORIZATION" in name]


def test_host_names(site: Server) -> None:
    """Only as httpd looks them up."""
    site.get("/script/access/looked-up")
    note = last_asked(site, "access")
    assert note["asked"] == [note["environ"].get("REMOTE_HOST", "127.0.0.1")]


def test_request_rec(site: Server) -> None:
    """For a script that decides always, for an application in Apache's own process."""
    site.get("/script/access/native")
    assert last_asked(site, "access")["environ"]["apache.request_rec"][0] == "PyCapsule"
    found = site.get("/script/native").json()
    assert ("apache.request_rec" in found) == (site.layout.mode == "embedded")


def test_no_mod_ssl(site: Server) -> None:
    site.get("/script/access")
    note = last_asked(site, "access")
    assert (note["mod_ssl.is_https"], note["mod_ssl.var_lookup"]) == (0, None)


@pytest.mark.parametrize("form", sorted(GROUP_FORMS))
def test_application_group(site: Server, form: str) -> None:
    """Of the forms of a name these scripts know three."""
    port = site.layout.port
    expected = {
        "default": "", "name": "named", "server": f"localhost:{port}", "host": f"other.invalid:{port}",
        "resource": "%{RESOURCE}", "env": "%{ENV:HOME}",
    }  # fmt: skip
    assert site.get(f"/script/access/group/{form}", headers={"Host": f"other.invalid:{port}"}).status == 200
    assert last_asked(site, "access")["environ"]["mod_wsgi.application_group"] == expected[form]


def test_reloading(site: Server) -> None:
    """In place, by its time only; a script that is gone does not let anybody in."""
    names = ("reload", "keep")

    def statuses(result: str = "") -> list[int]:
        text = f"def reload_required(path): raise ValueError\ndef allow_access(environ, host): return {result}\n"
        for name in names:
            if result:
                site.layout.write_app(f"../scratch/{name}.py", text)
        return [site.get(f"/script/access/{name}").status for name in names]

    assert statuses("True") == [200, 200]
    assert statuses("False") == [403, 200]
    expect_failure(site, 57)
    site.forget_logs()
    for name in names:
        (site.layout.scratch / f"{name}.py").unlink()
    assert statuses() == [403, 200]
    expect_failure(site, 105)


# ---- sub-requests and redirects ---------------------------------------------------------------


def test_static_files_and_sub_requests(site: Server) -> None:
    """Each part of a page is asked about, also those that mod_dir and mod_include look for."""
    assert site.get("/static/index.html").body == b"index\n"
    assert site.get("/static/page.shtml").body == b"one index\n two\n"
    assert site.get("/static/").body == b"index\n"
    paths = [note["environ"]["SCRIPT_NAME"] for note in asked(site)]
    assert paths == ["/static/index.html", "/static/page.shtml", "/static/index.html", "/static/", "/static/index.html"]


def test_htaccess(site: Server) -> None:
    """Where AllowOverride AuthConfig is, a directory can have scripts of its own."""
    assert site.get("/local/file.html?groups=staff", headers=as_user()).body == b"local\n"
    assert [note["name"] for note in asked(site)] == ["access", "password", "groups"]
    assert last_asked(site, "access")["environ"]["mod_wsgi.application_group"] == "local"
    assert site.get("/local/file.html?access=no", headers=as_user()).status == 403
    expect_failure(site, 57)


def test_error_document(site: Server) -> None:
    reply = site.get("/static/missing")
    assert (reply.status, reply.body) == (404, b"index\n")
    assert [note["environ"]["QUERY_STRING"] for note in asked(site)] == ["", "error"]
    assert site.get("/static/missing?access=no").status == 403
    expect_failure(site, 57)


# ---- Basic -----------------------------------------------------------------------------------


@pytest.mark.core
@pytest.mark.parametrize(
    ("answer", "status", "user", "code", "last"),
    [
        ("yes", 200, "user", 0, ""),
        ("no", 401, "", 0, ""),
        ("none", 401, "", 0, ""),
        ("text", 200, "somebody", 0, ""),
        ("lie", 200, "somebody", 0, ""),
        ("e-acute", 200, "\xc3\xa9", 0, ""),
        ("one", 500, "", 177, ""),
        ("bytes", 500, "", 177, ""),
        ("empty", 500, "", 176, ""),
        ("raise", 500, "", 174, "ValueError: boom"),
        ("exit", 500, "", 175, "SystemExit: 3"),
    ],
)
def test_basic(site: Server, answer: str, status: int, user: str, code: int, last: str) -> None:
    reply = site.get(f"/script/basic?password={answer}", headers=as_user())
    assert reply.status == status
    assert last_asked(site, "password")["asked"] == ["user", "secret"]
    if status == 200:
        found = reply.json()
        assert (found["REMOTE_USER"], found["AUTH_TYPE"]) == (user, "Basic")
        assert "HTTP_AUTHORIZATION" not in found
    if status == 401:
        assert reply.get("WWW-Authenticate") == 'Basic realm="realm"'
        site.expect("AH01617" if answer == "no" else "AH01618")
    if code:
        expect_failure(site, code, last)
        assert "secret" not in site.log().tail(100)


@pytest.mark.ours("D401: 6.1.1 takes the name up to the NUL")
@pytest.mark.parametrize("answer", ["nul", "surrogate"])
def test_basic_with_an_impossible_name(site: Server, answer: str) -> None:
    assert site.get(f"/script/basic?password={answer}", headers=as_user()).status == 500
    expect_failure(site, 177)


def test_basic_without_credentials(site: Server) -> None:
    reply = site.get("/script/basic")
    assert (reply.status, reply.get("WWW-Authenticate")) == (401, 'Basic realm="realm"')
    assert asked(site) == []


def test_basic_environ(site: Server) -> None:
    site.get("/script/basic/other", headers={**as_user(), "X-Own": "own"})
    environ = last_asked(site, "password")["environ"]
    assert (environ["HTTP_X_OWN"], environ["mod_wsgi.application_group"]) == ("own", "other")
    assert not {"HTTP_AUTHORIZATION", "REMOTE_USER", "AUTH_TYPE", "wsgi.input"} & set(environ)


@pytest.mark.parametrize(("path", "code"), [("no-script", 41), ("basic/empty", 43), ("basic/nothing", 105)])
def test_basic_script_that_cannot_be_used(site: Server, path: str, code: int) -> None:
    assert site.get(f"/script/{path}", headers=as_user()).status == 500
    expect_failure(site, code)


@pytest.mark.parametrize(
    ("path", "answer", "user", "password", "status", "who"),
    [
        ("first", "none", "filed", "of-the-file", 200, 1),
        ("first", "none", "filed", "wrong", 401, 1),
        ("first", "none", "stranger", "wrong", 401, 1),
        ("first", "no", "filed", "of-the-file", 401, 1),
        ("first", "yes", "filed", "wrong", 200, 1),
        ("last", "none", "filed", "of-the-file", 200, 0),
        ("last", "yes", "filed", "wrong", 401, 0),
        ("last", "yes", "stranger", "x", 200, 1),
        ("last", "none", "stranger", "x", 401, 1),
        ("cached", "yes", "filed", "of-the-file", 200, 0),
        ("cached", "yes", "filed", "wrong", 401, 0),
        ("cached", "yes", "stranger", "x", 200, 1),
        ("cached", "no", "stranger", "x", 401, 1),
    ],
)
def test_other_providers(site: Server, path: str, answer: str, user: str, password: str, status: int, who: int) -> None:
    """None hands the user on to the next provider; a No or a Yes is final. Each twice: a cache is in between."""
    for _ in range(2):
        assert site.get(f"/script/{path}?password={answer}", headers=as_user(user, password)).status == status
    assert len(asked(site)) == 2 * who
    allow_denial(site)


# ---- Digest ----------------------------------------------------------------------------------


def challenge(site: Server, path: str) -> dict[str, str]:
    """What a client needs to know."""
    text = site.get(path).get("WWW-Authenticate")
    assert text is not None
    assert text.startswith("Digest ")
    return dict(re.findall(r'(\w+)="?([^",]+)"?', text))


def digest(site: Server, target: str, user: str = "user", password: str = "secret") -> dict[str, str]:
    """Digest credentials for a GET."""
    asked_for = challenge(site, "/script/digest")

    def md5(text: str) -> str:
        return hashlib.md5(text.encode("latin-1")).hexdigest()

    first, second = md5(f"{user}:{asked_for['realm']}:{password}"), md5(f"GET:{target}")
    response = md5(f"{first}:{asked_for['nonce']}:00000001:abcd:auth:{second}")
    return {
        "Authorization": f'Digest username="{user}", realm="realm", nonce="{asked_for["nonce"]}", uri="{target}", '
        f'response="{response}", algorithm=MD5, qop=auth, nc=00000001, cnonce="abcd"'
    }


@pytest.mark.core
@pytest.mark.parametrize(
    ("answer", "status", "code", "last"),
    [
        ("", 200, 0, ""),
        ("hash-bytes", 200, 0, ""),
        ("upper", 401, 0, ""),
        ("none", 401, 0, ""),
        ("text", 401, 0, ""),
        ("long", 401, 0, ""),
        ("empty", 500, 178, ""),
        ("empty-bytes", 500, 178, ""),
        ("yes", 500, 179, ""),
        ("one", 500, 179, ""),
        ("raise", 500, 174, "ValueError: boom"),
        ("exit", 500, 175, "SystemExit: 3"),
    ],
)
def test_digest(site: Server, answer: str, status: int, code: int, last: str) -> None:
    target = f"/script/digest?hash={answer}"
    reply = site.get(target, headers=digest(site, target))
    assert reply.status == status
    assert last_asked(site, "hash")["asked"] == ["user", "realm"]
    if status == 200:
        assert (reply.json()["REMOTE_USER"], reply.json()["AUTH_TYPE"]) == ("user", "Digest")
    if code:
        expect_failure(site, code, last)
    allow_denial(site)


@pytest.mark.ours("D401, D403: 6.1.1 numbers a hash outside latin-1 as an exception, and cuts one at a NUL")
@pytest.mark.parametrize("answer", ["wide", "nul"])
def test_digest_with_an_impossible_hash(site: Server, answer: str) -> None:
    target = f"/script/digest?hash={answer}"
    assert site.get(target, headers=digest(site, target)).status == 500
    expect_failure(site, 179)


def test_digest_users(site: Server) -> None:
    """A wrong password, a user of the next provider, one of nobody, one that is no ASCII."""
    for user, password, status in (
        ("user", "wrong", 401),
        ("filed", "of-the-file", 401),
        ("nobody", "secret", 401),
        ("us\xe9r", "secret", 200),
    ):
        reply = site.get("/script/digest", headers=digest(site, "/script/digest", user, password))
        assert reply.status == status, user
        if status == 200:
            assert reply.json()["REMOTE_USER"] == user
    target = "/script/digest?hash=none"
    assert site.get(target, headers=digest(site, target, "filed", "of-the-file")).json()["REMOTE_USER"] == "filed"
    allow_denial(site)


@pytest.mark.parametrize(("path", "code"), [("no-digest", 44), ("digest/empty", 46)])
def test_digest_script_that_cannot_be_used(site: Server, path: str, code: int) -> None:
    target = f"/script/{path}"
    assert site.get(target, headers=digest(site, target)).status == 500
    expect_failure(site, code)


# ---- groups ----------------------------------------------------------------------------------


@pytest.mark.core
@pytest.mark.parametrize(
    ("answer", "status", "code", "last"),
    [
        ("staff", 200, 0, ""),
        ("STAFF", 200, 0, ""),
        ("staff-bytes", 200, 0, ""),
        ("staff-dict", 200, 0, ""),
        ("staff-iterator", 200, 0, ""),
        ("staff-lie", 200, 0, ""),
        ("nobody", 401, 59, ""),
        ("others", 401, 60, ""),
        ("str-group", 401, 60, ""),
        ("int-group", 401, 50, ""),
        ("bytes", 401, 50, ""),
        ("wide-group", 401, 49, ""),
        ("none", 401, 51, ""),
        ("one", 401, 51, ""),
        ("raise", 401, 174, "ValueError: boom"),
        ("exit", 401, 175, "SystemExit: 3"),
    ],
)
def test_groups(site: Server, answer: str, status: int, code: int, last: str) -> None:
    assert site.get(f"/script/group?groups={answer}", headers=as_user()).status == status
    assert last_asked(site, "groups")["asked"] == ["user"]
    if code:
        expect_failure(site, code, last)
    allow_denial(site)


@pytest.mark.ours("D406: 6.1.1 names the user who is denied")
@pytest.mark.parametrize(("answer", "code"), [("nobody", 59), ("others", 60)])
def test_names_of_users_are_not_logged(site: Server, answer: str, code: int) -> None:
    """S9: what was typed as a name may be a password. The one line of httpd's own with it is not ours."""
    assert site.get(f"/script/group?groups={answer}", headers=as_user("zaphod-beeblebrox")).status == 401
    assert last_asked(site, "groups")["asked"] == ["zaphod-beeblebrox"]
    expect_failure(site, code)
    allow_denial(site)
    assert not [line.text for line in site.log().lines() if line.module == "wsgi" and "zaphod" in line.text]


@pytest.mark.ours("D405: 6.1.1 needs minutes for it")
def test_many_groups(site: Server) -> None:
    assert site.get("/script/group?groups=many", headers=as_user()).status == 200


@pytest.mark.ours("D401, D402: 6.1.1 goes on with what came before the exception, and cuts a name at a NUL")
def test_groups_that_break_off(site: Server) -> None:
    assert site.get("/script/group?groups=half", headers=as_user()).status == 401
    expect_failure(site, 174, "ValueError: half way")
    site.forget_logs()
    assert site.get("/script/group?groups=nul-group", headers=as_user()).status == 401
    expect_failure(site, 50)
    allow_denial(site)


@pytest.mark.parametrize(
    ("path", "answer", "status", "codes"),
    [
        ("words", "two-words", 200, []),
        ("words", "staff", 401, [60]),
        ("two-lines", "staff", 200, [60]),
        ("two-lines", "others", 401, [60, 60]),
        ("nameless", "staff", 401, [60]),
        ("empty", "staff", 401, [52]),
        ("nothing", "staff", 401, [105]),
    ],
)
def test_require(site: Server, path: str, answer: str, status: int, codes: list[int]) -> None:
    assert site.get(f"/script/group/{path}?groups={answer}", headers=as_user()).status == status
    found = [code for code in site.log().codes() if code != 174 or not site.layout.module.peer]
    assert found == codes
    site.allow("WSGI|Error: ")
    allow_denial(site)


def test_groups_are_asked_of_known_users_only(site: Server) -> None:
    assert site.get("/script/group").status == 401
    assert site.get("/script/group", headers=as_user(password="wrong")).status == 401
    assert "groups" not in [note["name"] for note in asked(site)]
    allow_denial(site)


def test_no_group_script(site: Server) -> None:
    assert site.get("/script/no-group", headers=as_user()).status == 401
    expect_failure(site, 58)
    allow_denial(site)


# ---- dispatch --------------------------------------------------------------------------------


def groups_of(reply: Reply) -> tuple[str, str, str]:
    """Where a request was served."""
    found = reply.json()
    return tuple(found[f"mod_wsgi.{name}"] for name in ("process_group", "application_group", "callable_object"))


@pytest.mark.core
@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("", ("@", "*|/script", "application")),
        ("process=second", ("second", "*|/script", "application")),
        ("process=second&application=named", ("second", "named", "application")),
        ("process=none&application=lie", ("@", "somebody", "application")),
        ("application=bytes", ("@", "somebody", "application")),
        ("application=empty", ("@", "", "application")),
        ("application=%25%7BGLOBAL%7D", ("@", "", "application")),
        ("application=%25%7BRESOURCE%7D", ("@", "*|/script", "application")),
        ("application=%25%7BSERVER%7D", ("@", "*", "application")),
        ("application=%25%7BENV:WHERE%7D", ("@", "of-the-environment", "application")),
        ("application=%25%7BENV:NOWHERE%7D", ("@", "%{ENV:NOWHERE}", "application")),
        ("callable=second", ("@", "*|/script", "second")),
        ("callable=%25%7BGLOBAL%7D", ("@", "*|/script", "application")),
        ("process=%25%7BGLOBAL%7D&callable=second", ("", "*|/script", "second")),
        ("process=empty", ("", "*|/script", "application")),
    ],
)
def test_dispatch(site: Server, query: str, expected: tuple[str, str, str]) -> None:
    mine = "app" if site.layout.mode == "daemon" else ""
    server = f"localhost:{site.layout.port}"
    wanted = tuple(mine if text == "@" else text.replace("*", server) for text in expected)
    reply = site.get(f"/script/dispatch?{query}")
    assert groups_of(reply) == wanted
    assert (reply.json()["mod_wsgi.server_pid"] == str(last_asked(site, "process")["pid"])) is True
    assert ("test.entry" in reply.json()) == ("second" in wanted[2])


def test_dispatch_over_the_directive(site: Server) -> None:
    """None keeps what the scope says, a name replaces it."""
    assert groups_of(site.get("/script/dispatch/callable"))[2] == "second"
    assert groups_of(site.get("/script/dispatch/callable?callable=application"))[2] == "application"
    assert groups_of(site.get("/script/dispatch/callable?callable=%25%7BENV:ENTRY%7D"))[2] == "second"


@pytest.mark.parametrize(
    ("query", "code", "last", "functions"),
    [
        ("process=raise", 174, "ValueError: boom", 1),
        ("process=exit", 175, "SystemExit: 3", 1),
        ("application=raise", 174, "ValueError: boom", 2),
        ("callable=raise", 174, "ValueError: boom", 3),
        ("process=one", 174, "", 1),
        ("application=yes", 174, "", 2),
        ("process=unknown", 151, "", 3),
        ("process=far", 152, "", 3),
    ],
)
def test_dispatch_failures(site: Server, query: str, code: int, last: str, functions: int) -> None:
    """Functions after the one that failed are not called, and nothing is served."""
    assert site.get(f"/script/dispatch?{query}").status == 500
    assert len(asked(site)) == functions
    expect_failure(site, code, last)


@pytest.mark.ours("D401: 6.1.1 cuts the name at the NUL")
def test_dispatch_with_a_nul(site: Server) -> None:
    assert site.get("/script/dispatch?application=nul").status == 500
    expect_failure(site, 174)


def test_dispatch_within_limits(site: Server) -> None:
    """What a script says is still subject to WSGIRestrictProcess."""
    assert site.get("/script/dispatch/limited").status == 200
    assert site.get("/script/dispatch/limited?process=second").status == 500
    expect_failure(site, 149)


@pytest.mark.parametrize(
    ("name", "code", "last"), [("nothing", 105, ""), ("syntax", 105, "SyntaxError"), ("empty", 0, "")]
)
def test_dispatch_script_that_cannot_be_used(site: Server, name: str, code: int, last: str) -> None:
    """The request is served as the directives say."""
    mine = "app" if site.layout.mode == "daemon" else ""
    assert groups_of(site.get(f"/script/dispatch/{name}"))[0] == mine
    if code:
        expect_failure(site, code, last)


def test_dispatch_environ(site: Server) -> None:
    """What the application will get, and what is behind it; nothing of WSGI but the log."""
    application = site.get("/script/dispatch/raw/x", headers=as_user()).json()
    note = last_asked(site, "process")
    environ = note["environ"]
    assert (environ["PATH"], environ["HTTPS"], environ["WHERE"]) == ("/nowhere", "On", "of-the-environment")
    assert environ["HTTP_AUTHORIZATION"] == as_user()["Authorization"]
    assert (environ["mod_wsgi.process_group"], environ["mod_wsgi.application_group"]) == ("", "deciding")
    hidden = {name for name in environ if name.startswith("mod_wsgi.x-")}
    assert hidden == {
        "mod_wsgi.x-script_reloading",
        "mod_wsgi.x-enable_sendfile",
        "mod_wsgi.x-ignore_activity",
        "mod_wsgi.x-request_start_us",
    }
    assert {name for name in environ if name.startswith("wsgi.")} == {"wsgi.errors"}
    differs = {"wsgi.errors", "mod_wsgi.process_group", "mod_wsgi.application_group"}
    own = {name for name in application if not name.startswith("wsgi.")} & set(environ)
    assert {name for name in own if application[name] != environ[name]} <= differs
    assert set(environ) - set(application) == {"PATH", "HTTPS", *hidden}
    assert {
        "mod_wsgi.request_handler",
        "mod_wsgi.handler_script",
        "mod_wsgi.script_name",
        "mod_wsgi.request_id",
    } <= set(environ)


def test_dispatch_of_a_handler_script(site: Server) -> None:
    (site.layout.htdocs / "handled").mkdir(exist_ok=True)
    assert groups_of(site.get("/handled/any?process=second&application=named")) == ("second", "named", "handle_request")


# ---- many at once ------------------------------------------------------------------------------


@pytest.mark.core
def test_many_at_once(site: Server) -> None:
    """Each request is answered with its own user, in all interpreters and threads at once."""
    wrong: list[Any] = []

    def client(number: int) -> None:
        for turn in range(25):
            name = f"user-{number}-{turn}"
            target = f"/script/basic{'/other' * (turn % 2)}?password={name}"
            reply = site.get(target, headers=as_user(f"sent-{number}", f"{turn}"))
            if reply.status != 200 or reply.json()["REMOTE_USER"] != name:
                wrong.append(reply)

    threads = [threading.Thread(target=client, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert not wrong
    notes = [note for note in asked(site) if note["name"] == "password"]
    assert sorted(tuple(note["asked"]) for note in notes) == sorted(
        (f"sent-{number}", f"{turn}") for number in range(8) for turn in range(25)
    )


# ---- bytes of all kinds ------------------------------------------------------------------------


def send_raw(connection: RawConnection, target: str, value: bytes) -> int:
    """The status of one request with that Authorization, on a connection that stays open."""
    connection.send(
        b"GET " + target.encode() + b" HTTP/1.1\r\nHost: localhost\r\nAuthorization: " + value + b"\r\n\r\n"
    )
    head = connection.receive_until(b"\r\n\r\n")
    if b"ransfer-Encoding: chunked" in head:
        connection.receive_until(b"\r\n0\r\n\r\n")
    else:
        found = re.search(rb"Content-Length: (\d+)", head)
        assert found is not None, head
        need = int(found[1])
        while len(connection.buffer) < need:
            more = connection.socket.recv(65536)
            assert more, "the connection ended in a body"
            connection.buffer += more
        connection.buffer = connection.buffer[need:]
    return int(head.split(b" ", 2)[1])


def ask_raw(site: Server, target: str, values: list[bytes]) -> list[int]:
    """The statuses; a connection that httpd has closed is made anew."""
    statuses: list[int] = []
    while len(statuses) < len(values):
        with RawConnection(site.layout.port) as connection:
            for value in values[len(statuses) : len(statuses) + 50]:
                statuses.append(send_raw(connection, target, value))
                if statuses[-1] == 400:
                    break
    return statuses


def test_random_credentials(site: Server) -> None:
    """R17: any bytes as user and password; those that httpd lets through arrive unchanged."""
    dice = random.Random(20)
    before = set(site.family())
    values, expected = [], []
    for _ in range(2000):
        user = bytes(dice.randrange(256) for _ in range(dice.randrange(30)))
        good = dice.random() < 0.5
        password = user[::-1] if good else bytes(dice.randrange(256) for _ in range(dice.randrange(30)))
        values.append(b"Basic " + base64.b64encode(user + b":" + password))
        whole = b"\0" not in user + password and b":" not in user
        expected.append(200 if good and whole else None)
    statuses = ask_raw(site, "/script/basic?echo", values)
    for status, wanted in zip(statuses, expected, strict=True):
        assert status in (200, 401)
        assert wanted is None or status == wanted
    assert 401 in statuses
    assert before <= set(site.family()), "a process has died"
    allow_denial(site)


def test_strange_credentials(site: Server) -> None:
    """R17: headers that are no credentials at all, and names that are far too long."""
    before = set(site.family())
    dice = random.Random(21)
    values = [
        b"",
        b"Basic",
        b"Basic ",
        b"Basic !!!",
        b"Basic =",
        b"Basic Og==",
        b"Basic dXNlcg==",
        b"Bearer x",
        b"Digest x",
        b"basic dTp1",
    ]
    values += [b"Basic " + base64.b64encode(b"u" * 3000 + b":" + b"u" * 3000)]
    values += [b"Basic " + base64.b64encode(b"\x01\x1b[31m\x7f\r\n:x"), b"Basic " + base64.b64encode(b"a\0b:b")]
    values += [bytes(dice.choice(range(0x21, 0x100)) for _ in range(dice.randrange(60))) for _ in range(300)]
    assert set(ask_raw(site, "/script/basic?echo", values)) <= {200, 400, 401}
    assert set(ask_raw(site, "/script/digest", values)) <= {400, 401}
    assert before <= set(site.family()), "a process has died"
    allow_denial(site)
    site.allow(r"AH\d+")


def test_malformed_digests(site: Server) -> None:
    """R17: fields that are missing, doubled, or hold anything."""
    before = set(site.family())
    dice = random.Random(22)
    good = digest(site, "/script/digest")["Authorization"].encode()
    fields = good.removeprefix(b"Digest ").split(b", ")
    values = [b"Digest " + b", ".join(fields[:n] + fields[n + 1 :]) for n in range(len(fields))]
    values += [b"Digest " + b", ".join([*fields, field]) for field in fields]
    for _ in range(300):
        raw = bytearray(good)
        for _ in range(dice.randrange(1, 6)):
            raw[dice.randrange(7, len(raw))] = dice.choice([*range(0x20, 0x7F), *range(0x80, 0x100)])
        values.append(bytes(raw))
    values.append(good.replace(b'username="user"', b'username="' + b"\xff" * 5000 + b'"'))
    statuses = ask_raw(site, "/script/digest", values)
    assert set(statuses) <= {200, 400, 401}
    assert site.get("/script/digest", headers=digest(site, "/script/digest")).status == 200
    assert before <= set(site.family()), "a process has died"
    allow_denial(site)
    site.allow(r"AH\d+")


# ---- servers of their own ----------------------------------------------------------------------


def decide_only(layout: Layout) -> str:
    """No Python for requests in Apache's processes; a script decides all the same."""
    decide = layout.apps / "deciding.py"
    layout.write_app("handler.wsgi", HANDLER)
    (layout.scratch / "asked").write_text("")
    (layout.scratch / "asked").chmod(0o666)
    return f"""
WSGIRestrictEmbedded On
WSGIDaemonProcess app processes=1 threads=4
WSGIScriptAlias /daemon {layout.apps}/environ.wsgi process-group=app
WSGIScriptAlias /embedded {layout.apps}/environ.wsgi
<Location />
    WSGIAccessScript {decide}
    WSGIDispatchScript {decide}
</Location>
"""


@pytest.mark.parametrize("mpm", ["event", "worker", "prefork"])
def test_restricted_embedded(new_server: Callable[..., Server], mpm: str) -> None:
    """Deciding is no embedded use: it goes on when that is forbidden."""
    site = new_server(decide_only, mpm=mpm).start()
    assert site.get("/daemon").json()["mod_wsgi.process_group"] == "app"
    assert site.get("/daemon?application=named").json()["mod_wsgi.application_group"] == "named"
    assert site.get("/embedded").status == 500
    site.expect_code(143)
    assert site.get("/embedded?process=app").json()["mod_wsgi.process_group"] == "app"
    site.graceful()
    site.allow("AH00297")
    assert site.get("/daemon?access=no").status == 403
    site.expect(r"WSGI0057")


def encrypted(layout: Layout) -> str:
    """First port: https; second port: http."""
    key, certificate = layout.root / "server.key", layout.root / "server.crt"
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=localhost",
         "-keyout", str(key), "-out", str(certificate)],
        check=True, capture_output=True, timeout=60,
    )  # fmt: skip
    return f"""
{layout.delegate()}
SSLSessionCache none
WSGIScriptAlias /adapter {layout.write_app("adapter.wsgi", ADAPTER)}
WSGIScriptAlias / {layout.apps}/environ.wsgi
<VirtualHost *:{layout.ports[0]}>
    SSLEngine on
    SSLCertificateFile {certificate}
    SSLCertificateKeyFile {key}
</VirtualHost>
<Location /decide>
    WSGIAccessScript {layout.apps}/deciding.py
    WSGIDispatchScript {layout.apps}/deciding.py
</Location>
"""


ADAPTER = """
import json

def application(environ, start_response):
    adapter = start_response.__self__
    found = [adapter.ssl_is_https()]
    found += [adapter.ssl_var_lookup(name) for name in ("SSL_PROTOCOL", b"SSL_SERVER_S_DN_CN", "NO_SUCH_THING")]
    start_response("200 OK", [])
    return [json.dumps(found).encode()]
"""


@pytest.mark.parametrize("mode", ["embedded", "daemon"])
def test_mod_ssl(new_server: Callable[..., Server], mode: str) -> None:
    """A script that decides can ask mod_ssl, an application only in Apache's own process."""
    site = new_server(encrypted, mode=mode, modules=("ssl", "socache_shmcb", "authz_host"), ports=2)
    (site.layout.scratch / "asked").write_text("")
    (site.layout.scratch / "asked").chmod(0o666)
    site.start()
    site.allow(r"\[ssl:warn\]")

    def get(target: str) -> Any:
        connection = http.client.HTTPSConnection(HOST, site.layout.port, context=ssl._create_unverified_context())
        connection.request("GET", target)
        body = connection.getresponse().read()
        connection.close()
        return json.loads(body)

    assert get("/decide")["wsgi.url_scheme"] == "https"
    access, dispatch = (last_asked(site, name) for name in ("access", "process"))
    assert access["mod_ssl.is_https"] == 1
    assert access["mod_ssl.var_lookup"].startswith("TLSv1")
    assert dispatch["environ"]["HTTPS"] == "1"
    adapter = get("/adapter")
    if mode == "embedded":
        assert adapter[0] == 1
        assert adapter[1].startswith("TLSv1")
        assert adapter[2:] == ["localhost", ""]
    elif not site.layout.module.peer:  # its daemons are forked from a process with mod_ssl
        assert adapter == [0, None, None, None]
    assert request(site.layout.ports[1], "GET", "/decide").json()["wsgi.url_scheme"] == "http"
    assert asked(site)[-1]["environ"].get("HTTPS") is None
    plain = request(site.layout.ports[1], "GET", "/adapter").json()
    if mode == "embedded":
        assert plain == [0, "", "", ""]
