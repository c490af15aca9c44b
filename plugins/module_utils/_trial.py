# Copyright (c) 2026, the pyweb.mod_wsgi contributors
# BSD 2-Clause License (see LICENSES/BSD-2-Clause.txt or https://opensource.org/licenses/BSD-2-Clause)
# SPDX-License-Identifier: BSD-2-Clause

# Note that this module util is **PRIVATE** to the collection. It can have breaking changes at any time.
# Do not use this from other collections or standalone plugins/modules!
"""A trial start: the whole server, for a second, where it can touch nothing of the living one.

It runs in its own network, mount, process and IPC namespaces. The directories in which a server
leaves something (process id, sockets, locks, logs) are covered by empty copies; every port is free
and every address of the host can be bound. When the first process of the namespace ends, the kernel
ends all others: nothing can be left behind.
"""

from __future__ import annotations

import contextlib
import ctypes
import errno
import fcntl
import json
import os
import select
import shutil
import signal
import socket
import stat
import struct
import subprocess
import tempfile
import time

from typing import Any, NamedTuple, NoReturn, Sequence

from ansible_collections.pyweb.mod_wsgi.plugins.module_utils._run import SEARCH_PATH, read_file

_CLONE_NEWNS = 0x00020000
_CLONE_NEWIPC = 0x08000000
_CLONE_NEWPID = 0x20000000
_CLONE_NEWNET = 0x40000000
_MS_NOSUID_NODEV_NOEXEC = 0x2 | 0x4 | 0x8
_MS_BIND = 0x1000
_MS_REC = 0x4000
_MS_PRIVATE = 0x40000
_PR_SET_PDEATHSIG = 1
_SIOCGIFFLAGS = 0x8913
_SIOCSIFFLAGS = 0x8914
_IFF_UP = 0x1
_MOST_DIRECTORIES = 5000
_SETTLE_SECONDS = 1.0

# Directories of a whole system: covering one would hide from the server what it needs.
_PARENTS_OF_SHARED = ("/", "/var", "/usr")
_SHARED = ("/run/lock",)


class Outcome(NamedTuple):
    """What a trial start showed."""

    possible: bool
    passed: bool
    text: str


class Plan(NamedTuple):
    """What is to be tried."""

    command: list[str]
    directories: list[str]
    seconds: float


class _Impossible(Exception):
    """A trial start cannot be made on this host."""


def _libc_call(name: str, *arguments: Any) -> None:
    libc = ctypes.CDLL(None, use_errno=True)
    if getattr(libc, name)(*arguments) != 0:
        raise _Impossible(f"{name}: {os.strerror(ctypes.get_errno())}")


def _mount(source: str, target: str, kind: str | None, flags: int) -> None:
    _libc_call("mount", source.encode(), target.encode(), kind.encode() if kind else None, ctypes.c_ulong(flags), None)


# ---- the room ----------------------------------------------------------------------------------


def coverable(directories: Sequence[str]) -> list[str]:
    """Return the existing directories that may be covered, outermost only."""
    real = sorted({os.path.realpath(one) for one in directories if one and os.path.isdir(one)})
    chosen: list[str] = []
    for path in real:
        if (
            os.path.dirname(path) in _PARENTS_OF_SHARED
            or path in _SHARED
            or any(path.startswith(one + "/") for one in chosen)
        ):
            continue
        chosen.append(path)
    return chosen


def _copy_directories(source: str, target: str) -> None:
    """Make the same directories, with owner and mode, without a file in them."""
    for count, (folder, names, _files) in enumerate(os.walk(source)):
        there = os.path.join(target, os.path.relpath(folder, source))
        info = os.stat(folder)
        os.makedirs(there, exist_ok=True)
        os.chown(there, info.st_uid, info.st_gid)
        os.chmod(there, stat.S_IMODE(info.st_mode))
        if count > _MOST_DIRECTORIES:
            raise _Impossible(f"{source} holds too many directories")
        names[:] = [name for name in names if not os.path.islink(os.path.join(folder, name))]


def _raise_loopback() -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as handle:
        request = struct.pack("16sH22x", b"lo", 0)
        flags = struct.unpack("16sH22x", fcntl.ioctl(handle, _SIOCGIFFLAGS, request))[1]
        fcntl.ioctl(handle, _SIOCSIFFLAGS, struct.pack("16sH22x", b"lo", flags | _IFF_UP))


def _allow_foreign_addresses() -> bool:
    """Let sockets be bound to addresses that this namespace does not have; the host's own are among them."""
    for family in ("ipv4", "ipv6"):
        try:
            with open(f"/proc/sys/net/{family}/ip_nonlocal_bind", "w", encoding="ascii") as handle:
                handle.write("1")
        except FileNotFoundError:
            continue
        except OSError:
            return False
    return True


def _furnish(plan: Plan, place: str) -> None:
    """Make the room in which the trial runs; this process is the first one of it."""
    _mount("none", "/", None, _MS_REC | _MS_PRIVATE)
    _mount("proc", "/proc", "proc", _MS_NOSUID_NODEV_NOEXEC)
    _raise_loopback()
    if not _allow_foreign_addresses():
        raise _Impossible("net.ipv4.ip_nonlocal_bind cannot be set")
    for number, directory in enumerate(coverable(plan.directories)):
        copy = os.path.join(place, f"cover-{number}")
        _copy_directories(directory, copy)
        _mount(copy, directory, None, _MS_BIND)


# ---- the trial ---------------------------------------------------------------------------------


def _has_children(pid: int) -> bool:
    for name in os.listdir("/proc"):
        text = read_file(f"/proc/{name}/stat", 4096) if name.isdigit() else None
        words = text[text.rfind(")") + 1 :].split() if text else []
        if len(words) > 1 and words[1] == str(pid) and words[0] != "Z":
            return True
    return False


def _watch(process: subprocess.Popen[bytes], pid_file: str, seconds: float) -> str:
    """Return why the server did not come up, an empty string if it did."""
    deadline = time.monotonic() + seconds
    up_since = 0.0
    while time.monotonic() < deadline:
        if process.poll() is not None:
            return f"the server ended with status {process.returncode}"
        text = read_file(pid_file, 64)
        if text and text.strip().isdigit() and _has_children(int(text)):
            up_since = up_since or time.monotonic()
            if time.monotonic() - up_since >= _SETTLE_SECONDS:
                return ""
        time.sleep(0.05)
    return f"the server was not up after {seconds:g} seconds"


def _try(plan: Plan, place: str) -> Outcome:
    """Start the server in the room and see whether it stays."""
    pid_file = os.path.join(place, "httpd.pid")
    log_file = os.path.join(place, "error.log")
    overrides = ["-c", f'PidFile "{pid_file}"', "-c", f'ErrorLog "{log_file}"']
    with open(os.path.join(place, "output"), "w+b") as output:
        process = subprocess.Popen(
            plan.command + overrides + ["-k", "start", "-DFOREGROUND"],
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            cwd="/",
            env={"PATH": SEARCH_PATH, "LANG": "C", "LC_ALL": "C"},
        )
        reason = _watch(process, pid_file, plan.seconds)
    said = [read_file(path, 1048576) or "" for path in (output.name, log_file)]
    return Outcome(True, not reason, "\n".join([reason] + said).strip() if reason else "")


def _tell(answer: int, outcome: Outcome) -> None:
    """Write the outcome into the pipe; the end of a long text is the part that says why."""
    os.write(answer, json.dumps(outcome._replace(text=outcome.text[-8000:])._asdict()).encode("ascii"))


def _first_process(plan: Plan, place: str, answer: int) -> NoReturn:
    """Be process 1 of the namespace: furnish, try, answer, end."""
    try:
        try:
            _libc_call("prctl", _PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
            _furnish(plan, place)
            outcome = _try(plan, place)
        except (_Impossible, OSError) as error:
            outcome = Outcome(False, False, str(error))
        _tell(answer, outcome)
    finally:
        # Whatever happened: a copy of Ansible's module must not go on from here.
        os._exit(0)


def _keeper(plan: Plan, place: str, answer: int) -> NoReturn:
    """Leave the host's namespaces and start the first process of the new ones."""
    try:
        os.setsid()
        _libc_call("prctl", _PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
        _libc_call("unshare", _CLONE_NEWNS | _CLONE_NEWNET | _CLONE_NEWPID | _CLONE_NEWIPC)
        pid = os.fork()
        if pid == 0:
            _first_process(plan, place, answer)
        os.waitpid(pid, 0)
    except (_Impossible, OSError) as error:
        _tell(answer, Outcome(False, False, str(error)))
    finally:
        os._exit(0)


def _listen(pipe: int, seconds: float) -> bytes:
    deadline = time.monotonic() + seconds
    heard = b""
    while True:
        left = deadline - time.monotonic()
        if left <= 0 or not select.select([pipe], [], [], left)[0]:
            return heard
        chunk = os.read(pipe, 65536)
        if not chunk:
            return heard
        heard += chunk


def try_start(plan: Plan) -> Outcome:
    """Start the server on trial and tell what happened. Only root can."""
    if os.geteuid() != 0:
        return Outcome(False, False, os.strerror(errno.EPERM))
    place = tempfile.mkdtemp(prefix="pyweb-trial-")
    reading, writing = os.pipe()
    keeper = os.fork()
    if keeper == 0:
        os.close(reading)
        _keeper(plan, place, writing)
    os.close(writing)
    try:
        heard = _listen(reading, plan.seconds + 15)
        said: dict[str, Any] = json.loads(heard.decode("utf-8")) if heard else {}
    except ValueError:
        said = {}
    finally:
        os.close(reading)
        with contextlib.suppress(OSError):
            os.kill(keeper, signal.SIGKILL)
        os.waitpid(keeper, 0)
        shutil.rmtree(place, ignore_errors=True)
    if not said:
        return Outcome(False, False, "the trial gave no answer in time")
    return Outcome(said["possible"], said["passed"], said["text"])
