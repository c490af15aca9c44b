# SPDX-License-Identifier: Apache-2.0
"""Byte streams that two HTTP parsers may take apart differently, and what httpd makes of each.

Each stream is a first request and, behind it or inside its body, a second one that only a parser
that was led astray sees. ONE and TWO are the targets of the two. The texts are our own; the classes
(CL.TE, TE.CL, TE.TE, ambiguous lengths, line ends, chunk sizes, trailers, request lines, hosts,
upgrades) are those publicly known. Sizes count the placeholders, which keep their length when filled in.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from enum import Enum

ONE = b"/MMM/NNNNNNNN/one"
TWO = b"/MMM/NNNNNNNN/two"
HOST = b"Host: localhost\r\n"
SECOND = b"GET " + TWO + b" HTTP/1.1\r\n" + HOST + b"Connection: close\r\n\r\n"
BODY = b"AAAAA"


class Seen(Enum):
    """What is made of a stream."""

    REFUSED = "the first request is refused, and what follows is never looked at"
    ALONE = "the first request is served; the rest is its body or never looked at"
    BROKEN = "the body cannot be read: refused, or the application's read fails; nothing after it"
    THEN_REFUSED = "the first request is served, what follows is refused"
    BOTH = "the second one is a pipelined request in its own right"
    ELSEWHERE = "httpd itself answers, and so it does with the second request"


@dataclass(frozen=True)
class Stream:
    """One connection's bytes."""

    name: str
    data: bytes
    seen: Seen
    body: bytes = b""  # of the first request, when it is served
    by_us: bool = False  # refused by the module; httpd alone would understand it

    @property
    def expects(self) -> bool:
        """Whether the client waits for 100 Continue."""
        head = self.data.partition(b"\r\n\r\n")[0]
        return head.lower().endswith(b"\r\nexpect: 100-continue") and b" HTTP/1.0" not in head

    @property
    def method(self) -> bytes:
        """The first word."""
        return self.data.split(maxsplit=1)[0]

    def __str__(self) -> str:
        return self.name


def request(
    *fields: bytes, body: bytes = b"", start: bytes = b"POST " + ONE + b" HTTP/1.1", host: bytes = HOST
) -> bytes:
    """A first request; fields come without their line ends."""
    return start + b"\r\n" + host + b"".join(field + b"\r\n" for field in fields) + b"\r\n" + body


def chunked(*lines: bytes) -> bytes:
    """A chunked first request with this body."""
    return request(b"Transfer-Encoding: chunked", body=b"".join(lines))


def length_of(data: bytes) -> bytes:
    """A Content-Length field."""
    return b"Content-Length: %d" % len(data)


# ---- Content-Length against Transfer-Encoding -------------------------------------------------

END = b"0\r\n\r\n"
CHUNK = b"5\r\n" + BODY + b"\r\n"

CODINGS = (
    b"Transfer-Encoding: chunked",
    b"transfer-encoding: chunked",
    b"TRANSFER-ENCODING: CHUNKED",
    b"Transfer-Encoding:chunked",
    b"Transfer-Encoding:\tchunked",
    b"Transfer-Encoding:  \t chunked \t ",
    b"Transfer-Encoding: cHuNkEd",
)
# Not understood, or not surely: to be refused, whatever the length says.
DOUBTFUL_CODINGS = (
    b"Transfer-Encoding: xchunked",
    b"Transfer-Encoding: chunkedx",
    b"Transfer-Encoding: chunk",
    b"Transfer-Encoding: identity",
    b"Transfer-Encoding: chunked, identity",
    b"Transfer-Encoding: chunked, gzip",
    b"Transfer-Encoding: gzip",
    b"Transfer-Encoding: cow",
    b'Transfer-Encoding: "chunked"',
    b"Transfer-Encoding: 'chunked'",
    b"Transfer-Encoding: [chunked]",
    b"Transfer-Encoding: chunked\xa0",
    b"Transfer-Encoding: \xa0chunked",
    b"Transfer-Encoding: \xefchunked",
    b"Transfer-Encoding: chunked;q=0.5",
    b"Transfer-Encoding: chunked; chunked",
    b"Transfer-Encoding: chun ked",
    b"Transfer-Encoding: chunked\r\nTransfer-Encoding: identity",
    b"Transfer-Encoding: chunked\r\nTransfer-Encoding: cow",
)
# Refused as a head already; Unsafe may let them through.
MALFORMED_CODINGS = (
    b"Transfer-Encoding : chunked",
    b"Transfer-Encoding\t: chunked",
    b" Transfer-Encoding: chunked",
    b"\tTransfer-Encoding: chunked",
    b"Transfer-Encoding: \x0bchunked",
    b"Transfer-Encoding: chunked\x0b",
    b"Transfer-Encoding: \x0cchunked",
    b"Transfer-Encoding: \x00chunked",
    b"Transfer-Encoding: chunked\x00",
    b"Transfer-Encoding\x00: chunked",
    b"Transfer-Encoding\x0b: chunked",
    b"\x0bTransfer-Encoding: chunked",
    b"Transfer Encoding: chunked",
    b"Transfer-Encoding chunked",
    b"Transfer-Encoding\r\n : chunked",
    b"X: y\rTransfer-Encoding: chunked",
    b"Transfer-Encoding: chunked\rX: y",
    b"Transfer-Encoding: \rchunked",
    b"(Transfer-Encoding): chunked",
    b"Transfer-Encoding\xff: chunked",
    b"\x7fTransfer-Encoding: chunked",
)


def codings() -> Iterator[Stream]:
    """CL.TE, TE.CL and TE.TE: each spelling with a length that covers everything, and with one too short."""
    rest = END + SECOND
    for field in CODINGS:
        yield Stream(f"CL.TE {field!r}", request(length_of(rest), field, body=rest), Seen.ALONE)
        inside = b"%x\r\n" % len(SECOND) + SECOND + b"\r\n" + END
        yield Stream(f"TE.CL {field!r}", request(b"Content-Length: 4", field, body=inside), Seen.ALONE, SECOND)
        yield Stream(f"chunked, then another {field!r}", request(field, body=CHUNK + END + SECOND), Seen.BOTH, BODY)
    for field in DOUBTFUL_CODINGS:
        yield Stream(f"doubtful CL.TE {field!r}", request(length_of(rest), field, body=rest), Seen.REFUSED)
        yield Stream(f"doubtful TE.CL {field!r}", request(field, b"Content-Length: 0", body=rest), Seen.REFUSED)
        yield Stream(f"doubtful alone {field!r}", request(field, body=rest), Seen.REFUSED)
    for field in MALFORMED_CODINGS:
        yield Stream(f"malformed CL.TE {field!r}", request(length_of(rest), field, body=rest), Seen.REFUSED)
        yield Stream(f"malformed alone {field!r}", request(field, body=rest), Seen.REFUSED)
    for value in (b"chunked,", b",chunked", b", ,chunked", b"chunked, chunked", b"identity, chunked", b"gzip, chunked"):
        field = b"Transfer-Encoding: " + value
        yield Stream(f"list {value!r}", request(field, body=rest), Seen.REFUSED, by_us=value != b"chunked,")
    for fields in (
        (b"Transfer-Encoding: identity", b"Transfer-Encoding: chunked"),
        (b"Transfer-Encoding: chunked", b"Transfer-Encoding: chunked"),
        (b"Transfer-Encoding:", b"Transfer-Encoding: chunked"),
        (b"Transfer-Encoding: x", b"Transfer-Encoding: chunked"),
    ):
        yield Stream(f"two fields {fields}", request(*fields, body=rest), Seen.REFUSED, by_us=True)
    yield Stream("empty coding", request(b"Transfer-Encoding:", length_of(BODY), body=BODY + SECOND), Seen.REFUSED)
    folded = b"Transfer-Encoding:\r\n chunked"
    yield Stream("folded coding", request(folded, body=CHUNK + END + SECOND), Seen.BOTH, BODY)
    start = b"POST " + ONE + b" HTTP/1.0"
    old = request(b"Transfer-Encoding: chunked", b"Connection: keep-alive", start=start, body=CHUNK + END + SECOND)
    yield Stream("chunked in HTTP/1.0", old, Seen.BOTH, BODY)


# ---- lengths ----------------------------------------------------------------------------------

GOOD_LENGTHS = (b"5", b"05", b"0000000000000000005", b" 5", b"\t5", b"5 \t ", b"5\t")
BAD_LENGTHS = (
    *(b"", b" ", b"+5", b"-5", b"-0", b"--5", b"5,5", b"5, 5", b"5,6", b"6, 5", b"5 5", b"5;", b"5;q=1", b"5.", b"5.0"),
    *(b"5e0", b"0x5", b"x5", b"5x", b"5h", b'"5"', b"'5'", b"[5]", b"five", b"nan", b"inf", b"5_0", b"0b101", b"0o5"),
    *(b"\xb25", b"5\xa0", b"\xa05", b"\xef\xbc\x95", b"\xe2\x82\x85", b"%35", b"$5", b"5%00", b"9223372036854775808"),
    *(b"18446744073709551616", b"18446744073709551621", b"4294967296,5", b"9" * 30, b"-9223372036854775808", b"1e999"),
)
CONTROL_LENGTHS = (b"5\x00", b"\x005", b"5\x0b", b"\x0b5", b"5\x0c", b"5\r", b"5\r0", b"5\x7f", b"5\x1b", b"5\x08")


def lengths() -> Iterator[Stream]:
    """Lengths that one parser takes for five and another for nothing, and the reverse."""
    rest = BODY + SECOND
    for value in GOOD_LENGTHS:
        yield Stream(f"length {value!r}", request(b"Content-Length:" + value, body=rest), Seen.BOTH, BODY)
    for value in BAD_LENGTHS:
        yield Stream(f"bad length {value!r}", request(b"Content-Length: " + value, body=rest), Seen.REFUSED)
    for value in CONTROL_LENGTHS:
        yield Stream(f"control in length {value!r}", request(b"Content-Length: " + value, body=rest), Seen.REFUSED)
    for pair in ((b"5", b"5"), (b"5", b"6"), (b"0", b"5"), (b"5", b"0"), (b"5", b""), (b"", b"5"), (b"5", b"05")):
        fields = [b"Content-Length: " + value for value in pair]
        yield Stream(f"two lengths {pair}", request(*fields, body=rest), Seen.REFUSED)
    for field in (b"Content-Length : 5", b"Content-Length\t: 5", b" Content-Length: 5", b"Content-Length\x00: 5"):
        yield Stream(f"field {field!r}", request(field, body=rest), Seen.REFUSED)
        yield Stream(f"none and {field!r}", request(b"Content-Length: 0", field, body=rest), Seen.REFUSED)
    for field in (b"Content_Length: 5", b"Content.Length: 5", b"X-Content-Length: 5", b"Content-Length-: 5"):
        yield Stream(f"look-alike {field!r}", request(b"Content-Length: 0", field, body=SECOND), Seen.BOTH)
    yield Stream("folded length", request(b"Content-Length:\r\n 5", body=rest), Seen.BOTH, BODY)
    yield Stream("length of two lines", request(b"Content-Length: 5\r\n 6", body=rest), Seen.REFUSED)
    yield Stream("no length", request(body=SECOND), Seen.BOTH)
    yield Stream("too long for what comes", request(b"Content-Length: 99999", body=rest), Seen.BROKEN)
    yield Stream("the second is the body", request(length_of(SECOND), body=SECOND), Seen.ALONE, SECOND)
    get = b"GET " + ONE + b" HTTP/1.1"
    yield Stream("GET with a body", request(length_of(BODY), start=get, body=rest), Seen.BOTH, BODY)
    yield Stream(
        "GET with chunks", request(b"Transfer-Encoding: chunked", start=get, body=CHUNK + END + SECOND), Seen.BOTH, BODY
    )
    head = b"HEAD " + ONE + b" HTTP/1.1"
    yield Stream("HEAD with a body", request(length_of(SECOND), start=head, body=SECOND), Seen.ALONE, SECOND)
    for method in (b"DELETE", b"OPTIONS", b"PATCH", b"PURGE", b"POST"):
        start = method + b" " + ONE + b" HTTP/1.1"
        yield Stream(
            f"{method.decode()} with a body", request(length_of(SECOND), start=start, body=SECOND), Seen.ALONE, SECOND
        )


# ---- lines ------------------------------------------------------------------------------------


def lines() -> Iterator[Stream]:
    """Line ends, folds, controls and names."""
    rest = BODY + SECOND
    five = length_of(BODY)
    bare = request(five, body=b"").replace(b"\r\n", b"\n") + rest
    yield Stream("bare LF in the head", bare, Seen.REFUSED, BODY)
    yield Stream("one bare LF", request(b"X: y\nContent-Length: 5", body=rest), Seen.REFUSED, BODY)
    yield Stream("bare CR in the head", request(five).replace(b"\r\n", b"\r") + rest, Seen.REFUSED)
    yield Stream("empty line of LF", request(five)[:-2] + b"\n" + rest, Seen.REFUSED, BODY)
    yield Stream("CR CR LF", request(b"X: y\r\r\nContent-Length: 5", body=rest), Seen.REFUSED)
    yield Stream("LF CR", request(b"X: y\n\rContent-Length: 5", body=rest), Seen.REFUSED)
    yield Stream("fold", request(b"X: a\r\n b\r\n\tc", five, body=rest), Seen.BOTH, BODY)
    yield Stream("fold first", request(b" X: a", host=b"", body=rest), Seen.REFUSED)
    yield Stream("fold of blanks", request(b"X: a\r\n    \r\nContent-Length: 5", body=rest), Seen.REFUSED, BODY)
    for field in (
        *(b": no name", b"no colon", b"X y: z", b"X\x00y: z", b"X: a\x00b", b"X: a\x0bb", b"X: a\x7fb", b"X: a\rb"),
        *(
            b"X\xe9: y",
            b"X\x01: y",
            b"(X): y",
            b"X,Y: z",
            b"X;: z",
            b"{X}: z",
            b'"X": y',
            b"X=y: z",
            b"X@y: z",
            b"\x00",
        ),
        *(b"X\r: y", b"<X>: y", b"X\\: y", b"X/y: z", b"X?: z", b"X: \x1b[31m"),
    ):
        yield Stream(f"field {field!r}", request(five, field, body=rest), Seen.REFUSED)
    for field in (
        b"X: \xff\xfe",
        b"X: caf\xe9",
        b"X: \t",
        b"X:",
        b"X: a\tb",
        b"X!#$%&'*+-.^_`|~9: y",
        b"9: y",
        b"-: y",
    ):
        yield Stream(f"odd but right {field!r}", request(five, field, body=rest), Seen.BOTH, BODY)
    yield Stream("field of 9000 bytes", request(b"X: " + b"y" * 9000, body=SECOND), Seen.REFUSED)
    yield Stream("101 fields", request(*[b"X-%d: y" % number for number in range(101)], body=SECOND), Seen.REFUSED)
    yield Stream("name of 9000 bytes", request(b"x" * 9000 + b": y", body=SECOND), Seen.REFUSED)
    yield Stream("head without end", request(b"X: y")[:-2], Seen.REFUSED)


# ---- chunks -----------------------------------------------------------------------------------

GOOD_SIZES = (
    b"5",
    b"05",
    b"0" * 9 + b"5",
    b"5;ext",
    b"5;a=b;c",
    b'5;a="b"',
    b'5;a="b;c"',
    b"5 ",
    b"5\t",
    b"5 ;a",
    b"5\t;a",
    b"5;" + b"x" * 500,
)
BAD_SIZES = (
    *(
        b"",
        b" ",
        b"+5",
        b"-5",
        b"0x5",
        b"0X5",
        b"g",
        b"5g",
        b"5 5",
        b"5,5",
        b"5.0",
        b"\xb25",
        b"5\x00",
        b"\x005",
        b"5\r",
    ),
    *(b"5\x0b", b"\x0b5", b"\x0c5", b"five", b'"5"', b"10000000000000005", b"8000000000000000", b"ffffffffffffffff"),
    *(
        b"fffffffffffffffb",
        b"7fffffffffffffffff",
        b"1" * 40,
        b"f" * 5000,
        b";5",
        b"=5",
        b"5;\x00",
        b"5;a=\x7f",
        b"5;a\rb",
    ),
)


def chunks() -> Iterator[Stream]:
    """Chunk sizes, extensions, ends."""
    for size in GOOD_SIZES:
        yield Stream(f"size {size[:30]!r}", chunked(size, b"\r\n", BODY, b"\r\n", END, SECOND), Seen.BOTH, BODY)
    for size in BAD_SIZES:
        yield Stream(f"bad size {size[:30]!r}", chunked(size, b"\r\n", BODY, b"\r\n", END, SECOND), Seen.BROKEN)
    for size in (b" 5", b"\t5"):
        yield Stream(f"blank at size {size!r}", chunked(size, b"\r\n", BODY, b"\r\n", END, SECOND), Seen.BROKEN)
    for size in (b"7fffffffffffffff", b"7ffffffffffffff0", b"ffffffff", b"100000005", b"80000000"):
        yield Stream(f"more than comes {size!r}", chunked(size, b"\r\n", BODY, b"\r\n", END, SECOND), Seen.BROKEN)
    yield Stream("size ends in LF", chunked(b"5\n", BODY, b"\r\n", END, SECOND), Seen.BROKEN)
    yield Stream("chunk ends in LF", chunked(b"5\r\n", BODY, b"\n", END, SECOND), Seen.BROKEN)
    yield Stream("last chunk ends in LF", chunked(CHUNK, b"0\n\n", SECOND), Seen.BROKEN)
    yield Stream("LF in a quoted extension", chunked(b'5;a="\n0\r\n\r\n"\r\n', BODY, b"\r\n", END, SECOND), Seen.BROKEN)
    yield Stream(
        "CR LF in a quoted extension", chunked(b'5;a="\r\n0\r\n\r\n"\r\n', BODY, b"\r\n", END, SECOND), Seen.BROKEN
    )
    yield Stream("escape in a quoted extension", chunked(b'5;a="\\""\r\n', BODY, b"\r\n", END, SECOND), Seen.BOTH, BODY)
    yield Stream("data longer than the size", chunked(b"3\r\n", BODY, b"\r\n", END, SECOND), Seen.BROKEN)
    yield Stream("data shorter than the size", chunked(b"7\r\n", BODY, b"\r\n", END, SECOND), Seen.BROKEN)
    yield Stream("no end of the chunk", chunked(b"5\r\n", BODY, END, SECOND), Seen.BROKEN)
    yield Stream("CR alone after the chunk", chunked(b"5\r\n", BODY, b"\r", END, SECOND), Seen.BROKEN)
    yield Stream("two bytes instead of CR LF", chunked(b"5\r\n", BODY, b"XX", END, SECOND), Seen.BROKEN)
    yield Stream("no last chunk", chunked(CHUNK), Seen.BROKEN)
    yield Stream("no last chunk, then another", chunked(CHUNK, SECOND), Seen.BROKEN)
    yield Stream("half a last chunk", chunked(CHUNK, b"0\r\n"), Seen.BROKEN)
    yield Stream("long zero", chunked(CHUNK, b"0" * 16, b"\r\n\r\n", SECOND), Seen.BOTH, BODY)
    yield Stream("zero with an extension", chunked(CHUNK, b"0;a=b\r\n\r\n", SECOND), Seen.BOTH, BODY)
    yield Stream("negative zero", chunked(CHUNK, b"-0\r\n\r\n", SECOND), Seen.BROKEN)
    yield Stream("nothing at all", chunked(b""), Seen.BROKEN)
    yield Stream("only an empty line", chunked(b"\r\n", SECOND), Seen.BROKEN)
    yield Stream("bytes one by one", chunked(b"1\r\nA\r\n" * 5, END, SECOND), Seen.BOTH, BODY)
    yield Stream("a request as chunk size", chunked(CHUNK, SECOND, END), Seen.BROKEN)
    yield Stream("the end inside a chunk", chunked(b"5\r\n", END, b"\r\n", END, SECOND), Seen.BOTH, END)


def trailers() -> Iterator[Stream]:
    """Fields behind the last chunk: those of the head are not touched by them."""
    for field in (
        *(b"X-Trailer: yes", b"Content-Length: 999", b"Transfer-Encoding: chunked", b"Transfer-Encoding: identity"),
        *(
            b"Host: evil.invalid",
            b"Proxy: http://evil.invalid",
            b"X-Forwarded-For: 1.2.3.4",
            b"Authorization: Basic eDp5",
        ),
        *(
            b"Connection: close, Host",
            b"Trailer: Trailer",
            b"Cookie: a=b",
            b"Expect: 100-continue",
            b"Content-Type: a/b",
        ),
    ):
        data = chunked(CHUNK, b"0\r\n", field, b"\r\n\r\n", SECOND)
        yield Stream(f"trailer {field!r}", data, Seen.BOTH, BODY)
    for field in (
        b"no colon",
        b": no name",
        b"X Y: z",
        b"X : y",
        b"X: a\x00b",
        b"\x00",
        b"X: " + b"y" * 9000,
        b"X: a\rb",
    ):
        data = chunked(CHUNK, b"0\r\n", field, b"\r\n\r\n", SECOND)
        yield Stream(f"bad trailer {field[:20]!r}", data, Seen.BROKEN)
    many = b"".join(b"X-%d: y\r\n" % number for number in range(300))
    yield Stream("300 trailers", chunked(CHUNK, b"0\r\n", many, b"\r\n", SECOND), Seen.BROKEN)
    yield Stream("folded trailer", chunked(CHUNK, b"0\r\nX: a\r\n b\r\n\r\n", SECOND), Seen.BOTH, BODY)
    yield Stream("a request as trailer", chunked(CHUNK, b"0\r\n", SECOND), Seen.BROKEN)
    yield Stream("half a trailer", chunked(CHUNK, b"0\r\nX: a"), Seen.BROKEN)


# ---- request lines, hosts, upgrades -----------------------------------------------------------


def starts() -> Iterator[Stream]:
    """First lines."""
    for line in (
        *(b"POST " + ONE, b"POST " + ONE + b" ", b"POST " + ONE + b" HTTP/0.9"),
        *(b"POST " + ONE + b" http/1.1", b"POST " + ONE + b" HTTP/01.1"),
        *(b"POST " + ONE + b" HTTP/1.1 ", b"POST " + ONE + b" HTTP/1.1x", b"POST " + ONE + b" HTTP/1.10"),
        *(
            b"POST " + ONE + b" HTTP/11",
            b"POST " + ONE + b" HTTP/1",
            b"POST " + ONE + b" HTTP/-1.1",
            b"POST " + ONE + b" XTTP/1.1",
        ),
        *(b"POST " + ONE + b" HTTP/1.1 HTTP/1.1", b"POST  " + ONE + b" HTTP/1.1", b"POST " + ONE + b"  HTTP/1.1"),
        *(b"POST\t" + ONE + b"\tHTTP/1.1", b"POST\x0b" + ONE + b" HTTP/1.1", b" POST " + ONE + b" HTTP/1.1"),
        *(b"POST" + ONE + b" HTTP/1.1", b"PO ST " + ONE + b" HTTP/1.1", b"P\x00ST " + ONE + b" HTTP/1.1"),
        *(b"POST " + ONE + b"\x00 HTTP/1.1", b"POST " + ONE + b"\x7f HTTP/1.1", b"POST " + ONE + b"\t HTTP/1.1"),
        *(b"P(ST " + ONE + b" HTTP/1.1", b"\xe9OST " + ONE + b" HTTP/1.1", b"POST one HTTP/1.1", b"POST"),
        *(b"POST  HTTP/1.1", b"HTTP/1.1", b"POST " + ONE + b"\r HTTP/1.1", b"POST " + ONE + b"a" * 9000 + b" HTTP/1.1"),
        *(b"X" * 9000 + b" " + ONE + b" HTTP/1.1", b"PRI * HTTP/2.0", b"POST " + ONE + b" HTTP/9999999999.1"),
        *(b"POST " + ONE + b"%zz HTTP/1.1", b"POST /../../../../etc/passwd HTTP/1.1"),
        *(b"POST /%2e%2e/%2e%2e/etc/passwd HTTP/1.1", b"POST " + ONE + b"#fragment HTTP/1.1", b"POST * HTTP/1.1"),
    ):
        yield Stream(
            f"line {line[:60]!r} {len(line)}", request(length_of(BODY), start=line, body=BODY + SECOND), Seen.REFUSED
        )
    for line in (
        *(
            b"POST ? HTTP/1.1",
            b"POST " + ONE + b"%00 HTTP/1.1",
            b"POST " + ONE + b"%2f HTTP/1.1",
            b"POST /.%00./x HTTP/1.1",
        ),
        *(b"CONNECT localhost:80 HTTP/1.1", b"OPTIONS * HTTP/1.1", b"TRACE " + ONE + b" HTTP/1.1"),
    ):
        rest = SECOND if line.startswith(b"TRACE") else BODY + SECOND
        yield Stream(f"line {line!r}", request(length_of(rest[: -len(SECOND)]), start=line, body=rest), Seen.ELSEWHERE)
    for version in (b"1.2", b"1.9", b"2.0", b"3.0", b"9.9"):
        start = b"POST " + ONE + b" HTTP/" + version
        yield Stream(f"version {version!r}", request(length_of(BODY), start=start, body=BODY + SECOND), Seen.BOTH, BODY)
    for line in (b"POST " + ONE + b"?a=%00%0d%0a HTTP/1.1", b"POST /." + ONE + b" HTTP/1.1"):
        yield Stream(f"line {line!r}", request(length_of(BODY), start=line, body=BODY + SECOND), Seen.BOTH, BODY)
    for line in (
        b"POST //" + ONE[1:] + b" HTTP/1.1",
        b"POST /x/%2e%2e" + ONE + b" HTTP/1.1",
        b"POST " + ONE + b"?\xff\xe9 HTTP/1.1",
    ):
        yield Stream(f"line {line!r}", request(length_of(BODY), start=line, body=BODY + SECOND), Seen.BOTH, BODY)
    yield Stream("LF before it", b"\n" + request(length_of(BODY), body=BODY + SECOND), Seen.REFUSED)
    for before in (b"\r\n", b"\r\n\r\n"):
        yield Stream(f"before it {before!r}", before + request(length_of(BODY), body=BODY + SECOND), Seen.BOTH, BODY)
    post = b"post " + ONE + b" HTTP/1.1"
    yield Stream("method in lower case", request(length_of(BODY), start=post, body=BODY + SECOND), Seen.BOTH, BODY)


def hosts() -> Iterator[Stream]:
    """Whose request it is."""
    rest = BODY + SECOND
    five = length_of(BODY)
    for host in (
        *(
            b"",
            b"Host:\r\n",
            b"Host: a b\r\n",
            b"Host: evil.invalid/x\r\n",
            b"Host: u@evil.invalid\r\n",
            b"Host: a\x00b\r\n",
            b"Host : a\r\n",
        ),
        *(
            b"Host: localhost:x\r\n",
            b"Host: localhost:99999\r\n",
            b"Host: [::1\r\n",
            b"Host: [x]\r\n",
            b"Host: a,b\r\n",
        ),
        *(b"Host: a\r\nHost: b\r\n", b"Host: a\r\n b\r\n", b"Host: \xe9\r\n", b"Host: a?b\r\n", b"Host: a#b\r\n"),
        *(b"Host: a..b\r\n", b"Host: :80\r\n", b"Host: a\\b\r\n", b"Host: <a>\r\n"),
    ):
        yield Stream(f"host {host!r}", request(five, host=host, body=rest), Seen.REFUSED)
    for host in (b"Host: [::1]:80\r\n", b"Host: a_b\r\n", b"Host: LOCALHOST.\r\n", b"Host: localhost:1\r\n"):
        yield Stream(f"host {host!r}", request(five, host=host, body=rest), Seen.BOTH, BODY)
    for target in (
        b"http://localhost" + ONE,
        b"http://evil.invalid" + ONE,
        b"HTTP://localhost:80" + ONE,
        b"http:" + ONE,
        b"http://" + ONE,
    ):
        start = b"POST " + target + b" HTTP/1.1"
        yield Stream(f"absolute {target!r}", request(five, start=start, body=rest), Seen.BOTH, BODY)
    for target in (b"http://u:p@localhost" + ONE, b"http://a b" + ONE, b"x:" + ONE, b"http://a\x00" + ONE):
        start = b"POST " + target + b" HTTP/1.1"
        yield Stream(f"absolute {target!r}", request(five, start=start, body=rest), Seen.REFUSED)
    old = b"POST " + ONE + b" HTTP/1.0"
    yield Stream("HTTP/1.0 without a host", request(five, host=b"", start=old, body=rest), Seen.ALONE, BODY)
    keep = request(five, b"Connection: keep-alive", host=b"", start=old, body=rest)
    yield Stream("HTTP/1.0 that stays", keep, Seen.BOTH, BODY)


def upgrades() -> Iterator[Stream]:
    """Connection, Upgrade, Expect, TE."""
    rest = BODY + SECOND
    five = length_of(BODY)
    settings = b"HTTP2-Settings: AAMAAABkAARAAAAAAAIAAAAA"
    for fields in (
        (b"Connection: Upgrade, HTTP2-Settings", b"Upgrade: h2c", settings),
        (
            b"Connection: Upgrade",
            b"Upgrade: websocket",
            b"Sec-WebSocket-Version: 13",
            b"Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==",
        ),
        (b"Connection: HTTP2-Settings", b"Upgrade: h2c", settings),
        (b"Connection: Upgrade", b"Upgrade: TLS/1.0"),
        (b"Upgrade: " + b"h2c, " * 300,),
        (b"Connection: Content-Length",),
        (b"Connection: Transfer-Encoding, Host, Connection",),
        (b"Connection: keep-alive, X", b"X: y"),
        (b"TE: trailers, chunked",),
        (b"TE: chunked;q=\x22\x22",),
        (b"Proxy-Connection: close",),
        (b"Keep-Alive: timeout=999999, max=0",),
        (b"Trailer: Content-Length",),
        (b"Content-Encoding: gzip",),
        (b"X-HTTP-Method-Override: DELETE",),
    ):
        yield Stream(f"{fields}"[:80], request(five, *fields, body=rest), Seen.BOTH, BODY)
    yield Stream("close, then another", request(five, b"Connection: close", body=rest), Seen.ALONE, BODY)
    yield Stream("close in a list", request(five, b"Connection: keep-alive, close", body=rest), Seen.ALONE, BODY)
    yield Stream("expect", request(five, b"Expect: 100-continue", body=rest), Seen.BOTH, BODY)
    yield Stream(
        "expect with chunks",
        request(b"Transfer-Encoding: chunked", b"Expect: 100-Continue", body=CHUNK + END + SECOND),
        Seen.BOTH,
        BODY,
    )
    yield Stream("expect something else", request(five, b"Expect: 200-ok", body=rest), Seen.REFUSED)
    yield Stream("expect twice", request(five, b"Expect: 100-continue, 100-continue", body=rest), Seen.REFUSED)
    yield Stream(
        "expect in HTTP/1.0",
        request(five, b"Expect: 100-continue", start=b"POST " + ONE + b" HTTP/1.0", body=rest),
        Seen.ALONE,
        BODY,
    )


def behind() -> Iterator[Stream]:
    """A good request, and bad ones behind it."""
    one = request(length_of(BODY), body=BODY)
    for name, second in (
        ("junk", b"\x00\x01\x02\xff" * 20 + b"\r\n\r\n"),
        ("a bad length", SECOND.replace(b"Connection", b"Content-Length: x\r\nConnection")),
        ("both lengths", SECOND.replace(b"Connection", b"Transfer-Encoding: cow\r\nConnection")),
        ("no host", SECOND.replace(HOST, b"")),
        ("a bad version", SECOND.replace(b"HTTP/1.1", b"HTTP/0.7")),
        ("a blank in front", b" " + SECOND),
    ):
        yield Stream(f"behind: {name}", one + second, Seen.THEN_REFUSED, BODY)
    yield Stream("behind: half a head", one + SECOND[:-4], Seen.THEN_REFUSED, BODY)
    yield Stream("behind: only line ends", one + b"\r\n\r\n", Seen.ALONE, BODY)
    yield Stream("behind: line ends and another", one + b"\r\n" + SECOND, Seen.BOTH, BODY)


def streams() -> list[Stream]:
    """All of them."""
    groups = (codings, lengths, lines, chunks, trailers, starts, hosts, upgrades, behind)
    return [stream for group in groups for stream in group()]
