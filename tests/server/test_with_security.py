# SPDX-License-Identifier: Apache-2.0
"""Modules that ask who is there, and those that refuse: authentication, TLS, addresses, time limits, mod_security."""

from __future__ import annotations

import base64
import hashlib
import os
import re
import subprocess
import urllib.parse
import urllib.request

from pathlib import Path
from typing import Any

import pytest

from harness import Layout, RawConnection, Reply, Server, request, wait_until
from harness.calls import words
from harness.client import HOST
from harness.places import places
from harness.tls import Authority

MODULES = (
    "authn_core",
    "authn_file",
    "authz_user",
    "authz_groupfile",
    "authz_host",
    "auth_basic",
    "auth_digest",
    "auth_form",
    "request",
    "session",
    "session_cookie",
    "remoteip",
    "reqtimeout",
    "ssl",
    "http2",
    "socache_shmcb",
    "unique_id",
    "security2",
    "headers",
)
PORTS = 5

# A rule each for head, body, and answer.
RULES = """
SecRuleEngine On
SecRequestBodyAccess On
SecResponseBodyAccess On
SecResponseBodyMimeType text/plain application/json
SecRequestBodyLimit 1000000
SecRequestBodyNoFilesLimit 1000000
SecResponseBodyLimit 500000
SecAuditEngine Off
SecRule REQUEST_HEADERS:X-Attack "@contains evil" "id:1,phase:1,deny,status:403,nolog"
SecRule ARGS:comment "@contains evil" "id:2,phase:2,deny,status:403,nolog"
SecRule REQUEST_BODY "@contains evil" "id:3,phase:2,deny,status:403,nolog"
SecRule RESPONSE_BODY "@contains secret" "id:4,phase:4,deny,status:403,nolog"
SecRule RESPONSE_HEADERS:X-Leak "@rx ." "id:5,phase:3,deny,status:403,nolog"
SecRule RESPONSE_STATUS "@streq 418" "id:6,phase:3,deny,status:404,nolog"
SecAction "id:7,phase:1,pass,nolog,setenv:seen=yes"
"""
USER, PASSWORD = "somebody", "pass:word"


def digest_of(text: str) -> str:
    """As Digest authentication wants it."""
    return hashlib.md5(text.encode()).hexdigest()


def write_users(layout: Layout) -> None:
    """Password files of each kind; {SHA} needs no tool."""
    code = base64.b64encode(hashlib.sha1(PASSWORD.encode()).digest()).decode()
    (layout.root / "users").write_text(f"{USER}:{{SHA}}{code}\nother:{{SHA}}{code}\n")
    (layout.root / "digests").write_text(f"{USER}:here:{digest_of(f'{USER}:here:{PASSWORD}')}\n")
    (layout.root / "groups").write_text(f"staff: {USER}\n")


def configure(layout: Layout) -> str:
    """Ports: authentication; TLS with two names; HTTP/2 over TLS; mod_security; proxies and time limits."""
    write_users(layout)
    authority = Authority(layout.root / "tls", "one.invalid", "two.invalid", clients=("visitor",))
    app = layout.apps / "around.wsgi"
    tls = f"SSLCACertificateFile {authority.certificate()}"
    basic = f"AuthType Basic\nAuthName here\nAuthBasicProvider file\nAuthUserFile {layout.root}/users"
    return f"""
{layout.delegate()}
WSGIChunkedRequest On
WSGIScriptAlias / {app}
SSLSessionCache none
RequestReadTimeout handshake=0 header=0 body=0
<IfModule security2_module>
    SecRuleEngine Off
    SecTmpDir {layout.scratch}
    SecDataDir {layout.scratch}
</IfModule>
<VirtualHost *:{layout.ports[0]}>
    ErrorDocument 401 "the server's 401"
    <Location /basic>
        {basic}
        Require valid-user
    </Location>
    <Location /basic/passed>
        WSGIPassAuthorization On
    </Location>
    <Location /group>
        {basic}
        AuthGroupFile {layout.root}/groups
        Require group staff
    </Location>
    <Location /digest>
        AuthType Digest
        AuthName here
        AuthDigestProvider file
        AuthUserFile {layout.root}/digests
        Require valid-user
    </Location>
    <Location /either>
        {basic}
        <RequireAny>
            Require valid-user
            Require ip 10.0.0.1
        </RequireAny>
    </Location>
    <Location /form>
        AuthType form
        AuthName here
        AuthFormProvider file
        AuthUserFile {layout.root}/users
        Session On
        SessionCookieName session path=/
        Require valid-user
    </Location>
    <Location /login>
        SetHandler form-login-handler
        AuthType form
        AuthName here
        AuthFormProvider file
        AuthUserFile {layout.root}/users
        AuthFormLoginSuccessLocation /form/show
        Session On
        SessionCookieName session path=/
    </Location>
    <Location /own>
        WSGIPassAuthorization On
    </Location>
    <Location /replaced>
        WSGIErrorOverride On
    </Location>
</VirtualHost>
<VirtualHost *:{layout.ports[1]}>
    ServerName one.invalid
    {authority.lines("one.invalid")}
    {tls}
    SSLVerifyClient optional
    SSLOptions +StdEnvVars
    <Location /exported>
        SSLOptions +StdEnvVars +ExportCertData
    </Location>
    <Location /fake>
        SSLOptions +FakeBasicAuth
        AuthType Basic
        AuthName here
        AuthBasicProvider file
        AuthUserFile {layout.root}/fake
        Require valid-user
    </Location>
    <Location /strict>
        Require ssl-verify-client
    </Location>
    <Location /named>
        SSLUserName SSL_CLIENT_S_DN_CN
    </Location>
</VirtualHost>
<VirtualHost *:{layout.ports[1]}>
    ServerName two.invalid
    {authority.lines("two.invalid")}
    <Location /told>
        SetEnv HTTPS off
        RequestHeader set X-Protocol "%{{SSL_PROTOCOL}}s"
    </Location>
</VirtualHost>
<VirtualHost *:{layout.ports[2]}>
    ServerName one.invalid
    Protocols h2 http/1.1
    {authority.lines("one.invalid")}
    SSLOptions +StdEnvVars
</VirtualHost>
<VirtualHost *:{layout.ports[3]}>
    ErrorDocument 403 "the server's 403"
    <IfModule security2_module>
    {RULES}
    </IfModule>
</VirtualHost>
<VirtualHost *:{layout.ports[4]}>
    RemoteIPHeader X-Forwarded-For
    RemoteIPInternalProxy 127.0.0.1
    RequestReadTimeout header=20-40,MinRate=500 body=2,MinRate=20
    <Location /both>
        WSGITrustedProxyHeaders X-Forwarded-For X-Forwarded-Proto
        WSGITrustedProxies 127.0.0.1 192.0.2.0/24
    </Location>
    <Location /listed>
        Require ip 198.51.100.1
    </Location>
</VirtualHost>
"""


def basic(user: str = USER, password: str = PASSWORD) -> dict[str, str]:
    """The header of a user."""
    return {"Authorization": "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode()}


def journal(site: Server, name: str) -> Path:
    """A file in which the application counts."""
    path = site.layout.scratch / f"{name}-{site.layout.mode}-{os.urandom(4).hex()}"
    path.write_text("")
    path.chmod(0o666)
    return path


# ---- who is there -----------------------------------------------------------------------------


def test_basic(site: Server) -> None:
    """mod_auth_basic with a file: user and kind reach the application, the password does not."""
    found = site.get("/basic/show", headers=basic()).json()
    assert (found["REMOTE_USER"], found["AUTH_TYPE"]) == (USER, "Basic")
    assert "HTTP_AUTHORIZATION" not in found
    assert site.get("/basic/passed/show", headers=basic()).json()["HTTP_AUTHORIZATION"] == basic()["Authorization"]


def test_basic_refuses_before_the_application(site: Server) -> None:
    ran = journal(site, "refused")
    site.allow("AH01617|AH01618")
    for headers in ({}, basic(password="wrong"), basic(user="nobody")):
        reply = site.get(f"/basic/answer?ran={ran}", headers=headers)
        assert (reply.status, reply.text) == (401, "the server's 401")
        assert reply.get("WWW-Authenticate") == 'Basic realm="here"'
    assert words(ran) == []


def test_groups(site: Server) -> None:
    site.allow("AH01631|AH01663")
    assert site.get("/group/show", headers=basic()).json()["REMOTE_USER"] == USER
    assert site.get("/group/show", headers=basic(user="other")).status == 401


def test_upload_that_is_refused(site: Server) -> None:
    """The body of a request that nobody takes does not become the next request of the connection."""
    body = b"GET /smuggled HTTP/1.1\r\nHost: a\r\n\r\n" * 100
    with RawConnection(site.layout.port) as connection:
        head = f"POST /basic/upload HTTP/1.1\r\nHost: a\r\nContent-Length: {len(body)}\r\n\r\n".encode()
        connection.send(head + body + b"GET /answer HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
        answers = connection.receive_all()
    assert answers.count(b"HTTP/1.1 ") == 2
    assert b"the application's body" in answers


def test_digest(site: Server) -> None:
    challenge = site.get("/digest/show").get("WWW-Authenticate") or ""
    nonce = re.search(r'nonce="([^"]+)"', challenge)
    assert nonce is not None
    uri, nc, cnonce = "/digest/show?a=b", "00000001", "abcdef"
    first = digest_of(f"{USER}:here:{PASSWORD}")
    response = digest_of(f"{first}:{nonce[1]}:{nc}:{cnonce}:auth:{digest_of(f'GET:{uri}')}")
    value = (
        f'Digest username="{USER}", realm="here", nonce="{nonce[1]}", uri="{uri}", algorithm=MD5, qop=auth, '
        f'nc={nc}, cnonce="{cnonce}", response="{response}"'
    )
    reply = site.get(uri, headers={"Authorization": value})
    assert (reply.json()["REMOTE_USER"], reply.json()["AUTH_TYPE"]) == (USER, "Digest")
    assert reply.get("Authentication-Info")


def test_either_address_or_user(site: Server) -> None:
    assert site.get("/either/show", headers=basic()).json()["REMOTE_USER"] == USER
    assert site.get("/either/show").status == 401


def test_form(site: Server) -> None:
    """mod_auth_form with a session: the login page takes the body, the application gets the user."""
    form = urllib.parse.urlencode({"httpd_username": USER, "httpd_password": PASSWORD}).encode()
    media = {"Content-Type": "application/x-www-form-urlencoded"}
    assert site.get("/form/show").status == 401
    login = site.request("POST", "/login", form, headers=media)
    assert (login.status, login.get("Location")) == (302, "/form/show")
    cookie = (login.get("Set-Cookie") or "").partition(";")[0]
    found = site.get("/form/show", headers={"Cookie": cookie}).json()
    assert (found["REMOTE_USER"], found["AUTH_TYPE"]) == (USER, "form")
    sent = site.request("POST", "/form/upload", b"a body of its own" * 1000, headers={"Cookie": cookie})
    assert sent.json()["size"] == 17_000


@pytest.mark.parametrize("place", ["own", "replaced"])
def test_challenge_of_the_application(site: Server, place: str) -> None:
    """WWW-Authenticate of an application stays, also when the page is replaced by an ErrorDocument (daemon mode)."""
    query = urllib.parse.urlencode(
        {"status": "401 Unauthorized", "h": ['WWW-Authenticate:Basic realm="app"', "WWW-Authenticate:Bearer"]},
        doseq=True,
    )
    reply = site.get(f"/{place}/answer?{query}")
    assert reply.status == 401
    assert reply.all("WWW-Authenticate") == ['Basic realm="app"', "Bearer"]
    replaced = place == "replaced" and site.layout.mode == "daemon"
    assert reply.text == ("the server's 401" if replaced else "the application's body")


def test_authorization_is_the_applications(site: Server) -> None:
    """Where Apache asks nobody, WSGIPassAuthorization hands the header on and REMOTE_USER is not set."""
    found = site.get("/own/show", headers={"Authorization": "Bearer token"}).json()
    assert found["HTTP_AUTHORIZATION"] == "Bearer token"
    assert not {"REMOTE_USER", "AUTH_TYPE"} & set(found)


# ---- TLS --------------------------------------------------------------------------------------


def tls(site: Server, name: str, target: str, *more: Any, method: str = "GET", client: str = "") -> Reply:
    """A request over TLS to a host of the second port."""
    authority = Authority(site.layout.root / "tls")
    return authority.request(site.layout.ports[1], name, method, target, *more, client=client)


@pytest.mark.core
def test_ssl_variables(site: Server) -> None:
    """StdEnvVars: SSL_* of connection and certificates; HTTPS is the scheme."""
    found = tls(site, "one.invalid", "/show").json()
    assert (found["wsgi.url_scheme"], found["REQUEST_SCHEME"]) == ("https", "https")
    assert "HTTPS" not in found
    assert found["SSL_PROTOCOL"].startswith("TLSv1.")
    assert (found["SSL_SERVER_S_DN_CN"], found["SSL_TLS_SNI"]) == ("one.invalid", "one.invalid")
    assert found["SSL_CLIENT_VERIFY"] == "NONE"
    assert found["SERVER_PORT"] == str(site.layout.ports[1])
    assert not [name for name in found if name.startswith("SSL_SERVER_CERT")]


def test_two_names_on_one_port(site: Server) -> None:
    """SNI: each host has its certificate, its settings and its application group."""
    found = tls(site, "two.invalid", "/show").json()
    assert (found["SERVER_NAME"], found["wsgi.url_scheme"]) == ("two.invalid", "https")
    assert not [name for name in found if name.startswith("SSL_") and name != "SSL_TLS_SNI"]
    told = tls(site, "two.invalid", "/told/show").json()
    assert told["HTTP_X_PROTOCOL"].startswith("TLSv1.")
    assert told["wsgi.url_scheme"] == "https", "what mod_ssl knows counts, not a SetEnv"


def test_client_certificate(site: Server) -> None:
    found = tls(site, "one.invalid", "/exported/show", client="visitor").json()
    assert (found["SSL_CLIENT_VERIFY"], found["SSL_CLIENT_S_DN_CN"]) == ("SUCCESS", "visitor")
    for name in ("SSL_CLIENT_CERT", "SSL_SERVER_CERT"):
        text = found[name]
        assert text.startswith("-----BEGIN CERTIFICATE-----\n")
        assert text.rstrip().endswith("-----END CERTIFICATE-----")
    given = (site.layout.root / "tls" / "visitor.crt").read_text()
    assert found["SSL_CLIENT_CERT"].split() == given.split()


def test_require_by_certificate(site: Server) -> None:
    site.allow("AH01630")
    assert tls(site, "one.invalid", "/strict/show").status == 403
    found = tls(site, "one.invalid", "/strict/show", client="visitor").json()
    assert found["SSL_CLIENT_VERIFY"] == "SUCCESS"


def test_user_by_certificate(site: Server) -> None:
    """SSLUserName and FakeBasicAuth make the certificate's name REMOTE_USER."""
    assert tls(site, "one.invalid", "/named/show", client="visitor").json()["REMOTE_USER"] == "visitor"
    (site.layout.root / "fake").write_text("/O=Tests/CN=visitor:xxj31ZMTZzkVA\n")
    found = tls(site, "one.invalid", "/fake/show", client="visitor").json()
    assert (found["REMOTE_USER"], found["AUTH_TYPE"]) == ("/O=Tests/CN=visitor", "Basic")


def test_bodies_over_tls(site: Server) -> None:
    data = os.urandom(2_000_000)
    found = tls(site, "one.invalid", "/upload", data, method="POST").json()
    assert (found["size"], found["sha256"]) == (len(data), hashlib.sha256(data).hexdigest())
    for kind in ("blocks", "file", "block"):
        assert len(tls(site, "two.invalid", f"/answer?size=2000000&kind={kind}").body) == 2_000_000


def curl(site: Server, target: str, *more: str) -> subprocess.CompletedProcess[bytes]:
    """HTTP/2 over TLS to the third port."""
    port = site.layout.ports[2]
    command = ["curl", "-sS", "--http2", "--cacert", str(site.layout.root / "tls" / "ca.crt"), "--max-time", "30"]
    command += ["--resolve", f"one.invalid:{port}:{HOST}", f"https://one.invalid:{port}{target}", *more]
    return subprocess.run(command, capture_output=True, timeout=60, check=False)


def test_http2_over_tls(site: Server, tmp_path: Path) -> None:
    """ALPN: environ, upload and a long answer over h2."""
    found = curl(site, "/show").stdout.decode()
    for text in ('"SERVER_PROTOCOL": "HTTP/2.0"', '"wsgi.url_scheme": "https"', '"SSL_PROTOCOL": "TLSv1.'):
        assert text in found
    (tmp_path / "data").write_bytes(data := os.urandom(2_000_000))
    sent = curl(site, "/upload", "--data-binary", f"@{tmp_path}/data").stdout.decode()
    assert hashlib.sha256(data).hexdigest() in sent
    for kind in ("blocks", "file", "length"):
        assert len(curl(site, f"/answer?size=2000000&kind={kind}").stdout) == 2_000_000
    head = curl(site, "/answer?h=Connection:close&h=X-Plain:1", "-I").stdout.decode().lower()
    assert head.startswith("http/2 200")
    assert "x-plain: 1" in head


# ---- addresses, time limits -------------------------------------------------------------------


def fifth(site: Server, target: str, lines: dict[str, str]) -> Reply:
    """A request to the host behind proxies."""
    return request(site.layout.ports[4], "GET", target, headers=lines)


def test_remoteip(site: Server) -> None:
    """mod_remoteip: the client's address, and the header is used up."""
    found = fifth(site, "/show", {"X-Forwarded-For": "198.51.100.1"}).json()
    assert found["REMOTE_ADDR"] == "198.51.100.1"
    assert "HTTP_X_FORWARDED_FOR" not in found
    assert fifth(site, "/show", {"X-Forwarded-For": "junk, 198.51.100.2"}).json()["REMOTE_ADDR"] == "198.51.100.2"
    assert fifth(site, "/show", {}).json()["REMOTE_ADDR"] == HOST


def test_remoteip_and_require(site: Server) -> None:
    site.allow("AH01630")
    assert fifth(site, "/listed/show", {"X-Forwarded-For": "198.51.100.1"}).status == 200
    assert fifth(site, "/listed/show", {"X-Forwarded-For": "198.51.100.9"}).status == 403


def test_remoteip_beside_trusted_proxies(site: Server) -> None:
    """WSGITrustedProxies is asked about the address that mod_remoteip found: the header is gone by then."""
    far = fifth(site, "/both/show", {"X-Forwarded-For": "198.51.100.1", "X-Forwarded-Proto": "https"}).json()
    assert (far["REMOTE_ADDR"], far["wsgi.url_scheme"]) == ("198.51.100.1", "http")
    near = fifth(site, "/both/show", {"X-Forwarded-For": "192.0.2.1", "X-Forwarded-Proto": "https"}).json()
    assert (near["REMOTE_ADDR"], near["wsgi.url_scheme"]) == ("192.0.2.1", "https")
    none = fifth(site, "/both/show", {"X-Forwarded-Proto": "https"}).json()
    assert (none["REMOTE_ADDR"], none["wsgi.url_scheme"]) == (HOST, "https")


def test_reqtimeout_lets_a_slow_upload_live(site: Server) -> None:
    """Above MinRate there is no limit: an upload that takes longer than body=2 arrives piece by piece."""
    each = journal(site, "slow")
    size, pieces = 400, 6
    with RawConnection(site.layout.ports[4]) as connection:
        connection.send(
            f"POST /upload?piece={size}&each={each} HTTP/1.1\r\nHost: a\r\nConnection: close\r\n"
            f"Content-Length: {size * pieces}\r\n\r\n".encode()
        )
        for number in range(1, pieces + 1):
            connection.send(b"x" * size)
            wait_until(lambda: words(each)[-1:] == [str(size * number)], "the piece is read")  # noqa: B023
        assert f'"size": {size * pieces}'.encode() in connection.receive_all()


def test_reqtimeout_leaves_a_slow_answer_alone(site: Server) -> None:
    """The time limits are about the request; an answer after a body that has come may take its time."""
    gate = site.layout.scratch / f"answer-{site.layout.mode}"
    with RawConnection(site.layout.ports[4]) as connection:
        connection.send(f"GET /paced?gate={gate} HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n".encode())
        connection.receive_until(f"[{gate.name}]".encode())
        gate.touch()
        assert b"[end]" in connection.receive_all()


# ---- mod_security -----------------------------------------------------------------------------


@pytest.fixture
def guarded(site: Server) -> Server:
    """The host that mod_security watches."""
    assert (places().modules / "mod_security2.so").exists(), "install libapache2-mod-security2; tests/prepare does"
    return site


def watched(site: Server, target: str, method: str = "GET", body: Any = None, **more: Any) -> Reply:
    """A request to that host."""
    return request(site.layout.ports[3], method, target, body, **more)


@pytest.mark.core
@pytest.mark.parametrize("chunked", [False, True])
@pytest.mark.parametrize("size", [10, 5_000, 300_000])
def test_inspected_body_arrives_untouched(guarded: Server, size: int, chunked: bool) -> None:
    """SecRequestBodyAccess reads the body first and hands it on: every byte, its end, and the length of the client."""
    data = os.urandom(size)
    sent: Any = iter([data[:7], data[7:]]) if chunked else data
    found = watched(guarded, "/upload", "POST", sent, chunked=chunked).json()
    assert (found["size"], found["sha256"]) == (size, hashlib.sha256(data).hexdigest())
    assert found["length"] == (None if chunked else str(size))


@pytest.mark.parametrize("target", ["/upload", "/answer"])
def test_inspected_body_and_expect(guarded: Server, target: str) -> None:
    """mod_security reads before the application starts: one 100, then the answer."""
    with RawConnection(guarded.layout.ports[3]) as connection:
        head = f"POST {target} HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 5000\r\nConnection: close"
        connection.send(f"{head}\r\n\r\n".encode())
        assert connection.receive_until(b"\r\n\r\n").startswith(b"HTTP/1.1 100 ")
        connection.send(b"x" * 5000)
        answer = connection.receive_all()
    assert answer.startswith(b"HTTP/1.1 200 ")
    assert answer.count(b"HTTP/1.1 ") == 1


def test_inspected_form_arrives_untouched(guarded: Server) -> None:
    form = urllib.parse.urlencode({"comment": "good " * 1000, "other": "\u00e4"}).encode()
    media = {"Content-Type": "application/x-www-form-urlencoded"}
    assert watched(guarded, "/upload", "POST", form, headers=media).json()["size"] == len(form)


@pytest.mark.parametrize("kind", ["head", "form", "chunked form"])
def test_blocked_request_does_not_reach_the_application(guarded: Server, kind: str) -> None:
    """403, the application is not run, and the connection goes on with the next request."""
    ran = journal(guarded, "blocked")
    headers = {"Content-Type": "application/x-www-form-urlencoded"}
    body: Any = b"comment=" + b"good" * 1000 + b"evil"
    if kind == "head":
        headers, body = {"X-Attack": "evil"}, None
    method = "GET" if body is None else "POST"
    sent = iter([body[:100], body[100:]]) if kind == "chunked form" else body
    reply = watched(guarded, f"/upload?ran={ran}", method, sent, headers=headers, chunked=kind == "chunked form")
    assert (reply.status, reply.text) == (403, "the server's 403")
    assert words(ran) == []
    assert watched(guarded, f"/answer?ran={ran}").status == 200


@pytest.mark.parametrize("kind", ["block", "blocks", "length", "write", "file"])
def test_inspected_answer(guarded: Server, kind: str) -> None:
    """SecResponseBodyAccess holds the answer back: a clean one goes out as it was, another one does not."""
    reply = watched(guarded, f"/answer?size=200000&kind={kind}")
    assert (reply.status, len(reply.body)) == (200, 200_000)
    reply = watched(guarded, f"/answer?body=a+secret+of+ours&kind={kind}")
    assert reply.status == 403
    assert b"secret" not in reply.body
    if guarded.layout.module.peer:  # D261
        guarded.allow("WSGI0174|OSError")


def test_answer_blocked_by_its_head(guarded: Server) -> None:
    reply = watched(guarded, "/answer?h=X-Leak:yes&body=hidden&kind=length")
    assert reply.status == 403
    assert reply.get("X-Leak") is None
    assert b"hidden" not in reply.body
    assert watched(guarded, "/answer?status=418+Teapot").status == 404


def test_variables_of_mod_security(guarded: Server) -> None:
    assert watched(guarded, "/show").json()["seen"] == "yes"


@pytest.mark.ours("D205, D206: a cut response of a 6.1.1 daemon looks complete")
def test_inspected_answer_that_breaks_off(guarded: Server) -> None:
    """Promise 4 behind a filter that holds everything back: an error, or a visible cut; never a whole page."""
    with RawConnection(guarded.layout.ports[3]) as connection:
        connection.send(b"GET /answer?kind=cut&size=50000 HTTP/1.1\r\nHost: a\r\n\r\n")
        answer = connection.receive_all()
    assert not answer.endswith(b"0\r\n\r\n") or answer.startswith(b"HTTP/1.1 5")
    guarded.expect_exception(174, "ZeroDivisionError: in the middle")


def test_body_over_the_limit_of_mod_security(guarded: Server) -> None:
    ran = journal(guarded, "limit")
    reply = watched(guarded, f"/upload?ran={ran}", "POST", b"x" * 1_200_000)
    assert reply.status == 413
    assert words(ran) == []
    guarded.allow("ModSecurity")
