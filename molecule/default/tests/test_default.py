# SPDX-License-Identifier: Apache-2.0
# ruff: noqa: S101
"""What a stranger sees of a served host, from outside the module and the roles."""

from __future__ import annotations

import sys

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest

SITES = {8080: "daemon", 8081: "embedded"}
MODULES = "/usr/lib/apache2/modules/pyweb_mod_wsgi"
APPLICATION = "/srv/pyweb-demo"
DAEMON_USER = "wsgi-demo"
ERROR_LOG = "/var/log/apache2/error.log"
JOURNAL = "journalctl --no-pager --lines=60 --unit=apache2.service"
TOLD: set[str] = set()
LOGS = "tail -n 40 /var/log/apache2/*error*.log"


@dataclass(frozen=True)
class Process:
    """One line of ps."""

    pid: int
    parent: int
    user: str
    command: str


@pytest.fixture(autouse=True)
def journal(request: pytest.FixtureRequest, host: Any) -> Iterator[None]:
    """Print what the service and the sites logged after a host's first failed test."""
    before = request.session.testsfailed
    yield
    name = host.backend.get_hostname()
    if request.session.testsfailed > before and name not in TOLD:
        TOLD.add(name)
        capture = request.config.pluginmanager.getplugin("capturemanager")
        with capture.global_and_fixture_disabled():
            for command in (JOURNAL, LOGS):
                sys.stdout.write(f"\n--- {command}\n{host.run(command).stdout}\n")


def fetch(host: Any, port: int, *options: str) -> str:
    """Return status line, headers and page of a site, asked for on the host itself."""
    words = " ".join(options)
    done = host.run(f"curl --silent --show-error --max-time 10 -i {words} http://127.0.0.1:{port}/")
    assert done.rc == 0, done.stderr
    return str(done.stdout)


def parent_pid(host: Any) -> int:
    """Return the process that systemd calls the main one."""
    shown = host.run("systemctl show --property=MainPID --value apache2.service")
    return int(shown.stdout)


def processes(host: Any) -> list[Process]:
    """Return all processes of the host."""
    shown = host.run("ps -eo pid=,ppid=,user:32=,args=")
    rows = [line.split(None, 3) for line in shown.stdout.splitlines()]
    return [Process(int(row[0]), int(row[1]), row[2], row[3]) for row in rows if len(row) == 4]


def maps_libpython(host: Any, pid: int) -> bool:
    """Tell whether a process has Python's library or an engine of the module mapped."""
    done = host.run(f"grep -cE 'libpython|/_mod_wsgi[.]' /proc/{pid}/maps")
    assert done.rc in (0, 1), done.stderr
    return int(done.stdout) > 0


def is_python(host: Any, process: Process) -> bool:
    """Tell whether a process is an interpreter; only its own user may look in a container."""
    shown = host.run(f"runuser -u {process.user} -- readlink /proc/{process.pid}/exe")
    return "/python3" in str(shown.stdout)


def supervisors(host: Any) -> list[Process]:
    """Return the children of the server's parent that have children themselves."""
    everything = processes(host)
    parents = {one.parent for one in everything}
    main = parent_pid(host)
    return [one for one in everything if one.parent == main and one.pid in parents]


def daemons(host: Any) -> list[Process]:
    """Return the processes below the supervisor."""
    pids = {one.pid for one in supervisors(host)}
    return [one for one in processes(host) if one.parent in pids]


def test_systemd_runs_the_service(host: Any) -> None:
    """The service is active now and will be after the next boot."""
    service = host.service("apache2")
    assert service.is_running
    assert service.is_enabled


def test_nothing_else_failed(host: Any) -> None:
    """No unit of the host is in a failed state."""
    assert host.run("systemctl list-units --state=failed --no-legend --plain").stdout == ""


@pytest.mark.parametrize("port", SITES)
def test_port_is_open(host: Any, port: int) -> None:
    """Something listens on the port of each site."""
    listening = host.socket.get_listening_sockets()
    assert any(socket.startswith("tcp") and socket.endswith(f":{port}") for socket in listening)


@pytest.mark.parametrize("port", SITES)
def test_site_answers(host: Any, port: int) -> None:
    """Each site shows the demo, whole and as a page."""
    answer = fetch(host, port)
    assert answer.splitlines()[0].split()[1] == "200"
    assert "text/html" in answer.lower()
    assert answer.rstrip().endswith("</html>")


def test_server_names_module_and_python(host: Any) -> None:
    """The server says at its start which module and which Python it has."""
    version = host.run("/usr/bin/python3 -c 'import platform; print(platform.python_version())'")
    minor = ".".join(version.stdout.strip().split(".")[:2])
    begun = [line for line in host.file(ERROR_LOG).content_string.splitlines() if "resuming normal operations" in line]
    assert begun
    assert " mod_wsgi/" in begun[-1]
    assert f" Python/{minor}" in begun[-1]


def test_parent_is_without_python(host: Any) -> None:
    """The root process of the server has mapped neither Python nor an engine."""
    assert not maps_libpython(host, parent_pid(host))


def test_one_supervisor_without_python(host: Any) -> None:
    """One process supervises the daemons, and it is not a Python one."""
    found = supervisors(host)
    assert len(found) == 1
    assert not maps_libpython(host, found[0].pid)
    assert not is_python(host, found[0])


def test_daemons_belong_to_their_user(host: Any) -> None:
    """The group has its two processes, each an interpreter that runs as the site's user."""
    found = daemons(host)
    assert [one.user for one in found] == [DAEMON_USER] * 2
    assert all(is_python(host, one) for one in found)
    assert all("demo" in one.command for one in found)


def test_application_belongs_to_root(host: Any) -> None:
    """The daemon cannot change its own code."""
    for path in host.run(f"find {APPLICATION}").stdout.splitlines():
        assert host.file(path).user == "root", path
        assert host.file(path).mode & 0o022 == 0, path
    assert host.file(APPLICATION).is_directory


def test_user_cannot_log_in(host: Any) -> None:
    """The user that the role made is a system account without a shell."""
    user = host.user(DAEMON_USER)
    assert user.uid < 1000
    assert user.shell.endswith("nologin") or user.shell.endswith("false")


def test_configuration_is_accepted(host: Any) -> None:
    """The server accepts the whole configuration without a word of warning about our part."""
    done = host.run("apache2ctl -t")
    assert done.rc == 0, done.stderr
    assert "WSGI" not in done.stderr


def test_module_is_loaded_once(host: Any) -> None:
    """Exactly one wsgi_module is loaded."""
    listed = host.run("apache2ctl -M").stdout
    assert listed.count("wsgi_module") == 1


def test_module_belongs_to_root(host: Any) -> None:
    """Only root can write what root's server loads."""
    for path in host.run(f"find -L {MODULES}").stdout.splitlines():
        entry = host.file(path)
        assert entry.user == "root", path
        assert entry.group == "root", path
        assert entry.mode & 0o022 == 0, path


def test_current_is_a_link_into_the_versions(host: Any) -> None:
    """The name in the configuration is a link to one immutable version."""
    current = host.file(f"{MODULES}/current")
    assert current.is_symlink
    assert host.file(f"{MODULES}/current/mod_wsgi.so").is_file
    assert host.file(f"{MODULES}/current/build.json").is_file
    assert host.run(f"ls {MODULES}/current/_mod_wsgi.*.so").rc == 0


def test_graceful_reload_keeps_the_parent(host: Any) -> None:
    """A reload by the service manager keeps the parent, and both sites answer afterwards."""
    before = parent_pid(host)
    assert host.run("systemctl reload apache2.service").rc == 0
    assert parent_pid(host) == before
    for port in SITES:
        assert fetch(host, port).splitlines()[0].split()[1] == "200"
    assert not maps_libpython(host, before)
