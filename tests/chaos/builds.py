# SPDX-License-Identifier: Apache-2.0
"""Two builds of the module that are installed into the same directory, one after the other."""

from __future__ import annotations

import subprocess

from pathlib import Path

from harness import places
from harness.build import source_hash
from harness.places import SOURCES

FLAGS = ("", "-DNDEBUG")


def run(directory: Path, *command: str) -> None:
    """One step; its output is shown only when it fails."""
    done = subprocess.run(command, cwd=directory, capture_output=True, text=True, timeout=900, check=False)
    if done.returncode != 0:
        raise RuntimeError(f"{' '.join(command)} failed:\n{done.stdout[-2000:]}{done.stderr[-4000:]}")


class Builds:
    """What `make install` has put, or will put, into one libexecdir."""

    def __init__(self) -> None:
        self.root = places().cache / "build" / f"chaos-{source_hash([places().python])}"
        self.home = self.root / "modules" / "pyweb_mod_wsgi"

    @property
    def module(self) -> Path:
        """What httpd loads: always by the link."""
        return self.home / "current" / "mod_wsgi.so"

    def make(self) -> None:
        """Builds what is not built yet; the first is installed afterwards."""
        for number, flags in enumerate(FLAGS):
            work = self.root / f"work-{number}"
            if not (work / "build" / "mod_wsgi.so").exists():
                work.mkdir(mode=0o755, parents=True, exist_ok=True)
                more = [f"CFLAGS={flags}"] if flags else []
                run(
                    work,
                    str(SOURCES / "configure"),
                    f"--with-apxs={places().apxs}",
                    f"--with-python={places().python}",
                    f"--libexecdir={self.root / 'modules'}",
                    *more,
                )
                run(work, "make", "-j2")
        first = self.install(0)
        if self.install(1) == first:
            raise RuntimeError("two builds with different flags have the same fingerprint")
        self.install(0)

    def current(self) -> str:
        """The fingerprint that is installed."""
        return (self.home / "current").readlink().name

    def install(self, number: int) -> str:
        """`make install` of one of them; its fingerprint."""
        run(self.root / f"work-{number}", "make", "install")
        return self.current()
