# SPDX-License-Identifier: Apache-2.0
"""A throw-away Debian host: a root of its own in namespaces of its own, and no init system.

It needs root, debootstrap (once), util-linux and slirp4netns, but no container engine and no
change to this machine's network. Nothing outlives the process that made it: the kernel ends the
host's first process with its parent, and the mounts go with the namespace.
"""

from __future__ import annotations

import os
import re
import shlex
import shutil
import subprocess
import time

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import testinfra.host

from testinfra.backend import base

CHECKOUT = Path(__file__).resolve().parents[2]
CACHE = CHECKOUT / ".cache"

# What a person who works on this machine has set for their package tools goes into the host too.
HANDED_IN = re.compile(
    r"^(PIP_[A-Z_]+|SSL_CERT_FILE|REQUESTS_CA_BUNDLE|CURL_CA_BUNDLE|(https?|no|all)_proxy)$",
    re.IGNORECASE,
)

# Not copied into the host: what a clone does not have.
NOT_IN_A_CLONE = (".cache", ".venv", ".ansible")

# The first process of the host: it only takes in orphans. Everything here is mount work that
# must happen inside the new namespaces and before anything else runs there.
BOOT = r"""
set -eu
root=$1
mount --make-rprivate /
mount --bind "$root" "$root"
mount -t proc proc "$root/proc"
mount -t sysfs -o ro sysfs "$root/sys"
mount -t tmpfs -o mode=755 tmpfs "$root/run"
mount -t tmpfs -o mode=755 tmpfs "$root/dev"
mkdir "$root/dev/pts" "$root/dev/shm" "$root/run/lock"
mount -t devpts -o newinstance,ptmxmode=0666,mode=620,gid=5 devpts "$root/dev/pts"
mount -t tmpfs -o mode=1777 tmpfs "$root/dev/shm"
for node in null:3 zero:5 full:7 random:8 urandom:9; do
    mknod -m 666 "$root/dev/${node%:*}" c 1 "${node#*:}"
done
mknod -m 666 "$root/dev/tty" c 5 0
ln -s pts/ptmx "$root/dev/ptmx"
ln -s /proc/self/fd "$root/dev/fd"
shift
while [ $# -gt 0 ]; do
    mkdir -p "$1" "$root$2"
    mount --bind "$1" "$root$2"
    shift 2
done
hostname throwaway
cd "$root"
pivot_root . mnt
exec chroot . /usr/bin/python3 -c '
import os, signal, subprocess
subprocess.run(["umount", "-l", "/mnt"], check=True)
signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGCHLD])
open("/run/booted", "w").close()
while True:
    try:
        while os.waitpid(-1, os.WNOHANG)[0]:
            pass
    except ChildProcessError:
        pass
    signal.sigwait([signal.SIGCHLD])
'
"""


class HostError(Exception):
    """The host cannot be made here; the text says why and what to do."""


@dataclass
class Outcome:
    """What a command inside the host said."""

    command: str
    returncode: int
    output: str
    seconds: float


class NamespaceBackend(base.BaseBackend):
    """Lets testinfra look into the host."""

    NAME = "namespace"

    def __init__(self, throwaway: Host) -> None:
        self.throwaway = throwaway
        super().__init__("throwaway")

    def run(self, command: str, *args: str, **_kwargs: object) -> base.CommandResult:
        """Run one shell command inside the host."""
        inner = self.get_command(command, *args)
        return self.run_local(shlex.join(self.throwaway.enter("/bin/sh", "-c", inner)))


@dataclass
class Host:
    """One booted host. Use it as a context manager."""

    name: str
    platform: str = "debian12"
    checkout: str = "/srv/pyweb.mod_wsgi"
    log: Path = field(init=False)
    root: Path = field(init=False)

    def __post_init__(self) -> None:
        self.root = CACHE / "hosts" / self.name
        self.log = CACHE / "play" / f"{self.name}.log"
        self._init: subprocess.Popen[bytes] | None = None
        self._net: subprocess.Popen[bytes] | None = None
        self._pid = 0
        self._environment = {
            "HOME": "/root",
            "LANG": "C.UTF-8",
            "PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
            "PIP_CACHE_DIR": "/var/cache/pip",
        }

    def __enter__(self) -> Host:
        _refuse_what_cannot_work()
        self.log.parent.mkdir(parents=True, exist_ok=True)
        self.log.write_text("")
        self._lay_root()
        try:
            self._start()
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_exc: object) -> None:
        for process in (self._init, self._net):
            if process is not None:
                process.kill()
                process.wait()
        self._init = self._net = None
        _remove(self.root)

    @property
    def infra(self) -> Any:
        """The host as testinfra sees it."""
        return testinfra.host.Host(NamespaceBackend(self))

    def enter(self, *command: str) -> list[str]:
        """Return the argument list that runs a command inside the host."""
        variables = [f"{name}={value}" for name, value in self._environment.items()]
        namespaces = ["nsenter", f"--target={self._pid}", "--mount", "--pid", "--net", "--ipc"]
        return [*namespaces, "--uts", "--root", "--wd", "env", "-i", *variables, *command]

    def run(self, command: str, *, timeout: float = 600, cwd: str | None = None) -> Outcome:
        """Run a shell command inside the host, in the checkout unless told otherwise."""
        started = time.monotonic()
        script = f"cd {shlex.quote(cwd or self.checkout)} && {{ {command}\n}}"
        with self.log.open("a") as log:
            log.write(f"\n===== {command}\n")
        done = subprocess.run(
            ["timeout", str(timeout), *self.enter("/bin/sh", "-c", script)],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            check=False,
        )
        outcome = Outcome(
            command,
            done.returncode,
            done.stdout.decode(errors="replace"),
            time.monotonic() - started,
        )
        with self.log.open("a") as log:
            log.write(f"{outcome.output}===== rc {outcome.returncode}, {outcome.seconds:.1f} s\n")
        return outcome

    def must(self, command: str, *, timeout: float = 600, cwd: str | None = None) -> str:
        """Run a command that belongs to the test's set-up and return what it printed."""
        outcome = self.run(command, timeout=timeout, cwd=cwd)
        if outcome.returncode != 0:
            raise AssertionError(f"{command}\n{outcome.output}\nrc {outcome.returncode}")
        return outcome.output

    def write(self, path: str, text: str, *, mode: int = 0o644) -> None:
        """Put a file into the host."""
        target = self.root / path.lstrip("/")
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(text)
        target.chmod(mode)

    def _lay_root(self) -> None:
        """Unpack a fresh root and put a clone of this checkout into it."""
        _remove(self.root)
        self.root.mkdir(parents=True)
        tarball = _make_root(self.platform)
        subprocess.run(["tar", "-C", self.root, "--numeric-owner", "-xf", tarball], check=True)
        self.write("/etc/hosts", "127.0.0.1 localhost throwaway\n::1 localhost\n")
        self.write("/etc/resolv.conf", "nameserver 10.0.2.3\n")
        self._hand_in_settings()
        _copy_clone(self.root / self.checkout.lstrip("/"))

    def _hand_in_settings(self) -> None:
        for name, value in os.environ.items():
            if not HANDED_IN.match(name) or name == "PIP_CACHE_DIR":
                continue
            if os.path.isdir(value):
                continue
            self._environment[name] = value
            if os.path.isfile(value):
                self._copy_in(Path(value))
        if os.path.isfile("/etc/pip.conf"):
            self._copy_in(Path("/etc/pip.conf"))

    def _copy_in(self, source: Path) -> None:
        target = self.root / str(source).lstrip("/")
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(source, target)

    def _start(self) -> None:
        """Boot the root, then give it a network."""
        (self.root / "mnt").mkdir(exist_ok=True)
        mounts = [
            str(CACHE / "apt" / f"{self.platform}-host"), "/var/cache/apt/archives",
            str(CACHE / "pip"), "/var/cache/pip",
        ]  # fmt: skip
        with self.log.open("ab") as log:
            self._init = subprocess.Popen(
                ["setpriv", "--pdeathsig=KILL", "unshare", "--mount", "--pid", "--net", "--ipc",
                 "--uts", "--fork", "--kill-child", "sh", "-c", BOOT, "boot",
                 str(self.root), *mounts],
                stdin=subprocess.DEVNULL, stdout=log, stderr=log,
            )  # fmt: skip
            self._pid = self._wait_for_boot(self._init)
            self._net = subprocess.Popen(
                ["setpriv", "--pdeathsig=KILL", "slirp4netns", "--configure", "--mtu=65520",
                 "--disable-host-loopback", str(self._pid), "tap0"],
                stdin=subprocess.DEVNULL, stdout=log, stderr=log,
            )  # fmt: skip
        self._wait_for(lambda: "10.0.2.100" in self._ask("ip", "-4", "addr", "show", "tap0"))

    def _wait_for_boot(self, init: subprocess.Popen[bytes]) -> int:
        """Return the process id, as seen from here, of the host's first process."""
        children = Path(f"/proc/{init.pid}/task/{init.pid}/children")

        def booted() -> bool:
            if init.poll() is not None:
                raise HostError(f"the host did not boot; see {self.log}:\n{self.log.read_text()}")
            pids = children.read_text().split()
            return bool(pids) and Path(f"/proc/{pids[0]}/root/run/booted").exists()

        self._wait_for(booted)
        return int(children.read_text().split()[0])

    def _wait_for(self, condition: Callable[[], bool], seconds: float = 20) -> None:
        end = time.monotonic() + seconds
        while not condition():
            if time.monotonic() > end:
                raise HostError(f"the host did not come up in {seconds} s; see {self.log}")
            time.sleep(0.05)

    def _ask(self, *command: str) -> str:
        done = subprocess.run(self.enter(*command), capture_output=True, text=True, check=False)
        return done.stdout


def _refuse_what_cannot_work() -> None:
    """Say at once what is missing, not in the middle."""
    if os.geteuid() != 0:
        raise HostError("a throw-away host needs root: run this as root")
    packages = {"debootstrap": "debootstrap", "slirp4netns": "slirp4netns", "unshare": "util-linux"}
    missing = [package for tool, package in packages.items() if shutil.which(tool) is None]
    if missing:
        raise HostError(f"missing on this machine: apt-get install {' '.join(missing)}")
    if not os.path.exists("/dev/net/tun"):
        raise HostError("there is no /dev/net/tun here, so the host has no way to packages")


def _remove(tree: Path) -> None:
    """Remove a host's files; its mounts have gone with its namespace."""
    subprocess.run(["rm", "-rf", "--one-file-system", tree], check=True)


def _make_root(platform: str) -> str:
    """Return the path of the root tarball, making it first if it is not cached."""
    script = CHECKOUT / "molecule" / "images" / "root"
    done = subprocess.run([str(script), platform, "bare"], stdout=subprocess.PIPE, text=True, check=False)
    if done.returncode != 0:
        raise HostError(f"{script} {platform} bare failed; its words are above")
    return done.stdout.strip()


def _copy_clone(target: Path) -> None:
    """Copy what a clone would have: known and new files, not caches."""
    target.mkdir(parents=True)
    listing = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard", "-z"],
        cwd=CHECKOUT, capture_output=True, check=False,
    )  # fmt: skip
    if listing.returncode == 0 and listing.stdout:
        names = [name for name in listing.stdout.decode().split("\0") if name]
    else:
        names = [str(path.relative_to(CHECKOUT)) for path in CHECKOUT.rglob("*") if path.is_file()]
    for name in names:
        source = CHECKOUT / name
        if name.split("/")[0] in NOT_IN_A_CLONE or not source.exists():
            continue
        (target / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(source, target / name, follow_symlinks=False)
