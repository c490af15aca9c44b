# SPDX-License-Identifier: Apache-2.0
"""One function per path: the ways in which an application may answer."""

import io
import os
import sys
import tempfile
from urllib.parse import parse_qs

sys.path.insert(0, os.path.dirname(__file__))
import journal  # noqa: E402

PLAIN = [("Content-Type", "text/plain")]


class Counted:
    """An iterable that writes into a journal when it is closed."""

    def __init__(self, path, blocks):
        self.path = path
        self.blocks = iter(blocks)

    def __iter__(self):
        return self

    def __next__(self):
        return next(self.blocks)

    def close(self):
        journal.note(self.path, "closed")


def failing(blocks, error):
    yield from blocks
    raise error


def endless(path):
    journal.note(path, "started")
    while True:
        yield b"x" * 65536


def make_file(size, offset=0):
    stream = tempfile.TemporaryFile()
    unit = bytes(range(256)) * 256
    for _ in range(0, size, len(unit)):
        stream.write(unit)
    stream.truncate(size)
    stream.seek(offset)
    return stream


def do_list(environ, query, start_response):
    start_response("200 OK", PLAIN)
    return [b"one", b"", b"two"]


def do_empty_list(environ, query, start_response):
    start_response("200 OK", PLAIN)
    return []


def do_tuple(environ, query, start_response):
    start_response("200 OK", PLAIN)
    return (b"a", b"tuple")


def do_bytes(environ, query, start_response):
    start_response("200 OK", PLAIN)
    return b"bytes iterate as integers, so this is an error"


def do_generator(environ, query, start_response):
    def late():
        start_response("201 Late", [*PLAIN, ("X-Late", "yes")])
        yield b""
        yield b"first,"
        yield b"second"
    return late()


def do_write(environ, query, start_response):
    write = start_response("200 OK", PLAIN)
    write(b"written,")
    write(b"")
    write(b"twice,")
    return [b"returned"]


def do_replace(environ, query, start_response):
    start_response("200 OK", [*PLAIN, ("X-First", "1")])
    try:
        raise ValueError("replaced")
    except ValueError:
        start_response("503 Replaced", [*PLAIN, ("X-Second", "2")], sys.exc_info())
    return [b"second"]


def do_too_late(environ, query, start_response):
    write = start_response("200 OK", PLAIN)
    write(b"already out")
    try:
        raise ValueError("came too late")
    except ValueError:
        start_response("500 Too late", PLAIN, sys.exc_info())
    return [b"never"]


def do_twice(environ, query, start_response):
    write = start_response("200 OK", PLAIN)
    write(b"already out")
    start_response("200 OK", PLAIN)
    return [b"never"]


def do_closed(environ, query, start_response):
    start_response("200 OK", PLAIN)
    return Counted(query["journal"][0], [b"body"])


def do_closed_empty(environ, query, start_response):
    start_response("200 OK", PLAIN)
    return Counted(query["journal"][0], [])


def do_closed_early(environ, query, start_response):
    start_response("200 OK", PLAIN)
    return Counted(query["journal"][0], failing([], ValueError("before the first block")))


def do_closed_middle(environ, query, start_response):
    start_response("200 OK", PLAIN)
    return Counted(query["journal"][0], failing([b"x" * 100000], ValueError("in the middle")))


def do_closed_endless(environ, query, start_response):
    start_response("200 OK", PLAIN)
    return Counted(query["journal"][0], endless(query["journal"][0]))


def do_closed_no_start(environ, query, start_response):
    return Counted(query["journal"][0], [b"start_response was not called"])


def do_closed_text(environ, query, start_response):
    start_response("200 OK", PLAIN)
    return Counted(query["journal"][0], ["text"])


def do_file(environ, query, start_response):
    size, offset = int(query["size"][0]), int(query.get("offset", ["0"])[0])
    headers = [("Content-Type", "application/octet-stream")]
    if "length" in query:
        headers.append(("Content-Length", query["length"][0]))
    start_response("200 OK", headers)
    return environ["wsgi.file_wrapper"](make_file(size, offset), 8192)


def do_file_memory(environ, query, start_response):
    start_response("200 OK", PLAIN)
    return environ["wsgi.file_wrapper"](io.BytesIO(b"not a real file" * 1000))


def do_file_closed(environ, query, start_response):
    class Noting(io.BytesIO):
        def close(self):
            journal.note(query["journal"][0], "closed")
            super().close()
    start_response("200 OK", PLAIN)
    return environ["wsgi.file_wrapper"](Noting(b"closing"))


def do_cookies(environ, query, start_response):
    start_response("200 OK", [*PLAIN, ("Set-Cookie", "a=1; Path=/"), ("X-Between", "1"),
                              ("Set-Cookie", "b=2; Path=/"), ("Set-Cookie", "c=3")])
    return [b""]


def do_headers(environ, query, start_response):
    start_response("200 OK", [("Content-Type", "text/html; charset=UTF-8"),
                              ("X-Latin", "caf\u00e9"), ("X-Empty", ""),
                              ("WWW-Authenticate", 'Basic realm="a, b"'),
                              ("Last-Modified", "Mon, 02 Jan 2023 03:04:05 GMT"),
                              ("ETag", '"tag"'), ("Cache-Control", "no-cache")])
    return [b"headers"]


def do_length(environ, query, start_response):
    start_response("200 OK", [*PLAIN, ("Content-Length", query["length"][0])])
    return [b"0123456789"]


def do_status(environ, query, start_response):
    start_response(query["line"][0], [] if query["line"][0][:3] in ("204", "304") else PLAIN)
    return [b"body of " + query["line"][0].encode()]


def do_bare(environ, query, start_response):
    start_response("204 No Content", [])
    return []


def do_text(environ, query, start_response):
    start_response("200 OK", PLAIN)
    return ["text, not bytes"]


def do_bytearray(environ, query, start_response):
    start_response("200 OK", PLAIN)
    return [bytearray(b"not bytes either")]


def do_none(environ, query, start_response):
    start_response("200 OK", PLAIN)


def do_no_start(environ, query, start_response):
    return [b"start_response was not called"]


def do_write_text(environ, query, start_response):
    start_response("200 OK", PLAIN)("text")
    return []


HEADERS = {
    "newline": [("X-Bad", "a\r\nInjected: yes")],
    "linefeed": [("X-Bad", "a\nInjected: yes")],
    "return": [("X-Bad", "a\rInjected: yes")],
    "name": [("X-Bad: a\r\nInjected", "yes")],
    "blank": [("X Bad", "yes")],
    "empty": [("", "yes")],
    "wide": [("X-Bad", "\u20ac")],
    "tuple": (("X-Bad", "not a list"),),
    "three": [("X-Bad", "a", "b")],
    "list": [["X-Bad", "a list"]],
    "bytes": [(b"X-Bad", b"bytes")],
    "number": [("X-Bad", 5)],
    "length": [("Content-Length", "many")],
    "negative": [("Content-Length", "-1")],
}


def do_bad_header(environ, query, start_response):
    headers = HEADERS[query["kind"][0]]
    start_response("200 OK", headers + PLAIN if isinstance(headers, list) else headers)
    return [b"must not be sent"]


STATUSES = {
    "newline": "200 OK\r\nInjected: yes",
    "words": "fine",
    "two": "20 OK",
    "number": 200,
    "bytes": b"200 OK",
    "empty": "",
    "wide": "200 \u20ac",
}


def do_bad_status(environ, query, start_response):
    start_response(STATUSES[query["kind"][0]], PLAIN)
    return [b"must not be sent"]


def do_redirect(environ, query, start_response):
    start_response("302 Found", [("Location", "http://example.invalid/elsewhere"), *PLAIN])
    return [b"elsewhere"]


def do_method(environ, query, start_response):
    body = environ["REQUEST_METHOD"].encode()
    start_response("200 OK", [*PLAIN, ("X-Method", environ["REQUEST_METHOD"]),
                              ("Content-Length", str(len(body)))])
    return [body]


def do_paced(environ, query, start_response):
    """Each block waits for its gate: shows whether blocks leave at once."""
    gates = query["gate"]
    start_response("200 OK", PLAIN)

    def blocks():
        for gate in gates:
            yield b"[" + os.path.basename(gate).encode() + b"]"
            journal.pass_gate(gate)
    return blocks()


def application(environ, start_response):
    query = parse_qs(environ["QUERY_STRING"], keep_blank_values=True, encoding="latin-1")
    function = globals().get("do_" + environ["PATH_INFO"].strip("/"))
    if function is None:
        start_response("404 Not Found", PLAIN)
        return [b"no such function"]
    return function(environ, query, start_response)
