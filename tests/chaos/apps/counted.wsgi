# SPDX-License-Identifier: Apache-2.0
"""Counts its executions: one line of the journal each, before anything else is done.

What is deployed begins with VERSION, IMPORT_SECONDS and JOURNAL, which site.py writes in front.
"""

import os
import time

from urllib.parse import parse_qs

time.sleep(IMPORT_SECONDS)

JOURNAL_FD = os.open(JOURNAL, os.O_WRONLY | os.O_APPEND)
HOARD = []


def hoard(seconds):
    """Takes every descriptor that is left, for a while."""
    try:
        while True:
            HOARD.append(os.open(os.devnull, os.O_RDONLY))
    except OSError:
        time.sleep(seconds)
    while HOARD:
        os.close(HOARD.pop())


def application(environ, start_response):
    """Answers with the request's own id."""
    asked = parse_qs(environ["QUERY_STRING"])
    name = asked["id"][0]
    os.write(JOURNAL_FD, f"{name} {os.getpid()} {VERSION}\n".encode())
    if "hoard" in asked:
        hoard(float(asked["hoard"][0]))
    while "gate" in asked and not os.path.exists(asked["gate"][0]):
        time.sleep(0.01)
    time.sleep(float(asked.get("ms", ["0"])[0]) / 1000)
    body = f"{name}\n".encode()
    headers = [
        ("Content-Type", "text/plain"),
        ("Content-Length", str(len(body))),
        ("X-Version", str(VERSION)),
    ]
    start_response("200 OK", headers)
    return [body]
