# SPDX-License-Identifier: Apache-2.0
"""Configurations at the edges: order, names, macros, variables, odd bytes, many sites, nested sections.

Each row of the table is a whole configuration and what some requests must get from it. The texts may
use @ROOT@, @APPS@, @HTDOCS@, @ENV@ (the script that shows its environ), @P0@ and @P1@ (ports).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pytest

from harness import Layout, Module, Proof, Server, request, wait_until
from harness.processes import command_line, descendants_of


@dataclass(frozen=True)
class Ask:
    """A request and the groups, callable or other facts its answer shows."""

    target: str
    group: str | None = None
    application: str | None = None
    entry: str | None = None
    host: str = "localhost"
    port: int = 0
    status: int = 200
    log: str = ""
    facts: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True)
class Edge:
    """One row."""

    name: str
    text: str
    asks: tuple[Ask, ...]
    files: tuple[tuple[str, str], ...] = ()
    modules: tuple[str, ...] = ()
    arguments: tuple[str, ...] = ()

    def __str__(self) -> str:
        return self.name


def fill(text: str, layout: Layout) -> str:
    """Puts the names of this server in."""
    ports = layout.ports or [0, 0]
    for word, value in (
        ("@ROOT@", layout.root),
        ("@APPS@", layout.apps),
        ("@HTDOCS@", layout.htdocs),
        ("@ENV@", layout.apps / "environ.wsgi"),
        ("@P0@", ports[0]),
        ("@P1@", ports[-1]),
    ):
        text = text.replace(word, str(value))
    return text


def server_of(edge: Edge, new_server: Callable[..., Server]) -> Server:
    """The server of a row, its files written."""

    def configure(layout: Layout) -> str:
        for name, content in edge.files:
            path = layout.root / name
            path.parent.mkdir(parents=True, exist_ok=True)
            script = (layout.apps / "environ.wsgi").read_text()
            path.write_bytes((script if content == "@COPY@" else fill(content, layout)).encode())
        return fill(edge.text, layout)

    return new_server(configure, mode="daemon", modules=edge.modules, ports=2)


def check(server: Server, wanted: Ask) -> None:
    """The answer has what the row says."""
    reply = request(
        server.layout.ports[wanted.port], "GET", wanted.target, headers={"Host": fill(wanted.host, server.layout)}
    )
    assert reply.status == wanted.status, f"{wanted}: {reply.status} {reply.text[:300]}"
    if wanted.log:
        server.expect(wanted.log)
    if wanted.status != 200:
        return
    found = reply.json()
    seen = (found["mod_wsgi.process_group"], found["mod_wsgi.application_group"], found.get("test.entry", ""))
    for value, expected in zip(seen, (wanted.group, wanted.application, wanted.entry)):
        assert expected is None or value == fill(expected, server.layout), f"{wanted}: {seen}"
    for key, value in wanted.facts:
        assert found[key] == value, f"{wanted}: {key} is {found[key]!r}"


ORDER = (
    Edge(
        "alias and delegation before the group they name (C9)",
        """
WSGIScriptAlias /directive @ENV@
WSGIScriptAlias /option @ENV@ process-group=late
<Location /directive>
    WSGIProcessGroup late
</Location>
WSGIDaemonProcess late threads=2
""",
        (Ask("/directive", "late"), Ask("/option", "late")),
    ),
    Edge(
        "files of a directory, the aliases sorted before the groups (C9)",
        "IncludeOptional @ROOT@/sites/*.conf\n",
        (Ask("/", "shop", host="shop.invalid"), Ask("/", "blog", host="blog.invalid")),
        files=(
            (
                "sites/10-shop.conf",
                "<VirtualHost *:@P0@>\nServerName shop.invalid\nWSGIScriptAlias / @ENV@ process-group=shop\n</VirtualHost>\n",
            ),
            (
                "sites/20-blog.conf",
                "<VirtualHost *:@P0@>\nServerName blog.invalid\nWSGIProcessGroup blog\nWSGIScriptAlias / @ENV@\n</VirtualHost>\n",
            ),
            ("sites/99-groups.conf", "WSGIDaemonProcess blog threads=2\nWSGIDaemonProcess shop threads=2\n"),
        ),
    ),
    Edge(
        "the last WSGIProcessGroup of a scope wins, inner scopes win over outer ones (C9)",
        """
WSGIDaemonProcess one threads=2
WSGIDaemonProcess two threads=2
WSGIProcessGroup one
WSGIProcessGroup two
WSGIScriptAlias /inner @ENV@
WSGIScriptAlias / @ENV@
<Location /inner>
    WSGIProcessGroup two
    WSGIProcessGroup one
</Location>
""",
        (Ask("/", "two"), Ask("/inner", "one")),
    ),
    Edge(
        "first alias that matches wins, hosts' aliases before the main server's",
        """
WSGIScriptAlias /a @ENV@ callable-object=second
WSGIScriptAlias /a/b @ENV@
WSGIScriptAlias /main @ENV@ callable-object=second
<VirtualHost *:@P0@>
    ServerName localhost
    WSGIScriptAlias /c/d @ENV@ callable-object=second
    WSGIScriptAlias /c @ENV@
    WSGIScriptAlias /a/x @ENV@
</VirtualHost>
""",
        (
            Ask("/a/b", entry="second"),
            Ask("/a/x", entry=""),
            Ask("/c/d/e", entry="second"),
            Ask("/c/e", entry=""),
            Ask("/main", entry="second"),
        ),
    ),
)

HOSTS = (
    Edge(
        "hosts of one ServerName share a group",
        """
<VirtualHost *:@P0@>
    ServerName shared.invalid
    WSGIDaemonProcess shared threads=2
    WSGIProcessGroup shared
    WSGIScriptAlias / @ENV@
</VirtualHost>
<VirtualHost *:@P1@>
    ServerName shared.invalid
    WSGIProcessGroup shared
    WSGIScriptAlias / @ENV@
</VirtualHost>
<VirtualHost *:@P1@>
    ServerName stranger.invalid
    ServerAlias shared.example
    WSGIProcessGroup shared
    WSGIScriptAlias / @ENV@
</VirtualHost>
""",
        (
            Ask("/", "shared", host="shared.invalid"),
            Ask("/", "shared", host="shared.invalid", port=1),
            Ask("/", host="stranger.invalid", port=1, status=500, log="WSGI0152"),
            Ask("/", host="shared.example", port=1, status=500, log="WSGI0152"),
        ),
    ),
    Edge(
        "the hosts that share are written before the one that defines",
        """
<VirtualHost *:@P1@>
    ServerName shared.invalid
    WSGIProcessGroup shared
    WSGIScriptAlias / @ENV@
</VirtualHost>
<VirtualHost *:@P0@>
    ServerName shared.invalid
    WSGIDaemonProcess shared threads=2
    WSGIProcessGroup shared
    WSGIScriptAlias / @ENV@
</VirtualHost>
""",
        (Ask("/", "shared", host="shared.invalid"), Ask("/", "shared", host="shared.invalid", port=1)),
    ),
    Edge(
        "groups of the main server serve every host, other hosts' do not",
        """
WSGIDaemonProcess everybodys threads=2
<VirtualHost *:@P0@>
    ServerName one.invalid
    WSGIScriptAlias / @ENV@ process-group=everybodys
</VirtualHost>
<VirtualHost *:@P0@>
    ServerName two.invalid
    WSGIDaemonProcess twos threads=2
    WSGIScriptAlias /own @ENV@ process-group=twos
    WSGIScriptAlias /unknown @ENV@ process-group=nobodys
    WSGIScriptAlias / @ENV@ process-group=everybodys
</VirtualHost>
<VirtualHost *:@P0@>
    ServerName three.invalid
    WSGIScriptAlias / @ENV@ process-group=twos
</VirtualHost>
""",
        (
            Ask("/", "everybodys", host="one.invalid"),
            Ask("/", "everybodys", host="two.invalid"),
            Ask("/own", "twos", host="two.invalid"),
            Ask("/unknown", host="two.invalid", status=500, log="WSGI015[01]"),
            Ask("/", host="three.invalid", status=500, log="WSGI0152"),
        ),
    ),
    Edge(
        "application groups: the host's name as it is configured, the port but for 80 and 443",
        """
<VirtualHost *:@P0@>
    ServerName Mixed.Invalid
    WSGIScriptAlias /x @ENV@
    WSGIScriptAlias /server @ENV@ application-group=%{SERVER}
    WSGIScriptAlias /host @ENV@ application-group=%{HOST}
</VirtualHost>
""",
        (
            Ask("/x", application="Mixed.Invalid|/x", host="MIXED.invalid"),
            Ask("/x", application="Mixed.Invalid:@P0@|/x", host="mixed.invalid:@P0@"),
            Ask("/x", application="Mixed.Invalid|/x", host="mixed.invalid:443"),
            Ask("/server", application="Mixed.Invalid:@P1@", host="mixed.invalid:@P1@"),
            Ask("/host", application="mixed.invalid:@P0@", host="MIXED.invalid:@P0@"),
            Ask("/host", application="mixed.invalid", host="MIXED.invalid"),
        ),
    ),
)

WORDS = (
    Edge(
        "macros",
        """
<Macro Site $name $group $mount>
    WSGIDaemonProcess $group threads=2 display-name=$group
    <VirtualHost *:@P0@>
        ServerName $name
        WSGIScriptAlias $mount @ENV@ process-group=$group application-group=%{GLOBAL}
    </VirtualHost>
</Macro>
Use Site one.invalid one /
Use Site two.invalid "two" /below
UndefMacro Site
""",
        (
            Ask("/", "one", "", host="one.invalid"),
            Ask("/below/x", "two", "", host="two.invalid"),
            Ask("/other", host="two.invalid", status=404),
        ),
        modules=("macro",),
    ),
    Edge(
        "variables",
        """
Define GROUP of-the-variable
Define PREFIX /with/variable
Define APPS @APPS@
WSGIDaemonProcess ${GROUP} threads=2
WSGIScriptAlias ${PREFIX} ${APPS}/environ.wsgi process-group=${GROUP} application-group=app-${GROUP}
<IfDefine GROUP>
    WSGIScriptAlias /defined ${APPS}/environ.wsgi
</IfDefine>
<IfDefine !GROUP>
    WSGIScriptAlias /undefined ${APPS}/environ.wsgi
</IfDefine>
UnDefine GROUP
""",
        (
            Ask("/with/variable", "of-the-variable", "app-of-the-variable"),
            Ask("/defined"),
            Ask("/undefined", status=404),
        ),
    ),
    Edge(
        "the module by its names",
        """
<IfModule mod_wsgi.c>
    WSGIScriptAlias /file @ENV@
</IfModule>
<IfModule wsgi_module>
    WSGIScriptAlias /name @ENV@
</IfModule>
<IfModule !wsgi_module>
    WSGIScriptAlias /absent @ENV@
</IfModule>
<IfDirective WSGIScriptAlias>
    WSGIScriptAlias /directive @ENV@
</IfDirective>
""",
        (Ask("/file"), Ask("/name"), Ask("/directive"), Ask("/absent", status=404)),
    ),
    Edge(
        "line continuations, blanks and cases",
        """
  \tWSGIDaemonProcess   one\\
   threads=2 \\
\tdisplay-name=%{GROUP}   \\
   umask=0022   \t
wsgiSCRIPTalias   /x\t\t@ENV@ \\
      process-group=one\\

WSGICALLABLEOBJECT \\
second
""",
        (Ask("/x", "one", entry="second"),),
    ),
    Edge(
        "quotes",
        """
WSGIDaemonProcess "one group" threads="2" display-name='a "name"' home="@ROOT@/blank dir" lang='C.UTF-8'
WSGIScriptAlias "/double" "@ROOT@/blank dir/a script.wsgi" process-group="one group"
WSGIScriptAlias '/single' '@ROOT@/blank dir/a script.wsgi' process-group='one group'
WSGIScriptAlias "/blank in url" "@ROOT@/blank dir/a script.wsgi"
WSGIScriptAlias "/it's" "@ROOT@/it's.wsgi" application-group="it's \\"quoted\\""
<Location "/blank in url">
    WSGIApplicationGroup "blank group"
</Location>
""",
        (
            Ask("/double", "one group"),
            Ask("/single/rest%20of", "one group", facts=(("PATH_INFO", "/rest of"),)),
            Ask("/blank%20in%20url/x", "", "blank group", facts=(("SCRIPT_NAME", "/blank in url"),)),
            Ask("/it's", application='it\'s "quoted"'),
        ),
        files=(("blank dir/a script.wsgi", "@COPY@"), ("it's.wsgi", "@COPY@")),
    ),
    Edge(
        "names beyond ASCII",
        """
WSGIDaemonProcess gr\u00fcn threads=2 python-path=@ROOT@/\u6f22\u5b57
WSGIScriptAlias /\u00fcber @ROOT@/\u6f22\u5b57/\u00e4.wsgi process-group=gr\u00fcn
WSGIScriptAliasMatch "^/(m\u00fc.*)$" @ROOT@/\u6f22\u5b57/$1.wsgi application-group=bl\u00e5
<Directory "@ROOT@/\u6f22\u5b57">
    WSGICallableObject second
</Directory>
""",
        (
            Ask("/%C3%BCber/x", "gr\u00fcn".encode().decode("latin-1"), entry="second"),
            Ask("/m%C3%BC%E6%BC%A2", application="bl\u00e5".encode().decode("latin-1"), entry="second"),
        ),
        files=(("\u6f22\u5b57/\u00e4.wsgi", "@COPY@"), ("\u6f22\u5b57/m\u00fc\u6f22.wsgi", "@COPY@")),
    ),
    Edge(
        "line ends of another system",
        "Include @ROOT@/dos.conf\n",
        (Ask("/dos/x", "dos", "dos app", "second"), Ask("/none")),
        files=(
            (
                "dos.conf",
                "WSGIDaemonProcess dos threads=2 \\\r\n  display-name=%{GROUP}\r\n"
                'WSGIScriptAlias /dos @ENV@ process-group=dos application-group="dos app"\r\n\r\n'
                "# a comment\r\n<Location /dos>\r\nWSGICallableObject second\r\n</Location>\r\n"
                "WSGIScriptAlias /none @ENV@",
            ),
        ),
    ),
    Edge(
        "very long lines",
        "WSGIDaemonProcess long threads=2 python-path="
        + ":".join("/usr/" + "./" * 20 + f"/{'/' * (n % 9)}lib" for n in range(500))
        + "\nWSGIScriptAlias /"
        + "x" * 3000
        + " @ENV@ process-group=long\n# "
        + "y" * 100_000
        + "\n",
        (Ask("/" + "x" * 3000 + "/z", "long", facts=(("PATH_INFO", "/z"),)),),
    ),
    Edge(
        "two hundred aliases",
        "".join(
            f"WSGIScriptAlias /mount{n:03} @ENV@ callable-object={'second' if n % 2 else 'application'}\n"
            for n in range(200)
        )
        + "WSGIScriptAlias / @ENV@\n",
        (
            *(Ask(f"/mount{n:03}/x", entry="second" if n % 2 else "") for n in (0, 1, 99, 100, 198, 199)),
            Ask("/mount200"),
        ),
    ),
    Edge(
        "fifty hosts, five groups",
        "".join(f"WSGIDaemonProcess g{n} threads=2\n" for n in range(5))
        + "".join(
            f"<VirtualHost *:@P{n % 2}@>\nServerName host{n}.invalid\nWSGIProcessGroup g{n % 5}\n"
            f"WSGIApplicationGroup a{n}\nWSGIScriptAlias / @ENV@\n</VirtualHost>\n"
            for n in range(50)
        ),
        tuple(Ask("/", f"g{n % 5}", f"a{n}", host=f"host{n}.invalid", port=n % 2) for n in range(50)),
    ),
)

NESTED = (
    Edge(
        "sections in sections",
        """
WSGIDaemonProcess one threads=2
WSGIScriptAlias /app @ENV@
WSGIScriptAlias /files @APPS@/
WSGIApplicationGroup outermost
<Directory @APPS@>
    WSGIApplicationGroup directory
    <Files "responses.wsgi">
        WSGIApplicationGroup files
    </Files>
    <FilesMatch "^env">
        WSGICallableObject second
    </FilesMatch>
</Directory>
<DirectoryMatch "/apps">
    WSGIProcessGroup one
</DirectoryMatch>
<Location /app/location>
    WSGIApplicationGroup location
    <If "%{QUERY_STRING} == 'if'">
        WSGIApplicationGroup if
    </If>
    <ElseIf "%{QUERY_STRING} == 'elseif'">
        WSGIApplicationGroup elseif
        WSGICallableObject application
    </ElseIf>
    <Else>
        WSGIApplicationGroup else
    </Else>
</Location>
<LocationMatch "^/app/match(?<rest>.*)">
    WSGIApplicationGroup match
</LocationMatch>
<If "%{REQUEST_URI} =~ m#/top$#">
    WSGIApplicationGroup top-if
    <If "%{QUERY_STRING} == 'deep'">
        WSGIApplicationGroup deep-if
    </If>
</If>
""",
        (
            Ask("/app", "one", "directory", "second"),
            Ask("/files/environ.wsgi", "one", "directory", "second"),
            Ask("/app/location?if", "one", "if", "second"),
            Ask("/app/location?elseif", "one", "elseif", ""),
            Ask("/app/location?other", "one", "else", "second"),
            Ask("/app/matched", "one", "match", "second"),
            Ask("/app/top", "one", "top-if", "second"),
            Ask("/app/top?deep", "one", "deep-if", "second"),
        ),
    ),
)

EDGES = (*ORDER, *HOSTS, *WORDS, *NESTED)


@pytest.mark.parametrize("edge", EDGES, ids=str)
def test_edge(new_server: Any, edge: Edge) -> None:
    """C9, C15 and the table of the issue: this configuration loads, and requests go where it says."""
    server = server_of(edge, new_server).start()
    for wanted in edge.asks:
        check(server, wanted)


@pytest.mark.ours("D301: in 6.1.1 each port that a client writes into its Host header makes another interpreter")
def test_ports_of_clients_make_no_interpreters(new_server: Any) -> None:
    server: Server = new_server(lambda layout: fill("WSGIScriptAlias / @ENV@\n", layout), mode="embedded").start()
    names = {
        server.get("/", headers={"Host": f"localhost:{port}"}).json()["mod_wsgi.application_group"]
        for port in range(2000, 2040)
    }
    assert names == {f"localhost:{server.layout.port}|"}


# ---- names that are there twice (C10) ---------------------------------------------------------

TWICE = """
<VirtualHost *:@P0@>
    ServerName {first}
    WSGIDaemonProcess site threads=2 display-name=%{{GROUP}}
    WSGIProcessGroup site
    WSGIScriptAlias / @ENV@
</VirtualHost>
<VirtualHost *:@P1@>
    ServerName {second}
    WSGIDaemonProcess site {options}
    WSGIProcessGroup site
    WSGIScriptAlias / @ENV@
</VirtualHost>
"""
SAME = "threads=2 display-name=%{GROUP}"


def twice(second: str, options: str) -> Callable[[Layout], str]:
    return lambda layout: fill(TWICE.format(first="site.invalid", second=second, options=options), layout)


@pytest.mark.ours("D103: 6.1.1 refuses every second definition, also the copy that certbot makes of a host")
def test_copy_of_a_host(new_server: Any) -> None:
    """C10: the same definition in hosts of one ServerName is one group, with one set of processes."""
    server: Server = new_server(twice("site.invalid", SAME), ports=2)
    proof = server.prove()
    assert proof.status == 0, proof.output
    server.start()
    pids = set()
    for port in server.layout.ports:
        found = request(port, "GET", "/", headers={"Host": "site.invalid"}).json()
        assert found["mod_wsgi.process_group"] == "site"
        pids.add(found["mod_wsgi.process_group"])
    titles = [line for line in daemons(server) if "site" in line]
    assert len(titles) == 1, titles


def daemons(server: Server) -> list[str]:
    """Titles of the daemon processes."""
    return [title for title in map(command_line, descendants_of(server.pid)) if title.startswith("(wsgi:")]


@pytest.mark.parametrize(
    ("second", "options"),
    [("site.invalid", "threads=3 display-name=%{GROUP}"), ("other.invalid", "threads=3")],
    ids=["other-options", "other-host"],
)
def test_different_definitions_of_a_name(new_server: Any, module: Module, second: str, options: str) -> None:
    """C9, C10: two definitions that differ are refused, and both lines are named."""
    proof = new_server(twice(second, options), ports=2).prove()
    assert proof.status == 1
    if not module.peer:
        assert "WSGIDaemonProcess" in proof.output
        assert "site" in proof.output
        assert proof.output.count("httpd.conf") >= 2, proof.output


# ---- configurations that httpd itself refuses, and says so ------------------------------------


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("Include @ROOT@/bom.conf", ["bom.conf"]),
        ("Include @ROOT@/no-such.conf", ["no-such.conf"]),
        ("Use NoSuchMacro x", ["macro"]),
    ],
    ids=["byte-order-mark", "no-file", "no-macro"],
)
def test_broken_text(new_server: Any, text: str, words: list[str]) -> None:
    """Refused with the file's name; never half a configuration."""

    def configure(layout: Layout) -> str:
        (layout.root / "bom.conf").write_bytes("\ufeffWSGIScriptAlias / /x.wsgi\n".encode())
        return fill(text, layout)

    proof: Proof = new_server(configure, ports=2, modules=("macro",)).prove()
    assert proof.status == 1
    for word in words:
        assert word.lower() in proof.output.lower(), proof.output


def test_undefined_variable_stays_as_it_is(new_server: Any) -> None:
    """httpd warns; the group of that name does not exist, and the request says so."""
    server: Server = new_server(
        lambda layout: fill("WSGIScriptAlias / @ENV@ process-group=${NOBODY_DEFINED_THIS}\n", layout)
    ).start()
    assert server.get("/").status == 500
    server.expect(r"WSGI015[01]")
    server.allow("AH00111: Config variable")


# ---- .htaccess --------------------------------------------------------------------------------

CLASSES = ("None", "AuthConfig", "FileInfo", "Indexes", "Limit", "Options", "All")
FILEINFO = (
    "WSGICallableObject second",
    "WSGIPassAuthorization On",
    "WSGIScriptReloading On",
    "WSGIErrorOverride On",
    "WSGIChunkedRequest On",
    "WSGIMapHEADToGET Auto",
    "WSGIIgnoreActivity On",
    "WSGITrustedProxyHeaders X-Forwarded-For",
    "WSGITrustedProxies 127.0.0.1",
    "WSGIEnableSendfile On",
)
AUTHCONFIG = (
    "WSGIAccessScript @APPS@/nobody.wsgi",
    "WSGIAuthUserScript @APPS@/nobody.wsgi",
    "WSGIAuthGroupScript @APPS@/nobody.wsgi",
    "WSGIGroupAuthoritative On",
)
NEVER = (
    "WSGIScriptAlias /x /y.wsgi",
    "WSGIScriptAliasMatch /x /y.wsgi",
    "WSGIDaemonProcess one",
    "WSGIProcessGroup one",
    "WSGIApplicationGroup one",
    "WSGIRestrictProcess one",
    "WSGIHandlerScript name @APPS@/nobody.wsgi",
    "WSGIDispatchScript @APPS@/nobody.wsgi",
    "WSGIPassApacheRequest On",
    "WSGIImportScript @APPS@/nobody.wsgi process-group=%{GLOBAL} application-group=%{GLOBAL}",
    "WSGIPythonHome /usr",
    "WSGIRestrictEmbedded On",
    "WSGISocketPrefix /tmp/x",
    "WSGIServerMetrics On",
    "<WSGIInterpreterOptions>\n</WSGIInterpreterOptions>",
)


def htaccess_site(layout: Layout) -> str:
    """A directory per class of AllowOverride, and one that names a single directive."""
    text = ["Options +ExecCGI\nAddHandler wsgi-script .wsgi"]
    for name in CLASSES:
        (layout.htdocs / name).mkdir(exist_ok=True)
        text.append(f"<Directory {layout.htdocs}/{name}>\nAllowOverride {name}\n</Directory>")
    (layout.htdocs / "List").mkdir(exist_ok=True)
    text.append(
        f"<Directory {layout.htdocs}/List>\nAllowOverride None\nAllowOverrideList WSGICallableObject\n</Directory>"
    )
    script = (layout.apps / "environ.wsgi").read_text()
    for name in (*CLASSES, "List"):
        (layout.htdocs / name / "env.wsgi").write_text(script)
    return "\n".join(text).replace("Options +ExecCGI", f"<Directory {layout.htdocs}>\nOptions +ExecCGI\n</Directory>")


def test_htaccess_by_class(new_server: Any) -> None:
    """Every directive in .htaccess under every AllowOverride class: taken, or 500 and a line that names it."""
    server: Server = new_server(htaccess_site, mode="embedded").start()
    for line in (*FILEINFO, *AUTHCONFIG, *NEVER):
        name = line.split()[0].strip("<>")
        text = fill(line, server.layout) + "\n"
        for allowed in CLASSES:
            path = server.layout.htdocs / allowed / ".htaccess"
            path.write_text(text)
            needed = {"FileInfo"} if line in FILEINFO else {"AuthConfig"} if line in AUTHCONFIG else set()
            works = allowed == "None" or (needed and allowed in {"All", *needed})
            reply = server.get(f"/{allowed}/env.wsgi")
            path.unlink()
            if works and name == "WSGIAccessScript" and allowed != "None":
                assert reply.status == 403, "there is no such script: nobody is let in"
                server.allow("WSGI005[37]|WSGI010[56]|WSGI0174|nobody.wsgi|AH01797")
            elif works:
                assert reply.status == 200, f"{line} under {allowed}: {reply.status}"
                if name == "WSGICallableObject":
                    assert ("test.entry" in reply.json()) == (allowed != "None")
            else:
                assert reply.status == 500, f"{line} under {allowed}: {reply.status}"
                server.expect(rf"(?i)htaccess: <?{name}>? not allowed here|{name}.*not allowed")


def test_htaccess_by_list(new_server: Any) -> None:
    """AllowOverrideList admits one directive and no other."""
    server: Server = new_server(htaccess_site, mode="embedded").start()
    path = server.layout.htdocs / "List" / ".htaccess"
    path.write_text("WSGICallableObject second\n")
    assert server.get("/List/env.wsgi").json()["test.entry"] == "second"
    path.write_text("WSGIPassAuthorization On\n")
    assert server.get("/List/env.wsgi").status == 500
    server.expect("WSGIPassAuthorization not allowed here")


def test_bad_htaccess(new_server: Any) -> None:
    """A bad value in .htaccess: 500 for that directory only, the line names directive and value."""
    server: Server = new_server(htaccess_site, mode="embedded").start()
    path = server.layout.htdocs / "All" / ".htaccess"
    for line, word in (
        ("WSGIPassAuthorization perhaps", "WSGIPassAuthorization"),
        ("WSGITrustedProxies nowhere", "nowhere"),
    ):
        path.write_text(line + "\n")
        assert server.get("/All/env.wsgi").status == 500
        server.expect(word)
        assert server.get("/FileInfo/env.wsgi").status == 200


# ---- a graceful restart with other groups -----------------------------------------------------


def test_graceful_restart_changes_groups(new_server: Any) -> None:
    """Groups come, go and change under a running server; no name of the former generation is left over."""
    generations: tuple[tuple[str, dict[str, str | None]], ...] = (
        (
            "WSGIDaemonProcess one threads=2\nWSGIScriptAlias /one @ENV@ process-group=one\n",
            {"/one": "one", "/two": None},
        ),
        (
            "WSGIDaemonProcess two threads=3\nWSGIDaemonProcess one threads=1\n"
            "WSGIScriptAlias /one @ENV@ process-group=one\nWSGIScriptAlias /two @ENV@ process-group=two\n",
            {"/one": "one", "/two": "two"},
        ),
        (
            "WSGIDaemonProcess two threads=3\nWSGIScriptAlias /one @ENV@ process-group=two\n",
            {"/one": "two", "/two": None},
        ),
        ("WSGIScriptAlias /one @ENV@\n", {"/one": "", "/two": None}),
        (
            "<VirtualHost *:@P0@>\nServerName localhost\nWSGIDaemonProcess two processes=2\n"
            "WSGIScriptAlias /two @ENV@ process-group=two\n</VirtualHost>\n",
            {"/one": None, "/two": "two"},
        ),
    )
    current = [""]
    server: Server = new_server(lambda layout: fill(current[0], layout))
    for number, (text, answers) in enumerate(generations):
        current[0] = text
        server.write_configuration()
        if number == 0:
            server.start()
        else:
            server.graceful()
        for target, group in answers.items():
            wait_until(lambda: answer(server, target) == group, f"{target} is served by {group} (generation {number})")  # noqa: B023
        expected = text.count("WSGIDaemonProcess") + ("processes=2" in text)
        if not server.layout.module.peer:
            wait_until(lambda: len(daemons(server)) == expected, f"{expected} daemons are left")  # noqa: B023


def answer(server: Server, target: str) -> str | None:
    """The group that serves, None for a 404."""
    reply = server.get(target)
    return None if reply.status == 404 else str(reply.json()["mod_wsgi.process_group"])
