# SPDX-License-Identifier: Apache-2.0
"""One function per path: the ways in which an application fails."""

import os
import sys

PLAIN = [("Content-Type", "text/plain")]


class Nasty(Exception):
    """An exception that cannot even be shown."""

    def __str__(self):
        raise ValueError("no text")


def do_before(start_response):
    raise ValueError("before the head")


def do_after_start(start_response):
    start_response("200 OK", PLAIN)
    raise ValueError("after start_response")


def do_middle(start_response):
    start_response("200 OK", PLAIN)
    yield b"x" * 70000
    raise ValueError("in the middle")


def do_middle_length(start_response):
    start_response("200 OK", [*PLAIN, ("Content-Length", "100000")])
    yield b"x" * 70000
    raise ValueError("in the middle")


def do_first_block(start_response):
    start_response("200 OK", PLAIN)
    raise ValueError("instead of the first block")
    yield b""


def do_exit(start_response):
    sys.exit("the application leaves")


def do_interrupt(start_response):
    raise KeyboardInterrupt


def do_nasty(start_response):
    raise Nasty


def do_chained(start_response):
    try:
        raise KeyError("the first")
    except KeyError as first:
        raise ValueError("the second") from first


def do_unicode(start_response):
    raise ValueError("caf\u00e9 \u6f22 \U0001f40d")


def do_control(start_response):
    raise ValueError("bell \x07 escape \x1b[31m")


def do_recursion(start_response):
    return do_recursion(start_response)


def do_close_fails(start_response):
    class Body:
        def __iter__(self):
            return iter([b"complete"])

        def close(self):
            raise ValueError("close fails")
    start_response("200 OK", [*PLAIN, ("Content-Length", "8")])
    return Body()


def do_abort(start_response):
    os.abort()


def do_abort_middle(start_response):
    start_response("200 OK", PLAIN)
    yield b"x" * 70000
    os.abort()


def do_leave(start_response):
    os._exit(3)


def do_fine(start_response):
    start_response("200 OK", PLAIN)
    return [b"fine"]


def application(environ, start_response):
    return globals()["do_" + environ["PATH_INFO"].strip("/")](start_response)
