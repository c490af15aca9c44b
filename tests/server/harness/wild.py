# SPDX-License-Identifier: Apache-2.0
"""For configurations as projects document them: closed servers, command line tools, credentials."""

from __future__ import annotations

import base64
import hashlib
import os
import re
import subprocess

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from harness.places import places
from harness.server import Configure, Layout, Server


@dataclass(frozen=True)
class Documented:
    """A configuration from a project's documentation and where its pages are to be found then."""

    name: str
    configure: Configure
    prefix: str = ""
    modules: tuple[str, ...] = ()
    group: str = ""

    def __str__(self) -> str:
        return self.name

    def server(self) -> Server:
        """A server of it, not yet started."""
        return Server(self.configure, mode="daemon" if self.group else "embedded", modules=self.modules)


def closed(layout: Layout, *directories: Path) -> str:
    """Denies what the harness opens, so that the documented grants have to be there."""
    names = directories or (layout.apps, layout.scratch)
    return "\n".join(f"<Directory {name}>\n    Require all denied\n</Directory>" for name in names)


def at_home(layout: Layout, venv: Path, options: str = "threads=8") -> str:
    """The lines for an application with a virtual environment, in the mode that the test asks for."""
    if layout.mode == "embedded":
        return f"WSGIPythonHome {venv}\n"
    return layout.delegate("app", f"{options} python-home={venv}")


def run_as() -> str:
    """`user=` and `group=` as the documents have them; only root may change them."""
    here = places()
    return f"user={here.user} group={here.group}" if here.is_root else ""


def tool(venv: Path, *command: str | Path, cwd: Path | None = None, env: dict[str, str] | None = None) -> str:
    """A command line tool of a virtual environment; what it said, or the failure with it."""
    name, *rest = [str(word) for word in command]
    done = subprocess.run(
        [str(venv / "bin" / name), *rest],
        cwd=cwd,
        env={**os.environ, "PYTHONWARNINGS": "ignore", **(env or {})},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, f"{command}: {done.stdout}{done.stderr}"
    return done.stdout


def give_away(*directories: Path) -> None:
    """Data that everybody may write: the server's user is not the one who made it."""
    for directory in directories:
        for path in [directory, *directory.rglob("*")]:
            path.chmod(0o777 if path.is_dir() else 0o666)


def basic(user: str, password: str) -> dict[str, str]:
    """The header of Basic authentication."""
    return {"Authorization": "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode()}


def htpasswd(path: Path, **users: str) -> None:
    """A password file for AuthUserFile."""
    digests = {user: base64.b64encode(hashlib.sha1(word.encode()).digest()).decode() for user, word in users.items()}
    path.write_text("".join(f"{user}:{{SHA}}{digest}\n" for user, digest in digests.items()))
    path.chmod(0o644)


def htdigest(path: Path, realm: str, **users: str) -> None:
    """A password file for Digest authentication."""
    lines = [
        f"{user}:{realm}:{hashlib.md5(f'{user}:{realm}:{word}'.encode()).hexdigest()}\n" for user, word in users.items()
    ]
    path.write_text("".join(lines))
    path.chmod(0o644)


@contextmanager
def serving(case: Documented, prepare: Callable[[Layout], None]) -> Iterator[Server]:
    """A server of a documented configuration for one test; `prepare` makes the project before the start."""
    server = case.server()
    try:
        prepare(server.layout)
        yield server.start()
    finally:
        server.close()


def digest(challenge: str, user: str, password: str, method: str, uri: str) -> dict[str, str]:
    """The header that answers a challenge of Digest authentication (RFC 2617, qop auth)."""
    asked = dict(re.findall(r'(\w+)="([^"]*)"', challenge))
    known = hashlib.md5(f"{user}:{asked['realm']}:{password}".encode()).hexdigest()
    wanted = hashlib.md5(f"{method}:{uri}".encode()).hexdigest()
    mine, count = os.urandom(8).hex(), "00000001"
    answer = hashlib.md5(f"{known}:{asked['nonce']}:{count}:{mine}:auth:{wanted}".encode()).hexdigest()
    words = {
        "username": user,
        "realm": asked["realm"],
        "nonce": asked["nonce"],
        "uri": uri,
        "response": answer,
        "cnonce": mine,
    }
    quoted = ", ".join(f'{name}="{value}"' for name, value in words.items())
    return {"Authorization": f"Digest {quoted}, algorithm=MD5, qop=auth, nc={count}"}
