# SPDX-License-Identifier: Apache-2.0
"""The failure zoo: what must come of each request to apps/zoo.wsgi, and the table of what came.

Rows that harm their process take turns in some daemon groups, whose process is replaced by another one
after each of them, so that nothing of one row is left for the next. `make zoo` runs all rows and prints
the table; test_zoo.py runs them one by one.
"""

from __future__ import annotations

import os
import re
import signal
import sys

from dataclasses import dataclass, field
from pathlib import Path

from harness import Layout, RawConnection, Server, wait_until
from harness.places import ROOT
from harness.processes import command_line, is_alive

WHOLE, CUT, NOTHING = "whole", "cut", "nothing"
PAGE = "page"
GLOBAL = "application-group=%{GLOBAL}"
SHARED = "zoo"
GROUPS = 6  # of rows that harm their process
PATIENCE = 2  # s: Timeout of the second host, for rows that take long


@dataclass(frozen=True)
class Row:
    """One request."""

    path: str
    status: int
    body: str  # WHOLE, CUT, PAGE (an error's)
    code: int = 0
    log: str = ""  # a line that fits it is in the log
    own: bool = False  # its process ends, or is spoilt
    crash: str = ""  # a line of the crash's report, in which the function is named
    group: str = ""  # an application group of its own
    impatient: bool = False

    def __str__(self) -> str:
        return self.path + (f"-{self.group}" if self.group else "")

    @property
    def place(self) -> str:
        """Where the application is below the root."""
        return str(self).replace("-", "_") if self.own else SHARED

    @property
    def daemons(self) -> str:
        """Its daemon group."""
        return f"own{sum(self.place.encode()) % GROUPS}" if self.own else SHARED

    @property
    def ends(self) -> bool:
        """Whether its process ends by itself."""
        return self.own and ((self.code in (146, 1007) and self.path != "close_connection") or self.path == "term")


def died(path: str, log: str, crash: str = "", group: str = "") -> Row:
    """The process ends before it has answered."""
    return Row(path, 502, PAGE, 146, log, own=True, crash=crash, group=group)


def raised(path: str, log: str, code: int = 174) -> Row:
    """An exception of the application."""
    return Row(path, 500, PAGE, code, log)


def survived(path: str, log: str = "") -> Row:
    """Answered, though something of the process is not as it was."""
    return Row(path, 200, WHOLE, log=log, own=True)


SEGV = r"was killed by signal 11 \(Segmentation fault\)"

ROWS = (
    died("segfault", SEGV, "crash"),
    died("segfault", SEGV, "crash", group="another"),
    died("segfault_quiet", SEGV),
    died("segfault_own", SEGV),  # its lines are prints
    died("segfault_thread", SEGV, "crash"),
    died("bus", r"was killed by signal 7 \(Bus error\)", "do_bus"),
    died("fpe", r"was killed by signal 8 \(Floating point exception\)", "do_fpe"),
    died("ill", r"was killed by signal 4 \(Illegal instruction\)", "do_ill"),
    died("abort", r"was killed by signal 6 \(Aborted\)", "do_abort"),
    died("fatal", r"was killed by signal 6 \(Aborted\)"),
    died("overflow", SEGV, "crash|__getattr__"),
    died("exit", "ended with exit status 3"),
    died("exit_zero", "ended with exit status 0"),
    died("exit_as_launch", "ended with exit status 74"),
    died("kill", r"was killed by signal 9 \(Killed\): by somebody, not by this server"),
    died("close_all", "ended: its application closed descriptors that are not its own"),
    Row("kill_stream", 200, CUT, 1007, "was killed by signal 9", own=True),
    Row("exit_stream", 200, CUT, 1007, "ended with exit status 3", own=True),
    Row("segfault_stream", 200, CUT, 1007, SEGV, own=True, crash="crash"),
    Row("term", 200, WHOLE, 0, "ended with exit status 0", own=True),
    raised("sys_exit", "SystemExit|exit", 175),
    raised("raise", "ValueError: on purpose"),
    Row("raise_stream", 200, CUT, 174, "ValueError: on purpose"),
    Row("raise_close", 200, WHOLE, 174, "ValueError: on purpose"),
    raised("base", "Base: on purpose"),
    raised("interrupt", "KeyboardInterrupt: on purpose"),
    raised("generator_exit", "GeneratorExit: on purpose"),
    raised("stop_iteration", "StopIteration: on purpose"),
    raised("memory_error", "MemoryError"),
    raised("recursion", "RecursionError"),
    raised("import_missing", "ModuleNotFoundError"),
    raised("huge_header", "response header X-Huge from .* has a line of 100010 bytes", 144),
    raised("bad_header", "X-Bad", 1002),
    survived("fork_twice"),
    survived("fork_exec"),
    survived("fork_crash", "Fatal Python error: Segmentation fault"),
    survived("close_std"),
    survived("close_listener"),
    survived("close_control"),
    survived("garbage_control"),
    Row("garbage_connection", 502, PAGE, 1001, "broke the rules of the connection", own=True),
    Row("close_connection", 502, PAGE, 146, "ended its connection", own=True),
    survived("directory"),
    survived("settings"),
    survived("block_signals"),
    survived("limits"),
    survived("descriptors"),
    survived("threads"),
    survived("thread_left"),
    survived("modules"),
    survived("builtins"),
    survived("gc_off"),
    survived("streams"),
    Row("leak", 200, WHOLE),
    Row("sleep", 504, PAGE, 145, f"did not answer within {PATIENCE} s", impatient=True),
    Row("sleep_in_c", 504, PAGE, 145, f"did not answer within {PATIENCE} s", own=True, impatient=True),
    Row("stuck_import", 504, PAGE, 145, f"did not answer within {PATIENCE} s", own=True, impatient=True),
)

# What may be in the log besides, whatever a row is about.
NOISE = r"\[wsgi:(info|notice|error|warn)\]|AH00051|AH00052|\[mpm_\w+:"


def configure(layout: Layout) -> str:
    """A group for each row that needs one; two hosts, of which the second one is impatient."""
    lines = [layout.delegate(SHARED, "processes=2 threads=3 shutdown-timeout=2")]
    if layout.mode == "daemon":
        lines += [f"WSGIDaemonProcess own{number} threads=2 shutdown-timeout=2" for number in range(GROUPS)]
    for row in ROWS:
        if row.own:
            group = f"process-group={row.daemons}" if layout.mode == "daemon" else ""
            inner = f"application-group={row.group}" if row.group else GLOBAL
            lines.append(f"WSGIScriptAlias /{row.place} {layout.apps}/zoo.wsgi {group} {inner}")
    lines.append(f"WSGIScriptAlias /{SHARED} {layout.apps}/zoo.wsgi {GLOBAL}")
    for port, patience in zip(layout.ports, (30, PATIENCE), strict=True):
        lines.append(f"<VirtualHost *:{port}>\nServerName host{patience}.invalid\nTimeout {patience}\n</VirtualHost>")
    return "\n".join(lines)


@dataclass
class Seen:
    """What a client saw."""

    status: int
    body: str
    lines: list[str] = field(default_factory=list)


def unchunked(data: bytes) -> bool:
    """Whether a last chunk is there."""
    while size := re.match(rb"([0-9a-f]+)\r\n", data):
        count = int(size[1], 16)
        if count == 0:
            return data == b"0\r\n\r\n"
        data = data[size.end() + count + 2 :]
    return False


def ask(server: Server, target: str, port: int = 0) -> Seen:
    """One request on a connection of its own."""
    with RawConnection(port or server.layout.port, 60) as connection:
        connection.send(f"GET /{target} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n".encode())
        data = connection.receive_all()
    head, _, rest = data.partition(b"\r\n\r\n")
    status = re.match(rb"HTTP/1\.1 (\d{3}) ", head)
    if not status:
        return Seen(0, NOTHING)
    length = re.search(rb"(?i)\r\ncontent-length: (\d+)", head)
    is_whole = len(rest) == int(length[1]) if length else unchunked(rest)
    kind = WHOLE if int(status[1]) < 300 else PAGE
    return Seen(int(status[1]), kind if is_whole else CUT)


@dataclass(frozen=True)
class Result:
    """What came of a row."""

    row: Row
    mode: str
    seen: Seen
    code: str
    line: str
    next: int

    def __str__(self) -> str:
        """A line of the table."""
        line = re.sub(r"^.*?\](?= (WSGI\d|daemon group|Fatal|\w+Error|\S+: on purpose))", "", self.line)
        told = f"{self.row!s:18} {self.mode:8} {self.seen.status:3} {self.seen.body:7} {self.code:8} {self.next:3} "
        return told + line.strip()[:170]


def wanted_lines(row: Row) -> list[str]:
    """Patterns that have to be in the log."""
    found = [row.log] if row.log else []
    if row.code:
        found.append(rf"WSGI{row.code:04d}: ")
    if row.crash:
        found.append(rf"crashed: .* in ({row.crash})$")
    if row.own and row.status == 502 and row.code == 146 and row.ends:
        found.append(rf"WSGI0146: daemon process \d+ of group '{row.daemons}' {row.log}.* before it answered, request ")
    return found


def replace(server: Server, row: Row) -> None:
    """Ends the process that a row has spoilt."""
    spoilt = [pid for pid in server.family() if command_line(pid) == f"(wsgi:{row.daemons})"]
    for pid in spoilt:
        os.kill(pid, signal.SIGKILL)
    for pid in spoilt:
        words = f"process {pid} was killed by signal 9"
        wait_until(lambda words=words: server.log().matching(words), words)  # type: ignore[misc]


def run(server: Server, row: Row) -> Result:
    """The request, then another client's; nothing else of the server's may end."""
    log = server.log()
    log.forget()
    before = set(server.family())
    seen = ask(server, f"{row.place}/{row.path}", server.layout.ports[1] if row.impatient else 0)
    following = ask(server, f"{row.place}/fine")
    for pattern in wanted_lines(row):
        wait_until(lambda pattern=pattern: log.matching(pattern), f"{pattern} is in the log:\n{log.tail()}")  # type: ignore[misc]
    lines = [line.text for _, line in log.matching(row.log)] if row.log else []
    codes = [f"WSGI{line.code:04d}" for line in log.lines() if line.code is not None]
    seen.lines = [line.text for line in log.lines()]
    gone = [pid for pid in before if not is_alive(pid)]
    assert len(gone) <= (1 if row.own and server.layout.mode == "daemon" else 0), f"{gone} ended:\n{log.tail()}"
    if row.own and not row.ends and server.layout.mode == "daemon":
        replace(server, row)
    log.allow(NOISE)
    return Result(row, server.layout.mode, seen, ",".join(codes), lines[0] if lines else "", following.status)


def rows_for(mode: str) -> list[Row]:
    """In embedded mode: those that end no process, or spoil none of Apache's; a header has no limit there."""
    apart = [row for row in ROWS if row.own or row.impatient or row.code == 144]
    return [row for row in ROWS if mode == "daemon" or row not in apart]


def main() -> None:
    """Runs all rows and prints the table."""
    results: list[Result] = []
    for mode in ("daemon", "embedded"):
        server = Server(configure, mode=mode, level="warn wsgi:info", ports=2)
        try:
            server.start()
            results += [run(server, row) for row in rows_for(mode)]
        finally:
            server.close()
    folder = Path(os.environ.get("WSGI_TEST_CACHE", str(ROOT / ".cache"))) / "results"
    folder.mkdir(parents=True, exist_ok=True)
    head = f"{'request':18} {'mode':8} {'answer':11} {'code':8} next log"
    text = "\n".join([head, *map(str, results)]) + "\n"
    (folder / "zoo.txt").write_text(text)
    sys.stdout.write(text)
    wrong = [str(r.row) for r in results if (r.seen.status, r.seen.body, r.next) != (r.row.status, r.row.body, 200)]
    if wrong:
        sys.exit(f"not as they should be: {', '.join(wrong)}")


if __name__ == "__main__":
    main()
