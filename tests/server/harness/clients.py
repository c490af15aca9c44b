# SPDX-License-Identifier: Apache-2.0
"""Client programs as people use them, and what they said: `.cache/results/clients*.txt`, shown by `make clients`."""

from __future__ import annotations

import functools
import hashlib
import os
import re
import shlex
import subprocess
import sys
import tempfile

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from harness.places import places

TIME_LIMIT = 180.0
KEPT_LINES = 6
KEPT_COLUMNS = 160
COLOURS = re.compile(r"\x1b\[[0-9;]*m")


@dataclass(frozen=True)
class Said:
    """How a client ended, and its two streams."""

    status: int
    body: bytes
    errors: str

    @property
    def text(self) -> str:
        """What it wrote on its standard output."""
        return self.body.decode("utf-8", "replace")


@functools.cache
def _transcripts() -> Path:
    """The file of this run, begun anew; one for ours and one for the peer."""
    name = "clients-peer.txt" if os.environ.get("WSGI_PEER") == "1" else "clients.txt"
    path = places().cache / "results" / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("")
    return path


def _last_lines(data: bytes) -> list[str]:
    """The end of what was said, for people; what is not text is described."""
    try:
        text = data.decode()
    except UnicodeDecodeError:
        return [f"<{len(data)} bytes, sha256 {hashlib.sha256(data).hexdigest()[:16]}>"]
    # A progress line is overwritten by its successor.
    lines = [line.rstrip().rpartition("\r")[2] for line in COLOURS.sub("", text).split("\n")]
    return [line[:KEPT_COLUMNS] for line in lines if line][-KEPT_LINES:]


def keep(title: str, *parts: bytes, status: int = 0) -> None:
    """Adds one client's run to the transcripts."""
    test = os.environ.get("PYTEST_CURRENT_TEST", "").rpartition(" ")[0].rpartition("/")[2]
    lines = [f"[{test}]", f"$ {title}"]
    for part in parts:
        lines += [f"    {line}" for line in _last_lines(part)]
    if status:
        lines.append(f"    (exit status {status})")
    with _transcripts().open("a") as output:
        output.write("\n".join(lines) + "\n\n")


def surroundings(home: Path, more: Mapping[str, str] | None = None) -> dict[str, str]:
    """Variables for a client: nothing of the tester's own configuration, no proxy."""
    return {
        "PATH": f"{Path(sys.executable).parent}:/usr/local/bin:/usr/bin:/bin",
        "HOME": str(home),
        "LANG": "C.UTF-8",
        "PYTHONWARNINGS": "ignore",
        "PIP_CONFIG_FILE": "/dev/null",
        "GIT_CONFIG_NOSYSTEM": "1",
        **(more or {}),
    }


def client(
    *command: str | Path,
    cwd: Path | None = None,
    env: Mapping[str, str] | None = None,
    data: bytes = b"",
    status: int | None = 0,
) -> Said:
    """Runs a client to its end; it has to end with this status, unless that is None."""
    words = [str(word) for word in command]
    with tempfile.TemporaryDirectory(prefix="wsgi-client-") as home:
        done = subprocess.run(
            words,
            cwd=cwd or home,
            env=surroundings(Path(home), env),
            input=data,
            capture_output=True,
            timeout=TIME_LIMIT,
            check=False,
        )
    title = shlex.join([Path(words[0]).name, *words[1:]])
    keep(title, done.stdout, done.stderr, status=done.returncode)
    said = Said(done.returncode, done.stdout, done.stderr.decode("utf-8", "replace"))
    if status is not None:
        assert said.status == status, f"{title} ended with {said.status}:\n{said.text[-2000:]}\n{said.errors[-4000:]}"
    return said
