# SPDX-License-Identifier: Apache-2.0
"""What /proc says about the server's processes, and waiting on conditions."""

from __future__ import annotations

import contextlib
import os
import time

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TypeVar

T = TypeVar("T")

PROC = Path("/proc")
DEADLINE = float(os.environ.get("WSGI_TEST_DEADLINE", "15"))


def wait_until(condition: Callable[[], T], what: str, timeout: float = DEADLINE) -> T:
    """Polls until the condition is true and returns its value; the time-out is against hangs."""
    end = time.monotonic() + timeout
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > end:
            raise AssertionError(f"waited {timeout:.0f} s in vain until {what}")
        time.sleep(0.01)


def _all_pids() -> Iterator[int]:
    for entry in PROC.iterdir():
        if entry.name.isdigit():
            yield int(entry.name)


def parent_of(pid: int) -> int | None:
    """The parent's pid, None when the process is gone."""
    try:
        text = (PROC / str(pid) / "stat").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return None
    return int(text.rpartition(")")[2].split()[1])


def is_alive(pid: int) -> bool:
    """Whether the process exists and is no zombie."""
    try:
        text = (PROC / str(pid) / "stat").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return False
    return text.rpartition(")")[2].split()[0] != "Z"


def parents() -> dict[int, int | None]:
    """The parent of each process there is, by one look at all of them."""
    return {pid: parent_of(pid) for pid in _all_pids()}


def children_of(pid: int) -> list[int]:
    """Direct children, oldest pid first."""
    return sorted(child for child in _all_pids() if parent_of(child) == pid)


def descendants_of(pid: int) -> list[int]:
    """The whole tree below a process, without itself."""
    parents = {child: parent_of(child) for child in _all_pids()}
    found: list[int] = []
    edge = [pid]
    while edge:
        edge = [child for child, parent in parents.items() if parent in edge]
        found.extend(edge)
    return sorted(found)


def marked_with(mark: str) -> list[int]:
    """Processes whose initial environment holds the text, orphans included."""
    wanted = mark.encode()
    found = []
    for pid in _all_pids():
        with contextlib.suppress(OSError):
            if wanted in (PROC / str(pid) / "environ").read_bytes() and is_alive(pid):
                found.append(pid)
    return sorted(found)


def command_line(pid: int) -> str:
    """The title as ps shows it."""
    try:
        raw = (PROC / str(pid) / "cmdline").read_bytes()
    except (FileNotFoundError, ProcessLookupError):
        return "(gone)"
    return raw.rstrip(b"\0 ").replace(b"\0", b" ").decode("utf-8", "replace")


def image(pid: int) -> str:
    """The path of the program it runs, "" when it is gone."""
    try:
        return os.readlink(PROC / str(pid) / "exe")
    except OSError:
        return ""


def maps(pid: int) -> str:
    """The memory map."""
    return (PROC / str(pid) / "maps").read_text()


def descriptors(pid: int) -> dict[int, str]:
    """Open descriptors and what they point at."""
    found: dict[int, str] = {}
    for entry in (PROC / str(pid) / "fd").iterdir():
        with contextlib.suppress(FileNotFoundError):
            found[int(entry.name)] = os.readlink(entry)
    return found


def catches(pid: int, number: int) -> bool:
    """Whether the process has a handler of its own for a signal."""
    with contextlib.suppress(FileNotFoundError, ProcessLookupError):
        return bool(int(status_field(pid, "SigCgt"), 16) >> (number - 1) & 1)
    return False


def is_working(pid: int) -> bool:
    """Whether any thread of the process runs, or could if it had a processor."""
    for entry in (PROC / str(pid) / "task").glob("*/stat"):
        with contextlib.suppress(FileNotFoundError, ProcessLookupError):
            if entry.read_text().rpartition(")")[2].split()[0] in "RD":
                return True
    return False


def status_field(pid: int, name: str) -> str:
    """One line of /proc/PID/status."""
    for line in (PROC / str(pid) / "status").read_text().splitlines():
        key, _, value = line.partition(":")
        if key == name:
            return value.strip()
    raise KeyError(name)
