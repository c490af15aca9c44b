# SPDX-License-Identifier: Apache-2.0
"""Writes to the log in all ways whose level and records WSGILogOptions decides."""

import io
import logging
import logging.handlers
import sys
import threading
import traceback
import warnings
from urllib.parse import parse_qs

LOG = logging.getLogger("plain")  # unconfigured: what is above warning goes to logging.lastResort


class Shouting(logging.StreamHandler):
    """A handler as sites write them: changes the record, then calls the one below."""

    def emit(self, record):
        record.msg = "HEAR: " + record.msg
        super().emit(record)


class Own(logging.Handler):
    """A handler that writes by itself."""

    def emit(self, record):
        print(self.format(record), file=sys.stderr)


class Wrapped:
    """What some packages put around sys.stderr."""

    def write(self, text):
        sys.stderr.write(text)

    def flush(self):
        sys.stderr.flush()


def logger(name, handler, format="%(message)s"):
    made = logging.getLogger(name)
    made.propagate = False
    made.setLevel(1)
    if not made.handlers:
        handler.setFormatter(logging.Formatter(format))
        made.addHandler(handler)
    return made


STREAM = logger("stream", logging.StreamHandler(), "[%(levelname)s] %(message)s")


def all_levels(log, text):
    for level in (10, 20, 25, 30, 40, 50, 60):
        log.log(level, "%s %d", text, level)


def do_levels(environ, text):
    all_levels(STREAM, text)


def do_wsgi_errors(environ, text):
    all_levels(logger("errors", logging.StreamHandler(environ["wsgi.errors"])), text)


def do_subclass(environ, text):
    all_levels(logger("subclass", Shouting()), text)


def do_own(environ, text):
    all_levels(logger("own", Own()), text)


def do_wrapped(environ, text):
    all_levels(logger("wrapped", logging.StreamHandler(Wrapped())), text)


def do_buffered(environ, text):
    """Three records of one level leave in one go, inside the handling of the last."""
    handler = logging.handlers.MemoryHandler(3, target=logging.StreamHandler())
    log = logger("buffered", handler)
    for number in range(3):
        log.info("%s %d\nsecond line", text, number)


def do_unconfigured(environ, text):
    LOG.info("%s hidden", text)
    LOG.warning("%s warning", text)
    LOG.error("%s error", text)


def do_root(environ, text):
    """The first call of a root function configures it."""
    logging.warning("%s by root", text)
    logging.getLogger().handlers.clear()


def do_captured(environ, text):
    logging.basicConfig()
    logging.captureWarnings(True)
    try:
        warnings.warn(text)
    finally:
        logging.captureWarnings(False)
        logging.getLogger().handlers.clear()


def do_elsewhere(environ, text):
    """The handler writes to a file: what its formatter prints is a print."""

    class Printing(logging.Formatter):
        def format(self, record):
            print(f"{text} printed", file=sys.stderr)
            return super().format(record)

    stream = io.StringIO()
    handler = logging.StreamHandler(stream)
    handler.setFormatter(Printing())
    log = logging.getLogger("elsewhere")
    log.propagate = False
    log.addHandler(handler)
    log.critical("%s logged", text)
    log.removeHandler(handler)
    assert stream.getvalue() == f"{text} logged\n"


def do_broken(environ, text):
    """logging reports what goes wrong in it."""
    STREAM.info("%s %d", text, "no number")


def do_thread(environ, text):
    thread = threading.Thread(target=all_levels, args=(STREAM, text))
    thread.start()
    thread.join()


def do_print(environ, text):
    print(text, "stdout\nsecond", 3)
    print(text, "stderr\nsecond", 3, file=sys.stderr)
    print(text, "errors\nsecond", 3, file=environ["wsgi.errors"])


def do_mixed(environ, text):
    """A record comes while an unfinished line waits."""
    sys.stderr.write(f"{text} begin ")
    STREAM.warning("%s record\nits second line", text)
    sys.stderr.write("end\n")


def deep(count):
    if count == 0:
        raise ValueError('the "deepest"\nof all \\ caf\u00e9 \U0001f600 \x0b')
    deeper(count - 1)


def deeper(count):
    """Python counts repeated frames of one function instead of showing them."""
    deep(count)


def do_printed_traceback(environ, text):
    try:
        try:
            deep(3)
        except ValueError as first:
            raise KeyError(text) from first
    except KeyError:
        traceback.print_exc(file=environ["wsgi.errors"])


def do_logged_traceback(environ, text):
    try:
        deep(3)
    except ValueError:
        STREAM.exception("%s\n[\"quoted\"]", text)


def do_stack(environ, text):
    traceback.print_stack()


def do_failing_thread(environ, text):
    def fail():
        raise ValueError(text)

    thread = threading.Thread(target=fail)
    thread.start()
    thread.join()


def do_unraisable(environ, text):
    class Odd:
        def __del__(self):
            raise ValueError(text)

    Odd()


def do_raise(environ, text):
    deep(8)


def do_long(environ, text):
    sys.stderr.write("".join(f"{text} {number:05} {'x' * 80}\n" for number in range(400)))


def do_wide(environ, text):
    sys.stderr.write(text + "\u6f22" * 4000 + "end\n")


def do_nul(environ, text):
    sys.stderr.write(f"{text} before\0after\n")


def application(environ, start_response):
    text = parse_qs(environ["QUERY_STRING"])["text"][0]
    globals()["do_" + environ["PATH_INFO"].strip("/")](environ, text)
    start_response("200 OK", [("Content-Type", "text/plain"), ("Content-Length", "2")])
    return [b"ok"]
