# Copyright (c) 2026, the pyweb.mod_wsgi contributors
# BSD 2-Clause License (see LICENSES/BSD-2-Clause.txt or https://opensource.org/licenses/BSD-2-Clause)
# SPDX-License-Identifier: BSD-2-Clause

# Note that this module util is **PRIVATE** to the collection. It can have breaking changes at any time.
# Do not use this from other collections or standalone plugins/modules!
"""From an archive of sources to a proven module in its place.

Everything happens beside what is in use: the new directory is complete and has been loaded by the
host's httpd before one rename of a link makes it the current one.
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import os
import re
import shutil
import stat
import tarfile
import tempfile
import time

from typing import Any, Iterator, Mapping, Sequence

from ansible_collections.pyweb.mod_wsgi.plugins.module_utils import _installed
from ansible_collections.pyweb.mod_wsgi.plugins.module_utils._run import Answer, Command, path_writer, run

CONFIGURE_SECONDS = 180.0
MAKE_SECONDS = 1200.0
LOAD_SECONDS = 30.0
LOCK_SECONDS = 1500.0
LOG_LIMIT = 16777216
MOST_BYTES = 67108864

STAGED = ".new-"
REPLACED = ".old-"

# A compiler's, then a linker's, then configure's way to say what is wrong.
_ERRORS = (
    re.compile(r"^(?P<text>[^\s:][^:\n]*:\d+:(?:\d+:)? (?:fatal )?error: .*)$", re.MULTILINE),
    re.compile(r"^(?P<text>.*undefined reference to .*)$", re.MULTILINE),
    re.compile(r"^(?P<text>.*(?:cannot find -l|/ld: |ld: error: |collect2: error: ).*)$", re.MULTILINE),
    re.compile(r"^(?P<text>(?:configure|apxs): ?(?:error|Error):? .*)$", re.MULTILINE | re.IGNORECASE),
    re.compile(r"^(?P<text>.*\berror\b: .*)$", re.MULTILINE | re.IGNORECASE),
)


class BuildError(Exception):
    """A build that did not come to its end; what was in use still is."""

    def __init__(self, message: str, log: str = "") -> None:
        super().__init__(message)
        self.log = log


def first_error(log: str, work: str = "") -> str:
    """Return the line of a build's output that names the first thing that is wrong."""
    if work:
        log = log.replace(work + "/sources/", "").replace(work + "/", "")
    for pattern in _ERRORS:
        match = pattern.search(log)
        if match:
            return match.group("text").strip()
    lines = [line.strip() for line in log.splitlines() if line.strip()]
    return lines[-1] if lines else "no output"


def tail(log: str, lines: int = 40) -> list[str]:
    """Return the last lines of a log."""
    return log.splitlines()[-lines:]


# ---- sources -----------------------------------------------------------------------------------


def _check_member(member: tarfile.TarInfo) -> None:
    parts = member.name.split("/")
    if member.name.startswith("/") or ".." in parts or not (member.isfile() or member.isdir()):
        raise BuildError(f"the archive of the sources holds {member.name!r}, which does not belong there")


def unpack(archive: str, target: str) -> None:
    """Unpack the archive of the sources, plain files and directories only."""
    os.mkdir(target, 0o755)
    total = 0
    try:
        with tarfile.open(archive, "r:gz") as pack:
            for member in pack:
                _check_member(member)
                path = os.path.join(target, member.name)
                if member.isdir():
                    os.makedirs(path, 0o755, exist_ok=True)
                    continue
                total += member.size
                source = pack.extractfile(member)
                if total > MOST_BYTES or source is None:
                    raise BuildError("the archive of the sources is too large")
                os.makedirs(os.path.dirname(path), 0o755, exist_ok=True)
                with source, open(path, "wb") as copy:
                    shutil.copyfileobj(source, copy)
                os.chmod(path, 0o755 if member.mode & 0o100 else 0o644)
    except (tarfile.TarError, EOFError, OSError) as error:
        raise BuildError(f"the archive of the sources cannot be unpacked: {error}") from error


def tree_hash(top: str) -> str:
    """Return the hash of a tree's names, executable bits and contents; the action plugin has the same."""
    digest = hashlib.sha256()
    names = []
    for folder, _folders, files in os.walk(top):
        names += [os.path.relpath(os.path.join(folder, name), top) for name in files]
    for name in sorted(names):
        path = os.path.join(top, name)
        executable = bool(os.stat(path).st_mode & stat.S_IXUSR)
        with open(path, "rb") as source:
            content = hashlib.sha256(source.read()).hexdigest()
        digest.update(f"{name}\0{int(executable)}\0{content}\n".encode("utf-8", "surrogateescape"))
    return digest.hexdigest()


# ---- building ----------------------------------------------------------------------------------


class Plan:
    """What is to be built, with what, for where."""

    def __init__(
        self,
        apache: Mapping[str, Any],
        pythons: Sequence[Mapping[str, Any]],
        key: str,
        make: str,
        jobs: int,
        cflags: Sequence[str],
    ) -> None:
        self.apache = apache
        self.libexecdir = str(apache["libexecdir"])
        self.pythons = pythons
        self.fingerprint = key[:16]
        self.make = make
        self.jobs = jobs
        self.cflags = list(cflags)

    @property
    def home(self) -> str:
        """Return the directory of all our versions."""
        return _installed.home_of(self.libexecdir)

    @property
    def directory(self) -> str:
        """Return the directory that this build will be in."""
        return os.path.join(self.home, self.fingerprint)

    def configure_arguments(self) -> list[str]:
        """Return what configure is told."""
        arguments = [
            f"--with-apxs={self.apache['apxs']}",
            f"--with-httpd={self.apache['binary']}",
            f"--libexecdir={self.libexecdir}",
            f"--with-fingerprint={self.fingerprint}",
        ]
        real: list[str] = []
        for facts in self.pythons:
            if facts["real_path"] not in real:
                real.append(facts["real_path"])
        arguments += [f"--with-python={path}" for path in real]
        return arguments + [f"--default-python={real[0]}"]


def _step(what: str, command: Command, seconds: float, work: str, log: str) -> str:
    """Run one step of the build; returns the log so far."""
    answer: Answer = run(command, seconds, LOG_LIMIT, merge=True)
    log += f"$ {' '.join(command.argv)}\n{answer.out}"
    if answer.failure:
        raise BuildError(f"{what} failed: {command.argv[0]}: {answer.failure}", log)
    if answer.rc != 0:
        raise BuildError(f"{what} failed: {first_error(answer.out, work)}", log)
    return log


def compile_sources(plan: Plan, work: str) -> str:
    """Configure, make and install below C(work)/root; returns the log."""
    build = os.path.join(work, "build")
    os.mkdir(build, 0o755)
    env = {"HOME": work, "TMPDIR": work}
    if plan.cflags:
        env["CFLAGS"] = " ".join(plan.cflags)
    script = os.path.join(work, "sources", "configure")
    if not os.path.isfile(script):
        raise BuildError("the sources hold no configure script")
    arguments = ["/bin/sh", script] + plan.configure_arguments()
    log = _step("configure", Command(arguments, None, build, env), CONFIGURE_SECONDS, work, "")
    argv = [plan.make, f"-j{plan.jobs}"]
    log = _step("compiling", Command(argv, None, build, env), MAKE_SECONDS, work, log)
    argv = [plan.make, "install", f"DESTDIR={os.path.join(work, 'root')}"]
    return _step("make install", Command(argv, None, build, env), CONFIGURE_SECONDS, work, log)


# ---- the load test -----------------------------------------------------------------------------


def _load_line(modules_dir: str, name: str) -> str:
    return f'LoadModule {name}_module "{modules_dir}/mod_{name}.so"\n'


def load_test_config(plan: Plan, module: str, work: str) -> str:
    """Return a configuration that loads the module and as little else as can be."""
    static = plan.apache["static_modules"]
    modules_dir = str(plan.apache["modules_dir"])
    mpm = str(plan.apache["mpm"]) or "event"
    lines = [f'ServerRoot "{work}"\n', f'PidFile "{work}/httpd.pid"\n', "ServerName 127.0.0.1\n"]
    if not any(name in static or "mpm_" + name in static for name in ("event", "worker", "prefork")):
        lines.append(_load_line(modules_dir, "mpm_" + mpm))
    for name in ("unixd", "authz_core"):
        if "mod_" + name not in static and os.path.exists(f"{modules_dir}/mod_{name}.so"):
            lines.append(_load_line(modules_dir, name))
    lines += [f'ErrorLog "{work}/error_log"\n', f'LoadModule wsgi_module "{module}"\n']
    return "".join(lines)


def prove_it_loads(plan: Plan, directory: str, work: str) -> str:
    """Let the host's httpd load the staged module; returns the log."""
    config = os.path.join(work, "load-test.conf")
    with open(config, "w", encoding="utf-8", errors="surrogateescape") as text:
        text.write(load_test_config(plan, os.path.join(directory, _installed.MODULE), work))
    argv = [str(plan.apache["binary"]), "-t", "-d", work, "-f", config]
    answer = run(Command(argv), LOAD_SECONDS, LOG_LIMIT, merge=True)
    log = f"$ {' '.join(argv)}\n{answer.out}"
    if answer.failure:
        raise BuildError(f"the load test failed: {plan.apache['binary']}: {answer.failure}", log)
    if answer.rc != 0:
        heard = [line.strip() for line in answer.out.splitlines() if "mod_wsgi" in line or "wsgi_module" in line]
        said = heard or [line.strip() for line in answer.out.splitlines() if line.strip()] or ["no output"]
        raise BuildError(f"the load test failed: {plan.apache['binary']} does not load the new module: {said[0]}", log)
    return log


# Opening with RTLD_NOW finds every symbol that the interpreter does not have.
_OPEN_ENGINE = """
import importlib.machinery, importlib.util, os, sys
sys.setdlopenflags(os.RTLD_NOW)
loader = importlib.machinery.ExtensionFileLoader("_mod_wsgi", sys.argv[1])
importlib.util.module_from_spec(importlib.util.spec_from_file_location("_mod_wsgi", sys.argv[1], loader=loader))
"""


def prove_the_engines(directory: str) -> str:
    """Let each interpreter open its engine; returns the log."""
    log = ""
    for python in _installed.read_build(directory).get("pythons", []):
        engine = os.path.join(directory, os.path.basename(str(python["engine"])))
        argv = [str(python["interpreter"]), "-I", "-S", "-c", _OPEN_ENGINE, engine]
        answer = run(Command(argv), LOAD_SECONDS, LOG_LIMIT, merge=True)
        log += f"$ {python['interpreter']} opens {engine}\n{answer.out}"
        if answer.failure or answer.rc != 0:
            said = [line.strip() for line in answer.out.splitlines() if line.strip()]
            why = answer.failure or (said[-1] if said else f"it ended with status {answer.rc}")
            raise BuildError(f"the load test failed: {python['interpreter']} does not open its engine: {why}", log)
    return log


# ---- putting it into its place -----------------------------------------------------------------


@contextlib.contextmanager
def locked(libexecdir: str) -> Iterator[None]:
    """Keep other runs of this collection on this host away; leaves no file behind."""
    handle = os.open(libexecdir, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    deadline = time.monotonic() + LOCK_SECONDS
    try:
        while True:
            try:
                fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError as error:
                if time.monotonic() > deadline:
                    raise BuildError(f"another build has held {libexecdir} for {LOCK_SECONDS:g} seconds") from error
                time.sleep(0.5)
        yield
    finally:
        os.close(handle)


def refuse_foreign(path: str) -> None:
    """Refuse to touch a path that a package put there."""
    package = _installed.package_of(path)
    if package:
        raise BuildError(
            f"{path} belongs to the package {package}; give another libexecdir, this module never writes over a package"
        )


def _sync(path: str) -> None:
    handle = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def stage(plan: Plan, work: str) -> str:
    """Copy what was built next to its place, complete and on disk; returns the directory.

    It is copied, not moved: files made here get the security label of this place.
    """
    built = os.path.join(work, "root", plan.directory.lstrip("/"))
    problem = _installed.what_is_wrong(built) if os.path.isdir(built) else f"make install made no {plan.directory}"
    if problem:
        raise BuildError(f"the build is not complete: {problem.replace(os.path.join(work, 'root'), '')}")
    os.makedirs(plan.home, 0o755, exist_ok=True)
    os.chmod(plan.home, 0o755)
    staged = tempfile.mkdtemp(prefix=f"{STAGED}{plan.fingerprint}-", dir=plan.home)
    try:
        os.chmod(staged, 0o755)
        for name in sorted(os.listdir(built)):
            source, target = os.path.join(built, name), os.path.join(staged, name)
            shutil.copyfile(source, target)
            os.chmod(target, 0o755 if os.access(source, os.X_OK) else 0o644)
            _sync(target)
        _sync(staged)
    except OSError:
        shutil.rmtree(staged, ignore_errors=True)
        raise
    return staged


def publish(plan: Plan, staged: str) -> None:
    """Give the staged directory its name; one that is there already is damaged, or it would have been used."""
    if os.path.lexists(plan.directory):
        aside = tempfile.mkdtemp(prefix=REPLACED, dir=plan.home)
        os.rename(plan.directory, os.path.join(aside, plan.fingerprint))
    os.rename(staged, plan.directory)
    _sync(plan.home)


def switch(plan: Plan) -> None:
    """Make the plan's directory the current one, by one rename."""
    link = os.path.join(plan.home, _installed.CURRENT)
    temporary = os.path.join(plan.home, f"{STAGED}{_installed.CURRENT}")
    if os.path.lexists(temporary):
        os.unlink(temporary)
    os.symlink(plan.fingerprint, temporary)
    os.rename(temporary, link)
    _sync(plan.home)


def mapped_directories(home: str) -> list[str]:
    """Return the versioned directories that running processes still use."""
    pattern = re.compile(re.escape(home) + r"/([0-9a-f]{16})/")
    found = set()
    for entry in os.listdir("/proc"):
        if entry.isdigit():
            try:
                with open(f"/proc/{entry}/maps", encoding="utf-8", errors="surrogateescape") as maps:
                    found.update(pattern.findall(maps.read()))
            except OSError:
                continue
    return sorted(found)


def tidy(home: str, keep: Sequence[str]) -> list[str]:
    """Remove what no one needs any more; returns the versions that were removed."""
    removed = []
    kept = set(keep) | set(mapped_directories(home)) | {_installed.CURRENT}
    for name in sorted(os.listdir(home)):
        path = os.path.join(home, name)
        versioned = re.match(r"^[0-9a-f]{16}$", name) is not None
        leftover = name.startswith((STAGED, REPLACED))
        if leftover or (versioned and name not in kept):
            if os.path.islink(path):
                os.unlink(path)
            else:
                shutil.rmtree(path)
            if versioned:
                removed.append(name)
    return removed


def prepare(libexecdir: str) -> None:
    """Make sure that this is a directory into which root may put what Apache loads."""
    writer = path_writer(libexecdir)
    if writer is not None and os.geteuid() == 0:
        raise BuildError(
            f"{libexecdir} can be replaced by {writer.name}, but Apache loads the module as root; give a directory "
            "that only root can change"
        )
    os.makedirs(libexecdir, 0o755, exist_ok=True)


def build(plan: Plan, archive: str, source_hash: str, work: str) -> str:
    """Compile the sources, and put the result next to what is in use, loaded once; returns the log."""
    refuse_foreign(plan.home)
    sources = os.path.join(work, "sources")
    unpack(archive, sources)
    if tree_hash(sources) != source_hash:
        raise BuildError("the archive of the sources does not have the announced hash: it was damaged on its way")
    log = compile_sources(plan, work)
    try:
        staged = stage(plan, work)
        try:
            log += prove_it_loads(plan, staged, work)
            log += prove_the_engines(staged)
            publish(plan, staged)
        finally:
            shutil.rmtree(staged, ignore_errors=True)
    except OSError as error:
        raise BuildError(f"installing failed: {error.filename or plan.home}: {error.strerror}", log) from error
    except BuildError as error:
        raise BuildError(str(error), log + error.log) from error
    return log


def is_there(plan: Plan) -> bool:
    """Tell whether this build stands in its directory, whole, though it may not be the current one."""
    return os.path.isdir(plan.directory) and not _installed.what_is_wrong(plan.directory)


def remove(libexecdir: str) -> None:
    """Take our directory away with everything in it."""
    home = _installed.home_of(libexecdir)
    if os.path.islink(home):
        raise BuildError(f"{home} is a symbolic link; this module made a directory: remove the link by hand")
    writer: object | None = path_writer(home)
    if writer is not None and os.geteuid() == 0:
        raise BuildError(f"{home} can be replaced by somebody who is not root; remove it by hand")
    refuse_foreign(home)
    try:
        shutil.rmtree(home)
    except OSError as error:
        raise BuildError(f"removing failed: {error.filename or home}: {error.strerror}") from error
