# SPDX-License-Identifier: Apache-2.0
"""Works one embedded_host: a program with the engine inside, as an Apache child is one."""

from __future__ import annotations

import os
import subprocess

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from wirefront import MULTIPROCESS, MULTITHREAD, vars_block


@dataclass
class Reply:
    """What embedded_host prints for one request."""

    result: int
    status: int
    code: int
    truncated: int
    cause: str
    head: bytes
    body: bytes
    log: str


VERDICTS = ("failed", "not loaded", "none", "yes", "no", "text")


@dataclass
class Decision:
    """What embedded_host prints for one question."""

    verdict: str
    texts: list[bytes | None]
    count: int
    status: int
    code: int
    cause: str
    log: str


class Embedded:
    """One running embedded_host."""

    def __init__(
        self,
        program: str,
        library: str,
        engine: str,
        python: str,
        directory: Path,
        variables: Mapping[str, str] | None = None,
        **extra: str | int,
    ) -> None:
        launch = directory / "launch"
        params: list[tuple[str, str | int | bytes]] = [
            ("GROUP_NAME", ""),
            ("PROCESS_FLAGS", MULTIPROCESS | MULTITHREAD),
            ("INTERPRETER", python),
            ("SERVER_VERSION", 2004062),
            ("MPM_PROCESSES", 16),
            ("MPM_THREADS", 25),
            ("LOG_LEVEL", 7),
            *extra.items(),
        ]
        launch.write_bytes(vars_block(params))
        given = {"PATH": os.environ["PATH"], "LANG": "C.UTF-8", **(variables or {})}
        if "WSGI_TEST_PRELOAD" in os.environ:
            given["LD_PRELOAD"] = os.environ["WSGI_TEST_PRELOAD"]
            given["ASAN_OPTIONS"] = os.environ.get("ASAN_OPTIONS", "detect_leaks=0")
            given["PYTHONMALLOC"] = "malloc"
        self.directory = directory
        self.errors = (directory / "errors").open("w+")
        self.process = subprocess.Popen(
            [program, library, engine, str(launch)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=self.errors, text=True,
            env=given,
        )  # fmt: skip
        self.greeting = self.line()

    def line(self) -> str:
        assert self.process.stdout is not None
        line = self.process.stdout.readline()
        assert line, f"the host ended: {self.process.wait()}\n{self.log}"
        return line.rstrip("\n")

    @property
    def log(self) -> str:
        return (self.directory / "errors").read_text()

    def command(self, text: str) -> list[str]:
        assert self.process.stdin is not None
        self.process.stdin.write(text + "\n")
        self.process.stdin.flush()
        lines = []
        while (line := self.line()) != "done":
            lines.append(line)
        return lines

    def run(self, block: bytes, body: bytes | None = None, threads: int = 1, count: int = 1) -> Reply:
        request, data = self.directory / "request", self.directory / "body"
        request.write_bytes(block)
        if body is not None:
            data.write_bytes(body)
        name = str(data) if body is not None else "-"
        command = f"run {request} {name} {threads} {count}" if threads else f"main {request} {name}"
        outcome, head, sent, log = self.command(command)
        _, result, status, code, truncated, _silent, *cause = outcome.split(" ", 6)
        raw = [bytes.fromhex(line.split(" ", 1)[1]) for line in (head, sent, log)]
        return Reply(
            int(result), int(status), int(code), int(truncated), "".join(cause), raw[0], raw[1], raw[2].decode()
        )

    def ask(
        self, block: bytes, kind: int, first: bytes | None, second: bytes | None, threads: int = 1, count: int = 1
    ) -> Decision:
        """Asks a script that decides."""
        request = self.directory / "question"
        request.write_bytes(block)
        one, two = (text.hex() if text else "-" for text in (first, second))
        outcome, log, verdict, *texts = self.command(f"ask {request} {kind} {one} {two} {threads} {count}")
        _, _, status, code, _, _, *cause = outcome.split(" ", 6)
        _, number, told = verdict.split()
        names = [bytes.fromhex(text[5:]) if text.startswith("text ") else None for text in texts]
        raw = bytes.fromhex(log.split(" ", 1)[1]).decode()
        return Decision(VERDICTS[int(number)], names, int(told), int(status), int(code), "".join(cause), raw)

    def end(self) -> int:
        assert self.process.stdin is not None
        self.process.stdin.close()
        status = self.process.wait(20)
        assert self.process.stdout is not None
        self.process.stdout.close()
        self.errors.close()
        return status
