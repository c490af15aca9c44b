# Copyright (c) 2026, the pyweb.mod_wsgi contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The modules' own logic: what they return, predict, refuse and do."""

from __future__ import annotations

import json
import re

from pathlib import Path
from typing import Any, NoReturn, cast

import pytest
import yaml

from ansible_collections.pyweb.mod_wsgi.plugins.module_utils import _apache, _installed, _match, _toolchain
from ansible_collections.pyweb.mod_wsgi.plugins.modules import mod_wsgi_check, mod_wsgi_compile
from ansible_collections.pyweb.mod_wsgi.tests.unit.plugins.hosts import good_apache, good_host, good_python


class Failed(Exception):
    """What fail_json() raises here."""

    def __init__(self, result: dict[str, Any]) -> None:
        super().__init__(result["msg"])
        self.result = result


class Module:
    """An AnsibleModule without the rest of Ansible."""

    def __init__(self, params: dict[str, Any], check_mode: bool, tmpdir: str) -> None:
        self.params = params
        self.check_mode = check_mode
        self.tmpdir = tmpdir
        self.warnings: list[str] = []

    def warn(self, text: str) -> None:
        self.warnings.append(text)

    def fail_json(self, **result: Any) -> NoReturn:
        raise Failed(result)


@pytest.fixture
def host(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> _match.Host:
    """A host on which everything fits, with a module directory of its own."""
    libexecdir = tmp_path / "libexec"
    libexecdir.mkdir()
    facts = good_host(apache=good_apache(libexecdir=str(libexecdir)))
    monkeypatch.setattr(_match, "examine", lambda options: facts)
    monkeypatch.setattr(_match, "path_writer", lambda path: None)
    monkeypatch.setattr(_toolchain, "path_writer", lambda path: None)
    monkeypatch.setattr(_installed, "package_of", lambda path: "")
    return facts


def compiler(tmp_path: Path, check_mode: bool = False, **changes: Any) -> mod_wsgi_compile.Compiler:
    params: dict[str, Any] = {
        "state": "present",
        "pythons": None,
        "source_hash": "a" * 64,
        "archive": None,
        "jobs": None,
        "cflags": [],
        "keep_former": True,
    }
    params.update(changes)
    return mod_wsgi_compile.Compiler(cast(Any, Module(params, check_mode, str(tmp_path))))


def pretend_to_build(plan: _toolchain.Plan, archive: str, source_hash: str, work: str) -> str:
    """Write what a build would install."""
    directory = Path(plan.directory)
    directory.mkdir(parents=True)
    python = plan.pythons[0]
    engine = f"_mod_wsgi.{python['soabi']}.so"
    rows = [{"interpreter": python["real_path"], "soabi": python["soabi"], "engine": engine}]
    build = {"format": 1, "fingerprint": plan.fingerprint, "mmn": plan.apache["mmn"], "pythons": rows}
    (directory / "build.json").write_text(json.dumps(build))
    for name in ("mod_wsgi.so", engine, "python-3.11-01234567.manifest"):
        (directory / name).write_text("x")
    return "one\ntwo\n"


@pytest.fixture
def built(host: _match.Host, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """The host after a first run."""
    monkeypatch.setattr(_toolchain, "build", pretend_to_build)
    monkeypatch.setattr(_toolchain, "prove_it_loads", lambda plan, directory, work: "loads\n")
    return compiler(tmp_path, archive="/a").present()


# ---- mod_wsgi_compile ------------------------------------------------------------------------


def test_without_sources_it_asks_for_them(host: _match.Host, tmp_path: Path) -> None:
    result = compiler(tmp_path).present()
    assert result["source_needed"] is True
    assert result["changed"] is False


def test_a_first_run(built: dict[str, Any], host: _match.Host) -> None:
    assert built["changed"] is True
    assert built["built"] is True
    assert built["former"] == ""
    assert built["fingerprint"] == built["build_key"][:16]
    assert built["directory"].endswith(built["fingerprint"])
    assert built["module_path"].endswith("/pyweb_mod_wsgi/current/mod_wsgi.so")
    assert built["engines"][0]["soabi"] == "cpython-311-x86_64-linux-gnu"
    assert built["log"] == ["one", "two"]
    assert built["diff"]["before"] == {"fingerprint": "", "pythons": []}
    assert built["diff"]["after"] == {"fingerprint": built["fingerprint"], "pythons": ["/usr/bin/python3.11"]}


@pytest.mark.parametrize("check_mode", [True, False])
def test_a_second_run_changes_nothing(
    built: dict[str, Any], tmp_path: Path, check_mode: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    def never(*given: Any) -> NoReturn:
        raise AssertionError("a compiler was started")

    monkeypatch.setattr(_toolchain, "build", never)
    again = compiler(tmp_path, check_mode).present()
    assert again["changed"] is False
    assert "source_needed" not in again
    assert again["engines"] == built["engines"]
    assert again["directory"] == built["directory"]


def test_an_unchanged_run_needs_no_compiler(
    built: dict[str, Any], host: _match.Host, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    bare = host._replace(tools={"cc": "", "make": ""})
    monkeypatch.setattr(_match, "examine", lambda options: bare)
    assert compiler(tmp_path).present()["changed"] is False


def test_check_mode_predicts_what_happens(host: _match.Host, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    predicted = compiler(tmp_path, check_mode=True).present()
    assert not list((tmp_path / "libexec").iterdir())
    monkeypatch.setattr(_toolchain, "build", pretend_to_build)
    done = compiler(tmp_path, archive="/a").present()
    for key in ("changed", "fingerprint", "build_key", "directory", "module_path", "diff", "former"):
        assert predicted[key] == done[key]
    assert predicted["built"] is False


def test_other_flags_make_a_new_version_and_keep_the_former(built: dict[str, Any], tmp_path: Path) -> None:
    second = compiler(tmp_path, archive="/a", cflags=["-g3"]).present()
    assert second["former"] == built["fingerprint"]
    assert Path(built["directory"]).is_dir()
    third = compiler(tmp_path, archive="/a", cflags=["-g2"], keep_former=False).present()
    assert sorted(third["removed"]) == sorted([built["fingerprint"], second["fingerprint"]])


def test_the_way_back_needs_no_compiler(built: dict[str, Any], tmp_path: Path) -> None:
    compiler(tmp_path, archive="/a", cflags=["-g3"]).present()
    back = compiler(tmp_path).present()
    assert back["changed"] is True
    assert back["built"] is False
    assert back["directory"] == built["directory"]


def test_a_damaged_installation_is_repaired(
    built: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (Path(built["directory"]) / "mod_wsgi.so").unlink()
    assert compiler(tmp_path).present()["source_needed"] is True
    assert compiler(tmp_path, check_mode=True).present()["changed"] is True


def test_a_failed_build_leaves_what_was(built: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*given: Any) -> NoReturn:
        raise _toolchain.BuildError("compiling failed: x.c:1:2: error: no", "log of it\nx.c:1:2: error: no\n")

    monkeypatch.setattr(_toolchain, "build", fail)
    with pytest.raises(Failed) as caught:
        compiler(tmp_path, archive="/a", source_hash="b" * 64).present()
    result = caught.value.result
    assert "x.c:1:2: error: no" in result["msg"]
    assert f"The module in use, {built['fingerprint']}, is untouched." in result["msg"]
    assert result["changed"] is False
    assert "diff" not in result
    assert result["log"][-1] == "x.c:1:2: error: no"
    assert _installed.examine(str(tmp_path / "libexec"))["fingerprint"] == built["fingerprint"]
    assert not list(tmp_path.glob("pyweb_mod_wsgi-*"))


def test_a_read_only_directory(host: _match.Host, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def read_only(*given: Any) -> NoReturn:
        raise OSError(30, "Read-only file system", "/usr/lib/apache2/modules")

    monkeypatch.setattr(_toolchain, "build", read_only)
    with pytest.raises(Failed, match=r"/usr/lib/apache2/modules: Read-only file system\. No module was installed"):
        compiler(tmp_path, archive="/a").present()


def test_what_does_not_match_fails_before_any_change(
    host: _match.Host, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    old = host._replace(pythons=[good_python(version="3.6.15", soabi="cpython-36m")])
    monkeypatch.setattr(_match, "examine", lambda options: old)
    for check_mode in (True, False):
        with pytest.raises(Failed) as caught:
            compiler(tmp_path, check_mode, archive="/a").present()
        assert [reason["code"] for reason in caught.value.result["reasons"]] == ["python_too_old"]
        assert caught.value.result["changed"] is False


def test_check_mode_on_a_bare_host_forgives_what_packages_bring(
    host: _match.Host, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    apache = _apache.empty("debian")
    apache["libexecdir"] = str(tmp_path / "libexec")
    bare = host._replace(apache=apache, tools={"cc": "", "make": ""})
    monkeypatch.setattr(_match, "examine", lambda options: bare)
    checking = compiler(tmp_path, check_mode=True)
    result = checking.present()
    assert result["changed"] is True
    assert result["fingerprint"] == ""
    assert len(cast(Module, checking.module).warnings) == 4
    with pytest.raises(Failed, match="apt-get install apache2"):
        compiler(tmp_path).present()


def test_absent(built: dict[str, Any], tmp_path: Path) -> None:
    predicted = compiler(tmp_path, check_mode=True, state="absent").absent()
    assert predicted["changed"] is True
    assert Path(built["directory"]).is_dir()
    done = compiler(tmp_path, state="absent").absent()
    assert done["changed"] is True
    assert done["diff"] == predicted["diff"]
    assert done["former"] == built["fingerprint"]
    assert not list((tmp_path / "libexec").iterdir())
    assert compiler(tmp_path, state="absent").absent()["changed"] is False


def test_absent_without_any_apache(host: _match.Host, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    nothing = host._replace(apache=_apache.empty("other"))
    monkeypatch.setattr(_match, "examine", lambda options: nothing)
    with pytest.raises(Failed, match="give libexecdir"):
        compiler(tmp_path, state="absent").absent()


# ---- mod_wsgi_check --------------------------------------------------------------------------


def check(**changes: Any) -> dict[str, Any]:
    return mod_wsgi_check.report({"mode": "daemon", "source_hash": None, "cflags": [], **changes})


def test_check_of_a_bare_host(host: _match.Host) -> None:
    result = check()
    assert result["matches"] is True
    assert result["build_key"] is None
    assert result["rebuild_needed"] is True
    assert result["installed"]["present"] is False
    assert not [key for key in result["apache"] if key.startswith("_")]


def test_check_and_compile_have_the_same_key(built: dict[str, Any]) -> None:
    result = check(source_hash="a" * 64)
    assert result["build_key"] == built["build_key"]
    assert result["rebuild_needed"] is False
    assert result["installed"]["fingerprint"] == built["fingerprint"]
    assert check(source_hash="b" * 64)["rebuild_needed"] is True
    assert check()["rebuild_needed"] is False


def test_check_tells_of_another_module(host: _match.Host, monkeypatch: pytest.MonkeyPatch) -> None:
    line = _apache.Directive("/etc/apache2/mods-enabled/wsgi.load", 1, "loadmodule", "wsgi_module /m/mod_wsgi.so")
    host.apache["_modules"] = {"wsgi_module": line}
    monkeypatch.setattr(_installed, "package_of", lambda path: "libapache2-mod-wsgi-py3")
    other = check()["other_mod_wsgi"]
    assert (other["present"], other["enabled"], other["package"]) == (True, True, "libapache2-mod-wsgi-py3")
    assert other["load_file"] == "/etc/apache2/mods-enabled/wsgi.load"


def test_ours_is_not_another_module(host: _match.Host) -> None:
    path = _installed.module_path(host.apache["libexecdir"])
    line = _apache.Directive("/x.load", 1, "loadmodule", f'wsgi_module "{path}"')
    host.apache["_modules"] = {"wsgi_module": line}
    assert check()["other_mod_wsgi"]["present"] is False


def test_a_module_that_lies_there_but_is_not_loaded(host: _match.Host) -> None:
    (Path(host.apache["libexecdir"]) / "mod_wsgi.so").symlink_to("mod_wsgi.so-3.11")
    other = check()["other_mod_wsgi"]
    assert (other["present"], other["enabled"]) == (True, False)


def test_embedded_mode(host: _match.Host, monkeypatch: pytest.MonkeyPatch) -> None:
    static = host._replace(pythons=[good_python(libpython="", shared=False)])
    monkeypatch.setattr(_match, "examine", lambda options: static)
    assert check()["matches"] is True
    assert check(mode="both")["reasons"][0]["code"] == "libpython_missing"


def test_documented_keys_are_the_returned_ones(host: _match.Host) -> None:
    """The documentation of the results names every fact that there is, and no other."""
    documented = yaml.safe_load(mod_wsgi_check.RETURN)
    result = check()
    assert set(documented) == set(result)
    for name in ("apache", "installed", "other_mod_wsgi", "tools"):
        assert set(documented[name]["contains"]) == set(result[name]), name
    assert set(documented["apache"]["contains"]["layout"]["contains"]) == set(result["apache"]["layout"])
    assert set(documented["pythons"]["contains"]) == set(result["pythons"][0])


def test_documented_reasons_are_the_possible_ones() -> None:
    documented = yaml.safe_load(mod_wsgi_check.RETURN)["reasons"]["contains"]["code"]["description"][1]
    source = Path(_match.__file__).read_text(encoding="utf-8")
    possible = re.findall(r'(?:reason\(|packaged_reason\(host,)\s*"([a-z_]+)"', source)
    assert set(re.findall(r"V\(([a-z_]+)\)", documented)) == set(possible)
