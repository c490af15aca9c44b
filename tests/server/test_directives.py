# SPDX-License-Identifier: Apache-2.0
"""Every directive: one table, its contexts, its values, what is merged and in which order."""

from __future__ import annotations

import re
import subprocess

from typing import Any

import pytest

from harness import Layout, Module, Server, processes, prove
from harness.tables import Directive, directives, documented

ALL = directives()
CURRENT = [each for each in ALL if not each.is_removed]
REMOVED = [each for each in ALL if each.is_removed]

# Arguments that are fine wherever the directive is.
GOOD = {
    "WSGIScriptAlias": "/x /srv/x.wsgi",
    "WSGIScriptAliasMatch": "^/x(.*) /srv/$1.wsgi",
    "WSGIHandlerScript": "wiki /srv/wiki.wsgi",
    "WSGIImportScript": "/srv/x.wsgi process-group=%{GLOBAL} application-group=%{GLOBAL}",
    "WSGIDispatchScript": "/srv/x.wsgi",
    "WSGICallableObject": "main",
    "WSGIScriptReloading": "Off",
    "WSGIDaemonProcess": "one",
    "WSGIProcessGroup": "%{GLOBAL}",
    "WSGIApplicationGroup": "%{SERVER}",
    "WSGIRestrictProcess": "one two %{GLOBAL}",
    "WSGISocketPrefix": "run/x",
    "WSGISocketRotation": "Off",
    "WSGIAcceptMutex": "Flock",
    "WSGIRestrictEmbedded": "On",
    "WSGIPythonHome": "/usr",
    "WSGIPythonEggs": "/tmp",
    "WSGIPythonHashSeed": "4294967295",
    "WSGIPythonOptimize": "2",
    "WSGIPythonWarnings": "error",
    "WSGIDontWriteBytecode": "On",
    "WSGIDestroyInterpreter": "Off",
    "WSGICaseSensitivity": "Off",
    "<WSGIInterpreterOptions": "process-group=one application-group=two>\n</WSGIInterpreterOptions>",
    "WSGIPythonPath": "/tmp:/var/tmp",
    "WSGISwitchInterval": "0.005",
    "WSGIPerInterpreterGIL": "Off",
    "WSGIFreeThreading": "Off",
    "WSGIRestrictStdin": "On",
    "WSGIRestrictStdout": "On",
    "WSGIRestrictSignal": "Off",
    "WSGIPassApacheRequest": "On",
    "WSGIPassAuthorization": "On",
    "WSGIErrorOverride": "On",
    "WSGIChunkedRequest": "On",
    "WSGIMapHEADToGET": "auto",
    "WSGIIgnoreActivity": "On",
    "WSGIEnableSendfile": "On",
    "WSGITrustedProxyHeaders": "X-Forwarded-For x-nobody-knows-this",
    "WSGITrustedProxies": "127.0.0.1 192.0.2.0/24 10.0.0.0/255.0.0.0 ::1 2001:db8::/32",
    "WSGIAccessScript": "/srv/x.wsgi",
    "WSGIAuthUserScript": "/srv/x.wsgi application-group=auth",
    "WSGIAuthGroupScript": "/srv/x.wsgi application-group=%{GLOBAL}",
    "WSGIGroupAuthoritative": "Off",
    "WSGIServerMetrics": "On",
    "WSGITelemetryService": "unix:/run/telemetry.sock interval=0.5",
    "WSGITelemetryOptions": "CaptureUserAgent",
    "WSGISlowRequests": "0",
    "WSGILogOptions": "stdout=info stderr=error logging=On records=whole",
    "WSGIVerboseDebugging": "On",
    "WSGILazyInitialization": "On",
    "WSGINewRelicConfigFile": "/etc/newrelic.ini",
    "WSGINewRelicEnvironment": "production",
    "WSGIPythonExecutable": "/usr/bin/python",
    "WSGIPy3kWarningFlag": "On",
    "WSGIReloadMechanism": "Process",
    "WSGIOutputBuffering": "On",
    "WSGIUserAuthoritative": "Off",
}

SCOPES = {
    "main": "{}",
    "host": "<VirtualHost *:1>\nServerName one.invalid\n{}\n</VirtualHost>",
    "directory": "<Directory /tmp>\n{}\n</Directory>",
    "location": "<Location /x>\n{}\n</Location>",
    "files": '<Files "*.wsgi">\n{}\n</Files>',
}
ALLOWED = {
    "G": {"main"},
    "R": {"main", "host"},
    "RA": set(SCOPES),
    "F": set(SCOPES),
    "A": {"directory", "location", "files"},
}


def written(each: Directive) -> str:
    """A good line."""
    return f"{each.name} {GOOD[each.name]}"


def name_of(each: Directive) -> str:
    """For test ids."""
    return each.shown.strip("<>")


# ---- one table -----------------------------------------------------------------------------


@pytest.mark.ours("nothing that a user sees: the table is ours")
def test_the_table_has_all_directives() -> None:
    """48 directives and one section of mod_wsgi 6, one of ours, and a good line for each."""
    assert (len(CURRENT), len(REMOVED)) == (50, 8)
    assert {each.name for each in ALL} == set(GOOD)
    assert len({each.name for each in ALL}) == len(ALL)


@pytest.mark.ours("nothing that a user sees: the table is ours")
def test_the_module_registers_the_table(module: Module) -> None:
    """`httpd -L` of the loaded module says name, text and context of each line of the table."""
    server = Server(lambda _: "")
    server.write_configuration()
    said = subprocess.run(server.command("-L"), capture_output=True, text=True, timeout=30, check=False).stdout
    server.close()
    listed = re.findall(r"^(\S+) \(mod_wsgi\.c\)\n\t(.*)\n\t(.*)$", said, re.MULTILINE)
    assert [(name, text) for name, text, _ in listed] == [(each.name, each.text) for each in ALL]
    outside = "Allowed in *.conf only outside <Directory>, <Files>, <Location>, or <If>"
    words = {
        "G": outside,
        "R": outside,
        "RA": "Allowed in *.conf anywhere",
        "F": "Allowed in *.conf anywhere and in .htaccess",
        "A": "Allowed in *.conf only inside <Directory>, <Files>, <Location>, or <If> and in .htaccess",
    }
    assert [where for _, _, where in listed] == [words[each.context] for each in ALL]


@pytest.mark.ours("nothing that a user sees: the page is ours")
def test_the_page_has_the_table() -> None:
    """docs/directives.md: the same names, contexts, defaults and texts."""
    page = documented("Directive")
    assert list(page) == [each.shown for each in ALL]
    for each in ALL:
        assert page[each.shown] == [each.context, each.default, each.text]


# ---- contexts ------------------------------------------------------------------------------


@pytest.mark.parametrize("scope", SCOPES)
@pytest.mark.parametrize("each", CURRENT, ids=name_of)
def test_contexts(each: Directive, scope: str) -> None:
    """Where a directive may not stand, the refusal names it."""
    proof = prove(SCOPES[scope].format(written(each)))
    allowed = scope in ALLOWED[each.context]
    assert (proof.status == 0) == allowed, proof.output
    if not allowed:
        assert each.name in proof.output


@pytest.mark.parametrize("each", ALL, ids=name_of)
def test_htaccess(access_files: Server, each: Directive) -> None:
    """Only F and A may stand in .htaccess; a removed one that never could is refused, too."""
    if each.is_removed and access_files.layout.module.peer:
        pytest.skip("differs from 6.1.1: it refuses removed directives")
    access_files.layout.write_app("../htdocs/.htaccess", written(each) + "\n")
    reply = access_files.get("/page.txt")
    if each.context in ("F", "A"):
        access_files.allow("wsgi:error")  # an access script that is not there
        assert reply.status == (403 if each.name == "WSGIAccessScript" else 200)
    else:
        assert reply.status == 500
        access_files.expect(re.escape(each.name) + " not allowed here")


@pytest.fixture(scope="module")
def access_server(module: Module) -> Any:
    """A server that reads .htaccess files."""

    def configure(layout: Layout) -> str:
        return f"<Directory {layout.htdocs}>\nAllowOverride FileInfo AuthConfig\n</Directory>\n"

    server = Server(configure)
    try:
        yield server.start()
    finally:
        server.close()


@pytest.fixture
def access_files(access_server: Server) -> Any:
    """The same with a page, for one test."""
    access_server.forget_logs()
    access_server.layout.write_app("../htdocs/page.txt", "here\n")
    yield access_server
    access_server.check_logs()


@pytest.mark.ours("D112: 6.1.1 says only that the directive is unknown")
@pytest.mark.parametrize("scope", SCOPES)
@pytest.mark.parametrize("each", REMOVED, ids=name_of)
def test_removed_directives_are_told_once(each: Directive, scope: str) -> None:
    """Accepted where they once were, with one line, however often they are written."""
    proof = prove(SCOPES[scope].format(f"{written(each)}\n{written(each)}"))
    allowed = scope in ALLOWED[each.context]
    assert (proof.status == 0) == allowed, proof.output
    assert each.name in proof.output
    if allowed:
        assert proof.output.count(each.name) == 1
        assert "httpd.conf:" in proof.output
        assert "removed" in proof.output


@pytest.mark.ours("D112: 6.1.1 does not know them")
def test_removed_directives_are_told_at_a_start(new_server: Any) -> None:
    """One line for each at every start, of the whole configuration and not of each virtual host."""
    server = new_server(
        lambda layout: (
            f"WSGIOutputBuffering On\n<VirtualHost *:{layout.port}>\nWSGIOutputBuffering Off\n</VirtualHost>\n"
        )
    ).start()
    (line,) = server.expect("WSGIOutputBuffering")
    assert "has no effect" in line.text


# ---- values --------------------------------------------------------------------------------

FLAGS = [
    each
    for each in CURRENT
    if each.setter.endswith("_flag") or each.setter in ("wsgi_set_flag_without_effect", "wsgi_set_verbose_debugging")
]


def in_its_place(each: Directive, line: str) -> str:
    """The line where it may stand."""
    return SCOPES["location"].format(line) if each.context == "A" else line


@pytest.mark.parametrize("each", FLAGS, ids=name_of)
def test_flags(module: Module, each: Directive) -> None:
    """On and Off in any case, nothing else; the refusal names the word and the choice."""
    for word in ("on", "OFF", "On"):
        assert prove(in_its_place(each, f"{each.name} {word}")).status == 0
    proof = prove(in_its_place(each, f"{each.name} perhaps"))
    assert proof.status != 0
    assert each.name in proof.output
    if not module.peer:
        for word in ("perhaps", "On", "Off"):
            assert word in proof.output


BAD = (
    # line, words of the refusal
    ("WSGIScriptAliasMatch ^/x", ["WSGIScriptAliasMatch"]),
    ("WSGIScriptAliasMatch ^/(x /y.wsgi", ["WSGIScriptAliasMatch", "^/(x", "regular expression"]),
    ("WSGIScriptAliasMatch ^/x /y.wsgi threads=1", ["WSGIScriptAliasMatch", "threads", "callable-object"]),
    ("WSGIScriptAliasMatch ^/x /y.wsgi =1", ["WSGIScriptAliasMatch", "=1"]),
    ("WSGIScriptAliasMatch ^/x /y.wsgi pass-authorization=1", ["pass-authorization", "On", "Off"]),
    ("WSGIHandlerScript", ["WSGIHandlerScript"]),
    ("WSGIHandlerScript wiki", ["WSGIHandlerScript"]),
    ("WSGIHandlerScript wiki /x.wsgi callable-object=x", ["WSGIHandlerScript", "callable-object", "process-group"]),
    ("WSGIHandlerScript wiki /x.wsgi process-group=", ["WSGIHandlerScript", "process-group", "empty"]),
    ("WSGIHandlerScript wiki /x.wsgi application-group=", ["WSGIHandlerScript", "application-group", "empty"]),
    ("WSGIHandlerScript wiki /x.wsgi pass-authorization=2", ["WSGIHandlerScript", "pass-authorization", "Off"]),
    ("WSGIHandlerScript wiki /x.wsgi process-group", ["WSGIHandlerScript", "process-group"]),
    ("WSGIImportScript", ["WSGIImportScript"]),
    ("WSGIImportScript /x.wsgi", ["WSGIImportScript", "process-group"]),
    ("WSGIImportScript /x.wsgi process-group=%{GLOBAL}", ["WSGIImportScript", "application-group"]),
    ("WSGIImportScript /x.wsgi application-group=x", ["WSGIImportScript", "process-group"]),
    ("WSGIImportScript /x.wsgi process-group= application-group=x", ["WSGIImportScript", "process-group", "empty"]),
    ("WSGIImportScript /x.wsgi process-group=%{GLOBAL} application-group=", ["application-group", "empty"]),
    ("WSGIImportScript /x.wsgi callable-object=x", ["WSGIImportScript", "callable-object"]),
    ("WSGIImportScript /x.wsgi process-group=no application-group=x", ["WSGIImportScript /x.wsgi", '"no"']),
    ("WSGIAcceptMutex sem", ["WSGIAcceptMutex", "sem", "default", "flock"]),
    ("WSGIPythonHashSeed Random", ["WSGIPythonHashSeed", "Random", "4294967295"]),
    ("WSGIPythonHashSeed -1", ["WSGIPythonHashSeed", "-1"]),
    ("WSGIPythonHashSeed 4294967296", ["WSGIPythonHashSeed", "4294967296"]),
    ("WSGISwitchInterval 0", ["WSGISwitchInterval", '"0"']),
    ("WSGISwitchInterval -0.1", ["WSGISwitchInterval", "-0.1"]),
    ("WSGISwitchInterval fast", ["WSGISwitchInterval", "fast", "seconds"]),
    ("WSGIMapHEADToGET Maybe", ["WSGIMapHEADToGET", "Maybe", "Auto"]),
    ("WSGITrustedProxies localhost", ["WSGITrustedProxies", "localhost"]),
    ("WSGITrustedProxies 127.0.0.1 proxy.example.org", ["WSGITrustedProxies", "proxy.example.org"]),
    ("WSGITrustedProxies 127.0.0.1/33", ["WSGITrustedProxies", "127.0.0.1/33"]),
    ("WSGITrustedProxies 1.2.3.4.5", ["WSGITrustedProxies", "1.2.3.4.5"]),
    ("WSGITelemetryService", ["WSGITelemetryService"]),
    ("WSGITelemetryService /run/x", ["WSGITelemetryService", "/run/x", "unix:"]),
    ("WSGITelemetryService unix:run/x", ["WSGITelemetryService", "unix:run/x"]),
    ("WSGITelemetryService unix:/x 5", ["WSGITelemetryService", "interval"]),
    ("WSGITelemetryService unix:/x interval=0.4", ["WSGITelemetryService", "interval=0.4", "0.5"]),
    ("WSGITelemetryService unix:/x interval=1 more", ["WSGITelemetryService", "interval"]),
    ("WSGISlowRequests -1", ["WSGISlowRequests", "-1"]),
    ("WSGISlowRequests soon", ["WSGISlowRequests", "soon"]),
    ("WSGITelemetryOptions CaptureAll", ["WSGITelemetryOptions", "CaptureAll", "CaptureUserAgent"]),
    ("WSGITelemetryOptions None CaptureUserAgent", ["WSGITelemetryOptions", "CaptureUserAgent", "mixed"]),
    ("WSGITelemetryOptions +CaptureUserAgent CaptureUserAgent", ["WSGITelemetryOptions", "mixed"]),
    ("WSGITelemetryOptions -CaptureUserAgent All", ["WSGITelemetryOptions", "All", "mixed"]),
    ("WSGIDispatchScript", ["WSGIDispatchScript"]),
    ("WSGIDispatchScript /x.wsgi process-group=x", ["WSGIDispatchScript", "process-group", "application-group"]),
    ("WSGIDispatchScript /x.wsgi application-group=", ["WSGIDispatchScript", "application-group", "empty"]),
    ("WSGIDispatchScript /x.wsgi application-group", ["WSGIDispatchScript", "application-group"]),
    *(
        (SCOPES["location"].format(f"{name}{line}"), [name, *words])
        for name in ("WSGIAccessScript", "WSGIAuthUserScript", "WSGIAuthGroupScript")
        for line, words in (
            ("", []),
            (" /x.wsgi process-group=x", ["process-group", "application-group"]),
            (" /x.wsgi application-group=", ["application-group", "empty"]),
            (" /x.wsgi =x", ["=x"]),
        )
    ),
)


TAKEN_BY_THE_PEER = (
    "WSGITelemetryService unix:run/x",
    "WSGISlowRequests soon",
    "WSGITelemetryOptions None CaptureUserAgent",
)


@pytest.mark.parametrize(("line", "words"), BAD)
def test_bad_values_are_refused(module: Module, line: str, words: list[str]) -> None:
    """Appendix B of the reference: both refuse; ours names directive, value and what to do."""
    if module.peer and line in TAKEN_BY_THE_PEER:
        pytest.skip("differs from 6.1.1: it takes this in silence")
    proof = prove(line)
    assert proof.status != 0, "httpd -t accepted it"
    if not module.peer:
        for word in words:
            assert word in proof.output, proof.output
        assert "httpd.conf" in proof.output, "file and line are named"


@pytest.mark.ours("D101: 6.1.1 takes these in silence")
@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("WSGIPythonOptimize high", ["WSGIPythonOptimize", "high", "integer"]),
        ("WSGISlowRequests 1s", ["WSGISlowRequests", "1s"]),
        ("WSGISwitchInterval 0.1s", ["WSGISwitchInterval", "0.1s"]),
        ("WSGISwitchInterval nan", ["WSGISwitchInterval", "nan"]),
        ("WSGISlowRequests inf", ["WSGISlowRequests", "inf"]),
    ],
)
def test_half_numbers_are_refused(line: str, words: list[str]) -> None:
    """What follows a number is not dropped."""
    proof = prove(line)
    assert proof.status != 0
    for word in words:
        assert word in proof.output, proof.output


@pytest.mark.parametrize(
    "line",
    [
        "WSGITrustedProxyHeaders X-Nobody-Knows-This",
        "WSGIScriptAlias /x /no/such/file.wsgi",
        "WSGIScriptAliasMatch ^/x /no/such/$1",
        "WSGIHandlerScript wiki /no/such/file.wsgi",
        "WSGIImportScript /no/such/file.wsgi process-group=%{GLOBAL} application-group=%{GLOBAL}",
        "<Location /x>\nWSGIAccessScript /no/such/file.wsgi\nWSGIAuthUserScript /no/such/file.wsgi\n</Location>",
        "WSGIProcessGroup no-such-group",
        "WSGIRestrictProcess no-such-group",
        "WSGIRestrictProcess",
        "WSGIPythonOptimize -5",
        "WSGIPythonOptimize 7",
        "WSGIPythonHashSeed 0",
        "WSGIAcceptMutex DEFAULT",
        "WSGITrustedProxies 10.1",
        "WSGITrustedProxies",
        "WSGITrustedProxyHeaders",
        "WSGITelemetryOptions",
        "WSGITelemetryOptions +CaptureUserAgent",
        "WSGITelemetryOptions none",
        "WSGISlowRequests 1e3",
        "WSGIPythonWarnings error\nWSGIPythonWarnings ignore::UserWarning",
    ],
)
def test_not_errors(line: str) -> None:
    """What 6.1.1 accepts in silence, loads."""
    proof = prove(line)
    assert proof.status == 0, proof.output


# ---- names, order and copies ---------------------------------------------------------------


@pytest.mark.ours("D102: 6.1.1 wants the group above")
@pytest.mark.parametrize(
    "line",
    [
        "WSGIScriptAlias /x /y.wsgi process-group=one application-group=%{GLOBAL}",
        "WSGIScriptAliasMatch ^/x /y.wsgi process-group=one application-group=two",
        "WSGIImportScript /y.wsgi process-group=one application-group=%{GLOBAL}",
    ],
)
def test_a_group_may_be_defined_below(line: str) -> None:
    """C9: names are looked up when everything was read."""
    proof = prove(f"<VirtualHost *:1>\nServerName a.invalid\n{line}\n</VirtualHost>\nWSGIDaemonProcess one")
    assert proof.status == 0, proof.output
    assert proof.output.strip() == "Syntax OK"


@pytest.mark.ours("D120: 6.1.1 does not say the places")
@pytest.mark.parametrize(
    "line",
    [
        "WSGIScriptAlias /x /y.wsgi process-group=one application-group=%{GLOBAL}",
        "WSGIImportScript /y.wsgi process-group=one application-group=%{GLOBAL}",
    ],
)
def test_three_reasons_why_a_group_cannot_be_used(line: str) -> None:
    """Nowhere configured, in a host of another name, in a host without a name; with both places."""
    nowhere = prove(line)
    assert nowhere.status != 0
    assert '"one" is not configured' in nowhere.output
    group = "<VirtualHost *:1>\nServerName a.invalid\nWSGIDaemonProcess one\n</VirtualHost>"
    other = prove(f"{group}\n<VirtualHost *:2>\nServerName b.invalid\n{line}\n</VirtualHost>")
    assert other.status != 0
    assert "ServerName a.invalid" in other.output
    assert "b.invalid" in other.output
    nameless = prove(f"{group}\n<VirtualHost *:2>\n{line}\n</VirtualHost>")
    assert nameless.status != 0
    assert "has no ServerName" in nameless.output
    for proof in (other, nameless):
        assert len(re.findall(r"httpd\.conf:\d+", proof.output)) >= 2, proof.output
        assert " ".join(line.split()[:2]) in proof.output


@pytest.mark.ours("D103: 6.1.1 refuses every second definition")
def test_the_copy_of_a_host_is_no_error(new_server: Any) -> None:
    """C10: certbot's copy of a site, for the other port; one group runs."""
    host = """
<VirtualHost *:{port}>
    ServerName site.invalid
    WSGIDaemonProcess site threads=3 display-name=%{{GROUP}}
    WSGIScriptAlias / {apps}/process.wsgi process-group=site application-group=%{{GLOBAL}}
</VirtualHost>
"""
    server = new_server(
        lambda layout: "".join(host.format(port=port, apps=layout.apps) for port in layout.ports), ports=2
    )
    assert server.prove().output.strip() == "Syntax OK"
    server.start()
    first = server.get("/").json()
    server.layout.ports.reverse()
    second = server.get("/").json()
    assert first["process_group"] == second["process_group"] == "site"
    assert first["pid"] == second["pid"], "one group, one process"


@pytest.mark.ours("D120: 6.1.1 does not say the places")
@pytest.mark.parametrize(
    ("names", "options"),
    [(("a", "a"), ("threads=3", "threads=4")), (("a", "b"), ("threads=3", "threads=3"))],
    ids=["other options", "other ServerName"],
)
def test_other_second_definitions_are_refused(names: tuple[str, str], options: tuple[str, str]) -> None:
    """C9, C10: with both places."""
    proof = prove(
        "\n".join(
            f"<VirtualHost *:{port}>\nServerName {name}.invalid\nWSGIDaemonProcess site {option}\n</VirtualHost>"
            for port, name, option in zip((1, 2), names, options)
        )
    )
    assert proof.status != 0
    assert "WSGIDaemonProcess site" in proof.output
    assert len(set(re.findall(r"httpd\.conf:\d+", proof.output))) == 2, proof.output


@pytest.mark.ours("D119: 6.1.1 says nothing")
@pytest.mark.parametrize(
    ("body", "words"),
    [
        (
            "WSGIDaemonProcess one\nWSGIDaemonProcess two\nWSGIProcessGroup two\n"
            "<VirtualHost *:1>\nWSGIScriptAlias /x /y.wsgi process-group=%{GLOBAL}\n</VirtualHost>",
            ["WSGIDaemonProcess one", "nothing uses"],
        ),
        (
            "WSGIDaemonProcess one\nWSGIScriptAlias /a /y.wsgi process-group=one\nWSGIScriptAlias /b /y.wsgi",
            ["WSGIScriptAlias /b", "process groups: one"],
        ),
        ("WSGIScriptAlias /a /y.wsgi process-group=tow", ["WSGIScriptAlias /a", '"tow"', "500"]),
        ("WSGIProcessGroup tow", ["WSGIProcessGroup", '"tow"', "500"]),
        ("WSGIHandlerScript wiki /y.wsgi process-group=tow", ["WSGIHandlerScript wiki", '"tow"']),
    ],
    ids=["unused", "embedded", "alias", "directive", "handler"],
)
def test_doubts_are_told(body: str, words: list[str]) -> None:
    """C8: allowed, but hardly meant."""
    proof = prove(body)
    assert proof.status == 0
    lines = proof.output.strip().splitlines()
    assert len(lines) == 2, proof.output
    for word in words:
        assert word in lines[0]


@pytest.mark.parametrize(
    "body",
    [
        "WSGIDaemonProcess one\nWSGIScriptAlias /b /y.wsgi\n<Directory /srv>\nWSGIProcessGroup one\n</Directory>",
        "WSGIDaemonProcess one\nWSGIScriptAlias /b /y.wsgi process-group=%{ENV:GROUP}",
        "WSGIDaemonProcess one\nWSGIScriptAlias /b /y.wsgi\nWSGIDispatchScript /z.wsgi",
        "WSGIDaemonProcess one\nWSGIImportScript /y.wsgi process-group=one application-group=x",
    ],
)
def test_no_doubt_where_a_request_decides(body: str) -> None:
    """C8: what may be meant is not told."""
    assert prove(body).output.strip() == "Syntax OK"


# ---- merging -------------------------------------------------------------------------------


def test_aliases_of_a_host_come_first(new_server: Any) -> None:
    """The list of the virtual host, then that of the main server; the first match wins."""
    server = new_server(
        lambda layout: (
            f"""
WSGIScriptAlias /both {layout.apps}/no-such.wsgi
WSGIScriptAlias /main {layout.apps}/environ.wsgi callable-object=second
<VirtualHost *:{layout.port}>
    WSGIScriptAlias /both {layout.apps}/environ.wsgi
    WSGIScriptAlias / {layout.apps}/environ.wsgi
</VirtualHost>
"""
        )
    ).start()
    assert server.get("/both").json()["SCRIPT_NAME"] == "/both"
    assert server.get("/main").json()["SCRIPT_NAME"] == "", "the host's own / comes before the main server's /main"


def test_inner_scopes_win_and_lists_are_replaced(new_server: Any) -> None:
    """Value by value; trusted headers are replaced by an inner scope, and add up in one."""

    def configure(layout: Layout) -> str:
        return f"""
WSGICallableObject second
WSGITrustedProxyHeaders X-Forwarded-For
WSGITrustedProxyHeaders X-Forwarded-Host
WSGIScriptAlias /outer {layout.apps}/environ.wsgi
WSGIScriptAlias /inner {layout.apps}/environ.wsgi
<Location /inner>
    WSGICallableObject application
    WSGITrustedProxyHeaders X-Forwarded-Port
</Location>
"""

    server = new_server(configure).start()
    headers = {"X-Forwarded-For": "192.0.2.9", "X-Forwarded-Host": "h.invalid", "X-Forwarded-Port": "8443"}
    outer = server.get("/outer", headers=headers).json()
    inner = server.get("/inner", headers=headers).json()
    assert (outer["mod_wsgi.callable_object"], inner["mod_wsgi.callable_object"]) == ("second", "application")
    assert (outer["REMOTE_ADDR"], outer["HTTP_HOST"]) == ("192.0.2.9", "h.invalid")
    assert outer["SERVER_PORT"] != "8443"
    assert inner["REMOTE_ADDR"] != "192.0.2.9"
    assert inner["SERVER_PORT"] == "8443"


def test_an_allow_list_is_replaced(new_server: Any) -> None:
    """WSGIRestrictProcess: a later line and an inner scope replace, case does not count."""

    def configure(layout: Layout) -> str:
        return f"""
WSGIDaemonProcess one threads=2
WSGIScriptAlias /outer {layout.apps}/environ.wsgi process-group=one
WSGIScriptAlias /inner {layout.apps}/environ.wsgi process-group=one
WSGIRestrictProcess two
WSGIRestrictProcess ONE
<Location /inner>
    WSGIRestrictProcess %{{GLOBAL}} two
</Location>
"""

    server = new_server(configure).start()
    assert server.get("/outer").status == 200
    assert server.get("/inner").status == 500
    server.expect_code(149)


# ---- Python in Apache's children -----------------------------------------------------------


def children_with_python(server: Server) -> list[bool]:
    """For each Apache child (daemons and the supervisor are not) whether libpython is mapped."""
    server.get("/")
    apache = [
        pid
        for pid in processes.descendants_of(server.pid)
        if "(wsgi:" not in processes.command_line(pid) and str(server.conf) in processes.command_line(pid)
    ]
    return ["libpython" in processes.maps(pid) for pid in apache]


NEEDS = {
    "nothing": ("", False),
    "import": ("WSGIImportScript @APPS@/environ.wsgi process-group=%{GLOBAL} application-group=%{GLOBAL}", True),
    "import into a daemon": (
        "WSGIImportScript @APPS@/environ.wsgi process-group=one application-group=%{GLOBAL}",
        False,
    ),
    "alias": ("WSGIScriptAlias /x @APPS@/environ.wsgi process-group=%{GLOBAL} application-group=%{GLOBAL}", False),
    "dispatch": ("<Location /x>\nWSGIDispatchScript @APPS@/environ.wsgi\n</Location>", True),
    "access": ("<Location /x>\nWSGIAccessScript @APPS@/environ.wsgi\n</Location>", True),
    "user": ("<Location /x>\nWSGIAuthUserScript @APPS@/environ.wsgi\n</Location>", True),
    "group": ("<Location /x>\nWSGIAuthGroupScript @APPS@/environ.wsgi\n</Location>", True),
}


@pytest.mark.ours("D508: 6.1.1 links libpython into the module")
@pytest.mark.parametrize("need", NEEDS)
def test_python_starts_in_children_only_when_needed(new_server: Any, need: str) -> None:
    """WSGIRestrictEmbedded On keeps Python out, unless a script that decides or an import needs it."""
    lines, is_there = NEEDS[need]
    server = new_server(
        lambda layout: (
            "WSGIRestrictEmbedded On\nWSGIDaemonProcess one threads=2\n"
            f"WSGIScriptAlias /one {layout.apps}/environ.wsgi process-group=one\n"
            + lines.replace("@APPS@", str(layout.apps))
        )
    ).start()
    found = children_with_python(server)
    assert any(found) == is_there


def test_applications_are_refused_all_the_same(new_server: Any) -> None:
    """Python is in the child, and an application still may not run there."""
    server = new_server(
        lambda layout: (
            f"""
WSGIRestrictEmbedded On
WSGIImportScript {layout.apps}/environ.wsgi process-group=%{{GLOBAL}} application-group=%{{GLOBAL}}
WSGIScriptAlias /x {layout.apps}/environ.wsgi
"""
        )
    ).start()
    assert server.get("/x").status == 500
    server.expect_code(143)


def test_verbose_debugging_says_what_to_use(new_server: Any) -> None:
    """One line at level info."""
    server = new_server(lambda _: "WSGIVerboseDebugging On", level="info").start()
    (line,) = server.expect("WSGIVerboseDebugging|LogLevel")
    assert "LogLevel" in line.text
    server.allow("info|notice")


@pytest.mark.parametrize(
    ("line", "key", "value"),
    [
        ("WSGIPythonOptimize 1", "optimize", 1),
        ("WSGIPythonOptimize -1", "optimize", 0),
        ("WSGIDontWriteBytecode On", "no_bytecode", True),
        ("WSGIDontWriteBytecode Off", "no_bytecode", False),
        ("WSGIPythonWarnings error\nWSGIPythonWarnings ignore", "warnings", ["error", "ignore"]),
        ("WSGIPythonEggs /tmp/eggs", "eggs", "/tmp/eggs"),
        ("WSGISwitchInterval 0.02", "interval", 0.02),
    ],
)
def test_switches_reach_embedded_mode(new_server: Any, line: str, key: str, value: object) -> None:
    server = new_server(lambda layout: f"{line}\nWSGIScriptAlias / {layout.apps}/started.wsgi", mode="embedded").start()
    assert server.get("/").json()[key] == value


@pytest.mark.ours("D116: in 6.1.1 `random` is the fixed seed 0")
def test_a_random_hash_seed_is_random_in_embedded_mode(new_server: Any) -> None:
    seen = set()
    for _ in range(3):
        server = new_server(
            lambda layout: f"WSGIPythonHashSeed random\nWSGIScriptAlias / {layout.apps}/started.wsgi", mode="embedded"
        ).start()
        seen.add(server.get("/").json()["hash"])
    assert len(seen) > 1
