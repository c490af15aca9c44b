# SPDX-License-Identifier: Apache-2.0
"""Keeps a ledger of all requests it gets and of what it could read of their bodies.

Mounted at /app it reads everything, at /bit one byte, at any other place nothing.
"""

import json
import os
import sys

sys.path.append(os.path.dirname(__file__))
import journal  # noqa: E402

LEDGER = os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), "scratch", "ledger")


def read(environ):
    """The body as latin-1, None when it cannot be read."""
    mount = environ["SCRIPT_NAME"][:4]
    try:
        if mount == "/app":
            return environ["wsgi.input"].read(-1).decode("latin-1")
        if mount == "/bit":
            return environ["wsgi.input"].read(1).decode("latin-1")
    except OSError:
        return None
    return ""


def application(environ, start_response):
    texts = {key: value for key, value in environ.items() if isinstance(value, str)}
    entry = {"port": environ["REMOTE_PORT"], "path": environ["PATH_INFO"], "environ": texts}
    if "quiet" not in environ["QUERY_STRING"]:
        journal.note(LEDGER, json.dumps({**entry, "event": "begin"}))
        journal.note(LEDGER, json.dumps({**entry, "event": "end", "body": read(environ)}))
    body = b"noted\n"
    start_response("200 OK", [("Content-Type", "text/plain"), ("Content-Length", str(len(body)))])
    return [body]
