# SPDX-License-Identifier: Apache-2.0
"""The phases, and how one is run."""

from __future__ import annotations

import time

from collections.abc import Callable
from dataclasses import dataclass

from harness import Cut

from chaos import events
from chaos.builds import Builds
from chaos.events import Scene, Size
from chaos.fleet import load, streams
from chaos.judge import Seen
from chaos.load import Stream
from chaos.site import Execution, Site


@dataclass(frozen=True)
class Phase:
    """Whom it loads, what happens, by which rule it is judged. `slow` is the load during a long import:
    as many requests wait as a group may hold up.
    """

    name: str
    words: str
    event: Callable[[Scene], None]
    rule: str
    target: str = "app"
    rate: float = 30
    others: float = 15
    with_long: bool = False
    ours_only: bool = False

    def streams(self) -> list[Stream]:
        """Constant rates, for fresh and kept connections each: the control is asked as often."""
        made = [
            *streams("app", f"/{self.target}?ms=20&id=", self.rate),
            *streams("static", "/static.txt?id=", max(self.rate, self.others), echo=False),
            *streams("other", "/other?ms=2&id=", self.others),
            *streams("embedded", "/embedded?ms=2&id=", self.others),
        ]
        return made + (streams("long", "/app?ms=2500&id=", 1, 0) if self.with_long else [])


PHASES = (
    Phase("quiet", "nothing happens", events.nothing, "lossless"),
    Phase("graceful", "graceful restarts of httpd", events.graceful_restarts, "lossless", with_long=True),
    Phase("touch", "touches of the script", events.touches, "lossless"),
    Phase("import", "one touch, slow import", events.slow_import, "neighbours", rate=2, others=40),
    Phase("broken", "SyntaxError deployed, repaired", events.broken_deploy, "lossless"),
    Phase("recycle", "maximum-requests=200", events.recycling, "lossless", target="recycled", rate=80),
    Phase("age", "restart-interval=4", events.ageing, "lossless", target="aged"),
    Phase("usr1", "SIGUSR1 to daemons", events.evictions, "lossless", with_long=True),
    Phase("daemon", "kill -9 of a daemon", events.kill_daemons, "502 once"),
    Phase("supervisor", "kill -9 of the supervisor", events.kill_supervisor, "502 once", ours_only=True),
    Phase("child", "kill -9 of an Apache child", events.kill_children, "child"),
    Phase("upgrade", "another build of the module", events.upgrade, "lossless", with_long=True, ours_only=True),
    Phase("fd-daemon", "no descriptors in daemons", events.starve_daemons, "starved", target="starved"),
    Phase("fd-child", "few descriptors in children", events.starve_children, "heals"),
    Phase("parent", "kill -9 of the parent", events.kill_parent, "end"),
)


class Run:
    """One side, through all phases."""

    def __init__(self, site: Site, size: Size, builds: Builds | None) -> None:
        self.site = site
        self.size = size
        self.builds = builds
        self.executed: dict[str, list[Execution]] = {}

    def note_executions(self) -> None:
        """Reads on in the journal."""
        for run in self.site.read_journal():
            self.executed.setdefault(run.id, []).append(run)

    def play(self, phase: Phase) -> Seen:
        """Load, event, load; then what was seen."""
        scene = Scene(self.site, self.size, self.builds, [], [])
        self.site.blows.clear()
        seen = Seen(phase.name, phase.rule, self.site.name, [], self.executed, notes=scene.notes, faults=scene.faults)
        lead = self.size.lead * (3 if phase.rule == "neighbours" else 1)
        is_last = phase.rule == "end"
        port = self.site.server.layout.port
        with load(port, phase.name, phase.streams(), patience=5 if is_last else 30) as fleet:
            time.sleep(lead)
            seen.began = time.monotonic()
            try:
                phase.event(scene)
            except (AssertionError, OSError, Cut) as failure:
                scene.faults.append(f"{phase.words}: {str(failure).splitlines()[0]}")
            seen.ended = time.monotonic()
            time.sleep(0 if is_last else self.size.tail)
            seen.records = fleet.finish()
        self.note_executions()
        seen.blows = list(self.site.blows)
        seen.deploys = list(self.site.deploys["app"]) if phase.target == "app" else []
        seen.count = scene.count
        return seen
