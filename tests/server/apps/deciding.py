# SPDX-License-Identifier: Apache-2.0
"""A script that decides: answers as the query string wants it, and notes what it was asked."""

import hashlib
import json
import os
import sys

from urllib.parse import parse_qs

GOOD = "secret"  # the password of everybody


class Text(str):
    """A str that lies about itself."""

    def __str__(self):
        return "x"

    def encode(self, *more):
        return b"x"


def half():
    """Groups that break off."""
    yield "staff"
    raise ValueError("half way")


def fail():
    raise ValueError("boom")


def deep():
    return deep()


ANSWERS = {
    "yes": lambda: True,
    "no": lambda: False,
    "none": lambda: None,
    "one": lambda: 1,
    "object": object,
    "text": lambda: "somebody",
    "bytes": lambda: b"somebody",
    "lie": lambda: Text("somebody"),
    "empty": lambda: "",
    "empty-bytes": lambda: b"",
    "wide": lambda: "\u1234",
    "e-acute": lambda: "\xe9",
    "surrogate": lambda: "\ud800",
    "nul": lambda: "staff\0x",
    "raise": fail,
    "exit": lambda: sys.exit(3),
    "deep": deep,
    "long": lambda: "x" * 100000,
    "nobody": list,
    "staff": lambda: ["staff"],
    "STAFF": lambda: ["other", "STAFF"],
    "staff-bytes": lambda: [b"staff"],
    "staff-lie": lambda: [Text("staff")],
    "staff-dict": lambda: {"staff": 1},
    "staff-iterator": lambda: iter(["staff"]),
    "two-words": lambda: ["two words"],
    "others": lambda: ["other", "", "stafff"],
    "nul-group": lambda: ["staff\0x"],
    "wide-group": lambda: ["\u1234", "staff"],
    "int-group": lambda: ["staff", 1],
    "str-group": lambda: "staff",
    "half": half,
    "many": lambda: [f"group{number}" for number in range(100000)] + ["staff"],
    "hash-bytes": lambda: hashlib.md5(b"user:realm:" + GOOD.encode()).hexdigest().encode(),
    "upper": lambda: hashlib.md5(b"user:realm:" + GOOD.encode()).hexdigest().upper(),
}


def shown(value):
    return value if isinstance(value, str) else [type(value).__name__, repr(value)]


def answer(name, default, environ, *asked):
    """The answer that ?name=... asks for; what else is in it is taken as it is."""
    folder = os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), "scratch")
    note = {
        "name": name,
        "asked": asked,
        "pid": os.getpid(),
        "environ": {key: shown(value) for key, value in environ.items()},
    }
    for key in ("mod_ssl.is_https", "mod_ssl.var_lookup"):
        if key in environ:
            note[key] = environ[key](*(["SSL_PROTOCOL"] if "look" in key else []))
    line = json.dumps(note) + "\n"
    descriptor = os.open(os.path.join(folder, "asked"), os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o666)
    os.write(descriptor, line.encode())
    os.close(descriptor)
    wanted = parse_qs(environ.get("QUERY_STRING", "")).get(name)
    if not wanted:
        return default
    return ANSWERS[wanted[0]]() if wanted[0] in ANSWERS else wanted[0]


def allow_access(environ, host):
    return answer("access", None, environ, host)


def check_password(environ, user, password):
    if "echo" in environ.get("QUERY_STRING", ""):
        return password == user[::-1]
    return answer("password", password == GOOD, environ, user, password)


def get_realm_hash(environ, user, realm):
    good = hashlib.md5(f"{user}:{realm}:{GOOD}".encode("latin-1")).hexdigest()
    return answer("hash", good if user != "nobody" else None, environ, user, realm)


def groups_for_user(environ, user):
    return answer("groups", [], environ, user)


def process_group(environ):
    return answer("process", None, environ)


def application_group(environ):
    return answer("application", None, environ)


def callable_object(environ):
    return answer("callable", None, environ)
