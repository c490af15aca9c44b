# SPDX-License-Identifier: Apache-2.0
"""What tables share: the scripts of apps/, and short words for what an answer shows."""

from __future__ import annotations

import base64
import hashlib
import json
import os
import re
import time

from pathlib import Path
from typing import Any

from harness import Server, exchange, wait_until

from parity import normal
from parity.model import BOTH, Act, Ask, Case, Headers

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


def routes(
    name: str, site: str, rows: Rows, table: str, port: int = 0, modes: Rows = BOTH, **more: Any
) -> tuple[Case, ...]:
    """Cases of a table, a line each: target, status, and words about what 6.1.1 shows.

    A word with | is SCRIPT_NAME|PATH_INFO, one with = a key and its value, WSGInnnn a line of the
    log; any other word is text of the body. The id is made of the name and the target.
    """
    made = []
    suffix = f", {modes[0]}" if len(modes) == 1 else ""
    for line in table.strip().splitlines():
        target, status, *words = line.split()
        codes = tuple(int(word[4:]) for word in words if re.fullmatch(r"WSGI\d{4}", word))
        shows = tuple(text for word in words if not re.fullmatch(r"WSGI\d{4}", word) for text in _shown(word))
        ask = Ask(target, port=port, **more)
        made.append(Case(f"{name} {target}{suffix}", rows, site, ask, int(status), codes, shows, modes))
    return tuple(made)


def _shown(word: str) -> tuple[str, ...]:
    """What a word of `routes` wants to see."""
    if "|" in word:
        script_name, _, path_info = word.partition("|")
        return mapped(script_name, path_info)
    key, equals, value = word.partition("=")
    return (pair(key, value.encode().decode("unicode_escape")),) if equals else (word,)


def given(file: str, group: bool = False) -> Act:
    """A step that reads the environ which a script kept in the scratch directory.

    In which interpreter it ran is only told on demand: 6.1.1 does not keep to the main one (D501).
    """

    def act(server: Server) -> Any:
        path = server.layout.scratch / file
        assert path.exists(), "the function was not called"
        found = json.loads(path.read_text())
        ended = path.stat().st_mtime
        if not group:
            del found["test.group"]
        for key, value in found.items():
            if key.startswith("mod_wsgi.x-") and key.endswith("_us") and str(value).isdigit():
                found[key] = "@TIME@"
        return normal.environ(found, server, normal.Moment(ended - 20, ended, frozenset(server.family())))

    return act


def digest(user: str, target: str, password: str = "secret", headers: Headers = ()) -> Act:
    """A step that logs in with Digest: the first answer brings the nonce for the second request."""

    def act(server: Server) -> Any:
        asked = server.get(target, headers=headers)
        challenge = asked.get("WWW-Authenticate") or ""
        words = dict(re.findall(r'(\w+)="?([^",]*)"?', challenge))
        if asked.status != 401 or "nonce" not in words:
            return {"status": asked.status}

        def md5(*parts: str) -> str:
            return hashlib.md5(":".join(parts).encode()).hexdigest()

        secret = md5(user, words["realm"], password)
        response = md5(secret, words["nonce"], "00000001", "0a4f113b", "auth", md5("GET", target))
        line = (
            f'Digest username="{user}", realm="{words["realm"]}", nonce="{words["nonce"]}", uri="{target}", '
            f'algorithm=MD5, qop=auth, nc=00000001, cnonce="0a4f113b", response="{response}"'
        )
        reply = server.get(target, headers=(*headers, ("Authorization", line)))
        if reply.status != 200:
            return {"status": reply.status}
        found = reply.json()
        return {
            "status": 200,
            "algorithm": words.get("algorithm"),
            **{k: found.get(k) for k in ("REMOTE_USER", "AUTH_TYPE")},
        }

    return act


def spoken(text: str, port: int = 0) -> Act:
    """A step that sends a request as it is written; an environ in the answer is compared as one."""

    def act(server: Server) -> Any:
        began = time.time()
        answer = exchange(server.layout.ports[port], normal.fill(text, server).encode("latin-1"))
        head, _, body = answer.partition(b"\r\n\r\n")
        line = re.match(rb"HTTP/1\.[01] (\d{3})", head)
        shown: dict[str, Any] = {"status": int(line.group(1)) if line else "no status line"}
        try:
            found = json.loads(body)
        except ValueError:
            return {**shown, "body": body.decode("latin-1")}
        now = normal.Moment(began, time.time(), frozenset(server.family()))
        return {**shown, "environ": normal.environ(found, server, now)}

    return act


def put(path: str, text: str, seconds: int) -> Act:
    """A step that replaces a file below the server's root; its modification time is given."""

    def act(server: Server) -> None:
        target = server.layout.root / path
        fresh = target.with_name(target.name + ".fresh")
        fresh.write_text(normal.fill(text, server))
        fresh.chmod(0o644)
        os.utime(fresh, (seconds, seconds))
        fresh.replace(target)

    return act


def touch(path: str, seconds: int) -> Act:
    """A step that sets a file's modification time."""

    def act(server: Server) -> None:
        os.utime(server.layout.root / path, (seconds, seconds))

    return act


def remove(path: str) -> Act:
    """A step that removes a file."""

    def act(server: Server) -> None:
        (server.layout.root / path).unlink()

    return act


def journal(path: str, count: int) -> Act:
    """A step that waits for so many lines of a file and gives them sorted."""

    def act(server: Server) -> Any:
        target = server.layout.root / path

        def lines() -> list[str]:
            return sorted(target.read_text().splitlines()) if target.exists() else []

        wait_until(lambda: len(lines()) >= count, f"{count} lines in {path}")
        return lines()

    return act
