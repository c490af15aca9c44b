# SPDX-License-Identifier: Apache-2.0
"""WSGIDaemonProcess: its options, their ranges, and what they do."""

from __future__ import annotations

import ctypes
import grp
import os
import pwd
import resource
import socket
import stat

from collections.abc import Callable
from typing import Any

import pytest

from harness import Layout, Module, places, prove
from harness import server as server_module
from harness.tables import Option, documented, options

ALL = options()

OURS = {"env", "env-file", "no-new-privileges", "reload"}
GOOD = {
    "env": "NAME=value",
    "env-file": "/dev/null",
    "no-new-privileges": "On",
    "reload": "overlap",
    "user": "daemon",
    "group": "daemon",
    "supplementary-groups": "daemon,bin,#3",
    "umask": "0027",
    "chroot": "/srv",
    "home": "/tmp",
    "socket-user": "daemon",
    "script-user": "daemon",
    "script-group": "daemon",
    "display-name": "'a name'",
    "processes": "2",
    "threads": "3",
    "stack-size": "1048576",
    "memory-limit": "1000000000",
    "virtual-memory-limit": "4000000000",
    "cpu-time-limit": "100",
    "cpu-priority": "5",
    "python-home": "/usr",
    "python-path": "/tmp:/var/tmp",
    "python-eggs": "/tmp",
    "lang": "C.UTF-8",
    "locale": "C.UTF-8",
    "switch-interval": "0.01",
    "server-metrics": "On",
    "send-buffer-size": "512",
    "receive-buffer-size": "0",
    "header-buffer-size": "8192",
    "response-buffer-size": "65536",
}
NEEDS_ROOT = {"chroot"}
# What they name has to be there: tests of their own have it.
PROVED_ELSEWHERE = {"chroot", "env-file"}


def value_of(option: Option) -> str:
    """A good value: what is left are numbers of seconds or so."""
    return GOOD.get(option.name, "7")


def group(text: str) -> str:
    """A group that is used."""
    return f"WSGIDaemonProcess one {text}\nWSGIProcessGroup one"


# ---- the table -----------------------------------------------------------------------------


@pytest.mark.ours("nothing that a user sees: the table is ours")
def test_the_page_has_the_table() -> None:
    """docs/directives.md: the same options with defaults and texts; 44 are those of mod_wsgi 6."""
    page = documented("Option")
    assert len([option for option in ALL if option.name not in OURS]) == 44
    assert list(page) == [option.name for option in ALL]
    for option in ALL:
        _, default, text = page[option.name]
        assert (default, text) == (option.default, option.text)


@pytest.mark.ours("D120: 6.1.1 does not list them")
def test_an_unknown_option_is_told_all_there_are() -> None:
    proof = prove("WSGIDaemonProcess one thread=5")
    assert proof.status != 0
    listed = proof.output.partition("allowed are ")[2].strip().split(", ")
    assert listed == [option.name for option in ALL]


@pytest.mark.parametrize(
    "option", [each for each in ALL if each.name not in PROVED_ELSEWHERE], ids=lambda option: option.name
)
def test_every_option_is_accepted(option: Option, module: Module) -> None:
    """With a good value."""
    if option.name in OURS and module.peer:
        pytest.skip("6.1.1 does not have it")
    if option.name in NEEDS_ROOT and os.geteuid() != 0:
        pytest.skip("needs a server that was started as root")
    proof = prove(group(f"{option.name}={value_of(option)}"))
    assert proof.status == 0, proof.output


# ---- ranges --------------------------------------------------------------------------------

NUMBERS = [option for option in ALL if option.setter in ("set_number", "set_size", "set_processes")]
BUFFERS = [option for option in ALL if option.setter == "set_buffer"]


def refused(text: str, module: Module) -> None:
    """Both refuse; ours names directive, option and value."""
    proof = prove(f"WSGIDaemonProcess one {text}")
    assert proof.status != 0, f"{text} was accepted"
    if not module.peer:
        assert f"WSGIDaemonProcess one: option {text}: " in proof.output, proof.output
        assert "httpd.conf" in proof.output


@pytest.mark.parametrize(
    "option", [each for each in NUMBERS if each.low.lstrip("-").isdigit()], ids=lambda option: option.name
)
def test_numbers_have_a_lowest_value(option: Option, module: Module) -> None:
    refused(f"{option.name}={int(option.low) - 1}", module)
    proof = prove(group(f"{option.name}={option.low}"))
    assert proof.status == 0, proof.output


@pytest.mark.ours("D101: 6.1.1 reads with atoi(): trailing text is dropped, a word is 0")
@pytest.mark.parametrize("value", ["5x", "x", "1.5", "99999999999999999999"])
@pytest.mark.parametrize("option", [*NUMBERS, *BUFFERS], ids=lambda option: option.name)
def test_what_is_no_integer_is_refused(option: Option, value: str, module: Module) -> None:
    refused(f"{option.name}={value}", module)


@pytest.mark.parametrize("option", BUFFERS, ids=lambda option: option.name)
def test_buffers_are_0_or_large_enough(option: Option, module: Module) -> None:
    refused(f"{option.name}={int(option.low) - 1}", module)
    for value in ("0", option.low):
        assert prove(group(f"{option.name}={value}")).status == 0


@pytest.mark.parametrize(
    "text",
    [
        "threads=65534",
        "switch-interval=0",
        "switch-interval=-1",
        "switch-interval=fast",
        "user=root",
        "user=#0",
        "user=#4294967",
        "user=nobody-has-this-name",
        "group=nobody-has-this-name",
        "supplementary-groups=daemon,nobody-has-this-name",
        "socket-user=nobody-has-this-name",
        "script-user=nobody-has-this-name",
        "script-group=nobody-has-this-name",
        "home=relative",
        "server-metrics=maybe",
    ],
)
def test_bad_values_are_refused(text: str, module: Module) -> None:
    """Appendix B of the reference."""
    refused(text, module)


@pytest.mark.needs_root
def test_a_relative_chroot_is_refused(module: Module) -> None:
    refused("chroot=relative", module)


def test_more_groups_than_the_system_has_places_for_are_refused(module: Module) -> None:
    """The primary group takes one of the places."""
    most = os.sysconf("SC_NGROUPS_MAX")
    proof = prove(group(f"supplementary-groups={','.join(['#7'] * (most - 1))}"))
    assert proof.status == 0, proof.output[-300:]
    proof = prove(f"WSGIDaemonProcess one supplementary-groups={','.join(['#7'] * (most + 1))}")
    assert proof.status != 0
    if not module.peer:
        assert f"{most + 1} groups are more than the system allows, {most - 1}" in proof.output


def test_script_user_and_script_group_exclude_each_other(module: Module) -> None:
    proof = prove("WSGIDaemonProcess one script-user=daemon script-group=daemon")
    assert proof.status != 0
    if not module.peer:
        for word in ("WSGIDaemonProcess one", "script-user=daemon", "script-group=daemon"):
            assert word in proof.output


# ---- effects -------------------------------------------------------------------------------


def one(text: str, more: str = "") -> Callable[[Layout], str]:
    """A group `app` with started.wsgi."""

    def configure(layout: Layout) -> str:
        return f"""
{more}
WSGIDaemonProcess app {text}
WSGIScriptAlias / {layout.apps}/started.wsgi process-group=app application-group=%{{GLOBAL}}
"""

    return configure


@pytest.mark.needs_root
def test_supplementary_groups_replace_those_of_the_user(new_server: Any) -> None:
    """The primary group comes first, and the list after it; root's groups are gone."""
    server = new_server(one("supplementary-groups=bin,#3 threads=2 group=daemon")).start()
    expected = {grp.getgrnam("daemon").gr_gid, grp.getgrnam("bin").gr_gid, 3}
    assert set(server.get("/").json()["groups"]) == expected


@pytest.mark.needs_root
def test_socket_user_owns_the_sockets(new_server: Any) -> None:
    other = next(name for name in ("games", "bin", "daemon") if name != places().user)
    server = new_server(one(f"socket-user={other} threads=2")).start()
    assert server.get("/").status == 503, "Apache's children may not connect"
    server.expect_code(117)
    # All but that by which a group is reloaded.
    paths = [path for path in server.layout.runtime.iterdir() if ".ctl." not in path.name]
    sockets = [path.stat() for path in paths if stat.S_ISSOCK(path.stat().st_mode)]
    assert {found.st_uid for found in sockets} == {pwd.getpwnam(other).pw_uid}
    if not server.layout.module.peer:
        assert {stat.S_IMODE(found.st_mode) for found in sockets} == {0o600}


def test_priority_and_limits(new_server: Any) -> None:
    """cpu-time-limit is soft; hard is shutdown-timeout and a second more."""
    server = new_server(
        one(
            "cpu-priority=3 cpu-time-limit=600 shutdown-timeout=7 memory-limit=3000000000 "
            "virtual-memory-limit=8000000000 threads=2"
        )
    ).start()
    found = server.get("/").json()
    assert found["nice"] == 3
    assert found["cpu"] == [600, 608]
    assert found["data"] == [3000000000, 3000000000]
    assert found["space"] == [8000000000, 8000000000]


@pytest.mark.needs_root
@pytest.mark.ours("D120: 6.1.1 does not say the option")
def test_a_limit_that_cannot_be_set_is_told_once(new_server: Any) -> None:
    """More than the hard limit that httpd has itself; the process runs without."""
    server = new_server(one("memory-limit=3000000000 threads=1")).start()
    assert server.get("/").json()["data"] == [3000000000, 3000000000]
    resource.prlimit(server.pid, resource.RLIMIT_DATA, (2000000000, 2000000000))
    server.graceful()
    (line,) = server.expect("memory-limit")
    assert server.get("/").json()["data"] == [2000000000, 2000000000]
    assert "option memory-limit=3000000000 has no effect" in line.text


@pytest.mark.parametrize(
    ("text", "once"),
    [
        ("threads=1 maximum-requests=1", True),
        ("threads=2 maximum-requests=1", False),
        ("threads=1 maximum-requests=2", False),
        ("threads=1", False),
    ],
)
def test_run_once(new_server: Any, text: str, once: bool) -> None:
    server = new_server(one(text)).start()
    assert server.get("/").json()["run_once"] is once


def test_switch_interval_and_eggs(new_server: Any) -> None:
    """The directives of these names are for embedded mode."""
    more = "WSGISwitchInterval 0.02\nWSGIPythonEggs /elsewhere"
    server = new_server(one("switch-interval=0.035 python-eggs=/tmp threads=2", more)).start()
    found = server.get("/").json()
    assert (found["interval"], found["eggs"]) == (0.035, "/tmp")


@pytest.mark.ours("D709: on Linux an accepted UNIX socket does not inherit what 6.1.1 gives the listener")
def test_buffer_sizes_reach_the_connections(new_server: Any) -> None:
    """The system tells twice of what it was told."""
    server = new_server(one("send-buffer-size=20000 receive-buffer-size=30000 threads=2")).start()
    assert server.get("/").json()["buffer"] == 40000
    body = b"x" * 500000
    assert server.request("POST", "/", body).status == 200, "more than fits the buffers"


def test_backlog_0_is_allowed(new_server: Any) -> None:
    server = new_server(one("listen-backlog=0 threads=2")).start()
    assert server.get("/").status == 200


@pytest.mark.ours("D710: 6.1.1 exports what the system does not know")
def test_an_unknown_locale_is_told_and_replaced(new_server: Any) -> None:
    """C14: `httpd -t` and the start name option and value, C.UTF-8 is used."""
    server = new_server(one("locale=xx_YY.nope threads=2"))
    proof = server.prove()
    assert proof.status == 0
    assert "option locale=xx_YY.nope" in proof.output
    assert "C.UTF-8" in proof.output
    server.start()
    assert server.get("/").json()["environ"]["LC_ALL"] == "C.UTF-8"
    server.expect("option locale=xx_YY.nope")


# ---- Python's own switches -----------------------------------------------------------------

SWITCHES = """
WSGIDontWriteBytecode On
WSGIPythonOptimize 2
WSGIPythonWarnings error::UserWarning
WSGIPythonWarnings ignore::DeprecationWarning
"""


def test_switches_reach_a_daemon(new_server: Any) -> None:
    server = new_server(one("threads=2", SWITCHES)).start()
    found = server.get("/").json()
    assert (found["optimize"], found["no_bytecode"]) == (2, True)
    assert found["warnings"] == ["error::UserWarning", "ignore::DeprecationWarning"]


def test_a_hash_seed_reaches_a_daemon(new_server: Any) -> None:
    """The same in two servers, and not left in os.environ."""
    seen = []
    for _ in range(2):
        server = new_server(one("threads=2", "WSGIPythonHashSeed 42")).start()
        found = server.get("/").json()
        seen.append(found["hash"])
        assert found["seed"] is None
    assert seen[0] == seen[1]


@pytest.fixture
def outer_seed(monkeypatch: pytest.MonkeyPatch) -> str:
    """A PYTHONHASHSEED in the environment of httpd."""
    plain = server_module._environment
    monkeypatch.setattr(server_module, "_environment", lambda mark: {**plain(mark), "PYTHONHASHSEED": "7"})
    return "7"


@pytest.mark.ours("D116: in 6.1.1 `random` is the fixed seed 0")
def test_a_random_hash_seed_is_random(new_server: Any, outer_seed: str) -> None:
    """Also where httpd has a fixed one, which the application still sees."""
    seen = set()
    for _ in range(3):
        server = new_server(one("threads=2", "WSGIPythonHashSeed random")).start()
        found = server.get("/").json()
        seen.add(found["hash"])
        assert found["seed"] == outer_seed
    assert len(seen) > 1


def test_a_hash_seed_beats_that_of_httpd(new_server: Any, outer_seed: str) -> None:
    """Two numbers, two hashes; os.environ has what httpd has."""
    seen = set()
    for line in ("WSGIPythonHashSeed 42", ""):
        server = new_server(one("threads=2", line)).start()
        found = server.get("/").json()
        seen.add(found["hash"])
        assert found["seed"] == outer_seed
    assert len(seen) == 2


@pytest.mark.parametrize("option", ["python-path", "python-home", "python-eggs", "lang", "locale", "display-name"])
def test_an_empty_value_is_none(option: str) -> None:
    """Configurations that `mod_wsgi-express setup-server` wrote hold python-path='' and the like."""
    proof = prove(f"WSGIDaemonProcess one {option}=''")
    assert proof.status == 0, proof.output


@pytest.mark.parametrize("size", [16384, 0])
def test_the_longest_header_line(new_server: Any, size: int) -> None:
    """One byte more than header-buffer-size, which counts name, colon and blank, is refused in words; 0 is 32768."""

    def configure(layout: Layout) -> str:
        layout.write_app("long.wsgi", LONG_HEADER)
        return (
            f"WSGIDaemonProcess app header-buffer-size={size} threads=2\n"
            f"WSGIScriptAlias / {layout.apps}/long.wsgi process-group=app application-group=%{{GLOBAL}}\n"
        )

    server = new_server(configure).start()
    longest = size or 32768
    fits = server.get(f"/?{longest - 200}")
    assert (fits.status, len(fits.get("X-Long") or "")) == (200, longest - 200)
    assert server.get(f"/?{longest + 1}").status == 500
    server.expect("X-Long|header")


LONG_HEADER = """
def application(environ, start_response):
    start_response("200 OK", [("Content-Type", "text/plain"), ("X-Long", "x" * int(environ["QUERY_STRING"]))])
    return [b"there"]
"""


@pytest.mark.parametrize("size", [1 << 20, 24 << 20])
def test_stack_size(new_server: Any, size: int) -> None:
    """What the system says about the thread that works on the request."""

    def configure(layout: Layout) -> str:
        layout.write_app("stack.wsgi", STACK)
        return (
            f"WSGIDaemonProcess app stack-size={size} threads=2\n"
            f"WSGIScriptAlias / {layout.apps}/stack.wsgi process-group=app application-group=%{{GLOBAL}}\n"
        )

    server = new_server(configure).start()
    assert size <= int(server.get("/").body) <= size + (1 << 16)


STACK = """
import ctypes

C = ctypes.CDLL(None)
C.pthread_self.restype = ctypes.c_ulong


def application(environ, start_response):
    attributes, size = ctypes.create_string_buffer(256), ctypes.c_size_t()
    assert C.pthread_getattr_np(ctypes.c_ulong(C.pthread_self()), attributes) == 0
    C.pthread_attr_getstacksize(attributes, ctypes.byref(size))
    C.pthread_attr_destroy(attributes)
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [b"%d" % size.value]
"""


@pytest.mark.needs_root
@pytest.mark.ours("D709: on Linux an accepted UNIX socket does not inherit what 6.1.1 gives the listener")
def test_receive_buffer_size_is_what_apache_may_send(new_server: Any) -> None:
    """The buffer of a UNIX socket is its sender's: it is set at the end of the Apache child."""
    server = new_server(one("receive-buffer-size=30000 threads=2")).start()
    daemon = server.get("/").json()["pid"]
    sizes = [size for pid in server.family() if pid != daemon for size in sizes_of_connections(pid)]
    assert 60000 in sizes


def sizes_of_connections(pid: int) -> list[int]:
    """Send buffers of the UNIX stream connections that a process has."""
    process = os.pidfd_open(pid)
    system = ctypes.CDLL(None, use_errno=True)
    sizes = []
    for number in os.listdir(f"/proc/{pid}/fd"):
        copy = system.syscall(438, process, int(number), 0)  # pidfd_getfd, on all machines
        if copy < 0:
            continue
        if not stat.S_ISSOCK(os.fstat(copy).st_mode):
            os.close(copy)
            continue
        with socket.socket(fileno=copy) as found:
            if found.family == socket.AF_UNIX and found.type == socket.SOCK_STREAM:
                sizes.append(found.getsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF))
    os.close(process)
    return sizes
