# SPDX-License-Identifier: Apache-2.0
"""S4: byte streams that two parsers may take apart differently; header look-alikes.

The oracle is threefold: what the client gets, httpd's own log of the requests it saw on that
connection, and the ledger of the application. They have to agree, and the second request of a stream
(corpora/smuggling.py) is run only where it is a pipelined request in its own right.
"""

from __future__ import annotations

import json
import os
import re
import socket
import threading

from collections import defaultdict
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any

import pytest

from corpora.smuggling import BODY, Seen, Stream, length_of, streams
from harness import Layout, Server, exchange, wait_until
from harness.client import HOST

PORTS = 2
CLIENTS = 8
PATIENCE = 60


def configure(layout: Layout) -> str:
    """One application at places that differ in what it reads; a file for comparison; the second port is Unsafe."""
    (layout.htdocs / "file").write_text("noted\n")
    mounts = "\n".join(f"WSGIScriptAlias /{name} {layout.apps}/ledger.wsgi" for name in ("app", "bit", "not", "off"))
    return f"""
{layout.delegate()}
LogFormat "%{{remote}}p %>s %r" seen
CustomLog {layout.logs}/seen seen
AliasMatch ^/doc/.* {layout.htdocs}/file
WSGIScriptAlias /environ {layout.apps}/environ.wsgi
{mounts}
WSGIChunkedRequest On
<Location /off>
    WSGIChunkedRequest Off
</Location>
<VirtualHost *:{layout.ports[-1]}>
    ServerName localhost
    HttpProtocolOptions Unsafe LenientMethods Allow0.9
</VirtualHost>
"""


@dataclass
class Account:
    """One stream as three witnesses saw it."""

    stream: Stream
    port: int = 0
    statuses: list[int] = field(default_factory=list)
    answer: bytes = b""
    logged: list[tuple[int, str]] = field(default_factory=list)
    begun: list[str] = field(default_factory=list)
    bodies: list[str | None] = field(default_factory=list)
    environs: list[dict[str, str]] = field(default_factory=list)

    @property
    def begins(self) -> list[str]:
        """Last parts of the paths that the application got."""
        return [path.rpartition("/")[2] for path in self.begun]

    def __str__(self) -> str:
        seen = f"client {self.statuses}, httpd {self.logged}, application {self.begins} {self.bodies}"
        return f"{self.stream.name} ({self.stream.seen.name}): {seen}"


def filled(stream: Stream, mount: str, number: int) -> bytes:
    """The bytes for one connection."""
    return stream.data.replace(b"MMM", mount.encode()).replace(b"NNNNNNNN", b"%08d" % number)


class Ports:
    """Hands out sockets, each of a port that none had before: the port tells the log's lines apart."""

    def __init__(self) -> None:
        self.had: set[int] = set()
        self.lock = threading.Lock()

    def socket(self) -> socket.socket:
        """Bound, not yet connected."""
        while True:
            bound = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
            bound.bind((HOST, 0))
            with self.lock:
                if bound.getsockname()[1] not in self.had:
                    self.had.add(bound.getsockname()[1])
                    return bound
            bound.close()


def play(port: int, stream: Stream, data: bytes, ports: Ports) -> Account:
    """Sends all, closes the sending side, reads all. A hang is a time-out here."""
    account = Account(stream)
    with ports.socket() as connection:
        account.port = connection.getsockname()[1]
        connection.settimeout(PATIENCE)
        connection.connect((HOST, port))
        try:
            connection.sendall(data)
            connection.shutdown(socket.SHUT_WR)
            while piece := connection.recv(65536):
                account.answer += piece
        except (ConnectionResetError, BrokenPipeError):
            pass  # httpd closed a connection whose rest it did not want to read
        except OSError as error:
            if isinstance(error, TimeoutError):
                raise AssertionError(f"{stream.name}: no end after {PATIENCE} s: {account.answer[:200]!r}") from error
    found = re.findall(rb"(?:^|\n)HTTP/1\.[01] (\d{3}) ", account.answer)
    account.statuses = [int(status) for status in found if status != b"100"]
    return account


def all_at_rest(site: Server, port: int) -> None:
    """Every response has been logged: the last request's line is there, and no worker is busy."""
    mark = f"/app/rest/{len(seen_lines(site))}"
    assert exchange(port, f"GET {mark}?quiet HTTP/1.0\r\n\r\n".encode()).startswith(b"HTTP/1.1 200")
    wait_until(lambda: any(mark in line for line in seen_lines(site)), "httpd has logged the last request")


def seen_lines(site: Server) -> list[str]:
    """Httpd's log of requests."""
    return (site.layout.logs / "seen").read_text(errors="replace").splitlines()


def ledger(site: Server) -> list[dict[str, Any]]:
    """The application's."""
    path = site.layout.scratch / "ledger"
    return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []


def play_all(site: Server, mount: str, chosen: list[Stream], port: int = 0) -> list[Account]:
    """All streams, several side by side, and what each witness saw of them."""
    port = port or site.layout.port
    (site.layout.scratch / "ledger").unlink(missing_ok=True)
    before = len(seen_lines(site))
    ports = Ports()
    with ThreadPoolExecutor(CLIENTS) as pool:
        jobs = [pool.submit(play, port, one, filled(one, mount, n), ports) for n, one in enumerate(chosen)]
        accounts = [job.result() for job in jobs]
    answers = sum(len(account.statuses) for account in accounts)
    wait_until(lambda: len(seen_lines(site)) - before >= answers, "every answer is in httpd's log")
    all_at_rest(site, port)
    logged: dict[int, list[tuple[int, str]]] = defaultdict(list)
    for line in seen_lines(site)[before:]:
        client, status, start = line.split(" ", 2)
        logged[int(client)].append((int(status), start))
    by_number = {account.port: account for account in accounts}
    assert len(by_number) == len(accounts), "each connection has a port of its own"
    for account in accounts:
        account.logged = logged[account.port]
    for entry in ledger(site):
        number = int(entry["path"].split("/")[1]) if re.match(r"/\d{8}/", entry["path"]) else -1
        account = by_number[int(entry["port"])]
        assert number in (-1, accounts.index(account)), f"{entry} came on another connection"
        if entry["event"] == "begin":
            account.begun.append(entry["path"])
        else:
            account.bodies.append(entry["body"])
            account.environs.append(entry["environ"])
    return accounts


# ---- judging ----------------------------------------------------------------------------------


def peer() -> bool:
    return os.environ.get("WSGI_PEER") == "1"


def is_refusal(status: int) -> bool:
    return 400 <= status < 500 or status in (501, 505)


def expected_body(stream: Stream, mount: str, number: int) -> str:
    """Of the first request, as the application at that place reads it."""
    body = filled(Stream("", stream.body, stream.seen), mount, number).decode("latin-1")
    return {"app": body, "bit": body[:1]}.get(mount, "")


def fits(account: Account, mount: str, number: int) -> bool:
    """Whether client and application saw what the corpus says."""
    seen, statuses = account.stream.seen, account.statuses
    if account.stream.expects and mount == "not" and not peer():
        seen = Seen.ALONE  # D213: what follows a body that nobody asked for is not looked at
    good = 200 if mount != "doc" else 405
    served = all(status in (200, good) for status in statuses)
    ours = mount != "doc"
    reads = mount in ("app", "bit")
    if seen is Seen.REFUSED:
        return len(statuses) <= 1 and all(map(is_refusal, statuses)) and not account.begun
    if seen is Seen.BROKEN:
        whole = [body for body in account.bodies if body is None or not reads or mount == "bit"]
        return len(statuses) <= 1 and "two" not in account.begins and whole == account.bodies
    if seen is Seen.ELSEWHERE:
        return len(statuses) == 2 and statuses[1] in (200, good) and account.begins == (["two"] if ours else [])
    wanted: list[str] = {Seen.ALONE: ["one"], Seen.THEN_REFUSED: ["one"], Seen.BOTH: ["one", "two"]}[seen]
    if seen is Seen.THEN_REFUSED:
        if len(statuses) != 2 or not is_refusal(statuses.pop()):
            return False
        served = statuses in ([200], [good])
    both = [expected_body(account.stream, mount, number), ""]
    bodies = both[: len(wanted)]
    if not ours:
        return served and len(statuses) == len(wanted)
    return served and len(statuses) == len(wanted) and account.begins == wanted and account.bodies == bodies


def witnesses_agree(account: Account, mount: str) -> bool:
    """Httpd's log has as many requests as the client got answers; the application had those it should."""
    logged = [status for status, _ in account.logged]
    found = [line for status, line in account.logged if status == 200 and f"/{mount}/" in line]
    served = [line for line in found if not line.startswith("TRACE") and mount != "doc"]
    same = logged[: len(account.statuses)] == account.statuses
    # The rest of a body that is found to be bad when the answer has gone.
    late = account.stream.seen is Seen.BROKEN and account.statuses == [200] and logged == [400]
    if account.stream.seen is Seen.BROKEN and peer():
        same = len(logged) == 1  # 6.1.1 logs what the application said, not what the client got
    return (same or late) and len(account.begun) >= len(served)


# What httpd and the module may say of bad requests; one line each.
KNOWN = r"WSGI0126|WSGI0137|WSGI0138|WSGI0139|WSGI0141|AH00\d{3}|AH01587|AH01588|AH01589|AH02429|AH10\d{3}|AH0248"


def complain(wrong: list[Account], total: int) -> None:
    assert not wrong, f"{len(wrong)} of {total} streams:\n" + "\n".join(map(str, wrong))


@pytest.mark.parametrize("mount", ["app", "bit", "not"])
def test_streams(site: Server, mount: str) -> None:
    """S4: each stream is refused, or is what httpd says, whether the application reads bodies or not."""
    site.allow(KNOWN)
    accounts = play_all(site, mount, streams())
    wrong = [one for n, one in enumerate(accounts) if not fits(one, mount, n) or not witnesses_agree(one, mount)]
    complain(wrong, len(accounts))


# Those a file is served for, or refused for with 405; httpd knows no others.
METHODS = (b"GET", b"HEAD", b"POST", b"DELETE", b"OPTIONS", b"PATCH", b"TRACE", b"CONNECT")


def test_files_are_served_alike(site: Server) -> None:
    """The same streams through httpd's own handler: it sees the same requests, and no others."""
    site.allow(KNOWN)
    chosen = [one for one in streams() if not one.by_us and (one.seen is Seen.REFUSED or one.method in METHODS)]
    accounts = play_all(site, "doc", chosen)
    wrong = [one for n, one in enumerate(accounts) if not fits(one, "doc", n) or not witnesses_agree(one, "doc")]
    complain(wrong, len(accounts))


def test_streams_where_chunks_are_refused(site: Server) -> None:
    """A body of unknown length is 411, and nothing of it is taken for a request."""
    site.allow(KNOWN)
    kinds = (Seen.ALONE, Seen.BOTH, Seen.BROKEN)
    chosen = [one for one in streams() if one.seen in kinds and b"\r\ntransfer-encoding:" in one.data[:200].lower()]
    accounts = play_all(site, "off", [one for one in chosen if "HTTP/1.0" not in one.name])
    assert len(accounts) > 80
    complain([one for one in accounts if one.statuses != [411] or one.begun], len(accounts))


def requests_seen(account: Account, mount: str) -> list[tuple[bool, str]]:
    """What httpd took for requests: whether it refused them, and their first lines."""
    return [(status >= 400 and status != 405, line.replace(f"/{mount}/", "/MMM/")) for status, line in account.logged]


NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*|(?:mod_wsgi|wsgi|apache)\.[a-z_]+")


def strange(account: Account) -> list[str]:
    """Keys and values of the environ that no request can bring."""
    pairs = [pair for found in account.environs for pair in found.items()]
    return [key for key, value in pairs if not NAME.fullmatch(key) or "\n" in value or "\0" in value]


def is_seen_alike(file: Account, account: Account) -> bool:
    """Httpd saw the same requests, whoever served them, and the application was run for no others."""
    started = [line for status, line in account.logged if "/app/" in line and not line.startswith("TRACE")]
    if len(account.begun) > len(started):
        return False
    if account.stream.by_us:
        return len(account.statuses) == 1 and is_refusal(account.statuses[0]) and not account.begun
    if account.stream.seen is Seen.BROKEN and len(file.logged) < 2:
        return len(account.logged) == len(file.logged) and "two" not in account.begins
    foreign = any(line.encode().split(maxsplit=1)[0] not in METHODS for status, line in account.logged if status == 200)
    return foreign or requests_seen(file, "doc") == requests_seen(account, "app")


def test_streams_on_an_unsafe_port(site: Server) -> None:
    """HttpProtocolOptions Unsafe lets through more; still every request is one that httpd saw.

    The same bytes sent to a file say what httpd takes them for; the environ holds only names and
    values that a request can have.
    """
    site.allow(KNOWN)
    port = site.layout.ports[1]
    files = play_all(site, "doc", streams(), port)
    accounts = play_all(site, "app", streams(), port)
    pairs = list(zip(files, accounts))
    wrong = [f"{one}\n    file: {file}" for file, one in pairs if not is_seen_alike(file, one) or strange(one)]
    assert not wrong, f"{len(wrong)} of {len(pairs)} streams:\n" + "\n".join(wrong)
    assert sum(one.begins == ["one", "two"] for one in accounts) > 120


# ---- header look-alikes -----------------------------------------------------------------------
# More of them: test_requests.py::test_header_names_and_values, test_proxies.py, test_deciding.py.

LOOK_ALIKES = (
    *(b"X_Foo: evil", b"X.Foo: evil", b"X!Foo: evil", b"X~Foo: evil", b"X'Foo: evil", b"X|Foo: evil", b"X*Foo: evil"),
    *(b"Content_Length: 99", b"Content_Type: evil/evil", b"Content.Type: evil/evil", b"Transfer_Encoding: evil"),
    *(b"Proxy: evil", b"PROXY: evil", b"pRoXy: evil", b"Proxy_: evil", b"_Proxy: evil", b"HTTP_PROXY: evil"),
    *(b"HTTP_X_FOO: evil", b"REMOTE_USER: evil", b"Remote_User: evil", b"AUTH_TYPE: evil", b"wsgi.url_scheme: evil"),
    *(b"X_Forwarded_For: 6.6.6.6", b"mod_wsgi.process_group: evil", b"SCRIPT_NAME: /evil", b"SERVER_NAME: evil"),
)
FOO = b"X-Foo: good"


def test_look_alikes_never_override(site: Server) -> None:
    """S4: in front of the real header, behind it, and alone; nothing of them is in the environ."""
    names = [(*fields[:place], FOO, *fields[place:]) for fields in [LOOK_ALIKES] for place in (0, 3, len(LOOK_ALIKES))]
    names += [(field, FOO) for field in LOOK_ALIKES] + [(FOO, field) for field in LOOK_ALIKES]
    for fields in names:
        head = b"POST /environ HTTP/1.0\r\nContent-Type: good/good\r\n" + length_of(BODY) + b"\r\n"
        answer = exchange(site.layout.port, head + b"\r\n".join(fields) + b"\r\n\r\n" + BODY)
        found = json.loads(answer.partition(b"\r\n\r\n")[2])
        assert (found["HTTP_X_FOO"], found["CONTENT_TYPE"], found["CONTENT_LENGTH"]) == ("good", "good/good", "5")
        wrong = {key: value for key, value in found.items() if "evil" in value or "6.6.6.6" in value or value == "99"}
        assert not wrong, f"{fields}: {wrong}"
        assert not {"HTTP_PROXY", "REMOTE_USER", "AUTH_TYPE"} & set(found)


def test_names_that_only_look_like_variables(site: Server) -> None:
    """A header is HTTP_ and its name: it is no variable of the server's, and digits are letters here."""
    fields: tuple[bytes, ...] = (
        b"Remote-User: mallory",
        b"Auth-Type: none",
        b"Script-Name: /x",
        b"X-9-Lives: 9",
        b"9: nine",
        b"Https: on",
    )
    fields += (b"X-A-: end", b"-X-B: front", b"Request-Method: DELETE", b"Path: /evil", b"Server-Port: 1")
    head = b"GET /environ HTTP/1.0\r\n" + b"\r\n".join(fields) + b"\r\n\r\n"
    found = json.loads(exchange(site.layout.port, head).partition(b"\r\n\r\n")[2])
    for name, value in (each.decode().split(": ") for each in fields):
        assert found["HTTP_" + name.upper().replace("-", "_")] == value
    assert not {"REMOTE_USER", "AUTH_TYPE", "PATH"} & set(found)
    assert (found["SCRIPT_NAME"], found["REQUEST_METHOD"], found["wsgi.url_scheme"]) == ("/environ", "GET", "http")
    assert found["SERVER_PORT"] != "1"


def test_trailers_are_no_headers(site: Server) -> None:
    """What comes behind the last chunk is in no environ, and changes nothing that is."""
    trailers = b"".join(
        field + b"\r\n" for field in (*LOOK_ALIKES, b"X-Foo: evil", b"Host: evil", b"Content-Type: evil/evil")
    )
    start = b"POST /environ HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n" + FOO + b"\r\n"
    body = b"5\r\n" + BODY + b"\r\n0\r\n" + trailers + b"\r\n"
    answer = exchange(site.layout.port, start + b"Transfer-Encoding: chunked\r\n\r\n" + body)
    found = json.loads(answer.partition(b"\r\n\r\n")[2])
    assert (found["HTTP_X_FOO"], found["HTTP_HOST"]) == ("good", "localhost")
    assert not [key for key, value in found.items() if "evil" in value]
