# SPDX-License-Identifier: Apache-2.0
"""git over smart HTTP with the real client: git's own server program behind a thin bridge, and dulwich in Python.

The lines for Apache do what git-http-backend's manual page wants: everybody reads, whoever pushes has to log in.
"""

from __future__ import annotations

import atexit
import functools
import os
import subprocess
import tempfile

from pathlib import Path

import pytest

from harness import Layout, Server, application_venv, find_module
from harness.client import HOST
from harness.clients import Said, client
from harness.wild import at_home, give_away, htpasswd

MODULES = ("authn_core", "authn_file", "auth_basic", "authz_user")
PASSWORD = "correct-horse"
SERVERS = ("git", "dulwich")
COMMITS = 40
BIG = 50 << 20

# D282: what dulwich leaves for the collector, 6.1.1 ends when modules cannot be imported any more.
ALLOWED = ("Exception ignored in|Traceback|/dulwich/|sys.meta_path is None",) if find_module().peer else ()

# How a push of much data goes: by chunks or with its length, at once or when the server asks for it.
CHUNKED = "http.postBuffer=65536"
WITH_LENGTH = f"http.postBuffer={4 * BIG}"
EXPECT = "http.extraHeader=Expect: 100-continue"
WAYS: dict[str, tuple[str, ...]] = {
    "chunked": (CHUNKED,),
    "length": (WITH_LENGTH,),
    "chunked-expect": (CHUNKED, EXPECT),
    "length-expect": (WITH_LENGTH, EXPECT),
}

# What nothing compresses is not compressed; nobody is asked for a password.
SETTINGS = {
    "core.compression": "0",
    "core.bigFileThreshold": "1m",
    "gc.auto": "0",
    "maintenance.auto": "false",
    "protocol.version": "2",
    "init.defaultBranch": "main",
    "user.name": "Tester",
    "user.email": "tester@example.invalid",
}


def configure(layout: Layout) -> str:
    """Two servers of the same repositories."""
    return f"""
{at_home(layout, application_venv("dulwich"))}
WSGIChunkedRequest On
WSGIScriptAlias /git {layout.apps}/git_site/backend.wsgi
WSGIScriptAlias /dulwich {layout.apps}/git_site/dulwich.wsgi
<Location "/">
    AuthType Basic
    AuthName "Git Access"
    AuthUserFile {layout.scratch}/git.htpasswd
    <RequireAny>
        Require expr "%{{QUERY_STRING}} !~ /service=git-receive-pack/ && %{{REQUEST_URI}} !~ m#/git-receive-pack$#"
        Require valid-user
    </RequireAny>
</Location>
"""


def variables() -> dict[str, str]:
    """The settings as variables."""
    pairs = list(enumerate(SETTINGS.items()))
    return {
        "GIT_CONFIG_COUNT": str(len(pairs)),
        **{f"GIT_CONFIG_KEY_{number}": name for number, (name, _) in pairs},
        **{f"GIT_CONFIG_VALUE_{number}": value for number, (_, value) in pairs},
        "GIT_CONFIG_NOSYSTEM": "1",
        "GIT_CONFIG_GLOBAL": "/dev/null",
        "GIT_TERMINAL_PROMPT": "0",
    }


def git(
    *command: str | Path,
    cwd: Path,
    options: tuple[str, ...] = (),
    status: int = 0,
    trace: Path | None = None,
) -> Said:
    """A git command that talks to the server."""
    traced = (
        {"GIT_TRACE_CURL": str(trace), "GIT_TRACE_CURL_NO_DATA": "1", "GIT_TRACE_PACKET": str(trace)} if trace else {}
    )
    words = [word for option in options for word in ("-c", option)]
    return client("git", *words, *command, cwd=cwd, env={**variables(), **traced}, status=status)


def local(*command: str | Path, cwd: Path, data: bytes = b"") -> str:
    """A git command that does not."""
    words = ["git", *[str(word) for word in command]]
    done = subprocess.run(
        words, cwd=cwd, env={**os.environ, **variables()}, input=data, capture_output=True, timeout=120, check=False
    )
    assert done.returncode == 0, f"{words}: {done.stdout!r}{done.stderr!r}"
    return done.stdout.decode().strip()


def history(branch: str, count: int) -> bytes:
    """Commits of one small file, for `git fast-import`."""
    commits = []
    for number in range(count):
        text, words = f"version {number} \u00e9\n".encode(), f"{branch} {number}".encode()
        commits.append(
            b"commit refs/heads/%s\ncommitter T <t@example.invalid> %d +0000\n" % (branch.encode(), 1700000000 + number)
            + b'data %d\n%s\nM 644 inline "read me.txt"\ndata %d\n%s\n' % (len(words), words, len(text), text)
        )
    return b"".join(commits)


@functools.cache
def origin() -> Path:
    """History of a small file; a branch of its own with a big one that nothing compresses."""
    kept = tempfile.TemporaryDirectory(prefix="wsgi-git-")
    atexit.register(kept.cleanup)
    where = Path(kept.name)
    local("init", cwd=where)
    local("fast-import", "--quiet", cwd=where, data=history("main", COMMITS))
    local("checkout", "-b", "big", "main", cwd=where)
    (where / "big.bin").write_bytes(os.urandom(BIG))
    local("add", "-A", cwd=where)
    local("commit", "-m", "big", cwd=where)
    return where


def prepare(layout: Layout) -> None:
    """One repository with history, empty ones to push to, who may push."""
    top = layout.scratch / "git"
    top.mkdir()
    local("clone", "--bare", "--single-branch", "--branch", "main", origin(), "full.git", cwd=top)
    for name in [f"{server}-{way}.git" for server in SERVERS for way in [*WAYS, "small"]]:
        local("init", "--bare", name, cwd=top)
        local("config", "receive.unpackLimit", "1", cwd=top / name)
    give_away(top)
    htpasswd(layout.scratch / "git.htpasswd", ann=PASSWORD)


@pytest.fixture(params=SERVERS)
def server(request: pytest.FixtureRequest) -> str:
    """The mount point of a server of git."""
    return str(request.param)


def url(site: Server, server: str, name: str, user: str = "") -> str:
    """Where git finds a repository."""
    return f"http://{user}{HOST}:{site.layout.port}/{server}/{name}.git"


def test_clone(site: Server, server: str, tmp_path: Path) -> None:
    """Protocol version 2, which answers a first question with what it can."""
    git("clone", url(site, server, "full"), "copy", cwd=tmp_path, trace=tmp_path / "trace")
    copy = tmp_path / "copy"
    assert (copy / "read me.txt").read_text() == f"version {COMMITS - 1} \u00e9\n"
    assert local("rev-list", "--count", "HEAD", cwd=copy) == str(COMMITS)
    assert local("fsck", "--strict", "--no-progress", cwd=copy) == ""
    trace = (tmp_path / "trace").read_text()
    assert "Git-Protocol: version=2" in trace
    if server == "git":
        assert "clone< version 2" in trace or "git< version 2" in trace


def test_shallow_clone_and_rest(site: Server, server: str, tmp_path: Path) -> None:
    git("clone", "--depth", "3", url(site, server, "full"), "copy", cwd=tmp_path)
    copy = tmp_path / "copy"
    assert local("rev-list", "--count", "HEAD", cwd=copy) == "3"
    git("fetch", "--unshallow", cwd=copy)
    assert local("rev-list", "--count", "HEAD", cwd=copy) == str(COMMITS)


def test_fetch_with_compressed_request(site: Server, server: str, tmp_path: Path) -> None:
    """Who has much already says so in a body of more than 1 KiB, which git compresses."""
    local("init", cwd=tmp_path)
    local("fast-import", "--quiet", cwd=tmp_path, data=history("mine", 100))
    git("fetch", url(site, server, "full"), "main:theirs", cwd=tmp_path, trace=tmp_path / "trace")
    assert local("rev-list", "--count", "theirs", cwd=tmp_path) == str(COMMITS)
    assert "Content-Encoding: gzip" in (tmp_path / "trace").read_text()


def test_push_needs_a_password(site: Server, server: str) -> None:
    target = f"{server}-small"
    said = git("push", url(site, server, target), "main", cwd=origin(), status=128)
    assert "could not read Username" in said.errors
    said = git("push", url(site, server, target, "ann:wrong@"), "main", cwd=origin(), status=128)
    assert "Authentication failed" in said.errors
    site.expect("AH01617")
    said = git("push", url(site, server, target, f"ann:{PASSWORD}@"), "main", cwd=origin())
    assert "[new branch]" in said.errors
    repository = site.layout.scratch / "git" / f"{target}.git"
    assert local("rev-parse", "main", cwd=repository) == local("rev-parse", "main", cwd=origin())


@pytest.mark.parametrize(
    ("server", "way"), [*(("git", way) for way in WAYS), ("dulwich", "length"), ("dulwich", "chunked-expect")]
)
def test_push_of_50_mib(site: Server, server: str, way: str, tmp_path: Path) -> None:
    """R5, R12: by chunks and with a length, at once and after 100 Continue; then it is all there."""
    target = url(site, server, f"{server}-{way}", f"ann:{PASSWORD}@")
    git("push", target, "big", cwd=origin(), options=WAYS[way], trace=tmp_path / "trace")
    trace = (tmp_path / "trace").read_text()
    assert ("=> Send header: Transfer-Encoding: chunked" in trace) == ("chunked" in way)
    assert ("100 Continue" in trace) == ("expect" in way)
    repository = site.layout.scratch / "git" / f"{server}-{way}.git"
    local("fsck", "--no-progress", cwd=repository)
    assert local("rev-parse", "big", "big:big.bin", cwd=repository) == local(
        "rev-parse", "big", "big:big.bin", cwd=origin()
    )


def test_clone_of_50_mib(site: Server, tmp_path: Path) -> None:
    """Not from dulwich, which compares and compresses in Python for a quarter of a minute."""
    repository = site.layout.scratch / "git" / "git-small.git"
    local("fetch", origin(), "big:big", cwd=repository)
    give_away(repository)
    git("clone", "--bare", "--branch", "big", url(site, "git", "git-small"), "copy", cwd=tmp_path)
    assert local("rev-parse", "big:big.bin", cwd=tmp_path / "copy") == local("rev-parse", "big:big.bin", cwd=origin())
    local("fsck", "--no-progress", cwd=tmp_path / "copy")
