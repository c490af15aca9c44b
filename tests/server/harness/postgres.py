# SPDX-License-Identifier: Apache-2.0
"""A PostgreSQL of the test's own, reached over TCP with TLS only."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import socket
import subprocess
import tempfile

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from harness.client import HOST
from harness.places import Missing, places
from harness.processes import wait_until
from harness.server import free_ports
from harness.tls import Authority

USER = "site"
PASSWORD = "not a secret"  # of a database that lives as long as one test

SETTINGS = {
    "listen_addresses": HOST,
    "unix_socket_directories": "",
    "ssl": "on",
    "fsync": "off",
    "max_connections": "60",
    "shared_buffers": "1MB",
    "log_min_messages": "warning",
}


@dataclass(frozen=True)
class Database:
    """Where it listens."""

    port: int
    name: str  # in its certificate


def _program(name: str) -> str:
    """Debian keeps them apart from PATH, by version."""
    found = shutil.which(name) or next(
        (str(path) for path in sorted(Path("/usr/lib/postgresql").glob(f"*/bin/{name}"), reverse=True)), None
    )
    if not found:
        raise Missing(f"{name} is not there: install postgresql (Debian) or postgresql-server (Fedora, RHEL)")
    return found


def _answers(port: int) -> bool:
    try:
        socket.create_connection((HOST, port), timeout=1).close()
    except OSError:
        return False
    return True


def _prepare(home: Path, authority: Authority, name: str, owner: str | None) -> Path:
    """An empty cluster; whoever comes needs TLS and a password."""
    data, password = home / "data", home / "password"
    password.write_text(PASSWORD)
    key = Path(shutil.copy(authority.key(name), home / "server.key"))
    key.chmod(0o600)
    for path in (home, password, key):
        if owner:
            shutil.chown(path, owner)
    words = [
        "--no-sync",
        f"--username={USER}",
        "--auth=scram-sha-256",
        f"--pwfile={password}",
        "--no-locale",
        "-E",
        "UTF8",
    ]
    done = subprocess.run(
        [_program("initdb"), "-D", str(data), *words],
        cwd=home,
        user=owner,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    (data / "pg_hba.conf").write_text(f"hostssl all {USER} {HOST}/32 scram-sha-256\n")
    return data


@contextlib.contextmanager
def database(authority: Authority, name: str = "localhost") -> Iterator[Database]:
    """Runs for as long as the test wants it; PostgreSQL does not run as root."""
    here = places()
    owner = here.user if here.is_root else None
    home = Path(tempfile.mkdtemp(prefix="wsgi-postgres-", dir="/tmp"))
    (port,) = free_ports(1)
    try:
        data = _prepare(home, authority, name, owner)
        settings = {
            **SETTINGS,
            "port": str(port),
            "ssl_cert_file": authority.certificate(name),
            "ssl_key_file": str(home / "server.key"),
        }
        command = [_program("postgres"), "-D", str(data)]
        for key, value in settings.items():
            command += ["-c", f"{key}={value}"]
        log = home / "log"
        with log.open("wb") as output, subprocess.Popen(
            command, cwd=home, user=owner, stdin=subprocess.DEVNULL, stdout=output, stderr=subprocess.STDOUT
        ) as process:
            try:
                wait_until(lambda: process.poll() is not None or _answers(port), "PostgreSQL listens", 60)
                assert process.poll() is None, log.read_text()
                yield Database(port, name)
            finally:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(process.pid, signal.SIGINT)
                process.wait(60)
    finally:
        shutil.rmtree(home, ignore_errors=True)
