# SPDX-License-Identifier: Apache-2.0
"""`httpd -t`: bad grammar is refused with directive, value and what is allowed."""

from __future__ import annotations

import re
import shutil
import subprocess
import tempfile

from pathlib import Path
from typing import Any

import pytest

from harness import Layout, Module, application_venv, places, prove, request, sanitizers

OPTIONS = [
    "user",
    "group",
    "processes",
    "threads",
    "umask",
    "home",
    "lang",
    "locale",
    "python-home",
    "python-path",
    "display-name",
    "shutdown-timeout",
]

BAD_EVERYWHERE = (
    # line, words the refusal has to hold
    ("WSGIScriptAlias /x", ["WSGIScriptAlias"]),
    ("WSGIScriptAlias /x /y.wsgi thread=1", ["thread"]),
    ("WSGIScriptAlias /x /y.wsgi process-group", ["process-group"]),
    ("WSGIScriptAlias /x /y.wsgi process-group=", ["process-group"]),
    ("WSGIScriptAlias /x /y.wsgi application-group=", ["application-group"]),
    ("WSGIScriptAlias /x /y.wsgi callable-object=", ["callable-object"]),
    ("WSGIScriptAlias /x /y.wsgi pass-authorization=maybe", ["pass-authorization"]),
    ("WSGIScriptAlias /x /y.wsgi process-group=nope application-group=x", ["WSGIScriptAlias"]),
    ("WSGIDaemonProcess", ["WSGIDaemonProcess"]),
    ("WSGIDaemonProcess one thread=5", ["thread"]),
    ("WSGIDaemonProcess one threads", ["threads"]),
    ("WSGIDaemonProcess one =5", ["=5"]),
    ("WSGIDaemonProcess one processes=0", ["processes"]),
    ("WSGIDaemonProcess one threads=-1", ["threads"]),
    ("WSGIDaemonProcess one threads=65534", ["threads"]),
    ("WSGIDaemonProcess one user=nobody-has-this-name", ["nobody-has-this-name"]),
    ("WSGIDaemonProcess one group=nobody-has-this-name", ["nobody-has-this-name"]),
    ("WSGIDaemonProcess one user=#4294967", ["user"]),
    ("WSGIDaemonProcess one user=root", ["user"]),
    ("WSGIDaemonProcess one home=relative/path", ["home"]),
    ("WSGIDaemonProcess one\nWSGIDaemonProcess one", ["WSGIDaemonProcess"]),
    ("WSGIPassAuthorization perhaps", ["WSGIPassAuthorization", "On"]),
    ("WSGIScriptReloading perhaps", ["WSGIScriptReloading", "On"]),
    ("WSGIRestrictEmbedded perhaps", ["WSGIRestrictEmbedded", "On"]),
    ("WSGIProcessGroup", ["WSGIProcessGroup"]),
    ("WSGIApplicationGroup", ["WSGIApplicationGroup"]),
    ("WSGICallableObject", ["WSGICallableObject"]),
    ("WSGIPythonHome", ["WSGIPythonHome"]),
    ("WSGIPythonPath", ["WSGIPythonPath"]),
    ("WSGISocketPrefix", ["WSGISocketPrefix"]),
)

# What 6.1.1 takes in silence or says without the value and the choice.
BAD_IN_OURS = (
    ("WSGIDaemonProcess one threads=5x", ["WSGIDaemonProcess", "threads", "5x"]),
    ("WSGIDaemonProcess one threads=many", ["WSGIDaemonProcess", "threads", "many"]),
    ("WSGIDaemonProcess one processes=2.5", ["WSGIDaemonProcess", "processes", "2.5"]),
    ("WSGIDaemonProcess one umask=9", ["WSGIDaemonProcess", "umask", "9"]),
    ("WSGIDaemonProcess one umask=01000", ["WSGIDaemonProcess", "umask", "01000"]),
    ("WSGIDaemonProcess one shutdown-timeout=-1", ["shutdown-timeout", "-1"]),
    ("WSGIDaemonProcess one shutdown-timeout=soon", ["shutdown-timeout", "soon"]),
    ("WSGIDaemonProcess one user=", ["WSGIDaemonProcess", "user"]),
    ("WSGIDaemonProcess one home=", ["WSGIDaemonProcess", "home"]),
    ("WSGIDaemonProcess one thread=5", ["WSGIDaemonProcess", "thread", *OPTIONS]),
    (
        "WSGIScriptAlias /x /y.wsgi thread=1",
        ["WSGIScriptAlias", "thread", "application-group", "process-group", "callable-object"],
    ),
    ("WSGIScriptAlias /x /y.wsgi pass-authorization=maybe", ["maybe", "On", "Off"]),
    ("WSGIScriptAlias /x /y.wsgi process-group='a", ["WSGIScriptAlias", "quote"]),
    ("WSGIDaemonProcess one\nWSGIDaemonProcess one", ["one", "httpd.conf:"]),
    ("WSGIRestrictEmbedded perhaps", ["perhaps", "On", "Off"]),
)


@pytest.mark.parametrize(("line", "words"), BAD_EVERYWHERE)
def test_bad_lines_are_refused(module: Module, line: str, words: list[str]) -> None:
    """Both refuse; ours also names file, line and what is wrong."""
    proof = prove(line)
    assert proof.status != 0, "httpd -t accepted it"
    if not module.peer:
        assert "httpd.conf" in proof.output, "file and line are named"
        for word in words:
            assert word in proof.output, proof.output


@pytest.mark.ours("D101, D120: 6.1.1 accepts these, or does not say the value and what is allowed")
@pytest.mark.parametrize(("line", "words"), BAD_IN_OURS)
def test_refusals_say_value_and_choice(line: str, words: list[str]) -> None:
    proof = prove(line)
    assert proof.status != 0, "httpd -t accepted it"
    for word in words:
        assert word in proof.output, proof.output


def accepted(layout: Layout) -> str:
    """Every directive and option of ours in its good forms."""
    group = f"user={layout_user()}" if layout_user() else ""
    return f"""
WSGIRestrictEmbedded off
WSGIPythonPath /tmp:/var/tmp
WSGIDaemonProcess one {group} processes=2 threads=3 umask=0027 home=/tmp lang=C.UTF-8 \\
    locale=C.UTF-8 python-path=/tmp:/var/tmp display-name=%{{GROUP}} shutdown-timeout=10
WSGIDaemonProcess "two words" display-name="a name" home='/tmp'
WSGIDaemonProcess three python-path="/tmp" threads=1
WSGIProcessGroup one
WSGIApplicationGroup %{{GLOBAL}}
WSGICallableObject app
WSGIPassAuthorization ON
WSGIScriptReloading oFF
WSGIScriptAlias /x {layout.apps}/environ.wsgi process-group=one application-group=%{{GLOBAL}}
WSGIScriptAlias /y {layout.apps}/ callable-object=app pass-authorization=off
WSGIScriptAlias /z "{layout.apps}/no such file.wsgi" process-group=three
<Directory /tmp>
    WSGIProcessGroup "two words"
    WSGIApplicationGroup shared
    WSGICallableObject other
    WSGIPassAuthorization On
    WSGIScriptReloading On
</Directory>
"""


def layout_user() -> str:
    """The server's user when the tests run as root."""
    return places().user


def test_good_lines_are_accepted() -> None:
    proof = prove(accepted)
    assert proof.status == 0, proof.output
    assert proof.output.strip() == "Syntax OK"


def test_duplicate_group_in_another_host_is_refused(module: Module) -> None:
    """Names are unique over the whole server; ours says where the first one is."""
    proof = prove("WSGIDaemonProcess one\n<VirtualHost *:1>\nWSGIDaemonProcess one\n</VirtualHost>")
    assert proof.status != 0
    if not module.peer:
        assert "WSGIDaemonProcess one" in proof.output
        assert proof.output.count("httpd.conf:") >= 1, proof.output


# ---- facts about the file system -----------------------------------------------------------


@pytest.mark.ours("D104: 6.1.1 takes any home and fails at the first request")
@pytest.mark.parametrize("directive", ["WSGIPythonHome {}", "WSGIDaemonProcess one python-home={}"])
@pytest.mark.parametrize("kind", ["missing", "empty", "site-packages"])
def test_bad_python_home_is_refused(tmp_path: Path, directive: str, kind: str) -> None:
    venv = application_venv()
    home = {
        "missing": tmp_path / "no-such-home",
        "empty": tmp_path,
        "site-packages": next((venv / "lib").glob("python3*/site-packages")),
    }[kind]
    proof = prove(directive.format(home))
    assert proof.status != 0
    assert str(home) in proof.output
    assert directive.split()[0] in proof.output
    if kind == "site-packages":
        assert f"{venv}" in proof.output.replace(str(home), ""), "the remedy names the venv"


@pytest.mark.ours("D109: 6.1.1 finds out when the process or its socket cannot be made")
@pytest.mark.parametrize("line", ["WSGIDaemonProcess one home={}", "WSGISocketPrefix {}/wsgi\nWSGIDaemonProcess one"])
def test_missing_directories_are_refused(line: str) -> None:
    missing = Path("/tmp/no-such-directory")
    proof = prove(line.format(missing))
    assert proof.status != 0
    assert str(missing) in proof.output
    assert line.split()[0] in proof.output
    assert "No such file or directory" in proof.output


@pytest.mark.needs_root
@pytest.mark.ours("D109: 6.1.1 finds out when the process cannot be made")
def test_home_that_the_user_may_not_enter_is_refused() -> None:
    closed = Path(tempfile.mkdtemp(dir="/tmp"))  # only root may enter
    try:
        (closed / "home").mkdir()
        proof = prove(f"WSGIDaemonProcess one home={closed}/home")
    finally:
        shutil.rmtree(closed)
    assert proof.status != 0
    assert f"{closed}/home" in proof.output
    assert places().user in proof.output or "Permission denied" in proof.output


@pytest.mark.ours("D108: 6.1.1 takes a directory only")
def test_python_home_may_be_the_interpreter(new_server: Any) -> None:
    venv = application_venv()
    server = new_server(
        lambda layout: (
            f"""
WSGIDaemonProcess one python-home={venv}/bin/python threads=2
WSGIDaemonProcess two python-home={venv} threads=2
WSGIScriptAlias /one {layout.apps}/process.wsgi process-group=one application-group=%{{GLOBAL}}
WSGIScriptAlias /two {layout.apps}/process.wsgi process-group=two application-group=%{{GLOBAL}}
"""
        )
    )
    assert server.prove().status == 0
    server.start()
    assert server.get("/one").json()["prefix"] == str(venv)
    assert server.get("/two").json()["prefix"] == str(venv)


@pytest.mark.ours("D104, D704: in 6.1.1 a bad home shows at the first request, as 500")
def test_cold_start_puts_only_the_broken_group_out_of_service(new_server: Any) -> None:
    server = new_server(
        lambda layout: (
            f"""
<VirtualHost *:{layout.ports[0]}>
    ServerName broken.invalid
    ErrorLog {layout.logs}/broken.log
    WSGIDaemonProcess broken python-home={layout.root}/no-such-home threads=2
    WSGIScriptAlias / {layout.apps}/process.wsgi process-group=broken
</VirtualHost>
<VirtualHost *:{layout.ports[1]}>
    ServerName fine.invalid
    WSGIDaemonProcess fine threads=2
    WSGIScriptAlias / {layout.apps}/process.wsgi process-group=fine
</VirtualHost>
"""
        ),
        ports=2,
    )
    proof = server.prove()
    assert proof.status != 0
    assert f"{server.layout.root}/no-such-home" in proof.output
    server.start()
    fine = request(server.layout.ports[1], "GET", "/").json()
    assert fine["process_group"] == "fine"
    (line,) = server.expect("no-such-home", log="broken")
    assert "request" not in line.text, "one line at the start says which home is missing"
    if not server.layout.module.peer:
        server.expect("process group 'broken' of virtual host broken.invalid has trouble, see its error log")
    reply = server.get("/")
    assert reply.status == 503
    assert reply.get("Retry-After")
    (line,) = server.expect(r"WSGI1000: .*, request \S+$", log="broken")
    assert "no-such-home" in line.text
    assert request(server.layout.ports[1], "GET", "/").status == 200


@pytest.mark.ours("D109: 6.1.1 warns, and the group then never answers")
def test_socket_path_that_is_too_long_is_refused() -> None:
    """C7: never half a server; how long the path is, and how long it may be."""
    proof = prove(f"WSGISocketPrefix /tmp/{'x' * 110}/wsgi\nWSGIDaemonProcess one")
    assert proof.status != 0
    assert "WSGISocketPrefix" in proof.output
    assert "x" * 110 in proof.output
    assert re.search(r"may have 1\d\d bytes, the system takes 107", proof.output), proof.output


@pytest.mark.needs_root
def test_a_server_that_has_no_user(module: Module, tmp_path: Path) -> None:
    """A configuration that loads the module and nothing else is no reason to refuse it: mod_wsgi_compile tries that."""
    config = tmp_path / "httpd.conf"
    here = places()
    mpm = here.modules / "mod_mpm_event.so"
    lines = [
        f"ServerRoot {tmp_path}",
        "ServerName localhost",
        f"PidFile {tmp_path}/pid",
        f"LoadModule wsgi_module {module.path}",
    ]
    if mpm.exists():
        lines.append(f"LoadModule mpm_event_module {mpm}")
    config.write_text("\n".join([*lines, f"ErrorLog {tmp_path}/log", ""]))
    done = subprocess.run(
        [*sanitizers.command({}), here.httpd, "-t", "-f", str(config)],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr
