# SPDX-License-Identifier: Apache-2.0
"""A host where Apache serves something else already, with the distribution's own mod_wsgi."""

from __future__ import annotations

import os
import re

from collections.abc import Iterator

import pytest

from throwaway import Host, Outcome

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="a throw-away host needs root: run make test as root")

FOREIGN_SCRIPT = """\
def application(environ, start_response):
    start_response("200 OK", [("Content-Type", "text/plain")])
    version = environ["mod_wsgi.version"]
    return [("foreign, served by mod_wsgi %d.%d" % version[:2]).encode()]
"""
FOREIGN_SITE = """\
Listen 127.0.0.1:8090
<VirtualHost 127.0.0.1:8090>
    ServerName foreign.example
    WSGIScriptAlias / /var/www/foreign.wsgi
    <Directory /var/www>
        Require all granted
    </Directory>
</VirtualHost>
"""
FETCH = "curl -sS -f -m 10 http://127.0.0.1:{}/"


@pytest.fixture(scope="module")
def host() -> Iterator[Host]:
    """A host on which the distribution's module serves a site of somebody else."""
    with Host("distribution") as throwaway:
        throwaway.must("apt-get -qq update", cwd="/")
        throwaway.must(
            "DEBIAN_FRONTEND=noninteractive apt-get -qq -y --no-install-recommends install"
            " apache2 libapache2-mod-wsgi-py3 >/dev/null",
            cwd="/",
        )
        throwaway.write("/var/www/foreign.wsgi", FOREIGN_SCRIPT)
        throwaway.write("/etc/apache2/sites-enabled/foreign.conf", FOREIGN_SITE)
        throwaway.must("apache2ctl restart", cwd="/")
        yield throwaway


@pytest.fixture(scope="module")
def before(host: Host) -> str:
    """What the foreign site answers before make site."""
    return host.must(f"for i in 1 2 3 4 5; do {FETCH.format(8090)} && break; sleep 1; done", cwd="/")


@pytest.fixture(scope="module")
def first(host: Host, before: str) -> Outcome:
    """The first make site."""
    assert before.startswith("foreign, ")
    return host.run("make site", timeout=900)


@pytest.fixture(scope="module")
def served(host: Host, first: Outcome) -> Host:
    """The host after a make site that went well."""
    if first.returncode != 0:
        pytest.fail(f"make site failed, so there is nothing to look at; see {host.log}\n{first.output[-6000:]}")
    return host


def loaded_modules(host: Host) -> set[str]:
    """Return the WSGI modules that the running server's parent has mapped."""
    pid = host.must("cat /var/run/apache2/apache2.pid", cwd="/").strip()
    mapped = host.must(f"cat /proc/{pid}/maps", cwd="/")
    return set(re.findall(r"/\S*mod_wsgi\S*\.so\S*", mapped))


def test_ours_takes_the_place(served: Host) -> None:
    """Only our module is in the running server, although the other one is still installed."""
    modules = loaded_modules(served)
    assert len(modules) == 1
    assert "/pyweb_mod_wsgi/" in modules.pop()
    assert served.infra.package("libapache2-mod-wsgi-py3").is_installed


@pytest.mark.parametrize("port", [8080, 8081])
def test_our_sites_answer(served: Host, port: int) -> None:
    """Both sites show the demo."""
    assert "</html>" in served.must(FETCH.format(port), cwd="/")


def test_the_foreign_site_is_served_on(served: Host) -> None:
    """The site of somebody else keeps its files and answers, now by our module."""
    assert served.infra.file("/etc/apache2/sites-enabled/foreign.conf").content_string == FOREIGN_SITE
    assert served.must(FETCH.format(8090), cwd="/").startswith("foreign, ")


def test_second_run_changes_nothing(served: Host) -> None:
    """The other module, installed and switched off, gives no reason to change anything."""
    outcome = served.run("make site")
    assert outcome.returncode == 0, outcome.output[-6000:]
    assert re.findall(r"\bok=\d+\s+changed=(\d+)\s", outcome.output) == ["0"]


def test_remove_gives_the_place_back(served: Host, before: str) -> None:
    """After make site-remove the foreign site is served by the distribution's module again."""
    outcome = served.run("make site-remove")
    assert outcome.returncode == 0, outcome.output[-6000:]
    modules = loaded_modules(served)
    assert len(modules) == 1
    assert "/pyweb_mod_wsgi/" not in modules.pop()
    assert served.must(FETCH.format(8090), cwd="/") == before
    assert not served.infra.file("/etc/apache2/pyweb-sites").exists
