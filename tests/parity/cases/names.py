# SPDX-License-Identifier: Apache-2.0
"""1.4: what becomes of group names, in the three places where they are written."""

from __future__ import annotations

from parity.model import EMBEDDED, Ask, Case, Site

ENV = "@APPS@/environ.wsgi"

# Tells its group. (Which interpreter runs it, 6.1.1 for Python 3.11 leaves to chance: difference D501.)
ACCESS = """
def allow_access(environ, host):
    print("group", repr(environ["mod_wsgi.application_group"]), file=environ["wsgi.errors"])
    return True
"""

DISPATCH = """
def process_group(environ):
    print("group", repr(environ["mod_wsgi.application_group"]), file=environ["wsgi.errors"])
    return None
"""

SERVER = "first.invalid:@PORT0@"

TOKENS = {
    "global": "%{GLOBAL}",
    "resource": "%{RESOURCE}",
    "server": "%{SERVER}",
    "host": "%{HOST}",
    "literal": "plain",
    "env": "%{ENV:WHICH}",
    "before": "x%{SERVER}",
    "after": "%{SERVER}x",
    "unknown": "%{NOTHING}",
    "undefined": "%{ENV:NOBODY_SETS_THIS}",
    "lower": "%{server}",
    "open": "%{SERVER",
}


def _location(path: str, *lines: str) -> str:
    return f"<Location {path}>\n" + "\n".join(lines) + "\n</Location>"


def _application() -> str:
    """A mount for each token of WSGIApplicationGroup, /a/TOKEN."""
    lines = [f"WSGIScriptAlias /a {ENV}", "SetEnv WHICH of-setenv"]
    lines += [_location(f"/a/{name}", f'WSGIApplicationGroup "{token}"') for name, token in TOKENS.items()]
    lines += [
        _location("/a/again", "SetEnv WHICH %{SERVER}", "WSGIApplicationGroup %{ENV:WHICH}"),
        _location("/a/again-resource", "SetEnv WHICH %{RESOURCE}", "WSGIApplicationGroup %{ENV:WHICH}"),
        _location("/a/again-global", "SetEnv WHICH %{GLOBAL}", "WSGIApplicationGroup %{ENV:WHICH}"),
        _location("/a/again-env", "SetEnv WHICH %{ENV:OTHER}", "SetEnv OTHER x", "WSGIApplicationGroup %{ENV:WHICH}"),
        _location("/a/empty-env", 'SetEnv WHICH ""', "WSGIApplicationGroup %{ENV:WHICH}"),
        _location("/a/process-env", "WSGIApplicationGroup %{ENV:LANG}"),
        _location("/a/setenvif", "SetEnvIf Request_URI . WHICH=of-setenvif", "WSGIApplicationGroup %{ENV:WHICH}"),
        _location("/a/note", "WSGIApplicationGroup %{ENV:mod_wsgi.application_group}"),
        _location("/a/cgi", "WSGIApplicationGroup %{ENV:REQUEST_METHOD}"),
    ]
    lines += [f"WSGIScriptAlias /o-{name} {ENV} application-group={token}" for name, token in TOKENS.items()]
    return "\n".join(lines)


def _access() -> str:
    """An access script and a dispatch script for each token, /c/TOKEN and /d/TOKEN."""
    lines = [f"WSGIScriptAlias /c {ENV}", f"WSGIScriptAlias /d {ENV}"]
    for name, token in TOKENS.items():
        option = f"application-group={token}"
        lines.append(_location(f"/c/{name}", f"WSGIAccessScript @ROOT@/access.py {option}"))
        lines.append(_location(f"/d/{name}", f"WSGIDispatchScript @ROOT@/dispatch.py {option}"))
    lines.append(_location("/c/unset", "WSGIAccessScript @ROOT@/access.py"))
    lines.append(_location("/d/unset", "WSGIDispatchScript @ROOT@/dispatch.py"))
    return "\n".join(lines)


PROCESS = f"""
WSGIDaemonProcess plain threads=1
WSGIDaemonProcess of-setenv threads=1
WSGIDaemonProcess {SERVER} threads=1
WSGIDaemonProcess other.invalid:@PORT0@ threads=1
WSGIDaemonProcess {SERVER}|/p-resource threads=1
WSGIDaemonProcess {SERVER}|/p threads=1
SetEnv WHICH of-setenv
WSGIScriptAlias /none {ENV}
WSGIScriptAlias /p {ENV}
""" + "\n".join(
    [_location(f"/p/{name}", f'WSGIProcessGroup "{token}"') for name, token in TOKENS.items()]
    + [f"WSGIScriptAlias /p-{name} {ENV} process-group={token}" for name, token in TOKENS.items()]
    + [_location("/p/again", "SetEnv WHICH %{SERVER}", "WSGIProcessGroup %{ENV:WHICH}")]
)

FILES = {"access.py": ACCESS, "dispatch.py": DISPATCH}
FIRST = "ServerName first.invalid"

SITES = (
    Site("names", f"{FIRST}\n@DELEGATE@\n{_application()}\n{_access()}", modules=("setenvif",), files=FILES),
    Site("names-process", f"{FIRST}\n{PROCESS}", modes=EMBEDDED),
    Site(
        "names-ports",
        "\n".join(
            f"<VirtualHost *:@PORT{number}@>\nServerName {name}\n{more}\nWSGIScriptAlias /server {ENV} application-group=%{{SERVER}}\n"
            f"WSGIScriptAlias /host {ENV} application-group=%{{HOST}}\nWSGIScriptAlias / {ENV}\n</VirtualHost>"
            for number, name, more in (
                (0, "one.invalid", ""),
                (0, "eighty.invalid:80", "UseCanonicalName On"),
                (0, "tls.invalid:443", "UseCanonicalName On"),
                (0, "other.invalid:8080", "UseCanonicalName On"),
                (1, "physical.invalid", "UseCanonicalPhysicalPort On"),
            )
        ),
        modes=EMBEDDED,
        ports=2,
    ),
    Site(
        "names-case",
        f"{FIRST}\n@DELEGATE@\nWSGICaseSensitivity Off\nWSGIScriptAlias /Upper {ENV}\nWSGIScriptAlias /Folder @APPS@/",
    ),
)

# httpd numbers a connection when something is logged about it: here by what the dispatch script writes.
CONNECTION = ("environ:mod_wsgi.connection_id",)

HOST = (("Host", SERVER),)


def group(name: str, kind: str = "application") -> tuple[str, ...]:
    """What the environ shows."""
    return (f'"mod_wsgi.{kind}_group": "{name}"',)


RESULT = {
    "global": "",
    "server": SERVER,
    "host": "other.invalid:@PORT0@",
    "literal": "plain",
    "env": "of-setenv",
}


def _cases() -> list[Case]:
    made: list[Case] = []
    headers = (("Host", "other.invalid:@PORT0@"),)
    whole = ("1.4-whole-value",)
    rows = {
        "before": whole,
        "after": whole,
        "open": whole,
        "lower": whole,
        "unknown": whole,
        "undefined": ("1.4-env-undefined",),
    }
    for name, token in TOKENS.items():
        row = rows.get(name, (f"1.4-{name}-application",))
        for mount, script in ((f"/a/{name}", "/a"), (f"/o-{name}", f"/o-{name}")):
            wanted = f"{SERVER}|{script}" if name == "resource" else RESULT.get(name, token)
            more = ("1.2-WSGIApplicationGroup",) if script == "/a" else ("1.3-other-tokens", "2.2-script-alias")
            made.append(
                Case(
                    f"1.4-application{mount}", (*row, *more), "names", Ask(mount, headers=headers), shows=group(wanted)
                )
            )
        row = rows.get(name, (f"1.4-{name}-auth",))
        for letter, directive in (("c", "WSGIAccessScript"), ("d", "WSGIDispatchScript")):
            made.append(
                Case(
                    f"1.4-{directive}-{name}",
                    (*row, f"1.2-{directive}", "2.2-decision-scripts"),
                    "names",
                    Ask(f"/{letter}/{name}", headers=headers),
                    said=True,
                    shows=group(f"{SERVER}|/{letter}"),
                    skip=CONNECTION if letter == "d" else (),
                )
            )
    for letter in "cd":
        made.append(
            Case(
                f"1.4-unset-auth-{letter}",
                ("1.4-unset-auth",),
                "names",
                Ask(f"/{letter}/unset", headers=HOST),
                said=True,
                skip=CONNECTION if letter == "d" else (),
            )
        )
    for name, key, wanted in (
        ("again", "env-again", SERVER),
        ("again-resource", "env-again", f"{SERVER}|/a"),
        ("again-global", "env-again", ""),
        ("again-env", "env-again", "%{ENV:OTHER}"),
        ("empty-env", "env-sources", ""),
        ("process-env", "env-sources", "C"),
        ("setenvif", "env-sources", "of-setenvif"),
        ("note", "env-sources", "%{ENV:mod_wsgi.application_group}"),
        ("cgi", "env-sources", "%{ENV:REQUEST_METHOD}"),
    ):
        made.append(Case(f"1.4-{name}", (f"1.4-{key}",), "names", Ask(f"/a/{name}", headers=HOST), shows=group(wanted)))
    made += [
        Case("1.4-unset", ("1.4-unset-application",), "names", Ask("/a", headers=HOST), shows=group(f"{SERVER}|/a")),
        Case(
            "1.4-slashes", ("1.4-script-slashes",), "names", Ask("//a///b", headers=HOST), shows=group(f"{SERVER}|/a")
        ),
        Case("1.4-note-of-alias", ("1.4-env-sources",), "names", Ask("/o-literal", headers=HOST), shows=group("plain")),
        Case(
            "1.4-host-case",
            ("1.4-host-application",),
            "names",
            Ask("/a/host", headers=(("Host", "OTHER.invalid:@PORT0@"),)),
        ),
        Case(
            "1.4-host-no-port", ("1.4-host-application",), "names", Ask("/a/host", headers=(("Host", "other.invalid"),))
        ),
        Case(
            "1.4-host-odd-port",
            ("1.4-host-application",),
            "names",
            Ask("/a/host", headers=(("Host", "other.invalid:81"),)),
            accepted={"environ:mod_wsgi.application_group": "D301"},
        ),
        Case(
            "1.4-server-odd-port",
            ("1.4-server-application",),
            "names",
            Ask("/a/server", headers=(("Host", "other.invalid:81"),)),
            accepted={"environ:mod_wsgi.application_group": "D301"},
        ),
        Case(
            "1.4-host-80",
            ("1.4-port-80-443",),
            "names",
            Ask("/a/host", headers=(("Host", "other.invalid:80"),)),
            shows=group("other.invalid"),
        ),
        Case("1.4-host-empty", ("1.4-host-empty",), "names", Ask("/a/host", headers=(("Host", ""),)), status=400),
        Case(
            "1.4-host-absent",
            ("1.4-host-empty",),
            "names",
            Ask(raw="GET /a/host HTTP/1.0\r\n\r\n"),
            status=200,
            shows=group("first.invalid"),
        ),
        Case(
            "1.4-host-unknown",
            ("1.4-host-application",),
            "names",
            Ask("/a/host", headers=(("Host", "unknown.invalid:@PORT0@"),)),
        ),
        Case(
            "1.4-case-off",
            ("1.4-script-slashes", "1.2-WSGICaseSensitivity"),
            "names-case",
            Ask("/Upper/Path", headers=HOST),
            shows=group(f"{SERVER}|/upper"),
        ),
        Case(
            "1.4-case-off-folder",
            ("1.4-script-slashes", "1.2-WSGICaseSensitivity"),
            "names-case",
            Ask("/Folder/environ.wsgi", headers=HOST),
            shows=group(f"{SERVER}|/folder/environ.wsgi"),
        ),
    ]
    for host in ("one.invalid", "eighty.invalid", "tls.invalid", "other.invalid", "physical.invalid"):
        for target in ("/server", "/host", "/x"):
            for port in ("", ":80", ":443", ":8080"):
                made.append(
                    Case(
                        f"1.4-ports-{host}{port}{target}",
                        ("1.4-port-80-443",),
                        "names-ports",
                        Ask(target, headers=(("Host", host + port),), port=int(host.startswith("physical"))),
                        modes=EMBEDDED,
                    )
                )
    return made


def _process() -> list[Case]:
    made: list[Case] = []
    works = {**RESULT, "host": "other.invalid:@PORT0@"}
    kinds = {"undefined": "env-undefined"}
    for name in TOKENS:
        kind = kinds.get(
            name,
            f"{name}-process" if name in ("global", "resource", "server", "host", "literal", "env") else "whole-value",
        )
        for mount in (f"/p/{name}", f"/p-{name}"):
            wanted = works.get(name)
            if name == "resource":
                wanted = SERVER + "|" + ("/p" if mount.startswith("/p/") else mount)
            made.append(
                Case(
                    f"1.4-process{mount}",
                    (f"1.4-{kind}", "1.2-WSGIProcessGroup"),
                    "names-process",
                    Ask(mount, headers=(("Host", "other.invalid:@PORT0@"),)),
                    status=500 if wanted is None else 200,
                    codes=(151,) if wanted is None else (),
                    shows=() if wanted is None else group(wanted, "process"),
                    modes=EMBEDDED,
                )
            )
    made.append(
        Case(
            "1.4-process-again",
            ("1.4-env-again",),
            "names-process",
            Ask("/p/again", headers=HOST),
            shows=group(SERVER, "process"),
            modes=EMBEDDED,
        )
    )
    made.append(
        Case(
            "1.4-process-unset",
            ("1.4-unset-process",),
            "names-process",
            Ask("/none"),
            shows=group("", "process"),
            modes=EMBEDDED,
        )
    )
    return made


CASES = (*_cases(), *_process())
