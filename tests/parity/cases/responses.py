# SPDX-License-Identifier: Apache-2.0
"""4.7: start_response, what is sent, and what becomes of headers.

The query of a request is the body of the application (apps/answer.wsgi), so that each case shows what it is about.
"""

from __future__ import annotations

from typing import Any
from urllib.parse import quote

from harness import RawConnection, Server, exchange, wait_until

from parity.model import BOTH, DAEMON, EMBEDDED, Act, Ask, Case, Site
from parity.tables import app

HANGS = 2.0  # a client of 6.1.1 that waits for bytes which do not come

SITES = (
    Site(
        "responses",
        "@DELEGATE@\nWSGIApplicationGroup %{GLOBAL}\n"
        "WSGIScriptAlias /gone @ROOT@/w/gone.wsgi\nWSGIScriptAlias /broken @ROOT@/w/broken.wsgi\n"
        "WSGIScriptAlias /raises @ROOT@/w/raises.wsgi\nWSGIScriptAlias /empty @ROOT@/w/empty.wsgi\n"
        "WSGIScriptAlias / @ROOT@/w/answer.wsgi\n"
        "<Location /doc>\nErrorDocument 500 /?start_response('200%20OK',PLAIN);return[b'document']\n"
        "ErrorDocument 401 /?start_response('200%20OK',PLAIN);return[b'document']\n</Location>\n"
        "<Location /own>\nErrorDocument 401 /?start_response('200%20OK',PLAIN);return[b'document']\n"
        "WSGIErrorOverride On\n</Location>\n",
        files={
            "w/answer.wsgi": app("answer.wsgi"),
            "w/broken.wsgi": "def application(:\n",
            "w/raises.wsgi": "raise ValueError('while it is loaded')\n",
            "w/empty.wsgi": "\n",
        },
    ),
    Site(
        "long-heads",
        "WSGIDaemonProcess app header-buffer-size=8192\nWSGIProcessGroup app\n"
        "WSGIScriptAlias / @ROOT@/w/answer.wsgi\nWSGIApplicationGroup %{GLOBAL}\n",
        modes=DAEMON,
        files={"w/answer.wsgi": app("answer.wsgi")},
    ),
)

PLAIN = 'start_response("200 OK", PLAIN)\n'
WRITE = 'write = start_response("200 OK", PLAIN)\n'


def ask(code: str, **more: Any) -> Ask:
    """A request whose application has this body."""
    path = more.pop("path", "/")
    return Ask(f"{path}?{quote(code)}", **more)


def line(code: str, version: str = "1.1", method: str = "GET") -> Ask:
    """The same, and all bytes of the answer count."""
    return Ask(raw=f"{method} /?{quote(code)} HTTP/{version}\r\nHost: x\r\nConnection: close\r\n\r\n")


def case(name: str, rows: str, code: str, status: int | str | None = 200, *, path: str = "/", **more: Any) -> Case:
    """One case of this site; `rows` without their section."""
    wait = {"timeout": HANGS} if status == "timeout" else {}
    asked = more.pop("ask", None) or ask(code, path=path, method=more.pop("method", "GET"), **wait)
    modes = more.get("modes", BOTH)
    suffix = f", {modes[0]}" if len(modes) == 1 else ""
    site = more.pop("site", "responses")
    return Case(f"4.7 {name}{suffix}", tuple(f"4.7-{row}" for row in rows.split()), site, asked, status, **more)


# ---- what start_response says ----------------------------------------------------------------

# Arguments, the exception of 6.1.1 ("taken": none), and the difference when ours is another.
ARGUMENTS: tuple[tuple[str, str, str, str], ...] = (
    ("status-type", 'b"200 OK", []', "TypeError", ""),
    ("status-type", "200, []", "TypeError", ""),
    ("status-type", "None, []", "TypeError", ""),
    ("status-type", 'Text("200 OK"), []', "taken", ""),
    ("headers-list", '"200 OK", ()', "TypeError", ""),
    ("headers-list", '"200 OK", {}', "TypeError", ""),
    ("headers-list", '"200 OK", iter([])', "TypeError", ""),
    ("headers-list", '"200 OK", None', "TypeError", ""),
    ("headers-list", '"200 OK", List([("X-A", "b")])', "taken", ""),
    ("headers-list", '"200 OK"', "TypeError", ""),
    ("headers-list", '"200 OK", [], None, None', "TypeError", ""),
    ("exc-info-type", '"200 OK", [], 7', "RuntimeError", ""),
    ("exc-info-type", '"200 OK", [], [None, None, None]', "RuntimeError", ""),
    ("exc-info-type", '"200 OK", [], None', "taken", ""),
    ("exc-info-type", '"200 OK", [], (None, None, None)', "taken", ""),
    ("exc-info-type", '"200 OK", [], sys.exc_info()', "taken", ""),
    ("exc-info-type", '"200 OK", [], Tuple((None, None, None))', "taken", ""),
    ("exc-info-type", '"200 OK", [], ()', "taken", "D214"),
    ("exc-info-type", '"200 OK", [], (ValueError, ValueError("x"))', "taken", "D214"),
    ("status-form", '"", []', "ValueError", ""),
    ("status-form", '"20 OK", []', "ValueError", ""),
    ("status-form", '"2000 OK", []', "ValueError", ""),
    ("status-form", '"200OK", []', "ValueError", ""),
    ("status-form", '" 200 OK", []', "ValueError", ""),
    ("status-form", '"+20 OK", []', "ValueError", ""),
    ("status-form", r'"200\tOK", []', "ValueError", ""),
    ("status-form", '"200", []', "taken", ""),
    ("status-form", '"200 ", []', "taken", ""),
    ("status-form", '"200  OK", []', "taken", ""),
    ("status-latin-1", r'"200 \u20ac", []', "UnicodeEncodeError", ""),
    ("status-latin-1", r'"\u0662\u0660\u0660 OK", []', "UnicodeEncodeError", ""),
    ("status-latin-1", r'"200 caf\xe9", []', "taken", ""),
    ("status-latin-1", r'"200 O\x85K", []', "taken", ""),
    ("status-latin-1", r'"200 O\tK", []', "ValueError", ""),
    ("status-latin-1", r'"200 O\x01K", []', "ValueError", ""),
    ("status-latin-1", r'"200 O\x7fK", []', "ValueError", ""),
    ("status-latin-1", r'"200 OK\r\nX-A: b", []', "ValueError", ""),
    ("status-latin-1", r'"200 OK\n", []', "ValueError", ""),
    ("status-latin-1", r'"200 O\0K", []', "taken", "D210"),
    ("status-range", '"999 Odd", []', "taken", ""),
    ("status-range", '"100 Continue", []', "taken", "D209"),
    ("status-range", '"000 Odd", []', "taken", "D209"),
    ("item-tuple", '"200 OK", [["X-A", "b"]]', "TypeError", ""),
    ("item-tuple", '"200 OK", ["X-A"]', "TypeError", ""),
    ("item-tuple", '"200 OK", [None]', "TypeError", ""),
    ("item-tuple", '"200 OK", [()]', "ValueError", ""),
    ("item-tuple", '"200 OK", [("X-A",)]', "ValueError", ""),
    ("item-tuple", '"200 OK", [("X-A", "b", "c")]', "ValueError", ""),
    ("item-tuple", '"200 OK", [Tuple(("X-A",))]', "ValueError", ""),
    ("item-tuple", '"200 OK", [Tuple(("X-A", "b"))]', "taken", ""),
    ("item-tuple", '"200 OK", [Pair("X-A", "b")]', "taken", ""),
    ("item-text", '"200 OK", [(b"X-A", "b")]', "TypeError", ""),
    ("item-text", '"200 OK", [("X-A", b"b")]', "TypeError", ""),
    ("item-text", '"200 OK", [("X-A", 7)]', "TypeError", ""),
    ("item-text", '"200 OK", [("X-A", None)]', "TypeError", ""),
    ("item-text", '"200 OK", [(Text("X-A"), Text("b"))]', "taken", ""),
    ("item-text", r'"200 OK", [("X-\u20ac", "b")]', "UnicodeEncodeError", ""),
    ("item-text", r'"200 OK", [("X-A", "\u20ac")]', "UnicodeEncodeError", ""),
    ("item-text", r'"200 OK", [("X-A", "\ud800")]', "UnicodeEncodeError", ""),
    ("item-text", r'"200 OK", [("X-A", "\xe9\x85")]', "taken", ""),
    ("name-bytes", '"200 OK", [("", "b")]', "ValueError", ""),
    ("name-bytes", '"200 OK", [(" ", "b")]', "ValueError", ""),
    ("name-bytes", '"200 OK", [("X A", "b")]', "ValueError", ""),
    ("name-bytes", '"200 OK", [("X-A ", "b")]', "ValueError", ""),
    ("name-bytes", r'"200 OK", [("X\tA", "b")]', "ValueError", ""),
    ("name-bytes", r'"200 OK", [("X\x7fA", "b")]', "ValueError", ""),
    ("name-bytes", r'"200 OK", [("X-A: b\r\nX", "b")]', "ValueError", ""),
    ("name-bytes", r'"200 OK", [("X\0A", "b")]', "taken", "D210"),
    ("name-bytes", '"200 OK", [("X:A", "b")]', "taken", "D215"),
    ("name-bytes", '"200 OK", [("X(A)", "b")]', "taken", "D215"),
    ("name-bytes", r'"200 OK", [("X\xe9A", "b")]', "taken", "D215"),
    ("value-bytes", '"200 OK", [("X-A", "")]', "taken", ""),
    ("value-bytes", '"200 OK", [("X-A", " b ")]', "taken", ""),
    ("value-bytes", r'"200 OK", [("X-A", "a\tb")]', "taken", ""),
    ("value-bytes", r'"200 OK", [("X-A", "a\rb")]', "ValueError", ""),
    ("value-bytes", r'"200 OK", [("X-A", "a\nb")]', "ValueError", ""),
    ("value-bytes", r'"200 OK", [("X-A", "a\r\n b")]', "ValueError", ""),
    ("value-bytes", r'"200 OK", [("X-A", "a\0b")]', "taken", "D210"),
    ("value-bytes", r'"200 OK", [("X-A", "a\x01b")]', "taken", "D215"),
    ("value-bytes", r'"200 OK", [("X-A", "a\x7fb")]', "taken", "D215"),
    ("length-form", '"200 OK", [("Content-Length", "7")]', "taken", ""),
    ("length-form", '"200 OK", [("Content-Length", "x")]', "taken", "D216"),
    ("length-form", '"200 OK", [("Content-Length", "-1")]', "taken", "D216"),
)

START = tuple(
    case(
        f"start_response({arguments})",
        row,
        f"return tried(start_response, {arguments})",
        shows=(said,),
        accepted={"body": known} if known else {},
    )
    for row, arguments, said, known in ARGUMENTS
)

# ---- heads as they are sent --------------------------------------------------------------------


def headed(headers: str, status: str = "200 OK", body: str = '[b"x"]') -> str:
    """An application with these headers besides its type."""
    return f'start_response("{status}", [*PLAIN, {headers}])\nreturn {body}'


REFUSED = {"log": "D219"}  # one number more exact than that of any exception

HEADS = (
    *(
        case(
            f"status {status!r}",
            "status-form status-range",
            f'start_response("{status}", PLAIN)\nreturn [b"x"]',
            int(status[:3]),
        )
        for status in (
            "200",
            "200 ",
            "200  two",
            "299",
            "299 ",
            "201 Made",
            "404",
            "404 Own",
            "418",
            "500",
            "503 Own",
            "600 Six",
            "999 Odd",
        )
    ),
    case("status as latin-1", "status-latin-1", r'start_response("200 caf\xe9", PLAIN)' + '\nreturn [b"x"]'),
    case(
        "status with a tab",
        "status-latin-1",
        r'start_response("200 O\tK", PLAIN)' + "\nreturn []",
        500,
        codes=(174,),
        accepted=REFUSED,
    ),
    case("named tuples", "item-tuple", 'start_response("200 OK", List([Pair("X-A", "b"), *PLAIN]))\nreturn [b"x"]'),
    case("subclasses of str", "item-text", headed('(Text("X-A"), Text("b"))')),
    case(
        "order of headers",
        "order",
        "",
        ask=line(headed('("X-C", "1"), ("X-A", "2"), ("X-B", "3")', body='iter([b"x"])')),
    ),
    case("long value", "item-text", headed('("X-A", "b" * 30000)')),
    case(
        "many headers",
        "item-text order",
        'start_response("200 OK", PLAIN + [("X-%d" % i, "b" * i) for i in range(90)])\nreturn [b"x"]',
    ),
    case("empty and blank values", "value-bytes", headed('("X-A", " b "), ("X-E", ""), ("X-T", "a\\tb")')),
    *(
        case(
            f"control characters: {value}",
            "value-bytes",
            headed(f'("X-A", "{value}")'),
            status,
            modes=modes,
            accepted=accepted,
        )
        for value in (r"a\x01b", r"a\x7fb")
        for status, modes, accepted in (
            ("cut", EMBEDDED, {"status": "D215", "reason": "D215", "headers": "D215", "body": "D215", "log": "D215"}),
            (500, DAEMON, {"log": "D215"}),
        )
    ),
    case(
        "a colon in a name",
        "name-bytes",
        headed('("X:A", "b")'),
        modes=DAEMON,
        accepted=dict.fromkeys(("status", "reason", "headers", "body", "log"), "D215"),
    ),
    # Joined or not.
    case(
        "lines of one name",
        "duplicates-embedded",
        headed('("X-A", "1"), ("x-a", "2"), ("X-B", "3"), ("X-A", "1")'),
        modes=EMBEDDED,
    ),
    case(
        "lines of one name",
        "duplicates-daemon",
        headed('("X-A", "1"), ("x-a", "2"), ("X-B", "3"), ("X-A", "1")'),
        modes=DAEMON,
    ),
    case(
        "cookies",
        "duplicates-embedded duplicates-daemon",
        headed('("Set-Cookie", "a=1"), ("X-B", "c"), ("set-cookie", "b=2"), ("Set-Cookie", "a=1")'),
    ),
    case("Vary", "duplicates-embedded duplicates-daemon", headed('("Vary", "A"), ("Vary", "B")')),
    case(
        "Proxy-Authenticate",
        "duplicates-embedded duplicates-daemon",
        headed('("Proxy-Authenticate", "Basic"), ("Proxy-Authenticate", "Digest")'),
    ),
    case(
        "WWW-Authenticate",
        "www-authenticate",
        headed('("WWW-Authenticate", "Basic"), ("WWW-Authenticate", "Digest")', "401 No"),
        401,
    ),
    case(
        "WWW-Authenticate under an ErrorDocument",
        "www-authenticate",
        headed('("WWW-Authenticate", "Basic"), ("X-A", "b")', "401 No"),
        401,
        path="/doc",
    ),
    case(
        "WWW-Authenticate that is overridden",
        "www-authenticate",
        headed('("WWW-Authenticate", "Basic"), ("X-A", "b")', "401 No"),
        401,
        path="/own",
        modes=EMBEDDED,
    ),
    case(
        "WWW-Authenticate that is overridden",
        "www-authenticate",
        headed('("WWW-Authenticate", "Basic"), ("X-A", "b")', "401 No"),
        path="/own",
        modes=DAEMON,
    ),
    *(
        case(
            f"two {name}",
            f"single-valued {row}",
            headed(f'("{name}", "{one}"), ("{name}", "{two}")', "302 Found"),
            302,
            modes=modes,
        )
        for name, one, two in (("Location", "/a", "/b"), ("Content-Range", "bytes 0-0/2", "bytes 1-1/2"))
        for modes, row in ((EMBEDDED, "duplicates-embedded"), (DAEMON, "duplicates-daemon"))
    ),
    # Content-Type.
    case(
        "type",
        "type-embedded",
        'start_response("200 OK", [("Content-Type", "Text/HTML; Charset=UTF-8")])\nreturn [b"x"]',
        modes=EMBEDDED,
        shows=("x",),
    ),
    case(
        "type",
        "type-daemon",
        'start_response("200 OK", [("Content-Type", "Text/HTML; Charset=UTF-8")])\nreturn [b"x"]',
        modes=DAEMON,
    ),
    case(
        "type twice",
        "type-embedded type-daemon",
        'start_response("200 OK", [("Content-Type", "a/B"), ("content-type", "c/D")])\nreturn [b"x"]',
    ),
    case("empty type", "type-missing", 'start_response("200 OK", [("Content-Type", "")])\nreturn [b"x"]'),
    case("no type", "type-missing", 'start_response("200 OK", [])\nreturn [b"x"]'),
    # Other headers with a meaning of their own for httpd.
    case(
        "encoding and language",
        "order",
        headed('("Content-Encoding", "Br"), ("Content-Language", "De"), ("Expires", "0")'),
    ),
    case("Date and Server", "order", headed('("Date", "Mon, 02 Jan 2023 03:04:05 GMT"), ("Server", "mine")')),
    case(
        "hop-by-hop",
        "hop-by-hop",
        headed('("Keep-Alive", "x"), ("TE", "x"), ("Trailer", "x"), ("Upgrade", "x"), ("Proxy-Connection", "x")'),
        accepted={"headers": "D208"},
    ),
    case(
        "not hop-by-hop",
        "hop-by-hop",
        headed('("Proxy-Authenticate", "x"), ("Proxy-Authorization", "x"), ("Trailers", "x")'),
    ),
    case(
        "own chunks",
        "own-chunks",
        headed('("Transfer-Encoding", "chunked")', body=r'[b"1\r\nx\r\n0\r\n\r\n"]'),
        accepted={"body": "D208"},
    ),
)

# ---- lengths -------------------------------------------------------------------------------------

CUT = {"status": "D207", "log": "D207", "body": "D207"}


def sized(length: str, body: str) -> str:
    """An application with this Content-Length."""
    return f'write = start_response("200 OK", [*PLAIN, ("Content-Length", "{length}")])\n{body}'


LENGTHS = (
    *(
        case(f"Content-Length {length!r}", "length-form", sized(length, 'return [b"xy"]'), 200)
        for length in ("2", "002")
    ),
    case("Content-Length twice", "length-form", headed('("Content-Length", "1"), ("Content-Length", "1")')),
    *(
        case(
            f"Content-Length {length!r}",
            "length-form",
            sized(length, 'return [b"xy"]'),
            500,
            codes=(174,),
            accepted=REFUSED,
        )
        for length in ("x", "-1", "1x", "0x2", "99999999999999999999", "2,2")
    ),
    *(
        case(
            f"Content-Length {length!r}",
            "length-form",
            sized(length, 'return [b"xy"]'),
            status,
            codes=codes,
            accepted=dict.fromkeys(("status", "reason", "headers", "body", "log"), "D216"),
        )
        for length, status, codes in (("", 200, ()), ("+2", 200, ()), (" 2 ", 500, (174,)))
    ),
    case(
        "Content-Length twice, another",
        "length-form",
        headed('("Content-Length", "1"), ("Content-Length", "2")', body='[b"xy"]'),
        accepted=dict.fromkeys(("status", "reason", "headers", "body", "log"), "D210"),
    ),
    *(
        case(f"too long: {body}", "length-surplus", sized("3", body), shows=("abc",))
        for body in (
            'return [b"a", b"bcd", b"e"]',
            'return iter([b"a", b"bcd", b"e"])',
            'write(b"a")\nwrite(b"bcd")\nwrite(b"e")\nreturn [b"f"]',
            'return [b"abcd" * 100000]',
        )
    ),
    case("too long: nothing is wanted", "length-surplus", sized("0", 'return [b"abc"]')),
    *(
        case(f"too short: {body}", "length-short", sized("5", body), "timeout", accepted=CUT, modes=modes)
        for body, modes in (
            ('return [b"a", b"b"]', BOTH),
            ('return iter([b"a", b"b"])', BOTH),
            ('write(b"a")\nreturn [b"b"]', BOTH),
            ("return []", DAEMON),
        )
    ),
    case(
        "too short: return []",
        "length-short",
        sized("5", "return []"),
        accepted={"status": "D207", "log": "D207", "headers": "D207", "reason": "D207"},
        modes=EMBEDDED,
    ),
    # Without a length.
    case("chunks", "chunked blocks-empty", PLAIN + 'return iter([b"a", b"", b"bc"])', shows=("abc",)),
    case("no chunks", "http-1.0", "", ask=line(PLAIN + 'return iter([b"a", b"bc"])', "1.0")),
    case("chunks by write", "chunked write-checks", WRITE + 'write(b"a")\nwrite(b"bc")\nreturn []', shows=("abc",)),
    *(
        case(f"empty body: {body}", "empty-body", PLAIN + body)
        for body in ("return []", "return ()", "return iter([])", 'return [b""]', 'return b""', 'return ""')
    ),
    case("empty body by write", "empty-body", WRITE + 'write(b"")\nreturn []', modes=EMBEDDED),
    *(
        case(
            f"{status} {name}",
            "no-body-status",
            "",
            status,
            ask=line(f'start_response("{status} None", {headers})\nreturn {body}'),
        )
        for status in (204, 304)
        for name, headers, body in (
            ("plain", "[]", "[]"),
            ("with a body", "[]", '[b"body"]'),
            ("with blocks", "PLAIN", 'iter([b"bo", b"dy"])'),
            ("with a length", '[("Content-Length", "4")]', "[]"),
            ("with both", '[("Content-Length", "4"), ("ETag", \'"x"\')]', '[b"body"]'),
        )
    ),
    case("205", "no-body-status", 'start_response("205 Reset", [("Content-Length", "0")])\nreturn []', 205),
    *(
        case(f"HEAD: {headers}, {body}", "head", f'start_response("200 OK", {headers})\nreturn {body}', method="HEAD")
        for headers, body in (
            ("PLAIN", "[]"),
            ("PLAIN", 'iter([b"body"])'),
            ('[("Content-Length", "77")]', "[]"),
            ('[("Content-Length", "4")]', '[b"body"]'),
            ('[("Content-Length", "4")]', 'iter([b"bo", b"dy"])'),
        )
    ),
)

# ---- order of calls, blocks, write ---------------------------------------------------------------

TELLS = "return [name_of({}).encode()]"
RAISE = "try:\n    1/0\nexcept ZeroDivisionError:\n    found = sys.exc_info()\n"
LATE = WRITE + 'write(b"x")\n'

CALLS = (
    case("again, before", "again-before", PLAIN + 'start_response("201 Two", [("X-A", "b")])\nreturn [b"x"]', 201),
    case(
        "again, before, refused",
        "again-before",
        PLAIN + "name_of(start_response, 200, [])\nreturn [b'x']",
        shows=("x",),
    ),
    case(
        "again in a generator",
        "again-before commit",
        PLAIN + 'yield b""\nstart_response("202 Two", PLAIN)\nyield b"x"',
        202,
    ),
    case("again, after", "again-after", LATE + TELLS.format('start_response, "201 Two", []'), shows=("xRuntimeError",)),
    case(
        "again, after, wrong", "again-after", LATE + TELLS.format("start_response, 201, []"), shows=("xRuntimeError",)
    ),
    case(
        "again after an empty write",
        "write-commits",
        WRITE + 'write(b"")\n' + TELLS.format('start_response, "201 Two", []'),
        shows=("RuntimeError",),
    ),
    case(
        "exc_info, before",
        "again-exc-info",
        PLAIN + RAISE + 'start_response("500 Oops", [("X-A", "b")], found)\nreturn [b"sorry"]',
        500,
    ),
    case(
        "exc_info, first", "again-exc-info", RAISE + 'start_response("500 Oops", PLAIN, found)\nreturn [b"sorry"]', 500
    ),
    case(
        "exc_info, after",
        "again-exc-info",
        LATE + RAISE + TELLS.format('start_response, "500 Oops", [], found'),
        shows=("xZeroDivisionError",),
    ),
    *(
        case(
            f"exc_info {what}, after",
            "again-exc-info",
            LATE + TELLS.format(f'start_response, "500 Oops", [], {what}'),
            shows=("xValueError",),
        )
        for what in (
            '(ValueError, ValueError("x"), None)',
            "(ValueError, None, None)",
            '(ValueError, "text", None)',
            '(ValueError, ("a", "b"), None)',
            '(ValueError, KeyError("x"), None)',
            '(None, ValueError("x"), None)',
        )
    ),
    case(
        "used after the request",
        "after-request",
        "",
        ask=(
            ask(WRITE + 'KEPT["s"] = start_response\nKEPT["w"] = write\nreturn [b"kept"]'),
            ask(PLAIN + 'return [name_of(KEPT["s"], "200 OK", []).encode(), b" ", name_of(KEPT["w"], b"x").encode()]'),
        ),
        shows=("RuntimeError RuntimeError",),
    ),
    case(
        "event",
        "event",
        "",
        ask=(
            ask(
                "import mod_wsgi\nmod_wsgi.subscribe_events(lambda name, **more: KEPT.setdefault(name, []).append(repr(more.get('response_status'))))\n"
                + PLAIN
                + "return []"
            ),
            ask('name_of(start_response, "bad", 7)\nname_of(start_response, "bad", [])\n' + PLAIN + "return []"),
            ask(PLAIN + "return [' '.join(KEPT['response_started']).encode()]"),
        ),
        skip=("headers",),
        shows=("'bad' '200 OK'",),
    ),
    # write
    case("write and return", "returns-write", WRITE + 'write(b"a")\nwrite(b"b")\nreturn [b"c"]', shows=("abc",)),
    case(
        "write of the first call",
        "returns-write",
        WRITE + 'other = start_response("201 Two", PLAIN)\nwrite(b"a")\nother(b"b")\nreturn [b"c"]',
        201,
        shows=("abc",),
    ),
    case("write of a subclass", "write-checks", WRITE + 'write(Bytes(b"sub"))\nreturn []', shows=("sub",)),
    case("write in a generator", "returns-write", WRITE + 'yield b"a"\nwrite(b"b")\nyield b"c"', shows=("abc",)),
    case(
        "write by another thread",
        "returns-write",
        WRITE + 'thread = threading.Thread(target=write, args=(b"a",))\nthread.start()\nthread.join()\nreturn [b"c"]',
        shows=("ac",),
    ),
    case(
        "write in close",
        "returns-write close-once",
        WRITE + 'class Late(Closing):\n    def close(self):\n        write(b"late")\nreturn Late(b"a")',
        shows=("alate",),
    ),
    case(
        "write in close after nothing",
        "returns-write",
        WRITE + 'class Late(Closing):\n    def close(self):\n        name_of(write, b"late")\nreturn Late()',
        accepted={"body": "D230"},
    ),
    *(
        case(f"write({what})", "write-checks", WRITE + TELLS.format(f"write, {what}"), shows=("TypeError",))
        for what in ('"text"', 'bytearray(b"x")', 'memoryview(b"x")', "None", "7", 'b"a", b"b"')
    ),
    # blocks
    *(
        case(f"returns {what}", "iterables", PLAIN + f"return {what}", shows=(shows,))
        for what, shows in (
            ('[b"a", b"", b"b"]', "ab"),
            ('(b"a", b"b")', "ab"),
            ('iter([b"", b"a", b"", b"b"])', "ab"),
            ('Odd([b"not this"])', "iterated"),
            ('OddTuple([b"not this"])', "iterated"),
            ('Indexed(b"a", b"b")', "ab"),
            ('List([b"a", b"b"])', "ab"),
            ('Pair(b"a", b"b")', "ab"),
            ('{b"a": 1, b"b": 2}', "ab"),
            ('io.BytesIO(b"a\\nb")', "a\nb"),
            ('map(bytes.upper, [b"a", b"b"])', "AB"),
            ('[Bytes(b"a")]', "a"),
            ('iter([Bytes(b"a"), b"b"])', "ab"),
        )
    ),
    *(
        case(f"returns {what}", "blocks-bytes", PLAIN + f"return {what}", 500, codes=(174,), accepted=REFUSED)
        for what in (
            '"text"',
            'b"text"',
            "7",
            "None",
            '["text"]',
            '[bytearray(b"a")]',
            '[memoryview(b"a")]',
            "[None]",
            'iter(["text"])',
        )
    ),
    case(
        "text after bytes in a list",
        "blocks-bytes",
        PLAIN + 'return [b"a", "text"]',
        "timeout",
        codes=(174,),
        modes=EMBEDDED,
        accepted=dict.fromkeys(("status", "reason", "headers", "body", "log"), "D218"),
    ),
    case(
        "text after bytes in a list",
        "blocks-bytes",
        PLAIN + 'return [b"a", "text"]',
        codes=(174,),
        modes=DAEMON,
        accepted=dict.fromkeys(("status", "reason", "headers", "body", "log"), "D218"),
    ),
    *(
        case(f"empty blocks: {blocks}", "blocks-empty", PLAIN + f"return {blocks}", shows=("abc",))
        for blocks in ('[b"", b"abc", b""]', '(b"", b"", b"abc")', 'iter([b"", b"", b"abc", b""])')
    ),
    case(
        "late head",
        "commit",
        'def late():\n    yield b""\n    start_response("201 Late", PLAIN)\n    yield b"x"\nreturn late()',
        201,
    ),
    case(
        "late head, no blocks",
        "commit",
        'def late():\n    start_response("404 Late", [("Content-Length", "0")])\n    return\n    yield b""\nreturn late()',
        404,
    ),
    *(
        case(f"no head: {body}", "no-start", body, 500, codes=(174,), accepted=REFUSED)
        for body in (
            'return [b"x"]',
            "return []",
            'return iter([b"x"])',
            'yield b"x"',
            'yield b"x"\nstart_response("200 OK", [])',
        )
    ),
)

# ---- close -------------------------------------------------------------------------------------------


def journal(lines: int) -> Act:
    """A step: waits until so much is written, and takes it."""

    def act(server: Server) -> list[str]:
        path = server.layout.scratch / "journal"

        def words() -> list[str]:
            return path.read_text().split() if path.exists() else []

        wait_until(lambda: len(words()) >= lines, f"{lines} lines in the journal")
        found = words()
        path.unlink()
        return found

    return act


def fresh(server: Server) -> None:
    """A step: what other cases have noted is not the matter."""
    (server.layout.scratch / "journal").unlink(missing_ok=True)


def nothing_noted(server: Server) -> bool:
    """A step: close() was not called."""
    return not (server.layout.scratch / "journal").exists()


def leaves(code: str) -> Act:
    """A step: a client that goes after the first block."""

    def act(server: Server) -> None:
        with RawConnection(server.layout.port) as connection:
            connection.send(f"GET /?{quote(code)} HTTP/1.1\r\nHost: x\r\n\r\n".encode())
            connection.receive_until(b"first")
            connection.abort()

    return act


def paced(server: Server) -> int:
    """A step: the second block is made when the first has come, and so on."""
    gates = [server.layout.scratch / f"gate{number}" for number in range(3)]
    code = PLAIN + (
        'import time\nfor number in range(3):\n    yield b"[%d]" % number\n'
        '    while not os.path.exists(os.path.join(SCRATCH, "gate%d" % number)):\n        time.sleep(0.005)'
    )
    with RawConnection(server.layout.port) as connection:
        connection.send(f"GET /?{quote(code)} HTTP/1.1\r\nHost: x\r\n\r\n".encode())
        for number, gate in enumerate(gates):
            connection.receive_until(b"[%d]" % number)
            gate.touch()
        connection.receive_until(b"0\r\n\r\n")
    for gate in gates:
        gate.unlink()
    return len(gates)


ENDLESS = 'def blocks():\n    try:\n        yield b"first"\n        while True:\n            yield b"x" * 65536\n    finally:\n        note("closed")\n'

CLOSES = (
    *(
        case(
            f"close of {what}",
            "close-once",
            "",
            status,
            ask=(fresh, ask(PLAIN + f"return {what}"), journal(1)),
            codes=codes,
            shows=('["closed"]',),
            accepted=accepted,
        )
        for what, status, codes, accepted in (
            ('Closing(b"a", b"b")', 200, (), {}),
            ('ClosingList([b"a"])', 200, (), {}),
            ('Closing(ValueError("x"))', 500, (174,), {}),
            ('Closing("text")', 500, (174,), REFUSED),
        )
    ),
    case(
        "close of an empty iterable",
        "close-once",
        "",
        ask=(fresh, ask(PLAIN + "return Closing()"), journal(1)),
        modes=EMBEDDED,
        shows=('["closed"]',),
    ),
    case(
        "close without a head",
        "close-once no-start",
        "",
        500,
        ask=(fresh, ask('return Closing(b"a")'), journal(1)),
        codes=(174,),
        accepted=REFUSED,
    ),
    case(
        "close on HEAD",
        "close-once head",
        "",
        ask=(fresh, ask(PLAIN + 'return Closing(b"a")', method="HEAD"), journal(1)),
    ),
    case(
        "close on 304",
        "close-once no-body-status",
        "",
        304,
        ask=(fresh, ask('start_response("304 Same", [])\nreturn Closing(b"a")'), journal(1)),
    ),
    case("no close", "close-missing", PLAIN + 'return Indexed(b"a")'),
    case(
        "no iterable, no close",
        "close-once",
        "",
        500,
        ask=(fresh, ask(PLAIN + 'Closing()\nraise ValueError("x")'), nothing_noted),
        codes=(174,),
    ),
    *(
        case(
            f"close fails: {error}",
            "close-fails",
            PLAIN + f'return Closing(b"a", error={error}("close"))',
            codes=(code,),
            shows=("a",),
        )
        for error, code in (
            ("ValueError", 174),
            ("AttributeError", 174),
            ("SystemExit", 175),
            ("KeyboardInterrupt", 174),
        )
    ),
    *(
        case(
            f"close is {what}",
            "close-fails",
            PLAIN + f'made = List([b"a"])\nmade.close = {what}\nreturn made',
            codes=(174,),
            shows=("a",),
        )
        for what in ("7", "None", "lambda one: 1")
    ),
    case(
        "close cannot be looked up",
        "close-fails",
        PLAIN + 'return type("P", (list,), {"close": property(lambda self: 1/0)})([b"a"])',
        codes=(174, 194),
        shows=("a",),
    ),
    case(
        "client leaves",
        "client-leaves close-once",
        "",
        None,
        ask=(fresh, leaves(PLAIN + ENDLESS + "return blocks()"), journal(1)),
        shows=('["closed"]',),
        skip=("log",),
    ),
    case(
        "client leaves write",
        "client-leaves",
        "",
        None,
        ask=(
            fresh,
            leaves(
                WRITE
                + 'try:\n    write(b"first")\n    while True:\n        write(b"x" * 65536)\n'
                + "except BaseException as error:\n    note(type(error).__name__)\n    raise"
            ),
            journal(1),
        ),
        shows=('["OSError"]',),
        skip=("log",),
    ),
    case("each block at once", "no-buffering", "", None, ask=paced),
)

# ---- exceptions ------------------------------------------------------------------------------------

ENDS = {"status": "D205", "headers": "D205", "reason": "D205"}
HUNG = {"status": "D206", "body": "D206"}
TIMED = "import mod_wsgi\n"

RAISED = (
    *(
        case(f"raised before: {code!r}", "raised-before", code, 500, codes=(number,))
        for code, number in (
            ('raise ValueError("x")', 174),
            (PLAIN + 'raise ValueError("x")', 174),
            (PLAIN + "return failing()", 174),
            (PLAIN + 'return failing(b"", b"")', 174),
            (PLAIN + 'return type("I", (), {"__iter__": lambda self: 1/0})()', 174),
            (PLAIN + 'return type("I", (), {"__iter__": lambda self: 7})()', 174),
        )
    ),
    *(
        case(f"exit: {code!r}", "exit", code, 500, codes=(175,))
        for code in ('raise SystemExit("x")', PLAIN + "sys.exit(3)", PLAIN + "return failing(error=SystemExit(1))")
    ),
    case(
        "raised before, with a document",
        "raised-before",
        'raise ValueError("x")',
        path="/doc",
        codes=(174,),
        shows=("document",),
    ),
    case(
        "raised after",
        "raised-after",
        PLAIN + 'return failing(b"abc")',
        "timeout",
        codes=(174,),
        modes=EMBEDDED,
        accepted=HUNG,
    ),
    case(
        "raised after",
        "raised-after",
        PLAIN + 'return failing(b"abc")',
        codes=(174,),
        modes=DAEMON,
        accepted=ENDS,
        shows=("abc",),
    ),
    case(
        "exit after",
        "raised-after exit",
        PLAIN + 'return failing(b"abc", error=SystemExit(1))',
        codes=(175,),
        modes=DAEMON,
        accepted=ENDS,
        shows=("abc",),
    ),
    case(
        "raised after write",
        "raised-after",
        LATE + 'raise ValueError("x")',
        codes=(174,),
        modes=DAEMON,
        accepted=ENDS,
        shows=("x",),
    ),
    case(
        "timeout before",
        "timeout",
        TIMED + 'raise mod_wsgi.RequestTimeout("x")',
        504,
        accepted={"body": "D602", "headers": "D602", "log": "D602"},
    ),
    case(
        "timeout after",
        "timeout",
        TIMED + PLAIN + 'return failing(b"abc", error=mod_wsgi.RequestTimeout("x"))',
        modes=DAEMON,
        accepted=dict.fromkeys(("status", "reason", "headers", "log"), "D602"),
    ),
    case("callable missing", "no-callable", "", 404, path="/empty", codes=(89,), modes=EMBEDDED),
    case("callable missing", "no-callable", "", 500, path="/empty", codes=(89,), modes=DAEMON),
    case("syntax error", "script-fails", "", 500, path="/broken", codes=(105,)),
    case("script raises", "script-fails", "", 500, path="/raises", codes=(109,)),
    case("script missing", "script-missing", "", 404, path="/gone", codes=(135,)),
)

# ---- heads of daemons ------------------------------------------------------------------------------


def modified(code: str) -> Act:
    """A step: Last-Modified as it is sent, or that it is now."""

    def act(server: Server) -> list[str]:
        answer = exchange(
            server.layout.port, f"GET /?{quote(code)} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n".encode()
        )
        head = answer.partition(b"\r\n\r\n")[0].decode("latin-1").split("\r\n")
        named = {name.lower(): value for name, _, value in (text.partition(": ") for text in head[1:])}
        found = [text.partition(":")[2].strip() for text in head if text.lower().startswith("last-modified:")]
        return ["now" if value == named["date"] else value for value in found]

    return act


TARGET = "/?start_response('200%20OK',PLAIN);return[environ['REQUEST_METHOD'].encode()]"
DATE = "Mon, 02 Jan 2023 03:04:05 GMT"

DAEMONS = (
    *(
        case(
            f"Status: {value}",
            "status-header" if modes == DAEMON else "embedded-plain",
            headed(f'("{name}", "{value}")'),
            status,
            modes=modes,
        )
        for name, value, status in (
            ("Status", "404 Gone", 404),
            ("status", "404", 404),
            ("Status", "204 None", 204),
            ("STATUS", "299 Odd", 299),
        )
        for modes, status in ((EMBEDDED, 200), (DAEMON, status))
    ),
    case(
        "Status: odd",
        "status-header",
        headed('("Status", "odd")'),
        500,
        modes=DAEMON,
        accepted={"body": "D231", "headers": "D231", "log": "D231"},
    ),
    case(
        "200 Error",
        "spoof",
        'start_response("200 Error", PLAIN)\nreturn [b"x"]',
        500,
        modes=DAEMON,
        accepted=dict.fromkeys(("status", "reason", "headers", "body"), "D217"),
    ),
    case("200 Error", "embedded-plain", 'start_response("200 Error", PLAIN)\nreturn [b"x"]', modes=EMBEDDED),
    *(
        case(
            f"{status} and {location[:12]}, {method}",
            rows,
            headed(f'("Location", "{location}")', status),
            int(status[:3]),
            modes=modes,
            method=method,
        )
        for modes, rows in ((EMBEDDED, "embedded-plain"), (DAEMON, "local-redirect"))
        for method in ("GET", "POST")
        for status, location in (
            ("200 OK", TARGET),
            ("200 OK", "http://example.invalid/"),
            ("200 OK", "relative"),
            ("201 Made", TARGET),
            ("302 Found", "/elsewhere"),
        )
    ),
    *(
        case(f"Last-Modified: {what}", "last-modified", "", None, ask=modified(headed(headers)), modes=DAEMON)
        for what, headers in (
            ("past", f'("Last-Modified", "{DATE}")'),
            ("future", '("Last-Modified", "Mon, 02 Jan 2040 03:04:05 GMT")'),
            ("another form", '("Last-Modified", "Monday, 02-Jan-23 03:04:05 GMT")'),
            ("no date", '("last-modified", "never")'),
            ("empty", '("Last-Modified", "")'),
            ("the newer one first", f'("Last-Modified", "{DATE}"), ("Last-Modified", "Mon, 02 Jan 2012 03:04:05 GMT")'),
            ("the newer one last", f'("Last-Modified", "Mon, 02 Jan 2012 03:04:05 GMT"), ("Last-Modified", "{DATE}")'),
        )
    ),
    *(
        case(f"Last-Modified: {what}", "embedded-plain", "", None, ask=modified(headed(headers)), modes=EMBEDDED)
        for what, headers in (
            ("future", '("Last-Modified", "Mon, 02 Jan 2040 03:04:05 GMT")'),
            ("no date", '("Last-Modified", "never")'),
            ("two", f'("Last-Modified", "{DATE}"), ("Last-Modified", "Mon, 02 Jan 2012 03:04:05 GMT")'),
        )
    ),
    *(
        case(
            f"conditional {name}",
            "conditional",
            "",
            ask=ask(
                headed(f'("Last-Modified", "{DATE}"), ("ETag", \'"x"\')', body='iter([b"x", b"y"])'),
                headers=((name, value),),
            ),
        )
        for name, value in (
            ("If-Modified-Since", DATE),
            ("If-None-Match", '"x"'),
            ("If-Match", '"other"'),
            ("If-Unmodified-Since", "Mon, 02 Jan 2012 03:04:05 GMT"),
        )
    ),
    # With ": " and the line's end 8192 bytes.
    *(
        case(
            f"line of {size}",
            "long-line",
            headed(f'("X-A", "b" * ({size} - 7))'),
            status,
            site="long-heads",
            modes=DAEMON,
            codes=codes,
        )
        for size, status, codes in ((8000, 200, ()), (9000, 500, (144,)), (100000, 500, (144,)))
    ),
)

CASES = (*START, *HEADS, *LENGTHS, *CALLS, *CLOSES, *RAISED, *DAEMONS)
