# Copyright (c) 2026, the pyweb.mod_wsgi contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A role's specification, defaults, inner copies and README say the same."""

from __future__ import annotations

import re

from pathlib import Path
from typing import Any

import pytest
import yaml

from ansible_collections.pyweb.mod_wsgi.plugins.filter.wsgi_options import NAMES

ROLES = Path(__file__).resolve().parents[3] / "roles"
NAMES_OF_ROLES = ("mod_wsgi_build", "mod_wsgi_site")


def load(role: str, name: str) -> Any:
    return yaml.safe_load((ROLES / role / name).read_text(encoding="utf-8"))


def options(role: str) -> dict[str, Any]:
    found: dict[str, Any] = load(role, "meta/argument_specs.yml")["argument_specs"]["main"]["options"]
    return found


def site_options() -> dict[str, Any]:
    found: dict[str, Any] = options("mod_wsgi_site")["mod_wsgi_site_sites"]["options"]
    return found


def keys(spec: dict[str, Any], above: str = "") -> list[str]:
    """Return all keys below a specification, written as the README writes them."""
    found = []
    for name, option in spec.items():
        found.append(above + name)
        dots = "[]." if option["type"] == "list" else "."
        found += keys(option.get("options", {}), above + name + dots)
    return found


def first_column(role: str) -> list[str]:
    text = (ROLES / role / "README.md").read_text(encoding="utf-8")
    return re.findall(r"^\| `([^`]+)` \|", text, re.MULTILINE)


@pytest.mark.parametrize("role", NAMES_OF_ROLES)
def test_defaults_are_those_of_the_specification(role: str) -> None:
    assert load(role, "defaults/main.yml") == {name: option["default"] for name, option in options(role).items()}


@pytest.mark.parametrize("role", NAMES_OF_ROLES)
def test_the_list_against_misspellings_is_complete(role: str) -> None:
    assert sorted(load(role, "vars/main.yml")[f"__{role}_inputs"]) == sorted(options(role))


def test_readme_of_the_build_role() -> None:
    assert sorted(first_column("mod_wsgi_build")) == sorted(options("mod_wsgi_build"))


def test_readme_of_the_site_role() -> None:
    server = keys(options("mod_wsgi_site")["mod_wsgi_site_wsgi"]["options"], "mod_wsgi_site_wsgi.")
    assert sorted(first_column("mod_wsgi_site")) == sorted([*options("mod_wsgi_site"), *server, *keys(site_options())])


def test_inner_defaults_of_a_site_are_those_of_the_specification() -> None:
    def spoken(spec: dict[str, Any]) -> dict[str, Any]:
        found = {name: option["default"] for name, option in spec.items() if "default" in option}
        nested = {
            name: spoken(option["options"])
            for name, option in spec.items()
            if option["type"] == "dict" and "options" in option
        }
        return {**found, **{name: inside for name, inside in nested.items() if inside}}

    inner = load("mod_wsgi_site", "vars/main.yml")["__mod_wsgi_site_defaults"]
    assert inner.pop("listen") == [{"address": "*", "port": 80}]
    assert inner == spoken(site_options())


def test_a_daemon_group_has_the_options_that_the_directive_has() -> None:
    offered = {name.replace("_", "-") for name in site_options()["daemon"]["options"]} - {"create-user"}
    assert offered == set(NAMES["daemon"])


@pytest.mark.parametrize("role", NAMES_OF_ROLES)
def test_every_variable_is_used(role: str) -> None:
    texts = [
        path.read_text(encoding="utf-8")
        for folder in ("tasks", "templates", "handlers")
        for path in (ROLES / role / folder).glob("*")
    ]
    assert [name for name in options(role) if not any(name in text for text in texts)] == []
