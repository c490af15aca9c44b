# Copyright (c) 2026, the pyweb.mod_wsgi contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The controller's half of mod_wsgi_compile: sources travel as one archive, and only if they are needed."""

from __future__ import annotations

import gzip
import hashlib
import io
import os
import stat
import tarfile
import tempfile

from typing import Any

from ansible import constants
from ansible.errors import AnsibleActionFail
from ansible.plugins.action import ActionBase

OWN_SOURCES = os.path.join("roles", "mod_wsgi_build", "files")
NEEDED = ("configure", "Makefile.in", "mod_wsgi.c")

# What a build by hand leaves between the sources: at their top, and anywhere.
LEFT_AT_TOP = ("build", "Makefile")
LEFT_SUFFIXES = (".o", ".so", ".a", ".d", ".pyc", ".gcda", ".gcno", ".log", ".orig", ".rej", "~", ".md")


def source_files(top: str) -> list[str]:
    """Return the relative names of the sources, sorted."""
    names = []
    for folder, folders, files in os.walk(top):
        left = LEFT_AT_TOP if folder == top else ()
        folders[:] = [name for name in folders if name not in (*left, "__pycache__") and not name.startswith(".")]
        for name in files:
            if name not in left and not name.startswith(".") and not name.endswith(LEFT_SUFFIXES):
                names.append(os.path.relpath(os.path.join(folder, name), top))
    return sorted(names)


def read_sources(top: str) -> dict[str, tuple[bool, bytes]]:
    """Return for each source whether it is executable, and its content."""
    if not os.path.isdir(top):
        raise AnsibleActionFail(f"source: {top} is not a directory on the controller")
    sources = {}
    for name in source_files(top):
        path = os.path.join(top, name)
        info = os.lstat(path)
        if not stat.S_ISREG(info.st_mode):
            raise AnsibleActionFail(f"source: {path} is not a regular file; the sources may hold only those")
        with open(path, "rb") as content:
            sources[name] = (bool(info.st_mode & stat.S_IXUSR), content.read())
    missing = [name for name in NEEDED if name not in sources]
    if missing:
        raise AnsibleActionFail(f"source: {top} lacks {', '.join(missing)}; give the directory of the module's sources")
    return sources


def hash_sources(sources: dict[str, tuple[bool, bytes]]) -> str:
    """Return the hash of names, executable bits and contents; the module's tree_hash() is the same."""
    digest = hashlib.sha256()
    for name, (executable, content) in sorted(sources.items()):
        part = hashlib.sha256(content).hexdigest()
        digest.update(f"{name}\0{int(executable)}\0{part}\n".encode("utf-8", "surrogateescape"))
    return digest.hexdigest()


def pack_sources(sources: dict[str, tuple[bool, bytes]]) -> bytes:
    """Return the sources as an archive whose bytes depend on nothing but them."""
    raw = io.BytesIO()
    with gzip.GzipFile(filename="", mode="wb", fileobj=raw, mtime=0) as packed, tarfile.open(
        fileobj=packed, mode="w", format=tarfile.PAX_FORMAT
    ) as pack:
        for name, (executable, content) in sorted(sources.items()):
            member = tarfile.TarInfo(name)
            member.size = len(content)
            member.mode = 0o755 if executable else 0o644
            pack.addfile(member, io.BytesIO(content))
    return raw.getvalue()


def own_sources() -> str:
    """Return the directory of the collection's own sources."""
    collection = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
    return os.path.join(collection, OWN_SOURCES)


class ActionModule(ActionBase):
    """Send the hash first, and the sources only if the host asks for them."""

    TRANSFERS_FILES = True
    _supports_async = False

    def run(self, tmp: str | None = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        """Run the module, a second time with the archive if it needs that."""
        result: dict[str, Any] = super().run(tmp, task_vars)
        options = dict(self._task.args)
        for internal in ("archive", "source_hash"):
            if options.get(internal) is not None:
                raise AnsibleActionFail(f"{internal} is filled in by this action and cannot be given")
        if options.get("state", "present") == "absent":
            result.update(self._ask(options, task_vars))
            return result
        sources = read_sources(self._source(options.pop("source", None)))
        options["source_hash"] = hash_sources(sources)
        answer = self._ask(options, task_vars)
        if answer.pop("source_needed", False) and not answer.get("failed"):
            options["archive"] = self._send(sources, options["source_hash"])
            answer = self._ask(options, task_vars)
        result.update(answer)
        return result

    def _source(self, given: str | None) -> str:
        return str(self._loader.path_dwim(given)) if given else own_sources()

    def _ask(self, options: dict[str, Any], task_vars: dict[str, Any] | None) -> dict[str, Any]:
        answer: dict[str, Any] = self._execute_module(
            module_name="pyweb.mod_wsgi.mod_wsgi_compile", module_args=options, task_vars=task_vars
        )
        return answer

    def _send(self, sources: dict[str, tuple[bool, bytes]], digest: str) -> str:
        """Put the archive on the host; hosts of one run share the packed file on the controller."""
        folder = str(vars(constants)["DEFAULT_LOCAL_TMP"])
        local = os.path.join(folder, f"pyweb_mod_wsgi-{digest}.tar.gz")
        if not os.path.exists(local):
            handle, temporary = tempfile.mkstemp(dir=folder)
            with os.fdopen(handle, "wb") as archive:
                archive.write(pack_sources(sources))
            os.rename(temporary, local)
        if not self._connection._shell.tmpdir:
            self._make_tmp_path()
        remote = self._connection._shell.join_path(self._connection._shell.tmpdir, "sources.tar.gz")
        self._transfer_file(local, remote)
        self._fixup_perms2((self._connection._shell.tmpdir, remote))
        return str(remote)
