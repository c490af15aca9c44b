# SPDX-License-Identifier: Apache-2.0
"""What subscribers of mod_wsgi are told, when, with which payload, and what comes of what they do."""

from __future__ import annotations

import json
import os
import signal
import time

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from conftest import Host
from embedding import Embedded
from test_requests import HELLO
from wirefront import FIN, MORE_BODY, Answer, Daemon, Front, request_block

# Notes go to a file, so that what happens at the end of the process is seen, too.
RECORDER = """
    import json, os, sys, threading, time, traceback
    import mod_wsgi

    NOTES = sys.argv[0] and {notes!r}

    def plain(value):
        if isinstance(value, (str, int, float, type(None), list, dict)):
            return value
        if isinstance(value, tuple):
            return [plain(item) for item in value]
        if isinstance(value, type):
            return value.__name__
        return type(value).__name__

    def note(*what):
        line = json.dumps([mod_wsgi.application_group] + list(what), default=plain) + "\\n"
        descriptor = os.open(NOTES, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o644)
        os.write(descriptor, line.encode())
        os.close(descriptor)

    def watch(name, **payload):
        environ = payload.pop("request_environ", None)
        if environ is not None:
            payload["request_environ"] = [type(environ).__name__, environ["mod_wsgi.request_id"]]
            payload["agrees"] = [environ["mod_wsgi." + key] == payload[key] for key in
                ("thread_id", "request_id", "request_start", "queue_start", "daemon_start", "application_start",
                 "callable_object")]
        note(name, {{key: plain(value) for key, value in payload.items()}})

    def application(environ, start_response):
        headers = [("Content-Type", "text/plain")]
        scope = dict(globals(), environ=environ, start_response=start_response, headers=headers)
        exec(environ["CODE"], scope)
        if "result" in scope:
            return scope["result"]
        start_response("200 OK", headers)
        return [b"ok"]

    {top}
"""
SUBSCRIBED = "mod_wsgi.subscribe_events(watch)"


class Stage:
    """A daemon with the recorder, and what was noted."""

    def __init__(self, host: Host, top: str = SUBSCRIBED, **settings: Any) -> None:
        self.host = host
        self.notes_path = host.directory / "notes"
        text = RECORDER.replace("\n    ", "\n").format(notes=str(self.notes_path), top=top.replace("\n    ", "\n"))
        self.script = host.script(text)
        self.daemon: Daemon = host.start(**settings)

    def block(self, code: str = "", group: str = "sub", **more: Any) -> bytes:
        return request_block(self.script, group, environ={"CODE": code}, **more)

    def run(self, code: str = "", group: str = "sub", body: bytes | None = None) -> Answer:
        """One request on a connection of its own."""
        with self.daemon.front() as front:
            return front.run(self.block(code, group, body=len(body) if body is not None else None), body)

    def notes(self) -> list[Any]:
        """[group, name, payload ...] since the last look."""
        if not self.notes_path.exists():
            return []
        lines = self.notes_path.read_text().splitlines()
        self.notes_path.unlink()
        return [json.loads(line) for line in lines]

    def names(self) -> list[str]:
        return [note[1] for note in self.notes()]

    def wait_notes(self, count: int) -> list[Any]:
        """Waits until that much was noted since the last look."""
        self.await_count(count)
        return self.notes()

    def await_count(self, count: int) -> None:
        """The same without looking."""
        until = time.monotonic() + 10
        while not self.notes_path.exists() or len(self.notes_path.read_text().splitlines()) < count:
            assert time.monotonic() < until, self.notes()
            time.sleep(0.01)


Make = Callable[..., Stage]


@pytest.fixture
def stage(host: Host) -> Make:
    """Makes stages."""

    def make(top: str = SUBSCRIBED, **settings: Any) -> Stage:
        return Stage(host, top, **settings)

    return make


def payloads(notes: list[Any]) -> dict[str, dict[str, Any]]:
    """By name; each once."""
    found = {note[1]: note[2] for note in notes}
    assert len(found) == len(notes), notes
    return found


# ---- payloads ---------------------------------------------------------------------------------


@pytest.mark.parametrize("group", ["", "sub"])
def test_payload_of_a_request(stage: Make, group: str) -> None:
    made = stage()
    made.run("", group)
    made.notes()
    before = time.time()
    body = b"x" * 100_000
    code = "mod_wsgi.request_data()['mine'] = 1\nenviron['wsgi.input'].read()\nresult = (b'abc', b'', b'de')\nstart_response('201 Made', headers)"
    assert made.run(code, group, body).body == b"abcde"
    after = time.time()
    notes = made.notes()
    assert [note[:2] for note in notes] == [
        [group, name] for name in ("request_started", "response_started", "request_finished")
    ]
    found = payloads(notes)
    started = found["request_started"]
    assert set(started) == {
        "request_id", "thread_id", "daemon_connects", "daemon_restarts", "server_pid", "request_start", "queue_start",
        "daemon_start", "application_start", "application_object", "callable_object", "request_environ",
        "request_data", "agrees",
    }  # fmt: skip
    assert started["request_id"] == "abc123"
    assert started["agrees"] == [True] * 7
    assert started["request_environ"] == ["dict", "abc123"]
    assert (started["server_pid"], started["daemon_connects"], started["daemon_restarts"]) == (4711, 1, 0)
    assert (started["application_object"], started["callable_object"]) == ("function", "application")
    assert started["request_data"] == {}
    assert found["response_started"] == {
        "request_id": "abc123",
        "response_status": "201 Made",
        "response_headers": [["Content-Type", "text/plain"]],
        "exception_info": None,
        "request_data": {"mine": 1},
    }
    finished = found["request_finished"]
    cpu = {"cpu_user_time", "cpu_system_time", "cpu_time"}
    assert set(finished) == cpu | {
        "request_id", "thread_id", "server_pid", "request_start", "queue_start", "daemon_start", "input_reads",
        "input_length", "input_time", "output_length", "output_writes", "output_time", "application_finish",
        "application_time", "status", "gil_wait_time", "gil_wait_count", "request_data",
    }  # fmt: skip
    same = ("request_id", "thread_id", "server_pid", "request_start", "queue_start", "daemon_start")
    assert [finished[key] for key in same] == [started[key] for key in same]
    assert finished["status"] == 201
    assert (finished["input_length"], finished["output_length"], finished["output_writes"]) == (100_000, 5, 2)
    assert finished["input_reads"] >= 1
    times = ("request_start", "queue_start", "daemon_start")
    order = [
        before,
        *(started[key] for key in times),
        started["application_start"],
        finished["application_finish"],
        after,
    ]
    assert order == sorted(order)
    elapsed = finished["application_finish"] - started["application_start"]
    assert finished["application_time"] == pytest.approx(elapsed, abs=1e-6)
    for key in ("input_time", "output_time", "gil_wait_time"):
        assert isinstance(finished[key], float)
        assert 0 <= finished[key] <= after - before
    assert finished["input_time"] <= finished["application_time"] + 1e-6
    assert finished["gil_wait_count"] >= 2
    assert finished["cpu_time"] == pytest.approx(finished["cpu_user_time"] + finished["cpu_system_time"])
    assert all(finished[key] >= 0 for key in cpu)
    assert finished["request_data"] == {"mine": 1}


def test_counts_grow_with_the_work(stage: Make) -> None:
    """Numbers are measured: what takes longer, reads or sends more has larger ones."""
    made = stage()
    code = (
        "time.sleep(0.05)\nuntil = time.thread_time() + 0.05\nwhile time.thread_time() < until: pass\n"
        "def result():\n    for _ in range(10): yield b'x' * 1000\n"
        "result = result()\nstart_response('200 OK', headers)"
    )
    made.run()
    small = payloads(made.notes())["request_finished"]
    made.run(code)
    large = payloads(made.notes())["request_finished"]
    assert small["output_length"] == 2
    assert (large["output_length"], large["output_writes"]) == (10_000, 10)
    assert large["application_time"] >= 0.1
    assert 0.02 <= large["cpu_time"] <= large["application_time"] + 0.02
    assert large["gil_wait_count"] > small["gil_wait_count"]


def test_waiting_for_python_is_measured(stage: Make) -> None:
    """Another thread that does not let go for a while shows in gil_wait_time."""
    made = stage()
    code = (
        "sys.setswitchinterval(0.02)\nstop = []\n"
        "def spin():\n    while not stop: pass\n"
        "thread = threading.Thread(target=spin)\nthread.start()\n"
        "for _ in range(5):\n    note('reading')\n    environ['wsgi.input'].read(1)\n"
        "stop.append(1)\nthread.join()"
    )
    with made.daemon.front() as front:
        front.begin(made.block(code, body=5), flags=MORE_BODY)
        for number in range(5):
            made.await_count(number + 2)
            front.body(b"x", flags=FIN if number == 4 else 0)
        assert front.collect().body == b"ok"
    finished = made.notes()[-1][2]
    assert finished["input_length"] == 5
    assert finished["gil_wait_count"] >= 6
    assert finished["gil_wait_time"] >= 0.005


def test_refusals_are_counted(stage: Make) -> None:
    """The front says how many processes did not take the request before."""
    made = stage()
    with made.daemon.front() as front:
        front.begin(made.block(), refusals=3)
        front.collect()
    started = payloads(made.notes())["request_started"]
    assert (started["daemon_connects"], started["daemon_restarts"]) == (4, 3)


def test_file_wrapper(stage: Make) -> None:
    made = stage()
    code = f"result = environ['wsgi.file_wrapper'](open({str(made.script)!r}, 'rb'))\nstart_response('200 OK', headers)"
    size = made.script.stat().st_size
    assert len(made.run(code).body) == size
    finished = payloads(made.notes())["request_finished"]
    assert (finished["output_length"], finished["output_writes"], finished["status"]) == (size, 0, 200)


def test_embedded(embedded: Embedded, tmp_path: Path) -> None:
    """The same without queue and daemon."""
    notes = tmp_path / "notes"
    text = RECORDER.replace("\n    ", "\n").format(notes=str(notes), top=SUBSCRIBED)
    path = tmp_path / "app.wsgi"
    path.write_text(text)
    for group in ("", "sub"):
        reply = embedded.run(request_block(path, group, environ={"CODE": ""}, process_group=""))
        assert reply.body == b"ok"
        found = payloads([json.loads(line) for line in notes.read_text().splitlines()])
        notes.unlink()
        started = found["request_started"]
        assert [started[key] for key in ("daemon_connects", "daemon_restarts", "daemon_start")] == [0, 0, 0.0]
        assert found["request_finished"]["status"] == 200
    embedded.command("stop 10")
    told = [json.loads(line) for line in notes.read_text().splitlines()]
    assert sorted(told) == [[group, "process_stopping", {"shutdown_reason": ""}] for group in ("", "sub")]


# ---- order, merging, failures -----------------------------------------------------------------


def test_order_and_merging(stage: Make) -> None:
    """A returned dictionary is part of what later callbacks see; everything else is ignored."""
    top = (
        "def first(name, **payload):\n        note('first', name, payload.get('seen'))\n        return {'seen': 1, 3: 'no keyword', 'status': 'mine'}\n"
        "    def second(name, **payload):\n        note('second', name, payload['seen'], payload['status'])\n"
        "        payload['seen'] = 9\n        return ['seen', 5]\n"
        "    def third(name, **payload):\n        note('third', name, payload['seen'])\n"
        "    [mod_wsgi.subscribe_events(f) for f in (first, second, third)]"
    )
    made = stage(top)
    made.run()
    names = ("request_started", "response_started", "request_finished")
    assert [note[1:] for note in made.notes()] == [
        note for name in names for note in (["first", name, None], ["second", name, 1, "mine"], ["third", name, 1])
    ]
    assert "WSGI" not in made.daemon.log


def test_exceptions_change_nothing(stage: Make) -> None:
    """One line with the code each, the traceback, and the next callback is called all the same."""
    top = (
        "def bad(name, **payload):\n        raise {'request_started': ValueError, 'response_started': SystemExit,\n"
        "            'request_finished': KeyboardInterrupt}[name]('thrown')\n"
        "    mod_wsgi.event_callbacks[:] = [bad, 3, watch]"
    )
    made = stage(top)
    answer = made.run()
    assert (answer.body, answer.end.status) == (b"ok", 0)
    assert made.names() == ["request_started", "response_started", "request_finished"]
    text = answer.log_text
    assert "WSGI0112: ValueError exception raised by event callback for 'request_started'" in text
    assert "WSGI0190: SystemExit exception raised by event callback for 'response_started'; ignored" in text
    assert "WSGI0112: KeyboardInterrupt exception raised by event callback for 'request_finished'" in text
    assert text.count("WSGI0112: TypeError exception raised by event callback") == 3
    assert text.count("'int' object is not callable") == 3
    assert f'File "{made.script}"' in text
    assert text.count("WSGI0") == 6


def test_subscribed_during_an_event(stage: Make) -> None:
    """A callback works on a snapshot: what it adds is called from the next event on."""
    top = (
        "def late(name, **payload): note('late', name)\n"
        "    def first(name, **payload):\n        note('first', name)\n"
        "        if late not in mod_wsgi.event_callbacks: mod_wsgi.subscribe_events(late)\n"
        "        if name == 'request_finished': mod_wsgi.event_callbacks.remove(first)\n"
        "    mod_wsgi.subscribe_events(first)"
    )
    made = stage(top)
    made.run()
    assert [note[1:] for note in made.notes()] == [
        ["first", "request_started"],
        ["first", "response_started"],
        ["late", "response_started"],
        ["first", "request_finished"],
        ["late", "request_finished"],
    ]
    made.run()
    assert {note[1] for note in made.notes()} == {"late"}


def test_another_list_in_its_place(stage: Make) -> None:
    """The attribute counts, as in 6.1.1; what is no list is nobody."""
    made = stage()
    assert made.run("mod_wsgi.event_callbacks = [lambda name, **payload: note('other', name)]").body == b"ok"
    names = [note[1:] if note[1] == "other" else note[1] for note in made.notes()]
    assert names == ["request_started", ["other", "response_started"], ["other", "request_finished"]]
    for what in ("None", "(watch,)"):
        assert made.run(f"mod_wsgi.event_callbacks = {what}").body == b"ok"
    assert made.run("del mod_wsgi.event_callbacks").body == b"ok"
    assert made.run().body == b"ok"


def test_subscribed_by_the_request(stage: Make) -> None:
    """The end of a request whose beginning nobody saw: counts are whole, times from then on."""
    made = stage("pass")
    assert made.run("environ['wsgi.input'].read()\nmod_wsgi.subscribe_events(watch)", body=b"12345").body == b"ok"
    found = payloads(made.notes())
    assert list(found) == ["response_started", "request_finished"]
    finished = found["request_finished"]
    assert (finished["input_length"], finished["output_length"], finished["status"]) == (5, 2, 200)
    assert "cpu_time" not in finished


def test_without_subscribers(stage: Make) -> None:
    made = stage("pass")
    assert made.run().body == b"ok"
    assert made.notes() == []


def test_interpreters_are_told_apart(stage: Make) -> None:
    """Each has its own subscribers."""
    made = stage("if mod_wsgi.application_group != 'quiet': mod_wsgi.subscribe_events(watch)")
    for group in ("", "quiet", "loud"):
        made.run("", group)
    assert [note[0] for note in made.notes()] == [""] * 3 + ["loud"] * 3
    assert made.daemon.stop() == 0
    assert sorted(note[0] for note in made.notes()) == ["", "loud"]


# ---- the application object and the environ ---------------------------------------------------


def test_replaced_application(stage: Make) -> None:
    """A subscriber wraps the application for this request; the next one sees the original again."""
    top = (
        "def wrap(name, **payload):\n"
        "        if name != 'request_started': return\n"
        "        inner, environ = payload['application_object'], payload['request_environ']\n"
        "        environ['CODE'] = 'headers.append((\"X-Code\", \"changed\"))'\n"
        "        def outer(environ, start_response):\n"
        "            def started(status, headers, *more):\n                return start_response('202 Wrapped', headers, *more)\n"
        "            return [b'<'] + inner(environ, started) + [b'>']\n"
        "        return {'application_object': outer, 'request_environ': {}, 'request_id': 'other'}\n"
        "    mod_wsgi.subscribe_events(wrap)\n    mod_wsgi.subscribe_events(watch)"
    )
    made = stage(
        top.replace("payload['request_environ']\n", "payload['request_environ']\n", 1).replace(
            "'request_environ': {}, ", ""
        )
    )
    for _ in range(2):
        answer = made.run("1 / 0")
        assert (answer.status, answer.body, answer.header("X-Code")) == ("202 Wrapped", b"<ok>", "changed")
        found = made.notes()
        assert found[0][2]["request_id"] == "other", "later subscribers see what was returned"
        assert [note[2]["request_id"] for note in found[1:]] == ["abc123"] * 2


def test_another_environ_is_not_taken(stage: Make) -> None:
    """Only the application object is replaced, as in 6.1.1: the environ is changed in place."""
    top = (
        "def swap(name, **payload): return {'request_environ': {'CODE': '1 / 0'}}\n    mod_wsgi.subscribe_events(swap)"
    )
    assert stage(top).run().body == b"ok"


@pytest.mark.parametrize(("value", "problem"), [("3", "'int' object is not callable"), ("None", "'NoneType' object")])
def test_replaced_by_nonsense(stage: Make, value: str, problem: str) -> None:
    top = f"mod_wsgi.subscribe_events(lambda name, **payload: {{'application_object': {value}}})\n    " + SUBSCRIBED
    made = stage(top.replace("lambda name, **payload:", "lambda name, **payload: name == 'request_started' and"))
    answer = made.run()
    assert (answer.end.status, answer.end.code) == (500, 174)
    assert problem in answer.end.cause
    assert made.names() == ["request_started", "request_exception", "request_finished"]


def test_headers_may_be_changed_in_place(stage: Make) -> None:
    """response_started comes before headers are checked and copied."""
    top = (
        "def add(name, **payload):\n"
        "        if name == 'response_started': payload['response_headers'].append(('X-Added', payload['response_status']))\n"
        "        return {'response_status': '500 Ignored'}\n"
        "    mod_wsgi.subscribe_events(add)"
    )
    answer = stage(top).run()
    assert (answer.status, answer.header("X-Added")) == ("200 OK", "200 OK")


# ---- exceptions of the application ------------------------------------------------------------

ITERATOR = (
    "class Result:\n"
    "    def __init__(self): self.blocks = [b'one', {second}]\n"
    "    def __iter__(self): return self\n"
    "    def __next__(self):\n"
    "        if not self.blocks: raise {end}\n"
    "        return self.blocks.pop(0)\n"
    "    def close(self):\n        note('close')\n        {close}\n"
    "result = Result()\nstart_response('200 OK', headers)"
)
FAILURES = {
    "raised": ("raise ValueError('x')", ["request_exception"], ["ValueError", "ValueError", "traceback"], 500),
    "exit": ("raise SystemExit(3)", ["request_exception"], ["SystemExit", "SystemExit", "traceback"], 500),
    "after start_response": (
        "start_response('200 OK', headers)\n1 / 0",
        ["response_started", "request_exception"],
        ["ZeroDivisionError", "ZeroDivisionError", "traceback"],
        500,
    ),
    "in the iterator": (
        ITERATOR.format(second="b'two'", end="KeyError('x')", close="pass"),
        ["response_started", "request_exception", "close"],
        ["KeyError", "KeyError", "traceback"],
        200,
    ),
    "in close": (
        ITERATOR.format(second="b'two'", end="StopIteration", close="raise OSError('x')"),
        ["response_started", "close", "request_exception"],
        ["OSError", "OSError", "traceback"],
        200,
    ),
    "text instead of bytes": (
        ITERATOR.format(second="'two'", end="StopIteration", close="pass"),
        ["response_started", "request_exception", "close"],
        ["TypeError", "TypeError", None],
        200,
    ),
    "no start_response": ("result = [b'x']", ["request_exception"], ["RuntimeError", "RuntimeError", None], 500),
    "nothing returned": ("result = None", ["request_exception"], ["TypeError", "TypeError", None], 500),
    "text in a list": (
        "result = ['x']\nstart_response('200 OK', headers)",
        ["response_started", "request_exception"],
        ["TypeError", "TypeError", None],
        500,
    ),
    "headers no list": (
        "start_response('200 OK', ())",
        ["request_exception"],
        ["TypeError", "TypeError", "traceback"],
        500,
    ),
    "status no text": (
        "start_response(b'200 OK', headers)",
        ["response_started", "request_exception"],
        ["TypeError", "TypeError", "traceback"],
        500,
    ),
    "exc_info no tuple": (
        "start_response('200 OK', headers, 3)",
        ["request_exception"],
        ["RuntimeError", "RuntimeError", "traceback"],
        500,
    ),
    "time-out": ("raise mod_wsgi.RequestTimeout()", [], None, 504),
    "time-out in the body": (
        ITERATOR.format(second="b'two'", end="mod_wsgi.RequestTimeout()", close="pass"),
        ["response_started", "close"],
        None,
        504,
    ),
}


@pytest.mark.parametrize("case", FAILURES)
def test_exceptions_of_the_application(stage: Make, case: str) -> None:
    """request_exception for each but a time-out; request_finished always, last, with the status."""
    code, between, info, status = FAILURES[case]
    made = stage()
    made.run(code)
    notes = made.notes()
    assert [note[1] for note in notes] == ["request_started", *between, "request_finished"]
    for note in notes:
        if note[1] == "request_exception":
            assert note[2] == {"request_id": "abc123", "exception_info": info, "request_data": {}}
    assert notes[-1][2]["status"] == status


def test_response_started_again(stage: Make) -> None:
    """Each call counts until the head is sent; later ones are refused before anybody hears of it."""
    made = stage()
    code = (
        "start_response('200 OK', headers)\n"
        "try:\n    1 / 0\nexcept ZeroDivisionError:\n    w = start_response('500 Oops', [], sys.exc_info())\n"
        "w(b'sent')\n"
        "for more in ((), ((KeyError, KeyError('k'), None),)):\n"
        "    try:\n        start_response('200 Late', [], *more)\n"
        "    except Exception as problem:\n        note('refused', type(problem).__name__)\n"
        "result = []"
    )
    assert made.run(code).status == "500 Oops"
    notes = [note[1:] for note in made.notes()]
    assert [note[0] for note in notes[1:-1]] == ["response_started", "response_started", "refused", "refused"]
    assert notes[2][1]["exception_info"] == ["ZeroDivisionError", "ZeroDivisionError", "traceback"]
    assert [note[1] for note in notes[3:5]] == ["RuntimeError", "KeyError"]
    assert notes[-1][1]["status"] == 500


def test_no_events_without_an_application(stage: Make) -> None:
    """A callable that is missing, or a script that fails, is no request of the application."""
    made = stage()
    made.run()
    made.notes()
    broken = made.host.script("1 / 0", "broken.wsgi")
    with made.daemon.front() as front:
        assert front.run(made.block(callable_name="missing")).end.code == 89
        assert front.run(request_block(broken, "sub")).end.code == 109
    assert made.notes() == []


def test_client_that_left(stage: Make) -> None:
    """The request is finished all the same, with the application's status."""
    made = stage()
    code = "result = (b'x' * 65536 for _ in range(1000000))\nstart_response('200 OK', headers)"
    front = made.daemon.front()
    front.begin(made.block(code))
    front.receive()
    front.close()
    notes = made.wait_notes(3)
    assert [note[1] for note in notes] == ["request_started", "response_started", "request_finished"]
    assert notes[-1][2]["status"] == 200


def test_a_callback_that_forks(stage: Make) -> None:
    """The child that comes back out of a callback answers nothing: one answer, one request_finished."""
    top = (
        "def fork(name, **payload):\n"
        "        if name == 'request_started' and os.fork() != 0: os.wait()\n"
        "    mod_wsgi.subscribe_events(fork)\n    mod_wsgi.subscribe_events(watch)"
    )
    made = stage(top)
    assert made.run("", "").body == b"ok"
    assert made.names() == ["request_started", "response_started", "request_finished"]


# ---- the end of a process ---------------------------------------------------------------------

STOPPING = (
    "import atexit\n"
    "    atexit.register(note, 'atexit')\n"
    "    mod_wsgi.subscribe_shutdown(lambda name, **payload: note('shutdown', name, payload))\n"
    "    def told(name, **payload):\n        if name.startswith('process'): note('event', name, payload); return {'added': 1}\n"
    "    mod_wsgi.subscribe_events(told)"
)


def stop_by(*numbers: signal.Signals) -> Callable[[Daemon], None]:
    """Sends signals one after the other, each once the last was seen."""

    def act(daemon: Daemon) -> None:
        for number in numbers:
            os.kill(daemon.pid, number)

    return act


def tell_both(daemon: Daemon) -> None:
    """Two messages at once."""
    daemon.tell("DRAIN", "RELOAD")
    daemon.tell("STOP")


def leave(daemon: Daemon) -> None:
    """It asks to be replaced, and goes when the supervisor says so."""
    os.kill(daemon.pid, signal.SIGUSR1)
    assert daemon.message() == "LEAVING GRACEFUL"
    daemon.tell("DRAIN")


ENDS: dict[str, tuple[Callable[[Daemon], None], str]] = {
    "STOP": (lambda daemon: daemon.tell("STOP"), "shutdown_signal"),
    "DRAIN": (lambda daemon: daemon.tell("DRAIN"), "shutdown_signal"),
    "DRAIN for a script": (lambda daemon: daemon.tell("DRAIN", "RELOAD"), "script_reload"),
    "DRAIN for an interval": (lambda daemon: daemon.tell("DRAIN", "RESTART_INTERVAL"), "restart_interval"),
    "DRAIN, then STOP": (tell_both, "script_reload"),
    "supervisor gone": (lambda daemon: daemon.control.close(), "shutdown_signal"),
    "SIGTERM": (stop_by(signal.SIGTERM), "shutdown_signal"),
    "SIGINT": (stop_by(signal.SIGINT), "shutdown_signal"),
    "SIGUSR1": (leave, "graceful_signal"),
}


@pytest.mark.parametrize("how", ENDS)
def test_process_stopping(stage: Make, how: str) -> None:
    """Once in each interpreter, to both lists, before exit functions; the reason is told."""
    made = stage(STOPPING)
    for group in ("", "sub", "other"):
        assert made.run("", group).body == b"ok"
    act, reason = ENDS[how]
    act(made.daemon)
    assert made.daemon.wait() == 0
    notes = made.notes()
    payload = {"shutdown_reason": reason}
    for group in ("", "sub", "other"):
        mine = [note[1:] for note in notes if note[0] == group]
        assert mine == [
            ["event", "process_stopping", payload],
            ["shutdown", "process_stopping", {**payload, "added": 1}],
            ["atexit"],
        ], group
    assert len(notes) == 9


def test_first_reason_wins(stage: Make, tmp_path: Path) -> None:
    """A process that drains gracefully and is then stopped says why it began to."""
    gate = tmp_path / "gate"
    made = stage(STOPPING)
    with made.daemon.front() as front:
        front.begin(made.block(f"note('in')\nwhile not os.path.exists({str(gate)!r}): time.sleep(0.01)"))
        made.await_count(1)
        os.kill(made.daemon.pid, signal.SIGUSR1)
        assert made.daemon.message() == "LEAVING GRACEFUL"
        assert made.run().body == b"ok", "it still serves"
        os.kill(made.daemon.pid, signal.SIGTERM)
        made.await_count(2)
        gate.touch()
        assert front.collect().body == b"ok"
        assert made.daemon.wait() == 0
    assert made.notes()[1][3] == {"shutdown_reason": "graceful_signal"}


def test_graceful_signal_asks_for_a_replacement(stage: Make) -> None:
    """The supervisor is told, so that the fronts go elsewhere; until they have, all is served."""
    made = stage(STOPPING)
    with made.daemon.front() as front:
        assert front.run(made.block()).body == b"ok"
        os.kill(made.daemon.pid, signal.SIGUSR1)
        assert made.daemon.message() == "LEAVING GRACEFUL"
        made.daemon.tell("DRAIN")
        assert front.run(made.block()).body == b"ok"
    assert made.daemon.wait() == 0
    assert made.notes()[0][3] == {"shutdown_reason": "graceful_signal"}


def test_changed_script(stage: Make) -> None:
    """The process that finds out is told the reason when there is new code to be loaded."""
    made = stage(STOPPING)
    made.run()
    made.script.write_text(made.script.read_text() + "\n# changed\n")
    os.utime(made.script, (1e9, 1e9))
    assert made.run().reject == 2
    assert made.daemon.message() == "RELOAD"
    made.daemon.tell("DRAIN", "RELOAD")
    assert made.daemon.stop() == 0
    assert made.notes()[0][3] == {"shutdown_reason": "script_reload"}


def test_stopping_comes_before_requests_end(stage: Make, tmp_path: Path) -> None:
    """A running request may be told to hurry: the callback opens the gate it waits at."""
    gate = tmp_path / "gate"
    made = stage(f"mod_wsgi.subscribe_shutdown(lambda name, **payload: open({str(gate)!r}, 'w').close())")
    with made.daemon.front() as front:
        front.begin(made.block(f"note('in')\nwhile not os.path.exists({str(gate)!r}): time.sleep(0.01)"))
        assert made.wait_notes(1) == [["sub", "in"]]
        made.daemon.tell("STOP")
        assert front.collect().body == b"ok"
    assert made.daemon.wait() == 0


def test_interpreter_that_is_busy_loading(stage: Make, tmp_path: Path) -> None:
    """It is told while its script still runs, and not again afterwards."""
    gate = tmp_path / "gate"
    top = (
        "mod_wsgi.subscribe_shutdown(lambda name, **payload: note('shutdown'))\n"
        "    if mod_wsgi.application_group == 'slow':\n"
        f"        note('loading')\n        while not os.path.exists({str(gate)!r}): time.sleep(0.01)"
    )
    made = stage(top)
    made.run()
    with made.daemon.front() as front:
        front.begin(made.block("", "slow"))
        assert made.wait_notes(1) == [["slow", "loading"]]
        made.daemon.tell("STOP")
        assert sorted(made.wait_notes(2)) == [["slow", "shutdown"], ["sub", "shutdown"]]
        gate.touch()
        assert front.collect().body == b"ok"
    assert made.daemon.wait() == 0
    assert made.notes() == []


@pytest.mark.parametrize("trouble", ["1 / 0", "raise SystemExit(3)", "os._exit(7)"])
def test_trouble_while_stopping(stage: Make, trouble: str) -> None:
    """A failing subscriber does not keep the others, or the process, from their end."""
    top = f"def bad(name, **payload):\n        {trouble}\n    mod_wsgi.subscribe_shutdown(bad)\n    {STOPPING}"
    made = stage(top)
    made.run()
    status = made.daemon.stop()
    if "_exit" in trouble:
        assert status == 7
        return
    assert status == 0
    assert [note[1] for note in made.notes()] == ["event", "shutdown", "atexit"]
    code = "WSGI0190" if "SystemExit" in trouble else "WSGI0112"
    assert made.daemon.log.count(f"{code}: ") == 1


def test_a_subscriber_that_hangs_is_ended(stage: Make) -> None:
    """By the watchdog, at shutdown-timeout."""
    made = stage("mod_wsgi.subscribe_shutdown(lambda name, **payload: time.sleep(1000))", shutdown_timeout=1)
    made.run()
    assert made.daemon.stop() == 70
    assert "did not end within shutdown-timeout" in made.daemon.log


# ---- signals ----------------------------------------------------------------------------------

SIGNALS = (
    "mod_wsgi.subscribe_signals(lambda name, **payload: note('signal', name, payload))\n"
    "    def told(name, **payload):\n        if name.startswith('process'): note('event', name, payload); return {'added': 1}\n"
    "    mod_wsgi.subscribe_events(told)"
)


@pytest.mark.parametrize("number", [signal.SIGHUP, signal.SIGUSR2])
def test_signals(stage: Make, number: signal.Signals) -> None:
    """Both lists of every interpreter are called; the process goes on."""
    made = stage(SIGNALS)
    groups = ("", "sub", "other")
    for group in groups:
        made.run("", group)
    payload = {"signame": number.name, "signum": int(number)}
    for _ in range(2):
        os.kill(made.daemon.pid, number)
        notes = made.wait_notes(6)
        for group in groups:
            assert [note[1:] for note in notes if note[0] == group] == [
                ["event", "process_signal", payload],
                ["signal", "process_signal", {**payload, "added": 1}],
            ]
    assert made.run().body == b"ok"
    assert made.daemon.stop() == 0


def test_signals_without_subscribers(stage: Make) -> None:
    made = stage("pass")
    made.run()
    for number in (signal.SIGHUP, signal.SIGUSR2) * 3:
        os.kill(made.daemon.pid, number)
    assert made.run().body == b"ok"
    assert made.daemon.stop() == 0


def test_signals_in_their_order(stage: Make) -> None:
    """None of a few is lost, and they are delivered one after the other."""
    made = stage("mod_wsgi.subscribe_signals(lambda name, **payload: (time.sleep(0.02), note(payload['signame'])))")
    made.run()
    for number in (signal.SIGHUP, signal.SIGUSR2) * 5:
        os.kill(made.daemon.pid, number)
        time.sleep(0.005)  # the kernel keeps one of each number at a time
    assert [note[1] for note in made.wait_notes(10)] == ["SIGHUP", "SIGUSR2"] * 5


def test_a_slow_callback_does_not_block_serving(stage: Make, tmp_path: Path) -> None:
    """It has a thread of its own; a stop waits for it."""
    gate = tmp_path / "gate"
    top = (
        "def slow(name, **payload):\n        note('in')\n"
        f"        while not os.path.exists({str(gate)!r}): time.sleep(0.01)\n        note('out')\n"
        "    mod_wsgi.subscribe_signals(slow)\n"
        "    mod_wsgi.subscribe_shutdown(lambda name, **payload: note('shutdown'))"
    )
    made = stage(top, threads=1)
    made.run()
    os.kill(made.daemon.pid, signal.SIGHUP)
    assert made.wait_notes(1) == [["sub", "in"]]
    for group in ("sub", "other", ""):
        assert made.run("", group).body == b"ok"
    made.daemon.tell("STOP")
    gate.touch()
    assert made.daemon.wait() == 0
    notes = [note for note in made.notes() if note[0] == "sub"]
    assert notes == [["sub", "out"], ["sub", "shutdown"]]


def test_exceptions_of_signal_callbacks(stage: Make) -> None:
    top = "mod_wsgi.signal_callbacks[:] = [lambda name, **payload: 1 / 0, lambda name, **payload: note('second')]"
    made = stage(top)
    made.run()
    os.kill(made.daemon.pid, signal.SIGHUP)
    assert made.wait_notes(1) == [["sub", "second"]]
    assert (
        made.daemon.log.count("WSGI0112: ZeroDivisionError exception raised by event callback for 'process_signal'")
        == 1
    )


@pytest.mark.parametrize("number", [signal.SIGHUP, signal.SIGUSR2, signal.SIGUSR1, signal.SIGTERM])
def test_signal_to_a_forked_process(stage: Make, number: signal.Signals) -> None:
    """It inherits the handlers, and ends as if it had none; the daemon hears nothing."""
    made = stage(SIGNALS)
    code = (
        "pid = os.fork()\nif pid == 0:\n    time.sleep(30)\n    os._exit(0)\n"
        f"os.kill(pid, {int(number)})\nstart_response('200 OK', headers)\n"
        "result = [str(os.waitpid(pid, 0)[1]).encode()]"
    )
    assert made.run(code, "").body == str(int(number)).encode()
    assert made.notes() == []
    assert made.run("", "").body == b"ok"


def test_hello_pays_nothing(host: Host) -> None:
    """Without subscribers a small answer leaves in one piece after the thread is detached."""
    answer = host.get(HELLO)
    assert [frame for frame in answer.types() if frame != "LOG"] == ["HEAD", "DATA", "END"]
    assert isinstance(host.daemons[0].front(), Front)
