# SPDX-License-Identifier: Apache-2.0
"""Takes anything: shows its environ, reads the body, decides about users; each value is used as text."""

import hashlib
import json


def used(environ):
    """Every text of the environ goes through the codecs an application would put it through."""
    found = {}
    for key, value in environ.items():
        if isinstance(value, str):
            found[key] = value.encode("latin-1").decode("utf-8", "replace")
            key.encode("latin-1")
    return found


def application(environ, start_response):
    found = used(environ)
    try:
        found["body"] = len(environ["wsgi.input"].read(-1))
    except OSError as error:
        found["body"] = str(error)
    body = json.dumps(found).encode()
    start_response("200 OK", [("Content-Type", "application/json"), ("Content-Length", str(len(body)))])
    return [body]


def handle_request(environ, start_response):
    return application(environ, start_response)


def check_password(environ, user, password):
    used(environ)
    known = hashlib.sha256((user + ":" + password).encode("utf-8", "surrogateescape")).digest()[0]
    return (True, False, None, user or False)[known % 4]


def get_realm_hash(environ, user, realm):
    used(environ)
    return hashlib.md5((user + ":" + realm).encode("utf-8", "surrogateescape")).hexdigest()  # noqa: S324


def groups_for_user(environ, user):
    used(environ)
    return [user, "group", b"bytes"]


def allow_access(environ, host):
    used(environ)
    return None if len(environ.get("QUERY_STRING", "")) % 3 else True


def process_group(environ):
    used(environ)


def application_group(environ):
    return None if len(environ["PATH_INFO"]) % 2 else "%{RESOURCE}"[:0] or None
