# SPDX-License-Identifier: Apache-2.0
"""One table: phases, and in each our side and the other one."""

from __future__ import annotations

import math

from collections.abc import Sequence

from chaos.judge import Seen, note_overload, percentile, verdict

HEAD = (
    ("phase", 11),
    ("side", 6),
    ("events", 6),
    ("app fresh", 22),
    ("app kept", 22),
    ("static fresh", 14),
    ("static kept", 14),
    ("others", 14),
    ("gap", 6),
    ("p99 app", 8),
    ("p99 oth", 8),
    ("twice", 5),
    ("old", 4),
    ("", 4),
)


def bad(seen: Seen, site: str, kind: str = "") -> str:
    """Requests, and what was no 200."""
    stream = seen.stream(site, kind)
    kinds = " ".join(f"{outcome}:{count}" for outcome, count in sorted(stream.kinds.items()))
    return f"{len(stream.records)} {kinds}" if kinds else f"{len(stream.records)} -"


def others(seen: Seen) -> str:
    """The neighbours, and the long requests, together."""
    rest = [site for site in seen.applications if site != "app"]
    wrong = {site: len(seen.stream(site).bad) for site in rest if seen.stream(site).bad}
    total = sum(len(seen.stream(site).records) for site in rest)
    return f"{total} " + (" ".join(f"{site}:{count}" for site, count in wrong.items()) or "-")


def milliseconds(seconds: float) -> str:
    """For people."""
    return "-" if math.isinf(seconds) else f"{seconds * 1000:.0f}"


def row(seen: Seen) -> tuple[str, ...]:
    """One line of the table."""
    neighbours = [each for site in ("other", "embedded") for each in seen.stream(site).records]
    return (
        seen.phase,
        seen.side,
        str(seen.count),
        bad(seen, "app", "fresh"),
        bad(seen, "app", "reused"),
        bad(seen, "static", "fresh"),
        bad(seen, "static", "reused"),
        others(seen),
        milliseconds(seen.stream("app").gap),
        milliseconds(percentile(seen.stream("app").records, 0.99)),
        milliseconds(percentile(neighbours, 0.99)),
        str(len(seen.twice)),
        str(len(seen.old_code)),
        "FAIL" if verdict(seen) else "ok",
    )


def table(rows: Sequence[Seen]) -> list[str]:
    """All of it; a cell is as wide as it needs to be."""
    cells = [tuple(name for name, _ in HEAD), *(row(seen) for seen in rows)]
    widths = [max(len(line[column]) for line in cells) for column in range(len(HEAD))]
    lines = ["  ".join(cell.ljust(width) for cell, width in zip(line, widths)).rstrip() for line in cells]
    return [lines[0], "-" * len(lines[0]), *lines[1:]]


def explain(rows: Sequence[Seen]) -> list[str]:
    """Notes, and reasons for failures."""
    lines = []
    for seen in rows:
        note_overload(seen)
        lines += [f"{seen.phase}, {seen.side}: {note}" for note in dict.fromkeys(seen.notes)]
        lines += [f"{seen.phase}, {seen.side}: FAIL: {reason}" for reason in verdict(seen)]
        rises = seen.rises() if seen.rule == "neighbours" else {}
        for site, (before, during) in rises.items():
            if site != "app":
                words = f"p99 of {site} {before * 1000:.1f} ms before, {during * 1000:.1f} ms during the import"
                lines.append(f"{seen.phase}, {seen.side}: {words}")
    return lines
