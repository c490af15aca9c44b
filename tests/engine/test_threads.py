# SPDX-License-Identifier: Apache-2.0
"""Threads of an application that use what belongs to a request while that ends."""

from __future__ import annotations

import pytest

from conftest import Host
from test_requests import assert_fine
from wirefront import request_block

# One thread lives from one request to the next; both meet in this module.
TOP = """
import threading

import mod_wsgi

inside, gate = threading.Event(), threading.Event()
said, threads = [], []


def wait_here():
    inside.set()
    gate.wait(20)


def begin(function, *arguments):
    def body():
        try:
            said.append(repr(function(*arguments)))
        except Exception as error:
            said.append(repr(error))
    threads.append(threading.Thread(target=body))
    threads[0].start()
    inside.wait(20)


def application(environ, start_response):
    name = environ["QUERY_STRING"]
    if name == "free":
        gate.set()
        threads[0].join(20)
        start_response("200 OK", [])
        return [said[0].encode()]
    if name != "head":
        start_response("200 OK", [])
    globals()[name](environ["wsgi.input"], start_response)
    return []


class Slow:
    def __index__(self):
        wait_here()
        return 5


def read(stream, start_response):
    begin(stream.read, Slow())


def readline(stream, start_response):
    begin(stream.readline, Slow())


def readlines(stream, start_response):
    begin(stream.readlines, Slow())


def head(stream, start_response):
    def callback(name, **payload):
        if name == "response_started" and threading.current_thread() in threads:
            wait_here()
    mod_wsgi.subscribe_events(callback)
    begin(start_response, "201 Created", [("X-Late", "1")])
"""


def ask(name: str) -> dict[str, str]:
    return {"QUERY_STRING": name}


@pytest.mark.parametrize("group", ["", "sub"])
@pytest.mark.parametrize("method", ["read", "readline", "readlines"])
def test_a_size_that_takes_its_time(host: Host, method: str, group: str) -> None:
    """What is asked for its size may come back when the request is over."""
    script = host.script(TOP)
    daemon = host.start(threads=1)
    with daemon.front() as front:
        assert_fine(front.run(request_block(script, group, environ=ask(method), body=10), b"0123456789"))
        answer = front.run(request_block(script, group, environ=ask("free")))
    assert b"RuntimeError('wsgi.input was used after the end of its request" in answer.body
    assert daemon.stop() == 0, daemon.log


@pytest.mark.parametrize("group", ["", "sub"])
def test_a_head_that_is_set_late(host: Host, group: str) -> None:
    """The request waits for who is inside start_response(): else it were the next one's head."""
    script = host.script(TOP)
    daemon = host.start(threads=2)
    with daemon.front() as front, daemon.front() as other:
        front.begin(request_block(script, group, environ=ask("head"), flags=0))
        before = []
        while front.readable(1):
            before.append(front.receive().type)
        assert set(before) <= {"LOG"}
        answer = other.run(request_block(script, group, environ=ask("free"), flags=0))
        assert b"built-in method write" in answer.body
        assert answer.header("X-Late") is None
        assert front.collect().end.code == 1004, daemon.log
    assert daemon.stop() == 0, daemon.log
