# SPDX-License-Identifier: Apache-2.0
"""Run the phases on ours and on mod_wsgi 6.1.1 in turn, print the table, say whether ours kept its word.

--quick does less of everything; --only PHASE... runs some phases; --no-peer leaves 6.1.1 out. WSGI_MODULE names a
module to use in place of our two builds (there is no upgrade then), WSGI_PEER_MODULE the other side's.
"""

from __future__ import annotations

import argparse
import os
import sys
import time

from pathlib import Path

TESTS = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(TESTS), str(TESTS / "server")]

from harness import Module, find_module, places  # noqa: E402
from parity.peer import find_peer  # noqa: E402

from chaos.builds import Builds  # noqa: E402
from chaos.events import QUICK, Size  # noqa: E402
from chaos.judge import Seen, verdict  # noqa: E402
from chaos.phases import PHASES, Run  # noqa: E402
from chaos.report import explain, table  # noqa: E402
from chaos.site import Site, codes  # noqa: E402


def arguments(words: list[str]) -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(prog="make chaos", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="less of everything")
    parser.add_argument("--no-peer", action="store_true", help="without mod_wsgi 6.1.1")
    parser.add_argument("--only", nargs="*", default=[], choices=[phase.name for phase in PHASES], metavar="PHASE")
    return parser.parse_args(words)


def find_ours() -> tuple[Module, Builds | None]:
    """Our module: the first of two builds, or the one that is named."""
    if os.environ.get("WSGI_MODULE"):
        return find_module(), None
    builds = Builds()
    builds.make()
    return Module(builds.module, peer=False), builds


def play_all(runs: list[Run], only: list[str]) -> list[Seen]:
    """Phase by phase, each on both sides, so that both meet the same machine."""
    rows = []
    for phase in PHASES:
        if only and phase.name not in only:
            continue
        for run in runs:
            if (phase.ours_only and run.site.peer) or (phase.name == "upgrade" and not run.builds):
                continue
            began = time.monotonic()
            print(f"{phase.name}, {run.site.name}: {phase.words} ... ", end="", flush=True)
            rows.append(run.play(phase))
            said = "FAIL" if verdict(rows[-1]) else "ok"
            print(f"{said} ({time.monotonic() - began:.0f} s, {len(rows[-1].records)} requests)", flush=True)
    for run in runs:
        run.note_executions()
    return rows


def main(words: list[str]) -> int:
    """0 when ours lost nothing that it should not lose."""
    wanted = arguments(words)
    results = places().cache / "results"
    results.mkdir(parents=True, exist_ok=True)
    ours, builds = find_ours()
    size = QUICK if wanted.quick else Size()
    runs = [Run(Site(ours), size, builds)]
    if not wanted.no_peer:
        runs.append(Run(Site(find_peer()), size, None))
    rows: list[Seen] = []
    ends: list[str] = []
    try:
        for run in runs:
            run.site.start()
        rows = play_all(runs, wanted.only)
    finally:
        for run in runs:
            log = results / f"chaos-{run.site.name}.log"
            problem = run.site.close(keep=log)
            counted = ", ".join(f"{code} {count}" for code, count in sorted(codes(log.read_text()).items()))
            ends.append(f"error log, {run.site.name}: {counted or 'no numbered line'}")
            if problem:
                ends.append(f"stop, {run.site.name}: {'FAIL: ' if not run.site.peer else ''}{problem}")
    failed = [seen for seen in rows if seen.side == "ours" and verdict(seen)]
    text = "\n".join([*table(rows), "", *explain(rows), *ends])
    (results / "chaos.txt").write_text(text + "\n")
    print(f"\n{text}\n\n{len(rows)} phases, {len(failed)} of ours failed")
    return int(bool(failed) or any("FAIL" in line for line in ends))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
