# SPDX-License-Identifier: Apache-2.0
"""Applications and steps that several tables use."""

from __future__ import annotations

import contextlib

from pathlib import Path

from harness import Line, Server, wait_until
from harness.log import parse

from parity.model import Act
from parity.pair import LOUD

# Answers with the facts that the query names: /?k=flags,path
FACTS = """
import json, locale, os, resource, signal, sys, threading
import mod_wsgi

def attempt(call):
    try:
        return repr(call())
    except BaseException as error:
        return type(error).__name__

def title():
    with open("/proc/self/cmdline", "rb") as line:
        return line.read().partition(b"\\0")[0].decode().rstrip()

def umask():
    with open("/proc/self/status") as lines:
        return next(line.split()[1] for line in lines if line.startswith("Umask:"))

def signal_facts():
    mine = lambda *_: None
    before = signal.getsignal(signal.SIGALRM)
    given = signal.signal(signal.SIGALRM, mine)
    return [repr(before), given is mine, signal.getsignal(signal.SIGALRM) is mine]

KINDS = {
    "optimize": lambda: sys.flags.optimize,
    "flags": lambda: {name: getattr(sys.flags, name) for name in (
        "optimize", "dont_write_bytecode", "no_user_site", "no_site", "ignore_environment", "verbose", "isolated",
        "hash_randomization", "inspect", "quiet", "dev_mode", "utf8_mode")},
    "bytecode": lambda: sys.dont_write_bytecode,
    "warnoptions": lambda: sys.warnoptions,
    "switch": lambda: round(sys.getswitchinterval(), 6),
    "hash": lambda: hash("parity"),
    "path": lambda: sys.path,
    "added": lambda: [entry for entry in sys.path if entry.startswith("/tmp/")],
    "prefix": lambda: [sys.prefix, sys.exec_prefix],
    "argv": lambda: sys.argv,
    "main": lambda: sorted(vars(sys.modules["__main__"])),
    "stdin": lambda: [attempt(lambda: sys.stdin.read), attempt(lambda: sys.stdin.fileno()), type(sys.stdin).__name__],
    "stdout": lambda: [attempt(lambda: sys.stdout.fileno), attempt(lambda: sys.stdout.write("said on stdout\\n")),
                       attempt(lambda: sys.stdout.flush())],
    "signal": lambda: attempt(signal_facts),
    "eggs": lambda: os.environ.get("PYTHON_EGG_CACHE"),
    "language": lambda: {name: os.environ.get(name) for name in ("LANG", "LC_ALL")},
    "locale": lambda: locale.setlocale(locale.LC_ALL),
    "who": lambda: {name: os.environ.get(name) for name in ("HOME", "USER", "USERNAME", "LOGNAME")},
    "ids": lambda: [os.getuid(), os.geteuid(), os.getgid(), os.getegid(), sorted(os.getgroups())],
    "umask": umask,
    "cwd": os.getcwd,
    "title": title,
    "nice": lambda: os.nice(0),
    "limits": lambda: {name: resource.getrlimit(getattr(resource, name))
                       for name in ("RLIMIT_CPU", "RLIMIT_DATA", "RLIMIT_AS")},
    "size": lambda: [mod_wsgi.maximum_processes, mod_wsgi.threads_per_process],
    "groups": lambda: [mod_wsgi.process_group, mod_wsgi.application_group],
    "metrics": lambda: type(mod_wsgi.server_metrics()).__name__,
    "module": lambda: [__name__, type(sys.modules[__name__].__mtime__).__name__, os.path.basename(__file__)],
    "pid": os.getpid,
    "environment": lambda: sorted(os.environ),
}

def application(environ, start_response):
    wanted = environ["QUERY_STRING"].partition("k=")[2].split(",")
    body = json.dumps({name: KINDS[name]() for name in wanted}).encode()
    start_response("200 OK", [("Content-Type", "application/json"), ("Content-Length", str(len(body)))])
    return [body]
"""

# Leaves a file behind when it is loaded: its name, its group.
MARK = """
import os
import mod_wsgi

name = os.path.basename(__file__) + "-" + (mod_wsgi.process_group or "embedded")
with open("@SCRATCH@/" + name, "w"):
    pass
os.chmod("@SCRATCH@/" + name, 0o666)

def application(environ, start_response):
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [mod_wsgi.process_group.encode()]
"""


def codes_since_start(server: Server) -> list[str]:
    """Numbers of level warn and above in all logs since the server began, each once."""
    lines = [line for log in server.all_logs() for line in _lines_of(log.path)]
    return sorted({f"WSGI{line.code:04d}" for line in lines if line.code and line.level in LOUD})


def _lines_of(path: Path) -> list[Line]:
    return [parse(text) for text in path.read_text(errors="replace").splitlines()] if path.exists() else []


def marks(*wanted: str) -> Act:
    """Waits for these files of scratch/, then lists all that are there."""

    def look(server: Server) -> list[str]:
        def there() -> set[str]:
            return {path.name for path in server.layout.scratch.iterdir()}

        with contextlib.suppress(AssertionError):  # what is missing is seen in the list
            wait_until(lambda: set(wanted) <= there(), "")
        return sorted(there())

    return look
