# Copyright (c) 2026, the pyweb.mod_wsgi contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The name=value options of WSGI directives."""

from __future__ import annotations

import re

from pathlib import Path
from typing import Any

import pytest

from ansible.errors import AnsibleFilterError

from ansible_collections.pyweb.mod_wsgi.plugins.filter.wsgi_options import (
    NAMES,
    FilterModule,
    wsgi_options,
)

TABLE = [
    ({}, "daemon", ""),
    ({"processes": 2, "threads": 15}, "daemon", "processes=2 threads=15"),
    ({"threads": 15, "processes": 2}, "daemon", "threads=15 processes=2"),
    ({"python_home": "/srv/venv"}, "daemon", "python-home=/srv/venv"),
    ({"python-home": "/srv/my venv"}, "daemon", 'python-home="/srv/my venv"'),
    ({"python_path": ["/a", "/b c"]}, "daemon", 'python-path="/a:/b c"'),
    ({"python_path": ["/a", None]}, "daemon", "python-path=/a"),
    ({"python_path": "/a:/b"}, "daemon", "python-path=/a:/b"),
    ({"python_path": []}, "daemon", ""),
    ({"user": None, "group": "www-data"}, "daemon", "group=www-data"),
    ({"lang": "__omit_place_holder__0123", "home": "/"}, "daemon", "home=/"),
    ({"display_name": "%{GROUP}"}, "daemon", "display-name=%{GROUP}"),
    ({"display_name": 'a "b" \\'}, "daemon", 'display-name="a \\"b\\" \\\\"'),
    ({"lang": ""}, "daemon", 'lang=""'),
    ({"umask": "0027"}, "daemon", "umask=0027"),
    ({"pass_authorization": True}, "alias", "pass-authorization=On"),
    ({"pass_authorization": False, "process_group": "shop"}, "alias", "pass-authorization=Off process-group=shop"),
    ({"application_group": "%{GLOBAL}"}, "alias", "application-group=%{GLOBAL}"),
    ({"supplementary_groups": ["adm", "#33"]}, "daemon", 'supplementary-groups="adm,#33"'),
    ({"switch_interval": 0.005, "server_metrics": True}, "daemon", "switch-interval=0.005 server-metrics=On"),
    ({"reload": "overlap", "no_new_privileges": True}, "daemon", "reload=overlap no-new-privileges=On"),
    ({"env_file": ["/etc/a.env", "/b c"], "threads": 1}, "daemon", 'env-file=/etc/a.env env-file="/b c" threads=1'),
    ({"env_file": "/etc/a.env"}, "daemon", "env-file=/etc/a.env"),
    ({"env_file": [None], "env": {}, "threads": 1}, "daemon", "threads=1"),
    ({"env": {"A": "1", "B_2": "good 'day'"}}, "daemon", "env=A=1 env=\"B_2=good 'day'\""),
    ({"env": {"N": 5, "EMPTY": ""}}, "daemon", "env=N=5 env=EMPTY="),
    ({"process_group": "shop", "application_group": ""}, "import", 'process-group=shop application-group=""'),
]


@pytest.mark.parametrize(("options", "kind", "expected"), TABLE)
def test_written(options: dict[str, Any], kind: str, expected: str) -> None:
    assert wsgi_options(options, kind=kind) == expected


def test_ansible_omit_in_its_newer_form() -> None:
    class Omit:
        pass

    assert wsgi_options({"home": Omit(), "threads": 1}) == "threads=1"


@pytest.mark.parametrize(
    ("options", "kind", "words"),
    [
        ({"thread": 5}, "daemon", ["no option 'thread'", "did you mean 'threads'?", "processes"]),
        ({"graceful_timout": 5}, "daemon", ["no option 'graceful_timout'", "did you mean 'graceful-timeout'?"]),
        ({"frobnicate": 5}, "daemon", ["no option 'frobnicate'; allowed are"]),
        ({"env": ["A=1"]}, "daemon", ["env: a dictionary of names and values is needed, not list"]),
        ({"env": {"A-B": "1"}}, "daemon", ["env: 'A-B' is not the name"]),
        ({"env": {5: "1"}}, "daemon", ["env: 5 is not the name"]),
        ({"env": {"A": "a\nb"}}, "daemon", ["wsgi_options: env", "control character"]),
        ({"env": {"A": True}}, "daemon", ["env: A is a boolean"]),
        ({"env": {"A": ["x"]}}, "daemon", ["env: A has", "not list"]),
        ({"threads": 5}, "alias", ["WSGIScriptAlias has no option 'threads'", "process-group"]),
        ({"callable_object": "x"}, "handler", ["WSGIHandlerScript has no option 'callable_object'"]),
        ({"process_group": "x"}, "decider", ["no option 'process_group'", "application-group"]),
        ({"supplementary_groups": ["a,b"]}, "daemon", ["'a,b' is not a text without ','"]),
        ({5: 5}, "daemon", ["must be a string"]),
        ({"python_home": "a", "python-home": "b"}, "daemon", ["given twice"]),
        ({"home": ["/a"]}, "daemon", ["home takes one value"]),
        ({"python_path": ["/a:/b"]}, "daemon", ["'/a:/b' is not a text without ':'"]),
        ({"python_path": [""]}, "daemon", ["python-path"]),
        ({"python_path": [5]}, "daemon", ["python-path"]),
        ({"home": "/a\nServerAdmin x"}, "daemon", ["wsgi_options: home", "control character"]),
        ({"home": "${HOME}"}, "daemon", ["wsgi_options: home", "expand as a variable"]),
        ({"home": {"a": 1}}, "daemon", ["wsgi_options: home", "not dict"]),
        ({}, "other", ["kind='other'", "daemon, alias, handler, import, decider"]),
        ("home=/a", "daemon", ["a dictionary is needed, not str"]),
    ],
)
def test_refused(options: Any, kind: str, words: list[str]) -> None:
    with pytest.raises(AnsibleFilterError) as caught:
        wsgi_options(options, kind=kind)
    for word in words:
        assert word in str(caught.value)


def test_the_filter_is_registered() -> None:
    assert FilterModule().filters() == {"wsgi_options": wsgi_options}


def test_names_are_sorted_out() -> None:
    for names in NAMES.values():
        assert len(set(names)) == len(names)
        assert all(re.match(r"^[a-z]+(-[a-z]+)*$", name) for name in names)


SOURCES = Path(__file__).parents[4] / "roles" / "mod_wsgi_build" / "files" / "apache"


def test_the_c_module_knows_every_name() -> None:
    """Each option that the filter writes stands in the C module's sources as a string."""
    text = "".join(path.read_text(encoding="utf-8") for path in SOURCES.iterdir())
    missing = [name for names in NAMES.values() for name in names if f'"{name}"' not in text]
    assert missing == []
