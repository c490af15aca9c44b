# SPDX-License-Identifier: Apache-2.0
"""Appendix B: every circumstance in which Apache refuses to start, and those in which it does not."""

from __future__ import annotations

from parity.model import Check

ALIASES = ("WSGIScriptAlias /x /y.wsgi", "WSGIScriptAliasMatch ^/x /y.wsgi")
HANDLER = "WSGIHandlerScript name /y.wsgi"
IMPORT = "WSGIImportScript /y.wsgi"
GLOBALS = "process-group=%{GLOBAL} application-group=%{GLOBAL}"
BOTH_GROUPS = "process-group=one application-group=two"

# directive -> its line around a value; the access directives need a directory
ON_OFF = (
    "WSGISocketRotation",
    "WSGIVerboseDebugging",
    "WSGIDontWriteBytecode",
    "WSGIDestroyInterpreter",
    "WSGIPerInterpreterGIL",
    "WSGIFreeThreading",
    "WSGIRestrictEmbedded",
    "WSGIRestrictStdin",
    "WSGIRestrictStdout",
    "WSGIRestrictSignal",
    "WSGICaseSensitivity",
    "WSGIPassApacheRequest",
    "WSGIPassAuthorization",
    "WSGIScriptReloading",
    "WSGIErrorOverride",
    "WSGIChunkedRequest",
    "WSGIIgnoreActivity",
    "WSGIEnableSendfile",
    "WSGIServerMetrics",
)


def here(line: str) -> str:
    """In a directory."""
    return f"<Directory /srv>\n{line}\n</Directory>"


def _on_off() -> list[Check]:
    made = []
    for name in (*ON_OFF, "WSGIGroupAuthoritative"):
        around = here if name == "WSGIGroupAuthoritative" else str
        for number, value in enumerate(("perhaps", "1", '""')):
            made.append(
                Check(
                    f"B-{name}-{number}",
                    ("B-on-off",),
                    around(f"{name} {value}"),
                    says="On.*Off|one argument",
                    names=("On", "Off") if value.isalnum() else (),
                )
            )
        for value in ("oN", "OFF"):
            made.append(Check(f"B-{name}-{value}", ("B-on-off",), around(f"{name} {value}"), refused=False))
        made.append(Check(f"B-{name}-nothing", ("B-on-off",), around(name), says="argument"))
        made.append(Check(f"B-{name}-two", ("B-on-off",), around(f"{name} On Off"), says="argument"))
    return made


def _aliases() -> list[Check]:
    made = []
    for line in ALIASES:
        name = line.split()[0]
        short = name.removeprefix("WSGI")

        def bad(ident: str, row: str, rest: str, says: str, *names: str, line: str = line, short: str = short) -> None:
            made.append(Check(f"B-{short}-{ident}", (f"B-alias-{row}",), f"{line} {rest}", says=says, names=names))

        made.append(Check(f"B-{short}-none", ("B-alias-arguments",), name, says="argument|path|pattern|match|regular"))
        made.append(Check(f"B-{short}-one", ("B-alias-arguments",), f"{name} /x", says="script|file|arguments|target"))
        bad("unknown", "option", "thread=1", "option", "thread")
        bad("case", "option", "Process-Group=one", "option", "Process-Group")
        bad("no-equals", "option", "process-group", "option", "process-group")
        bad("blanks", "option", "process-group = one", "option", "process-group")
        bad("leading-equals", "option", "=one", "option", "=one")
        bad("empty-process", "empty", "process-group=", "process.group", "process-group")
        bad("empty-application", "empty", "application-group=", "application.group", "application-group")
        bad("empty-callable", "empty", "callable-object=", "callable", "callable-object")
        bad("quoted-whole", "option", '"process-group=one"', "option")
        bad("empty-quoted", "empty", 'process-group=""', "process.group", "process-group")
        bad(
            "authorization", "authorization", "pass-authorization=maybe", "authorization", "pass-authorization", "maybe"
        )
        bad("authorization-empty", "authorization", "pass-authorization=", "authorization", "pass-authorization")
        bad("preload", "preload-undefined", BOTH_GROUPS, "group", "one")
    made.append(
        Check(
            "B-alias-regex-1",
            ("B-alias-regex", "1.2-WSGIScriptAliasMatch"),
            "WSGIScriptAliasMatch ^/(x /y.wsgi",
            says="expression|regex",
        )
    )
    made.append(
        Check("B-alias-regex-2", ("B-alias-regex",), "WSGIScriptAliasMatch ^/[a /y.wsgi", says="expression|regex")
    )
    made.append(Check("B-alias-regex-plain", ("B-alias-regex",), "WSGIScriptAlias /(x /y.wsgi", refused=False))
    return made


VHOST = "<VirtualHost *:@PORT{}@>\n{}\n</VirtualHost>"


def preloads(short: str, line: str, rows: tuple[str, str, str]) -> list[Check]:
    """The three ways in which a group is not reachable from where a script is preloaded, and those in which it is."""
    undefined, unreachable, unmatchable = rows
    one = "WSGIDaemonProcess one"
    return [
        Check(f"B-{short}-undefined", (undefined,), line, says="not yet", names=("one",)),
        Check(
            f"B-{short}-too-late",
            (undefined,),
            f"{line}\n{one}",
            says="not yet",
            names=("one",),
            accepted={"status": "D102"},
        ),
        Check(f"B-{short}-defined", (undefined,), f"{one}\n{line}", refused=False),
        Check(
            f"B-{short}-other-vhost",
            (unreachable,),
            VHOST.format(0, f"ServerName a.invalid\n{one}") + "\n" + VHOST.format(1, f"ServerName b.invalid\n{line}"),
            says="not accessible",
            names=("one",),
        ),
        Check(
            f"B-{short}-vhost-from-main",
            (unreachable,),
            VHOST.format(0, f"ServerName a.invalid\n{one}") + "\n" + line,
            says="not accessible|not match",
            names=("one",),
        ),
        Check(
            f"B-{short}-no-name",
            (unmatchable,),
            VHOST.format(0, one) + "\n" + VHOST.format(1, f"ServerName b.invalid\n{line}"),
            says="not match",
            names=("one",),
        ),
        Check(
            f"B-{short}-no-name-here",
            (unmatchable,),
            VHOST.format(0, f"ServerName a.invalid\n{one}") + "\n" + VHOST.format(1, line),
            says="not match",
            names=("one",),
        ),
        Check(
            f"B-{short}-same-name",
            (unreachable,),
            VHOST.format(0, f"ServerName a.invalid\n{one}") + "\n" + VHOST.format(1, f"ServerName a.invalid\n{line}"),
            refused=False,
        ),
        Check(
            f"B-{short}-from-main",
            (unreachable,),
            f"{one}\n" + VHOST.format(0, f"ServerName a.invalid\n{line}"),
            refused=False,
        ),
    ]


def _daemon() -> list[Check]:
    made = []

    def bad(ident: str, row: str, options: str, says: str, *names: str) -> None:
        rows = (f"B-daemon-{row}",) + ((f"2.1-{names[0]}",) if row in ("ranges", "absolute") else ())
        made.append(Check(f"B-daemon-{ident}", rows, f"WSGIDaemonProcess one {options}", says=says, names=names))

    def good(ident: str, options: str) -> None:
        name = options.partition("=")[0]
        rows = ("B-daemon-ranges", f"2.1-{name}")
        made.append(Check(f"B-daemon-{ident}", rows, f"WSGIDaemonProcess one {options}", refused=False))

    made.append(Check("B-daemon-name", ("B-daemon-name",), "WSGIDaemonProcess", says="name|argument"))
    twice = "WSGIDaemonProcess one threads=1\nWSGIDaemonProcess one threads=2"
    made.append(Check("B-daemon-duplicate", ("B-daemon-duplicate",), twice, says="duplicate|already", names=("one",)))
    vhosts = (
        VHOST.format(0, "WSGIDaemonProcess one threads=1") + "\n" + VHOST.format(1, "WSGIDaemonProcess one threads=2")
    )
    made.append(
        Check(
            "B-daemon-duplicate-vhosts",
            ("B-daemon-duplicate",),
            vhosts,
            says="duplicate",
            names=("one",),
            accepted={"line": "D103"},
        )
    )
    same = "ServerName a.invalid\nWSGIDaemonProcess one threads=2"
    vhosts = VHOST.format(0, same) + "\n" + VHOST.format(1, same)
    made.append(
        Check("B-daemon-duplicate-same", ("B-daemon-duplicate",), vhosts, says="duplicate", accepted={"status": "D103"})
    )
    made.append(
        Check(
            "B-daemon-chroot-root",
            ("B-daemon-chroot-root", "2.1-chroot"),
            "WSGIDaemonProcess one chroot=/srv",
            says="root",
            names=("chroot",),
            ordinary_user=True,
        )
    )
    made.append(Check("B-daemon-everything", ("B-daemon-ranges",), EVERYTHING, refused=False))
    bad("unknown", "option", "thread=5", "option", "thread")
    bad("case", "option", "Threads=5", "option", "Threads")
    bad("no-equals", "option", "threads", "option", "threads")
    bad("leading-equals", "option", "=5", "option", "=5")
    bad("blanks", "option", "threads = 5", "option", "threads")
    bad("root-by-name", "root", "user=root", "user|root", "user", "root")
    bad("root-by-uid", "root", "user=#0", "user|root", "user", "#0")
    bad("unknown-uid", "uid", "user=#4294967", "uid|user", "user", "#4294967")
    bad("owner", "owner", "script-user=#0 script-group=#0", "script", "script-user", "script-group")
    groups = ",".join("#" + str(number) for number in range(1, 65600))
    made.append(
        Check(
            "B-daemon-groups",
            ("B-daemon-groups", "2.1-supplementary-groups"),
            f"WSGIDaemonProcess one supplementary-groups={groups}",
            says="group",
            names=("supplementary-groups",),
        )
    )
    bad("relative-home", "absolute", "home=relative", "home", "home", "relative")
    bad("relative-chroot", "absolute", "chroot=relative", "chroot|root", "chroot", "relative")
    for name in ("home", "user", "group"):
        made.append(
            Check(
                f"B-daemon-{name}-empty",
                ("B-daemon-option", f"2.1-{name}"),
                f"WSGIDaemonProcess one {name}=",
                names=(name,),
            )
        )
    for name in ("lang", "locale", "python-home", "python-path", "python-eggs", "display-name"):
        good(f"{name}-empty", f"{name}=")
    for name, least in RANGES.items():
        below = least - 1
        bad(f"{name}-below", "ranges", f"{name}={below}", name.split("-")[0] + "|count", name, str(below))
        good(f"{name}-least", f"{name}={least}")
    for name, least in ((name, least) for name, least in SIZES.items()):
        bad(f"{name}-below", "ranges", f"{name}={least - 1}", "size", name, str(least - 1))
        bad(f"{name}-negative", "ranges", f"{name}=-1", "size", name, "-1")
        good(f"{name}-least", f"{name}={least}")
        good(f"{name}-zero", f"{name}=0")
    bad("threads-above", "ranges", "threads=65534", "thread", "threads", "65534")
    good("threads-most", "threads=65533")
    for value in ("0", "-1", "abc"):
        bad(f"switch-interval-{value}", "ranges", f"switch-interval={value}", "interval", "switch-interval", value)
    good("switch-interval", "switch-interval=0.001")
    bad("server-metrics", "ranges", "server-metrics=maybe", "metrics", "server-metrics", "maybe")
    good("server-metrics-on", "server-metrics=oN")
    for name in ("user", "socket-user", "script-user", "group", "script-group", "supplementary-groups"):
        bad(
            f"{name}-unknown", "ranges", f"{name}=nobody-has-this-name", "user|group|name", name, "nobody-has-this-name"
        )
    for value in ("0", "077", "0777"):
        good(f"umask-{value}", f"umask={value}")
    for value in ("-5", "0", "19"):
        good(f"cpu-priority-{value}", f"cpu-priority={value}")
    return made


# As 6.1.1's own generator of configurations writes it.
EVERYTHING = """
WSGISocketRotation Off
WSGIRestrictEmbedded On
WSGIDaemonProcess 'localhost:8000' \\
   display-name='(wsgi:localhost:8000:0)' \\
   home='@ROOT@' \\
   processes=1 \\
   threads=5 \\
   maximum-requests=0 \\
   python-path='' \\
   python-eggs='@SCRATCH@' \\
   lang='en_US.UTF-8' \\
   locale='en_US.UTF-8' \\
   listen-backlog=100 \\
   queue-timeout=45 \\
   socket-timeout=60 \\
   connect-timeout=15 \\
   request-timeout=60 \\
   interrupt-timeout=0 \\
   inactivity-timeout=0 \\
   startup-timeout=15 \\
   deadlock-timeout=60 \\
   graceful-timeout=15 \\
   eviction-timeout=0 \\
   restart-interval=0 \\
   cpu-time-limit=0 \\
   shutdown-timeout=5 \\
   send-buffer-size=0 \\
   receive-buffer-size=0 \\
   header-buffer-size=0 \\
   response-buffer-size=0 \\
   response-socket-timeout=0 \\
   response-flush-delay=5 \\
   server-metrics=Off
WSGICallableObject 'application'
WSGIHandlerScript wsgi-handler '@APPS@/echo.wsgi' process-group='localhost:8000' application-group=%{GLOBAL}
WSGIImportScript '@APPS@/echo.wsgi' process-group='localhost:8000' application-group=%{GLOBAL}
"""

# Options whose least value is given; one less is refused.
RANGES = {
    "processes": 1,
    "threads": 0,
    "stack-size": 1,
    "maximum-requests": 0,
    "startup-timeout": 0,
    "shutdown-timeout": 0,
    "deadlock-timeout": 0,
    "inactivity-timeout": 0,
    "request-timeout": 0,
    "interrupt-timeout": 0,
    "graceful-timeout": 0,
    "eviction-timeout": 0,
    "restart-interval": 0,
    "connect-timeout": 0,
    "socket-timeout": 0,
    "queue-timeout": 0,
    "listen-backlog": 0,
    "response-socket-timeout": 0,
    "response-flush-delay": 0,
    "cpu-time-limit": 0,
    "memory-limit": 0,
    "virtual-memory-limit": 0,
}

SIZES = {
    "send-buffer-size": 512,
    "receive-buffer-size": 512,
    "header-buffer-size": 8192,
    "response-buffer-size": 65536,
}


def bad(made: list[Check], ident: str, row: str, lines: str, says: str, *names: str) -> None:
    """A refused configuration."""
    rows = (f"B-{row}", *(["1.5-errors"] if row.startswith("section-") else []))
    made.append(Check(f"B-{ident}", rows, lines, says=says, names=names))


def good(made: list[Check], ident: str, row: str, lines: str, accepted: str = "") -> None:
    """A configuration that 6.1.1 takes; ours too, unless a difference is named."""
    differs = {"status": accepted} if accepted else {}
    made.append(Check(f"B-{ident}", (f"B-{row}",), lines, refused=False, accepted=differs))


def _processes() -> list[Check]:
    made: list[Check] = []
    bad(made, "socket-prefix", "socket-prefix", "WSGISocketPrefix " + "/x" * 5000, "path|prefix")
    good(made, "socket-prefix-relative", "socket-prefix", "WSGISocketPrefix logs/wsgi")
    bad(made, "accept-mutex", "accept-mutex", "WSGIAcceptMutex semaphore", "mutex|mechanism", "semaphore")
    for value in ("default", "FLOCK", "fcntl", "sysvsem", "posixsem", "pthread"):
        good(made, f"accept-mutex-{value}", "accept-mutex", f"WSGIAcceptMutex {value}")
    for value in ("-1", "4294967296", "word", '""'):
        bad(
            made,
            f"hash-seed-{value}",
            "hash-seed",
            f"WSGIPythonHashSeed {value}",
            "seed|range|integer",
            value.strip('"'),
        )
    for value in ("0", "4294967295", "random"):
        good(made, f"hash-seed-{value}", "hash-seed", f"WSGIPythonHashSeed {value}")
    for value in ("0", "-0.1", "word", '""'):
        bad(
            made,
            f"switch-interval-{value}",
            "switch-interval",
            f"WSGISwitchInterval {value}",
            "interval",
            value.strip('"'),
        )
    good(made, "switch-interval-small", "switch-interval", "WSGISwitchInterval 1e-6")
    return made


def _sections() -> list[Check]:
    made: list[Check] = []
    section = "WSGIRestrictStdin On\n</WSGIInterpreterOptions>"
    bad(made, "section-closing", "section-closing", f"<WSGIInterpreterOptions process-group=one\n{section}", ">")
    bad(made, "section-form", "section-form", f"<WSGIInterpreterOptions one>\n{section}", "=|key|selector|value", "one")
    bad(
        made,
        "section-selector",
        "section-selector",
        f"<WSGIInterpreterOptions group=one>\n{section}",
        "selector|key|unknown|group",
        "group",
    )
    bad(
        made,
        "section-twice",
        "section-twice",
        f"<WSGIInterpreterOptions process-group=one process-group=two>\n{section}",
        "once|twice|duplicate|more than",
        "process-group",
    )
    good(made, "section-case", "section-selector", f"<WSGIInterpreterOptions Process-Group=one>\n{section}")
    good(made, "section-empty", "section-form", f"<WSGIInterpreterOptions process-group=>\n{section}")
    good(made, "section-none", "section-selector", f"<WSGIInterpreterOptions>\n{section}")
    bad(made, "section-open", "section-closing", "<WSGIInterpreterOptions process-group=one>\nWSGIRestrictStdin On", "")
    return made


def _imports() -> list[Check]:
    made: list[Check] = []
    bad(made, "import-none", "import-file", "WSGIImportScript", "script|file|argument")
    bad(made, "import-unknown", "import-option", f"{IMPORT} {GLOBALS} thread=1", "option", "thread")
    bad(made, "import-no-equals", "import-option", f"{IMPORT} process-group", "option", "process-group")
    bad(made, "import-no-groups", "import-groups", IMPORT, "group", "process-group")
    bad(made, "import-no-process", "import-groups", f"{IMPORT} application-group=%{{GLOBAL}}", "group", "process-group")
    bad(
        made,
        "import-no-application",
        "import-groups",
        f"{IMPORT} process-group=%{{GLOBAL}}",
        "group",
        "application-group",
    )
    bad(
        made,
        "import-empty-process",
        "import-groups",
        f"{IMPORT} process-group= application-group=x",
        "group",
        "process-group",
    )
    bad(
        made,
        "import-empty-application",
        "import-groups",
        f"{IMPORT} process-group=%{{GLOBAL}} application-group=",
        "group",
        "application-group",
    )
    bad(
        made,
        "import-alias-option",
        "import-option",
        f"{IMPORT} {GLOBALS} callable-object=x",
        "option",
        "callable-object",
    )
    return made


def _decisions() -> list[Check]:
    made: list[Check] = []
    for name in ("WSGIDispatchScript", "WSGIAccessScript", "WSGIAuthUserScript", "WSGIAuthGroupScript"):
        bad(made, f"{name}-none", "decision-file", here(name), "script|file|argument")
        bad(made, f"{name}-unknown", "decision-option", here(f"{name} /y.wsgi thread=1"), "option", "thread")
        bad(
            made,
            f"{name}-process",
            "decision-option",
            here(f"{name} /y.wsgi process-group=x"),
            "option",
            "process-group",
        )
        bad(
            made,
            f"{name}-no-equals",
            "decision-option",
            here(f"{name} /y.wsgi application-group"),
            "option",
            "application-group",
        )
        bad(
            made,
            f"{name}-empty",
            "decision-empty",
            here(f"{name} /y.wsgi application-group="),
            "group",
            "application-group",
        )
        good(made, f"{name}-missing-file", "not-missing-file", here(f"{name} /no/such/file.wsgi application-group=x"))
    return made


def _handlers() -> list[Check]:
    made: list[Check] = []
    bad(made, "handler-none", "handler-arguments", "WSGIHandlerScript", "name|argument")
    bad(made, "handler-no-file", "handler-arguments", "WSGIHandlerScript name", "script|file|argument")
    bad(made, "handler-unknown", "handler-option", f"{HANDLER} thread=1", "option", "thread")
    bad(made, "handler-no-equals", "handler-option", f"{HANDLER} process-group", "option", "process-group")
    bad(made, "handler-callable", "handler-option", f"{HANDLER} callable-object=x", "option", "callable-object")
    bad(made, "handler-empty-process", "handler-empty", f"{HANDLER} process-group=", "group", "process-group")
    bad(
        made,
        "handler-empty-application",
        "handler-empty",
        f"{HANDLER} application-group=",
        "group",
        "application-group",
    )
    bad(
        made,
        "handler-flag",
        "handler-flag",
        f"{HANDLER} pass-authorization=maybe",
        "authorization",
        "pass-authorization",
        "maybe",
    )
    good(made, "handler-unknown-groups", "not-unknown-group", f"{HANDLER} {BOTH_GROUPS}")
    return made


def _values() -> list[Check]:
    made: list[Check] = []
    for value in ("GET", "1", '""'):
        bad(
            made,
            f"map-head-{value}",
            "map-head",
            f"WSGIMapHEADToGET {value}",
            "On.*Off|Off.*On|one argument",
            *(["Auto"] if value.isalnum() else []),
        )
    for value in ("auto", "ON", "off"):
        good(made, f"map-head-{value}", "map-head", f"WSGIMapHEADToGET {value}")
    for value in (
        "word",
        "1.2.3.4/33",
        "::1/129",
        "fe80::1%eth0",
        "256.1.1.1",
        "1.2.3.4/",
    ):
        bad(
            made,
            f"proxies-{value}",
            "proxies",
            f"WSGITrustedProxies 127.0.0.1 {value}",
            "proxy|proxies|ip|subnet|address",
            value,
        )
    for value in ("10.0.0.0/8", "10.0.0.0/255.0.0.0", "::1", "2001:db8::/32", "1.2.3", "1.2.3.4/255.0.255.0"):
        good(made, f"proxies-{value}", "proxies", f"WSGITrustedProxies {value}")
    good(made, "proxies-none", "proxies", "WSGITrustedProxies")
    good(made, "proxy-headers-none", "not-proxy-header", "WSGITrustedProxyHeaders")
    good(made, "proxy-headers", "not-proxy-header", "WSGITrustedProxyHeaders X-Nobody-Knows-This X-Forwarded-For")
    return made


def _accepted() -> list[Check]:
    made: list[Check] = []
    for value in ("/run/x", "udp:127.0.0.1:1", "unix"):
        bad(made, f"telemetry-{value}", "telemetry-target", f"WSGITelemetryService {value}", "unix", value)
    for value in ("5", "every=5", "interval", "Interval=5"):
        bad(
            made,
            f"telemetry-second-{value}",
            "telemetry-argument",
            f"WSGITelemetryService unix:/run/x {value}",
            "interval",
            value,
        )
    for value in ("0.4", "0", "-1", "word", ""):
        bad(
            made,
            f"telemetry-interval-{value}",
            "telemetry-interval",
            f"WSGITelemetryService unix:/run/x interval={value}",
            "interval",
            "interval",
        )
    for value in ("unix:relative", "unix:"):
        good(made, f"telemetry-{value}", "telemetry-target", f"WSGITelemetryService {value}", "D110")
    good(made, "telemetry", "telemetry-interval", "WSGITelemetryService unix:/run/x interval=0.5")
    for value in ("-1", '""'):
        bad(
            made,
            f"slow-requests-{value}",
            "slow-requests",
            f"WSGISlowRequests {value}",
            "request|second|number|threshold",
            value.strip('"'),
        )
    for value in ("0", "0.25"):
        good(made, f"slow-requests-{value}", "slow-requests", f"WSGISlowRequests {value}")
    for value in (
        "CaptureAll",
        "+CaptureAll",
        "+CaptureUserAgent CaptureUserAgent",
    ):
        bad(
            made,
            f"telemetry-options-{value}",
            "telemetry-options",
            f"WSGITelemetryOptions {value}",
            "option|flag|None|All",
        )
    for value in (
        "None",
        "All",
        "CaptureUserAgent",
        "+CaptureUserAgent",
        "-CaptureUserAgent",
        "captureuseragent",
    ):
        good(made, f"telemetry-options-{value}", "telemetry-options", f"WSGITelemetryOptions {value}")
    for value in ("None CaptureUserAgent", "All CaptureUserAgent", "All None"):
        good(made, f"telemetry-options-{value}", "telemetry-options", f"WSGITelemetryOptions {value}", "D111")
    return made


def _more7() -> list[Check]:
    made: list[Check] = []
    for line in (*ALIASES, HANDLER, f"{IMPORT} {GLOBALS}"):
        good(made, f"{line.split()[0]}-missing-file", "not-missing-file", line)
    good(made, "unknown-group", "not-unknown-group", "WSGIProcessGroup nobody-defines-this")
    good(made, "unknown-group-alias", "not-unknown-group", f"{ALIASES[0]} process-group=nobody-defines-this")
    good(made, "missing-home", "not-missing-home", "WSGIPythonHome /no/such/home", "D104")
    good(made, "missing-home-daemon", "not-missing-home", "WSGIDaemonProcess one python-home=/no/such/home", "D104")
    for value in ("many", "5x", "2.5"):
        made.append(
            Check(
                f"B-atoi-threads-{value}",
                ("B-not-atoi", "2.1-threads"),
                f"WSGIDaemonProcess one threads={value}",
                refused=False,
                names=("threads", value),
                accepted={"status": "D101"},
            )
        )
    good(made, "slow-requests-word", "slow-requests", "WSGISlowRequests word", "D101")
    for value in ("nan", "inf"):
        good(
            made,
            f"daemon-switch-interval-{value}",
            "daemon-ranges",
            f"WSGIDaemonProcess one switch-interval={value}",
            "D101",
        )
    good(made, "atoi-optimize", "not-atoi", "WSGIPythonOptimize word", "D101")
    good(made, "atoi-optimize-negative", "not-atoi", "WSGIPythonOptimize -3")
    return made


CHECKS = (
    *_on_off(),
    *_aliases(),
    *(
        check
        for short, line in (("alias", ALIASES[0]), ("match", ALIASES[1]))
        for check in preloads(
            short,
            f"{line} {BOTH_GROUPS}",
            ("B-alias-preload-undefined", "B-alias-preload-unreachable", "B-alias-preload-unmatchable"),
        )
    ),
    *preloads("import", f"{IMPORT} {BOTH_GROUPS}", ("B-import-unreachable",) * 3),
    *_daemon(),
    *_processes(),
    *_sections(),
    *_imports(),
    *_decisions(),
    *_handlers(),
    *_values(),
    *_accepted(),
    *_more7(),
)
