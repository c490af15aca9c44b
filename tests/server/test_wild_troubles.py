# SPDX-License-Identifier: Apache-2.0
"""What people run into: failure modes of configurations, each with the id of its row."""

from __future__ import annotations

import os
import random
import re
import shutil
import subprocess

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from harness import Layout, Module, RawConnection, Server, application_venv, exchange, places, request
from harness.places import run

GLOBAL = "application-group=%{GLOBAL}"


# ---- homes (C1, C2) ---------------------------------------------------------------------------


def other_pythons() -> Iterator[str]:
    """Interpreters of another minor version than the module's."""
    ours = run(places().python, "-c", "import sys; print('%d.%d' % sys.version_info[:2])").strip()
    for minor in range(14, 7, -1):
        name = f"3.{minor}"
        found = shutil.which(f"python{name}")
        roots = Path(os.environ.get("PYENV_ROOT", Path.home() / ".pyenv")) / "versions"
        paths = [found, *sorted(roots.glob(f"{name}.*/bin/python3"))]
        for path in paths:
            if name == ours or path is None:
                continue
            asked = subprocess.run([str(path), "-c", "import sys, venv"], capture_output=True, timeout=60, check=False)
            if asked.returncode == 0:
                yield str(path)


@pytest.fixture(scope="module")
def other_home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Path, str]]:
    """A virtual environment of a Python that the module was not built for, and its version."""
    python = next(other_pythons(), None)
    if python is None:
        pytest.skip("no Python of another minor version is here")
    # Not below pytest's own directories, which only their owner may enter.
    home = Path("/tmp") / f"wsgi-other-{os.getpid()}"
    try:
        run(python, "-m", "venv", "--without-pip", str(home))
        yield home, run(python, "-c", "import sys; print('%d.%d' % sys.version_info[:2])").strip()
    finally:
        shutil.rmtree(home, ignore_errors=True)


def with_home(home: Path) -> Any:
    def configure(layout: Layout) -> str:
        return f"""
WSGIDaemonProcess broken python-home={home} threads=2
WSGIDaemonProcess fine threads=2
WSGIScriptAlias /broken {layout.apps}/process.wsgi process-group=broken
WSGIScriptAlias /fine {layout.apps}/process.wsgi process-group=fine
"""

    return configure


@pytest.mark.ours("6.1.1 loads the other version's packages and fails or crashes at the first request")
def test_home_of_another_python(new_server: Any, other_home: tuple[Path, str]) -> None:
    """C1: `httpd -t` names home, both versions and the remedy; at a cold start only that group is out."""
    home, version = other_home
    server: Server = new_server(with_home(home))
    proof = server.prove()
    assert proof.status == 1
    ours = run(places().python, "-c", "import sys; print('%d.%d' % sys.version_info[:2])").strip()
    for word in ("python-home", str(home), version, ours):
        assert word in proof.output, proof.output
    server.start()
    server.expect(re.escape(str(home)))
    server.forget_logs()
    assert server.get("/fine").status == 200
    assert server.get("/broken").status == 503
    server.expect_code(1000, str(home))


@pytest.mark.ours("6.1.1 starts, and its daemons die for ever with a fatal Python error")
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
            assert 80 <= longest < 111
        else:
            longest = 80
        server: Server = new_server(configure(longest)).start()
        assert server.get("/").status == 200
        server.stop()
        assert list(Path(prefix(longest)).parent.iterdir()) == [], "the socket is gone"
    finally:
        shutil.rmtree(root, ignore_errors=True)


# ---- groups that nobody uses (C8) -------------------------------------------------------------


@pytest.mark.ours("6.1.1 says nothing when a daemon group is defined and requests run embedded")
def test_group_without_delegation(new_server: Any) -> None:
    """C8: what 6.1.1 does stays (embedded), but a line names the group and what is missing."""
    server: Server = new_server(
        lambda layout: f"WSGIDaemonProcess forgotten threads=2\nWSGIScriptAlias / {layout.apps}/environ.wsgi\n",
        level="info",
    )
    proof = server.prove()
    assert proof.status == 0
    server.start()
    assert server.get("/").json()["mod_wsgi.process_group"] == ""
    server.allow(".")
    said = proof.output + "\n".join(line.text for line in server.log().lines() if line.module == "wsgi")
    lines = [line for line in said.splitlines() if "forgotten" in line and "WSGIProcessGroup" in line]
    assert len(lines) >= 1, f"no line about the group that nobody uses:\n{said}"
    assert re.search(r"httpd\.conf:\d+", lines[0]), lines[0]


# ---- locale (C14) -----------------------------------------------------------------------------


@pytest.mark.ours("6.1.1 warns when the daemon starts only, and stays in the C locale")
def test_unknown_locale(new_server: Any) -> None:
    """C14: `httpd -t` warns with the option and its value; the daemon gets a locale that can show everything."""
    server: Server = new_server(
        lambda layout: (
            "WSGIDaemonProcess app threads=2 locale=xx_YY.nope\n"
            f"WSGIScriptAlias / {layout.apps}/process.wsgi process-group=app {GLOBAL}\n"
        )
    )
    proof = server.prove()
    assert proof.status == 0
    for word in ("locale", "xx_YY.nope", "C.UTF-8"):
        assert word in proof.output, proof.output
    server.start()
    server.expect("xx_YY.nope")
    found = server.get("/").json()
    assert found["locale"] == "C.UTF-8"
    assert found["filesystem"] == "utf-8"


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


# ---- other modules' limits (S8) ---------------------------------------------------------------


@pytest.mark.parametrize("mode", ["embedded", "daemon"])
def test_body_limit(new_server: Any, mode: str) -> None:
    """S8: more than LimitRequestBody, with and without a length: 413, and everybody lives."""

    def configure(layout: Layout) -> str:
        return f"""
{layout.delegate()}
LimitRequestBody 1048576
WSGIChunkedRequest On
WSGIScriptAlias / {layout.apps}/headers.wsgi
"""

    server: Server = new_server(configure, mode=mode).start()
    assert server.request("POST", "/length", b"x" * 1_048_576).text == "1048576"
    before = server.family()
    large = b"x" * 2_000_000
    assert server.request("POST", "/length", large).status == 413
    head = b"POST /length HTTP/1.1\r\nHost: localhost\r\nContent-Length: 99999999\r\nExpect: 100-continue\r\n\r\n"
    with RawConnection(server.layout.port) as connection:
        connection.send(head)
        assert connection.receive_until(b"\r\n").startswith(b"HTTP/1.1 413 ")
    assert (
        server.request(
            "POST", "/length", (large[n : n + 50_000] for n in range(0, len(large), 50_000)), chunked=True
        ).status
        == 413
    )
    assert server.family() == before
    assert server.request("POST", "/length", b"x" * 100).text == "100"
    # For a body without a length the application may have begun: it sees one exception.
    server.allow(r"WSGI0126|WSGI0174|AH01588|AH10480|OSError|Traceback|File |    |limit")


# ---- nothing is told (S9) ---------------------------------------------------------------------


@pytest.mark.parametrize("mode", ["embedded", "daemon"])
def test_header_values_never_show_other_bytes(new_server: Any, mode: str) -> None:
    """S9: whatever Content-Type the application sends, what comes out is that value, or an error page."""
    server: Server = new_server(
        lambda layout: f"{layout.delegate()}WSGIScriptAlias / {layout.apps}/headers.wsgi\n", mode=mode
    ).start()
    server.allow(r"AH02430|WSGI1002|Traceback|  File |    |ValueError|WSGI0174|WSGI0144|WSGI0148")
    rng = random.Random(int(os.environ.get("WSGI_TEST_SEED", "20261122")))
    kept = 0
    for number in range(300):
        size = rng.choice((0, 1, 2, 5, 30, 300, 3500))
        pool = b'a/;=" ,.' if number % 3 else bytes(range(256))
        value = bytes(rng.choice(pool) for _ in range(size))
        answer = exchange(
            server.layout.port,
            b"GET /?name=Content-Type&value=%s HTTP/1.0\r\nHost: localhost\r\n\r\n" % value.hex().encode(),
        )
        head, _, body = answer.partition(b"\r\n\r\n")
        status = head.split(b" ")[1]
        lines = [line.partition(b":") for line in head.split(b"\r\n")[1:]]
        sent = [line[2].strip() for line in lines if line[0].lower() == b"content-type"]
        if server.layout.module.peer:  # which ends a value at a NUL
            value = value.partition(b"\0")[0]
        if status == b"200":
            kept += 1
            assert body == b"the body"
            assert {line[0] for line in lines} <= {
                b"Date",
                b"Server",
                b"Content-Length",
                b"Connection",
                b"Content-Type",
            }
            # httpd writes types in small letters when they go through its own field for them.
            assert sent in ([value.strip()], [value.strip().lower()], []), (value, sent)
        else:
            assert status == b"500", (status, value)
            assert sent == [b"text/html; charset=iso-8859-1"]
            assert b"the body" not in answer
    assert kept > 50


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


# ---- a copy of the documented "works out of the box" -------------------------------------------


def test_virtual_environment_serves(new_server: Any) -> None:
    """C3: the home as people write it: with a slash at the end, through a symbolic link."""
    venv = application_venv()
    link = Path("/tmp") / f"wsgi-link-{os.getpid()}"
    link.symlink_to(venv)
    try:
        server: Server = new_server(
            lambda layout: (
                f"WSGIDaemonProcess one python-home={venv}/ threads=1\n"
                f"WSGIDaemonProcess two python-home={link} threads=1\n"
                f"WSGIScriptAlias /one {layout.apps}/process.wsgi process-group=one {GLOBAL}\n"
                f"WSGIScriptAlias /two {layout.apps}/process.wsgi process-group=two {GLOBAL}\n"
            )
        ).start()
        assert server.get("/one").json()["prefix"].rstrip("/") == str(venv)
        assert server.get("/two").json()["prefix"] in (str(venv), str(link))
    finally:
        link.unlink()
