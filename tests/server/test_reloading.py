# SPDX-License-Identifier: Apache-2.0
"""Scripts as modules: when they are loaded again, in which way, and what import scripts do."""

from __future__ import annotations

import hashlib
import os

from typing import Any

import pytest

from harness import Layout, Server, wait_until

MODES = ("embedded", "daemon")

APP = """
import json, os, sys
import helper

{top}
helper.loaded.append(1)
MARK = {mark!r}


def application(environ, start_response):
    found = {{
        "mark": MARK, "pid": os.getpid(), "loads": len(helper.loaded), "name": __name__, "file": __file__,
        "mtime": __mtime__, "is_module": sys.modules[__name__].__dict__ is globals(),
        "on_path": os.path.dirname(__file__) in sys.path, "asked": globals().get("ASKED", []),
    }}
    {body}
    start_response("200 OK", [("Content-Type", "application/json")])
    return [json.dumps(found).encode()]
"""

# Asked with each request from the second on; says yes once after the file "again" came.
ASKING = """
ASKED = []


def reload_required(path):
    ASKED.append(path)
    if os.path.exists(__file__ + ".raise"):
        raise ValueError("not now")
    return os.path.exists(__file__ + ".again")
"""


def write(layout: Layout, mark: str, top: str = "", body: str = "pass") -> None:
    """The script, at another time of modification than before."""
    layout.write_app("script.wsgi", APP.format(mark=mark, top=top, body=body))


def configure(layout: Layout) -> str:
    """One process, so that what is seen is its own; helper.py outlives reloads of the script."""
    (layout.apps / "lib").mkdir(mode=0o755)
    (layout.apps / "lib" / "helper.py").write_text("loaded = []\n")
    write(layout, "first")
    where = f"WSGIPythonPath {layout.apps}/lib\n"
    if layout.mode == "daemon":
        where = layout.delegate(options=f"threads=2 python-path={layout.apps}/lib")
    return where + f"WSGIScriptAlias /app {layout.apps}/script.wsgi\n"


def start(new_server: Any, mode: str, more: str = "") -> Server:
    """A server of one process."""
    server: Server = new_server(lambda layout: configure(layout) + more, mode=mode).start()
    return server


@pytest.mark.parametrize("mode", MODES)
def test_module(new_server: Any, mode: str) -> None:
    """Name, attributes, and what is not there: the script's own directory on sys.path."""
    server = start(new_server, mode)
    path = f"{server.layout.apps}/script.wsgi"
    found = server.get("/app").json()
    assert found["name"] == "_mod_wsgi_" + hashlib.md5(path.encode()).hexdigest()
    assert found["file"] == path
    assert found["mtime"] == os.stat(path).st_mtime_ns // 1000
    assert found["is_module"] is True
    assert found["on_path"] is False
    assert not list(server.layout.apps.glob("__pycache__"))


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("older", [False, True])
def test_changed_script(new_server: Any, mode: str, older: bool) -> None:
    """Another time is enough, also an older one. Embedded: the module alone; daemon: the process."""
    server = start(new_server, mode)
    before = server.get("/app").json()
    assert server.get("/app").json()["loads"] == 1
    write(server.layout, "second")
    if older:
        os.utime(server.layout.apps / "script.wsgi", (1e9, 1e9))
    after = server.get("/app").json()
    assert after["mark"] == "second"
    assert (after["pid"] == before["pid"]) is (mode == "embedded")
    assert after["loads"] == (2 if mode == "embedded" else 1)


@pytest.mark.parametrize("mode", MODES)
def test_reloading_off(new_server: Any, mode: str) -> None:
    server = start(new_server, mode, "WSGIScriptReloading Off\n")
    assert server.get("/app").json()["mark"] == "first"
    write(server.layout, "second", top=ASKING)
    assert server.get("/app").json()["mark"] == "first"


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize(
    "body", ["globals().pop('__mtime__')", "globals().update(__mtime__=None)", "globals().update(__mtime__=1)"]
)
def test_time_changed_by_the_application(new_server: Any, mode: str, body: str) -> None:
    """Deleted, not a number, or another number: loaded again."""
    server = start(new_server, mode)
    write(server.layout, "self", body=body)
    found = [server.get("/app").json() for _ in range(2)]
    assert (found[0]["pid"] == found[1]["pid"]) is (mode == "embedded")
    assert found[1]["loads"] == (2 if mode == "embedded" else 1)


@pytest.mark.parametrize("mode", MODES)
def test_reload_required(new_server: Any, mode: str) -> None:
    """It gets the path of the resource; true reloads, an exception is logged and does not."""
    server = start(new_server, mode)
    write(server.layout, "asking", top=ASKING)
    path = server.layout.apps / "script.wsgi"
    first = server.get("/app").json()
    assert first["asked"] == []
    assert server.get("/app/below").json()["asked"] == [str(path)]
    refusing = path.with_name(path.name + ".raise")
    refusing.touch()
    found = server.get("/app").json()
    assert found["pid"] == first["pid"]
    peer = server.layout.module.peer
    said = (
        "WSGI0174: "
        if peer
        else "reload_required.. of script .*/script.wsgi raised an exception, so it is not reloaded"
    )
    server.expect(said)
    server.log().expect_traceback("ValueError: not now", frames=not peer)
    refusing.rename(path.with_name(path.name + ".again"))
    found = server.get("/app").json()
    path.with_name(path.name + ".again").unlink()
    assert found["asked"] == []
    assert (found["pid"] == first["pid"]) is (mode == "embedded")


def test_broken_script_is_tried_again(new_server: Any) -> None:
    """A failed load leaves nothing behind; the next request loads afresh. Daemons: test_renewal.py."""
    server = start(new_server, "embedded")
    assert server.get("/app").status == 200
    write(server.layout, "broken", top="raise LookupError('half done')")
    for _ in range(2):
        assert server.get("/app").status == 500
        server.expect_exception(109, "LookupError: half done", "script.wsgi")
        server.forget_logs()
    write(server.layout, "mended")
    assert server.get("/app").json()["mark"] == "mended"


@pytest.mark.parametrize("mode", MODES)
def test_vanished_script(new_server: Any, mode: str) -> None:
    """An aliased script is httpd's to look for."""
    server = start(new_server, mode)
    assert server.get("/app").status == 200
    (server.layout.apps / "script.wsgi").unlink()
    assert server.get("/app").status == 404
    server.log().allow("WSGI0135")


HANDLER = """
import json, os

{top}
def handle_request(environ, start_response):
    start_response("200 OK", [("Content-Type", "application/json")])
    return [json.dumps([os.getpid(), {mark!r}, environ["SCRIPT_FILENAME"]]).encode()]
"""


def configure_handler(layout: Layout) -> str:
    """*.page is handled by a script."""
    layout.write_app("handler.py", HANDLER.format(top="", mark="first"))
    (layout.htdocs / "one.page").write_text("")
    return (
        layout.delegate(options="threads=2")
        + f"WSGIHandlerScript pages {layout.apps}/handler.py\nAddHandler pages .page\n"
    )


@pytest.mark.parametrize("mode", MODES)
def test_handler_script(new_server: Any, mode: str) -> None:
    """Changed, asking for a reload with the resource's path, and gone."""
    server = new_server(configure_handler, mode=mode).start()
    page = f"{server.layout.htdocs}/one.page"
    pid, mark, name = server.get("/one.page").json()
    assert (mark, name) == ("first", page)
    top = "import sys\n\n\ndef reload_required(path):\n    sys.stderr.write('asked about %s\\n' % path)\n\n\n"
    server.layout.write_app("handler.py", HANDLER.format(top=top, mark="second"))
    found = server.get("/one.page").json()
    assert found[1] == "second"
    assert (found[0] == pid) is (mode == "embedded")
    server.get("/one.page")
    server.expect(f"asked about {page}$")
    server.log().allow("asked about")
    (server.layout.apps / "handler.py").unlink()
    assert server.get("/one.page").status == 500
    server.log().allow("WSGI0105|WSGI0082|handler.py")


IMPORTED = """
import mod_wsgi, os

{body}
with open({journal!r}, "a") as journal:
    journal.write("%s %s\\n" % (mod_wsgi.process_group, mod_wsgi.application_group))
"""


@pytest.mark.parametrize("mode", MODES)
def test_import_scripts(new_server: Any, mode: str) -> None:
    """Before any request, in each process, in their interpreters; failing ones are logged and skipped."""

    def import_scripts(layout: Layout) -> str:
        journal = str(layout.scratch / "journal")
        good = layout.write_app("good.py", IMPORTED.format(body="", journal=journal))
        bad = layout.write_app("bad.py", IMPORTED.format(body="raise LookupError('at start')", journal=journal))
        left = layout.write_app("left.py", IMPORTED.format(body="raise SystemExit(3)", journal=journal))
        wrong = layout.write_app("wrong.py", "def (:\n")
        group = "%{GLOBAL}" if layout.mode == "embedded" else "app"
        lines = [
            f"WSGIImportScript {script} process-group={group} application-group={name}\n"
            for script, name in (
                (bad, "%{GLOBAL}"), (left, "one"), (wrong, "one"), (layout.apps / "missing.py", "one"),
                (good, "%{GLOBAL}"), (good, "one"),
            )
        ]  # fmt: skip
        return configure(layout) + "".join(lines)

    server = new_server(import_scripts, mode=mode, mpm="event").start()
    journal = server.layout.scratch / "journal"
    group = "" if mode == "embedded" else "app"
    wait_until(lambda: journal.exists() and journal.read_text().count("\n") == 2, "import scripts run")
    assert journal.read_text() == f"{group} \n{group} one\n"
    assert server.get("/app").json()["mark"] == "first"
    if server.layout.module.peer:
        server.log().allow(".")
        return
    server.log().expect_traceback("LookupError: at start")
    server.log().expect_traceback("SystemExit: 3")
    server.expect("SyntaxError: invalid syntax$")
    server.log().allow(r"wrong.py\", line 1|def \(:|\^$")
    server.expect("WSGI0110: .*bad.py")
    server.expect("WSGI0108: .*left.py")
    server.expect("WSGI0106: .*wrong.py")
    server.expect("WSGI0106: .*missing.py cannot be read: No such file")
