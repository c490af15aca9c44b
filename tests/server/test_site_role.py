# SPDX-License-Identifier: Apache-2.0
"""What the site role writes for every key it has is a configuration that the module takes."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from harness import Layout, Module, prove
from harness.places import ROOT, places

ROLE = ROOT / "roles" / "mod_wsgi_site"

PLAYBOOK = """
- hosts: localhost
  gather_facts: false
  vars_files: [{role}/vars/main.yml, {values}]
  tasks:
    - name: Write what is set for the whole server
      ansible.builtin.copy:
        content: "{{{{ lookup('ansible.builtin.template', '{role}/templates/server.conf.j2') }}}}"
        dest: {out}/01-wsgi.conf
        mode: "0644"
    - name: Write the site
      ansible.builtin.copy:
        content: "{{{{ lookup('ansible.builtin.template', '{role}/templates/site.conf.j2') }}}}"
        dest: {out}/site.conf
        mode: "0644"
      vars:
        __mod_wsgi_site_given: "{{{{ site }}}}"
        __mod_wsgi_site_item: "{{{{ __mod_wsgi_site_full }}}}"
    - name: Write its environment
      ansible.builtin.copy:
        content: "{{{{ site.daemon.env | pyweb.mod_wsgi.wsgi_environment }}}}"
        dest: {out}/site-{{{{ site.name }}}}.env
        mode: "0600"
      when: site.daemon.env is defined
"""


def specification() -> dict[str, Any]:
    """The typed inputs of the role."""
    text = (ROLE / "meta" / "argument_specs.yml").read_text()
    found: dict[str, Any] = yaml.safe_load(text)["argument_specs"]["main"]["options"]
    return found


def server_settings(folder: Path) -> dict[str, Any]:
    """A value for each key of mod_wsgi_site_wsgi."""
    scope = {
        "python_path": [str(folder)],
        "switch_interval": 0.01,
        "per_interpreter_gil": False,
        "free_threading": False,
        "restrict_stdin": True,
        "restrict_stdout": False,
        "restrict_signal": True,
    }
    return {
        **scope,
        "socket_prefix": f"{folder}/run/wsgi",
        "socket_rotation": True,
        "accept_mutex": "default",
        "dont_write_bytecode": True,
        "python_warnings": ["ignore::DeprecationWarning", "default::UserWarning"],
        "python_optimize": 1,
        "python_home": "/usr",
        "python_eggs": str(folder),
        "python_hash_seed": "random",
        "destroy_interpreter": True,
        "restrict_embedded": True,
        "case_sensitivity": True,
        "server_metrics": True,
        "telemetry_service": f"unix:{folder}/telemetry",
        "telemetry_options": ["+CaptureUserAgent"],
        "slow_requests": 2.5,
        "log_options": {"stdout": "notice", "logging": False},
        "interpreter_options": [
            {**scope, "process_group": "shop", "application_group": "%{GLOBAL}"},
            {"restrict_stdout": True},
        ],
    }


def daemon_settings(folder: Path, user: str, group: str) -> dict[str, Any]:
    """A value for each option of the daemon group but script_group, which excludes script_user."""
    numbers = {
        name: 0
        for name, option in specification()["mod_wsgi_site_sites"]["options"]["daemon"]["options"].items()
        if option["type"] == "int"
    }
    return {
        **numbers,
        "processes": 2,
        "threads": 3,
        "user": user,
        "group": group,
        "create_user": False,
        "supplementary_groups": [group],
        "umask": "0027",
        "home": "/",
        "chroot": "/",
        "lang": "C.UTF-8",
        "locale": "C.UTF-8",
        "python_home": "/usr",
        "python_path": [str(folder), str(folder / "a b")],
        "python_eggs": str(folder),
        "display_name": "%{GROUP}",
        "switch_interval": 0.01,
        "stack_size": 1048576,
        "request_timeout": 20,
        "graceful_timeout": 20,
        "socket_timeout": 20,
        "response_flush_delay": 5,
        "listen_backlog": 100,
        "socket_user": user,
        "script_user": user,
        "server_metrics": True,
        "reload": "overlap",
        "env": {"GREETING": "good 'day'", "SECRET": "sword$fish"},
        "env_file": [str(folder / "more.env")],
        "no_new_privileges": False,
    }


def site_settings(folder: Path, port: int, user: str, group: str) -> dict[str, Any]:
    """A site with a value for each key that becomes a directive of WSGI."""
    script = str(folder / "app's.wsgi")
    decider = {"script": script, "application_group": "%{SERVER}"}
    return {
        "name": "shop",
        "server_name": "shop.invalid",
        "process_group": "shop",
        "listen": [{"address": "*", "port": port}],
        "daemon": daemon_settings(folder, user, group),
        "application": {"script": script, "url": "/", "callable_object": "app", "pass_authorization": True},
        "wsgi": {
            "script_reloading": False,
            "chunked_request": True,
            "map_head_to_get": "Auto",
            "error_override": True,
            "enable_sendfile": True,
            "ignore_activity": True,
            "pass_apache_request": True,
            "trusted_proxy_headers": ["X-Forwarded-For", "X-Forwarded-Proto"],
            "trusted_proxies": ["127.0.0.1", "10.0.0.0/8", "fd00::/8"],
            "restrict_process": ["shop"],
            "dispatch_script": decider,
            "access_script": {"script": script},
            "handler_scripts": [
                {
                    "name": "markdown",
                    "script": script,
                    "process_group": "shop",
                    "application_group": "docs",
                    "pass_authorization": False,
                }
            ],
            "import_scripts": [{"script": script, "process_group": "shop", "application_group": "%{GLOBAL}"}],
            "aliases_match": [
                {
                    "regex": "^/tools/([a-z]+)",
                    "script": f"{folder}/$1.wsgi",
                    "directory": str(folder),
                    "process_group": "shop",
                    "application_group": "tools",
                    "callable_object": "tool",
                    "pass_authorization": True,
                }
            ],
            "authentication": {
                "type": "Basic",
                "realm": 'The "shop"',
                "user_script": decider,
                "group_script": {"script": script},
                "groups": ["staff", "two words"],
            },
        },
    }


def render(folder: Path, server: dict[str, Any], site: dict[str, Any]) -> Path:
    """What the role's templates make of the settings: a directory to be included."""
    out = folder / "sites"
    out.mkdir(mode=0o755)
    values = folder / "values.yml"
    extra = {
        "site": site,
        "mod_wsgi_site_wsgi": server,
        "__mod_wsgi_site_log_directory": str(folder / "logs"),
    }
    values.write_text(yaml.safe_dump(extra))
    play = folder / "play.yml"
    play.write_text(PLAYBOOK.format(role=ROLE, values=values, out=out))
    program = Path(sys.executable).parent / "ansible-playbook"
    environment = {
        **os.environ,
        "ANSIBLE_COLLECTIONS_PATH": str(ROOT / ".cache" / "collections"),
        "ANSIBLE_HOME": str(ROOT / ".cache" / "ansible"),
        "ANSIBLE_LOCALHOST_WARNING": "false",
        "ANSIBLE_INVENTORY_UNPARSED_WARNING": "false",
        "LC_ALL": "C.UTF-8",
    }
    done = subprocess.run(
        [str(program), "-c", "local", str(play)],
        env=environment,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return out


def names(spec: dict[str, Any]) -> set[str]:
    """The keys at one level."""
    return set(spec["options"])


@pytest.fixture
def folder() -> Iterator[Path]:
    """A directory that Apache's user may enter, which is checked."""
    with tempfile.TemporaryDirectory(prefix="wsgi-site-") as name:
        Path(name).chmod(0o755)
        yield Path(name)


@pytest.mark.ours("D507: the configuration names an interpreter, 6.1.1 is one")
def test_every_key_becomes_a_directive(module: Module, folder: Path) -> None:
    """The settings hold every key of the specification, and the module takes what is written for them."""
    user, group = places().user, places().group
    (folder / "logs").mkdir()
    (folder / "run").mkdir()
    (folder / "app's.wsgi").write_text("")
    (folder / "more.env").write_text("MORE=1\n")
    server, site = server_settings(folder), site_settings(folder, 80, user, group)
    spec = specification()
    of_a_site = spec["mod_wsgi_site_sites"]["options"]
    assert names(spec["mod_wsgi_site_wsgi"]) == set(server)
    assert names(of_a_site["daemon"]) == {*site["daemon"], "script_group"}
    assert names(of_a_site["wsgi"]) == set(site["wsgi"])
    for key, value in site["wsgi"].items():
        inner = value[0] if isinstance(value, list) and isinstance(value[0], dict) else value
        if isinstance(inner, dict) and key != "access_script":
            assert names(of_a_site["wsgi"]["options"][key]) == set(inner), key
    sites = render(folder, server, site)
    written = "".join(path.read_text() for path in sites.iterdir())
    table = yaml.safe_load((ROLE / "vars" / "main.yml").read_text())
    expected = [row["directive"] for row in table["__mod_wsgi_site_server_directives"]]
    expected += [row["directive"] for row in table["__mod_wsgi_site_wsgi_directives"]]
    expected += table["__mod_wsgi_site_written_directives"]
    assert [name for name in expected if f"{name} " not in written] == []

    assert "processes=2" in written
    (config,) = [path.read_text() for path in sites.glob("site.conf")]
    assert "GREETING, SECRET" in config
    assert "fish" not in config

    def configure(layout: Layout) -> str:
        return f"Define PYWEB_SITES {sites}\nInclude {sites}/*.conf\n"

    proof = prove(configure, modules=("authz_host", "authn_core", "authz_user", "auth_basic"))
    assert proof.status == 0, f"{proof.output}\n{written}"


def daemon_line(folder: Path, daemon: dict[str, Any]) -> list[str]:
    """The words of the directive that the role writes for a group with these keys."""
    site = {
        "name": "one",
        "server_name": "one.invalid",
        "process_group": "one",
        "listen": [{"address": "127.0.0.1", "port": 80}],
        "daemon": daemon,
        "application": {"url": "/", "script": "/a"},
    }
    (line,) = [
        line
        for path in render(folder, {}, site).glob("*.conf")
        for line in path.read_text().splitlines()
        if "WSGIDaemonProcess" in line
    ]
    return line.split()


@pytest.mark.ours("D756: the group has options that 6.1.1 does not know")
def test_what_a_group_has_that_says_nothing(module: Module, folder: Path) -> None:
    """The defaults of the role, which the module takes without a doubt; R22: processes alone makes wsgi.multiprocess true."""
    (folder / "logs").mkdir()
    words = daemon_line(folder, {})
    assert words[:2] == ["WSGIDaemonProcess", "one"]
    assert set(words[2:]) == {
        "threads=15",
        "queue-timeout=30",
        "request-timeout=60",
        "socket-timeout=75",
        "graceful-timeout=65",
        "startup-timeout=120",
        "deadlock-timeout=120",
        "shutdown-timeout=5",
        "reload=overlap",
        "no-new-privileges=On",
        "lang=C.UTF-8",
        "locale=C.UTF-8",
        "display-name=%{GROUP}",
    }
    proof = prove(lambda _layout: f"Timeout 60\n{' '.join(words)}\n")
    assert proof.status == 0, proof.output
    assert "longer than" not in proof.output


@pytest.mark.parametrize(
    ("daemon", "graceful", "socket"),
    [
        ({"request_timeout": 600, "interrupt_timeout": 30}, "635", "645"),
        ({"request_timeout": 10, "queue_timeout": 50}, "15", "65"),
        ({"request_timeout": 0}, None, None),
        ({"graceful_timeout": 0, "socket_timeout": 90}, "0", "90"),
    ],
)
def test_times_follow_from_request_timeout(
    tmp_path: Path, daemon: dict[str, Any], graceful: str | None, socket: str | None
) -> None:
    """C18: who raises one time need not know the others."""
    given = dict(word.split("=", 1) for word in daemon_line(tmp_path, daemon)[2:])
    assert given.get("graceful-timeout") == graceful
    assert given.get("socket-timeout") == socket
