# SPDX-License-Identifier: Apache-2.0
"""Scripts that decide, as the engine asks them: what they get, and what becomes of their answers."""

from __future__ import annotations

import os
import random
import textwrap

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from embedding import Decision, Embedded
from wirefront import RELOADING, vars_block

ACCESS, PASSWORD, REALM_HASH, GROUPS, DISPATCH = 1, 2, 3, 4, 5
NATIVE, QUESTION = 0x10, 0x40

Ask = Callable[..., Decision]

ARGUMENTS: dict[int, tuple[bytes | None, bytes | None]] = {
    ACCESS: (b"192.0.2.7", None),
    PASSWORD: (b"somebody", b"secret"),
    REALM_HASH: (b"somebody", b"realm"),
    GROUPS: (b"somebody", None),
    DISPATCH: (None, None),
}
HEADS = {
    ACCESS: "allow_access(environ, host)",
    PASSWORD: "check_password(environ, user, password)",
    REALM_HASH: "get_realm_hash(environ, user, realm)",
    GROUPS: "groups_for_user(environ, user)",
    DISPATCH: "process_group(environ)",
}
NO_FUNCTION = {ACCESS: 56, PASSWORD: 43, REALM_HASH: 46, GROUPS: 52}


def block(path: Path, group: str = "", flags: int = RELOADING, **environ: str) -> bytes:
    """The variables of a question."""
    params: list[tuple[str, str | int | bytes]] = [
        ("SCRIPT", str(path)),
        ("APPLICATION_GROUP", group),
        ("REQUEST_FLAGS", flags | QUESTION),
        ("REQUEST_ID", "abc123"),
        ("LISTENER_HOST", ""),
        ("LISTENER_PORT", "8080"),
        ("SERVER_PID", 4711),
        ("REQUEST_HANDLER", "wsgi-script"),
    ]
    return vars_block(params, {"REQUEST_METHOD": "GET", "SCRIPT_NAME": "/a", "PATH_INFO": "/b", **environ})


@pytest.fixture
def embedded(program: str, library: str, engine: str, python: str, tmp_path: Path) -> Iterator[Embedded]:
    """A process whose log holds nothing fatal in the end."""
    made = Embedded(program, library, engine, python, tmp_path)
    yield made
    if made.process.poll() is None:
        made.end()
    assert made.process.returncode == 0, made.log
    for sign in ("Fatal", "AddressSanitizer", "runtime error:"):
        assert sign not in made.log


@pytest.fixture
def ask(embedded: Embedded, tmp_path: Path) -> Ask:
    """Asks a question of a script whose function has this body; `top` comes before it."""
    turn = iter(range(1, 1000000))

    def put(kind: int, body: str, *, top: str = "", group: str = "", native: bool = False) -> Decision:
        path = tmp_path / "decide.py"
        path.write_text(
            f"{textwrap.dedent(top)}\ndef {HEADS[kind]}:\n{textwrap.indent(textwrap.dedent(body), '    ')}\n"
        )
        os.utime(path, (10**9 + next(turn),) * 2)
        first, second = ARGUMENTS[kind]
        flags = RELOADING | (NATIVE if native else 0)
        return embedded.ask(block(path, group, flags), kind, first, second)

    return put


def assert_failed(decision: Decision, code: int, *words: str) -> None:
    assert (decision.verdict, decision.status, decision.code) == ("failed", 500, code), decision
    assert decision.texts == []
    for word in words:
        assert word in decision.cause


# ---- answers ---------------------------------------------------------------------------------


@pytest.mark.parametrize("group", ["", "other"])
@pytest.mark.parametrize(
    ("kind", "result", "verdict", "texts"),
    [
        (ACCESS, "True", "yes", []),
        (ACCESS, "False", "no", []),
        (ACCESS, "None", "none", []),
        (PASSWORD, "True", "yes", []),
        (PASSWORD, "False", "no", []),
        (PASSWORD, "None", "none", []),
        (PASSWORD, "'new'", "text", [b"new"]),
        (PASSWORD, "'t\\xe9'", "text", ["té".encode()]),
        (REALM_HASH, "None", "none", []),
        (REALM_HASH, "'0a' * 16", "text", [b"0a" * 16]),
        (REALM_HASH, "b'0a' * 16", "text", [b"0a" * 16]),
        (GROUPS, "[]", "text", []),
        (GROUPS, "['one', b'two', 'd\\xe9']", "text", [b"one", b"two", b"d\xe9"]),
        (GROUPS, "(name for name in ('one', 'two'))", "text", [b"one", b"two"]),
        (GROUPS, "{'one': 1}", "text", [b"one"]),
        (GROUPS, "['']", "text", [b""]),
        (DISPATCH, "None", "text", [None, None, None]),
        (DISPATCH, "'g'", "text", [b"g", None, None]),
        (DISPATCH, "b'g'", "text", [b"g", None, None]),
        (DISPATCH, "''", "text", [b"", None, None]),
    ],
)
def test_answers(ask: Ask, group: str, kind: int, result: str, verdict: str, texts: list[bytes | None]) -> None:
    decision = ask(kind, f"return {result}", group=group)
    assert (decision.verdict, decision.texts, decision.count) == (verdict, texts, len(texts)), decision
    assert (decision.status, decision.code) == (0, 0)


def test_subclasses_of_str_and_bytes(ask: Ask) -> None:
    """What counts is the text itself, not what the class makes of it."""
    top = """
        class Text(str):
            def __str__(self): return 'x'
            def encode(self, *more): return b'x'
            def __len__(self): return 0
        class Bytes(bytes):
            def __bytes__(self): return b'x'
            def __len__(self): return 0
    """
    assert ask(GROUPS, "return [Text('one'), Bytes(b'two')]", top=top).texts == [b"one", b"two"]
    assert ask(PASSWORD, "return Text('new')", top=top).texts == [b"new"]
    assert ask(DISPATCH, "return Text('new')", top=top).texts == [b"new", None, None]
    assert ask(REALM_HASH, "return Bytes(b'hash')", top=top).texts == [b"hash"]


@pytest.mark.parametrize(
    ("kind", "result", "code", "word"),
    [
        (ACCESS, "1", 55, "returned int"),
        (ACCESS, "'True'", 55, "returned str"),
        (PASSWORD, "1", 177, "returned int"),
        (PASSWORD, "b'name'", 177, "returned bytes"),
        (PASSWORD, "''", 176, "empty"),
        (PASSWORD, "'a\\0b'", 177, "NUL"),
        (PASSWORD, "'\\ud800'", 177, "no encoding"),
        (REALM_HASH, "True", 179, "returned bool"),
        (REALM_HASH, "''", 178, "empty"),
        (REALM_HASH, "b''", 178, "empty"),
        (REALM_HASH, "'\\u1234'", 179, "latin-1"),
        (REALM_HASH, "'a\\0b'", 179, "NUL"),
        (GROUPS, "None", 51, "returned NoneType"),
        (GROUPS, "5", 51, "returned int"),
        (GROUPS, "[1]", 50, "type int"),
        (GROUPS, "['one', None]", 50, "type NoneType"),
        (GROUPS, "b'one'", 50, "type int"),
        (GROUPS, "['\\u1234', 'one']", 49, "latin-1"),
        (GROUPS, "['one\\0two']", 50, "NUL"),
        (GROUPS, "[b'one\\0two']", 50, "NUL"),
        (DISPATCH, "1", 174, "process_group() in"),
        (DISPATCH, "'\\u1234'", 174, "latin-1"),
        (DISPATCH, "'a\\0b'", 174, "NUL"),
    ],
)
def test_wrong_results(ask: Ask, kind: int, result: str, code: int, word: str) -> None:
    decision = ask(kind, f"return {result}")
    assert_failed(decision, code, word, "decide.py")
    assert decision.log.count("\n") == 1, "nothing but the line about loading"


@pytest.mark.parametrize("kind", [ACCESS, PASSWORD, REALM_HASH, GROUPS, DISPATCH])
@pytest.mark.parametrize(
    ("body", "code", "word"),
    [
        ("raise ValueError('boom')", 174, "ValueError: boom"),
        ("raise SystemExit(3)", 175, "SystemExit: 3"),
        ("raise KeyboardInterrupt", 174, "KeyboardInterrupt"),
        ("class Odd(BaseException):\n    def __str__(self): raise ValueError\nraise Odd", 174, "Odd"),
        ("def deeper(): return deeper()\nreturn deeper()", 174, "RecursionError"),
    ],
)
def test_exceptions(ask: Ask, kind: int, body: str, code: int, word: str) -> None:
    """The traceback is in the log of the request, the cause names function and script."""
    decision = ask(kind, body)
    assert_failed(decision, code, word, HEADS[kind].split("(", maxsplit=1)[0] + "() in ")
    assert "Traceback" in decision.log
    assert "secret" not in decision.log + decision.cause


def test_iterables_that_fail(ask: Ask) -> None:
    """A list of groups that could not be read to its end is no list, whatever came before."""
    top = """
        def half():
            yield 'one'
            raise ValueError('half way')
        class Broken:
            def __iter__(self): raise OSError('no iterator')
    """
    assert_failed(ask(GROUPS, "return half()", top=top), 174, "ValueError: half way")
    assert_failed(ask(GROUPS, "return Broken()", top=top), 174, "OSError: no iterator")


def test_large_lists(ask: Ask) -> None:
    """Long ones are taken; one without an end is refused before it takes all memory."""
    assert ask(GROUPS, "return [str(number) for number in range(200000)]").count == 200000
    top = "import itertools"
    assert_failed(ask(GROUPS, "return map(str, itertools.count())", top=top), 51, "more groups than")
    assert_failed(ask(GROUPS, "return itertools.repeat('x' * 2**20)", top=top), 51, "more groups than")


@pytest.mark.parametrize("kind", sorted(NO_FUNCTION))
def test_missing_function(embedded: Embedded, tmp_path: Path, kind: int) -> None:
    path = tmp_path / "empty.py"
    path.write_text("")
    assert_failed(embedded.ask(block(path), kind, *ARGUMENTS[kind]), NO_FUNCTION[kind], HEADS[kind].split("(")[0])
    path.write_text(f"{HEADS[kind].split('(')[0]} = 7\n")
    os.utime(path, (1e9, 1e9))
    assert_failed(embedded.ask(block(path), kind, *ARGUMENTS[kind]), 1003, "not callable")


def test_dispatch_order(ask: Ask) -> None:
    """All three in their order; the first that fails is the last."""
    top = """
        calls = []
        def application_group(environ):
            calls.append('a')
            return b'group'
        def callable_object(environ):
            return ''.join(calls)
    """
    decision = ask(DISPATCH, "calls.append('p')\nreturn 'one'", top=top)
    assert decision.texts == [b"one", b"group", b"pa"]
    top = """
        def application_group(environ):
            print('second')
            raise ValueError('no')
        def callable_object(environ):
            print('third')
    """
    decision = ask(DISPATCH, "print('first')", top=top)
    assert_failed(decision, 174, "application_group() in")
    assert "first" in decision.log
    assert "second" in decision.log
    assert "third" not in decision.log


@pytest.mark.parametrize(
    ("text", "code"),
    [("def broken(:\n", 105), ("raise ValueError\n", 109), ("import sys; sys.exit()\n", 107)],
)
def test_not_loaded(embedded: Embedded, tmp_path: Path, text: str, code: int) -> None:
    path = tmp_path / "broken.py"
    path.write_text(text)
    decision = embedded.ask(block(path), ACCESS, b"host", None)
    assert (decision.verdict, decision.code) == ("not loaded", code)


def test_reloading(embedded: Embedded, tmp_path: Path) -> None:
    """In place; a file that is gone is not obeyed any more; reload_required is never asked."""
    path = tmp_path / "decide.py"
    text = "def reload_required(path): raise SystemExit\ndef allow_access(environ, host): return "
    for turn, (result, verdict) in enumerate([("True", "yes"), ("False", "no"), ("None", "none")]):
        path.write_text(text + result)
        os.utime(path, (1e9 + turn, 1e9 + turn))
        for _ in range(2):
            decision = embedded.ask(block(path), ACCESS, b"host", None)
            assert decision.verdict == verdict
            assert "SystemExit" not in decision.log
    path.write_text(text + "False")
    os.utime(path, (2e9, 2e9))
    assert embedded.ask(block(path, flags=0), ACCESS, b"host", None).verdict == "none", "reloading is off"
    path.unlink()
    assert embedded.ask(block(path, flags=0), ACCESS, b"host", None).verdict == "none"
    decision = embedded.ask(block(path), ACCESS, b"host", None)
    assert (decision.verdict, decision.code) == ("not loaded", 105)
    assert "No such file" in decision.cause


# ---- what a script gets ----------------------------------------------------------------------

SHOW = "print(sorted((k, v if isinstance(v, (str, tuple)) else type(v).__name__) for k, v in environ.items()))"


def test_environ(ask: Ask) -> None:
    """R21: a small environ without a body; what belongs to serving is the application's."""
    decision = ask(ACCESS, SHOW + "\nprint(host)\nreturn True", group="other")
    for text in (
        "('REQUEST_METHOD', 'GET')", "('SCRIPT_NAME', '/a')", "('PATH_INFO', '/b')", "('apache.version', (2, 4, 62))",
        "('mod_wsgi.version', (6, 1, 1))", "('mod_wsgi.process_group', '')", "('mod_wsgi.application_group', 'other')",
        "('wsgi.errors', 'TextIOWrapper')", "('mod_ssl.is_https', 'builtin_function_or_method')", "192.0.2.7",
    ):  # fmt: skip
        assert text in decision.log
    for name in ("wsgi.input", "'wsgi.version", "callable_object", "request_id", "apache.request_rec"):
        assert name not in decision.log


def test_environ_of_dispatch(ask: Ask) -> None:
    decision = ask(DISPATCH, SHOW + "\nreturn None", group="other")
    for text in (
        "('mod_wsgi.request_handler', 'wsgi-script')", "('mod_wsgi.handler_script', '')", "('mod_wsgi.request_id', 'abc123')",
        "('mod_wsgi.script_name', '/a')", "('mod_wsgi.application_group', 'other')", "('mod_wsgi.server_pid', '4711')",
    ):  # fmt: skip
        assert text in decision.log
    for name in ("wsgi.input", "wsgi.version", "callable_object", "mod_ssl", "apache.version", "request_rec"):
        assert name not in decision.log


def test_functions_of_mod_ssl(ask: Ask) -> None:
    """They work until the function returns, and not after it."""
    body = """
        https, look = environ['mod_ssl.is_https'], environ['mod_ssl.var_lookup']
        print(https(), look('SSL_PROTOCOL'), look(b'SSL_PROTOCOL'), look('SSL_NOTHING'))
        for wrong in ('\\u1234', 7):
            try: look(wrong)
            except TypeError as error: print(error)
        for kept in sys.kept:
            try: kept()
            except RuntimeError as error: print(error)
        sys.kept[:] = [https, lambda: look('x')]
        return True
    """
    top = "import sys\nsys.kept = getattr(sys, 'kept', [])"
    first = ask(ACCESS, body, top=top)
    assert "1 TLSv9 Ö TLSv9 Ö None" in first.log
    assert "needs a latin-1 str or bytes, not a str with other characters" in first.log
    assert "not int" in first.log
    assert first.verdict == "yes"
    second = ask(ACCESS, body, top=top)
    assert second.log.count("after the end of its request") == 2


def test_request_rec(ask: Ask) -> None:
    """The capsule has no name while it is good, and cannot be opened any more after that."""
    body = """
        capsule = environ['apache.request_rec']
        pointer = ctypes.pythonapi.PyCapsule_GetPointer
        pointer.restype, pointer.argtypes = ctypes.c_void_p, [ctypes.py_object, ctypes.c_char_p]
        print('pointer', bool(pointer(capsule, None)))
        for kept in sys.kept:
            try: pointer(kept, None)
            except ValueError as error: print('kept', error)
        sys.kept[:] = [capsule]
        return True
    """
    top = "import ctypes, sys\nsys.kept = getattr(sys, 'kept', [])"
    assert "pointer True" in ask(ACCESS, body, top=top, native=True).log
    assert "kept PyCapsule_GetPointer called with incorrect name" in ask(ACCESS, body, top=top, native=True).log


def test_arguments_are_latin1(embedded: Embedded, tmp_path: Path) -> None:
    """R17: a name or password is bytes; any byte but NUL arrives, and no log shows it."""
    path = tmp_path / "decide.py"
    path.write_text("def check_password(environ, user, password):\n    return user == password[::-1] or 'bad'\n")
    every = bytes(range(1, 256))
    assert embedded.ask(block(path), PASSWORD, every, every[::-1]).verdict == "yes"
    dice = random.Random(17)
    for _ in range(300):
        raw = bytes(dice.randrange(1, 256) for _ in range(dice.randrange(1, 200)))
        decision = embedded.ask(block(path), PASSWORD, raw, raw[::-1])
        assert decision.verdict == "yes"
    assert embedded.ask(block(path), PASSWORD, b"u" * 9000, b"u" * 9000).verdict == "yes"


def test_output_goes_to_the_request(ask: Ask) -> None:
    """Also an incomplete last line."""
    decision = ask(ACCESS, "environ['wsgi.errors'].write('half a line')\nprint('whole')\nreturn True")
    assert "3 half a line" in decision.log
    assert "3 whole" in decision.log


def test_forked_process_does_not_answer(ask: Ask, embedded: Embedded) -> None:
    """A child that comes back out of the function ends there."""
    body = """
        if os.fork() == 0:
            return False
        os.wait()
        return True
    """
    for _ in range(3):
        assert ask(ACCESS, body, top="import os").verdict == "yes"
    assert embedded.command("rss")[0].startswith("rss ")


def test_threads_and_memory(embedded: Embedded, tmp_path: Path) -> None:
    """Many at once in two interpreters; nothing is left behind."""
    path = tmp_path / "decide.py"
    path.write_text("def groups_for_user(environ, user):\n    return ['group%d' % number for number in range(50)]\n")
    sizes = []
    for _ in range(3):
        for group in ("", "other"):
            decision = embedded.ask(block(path, group), GROUPS, b"somebody", None, threads=8, count=500)
            assert decision.count == 50
        sizes.append(int(embedded.command("rss")[0].split()[1]))
    assert sizes[2] - sizes[1] < 2048, sizes


def test_after_stop(embedded: Embedded, tmp_path: Path) -> None:
    path = tmp_path / "decide.py"
    path.write_text("def allow_access(environ, host): return True\n")
    assert embedded.ask(block(path), ACCESS, b"host", None).verdict == "yes"
    embedded.command("stop 5")
    assert_failed(embedded.ask(block(path), ACCESS, b"host", None), 210)


def test_a_question_is_not_run(embedded: Embedded, tmp_path: Path) -> None:
    """The block of a question has no application in it."""
    path = tmp_path / "decide.py"
    path.write_text("application = allow_access = lambda *more: True\n")
    reply = embedded.run(block(path))
    assert (reply.status, reply.code) == (500, 1001)


SHIM = """
import os, sys
here = os.path.dirname(__file__)
if os.path.exists(os.path.join(here, "broken")):
    raise ImportError("this interpreter is to fail")
del sys.modules["traceback"]
sys.path.remove(here)
import traceback
sys.path.insert(0, here)
"""


def test_no_interpreter(program: str, library: str, engine: str, python: str, tmp_path: Path) -> None:
    """Each kind of question has its own number for that; nothing is decided."""
    folder = tmp_path / "shim"
    folder.mkdir()
    (folder / "traceback.py").write_text(SHIM)
    path = tmp_path / "decide.py"
    path.write_text("def allow_access(environ, host): return True\n")
    made = Embedded(
        program, library, engine, python, tmp_path, {"PYTHONPATH": str(folder), "PYTHONDONTWRITEBYTECODE": "1"}
    )
    (folder / "broken").touch()
    for kind, code in {ACCESS: 54, PASSWORD: 42, REALM_HASH: 45, GROUPS: 48, DISPATCH: 86}.items():
        decision = made.ask(block(path, "new"), kind, *ARGUMENTS[kind])
        assert_failed(decision, code, "application group 'new'", str(path))
    assert made.ask(block(path), ACCESS, b"host", None).verdict == "yes"
    (folder / "broken").unlink()
    assert made.ask(block(path, "new"), ACCESS, b"host", None).verdict == "yes"
    assert made.end() == 0
