# SPDX-License-Identifier: Apache-2.0
"""Tells about the process that serves it, and can be held up at a gate."""

import json
import locale
import os
import signal
import sys
import threading
from urllib.parse import parse_qs

sys.path.append(os.path.dirname(__file__))
import journal  # noqa: E402

import mod_wsgi  # noqa: E402

LOADED = os.urandom(8).hex()


def disposition(number):
    """Default, ignored or handled, as the kernel sees it."""
    mask = 1 << (number - 1)
    with open("/proc/self/status") as lines:
        fields = dict(line.rstrip("\n").split(":\t", 1) for line in lines if ":\t" in line)
    if int(fields["SigIgn"], 16) & mask:
        return "ignored"
    return "handled" if int(fields["SigCgt"], 16) & mask else "default"


def current_umask():
    with open("/proc/self/status") as lines:
        return next(line.split()[1] for line in lines if line.startswith("Umask:"))


def descriptors():
    """What is open, and where it leads; other threads open and close some meanwhile."""
    found = {}
    for number in os.listdir("/proc/self/fd"):
        try:
            found[number] = os.readlink(f"/proc/self/fd/{number}")
        except FileNotFoundError:
            continue
    return found


def facts():
    return {
        "pid": os.getpid(),
        "ppid": os.getppid(),
        "thread": threading.get_ident(),
        "uid": os.getuid(),
        "euid": os.geteuid(),
        "gid": os.getgid(),
        "egid": os.getegid(),
        "groups": sorted(os.getgroups()),
        "umask": current_umask(),
        "cwd": os.getcwd(),
        "path": sys.path,
        "argv": sys.argv,
        "prefix": sys.prefix,
        "base_prefix": sys.base_prefix,
        "executable": sys.executable,
        "version": list(sys.version_info[:3]),
        "utf8": sys.flags.utf8_mode,
        "filesystem": sys.getfilesystemencoding(),
        "locale": locale.setlocale(locale.LC_CTYPE),
        "environ": dict(os.environ),
        "loaded": LOADED,
        "process_group": mod_wsgi.process_group,
        "application_group": mod_wsgi.application_group,
        "processes": mod_wsgi.maximum_processes,
        "threads": mod_wsgi.threads_per_process,
        "mod_wsgi": list(mod_wsgi.version),
        "signals": {name: disposition(getattr(signal, name))
                    for name in ("SIGPIPE", "SIGCHLD", "SIGHUP", "SIGALRM", "SIGUSR1",
                                 "SIGTERM", "SIGINT", "SIGQUIT")},
        "blocked": sorted(int(number) for number in signal.pthread_sigmask(signal.SIG_BLOCK, [])),
        "descriptors": descriptors(),
    }


def application(environ, start_response):
    query = parse_qs(environ["QUERY_STRING"])
    if "entered" in query:
        journal.note(query["entered"][0], str(os.getpid()))
    if "gate" in query:
        journal.pass_gate(query["gate"][0])
    if "left" in query:
        journal.note(query["left"][0], str(os.getpid()))
    body = json.dumps(facts()).encode()
    start_response("200 OK", [("Content-Type", "application/json"),
                              ("Content-Length", str(len(body)))])
    return [body]
