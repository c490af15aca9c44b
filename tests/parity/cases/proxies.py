# SPDX-License-Identifier: Apache-2.0
"""4.4: headers of trusted proxies. Every header, order, lists of proxies, hostile tables."""

from __future__ import annotations

import ipaddress
import re

from harness import Server, wait_until

from parity.model import Ask, Case, Check, Site
from parity.tables import app, pair

# Header -> category; the order of the reference.
CLIENT = ("X-Forwarded-For", "X-Client-IP", "X-Real-IP")
HOST = ("X-Forwarded-Host", "X-Host")
SCRIPT = ("X-Script-Name", "X-Forwarded-Script-Name")
WORDS = ("X-Forwarded-Proto", "X-Forwarded-Scheme", "X-Scheme")
FLAGS = ("X-Forwarded-HTTPS", "X-Forwarded-SSL", "X-HTTPS")
ALL = (*CLIENT, *HOST, "X-Forwarded-Server", "X-Forwarded-Port", *SCRIPT, *WORDS, *FLAGS)

SENT = {
    **dict.fromkeys(CLIENT, "192.0.2.7"),
    **dict.fromkeys(HOST, "outside.invalid:99"),
    "X-Forwarded-Server": "front.invalid",
    "X-Forwarded-Port": "8443",
    **dict.fromkeys(SCRIPT, "/mounted"),
    **dict.fromkeys(WORDS, "https"),
    **dict.fromkeys(FLAGS, "On"),
}
EFFECT = {
    **dict.fromkeys(CLIENT, ("REMOTE_ADDR", "192.0.2.7")),
    **dict.fromkeys(HOST, ("HTTP_HOST", "outside.invalid:99")),
    "X-Forwarded-Server": ("SERVER_NAME", "front.invalid"),
    "X-Forwarded-Port": ("SERVER_PORT", "8443"),
    **dict.fromkeys(SCRIPT, ("mod_wsgi.mount_point", "/mounted")),
    **dict.fromkeys((*WORDS, *FLAGS), ("wsgi.url_scheme", "https")),
}

# Lists of proxies: name -> lines
LISTS = {
    "loop": "WSGITrustedProxies 127.0.0.1",
    "net": "WSGITrustedProxies 127.0.0.0/8",
    "mask": "WSGITrustedProxies 127.0.0.0/255.0.0.0",
    "partial": "WSGITrustedProxies 127",
    "other": "WSGITrustedProxies 192.0.2.0/24",
    "six": "WSGITrustedProxies ::1 2001:db8::/32",
    "both": "WSGITrustedProxies 2001:db8::/32 127.0.0.1",
    "half": "WSGITrustedProxies 0.0.0.0/1",
    "chain": "WSGITrustedProxies 127.0.0.1 10.0.0.0/8 2001:db8::/32\nWSGITrustedProxies 192.0.2.1",
}


def location(path: str, *lines: str) -> str:
    """A <Location> below /app."""
    return "\n".join((f"<Location /app/{path}>", *lines, "</Location>", ""))


LINES = "".join(
    (
        "@DELEGATE@\nWSGIApplicationGroup %{GLOBAL}\nWSGIScriptAlias /app @ROOT@/w/show.wsgi\n",
        "SetEnvIf Request_URI /app/ssl HTTPS=on\n",
        *(location(f"one-{name}", f"WSGITrustedProxyHeaders {name}") for name in ALL),
        location("all", "WSGITrustedProxyHeaders " + " ".join(ALL)),
        location("reverse", "WSGITrustedProxyHeaders " + " ".join(reversed(ALL))),
        location("lower", "WSGITrustedProxyHeaders x-forwarded-proto X-FORWARDED-FOR http-x-forwarded-host"),
        location("folded", "WSGITrustedProxyHeaders HTTP-X-Forwarded-Host"),
        location("repeated", "WSGITrustedProxyHeaders X-Forwarded-Proto", "WSGITrustedProxyHeaders X-Forwarded-Host"),
        location("outer", "WSGITrustedProxyHeaders X-Forwarded-Proto X-Forwarded-Host", "WSGITrustedProxies 127.0.0.1"),
        location("outer/inner", "WSGITrustedProxyHeaders X-Forwarded-Host"),
        location("outer/list", "WSGITrustedProxies 192.0.2.1"),
        location("unknown", "WSGITrustedProxyHeaders X-Unknown X-Forwarded-Proto"),
        location("only-list", "WSGITrustedProxies 127.0.0.1"),
        location("ssl", "WSGITrustedProxyHeaders X-Forwarded-Proto", "SetEnv HTTPS on"),
        location("require", "WSGITrustedProxyHeaders X-Forwarded-For", "Require ip 192.0.2.7"),
        location("cookies", "WSGITrustedProxyHeaders X-Forwarded-For Cookie Host"),
        *(location(f"in-{name}", f"WSGITrustedProxyHeaders {' '.join(ALL)}", line) for name, line in LISTS.items()),
    )
)

SITES = (
    Site(
        "proxies",
        LINES
        + """
CustomLog "@LOGS@/peer_log" "%h %a %{X-Mark}i"
<VirtualHost *:@PORT1@>
    ServerName fronted.invalid
    RemoteIPHeader X-Peer
    RemoteIPInternalProxy 127.0.0.1
</VirtualHost>
<Directory @ROOT@/w>
    AllowOverride FileInfo
</Directory>
WSGIScriptAlias /over @ROOT@/over/show.wsgi
<Directory @ROOT@/over>
    AllowOverride FileInfo
</Directory>
""",
        ports=2,
        modules=("remoteip", "authz_host"),
        files={
            "w/show.wsgi": app("show.wsgi"),
            "over/show.wsgi": app("show.wsgi"),
            "over/.htaccess": "WSGITrustedProxyHeaders X-Forwarded-Proto\nWSGITrustedProxies 127.0.0.1\n",
        },
    ),
    Site(
        "proxies-underscore",
        """
@DELEGATE@
WSGIScriptAlias /app @ROOT@/w/show.wsgi
WSGITrustedProxyHeaders X_FORWARDED_FOR
""",
        files={"w/show.wsgi": app("show.wsgi")},
    ),
)

Pairs = tuple[tuple[str, str], ...]


def address(text: str) -> bool:
    """Whether it is an IPv4 or IPv6 address and nothing else."""
    try:
        return bool(ipaddress.ip_address(text)) and "%" not in text
    except ValueError:
        return False


def hostile(name: str, value: str, listed: bool) -> dict[str, str]:
    """What 6.1.1 takes for an address that is none: the accepted differences."""
    elements = [element.strip() for element in value.split(",") if element.strip()]
    if name != "X-Forwarded-For":
        return {} if address(value) else {"environ:REMOTE_ADDR": "D304"}
    if not listed:
        return {"environ:REMOTE_ADDR": "D304"} if elements and not address(elements[0]) else {}
    if not elements:
        return {"environ:HTTP_X_FORWARDED_FOR": "D304"}
    if all(map(address, elements)):
        return {}
    ported = re.fullmatch(r"\[.*\](:\d+)?|[\d.]+:\d+", elements[0])  # 6.1.1 keeps the port, and so the text
    return dict.fromkeys(LISTED[:1] if ported else LISTED, "D304")


LISTED = ("environ:REMOTE_ADDR", "environ:HTTP_X_FORWARDED_FOR")


def case(
    name: str, row: str, path: str, headers: Pairs, *shows: str, port: int = 0, accepted: dict[str, str] | None = None
) -> Case:
    """One GET. Under mod_remoteip (port 1) the client's port is not compared: 4.1 does that."""
    typed = {"REMOTE_PORT": str} if port else {}
    ask = Ask(path, headers=headers, port=port)
    return Case(f"4.4 {name}", tuple(row.split()), "proxies", ask, shows=shows, typed=typed, accepted=accepted or {})


def row(name: str) -> str:
    """The row of a header."""
    return f"4.4-{name.lower()}"


def forwarded(list_name: str, rows: str, table: str) -> tuple[Case, ...]:
    """X-Forwarded-For under a list of proxies: value = REMOTE_ADDR."""
    made = []
    for line in table.strip().splitlines():
        value, _, client = (part.strip() for part in line.partition("=>"))
        made.append(
            case(
                f"for {list_name} {value!r}",
                rows,
                f"/app/{list_name}",
                (("X-Forwarded-For", value),),
                *((pair("REMOTE_ADDR", client),) if client else ()),
                accepted=hostile("X-Forwarded-For", value, list_name == "in-chain"),
            )
        )
    return tuple(made)


def logged(server: Server) -> str:
    """A step that gives the marked line of the access log."""
    log = server.layout.logs / "peer_log"
    wait_until(lambda: "logged" in log.read_text(), "the request is in the access log")
    return next(line for line in log.read_text().splitlines() if line.endswith("logged"))


CASES: tuple[Case, ...] = (
    # each header by itself, its synonyms, and no directive at all
    *(case(f"{name}", row(name), f"/app/one-{name}", ((name, SENT[name]),), pair(*EFFECT[name])) for name in ALL),
    *(case(f"unset {name}", "4.4-unset", "/app", ((name, SENT[name]),)) for name in ALL),
    *(case(f"only a list {name}", "4.4-unset", "/app/only-list", ((name, SENT[name]),)) for name in ALL),
    *(
        case(f"not sent {name}", row(name), f"/app/one-{name}", ())
        for name in (
            "X-Forwarded-For",
            "X-Forwarded-Host",
            "X-Forwarded-Server",
            "X-Forwarded-Port",
            "X-Script-Name",
            "X-Forwarded-Proto",
            "X-HTTPS",
        )
    ),
    *(
        case(
            f"synonyms of {name}", "4.4-synonyms-removed", f"/app/one-{name}", tuple(SENT.items()), pair(*EFFECT[name])
        )
        for name in ALL
    ),
    *(
        case(
            f"only synonyms of {name}",
            "4.4-synonyms-removed",
            f"/app/one-{name}",
            tuple(pair_ for pair_ in SENT.items() if pair_[0] != name),
        )
        for name in ALL
    ),
    *(case(f"untrusted {name}", "4.4-untrusted-removed", "/app/in-other", ((name, SENT[name]),)) for name in ALL),
    case("all", "4.4-last-wins", "/app/all", tuple(SENT.items()), pair("wsgi.url_scheme", "https")),
    case(
        "all untrusted", "4.4-untrusted-removed", "/app/in-other", tuple(SENT.items()), pair("REMOTE_ADDR", "127.0.0.1")
    ),
    # words and flags
    *(
        case(f"{name} {value!r}", f"4.4-word-values {row(name)}", f"/app/one-{name}", ((name, value),))
        for name in WORDS
        for value in ("https", "http", "HTTPS", "Http", "", "ftp", "on", "1", "https, http", "https ", "httpsx")
    ),
    *(
        case(f"{name} {value!r}", f"4.4-flag-values {row(name)}", f"/app/one-{name}", ((name, value),))
        for name in FLAGS
        for value in (
            "On",
            "on",
            "ON",
            "true",
            "TRUE",
            "1",
            "Off",
            "off",
            "false",
            "0",
            "",
            "yes",
            "https",
            "11",
            "on, off",
        )
    ),
    *(
        case(f"over HTTPS {value!r}", "4.4-no-ssl-asked 4.4-word-values", "/app/ssl", (("X-Forwarded-Proto", value),))
        for value in ("http", "https", "ftp", "")
    ),
    case("over HTTPS not sent", "4.4-no-ssl-asked", "/app/ssl", (), pair("wsgi.url_scheme", "https")),
    # order
    *(
        case(
            f"order {path} {first}={one}, {second}={two}",
            "4.4-last-wins",
            f"/app/{path}",
            ((first, one), (second, two)),
        )
        for path in ("all", "reverse")
        for first, one, second, two in (
            ("X-Forwarded-For", "192.0.2.1", "X-Real-IP", "192.0.2.2"),
            ("X-Client-IP", "192.0.2.1", "X-Real-IP", "192.0.2.2"),
            ("X-Forwarded-For", "192.0.2.1", "X-Client-IP", "192.0.2.2"),
            ("X-Forwarded-Host", "one.invalid", "X-Host", "two.invalid"),
            ("X-Script-Name", "/one", "X-Forwarded-Script-Name", "/two"),
            ("X-Forwarded-Proto", "https", "X-Scheme", "http"),
            ("X-Forwarded-Proto", "http", "X-HTTPS", "on"),
            ("X-HTTPS", "off", "X-Scheme", "https"),
            ("X-Forwarded-SSL", "on", "X-Forwarded-HTTPS", "off"),
            ("X-HTTPS", "nonsense", "X-Scheme", "https"),
            ("X-Forwarded-Proto", "https", "X-HTTPS", "nonsense"),
        )
    ),
    # values
    *(
        case(
            f"{name} {value!r}",
            row(name),
            f"/app/one-{name}",
            ((name, value),),
            accepted=hostile(name, value, False) if name in CLIENT else {},
        )
        for name, values in (
            ("X-Forwarded-Host", ("", "a, b", "a.invalid:1", "<b>", "caf\u00e9", " x ", "[::1]:80")),
            ("X-Forwarded-Server", ("", "a, b", "<b>", "a.invalid:1")),
            ("X-Forwarded-Port", ("", "0", "99999", "abc", "80, 81", "-1", " 8080 ")),
            ("X-Script-Name", ("", "/", "mounted", "/a/b/", "//a//b", "/app", "/a%20b", "/caf\u00e9")),
            ("X-Client-IP", ("", "nonsense", "192.0.2.1, 192.0.2.2", "::1", "192.0.2.1:80")),
            ("X-Real-IP", ("", "nonsense", "192.0.2.1, 192.0.2.2", "2001:db8::1", "[2001:db8::1]")),
        )
        for value in values
    ),
    *(
        case(
            f"script name of {target}",
            "4.4-x-script-name 4.2-mod_wsgi.mount_point 4.2-mod_wsgi.script_name 4.3-order",
            target,
            (("X-Script-Name", "/outside"),),
            pair("SCRIPT_NAME", "/outside"),
        )
        for target in ("/app/one-X-Script-Name", "/app/one-X-Script-Name/x//y", "/app/one-X-Script-Name?q")
    ),
    case(
        "header twice",
        "4.4-x-forwarded-for",
        "/app/all",
        (("X-Forwarded-For", "192.0.2.1"), ("X-Forwarded-For", "192.0.2.2")),
    ),
    case(
        "look-alike",
        "4.4-x-forwarded-for",
        "/app/all",
        (("X_Forwarded_For", "192.0.2.1"), ("X-Forwarded_Proto", "https")),
        pair("REMOTE_ADDR", "127.0.0.1"),
        pair("wsgi.url_scheme", "http"),
    ),
    case(
        "look-alike beside",
        "4.4-x-forwarded-proto",
        "/app/all",
        (("X-Forwarded-Proto", "http"), ("X_Forwarded_Proto", "https")),
        pair("wsgi.url_scheme", "http"),
    ),
    # names in the configuration
    *(
        case(f"written {path} {name}", "4.4-unset 1.2-WSGITrustedProxyHeaders", f"/app/{path}", ((name, SENT[name]),))
        for path in ("lower", "folded", "repeated", "unknown", "cookies")
        for name in ("X-Forwarded-Proto", "X-Forwarded-For", "X-Forwarded-Host")
    ),
    case(
        "not a proxy's header",
        "4.4-unset",
        "/app/cookies",
        (("Cookie", "a=b"), ("X-Unknown", "x")),
        pair("HTTP_COOKIE", "a=b"),
    ),
    *(
        case(f"scope {path}", "4.4-merge", f"/app/{path}", tuple(SENT.items()))
        for path in ("outer", "outer/inner", "outer/list")
    ),
    case("scope .htaccess", "4.4-merge", "/over", tuple(SENT.items()), pair("wsgi.url_scheme", "https")),
    Case(
        "4.4 written with an underscore",
        ("4.4-unset",),
        "proxies-underscore",
        Ask("/app", headers=(("X-Forwarded-For", "192.0.2.7"),)),
        "RemoteDisconnected",
        # Only the status is there to compare: the child of 6.1.1 is dead.
        skip=("reason", "headers", "environ", "body"),
        accepted={"status": "D302"},
        ours={"status": 200},
    ),
    # who is the peer
    *(
        case(
            f"peer {name}",
            "4.4-peer-list",
            f"/app/in-{name}",
            (("X-Forwarded-Proto", "https"), ("X-Forwarded-For", "192.0.2.7")),
        )
        for name in LISTS
    ),
    *(
        case(
            f"peer {name} {address}",
            "4.4-peer-list",
            f"/app/in-{name}",
            (("X-Peer", address), ("X-Forwarded-Proto", "https")),
            port=1,
        )
        for name in LISTS
        for address in ("10.1.2.3", "192.0.2.1", "2001:db8::7", "2001:db9::7", "::ffff:10.0.0.1", "198.51.100.1")
    ),
    # X-Forwarded-For
    *forwarded(
        "one-X-Forwarded-For",
        "4.4-for-no-list 4.4-x-forwarded-for",
        """
192.0.2.1 => 192.0.2.1
192.0.2.1, 192.0.2.2 => 192.0.2.1
192.0.2.1,192.0.2.2 => 192.0.2.1
 , 192.0.2.2 => 192.0.2.2
, , => 127.0.0.1
nonsense => nonsense
nonsense, 192.0.2.2 => nonsense
2001:db8::1 => 2001:db8::1
[2001:db8::1]:80 =>
192.0.2.1:80 =>
"192.0.2.1" =>
unknown, 192.0.2.2 => unknown
192.0.2.1 192.0.2.2 =>
192.0.2.256 =>
<script> =>
""",
    ),
    *forwarded(
        "in-chain",
        "4.4-for-list 4.4-x-forwarded-for",
        """
198.51.100.1 => 198.51.100.1
198.51.100.1, 10.0.0.1 => 198.51.100.1
198.51.100.1, 198.51.100.2, 10.0.0.1 => 198.51.100.2
198.51.100.1, 10.0.0.1, 198.51.100.2, 10.0.0.2 => 198.51.100.2
198.51.100.1, 192.0.2.1, 10.0.0.1 => 198.51.100.1
198.51.100.1, 2001:db8::5 => 198.51.100.1
2001:db9::1, 2001:db8::5, 10.0.0.1 => 2001:db9::1
""",
    ),
    *forwarded(
        "in-chain",
        "4.4-for-none-trusted",
        """
198.51.100.1, 198.51.100.2 => 198.51.100.2
10.0.0.1, 198.51.100.2 => 198.51.100.2
10.0.0.1, 198.51.100.1, 198.51.100.2 => 198.51.100.2
""",
    ),
    *forwarded(
        "in-chain",
        "4.4-for-all-trusted",
        """
10.0.0.1 => 10.0.0.1
10.0.0.1, 10.0.0.2 => 10.0.0.1
127.0.0.1, 10.0.0.2 => 127.0.0.1
""",
    ),
    *forwarded(
        "in-chain",
        "4.4-for-invalid",
        """
198.51.100.1, nonsense, 10.0.0.1 =>
198.51.100.1, nonsense =>
nonsense, 10.0.0.1 =>
nonsense =>
198.51.100.1, , 10.0.0.1 => 198.51.100.1
198.51.100.1, 10.0.0.1, => 198.51.100.1
, 10.0.0.1 => 10.0.0.1
, , =>
198.51.100.1,, ,10.0.0.1 , => 198.51.100.1
198.51.100.1:80, 10.0.0.1 =>
[2001:db8::1], 10.0.0.1 =>
2001:DB8::5, 10.0.0.1 =>
198.51.100.1, 010.0.0.1 =>
198.51.100.1, 10.1 =>
198.51.100.1, 0x0a000001 =>
198.51.100.1, localhost =>
::ffff:10.0.0.1, 10.0.0.1 =>
198.51.100.1, ::ffff:10.0.0.1 =>
10.0.0.1 198.51.100.1 =>
198.51.100.1, 10.0.0.0/8 =>
fe80::1%lo, 10.0.0.1 =>
""",
    ),
    case(
        "long list",
        "4.4-for-list",
        "/app/in-chain",
        (("X-Forwarded-For", "198.51.100.1, " + ", ".join(["10.0.0.1"] * 400)),),
        pair("REMOTE_ADDR", "198.51.100.1"),
    ),
    case(
        "long commas",
        "4.4-for-invalid",
        "/app/in-chain",
        (("X-Forwarded-For", "198.51.100.1" + "," * 4000 + "10.0.0.1"),),
        pair("REMOTE_ADDR", "198.51.100.1"),
    ),
    case(
        "long element",
        "4.4-for-invalid",
        "/app/in-chain",
        (("X-Forwarded-For", "1" * 4000 + ", 10.0.0.1"),),
        accepted=dict.fromkeys(LISTED, "D304"),
    ),
    # what does not change
    Case(
        "4.4 Require ip",
        ("4.4-only-environ",),
        "proxies",
        Ask("/app/require", headers=(("X-Forwarded-For", "192.0.2.7"),)),
        403,
    ),
    Case(
        "4.4 access log",
        ("4.4-only-environ",),
        "proxies",
        (Ask("/app/all", headers=(("X-Forwarded-For", "192.0.2.7"), ("X-Mark", "logged"))), logged),
        None,
        shows=("127.0.0.1 127.0.0.1 logged",),
    ),
    case(
        "port and host",
        "4.4-x-forwarded-port 4.4-x-forwarded-host",
        "/app/all",
        (("X-Forwarded-Host", "h.invalid"), ("X-Forwarded-Port", "1")),
        pair("HTTP_HOST", "h.invalid"),
        pair("SERVER_PORT", "1"),
    ),
)

# Values of WSGITrustedProxies: whether 6.1.1 refuses them.
CHECKS = tuple(
    Check(
        f"4.4 proxies {value}",
        ("4.4-peer-list", "1.2-WSGITrustedProxies"),
        f"WSGITrustedProxies {value}",
        refused,
        names=(value.strip('"'),) if refused else (),
        accepted={"status": "D303"} if value == "2001:DB8::/32" else {},
    )
    for value, refused in (
        *(("127.0.0.1", False), ("127.0.0.0/8", False), ("127.0.0.0/255.0.0.0", False), ("127.0.0.1/32", False)),
        *(("::1", False), ("2001:db8::/32", False), ("::/1", False), ("127", False), ("127.0", False)),
        *(("2001:DB8::/32", True), ("::ffff:127.0.0.1", True), ("0.0.0.0/0", True), ("::/0", True)),
        *(("127.0.0.1/33", True), ("::1/129", True), ("127.0.0.1/", True), ("127.0.0.1/x", True), ("256.0.0.1", True)),
        *(("localhost", True), ("example.invalid", True), ("*", True), ('""', True), ("127.0.0.1,127.0.0.2", True)),
        *(("[::1]", True), ("127.0.0.1:80", True), ("1.2.3.4.5", True), ("127.0.0.1/-1", True)),
    )
)
