# SPDX-License-Identifier: Apache-2.0
"""Daemon processes: what the options do, who takes a request, how processes come and go."""

from __future__ import annotations

import grp
import os
import pwd
import signal
import time

from pathlib import Path
from typing import Any

import pytest

from harness import Server, application_venv, places, processes, wait_until
from harness.calls import Call, entered, one_group, words
from harness.client import RawConnection
from harness.processes import children_of, command_line, parent_of

# ---- options -------------------------------------------------------------------------------


@pytest.mark.needs_root
def test_user_and_group_apply(new_server: Any) -> None:
    here = places()
    other = next(user for user in ("games", "nobody", "daemon", "bin") if user != here.user)
    user, group = pwd.getpwnam(other), grp.getgrnam("daemon")
    server = new_server(one_group(f"user={other} group=daemon home=/tmp threads=2")).start()
    found = server.get("/").json()
    assert (found["uid"], found["euid"]) == (user.pw_uid, user.pw_uid)
    assert (found["gid"], found["egid"]) == (group.gr_gid, group.gr_gid)
    assert group.gr_gid in found["groups"]
    assert 0 not in found["groups"], "root's groups are gone"
    assert found["environ"]["HOME"] == user.pw_dir
    assert found["environ"].get("USER", other) == other
    status = Path(f"/proc/{found['pid']}/status").read_text()
    assert f"Uid:\t{user.pw_uid}\t{user.pw_uid}\t{user.pw_uid}\t{user.pw_uid}" in status


@pytest.mark.needs_root
def test_server_user_is_the_default(new_server: Any) -> None:
    server = new_server(one_group("threads=2")).start()
    found = server.get("/").json()
    user = pwd.getpwnam(places().user)
    assert (found["uid"], found["gid"]) == (user.pw_uid, grp.getgrnam(places().group).gr_gid)


def title(server: Server, pid: int) -> str:
    """What ps shows; 6.1.1 overwrites argv[0] only and leaves httpd's other arguments."""
    shown = command_line(pid).strip()
    return shown.partition(" -d ")[0].strip() if server.layout.module.peer else shown


def test_umask_home_path_and_title(new_server: Any) -> None:
    options = (
        "umask=0027 home=@ROOT@/scratch python-path=@ROOT@/apps:@ROOT@/htdocs "
        "display-name=%{GROUP} lang=C.UTF-8 locale=C.UTF-8 processes=2 threads=3"
    )
    server = new_server(one_group(options)).start()
    found = server.get("/").json()
    layout = server.layout
    assert found["umask"] == "0027"
    assert found["cwd"] == str(layout.scratch)
    expected = [str(layout.scratch), str(layout.apps), str(layout.htdocs)]
    assert found["path"][:3] == expected
    assert title(server, found["pid"]) == "(wsgi:app)"
    assert (found["environ"]["LANG"], found["environ"]["LC_ALL"]) == ("C.UTF-8", "C.UTF-8")
    assert found["locale"] == "C.UTF-8"
    assert found["filesystem"] == "utf-8"
    assert (found["processes"], found["threads"]) == (2, 3)
    assert found["argv"] == ["mod_wsgi"]
    assert found["process_group"] == "app"
    assert found["application_group"] == ""
    assert found["mod_wsgi"] == [6, 1, 1]


def test_plain_display_name(new_server: Any) -> None:
    server = new_server(one_group("display-name='my own name' threads=1")).start()
    pid = server.get("/").json()["pid"]
    assert title(server, pid) == "my own name"


def test_defaults(new_server: Any) -> None:
    server = new_server(one_group("")).start()
    found = server.get("/").json()
    assert (found["processes"], found["threads"]) == (1, 15)
    assert str(server.layout.apps) not in found["path"][:1]
    assert "" not in found["path"], "no entry of the launcher's own is left"
    assert found["prefix"] == found["base_prefix"]


def test_environment_is_apaches_own(new_server: Any) -> None:
    """The daemon inherits Apache's environment; SetEnv values belong to requests."""
    server = new_server(one_group("", "SetEnv FROM_SETENV value")).start()
    found = server.get("/").json()["environ"]
    assert found["PATH"] == "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
    assert found["WSGI_TEST_SERVER"] == server.mark
    assert "FROM_SETENV" not in found


def test_venv_as_python_home(new_server: Any) -> None:
    venv = application_venv()
    server = new_server(one_group(f"python-home={venv} threads=2")).start()
    found = server.get("/").json()
    assert found["prefix"] == str(venv)
    assert found["base_prefix"] != str(venv)
    assert any(entry.startswith(f"{venv}/lib/") for entry in found["path"])


@pytest.mark.ours("D509: 6.1.1 reports no interpreter of the venv while running inside httpd's image")
def test_executable_is_the_interpreter_of_the_home(new_server: Any) -> None:
    venv = application_venv()
    server = new_server(one_group(f"python-home={venv} threads=2")).start()
    found = server.get("/").json()
    assert found["executable"] == f"{venv}/bin/python"
    assert os.path.realpath(f"/proc/{found['pid']}/exe") == os.path.realpath(f"{venv}/bin/python")


def test_signals_are_in_order(new_server: Any) -> None:
    server = new_server(one_group("threads=2")).start()
    found = server.get("/").json()
    assert found["signals"]["SIGPIPE"] == "ignored"
    assert found["signals"]["SIGCHLD"] == "default"
    assert found["signals"]["SIGTERM"] == "handled"
    assert found["signals"]["SIGALRM"] == "default"


# ---- the process tree ----------------------------------------------------------------------


@pytest.mark.ours("D508, D701: 6.1.1 has no supervisor, and maps libpython in the parent")
def test_process_tree(new_server: Any) -> None:
    server = new_server(one_group("processes=2 threads=2")).start()
    daemon = server.get("/").json()["pid"]
    supervisor = parent_of(daemon)
    assert supervisor is not None
    assert parent_of(supervisor) == server.pid
    wait_until(lambda: len(children_of(supervisor)) == 2, "both daemons are there")
    for pid in (server.pid, supervisor):
        assert "libpython" not in processes.maps(pid)
        assert "_mod_wsgi." not in processes.maps(pid)
    embedded_off = [pid for pid in children_of(server.pid) if pid != supervisor]
    assert embedded_off, "the Apache children"
    assert "mod_wsgi.so" not in processes.maps(daemon), "the Apache side is not in a daemon"
    assert "/mod_" not in processes.maps(daemon).replace("/_mod_", "")


@pytest.mark.ours("D701: 6.1.1's daemons inherit what httpd has open")
def test_descriptors_of_a_daemon(new_server: Any) -> None:
    server = new_server(one_group("processes=2 threads=2")).start()
    found = server.get("/").json()
    open_files = {int(number): target for number, target in found["descriptors"].items()}
    assert open_files[0] == "/dev/null"
    assert open_files[1].startswith("pipe:")
    assert open_files[1] == open_files[2]
    for target in open_files.values():
        assert ".log" not in target, "no log file is open"
        assert "httpd" not in target
    ports = f":{server.layout.port:04X} "
    inodes = {
        line.split()[9] for line in Path("/proc/net/tcp").read_text().splitlines() if ports in line.split()[1] + " "
    }
    assert not {f"socket:[{inode}]" for inode in inodes} & set(open_files.values())


@pytest.mark.ours("D701: 6.1.1's signal dispositions are httpd's")
def test_clean_signal_state(new_server: Any) -> None:
    found = new_server(one_group("threads=2")).start().get("/").json()
    assert found["blocked"] in ([], found["blocked"])
    assert signal.SIGTERM not in found["blocked"] or found["signals"]["SIGTERM"] == "handled"
    for name in ("SIGCHLD", "SIGALRM", "SIGQUIT"):
        assert found["signals"][name] == "default", name


@pytest.mark.ours("D508: 6.1.1 maps libpython in every Apache child")
def test_children_are_free_of_python_when_embedded_is_off(new_server: Any) -> None:
    server = new_server(one_group("threads=2", "WSGIRestrictEmbedded On")).start()
    daemon = server.get("/").json()["pid"]
    supervisor = parent_of(daemon)
    for pid in children_of(server.pid):
        if pid != supervisor:
            assert "libpython" not in processes.maps(pid)


# ---- who takes a request -------------------------------------------------------------------


def test_any_idle_worker_takes_the_next_request(new_server: Any) -> None:
    """One process of two is full: all that follows goes to the other one."""
    server = new_server(one_group("processes=2 threads=1")).start()
    scratch = server.layout.scratch
    slow = Call(server, f"/?entered={scratch}/in&gate={scratch}/gate")
    (busy,) = entered(scratch / "in")
    for _ in range(20):
        reply = server.get("/")
        assert reply.status == 200
        assert str(reply.json()["pid"]) != busy
    (scratch / "gate").touch()
    assert str(slow.result().json()["pid"]) == busy


def test_all_threads_work_at_once(new_server: Any) -> None:
    server = new_server(one_group("processes=2 threads=4")).start()
    scratch = server.layout.scratch
    calls = [Call(server, f"/?entered={scratch}/in&gate={scratch}/gate") for _ in range(8)]
    pids = entered(scratch / "in", 8)
    assert len(set(pids)) == 2
    assert sorted(pids.count(pid) for pid in set(pids)) == [4, 4]
    (scratch / "gate").touch()
    assert {call.result().status for call in calls} == {200}


def test_more_requests_than_threads_wait_their_turn(new_server: Any) -> None:
    server = new_server(one_group("processes=1 threads=2")).start()
    scratch = server.layout.scratch
    calls = [Call(server, f"/?entered={scratch}/in&gate={scratch}/gate") for _ in range(10)]
    assert len(entered(scratch / "in", 2)) == 2
    (scratch / "gate").touch()
    assert [call.result().status for call in calls] == [200] * 10
    assert len(words(scratch / "in")) == 10, "each ran once"


def test_a_client_that_only_stopped_sending_gets_its_answer(new_server: Any) -> None:
    """A half-closed connection is no sign that nobody waits: one such request runs, one is queued."""
    server = new_server(one_group("processes=1 threads=1")).start()
    scratch = server.layout.scratch
    target = f"/?entered={scratch}/in&gate={scratch}/gate".encode()
    request = b"GET " + target + b" HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"
    with RawConnection(server.layout.port) as running, RawConnection(server.layout.port) as queued:
        running.send(request)
        running.finish_sending()
        entered(scratch / "in")
        queued.send(request)
        queued.finish_sending()
        time.sleep(2.5)  # whoever waits looks after its client once a second
        (scratch / "gate").touch()
        assert running.receive_all().startswith(b"HTTP/1.1 200 ")
        assert queued.receive_all().startswith(b"HTTP/1.1 200 ")
