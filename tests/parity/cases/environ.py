# SPDX-License-Identifier: Apache-2.0
"""4.1 to 4.3: the environ, key for key."""

from __future__ import annotations

from dataclasses import replace

from parity.model import BOTH, DAEMON, EMBEDDED, Ask, Case, Site
from parity.tables import app, basic, pair, spoken

USERS = "ann:{SHA}5en6G6MezRroT3XKqkdPOmY/BfQ=\n"  # ann, secret

SPOOFED = """
SetEnv SCRIPT_NAME /spoofed
SetEnv PATH_INFO /spoofed
SetEnv HTTP_HOST spoofed
SetEnv REQUEST_METHOD SPOOF
SetEnv REMOTE_ADDR 192.0.2.99
SetEnv SERVER_NAME spoofed
SetEnv QUERY_STRING spoofed
SetEnv SCRIPT_FILENAME /spoofed
SetEnv DOCUMENT_ROOT /spoofed
SetEnv CONTENT_LENGTH 99
SetEnv CONTENT_TYPE spoofed/type
"""
OWN = """
SetEnv wsgi.version spoofed
SetEnv wsgi.url_scheme gopher
SetEnv wsgi.input spoofed
SetEnv wsgi.errors spoofed
SetEnv wsgi.multithread spoofed
SetEnv wsgi.file_wrapper spoofed
SetEnv wsgi.anything kept
SetEnv mod_wsgi.process_group spoofed
SetEnv mod_wsgi.application_group spoofed
SetEnv mod_wsgi.callable_object spoofed
SetEnv mod_wsgi.request_handler spoofed
SetEnv mod_wsgi.handler_script spoofed
SetEnv mod_wsgi.script_name spoofed
SetEnv mod_wsgi.path_info spoofed
SetEnv mod_wsgi.version spoofed
SetEnv mod_wsgi.listener_host spoofed
SetEnv mod_wsgi.listener_port spoofed
SetEnv mod_wsgi.anything kept
SetEnv apache.version spoofed
SetEnv apache.anything kept
"""
HIDDEN = """
SetEnv mod_wsgi.x-script_reloading spoofed
SetEnv mod_wsgi.x-enable_sendfile spoofed
SetEnv mod_wsgi.x-anything spoofed
"""
ABSENT = ("GATEWAY_INTERFACE", "PATH_TRANSLATED", "REMOTE_HOST", "REMOTE_IDENT", "SERVER_SIGNATURE", "LD_LIBRARY_PATH")

LINES = (
    """
@DELEGATE@
WSGIApplicationGroup %{GLOBAL}
ServerAdmin webmaster@example.invalid
WSGIScriptAlias /app @ROOT@/w/show.wsgi
WSGIScriptAlias /second @ROOT@/w/show.wsgi callable-object=second
WSGIScriptAlias /named @ROOT@/w/show.wsgi application-group=named
WSGIScriptAlias /bytes-\u00e9 @ROOT@/w/caf\u00e9.wsgi
Alias /prefix @HTDOCS@/sub
<Directory @HTDOCS@>
    Options +ExecCGI
    AddHandler wsgi-script .wsgi
    DirectoryIndex index.wsgi
</Directory>
<Location /app/spoofed>
"""
    + SPOOFED
    + """
</Location>
<Location /app/own>
"""
    + OWN
    + """
</Location>
<Location /app/hidden>
"""
    + HIDDEN
    + """
</Location>
<Location /app/absent>
"""
    + "".join(f"SetEnv {name} by-the-admin\n" for name in ABSENT)
    + """
</Location>
<Location /app/variables>
    SetEnv PLAIN value
    SetEnv EMPTY
    SetEnv LATIN caf\u00e9
    SetEnv lower-case.name value
    SetEnv UNSET_AGAIN value
    UnsetEnv UNSET_AGAIN
    PassEnv LANG
    SetEnv PYTHONPATH /nowhere
</Location>
<Location /app/path>
    SetEnv PATH /spoofed
</Location>
<Location /app/passed-path>
    PassEnv PATH
</Location>
SetEnvIf Request_URI "^/app/conditional/(.*)" PART=$1 HOST_IS=ours !GONE
SetEnvIf X-Marked "(.+)" MARKED=$1
<Location /app/rewritten>
    RewriteEngine On
    RewriteRule .* - [E=BY_RULE:%{REQUEST_METHOD},E=HTTP_X_RULE:made]
</Location>
<Location /app/header>
    RequestHeader set X-Added by-apache
    RequestHeader unset X-Removed
    RequestHeader set X_Under by-apache
</Location>
<Location /app/authorization>
    SetEnv HTTP_AUTHORIZATION by-the-admin
    SetEnv HTTP_PROXY by-the-admin
</Location>
<Location /app/pass>
    WSGIPassAuthorization On
</Location>
<Location /app/cgi-pass>
    CGIPassAuth On
</Location>
<Location /app/pass-and-set>
    WSGIPassAuthorization On
    SetEnv HTTP_AUTHORIZATION by-the-admin
</Location>
<Location /app/current>
    CGIVar REQUEST_URI current-uri
</Location>
<Location /app/user>
    AuthType Basic
    AuthName here
    AuthBasicProvider file
    AuthUserFile @ROOT@/users
    Require valid-user
</Location>
<Location /app/refused>
    Require user nobody
    AuthType Basic
    AuthName here
    AuthBasicProvider file
    AuthUserFile @ROOT@/users
    ErrorDocument 401 /app/after-refusal
</Location>
<Location /errors>
    ErrorDocument 404 /app/document?of=error
</Location>
<Location /errors/qualified>
    ErrorDocument 404 /app/qualified
</Location>
<Location /app/qualified>
    QualifyRedirectURL On
</Location>
"""
    + "".join(
        f"""
<Location /app/https-{name}>
    SetEnv HTTPS "{value}"
</Location>
"""
        for name, value in (
            *(("on", "on"), ("On", "On"), ("ON", "ON"), ("one", "1"), ("yes", "yes"), ("true", "true")),
            *(("off", "off"), ("empty", ""), ("onx", "onx"), ("ten", "10"), ("blank", " on")),
        )
    )
    + """
<VirtualHost *:@PORT0@>
    ServerName first.invalid
</VirtualHost>
<VirtualHost *:@PORT1@>
    ServerName https://second.invalid:8443
    UseCanonicalName On
    ServerAdmin other@example.invalid
    DocumentRoot @HTDOCS@/sub
</VirtualHost>
<VirtualHost *:@PORT2@>
    ServerName third.invalid
    HttpProtocolOptions Unsafe
    AllowEncodedSlashes On
    UseCanonicalPhysicalPort On
    ServerSignature On
    HostnameLookups On
</VirtualHost>
<VirtualHost *:@PORT3@>
    ServerName fourth.invalid
    RemoteIPHeader X-Remote
    RemoteIPInternalProxy 127.0.0.1
    AllowEncodedSlashes NoDecode
</VirtualHost>
"""
)

FILES = {
    "w/show.wsgi": app("show.wsgi"),
    "w/caf\u00e9.wsgi": app("show.wsgi"),
    "htdocs/sub/by.wsgi": app("show.wsgi"),
    "htdocs/sub/index.wsgi": app("show.wsgi"),
    "users": USERS,
}

SITES = (
    Site(
        "environ",
        LINES,
        ports=4,
        modules=("rewrite", "headers", "remoteip", "auth_basic", "authn_core", "authn_file", "authz_user"),
        files=FILES,
    ),
    Site(
        "environ-ids",
        "@DELEGATE@\nWSGIScriptAlias / @ROOT@/w/show.wsgi\n",
        modules=("unique_id",),
        files={"w/show.wsgi": app("show.wsgi")},
    ),
    Site(
        "environ-prefork",
        "@DELEGATE@\nWSGIScriptAlias / @ROOT@/w/show.wsgi\n",
        mpm="prefork",
        modes=EMBEDDED,
        files={"w/show.wsgi": app("show.wsgi")},
    ),
    Site(
        "environ-groups",
        "".join(
            f"WSGIDaemonProcess g{number} {options}\nWSGIScriptAlias /g{number} @ROOT@/w/show.wsgi process-group=g{number}\n"
            for number, options in enumerate(
                (
                    *("threads=1", "threads=2", "processes=1", "processes=2 threads=2", "processes=1 threads=1"),
                    *("threads=1 maximum-requests=1", "threads=2 maximum-requests=1", "threads=1 maximum-requests=2"),
                    *("processes=2 threads=1 maximum-requests=1",),
                )
            )
        )
        + "<Location /g1>\nWSGIPassApacheRequest On\n</Location>\n",
        modes=DAEMON,
        files={"w/show.wsgi": app("show.wsgi")},
    ),
    Site(
        "environ-request",
        "WSGIScriptAlias / @ROOT@/w/show.wsgi\nWSGIPassApacheRequest On\n",
        modes=EMBEDDED,
        files={"w/show.wsgi": app("show.wsgi")},
    ),
)


def one(
    name: str,
    rows: str,
    target: str,
    *shows: str,
    headers: tuple[tuple[str, str], ...] = (),
    port: int = 0,
    modes: tuple[str, ...] = BOTH,
    site: str = "environ",
) -> Case:
    """One GET and what its environ shows."""
    return Case(name, tuple(rows.split()), site, Ask(target, headers=headers, port=port), shows=shows, modes=modes)


def header(name: str, value: str, *shows: str, row: str = "4.1-headers") -> Case:
    """One header."""
    case = one(f"4.1 header {name}: {value[:20]}", row, "/app", *shows, headers=((name, value),))
    if name == "Range":
        return replace(case, accepted=dict.fromkeys(("status", "reason", "headers", "body", "environ"), "D202"))
    return case


def expecting(mode: str, accepted: dict[str, str]) -> Case:
    """A client that waits for the word to send its body, and an application that does not want it."""
    case = header("Expect", "100-continue")
    return replace(case, id=f"{case.id}, {mode}", modes=(mode,), accepted=accepted)


def raw(
    name: str, row: str, *lines: str, port: int = 0, target: str = "/app", version: str = "1.1", status: int = 200
) -> Case:
    """A request that http.client would not send; the answer's environ is compared as text."""
    head = "\r\n".join((f"GET {target} HTTP/{version}", *lines, "Connection: close", "", ""))
    return Case(f"4.1 raw {name}", (row,), "environ", spoken(head, port), None, shows=(pair("status", status),))


CASES: tuple[Case, ...] = (
    one(
        "4.1 plain",
        "4.1-request-keys 4.1-server-keys 4.1-remote 4.1-absent 4.2-wsgi.version 4.2-wsgi.input 4.2-wsgi.errors "
        "4.2-wsgi.file_wrapper 4.2-apache.version 4.2-mod_wsgi.version 4.2-mod_wsgi.groups 4.2-mod_wsgi.listener "
        "4.2-mod_wsgi.server_pid 4.2-mod_wsgi.thread_id 4.2-mod_wsgi.script_name 4.2-hidden",
        "/app",
        pair("SCRIPT_NAME", "/app"),
        pair("PATH_INFO", ""),
        pair("QUERY_STRING", ""),
        pair("SERVER_ADMIN", "webmaster@example.invalid"),
        pair("wsgi.version", ["tuple", "(1, 0)"]),
        pair("test.exact", True),
        pair("test.times", True),
        pair("test.pid", True),
    ),
    *(
        one(f"4.1 request {target}", "4.1-request-keys", target)
        for target in (
            "/app/",
            "/app/x?q=1&r=%20",
            "/app?",
            "/app??",
            "/app/a%3Fb?c",
            "/app/x;y=z",
            "/second/x",
            "/named/x",
        )
    ),
    *(
        one(f"4.1 uri {target}", "4.1-request-uri", target, pair("REQUEST_URI", target))
        for target in (
            "/app/%41",
            "/app//b",
            "/app/x/../y",
            "/app/%C3%A9?%C3%A9",
            "/app/a+b",
            "/%61pp/x",
            "//app",
            "/app/x%20y",
        )
    ),
    one("4.1 uri absolute", "4.1-request-uri", "http://first.invalid/app/x?y", pair("PATH_INFO", "/x")),
    one("4.1 uri absolute other", "4.1-request-uri 4.1-server-name", "http://other.invalid:81/app/x"),
    *(one(f"4.1 current {target}", "4.1-request-uri", f"/app/current{target}") for target in ("", "/%41?x", "//b")),
    *(
        Case(
            f"4.1 method {method}",
            ("4.1-request-keys",),
            "environ",
            Ask("/app", method, body=body),
            200,
            shows=(pair("REQUEST_METHOD", method),),
        )
        for method, body in (
            ("POST", b"abc"),
            ("PUT", b""),
            ("DELETE", None),
            ("OPTIONS", None),
            ("PATCH", b"x"),
            ("BREW", None),
            ("get", None),
        )
    ),
    # ---- headers
    header("X-Plain", "value", pair("HTTP_X_PLAIN", "value")),
    header("x-LOWER-Upper", "Value", pair("HTTP_X_LOWER_UPPER", "Value")),
    header("Content-Type", "text/x; a=b", pair("CONTENT_TYPE", "text/x; a=b")),
    header("Content-Length", "0", pair("CONTENT_LENGTH", "0")),
    header("Content-Encoding", "x"),
    header(
        "Host",
        "other.invalid:1234",
        pair("HTTP_HOST", "other.invalid:1234"),
        pair("SERVER_NAME", "other.invalid"),
        row="4.1-server-name",
    ),
    header("Host", "OTHER.Invalid", row="4.1-server-name"),
    header("Host", "[::1]:80", row="4.1-server-name"),
    header("Cookie", "a=b; c=d", pair("HTTP_COOKIE", "a=b; c=d")),
    header("X-Digits-9", "9", pair("HTTP_X_DIGITS_9", "9")),
    header("9-First", "9", pair("HTTP_9_FIRST", "9")),
    header("X-Empty", "", pair("HTTP_X_EMPTY", "")),
    header("X-Latin", "caf\u00e9", pair("HTTP_X_LATIN", "caf\u00e9"), row="4.1-encoding"),
    header("X-Utf8", "\u00c3\u00a9", pair("HTTP_X_UTF8", "\u00c3\u00a9"), row="4.1-encoding"),
    header("X-Long", "x" * 8000),
    header("HTTPS", "on", pair("wsgi.url_scheme", "http")),
    header("Https", "1", pair("wsgi.url_scheme", "http")),
    header("Remote-User", "root", pair("HTTP_REMOTE_USER", "root")),
    header("Remote-Addr", "192.0.2.1", pair("REMOTE_ADDR", "127.0.0.1")),
    header("Script-Name", "/x", pair("SCRIPT_NAME", "/app")),
    header("Path-Info", "/x", pair("PATH_INFO", "")),
    header("Wsgi.Input", "x", row="4.1-bad-names"),
    header("Auth-Type", "Basic"),
    header("Server-Name", "x"),
    header("Request-Method", "X", pair("REQUEST_METHOD", "GET")),
    expecting("embedded", {"headers:connection": "D213"}),
    expecting("daemon", {}),
    header("Range", "bytes=0-1"),
    header("If-Modified-Since", "Mon, 02 Jan 2023 03:04:05 GMT"),
    header("X-Forwarded-For", "192.0.2.1", pair("HTTP_X_FORWARDED_FOR", "192.0.2.1"), row="4.4-unset"),
    header("X-Forwarded-Proto", "https", pair("wsgi.url_scheme", "http"), row="4.4-unset"),
    *(
        header(name, "evil", row="4.1-bad-names")
        for name in (
            *(
                "X_Under",
                "REMOTE_USER",
                "HTTP_HOST",
                "CONTENT_LENGTH_",
                "X.Dot",
                "X!Bang",
                "X~Tilde",
                "X*Star",
                "X'Quote",
            ),
            *(
                "X+Plus",
                "X|Pipe",
                "X^Hat",
                "X`Tick",
                "X#Hash",
                "X$Dollar",
                "X%25",
                "X&And",
                "Content_Type",
                "_",
                "SCRIPT_NAME",
            ),
            *("wsgi.url_scheme", "mod_wsgi.process_group", "Transfer_Encoding", "X-Forwarded_For"),
        )
    ),
    header("Proxy", "http://evil.invalid", row="4.1-proxy"),
    header("PROXY", "http://evil.invalid", row="4.1-proxy"),
    header("proxy", "http://evil.invalid", row="4.1-proxy"),
    header("X-Proxy", "fine", pair("HTTP_X_PROXY", "fine"), row="4.1-proxy"),
    one(
        "4.1 header twice",
        "4.1-headers",
        "/app",
        pair("HTTP_X_TWICE", "a, b"),
        headers=(("X-Twice", "a"), ("X-Twice", "b")),
    ),
    one("4.1 header cookies", "4.1-headers", "/app", headers=(("Cookie", "a=1"), ("Cookie", "b=2"))),
    one("4.1 header case twice", "4.1-headers", "/app", headers=(("X-Case", "a"), ("x-case", "b"))),
    one(
        "4.1 header look-alike",
        "4.1-bad-names",
        "/app",
        pair("HTTP_X_NAME", "good"),
        headers=(("X_Name", "evil"), ("X-Name", "good")),
    ),
    one(
        "4.1 header look-alike after",
        "4.1-bad-names",
        "/app",
        pair("HTTP_X_NAME", "good"),
        headers=(("X-Name", "good"), ("X_Name", "evil"), ("X.Name", "evil")),
    ),
    one(
        "4.1 header of the client",
        "4.1-headers",
        "/app/header",
        pair("HTTP_X_ADDED", "by-apache"),
        headers=(("X-Added", "evil"), ("X-Removed", "x")),
    ),
    raw("host missing 1.0", "4.1-request-keys", version="1.0"),
    raw("host empty", "4.1-server-name", "Host:", status=400),
    raw("host missing 1.1", "4.1-server-name", status=400),
    raw("host twice", "4.1-server-name", "Host: a", "Host: b", status=400),
    raw("host wrong", "4.1-server-name", "Host: a b", status=400),
    raw("host escaped", "4.1-server-name", 'Host: a<b>&"c', port=2),
    raw("folded", "4.1-headers", "Host: a", "X-Folded: a\r\n b"),
    raw("folded unsafe", "4.1-headers", "Host: a", "X-Folded: a\r\n b", port=2),
    raw("blank before colon", "4.1-bad-names", "Host: a", "X-Blank : a", status=400),
    raw("blank before colon unsafe", "4.1-bad-names", "Host: a", "X-Blank : a", port=2, status=400),
    raw("blank in name unsafe", "4.1-bad-names", "Host: a", "X Blank: a", port=2, status=400),
    raw("no colon", "4.1-bad-names", "Host: a", "nonsense", status=400),
    raw("empty name", "4.1-bad-names", "Host: a", ": x", status=400),
    raw("empty name unsafe", "4.1-bad-names", "Host: a", ": x", port=2, status=400),
    raw("latin name", "4.1-bad-names", "Host: a", "X-\u00e9: x", status=400),
    raw("latin name unsafe", "4.1-bad-names", "Host: a", "X-\u00e9: x", port=2),
    raw("control in value", "4.1-encoding", "Host: a", "X-Control: a\x01b", status=400),
    raw("control in value unsafe", "4.1-encoding", "Host: a", "X-Control: a\x01b\x7f", port=2),
    raw("tabs around", "4.1-headers", "Host: a", "X-Tabs: \t a\tb \t"),
    raw("version 0.9", "4.1-request-keys", version="0.9", status=400),
    raw("version 1.2", "4.1-request-keys", "Host: a", version="1.2"),
    raw("version 2.0", "4.1-request-keys", "Host: a", version="2.0"),
    raw("bytes in target", "4.1-encoding", "Host: a", target="/app/\u00e9?\u00e9"),
    raw("bytes in target unsafe", "4.1-encoding", "Host: a", target="/app/\u00e9?\u00e9", port=2),
    # ---- authorization
    *(
        one(
            f"4.1 authorization {path or 'off'}",
            "4.1-authorization",
            f"/app/{path}",
            *shows,
            headers=(basic("ann"), ("Proxy-Authorization", "Basic eDp5")),
        )
        for path, shows in (
            ("", ()),
            ("pass", (pair("HTTP_AUTHORIZATION", basic("ann")[1]),)),
            ("cgi-pass", (pair("HTTP_AUTHORIZATION", basic("ann")[1]), pair("HTTP_PROXY_AUTHORIZATION", "Basic eDp5"))),
            ("pass-and-set", (pair("HTTP_AUTHORIZATION", basic("ann")[1]),)),
        )
    ),
    one(
        "4.3 authorization set",
        "4.3-setenv-authorization",
        "/app/authorization",
        pair("HTTP_AUTHORIZATION", "by-the-admin"),
        pair("HTTP_PROXY", "by-the-admin"),
    ),
    one(
        "4.3 authorization set and sent",
        "4.3-setenv-authorization",
        "/app/authorization",
        headers=(basic("ann"), ("Proxy", "evil")),
    ),
    one(
        "4.3 authorization passed or set",
        "4.3-setenv-authorization",
        "/app/pass-and-set",
        pair("HTTP_AUTHORIZATION", "by-the-admin"),
    ),
    # ---- server and client
    *(
        one(
            f"4.1 server name {host} {port}",
            "4.1-server-name 4.1-server-keys",
            "/app",
            headers=(("Host", host),),
            port=port,
        )
        for port in (0, 1, 2, 3)
        for host in ("name.invalid", "name.invalid:99", "first.invalid")
    ),
    one(
        "4.1 canonical",
        "4.1-server-name",
        "/app",
        pair("SERVER_NAME", "second.invalid"),
        pair("SERVER_PORT", "8443"),
        port=1,
    ),
    one(
        "4.1 remoteip",
        "4.1-remoteip",
        "/app",
        pair("REMOTE_ADDR", "192.0.2.7"),
        headers=(("X-Remote", "192.0.2.7"),),
        port=3,
    ),
    one("4.1 remoteip list", "4.1-remoteip", "/app", headers=(("X-Remote", "192.0.2.7, 10.0.0.1"),), port=3),
    one(
        "4.1 remoteip wrong",
        "4.1-remoteip",
        "/app",
        pair("REMOTE_ADDR", "127.0.0.1"),
        headers=(("X-Remote", "nonsense"),),
        port=3,
    ),
    one(
        "4.1 user",
        "4.1-remote-user",
        "/app/user",
        pair("REMOTE_USER", "ann"),
        pair("AUTH_TYPE", "Basic"),
        headers=(basic("ann"),),
    ),
    Case(
        "4.1 user after refusal",
        ("4.1-remote-user",),
        "environ",
        Ask("/app/refused", headers=(basic("ann"),)),
        None,
        shows=(pair("REDIRECT_REMOTE_USER", "ann"),),
    ),
    # ---- places
    *(
        one(f"4.1 place {target}", "4.1-server-keys 4.1-request-keys", target, *shows)
        for target, shows in (
            ("/prefix/by.wsgi/x", (pair("CONTEXT_PREFIX", "/prefix"), pair("SCRIPT_NAME", "/prefix/by.wsgi"))),
            ("/prefix/", (pair("SCRIPT_NAME", "/prefix/index.wsgi"),)),
            ("/sub/by.wsgi/x", (pair("CONTEXT_PREFIX", ""),)),
            ("/sub/", (pair("SCRIPT_NAME", "/sub/index.wsgi"),)),
            ("/bytes-%C3%A9/x", (pair("SCRIPT_NAME", "/bytes-\u00c3\u00a9"),)),
        )
    ),
    *(
        one(f"4.1 slash {target} {port}", "4.1-request-keys", target, port=port)
        for port in (2, 3)
        for target in ("/app/a%2Fb", "/app/a%2f%2Fb", "/app/%5Cx")
    ),
    Case("4.1 slash up", ("4.1-request-keys",), "environ", Ask("/app/%2e%2E%2fx", port=2), 404),
    Case("4.1 slash up, not decoded", ("4.1-request-keys",), "environ", Ask("/app/%2e%2E%2fx", port=3), None),
    # ---- redirects
    *(
        one(f"4.1 redirect {target}", "4.1-redirect", target, *shows)
        for target, shows in (
            ("/errors/none", (pair("REDIRECT_URL", "/errors/none"), pair("REQUEST_URI", "/errors/none"))),
            ("/errors/none?q=1", (pair("REDIRECT_QUERY_STRING", "q=1"), pair("QUERY_STRING", "of=error"))),
            ("/errors/qualified?q", (pair("REDIRECT_QUERY_STRING", "q"),)),
            ("/errors/%C3%A9%20x", ()),
        )
    ),
    # ---- other modules
    one(
        "4.1 variables",
        "4.1-subprocess-env",
        "/app/variables",
        pair("PLAIN", "value"),
        pair("EMPTY", ""),
        pair("LATIN", "caf\u00c3\u00a9"),
        pair("lower-case.name", "value"),
        pair("PYTHONPATH", "/nowhere"),
    ),
    one("4.1 conditional", "4.1-subprocess-env", "/app/conditional/part", pair("PART", "part")),
    one("4.1 marked", "4.1-subprocess-env", "/app", pair("MARKED", "x\u00e9"), headers=(("X-Marked", "x\u00e9"),)),
    one("4.1 rewritten", "4.1-subprocess-env", "/app/rewritten", pair("BY_RULE", "GET"), pair("HTTP_X_RULE", "made")),
    one("4.1 path set", "4.1-removed", "/app/path"),
    one("4.1 path passed", "4.1-removed", "/app/passed-path"),
    one("4.1 absent but set", "4.1-absent", "/app/absent", *(pair(name, "by-the-admin") for name in ABSENT)),
    # ---- overrides
    one(
        "4.3 cgi wins",
        "4.3-cgi-over-setenv",
        "/app/spoofed",
        pair("SCRIPT_NAME", "/app"),
        pair("REQUEST_METHOD", "GET"),
        pair("REMOTE_ADDR", "127.0.0.1"),
    ),
    one(
        "4.3 ours win",
        "4.3-own-keys-win",
        "/app/own",
        pair("mod_wsgi.script_name", "/app"),
        pair("wsgi.version", ["tuple", "(1, 0)"]),
    ),
    one("4.2 hidden", "4.2-hidden", "/app/hidden"),
    *(
        one(
            f"4.2 https {name}",
            "4.2-wsgi.url_scheme 4.1-removed",
            f"/app/https-{name}",
            pair("wsgi.url_scheme", scheme),
        )
        for name, scheme in (
            *(("on", "https"), ("On", "https"), ("ON", "https"), ("one", "https"), ("yes", "http"), ("true", "http")),
            *(("off", "http"), ("empty", "http"), ("onx", "http"), ("ten", "http"), ("blank", "http")),
        )
    ),
    # ---- wsgi.*, mod_wsgi.*
    one(
        "4.2 times embedded",
        "4.2-mod_wsgi.times",
        "/app",
        pair("mod_wsgi.queue_start", ["float", "0.0"]),
        pair("test.times", True),
        modes=EMBEDDED,
    ),
    one(
        "4.2 times in a daemon",
        "4.2-mod_wsgi.times",
        "/app",
        pair("mod_wsgi.queue_start", "@TIME@"),
        pair("test.times", True),
        modes=DAEMON,
    ),
    one("4.2 ids", "4.2-mod_wsgi.ids", "/x", pair("test.identifier", True), site="environ-ids"),
    Case(
        "4.2 prefork",
        ("4.2-wsgi.multithread", "4.2-wsgi.multiprocess"),
        "environ-prefork",
        Ask("/x"),
        shows=(pair("wsgi.multithread", ["bool", "False"]), pair("wsgi.multiprocess", ["bool", "True"])),
        modes=EMBEDDED,
        # An int is all that is promised; under prefork 6.1.1 begins with 0.
        typed={"mod_wsgi.thread_id": object},
    ),
    *(
        one(
            f"4.2 group {number}",
            "4.2-wsgi.multithread 4.2-wsgi.multiprocess 4.2-wsgi.run_once",
            f"/g{number}",
            pair("wsgi.multithread", ["bool", thread]),
            pair("wsgi.multiprocess", ["bool", process]),
            pair("wsgi.run_once", ["bool", once]),
            site="environ-groups",
            modes=DAEMON,
        )
        for number, (thread, process, once) in enumerate(
            (
                ("False", "False", "False"),
                ("True", "False", "False"),
                ("True", "True", "False"),
                ("True", "True", "False"),
                ("False", "True", "False"),
                ("False", "False", "True"),
                ("True", "False", "False"),
                ("False", "False", "False"),
                ("False", "True", "True"),
            )
        )
    ),
    one(
        "4.2 request_rec",
        "4.2-apache.request_rec",
        "/x",
        '"apache.request_rec": ',
        site="environ-request",
        modes=EMBEDDED,
    ),
)
