# SPDX-License-Identifier: Apache-2.0
"""Answers as the query asks: what other modules of Apache see of an application, and it of them.

ran=FILE     a line for each time that the application ran
status=LINE  and h=Name:value (repeated), body=TEXT (and pad=N) or size=N, type=MEDIA/TYPE
kind=        block (one block, no length), length, blocks, write, file, fail, cut
"""

import gzip
import hashlib
import json
import os
import sys
import tempfile
from urllib.parse import parse_qs

sys.path.append(os.path.dirname(__file__))
import journal  # noqa: E402

UNIT = b"0123456789abcdef" * 64


def body_of(query):
    if "size" in query:
        size = int(query["size"][0])
        return (UNIT * (size // len(UNIT) + 1))[:size]
    text = query.get("body", ["the application's body"])[0]
    return text.encode() + b"x" * int(query.get("pad", ["0"])[0])


def blocks(body):
    step = max(1, len(body) // 5)
    for at in range(0, len(body), step):
        yield body[at:at + step]


def cut(body):
    yield body
    raise ZeroDivisionError("in the middle")


def answer(environ, query, start_response):
    kind = query.get("kind", ["block"])[0]
    headers = [tuple(line.split(":", 1)) for line in query.get("h", [])]
    if query.get("type") != [""]:
        headers.append(("Content-Type", query.get("type", ["text/plain"])[0]))
    body = body_of(query)
    if "gzip" in query:
        body = gzip.compress(body, mtime=0)
        headers.append(("Content-Encoding", "gzip"))
    if kind == "fail":
        raise ZeroDivisionError("before the head")
    if kind == "length":
        headers.append(("Content-Length", str(len(body))))
    write = start_response(query.get("status", ["200 OK"])[0], headers)
    if kind == "cut":
        return cut(body)
    if kind == "blocks":
        return blocks(body)
    if kind == "write":
        for block in blocks(body):
            write(block)
        return []
    if kind == "file":
        stream = tempfile.TemporaryFile()
        stream.write(body)
        stream.seek(0)
        return environ["wsgi.file_wrapper"](stream)
    return [body]


def conditional(environ, query, start_response):
    """A page with validators of its own, as frameworks make them."""
    tag = query.get("tag", ['"v1"'])[0]
    headers = [("ETag", tag), ("Cache-Control", query.get("control", ["max-age=60"])[0])]
    if environ.get("HTTP_IF_NONE_MATCH") == tag:
        start_response("304 Not Modified", headers)
        return []
    body = body_of(query)
    if "length" in query:
        headers.append(("Content-Length", str(len(body))))
    start_response("200 OK", [*headers, ("Content-Type", "text/plain")])
    return [body]


def upload(environ, query, start_response):
    """Says of the body what it was; `each` notes each piece when it has come."""
    stream, digest, size = environ["wsgi.input"], hashlib.sha256(), 0
    while data := stream.read(int(query.get("piece", ["65536"])[0])):
        digest.update(data)
        size += len(data)
        if "each" in query:
            journal.note(query["each"][0], str(size))
    found = {"size": size, "sha256": digest.hexdigest(), "length": environ.get("CONTENT_LENGTH"),
             "method": environ["REQUEST_METHOD"]}
    start_response("200 OK", [("Content-Type", "application/json")])
    return [json.dumps(found).encode()]


def paced(environ, query, start_response):
    """Each block waits at its gate."""
    start_response("200 OK", [("Content-Type", query.get("type", ["text/plain"])[0])])
    for gate in query["gate"]:
        yield b"[" + os.path.basename(gate).encode() + b"]"
        journal.pass_gate(gate)
    yield b"[end]"


def show(environ, query, start_response):
    """The environ, texts only."""
    found = {key: value for key, value in environ.items() if isinstance(value, str)}
    body = json.dumps(found).encode()
    start_response("200 OK", [("Content-Type", "application/json"), ("Content-Length", str(len(body)))])
    return [body]


WAYS = {"answer": answer, "conditional": conditional, "upload": upload, "paced": paced}


def application(environ, start_response):
    query = parse_qs(environ["QUERY_STRING"], keep_blank_values=True)
    if "ran" in query:
        journal.note(query["ran"][0], environ["REQUEST_METHOD"])
    way = query.get("way", [environ["PATH_INFO"].rpartition("/")[2]])[0]
    return WAYS.get(way, show)(environ, query, start_response)
