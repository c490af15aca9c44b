# SPDX-License-Identifier: Apache-2.0
"""A package index, pypiserver from PyPI, with pip and twine."""

from __future__ import annotations

import hashlib
import os
import sys
import zipfile

from pathlib import Path

import pytest

from harness import Layout, Server, application_venv
from harness.client import HOST
from harness.clients import Said, client
from harness.wild import at_home

PASSWORD = "cheese shop"
DATA = os.urandom(4_000_000)


def configure(layout: Layout) -> str:
    """The index below a mount point; uploads need a password, which pypiserver checks."""
    return f"""
{at_home(layout, application_venv("pypiserver"))}
WSGIPassAuthorization On
WSGIScriptAlias /index {layout.apps}/index_site/index.wsgi
"""


def prepare(layout: Layout) -> None:
    """An index without packages, which the server may write."""
    index = layout.scratch / "index"
    index.mkdir()
    index.chmod(0o777)


def wheel(directory: Path, name: str, version: str, needs: str = "", data: bytes = b"") -> Path:
    """A package of one module, as any build tool would make it."""
    path = directory / f"{name}-{version}-py3-none-any.whl"
    facts = f"{name}-{version}.dist-info"
    metadata = f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\nSummary: for a test\n"
    files = {
        f"{name}/__init__.py": f"VERSION = {version!r}\n".encode(),
        f"{name}/data.bin": data,
        f"{facts}/METADATA": (metadata + (f"Requires-Dist: {needs}\n" if needs else "")).encode(),
        f"{facts}/WHEEL": b"Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
    }
    files[f"{facts}/RECORD"] = "".join(f"{file},,\n" for file in [*files, f"{facts}/RECORD"]).encode()
    with zipfile.ZipFile(path, "w") as packed:
        for file, content in files.items():
            packed.writestr(file, content)
    return path


def url(site: Server, path: str = "/") -> str:
    """Where a client finds the index."""
    return f"http://{HOST}:{site.layout.port}/index{path}"


def upload(site: Server, *files: Path, password: str = PASSWORD, status: int = 0) -> Said:
    """By twine, as packages are published."""
    words = ("--repository-url", url(site), "--non-interactive", "--disable-progress-bar")
    env = {"TWINE_USERNAME": "ann", "TWINE_PASSWORD": password, "COLUMNS": "200"}
    return client(sys.executable, "-m", "twine", "upload", *words, *files, env=env, status=status)


def pip(site: Server, *words: str | Path, status: int = 0) -> Said:
    """Pip, which knows no other index."""
    alone = ("--isolated", "--no-cache-dir", "--disable-pip-version-check", "--retries", "0")
    command = (sys.executable, "-m", "pip", words[0], *alone, "--index-url", url(site, "/simple/"), *words[1:])
    return client(*command, status=status)


@pytest.fixture
def filled(site: Server, tmp_path: Path) -> Server:
    """The index with two packages, of which one needs the other."""
    index = site.layout.scratch / "index"
    wheel(index, "wild_lib", "1.5")
    wheel(index, "wild_lib", "2.0")
    wheel(index, "wild_app", "1.0", "wild-lib<2", DATA)
    return site


def test_pages(filled: Server) -> None:
    page = filled.get("/index/simple/").text
    assert 'href="wild-app/"' in page
    page = filled.get("/index/simple/wild-lib/").text
    assert "wild_lib-1.5-py3-none-any.whl" in page
    assert filled.get("/index/simple/nothing-here/").status == 404
    reply = filled.get("/index/simple/wild_lib/")
    assert (reply.status, reply.get("Location")) == (301, url(filled, "/simple/wild-lib/"))


def test_pip_install(filled: Server, tmp_path: Path) -> None:
    pip(filled, "install", "--target", tmp_path / "site", "wild-app")
    assert (tmp_path / "site" / "wild_app" / "data.bin").read_bytes() == DATA
    assert (tmp_path / "site" / "wild_lib" / "__init__.py").read_text() == "VERSION = '1.5'\n"


def test_pip_download(filled: Server, tmp_path: Path) -> None:
    """Looks into the wheel by ranges before it has it all."""
    pip(filled, "download", "--use-feature=fast-deps", "--dest", tmp_path, "wild-app")
    names = sorted(path.name for path in tmp_path.glob("*.whl"))
    assert names == ["wild_app-1.0-py3-none-any.whl", "wild_lib-1.5-py3-none-any.whl"]
    here, there = (directory / names[0] for directory in (tmp_path, filled.layout.scratch / "index"))
    assert hashlib.sha256(here.read_bytes()).digest() == hashlib.sha256(there.read_bytes()).digest()
    access = (filled.layout.logs / "access_log").read_text()
    assert '/wild_app-1.0-py3-none-any.whl HTTP/1.1" 206' in access
    said = pip(filled, "download", "--dest", tmp_path, "no-such-thing", status=1)
    assert "No matching distribution found for no-such-thing" in said.errors


def test_twine_upload(site: Server, tmp_path: Path) -> None:
    """A form with a file of some megabytes; wrong passwords, and what is there already, are refused."""
    made = wheel(tmp_path, "wild_upload", "0.1", data=DATA)
    assert "403 Forbidden" in said_by(upload(site, made, password="wrong", status=1))
    upload(site, made)
    index = site.layout.scratch / "index"
    assert (index / made.name).read_bytes() == made.read_bytes()
    assert "400 Bad Request" in said_by(upload(site, made, status=1))
    site.expect("Cannot upload 'wild_upload-0.1-py3-none-any.whl' since it already exists!")
    site.expect("You may start server with `--overwrite` option.")
    pip(site, "download", "--no-deps", "--dest", tmp_path / "back", "wild-upload==0.1")
    assert (tmp_path / "back" / made.name).read_bytes() == made.read_bytes()
    (index / made.name).unlink()


def said_by(said: Said) -> str:
    """Both streams."""
    return said.text + said.errors
