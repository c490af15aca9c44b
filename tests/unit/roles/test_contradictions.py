# Copyright (c) 2026, the pyweb.mod_wsgi contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""C18: options of a daemon group that contradict each other are refused before the host is looked at."""

from __future__ import annotations

import re

from pathlib import Path
from typing import Any

import jinja2
import pytest
import yaml

from ansible.errors import AnsibleFilterError
from ansible.plugins.filter.core import FilterModule as CoreFilters
from ansible.plugins.test.core import TestModule as CoreTests

from ansible_collections.pyweb.mod_wsgi.plugins.filter.wsgi_environment import wsgi_environment

ROOT = Path(__file__).resolve().parents[3]
SITE = ROOT / "roles" / "mod_wsgi_site"
OPTIONS = ROOT / "roles" / "mod_wsgi_build" / "files" / "apache" / "options.def"


def load(name: str) -> Any:
    return yaml.safe_load((SITE / name).read_text(encoding="utf-8"))


def problems(*sites: dict[str, Any]) -> list[str]:
    """Return what the role's template says of these sites."""
    environment = jinja2.Environment(trim_blocks=True, autoescape=False)
    # Jinja's own are kept: Ansible's of the same name know its templates only.
    environment.filters = {**CoreFilters().filters(), **environment.filters}
    environment.filters["pyweb.mod_wsgi.wsgi_environment"] = wsgi_environment
    environment.tests = {**CoreTests().tests(), **environment.tests}
    template = environment.from_string((SITE / "templates" / "contradictions.j2").read_text(encoding="utf-8"))
    text = template.render(**load("vars/main.yml"), mod_wsgi_site_sites=list(sites))
    return [line.strip() for line in text.splitlines() if line.strip()]


def daemon(**options: Any) -> list[str]:
    return problems({"name": "shop", "app": "/a", "daemon": options})


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"request_timeout": 600},
        {"request_timeout": 600, "interrupt_timeout": 30},
        {"request_timeout": 0},
        {"request_timeout": 0, "graceful_timeout": 1, "socket_timeout": 30},
        {"queue_timeout": 0, "connect_timeout": 300},
        {"queue_timeout": 30, "socket_timeout": 60, "request_timeout": 60},
        {"connect_timeout": 30},
        {"connect_timeout": 0, "socket_timeout": 0, "graceful_timeout": 0},
        {"graceful_timeout": 65, "interrupt_timeout": 5},
        {"memory_limit": 5, "virtual_memory_limit": 5},
        {"memory_limit": 5, "virtual_memory_limit": 0},
        {"send_buffer_size": 0, "receive_buffer_size": 512, "header_buffer_size": 8192, "response_buffer_size": 65536},
        {"cpu_priority": -20},
        {"cpu_priority": 19},
        {"threads": "5", "request_timeout": "20"},
        {"switch_interval": 0.001},
        {"home": None, "memory_limit": None, "interrupt_timeout": None, "env": None},
        {"env": {"A": "1", "B": 2}, "env_file": ["/etc/a"]},
    ],
)
def test_taken(options: dict[str, Any]) -> None:
    assert daemon(**options) == []


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"connect_timeout": 31}, ["connect_timeout: 31 is more than daemon.queue_timeout: 30 (the default)"]),
        ({"queue_timeout": 5}, ["connect_timeout: 15 (the default) is more than daemon.queue_timeout: 5, so"]),
        ({"queue_timeout": 45, "socket_timeout": 44, "request_timeout": 0}, ["queue_timeout: 45 is", "the wait has"]),
        ({"socket_timeout": 59}, ["request_timeout: 60 (the default) is more than daemon.socket_timeout: 59", "504"]),
        (
            {"request_timeout": 50, "interrupt_timeout": 15, "socket_timeout": 64},
            ["daemon.request_timeout: 50 + daemon.interrupt_timeout: 15 is more than daemon.socket_timeout: 64"],
        ),
        (
            {"graceful_timeout": 59},
            ["request_timeout: 60 (the default)", "daemon.graceful_timeout: 59, so", "replaced"],
        ),
        ({"interrupt_timeout": 5, "request_timeout": 0}, ["interrupt_timeout: 5 has no effect", "both or none"]),
        ({"memory_limit": 6, "virtual_memory_limit": 5}, ["memory_limit: 6 is more than daemon.virtual_memory_limit"]),
        ({"threads": 0}, ["threads: 0 makes service processes"]),
        ({"processes": 0}, ["processes: 0 is less than 1"]),
        ({"startup_timeout": -1}, ["startup_timeout: -1 is less than 0"]),
        ({"header_buffer_size": 8191}, ["header_buffer_size: 8191 is less than 8192; give 0"]),
        ({"cpu_priority": -21}, ["cpu_priority: -21 is less than -20"]),
        ({"cpu_priority": 20}, ["cpu_priority: 20 is more than 19"]),
        ({"switch_interval": 0}, ["switch_interval: 0 is not more than 0"]),
        ({"env_file": ["etc/a", "/etc/b"]}, ['env_file: "etc/a" is not an absolute path']),
    ],
)
def test_refused(options: dict[str, Any], words: list[str]) -> None:
    found = daemon(**options)
    assert len(found) == 1, found
    assert found[0].startswith("shop: daemon.")
    for word in words:
        assert word in found[0]


def test_all_problems_of_all_sites_are_told_at_once() -> None:
    found = problems(
        {"name": "a", "app": "/a", "daemon": {"threads": 0, "processes": -1}},
        {"name": "b", "app": "/b"},
        {"name": "c", "app": "/c", "daemon": {"socket_timeout": 1}},
    )
    assert [line.split(":")[0] for line in found] == ["a", "a", "c", "c"]


@pytest.mark.parametrize("site", [{"state": "absent"}, {"embedded": True}])
def test_a_site_without_a_group_is_not_looked_at(site: dict[str, Any]) -> None:
    assert problems({"name": "a", "app": "/a", "daemon": {"threads": 0}, **site}) == []


def test_a_variable_is_refused_by_its_name() -> None:
    with pytest.raises(AnsibleFilterError, match=r"shop: daemon\.env: SECRET is a boolean"):
        daemon(env={"SECRET": True})


def test_numbers_are_those_of_the_module() -> None:
    """Every number that the role takes has the least that the module has."""
    rows = re.findall(r'^WSGI_OPTION\("([a-z-]+)", (\w+), \w+, (\w+)', OPTIONS.read_text(encoding="utf-8"), re.M)
    numbers = {"set_number", "set_processes", "set_size", "set_buffer"}
    least = {name.replace("-", "_"): low for name, setter, low in rows if setter in numbers}
    least["cpu_priority"] = "-20"  # the module hands on what the system then refuses
    assert {name: str(low) for name, low in load("vars/main.yml")["__mod_wsgi_site_least"].items()} == least
