# Copyright (c) 2026, the pyweb.mod_wsgi contributors
# BSD 2-Clause License (see LICENSES/BSD-2-Clause.txt or https://opensource.org/licenses/BSD-2-Clause)
# SPDX-License-Identifier: BSD-2-Clause

# Note that this module util is **PRIVATE** to the collection. It can have breaking changes at any time.
# Do not use this from other collections or standalone plugins/modules!
"""What the host's Apache httpd says about itself.

The binary and apxs are asked; the live configuration is only read as text, never loaded, so that
nothing of it runs, no name is looked up, and a broken one does no harm.
"""

from __future__ import annotations

import glob
import os
import re

from typing import Any, NamedTuple, Sequence

from ansible_collections.pyweb.mod_wsgi.plugins.module_utils._run import (
    Command,
    find_program,
    read_file,
    run,
    run_all,
    run_as,
)

HTTPD_NAMES = ("apache2", "httpd", "httpd2")
APXS_NAMES = ("apxs", "apxs2")
APXS_PLACES = "/usr/local/apache2/bin:/opt/httpd/bin"
MPMS = ("event", "worker", "prefork")
MOST_FILES = 2000

_MMN_LINE = re.compile(r"^Server's Module Magic Number:\s*(\d+(?::\d+)?)", re.MULTILINE)
_VERSION_LINE = re.compile(r"^Server version:\s*Apache/(\d+(?:\.\d+)*)", re.MULTILINE)
_APR_LINE = re.compile(r"^Server loaded:\s*APR (\d[\d.]*)", re.MULTILINE)
_DEFINE_LINE = re.compile(r'^ -D (\w+)="?([^"\n]*)"?$', re.MULTILINE)


# ---- distributions -----------------------------------------------------------------------------


class Shape(NamedTuple):
    """Where a family of distributions keeps things, for a host that has no Apache to ask yet."""

    service: str
    user: str
    sysconfdir: str
    libexecdir: str
    runtime_dir: str
    log_dir: str
    conf_file: str


SHAPES = {
    "debian": Shape(
        service="apache2",
        user="www-data",
        sysconfdir="/etc/apache2",
        libexecdir="/usr/lib/apache2/modules",
        runtime_dir="/var/run/apache2",
        log_dir="/var/log/apache2",
        conf_file="/etc/apache2/apache2.conf",
    ),
    "redhat": Shape(
        service="httpd",
        user="apache",
        sysconfdir="/etc/httpd",
        libexecdir="/usr/lib64/httpd/modules",
        runtime_dir="/run/httpd",
        log_dir="/var/log/httpd",
        conf_file="/etc/httpd/conf/httpd.conf",
    ),
    "suse": Shape(
        service="apache2",
        user="wwwrun",
        sysconfdir="/etc/apache2",
        libexecdir="/usr/lib64/apache2",
        runtime_dir="/run",
        log_dir="/var/log/apache2",
        conf_file="/etc/apache2/httpd.conf",
    ),
    "alpine": Shape(
        service="apache2",
        user="apache",
        sysconfdir="/etc/apache2",
        libexecdir="/usr/lib/apache2",
        runtime_dir="/run/apache2",
        log_dir="/var/log/apache2",
        conf_file="/etc/apache2/httpd.conf",
    ),
    "arch": Shape(
        service="httpd",
        user="http",
        sysconfdir="/etc/httpd",
        libexecdir="/usr/lib/httpd/modules",
        runtime_dir="/run/httpd",
        log_dir="/var/log/httpd",
        conf_file="/etc/httpd/conf/httpd.conf",
    ),
    "other": Shape("", "", "", "", "", "", ""),
}

_FAMILIES = (
    ("debian", ("debian", "ubuntu")),
    ("redhat", ("rhel", "fedora", "centos", "rocky", "almalinux", "ol", "amzn")),
    ("suse", ("suse", "opensuse", "sles", "opensuse-leap", "opensuse-tumbleweed", "sled")),
    ("alpine", ("alpine",)),
    ("arch", ("arch",)),
)


def parse_os_release(text: str) -> dict[str, str]:
    """Return the keys of os-release."""
    pairs = [line.partition("=") for line in text.splitlines() if "=" in line and not line.startswith("#")]
    return {key.strip(): value.strip().strip("\"'") for key, _sign, value in pairs}


def family_of(release: dict[str, str]) -> str:
    """Return the family of a distribution by ID, then by ID_LIKE."""
    for names in ([release.get("ID", "")], release.get("ID_LIKE", "").split()):
        for family, members in _FAMILIES:
            if any(name in members for name in names):
                return family
    return "other"


def host_family() -> str:
    """Return this host's family."""
    text = read_file("/etc/os-release", 65536) or read_file("/usr/lib/os-release", 65536) or ""
    return family_of(parse_os_release(text))


# ---- the binary --------------------------------------------------------------------------------


def parse_build(text: str) -> dict[str, Any]:
    """Return what C(httpd -V) (or C(-v) of an old one) says."""
    version = _VERSION_LINE.search(text)
    mmn = _MMN_LINE.search(text)
    apr = _APR_LINE.search(text)
    return {
        "version": version.group(1) if version else "",
        "mmn": mmn.group(1) if mmn else "",
        "apr_version": apr.group(1) if apr else "",
        "defines": dict(_DEFINE_LINE.findall(text)),
    }


def parse_static_modules(text: str) -> list[str]:
    """Return the compiled-in modules that C(httpd -l) lists, without suffix."""
    return [line.strip()[:-2] for line in text.splitlines() if line.startswith(" ") and line.strip().endswith(".c")]


def parse_apxs(text: str) -> dict[str, str]:
    """Return the variables that C(apxs -q) prints."""
    pairs = [line.partition("=") for line in text.splitlines() if "=" in line]
    return {key: value for key, _sign, value in pairs}


def _wanted(value: str | None, names: Sequence[str], places: str = "") -> str:
    if value:
        return os.path.abspath(value)
    found = find_program(names)
    return found or (find_program(names, places) if places else "")


def _ask_apxs_singly(apxs: str) -> dict[str, str]:
    """Ask an apxs that cannot list all its variables for the needed ones."""
    wanted = {
        "LIBEXECDIR": "exp_libexecdir",
        "SBINDIR": "exp_sbindir",
        "PROGNAME": "progname",
        "INCLUDEDIR": "exp_includedir",
        "SYSCONFDIR": "exp_sysconfdir",
        "CC": "CC",
    }
    answers = run_all([Command([apxs, "-q", name], run_as(apxs)) for name in wanted])
    return {key: one.out.strip() for key, one in zip(wanted.values(), answers) if one.rc == 0}


def apxs_httpd(said: dict[str, str]) -> str:
    """Return the path of the httpd that apxs belongs to."""
    name = said.get("progname", "")
    return os.path.join(said.get("exp_sbindir", ""), name) if name else ""


def header_mmn(includedir: str) -> str:
    """Return the module magic number of the headers, in the form that httpd prints."""
    text = read_file(os.path.join(includedir, "ap_mmn.h")) if includedir else None
    numbers = re.findall(r"^#define\s+MODULE_MAGIC_NUMBER_(?:MAJOR|MINOR)\s+(\d+)", text or "", re.MULTILINE)
    return ":".join(numbers[:2])


# ---- the configuration, read as text -----------------------------------------------------------


def read_envvars(text: str) -> dict[str, str]:
    """Return the plain assignments of Debian's envvars file; the last one of each name counts."""
    values: dict[str, str] = {}
    for name, value in re.findall(r"^\s*(?:export\s+)?([A-Za-z_]\w*)=(\S*)", text, re.MULTILINE):
        value = re.sub(r"\$\{?(\w+)(?::?-([^}]*))?\}?", lambda m: values.get(m.group(1), m.group(2) or ""), value)
        values[name] = value.strip("\"'")
    return values


class Directive(NamedTuple):
    """One line of the configuration."""

    file: str
    line: int
    name: str
    arguments: str


def _logical_lines(text: str) -> list[tuple[int, str]]:
    lines: list[tuple[int, str]] = []
    held = ""
    first = 0
    for number, line in enumerate(text.split("\n"), 1):
        first = first or number
        if line.endswith("\\"):
            held += line[:-1]
            continue
        lines.append((first, (held + line).strip()))
        held, first = "", 0
    return lines


def read_configuration(conf_file: str, server_root: str, variables: dict[str, str]) -> list[Directive]:
    """Return the directives below the main file in the order in which they are read.

    Conditional sections are not evaluated: this serves to find who loads what, not to decide it.
    """
    found: list[Directive] = []
    seen = 0
    waiting: list[str] = [conf_file]
    while waiting and seen < MOST_FILES:
        path = waiting.pop(0)
        seen += 1
        included: list[str] = []
        for number, line in _logical_lines(read_file(path, 4194304) or ""):
            if not line or line.startswith("#"):
                continue
            word, _blank, rest = line.partition(" ")
            name = word.strip("<>").lower()
            rest = re.sub(r"\$\{(\w+)\}", lambda m: variables.get(m.group(1), m.group(0)), rest.strip())
            if name in ("include", "includeoptional"):
                pattern = os.path.join(server_root, rest.strip("\"'"))
                if os.path.isdir(pattern):
                    pattern = os.path.join(pattern, "*")
                included += sorted(glob.glob(pattern))
            else:
                found.append(Directive(path, number, name, rest))
        waiting = [one for one in included if os.path.isfile(one)] + waiting
    return found


def loaded_modules(directives: Sequence[Directive]) -> dict[str, Directive]:
    """Return the LoadModule lines by module name; httpd keeps the first of each."""
    modules: dict[str, Directive] = {}
    for directive in directives:
        words = directive.arguments.split()
        if directive.name == "loadmodule" and words:
            modules.setdefault(words[0], directive)
    return modules


def find_mpm(static: Sequence[str], modules: dict[str, Directive]) -> str:
    """Return the name of the MPM, or an empty string when none can be told."""
    for name in MPMS:
        if name in static or "mpm_" + name in static:
            return name
    for name in modules:
        match = re.match(r"^mpm_(\w+)_module$", name)
        if match:
            return match.group(1)
    return ""


# ---- the layout --------------------------------------------------------------------------------


def _existing(*paths: str) -> str:
    for path in paths:
        if path and os.path.isdir(path):
            return path
    return ""


def layout_of(family: str, sysconfdir: str, conf_file: str, server_root: str, libexecdir: str) -> dict[str, Any]:
    """Return where load files and sites go, by what is there; where nothing is, by the family."""
    there = os.path.isdir(sysconfdir)
    shape = family if family in ("debian", "redhat", "suse") else "other"
    if there:
        if os.path.isdir(os.path.join(sysconfdir, "mods-available")):
            shape = "debian"
        elif os.path.isdir(os.path.join(sysconfdir, "conf.modules.d")):
            shape = "redhat"
        elif family != "suse":
            shape = "other"

    def inside(name: str) -> str:
        return os.path.join(sysconfdir, name) if sysconfdir else ""

    layout = {
        "family": shape,
        "server_root": server_root,
        "conf_file": conf_file,
        "conf_dir": "",
        "load_dir": "",
        "mods_available": "",
        "mods_enabled": "",
        "sites_available": "",
        "sites_enabled": "",
        "conf_available": "",
        "conf_enabled": "",
        "libexecdir": libexecdir,
    }
    if shape == "debian":
        for name in ("mods", "sites", "conf"):
            layout[name + "_available"] = inside(name + "-available")
            layout[name + "_enabled"] = inside(name + "-enabled")
        layout["conf_dir"] = layout["sites_available"]
        layout["load_dir"] = layout["mods_available"]
    elif shape == "redhat":
        layout["conf_dir"] = inside("conf.d")
        layout["load_dir"] = inside("conf.modules.d")
    elif shape == "suse":
        layout["conf_dir"] = inside("vhosts.d")
        layout["load_dir"] = inside("conf.d")
    elif family == "alpine" or os.path.isdir(inside("conf.d")):
        layout["conf_dir"] = layout["load_dir"] = inside("conf.d")
    return layout


# ---- all together ------------------------------------------------------------------------------


def empty(family: str) -> dict[str, Any]:
    """Return the facts about a host on which no Apache was found."""
    shape = SHAPES[family]
    libexecdir = _existing(shape.libexecdir, "/usr/lib/httpd/modules") or shape.libexecdir
    server_root = shape.sysconfdir
    return {
        "found": False,
        "binary": "",
        "version": "",
        "mmn": "",
        "mpm": "",
        "threaded": None,
        "apr_version": "",
        "apxs": "",
        "apxs_httpd": "",
        "apxs_mmn": "",
        "apxs_matches": None,
        "libexecdir": libexecdir,
        "modules_dir": libexecdir,
        "sysconfdir": shape.sysconfdir,
        "runtime_dir": shape.runtime_dir,
        "log_dir": shape.log_dir,
        "user": shape.user,
        "service": shape.service,
        "static_modules": [],
        "cc": "",
        "failure": "",
        "apxs_failure": "",
        "layout": layout_of(family, shape.sysconfdir, shape.conf_file, server_root, libexecdir),
    }


def _ask_apxs(apxs: str) -> tuple[dict[str, str], str]:
    """Return the variables of apxs, or the reason why it gives none."""
    if not os.path.isfile(apxs):
        return {}, "it does not exist"
    answer = run(Command([apxs, "-q"], run_as(apxs)))
    said = parse_apxs(answer.out) if answer.rc == 0 else {}
    if not said.get("exp_libexecdir") and not answer.failure:
        said = _ask_apxs_singly(apxs)
    if said.get("exp_libexecdir"):
        return said, ""
    heard = (answer.err or answer.out).strip().splitlines()
    return {}, answer.failure or (heard[-1][:200] if heard else "it names no module directory")


def _ask_httpd(httpd: str) -> dict[str, Any]:
    """Return what the binary says, under an empty configuration: nothing of the live one runs for that."""
    identity = run_as(httpd)
    build, version, static = run_all(
        [
            Command([httpd, "-V", "-d", "/", "-f", "/dev/null"], identity),
            Command([httpd, "-v"], identity),
            Command([httpd, "-l"], identity),
        ]
    )
    built = parse_build(build.out + "\n" + version.out)
    built["static_modules"] = parse_static_modules(static.out)
    built["failure"] = "" if built["version"] else version.failure or "it does not name its version"
    return built


def _note_apxs(facts: dict[str, Any], said: dict[str, str]) -> None:
    """Note what apxs says, and whether it belongs to this httpd."""
    facts["apxs_httpd"] = apxs_httpd(said)
    facts["apxs_mmn"] = header_mmn(said.get("exp_includedir", ""))
    facts["cc"] = said.get("CC", "").split(" ")[0]
    if facts["found"]:
        same = os.path.realpath(facts["apxs_httpd"]) == os.path.realpath(facts["binary"])
        facts["apxs_matches"] = same and facts["apxs_mmn"] == facts["mmn"]


def _note_places(facts: dict[str, Any], said: dict[str, str], defines: dict[str, str]) -> None:
    """Note where this httpd keeps things, and what its configuration loads."""
    server_root = defines.get("HTTPD_ROOT", "")
    conf_file = os.path.join(server_root, defines.get("SERVER_CONFIG_FILE", ""))
    sysconfdir = said.get("exp_sysconfdir", "") if facts["apxs_matches"] else ""
    if not os.path.isdir(sysconfdir):
        sysconfdir = os.path.dirname(conf_file)
    if os.path.basename(sysconfdir) == "conf" and os.path.isdir(os.path.join(os.path.dirname(sysconfdir), "conf.d")):
        sysconfdir = os.path.dirname(sysconfdir)
    envvars = read_envvars(read_file(os.path.join(sysconfdir, "envvars"), 65536) or "")
    directives = read_configuration(conf_file, server_root, envvars)
    modules = loaded_modules(directives)
    facts["sysconfdir"] = sysconfdir
    if os.path.dirname(os.path.realpath(facts["binary"])) not in ("/usr/sbin", "/usr/bin"):
        facts["service"] = ""
    facts["mpm"] = find_mpm(facts["static_modules"], modules)
    facts["threaded"] = facts["mpm"] != "prefork" if facts["mpm"] else None
    users = [one.arguments.strip("\"'") for one in directives if one.name == "user"]
    facts["user"] = envvars.get("APACHE_RUN_USER") or (users[-1] if users else "") or facts["user"]
    run_dir = envvars.get("APACHE_RUN_DIR") or said.get("exp_runtimedir", "")
    facts["runtime_dir"] = run_dir or os.path.join(server_root, os.path.dirname(defines.get("DEFAULT_PIDLOG", "")))
    logs = envvars.get("APACHE_LOG_DIR") or said.get("exp_logfiledir", "")
    facts["log_dir"] = logs or os.path.join(server_root, os.path.dirname(defines.get("DEFAULT_ERRORLOG", "")))
    facts["_modules"] = modules
    facts["_server_root"] = server_root
    facts["_conf_file"] = conf_file


def _modules_dir(facts: dict[str, Any], said: dict[str, str]) -> str:
    """Return the directory of Apache's own modules: apxs knows it; without apxs the loaded modules show it."""
    if said.get("exp_libexecdir") and facts["apxs_matches"] is not False:
        return said["exp_libexecdir"]
    for directive in facts.get("_modules", {}).values():
        words = directive.arguments.split()
        path = os.path.join(facts["_server_root"], words[1].strip("\"'")) if len(words) > 1 else ""
        folder = os.path.dirname(path)
        if os.path.basename(path).startswith("mod_mpm_") and os.path.isdir(folder):
            return os.path.realpath(folder)
    return str(facts["libexecdir"])


def examine(
    family: str, httpd: str | None = None, apxs: str | None = None, libexecdir: str | None = None
) -> dict[str, Any]:
    """Return everything that is to be known about this host's Apache.

    Keys that begin with an underscore are for this collection's code, not for the user.
    """
    facts = empty(family)
    facts["apxs"] = _wanted(apxs, APXS_NAMES, APXS_PLACES)
    said: dict[str, str] = {}
    if facts["apxs"]:
        said, facts["apxs_failure"] = _ask_apxs(facts["apxs"])
    own = apxs_httpd(said)
    facts["binary"] = _wanted(httpd or (own if os.path.isfile(own) else None), HTTPD_NAMES)
    built: dict[str, Any] = {}
    if facts["binary"] and not os.path.isfile(facts["binary"]):
        facts["failure"] = "it does not exist"
    elif facts["binary"]:
        built = _ask_httpd(facts["binary"])
        facts["found"] = bool(built["version"])
        facts.update({key: built[key] for key in ("version", "mmn", "apr_version", "static_modules", "failure")})
    if said:
        _note_apxs(facts, said)
    if facts["found"]:
        _note_places(facts, said, built["defines"])
    facts["modules_dir"] = _modules_dir(facts, said)
    facts["libexecdir"] = libexecdir or facts["modules_dir"]
    facts["layout"] = layout_of(
        family,
        facts["sysconfdir"],
        facts.get("_conf_file") or SHAPES[family].conf_file,
        facts.get("_server_root") or facts["sysconfdir"],
        facts["libexecdir"],
    )
    return facts
