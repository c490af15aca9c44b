# SPDX-License-Identifier: Apache-2.0
"""Anything, anywhere: directives with junk in every context, requests of random bytes.

The junk comes from a seeded generator (harness/junk.py); WSGI_TEST_SEED gives other junk.
"""

from __future__ import annotations

import json
import os
import random
import shutil
import subprocess

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from harness import Layout, Module, Server, exchange
from harness.junk import CONTEXTS, Tally, directive_line, storm
from harness.places import run
from harness.processes import is_alive
from harness.wild import basic

SEED = int(os.environ.get("WSGI_TEST_SEED", "20261122"))
PROVE_TIMEOUT = 30


# ---- every directive in every context ---------------------------------------------------------


class Sweep:
    """Runs `httpd -t` on one line after the other in a directory of its own."""

    def __init__(self, module: Module, directory: Path) -> None:
        # What httpd itself says is told apart from what the line made it say by this one run.
        self.server = Server(lambda _: "# the line", mode="daemon")
        self.server.layout.module = module
        self.directory = directory
        self.server.write_configuration()
        self.text = self.server.conf.read_text()

    def directives(self) -> list[str]:
        """What the module registers, as httpd lists it."""
        listed = run(*self.server.command("-L")).splitlines()
        return sorted({line.split()[0] for line in listed if line.endswith("(mod_wsgi.c)")})

    def close(self) -> None:
        shutil.rmtree(self.server.layout.root, ignore_errors=True)

    def prove(self, number: int, line: str) -> tuple[int, str]:
        """Exit status and output; a hang is status -999."""
        conf = self.directory / f"{number}.conf"
        conf.write_bytes(self.text.encode().replace(b"# the line", line.encode("latin-1", "replace")))
        command = self.server.command("-t", "-f", str(conf))
        try:
            done = subprocess.run(command, capture_output=True, timeout=PROVE_TIMEOUT, check=False)
        except subprocess.TimeoutExpired:
            return -999, "it hangs"
        finally:
            conf.unlink()
        return done.returncode, (done.stdout + done.stderr).decode("utf-8", "replace")


def test_every_directive_in_every_context(module: Module, tmp_path: Path) -> None:
    """`httpd -t` ends with 0 or 1, by no signal, in time; what it refuses it names.

    6.1.1 leaves the directive's name out of many messages, which is checked for ours only.
    """
    rng = random.Random(SEED)
    sweep = Sweep(module, tmp_path)
    names = sweep.directives()
    assert len(names) >= 49
    lines = [(name, context, directive_line(rng, name)) for name in names for context in CONTEXTS]
    lines += [(name, "main", directive_line(rng, name)) for name in names for _ in range(8)]
    wrong: list[str] = []
    accepted = 0

    def one(number: int) -> tuple[int, str]:
        _, context, line = lines[number]
        return sweep.prove(number, CONTEXTS[context].format(line))

    try:
        with ThreadPoolExecutor(2) as pool:
            for (name, context, line), (status, output) in zip(lines, pool.map(one, range(len(lines)))):
                accepted += status == 0
                bad = status not in (0, 1) or not output.strip()
                if not module.peer:
                    section = "WSGIInterpreterOptions" if context == "options-in-host" else name
                    bad = bad or (status == 1 and name.strip("<") not in output and section not in output)
                if bad:
                    wrong.append(f"{context}: {line[:300]!r}\n    -> {status}: {output[-400:]!r}")
    finally:
        sweep.close()
    assert not wrong, f"{len(wrong)} of {len(lines)} lines:\n" + "\n".join(wrong[:20])
    assert 0 < accepted < len(lines) / 2, "some junk is good, most is not"


# ---- requests of random bytes -----------------------------------------------------------------

PREFIXES = ("", "/app", "/basic", "/digest", "/access", "/dispatch", "/handled", "/proxied", "/regex", "/chunked")
MODULES = ("authn_core", "auth_basic", "auth_digest", "authz_user", "authz_host", "rewrite")


def fuzzed(layout: Layout) -> str:
    """Every way a request can meet the module."""
    script = layout.apps / "fuzzed.wsgi"
    return f"""
HttpProtocolOptions Unsafe
LimitRequestFields 200
{layout.delegate()}
WSGIScriptAliasMatch ^/regex/(.*) {script} application-group=regex
WSGIScriptAliasMatch ^/regexp/([a-z]*) {layout.apps}/$1.wsgi
WSGIScriptAlias /app {script}
WSGIScriptAlias /basic {script}
WSGIScriptAlias /digest {script}
WSGIScriptAlias /access {script}
WSGIScriptAlias /dispatch {script}
WSGIScriptAlias /proxied {script}
WSGIScriptAlias /chunked {script}
WSGIScriptAlias /scripts {layout.apps}
WSGIHandlerScript fuzzed {script}
<Location /handled>
    SetHandler fuzzed
</Location>
<Location /basic>
    AuthType Basic
    AuthName fuzz
    AuthBasicProvider wsgi
    WSGIAuthUserScript {script}
    WSGIAuthGroupScript {script}
    WSGIPassAuthorization On
    <RequireAny>
        Require wsgi-group group other
        Require valid-user
    </RequireAny>
</Location>
<Location /digest>
    AuthType Digest
    AuthName fuzz
    AuthDigestProvider wsgi
    WSGIAuthUserScript {script}
    Require valid-user
</Location>
<Location /access>
    WSGIAccessScript {script}
</Location>
<Location /dispatch>
    WSGIDispatchScript {script}
</Location>
<Location /proxied>
    WSGITrustedProxies 127.0.0.1
    WSGITrustedProxyHeaders X-Forwarded-For X-Forwarded-Proto X-Forwarded-Host X-Forwarded-Port X-Script-Name X-Real-IP
</Location>
<Location /chunked>
    WSGIChunkedRequest On
    WSGIMapHEADToGET On
</Location>
"""


# What bad requests may make httpd and the module say; one pattern a class.
KNOWN_LINES = (
    r"WSGI0135",  # no such script
    r"WSGI0136",  # a directory
    r"WSGI0134|AH01630|AH00035|AH00036|AH00127|AH00128|AH00037|AH00523",  # core's walk and access
    r"WSGI0137|WSGI0138|WSGI0139|WSGI0141",  # what the handler refuses
    r"WSGI0126",  # the body did not come
    r"WSGI005[79]|WSGI0060",  # access denied, groups
    r"AH01614|AH01617|AH01618|AH01619|AH01631",  # mod_auth_basic
    r"AH017[6-9]\d",  # mod_auth_digest
    r"AH00135|AH02429|AH00026|AH00127|AH00130|AH10244|AH10509|AH00566",  # core: bad heads and URLs
    r"AH01110|AH01071|AH01797|AH01070",
)


def strike(server: Server, seed: int, count: int) -> Tally:
    """So many bad requests, then a good one; nobody died, nothing unheard of was logged."""
    for pattern in KNOWN_LINES:
        server.allow(pattern)
    before = [pid for pid in server.family() if is_alive(pid)]
    flow = storm(server.layout.port, seed, PREFIXES)
    tally = Tally()
    for _ in range(count):
        tally = next(flow)
    if server.layout.module.peer:  # which answers a body that ends too early with 500
        tally.wrong = [pair for pair in tally.wrong if not pair[1].startswith(b"HTTP/1.1 500 ")]
    assert not tally.wrong, f"{len(tally.wrong)} bad answers, the first: {tally.wrong[0]}"
    assert server.get("/app").json()["body"] == 0
    gone = [pid for pid in before if not is_alive(pid)]
    assert not gone, f"processes {gone} are gone:\n{server.log().tail()}"
    return tally


@pytest.mark.parametrize("mode", ["embedded", "daemon"])
def test_random_requests(new_server: Any, mode: str) -> None:
    """R17: random bytes in URL, query, headers and credentials: no death, 2xx to 4xx or a clean close."""
    server: Server = new_server(fuzzed, mode=mode, modules=MODULES).start()
    server.get("/app")
    tally = strike(server, SEED, 2500)
    assert tally.statuses.get(200, 0) > 100, tally.statuses
    assert tally.statuses.get(400, 0) > 100, tally.statuses
    assert tally.statuses.get(401, 0) > 20, tally.statuses


@pytest.mark.parametrize("mode", ["embedded", "daemon"])
def test_raw_bytes_reach_the_application(new_server: Any, mode: str) -> None:
    """R17: bytes that are no UTF-8 in URL, query, header and credentials arrive byte for byte."""
    server: Server = new_server(fuzzed, mode=mode, modules=MODULES).start()
    head = b"GET /proxied/%ff%fe/x?%ff=\xe9 HTTP/1.0\r\nHost: localhost\r\nX-Raw: \xff\xfe\xfd\r\n\r\n"
    found = json.loads(exchange(server.layout.port, head).partition(b"\r\n\r\n")[2])
    assert found["QUERY_STRING"] == "%ff=\ufffd"
    assert found["PATH_INFO"] == "/\ufffd\ufffd/x"
    assert found["HTTP_X_RAW"] == "\ufffd" * 3
    for user, password in (("\xff\xfe", "\xfd"), ("\u6f22", "\u5b57"), ("a" * 3000, "b"), ("", "x")):
        reply = server.get("/basic", headers=basic(user, password))
        assert reply.status in (200, 401), reply.status
    for pattern in KNOWN_LINES:
        server.allow(pattern)
