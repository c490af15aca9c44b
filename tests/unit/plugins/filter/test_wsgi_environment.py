# Copyright (c) 2026, the pyweb.mod_wsgi contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Environment variables as a file for env-file."""

from __future__ import annotations

import shlex

from typing import Any

import pytest

from ansible.errors import AnsibleFilterError

from ansible_collections.pyweb.mod_wsgi.plugins.filter.wsgi_environment import FilterModule, wsgi_environment

TABLE = [
    ({}, "#\n"),
    ({"A": "1"}, '# A\nA="1"\n'),
    ({"B": 2, "A": 1.5}, '# A B\nA="1.5"\nB="2"\n'),
    ({"A": 'say "no"'}, '# A\nA="say \\"no\\""\n'),
    ({"A": "C:\\dir\\"}, '# A\nA="C:\\\\dir\\\\"\n'),
    ({"A": "$HOME `id`"}, '# A\nA="\\$HOME \\`id\\`"\n'),
    ({"KEY": "one\nB=2\n"}, '# KEY\nKEY="one\nB=2\n"\n'),
]


@pytest.mark.parametrize(("values", "text"), TABLE)
def test_written(values: dict[str, Any], text: str) -> None:
    assert wsgi_environment(values) == text


@pytest.mark.parametrize(
    "value", ["", "a b", "'", "\\n", "\\$", "# no comment", "  blanks  ", "ä-漢", "two\nlines\\\nof it"]
)
def test_a_shell_reads_the_same(value: str) -> None:
    """POSIX words are quoted in this way, too: another reader than ours finds the value again."""
    lines = wsgi_environment({"A": value}).split("\n", 1)
    assert shlex.split(lines[1].replace("\\$", "$").replace("\\`", "`")) == [f"A={value}"]


class AnsibleVaultEncryptedUnicode:
    """As ansible-core before 2.19 hands a !vault value to a filter."""

    def __str__(self) -> str:
        return "swordfish"


def test_a_vaulted_value_of_older_ansible() -> None:
    assert wsgi_environment({"A": AnsibleVaultEncryptedUnicode()}) == '# A\nA="swordfish"\n'


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({"A-B": "swordfish"}, ["'A-B' is not the name"]),
        ({"1A": "swordfish"}, ["'1A' is not the name"]),
        ({"A\n": "swordfish"}, ["is not the name"]),
        ({3: "swordfish"}, ["3 is not the name"]),
        ({"A": "sword\0fish"}, ["A holds a NUL byte"]),
        ({"A": ["swordfish"]}, ["A has to be a text or a number, not list"]),
        ({"A": None}, ["A has to be a text or a number, not NoneType"]),
        ({"A": True}, ["A is a boolean", "quotes"]),
        ({"A": "swordfish" * 8000}, ["72009 bytes are more than the 65536"]),
        (["A=swordfish"], ["a dictionary of names and values is needed, not list"]),
    ],
)
def test_refused_without_the_value(values: Any, words: list[str]) -> None:
    with pytest.raises(AnsibleFilterError) as caught:
        wsgi_environment(values)
    for word in words:
        assert word in str(caught.value)
    assert "fish" not in str(caught.value)


def test_the_place_is_named() -> None:
    with pytest.raises(AnsibleFilterError, match=r"^shop: daemon\.env: A is a boolean"):
        wsgi_environment({"A": False}, where="shop: daemon.env")


def test_the_filter_is_registered() -> None:
    assert FilterModule().filters() == {"wsgi_environment": wsgi_environment}
