# SPDX-License-Identifier: Apache-2.0
"""Answers with its environ as JSON: text as it is, other values as [type name, repr]."""

import json
import os
import sys

ORDER = ("request_start", "queue_start", "daemon_start", "application_start")


def tell(value):
    """Text as it is; the rest as [type, repr]."""
    return value if isinstance(value, str) else [type(value).__name__, repr(value)]


def relations(environ):
    """What holds between values that differ from run to run."""
    times = [environ.get("mod_wsgi." + name) for name in ORDER]
    known = [time for time in times if time]
    return {
        "test.times": known == sorted(known),
        "test.pid": (environ["mod_wsgi.server_pid"] == str(os.getpid())) == (environ["mod_wsgi.process_group"] == ""),
        "test.group": sys.modules["mod_wsgi"].application_group,
        "test.process": sys.modules["mod_wsgi"].process_group,
        "test.identifier": bool(environ.get("mod_wsgi.request_id")),
    }


def answer(environ, start_response, entry):
    found = {key: tell(value) for key, value in environ.items()}
    found.update(relations(environ), **{"test.entry": entry, "test.exact": type(environ) is dict})
    if environ["REQUEST_METHOD"] in ("POST", "PUT"):
        found["test.body"] = environ["wsgi.input"].read().decode("latin-1")
    body = json.dumps(found, sort_keys=True).encode()
    start_response("200 OK", [("Content-Type", "application/json"), ("Content-Length", str(len(body)))])
    return [body]


def application(environ, start_response):
    return answer(environ, start_response, "application")


def second(environ, start_response):
    """Another entry point of the same file."""
    return answer(environ, start_response, "second")


def handle_request(environ, start_response):
    """The entry point that a handler script has."""
    return answer(environ, start_response, "handle_request")


not_callable = "text"
