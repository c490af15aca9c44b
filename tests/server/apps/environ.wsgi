# SPDX-License-Identifier: Apache-2.0
"""Answers with its environ as JSON: text as it is, other values as [type name, repr]."""

import json


def application(environ, start_response):
    found = {
        key: value if isinstance(value, str) else [type(value).__name__, repr(value)]
        for key, value in environ.items()
    }
    body = json.dumps(found).encode()
    start_response("200 OK", [("Content-Type", "application/json"),
                              ("Content-Length", str(len(body)))])
    return [body]


def second(environ, start_response):
    """Another entry point of the same file."""
    environ["test.entry"] = "second"
    return application(environ, start_response)
