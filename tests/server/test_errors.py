# SPDX-License-Identifier: Apache-2.0
"""Applications that fail: the status, the one log line, the traceback, the server alive after."""

from __future__ import annotations

import re
import subprocess

from pathlib import Path
from typing import Any

import pytest

from harness import Cut, Layout, RawConnection, Server, wait_until

PORTS = 2


VALIDATED = True


def unreadable(layout: Layout) -> Path:
    """A script that is there and that Apache's user may not read."""
    path = layout.write_app("unreadable.wsgi", "application = None\n")
    path.chmod(0)
    return path


def configure(layout: Layout) -> str:
    """A virtual host with a log of its own, in which everything has to arrive."""
    return f"""
{layout.delegate()}
<VirtualHost *:{layout.ports[0]}>
    ServerName failing.invalid
    ErrorLog {layout.logs}/host.log
    WSGIScriptAlias /errors {layout.apps}/errors.wsgi
    WSGIScriptAlias /broken {layout.apps}/broken
    WSGIScriptAlias /answer {layout.apps}/responses.wsgi
    WSGIScriptAlias /fixed {layout.apps}/fixed.wsgi
    WSGIScriptAlias /missing {layout.apps}/no-such-file.wsgi
    <Location /custom>
        WSGICallableObject nothing_of_that_name
    </Location>
    WSGIScriptAlias /custom {layout.apps}/environ.wsgi
    WSGIScriptAlias /odd {layout.apps}/odd.wsgi
    WSGIScriptAlias /unreadable {unreadable(layout)}
    WSGIScriptAlias /unknown {layout.apps}/environ.wsgi
    <Location /unknown>
        WSGIProcessGroup %{{ENV:nowhere}}-nobody
    </Location>
    ErrorDocument 503 "own page for 503"
</VirtualHost>
<VirtualHost *:{layout.ports[1]}>
    ServerName other.invalid
    ErrorLog {layout.logs}/other.log
    WSGIScriptAlias /errors {layout.apps}/errors.wsgi
</VirtualHost>
"""


def fine(site: Server) -> None:
    """The server still serves."""
    reply = site.get("/errors/fine")
    assert (reply.status, reply.body) == (200, b"fine")


# ---- the application raises ----------------------------------------------------------------


@pytest.mark.core
@pytest.mark.parametrize(
    ("name", "last"),
    [
        ("before", "ValueError: before the head"),
        ("after_start", "ValueError: after start_response"),
        ("first_block", "ValueError: instead of the first block"),
    ],
)
def test_exception_is_500_with_traceback(site: Server, name: str, last: str) -> None:
    reply = site.get(f"/errors/{name}")
    assert reply.status == 500
    assert b"ValueError" not in reply.body
    assert str(site.layout.root).encode() not in reply.body, "no path of the server in the page"
    site.expect_exception(174, last, log="host")
    fine(site)


def test_log_line_names_client_and_script(site: Server) -> None:
    assert site.get("/errors/before").status == 500
    line = site.expect_exception(174, "ValueError: before the head", "errors.wsgi", log="host")
    assert (line.module, line.level) == ("wsgi", "error")
    assert "[client 127.0.0.1" in line.message or "[remote 127.0.0.1" in line.message


@pytest.mark.ours("D806: 6.1.1 built for Python 3.11 leaves the frames out")
def test_traceback_has_the_frames(site: Server) -> None:
    assert site.get("/errors/before").status == 500
    site.expect_code(174, log="host")
    found = site.log("host").expect_traceback("ValueError: before the head")
    assert any("in do_before" in each.text for each in found)
    assert not any("mod_wsgi" in each.text and "frozen" in each.text for each in found)
    assert {(each.module, each.level) for each in found} == {("wsgi", "error")}


@pytest.mark.ours("D805: 6.1.1's line has no request id")
def test_log_line_has_the_request_id(site: Server) -> None:
    assert site.get("/errors/before").status == 500
    line = site.expect_exception(174, "ValueError: before the head", log="host")
    assert re.search(r", request \S+", line.message)


def test_chained_exceptions_show_both(site: Server) -> None:
    assert site.get("/errors/chained").status == 500
    site.expect("KeyError: 'the first'", log="host")
    site.expect("direct cause", log="host")
    site.expect_exception(174, "ValueError: the second", log="host")
    site.allow(r"File|    |Traceback|error\] \[pid .*\] $", log="host")


@pytest.mark.parametrize(
    ("name", "last"),
    [
        ("exit", "SystemExit: the application leaves"),
        ("interrupt", "KeyboardInterrupt"),
        ("nasty", "Nasty"),
        ("recursion", "RecursionError"),
        ("unicode", "ValueError: caf"),
        ("control", "ValueError: bell"),
    ],
)
def test_odd_exceptions_do_no_harm(site: Server, name: str, last: str) -> None:
    assert site.get(f"/errors/{name}").status == 500
    (line,) = site.expect(r"WSGI0174: |WSGI0175: ", log="host")
    assert line.code == (175 if name == "exit" else 174)
    if name == "exit" and site.layout.module.peer:
        site.allow("SystemExit|Traceback|    |File", log="host")
    else:
        found = site.log("host").expect_traceback(last, frames=not site.layout.module.peer)
        assert not any("\x1b" in each.text or "\x07" in each.text for each in found)
    fine(site)


@pytest.mark.core
@pytest.mark.modes("embedded")
def test_exception_in_mid_response_is_seen_by_the_client(site: Server) -> None:
    with pytest.raises(Cut) as cut:
        site.get("/errors/middle")
    assert (cut.value.status, cut.value.partial) == (200, b"x" * 70_000)
    site.expect_exception(174, "ValueError: in the middle", log="host")
    fine(site)


@pytest.mark.core
@pytest.mark.modes("daemon")
@pytest.mark.ours("D205: a response cut short in a 6.1.1 daemon looks complete")
def test_exception_in_mid_response_of_a_daemon_is_seen_by_the_client(site: Server) -> None:
    with pytest.raises(Cut) as cut:
        site.get("/errors/middle")
    assert (cut.value.status, cut.value.partial) == (200, b"x" * 70_000)
    site.expect_exception(174, "ValueError: in the middle", log="host")
    fine(site)


@pytest.mark.ours("D206: 6.1.1 keeps the connection open, the client waits for its time-out")
def test_cut_response_closes_the_connection_at_once(site: Server) -> None:
    for name in ("middle", "middle_length"):
        with RawConnection(site.layout.port, timeout=10) as connection:
            connection.send(f"GET /errors/{name} HTTP/1.1\r\nHost: x\r\n\r\n".encode())
            whole = connection.receive_all()
        assert whole.startswith(b"HTTP/1.1 200 OK")
        assert not whole.endswith(b"0\r\n\r\n")
        site.expect_exception(174, "ValueError: in the middle", log="host")
        site.forget_logs()


@pytest.mark.ours("D205: 6.1.1 closes the connection as after a complete response")
def test_cut_response_without_length_or_chunks_is_reset(site: Server) -> None:
    """HTTP/1.0: the end of the connection is the end of the body, so only a reset can tell."""
    for name, cut in (("middle", True), ("fine", False)):
        with RawConnection(site.layout.port, timeout=10) as connection:
            connection.send(f"GET /errors/{name} HTTP/1.0\r\n\r\n".encode())
            assert connection.receive_all().startswith(b"HTTP/1.1 200 OK")
            assert connection.was_reset == cut
    site.expect_exception(174, "ValueError: in the middle", log="host")


@pytest.mark.ours("D205: a response cut short in a 6.1.1 daemon looks complete")
def test_cut_response_resets_the_stream_of_http_2(new_server: Any) -> None:
    def h2(layout: Layout) -> str:
        return configure(layout) + "Protocols h2c http/1.1\n"

    site = new_server(h2, ports=PORTS, modules=["http2"]).start()
    url = f"http://127.0.0.1:{site.layout.port}/errors"
    curl = ["curl", "--silent", "--http2-prior-knowledge", "--output", "/dev/null"]
    fine = subprocess.run([*curl, f"{url}/fine"], timeout=30, check=False)
    assert fine.returncode == 0
    cut = subprocess.run([*curl, f"{url}/middle"], timeout=30, check=False)
    assert cut.returncode == 92, "HTTP/2 stream was not closed cleanly"
    site.expect_exception(174, "ValueError: in the middle", log="host")


def test_failing_close_leaves_the_response_whole(site: Server) -> None:
    reply = site.get("/errors/close_fails")
    assert (reply.status, reply.body) == (200, b"complete")
    frames = not site.layout.module.peer
    site.log("host").expect_traceback("ValueError: close fails", frames=frames)
    site.allow("WSGI0174|WSGI0194|close\\(\\) of the iterable", log="host")
    fine(site)


def test_log_of_the_other_host_stays_empty(site: Server) -> None:
    assert site.get("/errors/before").status == 500
    site.expect_exception(174, "ValueError: before the head", log="host")
    assert site.log("other").lines() == []
    assert site.log().lines() == []


# ---- the script ----------------------------------------------------------------------------


def broken(site: Server, name: str) -> Any:
    """The answer of a script below broken/."""
    return site.get(f"/broken/{name}.wsgi")


@pytest.mark.core
def test_missing_script_is_404(site: Server) -> None:
    assert site.get("/missing").status == 404
    line = site.expect_code(135, log="host")
    assert "no-such-file.wsgi" in line.text


@pytest.mark.core
def test_syntax_error_is_500(site: Server) -> None:
    reply = broken(site, "syntax")
    assert reply.status == 500
    assert b"SyntaxError" not in reply.body
    besides = (174,) if site.layout.module.peer else ()
    site.expect_code(105, "syntax.wsgi", log="host", besides=besides)
    found = site.log("host").expect_traceback("SyntaxError: ", frames=False)
    assert any('syntax.wsgi", line 2' in each.text for each in found)
    fine(site)


@pytest.mark.parametrize(
    ("name", "last"),
    [
        ("raises", "RuntimeError: the import fails"),
        ("imports", "ModuleNotFoundError: No module named 'no_such_module_anywhere'"),
    ],
)
def test_exception_while_loading_is_500(site: Server, name: str, last: str) -> None:
    assert broken(site, name).status == 500
    site.expect_exception(109, last, f"{name}.wsgi", log="host")
    fine(site)


def test_exit_while_loading_is_500(site: Server) -> None:
    assert broken(site, "exits").status == 500
    besides = (174, 175) if site.layout.module.peer else ()
    site.expect_code(107, "exits.wsgi", log="host", besides=besides)
    site.allow(r"Traceback|File|SystemExit|    |leaving while loading", log="host")
    fine(site)


@pytest.mark.core
def test_missing_callable_has_the_documented_status(site: Server) -> None:
    status = 404 if site.layout.mode == "embedded" else 500
    for target in ("/broken/nothing.wsgi", "/custom"):
        assert site.get(target).status == status
        line = site.expect(r"WSGI0089: ", log="host")[0]
        assert ("nothing.wsgi" if "broken" in target else "environ.wsgi") in line.text
        assert ("application" if "broken" in target else "nothing_of_that_name") in line.text
    assert site.log("host").codes() == [89, 89]
    fine(site)


def test_not_callable_is_500(site: Server) -> None:
    assert broken(site, "notcallable").status == 500
    site.expect(r"WSGI\d{4}: ", log="host")
    site.allow(r"TypeError|Traceback|callable", log="host")
    fine(site)


@pytest.mark.ours("D403: 6.1.1 logs a TypeError under the number of an application's exception")
def test_not_callable_is_said_so(site: Server) -> None:
    assert broken(site, "notcallable").status == 500
    line = site.expect_code(1003, "notcallable.wsgi", log="host")
    assert "callable" in line.text


def test_directory_as_script_is_403(site: Server) -> None:
    assert site.get("/broken/").status == 403
    site.expect_code(136, log="host")


def test_unknown_script_in_the_directory_is_404(site: Server) -> None:
    assert site.get("/broken/none.wsgi").status == 404
    site.expect_code(135, "none.wsgi", log="host")


@pytest.mark.core
def test_repaired_script_works_without_any_restart(site: Server) -> None:
    """The failed load is forgotten: the next request reads the file afresh.

    A daemon says the second time that it did so before: see test_renewal.py.
    """
    site.layout.write_app("fixed.wsgi", "raise RuntimeError('still broken')\n")
    for _ in range(2 if site.layout.mode == "embedded" else 1):
        assert site.get("/fixed").status == 500
        site.expect_exception(109, "RuntimeError: still broken", log="host")
        site.forget_logs()
    good = (site.layout.apps / "environ.wsgi").read_text()
    site.layout.write_app("fixed.wsgi", good)
    assert site.get("/fixed/now").json()["PATH_INFO"] == "/now"
    (site.layout.apps / "fixed.wsgi").unlink()


# ---- the id in the answer ------------------------------------------------------------------

FAILURES = {
    "/errors/before": 174,
    "/errors/after_start": 174,
    "/errors/first_block": 174,
    "/errors/chained": 174,
    "/errors/exit": 175,
    "/errors/interrupt": 174,
    "/errors/nasty": 174,
    "/errors/recursion": 174,
    "/errors/unicode": 174,
    "/errors/control": 174,
    "/odd/memory": 174,
    "/odd/generator_exit": 174,
    "/odd/surrogates": 174,
    "/odd/no_stderr": 174,
    "/odd/closed_stderr": 174,
    "/odd/broken_stderr": 174,
    "/odd/close_fails_too": 174,
    "/odd/timeout": 1030,
    "/odd/not_iterable": 1004,
    "/odd/str_block": 1004,
    "/odd/no_start": 1004,
    "/odd/wrong_header": 1002,
    "/odd/many_headers": 1002,
    "/broken/syntax.wsgi": 105,
    "/broken/raises.wsgi": 109,
    "/broken/imports.wsgi": 109,
    "/broken/exits.wsgi": 107,
    "/broken/notcallable.wsgi": 1003,
    "/unreadable": 105,
    "/unknown": 150,
}


@pytest.mark.ours("D812: 6.1.1's answers have no id")
@pytest.mark.parametrize("target", FAILURES)
def test_id_in_the_header(site: Server, target: str) -> None:
    """O5: each kind of failure has one line with a code, and the header leads to it."""
    reply = site.get(target)
    assert 500 <= reply.status < 600
    name = reply.get("X-Request-ID")
    assert name, reply.headers
    assert name.encode() in reply.body
    log = site.log("host")
    wait_until(lambda: log.matching(r"WSGI\d{4}: "), f"the line is in:\n{log.tail()}")
    found = [line for line in log.lines() if line.code is not None]
    assert [line.text.endswith(f", request {name}") for line in found] == [True], [line.text for line in found]
    print(target, found[0].code)
    log.allow(".")
    fine(site)


def with_own_ids(layout: Layout) -> str:
    """The configuration names the answer, for all of them or for those of a place."""
    return (
        configure(layout)
        + """
<Location /errors/before>
    Header always set X-Request-ID by-the-configuration
</Location>
<Location /errors/exit>
    ErrorDocument 500 /document
    Header set X-Request-ID by-the-document
</Location>
"""
        + f"WSGIScriptAlias /document {layout.apps}/environ.wsgi\n"
        + "<Location /document>\nHeader set X-Request-ID by-the-document\n</Location>\n"
    )


@pytest.mark.ours("D812: 6.1.1's answers have no id")
@pytest.mark.parametrize("mode", ["embedded", "daemon"])
def test_id_of_the_configuration_stays_alone(new_server: Any, mode: str) -> None:
    site = new_server(with_own_ids, mode=mode, ports=PORTS, modules=["headers"]).start()
    for target, name in (("before", "by-the-configuration"), ("exit", "by-the-document")):
        reply = site.get(f"/errors/{target}")
        assert [value for key, value in reply.headers if key.lower() == "x-request-id"] == [name]
    assert site.get("/errors/fine").get("X-Request-ID") is None
    site.allow(".", log="host")


@pytest.mark.ours("D812: 6.1.1's answers have no id")
def test_id_in_the_header_over_http_2(new_server: Any) -> None:
    """O2, O5: as over HTTP/1.1."""
    site = new_server(
        lambda layout: configure(layout) + "Protocols h2c http/1.1\n", ports=PORTS, modules=["http2"]
    ).start()
    url = f"http://127.0.0.1:{site.layout.port}/errors/before"
    said = subprocess.run(
        ["curl", "--silent", "--http2-prior-knowledge", "--include", url],
        timeout=30,
        check=False,
        capture_output=True,
        text=True,
    ).stdout
    assert said.startswith("HTTP/2 500")
    (name,) = re.findall(r"^x-request-id: (\S+)", said, re.MULTILINE)
    line = site.expect_exception(174, "ValueError: before the head", log="host")
    assert line.text.endswith(f", request {name}")


# ---- the process dies ----------------------------------------------------------------------

# A server for each: daemons that die one after the other are started again with growing pauses.


@pytest.mark.parametrize("name", ["abort", "leave"])
def test_death_before_the_head_is_502(new_server: Any, name: str) -> None:
    site = new_server(configure, ports=PORTS).start()
    reply = site.get(f"/errors/{name}")
    assert reply.status == 502
    site.expect("WSGI014[67]: ", log="host")
    if site.layout.module.peer:
        site.allow("AH00052: child pid|Fatal Python error")
    else:
        words = "SIGABRT|signal 6" if name == "abort" else "exit status 3"
        site.expect(f"group 'app'.*({words})")
        site.allow("process [0-9]+ crashed: ")
    wait_until(lambda: site.get("/errors/fine").status == 200, "a new daemon serves")


@pytest.mark.ours("D205: a response cut short in a 6.1.1 daemon looks complete")
def test_death_in_the_middle_is_seen_by_the_client(new_server: Any) -> None:
    site = new_server(configure, ports=PORTS).start()
    with pytest.raises(Cut) as cut:
        site.get("/errors/abort_middle")
    assert cut.value.status == 200
    assert set(cut.value.partial) <= {ord("x")}
    site.expect("WSGI1007: ", log="host")
    site.expect("group 'app'.*(SIGABRT|signal 6)")
    site.allow("process [0-9]+ crashed: ")
    wait_until(lambda: site.get("/errors/fine").status == 200, "a new daemon serves")


@pytest.mark.ours("D808: 6.1.1 does not say why a daemon ended")
def test_end_of_a_daemon_is_said_in_the_log_of_its_group(new_server: Any) -> None:
    """The group is defined in the virtual host, so the words go to that host's log."""

    def inside(layout: Layout) -> str:
        return f"""
<VirtualHost *:{layout.port}>
    ServerName own.invalid
    ErrorLog {layout.logs}/own.log
    WSGIDaemonProcess own threads=2
    WSGIScriptAlias / {layout.apps}/errors.wsgi process-group=own
</VirtualHost>
"""

    site = new_server(inside).start()
    assert site.get("/leave").status == 502
    site.expect("WSGI0146: ", log="own")
    site.expect("daemon group 'own': .*exit status 3", log="own")
    site.expect("process group 'own' of virtual host own.invalid has trouble, see its error log")
    wait_until(lambda: site.get("/fine").status == 200, "a new daemon serves")
