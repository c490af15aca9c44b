# Copyright (c) 2026, the pyweb.mod_wsgi contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Quoting for Apache, against a table and, where there is one, against a real httpd."""

from __future__ import annotations

import os
import re
import shutil
import subprocess

from pathlib import Path
from typing import Any

import pytest

from ansible.errors import AnsibleFilterError

from ansible_collections.pyweb.mod_wsgi.plugins.filter.apache_quote import FilterModule, apache_quote

TABLE = [
    ("", '""'),
    ("plain", "plain"),
    ("/srv/site-1/wsgi.py", "/srv/site-1/wsgi.py"),
    ("%{GLOBAL}", "%{GLOBAL}"),
    ("user@example.org", "user@example.org"),
    ("two words", '"two words"'),
    (" leading and trailing ", '" leading and trailing "'),
    ('say "hello"', '"say \\"hello\\""'),
    ("it's", '"it\'s"'),
    ("back\\slash", '"back\\\\slash"'),
    ("ends with a backslash\\", '"ends with a backslash\\\\"'),
    ('\\"', '"\\\\\\""'),
    ("#comment", '"#comment"'),
    ("$", '"$"'),
    ("^/a/(.*)$", '"^/a/(.*)$"'),
    ("$1{x}", '"$1{x}"'),
    ("<Directory>", '"<Directory>"'),
    ("gr\u00fc\u00df \u6f22", '"gr\u00fc\u00df \u6f22"'),
    (5, "5"),
    (2.5, "2.5"),
    (True, "On"),
    (False, "Off"),
]


@pytest.mark.parametrize(("value", "expected"), TABLE)
def test_quoted(value: Any, expected: str) -> None:
    assert apache_quote(value) == expected


@pytest.mark.parametrize("code", [*range(0x20), 0x7F])
def test_control_characters_are_refused(code: int) -> None:
    with pytest.raises(AnsibleFilterError, match="control character"):
        apache_quote(f"/srv{chr(code)}ServerAdmin root")


@pytest.mark.parametrize("value", ["${HOME}", "a${", "x ${UNDEFINED} y", "$${x}"])
def test_variables_are_refused(value: str) -> None:
    with pytest.raises(AnsibleFilterError, match="expand as a variable"):
        apache_quote(value)


def test_a_literal_variable() -> None:
    assert apache_quote("a${HOME} ${x", dollar="D") == '"a${D}{HOME} ${D}{x"'
    with pytest.raises(AnsibleFilterError, match="not the name of a variable"):
        apache_quote("${x}", dollar="D}\n")


@pytest.mark.parametrize("value", [None, [], {}, ["a"], b"bytes", object()])
def test_other_types_are_refused(value: Any) -> None:
    with pytest.raises(AnsibleFilterError, match="a string, a number or a boolean is needed"):
        apache_quote(value)


def test_a_lone_surrogate_is_refused() -> None:
    with pytest.raises(AnsibleFilterError, match="UTF-8"):
        apache_quote("\ud800")


def test_the_filter_is_registered() -> None:
    assert FilterModule().filters() == {"apache_quote": apache_quote}


# ---- a real httpd ----------------------------------------------------------------------------

HTTPD = shutil.which("apache2", path="/usr/sbin:/usr/bin") or shutil.which("httpd", path="/usr/sbin:/usr/bin")
MODULES = next((d for d in ("/usr/lib/apache2/modules", "/usr/lib64/httpd/modules") if os.path.isdir(d)), "")
real = pytest.mark.skipif(not HTTPD or not MODULES, reason="no httpd on this host to ask")


def what_httpd_reads(folder: Path, argument: str, before: str = "") -> str:
    """Let httpd define a variable by the argument, and return the value that it reports."""
    config = folder / "httpd.conf"
    config.write_text(
        f'ServerRoot "{folder}"\nServerName localhost\nErrorLog "{folder}/error"\n'
        f'LoadModule mpm_event_module "{MODULES}/mod_mpm_event.so"\n'
        f'LoadModule authz_core_module "{MODULES}/mod_authz_core.so"\n'
        f"{before}Define PROBE {argument}\n",
        encoding="utf-8",
    )
    done = subprocess.run(
        [str(HTTPD), "-t", "-D", "DUMP_RUN_CFG", "-f", str(config)],
        capture_output=True,
        check=False,
        encoding="utf-8",
        timeout=30,
        env={"HOME": "/root", "PATH": "/usr/bin", "SECRET": "expanded"},
    )
    assert done.returncode == 0, done.stderr
    found = re.search(r"^Define: PROBE(?:=(.*))?$", done.stdout, re.MULTILINE)
    assert found, done.stdout
    return found.group(1) or ""


@real
@pytest.mark.parametrize("value", [row[0] for row in TABLE if isinstance(row[0], str)])
def test_httpd_reads_back_what_was_written(tmp_path: Path, value: str) -> None:
    assert what_httpd_reads(tmp_path, apache_quote(value)) == value


@real
@pytest.mark.parametrize("value", ["${SECRET}", "a ${SECRET} \\ ${DOLLAR}", "${", "$${SECRET}"])
def test_httpd_reads_a_literal_variable(tmp_path: Path, value: str) -> None:
    quoted = apache_quote(value, dollar="DOLLAR")
    assert what_httpd_reads(tmp_path, quoted, "Define DOLLAR $\n") == value


@real
def test_httpd_would_expand_what_is_refused(tmp_path: Path) -> None:
    """The reason for the refusal: quotes and backslashes do not protect."""
    assert what_httpd_reads(tmp_path, '"${SECRET}"') == "expanded"
    assert what_httpd_reads(tmp_path, '"\\${SECRET}"') == "\\expanded"


@real
def test_httpd_takes_a_value_as_one_argument(tmp_path: Path) -> None:
    """Define takes one name and one value: a second value would be refused."""
    assert what_httpd_reads(tmp_path, apache_quote('a" b "c')) == 'a" b "c'
