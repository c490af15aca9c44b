# SPDX-License-Identifier: Apache-2.0
"""Everything that Apache can ask a script. A header of the request says what to answer.

X-Access, X-Password, X-Hash, X-Groups, X-Process-Group, X-Application-Group and X-Callable-Object
hold a word of `produce`; X-Record names a file of the scratch directory for the environ and the
arguments that a function was given.
"""

import hashlib
import json
import os
import sys

SCRATCH = os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), "scratch")


class Text(str):
    """A subclass of str."""


class Lying:
    """Fails when its truth is asked for."""

    def __bool__(self):
        raise ValueError("no truth in it")


def failing(items):
    """Gives what it has, then fails."""
    yield from items
    raise ValueError("the iterable fails")


def single(word):
    """The value of a word, or what it raises."""
    if word == "raise":
        raise ValueError("the function fails")
    if word == "exit":
        sys.exit("the function exits")
    if word.startswith("text-"):
        return word[5:]
    if word.startswith("bytes-"):
        return word[6:].encode()
    return {
        "true": True,
        "false": False,
        "none": None,
        "empty": "",
        "nobytes": b"",
        "zero": 0,
        "one": 1,
        "float": 1.5,
        "wide": "\u20ac",
        "latin": "caf\u00e9",
        "newline": "a\nb",
        "null": "a\0b",
        "subclass": Text("subclassed"),
        "lying": Lying(),
        "object": object(),
    }[word]


def produce(word):
    """As `single`, and what is made of several: list:a,b tuple:a,b set:a dict:a iter:a failing:a."""
    kind, colon, items = word.partition(":")
    if not colon or kind.startswith(("text-", "bytes-")):
        return single(word)
    values = [single(item) for item in items.split(",") if item]
    return {
        "list": list,
        "tuple": tuple,
        "set": set,
        "iter": iter,
        "failing": failing,
        "dict": lambda found: dict.fromkeys(found, 1),
    }[kind](values)


def tell(key, value):
    """Text as it is, of functions what they give, the rest as [type, repr]."""
    if callable(value):
        return ["callable", repr(value("SSL_PROTOCOL") if key.endswith("lookup") else value())]
    if key == "wsgi.errors":
        return [type(value).__name__, value.encoding, value.errors]
    return value if isinstance(value, str) else [type(value).__name__, repr(value)]


def record(environ, function, *arguments):
    """Keeps what a function was given where another request can read it."""
    name = environ.get("HTTP_X_RECORD")
    if not name:
        return
    found = {key: tell(key, value) for key, value in environ.items()}
    found["test.function"] = function
    if "HTTP_X_NAME" in environ:
        found["test.errors"] = environ["wsgi.errors"].name
    found["test.arguments"] = [argument if isinstance(argument, str) else repr(argument) for argument in arguments]
    found["test.module"] = __name__.startswith("_mod_wsgi_")
    found["test.group"] = sys.modules["mod_wsgi"].application_group
    path = os.path.join(SCRATCH, name)
    with open(path + ".new", "w") as stream:
        json.dump(found, stream)
    os.replace(path + ".new", path)


def allow_access(environ, host):
    record(environ, "allow_access", host)
    return produce(environ.get("HTTP_X_ACCESS", "true"))


def check_password(environ, user, password):
    record(environ, "check_password", user, password)
    return produce(environ.get("HTTP_X_PASSWORD", "true" if password == "secret" else "false"))


def get_realm_hash(environ, user, realm):
    record(environ, "get_realm_hash", user, realm)
    good = hashlib.md5(f"{user}:{realm}:secret".encode()).hexdigest()
    known = {"good": good, "bytes": good.encode(), "upper": good.upper(), "wrong": "0" * 32, "short": good[:8]}
    word = environ.get("HTTP_X_HASH", "good")
    return known[word] if word in known else produce(word)


def groups_for_user(environ, user):
    record(environ, "groups_for_user", user)
    return produce(environ.get("HTTP_X_GROUPS", "list:text-staff"))


def process_group(environ):
    record(environ, "process_group")
    return produce(environ.get("HTTP_X_PROCESS_GROUP", "none"))


def application_group(environ):
    return produce(environ.get("HTTP_X_APPLICATION_GROUP", "none"))


def callable_object(environ):
    return produce(environ.get("HTTP_X_CALLABLE_OBJECT", "none"))
