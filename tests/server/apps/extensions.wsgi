# SPDX-License-Identifier: Apache-2.0
"""Uses the extension that the query names, as applications do; and starts processes of its own."""

import importlib
import json
import multiprocessing
import os
import subprocess
import sys
import time
from decimal import Decimal

import mod_wsgi

sys.path.append(os.path.dirname(__file__))
import extensions_helper  # noqa: E402


def use_bcrypt(bcrypt):
    hashed = bcrypt.hashpw(b"secret", bcrypt.gensalt(4))
    return bcrypt.checkpw(b"secret", hashed) and not bcrypt.checkpw(b"other", hashed)


def use_orjson(orjson):
    return orjson.loads(orjson.dumps({"a": [1, 2.5, None, "\u6f22"]})) == {"a": [1, 2.5, None, "\u6f22"]}


def use_numpy(numpy):
    matrix = numpy.arange(9.0).reshape(3, 3) + numpy.eye(3) * 10
    return bool(numpy.allclose(matrix @ numpy.linalg.inv(matrix), numpy.eye(3)))


def use_fernet(fernet):
    box = fernet.Fernet(fernet.Fernet.generate_key())
    return box.decrypt(box.encrypt(b"message")) == b"message"


USES = {
    "bcrypt": use_bcrypt,
    "orjson": use_orjson,
    "numpy": use_numpy,
    "cryptography.fernet": use_fernet,
}


def descriptors():
    """What a child sees of its own descriptors."""
    code = "import os; print([os.readlink(f'/proc/self/fd/{n}') for n in os.listdir('/proc/self/fd') if n != '3'])"
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout


def forked():
    """fork and exec by hand; the child's answer comes by a pipe."""
    read, write = os.pipe()
    pid = os.fork()
    if pid == 0:
        os.dup2(write, 1)
        os.execv("/bin/echo", ["echo", "from the child"])
    os.close(write)
    with os.fdopen(read) as stream:
        said = stream.read()
    return said, os.waitpid(pid, 0)[1]


def processes():
    found = {"descriptors": descriptors(), "fork": forked()}
    context = multiprocessing.get_context("spawn")
    context.set_executable(sys.executable)
    with context.Pool(1) as pool:
        found["spawn"] = pool.apply(extensions_helper.square, (12,))
    return found


def application(environ, start_response):
    name = environ["PATH_INFO"].strip("/")
    if name == "processes":
        found = processes()
    else:
        begin = time.monotonic()
        found = {"works": USES[name](importlib.import_module(name)), "seconds": time.monotonic() - begin}
        found["decimal"] = isinstance(Decimal("1.5"), Decimal)
    found["group"] = [mod_wsgi.process_group, mod_wsgi.application_group]
    body = json.dumps(found).encode()
    start_response("200 OK", [("Content-Type", "application/json"), ("Content-Length", str(len(body)))])
    return [body]
