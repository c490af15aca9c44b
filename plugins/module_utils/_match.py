# Copyright (c) 2026, the pyweb.mod_wsgi contributors
# BSD 2-Clause License (see LICENSES/BSD-2-Clause.txt or https://opensource.org/licenses/BSD-2-Clause)
# SPDX-License-Identifier: BSD-2-Clause

# Note that this module util is **PRIVATE** to the collection. It can have breaking changes at any time.
# Do not use this from other collections or standalone plugins/modules!
"""Whether Python and Apache match, what to do if not, and the key of a build."""

from __future__ import annotations

import hashlib
import json
import os
import re

from typing import Any, Mapping, NamedTuple, Sequence

from ansible_collections.pyweb.mod_wsgi.plugins.module_utils import _apache, _installed, _python
from ansible_collections.pyweb.mod_wsgi.plugins.module_utils._run import find_program, path_writer

OLDEST_PYTHON = (3, 8)
OLDEST_APACHE = (2, 4, 37)


class Host(NamedTuple):
    """Everything that was asked of a host."""

    family: str
    apache: dict[str, Any]
    pythons: list[dict[str, Any]]
    tools: dict[str, str]
    machine: str
    libc: str
    system: str


# ---- remedies ----------------------------------------------------------------------------------

INSTALL = {
    "debian": "apt-get install",
    "redhat": "dnf install",
    "suse": "zypper install",
    "alpine": "apk add",
    "arch": "pacman -S",
}

PACKAGES = {
    "debian": {"apache": "apache2", "apxs": "apache2-dev", "compiler": "gcc", "make": "make", "python": "python3"},
    "redhat": {"apache": "httpd", "apxs": "httpd-devel", "compiler": "gcc", "make": "make", "python": "python3"},
    "suse": {"apache": "apache2", "apxs": "apache2-devel", "compiler": "gcc", "make": "make", "python": "python3"},
    "alpine": {
        "apache": "apache2",
        "apxs": "apache2-dev",
        "compiler": "build-base",
        "make": "build-base",
        "python": "python3",
    },
    "arch": {"apache": "apache", "apxs": "apache", "compiler": "gcc", "make": "make", "python": "python"},
}


def headers_package(family: str, version: str, is_default: bool) -> str:
    """Return the package with Python.h for a packaged Python of this version."""
    minor = ".".join(version.split(".")[:2])
    if family == "debian":
        return "python3-dev" if is_default else f"python{minor}-dev"
    if family == "redhat":
        return "python3-devel" if is_default else f"python{minor}-devel"
    if family == "suse":
        return "python3-devel" if is_default else f"python{minor.replace('.', '')}-devel"
    return {"alpine": "python3-dev", "arch": "python"}.get(family, "")


def install(family: str, packages: Sequence[str]) -> str:
    """Return the command that installs the packages, or words where the distribution is not known."""
    named = [package for package in packages if package]
    if family in INSTALL and named:
        return f"{INSTALL[family]} {' '.join(named)}"
    return "install it with this distribution's package manager"


def reason(code: str, what: str, found: str, needed: str, remedy: str, packages: Sequence[str] = ()) -> dict[str, Any]:
    """Return one reason in the form in which the modules return it."""
    return {
        "code": code,
        "what": what,
        "found": found,
        "needed": needed,
        "remedy": remedy,
        "packages": [package for package in packages if package],
    }


def packaged_reason(host: Host, code: str, role: str, what: str, found: str, needed: str) -> dict[str, Any]:
    """Return a reason that the package for C(role) takes away."""
    package = PACKAGES.get(host.family, {}).get(role, "")
    return reason(code, what, found, needed, install(host.family, [package]), [package])


# ---- Apache ------------------------------------------------------------------------------------


def numbers(version: str) -> tuple[int, ...]:
    """Return a version's numbers, to be compared."""
    return tuple(int(number) for number in re.findall(r"\d+", version)[:3])


def apache_reasons(host: Host) -> list[dict[str, Any]]:
    """Return what is wrong with the server itself."""
    apache = host.apache
    needed = "Apache httpd " + ".".join(map(str, OLDEST_APACHE)) + " or newer"
    if not apache["found"]:
        found = f"{apache['binary']}: {apache['failure']}" if apache["binary"] else "no apache2 or httpd program"
        return [packaged_reason(host, "apache_missing", "apache", "Apache", found, needed)]
    if numbers(apache["version"]) < OLDEST_APACHE:
        remedy = "upgrade to a release of the distribution that ships Apache 2.4, or name another httpd"
        found = f"Apache {apache['version']} at {apache['binary']}"
        return [reason("apache_too_old", "Apache", found, needed, remedy)]
    return []


def apxs_reasons(host: Host) -> list[dict[str, Any]]:
    """Return what is wrong with apxs."""
    apache = host.apache
    if not apache["apxs"] or apache["apxs_failure"]:
        found = f"{apache['apxs']}: {apache['apxs_failure']}" if apache["apxs"] else "no apxs program"
        needed = "apxs of the httpd that runs"
        return [packaged_reason(host, "apxs_missing", "apxs", "apxs", found, needed)]
    if not apache["found"] or apache["apxs_matches"] or numbers(apache["version"]) < OLDEST_APACHE:
        return []
    package = PACKAGES.get(host.family, {}).get("apxs", "")
    found = (
        f"{apache['apxs']} builds for {apache['apxs_httpd']} (module magic number {apache['apxs_mmn'] or 'unknown'})"
    )
    needed = f"an apxs for {apache['binary']} (module magic number {apache['mmn']})"
    remedy = f"set apxs to the one beside {apache['binary']}, or bring both to one version: "
    return [reason("apxs_other_httpd", "apxs", found, needed, remedy + install(host.family, [package]))]


# ---- Python ------------------------------------------------------------------------------------


def _system_python(facts: Mapping[str, Any]) -> bool:
    return os.path.dirname(str(facts["real_path"])) in ("/usr/bin", "/bin")


def _unheard_reasons(host: Host, facts: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Return why an interpreter gave no usable answer."""
    path = facts["executable"]
    found = f"{path}: {facts['failure']}"
    needed = "an executable CPython " + ".".join(map(str, OLDEST_PYTHON)) + " or newer"
    if not facts["missing"] and not facts["real_path"]:
        remedy = "give the path of an interpreter itself, such as /usr/bin/python3 or that of a virtual environment"
        return [reason("python_not_runnable", "Python", found, needed, remedy)]
    if not facts["missing"]:
        remedy = f"give the path of a working interpreter (try: {path} -I -S -c 'print(1)')"
        return [reason("python_not_runnable", "Python", found, needed, remedy)]
    if os.path.dirname(path) in ("/usr/bin", "/bin"):
        package = PACKAGES.get(host.family, {}).get("python", "")
        if re.match(r"^python3\.\d+$", os.path.basename(path)) and host.family in ("debian", "redhat"):
            package = os.path.basename(path)
        return [reason("python_missing", "Python", found, needed, install(host.family, [package]), [package])]
    remedy = "create this interpreter or virtual environment, or give the path of one that exists"
    return [reason("python_missing", "Python", found, needed, remedy)]


def _header_reasons(host: Host, facts: Mapping[str, Any]) -> list[dict[str, Any]]:
    minor = ".".join(facts["version"].split(".")[:2])
    needed = f"Python.h of Python {minor} for {facts['real_path']}"
    found = "no Python.h"
    if facts["header"]:
        found = f"{facts['header']} of Python {facts['header_version'] or 'unknown'}"
    if _system_python(facts):
        default = os.path.realpath("/usr/bin/python3") == facts["real_path"]
        package = headers_package(host.family, facts["version"], default)
        return [reason("python_headers_missing", "Python", found, needed, install(host.family, [package]), [package])]
    remedy = f"install Python {minor} below {facts['prefix']} again together with its headers (make install does so)"
    return [reason("python_headers_missing", "Python", found, needed, remedy)]


def python_reasons(host: Host, facts: Mapping[str, Any], embedded: bool) -> list[dict[str, Any]]:
    """Return what is wrong with one interpreter."""
    if facts["failure"]:
        return _unheard_reasons(host, facts)
    path = facts["executable"]
    found = f"Python {facts['version']} at {path}"
    if numbers(facts["version"])[:2] < OLDEST_PYTHON:
        needed = "Python " + ".".join(map(str, OLDEST_PYTHON)) + " or newer"
        remedy = "install a newer Python beside it and give its path"
        return [reason("python_too_old", "Python", found, needed, remedy)]
    if not facts["soabi"]:
        return [
            reason("python_not_runnable", "Python", found + " names no SOABI", "a CPython with SOABI", "reinstall it")
        ]
    reasons = [] if facts["include_ok"] else _header_reasons(host, facts)
    if facts["is_venv"] and facts["venv_version"]:
        made = ".".join(facts["venv_version"].split(".")[:2])
        if made != ".".join(facts["version"].split(".")[:2]):
            reasons.append(
                reason(
                    "venv_other_python",
                    "Python",
                    f"{path} was made with Python {made}, its base {facts['base']} is {facts['version']} now",
                    f"a virtual environment made with Python {facts['version']}",
                    f"make it anew: {facts['base']} -m venv --clear {os.path.dirname(os.path.dirname(path))}",
                )
            )
    if embedded and not facts["libpython"]:
        reasons.append(
            reason(
                "libpython_missing",
                "Python",
                f"{found} without a shared libpython",
                "a shared libpython, for embedded mode",
                "use daemon mode, or a Python configured with --enable-shared",
            )
        )
    return reasons


def owner_reasons(facts: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Return why root must not compile from this interpreter."""
    if facts["failure"] or facts["base_owner"] == "root" or os.geteuid() != 0:
        return []
    return [
        reason(
            "python_user_owned",
            "Python",
            f"{facts['real_path']} can be replaced by {facts['base_owner']}",
            "an interpreter that only root can replace",
            "give the path of a Python that root owns; compiling from a user's own interpreter is not supported yet",
        )
    ]


def apache_owner_reasons(host: Host) -> list[dict[str, Any]]:
    """Return why root must not build with this Apache."""
    if os.geteuid() != 0:
        return []
    reasons = []
    for what, path in (("Apache", host.apache["binary"]), ("apxs", host.apache["apxs"])):
        writer = path_writer(path) if path else None
        if writer is not None:
            found = f"{path} can be replaced by {writer.name}"
            needed = "a program that only root can replace, since root runs it"
            remedy = f"let root own {path} and the directories above it"
            reasons.append(reason("apache_user_owned", what, found, needed, remedy))
    return reasons


# ---- the host ----------------------------------------------------------------------------------


def tool_reasons(host: Host) -> list[dict[str, Any]]:
    """Return which programs for building are missing."""
    reasons = []
    if not host.tools["cc"]:
        found = f"no {host.apache['cc']}, the compiler that apxs wants" if host.apache["cc"] else "no C compiler"
        reasons.append(packaged_reason(host, "compiler_missing", "compiler", "compiler", found, "a C compiler"))
    if not host.tools["make"]:
        reasons.append(packaged_reason(host, "make_missing", "make", "make", "no make program", "make"))
    return reasons


def all_reasons(host: Host, embedded: bool) -> list[dict[str, Any]]:
    """Return everything that speaks against a build, the weightiest first."""
    reasons: list[dict[str, Any]] = []
    if host.system != "Linux":
        reasons.append(
            reason(
                "system_unsupported", "system", host.system, "Linux", "run it on a Linux host; others are not supported"
            )
        )
    reasons += apache_reasons(host)
    for facts in host.pythons:
        reasons += python_reasons(host, facts, embedded) + owner_reasons(facts)
    return reasons + apxs_reasons(host) + apache_owner_reasons(host) + tool_reasons(host)


def sentence(reasons: Sequence[Mapping[str, Any]]) -> str:
    """Return the reasons as one readable paragraph."""
    parts = [f"{one['what']}: found {one['found']}; needed {one['needed']}; remedy: {one['remedy']}" for one in reasons]
    return "Python and Apache of this host do not match. " + ". ".join(parts) + "."


# ---- the key -----------------------------------------------------------------------------------


def build_key(host: Host, source_hash: str | None, cflags: Sequence[str]) -> str:
    """Return the key of the build that fits this host, an empty string while something in it is unknown.

    It holds what a binary depends on and nothing else, so that a patch-level update changes nothing.
    """
    known = all(not facts["failure"] and facts["soabi"] for facts in host.pythons)
    if not source_hash or not host.pythons or not known or not host.apache["mmn"]:
        return ""
    parts = {
        "sources": source_hash,
        "cflags": list(cflags),
        "mmn": host.apache["mmn"].split(":", 1)[0],
        "pythons": sorted({(facts["soabi"], facts["real_path"]) for facts in host.pythons}),
        "default": host.pythons[0]["real_path"],
        "machine": host.machine,
        "libc": host.libc,
    }
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode("utf-8", "surrogateescape")).hexdigest()


def needs_rebuild(host: Host, installed: Mapping[str, Any], key: str) -> bool:
    """Tell whether what is installed no longer fits this host."""
    if not installed["present"] or not installed["complete"]:
        return True
    if key:
        return bool(installed["fingerprint"] != key[:16])
    if host.apache["mmn"].split(":", 1)[0] != str(installed["mmn"]).split(":", 1)[0]:
        return True
    wanted = {(facts["soabi"], facts["real_path"]) for facts in host.pythons}
    return wanted != {(one.get("soabi"), one.get("interpreter")) for one in installed["pythons"]}


# ---- asking ------------------------------------------------------------------------------------


def libc_name() -> str:
    """Return the C library's name and version."""
    try:
        name = os.confstr("CS_GNU_LIBC_VERSION")
    except (ValueError, OSError):
        name = None
    if name:
        return name
    return "musl" if any(entry.startswith("ld-musl-") for entry in os.listdir("/lib")) else "unknown"


def _tools(apache: Mapping[str, Any]) -> dict[str, str]:
    wanted = [apache["cc"]] if apache["cc"] else ["cc", "gcc", "clang"]
    compiler = (
        (wanted[0] if os.access(wanted[0], os.X_OK) else "") if wanted[0].startswith("/") else find_program(wanted)
    )
    return {"cc": compiler, "make": find_program(["make", "gmake"])}


def examine(options: Mapping[str, Any]) -> Host:
    """Ask everything about this host; C(options) are the modules' options."""
    family = _apache.host_family()
    apache = _apache.examine(family, options.get("httpd"), options.get("apxs"), options.get("libexecdir"))
    wanted = options.get("pythons") or ([options["python"]] if options.get("python") else [])
    pythons = _python.examine(wanted or _python.default_pythons())
    system = os.uname()
    return Host(family, apache, pythons, _tools(apache), system.machine, libc_name(), system.sysname)


def public(facts: Mapping[str, Any]) -> dict[str, Any]:
    """Return the facts without what only this collection's code needs."""
    return {key: value for key, value in facts.items() if not key.startswith("_")}


def summary(host: Host, installed: Mapping[str, Any]) -> dict[str, Any]:
    """Return the facts in the form in which both modules return them."""
    return {
        "family": host.family,
        "apache": public(host.apache),
        "pythons": [public(facts) for facts in host.pythons],
        "tools": dict(host.tools),
        "machine": host.machine,
        "libc": host.libc,
        "installed": dict(installed),
        "other_mod_wsgi": _installed.find_other(host.apache),
    }
