# SPDX-License-Identifier: Apache-2.0
"""Python homes: what is accepted, what `httpd -t` says about the others, and hostile pyvenv.cfg files."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import tempfile
import time

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from harness import Layout, Module, places, wait_until
from harness.server import Proof, prove

DIRECTIVES = (
    "WSGIPythonHome {}",
    "WSGIDaemonProcess one python-home={}\nWSGIProcessGroup one\nWSGIRestrictEmbedded On",
)
HTTPD_WORK = 10  # seconds; whatever waits for a pipe or reads a gigabyte takes longer


@pytest.fixture
def home() -> Iterator[Path]:
    """A venv of the module's Python that a test may spoil; everybody can enter it."""
    root = Path(tempfile.mkdtemp(prefix="home-", dir="/tmp"))
    root.chmod(0o755)
    target = root / "venv"
    subprocess.run([places().python, "-m", "venv", "--without-pip", str(target)], check=True)
    try:
        yield target
    finally:
        shutil.rmtree(root)


def check(directive: str, home: Path | str, *words: str) -> Proof:
    """`httpd -t` refuses the home, quickly, with the directive, the path and these words."""
    begun = time.monotonic()
    proof = prove(directive.format(home))
    assert time.monotonic() - begun < HTTPD_WORK, "the configuration test waited for something"
    assert proof.status != 0, proof.output
    found = [line for line in proof.output.split("\n") if str(home) in line]
    assert len(found) == 1, proof.output
    for word in (directive.split()[0], *words):
        assert word in found[0], f"{word!r} is not in {found[0]!r}"
    if "python-home" in directive:
        assert "option python-home: " in found[0]
    return proof


def minor(python: str) -> str:
    """X.Y of an interpreter."""
    code = "import sys; print('%d.%d' % sys.version_info[:2])"
    return subprocess.run([python, "-c", code], check=True, capture_output=True, text=True).stdout.strip()


# ---- what is accepted ----------------------------------------------------------------------


@pytest.mark.ours("D108: 6.1.1 takes a directory only")
@pytest.mark.parametrize("mode", ["embedded", "daemon"])
@pytest.mark.parametrize("form", ["", "/", "/bin/python", "/bin/python3"])
def test_venv_and_its_program(new_server: Any, home: Path, mode: str, form: str) -> None:
    """C3: the venv, with or without a slash, and its interpreter mean the same."""

    def configure(layout: Layout) -> str:
        how = (
            f"WSGIPythonHome {home}{form}\n"
            if mode == "embedded"
            else f"WSGIDaemonProcess one python-home={home}{form}\nWSGIProcessGroup one\nWSGIRestrictEmbedded On\n"
        )
        return how + f"WSGIScriptAlias / {layout.apps}/process.wsgi application-group=%{{GLOBAL}}"

    server = new_server(configure, mode=mode)
    assert server.prove().output.strip() == "Syntax OK"
    server.start()
    found = server.get("/").json()
    assert found["prefix"] == str(home)
    assert found["base_prefix"] != str(home)
    assert any(path.startswith(f"{home}/lib/") for path in found["path"])


@pytest.mark.parametrize("directive", DIRECTIVES)
def test_prefix_of_the_interpreter(directive: str) -> None:
    """A home that is no venv is the prefix of a Python."""
    code = "import sys; print(sys.base_prefix)"
    prefix = subprocess.run([places().python, "-c", code], check=True, capture_output=True, text=True).stdout.strip()
    proof = prove(directive.format(prefix))
    assert proof.status == 0, proof.output


# ---- what is refused -----------------------------------------------------------------------


@pytest.mark.ours("D104: 6.1.1 takes any home and fails at the first request")
@pytest.mark.parametrize("directive", DIRECTIVES)
@pytest.mark.parametrize("part", ["lib/python{}/site-packages", "lib/python{}", "bin", "lib/python2.9/site-packages"])
def test_part_of_an_environment(home: Path, directive: str, part: str) -> None:
    """C3: its site-packages or bin directory, also when the version in it is wrong."""
    check(directive, home / part.format(minor(places().python)), "did you mean", f"{home}?")


@pytest.mark.ours("D104: 6.1.1 takes any home and fails at the first request")
@pytest.mark.parametrize("directive", DIRECTIVES)
def test_project_directory(tmp_path: Path, directive: str) -> None:
    """C3: python-home in place of python-path."""
    (tmp_path / "manage.py").write_text("")
    check(directive, tmp_path, "no interpreter in", "give the prefix of a Python or of a venv")


@pytest.mark.ours("D104: 6.1.1 takes any home and fails at the first request")
@pytest.mark.parametrize("directive", DIRECTIVES)
def test_missing_home(directive: str) -> None:
    """C2 (a)."""
    check(directive, "/nonexistent/venv", "No such file or directory", "python3 -m venv /nonexistent/venv")


@pytest.mark.ours("D106: 6.1.1 serves with whatever it was built for, and the packages are not found")
@pytest.mark.parametrize("directive", DIRECTIVES)
def test_venv_whose_python_was_upgraded(home: Path, directive: str) -> None:
    """C1: made for one version, its interpreter is another one by now."""
    marker = home / "pyvenv.cfg"
    lines = [line for line in marker.read_text().split("\n") if not line.startswith("version")]
    marker.write_text("\n".join([*lines, "version = 3.4.10"]) + "\n")
    (old,) = (home / "lib").glob("python3*")
    old.rename(home / "lib" / "python3.4")
    words = (f"the environment {home} was made for Python 3.4 ({marker})", minor(places().python), f"--clear {home}")
    check(directive, home, *words)
    check(directive.replace("{}", "{}/bin/python"), home, *words)


@pytest.mark.ours("D106: 6.1.1 serves with whatever it was built for, and the packages are not found")
@pytest.mark.parametrize("directive", DIRECTIVES)
def test_venv_of_a_version_without_an_engine(home: Path, module: Module, directive: str) -> None:
    """C1: both versions and the environment are named."""
    other = home.parent / "python3.4"
    shutil.copy("/bin/true", other)
    (home / "bin" / "python").unlink()
    (home / "bin" / "python").symlink_to(other)
    (home / "pyvenv.cfg").write_text(f"home = {other.parent}\nversion_info = 3.4.10.final.0\n")
    check(
        directive,
        home,
        f"the environment {home} is of Python 3.4",
        str(other),
        f"only for Python {minor(places().python)}.",
    )


@pytest.mark.ours("D104: 6.1.1 takes any home and fails at the first request")
@pytest.mark.parametrize("directive", DIRECTIVES)
def test_venv_whose_python_is_gone(home: Path, directive: str) -> None:
    """Its program is a link to nowhere."""
    (home / "bin" / "python").unlink()
    (home / "bin" / "python").symlink_to("/usr/bin/python3.4")
    check(directive, home, f"{home}/bin/python leads to /usr/bin/python3.4, which is not there")


@pytest.mark.ours("D104: 6.1.1 finds out when Python cannot start")
def test_embedded_home_without_a_standard_library(home: Path) -> None:
    """C2: a directory with an interpreter, but neither a venv nor a prefix."""
    (home / "pyvenv.cfg").unlink()
    check(DIRECTIVES[0], home, "neither a venv (it has no pyvenv.cfg) nor the prefix", "encodings")


# ---- what the user may not read ------------------------------------------------------------


@pytest.mark.needs_root
@pytest.mark.ours("D105: 6.1.1 logs Python's own fatal error for ever")
@pytest.mark.parametrize("directive", DIRECTIVES)
@pytest.mark.parametrize("part", ["", "bin", "lib", "pyvenv.cfg"])
def test_home_that_the_user_cannot_read(home: Path, directive: str, part: str) -> None:
    """C2 (b): errno and the first part of the path that stands in the way."""
    closed = home / part
    closed.chmod(0o600 if closed.is_file() else 0o700)
    check(directive, home, f"user {places().user} cannot", "Permission denied (errno 13)", str(closed))


@pytest.mark.needs_root
@pytest.mark.ours("D105: 6.1.1 logs Python's own fatal error for ever")
def test_link_into_a_closed_directory(home: Path) -> None:
    """The interpreter is a link into a directory that only root may enter."""
    closed = home.parent / "closed"
    closed.mkdir(mode=0o700)
    real = os.path.realpath(home / "bin" / "python")
    (closed / "python").symlink_to(real)
    (home / "bin" / "python").unlink()
    (home / "bin" / "python").symlink_to(closed / "python")
    check(DIRECTIVES[1], home, f"errno 13): cannot enter {closed} (mode 0700, uid 0);")


@pytest.mark.needs_root
@pytest.mark.ours("D105: 6.1.1 logs Python's own fatal error for ever")
def test_closed_home_at_a_cold_start(new_server: Any, home: Path) -> None:
    """C2 (b): 503 with a code, and one line, not one every second."""
    home.chmod(0o700)
    server = new_server(
        lambda layout: (
            f"WSGIDaemonProcess one python-home={home}\nWSGIRestrictEmbedded On\n"
            f"WSGIScriptAlias / {layout.apps}/process.wsgi process-group=one"
        )
    ).start()
    server.expect("Permission denied .errno 13.")
    for _ in range(3):
        reply = server.get("/")
        assert reply.status == 503
        assert b"WSGI1000" in reply.body
    server.expect(r"WSGI1000: .*errno 13.*, request \S+$", count=3)


# ---- pyvenv.cfg ----------------------------------------------------------------------------


def make_fifo(path: Path) -> None:
    """Nobody will ever write to it."""
    os.mkfifo(path)


def make_device(path: Path) -> None:
    """Endless."""
    path.symlink_to("/dev/zero")


def make_terminal(path: Path) -> None:
    """Waits for somebody to type."""
    path.symlink_to("/dev/ptmx")


def make_gigabyte(path: Path) -> None:
    """Sparse, so that it costs nothing."""
    with path.open("wb") as stream:
        stream.truncate(1 << 30)


def make_directory(path: Path) -> None:
    """With something in it."""
    (path / "x").mkdir(parents=True)


def make_loop(path: Path) -> None:
    """Leads to itself."""
    path.symlink_to(path)


def make_socket(path: Path) -> None:
    """Bound, nobody listens."""
    with socket.socket(socket.AF_UNIX) as made:
        made.bind(str(path))


def make_nul(path: Path) -> None:
    """Not a text."""
    path.write_bytes(b"home = /usr/bin\0\nversion = 3.4\n")


SPOILT = [
    (make_fifo, "is a named pipe, not a regular file"),
    (make_device, "is a device, not a regular file"),
    (make_terminal, "is a device, not a regular file"),
    (make_gigabyte, "has 1073741824 bytes, more than the 65536"),
    (make_directory, "is a directory, not a regular file"),
    (make_loop, "Too many levels of symbolic links"),
    (make_socket, "is a socket, not a regular file"),
    (make_nul, "is no text: it holds a NUL byte"),
]


@pytest.mark.ours("D107: 6.1.1 hands it to Python, which waits or reads it all")
@pytest.mark.parametrize("directive", DIRECTIVES, ids=["embedded", "daemon"])
@pytest.mark.parametrize(("spoil", "words"), SPOILT, ids=[spoil.__name__ for spoil, _ in SPOILT])
def test_spoilt_marker(home: Path, directive: str, spoil: Any, words: str) -> None:
    """Nothing is waited for, nothing but a regular file is opened, and the message says what to do."""
    marker = home / "pyvenv.cfg"
    marker.unlink()
    spoil(marker)
    check(directive, home, f"{marker}", words, f"python3 -m venv --clear {home}")


@pytest.mark.ours("D107: 6.1.1 hands it to Python, which waits")
def test_marker_beside_the_program(home: Path) -> None:
    """Python looks there first."""
    os.mkfifo(home / "bin" / "pyvenv.cfg")
    check(DIRECTIVES[1], home, f"{home}/bin/pyvenv.cfg is a named pipe")


@pytest.mark.ours("D107: 6.1.1 hands it to Python")
@pytest.mark.parametrize(
    "text",
    [
        b"",
        b"=\n==\n = = \nversion\nversion =\nversion = \xff\xfe\n",
        b"version = not.a.version\n",
        b"version = 99999999999999999999.1\n",
        b"VERSION_INFO=3\n",
        b"version = " + b"3" * 65000,
        b"\r\r\n\r" * 1000,
    ],
)
def test_odd_contents(home: Path, text: bytes) -> None:
    """What is not understood is passed over: Python decides."""
    (home / "pyvenv.cfg").write_bytes(text)
    proof = prove(DIRECTIVES[1].format(home))
    assert proof.status == 0, proof.output


@pytest.mark.needs_root
@pytest.mark.ours("D107: 6.1.1 looks only whether it is there")
def test_secret_behind_the_marker(home: Path) -> None:
    """A user links it to what only root may read: nothing of that is shown."""
    secret = home.parent / "secret"
    secret.write_text("root:$6$salt$hash:1::\nversion = $6$hash\n")
    secret.chmod(0o600)
    (home / "pyvenv.cfg").unlink()
    (home / "pyvenv.cfg").symlink_to(secret)
    proof = prove(DIRECTIVES[1].format(home))
    assert proof.status != 0, "its user cannot read it"
    assert "hash" not in proof.output


@pytest.mark.needs_root
@pytest.mark.parametrize("mode", ["embedded", "daemon"])
def test_marker_that_belongs_to_somebody_else(new_server: Any, home: Path, mode: str) -> None:
    """An environment that a third user made serves as any other."""
    for path in [home, *home.rglob("*")]:
        os.chown(path, 12345, 12345, follow_symlinks=False)

    def configure(layout: Layout) -> str:
        how = f"WSGIPythonHome {home}\n" if mode == "embedded" else layout.delegate(options=f"python-home={home}")
        return how + f"WSGIScriptAlias / {layout.apps}/process.wsgi application-group=%{{GLOBAL}}"

    server = new_server(configure, mode=mode).start()
    assert server.get("/").json()["prefix"] == str(home)


@pytest.mark.ours("D107: 6.1.1 waits for it in each Apache child")
def test_marker_that_turns_into_a_pipe(new_server: Any, home: Path) -> None:
    """Changed by its owner after httpd has looked: a child says so and answers 500, it does not wait."""
    marker = home / "pyvenv.cfg"
    server = new_server(
        lambda layout: (
            f"WSGIPythonHome {home}\nWSGIScriptAlias / {layout.apps}/process.wsgi\n<Location /static>\n</Location>"
        ),
        mode="embedded",
        mpm="prefork",
    ).start()
    assert server.get("/").status == 200
    children = set(server.family())
    marker.unlink()
    os.mkfifo(marker)
    for pid in children - {server.pid}:
        os.kill(pid, 15)
    wait_until(lambda: not children - {server.pid} & set(server.family()), "the children are replaced")
    reply = server.get("/")
    assert reply.status == 500
    server.log().allow("pyvenv.cfg of the Python home is not a regular file")
    server.log().allow("WSGI0210")
    assert [line for line in server.log().lines() if "not a regular file" in line.text]
    server.log().allow(".")
