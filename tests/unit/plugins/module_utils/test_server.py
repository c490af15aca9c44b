# Copyright (c) 2026, the pyweb.mod_wsgi contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How a new server generation is told from the one before."""

from __future__ import annotations

import os
import threading

from pathlib import Path

import pytest

from ansible_collections.pyweb.mod_wsgi.plugins.module_utils._server import Server

PARENT = 4711


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Server:
    """A server whose parent is always there, unless a test says otherwise."""
    monkeypatch.setattr(Server, "_is_ours", lambda _self, pid: pid == PARENT)
    return Server("")


def write_as_httpd(pid_file: Path, pid: int = PARENT) -> None:
    """Under another name first, then renamed, as httpd does it."""
    part = pid_file.with_suffix(".part")
    part.write_text(f"{pid}\n")
    os.replace(part, pid_file)


def test_the_same_file_is_the_same_generation(server: Server, tmp_path: Path) -> None:
    pid_file = tmp_path / "httpd.pid"
    assert server.generation(str(pid_file)) is None
    write_as_httpd(pid_file)
    before = server.generation(str(pid_file))
    assert before == server.generation(str(pid_file))
    assert server.wait_for_generation(str(pid_file), before, PARENT, 0.2) == 0


def test_a_new_file_is_a_new_generation(server: Server, tmp_path: Path) -> None:
    pid_file = tmp_path / "httpd.pid"
    write_as_httpd(pid_file)
    before = server.generation(str(pid_file))
    writer = threading.Timer(0.2, write_as_httpd, [pid_file])
    writer.start()
    assert server.wait_for_generation(str(pid_file), before, PARENT, 30) == PARENT
    writer.join()


def test_a_file_written_in_place_is_one_too(server: Server, tmp_path: Path) -> None:
    pid_file = tmp_path / "httpd.pid"
    write_as_httpd(pid_file)
    before = server.generation(str(pid_file))
    os.utime(pid_file, ns=(1, 1))
    assert server.wait_for_generation(str(pid_file), before, 0, 30) == PARENT


def test_a_parent_that_ended_is_not_waited_for(server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pid_file = tmp_path / "httpd.pid"
    write_as_httpd(pid_file)
    monkeypatch.setattr(Server, "_is_ours", lambda _self, pid: False)
    assert server.wait_for_generation(str(pid_file), server.generation(str(pid_file)), PARENT, 3600) == 0


def test_a_file_of_a_process_that_is_no_httpd_does_not_count(
    server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pid_file = tmp_path / "httpd.pid"
    write_as_httpd(pid_file, 1)
    monkeypatch.setattr("ansible_collections.pyweb.mod_wsgi.plugins.module_utils._server.processes", list)
    assert server.wait_for_generation(str(pid_file), None, 0, 0.2) == 0
