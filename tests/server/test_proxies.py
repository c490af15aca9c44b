# SPDX-License-Identifier: Apache-2.0
"""Trusted proxies: who is believed, what is believed, and what nobody can forge."""

from __future__ import annotations

import json

from typing import Any

import pytest

from harness import Layout, Server, exchange

FOR = "X-Forwarded-For"
EVERY = (
    "X-Client-IP X-Real-IP X-Forwarded-For X-Forwarded-Host X-Host X-Forwarded-Server X-Forwarded-Port "
    "X-Script-Name X-Forwarded-Script-Name X-Forwarded-Proto X-Forwarded-Scheme X-Scheme "
    "X-Forwarded-HTTPS X-Forwarded-SSL X-HTTPS X-Unknown"
)

# Every header of a kind that 6.1.1 knows, with a value of its own.
FORGED = {
    "X-Forwarded-For": "6.6.6.6",
    "X-Client-IP": "6.6.6.7",
    "X-Real-IP": "6.6.6.8",
    "X-Forwarded-Host": "forged.invalid",
    "X-Host": "forged.invalid",
    "X-Forwarded-Server": "forged.invalid",
    "X-Forwarded-Port": "666",
    "X-Script-Name": "/forged",
    "X-Forwarded-Script-Name": "/forged",
    "X-Forwarded-Proto": "https",
    "X-Forwarded-Scheme": "https",
    "X-Scheme": "https",
    "X-Forwarded-HTTPS": "on",
    "X-Forwarded-SSL": "on",
    "X-HTTPS": "on",
}


def configure(layout: Layout) -> str:
    """One scope per way of trusting. The tests' address is 127.0.0.1."""
    return f"""
{layout.delegate()}
WSGIScriptAlias / {layout.apps}/environ.wsgi
<Location /anybody>
    WSGITrustedProxyHeaders X-Forwarded-For
</Location>
<Location /near>
    WSGITrustedProxyHeaders X-Forwarded-For
    WSGITrustedProxies 127.0.0.1 10.0.0.0/8 fd00::/8
</Location>
<Location /far>
    WSGITrustedProxyHeaders {EVERY}
    WSGITrustedProxies 10.0.0.0/8 fd00::/8
</Location>
<Location /farther>
    WSGITrustedProxyHeaders X-Forwarded-For X-Scheme
    WSGITrustedProxies 10.0.0.1
</Location>
<Location /all>
    WSGITrustedProxyHeaders {EVERY}
    WSGITrustedProxies 127.0.0.0/8
</Location>
<Location /all/nobody>
    WSGITrustedProxies 192.0.2.1
</Location>
<Location /real>
    WSGITrustedProxyHeaders X-Real-IP
    WSGITrustedProxies 127.0.0.1
</Location>
<Location /order>
    WSGITrustedProxyHeaders X-Forwarded-For X-Client-IP
    WSGITrustedProxyHeaders X-Forwarded-SSL X-Forwarded-Proto
    WSGITrustedProxies 127.0.0.1
    WSGITrustedProxies 10.0.0.0/8
</Location>
<Location /secure>
    SetEnv HTTPS on
    WSGITrustedProxyHeaders X-Forwarded-Proto
    WSGITrustedProxies 127.0.0.1
</Location>
<Location /told>
    SetEnv HTTP_X_REAL_IP 9.9.9.9
    WSGITrustedProxyHeaders X-Real-IP
    WSGITrustedProxies 127.0.0.1
</Location>
"""


def ask(site: Server, target: str, *lines: str) -> dict[str, Any]:
    """The environ of a GET with these header lines, sent as they are."""
    head = [f"GET {target} HTTP/1.1", "Host: here.invalid:8000", "Connection: close", *lines, "", ""]
    answer = exchange(site.layout.port, "\r\n".join(head).encode("latin-1"))
    assert answer.startswith(b"HTTP/1.1 200 "), answer[:300]
    found: dict[str, Any] = json.loads(answer.partition(b"\r\n\r\n")[2])
    return found


def differs(reason: str, *row: Any) -> Any:
    """A row of a table in which 6.1.1 lets the client choose."""
    return pytest.param(*row, marks=pytest.mark.ours(reason))


NOT_AN_ADDRESS = "D304: 6.1.1 takes anything for an address"
A_PORT = "D304: 6.1.1 takes the port for a part of the address"
RESOLVES = "D305: 6.1.1 asks the resolver what an element means"

# Scope, value, REMOTE_ADDR, what is left of the header.
WALKS = [
    # No list: whoever is in front is believed, and so is the first element, as in 6.1.1.
    ("/anybody", "1.1.1.1", "1.1.1.1", "1.1.1.1"),
    ("/anybody", "1.1.1.1, 2.2.2.2", "1.1.1.1", "1.1.1.1, 2.2.2.2"),
    ("/anybody", " , ,1.1.1.1, ,", "1.1.1.1", ", ,1.1.1.1, ,"),
    ("/anybody", "2001:db8::1, 10.0.0.1", "2001:db8::1", "2001:db8::1, 10.0.0.1"),
    ("/anybody", "", "127.0.0.1", ""),
    ("/anybody", ",", "127.0.0.1", ","),
    differs(NOT_AN_ADDRESS, "/anybody", "evil", "127.0.0.1", "evil"),
    differs(NOT_AN_ADDRESS, "/anybody", "unknown, 1.1.1.1", "127.0.0.1", "unknown, 1.1.1.1"),
    differs(NOT_AN_ADDRESS, "/anybody", "<script>", "127.0.0.1", "<script>"),
    differs(NOT_AN_ADDRESS, "/anybody", "1.1.1.1 2.2.2.2", "127.0.0.1", "1.1.1.1 2.2.2.2"),
    differs(A_PORT, "/anybody", "1.1.1.1:80", "1.1.1.1", "1.1.1.1:80"),
    # A list: from the right, as long as the elements are proxies of ours.
    ("/near", "1.1.1.1", "1.1.1.1", "1.1.1.1"),
    ("/near", "1.1.1.1, 2.2.2.2", "2.2.2.2", "2.2.2.2"),
    ("/near", "1.1.1.1, 10.0.0.1", "1.1.1.1", "1.1.1.1, 10.0.0.1"),
    ("/near", "1.1.1.1, 2.2.2.2, 10.0.0.1, 10.0.0.2", "2.2.2.2", "2.2.2.2, 10.0.0.1, 10.0.0.2"),
    ("/near", "10.0.0.1", "10.0.0.1", "10.0.0.1"),
    ("/near", "10.0.0.1, 10.0.0.2", "10.0.0.1", "10.0.0.1, 10.0.0.2"),
    ("/near", "10.0.0.1, 3.3.3.3, 10.0.0.2", "3.3.3.3", "3.3.3.3, 10.0.0.2"),
    ("/near", "1.1.1.1, fd00::1", "1.1.1.1", "1.1.1.1, fd00::1"),
    ("/near", "1.1.1.1, FD00::1", "1.1.1.1", "1.1.1.1, FD00::1"),
    ("/near", "2001:db8::1, 10.0.0.1", "2001:db8::1", "2001:db8::1, 10.0.0.1"),
    ("/near", "1.1.1.1, 2001:db8::1", "2001:db8::1", "2001:db8::1"),
    ("/near", "1.1.1.1, ::ffff:10.0.0.1", "1.1.1.1", "1.1.1.1, ::ffff:10.0.0.1"),
    ("/near", "", "127.0.0.1", ""),
    ("/near", " , ,1.1.1.1, ,", "1.1.1.1", "1.1.1.1"),
    ("/near", "1.1.1.1,,10.0.0.1,", "1.1.1.1", "1.1.1.1, 10.0.0.1"),
    ("/near", "1.1.1.1 , 10.0.0.1 ", "1.1.1.1", "1.1.1.1, 10.0.0.1"),
    ("/near", "\t1.1.1.1\t,\t10.0.0.1", "1.1.1.1", "1.1.1.1, 10.0.0.1"),
    ("/near", "evil, 1.1.1.1", "1.1.1.1", "1.1.1.1"),
    ("/near", "6.6.6.6, 1.1.1.1" + ", 10.0.0.1" * 300, "1.1.1.1", "1.1.1.1" + ", 10.0.0.1" * 300),
    ("/near", "6.6.6.6, " * 300 + "1.1.1.1", "1.1.1.1", "1.1.1.1"),
    differs(NOT_AN_ADDRESS, "/near", ",", "127.0.0.1", ""),
    differs(NOT_AN_ADDRESS, "/near", "evil", "127.0.0.1", ""),
    differs(NOT_AN_ADDRESS, "/near", "evil, 10.0.0.1", "10.0.0.1", "10.0.0.1"),
    differs(NOT_AN_ADDRESS, "/near", "6.6.6.6, evil, 10.0.0.1", "10.0.0.1", "10.0.0.1"),
    differs(NOT_AN_ADDRESS, "/near", "6.6.6.6, evil", "127.0.0.1", ""),
    differs(NOT_AN_ADDRESS, "/near", "for=6.6.6.6", "127.0.0.1", ""),
    differs(NOT_AN_ADDRESS, "/near", '"6.6.6.6"', "127.0.0.1", ""),
    differs(NOT_AN_ADDRESS, "/near", "256.1.1.1", "127.0.0.1", ""),
    differs(NOT_AN_ADDRESS, "/near", "6.6.6.6, 010.0.0.1", "127.0.0.1", ""),
    differs(NOT_AN_ADDRESS, "/near", "fe80::1%lo, 10.0.0.1", "10.0.0.1", "10.0.0.1"),
    differs(NOT_AN_ADDRESS, "/near", "1:2:3:4:5:6:7:8:9, 10.0.0.1", "10.0.0.1", "10.0.0.1"),
    differs(NOT_AN_ADDRESS, "/near", "caf\xe9, 10.0.0.1", "10.0.0.1", "10.0.0.1"),
    differs(NOT_AN_ADDRESS, "/near", "1" * 4000 + ", 10.0.0.1", "10.0.0.1", "10.0.0.1"),
    differs(RESOLVES, "/near", "6.6.6.6, localhost", "127.0.0.1", ""),
    differs(RESOLVES, "/near", "6.6.6.6, 10.1", "127.0.0.1", ""),
    differs(RESOLVES, "/near", "6.6.6.6, 167772161", "127.0.0.1", ""),
    differs(RESOLVES, "/near", "6.6.6.6, 0x0a000001", "127.0.0.1", ""),
    differs(A_PORT, "/near", "6.6.6.6, 1.1.1.1:80", "1.1.1.1", "1.1.1.1:80"),
    differs(A_PORT, "/near", "1.1.1.1:80, 10.0.0.1:90", "1.1.1.1", "1.1.1.1:80, 10.0.0.1:90"),
    differs(A_PORT, "/near", "6.6.6.6, [2001:db8::1]", "2001:db8::1", "[2001:db8::1]"),
    differs(A_PORT, "/near", "6.6.6.6, [2001:db8::1]:443", "2001:db8::1", "[2001:db8::1]:443"),
    differs(A_PORT, "/near", "1.1.1.1, [fd00::1]:99", "1.1.1.1", "1.1.1.1, [fd00::1]:99"),
    differs(NOT_AN_ADDRESS, "/near", "6.6.6.6, 1.1.1.1:", "127.0.0.1", ""),
    differs(NOT_AN_ADDRESS, "/near", "6.6.6.6, 1.1.1.1:99999", "127.0.0.1", ""),
    differs(NOT_AN_ADDRESS, "/near", "6.6.6.6, 1.1.1.1:8x", "127.0.0.1", ""),
    differs(NOT_AN_ADDRESS, "/near", "6.6.6.6, [1.1.1.1]:80", "127.0.0.1", ""),
    differs(NOT_AN_ADDRESS, "/near", "6.6.6.6, [2001:db8::1", "127.0.0.1", ""),
    differs(NOT_AN_ADDRESS, "/near", "6.6.6.6, []", "127.0.0.1", ""),
    # The one in front is no proxy of ours.
    ("/far", "6.6.6.6", "127.0.0.1", None),
    ("/far", "6.6.6.6, 10.0.0.1", "127.0.0.1", None),
    ("/farther", "10.0.0.1", "127.0.0.1", None),
    ("/farther", "127.0.0.1, 10.0.0.1", "127.0.0.1", None),
    ("/farther", "", "127.0.0.1", None),
    ("/all/nobody", "6.6.6.6", "127.0.0.1", None),
]


@pytest.mark.parametrize(("target", "value", "address", "left"), WALKS)
def test_forwarded_for(site: Server, target: str, value: str, address: str, left: str | None) -> None:
    """S3: the table of one X-Forwarded-For header; 6.6.6.6 is what an attacker would like to be."""
    found = ask(site, target, f"{FOR}: {value}")
    assert found["REMOTE_ADDR"] == address
    assert found.get("HTTP_X_FORWARDED_FOR") == left


@pytest.mark.parametrize("target", ["/near", "/far", "/all", "/real", "/order", "/plain"])
@pytest.mark.parametrize(
    "lines",
    [
        ["X_Forwarded_For: 6.6.6.6"],
        ["X-Forwarded_For: 6.6.6.6"],
        ["X.Forwarded.For: 6.6.6.6"],
        ["X_Real_IP: 6.6.6.6", "X_Client_IP: 6.6.6.6"],
        ["HTTP_X_FORWARDED_FOR: 6.6.6.6"],
        ["Remote-Addr: 6.6.6.6", "Remote_Addr: 6.6.6.6"],
        ["X_Forwarded_For: 6.6.6.6", "X-Forwarded-For: "],
        ["X-Forwarded-For: ", "X_Real_IP: 6.6.6.6"],
        ["Forwarded: for=6.6.6.6;proto=https;host=forged.invalid"],
    ],
)
def test_look_alikes(site: Server, target: str, lines: list[str]) -> None:
    """S3: names that only look like it change nothing, whoever sends them."""
    found = ask(site, target, *lines)
    assert found["REMOTE_ADDR"] in ("127.0.0.1", "")
    if not site.layout.module.peer or "X-Forwarded-For: " not in lines:
        assert found["REMOTE_ADDR"] == "127.0.0.1"
    assert "6.6.6.6" not in found.get("HTTP_X_FORWARDED_FOR", "")
    assert "HTTP_X_REAL_IP" not in found


@pytest.mark.parametrize(
    ("lines", "address", "left"),
    [
        (["X-Forwarded-For: 6.6.6.6", "X-Forwarded-For: 1.1.1.1"], "1.1.1.1", "1.1.1.1"),
        (["X-Forwarded-For: 1.1.1.1", "X-Forwarded-For: 10.0.0.1"], "1.1.1.1", "1.1.1.1, 10.0.0.1"),
        (
            ["X-Forwarded-For: 6.6.6.6", "x-forwarded-for: 1.1.1.1", "X-FORWARDED-FOR: 10.0.0.1"],
            "1.1.1.1",
            "1.1.1.1, 10.0.0.1",
        ),
        (["X-Forwarded-For: 6.6.6.6", "X_Forwarded_For: 10.0.0.1", "X-Forwarded-For: 1.1.1.1"], "1.1.1.1", "1.1.1.1"),
    ],
)
def test_repeated_headers(site: Server, lines: list[str], address: str, left: str) -> None:
    """S3: several lines are one list."""
    found = ask(site, "/near", *lines)
    assert (found["REMOTE_ADDR"], found["HTTP_X_FORWARDED_FOR"]) == (address, left)


@pytest.mark.parametrize(
    ("value", "address"),
    [
        ("1.1.1.1", "1.1.1.1"),
        ("2001:db8::1", "2001:db8::1"),
        differs(NOT_AN_ADDRESS, "6.6.6.6, 1.1.1.1", "127.0.0.1"),
        differs(NOT_AN_ADDRESS, "evil<>", "127.0.0.1"),
        differs(NOT_AN_ADDRESS, "", "127.0.0.1"),
        differs(A_PORT, "[2001:db8::1]:99", "2001:db8::1"),
    ],
)
def test_real_ip(site: Server, value: str, address: str) -> None:
    """S3: one address, or nothing: two of them mean that a client sent one itself."""
    found = ask(site, "/real", f"X-Real-IP: {value}", "X-Forwarded-For: 3.3.3.3", "X-Client-IP: 4.4.4.4")
    assert found["REMOTE_ADDR"] == address
    assert found["HTTP_X_REAL_IP"] == value
    assert "HTTP_X_FORWARDED_FOR" not in found
    assert "HTTP_X_CLIENT_IP" not in found


def test_what_setenv_puts_in_place_of_a_header(site: Server) -> None:
    assert ask(site, "/told")["REMOTE_ADDR"] == "9.9.9.9"
    assert ask(site, "/told", "X-Real-IP: 1.1.1.1")["REMOTE_ADDR"] == "1.1.1.1"


# ---- several headers of a kind -------------------------------------------------------------


def test_the_last_listed_counts(site: Server) -> None:
    found = ask(site, "/order", "X-Client-IP: 4.4.4.4", "X-Forwarded-For: 1.1.1.1, 10.0.0.1")
    assert (found["REMOTE_ADDR"], found["HTTP_X_CLIENT_IP"]) == ("4.4.4.4", "4.4.4.4")
    assert "HTTP_X_FORWARDED_FOR" not in found
    found = ask(site, "/order", "X-Forwarded-For: 1.1.1.1, 10.0.0.1", "X-Real-IP: 6.6.6.6")
    assert (found["REMOTE_ADDR"], found["HTTP_X_FORWARDED_FOR"]) == ("1.1.1.1", "1.1.1.1, 10.0.0.1")
    assert "HTTP_X_REAL_IP" not in found, "of a kind that is listed, but not listed itself"


@pytest.mark.parametrize(
    ("lines", "scheme", "kept"),
    [
        (["X-Forwarded-Proto: https"], "https", "HTTP_X_FORWARDED_PROTO"),
        (["X-Forwarded-Proto: HTTPS"], "https", "HTTP_X_FORWARDED_PROTO"),
        (["X-Forwarded-Proto: http"], "http", "HTTP_X_FORWARDED_PROTO"),
        (["X-Forwarded-Proto: wss"], "http", "HTTP_X_FORWARDED_PROTO"),
        (["X-Forwarded-Proto: on"], "http", "HTTP_X_FORWARDED_PROTO"),
        (["X-Forwarded-Proto: https, http"], "http", "HTTP_X_FORWARDED_PROTO"),
        (["X-Forwarded-SSL: on"], "https", "HTTP_X_FORWARDED_SSL"),
        (["X-Forwarded-SSL: On"], "https", "HTTP_X_FORWARDED_SSL"),
        (["X-Forwarded-SSL: true"], "https", "HTTP_X_FORWARDED_SSL"),
        (["X-Forwarded-SSL: 1"], "https", "HTTP_X_FORWARDED_SSL"),
        (["X-Forwarded-SSL: off"], "http", "HTTP_X_FORWARDED_SSL"),
        (["X-Forwarded-SSL: https"], "http", "HTTP_X_FORWARDED_SSL"),
        (["X-Forwarded-SSL: "], "http", "HTTP_X_FORWARDED_SSL"),
        (["X-Forwarded-SSL: on", "X-Forwarded-Proto: http"], "http", "HTTP_X_FORWARDED_PROTO"),
        (["X-HTTPS: on"], "http", None),
        (["X-Scheme: https"], "http", None),
        (["X_Forwarded_Proto: https"], "http", None),
        (["HTTPS: on", "Https: 1", "X-Forwarded-Port: 443"], "http", None),
    ],
)
def test_schemes(site: Server, lines: list[str], scheme: str, kept: str | None) -> None:
    """Words and flags are one kind; what is not listed itself is taken away."""
    found = ask(site, "/order", *lines)
    assert found["wsgi.url_scheme"] == scheme
    kinds = ("PROTO", "SCHEME", "SSL", "X_HTTPS")
    assert [key for key in found if key.startswith("HTTP_X_") and key.endswith(kinds)] == ([kept] if kept else [])
    assert "HTTPS" not in found
    assert found["REQUEST_SCHEME"] == "http"


@pytest.mark.parametrize(("word", "scheme"), [("https", "https"), ("http", "http"), ("wss", "https"), ("", "https")])
def test_scheme_over_the_servers_own(site: Server, word: str, scheme: str) -> None:
    assert ask(site, "/secure", f"X-Forwarded-Proto: {word}")["wsgi.url_scheme"] == scheme


def test_everything_that_is_told(site: Server) -> None:
    """Host, server, port and mount point, with and without trust."""
    lines = [f"{name}: {value}" for name, value in FORGED.items()]
    found = ask(site, "/all/there", *lines, "X-Unknown: kept")
    wanted = {
        "HTTP_HOST": "forged.invalid",
        "SERVER_NAME": "forged.invalid",
        "SERVER_PORT": "666",
        "SCRIPT_NAME": "/forged",
        "PATH_INFO": "/all/there",
        "mod_wsgi.script_name": "",
        "mod_wsgi.path_info": "/all/there",
        "mod_wsgi.mount_point": "/forged",
        "wsgi.url_scheme": "https",
        "HTTP_X_UNKNOWN": "kept",
        "HTTP_X_HTTPS": "on",
        "HTTP_X_HOST": "forged.invalid",
        "HTTP_X_FORWARDED_SCRIPT_NAME": "/forged",
        "HTTP_X_FORWARDED_FOR": "6.6.6.6",
        "REMOTE_ADDR": "6.6.6.6",
    }
    assert {key: found.get(key) for key in wanted} == wanted
    gone = ("X_FORWARDED_HOST", "X_SCRIPT_NAME", "X_SCHEME", "X_FORWARDED_PROTO", "X_CLIENT_IP", "X_REAL_IP")
    assert not [name for name in gone if f"HTTP_{name}" in found]


@pytest.mark.parametrize("target", ["/far", "/all/nobody"])
def test_nothing_is_told_by_a_stranger(site: Server, target: str) -> None:
    """S3: of a peer that is not trusted no header of any listed kind comes through."""
    plain = ask(site, target)
    found = ask(site, target, *[f"{name}: {value}" for name, value in FORGED.items()], "X-Unknown: kept")
    assert found.pop("HTTP_X_UNKNOWN") == "kept"
    assert "mod_wsgi.mount_point" not in found
    changing = {"REMOTE_PORT", "mod_wsgi.request_id", "mod_wsgi.connection_id", "UNIQUE_ID", "mod_wsgi.thread_id",
                "wsgi.input", "wsgi.errors", "mod_wsgi.server_pid"}  # fmt: skip
    changing |= {key for key in found if key.endswith("_start")}
    assert {k: v for k, v in found.items() if k not in changing} == {
        k: v for k, v in plain.items() if k not in changing
    }


@pytest.mark.parametrize("value", ["/a/b", "//a//b", "a", "", "/"])
def test_mount_point_is_taken_as_it_is(site: Server, value: str) -> None:
    found = ask(site, "/all/q", f"X-Script-Name: {value}")
    assert found["SCRIPT_NAME"] == found["mod_wsgi.mount_point"] == value
    assert (found["mod_wsgi.script_name"], found["PATH_INFO"]) == ("", "/all/q")


FORGERIES = [
    "HTTPS: on",
    "Https: on",
    "HTTP_HTTPS: on",
    "wsgi.url_scheme: https",
    "wsgi-url_scheme: https",
    "REMOTE_USER: root",
    "Remote-User: root",
    "Remote_User: root",
    "AUTH_TYPE: Basic",
    "Proxy: http://forged.invalid/",
    "proxy: http://forged.invalid/",
    "PROXY: http://forged.invalid/",
    "HTTP_PROXY: http://forged.invalid/",
    "SCRIPT_NAME: /forged",
    "X_Under_Score: forged",
    "Content_Length: 5",
    "Content_Type: forged",
    "mod_wsgi.process_group: forged",
]


@pytest.mark.parametrize("target", ["/plain", "/far", "/all"])
def test_what_no_client_can_set(site: Server, target: str) -> None:
    """S3: HTTPS, REMOTE_USER, HTTP_PROXY and look-alikes with an underscore are out of reach."""
    plain, found = ask(site, target), ask(site, target, *FORGERIES)
    assert found["wsgi.url_scheme"] == "http"
    for key in ("HTTPS", "REMOTE_USER", "AUTH_TYPE", "HTTP_PROXY", "HTTP_X_UNDER_SCORE", "CONTENT_LENGTH"):
        assert key not in found
    assert found["SCRIPT_NAME"] == plain["SCRIPT_NAME"]
    # What is legal is passed, under a name that says where it is from.
    assert set(found) - set(plain) == {"HTTP_HTTPS", "HTTP_REMOTE_USER"}


@pytest.mark.ours("D119: 6.1.1 says nothing")
def test_hint_when_everybody_is_believed(new_server: Any) -> None:
    server = new_server(
        lambda layout: (
            f"WSGIScriptAlias / {layout.apps}/environ.wsgi\nWSGITrustedProxyHeaders X-Real-IP\n"
            "<Location /listed>\nWSGITrustedProxies 127.0.0.1\n</Location>"
        ),
        mode="embedded",
        level="warn wsgi:info",
    ).start()
    assert server.get("/listed").status == 200
    assert "hint:" not in server.log().tail(1000)
    for _ in range(3):
        assert server.get("/").status == 200
    server.expect("hint: WSGITrustedProxyHeaders without WSGITrustedProxies")
    server.allow("wsgi:info")
