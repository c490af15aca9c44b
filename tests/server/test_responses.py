# SPDX-License-Identifier: Apache-2.0
"""What an application may answer, and what is refused."""

from __future__ import annotations

from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest

from harness import Cut, Layout, RawConnection, Reply, Server, exchange, wait_until

VALIDATED = True


def configure(layout: Layout) -> str:
    """All answers come from one script."""
    return f"""
{layout.delegate()}
WSGIScriptAlias /answer {layout.apps}/responses.wsgi
"""


def answer(site: Server, name: str, **query: Any) -> Reply:
    """The response of one function of responses.wsgi."""
    text = "&".join(f"{key}={quote(str(value))}" for key, value in query.items())
    return site.get(f"/answer/{name}?{text}")


def raw(site: Server, name: str, query: str = "", version: str = "1.1") -> bytes:
    """All bytes of a response on a connection that is then closed."""
    line = f"GET /answer/{name}?{query} HTTP/{version}\r\nHost: x\r\nConnection: close\r\n\r\n"
    return exchange(site.layout.port, line.encode())


@pytest.fixture
def journal(site: Server, request: pytest.FixtureRequest) -> Path:
    """A file in which the application notes what happened."""
    path = site.layout.scratch / f"{request.node.name}.journal"
    path.unlink(missing_ok=True)
    return path


def noted(path: Path, *words: str) -> None:
    """The journal gets exactly these words."""
    wait_until(lambda: path.exists() and len(path.read_text().split()) >= len(words), f"{words}")
    assert path.read_text().split() == list(words)


# ---- bodies --------------------------------------------------------------------------------


@pytest.mark.core
@pytest.mark.parametrize(
    ("name", "body"),
    [
        ("list", b"onetwo"),
        ("empty_list", b""),
        ("tuple", b"atuple"),
        ("write", b"written,twice,returned"),
        ("file_memory", b"not a real file" * 1000),
        ("file_closed?journal=/dev/null", b"closing"),
    ],
)
def test_kinds_of_bodies(site: Server, name: str, body: bytes) -> None:
    reply = site.get("/answer/" + name)
    assert (reply.status, reply.reason, reply.body) == (200, "OK", body)
    assert reply.get("Content-Type") == "text/plain"


@pytest.mark.core
def test_start_response_may_be_called_late(site: Server) -> None:
    reply = answer(site, "generator")
    assert (reply.status, reply.reason, reply.text) == (201, "Late", "first,second")
    assert reply.get("X-Late") == "yes"


@pytest.mark.core
def test_every_block_leaves_at_once(site: Server) -> None:
    """The second block is made only after the test has seen the first one."""
    gates = [site.layout.scratch / name for name in ("one", "two", "three")]
    for gate in gates:
        gate.unlink(missing_ok=True)
    query = "&".join(f"gate={gate}" for gate in gates)
    with RawConnection(site.layout.port) as connection:
        connection.send(f"GET /answer/paced?{query} HTTP/1.1\r\nHost: x\r\n\r\n".encode())
        for gate in gates:
            connection.receive_until(f"[{gate.name}]".encode())
            gate.touch()
        connection.receive_until(b"\r\n0\r\n\r\n")


def test_chunks_on_1_1_and_close_on_1_0(site: Server) -> None:
    new = raw(site, "generator")
    assert b"Transfer-Encoding: chunked" in new
    assert new.endswith(b"0\r\n\r\n")
    old = raw(site, "generator", version="1.0")
    assert b"chunked" not in old
    assert old.endswith(b"\r\n\r\nfirst,second")


# ---- file_wrapper --------------------------------------------------------------------------


def file_bytes(size: int) -> bytes:
    """What make_file() of responses.wsgi writes."""
    unit = bytes(range(256)) * 256
    return (unit * (size // len(unit) + 1))[:size]


@pytest.mark.core
@pytest.mark.parametrize("size", [0, 1, 8192, 70_000, 12 << 20])
def test_file_wrapper_sizes(site: Server, size: int) -> None:
    reply = answer(site, "file", size=size)
    assert reply.body == file_bytes(size)
    if not site.layout.validated:  # the validator hides the wrapper: it is any iterable then
        assert reply.get("Content-Length") == str(size)


@pytest.mark.parametrize("offset", [1, 8191, 65_536, 99_999, 100_000])
def test_file_wrapper_begins_at_the_position(site: Server, offset: int) -> None:
    reply = answer(site, "file", size=100_000, offset=offset)
    assert reply.body == file_bytes(100_000)[offset:]
    if not site.layout.validated:
        assert reply.get("Content-Length") == str(100_000 - offset)


def test_file_wrapper_keeps_to_content_length(site: Server) -> None:
    reply = answer(site, "file", size=50_000, offset=10, length=1000)
    assert reply.body == file_bytes(50_000)[10:1010]


@pytest.mark.core
def test_file_wrapper_closes_once(site: Server, journal: Path) -> None:
    assert answer(site, "file_closed", journal=journal).body == b"closing"
    noted(journal, "closed")


# ---- close() -------------------------------------------------------------------------------


@pytest.mark.core
@pytest.mark.parametrize("name", ["closed", "closed_empty"])
def test_close_runs_once(site: Server, journal: Path, name: str) -> None:
    assert answer(site, name, journal=journal).status == 200
    noted(journal, "closed")


def test_close_runs_once_on_head(site: Server, journal: Path) -> None:
    assert site.request("HEAD", f"/answer/closed?journal={quote(str(journal))}").body == b""
    noted(journal, "closed")


@pytest.mark.core
def test_close_runs_once_after_an_early_error(site: Server, journal: Path) -> None:
    assert answer(site, "closed_early", journal=journal).status == 500
    noted(journal, "closed")
    site.expect_exception(174, "ValueError: before the first block")


def test_close_runs_once_without_start_response(site: Server, journal: Path) -> None:
    assert answer(site, "closed_no_start", journal=journal).status == 500
    noted(journal, "closed")
    site.allow("")  # the words are checked by test_start_response_not_called


def test_close_runs_once_when_the_body_is_text(site: Server, journal: Path) -> None:
    assert answer(site, "closed_text", journal=journal).status == 500
    noted(journal, "closed")
    site.allow("")  # the words are checked by test_text_instead_of_bytes


@pytest.mark.modes("embedded")
def test_close_runs_once_after_an_error_in_the_middle(site: Server, journal: Path) -> None:
    with pytest.raises(Cut) as cut:
        answer(site, "closed_middle", journal=journal)
    assert cut.value.partial == b"x" * 100_000
    noted(journal, "closed")
    site.expect_exception(174, "ValueError: in the middle")


@pytest.mark.core
def test_close_runs_once_when_the_client_leaves(site: Server, journal: Path) -> None:
    with RawConnection(site.layout.port) as connection:
        target = f"/answer/closed_endless?journal={quote(str(journal))}"
        connection.send(f"GET {target} HTTP/1.1\r\nHost: x\r\n\r\n".encode())
        connection.receive_until(b"xxxx")
        connection.abort()
    noted(journal, "started", "closed")
    # 6.1.1 may note the broken connection; ours says nothing above debug.
    if site.layout.module.peer:
        site.allow("")
    assert answer(site, "list").status == 200, "the worker is free again"


# ---- start_response ------------------------------------------------------------------------


def test_exc_info_replaces_the_head(site: Server) -> None:
    reply = answer(site, "replace")
    assert (reply.status, reply.reason, reply.text) == (503, "Replaced", "second")
    assert reply.get("X-First") is None
    assert reply.get("X-Second") == "2"


@pytest.mark.ours("D205: 6.1.1 ends these responses as if they were complete")
@pytest.mark.parametrize(
    ("name", "raised", "partial"),
    [
        ("too_late", "ValueError: came too late", b"already out"),
        ("twice", "RuntimeError: ", b"already out"),
        ("closed_middle", "ValueError: in the middle", b"x" * 100_000),
    ],
)
def test_errors_after_the_head_cut_the_response(
    site: Server, journal: Path, name: str, raised: str, partial: bytes
) -> None:
    with pytest.raises(Cut) as cut:
        answer(site, name, journal=journal)
    assert cut.value.partial == partial
    if name == "closed_middle":
        noted(journal, "closed")
    site.expect_exception(174, raised)


@pytest.mark.plain("breaks a rule: the validator reports it, see test_validator.py")
@pytest.mark.core
def test_start_response_not_called(site: Server) -> None:
    assert answer(site, "no_start").status == 500
    site.expect(r"WSGI\d{4}: ")
    site.allow(r"start_response|Traceback|RuntimeError")
    assert answer(site, "list").status == 200


@pytest.mark.plain("breaks a rule: the validator reports it, see test_validator.py")
@pytest.mark.core
@pytest.mark.parametrize("name", ["text", "bytearray", "bytes", "write_text"])
def test_text_instead_of_bytes(site: Server, name: str) -> None:
    reply = answer(site, name)
    assert reply.status == 500
    assert b"Traceback" not in reply.body
    log = site.log()
    wait_until(lambda: log.matching("bytes") and log.codes(), "the log says what is needed")
    assert {line.level for _, line in log.matching("bytes")} == {"error"}
    assert len(log.codes()) == 1
    site.allow(r"WSGI\d{4}: |Traceback|^.*File \"|TypeError|    ")


@pytest.mark.plain("breaks a rule: the validator reports it, see test_validator.py")
def test_none_instead_of_an_iterable(site: Server) -> None:
    assert answer(site, "none").status == 500
    site.expect(r"WSGI\d{4}: ")
    site.allow(r"TypeError|NoneType|Traceback|iterable")


# ---- heads ---------------------------------------------------------------------------------


@pytest.mark.core
def test_several_cookies_stay_several(site: Server) -> None:
    reply = answer(site, "cookies")
    assert reply.all("Set-Cookie") == ["a=1; Path=/", "b=2; Path=/", "c=3"]
    assert reply.get("X-Between") == "1"


def test_headers_arrive_as_given(site: Server) -> None:
    reply = answer(site, "headers")
    assert reply.get("Content-Type") == "text/html; charset=UTF-8"
    assert reply.get("X-Latin") == "caf\u00e9"
    assert reply.get("X-Empty") == ""
    assert reply.get("WWW-Authenticate") == 'Basic realm="a, b"'
    assert reply.get("Last-Modified") == "Mon, 02 Jan 2023 03:04:05 GMT"
    assert reply.get("ETag") == '"tag"'
    assert reply.get("Cache-Control") == "no-cache"
    assert "mod_wsgi/" in (reply.get("Server") or "")
    assert "Python/3." in (reply.get("Server") or "")


@pytest.mark.parametrize(
    ("line", "status", "reason"),
    [
        ("200 OK", 200, "OK"),
        ("201", 201, ""),
        ("404 Not Here", 404, "Not Here"),
        ("418 I'm a teapot", 418, "I'm a teapot"),
        ("500 Own Words", 500, "Own Words"),
        ("599 Odd", 599, "Odd"),
    ],
)
def test_status_lines(site: Server, line: str, status: int, reason: str) -> None:
    reply = answer(site, "status", line=line)
    assert reply.status == status
    assert reply.body == b"body of " + line.encode(), "an application's error page stays its own"
    if reason:
        assert reply.reason == reason


@pytest.mark.parametrize("line", ["204 No Content", "304 Not Modified"])
def test_no_body_with_204_and_304(site: Server, line: str) -> None:
    reply = raw(site, "status", f"line={quote(line)}")
    head, _, body = reply.partition(b"\r\n\r\n")
    assert head.startswith(f"HTTP/1.1 {line}".encode())
    assert body == b""


def test_no_headers_at_all(site: Server) -> None:
    assert answer(site, "bare").status == 204


def test_redirect_keeps_its_location(site: Server) -> None:
    reply = answer(site, "redirect")
    assert (reply.status, reply.get("Location")) == (302, "http://example.invalid/elsewhere")


def test_longer_body_than_content_length_is_cut(site: Server) -> None:
    reply = answer(site, "length", length=4)
    assert (reply.status, reply.body) == (200, b"0123")
    site.allow(r"WSGI|AH")


@pytest.mark.ours("D207: 6.1.1 keeps the connection open after a short body: the client waits for ever")
def test_shorter_body_than_content_length_cuts_the_connection(site: Server) -> None:
    with pytest.raises(Cut) as cut:
        answer(site, "length", length=20)
    assert cut.value.partial == b"0123456789"
    site.expect_code(1006)


@pytest.mark.plain("breaks a rule: the validator reports it, see test_validator.py")
@pytest.mark.core
@pytest.mark.parametrize(
    "kind",
    [
        "newline",
        "linefeed",
        "return",
        "name",
        "blank",
        "empty",
        "tuple",
        "three",
        "list",
        "bytes",
        "number",
        "length",
        "negative",
    ],
)
def test_bad_headers_are_refused(site: Server, kind: str) -> None:
    reply = raw(site, "bad_header", f"kind={kind}")
    assert reply.startswith(b"HTTP/1.1 500 "), reply[:200]
    assert b"Injected" not in reply
    assert b"must not be sent" not in reply
    site.expect(r"WSGI\d{4}: ")
    site.allow(r"Traceback|^.*File \"|    |TypeError|ValueError")


@pytest.mark.plain("breaks a rule: the validator reports it, see test_validator.py")
@pytest.mark.parametrize("kind", ["wide"])
def test_header_outside_latin_1_is_refused(site: Server, kind: str) -> None:
    reply = raw(site, "bad_header", f"kind={kind}")
    assert reply.startswith(b"HTTP/1.1 500 ")
    site.expect(r"WSGI\d{4}: ")
    site.allow(r"Traceback|^.*File \"|    |UnicodeEncodeError|ValueError|TypeError")


@pytest.mark.plain("breaks a rule: the validator reports it, see test_validator.py")
@pytest.mark.parametrize("kind", ["newline", "words", "two", "number", "bytes", "empty", "wide"])
def test_bad_status_is_refused(site: Server, kind: str) -> None:
    reply = raw(site, "bad_status", f"kind={kind}")
    assert reply.startswith(b"HTTP/1.1 500 "), reply[:200]
    assert b"Injected" not in reply
    site.expect(r"WSGI\d{4}: ")
    site.allow(r"Traceback|^.*File \"|    |TypeError|ValueError|UnicodeEncodeError")
