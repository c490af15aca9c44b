# SPDX-License-Identifier: Apache-2.0
"""One function per path: what PEP 3333 says of servers, seen by an application."""

import functools
import gc
import json
import os
import sys
import threading
import weakref
from urllib.parse import parse_qs
from wsgiref.util import request_uri

sys.path.insert(0, os.path.dirname(__file__))
import journal  # noqa: E402

PLAIN = [("Content-Type", "text/plain")]
EVERY_BYTE = bytes(range(256)) + b"\r\n\r\n0\r\n\r\n"
WATCHED = {}


def answer_json(start_response, value):
    body = json.dumps(value).encode()
    start_response("200 OK", [("Content-Type", "application/json"), ("Content-Length", str(len(body)))])
    return [body]


# ---- kinds of applications -----------------------------------------------------------------


def function(environ, start_response):
    start_response("200 OK", PLAIN)
    return [b"function"]


class Class:
    """The class is the application, its instance the iterable."""

    def __init__(self, environ, start_response):
        self.start_response = start_response

    def __iter__(self):
        self.start_response("200 OK", PLAIN)
        yield b"Class"


class Instance:
    def __call__(self, environ, start_response):
        start_response("200 OK", PLAIN)
        return [b"instance"]

    def method(self, environ, start_response):
        start_response("200 OK", PLAIN)
        yield b"method"


instance = Instance()
method = instance.method
partial = functools.partial(lambda word, environ, begin: begin("200 OK", PLAIN) and [word], b"partial")


def other_names(*arguments, **keywords):
    arguments[1]("200 OK", PLAIN)
    return [b"other_names %d %d" % (len(arguments), len(keywords))]


# ---- environ -------------------------------------------------------------------------------


def do_types(environ, query, start_response):
    found = {
        "dict": type(environ) is dict,
        "keys": sorted({type(key).__name__ for key in environ}),
        "cgi": sorted({type(value).__name__ for key, value in environ.items() if "." not in key}),
        "latin-1": all(max(map(ord, value), default=0) < 256 for key, value in environ.items() if "." not in key),
        "seen": environ.get("left.by.a.request"),
        "flags": [environ["wsgi." + name] for name in ("multithread", "multiprocess", "run_once")],
        "version": environ["wsgi.version"],
        "scheme": environ["wsgi.url_scheme"],
    }
    environ["left.by.a.request"] = "yes"
    environ.pop("REQUEST_METHOD")
    return answer_json(start_response, found)


def do_url(environ, query, start_response):
    return answer_json(start_response, request_uri(environ))


# ---- order ---------------------------------------------------------------------------------


def do_no_head_before_a_block(environ, query, start_response):
    start_response("200 OK", PLAIN)
    yield b""
    start_response("202 Replaced", PLAIN)
    yield b""
    yield b"block"


def do_write_at_once(environ, query, start_response):
    """Goes on when the test has seen what was written."""
    write = start_response("200 OK", PLAIN)
    for gate in query["gate"]:
        write(b"[" + os.path.basename(gate).encode() + b"]")
        journal.pass_gate(gate)
    return [b"end"]


def do_every_byte(environ, query, start_response):
    write = start_response("200 OK", PLAIN)
    if query["how"][0] == "write":
        write(EVERY_BYTE)
        return []
    return [EVERY_BYTE] if query["how"][0] == "list" else iter([EVERY_BYTE])


def do_changed_list(environ, query, start_response):
    headers = [*PLAIN, ("X-First", "1")]
    start_response("200 OK", headers)
    headers[:] = [("X-Late", "yes")]
    return [b"x"]


class Lying:
    """len() is not asked, nor anything else but what PEP 3333 has."""

    def __init__(self):
        self.asked = []

    def __len__(self):
        raise ValueError("len() was asked")

    def __getattr__(self, name):
        if name != "close":
            raise ValueError(f"{name} was asked")
        return lambda: None

    def __iter__(self):
        return iter([b"one", b"two"])


def do_lying(environ, query, start_response):
    start_response("200 OK", PLAIN)
    return Lying()


def do_thread(environ, query, start_response):
    write = start_response("200 OK", PLAIN)
    for word in (b"one ", b"two "):
        thread = threading.Thread(target=write, args=(word,))
        thread.start()
        thread.join()
    return [b"three"]


# ---- heads ---------------------------------------------------------------------------------


def do_head(environ, query, start_response):
    """Whatever the query has, in hexadecimal UTF-8."""
    given = {key: bytes.fromhex(query[key][0]).decode() for key in ("status", "name", "value") if key in query}
    headers = [*PLAIN, (given.get("name", "X-Given"), given.get("value", "value"))]
    start_response(given.get("status", "200 OK"), headers)
    return [b"must not be sent"]


def do_many(environ, query, start_response):
    count, size = int(query["count"][0]), int(query["size"][0])
    start_response("200 OK", PLAIN + [(f"X-{number}", "v" * size) for number in range(count)])
    return [b"sent"]


# ---- what is left of a request -------------------------------------------------------------


class Mark:
    pass


def watch(name):
    """An object that lives as long as the frame that holds it."""
    mark = Mark()
    WATCHED[name] = weakref.ref(mark)
    return mark


def do_leak(environ, query, start_response):
    gc.disable()
    return globals()["leak_" + query["kind"][0]](start_response)


def leak_before(start_response):
    mark = watch("before")  # noqa: F841
    try:
        raise ValueError("before")
    except ValueError:
        start_response("500 Own", PLAIN, sys.exc_info())
    return [b"own"]


def leak_after(start_response):
    mark = watch("after")  # noqa: F841
    write = start_response("200 OK", [*PLAIN, ("Content-Length", "3")])
    write(b"own")
    try:
        raise ValueError("after")
    except ValueError:
        try:
            start_response("500 Own", PLAIN, sys.exc_info())
        except ValueError:
            pass
    return []


def leak_refused(start_response):
    mark = watch("refused")  # noqa: F841
    try:
        start_response("200 OK", [("X-Bad", "a\nb")])
    except ValueError:
        start_response("200 OK", PLAIN)
    return [b"own"]


def leak_raised(start_response):
    mark = watch("raised")  # noqa: F841
    start_response("200 OK", [("X-Bad", "a\nb")])


def leak_text(start_response):
    mark = watch("text")  # noqa: F841
    start_response("200 OK", PLAIN)("text")


def leak_generator(start_response):
    mark = watch("generator")  # noqa: F841
    start_response("200 OK", PLAIN)
    yield b""
    raise ValueError("in a generator")


def do_leaked(environ, query, start_response):
    return answer_json(start_response, sorted(name for name, reference in WATCHED.items() if reference() is not None))


def application(environ, start_response):
    query = parse_qs(environ["QUERY_STRING"], keep_blank_values=True)
    return globals()["do_" + environ["PATH_INFO"].strip("/").partition("/")[0]](environ, query, start_response)
