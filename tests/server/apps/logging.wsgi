# SPDX-License-Identifier: Apache-2.0
"""Writes to all the places an application can log to."""

import io
import logging
import sys
import threading
import warnings
from urllib.parse import parse_qs

LOG = logging.getLogger("tests.server")
LOG.addHandler(logging.StreamHandler())
LOG.setLevel(logging.INFO)


def do_errors(errors, text):
    errors.write(text + "\n")


def do_flush(errors, text):
    errors.write(text)
    errors.flush()


def do_unfinished(errors, text):
    errors.write(text)


def do_lines(errors, text):
    errors.writelines([f"{text} one\n", f"{text} two\n{text} three\n"])


def do_print(errors, text):
    print(text)


def do_stderr(errors, text):
    print(text, file=sys.stderr)


def do_file(errors, text):
    print(text, "through", file=errors)


def do_bytes(errors, text):
    errors.buffer.write(text.encode() + b"\n")
    errors.buffer.flush()


def do_logging(errors, text):
    LOG.info("%s", text)


def do_warning(errors, text):
    warnings.warn(text, stacklevel=1)


def do_wide(errors, text):
    print(text, "caf\u00e9 \u6f22", file=errors)


def do_control(errors, text):
    print(text, "bell \x07 escape \x1b[31m end", file=errors)


def do_long(errors, text):
    print(text + "x" * 20000 + "end", file=errors)


def do_thread(errors, text):
    thread = threading.Thread(target=print, args=(text,))
    thread.start()
    thread.join()


def do_protocol(errors, text):
    assert isinstance(errors, io.TextIOBase), type(errors)
    assert not errors.closed
    assert not errors.isatty()
    assert errors.encoding.lower().replace("-", "") == "utf8"
    try:
        errors.fileno()
    except OSError:
        errors.write(text + "\n")


def application(environ, start_response):
    text = parse_qs(environ["QUERY_STRING"])["text"][0]
    globals()["do_" + environ["PATH_INFO"].strip("/")](environ["wsgi.errors"], text)
    start_response("200 OK", [("Content-Type", "text/plain"), ("Content-Length", "2")])
    return [b"ok"]
