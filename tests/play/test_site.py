# SPDX-License-Identifier: Apache-2.0
"""The product, used as its README says: make site on a fresh host, again, broken, and removed.

The tests of this file follow one another on one host, as a person would go on.
"""

from __future__ import annotations

import json
import os
import re
import shlex

from collections.abc import Iterator

import pytest
import yaml

from throwaway import Host, Outcome

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="a throw-away host needs root: run make test as root")

PORTS = (8080, 8081)
# Where a second run may not touch anything: configuration, module, applications.
STEADY = ("/etc", "/usr/lib/apache2", "/srv", "/opt", "/var/www")
# What make site makes in the clone itself.
OWN_TRACES = ("/.venv/", "/.cache/", "/.ansible/", "/__pycache__/")

# What may differ after a removal: the clone, package tools' and Python's own caches and logs.
NOT_LISTED = (
    "/proc",
    "/sys",
    "/dev",
    "/run",
    "/root",
    "/tmp",
    "/srv/pyweb.mod_wsgi",
    "/var/cache",
    "/var/lib/apt",
    "/var/lib/dpkg",
    "/var/log/apt",
    "/var/log/dpkg.log",
    "*/__pycache__",
    "/etc/*-",  # what useradd and its kind keep of their files
)

SNAPSHOT = r"""
import hashlib, json, os, stat, sys
tree = {}
for top in sys.argv[1:]:
    for folder, names, files in os.walk(top):
        for path in [folder] + [os.path.join(folder, name) for name in files]:
            about = os.lstat(path)
            tree[path] = f"{stat.filemode(about.st_mode)} {about.st_mtime_ns}"
print(json.dumps(tree))
"""


@pytest.fixture(scope="module")
def host() -> Iterator[Host]:
    """A host with python3, make and gcc, and nothing of Apache."""
    with Host("site") as throwaway:
        assert not throwaway.infra.file("/usr/sbin/apache2").exists
        # What a person has after the clone's own Ansible is there; it is no part of the site.
        throwaway.must("make collection")
        yield throwaway


@pytest.fixture(scope="module")
def bare_listing(host: Host) -> set[str]:
    """Every file of the host before make site."""
    return listing(host)


@pytest.fixture(scope="module")
def first(host: Host, bare_listing: set[str]) -> Outcome:
    """The first make site."""
    assert bare_listing
    return host.run("make site", timeout=900)


@pytest.fixture(scope="module")
def served(host: Host, first: Outcome) -> Host:
    """The host after a make site that went well."""
    if first.returncode != 0:
        pytest.fail(f"make site failed, so there is nothing to look at; see {host.log}")
    return host


@pytest.fixture
def still_served(served: Host) -> Iterator[Host]:
    """The served host, whose server must be the same process and answer after the test too."""
    before = parent_pid(served)
    yield served
    assert parent_pid(served) == before
    for port in PORTS:
        assert status(served, port) == 200


def tail(outcome: Outcome) -> str:
    """Return what a person would look at first."""
    return f"{outcome.command}: rc {outcome.returncode}\n{outcome.output[-6000:]}"


def changes(outcome: Outcome) -> int:
    """Return the number of changed tasks in the play's recap."""
    found = re.findall(r"\bok=\d+\s+changed=(\d+)\s", outcome.output)
    assert found, tail(outcome)
    return sum(int(number) for number in found)


def status(host: Host, port: int) -> int:
    """Return the HTTP status of a site, 0 if nothing answers."""
    done = host.run(f"curl -s -o /dev/null -m 10 -w '%{{http_code}}' http://127.0.0.1:{port}/", cwd="/")
    return int(done.output or 0)


def page(host: Host, port: int) -> str:
    """Return the page of a site."""
    return host.must(f"curl -sS -f -m 10 http://127.0.0.1:{port}/", cwd="/")


def parent_pid(host: Host) -> int:
    """Return the process id of the server's parent, inside the host."""
    return int(host.must("cat /var/run/apache2/apache2.pid", cwd="/"))


def snapshot(host: Host) -> dict[str, str]:
    """Return mode and time of every file that a second run has to leave alone."""
    host.write("/root/snapshot.py", SNAPSHOT)
    steady = " ".join(STEADY)
    tree: dict[str, str] = json.loads(host.must(f"python3 /root/snapshot.py {steady}", cwd="/"))
    return {
        path: about
        for path, about in tree.items()
        if not any(trace in path + "/" for trace in OWN_TRACES) and path != host.checkout
    }


def without(tree: dict[str, str], part: str) -> dict[str, str]:
    """Return a snapshot less the paths that hold a text: what the test itself has touched."""
    return {path: about for path, about in tree.items() if part not in path}


def play(host: Host, variables: dict[str, object], *switches: str) -> Outcome:
    """Run the play of make site with other variables."""
    host.write("/root/variables.json", json.dumps(variables))
    command = "ansible-playbook -i inventories/localhost site.yml -e @/root/variables.json"
    # Without Python's own caches, which would be a change in the clone.
    return host.run(" ".join([f"PYTHONDONTWRITEBYTECODE=1 .venv/bin/{command}", *switches]))


def refused(host: Host, outcome: Outcome, before: dict[str, str], *words: str) -> None:
    """Check that a play said these words, failed and changed nothing."""
    assert outcome.returncode != 0, tail(outcome)
    text = " ".join(outcome.output.split())
    for word in words:
        assert word in text, f"{word!r} is not in:\n{tail(outcome)}"
    assert changes(outcome) == 0, tail(outcome)
    assert snapshot(host) == before


def listing(host: Host) -> set[str]:
    """Return every file of the host that neither the clone nor a package tool's cache explains."""
    pruned = " -o ".join(f"-path '{path}'" for path in NOT_LISTED)
    found = host.must(f"find / -xdev \\( {pruned} \\) -prune -o -print", cwd="/")
    return set(found.splitlines())


# ---- a bare host: refused before anything is installed -----------------------------------------

FAKE_HTTPD = """\
#!/bin/sh
case " $* " in
    *" -l "*) printf 'Compiled in modules:\\n  core.c\\n  mod_so.c\\n' ;;
    *) printf 'Server version: Apache/%s (Unix)\\n' "{version}" ;;
esac
"""

# An interpreter that says it is older than it is: none that old is in Debian's packages.
FAKE_PYTHON = """\
#!/usr/bin/python3 -IS
import sys

sys.version_info = (3, 7, 17, "final", 0)
exec(sys.argv[sys.argv.index("-c") + 1])
"""


@pytest.fixture(scope="module")
def bare(host: Host) -> Host:
    """The bare host, with Ansible in the clone's .venv and nothing else done."""
    assert not host.infra.file("/usr/sbin/apache2").exists
    return host


@pytest.mark.parametrize("version", ["2.2.34", "2.0.65", "1.3.42"])
def test_old_apache_is_refused(bare: Host, version: str) -> None:
    """Apache before 2.4 is named with its version and what is needed; nothing is installed."""
    bare.write("/opt/old/httpd", FAKE_HTTPD.format(version=version), mode=0o755)
    before = snapshot(bare)
    outcome = play(bare, {"mod_wsgi_build_httpd": "/opt/old/httpd"})
    refused(bare, outcome, before, f"Apache {version} at /opt/old/httpd", "Apache httpd 2.4")


def test_old_python_is_refused(bare: Host) -> None:
    """Python before 3.8 is named with its version and what is needed; nothing is installed."""
    bare.write("/opt/old/python3.7", FAKE_PYTHON, mode=0o755)
    before = snapshot(bare)
    outcome = play(bare, {"mod_wsgi_build_pythons": ["/opt/old/python3.7"]})
    refused(bare, outcome, before, "Python 3.7.17 at /opt/old/python3.7", "Python 3.8 or newer")


def test_missing_packages_are_named(bare: Host) -> None:
    """Where packages may not be installed, each missing one is named with its command."""
    before = snapshot(bare)
    outcome = play(bare, {"mod_wsgi_build_manage_packages": False})
    refused(
        bare,
        outcome,
        before,
        "apt-get install apache2",
        "apt-get install apache2-dev",
        "no Python.h",
        "apt-get install python3-dev",
    )


def test_wrong_key_is_refused_at_once(bare: Host) -> None:
    """A misspelt key of a site stops the play in its first seconds, with the allowed names."""
    before = snapshot(bare)
    site = {"name": "demo", "server_name": "localhost", "app": "/srv/demo/wsgi.py", "thread": 5}
    outcome = play(bare, {"mod_wsgi_site_sites": [site]})
    refused(bare, outcome, before, "thread", "Supported parameters include", "server_name")
    assert outcome.seconds < 15, tail(outcome)


def test_contradictions_are_refused_at_once(bare: Host) -> None:
    """C18: time-outs that contradict each other, and a wrong variable, are told by name; nothing is installed."""
    before = snapshot(bare)
    site: dict[str, object] = {"name": "demo", "app": "/srv/demo/wsgi.py"}
    group = {"socket_timeout": 20, "graceful_timeout": 30, "reload": "overlap"}
    outcome = play(bare, {"mod_wsgi_site_sites": [{**site, "daemon": group}]})
    words = "daemon.request_timeout: 60 (the default) is more than daemon.{}, so that".format
    refused(bare, outcome, before, words("socket_timeout: 20"), words("graceful_timeout: 30"), "Nothing was changed")
    outcome = play(bare, {"mod_wsgi_site_sites": [{**site, "daemon": {"env": {"NOT-A-NAME": "swordfish"}}}]}, "-vvv")
    refused(bare, outcome, before, "demo: daemon.env: 'NOT-A-NAME' is not the name")
    assert "swordfish" not in outcome.output


# ---- make site ---------------------------------------------------------------------------------


def test_first_run(first: Outcome) -> None:
    """One command takes the host to served sites and prints their addresses."""
    assert first.returncode == 0, tail(first)
    assert changes(first) > 0
    for port in PORTS:
        assert f"http://127.0.0.1:{port}/" in first.output


@pytest.mark.parametrize("port", PORTS)
def test_site_shows_the_demo(served: Host, port: int) -> None:
    """The page is whole, and asking again counts."""
    one, two = page(served, port), page(served, port)
    assert one.lstrip().lower().startswith("<!doctype html>")
    assert one.rstrip().endswith("</html>")
    assert one != two


def test_parent_is_without_python(served: Host) -> None:
    """The server's parent has not mapped Python."""
    pid = parent_pid(served)
    assert served.run(f"grep -c libpython /proc/{pid}/maps").output.strip() == "0"


def test_daemons_run_python_itself(served: Host) -> None:
    """The daemon group's processes are the interpreter, started below one supervisor."""
    children = served.must(f"ps -o pid= --ppid {parent_pid(served)}").split()
    below = served.must(f"ps -o pid= --ppid {','.join(children)}").split()
    executables = {served.must(f"readlink /proc/{pid}/exe").strip() for pid in below}
    real = served.must("readlink -f /usr/bin/python3").strip()
    assert executables == {real}


def test_second_run_changes_nothing(still_served: Host) -> None:
    """A second make site reports no change, and no file has another mode or time."""
    before = snapshot(still_served)
    outcome = still_served.run("make site")
    assert outcome.returncode == 0, tail(outcome)
    assert changes(outcome) == 0, tail(outcome)
    assert snapshot(still_served) == before


# ---- a served host: what goes wrong must not reach the sites ------------------------------------


def test_python_without_headers(still_served: Host) -> None:
    """Python's headers are gone: the package that has them is named."""
    header = still_served.must("echo /usr/include/python3.*/Python.h", cwd="/").strip()
    still_served.must(f"mv {header} {header}.away")
    before = snapshot(still_served)
    outcome = play(still_served, {"mod_wsgi_build_manage_packages": False})
    still_served.must(f"mv {header}.away {header}")
    refused(still_served, outcome, before, "no Python.h", "apt-get install python3-dev")


def test_no_apxs(still_served: Host) -> None:
    """There is no apxs: the package that has it is named."""
    still_served.must("mv /usr/bin/apxs /root/ && mv /usr/bin/apxs2 /root/")
    before = snapshot(still_served)
    outcome = play(still_served, {"mod_wsgi_build_manage_packages": False})
    still_served.must("mv /root/apxs /root/apxs2 /usr/bin/")
    refused(still_served, outcome, before, "no apxs program", "apt-get install apache2-dev")


def test_apxs_of_another_httpd(still_served: Host) -> None:
    """An apxs that belongs to another httpd is refused, with both paths."""
    script = "#!/bin/sh\n/usr/bin/apxs \"$@\" | sed 's,/usr/sbin,/opt/other/sbin,'\n"
    still_served.write("/opt/other/apxs", script, mode=0o755)
    before = snapshot(still_served)
    variables: dict[str, object] = {
        "mod_wsgi_build_apxs": "/opt/other/apxs",
        "mod_wsgi_build_httpd": "/usr/sbin/apache2",
    }
    outcome = play(still_served, variables)
    refused(still_served, outcome, before, "/opt/other/sbin/apache2", "/usr/sbin/apache2")


def test_compile_failure_keeps_the_module(still_served: Host) -> None:
    """A source that does not compile: its first error is said, the module in use stays."""
    files = f"{still_served.checkout}/roles/mod_wsgi_build/files"
    current = "/usr/lib/apache2/modules/pyweb_mod_wsgi/current"
    version = still_served.must(f"readlink {current}")
    still_served.must(f"cp -p {files}/mod_wsgi.c /root/")
    still_served.must(f"echo 'int broken(' >>{files}/mod_wsgi.c")
    before = snapshot(still_served)
    outcome = still_served.run("make site")
    still_served.must(f"cp -p /root/mod_wsgi.c {files}/")
    assert outcome.returncode != 0
    said = re.search(r"mod_wsgi\.c:\d+:\d+: error: ", outcome.output)
    assert said, tail(outcome)
    assert still_served.must(f"readlink {current}") == version
    after = snapshot(still_served)
    assert without(after, files) == without(before, files)
    mended = still_served.run("make site")
    assert mended.returncode == 0, tail(mended)
    assert changes(mended) == 0, tail(mended)


def test_load_file_that_is_gone(still_served: Host) -> None:
    """C17: the module is loaded before any site is read; a load file that somebody removed is back after one run."""
    load = still_served.must("ls /etc/apache2/mods-enabled/*wsgi*.load", cwd="/").split()
    assert len(load) == 1
    main = still_served.must("cat /etc/apache2/apache2.conf", cwd="/")
    assert main.index("mods-enabled/*.load") < main.index("sites-enabled/*.conf")
    assert "wsgi_module" in still_served.must("apache2ctl -M", cwd="/")
    still_served.must(f"rm $(readlink -f {load[0]}) {load[0]}", cwd="/")
    assert still_served.run("apache2ctl -t", cwd="/").returncode != 0
    restored = still_served.run("make site")
    assert restored.returncode == 0, tail(restored)
    assert changes(restored) > 0
    assert "wsgi_module" in still_served.must("apache2ctl -M", cwd="/")
    again = still_served.run("make site")
    assert again.returncode == 0, tail(again)
    assert changes(again) == 0, tail(again)


SITES = "inventories/localhost/group_vars/all.yml"
BAD_HOST = """\
Listen 127.0.0.1:8443
<VirtualHost 127.0.0.1:8443>
    ServerName other.example
    SSLEngine on
    SSLCertificateFile /etc/ssl/other.crt
    SSLCertificateKeyFile /etc/ssl/another.key
</VirtualHost>
"""


def test_certificate_that_does_not_fit(still_served: Host) -> None:
    """A foreign host whose certificate does not fit its key: found before the server is touched."""
    make_pair = "openssl req -x509 -newkey rsa:2048 -nodes -subj /CN=other.example -days 2"
    still_served.must(f"{make_pair} -keyout /etc/ssl/other.key -out /etc/ssl/other.crt")
    still_served.must(f"{make_pair} -keyout /etc/ssl/another.key -out /etc/ssl/another.crt")
    still_served.must("a2enmod -q ssl")
    still_served.write("/etc/apache2/sites-enabled/other.conf", BAD_HOST)
    before = snapshot(still_served)
    still_served.must(f"sed -i.bak 's/threads: 5/threads: 6/' {SITES}")
    outcome = still_served.run("make site")
    still_served.must(f"mv {SITES}.bak {SITES}")
    after = snapshot(still_served)
    still_served.must("rm /etc/apache2/sites-enabled/other.conf && a2dismod -q ssl")
    said = " ".join(outcome.output.split())
    assert outcome.returncode != 0, tail(outcome)
    assert "Nothing was changed" in said, tail(outcome)
    assert "other.example" in said or "another.key" in said, tail(outcome)
    assert without(after, "inventories") == without(before, "inventories")


# ---- a site of one's own: its environment, its code ----------------------------------------------

OWN = """\
import os

import part


def application(environ, start_response):
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [f"{part.VERSION} {os.environ.get('SECRET')} {os.getpid()}".encode()]
"""
OWN_PORT = 8082


def own_site(host: Host, part: str, secret: str) -> dict[str, object]:
    """The sites of make site and one more, whose application imports a module with this text."""
    host.write("/root/own/own.wsgi", OWN)
    host.write("/root/own/part.py", part)
    text = host.must(f"cat {SITES}").replace("{{ inventory_dir }}/../..", host.checkout)
    sites = list(yaml.safe_load(text)["mod_wsgi_site_sites"])
    own = {
        "name": "own",
        "listen": [{"address": "127.0.0.1", "port": OWN_PORT}],
        "daemon": {"python_path": ["/srv/own"], "env": {"SECRET": secret}},
        "application": {"source": "/root/own", "directory": "/srv/own", "script": "/srv/own/own.wsgi"},
    }
    return {"mod_wsgi_site_sites": [*sites, own]}


def group_pids(host: Host, group: str) -> list[str]:
    """The processes of a daemon group."""
    return host.must(f"pgrep -f '^\\(wsgi:{group}\\)' | sort", cwd="/").split()


def test_environment_is_a_secret(still_served: Host) -> None:
    """A18: what an application's environment holds is in no output and in no file that Apache's user can read."""
    for secret in ("sword$fish 'n' \"chips\"", "pass\\\\word `2`"):
        outcome = play(still_served, own_site(still_served, "VERSION = 'v1'\n", secret), "-vvv", "--diff")
        assert outcome.returncode == 0, tail(outcome)
        assert changes(outcome) > 0
        assert page(still_served, OWN_PORT).rpartition(" ")[0] == f"v1 {secret}"
        assert "# SECRET" in outcome.output
        for part in (secret, json.dumps(secret)[1:-1], secret[:8]):
            assert part not in outcome.output
        places = "/etc /srv /var /tmp /run /usr/lib/apache2"
        as_apache = "setpriv --reuid=www-data --regid=www-data --clear-groups"
        search = f"grep -rlsF --exclude-dir={os.path.basename(still_served.checkout)} -e {shlex.quote(secret[:8])}"
        assert still_served.run(f"{as_apache} {search} {places}", cwd="/").output == ""
        again = play(still_served, own_site(still_served, "VERSION = 'v1'\n", secret))
        assert again.returncode == 0, tail(again)
        assert changes(again) == 0, tail(again)
    held = still_served.must("find /etc/apache2/pyweb-sites/ -name '*.env' -printf '%m %U %f\\n'", cwd="/")
    assert set(held.splitlines()) == {"600 0 site-own.env"}


def test_new_code_is_loaded_by_group(still_served: Host) -> None:
    """D1: an imported module has changed; its group serves it when the play ends, other groups go on."""
    secret = page(still_served, OWN_PORT).split(" ", 1)[1].rpartition(" ")[0]
    others = group_pids(still_served, "demo")
    outcome = play(still_served, own_site(still_served, "VERSION = 'v2'\n", secret))
    assert outcome.returncode == 0, tail(outcome)
    assert page(still_served, OWN_PORT).startswith("v2 ")
    assert group_pids(still_served, "demo") == others
    before = group_pids(still_served, "own")
    variables = {**own_site(still_served, "VERSION = 'v2'\n", secret), "mod_wsgi_site_reload": True}
    outcome = play(still_served, variables)
    assert outcome.returncode == 0, tail(outcome)
    assert set(group_pids(still_served, "own")).isdisjoint(before)


def test_new_code_that_cannot_be_loaded(still_served: Host) -> None:
    """D2: the play fails with the traceback and the old code serves, on each run until the code is mended."""
    secret = page(still_served, OWN_PORT).split(" ", 1)[1].rpartition(" ")[0]
    broken = own_site(still_served, "import nothing_of_the_kind\n", secret)
    for _run in range(2):
        outcome = play(still_served, broken)
        assert outcome.returncode != 0, tail(outcome)
        assert "No module named 'nothing_of_the_kind'" in outcome.output, tail(outcome)
        assert page(still_served, OWN_PORT).startswith("v2 ")
    mended = play(still_served, own_site(still_served, "VERSION = 'v3'\n", secret))
    assert mended.returncode == 0, tail(mended)
    assert page(still_served, OWN_PORT).startswith("v3 ")
    again = play(still_served, own_site(still_served, "VERSION = 'v3'\n", secret))
    assert again.returncode == 0, tail(again)
    assert changes(again) == 0, tail(again)
    without_it = still_served.run("make site")
    assert without_it.returncode == 0, tail(without_it)
    assert status(still_served, OWN_PORT) == 0


# ---- make site-remove --------------------------------------------------------------------------


def test_remove_takes_everything_away(served: Host, bare_listing: set[str]) -> None:
    """After make site-remove the host is what it was: no file more, no port, no process."""
    served.must("rm -rf /etc/ssl/other.* /etc/ssl/another.* /opt/old /opt/other")
    outcome = served.run("make site-remove")
    assert outcome.returncode == 0, tail(outcome)
    assert sorted(listing(served) - bare_listing) == []
    assert served.infra.socket.get_listening_sockets() == []
    assert not served.infra.user("wsgi-demo").exists
    assert "apache2" not in served.must("ps -eo args=", cwd="/")
    for port in PORTS:
        assert status(served, port) == 0


def test_remove_again_changes_nothing(served: Host) -> None:
    """Where nothing is left, nothing is done."""
    outcome = served.run("make site-remove")
    assert outcome.returncode == 0, tail(outcome)
    assert changes(outcome) == 0, tail(outcome)
