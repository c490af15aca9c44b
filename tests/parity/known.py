# SPDX-License-Identifier: Apache-2.0
"""Differences that go through everything: rules instead of a mark at each case.

Each rule is as narrow as it can be, and names the difference of docs/differences.md it stands for.
"""

from __future__ import annotations

import re

from collections.abc import Mapping
from typing import Any

from parity.pair import AGAIN, LOAD_CODES, Shown

Diffs = dict[str, str]  # part -> what differs, in words

# What 6.1.1 raises by itself about a value of the wrong type, and what ours says instead.
OWN_ERRORS = {"TypeError", "UnicodeEncodeError"}
INSTEAD = {"WSGI0179", "WSGI1003"}
UNREADABLE = {"FileNotFoundError", "IsADirectoryError", "NotADirectoryError", "PermissionError"}
DENIED = "WSGI0057"
ID = "x-request-id"
ID_LINE = re.compile(r"X-Request-ID: [^\r\n]*\r?\n")
SCRIPT = re.compile(r"^\[script [^\]]*\] ")


def _hint(code: str, level: str) -> bool:
    """A warning of ours about what 6.1.1 takes in silence."""
    return code >= "WSGI1000" and level == "warn"


def once(codes: Mapping[str, str]) -> dict[str, str]:
    """Numbers without those that say again what another has said: of a failed load, of a denial."""
    kept = {code: level for code, level in codes.items() if code not in AGAIN or not LOAD_CODES & set(codes)}
    return {code: level for code, level in kept.items() if code != DENIED or len(kept) == 1}


def log_of_peer(peer: Mapping[str, Any], ours: Mapping[str, Any]) -> tuple[dict[str, Any], set[str]]:
    """The log's class of 6.1.1 as it has to be with ours, and the differences that make it so."""
    made, used = dict(peer), set()
    codes = dict(peer.get("codes", {}))
    if once(codes) != codes:
        codes = once(codes)
        used.add("D801")
    mine = ours.get("codes", {})
    again = set(codes) - set(mine)
    if mine and again and again <= AGAIN and set(mine) <= set(codes):
        codes = dict(mine)
        used.add("D801")
    raised = set(peer.get("exceptions", ()))
    if raised and raised <= OWN_ERRORS and not ours.get("exceptions"):
        made["exceptions"] = []
        used.add("D403")
        if "WSGI0174" in codes and set(codes) <= AGAIN and mine and set(mine) <= INSTEAD:
            codes = dict(mine)
    hints = {code: level for code, level in mine.items() if _hint(code, level) and code not in codes}
    if hints:
        codes = dict(sorted({**codes, **hints}.items()))
        used.add("D118")
    if peer:
        made["codes"] = codes
    if {"WSGI0105", "WSGI0106"} & set(mine) and UNREADABLE & set(peer.get("exceptions", ())) - set(ours["exceptions"]):
        made["exceptions"] = [name for name in peer["exceptions"] if name not in UNREADABLE]
        used.add("D802")
    if ours.get("said") is not None:
        said = [(level, SCRIPT.sub("", text)) for level, text in peer["said"]]
        if said != peer["said"]:
            made["said"] = said
            used.add("D803")
    return made, used


def _values(step: Mapping[str, Any], name: str) -> list[str]:
    return [value for key, value in step.get("headers", ()) if key == name]


def _knows_length(peer: Mapping[str, Any], ours: Mapping[str, Any]) -> bool:
    """Chunks of 6.1.1 against a Content-Length of ours, for the same body."""
    length = _values(ours, "content-length")
    return (
        not _values(peer, "content-length")
        and _values(peer, "transfer-encoding") in ([], ["chunked"])
        and not _values(ours, "transfer-encoding")
        and len(length) == 1
        and (length[0] == "@LENGTH@" or (not ours.get("body") and length[0].isdigit()))
    )


def _page(peer: Mapping[str, Any], ours: Mapping[str, Any], codes: Mapping[str, str]) -> bool:
    """Apache's page against ours, which has the code of the log and a request id, and no path."""
    body = str(ours.get("body", ""))
    return (
        peer.get("status") == ours.get("status")
        and int(ours.get("status") or 0) >= 500
        and "<html>" in str(peer.get("body", ""))
        and any(code in body for code in codes)
        and "@ROOT@" not in body
    )


def _is_of_refusal(step: Mapping[str, Any], log: Mapping[str, Any]) -> bool:
    """An answer of 5xx, or of the ErrorDocument of one, which may have another status.

    A document that shows its environ says what it stands for; for one that does not, the case's log has to.
    """
    if int(step.get("status") or 0) >= 500:
        return True
    if step.get("environ"):
        return int(dict(step["environ"]).get("REDIRECT_STATUS") or 0) >= 500
    return "error" in log.get("codes", {}).values()


def forgive(peer: Shown, ours: Shown, found: Diffs) -> set[str]:
    """Takes out of `found` what a rule covers in every step; the differences that were met."""
    used: set[str] = set()
    steps = list(zip(peer.steps, ours.steps, strict=False))
    lengths = [pair for pair in steps if _lengths(pair[0]) != _lengths(pair[1])]
    if lengths and all(_knows_length(*pair) for pair in lengths):
        found.pop("headers:content-length", None)
        found.pop("headers:transfer-encoding", None)
        used.add("D201")
    told = [pair for pair in steps if isinstance(pair[1].get("result"), dict)]
    if "result:content-length" in found and all("content-length" not in one["result"] for one, _ in told):
        del found["result:content-length"]  # a step of a table that asked by itself, by HEAD
        found.pop("result:transfer-encoding", None)
        used.add("D201")
    pages = [pair for pair in steps if pair[0].get("body") != pair[1].get("body")]
    if "body" in found and all(_page(one, two, ours.log.get("codes", {})) for one, two in pages):
        del found["body"]
        used.add("D204")
    if "body" in found and all(ID_LINE.sub("", str(two.get("body"))) == one.get("body") for one, two in pages):
        del found["body"]  # of an answer behind another one
        used.add("D812")
    named = [pair for pair in steps if _values(pair[0], ID) != _values(pair[1], ID)]
    if named and all(not _values(one, ID) and _is_of_refusal(two, ours.log) for one, two in named):
        found.pop(f"headers:{ID}", None)
        used.add("D812")
    return used


def _lengths(step: Mapping[str, Any]) -> list[list[str]]:
    return [_values(step, "content-length"), _values(step, "transfer-encoding")]
