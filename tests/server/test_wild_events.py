# SPDX-License-Identifier: Apache-2.0
"""Server-sent events with real clients: each event arrives before the application is asked for the next.

The application makes an event only when there is a file that the client's side writes when it has the one before: if
a block were held back, nobody would write the file, and the application would give up.
"""

from __future__ import annotations

import subprocess
import tempfile

from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from harness import Layout, Server, wait_until
from harness.client import HOST
from harness.clients import keep, surroundings
from httpx_sse import ServerSentEvent, connect_sse

MODULES = ("http2", "deflate", "filter")
EVENTS = 5
WAYS = {
    "http1.0": ("--http1.0",),
    "http1.1": ("--http1.1",),
    "http2": ("--http2-prior-knowledge",),
    "compressed": ("--http1.1", "--compressed"),
}

VALIDATED = True


def configure(layout: Layout) -> str:
    """One application; once more with compression."""
    return f"""
Protocols h2c http/1.1
{layout.delegate()}
WSGIScriptAlias /events {layout.apps}/events.wsgi
WSGIScriptAlias /compressed {layout.apps}/events.wsgi
<Location /compressed>
    SetOutputFilter DEFLATE
</Location>
"""


@pytest.fixture
def room(site: Server) -> Path:
    """Where application and client tell each other how far they are."""
    where = Path(tempfile.mkdtemp(dir=site.layout.scratch))
    where.chmod(0o777)
    return where


def url(site: Server, room: Path, mount: str = "/events") -> str:
    """The stream of events."""
    return f"http://{HOST}:{site.layout.port}{mount}?dir={room}"


def made(room: Path) -> list[str]:
    """Numbers of the events so far; `end` follows the last one at once."""
    return (room / "made").read_text().split()


def saw(room: Path, number: int) -> None:
    """The client has it, and nothing was made beyond it."""
    assert [word for word in made(room) if word != "end"][-1] == str(number), (
        "no event is made before the one before it was seen"
    )
    (room / f"seen.{number}").touch()


def events_of(process: subprocess.Popen[str]) -> Iterator[list[str]]:
    """Events as lines of text, as soon as they are complete."""
    assert process.stdout
    lines: list[str] = []
    for line in process.stdout:
        if line.strip():
            lines.append(line.strip())
        else:
            yield lines
            lines = []


@pytest.mark.core
@pytest.mark.parametrize("way", WAYS)
def test_curl(site: Server, room: Path, way: str) -> None:
    """R10: `curl -N` shows each event when it is made, whatever the protocol."""
    command = ["curl", "-sSN", *WAYS[way], url(site, room, "/compressed" if way == "compressed" else "/events")]
    said = []
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=surroundings(room)) as process:
        for number, event in enumerate(events_of(process), 1):
            assert event == [f"id: {number}", "event: tick", f"data: number {number}", "data: caf\u00e9"]
            saw(room, number)
            said += event
    assert process.returncode == 0
    wait_until(lambda: made(room) == ["1", "2", "3", "4", "5", "end"], "the iterable is closed, once")
    keep(" ".join(command), "\n".join(said).encode())


def test_httpx_sse(site: Server, room: Path) -> None:
    """A client in Python, which comes back with the number of the last event it has."""
    seen: list[ServerSentEvent] = []
    with httpx.Client(trust_env=False, timeout=60) as client:
        with connect_sse(client, "GET", url(site, room)) as source:
            for event in source.iter_sse():
                seen.append(event)
                saw(room, int(event.id))
                if event.id == "2":
                    break
        # Whoever has left is not waited for: the iterable is closed.
        for number in range(1, EVENTS + 1):
            (room / f"seen.{number}").touch()
        wait_until(lambda: "end" in made(room), "the iterable is closed")
        for path in room.iterdir():
            path.unlink()
        with connect_sse(client, "GET", url(site, room), headers={"Last-Event-ID": "2"}) as source:
            for event in source.iter_sse():
                seen.append(event)
                saw(room, int(event.id))
    assert [(event.event, event.id, event.data) for event in seen] == [
        ("tick", str(number), f"number {number}\ncaf\u00e9") for number in range(1, EVENTS + 1)
    ]
    keep("httpx-sse, reconnecting after event 2", "\n".join(f"{event.id} {event.data!r}" for event in seen).encode())
