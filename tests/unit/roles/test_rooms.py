# Copyright (c) 2026, the pyweb.mod_wsgi contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The rooms of the C module (docs/architecture.md): who may include whom."""

from __future__ import annotations

import os
import re

from collections.abc import Iterator
from pathlib import Path

import pytest

FILES = Path(__file__).resolve().parents[3] / "roles" / "mod_wsgi_build" / "files"
SOURCES = sorted(path for path in FILES.rglob("*.[ch]"))

# Rooms that look after one thing together, and so know each other. Everything else includes only downwards.
KNOTS = (
    {"adopt", "ends", "environment", "identity", "launch", "minder", "plans", "renewal", "services", "spawn"},
    {"names", "route"},
    {
        *("connection", "crash", "errors", "events", "hint", "interp", "layers", "logpipe", "metrics"),
        *("monitor", "patience", "process", "run", "script", "serve", "service", "site", "stacks", "stream"),
    },
)


def room_of(path: Path) -> str:
    """Return "apache/relay" for that file and its header."""
    return path.relative_to(FILES).with_suffix("").as_posix()


def includes(path: Path) -> Iterator[str]:
    """Return what a file includes, as it is written."""
    yield from re.findall(r'^\s*#\s*include\s+["<]([^">]+)[">]', path.read_text(encoding="utf-8"), re.M)


def doors() -> dict[str, set[str]]:
    """Return which rooms each room includes."""
    found: dict[str, set[str]] = {}
    for path in SOURCES:
        mine = found.setdefault(room_of(path), set())
        for name in includes(path):
            other = Path(os.path.normpath(path.parent / name))
            if other.is_file() and room_of(other) != room_of(path):
                mine.add(room_of(other))
    return found


def reached(graph: dict[str, set[str]], start: str) -> set[str]:
    """Return the rooms that `start` includes, directly or not."""
    seen: set[str] = set()
    waiting = set(graph.get(start, set()))
    while waiting:
        room = waiting.pop()
        if room not in seen:
            seen.add(room)
            waiting |= graph.get(room, set())
    return seen


def test_the_sides_meet_only_on_the_wire() -> None:
    allowed = {"apache": {"apache", "wire"}, "python": {"python", "wire"}, "wire": {"wire"}}
    for room, others in doors().items():
        side = room.split("/")[0]
        if side in allowed:
            assert {other.split("/")[0] for other in others} <= allowed[side], room


@pytest.mark.parametrize(
    ("side", "foreign"),
    [
        ("apache", r"Python\.h"),
        ("wire", r"(Python|httpd|apr_\w+|ap_\w+|http_\w+)\.h"),
        ("python", r"(httpd|apr_\w+|ap_\w+|http_\w+)\.h"),
    ],
)
def test_each_side_has_its_own_headers(side: str, foreign: str) -> None:
    for path in SOURCES:
        if path.parent.name == side:
            assert not [name for name in includes(path) if re.fullmatch(foreign, name)], path


def test_rooms_include_only_downwards() -> None:
    graph = doors()
    circles = {room: {other for other in reached(graph, room) if room in reached(graph, other)} for room in graph}
    knots = {frozenset(Path(room).name for room in circle) for circle in circles.values() if circle}
    assert knots == {frozenset(knot) for knot in KNOTS}


def test_a_file_has_one_subject() -> None:
    assert {
        path.name: lines for path in SOURCES if (lines := len(path.read_text(encoding="utf-8").splitlines())) > 900
    } == {}
