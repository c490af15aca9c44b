# SPDX-License-Identifier: Apache-2.0
"""Bad input from a seeded generator: configuration lines and requests made of anything.

The same seed gives the same bytes, so that a failure can be had again. tests/fuzz/requests runs the
requests for as long as one likes.
"""

from __future__ import annotations

import base64
import random
import re
import socket

from collections.abc import Iterator
from dataclasses import dataclass, field

from corpora.smuggling import streams

from harness.client import HOST

# ---- configuration lines ----------------------------------------------------------------------

CONTEXTS = {
    "main": "{}",
    "host": "<VirtualHost *:1>\n{}\n</VirtualHost>",
    "directory": "<Directory /tmp>\n{}\n</Directory>",
    "location": "<Location /x>\n{}\n</Location>",
    "files": '<Files "*.wsgi">\n{}\n</Files>',
    "if": "<If \"%{{QUERY_STRING}} == 'x'\">\n{}\n</If>",
    "limit": "<Directory /tmp>\n<Limit POST>\n{}\n</Limit>\n</Directory>",
    "match": '<VirtualHost *:1>\n<LocationMatch "^/(a|b)">\n{}\n</LocationMatch>\n</VirtualHost>',
    "options": "<WSGIInterpreterOptions application-group=x>\n{}\n</WSGIInterpreterOptions>",
    "options-in-host": "<VirtualHost *:1>\n<WSGIInterpreterOptions>\n{}\n</WSGIInterpreterOptions>\n</VirtualHost>",
}

WORDS = (
    *("On", "Off", "on", "Auto", "none", "All", "-1", "0", "1", "2147483648", "99999999999999999999", "1e308", "nan"),
    *("0x10", "-0", "inf", "0.0", "1.5", "/", "/tmp", "/dev/zero", "/dev/null", "/proc/self/mem", "relative", "a b"),
    *("%{GLOBAL}", "%{RESOURCE}", "%{ENV:X}", "%{", "%", "${X", "$0", "$99", "(", "[", "^(.*)$", "*", "(?<x>", "="),
    *("x=", "=x", "a=b=c", "process-group=x", "application-group=%{GLOBAL}", "callable-object=a.b", "threads=0"),
    *("threads=5", "processes=1000000", "user=root", "user=#0", "python-home=/dev", "python-path=:::", "umask=0999"),
    *("home=/dev/null", "chroot=/x", "script-user=a", "pass-authorization=Maybe", "group=#4294967295", "lang=", "_"),
    *("unix:/tmp/x", "unix:x", "interval=0", "interval=x", "127.0.0.1/33", "::1/129", "fe80::1%eth0", "0.0.0.0/0"),
    *("+CaptureUserAgent", "-CaptureUserAgent", "CaptureUserAgent", "random", "-W", "error::", "X-Forwarded-For", "é"),
)


def _bytes(rng: random.Random, most: int) -> str:
    """Any bytes a line of a file can hold, as latin-1 text."""
    raw = bytes(rng.randrange(1, 256) for _ in range(rng.randrange(most)))
    return raw.replace(b"\n", b"").replace(b"\\", b"").decode("latin-1")


def _word(rng: random.Random) -> str:
    kind = rng.randrange(10)
    if kind < 6:
        word = rng.choice(WORDS)
    elif kind == 6:
        word = _bytes(rng, 40)
    elif kind == 7:
        word = rng.choice("ax/%=é") * rng.choice((60, 255, 4096, 9000))
    elif kind == 8:
        word = rng.choice(WORDS) + "=" + rng.choice(WORDS)
    else:
        word = rng.choice(WORDS) + _bytes(rng, 6)
    quote = rng.choice(('"', "'", "", "", "", ""))
    return quote + word + (quote if rng.random() < 0.8 else "")


def directive_line(rng: random.Random, name: str) -> str:
    """A directive with some junk behind it; a section is closed, mostly."""
    rest = " ".join(_word(rng) for _ in range(rng.choice((0, 1, 1, 1, 2, 2, 3, 4, 9))))
    if not name.startswith("<"):
        return f"{name} {rest}".rstrip("\\")
    end = ">" if rng.random() < 0.8 else ""
    close = f"\n</{name[1:]}>" if rng.random() < 0.9 else ""
    return f"{name} {rest}{end}{close}"


# ---- requests ---------------------------------------------------------------------------------

METHODS = (
    b"GET",
    b"GET",
    b"GET",
    b"POST",
    b"POST",
    b"HEAD",
    b"PUT",
    b"OPTIONS",
    b"DELETE",
    b"PATCH",
    b"TRACE",
    b"get",
    b"X" * 50,
)
NAMES = (
    *(b"Host", b"Content-Length", b"Transfer-Encoding", b"Expect", b"Range", b"If-Range", b"Authorization", b"Cookie"),
    *(
        b"Content-Type",
        b"X-Forwarded-For",
        b"X-Forwarded-Proto",
        b"X-Forwarded-Host",
        b"X-Forwarded-Port",
        b"Forwarded",
    ),
    *(b"X-Real-IP", b"X-Client-IP", b"X-Script-Name", b"X-Request-Start", b"Proxy", b"Upgrade", b"Connection", b"TE"),
    *(b"If-Modified-Since", b"X_Forwarded_For", b"Proxy-Authorization", b"Accept-Encoding", b"Trailer", b"REMOTE_USER"),
)
VALUES = (
    *(b"", b"0", b"-1", b"1", b"99999999999999999999", b"chunked", b"gzip, chunked", b"identity", b"100-continue"),
    *(
        b"bytes=0-",
        b"bytes=-5,1-2",
        b"close",
        b"keep-alive",
        b"1.2.3.4, ,::1",
        b"[::1]:80",
        b"unknown",
        b"https",
        b"on",
    ),
    *(
        b"h2c",
        b"websocket",
        b"a=b; c",
        b"\xff\xfe",
        b"%00",
        b"\x7f",
        b"caf\xc3\xa9",
        b"'\"\\",
        b"text/plain; charset=\xe9",
    ),
)
CREDENTIALS = (
    b"",
    b":",
    b"user",
    b"user:",
    b":password",
    b"u:p:q",
    b"\xff\xfe:\xfd",
    b"caf\xc3\xa9:\xe9",
    b"\0:\0",
    b"a" * 5000 + b":b",
)


def _junk(rng: random.Random, most: int) -> bytes:
    return bytes(rng.randrange(256) for _ in range(rng.randrange(most)))


SAFE = frozenset(b"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-._~!$&'()*+,;=:@/?")


def _escaped(rng: random.Random, most: int) -> bytes:
    """Bytes as a client would send them, with per cent where it has to; now and then without."""
    raw = rng.random() < 0.1
    return b"".join(
        bytes([byte]) if byte in SAFE or (raw and byte not in b"\0\t\r\n ") else b"%%%02X" % byte
        for byte in _junk(rng, most)
    )


def _target(rng: random.Random, prefixes: tuple[str, ...]) -> bytes:
    path = rng.choice(prefixes).encode()
    kind = rng.randrange(12)
    if kind < 5:
        path += b"/" + _escaped(rng, 30)
    elif kind == 5:
        path += b"//" + _escaped(rng, 10) + b"/../" + b"%2F%2e%2E/" + _escaped(rng, 5)
    elif kind == 6:
        path += b"/" + _junk(rng, 30)
    elif kind == 7:
        path += b"/" + b"a" * rng.choice((100, 8000, 9000))
    if rng.random() < 0.6:
        path += b"?" + (_escaped(rng, 60) if rng.random() < 0.9 else _junk(rng, 60))
    return (b"" if rng.random() < 0.95 else rng.choice((b"http://localhost", b"*", b"x:"))) + path


def _authorization(rng: random.Random) -> bytes:
    kind = rng.randrange(6)
    if kind < 3:
        pair = rng.choice(CREDENTIALS) if rng.random() < 0.5 else _junk(rng, 20) + b":" + _junk(rng, 20)
        return b"Basic " + base64.b64encode(pair)
    if kind == 3:
        return b"Basic " + _junk(rng, 30)
    if kind == 4:
        name = _junk(rng, 12).replace(b'"', b"").replace(b"\r", b"").replace(b"\n", b"")
        return (
            b'Digest username="' + name + b'", realm="fuzz", nonce="' + base64.b64encode(_junk(rng, 40))
            + b'", uri="/", response="' + b"%032x" % rng.getrandbits(128) + b'"'
            + rng.choice((b"", b', qop=auth, nc=00000001, cnonce="x"', b", algorithm=MD5"))
        )  # fmt: skip
    return rng.choice((b"Bearer ", b"Digest ", b"basic", b"")) + _escaped(rng, 30)


def _value(rng: random.Random, most: int) -> bytes:
    """Bytes that httpd lets through in a header; once in a while others."""
    raw = _junk(rng, most)
    if rng.random() < 0.05:
        return raw
    return bytes(byte for byte in raw if byte >= 32 and byte != 127)


def _header(rng: random.Random) -> bytes:
    if rng.random() < 0.15:
        return b"Authorization: " + _authorization(rng)
    kind = rng.random()
    if kind < 0.7:
        # Those that most servers refuse at once come less often than the others.
        name = rng.choice(NAMES if rng.random() < 0.2 else NAMES[3:])
    elif kind < 0.97:
        name = bytes(rng.choice(b"abcXYZ019-_.!#$%&'*+^`|~") for _ in range(rng.randrange(1, 30)))
    else:
        name = _escaped(rng, 20)
    value = rng.choice(VALUES) if rng.random() < 0.6 else _value(rng, 40)
    return name + (b": " if rng.random() < 0.95 else rng.choice((b":", b":\t", b" :", b""))) + value


def _ambiguous(rng: random.Random, prefixes: tuple[str, ...]) -> bytes:
    """A stream of the corpus at some place of the server; now and then cut, or with a byte changed."""
    data = rng.choice(STREAMS).data.replace(b"/MMM", rng.choice(prefixes).encode())
    if rng.random() < 0.3:
        data = data[: rng.randrange(len(data))]
    elif rng.random() < 0.3:
        place = rng.randrange(len(data))
        data = data[:place] + bytes([rng.randrange(256)]) + data[place + 1 :]
    return data


def request_bytes(rng: random.Random, prefixes: tuple[str, ...]) -> bytes:
    """One request, or what a broken client takes for one."""
    kind = rng.random()
    if kind < 0.03:
        return _junk(rng, 200)
    if kind < 0.15:
        return _ambiguous(rng, prefixes)
    head = [
        rng.choice(METHODS)
        + b" "
        + _target(rng, prefixes)
        + b" "
        + (b"HTTP/1.1" if rng.random() < 0.9 else rng.choice((b"HTTP/1.0", b"HTTP/9.9", b"")))
    ]
    if rng.random() < 0.9:
        head.append(b"Host: " + (b"localhost" if rng.random() < 0.95 else _value(rng, 20)))
    head += [_header(rng) for _ in range(rng.choice((0, 0, 1, 1, 2, 3, 5, 20)))]
    body = b""
    if rng.random() < 0.4:
        data = _junk(rng, 300)
        if rng.random() < 0.5:
            head.append(b"Content-Length: %d" % (len(data) + rng.choice((0, 0, 0, -3, 5))))
            body = data
        else:
            head.append(b"Transfer-Encoding: chunked")
            body = b"%x\r\n%s\r\n0\r\n\r\n" % (len(data) + rng.choice((0, 0, 0, 7, -2)) % 99999, data)
    head.append(b"Connection: close")
    return (b"\n" if rng.random() < 0.03 else b"\r\n").join(head) + b"\r\n\r\n" + body


STREAMS = streams()
STATUS = re.compile(rb"HTTP/1\.[01] (\d{3}) ")


@dataclass
class Tally:
    """What came back."""

    sent: int = 0
    closed: int = 0
    statuses: dict[int, int] = field(default_factory=dict)
    wrong: list[tuple[bytes, bytes]] = field(default_factory=list)


def send(port: int, data: bytes, timeout: float = 20) -> bytes:
    """Sends a request that may end anywhere; all that is answered, up to the close."""
    answer = b""
    with socket.create_connection((HOST, port), timeout=timeout) as connection:
        try:
            connection.sendall(data)
            connection.shutdown(socket.SHUT_WR)
            while piece := connection.recv(65536):
                answer += piece
        except (ConnectionResetError, BrokenPipeError):
            pass
    return answer


def judge(data: bytes, answer: bytes, tally: Tally) -> None:
    """Counts an answer; kept are those that are neither 1xx to 4xx nor httpd's 501 or 505 nor a clean close."""
    tally.sent += 1
    if not answer:
        tally.closed += 1
        return
    found = STATUS.match(answer)
    status = int(found.group(1)) if found else 0
    tally.statuses[status] = tally.statuses.get(status, 0) + 1
    # A request line without a version is HTTP/0.9: the answer is a page without a head.
    simple = status == 0 and b" HTTP/" not in data.lstrip().partition(b"\n")[0]
    good = 100 <= status < 500 or status in (501, 505) or simple
    if not good:
        tally.wrong.append((data, answer[:500]))


def storm(port: int, seed: int, prefixes: tuple[str, ...]) -> Iterator[Tally]:
    """Requests without end, one after the other; the tally so far after each."""
    rng = random.Random(seed)
    tally = Tally()
    while True:
        data = request_bytes(rng, prefixes)
        judge(data, send(port, data), tally)
        yield tally
