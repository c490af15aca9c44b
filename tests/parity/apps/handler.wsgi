# SPDX-License-Identifier: Apache-2.0
"""A handler script that also tells which resources reload_required was asked about."""

import json

ASKED = []


def reload_required(path):
    ASKED.append(path)
    return False


def handle_request(environ, start_response):
    found = {
        key: value if isinstance(value, str) else [type(value).__name__, repr(value)]
        for key, value in environ.items()
    }
    found["test.entry"] = "handle_request"
    found["test.asked"] = ASKED[-1:]
    body = json.dumps(found, sort_keys=True).encode()
    start_response("200 OK", [("Content-Type", "application/json"), ("Content-Length", str(len(body)))])
    return [body]


def application(environ, start_response):
    raise AssertionError("a handler script has another entry point")
