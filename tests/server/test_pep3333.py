# SPDX-License-Identifier: Apache-2.0
"""PEP 3333 seen from outside; docs/pep-3333.md has the clauses and the test of each."""

from __future__ import annotations

import re

from typing import Any
from urllib.parse import quote

import pytest

from harness import Layout, RawConnection, Server, exchange, wait_until
from harness.places import ROOT

KINDS = ("function", "Class", "instance", "method", "partial", "other_names")
VALIDATED = True
PAGE = ROOT / "docs" / "pep-3333.md"


def configure(layout: Layout) -> str:
    """One script; each kind of application is a callable of it."""
    kinds = "\n".join(f"WSGIScriptAlias /kind/{kind} {layout.apps}/pep.wsgi callable-object={kind}" for kind in KINDS)
    return (
        f"{layout.delegate()}\nWSGIApplicationGroup %{{GLOBAL}}\n{kinds}\nWSGIScriptAlias /pep {layout.apps}/pep.wsgi\n"
    )


def raw(site: Server, target: str, version: str = "1.1") -> bytes:
    """All bytes of an answer."""
    return exchange(site.layout.port, f"GET {target} HTTP/{version}\r\nHost: x\r\nConnection: close\r\n\r\n".encode())


# ---- the page ------------------------------------------------------------------------------


def clauses() -> list[list[str]]:
    """The rows of the page: number, clause, what ours does, tests."""
    rows = [line.strip("| ").split(" | ") for line in PAGE.read_text().splitlines() if line.startswith("| P")]
    assert all(len(row) == 4 for row in rows), [row for row in rows if len(row) != 4]
    return rows


def test_every_clause_names_its_tests() -> None:
    """Each clause has a test, and each test that is named is there."""
    rows = clauses()
    assert [row[0] for row in rows] == [f"P{number}" for number in range(1, len(rows) + 1)]
    assert len(rows) > 60
    for number, _, _, tests in rows:
        named = re.findall(r"`([\w/]+\.py)::(\w+)`", tests)
        assert named, f"{number} has no test"
        for path, name in named:
            text = (ROOT / "tests" / path).read_text()
            assert f"def {name}(" in text, f"{number}: there is no {path}::{name}"
        rest = re.sub(r"`[\w/]+\.py::\w+`", "", tests)
        assert not re.search(r"\w", rest), f"{number}: {rest!r} is no test"


# ---- applications --------------------------------------------------------------------------


@pytest.mark.core
@pytest.mark.parametrize("kind", KINDS)
def test_kinds_of_applications(site: Server, kind: str) -> None:
    """Any callable with two positional arguments, however they are called; again and again."""
    for _ in range(2):
        text = site.get(f"/kind/{kind}").text
        assert text == ("other_names 2 0" if kind == "other_names" else kind)


# ---- environ -------------------------------------------------------------------------------


@pytest.mark.core
def test_environ_is_a_dict_of_native_strings(site: Server) -> None:
    """A dict of its own for each request, exactly str for what CGI has, and what it may be changed to is nobody's."""
    for _ in range(2):
        found = site.get("/pep/types/caf%C3%A9%FF?a=%FF", headers=(("X-Latin", "\xe9\xff"),)).json()
        flags = found.pop("flags")
        assert [type(flag) for flag in flags] == [bool] * 3
        assert found == {
            "dict": True,
            "keys": ["str"],
            "cgi": ["str"],
            "latin-1": True,
            "seen": None,
            "version": [1, 0],
            "scheme": "http",
        }


@pytest.mark.parametrize(
    "path",
    ["/pep/url", "/pep/url/", "/pep/url/a%20b/%C3%A9?x=1&y=%2F", "/pep/url/semi;colon?", "/pep/url/%FF?q"],
)
def test_url_reconstruction(site: Server, path: str) -> None:
    """The way of PEP 3333 leads back to what was asked, but for a trailing `?` and quoting that means the same."""
    found = site.get(path, headers=(("Host", f"example.invalid:{site.layout.port}"),)).json()
    assert found == f"http://example.invalid:{site.layout.port}{path.rstrip('?')}"


# ---- order ---------------------------------------------------------------------------------


@pytest.mark.core
def test_no_head_before_a_block(site: Server) -> None:
    """Empty blocks send nothing: the head can still be replaced."""
    reply = site.get("/pep/no_head_before_a_block")
    assert (reply.status, reply.reason, reply.text) == (202, "Replaced", "block")


@pytest.mark.core
def test_write_leaves_before_it_returns(site: Server) -> None:
    """The application goes on only after the client has seen what was written."""
    gates = [site.layout.scratch / f"write-{name}" for name in ("one", "two", "three")]
    for gate in gates:
        gate.unlink(missing_ok=True)
    query = "&".join(f"gate={quote(str(gate))}" for gate in gates)
    with RawConnection(site.layout.port) as connection:
        connection.send(f"GET /pep/write_at_once?{query} HTTP/1.1\r\nHost: x\r\n\r\n".encode())
        for gate in gates:
            connection.receive_until(f"[{gate.name}]".encode())
            gate.touch()
        connection.receive_until(b"end\r\n0\r\n\r\n")


@pytest.mark.parametrize("how", ["list", "iterator", "write"])
@pytest.mark.parametrize("version", ["1.0", "1.1"])
def test_bytes_are_not_changed(site: Server, how: str, version: str) -> None:
    every = bytes(range(256)) + b"\r\n\r\n0\r\n\r\n"
    if version == "1.1":
        assert site.get(f"/pep/every_byte?how={how}").body == every
    else:
        assert raw(site, f"/pep/every_byte?how={how}", version).partition(b"\r\n\r\n")[2] == every


def test_headers_are_taken_when_start_response_is_called(site: Server) -> None:
    reply = site.get("/pep/changed_list")
    assert (reply.get("X-First"), reply.get("X-Late")) == ("1", None)


@pytest.mark.plain("the validator asks for more attributes")
def test_iterables_are_only_iterated_and_closed(site: Server) -> None:
    assert site.get("/pep/lying").text == "onetwo"


def test_write_of_other_threads(site: Server) -> None:
    assert site.get("/pep/thread").text == "one two three"


def test_server_adds_what_http_needs(site: Server) -> None:
    reply = site.get("/kind/function")
    assert reply.get("Date")
    assert "mod_wsgi/" in (reply.get("Server") or "")


# ---- heads ---------------------------------------------------------------------------------

CONTROLS = [chr(number) for number in (*range(32), 127)]


def refused(site: Server, kind: str, value: str, *words: str) -> None:
    """500, and nothing of the value in the answer; one line, which names the header."""
    answer = raw(site, f"/pep/head?{kind}={value.encode().hex()}")
    assert answer.startswith(b"HTTP/1.1 500 "), (kind, value, answer[:100])
    assert b"njected" not in answer, (kind, value)
    assert b"must not be sent" not in answer
    site.expect_code(1002, *words)
    site.forget_logs()


@pytest.mark.plain("the validator says it first")
@pytest.mark.ours("D215, D219: 6.1.1 leaves some to httpd, which cuts the connection, and has no number for them")
@pytest.mark.parametrize("kind", ["status", "name", "value"])
def test_control_characters_never_arrive(site: Server, kind: str) -> None:
    """R15: each control character at the beginning, within and at the end; only a tab may stand in a value."""
    patterns = {"status": ("20{}0 I", "200 {}I", "200 I{}Injected: yes"), "name": ("{}I", "I{}Injected", "I{}")}
    for control in CONTROLS:
        for pattern in patterns.get(kind, ("{}I", "I{}Injected: yes", "I{}")):
            if (kind, control) != ("value", "\t"):
                words = {"status": "status", "name": "response header '", "value": "response header 'X-Given'"}
                refused(site, kind, pattern.format(control), words[kind])


@pytest.mark.plain("the validator says it first")
@pytest.mark.ours("D219: 6.1.1 has no number of its own for them")
@pytest.mark.parametrize(
    ("kind", "value", "words"),
    [
        ("status", "200 \u20ac", "in position 4: status is latin-1 only"),
        ("name", "X-\u20ac", "position 2: response header name is latin-1 only"),
        ("value", "ab\u20ac", "position 2: value of response header 'X-Given' is latin-1 only"),
        ("value", "\U0001f40d", "in position 0: value of response header 'X-Given'"),
        ("name", "", "response header '': a header name is empty"),
        ("name", " ", "response header ' '"),
        ("name", "X Y", "response header 'X Y'"),
        ("name", "X:Y", "response header 'X:Y'"),
        ("name", "X\u00e9", "response header 'X"),
        ("status", "", "the status must be three digits"),
        ("status", "199 Low", "the status must be from 200 to 999"),
        ("status", "2000", "the status must be three digits"),
    ],
)
def test_wrong_heads_are_named(site: Server, kind: str, value: str, words: str) -> None:
    """R15: the exception is specific, is raised where the head was given, and names the header."""
    refused(site, kind, value, words)


@pytest.mark.core
@pytest.mark.parametrize(
    ("count", "size"),
    [(1, 30_000), (900, 20), (998, 1), (30, 30_000), pytest.param(1, 1_000_000, marks=pytest.mark.modes("embedded"))],
)
def test_heads_up_to_the_limits(site: Server, count: int, size: int) -> None:
    if size > 32_000 and site.layout.mode == "daemon":
        assert raw(site, f"/pep/many?count={count}&size={size}").startswith(b"HTTP/1.1 500 ")
        site.expect_code(144)
        return
    head, _, body = raw(site, f"/pep/many?count={count}&size={size}").partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 200 OK\r\n")
    assert b"sent" in body  # in chunks when the validator hides the list
    values = re.findall(rb"\r\nX-\d+: (v+)(?=\r\n|$)", head)
    assert [len(value) for value in values] == [size] * count


@pytest.mark.ours("D210: 6.1.1 has no limits here")
@pytest.mark.parametrize(("count", "size"), [(999, 1), (5000, 1), (1, 2_000_000), (40, 30_000)])
def test_heads_over_the_limits(site: Server, count: int, size: int) -> None:
    assert raw(site, f"/pep/many?count={count}&size={size}").startswith(b"HTTP/1.1 500 ")
    site.expect_exception(
        1002, "ValueError: the response head has more than 1000 headers or 1048576 bytes at header 'X-"
    )


# ---- what is left of a request -------------------------------------------------------------


@pytest.mark.plain("the validator keeps what it wraps")
@pytest.mark.parametrize("kind", ["before", "after", "refused", "raised", "text", "generator"])
def test_frames_are_released(site: Server, kind: str) -> None:
    """No cycle and nothing remembered keeps the frames of a request whose exception was handed on, also without gc."""
    reply = site.get(f"/pep/leak?kind={kind}")
    assert reply.status == (200 if kind in ("after", "refused") else 500)
    # The frame ends with the request, which may be a moment after its last byte.
    wait_until(lambda: kind not in leaked(site), "the frames of the request are released")
    site.allow("")


def leaked(site: Server) -> Any:
    """Names of the frames that are still there."""
    return site.get("/pep/leaked").json()
