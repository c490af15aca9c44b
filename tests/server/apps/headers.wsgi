# SPDX-License-Identifier: Apache-2.0
"""Sends the header value that the query gives in hexadecimal, fails when asked to, reads a body."""

from urllib.parse import parse_qs


def application(environ, start_response):
    query = parse_qs(environ["QUERY_STRING"])
    if environ["PATH_INFO"] == "/raise":
        raise RuntimeError("with a secret in it")
    if environ["PATH_INFO"] == "/length":
        size = 0
        while data := environ["wsgi.input"].read(60_000):
            size += len(data)
        start_response("200 OK", [("Content-Type", "text/plain")])
        return [str(size).encode()]
    value = bytes.fromhex(query.get("value", [""])[0]).decode("latin-1")
    start_response("200 OK", [(query["name"][0], value)])
    return [b"the body"]
