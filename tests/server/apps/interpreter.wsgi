# SPDX-License-Identifier: Apache-2.0
"""Which interpreter runs this: the group of the request, of the module, and two own marks."""

import json
import os
import sys
import threading

import mod_wsgi

LOADED_IN = mod_wsgi.application_group
LOCAL = threading.local()
sys.test_mark = getattr(sys, "test_mark", os.urandom(8).hex())


def application(environ, start_response):
    LOCAL.seen = getattr(LOCAL, "seen", 0) + 1
    body = json.dumps({
        "wanted": environ["mod_wsgi.application_group"],
        "loaded_in": LOADED_IN,
        "running_in": sys.modules["mod_wsgi"].application_group,
        "mark": sys.test_mark,
        "pid": os.getpid(),
        "thread": threading.get_ident(),
        "seen_by_thread": LOCAL.seen,
    }).encode()
    start_response("200 OK", [("Content-Type", "application/json"),
                              ("Content-Length", str(len(body)))])
    return [body]
