# Copyright (c) 2026, the pyweb.mod_wsgi contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The controller's half: what travels, and when."""

from __future__ import annotations

import hashlib
import io
import os
import subprocess
import tarfile

from pathlib import Path
from typing import Any

import pytest

from ansible.errors import AnsibleActionFail
from ansible.plugins.action import ActionBase

from ansible_collections.pyweb.mod_wsgi.plugins.action import mod_wsgi_compile as action
from ansible_collections.pyweb.mod_wsgi.plugins.module_utils import _toolchain


@pytest.fixture
def sources(tmp_path: Path) -> Path:
    top = tmp_path / "files"
    for folder in ("apache", "build/front", "python/__pycache__", ".git"):
        (top / folder).mkdir(parents=True)
    for name in ("configure", "Makefile.in", "mod_wsgi.c", "apache/config.c", "apache/config.h"):
        (top / name).write_text(f"content of {name}\n")
    (top / "configure").chmod(0o755)
    for name in ("Makefile", "build/front/x.o", "python/__pycache__/x.pyc", ".git/HEAD", "apache/x.c.orig", "a.so"):
        (top / name).write_text("left by a build\n")
    return top


def test_only_sources_travel(sources: Path) -> None:
    expected = ["Makefile.in", "apache/config.c", "apache/config.h", "configure", "mod_wsgi.c"]
    assert action.source_files(str(sources)) == expected


def test_the_archive_depends_on_the_sources_alone(sources: Path, tmp_path: Path) -> None:
    first = action.pack_sources(action.read_sources(str(sources)))
    for path in sources.rglob("*"):
        os.utime(path, (1, 1))
    (sources / "Makefile").write_text("another build\n")
    assert action.pack_sources(action.read_sources(str(sources))) == first
    assert first[4:8] == bytes(4), "the time in the head of gzip"
    with tarfile.open(fileobj=io.BytesIO(first)) as pack:
        members = {member.name: member for member in pack}
    assert {member.mtime for member in members.values()} == {0}
    assert {(member.uid, member.gid, member.uname) for member in members.values()} == {(0, 0, "")}
    assert members["configure"].mode == 0o755
    assert members["mod_wsgi.c"].mode == 0o644


def test_both_halves_have_the_same_hash(sources: Path, tmp_path: Path) -> None:
    read = action.read_sources(str(sources))
    (tmp_path / "pack.tar.gz").write_bytes(action.pack_sources(read))
    _toolchain.unpack(str(tmp_path / "pack.tar.gz"), str(tmp_path / "unpacked"))
    assert _toolchain.tree_hash(str(tmp_path / "unpacked")) == action.hash_sources(read)


def test_every_change_counts(sources: Path) -> None:
    seen = {action.hash_sources(action.read_sources(str(sources)))}
    (sources / "apache" / "config.c").write_text("changed\n")
    seen.add(action.hash_sources(action.read_sources(str(sources))))
    (sources / "apache" / "new.c").write_text("")
    seen.add(action.hash_sources(action.read_sources(str(sources))))
    (sources / "configure").chmod(0o644)
    seen.add(action.hash_sources(action.read_sources(str(sources))))
    assert len(seen) == 4


def test_refused_sources(sources: Path, tmp_path: Path) -> None:
    with pytest.raises(AnsibleActionFail, match="is not a directory"):
        action.read_sources(str(tmp_path / "none"))
    (tmp_path / "empty").mkdir()
    with pytest.raises(AnsibleActionFail, match=r"lacks configure, Makefile\.in, mod_wsgi\.c"):
        action.read_sources(str(tmp_path / "empty"))
    (sources / "apache" / "link.c").symlink_to("/etc/passwd")
    with pytest.raises(AnsibleActionFail, match=r"link\.c is not a regular file"):
        action.read_sources(str(sources))


def test_the_own_sources_are_found() -> None:
    assert os.path.isfile(os.path.join(action.own_sources(), "configure"))


# ---- the conversation ------------------------------------------------------------------------


class Action(action.ActionModule):
    """The action without a connection; it notes what it would send."""

    def __init__(self, args: dict[str, Any], answers: list[dict[str, Any]]) -> None:
        self._task = type("Task", (), {"args": args, "async_val": 0, "check_mode": False})()
        self._loader = type("Loader", (), {"path_dwim": staticmethod(lambda path: path)})()
        self.answers = answers
        self.asked: list[dict[str, Any]] = []
        self.sent: list[str] = []

    def _ask(self, options: dict[str, Any], task_vars: dict[str, Any] | None) -> dict[str, Any]:
        self.asked.append(dict(options))
        return self.answers.pop(0)

    def _send(self, sources: dict[str, tuple[bool, bytes]], digest: str) -> str:
        self.sent.append(digest)
        return "/remote/sources.tar.gz"


@pytest.fixture(autouse=True)
def no_base_class(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ActionBase, "run", lambda self, tmp=None, task_vars=None: {})


def test_an_unchanged_run_sends_only_the_hash(sources: Path) -> None:
    plugin = Action({"source": str(sources)}, [{"changed": False}])
    assert plugin.run() == {"changed": False}
    assert plugin.sent == []
    assert plugin.asked == [{"source_hash": action.hash_sources(action.read_sources(str(sources)))}]


def test_sources_follow_if_they_are_needed(sources: Path) -> None:
    plugin = Action({"source": str(sources), "jobs": 2}, [{"source_needed": True}, {"changed": True, "built": True}])
    assert plugin.run() == {"changed": True, "built": True}
    digest = hashlib.sha256()
    assert plugin.sent == [plugin.asked[0]["source_hash"]]
    assert len(plugin.sent[0]) == len(digest.hexdigest())
    assert plugin.asked[1]["archive"] == "/remote/sources.tar.gz"
    assert plugin.asked[1]["jobs"] == 2
    assert all("source" not in options for options in plugin.asked)


def test_a_refusal_sends_nothing(sources: Path) -> None:
    plugin = Action({"source": str(sources)}, [{"failed": True, "msg": "no apxs"}])
    assert plugin.run()["failed"] is True
    assert plugin.sent == []


def test_removal_needs_no_sources() -> None:
    plugin = Action({"state": "absent", "source": "/nonexistent"}, [{"changed": True}])
    assert plugin.run() == {"changed": True}
    assert "source_hash" not in plugin.asked[0]


@pytest.mark.parametrize("name", ["archive", "source_hash"])
def test_internal_options_cannot_be_given(name: str) -> None:
    with pytest.raises(AnsibleActionFail, match="filled in by this action"):
        Action({name: "x"}, []).run()


def test_every_own_source_travels() -> None:
    """What git knows below the sources is what travels, and nothing beside it."""
    top = action.own_sources()
    listed = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard", "."],
        cwd=top,
        capture_output=True,
        text=True,
        check=False,
    )
    if listed.returncode != 0:
        pytest.skip("this is no checkout of git")
    known = [name for name in listed.stdout.split("\n") if name and os.path.isfile(os.path.join(top, name))]
    assert action.source_files(top) == sorted(name for name in known if not name.endswith(".md"))
