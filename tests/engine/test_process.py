# SPDX-License-Identifier: Apache-2.0
"""Life of a daemon: start, interpreters, reload, drain, end."""

from __future__ import annotations

import json
import os
import signal
import threading
import time

from pathlib import Path

import pytest

from conftest import Host
from test_requests import HELLO, OK, app, assert_fine
from wirefront import RELOAD, RELOADING, Answer, Daemon, Gone, request_block

HANG = app(
    OK + "open(__file__ + '.in', 'w').close()\ntime.sleep(float(environ['QUERY_STRING']))\nreturn [b'finished']",
    "import time",
)


def wait_for(path: Path, seconds: float = 10) -> None:
    until = time.monotonic() + seconds
    while not path.exists():
        assert time.monotonic() < until, f"{path} does not come"
        time.sleep(0.01)


# ---- ending --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("how", ["STOP", "SIGTERM", "SIGINT"])
def test_stop_lets_a_running_request_finish(host: Host, how: str) -> None:
    daemon = host.start()
    script = host.script(HANG)
    with daemon.front() as front, daemon.front() as idle:
        front.begin(request_block(script, "sub", environ={"QUERY_STRING": "0.5"}))
        wait_for(Path(f"{script}.in"))
        if how == "STOP":
            daemon.tell("STOP")
        else:
            os.kill(daemon.pid, getattr(signal, how))
        assert front.collect().body == b"finished"
        with pytest.raises(Gone):
            idle.receive()
    assert daemon.wait() == 0, daemon.log


def test_watchdog_ends_a_request_that_hangs(host: Host) -> None:
    daemon = host.start(shutdown_timeout=1)
    script = host.script(HANG)
    with daemon.front() as front:
        front.begin(request_block(script, environ={"QUERY_STRING": "30"}))
        wait_for(Path(f"{script}.in"))
        begun = time.monotonic()
        daemon.tell("STOP")
        assert daemon.wait() == 70
        assert 0.8 < time.monotonic() - begun < 3
    assert "shutdown-timeout" in daemon.log


def test_watchdog_ends_an_atexit_that_hangs(host: Host) -> None:
    daemon = host.start(shutdown_timeout=1)
    with daemon.front() as front:
        assert_fine(
            front.run(
                request_block(
                    host.script("import atexit, time\natexit.register(time.sleep, 30)\n" + app(OK + "return []"))
                )
            )
        )
    daemon.tell("STOP")
    assert daemon.wait() == 70


def test_second_signal_does_not_hurt(host: Host) -> None:
    daemon = host.start()
    with daemon.front() as front:
        assert_fine(
            front.run(
                request_block(
                    host.script("import atexit, time\natexit.register(time.sleep, 0.5)\n" + app(OK + "return []"))
                )
            )
        )
    for _ in range(3):
        os.kill(daemon.pid, signal.SIGTERM)
        time.sleep(0.05)
    assert daemon.wait() == 0


@pytest.mark.parametrize("group", ["", "one", "two"])
@pytest.mark.parametrize("main_group", [None, "one"])
def test_exit_functions_run(host: Host, group: str, main_group: str | None) -> None:
    """atexit runs in each interpreter, ordinary threads are awaited before, output is not lost."""
    daemon = host.start(main_group=main_group)
    text = (
        "import atexit, sys, threading, time\n"
        "def work():\n    time.sleep(0.3)\n    print('thread done')\n    sys.stdout.write('no newline')\n    sys.stdout.flush()\n"
        "threading.Thread(target=work, daemon=False).start()\n"
        "atexit.register(lambda: print('exit function', flush=True))\n" + app(OK + "return []")
    )
    with daemon.front() as front:
        assert_fine(front.run(request_block(host.script(text), group)))
    assert daemon.stop() == 0, daemon.log
    assert daemon.log.count("exit function") == 1, daemon.log
    assert daemon.log.count("thread done") == 1
    assert "no newline" in daemon.log
    assert daemon.log.index("thread done") < daemon.log.index("exit function")


@pytest.mark.parametrize("group", ["", "one"])
def test_daemon_thread_of_the_application(host: Host, group: str) -> None:
    """Python would abort; the exit functions run all the same."""
    daemon = host.start()
    text = (
        "import atexit, threading, time\n"
        "def work():\n    while True:\n        time.sleep(0.01)\n"
        "threading.Thread(target=work, daemon=True).start()\n"
        "atexit.register(lambda: print('exit function'))\n" + app(OK + "return []")
    )
    with daemon.front() as front:
        assert_fine(front.run(request_block(host.script(text), group)))
        assert_fine(
            front.run(
                request_block(
                    host.script(
                        "import atexit\natexit.register(lambda: print('main exit'))\n" + HELLO_TEXT, "main.wsgi"
                    )
                )
            )
        )
    assert daemon.stop() == 0, daemon.log
    assert daemon.log.count("exit function") == 1, daemon.log
    assert daemon.log.count("main exit") == 1, daemon.log


@pytest.mark.parametrize("group", ["", "one"])
def test_executors_do_not_hold_up_the_end(host: Host, group: str) -> None:
    daemon = host.start()
    text = "import asyncio, concurrent.futures\nE = concurrent.futures.ThreadPoolExecutor(2)\n" + app(
        OK + "return [E.submit(asyncio.run, asyncio.sleep(0.01, b'slept')).result()]"
    )
    with daemon.front() as front:
        assert front.run(request_block(host.script(text), group)).body == b"slept"
    assert daemon.stop() == 0, daemon.log


HELLO_TEXT = app(OK + "return [b'hello']")


@pytest.mark.parametrize("how", ["DRAIN", "SIGUSR1", "supervisor gone"])
def test_drain(host: Host, how: str) -> None:
    """What comes is served until the last connection is gone, new connections too."""
    daemon = host.start()
    block = request_block(host.script(HELLO))
    front = daemon.front()
    assert front.run(block).body == b"hello"
    if how == "DRAIN":
        daemon.tell("DRAIN")
    elif how == "SIGUSR1":
        os.kill(daemon.pid, signal.SIGUSR1)
        assert daemon.message() == "LEAVING GRACEFUL"
        assert front.run(block).body == b"hello"
        daemon.tell("DRAIN")
    else:
        daemon.control.close()
    assert daemon.wait_log("Process drains")
    assert front.run(block).body == b"hello"
    with daemon.front() as new:
        assert new.run(block).body == b"hello"
    front.close()
    assert daemon.wait() == 0


def test_maximum_of_requests(host: Host) -> None:
    """A process that has served so many says so once, and serves on until it is told to drain."""
    daemon = host.start(extra=[("MAXIMUM_REQUESTS", 3)])
    block = request_block(host.script(HELLO))
    with daemon.front() as front:
        for _ in range(3):
            assert front.run(block).body == b"hello"
        assert daemon.message() == "LEAVING MAXIMUM_REQUESTS"
        for _ in range(3):
            assert front.run(block).body == b"hello"
        daemon.tell("DRAIN")
        assert front.run(block).body == b"hello"
    assert daemon.wait() == 0
    assert daemon.log.count("maximum of 3 requests") == 1
    assert daemon.control.recv(64) == b"", "it was said once"


def test_process_for_one_request(host: Host) -> None:
    """With a maximum of one there is no second request, however it comes."""
    daemon = host.start(extra=[("MAXIMUM_REQUESTS", 1)])
    block = request_block(host.script(HELLO))
    with daemon.front() as front, daemon.front() as other:
        assert front.run(block).body == b"hello"
        assert daemon.message() == "LEAVING MAXIMUM_REQUESTS"
        for late in (front, other):
            assert late.run(block).reject == 1
        daemon.tell("DRAIN")
    assert daemon.wait() == 0


def test_drain_without_connections(host: Host) -> None:
    daemon = host.start()
    daemon.tell("DRAIN")
    assert daemon.wait() == 0


def test_ignored_signals(host: Host) -> None:
    daemon = host.start()
    for number in (signal.SIGHUP, signal.SIGUSR2, signal.SIGPIPE):
        os.kill(daemon.pid, number)
    with daemon.front() as front:
        assert front.run(request_block(host.script(HELLO))).body == b"hello"


def test_children_of_the_application(host: Host) -> None:
    """They can be ended by SIGTERM, and hold none of our descriptors."""
    answer = host.get(
        app(
            OK + "p = subprocess.Popen(['sleep', '30'])\np.terminate()\na = p.wait(5)\n"
            "pid = os.fork()\nif pid == 0:\n    import time\n    time.sleep(30)\n    os._exit(0)\nos.kill(pid, 15)\n"
            "b = os.WTERMSIG(os.waitpid(pid, 0)[1])\n"
            "c = subprocess.run('readlink /proc/$$/fd/*', shell=True, close_fds=False, stdout=subprocess.PIPE).stdout.decode()\n"
            "return [repr((a, b, c.split())).encode()]",
            "import os, subprocess",
        )
    )
    a, b, descriptors = eval(answer.body)
    assert (a, b) == (-15, 15)
    assert descriptors
    assert not [d for d in descriptors if d.startswith(("socket:", "anon_inode:", "/memfd:"))], descriptors


@pytest.mark.parametrize(
    "child",
    ["sys.exit(7)", "return [b'from the child']", "raise ValueError('child failed')", "print('child prints')\n        sys.exit(7)",
     "environ['wsgi.input'].read()", "start_response('200 X', [])"],
)  # fmt: skip
def test_forked_child_never_answers(host: Host, child: str) -> None:
    """It would do so on its parent's connection."""
    script = host.script(
        app(
            OK
            + f"pid = os.fork()\nif pid == 0:\n    {child.replace('        ', '    ')}\nreturn [str(os.WEXITSTATUS(os.waitpid(pid, 0)[1])).encode()]",
            "import os, sys",
        )
    )
    with host.start().front() as front:
        for _ in range(2):
            answer = front.run(request_block(script, body=3), b"abc")
            assert_fine(answer)
            assert answer.body == (b"7" if "exit" in child else b"0" if "return" in child else b"1")
            assert [kind for kind in answer.types() if kind != "LOG"] == ["HEAD", "DATA", "END"]
            assert not [text for level, text in answer.logs if level == 3]
    if "failed" in child:
        assert host.daemons[0].wait_log("ValueError: child failed")
    if "prints" in child:
        assert host.daemons[0].wait_log("child prints")


# ---- start -----------------------------------------------------------------------------------------------


def test_environment(host: Host) -> None:
    (host.directory / "site").mkdir()
    (host.directory / "home").mkdir()
    (host.directory / "site" / "extra.pth").write_text(str(host.directory / "frompth"))
    (host.directory / "frompth").mkdir()
    daemon = host.start(
        title="(wsgi:title)",
        environ={"LOGNAME": "wrong", "MARK": "kept"},
        extra=[
            ("PYTHON_PATH", str(host.directory / "site")),
            ("HOME", str(host.directory / "home")),
            ("USER_NAME", "somebody"),
            ("USER_HOME", "/home/somebody"),
            ("LOCALE", "C"),
        ],
    )
    text = app(
        OK
        + "r = dict(path=sys.path, argv=sys.argv, env=dict(os.environ), main=sorted(n for n in vars(sys.modules['__main__']) if n[:2] != '__'),"
        " prefix=sys.prefix, executable=sys.executable, stdin=sys.stdin.fileno())\nreturn [json.dumps(r).encode()]",
        "import json, os, sys",
    )
    script = host.script(text)
    with daemon.front() as front:
        for group in ("", "sub"):
            answer = front.run(request_block(script, group))
            assert_fine(answer)
            found = json.loads(answer.body)
            assert found["path"][:3] == [str(host.directory / name) for name in ("home", "site", "frompth")]
            assert "" not in found["path"]
            assert found["argv"] == ["mod_wsgi"]
            assert found["env"]["USER"] == found["env"]["LOGNAME"] == "somebody"
            assert found["env"]["HOME"] == "/home/somebody"
            assert "USERNAME" not in found["env"]
            assert found["env"]["MARK"] == "kept"
            assert found["main"] == []
    assert Path(f"/proc/{daemon.pid}/cmdline").read_bytes().rstrip(b"\0") == b"(wsgi:title)"
    assert Path(f"/proc/{daemon.pid}/comm").read_text() == "(wsgi:title)\n"


def test_bad_python_path_and_locale_do_not_stop_it(host: Host) -> None:
    daemon = host.start(extra=[("LOCALE", "xx_YY.nonsense"), ("PYTHON_PATH", "/does/not/exist")])
    assert daemon.wait_log("locale 'xx_YY.nonsense' is not available")
    with daemon.front() as front:
        assert front.run(request_block(host.script(HELLO))).body == b"hello"


@pytest.mark.parametrize("group", ["", "sub"])
def test_preload(host: Host, group: str) -> None:
    script = host.script("print('loading')\nimport threading\nN = threading.get_ident()\n" + HELLO_TEXT)
    bad = host.script("raise ValueError('at start')", "bad.wsgi")
    daemon = host.start(extra=[("PRELOAD_GROUP", group), ("PRELOAD_SCRIPT", str(script)), ("PRELOAD_SCRIPT", str(bad))])
    told = [note for name, note in daemon.notes if name == "UNLOADABLE"]
    assert [note.path for note in told] == [str(bad)]
    assert "ValueError: at start\nWSGI0110: " in told[0].text
    assert daemon.wait_log("loading")
    assert daemon.log.count("loading") == 1
    with daemon.front() as front:
        answer = front.run(request_block(script, group))
        assert answer.body == b"hello"
        assert "loading" not in answer.log_text
    assert daemon.stop() == 0


@pytest.mark.parametrize(
    "extra",
    [[("GROUP_NAME", "")], [("THREADS", -1)], [("SECRET", b"short")], [("PRELOAD_SCRIPT", "/x")], [("SCRIPT", "/x")]],
)
def test_bad_launch_block(host: Host, extra: list[tuple[str, str | int | bytes]]) -> None:
    if extra == [("GROUP_NAME", "")]:
        daemon = host.start(extra=extra)
        assert daemon.stop() == 0
        return
    daemon = host.start(ready=False, extra=extra)
    assert daemon.message() == "FAILED"
    assert daemon.wait() == 1
    assert "cannot start" in daemon.log


def test_threads_and_stack(host: Host) -> None:
    daemon = host.start(threads=7)
    assert len(os.listdir(f"/proc/{daemon.pid}/task")) == 9  # and the main thread, and the monitor
    deep = host.script(
        app(
            OK
            + "sys.setrecursionlimit(9000)\ndef f(n):\n    return n and 1 + f(n - 1)\nreturn [str(f(8000)).encode()]",
            "import sys",
        )
    )
    with daemon.front() as front:
        assert front.run(request_block(deep)).body == b"8000"


# ---- interpreters --------------------------------------------------------------------------------------------


def test_groups_are_apart(host: Host) -> None:
    script = host.script("COUNT = []\n" + app(OK + "COUNT.append(1)\nreturn [str(len(COUNT)).encode()]"))
    daemon = host.start(main_group="bound")
    with daemon.front() as front:
        assert [front.run(request_block(script, group)).body for group in ("a", "b", "a", "", "bound", "a")] == [
            b"1", b"1", b"2", b"1", b"2", b"3",
        ]  # fmt: skip
    assert daemon.wait_log("Create interpreter 'b'")
    assert daemon.log.count("Create interpreter") == 2
    assert daemon.stop() == 0, daemon.log


def test_many_interpreters_at_once(host: Host) -> None:
    daemon = host.start(threads=6)
    script = host.script(
        "import time\ntime.sleep(0.05)\n" + app(OK + "import mod_wsgi\nreturn [mod_wsgi.application_group.encode()]")
    )
    fronts = [daemon.front() for _ in range(12)]
    for turn in range(3):
        for number, front in enumerate(fronts):
            front.begin(request_block(script, f"g{(number + turn) % 6}"))
        for number, front in enumerate(fronts):
            assert front.collect().body == f"g{(number + turn) % 6}".encode()
    for front in fronts:
        front.close()
    assert daemon.stop() == 0, daemon.log
    assert daemon.log.count("Create interpreter") == 6


def test_thread_locals_stay_between_requests(host: Host) -> None:
    script = host.script(
        app(OK + "L.n = getattr(L, 'n', 0) + 1\nreturn [str(L.n).encode()]", "import threading\nL = threading.local()")
    )
    with host.start(threads=1).front() as front:
        for group in ("", "sub"):
            assert [front.run(request_block(script, group)).body for _ in range(3)] == [b"1", b"2", b"3"]


GIL_API = app(
    OK + "T = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.c_void_p, ctypes.c_void_p)\n"
    "A = (ctypes.c_int * 4)(4, 2, 3, 1)\n"
    "compare = T(lambda a, b: ctypes.cast(a, P)[0] - ctypes.cast(b, P)[0])\n"
    "ctypes.CDLL(None).qsort(A, 4, 4, compare)\n"
    "return [repr(list(A)).encode()]",
    "import ctypes\nP = ctypes.POINTER(ctypes.c_int)",
)


def test_simplified_gil_api(host: Host) -> None:
    """ctypes callbacks use PyGILState: they work in the main interpreter from every worker.

    Also from one that has worked in another interpreter before.
    """
    script, hello = host.script(GIL_API), host.script(HELLO, "hello.wsgi")
    daemon = host.start(threads=2)
    with daemon.front() as front:
        for group in ("sub", "other", ""):
            assert front.run(request_block(hello, group)).body == b"hello"
        for _ in range(9):
            assert front.run(request_block(script)).body == b"[1, 2, 3, 4]"
            assert front.run(request_block(hello, "sub")).body == b"hello"


def test_loading_holds_nobody_else_up(host: Host) -> None:
    daemon = host.start(threads=3)
    slow = host.script("import time\ntime.sleep(1)\n" + HELLO_TEXT, "slow.wsgi")
    quick = host.script(HELLO_TEXT, "quick.wsgi")
    with daemon.front() as one, daemon.front() as two, daemon.front() as three:
        assert three.run(request_block(quick, "g")).body == b"hello"
        one.begin(request_block(slow, "g"))
        two.begin(request_block(slow, "g"))
        time.sleep(0.2)
        begun = time.monotonic()
        for _ in range(10):
            assert three.run(request_block(quick, "g")).body == b"hello"
        assert time.monotonic() - begun < 0.5
        answers = [one.collect(), two.collect()]
        assert [answer.body for answer in answers] == [b"hello"] * 2
        assert sum("Loading" in answer.log_text for answer in answers) == 1, "it was loaded twice"


# ---- reload --------------------------------------------------------------------------------------------------------


def touch(script: Path, text: str) -> None:
    before = script.stat().st_mtime_ns
    script.write_text(text)
    os.utime(script, ns=(before + 10**9, before + 10**9))


def test_reload(host: Host) -> None:
    daemon = host.start()
    script = host.script(HELLO)
    with daemon.front() as front:
        old = request_block(script)
        assert front.run(old).body == b"hello"
        touch(script, HELLO.replace("hello", "changed"))
        for _ in range(2):
            answer = front.run(request_block(script))
            assert answer.types() == ["REJECT"]
            assert answer.reject == RELOAD
        assert daemon.started(front.index) == 1, "a rejected request did not start"
        assert daemon.message() == "RELOAD"
        daemon.control.settimeout(0.2)
        with pytest.raises(TimeoutError):
            daemon.message()
        other = host.script(app(OK + "return [b'other']"), "other.wsgi")
        assert front.run(request_block(other)).body == b"other"
        assert front.run(request_block(script, flags=0)).body == b"hello", "reloading is off here"


def test_an_old_look_at_the_file_does_not_reload(host: Host) -> None:
    daemon = host.start()
    script = host.script(HELLO)
    with daemon.front() as front:
        assert front.run(request_block(script)).body == b"hello"
        stale = script.stat().st_mtime_ns // 1000 - 5_000_000
        assert front.run(request_block(script, mtime=stale)).body == b"hello"


def test_reload_asked_for_by_the_application(host: Host) -> None:
    script = host.script(app(OK + "global __mtime__\n__mtime__ = None\nreturn [b'x']"))
    with host.start().front() as front:
        assert front.run(request_block(script)).body == b"x"
        assert front.run(request_block(script)).reject == RELOAD
        assert front.run(request_block(script, flags=0)).body == b"x"


# ---- logging --------------------------------------------------------------------------------------------------------


def test_life_is_logged_at_info(host: Host) -> None:
    script = host.script(HELLO)
    daemon = host.start()
    with daemon.front() as front:
        answer = front.run(request_block(script, "g"))
        assert (6, f"Loading Python script file '{script}' in interpreter 'g'.") in answer.logs
    assert daemon.wait_log("\x016Create interpreter 'g'.")
    daemon.stop()
    quiet = host.start(log_level=4)
    with quiet.front() as front:
        assert front.run(request_block(script, "g")).logs == []
    quiet.stop()
    assert quiet.log == ""


def test_full_log_pipe_blocks_nobody(host: Host) -> None:
    text = app(
        OK
        + "t = threading.Thread(target=lambda: [print('x' * 3000) for _ in range(2000)])\nt.start()\nt.join()\nreturn [b'done']",
        "import threading",
    )
    daemon = host.start()
    # Nobody reads: the reader thread waits for the lock of the list it appends to.
    lines = daemon.lines

    class Stuck(list[str]):
        def append(self, item: str) -> None:
            gate.wait(20)
            lines.append(item)

    gate = threading.Event()
    daemon.lines = Stuck()
    try:
        with daemon.front() as front:
            assert front.run(request_block(host.script(text))).body == b"done"
    finally:
        gate.set()
        daemon.lines = lines


def test_records_of_the_log_are_whole(host: Host) -> None:
    text = app(
        OK
        + "t = threading.Thread(target=lambda: [print('y' * 10000 + '\\nz') for _ in range(5)])\nt.start()\nt.join()\nreturn []",
        "import threading",
    )
    daemon = host.start()
    with daemon.front() as front:
        assert_fine(front.run(request_block(host.script(text))))
    daemon.stop()
    assert all(line.startswith(("\x013y", "\x013z", "\x016")) for line in daemon.lines), [
        line[:20] for line in daemon.lines
    ]
    assert sum(line.count("y") for line in daemon.lines) == 50000


def test_whole_records_before_python_311(host: Host) -> None:
    """TracebackException has no print() there; here it is taken from newer Pythons, too."""
    (host.directory / "early").mkdir()
    (host.directory / "early" / "sitecustomize.py").write_text(
        "import traceback\nif hasattr(traceback.TracebackException, 'print'):\n    del traceback.TracebackException.print\n"
    )
    daemon = host.start(environ={"PYTHONPATH": str(host.directory / "early")}, extra=[("LOG_FLAGS", 3)])
    text = app(
        OK + "return [str(hasattr(traceback.TracebackException, 'print')).encode()]",
        "import traceback",
    )
    with daemon.front() as front:
        for group in ("", "sub"):
            assert front.run(request_block(host.script(text), group)).body == b"False"
    assert daemon.stop() == 0, daemon.log


# ---- leaks ------------------------------------------------------------------------------------------------------------


def run_many(daemon: Daemon, block: bytes, count: int, body: bytes | None = None) -> None:
    with daemon.front() as front:
        for _ in range(count):
            answer = front.run(block, body)
            assert answer.outcome is not None


LEAKS = {
    "hello": (HELLO_TEXT, None),
    "generator": (app(OK + "yield b'a'\nyield b'b'"), None),
    "write": (app("w = " + OK + "w(b'x')\nreturn []"), None),
    "error": (app("raise ValueError('boom')"), None),
    "late error": (app(OK + "yield b'x'\nraise ValueError('boom')"), None),
    "bad head": (app("start_response('200 OK', [('A', 'b\\n')])\nreturn []"), None),
    "input": (
        app(OK + "i = environ['wsgi.input']\nreturn [i.readline(), i.read(3), i.read()]"),
        b"line\nand more" * 100,
    ),
    "file": (app(OK + "return environ['wsgi.file_wrapper'](open(__file__, 'rb'))"), None),
    "wrapper": (app(OK + "import io\nreturn environ['wsgi.file_wrapper'](io.BytesIO(b'x' * 20000))"), None),
    "print": (app(OK + "print('x' * 100)\nreturn []"), None),
    "exc_info": (
        app(
            OK
            + "import sys\ntry:\n    1 / 0\nexcept Exception:\n    start_response('500 X', [], sys.exc_info())\nreturn []"
        ),
        None,
    ),
    "cycle": (app(OK + "environ['me'] = environ\nenviron['s'] = start_response\nreturn [b'x']"), None),
}


@pytest.mark.parametrize("name", LEAKS)
def test_memory_stays_flat(host: Host, name: str) -> None:
    text, body = LEAKS[name]
    daemon = host.start(threads=1, log_level=4)
    block = request_block(host.script(text), "sub", body=None if body is None else len(body))
    count = int(os.environ.get("WSGI_TEST_LEAK_REQUESTS", "3000"))
    run_many(daemon, block, 1000, body)
    before = daemon.rss()
    run_many(daemon, block, count, body)
    after = daemon.rss()
    # 40 bytes a request would be seen; the allocator's own noise is below that.
    assert after - before < max(300, count * 40 // 1024), (before, after)
    assert daemon.stop() == 0, daemon.log


def test_references_stay_flat(host: Host) -> None:
    """Counts of the shared objects and of all live objects do not grow with requests."""
    script = host.script(
        app(
            OK + "if environ['QUERY_STRING'] != 'ask':\n    return [b'x']\ngc.collect()\n"
            "t = [environ['wsgi.file_wrapper'], type(environ['wsgi.input']), type(start_response.__self__), environ['wsgi.errors'], None, True]\n"
            "return [json.dumps([len(gc.get_objects())] + [sys.getrefcount(o) for o in t]).encode()]",
            "import gc, json, sys",
        )
    )
    ask = request_block(script, environ={"QUERY_STRING": "ask"})
    with host.start(threads=1).front() as front:
        for _ in range(3):
            front.run(ask)
        before = json.loads(front.run(ask).body)
        for _ in range(500):
            front.run(request_block(script))
        after = json.loads(front.run(ask).body)
        assert all(abs(b - a) < 50 for a, b in zip(before, after, strict=True)), (before, after)


def test_answer_type_is_used() -> None:
    assert Answer().types() == []
    assert RELOADING == 2
