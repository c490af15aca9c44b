# SPDX-License-Identifier: Apache-2.0
"""Application groups: each runs in an interpreter of its own, whatever thread serves it."""

from __future__ import annotations

import random

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from harness import Layout, Server

GROUPS = ("%{GLOBAL}", "one", "two", "three", "four")


def configure(layout: Layout) -> str:
    """The same script in the main interpreter and in four others of the same process."""
    aliases = "\n".join(
        f"WSGIScriptAlias /{number} {layout.apps}/interpreter.wsgi application-group={group}"
        for number, group in enumerate(GROUPS)
    )
    return layout.delegate(options="threads=6") + aliases


def ask(site: Server, number: int) -> dict[str, Any]:
    """What the interpreter of a group says about itself."""
    found: dict[str, Any] = site.get(f"/{number}").json()
    group = "" if number == 0 else GROUPS[number]
    assert (found["wanted"], found["loaded_in"], found["running_in"]) == (group, group, group)
    return found


@pytest.mark.core
@pytest.mark.ours("6.1.1 runs %{GLOBAL} in the interpreter that a thread met first (Python 3.11)")
def test_groups_never_mix(site: Server) -> None:
    """All orders in which a thread can meet the interpreters, from many clients at once."""
    numbers = list(range(len(GROUPS))) * 40
    random.Random(7).shuffle(numbers)
    with ThreadPoolExecutor(6) as pool:
        found = list(pool.map(lambda number: (number, ask(site, number)), numbers))
    by_process: dict[tuple[int, int], set[str]] = {}
    for number, facts in found:
        by_process.setdefault((facts["pid"], number), set()).add(facts["mark"])
    assert all(len(marks) == 1 for marks in by_process.values()), "one interpreter for each group"
    for pid in {pid for pid, _ in by_process}:
        marks = [next(iter(by_process[key])) for key in by_process if key[0] == pid]
        assert len(marks) == len(set(marks)), "no two groups share an interpreter"


@pytest.mark.ours("6.1.1 runs %{GLOBAL} in the interpreter that a thread met first (Python 3.11)")
@pytest.mark.parametrize("order", [(0, 1), (1, 0), (1, 2, 0, 2, 1), (0, 1, 0, 2, 0)])
def test_order_in_which_one_thread_meets_them(new_server: Any, order: tuple[int, ...]) -> None:
    """One worker thread: what it met first must not decide where the next request runs."""
    server = new_server(lambda layout: configure(layout).replace("threads=6", "threads=1"), mode="daemon").start()
    for number in order * 2:
        ask(server, number)


def test_thread_state_survives_requests(new_server: Any) -> None:
    """threading.local of a worker is the same in the next request."""
    server = new_server(lambda layout: configure(layout).replace("threads=6", "threads=1"), mode="daemon").start()
    for number in (0, 1):
        assert [ask(server, number)["seen_by_thread"] for _ in range(3)] == [1, 2, 3]
