# SPDX-License-Identifier: Apache-2.0
"""Engines built per interpreter, daemons started and ended per test.

``WSGI_TEST_PYTHONS``   interpreters, separated by ``:``; default: the running one
``WSGI_TEST_CC``        compiler, default ``cc``
``WSGI_TEST_CFLAGS``    more compiler flags, for example for sanitizers
``WSGI_TEST_PRELOAD``   LD_PRELOAD for daemons
"""

from __future__ import annotations

import os
import shlex
import subprocess
import sys
import textwrap

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from embedding import Embedded
from wirefront import SOURCES, Answer, Daemon, Settings, request_block

PYTHONS = os.environ.get("WSGI_TEST_PYTHONS", sys.executable).split(os.pathsep)

QUESTION = (
    "import sysconfig as s; print(s.get_config_var('SOABI')); print(s.get_path('include'));"
    "print(s.get_path('platinclude'))"
)


def build_engine(python: str, directory: Path) -> str:
    """Compiles the engine for one interpreter."""
    answer = subprocess.run([python, "-c", QUESTION], check=True, capture_output=True, text=True).stdout.split("\n")
    soabi, include, platinclude = answer[:3]
    target = directory / f"_mod_wsgi.{soabi}.so"
    sources = [*sorted(SOURCES.glob("python/*.c")), *sorted(SOURCES.glob("wire/*.c"))]
    command = [
        os.environ.get("WSGI_TEST_CC", "cc"), "-std=gnu11", "-O2", "-g", "-shared", "-fPIC",
        "-fvisibility=hidden", "-pthread", "-Wall", "-Wextra", "-Wshadow", "-Werror",
        *shlex.split(os.environ.get("WSGI_TEST_CFLAGS", "")),
        f"-I{include}", f"-I{platinclude}",
        '-DWSGI_FINGERPRINT="0123456789abcdef"', f'-DWSGI_SOABI="{soabi}"',
        *map(str, sources), "-o", str(target),
    ]  # fmt: skip
    result = subprocess.run(command, capture_output=True, text=True)
    assert result.returncode == 0, result.stderr
    return str(target)


def name_of(python: str) -> str:
    code = "import sys; print('%d.%d' % sys.version_info[:2])"
    return subprocess.run([python, "-c", code], check=True, capture_output=True, text=True).stdout.strip()


@pytest.fixture(scope="session", params=PYTHONS, ids=name_of)
def python(request: pytest.FixtureRequest) -> str:
    """An interpreter under test."""
    path: str = request.param
    return path


@pytest.fixture(scope="session")
def engine(python: str, tmp_path_factory: pytest.TempPathFactory) -> str:
    """Its engine."""
    return build_engine(python, tmp_path_factory.mktemp("engine"))


@pytest.fixture(scope="session")
def program(tmp_path_factory: pytest.TempPathFactory) -> str:
    target = tmp_path_factory.mktemp("host") / "embedded_host"
    subprocess.run(
        [
            "cc",
            "-std=gnu11",
            "-g",
            "-Wall",
            "-Wextra",
            "-Werror",
            "-rdynamic",
            str(Path(__file__).parent / "embedded_host.c"),
            "-o",
            str(target),
            "-ldl",
            "-pthread",
        ],
        check=True,
    )
    return str(target)


@pytest.fixture(scope="session")
def library(python: str) -> str:
    """The shared libpython; without one there is no embedded mode."""
    question = "import sysconfig as s; print(s.get_config_var('LIBDIR')); print(s.get_config_var('INSTSONAME')); print(s.get_config_var('MULTIARCH') or '')"
    folder, name, arch = subprocess.run(
        [python, "-c", question], check=True, capture_output=True, text=True
    ).stdout.split("\n")[:3]
    for path in (Path(folder) / name, Path("/usr/lib") / arch / name):
        if ".so" in name and path.exists():
            return str(path)
    pytest.skip(f"{python} has no shared libpython ({name})")


class Host:
    """What a test works with: scripts, a daemon, requests."""

    def __init__(self, python: str, engine: str, directory: Path) -> None:
        self.python = python
        self.engine = engine
        self.directory = directory
        self.daemons: list[Daemon] = []
        self.count = 0

    def script(self, text: str, name: str = "app.wsgi") -> Path:
        path = self.directory / name
        path.write_text(textwrap.dedent(text))
        return path

    def start(self, ready: bool = True, environ: dict[str, str] | None = None, **settings: Any) -> Daemon:
        self.count += 1
        directory = self.directory / f"d{self.count}"
        directory.mkdir()
        variables = {"PATH": os.environ["PATH"], "LANG": "C.UTF-8", "HOME": "/", "USER": "nobody"}
        if "WSGI_TEST_PRELOAD" in os.environ:
            variables["LD_PRELOAD"] = os.environ["WSGI_TEST_PRELOAD"]
            variables["ASAN_OPTIONS"] = os.environ.get("ASAN_OPTIONS", "detect_leaks=0")
            variables["PYTHONMALLOC"] = "malloc"
        variables.update(environ or {})
        daemon = Daemon(
            self.python,
            self.engine,
            directory,
            Settings(**settings),
            variables,
        )
        self.daemons.append(daemon)
        if ready:
            try:
                message = daemon.message()
            except (OSError, ValueError) as problem:
                message = repr(problem)
            assert message == "READY", f"{message}\n{daemon.log}"
        return daemon

    def get(self, text: str, group: str = "", **options: Any) -> Answer:
        """Runs one request for a script in a daemon of its own."""
        script = self.script(text)
        daemon = self.daemons[-1] if self.daemons else self.start()
        with daemon.front() as front:
            body = options.pop("data", None)
            assert body is None or isinstance(body, bytes)
            if body is not None:
                options.setdefault("body", len(body))
            block = request_block(script, group, **options)
            return front.run(block, body)


@pytest.fixture
def host(python: str, engine: str, tmp_path: Path) -> Iterator[Host]:
    """Ends all daemons, and fails when one was ended by a signal the test did not send."""
    made = Host(python, engine, tmp_path)
    yield made
    for daemon in made.daemons:
        log = daemon.log
        daemon.kill()
        for sign in ("AddressSanitizer", "runtime error:", "Fatal Python error"):
            assert sign not in log, log


Get = Callable[..., Answer]


@pytest.fixture
def embedded(program: str, library: str, engine: str, python: str, tmp_path: Path) -> Iterator[Embedded]:
    """An embedded engine, ended in order."""
    made = Embedded(program, library, engine, python, tmp_path)
    yield made
    if made.process.poll() is None:
        made.end()
    assert made.process.returncode == 0, made.log
    assert "Fatal" not in made.log
