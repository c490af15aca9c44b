# SPDX-License-Identifier: Apache-2.0
"""The module's own tables of directives and options, read from its sources."""

from __future__ import annotations

import re

from dataclasses import dataclass
from pathlib import Path

SOURCES = Path(__file__).parents[3] / "roles/mod_wsgi_build/files/apache"
DOCUMENTATION = Path(__file__).parents[3] / "docs/directives.md"


@dataclass(frozen=True)
class Directive:
    """One line of directives.def."""

    name: str
    setter: str
    context: str
    default: str
    text: str

    @property
    def shown(self) -> str:
        """As a person writes it."""
        return self.name + ">" if self.name.startswith("<") else self.name

    @property
    def is_removed(self) -> bool:
        """A directive that mod_wsgi 6 does not have any more."""
        return self.setter == "wsgi_set_removed"


@dataclass(frozen=True)
class Option:
    """One line of options.def."""

    name: str
    setter: str
    low: str
    default: str
    text: str


def _rows(path: Path, macro: str) -> list[list[str]]:
    """Arguments of each use of a macro; adjacent string literals are one."""
    source = re.sub(r"/\*.*?\*/", "", path.read_text(), flags=re.DOTALL)
    rows = []
    for use in source.split(macro + "(")[1:]:
        row = [""]
        for token in re.findall(r'"[^"]*"|[^",]+|,', use.rpartition(")")[0].replace("\n", " ")):
            if token == ",":
                row.append("")
            elif token.startswith('"'):
                row[-1] += token[1:-1]
            else:
                row[-1] += token.strip()
        rows.append(row)
    return rows


def directives() -> list[Directive]:
    """All of them, in the order of the table."""
    return [
        Directive(name, setter, context, default, text)
        for name, _, setter, _, context, default, text in _rows(SOURCES / "directives.def", "WSGI_DIRECTIVE")
    ]


def options() -> list[Option]:
    """The options of WSGIDaemonProcess, in the order of the table."""
    return [
        Option(name, setter, low, default, text)
        for name, setter, _, low, _, default, text in _rows(SOURCES / "options.def", "WSGI_OPTION")
    ]


def documented(what: str) -> dict[str, list[str]]:
    """Rows of the tables of docs/directives.md whose first heading is `what`: "Directive" or "Option"."""
    rows = {}
    heading = ""
    for line in DOCUMENTATION.read_text().splitlines():
        cells = [cell.strip() for cell in line.strip("|").split(" | ")]
        if not line.startswith("|"):
            heading = ""
        elif not heading:
            heading = cells[0]
        elif heading == what and cells[0].startswith("`"):
            rows[cells[0].strip("`")] = [cell.replace("&lt;", "<") for cell in cells[1:]]
    return rows
