# SPDX-License-Identifier: Apache-2.0
"""Server-sent events for a real client: each is made only when the client has shown that it has the one before."""

import os
import sys
from urllib.parse import parse_qs

sys.path.append(os.path.dirname(__file__))
import journal  # noqa: E402

EVENTS = 5


def events(directory, first):
    try:
        for number in range(first, EVENTS + 1):
            if number > first:
                journal.pass_gate(os.path.join(directory, f"seen.{number - 1}"))
            journal.note(os.path.join(directory, "made"), str(number))
            yield f"id: {number}\nevent: tick\ndata: number {number}\ndata: caf\u00e9\n\n".encode()
    finally:
        journal.note(os.path.join(directory, "made"), "end")


def application(environ, start_response):
    directory = parse_qs(environ["QUERY_STRING"])["dir"][0]
    first = int(environ.get("HTTP_LAST_EVENT_ID", "0")) + 1
    start_response("200 OK", [("Content-Type", "text/event-stream"), ("Cache-Control", "no-cache")])
    return events(directory, first)
