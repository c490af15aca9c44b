# SPDX-License-Identifier: Apache-2.0
"""The main-interpreter rule: one application group in a daemon group has its main interpreter."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from harness import Layout, request

pytestmark = pytest.mark.ours("D502: 6.1.1 gives every named application group a sub-interpreter")

# Lines, the path that is asked, whether it runs in the main interpreter, the group it is told.
CASES: dict[str, tuple[str, str, bool, str]] = {
    "the resource of one alias": ("WSGIScriptAlias /a @APP@ process-group=one", "/a", True, "localhost:@PORT@|/a"),
    "one alias at the root": ("WSGIScriptAlias / @APP@ process-group=one", "/", True, "localhost:@PORT@|"),
    "by WSGIProcessGroup": ("WSGIProcessGroup one\nWSGIScriptAlias /a @APP@", "/a", True, "localhost:@PORT@|/a"),
    "by a directory's WSGIProcessGroup": (
        "<Directory @APPS@>\nWSGIProcessGroup one\n</Directory>\nWSGIScriptAlias /a @APP@",
        "/a",
        True,
        "localhost:@PORT@|/a",
    ),
    "one name": ("WSGIScriptAlias /a @APP@ process-group=one application-group=blog", "/a", True, "blog"),
    "one name, two aliases": (
        "WSGIScriptAlias /a @APP@ process-group=one application-group=blog\n"
        "WSGIScriptAlias /b @APP@ process-group=one application-group=blog",
        "/b",
        True,
        "blog",
    ),
    "one name, and an import for it": (
        "WSGIScriptAlias /a @APP@ process-group=one application-group=blog\n"
        "WSGIImportScript @APP@ process-group=one application-group=blog",
        "/a",
        True,
        "blog",
    ),
    "the name of the server": (
        "WSGIScriptAlias /a @APP@ process-group=one application-group=%{SERVER}",
        "/a",
        True,
        "localhost:@PORT@",
    ),
    "%{GLOBAL}": ("WSGIScriptAlias /a @APP@ process-group=one application-group=%{GLOBAL}", "/a", True, ""),
    "another group has more": (
        "WSGIScriptAlias /a @APP@ process-group=one\n"
        "WSGIScriptAlias /b @APP@ process-group=two\nWSGIScriptAlias /c @APP@ process-group=two",
        "/a",
        True,
        "localhost:@PORT@|/a",
    ),
    # ---- several, or not certain
    "two aliases": (
        "WSGIScriptAlias /a @APP@ process-group=one\nWSGIScriptAlias /b @APP@ process-group=one",
        "/a",
        False,
        "localhost:@PORT@|/a",
    ),
    "two names": (
        "WSGIScriptAlias /a @APP@ process-group=one application-group=blog\n"
        "WSGIScriptAlias /b @APP@ process-group=one application-group=wiki",
        "/a",
        False,
        "blog",
    ),
    "a name and %{GLOBAL}": (
        "WSGIScriptAlias /a @APP@ process-group=one application-group=blog\n"
        "WSGIScriptAlias /b @APP@ process-group=one application-group=%{GLOBAL}",
        "/a",
        False,
        "blog",
    ),
    "a directory": (
        "WSGIScriptAlias /a @APPS@ process-group=one",
        "/a/started.wsgi",
        False,
        "localhost:@PORT@|/a/started.wsgi",
    ),
    "a pattern": ("WSGIScriptAliasMatch ^/a @APP@ process-group=one", "/a", False, "localhost:@PORT@|/a"),
    "the name of the host": (
        "WSGIScriptAlias /a @APP@ process-group=one application-group=%{HOST}",
        "/a",
        False,
        "127.0.0.1:@PORT@",
    ),
    "a variable": (
        "SetEnv GROUP blog\nWSGIScriptAlias /a @APP@ process-group=one application-group=%{ENV:GROUP}",
        "/a",
        False,
        "blog",
    ),
    "a variable elsewhere": (
        "WSGIScriptAlias /a @APP@ process-group=one\nWSGIScriptAlias /b @APP@ process-group=%{ENV:GROUP}",
        "/a",
        False,
        "localhost:@PORT@|/a",
    ),
    "an import for another group": (
        "WSGIScriptAlias /a @APP@ process-group=one\nWSGIImportScript @APP@ process-group=one application-group=wiki",
        "/a",
        False,
        "localhost:@PORT@|/a",
    ),
    "a handler script": (
        "WSGIScriptAlias /a @APP@ process-group=one\nWSGIHandlerScript wiki @APP@ process-group=one",
        "/a",
        False,
        "localhost:@PORT@|/a",
    ),
    "a scope that may have another group": (
        "WSGIScriptAlias /a @APP@ process-group=one\n<Location /b>\nWSGIApplicationGroup wiki\n</Location>",
        "/a",
        False,
        "localhost:@PORT@|/a",
    ),
    "a dispatch script": (
        "WSGIScriptAlias /a @APP@ process-group=one\n<Location /b>\nWSGIDispatchScript @APP@\n</Location>",
        "/a",
        False,
        "localhost:@PORT@|/a",
    ),
    "a section for an interpreter": (
        "WSGIScriptAlias /a @APP@ process-group=one\n"
        "<WSGIInterpreterOptions application-group=wiki>\nWSGIRestrictStdin On\n</WSGIInterpreterOptions>",
        "/a",
        False,
        "localhost:@PORT@|/a",
    ),
    "a section for another process": (
        "WSGIScriptAlias /a @APP@ process-group=one\n<WSGIInterpreterOptions process-group=two "
        "application-group=wiki>\nWSGIRestrictStdin On\n</WSGIInterpreterOptions>",
        "/a",
        True,
        "localhost:@PORT@|/a",
    ),
    "hosts of two names": (
        "WSGIScriptAlias /a @APP@ process-group=one\n"
        "<VirtualHost 127.0.0.1:1>\nServerName other.invalid\n</VirtualHost>",
        "/a",
        False,
        "localhost:@PORT@|/a",
    ),
}


def written(lines: str) -> Callable[[Layout], str]:
    """The configuration of a case."""

    def configure(layout: Layout) -> str:
        lines_here = lines.replace("@APPS@", str(layout.apps)).replace("@APP@", f"{layout.apps}/started.wsgi")
        return f"WSGIDaemonProcess one threads=2\nWSGIDaemonProcess two threads=2\n{lines_here}\n"

    return configure


@pytest.mark.parametrize("case", CASES)
def test_the_rule(new_server: Any, case: str) -> None:
    """What the application is told of its group does not change."""
    lines, path, is_main, name = CASES[case]
    server = new_server(written(lines)).start()
    found = server.get(path).json()
    assert found["group"] == name.replace("@PORT@", str(server.layout.port))
    assert found["main"] is is_main


def test_a_request_for_another_group_has_its_own(new_server: Any) -> None:
    """A resource that SetHandler finds is not the alias: it gets a sub-interpreter."""

    def configure(layout: Layout) -> str:
        return f"""
WSGIDaemonProcess one threads=2
WSGIProcessGroup one
WSGIScriptAlias /a {layout.apps}/started.wsgi
Alias /files {layout.apps}
<Directory {layout.apps}>
    Options +ExecCGI
    AddHandler wsgi-script .wsgi
</Directory>
"""

    server = new_server(configure).start()
    assert server.get("/a").json()["main"] is True
    assert server.get("/files/started.wsgi").json()["main"] is False
    assert server.get("/a").json()["main"] is True


def test_the_copy_of_a_host_has_the_same_interpreter(new_server: Any) -> None:
    """C10: alias and group of certbot's copy are the same resource as those of the site."""
    host = """
<VirtualHost *:{port}>
    ServerName site.invalid
    WSGIDaemonProcess site threads=3
    WSGIProcessGroup site
    WSGIScriptAlias / {apps}/started.wsgi
</VirtualHost>
"""
    server = new_server(
        lambda layout: "".join(host.format(port=port, apps=layout.apps) for port in layout.ports), ports=2
    ).start()
    for port in server.layout.ports:
        assert request(port, "GET", "/").json()["main"] is True


def test_own_gil_switches_the_rule_off(new_server: Any) -> None:
    """The main interpreter cannot have a GIL of its own."""
    server = new_server(written("WSGIPerInterpreterGIL On\nWSGIScriptAlias /a @APP@ process-group=one")).start()
    assert server.get("/a").json()["main"] is False
    server.allow("GIL")  # a Python before 3.12 says that it has none
