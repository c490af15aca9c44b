# SPDX-License-Identifier: Apache-2.0
"""Two servers with one configuration, two `httpd -t`: what each side shows."""

from __future__ import annotations

import contextlib
import re
import shutil
import subprocess
import time

from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any, TypeVar

from harness import Cut, Layout, Line, Module, Proof, Server, exchange, places, request, wait_until

from parity import normal
from parity.model import Ask, Case, Check, Site

T = TypeVar("T")

LOG_MORE = 0.2
LOAD_CODES = {"WSGI0105", "WSGI0106", "WSGI0107", "WSGI0108", "WSGI0109", "WSGI0110"}
# Numbers by which 6.1.1 says once more that a script could not be loaded.
AGAIN = {"WSGI0174", "WSGI0175", "WSGI0057"}
LOG_DEADLINE = 1.5
LOUD = ("emerg", "alert", "crit", "error", "warn")
TRACE = re.compile(r"Traceback \(most recent call last\)")
# 6.1.1 built for Python 3.11 leaves the frames of a traceback out now and then, never its last line.
FRAME = re.compile(r'^\s*(File "|\^|[~^]+$)|^Traceback |^    ')


@dataclass
class Shown:
    """What a side showed for one case: a dictionary of parts for each request, and the log's class."""

    steps: list[dict[str, Any]] = field(default_factory=list)
    log: dict[str, Any] = field(default_factory=dict)
    error: str = ""


def on_both(first: Callable[[], T], second: Callable[[], T]) -> tuple[T, T]:
    """Both sides at the same time."""
    with ThreadPoolExecutor(2) as pool:
        one, two = pool.submit(first), pool.submit(second)
        return one.result(), two.result()


def make_server(site: Site, mode: str, module: Module) -> Server:
    """A server for this configuration, not started."""
    server: Server

    def configure(_: Layout) -> str:
        return normal.fill(site.lines, server)

    server = Server(
        configure,
        mode=mode,
        mpm=site.mpm,
        modules=site.modules,
        level=site.level,
        ports=site.ports,
        environment=site.environment,
    )
    server.layout.module = module
    # apps/*.py import each other: bytecode of the one side must not stand beside the sources of the other.
    for name, text in site.files.items():
        path = server.layout.root / name
        if name.endswith("/"):
            path.mkdir(mode=0o755, parents=True, exist_ok=True)
            continue
        path.parent.mkdir(mode=0o755, parents=True, exist_ok=True)
        path.write_text(normal.fill(text, server))
        path.chmod(0o644)
    return server


def _without(parts: dict[str, Any], skip: tuple[str, ...]) -> dict[str, Any]:
    """The parts that are compared; `part:key` leaves out one key."""
    for name in skip:
        part, _, key = name.partition(":")
        if key and isinstance(parts.get(part), dict):
            parts[part].pop(key, None)
    return {part: value for part, value in parts.items() if part not in skip}


class Side:
    """One running server."""

    def __init__(self, site: Site, mode: str, module: Module) -> None:
        self.server = make_server(site, mode, module)
        self.peer = module.peer
        self.failure = ""

    def start(self) -> None:
        """Starts it; a failure is kept, it fails every case of the site."""
        try:
            self.server.start()
        except AssertionError as failure:
            self.failure = normal.clean(str(failure), self.server)

    def stop(self) -> str:
        """Stops it and says what was wrong with that; of 6.1.1 nothing is wanted."""
        problem = ""
        try:
            if not self.failure:
                self.server.stop()
        except AssertionError as failure:
            problem = "" if self.peer else str(failure)
        finally:
            self.server.kill()
            shutil.rmtree(self.server.layout.root, ignore_errors=True)
        return problem

    # ---- one case --------------------------------------------------------------------------

    def show(self, case: Case) -> Shown:
        """Runs the steps of a case."""
        shown = Shown()
        if self.failure:
            shown.error = self.failure
            return shown
        self.server.forget_logs()
        for step in case.ask if isinstance(case.ask, tuple) else (case.ask,):
            try:
                if isinstance(step, Ask):
                    parts = self._ask(step, case)
                    normal.typed(parts, case.typed)
                    shown.steps.append(_without(parts, case.skip))
                else:
                    result = step(self.server)
                    if result is not None:
                        shown.steps.append({"result": normal.tree(result, self.server)})
            except AssertionError as failure:
                shown.error = f"a step failed: {failure}"
                return shown
        self.read_log(case, shown)
        return shown

    def read_log(self, case: Case, shown: Shown) -> None:
        """Puts the log's class into what was shown, unless the case leaves it out."""
        if "log" not in case.skip and not shown.error:
            shown.log = self._log(case)

    def _ask(self, ask: Ask, case: Case) -> dict[str, Any]:
        """One request's parts."""
        server = self.server
        port = server.layout.ports[ask.port]
        began = time.time()
        try:
            if ask.raw:
                data = exchange(port, normal.fill(ask.raw, server).encode("latin-1"))
                now = normal.Moment(began, time.time(), self._family(data))
                return normal.raw_parts(data, server, now)
            pairs = [(name, normal.fill(value, server)) for name, value in ask.headers]
            target = normal.fill(ask.target, server)
            reply = request(port, ask.method, target, ask.body, pairs, chunked=ask.chunked, timeout=ask.timeout)
        except Cut as cut:
            return {"status": "cut", "body": cut.partial.decode("latin-1")}
        except TimeoutError:
            return {"status": "timeout"}
        except (OSError, ValueError) as error:
            return {"status": type(error).__name__}
        except Exception as error:  # noqa: BLE001 - http.client has many, their name is the result
            return {"status": type(error).__name__}
        now = normal.Moment(began, time.time(), self._family(reply.body))
        return normal.reply_parts(reply, server, now, case.headers)

    def _family(self, body: bytes) -> frozenset[int]:
        """The server's pids, looked up for an environ only."""
        return frozenset(self.server.family()) if b'"mod_wsgi.server_pid"' in body else frozenset()

    def _lines(self) -> list[Line]:
        """Lines of module wsgi, of all logs, since the case began."""
        return [line for log in self.server.all_logs() for line in log.lines() if line.module == "wsgi"]

    def log_tail(self) -> str:
        """For the report."""
        return "\n".join(log.tail(12) for log in self.server.all_logs() if log.lines())

    def _loads_failed(self, due: set[str]) -> bool:
        """Whether a number is there that stands for the others that 6.1.1 has."""
        return not self.peer and bool(set(self._codes()) & (due - AGAIN)) and bool(due & AGAIN)

    def _codes(self) -> dict[str, str]:
        """Numbers and their levels."""
        return {f"WSGI{line.code:04d}": line.level for line in self._lines() if line.code and line.level in LOUD}

    def _log(self, case: Case) -> dict[str, Any]:
        """The log's class; lines that are due are waited for."""
        due = {f"WSGI{code:04d}" for code in case.codes}
        with contextlib.suppress(AssertionError):  # what is missing then is seen as a difference
            wait_until(lambda: self._codes() or not due, "", LOG_DEADLINE)
            # Ours has one line for a failure, and so not all that are due on the other side (difference D801).
            wait_until(
                lambda: due <= set(self._codes()) or self._loads_failed(due),
                "",
                LOG_DEADLINE if self.peer else LOG_MORE,
            )
        lines = self._lines()
        made: dict[str, Any] = {"codes": self._codes()}
        last = [line.message for line in lines if not line.code and re.search(r"^\w*(Error|Exception)\b", _bare(line))]
        made["exceptions"] = sorted({re.split(r"[:\s]", text)[0] for text in map(_bare_text, last)})
        if case.said:
            made["said"] = [
                (line.level, normal.clean(_bare(line), self.server))
                for line in lines
                if not line.code and line.level in LOUD and not FRAME.search(_bare(line))
            ]
        return made


CLIENT = re.compile(r"^(\[(client|remote) [^\]]*\] )")


def _bare_text(text: str) -> str:
    """A message without the client that httpd puts before it."""
    return CLIENT.sub("", text)


def _bare(line: Line) -> str:
    return _bare_text(line.message)


# ---- httpd -t ------------------------------------------------------------------------------

BEGIN = "# the lines of the table begin behind this one"
PLACES = (
    ("not allowed (here|in)|cannot occur within", "context"),
    ("Invalid command", "unknown"),
    (r"\btakes? (one|two|three|no|\d|1)", "arguments"),
    ("without matching", "section"),
    ("missing closing|closing '>' is missing", "closing"),
)


class Prover:
    """Runs `httpd -t` on many configurations, one after the other."""

    def __init__(self, module: Module) -> None:
        self.module = module
        self.peer = module.peer

    def show(self, check: Check) -> Shown:
        """Exit status, refused line and kind of refusal."""
        site = Site(check.id, f"{BEGIN}\n{check.lines}\n", modules=check.modules, ports=2)
        server = make_server(site, "embedded", self.module)
        try:
            try:
                proof = self._prove(server, check)
            except subprocess.TimeoutExpired:
                return Shown(error="httpd -t hangs")
            text = server.conf.read_text()
            first = text[: text.index(BEGIN)].count("\n") + 1
            return Shown([_proof_parts(proof, first, normal.clean(proof.output, server))])
        finally:
            shutil.rmtree(server.layout.root, ignore_errors=True)

    def _prove(self, server: Server, check: Check) -> Proof:
        """`httpd -t`, as root or as the user that Apache's children run as."""
        if not (check.ordinary_user and places().is_root):
            return server.prove()
        server.write_configuration()
        run = ["setpriv", f"--reuid={places().user}", f"--regid={places().group}", "--clear-groups"]
        done = subprocess.run([*run, *server.command("-t")], capture_output=True, text=True, timeout=60, check=False)
        return Proof(done.returncode, done.stdout + done.stderr)


def _proof_parts(proof: Proof, first: int, output: str) -> dict[str, Any]:
    """The parts of one `httpd -t`; `output` is for the report and for the patterns of the check."""
    line = re.search(r"on line (\d+) of|httpd\.conf:(\d+)", proof.output)
    number = int(line.group(1) or line.group(2)) - first if line and proof.status else 0
    kind = next((name for pattern, name in PLACES if re.search(pattern, output)), "own words")
    return {
        "status": proof.status if proof.status in (0, 1) else f"ended by {proof.status}",
        "line": number,
        "kind": kind if proof.status else "",
        "output": output,
    }


def listing(module: Module) -> Mapping[str, str]:
    """`httpd -L`: our directives and where they are allowed."""
    server = make_server(Site("listing", ""), "embedded", module)
    try:
        server.write_configuration()
        done = subprocess.run(server.command("-L"), capture_output=True, text=True, timeout=60, check=False)
    finally:
        shutil.rmtree(server.layout.root, ignore_errors=True)
    if done.returncode != 0:
        raise RuntimeError(f"{places().httpd} -L failed: {done.stderr}")
    found: dict[str, str] = {}
    name = ""
    for line in done.stdout.splitlines():
        if not line.startswith("\t"):
            name = line.partition(" (")[0] if "mod_wsgi.c" in line or "WSGI" in line else ""
        elif name:
            found[name] = found.get(name, "") + line.strip() + "\n"
    return {
        name: "\n".join(re.findall(r"(?m)^Allowed in.*|^\S*(?:AllowOverride).*$", text)) for name, text in found.items()
    }
