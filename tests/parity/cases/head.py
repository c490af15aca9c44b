# SPDX-License-Identifier: Apache-2.0
"""4.5: when an application sees GET instead of HEAD."""

from __future__ import annotations

from typing import Any

from harness import Server

from parity import normal
from parity.model import BOTH, Act, Case, Site
from parity.tables import app, pair

SETTINGS = ("unset", "Auto", "On", "Off", "auto", "ON")
# The name of a place -> the filter that is active there, and whether it is one for content.
FILTERS = {
    "plain": ("", False),
    "deflate": ("SetOutputFilter DEFLATE", True),
    "substitute": ("SetOutputFilter SUBSTITUTE\nSubstitute s/body/text/", True),
    "includes": ("Options +Includes\nSetOutputFilter INCLUDES", True),
    "by-type": ("AddOutputFilterByType DEFLATE text/plain", True),
    "rate": ("SetOutputFilter RATE_LIMIT\nSetEnv rate-limit 4000", False),
    "headers": ("Header set X-Also here", True),
    "expires": ("ExpiresActive On\nExpiresDefault A60", True),
}


def places(setting: str) -> str:
    """A place for each filter under one value of the directive."""
    value = "" if setting == "unset" else f"WSGIMapHEADToGET {setting}"
    return "".join(
        f"<Location /{setting}-/{name}>\n{lines}\n{value}\n</Location>\n" for name, (lines, _) in FILTERS.items()
    )


SITES = (
    Site(
        "head",
        "@DELEGATE@\nWSGIScriptAlias / @ROOT@/w/method.wsgi\nWSGIApplicationGroup %{GLOBAL}\n"
        "<Location /on-the-server>\nWSGIMapHEADToGET Off\nSetOutputFilter DEFLATE\n</Location>\n"
        + "".join(places(setting) for setting in SETTINGS),
        modules=("filter", "deflate", "substitute", "include", "ratelimit", "headers", "expires", "env"),
        files={"w/method.wsgi": app("method.wsgi")},
    ),
)


def told(method: str, target: str, *headers: tuple[str, str]) -> Act:
    """A step: one request, its status, headers and the length of its body."""

    def act(server: Server) -> Any:
        reply = server.request(method, target, headers=headers)
        found = {name.lower(): normal.clean(value, server) for name, value in reply.headers}
        for name in ("date", "expires"):
            if name in found:
                found[name] = "@DATE@"
        # Whether the length is known or the body comes in chunks is another matter (D201).
        for name in ("content-length", "transfer-encoding"):
            found.pop(name, None)
        return {"status": reply.status, "length": len(reply.body), **found}

    return act


def presented(setting: str, content: bool) -> str:
    """The method the application sees for HEAD."""
    if setting.lower() in ("unset", "auto"):
        return "GET" if content else "HEAD"
    return "GET" if setting.lower() == "on" else "HEAD"


ROW = {"unset": "4.5-auto-", "auto": "4.5-auto-", "on": "4.5-on", "off": "4.5-off"}
GZIP = ("Accept-Encoding", "gzip")

CASES: tuple[Case, ...] = (
    *(
        Case(
            f"4.5 {setting} {name} {query}, {mode}",
            (
                row if not row.endswith("-") else row + ("content-filter" if content else "plain"),
                "1.2-WSGIMapHEADToGET",
                "4.5-body-dropped",
            ),
            "head",
            told("HEAD", f"/{setting}-/{name}?{query}", GZIP),
            None,
            shows=(pair("x-method", presented(setting, content)), pair("length", 0)),
            modes=(mode,),
            accepted={"result": "D203"}
            if (mode, query) == ("daemon", "empty") and name in ("deflate", "by-type")
            else {},
        )
        for mode in BOTH
        for setting in SETTINGS
        for row in (ROW[setting.lower()],)
        for name, (_, content) in FILTERS.items()
        for query in ("length", "none", "empty")
        if query == "length" or setting in ("unset", "On", "Off")
    ),
    *(
        Case(
            f"4.5 GET {name}",
            ("4.5-on",),
            "head",
            told("GET", f"/On-/{name}?length"),
            None,
            shows=(pair("x-method", "GET"),),
        )
        for name in FILTERS
    ),
    *(
        Case(
            f"4.5 {method} stays",
            ("4.5-on",),
            "head",
            told(method, "/On-/deflate?length"),
            None,
            shows=(pair("x-method", method),),
        )
        for method in ("POST", "OPTIONS", "DELETE")
    ),
)
