# SPDX-License-Identifier: Apache-2.0
"""4.6: wsgi.input."""

from __future__ import annotations

import http.client
import io
import json
import re

from typing import Any

from harness import RawConnection, Server, exchange

from parity.model import DAEMON, EMBEDDED, Act, Ask, Case, Site
from parity.tables import pair

AFTER = """
KEPT = []


def application(environ, start_response):
    found = []
    for stream in KEPT:
        for call in (stream.read, stream.readline, stream.readlines, lambda: next(stream)):
            try:
                found.append(repr(call()))
            except Exception as error:
                found.append(type(error).__name__)
    KEPT[:] = [environ["wsgi.input"]]
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [" ".join(found).encode()]
"""

SITES = (
    Site(
        "input",
        """
@DELEGATE@
WSGIApplicationGroup %{GLOBAL}
WSGIChunkedRequest On
WSGIScriptAlias /in @APPS@/input.wsgi
WSGIScriptAlias /after @ROOT@/w/after.wsgi
WSGIScriptAlias /limited @APPS@/input.wsgi
<Location /limited>
    LimitRequestBody 10
</Location>
""",
        files={"w/after.wsgi": AFTER},
    ),
)


class Bytes:
    """What http.client takes for a socket."""

    def __init__(self, data: bytes) -> None:
        self.data = data

    def makefile(self, *_: object) -> io.BytesIO:
        return io.BytesIO(self.data)


def sent(target: str, *lines: str, body: bytes = b"", half: bool = False) -> Act:
    """A step: one request as it is given, the interim answers, the status and the body."""

    def act(server: Server) -> Any:
        head = "\r\n".join([f"POST {target} HTTP/1.1", "Host: x", "Connection: close", *lines, "", ""])
        with RawConnection(server.layout.port) as connection:
            connection.send(head.encode() + body)
            if half:
                connection.finish_sending()
            data = connection.receive_all()
        interim = 0
        while data.startswith(b"HTTP/1.1 100 "):
            interim, data = interim + 1, data.partition(b"\r\n\r\n")[2]
        response = http.client.HTTPResponse(Bytes(data))  # type: ignore[arg-type]
        response.begin()
        text = response.read()
        kind = (response.getheader("Content-Type") or "").partition(";")[0]
        told = json.loads(text) if kind == "application/json" else None
        # The words of an exception are each side's own.
        if isinstance(told, list):
            told = [item.partition(":")[0] if isinstance(item, str) else item for item in told]
        return {"interim": interim, "status": response.status, "told": told}

    return act


def answers(request: str) -> Act:
    """A step: statuses of all answers that come back."""

    def act(server: Server) -> Any:
        found = exchange(server.layout.port, request.encode())
        return [int(number) for number in re.findall(rb"HTTP/1\.1 (\d{3}) ", found)]

    return act


CHUNKS = b"3\r\na\nb\r\n4;x=y\r\ncd\ne\r\n0\r\n\r\n"
TRAILER = b"3\r\nabc\r\n0\r\nX-Trailer: yes\r\n\r\n"
EXPECT = "Expect: 100-continue"

CALLS = (
    ("exact", "read:2,read:3,read:100,read:1,read"),
    ("exact", "readline:1,readline:5,readline:0,read:1,readline"),
    ("rest", "read"),
    ("rest", "read:-1"),
    ("rest", "read:3,read:-7,read"),
    ("rest", "readline:-2,readlines:-2,read"),
    ("methods", "readline,readline,readline,readline"),
    ("methods", "readlines"),
    ("methods", "readlines:1,readlines:4,readlines:0"),
    ("methods", "next,next,next,next,next"),
    ("methods", "iter"),
    ("methods", "next,read:1,readline,readlines,iter,read"),
    ("methods", "close,read,close,read"),
)
LINES = b"one\n\nthree\nfour and more"

CASES: tuple[Case, ...] = (
    *(Case(f"4.6 {ops}", (f"4.6-{row}",), "input", Ask(f"/in?ops={ops}", "POST", body=LINES)) for row, ops in CALLS),
    *(
        Case(
            f"4.6 chunked {ops}",
            (f"4.6-{row}", "4.6-beyond-length"),
            "input",
            Ask(f"/in?ops={ops}", "POST", body=LINES, chunked=True),
        )
        for row, ops in CALLS
    ),
    Case("4.6 no body", ("4.6-rest",), "input", Ask("/in?ops=read,read:5,readline,readlines,next,iter,read:0")),
    Case(
        "4.6 facts",
        ("4.6-methods", "4.6-no-file"),
        "input",
        Ask("/in/none", "POST", body=b"abc"),
        shows=(pair("terminated", "True"),),
    ),
    Case(
        "4.6 extension",
        ("4.6-beyond-length",),
        "input",
        sent("/in?ops=readline,read", "Transfer-Encoding: chunked", body=CHUNKS),
        None,
    ),
    Case(
        "4.6 trailer",
        ("4.6-trailers",),
        "input",
        sent("/in?ops=read", "Transfer-Encoding: chunked", body=TRAILER),
        None,
    ),
    Case(
        "4.6 read 0",
        ("4.6-read-0", "4.6-continue-embedded"),
        "input",
        sent("/in?ops=read:0,read:0", EXPECT, "Content-Length: 5"),
        None,
        shows=(pair("interim", 1),),
        modes=EMBEDDED,
    ),
    Case(
        "4.6 readline 0",
        ("4.6-read-0",),
        "input",
        sent("/in?ops=readline:0", EXPECT, "Content-Length: 5"),
        None,
        shows=(pair("interim", 0),),
        modes=EMBEDDED,
    ),
    *(
        Case(
            f"4.6 expect {ops}, {mode[0]}",
            (f"4.6-continue-{mode[0]}",),
            "input",
            sent(f"/in?ops={ops}", EXPECT, "Content-Length: 5", body=b"hello" if mode == DAEMON else b""),
            None,
            shows=(pair("interim", number),),
            modes=mode,
            accepted=accepted,
        )
        for ops, mode, number, accepted in (
            ("", EMBEDDED, 0, {}),
            ("", DAEMON, 1, {"result:interim": "D223"}),
        )
    ),
    Case(
        "4.6 expect after the head",
        ("4.6-continue-embedded",),
        "input",
        sent("/in/block?ops=read", EXPECT, "Content-Length: 5", body=b"hello"),
        None,
        shows=(pair("interim", 0),),
        modes=EMBEDDED,
    ),
    *(
        Case(
            f"4.6 sticky {way}, {mode[0]}",
            ("4.6-sticky",),
            "input",
            sent(f"/in?ops={way},read,readline,read:0,readlines", "Content-Length: 10", body=b"half", half=True),
            None,
            modes=mode,
            skip=("log",),  # 6.1.1 logs the failure in a daemon only
            accepted=accepted,
        )
        for way in ("read", "readline", "iter", "read:5")
        for mode, accepted in (
            (EMBEDDED, {}),
            (DAEMON, {"result:status": "D211", "result:told": "D211"}),
        )
    ),
    Case(
        "4.6 after the request",
        ("4.6-after-request",),
        "input",
        (Ask("/after", "POST", body=b"abc"), Ask("/after", "POST", body=b"abc")),
        shows=("RuntimeError RuntimeError RuntimeError RuntimeError",),
    ),
    *(
        Case(
            f"4.6 unread {ops}, {framing}",
            ("4.6-unread",),
            "input",
            answers(
                f"POST /in?ops={ops} HTTP/1.1\r\nHost: x\r\n{framing}\r\n\r\n{body}GET /nothing-there HTTP/1.0\r\n\r\n"
            ),
            None,
            shows=("[200, 404]",),
        )
        for ops in ("", "read:1", "readline")
        for framing, body in (
            ("Content-Length: 20", "GET / HTTP/1.1\r\n\r\n\r\n"),
            ("Transfer-Encoding: chunked", "12\r\nGET / HTTP/1.1\r\n\r\n\r\n0\r\n\r\n"),
        )
    ),
    *(
        Case(
            f"4.6 limit {size}",
            ("4.6-limit-length",),
            "input",
            Ask("/limited?ops=read", "POST", body=b"x" * size),
            200 if size <= 10 else 413,
            accepted={"log:codes": "D804"} if size > 10 else {},
        )
        for size in (9, 10, 11, 5000)
    ),
    *(
        Case(
            f"4.6 limit chunked {size}",
            ("4.6-limit-chunked",),
            "input",
            sent(
                "/limited?ops=read", "Transfer-Encoding: chunked", body=b"%x\r\n%s\r\n0\r\n\r\n" % (size, b"x" * size)
            ),
            None,
            shows=(pair("status", 200 if size <= 10 else 413),),
            skip=("log",),  # codes of 6.1.1 differ with the mode (D221)
        )
        for size in (9, 10, 11, 5000)
    ),
)
