# SPDX-License-Identifier: Apache-2.0
"""Where the words of an application go, and what the module itself says."""

from __future__ import annotations

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


def test_server_tokens(site: Server) -> None:
    reply = site.get("/nowhere")
    banner = reply.get("Server") or ""
    assert "mod_wsgi/" in banner
    assert "Python/3." in banner
