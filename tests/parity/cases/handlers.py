# SPDX-License-Identifier: Apache-2.0
"""3.3 and 3.4: the checks of the handler in order, the ways to reach it, handler scripts."""

from __future__ import annotations

import os
import shutil

from harness import Server, places

from parity.model import DAEMON, EMBEDDED, Act, Ask, Case, Site
from parity.tables import app, basic, copies, mapped, pair, routes

CHECKS_ = """
@DELEGATE@
WSGIApplicationGroup %{GLOBAL}
DocumentRoot @HTDOCS@
WSGIScriptAlias /app @ROOT@/w/show.wsgi
WSGIScriptAlias /text @ROOT@/w/text.wsgi
WSGIScriptAlias /chunks @ROOT@/w/show.wsgi
WSGIScriptAlias /missing @ROOT@/w/none.wsgi
<Location /chunks>
    WSGIChunkedRequest On
</Location>
WSGIScriptAlias /limited @ROOT@/w/show.wsgi
<Location /limited>
    LimitRequestBody 10
    WSGIChunkedRequest On
</Location>
WSGIScriptAlias /nopath @ROOT@/w/show.wsgi
<Location /nopath>
    AcceptPathInfo Off
</Location>
WSGIScriptAlias /defaultpath @ROOT@/w/show.wsgi
<Location /defaultpath>
    AcceptPathInfo Default
</Location>
<Directory @HTDOCS@/exec>
    Options +ExecCGI
    AllowOverride All
    AddHandler wsgi-script .wsgi
    AddType application/x-httpd-wsgi .typed
    DirectoryIndex index.wsgi
</Directory>
<Location /exec/handled.txt>
    SetHandler wsgi-script
</Location>
<Location /exec/typed.txt>
    SetHandler application/x-httpd-wsgi
</Location>
<Location /exec/upper.txt>
    SetHandler WSGI-SCRIPT
</Location>
<Location /exec/other.txt>
    SetHandler wsgi-scripts
</Location>
<Location /exec/missing.wsgi>
    SetHandler wsgi-script
</Location>
<Location /exec/forced>
    SetHandler wsgi-script
</Location>
<Files forced-type.txt>
    ForceType application/x-httpd-wsgi
</Files>
<Directory @HTDOCS@/without>
    Options +ExecCGI
    AddHandler wsgi-script .wsgi
    AcceptPathInfo Off
</Directory>
<Directory @HTDOCS@/noexec>
    AddHandler wsgi-script .wsgi
    AcceptPathInfo Off
</Directory>
<Directory @HTDOCS@/errors>
    ErrorDocument 404 /app/not-found?code=404
    ErrorDocument 403 /app/forbidden
    ErrorDocument 500 /app/failed
    AddHandler wsgi-script .wsgi
    Options +ExecCGI
</Directory>
<Files secret.html>
    Require all denied
</Files>
<Directory @HTDOCS@/pages>
    Options +Includes
    AddOutputFilter INCLUDES .shtml
    AddType text/html .shtml
</Directory>
<Directory @HTDOCS@/index>
    DirectoryIndex none.html /app/index
</Directory>
<Directory @HTDOCS@/fallback>
    FallbackResource /app/fallback
</Directory>
<Directory @HTDOCS@/actions>
    Action use-app /app/action
    AddHandler use-app .act
</Directory>
"""

# What comes first when several checks fail at once.
ORDER = """
<Location /order>
    WSGIProcessGroup no-such-group
</Location>
WSGIScriptAlias /order/missing @ROOT@/w/none.wsgi
WSGIScriptAlias /order/folder @ROOT@/w/
WSGIScriptAlias /order/group @ROOT@/w/show.wsgi
WSGIScriptAlias /order/restricted @ROOT@/w/show.wsgi
<Location /order/restricted>
    WSGIRestrictProcess something-else
</Location>
"""

GROUPS = """
WSGIDaemonProcess one threads=2
WSGIDaemonProcess two threads=2
WSGIDaemonProcess Upper threads=2
WSGIScriptAlias /one @ROOT@/w/show.wsgi process-group=one
WSGIScriptAlias /embedded @ROOT@/w/show.wsgi
WSGIScriptAlias /unknown @ROOT@/w/show.wsgi process-group=nobody
WSGIScriptAlias /undefined @ROOT@/w/show.wsgi process-group=%{ENV:NOBODY}
WSGIScriptAlias /case @ROOT@/w/show.wsgi process-group=upper
WSGIApplicationGroup %{GLOBAL}
<Location /one/allowed>
    WSGIRestrictProcess one two
</Location>
<Location /one/refused>
    WSGIRestrictProcess two
</Location>
<Location /one/replaced>
    WSGIRestrictProcess one
    WSGIRestrictProcess two
</Location>
<Location /one/upper>
    WSGIRestrictProcess ONE
</Location>
<Location /embedded/refused>
    WSGIRestrictProcess one
</Location>
<Location /embedded/allowed>
    WSGIRestrictProcess one %{GLOBAL}
</Location>
<Location /embedded/outer>
    WSGIRestrictProcess %{GLOBAL}
</Location>
<Location /embedded/outer/inner>
    WSGIRestrictProcess one
</Location>
<VirtualHost *:@PORT0@>
    ServerName first.invalid
    WSGIDaemonProcess of-first threads=2
    WSGIScriptAlias /first @ROOT@/w/show.wsgi process-group=of-first
    WSGIScriptAlias /second @ROOT@/w/show.wsgi process-group=%{ENV:SECOND}
    SetEnv SECOND of-second
    WSGIScriptAlias /main-group @ROOT@/w/show.wsgi process-group=two
</VirtualHost>
<VirtualHost *:@PORT1@>
    ServerName second.invalid
    WSGIDaemonProcess of-second threads=2
    WSGIScriptAlias /first @ROOT@/w/show.wsgi process-group=%{ENV:FIRST}
    SetEnv FIRST of-first
    WSGIScriptAlias /second @ROOT@/w/show.wsgi process-group=of-second
</VirtualHost>
<VirtualHost *:@PORT2@>
    ServerName first.invalid
    WSGIScriptAlias /first @ROOT@/w/show.wsgi process-group=of-first
</VirtualHost>
<VirtualHost *:@PORT3@>
    ServerName FIRST.invalid
    ServerAlias first.invalid
    WSGIScriptAlias /first @ROOT@/w/show.wsgi process-group=%{ENV:FIRST}
    SetEnv FIRST of-first
</VirtualHost>
"""

OWNERS = """
WSGIDaemonProcess root-user threads=1 script-user=root
WSGIDaemonProcess other-user threads=1 script-user=@USER@
WSGIDaemonProcess root-group threads=1 script-group=root
WSGIDaemonProcess other-group threads=1 script-group=@GROUP@
WSGIApplicationGroup %{GLOBAL}
WSGIHandlerScript owned @ROOT@/w/handler.wsgi
""" + "".join(
    f"""
WSGIScriptAlias /{group}/{place} @ROOT@/{place}/show.wsgi process-group={group}
"""
    for group in ("root-user", "other-user", "root-group", "other-group")
    for place in ("w", "theirs", "open", "group-open")
)

HANDLERS = """
@DELEGATE@
WSGIApplicationGroup %{GLOBAL}
DocumentRoot @HTDOCS@
WSGIHandlerScript shower @ROOT@/w/handler.wsgi
WSGIHandlerScript with-options @ROOT@/w/handler.wsgi application-group=of-the-handler pass-authorization=On
WSGIHandlerScript with-token @ROOT@/w/handler.wsgi application-group=%{ENV:TOKEN}
WSGIHandlerScript with-resource @ROOT@/w/handler.wsgi application-group=%{RESOURCE}
WSGIHandlerScript no-authorization @ROOT@/w/handler.wsgi pass-authorization=Off
WSGIHandlerScript missing @ROOT@/w/none.wsgi
WSGIHandlerScript no-function @ROOT@/w/nothing.wsgi
WSGIHandlerScript broken @ROOT@/w/broken.wsgi
WSGIHandlerScript wsgi-script @ROOT@/w/handler.wsgi
WSGIHandlerScript overlaid @ROOT@/w/none.wsgi
WSGIHandlerScript folder @ROOT@/w/
SetEnv TOKEN from-a-token
AddHandler shower .show
AddHandler with-options .options
AddHandler with-token .token
AddHandler with-resource .resource
AddHandler no-authorization .noauth
AddHandler missing .missing
AddHandler no-function .nofunction
AddHandler broken .broken
AddHandler overlaid .overlaid
AddHandler unregistered .unregistered
AddHandler folder .folder
AddHandler Shower .upper
<Directory @HTDOCS@>
    Options None
</Directory>
<Directory @HTDOCS@/over>
    WSGIHandlerScript overlaid @ROOT@/w/show.wsgi
</Directory>
<Location /virtual>
    SetHandler shower
</Location>
<Location /scoped>
    SetHandler shower
    WSGIApplicationGroup of-the-location
    WSGICallableObject application
    WSGIPassAuthorization On
</Location>
<Location /scoped-options>
    SetHandler with-options
    WSGIApplicationGroup of-the-location
    WSGIPassAuthorization Off
</Location>
<Location /scoped-off>
    SetHandler no-authorization
    WSGIPassAuthorization On
</Location>
WSGIScriptAlias /aliased @ROOT@/w/show.wsgi
<Location /aliased>
    SetHandler shower
</Location>
<Location /dispatched>
    SetHandler shower
    WSGIDispatchScript @ROOT@/w/dispatch.py
</Location>
<Location /dispatched-group>
    SetHandler shower
    WSGIDispatchScript @ROOT@/w/group.py
</Location>
<Location /nopath>
    AcceptPathInfo Off
    SetHandler shower
</Location>
"""

DISPATCH = '''# SPDX-License-Identifier: Apache-2.0
"""Sends everything to one application group."""


def application_group(environ):
    return "of-the-dispatch-script"


def callable_object(environ):
    return "application"
'''


def mode(path: str, bits: int) -> Act:
    """A step that changes the mode of a file below the server's root."""

    def act(server: Server) -> None:
        os.chmod(server.layout.root / path, bits)

    return act


def owner(path: str) -> Act:
    """A step that gives a file to the user of Apache's children."""

    def act(server: Server) -> None:
        shutil.chown(server.layout.root / path, places().user, places().group)

    return act


SITES = (
    Site(
        "checks",
        CHECKS_ + ORDER,
        modules=("include", "actions", "headers"),
        files={
            **copies("show.wsgi", "w/show.wsgi", "w/sub/deep.wsgi"),
            **copies("show.wsgi", *(f"htdocs/exec/{name}" for name in ("by.wsgi", "by.typed", "index.wsgi"))),
            **copies("show.wsgi", "htdocs/exec/handled.txt", "htdocs/exec/typed.txt", "htdocs/exec/forced-type.txt"),
            **copies("show.wsgi", "htdocs/exec/upper.txt"),
            **copies("show.wsgi", "htdocs/without/by.wsgi", "htdocs/noexec/by.wsgi", "htdocs/exec/off/by.wsgi"),
            **copies("show.wsgi", "htdocs/exec/set/plain.txt", "htdocs/exec/not/by.wsgi"),
            "htdocs/exec/other.txt": "other\n",
            "htdocs/exec/set/.htaccess": "SetHandler wsgi-script\n",
            "htdocs/exec/off/.htaccess": "Options -ExecCGI\n",
            "htdocs/exec/not/.htaccess": "RemoveHandler .wsgi\n",
            "htdocs/exec/forced/": "",
            "htdocs/errors/secret.html": "",
            "w/text.wsgi": app("text.wsgi"),
            "htdocs/errors/raises.wsgi": app("raises.wsgi"),
            "htdocs/pages/page.shtml": '[<!--#include virtual="/text/included?from=page" -->]\n',
            "htdocs/index/": "",
            "htdocs/fallback/page.html": "static\n",
            "htdocs/actions/thing.act": "text\n",
            "htdocs/page.html": "static\n",
        },
    ),
    Site("groups", GROUPS, ports=4, modes=DAEMON, files=copies("show.wsgi", "w/show.wsgi")),
    Site(
        "no-groups",
        "WSGIScriptAlias /none @ROOT@/w/show.wsgi process-group=%{ENV:NAME}\nSetEnv NAME nobody\n",
        modes=EMBEDDED,
        files=copies("show.wsgi", "w/show.wsgi"),
    ),
    Site(
        "refused",
        "@DELEGATE@\nWSGIScriptAlias /unknown @ROOT@/w/show.wsgi process-group=nobody\n"
        "WSGIScriptAlias /app @ROOT@/w/show.wsgi\nErrorDocument 500 /app/refused\n",
        modes=DAEMON,
        files=copies("show.wsgi", "w/show.wsgi"),
    ),
    Site(
        "no-embedded",
        """
WSGIRestrictEmbedded On
WSGIDaemonProcess one threads=2
WSGIScriptAlias /daemon @ROOT@/w/show.wsgi process-group=one
WSGIScriptAlias /embedded @ROOT@/w/show.wsgi
WSGIScriptAlias /global @ROOT@/w/show.wsgi process-group=%{GLOBAL}
""",
        modes=DAEMON,
        files=copies("show.wsgi", "w/show.wsgi"),
    ),
    Site(
        "owners",
        OWNERS,
        modes=DAEMON,
        needs_root=True,
        files=copies("show.wsgi", *(f"{place}/show.wsgi" for place in ("w", "theirs", "open", "group-open"))),
    ),
    Site(
        "handler-scripts",
        HANDLERS,
        files={
            "w/handler.wsgi": app("handler.wsgi"),
            "w/show.wsgi": app("show.wsgi"),
            "w/nothing.wsgi": '"""Has no function."""\n',
            "w/broken.wsgi": 'raise RuntimeError("not loaded")\n',
            "w/dispatch.py": DISPATCH,
            "w/group.py": DISPATCH.partition("def callable_object")[0].rstrip() + "\n",
            **{
                f"htdocs/file.{kind}": f"{kind}\n"
                for kind in (
                    *("show", "options", "token", "resource", "noauth", "missing", "nofunction", "broken"),
                    *("overlaid", "unregistered", "folder", "upper"),
                )
            },
            "htdocs/over/file.overlaid": "overlaid\n",
            "htdocs/folder.show/": "",
        },
    ),
)


def raw(target: str, *lines: str, method: str = "POST", body: str = "") -> Ask:
    """A request as it is written, with a closing connection."""
    head = "\r\n".join((f"{method} {target} HTTP/1.1", "Host: localhost", "Connection: close", *lines))
    return Ask(target, raw=f"{head}\r\n\r\n{body}")


# What the module keeps from applications, but 6.1.1 not after an internal redirect.
CARRIED = ("enable_sendfile", "ignore_activity", "request_start_us", "script_reloading")

# What 6.1.1 has put together about a request before it refuses to run it.
REFUSED = (
    "CONTEXT_DOCUMENT_ROOT",
    "CONTEXT_PREFIX",
    "DOCUMENT_ROOT",
    "HTTP_HOST",
    "PATH_INFO",
    "REMOTE_ADDR",
    "REMOTE_PORT",
    "REQUEST_SCHEME",
    "REQUEST_URI",
    "SCRIPT_FILENAME",
    "SCRIPT_NAME",
    "SERVER_ADDR",
    "SERVER_ADMIN",
    "SERVER_NAME",
    "SERVER_PORT",
    "SERVER_PROTOCOL",
    "SERVER_SOFTWARE",
    "mod_wsgi.application_group",
    "mod_wsgi.callable_object",
    "mod_wsgi.handler_script",
    "mod_wsgi.listener_host",
    "mod_wsgi.listener_port",
    "mod_wsgi.path_info",
    "mod_wsgi.process_group",
    "mod_wsgi.request_handler",
    "mod_wsgi.request_id",
    "mod_wsgi.script_name",
    "mod_wsgi.server_pid",
)


def framing() -> tuple[Case, ...]:
    """Transfer codings and lengths."""
    chunk = "3\r\nabc\r\n0\r\n\r\n"
    return (
        Case("3.3 te gzip", ("3.3-transfer-encoding",), "checks", raw("/app", "Transfer-Encoding: gzip"), 400),
        Case(
            "3.3 te identity",
            ("3.3-transfer-encoding",),
            "checks",
            raw("/chunks", "Transfer-Encoding: identity"),
            400,
        ),
        Case(
            "3.3 te gzip and chunked",
            ("3.3-transfer-encoding",),
            "checks",
            raw("/chunks", "Transfer-Encoding: gzip, chunked", body=chunk),
            501,
            (138,),
        ),
        Case(
            "3.3 te upper",
            ("3.3-transfer-encoding", "3.3-chunked"),
            "checks",
            raw("/app", "Transfer-Encoding: CHUNKED", body=chunk),
            411,
            (139,),
        ),
        Case("3.3 chunked", ("3.3-chunked",), "checks", Ask("/app", "POST", body=b"abc", chunked=True), 411, (139,)),
        Case(
            "3.3 chunked allowed",
            ("3.3-chunked",),
            "checks",
            Ask("/chunks", "POST", body=b"abc", chunked=True),
            shows=(pair("test.body", "abc"),),
        ),
        Case(
            "3.3 chunked and length",
            ("3.3-length-and-chunked",),
            "checks",
            raw("/app", "Transfer-Encoding: chunked", "Content-Length: 3", body=chunk),
            411,
            (139,),
        ),
        *(
            Case(
                f"3.3 length {name}",
                ("3.3-bad-length",),
                "checks",
                raw("/app", f"Content-Length: {value}", body=body),
                status,
                codes,
            )
            for name, value, body, status, codes in (
                ("word", "many", "", 400, ()),
                ("negative", "-1", "", 400, ()),
                ("fraction", "1.5", "", 400, ()),
                ("plus", "+3", "abc", 400, ()),
                ("hexadecimal", "0x3", "abc", 400, ()),
                ("blank", "1 2", "abc", 400, ()),
                ("huge", "99999999999999999999999", "", 400, ()),
                ("list", "3, 3", "abc", 400, ()),
                ("empty", "", "", 400, ()),
            )
        ),
        Case(
            "3.3 limit",
            ("3.3-length-limit",),
            "checks",
            Ask("/limited", "POST", body=b"x" * 11),
            413,
            accepted={"log:codes": "D804"},
        ),
        Case("3.3 limit kept", ("3.3-length-limit",), "checks", Ask("/limited", "POST", body=b"x" * 10)),
    )


CASES: tuple[Case, ...] = (
    *routes(
        "3.3 handler",
        "checks",
        ("3.3-handler-name", "3.3-ways-handler"),
        """
/exec/by.wsgi/x         200  /exec/by.wsgi|/x  mod_wsgi.request_handler=wsgi-script
/exec/handled.txt/x     200  /exec/handled.txt|/x  mod_wsgi.request_handler=wsgi-script
/exec/typed.txt         200  /exec/typed.txt|  mod_wsgi.request_handler=application/x-httpd-wsgi
/exec/upper.txt         200  /exec/upper.txt|  mod_wsgi.request_handler=wsgi-script
/exec/other.txt         200  other
/exec/set/plain.txt/x   200  /exec/set/plain.txt|/x
/exec/not/by.wsgi       200  SPDX-License-Identifier
""",
    ),
    *routes(
        "3.3 type",
        "checks",
        ("3.3-handler-name", "3.3-ways-media-type"),
        """
/exec/by.typed          200  /exec/by.typed|  mod_wsgi.request_handler=application/x-httpd-wsgi
/exec/by.typed/x        200  /exec/by.typed|/x
/exec/forced-type.txt/x 200  /exec/forced-type.txt|/x  mod_wsgi.request_handler=application/x-httpd-wsgi
""",
    ),
    *routes(
        "3.3 alias",
        "checks",
        ("3.3-ways-alias",),
        """
/app/x                  200  /app|/x  mod_wsgi.request_handler=wsgi-script
""",
    ),
    *routes(
        "3.3 exec",
        "checks",
        ("3.3-exec-cgi",),
        """
/noexec/by.wsgi         403  WSGI0134
/noexec/by.wsgi/x       403  WSGI0134
/exec/off/by.wsgi       403  WSGI0134
""",
    ),
    *routes(
        "3.3 missing",
        "checks",
        ("3.3-missing",),
        """
/missing                404  WSGI0135
/missing/x              404  WSGI0135
/exec/missing.wsgi      404  WSGI0135
/exec/none.wsgi         404  WSGI0135
""",
    ),
    *routes(
        "3.3 directory",
        "checks",
        ("3.3-directory",),
        """
/exec/forced/           403  WSGI0136
""",
    ),
    *routes(
        "3.3 path",
        "checks",
        ("3.3-path-info",),
        """
/nopath                 200  /nopath|
/nopath/                404  WSGI0137
/nopath/x               404  WSGI0137
/without/by.wsgi        200  /without/by.wsgi|
/without/by.wsgi/x      404  WSGI0137
/defaultpath/x          200  /defaultpath|/x
""",
    ),
    *framing(),
    *routes(
        "3.3 order",
        "checks",
        ("3.3-order",),
        """
/noexec/none.wsgi       403  WSGI0134
/order/missing          404  WSGI0135
/order/folder/          403  WSGI0136
/order/restricted       500  WSGI0149
""",
    ),
    *routes("3.3 order", "checks", ("3.3-order",), "/order/group 500 WSGI0150", modes=EMBEDDED),
    *routes("3.3 order", "checks", ("3.3-order",), "/order/group 500 WSGI0151", modes=DAEMON),
    Case(
        "3.3 order chunked before length",
        ("3.3-order",),
        "checks",
        Ask("/order/group", "POST", body=b"abc", chunked=True),
        411,
        (139,),
    ),
    Case(
        "3.3 order missing before chunked",
        ("3.3-order",),
        "checks",
        Ask("/missing", "POST", body=b"abc", chunked=True),
        404,
        (135,),
    ),
    *routes(
        "3.3 document",
        "checks",
        ("3.3-ways-error-document",),
        """
/errors/none            200  /app|/not-found  QUERY_STRING=code=404  REDIRECT_URL=/errors/none  REDIRECT_STATUS=404
/errors/none?own=1      200  REDIRECT_QUERY_STRING=own=1  QUERY_STRING=code=404
/errors/secret.html     200  /app|/forbidden  REDIRECT_STATUS=403
/errors/none.wsgi       200  /app|/not-found  REDIRECT_STATUS=404  WSGI0135
""",
    ),
    *(
        Case(
            f"3.3 document /errors/raises.wsgi, {mode}",
            ("3.3-ways-error-document",),
            "checks",
            Ask("/errors/raises.wsgi"),
            200,
            (174,),
            (*mapped("/app", "/failed"), pair("REDIRECT_STATUS", "500")),
            (mode,),
            accepted={**{f"environ:REDIRECT_mod_wsgi.x-{name}": "D306" for name in (*CARRIED, *more)}, **differs},
        )
        for mode, more, differs in (
            ("embedded", ("application_start_us",), {}),
            (
                "daemon",
                ("magic", "daemon_connects", "daemon_restarts", "queue_start_us"),
                {"environ:mod_wsgi.connection_id": "D307"},
            ),
        )
    ),
    Case(
        "3.3 document of a refused group",
        ("3.3-ways-error-document",),
        "refused",
        Ask("/unknown/x?q=1"),
        200,
        (151,),
        (*mapped("/app", "/refused"), pair("REDIRECT_STATUS", "500"), pair("REDIRECT_URL", "/unknown/x")),
        DAEMON,
        accepted={
            **{f"environ:REDIRECT_{name}": "D308" for name in REFUSED},
            **{f"environ:REDIRECT_mod_wsgi.x-{name}": "D306" for name in CARRIED},
        },
    ),
    Case(
        "3.3 document after POST",
        ("3.3-ways-error-document",),
        "checks",
        Ask("/errors/none", "POST", body=b"abc"),
        shows=(pair("REQUEST_METHOD", "GET"),),
    ),
    *routes(
        "3.3 index",
        "checks",
        ("3.3-ways-directory-index",),
        """
/exec/                  200  /exec/index.wsgi|  REQUEST_URI=/exec/
/exec/?q=1              200  /exec/index.wsgi|  QUERY_STRING=q=1
/exec                   301
/index/                 200  /app|/index  REQUEST_URI=/index/
/index/?q=1             200  /app|/index
/fallback/page.html     200  static
/fallback/other         200  /app|/fallback
/actions/thing.act      200  /app|/action/actions/thing.act
""",
    ),
    Case(
        "3.3 included",
        ("3.3-ways-alias",),
        "checks",
        Ask("/pages/page.shtml"),
        shows=("[GET /text/included /included from=page /pages/page.shtml wsgi-script]",),
    ),
    *routes(
        "3.3 groups",
        "groups",
        ("3.3-allow-list",),
        """
/one                    200  mod_wsgi.process_group=one
/one/allowed            200  mod_wsgi.process_group=one
/one/refused            500  WSGI0149
/one/replaced           500  WSGI0149
/one/upper              200  mod_wsgi.process_group=one
/embedded               200  mod_wsgi.process_group=
/embedded/refused       500  WSGI0149
/embedded/allowed       200  mod_wsgi.process_group=
/embedded/outer         200  mod_wsgi.process_group=
/embedded/outer/inner   500  WSGI0149
""",
    ),
    *routes(
        "3.3 unknown",
        "groups",
        ("3.3-group-unknown",),
        """
/unknown                500  WSGI0151
/undefined              500  WSGI0151
/case                   500  WSGI0151
""",
    ),
    *routes(
        "3.3 reachable first",
        "groups",
        ("3.3-group-unreachable", "3.3-group-unknown"),
        """
/first                  200  mod_wsgi.process_group=of-first
/main-group             200  mod_wsgi.process_group=two
/second                 500  WSGI0152
""",
    ),
    *routes(
        "3.3 reachable second",
        "groups",
        ("3.3-group-unreachable",),
        """
/first                  500  WSGI0152
/second                 200  mod_wsgi.process_group=of-second
/one                    200  mod_wsgi.process_group=one
""",
        port=1,
    ),
    *routes("3.3 same name", "groups", ("3.3-group-same-name",), "/first 200 mod_wsgi.process_group=of-first", port=2),
    Case(
        "3.3 same name in another case",
        ("3.3-group-same-name",),
        "groups",
        Ask("/first", port=3),
        500,
        (152,),
        accepted=dict.fromkeys(("status", "reason", "headers", "body", "environ", "log"), "D114"),
    ),
    *routes("3.3 none", "no-groups", ("3.3-group-none",), "/none 500 WSGI0150"),
    *routes(
        "3.3 no embedded",
        "no-embedded",
        ("3.3-embedded-off",),
        """
/daemon                 200  mod_wsgi.process_group=one
/embedded               500  WSGI0143
/global                 500  WSGI0143
""",
    ),
    *(
        Case(
            f"3.3 owner {group} {what}",
            ("3.3-owner",),
            "owners",
            (*steps, Ask(f"/{group}/{place}")),
            status,
            codes,
        )
        for group, what, place, steps, status, codes in (
            ("root-user", "right", "w", (), 200, ()),
            ("other-user", "wrong", "w", (), 403, (164,)),
            ("root-group", "right", "w", (), 200, ()),
            ("other-group", "wrong", "w", (), 403, (155,)),
            ("other-user", "file only", "theirs", (owner("theirs/show.wsgi"),), 403, (171,)),
            ("other-user", "both", "theirs", (owner("theirs"),), 200, ()),
            ("other-group", "both", "theirs", (), 200, ()),
            ("root-user", "of another", "theirs", (), 403, (164,)),
            ("root-user", "open file", "open", (mode("open/show.wsgi", 0o666),), 403, (166,)),
            ("root-group", "open file", "open", (), 403, (157,)),
            ("root-user", "open folder", "open", (mode("open/show.wsgi", 0o644), mode("open", 0o777)), 403, (172,)),
            ("root-group", "open folder", "open", (), 403, (161,)),
            ("root-user", "group file", "group-open", (mode("group-open/show.wsgi", 0o664),), 403, (166,)),
            ("root-group", "group file", "group-open", (), 200, ()),
            (
                *("root-user", "group folder", "group-open"),
                (mode("group-open/show.wsgi", 0o644), mode("group-open", 0o775)),
                *(403, (173,)),
            ),
            ("root-group", "group folder", "group-open", (), 200, ()),
        )
    ),
    *routes(
        "3.4 name",
        "handler-scripts",
        ("3.4-registered-name", "3.3-ways-handler-script", "3.4-callable", "3.4-filename"),
        """
/file.show              200  /file.show|  mod_wsgi.request_handler=shower  test.entry=handle_request
/file.show/x            200  /file.show|/x  mod_wsgi.request_handler=shower
/file.upper             200  /file.upper|  mod_wsgi.request_handler=shower
/file.unregistered      200  unregistered
""",
    ),
    *routes(
        "3.4 resource",
        "handler-scripts",
        ("3.4-no-checks", "3.4-filename"),
        """
/none.show              200  /none.show|
/none.show/x            200  /none.show|/x
/folder.show/           404
/virtual                200  /virtual|
/virtual/x/y            200  /virtual|/x/y
/virtual//x             200
/nopath/x/y             404  WSGI0137
/nopath                 200  /nopath|
""",
    ),
    *routes(
        "3.4 options",
        "handler-scripts",
        ("3.4-options", "2.2-handler-script"),
        """
/file.options           200  mod_wsgi.application_group=of-the-handler
/file.token             200  mod_wsgi.application_group=from-a-token
/file.resource          200
/file.show              200  mod_wsgi.application_group=
/scoped                 200  mod_wsgi.application_group=of-the-location  mod_wsgi.callable_object=handle_request
/scoped-options         200  mod_wsgi.application_group=of-the-handler
/scoped-off             200
/file.noauth            200
/aliased/x              200  /aliased|/x  test.entry=handle_request  mod_wsgi.request_handler=shower
""",
        headers=(basic("ann"),),
    ),
    *routes(
        "3.4 overlay",
        "handler-scripts",
        ("3.4-registered-name", "1.2-WSGIHandlerScript"),
        """
/over/file.overlaid     200  /over/file.overlaid|  test.entry=handle_request
""",
    ),
    *routes(
        "3.4 failing",
        "handler-scripts",
        ("3.4-callable",),
        """
/file.broken            500  WSGI0109
/file.folder            500  WSGI0105
""",
    ),
    *routes(
        "3.4 failing",
        "handler-scripts",
        ("3.4-callable", "7.5-missing"),
        """
/file.missing           500  WSGI0105
/file.overlaid          500  WSGI0105
/file.nofunction        404  WSGI0089
""",
        modes=EMBEDDED,
    ),
    *routes(
        "3.4 failing in a daemon",
        "handler-scripts",
        ("3.4-callable", "7.5-missing"),
        """
/file.nofunction        500  WSGI0089
""",
        modes=DAEMON,
    ),
    *(
        Case(
            f"3.4 failing in a daemon {target}",
            ("3.4-callable", "7.5-missing"),
            "handler-scripts",
            Ask(target),
            500,
            (82, 105),
            modes=DAEMON,
            accepted={"log:codes": "D801"},
        )
        for target in ("/file.missing", "/file.overlaid")
    ),
    Case(
        "3.4 reload_required",
        ("3.4-reload-required",),
        "handler-scripts",
        (Ask("/file.show"), Ask("/over/file.show/x")),
        shows=('"test.asked": ["@ROOT@/htdocs/over/file.show"]',),
    ),
    *routes(
        "3.6 handler script",
        "handler-scripts",
        ("3.6-handler-scripts",),
        """
/dispatched-group       200  mod_wsgi.application_group=of-the-dispatch-script  test.entry=handle_request
/dispatched             500  WSGI0174
""",
    ),
    Case(
        "3.4 scoped authorization",
        ("3.4-options",),
        "handler-scripts",
        Ask("/scoped", headers=(basic("ann"),)),
        shows=(pair("HTTP_AUTHORIZATION", basic("ann")[1]),),
    ),
    Case("3.4 post", ("3.4-no-checks",), "handler-scripts", Ask("/virtual", "POST", body=b"abc")),
    Case(
        "3.4 chunked",
        ("3.4-no-checks",),
        "handler-scripts",
        Ask("/virtual", "POST", body=b"abc", chunked=True),
        411,
        (139,),
    ),
)
