# Copyright (c) 2026, the pyweb.mod_wsgi contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Programs are bounded, and never run with more rights than those who can replace them."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
import time

from collections.abc import Iterator
from pathlib import Path

import pytest

from ansible_collections.pyweb.mod_wsgi.plugins.module_utils import _python, _run

ALICE = 54321
as_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a file to somebody else")


def shell(text: str) -> _run.Command:
    return _run.Command(["/bin/sh", "-c", text])


# ---- bounds ----------------------------------------------------------------------------------


def test_answer() -> None:
    answer = _run.run(shell("echo out; echo err >&2; exit 3"))
    assert answer == _run.Answer(3, "out\n", "err\n", "")


def test_merged_output_keeps_its_order() -> None:
    assert _run.run(shell("echo 1; echo 2 >&2; echo 3"), merge=True).out == "1\n2\n3\n"


def test_a_program_that_hangs_is_ended_with_its_children() -> None:
    start = time.monotonic()
    answer = _run.run(shell("sleep 60 & echo $!; sleep 60"), seconds=0.5)
    assert time.monotonic() - start < 5
    assert answer.rc is None
    assert answer.failure == "it did not end within 0.5 seconds"
    child = int(answer.out)
    for _attempt in range(50):
        if not _alive(child):
            break
        time.sleep(0.1)
    assert not _alive(child)


def _alive(pid: int) -> bool:
    try:
        with open(f"/proc/{pid}/stat", encoding="ascii") as status:
            return status.read().rsplit(")", 1)[1].split()[0] != "Z"
    except OSError:
        return False


def test_a_grandchild_that_keeps_the_pipe_does_not_keep_us() -> None:
    start = time.monotonic()
    answer = _run.run(shell("sleep 20 & echo $!"), seconds=10)
    assert time.monotonic() - start < 5
    os.kill(int(answer.out), 9)
    assert answer.rc == 0


def test_many_programs_share_one_time_limit() -> None:
    start = time.monotonic()
    answers = _run.run_all([shell("sleep 30")] * 4 + [shell("echo here")], seconds=1.0)
    assert time.monotonic() - start < 5
    assert [answer.rc for answer in answers] == [None] * 4 + [0]
    assert answers[-1].out == "here\n"


def test_output_is_capped_and_does_not_block() -> None:
    answer = _run.run(shell("yes | head -c 1000000"), seconds=20, limit=1000)
    assert answer.rc == 0
    assert len(answer.out) == 1000


def test_a_program_that_cannot_be_started() -> None:
    answer = _run.run(_run.Command(["/nonexistent/program"]))
    assert answer.rc is None
    assert answer.failure == "it cannot be started: No such file or directory"


def test_the_environment_is_small(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SECRET", "1")
    monkeypatch.setenv("LD_PRELOAD", "")
    said = _run.run(shell("env")).out
    assert "SECRET" not in said
    assert "LD_PRELOAD" not in said
    assert "LC_ALL=C" in said


# ---- reading ---------------------------------------------------------------------------------


def test_read_file_never_waits(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    assert _run.read_file(str(tmp_path / "pipe")) is None
    assert _run.read_file(str(tmp_path)) is None
    assert _run.read_file(str(tmp_path / "none")) is None


def test_read_file_is_capped(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x" * 11)
    assert _run.read_file(str(tmp_path / "file"), 10) is None
    assert _run.read_file(str(tmp_path / "file"), 11) == "x" * 11


# ---- owners ----------------------------------------------------------------------------------


@pytest.fixture
def place() -> Iterator[Path]:
    """A directory that anybody may enter, unlike pytest's own."""
    path = tempfile.mkdtemp(prefix="pyweb-owner-")
    os.chmod(path, 0o755)
    yield Path(path)
    shutil.rmtree(path)


def make(path: Path, text: str = "#!/bin/sh\nid -u\n", mode: int = 0o755) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    path.chmod(mode)
    return path


@as_root
def test_what_only_root_can_replace(place: Path) -> None:
    assert _run.path_writer(str(make(place / "bin" / "program"))) is None
    assert _run.path_writer("/bin/sh") is None


@as_root
def test_owner_of_the_file(place: Path) -> None:
    program = make(place / "program")
    os.chown(program, ALICE, ALICE)
    assert _run.path_writer(str(program)) == _run.Identity(ALICE, ALICE)


@as_root
def test_owner_of_a_directory_above(place: Path) -> None:
    program = make(place / "venv" / "bin" / "program")
    os.chown(place / "venv", ALICE, ALICE)
    assert _run.path_writer(str(program)) == _run.Identity(ALICE, ALICE)


@as_root
def test_owner_of_the_directory_of_a_link(place: Path) -> None:
    make(place / "root" / "program")
    (place / "venv").mkdir()
    (place / "venv" / "python").symlink_to("../root/program")
    assert _run.path_writer(str(place / "venv" / "python")) is None
    os.chown(place / "venv", ALICE, ALICE)
    assert _run.path_writer(str(place / "venv" / "python")) == _run.Identity(ALICE, ALICE)


@as_root
def test_a_link_from_root_into_a_users_directory(place: Path) -> None:
    program = make(place / "home" / "program")
    os.chown(place / "home", ALICE, ALICE)
    (place / "link").symlink_to(program)
    assert _run.path_writer(str(place / "link")) == _run.Identity(ALICE, ALICE)


@as_root
def test_a_file_that_everybody_may_write(place: Path) -> None:
    program = make(place / "program", mode=0o777)
    assert _run.path_writer(str(program)) == _run.Identity(_run.NOBODY, _run.NOBODY)


@as_root
def test_a_group_counts_if_it_has_members(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    program = make(place / "program", mode=0o775)
    monkeypatch.setattr(_run, "_group_has_members", lambda gid: False)
    assert _run.path_writer(str(program)) is None
    monkeypatch.setattr(_run, "_group_has_members", lambda gid: True)
    assert _run.path_writer(str(program)) == _run.Identity(_run.NOBODY, _run.NOBODY)


def test_circles_of_links_end(place: Path) -> None:
    (place / "a").symlink_to("b")
    (place / "b").symlink_to("a")
    _run.path_writer(str(place / "a"))


@as_root
def test_a_users_program_runs_as_the_user(place: Path) -> None:
    program = make(place / "program", "#!/bin/sh\nid -u; id -g; id -G\n")
    os.chown(program, ALICE, ALICE + 1)
    groups = os.getgroups()
    os.setgroups([*groups, 4242])
    try:
        answer = _run.run(_run.Command([str(program)], _run.run_as(str(program))))
    finally:
        os.setgroups(groups)
    assert answer.out.split() == [str(ALICE), str(ALICE + 1), str(ALICE + 1)]


@as_root
def test_a_users_interpreter_cannot_write_as_root(place: Path) -> None:
    """A venv whose bin/python writes a file: never with root's rights, and the base is asked in its place."""
    home = place / "home"
    target = place / "for-root-only"
    target.mkdir(mode=0o700)
    text = f'#!/bin/sh\nid -u > {home}/who\necho x > {target}/proof\nexec {sys.executable} "$@"\n'
    python = make(home / "venv" / "bin" / "python", text)
    for path in [home, *home.rglob("*")]:
        os.chown(path, ALICE, ALICE)
    facts = _python.examine([str(python)])[0]
    assert facts["owner"] == str(ALICE)
    assert (home / "who").read_text().strip() == str(ALICE)
    assert not (target / "proof").exists()


@as_root
def test_the_base_that_a_user_names_is_asked_as_the_user(place: Path) -> None:
    """pyvenv.cfg is the user's text: neither does root run what it names, nor is it anything but a Python."""
    base = make(place / "opt" / "python3.11", f'#!/bin/sh\nid -u >> {place}/opt/who\nexec {sys.executable} "$@"\n')
    (place / "opt" / "who").write_text("")
    (place / "opt" / "who").chmod(0o666)
    python = make(place / "home" / "bin" / "python", "#!/bin/sh\nprintf '@pyweb@version=3.11.2\\n@pyweb@end=1\\n'\n")
    (place / "home" / "pyvenv.cfg").write_text(f"home = {place}/opt\nexecutable = {base}\nversion = 3.11.2\n")
    for path in [place / "home", *(place / "home").rglob("*")]:
        os.chown(path, ALICE, ALICE)
    facts = _python.examine([str(python)])[0]
    assert facts["real_path"] == str(base)
    assert (facts["owner"], facts["base_owner"]) == (str(ALICE), "root")
    assert (place / "opt" / "who").read_text().split() == [str(ALICE)]


def test_a_base_must_be_called_like_a_python(place: Path) -> None:
    make(place / "opt" / "rm")
    python = make(place / "home" / "bin" / "python")
    (place / "home" / "pyvenv.cfg").write_text(f"home = {place}/opt\nexecutable = {place}/opt/rm\n")
    assert _python.base_of(str(python)) == str(python)


# ---- interpreters ----------------------------------------------------------------------------


def test_the_running_python_is_understood() -> None:
    facts = _python.examine([sys.executable])[0]
    assert facts["failure"] == ""
    assert facts["version"] == "%d.%d.%d" % sys.version_info[:3]  # noqa: UP031
    assert f"{sys.version_info[0]}{sys.version_info[1]}" in facts["soabi"]
    assert os.path.isfile(facts["real_path"])


def test_a_virtual_environment_and_its_base(tmp_path: Path) -> None:
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(tmp_path / "venv")], check=True)
    outside, inside = _python.examine([os.path.realpath(sys.executable), str(tmp_path / "venv" / "bin" / "python")])
    assert inside["is_venv"] is True
    assert inside["executable"].endswith("venv/bin/python")
    assert inside["real_path"] == inside["base"] == _python.base_of(sys.executable)
    assert inside["soabi"] == outside["soabi"]
    assert inside["venv_version"].split(".")[:2] == outside["version"].split(".")[:2]


def test_a_copied_virtual_environment_leads_to_its_base(tmp_path: Path) -> None:
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", "--copies", str(tmp_path / "venv")], check=True)
    assert _python.base_of(str(tmp_path / "venv" / "bin" / "python")) == _python.base_of(sys.executable)


@pytest.mark.parametrize(
    ("text", "failure"),
    [
        ("#!/bin/sh\nsleep 30\n", "it did not end within 1 seconds"),
        ("#!/bin/sh\necho hello\n", "it ended with status 0 and no answer: hello"),
        ("#!/bin/sh\necho broken >&2\nexit 127\n", "it ended with status 127 and no answer: broken"),
        ("not a program\n", "it cannot be started: Exec format error"),
        ("#!/nonexistent/python\n", "it cannot be started: No such file or directory"),
    ],
)
def test_what_is_no_interpreter(tmp_path: Path, text: str, failure: str) -> None:
    facts = _python.examine([str(make(tmp_path / "python", text))], seconds=1.0)[0]
    assert facts["failure"] == failure
    assert facts["version"] == ""


def test_paths_that_cannot_be_run(tmp_path: Path) -> None:
    make(tmp_path / "venv" / "bin" / "python")
    os.mkfifo(tmp_path / "pipe")
    plain = make(tmp_path / "plain", mode=0o644)
    paths = [tmp_path, tmp_path / "venv", tmp_path / "pipe", plain, tmp_path / "none"]
    failures = [facts["failure"] for facts in _python.examine([str(path) for path in paths])]
    assert failures == [
        "is a directory",
        f"is a directory; did you mean {tmp_path}/venv/bin/python?",
        "is not a regular file",
        "is not executable",
        "no such file or directory",
    ]


def test_noise_around_the_answer_does_no_harm(tmp_path: Path) -> None:
    text = f"#!/bin/sh\necho '@pyweb@version=9'\necho noise\n{sys.executable} \"$@\"\necho more noise\n"
    facts = _python.examine([str(make(tmp_path / "python", text))])[0]
    assert facts["failure"] == ""
    assert facts["version"].startswith(f"{sys.version_info[0]}.{sys.version_info[1]}.")


def test_an_answer_that_breaks_off_is_none() -> None:
    assert _python.parse_answer("\n@pyweb@version=3.11.2\n") == {}
    assert _python.parse_answer("\n@pyweb@version=three\n@pyweb@end=1\n") == {}


def test_headers_of_another_minor_version(tmp_path: Path) -> None:
    (tmp_path / "Python.h").write_text("")
    (tmp_path / "patchlevel.h").write_text('#define PY_VERSION          "3.12.1"\n')
    facts = _python.empty("/usr/bin/python3")
    text = f"@pyweb@version=3.11.2\n@pyweb@INCLUDEPY={tmp_path}\n@pyweb@SOABI=cpython-311\n@pyweb@end=1\n"
    _python.digest(facts, _run.Answer(0, text, ""))
    assert (facts["header_version"], facts["include_ok"]) == ("3.12.1", False)


def test_facts_of_unusual_builds() -> None:
    # quoted: names of variables from CPython's sysconfig; values constructed
    facts = _python.empty("/usr/bin/python3.14t")
    text = (
        "@pyweb@version=3.14.0\n@pyweb@SOABI=cpython-314t-x86_64-linux-gnu\n@pyweb@Py_GIL_DISABLED=1\n"
        "@pyweb@Py_DEBUG=1\n@pyweb@Py_ENABLE_SHARED=0\n@pyweb@LDLIBRARY=libpython3.14t.a\n@pyweb@end=1\n"
    )
    _python.digest(facts, _run.Answer(0, text, ""))
    assert (facts["gil"], facts["debug"], facts["shared"], facts["libpython"]) == (False, True, False, "")
    _python.digest(facts, _run.Answer(0, "@pyweb@version=3.10.0\n@pyweb@implementation=pypy\n@pyweb@end=1\n", ""))
    assert facts["failure"] == "it is pypy, not CPython"


def test_old_pythons_are_asked_again_without_the_flag_they_lack(tmp_path: Path) -> None:
    # constructed: what Python 2.7 says to -I
    text = (
        '#!/bin/sh\n[ "$1" = -I ] && { echo "Unknown option: -I" >&2; exit 2; }\n'
        "printf '\\n@pyweb@version=2.7.18\\n@pyweb@end=1\\n'\n"
    )
    assert _python.examine([str(make(tmp_path / "python", text))])[0]["version"] == "2.7.18"
