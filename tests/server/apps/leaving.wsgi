# SPDX-License-Identifier: Apache-2.0
"""Iterables that count how often they are closed: for clients that leave, and every other end."""

import io
import os
import sys
import tempfile
from urllib.parse import parse_qs

sys.path.append(os.path.dirname(__file__))
import journal  # noqa: E402

PLAIN = ("Content-Type", "text/plain")


class Counted:
    """Blocks; close() tells how many were asked for."""

    def __init__(self, query, blocks):
        self.path = query["journal"]
        self.blocks = iter(blocks)
        self.count = 0

    def __iter__(self):
        return self

    def __next__(self):
        self.count += 1
        return next(self.blocks)

    def close(self):
        journal.note(self.path, "closed:%d" % self.count)


class Stubborn(Counted):
    def __iter__(self):
        raise ValueError("in __iter__")


def failing(*blocks, error):
    yield from blocks
    raise error


def do_whole(environ, query, start_response):
    start_response("200 OK", [PLAIN])
    return Counted(query, [b"one", b"two"])


def do_first(environ, query, start_response):
    start_response("200 OK", [PLAIN])
    return Counted(query, failing(error=ValueError("before the first byte")))


def do_middle(environ, query, start_response):
    start_response("200 OK", [PLAIN])
    return Counted(query, failing(b"one", error=ValueError("in the middle")))


def do_iter(environ, query, start_response):
    start_response("200 OK", [PLAIN])
    return Stubborn(query, [])


def do_text(environ, query, start_response):
    start_response("200 OK", [PLAIN])
    return Counted(query, [b"one", "two"])


def do_no_head(environ, query, start_response):
    return Counted(query, [b"one"])


def do_short(environ, query, start_response):
    start_response("200 OK", [PLAIN, ("Content-Length", "100")])
    return Counted(query, [b"one"])


def do_unmodified(environ, query, start_response):
    start_response("304 Not Modified", [])
    return Counted(query, [b"not sent"])


def do_redirect(environ, query, start_response):
    start_response("200 OK", [PLAIN, ("Location", "/answer/whole?" + environ["QUERY_STRING"])])
    return Counted(query, [b"not sent"])


def do_override(environ, query, start_response):
    start_response("503 Own", [PLAIN])
    return Counted(query, [b"not sent, when Apache's page is wanted"])


def do_exit(environ, query, start_response):
    start_response("200 OK", [PLAIN])
    return Counted(query, failing(b"one", error=SystemExit("leaves")))


def do_time_out(environ, query, start_response):
    import mod_wsgi
    start_response("200 OK", [PLAIN])
    return Counted(query, failing(b"one", error=mod_wsgi.RequestTimeout("too long")))


def do_file(environ, query, start_response):
    class File(io.FileIO):
        def close(self):
            if not self.closed:
                journal.note(query["journal"], "closed:0")
            super().close()
    with tempfile.NamedTemporaryFile() as stream:
        stream.write(b"a file" * 1000)
        stream.flush()
        start_response("200 OK", [PLAIN])
        return environ["wsgi.file_wrapper"](File(stream.name, "r"))


def do_stream(environ, query, start_response):
    """50 MB in small blocks."""
    start_response("200 OK", [PLAIN])
    return Counted(query, (b"x" * 10000 for _ in range(5000)))


def do_length(environ, query, start_response):
    start_response("200 OK", [PLAIN, ("Content-Length", "50000000")])
    return Counted(query, (b"x" * 10000 for _ in range(5000)))


def do_write(environ, query, start_response):
    """What write() raises is told; then it is let go, kept back, or becomes another exception."""
    write = start_response("200 OK", [PLAIN])
    try:
        for _ in range(5000):
            write(b"x" * 10000)
    except OSError as error:
        journal.note(query["journal"], "raised:%s" % type(error).__name__)
        if query["then"] == "raise":
            raise
        if query["then"] == "other":
            raise RuntimeError("cannot write") from error
    return Counted(query, [])


def do_upload(environ, query, start_response):
    journal.note(query["journal"], "reads")
    try:
        while environ["wsgi.input"].read(100000):
            pass
    except OSError as error:
        journal.note(query["journal"], "raised:%s" % type(error).__name__)
        raise
    start_response("200 OK", [PLAIN])
    return [b"all of it"]


def do_pause(environ, query, start_response):
    def body():
        yield b"one"
        journal.pass_gate(query["gate"])
        yield b"two"
        yield b"three"
    start_response("200 OK", [PLAIN])
    return Counted(query, body())


def application(environ, start_response):
    query = {key: values[0] for key, values in parse_qs(environ["QUERY_STRING"]).items()}
    name = environ["PATH_INFO"].strip("/")
    return globals()["do_" + name](environ, query, start_response)
