# SPDX-License-Identifier: Apache-2.0
"""Where things are on this machine: Apache's tools, the interpreter, users, caches."""

from __future__ import annotations

import functools
import grp
import os
import pwd
import shutil
import stat
import subprocess
import sys
import tempfile

from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[3]
SOURCES = ROOT / "roles" / "mod_wsgi_build" / "files"
APPS = ROOT / "tests" / "server" / "apps"
PINS = ROOT / "requirements" / "tests.txt"

SERVER_USERS = ("www-data", "apache", "wwwrun", "http", "nobody")


class Missing(RuntimeError):
    """A tool the tests need is not there; the text says which package brings it."""


@dataclass(frozen=True)
class Places:
    """What was found out once per session."""

    apxs: str
    httpd: str
    modules: Path
    static_modules: frozenset[str]
    python: str
    user: str
    group: str
    is_root: bool
    cache: Path


def run(*command: str, timeout: float = 60) -> str:
    """The standard output of a command that has to succeed."""
    done = subprocess.run(command, capture_output=True, text=True, timeout=timeout, check=False)
    if done.returncode != 0:
        raise RuntimeError(f"{' '.join(command)} failed ({done.returncode}): {done.stderr}")
    return done.stdout


def _find_apxs() -> str:
    wanted = os.environ.get("WSGI_TEST_APXS")
    for name in [wanted] if wanted else ["apxs", "apxs2", "/usr/sbin/apxs", "/usr/bin/apxs2"]:
        found = shutil.which(name)
        if found:
            return found
    raise Missing("apxs is not there: install apache2-dev (Debian) or httpd-devel (Fedora, RHEL)")


def _find_python() -> str:
    """The interpreter the module is built for: the system's, unless the caller says otherwise."""
    wanted = os.environ.get("WSGI_TEST_PYTHON", "").split(os.pathsep)[0]
    if wanted:
        return wanted
    system = Path("/usr/bin/python3")
    return str(system) if system.exists() else os.path.realpath(sys.executable)


def _find_user() -> tuple[str, str]:
    """The unprivileged user and group Apache's children run as when the tests run as root."""
    for name in SERVER_USERS:
        try:
            entry = pwd.getpwnam(name)
        except KeyError:
            continue
        return name, grp.getgrgid(entry.pw_gid).gr_name
    raise Missing(f"none of the users {', '.join(SERVER_USERS)} exists")


def open_to_all(path: Path) -> bool:
    """Whether every user may enter the directory and all those above it."""
    return all(stat.S_IMODE(step.stat().st_mode) & stat.S_IXOTH for step in [path, *path.resolve().parents])


def _find_cache(is_root: bool) -> Path:
    """`.cache` of the checkout, or a public place where the server's user can read it too."""
    wanted = os.environ.get("WSGI_TEST_CACHE")
    if wanted:
        cache = Path(wanted)
    elif is_root and not open_to_all(ROOT):
        cache = Path(tempfile.gettempdir()) / "mod_wsgi-tests-cache"
    else:
        cache = ROOT / ".cache"
    cache.mkdir(mode=0o755, parents=True, exist_ok=True)
    return cache


@functools.cache
def places() -> Places:
    """Asks the machine once."""
    apxs = _find_apxs()
    httpd = Path(run(apxs, "-q", "SBINDIR").strip()) / run(apxs, "-q", "PROGNAME").strip()
    listed = run(str(httpd), "-l").split()
    is_root = os.geteuid() == 0
    user, group = _find_user() if is_root else ("", "")
    return Places(
        apxs=apxs,
        httpd=str(httpd),
        modules=Path(run(apxs, "-q", "LIBEXECDIR").strip()),
        static_modules=frozenset(name[:-2] for name in listed if name.endswith(".c")),
        python=_find_python(),
        user=user,
        group=group,
        is_root=is_root,
        cache=_find_cache(is_root),
    )
