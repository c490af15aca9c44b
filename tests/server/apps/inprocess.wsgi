# SPDX-License-Identifier: Apache-2.0
"""Uses what the modules mod_wsgi and apache offer inside the process; notes go to a journal.

The application group says who subscribes: "quiet" nobody, "failing" callbacks that raise, any
other one a recorder of everything. The query is code to run.
"""

import json
import logging
import os
import sys
import threading
import time
from urllib.parse import unquote

import apache
import mod_wsgi

GROUP = mod_wsgi.application_group
SCRATCH = os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), "scratch")
JOURNAL = os.path.join(SCRATCH, "notes-" + (GROUP or "main"))
LOGGER = logging.getLogger("inprocess")
LOGGER.setLevel(1)
LOGGER.propagate = False
LOGGER.addHandler(mod_wsgi.LogHandler())


def plain(value):
    if isinstance(value, type):
        return value.__name__
    return "a " + type(value).__name__


def note(*what):
    line = json.dumps([os.getpid(), *what], default=plain) + "\n"
    descriptor = os.open(JOURNAL, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o666)
    os.write(descriptor, line.encode())
    os.close(descriptor)


def record(name, **payload):
    environ = payload.pop("request_environ", None)
    if environ is not None:
        environ["added.by.a.subscriber"] = "yes"
        payload["request_environ"] = {
            key: environ["mod_wsgi." + key]
            for key in ("request_id", "thread_id", "server_pid", "request_start", "queue_start", "daemon_start",
                        "application_start", "callable_object")
        }
        if "wrap" in environ["QUERY_STRING"]:
            note(name, payload)
            return {"application_object": wrap(payload["application_object"])}
    note(name, payload)
    return {"seen": True} if name.startswith("process") else None


def wrap(application):
    def middleware(environ, start_response):
        def begin(status, headers, exc_info=None):
            return start_response(status, [*headers, ("X-Wrapped", "yes")], exc_info)

        return application(environ, begin)

    return middleware


def fail(name, **payload):
    if name == "request_started":
        raise ValueError("from a subscriber")
    if name == "response_started":
        raise SystemExit("from a subscriber")


if GROUP == "failing":
    mod_wsgi.event_callbacks.append(fail)
elif GROUP != "quiet":

    @mod_wsgi.subscribe_events
    def everything(name, **payload):
        return record(name, **payload)

    @mod_wsgi.subscribe_shutdown
    def shutdown(name, **payload):
        note("shutdown", name, payload)

    mod_wsgi.subscribe_signals(lambda name, **payload: note("signal", name, payload))
    assert everything in mod_wsgi.event_callbacks
    assert shutdown in mod_wsgi.shutdown_callbacks


def blocks():
    yield b"begun"
    raise mod_wsgi.RequestTimeout("from the body")


def application(environ, start_response):
    scope = dict(globals(), environ=environ, r={})
    exec(unquote(environ["QUERY_STRING"].partition("code=")[2]), scope)
    kind = scope.get("kind", "application/json")
    headers = [("Content-Type", kind)]
    if "stream" in environ["QUERY_STRING"]:
        start_response("200 OK", headers)
        return blocks()
    if kind == "text/html":
        start_response("200 OK", headers)
        return scope["r"]
    body = json.dumps(scope["r"], default=plain).encode()
    start_response("200 OK", [*headers, ("Content-Length", str(len(body)))])
    return [body]
