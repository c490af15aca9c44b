# SPDX-License-Identifier: Apache-2.0
"""The modules mod_wsgi and apache as an application sees them: names, request data, log handler."""

from __future__ import annotations

import json
import threading
import time

from pathlib import Path
from typing import Any

import pytest

from conftest import Host
from embedding import Embedded
from test_requests import HELLO, OK, app
from wirefront import RELOADING, Answer, request_block

PLACED = 0x100
NAMES = {
    "FileWrapper", "LogHandler", "RequestTimeout", "active_requests", "application_group", "build", "event_callbacks",
    "maximum_processes", "process_group", "process_metrics", "request_data", "request_metrics", "server_metrics",
    "shutdown_callbacks", "signal_callbacks", "start_recording_metrics", "subscribe_events", "subscribe_shutdown",
    "subscribe_signals", "threads_per_process", "version",
}  # fmt: skip
FUNCTIONS = sorted(
    name for name in NAMES if name.endswith("_metrics") or name.startswith("subscribe_") or name == "request_data"
)


def told(answer: Answer) -> Any:
    """What the application says as JSON."""
    assert answer.end.status == 0, (answer.end, answer.log_text)
    return json.loads(answer.body)


def tell(body: str, top: str = "") -> str:
    """An application that answers with `r` as JSON."""
    return app(f"{OK}{body}\nreturn [json.dumps(r, default=repr).encode()]", f"import json\nimport mod_wsgi\n{top}")


# ---- names ------------------------------------------------------------------------------------


@pytest.mark.parametrize("group", ["", "sub"])
def test_names(host: Host, group: str) -> None:
    found = told(
        host.get(
            tell(
                "r = {n: getattr(mod_wsgi, n) for n in dir(mod_wsgi) if n[0] != '_'}\n"
                "r['bases'] = [[b.__module__ + '.' + b.__name__ for b in t.__mro__[1:]]\n"
                "    for t in (mod_wsgi.LogHandler, mod_wsgi.RequestTimeout)]\n"
                "r['modules'] = [getattr(mod_wsgi, n).__module__ for n in FUNCTIONS + ['LogHandler', 'RequestTimeout']]",
                f"FUNCTIONS = {FUNCTIONS}",
            ),
            group,
        )
    )
    assert set(found) - {"bases", "modules"} == NAMES
    assert found["version"] == [6, 1, 1]
    assert found["build"].count(".") == 2
    assert (found["process_group"], found["application_group"]) == ("grp", group)
    assert (found["maximum_processes"], found["threads_per_process"]) == (1, 2)
    assert found["event_callbacks"] == found["shutdown_callbacks"] == found["signal_callbacks"] == []
    assert found["active_requests"] == {"abc123": {}}
    assert found["bases"] == [
        ["logging.Handler", "logging.Filterer", "builtins.object"],
        ["builtins.BaseException", "builtins.object"],
    ]
    assert set(found["modules"]) == {"mod_wsgi"}


def test_documentation(host: Host) -> None:
    """help() works, and everything that can be called says how."""
    text = (
        "import inspect, pydoc\n"
        "r = {'help': pydoc.plain(pydoc.render_doc(mod_wsgi)), 'apache': pydoc.plain(pydoc.render_doc(apache))}\n"
        "r['signatures'] = {n: str(inspect.signature(getattr(mod_wsgi, n))) for n in FUNCTIONS}\n"
        "r['docs'] = {n: getattr(mod_wsgi, n).__doc__ for n in FUNCTIONS + ['FileWrapper', 'RequestTimeout']}\n"
        "r['types'] = {n: str(inspect.signature(getattr(mod_wsgi, n))) for n in ('LogHandler', 'FileWrapper')[:TYPES]}\n"
        "b = {'start_response': start_response, 'write': start_response.__self__ and start_response('200 OK', [])}\n"
        "b.update((n, getattr(environ['wsgi.input'], n)) for n in ('read', 'readline', 'readlines', 'close'))\n"
        "b.update((n, getattr(environ['wsgi.errors'].buffer, n)) for n in ('writelines', 'flush', 'fileno'))\n"
        "r['methods'] = {n: str(inspect.signature(f)) for n, f in b.items()}"
    )
    top = f"import apache, sys\nFUNCTIONS = {FUNCTIONS}\nTYPES = 2 if sys.version_info >= (3, 10) else 1"
    found = told(host.get(tell(text, top)))
    assert all(name in found["help"] for name in NAMES)
    assert "threads_per_process" in found["apache"]
    for name, signature in found["signatures"].items():
        assert signature == ("(callback, /)" if name.startswith("subscribe") else "()"), name
    assert all(found["docs"].values())
    types = {"LogHandler": "(level=0)", "FileWrapper": "(filelike, blksize=8192)"}
    if len(found["types"]) == 1:
        types.pop("FileWrapper")  # Before 3.10 Python drops the signature of a type made at run time
    assert found["types"] == types
    assert found["methods"] == {
        "start_response": "(status, headers, exc_info=None, /)",
        "write": "(data, /)",
        "read": "(size=-1, /)",
        "readline": "(size=-1, /)",
        "readlines": "(hint=-1, /)",
        "close": "()",
        "writelines": "(lines, /)",
        "flush": "()",
        "fileno": "()",
    }


def test_logging_is_imported_only_when_asked_for(host: Host) -> None:
    """An interpreter that does not use LogHandler does not pay for it."""
    before, missing, after, same, again = told(
        host.get(
            tell(
                "r = ['logging' in sys.modules, hasattr(mod_wsgi, 'nonsense')]\n"
                "from mod_wsgi import LogHandler\n"
                "r += ['logging' in sys.modules, LogHandler is mod_wsgi.LogHandler, 'LogHandler' in vars(mod_wsgi)]",
                "import sys",
            ),
            "sub",
        )
    )
    assert (before, missing, after, same, again) == (False, False, True, True, True)


@pytest.mark.parametrize("group", ["", "sub"])
def test_apache(host: Host, group: str) -> None:
    found = told(
        host.get(tell("import apache\nr = {n: getattr(apache, n) for n in dir(apache) if n[0] != '_'}"), group)
    )
    assert found == {
        "version": [2, 4, 62],
        "description": "Apache/2.4.62 (Test)",
        "build_date": "2026-01-01T00:00:00",
        "mpm_name": "event",
        "maximum_processes": 16,
        "threads_per_process": 25,
    }


def test_apache_of_the_site_is_extended_when_embedded(
    program: str, library: str, engine: str, python: str, tmp_path: Path
) -> None:
    """A module of that name gets our names; one that fails is reported, and ours is there."""
    site = tmp_path / "site"
    site.mkdir()
    path = tmp_path / "app.wsgi"
    path.write_text(tell("import apache\nr = [getattr(apache, 'own', None), apache.threads_per_process]"))
    made = Embedded(program, library, engine, python, tmp_path, PYTHON_PATH=str(site))
    assert json.loads(made.run(request_block(path)).body) == [None, 25]
    for own, expected in (("own = 'mine'\nversion = 0", ["mine", 25]), ("import missing_thing", [None, 25])):
        (site / "apache.py").write_text(own)
        reply = made.run(request_block(path, f"group-{len(own)}"))
        assert json.loads(reply.body) == expected
    assert "the site's own module 'apache' cannot be imported" in made.log
    assert "No module named 'missing_thing'" in made.log
    assert made.end() == 0


def test_apache_of_the_site_is_hidden_in_a_daemon(host: Host) -> None:
    """As in 6.1.1: only embedded processes look for it."""
    (host.directory / "apache.py").write_text("own = 'mine'")
    host.start(extra=[("PYTHON_PATH", str(host.directory))])
    assert told(host.get(tell("import apache\nr = hasattr(apache, 'own')"), "sub")) is False


def test_package_of_the_same_name(host: Host) -> None:
    """Its submodules can be imported; the package itself is not executed."""
    package = host.directory / "packages" / "mod_wsgi"
    package.mkdir(parents=True)
    (package / "__init__.py").write_text("raise SystemExit('executed')")
    (package / "server.py").write_text("import mod_wsgi\nversion = mod_wsgi.version\nwhere = __name__")
    text = "from mod_wsgi import server\nr = [server.version, server.where, list(mod_wsgi.__path__)]"
    host.start(extra=[("PYTHON_PATH", str(package.parent))])
    for group in ("", "sub"):
        assert told(host.get(tell(text), group)) == [[6, 1, 1], "mod_wsgi.server", [str(package)]]


def test_without_such_a_package(host: Host) -> None:
    text = "r = hasattr(mod_wsgi, '__path__')\ntry:\n    from mod_wsgi.server import x\nexcept ImportError as e:\n    r = [r, e.name]"
    assert told(host.get(tell(text))) == [False, "mod_wsgi.server"]


def test_metrics_after_recording_began(host: Host) -> None:
    """None before, dictionaries after; those of the server are another matter."""
    text = (
        "m = mod_wsgi\nask = lambda: [type(f()).__name__ for f in (m.process_metrics, m.request_metrics, m.server_metrics)]\n"
        "r = [ask(), m.start_recording_metrics(), ask()]"
    )
    assert told(host.get(tell(text))) == [["NoneType"] * 3, None, ["dict", "dict", "NoneType"]]


def test_subscribing(host: Host) -> None:
    """The callback comes back, in its list; what is no callback is accepted as in 6.1.1."""
    text = (
        "r = []\n"
        "for kind in ('events', 'shutdown', 'signals'):\n"
        "    subscribe = getattr(mod_wsgi, 'subscribe_' + kind)\n"
        "    callbacks = getattr(mod_wsgi, kind.rstrip('s') + '_callbacks')\n"
        "    r += [subscribe(print) is print, callbacks == [print], subscribe(3), len(callbacks)]\n"
        "    del callbacks[:]\n"
        "    setattr(mod_wsgi, kind.rstrip('s') + '_callbacks', ())\n"
        "    try:\n        subscribe(print)\n"
        "    except TypeError as problem:\n        r.append(str(problem))\n"
    )
    found = told(host.get(tell(text)))
    for kind in ("event", "shutdown", "signal"):
        assert found[:4] == [True, True, 3, 2]
        assert found[4] == f"mod_wsgi.{kind}_callbacks must be a list, not tuple"
        found = found[5:]
    assert "never called" not in host.daemons[0].log


def test_signals_when_embedded(embedded: Embedded, tmp_path: Path) -> None:
    """Accepted, and one line with a stack says that nothing will come."""
    path = tmp_path / "app.wsgi"
    path.write_text(tell("r = [mod_wsgi.subscribe_signals(print) is print, len(mod_wsgi.signal_callbacks)]"))
    reply = embedded.run(request_block(path))
    assert json.loads(reply.body) == [True, 1]
    assert "mod_wsgi.subscribe_signals() was called in embedded mode" in reply.log
    assert f'File "{path}"' in reply.log


# ---- data of a request ------------------------------------------------------------------------


@pytest.mark.parametrize("group", ["", "sub"])
def test_request_data(host: Host, group: str) -> None:
    """There from the loading of the script to the end of close(), gone afterwards."""
    top = (
        "AT_LOAD = dict(mod_wsgi.active_requests), mod_wsgi.request_data()\n"
        "mod_wsgi.request_data()['load'] = 1\n"
        "import threading\nSEEN = []\n"
        "class Body:\n"
        "    def __init__(self, text): self.text = [text]\n"
        "    def __iter__(self): return iter(self.text)\n"
        "    def close(self): SEEN.append(dict(mod_wsgi.request_data()))\n"
    )
    text = app(
        OK
        + "if 'later' in environ['QUERY_STRING']:\n    return [json.dumps([mod_wsgi.request_data(), SEEN]).encode()]\n"
        "data = mod_wsgi.request_data()\n"
        "data['n'] = len(SEEN)\n"
        "r = [dict(data), data is mod_wsgi.request_data(), mod_wsgi.active_requests[environ['mod_wsgi.request_id']] is data]\n"
        "def elsewhere():\n"
        "    try:\n        mod_wsgi.request_data()\n"
        "    except RuntimeError as problem:\n        r.append(str(problem))\n"
        "thread = threading.Thread(target=elsewhere)\nthread.start()\nthread.join()\n"
        "r += [len(mod_wsgi.active_requests), SEEN[:], repr(AT_LOAD)]\n"
        "return Body(json.dumps(r).encode())",
        "import json, mod_wsgi\n" + top,
    )
    script = host.script(text)
    outside = "no active request for thread"
    with host.start().front() as front:
        first = told(front.run(request_block(script, group)))
        later = told(front.run(request_block(script, group, environ={"QUERY_STRING": "later"})))
    assert first[:6] == [{"load": 1, "n": 0}, True, True, outside, 1, []]
    assert first[6] == "({'abc123': {'load': 1, 'n': 0}}, {'load': 1, 'n': 0})", "the same dictionary all the time"
    assert later == [{}, [{"load": 1, "n": 0}]]


@pytest.mark.parametrize(
    "how", ["raise ValueError('x')", "raise SystemExit(1)", "return None", "return ['x']", "1 / 0", "raise mod_wsgi.RequestTimeout()"]
)  # fmt: skip
def test_request_data_goes_on_every_path(host: Host, how: str) -> None:
    host.start()
    bad = host.script(app(OK + how, "import mod_wsgi"), "bad.wsgi")
    broken = host.script("import mod_wsgi\nmod_wsgi.request_data()\n1 / 0\n", "broken.wsgi")
    odd = host.script("import mod_wsgi\nmod_wsgi.active_requests.clear()\napplication = 3\n", "odd.wsgi")
    with host.daemons[0].front() as front:
        for script in (bad, broken, odd):
            assert front.run(request_block(script)).end.status != 0
    assert told(host.get(tell("r = list(mod_wsgi.active_requests)"))) == ["abc123"]


def test_active_requests_of_several_threads(host: Host, tmp_path: Path) -> None:
    """Each running request is there under its id, in its own interpreter only."""
    gate = tmp_path / "gate"
    text = app(
        OK + "mod_wsgi.request_data()['path'] = environ['PATH_INFO']\n"
        "while environ['PATH_INFO'] != '/look' and not os.path.exists(environ['GATE']):\n    time.sleep(0.01)\n"
        "return [json.dumps(mod_wsgi.active_requests).encode()]",
        "import json, os, time, mod_wsgi",
    )
    daemon = host.start(threads=4)
    script = host.script(text)

    def block(path: str, name: str, group: str = "sub") -> bytes:
        made = request_block(script, group, environ={"PATH_INFO": path, "GATE": str(gate)})
        return made.replace(b"abc123", name.encode())

    fronts = [daemon.front() for _ in range(3)]
    for number, front in enumerate(fronts):
        front.begin(block(f"/{number}", f"wait-{number}"))
    until = time.monotonic() + 10
    with daemon.front() as looking:
        while len(seen := told(looking.run(block("/look", "look-0")))) < 4 or not all(seen.values()):
            assert time.monotonic() < until, seen
        assert seen == {f"wait-{n}": {"path": f"/{n}"} for n in range(3)} | {"look-0": {"path": "/look"}}
        assert list(told(looking.run(block("/look", "look-1", "other")))) == ["look-1"]
        gate.touch()
        for front in fronts:
            front.collect()
            front.close()
        assert list(told(looking.run(block("/look", "look-2")))) == ["look-2"]


def test_the_same_id_again(embedded: Embedded, tmp_path: Path) -> None:
    """A later request of the same id, on this or another thread, starts with nothing."""
    path = tmp_path / "app.wsgi"
    path.write_text(tell("r = list(mod_wsgi.active_requests)\nmod_wsgi.request_data()['used'] = 1"))
    for _ in range(3):
        assert json.loads(embedded.run(request_block(path, "sub"), threads=1).body) == ["abc123"]
        assert json.loads(embedded.run(request_block(path, "sub"), threads=0).body) == ["abc123"]


# ---- RequestTimeout ---------------------------------------------------------------------------


@pytest.mark.parametrize("group", ["", "sub"])
def test_request_timeout_before_the_head(host: Host, group: str) -> None:
    """504, one line, no traceback; 'except Exception' lets it pass."""
    answer = host.get(
        app("try:\n    raise mod_wsgi.RequestTimeout('mine')\nexcept Exception:\n    pass", "import mod_wsgi"), group
    )
    assert (answer.end.status, answer.end.code, answer.end.truncated) == (504, 1030, False)
    assert "was ended by RequestTimeout: mine" in answer.end.cause
    assert "Traceback" not in answer.log_text
    assert answer.status == ""


def test_request_timeout_after_the_head(host: Host) -> None:
    answer = host.get(app(OK + "yield b'begun'\nraise mod_wsgi.RequestTimeout()", "import mod_wsgi"))
    assert (answer.end.status, answer.end.code, answer.end.truncated) == (504, 1030, True)
    assert answer.body == b"begun"


def test_request_timeout_is_one_for_each_interpreter(host: Host) -> None:
    """What is raised counts only with the type of the interpreter at hand, and types differ."""
    script = host.script(tell("r = id(mod_wsgi.RequestTimeout)"), "id.wsgi")
    with host.start().front() as front:
        names = [told(front.run(request_block(script, group))) for group in ("", "one", "two")]
    assert len(set(names)) == 3
    assert host.get(app("raise BaseException('other')"), "three").end.code == 174


# ---- the log handler --------------------------------------------------------------------------

LOGGING = """
    import json, logging, threading, mod_wsgi
    logger = logging.getLogger("test")
    logger.setLevel(1)
    logger.propagate = False
    handler = mod_wsgi.LogHandler()
    logger.addHandler(handler)

    def application(environ, start_response):
        exec(environ["CODE"])
        start_response("200 OK", [])
        return [b"ok"]
"""


def logged(host: Host, code: str, group: str = "sub", level: int = 7) -> list[tuple[int, str]]:
    """Records of the request that runs `code`."""
    daemon = host.daemons[-1] if host.daemons else host.start(log_level=level)
    with daemon.front() as front:
        answer = front.run(request_block(host.script(LOGGING), group, environ={"CODE": code}))
    assert answer.end.status == 0, (answer.end, answer.log_text)
    return [(number, text) for number, text in answer.logs if "Loading" not in text]


def test_levels(host: Host) -> None:
    code = "for n in (60, 50, 45, 40, 35, 30, 25, 20, 15, 10, 5): logger.log(n, 'number %d', n)"
    found = [(level & 0xFF, text.rsplit("\0", 1)[1]) for level, text in logged(host, code)]
    wanted = {60: 2, 50: 2, 45: 3, 40: 3, 35: 4, 30: 4, 25: 6, 20: 6, 15: 7, 10: 7, 5: 7}
    assert found == [(level, f"number {number}") for number, level in wanted.items()]


def test_log_level_of_the_server_counts(host: Host) -> None:
    """What no virtual host wants is not even formatted."""
    code = (
        "class Text:\n    def __str__(self):\n        environ['wsgi.errors'].write('formatted\\n')\n        return 'x'\n"
        "logger.debug(Text())\nlogger.info('more')\nlogger.warning('shown')"
    )
    assert [text.rsplit("\0", 1)[-1] for _, text in logged(host, code, level=4)] == ["shown"]


def test_place(host: Host) -> None:
    """File and line of the logging call travel in front of the text."""
    host.script("def call(logger):\n\n    logger.info('here')\n", "place.py")
    (record,) = logged(
        host, f"import sys; sys.path.insert(0, {str(host.directory)!r}); import place; place.call(logger)"
    )
    assert record == (6 | PLACED, f"{host.directory}/place.py\x003\0here")


@pytest.mark.parametrize(
    ("change", "place"),
    [
        ("record.pathname = 'a\\nb\\0c'", "a?b?c\0{line}\0"),
        ("record.pathname = '/' + 'x' * 300", "x" * 255 + "\0{line}\0"),
        ("record.lineno = None", "{file}\x000\0"),
        ("record.lineno = -5", "{file}\x000\0"),
        ("record.lineno = 10 ** 30", "{file}\x000\0"),
        ("record.pathname = ''", ""),
        ("record.pathname = None", ""),
        ("record.pathname = b'x'", ""),
    ],
)
def test_odd_places(host: Host, change: str, place: str) -> None:
    """Whatever is in a record, its text arrives."""
    code = f"def change(record):\n    {change}\n    return True\nhandler.addFilter(change)\nlogger.error('text')"
    ((level, text),) = logged(host, code)
    assert level == (3 | PLACED if place else 3)
    assert text == place.format(file="<string>", line=5) + "text"


def test_text_becomes_lines(host: Host) -> None:
    code = (
        "handler.setFormatter(logging.Formatter('%(levelname)s|%(message)s'))\n"
        "logger.error('two\\nlines')\nlogger.error('nul \\0 after')\nlogger.error('\\u20ac \\udcff')\nlogger.error('')\n"
        "try:\n    1 / 0\nexcept Exception:\n    logger.exception('failed')"
    )
    texts = [text.rsplit("\0", 1)[1] for _, text in logged(host, code)]
    assert texts[:4] == ["ERROR|two\nlines", "ERROR|nul \\x00 after", "ERROR|\u20ac \\udcff", "ERROR|"]
    assert texts[4].startswith("ERROR|failed\nTraceback (most recent call last):\n")
    assert texts[4].endswith("ZeroDivisionError: division by zero")


def test_long_records_are_cut_into_pieces(host: Host) -> None:
    records = logged(host, "logger.error('x' * 20000 + 'end')")
    assert [level for level, _ in records] == [3 | PLACED] * len(records)
    assert all(len(text) <= 8192 for _, text in records)
    assert "".join(text.rsplit("\0", 1)[1] for _, text in records) == "x" * 20000 + "end"


def test_a_record_that_cannot_be_formatted(host: Host) -> None:
    """As with every handler: logging reports it, the application goes on."""
    text = "\n".join(text for _, text in logged(host, "logger.error('bad %d', 'x')"))
    assert "--- Logging error ---" in text
    assert "Message: 'bad %d'" in text


def test_handler_level_and_own_subclass(host: Host) -> None:
    code = (
        "class Mine(mod_wsgi.LogHandler):\n"
        "    def emit(self, record):\n        record.msg = 'mine: ' + record.msg\n        mod_wsgi.LogHandler.emit(self, record)\n"
        "logger.handlers[:] = [Mine(level=40)]\nlogger.warning('no')\nlogger.error('yes')"
    )
    assert [text.rsplit("\0", 1)[1] for _, text in logged(host, code)] == ["mine: yes"]


@pytest.mark.parametrize("group", ["", "sub"])
def test_outside_of_a_request(host: Host, group: str) -> None:
    """A thread of the application logs to the group's log, with level and place."""
    code = "t = threading.Thread(target=logger.warning, args=('from a thread\\nsecond',)); t.start(); t.join()"
    assert logged(host, code, group) == []
    daemon = host.daemons[0]
    assert daemon.wait_log("second")
    (first, second) = [line for line in daemon.lines if "from a thread" in line or line.endswith("second")]
    assert first.startswith("\x01<")
    assert first.endswith("\0from a thread")
    assert second.startswith("\x01<")
    assert second.split("\0")[1:] == [first.split("\0")[1], "second"]


def test_after_a_fork(host: Host) -> None:
    """The child's records do not go into the parent's request."""
    code = "import os\npid = os.fork()\nif pid == 0:\n    logger.error('from the child')\n    os._exit(0)\nos.waitpid(pid, 0)"
    assert logged(host, code, "") == []
    assert host.daemons[0].wait_log("from the child")


def test_many_threads_log_at_once(host: Host) -> None:
    """No record is lost or mixed up."""
    daemon = host.start(threads=4)
    script = host.script(LOGGING)
    answers: list[Answer] = []

    def run(number: int) -> None:
        code = f"for n in range(100): logger.info('t{number} n%d', n)"
        with daemon.front() as front:
            answers.append(front.run(request_block(script, "sub", environ={"CODE": code})))

    threads = [threading.Thread(target=run, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for answer in answers:
        texts = [text.rsplit("\0", 1)[1] for level, text in answer.logs if level & PLACED]
        assert texts == [f"{texts[0].split()[0]} n{n}" for n in range(100)]


# ---- environ ----------------------------------------------------------------------------------


@pytest.mark.parametrize(("flags", "expected"), [(0, False), (0x20, True)])
def test_run_once(host: Host, flags: int, expected: bool) -> None:
    host.start(flags=flags)
    assert told(host.get(tell("r = environ['wsgi.run_once']"))) is expected


def test_handler_script(host: Host) -> None:
    """The script that handles a resource is named; else the key is there and empty."""
    script = host.script(tell("r = environ['mod_wsgi.handler_script']"))
    with host.start().front() as front:
        block = request_block(script)
        assert told(front.run(block)) == ""
        more = request_block(script, handler_script=str(script))
        assert told(front.run(more)) == str(script)


def test_thread_ids_count_from_one(host: Host) -> None:
    """Only threads that serve requests are counted, and a thread keeps its number."""
    host.script(HELLO, "preload.wsgi")
    preload = [("PRELOAD_GROUP", "sub"), ("PRELOAD_SCRIPT", str(host.directory / "preload.wsgi"))]
    host.start(threads=1, extra=preload)
    script = host.script(tell("r = environ['mod_wsgi.thread_id']"))
    with host.daemons[0].front() as front:
        assert [told(front.run(request_block(script, group))) for group in ("sub", "", "sub")] == [1, 1, 1]


def test_start_times_are_in_order(host: Host) -> None:
    keys = ("request_start", "queue_start", "daemon_start", "application_start")
    text = f"r = [environ['mod_wsgi.' + k] for k in {keys}] + [time.time()]"
    found = told(host.get(tell(text, "import time"), flags=RELOADING))
    assert found == sorted(found)
