# SPDX-License-Identifier: Apache-2.0
"""The format of the tables.

In all texts (configuration, files, targets, headers, expectations) these words are replaced:

    @ROOT@ @APPS@ @HTDOCS@ @SCRATCH@ @LOGS@   directories of the server; @APPS@ is a copy of tests/server/apps
    @PORT0@ @PORT1@ ...                       its ports
    @DELEGATE@                                embedded: nothing; daemon: the group `app` and WSGIProcessGroup app
    @USER@ @GROUP@                            whom Apache's children run as (empty without root)

and what comes back is compared after the reverse replacement.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from harness import Server

BOTH = ("embedded", "daemon")
EMBEDDED = ("embedded",)
DAEMON = ("daemon",)

Headers = tuple[tuple[str, str], ...]


@dataclass(frozen=True)
class Ask:
    """One request. With `raw` these bytes are sent as they are and all that comes back is compared."""

    target: str = "/"
    method: str = "GET"
    headers: Headers = ()
    body: bytes | None = None
    chunked: bool = False
    port: int = 0
    raw: str = ""
    timeout: float = 20.0


# A step that is no request: it may change files, signal, look at /proc; what it returns is compared.
Act = Callable[[Server], Any]
Step = Ask | Act


@dataclass(frozen=True)
class Site:
    """A server configuration that many cases share; runs once for each mode."""

    id: str
    lines: str
    modes: tuple[str, ...] = BOTH
    modules: tuple[str, ...] = ()
    ports: int = 1
    level: str = "warn"
    mpm: str = "event"
    # path below the server root -> text; "name/" makes a directory
    files: Mapping[str, str] = field(default_factory=dict)
    needs_root: bool = False
    environment: Mapping[str, str] = field(default_factory=dict)  # more variables for httpd


@dataclass(frozen=True)
class Case:
    """Requests to a site, and what they must show on 6.1.1 so that the comparison means something.

    Compared are the parts status, reason, headers, body (or environ, when the body is one) and log,
    of every request in order. `accepted` names, for a part that differs, the difference of
    docs/differences.md; that part has to differ then, the others must not.
    """

    id: str
    rows: tuple[str, ...]
    site: str
    ask: Step | tuple[Step, ...]
    status: int | str | None = 200  # of the last request, on 6.1.1; "cut", "timeout", None: any
    codes: tuple[int, ...] = ()  # WSGInnnn of level warn and above in the log, on 6.1.1
    shows: tuple[str, ...] = ()  # texts in the last body (or result of a step), on 6.1.1, normalised
    modes: tuple[str, ...] = BOTH
    headers: tuple[str, ...] | None = None  # only these, by default all
    typed: Mapping[str, type] = field(default_factory=dict)  # keys of a JSON body of which only the type counts
    skip: tuple[str, ...] = ()  # parts not compared (say why in a comment)
    said: bool = False  # also compare the uncoded lines of module wsgi: what applications wrote
    accepted: Mapping[str, str] = field(default_factory=dict)
    ours: Mapping[str, Any] = field(default_factory=dict)  # values of parts that ours must have (last request)


@dataclass(frozen=True)
class Check:
    """A configuration for `httpd -t`.

    Compared: exit status, the line that is refused (counted in `lines`) and the kind of refusal.
    Our refusal has to name the directive and the words of `names`.
    """

    id: str
    rows: tuple[str, ...]
    lines: str
    refused: bool = True
    says: str = ""  # pattern in the message of 6.1.1: that it is this circumstance
    names: tuple[str, ...] = ()
    modules: tuple[str, ...] = ()
    accepted: Mapping[str, str] = field(default_factory=dict)
    needs_root: bool = False
