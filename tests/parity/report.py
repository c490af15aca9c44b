# SPDX-License-Identifier: Apache-2.0
"""Runs all tables and says in words what came out."""

from __future__ import annotations

import contextlib
import importlib
import pkgutil
import textwrap
import time

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field

from harness import Module, find_module, places, wait_until

from parity import cases as tables
from parity import compare, differences, rows
from parity.model import Case, Check, Site
from parity.pair import Prover, Shown, Side, listing, on_both
from parity.peer import find_peer

FEWEST = 400
LOG_SETTLES = 4.0
SITE_SECONDS = 150.0  # of waiting, for all cases of a site in one mode: far more than any needs


@dataclass
class Tables:
    """Everything the modules of cases/ define."""

    sites: dict[str, Site] = field(default_factory=dict)
    cases: list[Case] = field(default_factory=list)
    checks: list[Check] = field(default_factory=list)


@dataclass
class Result:
    """What has been compared."""

    passed: Counter[str] = field(default_factory=Counter)
    failed: Counter[str] = field(default_factory=Counter)
    rows: Counter[str] = field(default_factory=Counter)
    differences: set[str] = field(default_factory=set)

    def note(self, case: str, covered: Iterable[str], failures: list[str]) -> None:
        """One comparison."""
        covered = tuple(covered)
        section = rows.section_of(covered[0]) if covered else "1.2"
        self.rows.update(covered)
        (self.failed if failures else self.passed)[section] += 1
        if failures:
            print(f"\nFAILED {case}  [{', '.join(covered)}]")
            for text in failures:
                print(textwrap.indent(text, "    "), flush=True)


def load() -> Tables:
    """Reads every module of cases/."""
    found = Tables()
    for info in pkgutil.iter_modules(tables.__path__):
        module = importlib.import_module(f"parity.cases.{info.name}")
        for site in getattr(module, "SITES", ()):
            if site.id in found.sites:
                raise SystemExit(f"two sites are called {site.id}")
            found.sites[site.id] = site
        found.cases += getattr(module, "CASES", ())
        found.checks += getattr(module, "CHECKS", ())
    return found


def table_problems(found: Tables, wanted: list[str]) -> list[str]:
    """Ids that are there twice or not at all."""
    both: list[Case | Check] = [*found.cases, *found.checks]
    every = [case for case in both if chosen(wanted, case.id)]
    names = Counter(case.id for case in every)
    wrong = [f"{count} cases are called {name}" for name, count in names.items() if count > 1]
    page = set(differences.in_page())
    for case in every:
        wrong += [f"{case.id}: there is no row {row}" for row in case.rows if row not in rows.ROWS]
        wrong += [f"{case.id}: {name} is not in the page" for name in case.accepted.values() if name not in page]
        if not case.rows:
            wrong.append(f"{case.id}: covers no row")
    wrong += [f"{case.id}: there is no site {case.site}" for case in found.cases if case.site not in found.sites]
    return wrong


def chosen(wanted: list[str], name: str) -> bool:
    """Whether the command line picks it."""
    return not wanted or any(name.startswith(start) for start in wanted)


def run_listing(result: Result, ours: Module, peer: Module) -> None:
    """`httpd -L`: names and contexts."""
    theirs, mine = on_both(lambda: listing(peer), lambda: listing(ours))
    for name in sorted(theirs):
        failures = []
        if name not in mine:
            failures.append("ours has no such directive")
        elif mine[name] != theirs[name]:
            failures.append(f"6.1.1: {theirs[name]}\nours:  {mine[name]}")
        result.note(f"L-{name}", (), failures)
    extra = sorted(set(mine) - set(theirs) - set(rows.REMOVED) - set(rows.OWN))
    result.note("L-no-others", (), [f"directives that 6.1.1 has not: {extra}"] if extra else [])


def check_failures(check: Check, theirs: Shown, mine: Shown, itself: bool) -> tuple[list[str], set[str]]:
    """One `httpd -t`."""
    failures, used = compare.judge(check, compare.diff(theirs, mine)[0])
    output = [shown.steps[0]["output"] if shown.steps else shown.error for shown in (theirs, mine)]
    parts = theirs.steps[0] if theirs.steps else {}
    if parts.get("status") != int(check.refused):
        failures.append(f"6.1.1 ends with {parts.get('status')}, the table says {int(check.refused)}")
    if check.says and not compare.matches(check.says, output[0]):
        failures.append(f"the message of 6.1.1 does not match {check.says!r}")
    if mine.steps and mine.steps[0]["status"] and not itself:
        directive = compare.directive_at(check.lines, int(mine.steps[0]["line"]))
        needed = [word for word in (directive, *check.names) if word]
        failures += [f"our refusal does not name {word!r}" for word in needed if word.lower() not in output[1].lower()]
    if failures:
        failures.append(f"6.1.1 says:\n{output[0].strip()}\nours says:\n{output[1].strip()}")
    return failures, used


def run_checks(result: Result, checks: list[Check], ours: Module, peer: Module) -> None:
    """All `httpd -t`, one side in each thread."""
    one, two = Prover(peer), Prover(ours)
    theirs, mine = on_both(lambda: [one.show(check) for check in checks], lambda: [two.show(check) for check in checks])
    for check, left, right in zip(checks, theirs, mine, strict=True):
        failures, used = check_failures(check, left, right, ours.path == peer.path)
        result.differences |= used
        result.note(check.id, check.rows, failures)


def judge(case: Case, theirs: Shown, mine: Shown) -> tuple[list[str], set[str]]:
    """What is wrong with a case, and the differences that were accepted in it."""
    found, forgiven = compare.diff(theirs, mine)
    failures, used = compare.judge(case, found)
    return failures + compare.sense(case, theirs) + compare.kept_promise(case, mine), used | forgiven


def judge_when_logged(case: Case, *sides: tuple[Side, Shown]) -> tuple[list[str], set[str]]:
    """The same, with the lines that come to the logs within a few seconds."""
    (_, theirs), (_, mine) = sides

    def is_settled() -> bool:
        for side, shown in sides:
            side.read_log(case, shown)
        return not judge(case, theirs, mine)[0]

    with contextlib.suppress(AssertionError):
        wait_until(is_settled, "", LOG_SETTLES)
    return judge(case, theirs, mine)


def run_site(result: Result, site: Site, mode: str, found: list[Case], ours: Module, peer: Module) -> None:
    """All cases of a site in one mode."""
    left, right = Side(site, mode, peer), Side(site, mode, ours)
    began = time.monotonic()
    on_both(left.start, right.start)
    failure = " / ".join(dict.fromkeys(text for text in (left.failure, right.failure) if text))
    if failure:
        for number, case in enumerate(found):
            result.note(
                f"{case.id} ({mode})", case.rows, [f"{site.id}: " + (failure if not number else "did not start")]
            )
        on_both(left.stop, right.stop)
        return
    try:
        for case in found:
            if time.monotonic() - began > SITE_SECONDS:
                result.note(f"{case.id} ({mode})", case.rows, [f"not run: {site.id} took over {SITE_SECONDS:.0f} s"])
                continue
            theirs, mine = on_both(lambda case=case: left.show(case), lambda case=case: right.show(case))  # type: ignore[misc]
            failures, used = judge(case, theirs, mine)
            if failures and mine.log != theirs.log:
                # What an application says goes to the log at the end of its request, which may be
                # after the response: so what differs is looked at again until it does not.
                failures, used = judge_when_logged(case, (left, theirs), (right, mine))
            if failures and mine.log != theirs.log:
                failures.append(f"our log ends:\n{right.log_tail()}")
            result.differences |= used
            result.note(f"{case.id} ({mode})", case.rows, failures)
    finally:
        _, problem = on_both(left.stop, right.stop)
    if problem:
        result.note(f"stop of {site.id} ({mode})", found[0].rows, [problem])
    print(f"{site.id:<28} {mode:<9} {len(found):4d} comparisons {time.monotonic() - began:6.1f} s", flush=True)


def demands(result: Result, total: int) -> list[str]:
    """What the whole run owes."""
    wrong = [f"uncovered row {row}: {text}" for row, text in rows.ROWS.items() if not rows.proved(row, result.rows)]
    wrong += rows.problems()
    if total < FEWEST:
        wrong.append(f"{total} comparisons, at least {FEWEST} are wanted")
    return wrong


def print_tables(result: Result) -> None:
    """Counts by section, coverage by row."""
    print("\nsection   passed  failed    rows  covered")
    for section in rows.sections():
        of_section = [row for row in rows.ROWS if rows.section_of(row) == section]
        covered = sum(1 for row in of_section if rows.proved(row, result.rows))
        numbers = f"{result.passed[section]:6d}  {result.failed[section]:6d}  {len(of_section):6d}  {covered:7d}"
        print(f"{section:<9} {numbers}")
    print("\ncomparisons by row")
    for row in rows.ROWS:
        print(f"  {row:<44} {result.rows[row] or rows.ELSEWHERE.get(row, ('', 'NONE'))[1]}")


def main(wanted: list[str]) -> int:
    """Everything, or what the arguments pick."""
    found = load()
    wrong = table_problems(found, wanted)
    if wrong:
        print("\n".join(wrong))
        return 2
    ours, peer = find_module(), find_peer()
    print(f"ours:  {ours.path}\n6.1.1: {peer.path}\n", flush=True)
    result = Result()
    if chosen(wanted, "L"):
        run_listing(result, ours, peer)
    run_checks(result, [check for check in found.checks if chosen(wanted, check.id)], ours, peer)
    for site in found.sites.values():
        for mode in site.modes:
            picked = [c for c in found.cases if c.site == site.id and mode in c.modes and chosen(wanted, c.id)]
            if picked and (places().is_root or not site.needs_root):
                run_site(result, site, mode, picked, ours, peer)
    passed, failed = result.passed.total(), result.failed.total()
    if not wanted:
        print_tables(result)
    owed = differences.problems(result.differences, complete=not wanted)
    if not wanted:
        owed += demands(result, passed + failed)
    for text in owed:
        print(f"FAILED {text}")
    failed += len(owed)
    print(f"{passed} passed, {failed} failed")
    return int(failed > 0)
