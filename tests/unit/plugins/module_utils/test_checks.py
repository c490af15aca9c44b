# Copyright (c) 2026, the pyweb.mod_wsgi contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The checks that stand in for a trial start, and the trial's choice of what to cover."""

from __future__ import annotations

import os
import shutil
import subprocess

from pathlib import Path

import pytest

from ansible_collections.pyweb.mod_wsgi.plugins.module_utils._apache import Directive
from ansible_collections.pyweb.mod_wsgi.plugins.module_utils._checks import certificate_pairs, problems
from ansible_collections.pyweb.mod_wsgi.plugins.module_utils._trial import coverable


def directives(*lines: str) -> list[Directive]:
    found = []
    for number, line in enumerate(lines, 1):
        word, _blank, rest = line.partition(" ")
        found.append(Directive("/etc/x.conf", number, word.strip("<>").lower(), rest))
    return found


@pytest.fixture(scope="module")
def pairs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    openssl = shutil.which("openssl")
    if openssl is None:
        pytest.fail("openssl is needed for this test: apt-get install openssl")
    folder = tmp_path_factory.mktemp("pairs")
    for name in ("one", "two"):
        words = ["req", "-x509", "-newkey", "rsa:2048", "-nodes", "-subj", f"/CN={name}", "-days", "2"]
        command = [openssl, *words, "-keyout", str(folder / f"{name}.key"), "-out", str(folder / f"{name}.crt")]
        subprocess.run(command, check=True, capture_output=True, timeout=60)
    return folder


def host(certificate: object, key: object) -> list[str]:
    return [
        "<VirtualHost *:443>",
        f"SSLCertificateFile {certificate}",
        f'SSLCertificateKeyFile "{key}"',
        "</VirtualHost>",
    ]


def test_a_key_that_fits_is_no_problem(pairs: Path) -> None:
    assert problems(directives(*host(pairs / "one.crt", pairs / "one.key")), "/") == []


def test_a_key_that_does_not_fit_is_named_with_its_line(pairs: Path) -> None:
    lines = host(pairs / "one.crt", pairs / "one.key") + host(pairs / "one.crt", pairs / "two.key")
    found = problems(directives(*lines), "/")
    assert len(found) == 1
    assert "line 7" in found[0]
    assert "two.key does not fit" in found[0]


def test_a_missing_key_is_named(pairs: Path) -> None:
    found = problems(directives(*host(pairs / "one.crt", "/nowhere/x.key")), "/")
    assert found == ["/etc/x.conf line 3: /nowhere/x.key cannot be read"]


def test_a_certificate_without_a_key_holds_both() -> None:
    found = certificate_pairs(directives("<VirtualHost *>", "SSLCertificateFile both.pem", "</VirtualHost>"))
    assert [(one.line, two.line) for one, two in found] == [(2, 2)]


def test_pairs_do_not_cross_virtual_hosts() -> None:
    lines = ("SSLCertificateFile a", "<VirtualHost *>", "SSLCertificateKeyFile b", "</VirtualHost>")
    assert [(one.line, two.line) for one, two in certificate_pairs(directives(*lines))] == [(1, 1)]


def test_a_log_program_that_is_not_there_is_named() -> None:
    found = problems(directives('ErrorLog "|/nowhere/rotate 1"', 'CustomLog "|/bin/cat" combined'), "/")
    assert found == ["/etc/x.conf line 1: the log goes to /nowhere/rotate, which cannot be executed"]


def test_a_cache_without_its_directory_is_named(tmp_path: Path) -> None:
    lines = [f"SSLSessionCache shmcb:{tmp_path}/c(512000)", "SSLSessionCache shmcb:/nowhere/c(512000)"]
    assert problems(directives(*lines), "/") == ["/etc/x.conf line 2: the cache's directory /nowhere does not exist"]


def test_a_trial_never_covers_a_directory_of_the_whole_system(tmp_path: Path) -> None:
    inner = tmp_path / "logs" / "inner"
    inner.mkdir(parents=True)
    asked = ["/", "/run", "/var/run", "/var/log", "/tmp", "/etc", "/nowhere", "", str(inner), str(tmp_path / "logs")]
    assert coverable(asked) == [os.path.realpath(tmp_path / "logs")]
