# Copyright (c) 2026, the pyweb.mod_wsgi contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the C module has as directives is what the site role offers."""

from __future__ import annotations

import re

from pathlib import Path
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).resolve().parents[3]
TABLE = ROOT / "roles" / "mod_wsgi_build" / "files" / "apache" / "directives.def"
OPTIONS = TABLE.with_name("options.def")
SITE = ROOT / "roles" / "mod_wsgi_site"


def load(name: str) -> Any:
    return yaml.safe_load((SITE / name).read_text(encoding="utf-8"))


def of_the_module() -> list[str]:
    """Return the directives of the C table, without those that mod_wsgi 6.0 removed."""
    rows = re.findall(r'^WSGI_DIRECTIVE\(\s*"(<?WSGI\w+)",\s*\w+,\s*(\w+)', TABLE.read_text(encoding="utf-8"), re.M)
    found = [name for name, setter in rows if setter != "wsgi_set_removed"]
    assert len(found) == 50
    return sorted(found)


def test_a_daemon_group_has_the_options_of_the_module() -> None:
    found = re.findall(r'^WSGI_OPTION\("([a-z-]+)"', OPTIONS.read_text(encoding="utf-8"), re.M)
    ours = {"reload", "env", "env-file", "no-new-privileges"}  # mod_wsgi 6 does not have them
    assert len(set(found) - ours) == 44
    spec = load("meta/argument_specs.yml")["argument_specs"]["main"]["options"]["mod_wsgi_site_sites"]["options"]
    offered = {name.replace("_", "-") for name in spec["daemon"]["options"]} - {"create-user"}
    assert offered - ours == set(found) - ours
    assert offered <= set(found)


def rows() -> dict[str, list[dict[str, str]]]:
    table = load("vars/main.yml")
    return {place: table[f"__mod_wsgi_site_{place}_directives"] for place in ("server", "section", "wsgi")}


def test_the_role_offers_every_directive_once() -> None:
    table = load("vars/main.yml")
    offered = [row["directive"] for place in ("server", "wsgi") for row in rows()[place]]
    offered += [*table["__mod_wsgi_site_written_directives"], *table["__mod_wsgi_site_idle_directives"]]
    assert sorted(offered) == of_the_module()


@pytest.mark.parametrize("place", ["server", "section", "wsgi"])
def test_every_row_has_its_key(place: str) -> None:
    options = load("meta/argument_specs.yml")["argument_specs"]["main"]["options"]
    server = options["mod_wsgi_site_wsgi"]["options"]
    spec = {
        "server": server,
        "section": server["interpreter_options"]["options"],
        "wsgi": options["mod_wsgi_site_sites"]["options"]["wsgi"]["options"],
    }[place]
    for row in rows()[place]:
        is_list = spec[row["key"]]["type"] == "list"
        assert is_list == (row["form"] in ("each", "words", "path")), row
        # The key is the directive's name in small letters, so that nobody has to look it up.
        assert row["key"].replace("_", "") == row["directive"].removeprefix("WSGI").lower()


def test_keys_of_written_directives_are_there() -> None:
    options = load("meta/argument_specs.yml")["argument_specs"]["main"]["options"]
    for directive, path in load("vars/main.yml")["__mod_wsgi_site_written_directives"].items():
        at = options if path.startswith("mod_wsgi_site_") else options["mod_wsgi_site_sites"]["options"]
        for key in path.split("."):
            assert key in at, f"{directive}: {path}"
            at = at[key].get("options", {})
