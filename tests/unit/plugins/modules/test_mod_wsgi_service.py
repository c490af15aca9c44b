# Copyright (c) 2026, the pyweb.mod_wsgi contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which action is the smallest sufficient one, and how listeners are written."""

from __future__ import annotations

import socket

from typing import Any

import pytest

from ansible_collections.pyweb.mod_wsgi.plugins.module_utils import _server
from ansible_collections.pyweb.mod_wsgi.plugins.modules.mod_wsgi_service import (
    choose,
    smallest_action,
    socket_prefix,
    wsgi_modules,
)

OURS = "/usr/lib/apache2/modules/pyweb_mod_wsgi/1111111111111111/mod_wsgi.so"
OLDER = "/usr/lib/apache2/modules/pyweb_mod_wsgi/2222222222222222/mod_wsgi.so"
DEBIANS = "/usr/lib/apache2/modules/mod_wsgi.so-3.11"


def status(running: bool = True, modules: tuple[str, ...] = ()) -> dict[str, Any]:
    return {"running": running, "modules": list(modules)}


@pytest.mark.parametrize(
    ("running", "modules", "module", "changed", "action"),
    [
        (False, (), OURS, False, "start"),
        (False, (), "", True, "start"),
        (True, (), OURS, False, "graceful"),
        (True, (OURS,), OURS, False, "none"),
        (True, (OURS,), OURS, True, "graceful"),
        (True, (OLDER,), OURS, False, "graceful"),
        (True, (OLDER,), OURS, True, "graceful"),
        (True, (DEBIANS,), OURS, False, "restart"),
        (True, (OURS, DEBIANS), OURS, False, "restart"),
        (True, (DEBIANS,), "", False, "none"),
        (True, (DEBIANS,), "", True, "graceful"),
    ],
)
def test_smallest_action(running: bool, modules: tuple[str, ...], module: str, changed: bool, action: str) -> None:
    chosen, reason = smallest_action(status(running, modules), module, changed)
    assert chosen == action
    assert bool(reason) == (action != "none")


@pytest.mark.parametrize(
    ("asked", "running", "action"),
    [
        ("status", True, "none"),
        ("start", True, "none"),
        ("start", False, "start"),
        ("stop", False, "none"),
        ("stop", True, "stop"),
        ("graceful", False, "start"),
        ("restart", False, "start"),
        ("graceful", True, "graceful"),
    ],
)
def test_what_is_asked_for(asked: str, running: bool, action: str) -> None:
    parameters = {"action": asked, "module": None, "configuration_changed": False}
    assert choose(parameters, status(running))[0] == action


def test_only_wsgi_modules_are_told() -> None:
    assert wsgi_modules(["/usr/lib/libc.so.6", DEBIANS, OURS]) == [DEBIANS, OURS]


@pytest.mark.parametrize(
    ("address", "port", "text"),
    [
        ("*", 80, "80"),
        ("", 80, "80"),
        ("0.0.0.0", 80, "80"),
        ("::", 80, "80"),
        ("127.0.0.1", 8080, "127.0.0.1:8080"),
        ("::1", 8080, "[::1]:8080"),
    ],
)
def test_listeners_are_written_as_the_directive_wants_them(address: str, port: int, text: str) -> None:
    assert _server.Listener.of(address, port).text == text


def test_another_program_on_a_port_is_named() -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as one:
        one.bind(("127.0.0.1", 0))
        one.listen(1)
        port = one.getsockname()[1]
        assert "process" in _server.taken_by(_server.Listener("127.0.0.1", port), "/usr/sbin/nothing")
    assert _server.taken_by(_server.Listener("127.0.0.1", port), "/usr/sbin/nothing") == ""


UNIX = """\
Num       RefCount Protocol Flags    Type St Inode Path
ffff8880: 00000002 00000000 00010000 0001 01 41001 /run/other/wsgi.77.1.ctl.sock
ffff8881: 00000002 00000000 00010000 0001 01 41002 /var/run/apache 2/wsgi.1234.1.ctl.sock
ffff8882: 00000002 00000000 00010000 0001 01 41003 /var/run/apache 2/wsgi.1234.2.ctl.sock
ffff8883: 00000003 00000000 00000000 0001 03 41004 /var/run/apache 2/wsgi.1234.2.shop.0.sock
ffff8884: 00000002 00000000 00010000 0001 01 41005 /x/y.42.3.ctl
ffff8885: 00000003 00000000 00000000 0001 03 41006
"""


@pytest.mark.parametrize(
    ("pid", "prefix"),
    [(1234, "/var/run/apache 2/wsgi"), (77, "/run/other/wsgi"), (42, "/x/y"), (4, ""), (34, ""), (0, "")],
)
def test_socket_prefix(pid: int, prefix: str) -> None:
    assert socket_prefix(pid, UNIX) == prefix
