# SPDX-License-Identifier: Apache-2.0
"""Counts of one phase, and whether the server kept what it promises."""

from __future__ import annotations

import math

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from chaos.load import Record
from chaos.site import Blow, Deploy, Execution

# A neighbour's p99 has risen when it is so many times what it was, and so much more (s), and when
# the static file, which shows what the machine does, did not rise as much.
RISE_FACTOR = 3.0
RISE_SECONDS = 0.030
HEALED_SECONDS = 0.5  # the end of a phase in which every answer is to be 200
CHILD_SECONDS = 0.1  # between a child's death and the end of its connections
# A request that crosses httpd's own closing of an idle connection is lost with any server. The control meets that
# as often, but not in the same second: so many more are luck.
CROSSED_MORE = 2
CROSSED = ("closed", "reset")


@dataclass
class Stream:
    """What one kind of client saw of one site."""

    records: list[Record]

    @property
    def bad(self) -> list[Record]:
        """Everything but a whole answer with 200."""
        return [record for record in self.records if record.outcome != "200"]

    @property
    def kinds(self) -> Counter[str]:
        """Bad outcomes and how often."""
        return Counter(record.outcome for record in self.bad)

    @property
    def gap(self) -> float:
        """The longest time between two good answers, in seconds."""
        ends = sorted(record.end for record in self.records if record.outcome == "200")
        return max((after - before for before, after in zip(ends, ends[1:])), default=math.inf)


def percentile(records: Iterable[Record], share: float) -> float:
    """Latency that so many are not above, in seconds; of whatever was answered."""
    times = sorted(record.end - record.begin for record in records)
    return times[max(0, math.ceil(share * len(times)) - 1)] if times else 0.0


@dataclass
class Seen:
    """Everything known about a phase on one side."""

    phase: str
    rule: str
    side: str
    records: list[Record]
    executed: Mapping[str, list[Execution]]
    blows: list[Blow] = field(default_factory=list)
    deploys: list[Deploy] = field(default_factory=list)
    began: float = 0.0  # of the event
    ended: float = 0.0
    count: int = 0
    notes: list[str] = field(default_factory=list)
    faults: list[str] = field(default_factory=list)

    def stream(self, site: str, kind: str = "") -> Stream:
        """Some of the records."""
        return Stream([each for each in self.records if each.site == site and kind in ("", each.kind)])

    @property
    def sites(self) -> list[str]:
        """Whom it was asked of."""
        return sorted({record.site for record in self.records})

    @property
    def applications(self) -> list[str]:
        """All but the static file."""
        return [site for site in self.sites if site != "static"]

    @property
    def twice(self) -> list[str]:
        """Requests that were executed more than once."""
        return sorted(record.id for record in self.records if len(self.executed.get(record.id, ())) > 1)

    @property
    def unexecuted(self) -> list[str]:
        """Answered with 200, and no line in the journal."""
        return sorted(
            record.id
            for record in self.records
            if record.site != "static" and record.outcome == "200" and record.id not in self.executed
        )

    @property
    def old_code(self) -> list[str]:
        """Begun after a deploy that works, and answered by a version before it."""
        found = []
        for record in self.records:
            due = max((each.version for each in self.deploys if each.works and each.at < record.begin), default=-1)
            if record.site == "app" and record.outcome == "200" and record.version < due:
                found.append(record.id)
        return found

    def running_in(self, blow: Blow) -> set[str]:
        """Requests that a killed daemon was executing: begun there, and not answered yet."""
        return {
            record.id
            for record in self.records
            if record.end > blow.before and any(run.pid == blow.pid for run in self.executed.get(record.id, ()))
        }

    def rises(self) -> dict[str, tuple[float, float]]:
        """p99 of everything but the application under change: before the event, and during it."""
        found = {}
        for site in self.sites:
            mine = self.stream(site).records
            before = [each for each in mine if each.end < self.began]
            during = [each for each in mine if self.began <= each.begin < self.ended]
            found[site] = (percentile(before, 0.99), percentile(during, 0.99))
        return found


def says(records: Iterable[Record]) -> str:
    """Outcomes in words."""
    return ", ".join(f"{outcome}: {count}" for outcome, count in Counter(each.outcome for each in records).items())


def always(seen: Seen) -> list[str]:
    """What no phase may show."""
    reasons = list(seen.faults)
    if seen.twice:
        reasons.append(f"{len(seen.twice)} requests were executed twice: {', '.join(seen.twice[:5])}")
    if seen.unexecuted:
        reasons.append(f"{len(seen.unexecuted)} answers of 200 without an execution: {', '.join(seen.unexecuted[:5])}")
    if seen.old_code:
        reasons.append(f"{len(seen.old_code)} requests begun after a deploy saw older code: {seen.old_code[0]}")
    return reasons


def not_more_than_control(seen: Seen, site: str) -> list[str]:
    """Kept connections: what httpd's closing costs the static file, it may cost an application."""
    mine, control = seen.stream(site, "reused").bad, seen.stream("static", "reused").bad
    crossed = [each for each in mine if each.outcome in CROSSED and each.id not in seen.executed]
    others = [each for each in mine if each not in crossed]
    reasons = []
    if len(others) > len([each for each in control if each.outcome not in CROSSED]):
        reasons.append(f"{site}, kept connections: {says(others)}; the static file: {says(control) or 'none'}")
    if len(crossed) > len([each for each in control if each.outcome in CROSSED]) + CROSSED_MORE:
        reasons.append(f"{site}, kept connections: {len(crossed)} closed, {len(control)} of the static file")
    return reasons


def nothing_lost(seen: Seen, sites: Iterable[str]) -> list[str]:
    """No failure on fresh connections, on kept ones no more than the control has."""
    reasons = []
    for site in sites:
        bad = seen.stream(site, "fresh").bad
        if bad:
            reasons.append(f"{site}, fresh connections: {says(bad)}")
        reasons += not_more_than_control(seen, site)
    return reasons


def lossless(seen: Seen) -> list[str]:
    """Restarts, touches, recycling."""
    return nothing_lost(seen, seen.applications)


def neighbours_unharmed(seen: Seen) -> list[str]:
    """As lossless, and the p99 of the others has not risen."""
    rises = seen.rises()
    before, during = rises["static"]
    machine = max(1.0, during / before if before else 1.0)
    reasons = lossless(seen)
    for site in seen.applications:
        before, during = rises[site]
        if site != "app" and during > before + RISE_SECONDS and during > before * RISE_FACTOR * machine:
            reasons.append(f"p99 of {site} rose from {before * 1000:.0f} to {during * 1000:.0f} ms")
    return reasons


def each_502_once(seen: Seen) -> list[str]:
    """A killed daemon costs the requests that ran in it, a killed supervisor none."""
    price = set().union(*(seen.running_in(blow) for blow in seen.blows if blow.kind == "daemon"))
    reasons = nothing_lost(seen, [site for site in seen.applications if site != "app"])
    bad = seen.stream("app").bad
    wrong = [each for each in bad if each.id not in price]
    if wrong:
        reasons.append(f"{len(wrong)} requests failed that did not run in a killed process: {says(wrong)}")
    odd = [each for each in bad if each.id in price and each.outcome != "502"]
    if odd:
        reasons.append(f"requests of a killed process got {says(odd)} instead of 502")
    seen.notes.append(f"{len(price)} requests ran in killed processes, {len(bad)} failed")
    return reasons


def child_only(seen: Seen) -> list[str]:
    """A killed child of Apache costs the requests that were under way then, of any site."""
    reasons = []
    for record in (each for site in seen.sites for each in seen.stream(site).bad):
        if not any(each.before <= record.end and record.begin <= each.after + CHILD_SECONDS for each in seen.blows):
            reasons.append(f"{record.id} failed ({record.outcome}) when no child was killed")
    lost = {site: len(seen.stream(site).bad) for site in seen.sites if seen.stream(site).bad}
    seen.notes.append(f"lost with the children: {lost or 'nothing'}")
    return reasons[:5]


def healed(seen: Seen) -> list[str]:
    """Want may cost something, but not for long."""
    end = max((record.begin for record in seen.records), default=0.0)
    late = [each for each in seen.records if each.begin > end - HEALED_SECONDS and each.outcome != "200"]
    return [f"at its end there still were failures: {says(late)}"] if late else []


def group_starved(seen: Seen) -> list[str]:
    """A group without descriptors costs its neighbours nothing, and heals."""
    return nothing_lost(seen, [site for site in seen.applications if site != "app"]) + healed(seen)


def end_of_all(seen: Seen) -> list[str]:
    """The parent was killed: whatever is answered is answered once."""
    return []


RULES = {
    "lossless": lossless,
    "neighbours": neighbours_unharmed,
    "502 once": each_502_once,
    "child": child_only,
    "heals": healed,
    "starved": group_starved,
    "end": end_of_all,
}


def note_overload(seen: Seen) -> None:
    """Says when not even the static file was answered: then the machine, or httpd, was too slow for the load."""
    tired = [each for each in seen.stream("static").bad if each.outcome in ("unsent", "timeout")]
    if tired and seen.rule != "end":
        seen.notes.append(f"{len(tired)} requests for the static file had no answer in time: is the machine quiet?")


def verdict(seen: Seen) -> list[str]:
    """Why this phase fails; nothing when it does not."""
    if not seen.stream("app").records:
        return ["no request was made"]
    return always(seen) + RULES[seen.rule](seen)
