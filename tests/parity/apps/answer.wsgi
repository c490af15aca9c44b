# SPDX-License-Identifier: Apache-2.0
"""Runs the query as the body of an application: what a response may be is written in the case itself."""

import gc
import io
import os
import sys
import textwrap
import threading
from collections import namedtuple
from urllib.parse import unquote

PLAIN = [("Content-Type", "text/plain")]
SCRATCH = os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), "scratch")
KEPT = {}


class List(list):
    pass


class Tuple(tuple):
    pass


class Text(str):
    pass


class Bytes(bytes):
    pass


Pair = namedtuple("Pair", "name value")


class Odd(list):
    """Holds nothing that counts: what it iterates over is said by its own method."""

    def __iter__(self):
        return iter([b"iterated"])


class OddTuple(tuple):
    def __iter__(self):
        return iter([b"iterated"])


class Indexed:
    """No iterator: only an old sequence."""

    def __init__(self, *blocks):
        self.blocks = blocks

    def __len__(self):
        return len(self.blocks)

    def __getitem__(self, index):
        return self.blocks[index]


class Closing:
    """Notes each call of close()."""

    def __init__(self, *blocks, error=None):
        self.blocks = iter(blocks)
        self.error = error

    def __iter__(self):
        return self

    def __next__(self):
        block = next(self.blocks)
        if isinstance(block, BaseException):
            raise block
        return block

    def close(self):
        note("closed")
        if self.error:
            raise self.error


class ClosingList(list):
    def close(self):
        note("closed")


def note(word):
    descriptor = os.open(os.path.join(SCRATCH, "journal"), os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o666)
    os.write(descriptor, (word + "\n").encode())
    os.close(descriptor)


def failing(*blocks, error=ValueError("in the middle")):
    yield from blocks
    raise error


def name_of(call, *arguments):
    try:
        call(*arguments)
    except BaseException as error:
        return type(error).__name__
    return "taken"


def tried(start_response, *arguments):
    """What start_response says to these arguments, as the body of a plain answer."""
    said = name_of(start_response, *arguments)
    start_response("200 OK", PLAIN)
    return [said.encode()]


def application(environ, start_response):
    code = unquote(environ["QUERY_STRING"])
    scope = {}
    exec("def run(environ, start_response):\n" + textwrap.indent(code, "    "), globals(), scope)
    return scope["run"](environ, start_response)
