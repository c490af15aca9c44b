# SPDX-License-Identifier: Apache-2.0
"""4.9: wsgi.file_wrapper, what it is and how the server sends what is in it."""

from __future__ import annotations

from parity.model import DAEMON, EMBEDDED, Ask, Case, Headers, Site

SCRIPT = '''
import io
import json
import os
from urllib.parse import parse_qsl

HERE = os.path.dirname(os.path.abspath(__file__))


def attempt(call):
    try:
        result = call()
    except Exception as error:
        return type(error).__name__
    return result.decode() if isinstance(result, bytes) else result


class Reader:
    """No descriptor; notes what is asked of it."""

    def __init__(self, blocks, fails=False):
        self.blocks, self.asked, self.closed, self.fails = list(blocks), [], 0, fails

    def read(self, size):
        self.asked.append(size)
        return self.blocks.pop(0) if self.blocks else b""

    def close(self):
        self.closed += 1
        if self.fails:
            raise OSError("from close()")


def facts(wrapper):
    first, second, failing = Reader([b"ab", b"c"]), Reader([b"d"]), Reader([], True)
    one, two = wrapper(first, 2), wrapper(second)
    found = {
        "attributes": [one.filelike is first, one.blksize, two.blksize],
        "keywords": attempt(lambda: wrapper(filelike=first, blksize=5).blksize),
        "iterated": [block.decode() for block in one] + [block.decode() for block in two],
        "asked": [first.asked, second.asked],
        "negative": attempt(lambda: wrapper(first, -1).blksize),
        "none": attempt(lambda: wrapper().blksize),
        "text": attempt(lambda: next(iter(wrapper(io.StringIO("text"))))),
        "array": attempt(lambda: next(iter(wrapper(Reader([bytearray(b"x")]))))),
        "zero": attempt(lambda: list(wrapper(io.BytesIO(b"x"), 0))),
        "close": [one.close(), one.close(), first.closed],
        "failing": [wrapper(failing).close(), failing.closed],
        "after": [attempt(lambda: next(iter(one))), attempt(lambda: one.filelike), one.blksize],
        "written": attempt(lambda: setattr(two, "blksize", 1)),
        "subclass": attempt(lambda: b"".join(type("Sub", (wrapper,), {})(io.BytesIO(b"sub"), 1))),
        "name": [wrapper.__name__, wrapper.__module__],
    }
    return found


class Partial:
    """A file with only some of the methods."""

    def __init__(self, file, *names):
        self.file = file
        for name in names:
            setattr(self, name, getattr(file, name))


POSITIONS = []


def watched(wrapper):
    class Watched(wrapper):
        def close(self):
            descriptor = self.filelike.fileno()
            POSITIONS.append([self.filelike.tell(), os.lseek(descriptor, 0, os.SEEK_CUR)])
            super().close()
            POSITIONS.append(self.closes())

        def closes(self):
            return attempt(lambda: bool(self.filelike))

        def __iter__(self):
            return iter([b"from the subclass"])
    return Watched


def application(environ, start_response):
    query = dict(parse_qsl(environ["QUERY_STRING"], keep_blank_values=True))
    word, wrapper = environ["PATH_INFO"].strip("/"), environ["wsgi.file_wrapper"]
    if word in ("facts", "positions"):
        body = json.dumps(facts(wrapper) if word == "facts" else POSITIONS).encode()
        del POSITIONS[:]
        start_response("200 OK", [("Content-Type", "application/json"), ("Content-Length", str(len(body)))])
        return [body]
    file = open(os.path.join(HERE, "content"), "rb", buffering=0 if "raw" in query else -1)
    if "seek" in query:
        file.seek(int(query["seek"]))
    if "skip" in query:
        file.read(int(query["skip"]))
    headers = [("Content-Type", "text/plain"), ("X-Method", environ["REQUEST_METHOD"])]
    headers += [(name, query[name]) for name in query if name[0].isupper()]
    write = start_response(query.get("status", "200 OK"), headers)
    if "write" in query:
        write(b"written ")
    if word == "memory":
        file = io.BytesIO(file.read())
    elif word == "bare":
        file = Partial(file, "read", "close")
    elif word == "untold":
        file = Partial(file, "read", "fileno", "close")
    elif word == "unclosed":
        file = Partial(file, "read")
    elif word == "partial":
        file = Partial(file, "read", "fileno", "tell", "close")
    elif word == "pipe":
        reader, writer = os.pipe()
        os.write(writer, b"from a pipe")
        os.close(writer)
        file = os.fdopen(reader, "rb")
    result = (watched(wrapper) if word == "watched" else wrapper)(file, int(query.get("block", "8192")))
    return iter(list(result)) if word == "iterated" else result
'''

SENT = "".join(f"{number:09d}\n" for number in range(5000))

FILES = {"w/files.wsgi": SCRIPT, "w/content": SENT}

SITE = Site(
    "files",
    """
@DELEGATE@
WSGIApplicationGroup %{GLOBAL}
WSGIScriptAlias /f @ROOT@/w/files.wsgi
WSGIScriptAlias /sent @ROOT@/w/files.wsgi
<Location /sent>
    WSGIEnableSendfile On
    EnableSendfile On
</Location>
""",
    files=FILES,
)

SITES = [SITE]


def case(
    name: str, rows: str, target: str, *shows: str, method: str = "GET", headers: Headers = (), **more: object
) -> Case:
    """A request to the site."""
    return Case(
        f"4.9-{name}",
        tuple(f"4.9-{row}" for row in rows.split()),
        "files",
        Ask(f"/f/{target}", method, headers),
        shows=shows,
        **more,  # type: ignore[arg-type]
    )


RANGE = (("Range", "bytes=10-19"),)

CASES = [
    case("object", "constructor iteration close negative read-type subclass", "facts", '"negative": "ValueError"'),
    case("regular", "length", "file", "000000000\n"),
    case("regular, raw", "length", "file?raw=1", "000000000\n"),
    case("position", "start", "file?seek=30000", "000003000\n"),
    case("position behind a buffer", "start", "file?skip=20", "000000002\n"),
    case("length given", "length-given", "file?Content-Length=10", "000000000\n"),
    case("length given, from a position", "length-given start", "file?Content-Length=10&seek=10", "000000001\n"),
    case("status", "length", "file?status=404+Not+There", "000000000\n", status=404),
    case("HEAD", "length", "file", method="HEAD"),
    case("HEAD, length given", "length-given", "file?Content-Length=7", method="HEAD"),
    case("HEAD of a part", "length start", "file?seek=100", method="HEAD"),
    case("204", "length", "file?status=204+Nothing", status=204),
    case("304", "length", "file?status=304+Same", status=304),
    case("written before", "not-written fallback", "file?write=1", "written 000000000\n"),
    case("memory", "fallback", "memory", "000000000\n"),
    case("memory, small blocks", "fallback", "memory?block=1000", "000000000\n"),
    case("pipe", "regular fallback", "pipe", "from a pipe"),
    case("no descriptor", "regular fallback", "bare", "000000000\n"),
    case("no position", "regular fallback", "untold", "000000000\n"),
    case("descriptor and position", "regular", "partial", "000000000\n"),
    case("no close()", "close", "unclosed", "000000000\n", codes=(174,), accepted={"log": "D256"}),
    case("iterated", "fallback", "iterated", "000000000\n"),
    Case(
        "4.9-subclass and position", ("4.9-subclass", "4.9-restored", "4.9-close"), "files",
        (Ask("/f/watched?raw=1&seek=1000"), Ask("/f/watched?skip=10"), Ask("/f/positions")), shows=("[1000, 1000]",),
    ),
    Case("4.9-sendfile", ("4.9-sendfile",), "files", Ask("/sent/file?seek=10"), shows=("000000001\n",)),
    Case("4.9-sendfile, length given", ("4.9-sendfile",), "files", Ask("/sent/file?Content-Length=10"),
         shows=("000000000\n",)),
    case("range, embedded", "end", "file", "000000001\n", headers=RANGE, status=206, modes=EMBEDDED),
    case("ranges, embedded", "end", "file", headers=(("Range", "bytes=10-19,30-39"),), status=206,
         modes=EMBEDDED, skip=("headers", "body")),  # the boundary
    case("range that does not fit, embedded", "end", "file", headers=(("Range", "bytes=100000-"),), status=416,
         modes=EMBEDDED, codes=(174,), accepted={"log": "D250"}),
    case("range and If-Range, embedded", "end", 'file?ETag="x"', "000000001\n", status=206, modes=EMBEDDED,
         headers=(*RANGE, ("If-Range", '"x"')), accepted={"headers": "D250"}),
    case("HEAD and a range, embedded", "end", "file", headers=RANGE, method="HEAD", status=206, modes=EMBEDDED),
    case("range, daemon", "end", "file", headers=RANGE, modes=DAEMON,
         accepted={"status": "D250", "reason": "D250", "headers": "D250", "body": "D250"}),
    case("If-None-Match", "end", 'file?ETag="x"', headers=(("If-None-Match", '"x"'),),
         accepted={"status": "D250", "reason": "D250", "headers": "D250", "body": "D250"}),
    case("If-None-Match without validators", "end", "file", headers=(("If-None-Match", '"x"'),)),
    case("validators", "length", 'file?ETag="x"', accepted={"headers": "D250"}),
]  # fmt: skip
