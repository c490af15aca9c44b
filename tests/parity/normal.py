# SPDX-License-Identifier: Apache-2.0
"""What makes two runs comparable.

Values that differ from run to run become typed placeholders: `@PID@` only stands where the value was
one of the server's pids, `@TIME@` where it lay in the time of the request, and so on. A value that is
not what its placeholder stands for stays as it is and is seen as a difference.
"""

from __future__ import annotations

import contextlib
import email.utils
import json
import re

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from harness import Reply, Server, application_venv, places

CLOCK_SLACK = 2.0
ADDRESS = re.compile(r"0x[0-9a-f]{6,}")
BANNER = re.compile(r"\bmod_wsgi/[\w.+-]+")
MODIFIED = re.compile(r'^(W/)?"?[0-9a-f]+-[0-9a-f]+"?$')
PATCH = re.compile(r"Python/(\d+\.\d+)[\w.+]*")


@dataclass(frozen=True)
class Moment:
    """What is true while a request is answered."""

    began: float
    ended: float
    pids: frozenset[int]


@dataclass
class Seen:
    """What one request, or one step, showed: part -> value."""

    parts: dict[str, Any] = field(default_factory=dict)


def fill(text: str, server: Server) -> str:
    """The table's words become this server's values."""
    layout = server.layout
    here = places()
    words = {
        "@ROOT@": str(layout.root),
        "@APPS@": str(layout.apps),
        "@HTDOCS@": str(layout.htdocs),
        "@SCRATCH@": str(layout.scratch),
        "@LOGS@": str(layout.logs),
        "@RUNTIME@": str(layout.runtime),
        "@DELEGATE@": layout.delegate(),
        "@USER@": here.user,
        "@GROUP@": here.group,
        **{f"@PORT{number}@": str(port) for number, port in enumerate(layout.ports)},
    }
    if "@VENV@" in text:
        words["@VENV@"] = str(application_venv())
    for word, value in words.items():
        text = text.replace(word, value)
    return text


def clean(text: str, server: Server) -> str:
    """This server's values become the table's words again."""
    text = text.replace(str(server.layout.root), "@ROOT@")
    for number, port in enumerate(server.layout.ports):
        text = re.sub(rf"(?<!\d){port}(?!\d)", f"@PORT{number}@", text)
    return PATCH.sub(r"Python/\1", BANNER.sub("@MODULE@", ADDRESS.sub("@ADDRESS@", text)))


# ---- environ -------------------------------------------------------------------------------


def _pid(value: Any, now: Moment) -> bool:
    return isinstance(value, str) and value.isdigit() and int(value) in now.pids


def _time(value: Any, now: Moment) -> bool:
    if not isinstance(value, list) or value[0] != "float":
        return False
    return now.began - CLOCK_SLACK <= float(value[1]) <= now.ended + CLOCK_SLACK


def _port(value: Any, now: Moment) -> bool:
    return isinstance(value, str) and value.isdigit() and 1024 <= int(value) <= 65535


def _log_id(value: Any, now: Moment) -> bool:
    return isinstance(value, str) and re.fullmatch(r"[A-Za-z0-9+/@_-]{8,64}", value) is not None


def _thread(value: Any, now: Moment) -> bool:
    return isinstance(value, list) and value[0] == "int" and int(value[1]) > 0


# Each volatile key has its own test; a zero time (no queue, no daemon) stays a zero.
VOLATILE: Mapping[str, tuple[str, Callable[[Any, Moment], bool]]] = {
    "REMOTE_PORT": ("@CLIENT-PORT@", _port),
    "mod_wsgi.server_pid": ("@PID@", _pid),
    "mod_wsgi.request_id": ("@LOG-ID@", _log_id),
    "mod_wsgi.connection_id": ("@LOG-ID@", _log_id),
    "mod_wsgi.thread_id": ("@THREAD@", _thread),
    "mod_wsgi.request_start": ("@TIME@", _time),
    "mod_wsgi.queue_start": ("@TIME@", _time),
    "mod_wsgi.daemon_start": ("@TIME@", _time),
    "mod_wsgi.application_start": ("@TIME@", _time),
    "UNIQUE_ID": ("@LOG-ID@", _log_id),
}


def environ(found: Mapping[str, Any], server: Server, now: Moment) -> dict[str, Any]:
    """An environ as JSON, comparable."""
    made: dict[str, Any] = {}
    for name, value in found.items():
        key = name
        # An internal redirect keeps the variables of the request before under another name.
        while key.startswith("REDIRECT_") and key not in VOLATILE:
            key = key.removeprefix("REDIRECT_")
        placeholder, test = VOLATILE.get(key, ("", None))
        made[name] = placeholder if test and test(value, now) else tree(value, server)
    return made


def tree(value: Any, server: Server) -> Any:
    """Any JSON value, its texts cleaned."""
    if isinstance(value, str):
        return clean(value, server)
    if isinstance(value, list):
        return [tree(item, server) for item in value]
    if isinstance(value, dict):
        return {clean(str(key), server): tree(item, server) for key, item in value.items()}
    return value


# ---- replies -------------------------------------------------------------------------------


def _header(name: str, value: str, reply: Reply, server: Server) -> str:
    """One header's value."""
    lower = name.lower()
    if lower in ("date", "last-modified", "expires") and email.utils.parsedate(value):
        return "@DATE@"
    if lower == "etag" and MODIFIED.match(value):
        return "@ETAG@"
    if lower == "content-length" and reply.body and value == str(len(reply.body)):
        return "@LENGTH@"
    return clean(value, server)


def headers(reply: Reply, server: Server, only: tuple[str, ...] | None) -> list[tuple[str, str]]:
    """Headers sorted by name; those of one name stay in their order."""
    wanted = None if only is None else {name.lower() for name in only}
    kept = [(n.lower(), _header(n, v, reply, server)) for n, v in reply.headers if not wanted or n.lower() in wanted]
    return sorted(kept, key=lambda pair: pair[0])


def reply_parts(reply: Reply, server: Server, now: Moment, only: tuple[str, ...] | None) -> dict[str, Any]:
    """Status, reason, headers, and body or environ."""
    parts: dict[str, Any] = {
        "status": reply.status,
        "reason": reply.reason,
        "headers": headers(reply, server, only),
    }
    kind = "".join(reply.all("Content-Type"))
    if kind.startswith("application/json"):
        try:
            found = json.loads(reply.body)
        except ValueError:
            found = None
        if isinstance(found, dict) and "SERVER_SOFTWARE" in found:
            parts["environ"] = environ(found, server, now)
            return parts
        if found is not None:
            parts["body"] = tree(found, server)
            return parts
    parts["body"] = clean(reply.body.decode("utf-8", "backslashreplace"), server)
    return parts


def typed(parts: dict[str, Any], kinds: Mapping[str, type]) -> None:
    """Keys of a JSON body of which only the type counts."""
    for part in ("body", "environ"):
        found = parts.get(part)
        if isinstance(found, dict):
            for key, kind in kinds.items():
                if isinstance(found.get(key), kind):
                    found[key] = f"@{kind.__name__.upper()}@"


RAW_DATE = re.compile(r"(?im)^(date|last-modified|expires): .*?(\r?)$")


def raw_parts(data: bytes, server: Server, now: Moment) -> dict[str, Any]:
    """All bytes that came back; the first line gives the status; an environ is compared as such."""
    head, gap, body = data.partition(b"\r\n\r\n")
    found: Any = None
    if body.startswith(b"{"):
        with contextlib.suppress(ValueError):
            found = json.loads(body)
    shown = head + gap if isinstance(found, dict) else data
    text = RAW_DATE.sub(r"\1: @DATE@\2", clean(shown.decode("latin-1"), server))
    first = re.match(r"HTTP/1\.[01] (\d{3})", text)
    parts: dict[str, Any] = {"status": int(first.group(1)) if first else "nothing", "body": text}
    if isinstance(found, dict):
        parts["body"] = re.sub(r"(?im)^(content-length): \d+", r"\1: @LENGTH@", text)
        parts["environ"] = environ(found, server, now)
    return parts
