# SPDX-License-Identifier: Apache-2.0
"""What happens during a phase. Each function gets the site and how much of it there is to be."""

from __future__ import annotations

import contextlib
import functools
import os
import re
import signal
import time

from dataclasses import dataclass

from harness import processes, wait_until
from harness.calls import Call

from chaos.builds import Builds
from chaos.site import GRACE, Site, scarcity

END_SECONDS = GRACE + 10
ENGINE = re.compile(r"/pyweb_mod_wsgi/([0-9a-f]{16})/_mod_wsgi\.")


@dataclass(frozen=True)
class Size:
    """How much happens."""

    restarts: int = 20
    touches: int = 49  # and one with the slow import
    slow_import: float = 10.0
    broken: float = 4.0
    kills: int = 4
    span: float = 12.0  # of the phases in which the server acts by itself
    lead: float = 2.0
    tail: float = 2.0


QUICK = Size(restarts=5, touches=12, slow_import=3.0, broken=1.5, kills=2, span=6.0, lead=1.0, tail=1.0)


@dataclass
class Scene:
    """What an event works with, and what it has to tell."""

    site: Site
    size: Size
    builds: Builds | None
    notes: list[str]
    faults: list[str]
    count: int = 0


def nothing(scene: Scene) -> None:
    """The control of the controls."""
    time.sleep(scene.size.tail)


def restart_gracefully(scene: Scene) -> None:
    """Until a new child answers: its Python takes a while, and nobody else accepts connections meanwhile."""
    scene.site.server.log().forget()
    scene.site.server.graceful()
    scene.site.server.get("/static.txt?id=wait")
    scene.count += 1


def graceful_restarts(scene: Scene) -> None:
    """`apachectl graceful`, one after the other."""
    for _ in range(scene.size.restarts):
        restart_gracefully(scene)
        time.sleep(0.5)


def touches(scene: Scene) -> None:
    """New versions of the script; importing each takes a fifth of a second."""
    for _ in range(scene.size.touches):
        made = scene.site.deploy("app", seconds=0.2)
        scene.count += 1
        time.sleep(0.5)
    scene.site.serves("app", made.version)


def slow_import(scene: Scene) -> None:
    """One touch, and an import that takes long."""
    made = scene.site.deploy("app", seconds=scene.size.slow_import)
    scene.count += 1
    scene.site.serves("app", made.version, scene.size.slow_import * 3 + 15)
    scene.notes.append(f"the new code answered {time.monotonic() - made.at:.1f} s after the touch")


def broken_deploy(scene: Scene) -> None:
    """A SyntaxError, and its repair."""
    scene.site.deploy("app", broken=True)
    time.sleep(scene.size.broken)
    made = scene.site.deploy("app")
    scene.count += 1
    scene.site.serves("app", made.version, 90)
    scene.notes.append(f"the repaired code answered {time.monotonic() - made.at:.1f} s after the repair")


def kill_daemons(scene: Scene) -> None:
    """One of the two, again and again; the next when there are two again."""
    for _ in range(scene.size.kills):
        found = wait_for_daemons(scene.site, "app")
        scene.site.kill(found[0], "daemon")
        scene.count += 1
        time.sleep(0.5)
    wait_for_daemons(scene.site, "app")


def wait_for_daemons(site: Site, group: str, timeout: float = 30) -> list[int]:
    """The group's processes, when there are two, all able to hear a signal."""

    def two() -> list[int]:
        found = [pid for pid in site.daemons(group) if processes.catches(pid, signal.SIGTERM)]
        return found if len(found) == 2 else []

    return wait_until(two, f"{site.name}: group {group} has two processes", timeout)


def kill_supervisor(scene: Scene) -> None:
    """Ours: the process that starts and watches the daemons."""
    for _ in range(scene.size.kills):
        (pid,) = wait_until(
            lambda: len(scene.site.supervisors()) == 1 and scene.site.supervisors(), "there is one supervisor", 60
        ) or [0]
        scene.site.kill(pid, "supervisor")
        scene.count += 1
        wait_until(functools.partial(another_supervisor, scene.site, pid), "another supervisor takes over", 90)
        wait_for_daemons(scene.site, "app", 60)


def another_supervisor(site: Site, former: int) -> bool:
    """Whether there is one beside the former."""
    return bool(set(site.supervisors()) - {former})


def kill_children(scene: Scene) -> None:
    """One of Apache's own children, again and again."""
    for _ in range(scene.size.kills):
        found = wait_until(
            lambda: len(scene.site.children()) >= 2 and scene.site.children(), "Apache has two children", 30
        )
        assert found
        scene.site.kill(found[0], "child")
        scene.count += 1
        time.sleep(1.5)


def kill_parent(scene: Scene) -> None:
    """The end of everything: daemons and supervisor have to go by themselves, with their sockets."""
    site = scene.site
    site.kill(site.parent, "parent")
    scene.count += 1
    assert site.server.process
    site.server.process.wait()
    site.server.process = None

    def left() -> dict[int, str]:
        apache = set(site.children())
        return {pid: title for pid, title in site.family().items() if pid not in apache}

    began = time.monotonic()
    try:
        wait_until(lambda: not left(), "all daemons are gone", END_SECONDS)
        scene.notes.append(f"daemons and supervisor were gone after {time.monotonic() - began:.1f} s")
    except AssertionError:
        orphans = ", ".join(f"{pid} {title}" for pid, title in left().items())
        scene.faults.append(f"{END_SECONDS} s after the parent was killed there still are: {orphans}")
    scene.notes.append(f"of httpd's own children {len(site.children())} were left")
    if site.sockets():
        scene.faults.append(f"sockets were left: {', '.join(site.sockets())}")


def act_by_itself(scene: Scene) -> None:
    """The server replaces processes; we count the new ones."""
    group = "recycled" if scene.notes == ["recycled"] else "aged"
    scene.notes.clear()
    seen = set(scene.site.daemons(group))
    first = len(seen)
    end = time.monotonic() + scene.size.span
    while time.monotonic() < end:
        seen.update(scene.site.daemons(group))
        time.sleep(0.1)
    scene.count = len(seen) - first
    if not scene.count:
        scene.faults.append(f"no process of {group} was replaced in {scene.size.span:.0f} s")


def recycling(scene: Scene) -> None:
    """maximum-requests=200."""
    scene.notes.append("recycled")
    act_by_itself(scene)


def ageing(scene: Scene) -> None:
    """restart-interval=4."""
    scene.notes.append("aged")
    act_by_itself(scene)


def evictions(scene: Scene) -> None:
    """SIGUSR1 to the daemons of the group."""
    for _ in range(scene.size.kills):
        former = wait_for_daemons(scene.site, "app")
        for pid in former:
            os.kill(pid, signal.SIGUSR1)
            scene.count += 1
        wait_until(functools.partial(has_fresh, scene.site, former), "the group has new processes", 30)


def has_fresh(site: Site, former: list[int]) -> bool:
    """Whether two other processes serve."""
    return len(set(site.daemons("app")) - set(former)) >= 2


def engine_of(pid: int) -> str:
    """Fingerprint of the engine that a process has loaded; "" when it has ended or has none yet."""
    with contextlib.suppress(OSError):
        return "".join(sorted(set(ENGINE.findall(processes.maps(pid)))))
    return ""


def runs_engine(site: Site, wanted: str) -> bool:
    """Whether any process of the group has that engine."""
    return any(engine_of(pid) == wanted for pid in site.daemons("app"))


def upgrade(scene: Scene) -> None:
    """Another build into the same directory, a graceful restart; and back. A request runs through each."""
    assert scene.builds
    for number in (1, 0):
        gate = scene.site.server.layout.scratch / f"gate-{number}"
        former = scene.builds.current()
        call = Call(scene.site.server, f"/app?id=held-{number}&gate={gate}")
        pid = wait_until(functools.partial(scene.site.pid_of, f"held-{number}"), "a request is held")
        wanted = scene.builds.install(number)
        try:
            restart_gracefully(scene)
            wait_until(functools.partial(runs_engine, scene.site, wanted), f"a process runs the engine {wanted}", 30)
            if engine_of(pid) != former:
                scene.faults.append(f"process {pid} began with the engine {former} and has {engine_of(pid) or 'gone'}")
        finally:
            gate.touch()
        if call.result().status != 200:
            scene.faults.append(f"the request that was held through the upgrade got {call.result().status}")
        scene.notes.append(f"engine {former} to {wanted}: both served, the request that began before ended after it")
        time.sleep(0.5)


def starve_daemons(scene: Scene) -> None:
    """No descriptors left in the daemons, twice: by the limit, and because a request takes all."""
    found = wait_for_daemons(scene.site, "starved")
    with scarcity(found, 2):
        scene.count += 1
        time.sleep(2)
    reply = scene.site.server.get("/starved?id=hoard&hoard=1.5")
    scene.count += 1
    scene.notes.append(f"the request that took all descriptors got {reply.status}")


def starve_children(scene: Scene) -> None:
    """Next to no descriptors left in Apache's children."""
    with scarcity(scene.site.children(), 4):
        scene.count += 1
        time.sleep(2)
