# SPDX-License-Identifier: Apache-2.0
"""Which script, which group, which callable a request gets."""

from __future__ import annotations

from typing import Any

import pytest

from harness import Layout, Server, request

MODULES = ("rewrite", "vhost_alias")
PORTS = 2


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
    for name in ("one.wsgi", "two.wsgi", "sub/three.wsgi"):
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
