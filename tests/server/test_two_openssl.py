# SPDX-License-Identifier: Apache-2.0
"""R19: Apache has an OpenSSL, an application brings two of its own, and none of them meets another one."""

from __future__ import annotations

import os
import threading

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from harness import Layout, Server, application_venv
from harness.postgres import PASSWORD, USER, Database, database
from harness.processes import maps
from harness.tls import Authority

PACKAGES = ("psycopg2-binary", "requests")
THREADS = 16
NAME = "localhost"
# The full number of the row is for a machine of one's own: WSGI_TEST_TLS_REQUESTS=20000.
REQUESTS = int(os.environ.get("WSGI_TEST_TLS_REQUESTS", "300"))
TEXT = "a page that mod_ssl serves\n"

APP = """
import json, os, threading

import psycopg2
import requests

AT_ONCE = threading.Barrier({threads})


def application(environ, start_response):
    if environ["QUERY_STRING"] == "together":
        AT_ONCE.wait(60)
    page = requests.get("https://{name}:{page_port}/page.txt", verify={ca!r}, timeout=60)
    connection = psycopg2.connect(
        host={name!r}, hostaddr="127.0.0.1", port={database_port}, user={user!r}, password={password!r},
        dbname="postgres", sslmode="verify-full", sslrootcert={ca!r}, connect_timeout=60,
    )
    try:
        with connection.cursor() as cursor:
            cursor.execute("SELECT ssl, version FROM pg_stat_ssl WHERE pid = pg_backend_pid()")
            row = cursor.fetchone()
    finally:
        connection.close()
    found = {{"pid": os.getpid(), "page": [page.status_code, page.text], "database": row}}
    start_response("200 OK", [("Content-Type", "application/json")])
    return [json.dumps(found).encode()]
"""


def configuration(layout: Layout, authority: Authority, store: Database) -> str:
    """The application on the first port; TLS by mod_ssl on the second one, for what the application fetches."""
    layout.write_app(
        "tls.wsgi",
        APP.format(
            threads=THREADS,
            name=NAME,
            page_port=layout.ports[1],
            database_port=store.port,
            user=USER,
            password=PASSWORD,
            ca=authority.certificate(),
        ),
    )
    (layout.htdocs / "page.txt").write_text(TEXT)
    return f"""
WSGIDaemonProcess app processes=1 threads={THREADS} python-home={application_venv(*PACKAGES)}
WSGIScriptAlias / {layout.apps}/tls.wsgi process-group=app application-group=%{{GLOBAL}}
<VirtualHost *:{layout.ports[1]}>
    ServerName {NAME}
    {authority.lines(NAME)}
    Alias /page.txt {layout.htdocs}/page.txt
</VirtualHost>
"""


@pytest.mark.ours("D758: daemons of 6.1.1 are forks of Apache, with mod_ssl and its OpenSSL")
def test_tls_on_all_sides(new_server: Any) -> None:
    """16 threads fetch by https and ask a database over TLS, each of them in each request: one process, no crash."""
    server: Server = new_server(lambda _: "", modules=("ssl", "socache_shmcb"), ports=2)
    authority = Authority(server.layout.root / "tls", NAME)
    with database(authority, NAME) as store:
        server.configure = lambda layout: configuration(layout, authority, store)
        server.start()
        server.allow(r"\[ssl:warn\]")
        lock, pids = threading.Lock(), set()

        def ask(query: str) -> None:
            found = server.get(f"/?{query}", timeout=120).json()
            assert found["page"] == [200, TEXT]
            assert found["database"][0] is True
            assert found["database"][1].startswith("TLS")
            with lock:
                pids.add(found["pid"])

        with ThreadPoolExecutor(THREADS) as clients:
            list(clients.map(ask, ["together"] * THREADS))  # the first of all handshakes at once
            list(clients.map(ask, ["x"] * (REQUESTS - THREADS)))
        (pid,) = pids
        found = maps(pid)
        for word in ("mod_ssl", "apache2/modules", "libapr"):
            assert word not in found
        libraries = {line.split()[-1] for line in found.splitlines() if "libssl" in line}
        assert len(libraries) == 2, f"Python's and psycopg2's, and no third one: {libraries}"
        server.stop()
