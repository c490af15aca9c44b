# SPDX-License-Identifier: Apache-2.0
"""Calls the methods of wsgi.input that the query names, one after the other, and tells the results.

`ops=read:5,readline,next` calls read(5), readline() and next(). The first part of the path says what
else happens: /raise lets exceptions pass, /head writes the head before, /block a block, /none reads
nothing, /lines sends each line back before it reads the next one, /thread reads in a thread.
"""

import json
import os
import sys
import threading
import zlib

from urllib.parse import parse_qs

sys.path.append(os.path.dirname(__file__))
import journal  # noqa: E402

PLAIN = [("Content-Type", "text/plain")]


def shown(value):
    """A result in a form that is short and exact."""
    if isinstance(value, bytes):
        return [len(value), zlib.crc32(value)]
    if isinstance(value, list):
        return [shown(item) for item in value]
    return repr(value)


def call(stream, op):
    name, _, argument = op.partition(":")
    if name == "next":
        return next(stream, "stop")
    if name == "iter":
        return list(stream)
    if name == "until":  # the end, by read(n)
        return list(iter(lambda: stream.read(int(argument)), b""))
    arguments = [] if not argument else [None if argument == "None" else int(argument)]
    return getattr(stream, name)(*arguments)


def run(stream, query, catch):
    results = []
    for op in filter(None, query.get("ops", [""])[0].split(",")):
        try:
            results.append(shown(call(stream, op)))
        except OSError as error:
            results.append(f"OSError: {error}")
            if "journal" in query:
                journal.note(query["journal"][0], type(error).__name__)
            if not catch:
                raise
    return results


def facts(environ):
    stream = environ["wsgi.input"]
    return {
        "terminated": repr(environ["wsgi.input_terminated"]),
        "length": environ.get("CONTENT_LENGTH"),
        "methods": [name for name in dir(stream) if not name.startswith("_")],
        "iterator": iter(stream) is stream,
    }


def lines(environ):
    yield b"begin\n"
    yield from environ["wsgi.input"]
    yield b"end\n"


def in_thread(stream, query):
    results = []
    thread = threading.Thread(target=lambda: results.extend(run(stream, query, True)))
    thread.start()
    thread.join()
    return results


def application(environ, start_response):
    query = parse_qs(environ["QUERY_STRING"], keep_blank_values=True)
    stream = environ["wsgi.input"]
    kind = environ["PATH_INFO"].strip("/")
    if kind == "lines":
        start_response("200 OK", PLAIN)
        return lines(environ)
    if kind in ("head", "block"):
        write = start_response(query.get("status", ["200 OK"])[0], PLAIN)
        write(b"block" if kind == "block" else b"")
        return [json.dumps(run(stream, query, True)).encode()]
    if "entered" in query:
        journal.note(query["entered"][0], "entered")
    if kind == "none":
        results = facts(environ)
    elif kind == "thread":
        results = in_thread(stream, query)
    else:
        results = run(stream, query, kind != "raise")
    start_response(query.get("status", ["200 OK"])[0], [("Content-Type", "application/json")])
    return [json.dumps(results).encode()]
