# SPDX-License-Identifier: Apache-2.0
"""3.5 and 3.6: scripts that Apache asks, with every kind of answer and every failure."""

from __future__ import annotations

from parity.model import BOTH, DAEMON, EMBEDDED, Ask, Case, Headers, Site
from parity.tables import app, basic, digest, given, pair

BROKEN = ("syntax", "raises", "exits", "nothing", "values", "arity", "absent")
MODULES = ("auth_basic", "auth_digest", "authn_core", "authn_file", "authz_user", "authz_host")

LOGIN = """
    AuthType Basic
    AuthName here
    AuthBasicProvider wsgi
"""


def block(path: str, *lines: str) -> str:
    """A <Location>."""
    return "\n".join((f"<Location {path}>", *lines, "</Location>", ""))


def user(script: str = "decide.py", *more: str) -> tuple[str, ...]:
    """Lines of a Basic login by a script."""
    return (LOGIN, f"WSGIAuthUserScript @ROOT@/d/{script}", *(more or ("Require valid-user",)))


def hashes(script: str = "decide.py") -> tuple[str, ...]:
    """Lines of a Digest login by a script."""
    return (
        "AuthType Digest",
        "AuthName here",
        "AuthDigestProvider wsgi",
        f"WSGIAuthUserScript @ROOT@/d/{script}",
        "Require valid-user",
    )


def groups(script: str = "decide.py", wanted: str = "staff 'Other Group'") -> tuple[str, ...]:
    """Lines that ask for groups."""
    return user("decide.py", f"WSGIAuthGroupScript @ROOT@/d/{script}", f"Require wsgi-group {wanted}")


LINES = "".join(
    (
        "@DELEGATE@\nWSGIApplicationGroup base\nWSGIScriptAlias / @ROOT@/w/show.wsgi\n",
        "Alias /scratch @SCRATCH@\n",
        "SetEnv FROM_SETENV yes\n",
        block("/access", "WSGIAccessScript @ROOT@/d/decide.py"),
        block("/access-and", "WSGIAccessScript @ROOT@/d/decide.py", "Require ip 192.0.2.1"),
        block("/access-ok", "WSGIAccessScript @ROOT@/d/decide.py", "Require ip 127.0.0.1"),
        block("/access-any", "Satisfy Any", "WSGIAccessScript @ROOT@/d/decide.py", *user()),
        block("/access-user", "WSGIAccessScript @ROOT@/d/decide.py", *user()),
        block("/basic", *user()),
        block(
            "/basic-next", *user()[1:], *LOGIN.replace("wsgi", "wsgi file").splitlines(), "AuthUserFile @ROOT@/d/users"
        ),
        block(
            "/basic-after", *user()[1:], *LOGIN.replace("wsgi", "file wsgi").splitlines(), "AuthUserFile @ROOT@/d/users"
        ),
        block("/basic-ann", *user("decide.py", "Require user ann")),
        block("/basic-renamed", *user("decide.py", "Require user renamed")),
        block("/basic-soft", *user(), "AuthBasicAuthoritative Off", "WSGIGroupAuthoritative Off"),
        block("/basic-passed", *user(), "WSGIPassAuthorization On"),
        block("/digest", *hashes()),
        block("/group", *groups()),
        block("/group-many", *groups(wanted="one two three staff")),
        block("/group-upper", *groups(wanted="STAFF")),
        block("/group-none-named", *groups(wanted="")),
        block(
            "/group-not",
            *groups()[:-1],
            "<RequireAll>",
            "Require valid-user",
            "Require not wsgi-group staff",
            "</RequireAll>",
        ),
        block(
            "/group-any",
            *groups()[:-1],
            "<RequireAny>",
            "Require user nobody",
            "Require wsgi-group staff",
            "</RequireAny>",
        ),
        block("/group-missing", *user("decide.py", "Require wsgi-group staff")),
        block("/group-anonymous", "WSGIAuthGroupScript @ROOT@/d/decide.py", "Require wsgi-group staff"),
        block("/group-expression", *groups(wanted="%{HTTP:X-Wanted}")),
        block("/basic-missing", LOGIN, "Require valid-user"),
        block("/digest-missing", "AuthType Digest", "AuthName here", "AuthDigestProvider wsgi", "Require valid-user"),
        block("/interpreter", "WSGIAccessScript @ROOT@/d/decide.py application-group=named"),
        block("/interpreter-global", "WSGIAccessScript @ROOT@/d/decide.py application-group=%{GLOBAL}"),
        block("/interpreter-server", "WSGIAccessScript @ROOT@/d/decide.py application-group=%{SERVER}"),
        block("/interpreter-host", "WSGIAccessScript @ROOT@/d/decide.py application-group=%{HOST}"),
        block("/interpreter-resource", "WSGIAccessScript @ROOT@/d/decide.py application-group=%{RESOURCE}"),
        block("/interpreter-env", "WSGIAccessScript @ROOT@/d/decide.py application-group=%{ENV:FROM_SETENV}"),
        block(
            "/interpreter-user",
            LOGIN,
            "WSGIAuthUserScript @ROOT@/d/decide.py application-group=named",
            "Require valid-user",
        ),
        block(
            "/interpreter-group",
            *user(
                "decide.py",
                "WSGIAuthGroupScript @ROOT@/d/decide.py application-group=named",
                "Require wsgi-group staff",
            ),
        ),
        block("/interpreter-dispatch", "WSGIDispatchScript @ROOT@/d/decide.py application-group=named"),
        block("/lookups", "HostnameLookups On", "WSGIAccessScript @ROOT@/d/decide.py"),
        block("/dispatch", "WSGIDispatchScript @ROOT@/d/decide.py"),
        block(
            "/dispatch-record",
            "SetEnv HTTPS on",
            "SetEnv PATH /from/setenv",
            "SetEnv SECRET_NULL",
            "WSGIDispatchScript @ROOT@/d/decide.py",
            "WSGIPassApacheRequest On",
        ),
        block(
            "/record",
            "SetEnv HTTPS on",
            "SetEnv PATH /from/setenv",
            "WSGIAccessScript @ROOT@/d/decide.py",
            "WSGIPassAuthorization On",
        ),
        block("/record-basic", *user(), "WSGIPassAuthorization On", "WSGIPassApacheRequest On"),
        block("/record-digest", *hashes()),
        block("/record-group", *groups()),
        block("/dispatch-limited", "WSGIDispatchScript @ROOT@/d/decide.py", "WSGIRestrictProcess app %{GLOBAL}"),
        block("/dispatch-embedded", "WSGIDispatchScript @ROOT@/d/decide.py", "WSGIRestrictProcess nothing"),
        *(
            block(f"/access-{name}", f"WSGIAccessScript @ROOT@/d/{name}.py")
            + block(f"/basic-{name}", *user(f"{name}.py"))
            + block(f"/digest-{name}", *hashes(f"{name}.py"))
            + block(f"/group-{name}", *groups(f"{name}.py"))
            + block(f"/dispatch-{name}", f"WSGIDispatchScript @ROOT@/d/{name}.py")
            for name in BROKEN
        ),
    )
)

MORE = """
WSGIDaemonProcess second threads=2
<VirtualHost *:@PORT1@>
    ServerName other.invalid
    WSGIDaemonProcess hidden threads=2
    WSGIScriptAlias /x @ROOT@/w/show.wsgi process-group=hidden
</VirtualHost>
"""

SITES = (
    Site(
        "deciding",
        MORE + LINES,
        ports=2,
        modules=(*MODULES, "access_compat"),
        files={
            "w/show.wsgi": app("show.wsgi"),
            "d/decide.py": app("deciding/decide.py"),
            "d/users": "ann:{SHA}5en6G6MezRroT3XKqkdPOmY/BfQ=\nbob:{SHA}5en6G6MezRroT3XKqkdPOmY/BfQ=\n",
            **{f"d/{name}.py": app(f"deciding/broken/{name}.py") for name in BROKEN if name != "absent"},
        },
    ),
)

GOOD = basic("ann")


WHOLE = ("status", "reason", "headers", "body", "environ")
# Words of which 6.1.1 makes something else.
ACCEPTED = {
    "null": dict.fromkeys((*WHOLE, "log"), "D401"),
    "failing:text-staff": dict.fromkeys(WHOLE, "D402"),
    "failing:text-x": {"log:codes": "D402"},
}


def answers(
    name: str,
    path: str,
    header: str,
    rows: tuple[str, ...],
    table: str,
    more: Headers = (),
    modes: tuple[str, ...] = BOTH,
) -> tuple[Case, ...]:
    """A line for each answer: the word, the status, WSGInnnn of the log, key=value of the environ."""
    made = []
    suffix = f", {modes[0]}" if len(modes) == 1 else ""
    for line in table.strip().splitlines():
        word, status, *words = line.split()
        codes = tuple(int(found[4:]) for found in words if found.startswith("WSGI"))
        shows = tuple(pair(*found.split("=", 1)) for found in words if "=" in found)
        ask = Ask(path, headers=((header, word), *more))
        # Which interpreter %{GLOBAL} really is, is another matter (D501).
        typed = {"test.group": str} if pair("mod_wsgi.application_group", "") in shows else {}
        made.append(
            Case(
                f"{name} {word}{suffix}",
                rows,
                "deciding",
                ask,
                int(status),
                codes,
                shows,
                modes,
                typed=typed,
                accepted=ACCEPTED.get(word, {}),
            )
        )
    return tuple(made)


def asking(target: str, file: str, *headers: tuple[str, str]) -> Ask:
    """A request whose functions write down what they are given."""
    return Ask(target, headers=(("X-Record", file), *headers))


ACCESS = "3.5-access-"
WRONG_TYPES = "empty zero one float wide latin subclass lying object text-x bytes-x list: list:text-x"

CASES: tuple[Case, ...] = (
    # ---- access
    *answers("3.5 access", "/access", "X-Access", (ACCESS + "true",), "true 200"),
    *answers("3.5 access", "/access", "X-Access", (ACCESS + "none",), "none 200"),
    *answers("3.5 access", "/access", "X-Access", (ACCESS + "false",), "false 403 WSGI0057"),
    *answers(
        "3.5 access",
        "/access",
        "X-Access",
        (ACCESS + "other",),
        "".join(f"{word} 403 WSGI0055 WSGI0057\n" for word in WRONG_TYPES.split()),
    ),
    *answers(
        "3.5 access",
        "/access",
        "X-Access",
        (ACCESS + "failures",),
        "raise 403 WSGI0057 WSGI0174\nexit 403 WSGI0057 WSGI0175",
    ),
    *answers("3.5 access and", "/access-and", "X-Access", (ACCESS + "true", ACCESS + "none"), "true 403\nnone 403"),
    *answers("3.5 access ok", "/access-ok", "X-Access", (ACCESS + "true",), "true 200\nnone 200"),
    *answers("3.5 access ok", "/access-ok", "X-Access", (ACCESS + "false",), "false 403 WSGI0057"),
    *answers(
        "3.5 access any",
        "/access-any",
        "X-Access",
        (ACCESS + "true", ACCESS + "none"),
        "true 200\nnone 200\nfalse 401",
    ),
    *answers("3.5 access any, user", "/access-any", "X-Access", (ACCESS + "false",), "false 200", more=(GOOD,)),
    *answers("3.5 access and user", "/access-user", "X-Access", (ACCESS + "true",), "true 401\nnone 401"),
    *answers("3.5 access and user", "/access-user", "X-Access", (ACCESS + "false",), "false 403 WSGI0057"),
    *answers("3.5 access, user", "/access-user", "X-Access", (ACCESS + "true",), "true 200", more=(GOOD,)),
    *(
        Case(f"3.5 access {name}", (ACCESS + "failures",), "deciding", Ask(f"/access-{name}"), 403, (*codes, 57))
        for name, codes in (
            ("syntax", (105,)),
            ("raises", (109,)),
            ("exits", (107,)),
            ("nothing", (56,)),
            ("values", (174,)),
            ("arity", (174,)),
            ("absent", (105,)),
        )
    ),
    Case(
        "3.5 access host",
        (ACCESS + "host",),
        "deciding",
        (asking("/access", "host"), given("host")),
        None,
        shows=('"test.arguments": ["127.0.0.1"]',),
    ),
    Case(
        "3.5 access host name",
        (ACCESS + "host",),
        "deciding",
        (asking("/lookups", "name"), given("name")),
        None,
        shows=('"test.arguments": ["localhost"]',),
    ),
    # ---- Basic
    *answers(
        "3.5 basic", "/basic", "X-Password", ("3.5-user-true",), "true 200 REMOTE_USER=ann AUTH_TYPE=Basic", (GOOD,)
    ),
    *answers("3.5 basic", "/basic", "X-Password", ("3.5-user-false",), "false 401", (GOOD,)),
    *answers("3.5 basic", "/basic", "X-Password", ("3.5-user-none",), "none 401", (GOOD,)),
    *answers(
        "3.5 basic",
        "/basic",
        "X-Password",
        ("3.5-user-name",),
        "text-renamed 200 REMOTE_USER=renamed\nsubclass 200\nlatin 200\nwide 200\nnewline 200\nnull 200",
        (GOOD,),
    ),
    *answers("3.5 basic", "/basic", "X-Password", ("3.5-user-empty",), "empty 500 WSGI0176", (GOOD,)),
    *answers(
        "3.5 basic",
        "/basic",
        "X-Password",
        ("3.5-user-other",),
        "".join(
            f"{word} 500 WSGI0177\n"
            for word in ["nobytes", "zero", "one", "float", "lying", "object", "bytes-x", "list:", "list:text-x"]
        ),
        (GOOD,),
    ),
    *answers(
        "3.5 basic",
        "/basic",
        "X-Password",
        ("3.5-user-failures",),
        "raise 500 WSGI0174\nexit 500 WSGI0175",
        (GOOD,),
    ),
    *(
        Case(
            f"3.5 basic {name}", ("3.5-user-failures",), "deciding", Ask(f"/basic-{name}", headers=(GOOD,)), 500, codes
        )
        for name, codes in (
            ("syntax", (105,)),
            ("raises", (109,)),
            ("exits", (107,)),
            ("nothing", (43,)),
            ("values", (174,)),
            ("arity", (174,)),
            ("absent", (105,)),
            ("missing", (41,)),
        )
    ),
    *(
        Case(f"3.5 login {name}", (row,), "deciding", Ask(path, headers=headers), status, codes, shows)
        for name, row, path, headers, status, codes, shows in (
            ("nobody", "3.5-user-false", "/basic", (), 401, (), ()),
            ("right", "3.5-user-true", "/basic", (GOOD,), 200, (), (pair("REMOTE_USER", "ann"),)),
            ("wrong", "3.5-user-false", "/basic", (basic("ann", "x"),), 401, (), ()),
            ("empty password", "3.5-user-false", "/basic", (basic("ann", ""),), 401, (), ()),
            ("empty user", "3.5-user-true", "/basic", (basic("", "secret"),), 200, (), ()),
            ("colons", "3.5-user-false", "/basic", (basic("ann", "se:cret"),), 401, (), ()),
            ("latin", "3.5-user-true", "/basic", (basic("caf\u00e9"),), 200, (), (pair("REMOTE_USER", "caf\u00e9"),)),
            ("no base64", "3.5-user-false", "/basic", (("Authorization", "Basic %%%"),), 401, (), ()),
            ("bearer", "3.5-user-false", "/basic", (("Authorization", "Bearer token"),), 401, (), ()),
            ("named user", "3.5-user-true", "/basic-ann", (GOOD,), 200, (), ()),
            ("other user", "3.5-user-true", "/basic-ann", (basic("bob"),), 401, (), ()),
            ("renamed", "3.5-user-name", "/basic-renamed", (GOOD, ("X-Password", "text-renamed")), 200, (), ()),
            ("before renaming", "3.5-user-name", "/basic-ann", (GOOD, ("X-Password", "text-renamed")), 401, (), ()),
            ("soft", "3.5-user-none", "/basic-soft", (GOOD, ("X-Password", "none")), 500, (), ()),
            ("next provider", "3.5-user-none", "/basic-next", (GOOD, ("X-Password", "none")), 200, (), ()),
            (
                "next provider, wrong",
                "3.5-user-none",
                "/basic-next",
                (basic("ann", "x"), ("X-Password", "none")),
                401,
                (),
                (),
            ),
            ("next not asked", "3.5-user-false", "/basic-next", (GOOD, ("X-Password", "false")), 401, (), ()),
            ("after file", "3.5-user-true", "/basic-after", (basic("new"),), 200, (), (pair("REMOTE_USER", "new"),)),
            ("file first", "3.5-user-false", "/basic-after", (basic("ann", "x"), ("X-Password", "true")), 401, (), ()),
            (
                *("authorization hidden", "3.5-user-true", "/basic", (GOOD,), 200, ()),
                (pair("AUTH_TYPE", "Basic"),),
            ),
            (
                *("authorization passed", "3.5-user-true", "/basic-passed", (GOOD,), 200, ()),
                (pair("HTTP_AUTHORIZATION", GOOD[1]),),
            ),
        )
    ),
    # ---- Digest
    *(
        Case(
            f"3.5 digest {word}",
            (row,),
            "deciding",
            digest("ann", "/digest", headers=(("X-Hash", word),)),
            None,
            codes,
            (pair("status", status),),
        )
        for word, row, status, codes in (
            ("good", "3.5-digest-hash", 200, ()),
            ("bytes", "3.5-digest-hash", 200, ()),
            ("upper", "3.5-digest-hash", 401, ()),
            ("wrong", "3.5-digest-hash", 401, ()),
            ("short", "3.5-digest-hash", 401, ()),
            ("none", "3.5-digest-none", 401, ()),
            ("empty", "3.5-digest-wrong", 500, (178,)),
            ("nobytes", "3.5-digest-wrong", 500, (178,)),
            ("zero", "3.5-digest-wrong", 500, (179,)),
            ("true", "3.5-digest-wrong", 500, (179,)),
            ("false", "3.5-digest-wrong", 500, (179,)),
            ("list:", "3.5-digest-wrong", 500, (179,)),
            ("object", "3.5-digest-wrong", 500, (179,)),
            ("wide", "3.5-digest-wrong", 500, (174,)),
            ("raise", "3.5-user-failures", 500, (174,)),
            ("exit", "3.5-user-failures", 500, (175,)),
        )
    ),
    *(
        Case(
            f"3.5 digest {name}",
            ("3.5-user-failures",),
            "deciding",
            digest("ann", f"/digest-{name}"),
            None,
            codes,
            (pair("status", 500),),
        )
        for name, codes in (
            ("syntax", (105,)),
            ("raises", (109,)),
            ("exits", (107,)),
            ("nothing", (46,)),
            ("values", (174,)),
            ("arity", (174,)),
            ("absent", (105,)),
            ("missing", (44,)),
        )
    ),
    # ---- groups
    *answers(
        "3.5 group",
        "/group",
        "X-Groups",
        ("3.5-group-match", "3.5-group-types"),
        """
list:text-staff 200
list:bytes-staff 200
tuple:text-staff 200
set:text-staff 200
iter:text-staff 200
dict:text-staff 200
list:text-x,text-staff 200
list:text-staff,text-staff 200
""",
        (GOOD,),
    ),
    *answers(
        "3.5 group", "/group", "X-Groups", ("3.5-group-case",), "list:text-STAFF 200\nlist:bytes-Staff 200", (GOOD,)
    ),
    *answers(
        "3.5 group",
        "/group",
        "X-Groups",
        ("3.5-group-none",),
        """
list: 401 WSGI0059
tuple: 401 WSGI0059
dict: 401 WSGI0059
list:text-x 401 WSGI0060
list:subclass 401 WSGI0060
list:empty 401 WSGI0060
list:text-staf 401 WSGI0060
text-staff 401 WSGI0060
empty 401 WSGI0059
""",
        (GOOD,),
    ),
    *answers(
        "3.5 group",
        "/group",
        "X-Groups",
        ("3.5-group-failures",),
        """
list:none,text-staff 401 WSGI0050
list:text-staff,none 401 WSGI0050
list:one 401 WSGI0050
list:wide 401 WSGI0049 WSGI0174
list:wide,text-staff 401 WSGI0049 WSGI0174
bytes-staff 401 WSGI0050
none 401 WSGI0051 WSGI0174
true 401 WSGI0051 WSGI0174
one 401 WSGI0051 WSGI0174
object 401 WSGI0051 WSGI0174
raise 401 WSGI0174
exit 401 WSGI0175
failing:text-x 401 WSGI0060 WSGI0174
failing:text-staff 200 WSGI0174
""",
        (GOOD,),
    ),
    *(
        Case(
            f"3.5 group {name}", ("3.5-group-failures",), "deciding", Ask(f"/group-{name}", headers=(GOOD,)), 401, codes
        )
        for name, codes in (
            ("syntax", (105,)),
            ("raises", (109,)),
            ("exits", (107,)),
            ("nothing", (52,)),
            ("values", (174,)),
            ("arity", (174,)),
            ("absent", (105,)),
            ("missing", (58,)),
        )
    ),
    *(
        Case(f"3.5 member {name}", (row,), "deciding", Ask(path, headers=(GOOD, *headers)), status, codes)
        for name, row, path, headers, status, codes in (
            ("blank", "3.5-group-match", "/group", (("X-Groups", "list:text-other group"),), 200, ()),
            ("blank, other case", "3.5-group-case", "/group", (("X-Groups", "list:text-OTHER group"),), 200, ()),
            ("one of many", "3.5-group-match", "/group-many", (("X-Groups", "list:text-two"),), 200, ()),
            ("required in upper", "3.5-group-case", "/group-upper", (), 200, ()),
            ("none required", "3.5-group-none", "/group-none-named", (), 401, (60,)),
            ("negated", "3.5-group-match", "/group-not", (), 401, ()),
            ("negated, other", "3.5-group-none", "/group-not", (("X-Groups", "list:text-x"),), 200, (60,)),
            ("any", "3.5-group-match", "/group-any", (), 200, ()),
            ("any, neither", "3.5-group-none", "/group-any", (("X-Groups", "list:text-x"),), 401, (60,)),
            ("expression", "3.5-group-match", "/group-expression", (("X-Wanted", "staff"),), 401, (60,)),
            ("wrong password", "3.5-group-match", "/group", (("X-Password", "false"),), 401, ()),
        )
    ),
    Case("3.5 member nobody", ("3.5-group-none",), "deciding", Ask("/group"), 401),
    Case("3.5 member without login", ("3.5-group-none",), "deciding", Ask("/group-anonymous"), 500),
    # ---- what they are given
    *(
        Case(f"3.5 given {name}", rows, "deciding", (step, given(file)), None, shows=shows)
        for name, rows, file, step, shows in (
            (
                *("access", ("3.5-environ", "3.5-in-child"), "a1", asking("/record/x?q=1", "a1", GOOD)),
                (pair("test.function", "allow_access"), pair("mod_wsgi.process_group", "")),
            ),
            (
                *("password", ("3.5-environ", "3.5-in-child"), "a2", asking("/record-basic/x?q=1", "a2", GOOD)),
                ('"test.arguments": ["ann", "secret"]', pair("mod_wsgi.process_group", "")),
            ),
            (
                *(
                    "password bytes",
                    ("3.5-environ",),
                    "a3",
                    asking("/record-basic", "a3", basic("\u00e9", "secret\u00ff")),
                ),
                ('"test.arguments": ',),
            ),
            (
                *("hash", ("3.5-environ",), "a4", digest("ann", "/record-digest", headers=(("X-Record", "a4"),))),
                ('"test.arguments": ["ann", "here"]',),
            ),
            (
                *("groups", ("3.5-environ",), "a5", asking("/record-group", "a5", GOOD)),
                ('"test.arguments": ["ann"]',),
            ),
            (
                *("post", ("3.5-environ",), "a6", Ask("/record", "POST", (("X-Record", "a6"),), b"abc")),
                (pair("CONTENT_LENGTH", "3"),),
            ),
            (
                *("dispatch", ("3.6-environ", "3.6-runs"), "a7", asking("/dispatch-record/x?q=1", "a7", GOOD)),
                (pair("HTTPS", "on"), pair("PATH", "/from/setenv")),
            ),
        )
    ),
    *(
        Case(
            f"3.5 interpreter {name}",
            rows,
            "deciding",
            (asking(f"/interpreter{path}", file, GOOD), given(file, group=name != "global")),
            None,
            shows=shows,
        )
        for name, path, file, rows, shows in (
            ("named", "", "i1", ("3.5-interpreter", "1.4-literal-auth"), (pair("test.group", "named"),)),
            (
                *("global", "-global", "i2", ("3.5-interpreter", "1.4-global-auth")),
                (pair("mod_wsgi.application_group", ""),),
            ),
            (
                "server",
                "-server",
                "i3",
                ("3.5-interpreter", "1.4-server-auth"),
                (pair("test.group", "localhost:@PORT0@"),),
            ),
            ("host", "-host", "i4", ("3.5-interpreter", "1.4-host-auth"), (pair("test.group", "127.0.0.1:@PORT0@"),)),
            (
                "resource",
                "-resource",
                "i5",
                ("3.5-interpreter", "1.4-resource-auth"),
                (pair("test.group", "%{RESOURCE}"),),
            ),
            (
                "variable",
                "-env",
                "i6",
                ("3.5-interpreter", "1.4-env-auth"),
                (pair("test.group", "%{ENV:FROM_SETENV}"),),
            ),
            ("of a user", "-user", "i7", ("3.5-interpreter",), (pair("test.group", "named"),)),
            (
                "of groups",
                "-group",
                "i8",
                ("3.5-interpreter",),
                (pair("test.function", "groups_for_user"), pair("test.group", "named")),
            ),
            ("of dispatch", "-dispatch", "i9", ("3.6-runs",), (pair("test.group", "named"),)),
        )
    ),
    # ---- dispatch
    *answers(
        "3.6 group",
        "/dispatch",
        "X-Application-Group",
        ("3.6-application-group", "3.6-types", "3.6-keys"),
        """
text-x 200 test.group=x mod_wsgi.application_group=x
bytes-x 200 test.group=x mod_wsgi.application_group=x
subclass 200 test.group=subclassed
latin 200
newline 200
null 200
empty 200 mod_wsgi.application_group=
nobytes 200 mod_wsgi.application_group=
""",
    ),
    *answers(
        "3.6 group", "/dispatch", "X-Application-Group", ("3.6-none",), "none 200 mod_wsgi.application_group=base"
    ),
    *answers(
        "3.6 group",
        "/dispatch",
        "X-Application-Group",
        ("3.6-failures",),
        "".join(
            f"{word} 500 {code}\n"
            for word, code in (
                *(
                    (word, "WSGI0174")
                    for word in ["true", "false", "zero", "one", "float", "wide", "lying", "object", "list:", "raise"]
                ),
                ("exit", "WSGI0175"),
            )
        ),
    ),
    *answers(
        "3.6 group",
        "/dispatch",
        "X-Application-Group",
        ("3.6-expansion",),
        """
text-%{GLOBAL} 200 mod_wsgi.application_group=
text-%{SERVER} 200 test.group=localhost:@PORT0@
text-%{HOST} 200 test.group=127.0.0.1:@PORT0@
text-%{RESOURCE} 200 test.group=localhost:@PORT0@|
text-%{ENV:FROM_SETENV} 200 test.group=yes
text-%{ENV:NOT_THERE} 200 test.group=%{ENV:NOT_THERE}
text-%{OTHER} 200 test.group=%{OTHER}
text-x%{GLOBAL} 200 test.group=x%{GLOBAL}
bytes-%{SERVER} 200 test.group=localhost:@PORT0@
""",
    ),
    *answers(
        "3.6 callable",
        "/dispatch",
        "X-Callable-Object",
        ("3.6-callable-object", "3.6-types", "3.6-keys"),
        """
text-second 200 test.entry=second mod_wsgi.callable_object=second
bytes-second 200 test.entry=second mod_wsgi.callable_object=second
text-application 200 test.entry=application
text-%{GLOBAL} 200 test.entry=application
""",
    ),
    *answers(
        "3.6 callable", "/dispatch", "X-Callable-Object", ("3.6-none",), "none 200 mod_wsgi.callable_object=application"
    ),
    *answers(
        "3.6 callable",
        "/dispatch",
        "X-Callable-Object",
        ("3.6-callable-object",),
        "text-nothing 404 WSGI0089\nempty 404 WSGI0089",
        modes=EMBEDDED,
    ),
    *answers(
        "3.6 callable",
        "/dispatch",
        "X-Callable-Object",
        ("3.6-callable-object",),
        "text-nothing 500 WSGI0089\nempty 500 WSGI0089",
        modes=DAEMON,
    ),
    *answers(
        "3.6 callable",
        "/dispatch",
        "X-Callable-Object",
        ("3.6-expansion",),
        "text-%{ENV:FROM_SETENV} 404 WSGI0089",
        modes=EMBEDDED,
    ),
    *answers(
        "3.6 callable",
        "/dispatch",
        "X-Callable-Object",
        ("3.6-expansion",),
        "text-%{ENV:FROM_SETENV} 500 WSGI0089",
        modes=DAEMON,
    ),
    *answers(
        "3.6 callable",
        "/dispatch",
        "X-Callable-Object",
        ("3.6-failures",),
        "".join(
            f"{word} 500 {code}\n"
            for word, code in (
                *((word, "WSGI0174") for word in ["true", "zero", "one", "wide", "object", "list:", "raise"]),
                ("exit", "WSGI0175"),
            )
        ),
    ),
    *answers(
        "3.6 process",
        "/dispatch",
        "X-Process-Group",
        ("3.6-process-group", "3.6-types", "3.6-keys"),
        """
text-second 200 test.process=second mod_wsgi.process_group=second
bytes-second 200 test.process=second mod_wsgi.process_group=second
empty 200 test.process= mod_wsgi.process_group=
text-%{GLOBAL} 200 test.process=
nobytes 200 test.process=
""",
    ),
    *answers("3.6 process", "/dispatch", "X-Process-Group", ("3.6-none",), "none 200 test.process=app", modes=DAEMON),
    *answers("3.6 process", "/dispatch", "X-Process-Group", ("3.6-none",), "none 200 test.process=", modes=EMBEDDED),
    *answers(
        "3.6 process",
        "/dispatch",
        "X-Process-Group",
        ("3.6-still-subject", "3.6-expansion"),
        """
text-nobody 500 WSGI0151
text-hidden 500 WSGI0152
text-%{SERVER} 500 WSGI0151
text-%{ENV:NOT_THERE} 500 WSGI0151
""",
    ),
    *answers(
        "3.6 process",
        "/dispatch",
        "X-Process-Group",
        ("3.6-failures",),
        "".join(
            f"{word} 500 {code}\n"
            for word, code in (
                *(
                    (word, "WSGI0174")
                    for word in ["true", "zero", "one", "float", "wide", "lying", "object", "list:", "raise"]
                ),
                ("exit", "WSGI0175"),
            )
        ),
    ),
    *answers(
        "3.6 limited",
        "/dispatch-limited",
        "X-Process-Group",
        ("3.6-still-subject",),
        "text-second 500 WSGI0149\ntext-%{GLOBAL} 200 test.process=",
    ),
    *answers("3.6 limited", "/dispatch-embedded", "X-Process-Group", ("3.6-still-subject",), "none 500 WSGI0149"),
    Case(
        "3.6 later functions skipped",
        ("3.6-failures",),
        "deciding",
        Ask("/dispatch", headers=(("X-Process-Group", "raise"), ("X-Callable-Object", "exit"))),
        500,
        (174,),
    ),
    Case(
        "3.6 all three",
        ("3.6-keys",),
        "deciding",
        Ask(
            "/dispatch",
            headers=(
                ("X-Process-Group", "text-second"),
                ("X-Application-Group", "text-third"),
                ("X-Callable-Object", "text-second"),
            ),
        ),
        shows=(pair("test.process", "second"), pair("test.group", "third"), pair("test.entry", "second")),
    ),
    *(
        Case(f"3.6 {name}", rows, "deciding", Ask(f"/dispatch-{name}"), status, codes)
        for name, rows, status, codes in (
            ("syntax", ("3.6-no-load",), 200, (105,)),
            ("raises", ("3.6-no-load",), 200, (109,)),
            ("exits", ("3.6-no-load",), 200, (107,)),
            ("absent", ("3.6-no-load",), 200, (105,)),
            ("nothing", ("3.6-none",), 200, ()),
            ("values", ("3.6-failures", "3.3-dispatch-failure"), 500, (174,)),
            ("arity", ("3.6-failures", "3.3-dispatch-failure"), 500, (174,)),
        )
    ),
)
