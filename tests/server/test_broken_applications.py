# SPDX-License-Identifier: Apache-2.0
"""R15 and bad manners: applications that break each rule in turn.

Each row is one request to apps/offences.wsgi: what the client gets, and the number of the one line
in the log. The server and its processes live on; what kills a process does so in a daemon of its own.
"""

from __future__ import annotations

import re

from collections.abc import Iterator
from dataclasses import dataclass

import pytest

from harness import Layout, Module, RawConnection, Server, wait_until
from harness.calls import Call
from harness.processes import command_line, is_alive

WHOLE = b"whole"


def configure(layout: Layout) -> str:
    """One process of four threads, so that one that hangs is missed."""
    return f"""
{layout.delegate("app", "processes=1 threads=4")}
WSGIApplicationGroup %{{GLOBAL}}
WSGIScriptAlias / {layout.apps}/offences.wsgi
"""


@dataclass(frozen=True)
class Row:
    """One rule broken."""

    path: str
    status: int
    code: int = 0
    log: str = ""  # a pattern that one line of the log fits, besides the number's
    body: bytes | None = None  # of a response with status 200; None: the response is cut
    differs: str = ""  # from 6.1.1

    def __str__(self) -> str:
        return self.path


D205 = "D205: a response cut short looks complete"
D209 = "D209: it sends a status below 200"
D210 = "D210: it cuts at a NUL, sends two lengths, any number of headers"
D214 = "D214: it takes a tuple of any length for exc_info"
D216 = "D216: it takes a sign for a number"

REFUSED = r"(Value|UnicodeEncode)Error: "

EXCEPTIONS = {
    "exception": "ValueError: on purpose",
    "base": "Nothing: on purpose",
    "generator_exit": "GeneratorExit: on purpose",
    "interrupt": "KeyboardInterrupt: on purpose",
    "system_exit": "SystemExit: on purpose",
    "memory": "MemoryError: on purpose",
    "stop": "StopIteration: on purpose",
    "dumb": "Dumb",
    "broken_pipe": "BrokenPipeError: .*on purpose",
}


def raising() -> Iterator[Row]:
    """Every kind of exception from every place."""
    for what, log in EXCEPTIONS.items():
        code = 175 if what == "system_exit" else 174
        for where in ("call", "started", "iter"):
            yield Row(f"raise/{where}/{what}", 500, code, log)
        if what == "stop":
            yield Row("raise/next/stop", 200, body=b"")
            yield Row("raise/later/stop", 200, body=b"x" * 70000)
        else:
            yield Row(f"raise/next/{what}", 500, code, log)
            yield Row(f"raise/later/{what}", 200, code, log, differs=D205)
        yield Row(f"raise/written/{what}", 200, code, log, differs=D205)
        yield Row(f"raise/close/{what}", 200, code, log, body=WHOLE)
        yield Row(f"raise/del/{what}", 200, 0, "Exception ignored in", body=WHOLE)


def returning() -> Iterator[Row]:
    """Results of every wrong type; subclasses that lie; iterables that change."""
    wrong: tuple[str, ...] = (
        "none",
        "number",
        "text",
        "bytes",
        "true",
        "environ",
        "itself",
        "start_response",
        "module",
        "error",
    )
    wrong += ("next_none", "next_text", "next_number", "list_none", "list_lists", "cyclic", "bytearray", "memoryview")
    for what in wrong:
        yield Row(f"return/{what}", 500, 1004)
    yield Row("return/list_text", 500, 1004, differs="D218: it has sent the first block already")
    for what in ("no_iterator", "wrapper_none", "wrapper_text", "wrapper_bad", "errors"):
        yield Row(f"return/{what}", 500, 174)
    for what, body in (
        ("input", b""),
        ("liar", b"onetwothree"),
        ("sulky", WHOLE),
        ("block", WHOLE),
        ("set", WHOLE),
        ("dict", WHOLE),
        ("growing", b"." * 1000),
        ("shrinking", b"01"),
        ("many", b""),
    ):
        yield Row(f"return/{what}", 200, body=body)
    yield Row("return/close_number", 200, 174, "TypeError: 'int' object is not callable", body=WHOLE)
    yield Row("return/close_trap", 200, 194, "ValueError: no close", body=WHOLE)


def starting() -> Iterator[Row]:
    """What start_response() is given."""
    for what in ("nothing", "status_only", "four", "headers_none", "headers_tuple", "headers_dict", "headers_text"):
        yield Row(f"start/{what}", 500, 174, "TypeError: ")
    yield Row("start/headers_generator", 500, 174, "TypeError: ")
    for what in ("number", "bytes", "none"):
        yield Row(f"start/status_{what}", 500, 1002, "TypeError: ")
    for what in ("empty", "words", "short", "long", "line", "euro", "surrogate"):
        yield Row(f"start/status_{what}", 500, 1002, REFUSED)
    yield Row("start/status_nul", 500, 1002, REFUSED, differs=D210)
    for what in ("099", "100"):
        yield Row(f"start/status_{what}", 500, 1002, REFUSED, differs=D209)
    for what in ("list", "text", "none"):
        yield Row(f"start/item_{what}", 500, 1002, "TypeError: ")
    for what in ("one", "three"):
        yield Row(f"start/item_{what}", 500, 1002, REFUSED)
    for what in ("name_bytes", "name_number", "value_bytes", "value_number", "value_none"):
        yield Row(f"start/{what}", 500, 1002, "TypeError: ")
    for what in ("name_empty", "name_blank", "name_colon", "name_euro", "value_euro", "value_surrogate"):
        yield Row(f"start/{what}", 500, 1002, REFUSED)
    for what in ("value_crlf", "value_lf", "value_cr"):
        yield Row(f"start/{what}", 500, 1002, REFUSED)
    for what in ("name_nul", "value_nul"):
        yield Row(f"start/{what}", 500, 1002, REFUSED, differs=D210)


def starting_badly() -> Iterator[Row]:
    """Lengths, sizes, exc_info; and what is odd, but right."""
    for what in ("words", "negative", "huge", "list"):
        yield Row(f"start/length_{what}", 500, 1002, REFUSED)
    yield Row("start/length_plus", 500, 1002, REFUSED, differs=D216)
    yield Row("start/length_twice", 500, 1002, REFUSED, differs=D210)
    for what in ("many_headers", "huge_header"):
        yield Row(f"start/{what}", 500, 1002, REFUSED, differs=D210)
    yield Row("start/length_short", 200, body=b"wh")
    yield Row("start/length_long", 200, 1006, differs="D207: the client waits for the rest")
    yield Row("start/exc_info_text", 500, 174, "RuntimeError: ")
    yield Row("start/exc_info_short", 500, 174, "RuntimeError: ", differs=D214)
    for what in ("exc_info_nones", "exc_info_numbers", "list_subclass", "text_subclass"):
        yield Row(f"start/{what}", 200, body=WHOLE)
    yield Row("start/hop_by_hop", 200, body=WHOLE, differs="D208: it passes them")


def misbehaving() -> Iterator[Row]:
    """Order of calls, threads, streams, and Python's own machinery."""
    for what in ("never", "never_empty"):
        yield Row(what, 500, 1004)
    yield Row("twice", 201, body=WHOLE)
    yield Row("twice_written", 200, 174, "RuntimeError: ", differs=D205)
    for what in ("thread_start", "thread_write", "keep", "environ_clear", "environ_junk", "close_input"):
        yield Row(what, 200, body=WHOLE)
    yield Row("use_kept", 200, body=b" ".join([b"RuntimeError"] * 5))
    for what in ("write_text", "write_none"):
        yield Row(what, 500, 1004, "TypeError: ")
    yield Row("write_caught", 200, body=b"...." + WHOLE)
    for what in ("close_streams", "threads_left", "nested_call"):
        yield Row(what, 200, body=WHOLE)
    yield Row("detach_errors", 200, body=WHOLE, differs="D270: it reports that as a failure of the application")
    for word in ("wsgi.errors", "stderr"):
        yield Row(f"say?{word}", 200, 0, f"said to {word}", body=WHOLE)
    yield Row("stderr_none", 500, 174, "ValueError: nowhere to go")
    yield Row("recursion", 500, 174, "RecursionError")
    yield Row("deep_repr", 500, 174, "ValueError")
    yield Row("chain", 500, 174, "ValueError: first")
    yield Row("long_text", 500, 174, "ValueError: xxx")
    yield Row("hooks", 500, 174, "ValueError: on purpose")
    yield Row("trace", 500, 174, "ValueError: on purpose", differs="D271: its daemon hangs")
    yield Row("generator_ignores_exit", 200, 174, "ValueError: on purpose", differs=D205)
    yield Row("generator_close", 200, 174, "ValueError: on purpose", differs=D205)


ROWS = [*raising(), *returning(), *starting(), *starting_badly(), *misbehaving()]


def ask(server: Server, path: str) -> tuple[int, bytes, bytes | None]:
    """Status, head, and the body as the framing gives it; None when it is cut."""
    with RawConnection(server.layout.port) as connection:
        connection.send(f"GET /{path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n".encode())
        answer = connection.receive_all()
    head, _, rest = answer.partition(b"\r\n\r\n")
    status = re.match(rb"HTTP/1\.1 (\d{3}) ", head)
    assert status, f"{path}: {answer[:200]!r}"
    length = re.search(rb"(?i)\r\ncontent-length: (\d+)", head)
    if length:
        return int(status[1]), head, rest if len(rest) == int(length[1]) else None
    return int(status[1]), head, unchunked(rest)


def unchunked(data: bytes) -> bytes | None:
    """None without a last chunk."""
    body = b""
    while size := re.match(rb"([0-9a-f]+)\r\n", data):
        count = int(size[1], 16)
        if count == 0:
            return body if data == b"0\r\n\r\n" else None
        body += data[size.end() : size.end() + count]
        data = data[size.end() + count + 2 :]
    return None


@pytest.mark.parametrize("row", ROWS, ids=str)
def test_rule(site: Server, row: Row) -> None:
    """R15: the documented status, one numbered line or none, nothing injected, and no process is gone."""
    peer = site.layout.module.peer
    if peer and row.differs:
        pytest.skip(f"differs from 6.1.1: {row.differs}")
    before = site.family()
    status, head, body = ask(site, row.path)
    assert status == row.status
    assert b"njected" not in head
    if status < 300:
        assert body == row.body
    else:
        assert body, "a page that says so"
        assert b"offences" not in body
    if row.log:
        wait_until(lambda: site.log().matching(row.log), f"{row.log} is in the log:\n{site.log().tail()}")
    if row.code and not peer:
        site.expect_code(row.code)
    elif row.code:
        wait_until(lambda: site.log().codes(), "there is a numbered line")
    else:
        assert not site.log().codes()
    site.allow(r"\[wsgi:error\]" if row.log or row.code else "^$")
    assert not [pid for pid in before if not is_alive(pid)]


def test_all_threads_are_free(site: Server) -> None:
    """After all that every thread serves: as many requests side by side as there are."""
    site.allow(r"\[wsgi:error\]")
    good = [row for row in ROWS if not row.differs]
    for row in good[:: len(good) // 12]:
        ask(site, row.path)
    calls = [Call(site, f"/return/many?{number}") for number in range(4)]
    assert [call.result().status for call in calls] == [200] * 4


# ---- what ends or spoils a process ------------------------------------------------------------


@dataclass(frozen=True)
class Deadly:
    """In a daemon group of its own: what the client gets, and why the process ended, if it did."""

    path: str
    status: int
    why: str = ""
    body: bytes | None = None

    def __str__(self) -> str:
        return self.path


DEADLY = (
    Deadly("exit", 502, "exit status 7"),
    Deadly("abort", 502, "signal 6"),
    Deadly("kill", 502, "signal 9"),
    Deadly("exit_late", 200, "exit status 7"),
    Deadly("overflow", 502, "signal 11"),
    Deadly("closerange", 502, "closed descriptors"),
    Deadly("close_each", 502, "closed descriptors"),
    Deadly("dup2", 502, "closed descriptors"),
    Deadly("close_std", 200, body=WHOLE),
    Deadly("no_descriptors", 200, body=WHOLE),
    Deadly("signals", 200, body=WHOLE),
    Deadly("settings", 200, body=WHOLE),
    Deadly("stop_self", 200, "exit status 0", body=WHOLE),
    Deadly("thread_forever", 200, body=WHOLE),
    Deadly("atexit", 200, body=WHOLE),
)


# What a process says that is killed, or from which its files were taken.
LAST_WORDS = (
    r"crashed: |Fatal Python error|^.*File|Current thread|Extension modules|no Python frame|Thread 0x|Segmentation"
)


def groups(layout: Layout) -> str:
    """A group for each, so that no pause of one makes another wait."""
    lines = [f"ErrorLog {layout.logs}/error.log"]
    for row in DEADLY:
        lines.append(f"WSGIDaemonProcess {row.path} processes=1 threads=2 shutdown-timeout=1")
        alias = f"WSGIScriptAlias /{row.path} {layout.apps}/offences.wsgi"
        lines.append(f"{alias} process-group={row.path} application-group=%{{GLOBAL}}")
    return "\n".join(lines)


@pytest.fixture(scope="module")
def deadly(module: Module) -> Iterator[Server]:
    """One server for all of them."""
    server = Server(groups, mode="daemon")
    try:
        yield server.start()
        server.log().forget()
        server.allow("group 'atexit': .*signal 11|ValueError: at the end|Traceback|atexit|" + LAST_WORDS)
    finally:
        server.close()


@pytest.mark.ours("D701, D808: a daemon of 6.1.1 shares descriptors with httpd, and nobody says why it ended")
@pytest.mark.parametrize("row", DEADLY, ids=str)
def test_deadly(deadly: Server, row: Deadly) -> None:
    """The client is told or cut, one line says why; Apache's processes live, the group serves again."""
    log = deadly.log()
    log.forget()
    children = [pid for pid in deadly.family() if "apache" in command_line(pid) or "httpd" in command_line(pid)]
    status, _, body = ask(deadly, f"{row.path}/{row.path}")
    assert (status, body if status == 200 else row.body) == (row.status, row.body)
    wait_until(lambda: ask(deadly, f"{row.path}/fine")[0] == 200, "the group serves again", 60)
    if row.why:
        log.expect(f"daemon group '{row.path}': process .*{row.why}")
    if not row.body:
        (line,) = log.expect("WSGI0146: " if row.status == 502 else "WSGI1007: ")
        assert row.path in line.text
    codes = [line.code for line in log.lines() if line.code is not None and f"'{row.path}'" in line.text]
    assert len(codes) == (0 if row.body else 1)
    log.allow(LAST_WORDS)
    deadly.check_logs()
    assert all(is_alive(pid) for pid in children), "no process of Apache's ended"
