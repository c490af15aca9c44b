# SPDX-License-Identifier: Apache-2.0
"""The same engine inside another program, as in an Apache child."""

from __future__ import annotations

import json
import os
import subprocess
import textwrap
import time

from pathlib import Path

from embedding import Embedded
from test_requests import HELLO, OK, app
from wirefront import parse_head, request_block


def script(directory: Path, text: str, name: str = "app.wsgi") -> Path:
    path = directory / name
    path.write_text(textwrap.dedent(text))
    return path


def test_hello(embedded: Embedded, tmp_path: Path) -> None:
    assert embedded.greeting.startswith("up 1.")
    for group in ("", "sub", "other"):
        for threads in (1, 0, 3):
            reply = embedded.run(request_block(script(tmp_path, HELLO), group), threads=threads)
            assert reply.body == b"hello", (reply, embedded.log)
            assert reply.status == 0
            assert parse_head(reply.head)[0] == "200 OK"


def test_environ(embedded: Embedded, tmp_path: Path, python: str) -> None:
    text = app(
        OK
        + "r = {k: v for k, v in environ.items() if isinstance(v, (str, bool, float, tuple))}\nr['sys'] = [sys.prefix, sys.executable, sys.argv]\n"
        "import apache, mod_wsgi\nr['n'] = [mod_wsgi.process_group, mod_wsgi.maximum_processes, mod_wsgi.threads_per_process]\nreturn [json.dumps(r).encode()]",
        "import json, sys",
    )
    reply = embedded.run(request_block(script(tmp_path, text), "g", process_group=""))
    found = json.loads(reply.body)
    expected = subprocess.run(
        [python, "-c", "import sys; print(sys.prefix)"], capture_output=True, text=True, check=True
    ).stdout.strip()
    assert found["sys"] == [expected, python, ["mod_wsgi"]]
    assert found["wsgi.multiprocess"] is True
    assert found["mod_wsgi.daemon_start"] == 0.0
    assert found["mod_wsgi.process_group"] == ""
    assert found["n"] == ["", 16, 25]


def test_virtual_environment(program: str, library: str, engine: str, python: str, tmp_path: Path) -> None:
    home = tmp_path / "venv"
    subprocess.run([python, "-m", "venv", "--without-pip", str(home)], check=True)
    made = Embedded(program, library, engine, str(home / "bin" / "python"), tmp_path, PYTHON_HOME=str(home))
    reply = made.run(request_block(script(tmp_path, app(OK + "import sys\nreturn [sys.prefix.encode()]"))))
    assert reply.body.decode() == str(home)
    assert made.end() == 0


def test_bad_home(program: str, library: str, engine: str, python: str, tmp_path: Path) -> None:
    (tmp_path / "nothing").mkdir()
    made = Embedded(program, library, engine, python, tmp_path, PYTHON_HOME=str(tmp_path / "nothing"))
    assert made.greeting.startswith("failed Python cannot start: "), made.greeting
    made.process.wait(10)
    made.errors.close()


def test_body_and_threads(embedded: Embedded, tmp_path: Path) -> None:
    path = script(tmp_path, app(OK + "return [environ['wsgi.input'].read()]"))
    data = os.urandom(300000)
    for group in ("", "sub"):
        reply = embedded.run(request_block(path, group, body=len(data)), data, threads=8, count=20)
        assert reply.body == data


def test_file(embedded: Embedded, tmp_path: Path) -> None:
    path = script(tmp_path, app(OK + "return environ['wsgi.file_wrapper'](open(__file__, 'rb'))"))
    assert embedded.run(request_block(path)).body == path.read_bytes()


def test_missing_callable_is_404_here(embedded: Embedded, tmp_path: Path) -> None:
    reply = embedded.run(request_block(script(tmp_path, "x = 1")))
    assert (reply.status, reply.code) == (404, 89)


def test_error(embedded: Embedded, tmp_path: Path) -> None:
    reply = embedded.run(request_block(script(tmp_path, app("raise ValueError('boom')"))))
    assert (reply.status, reply.code) == (500, 174)
    assert "ValueError: boom" in reply.cause
    assert "Traceback" in reply.log


def test_reload_in_place(embedded: Embedded, tmp_path: Path) -> None:
    path = script(tmp_path, "OLD = 1\n" + textwrap.dedent(HELLO))
    assert embedded.run(request_block(path)).body == b"hello"
    for turn, text in enumerate(("def broken(:\n", app(OK + "return [repr('OLD' in globals()).encode()]")), start=1):
        path.write_text(text)
        os.utime(path, (1e9 + turn, 1e9 + turn))
        reply = embedded.run(request_block(path))
        assert reply.result == 0
        assert "Reloading Python script file" in reply.log or turn == 2
        if turn == 1:
            assert (reply.status, reply.code) == (500, 105)
    assert reply.body == b"False", "the module must be a fresh one"
    path.write_text(textwrap.dedent(HELLO))
    os.utime(path, (2e9, 2e9))
    assert embedded.run(request_block(path, flags=0)).body == b"False", "reloading is off here"


def test_stop_runs_exit_functions(embedded: Embedded, tmp_path: Path) -> None:
    text = (
        "import atexit, threading, time\nthreading.Thread(target=lambda: (time.sleep(0.3), print('thread done')), daemon=False).start()\n"
        "atexit.register(lambda: print('exit function'))\n" + HELLO
    )
    text = text.replace(HELLO, textwrap.dedent(HELLO))
    for group in ("", "one", "two"):
        embedded.run(request_block(script(tmp_path, text), group))
    begun = time.monotonic()
    embedded.command("stop 10")
    assert time.monotonic() - begun < 5
    assert embedded.log.count("exit function") == 3, embedded.log
    assert embedded.log.count("thread done") == 3
    reply = embedded.run(request_block(script(tmp_path, HELLO)))
    assert (reply.status, reply.code) == (500, 210)
    assert embedded.end() == 0


def test_stop_is_bounded(embedded: Embedded, tmp_path: Path) -> None:
    embedded.run(
        request_block(
            script(tmp_path, "import atexit, time\natexit.register(time.sleep, 60)\n" + textwrap.dedent(HELLO))
        )
    )
    begun = time.monotonic()
    embedded.command("stop 1")
    assert 0.9 < time.monotonic() - begun < 3
    assert "did not end within 1 s" in embedded.log
    assert embedded.end() == 0


def test_end_without_stop(embedded: Embedded, tmp_path: Path) -> None:
    embedded.run(request_block(script(tmp_path, HELLO), "sub"), threads=4)
    assert embedded.end() == 0


def test_memory_of_passing_threads(embedded: Embedded, tmp_path: Path) -> None:
    """Thread states go with their threads."""
    block = request_block(script(tmp_path, app(OK + "return [b'x']")), "sub")
    for _ in range(100):
        embedded.run(block, threads=8)
    before = int(embedded.command("rss")[0].split()[1])
    for _ in range(150):
        embedded.run(block, threads=8)
    after = int(embedded.command("rss")[0].split()[1])
    assert after - before < 400, (before, after)


def test_simplified_gil_api_in_the_main_interpreter(embedded: Embedded, tmp_path: Path) -> None:
    """Also in a thread that has met another interpreter before."""
    text = app(
        OK + "T = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.c_void_p, ctypes.c_void_p)\nA = (ctypes.c_int * 3)(3, 1, 2)\n"
        "ctypes.CDLL(None).qsort(A, 3, 4, T(lambda a, b: ctypes.cast(a, P)[0] - ctypes.cast(b, P)[0]))\nreturn [repr(list(A)).encode()]",
        "import ctypes\nP = ctypes.POINTER(ctypes.c_int)",
    )
    path = script(tmp_path, text)
    hello = request_block(script(tmp_path, HELLO, "hello.wsgi"), "sub")
    for threads in (0, 1):
        embedded.run(hello, threads=threads)
        assert embedded.run(request_block(path), threads=threads, count=2 if threads else 1).body == b"[1, 2, 3]"
