# SPDX-License-Identifier: Apache-2.0
"""What tables share: the scripts of apps/, and short words for what an answer shows."""

from __future__ import annotations

import base64
import json
import re

from pathlib import Path
from typing import Any

from parity.model import BOTH, Ask, Case

APPS = Path(__file__).parent / "apps"


def app(name: str) -> str:
    """The text of a script of apps/."""
    return (APPS / name).read_text()


def copies(name: str, *targets: str) -> dict[str, str]:
    """The same script at several places below the server's root."""
    return dict.fromkeys(targets, app(name))


def pair(key: str, value: object) -> str:
    """A key and its value as they stand in a JSON body."""
    return f"{json.dumps(key)}: {json.dumps(value)}"


def mapped(script_name: str, path_info: str, *more: str) -> tuple[str, ...]:
    """Where a request was taken to; `more` are keys and values in turn."""
    keys = ("SCRIPT_NAME", "PATH_INFO", *more[::2])
    values = (script_name, path_info, *more[1::2])
    return tuple(pair(key, value) for key, value in zip(keys, values, strict=True))


def basic(user: str, password: str = "secret") -> tuple[str, str]:
    """A header with credentials."""
    return ("Authorization", "Basic " + base64.b64encode(f"{user}:{password}".encode("latin-1")).decode())


Rows = tuple[str, ...]


def routes(name: str, site: str, rows: Rows, table: str, port: int = 0, modes: Rows = BOTH, **more: Any) -> tuple[Case, ...]:
    """Cases of a table, a line each: target, status, and words about what 6.1.1 shows.

    A word with | is SCRIPT_NAME|PATH_INFO, one with = a key and its value, WSGInnnn a line of the
    log; any other word is text of the body. The id is made of the name and the target.
    """
    made = []
    for line in table.strip().splitlines():
        target, status, *words = line.split()
        codes = tuple(int(word[4:]) for word in words if re.fullmatch(r"WSGI\d{4}", word))
        shows = tuple(text for word in words if not re.fullmatch(r"WSGI\d{4}", word) for text in _shown(word))
        ask = Ask(target, port=port, **more)
        made.append(Case(f"{name} {target}", rows, site, ask, int(status), codes, shows, modes))
    return tuple(made)


def _shown(word: str) -> tuple[str, ...]:
    """What a word of `routes` wants to see."""
    if "|" in word:
        script_name, _, path_info = word.partition("|")
        return mapped(script_name, path_info)
    key, equals, value = word.partition("=")
    return (pair(key, value.encode().decode("unicode_escape")),) if equals else (word,)
