# SPDX-License-Identifier: Apache-2.0
"""One function per path: responses that end before they are complete. The journal has the requests."""

import os
import signal
import sys
import tempfile
from urllib.parse import parse_qs

sys.path.append(os.path.dirname(__file__))
import journal  # noqa: E402

BLOCK = b"0123456789abcdef" * 1024


def size_of(query):
    return int(query.get("n", "8")) * len(BLOCK)


def blocks(query):
    for _ in range(int(query.get("n", "8"))):
        yield BLOCK


def do_whole(query):
    yield from blocks(query)


def do_raise(query):
    yield from blocks(query)
    raise ValueError("in the middle")


def do_leave(query):
    yield from blocks(query)
    os._exit(3)


def do_kill(query):
    yield from blocks(query)
    os.kill(os.getpid(), signal.SIGKILL)
    journal.pass_gate("/nonexistent")


def do_short(query):
    yield from blocks(query)


def do_text(query):
    yield from blocks(query)
    yield "text"


def do_exit(query):
    yield from blocks(query)
    sys.exit("the application leaves")


def do_wait(query):
    """Until it is killed, or the gate opens."""
    yield from blocks(query)
    journal.pass_gate(query["gate"])
    raise ValueError("in the middle")


def shrinking(environ, query):
    """A file of 64 MiB that is cut down when the gate is opened; the journal has its name."""
    stream = tempfile.NamedTemporaryFile(dir=query["directory"], prefix="shrinking", delete=False)
    stream.truncate(64 << 20)
    return environ["wsgi.file_wrapper"](stream)


def application(environ, start_response):
    query = {key: values[0] for key, values in parse_qs(environ["QUERY_STRING"]).items()}
    name = environ["PATH_INFO"].strip("/").split("/")[-1]
    headers = [("Content-Type", "text/plain"), ("Cache-Control", "max-age=600")]
    if "journal" in query:
        journal.note(query["journal"], name)
    if "length" in query or name == "short":
        headers.append(("Content-Length", str(size_of(query) + 100000)))
    if "exact" in query:
        headers.append(("Content-Length", str(size_of(query))))
    if name == "file":
        start_response("200 OK", headers)
        return shrinking(environ, query)
    start_response("200 OK", headers)
    return globals()["do_" + name](query)
