# Copyright (c) 2026, the pyweb.mod_wsgi contributors
# BSD 2-Clause License (see LICENSES/BSD-2-Clause.txt or https://opensource.org/licenses/BSD-2-Clause)
# SPDX-License-Identifier: BSD-2-Clause

# Note that this module util is **PRIVATE** to the collection. It can have breaking changes at any time.
# Do not use this from other collections or standalone plugins/modules!
"""What an interpreter says about itself."""

from __future__ import annotations

import os
import re
import stat

from typing import Any, Optional, Sequence, Tuple

from ansible_collections.pyweb.mod_wsgi.plugins.module_utils._run import (
    Answer,
    Command,
    Identity,
    find_program,
    path_writer,
    read_file,
    run_all,
    run_as,
)

# Understood by every Python since 2.6; one line a fact, so that whatever a user's interpreter
# prints is text to be searched, never something to be evaluated.
QUESTION = r"""
import sys
def say(key, value):
    if value is None:
        value = ""
    sys.stdout.write("\n@pyweb@%s=%s\n" % (key, str(value).replace("\n", " ")))
say("version", "%d.%d.%d" % tuple(sys.version_info[:3]))
say("abiflags", getattr(sys, "abiflags", ""))
say("prefix", getattr(sys, "base_prefix", sys.prefix))
say("implementation", getattr(getattr(sys, "implementation", None), "name", "cpython"))
try:
    import sysconfig
    ask = sysconfig.get_config_var
    say("include", sysconfig.get_path("platinclude"))
except ImportError:
    ask = lambda name: None
for name in ("SOABI", "LDVERSION", "INCLUDEPY", "LIBDIR", "LIBPL", "LDLIBRARY", "INSTSONAME",
             "MULTIARCH", "Py_ENABLE_SHARED", "Py_GIL_DISABLED", "Py_DEBUG"):
    say(name, ask(name))
say("end", 1)
"""

_LINE = re.compile(r"^@pyweb@([A-Za-z_]+)=(.*)$", re.MULTILINE)
_VERSION = re.compile(r"^\d+\.\d+\.\d+$")
# What a virtual environment's file may name as its base: it is the user's text, and root may come to run it.
_PROGRAM = re.compile(r"^python[0-9.]*[a-z]*(-dbg|-debug)?$")
_SOABI = re.compile(r"^[A-Za-z0-9_.-]{1,100}$")


def empty(executable: str) -> dict[str, Any]:
    """Return the facts about an interpreter of which nothing is known yet."""
    return {
        "executable": executable,
        "real_path": "",
        "version": "",
        "soabi": "",
        "include_ok": False,
        "header": "",
        "header_version": "",
        "libpython": "",
        "shared": False,
        "gil": True,
        "debug": False,
        "prefix": "",
        "is_venv": False,
        "base": "",
        "owner": "",
        "base_owner": "",
        "venv_version": "",
        "missing": False,
        "failure": "",
    }


def default_pythons() -> list[str]:
    """Return the interpreter that is asked when the task names none."""
    if os.path.exists("/usr/bin/python3"):
        return ["/usr/bin/python3"]
    return [find_program(["python3"]) or "/usr/bin/python3"]


# ---- virtual environments ----------------------------------------------------------------------


def read_venv(executable: str) -> dict[str, str] | None:
    """Return the keys of the virtual environment that the interpreter stands in, V(None) outside one."""
    folder = os.path.dirname(os.path.abspath(executable))
    for candidate in (folder, os.path.dirname(folder)):
        text = read_file(os.path.join(candidate, "pyvenv.cfg"), 65536)
        if text is not None:
            pairs = [line.partition("=") for line in text.splitlines() if "=" in line]
            return {key.strip().lower(): value.strip() for key, _sign, value in pairs}
    return None


def base_of(executable: str) -> str:
    """Return the interpreter that a virtual environment was made from; outside one its own real path."""
    keys = read_venv(executable)
    real = os.path.realpath(executable)
    if keys is None:
        return real
    home = keys.get("home", "")
    if not os.path.isabs(home):
        return real
    version = ".".join(keys.get("version", keys.get("version_info", "")).split(".")[:2])
    names = [os.path.join(home, "python" + version), os.path.join(home, "python3"), os.path.join(home, "python")]
    for name in [keys.get("executable", "")] + names:
        path = os.path.realpath(name)
        if os.path.isabs(name) and _PROGRAM.match(os.path.basename(path)) and os.path.isfile(path):
            return path
    return real


# ---- asking ------------------------------------------------------------------------------------


def _obstacle(executable: str) -> str:
    """Say why this path cannot be an interpreter, before anything is run."""
    try:
        info = os.stat(executable)
    except OSError as error:
        return os.strerror(error.errno or 0).lower()
    if stat.S_ISDIR(info.st_mode):
        inside = os.path.join(executable, "bin", "python")
        hint = f"; did you mean {inside}?" if os.path.isfile(inside) else ""
        return "is a directory" + hint
    if not stat.S_ISREG(info.st_mode):
        return "is not a regular file"
    if not os.access(executable, os.X_OK):
        return "is not executable"
    return ""


def _command(executable: str, identity: Identity | None, flags: Sequence[str]) -> Command:
    return Command([executable, *flags, "-c", QUESTION], identity)


def parse_answer(text: str) -> dict[str, str]:
    """Return the facts in what an interpreter printed, whatever noise stands around them."""
    facts = dict(_LINE.findall(text))
    return facts if "end" in facts and _VERSION.match(facts.get("version", "")) else {}


def _libpython(said: dict[str, str]) -> str:
    """Return the shared libpython's real path, or an empty string."""
    if said.get("Py_ENABLE_SHARED") not in ("1", "True"):
        return ""
    folders = [said.get("LIBDIR", "")]
    folders += [os.path.join(folders[0], said.get("MULTIARCH", "")), os.path.join(said.get("prefix", ""), "lib")]
    for name in (said.get("INSTSONAME", ""), said.get("LDLIBRARY", "")):
        for folder in folders:
            path = os.path.join(folder, name)
            if name and os.path.isabs(path) and os.path.isfile(path):
                return os.path.realpath(path)
    return ""


def _header(facts: dict[str, Any], said: dict[str, str]) -> None:
    """Note where Python.h is and for which version."""
    for folder in (said.get("INCLUDEPY", ""), said.get("include", "")):
        header = os.path.join(folder, "Python.h")
        if os.path.isabs(folder) and os.path.isfile(header):
            level = read_file(os.path.join(folder, "patchlevel.h")) or ""
            found = re.search(r'^#define\s+PY_VERSION\s+"([^"]+)"', level, re.MULTILINE)
            facts["header"] = header
            facts["header_version"] = found.group(1) if found else ""
            break
    wanted = facts["version"].split(".")[:2]
    facts["include_ok"] = bool(facts["header"]) and facts["header_version"].split(".")[:2] == wanted


def digest(facts: dict[str, Any], answer: Answer) -> None:
    """Fill in the facts from the answer, or the reason why there is none."""
    said = parse_answer(answer.out)
    if not said:
        lines = (answer.err or answer.out).strip().splitlines()
        heard = f": {lines[-1][:200]}" if lines else ""
        ended = f"it ended with status {answer.rc} and no answer{heard}"
        facts["failure"] = answer.failure or ended
        return
    facts["failure"] = ""
    facts["version"] = said["version"]
    facts["soabi"] = said["SOABI"] if _SOABI.match(said.get("SOABI", "")) else ""
    facts["prefix"] = said.get("prefix", "")
    facts["gil"] = said.get("Py_GIL_DISABLED") not in ("1", "True")
    facts["debug"] = said.get("Py_DEBUG") in ("1", "True")
    facts["shared"] = said.get("Py_ENABLE_SHARED") in ("1", "True")
    facts["libpython"] = _libpython(said)
    if said.get("implementation", "cpython") != "cpython":
        facts["failure"] = f"it is {said['implementation']}, not CPython"
    _header(facts, said)


def _owner_name(path: str) -> str:
    writer = path_writer(path)
    return writer.name if writer is not None else "root"


def _prepare(facts: dict[str, Any]) -> None:
    """Note what the file system says about the interpreter."""
    path = facts["executable"]
    facts["missing"] = not os.path.exists(path)
    facts["failure"] = _obstacle(path)
    if facts["failure"]:
        return
    venv = read_venv(path)
    facts["is_venv"] = venv is not None
    facts["venv_version"] = (venv or {}).get("version", (venv or {}).get("version_info", ""))
    facts["real_path"] = facts["base"] = base_of(path)
    facts["owner"] = _owner_name(path)
    facts["base_owner"] = _owner_name(facts["real_path"])


# An interpreter, and as whom it is asked.
Asked = Tuple[str, Optional[Identity]]


def _ask(every: Sequence[Asked], seconds: float) -> dict[Asked, Answer]:
    """Ask each once, all side by side; Pythons before 3.4 do not know -I and are asked again."""
    answers = dict(zip(every, run_all([_command(*one, ["-I", "-S"]) for one in every], seconds)))
    old = [one for one, answer in answers.items() if answer.rc and "nknown option: -I" in answer.err]
    if old:
        answers.update(zip(old, run_all([_command(*one, ["-E", "-s", "-S"]) for one in old], seconds)))
    return answers


def examine(executables: Sequence[str], seconds: float = 5.0) -> list[dict[str, Any]]:
    """Ask all these interpreters, side by side, each as the user who can replace it.

    A virtual environment has to answer too, but what counts for building is what its base says. Which base that is,
    its owner decides, so the base is asked as this owner.
    """
    every = [empty(os.path.abspath(executable)) for executable in executables]
    for facts in every:
        _prepare(facts)
    asked = [facts for facts in every if not facts["failure"]]
    first = {facts["executable"]: (facts["executable"], run_as(facts["executable"])) for facts in asked}
    bases = {
        facts["executable"]: (facts["real_path"], first[facts["executable"]][1] or run_as(facts["real_path"]))
        for facts in asked
        if facts["is_venv"]
    }
    answers = _ask(list(dict.fromkeys([*first.values(), *bases.values()])), seconds)
    for facts in asked:
        path = facts["executable"]
        digest(facts, answers[first[path]])
        if path in bases and not facts["failure"]:
            digest(facts, answers[bases[path]])
    return every
