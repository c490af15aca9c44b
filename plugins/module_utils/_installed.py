# Copyright (c) 2026, the pyweb.mod_wsgi contributors
# BSD 2-Clause License (see LICENSES/BSD-2-Clause.txt or https://opensource.org/licenses/BSD-2-Clause)
# SPDX-License-Identifier: BSD-2-Clause

# Note that this module util is **PRIVATE** to the collection. It can have breaking changes at any time.
# Do not use this from other collections or standalone plugins/modules!
"""Which WSGI modules a host has: ours, with its engines, and a distribution's."""

from __future__ import annotations

import json
import os
import re

from typing import Any, Mapping

from ansible_collections.pyweb.mod_wsgi.plugins.module_utils._run import Command, find_program, read_file, run

FOLDER = "pyweb_mod_wsgi"
CURRENT = "current"
MODULE = "mod_wsgi.so"
FOREIGN_NAMES = ("mod_wsgi.so", "mod_wsgi_python3.so")

_FINGERPRINT = re.compile(r"^[0-9a-f]{16}$")


def home_of(libexecdir: str) -> str:
    """Return the directory that holds our versioned directories."""
    return os.path.join(libexecdir, FOLDER)


def module_path(libexecdir: str) -> str:
    """Return the path for C(LoadModule), which stays the same over all versions."""
    return os.path.join(home_of(libexecdir), CURRENT, MODULE)


def missing() -> dict[str, Any]:
    """Return the facts about a host without our module."""
    return {
        "present": False,
        "complete": False,
        "fingerprint": "",
        "version": "",
        "mmn": "",
        "httpd_version": "",
        "directory": "",
        "module_path": "",
        "pythons": [],
        "problem": "",
    }


def read_build(directory: str) -> dict[str, Any]:
    """Return the description of the build in this directory, empty if there is none."""
    text = read_file(os.path.join(directory, "build.json"))
    try:
        build = json.loads(text or "null")
    except ValueError:
        return {}
    return build if isinstance(build, dict) and build.get("format") == 1 else {}


def files_of(build: Mapping[str, Any]) -> list[str]:
    """Return the files that a build consists of, beside its manifests."""
    engines = sorted({str(python.get("engine", "")) for python in build.get("pythons", [])})
    return [MODULE, "build.json"] + [os.path.basename(engine) for engine in engines if engine]


def what_is_wrong(directory: str) -> str:
    """Say what a versioned directory lacks, an empty string if it is whole."""
    build = read_build(directory)
    if not build:
        return f"{directory}/build.json is missing or damaged"
    if not _FINGERPRINT.match(str(build.get("fingerprint", ""))):
        return f"{directory}/build.json names no fingerprint"
    for name in files_of(build):
        path = os.path.join(directory, name)
        if not os.path.isfile(path) or os.path.getsize(path) == 0:
            return f"{path} is missing or empty"
    manifests = [name for name in os.listdir(directory) if name.endswith(".manifest")]
    if len(manifests) != len(build.get("pythons", [])):
        return f"{directory} holds {len(manifests)} manifests for {len(build.get('pythons', []))} Pythons"
    return ""


def examine(libexecdir: str) -> dict[str, Any]:
    """Return what is installed of ours below this module directory."""
    facts = missing()
    current = os.path.join(home_of(libexecdir), CURRENT)
    if not libexecdir or not os.path.lexists(current):
        return facts
    facts["module_path"] = module_path(libexecdir)
    if not os.path.isdir(current):
        facts["problem"] = f"{current} points to nothing"
        return facts
    facts["directory"] = os.path.realpath(current)
    build = read_build(facts["directory"])
    facts["problem"] = what_is_wrong(facts["directory"])
    facts["complete"] = not facts["problem"]
    facts["present"] = os.path.isfile(facts["module_path"])
    facts["pythons"] = [one for one in build.get("pythons", []) if isinstance(one, dict)]
    for key in ("fingerprint", "version", "mmn", "httpd_version"):
        facts[key] = str(build.get(key, ""))
    return facts


# ---- packages ----------------------------------------------------------------------------------


def parse_owner(program: str, rc: int, out: str) -> str:
    """Return the package that a package manager named as a file's owner."""
    first = out.strip().splitlines()[0] if out.strip() else ""
    if rc != 0 or not first:
        return ""
    if program == "dpkg":
        return "" if first.startswith("diversion by") else first.split(": ")[0].split(",")[0].strip()
    if program == "apk":
        return first.rsplit(" ", 1)[-1]
    return first.split(" ")[0]


def package_of(path: str) -> str:
    """Return the name of the package that owns the path, an empty string if none does."""
    for names in (
        ["dpkg", "-S", path],
        ["rpm", "-qf", "--queryformat", "%{NAME}\n", path],
        ["apk", "info", "--who-owns", path],
        ["pacman", "-Qqo", path],
    ):
        program = find_program(names[:1])
        if program:
            answer = run(Command([program] + names[1:]), 10.0)
            owner = parse_owner(names[0], 1 if answer.rc is None else answer.rc, answer.out)
            if owner:
                return owner
    return ""


def find_other(apache: Mapping[str, Any]) -> dict[str, Any]:
    """Return the WSGI module that is not ours: where it is, and whether the configuration loads it."""
    other: dict[str, Any] = {"present": False, "path": "", "package": "", "load_file": "", "enabled": False}
    ours = home_of(str(apache["libexecdir"]))
    directive = apache.get("_modules", {}).get("wsgi_module")
    if directive is not None:
        words = directive.arguments.split()
        path = os.path.join(str(apache.get("_server_root", "/")), words[1].strip("\"'")) if len(words) > 1 else ""
        if path and not os.path.abspath(path).startswith(ours + os.sep):
            other.update(present=True, enabled=True, path=path, load_file=directive.file)
    if not other["present"]:
        for name in FOREIGN_NAMES:
            path = os.path.join(str(apache["libexecdir"]), name)
            if apache["libexecdir"] and os.path.lexists(path):
                other.update(present=True, path=path)
                break
    if other["present"]:
        other["package"] = package_of(other["path"]) or package_of(os.path.realpath(other["path"]))
    return other
