# SPDX-License-Identifier: Apache-2.0
"""DUMP_WSGI: what a configuration serves, told without starting it, and never otherwise than it is served."""

from __future__ import annotations

import os
import re
import subprocess

from typing import Any

import pytest

from harness import Layout, Server, places, request

pytestmark = pytest.mark.ours("D121: 6.1.1 has no such dump")

MODULES = ("rewrite", "authn_core", "authz_user", "authn_file", "auth_basic", "userdir", "headers")
PORTS = 2

Dump = dict[str, str]


def configure(layout: Layout) -> str:
    """Five sites, each with its own way to a script."""
    env = layout.apps / "environ.wsgi"
    text = env.read_text()
    for name in ("one.wsgi", "sub/two.wsgi"):
        layout.write_app("scripts/" + name, text)
    layout.write_app("../htdocs/exec/by.wsgi", text)
    layout.write_app("../htdocs/exec/index.wsgi", text)
    layout.write_app("../htdocs/noexec.wsgi", text)
    layout.write_app("../htdocs/page.html", "static\n")
    layout.write_app(
        "handler.wsgi",
        text.replace("def application", "def handle_request").replace("return appl", "return handle_request  # "),
    )
    return f"""
WSGIDaemonProcess blog threads=2
WSGIDaemonProcess shop threads=3 processes=2
WSGIDaemonProcess single threads=2
WSGIDaemonProcess spare threads=2
WSGIScriptAlias /from-main {env}
<Location /from-main>
    WSGIProcessGroup blog
</Location>
<VirtualHost *:{layout.ports[0]}>
    ServerName mounts.invalid
    WSGIScriptAlias /a/b {env} callable-object=second
    WSGIScriptAlias /a {env} process-group=blog
    WSGIScriptAlias /a/late {env}
    Alias /static {layout.htdocs}
    Redirect /moved http://elsewhere.invalid/
    WSGIScriptAlias / {env} process-group=blog application-group=%{{GLOBAL}}
</VirtualHost>
<VirtualHost *:{layout.ports[0]}>
    ServerName scripts.invalid
    ServerAlias *.scripts.invalid
    WSGIScriptAlias /folder {layout.apps}/scripts
    WSGIScriptAliasMatch ^/match/([a-z]+) {layout.apps}/scripts/$1.wsgi process-group=shop
    WSGIScriptAlias /gone {layout.apps}/nothere.wsgi
    WSGIScriptAlias /single {env} process-group=single
    <Location /folder/one.wsgi>
        WSGIProcessGroup shop
        WSGIApplicationGroup of-the-location
        WSGICallableObject second
    </Location>
</VirtualHost>
<VirtualHost *:{layout.ports[0]}>
    ServerName handlers.invalid
    DocumentRoot {layout.htdocs}
    AddHandler wsgi-script .wsgi
    DirectoryIndex index.wsgi
    WSGIHandlerScript my-handler {layout.apps}/handler.wsgi application-group=handled
    <Directory {layout.htdocs}/exec>
        Options +ExecCGI
    </Directory>
    <Location /any>
        SetHandler my-handler
    </Location>
    RewriteEngine On
    RewriteRule ^/short/(.*) /exec/by.wsgi/$1 [PT]
    RewriteRule ^/forbidden - [F]
</VirtualHost>
<VirtualHost *:{layout.ports[0]}>
    ServerName closed.invalid
    WSGIScriptAlias / {env}
    SetEnvIf Request_URI "/by/(\\w+)" WHICH=$1
    <Location /by>
        WSGIProcessGroup %{{ENV:WHICH}}
    </Location>
    <Location /secret>
        AuthType Basic
        AuthName here
        AuthUserFile /dev/null
        Require valid-user
    </Location>
    <Location /never>
        Require all denied
    </Location>
    <Location /list>
        WSGIRestrictProcess blog
    </Location>
</VirtualHost>
<VirtualHost 127.0.0.1:{layout.ports[1]}>
    ServerName other.invalid
    WSGIDaemonProcess private threads=1
    WSGIDispatchScript {env}
    WSGIScriptAlias /private {env} process-group=private application-group=named
</VirtualHost>
"""


def run(server: Server, define: str, **more: Any) -> tuple[int, str, str]:
    """`httpd -t -D define`: status, standard output, standard error."""
    done = subprocess.run(
        server.command("-t", "-D", define),
        env={"PATH": os.environ["PATH"]},
        capture_output=True,
        encoding="utf-8",
        errors="surrogateescape",
        timeout=60,
        check=False,
        **more,
    )
    return done.returncode, done.stdout, done.stderr


def ask(server: Server, url: str, **more: Any) -> Dump:
    """The fields of the dump of one URL; a label that comes twice keeps both."""
    status, output, errors = run(server, f"DUMP_WSGI={url}", **more)
    assert status == 0, output + errors
    assert "Syntax OK" in errors
    lines = output.splitlines()
    assert lines[0] == url
    found: Dump = {}
    for line in lines[1:]:
        label, text = line[4:22].strip(), line[23:]
        found[label] = f"{found[label]}\n{text}" if label in found else text
    return found


def url(server: Server, host: str, path: str, port: int = 0) -> str:
    """A URL of one of the sites."""
    return f"http://{host}:{server.layout.ports[port]}{path}"


# ---- one URL -------------------------------------------------------------------------------

# Site, path, SCRIPT_NAME, PATH_INFO; None: not for us. The documented table of mount points.
MOUNTS = [
    ("mounts", "/", "", "/"),
    ("mounts", "/x/y", "", "/x/y"),
    ("mounts", "/a", "/a", ""),
    ("mounts", "/a/", "/a", "/"),
    ("mounts", "/a/x?q=1", "/a", "/x"),
    ("mounts", "/ab", "", "/ab"),
    ("mounts", "/a.", "", "/a."),
    ("mounts", "/A", "", "/A"),
    ("mounts", "/a/b", "/a/b", ""),
    ("mounts", "/a/b/", "/a/b", "/"),
    ("mounts", "/a/b/c.", "/a/b", "/c."),
    ("mounts", "/a/bc", "/a", "/bc"),
    ("mounts", "/a/late/x", "/a", "/late/x"),
    ("mounts", "//a///b//c", "/a/b", "/c"),
    ("mounts", "/a/../b", "", "/b"),
    ("mounts", "/a/./b", "/a/b", ""),
    ("mounts", "/a/%62", "/a/b", ""),
    ("mounts", "/%61", "/a", ""),
    ("mounts", "/a/caf%C3%A9", "/a", "/caf\u00c3\u00a9"),
    ("mounts", "/a/x%3Fy", "/a", "/x?y"),
    ("mounts", "/a%2Fb", None, None),
    ("mounts", "/static/page.html", None, None),
    ("mounts", "/moved/there", None, None),
    ("mounts", "/from-main", "", "/from-main"),
    ("scripts", "/from-main/x", "/from-main", "/x"),
    ("scripts", "/folder/one.wsgi/x", "/folder/one.wsgi", "/x"),
    ("scripts", "/folder/sub/two.wsgi", "/folder/sub/two.wsgi", ""),
    ("scripts", "/match/one/x", "/match/one", "/x"),
    ("scripts", "/other", None, None),
    ("handlers", "/exec/by.wsgi/x", "/exec/by.wsgi", "/x"),
    ("handlers", "/short/x", "/exec/by.wsgi", "/x"),
    ("handlers", "/exec/", "/exec/index.wsgi", ""),
    ("handlers", "/page.html", None, None),
    ("handlers", "/any/thing", "/any", "/thing"),
    ("handlers", "/forbidden", None, None),
    ("closed", "/x", "", "/x"),
]


@pytest.fixture(scope="module")
def five(module: Any) -> Any:
    """The server with the five sites, running."""
    server = Server(configure, mode="embedded", modules=MODULES, level="crit", ports=PORTS)
    try:
        yield server.start()
    finally:
        server.close()


@pytest.mark.parametrize(("site", "path", "script_name", "path_info"), MOUNTS)
def test_dumped_as_served(five: Server, site: str, path: str, script_name: str | None, path_info: str | None) -> None:
    """C15: mount points, served and dumped alike."""
    host = f"{site}.invalid"
    reply = request(five.layout.port, "GET", path, headers={"Host": f"{host}:{five.layout.port}"})
    dump = ask(five, url(five, host, path))
    assert dump["server"].startswith(f"virtual host {host} ")
    if script_name is None:
        assert "SCRIPT_NAME" not in dump
        assert b"SCRIPT_NAME" not in reply.body
        assert "answered by httpd" in dump or "not for mod_wsgi" in dump
        return
    found = reply.json()
    assert (found["SCRIPT_NAME"], found["PATH_INFO"]) == (script_name, path_info)
    shown = {key: value.encode("utf-8", "surrogateescape").decode("latin-1").strip('"') for key, value in dump.items()}
    assert (dump["SCRIPT_NAME"].strip('"'), shown["PATH_INFO"]) == (script_name, path_info)
    assert dump["file"] == found["SCRIPT_FILENAME"]
    assert dump["handler"] == found["mod_wsgi.request_handler"]
    assert dump["callable"] == found["mod_wsgi.callable_object"]
    process = dump["process group"]
    assert process.startswith(
        f"{found['mod_wsgi.process_group']} (" if found["mod_wsgi.process_group"] else "none: embedded"
    )
    group = found["mod_wsgi.application_group"] or "%{GLOBAL}"
    assert group in dump["application group"]


def test_where_things_are_from(five: Server) -> None:
    """Alias, group and engine come with file and line."""
    dump = ask(five, url(five, "mounts.invalid", "/a/x"))
    conf = str(five.conf)
    assert dump["alias"].startswith(f"WSGIScriptAlias /a ({conf}:")
    assert dump["process group"].startswith(f"blog ({conf}:")
    assert "(Python 3." in dump["interpreter"]
    assert os.path.exists(dump["engine"])
    dump = ask(five, url(five, "scripts.invalid", "/match/one"))
    assert dump["alias"].startswith("WSGIScriptAliasMatch ^/match/([a-z]+) (")
    dump = ask(five, url(five, "any.scripts.invalid", "/folder/one.wsgi"))
    assert dump["server"].startswith("virtual host scripts.invalid ")
    assert dump["application group"] == "of-the-location"
    dump = ask(five, url(five, "handlers.invalid", "/any/thing"))
    assert dump["script"] == f"{five.layout.apps}/handler.wsgi (WSGIHandlerScript)"
    assert dump["callable"] == "handle_request"


@pytest.mark.parametrize(
    ("site", "path", "label", "words"),
    [
        ("scripts", "/gone/x", "refused", "404, WSGI0135: "),
        ("scripts", "/folder/", "refused", "403, WSGI0136: "),
        ("handlers", "/noexec.wsgi", "refused", "403, WSGI0134: "),
        ("closed", "/list", "refused", "500, WSGI0149: "),
        ("closed", "/by/nobody", "refused", "500, WSGI0151: "),
        ("closed", "/by/private", "refused", "500, WSGI0152: "),
        ("closed", "/never", "access", "403 Forbidden"),
        ("closed", "/secret", "access", "asks the client who it is"),
        ("scripts", "/folder", "answered by httpd", "301 Moved Permanently, to http://scripts.invalid:"),
        ("mounts", "/moved/x", "answered by httpd", "302 Found, to http://elsewhere.invalid/"),
        ("mounts", "/a%2Fb", "answered by httpd", "404 Not Found"),
        ("handlers", "/forbidden", "answered by httpd", "403 Forbidden"),
        ("mounts", "/static/page.html", "not for mod_wsgi", "page.html"),
    ],
)
def test_refused(five: Server, site: str, path: str, label: str, words: str) -> None:
    """Which check would say no, and with which code: as the running server does it."""
    host = f"{site}.invalid"
    dump = ask(five, url(five, host, path))
    assert words in dump[label], dump
    status = request(five.layout.port, "GET", path, headers={"Host": f"{host}:{five.layout.port}"}).status
    expected = {"refused": words[:3], "answered by httpd": words[:3], "not for mod_wsgi": "200"}
    assert str(status) == expected.get(label, "401" if path == "/secret" else "403")


def test_group_by_variable(five: Server) -> None:
    """SetEnvIf and %{ENV:} work in the dump, too."""
    assert ask(five, url(five, "closed.invalid", "/by/shop"))["process group"].startswith("shop (")


def test_dispatch_script_is_named_and_not_run(five: Server) -> None:
    dump = ask(five, url(five, "other.invalid", "/private", 1))
    assert dump["may be changed by"].startswith("WSGIDispatchScript ")
    assert dump["process group"].startswith("private (")


def test_addresses(five: Server) -> None:
    """A number as the host, a port that nobody listens on, a host nobody has."""
    dump = ask(five, url(five, "127.0.0.1", "/private/x", 1))
    assert dump["server"].startswith("virtual host other.invalid (127.0.0.1:")
    dump = ask(five, "http://mounts.invalid:9/a")
    assert dump["note"] == "no Listen line has port 9"
    dump = ask(five, url(five, "nobody.invalid", "/a/x"))
    assert dump["server"].startswith("virtual host mounts.invalid "), "httpd's own choice: the first one"
    assert ask(five, "https://mounts.invalid/")["note"] == "no Listen line has port 443"


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("/path", "does not begin with http:// or https://"),
        ("ftp://x/", "does not begin with http:// or https://"),
        ("mounts.invalid", "does not begin with http:// or https://"),
        ("http://", "no host"),
        ("http:///x", "no host"),
        ("http://a b/", "blank"),
        ("http://a/\x01", "control character"),
        ("http://a/caf\xe9", "%xx"),
        ("http://a:port/", "parse"),
        ("http://a:0/", "port"),
        ("http://a:70000/", "port"),
        ("http://user@a/", "user names"),
        ("http://a/#part", "fragments"),
    ],
)
def test_bad_url(five: Server, text: str, words: str) -> None:
    """What is wrong, and what a good one looks like."""
    status, output, errors = run(five, f"DUMP_WSGI={text}")
    assert status == 1
    assert words in errors, errors
    assert "http://www.example.org/path" in errors
    assert "SCRIPT_NAME" not in output


@pytest.mark.parametrize(
    "path", ["/" + "a" * 9000, "/%", "/%zz", "/%00", "/a/%ff%fe", "/" + "../" * 50, "/a?" + "b=c&" * 900]
)
def test_odd_paths(five: Server, path: str) -> None:
    """Served and dumped: the same, whatever it is."""
    reply = request(five.layout.port, "GET", path, headers={"Host": f"mounts.invalid:{five.layout.port}"})
    dump = ask(five, url(five, "mounts.invalid", path))
    assert ("SCRIPT_NAME" in dump) == (reply.status == 200)
    if reply.status != 200:
        assert dump["answered by httpd"].startswith(str(reply.status))


# ---- the whole server ----------------------------------------------------------------------


def test_all_mounts(five: Server) -> None:
    """Each virtual host with its mounts, then the groups and the other scripts."""
    status, output, _ = run(five, "DUMP_WSGI")
    assert status == 0
    for name in ("mounts", "scripts", "handlers", "closed", "other"):
        assert f"virtual host {name}.invalid (" in output
    env = five.layout.apps / "environ.wsgi"
    blocks = re.split(r"\n  (?=\S)", output)
    (late,) = [block for block in blocks if block.startswith("/a/late ->")]
    assert "never reached      WSGIScriptAlias /a (" in late
    (folder,) = [block for block in blocks if block.startswith("/folder ->")]
    assert "a directory" in folder
    (gone,) = [block for block in blocks if block.startswith("/gone ->")]
    assert "missing" in gone
    (single,) = [block for block in blocks if block.startswith(f"/single -> {env}")]
    assert "process group      single (" in single
    (private,) = [block for block in blocks if block.startswith("/private ->")]
    assert "application group  named" in private
    assert "may be changed by" in private


def test_all_groups(five: Server) -> None:
    """Definitions, interpreters, and those that nobody names."""
    _, output, _ = run(five, "DUMP_WSGI")
    groups = output[output.index("\nprocess groups\n") :]
    conf = str(five.conf)
    for name in ("blog", "shop", "single", "spare", "private"):
        assert f"\n  {name}\n    from               WSGIDaemonProcess, {conf}:" in groups
    spare = groups[groups.index("\n  spare\n") : groups.index("\n  private\n")]
    assert "named nowhere" in spare, "a dispatch script or a variable could still choose it"
    assert groups.count("named nowhere") == 1
    assert "processes, threads 2, 3" in groups
    assert "scripts of other directives" in groups
    assert f"WSGIDispatchScript {five.layout.apps}/environ.wsgi" in groups
    assert "WSGIHandlerScript my-handler" in groups
    assert f"<VirtualHost 127.0.0.1:{five.layout.ports[1]}>" in groups


def simple(layout: Layout) -> str:
    """Two groups, one of which nobody uses."""
    return f"""
WSGIDaemonProcess used threads=2
WSGIDaemonProcess unused threads=2
WSGIScriptAlias /app {layout.apps}/environ.wsgi process-group=used
"""


def written(configuration: Any, **more: Any) -> Server:
    """A server of which there is only the configuration."""
    server = Server(configuration, mode="embedded", **more)
    server.write_configuration()
    return server


def test_unused_group() -> None:
    server = written(simple)
    status, output, _ = run(server, "DUMP_WSGI")
    server.close()
    assert status == 0
    assert "unused             no directive names it" in output[output.index("\n  unused\n") :]
    assert output.count("no directive names it") == 1
    assert "|/app, which runs in the main interpreter" in output
    assert "main interpreter   /app (" in output


def test_not_without_the_define() -> None:
    server = written(simple)
    for define in ("DUMP_WSGIX", "XDUMP_WSGI", "dump_wsgi"):
        status, output, _ = run(server, define)
        assert (status, output) == (0, "")
    server.close()


def test_broken_group() -> None:
    """The dump is there when `httpd -t` fails, and says why; the status stays a failure."""
    server = written(
        lambda layout: simple(layout).replace("used threads=2", "used threads=2 python-home=/nowhere/at-all", 1)
    )
    for define, words in (
        ("DUMP_WSGI", "/app -> "),
        (f"DUMP_WSGI=http://localhost:{server.layout.port}/app/x", 'PATH_INFO          "/x"'),
    ):
        status, output, errors = run(server, define)
        assert status == 1
        assert words in output
        assert "out of service" in output
        assert "/nowhere/at-all" in output[output.index("out of service") :]
        assert "/nowhere/at-all" in errors
    server.close()


@pytest.mark.needs_root
def test_as_another_user() -> None:
    """Whoever can read the configuration can ask."""
    server = written(simple)
    status, output, errors = run(server, "DUMP_WSGI", user=places().user)
    dump = ask(server, f"http://localhost:{server.layout.port}/app/x", user=places().user)
    server.close()
    assert status == 0, errors
    assert "/app -> " in output
    assert (dump["SCRIPT_NAME"], dump["PATH_INFO"]) == ('"/app"', '"/x"')


def test_no_python_is_started(five: Server) -> None:
    """Scripts that decide are named, not run: they would leave a file behind."""

    def deciding(layout: Layout) -> str:
        script = layout.write_app("decide.wsgi", f"open({str(layout.scratch / 'ran')!r}, 'w')\n")
        return f"""
WSGIScriptAlias /app {layout.apps}/environ.wsgi
WSGIDispatchScript {script}
<Location /app>
    WSGIAccessScript {script}
    AuthType Basic
    AuthName here
    AuthBasicProvider wsgi
    WSGIAuthUserScript {script}
    Require valid-user
</Location>
"""

    server = written(deciding, modules=MODULES)
    dump = ask(server, f"http://localhost:{server.layout.port}/app/x")
    ran = (server.layout.scratch / "ran").exists()
    server.close()
    assert not ran
    assert "WSGIAccessScript" in dump["access"]
    assert "asks the client who it is" in dump["access"]
