# SPDX-License-Identifier: Apache-2.0
"""How the process and the interpreter that serve it were started."""

import gc
import json
import os
import resource
import signal
import socket
import sys

try:
    import _interpreters as interpreters
except ImportError:
    import _xxsubinterpreters as interpreters


def limits(number):
    """Soft and hard, -1 without one."""
    return list(resource.getrlimit(number))


def connection():
    """Buffer size of the socket that the request came by, as the system counts it."""
    for number in os.listdir("/proc/self/fd"):
        try:
            if not os.readlink(f"/proc/self/fd/{number}").startswith("socket:"):
                continue
            with socket.socket(fileno=os.dup(int(number))) as found:
                if found.family == socket.AF_UNIX and not found.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN):
                    if found.type == socket.SOCK_STREAM:
                        return found.getsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF)
        except OSError:
            continue
    return None


def application(environ, start_response):
    body = json.dumps({
        "pid": os.getpid(),
        "group": environ["mod_wsgi.application_group"],
        "main": interpreters.get_current() == interpreters.get_main(),
        "run_once": environ["wsgi.run_once"],
        "nice": os.nice(0),
        "groups": sorted(os.getgroups()),
        "cpu": limits(resource.RLIMIT_CPU),
        "data": limits(resource.RLIMIT_DATA),
        "space": limits(resource.RLIMIT_AS),
        "optimize": sys.flags.optimize,
        "no_bytecode": sys.dont_write_bytecode,
        "warnings": sys.warnoptions,
        "hash": hash("mod_wsgi"),
        "seed": os.environ.get("PYTHONHASHSEED"),
        "eggs": os.environ.get("PYTHON_EGG_CACHE"),
        "environ": {name: os.environ.get(name) for name in ("LANG", "LC_ALL")},
        "interval": round(sys.getswitchinterval(), 6),
        "path": sys.path,
        "stdin": type(sys.stdin).__name__,
        "signal": signal.signal.__module__,
        "buffer": connection(),
        "objects": len(gc.get_objects()) > 0,
    }).encode()
    start_response("200 OK", [("Content-Type", "application/json"),
                              ("Content-Length", str(len(body)))])
    return [body]
