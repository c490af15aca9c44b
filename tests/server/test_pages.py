# SPDX-License-Identifier: Apache-2.0
"""The pages of docs/ name tests that are there; the table of modules has every module that is tested."""

from __future__ import annotations

import ast
import re

from pathlib import Path

import pytest

from harness.places import ROOT
from harness.server import BASE_MODULES
from harness.tables import options

PAGES = sorted((ROOT / "docs").glob("*.md"))
# `server/test_x.py::test_y`, with tests/ in front or not, a star in the file's name or not.
NAMED = re.compile(
    r"`(?:tests/)?((?:server|engine|parity|unit|play|integration|c)/[\w/*.-]+\.py)(?:::(\w+))?(?:\[[^`]*\])?`"
)


def missing(page: Path) -> list[str]:
    """What a page names and nobody finds."""
    found = []
    for path, name in NAMED.findall(page.read_text()):
        files = sorted((ROOT / "tests").glob(path))
        if not files:
            found.append(f"{page.name}: there is no tests/{path}")
        elif name and not any(re.search(rf"^(?:async )?def {name}\(", each.read_text(), re.M) for each in files):
            found.append(f"{page.name}: there is no {name} in tests/{path}")
    return found


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_named_tests_are_there(page: Path) -> None:
    assert missing(page) == []


def test_a_name_that_is_not_there_is_found(tmp_path: Path) -> None:
    """The check itself."""
    page = tmp_path / "page.md"
    page.write_text(
        "`server/test_pages.py::test_no_such` `server/test_none.py` `server/test_pages.py::missing` `engine/test_*.py`"
    )
    assert missing(page) == [
        "page.md: there is no test_no_such in tests/server/test_pages.py",
        "page.md: there is no tests/server/test_none.py",
    ]


def constant(path: Path, name: str) -> list[str]:
    """A tuple of texts that a test file has."""
    for node in ast.parse(path.read_text()).body:
        if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name) and node.targets[0].id == name:
            return [str(each) for each in ast.literal_eval(node.value)]
    return []


def test_every_module_has_its_row() -> None:
    """Of what the files test_with_*.py load, nothing is left out of docs/modules.md."""
    rows = [line.split(" | ")[0] for line in (ROOT / "docs" / "modules.md").read_text().splitlines()]
    told = {name for row in rows if row.startswith("| ") for name in re.findall(r"mod_(\w+)", row)}
    files = sorted((ROOT / "tests" / "server").glob("test_with_*.py"))
    loaded = {name for path in files for name in constant(path, "MODULES")} | set(BASE_MODULES)
    helpers = {"unixd", "authn_core", "authz_core", "macro", "asis", "slotmem_shm", "lbmethod_byrequests"}
    assert len(files) >= 5
    assert sorted(loaded - told - helpers) == []


def test_every_option_has_a_test_of_its_effect() -> None:
    """The table of docs/coverage.md: each option once, and a test whose file gives it."""
    rows = re.findall(
        r"^\| `([\w-]+)` \| `(server/\w+\.py)::(\w+)` \|$", (ROOT / "docs" / "coverage.md").read_text(), re.M
    )
    assert sorted(option for option, _, _ in rows) == sorted(option.name for option in options())
    wrong = [
        f"{path} does not give {option}="
        for option, path, _ in rows
        if not re.search(rf"(?<![\w-]){option}=", (ROOT / "tests" / path).read_text())
    ]
    assert wrong == []
