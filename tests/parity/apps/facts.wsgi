# SPDX-License-Identifier: Apache-2.0
"""Tells about the interpreter and the module it runs in: ?ask=name of one of the functions below."""

import hashlib
import json
import os
import signal
import sys
import threading

import mod_wsgi

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
LOCAL = threading.local()
LOADED = len([name for name in sys.modules if name.startswith("_mod_wsgi_")])


def kind(value):
    """The qualified name of a value's type."""
    return f"{type(value).__module__}.{type(value).__qualname__}"


def attempt(function, *arguments):
    """What a call gives or raises."""
    try:
        return repr(function(*arguments))
    except BaseException as error:
        return f"{type(error).__name__}: {error}".partition(" (")[0]


def own_module():
    return sys.modules.get(__name__)


def module(environ):
    """Section 7.4: names and attributes of the script's module."""
    found = own_module()
    digest = hashlib.md5(__file__.encode()).hexdigest()
    return {
        "name": __name__ == "_mod_wsgi_" + digest,
        "file": os.path.relpath(__file__, ROOT),
        "mtime": found.__mtime__ == os.stat(__file__).st_mtime_ns // 1000,
        "mtime kind": kind(found.__mtime__),
        "doc": found.__doc__[:20],
        "same": found.__dict__ is globals(),
        "names": sorted({"__file__", "__mtime__", "__name__", "__doc__", "__builtins__", "__package__"} & set(globals())),
        "bytecode": sorted(name for name in os.listdir(os.path.dirname(__file__)) if "pyc" in name),
    }


def interpreter(environ):
    """Sections 7.1 and 7.3."""
    return {
        "argv": sys.argv,
        "main": sorted(vars(sys.modules["__main__"])),
        "flags": repr(sys.flags),
        "warnoptions": sys.warnoptions,
        "group": [mod_wsgi.process_group, mod_wsgi.application_group],
        "bytecode": sys.dont_write_bytecode,
        "blocks": sys.getallocatedblocks() > 0,
        "switch": sys.getswitchinterval(),
        "threading": "threading" in sys.modules,
        "codecs": attempt("x".encode, "idna"),
        "version": sys.version_info[:2],
        "prefix": sys.prefix,
        "filesystem": sys.getfilesystemencoding(),
        "stderr": kind(sys.stderr), "stdout": kind(sys.stdout), "stdin": kind(sys.stdin),
        "excepthook": sys.excepthook is sys.__excepthook__,
        "recursion": sys.getrecursionlimit(),
        "interactive": hasattr(sys, "ps1"),
    }


def path(environ):
    return sys.path


def signals(environ):
    """Section 7.3: signal.signal is a wrapper that installs nothing."""

    def handler(number, frame):
        raise AssertionError("never installed")

    before = signal.getsignal(signal.SIGURG)
    given = signal.signal(signal.SIGURG, handler)
    return {
        "gives": given is handler,
        "installs nothing": signal.getsignal(signal.SIGURG) is before,
        "ignore": repr(signal.signal(signal.SIGURG, signal.SIG_IGN)),
        "default": repr(signal.signal(signal.SIGTERM, signal.SIG_DFL)),
        "wrong number": attempt(signal.signal, 9999, signal.SIG_IGN),
        "no arguments": attempt(signal.signal).split(":")[0],
        "wrong handler": attempt(signal.signal, signal.SIGURG, "text").split(":")[0],
    }


def forked(environ):
    """Section 7.3: in a process forked from this one signal.signal works."""
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            old = signal.signal(signal.SIGURG, signal.SIG_IGN)
            new = signal.getsignal(signal.SIGURG)
            os.write(writing, f"{old} {new}".encode())
        except BaseException as error:
            os.write(writing, f"{type(error).__name__}: {error}".encode())
        finally:
            os._exit(0)
    os.close(writing)
    with os.fdopen(reading) as stream:
        text = stream.read()
    os.waitpid(child, 0)
    return text


def streams(environ):
    """What the standard streams do."""
    return {
        "stdin": attempt(lambda: sys.stdin.read(1)).split("(")[0],
        "stdin fileno": attempt(lambda: sys.stdin.fileno()).split(":")[0],
        "stdout": attempt(lambda: sys.stdout.write("")).split(":")[0],
        "stdout fileno": attempt(lambda: sys.stdout.fileno()).split(":")[0],
        "stdout tty": attempt(lambda: sys.stdout.isatty()),
        "stderr": attempt(lambda: sys.stderr.write("")),
        "stderr kind": [kind(sys.stderr), kind(getattr(sys.stderr, "buffer", None))],
        "stdout kind": kind(sys.stdout),
        "originals": [kind(sys.__stdin__), kind(sys.__stdout__), kind(sys.__stderr__)],
    }


def threads(environ):
    """threading.local data survives requests of one thread; mod_wsgi.thread_id counts from one."""
    LOCAL.seen = getattr(LOCAL, "seen", 0) + 1
    return {"seen": LOCAL.seen, "id": environ["mod_wsgi.thread_id"] if environ["mod_wsgi.process_group"] else 0}


def count(environ):
    """How often this module has served: a fresh module starts again."""
    globals()["SERVED"] = globals().get("SERVED", 0) + 1
    sys.test_total = getattr(sys, "test_total", 0) + 1
    return {"module": SERVED, "interpreter": sys.test_total}


def process(environ):
    """Settings of the process that is meant for this group."""
    return {
        "cwd": os.getcwd(),
        "eggs": os.environ.get("PYTHON_EGG_CACHE", ""),
        "lang": os.environ.get("LANG"),
        "home": os.environ.get("HOME"),
        "user": [os.environ.get("USER"), os.environ.get("LOGNAME"), os.environ.get("USERNAME")],
        "variables": sorted(name for name in os.environ if not name.startswith("WSGI_TEST")),
        "threads": mod_wsgi.threads_per_process,
    }


def executable(environ):
    return sys.executable


def maximum(environ):
    return mod_wsgi.maximum_processes


def marked(environ):
    """Which .pth files ran and which modules they brought."""
    return sorted(name for name in sys.modules if name.startswith("parity_"))


def loaded(environ):
    """How many script modules this interpreter had when this one came, and has."""
    return [LOADED, len([name for name in sys.modules if name.startswith("_mod_wsgi_")])]


def application(environ, start_response):
    name = environ["QUERY_STRING"].partition("=")[2]
    body = json.dumps(globals()[name](environ), sort_keys=True).encode()
    start_response("200 OK", [("Content-Type", "application/json"), ("Content-Length", str(len(body)))])
    return [body]
