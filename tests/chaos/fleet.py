# SPDX-License-Identifier: Apache-2.0
"""The clients of one phase, processes of their own."""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from chaos.load import Order, Record, Stream

PROGRAM = Path(__file__).with_name("load.py")
LIMIT_SECONDS = 120.0
LIMIT_COUNT = 20_000
PATIENCE = 30.0


def streams(site: str, target: str, fresh: float, reused: float | None = None, *, echo: bool = True) -> list[Stream]:
    """Requests on connections of their own, and as many on kept ones; the target ends in `id=`."""
    rates = {"fresh": fresh, "reused": fresh if reused is None else reused}
    return [
        Stream(site=site, kind=kind, rate=rate, target=target, echo=echo) for kind, rate in rates.items() if rate > 0
    ]


@dataclass
class Fleet:
    """Running clients."""

    port: int
    prefix: str
    wanted: list[Stream]
    patience: float = PATIENCE
    seconds: float = LIMIT_SECONDS
    clients: list[subprocess.Popen[bytes]] = field(default_factory=list)

    def start(self) -> None:
        """One process for the application and its control, so that they are asked at the same times; one for the rest."""
        for sites in (("app", "static", "long"), ("other", "embedded")):
            client = subprocess.Popen(
                [sys.executable, "-B", "-I", str(PROGRAM)], stdin=subprocess.PIPE, stdout=subprocess.PIPE
            )
            self.clients.append(client)
            order = Order(
                port=self.port,
                prefix=self.prefix,
                streams=[stream for stream in self.wanted if stream["site"] in sites],
                seconds=self.seconds,
                count=LIMIT_COUNT,
                patience=self.patience,
            )
            assert client.stdin
            client.stdin.write(json.dumps(order).encode() + b"\n")
            client.stdin.flush()
        for client in self.clients:
            assert client.stdout
            if os.read(client.stdout.fileno(), 1) != b"\n":  # and nothing of what may follow already
                raise RuntimeError("a load client did not begin")

    def finish(self) -> list[Record]:
        """Tells them to stop, and reads what they saw."""
        for client in self.clients:
            assert client.stdin
            with contextlib.suppress(BrokenPipeError):
                client.stdin.write(b"stop\n")
                client.stdin.flush()
        found: list[Record] = []
        for client in self.clients:
            said, _ = client.communicate(timeout=self.seconds + 2 * self.patience)
            if client.returncode:
                raise RuntimeError(f"a load client ended with {client.returncode}")
            found += [Record(*fields) for fields in json.loads(said)]
        return sorted(found, key=lambda record: record.begin)

    def end(self) -> None:
        """By force, when something failed."""
        for client in self.clients:
            if client.poll() is None:
                client.kill()
                client.wait()


@contextlib.contextmanager
def load(
    port: int, prefix: str, wanted: list[Stream], patience: float = PATIENCE, seconds: float = LIMIT_SECONDS
) -> Iterator[Fleet]:
    """Clients that are gone in the end, whatever happens."""
    fleet = Fleet(port, prefix, wanted, patience, seconds)
    try:
        fleet.start()
        yield fleet
    finally:
        fleet.end()
