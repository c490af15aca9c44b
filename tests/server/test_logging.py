# SPDX-License-Identifier: Apache-2.0
"""Where the words of an application go, and what the module itself says."""

from __future__ import annotations

import re

from typing import Any

import pytest

from harness import Layout, Server, request, wait_until

PORTS = 2
VALIDATED = True
# What the objects of ours have besides what PEP 3333 asks for; the validator's have not.
BEYOND = [pytest.param(how, marks=pytest.mark.plain("more than PEP 3333")) for how in ("bytes", "protocol")]


def configure(layout: Layout) -> str:
    """Two virtual hosts with logs of their own, one group for both."""
    hosts = "".join(
        f"""
<VirtualHost *:{port}>
    ServerName {name}.invalid
    ErrorLog {layout.logs}/{name}.log
    WSGIScriptAlias /log {layout.apps}/logging.wsgi application-group=shared
</VirtualHost>
"""
        for name, port in zip(("first", "second"), layout.ports, strict=True)
    )
    return layout.delegate() + hosts


@pytest.mark.core
@pytest.mark.parametrize("how", ["errors", "flush", "file", *BEYOND, "unfinished"])
def test_wsgi_errors_goes_to_the_virtual_host(site: Server, how: str) -> None:
    for name, port in zip(("first", "second"), site.layout.ports, strict=True):
        reply = request(port, "GET", f"/log/{how}?text=words-of-{how}")
        assert reply.body == b"ok"
        (line,) = site.expect(f"words-of-{how}", log=name)
        assert (line.module, line.level) == ("wsgi", "error")
        assert "[client 127.0.0.1" in line.message or "[remote 127.0.0.1" in line.message


@pytest.mark.parametrize("how", ["print", "stderr", "logging", "warning"])
def test_other_ways_of_a_request_thread(site: Server, how: str) -> None:
    for name, port in zip(("first", "second"), site.layout.ports, strict=True):
        assert request(port, "GET", f"/log/{how}?text=by-{how}-{name}").body == b"ok"
        site.expect(f"by-{how}-{name}", log=name)
        site.allow("warnings.warn", log=name)


def test_print_of_another_thread_is_not_lost(site: Server) -> None:
    """A thread without a request writes to the server's or the host's log."""
    assert site.get("/log/thread?text=from-a-thread").body == b"ok"
    found = wait_until(
        lambda: [log for log in site.all_logs() if log.matching("from-a-thread")],
        "the line is in a log",
    )
    assert len(found) == 1
    found[0].expect("from-a-thread")


def test_lines_become_records(site: Server) -> None:
    assert site.get("/log/lines?text=part").body == b"ok"
    site.expect("part one$", log="first")
    site.expect("part two$", log="first")
    site.expect("part three$", log="first")


def test_wide_characters_arrive(site: Server) -> None:
    assert site.get("/log/wide?text=look").body == b"ok"
    (line,) = site.expect("look caf", log="first")
    assert "\\xc3\\xa9" in line.text or "\u00e9" in line.text


def test_control_characters_do_not_reach_the_terminal(site: Server) -> None:
    assert site.get("/log/control?text=look").body == b"ok"
    (line,) = site.expect("look bell .* end", log="first")
    assert "\x1b" not in line.text
    assert "\x07" not in line.text


@pytest.mark.ours("D807: 6.1.1's pieces are longer than what httpd writes, the ends are lost")
def test_long_lines_are_cut_in_pieces_not_lost(site: Server) -> None:
    assert site.get("/log/long?text=long").body == b"ok"
    log = site.log("first")
    wait_until(lambda: log.matching("xxxend$"), "the end arrives")
    lines = [line for _, line in log.matching("xxxx")]
    assert sum(line.text.count("x") for line in lines) == 20_000
    site.allow("xxxx", log="first")


# ---- the module's own lines ----------------------------------------------------------------


def quiet_and_talkative(layout: Layout) -> str:
    """The same script in two hosts, of which one wants to know more."""
    return f"""
{layout.delegate()}
<VirtualHost *:{layout.ports[0]}>
    ServerName quiet.invalid
    ErrorLog {layout.logs}/quiet.log
    WSGIScriptAlias / {layout.apps}/environ.wsgi application-group=quiet-group
</VirtualHost>
<VirtualHost *:{layout.ports[1]}>
    ServerName talkative.invalid
    ErrorLog {layout.logs}/talkative.log
    LogLevel wsgi:info
    WSGIScriptAlias / {layout.root}/apps/copy.wsgi application-group=talkative-group
</VirtualHost>
"""


@pytest.mark.parametrize("mode", ["embedded", "daemon"])
def test_info_lines_of_one_virtual_host(new_server: Any, mode: str) -> None:
    """Interpreter creation and script (re)loading, also when only one host has that level."""
    server = new_server(quiet_and_talkative, mode=mode, ports=2)
    text = (server.layout.apps / "environ.wsgi").read_text()
    server.layout.write_app("copy.wsgi", text)
    server.start()
    assert server.get("/").status == 200
    assert request(server.layout.ports[1], "GET", "/").status == 200
    log = server.log("talkative")
    server.allow(r"wsgi:info", log="talkative")
    wait_for_line(log, r"wsgi:info.*talkative-group")
    wait_for_line(log, r"wsgi:info.*copy\.wsgi")
    before = len(log.matching(r"copy\.wsgi"))
    server.layout.write_app("copy.wsgi", text + "\n# changed\n")
    assert request(server.layout.ports[1], "GET", "/").status == 200
    if mode == "embedded":  # no request loads the new code of a daemon group
        wait_until(lambda: len(log.matching(r"copy\.wsgi")) > before, "the reload is noted")
    assert server.log("quiet").lines() == []


def wait_for_line(log: Any, pattern: str) -> None:
    """The pattern is there."""
    wait_until(lambda: log.matching(pattern), f"{pattern} is in:\n{log.tail()}")


@pytest.mark.parametrize("mpm", ["event", "worker", "prefork"])
@pytest.mark.parametrize("mode", ["embedded", "daemon"])
def test_healthy_life_says_nothing(new_server: Any, mode: str, mpm: str) -> None:
    """Start, 100 requests, stop at warn: the harness finds no line but httpd's own."""
    server = new_server(
        lambda layout: (
            f"{layout.delegate(options='processes=2 threads=3')}WSGIScriptAlias / {layout.apps}/environ.wsgi"
        ),
        mode=mode,
        mpm=mpm,
    ).start()
    for _ in range(100):
        assert server.get("/").status == 200
    server.stop()
    server.check_logs()


ENDINGS = """
import atexit, sys, threading, time

class Loud:
    def __del__(self):
        print("bye from __del__")

class Broken:
    def __del__(self):
        raise ValueError("application's own __del__")

def endless():
    try:
        while True:
            yield b"x"
    finally:
        time.sleep(0)

loud, broken, kept = Loud(), Broken(), []
threading.Thread(target=threading.Event().wait, daemon=True).start()
atexit.register(print, "bye from atexit")

def application(environ, start_response):
    generator = endless()
    next(generator)
    kept.append(generator) if len(kept) < 3 else None
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [b"ok"]
"""


def endings(layout: Layout) -> str:
    """Applications in sub-interpreters that leave things behind."""
    layout.write_app("endings.wsgi", ENDINGS)
    return layout.delegate(options="processes=2 threads=3") + "".join(
        f"WSGIScriptAlias /{name} {layout.apps}/endings.wsgi application-group={name}\n" for name in ("a", "b")
    )


@pytest.mark.parametrize("mode", ["embedded", "daemon"])
def test_odd_ends_say_only_what_the_application_says(new_server: Any, mode: str) -> None:
    """O10: __del__, daemon threads, generators, sub-interpreters; also over a graceful restart."""
    server = new_server(endings, mode=mode).start()
    for _ in range(2):
        for number in range(20):
            assert server.get(f"/{'ab'[number % 2]}").body == b"ok"
        server.graceful()
    server.stop()
    own = (
        "bye from (__del__|atexit)|application's own __del__|Exception ignored|Traceback|endings.wsgi|raise ValueError"
    )
    server.allow(own)
    server.check_logs()


def test_server_tokens(site: Server) -> None:
    reply = site.get("/nowhere")
    banner = reply.get("Server") or ""
    assert "mod_wsgi/" in banner
    assert "Python/3." in banner


# ---- where ---------------------------------------------------------------------------------


@pytest.mark.ours("D810: 6.1.1 drops what follows a NUL")
def test_nul(site: Server) -> None:
    assert site.get("/log/errors?text=before%00after").body == b"ok"
    (line,) = site.expect("before", log="first")
    assert "before\\\\x00after" in line.text or "before\\x00after" in line.text


def with_ids(layout: Layout) -> str:
    """Two hosts whose lines have the id of the request."""
    form = 'ErrorLogFormat "[%{u}t] [%-m:%l] [pid %P] [request %-L] %M"'
    ssi = f"<Directory {layout.htdocs}>\nOptions +Includes\nAddOutputFilter INCLUDES .shtml\n</Directory>"
    (layout.htdocs / "page.shtml").write_text('<!--#include virtual="/fail/before" -->')
    hosts = "".join(
        f"""
<VirtualHost *:{port}>
    ServerName {name}.invalid
    ErrorLog {layout.logs}/{name}.log
    {form}
    {ssi}
    ErrorDocument 500 /log/errors?text=document
    WSGIScriptAlias /log {layout.apps}/logging.wsgi application-group=shared
    WSGIScriptAlias /fail {layout.apps}/errors.wsgi application-group=shared
</VirtualHost>
"""
        for name, port in zip(("first", "second"), layout.ports, strict=True)
    )
    return layout.delegate() + hosts


@pytest.mark.parametrize("mode", ["embedded", "daemon"])
@pytest.mark.ours("D805, D812: 6.1.1's line has no request id, nor has its answer")
def test_one_id_finds_all_of_a_request(new_server: Any, mode: str) -> None:
    """O2: records of the application, traceback and WSGInnnn line; also of an ErrorDocument and of a sub-request."""
    site = new_server(with_ids, mode=mode, ports=2, modules=["include", "filter"]).start()
    log = site.log("first")
    reply = site.get("/fail/before")
    assert reply.status == 200, "the ErrorDocument is an application, which has this status"
    name = reply.get("X-Request-ID")
    assert name
    wait_for_line(log, f"WSGI0174: .*, request {re.escape(name)}$")
    wait_for_line(log, "document")
    for line in log.lines():
        assert f"[request {name}]" in line.text, line.text
    assert any("Traceback" in line.text for line in log.lines())
    log.forget()
    assert site.get("/page.shtml").status == 200
    wait_for_line(log, "WSGI0174: ")
    names = {re.findall(r"\[request (\S+)\]", line.text)[0] for line in log.lines()}
    assert len(names) == 1
    assert re.findall(r", request (\S+)", "".join(line.text + "\n" for line in log.lines())) == list(names)
    log.allow(".")
    assert site.log("second").lines() == []


def groups_that_fail(layout: Layout) -> str:
    """One group in a host with a log of its own, one in a host without."""
    layout.write_app("broken.wsgi", "raise ValueError('never')\n")
    return "".join(
        f"""
<VirtualHost *:{port}>
    ServerName {name}.invalid
    {f"ErrorLog {layout.logs}/own.log" if name == "own" else ""}
    WSGIDaemonProcess {name} processes=2
    WSGIScriptAlias /fail {layout.apps}/errors.wsgi process-group={name} application-group=fail
    WSGIScriptAlias /broken {layout.apps}/broken.wsgi process-group={name} application-group=broken
</VirtualHost>
"""
        for name, port in zip(("own", "shared"), layout.ports, strict=True)
    )


@pytest.mark.ours("D811: 6.1.1 says nothing in the main log")
def test_group_with_trouble_is_pointed_to(new_server: Any) -> None:
    """O2: one line for a group and generation, however often it fails; none where the log is the same."""
    site = new_server(groups_that_fail, ports=2).start()
    site.allow("WSGI|Traceback|File|ValueError|raise|group 'own'", log="own")
    site.allow("WSGI|Traceback|File|ValueError|raise|daemon group 'shared'")
    pointer = f"process group 'own' of virtual host own.invalid has trouble, see its error log {site.log('own').path}"
    wait_until(
        lambda: len(site.log("own").matching("WSGI0110")) == 1, "the script failed to load: told once for a group"
    )
    wait_until(lambda: len(site.log().matching("WSGI0110")) == 1, "and of the other group")
    assert site.get("/fail/leave").status == 502
    site.expect("daemon group 'own': .*exit status 3", log="own")
    (line,) = site.expect(pointer)
    assert line.level == "warn"
    site.expect("has trouble", 0)
