# SPDX-License-Identifier: Apache-2.0
"""Tells in a header which method it was given, and sends a body whatever that is."""


def application(environ, start_response):
    body = b"the body of the answer, long enough to be compressed " * 20
    headers = [("Content-Type", "text/plain"), ("X-Method", environ["REQUEST_METHOD"])]
    if "length" in environ["QUERY_STRING"]:
        headers.append(("Content-Length", str(len(body))))
    start_response("200 OK", headers)
    return [] if "empty" in environ["QUERY_STRING"] else [body]
