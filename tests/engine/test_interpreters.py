# SPDX-License-Identifier: Apache-2.0
"""What a launch block says about interpreters: layers, paths, restrictions, GILs, names, limits."""

from __future__ import annotations

import ast
import hashlib
import os
import subprocess
import sys
import textwrap

from typing import Any

import pytest

from conftest import Host
from test_requests import HELLO, OK, app, assert_fine
from wirefront import RELOADING, Answer, Daemon, Front, request_block, vars_block

STDIN, STDOUT, SIGNAL, OWN_GIL, FREE_THREADING = 1, 2, 4, 8, 16
MAIN = 0x8
SINGLE, KEEP, HASH_SEED, ANY_CASE, MULTITHREAD = 0x4, 0x10, 0x80, 0x100, 0x2

Extra = list[tuple[str, "str | int | bytes"]]

# Evaluates the query string, so that a test reads like what it asks.
EVAL = app(
    OK + "names = dict(globals())\nreturn [repr(eval(environ['QUERY_STRING'], names)).encode()]",
    "import os, sys, signal, threading",
)


def layer(
    selector: str, *, flags: dict[int, bool] | None = None, interval: int = 0, paths: tuple[str, ...] = ()
) -> Extra:
    """One layer of a launch block."""
    entries: Extra = [("SCOPE", selector)]
    entries.extend(("SCOPE_PYTHON_PATH", path) for path in paths)
    if interval:
        entries.append(("SCOPE_SWITCH_INTERVAL", interval))
    if flags:
        entries.append(("SCOPE_GIVEN", sum(flags)))
        entries.append(("SCOPE_FLAGS", sum(flag for flag, on in flags.items() if on)))
    return entries


def with_params(block: bytes, *params: tuple[str, str | int | bytes]) -> bytes:
    """A request block with more parameters."""
    more = vars_block(params)
    count = int.from_bytes(block[4:8], sys.byteorder) + len(params)
    return block[:4] + count.to_bytes(4, sys.byteorder) + block[8:] + more[8:]


class Site:
    """A daemon and the script that evaluates what it is asked."""

    def __init__(self, host: Host, *extra: Extra, **settings: Any) -> None:
        self.script = host.script(EVAL, "eval.wsgi")
        self.daemon: Daemon = host.start(extra=[entry for part in extra for entry in part], **settings)
        self.front: Front = self.daemon.front()

    def answer(self, expression: str, group: str = "", flags: int = RELOADING) -> Answer:
        return self.front.run(request_block(self.script, group, environ={"QUERY_STRING": expression}, flags=flags))

    def ask(self, expression: str, group: str = "", flags: int = RELOADING) -> Any:
        answer = self.answer(expression, group, flags)
        assert_fine(answer)
        return ast.literal_eval(answer.body.decode())

    def end(self) -> int:
        self.front.close()
        return self.daemon.stop()


def version_of(python: str) -> tuple[int, int]:
    code = "import sys; print(*sys.version_info[:2])"
    major, minor = subprocess.run([python, "-c", code], check=True, capture_output=True, text=True).stdout.split()
    return int(major), int(minor)


# ---- restrictions -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("group", ["", "sub"])
def test_restricted_streams(host: Host, group: str) -> None:
    site = Site(host, layer("", flags={STDIN: True, STDOUT: True}))
    for name in ("stdin", "stdout"):
        answer = site.answer(f"sys.{name}.closed", group)
        assert answer.end.status == 500
        assert f"OSError: sys.{name} access restricted by mod_wsgi (WSGIRestrict{name.title()} On)" in answer.log_text
        assert "AttributeError" in site.answer(f"setattr(sys.{name}, 'x', 1)", group).log_text
    assert "OSError: sys.stdout access restricted" in site.answer("print('x')", group).log_text
    assert site.end() == 0
    assert "Exception ignored" not in site.daemon.log


@pytest.mark.parametrize("group", ["", "sub"])
def test_streams_are_open_by_default(host: Host, group: str) -> None:
    site = Site(host)
    assert site.ask("(sys.stdin.read(), print('seen'))", group) == ("", None)


@pytest.mark.parametrize("given", [None, True, False])
def test_signal_wrapper(host: Host, given: bool | None) -> None:
    """Only an explicit Off leaves signal.signal alone; what the wrapper returns is what it was given."""
    flags = {} if given is None else {SIGNAL: given}
    site = Site(host, layer("", flags=flags))
    if given is False:
        found = site.answer("signal.signal(signal.SIGUSR2, signal.SIG_IGN)")
        assert "signal only works in main thread" in found.log_text, "the real function was called"
    else:
        found = site.answer(
            "signal.signal(signal.SIGUSR2, print) is print and signal.getsignal(signal.SIGUSR2) is not print"
        )
        assert found.body == b"True"
        assert f"Callback registration for signal {12} ignored." in found.log_text
        assert "in application" in found.log_text, "the stack is logged"


def test_layers_decide_one_by_one(host: Host) -> None:
    """The last layer that gives a directive decides; what it does not give comes from the layer before."""
    site = Site(
        host,
        layer("", flags={STDIN: True, SIGNAL: False}),
        layer("=one", flags={STDIN: False}),
        layer("=two", flags={STDOUT: True}),
        layer("=one", flags={SIGNAL: True}),
    )
    question = "(type(sys.stdin).__name__, type(sys.stdout).__name__, signal.signal.__code__.co_name == 'intercepted')"
    found = {group: site.ask(question, group) for group in ("", "one", "two", "three")}
    assert found == {
        "": ("Restricted", "TextIOWrapper", False),
        "one": ("TextIOWrapper", "TextIOWrapper", True),
        "two": ("Restricted", "Restricted", False),
        "three": ("Restricted", "TextIOWrapper", False),
    }


def test_selector_of_the_main_interpreter(host: Host) -> None:
    """ "=" alone is %{GLOBAL}; a group bound to the main interpreter is selected by its own name."""
    layers = [layer("=", flags={STDIN: True}), layer("=bound", flags={STDOUT: True})]
    question = "(type(sys.stdin).__name__ == 'Restricted', type(sys.stdout).__name__ == 'Restricted')"
    assert Site(host, *layers).ask(question) == (True, False)
    bound = Site(host, *layers, main_group="bound")
    assert bound.ask(question, "bound") == (False, True)
    assert (
        bound.ask("threading.main_thread().ident != 0 and __import__('mod_wsgi').application_group", "bound") == "bound"
    )


# ---- GILs and intervals -------------------------------------------------------------------------------------


def test_switch_interval(host: Host, python: str) -> None:
    """A layer for one application group would change a shared GIL for all."""
    site = Site(host, layer("", interval=20000), layer("=one", interval=500000))
    assert site.ask("sys.getswitchinterval()") == pytest.approx(0.02)
    assert site.ask("sys.getswitchinterval()", "one") == pytest.approx(0.02)
    assert site.daemon.wait_log("WSGI0199: WSGISwitchInterval 0.5 is not set for interpreter 'one' alone")
    assert site.ask("sys.getswitchinterval()", "two") == pytest.approx(0.02)


def test_switch_interval_of_the_main_interpreter(host: Host) -> None:
    site = Site(host, layer("=", interval=300000))
    assert site.ask("sys.getswitchinterval()") == pytest.approx(0.3)
    assert "WSGI0199" not in site.daemon.log


SPIN = app(
    OK + "end = time.monotonic() + 0.3\nwhile time.monotonic() < end:\n    pass\nreturn [b'x']",
    "import time",
)


def test_own_gil(host: Host, python: str) -> None:
    """Its own GIL: own switch interval, strict about extensions and forks; never the main interpreter."""
    site = Site(host, layer("", flags={OWN_GIL: True}, interval=20000), layer("=one", interval=500000))
    if version_of(python) < (3, 12):
        assert site.daemon.wait_log("WSGI0198: WSGIPerInterpreterGIL On has no effect: it needs Python 3.12")
        assert site.ask("sys.getswitchinterval()", "one") == pytest.approx(0.02)
        return
    assert site.ask("sys.getswitchinterval()", "one") == pytest.approx(0.5)
    assert site.ask("sys.getswitchinterval()") == pytest.approx(0.02)
    assert site.ask("sys.getswitchinterval()", "two") == pytest.approx(0.02)
    assert "WSGI0199" not in site.daemon.log
    answer = site.answer("os.fork()", "one")
    assert (
        "WSGI1022: Python does not do this in sub-interpreter 'one': run the application in the main" in answer.log_text
    )
    answer = site.answer("threading.Thread(daemon=True).start()", "one")
    assert (
        "WSGI1022: Python does not do this in sub-interpreter 'one': set WSGIPerInterpreterGIL Off" in answer.log_text
    )
    assert site.end() == 0


def test_fork_is_refused_in_words(host: Host) -> None:
    """R4: Python 3.9 and newer would abort the forked process."""
    site = Site(host)
    for call in ("os.fork()", "os.forkpty()", "__import__('pty').fork()"):
        answer = site.answer(call, "sub")
        assert answer.end.status == 500
        assert "RuntimeError: fork not supported for subinterpreters" in answer.log_text
        assert "sub-interpreter 'sub': run the application in the main interpreter" in answer.log_text


def test_own_gil_serves_as_well_as_any(host: Host, python: str) -> None:
    """All that requests use, from several threads, in two such interpreters at once."""
    if version_of(python) < (3, 12):
        pytest.skip("no interpreter has a GIL of its own before Python 3.12")
    daemon = host.start(threads=4, extra=layer("", flags={OWN_GIL: True}))
    text = app(
        "write = start_response('200 OK', [('Content-Type', 'text/plain')])\n"
        "data = environ['wsgi.input'].read()\nprint('a line')\nenviron['wsgi.errors'].write('another\\n')\n"
        "with mod_wsgi_lock:\n    COUNT.append(1)\n"
        "if environ['QUERY_STRING'] == 'file':\n    return environ['wsgi.file_wrapper'](open(__file__, 'rb'))\n"
        "if environ['QUERY_STRING'] == 'raise':\n    raise ValueError('on purpose')\n"
        "write(data[:5])\nreturn iter([data[5:]])",
        "import threading\nmod_wsgi_lock = threading.Lock()\nCOUNT = []",
    )
    script = host.script(text)
    fronts = [daemon.front() for _ in range(4)]
    data = os.urandom(3000)
    for turn in range(12):
        for front, query in zip(fronts, ("", "file", "raise", "")):
            group = f"own{turn % 2}"
            block = request_block(script, group, body=len(data), environ={"QUERY_STRING": query})
            front.begin(block, data)
        for front, query in zip(fronts, ("", "file", "raise", "")):
            answer = front.collect()
            if query == "raise":
                assert "ValueError: on purpose" in answer.log_text
            else:
                assert answer.body == (script.read_bytes() if query else data)
            assert "a line" in answer.log_text
    for front in fronts:
        front.close()
    assert daemon.stop() == 0, daemon.log
    assert "Traceback" not in daemon.log


def test_threads_in_an_interpreter_with_its_own_gil_at_the_end(host: Host, python: str) -> None:
    if version_of(python) < (3, 12):
        pytest.skip("no interpreter has a GIL of its own before Python 3.12")
    daemon = host.start(extra=layer("", flags={OWN_GIL: True}))
    text = (
        "import atexit, threading, time\n"
        "threading.Thread(target=lambda: (time.sleep(0.2), print('thread done'))).start()\n"
        "atexit.register(print, 'exit function')\n" + textwrap.dedent(HELLO)
    )
    with daemon.front() as front:
        assert front.run(request_block(host.script(text), "own")).body == b"hello"
    assert daemon.stop() == 0
    assert "thread done" in daemon.log
    assert "exit function" in daemon.log


def test_finalisers_at_the_end_can_still_import(host: Host, python: str) -> None:
    """What an application left in a cycle is ended as in an ordinary Python: while modules are there."""
    if version_of(python) < (3, 9):
        pytest.skip("all interpreters of a process share one collector before Python 3.9")
    text = (
        "class Kept:\n"
        "    def __del__(self):\n"
        "        import colorsys\n"
        "        print('ended with', colorsys.__name__)\n"
        "kept = Kept()\n"
        "kept.itself = kept\n"
        "del kept\n" + textwrap.dedent(HELLO)
    )
    daemon = host.start()
    with daemon.front() as front:
        for group in ("one", "two"):
            assert front.run(request_block(host.script(text), group)).body == b"hello"
    assert daemon.stop() == 0
    assert daemon.log.count("ended with colorsys") == 2
    assert "Exception ignored" not in daemon.log


def test_free_threading_is_told_about(host: Host) -> None:
    """None of the tested interpreters is built for it."""
    site = Site(
        host, layer("", flags={FREE_THREADING: True}, interval=20000), layer("=one", flags={FREE_THREADING: True})
    )
    assert site.daemon.wait_log("WSGI0201: ")
    assert site.daemon.log.count("WSGI0200: WSGIFreeThreading On has no effect: this Python ") == 1
    assert site.daemon.log.count("WSGI0201: WSGIFreeThreading is ignored in a section") == 1
    assert site.ask("sys.getswitchinterval()", "two") == pytest.approx(0.02), "6.1.1 skips it, though there is a GIL"


# ---- paths --------------------------------------------------------------------------------------------------


def test_order_of_paths(host: Host) -> None:
    """home, layers (the last first), python-path, standard path; .pth files count; not the script's directory."""
    made = {name: host.directory / name for name in ("home", "base1", "base2", "sect", "exact", "linked")}
    for path in made.values():
        path.mkdir()
    (made["base1"] / "x.pth").write_text(f"{made['linked']}\n")
    site = Site(
        host,
        [("HOME", str(made["home"])), ("PYTHON_PATH", str(made["base1"])), ("PYTHON_PATH", str(made["base2"]))],
        layer(""),
        layer("", paths=(str(made["sect"]),)),
        layer("=one", paths=(str(made["exact"]), str(made["base1"]))),
    )
    base = [str(made[name]) for name in ("base1", "linked", "base2")]
    one, two = site.ask("sys.path", "one"), site.ask("sys.path", "two")
    assert two[:5] == [str(made["home"]), str(made["sect"]), *base]
    assert one[:6] == [str(made["home"]), str(made["exact"]), str(made["sect"]), *base]
    assert str(host.directory) not in one + two
    assert one[6:] == two[5:]
    assert not [path for path in one if path == ""]


def test_bad_entries_of_a_path(host: Host) -> None:
    """Each is named with its directive, and the others still count."""
    good, file = host.directory / "good", host.directory / "file"
    good.mkdir()
    file.write_text("")
    site = Site(
        host,
        [("PYTHON_PATH", "/does/not/exist"), ("PYTHON_PATH", str(good))],
        layer("", paths=("/nor/does/this",)),
    )
    log = site.daemon.log
    assert "option python-path of WSGIDaemonProcess names /does/not/exist (No such file or directory), where" in log
    assert log.count("WSGI1020") == 2
    assert site.ask("sys.path")[:3] == ["/nor/does/this", "/does/not/exist", str(good)]


@pytest.mark.parametrize(
    ("code", "text"),
    [
        (94, "import sys\nsys.modules['site'] = type(sys)('site')\n"),
        (95, "import sys\nsys.modules['site'] = None\n"),
        (91, "import site\ndef refuse(path):\n    raise ValueError('no way')\nsite.addsitedir = refuse\n"),
        (91, "import site\ndef refuse(path):\n    raise SystemExit(3)\nsite.addsitedir = refuse\n"),
    ],
)
def test_broken_site_module(host: Host, code: int, text: str) -> None:
    """The codes of 6.1.1, which then drops all entries; here they still count."""
    custom = host.directory / "custom"
    custom.mkdir()
    (custom / "sitecustomize.py").write_text(text)
    host.script(EVAL, "eval.wsgi")
    daemon = host.start(extra=[("PYTHON_PATH", "/usr"), ("PYTHON_PATH", "/tmp")], environ={"PYTHONPATH": str(custom)})
    assert daemon.wait_log(f"WSGI{code:04d}: ")
    with daemon.front() as front:
        block = request_block(host.directory / "eval.wsgi", environ={"QUERY_STRING": "sys.path[:2]"})
        assert front.run(block).body == b"['/usr', '/tmp']"


# ---- environment --------------------------------------------------------------------------------------------


def test_settings_of_two_sites_stay_apart(host: Host) -> None:
    """S6: what one application puts into os.environ is not seen by another one's interpreter."""
    settings = (
        "import os\nos.environ.setdefault('DJANGO_SETTINGS_MODULE', '{0}.settings')\nos.environ['ONLY_{0}'] = '1'\n"
    )
    look = app(
        OK
        + "return [repr((os.environ['DJANGO_SETTINGS_MODULE'], sorted(n for n in os.environ if n.startswith('ONLY_')))).encode()]"
    )
    daemon = host.start()
    found = {}
    with daemon.front() as front:
        for name, group in (("main", ""), ("a", "one"), ("b", "two"), ("a", "one")):
            script = host.directory / f"{name}.wsgi"
            if not script.exists():
                host.script(settings.format(name) + look, script.name)
            answer = front.run(request_block(script, group))
            assert_fine(answer)
            found[name] = ast.literal_eval(answer.body.decode())
    assert found == {name: (f"{name}.settings", [f"ONLY_{name}"]) for name in ("main", "a", "b")}


@pytest.mark.parametrize("group", ["", "sub"])
def test_environment_of_each_interpreter(host: Host, group: str) -> None:
    extra: Extra = [
        ("PYTHON_EGGS", "/var/eggs"),
        ("USER_NAME", "alice"),
        ("USER_HOME", "/home/alice"),
        ("OUTER_HASH_SEED", "77"),
    ]
    site = Site(host, extra, flags=MULTITHREAD | HASH_SEED, environ={"PYTHONHASHSEED": "5", "LOGNAME": "root"})
    question = "[os.environ.get(n) for n in ('PYTHON_EGG_CACHE', 'USER', 'LOGNAME', 'HOME', 'PYTHONHASHSEED')]"
    assert site.ask(question, group) == ["/var/eggs", "alice", "alice", "/home/alice", "77"]
    inherited = "__import__('subprocess').check_output('echo $PYTHON_EGG_CACHE $HOME $PYTHONHASHSEED', shell=True)"
    assert site.ask(inherited, group) == b"/var/eggs /home/alice 77\n"
    bare = Site(host, flags=MULTITHREAD | HASH_SEED, environ={"PYTHONHASHSEED": "5"})
    assert bare.ask("os.environ.get('PYTHONHASHSEED')", group) is None
    assert bare.ask("hash('abc')", group) == bare.ask("hash('abc')")


def test_stack_size(host: Host) -> None:
    text = app(
        OK + "attributes, size = ctypes.create_string_buffer(256), ctypes.c_size_t()\n"
        "libc.pthread_getattr_np(ctypes.c_ulong(libc.pthread_self()), attributes)\n"
        "libc.pthread_attr_getstacksize(attributes, ctypes.byref(size))\nreturn [str(size.value).encode()]",
        "import ctypes\nlibc = ctypes.CDLL(None)\nlibc.pthread_self.restype = ctypes.c_ulong",
    )
    for wanted in (512 << 10, 3 << 20):
        daemon = host.start(extra=[("STACK_SIZE", wanted)])
        with daemon.front() as front:
            answer = front.run(request_block(host.script(text)))
            assert_fine(answer)
            assert int(answer.body) == wanted


# ---- the main interpreter -----------------------------------------------------------------------------------


def test_request_for_the_main_interpreter(host: Host) -> None:
    """The first such request gives the main interpreter its name; environ has the request's."""
    site = Site(host, layer("=", flags={STDIN: True}), layer("=localhost|/app", flags={STDOUT: True}, paths=("/srv",)))
    names = "(__import__('mod_wsgi').application_group, environ['mod_wsgi.application_group'])"
    script = host.script(
        app(
            OK + f"return [repr({names} + (AT_LOAD,)).encode()]",
            "import mod_wsgi\nAT_LOAD = mod_wsgi.application_group",
        ),
        "n.wsgi",
    )
    with site.daemon.front() as front:
        for group in ("localhost|/app", "other|/app"):
            answer = front.run(request_block(script, group, flags=RELOADING | MAIN))
            assert ast.literal_eval(answer.body.decode()) == ("localhost|/app", group, "localhost|/app")
    question = "(type(sys.stdin).__name__ == 'Restricted', type(sys.stdout).__name__ == 'Restricted', sys.path[0])"
    assert site.ask(question, "x", RELOADING | MAIN) == (False, True, "/srv")
    assert site.ask("threading.current_thread() is not None and __import__('mod_wsgi').application_group", "x") == "x"


def test_limit_of_interpreters(host: Host) -> None:
    """One clear failure for each request beyond it; the others go on."""
    script = host.script(HELLO)
    daemon = host.start()
    with daemon.front() as front:
        for number in range(256):
            assert front.run(request_block(script, f"g{number}")).body == b"hello"
        for _ in range(2):
            answer = front.run(request_block(script, "one-more"))
            assert (answer.end.status, answer.end.code) == (500, 87)
            assert "'one-more': this process has made 256 interpreters" in answer.end.cause
            assert not answer.logs
        for group in ("", "g7"):
            assert front.run(request_block(script, group)).body == b"hello"


# ---- scripts ------------------------------------------------------------------------------------------------


def test_reload_required(host: Host) -> None:
    """It is asked about the resource; true replaces the process, an exception is logged and does not."""
    top = (
        "import os\nASKED = []\n"
        "def reload_required(path):\n    ASKED.append(path)\n"
        "    if path.endswith('.raise'):\n        raise ValueError('not now')\n"
        "    return path.endswith('.again')\n"
    )
    script = host.script(app(OK + "return [repr(ASKED).encode()]", top))
    daemon = host.start()
    with daemon.front() as front:
        assert front.run(request_block(script)).body == b"[]", "not asked when it has just been loaded"
        block = request_block(script)
        assert ast.literal_eval(front.run(block).body.decode()) == [str(script)]
        answer = front.run(with_params(block, ("RESOURCE", "/srv/page.raise")))
        assert_fine(answer)
        assert "reload_required() of script" in answer.log_text
        assert "ValueError: not now" in answer.log_text
        assert "/srv/page.raise" in answer.body.decode()
        quiet = front.run(with_params(request_block(script, flags=0), ("RESOURCE", "/srv/page.again")))
        assert "page.again" not in quiet.body.decode(), "not asked when reloading is off"
        answer = front.run(with_params(block, ("RESOURCE", "/srv/page.again")))
        assert answer.reject == 2
    assert daemon.message() == "RELOAD"


def test_vanished_handler_script(host: Host) -> None:
    """httpd has looked for an aliased script; a handler script is looked for here."""
    script = host.script(HELLO)
    daemon = host.start()
    with daemon.front() as front:
        block = request_block(script, mtime=0)
        assert front.run(request_block(script)).body == b"hello"
        script.unlink()
        assert front.run(block).body == b"hello"
        answer = front.run(with_params(block, ("HANDLER_SCRIPT", str(script)), ("RESOURCE", "/srv/page")))
        assert answer.reject == 2


def test_module_names(host: Host) -> None:
    """MD5 of the path; in lower case when WSGICaseSensitivity is Off."""
    text = app(OK + "return [__name__.encode()]")
    script = host.script(text, "Mixed.WSGI")
    for flags, path in ((MULTITHREAD, str(script)), (MULTITHREAD | ANY_CASE, str(script).lower())):
        daemon = host.start(flags=flags)
        with daemon.front() as front:
            expected = "_mod_wsgi_" + hashlib.md5(path.encode()).hexdigest()
            assert front.run(request_block(script)).body.decode() == expected


def test_classes_of_imported_modules(host: Host) -> None:
    """R3: dataclasses in the script, pickle of classes in imported modules, casters per interpreter."""
    (host.directory / "shapes.py").write_text("import dataclasses\n@dataclasses.dataclass\nclass Point:\n    x: int\n")
    text = app(
        OK + "assert pickle.loads(pickle.dumps(shapes.Point(3))) == shapes.Point(3)\n"
        "assert Mine(4).y == decimal.Decimal(4)\nreturn [repr(type(Mine(4).y).__module__).encode()]",
        "import dataclasses, decimal, pickle, shapes\n"
        "@dataclasses.dataclass\nclass Mine:\n    y: 'decimal.Decimal'\n    def __post_init__(self):\n        self.y = decimal.Decimal(self.y)",
    )
    script = host.script(text)
    daemon = host.start(extra=[("PYTHON_PATH", str(host.directory))])
    with daemon.front() as front:
        for group in ("", "one", "two", "one"):
            answer = front.run(request_block(script, group))
            assert_fine(answer)
            assert answer.body == b"'decimal'"


# ---- extensions ---------------------------------------------------------------------------------------------

REFUSALS = [
    (
        "ImportError('PyO3 modules do not yet support subinterpreters, see https://github.com/PyO3/pyo3/issues/576')",
        "pack._inner",
    ),
    (
        "ImportError('PyO3 modules compiled for CPython 3.8 or older may only be initialized once per interpreter process')",
        "pack._inner",
    ),
    ("ImportError('module pack._other does not support loading in subinterpreters')", "pack._other"),
    ("ImportError('cannot load module more than once per process')", "pack._inner"),
    ("RuntimeError('CPU dispatcher tracer already initlized')", "pack._inner"),
]


@pytest.mark.parametrize(("refusal", "module"), REFUSALS)
def test_extension_that_refuses_sub_interpreters(host: Host, refusal: str, module: str) -> None:
    """R1, R2: one line names the module and the setting; the main interpreter has it."""
    package = host.directory / "pack"
    package.mkdir()
    (package / "__init__.py").write_text("import json\nfrom ._inner import (\n    thing,\n)\n")
    (package / "_inner.py").write_text("thing = 1\n")
    # An extension has no frame of its own: the exception comes out of the import statement.
    refuse = f"def refuse(spec):\n    raise {refusal}\n"
    hook = (
        "import sys, mod_wsgi\nfrom importlib.machinery import ModuleSpec\n"
        "class Refuser:\n"
        "    @staticmethod\n    def find_spec(name, path=None, target=None):\n"
        "        if name == 'pack._inner' and mod_wsgi.application_group:\n            return ModuleSpec(name, Refuser)\n"
        "    @staticmethod\n    def exec_module(module):\n        pass\n"
        f"exec(compile({refuse!r}, '<extension>', 'exec'))\nRefuser.create_module = staticmethod(refuse)\n"
        "sys.meta_path.insert(0, Refuser)\n"
    )
    wrapped = "try:\n    import pack\nexcept Exception as problem:\n    raise LookupError('settings cannot be loaded') from problem\n"
    daemon = host.start(extra=[("PYTHON_PATH", str(host.directory))])
    for number, top in enumerate((hook + "import pack\n", hook + wrapped)):
        script = host.script(top + textwrap.dedent(HELLO), f"s{number}.wsgi")
        with daemon.front() as front:
            answer = front.run(request_block(script, f"sub{number}"))
            assert answer.end.status == 500
            hints = [line for _, text in answer.logs for line in text.split("\n") if "WSGI1022" in line]
            assert len(hints) == 1, answer.log_text
            assert f"extension module {module} refuses to work in sub-interpreter 'sub{number}'" in hints[0]
            assert "WSGIApplicationGroup %{GLOBAL}" in hints[0]
            assert "application-group=%{GLOBAL} at its WSGIScriptAlias" in hints[0]
            assert front.run(request_block(script)).body == b"hello"


def test_other_import_errors_give_no_hint(host: Host) -> None:
    answer = host.get("import nothing_of_this_name\n", "sub")
    assert answer.end.status == 500
    assert "WSGI1022" not in answer.log_text
