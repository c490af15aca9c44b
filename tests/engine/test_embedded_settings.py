# SPDX-License-Identifier: Apache-2.0
"""What the launch block of an Apache child says about its Python."""

from __future__ import annotations

import ast
import os
import subprocess

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from embedding import Embedded
from test_interpreters import EVAL, OWN_GIL, version_of
from test_requests import HELLO
from wirefront import MULTITHREAD, request_block

NO_BYTECODE, KEEP = 0x8, 0x10

Start = Callable[..., Embedded]


@pytest.fixture
def start(program: str, library: str, engine: str, python: str, tmp_path: Path) -> Iterator[Start]:
    """Starts a host with more entries in its launch block; ended and checked afterwards."""
    made: list[Embedded] = []

    def begin(*entries: tuple[str, str | int | bytes], interpreter: str = python, ended: bool = False) -> Embedded:
        directory = tmp_path / f"host{len(made)}"
        directory.mkdir()
        # The last entry of a name counts.
        extra: dict[str, Any] = dict(entries)
        host = Embedded(program, library, engine, interpreter, directory, **extra)
        if not ended:
            made.append(host)
        return host

    yield begin
    for host in made:
        if host.process.poll() is None:
            host.end()
        assert host.process.returncode == 0, host.log
        assert "Fatal" not in host.log


def ask(host: Embedded, expression: str, group: str = "") -> Any:
    """What an expression is worth in a group."""
    script = host.directory / "eval.wsgi"
    script.write_text(EVAL)
    os.utime(script, (1e9, 1e9))
    reply = host.run(request_block(script, group, environ={"QUERY_STRING": expression}))
    assert reply.status == 0, reply.log
    return ast.literal_eval(reply.body.decode())


FLAGS = "(sys.flags.optimize, sys.dont_write_bytecode, sys.warnoptions, sys.flags.hash_randomization, hash('abc'))"


def test_defaults(start: Start) -> None:
    found = ask(start(), FLAGS)
    assert found[:4] == (0, False, [], 1)


@pytest.mark.parametrize("group", ["", "sub"])
def test_flags(start: Start, python: str, group: str) -> None:
    """Also in sub-interpreters, and as the interpreter's own options would set them."""
    host = start(
        ("PROCESS_FLAGS", MULTITHREAD | NO_BYTECODE), ("PYTHON_OPTIMIZE", 2), ("HASH_SEED", "5"), ("PYTHON_WARNINGS", "ignore::UserWarning")
    )  # fmt: skip
    program = [python, "-OO", "-B", "-W", "ignore::UserWarning", "-c", f"import sys; print({FLAGS})"]
    expected = subprocess.run(program, env={"PYTHONHASHSEED": "5"}, check=True, capture_output=True, text=True).stdout
    assert ask(host, FLAGS, group) == ast.literal_eval(expected)
    assert ask(host, "os.environ.get('PYTHONHASHSEED')", group) is None


def test_random_hash_seed(start: Start) -> None:
    """6.1.1 makes a fixed seed of the word."""
    found = {ask(start(("HASH_SEED", "random")), "hash('abc')") for _ in range(3)}
    assert len(found) == 3


def test_home_may_be_a_program(start: Start, python: str, tmp_path: Path) -> None:
    home = tmp_path / "venv"
    subprocess.run([python, "-m", "venv", "--without-pip", str(home)], check=True)
    for given in (home, home / "bin" / "python"):
        host = start(("PYTHON_HOME", str(given)), interpreter=str(home / "bin" / "python"))
        assert ask(host, "sys.prefix") == str(home)
    prefix = ask(start(), "sys.base_prefix")
    plain = f"{prefix}/bin/{Path(os.path.realpath(python)).name}"
    for program in (prefix, plain):
        assert ask(start(("PYTHON_HOME", program), interpreter=plain), "sys.prefix") == prefix


@pytest.mark.parametrize(
    ("spoil", "words"),
    [
        (os.mkfifo, "not a regular file"),
        (lambda path: os.truncate(os.open(path, os.O_CREAT | os.O_WRONLY), 1 << 30), "too large"),
    ],
)
def test_spoilt_home(start: Start, tmp_path: Path, spoil: Callable[[Path], None], words: str) -> None:
    """Python would wait for it, or read it all."""
    (tmp_path / "bin").mkdir()
    spoil(tmp_path / "pyvenv.cfg")
    host = start(("PYTHON_HOME", str(tmp_path)), ended=True)
    assert host.greeting.startswith("failed Python cannot start: pyvenv.cfg of the Python home"), host.greeting
    assert words in host.greeting
    assert f"its home is {tmp_path}" in host.greeting
    host.process.wait(10)
    host.errors.close()


@pytest.mark.parametrize("group", ["", "sub"])
def test_import_script(start: Start, tmp_path: Path, group: str) -> None:
    """Loaded before the host is told that Python is up."""
    script = tmp_path / "imported.wsgi"
    script.write_text("print('loaded at start')\n" + HELLO.replace("\n    ", "\n"))
    host = start(("PRELOAD_GROUP", group), ("PRELOAD_SCRIPT", str(script)))
    assert host.log.count("loaded at start") == 1
    reply = host.run(request_block(script, group))
    assert reply.body == b"hello"
    assert "loaded at start" not in reply.log


@pytest.mark.parametrize("flags", [MULTITHREAD, MULTITHREAD | KEEP])
def test_exit_functions(start: Start, tmp_path: Path, flags: int) -> None:
    """WSGIDestroyInterpreter Off: none run."""
    script = tmp_path / "exits.wsgi"
    script.write_text("import atexit\natexit.register(print, 'exit function')\n" + HELLO.replace("\n    ", "\n"))
    host = start(("PROCESS_FLAGS", flags))
    for group in ("", "sub"):
        assert host.run(request_block(script, group)).body == b"hello"
    host.command("stop 5")
    assert host.log.count("exit function") == (0 if flags & KEEP else 2)
    assert "did not end" not in host.log


def test_own_gil(start: Start, python: str, tmp_path: Path) -> None:
    """Two interpreters with GILs of their own, used from threads; their threads do not hold up the end."""
    if version_of(python) < (3, 12):
        pytest.skip("no interpreter has a GIL of its own before Python 3.12")
    script = tmp_path / "spin.wsgi"
    script.write_text(
        "import atexit, threading\nSTOP = []\n"
        "def spin():\n    while not STOP:\n        pass\n"
        "threading.Thread(target=spin).start()\n"
        "threading._register_atexit(STOP.append, 1)\natexit.register(print, 'exit function')\n"
        + HELLO.replace("\n    ", "\n")
    )
    host = start(("SCOPE", ""), ("SCOPE_GIVEN", OWN_GIL), ("SCOPE_FLAGS", OWN_GIL))
    for group in ("one", "two", "", "one"):
        assert host.run(request_block(script, group), threads=4, count=5).body == b"hello"
    host.command("stop 10")
    assert host.log.count("exit function") == 3, host.log
    assert host.end() == 0
