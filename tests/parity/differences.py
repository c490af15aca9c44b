# SPDX-License-Identifier: Apache-2.0
"""Every accepted difference from 6.1.1, and what proves it; docs/differences.md tells about each.

D1-D99 are about the configuration and the processes, D101 and up about single requests.
CASES: cases of this run carry the id, and they have to differ. Otherwise `file::test`, a test of ours.
"""

from __future__ import annotations

import re

from harness.places import ROOT

PAGE = ROOT / "docs" / "differences.md"

CASES = "cases"

DIFFERENCES: dict[str, str] = {
    "D1": CASES,
    "D2": CASES,
    "D3": CASES,
    "D4": CASES,
    "D5": CASES,
    "D6": CASES,
    "D7": CASES,
    "D8": "tests/server/test_interpreters.py::test_groups_never_mix",
    "D9": CASES,
    "D10": CASES,
    "D11": CASES,
    "D12": CASES,
    "D13": CASES,
    "D14": CASES,
    "D15": CASES,
    "D101": CASES,
    "D102": CASES,
    "D50": CASES,
    "D51": CASES,
    "D52": CASES,
    "D53": CASES,
    "D54": CASES,
    "D55": CASES,
    "D56": CASES,
    "D57": CASES,
    "D58": CASES,
    "D59": CASES,
    "D60": CASES,
    "D61": CASES,
    "D62": CASES,
    "D63": CASES,
    "D64": CASES,
}


def in_page() -> list[str]:
    """Ids of the page, in its order."""
    return re.findall(r"(?m)^\| (D\d+) \|", PAGE.read_text())


def problems(used: set[str], complete: bool) -> list[str]:
    """Page and table, both ways; ids that nothing proves any more."""
    page = in_page()
    found = [f"{name} stands twice in {PAGE.name}" for name in sorted(set(page)) if page.count(name) > 1]
    found += [f"{name} is not in {PAGE.name}" for name in sorted({*DIFFERENCES, *used} - set(page))]
    found += [f"{name} of {PAGE.name} is not in differences.py" for name in sorted(set(page) - set(DIFFERENCES))]
    for name, proof in DIFFERENCES.items():
        if proof == CASES:
            if complete and name not in used:
                found.append(f"{name}: no case shows it any more")
            continue
        path, _, test = proof.partition("::")
        if not (ROOT / path).is_file() or f"def {test}(" not in (ROOT / path).read_text():
            found.append(f"{name}: there is no test {proof}")
    return found
