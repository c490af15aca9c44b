# SPDX-License-Identifier: Apache-2.0
"""The module under test and the virtual environments of the real applications."""

from __future__ import annotations

import fcntl
import functools
import hashlib
import os
import shutil
import subprocess

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from harness import sanitizers
from harness.places import PINS, SOURCES, Missing, places, run

KEPT_BUILDS = 4


@dataclass(frozen=True)
class Module:
    """A mod_wsgi to load, and whether it is the one we compare with."""

    path: Path
    peer: bool


@contextmanager
def _locked(directory: Path) -> Iterator[None]:
    """Only one session builds in a directory at a time."""
    directory.mkdir(mode=0o755, parents=True, exist_ok=True)
    with (directory / ".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def source_hash(pythons: list[str]) -> str:
    """Names and contents of all sources, and the tools they are built with."""
    digest = hashlib.sha256()
    for path in sorted(SOURCES.rglob("*")):
        if path.is_file():
            digest.update(str(path.relative_to(SOURCES)).encode() + b"\0")
            digest.update(path.read_bytes() + b"\0")
    for fact in [places().apxs, run(places().httpd, "-v"), *pythons]:
        digest.update(fact.encode() + b"\0")
    for python in pythons:
        digest.update(run(python, "-c", "import sys; print(sys.version, sys.prefix)").encode())
    return digest.hexdigest()[:16]


def _step(command: list[str], directory: Path) -> None:
    """One step of a build; its output is shown only when it fails."""
    done = subprocess.run(command, cwd=directory, capture_output=True, text=True, timeout=600, check=False)
    if done.returncode != 0:
        raise RuntimeError(f"{' '.join(command)} in {directory} failed:\n{done.stdout[-3000:]}{done.stderr[-6000:]}")


def _drop_old_builds(builds: Path, current: Path) -> None:
    """Keeps the newest few."""
    others = [path for path in builds.iterdir() if path.is_dir() and path != current]
    others.sort(key=lambda path: path.stat().st_mtime, reverse=True)
    for path in others[KEPT_BUILDS - 1 :]:
        shutil.rmtree(path, ignore_errors=True)


def build_module() -> Path:
    """Configures, makes and installs our sources below the cache, once per state of them."""
    pythons = os.environ.get("WSGI_TEST_PYTHON", places().python).split(os.pathsep)
    more = ["--enable-asan"] if sanitizers.wanted() else []
    builds = places().cache / ("sanitizers-build" if more else "build")
    target = builds / source_hash(pythons)
    module = target / "modules" / "pyweb_mod_wsgi" / "current" / "mod_wsgi.so"
    with _locked(builds):
        if not module.exists():
            shutil.rmtree(target, ignore_errors=True)
            work = target / "work"
            work.mkdir(mode=0o755, parents=True)
            options = [f"--with-python={python}" for python in pythons]
            _step(
                [
                    str(SOURCES / "configure"),
                    f"--with-apxs={places().apxs}",
                    *options,
                    f"--default-python={pythons[0]}",
                    f"--libexecdir={target / 'modules'}",
                    *more,
                ],
                work,
            )
            _step(["make", "-j2"], work)
            _step(["make", "install"], work)
        os.utime(target)
        _drop_old_builds(builds, target)
    if not module.exists():
        raise RuntimeError(f"the build succeeded, but {module} is not there")
    return module


@functools.cache
def find_module() -> Module:
    """What the environment names, else our own, built on demand."""
    if os.environ.get("WSGI_PEER") == "1":
        named = os.environ.get("WSGI_PEER_MODULE", "")
        if not Path(named).is_file():
            raise Missing("WSGI_PEER=1 needs WSGI_PEER_MODULE=<path of mod_wsgi 6.1.1's .so>")
        return Module(Path(named).resolve(), peer=True)
    named = os.environ.get("WSGI_MODULE", "")
    if named:
        if not Path(named).is_file():
            raise Missing(f"WSGI_MODULE={named}: no such file")
        return Module(Path(named).absolute(), peer=False)
    return Module(build_module(), peer=False)


@functools.cache
def application_venv(*packages: str, pins: Path = PINS) -> Path:
    """A virtual environment of the module's interpreter with these packages, versions pinned."""
    python = places().python
    version = run(python, "-c", "import sys; print(sys.version, sys.prefix)")
    key = "\0".join([python, version, pins.read_text(), *packages]).encode()
    venvs = (places().cache / "venvs").resolve()  # its scripts name the interpreter by path
    target = venvs / hashlib.sha256(key).hexdigest()[:16]
    stamp = target / ".complete"
    with _locked(venvs):
        if not stamp.exists():
            shutil.rmtree(target, ignore_errors=True)
            _step([python, "-m", "venv", str(target)], venvs)
            if packages:
                # pip keeps wheels that it compiled, also those linked to another Python of the same version.
                pip = [str(target / "bin" / "pip"), "install", "--quiet", *([] if pins == PINS else ["--no-cache-dir"])]
                _step([*pip, "--constraint", str(pins), *packages], venvs)
            stamp.touch()
    return target
