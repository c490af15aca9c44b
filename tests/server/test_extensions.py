# SPDX-License-Identifier: Apache-2.0
"""Extension modules from PyPI: in the main interpreter they work, elsewhere one line says what to do."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from harness import Layout, Server, application_venv

PACKAGES = ("cryptography", "bcrypt", "pydantic", "orjson", "numpy", "psycopg2-binary")

ALL = """
import json

import bcrypt
import numpy
import orjson
import pydantic
from cryptography.fernet import Fernet

import mod_wsgi

LOADED_IN = mod_wsgi.application_group


class Item(pydantic.BaseModel):
    name: str
    count: int


KEY = Fernet.generate_key()


def application(environ, start_response):
    found = {
        "cryptography": Fernet(KEY).decrypt(Fernet(KEY).encrypt(b"text")).decode(),
        "bcrypt": bcrypt.checkpw(b"secret", bcrypt.hashpw(b"secret", bcrypt.gensalt(4))),
        "pydantic": Item(name="x", count="3").count,
        "orjson": orjson.loads(orjson.dumps({"a": [1, 2]})),
        "numpy": int(numpy.arange(10).sum()),
        "group": environ["mod_wsgi.application_group"],
        "loaded_in": LOADED_IN,
    }
    start_response("200 OK", [("Content-Type", "application/json")])
    return [json.dumps(found).encode()]
"""

ONE = """
import {0}


def application(environ, start_response):
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [b"fine"]
"""

CASTERS = """
import datetime, decimal, json

from psycopg2 import extensions, extras


def application(environ, start_response):
    found = [
        type(extensions.DECIMAL("1.5", None)) is decimal.Decimal,
        extensions.DECIMAL("1.5", None) == decimal.Decimal("1.5"),
        type(extensions.PYDATE("2026-01-02", None)) is datetime.date,
        extensions.PYINTERVAL("1 day", None) == datetime.timedelta(1),
        extensions.adapt(decimal.Decimal("2.5")).getquoted() == b"2.5",
    ]
    start_response("200 OK", [("Content-Type", "application/json")])
    return [json.dumps(found).encode()]
"""


def group(more: str = "") -> str:
    """A daemon group with these packages."""
    return f"WSGIDaemonProcess app threads=8 python-home={application_venv(*PACKAGES)}{more}\nWSGIRestrictEmbedded On\n"


@pytest.mark.ours("D502: 6.1.1 makes a sub-interpreter, where a restart of the application is refused")
def test_default_configuration(new_server: Any) -> None:
    """R1: one alias, no directive about application groups: first and later requests, from all threads."""

    def configure(layout: Layout) -> str:
        script = layout.write_app("all.wsgi", ALL)
        return group() + f"WSGIProcessGroup app\nWSGIScriptAlias /app {script}"

    server = new_server(configure).start()
    name = f"localhost:{server.layout.port}|/app"
    with ThreadPoolExecutor(8) as pool:
        replies = list(pool.map(lambda _: server.get("/app/"), range(300)))
    assert {reply.status for reply in replies} == {200}
    assert replies[0].json() == {
        "cryptography": "text",
        "bcrypt": True,
        "pydantic": 3,
        "orjson": {"a": [1, 2]},
        "numpy": 45,
        "group": name,
        "loaded_in": name,
    }


def configure_two(layout: Layout) -> str:
    """The same applications in two sub-interpreters of one process."""
    lines = [group(), "WSGIProcessGroup app\n"]
    for name in ("bcrypt", "numpy", "orjson", "pydantic"):
        script = layout.write_app(f"{name}.wsgi", ONE.format(name))
        lines += [f"WSGIScriptAlias /{name}/{each} {script} application-group={name}-{each}\n" for each in "ab"]
    return "".join(lines)


@pytest.mark.ours("D503: 6.1.1 gives no hint")
def test_two_applications_in_two_groups(new_server: Any) -> None:
    """R1, R2: each works, or fails at once with the line that says what to do; the others go on."""
    server: Server = new_server(configure_two).start()
    server.log().allow(
        "NumPy was imported from a Python sub-interpreter|Improvements in the case of bugs|import numpy$"
    )
    for name, module in (
        ("bcrypt", "bcrypt._bcrypt"),
        ("numpy", "numpy._core._multiarray_umath"),
        ("pydantic", "pydantic_core._pydantic_core"),
    ):
        assert server.get(f"/{name}/a", timeout=5).status == 200
        reply = server.get(f"/{name}/b", timeout=5)
        assert reply.status == 500
        (hint,) = server.expect(f"WSGI1022: extension module {module} refuses to work in sub-interpreter '{name}-b'")
        assert "WSGIApplicationGroup %{GLOBAL}" in hint.text
        assert "application-group=%{GLOBAL} at its WSGIScriptAlias" in hint.text
        server.log().expect_traceback("ImportError: ")
        server.expect(f"WSGI0109: .*{name}.wsgi")
        assert server.get(f"/{name}/a", timeout=5).status == 200
    assert [server.get(f"/orjson/{each}").status for each in "ab"] == [200, 200]


def test_main_interpreter_as_the_hint_says(new_server: Any) -> None:
    """Following the hint helps: two applications, a process group and %{GLOBAL} for each."""

    def configure(layout: Layout) -> str:
        script = layout.write_app("all.wsgi", ALL)
        home = application_venv(*PACKAGES)
        return "".join(
            f"WSGIDaemonProcess {each} threads=2 python-home={home}\n"
            f"WSGIScriptAlias /{each} {script} process-group={each} application-group=%{{GLOBAL}}\n"
            for each in "ab"
        )

    server = new_server(configure).start()
    assert [server.get(f"/{each}").json()["numpy"] for each in "abab"] == [45] * 4


def test_casters_side_by_side(new_server: Any) -> None:
    """R3: the classes of each interpreter, in two applications of one process."""

    def configure(layout: Layout) -> str:
        script = layout.write_app("casters.wsgi", CASTERS)
        return group() + "".join(
            f"WSGIScriptAlias /{each} {script} process-group=app application-group={name}\n"
            for each, name in (("a", "%{GLOBAL}"), ("b", "other"))
        )

    server = new_server(configure).start()
    for each in "abab":
        assert server.get(f"/{each}").json() == [True] * 5, each
