# SPDX-License-Identifier: Apache-2.0
"""What people run into: failure modes of configurations, each with the id of its row."""

from __future__ import annotations

import os
import re
import shutil

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from harness import Layout, Module, Server, exchange, places, request
from harness.places import run

GLOBAL = "application-group=%{GLOBAL}"


# ---- homes (C2) ---------------------------------------------------------------------------


def with_home(home: Path) -> Any:
    def configure(layout: Layout) -> str:
        return f"""
WSGIDaemonProcess broken python-home={home} threads=2
WSGIDaemonProcess fine threads=2
WSGIScriptAlias /broken {layout.apps}/process.wsgi process-group=broken
WSGIScriptAlias /fine {layout.apps}/process.wsgi process-group=fine
"""

    return configure


@pytest.mark.ours("D104: 6.1.1 starts, and its daemons die for ever with a fatal Python error")
def test_home_without_a_library(new_server: Any) -> None:
    """C2: a home whose Python cannot start ('No module named encodings'): said once, not for ever."""
    home = Path("/tmp") / f"wsgi-hollow-{os.getpid()}"
    try:
        (home / "bin").mkdir(parents=True)
        python = home / "bin" / "python3"
        shutil.copy(Path(places().python).resolve(), python)
        (home / "bin" / "python").symlink_to("python3")
        (home / "pyvenv.cfg").write_text(f"home = {home}/nowhere\nversion = 3.11.2\n")
        server: Server = new_server(with_home(home))
        proof = server.prove()
        assert proof.status == 1
        assert str(home) in proof.output
        server.start()
        assert server.get("/fine").status == 200
        for _ in range(3):
            reply = server.get("/broken")
            assert (reply.status, bool(reply.get("Retry-After"))) == (503, True)
        lines = [line.text for line in server.log().lines() if str(home) in line.text]
        assert 1 <= len(lines) <= 4, "one line at the start, one a request"
        server.allow(re.escape(str(home)))
    finally:
        shutil.rmtree(home, ignore_errors=True)


# ---- sockets (C7) -----------------------------------------------------------------------------


def test_longest_socket_path(new_server: Any, module: Module) -> None:
    """C7: a path is refused with its length and the limit, or it works; nothing is half started."""
    root = Path("/tmp") / f"wsgi-long-{os.getpid()}"

    def prefix(length: int) -> str:
        base = f"{root}/"
        return base + "p" * (length - len(base) - 5) + "/wsgi"

    def configure(length: int) -> Any:
        Path(prefix(length)).parent.mkdir(parents=True, exist_ok=True)
        return lambda layout: (
            f"WSGIDaemonProcess app threads=2\nWSGIScriptAlias / {layout.apps}/process.wsgi process-group=app {GLOBAL}\n"
            f"WSGISocketPrefix {prefix(length)}\n"
        )

    try:
        if not module.peer:  # which warns at the start, and then never answers
            longest = 0
            for length in range(70, 112):
                proof = new_server(configure(length)).prove()
                if proof.status == 0:
                    assert longest in (0, length - 1), "short ones work, long ones do not"
                    longest = length
                else:
                    assert "WSGISocketPrefix" in proof.output
                    assert prefix(length) in proof.output
                    assert re.search(r"\b1\d\d bytes.*\b107\b", proof.output), proof.output
            assert 92 <= longest < 111, "mod_wsgi 6 takes 92 bytes with a pid of five digits"
        else:
            longest = 80
        server: Server = new_server(configure(longest)).start()
        assert server.get("/").status == 200
        server.stop()
        assert list(Path(prefix(longest)).parent.iterdir()) == [], "the socket is gone"
    finally:
        shutil.rmtree(root, ignore_errors=True)


# ---- mount points (C15) and raw targets (R23) -------------------------------------------------

MOUNTS = (
    # sent, SCRIPT_NAME, PATH_INFO with mounts /a/b, /a and /
    ("/", "", "/"),
    ("/a", "/a", ""),
    ("/a/", "/a", "/"),
    ("/ab", "", "/ab"),
    ("/a/b", "/a/b", ""),
    ("/a/b/", "/a/b", "/"),
    ("/a/b/c.", "/a/b", "/c."),
    ("/a/bc", "/a", "/bc"),
    ("/a//b", "/a/b", ""),
    ("//a/b//c", "/a/b", "/c"),
    ("/a/./b/../x", "/a", "/x"),
    ("/a/b/%63", "/a/b", "/c"),
    ("/%61/b", "/a/b", ""),
    ("/A/b", "", "/A/b"),
    ("/a/b;x=1", "/a", "/b;x=1"),
    ("/a/b/c%20d/", "/a/b", "/c d/"),
    ("/a?x=/a/b", "/a", ""),
)


def mounts(layout: Layout) -> str:
    """Longer mounts first, as the first match counts; hosts that differ in what they do with %2F."""
    env = layout.apps / "environ.wsgi"
    aliases = "".join(f"    WSGIScriptAlias {mount} {env}\n" for mount in ("/a/b", "/a", "/"))
    hosts = "".join(
        f"<VirtualHost *>\n    ServerName {name}\n    AllowEncodedSlashes {value}\n{aliases}</VirtualHost>\n"
        for name, value in (("localhost", "Off"), ("decode.invalid", "On"), ("keep.invalid", "NoDecode"))
    )
    return layout.delegate() + hosts


@pytest.fixture(scope="module", params=["embedded", "daemon"])
def mounted(request: pytest.FixtureRequest, module: Module) -> Iterator[Server]:
    """A server with the mounts."""
    assert module.path
    server = Server(mounts, mode=request.param)
    try:
        yield server.start()
    finally:
        server.close()


def seen(server: Server, target: str, host: str = "localhost") -> tuple[str, str, str]:
    """SCRIPT_NAME, PATH_INFO and the raw target."""
    found = request(server.layout.port, "GET", target, headers={"Host": host}).json()
    return found["SCRIPT_NAME"], found["PATH_INFO"], found["REQUEST_URI"]


def test_mount_table(mounted: Server) -> None:
    """C15: which mount gets which URL; R23: REQUEST_URI is what was sent, byte for byte."""
    wrong = [(target, got, wanted) for target, *wanted in MOUNTS if (got := seen(mounted, target)) != (*wanted, target)]
    assert not wrong


def test_encoded_slashes(mounted: Server) -> None:
    """C15, R23: %2F by what AllowEncodedSlashes says; doubled slashes fold in PATH_INFO, not in REQUEST_URI."""
    assert mounted.get("/a%2Fb").status == 404
    mounted.allow("AH00026")
    assert seen(mounted, "/a%2Fb", "decode.invalid") == ("/a/b", "", "/a%2Fb")
    assert seen(mounted, "/a//b%2Fc", "decode.invalid") == ("/a/b", "/c", "/a//b%2Fc")
    assert seen(mounted, "/a/b/c%2Fd", "keep.invalid") == ("/a/b", "/c%2Fd", "/a/b/c%2Fd")
    assert seen(mounted, "/a%2Fb", "keep.invalid") == ("", "/a%2Fb", "/a%2Fb")


def test_raw_target_of_any_client(mounted: Server) -> None:
    """R23: also an absolute target, and bytes beyond ASCII as they were sent."""
    for target in (b"/a/b/%e4%ff?%e4=%00", b"http://localhost/a/b//x?y"):
        answer = exchange(mounted.layout.port, b"GET " + target + b" HTTP/1.0\r\nHost: localhost\r\n\r\n")
        assert b" 200 " in answer.partition(b"\r\n")[0]
        assert b'"REQUEST_URI": "' + target + b'"' in answer


# ---- the module's name (C17) ------------------------------------------------------------------


def test_module_is_listed(new_server: Any) -> None:
    """C17: `httpd -M` lists the module by the name that configurations test for."""
    server: Server = new_server(lambda _: "")
    server.write_configuration()
    assert re.search(r"^ wsgi_module \(shared\)$", run(*server.command("-M")), re.M)


# ---- nothing is told (S9) ---------------------------------------------------------------------


@pytest.mark.parametrize("mode", ["embedded", "daemon"])
def test_error_page_and_banner_tell_nothing(new_server: Any, mode: str) -> None:
    """S9: no path, no version, no text of the exception in the page; ServerTokens is respected."""
    server: Server = new_server(
        lambda layout: f"ServerTokens Prod\n{layout.delegate()}WSGIScriptAlias / {layout.apps}/headers.wsgi\n",
        mode=mode,
    ).start()
    reply = server.get("/raise")
    assert reply.status == 500
    assert reply.get("Server") == "Apache"
    for word in (str(server.layout.root), "headers.wsgi", "Python", "mod_wsgi", "secret", "RuntimeError", "Traceback"):
        assert word not in reply.text, word
    server.expect_exception(174, "RuntimeError: with a secret in it")
