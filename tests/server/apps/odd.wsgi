# SPDX-License-Identifier: Apache-2.0
"""More ways to fail: one function per path."""

import sys

import mod_wsgi

PLAIN = [("Content-Type", "text/plain")]


def do_memory(start_response):
    raise MemoryError


def do_generator_exit(start_response):
    raise GeneratorExit


def do_surrogates(start_response):
    raise ValueError("lone \ud800 and \udcff")


def without(stream, start_response):
    before = sys.stderr, sys.stdout
    sys.stderr = sys.stdout = stream
    try:
        raise ValueError("without a stream")
    finally:
        sys.stderr, sys.stdout = before


def do_no_stderr(start_response):
    without(None, start_response)


def do_closed_stderr(start_response):
    """The streams of the server cannot be closed for good."""
    sys.stderr.close()
    sys.stdout.close()
    raise ValueError("after close")


class Broken:
    def write(self, text):
        raise OSError("no writing")

    def flush(self):
        raise OSError("no flushing")


def do_broken_stderr(start_response):
    without(Broken(), start_response)


class FailingTwice:
    def __iter__(self):
        raise ValueError("in the iterator")

    def close(self):
        raise ValueError("in close")


def do_close_fails_too(start_response):
    start_response("200 OK", PLAIN)
    return FailingTwice()


def do_timeout(start_response):
    raise mod_wsgi.RequestTimeout("it took too long")


def do_not_iterable(start_response):
    start_response("200 OK", PLAIN)
    return 5


def do_str_block(start_response):
    start_response("200 OK", PLAIN)
    return ["text"]


def do_no_start(start_response):
    return [b"nothing"]


def do_wrong_header(start_response):
    start_response("200 OK", [("Bad name", "value")])
    return [b"x"]


def do_many_headers(start_response):
    start_response("200 OK", [(f"X-{number}", "v") for number in range(2000)])
    return [b"x"]


def application(environ, start_response):
    return globals()["do_" + environ["PATH_INFO"].strip("/")](start_response)
