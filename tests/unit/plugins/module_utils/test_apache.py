# Copyright (c) 2026, the pyweb.mod_wsgi contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is understood from httpd, apxs and their files."""

from __future__ import annotations

import os
import stat

from pathlib import Path
from typing import Any

import pytest

from ansible_collections.pyweb.mod_wsgi.plugins.module_utils import _apache
from ansible_collections.pyweb.mod_wsgi.tests.unit.plugins.hosts import HTTPD, RELEASES, Release, Said


@pytest.mark.parametrize("said", HTTPD, ids=[said.name for said in HTTPD])
def test_httpd_is_understood(said: Said) -> None:
    built = _apache.parse_build(said.text)
    assert built["version"] == said.version
    assert built["mmn"] == said.mmn
    assert built["defines"]["SERVER_CONFIG_FILE"].endswith(".conf")


@pytest.mark.parametrize("said", HTTPD, ids=[said.name for said in HTTPD])
def test_every_fixture_names_its_origin(said: Said) -> None:
    assert said.origin.split(":")[0] in ("ran", "quoted", "constructed")


@pytest.mark.parametrize("release", RELEASES, ids=[release.origin for release in RELEASES])
def test_family(release: Release) -> None:
    assert _apache.family_of(_apache.parse_os_release(release.text)) == release.family


def test_noise_is_not_an_httpd() -> None:
    assert _apache.parse_build("nginx version: nginx/1.22.1\n")["version"] == ""


def test_static_modules() -> None:
    text = "Compiled in modules:\n  core.c\n  mod_so.c\n  http_core.c\n  event.c\n"
    modules = _apache.parse_static_modules(text)
    assert modules == ["core", "mod_so", "http_core", "event"]
    assert _apache.find_mpm(modules, {}) == "event"


def test_envvars_of_debian() -> None:
    # ran: Debian 12, /etc/apache2/envvars, shortened
    text = """unset HOME
if [ "${APACHE_CONFDIR##/etc/apache2-}" != "${APACHE_CONFDIR}" ] ; then
\tSUFFIX="-${APACHE_CONFDIR##/etc/apache2-}"
else
\tSUFFIX=
fi
export APACHE_RUN_USER=www-data
export APACHE_RUN_DIR=/var/run/apache2$SUFFIX
: ${LANG:=C}
"""
    values = _apache.read_envvars(text)
    assert values["APACHE_RUN_USER"] == "www-data"
    assert values["APACHE_RUN_DIR"] == "/var/run/apache2"


def test_header_mmn(tmp_path: Path) -> None:
    (tmp_path / "ap_mmn.h").write_text(
        "#ifndef MODULE_MAGIC_NUMBER_MAJOR\n#define MODULE_MAGIC_NUMBER_MAJOR 20120211\n#endif\n"
        "#define MODULE_MAGIC_NUMBER_MINOR 142            /* 0...n */\n"
    )
    assert _apache.header_mmn(str(tmp_path)) == "20120211:142"
    assert _apache.header_mmn(str(tmp_path / "none")) == ""


# ---- the configuration as text ---------------------------------------------------------------


@pytest.fixture
def config(tmp_path: Path) -> Path:
    (tmp_path / "mods-enabled").mkdir()
    (tmp_path / "mods-enabled" / "mpm.load").write_text("LoadModule mpm_worker_module ${MODS}/mod_mpm_worker.so\n")
    (tmp_path / "mods-enabled" / "wsgi.load").write_text('LoadModule wsgi_module "/usr/lib/mod_wsgi.so"\n')
    (tmp_path / "main.conf").write_text(
        "# LoadModule mpm_event_module x.so\nUser \\\n  alice\nIncludeOptional mods-enabled/*.load\n"
        "Include nothing/*.conf\nLoadModule wsgi_module second.so\n"
    )
    return tmp_path


def test_configuration_is_read_in_order(config: Path) -> None:
    directives = _apache.read_configuration(str(config / "main.conf"), str(config), {"MODS": "/m"})
    modules = _apache.loaded_modules(directives)
    assert _apache.find_mpm([], modules) == "worker"
    assert modules["mpm_worker_module"].arguments.endswith("/m/mod_mpm_worker.so")
    assert [one.arguments for one in directives if one.name == "user"] == ["alice"]
    assert modules["wsgi_module"].file == str(config / "main.conf")


def test_a_circle_of_includes_ends(tmp_path: Path) -> None:
    (tmp_path / "a.conf").write_text("Include a.conf\nInclude a.conf\nUser x\n")
    assert _apache.read_configuration(str(tmp_path / "a.conf"), str(tmp_path), {})


def test_a_pipe_in_the_place_of_a_file_is_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "main.conf")
    assert _apache.read_configuration(str(tmp_path / "main.conf"), str(tmp_path), {}) == []


# ---- the layout ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("folders", "family", "expected"),
    [
        (["mods-available"], "debian", "debian"),
        (["mods-available"], "redhat", "debian"),
        (["conf.modules.d", "conf.d"], "redhat", "redhat"),
        (["conf.modules.d", "conf.d"], "debian", "redhat"),
        (["vhosts.d", "conf.d"], "suse", "suse"),
        (["conf.d"], "alpine", "other"),
        (["extra"], "arch", "other"),
    ],
)
def test_layout_by_what_is_there(tmp_path: Path, folders: list[str], family: str, expected: str) -> None:
    for folder in folders:
        (tmp_path / folder).mkdir()
    layout = _apache.layout_of(family, str(tmp_path), "c", str(tmp_path), "l")
    assert layout["family"] == expected
    if expected == "debian":
        assert layout["load_dir"] == str(tmp_path / "mods-available")
    if expected == "redhat":
        assert layout["load_dir"] == str(tmp_path / "conf.modules.d")
        assert layout["conf_dir"] == str(tmp_path / "conf.d")


@pytest.mark.parametrize("family", ["debian", "redhat", "suse", "alpine", "arch", "other"])
def test_a_bare_host_is_told_where_things_will_be(family: str) -> None:
    facts = _apache.empty(family)
    assert facts["found"] is False
    assert set(facts["layout"]) == set(_apache.empty("debian")["layout"])
    if family not in ("other", "arch"):
        assert facts["layout"]["load_dir"]


# ---- real programs ---------------------------------------------------------------------------


def program(path: Path, text: str) -> str:
    path.write_text("#!/bin/sh\n" + text)
    path.chmod(path.stat().st_mode | stat.S_IXUSR | stat.S_IXGRP | stat.S_IXOTH)
    return str(path)


@pytest.fixture
def private(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """An httpd of one's own below a directory, made of scripts that say what a real one would."""
    monkeypatch.setattr(_apache, "find_program", lambda names, places="": "")
    for folder in ("bin", "conf", "include", "modules"):
        (tmp_path / folder).mkdir()
    (tmp_path / "include" / "ap_mmn.h").write_text(
        "#define MODULE_MAGIC_NUMBER_MAJOR 20120211\n#define MODULE_MAGIC_NUMBER_MINOR 142\n"
    )
    (tmp_path / "conf" / "httpd.conf").write_text(
        "LoadModule mpm_prefork_module modules/mod_mpm_prefork.so\nUser web\n"
    )
    (tmp_path / "modules" / "mod_mpm_prefork.so").write_text("")
    said = HTTPD[0].text.replace("/etc/apache2", str(tmp_path)).replace('"apache2.conf"', '"conf/httpd.conf"')
    httpd = program(
        tmp_path / "bin" / "httpd", f"[ $1 = -l ] && {{ echo '  core.c'; exit; }}\ncat <<'END'\n{said}\nEND\n"
    )
    apxs = program(
        tmp_path / "bin" / "apxs",
        f"cat <<'END'\nprogname=httpd\nexp_sbindir={tmp_path}/bin\nexp_includedir={tmp_path}/include\n"
        f"exp_libexecdir={tmp_path}/modules\nexp_sysconfdir={tmp_path}/conf\nCC=gcc -std=gnu99\nEND\n",
    )
    return {"top": tmp_path, "httpd": httpd, "apxs": apxs}


def test_an_httpd_in_a_place_of_its_own(private: dict[str, Any]) -> None:
    facts = _apache.examine("debian", apxs=private["apxs"])
    top = private["top"]
    assert facts["binary"] == private["httpd"]
    assert (facts["version"], facts["mpm"], facts["threaded"]) == ("2.4.71", "prefork", False)
    assert facts["apxs_matches"] is True
    assert facts["libexecdir"] == str(top / "modules")
    assert facts["user"] == "web"
    assert facts["cc"] == "gcc"
    assert facts["service"] == ""
    assert facts["layout"]["family"] == "other"


def test_without_apxs_the_loaded_modules_show_their_directory(private: dict[str, Any]) -> None:
    facts = _apache.examine("debian", httpd=private["httpd"])
    assert facts["apxs"] == ""
    assert facts["apxs_matches"] is None
    assert facts["modules_dir"] == str(private["top"] / "modules")


def test_an_apxs_of_another_httpd(private: dict[str, Any], tmp_path: Path) -> None:
    other = tmp_path / "other"
    other.mkdir()
    said = "Server version: Apache/2.4.99 (Unix)\nServer\\'s Module Magic Number: 20120211:150\n"
    httpd = program(other / "httpd", f"printf '{said}'\n".replace("\\'", "'\"'\"'"))
    facts = _apache.examine("debian", httpd=httpd, apxs=private["apxs"])
    assert facts["mmn"] == "20120211:150"
    assert facts["apxs_matches"] is False


def test_headers_of_another_version(private: dict[str, Any]) -> None:
    header = private["top"] / "include" / "ap_mmn.h"
    header.write_text(header.read_text().replace("142", "83"))
    assert _apache.examine("debian", apxs=private["apxs"])["apxs_matches"] is False


def test_an_apxs_that_fails_says_why(private: dict[str, Any]) -> None:
    program(private["top"] / "bin" / "apxs", "echo 'perl: not found' >&2; exit 127\n")
    facts = _apache.examine("debian", httpd=private["httpd"], apxs=private["apxs"])
    assert facts["apxs_failure"] == "perl: not found"
    assert facts["apxs_matches"] is None


def test_an_old_apxs_that_cannot_list_is_asked_singly(private: dict[str, Any]) -> None:
    top = private["top"]
    program(
        top / "bin" / "apxs",
        f'case "$2" in LIBEXECDIR) echo {top}/modules;; SBINDIR) echo {top}/bin;; PROGNAME) echo httpd;; '
        f"INCLUDEDIR) echo {top}/include;; CC) echo cc;; *) exit 1;; esac\n",
    )
    facts = _apache.examine("debian", apxs=private["apxs"])
    assert facts["apxs_failure"] == ""
    assert facts["libexecdir"] == str(top / "modules")
    assert facts["apxs_matches"] is True


def test_what_does_not_exist() -> None:
    facts = _apache.examine("debian", httpd="/nonexistent/httpd", apxs="/nonexistent/apxs")
    assert facts["found"] is False
    assert facts["failure"] == "it does not exist"
    assert facts["apxs_failure"] == "it does not exist"
