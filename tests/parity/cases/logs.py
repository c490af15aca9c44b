# SPDX-License-Identifier: Apache-2.0
"""4.8: wsgi.errors, sys.stderr and sys.stdout, and the records that come of them."""

from __future__ import annotations

import re

from typing import Any

from harness import Server, wait_until

from parity import normal
from parity.model import Act, Case, Site
from parity.tables import app

SITES = (
    Site(
        "logs",
        "@DELEGATE@\n"
        + "".join(
            f"<VirtualHost *:@PORT{number}@>\nServerName {name}.invalid\nErrorLog @LOGS@/{name}.log\n"
            "WSGIApplicationGroup %{GLOBAL}\nWSGIScriptAlias / @ROOT@/w/logs.wsgi\n</VirtualHost>\n"
            for number, name in enumerate(("first", "second"))
        ),
        ports=2,
        files={"w/logs.wsgi": app("logs.wsgi")},
    ),
)

STREAMS = ("errors", "stderr", "stdout")
# What a case is about -> its rows.
WAYS = {
    "write": ("4.8-line-record", "4.8-on-the-request"),
    "line_ends": ("4.8-line-record",),
    "incomplete": ("4.8-incomplete",),
    "flush": ("4.8-incomplete",),
    "close": ("4.8-incomplete",),
    "lines": ("4.8-writelines",),
    "buffer": ("4.8-buffer",),
    "str": ("4.8-buffer",),
    "letters": ("4.8-line-record",),
    "long": ("4.8-long",),
    "attributes": ("4.8-attributes",),
    "thread": ("4.8-on-the-server",),
}
# What differs on purpose: all streams, or one.
ACCEPTED = {
    ("line_ends", ""): {"result:records": "D814"},
    ("close", ""): {"result:records": "D815", "result:said": "D815"},
    ("buffer", ""): {"result:said": "D816"},
    ("str", ""): {"result:said": "D816"},
    ("attributes", ""): {"result:said": "D817"},
    ("thread", "errors"): {"result:records": "D818"},
}
CLIENT = re.compile(r"^\[(client|remote) [^\]]*\] ")
# 6.1.1 begins lines with it (D803, which other cases show); the length of its pieces is D807's.
SCRIPT = re.compile(r"^\[script [^\]]*\] ")


def written(how: str, where: str) -> Act:
    """A step: one request, then the records of it in each log: host, module, level, with a client or not, text."""

    def act(server: Server) -> Any:
        for log in server.all_logs():
            log.forget()
        text = f"{how}-{where}"
        reply = server.get(f"/{how}/{where}?text={text}")
        mark = f"mark-{text}"
        server.get(f"/write/{where}?text={mark}")
        wait_until(lambda: server.log("first").matching(f"{mark} three"), "the last record is there")
        if how == "thread":
            wait_until(lambda: any(log.matching(f"{text}$") for log in server.all_logs()), "the thread's is there")
        found = []
        for log in server.all_logs():
            for line in log.lines():
                if mark in line.text or line.routine:
                    continue
                words = CLIENT.sub("", line.message)
                found.append(
                    (
                        log.path.name,
                        line.module,
                        line.level,
                        words != line.message,
                        normal.clean(SCRIPT.sub("", words), server),
                    )
                )
            log.allow(".")
        return {"status": reply.status, "said": reply.body.decode(), "records": found}

    return act


CASES = tuple(
    Case(
        f"logs-{how}-{where}",
        (*rows, *(("4.8-stdout",) if where == "stdout" else ())),
        "logs",
        written(how, where),
        status=None,
        skip=("log",),  # compared by the step, with hosts and levels
        accepted=ACCEPTED.get((how, where), ACCEPTED.get((how, ""), {})),
    )
    for how, rows in WAYS.items()
    for where in STREAMS
)
