# Copyright (c) 2026, the pyweb.mod_wsgi contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Truth tables of the reasons, the remedies and the key."""

from __future__ import annotations

import os

from typing import Any

import pytest

from ansible_collections.pyweb.mod_wsgi.plugins.module_utils import _apache, _match
from ansible_collections.pyweb.mod_wsgi.tests.unit.plugins.hosts import (
    HTTPD,
    good_apache,
    good_host,
    good_python,
)


@pytest.fixture(autouse=True)
def only_root_owns_programs(monkeypatch: pytest.MonkeyPatch) -> None:
    """The paths of the tables are those of other hosts; who owns them here does not matter."""
    monkeypatch.setattr(_match, "path_writer", lambda path: None)
    monkeypatch.setattr(os, "geteuid", lambda: 0)


def codes(host: _match.Host, embedded: bool = False) -> list[str]:
    return [reason["code"] for reason in _match.all_reasons(host, embedded)]


def missing(path: str) -> dict[str, Any]:
    return good_python(
        executable=path, failure="no such file or directory", missing=True, version="", soabi="", real_path=""
    )


NO_APXS = {"apxs": "", "apxs_httpd": "", "apxs_mmn": "", "apxs_matches": None}

TABLE = [
    ("all fits", good_host(), []),
    ("no Apache, no apxs", good_host(apache=_apache.empty("debian")), ["apache_missing", "apxs_missing"]),
    ("no apxs", good_host(apache=good_apache(**NO_APXS)), ["apxs_missing"]),
    ("a lying apxs", good_host(apache=good_apache(apxs_failure="it names no module directory")), ["apxs_missing"]),
    (
        "an apxs of other headers",
        good_host(apache=good_apache(apxs_mmn="20120211:83", apxs_matches=False)),
        ["apxs_other_httpd"],
    ),
    (
        "an apxs of another httpd",
        good_host(apache=good_apache(apxs_httpd="/opt/httpd/bin/httpd", apxs_matches=False)),
        ["apxs_other_httpd"],
    ),
    ("no Python", good_host(pythons=[missing("/usr/bin/python3.12")]), ["python_missing"]),
    (
        "a Python that hangs",
        good_host(pythons=[good_python(failure="it did not end within 5 seconds", version="")]),
        ["python_not_runnable"],
    ),
    (
        "a directory",
        good_host(pythons=[good_python(failure="is a directory", version="", real_path="")]),
        ["python_not_runnable"],
    ),
    ("Python 2.7", good_host(pythons=[good_python(version="2.7.18", soabi="")]), ["python_too_old"]),
    ("Python 3.7", good_host(pythons=[good_python(version="3.7.16")]), ["python_too_old"]),
    ("Python 3.8", good_host(pythons=[good_python(version="3.8.18")]), []),
    ("Python 3.15", good_host(pythons=[good_python(version="3.15.0")]), []),
    ("no SOABI", good_host(pythons=[good_python(soabi="")]), ["python_not_runnable"]),
    ("no headers", good_host(pythons=[good_python(include_ok=False, header="")]), ["python_headers_missing"]),
    (
        "headers of another minor version",
        good_host(pythons=[good_python(include_ok=False, header_version="3.12.1")]),
        ["python_headers_missing"],
    ),
    (
        "a venv whose base moved on",
        good_host(pythons=[good_python(is_venv=True, venv_version="3.9.2")]),
        ["venv_other_python"],
    ),
    ("a venv", good_host(pythons=[good_python(is_venv=True, venv_version="3.11.1")]), []),
    ("a user's venv on root's base", good_host(pythons=[good_python(owner="alice", is_venv=True)]), []),
    ("a user's own Python", good_host(pythons=[good_python(owner="alice", base_owner="alice")]), ["python_user_owned"]),
    ("no compiler", good_host(tools={"cc": "", "make": "/usr/bin/make"}), ["compiler_missing"]),
    ("no make", good_host(tools={"cc": "/usr/bin/gcc", "make": ""}), ["make_missing"]),
    ("not Linux", good_host(system="FreeBSD"), ["system_unsupported"]),
    (
        "one of two Pythons is bad",
        good_host(pythons=[good_python(), good_python(version="3.6.15")]),
        ["python_too_old"],
    ),
]


@pytest.mark.parametrize(("host", "expected"), [row[1:] for row in TABLE], ids=[row[0] for row in TABLE])
def test_reasons(host: _match.Host, expected: list[str]) -> None:
    assert codes(host) == expected


@pytest.mark.parametrize("said", HTTPD, ids=[f"{said.name}-{said.origin.split(':')[0]}" for said in HTTPD])
def test_age_of_apache(said: Any) -> None:
    facts = good_apache(version=_apache.parse_build(said.text)["version"])
    assert ("apache_too_old" in codes(good_host(apache=facts))) == said.too_old


def test_an_old_apache_is_not_told_about_its_apxs_too() -> None:
    facts = good_apache(version="2.2.15", apxs_matches=False)
    assert codes(good_host(apache=facts)) == ["apache_too_old"]


def test_embedded_mode_needs_a_shared_libpython() -> None:
    host = good_host(pythons=[good_python(libpython="", shared=False)])
    assert codes(host) == []
    assert codes(host, embedded=True) == ["libpython_missing"]


def test_somebody_who_is_not_root_may_use_his_own_python(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    assert codes(good_host(pythons=[good_python(base_owner="alice")])) == []


def test_root_does_not_run_a_users_apache(monkeypatch: pytest.MonkeyPatch) -> None:
    class Alice:
        name = "alice"

    monkeypatch.setattr(_match, "path_writer", lambda path: Alice() if path == "/usr/bin/apxs" else None)
    reasons = _match.all_reasons(good_host(), False)
    assert [reason["code"] for reason in reasons] == ["apache_user_owned"]
    assert "/usr/bin/apxs can be replaced by alice" in reasons[0]["found"]


REMEDIES = [
    ("debian", "apt-get install apache2", "apt-get install apache2-dev", "apt-get install gcc"),
    ("redhat", "dnf install httpd", "dnf install httpd-devel", "dnf install gcc"),
    ("suse", "zypper install apache2", "zypper install apache2-devel", "zypper install gcc"),
    ("alpine", "apk add apache2", "apk add apache2-dev", "apk add build-base"),
    ("arch", "pacman -S apache", "pacman -S apache", "pacman -S gcc"),
]


@pytest.mark.parametrize(("family", "apache", "apxs", "compiler"), REMEDIES)
def test_remedies(family: str, apache: str, apxs: str, compiler: str) -> None:
    host = good_host(family=family, apache=_apache.empty(family), tools={"cc": "", "make": "/usr/bin/make"})
    remedies = {reason["code"]: reason for reason in _match.all_reasons(host, False)}
    assert remedies["apache_missing"]["remedy"] == apache
    assert remedies["apxs_missing"]["remedy"] == apxs
    assert remedies["compiler_missing"]["remedy"] == compiler
    assert remedies["compiler_missing"]["packages"] == [compiler.split()[-1]]


def test_an_unknown_distribution_gets_words() -> None:
    reasons = _match.all_reasons(good_host(family="other", apache=_apache.empty("other")), False)
    assert reasons[0]["remedy"] == "install it with this distribution's package manager"
    assert reasons[0]["packages"] == []


@pytest.mark.parametrize(
    ("family", "version", "is_default", "package"),
    [
        ("debian", "3.11.2", True, "python3-dev"),
        ("debian", "3.12.1", False, "python3.12-dev"),
        ("redhat", "3.9.18", True, "python3-devel"),
        ("redhat", "3.12.1", False, "python3.12-devel"),
        ("suse", "3.6.15", True, "python3-devel"),
        ("suse", "3.11.2", False, "python311-devel"),
        ("alpine", "3.12.1", True, "python3-dev"),
        ("arch", "3.13.1", True, "python"),
        ("other", "3.13.1", True, ""),
    ],
)
def test_headers_package(family: str, version: str, is_default: bool, package: str) -> None:
    assert _match.headers_package(family, version, is_default) == package


def test_headers_of_a_python_that_no_package_brought() -> None:
    facts = good_python(
        real_path="/opt/py/bin/python3.12", version="3.12.1", prefix="/opt/py", include_ok=False, header=""
    )
    reason = _match.all_reasons(good_host(pythons=[facts]), False)[0]
    assert reason["packages"] == []
    assert "/opt/py" in reason["remedy"]


def test_a_missing_packaged_python_names_its_package() -> None:
    reason = _match.all_reasons(good_host(pythons=[missing("/usr/bin/python3.12")]), False)[0]
    assert reason["remedy"] == "apt-get install python3.12"
    reason = _match.all_reasons(good_host(pythons=[missing("/srv/venv/bin/python")]), False)[0]
    assert reason["packages"] == []


def test_the_sentence_holds_every_reason() -> None:
    host = good_host(apache=_apache.empty("debian"), pythons=[good_python(version="3.6.15")])
    sentence = _match.sentence(_match.all_reasons(host, False))
    for word in ("Python 3.6.15", "3.8", "apt-get install apache2", "apt-get install apache2-dev"):
        assert word in sentence
    assert "\n" not in sentence


# ---- the key -----------------------------------------------------------------------------------


def key(host: _match.Host, sources: str = "abc", cflags: tuple[str, ...] = ()) -> str:
    return _match.build_key(host, sources, list(cflags))


def two_pythons() -> list[dict[str, Any]]:
    other = good_python(real_path="/opt/bin/python3.12", soabi="cpython-312-x86_64-linux-gnu")
    return [good_python(), other]


SAME_KEY = [
    ("a patch level of Python", good_host(pythons=[good_python(version="3.11.9", header_version="3.11.9")])),
    ("a minor number of Apache's ABI", good_host(apache=good_apache(mmn="20120211:150", version="2.4.99"))),
    ("a venv of the same base", good_host(pythons=[good_python(executable="/srv/venv/bin/python", is_venv=True)])),
    ("other tools", good_host(tools={"cc": "/usr/bin/clang", "make": "/usr/bin/gmake"})),
]

OTHER_KEY = [
    ("a minor version of Python", good_host(pythons=[good_python(soabi="cpython-312-x86_64-linux-gnu")])),
    ("another path", good_host(pythons=[good_python(real_path="/opt/bin/python3.11")])),
    ("one Python more", good_host(pythons=two_pythons())),
    ("Apache's ABI", good_host(apache=good_apache(mmn="20250101:1"))),
    ("the machine", good_host(machine="aarch64")),
    ("the C library", good_host(libc="glibc 2.41")),
]


@pytest.mark.parametrize("host", [row[1] for row in SAME_KEY], ids=[row[0] for row in SAME_KEY])
def test_what_changes_nothing(host: _match.Host) -> None:
    assert key(host) == key(good_host())


@pytest.mark.parametrize("host", [row[1] for row in OTHER_KEY], ids=[row[0] for row in OTHER_KEY])
def test_what_makes_another_build(host: _match.Host) -> None:
    assert key(host) != key(good_host())


def test_sources_and_flags_make_another_build() -> None:
    assert len({key(good_host()), key(good_host(), "abd"), key(good_host(), "abc", ("-g3",))}) == 3


def test_the_order_of_pythons_counts_only_for_the_default() -> None:
    first, second = two_pythons()
    third = good_python(real_path="/opt/bin/python3.13", soabi="cpython-313-x86_64-linux-gnu")
    assert key(good_host(pythons=[first, second, third])) == key(good_host(pythons=[first, third, second]))
    assert key(good_host(pythons=[first, second])) != key(good_host(pythons=[second, first]))


@pytest.mark.parametrize(
    "host",
    [
        good_host(apache=_apache.empty("debian")),
        good_host(pythons=[]),
        good_host(pythons=[good_python(failure="it hangs")]),
    ],
)
def test_no_key_while_something_is_unknown(host: _match.Host) -> None:
    assert key(host) == ""


def installed(**changes: Any) -> dict[str, Any]:
    facts: dict[str, Any] = {
        "present": True,
        "complete": True,
        "fingerprint": key(good_host())[:16],
        "mmn": "20120211:142",
        "pythons": [{"interpreter": "/usr/bin/python3.11", "soabi": "cpython-311-x86_64-linux-gnu"}],
    }
    facts.update(changes)
    return facts


@pytest.mark.parametrize(
    ("facts", "with_key", "expected"),
    [
        (installed(), True, False),
        (installed(), False, False),
        (installed(present=False), True, True),
        (installed(complete=False), True, True),
        (installed(fingerprint="0" * 16), True, True),
        (installed(fingerprint="0" * 16), False, False),
        (installed(mmn="20250101:0"), False, True),
        (installed(mmn="20120211:99"), False, False),
        (installed(pythons=[]), False, True),
    ],
)
def test_needs_rebuild(facts: dict[str, Any], with_key: bool, expected: bool) -> None:
    host = good_host()
    assert _match.needs_rebuild(host, facts, key(host) if with_key else "") is expected
