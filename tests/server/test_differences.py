# SPDX-License-Identifier: Apache-2.0
"""docs/differences.md, its table of proofs and the marks of these tests fit each other."""

from __future__ import annotations

import ast
import sys

from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from parity import differences


def test_page_table_and_marks() -> None:
    assert differences.problems(set(), complete=False) == []


def test_what_marks_say_is_found() -> None:
    """By a mark itself, and by the function that makes marks of rows."""
    text = 'WHY = "D9: so"\n@pytest.mark.ours("words")\ndef test(): pass\ndiffers(WHY, 1)\ndiffers(OTHER, 2)\n'
    found = [reason for _, reason in differences.reasons(ast.parse(text))]
    assert sorted(found) == ["D9: so", "OTHER, which is no text", "words"]
