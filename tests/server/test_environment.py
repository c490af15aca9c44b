# SPDX-License-Identifier: Apache-2.0
"""The environment of a process group: env=, env-file=, and the locale that httpd was started in."""

from __future__ import annotations

import os

from pathlib import Path
from typing import Any

import pytest

from harness import Layout, Server, wait_until
from harness import server as server_module
from harness.processes import children_of, descendants_of
from harness.server import prove

FILE = r"""# a comment
; another one

PLAIN=value
SPACED = not a name
"""
PARSED = r"""# as systemd reads it
; also a comment

PLAIN=value
  INDENTED=yes
BLANKS=  two  words   
SINGLE='it is $5 \n'
DOUBLE="a \"quoted\" \$5 \x"
MIXED=one' two'" three"
LONG=first \
second
LINES="one
two"
EMPTY=
UTF8=grüße
SECRET=from the file
"""  # noqa: W291
FOUND = {
    "PLAIN": "value",
    "INDENTED": "yes",
    "BLANKS": "two  words",
    "SINGLE": r"it is $5 \n",
    "DOUBLE": r'a "quoted" $5 \x',
    "MIXED": "one two three",
    "LONG": "first second",
    "LINES": "one\ntwo",
    "EMPTY": "",
    "UTF8": "grüße",
    "SECRET": "from the file",
}

pytestmark = [pytest.mark.ours("D756: 6.1.1 has no such options")]


def groups(options: str, text: str = PARSED) -> Any:
    """A group with these options, and one without."""

    def configure(layout: Layout) -> str:
        file = layout.root / "app.env"
        file.write_text(text)
        file.chmod(0o600)
        return f"""
WSGIDaemonProcess one threads=2 {options.format(file=file)}
WSGIDaemonProcess two threads=2
WSGIScriptAlias /one {layout.apps}/whoami.wsgi process-group=one application-group=%{{GLOBAL}}
WSGIScriptAlias /sub {layout.apps}/started.wsgi process-group=one application-group=sub
WSGIScriptAlias /two {layout.apps}/whoami.wsgi process-group=two application-group=%{{GLOBAL}}
"""

    return configure


def environment_of(pid: int) -> bytes:
    """As the process was given it."""
    return (Path("/proc") / str(pid) / "environ").read_bytes()


def test_a_file(new_server: Any) -> None:
    """C12: read by root, there when the script is imported; other groups and Apache do not have it."""
    server = new_server(groups("env-file={file}")).start()
    found = server.get("/one").json()
    assert {name: found["environ"].get(name) for name in FOUND} == FOUND
    other = server.get("/two").json()
    assert not set(FOUND) & set(other["environ"])
    for pid in [server.pid, *descendants_of(server.pid)]:
        if pid != found["pid"]:
            assert b"from the file" not in environment_of(pid), pid
        assert b"from the file" not in (Path("/proc") / str(pid) / "cmdline").read_bytes()
    assert children_of(server.pid)


def test_lines_of_the_configuration(new_server: Any) -> None:
    """env= may be repeated; the later one counts, and it counts more than a file."""
    options = "env=FIRST=1 env='SECOND=two words' env=FIRST=2 env=SECRET=here env=EMPTY= env-file={file}"
    found = new_server(groups(options)).start().get("/one").json()["environ"]
    assert (found["FIRST"], found["SECOND"], found["SECRET"], found["PLAIN"]) == ("2", "two words", "here", "value")
    assert found["EMPTY"] == ""


def test_they_count_more_than_what_is_corrected(new_server: Any) -> None:
    """HOME and LANG of an operator's own choice, and Python's own variables."""
    options = "lang=C env=LANG=C.UTF-8 env=HOME=/elsewhere env=PYTHONUTF8=1 env=PYTHONPATH=/nowhere"
    found = new_server(groups(options)).start().get("/one").json()
    assert found["environ"]["LANG"] == "C.UTF-8"
    assert found["environ"]["HOME"] == "/elsewhere"
    assert found["utf8"] == 1
    assert "/nowhere" in found["path"]


def test_a_changed_file_is_seen_by_the_next_process(new_server: Any) -> None:
    """It is read at each start of a process."""
    server: Server = new_server(groups("env-file={file}")).start()
    pid = server.get("/one").json()["pid"]
    (server.layout.root / "app.env").write_text("SECRET=changed\n")
    server.graceful()
    found = server.get("/one").json()
    assert found["pid"] != pid
    assert found["environ"]["SECRET"] == "changed"
    assert "PLAIN" not in found["environ"]


@pytest.mark.needs_root
def test_a_file_that_goes_wrong_later(new_server: Any) -> None:
    """The process does not start without it; the line names file and line, not the value."""
    server: Server = new_server(groups("env-file={file}")).start()
    pid = server.get("/one").json()["pid"]
    (server.layout.root / "app.env").write_text("GOOD=1\nbad secret\n")
    os.kill(pid, 9)
    found = server.log()
    wait_until(lambda: found.matching(r"app.env, line 2: no NAME=value"), "it is told")
    assert "bad secret" not in found.tail(100)
    (server.layout.root / "app.env").write_text("SECRET=mended\n")
    assert server.get("/one").json()["environ"]["SECRET"] == "mended"
    server.allow(".")


BAD_FILES = [
    (FILE, "line 5: no NAME=value"),
    ("GOOD=1\nQUOTE='open\n", "line 2: the value's quote is not closed"),
    ("1NAME=x\n", "line 1: no NAME=value"),
    ("export NAME=x\n", "line 1: no NAME=value"),
    ("A=\0\n", "holds a NUL byte"),
    ("A=" + "x" * 70000, "more than the 65536 that are read"),
]


@pytest.mark.parametrize(("text", "words"), BAD_FILES, ids=range(len(BAD_FILES)))
def test_bad_files(new_server: Any, text: str, words: str) -> None:
    """`httpd -t` names the option, the file and the line."""
    proof = new_server(groups("env-file={file}", text)).prove()
    assert proof.status != 0
    assert "WSGIDaemonProcess one" in proof.output
    assert "option env-file: " in proof.output
    assert "app.env" in proof.output
    assert words in proof.output


@pytest.mark.needs_root
@pytest.mark.parametrize("how", ["owner", "mode", "directory", "pipe", "link", "missing", "device"])
def test_files_that_others_could_have_written(new_server: Any, how: str) -> None:
    """Root follows nothing, waits for nothing, and reads nothing that a user could exchange."""

    def configure(layout: Layout) -> str:
        text: str = groups("env-file={file}")(layout)
        file = layout.root / "app.env"
        users = layout.root / "users"
        if how == "owner":
            os.chown(file, 65534, 65534)
        elif how == "mode":
            file.chmod(0o666)
        elif how in ("directory", "link"):
            users.mkdir(exist_ok=True)
            os.chown(users, 65534, 65534)
            target = users / "app.env"
            target.unlink(missing_ok=True)
            if how == "link":
                secret = users / "secret"
                secret.write_text("A=1\n")
                target.symlink_to(secret)
            else:
                target.write_text("A=1\n")
            text = text.replace(str(file), str(target))
        elif how == "device":
            text = text.replace(str(file), "/dev/zero")
        else:
            file.unlink()
            if how == "pipe":
                os.mkfifo(file)
        return text

    proof = new_server(configure).prove()
    assert proof.status != 0
    words = {
        "owner": "may be changed by others than root",
        "mode": "may be changed by others than root",
        "directory": "others than root may change",
        "link": "others than root may change",
        "pipe": "is not a regular file",
        "device": "is not a regular file",
        "missing": "No such file",
    }
    assert words[how] in proof.output


@pytest.mark.parametrize("value", ["NAME", "=value", "1A=x", "A-B=x", "'A B=x'"])
def test_bad_lines(value: str) -> None:
    """The value, which may be a secret, is not repeated."""
    proof = prove(f"WSGIDaemonProcess one env={value}")
    assert proof.status != 0
    assert "option env=...: must be NAME=value" in proof.output


# ---- the locale ------------------------------------------------------------------------------

UNICODE = """
import json
import os
import sys

NAME = "\\u00e4-\\u6f22.txt"


def application(environ, start_response):
    path = os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), "scratch", NAME)
    with open(path, "w") as out:
        out.write(NAME)
    print("printed", NAME)
    print("logged", NAME, file=environ["wsgi.errors"])
    body = json.dumps([sys.flags.utf8_mode, sys.getfilesystemencoding(), sys.stdout.encoding]).encode()
    start_response("200 OK", [("Content-Length", str(len(body)))])
    return [body]
"""


@pytest.mark.parametrize(
    ("environment", "options"),
    [
        ({}, ""),
        ({"LANG": "C"}, ""),
        ({"LC_ALL": "C"}, ""),
        ({"LC_ALL": "POSIX"}, ""),
        ({}, "lang=C"),
        ({}, "lang=C.UTF-8"),
        ({"LANG": "C"}, "locale=C.UTF-8"),
        ({"LANG": "C"}, "locale=C"),
    ],
    ids=str,
)
def test_utf8(new_server: Any, monkeypatch: pytest.MonkeyPatch, environment: dict[str, str], options: str) -> None:
    """C13: names of files, what is printed and what is logged, whatever httpd was started with."""

    def configure(layout: Layout) -> str:
        script = layout.write_app("unicode.wsgi", UNICODE)
        return f"""
WSGIDaemonProcess one threads=2 {options}
WSGIScriptAlias / {script} process-group=one application-group=%{{GLOBAL}}
"""

    monkeypatch.setattr(server_module, "_environment", lambda mark: {server_module.MARK: mark, **environment})
    server = new_server(configure).start()
    mode, names, printed = server.get("/").json()
    assert (names.lower(), printed.lower()) == ("utf-8", "utf-8")
    assert mode == (0 if "UTF-8" in options else 1)
    assert (server.layout.scratch / "\u00e4-\u6f22.txt").read_bytes() == b"\xc3\xa4-\xe6\xbc\xa2.txt"
    for word in ("printed", "logged"):
        (line,) = server.expect(f"{word} ")
        # httpd itself writes bytes beyond ASCII as \\xhh.
        assert line.text.encode().decode("unicode_escape").encode("latin-1", "replace").endswith(
            b"\xc3\xa4-\xe6\xbc\xa2.txt"
        ) or line.text.endswith("\u00e4-\u6f22.txt")
