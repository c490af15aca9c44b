# SPDX-License-Identifier: Apache-2.0
"""Writes to the streams in every way; the body says what came back."""

import array
import json
import sys
import threading
import warnings
from urllib.parse import parse_qs

NAMES = ("closed", "encoding", "errors", "line_buffering", "write_through", "newlines", "name", "mode")
METHODS = ("isatty", "readable", "seekable", "writable", "fileno", "close", "flush", "read", "tell", "detach")


def said(call, *arguments):
    """The result, or the type of the exception."""
    try:
        result = call(*arguments)
    except Exception as error:
        return type(error).__name__
    return result if isinstance(result, (bool, int, str, type(None))) else type(result).__name__


def do_write(stream, text):
    return [said(stream.write, text + "\n"), said(stream.write, f"{text} two\n{text} three\n")]


def do_line_ends(stream, text):
    return [said(stream.write, f"{text} a\r\n{text} b\n\n\n{text} c\rd\n  {text} indented \n")]


def do_incomplete(stream, text):
    return [said(stream.write, f"{text} one "), said(stream.write, f"{text} more\n{text} rest")]


def do_flush(stream, text):
    return [said(stream.write, f"{text} one"), said(stream.flush), said(stream.write, f"{text} two\n")]


def do_close(stream, text):
    return [said(stream.buffer.write, text.encode()), said(stream.buffer.close), said(stream.write, text + " on\n")]


def do_lines(stream, text):
    return [
        said(stream.writelines, [f"{text} one\n", f"{text} two ", f"{text} three\n"]),
        said(stream.buffer.writelines, [f"{text} four\n".encode(), bytearray(b"five\n")]),
        said(stream.writelines, [5]),
    ]


def do_buffer(stream, text):
    values = (text.encode(), bytearray(b"bytearray\n"), memoryview(b"memoryview\n"), array.array("b", b"array\n"), b"")
    found = [said(stream.buffer.write, value) for value in values]
    return [*found, *(said(stream.buffer.write, value) for value in (5, None, [b"x"]))]


def do_str(stream, text):
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        found = [said(stream.buffer.write, f"{text} str caf\u00e9\n") for _ in range(2)]
    return [found, sorted({each.category.__name__ for each in caught})]


def do_letters(stream, text):
    return [said(stream.write, f"{text} caf\u00e9 \u6f22 \U0001f600 \ud800 tab\t back\\ \"quotes\" %s %d\n")]


def do_long(stream, text):
    return [said(stream.write, text + " " + "y" * 5000 + "\n")]


def do_attributes(stream, text):
    found = {name: said(getattr, stream, name) for name in NAMES}
    found.update({f"buffer.{name}": said(getattr, stream.buffer, name) for name in NAMES})
    for name in METHODS:
        if name not in ("detach", "read", "tell", "close"):
            found[f"{name}()"] = said(getattr(stream, name))
        if hasattr(stream.buffer, name):
            found[f"buffer.{name}()"] = said(getattr(stream.buffer, name))
    return [found, type(stream).__name__, type(stream.buffer).__name__, said(stream.read), said(stream.tell)]


def do_thread(stream, text):
    thread = threading.Thread(target=print, args=(text,), kwargs={"file": stream})
    thread.start()
    thread.join()
    return [stream.write(f"{text} after\n")]


def application(environ, start_response):
    query = parse_qs(environ["QUERY_STRING"])
    how, where = environ["PATH_INFO"].strip("/").split("/")
    stream = {"errors": environ["wsgi.errors"], "stderr": sys.stderr, "stdout": sys.stdout}[where]
    body = json.dumps(globals()["do_" + how](stream, query["text"][0])).encode()
    start_response("200 OK", [("Content-Type", "application/x-said"), ("Content-Length", str(len(body)))])
    return [body]
