# SPDX-License-Identifier: Apache-2.0
"""A host as people run it: many modules at once, a dozen kinds of requests, an error log without surprises."""

from __future__ import annotations

import base64
import gzip
import hashlib
import os
import subprocess

from typing import Any

import pytest

from harness import Layout, Reply, Server, request, wait_until
from harness.calls import words
from harness.client import HOST
from harness.tls import Authority

MODULES = (
    "ssl",
    "socache_shmcb",
    "http2",
    "filter",
    "deflate",
    "brotli",
    "headers",
    "expires",
    "rewrite",
    "authn_core",
    "authn_file",
    "auth_basic",
    "authz_user",
    "authz_host",
    "cache",
    "cache_disk",
    "remoteip",
    "reqtimeout",
    "unique_id",
    "security2",
    "status",
    "logio",
    "negotiation",
    "autoindex",
)
PORTS = 2
NAME = "shop.invalid"


def configure(layout: Layout) -> str:
    """Port one sends people to port two, which is the host itself."""
    authority = Authority(layout.root / "tls", NAME)
    code = base64.b64encode(hashlib.sha1(b"secret").digest()).decode()
    (layout.root / "users").write_text(f"admin:{{SHA}}{code}\n")
    static = layout.htdocs / "static"
    static.mkdir(exist_ok=True)
    static.chmod(0o755)
    (static / "style.css").write_text("body { color: black }\n" * 200)
    return f"""
{layout.delegate("shop", "processes=2 threads=8 display-name=%{GROUP}")}
LogFormat "%h %l %u \\"%r\\" %>s %B %I %O %D %L %{{UNIQUE_ID}}e" production
ErrorLogFormat "[%{{u}}t] [%-m:%l] [pid %P:tid %T] [%L] %M%   [client %a]"
ServerTokens Prod
ServerSignature Off
TraceEnable Off
SSLSessionCache shmcb:{layout.runtime}/tls(65536)
SSLProtocol TLSv1.2 TLSv1.3
RemoteIPHeader X-Forwarded-For
RemoteIPInternalProxy 127.0.0.1
RequestReadTimeout handshake=20 header=20-40,MinRate=500 body=20,MinRate=500
CacheRoot {layout.scratch}
SecRuleEngine On
SecTmpDir {layout.scratch}
SecDataDir {layout.scratch}
SecRequestBodyAccess On
SecRequestBodyLimit 13107200
SecResponseBodyAccess Off
SecAuditEngine Off
SecRule ARGS "@contains evil" "id:1,phase:2,deny,status:403,nolog"
<VirtualHost *:{layout.ports[0]}>
    ServerName {NAME}
    RewriteEngine On
    RewriteRule ^ https://%{{SERVER_NAME}}%{{REQUEST_URI}} [R=301,L]
</VirtualHost>
<VirtualHost *:{layout.ports[1]}>
    ServerName {NAME}
    Protocols h2 http/1.1
    {authority.lines(NAME)}
    SSLOptions +StdEnvVars
    CustomLog "{layout.logs}/shop_log" production
    Header always set Strict-Transport-Security max-age=63072000
    Header always set X-Content-Type-Options nosniff
    Header edit Set-Cookie ^(.*)$ "$1; Secure; HttpOnly"
    RequestHeader unset X-Forwarded-Proto
    AddOutputFilterByType BROTLI_COMPRESS;DEFLATE text/html text/plain application/json text/css
    CacheEnable disk /pages
    LimitRequestBody 10485760
    WSGIChunkedRequest On
    Alias /static {static}
    WSGIScriptAlias / {layout.apps}/around.wsgi
    <Directory {static}>
        AddType text/css .css
        ExpiresActive On
        ExpiresByType text/css "access plus 1 day"
    </Directory>
    <Location /admin>
        AuthType Basic
        AuthName admin
        AuthUserFile {layout.root}/users
        Require valid-user
    </Location>
    <Location /server-status>
        SetHandler server-status
        Require ip 10.0.0.1
    </Location>
</VirtualHost>
"""


def ask(site: Server, target: str, method: str = "GET", body: Any = None, **headers: str) -> Reply:
    """A request over TLS and HTTP/1.1; header names with _ for -."""
    pairs = {name.replace("_", "-"): value for name, value in headers.items()}
    authority = Authority(site.layout.root / "tls")
    return authority.request(site.layout.ports[1], NAME, method, target, body, pairs)


def curl(site: Server, target: str, *more: str) -> bytes:
    """The same over HTTP/2."""
    port = site.layout.ports[1]
    command = ["curl", "-sS", "--http2", "--cacert", str(site.layout.root / "tls" / "ca.crt"), "--max-time", "30"]
    command += ["--resolve", f"{NAME}:{port}:{HOST}", f"https://{NAME}:{port}{target}", *more]
    done = subprocess.run(command, capture_output=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


def hardened(reply: Reply) -> None:
    """What every answer of the host has, once."""
    assert reply.all("X-Content-Type-Options") == ["nosniff"]
    assert reply.all("Strict-Transport-Security") == ["max-age=63072000"]
    assert reply.get("Server") == "Apache"


def reading(site: Server) -> None:
    """Pages: compressed, plain, as HEAD, cached, conditional, streamed, static, not found."""
    page = ask(site, "/answer?size=40000&type=text/html&h=Set-Cookie:a=1", Accept_Encoding="gzip")
    hardened(page)
    assert len(gzip.decompress(page.body)) == 40_000
    assert page.all("Set-Cookie") == ["a=1; Secure; HttpOnly"]
    assert ask(site, "/answer?size=10&kind=file").body == b"0123456789"
    head = ask(site, "/answer?size=40000", "HEAD", Accept_Encoding="gzip")
    assert (head.status, head.body, head.get("Content-Encoding")) == (200, b"", "gzip")
    assert ask(site, "/conditional", If_None_Match='"v1"').status == 304
    missing = ask(site, "/answer?status=404+Not+Found")
    hardened(missing)
    assert (missing.status, missing.body) == (404, b"the application's body")
    style = ask(site, "/static/style.css", Accept_Encoding="gzip")
    hardened(style)
    assert style.get("Content-Encoding") == "gzip"
    assert style.get("Expires")
    assert ask(site, "/static/no.css").status == 404
    found = ask(site, "/show", X_Forwarded_For="198.51.100.5").json()
    assert (found["REMOTE_ADDR"], found["wsgi.url_scheme"]) == ("198.51.100.5", "https")
    assert found["SSL_PROTOCOL"].startswith("TLS")
    assert found["UNIQUE_ID"]


def writing(site: Server) -> None:
    """Uploads of several kinds, and one that is refused."""
    for data in (b"small=1", os.urandom(300_000), os.urandom(3_000_000)):
        for body in (data, iter([data[:3], data[3:]])):
            found = ask(site, "/upload", "POST", body, Content_Type="application/octet-stream").json()
            assert (found["size"], found["sha256"]) == (len(data), hashlib.sha256(data).hexdigest())
    form = {"Content_Type": "application/x-www-form-urlencoded"}
    assert ask(site, "/upload", "POST", b"comment=fine", **form).json()["size"] == 12
    refused = ask(site, "/upload", "POST", b"comment=evil", **form)
    hardened(refused)
    assert refused.status == 403
    assert ask(site, "/upload", "POST", b"x" * 10_485_761).status == 413


def entering(site: Server) -> None:
    """Who may come where, and the way to TLS."""
    user = "Basic " + base64.b64encode(b"admin:secret").decode()
    closed = ask(site, "/admin/show")
    hardened(closed)
    assert (closed.status, closed.get("WWW-Authenticate")) == (401, 'Basic realm="admin"')
    assert ask(site, "/admin/show", Authorization=user).json()["REMOTE_USER"] == "admin"
    assert ask(site, "/answer", "TRACE").status == 405
    plain = request(site.layout.port, "GET", "/some/page?x=1", headers={"Host": NAME})
    assert (plain.status, plain.get("Location")) == (301, f"https://{NAME}/some/page?x=1")


def test_a_host_with_everything(site: Server) -> None:
    """Twice, so that what is kept from the first time (caches, connections, processes) plays its part."""
    for _ in range(2):
        reading(site)
        writing(site)
        entering(site)
        assert b'"SERVER_PROTOCOL": "HTTP/2.0"' in curl(site, "/show")
        assert len(curl(site, "/answer?size=500000&kind=blocks", "--compressed")) == 500_000
    site.expect(r"security2:error.*ModSecurity: Error reading request body: HTTP Error 413", count=2)
    # Nothing else: the fixture looks at the error log.


def test_pages_are_kept(site: Server) -> None:
    """The cache in front, with compression behind it: one run, for each kind of client its own copy."""
    ran = site.layout.scratch / f"ran-{site.layout.mode}"
    log = site.layout.logs / "shop_log"
    target = f"/pages/answer?size=40000&ran={ran}&h=Cache-Control:max-age%3D60"
    for encoding in ("identity", "gzip") * 3:
        before = log.read_bytes().count(b"/pages/answer") if log.exists() else 0
        reply = ask(site, target, Accept_Encoding=encoding)
        assert len(gzip.decompress(reply.body) if encoding == "gzip" else reply.body) == 40_000
        hardened(reply)
        wait_until(lambda: log.read_bytes().count(b"/pages/answer") > before, "the request is logged")  # noqa: B023
    assert words(ran) == ["GET"] * 2


@pytest.mark.ours("D205, D206: a cut response of a 6.1.1 daemon looks complete")
def test_a_failure_is_one_line(site: Server) -> None:
    """O10: a failing page is 500 with the host's headers, one numbered line with the id of the access log."""
    reply = ask(site, "/answer?kind=fail")
    hardened(reply)
    assert reply.status == 500
    line = site.expect_exception(174, "ZeroDivisionError: before the head")
    records = (site.layout.logs / "shop_log").read_text
    wait_until(lambda: "kind=fail" in records(), "the request is logged")
    (record,) = [text for text in records().splitlines() if "kind=fail" in text]
    log_id, unique = record.split()[-2:]
    assert log_id == unique, "mod_unique_id gives both"
    assert log_id in line.text
    assert log_id in reply.text


def test_access_log(site: Server) -> None:
    """Each request of ours has one record with status, user, sizes and ids."""
    mark = os.urandom(5).hex()
    user = "Basic " + base64.b64encode(b"admin:secret").decode()
    ask(site, f"/admin/answer?size=1000&{mark}", Authorization=user, X_Forwarded_For="198.51.100.5")
    log = site.layout.logs / "shop_log"
    wait_until(lambda: log.exists() and mark in log.read_text(), "the request is logged")
    (record,) = [text for text in log.read_text().splitlines() if mark in text]
    assert record.startswith("198.51.100.5 - admin ")
    assert " 200 1000 " in record
