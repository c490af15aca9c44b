# SPDX-License-Identifier: Apache-2.0
"""Fixtures of the server tests.

The module under test is ours, built on demand; `WSGI_MODULE` (or --wsgi-module) names another
file. With `WSGI_PEER=1 WSGI_PEER_MODULE=...` the suite runs against mod_wsgi 6.1.1: every test is
a parity test then, except those marked `ours`, which say where we differ and why.
"""

from __future__ import annotations

import os

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from harness import Module, Server, find_module, places, sanitizers
from harness.wild import Documented

MODES = ("embedded", "daemon")
MPMS = ("event", "worker", "prefork")


def pytest_addoption(parser: pytest.Parser) -> None:
    """Our options."""
    parser.addoption("--wsgi-module", help="path of the mod_wsgi.so to test")


def pytest_configure(config: pytest.Config) -> None:
    """Our markers; the option becomes the variable that the harness reads."""
    for line in (
        'ours(reason): where we differ from mod_wsgi 6.1.1, as "D101: words"; skipped under WSGI_PEER=1',
        "core: also under the MPMs worker and prefork",
        "modes(*names): only in these modes (of embedded, daemon)",
        "plain(reason): not with the applications inside wsgiref's validator, which files with VALIDATED add",
        "needs_root: needs a server that was started as root",
    ):
        config.addinivalue_line("markers", line)
    if config.getoption("--wsgi-module"):
        os.environ["WSGI_MODULE"] = config.getoption("--wsgi-module")


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """The matrix: each test that uses the file's server runs per mode and MPM, or per documented configuration."""
    if "running" not in metafunc.fixturenames:
        return
    documented = getattr(metafunc.module, "DOCUMENTED", ())
    if documented:
        metafunc.parametrize("running", documented, indirect=True, scope="module", ids=str)
        return
    limit = metafunc.definition.get_closest_marker("modes")
    modes = limit.args if limit else MODES
    mpms = MPMS if metafunc.definition.get_closest_marker("core") else MPMS[:1]
    cells: list[tuple[str, ...]] = [(mode, mpm) for mpm in mpms for mode in modes]
    # The same tests once more, each application inside wsgiref's validator.
    validated = getattr(metafunc.module, "VALIDATED", False)
    if validated and not metafunc.definition.get_closest_marker("plain"):
        cells = [*(cells if validated != "only" else ()), *((mode, MPMS[0], "validated") for mode in modes)]
    metafunc.parametrize("running", cells, indirect=True, scope="module", ids=["-".join(cell) for cell in cells])


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Skips, each with its reason; parameters marked `plain` are not run inside the validator."""
    items[:] = [item for item in items if "-validated" not in item.name or not item.get_closest_marker("plain")]
    peer = os.environ.get("WSGI_PEER") == "1"
    for item in items:
        ours = item.get_closest_marker("ours")
        if peer and ours:
            item.add_marker(pytest.mark.skip(reason=f"differs from 6.1.1: {ours.args[0]}"))
        if sanitizers.excluded(item.nodeid):
            item.add_marker(pytest.mark.skip(reason=f"not with sanitizers: {sanitizers.excluded(item.nodeid)}"))
        if item.get_closest_marker("needs_root") and os.geteuid() != 0:
            item.add_marker(pytest.mark.skip(reason="needs a server that was started as root"))


@pytest.fixture(scope="session")
def module() -> Module:
    """The module under test, built if need be."""
    places()
    return find_module()


@pytest.fixture(scope="module")
def running(request: pytest.FixtureRequest, module: Module) -> Iterator[Server]:
    """One server per test file and documented configuration, or mode and MPM, of that file.

    The file's `configure` writes its lines, unless they are a project's; its `prepare` makes what has to be there
    before the start.
    """
    assert module.path
    given, file = request.param, request.module
    if isinstance(given, Documented):
        server = given.server()
    else:
        mode, mpm, *validated = given
        server = Server(
            file.configure, mode=mode, mpm=mpm, modules=getattr(file, "MODULES", ()), validated=bool(validated)
        )
        server.level = getattr(file, "LEVEL", "warn")
        server.port_count = getattr(file, "PORTS", 1)
    try:
        getattr(file, "prepare", lambda _: None)(server.layout)
        server.start()
        _allow(request, server)
        yield server
    finally:
        server.close()


def _allow(request: pytest.FixtureRequest, server: Server) -> None:
    """Lines that an application of this file may log in every test, as the file's `ALLOWED` says."""
    for pattern in getattr(request.module, "ALLOWED", ()):
        server.allow(pattern)


@pytest.fixture
def site(request: pytest.FixtureRequest, running: Server) -> Iterator[Server]:
    """The file's server; after the test its logs hold no line the test did not declare."""
    running.forget_logs()
    if running.layout.validated:
        running.allow(r"WSGIWarning|warnings\.warn")  # of the validator: odd, and not wrong
    _allow(request, running)
    yield running
    running.check_logs()


@pytest.fixture
def case(request: pytest.FixtureRequest, running: Server) -> Documented:
    """The documented configuration of the file's server."""
    assert running.process
    found = request.node.callspec.params["running"]
    assert isinstance(found, Documented)
    return found


@pytest.fixture
def prefix(case: Documented) -> str:
    """Where its pages begin."""
    return case.prefix


@pytest.fixture
def new_server(module: Module) -> Iterator[Callable[..., Server]]:
    """Makes servers for one test; they are stopped and checked at its end."""
    made: list[Server] = []

    def make(configure: Any, **more: Any) -> Server:
        server = Server(configure, **more)
        made.append(server)
        return server

    yield make
    failures = []
    for server in made:
        try:
            server.close()
        except AssertionError as failure:
            failures.append(str(failure))
    assert not failures, "\n".join(failures)
