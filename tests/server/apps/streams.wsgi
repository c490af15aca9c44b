# SPDX-License-Identifier: Apache-2.0
"""Uploads, event streams that wait at gates, failures in the middle: what many streams ask at once."""

import hashlib
import os
import sys
import time
from urllib.parse import parse_qs

sys.path.append(os.path.dirname(__file__))
import journal  # noqa: E402


class Events:
    """Server-sent events; the journal hears of the end."""

    def __init__(self, query):
        self.count = int(query.get("n", ["5"])[0])
        self.gate = query.get("gate", [""])[0]
        self.journal = query.get("journal", [""])[0]
        self.sent = 0

    def __iter__(self):
        return self

    def __next__(self):
        if self.sent == self.count:
            raise StopIteration
        if self.sent and self.gate:
            journal.pass_gate(f"{self.gate}.{self.sent}")
        elif self.sent:
            time.sleep(0.002)
        self.sent += 1
        return b"id: %d\ndata: %s\n\n" % (self.sent, b"x" * 200)

    def close(self):
        if self.journal:
            journal.note(self.journal, str(self.sent))


def upload(environ):
    digest, size = hashlib.sha256(), 0
    while data := environ["wsgi.input"].read(50_000):
        digest.update(data)
        size += len(data)
    return f"{size} {digest.hexdigest()}".encode()


def failing():
    yield b"y" * 20_000
    raise ZeroDivisionError("in the middle of a stream")


def application(environ, start_response):
    query = parse_qs(environ["QUERY_STRING"])
    path = environ["PATH_INFO"]
    if path == "/events":
        start_response("200 OK", [("Content-Type", "text/event-stream")])
        return Events(query)
    if path == "/fail":
        start_response("200 OK", [("Content-Type", "text/plain")])
        return failing()
    if path == "/upload":
        body = upload(environ)
    else:
        if "entered" in query:
            journal.note(query["entered"][0], str(os.getpid()))
        if "gate" in query:
            journal.pass_gate(query["gate"][0])
        names = ("SERVER_PROTOCOL", "REQUEST_METHOD", "HTTP_HOST", "PATH_INFO", "REQUEST_URI")
        pairs = [f"{name}={environ.get(name, '')}" for name in names]
        pairs += [key for key in sorted(environ) if key.startswith("HTTP_:") or "PSEUDO" in key]
        body = "\n".join([*pairs, environ["wsgi.url_scheme"]]).encode()
    start_response("200 OK", [("Content-Type", "text/plain"), ("Content-Length", str(len(body)))])
    return [body]
