# Copyright (c) 2026, the pyweb.mod_wsgi contributors
# BSD 2-Clause License (see LICENSES/BSD-2-Clause.txt or https://opensource.org/licenses/BSD-2-Clause)
# SPDX-License-Identifier: BSD-2-Clause

# Note that this module util is **PRIVATE** to the collection. It can have breaking changes at any time.
# Do not use this from other collections or standalone plugins/modules!
"""Programs are run bounded in time and output, and never with more rights than those who can replace them."""

from __future__ import annotations

import grp
import os
import pwd
import resource
import selectors
import signal
import stat
import subprocess
import time

from typing import NamedTuple, Sequence

NOBODY = 65534
SEARCH_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
MOST_LINKS = 40


class Identity(NamedTuple):
    """Whom a program belongs to, and therefore as whom it is run."""

    uid: int
    gid: int

    @property
    def name(self) -> str:
        """Return the user's name, or the number where it has none."""
        try:
            return pwd.getpwuid(self.uid).pw_name
        except KeyError:
            return str(self.uid)


class Command(NamedTuple):
    """One program to run."""

    argv: list[str]
    identity: Identity | None = None
    cwd: str = "/"
    env: dict[str, str] | None = None


class Answer(NamedTuple):
    """What became of a command; C(failure) says why there is no exit status."""

    rc: int | None
    out: str
    err: str
    failure: str = ""


# ---- who could have put this file here ---------------------------------------------------------


def _group_has_members(gid: int) -> bool:
    """Tell whether anybody is in the group, also as the primary group of a local account."""
    if gid == 0:
        return False
    try:
        if grp.getgrgid(gid).gr_mem:
            return True
    except KeyError:
        return True
    try:
        with open("/etc/passwd", encoding="utf-8", errors="surrogateescape") as accounts:
            fields = [line.split(":") for line in accounts]
    except OSError:
        return True
    return any(len(field) > 3 and field[2] != "0" and field[3] == str(gid) for field in fields)


def _writer(info: os.stat_result) -> Identity | None:
    """Return who besides root may change what this inode holds."""
    if info.st_uid != 0:
        return Identity(info.st_uid, info.st_gid)
    if stat.S_ISLNK(info.st_mode):
        return None
    sticky = stat.S_ISDIR(info.st_mode) and bool(info.st_mode & stat.S_ISVTX)
    if info.st_mode & stat.S_IWOTH and not sticky:
        return Identity(NOBODY, NOBODY)
    if info.st_mode & stat.S_IWGRP and not sticky and _group_has_members(info.st_gid):
        return Identity(NOBODY, NOBODY)
    return None


def path_writer(path: str) -> Identity | None:
    """Return who besides root can replace the file behind C(path), each link and directory on the way included.

    V(None) means that only root can. Of several the owner of the nearest thing to the file is returned.
    """
    found: Identity | None = None
    rest = [part for part in os.path.abspath(path).split("/") if part]
    here = "/"
    links = 0
    while True:
        try:
            info = os.lstat(here)
        except OSError:
            return found
        found = _writer(info) or found
        if stat.S_ISLNK(info.st_mode):
            links += 1
            if links > MOST_LINKS:
                return found
            target = os.path.join(os.path.dirname(here), os.readlink(here))
            rest = [part for part in target.split("/") if part] + rest
            here = "/"
            continue
        if not rest:
            return found
        part = rest.pop(0)
        if part == "..":
            here = os.path.dirname(here)
        elif part != ".":
            here = os.path.join(here, part)


def run_as(path: str) -> Identity | None:
    """Return the identity under which root may run C(path), V(None) for itself.

    Somebody who is not root runs everything as himself.
    """
    if os.geteuid() != 0:
        return None
    return path_writer(path)


# ---- running -----------------------------------------------------------------------------------


class _Running:
    """A started process and what it has said so far."""

    def __init__(self, command: Command, limit: int, merge: bool) -> None:
        self.limit = limit
        self.failure = ""
        self.chunks: dict[str, bytearray] = {"out": bytearray(), "err": bytearray()}
        self.process: subprocess.Popen[bytes] | None = None
        environment = {"PATH": SEARCH_PATH, "LANG": "C", "LC_ALL": "C"}
        environment.update(command.env or {})

        def become() -> None:
            resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
            if command.identity is not None:
                os.setgroups([])
                os.setgid(command.identity.gid)
                os.setuid(command.identity.uid)

        try:
            self.process = subprocess.Popen(
                command.argv,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT if merge else subprocess.PIPE,
                cwd=command.cwd,
                env=environment,
                start_new_session=True,
                preexec_fn=become,  # pylint: disable=subprocess-popen-preexec-fn  # modules have one thread
            )
        except (OSError, subprocess.SubprocessError, ValueError) as error:
            reason = os.strerror(error.errno) if isinstance(error, OSError) and error.errno else str(error)
            self.failure = f"it cannot be started: {reason}"

    def register(self, selector: selectors.BaseSelector) -> int:
        """Add the pipes to the selector; returns how many there are."""
        if self.process is None:
            return 0
        pipes = [(self.process.stdout, "out"), (self.process.stderr, "err")]
        count = 0
        for pipe, name in pipes:
            if pipe is not None:
                os.set_blocking(pipe.fileno(), False)
                selector.register(pipe, selectors.EVENT_READ, (self, name))
                count += 1
        return count

    def take(self, pipe: int, name: str) -> bool:
        """Read what is there; returns V(False) at the end of the pipe."""
        try:
            data = os.read(pipe, 65536)
        except BlockingIOError:
            return True
        except OSError:
            return False
        room = self.limit - len(self.chunks[name])
        self.chunks[name] += data[: max(room, 0)]
        return bool(data)

    def end(self, seconds: float, deadline: float) -> Answer:
        """Wait until the deadline, kill what is left, and return the answer."""
        if self.process is None:
            return Answer(None, "", "", self.failure)
        try:
            rc: int | None = self.process.wait(max(0.0, deadline - time.monotonic()))
        except subprocess.TimeoutExpired:
            self._kill()
            self.process.wait()
            rc = None
            self.failure = f"it did not end within {seconds:g} seconds"
        for pipe in (self.process.stdout, self.process.stderr):
            if pipe is not None:
                pipe.close()
        text = {name: bytes(chunk).decode("utf-8", "surrogateescape") for name, chunk in self.chunks.items()}
        return Answer(rc, text["out"], text["err"], self.failure)

    def _kill(self) -> None:
        if self.process is None:
            return
        try:
            os.killpg(self.process.pid, signal.SIGKILL)
        except OSError:
            self.process.kill()


def run_all(
    commands: Sequence[Command], seconds: float = 5.0, limit: int = 262144, merge: bool = False
) -> list[Answer]:
    """Run the commands side by side, all within C(seconds), and return their answers in the same order."""
    deadline = time.monotonic() + seconds
    running = [_Running(command, limit, merge) for command in commands]
    with selectors.DefaultSelector() as selector:
        open_pipes = sum(one.register(selector) for one in running)
        while open_pipes > 0:
            left = deadline - time.monotonic()
            if left <= 0:
                break
            for key, _events in selector.select(min(left, 0.25)):
                one, name = key.data
                if not one.take(key.fd, name):
                    selector.unregister(key.fileobj)
                    open_pipes -= 1
            if all(one.process is None or one.process.poll() is not None for one in running):
                # A grandchild may keep a pipe open for ever: take what is there and go.
                open_pipes = min(open_pipes, _drain(selector))
    return [one.end(seconds, deadline) for one in running]


def _drain(selector: selectors.BaseSelector) -> int:
    """Read what ended processes left in their pipes; nothing is left to wait for afterwards."""
    busy = True
    while busy:
        busy = False
        for key, _events in selector.select(0):
            one, name = key.data
            before = len(one.chunks[name])
            if not one.take(key.fd, name):
                selector.unregister(key.fileobj)
                busy = True
            elif len(one.chunks[name]) > before:
                busy = True
    return 0


def run(command: Command, seconds: float = 5.0, limit: int = 262144, merge: bool = False) -> Answer:
    """Run one command."""
    return run_all([command], seconds, limit, merge)[0]


# ---- reading -----------------------------------------------------------------------------------


def read_file(path: str, limit: int = 262144) -> str | None:
    """Return a regular file's text, V(None) if it is missing, special or too large. Never waits."""
    try:
        handle = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC | os.O_NOCTTY)
    except OSError:
        return None
    try:
        info = os.fstat(handle)
        if not stat.S_ISREG(info.st_mode) or info.st_size > limit:
            return None
        data = b""
        while len(data) <= limit:
            chunk = os.read(handle, 65536)
            if not chunk:
                return data.decode("utf-8", "surrogateescape")
            data += chunk
        return None
    except OSError:
        return None
    finally:
        os.close(handle)


def find_program(names: Sequence[str], search_path: str = SEARCH_PATH) -> str:
    """Return the first executable of these names in the system's directories, or an empty string."""
    for name in names:
        for folder in search_path.split(":"):
            path = os.path.join(folder, name)
            if os.path.isfile(path) and os.access(path, os.X_OK):
                return path
    return ""
