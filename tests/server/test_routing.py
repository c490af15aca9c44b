# SPDX-License-Identifier: Apache-2.0
"""Which script, which group, which callable a request gets."""

from __future__ import annotations

from typing import Any

import pytest

from harness import Layout, Server, request

MODULES = ("rewrite", "vhost_alias")
PORTS = 4


def configure(layout: Layout) -> str:
    """The ways to a script, and the scopes of groups."""
    env = layout.apps / "environ.wsgi"
    return f"""
{layout.delegate()}
{layout.delegate("second").partition(chr(10))[0]}
WSGIScriptAlias /from-main {env} callable-object=second
WSGIScriptAlias /both {env} callable-object=second
<VirtualHost *:{layout.ports[0]}>
    ServerName first.invalid
    ServerAlias alias.invalid
    WSGIScriptAlias /both {env}
    WSGIScriptAlias /deep/er {env} callable-object=second
    WSGIScriptAlias /deep {env}
    WSGIScriptAlias /shadow {env}
    WSGIScriptAlias /shadow/below {env} callable-object=second
    WSGIScriptAlias /slash/ {layout.apps}/scripts/
    WSGIScriptAlias /folder {layout.apps}/scripts
    WSGIScriptAlias /alias-wins {env}
    Alias /alias-wins {layout.htdocs}
    WSGIScriptAlias /options {env} application-group=of-the-alias callable-object=second \\
        pass-authorization=On
    WSGIScriptAlias /group {env}
    WSGIScriptAlias /host {env}
    WSGIScriptAlias /authorized {env}
    <Location /options>
        WSGIApplicationGroup of-the-location
        WSGICallableObject no_such_thing
        WSGIPassAuthorization Off
    </Location>
    <Location /group/global>
        WSGIApplicationGroup %{{GLOBAL}}
    </Location>
    <Location /group/resource>
        WSGIApplicationGroup %{{RESOURCE}}
    </Location>
    <Location /group/server>
        WSGIApplicationGroup %{{SERVER}}
    </Location>
    <Location /group/host>
        WSGIApplicationGroup %{{HOST}}
    </Location>
    <Location /group/env>
        SetEnv WHICH_GROUP from-the-environment
        WSGIApplicationGroup %{{ENV:WHICH_GROUP}}
    </Location>
    <Location /group/again>
        SetEnv WHICH_GROUP %{{SERVER}}
        WSGIApplicationGroup %{{ENV:WHICH_GROUP}}
    </Location>
    <Location /group/unset>
        WSGIApplicationGroup %{{ENV:NOBODY_SETS_THIS}}
    </Location>
    <Location /group/literal>
        WSGIApplicationGroup "plain name"
    </Location>
    <Location /group/callable>
        WSGICallableObject second
    </Location>
    <Location /group/callable-env>
        SetEnv WHICH_ENTRY second
        WSGICallableObject %{{ENV:WHICH_ENTRY}}
    </Location>
    <Location /authorized/on>
        WSGIPassAuthorization On
    </Location>
    <Directory {layout.apps}/shared>
        WSGIApplicationGroup of-the-directory
    </Directory>
    WSGIScriptAlias /shared {layout.apps}/shared
    DocumentRoot {layout.htdocs}
    AddType application/x-httpd-wsgi .typed
    <Directory {layout.htdocs}>
        AddHandler wsgi-script .wsgi
    </Directory>
    <Directory {layout.htdocs}/exec>
        Options +ExecCGI
    </Directory>
    <Location /exec/handled.txt>
        SetHandler wsgi-script
    </Location>
    <Directory {layout.htdocs}/exec/nopath>
        AcceptPathInfo Off
    </Directory>
</VirtualHost>
<VirtualHost *:{layout.ports[2]}>
    ServerName third.invalid
    WSGIScriptAliasMatch ^/rest(/.*)?$ {env}$1
    WSGIScriptAliasMatch ^/prefix {env}
    WSGIScriptAliasMatch /within/ {env}
    WSGIScriptAliasMatch ^/folder/([a-z]+)/ {layout.apps}/scripts/$1.wsgi
    WSGIScriptAliasMatch ^/file/([a-z]+) {layout.apps}/scripts/$1.wsgi
    WSGIScriptAliasMatch ^/ten/(.)(.)(.)(.)(.)(.)(.)(.)(.)(.) {layout.apps}/scripts/$1$2$3$4$5$6$7$8$9$10.wsgi
    WSGIScriptAliasMatch (x*) {env}
    WSGIScriptAliasMatch ^/whole/([a-z]+)\\.(wsgi)/?$ {layout.apps}/scripts/$1.$2
    WSGIScriptAliasMatch ^/maybe/(z)?(one) {layout.apps}/scripts/$2.wsgi
    WSGIScriptAliasMatch ^/escaped/(one) {layout.apps}/scripts/\\$1.wsgi
    WSGIScriptAliasMatch ^/ampersand/(one) {layout.apps}/scripts/&.wsgi
    WSGIScriptAliasMatch ^/CASE {env}
    WSGIScriptAliasMatch ^/(?i)nocase {env}
    WSGIScriptAliasMatch ^/all$ {env}$0
    WSGIScriptAliasMatch ^/options/(one|two) {layout.apps}/scripts/$1.wsgi application-group=not-$1 \
        callable-object=second pass-authorization=On
    WSGIScriptAliasMatch ^/swap/([^/]*)/([^/]*) {env}/$2/$1
    WSGIScriptAliasMatch [/]$ {env}
    WSGIScriptAlias /prefix/later {env} callable-object=second
    WSGIScriptAlias /plain/ {env}
    WSGIScriptAlias /slashed/ {env}/
    WSGIScriptAlias /nofile/ {layout.apps}/scripts
    WSGIScriptAlias nopath {env}
    WSGIScriptAlias //double//x {env}
    WSGIScriptAlias /en%20coded {env}
    WSGIScriptAlias "/bla nk" {env}
</VirtualHost>
<VirtualHost *:{layout.ports[3]}>
    ServerName fourth.invalid
    WSGIScriptAliasMatch ^//* {env}
</VirtualHost>
<VirtualHost *:{layout.ports[1]}>
    ServerName second.invalid:80
    UseCanonicalName On
    WSGIScriptAlias / {env}
    <Location /server>
        WSGIApplicationGroup %{{SERVER}}
    </Location>
</VirtualHost>
"""


@pytest.fixture
def site(running: Server) -> Any:
    """The file's server with the scripts that are reached in other ways than by alias."""
    layout = running.layout
    text = (layout.apps / "environ.wsgi").read_text()
    for name in ("one.wsgi", "two.wsgi", "sub/three.wsgi", "abcdefghia0.wsgi"):
        layout.write_app("scripts/" + name, text)
    for name in ("one.wsgi", "two.wsgi"):
        layout.write_app("shared/" + name, text)
    for name in ("exec/by.wsgi", "exec/by.typed", "exec/handled.txt", "exec/nopath/by.wsgi"):
        layout.write_app("../htdocs/" + name, text)
    layout.write_app("../htdocs/noexec.wsgi", text)
    layout.write_app("../htdocs/page.html", "static\n")
    running.forget_logs()
    yield running
    running.check_logs()


def show(site: Server, target: str, **more: Any) -> dict[str, Any]:
    """The environ a target gets."""
    found: dict[str, Any] = site.get(target, **more).json()
    return found


def entry(found: dict[str, Any]) -> str:
    """Which callable answered."""
    return str(found.get("test.entry", "application"))


# ---- aliases -------------------------------------------------------------------------------


@pytest.mark.core
@pytest.mark.parametrize(
    ("target", "script_name", "path_info", "callable_object"),
    [
        ("/deep", "/deep", "", "application"),
        ("/deep/er", "/deep/er", "", "second"),
        ("/deep/er/x", "/deep/er", "/x", "second"),
        ("/deep/erx", "/deep", "/erx", "application"),
        ("/shadow/below", "/shadow", "/below", "application"),
        ("/both/x", "/both", "/x", "application"),
        ("/from-main/x", "/from-main", "/x", "second"),
        ("//deep///er//x", "/deep/er", "/x", "second"),
    ],
)
def test_first_match_wins(site: Server, target: str, script_name: str, path_info: str, callable_object: str) -> None:
    """Configuration order decides, the virtual host's own aliases come before the main server's."""
    found = show(site, target)
    assert (found["SCRIPT_NAME"], found["PATH_INFO"]) == (script_name, path_info)
    assert found["mod_wsgi.callable_object"] == callable_object == entry(found)


@pytest.mark.parametrize("target", ["/deepx", "/Deep", "/dee", "/slash"])
def test_no_partial_match(site: Server, target: str) -> None:
    assert site.get(target).status == 404


@pytest.mark.parametrize(
    ("target", "script", "script_name", "path_info"),
    [
        ("/folder/one.wsgi", "one.wsgi", "/folder/one.wsgi", ""),
        ("/folder/two.wsgi/x/y", "two.wsgi", "/folder/two.wsgi", "/x/y"),
        ("/folder/sub/three.wsgi/z", "sub/three.wsgi", "/folder/sub/three.wsgi", "/z"),
        ("/slash/one.wsgi/x", "one.wsgi", "/slash/one.wsgi", "/x"),
    ],
)
def test_directory_of_scripts(site: Server, target: str, script: str, script_name: str, path_info: str) -> None:
    found = show(site, target)
    assert found["SCRIPT_FILENAME"] == str(site.layout.apps / "scripts" / script)
    assert (found["SCRIPT_NAME"], found["PATH_INFO"]) == (script_name, path_info)


def test_root_mount(site: Server) -> None:
    for target, path_info in (("/", "/"), ("/a/b", "/a/b")):
        found = request(site.layout.ports[1], "GET", target).json()
        assert (found["SCRIPT_NAME"], found["PATH_INFO"]) == ("", path_info)


def test_alias_of_mod_alias_wins(site: Server) -> None:
    reply = site.get("/alias-wins/page.html")
    assert (reply.status, reply.body) == (200, b"static\n")


def test_static_files_beside_it(site: Server) -> None:
    assert site.get("/page.html").body == b"static\n"


# ---- regular expressions -------------------------------------------------------------------

# Path, then SCRIPT_NAME, PATH_INFO and script; None: 404.
MATCHES = [
    ("/rest", "/rest", "", "environ.wsgi"),
    ("/rest/", "/rest", "/", "environ.wsgi"),
    ("/rest/x", "/rest", "/x", "environ.wsgi"),
    ("/restx", None, None, None),
    ("/prefix", "/prefix", "", "environ.wsgi"),
    ("/prefix/x", "/prefix", "/x", "environ.wsgi"),
    ("/prefix/later/x", "/prefix", "/later/x", "environ.wsgi"),
    ("/prefixed", None, None, None),
    ("/prefixed/x", None, None, None),
    ("/within/", "/within/", "", "environ.wsgi"),
    ("/a/within/", "/a/within/", "", "environ.wsgi"),
    ("/a/within/x", None, None, None),
    ("/folder/one/", "/folder/one/", "", "scripts/one.wsgi"),
    ("/folder/one/x", None, None, None),
    ("/folder/one", None, None, None),
    ("/file/one/x", "/file/one", "/x", "scripts/one.wsgi"),
    ("/file/onex", None, None, None),
    ("/ten/abcdefghij/x", "/ten/abcdefghij", "/x", "scripts/abcdefghia0.wsgi"),
    ("/xx", None, None, None),
    ("/whole/one.wsgi", "/whole/one.wsgi", "", "scripts/one.wsgi"),
    ("/whole/one.wsgi/", "/whole/one.wsgi/", "", "scripts/one.wsgi"),
    ("/maybe/one/r", "/maybe/one", "/r", "scripts/one.wsgi"),
    ("/escaped/one", None, None, None),
    ("/ampersand/one", None, None, None),
    ("/case", None, None, None),
    ("/CASE/x", "/CASE", "/x", "environ.wsgi"),
    ("/NoCase/x", "/NoCase", "/x", "environ.wsgi"),
    ("/all", "", "/all", "environ.wsgi"),
    ("/options/two/x", "/options/two", "/x", "scripts/two.wsgi"),
    ("/swap/p/q/r", "/swap/p/q", "/q/p/r", "environ.wsgi"),
    ("/", "", "/", "environ.wsgi"),
    ("/anything/", "/anything/", "", "environ.wsgi"),
    ("/plain", None, None, None),
    ("/plain/x", None, None, None),
    ("/slashed/x", "/slashed", "/x", "environ.wsgi"),
    ("/nofile/one.wsgi", None, None, None),
    ("/nopath", None, None, None),
    ("/double/x/y", "/double/x", "/y", "environ.wsgi"),
    ("//double/x", "/double/x", "", "environ.wsgi"),
    ("/en%20coded", None, None, None),
    ("/en%2520coded", "/en%20coded", "", "environ.wsgi"),
    ("/bla%20nk/%20", "/bla nk", "/ ", "environ.wsgi"),
]


@pytest.mark.parametrize(("target", "script_name", "path_info", "script"), MATCHES)
def test_matches(site: Server, target: str, script_name: str | None, path_info: str, script: str) -> None:
    """Not anchored, empty matches ignored, $0 to $9 put in, and what follows the match kept."""
    reply = request(site.layout.ports[2], "GET", target)
    if script_name is None:
        assert reply.status == 404
        site.allow("WSGI0135")
        return
    found = reply.json()
    assert (found["SCRIPT_NAME"], found["PATH_INFO"]) == (script_name, path_info)
    assert found["SCRIPT_FILENAME"] == str(site.layout.apps / script)


def test_match_of_the_root_keeps_the_path(site: Server) -> None:
    for target, path_info in (("/", "/"), ("/a/b", "/a/b"), ("//a//b/", "/a/b/")):
        found = request(site.layout.ports[3], "GET", target).json()
        assert (found["SCRIPT_NAME"], found["PATH_INFO"]) == ("", path_info)


def test_options_of_a_match(site: Server) -> None:
    """Options are taken as they are: $1 is put into the target only."""
    found = request(site.layout.ports[2], "GET", "/options/one", headers={"Authorization": "Basic eDp5"}).json()
    assert found["mod_wsgi.application_group"] == "not-$1"
    assert entry(found) == "second"
    assert found["HTTP_AUTHORIZATION"] == "Basic eDp5"


def test_directory_itself_is_403(site: Server) -> None:
    assert site.get("/slash/").status == 403
    site.expect_code(136, "scripts")
    assert site.get("/folder").status == 301


def test_missing_script_is_404(site: Server) -> None:
    assert site.get("/folder/none.wsgi").status == 404
    site.expect_code(135, "none.wsgi")


# ---- handlers ------------------------------------------------------------------------------


@pytest.mark.core
@pytest.mark.parametrize("target", ["/exec/by.wsgi", "/exec/by.typed", "/exec/handled.txt"])
def test_handler_names(site: Server, target: str) -> None:
    """AddHandler, the media type, SetHandler: all with Options ExecCGI."""
    found = show(site, target + "/more?q")
    assert (found["SCRIPT_NAME"], found["PATH_INFO"]) == (target, "/more")
    assert found["SCRIPT_FILENAME"] == str(site.layout.htdocs) + target
    kind = "application/x-httpd-wsgi" if target.endswith("typed") else "wsgi-script"
    assert found["mod_wsgi.request_handler"] == kind


def test_handler_without_exec_cgi_is_403(site: Server) -> None:
    assert site.get("/noexec.wsgi").status == 403
    site.expect_code(134, "noexec.wsgi")


def test_accept_path_info_off(site: Server) -> None:
    assert site.get("/exec/nopath/by.wsgi").status == 200
    assert site.get("/exec/nopath/by.wsgi/more").status == 404
    site.expect_code(137)


# ---- application groups --------------------------------------------------------------------


@pytest.mark.parametrize(
    ("target", "group"),
    [
        ("/group/global", ""),
        ("/group/resource", "first.invalid:{port}|/group"),
        ("/group/server", "first.invalid:{port}"),
        ("/group/host", "{host}:{port}"),
        ("/group/env", "from-the-environment"),
        ("/group/again", "first.invalid:{port}"),
        ("/group/unset", "%{{ENV:NOBODY_SETS_THIS}}"),
        ("/group/literal", "plain name"),
        ("/group", "first.invalid:{port}|/group"),
        ("/folder/one.wsgi", "first.invalid:{port}|/folder/one.wsgi"),
        ("/folder/sub/three.wsgi/x", "first.invalid:{port}|/folder/sub/three.wsgi"),
        ("/shared/one.wsgi", "of-the-directory"),
        ("/shared/two.wsgi", "of-the-directory"),
        ("/exec/by.wsgi", "first.invalid:{port}|/exec/by.wsgi"),
    ],
)
def test_application_group(site: Server, target: str, group: str) -> None:
    port = site.layout.port
    for host in ("127.0.0.1", "alias.invalid"):
        found = show(site, target, headers={"Host": f"{host}:{port}"})
        assert found["mod_wsgi.application_group"] == group.format(port=port, host=host)


def test_default_port_is_left_out(site: Server) -> None:
    port = site.layout.ports[1]
    found = request(port, "GET", "/server").json()
    assert found["mod_wsgi.application_group"] == "second.invalid"
    found = request(port, "GET", "/other").json()
    assert found["mod_wsgi.application_group"] == "second.invalid|"


@pytest.mark.parametrize("target", ["/group/callable", "/group/callable-env"])
def test_callable_object_directive(site: Server, target: str) -> None:
    found = show(site, target)
    assert found["mod_wsgi.callable_object"] == "second" == entry(found)


def test_alias_options_win_over_directives(site: Server) -> None:
    found = show(site, "/options", headers={"Authorization": "Bearer token"})
    assert found["mod_wsgi.application_group"] == "of-the-alias"
    assert entry(found) == "second"
    assert found["HTTP_AUTHORIZATION"] == "Bearer token"


def test_pass_authorization(site: Server) -> None:
    headers = {"Authorization": "Basic eDp5", "Proxy-Authorization": "Basic eDp5"}
    assert "HTTP_AUTHORIZATION" not in show(site, "/authorized", headers=headers)
    found = show(site, "/authorized/on", headers=headers)
    assert found["HTTP_AUTHORIZATION"] == "Basic eDp5"
    assert "HTTP_PROXY_AUTHORIZATION" not in found


# ---- process groups ------------------------------------------------------------------------


def groups(layout: Layout) -> str:
    """Three process groups, the embedded mode, and ways to choose."""
    env = layout.apps / "environ.wsgi"
    return f"""
WSGIDaemonProcess one threads=2
WSGIDaemonProcess two threads=2
WSGIDaemonProcess three threads=2
WSGIProcessGroup one
WSGIScriptAlias /app {env}
WSGIScriptAlias /alias {env} process-group=three
WSGIScriptAlias /env {env} process-group=%{{ENV:WHICH}}
WSGIScriptAlias /loaded {env} process-group=two application-group=%{{GLOBAL}}
<Location /app/two>
    WSGIProcessGroup two
</Location>
<Location /app/embedded>
    WSGIProcessGroup %{{GLOBAL}}
</Location>
<Location /app/unknown>
    WSGIProcessGroup nobody-defined-this
</Location>
<Location /app/hidden>
    WSGIProcessGroup hidden
</Location>
<Location /env>
    SetEnvIf Request_URI "/env/(\\w+)" WHICH=$1
</Location>
<VirtualHost *:{layout.ports[1]}>
    ServerName other.invalid
    WSGIDaemonProcess hidden threads=1
    WSGIScriptAlias /app {env} process-group=hidden
</VirtualHost>
"""


def test_process_groups_by_location(new_server: Any) -> None:
    server = new_server(groups, ports=2).start()
    expected = {
        "/app": "one",
        "/app/two/x": "two",
        "/app/embedded": "",
        "/alias": "three",
        "/env/two": "two",
        "/env/three": "three",
        "/loaded": "two",
    }
    for target, group in expected.items():
        assert show(server, target)["mod_wsgi.process_group"] == group, target
    assert server.get("/app/unknown").status == 500
    server.expect_code(151, "nobody-defined-this")
    server.forget_logs()
    assert server.get("/app/hidden").status == 500
    server.expect_code(152, "hidden")
    assert request(server.layout.ports[1], "GET", "/app").json()["mod_wsgi.process_group"] == ("hidden")


def allowed(layout: Layout) -> str:
    """Allow-lists of process groups."""
    env = layout.apps / "environ.wsgi"
    return f"""
WSGIDaemonProcess One threads=2
WSGIDaemonProcess two threads=2
WSGIScriptAlias /one {env} process-group=One
WSGIScriptAlias /two {env} process-group=two
WSGIScriptAlias /embedded {env}
WSGIRestrictProcess one %{{GLOBAL}}
<Location /two/inner>
    WSGIRestrictProcess two
</Location>
<Location /one/inner>
    WSGIRestrictProcess two
</Location>
<Location /embedded/inner>
    WSGIRestrictProcess one two
</Location>
<Location /one/later>
    WSGIRestrictProcess two
    WSGIRestrictProcess %{{GLOBAL}} ONE
</Location>
"""


def test_restrict_process(new_server: Any) -> None:
    """An inner list replaces the outer one; names count whatever their case."""
    server = new_server(allowed).start()
    for target, status in (
        ("/one", 200),
        ("/two", 500),
        ("/embedded", 200),
        ("/two/inner", 200),
        ("/one/inner", 500),
        ("/embedded/inner", 500),
        ("/one/later", 200),
    ):
        server.forget_logs()
        assert server.get(target).status == status, target
        if status == 500:
            server.expect_code(149, "%{GLOBAL}" if "embedded" in target and not server.layout.module.peer else "")


def test_group_without_any_daemon_process(new_server: Any) -> None:
    server = new_server(
        lambda layout: f"WSGIProcessGroup none\nWSGIScriptAlias /app {layout.apps}/environ.wsgi"
    ).start()
    assert server.get("/app").status == 500
    server.expect_code(150)


def test_restrict_embedded(new_server: Any) -> None:
    server = new_server(
        lambda layout: (
            f"""
WSGIRestrictEmbedded On
WSGIDaemonProcess app threads=2
WSGIScriptAlias /daemon {layout.apps}/environ.wsgi process-group=app
WSGIScriptAlias /embedded {layout.apps}/environ.wsgi
"""
        )
    ).start()
    assert server.get("/daemon").status == 200
    assert server.get("/embedded").status == 500
    server.expect_code(143)
