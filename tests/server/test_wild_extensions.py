# SPDX-License-Identifier: Apache-2.0
"""Extensions from PyPI as people use them: in Rust (PyO3), in C with global state; and child processes."""

from __future__ import annotations

import re

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from harness import Layout, Module, Server, application_venv

NAMES = ("bcrypt", "orjson", "numpy", "cryptography.fernet")


def venv() -> str:
    return str(application_venv("bcrypt", "orjson", "numpy", "cryptography"))


def default(layout: Layout) -> str:
    """Two sites in two groups, and no word about application groups."""
    return f"""
WSGIDaemonProcess one threads=4 python-home={venv()}
WSGIDaemonProcess two threads=4 python-home={venv()}
WSGIScriptAlias /one {layout.apps}/extensions.wsgi process-group=one
WSGIScriptAlias /two {layout.apps}/extensions.wsgi process-group=two
"""


def separate(layout: Layout) -> str:
    """One group that is asked for two interpreters: each is a sub-interpreter."""
    return f"""
WSGIDaemonProcess one threads=4 python-home={venv()}
WSGIScriptAlias /one {layout.apps}/extensions.wsgi process-group=one application-group=first
WSGIScriptAlias /two {layout.apps}/extensions.wsgi process-group=one application-group=second
"""


@pytest.fixture(scope="module")
def simple(module: Module) -> Iterator[Server]:
    """The server with the default configuration."""
    assert module.path
    server = Server(default)
    try:
        yield server.start()
    finally:
        server.close()


@pytest.mark.ours("6.1.1 runs it in a sub-interpreter, where some of these do not load")
@pytest.mark.parametrize("name", NAMES)
def test_default_configuration(simple: Server, name: str) -> None:
    """R1, R2, R3: without a directive about it, both sites can use the extension, from all threads."""

    def ask(number: int) -> bool:
        reply = simple.get(f"/{('one', 'two')[number % 2]}/{name}")
        assert reply.status == 200, simple.log().tail()
        return bool(reply.json()["works"])

    with ThreadPoolExecutor(8) as pool:
        assert all(pool.map(ask, range(60)))


@pytest.mark.ours("6.1.1 runs it in a sub-interpreter, where fork and multiprocessing fail or warn")
def test_child_processes(simple: Server) -> None:
    """R4: subprocess, fork and exec, multiprocessing; a child sees no listener and no socket of the daemon."""
    found = simple.get("/one/processes").json()
    assert found["fork"] == ["from the child\n", 0]
    assert found["spawn"] == 144
    assert "socket:" not in found["descriptors"], found["descriptors"]
    assert "/dev/null" in found["descriptors"]


@pytest.mark.ours("6.1.1 shows the extension's own words only")
def test_sub_interpreters_are_explained(new_server: Any) -> None:
    """R1, R2: it works, or it is a 500 with one line that names the module and the setting; it never hangs."""
    server: Server = new_server(separate).start()
    explained = set()
    server.allow(".")  # NumPy warns in many lines of its own words
    for name in NAMES:
        for site in ("/one/", "/two/"):
            status = server.get(site + name).status
            assert status in (200, 500), (site, name, status)
            if status == 500:
                explained.add(name)
    lines = [line.text for line in server.log().lines() if "WSGIApplicationGroup" in line.text]
    assert bool(lines) == bool(explained), server.log().tail()
    for name in explained:
        top = re.escape(name.partition(".")[0])
        assert any(re.search(top, line) and "%{GLOBAL}" in line for line in lines), (name, lines)
