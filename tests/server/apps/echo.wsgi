# SPDX-License-Identifier: Apache-2.0
"""Sends the request body back, piece by piece, while it still comes in."""


def application(environ, start_response):
    stream = environ["wsgi.input"]
    start_response("200 OK", [("Content-Type", "application/octet-stream")])
    while True:
        data = stream.read(40000)
        if not data:
            return
        yield data
