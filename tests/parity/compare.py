# SPDX-License-Identifier: Apache-2.0
"""Two sides' parts: what differs, and whether a difference is one we accept."""

from __future__ import annotations

import difflib
import json
import re

from typing import Any

from parity import known
from parity.known import Diffs
from parity.model import Case, Check
from parity.pair import Shown


def _value(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=True, sort_keys=True, default=str)


def _two(peer: Any, ours: Any) -> str:
    """Both values, as a diff when they are long."""
    one, two = _value(peer), _value(ours)
    if max(len(one), len(two)) < 200 and "\n" not in one + two:
        return f"6.1.1: {one}\nours:  {two}"
    lines = difflib.unified_diff(one.splitlines(), two.splitlines(), "6.1.1", "ours", n=1, lineterm="")
    return "\n".join(line[:300] for line in list(lines)[:40])


def _part(name: str, peer: Any, ours: Any) -> Diffs:
    """A part's differences; dictionaries are compared key by key."""
    if peer == ours:
        return {}
    if isinstance(peer, dict) and isinstance(ours, dict):
        return {
            f"{name}:{key}": _two(peer.get(key, "(absent)"), ours.get(key, "(absent)"))
            for key in sorted({*peer, *ours})
            if peer.get(key, "(absent)") != ours.get(key, "(absent)")
        }
    if name == "headers" and isinstance(peer, list) and isinstance(ours, list):
        names = {pair[0] for pair in [*peer, *ours]}
        sides = {n: ([v for k, v in peer if k == n], [v for k, v in ours if k == n]) for n in sorted(names)}
        return {f"headers:{n}": _two(one, two) for n, (one, two) in sides.items() if one != two}
    return {name: _two(peer, ours)}


def diff(peer: Shown, ours: Shown) -> tuple[Diffs, set[str]]:
    """All parts of all steps that differ, and the differences by which others are forgiven."""
    if peer.error or ours.error:
        return {"run": _two(peer.error or "ran", ours.error or "ran")}, set()
    log, used = known.log_of_peer(peer.log, ours.log)
    found: Diffs = {}
    if len(peer.steps) != len(ours.steps):
        found["steps"] = _two(len(peer.steps), len(ours.steps))
    for number, (one, two) in enumerate(zip(peer.steps, ours.steps, strict=False), 1):
        for part in sorted({*one, *two} - {"output"}):
            for key, text in _part(part, one.get(part, "(absent)"), two.get(part, "(absent)")).items():
                found[key] = found.get(key, "") + (f"step {number}: " if len(peer.steps) > 1 else "") + text
    if "line" in found and ("status" in found or not peer.steps[0]["line"]):
        del found["line"]  # follows from the status; or 6.1.1 does not say where
    if "kind" in found and "status" in found:
        del found["kind"]
    if peer.log or ours.log:
        found.update(_part("log", log, ours.log))
    return found, used | known.forgive(peer, ours, found)


def judge(case: Case | Check, found: Diffs) -> tuple[list[str], set[str]]:
    """What fails, and which accepted differences were seen."""
    failures: list[str] = []
    used: dict[str, str] = {}
    for part, text in found.items():
        accepting = next((name for name in case.accepted if part == name or part.startswith(name + ":")), None)
        if accepting is None:
            failures.append(f"{part} differs:\n{text}")
        else:
            used[accepting] = case.accepted[accepting]
    for part, difference in case.accepted.items():
        if part not in used:
            failures.append(f"{part} no longer differs: take {difference} out of this case")
    return failures, set(used.values())


def sense(case: Case, peer: Shown) -> list[str]:
    """Whether 6.1.1 did what the case says it does: else the comparison proves nothing."""
    if peer.error:
        return [f"6.1.1: {peer.error}"]
    wrong: list[str] = []
    last = peer.steps[-1] if peer.steps else {}
    if case.status is not None and "status" in last and last["status"] != case.status:
        wrong.append(f"6.1.1 answers {last['status']}, the case says {case.status}")
    shown = "".join(_value(last.get(part, "")) for part in ("body", "environ", "result"))
    wrong += [f"6.1.1 does not show {text!r} in:\n{shown[:1500]}" for text in case.shows if text not in shown]
    if "log" not in case.skip:
        codes = sorted(known.log_of_peer(peer.log, {})[0]["codes"])
        declared = known.once({f"WSGI{code:04d}": "" for code in case.codes})
        if codes != sorted(declared):
            wrong.append(f"6.1.1 logs {codes}, the case says {sorted(declared)}")
    return wrong


def kept_promise(case: Case, ours: Shown) -> list[str]:
    """Parts of which the case says what ours has to show."""
    last = ours.steps[-1] if ours.steps else {}
    wrong = []
    for part, value in case.ours.items():
        name, _, key = part.partition(":")
        found = ours.log if name == "log" else last.get(name)
        if key and isinstance(found, dict):
            found = found.get(key, "(absent)")
        if found != value:
            wrong.append(f"ours shows {part} {_value(found)}, the case says {_value(value)}")
    return wrong


def matches(pattern: str, text: str) -> bool:
    """Whether a message is about this circumstance."""
    return re.search(pattern, text, re.IGNORECASE | re.DOTALL) is not None


def directive_at(text: str, number: int) -> str:
    """The directive on this line; a continued line belongs to where it began."""
    lines = text.split("\n")
    if not 0 < number <= len(lines):
        return ""
    while number > 1 and lines[number - 2].endswith("\\"):
        number -= 1
    found = re.match(r"\s*</?(\w+)|\s*(\w+)", lines[number - 1])
    return (found.group(1) or found.group(2)) if found else ""
