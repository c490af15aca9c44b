# SPDX-License-Identifier: Apache-2.0
"""The front's end of the wire, in Python, and everything needed to start a daemon without httpd.

Written from ``wire/*.h`` alone. Numbers of frames, names and parameters are read from the headers,
so that a change there is a change here.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import re
import select
import signal
import socket
import struct
import threading
import time

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

SOURCES = Path(__file__).resolve().parents[2] / "roles" / "mod_wsgi_build" / "files"
WIRE = SOURCES / "wire"

HEAD = struct.Struct("=IBBHII")
HEAD_SIZE = HEAD.size
BODY_MAX = 65536
DATA_MAX = 65536
INITIAL_CREDIT = 256 * 1024
BOARD_SIZE = 4 * 4 + 8 + 5 * 8 + 3 * 4 * 4096 + 8 + 8 * (4 + 244) + 8192

MORE_BODY, EXPECT, FIN, ABORT, FLUSH, TRUNCATED = 0x01, 0x02, 0x04, 0x08, 0x10, 0x20
DRAINING, RELOAD, FULL = 1, 2, 3

HAS_BODY, RELOADING, HTTPS = 1, 2, 4
MULTIPROCESS, MULTITHREAD, SINGLE = 1, 2, 4


def _enum(path: Path, prefix: str) -> dict[str, int]:
    """Members of a C enum, by name without the prefix."""
    members: dict[str, int] = {}
    text = re.sub(r"/\*.*?\*/", "", path.read_text(encoding="ascii"), flags=re.DOTALL)
    value = 0
    for name, number in re.findall(rf"\b{prefix}(\w+)(?:\s*=\s*(\w+))?\s*[,}}\n]", text):
        if number == "WSGI_PARAM_FIRST":
            value = 0x8000
        elif number:
            value = int(number, 0)
        if name not in members and name != "FIRST":
            members[name] = value
            value += 1
    return members


PARAMS = _enum(WIRE / "vars.h", "WSGI_PARAM_")
NAMES = {
    text: number
    for number, text in enumerate(
        re.findall(r'^WSGI_NAME\(\w+, "(\w+)"\)', (WIRE / "names.def").read_text(), re.MULTILINE),
        start=1,
    )
}
TYPES = {
    name: number
    for number, name in enumerate(
        ["HELLO", "WELCOME", "REQUEST", "WANT", "BODY", "HEAD", "DATA", "FILE", "LOG", "END", "REJECT", "CANCEL"],
        start=1,
    )
}
TYPE_NAMES = {number: name for name, number in TYPES.items()}
CONTROL = {
    name: number
    for number, name in enumerate(
        [
            *("READY", "RELOAD", "FAILED", "DRAIN", "STOP", "LEAVING"),
            *("LOADED", "MISSING", "UNLOADABLE", "SERVE", "KEEP", "SCORES"),
        ],
        start=1,
    )
}
WHYS = re.findall(r"^WSGI_WHY\((\w+),", (SOURCES / "wire" / "why.def").read_text(encoding="ascii"), re.MULTILINE)


class Note(NamedTuple):
    """What a control message says about a script (wire/note.h)."""

    mtime: int
    flags: int
    group: str
    path: str
    text: str


def read_note(raw: bytes) -> Note:
    mtime, flags, _ = struct.unpack_from("=qII", raw)
    group, path, text = raw[16:].split(b"\0", 2)
    return Note(mtime, flags, group.decode(), path.decode(), text.decode())


def write_note(path: Path | str, mtime: int, group: str = "") -> bytes:
    return struct.pack("=qII", mtime, 0, 0) + f"{group}\0{path}\0".encode()


def launch_code() -> str:
    """The program text of ``python -c``, as apache/launch.c has it."""
    text = (SOURCES / "apache" / "launch.c").read_text(encoding="ascii")
    found = re.search(r"#define WSGI_LAUNCH_CODE\s*\\\n((?:.*\\\n)*.*)\n", text)
    assert found is not None, "apache/launch.c does not define WSGI_LAUNCH_CODE"
    lines = re.findall(r'"((?:[^"\\]|\\.)*)"', found.group(1))
    return "".join(lines).replace("\\n", "\n").replace("\\'", "'").replace('\\"', '"')


# ---- variable blocks --------------------------------------------------------------------------


def _entry(number: int, name: bytes, value: bytes) -> bytes:
    head = struct.pack("=HHI", number, len(name), len(value))
    return head + name + b"\0" + value + b"\0"


def vars_block(params: Iterable[tuple[str, str | int | bytes]], environ: Mapping[str, str] | None = None) -> bytes:
    """A variable block of parameters and environ entries."""
    entries = []
    for name, value in params:
        if isinstance(value, int):
            raw = struct.pack("=q", value)
        elif isinstance(value, bytes):
            raw = value
        else:
            raw = os.fsencode(value)
        entries.append(_entry(PARAMS[name], b"", raw))
    for name, text in (environ or {}).items():
        number = NAMES.get(name, 0)
        entries.append(_entry(number, b"" if number else name.encode(), text.encode("latin-1")))
    return struct.pack("=II", 0x31535657, len(entries)) + b"".join(entries)


# ---- frames -----------------------------------------------------------------------------------


@dataclass
class Frame:
    """One frame, payload included."""

    type: str
    payload: bytes = b""
    flags: int = 0
    aux: int = 0
    sequence: int = 0
    credit: int = 0

    def encode(self) -> bytes:
        head = HEAD.pack(len(self.payload), TYPES[self.type], self.flags, self.aux, self.sequence, self.credit)
        return head + self.payload


@dataclass
class Outcome:
    """Payload of END."""

    status: int
    code: int
    silent: int
    cause: str
    truncated: bool


@dataclass
class Answer:
    """What came back for one request."""

    status: str = ""
    headers: list[tuple[str, str]] = field(default_factory=list)
    body: bytes = b""
    logs: list[tuple[int, str]] = field(default_factory=list)
    frames: list[Frame] = field(default_factory=list)
    outcome: Outcome | None = None
    reject: int = 0

    @property
    def end(self) -> Outcome:
        assert self.outcome is not None, f"no END came: {self.frames}"
        return self.outcome

    def header(self, name: str) -> str | None:
        values = [value for key, value in self.headers if key.lower() == name.lower()]
        return values[0] if values else None

    @property
    def log_text(self) -> str:
        return "\n".join(text for _, text in self.logs)

    def types(self) -> list[str]:
        return [frame.type for frame in self.frames]


def parse_head(block: bytes) -> tuple[str, list[tuple[str, str]]]:
    """Status and headers of a head block; every byte has to be accounted for."""

    def text(at: int, size: int) -> str:
        assert block[at + size] == 0, "a text of the head block is not terminated"
        return block[at : at + size].decode("latin-1")

    (size,) = struct.unpack_from("=I", block, 0)
    status, at = text(4, size), 4 + size + 1
    (count,) = struct.unpack_from("=I", block, at)
    at += 4
    headers = []
    for _ in range(count):
        name_size, value_size = struct.unpack_from("=II", block, at)
        at += 8
        name = text(at, name_size)
        at += name_size + 1
        headers.append((name, text(at, value_size)))
        at += value_size + 1
    assert at == len(block), "bytes are left behind the head block"
    return status, headers


class Gone(Exception):
    """The daemon closed the connection."""


class Front:
    """One connection to a daemon."""

    def __init__(self, path: str, secret: bytes, epoch: int, hello: bool = True) -> None:
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.socket.settimeout(20)
        self.socket.connect(path)
        self.buffer = b""
        self.files: list[int] = []
        self.sequence = 0
        self.index = -1
        if hello:
            self.send(Frame("HELLO", b"WSGIwire" + struct.pack("=II", 1, epoch) + secret))
            welcome = self.receive()
            assert welcome.type == "WELCOME", welcome
            assert welcome.sequence == 0
            self.index = welcome.aux

    def close(self) -> None:
        for descriptor in self.files:
            os.close(descriptor)
        self.files = []
        self.socket.close()

    def __enter__(self) -> Front:
        return self

    def __exit__(self, *unused: object) -> None:
        self.close()

    def send(self, frame: Frame) -> None:
        self.socket.sendall(frame.encode())

    def _fill(self, size: int) -> None:
        while len(self.buffer) < size:
            try:
                data, ancillary, flags, _ = self.socket.recvmsg(262144, socket.CMSG_SPACE(16))
            except ConnectionError as problem:
                raise Gone(str(problem)) from problem
            assert not flags & socket.MSG_CTRUNC
            for level, kind, raw in ancillary:
                assert (level, kind) == (socket.SOL_SOCKET, socket.SCM_RIGHTS)
                self.files.extend(struct.unpack(f"={len(raw) // 4}i", raw))
            if not data:
                raise Gone("end of file")
            self.buffer += data

    def receive(self) -> Frame:
        self._fill(HEAD_SIZE)
        length, number, flags, aux, sequence, credit = HEAD.unpack(self.buffer[:HEAD_SIZE])
        assert length <= 1 << 20, "a frame is larger than any may be"
        self._fill(HEAD_SIZE + length)
        payload = self.buffer[HEAD_SIZE : HEAD_SIZE + length]
        self.buffer = self.buffer[HEAD_SIZE + length :]
        return Frame(TYPE_NAMES[number], payload, flags, aux, sequence, credit)

    def readable(self, seconds: float) -> bool:
        return bool(self.buffer) or bool(select.select([self.socket], [], [], seconds)[0])

    # ---- requests

    def begin(self, block: bytes, first: bytes = b"", flags: int = 0, refusals: int = 0) -> int:
        """Sends REQUEST; returns its sequence."""
        self.sequence += 1
        payload = struct.pack("=I", len(block)) + block + first
        self.send(Frame("REQUEST", payload, flags=flags, aux=refusals, sequence=self.sequence))
        return self.sequence

    def body(self, data: bytes, flags: int = 0, aux: int = 0) -> None:
        self.send(Frame("BODY", data, flags=flags, aux=aux, sequence=self.sequence))

    def take(self, answer: Answer) -> Frame:
        """One frame of the current request, noted in the answer."""
        frame = self.receive()
        assert frame.sequence == self.sequence, f"{frame} while {self.sequence} is running"
        answer.frames.append(frame)
        if frame.type == "HEAD":
            assert not answer.status, "HEAD came twice"
            answer.status, answer.headers = parse_head(frame.payload)
        elif frame.type in ("DATA", "FILE"):
            assert answer.status, f"{frame.type} came before HEAD"
            answer.body += self._file(frame) if frame.type == "FILE" else frame.payload
        elif frame.type == "LOG":
            answer.logs.append((frame.aux, frame.payload.decode("utf-8", "replace")))
        elif frame.type == "END":
            status, code, silent = struct.unpack_from("=HHB", frame.payload)
            cause = self._cause(frame.payload)
            truncated = bool(frame.flags & TRUNCATED)
            answer.outcome = Outcome(status, code, silent, cause, truncated)
        elif frame.type == "REJECT":
            answer.reject = frame.aux
        return frame

    @staticmethod
    def _cause(payload: bytes) -> str:
        fixed = re.search(r"#define FIXED_SIZE (\d+)|FIXED_SIZE\s*=?\s*(\d+)", (WIRE / "outcome.c").read_text())
        assert fixed is not None
        return payload[int(fixed.group(1) or fixed.group(2)) :].decode("utf-8", "replace")

    def _file(self, frame: Frame) -> bytes:
        offset, length = struct.unpack("=QQ", frame.payload)
        descriptor = self.files.pop(0)
        try:
            return os.pread(descriptor, length, offset)
        finally:
            os.close(descriptor)

    def collect(self, body: bytes = b"", credit: int | None = None) -> Answer:
        """Reads the answer; sends `body` in BODY frames as far as credit allows meanwhile."""
        answer = Answer()
        left = memoryview(body)
        sending = credit is not None
        allowed = credit or 0
        while True:
            while sending and (allowed > 0 or not left):
                piece = left[: min(BODY_MAX, allowed)]
                left = left[len(piece) :]
                allowed -= len(piece)
                try:
                    self.body(bytes(piece), flags=0 if left else FIN)
                except (BrokenPipeError, ConnectionError):
                    sending = False
                if not left:
                    sending = False
            frame = self.take(answer)
            if frame.type == "WANT":
                allowed += frame.credit
            if frame.type in ("END", "REJECT"):
                return answer

    def run(self, block: bytes, body: bytes | None = None, expect: bool = False) -> Answer:
        """A whole request: up to 64 KiB of the body go along with it, the rest by credit."""
        if body is None:
            self.begin(block)
            return self.collect()
        if expect:
            self.begin(block, flags=MORE_BODY | EXPECT)
            return self.collect(body, 0)
        if len(body) <= 65536:
            self.begin(block, body)
            return self.collect()
        self.begin(block, body[:65536], flags=MORE_BODY)
        return self.collect(body[65536:], INITIAL_CREDIT)


# ---- daemons ----------------------------------------------------------------------------------


@dataclass
class Settings:
    """What goes into a launch block."""

    group: str = "grp"
    threads: int = 2
    processes: int = 1
    flags: int = MULTITHREAD
    shutdown_timeout: int = 5
    main_group: str | None = None
    log_level: int = 7
    title: str | None = None
    extra: list[tuple[str, str | int | bytes]] = field(default_factory=list)


class Daemon:
    """A daemon process, started as the supervisor does: descriptors 0 to 6 and nothing else."""

    def __init__(
        self,
        python: str,
        engine: str,
        directory: Path,
        settings: Settings,
        environ: Mapping[str, str],
    ) -> None:
        self.settings = settings
        self.secret = os.urandom(16)
        self.epoch = 7
        self.path = str(directory / "daemon.sock")
        self.lines: list[str] = []
        self.unfinished = b""
        self.reading = threading.Lock()
        self.notes: list[tuple[str, Note]] = []
        self.status: int | None = None
        self.listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        with contextlib.suppress(FileNotFoundError):
            os.unlink(self.path)
        self.listener.bind(self.path)
        self.listener.listen(512)
        self.listener.setblocking(False)
        self.control, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self.control.settimeout(30)
        self.board = os.memfd_create("board")
        os.ftruncate(self.board, BOARD_SIZE)
        launch = os.memfd_create("launch")
        os.write(launch, self._launch_block())
        self.log_ended = False
        self.log_end, log_start = os.pipe()
        os.set_blocking(self.log_end, False)
        os.set_blocking(log_start, False)
        null = os.open("/dev/null", os.O_RDWR)
        sources = [null, log_start, log_start, theirs.fileno(), self.listener.fileno(), self.board, launch]
        high = [fcntl.fcntl(source, fcntl.F_DUPFD_CLOEXEC, 100) for source in sources]
        arguments = [python, "-c", launch_code(), engine, " " * 120]
        self.pid = os.posix_spawn(
            python,
            arguments,
            dict(environ),
            file_actions=[(os.POSIX_SPAWN_DUP2, source, number) for number, source in enumerate(high)],
        )
        for descriptor in (*high, launch, log_start, null):
            os.close(descriptor)
        theirs.close()
        self.reader = threading.Thread(target=self._read_log, daemon=True)
        self.reader.start()

    def _launch_block(self) -> bytes:
        settings = self.settings
        params: list[tuple[str, str | int | bytes]] = [
            ("GROUP_NAME", settings.group),
            ("PROCESSES", settings.processes),
            ("THREADS", settings.threads),
            ("PROCESS_FLAGS", settings.flags),
            ("SHUTDOWN_TIMEOUT", settings.shutdown_timeout),
            ("EPOCH", self.epoch),
            ("SECRET", self.secret),
            ("PEER_UID", os.getuid()),
            ("SERVER_VERSION", 2004062),
            ("SERVER_DESCRIPTION", "Apache/2.4.62 (Test)"),
            ("SERVER_BUILT", "2026-01-01T00:00:00"),
            ("MPM_NAME", "event"),
            ("MPM_PROCESSES", 16),
            ("MPM_THREADS", 25),
            ("LOG_LEVEL", settings.log_level),
        ]
        if settings.main_group is not None:
            params.append(("MAIN_GROUP", settings.main_group))
        if settings.title is not None:
            params.append(("TITLE", settings.title))
        return vars_block([*params, *settings.extra])

    def _read_log(self) -> None:
        """So that the pipe never fills up."""
        look = select.poll()
        look.register(self.log_end, select.POLLIN)
        while not self.log_ended:
            look.poll()
            self._take_log()
        os.close(self.log_end)

    def _take_log(self) -> None:
        """What is in the pipe by now."""
        with self.reading, contextlib.suppress(BlockingIOError):
            while not self.log_ended:
                data = os.read(self.log_end, 65536)
                *lines, self.unfinished = (self.unfinished + data).split(b"\n")
                self.lines += [line.decode(errors="replace") for line in lines]
                if not data:
                    self.log_ended = True
                    self.lines += [self.unfinished.decode(errors="replace")] if self.unfinished else []

    @property
    def log(self) -> str:
        """All that the daemon has written until now."""
        self._take_log()
        return "\n".join(self.lines)

    def wait_log(self, text: str, seconds: float = 10) -> bool:
        until = time.monotonic() + seconds
        while time.monotonic() < until:
            if text in self.log:
                return True
            time.sleep(0.01)
        return False

    def message(self) -> str:
        """The next message that is not about a script; a script that cannot be loaded is gone on without."""
        while True:
            name, why, note = self.heard()
            if note is None:
                return f"{name} {why}" if why else name
            self.notes.append((name, note))
            if name == "RELOAD":
                return name
            if name == "UNLOADABLE" and note.text:
                self.tell("SERVE")

    def heard(self) -> tuple[str, str, Note | None]:
        """The next message: name, reason, and what it says about a script."""
        raw = self.control.recv(65536)
        assert raw, "the daemon has closed its control socket"
        number, epoch, why, _ = struct.unpack_from("=IIII", raw)
        assert epoch == self.epoch
        name = next(name for name, value in CONTROL.items() if value == number)
        return name, WHYS[why] if why else "", read_note(raw[16:]) if len(raw) > 16 else None

    def tell(self, name: str, why: str = "SHUTDOWN", note: bytes = b"", descriptors: Sequence[int] = ()) -> None:
        message = struct.pack("=IIII", CONTROL[name], self.epoch, WHYS.index(why), 0) + note
        socket.send_fds(self.control, [message], list(descriptors))

    def front(self, hello: bool = True) -> Front:
        return Front(self.path, self.secret, self.epoch, hello)

    def board_word(self, offset: int) -> int:
        word: int = struct.unpack("=I", os.pread(self.board, 4, offset))[0]
        return word

    def started(self, index: int) -> int:
        return self.board_word(4 * 4 + 8 + 5 * 8 + 4 * index)

    def active(self) -> int:
        return self.board_word(12)

    def wait(self, seconds: float = 15) -> int:
        """Exit status; -n for signal n. AssertionError when it does not end in time."""
        until = time.monotonic() + seconds
        while self.status is None:
            pid, status = os.waitpid(self.pid, os.WNOHANG)
            if pid:
                self.status = os.waitstatus_to_exitcode(status)
                self.reader.join(5)
                break
            assert time.monotonic() < until, f"the daemon does not end:\n{self.log}"
            time.sleep(0.005)
        return self.status

    def stop(self, seconds: float = 15) -> int:
        if self.status is None:
            self.tell("STOP")
        return self.wait(seconds)

    def kill(self) -> None:
        if self.status is None:
            os.kill(self.pid, signal.SIGKILL)
            self.wait()
        self.control.close()
        self.listener.close()
        os.close(self.board)

    def rss(self) -> int:
        """Resident memory in KiB."""
        text = Path(f"/proc/{self.pid}/status").read_text()
        found = re.search(r"VmRSS:\s+(\d+)", text)
        assert found is not None
        return int(found.group(1))


def request_block(
    script: str | Path,
    group: str = "",
    *,
    callable_name: str = "application",
    method: str = "GET",
    environ: Mapping[str, str] | None = None,
    body: int | None = None,
    flags: int = RELOADING,
    mtime: int | None = None,
    process_group: str = "grp",
    handler_script: str = "",
) -> bytes:
    """The variable block of an ordinary request. `body`: Content-Length, -1 for chunked."""
    variables = {
        "REQUEST_METHOD": method,
        "SCRIPT_NAME": "/app",
        "PATH_INFO": "/path",
        "QUERY_STRING": "a=b",
        "REQUEST_URI": "/app/path?a=b",
        "SERVER_NAME": "localhost",
        "SERVER_PORT": "8080",
        "SERVER_PROTOCOL": "HTTP/1.1",
        "REMOTE_ADDR": "127.0.0.1",
        "HTTP_HOST": "localhost:8080",
        "DOCUMENT_ROOT": "/srv",
        "SCRIPT_FILENAME": str(script),
        **(environ or {}),
    }
    if mtime is None:
        try:
            mtime = os.stat(script).st_mtime_ns // 1000
        except OSError:
            mtime = 0
    params: list[tuple[str, str | int | bytes]] = [
        ("SCRIPT", str(script)),
        ("SCRIPT_MTIME", mtime),
        ("CALLABLE", callable_name),
        ("APPLICATION_GROUP", group),
        ("PROCESS_GROUP", process_group),
        ("REQUEST_FLAGS", flags | (HAS_BODY if body is not None else 0)),
        ("REQUEST_START", time.time_ns() // 1000),
        ("QUEUE_START", time.time_ns() // 1000),
        ("REQUEST_ID", "abc123"),
        ("LISTENER_HOST", ""),
        ("LISTENER_PORT", "8080"),
        ("SERVER_PID", 4711),
        ("REQUEST_HANDLER", "wsgi-script"),
    ]
    if body is not None and body >= 0:
        variables["CONTENT_LENGTH"] = str(body)
        params.append(("CONTENT_LENGTH", body))
    if handler_script:
        params.append(("HANDLER_SCRIPT", handler_script))
    return vars_block(params, variables)
