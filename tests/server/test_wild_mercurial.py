# SPDX-License-Identifier: Apache-2.0
"""Mercurial's hgweb as its wiki configures Apache and mod_wsgi, used by browser and by hg itself.

Written out by us from the pages "modwsgi" and "PublishingRepositories" of Mercurial's wiki
(mercurial-scm.org/wiki).
"""

from __future__ import annotations

import atexit
import functools
import json
import os
import re
import tempfile

from pathlib import Path

import pytest

from harness import Layout, Server, application_venv
from harness.clients import client
from harness.wild import Documented, closed, give_away, htpasswd, run_as

PASSWORD = "quicksilver"
BIG = 50 << 20
ALLOWED = ("no effect in this version: maximum-requests",)
AUTH = ("authn_core", "authn_file", "auth_basic", "authz_user")


def venv() -> Path:
    return application_venv("mercurial")


def host(layout: Layout, daemon: str) -> str:
    """The page's virtual host: everything goes to one script by a regular expression."""
    cgi, htdocs = layout.apps / "hg" / "cgi-bin", layout.htdocs
    return f"""
{closed(layout)}
<VirtualHost *>
    ServerName hg.example.net
    DocumentRoot {htdocs}

    WSGIScriptAliasMatch ^(.*)$ {cgi}/hgweb.wsgi$1

    {daemon}

    <Directory {htdocs}>
        Options FollowSymlinks
        DirectoryIndex index.html
        AllowOverride None
        Require all granted
    </Directory>

    <Directory {cgi}>
        Options ExecCGI FollowSymlinks
        AddHandler wsgi-script .wsgi
        AllowOverride None
        Require all granted
    </Directory>
</VirtualHost>
"""


def embedded(layout: Layout) -> str:
    """In Apache's own processes."""
    return f"WSGIPythonHome {venv()}\n" + host(layout, "")


def daemon(layout: Layout) -> str:
    """With the page's lines for daemon mode uncommented."""
    return host(
        layout,
        f"WSGIDaemonProcess hg.example.net {run_as()} threads=15 maximum-requests=1000 python-home={venv()}\n"
        "    WSGIProcessGroup hg.example.net",
    )


def below_a_prefix(layout: Layout) -> str:
    """Below /hg, everybody reads, whoever writes has to log in."""
    cgi = layout.apps / "hg" / "cgi-bin"
    return f"""
{closed(layout)}
WSGIRestrictEmbedded On
WSGIDaemonProcess hg processes=2 threads=8 python-home={venv()}
WSGIScriptAliasMatch ^/hg(.*) {cgi}/hgweb.wsgi$1
<Location /hg>
    WSGIProcessGroup hg
    WSGIApplicationGroup %{{GLOBAL}}
    WSGIPassAuthorization On
    AuthType Basic
    AuthName "Mercurial repositories"
    AuthUserFile {layout.scratch}/hg.htpasswd
    <LimitExcept GET>
        Require valid-user
    </LimitExcept>
    <Limit GET>
        Require all granted
    </Limit>
</Location>
<Directory {cgi}>
    AuthMerging Off
    Require all granted
</Directory>
"""


DOCUMENTED = (
    Documented("embedded", embedded, "", AUTH),
    Documented("daemon", daemon, "", AUTH, "hg.example.net"),
    Documented("prefix", below_a_prefix, "/hg", AUTH, "hg"),
)


def hg(*words: str | Path, cwd: Path, status: int = 0) -> str:
    """Mercurial's command line, free of the tester's own configuration; what it said."""
    alone = {"HGRCPATH": "", "HGPLAIN": "1", "HGUSER": "tester"}
    said = client(venv() / "bin" / "hg", *words, cwd=cwd, env=alone, status=status)
    return said.text + said.errors


def prepare(layout: Layout) -> None:
    """Two repositories with files and history, the script, its configuration, a password file."""
    repositories = layout.scratch / "repos"
    for name in ("at-once", "when-asked"):
        (repositories / name).mkdir(parents=True)
        hg("init", ".", cwd=repositories / name)
    for name in ("one", "two"):
        where = repositories / name
        where.mkdir(parents=True)
        hg("init", where, cwd=where)
        (where / "read me.txt").write_text(f"this is {name}\n")
        (where / "big.bin").write_bytes(os.urandom(300_000))
        hg("commit", "--addremove", "--message", f"first of {name} \u00e9", cwd=where)
    (layout.scratch / "hgweb.config").write_text(
        f"[paths]\n/ = {repositories}/*\n[web]\nallow-push = *\npush_ssl = false\nallow-archive = gz\nencoding = UTF-8\n"
    )
    layout.write_app(
        "hg/cgi-bin/hgweb.wsgi",
        f"from mercurial.hgweb import hgweb\napplication = hgweb({str(layout.scratch / 'hgweb.config')!r}.encode())\n",
    )
    give_away(repositories)
    htpasswd(layout.scratch / "hg.htpasswd", ann=PASSWORD)


def url(site: Server, prefix: str, name: str, user: str = "") -> str:
    """Where hg finds a repository."""
    return f"http://{user}127.0.0.1:{site.layout.port}{prefix}/{name}"


def test_index_and_pages(site: Server, prefix: str) -> None:
    index = site.get(f"{prefix}/").text
    assert f'href="{prefix}/one/"' in index
    assert f'href="{prefix}/two/"' in index
    page = site.get(f"{prefix}/one/").text
    assert "first of one \u00e9" in page
    assert site.get(f"{prefix}/one/raw-file/tip/read%20me.txt").text == "this is one\n"
    assert site.get(f"{prefix}/one/rev/nothing").status == 404
    assert site.get(f"{prefix}/three").status == 404


def test_static_file_and_archive(site: Server, prefix: str) -> None:
    assert site.get(f"{prefix}/static/style-paper.css").get("Content-Type") == "text/css"
    packed = site.get(f"{prefix}/one/archive/tip.tar.gz")
    assert packed.body[:2] == b"\x1f\x8b"


def test_json(site: Server, prefix: str) -> None:
    found = json.loads(site.get(f"{prefix}/two/json-log").body)
    assert [entry["desc"] for entry in found["changesets"]][-1:] == ["first of two \u00e9"]


def test_clone(site: Server, prefix: str, tmp_path: Path) -> None:
    hg("clone", url(site, prefix, "one"), "copy", cwd=tmp_path)
    served = site.layout.scratch / "repos" / "one"
    assert (tmp_path / "copy" / "big.bin").read_bytes() == (served / "big.bin").read_bytes()
    assert hg("incoming", url(site, prefix, "two"), "--force", cwd=tmp_path / "copy").count("first of two") == 1


def test_push(site: Server, prefix: str, tmp_path: Path) -> None:
    """The upload of a bundle; below /hg only with a password."""
    hg("clone", url(site, prefix, "two"), "copy", cwd=tmp_path)
    copy = tmp_path / "copy"
    (copy / "more.bin").write_bytes(os.urandom(2_000_000))
    hg("commit", "--addremove", "--message", "pushed", cwd=copy)
    target = url(site, prefix, "two")
    if prefix:
        assert "authorization" in hg("push", target, cwd=copy, status=255)
        target = url(site, prefix, "two", f"ann:{PASSWORD}@")
    assert "added 1 changesets" in hg("push", target, cwd=copy)
    pushed = site.get(f"{prefix}/two/raw-file/tip/more.bin")
    assert pushed.body == (copy / "more.bin").read_bytes()
    hg("clone", url(site, prefix, "two"), "again", cwd=tmp_path)
    assert (tmp_path / "again" / "more.bin").exists()


# An extension for the client: Mercurial itself never asks whether a body is wanted.
ASKING = """
from mercurial import extensions, httppeer

def asking(make, ui, *words, **named):
    request, url, query = make(ui, *words, **named)
    if b"cmd=unbundle" in url:
        request.add_unredirected_header("Expect", "100-continue")
        ui.write(b"sends %s\\n" % str(request.unredirected_hdrs).encode())
    return request, url, query

def uisetup(ui):
    extensions.wrapfunction(httppeer, "makev1commandrequest", asking)
"""


@functools.cache
def big() -> Path:
    """A repository with 50 MiB that nothing compresses."""
    kept = tempfile.TemporaryDirectory(prefix="wsgi-hg-")
    atexit.register(kept.cleanup)
    where = Path(kept.name)
    hg("init", ".", cwd=where)
    (where / "big.bin").write_bytes(os.urandom(BIG))
    hg("commit", "--addremove", "--message", "50 MiB", cwd=where)
    return where


@pytest.mark.parametrize("name", ["at-once", "when-asked"])
def test_push_of_50_mib(site: Server, prefix: str, name: str, tmp_path: Path) -> None:
    """R12: without and with `Expect: 100-continue`; then it is all there."""
    (tmp_path / "asking.py").write_text(ASKING)
    more = ("--config", f"extensions.asking={tmp_path}/asking.py") if name == "when-asked" else ()
    target = url(site, prefix, name, f"ann:{PASSWORD}@" if prefix else "")
    said = hg("push", *more, "--debug", target, cwd=big())
    assert "added 1 changesets with 1 changes to 1 files" in said
    assert ("'Expect': '100-continue'" in said) == (name == "when-asked")
    assert int(re.findall(r"^sending (\d+) bytes$", said, re.MULTILINE)[-1]) > BIG
    served = site.layout.scratch / "repos" / name
    assert hg("log", "-r", "tip", "-T", "{node}", cwd=served) == hg("log", "-r", "tip", "-T", "{node}", cwd=big())
    assert site.get(f"{prefix}/{name}/raw-file/tip/big.bin").body == (big() / "big.bin").read_bytes()
