# SPDX-License-Identifier: Apache-2.0
"""One function per path: responses in blocks, with gates between them."""

import os
import sys
import time
from urllib.parse import parse_qs

sys.path.append(os.path.dirname(__file__))
import journal  # noqa: E402

PLAIN = ("Content-Type", "text/plain")
LIMIT = 20000


def block(number, size):
    """A block that says which one it is."""
    return (b"<%d>" % number).ljust(size, b".")


def steps(query):
    """After each block a gate: what comes next is not even asked for before."""
    count, size, gate = int(query["n"]), int(query.get("size", "10")), query["gate"]
    for number in range(1, count + 1):
        yield block(number, size)
        journal.pass_gate(f"{gate}.{number}")


def do_steps(environ, query, start_response):
    start_response("200 OK", [PLAIN])
    return steps(query)


def do_length(environ, query, start_response):
    size = int(query["n"]) * int(query.get("size", "10"))
    start_response("200 OK", [PLAIN, ("Content-Length", str(size))])
    return steps(query)


def do_events(environ, query, start_response):
    start_response("200 OK", [("Content-Type", "text/event-stream"), ("Cache-Control", "no-cache")])
    return (b"data: %s\n\n" % each for each in steps(query))


def do_write(environ, query, start_response):
    write = start_response("200 OK", [PLAIN])
    for each in steps(query):
        write(each)
    return []


def do_head(environ, query, start_response):
    """write() of nothing, then a gate."""
    start_response("200 OK", [PLAIN])(b"")
    journal.pass_gate(query["gate"])
    return [b"the body"]


def do_late_close(environ, query, start_response):
    """All is yielded, but close() takes its time."""
    class Body:
        def __init__(self):
            self.blocks = iter([b"all there is"])

        def __iter__(self):
            return self.blocks

        def close(self):
            journal.pass_gate(query["gate"])
    start_response("200 OK", [PLAIN])
    return Body()


def do_many(environ, query, start_response):
    count, size = int(query["n"]), int(query["size"])
    start_response("200 OK", [PLAIN])
    return (block(number, size) for number in range(count))


def do_held(environ, query, start_response):
    """Many bytes, then a gate."""
    def body():
        for number in range(int(query["n"])):
            yield block(number, 1024)
        journal.pass_gate(query["gate"])
    start_response("200 OK", [PLAIN])
    return body()


def do_trickle(environ, query, start_response):
    """Does not pause until the client has seen something; then the number of blocks so far."""
    def body():
        number = 0
        while number < LIMIT and not os.path.exists(query["gate"]):
            number += 1
            yield b"drop"
            time.sleep(0.001)
        yield b"=%d" % number
    start_response("200 OK", [PLAIN])
    return body()


def do_fail(environ, query, start_response):
    def body():
        yield b"before"
        raise ValueError("after a block")
    start_response("200 OK", [PLAIN])
    return body()


def do_ask(environ, query, start_response):
    """Says something first, then reads; the client sends when it has heard."""
    def body():
        yield b"send it now:"
        yield environ["wsgi.input"].read(-1)
    start_response("200 OK", [PLAIN])
    return body()


def do_generated(environ, query, start_response):
    """So many MiB; the file tells how many have been asked for."""
    def body():
        unit = bytes(range(256)) * 256
        descriptor = os.open(query["told"], os.O_WRONLY | os.O_CREAT, 0o666)
        for number in range(int(query["mib"]) * 16):
            yield unit
            os.pwrite(descriptor, b"%09d" % number, 0)
        os.close(descriptor)
    start_response("200 OK", [PLAIN])
    return body()


def application(environ, start_response):
    query = {key: values[0] for key, values in parse_qs(environ["QUERY_STRING"]).items()}
    name = environ["PATH_INFO"].strip("/")
    return globals()["do_" + name](environ, query, start_response)
