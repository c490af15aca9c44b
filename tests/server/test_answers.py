# SPDX-License-Identifier: Apache-2.0
"""Answers that httpd makes from ours: error pages, files, types that were never checked."""

from __future__ import annotations

import gzip
import random
import subprocess

from pathlib import Path
from typing import Any

import pytest

from harness import Layout, Server, exchange, request, sanitizers

MODULES = ("filter", "deflate")

APP = '''
import os

LINES = {"odd": "404 Weird Reason", "teapot": "418 Teapot", "strange": "599 Strange", "fine": "200 OK",
         "login": "401 Unauthorized", "own": "500 Own", "found": "302 Found", "bad": "400 Bad", "busy": "503 Busy"}


def application(environ, start_response):
    word = environ["PATH_INFO"].split("/")[1]
    if word == "raises":
        raise ValueError("secret of the application")
    if word == "type":
        value = bytes.fromhex(environ["QUERY_STRING"]).decode("latin-1")
        start_response("200 OK", [("Content-Type", value), ("Content-Length", "4")])
        return [b"body"]
    if word == "file":
        handle = open(environ["QUERY_STRING"], "rb")
        handle.seek(5)
        start_response("200 OK", [("Content-Type", "text/plain")])
        return Twice(handle, environ["wsgi.file_wrapper"])
    start_response(LINES[word], [("Content-Type", "text/plain"), ("X-App", "yes"), ("Content-Length", "7"),
                                 ("Set-Cookie", "a=1"), ("WWW-Authenticate", "Basic realm=x")])
    return [b"appbody"]


def Twice(handle, wrapper):
    """The descriptor is the application's: its position is where it was."""
    class Checked(wrapper):
        def close(self):
            with open(os.environ.get("POSITIONS", handle.name + ".position"), "a") as out:
                out.write(str(handle.tell()) + "\\n")
            super().close()
    return Checked(handle)
'''


def configure(layout: Layout) -> str:
    """One script, with and without the directives."""
    script = layout.write_app("answers.wsgi", APP)
    return f"""
{layout.delegate()}
WSGIScriptAlias /over {script}
WSGIScriptAlias /plain {script}
WSGIScriptAlias /sent {script}
WSGIScriptAlias /deflated {script}
WSGIScriptAlias /nothere {layout.apps}/nothere.wsgi
WSGIScriptAlias /broken {layout.apps}/broken/syntax.wsgi
WSGIScriptAlias /nogroup {script} process-group=nobody-has-this-name
WSGIScriptAlias /document {layout.apps}/environ.wsgi
<Location /over>
    WSGIErrorOverride On
    ErrorDocument 404 "text of the server"
    ErrorDocument 401 /document/login
</Location>
<Location /sent>
    WSGIEnableSendfile On
    EnableSendfile On
</Location>
<Location /deflated>
    WSGIEnableSendfile On
    EnableSendfile On
    SetOutputFilter DEFLATE
</Location>
"""


# ---- WSGIErrorOverride ---------------------------------------------------------------------

# Path, status, reason and body under the directive in daemon mode; 418 and 599 are none that httpd knows.
OVERRIDES = [
    ("odd", 404, "Not Found", b"text of the server"),
    ("teapot", 500, "Internal Server Error", b"<!DOCTYPE"),
    ("strange", 500, "Internal Server Error", b"<!DOCTYPE"),
    ("own", 500, "Internal Server Error", b"<!DOCTYPE"),
    ("bad", 400, "Bad Request", b"<!DOCTYPE"),
    ("busy", 503, "Service Unavailable", b"<!DOCTYPE"),
    ("login", 200, "OK", b"{"),
    ("fine", 200, "OK", b"appbody"),
    ("found", 302, "Found", b"appbody"),
]


@pytest.mark.modes("daemon")
@pytest.mark.parametrize(("word", "status", "reason", "body"), OVERRIDES)
@pytest.mark.parametrize("method", ["GET", "HEAD", "POST"])
def test_error_override(site: Server, word: str, status: int, reason: str, body: bytes, method: str) -> None:
    """httpd's own page or ErrorDocument for what the application answers with 4xx and 5xx."""
    reply = site.request(method, f"/over/{word}", b"sent" if method == "POST" else None)
    assert (reply.status, reply.reason) == (status, reason)
    assert reply.body.startswith(body) if method != "HEAD" else reply.body == b""
    assert (reply.get("X-App") is None) == (body != b"appbody")
    assert reply.get("WWW-Authenticate") == "Basic realm=x"
    if word == "login" and method != "HEAD":
        found = reply.json()
        assert found["REDIRECT_STATUS"] == "401"
        assert found["REDIRECT_SCRIPT_NAME"] == "/over"
        assert found["REQUEST_METHOD"] == "GET"


@pytest.mark.parametrize("word", ["odd", "own", "busy", "login"])
def test_no_error_override(site: Server, word: str) -> None:
    """Without the directive, and in embedded mode at all: the application's own answer."""
    targets = ["/plain/"] + (["/over/"] if site.layout.mode == "embedded" else [])
    for target in targets:
        reply = site.get(target + word)
        assert reply.body == b"appbody"
        assert reply.get("X-App") == "yes"


# ---- sendfile ------------------------------------------------------------------------------

COUNTER = r"""
#define _GNU_SOURCE
#include <dlfcn.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/sendfile.h>
#include <unistd.h>

static void count(void)
{
    int out = open(SENDFILE_COUNT, O_WRONLY | O_CREAT | O_APPEND, 0666);

    if (out >= 0) {
        (void)!write(out, "x", 1);
        close(out);
    }
}

ssize_t sendfile(int out, int in, off_t *offset, size_t size)
{
    ssize_t (*real)(int, int, off_t *, size_t);

    *(void **)&real = dlsym(RTLD_NEXT, "sendfile");
    count();
    return real(out, in, offset, size);
}

ssize_t sendfile64(int out, int in, off64_t *offset, size_t size)
{
    ssize_t (*real)(int, int, off64_t *, size_t);

    *(void **)&real = dlsym(RTLD_NEXT, "sendfile64");
    count();
    return real(out, in, offset, size);
}
"""


@pytest.fixture
def counter(tmp_path: Path) -> tuple[Path, Path]:
    """A library, and the file that gets one byte for each sendfile() of a server that loads it."""
    tmp_path.chmod(0o777)
    for parent in tmp_path.parents[:3]:
        parent.chmod(parent.stat().st_mode | 0o055)
    counted = tmp_path / "count"
    counted.touch()
    counted.chmod(0o666)
    source = tmp_path / "counter.c"
    source.write_text(COUNTER)
    library = tmp_path / "counter.so"
    subprocess.run(
        ["cc", "-shared", "-fPIC", f'-DSENDFILE_COUNT="{counted}"', "-o", str(library), str(source), "-ldl"],
        check=True,
        timeout=60,
    )
    return library, counted


@pytest.mark.ours(
    "nothing that a user sees: reading counts of another program's system calls says nothing about behaviour"
)
def test_sendfile(new_server: Any, counter: tuple[Path, Path]) -> None:
    """In embedded mode, with both directives On, the kernel sends the file; else we read it."""
    library, counted = counter
    server = new_server(configure, mode="embedded", modules=MODULES, environment=sanitizers.preload(library)).start()
    content = server.layout.scratch / "content"
    content.write_bytes(bytes(range(256)) * 4000)
    positions = content.with_name("content.position")
    for target, calls in (("/plain", False), ("/sent", True)):
        counted.write_bytes(b"")
        headers = {"Accept-Encoding": "identity"}
        assert server.get(f"{target}/file?{content}", headers=headers).body == content.read_bytes()[5:], target
        assert (counted.stat().st_size > 0) == calls, target
    assert set(positions.read_text().split()) == {"5"}, "the application's descriptor was not moved"


def test_file_through_a_filter(site: Server) -> None:
    """A filter reads what sendfile would have sent."""
    content = site.layout.scratch / "content"
    content.write_bytes(bytes(range(256)) * 400)
    reply = site.get(f"/deflated/file?{content}", headers={"Accept-Encoding": "gzip"})
    assert reply.get("Content-Encoding") == "gzip"
    assert gzip.decompress(reply.body) == content.read_bytes()[5:]


# ---- nothing that is not meant for the client ----------------------------------------------


@pytest.mark.ours("D204: its page is httpd's own")
@pytest.mark.parametrize("target", ["/plain/raises", "/broken", "/nogroup", "/nothere/x"])
def test_page_of_a_failure(site: Server, target: str) -> None:
    """S9: code and request, but no path, no version, no text of the exception."""
    reply = site.get(target)
    assert reply.status in (500, 404)
    text = reply.text
    for secret in (
        str(site.layout.root),
        "/apps",
        "/usr",
        "python",
        "Python",
        "3.1",
        "mod_wsgi/",
        "secret",
        "Traceback",
        ".wsgi",
        "nobody-has",
    ):
        assert secret not in text, f"{secret!r} in {text}"
    if reply.status == 500:
        assert "WSGI0" in text
    site.allow("WSGI0|Traceback|Error|File |    ")


def content_types(count: int) -> list[bytes]:
    """Values of every kind: long, with every byte, with parameters that do not end."""
    generator = random.Random(9)
    made = [
        b"",
        b";",
        b"text/html;",
        b"text/html; charset=",
        b'text/html; charset="',
        b"/",
        b"a" * 3000,
        b"text/html" + b";" * 500,
    ]
    for _ in range(count):
        size = generator.choice((1, 3, 20, 200))
        made.append(bytes(generator.choice(range(1, 256)) for _ in range(size)))
    for _ in range(count):
        kind = generator.choice((b"text/html", b"TEXT/Plain ", b"multipart/mixed", b"x"))
        made.append(
            kind + b"; " + bytes(generator.choice(b'abc=";,/ \t%<>\\\xff\xe9') for _ in range(generator.randrange(60)))
        )
    return made


@pytest.mark.parametrize("value", content_types(40))
def test_any_content_type(site: Server, value: bytes) -> None:
    """S9: the header is what the application said, or the answer is a clean 500; no other byte."""
    answer = exchange(
        site.layout.port,
        b"GET /plain/type?" + value.hex().encode() + b" HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n",
    )
    head, _, body = answer.partition(b"\r\n\r\n")
    status = int(head.split(b" ")[1])
    sent = [line.partition(b":")[2] for line in head.split(b"\r\n") if line.lower().startswith(b"content-type:")]
    if status == 200:
        assert body == b"body"
        assert len(sent) <= 1
        assert all(line.strip(b" \t").lower() == value.strip(b" \t").lower() for line in sent), (sent, value)
        assert sent or not value.strip(b" \t")
    else:
        assert status == 500
        assert all(line.strip().startswith(b"text/html") for line in sent)
    site.allow("WSGI0|WSGI1|Traceback|Error|File |    |AH0")


def test_404_of_the_module_names_no_file(site: Server) -> None:
    reply = request(site.layout.port, "GET", "/nothere/deep/er")
    assert reply.status == 404
    assert b".wsgi" not in reply.body
    site.expect_code(135)
