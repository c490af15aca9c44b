# SPDX-License-Identifier: Apache-2.0
"""What an application may do in a request, and what comes of it."""

from __future__ import annotations

import json
import re
import textwrap

from pathlib import Path

import pytest

from conftest import Host
from wirefront import HTTPS, INITIAL_CREDIT, RELOADING, Answer, request_block

HELLO = """
    def application(environ, start_response):
        start_response('200 OK', [('Content-Type', 'text/plain')])
        return [b'hello']
"""


def app(body: str, top: str = "") -> str:
    """A script whose application has `body` after `start_response`-less beginning."""
    lines = "\n".join("    " + line for line in body.strip("\n").split("\n"))
    return f"{textwrap.dedent(top)}\ndef application(environ, start_response):\n{lines}\n"


OK = "start_response('200 OK', [('Content-Type', 'text/plain')])\n"


def assert_fine(answer: Answer) -> None:
    assert answer.end.status == 0, (answer.end, answer.log_text)
    assert answer.end.code == 0
    assert not answer.end.truncated


def test_hello_leaves_in_one_piece(host: Host) -> None:
    answer = host.get(HELLO)
    assert_fine(answer)
    assert answer.status == "200 OK"
    assert answer.body == b"hello"
    assert answer.headers == [("Content-Type", "text/plain"), ("Content-Length", "5")]
    assert [f for f in answer.types() if f != "LOG"] == ["HEAD", "DATA", "END"]


def test_environ(host: Host) -> None:
    answer = host.get(
        app(OK + "return [json.dumps({k: repr(v) for k, v in environ.items()}).encode()]", "import json"),
        "grp|app",
        environ={
            "HTTP_X_ODD": "caf\xe9",
            "wsgi.errors": "spoofed",
            "mod_wsgi.thread_id": "spoofed",
            "DOCUMENT_ROOT": "/srv/\xc3\xa9",
            "MY_VAR": "set",
        },
        flags=RELOADING | HTTPS,
    )
    assert_fine(answer)
    environ = json.loads(answer.body)
    expected = {
        "wsgi.version": "(1, 0)",
        "wsgi.url_scheme": "'https'",
        "wsgi.multithread": "True",
        "wsgi.multiprocess": "False",
        "wsgi.run_once": "False",
        "wsgi.input_terminated": "True",
        "wsgi.file_wrapper": "<class 'mod_wsgi.FileWrapper'>",
        "apache.version": "(2, 4, 62)",
        "mod_wsgi.version": "(6, 1, 1)",
        "mod_wsgi.process_group": "'grp'",
        "mod_wsgi.application_group": "'grp|app'",
        "mod_wsgi.callable_object": "'application'",
        "mod_wsgi.request_handler": "'wsgi-script'",
        "mod_wsgi.handler_script": "''",
        "mod_wsgi.script_name": "'/app'",
        "mod_wsgi.path_info": "'/path'",
        "mod_wsgi.listener_host": "''",
        "mod_wsgi.listener_port": "'8080'",
        "mod_wsgi.server_pid": "'4711'",
        "mod_wsgi.request_id": "'abc123'",
        "HTTP_X_ODD": repr("caf\xe9"),
        "MY_VAR": "'set'",
        "DOCUMENT_ROOT": repr("/srv/\xe9"),
        "PATH_INFO": "'/path'",
        "QUERY_STRING": "'a=b'",
    }
    for name, value in expected.items():
        assert environ.get(name) == value, name
    for name in ("request_start", "queue_start", "daemon_start", "application_start"):
        assert float(environ["mod_wsgi." + name]) > 1.7e9
    assert int(environ["mod_wsgi.thread_id"]) >= 1
    assert "TextIOWrapper" in environ["wsgi.errors"]
    assert "mod_wsgi.Input" in environ["wsgi.input"]
    assert "mod_wsgi.connection_id" not in environ


def test_two_requests_do_not_share_an_environ(host: Host) -> None:
    script = host.script(app(OK + "seen = environ.get('mine'); environ['mine'] = 1\nreturn [repr(seen).encode()]"))
    with host.start().front() as front:
        for _ in range(3):
            assert front.run(request_block(script)).body == b"None"


@pytest.mark.parametrize(
    ("result", "body", "length"),
    [
        ("[b'a', b'b']", b"ab", "2"),
        ("(b'a', b'', b'b')", b"ab", "2"),
        ("[]", b"", "0"),
        ("[b'x' * 1000000]", b"x" * 1000000, "1000000"),
        ("[b'x' * 70000, b'y' * 70000]", b"x" * 70000 + b"y" * 70000, "140000"),
        ("iter([b'a', b'b'])", b"ab", None),
        ("(c for c in [b'', b'a', b'b'])", b"ab", None),
        ("iter([])", b"", "0"),
        ("iter([b'x' * 200000])", b"x" * 200000, None),
        ("type('L', (list,), {})([b'a', b'b'])", b"ab", None),
        ("[type('B', (bytes,), {})(b'sub')]", b"sub", "3"),
    ],
)
def test_results(host: Host, result: str, body: bytes, length: str | None) -> None:
    answer = host.get(app(OK + f"return {result}"))
    assert_fine(answer)
    assert answer.body == body
    assert answer.header("Content-Length") == length


@pytest.mark.parametrize("status", ["204 No Content", "304 Not Modified"])
def test_no_length_where_none_belongs(host: Host, status: str) -> None:
    answer = host.get(app(f"start_response('{status}', [])\nreturn []"))
    assert_fine(answer)
    assert answer.header("Content-Length") is None


def test_no_length_for_head(host: Host) -> None:
    answer = host.get(app(OK + "return []"), method="HEAD")
    assert_fine(answer)
    assert answer.header("Content-Length") is None


def test_own_length_is_kept(host: Host) -> None:
    answer = host.get(app("start_response('200 OK', [('content-length', '3')])\nreturn [b'abcdef']"))
    assert_fine(answer)
    assert answer.headers == [("content-length", "3")]
    assert answer.body == b"abcdef", "the surplus is cut by the Apache side"


def test_each_block_of_a_generator_leaves_at_once(host: Host) -> None:
    script = host.script(app(OK + "yield b'one'\nE.wait(10)\nyield b'two'", "import threading\nE = threading.Event()"))
    release = host.script(
        "import __main__\n"
        + app(
            OK
            + "[m for n, m in sys.modules.items() if n.startswith('_mod_wsgi_') and hasattr(m, 'E')][0].E.set()\nreturn []",
            "import sys",
        ),
        "release.wsgi",
    )
    daemon = host.start()
    with daemon.front() as front, daemon.front() as other:
        front.begin(request_block(script))
        answer = Answer()
        while not answer.body:
            front.take(answer)
        assert answer.body == b"one"
        assert not front.readable(0.2)
        assert_fine(other.run(request_block(release)))
        rest = Answer(status="seen")
        while rest.outcome is None:
            front.take(rest)
        assert rest.body == b"two"


def test_write_and_iterable(host: Host) -> None:
    answer = host.get(app("write = " + OK + "write(b'first ')\nwrite(b'')\nreturn [b'second']"))
    assert_fine(answer)
    assert answer.body == b"first second"
    assert answer.header("Content-Length") is None


def test_write_of_nothing_commits_the_head(host: Host) -> None:
    answer = host.get(app("write = " + OK + "write(b'')\nstart_response('201 Created', [])\nreturn []"))
    assert answer.status == "200 OK"
    assert answer.end.truncated
    assert "called again" in answer.end.cause


CLOSING = """
class Closing:
    count = 0
    def __init__(self, blocks):
        self.blocks = iter(blocks)
    def __iter__(self):
        return self
    def __next__(self):
        block = next(self.blocks)
        if isinstance(block, Exception):
            raise block
        return block
    def close(self):
        Closing.count += 1
        print('closed', Closing.count)
"""


@pytest.mark.parametrize(
    "blocks",
    ["[b'a', b'b']", "[]", "[ValueError('x')]", "[b'a', ValueError('x')]", "['text']", "[b'a', 7]", "[b'z' * 10**6]"],
)
@pytest.mark.parametrize("head", [OK, ""])
def test_close_runs_exactly_once(host: Host, blocks: str, head: str) -> None:
    answer = host.get(app(head + f"return Closing({blocks})", CLOSING))
    assert answer.log_text.count("closed") == 1
    assert "closed 1" in answer.log_text


def test_close_of_a_generator(host: Host) -> None:
    answer = host.get(
        app(
            OK + "return generate()",
            "def generate():\n    try:\n        yield 'text'\n    finally:\n        print('closed')",
        )
    )
    assert answer.log_text.count("closed") == 1
    assert answer.end.code == 1004


def test_close_that_fails_is_logged(host: Host) -> None:
    answer = host.get(
        app(
            OK + "return Bad([b'x'])",
            CLOSING + "class Bad(Closing):\n    def close(self):\n        raise KeyError('no')",
        )
    )
    assert_fine(answer)
    assert answer.body == b"x"
    assert "close() of the iterable" in answer.log_text
    assert "KeyError: 'no'" in answer.log_text


def test_close_runs_when_the_client_leaves(host: Host) -> None:
    script = host.script(
        app(
            OK + "return Endless()",
            "import os, sys\nclass Endless:\n    def __iter__(self):\n        return self\n"
            "    def __next__(self):\n        return b'x' * 10000\n"
            "    def close(self):\n        open(os.path.dirname(__file__) + '/closed', 'a').write('x')\n",
        )
    )
    daemon = host.start()
    with daemon.front() as front:
        front.begin(request_block(script))
        answer = Answer()
        while not answer.body:
            front.take(answer)
    closed = script.parent / "closed"
    with daemon.front() as front:  # by CANCEL, the connection stays
        front.begin(request_block(script))
        answer = Answer()
        while not answer.body:
            front.take(answer)
        from wirefront import Frame

        front.send(Frame("CANCEL", sequence=front.sequence))
        while answer.outcome is None:
            front.take(answer)
        assert answer.end.code == 1008
        assert answer.end.silent == 1
        assert_fine(front.run(request_block(host.script(HELLO, "hello.wsgi"))))
    for _ in range(500):
        if closed.exists() and closed.read_text() == "xx":
            break
        import time

        time.sleep(0.01)
    assert closed.read_text() == "xx"
    assert "Traceback" not in daemon.log


# ---- start_response ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("call", "cause"),
    [
        ("start_response('200', [])", ""),
        ("start_response('999 Odd', [])", ""),
        ("start_response('200 OK', [], None)", ""),
        ("start_response('200OK', [])", "three digits"),
        ("start_response('20 OK', [])", "three digits"),
        ("start_response('100 Continue', [])", "from 200 to 999"),
        ("start_response('200 O\\nK', [])", "control character"),
        ("start_response('200 \\u20ac', [])", "latin-1"),
        ("start_response(b'200 OK', [])", "status must be str, not bytes"),
        ("start_response('200 OK', ())", "must be a list"),
        ("start_response('200 OK', {})", "must be a list"),
        ("start_response('200 OK', [['A', 'b']])", "tuple of name and value"),
        ("start_response('200 OK', [('A', 'b', 'c')])", "tuple of name and value"),
        ("start_response('200 OK', [('A', 7)])", "value must be str, not int"),
        ("start_response('200 OK', [(b'A', 'b')])", "name must be str, not bytes"),
        ("start_response('200 OK', [('X-A', 'b\\r\\nc: d')])", "'X-A'"),
        ("start_response('200 OK', [('X-A', 'b\\0c')])", "'X-A'"),
        ("start_response('200 OK', [('X A', 'b')])", "'X A'"),
        ("start_response('200 OK', [('', 'b')])", "empty"),
        ("start_response('200 OK', [('X-A', '\\u20ac')])", "latin-1"),
        ("start_response('200 OK', [('Content-Length', '-1')])", "'Content-Length'"),
        ("start_response('200 OK', [('Content-Length', 'x')])", "'Content-Length'"),
        ("start_response('200 OK', [('Content-Length', '1'), ('Content-length', '2')])", "two Content-Length"),
        ("start_response('200 OK', [('X-%d' % i, 'y') for i in range(1001)])", "more than 1000"),
        ("start_response('200 OK', [('X', 'y' * 2000000)])", "more than 1000"),
        ("start_response('200 OK')", "takes 2 or 3"),
        ("start_response('200 OK', [], 7)", "exc_info"),
    ],
)
def test_start_response(host: Host, call: str, cause: str) -> None:
    answer = host.get(app(f"{call}\nreturn []"))
    if not cause:
        assert_fine(answer)
        return
    assert answer.end.status == 500
    assert cause in answer.end.cause
    assert not answer.status, "no head may have been sent"
    assert "Traceback" in answer.log_text
    assert answer.end.code in (1002, 174)


def test_hop_by_hop_headers_are_dropped(host: Host) -> None:
    answer = host.get(
        app(
            "start_response('200 OK', [('Connection', 'close'), ('transfer-encoding', 'chunked'), ('X-Y', 'z')])\nreturn []"
        )
    )
    assert_fine(answer)
    assert answer.headers == [("X-Y", "z"), ("Content-Length", "0")]


def test_a_later_start_response_replaces(host: Host) -> None:
    answer = host.get(
        app(
            "start_response('200 OK', [('Content-Length', '9'), ('A', 'b')])\n"
            + "start_response('404 Gone', [('C', 'd')])\nreturn [b'x']"
        )
    )
    assert_fine(answer)
    assert answer.status == "404 Gone"
    assert answer.headers == [("C", "d"), ("Content-Length", "1")]


def test_exc_info_before_the_head_is_sent(host: Host) -> None:
    answer = host.get(
        app(
            OK
            + "try:\n    1 / 0\nexcept ZeroDivisionError:\n    start_response('500 Oops', [], sys.exc_info())\nreturn [b'sorry']",
            "import sys",
        )
    )
    assert_fine(answer)
    assert answer.status == "500 Oops"


def test_exc_info_after_the_head_is_sent(host: Host) -> None:
    answer = host.get(
        app(
            "write = " + OK + "write(b'part')\ntry:\n    1 / 0\nexcept ZeroDivisionError:\n"
            "    start_response('500 Oops', [], sys.exc_info())\nreturn [b'sorry']",
            "import sys",
        )
    )
    assert answer.status == "200 OK"
    assert answer.body == b"part"
    assert answer.end.truncated
    assert answer.end.code == 174
    assert "ZeroDivisionError" in answer.end.cause
    assert "1 / 0" in answer.log_text


# ---- failures --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "code", "cause"),
    [
        ("raise ValueError('boom')", 174, "ValueError: boom"),
        (OK + "raise ValueError('boom')", 174, "ValueError: boom"),
        ("sys.exit(3)", 175, "SystemExit: 3"),
        ("raise KeyboardInterrupt()", 174, "KeyboardInterrupt"),
        ("raise type('Odd', (BaseException,), {})('x')", 174, "Odd: x"),
        (OK + "return None", 1004, "NoneType"),
        (OK + "return 7", 1004, "int"),
        (OK + "return 'text'", 1004, "returned str"),
        (OK + "return b'text'", 1004, "returned bytes"),
        (OK + "return ['text']", 1004, "item 0 is str, bytes are needed"),
        (OK + "return [b'a', 'b']", 1004, "item 1 is str, bytes are needed"),
        (OK + "return iter(['text'])", 1004, "item 0 is str, bytes are needed"),
        (OK + "return [bytearray(b'a')]", 1004, "bytearray"),
        (OK + "return iter([memoryview(b'a')])", 1004, "memoryview"),
        ("return [b'x']", 1004, "start_response"),
        ("return []", 1004, "start_response"),
        ("return iter([b'x'])", 1004, "start_response"),
        ("(" + OK.strip() + ")('text')\nreturn []", 1004, "write() needs bytes, not str"),
        (OK + "return type('I', (), {'__iter__': lambda s: 1 / 0})()", 174, "ZeroDivisionError"),
        ("raise type('Evil', (Exception,), {'__str__': lambda s: 1 / 0})()", 174, "Evil"),
        ("raise ValueError('a\\nb\\x1b[1m')", 174, "ValueError: a"),
        ("raise ValueError('\\ud800')", 174, "\\ud800"),
    ],
)
def test_failures_before_the_head(host: Host, text: str, code: int, cause: str) -> None:
    answer = host.get(app(text, "import sys"))
    assert answer.end.status == 500
    assert answer.end.code == code, answer.end
    assert cause in answer.end.cause
    assert "app.wsgi" in answer.end.cause
    assert not answer.end.truncated
    assert not answer.status
    assert "\n" not in answer.end.cause
    assert "\x1b" not in answer.end.cause
    if code in (174, 175):
        assert "Traceback (most recent call last)" in answer.log_text
        assert all(level == 3 for level, text in answer.logs if "Traceback" in text)


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("yield b'a'\nraise ValueError('late')", 174),
        ("yield b'a'\nyield 'b'", 1004),
        ("yield b'a'\nraise SystemExit", 175),
    ],
)
def test_failures_after_the_head(host: Host, text: str, code: int) -> None:
    answer = host.get(app(OK + text))
    assert answer.status == "200 OK"
    assert answer.body == b"a"
    assert answer.end.truncated
    assert answer.end.code == code
    assert answer.end.status == 500


def test_a_str_body_says_what_to_do(host: Host) -> None:
    answer = host.get(app(OK + "return ['text']"))
    assert "bytes are needed" in answer.end.cause
    assert "encode" in answer.end.cause


# ---- scripts ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "status", "code", "cause"),
    [
        ("def application(:\n", 500, 105, "SyntaxError"),
        ("x = '\0'\n", 500, 105, "null bytes"),
        ("# coding: nonsense\n", 500, 105, "nonsense"),
        ("raise ImportError('no module')\n", 500, 109, "ImportError: no module"),
        ("import sys; sys.exit('bye')\n", 500, 107, "SystemExit: bye"),
        ("x = 1\n", 500, 89, "does not define 'application'"),
        ("application = 7\n", 500, 1003, "'application' of script"),
    ],
)
def test_script_failures(host: Host, text: str, status: int, code: int, cause: str) -> None:
    answer = host.get(text)
    assert (answer.end.status, answer.end.code) == (status, code), answer.end
    assert cause in answer.end.cause
    assert "app.wsgi" in answer.end.cause
    if code in (105, 107, 109):
        assert answer.logs, "a traceback belongs into the log"
    # It is tried again, and works once it is repaired.
    script = host.script(HELLO)
    with host.daemons[0].front() as front:
        again = front.run(request_block(script))
        if code in (89, 1003):
            assert again.reject, "it had been loaded: a new process is wanted"
        else:
            assert again.body == b"hello"


def test_script_that_cannot_be_read(host: Host, tmp_path: Path) -> None:
    daemon = host.start()
    with daemon.front() as front:
        answer = front.run(request_block(tmp_path / "missing.wsgi"))
        assert (answer.end.status, answer.end.code) == (500, 105)
        assert "No such file" in answer.end.cause
        answer = front.run(request_block(tmp_path))
        assert "Is a directory" in answer.end.cause


def test_module_of_a_script(host: Host) -> None:
    answer = host.get(
        "# -*- coding: latin-1 -*-\nimport sys, dataclasses\n@dataclasses.dataclass\nclass D:\n    x: int = 1\nname = __name__\n"
        "registered = sys.modules[__name__].__dict__ is globals()\nearly = '__mtime__' in globals()\n"
        + app(OK + "return [repr((name, __file__, type(__mtime__).__name__, registered, early, sys.argv)).encode()]")
    )
    import hashlib

    path = str(host.directory / "app.wsgi")
    name = "_mod_wsgi_" + hashlib.md5(path.encode()).hexdigest()
    assert answer.body.decode() == repr((name, path, "int", True, False, ["mod_wsgi"]))


def test_other_callable_name(host: Host) -> None:
    answer = host.get(HELLO.replace("application", "other"), callable_name="other")
    assert answer.body == b"hello"


# ---- input --------------------------------------------------------------------------------------------

ECHO = app(OK + "data = environ['wsgi.input'].read()\nreturn [data]")
SIZES = [
    0,
    1,
    100,
    65535,
    65536,
    65537,
    INITIAL_CREDIT,
    INITIAL_CREDIT + 65536,
    INITIAL_CREDIT + 65537,
    1 << 20,
    10 << 20,
]


def payload(size: int) -> bytes:
    block = bytes(range(256)) * 31 + b"\n"
    return (block * (size // len(block) + 1))[:size]


@pytest.mark.parametrize("known", [True, False])
@pytest.mark.parametrize("expect", [True, False])
def test_body_sizes(host: Host, known: bool, expect: bool) -> None:
    script = host.script(ECHO)
    with host.start().front() as front:
        for size in SIZES:
            data = payload(size)
            answer = front.run(request_block(script, body=size if known else -1), data, expect)
            assert_fine(answer)
            assert answer.body == data, size


@pytest.mark.parametrize(
    ("code", "data", "expected"),
    [
        ("i.read(3), i.read(3), i.read(), i.read(), i.read(5)", b"abcdefgh", (b"abc", b"def", b"gh", b"", b"")),
        ("i.read(0), i.read(-1)", b"abc", (b"", b"abc")),
        ("i.read(None),", b"abc", (b"abc",)),
        ("i.read(100),", b"abc", (b"abc",)),
        ("i.readline(), i.readline(), i.readline(), i.readline()", b"a\nbc\nd", (b"a\n", b"bc\n", b"d", b"")),
        ("i.readline(2), i.readline(1), i.readline(0), i.readline(9)", b"abcd\ne", (b"ab", b"c", b"", b"d\n")),
        ("i.readlines(),", b"a\nb\nc", ([b"a\n", b"b\n", b"c"],)),
        ("i.readlines(3), i.read()", b"a\nb\nc\n", ([b"a\n", b"b\n"], b"c\n")),
        ("list(i),", b"a\n\nb", ([b"a\n", b"\n", b"b"],)),
        ("i.readline(), i.read(2), i.read()", b"a\nbcdef", (b"a\n", b"bc", b"def")),
        ("i.close(), i.read()", b"abc", (None, b"abc")),
        ("len(i.readline()), i.readline()", b"x" * 300000 + b"\ny", (300001, b"y")),
    ],
)
def test_input_methods(host: Host, code: str, data: bytes, expected: object) -> None:
    answer = host.get(app(OK + f"i = environ['wsgi.input']\nreturn [repr(({code})).encode()]"), data=data)
    assert_fine(answer)
    assert answer.body.decode() == repr(expected)


def test_no_body(host: Host) -> None:
    answer = host.get(app(OK + "i = environ['wsgi.input']\nreturn [repr((i.read(), i.readline(), list(i))).encode()]"))
    assert answer.body == b"(b'', b'', [])"


def test_wrong_arguments_of_read(host: Host) -> None:
    for call in ("read('x')", "read(1, 2)", "readline(1.5)"):
        script = host.script(app(OK + f"environ['wsgi.input'].{call}\nreturn []"), f"{abs(hash(call))}.wsgi")
        with (host.daemons[-1] if host.daemons else host.start()).front() as front:
            assert "TypeError" in front.run(request_block(script)).end.cause


def test_boundaries_of_frames(host: Host) -> None:
    """read(n) is exact however the front cut the body."""
    from wirefront import FIN, MORE_BODY

    script = host.script(
        app(OK + "i = environ['wsgi.input']\nparts = [i.read(7) for _ in range(4)]\nreturn [repr(parts).encode()]")
    )
    with host.start().front() as front:
        front.begin(request_block(script, body=22), b"abc", MORE_BODY)
        for piece in (b"d", b"", b"efghij", b"klmnopqrstu"):
            front.body(piece)
        front.body(b"v", FIN)
        answer = front.collect()
        assert answer.body.decode() == repr([b"abcdefg", b"hijklmn", b"opqrstu", b"v"])


@pytest.mark.parametrize(
    ("aux", "status", "words"),
    [(408, 408, "slowly"), (413, 413, "larger"), (400, 400, "malformed"), (0, 500, "cannot be read")],
)
def test_aborted_body(host: Host, aux: int, status: int, words: str) -> None:
    from wirefront import ABORT, MORE_BODY

    script = host.script(ECHO)
    sticky = host.script(
        app(
            OK
            + "r = []\nfor _ in range(2):\n    try:\n        environ['wsgi.input'].read()\n    except OSError as e:\n        r.append(str(e))\n"
            "return [repr(r).encode()]"
        ),
        "sticky.wsgi",
    )
    with host.start().front() as front:
        front.begin(request_block(script, body=-1), b"part", MORE_BODY)
        front.body(b"", ABORT, aux)
        answer = front.collect()
        assert (answer.end.status, answer.end.code) == (status, 126)
        assert words in answer.end.cause
        front.begin(request_block(sticky, body=-1), b"part", MORE_BODY)
        front.body(b"", ABORT, aux)
        answer = front.collect()
        assert answer.body.count(words.encode()) == 2


def test_unread_body_does_not_disturb_the_next_request(host: Host) -> None:
    from wirefront import FIN, MORE_BODY

    hello, echo = host.script(HELLO), host.script(ECHO, "echo.wsgi")
    some = host.script(app(OK + "return [environ['wsgi.input'].read(10)]"), "some.wsgi")
    with host.start().front() as front:
        for script in (hello, some, hello, some):
            front.begin(request_block(script, body=400000), b"x" * 1000, MORE_BODY)
            for _ in range(3):
                front.body(b"y" * 65536)
            assert_fine(front.collect())
            front.body(b"late" * 1000, FIN)  # of the former request: stale
            assert front.run(request_block(echo, body=5), b"exact").body == b"exact"


def test_unread_body_gets_no_credit(host: Host) -> None:
    from wirefront import EXPECT, MORE_BODY

    with host.start().front() as front:
        front.begin(request_block(host.script(HELLO), body=1 << 20), flags=MORE_BODY | EXPECT)
        answer = front.collect()
        assert "WANT" not in answer.types()


def test_client_leaves_while_its_body_is_read(host: Host) -> None:
    from wirefront import MORE_BODY, Frame

    daemon = host.start()
    with daemon.front() as front:
        front.begin(request_block(host.script(ECHO), body=100), b"part", MORE_BODY)
        front.send(Frame("CANCEL", sequence=front.sequence))
        answer = front.collect()
        assert (answer.end.code, answer.end.silent) == (1008, 1)
        assert "Traceback" not in answer.log_text


def test_use_after_the_request(host: Host) -> None:
    script = host.script(
        app(
            OK + "results = []\nif KEPT:\n    w, i, s = KEPT\n"
            "    for f in (lambda: w(b'x'), i.read, i.readline, lambda: list(i), lambda: s('200 OK', [])):\n"
            "        try:\n            f()\n        except RuntimeError as e:\n            results.append('end of its request' in str(e))\n"
            "w = start_response('200 OK', [])\nKEPT[:] = [w, environ['wsgi.input'], start_response]\nreturn [repr(results).encode()]",
            "KEPT = []",
        )
    )
    with host.start().front() as front:
        assert front.run(request_block(script)).body == b"[]"
        assert front.run(request_block(script)).body == repr([True] * 5).encode()


def test_input_and_write_from_another_thread(host: Host) -> None:
    answer = host.get(
        app(
            "write = "
            + OK
            + "r = []\ndef work():\n    r.append(environ['wsgi.input'].read())\n    write(b'from thread ')\n"
            "t = threading.Thread(target=work)\nt.start()\nt.join()\nreturn r",
            "import threading",
        ),
        data=b"body",
    )
    assert_fine(answer)
    assert answer.body == b"from thread body"


def test_thread_that_still_reads_when_the_request_ends(host: Host) -> None:
    from wirefront import FIN, MORE_BODY

    script = host.script(
        app(
            OK + "def work():\n    try:\n        environ['wsgi.input'].read()\n    except RuntimeError as e:\n"
            "        open(__file__ + '.seen', 'w').write(str(e))\n"
            "threading.Thread(target=work).start()\ntime.sleep(0.1)\nreturn [b'done']",
            "import threading, time",
        )
    )
    with host.start().front() as front:
        front.begin(request_block(script, body=100), b"part", MORE_BODY)
        answer = Answer()
        import time

        time.sleep(0.3)
        front.body(b"more")
        time.sleep(0.1)
        front.body(b"", FIN)
        while answer.outcome is None:
            front.take(answer)
        assert answer.body == b"done"
        assert_fine(front.run(request_block(host.script(HELLO, "h.wsgi"))))


# ---- file wrapper ------------------------------------------------------------------------------------------


@pytest.fixture
def data_file(tmp_path: Path) -> Path:
    path = tmp_path / "data.bin"
    path.write_bytes(payload(300000))
    return path


@pytest.mark.parametrize(
    ("make", "seek", "fast"),
    [
        ("open(F, 'rb')", 0, True),
        ("open(F, 'rb')", 1000, True),
        ("open(F, 'rb', buffering=0)", 10, True),
        ("open(F, 'r+b')", 5, True),
        ("open(F, 'rb')", 400000, True),
        ("io.BytesIO(open(F, 'rb').read())", 3, False),
        ("gzip.open(G, 'rb')", 0, False),
        ("io.BufferedReader(gzip.open(G, 'rb'))", 0, False),
        ("type('W', (), {'read': (lambda s, n: f.read(n))})()", 0, False),
        ("type('W', (), {'read': f.read, 'fileno': f.fileno, 'tell': f.tell})()", 0, True),
    ],
)
def test_file_wrapper(host: Host, data_file: Path, make: str, seek: int, fast: bool) -> None:
    top = (
        f"import io, gzip\nF = {str(data_file)!r}\nG = F + '.gz'\nf = open(F, 'rb')\n"
        "with gzip.open(G, 'wb') as g:\n    g.write(f.read())\nf.seek(0)\n"
    )
    text = (
        OK
        + f"file = {make}\n"
        + (f"file.seek({seek})\n" if seek else "")
        + "return environ['wsgi.file_wrapper'](file, 1000)"
    )
    answer = host.get(app(text, top))
    assert_fine(answer)
    data = data_file.read_bytes()[seek:]
    assert answer.body == data
    assert ("FILE" in answer.types()) == fast
    assert answer.header("Content-Length") == (str(len(data)) if fast else None)


def test_file_wrapper_with_own_length(host: Host, data_file: Path) -> None:
    text = f"start_response('200 OK', [('Content-Length', '123')])\nreturn environ['wsgi.file_wrapper'](open({str(data_file)!r}, 'rb'))"
    answer = host.get(app(text))
    assert answer.body == data_file.read_bytes()[:123]
    assert answer.headers == [("Content-Length", "123")]


def test_file_wrapper_after_write(host: Host, data_file: Path) -> None:
    text = "write = " + OK + f"write(b'head ')\nreturn environ['wsgi.file_wrapper'](open({str(data_file)!r}, 'rb'))"
    answer = host.get(app(text))
    assert answer.body == b"head " + data_file.read_bytes()
    assert "FILE" not in answer.types()


def test_file_wrapper_object(host: Host) -> None:
    answer = host.get(
        app(
            OK + "W = environ['wsgi.file_wrapper']\nr = []\nf = io.BytesIO(b'abcdef')\nw = W(f, 4)\n"
            "r += [w.filelike is f, w.blksize, W(f).blksize, list(w)]\nw.close()\nr += [f.closed]\n"
            "for g in (lambda: w.filelike, lambda: list(w)):\n    try:\n        g()\n    except ValueError:\n        r.append('ValueError')\n"
            "w.close()\n"
            "try:\n    W(f, -1)\nexcept ValueError:\n    r.append('negative')\n"
            "try:\n    list(W(io.StringIO('x')))\nexcept TypeError:\n    r.append('text')\n"
            "class Sub(W):\n    pass\nr.append(list(Sub(io.BytesIO(b'xyz'), 2)))\n"
            "import mod_wsgi\nr.append(mod_wsgi.FileWrapper is W)\n"
            "for _ in range(1000):\n    s = Sub(io.BytesIO(b'a')); s.me = s\ndel s\ngc.collect()\n"
            "return [repr(r).encode()]",
            "import io, gc",
        )
    )
    assert_fine(answer)
    assert answer.body.decode() == repr(
        [True, 4, 8192, [b"abcd", b"ef"], True, "ValueError", "ValueError", "negative", "text", [b"xy", b"z"], True]
    )


def test_file_wrapper_closes_the_file(host: Host, data_file: Path) -> None:
    script = host.script(
        app(
            OK
            + f"if FILES:\n    return [repr(FILES[0].closed).encode()]\nf = open({str(data_file)!r}, 'rb')\nFILES.append(f)\n"
            "return environ['wsgi.file_wrapper'](f)",
            "FILES = []",
        )
    )
    with host.start().front() as front:
        assert front.run(request_block(script)).body == data_file.read_bytes()
        assert front.run(request_block(script)).body == b"True"


# ---- streams ---------------------------------------------------------------------------------------------------


def test_streams(host: Host) -> None:
    answer = host.get(
        app(
            OK
            + "e = environ['wsgi.errors']\ne.write('one\\ntwo')\nprint('out')\nprint(' err', file=sys.stderr)\ne.write(' more\\n')\n"
            "e.writelines(['three\\n', 'fo'])\ne.flush()\ne.write('held')\nprint('\\u20ac \\ud800')\nsys.stderr.buffer.write(b'raw\\n')\n"
            "sys.stdout.buffer.write(memoryview(b'view\\n'))\nprint('a' * 20000)\n"
            "f = []\ntry:\n    e.fileno()\nexcept OSError:\n    f.append('OSError')\n"
            "e.close()\nf += [e.closed, e.isatty(), e.encoding, e.errors, e.writable(), e.readable(), e.seekable(), sys.stderr.name]\n"
            "return [repr(f).encode()]",
            "import sys",
        )
    )
    assert_fine(answer)
    assert answer.body.decode() == repr(["OSError", False, False, "utf-8", "replace", True, False, False, "<stderr>"])
    texts = [text for level, text in answer.logs if level == 3]
    assert texts[:3] == ["one", "out", " err"]
    for text in ("two more", "three", "fo", "held", "\u20ac ?", "raw", "view", "a" * 8192, "a" * 3616):
        assert text in texts, (text, [t[:50] for t in texts])
    assert answer.types()[-2:] != ["END", "LOG"]


def test_output_of_other_threads_goes_to_the_process(host: Host) -> None:
    answer = host.get(
        app(
            OK + "t = threading.Thread(target=lambda: print('from elsewhere'))\nt.start()\nt.join()\nreturn []",
            "import threading",
        )
    )
    assert "elsewhere" not in answer.log_text
    assert host.daemons[0].wait_log("\x013from elsewhere")


def test_output_while_importing(host: Host) -> None:
    answer = host.get("print('importing')\n" + app(OK + "return []"))
    assert "importing" in answer.log_text


# ---- modules ------------------------------------------------------------------------------------------------------


def test_modules(host: Host) -> None:
    daemon = host.start(threads=3, processes=4)
    script = host.script(
        app(
            OK
            + "r = {n: getattr(mod_wsgi, n) for n in ('version', 'build', 'process_group', 'application_group', 'maximum_processes', 'threads_per_process')}\n"
            "r['apache'] = {n: getattr(apache, n) for n in ('version', 'description', 'mpm_name', 'build_date', 'maximum_processes', 'threads_per_process')}\n"
            "return [json.dumps(r).encode()]",
            "import apache, json, mod_wsgi",
        )
    )
    with daemon.front() as front:
        found = json.loads(front.run(request_block(script, "the group")).body)
        assert found == {
            "version": [6, 1, 1],
            "build": found["build"],
            "process_group": "grp",
            "application_group": "the group",
            "maximum_processes": 4,
            "threads_per_process": 3,
            "apache": {
                "version": [2, 4, 62],
                "description": "Apache/2.4.62 (Test)",
                "mpm_name": "event",
                "build_date": "2026-01-01T00:00:00",
                "maximum_processes": 16,
                "threads_per_process": 25,
            },
        }
        assert re.fullmatch(r"\d+\.\d+\.\d+", found["build"])


def test_closed_types(host: Host) -> None:
    answer = host.get(
        app(
            OK + "r = []\nfor o in (environ['wsgi.input'], start_response.__self__, environ['wsgi.errors'].buffer):\n"
            "    try:\n        type(o)()\n    except TypeError:\n        r.append(type(o).__module__ + '.' + type(o).__name__)\nreturn [repr(r).encode()]"
        )
    )
    assert answer.body.decode() == repr(["mod_wsgi.Input", "mod_wsgi.Adapter", "mod_wsgi.Log"])


def test_signal_is_intercepted(host: Host) -> None:
    answer = host.get(
        app(
            OK + "def h(*a): pass\nr = signal.signal(signal.SIGTERM, h)\nreturn [repr(r is h).encode()]",
            "import signal",
        )
    )
    assert answer.body == b"True"
    assert "signal 15 ignored" in answer.log_text


def test_wsgiref_validator(host: Host) -> None:
    answer = host.get(
        app(
            "assert environ['wsgi.input'].read(3) == b'abc'\nassert environ['wsgi.input'].readline(10) == b'd\\n'\nenviron['wsgi.errors'].write('x')\n"
            "start_response('200 OK', [('Content-Type', 'text/plain'), ('Content-Length', '2')])\nreturn [b'o', b'k']",
            "from wsgiref.validate import validator",
        )
        + "application = validator(application)\n",
        data=b"abcd\n",
        method="POST",
    )
    assert_fine(answer)
    assert answer.body == b"ok"
