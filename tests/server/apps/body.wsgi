# SPDX-License-Identifier: Apache-2.0
"""Reads the request body in the way the query names, or answers with a body of a given size."""

import hashlib
import json
from urllib.parse import parse_qs


def pattern(size):
    """Bytes in which a shift or a hole shows."""
    unit = bytes(range(256)) * 257
    return (unit * (size // len(unit) + 1))[:size]


def in_pieces(stream, size):
    while True:
        data = stream.read(size)
        if not data:
            return
        yield data


def read(stream, how):
    if how == "none":
        return []
    if how == "read":
        return [stream.read()]
    if how == "negative":
        return [stream.read(-1)]
    if how == "lines":
        return stream.readlines()
    if how == "line":
        return list(iter(stream.readline, b""))
    if how == "shortline":
        return list(iter(lambda: stream.readline(7), b""))
    if how == "iterate":
        return list(stream)
    if how == "mixed":
        return [stream.read(3), stream.readline(), stream.read(0), *in_pieces(stream, 10000)]
    return list(in_pieces(stream, int(how)))


def upload(environ, query):
    pieces = read(environ["wsgi.input"], query.get("how", ["negative"])[0])
    whole = b"".join(pieces)
    return json.dumps({
        "size": len(whole),
        "sha256": hashlib.sha256(whole).hexdigest(),
        "pieces": len(pieces),
        "longest": max(map(len, pieces), default=0),
        "newlines_inside": sum(piece[:-1].count(b"\n") for piece in pieces),
        "again": environ["wsgi.input"].read(-1).decode("latin-1") if query.get("again") else "",
        "content_length": environ.get("CONTENT_LENGTH"),
        "type": type(whole).__name__,
    }).encode()


def application(environ, start_response):
    query = parse_qs(environ["QUERY_STRING"], keep_blank_values=True)
    if "size" not in query:
        body = upload(environ, query)
        start_response("200 OK", [("Content-Type", "application/json"),
                                  ("Content-Length", str(len(body)))])
        return [body]
    body = pattern(int(query["size"][0]))
    headers = [("Content-Type", "application/octet-stream")]
    if "length" in query:
        headers.append(("Content-Length", str(len(body))))
    block = int(query.get("block", ["65536"])[0])
    start_response("200 OK", headers)
    return (body[at:at + block] for at in range(0, len(body), block))
