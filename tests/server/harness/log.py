# SPDX-License-Identifier: Apache-2.0
"""Error logs: reading what came, naming what was expected, refusing the rest."""

from __future__ import annotations

import re

from dataclasses import dataclass, field
from pathlib import Path

from harness.processes import DEADLINE, wait_until

RECORD = re.compile(
    r"^\[[^\]]+\] \[(?P<module>[\w-]*):(?P<level>\w+)\] \[pid (?P<pid>\d+)(?::tid \d+)?\] "
    r"(?P<message>.*)$"
)
CODE = re.compile(r"WSGI(\d{4}):")

# What a healthy httpd says about its own life.
ROUTINE = re.compile(
    r"AH00489|AH00292|AH00163"  # configured -- resuming normal operations
    r"|AH00094: Command line"
    r"|AH00491|AH00295|AH00169"  # caught SIGTERM, shutting down
    r"|AH00492|AH00493|AH00171"  # graceful restart, graceful stop
    # A stop closes client sockets under the event MPM's workers; one may just be done with a request.
    r"|\(9\)Bad file descriptor: AH03093"
)


@dataclass(frozen=True)
class Line:
    """One line of an error log; without a module it did not come from httpd's logger."""

    text: str
    module: str = ""
    level: str = ""
    pid: int = 0
    message: str = ""

    @property
    def code(self) -> int | None:
        """n of WSGInnnn, None when the line carries none."""
        found = CODE.search(self.text)
        return int(found.group(1)) if found else None

    @property
    def routine(self) -> bool:
        """Whether httpd tells of its own life; its parent may still do so when children answer already."""
        return bool(ROUTINE.search(self.text))


def parse(text: str) -> Line:
    """Takes a line apart."""
    found = RECORD.match(text)
    if not found:
        return Line(text)
    return Line(text, found["module"], found["level"], int(found["pid"]), found["message"])


@dataclass
class ErrorLog:
    """One log file, read from a mark on; lines are consumed by what a test declares."""

    path: Path
    mark: int = 0
    consumed: set[int] = field(default_factory=set)
    allowed: list[re.Pattern[str]] = field(default_factory=list)

    def lines(self) -> list[Line]:
        """Whole lines since the mark."""
        if not self.path.exists():
            return []
        text = self.path.read_bytes()[self.mark :].decode("utf-8", "replace")
        return [parse(line) for line in text.split("\n")[:-1]]

    def forget(self) -> None:
        """Starts afresh behind what is there now."""
        self.mark = self.path.stat().st_size if self.path.exists() else 0
        self.consumed.clear()
        self.allowed.clear()

    def matching(self, pattern: str) -> list[tuple[int, Line]]:
        """Lines not yet consumed that match, with their index."""
        wanted = re.compile(pattern)
        return [
            (index, line)
            for index, line in enumerate(self.lines())
            if index not in self.consumed and wanted.search(line.text)
        ]

    def expect(self, pattern: str, count: int = 1, timeout: float = DEADLINE) -> list[Line]:
        """Waits for lines that match, consumes them, and wants exactly `count`."""
        wait_until(
            lambda: len(self.matching(pattern)) >= count,
            f"{count} line(s) match {pattern!r} in {self.path.name}, which holds:\n{self.tail()}",
            timeout,
        )
        found = self.matching(pattern)
        self.consumed.update(index for index, _ in found)
        assert len(found) == count, f"{len(found)} lines match {pattern!r}:\n{self.tail()}"
        return [line for _, line in found]

    def expect_traceback(self, last: str, *, frames: bool = True) -> list[Line]:
        """Waits for one Python traceback that ends in `last` and consumes its lines.

        Without `frames` the exception's own line is enough (6.1.1 drops them now and then).
        """
        start = r"Traceback \(most recent call last\):"

        def ends() -> list[int]:
            return [index for index, line in self.matching(last) if line.code is None]

        wait_until(
            lambda: (self.matching(start) or not frames) and ends(),
            f"a traceback ending in {last!r} is in {self.path.name}:\n{self.tail()}",
        )
        begin = self.matching(start)
        first = begin[0][0] if begin else 0
        final = max(ends())
        taken = [
            (index, line) for index, line in enumerate(self.lines()) if first <= index <= final and line.code is None
        ]
        self.consumed.update(index for index, _ in taken)
        if frames:
            assert any('File "' in line.text for _, line in taken), "a traceback names its files"
        return [line for _, line in taken]

    def allow(self, pattern: str) -> None:
        """Lines that may come, any number, until the next mark."""
        self.allowed.append(re.compile(pattern))

    def unexpected(self) -> list[Line]:
        """Lines nobody declared."""
        return [
            line
            for index, line in enumerate(self.lines())
            if index not in self.consumed
            and not line.routine
            and not any(pattern.search(line.text) for pattern in self.allowed)
        ]

    def codes(self) -> list[int]:
        """All WSGInnnn numbers since the mark, consumed or not."""
        return [line.code for line in self.lines() if line.code is not None]

    def tail(self, count: int = 25) -> str:
        """The end of the log, for messages."""
        return "\n".join("    " + line.text[:500] for line in self.lines()[-count:])
