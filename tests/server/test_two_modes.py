# SPDX-License-Identifier: Apache-2.0
"""One application, served by a daemon group and embedded side by side in one server."""

from __future__ import annotations

import threading

import pytest

from harness import Layout, Reply, Server, request

PORTS = 2
MODULES = ()


VALIDATED = True


def configure(layout: Layout) -> str:
    """First port: daemon; second port: embedded."""
    return f"""
WSGIDaemonProcess side processes=2 threads=4
<VirtualHost *:{layout.ports[0]}>
    ServerName daemon.invalid
    ErrorLog {layout.logs}/daemon.log
    WSGIProcessGroup side
    WSGIScriptAlias /errors {layout.apps}/errors.wsgi
    WSGIScriptAlias /process {layout.apps}/process.wsgi
    WSGIScriptAlias / {layout.apps}/environ.wsgi
</VirtualHost>
<VirtualHost *:{layout.ports[1]}>
    ServerName embedded.invalid
    ErrorLog {layout.logs}/embedded.log
    WSGIScriptAlias /errors {layout.apps}/errors.wsgi
    WSGIScriptAlias /process {layout.apps}/process.wsgi
    WSGIScriptAlias / {layout.apps}/environ.wsgi
</VirtualHost>
"""


# One server is enough: it has both modes.
pytestmark = pytest.mark.modes("daemon")

# Values that differ by nature, not by mode.
OWN = {
    "REMOTE_PORT",
    "SERVER_PORT",
    "HTTP_HOST",
    "wsgi.input",
    "wsgi.errors",
    "wsgi.file_wrapper",
    "mod_wsgi.request_id",
    "mod_wsgi.connection_id",
    "mod_wsgi.server_pid",
    "mod_wsgi.thread_id",
    "mod_wsgi.listener_port",
    "mod_wsgi.request_start",
    "mod_wsgi.application_start",
    "mod_wsgi.application_group",
}
BY_MODE = {
    "mod_wsgi.process_group",
    "mod_wsgi.queue_start",
    "mod_wsgi.daemon_start",
    "wsgi.multithread",
    "wsgi.multiprocess",
}


def both(site: Server, method: str, target: str, body: bytes | None = None) -> list[Reply]:
    """The same request to both."""
    return [request(port, method, target, body) for port in site.layout.ports]


@pytest.mark.core
def test_environ_is_the_same(site: Server) -> None:
    daemon, embedded = (reply.json() for reply in both(site, "POST", "/a/b?c=d", b"body"))
    assert set(daemon) - {"mod_wsgi.connection_id"} == set(embedded) - {"mod_wsgi.connection_id"}
    different = {key for key in daemon if daemon[key] != embedded.get(key)}
    assert different <= OWN | BY_MODE
    assert (daemon["mod_wsgi.process_group"], embedded["mod_wsgi.process_group"]) == ("side", "")


@pytest.mark.core
def test_who_serves(site: Server) -> None:
    daemon, embedded = (reply.json() for reply in both(site, "GET", "/process"))
    assert daemon["pid"] != embedded["pid"]
    assert daemon["process_group"] == "side"
    assert embedded["process_group"] == ""
    assert embedded["ppid"] == site.pid, "an Apache child runs it"
    assert daemon["version"] == embedded["version"]
    assert daemon["mod_wsgi"] == embedded["mod_wsgi"]
    assert daemon["pid"] in site.family()


def test_a_failure_stays_in_its_own_log(site: Server) -> None:
    for reply, name in zip(both(site, "GET", "/errors/before"), ("daemon", "embedded"), strict=True):
        assert reply.status == 500
        site.expect("WSGI0174: ", log=name)
        frames = not site.layout.module.peer
        site.log(name).expect_traceback("ValueError: before the head", frames=frames)
    assert [len(site.log(name).codes()) for name in ("daemon", "embedded")] == [1, 1]


def test_both_under_load(site: Server) -> None:
    statuses: list[int] = []

    def client(port: int) -> None:
        for number in range(50):
            statuses.append(request(port, "POST", f"/?{number}", b"x" * number * 100).status)

    threads = [threading.Thread(target=client, args=(port,)) for port in site.layout.ports * 2]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert statuses == [200] * 200
