# SPDX-License-Identifier: Apache-2.0
"""Names of groups and callables: every form, in every place where one may stand."""

from __future__ import annotations

from typing import Any

import pytest

from harness import Layout, Server, exchange, request

MODULES = ("rewrite",)
PORTS = 2

APP = """
import json
import sys


def application(environ, start_response):
    where = {key: environ["mod_wsgi." + key] for key in ("process_group", "application_group", "callable_object")}
    where["name"] = __name__
    where["interpreter"] = id(sys.modules)
    body = json.dumps(where).encode()
    start_response("200 OK", [("Content-Type", "application/json"), ("Content-Length", str(len(body)))])
    return [body]


second = application
"""

# Name as it is written, application group, process group ("" stands for embedded, None: no request).
FORMS = {
    "global": "%{GLOBAL}",
    "resource": "%{RESOURCE}",
    "server": "%{SERVER}",
    "host": "%{HOST}",
    "literal": "plain name",
    "lower": "%{global}",
    "before": "x%{GLOBAL}",
    "after": "%{GLOBAL}x",
    "percent": "%GLOBAL",
    "unknown": "%{NOBODY}",
    "unset": "%{ENV:NOBODY_SETS_THIS}",
    "empty": "%{ENV:}",
    "env-literal": "%{ENV:LITERAL}",
    "env-global": "%{ENV:GLOBAL}",
    "env-resource": "%{ENV:RESOURCE}",
    "env-server": "%{ENV:SERVER}",
    "env-host": "%{ENV:HOST}",
    "env-env": "%{ENV:ENV}",
    "env-empty": "%{ENV:EMPTY}",
    "env-process": "%{ENV:WSGI_TEST_SERVER}",
    "env-note": "%{ENV:mod_wsgi.callable_object}",
    "env-rewrite": "%{ENV:REWRITTEN}",
}


def configure(layout: Layout) -> str:
    """Each form as an application group of a scope, of an alias, and through a variable."""
    script = layout.apps / "names.wsgi"
    layout.write_app("names.wsgi", APP)
    scopes = "\n".join(
        f"<Location /scope/{name}>\nWSGIApplicationGroup {value!r}\n</Location>\n"
        f"WSGIScriptAlias /alias/{name} {script} application-group={value!r} callable-object=second"
        for name, value in FORMS.items()
    )
    return f"""
{layout.delegate()}
WSGICallableObject second
SetEnv LITERAL some-group
SetEnv GLOBAL %{{GLOBAL}}
SetEnv RESOURCE %{{RESOURCE}}
SetEnv SERVER %{{SERVER}}
SetEnv HOST %{{HOST}}
SetEnv ENV %{{ENV:LITERAL}}
SetEnv EMPTY ""
RewriteEngine On
RewriteRule /env-rewrite - [E=REWRITTEN:by-rewrite]
{scopes}
WSGIScriptAlias /scope {script} callable-object=second
WSGIScriptAlias /callable {script}
<Location /callable/env>
    WSGICallableObject %{{ENV:WHICH}}
    SetEnv WHICH second
</Location>
<Location /callable/unset>
    WSGICallableObject %{{ENV:NOBODY_SETS_THIS}}
</Location>
<Location /callable/global>
    WSGICallableObject %{{GLOBAL}}
</Location>
<VirtualHost *:{layout.ports[1]}>
    ServerName names.invalid:443
    UseCanonicalName On
    RewriteEngine On
    RewriteRule /env-rewrite - [E=REWRITTEN:by-rewrite]
</VirtualHost>
"""


def expected(name: str, resource: str, host: str, port: str, mark: str) -> str:
    """What 1.4 of the reference says each form is, at a place."""
    server = ("names.invalid" if not port else "localhost") + port
    return {
        "global": "",
        "resource": f"{server}|{resource}",
        "server": server,
        "host": host + port,
        "env-literal": "some-group",
        "env-global": "",
        "env-resource": f"{server}|{resource}",
        "env-server": server,
        "env-host": host + port,
        "env-env": "%{ENV:LITERAL}",
        "env-empty": "",
        "env-process": mark,
        "env-note": "second",
        "env-rewrite": "by-rewrite",
    }.get(name, FORMS[name])


@pytest.mark.parametrize("name", FORMS)
@pytest.mark.parametrize("place", ["scope", "alias"])
@pytest.mark.parametrize("which", [0, 1])
def test_application_group(site: Server, name: str, place: str, which: int) -> None:
    """Directive and alias option, at a port that shows and at one that does not."""
    port = site.layout.ports[which]
    found = request(port, "GET", f"/{place}/{name}", headers={"Host": f"Alias.Invalid:{port}"}).json()
    resource = f"/alias/{name}" if place == "alias" else "/scope"
    shown = "" if which else f":{port}"
    assert found["application_group"] == expected(name, resource, "alias.invalid", shown, site.mark)
    assert found["callable_object"] == "second"


def test_host_is_the_servers_without_a_header(site: Server) -> None:
    answer = exchange(site.layout.port, b"GET /scope/host HTTP/1.0\r\n\r\n")
    # Without a Host header and without a port in ServerName the port is the scheme's.
    assert b'"application_group": "localhost"' in answer


@pytest.mark.parametrize(
    ("target", "name"),
    [("/callable/env", "second"), ("/callable/unset", "application"), ("/callable/global", "application")],
)
def test_callable(site: Server, target: str, name: str) -> None:
    assert site.get(target).json()["callable_object"] == name


def port_in_host(layout: Layout) -> str:
    """Groups that are named by host and port."""
    script = layout.write_app("names.wsgi", APP)
    return f"""
{layout.delegate()}
WSGIScriptAlias /resource {script}
WSGIScriptAlias /server {script} application-group=%{{SERVER}}
WSGIScriptAlias /host {script} application-group=%{{HOST}}
<VirtualHost *:{layout.ports[1]}>
    ServerName other.invalid
</VirtualHost>
<VirtualHost 127.0.0.9:9999>
    ServerName nobody.invalid
</VirtualHost>
"""


@pytest.mark.parametrize("mode", ["embedded", "daemon"])
@pytest.mark.ours("D301: 6.1.1 makes one interpreter for each port that a client writes into its Host header")
def test_a_port_that_the_server_does_not_have(new_server: Any, mode: str) -> None:
    """The port of the Host header only counts when this server has it; so interpreters are counted."""
    server = new_server(port_in_host, mode=mode, ports=2).start()
    own = server.layout.port
    for target in ("/resource", "/server", "/host"):
        names, interpreters = set(), set()
        for port in (own, 1, 2, 3, 81, 8443, 65535):
            found = server.get(target, headers={"Host": f"localhost:{port}"}).json()
            names.add(found["application_group"])
            interpreters.add(found["interpreter"])
        assert names == {f"localhost:{own}" + ("|/resource" if target == "/resource" else "")}
        assert len(interpreters) == 1


@pytest.mark.parametrize("mode", ["embedded", "daemon"])
def test_ports_that_the_server_has(new_server: Any, mode: str) -> None:
    """Of another listener, of a virtual host, and the two that are left out: as in 6.1.1."""
    server = new_server(port_in_host, mode=mode, ports=2).start()
    own, other = server.layout.ports
    for port, suffix in ((own, f":{own}"), (other, f":{other}"), (9999, ":9999"), (80, ""), (443, "")):
        for target in ("/server", "/host"):
            found = server.get(target, headers={"Host": f"localhost:{port}"}).json()
            assert found["application_group"] == f"localhost{suffix}", (port, target)


def any_case(layout: Layout) -> str:
    """Letters of another case are the same resource."""
    script = layout.write_app("names.wsgi", APP)
    return f"""
WSGICaseSensitivity Off
{layout.delegate()}
WSGIScriptAlias /Mixed/Case {script}
WSGIScriptAlias /Literal {script} application-group=KeptAsItIs
"""


@pytest.mark.parametrize("mode", ["embedded", "daemon"])
def test_case_sensitivity_off(new_server: Any, mode: str) -> None:
    server = new_server(any_case, mode=mode).start()
    assert server.get("/Mixed/Case/Path").json()["application_group"] == f"localhost:{server.layout.port}|/mixed/case"
    assert server.get("/Literal").json()["application_group"] == "KeptAsItIs"


# ---- the main-interpreter rule -------------------------------------------------------------

MAIN_APP = """
import json

try:
    import _interpreters as interpreters
except ImportError:
    import _xxsubinterpreters as interpreters


def application(environ, start_response):
    main = interpreters.get_current() == interpreters.get_main()
    body = json.dumps({"main": main, "group": environ["mod_wsgi.application_group"]}).encode()
    start_response("200 OK", [("Content-Type", "application/json"), ("Content-Length", str(len(body)))])
    return [body]
"""


def one_application(layout: Layout) -> str:
    """One group for one alias, one for a named group, one for two of them."""
    script = layout.write_app("main.wsgi", MAIN_APP)
    return f"""
WSGIDaemonProcess single threads=2
WSGIDaemonProcess named threads=2
WSGIDaemonProcess two threads=2
WSGIScriptAlias /single {script} process-group=single
WSGIScriptAlias /named {script} process-group=named application-group=mine
WSGIScriptAlias /one {script} process-group=two application-group=one
WSGIScriptAlias /two {script} process-group=two application-group=two
"""


@pytest.mark.ours("D502: 6.1.1 has no main-interpreter rule")
def test_the_only_application_runs_in_the_main_interpreter(new_server: Any) -> None:
    """The name that is reported stays; whatever port a client names, no second interpreter is made."""
    server = new_server(one_application).start()
    port = server.layout.port
    for host in (f"localhost:{port}", "localhost:80", "localhost:1"):
        suffix = "" if host.endswith(":80") else f":{port}"
        found = server.get("/single/x", headers={"Host": host}).json()
        assert found == {"main": True, "group": f"localhost{suffix}|/single"}
    assert server.get("/named").json() == {"main": True, "group": "mine"}
    assert server.get("/one").json() == {"main": False, "group": "one"}
    assert server.get("/two").json() == {"main": False, "group": "two"}
