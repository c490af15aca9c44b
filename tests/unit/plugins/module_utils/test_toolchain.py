# Copyright (c) 2026, the pyweb.mod_wsgi contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""From an archive to a proven module in its place: the steps that need no compiler."""

from __future__ import annotations

import io
import json
import mmap
import os
import shutil
import sys
import tarfile
import tempfile

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.pyweb.mod_wsgi.plugins.module_utils import _installed, _toolchain
from ansible_collections.pyweb.mod_wsgi.plugins.module_utils._run import Answer
from ansible_collections.pyweb.mod_wsgi.tests.unit.plugins.hosts import good_apache, good_python

KEY = "0123456789abcdef" + "0" * 48
FINGERPRINT = KEY[:16]
FORMER = "fedcba9876543210"
ENGINE = "_mod_wsgi.cpython-311-x86_64-linux-gnu.so"


# ---- the first error -------------------------------------------------------------------------

LOGS = [
    # ran: gcc 12
    (
        "gcc -c mod_wsgi.c\nmod_wsgi.c: In function 'f':\nmod_wsgi.c:3:9: warning: unused variable 'x'\n"
        "mod_wsgi.c:4:13: error: expected ';'\nmod_wsgi.c:9:1: error: second\nmake: *** [x] Error 1\n",
        "mod_wsgi.c:4:13: error: expected ';'",
    ),
    # ran: gcc 12
    (
        "In file included from a.c:1:\na.h:1:10: fatal error: Python.h: No such file or directory\n",
        "a.h:1:10: fatal error: Python.h: No such file or directory",
    ),
    # constructed: a linker's
    (
        "/usr/bin/ld: x.o: in function `f':\nx.c:(.text+0x1): undefined reference to `g'\ncollect2: error: ld returned 1\n",
        "x.c:(.text+0x1): undefined reference to `g'",
    ),
    # constructed: configure's
    ("checking\nconfigure: error: no apxs found\n", "configure: error: no apxs found"),
    # ran: apxs of Debian 12
    ("apxs:Error: Command failed with rc=65536\n.\n", "apxs:Error: Command failed with rc=65536"),
    ("something else went wrong\n\n", "something else went wrong"),
    ("", "no output"),
]


@pytest.mark.parametrize(("log", "expected"), LOGS)
def test_first_error(log: str, expected: str) -> None:
    assert _toolchain.first_error(log) == expected


def test_the_work_directory_is_not_part_of_the_error() -> None:
    log = "/tmp/w/sources/apache/x.c:1:2: error: no\n"
    assert _toolchain.first_error(log, "/tmp/w") == "apache/x.c:1:2: error: no"


# ---- sources ---------------------------------------------------------------------------------


def archive(path: Path, members: list[tarfile.TarInfo], content: bytes = b"text") -> str:
    with tarfile.open(path, "w:gz") as pack:
        for member in members:
            member.size = len(content) if member.isfile() else 0
            pack.addfile(member, io.BytesIO(content) if member.isfile() else None)
    return str(path)


def member(name: str, kind: bytes = tarfile.REGTYPE, mode: int = 0o644) -> tarfile.TarInfo:
    info = tarfile.TarInfo(name)
    info.type = kind
    info.mode = mode
    info.linkname = "/etc/passwd"
    return info


def test_unpack(tmp_path: Path) -> None:
    pack = archive(tmp_path / "a.tar.gz", [member("configure", mode=0o777), member("apache/x.c")])
    _toolchain.unpack(pack, str(tmp_path / "sources"))
    assert os.stat(tmp_path / "sources" / "configure").st_mode & 0o777 == 0o755
    assert os.stat(tmp_path / "sources" / "apache" / "x.c").st_mode & 0o777 == 0o644


@pytest.mark.parametrize(
    "bad",
    [
        member("/etc/x"),
        member("../x"),
        member("a/../../x"),
        member("link", tarfile.SYMTYPE),
        member("link", tarfile.LNKTYPE),
        member("device", tarfile.CHRTYPE),
        member("pipe", tarfile.FIFOTYPE),
    ],
)
def test_what_does_not_belong_into_an_archive(tmp_path: Path, bad: tarfile.TarInfo) -> None:
    pack = archive(tmp_path / "a.tar.gz", [bad])
    with pytest.raises(_toolchain.BuildError, match="does not belong there"):
        _toolchain.unpack(pack, str(tmp_path / "sources"))


def test_a_damaged_archive(tmp_path: Path) -> None:
    (tmp_path / "a.tar.gz").write_bytes(b"no archive")
    with pytest.raises(_toolchain.BuildError, match="cannot be unpacked"):
        _toolchain.unpack(str(tmp_path / "a.tar.gz"), str(tmp_path / "sources"))


def test_tree_hash(tmp_path: Path) -> None:
    (tmp_path / "apache").mkdir()
    (tmp_path / "configure").write_text("x")
    (tmp_path / "apache" / "a.c").write_text("y")
    seen = {_toolchain.tree_hash(str(tmp_path))}
    (tmp_path / "configure").chmod(0o755)
    seen.add(_toolchain.tree_hash(str(tmp_path)))
    (tmp_path / "apache" / "a.c").write_text("z")
    seen.add(_toolchain.tree_hash(str(tmp_path)))
    (tmp_path / "apache" / "a.c").rename(tmp_path / "apache" / "b.c")
    seen.add(_toolchain.tree_hash(str(tmp_path)))
    os.utime(tmp_path / "configure", (0, 0))
    seen.add(_toolchain.tree_hash(str(tmp_path)))
    assert len(seen) == 4


# ---- a plan ----------------------------------------------------------------------------------


@pytest.fixture
def libexec() -> Iterator[Path]:
    path = Path(tempfile.mkdtemp(prefix="pyweb-libexec-"))
    yield path
    shutil.rmtree(path)


def plan_for(libexecdir: Path, **changes: Any) -> _toolchain.Plan:
    apache = good_apache(libexecdir=str(libexecdir), modules_dir="/usr/lib/apache2/modules", **changes)
    return _toolchain.Plan(apache, [good_python(), good_python()], KEY, "/usr/bin/make", 2, ["-g3"])


def test_configure_is_told_everything(libexec: Path) -> None:
    assert plan_for(libexec).configure_arguments() == [
        "--with-apxs=/usr/bin/apxs",
        "--with-httpd=/usr/sbin/apache2",
        f"--libexecdir={libexec}",
        f"--with-fingerprint={FINGERPRINT}",
        "--with-python=/usr/bin/python3.11",
        "--default-python=/usr/bin/python3.11",
    ]


def write_build(directory: Path, fingerprint: str = FINGERPRINT) -> Path:
    directory.mkdir(parents=True)
    python = {"interpreter": "/usr/bin/python3.11", "soabi": "cpython-311-x86_64-linux-gnu", "engine": ENGINE}
    build = {"format": 1, "version": "1.0.0", "fingerprint": fingerprint, "mmn": "20120211:142", "pythons": [python]}
    (directory / "build.json").write_text(json.dumps(build))
    (directory / "mod_wsgi.so").write_text("front")
    (directory / ENGINE).write_text("engine")
    (directory / "python-3.11-01234567.manifest").write_text("format=1\n")
    return directory


def test_a_whole_build(libexec: Path) -> None:
    assert _installed.what_is_wrong(str(write_build(libexec / "x"))) == ""


@pytest.mark.parametrize("name", ["build.json", "mod_wsgi.so", ENGINE, "python-3.11-01234567.manifest"])
@pytest.mark.parametrize("empty", [True, False])
def test_a_build_that_lacks_something(libexec: Path, name: str, empty: bool) -> None:
    directory = write_build(libexec / "x")
    if empty and not name.endswith(".manifest"):
        (directory / name).write_text("")
    else:
        (directory / name).unlink()
    assert _installed.what_is_wrong(str(directory)) != ""


@pytest.mark.parametrize("text", ["[]", "{", '{"format": 2}', '{"format": 1}', '{"format": 1, "fingerprint": "../x"}'])
def test_a_damaged_description(libexec: Path, text: str) -> None:
    directory = write_build(libexec / "x")
    (directory / "build.json").write_text(text)
    assert "build.json" in _installed.what_is_wrong(str(directory))


def test_what_is_installed(libexec: Path) -> None:
    assert _installed.examine(str(libexec)) == _installed.missing()
    home = libexec / "pyweb_mod_wsgi"
    write_build(home / FINGERPRINT)
    (home / "current").symlink_to(FINGERPRINT)
    facts = _installed.examine(str(libexec))
    assert facts["present"] is True
    assert facts["complete"] is True
    assert facts["fingerprint"] == FINGERPRINT
    assert facts["directory"] == str(home / FINGERPRINT)
    assert facts["module_path"] == str(home / "current" / "mod_wsgi.so")
    assert facts["pythons"][0]["interpreter"] == "/usr/bin/python3.11"


def test_a_link_that_points_to_nothing(libexec: Path) -> None:
    home = libexec / "pyweb_mod_wsgi"
    home.mkdir()
    (home / "current").symlink_to(FINGERPRINT)
    facts = _installed.examine(str(libexec))
    assert facts["present"] is False
    assert "points to nothing" in facts["problem"]


# ---- publishing ------------------------------------------------------------------------------


def staged(libexec: Path, work: Path) -> tuple[_toolchain.Plan, str]:
    plan = plan_for(libexec)
    write_build(work / "root" / plan.directory.lstrip("/"))
    return plan, _toolchain.stage(plan, str(work))


def test_stage_and_publish(libexec: Path, tmp_path: Path) -> None:
    plan, directory = staged(libexec, tmp_path)
    assert not (Path(plan.home) / "current").exists()
    assert oct(os.stat(directory).st_mode & 0o777) == "0o755"
    _toolchain.publish(plan, directory)
    _toolchain.switch(plan)
    assert os.readlink(os.path.join(plan.home, "current")) == FINGERPRINT
    assert _toolchain.is_there(plan)
    assert sorted(os.listdir(plan.home)) == [FINGERPRINT, "current"]


def test_a_damaged_directory_of_the_same_name_is_replaced(libexec: Path, tmp_path: Path) -> None:
    plan, directory = staged(libexec, tmp_path)
    (Path(plan.directory)).mkdir()
    (Path(plan.directory) / "half").write_text("")
    assert not _toolchain.is_there(plan)
    _toolchain.publish(plan, directory)
    _toolchain.switch(plan)
    assert _toolchain.is_there(plan)
    assert _toolchain.tidy(plan.home, [FINGERPRINT]) == []
    assert sorted(os.listdir(plan.home)) == [FINGERPRINT, "current"]


def test_a_build_that_is_not_whole_is_not_staged(libexec: Path, tmp_path: Path) -> None:
    plan = plan_for(libexec)
    built = write_build(tmp_path / "root" / plan.directory.lstrip("/"))
    (built / ENGINE).unlink()
    with pytest.raises(_toolchain.BuildError, match="not complete"):
        _toolchain.stage(plan, str(tmp_path))
    assert not os.path.exists(plan.home)


def test_a_full_disk_leaves_nothing_behind(libexec: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    plan = plan_for(libexec)
    write_build(tmp_path / "root" / plan.directory.lstrip("/"))

    def full(source: str, target: str) -> None:
        raise OSError(28, "No space left on device", target)

    monkeypatch.setattr(shutil, "copyfile", full)
    with pytest.raises(OSError, match="No space left"):
        _toolchain.stage(plan, str(tmp_path))
    assert os.listdir(plan.home) == []


def test_tidy_keeps_what_is_wanted_and_what_is_used(libexec: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    home = libexec / "pyweb_mod_wsgi"
    used, unused = "a" * 16, "b" * 16
    for name in (FINGERPRINT, FORMER, used, unused, ".new-x", ".old-y", "somebody-else"):
        (home / name).mkdir(parents=True)
    (home / "current").symlink_to(FINGERPRINT)
    (home / ".new-current").symlink_to(FINGERPRINT)
    monkeypatch.setattr(_toolchain, "mapped_directories", lambda path: [used])
    assert _toolchain.tidy(str(home), [FINGERPRINT, FORMER]) == [unused]
    assert sorted(os.listdir(home)) == sorted([FINGERPRINT, FORMER, used, "current", "somebody-else"])


def test_a_mapped_directory_is_seen(libexec: Path) -> None:
    home = libexec / "pyweb_mod_wsgi"
    write_build(home / FINGERPRINT)
    with open(home / FINGERPRINT / "mod_wsgi.so", "rb") as front, mmap.mmap(front.fileno(), 0, prot=mmap.PROT_READ):
        assert _toolchain.mapped_directories(str(home)) == [FINGERPRINT]
    assert _toolchain.mapped_directories(str(home)) == []


def test_the_lock_keeps_others_away(libexec: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_toolchain, "LOCK_SECONDS", 0.1)
    with _toolchain.locked(str(libexec)), pytest.raises(
        _toolchain.BuildError, match="another build"
    ), _toolchain.locked(str(libexec)):
        pass
    with _toolchain.locked(str(libexec)):
        assert os.listdir(libexec) == []


# ---- refusals --------------------------------------------------------------------------------


def test_a_packages_path_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_installed, "package_of", lambda path: "libapache2-mod-other")
    with pytest.raises(_toolchain.BuildError, match="belongs to the package libapache2-mod-other"):
        _toolchain.refuse_foreign("/usr/lib/apache2/modules/pyweb_mod_wsgi")


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a directory to somebody else")
def test_a_users_directory_is_refused(libexec: Path) -> None:
    os.chown(libexec, 54321, 54321)
    with pytest.raises(_toolchain.BuildError, match="can be replaced by 54321"):
        _toolchain.prepare(str(libexec))


def test_remove(libexec: Path) -> None:
    home = libexec / "pyweb_mod_wsgi"
    write_build(home / FINGERPRINT)
    _toolchain.remove(str(libexec))
    assert os.listdir(libexec) == []


def test_a_link_is_not_removed(libexec: Path, tmp_path: Path) -> None:
    (tmp_path / "precious").write_text("")
    (libexec / "pyweb_mod_wsgi").symlink_to(tmp_path)
    with pytest.raises(_toolchain.BuildError, match="symbolic link"):
        _toolchain.remove(str(libexec))
    assert (tmp_path / "precious").exists()


OWNERS = [
    # ran: Debian 12, dpkg -S
    ("dpkg", 0, "apache2-bin: /usr/lib/apache2/modules\n", "apache2-bin"),
    ("dpkg", 0, "apache2, apache2-bin: /usr/lib/apache2\n", "apache2"),
    ("dpkg", 1, "", ""),
    # constructed: dpkg of a diverted file
    ("dpkg", 0, "diversion by x from: /a\n", ""),
    # constructed: the other package managers
    ("rpm", 0, "httpd\n", "httpd"),
    ("rpm", 1, "file /x is not owned by any package\n", ""),
    ("apk", 0, "/usr/lib/apache2/mod_wsgi.so is owned by apache2-mod-wsgi-5.0.2-r1\n", "apache2-mod-wsgi-5.0.2-r1"),
    ("pacman", 0, "mod_wsgi\n", "mod_wsgi"),
]


@pytest.mark.parametrize(("program", "rc", "out", "expected"), OWNERS)
def test_owner_of_a_path(program: str, rc: int, out: str, expected: str) -> None:
    assert _installed.parse_owner(program, rc, out) == expected


# ---- the load test ---------------------------------------------------------------------------


def test_load_test_configuration(libexec: Path) -> None:
    text = _toolchain.load_test_config(plan_for(libexec, static_modules=["core", "mod_unixd"]), "/m/mod_wsgi.so", "/w")
    assert 'LoadModule mpm_event_module "/usr/lib/apache2/modules/mod_mpm_event.so"\n' in text
    assert "unixd" not in text
    assert text.endswith('LoadModule wsgi_module "/m/mod_wsgi.so"\n')
    static = plan_for(libexec, static_modules=["core", "worker"], mpm="worker")
    assert "mpm" not in _toolchain.load_test_config(static, "/m/mod_wsgi.so", "/w")


def test_a_module_that_does_not_load(libexec: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    # ran: Debian 12, apache2 -t with a module that is no shared object
    said = (
        "apache2: Syntax error on line 6 of /w/load-test.conf: Cannot load /m/mod_wsgi.so into server: "
        "/m/mod_wsgi.so: file too short\n"
    )
    monkeypatch.setattr(_toolchain, "run", lambda *given, **named: Answer(1, said, ""))
    with pytest.raises(_toolchain.BuildError, match="file too short"):
        _toolchain.prove_it_loads(plan_for(libexec), "/m", str(tmp_path))


def test_an_engine_that_does_not_open(libexec: Path) -> None:
    directory = write_build(libexec / "x")
    build = json.loads((directory / "build.json").read_text())
    build["pythons"][0]["interpreter"] = sys.executable
    (directory / "build.json").write_text(json.dumps(build))
    with pytest.raises(_toolchain.BuildError, match="does not open its engine"):
        _toolchain.prove_the_engines(str(directory))
