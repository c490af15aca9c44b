# SPDX-License-Identifier: Apache-2.0
"""1.2, 1.3 and 2.2: what directives and the options of script directives change for a request."""

from __future__ import annotations

from typing import Any

from harness import Server

from parity.model import DAEMON, EMBEDDED, Ask, Case, Site
from parity.scripts import FACTS, MARK, codes_since_start, marks

ENV = "@APPS@/environ.wsgi"

AUTH = """
def check_password(environ, user, password):
    return password == "right"

def groups_for_user(environ, user):
    return [user, "all"]

def allow_access(environ, host):
    return environ["REQUEST_URI"] != "/access/denied"
"""

DISPATCH = """
def application_group(environ):
    return "of-dispatch"

def callable_object(environ):
    return "second"
"""

HANDLER = """
import json

def handle_request(environ, start_response):
    keys = ("SCRIPT_FILENAME", "mod_wsgi.handler_script", "mod_wsgi.request_handler", "mod_wsgi.process_group",
            "mod_wsgi.application_group", "mod_wsgi.callable_object", "HTTP_AUTHORIZATION", "PATH_INFO", "SCRIPT_NAME")
    body = json.dumps({key: environ.get(key) for key in keys}).encode()
    start_response("200 OK", [("Content-Type", "application/json"), ("Content-Length", str(len(body)))])
    return [body]
"""

OUTPUT = """
import os

def application(environ, start_response):
    if environ["PATH_INFO"] == "/file":
        start_response("200 OK", [("Content-Type", "text/plain")])
        return environ["wsgi.file_wrapper"](open(__file__, "rb"))
    if environ["PATH_INFO"] == "/read":
        body = environ["wsgi.input"].read()
        start_response("200 OK", [("Content-Type", "text/plain"), ("Content-Length", str(len(body)))])
        return [body]
    status = environ["PATH_INFO"][1:] + " From Application"
    start_response(status, [("Content-Type", "text/plain"), ("X-Method", environ["REQUEST_METHOD"])])
    return [b"application's page\\n"]
"""

COMMON = f"""
@DELEGATE@
ServerName first.invalid
WSGIScriptAlias /env {ENV}
WSGIScriptAlias /out @ROOT@/output.wsgi
WSGIScriptAliasMatch ^/match/([a-z]+)(/.*)?$ @APPS@/$1.wsgi$2
WSGIScriptAlias /access {ENV}
WSGIScriptAlias /auth {ENV}
WSGIScriptAlias /dispatch {ENV}
WSGIScriptAlias /options {ENV} application-group=%{{GLOBAL}} callable-object=second pass-authorization=On
WSGIScriptAliasMatch ^/mo(.*) {ENV}$1 application-group=matched callable-object=second pass-authorization=On
WSGIScriptAlias /literal {ENV} callable-object=%{{ENV:WHICH}}
WSGIScriptAlias /expanded {ENV} application-group=%{{ENV:WHICH}}
SetEnv WHICH second
ErrorDocument 404 "apache's page"
ErrorDocument 503 "apache's page"
<Location /options>
    WSGIApplicationGroup of-the-location
    WSGICallableObject nothing
    WSGIPassAuthorization Off
</Location>
<Location /env/callable>
    WSGICallableObject second
</Location>
<Location /env/callable-env>
    WSGICallableObject %{{ENV:WHICH}}
</Location>
<Location /env/callable-other>
    WSGICallableObject %{{HOST}}
</Location>
<Location /env/callable-unset>
    WSGICallableObject %{{ENV:NOBODY_SETS_THIS}}
</Location>
<Location /env/callable-dots>
    WSGICallableObject json.dumps
</Location>
<Location /env/request>
    WSGIPassApacheRequest On
</Location>
<Location /env/authorization>
    WSGIPassAuthorization On
</Location>
<Location /env/restrict>
    WSGIRestrictProcess nobody
</Location>
<Location /env/restrict/more>
    WSGIRestrictProcess %{{GLOBAL}} APP
</Location>
<Location /env/restrict/list>
    WSGIRestrictProcess one %{{GLOBAL}} app
</Location>
<Location /env/chunked>
    WSGIChunkedRequest On
</Location>
<Location /out/read>
    WSGIChunkedRequest On
</Location>
<Location /env/ignore>
    WSGIIgnoreActivity On
</Location>
<Location /env/proxy>
    WSGITrustedProxyHeaders X-Forwarded-Host
    WSGITrustedProxyHeaders X-Forwarded-For
    WSGITrustedProxies 127.0.0.0/8
    WSGITrustedProxies ::1
</Location>
<Location /env/proxy/untrusted>
    WSGITrustedProxies 10.0.0.0/8
</Location>
<Location /out/202>
    WSGIMapHEADToGET On
</Location>
<LocationMatch ^/out/(404|503|200|302)$>
    WSGIErrorOverride On
    WSGIMapHEADToGET Off
</LocationMatch>
<Location /out/file>
    WSGIEnableSendfile On
</Location>
<Location /access>
    WSGIAccessScript @ROOT@/auth.py
</Location>
<Location /auth>
    AuthType Basic
    AuthName realm
    AuthBasicProvider wsgi
    WSGIAuthUserScript @ROOT@/auth.py
    WSGIAuthGroupScript @ROOT@/auth.py
    WSGIGroupAuthoritative Off
    Require valid-user
</Location>
<Location /auth/group>
    Require wsgi-group nobody
</Location>
<Location /auth/all>
    Require wsgi-group ALL
</Location>
<Location /dispatch>
    WSGIDispatchScript @ROOT@/dispatch.py application-group=deciding
</Location>
WSGIHandlerScript mine @ROOT@/handler.py application-group=%{{ENV:WHICH}} pass-authorization=On
WSGIHandlerScript plain @ROOT@/handler.py
<Directory @HTDOCS@>
    AddHandler mine .mine
    AddHandler plain .plain
</Directory>
"""

PRELOAD = """
WSGIDaemonProcess one threads=2
WSGIDaemonProcess two threads=2
WSGIScriptAlias /both @ROOT@/both.wsgi process-group=one application-group=%{GLOBAL}
WSGIScriptAlias /process @ROOT@/process.wsgi process-group=one
WSGIScriptAlias /application @ROOT@/application.wsgi application-group=x
WSGIScriptAlias /token @ROOT@/token.wsgi process-group=one application-group=%{SERVER}
WSGIScriptAliasMatch ^/match(.*) @ROOT@/match.wsgi$1 process-group=one application-group=x
WSGIScriptAliasMatch ^/fixed @ROOT@/fixed.wsgi process-group=one application-group=x
WSGIScriptAlias /embedded @ROOT@/embedded.wsgi process-group=%{GLOBAL} application-group=%{GLOBAL}
WSGIImportScript @ROOT@/import.wsgi process-group=two application-group=x
WSGIScriptAlias /two @ROOT@/two.wsgi process-group=two
"""
PRELOADED = ("both", "process", "application", "token", "match", "fixed", "embedded", "import", "two")

NAMED = f"""
WSGIDaemonProcess one threads=2
WSGIScriptAlias /global {ENV} process-group=%{{GLOBAL}} application-group=%{{GLOBAL}}
WSGIScriptAlias /one {ENV} process-group=one
WSGIProcessGroup one
WSGIScriptAlias /scope {ENV}
<Location /inner>
    WSGIProcessGroup %{{GLOBAL}}
</Location>
WSGIScriptAlias /inner {ENV}
<Location /unknown>
    WSGIProcessGroup unknown
</Location>
WSGIScriptAlias /unknown {ENV}
WSGIHandlerScript mine @ROOT@/handler.py process-group=%{{ENV:WHICH}} application-group=x
SetEnv WHICH one
<Directory @HTDOCS@>
    AddHandler mine .mine
</Directory>
"""

FILES = {
    "auth.py": AUTH,
    "dispatch.py": DISPATCH,
    "handler.py": HANDLER,
    "output.wsgi": OUTPUT,
    "htdocs/page.mine": "resource\n",
    "htdocs/page.plain": "resource\n",
}

RESTRICTED = f"""
WSGIRestrictEmbedded On
WSGIDaemonProcess one threads=2
WSGIScriptAlias /one {ENV} process-group=one
WSGIScriptAlias /embedded {ENV}
WSGIScriptAlias /loaded @ROOT@/embedded.wsgi process-group=%{{GLOBAL}} application-group=%{{GLOBAL}}
"""

SITES = (
    Site("effects", COMMON, modules=("auth_basic", "authn_core", "authz_user"), files=FILES),
    Site(
        "preload",
        PRELOAD,
        modes=DAEMON,
        files={f"{name}.wsgi": MARK for name in PRELOADED},
    ),
    Site(
        "preload-directory",
        "WSGIDaemonProcess one threads=2\nWSGIScriptAlias /d @ROOT@/d process-group=one application-group=x\n",
        modes=DAEMON,
        files={"d/inside.wsgi": MARK},
    ),
    Site("named", NAMED, modes=DAEMON, files=FILES),
    Site("restricted", RESTRICTED, modes=DAEMON, files={"embedded.wsgi": MARK}),
    Site(
        "restricted-import",
        RESTRICTED + "WSGIImportScript @ROOT@/embedded.wsgi process-group=%{GLOBAL} application-group=%{GLOBAL}\n",
        modes=DAEMON,
        files={"embedded.wsgi": MARK},
    ),
    Site(
        "effects-reloading",
        "@DELEGATE@\nWSGIScriptReloading Off\nWSGIScriptAlias /r @ROOT@/r.wsgi\n",
        files={"r.wsgi": MARK},
    ),
    *(
        Site(
            f"sockets-{rotation.lower()}",
            "WSGISocketPrefix @ROOT@/run/other\n"
            f"WSGISocketRotation {rotation}\nWSGIAcceptMutex flock\nWSGIDaemonProcess one processes=2 threads=1\n"
            f"WSGIScriptAlias / {ENV} process-group=one",
            modes=DAEMON,
        )
        for rotation in ("On", "Off")
    ),
    Site(
        "services",
        "WSGITelemetryService unix:@SCRATCH@/none interval=0.5\nWSGISlowRequests 0.5\nWSGITelemetryOptions All\n"
        "@DELEGATE@\nWSGIScriptAlias /f @ROOT@/facts.wsgi application-group=one",
        files={"facts.wsgi": FACTS},
    ),
)

BASIC = (("Authorization", "Basic dXNlcjpyaWdodA=="),)
WRONG = (("Authorization", "Basic dXNlcjp3cm9uZw=="),)
PROXY = (("X-Forwarded-For", "1.2.3.4"), ("X-Forwarded-Host", "outside.invalid"), ("X-Host", "x"))


def rewrite(server: Server) -> None:
    """Another text, another time."""
    path = server.layout.root / "r.wsgi"
    path.write_text(path.read_text().replace('"text/plain"', '"text/changed"'))


def case(ident: str, rows: tuple[str, ...], ask: Ask, **more: Any) -> Case:
    """A case of the common site."""
    return Case(ident, rows, "effects", ask, **more)


HEADER = ("content-type", "content-length", "x-method", "transfer-encoding")

CASES = (
    case("1.2-alias", ("1.2-WSGIScriptAlias",), Ask("/env/x"), shows=('"SCRIPT_NAME": "/env"',)),
    case("1.2-match", ("1.2-WSGIScriptAliasMatch",), Ask("/match/environ/x"), shows=('"PATH_INFO": "/x"',)),
    case("1.2-match-not", ("1.2-WSGIScriptAliasMatch",), Ask("/match/9"), status=404),
    case("1.2-callable", ("1.2-WSGICallableObject",), Ask("/env/callable"), shows=('"test.entry": "second"',)),
    case("1.2-callable-env", ("1.2-WSGICallableObject",), Ask("/env/callable-env"), shows=('"test.entry": "second"',)),
    case("1.2-callable-other", ("1.2-WSGICallableObject",), Ask("/env/callable-other")),
    case("1.2-callable-unset", ("1.2-WSGICallableObject",), Ask("/env/callable-unset")),
    case(
        "1.2-callable-dots-e",
        ("1.2-WSGICallableObject",),
        Ask("/env/callable-dots"),
        status=404,
        codes=(89,),
        modes=EMBEDDED,
    ),
    case(
        "1.2-callable-dots-d",
        ("1.2-WSGICallableObject",),
        Ask("/env/callable-dots"),
        status=500,
        codes=(89,),
        modes=DAEMON,
    ),
    case("1.2-request", ("1.2-WSGIPassApacheRequest",), Ask("/env/request")),
    case(
        "1.2-authorization",
        ("1.2-WSGIPassAuthorization",),
        Ask("/env/authorization", headers=BASIC),
        shows=("HTTP_AUTHORIZATION",),
    ),
    case("1.2-authorization-off", ("1.2-WSGIPassAuthorization",), Ask("/env", headers=BASIC)),
    case("1.2-restrict", ("1.2-WSGIRestrictProcess",), Ask("/env/restrict"), status=500, codes=(149,)),
    case("1.2-restrict-more", ("1.2-WSGIRestrictProcess",), Ask("/env/restrict/more")),
    case("1.2-restrict-list", ("1.2-WSGIRestrictProcess",), Ask("/env/restrict/list")),
    case(
        "1.2-chunked",
        ("1.2-WSGIChunkedRequest",),
        Ask("/out/read", "POST", body=b"body", chunked=True),
        shows=("body",),
    ),
    case(
        "1.2-chunked-off",
        ("1.2-WSGIChunkedRequest",),
        Ask("/env", "POST", body=b"body", chunked=True),
        status=411,
        codes=(139,),
    ),
    case("1.2-ignore", ("1.2-WSGIIgnoreActivity",), Ask("/env/ignore")),
    case(
        "1.2-proxies",
        ("1.2-WSGITrustedProxyHeaders", "1.2-WSGITrustedProxies"),
        Ask("/env/proxy", headers=PROXY),
        shows=('"REMOTE_ADDR": "1.2.3.4"', '"HTTP_HOST": "outside.invalid"'),
    ),
    case(
        "1.2-proxies-untrusted",
        ("1.2-WSGITrustedProxies",),
        Ask("/env/proxy/untrusted", headers=PROXY),
        shows=('"REMOTE_ADDR": "127.0.0.1"',),
    ),
    case("1.2-head-on", ("1.2-WSGIMapHEADToGET",), Ask("/out/202", "HEAD"), status=202, headers=HEADER),
    case("1.2-head-off", ("1.2-WSGIMapHEADToGET",), Ask("/out/200", "HEAD"), headers=HEADER),
    case("1.2-head-auto", ("1.2-WSGIMapHEADToGET",), Ask("/out/201", "HEAD"), status=201, headers=HEADER),
    case("1.2-override-404", ("1.2-WSGIErrorOverride",), Ask("/out/404"), status=404),
    case("1.2-override-503", ("1.2-WSGIErrorOverride",), Ask("/out/503"), status=503),
    case("1.2-override-200", ("1.2-WSGIErrorOverride",), Ask("/out/200")),
    case("1.2-override-302", ("1.2-WSGIErrorOverride",), Ask("/out/302"), status=302),
    case("1.2-override-off", ("1.2-WSGIErrorOverride",), Ask("/out/410"), status=410),
    case("1.2-sendfile", ("1.2-WSGIEnableSendfile",), Ask("/out/file"), shows=("file_wrapper",)),
    case("1.2-access", ("1.2-WSGIAccessScript",), Ask("/access/allowed")),
    case("1.2-access-denied", ("1.2-WSGIAccessScript",), Ask("/access/denied"), status=403, codes=(57,)),
    case("1.2-user", ("1.2-WSGIAuthUserScript",), Ask("/auth/x", headers=BASIC), shows=('"REMOTE_USER": "user"',)),
    case("1.2-user-wrong", ("1.2-WSGIAuthUserScript",), Ask("/auth/x", headers=WRONG), status=401),
    case("1.2-user-none", ("1.2-WSGIAuthUserScript",), Ask("/auth/x"), status=401),
    case(
        "1.2-group",
        ("1.2-WSGIAuthGroupScript", "1.2-WSGIGroupAuthoritative"),
        Ask("/auth/group", headers=BASIC),
        status=401,
        codes=(60,),
    ),
    case("1.2-group-all", ("1.2-WSGIAuthGroupScript", "1.2-WSGIGroupAuthoritative"), Ask("/auth/all", headers=BASIC)),
    case(
        "1.2-dispatch",
        ("1.2-WSGIDispatchScript", "2.2-decision-scripts"),
        Ask("/dispatch/x"),
        shows=("of-dispatch", '"test.entry": "second"'),
    ),
    case(
        "1.2-handler",
        ("1.2-WSGIHandlerScript", "2.2-handler-script"),
        Ask("/page.mine/more", headers=BASIC),
        shows=('"mod_wsgi.request_handler": "mine"', '"mod_wsgi.application_group": "second"', "Basic"),
    ),
    case(
        "1.2-handler-plain",
        ("1.2-WSGIHandlerScript",),
        Ask("/page.plain", headers=BASIC),
        shows=('"mod_wsgi.request_handler": "plain"',),
    ),
    case("1.2-handler-missing", ("1.2-WSGIHandlerScript",), Ask("/not-there.mine")),
    case(
        "1.3-notes",
        ("1.3-notes-win", "1.3-global-folded", "2.2-script-alias"),
        Ask("/options", headers=BASIC),
        shows=('"mod_wsgi.application_group": ""', '"test.entry": "second"', "HTTP_AUTHORIZATION"),
    ),
    case(
        "2.2-match",
        ("2.2-script-alias-match",),
        Ask("/mo/x", headers=BASIC),
        shows=('"mod_wsgi.application_group": "matched"', '"test.entry": "second"', "HTTP_AUTHORIZATION"),
    ),
    case("1.3-literal-e", ("1.3-callable-literal",), Ask("/literal"), status=404, codes=(89,), modes=EMBEDDED),
    case("1.3-literal-d", ("1.3-callable-literal",), Ask("/literal"), status=500, codes=(89,), modes=DAEMON),
    case("1.3-expanded", ("1.3-other-tokens",), Ask("/expanded"), shows=('"mod_wsgi.application_group": "second"',)),
    # Preloading: what is there without a request, after both groups have answered one.
    Case(
        "1.3-preload",
        ("1.3-preload", "1.3-preload-not", "1.2-WSGIImportScript", "2.2-import-script"),
        "preload",
        (Ask("/process"), Ask("/two"), marks("both.wsgi-one", "fixed.wsgi-one", "import.wsgi-two")),
        modes=DAEMON,
        shows=("both.wsgi-one", "fixed.wsgi-one", "import.wsgi-two"),
    ),
    Case("1.3-preload-order", ("1.3-preload-order",), "preload", Ask("/fixed"), modes=DAEMON, shows=("one",)),
    Case("1.3-preload-then", ("1.3-preload",), "preload", Ask("/both"), modes=DAEMON, shows=("one",)),
    Case(
        "1.3-preload-directory",
        ("1.3-preload-directory",),
        "preload-directory",
        (Ask("/d/inside.wsgi"), codes_since_start),
        modes=DAEMON,
        shows=("WSGI0106",),
        skip=("log",),
        accepted={"result": "D117"},
        ours={"result": []},
    ),
    Case(
        "1.3-global",
        ("1.3-global-folded",),
        "named",
        Ask("/global"),
        modes=DAEMON,
        shows=('"mod_wsgi.process_group": ""',),
    ),
    Case(
        "2.2-alias-process",
        ("2.2-script-alias",),
        "named",
        Ask("/one"),
        modes=DAEMON,
        shows=('"mod_wsgi.process_group": "one"',),
    ),
    Case(
        "1.2-process-group",
        ("1.2-WSGIProcessGroup",),
        "named",
        Ask("/scope"),
        modes=DAEMON,
        shows=('"mod_wsgi.process_group": "one"',),
    ),
    Case(
        "1.2-process-group-inner",
        ("1.2-WSGIProcessGroup",),
        "named",
        Ask("/inner"),
        modes=DAEMON,
        shows=('"mod_wsgi.process_group": ""',),
    ),
    Case(
        "B-unknown-group-request",
        ("B-not-unknown-group",),
        "named",
        Ask("/unknown"),
        modes=DAEMON,
        status=500,
        codes=(151,),
    ),
    Case(
        "2.2-handler",
        ("2.2-handler-script", "1.2-WSGIHandlerScript"),
        "named",
        Ask("/page.mine"),
        modes=DAEMON,
        shows=('"mod_wsgi.process_group": "one"',),
    ),
    Case(
        "1.2-restrict-embedded",
        ("1.2-WSGIRestrictEmbedded",),
        "restricted",
        Ask("/embedded"),
        modes=DAEMON,
        status=500,
        codes=(143,),
    ),
    Case("1.2-restrict-embedded-daemon", ("1.2-WSGIRestrictEmbedded",), "restricted", Ask("/one"), modes=DAEMON),
    Case(
        "1.3-preload-embedded",
        ("1.3-preload-embedded",),
        "restricted",
        (Ask("/one"), marks()),
        modes=DAEMON,
        shows=("[]",),
    ),
    Case(
        "1.2-import-embedded",
        ("1.2-WSGIImportScript", "1.2-WSGIRestrictEmbedded"),
        "restricted-import",
        (Ask("/one"), marks("embedded.wsgi-embedded")),
        modes=DAEMON,
        shows=("embedded.wsgi-embedded",),
    ),
    Case(
        "1.2-import-embedded-request",
        ("1.2-WSGIImportScript",),
        "restricted-import",
        Ask("/embedded"),
        modes=DAEMON,
        status=500,
        codes=(143,),
    ),
    Case("1.2-reloading", ("1.2-WSGIScriptReloading",), "effects-reloading", (Ask("/r"), rewrite, Ask("/r"))),
    *(
        Case(
            f"1.2-sockets-{rotation}",
            ("1.2-WSGISocketRotation", "1.2-WSGISocketPrefix", "1.2-WSGIAcceptMutex"),
            f"sockets-{rotation}",
            (Ask("/"), Ask("/again")),
            modes=DAEMON,
            shows=('"wsgi.multiprocess": ["bool", "True"]',),
        )
        for rotation in ("on", "off")
    ),
    Case(
        "1.2-services",
        ("1.2-WSGITelemetryService", "1.2-WSGISlowRequests", "1.2-WSGITelemetryOptions", "1.2-WSGIServerMetrics"),
        "services",
        Ask("/f?k=groups"),
        skip=("log",),
    ),
)
