# SPDX-License-Identifier: Apache-2.0
"""One private httpd: its files, its configuration, its start, its end."""

from __future__ import annotations

import contextlib
import errno
import os
import random
import shutil
import signal
import socket
import subprocess
import tempfile
import time
import uuid

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from harness import processes, sanitizers
from harness.build import Module, find_module
from harness.client import HOST, Reply, request
from harness.log import ErrorLog, Line
from harness.places import APPS, places

START_TIMEOUT = 30.0
STOP_TIMEOUT = 30.0
QUIET_TIMEOUT = 1.0
PORT_ATTEMPTS = 8
MARK = "WSGI_TEST_SERVER"

BASE_MODULES = (
    "unixd",
    "log_config",
    "authz_core",
    "alias",
    "dir",
    "env",
    "mime",
    "setenvif",
)

MPM = {
    "event": """
ServerLimit 8
StartServers 1
ThreadsPerChild 24
MaxRequestWorkers 48
MinSpareThreads 2
MaxSpareThreads 48
""",
    "worker": """
ServerLimit 8
StartServers 1
ThreadsPerChild 24
MaxRequestWorkers 48
MinSpareThreads 2
MaxSpareThreads 48
""",
    "prefork": """
ServerLimit 24
StartServers 2
MinSpareServers 1
MaxSpareServers 6
MaxRequestWorkers 24
""",
}

DAEMON_OPTIONS = "processes=1 threads=8"

# Behind the text of each script of a validated layout: its applications run inside wsgiref's validator.
VALIDATE = """

import wsgiref.validate as _validate

for _name in ("application", "second", "handle_request"):
    if callable(globals().get(_name)):
        globals()[_name] = _validate.validator(globals()[_name])
"""


@dataclass(frozen=True)
class Proof:
    """What `httpd -t` said."""

    status: int
    output: str


@dataclass
class Layout:
    """The directory of one server; a test's configuration is written in terms of it."""

    root: Path
    mode: str = "daemon"
    mpm: str = "event"
    ports: list[int] = field(default_factory=list)
    module: Module = field(default_factory=find_module)
    validated: bool = False

    @property
    def port(self) -> int:
        """The first port."""
        return self.ports[0]

    @property
    def apps(self) -> Path:
        """A private copy of tests/server/apps: may be touched and rewritten."""
        return self.root / "apps"

    @property
    def scratch(self) -> Path:
        """Writable by everybody: journals and gates of the applications."""
        return self.root / "scratch"

    @property
    def htdocs(self) -> Path:
        """The document root."""
        return self.root / "htdocs"

    @property
    def runtime(self) -> Path:
        """PidFile and sockets; has to be empty in the end."""
        return self.root / "run"

    @property
    def logs(self) -> Path:
        """ErrorLogs *.log and access logs."""
        return self.root / "logs"

    def delegate(self, name: str = "app", options: str = DAEMON_OPTIONS) -> str:
        """The lines that choose the mode for the whole server: nothing when embedded."""
        if self.mode == "embedded":
            return ""
        return f"WSGIDaemonProcess {name} {options}\nWSGIProcessGroup {name}\n"

    def write_app(self, name: str, text: str) -> Path:
        """Writes a script below apps/, replacing it atomically with a new mtime."""
        path = self.apps / name
        path.parent.mkdir(mode=0o755, parents=True, exist_ok=True)
        fresh = path.with_name(path.name + ".new")
        fresh.write_text(text + VALIDATE if self.validated and name.endswith(".wsgi") else text)
        fresh.chmod(0o644)
        before = path.stat().st_mtime_ns if path.exists() else 0
        if fresh.stat().st_mtime_ns == before:
            os.utime(fresh, ns=(before + 1_000_000, before + 1_000_000))
        fresh.replace(path)
        return path


Configure = Callable[[Layout], str]


def _load(names: Iterable[str]) -> str:
    """LoadModule lines for what is neither compiled in nor absent."""
    here = places()
    lines = []
    for name in dict.fromkeys(names):
        path = here.modules / f"mod_{name}.so"
        if f"mod_{name}" not in here.static_modules and path.exists():
            lines.append(f"LoadModule {name}_module {path}")
    return "\n".join(lines)


def _configuration(layout: Layout, modules: Iterable[str], level: str, body: str) -> str:
    """The whole httpd.conf around a test's own lines."""
    here = places()
    user = f"User {here.user}\nGroup {here.group}" if here.is_root else ""
    listen = "\n".join(f"Listen {HOST}:{port}" for port in layout.ports)
    return f"""# Written by the tests; nothing of the system's own configuration is read.
ServerRoot "{layout.root}"
DefaultRuntimeDir "{layout.runtime}"
PidFile "{layout.runtime}/httpd.pid"
ServerName localhost
{listen}
{_load([f"mpm_{layout.mpm}", *BASE_MODULES, *modules])}
LoadModule wsgi_module "{layout.module.path}"
{user}
{MPM[layout.mpm]}
Timeout 30
KeepAliveTimeout 5
GracefulShutdownTimeout 15
ErrorLog "{layout.logs}/error.log"
LogLevel {level}
LogFormat "%h \\"%r\\" %>s %B %X" test
CustomLog "{layout.logs}/access_log" test
TypesConfig /dev/null
DocumentRoot "{layout.htdocs}"
WSGISocketPrefix "{layout.runtime}/wsgi"
<Directory />
    AllowOverride None
    Require all denied
</Directory>
<Directory "{layout.root}">
    Require all granted
</Directory>
{body}
"""


def _make_layout(mode: str, mpm: str, validated: bool) -> Layout:
    """The directories, with modes under which Apache's user can work."""
    root = Path(tempfile.mkdtemp(prefix="wsgi-", dir="/tmp"))
    root.chmod(0o755)
    layout = Layout(root, mode, mpm, validated=validated)
    for directory in (layout.runtime, layout.logs, layout.htdocs, layout.scratch):
        directory.mkdir()
        directory.chmod(0o755)
    layout.scratch.chmod(0o1777)
    shutil.copytree(APPS, layout.apps, ignore=shutil.ignore_patterns("__pycache__"))
    for path in [layout.apps, *layout.apps.rglob("*")]:
        path.chmod(0o755 if path.is_dir() else 0o644)
    if validated:
        for path in layout.apps.rglob("*.wsgi"):
            path.write_text(path.read_text() + VALIDATE)
    return layout


def free_ports(count: int) -> list[int]:
    """Ports nobody listens on now, below the range that outgoing connections use."""
    low, _, high = os.environ.get("WSGI_TEST_PORTS", "24000-24999").partition("-")
    candidates = list(range(int(low), int(high) + 1))
    random.shuffle(candidates)
    found: list[int] = []
    for port in candidates:
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind((HOST, port))
            except OSError as error:
                if error.errno != errno.EADDRINUSE:
                    raise
                continue
        found.append(port)
        if len(found) == count:
            return found
    raise AssertionError(f"no {count} free ports between {low} and {high}")


def _environment(mark: str) -> dict[str, str]:
    """A clean environment, as an init system gives it."""
    path = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
    return {"PATH": path, "LANG": "C", MARK: mark}


class Server:
    """An httpd with a configuration of its own, started by `start` and ended by `stop`."""

    def __init__(
        self,
        configure: Configure,
        *,
        mode: str = "daemon",
        mpm: str = "event",
        modules: Iterable[str] = (),
        level: str = "warn",
        ports: int = 1,
        environment: Mapping[str, str] | None = None,
        validated: bool = False,
    ) -> None:
        self.layout = _make_layout(mode, mpm, validated)
        self.environment = dict(environment or {})
        self.configure = configure
        self.modules = tuple(modules)
        self.level = level
        self.port_count = ports
        self.mark = uuid.uuid4().hex
        self.process: subprocess.Popen[bytes] | None = None
        self._logs: dict[str, ErrorLog] = {}

    # ---- configuration -----------------------------------------------------------------

    @property
    def conf(self) -> Path:
        """The configuration file."""
        return self.layout.root / "httpd.conf"

    def write_configuration(self) -> None:
        """(Re)writes the file, for the ports at hand."""
        if not self.layout.ports:
            self.layout.ports = free_ports(self.port_count)
        body = self.configure(self.layout)
        self.conf.write_text(_configuration(self.layout, self.modules, self.level, body))

    def command(self, *more: str) -> list[str]:
        """The command line of this server's httpd."""
        return [
            *sanitizers.command(self.environment),
            places().httpd,
            "-d",
            str(self.layout.root),
            "-f",
            str(self.conf),
            *more,
        ]

    def prove(self) -> Proof:
        """Runs `httpd -t` on the configuration."""
        self.write_configuration()
        done = subprocess.run(
            self.command("-t"),
            env={**_environment(self.mark), **self.environment},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=START_TIMEOUT,
            check=False,
        )
        return Proof(done.returncode, done.stdout)

    # ---- life --------------------------------------------------------------------------

    def start(self) -> Server:
        """Starts httpd and waits until it accepts connections; other ports on a conflict."""
        for _ in range(PORT_ATTEMPTS):
            self.write_configuration()
            console = self.layout.logs / "console"
            with console.open("wb") as output:
                self.process = subprocess.Popen(
                    self.command("-D", "FOREGROUND"),
                    env={**_environment(self.mark), **self.environment},
                    stdin=subprocess.DEVNULL,
                    stdout=output,
                    stderr=subprocess.STDOUT,
                    start_new_session=True,
                )
            if self._await_readiness():
                assert not sanitizers.wanted() or "libasan" in processes.maps(self.pid), "httpd runs without sanitizers"
                return self
            self.process = None  # it has ended: nothing is left to stop
            said = console.read_text() + self.log().tail()
            if "Address already in use" not in said:
                raise AssertionError(f"httpd did not start:\n{said}")
            self.layout.ports = []
            self.log().forget()
        raise AssertionError(f"no free ports in {PORT_ATTEMPTS} attempts")

    def _await_readiness(self) -> bool:
        """True when the last port answers and a signal is heard, False when httpd ended.

        The ports are open before httpd handles SIGTERM; until then it just dies of it.
        """
        assert self.process
        end = time.monotonic() + START_TIMEOUT
        while time.monotonic() < end:
            if self.process.poll() is not None:
                return False
            try:
                socket.create_connection((HOST, self.layout.ports[-1]), timeout=1).close()
                if processes.catches(self.pid, signal.SIGTERM):
                    return True
            except ConnectionRefusedError:
                pass
            time.sleep(0.01)
        raise AssertionError(f"httpd is not ready after {START_TIMEOUT:.0f} s")

    @property
    def pid(self) -> int:
        """The httpd parent."""
        assert self.process
        return self.process.pid

    def signal(self, number: signal.Signals) -> None:
        """Sends a signal to the parent."""
        os.kill(self.pid, number)

    def graceful(self) -> None:
        """A graceful restart, finished when the parent says so and a new child answers."""
        log = self.log()
        resumed = r"AH00489|AH00292|AH00163"
        before = len([line for line in log.lines() if "resuming normal operations" in line.text])
        self.signal(signal.SIGUSR1)
        processes.wait_until(
            lambda: len([x for x in log.lines() if "resuming normal operations" in x.text]) > before,
            f"httpd logs {resumed} after SIGUSR1:\n{log.tail()}",
        )

    def stop(self) -> None:
        """Ends httpd, then everything that must be true of an ended server is checked.

        On SIGTERM the event MPM's main thread touches each worker's socket while that worker may
        just be freeing it: httpd 2.4 without any module of ours then dies of SIGSEGV, about once
        in a hundred stops that follow the last answer at once. So its workers may rest first;
        requests that a test left open may stay.
        """
        if self.process is None:
            return
        family = {self.pid, *processes.descendants_of(self.pid)}
        with contextlib.suppress(AssertionError):
            self.let_requests_end(QUIET_TIMEOUT)
        self.signal(signal.SIGTERM)
        try:
            self.process.wait(STOP_TIMEOUT)
        except subprocess.TimeoutExpired:
            self.kill()
            raise AssertionError(f"httpd still ran {STOP_TIMEOUT:.0f} s after SIGTERM") from None
        self.process = None
        left = self._left_processes(family)
        for pid in left:
            os.kill(pid, signal.SIGKILL)
        files = [path.name for path in self.layout.runtime.iterdir()]
        assert not left, f"processes left after the stop: {left}"
        assert not files, f"files left in the runtime directory: {files}"

    def let_requests_end(self, seconds: float = 30) -> None:
        """Waits until no thread of an Apache child works."""

        def children() -> list[int]:
            image = os.path.realpath(places().httpd)
            found = processes.children_of(self.pid)
            return [pid for pid in found if processes.image(pid) == image]

        processes.wait_until(
            lambda: not any(processes.is_working(pid) for pid in children()), "the Apache children rest", seconds
        )

    def _left_processes(self, family: set[int]) -> dict[int, str]:
        """Processes of this server that outlive its parent; orphans being reaped get a moment."""
        left: dict[int, str] = {}

        def gone() -> bool:
            left.clear()
            pids = {pid for pid in family if processes.is_alive(pid)}
            pids.update(processes.marked_with(f"{MARK}={self.mark}"))
            left.update({pid: processes.command_line(pid) for pid in pids})
            return not left

        try:
            processes.wait_until(gone, "the server's processes are gone", 2)
        except AssertionError:
            return left
        return {}

    def kill(self) -> None:
        """Ends everything by force: used only when something has failed already."""

        def gone() -> bool:
            left = [*processes.marked_with(f"{MARK}={self.mark}")]
            for pid in left:
                with contextlib.suppress(ProcessLookupError):  # it ends by itself when another one has
                    os.kill(pid, signal.SIGKILL)
            return not left

        if self.process:
            self.process.kill()
            self.process.wait()
            self.process = None
        processes.wait_until(gone, "all are killed, also those that were just being started")

    def close(self) -> None:
        """Stops, checks processes, files and logs, and removes the directory."""
        try:
            self.stop()
            self.check_logs()
        finally:
            self.kill()
            if os.environ.get("WSGI_TEST_KEEP") != "1":
                shutil.rmtree(self.layout.root, ignore_errors=True)

    # ---- requests ----------------------------------------------------------------------

    def get(self, target: str, **more: Any) -> Reply:
        """GET on the first port."""
        return request(self.layout.port, "GET", target, **more)

    def request(self, method: str, target: str, body: Any = None, **more: Any) -> Reply:
        """Any request on the first port."""
        return request(self.layout.port, method, target, body, **more)

    # ---- processes ---------------------------------------------------------------------

    def family(self) -> list[int]:
        """The httpd parent and everything below it."""
        return [self.pid, *processes.descendants_of(self.pid)]

    # ---- logs --------------------------------------------------------------------------

    def log(self, name: str = "error") -> ErrorLog:
        """The error log `logs/NAME.log`."""
        if name not in self._logs:
            self._logs[name] = ErrorLog(self.layout.logs / f"{name}.log")
        return self._logs[name]

    def all_logs(self) -> list[ErrorLog]:
        """Every error log there is."""
        for path in sorted(self.layout.logs.glob("*.log")):
            self.log(path.stem)
        return list(self._logs.values())

    def forget_logs(self) -> None:
        """A new test begins: what was logged before is not its business."""
        for log in self.all_logs():
            log.forget()

    def expect(self, pattern: str, count: int = 1, log: str = "error") -> list[Line]:
        """Declares lines of an error log; waits for them."""
        return self.log(log).expect(pattern, count)

    def expect_code(self, code: int, *words: str, log: str = "error", besides: tuple[int, ...] = ()) -> Line:
        """Declares the one WSGInnnn line of a failure: no second one in any log."""
        (line,) = self.expect(rf"WSGI{code:04d}: ", log=log)
        for word in words:
            assert word in line.text, f"{word!r} is not in {line.text!r}"
        for other in besides:
            self.allow(rf"WSGI{other:04d}: ", log=log)
        found = [number for each in self.all_logs() for number in each.codes()]
        wrong = [number for number in found if number not in besides]
        assert wrong == [code], f"not one line with {code}, but {found}"
        return line

    def expect_exception(self, code: int, last: str, *words: str, log: str = "error") -> Line:
        """Declares the one numbered line and the traceback of an exception.

        6.1.1 built for Python 3.11 leaves the frames out, and numbers a failed load twice.
        """
        peer = self.layout.module.peer
        besides = (174,) if peer and code != 174 else ()
        self.log(log).expect_traceback(last, frames=not peer)
        return self.expect_code(code, *words, log=log, besides=besides)

    def allow(self, pattern: str, log: str = "error") -> None:
        """Lines that this test does not count."""
        self.log(log).allow(pattern)

    def check_logs(self) -> None:
        """No line that nobody declared."""
        wrong = [f"{log.path.name}: {line.text[:500]}" for log in self.all_logs() for line in log.unexpected()]
        assert not wrong, "unexpected lines in error logs:\n" + "\n".join(wrong)
        sanitizers.check()


def prove(body: str | Configure, *, modules: Iterable[str] = (), mode: str = "daemon") -> Proof:
    """`httpd -t` of a configuration that is never started."""
    configure = (lambda _: body) if isinstance(body, str) else body
    server = Server(configure, mode=mode, modules=modules)
    try:
        return server.prove()
    finally:
        shutil.rmtree(server.layout.root, ignore_errors=True)
