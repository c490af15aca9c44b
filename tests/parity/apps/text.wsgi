# SPDX-License-Identifier: Apache-2.0
"""Answers with a few variables as text, for answers that stand in other answers."""

KEYS = ("REQUEST_METHOD", "SCRIPT_NAME", "PATH_INFO", "QUERY_STRING", "REQUEST_URI", "mod_wsgi.request_handler")


def application(environ, start_response):
    body = " ".join(environ.get(key, "-") for key in KEYS).encode()
    start_response("200 OK", [("Content-Type", "text/plain"), ("Content-Length", str(len(body)))])
    return [body]
